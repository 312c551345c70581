#include "webhook/certificates/key_files.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/webhook/certificates/support.h"

namespace gatehouse::webhook {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class KeyFilesTest : public CertificatesTest {
 protected:
  KeyFilesTest() {
    std::string pattern = testing::TempDir() + "gatehouse-keys-XXXXXX";
    parent_ = mkdtemp(pattern.data());
  }
  ~KeyFilesTest() override {
    files_.reset();
    std::filesystem::remove_all(parent_);
  }

  std::filesystem::path Folder() const { return parent_ / "keys"; }
  std::string Read(const std::string& name) const {
    std::ifstream file(Folder() / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static std::vector<KeyObject> Objects() {
    return {{kube::kSecrets, kNamespace, "gatehouse-tls", {{"tls.crt", "tls.crt"}, {"tls.key", "tls.key"}}},
            {kube::kSecrets,
             kNamespace,
             "gatehouse-attestation",
             {{"nonce.key", "nonce.key"}, {"previous-signing.pub", "previous.pub?"}}},
            {kube::kConfigMaps, kNamespace, "gatehouse-public", {{"signing-keys.pem", "signing-keys.pem"}}}};
  }
  void Start() {
    files_ = std::make_unique<KeyFiles>(api_, Folder().string(), Objects(), log_, crypto::SystemRandom());
    Status started = files_->Start();
    ASSERT_TRUE(started.ok()) << started.error().ToString();
  }
  static bool Await(const std::function<bool()>& is_so) {
    for (int i = 0; i < 5000; ++i) {
      if (is_so()) return true;
      ::usleep(1000);
    }
    return false;
  }
  // What the informers saw so far is laid down.
  bool AwaitFile(const std::string& name, const std::string& content) const {
    return Await([&] { return Read(name) == content; });
  }
  bool AwaitProblem(const std::string& text) const {
    return Await([&] {
      for (const std::string& problem : files_->Problems()) {
        if (problem.find(text) != std::string::npos) return true;
      }
      return false;
    });
  }
  void PutAll() {
    PutSecret("gatehouse-tls", true, {{"tls.crt", "certificate 1"}, {"tls.key", "key 1"}});
    PutSecret("gatehouse-attestation", true, {{"nonce.key", Binary()}});
    server_.Put(
        R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"gatehouse-public","namespace":"gatehouse-system"},"data":{"signing-keys.pem":"keys 1"}})");
  }
  static std::string Binary() {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    return bytes;
  }

  std::filesystem::path parent_;
  std::unique_ptr<KeyFiles> files_;
};

TEST_F(KeyFilesTest, EntriesBecomeFilesOfTheOwnerOnly) {
  PutAll();
  Start();
  ASSERT_TRUE(Await([&] { return files_->Ready() && files_->Problems().empty(); }));
  EXPECT_EQ(Read("tls.crt"), "certificate 1");
  EXPECT_EQ(Read("tls.key"), "key 1");
  EXPECT_EQ(Read("nonce.key"), Binary());
  EXPECT_EQ(Read("signing-keys.pem"), "keys 1");
  EXPECT_FALSE(std::filesystem::exists(Folder() / "previous.pub"));
  struct stat status {};
  ::stat(Folder().c_str(), &status);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  for (const auto& entry : std::filesystem::directory_iterator(Folder())) {
    ::stat(entry.path().c_str(), &status);
    EXPECT_EQ(status.st_mode & 0777U, 0600U) << entry.path();
    EXPECT_FALSE(entry.path().filename().string().ends_with(".new"));
  }
}

TEST_F(KeyFilesTest, OnlyTheNamedObjectsAreAskedFor) {
  PutAll();
  PutSecret("another", true, {{"tls.crt", "another"}});
  Start();
  ASSERT_TRUE(Await([&] { return files_->Ready(); }));
  for (const auto& request : server_.requests()) {
    EXPECT_THAT(request.Parameter("fieldSelector"), testing::StartsWith("metadata.name=gatehouse-")) << request.path;
  }
}

TEST_F(KeyFilesTest, ChangesAreFollowed) {
  PutAll();
  Start();
  ASSERT_TRUE(AwaitFile("tls.key", "key 1"));
  PutSecret("gatehouse-tls", true, {{"tls.crt", "certificate 2"}, {"tls.key", "key 2"}});
  EXPECT_TRUE(AwaitFile("tls.key", "key 2"));
  EXPECT_TRUE(AwaitFile("tls.crt", "certificate 2"));
}

TEST_F(KeyFilesTest, AFileThatIsTheSameIsNotTouched) {
  PutAll();
  Start();
  ASSERT_TRUE(AwaitFile("tls.key", "key 1"));
  struct stat before {};
  ::stat((Folder() / "tls.crt").c_str(), &before);
  PutSecret("gatehouse-tls", true, {{"tls.crt", "certificate 1"}, {"tls.key", "key 2"}});
  ASSERT_TRUE(AwaitFile("tls.key", "key 2"));
  struct stat after {};
  ::stat((Folder() / "tls.crt").c_str(), &after);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

// A reader sees the whole old or the whole new file, never a part of one.
TEST_F(KeyFilesTest, FilesAreReplacedByRename) {
  PutAll();
  Start();
  ASSERT_TRUE(AwaitFile("tls.key", "key 1"));
  std::ifstream open_before(Folder() / "tls.key");
  PutSecret("gatehouse-tls", true, {{"tls.crt", "certificate 2"}, {"tls.key", "key 2"}});
  ASSERT_TRUE(AwaitFile("tls.key", "key 2"));
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(open_before), {}), "key 1");
}

struct Half {
  const char* what;
  const char* data;
  const char* problem;
};

TEST_F(KeyFilesTest, HalfOfAPairLeavesBothAsTheyWere) {
  PutAll();
  Start();
  ASSERT_TRUE(AwaitFile("tls.key", "key 1"));
  ASSERT_TRUE(Await([&] { return files_->Ready(); }));
  for (const Half& half :
       {Half{"key missing", R"({"tls.crt":"bmV3"})", "tls.key: is missing"},
        Half{"key empty", R"({"tls.crt":"bmV3","tls.key":""})", "tls.key: is missing or empty"},
        Half{"certificate missing", R"({"tls.key":"bmV3"})", "tls.crt: is missing"},
        Half{"key is no base64", R"({"tls.crt":"bmV3","tls.key":"bmV3!"})", "tls.key: is not base64"},
        Half{"nothing", "{}", "tls.crt: is missing"}}) {
    server_.Put(
        std::string(
            R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"gatehouse-tls","namespace":"gatehouse-system"},"data":)") +
        half.data + "}");
    EXPECT_TRUE(AwaitProblem(half.problem)) << half.what;
    EXPECT_EQ(Read("tls.crt"), "certificate 1") << half.what;
    EXPECT_EQ(Read("tls.key"), "key 1") << half.what;
    EXPECT_TRUE(files_->Ready()) << "what is there goes on to be used";
  }
  PutSecret("gatehouse-tls", true, {{"tls.crt", "certificate 3"}, {"tls.key", "key 3"}});
  EXPECT_TRUE(AwaitFile("tls.key", "key 3"));
  EXPECT_TRUE(Await([&] { return files_->Problems().empty(); }));
}

TEST_F(KeyFilesTest, DeletedObjectLeavesItsFiles) {
  PutAll();
  Start();
  ASSERT_TRUE(AwaitFile("tls.key", "key 1"));
  ASSERT_TRUE(Await([&] { return files_->Ready(); }));
  server_.Remove(kube::kSecrets, "gatehouse-tls", kNamespace);
  EXPECT_TRUE(AwaitProblem("Secret gatehouse-system/gatehouse-tls: does not exist"));
  EXPECT_EQ(Read("tls.key"), "key 1");
  EXPECT_TRUE(files_->Ready());
}

TEST_F(KeyFilesTest, OptionalEntriesComeAndGo) {
  PutAll();
  Start();
  ASSERT_TRUE(Await([&] { return files_->Ready(); }));
  PutSecret("gatehouse-attestation", true, {{"nonce.key", Binary()}, {"previous-signing.pub", "key"}});
  EXPECT_TRUE(AwaitFile("previous.pub", "key"));
  PutSecret("gatehouse-attestation", true, {{"nonce.key", Binary()}});
  EXPECT_TRUE(Await([&] { return !std::filesystem::exists(Folder() / "previous.pub"); }));
  EXPECT_THAT(files_->Problems(), IsEmpty());
}

TEST_F(KeyFilesTest, NotReadyBeforeEverythingIsThere) {
  Start();
  EXPECT_TRUE(AwaitProblem("Secret gatehouse-system/gatehouse-tls: does not exist"));
  EXPECT_FALSE(files_->Ready());
  PutAll();
  EXPECT_TRUE(Await([&] { return files_->Ready(); }));
}

// The folder outlives the container: a restart during an outage of the API server has its keys.
TEST_F(KeyFilesTest, FilesOfAnEarlierLifeAreReady) {
  PutAll();
  Start();
  ASSERT_TRUE(Await([&] { return files_->Ready(); }));
  files_.reset();
  server_.Fail({.status = 503, .times = 1'000'000});
  Start();
  EXPECT_TRUE(files_->Ready());
  EXPECT_TRUE(AwaitProblem("gatehouse-public"));
}

TEST_F(KeyFilesTest, BinaryDataOfAConfigMap) {
  PutAll();
  server_.Put(
      R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"gatehouse-public","namespace":"gatehouse-system"},"binaryData":{"signing-keys.pem":"AAEC/w=="}})");
  Start();
  EXPECT_TRUE(AwaitFile("signing-keys.pem", std::string("\0\1\2\xFF", 4)));
}

TEST_F(KeyFilesTest, FolderThatOthersReadIsClosed) {
  std::filesystem::create_directories(Folder());
  ::chmod(Folder().c_str(), 0755);
  Start();
  struct stat status {};
  ::stat(Folder().c_str(), &status);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
}

TEST_F(KeyFilesTest, FolderThatIsNone) {
  std::ofstream(Folder()) << "a file";
  KeyFiles file(api_, Folder().string(), Objects(), log_, crypto::SystemRandom());
  EXPECT_EQ(file.Start().error().reason, Reason::kInternal);
  std::filesystem::remove(Folder());
  std::filesystem::create_directories(parent_ / "elsewhere");
  std::filesystem::create_directory_symlink(parent_ / "elsewhere", Folder());
  KeyFiles link(api_, Folder().string(), Objects(), log_, crypto::SystemRandom());
  EXPECT_EQ(link.Start().error().reason, Reason::kInternal) << "a symbolic link may lead to a disk";
}

TEST_F(KeyFilesTest, LeftOversOfAProcessThatDiedDoNotMatter) {
  std::filesystem::create_directories(Folder());
  std::ofstream(Folder() / ".tls.key.new") << "half of a key";
  ::chmod((Folder() / ".tls.key.new").c_str(), 0644);
  PutAll();
  Start();
  ASSERT_TRUE(AwaitFile("tls.key", "key 1"));
  struct stat status {};
  ::stat((Folder() / "tls.key").c_str(), &status);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

}  // namespace
}  // namespace gatehouse::webhook
