// Image layouts on disk, and what somebody may have put into one.
#include "common/registry/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "common/base/limits.h"
#include "common/crypto/hash.h"
#include "common/registry/referrers.h"

namespace gatehouse::registry {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kManifestType(image::kOciManifest);
const std::string kIndexType(image::kOciIndex);
const std::string kBundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
const std::string kMarker = R"({"imageLayoutVersion":"1.0.0"})";

Digest DigestOf(const std::string& text) {
  return crypto::Sha256Digest(AsBytes(text));
}

std::string DescriptorJson(const Digest& digest, const std::map<std::string, std::string>& annotations = {},
                           const std::string& type = kManifestType, const std::string& more = "") {
  std::string text = R"({"mediaType":")" + type + R"(","size":1,"digest":")" + digest.text() + "\"" + more;
  if (!annotations.empty()) text += R"(,"annotations":{)";
  for (const auto& [key, value] : annotations)
    text += (text.back() == '{' ? "\"" : ",\"") + key + R"(":")" + value + "\"";
  return text + (annotations.empty() ? "}" : "}}");
}

std::string ManifestJson(const std::string& note, const std::string& more = "",
                         const std::string& config_type = "application/vnd.oci.image.config.v1+json") {
  return R"({"schemaVersion":2,"mediaType":")" + kManifestType + R"(","config":{"mediaType":")" + config_type +
         R"(","size":2,"digest":")" + DigestOf("{}").text() + R"("},"layers":[])" + more +
         R"(,"annotations":{"note":")" + note + "\"}}";
}

class LayoutTest : public testing::Test {
 protected:
  LayoutTest() {
    std::string pattern = (fs::temp_directory_path() / "gatehouse-layout-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    folder_ = root_ / "layout";
    fs::create_directories(folder_ / "blobs" / "sha256");
    Write("oci-layout", kMarker);
  }
  ~LayoutTest() override { fs::remove_all(root_); }

  void Write(const fs::path& name, const std::string& text) {
    fs::remove(folder_ / name);  // a file that is cut to nothing and written again is flushed to the disk
    std::ofstream(folder_ / name) << text;
  }
  static fs::path PathOf(const Digest& digest) { return fs::path("blobs") / "sha256" / std::string(digest.hex()); }
  Digest PutBlob(const std::string& bytes) {
    Digest digest = DigestOf(bytes);
    Write(PathOf(digest), bytes);
    return digest;
  }
  // A manifest that index.json lists, under a tag if there is one.
  Digest Put(const std::string& bytes, const std::string& ref_name = "", const std::string& type = kManifestType,
             std::map<std::string, std::string> annotations = {}) {
    Digest digest = PutBlob(bytes);
    if (!ref_name.empty()) annotations["org.opencontainers.image.ref.name"] = ref_name;
    listed_.push_back(DescriptorJson(digest, annotations, type));
    return digest;
  }
  static std::string IndexJson(const std::vector<std::string>& descriptors) {
    std::string text = R"({"schemaVersion":2,"manifests":[)";
    for (const std::string& each : descriptors) text += (text.back() == '[' ? "" : ",") + each;
    return text + "]}";
  }
  std::unique_ptr<Layout> Open() {
    Write("index.json", IndexJson(listed_));
    auto layout = Layout::Open(folder_.string());
    EXPECT_TRUE(layout.ok()) << layout.error().ToString();
    return layout.ok() ? *std::move(layout) : nullptr;
  }
  void RefusesToOpen(Reason reason, const std::string& what) {
    auto layout = Layout::Open(folder_.string());
    ASSERT_FALSE(layout.ok()) << what;
    EXPECT_EQ(layout.error().reason, reason) << what << ": " << layout.error().ToString();
  }
  Deadline Soon() const { return Deadline(clock_, Duration(5000)); }
  Result<std::optional<VerifiedContent>> ByTag(Layout& layout, const std::string& tag) {
    return layout.GetManifestByTag(ref_, tag, {}, Soon());
  }
  std::vector<std::string> Referrers(Layout& layout, const Digest& digest, const std::vector<std::string>& types = {}) {
    auto list = layout.Referrers(ref_, digest, types, {}, Soon());
    EXPECT_TRUE(list.ok()) << list.error().ToString();
    std::vector<std::string> digests;
    if (!list.ok()) return digests;
    for (const auto& each : list->referrers) digests.push_back(each.digest.text());
    return digests;
  }
  static void Expect(const Result<std::optional<VerifiedContent>>& result, Reason reason, const std::string& what) {
    ASSERT_FALSE(result.ok()) << what;
    EXPECT_EQ(result.error().reason, reason) << what << ": " << result.error().ToString();
  }

  SystemClock clock_;
  fs::path root_;
  fs::path folder_;
  std::vector<std::string> listed_;
  image::Reference ref_ = image::Reference::Parse("layout.local/oci").value();
};

TEST_F(LayoutTest, ManifestsAndBlobs) {
  const std::string bytes = ManifestJson("1");
  Digest digest = Put(bytes, "v1");
  Digest blob = PutBlob("payload");
  auto layout = Open();
  auto by_tag = ByTag(*layout, "v1");
  ASSERT_TRUE(by_tag.ok()) << by_tag.error().ToString();
  EXPECT_EQ((*by_tag)->digest(), digest);
  EXPECT_EQ((*by_tag)->bytes(), bytes);
  EXPECT_EQ((*by_tag)->content_type(), kManifestType);
  EXPECT_EQ((*layout->GetManifest(ref_, digest, {}, Soon()))->bytes(), bytes);
  EXPECT_EQ((*layout->GetBlob(ref_, blob, 7, {}, Soon()))->bytes(), "payload");
  EXPECT_THAT(layout->Tags(), ElementsAre("v1"));
}

TEST_F(LayoutTest, AbsentIsNothing) {
  auto layout = Open();
  for (const auto& result :
       {ByTag(*layout, "v1"), layout->GetManifest(ref_, DigestOf("x"), {}, Soon()),
        layout->GetBlob(ref_, DigestOf("x"), 10, {}, Soon()),
        layout->GetBlob(ref_, Digest::Parse("sha512:" + std::string(128, 'a')).value(), 10, {}, Soon())}) {
    ASSERT_TRUE(result.ok()) << result.error().ToString();
    EXPECT_FALSE(result->has_value());
  }
}

TEST_F(LayoutTest, TagsThatAreWholeNames) {
  Digest digest = Put(ManifestJson("1"), "registry.test:5000/team/app:v1");
  Put(ManifestJson("2"), "registry.test:5000/team/app");
  auto layout = Open();
  EXPECT_EQ((*ByTag(*layout, "v1"))->digest(), digest);
  EXPECT_FALSE(ByTag(*layout, "latest")->has_value()) << "no tag was written there";
  EXPECT_FALSE(ByTag(*layout, "1")->has_value()) << "the end of a tag is none";
  EXPECT_THAT(layout->Tags(), ElementsAre("v1"));
}

TEST_F(LayoutTest, TypeOfWhatIndexJsonDoesNotList) {
  Digest nested = PutBlob(ManifestJson("nested"));
  Digest bare = PutBlob(R"({"schemaVersion":2,"config":{},"layers":[]})");
  Digest bare_index = PutBlob(R"({"schemaVersion":2,"manifests":[]})");
  Digest text = PutBlob("no JSON");
  auto layout = Open();
  auto type = [&](const Digest& digest) { return (*layout->GetManifest(ref_, digest, {}, Soon()))->content_type(); };
  EXPECT_EQ(type(nested), kManifestType);
  EXPECT_EQ(type(bare), kManifestType);
  EXPECT_EQ(type(bare_index), kIndexType);
  EXPECT_EQ(type(text), "");
}

TEST_F(LayoutTest, SameTagTwice) {
  Digest digest = Put(ManifestJson("1"), "v1");
  listed_.push_back(listed_.back());
  auto layout = Open();
  EXPECT_EQ((*ByTag(*layout, "v1"))->digest(), digest) << "one manifest, listed twice";
  Put(ManifestJson("2"), "v1");
  Expect(ByTag(*Open(), "v1"), Reason::kManifestMalformed, "two manifests");
}

TEST_F(LayoutTest, TagWhoseManifestIsMissing) {
  Digest digest = Put(ManifestJson("1"), "v1");
  fs::remove(folder_ / PathOf(digest));
  Expect(ByTag(*Open(), "v1"), Reason::kManifestMalformed, "listed and not there");
}

TEST_F(LayoutTest, OnlyImage) {
  Digest digest = Put(ManifestJson("1"), "v1");
  Put(ManifestJson("signatures"), "sha256-" + std::string(digest.hex()) + ".sig");
  Put(ManifestJson("bundle", R"(,"subject":)" + DescriptorJson(digest)));
  Put(IndexJson({}), ReferrersTag(digest), kIndexType);
  auto layout = Open();
  auto only = layout->OnlyImage();
  ASSERT_TRUE(only.ok()) << only.error().ToString();
  EXPECT_EQ(*only, digest);
  Put(ManifestJson("2"), "v2");
  auto two = Open()->OnlyImage();
  ASSERT_FALSE(two.ok());
  EXPECT_EQ(two.error().reason, Reason::kUsage);
  EXPECT_THAT(two.error().detail, HasSubstr("v1, v2"));
  listed_.clear();
  EXPECT_EQ(Open()->OnlyImage().error().reason, Reason::kUsage) << "none";
}

// ---- signatures

TEST_F(LayoutTest, SignaturesUnderCosignsTags) {
  Digest image = Put(ManifestJson("1"), "v1");
  Digest signatures = Put(ManifestJson("signatures"), "sha256-" + std::string(image.hex()) + ".sig");
  auto layout = Open();
  EXPECT_EQ((*ByTag(*layout, "sha256-" + std::string(image.hex()) + ".sig"))->digest(), signatures);
  EXPECT_FALSE(ByTag(*layout, "sha256-" + std::string(image.hex()) + ".att")->has_value());
}

TEST_F(LayoutTest, SignaturesAsCosignSavesThem) {
  const std::string cosign = "dev.cosignproject.cosign/";
  const std::string name = "registry.test/app:v1";
  Digest image = Put(ManifestJson("1"), name, kManifestType, {{"kind", cosign + "image"}});
  Digest signatures = Put(ManifestJson("signatures"), name, kManifestType, {{"kind", cosign + "sigs"}});
  Digest attestations = Put(ManifestJson("attestations"), name, kManifestType, {{"kind", cosign + "atts"}});
  auto layout = Open();
  const std::string tag = "sha256-" + std::string(image.hex());
  EXPECT_EQ((*ByTag(*layout, "v1"))->digest(), image) << "the tag is the image's";
  EXPECT_EQ((*ByTag(*layout, tag + ".sig"))->digest(), signatures);
  EXPECT_EQ((*ByTag(*layout, tag + ".att"))->digest(), attestations);
  EXPECT_EQ(*layout->OnlyImage(), image);
  EXPECT_THAT(layout->Tags(), ElementsAre("v1"));
  EXPECT_FALSE(ByTag(*layout, "sha256-" + std::string(signatures.hex()) + ".sig")->has_value()) << "of another image";
  Put(ManifestJson("2"), "", kManifestType, {{"kind", cosign + "image"}});
  EXPECT_FALSE(ByTag(*Open(), tag + ".sig")->has_value()) << "with two images it is not said whose they are";
}

TEST_F(LayoutTest, ReferrersBySubject) {
  Digest image = Put(ManifestJson("1"), "v1");
  const std::string subject = R"(,"subject":)" + DescriptorJson(image);
  Digest bundle = Put(ManifestJson("bundle", R"(,"artifactType":")" + kBundle + "\"" + subject));
  Digest old = Put(ManifestJson("old", subject, "application/vnd.cncf.notary.signature"));
  Digest index =
      Put(R"({"schemaVersion":2,"artifactType":"application/x","manifests":[])" + subject + "}", "", kIndexType);
  Put(ManifestJson("other", R"(,"subject":)" + DescriptorJson(DigestOf("another image"))));
  auto layout = Open();
  EXPECT_THAT(Referrers(*layout, image), ElementsAre(bundle.text(), old.text(), index.text()));
  EXPECT_THAT(Referrers(*layout, image, {kBundle}), ElementsAre(bundle.text()));
  EXPECT_THAT(Referrers(*layout, image, {"application/vnd.cncf.notary.signature"}), ElementsAre(old.text()))
      << "the config's media type, where there is no artifact type";
  EXPECT_THAT(Referrers(*layout, DigestOf("x")), IsEmpty());
}

TEST_F(LayoutTest, ReferrersByTheFallbackTagOnceEach) {
  Digest image = Put(ManifestJson("1"), "v1");
  const std::string subject = R"(,"subject":)" + DescriptorJson(image);
  Digest bundle = Put(ManifestJson("bundle", R"(,"artifactType":")" + kBundle + "\"" + subject));
  Digest unlisted = PutBlob(ManifestJson("unlisted", R"(,"artifactType":")" + kBundle + "\"" + subject));
  Put(IndexJson({DescriptorJson(bundle), DescriptorJson(unlisted)}), ReferrersTag(image), kIndexType);
  auto layout = Open();
  EXPECT_THAT(Referrers(*layout, image), ElementsAre(bundle.text(), unlisted.text()));
}

TEST_F(LayoutTest, Adversarial_R9_FallbackTagOfSomethingElse) {
  Digest image = Put(ManifestJson("1"), "v1");
  Put(ManifestJson("2"), ReferrersTag(image));
  EXPECT_THAT(Referrers(*Open(), image), IsEmpty());
}

TEST_F(LayoutTest, ManifestsThatCannotBeReadAreNotPassedOver) {
  Digest image = Put(ManifestJson("1"), "v1");
  Put("{", "");
  auto list = Open()->Referrers(ref_, image, {}, {}, Soon());
  ASSERT_FALSE(list.ok());
  EXPECT_EQ(list.error().reason, Reason::kManifestMalformed);
  listed_.pop_back();
  Put("anything", "", "application/x");
  EXPECT_TRUE(Open()->Referrers(ref_, image, {}, {}, Soon()).ok()) << "what is no manifest refers to nothing";
}

// ---- what somebody may have put there

TEST_F(LayoutTest, Adversarial_R2_BytesThatAreNotTheDigest) {
  Digest digest = Put(ManifestJson("1"), "v1");
  Digest blob = PutBlob("payload");
  Write(PathOf(digest), ManifestJson("2"));
  Write(PathOf(blob), "Payload");
  auto layout = Open();
  Expect(ByTag(*layout, "v1"), Reason::kContentMismatch, "by tag");
  Expect(layout->GetManifest(ref_, digest, {}, Soon()), Reason::kContentMismatch, "by digest");
  Expect(layout->GetBlob(ref_, blob, 7, {}, Soon()), Reason::kContentMismatch, "blob");
  EXPECT_FALSE(layout->Referrers(ref_, digest, {}, {}, Soon()).ok());
}

// CVE-2021-41190
TEST_F(LayoutTest, Adversarial_R3_TypeThatIsNotTheDocuments) {
  Digest digest = Put(ManifestJson("1"), "v1", kIndexType);
  auto layout = Open();
  auto content = ByTag(*layout, "v1");
  ASSERT_TRUE(content.ok());
  auto parsed = image::ParseManifest((*content)->bytes(), (*content)->content_type());
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().reason, Reason::kManifestMalformed);
  EXPECT_FALSE(layout->Referrers(ref_, digest, {}, {}, Soon()).ok());
}

TEST_F(LayoutTest, Adversarial_R10_TooManyBytes) {
  Digest blob = PutBlob(std::string(101, 'x'));
  auto layout = Open();
  Expect(layout->GetBlob(ref_, blob, 100, {}, Soon()), Reason::kLimitExceeded, "one more than asked for");
  EXPECT_TRUE(layout->GetBlob(ref_, blob, 101, {}, Soon()).ok());
  fs::resize_file(folder_ / PathOf(blob), std::uintmax_t{1} << 40);
  Expect(layout->GetBlob(ref_, blob, limits::kBundleBytes, {}, Soon()), Reason::kLimitExceeded, "a sparse terabyte");
  Expect(layout->GetManifest(ref_, blob, {}, Soon()), Reason::kLimitExceeded, "as a manifest");
}

TEST_F(LayoutTest, CVE_2024_3727_DigestsAreHexAndNoPaths) {
  for (const char* text : {"sha256:../../../../etc/passwd", "sha256:", "sha256", "../sha256:aa", "sha256:..%2f.."}) {
    EXPECT_FALSE(Digest::Parse(text).ok()) << text;
    Write("index.json", R"({"schemaVersion":2,"manifests":[{"mediaType":")" + kManifestType +
                            R"(","size":1,"digest":")" + text + "\"}]}");
    RefusesToOpen(Reason::kManifestMalformed, text);
  }
}

TEST_F(LayoutTest, SymbolicLinksAreNotFollowed) {
  const std::string secret = ManifestJson("secret");
  std::ofstream(root_ / "secret") << secret;
  Digest digest = DigestOf(secret);
  listed_.push_back(DescriptorJson(digest, {{"org.opencontainers.image.ref.name", "v1"}}));
  fs::create_symlink(root_ / "secret", folder_ / PathOf(digest));
  auto layout = Open();
  Expect(ByTag(*layout, "v1"), Reason::kFileUnreadable, "a blob outside");
  Expect(layout->GetBlob(ref_, digest, 1000, {}, Soon()), Reason::kFileUnreadable, "the same");
  fs::remove(folder_ / PathOf(digest));
  fs::create_directory(root_ / "elsewhere");
  std::ofstream(root_ / "elsewhere" / std::string(digest.hex())) << secret;
  fs::remove_all(folder_ / "blobs" / "sha256");
  fs::create_directory_symlink(root_ / "elsewhere", folder_ / "blobs" / "sha256");
  Expect(ByTag(*Open(), "v1"), Reason::kFileUnreadable, "a folder outside");
  fs::remove(folder_ / "index.json");
  std::ofstream(root_ / "index.json") << IndexJson({});
  fs::create_symlink(root_ / "index.json", folder_ / "index.json");
  RefusesToOpen(Reason::kFileUnreadable, "index.json outside");
}

TEST_F(LayoutTest, WhatIsNoFileIsNotRead) {
  Digest fifo = DigestOf("fifo");
  ASSERT_EQ(mkfifo((folder_ / PathOf(fifo)).c_str(), 0600), 0);
  Digest folder = DigestOf("folder");
  fs::create_directory(folder_ / PathOf(folder));
  auto layout = Open();
  Expect(layout->GetBlob(ref_, fifo, 10, {}, Soon()), Reason::kFileUnreadable, "a FIFO, without waiting for a writer");
  Expect(layout->GetBlob(ref_, folder, 10, {}, Soon()), Reason::kFileUnreadable, "a folder");
}

TEST_F(LayoutTest, WhatIsNoLayout) {
  Write("index.json", IndexJson({}));
  for (const auto& [marker, reason] :
       {std::pair(R"({"imageLayoutVersion":"2.0.0"})", Reason::kContentUnsupported),
        std::pair(R"({"imageLayoutVersion":1})", Reason::kManifestMalformed),
        std::pair("{}", Reason::kManifestMalformed), std::pair("", Reason::kManifestMalformed),
        std::pair("[]", Reason::kManifestMalformed)}) {
    Write("oci-layout", marker);
    RefusesToOpen(reason, marker);
  }
  Write("oci-layout", std::string(2000, ' '));
  RefusesToOpen(Reason::kLimitExceeded, "a large marker");
  fs::remove(folder_ / "oci-layout");
  RefusesToOpen(Reason::kManifestMalformed, "no marker");
  Write("oci-layout", kMarker);
  fs::remove(folder_ / "index.json");
  RefusesToOpen(Reason::kManifestMalformed, "no index");
  fs::remove_all(folder_);
  RefusesToOpen(Reason::kFileUnreadable, "no folder");
}

TEST_F(LayoutTest, IndexTruncatedAtEveryByte) {
  Put(ManifestJson("1"), "v1");
  const std::string whole = IndexJson(listed_);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Write("index.json", whole.substr(0, size));
    RefusesToOpen(Reason::kManifestMalformed, std::to_string(size));
  }
}

TEST_F(LayoutTest, TagsThatAreNone) {
  auto layout = Open();
  for (const char* tag : {"", "..", "a/b", "../../x", "sha256:x"})
    Expect(ByTag(*layout, tag), Reason::kImageReferenceMalformed, tag);
}

// ---- names

struct NameCase {
  std::string text;
  std::string folder;
  std::string reference;
  bool any;
};

class LayoutNameOf : public testing::TestWithParam<NameCase> {};

TEST_P(LayoutNameOf, IsRead) {
  auto name = ParseLayoutName(GetParam().text);
  ASSERT_TRUE(name.ok()) << name.error().ToString();
  EXPECT_EQ(name->folder, GetParam().folder);
  EXPECT_EQ(name->reference.Canonical(), GetParam().reference);
  EXPECT_EQ(name->any, GetParam().any);
}

const std::string kDigest = "sha256:" + std::string(64, 'a');

INSTANTIATE_TEST_SUITE_P(Table, LayoutNameOf,
                         testing::Values(NameCase{"dir", "dir", "layout.local/oci:latest", true},
                                         NameCase{"/a/b.c", "/a/b.c", "layout.local/oci:latest", true},
                                         NameCase{"dir:v1", "dir", "layout.local/oci:v1", false},
                                         NameCase{"/a:b/c", "/a:b/c", "layout.local/oci:latest", true},
                                         NameCase{"/a:b/c:v1", "/a:b/c", "layout.local/oci:v1", false},
                                         NameCase{"dir@" + kDigest, "dir", "layout.local/oci@" + kDigest, false},
                                         NameCase{"dir:v1@" + kDigest, "dir", "layout.local/oci:v1@" + kDigest, false},
                                         NameCase{"dir@home", "dir@home", "layout.local/oci:latest", true}));

TEST(LayoutName, ThatIsNone) {
  for (const std::string& text : {std::string(), std::string(":v1"), "@" + kDigest, std::string("a\0b", 3)}) {
    auto name = ParseLayoutName(text);
    ASSERT_FALSE(name.ok()) << text;
    EXPECT_EQ(name.error().reason, Reason::kUsage);
  }
}

}  // namespace
}  // namespace gatehouse::registry
