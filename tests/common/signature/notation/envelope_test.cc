#include "common/signature/notation/envelope.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "tests/common/base/outcome.h"
#include "tests/common/signature/notation/scenario.h"

namespace gatehouse::signature::notation {
namespace {

using fakes::JsonValue;
using fakes::NotationOptions;
namespace cbor = fakes::cbor;
using crypto::KeyType;

std::string Name(std::string_view name) {
  return "io.cncf.notary." + std::string(name);
}

Result<Envelope> Parse(const NotationOptions& options) {
  const fakes::NotationSignature signature = Notary().Sign(Target(), options);
  return ParseEnvelope(signature.media_type, signature.envelope);
}
std::string OutcomeOf(const NotationOptions& options) {
  return Outcome(Parse(options));
}

NotationOptions Protected(std::function<void(JsonValue&)> edit) {
  return {.edit_protected = std::move(edit)};
}
NotationOptions CoseProtected(std::function<void(cbor::Members&)> edit) {
  return {.cose = true, .edit_cose_protected = std::move(edit)};
}
NotationOptions JwsEnvelope(std::function<void(JsonValue&)> edit) {
  return {.edit_envelope = std::move(edit)};
}
NotationOptions CoseUnprotected(std::function<void(cbor::Members&)> edit) {
  return {.cose = true, .edit_cose_unprotected = std::move(edit)};
}

void Set(cbor::Members& members, const Bytes& label, const Bytes& value) {
  for (auto& [key, old] : members) {
    if (key == label) {
      old = value;
      return;
    }
  }
  members.emplace_back(label, value);
}
void Remove(cbor::Members& members, const Bytes& label) {
  std::erase_if(members, [&](const auto& member) { return member.first == label; });
}
// One header, in either format.
NotationOptions WithHeader(bool cose, std::string_view name, std::string_view value) {
  const std::string key(name);
  const std::string text(value);
  if (cose) return CoseProtected([=](cbor::Members& header) { Set(header, cbor::Text(key), cbor::Text(text)); });
  return Protected([=](JsonValue& header) { header.Member(key) = JsonValue::String(text); });
}

TEST(NotationEnvelope, GivesWhatIsInIt) {
  for (const bool cose : {false, true}) {
    const Result<Envelope> envelope = Parse({.cose = cose, .expiry = kNow + kDay});
    ASSERT_EQ(Explain(envelope), "ok");
    EXPECT_EQ(envelope->algorithm, SigningAlgorithm::kEs256);
    EXPECT_EQ(envelope->scheme, SigningScheme::kX509);
    EXPECT_EQ(envelope->signing_time, kNow);
    EXPECT_EQ(envelope->expiry, kNow + kDay);
    ASSERT_EQ(envelope->chain.size(), 3U);
    EXPECT_EQ(envelope->chain.front().Fingerprint(), Notary().leaf().certificate.Fingerprint());
    EXPECT_EQ(envelope->chain.back().Fingerprint(), Notary().root().certificate().Fingerprint());
    EXPECT_TRUE(envelope->timestamp.empty());
    EXPECT_EQ(AsText(envelope->payload), fakes::NotationPayload(Target()));
    EXPECT_EQ(Outcome(VerifySignature(*envelope, envelope->chain.front())), "ok");
  }
}

TEST(NotationEnvelope, SigningAuthority) {
  for (const bool cose : {false, true}) {
    const Result<Envelope> envelope = Parse({.cose = cose, .scheme = kAuthority, .signing_time = kNow - kDay});
    ASSERT_EQ(Explain(envelope), "ok");
    EXPECT_EQ(envelope->scheme, SigningScheme::kSigningAuthority);
    EXPECT_EQ(envelope->signing_time, kNow - kDay);
  }
}

TEST(NotationEnvelope, Timestamp) {
  for (const bool cose : {false, true}) {
    const Result<Envelope> envelope = Parse({.cose = cose, .timestamp_authority = &StampAuthority()});
    ASSERT_EQ(Explain(envelope), "ok");
    EXPECT_FALSE(envelope->timestamp.empty());
  }
}

TEST(NotationEnvelope, AttributesThatAreNotCriticalMayBeUnknown) {
  EXPECT_EQ(OutcomeOf(WithHeader(false, "com.example.build", "7")), "ok");
  EXPECT_EQ(OutcomeOf(WithHeader(true, "com.example.build", "7")), "ok");
  EXPECT_EQ(OutcomeOf(CoseProtected([](auto& header) { Set(header, cbor::Int(4), cbor::ByteString({})); })), "ok");
  EXPECT_EQ(OutcomeOf(JwsEnvelope(
                [](JsonValue& envelope) { envelope.Member("header").Member("com.example") = JsonValue::String("x"); })),
            "ok");
  EXPECT_EQ(OutcomeOf(CoseUnprotected([](auto& header) { Set(header, cbor::Text("com.example"), cbor::Int(1)); })),
            "ok");
}

// The key decides on the algorithm; what else the header says is not accepted.
TEST(Adversarial_V1, AlgorithmsThatAreNoneOfNotations) {
  for (const char* const algorithm : {"none", "None", "HS256", "HS512", "RS256", "RS512", "EdDSA", "ES256K", "es256"}) {
    EXPECT_EQ(OutcomeOf({.algorithm = algorithm}), "envelope-malformed") << algorithm;
  }
  EXPECT_EQ(OutcomeOf(Protected([](JsonValue& header) { header.Erase("alg"); })), "envelope-malformed");
  EXPECT_EQ(OutcomeOf(Protected([](JsonValue& header) { header.Member("alg") = JsonValue::Number(7); })),
            "envelope-malformed");
  // HMAC 256/256, RS256, EdDSA, RS1, ES256K, none.
  for (const std::int64_t algorithm : {5, -257, -8, -65535, -47, 0}) {
    EXPECT_EQ(OutcomeOf({.cose = true, .cose_algorithm = algorithm}), "envelope-malformed") << algorithm;
  }
  EXPECT_EQ(OutcomeOf(CoseProtected([](auto& header) { Remove(header, cbor::Int(1)); })), "envelope-malformed");
  EXPECT_EQ(OutcomeOf(CoseProtected([](auto& header) { Set(header, cbor::Int(1), cbor::Text("ES256")); })),
            "envelope-malformed");
}

TEST(Adversarial_V1, AnAlgorithmThatIsNotTheKeys) {
  for (const char* const algorithm : {"ES384", "ES512", "PS256", "PS384", "PS512"}) {
    EXPECT_EQ(Outcome(Scenario().Verify({.algorithm = algorithm})), "signature-invalid") << algorithm;
  }
  for (const std::int64_t algorithm : {-35, -36, -37, -38, -39}) {
    EXPECT_EQ(Outcome(Scenario().Verify({.cose = true, .cose_algorithm = algorithm})), "signature-invalid")
        << algorithm;
  }
}

TEST(NotationSignature, EveryKeyWithItsAlgorithm) {
  struct Case {
    KeyType type;
    std::size_t rsa_bits;
    SigningAlgorithm algorithm;
  };
  const std::vector<Case> cases = {{KeyType::kEcP256, 0, SigningAlgorithm::kEs256},
                                   {KeyType::kEcP384, 0, SigningAlgorithm::kEs384},
                                   {KeyType::kEcP521, 0, SigningAlgorithm::kEs512},
                                   {KeyType::kRsa, 2048, SigningAlgorithm::kPs256},
                                   {KeyType::kRsa, 3072, SigningAlgorithm::kPs384}};
  for (const Case& each : cases) {
    const fakes::FakeNotary notary({.key_type = each.type, .rsa_bits = each.rsa_bits});
    for (const bool cose : {false, true}) {
      Scenario scenario;
      scenario.notary = &notary;
      scenario.trust["ca:acme"] = {notary.root().certificate()};
      EXPECT_EQ(Explain(scenario.Verify({.cose = cose})), "ok");
      const auto signature = notary.Sign(Target(), {.cose = cose});
      EXPECT_EQ(ParseEnvelope(signature.media_type, signature.envelope)->algorithm, each.algorithm);
    }
  }
}

TEST(NotationSignature, AKeyOfAnotherSizeMayNotSign) {
  // P-256 is taken from the table, RSA of 2560 bits and Ed25519 are not in it.
  EXPECT_EQ(AlgorithmOf(crypto::PrivateKey::Generate(KeyType::kEcP256).value().Public()), SigningAlgorithm::kEs256);
  EXPECT_EQ(AlgorithmOf(crypto::PrivateKey::Generate(KeyType::kEd25519).value().Public()), std::nullopt);
  EXPECT_EQ(AlgorithmOf(crypto::PrivateKey::Generate(KeyType::kRsa, 2560).value().Public()), std::nullopt);
}

TEST(NotationSignature, ByAnotherKeyThanTheLeafs) {
  const crypto::PrivateKey other = crypto::PrivateKey::Generate(KeyType::kEcP256).value();
  for (const bool cose : {false, true}) {
    EXPECT_EQ(Outcome(Scenario().Verify({.cose = cose, .sign_with = other})), "signature-invalid");
  }
}

TEST(NotationSignature, OverOtherBytes) {
  const std::string other = EncodeBase64Url(AsBytes(fakes::NotationPayload(
      {.digest = Image().digest.text(), .size = Image().size, .annotations = {{"stage", "production"}}})));
  EXPECT_EQ(Outcome(Scenario().Verify(
                JwsEnvelope([&](JsonValue& envelope) { envelope.Member("payload") = JsonValue::String(other); }))),
            "signature-invalid");
  // The header of another signature by the same key.
  const auto fresh = JsonValue::Parse(Notary().Sign(Target(), {.expiry = kNow + kDay}).envelope);
  EXPECT_EQ(Outcome(Scenario().Verify(
                JwsEnvelope([&](JsonValue& envelope) { envelope.Member("protected") = *fresh->Find("protected"); }))),
            "signature-invalid");
}

TEST(Adversarial_V2, UnknownCriticalHeaders) {
  for (const bool cose : {false, true}) {
    NotationOptions options = WithHeader(cose, "com.example.attestation", "x");
    options.critical = {{Name("signingScheme"), "com.example.attestation"}};
    EXPECT_EQ(OutcomeOf(options), "critical-unknown");
    // Listed, but not there.
    EXPECT_EQ(OutcomeOf({.cose = cose, .critical = {{Name("signingScheme"), "com.example.attestation"}}}),
              "envelope-malformed");
    EXPECT_EQ(OutcomeOf({.cose = cose, .critical = {{Name("signingScheme"), Name("expiry")}}}), "envelope-malformed");
  }
  // A label that is a number.
  const auto labelled = [](std::int64_t label) {
    return CoseProtected([label](auto& header) {
      Set(header, cbor::Int(label), cbor::Text("x"));
      Set(header, cbor::Int(2), cbor::Array({cbor::Text(Name("signingScheme")), cbor::Int(label)}));
    });
  };
  EXPECT_EQ(OutcomeOf(labelled(258)), "critical-unknown");
  EXPECT_EQ(OutcomeOf(labelled(-70001)), "critical-unknown");
  EXPECT_EQ(OutcomeOf(labelled(4)), "envelope-malformed");
  // RFC 7797: an unencoded payload must be critical.
  NotationOptions unencoded = Protected(
      [](JsonValue& header) { header.Member("b64") = JsonValue{.kind = JsonValue::Kind::kBool, .text = "false"}; });
  unencoded.critical = {{Name("signingScheme"), "b64"}};
  EXPECT_EQ(OutcomeOf(unencoded), "critical-unknown");
}

TEST(Adversarial_V2, TheSigningSchemeIsMissingOrNotCritical) {
  for (const bool cose : {false, true}) {
    EXPECT_EQ(OutcomeOf({.cose = cose, .critical = std::vector<std::string>{}}), "envelope-malformed");
    EXPECT_EQ(OutcomeOf({.cose = cose, .expiry = kNow + kDay, .critical = {{Name("expiry")}}}), "envelope-malformed");
    EXPECT_EQ(OutcomeOf(WithHeader(cose, Name("signingScheme"), "")), "envelope-malformed");
    EXPECT_EQ(OutcomeOf(WithHeader(cose, Name("signingScheme"), "notary.x510")), "critical-unknown");
  }
  EXPECT_EQ(OutcomeOf(Protected([](JsonValue& header) { header.Erase("crit"); })), "envelope-malformed");
  EXPECT_EQ(OutcomeOf(Protected([](JsonValue& header) { header.Erase(Name("signingScheme")); })), "envelope-malformed");
  EXPECT_EQ(OutcomeOf(CoseProtected([](auto& header) { Remove(header, cbor::Int(2)); })), "envelope-malformed");
  EXPECT_EQ(OutcomeOf(CoseProtected([](auto& header) { Remove(header, cbor::Text(Name("signingScheme"))); })),
            "envelope-malformed");
}

TEST(Adversarial_V2, TheExpiryIsNotCritical) {
  for (const bool cose : {false, true}) {
    EXPECT_EQ(OutcomeOf({.cose = cose, .expiry = kNow + kDay, .critical = {{Name("signingScheme")}}}),
              "envelope-malformed");
    EXPECT_EQ(OutcomeOf({.cose = cose, .scheme = kAuthority, .critical = {{Name("signingScheme")}}}),
              "envelope-malformed");
  }
}

TEST(Adversarial_V2, TheListOfCriticalHeadersItself) {
  const std::vector<std::vector<std::string>> lists = {{Name("signingScheme"), Name("signingScheme")},
                                                       {Name("signingScheme"), Name("signingTime")},
                                                       {Name("signingScheme"), "alg"},
                                                       {Name("signingScheme"), "cty"},
                                                       {Name("signingScheme"), "crit"}};
  for (const auto& list : lists) EXPECT_EQ(OutcomeOf({.critical = list}), "envelope-malformed") << list[1];
  EXPECT_EQ(OutcomeOf({.cose = true, .critical = lists[0]}), "envelope-malformed");
  EXPECT_EQ(OutcomeOf({.cose = true, .critical = lists[1]}), "envelope-malformed");
  for (const Bytes& value : {cbor::Text(Name("signingScheme")), cbor::Array({cbor::ByteString(AsBytes("x"))}),
                             cbor::Array({cbor::Text(Name("signingScheme")), cbor::Int(1)}),
                             cbor::Array({cbor::Text(Name("signingScheme")), cbor::Int(8)})}) {
    EXPECT_EQ(OutcomeOf(CoseProtected([&](auto& header) { Set(header, cbor::Int(2), value); })), "envelope-malformed");
  }
}

TEST(Adversarial_V9, AVerificationPluginIsDemanded) {
  for (const bool cose : {false, true}) {
    EXPECT_EQ(OutcomeOf({.cose = cose, .verification_plugin = "com.example.plugin"}), "critical-unknown");
    // Not marked critical by its signer, or the version alone.
    EXPECT_EQ(
        OutcomeOf({.cose = cose, .verification_plugin = "com.example.plugin", .critical = {{Name("signingScheme")}}}),
        "critical-unknown");
    EXPECT_EQ(OutcomeOf(WithHeader(cose, Name("verificationPluginMinVersion"), "1.0.0")), "critical-unknown");
    EXPECT_EQ(Outcome(Scenario{.verification = R"({"level": "audit"})"}.Verify(
                  {.cose = cose, .verification_plugin = "com.example.plugin"})),
              "critical-unknown");
  }
}

TEST(NotationEnvelope, TheTimeThatTheSchemeWants) {
  const Bytes time = cbor::Tag(1, cbor::Int(1'800'000'000));
  const std::string text = "2027-01-15T08:00:00Z";
  for (const bool cose : {false, true}) {
    const auto set = [&](NotationOptions options, std::string_view name) {
      const std::string key = Name(name);
      options.cose = cose;
      options.edit_protected = [=](JsonValue& header) { header.Member(key) = JsonValue::String(text); };
      options.edit_cose_protected = [=](cbor::Members& header) { Set(header, cbor::Text(key), time); };
      return OutcomeOf(options);
    };
    const auto remove = [&](NotationOptions options, std::string_view name) {
      const std::string key = Name(name);
      options.cose = cose;
      options.edit_protected = [=](JsonValue& header) { header.Erase(key); };
      options.edit_cose_protected = [=](cbor::Members& header) { Remove(header, cbor::Text(key)); };
      return OutcomeOf(options);
    };
    EXPECT_EQ(set({}, "signingTime"), "ok");
    EXPECT_EQ(remove({}, "signingTime"), "envelope-malformed");
    EXPECT_EQ(set({}, "authenticSigningTime"), "envelope-malformed");
    EXPECT_EQ(remove({.scheme = kAuthority, .critical = {{Name("signingScheme")}}}, "authenticSigningTime"),
              "envelope-malformed");
    EXPECT_EQ(set({.scheme = kAuthority}, "signingTime"), "envelope-malformed");
    EXPECT_EQ(OutcomeOf({.cose = cose, .expiry = kNow}), "envelope-malformed");
    EXPECT_EQ(OutcomeOf({.cose = cose, .expiry = kNow - kDay}), "envelope-malformed");
  }
}

TEST(NotationEnvelope, TimesThatAreNone) {
  for (const char* const text : {"", "2027-01-15", "1800000000", "2027-01-15T08:00:00", "2027-13-15T08:00:00Z"}) {
    EXPECT_EQ(OutcomeOf(WithHeader(false, Name("signingTime"), text)), "envelope-malformed") << text;
  }
  for (const Bytes& value :
       {cbor::Int(1'800'000'000), cbor::Text("2027-01-15T08:00:00Z"), cbor::Tag(0, cbor::Text("2027-01-15T08:00:00Z")),
        cbor::Tag(1, cbor::Text("1800000000")), cbor::Tag(1, cbor::Int(-1)), cbor::Tag(1, cbor::Int(253402300800)),
        cbor::Tag(2, cbor::Int(1'800'000'000))}) {
    EXPECT_EQ(OutcomeOf(CoseProtected([&](auto& header) { Set(header, cbor::Text(Name("signingTime")), value); })),
              "envelope-malformed");
  }
}

TEST(NotationEnvelope, AnotherContentType) {
  for (const bool cose : {false, true}) {
    EXPECT_EQ(OutcomeOf({.cose = cose, .content_type = "application/vnd.cncf.notary.payload.v2+json"}),
              "payload-type-mismatch");
    EXPECT_EQ(OutcomeOf({.cose = cose, .content_type = ""}), "envelope-malformed");
  }
  EXPECT_EQ(OutcomeOf(CoseProtected([](auto& header) { Remove(header, cbor::Int(3)); })), "envelope-malformed");
  EXPECT_EQ(OutcomeOf(CoseProtected([](auto& header) { Set(header, cbor::Int(3), cbor::Int(50)); })),
            "envelope-malformed");
}

TEST(NotationEnvelope, JwsForms) {
  const std::vector<std::pair<std::string, std::function<void(JsonValue&)>>> edits = {
      {"no payload", [](JsonValue& envelope) { envelope.Erase("payload"); }},
      {"no protected header", [](JsonValue& envelope) { envelope.Erase("protected"); }},
      {"no header", [](JsonValue& envelope) { envelope.Erase("header"); }},
      {"no signature", [](JsonValue& envelope) { envelope.Erase("signature"); }},
      {"empty signature", [](JsonValue& envelope) { envelope.Member("signature") = JsonValue::String(""); }},
      {"general serialisation", [](JsonValue& envelope) { envelope.Member("signatures") = JsonValue::Array(); }},
      {"padding", [](JsonValue& envelope) { envelope.Member("signature").text += "="; }},
      {"standard base64", [](JsonValue& envelope) { envelope.Member("signature").text += "+/"; }},
      {"payload of another alphabet", [](JsonValue& envelope) { envelope.Member("payload").text += "*"; }},
      {"protected header is no object",
       [](JsonValue& envelope) { envelope.Member("protected") = JsonValue::String(EncodeBase64Url(AsBytes("[0]"))); }},
      {"protected header has a name twice",
       [](JsonValue& envelope) {
         envelope.Member("protected") = JsonValue::String(EncodeBase64Url(AsBytes(R"({"alg":"ES256","alg":"ES256"})")));
       }},
      {"no chain", [](JsonValue& envelope) { envelope.Member("header").Erase("x5c"); }},
      {"empty chain", [](JsonValue& envelope) { envelope.Member("header").Member("x5c") = JsonValue::Array(); }},
      {"chain is one text",
       [](JsonValue& envelope) { envelope.Member("header").Member("x5c") = JsonValue::String("x"); }},
      {"certificate in base64url",
       [](JsonValue& envelope) { envelope.Member("header").Member("x5c").elements[0].text += "-_"; }},
      {"certificate with a byte behind it",
       [](JsonValue& envelope) {
         Bytes der = Notary().leaf().der;
         der.push_back(0);
         envelope.Member("header").Member("x5c").elements[0] = JsonValue::String(EncodeBase64(der));
       }},
      {"certificate that is none",
       [](JsonValue& envelope) { envelope.Member("header").Member("x5c").elements[0] = JsonValue::String("AAAA"); }},
      {"empty timestamp",
       [](JsonValue& envelope) {
         envelope.Member("header").Member(Name("timestampSignature")) = JsonValue::String("");
       }},
      {"timestamp that is no base64",
       [](JsonValue& envelope) {
         envelope.Member("header").Member(Name("timestampSignature")) = JsonValue::String("*");
       }},
      {"a name in both headers",
       [](JsonValue& envelope) { envelope.Member("header").Member("alg") = JsonValue::String("ES256"); }},
      {"a critical list that nobody signed",
       [](JsonValue& envelope) { envelope.Member("header").Member("b64") = JsonValue::String("x"); }},
      {"an expiry that nobody signed",
       [](JsonValue& envelope) {
         envelope.Member("header").Member(Name("expiry")) = JsonValue::String("2027-01-15T08:00:00Z");
       }},
  };
  for (const auto& [name, edit] : edits) EXPECT_EQ(OutcomeOf(JwsEnvelope(edit)), "envelope-malformed") << name;
  const std::string whole = Notary().Sign(Target()).envelope;
  EXPECT_EQ(Outcome(ParseJwsEnvelope(whole + " ")), "ok");
  EXPECT_EQ(Outcome(ParseJwsEnvelope(whole + "{}")), "envelope-malformed");
  EXPECT_EQ(Outcome(ParseJwsEnvelope("[" + whole + "]")), "envelope-malformed");
  const auto parts = JsonValue::Parse(whole);
  EXPECT_EQ(Outcome(ParseJwsEnvelope(parts->TextAt({"protected"}) + "." + parts->TextAt({"payload"}) + "." +
                                     parts->TextAt({"signature"}))),
            "envelope-malformed");
}

TEST(NotationEnvelope, ANameMustNotStandInBothHeaders) {
  NotationOptions options = WithHeader(false, "com.example", "a");
  EXPECT_EQ(OutcomeOf(options), "ok");
  options.edit_envelope = [](JsonValue& envelope) {
    envelope.Member("header").Member("com.example") = JsonValue::String("a");
  };
  EXPECT_EQ(OutcomeOf(options), "envelope-malformed");
}

// Nobody has signed anything yet when they are compared: pair by pair, envelopes of 700 KiB took minutes.
TEST(NotationEnvelope, ThousandsOfNamesInBothHeadersCostLittle) {
  constexpr std::size_t kNames = 25'000;  // the limit of an envelope is reached by about 35,000
  const auto add = [](JsonValue& header, char prefix) {
    for (std::size_t i = 0; i < kNames; ++i) {
      header.members.emplace_back(prefix + std::to_string(i), JsonValue::Number(1));
    }
  };
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(OutcomeOf({.edit_protected = [&](JsonValue& header) { add(header, 'p'); },
                       .edit_envelope = [&](JsonValue& envelope) { add(envelope.Member("header"), 'h'); }}),
            "ok");
  const auto add_cose = [](cbor::Members& header, std::string_view prefix) {
    // The limit of a document of CBOR is 10,000 items.
    for (std::size_t i = 0; i < 4'000; ++i) {
      header.emplace_back(cbor::Text(std::string(prefix) + std::to_string(i)), cbor::Int(1));
    }
  };
  EXPECT_EQ(OutcomeOf({.cose = true,
                       .edit_cose_protected = [&](cbor::Members& header) { add_cose(header, "p"); },
                       .edit_cose_unprotected = [&](cbor::Members& header) { add_cose(header, "h"); }}),
            "ok");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(NotationEnvelope, CoseForms) {
  EXPECT_EQ(OutcomeOf({.cose = true, .tagged = false}), "envelope-malformed");
  const Bytes chain = cbor::Int(33);
  const std::vector<std::pair<std::string, std::function<void(cbor::Members&)>>> edits = {
      {"no chain", [&](cbor::Members& header) { Remove(header, chain); }},
      {"empty chain", [&](cbor::Members& header) { Set(header, chain, cbor::Array({})); }},
      {"one byte string", [&](cbor::Members& header) { Set(header, chain, cbor::ByteString(Notary().leaf().der)); }},
      {"chain of texts", [&](cbor::Members& header) { Set(header, chain, cbor::Array({cbor::Text("x")})); }},
      {"certificate that is none",
       [&](cbor::Members& header) { Set(header, chain, cbor::Array({cbor::ByteString(AsBytes("x"))})); }},
      {"timestamp is a text",
       [](cbor::Members& header) { Set(header, cbor::Text(Name("timestampSignature")), cbor::Text("x")); }},
      {"empty timestamp",
       [](cbor::Members& header) { Set(header, cbor::Text(Name("timestampSignature")), cbor::ByteString({})); }},
      {"algorithm in both headers", [](cbor::Members& header) { Set(header, cbor::Int(1), cbor::Int(-7)); }},
      {"a critical list that nobody signed", [](cbor::Members& header) { Set(header, cbor::Int(2), cbor::Array({})); }},
      {"an expiry that nobody signed",
       [](cbor::Members& header) { Set(header, cbor::Text(Name("expiry")), cbor::Tag(1, cbor::Int(1))); }},
      {"a plugin that nobody signed",
       [](cbor::Members& header) { Set(header, cbor::Text(Name("verificationPlugin")), cbor::Text("x")); }},
  };
  for (const auto& [name, edit] : edits) EXPECT_EQ(OutcomeOf(CoseUnprotected(edit)), "envelope-malformed") << name;
  const std::string whole = Notary().Sign(Target(), {.cose = true}).envelope;
  EXPECT_EQ(Outcome(ParseCoseEnvelope(whole + std::string(1, '\0'))), "envelope-malformed");
}

TEST(NotationEnvelope, TheChainMayStandInTheProtectedHeaderOfCose) {
  std::vector<Bytes> certificates;
  for (const auto& each : Notary().Chain()) certificates.push_back(cbor::ByteString(each.der));
  NotationOptions options =
      CoseProtected([&](cbor::Members& header) { Set(header, cbor::Int(33), cbor::Array(certificates)); });
  // In both it is nowhere.
  EXPECT_EQ(OutcomeOf(options), "envelope-malformed");
  options.edit_cose_unprotected = [](cbor::Members& header) { Remove(header, cbor::Int(33)); };
  EXPECT_EQ(Explain(Scenario().Verify(options)), "ok");
}

TEST(NotationEnvelope, Limits) {
  EXPECT_EQ(Outcome(ParseEnvelope(kJwsMediaType, std::string(limits::kNotationEnvelopeBytes + 1, ' '))),
            "limit-exceeded");
  const std::vector<fakes::TestCertificate> many(limits::kChainCertificates + 1, Notary().leaf());
  for (const bool cose : {false, true}) EXPECT_EQ(OutcomeOf({.cose = cose, .chain = many}), "limit-exceeded");
}

TEST(NotationEnvelope, TheMediaTypeDecides) {
  const auto jws = Notary().Sign(Target());
  const auto cose = Notary().Sign(Target(), {.cose = true});
  EXPECT_EQ(Outcome(ParseEnvelope(cose.media_type, jws.envelope)), "envelope-malformed");
  EXPECT_EQ(Outcome(ParseEnvelope(jws.media_type, cose.envelope)), "envelope-malformed");
  EXPECT_EQ(Outcome(ParseEnvelope("application/json", jws.envelope)), "envelope-malformed");
  EXPECT_EQ(Outcome(ParseEnvelope("", jws.envelope)), "envelope-malformed");
}

TEST(NotationEnvelope, TruncatedAtEveryByte) {
  for (const bool cose : {false, true}) {
    const auto signature = Notary().Sign(Target(), {.cose = cose});
    for (std::size_t size = 0; size < signature.envelope.size(); ++size) {
      ASSERT_EQ(Outcome(ParseEnvelope(signature.media_type, std::string_view(signature.envelope).substr(0, size))),
                "envelope-malformed")
          << size;
    }
  }
}

}  // namespace
}  // namespace gatehouse::signature::notation
