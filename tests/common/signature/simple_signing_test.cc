#include "common/signature/keyed/simple_signing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/limits.h"
#include "tests/common/signature/signed_payload.h"

namespace gatehouse::signature::keyed {
namespace {

using crypto::KeyType;
using crypto::Scheme;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

struct KeyCase {
  KeyType type;
  Scheme scheme;
  HashAlgorithm hash;
  bool rsa_pss;
};

TEST(SimpleSigning, EveryKindOfKeyWithEveryHash) {
  const KeyCase kCases[] = {
      {KeyType::kEcP256, Scheme::kEcdsaDer, HashAlgorithm::kSha256, false},
      {KeyType::kEcP384, Scheme::kEcdsaDer, HashAlgorithm::kSha256, false},  // cosign: SHA-256 whatever the key
      {KeyType::kEcP384, Scheme::kEcdsaDer, HashAlgorithm::kSha384, false},
      {KeyType::kEcP521, Scheme::kEcdsaDer, HashAlgorithm::kSha512, false},
      {KeyType::kRsa, Scheme::kRsaPkcs1v15, HashAlgorithm::kSha256, false},
      {KeyType::kRsa, Scheme::kRsaPkcs1v15, HashAlgorithm::kSha512, false},
      {KeyType::kRsa, Scheme::kRsaPss, HashAlgorithm::kSha256, true},
      {KeyType::kEd25519, Scheme::kEd25519, HashAlgorithm::kSha256, false},
  };
  std::string payload = PayloadFor(ImageDigest());
  for (const KeyCase& c : kCases) {
    SCOPED_TRACE(static_cast<int>(c.type));
    Verifier verifier{.key = TestKey(c.type).Public(), .hash = c.hash, .rsa_pss = c.rsa_pss};
    auto result =
        SimpleSigning::Verify(payload, SignBase64(payload, c.type, c.scheme, c.hash), ImageDigest(), verifier);
    ASSERT_TRUE(result.ok()) << result.error().ToString();
    EXPECT_EQ(result->image(), ImageDigest());
    EXPECT_EQ(result->signer(), claims::Signer(claims::KeySigner{verifier.key.Fingerprint()}));
    EXPECT_THAT(result->times(), IsEmpty());
    EXPECT_EQ(result->docker_reference(), "registry.example/app");
    EXPECT_THAT(result->annotations(), IsEmpty());
  }
}

TEST(SimpleSigning, AKeyThatDidNotSign) {
  std::string payload = PayloadFor(ImageDigest());
  Verifier other{.key = crypto::PrivateKey::Generate(KeyType::kEd25519)->Public()};
  auto result = SimpleSigning::Verify(payload, EdSign(payload), ImageDigest(), other);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().reason, Reason::kSignatureInvalid);
  EXPECT_THAT(result.error().detail, HasSubstr(other.key.Fingerprint().text()));
}

TEST(SimpleSigning, OnlyStringsOfOptionalAreAnnotations) {
  std::string payload = PayloadFor(
      ImageDigest(),
      R"({"env":"prod","empty":"","timestamp":1700000000,"ok":true,"none":null,"list":["a"],"map":{"env":"x"}})");
  auto result = SimpleSigning::Verify(payload, EdSign(payload), ImageDigest(), EdVerifier());
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->annotations(), (std::map<std::string, std::string>{{"env", "prod"}, {"empty", ""}}));
}

TEST(SimpleSigning, OptionalOfAnotherTypeIsRefused) {
  for (const char* optional : {"[1]", "[{}]", "\"x\"", "1", "true"}) {
    EXPECT_EQ(RefusalOf(PayloadFor(ImageDigest(), optional)), Reason::kPayloadMalformed) << optional;
  }
}

TEST(SimpleSigning, OptionalMayBeAbsentNullOrEmpty) {
  std::string with_null = PayloadFor(ImageDigest());
  std::string absent = with_null;
  absent.replace(absent.find(R"(,"optional":null)"), 16, "");
  std::string empty_reference = with_null;
  empty_reference.replace(empty_reference.find("registry.example/app"), 20, "");
  for (const std::string& payload : {with_null, absent, PayloadFor(ImageDigest(), "{}"), empty_reference}) {
    EXPECT_TRUE(SimpleSigning::Verify(payload, EdSign(payload), ImageDigest(), EdVerifier()).ok()) << payload;
  }
}

TEST(SimpleSigning, ImagesUnderOtherDigestAlgorithms) {
  Digest sha512 = Digest::Parse("sha512:" + std::string(128, 'b')).value();
  std::string payload = PayloadFor(sha512);
  EXPECT_TRUE(SimpleSigning::Verify(payload, EdSign(payload), sha512, EdVerifier()).ok());
  EXPECT_EQ(RefusalOf(payload), Reason::kPayloadDigestMismatch);
}

TEST(SimpleSigning, SignaturesThatAreNotEncodedAsTheyMustBe) {
  std::string payload = PayloadFor(ImageDigest());
  std::string good = EdSign(payload);
  std::string unused_bits = good;
  unused_bits[good.size() - 3] =
      good[good.size() - 3] == 'x' ? 'y' : 'x';  // 64 bytes leave four bits that must be zero
  const std::pair<std::string_view, std::string> kCases[] = {
      {"empty", ""},
      {"line feed at the end", good + "\n"},
      {"space in front", " " + good},
      {"no padding", good.substr(0, good.size() - 2)},
      {"surplus padding", good + "="},
      {"twice", good + good},
      {"url-safe alphabet", "-_" + good.substr(2)},
      {"unused bits set", unused_bits},
      {"not base64", "!!!!"},
      {"longer than any", std::string(limits::kSignatureBytes * 2, 'A')},
  };
  for (const auto& [name, signature] : kCases) {
    auto result = SimpleSigning::Verify(payload, signature, ImageDigest(), EdVerifier());
    ASSERT_FALSE(result.ok()) << name;
    EXPECT_EQ(result.error().reason, Reason::kSignatureMalformed) << name;
  }
}

TEST(SimpleSigning, ASignatureTruncatedAtEveryByte) {
  std::string payload = PayloadFor(ImageDigest());
  Bytes good = TestKey(KeyType::kEcP256).Sign(Scheme::kEcdsaDer, HashAlgorithm::kSha256, AsBytes(payload)).value();
  Verifier verifier{.key = TestKey(KeyType::kEcP256).Public()};
  for (std::size_t size = 1; size < good.size(); ++size) {
    auto result = SimpleSigning::Verify(payload, EncodeBase64(BytesView(good).first(size)), ImageDigest(), verifier);
    ASSERT_FALSE(result.ok()) << size;
    EXPECT_EQ(result.error().reason, Reason::kSignatureInvalid) << size;
  }
}

TEST(SimpleSigning, APayloadTruncatedAtEveryByteAndSigned) {
  std::string payload = PayloadFor(ImageDigest(), R"({"env":"prod"})");
  for (std::size_t size = 0; size < payload.size(); ++size) {
    EXPECT_EQ(RefusalOf(payload.substr(0, size)), Reason::kPayloadMalformed) << size;
  }
}

TEST(SimpleSigning, AChangeOfAnyByteOfThePayload) {
  std::string payload = PayloadFor(ImageDigest());
  std::string signature = EdSign(payload);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    std::string changed = payload;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    auto result = SimpleSigning::Verify(changed, signature, ImageDigest(), EdVerifier());
    ASSERT_FALSE(result.ok()) << i;
    EXPECT_EQ(result.error().reason, Reason::kSignatureInvalid) << i;
  }
}

TEST(SimpleSigning, APayloadBeyondTheLimit) {
  std::string payload = PayloadFor(ImageDigest());
  payload.append(limits::kSignaturePayloadBytes - payload.size(), ' ');
  EXPECT_TRUE(SimpleSigning::Verify(payload, EdSign(payload), ImageDigest(), EdVerifier()).ok());
  EXPECT_EQ(RefusalOf(payload + " "), Reason::kLimitExceeded);
}

// --- what is listed

image::Descriptor Layer(const std::string& signature) {
  image::Descriptor layer{std::string(kSimpleSigningMediaType), ImageDigest(), 250, {}, "", ""};
  if (!signature.empty()) layer.annotations[std::string(kSignatureAnnotation)] = signature;
  return layer;
}

image::Manifest ManifestOf(std::vector<image::Descriptor> layers) {
  image::Manifest manifest{std::string(image::kOciManifest), "", Layer(""), {}, std::nullopt, {}};
  manifest.layers = std::move(layers);
  return manifest;
}

TEST(ListSignatures, InOrderAndOnlyWhatIsASignature) {
  image::Descriptor attestation = Layer("c2ln");
  attestation.media_type = "application/vnd.dsse.envelope.v1+json";
  image::Descriptor upper_case = Layer("c2ln");
  upper_case.media_type = "Application/vnd.dev.cosign.simplesigning.v1+json";
  image::Descriptor empty = Layer("");
  empty.annotations[std::string(kSignatureAnnotation)] = "";
  SignatureList list =
      ListSignatures(ManifestOf({Layer("one"), attestation, Layer(""), empty, upper_case, Layer("two")}));
  ASSERT_THAT(list.signatures, SizeIs(2));
  EXPECT_EQ(list.signatures[0].signature, "one");
  EXPECT_EQ(list.signatures[1].signature, "two");
  EXPECT_EQ(list.signatures[0].layer.digest, ImageDigest());
  EXPECT_FALSE(list.truncated);
}

TEST(ListSignatures, NoLayersNoSignatures) {
  SignatureList list = ListSignatures(ManifestOf({}));
  EXPECT_THAT(list.signatures, IsEmpty());
  EXPECT_FALSE(list.truncated);
}

TEST(ListSignatures, AtTheLimitIsNotTruncated) {
  SignatureList list =
      ListSignatures(ManifestOf(std::vector<image::Descriptor>(limits::kSignaturesPerImage, Layer("s"))));
  EXPECT_THAT(list.signatures, SizeIs(limits::kSignaturesPerImage));
  EXPECT_FALSE(list.truncated);
}

TEST(SignatureTag, IsBuiltOfTheDigest) {
  EXPECT_EQ(SignatureTag(ImageDigest()), "sha256-" + std::string(64, 'a') + ".sig");
  EXPECT_EQ(SignatureTag(Digest::Parse("sha512:" + std::string(128, 'b')).value()),
            "sha512-" + std::string(128, 'b') + ".sig");
}

}  // namespace
}  // namespace gatehouse::signature::keyed
