// Real bundles, where the samples lie beside the checkout (their README says what each is and must give).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "common/base/file.h"
#include "common/base/limits.h"
#include "tests/common/signature/sigstore/bundle_support.h"

namespace gatehouse::signature::sigstore {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::SizeIs;

class SigstoreVectors : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(Folder())) GTEST_SKIP() << "no samples in " << Folder();
  }
  [[nodiscard]] static std::filesystem::path Folder() {
    const char* const named = std::getenv("GATEHOUSE_VECTORS");
    const std::filesystem::path root = named != nullptr
                                           ? std::filesystem::path(named)
                                           : std::filesystem::path(GATEHOUSE_SOURCE_DIR) / "../shared/vectors";
    return root / "public" / "sigstore";
  }
  [[nodiscard]] static std::string Read(const std::string& name) {
    return ReadTextFile(Folder() / name, limits::kBundleBytes).value();
  }
  [[nodiscard]] static TrustMaterial Trust(const std::string& name) {
    return ParseTrustedRoot(Read(name)).value().material;
  }
};

// npm's provenance of sigstore 2.0.0: version 0.1, an entry of kind intoto, a subject with a SHA-512 digest only.
const Digest& PackageDigest() {
  static const Digest kDigest =
      Digest::Parse(
          "sha512:"
          "46d4e2f74c4877316640000a6fdf8a8b59f1e0847667973e9859f774dd31b8f1e0937813b777fb66a2ac67d50540fe34640966e"
          "ee9fc2ccca387082b4c85cd3c")
          .value();
  return kDigest;
}

TEST_F(SigstoreVectors, ProvenanceOfNpm) {
  const TrustMaterial material = Trust("trusted_root.public-good.json");
  const std::string text = Read("sigstore-js-2.0.0-provenance.bundle.json");
  const Requirements requirements{.material = &material, .key = {}};
  auto verified = Verify(text, {.bytes = {}, .digest = PackageDigest()}, requirements);
  ASSERT_TRUE(verified.ok()) << Shown(verified);
  const claims::CertificateSigner& signer = SignerOf(*verified);
  EXPECT_EQ(signer.issuer, "https://token.actions.githubusercontent.com");
  ASSERT_THAT(signer.names, SizeIs(1));
  EXPECT_EQ(signer.names[0].kind, claims::SubjectName::Kind::kUri);
  EXPECT_EQ(signer.names[0].value,
            "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main");
  EXPECT_EQ(signer.extensions.at("sourceRepositoryURI"), "https://github.com/sigstore/sigstore-js");
  EXPECT_EQ(signer.extensions.at("githubWorkflowRepository"), "sigstore/sigstore-js");
  EXPECT_EQ(signer.extensions.at("githubWorkflowSHA"), signer.extensions.at("sourceRepositoryDigest"));
  EXPECT_EQ(signer.extensions.at("runnerEnvironment"), "github-hosted");
  EXPECT_EQ(signer.extensions.at("sourceRepositoryVisibilityAtSigning"), "public");
  EXPECT_THAT(signer.extensions, SizeIs(19));
  ASSERT_THAT(verified->times, SizeIs(1));
  EXPECT_EQ(verified->times[0].at.time_since_epoch(), std::chrono::seconds(1692374735));

  auto bundle = ParseBundle(text);
  ASSERT_TRUE(bundle.ok());
  EXPECT_EQ(ClaimedPredicateType(*bundle), "https://slsa.dev/provenance/v1");
  auto attestation = ImageClaims::Attestation(*bundle, PackageDigest(), requirements);
  ASSERT_TRUE(attestation.ok()) << Shown(attestation);
  EXPECT_EQ(attestation->predicate_type(), "https://slsa.dev/provenance/v1");
  EXPECT_TRUE(attestation->statement().root().Find("predicate").has_value());
  EXPECT_EQ(TokenOf(ImageClaims::Signature(*bundle, "", PackageDigest(), requirements)),
            Token(Reason::kPayloadTypeMismatch));
}

TEST_F(SigstoreVectors, ProvenanceOfNpmIsOfNothingElse) {
  const TrustMaterial material = Trust("trusted_root.public-good.json");
  const std::string text = Read("sigstore-js-2.0.0-provenance.bundle.json");
  const Requirements requirements{.material = &material, .key = {}};
  EXPECT_EQ(TokenOf(Verify(text, {.bytes = {}, .digest = ImageDigest()}, requirements)),
            Token(Reason::kPayloadDigestMismatch));
  EXPECT_EQ(TokenOf(Verify(text, TheArtefact(), requirements)), Token(Reason::kPayloadDigestMismatch));
  const TrustMaterial other = Trust("othername-san.trusted_root.json");
  EXPECT_EQ(TokenOf(Verify(text, {.bytes = {}, .digest = PackageDigest()}, {.material = &other, .key = {}})),
            Token(Reason::kLogUntrusted));
}

TEST_F(SigstoreVectors, AnOtherNameOfAPrivateInstance) {
  const TrustMaterial material = Trust("othername-san.trusted_root.json");
  const Digest digest =
      Digest::Parse("sha256:bc103b4a84971ef6459b294a2b98568a2bfb72cded09d4acd1e16366a401f95b").value();
  auto verified =
      Verify(Read("othername-san.bundle.json"), {.bytes = {}, .digest = digest}, {.material = &material, .key = {}});
  ASSERT_TRUE(verified.ok()) << Shown(verified);
  EXPECT_THAT(SignerOf(*verified).names,
              ElementsAre(claims::SubjectName{claims::SubjectName::Kind::kOther, "foo!oidc.local"}));
  EXPECT_EQ(SignerOf(*verified).issuer, "http://oidc.local:8080");
}

TEST_F(SigstoreVectors, AnEnvelopeWithTwoSignatures) {
  auto bundle = ParseBundle(Read("dsse-two-signatures.bundle.json"));
  ASSERT_FALSE(bundle.ok());
  EXPECT_EQ(bundle.error().reason, Reason::kEnvelopeMalformed) << Shown(bundle);
}

}  // namespace
}  // namespace gatehouse::signature::sigstore
