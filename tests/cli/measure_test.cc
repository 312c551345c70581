// gatehouse measure files and measure image.
#include "common/appraisal/digest_set.h"
#include "common/base/encoding.h"
#include "common/base/file.h"
#include "common/crypto/hash.h"
#include "common/image/manifest.h"
#include "tests/cli/support.h"

namespace gatehouse::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Hex(std::string_view content) {
  return EncodeHex(crypto::Hash(HashAlgorithm::kSha256, AsBytes(content)));
}

// A tar archive of one program, uncompressed.
std::string OneProgram(const std::string& name, const std::string& content) {
  auto octal = [](std::size_t value, std::size_t width) {
    std::string digits;
    for (; digits.size() < width; value /= 8) digits.insert(digits.begin(), static_cast<char>('0' + value % 8));
    return digits;
  };
  std::string block(512, '\0');
  block.replace(0, name.size(), name);
  block.replace(100, 7, "0000755");
  block.replace(124, 11, octal(content.size(), 11));
  block.replace(148, 8, "        ");
  block[156] = '0';
  block.replace(257, 8, std::string("ustar\00000", 8));
  unsigned sum = 0;
  for (char c : block) sum += static_cast<unsigned char>(c);
  block.replace(148, 6, octal(sum, 6));
  block[154] = '\0';
  return block + content + std::string((512 - content.size() % 512) % 512 + 1024, '\0');
}

class MeasureTest : public CliTest {
 protected:
  std::shared_ptr<const appraisal::DigestSet> ReadSet(const std::string& name) const {
    auto file = ReadFile(folder_.path() / name, 1 << 20);
    EXPECT_TRUE(file.ok()) << file.error().ToString();
    auto set = appraisal::DigestSet::Parse(BytesView(*file));
    EXPECT_TRUE(set.ok()) << set.error().ToString();
    return *set;
  }
  // An image for this platform, of one layer with one program.
  Digest PushManifest(const std::string& content, const std::string& layer_type,
                      const std::optional<std::string>& tag) {
    const std::string layer = OneProgram("bin/tool", content);
    const Digest layer_digest = registry_.PutBlob("app", layer);
    const Digest config = registry_.PutBlob("app", "{}");
    const std::string manifest =
        R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":)"
        R"("application/vnd.oci.image.config.v1+json","digest":")" +
        config.text() + R"(","size":2},"layers":[{"mediaType":")" + layer_type + R"(","digest":")" +
        layer_digest.text() + R"(","size":)" + std::to_string(layer.size()) + "}]}";
    size_ = manifest.size();
    return registry_.PutManifest("app", tag, manifest, std::string(image::kOciManifest));
  }
  [[nodiscard]] fakes::Ran Image(const std::vector<std::string>& more) const {
    std::vector<std::string> all{"measure", "image"};
    all.insert(all.end(), more.begin(), more.end());
    all.insert(all.end(), {"--insecure-registry", "{registry}"});
    return Run(all);
  }
  static constexpr const char* kPlain = "application/vnd.oci.image.layer.v1.tar";
  std::size_t size_ = 0;
};

TEST_F(MeasureTest, ListsBecomeOneFileAndADocumentThatPinsIt) {
  Write("a.txt", Hex("a") + "  /bin/a\n");
  Write("b.json", R"({"digests": {"/bin/b": [")" + Hex("b") + R"("]}, "excludes": ["/tmp"]})");
  const auto ran = Run({"measure", "files", "{folder}/a.txt", "{folder}/b.json", "--output", "{folder}/Set_1.ghds"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  const auto set = ReadSet("Set_1.ghds");
  EXPECT_EQ(set->size(), 2U);
  EXPECT_EQ(set->Find(HashAlgorithm::kSha256, crypto::Hash(HashAlgorithm::kSha256, AsBytes("b")), "/bin/b"),
            appraisal::DigestSet::Match::kExact);
  const std::string pin = EncodeHex(crypto::Hash(HashAlgorithm::kSha256, set->Serialize()));
  EXPECT_THAT(ran.out, AllOf(HasSubstr("kind: ReferenceValues"), HasSubstr("name: \"set-1-ghds\""),
                             HasSubstr("name: \"Set_1.ghds\""), HasSubstr("sha256: \"" + pin)));
  EXPECT_THAT(ran.err, HasSubstr("exclude: [\"(?:/tmp).*\"]"));
  Write("reference.yaml", ran.out);
  EXPECT_EQ(Run({"policy", "check", "{folder}/reference.yaml"}).exit_code, 0) << ran.out;
}

TEST_F(MeasureTest, OfJsonThePinCanBeRead) {
  Write("a.txt", Hex("a") + "  /bin/a\n");
  const auto ran = Run({"measure", "files", "{folder}/a.txt", "--output", "{folder}/set", "--json"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  const auto lines = JsonLines(ran.out);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(Text(lines[0].root(), "sha256"),
            EncodeHex(crypto::Hash(HashAlgorithm::kSha256, ReadSet("set")->Serialize())));
}

TEST_F(MeasureTest, NothingIsWrittenWhereSomethingWouldBeLost) {
  Write("md5.txt", "d41d8cd98f00b204e9800998ecf8427e  usr/bin/x\n");
  const auto ran = Run({"measure", "files", "{folder}/md5.txt", "--output", "{folder}/set"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("Nothing was written"), HasSubstr("MD5")));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "set"));
}

TEST_F(MeasureTest, ANameThatTheWebhookWouldNotTakeIsUsage) {
  Write("a.txt", Hex("a") + "  /bin/a\n");
  for (const char* name : {"{folder}/a b", "{folder}/.hidden", "{folder}/"}) {
    const auto ran = Run({"measure", "files", "{folder}/a.txt", "--output", name});
    EXPECT_EQ(ran.exit_code, 2) << name;
    EXPECT_THAT(ran.err, HasSubstr("--output")) << name;
  }
}

TEST_F(MeasureTest, AListThatIsNotThereIsUsage) {
  EXPECT_EQ(Run({"measure", "files", "{folder}/none", "--output", "{folder}/set"}).exit_code, 2);
  EXPECT_NE(Run({"measure", "files", "--output", "{folder}/set"}).exit_code, 0);
}

TEST_F(MeasureTest, AnImageGivesSha256sumLines) {
  (void)PushManifest("tool", kPlain, "1");
  const auto ran = Image({"{registry}/app:1"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_EQ(ran.out, Hex("tool") + "  /bin/tool\n");
}

TEST_F(MeasureTest, AnImageGivesAFileFromImages) {
  const Digest digest = PushManifest("tool", kPlain, "1");
  const auto ran = Image({"{registry}/app@" + digest.text(), "--output", "{folder}/app.ghds"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("from: images"), HasSubstr(digest.text())));
  EXPECT_EQ(ReadSet("app.ghds")->size(), 1U);
  Write("reference.yaml", ran.out);
  EXPECT_EQ(Run({"policy", "check", "{folder}/reference.yaml"}).exit_code, 0) << ran.out;
}

TEST_F(MeasureTest, OfAnIndexThePlatformIsMeasured) {
  std::string manifests;
  for (const auto& [architecture, variant] :
       std::vector<std::pair<std::string, std::string>>{{"amd64", ""}, {"arm64", "v8"}, {"unknown", ""}}) {
    const Digest digest = PushManifest(architecture, kPlain, std::nullopt);
    const std::string system = architecture == "unknown" ? "unknown" : "linux";
    manifests += (manifests.empty() ? "" : ",") +
                 std::string(R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")") +
                 digest.text() + R"(","size":)" + std::to_string(size_) + R"(,"platform":{"os":")" + system +
                 R"(","architecture":")" + architecture + "\"" +
                 (variant.empty() ? "" : R"(,"variant":")" + variant + "\"") + "}}";
  }
  registry_.PutManifest(
      "app", "all",
      R"({"schemaVersion":2,"mediaType":")" + std::string(image::kOciIndex) + R"(","manifests":[)" + manifests + "]}",
      std::string(image::kOciIndex));
  EXPECT_EQ(Image({"{registry}/app:all"}).out, Hex("amd64") + "  /bin/tool\n");
  EXPECT_EQ(Image({"{registry}/app:all", "--platform", "linux/arm64"}).out, Hex("arm64") + "  /bin/tool\n");
  EXPECT_EQ(Image({"{registry}/app:all", "--platform", "all"}).out,
            Hex("amd64") + "  /bin/tool\n" + Hex("arm64") + "  /bin/tool\n");
  const auto none = Image({"{registry}/app:all", "--platform", "linux/s390x"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.err, HasSubstr("it is for linux/amd64, linux/arm64/v8"));
}

TEST_F(MeasureTest, ZstdLayersAreRefusedClearly) {
  (void)PushManifest("tool", "application/vnd.oci.image.layer.v1.tar+zstd", "1");
  const auto ran = Image({"{registry}/app:1"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("zstd"), HasSubstr("content-unsupported")));
  EXPECT_THAT(ran.out, IsEmpty());
}

TEST_F(MeasureTest, WhatIsNotThereIsRefusedAndWhatCannotBeReachedCouldNotBeChecked) {
  EXPECT_EQ(Image({"{registry}/app:none"}).exit_code, 1);
  EXPECT_EQ(Run({"measure", "image", "--insecure-registry", "{dead}", "{dead}/app:1"}).exit_code, 3);
  EXPECT_EQ(Image({"UPPER/case:1"}).exit_code, 1);
}

TEST_F(MeasureTest, ALayerThatDoesNotHashToItsDigestIsRefused) {
  (void)PushManifest("tool", kPlain, "1");
  const Digest layer = crypto::Sha256Digest(AsBytes(OneProgram("bin/tool", "tool")));
  registry_.ReplaceContent(layer, OneProgram("bin/tool", "evil"));
  const auto ran = Image({"{registry}/app:1"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.err, HasSubstr("content-mismatch"));
}

}  // namespace
}  // namespace gatehouse::cli
