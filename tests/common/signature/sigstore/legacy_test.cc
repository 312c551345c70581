// cosign's legacy layout: what its annotations hold, and the claims that come of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "tests/common/signature/sigstore/bundle_support.h"

namespace gatehouse::signature::sigstore {
namespace {

using fakes::LegacyLayer;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

const std::string kSignature = "dev.cosignproject.cosign/signature";
const std::string kCertificate = "dev.sigstore.cosign/certificate";
const std::string kChain = "dev.sigstore.cosign/chain";
const std::string kBundle = "dev.sigstore.cosign/bundle";
const std::string kTimestamp = "dev.sigstore.cosign/rfc3161timestamp";

FakeSigstore& Sigstore() {
  static auto* const kSigstore = new FakeSigstore();
  return *kSigstore;
}

const TrustMaterial& Material() {
  static const auto* const kMaterial = new TrustMaterial(Sigstore().Trust());
  return *kMaterial;
}

Requirements Keyless() {
  return {.material = &Material(), .key = {}};
}

Result<Bundle> Parse(const LegacyLayer& layer) {
  return BundleOfLegacyLayer(layer.media_type, layer.payload, layer.annotations);
}

Result<claims::VerifiedImageSignature> VerifySignature(const LegacyLayer& layer, const Requirements& requirements,
                                                       const Digest& image = ImageDigest()) {
  ASSIGN_OR_RETURN(const Bundle bundle, Parse(layer));
  return ImageClaims::Signature(bundle, layer.payload, image, requirements);
}

Result<claims::VerifiedAttestation> VerifyAttestation(const LegacyLayer& layer, const Requirements& requirements) {
  ASSIGN_OR_RETURN(const Bundle bundle, Parse(layer));
  return ImageClaims::Attestation(bundle, ImageDigest(), requirements);
}

std::string Payload() {
  return fakes::SimpleSigning(ImageDigest(), {{"env", "prod"}});
}

TEST(LegacyLayer, AKeylessSignature) {
  const LegacyLayer layer = Sigstore().LegacySignature(Payload());
  auto bundle = Parse(layer);
  ASSERT_TRUE(bundle.ok()) << Shown(bundle);
  EXPECT_EQ(bundle->version, Bundle::Version::kLegacy);
  EXPECT_THAT(std::get<std::vector<crypto::Certificate>>(bundle->key), SizeIs(2));  // the root of the chain is dropped
  ASSERT_THAT(bundle->entries, SizeIs(1));
  EXPECT_EQ(bundle->entries[0].kind, "");
  EXPECT_FALSE(bundle->entries[0].proof.has_value());
  auto claim = VerifySignature(layer, Keyless());
  ASSERT_TRUE(claim.ok()) << Shown(claim);
  EXPECT_EQ(claim->image(), ImageDigest());
  EXPECT_THAT(claim->annotations(), ElementsAre(Pair("env", "prod")));
  EXPECT_EQ(claim->docker_reference(), "registry.example/app");
  EXPECT_EQ(std::get<claims::CertificateSigner>(claim->signer()).issuer, "https://issuer.example");
  EXPECT_THAT(claim->times(), SizeIs(1));
}

TEST(LegacyLayer, AKeysSignatureWithAndWithoutTheLog) {
  const auto key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value();
  const keyed::Verifier verifier{.key = key.Public()};
  const LegacyLayer logged = Sigstore().LegacySignature(Payload(), {.key = key});
  const LegacyLayer bare = Sigstore().LegacySignature(Payload(), {.key = key, .logs = {{}}, .authorities = {{}}});
  EXPECT_THAT(bare.annotations, SizeIs(1));
  const Requirements key_alone{.material = nullptr, .key = verifier, .logs = 0, .scts = 0, .times = 0};
  const Requirements with_log{.material = &Material(), .key = verifier, .logs = 1, .scts = 0, .times = 1};
  for (const LegacyLayer& layer : {logged, bare}) {
    auto claim = VerifySignature(layer, key_alone);
    ASSERT_TRUE(claim.ok()) << Shown(claim);
    EXPECT_EQ(claim->signer(), claims::Signer(claims::KeySigner{key.Public().Fingerprint()}));
    EXPECT_THAT(claim->times(), IsEmpty());
  }
  auto claim = VerifySignature(logged, with_log);
  ASSERT_TRUE(claim.ok()) << Shown(claim);
  EXPECT_THAT(claim->times(), SizeIs(1));
  EXPECT_EQ(TokenOf(VerifySignature(bare, with_log)), Token(Reason::kLogEntryMissing));
  EXPECT_EQ(TokenOf(VerifySignature(logged, Keyless())), Token(Reason::kCertificateUntrusted));
}

TEST(LegacyLayer, ACertificateBesideAKeysSignature) {
  const auto key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value();
  const auto certificate = Sigstore().Issue({.key = key});
  const LegacyLayer layer = Sigstore().LegacySignature(Payload(), {.key = key, .certificate = certificate});
  const Requirements requirements{
      .material = &Material(), .key = keyed::Verifier{.key = key.Public()}, .logs = 1, .scts = 0, .times = 1};
  auto claim = VerifySignature(layer, requirements);
  ASSERT_TRUE(claim.ok()) << Shown(claim);
  EXPECT_TRUE(std::holds_alternative<claims::KeySigner>(claim->signer()));
  LegacyLayer other = layer;
  other.annotations[kCertificate] = Sigstore().Issue().pem;
  EXPECT_EQ(TokenOf(VerifySignature(other, requirements)), Token(Reason::kSignatureInvalid));
}

TEST(LegacyLayer, ATimestampInPlaceOfTheLog) {
  const LegacyLayer layer = Sigstore().LegacySignature(Payload(), {.logs = {{}}});
  EXPECT_TRUE(layer.annotations.contains(kTimestamp));
  Requirements requirements = Keyless();
  requirements.logs = 0;
  auto claim = VerifySignature(layer, requirements);
  ASSERT_TRUE(claim.ok()) << Shown(claim);
  ASSERT_THAT(claim->times(), SizeIs(1));
  EXPECT_EQ(claim->times()[0].source, claims::TrustedTime::Source::kTimestampAuthority);
}

TEST(LegacyLayer, AnAttestationWhoseEnvelopeIsStamped) {
  const std::string statement = fakes::Statement(ImageDigest());
  for (const bool logged : {true, false}) {
    BundleOptions options{.authorities = {{&Sigstore().timestamp_authority()}}};
    if (!logged) options.logs.emplace();
    const LegacyLayer layer = Sigstore().LegacyAttestation(statement, options);
    Requirements requirements = Keyless();
    requirements.logs = logged ? 1 : 0;
    requirements.timestamps = 1;
    auto claim = VerifyAttestation(layer, requirements);
    ASSERT_TRUE(claim.ok()) << Shown(claim);
    EXPECT_EQ(claim->predicate_type(), "https://slsa.dev/provenance/v1");
    // The envelope spelt otherwise is not what was stamped.
    LegacyLayer respelt = layer;
    respelt.payload += " ";
    EXPECT_EQ(TokenOf(VerifyAttestation(respelt, requirements)), Token(Reason::kTimestampInvalid));
  }
}

TEST(LegacyLayer, AnAttestationIsNoSignatureAndTheOtherWayRound) {
  const LegacyLayer attestation = Sigstore().LegacyAttestation(fakes::Statement(ImageDigest()));
  EXPECT_EQ(TokenOf(VerifySignature(attestation, Keyless())), Token(Reason::kPayloadTypeMismatch));
  const LegacyLayer signature = Sigstore().LegacySignature(Payload());
  EXPECT_EQ(TokenOf(VerifyAttestation(signature, Keyless())), Token(Reason::kPayloadTypeMismatch));
}

struct Defect {
  std::string name;
  std::function<void(LegacyLayer&)> edit;
  Reason reason = Reason::kBundleMalformed;
};

TEST(LegacyLayer, AnnotationsThatAreNotAsTheyMustBe) {
  const auto set = [](const std::string& name, const std::string& value) {
    return [=](LegacyLayer& layer) { layer.annotations[name] = value; };
  };
  const auto json = [](const std::string& name, const std::function<void(JsonValue&)>& edit) {
    return [=](LegacyLayer& layer) {
      JsonValue value = JsonValue::Parse(layer.annotations[name]).value();
      edit(value);
      layer.annotations[name] = value.Write();
    };
  };
  const Defect kDefects[] = {
      {"no signature", [](LegacyLayer& layer) { layer.annotations.erase(kSignature); }},
      {"an empty signature", set(kSignature, ""), Reason::kSignatureMalformed},
      {"a signature that is no base64", set(kSignature, "?"), Reason::kSignatureMalformed},
      {"an empty certificate", set(kCertificate, "")},
      {"a chain of white space", set(kChain, " "), Reason::kCertificateMalformed},
      {"an empty bundle", set(kBundle, "")},
      {"an empty timestamp", set(kTimestamp, "")},
      {"a chain without a certificate", [](LegacyLayer& layer) { layer.annotations.erase(kCertificate); }},
      {"a bundle that is null", set(kBundle, "null"), Reason::kLogEntryMalformed},
      {"a bundle that is no JSON", set(kBundle, "{")},
      {"a bundle without a promise", json(kBundle, [](JsonValue& value) { Remove(value, "/SignedEntryTimestamp"); }),
       Reason::kLogEntryMalformed},
      {"a bundle without a time", json(kBundle, [](JsonValue& value) { Remove(value, "/Payload/integratedTime"); }),
       Reason::kLogEntryMalformed},
      {"a bundle with a time of zero",
       json(kBundle, [](JsonValue& value) { At(value, "/Payload/integratedTime") = JsonValue::Number(0); }),
       Reason::kLogEntryMalformed},
      {"a bundle with an unknown member",
       json(kBundle, [](JsonValue& value) { At(value, "/Payload/extra") = JsonValue::Number(0); }),
       Reason::kLogEntryMalformed},
      {"a log id in capitals",
       json(kBundle, [](JsonValue& value) { At(value, "/Payload/logID") = JsonValue::String("AB"); }),
       Reason::kLogEntryMalformed},
      {"a timestamp without a token", set(kTimestamp, "{}")},
      {"a timestamp with an unknown member", set(kTimestamp, R"({"SignedRFC3161Timestamp":"QUJD","extra":1})")},
      {"another media type", [](LegacyLayer& layer) { layer.media_type = "application/json"; },
       Reason::kContentUnsupported},
      {"the media type of an attestation", [](LegacyLayer& layer) { layer.media_type = kEnvelopeMediaType; },
       Reason::kEnvelopeMalformed},
  };
  const LegacyLayer good =
      Sigstore().LegacySignature(Payload(), {.authorities = {{&Sigstore().timestamp_authority()}}});
  ASSERT_TRUE(VerifySignature(good, Keyless()).ok()) << Shown(VerifySignature(good, Keyless()));
  for (const Defect& defect : kDefects) {
    LegacyLayer layer = good;
    defect.edit(layer);
    auto bundle = Parse(layer);
    EXPECT_EQ(TokenOf(bundle), Token(defect.reason)) << defect.name << ": " << Shown(bundle);
  }
}

TEST(LegacyLayer, AnEmptyChainAsCosignWritesItBesideACertificateAlone) {
  LegacyLayer layer = Sigstore().LegacySignature(Payload());
  layer.annotations[kChain] = "";
  auto verified = VerifySignature(layer, Keyless());
  EXPECT_TRUE(verified.ok()) << Shown(verified);
}

TEST(LegacyLayer, AnEnvelopeWithTwoSignatures) {
  LegacyLayer layer = Sigstore().LegacyAttestation(fakes::Statement(ImageDigest()));
  JsonValue envelope = JsonValue::Parse(layer.payload).value();
  const JsonValue first = At(envelope, "/signatures/0");
  At(envelope, "/signatures/1") = first;
  layer.payload = envelope.Write();
  EXPECT_EQ(TokenOf(Parse(layer)), Token(Reason::kEnvelopeMalformed));
}

// --- the attacks on simple signing, by a certificate

TEST(Adversarial_C1_C2, ThePayloadIsOfAnotherImage) {
  const Digest other = Digest::Parse("sha256:" + std::string(64, 'b')).value();
  const LegacyLayer layer = Sigstore().LegacySignature(Payload());
  EXPECT_EQ(TokenOf(VerifySignature(layer, Keyless(), other)), Token(Reason::kPayloadDigestMismatch));
  LegacyLayer swapped = layer;
  swapped.payload = fakes::SimpleSigning(other);
  EXPECT_EQ(TokenOf(VerifySignature(swapped, Keyless(), other)), Token(Reason::kSignatureInvalid));
}

TEST(Adversarial_C3_C4, PayloadsThatAreWellSignedAndWrong) {
  const std::string good = fakes::SimpleSigning(ImageDigest());
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? text : text.replace(at, from.size(), to);
  };
  const std::tuple<std::string, std::string, Reason> kCases[] = {
      {"two digests", with(R"("docker-manifest-digest")", R"("docker-manifest-digest":"x","docker-manifest-digest")"),
       Reason::kPayloadMalformed},
      {"a digest of another case", with(R"("docker-manifest-digest")", R"("Docker-manifest-digest")"),
       Reason::kPayloadMalformed},
      {"a byte order mark", "\xEF\xBB\xBF" + good, Reason::kPayloadMalformed},
      {"trailing data", good + "{}", Reason::kPayloadMalformed},
      {"not UTF-8", with("registry.example", "\xff"), Reason::kPayloadMalformed},
      {"nested deeply",
       with(R"("optional":null)", R"("optional":{"a":)" + std::string(100, '[') + std::string(100, ']') + "}"),
       Reason::kPayloadMalformed},
      {"another type", with("cosign container image signature", "atomic container signature"),
       Reason::kPayloadTypeMismatch},
  };
  for (const auto& [name, payload, reason] : kCases) {
    auto claim = VerifySignature(Sigstore().LegacySignature(payload), Keyless());
    EXPECT_EQ(TokenOf(claim), Token(reason)) << name << ": " << Shown(claim);
  }
  EXPECT_EQ(TokenOf(VerifySignature(Sigstore().LegacySignature(good + std::string(limits::kSignaturePayloadBytes, ' ')),
                                    Keyless())),
            Token(Reason::kLimitExceeded));
}

TEST(Adversarial_C5, AnnotationsOfAnotherLayer) {
  const LegacyLayer good = Sigstore().LegacySignature(Payload());
  const LegacyLayer other = Sigstore().LegacySignature(fakes::SimpleSigning(ImageDigest()));
  for (const auto& [name, reason] :
       {std::pair(kSignature, Reason::kSignatureInvalid), std::pair(kCertificate, Reason::kSignatureInvalid),
        std::pair(kBundle, Reason::kLogEntryMismatch)}) {
    LegacyLayer layer = good;
    layer.annotations[name] = other.annotations.at(name);
    EXPECT_EQ(TokenOf(VerifySignature(layer, Keyless())), Token(reason)) << name;
  }
}

TEST(Adversarial_C6, WhatIsNoCertificateInItsAnnotation) {
  const LegacyLayer good = Sigstore().LegacySignature(Payload());
  const std::string& pem = good.annotations.at(kCertificate);
  const auto key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value();
  const std::tuple<std::string, std::string, Reason> kCases[] = {
      {"a public key", key.Public().Pem(), Reason::kCertificateMalformed},
      {"two certificates", pem + pem, Reason::kBundleMalformed},
      {"a certificate and a key", pem + key.Public().Pem(), Reason::kCertificateMalformed},
      {"DER", std::string(AsText(crypto::Certificate::ListFromPem(pem)->front().Der())), Reason::kCertificateMalformed},
      {"white space", " \n", Reason::kCertificateMalformed},
      {"empty", "", Reason::kBundleMalformed},
  };
  for (const auto& [name, text, reason] : kCases) {
    LegacyLayer layer = good;
    layer.annotations[kCertificate] = text;
    auto bundle = Parse(layer);
    EXPECT_EQ(TokenOf(bundle), Token(reason)) << name << ": " << Shown(bundle);
  }
}

TEST(Adversarial_C7, UnsignedAnnotationsAreNoClaims) {
  LegacyLayer layer = Sigstore().LegacySignature(fakes::SimpleSigning(ImageDigest()));
  layer.annotations["env"] = "prod";
  auto claim = VerifySignature(layer, Keyless());
  ASSERT_TRUE(claim.ok()) << Shown(claim);
  EXPECT_THAT(claim->annotations(), IsEmpty());
}

}  // namespace
}  // namespace gatehouse::signature::sigstore
