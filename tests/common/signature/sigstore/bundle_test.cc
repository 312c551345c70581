#include "common/signature/sigstore/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "tests/common/signature/sigstore/bundle_support.h"

namespace gatehouse::signature::sigstore {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Version = Bundle::Version;

FakeSigstore& Sigstore() {
  static auto* const kSigstore = new FakeSigstore();
  return *kSigstore;
}

JsonValue Message(const std::string& version = "0.3") {
  return Sigstore().SignMessage(kArtefact, {.version = version}).json;
}

const std::string kEntry = "/verificationMaterial/tlogEntries/0";

TEST(ParseBundle, EveryVersionAndContent) {
  const std::pair<std::string, Version> kVersions[] = {
      {"0.1", Version::kV01}, {"0.2", Version::kV02}, {"0.3", Version::kV03}, {"0.3+json;version", Version::kV03}};
  for (const auto& [version, parsed_version] : kVersions) {
    SCOPED_TRACE(version);
    auto bundle = ParseBundle(Message(version).Write());
    ASSERT_TRUE(bundle.ok()) << Shown(bundle);
    EXPECT_EQ(bundle->version, parsed_version);
    EXPECT_TRUE(std::holds_alternative<MessageSignature>(bundle->content));
    EXPECT_THAT(std::get<std::vector<crypto::Certificate>>(bundle->key), SizeIs(1));
    auto envelope = ParseBundle(Sigstore().SignImage(ImageDigest(), {.version = version}).Text());
    ASSERT_TRUE(envelope.ok()) << Shown(envelope);
    EXPECT_EQ(std::get<Envelope>(envelope->content).payload_type, kInTotoPayloadType);
  }
}

TEST(ParseBundle, WhatItSays) {
  const SignedBundle made = Sigstore().SignMessage(kArtefact, {.authorities = {{&Sigstore().timestamp_authority()}}});
  auto bundle = ParseBundle(made.Text());
  ASSERT_TRUE(bundle.ok()) << Shown(bundle);
  const auto& message = std::get<MessageSignature>(bundle->content);
  EXPECT_EQ(message.signature, made.signature);
  ASSERT_TRUE(message.digest.has_value());
  EXPECT_EQ(message.digest->first, HashAlgorithm::kSha256);
  EXPECT_EQ(message.digest->second, crypto::Hash(HashAlgorithm::kSha256, AsBytes(kArtefact)));
  EXPECT_THAT(bundle->timestamps, SizeIs(1));
  ASSERT_THAT(bundle->entries, SizeIs(1));
  const LogEntry& entry = bundle->entries.front();
  EXPECT_EQ(entry.kind, "hashedrekord");
  EXPECT_EQ(entry.version, "0.0.1");
  EXPECT_EQ(entry.log_id, Sigstore().rekor_v1().KeyId());
  EXPECT_EQ(entry.integrated_time, fakes::kPkiNow);
  EXPECT_TRUE(entry.promise.has_value());
  ASSERT_TRUE(entry.proof.has_value());
  EXPECT_EQ(entry.log_index - entry.proof->log_index, Sigstore().rekor_v1().options().offset);
  EXPECT_THAT(entry.proof->checkpoint, HasSubstr(Sigstore().rekor_v1().Origin()));
  EXPECT_THAT(entry.body, HasSubstr("hashedrekord"));
}

TEST(ParseBundle, AKeysBundle) {
  const auto key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value();
  JsonValue json = Sigstore().SignMessage(kArtefact, {.key = key, .key_hint = "my key"}).json;
  EXPECT_EQ(std::get<Bundle::KeyHint>(ParseBundle(json.Write())->key).hint, "my key");
  At(json, "/verificationMaterial/publicKey") = JsonValue::Object();
  EXPECT_EQ(std::get<Bundle::KeyHint>(ParseBundle(json.Write())->key).hint, "");
}

TEST(ParseBundle, ProtojsonOfOtherWriters) {
  struct Case {
    std::string name;
    std::function<void(JsonValue&)> edit;
  };
  const Case kCases[] = {
      {"numbers in place of strings",
       [](JsonValue& json) {
         for (const std::string member : {"/logIndex", "/integratedTime", "/inclusionProof/treeSize"}) {
           At(json, kEntry + member).kind = JsonValue::Kind::kNumber;
         }
       }},
      {"null is absent",
       [](JsonValue& json) {
         At(json, "/verificationMaterial/timestampVerificationData") = {};
         At(json, "/dsseEnvelope") = {};
         At(json, "/messageSignature/messageDigest") = {};
       }},
      {"no timestamps in the list of them",
       [](JsonValue& json) {
         At(json, "/verificationMaterial/timestampVerificationData/rfc3161Timestamps") = JsonValue::Array();
       }},
      {"an enumeration by its number",
       [](JsonValue& json) { At(json, "/messageSignature/messageDigest/algorithm") = JsonValue::Number(1); }},
      {"no promise",
       [](JsonValue& json) {
         Remove(json, kEntry + "/inclusionPromise");
         At(json, kEntry + "/integratedTime") = JsonValue::String("0");
       }},
      {"an empty promise is none",
       [](JsonValue& json) { At(json, kEntry + "/inclusionPromise/signedEntryTimestamp") = JsonValue::String(""); }},
      {"no entries", [](JsonValue& json) { Remove(json, "/verificationMaterial/tlogEntries"); }},
      {"a digest by an algorithm that is not computed here",
       [](JsonValue& json) { At(json, "/messageSignature/messageDigest/algorithm") = JsonValue::String("SHA3_256"); }},
  };
  for (const Case& c : kCases) {
    JsonValue json = Message();
    c.edit(json);
    auto bundle = ParseBundle(json.Write());
    EXPECT_TRUE(bundle.ok()) << c.name << ": " << Shown(bundle);
  }
}

struct Defect {
  std::string name;
  std::function<void(JsonValue&)> edit;
  Reason reason = Reason::kBundleMalformed;
};

void ExpectRefused(const std::string& version, std::initializer_list<Defect> defects) {
  for (const Defect& defect : defects) {
    JsonValue json = Message(version);
    ASSERT_TRUE(ParseBundle(json.Write()).ok());
    defect.edit(json);
    auto bundle = ParseBundle(json.Write());
    ASSERT_FALSE(bundle.ok()) << defect.name;
    EXPECT_EQ(bundle.error().reason, defect.reason) << defect.name << ": " << Shown(bundle);
  }
}

TEST(ParseBundle, WhatIsMissingOrTooMuch) {
  const auto text = [](const std::string& pointer, const std::string& value) {
    return [=](JsonValue& json) { At(json, pointer) = JsonValue::String(value); };
  };
  const auto without = [](const std::string& pointer) { return [=](JsonValue& json) { Remove(json, pointer); }; };
  ExpectRefused(
      "0.3",
      {
          {"no media type", without("/mediaType")},
          {"no verification material", without("/verificationMaterial")},
          {"no content", without("/messageSignature")},
          {"no signature", without("/messageSignature/signature")},
          {"an empty signature", text("/messageSignature/signature", "")},
          {"a signature in the URL-safe alphabet", text("/messageSignature/signature", "-_-_")},
          {"a signature with a line feed", text("/messageSignature/signature", "QUJD\n")},
          {"an unknown member", text("/extra", "x")},
          {"a member in snake case", text("/media_type", "x")},
          {"an unknown member of the material", text("/verificationMaterial/extra", "x")},
          {"an unknown hash", text("/messageSignature/messageDigest/algorithm", "MD5")},
          {"a digest of another length", text("/messageSignature/messageDigest/digest", "QUJD")},
          {"an empty timestamp", text("/verificationMaterial/timestampVerificationData/rfc3161Timestamps", "")},
          {"an entry without a log", without(kEntry + "/logId"), Reason::kLogEntryMalformed},
          {"an entry of no log", text(kEntry + "/logId/keyId", ""), Reason::kLogEntryMalformed},
          {"an entry without a kind", without(kEntry + "/kindVersion"), Reason::kLogEntryMalformed},
          {"an entry of an empty kind", text(kEntry + "/kindVersion/kind", ""), Reason::kLogEntryMalformed},
          {"an unknown member of an entry", text(kEntry + "/extra", "x"), Reason::kLogEntryMalformed},
          {"a negative index", text(kEntry + "/logIndex", "-1"), Reason::kLogEntryMalformed},
          {"an index with a zero in front", text(kEntry + "/logIndex", "01"), Reason::kLogEntryMalformed},
          {"an index that is a fraction", text(kEntry + "/logIndex", "1.0"), Reason::kLogEntryMalformed},
          {"an index beyond 63 bits", text(kEntry + "/logIndex", "9223372036854775808"), Reason::kLogEntryMalformed},
          {"a time beyond the year 9999", text(kEntry + "/integratedTime", "253402300800"), Reason::kLogEntryMalformed},
          {"a hash that is no text",
           [](JsonValue& json) { At(json, kEntry + "/inclusionProof/hashes/0") = JsonValue::Number(1); },
           Reason::kLogEntryMalformed},
          {"a body that is no base64", text(kEntry + "/canonicalizedBody", "{}"), Reason::kLogEntryMalformed},
          {"an entry that is no object", [](JsonValue& json) { At(json, kEntry) = JsonValue::Number(1); },
           Reason::kLogEntryMalformed},
          {"entries that are no list",
           [](JsonValue& json) { At(json, "/verificationMaterial/tlogEntries") = JsonValue::Object(); }},
      });
}

TEST(ParseBundle, WhatItsVersionAsksFor) {
  const auto without = [](const std::string& pointer) { return [=](JsonValue& json) { Remove(json, pointer); }; };
  ExpectRefused("0.1", {{"no promise", without(kEntry + "/inclusionPromise"), Reason::kLogEntryMalformed}});
  for (const std::string version : {"0.2", "0.3"}) {
    ExpectRefused(
        version,
        {{"no proof", without(kEntry + "/inclusionProof"), Reason::kLogEntryMalformed},
         {"no checkpoint", without(kEntry + "/inclusionProof/checkpoint"), Reason::kLogEntryMalformed},
         {"an empty checkpoint",
          [](JsonValue& json) { At(json, kEntry + "/inclusionProof/checkpoint/envelope") = JsonValue::String(""); },
          Reason::kLogEntryMalformed}});
  }
  JsonValue json = Message("0.1");
  Remove(json, kEntry + "/inclusionProof");
  EXPECT_TRUE(ParseBundle(json.Write()).ok());
}

TEST(Adversarial_B13, WhatNamesTheSigner) {
  const std::string certificate = Message().TextAt({"verificationMaterial", "certificate", "rawBytes"});
  const auto chain = [&](JsonValue& json) {
    At(json, "/verificationMaterial/x509CertificateChain/certificates") = JsonValue::Array();
    At(json, "/verificationMaterial/x509CertificateChain/certificates/0/rawBytes") = JsonValue::String(certificate);
  };
  ExpectRefused(
      "0.3",
      {
          {"a certificate and a key",
           [](JsonValue& json) { At(json, "/verificationMaterial/publicKey/hint") = JsonValue::String("x"); }},
          {"a certificate and a chain in version 0.3", chain},
          {"a chain in version 0.3",
           [&](JsonValue& json) {
             Remove(json, "/verificationMaterial/certificate");
             chain(json);
           }},
          {"nothing", [](JsonValue& json) { Remove(json, "/verificationMaterial/certificate"); }},
          {"null", [](JsonValue& json) { At(json, "/verificationMaterial/certificate") = {}; }},
          {"a certificate without bytes",
           [](JsonValue& json) { At(json, "/verificationMaterial/certificate/rawBytes") = JsonValue::String(""); },
           Reason::kCertificateMalformed},
      });
  ExpectRefused("0.2", {
                           {"an empty chain",
                            [](JsonValue& json) {
                              At(json, "/verificationMaterial/x509CertificateChain/certificates") = JsonValue::Array();
                            }},
                           {"a certificate and a chain",
                            [&](JsonValue& json) {
                              At(json, "/verificationMaterial/certificate/rawBytes") = JsonValue::String(certificate);
                            }},
                       });
}

TEST(Adversarial_B13, VersionsThatWeDoNotKnow) {
  for (const std::string media_type :
       {"application/vnd.dev.sigstore.bundle+json;version=99.9", "application/vnd.dev.sigstore.bundle.v0.4+json",
        "application/vnd.dev.sigstore.bundle.v0.3.1+json", "application/vnd.dev.sigstore.bundle+json;version=0.0",
        "application/vnd.dev.sigstore.bundle.v0.1+json", "application/vnd.dev.sigstore.bundle+json",
        "application/vnd.dev.sigstore.bundle+json; version=0.3", "application/json"}) {
    ExpectRefused("0.3", {{media_type, [&](JsonValue& json) { At(json, "/mediaType") = JsonValue::String(media_type); },
                           Reason::kContentUnsupported}});
    EXPECT_FALSE(IsBundleMediaType(media_type)) << media_type;
  }
  for (const std::string media_type :
       {"application/vnd.dev.sigstore.bundle+json;version=0.1", "application/vnd.dev.sigstore.bundle+json;version=0.2",
        "application/vnd.dev.sigstore.bundle+json;version=0.3", "application/vnd.dev.sigstore.bundle.v0.3+json"}) {
    EXPECT_TRUE(IsBundleMediaType(media_type)) << media_type;
    EXPECT_TRUE(std::string_view(media_type).starts_with(kBundleMediaTypePrefix));
  }
}

// GHSA-fx35-mq7g-6g98: a raw public key where a certificate belongs.
TEST(Adversarial_GHSA_fx35_mq7g_6g98, APublicKeyInPlaceOfTheCertificate) {
  const SignedBundle made = Sigstore().SignMessage(kArtefact);
  for (const Bytes& bytes :
       {made.key.Public().Spki(), ToBytes(made.key.Public().Pem()), ToBytes(made.certificate->pem)}) {
    JsonValue json = made.json;
    At(json, "/verificationMaterial/certificate/rawBytes") = JsonValue::String(EncodeBase64(bytes));
    EXPECT_EQ(TokenOf(ParseBundle(json.Write())), Token(Reason::kCertificateMalformed));
  }
}

TEST(Adversarial_B7, ARootOrAThousandCertificatesInTheBundle) {
  const auto add = [](JsonValue& json, const crypto::Certificate& certificate) {
    JsonValue one = JsonValue::Object();
    one.Member("rawBytes") = JsonValue::String(EncodeBase64(certificate.Der()));
    At(json, "/verificationMaterial/x509CertificateChain/certificates").elements.push_back(one);
  };
  JsonValue json = Message("0.2");
  add(json, Sigstore().intermediate().certificate());
  EXPECT_TRUE(ParseBundle(json.Write()).ok());
  add(json, Sigstore().root().certificate());
  EXPECT_EQ(TokenOf(ParseBundle(json.Write())), Token(Reason::kBundleMalformed));
  JsonValue many = Message("0.2");
  for (int i = 0; i < 1000; ++i) add(many, Sigstore().intermediate().certificate());
  EXPECT_EQ(TokenOf(ParseBundle(many.Write())), Token(Reason::kLimitExceeded));
}

TEST(ParseBundle, CountsAreBoundedAndNothingIsThereTwice) {
  const auto repeat = [](JsonValue& json, const std::string& list, std::size_t count,
                         const std::function<void(JsonValue&, std::size_t)>& number) {
    const JsonValue first = At(json, list + "/0");
    for (std::size_t i = 1; i < count; ++i) {
      JsonValue next = first;
      number(next, i);
      At(json, list).elements.push_back(next);
    }
  };
  const auto number_entry = [](JsonValue& entry, std::size_t i) { At(entry, "/logIndex") = JsonValue::Number(i); };
  const std::string entries = "/verificationMaterial/tlogEntries";
  JsonValue json = Message();
  repeat(json, entries, limits::kLogEntries, number_entry);
  EXPECT_TRUE(ParseBundle(json.Write()).ok());
  repeat(json, entries, 2, [&](JsonValue& entry, std::size_t) { number_entry(entry, 999); });
  EXPECT_EQ(TokenOf(ParseBundle(json.Write())), Token(Reason::kLimitExceeded));
  JsonValue twice = Message();
  repeat(twice, entries, 2, [](JsonValue&, std::size_t) {});
  EXPECT_EQ(TokenOf(ParseBundle(twice.Write())), Token(Reason::kLogEntryMalformed));

  const std::string stamps = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps";
  const auto number_stamp = [](JsonValue& stamp, std::size_t i) {
    At(stamp, "/signedTimestamp") = JsonValue::String(EncodeBase64(Bytes{static_cast<std::uint8_t>(i)}));
  };
  JsonValue stamped = Sigstore().SignMessage(kArtefact, {.authorities = {{&Sigstore().timestamp_authority()}}}).json;
  repeat(stamped, stamps, limits::kTimestamps, number_stamp);
  EXPECT_TRUE(ParseBundle(stamped.Write()).ok());
  repeat(stamped, stamps, 2, [&](JsonValue& stamp, std::size_t) { number_stamp(stamp, 200); });
  EXPECT_EQ(TokenOf(ParseBundle(stamped.Write())), Token(Reason::kLimitExceeded));
  JsonValue again = Sigstore().SignMessage(kArtefact, {.authorities = {{&Sigstore().timestamp_authority()}}}).json;
  repeat(again, stamps, 2, [](JsonValue&, std::size_t) {});
  EXPECT_EQ(TokenOf(ParseBundle(again.Write())), Token(Reason::kBundleMalformed));

  JsonValue hashes = Message();
  for (std::size_t i = 0; i <= limits::kProofHashes; ++i) {
    At(hashes, kEntry + "/inclusionProof/hashes").elements.push_back(JsonValue::String("QUJD"));
  }
  EXPECT_EQ(TokenOf(ParseBundle(hashes.Write())), Token(Reason::kLimitExceeded));
}

TEST(Adversarial_B12, AnEnvelopeInABundleHasExactlyOneSignature) {
  JsonValue json = Sigstore().SignImage(ImageDigest()).json;
  JsonValue two = json;
  const JsonValue first = At(json, "/dsseEnvelope/signatures/0");
  At(two, "/dsseEnvelope/signatures/1") = first;
  EXPECT_EQ(TokenOf(ParseBundle(two.Write())), Token(Reason::kEnvelopeMalformed));
  At(json, "/dsseEnvelope/signatures") = JsonValue::Array();
  EXPECT_EQ(TokenOf(ParseBundle(json.Write())), Token(Reason::kEnvelopeMalformed));
  JsonValue both = Sigstore().SignImage(ImageDigest()).json;
  At(both, "/messageSignature/signature") = JsonValue::String("QUJD");
  EXPECT_EQ(TokenOf(ParseBundle(both.Write())), Token(Reason::kBundleMalformed));
}

TEST(ParseBundle, JsonThatIsNotStrict) {
  const std::string good = Message().Write();
  const std::pair<std::string, std::string> kCases[] = {
      {"a key twice", R"({"mediaType":"x",)" + good.substr(1)},
      {"something after it", good + "{}"},
      {"a byte order mark", "\xEF\xBB\xBF" + good},
      {"not an object", "[" + good + "]"},
      {"not UTF-8", good.substr(0, good.size() - 1) + ",\"\xff\":1}"},
      {"empty", ""},
      {"null", "null"},
  };
  for (const auto& [name, text] : kCases) {
    auto bundle = ParseBundle(text);
    ASSERT_FALSE(bundle.ok()) << name;
    EXPECT_EQ(bundle.error().reason, Reason::kBundleMalformed) << name << ": " << Shown(bundle);
  }
  const std::string deep = R"({"a":)" + std::string(100, '[') + std::string(100, ']') + "}";
  EXPECT_EQ(TokenOf(ParseBundle(deep)), Token(Reason::kLimitExceeded));
  EXPECT_EQ(TokenOf(ParseBundle(std::string(limits::kBundleBytes + 1, ' '))), Token(Reason::kLimitExceeded));
}

TEST(ParseBundle, TruncatedAtEveryByte) {
  const std::string good = Sigstore().SignImage(ImageDigest()).Text();
  for (std::size_t size = 0; size < good.size(); ++size) {
    auto bundle = ParseBundle(std::string_view(good).substr(0, size));
    ASSERT_FALSE(bundle.ok()) << size;
    ASSERT_EQ(bundle.error().reason, Reason::kBundleMalformed) << size;
  }
}

}  // namespace
}  // namespace gatehouse::signature::sigstore
