#include "common/cose/sign1.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "tests/common/base/outcome.h"

namespace gatehouse::cose {
namespace {

using codec::CborWriter;
using crypto::KeyType;
using crypto::PrivateKey;
using crypto::Scheme;

// {1: algorithm}
Bytes Header(std::int64_t algorithm) {
  return std::move(CborWriter().Map(1).Int(1).Int(algorithm)).Finish();
}

// Sig_structure by hand: the array of four, "Signature1", then three byte strings of less than 24 bytes each.
Bytes SigStructure(BytesView header, BytesView payload) {
  Bytes bytes = {0x84, 0x6a};
  Append(bytes, AsBytes("Signature1"));
  bytes.push_back(static_cast<std::uint8_t>(0x40 + header.size()));
  Append(bytes, header);
  bytes.push_back(0x40);
  bytes.push_back(static_cast<std::uint8_t>(0x40 + payload.size()));
  Append(bytes, payload);
  return bytes;
}

const Bytes& Payload() {
  static const Bytes payload = ToBytes("payload");
  return payload;
}

struct Parts {
  Bytes header = Header(-7);
  std::optional<Bytes> unprotected = {};  // encoded; nothing: an empty map
  Bytes payload = Payload();
  Bytes signature = Bytes(64, 1);
};

Bytes Message(const Parts& parts, bool tagged = true) {
  CborWriter writer;
  if (tagged) writer.Tag(18);
  writer.Array(4).ByteString(parts.header);
  Bytes bytes = std::move(writer).Finish();
  Append(bytes, parts.unprotected.value_or(Bytes{0xa0}));
  Append(bytes, std::move(CborWriter().ByteString(parts.payload).ByteString(parts.signature)).Finish());
  return bytes;
}

Bytes Hex(std::string_view text) {
  return DecodeHex(text).value();
}

TEST(ParseSign1, GivesTheFourParts) {
  const Result<Sign1> message = ParseSign1(Message({.unprotected = Hex("a1182141ff")}), Tag::kRequired);
  ASSERT_EQ(Explain(message), "ok");
  EXPECT_EQ(message->protected_bytes, Header(-7));
  EXPECT_EQ(message->protected_map.Find(1)->AsInt(), -7);
  EXPECT_EQ(EncodeHex(message->unprotected_map.Find(33)->AsBytes().value()), "ff");
  EXPECT_EQ(message->payload, Payload());
  EXPECT_EQ(message->signature.size(), 64U);
  EXPECT_EQ(*AlgorithmOf(*message), -7);
}

TEST(ParseSign1, Tags) {
  EXPECT_EQ(Outcome(ParseSign1(Message({}), Tag::kOptional)), "ok");
  EXPECT_EQ(Outcome(ParseSign1(Message({}, false), Tag::kOptional)), "ok");
  EXPECT_EQ(Outcome(ParseSign1(Message({}, false), Tag::kForbidden)), "ok");
  EXPECT_EQ(Outcome(ParseSign1(Message({}), Tag::kForbidden)), "envelope-malformed");
  EXPECT_EQ(Outcome(ParseSign1(Message({}, false), Tag::kRequired)), "envelope-malformed");
  Bytes other = Message({});
  other[0] = 0xd1;  // 17: COSE_Mac0
  EXPECT_EQ(Outcome(ParseSign1(other, Tag::kOptional)), "envelope-malformed");
  Bytes twice = {0xd2};
  Append(twice, Message({}));
  EXPECT_EQ(Outcome(ParseSign1(twice, Tag::kOptional)), "envelope-malformed");
}

TEST(ParseSign1, AnEmptyByteStringIsAnEmptyProtectedHeader) {
  for (const std::string_view empty : {"", "a0"}) {
    const Result<Sign1> message = ParseSign1(Message({.header = Hex(empty)}), Tag::kRequired);
    ASSERT_EQ(Explain(message), "ok");
    EXPECT_EQ(message->protected_map.kind(), codec::CborValue::Kind::kMap);
    EXPECT_EQ(Outcome(AlgorithmOf(*message)), "envelope-malformed");
  }
}

struct Bad {
  const char* name;
  std::function<Bytes()> message;
};
void PrintTo(const Bad& bad, std::ostream* out) {
  *out << bad.name;
}
class Sign1Refuses : public testing::TestWithParam<Bad> {};
TEST_P(Sign1Refuses, Malformed) {
  EXPECT_EQ(Outcome(ParseSign1(GetParam().message(), Tag::kRequired)), "envelope-malformed");
}
Bytes FromHex(std::string_view rest) {
  return Hex("d2" + std::string(rest));
}
INSTANTIATE_TEST_SUITE_P(
    Sign1, Sign1Refuses,
    testing::Values(Bad{"ArrayOfThree", [] { return FromHex("8343a10126a041ff"); }},
                    Bad{"ArrayOfFive", [] { return FromHex("8543a10126a041ff41ff41ff"); }},
                    Bad{"Map", [] { return FromHex("a0"); }},  //
                    Bad{"DetachedPayload", [] { return FromHex("8443a10126a0f641ff"); }},
                    Bad{"PayloadIsText", [] { return FromHex("8443a10126a0616141ff"); }},
                    Bad{"SignatureIsNull", [] { return FromHex("8443a10126a041fff6"); }},
                    Bad{"EmptySignature", [] { return Message({.signature = {}}); }},
                    Bad{"ProtectedIsAMap", [] { return FromHex("84a10126a041ff41ff"); }},
                    Bad{"ProtectedHoldsAnArray", [] { return Message({.header = Hex("80")}); }},
                    Bad{"ProtectedHasBytesBehindIt", [] { return Message({.header = Hex("a1012600")}); }},
                    Bad{"ProtectedIsNoCbor", [] { return Message({.header = Hex("ff")}); }},
                    Bad{"UnprotectedIsAByteString", [] { return Message({.unprotected = Hex("41a0")}); }},
                    Bad{"UnprotectedIsAnArray", [] { return Message({.unprotected = Hex("80")}); }},
                    Bad{"LabelInBothMaps", [] { return Message({.unprotected = Hex("a10126")}); }},
                    Bad{"TextLabelInBothMaps",
                        [] { return Message({.header = Hex("a20126616100"), .unprotected = Hex("a1616101")}); }},
                    Bad{"BytesAsProtectedLabel", [] { return Message({.header = Hex("a2012641aa00")}); }},
                    Bad{"BytesAsUnprotectedLabel", [] { return Message({.unprotected = Hex("a141aa00")}); }},
                    Bad{"TrailingByte",
                        [] {
                          Bytes bytes = Message({});
                          bytes.push_back(0);
                          return bytes;
                        }}),
    [](const auto& test) { return test.param.name; });

// What Adversarial W5 says of COSE readers.
TEST(Adversarial_W5, LaxCborInAnEnvelope) {
  const std::vector<std::pair<std::string, Bytes>> cases = {
      {"indefinite array", FromHex("9f43a10126a041ff41ffff")},
      {"indefinite payload", FromHex("8443a10126a05f41ffff41ff")},
      {"duplicate key in the protected header", Message({.header = Hex("a2012601382f")})},
      {"duplicate key in the unprotected header", Message({.unprotected = Hex("a2044101044102")})},
      {"long integer in the protected header", Message({.header = Hex("a1013806")})},
      {"long length of the protected header", FromHex("845803a10126a041ff41ff")},
      {"long tag", Hex("d8128443a10126a041ff41ff")},
  };
  for (const auto& [name, bytes] : cases) {
    EXPECT_EQ(Outcome(ParseSign1(bytes, Tag::kRequired)), "envelope-malformed") << name;
  }
}

TEST(ParseSign1, TruncatedAtEveryByte) {
  const Bytes whole = Message({.unprotected = Hex("a11821814401020304")});
  ASSERT_EQ(Outcome(ParseSign1(whole, Tag::kRequired)), "ok");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(Outcome(ParseSign1(BytesView(whole).first(size), Tag::kRequired)), "envelope-malformed") << size;
  }
}

TEST(ParseSign1, ASignatureOfAnySizeIsNotTaken) {
  EXPECT_EQ(Outcome(ParseSign1(Message({.signature = Bytes(limits::kSignatureBytes, 1)}), Tag::kRequired)), "ok");
  EXPECT_EQ(Outcome(ParseSign1(Message({.signature = Bytes(limits::kSignatureBytes + 1, 1)}), Tag::kRequired)),
            "limit-exceeded");
}

struct Suite {
  std::int64_t algorithm;
  KeyType key;
  Scheme scheme;
  HashAlgorithm hash;
};
const std::vector<Suite>& Suites() {
  static const std::vector<Suite> suites = {
      {-7, KeyType::kEcP256, Scheme::kEcdsaRaw, HashAlgorithm::kSha256},
      {-35, KeyType::kEcP384, Scheme::kEcdsaRaw, HashAlgorithm::kSha384},
      {-36, KeyType::kEcP521, Scheme::kEcdsaRaw, HashAlgorithm::kSha512},
      {-37, KeyType::kRsa, Scheme::kRsaPss, HashAlgorithm::kSha256},
      {-38, KeyType::kRsa, Scheme::kRsaPss, HashAlgorithm::kSha384},
      {-39, KeyType::kRsa, Scheme::kRsaPss, HashAlgorithm::kSha512},
  };
  return suites;
}
const PrivateKey& KeyOf(KeyType type) {
  static std::map<KeyType, PrivateKey> keys;
  const auto found = keys.find(type);
  if (found != keys.end()) return found->second;
  return keys.emplace(type, PrivateKey::Generate(type).value()).first->second;
}
// By `with`, but with the header of `named`.
Status Verify(std::int64_t named, const Suite& with, const crypto::PublicKey& key) {
  const Bytes header = Header(named);
  const Bytes signature = KeyOf(with.key).Sign(with.scheme, with.hash, SigStructure(header, Payload())).value();
  const Result<Sign1> message = ParseSign1(Message({.header = header, .signature = signature}), Tag::kRequired);
  return message.ok() ? VerifySign1(*message, key) : Status(message.error());
}

TEST(VerifySign1, EveryAlgorithmWithItsKey) {
  for (const Suite& suite : Suites()) {
    EXPECT_EQ(Outcome(Verify(suite.algorithm, suite, KeyOf(suite.key).Public())), "ok") << suite.algorithm;
  }
}

TEST(VerifySign1, AnyOtherAlgorithmInTheHeader) {
  for (const Suite& suite : Suites()) {
    for (const Suite& other : Suites()) {
      if (suite.algorithm == other.algorithm) continue;
      EXPECT_EQ(Outcome(Verify(other.algorithm, suite, KeyOf(suite.key).Public())), "signature-invalid")
          << suite.algorithm << " as " << other.algorithm;
    }
  }
}

TEST(VerifySign1, AlgorithmsThatAreNotAccepted) {
  // RS256, RS1, EdDSA, HMAC 256/256, A128GCM, ES256K, 0
  for (const std::int64_t algorithm : {-257, -65535, -8, 5, 1, -47, 0}) {
    EXPECT_EQ(Outcome(Verify(algorithm, Suites()[0], KeyOf(KeyType::kEcP256).Public())), "envelope-malformed")
        << algorithm;
  }
}

TEST(VerifySign1, AnotherKey) {
  const PrivateKey other = PrivateKey::Generate(KeyType::kEcP256).value();
  EXPECT_EQ(Outcome(Verify(-7, Suites()[0], other.Public())), "signature-invalid");
}

TEST(VerifySign1, EverySignedBitCounts) {
  const Suite& suite = Suites()[0];
  const Bytes header = std::move(CborWriter().Map(2).Int(1).Int(-7).Int(3).Text("t")).Finish();
  const Bytes signature = KeyOf(suite.key).Sign(suite.scheme, suite.hash, SigStructure(header, Payload())).value();
  const Bytes whole = Message({.header = header, .signature = signature});
  ASSERT_EQ(Outcome(VerifySign1(*ParseSign1(whole, Tag::kRequired), KeyOf(suite.key).Public())), "ok");
  for (std::size_t i = 0; i < whole.size() * 8; ++i) {
    Bytes changed = whole;
    changed[i / 8] = static_cast<std::uint8_t>(changed[i / 8] ^ (1U << (i % 8)));
    const Result<Sign1> message = ParseSign1(changed, Tag::kRequired);
    if (message.ok()) {
      EXPECT_FALSE(VerifySign1(*message, KeyOf(suite.key).Public()).ok()) << "bit " << i;
    }
  }
}

TEST(AlgorithmOf, MustBeAnInteger) {
  // 1: "ES256"
  const Result<Sign1> message = ParseSign1(Message({.header = Hex("a101654553323536")}), Tag::kRequired);
  ASSERT_EQ(Explain(message), "ok");
  EXPECT_EQ(Outcome(AlgorithmOf(*message)), "envelope-malformed");
  EXPECT_EQ(Outcome(VerifySign1(*message, KeyOf(KeyType::kEcP256).Public())), "envelope-malformed");
}

}  // namespace
}  // namespace gatehouse::cose
