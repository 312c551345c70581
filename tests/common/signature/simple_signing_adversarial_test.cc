// Attacks on cosign's legacy signatures with a key.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/limits.h"
#include "common/crypto/hash.h"
#include "tests/common/signature/signed_payload.h"

namespace gatehouse::signature::keyed {
namespace {

using crypto::KeyType;
using crypto::Scheme;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Digest OtherImage() {
  return Digest::Parse("sha256:" + std::string(64, 'b')).value();
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

Reason VerifyWith(const std::string& payload, const std::string& signature, const Verifier& verifier) {
  auto result = SimpleSigning::Verify(payload, signature, ImageDigest(), verifier);
  return result.ok() ? Reason::kInternal : result.error().reason;
}

TEST(Adversarial_C1, PayloadPutToAnotherDigestAfterSigning) {
  std::string genuine = PayloadFor(OtherImage());
  EXPECT_EQ(VerifyWith(PayloadFor(ImageDigest()), EdSign(genuine), EdVerifier()), Reason::kSignatureInvalid);
}

TEST(Adversarial_C2, ValidSignatureOfAnotherImage) {
  EXPECT_EQ(RefusalOf(PayloadFor(OtherImage())), Reason::kPayloadDigestMismatch);
}

TEST(Adversarial_C3, PayloadsThatTwoParsersReadDifferently) {
  std::string good = PayloadFor(ImageDigest());
  std::string digest_member = R"("docker-manifest-digest":")" + ImageDigest().text() + "\"";
  std::string other_member = R"("docker-manifest-digest":")" + OtherImage().text() + "\"";
  std::string deep = std::string(100, '[') + std::string(100, ']');
  const std::pair<std::string_view, std::string> kCases[] = {
      {"duplicate digest, wrong first", Replaced(good, digest_member, other_member + "," + digest_member)},
      {"duplicate digest, wrong last", Replaced(good, digest_member, digest_member + "," + other_member)},
      {"duplicate digest, escaped",
       Replaced(good, digest_member, digest_member + R"(,"docker-manifest-\u0064igest":"x")")},
      {"case variant beside", Replaced(good, digest_member, digest_member + R"(,"Docker-manifest-digest":"x")")},
      {"case variant alone", Replaced(good, "docker-manifest-digest", "Docker-manifest-digest")},
      {"case variant of critical", Replaced(good, R"({"critical")", R"({"Critical":{},"critical")")},
      {"duplicate critical", Replaced(good, R"("optional":null)", R"("critical":{})")},
      {"duplicate in optional", Replaced(good, "null", R"({"env":"test","env":"prod"})")},
      {"byte order mark", "\xEF\xBB\xBF" + good},
      {"trailing object", good + "{}"},
      {"trailing NUL", good + std::string(1, '\0')},
      {"nested deeply", Replaced(good, "null", R"({"x":)" + deep + "}")},
      {"not UTF-8", Replaced(good, "registry.example/app", "registry.example/\xFF")},
      {"comment", Replaced(good, R"("optional")", R"(/**/"optional")")},
      {"single quotes", Replaced(good, R"("critical")", "'critical'")},
      {"UTF-16", std::string("{\0}\0", 4)},
  };
  for (const auto& [name, payload] : kCases) EXPECT_EQ(RefusalOf(payload), Reason::kPayloadMalformed) << name;
}

TEST(Adversarial_C3, MembersThatAreMissingSurplusOrOfAnotherType) {
  std::string good = PayloadFor(ImageDigest());
  std::string identity = R"("identity":{"docker-reference":"registry.example/app"})";
  std::string image = R"("image":{"docker-manifest-digest":")" + ImageDigest().text() + R"("})";
  std::string type = R"("type":"cosign container image signature")";
  const std::pair<std::string_view, std::string> kCases[] = {
      {"empty", ""},
      {"array", "[]"},
      {"empty object", "{}"},
      {"null critical", R"({"critical":null,"optional":null})"},
      {"no identity", Replaced(good, identity + ",", "")},
      {"identity as string", Replaced(good, identity, R"("identity":"x")")},
      {"identity without reference", Replaced(good, identity, R"("identity":{})")},
      {"reference as number", Replaced(good, R"("registry.example/app")", "1")},
      {"surplus in identity", Replaced(good, R"("docker-reference")", R"("x":"y","docker-reference")")},
      {"no image", Replaced(good, image + ",", "")},
      {"image as string", Replaced(good, image, R"("image":")" + ImageDigest().text() + "\"")},
      {"digest as array", Replaced(good, "\"" + ImageDigest().text() + "\"", "[\"" + ImageDigest().text() + "\"]")},
      {"digest as null", Replaced(good, "\"" + ImageDigest().text() + "\"", "null")},
      {"empty digest", Replaced(good, ImageDigest().text(), "")},
      {"digest without algorithm", Replaced(good, "sha256:", "")},
      {"digest in upper case", Replaced(good, ImageDigest().text(), "sha256:" + std::string(64, 'A'))},
      {"md5 digest", Replaced(good, ImageDigest().text(), "md5:" + std::string(32, 'a'))},
      {"digest with a space", Replaced(good, "sha256:", " sha256:")},
      {"surplus in image",
       Replaced(good, R"("docker-manifest-digest")", R"("platform":"linux/amd64","docker-manifest-digest")")},
      {"no type", Replaced(good, "," + type, "")},
      {"type as number", Replaced(good, type, R"("type":1)")},
      {"surplus in critical", Replaced(good, type, type + R"(,"expires":"2027")")},
      {"surplus around", Replaced(good, R"("optional":null)", R"("optional":null,"extra":1)")},
      {"optional as string", Replaced(good, "null", R"("env=prod")")},
      {"optional as array", Replaced(good, "null", "[]")},
  };
  for (const auto& [name, payload] : kCases) EXPECT_EQ(RefusalOf(payload), Reason::kPayloadMalformed) << name;
}

TEST(Adversarial_C4, AnotherType) {
  std::string good = PayloadFor(ImageDigest());
  for (const char* type :
       {"atomic container signature", "Cosign container image signature", "cosign container image signature ",
        "cosign attestation", "cosign container image signature\\u0000"}) {
    EXPECT_EQ(RefusalOf(Replaced(good, "cosign container image signature", type)), Reason::kPayloadTypeMismatch)
        << type;
  }
}

TEST(Adversarial_C5, SignatureInTheAnnotationOfAnotherLayer) {
  std::string one = PayloadFor(ImageDigest(), R"({"env":"test"})");
  std::string two = PayloadFor(ImageDigest(), R"({"env":"prod"})");
  EXPECT_EQ(VerifyWith(one, EdSign(two), EdVerifier()), Reason::kSignatureInvalid);
  EXPECT_EQ(VerifyWith(two, EdSign(one), EdVerifier()), Reason::kSignatureInvalid);
}

image::Descriptor Layer(std::map<std::string, std::string> annotations) {
  return {std::string(kSimpleSigningMediaType), ImageDigest(), 250, std::move(annotations), "", ""};
}

image::Manifest ManifestOf(std::vector<image::Descriptor> layers) {
  return {std::string(image::kOciManifest), "", Layer({}), std::move(layers), std::nullopt, {}};
}

TEST(Adversarial_C6, AKeyThatTheArtefactBringsIsNotUsed) {
  // Signed by a stranger, whose key lies beside as if it were a certificate: with a key policy nothing reads it.
  auto stranger = crypto::PrivateKey::Generate(KeyType::kEd25519).value();
  std::string payload = PayloadFor(ImageDigest());
  std::string signature =
      EncodeBase64(stranger.Sign(Scheme::kEd25519, HashAlgorithm::kSha256, AsBytes(payload)).value());
  for (const std::string& certificate :
       {stranger.Public().Pem(), stranger.Public().Pem() + stranger.Public().Pem(), std::string()}) {
    SignatureList list = ListSignatures(ManifestOf({Layer({{std::string(kSignatureAnnotation), signature},
                                                           {"dev.sigstore.cosign/certificate", certificate},
                                                           {"dev.sigstore.cosign/chain", certificate}})}));
    ASSERT_THAT(list.signatures, SizeIs(1));
    EXPECT_EQ(VerifyWith(payload, list.signatures[0].signature, EdVerifier()), Reason::kSignatureInvalid);
  }
}

TEST(Adversarial_C7, AnnotationsOfTheLayerAreNotThoseOfThePayload) {
  std::string payload = PayloadFor(ImageDigest());
  SignatureList list = ListSignatures(ManifestOf(
      {Layer({{std::string(kSignatureAnnotation), EdSign(payload)}, {"env", "prod"}, {"optional.env", "prod"}})}));
  ASSERT_THAT(list.signatures, SizeIs(1));
  auto result = SimpleSigning::Verify(payload, list.signatures[0].signature, ImageDigest(), EdVerifier());
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(result->annotations(), IsEmpty());
}

TEST(Adversarial_C10, AGoodSignatureBehindTwoHundredBadOnes) {
  std::vector<image::Descriptor> layers(200, Layer({{std::string(kSignatureAnnotation), "YmFk"}}));
  layers.push_back(Layer({{std::string(kSignatureAnnotation), EdSign(PayloadFor(ImageDigest()))}}));
  SignatureList list = ListSignatures(ManifestOf(std::move(layers)));
  EXPECT_THAT(list.signatures, SizeIs(limits::kSignaturesPerImage));
  EXPECT_TRUE(list.truncated) << "so that the caller can say that there were more";
}

// r and n - s: as good a signature as r and s, by the mathematics of ECDSA.
Bytes OtherHalf(const Bytes& raw) {
  const Bytes kOrder = DecodeHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").value();
  Bytes s(32);
  int borrow = 0;
  for (std::size_t i = 32; i-- > 0;) {
    int difference = kOrder[i] - raw[32 + i] - borrow;
    borrow = difference < 0 ? 1 : 0;
    s[i] = static_cast<std::uint8_t>(difference + (borrow << 8));
  }
  return crypto::EcdsaDer(BytesView(raw).first(32), s, 32).value();
}

TEST(Adversarial_B14, BothHalvesOfAnEcdsaSignatureAreOneSignature) {
  // cosign accepts both, and no signature is named by its bytes here, so malleability gives nothing.
  std::string payload = PayloadFor(ImageDigest());
  const crypto::PrivateKey& key = TestKey(KeyType::kEcP256);
  Verifier verifier{.key = key.Public()};
  Bytes raw = key.Sign(Scheme::kEcdsaRaw, HashAlgorithm::kSha256, AsBytes(payload)).value();
  Bytes der = crypto::EcdsaDer(BytesView(raw).first(32), BytesView(raw).subspan(32), 32).value();
  EXPECT_TRUE(SimpleSigning::Verify(payload, EncodeBase64(der), ImageDigest(), verifier).ok());
  EXPECT_TRUE(SimpleSigning::Verify(payload, EncodeBase64(OtherHalf(raw)), ImageDigest(), verifier).ok());
}

TEST(Adversarial_B14, EcdsaInAnotherEncoding) {
  std::string payload = PayloadFor(ImageDigest());
  const crypto::PrivateKey& key = TestKey(KeyType::kEcP256);
  Verifier verifier{.key = key.Public()};
  Bytes raw = key.Sign(Scheme::kEcdsaRaw, HashAlgorithm::kSha256, AsBytes(payload)).value();
  Bytes der = key.Sign(Scheme::kEcdsaDer, HashAlgorithm::kSha256, AsBytes(payload)).value();
  Bytes trailing = der;
  trailing.push_back(0);
  Bytes long_length = {0x30, 0x81, static_cast<std::uint8_t>(der.size() - 2)};  // BER: the long form of a short length
  Append(long_length, BytesView(der).subspan(2));
  for (const Bytes& signature : {raw, trailing, long_length}) {
    EXPECT_EQ(VerifyWith(payload, EncodeBase64(signature), verifier), Reason::kSignatureInvalid);
  }
}

TEST(Adversarial_B14, AnotherHashThanThePolicySays) {
  std::string payload = PayloadFor(ImageDigest());
  Verifier p384{.key = TestKey(KeyType::kEcP384).Public(), .hash = HashAlgorithm::kSha384};
  std::string sha256 = SignBase64(payload, KeyType::kEcP384, Scheme::kEcdsaDer, HashAlgorithm::kSha256);
  EXPECT_EQ(VerifyWith(payload, sha256, p384), Reason::kSignatureInvalid);
  Verifier rsa{.key = TestKey(KeyType::kRsa).Public(), .hash = HashAlgorithm::kSha512};
  EXPECT_EQ(VerifyWith(payload, SignBase64(payload, KeyType::kRsa, Scheme::kRsaPkcs1v15), rsa),
            Reason::kSignatureInvalid);
}

TEST(Adversarial_B14, AnotherRsaPaddingThanThePolicySays) {
  std::string payload = PayloadFor(ImageDigest());
  Verifier pkcs1{.key = TestKey(KeyType::kRsa).Public()};
  Verifier pss{.key = TestKey(KeyType::kRsa).Public(), .hash = HashAlgorithm::kSha256, .rsa_pss = true};
  EXPECT_EQ(VerifyWith(payload, SignBase64(payload, KeyType::kRsa, Scheme::kRsaPss), pkcs1), Reason::kSignatureInvalid);
  EXPECT_EQ(VerifyWith(payload, SignBase64(payload, KeyType::kRsa, Scheme::kRsaPkcs1v15), pss),
            Reason::kSignatureInvalid);
}

TEST(Adversarial_B14, Ed25519OverAHashOfThePayload) {
  std::string payload = PayloadFor(ImageDigest());
  Bytes hash = crypto::Hash(HashAlgorithm::kSha512, AsBytes(payload));
  std::string signature =
      EncodeBase64(TestKey(KeyType::kEd25519).Sign(Scheme::kEd25519, HashAlgorithm::kSha512, hash).value());
  EXPECT_EQ(VerifyWith(payload, signature, EdVerifier()), Reason::kSignatureInvalid);
}

}  // namespace
}  // namespace gatehouse::signature::keyed
