// gatehouse verify image oci:DIR: images that lie on a disk.
#include "common/crypto/hash.h"
#include "common/signature/keyed/simple_signing.h"
#include "tests/cli/support.h"

namespace gatehouse::cli {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";

class VerifyLayout : public CliTest {
 protected:
  VerifyLayout() {
    Write("layout/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    Write("policy.yaml", ImagePolicyYaml("release", "registry.example/app", KeyAuthority(key_.Public())));
    Write("anything.yaml", ImagePolicyYaml("release", "**", KeyAuthority(key_.Public())));
  }
  Digest PutBlob(const std::string& bytes) const {
    Digest digest = crypto::Sha256Digest(AsBytes(bytes));
    Write("layout/blobs/sha256/" + std::string(digest.hex()), bytes);
    return digest;
  }
  static std::string Descriptor(const std::string& type, const Digest& digest, std::size_t size,
                                const std::string& annotations = "{}") {
    return R"({"mediaType":")" + type + R"(","digest":")" + digest.text() + R"(","size":)" + std::to_string(size) +
           R"(,"annotations":)" + annotations + "}";
  }
  // Under a tag in index.json.
  Digest PutManifest(const std::string& tag, const std::string& layers) {
    const std::string manifest = std::string(R"({"schemaVersion":2,"mediaType":")") + kManifestType + R"(","config":)" +
                                 Descriptor("application/vnd.oci.image.config.v1+json", PutBlob("{}"), 2) +
                                 R"(,"layers":[)" + layers + "]}";
    Digest digest = PutBlob(manifest);
    listed_ += (listed_.empty() ? "" : ",") + Descriptor(kManifestType, digest, manifest.size(),
                                                         R"({"org.opencontainers.image.ref.name":")" + tag + "\"}");
    Write("layout/index.json", R"({"schemaVersion":2,"manifests":[)" + listed_ + "]}");
    return digest;
  }
  void SignIt(const Digest& image) {
    const fakes::SignedPayload signature = fakes::SignPayload(key_, image);
    PutManifest(signature::keyed::SignatureTag(image),
                Descriptor(std::string(signature::keyed::kSimpleSigningMediaType), PutBlob(signature.payload),
                           signature.payload.size(),
                           R"({"dev.cosignproject.cosign/signature":")" + signature.signature + "\"}"));
  }
  [[nodiscard]] fakes::Ran Verify(const std::string& image, const std::vector<std::string>& more = {},
                                  const std::string& policy = "policy.yaml") const {
    std::vector<std::string> arguments{"verify", "image", image, "--policy", "{folder}/" + policy};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  }

  std::string listed_;
};

TEST_F(VerifyLayout, ASignedImageUnderTheNameThatPoliciesKnow) {
  Digest image = PutManifest("1", "");
  SignIt(image);
  fakes::Ran ran = Verify("oci:{folder}/layout:1", {"--as", "registry.example/app:1"});
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("registry.example/app:1@" + image.text() + ": allowed"));
  EXPECT_EQ(Verify("oci:{folder}/layout:1").exit_code, 1);  // no policy covers what has no name
  EXPECT_EQ(Verify("oci:{folder}/layout:1", {}, "anything.yaml").exit_code, 0);
  EXPECT_EQ(Verify("oci:{folder}/layout:1", {"--as", "registry.example/app@" + image.text()}).exit_code, 0);
}

TEST_F(VerifyLayout, AnUnsignedImageIsRefused) {
  Digest first = PutManifest("1", "");
  SignIt(first);
  PutManifest("2", Descriptor("application/vnd.oci.image.layer.v1.tar", PutBlob("x"), 1));
  fakes::Ran ran = Verify("oci:{folder}/layout:2", {}, "anything.yaml");
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.out, HasSubstr("[image-unsigned]"));
}

TEST_F(VerifyLayout, WhatIsWrongWithTheCallIsSaid) {
  PutManifest("1", "");
  struct {
    std::vector<std::string> more;
    const char* image;
    const char* said;
  } const cases[] = {
      {{}, "oci:{folder}/layout:gone", "the layout has no tag gone; there is 1"},
      {{}, "oci:{folder}/nothing:1", "[file-unreadable]"},
      {{"--as", "registry.example/APP"}, "oci:{folder}/layout:1", "[image-reference-malformed]"},
      {{"--as", "registry.example/app@sha256:" + std::string(64, '0')}, "oci:{folder}/layout:1", "another digest"},
      {{"--as", "registry.example/app"}, "registry.example/app:1", "is for images of a layout"},
  };
  for (const auto& c : cases) {
    fakes::Ran ran = Verify(c.image, c.more);
    EXPECT_EQ(ran.exit_code, 2) << c.image << ran.out;
    EXPECT_THAT(ran.err, HasSubstr(c.said));
    EXPECT_THAT(ran.out, IsEmpty());
  }
}

}  // namespace
}  // namespace gatehouse::cli
