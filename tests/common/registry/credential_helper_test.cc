// Docker's credential helpers, as scripts in a folder of their own.
#include "common/registry/credential_helper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "common/base/limits.h"
#include "tests/common/registry/client_fixture.h"
#include "tests/fakes/fake_clock.h"

namespace gatehouse::registry {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

const std::string kGives = R"(echo '{"ServerURL":"x","Username":"user","Secret":"s3cret"}')";

class Helper : public testing::Test {
 protected:
  Helper() {
    std::string pattern = (fs::temp_directory_path() / "gatehouse-helper-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  ~Helper() override { fs::remove_all(folder_); }

  // A helper that writes down what it was asked and runs `script`.
  std::unique_ptr<CredentialHelper> Make(const std::string& script) {
    fs::path file = folder_ / "docker-credential-test";
    std::ofstream(file) << "#!/bin/sh\nread -r server\necho \"$1 $server\" >> " << (folder_ / "asked").string() << "\n"
                        << script << "\n";
    chmod(file.c_str(), 0755);
    CredentialHelperOptions options{.name = "test", .file = file.string()};
    options.environment = {{"PATH", "/usr/bin:/bin"}, {"WANTED", "yes"}};
    return std::make_unique<CredentialHelper>(std::move(options), clock_);
  }
  std::string Asked() const {
    std::ifstream file(folder_ / "asked");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Deadline Soon(Duration budget = Duration(5000)) const { return Deadline(system_, budget); }
  void Refuses(const std::string& script, Reason reason, const std::string& says, Duration budget = Duration(5000)) {
    auto credential = Make(script)->Get("registry.test", Soon(budget));
    ASSERT_FALSE(credential.ok()) << script;
    const std::string text = credential.error().ToString();
    EXPECT_EQ(credential.error().reason, reason) << script << ": " << text;
    EXPECT_THAT(text, HasSubstr(says)) << script;
    EXPECT_THAT(text, HasSubstr("credential helper test")) << script;
    EXPECT_THAT(text, Not(HasSubstr("s3cret"))) << script;
  }

  fs::path folder_;
  fakes::FakeClock clock_;
  SystemClock system_;
};

TEST_F(Helper, GivesWhatItPrints) {
  auto credential = Make(kGives)->Get("registry.test:5000", Soon());
  ASSERT_TRUE(credential.ok()) << credential.error().ToString();
  ASSERT_TRUE(credential->has_value());
  EXPECT_EQ((*credential)->username, "user");
  EXPECT_EQ((*credential)->password, "s3cret");
  EXPECT_EQ(Asked(), "get registry.test:5000\n");
}

TEST_F(Helper, KnowsNothingOfARegistry) {
  auto credential = Make("echo 'credentials not found in native keychain'; exit 1")->Get("registry.test", Soon());
  ASSERT_TRUE(credential.ok()) << credential.error().ToString();
  EXPECT_FALSE(credential->has_value());
}

TEST_F(Helper, FailuresAreNeverNothing) {
  Refuses("echo s3cret; exit 1", Reason::kRegistryUnavailable, "failed");
  Refuses("echo s3cret >&2; exit 2", Reason::kRegistryUnavailable, "failed");
  Refuses("echo 'credentials not found in native keychain'; exit 2", Reason::kRegistryUnavailable, "failed");
  Refuses("kill -9 $$", Reason::kRegistryUnavailable, "failed");
  Refuses("sleep 30", Reason::kDeadlineExceeded, "in time", Duration(60));
  Refuses("sleep 30 & sleep 30", Reason::kDeadlineExceeded, "in time", Duration(60));
  Refuses("head -c " + std::to_string(limits::kCredentialHelperBytes + 1) + " /dev/zero", Reason::kConfigInvalid,
          "too much");
  Refuses("yes s3cret", Reason::kConfigInvalid, "too much");
}

TEST_F(Helper, OutputThatIsNone) {
  for (const char* output :
       {"", "s3cret", "[]", "{}", R"({"Username":"user"})", R"({"Secret":"s3cret"})",
        R"({"Username":"","Secret":"s3cret"})", R"({"Username":"user","Secret":"s3cret"} x)",
        R"({"Username":"user","Username":"x","Secret":"s3cret"})", R"({"Username":1,"Secret":"s3cret"})"}) {
    auto parsed = ParseHelperCredential(output);
    ASSERT_FALSE(parsed.ok()) << output;
    EXPECT_EQ(parsed.error().reason, Reason::kConfigInvalid);
    EXPECT_THAT(parsed.error().ToString(), Not(HasSubstr("s3cret")));
  }
  auto token = ParseHelperCredential(R"({"Username":"<token>","Secret":"s3cret"})");
  ASSERT_FALSE(token.ok()) << "an identity token is no password";
  EXPECT_THAT(token.error().ToString(), HasSubstr("identity token"));
  Refuses("echo s3cret", Reason::kConfigInvalid, "printed no object");
}

TEST_F(Helper, ProgramThatIsNotThere) {
  CredentialHelper helper({.name = "test", .file = (folder_ / "nothing").string()}, clock_);
  auto credential = helper.Get("registry.test", Soon());
  ASSERT_FALSE(credential.ok());
  EXPECT_EQ(credential.error().reason, Reason::kConfigInvalid);
  EXPECT_THAT(credential.error().ToString(), HasSubstr("cannot be started"));
}

TEST_F(Helper, SeesNothingButWhatItIsGiven) {
  ASSERT_EQ(setenv("GATEHOUSE_TEST_SECRET", "s3cret", 1), 0);
  auto credential = Make("test \"$WANTED\" = yes || exit 3; test -z \"$GATEHOUSE_TEST_SECRET\" || exit 4\n" + kGives)
                        ->Get("registry.test", Soon());
  unsetenv("GATEHOUSE_TEST_SECRET");
  EXPECT_TRUE(credential.ok()) << credential.error().ToString();
}

// There is no shell between: the registry's name is data.
TEST_F(Helper, NamesAreNoCommands) {
  auto helper = Make(kGives);
  const std::string name = "$(touch " + (folder_ / "owned").string() + ");registry.test --flag";
  ASSERT_TRUE(helper->Get(name, Soon()).ok());
  EXPECT_EQ(Asked(), "get " + name + "\n");
  EXPECT_FALSE(fs::exists(folder_ / "owned"));
}

TEST_F(Helper, AnswersAreKeptForAWhile) {
  auto helper = Make(kGives);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(helper->Get("registry.test", Soon()).ok());
  EXPECT_EQ(Asked(), "get registry.test\n");
  ASSERT_TRUE(helper->Get("other.test", Soon()).ok());
  clock_.Advance(std::chrono::seconds(61));
  ASSERT_TRUE(helper->Get("registry.test", Soon()).ok());
  EXPECT_EQ(Asked(), "get registry.test\nget other.test\nget registry.test\n");
}

TEST_F(Helper, FailuresAreKeptShortly) {
  auto helper = Make("exit 1");
  EXPECT_FALSE(helper->Get("registry.test", Soon()).ok());
  EXPECT_FALSE(helper->Get("registry.test", Soon()).ok());
  EXPECT_EQ(Asked(), "get registry.test\n");
  clock_.Advance(std::chrono::seconds(6));
  EXPECT_FALSE(helper->Get("registry.test", Soon()).ok());
  EXPECT_EQ(Asked(), "get registry.test\nget registry.test\n");
}

TEST_F(Helper, IsRunOnceForEverybodyWhoAsksAtOnce) {
  auto helper = Make("sleep 0.05\n" + kGives);
  std::vector<std::future<bool>> askers;
  for (int i = 0; i < 8; ++i)
    askers.push_back(std::async(std::launch::async, [&] { return helper->Get("registry.test", Soon()).ok(); }));
  for (auto& asker : askers) EXPECT_TRUE(asker.get());
  EXPECT_EQ(Asked(), "get registry.test\n");
}

// ---- in the file

class Counting final : public CredentialProvider {
 public:
  Result<std::optional<BasicCredential>> Get(const std::string& server, const Deadline&) override {
    asked.push_back(server);
    if (fails) return Error{Reason::kRegistryUnavailable, "credential helper x", "failed"};
    return std::optional(BasicCredential{"user", "s3cret"});
  }
  bool ForAnyRegistry() const override { return any; }
  std::vector<std::string> asked;
  bool fails = false;
  bool any = true;
};

class HelperInFile : public RegistryClient {
 protected:
  Credentials Read(const std::string& json) {
    return Credentials::FromDockerConfig(json, "test",
                                         [this](const std::string& name) { return name == "x" ? provider_ : nullptr; })
        .value();
  }
  std::optional<std::string> UserOf(const Credentials& credentials, const std::string& image) {
    auto credential = credentials.Get(image::Reference::Parse(image).value(), Soon()).value();
    return credential.has_value() ? std::optional(credential->username) : std::nullopt;
  }
  std::shared_ptr<Counting> provider_ = std::make_shared<Counting>();
};

TEST_F(HelperInFile, IsUsedWhereItIsListed) {
  Credentials credentials = Read(R"({"auths":{"a.test":{"username":"written","password":"p"},"b.test":{}},
      "credHelpers":{"c.test:5000":"x","docker.io":"x","d.test":"other"}})");
  EXPECT_EQ(UserOf(credentials, "a.test/app"), "written");
  EXPECT_EQ(UserOf(credentials, "b.test/app"), std::nullopt);
  EXPECT_EQ(UserOf(credentials, "c.test:5000/app"), "user");
  EXPECT_EQ(UserOf(credentials, "nginx"), "user");
  EXPECT_EQ(UserOf(credentials, "d.test/app"), std::nullopt) << "a helper that may not be run is passed over";
  EXPECT_EQ(provider_->asked, (std::vector<std::string>{"c.test:5000", "https://index.docker.io/v1/"}));
}

TEST_F(HelperInFile, ComesBeforeWhatIsWrittenAndTheStoreAfterIt) {
  Credentials helpers =
      Read(R"({"auths":{"a.test":{"username":"written","password":"p"}},"credHelpers":{"a.test":"x"}})");
  EXPECT_EQ(UserOf(helpers, "a.test/app"), "user");
  Credentials store = Read(R"({"auths":{"a.test":{"username":"written","password":"p"}},"credsStore":"x"})");
  EXPECT_EQ(UserOf(store, "a.test/app"), "written");
  EXPECT_EQ(UserOf(store, "b.test/app"), "user");
  EXPECT_EQ(UserOf(Read(R"({"credsStore":"x"})"), "b.test/app"), "user") << "without auths";
}

TEST_F(HelperInFile, IsNotRunUnlessSomebodySaysSo) {
  auto credentials =
      Credentials::FromDockerConfig(R"({"auths":{},"credHelpers":{"a.test":"x"},"credsStore":"x"})", "test");
  ASSERT_TRUE(credentials.ok()) << credentials.error().ToString();
  EXPECT_EQ(UserOf(*credentials, "a.test/app"), std::nullopt);
  EXPECT_TRUE(provider_->asked.empty());
  auto empty = Credentials::FromDockerConfig(R"({"credsStore":"x"})", "test");
  ASSERT_FALSE(empty.ok()) << "a file in which nothing is usable";
  EXPECT_EQ(empty.error().reason, Reason::kConfigInvalid);
}

TEST_F(HelperInFile, IdentityDoesNotAskAndTellsSourcesApart) {
  Credentials one = Read(R"({"credHelpers":{"a.test":"x","b.test":"x"}})");
  auto identity = [](const Credentials& credentials, const std::string& image) {
    return credentials.IdentityFor(image::Reference::Parse(image).value());
  };
  EXPECT_EQ(identity(one, "a.test/app"), identity(one, "a.test/other"));
  EXPECT_NE(identity(one, "a.test/app"), identity(one, "b.test/app"));
  EXPECT_NE(identity(one, "a.test/app"), "anonymous");
  EXPECT_EQ(identity(one, "c.test/app"), "anonymous");
  EXPECT_TRUE(provider_->asked.empty());
  EXPECT_FALSE(one.Find(image::Reference::Parse("a.test/app").value()).has_value());
}

// An image's name chooses whom a secret would go to: a helper is for the registries that the file names.
TEST_F(HelperInFile, CVE_2025_27403_IsNotAskedForARegistryThatAnImageChose) {
  Credentials credentials = Read(R"({"credHelpers":{"a.test":"x"}})");
  for (const char* image :
       {"evil.test/app", "a.test.evil.test/app", "evil.test/a.test/app", "a.test:5000/app", "xa.test/app"})
    EXPECT_EQ(UserOf(credentials, image), std::nullopt) << image;
  EXPECT_TRUE(provider_->asked.empty());
}

TEST_F(HelperInFile, CVE_2025_27403_AStoreForEveryRegistryIsAllowedByItself) {
  provider_->any = false;
  auto refused = Credentials::FromDockerConfig(R"({"auths":{},"credHelpers":{"a.test":"x"},"credsStore":"x"})", "test",
                                               [this](const std::string&) { return provider_; });
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, Reason::kConfigInvalid);
  EXPECT_NE(refused.error().ToString().find("unsafeAnyRegistry"), std::string::npos) << refused.error().ToString();
  EXPECT_EQ(UserOf(Read(R"({"credHelpers":{"a.test":"x"},"credsStore":"other"})"), "b.test/app"), std::nullopt);
}

TEST_F(HelperInFile, IsAskedByTheClient) {
  registry_.RequireToken("user", "s3cret");
  Credentials credentials = Read(R"({"credHelpers":{")" + registry_.host() + R"(":"x"}})");
  ASSERT_TRUE(ByTag(credentials).ok());
  EXPECT_EQ(registry_.requests()[1].Header("Authorization"), Basic());
  EXPECT_EQ(provider_->asked, std::vector<std::string>{registry_.host()});
}

TEST_F(HelperInFile, ThatFailsIsNotAnonymous) {
  provider_->fails = true;
  Credentials credentials = Read(R"({"credHelpers":{")" + registry_.host() + R"(":"x"}})");
  ExpectError(ByTag(credentials), Reason::kRegistryUnavailable);
  EXPECT_TRUE(registry_.requests().empty());
}

TEST_F(HelperInFile, EntriesThatAreNone) {
  for (const char* bad : {R"({"credHelpers":[]})", R"({"credHelpers":{"a.test":1}})", R"({"credHelpers":{"a b":"x"}})",
                          R"({"credsStore":1})", R"({"credsStore":""})"}) {
    auto credentials = Credentials::FromDockerConfig(bad, "test", [this](const std::string&) { return provider_; });
    ASSERT_FALSE(credentials.ok()) << bad;
    EXPECT_EQ(credentials.error().reason, Reason::kConfigInvalid) << bad;
  }
}

}  // namespace
}  // namespace gatehouse::registry
