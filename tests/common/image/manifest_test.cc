#include "common/image/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/limits.h"

namespace gatehouse::image {
namespace {

using testing::HasSubstr;

const std::string kHex(64, 'a');

std::string DescriptorJson(const std::string& more = "") {
  return R"({"mediaType":"application/x","digest":"sha256:)" + kHex + R"(","size":7)" + more + "}";
}

// A manifest whose members can be changed one by one; an empty value leaves a member out.
std::string Document(std::map<std::string, std::string> members) {
  std::string text;
  for (const auto& [key, value] : members) {
    if (!value.empty()) text += (text.empty() ? "{\"" : ",\"") + key + "\":" + value;
  }
  return text + "}";
}

std::map<std::string, std::string> GoodManifest() {
  return {{"schemaVersion", "2"},
          {"mediaType", "\"" + std::string(kOciManifest) + "\""},
          {"config", DescriptorJson()},
          {"layers", "[" + DescriptorJson() + "]"}};
}

std::map<std::string, std::string> GoodIndex() {
  return {{"schemaVersion", "2"},
          {"mediaType", "\"" + std::string(kOciIndex) + "\""},
          {"manifests", "[" + DescriptorJson() + "]"}};
}

using Members = std::map<std::string, std::string>;

Members With(Members members, const std::string& key, const std::string& value) {
  members[key] = value;
  return members;
}

void ExpectError(const std::string& json, std::string_view type, Reason reason, const std::string& what) {
  auto parsed = ParseManifest(json, type);
  ASSERT_FALSE(parsed.ok()) << what << ": " << json;
  EXPECT_EQ(parsed.error().reason, reason) << what << ": " << parsed.error().ToString();
}

TEST(Manifest, EveryField) {
  std::string json =
      Document({{"schemaVersion", "2"},
                {"mediaType", "\"" + std::string(kOciManifest) + "\""},
                {"artifactType", "\"application/a\""},
                {"config", DescriptorJson()},
                {"layers", "[" + DescriptorJson(R"(,"annotations":{"k":"v","empty":""},"urls":["https://x/"])") + "," +
                               DescriptorJson() + "]"},
                {"subject", DescriptorJson(R"(,"artifactType":"application/s")")},
                {"annotations", R"({"a":"b"})"},
                {"futureField", R"({"x":[1]})"}});
  auto parsed = ParseManifest(json, kOciManifest);
  ASSERT_TRUE(parsed.ok()) << parsed.error().ToString();
  const auto& manifest = std::get<Manifest>(*parsed);
  EXPECT_EQ(manifest.media_type, kOciManifest);
  EXPECT_EQ(manifest.artifact_type, "application/a");
  EXPECT_EQ(manifest.config.media_type, "application/x");
  EXPECT_EQ(manifest.config.digest.text(), "sha256:" + kHex);
  EXPECT_EQ(manifest.config.size, 7U);
  ASSERT_EQ(manifest.layers.size(), 2U);
  EXPECT_EQ(manifest.layers[0].annotations, (Members{{"k", "v"}, {"empty", ""}}));
  ASSERT_TRUE(manifest.subject.has_value());
  EXPECT_EQ(manifest.subject->artifact_type, "application/s");
  EXPECT_EQ(manifest.annotations, (Members{{"a", "b"}}));
}

TEST(Manifest, IndexWithPlatforms) {
  std::string json = Document(
      With(GoodIndex(), "manifests",
           "[" + DescriptorJson(R"(,"platform":{"architecture":"arm64","os":"linux","variant":"v8"})") + "," +
               DescriptorJson(
                   R"(,"platform":{"architecture":"amd64","os":"windows","os.version":"10.0.1","os.features":["x"]})") +
               "," + DescriptorJson(R"(,"platform":{"architecture":"","os":""})") + "," +
               DescriptorJson(R"(,"platform":{})") + "," + DescriptorJson() + "]"));
  auto parsed = ParseManifest(json, kOciIndex);
  ASSERT_TRUE(parsed.ok()) << parsed.error().ToString();
  const auto& index = std::get<Index>(*parsed);
  ASSERT_EQ(index.manifests.size(), 5U);
  EXPECT_EQ(index.manifests[0].platform, "linux/arm64/v8");
  EXPECT_EQ(index.manifests[1].platform, "windows/amd64");
  for (std::size_t i = 2; i < 5; ++i) EXPECT_EQ(index.manifests[i].platform, "");
}

TEST(Manifest, ContentTypes) {
  std::string untyped = Document(With(GoodManifest(), "mediaType", ""));
  for (const char* type :
       {"application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
        "Application/VND.oci.image.manifest.v1+JSON ;x=y"}) {
    EXPECT_TRUE(ParseManifest(Document(GoodManifest()), type).ok()) << type;
    EXPECT_TRUE(ParseManifest(untyped, type).ok()) << type;
  }
  std::string docker = Document(With(GoodManifest(), "mediaType", "\"" + std::string(kDockerManifest) + "\""));
  EXPECT_EQ(std::get<Manifest>(ParseManifest(docker, kDockerManifest).value()).media_type, kDockerManifest);
  std::string list = Document(With(GoodIndex(), "mediaType", "\"" + std::string(kDockerList) + "\""));
  EXPECT_EQ(std::get<Index>(ParseManifest(list, kDockerList).value()).media_type, kDockerList);
  for (const char* type :
       {"", "application/json", "text/html", "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.oci.image.manifest.v1", "application/vnd.oci.image.manifest.v1+json\r\nX: y",
        "application/vnd.oci.image.config.v1+json"}) {
    ExpectError(untyped, type, Reason::kContentUnsupported, type);
  }
}

TEST(Manifest, EmptyListsAreAllowed) {
  EXPECT_TRUE(ParseManifest(Document(With(GoodManifest(), "layers", "[]")), kOciManifest).ok());
  EXPECT_TRUE(ParseManifest(Document(With(GoodIndex(), "manifests", "[]")), kOciIndex).ok());
}

TEST(Adversarial_R3, MediaTypeFieldAndContentTypeDiffer) {
  ExpectError(Document(GoodManifest()), kDockerManifest, Reason::kManifestMalformed, "OCI served as Docker's");
  ExpectError(Document(GoodManifest()), kOciIndex, Reason::kManifestMalformed, "manifest served as index");
  ExpectError(Document(GoodIndex()), kOciManifest, Reason::kManifestMalformed, "index served as manifest");
  ExpectError(Document(With(GoodManifest(), "mediaType", "")), kDockerManifest, Reason::kManifestMalformed,
              "Docker's without");
  ExpectError(Document(With(GoodManifest(), "mediaType", "null")), kOciManifest, Reason::kManifestMalformed, "null");
}

TEST(Adversarial_R3, LayersAndManifestsInOne) {
  Members both = GoodManifest();
  both["mediaType"] = "";
  both["manifests"] = "[" + DescriptorJson() + "]";
  ExpectError(Document(both), kOciManifest, Reason::kManifestMalformed, "both, as manifest");
  ExpectError(Document(both), kOciIndex, Reason::kManifestMalformed, "both, as index");
  both["manifests"] = "null";
  ExpectError(Document(both), kOciManifest, Reason::kManifestMalformed, "null counts as there");
  for (const char* key : {"fsLayers", "blobs"}) {
    ExpectError(Document(With(GoodManifest(), key, "[]")), kOciManifest, Reason::kManifestMalformed, key);
    ExpectError(Document(With(GoodIndex(), key, "[]")), kOciIndex, Reason::kManifestMalformed, key);
  }
  ExpectError(Document(With(GoodIndex(), "config", DescriptorJson())), kOciIndex, Reason::kManifestMalformed,
              "config in an index");
}

TEST(Adversarial_R3, KeysThatOnlySomeReadersFold) {
  for (const char* key : {"Layers", "LAYERS", "layer\xC5\xBF", "Manifests", "mediatype", "Config", "schemaversion"}) {
    ExpectError(Document(With(GoodManifest(), key, "[]")), kOciManifest, Reason::kManifestMalformed, key);
  }
  for (const char* key : {"Digest", "DIGEST", "dige\xC5\xBFt", "Size", "mediatype"}) {
    std::string layer = DescriptorJson(std::string(",\"") + key + "\":1");
    ExpectError(Document(With(GoodManifest(), "layers", "[" + layer + "]")), kOciManifest, Reason::kManifestMalformed,
                key);
  }
}

TEST(Manifest, OneDefectEach) {
  struct Defect {
    const char* what;
    const char* key;
    std::string value;
  };
  for (const Defect& defect :
       {Defect{"no schema version", "schemaVersion", ""},
        Defect{"schema version 1", "schemaVersion", "1"},
        Defect{"schema version as text", "schemaVersion", "\"2\""},
        Defect{"schema version 2.0", "schemaVersion", "2.0"},
        Defect{"no config", "config", ""},
        Defect{"null config", "config", "null"},
        Defect{"no layers", "layers", ""},
        Defect{"null layers", "layers", "null"},
        Defect{"layers as object", "layers", "{}"},
        Defect{"layer that is text", "layers", "[\"x\"]"},
        Defect{"null subject", "subject", "null"},
        Defect{"annotations as list", "annotations", "[]"},
        Defect{"annotation that is a number", "annotations", R"({"a":1})"},
        Defect{"empty artifact type", "artifactType", "\"\""},
        Defect{"no digest", "config", R"({"mediaType":"a","size":1})"},
        Defect{"no size", "config", R"({"mediaType":"a","digest":"sha256:)" + kHex + "\"}"},
        Defect{"no media type", "config", R"({"size":1,"digest":"sha256:)" + kHex + "\"}"},
        Defect{"negative size", "config", R"({"mediaType":"a","size":-1,"digest":"sha256:)" + kHex + "\"}"},
        Defect{"size above int64", "config",
               R"({"mediaType":"a","size":9223372036854775808,"digest":"sha256:)" + kHex + "\"}"},
        Defect{"fractional size", "config", R"({"mediaType":"a","size":1.5,"digest":"sha256:)" + kHex + "\"}"},
        Defect{"MD5", "config", R"({"mediaType":"a","size":1,"digest":"md5:00000000000000000000000000000000"})"},
        Defect{"upper-case hex", "config",
               R"({"mediaType":"a","size":1,"digest":"sha256:)" + std::string(64, 'A') + "\"}"},
        Defect{"digest as a path", "config", R"({"mediaType":"a","size":1,"digest":"sha256:../../../../etc/passwd"})"},
        Defect{"platform as text", "layers", "[" + DescriptorJson(R"(,"platform":"linux/amd64")") + "]"},
        Defect{"slash in platform", "layers",
               "[" + DescriptorJson(R"(,"platform":{"os":"linux/x","architecture":"a"})") + "]"},
        Defect{"half a platform", "layers", "[" + DescriptorJson(R"(,"platform":{"os":"linux"})") + "]"}}) {
    ExpectError(Document(With(GoodManifest(), defect.key, defect.value)), kOciManifest, Reason::kManifestMalformed,
                defect.what);
  }
}

TEST(Manifest, NotADocument) {
  std::string good = Document(GoodManifest());
  ASSERT_TRUE(ParseManifest(good, kOciManifest).ok());
  for (std::size_t i = 0; i < good.size(); ++i) {
    ExpectError(good.substr(0, i), kOciManifest, Reason::kManifestMalformed, "cut at " + std::to_string(i));
  }
  ExpectError(good + "x", kOciManifest, Reason::kManifestMalformed, "something after it");
  ExpectError(good + good, kOciManifest, Reason::kManifestMalformed, "twice");
  ExpectError("\xEF\xBB\xBF" + good, kOciManifest, Reason::kManifestMalformed, "byte order mark");
  for (const char* other : {"[]", "[[]]", "[1,2]", "null", "2", "\"text\"", "true"}) {
    ExpectError(other, kOciManifest, Reason::kManifestMalformed, "no object");
    ExpectError(other, kOciIndex, Reason::kManifestMalformed, "no object");
  }
  ExpectError("{\"schemaVersion\":2," + good.substr(1), kOciManifest, Reason::kManifestMalformed, "duplicate key");
  ExpectError(std::string(200, '[') + std::string(200, ']'), kOciManifest, Reason::kLimitExceeded, "depth");
}

std::string Repeated(std::size_t count) {
  std::string list = "[";
  for (std::size_t i = 0; i < count; ++i) list += (i == 0 ? "" : ",") + DescriptorJson();
  return list + "]";
}

TEST(Adversarial_R10, LayersAndManifestsAreCounted) {
  EXPECT_TRUE(
      ParseManifest(Document(With(GoodManifest(), "layers", Repeated(limits::kManifestLayers))), kOciManifest).ok());
  ExpectError(Document(With(GoodManifest(), "layers", Repeated(1001))), kOciManifest, Reason::kLimitExceeded,
              "1 001 layers");
  EXPECT_TRUE(
      ParseManifest(Document(With(GoodIndex(), "manifests", Repeated(limits::kIndexManifests))), kOciIndex).ok());
  ExpectError(Document(With(GoodIndex(), "manifests", Repeated(1001))), kOciIndex, Reason::kLimitExceeded,
              "1 001 manifests");
}

TEST(Adversarial_R10, ManifestOfTooManyBytes) {
  std::string huge = Document(With(GoodManifest(), "padding", "\"" + std::string(limits::kManifestBytes, 'x') + "\""));
  ExpectError(huge, kOciManifest, Reason::kLimitExceeded, "4 MiB and more");
}

TEST(Manifest, ErrorsShowNoRawBytes) {
  auto parsed = ParseManifest(Document(With(GoodManifest(), "mediaType", R"("\u001b[31m\u0000")")), kOciManifest);
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().ToString().find('\x1b'), std::string::npos);
  EXPECT_THAT(parsed.error().ToString(), HasSubstr("$.mediaType"));
}

}  // namespace
}  // namespace gatehouse::image
