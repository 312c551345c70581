// Signatures that notation itself made.
#include <gtest/gtest.h>

#include "common/crypto/hash.h"
#include "common/signature/notation/certificates.h"
#include "common/signature/notation/envelope.h"
#include "common/signature/notation/verifier.h"
#include "tests/common/base/outcome.h"
#include "tests/common/crypto/testdata.h"

namespace gatehouse::signature::notation {
namespace {

using crypto::Certificate;

const RevocationCheck kNobodyRevoked = [](const auto&, const auto&) { return Ok(); };
constexpr WallTime kIn2026{std::chrono::sys_days{std::chrono::year{2026} / 12 / 1}};
constexpr WallTime kIn2040{std::chrono::sys_days{std::chrono::year{2040} / 1 / 1}};

struct Sample {
  std::string name;
  std::string_view media_type;
};
const std::vector<Sample>& Samples() {
  static const std::vector<Sample> samples = {{"jws", kJwsMediaType}, {"cose", kCoseMediaType}};
  return samples;
}

TrustPolicy PolicyFor(const std::string& identity) {
  return ParseTrustPolicy(R"({"version": "1.0", "trustPolicies": [{"name": "one", "registryScopes": ["*"],
      "signatureVerification": {"level": "strict"}, "trustStores": ["ca:one"], "trustedIdentities": [")" +
                          identity + R"("]}]})")
      .value();
}

// Of tests/testdata/notation: notation 1.3, with user metadata.
TEST(NotationSamples, OfOurOwn) {
  const TrustPolicy policy = PolicyFor("x509.subject: C=US, ST=WA, O=Acme, CN=release");
  const TrustStores stores = {{"ca:one", Certificate::ListFromPem(crypto::TestText("notation/root.pem")).value()}};
  for (const Sample& sample : Samples()) {
    const std::string envelope = crypto::TestText("notation/" + sample.name + ".sig");
    const auto parsed =
        image::ParseManifest(crypto::TestText("notation/" + sample.name + ".manifest.json"), image::kOciManifest);
    ASSERT_EQ(Explain(parsed), "ok");
    const image::Manifest& manifest = std::get<image::Manifest>(*parsed);
    ASSERT_TRUE(crypto::Matches(manifest.layers.at(0).digest, AsBytes(envelope)));
    const Context context{policy.statements.front(), stores, kNobodyRevoked, kIn2026};
    const auto verified =
        Verifier::Verify(manifest.layers.at(0).media_type, envelope, manifest, *manifest.subject, context);
    ASSERT_EQ(Explain(verified), "ok") << sample.name;
    EXPECT_EQ(verified->signature.image(), manifest.subject->digest);
    EXPECT_EQ(verified->signature.annotations(), (std::map<std::string, std::string>{{"stage", "tested"}}));
    const Context later{policy.statements.front(), stores, kNobodyRevoked, kIn2040};
    EXPECT_EQ(Outcome(Verifier::Verify(sample.media_type, envelope, manifest, *manifest.subject, later)),
              "certificate-expired");
    const TrustPolicy other = PolicyFor("x509.subject: C=US, ST=WA, O=Acme, CN=other");
    const Context stranger{other.statements.front(), stores, kNobodyRevoked, kIn2026};
    EXPECT_EQ(Outcome(Verifier::Verify(sample.media_type, envelope, manifest, *manifest.subject, stranger)),
              "signer-mismatch");
  }
}

// Of notation-go's tests, where they are: by a certificate that signed itself and is valid until 2123.
TEST(NotationSamples, OfNotationItself) {
  for (const Sample& sample : Samples()) {
    const auto path = crypto::Vectors() / "public/notation" / (sample.name + "_signature.sig");
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
    const std::string text = crypto::ReadFile(path);
    const auto envelope = ParseEnvelope(sample.media_type, text);
    ASSERT_EQ(Explain(envelope), "ok") << sample.name;
    EXPECT_EQ(envelope->algorithm, SigningAlgorithm::kPs256);
    EXPECT_EQ(Explain(CheckCertificates(envelope->chain, Purpose::kCodeSigning)), "ok");
    EXPECT_EQ(Explain(VerifySignature(*envelope, envelope->chain.front())), "ok");
    EXPECT_EQ(Explain(CheckValidity(envelope->chain, envelope->signing_time, kIn2026)), "ok");

    const image::Descriptor image{
        "application/vnd.oci.image.manifest.v1+json",
        Digest::Parse("sha256:19dbd2e48e921426ee8ace4dc892edfb2ecdc1d1a72d5416c83670c30acecef0").value(),
        481,
        {},
        "",
        ""};
    image::Manifest manifest{std::string(image::kOciManifest), std::string(kArtifactType), image, {}, image, {}};
    manifest.annotations.emplace(kThumbprintAnnotation,
                                 "[\"" + std::string(envelope->chain.front().Fingerprint().hex()) + "\"]");
    const TrustPolicy policy = PolicyFor("x509.subject: C=US, ST=WA, L=Seattle, O=Notary, CN=alpine");
    const TrustStores stores = {{"ca:one", envelope->chain}};
    const Context context{policy.statements.front(), stores, kNobodyRevoked, kIn2026};
    EXPECT_EQ(Explain(Verifier::Verify(sample.media_type, text, manifest, image, context)), "ok");
  }
}

}  // namespace
}  // namespace gatehouse::signature::notation
