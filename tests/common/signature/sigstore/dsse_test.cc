// DSSE envelopes.
#include "common/signature/sigstore/dsse.h"

#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "tests/common/base/outcome.h"

namespace gatehouse::signature::sigstore {
namespace {

constexpr std::string_view kGood = R"({"payload":"aGVsbG8gd29ybGQ=","payloadType":"http://example.com/HelloWorld",)"
                                   R"("signatures":[{"keyid":"a key","sig":"AQIDBA=="}]})";

std::string With(std::string_view from, std::string_view to) {
  std::string text(kGood);
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Envelope, Parsed) {
  const auto envelope = ParseEnvelope(kGood);
  ASSERT_TRUE(envelope.ok()) << envelope.error().ToString();
  EXPECT_EQ(envelope->payload, "hello world");
  EXPECT_EQ(envelope->payload_type, "http://example.com/HelloWorld");
  ASSERT_EQ(envelope->signatures.size(), 1U);
  EXPECT_EQ(envelope->signatures[0].signature, (Bytes{1, 2, 3, 4}));
  EXPECT_EQ(envelope->signatures[0].keyid, "a key");
}

// The test vector of DSSE's protocol.md.
TEST(Envelope, PreAuthenticationEncodingOfTheSpecification) {
  EXPECT_EQ(PreAuthenticationEncoding("http://example.com/HelloWorld", "hello world"),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  EXPECT_EQ(PreAuthenticationEncoding("", ""), "DSSEv1 0  0 ");
  EXPECT_EQ(PreAuthenticationEncoding("\u00e9", std::string_view("\0 \n", 3)),
            std::string_view("DSSEv1 2 \u00e9 3 \0 \n", 17));
}

// Adversarial B12: what is moved between type and body is another encoding.
TEST(Adversarial_B12, EncodingSaysWhereTheTypeEnds) {
  EXPECT_NE(PreAuthenticationEncoding("a", "b c"), PreAuthenticationEncoding("a b", "c"));
  EXPECT_NE(PreAuthenticationEncoding("a", ""), PreAuthenticationEncoding("", "a"));
  EXPECT_NE(PreAuthenticationEncoding("a 1 b", "c"), PreAuthenticationEncoding("a", "b 1 c"));
}

TEST(Adversarial_B12, UrlSafeBase64) {
  // Bytes 0xFB 0xFF: "+/8=" in the standard alphabet.
  for (const char* text : {"+/8=", "-_8=", "-_8"}) {
    const auto envelope = ParseEnvelope(With("aGVsbG8gd29ybGQ=", text));
    ASSERT_TRUE(envelope.ok()) << text << envelope.error().ToString();
    EXPECT_EQ(ToBytes(envelope->payload), (Bytes{0xFB, 0xFF})) << text;
    EXPECT_EQ(ParseEnvelope(With("AQIDBA==", text))->signatures[0].signature, (Bytes{0xFB, 0xFF})) << text;
  }
  for (const char* text : {"+_8=", "-/8", "+/9=", "-_9", "+/8==", "-_8==", "-_8=\\n", " +/8=", "=", "A", "-", "===="}) {
    EXPECT_EQ(Outcome(ParseEnvelope(With("aGVsbG8gd29ybGQ=", text))), "envelope-malformed") << text;
    EXPECT_EQ(Outcome(ParseEnvelope(With("AQIDBA==", text))), "envelope-malformed") << text;
  }
}

TEST(DecodeEitherBase64, EveryLength) {
  for (std::size_t i = 0; i < 140; ++i) {
    const Bytes bytes(i / 2, i % 2 == 0 ? 0xFB : 0x00);  // digits of one alphabet only, and of both
    const std::string standard = EncodeBase64(bytes);
    const std::string url_safe = EncodeBase64Url(bytes);
    std::string padded = url_safe;
    while (padded.size() % 4 != 0) padded += '=';
    for (const std::string& text : {standard, url_safe, padded}) {
      const auto decoded = DecodeEitherBase64(text);
      ASSERT_TRUE(decoded.ok()) << text;
      EXPECT_EQ(*decoded, bytes);
    }
  }
}

TEST(Adversarial_B12, NoSignature) {
  const std::string signature = R"([{"keyid":"a key","sig":"AQIDBA=="}])";
  for (const char* list : {"[]", "null", "{}", R"("AQIDBA==")", "[null]", R"(["AQIDBA=="])"}) {
    EXPECT_EQ(Outcome(ParseEnvelope(With(signature, list))), "envelope-malformed") << list;
  }
}

// How many a caller wants is its own business.
TEST(Adversarial_B12, TwoSignaturesAreBothRead) {
  const auto envelope = ParseEnvelope(With(R"("AQIDBA=="})", R"("AQIDBA=="},{"sig":"BQ=="})"));
  ASSERT_TRUE(envelope.ok());
  EXPECT_EQ(envelope->signatures.size(), 2U);
}

TEST(Envelope, NumberOfSignatures) {
  std::string more;
  for (int i = 0; i < 99; ++i) more += R"(,{"sig":"BQ=="})";
  EXPECT_EQ(Outcome(ParseEnvelope(With(R"("AQIDBA=="})", R"("AQIDBA=="})" + more))), "ok");
  more += R"(,{"sig":"BQ=="})";
  EXPECT_EQ(Outcome(ParseEnvelope(With(R"("AQIDBA=="})", R"("AQIDBA=="})" + more))), "limit-exceeded");
}

TEST(Envelope, Defects) {
  struct Row {
    const char* from;
    const char* to;
  };
  const Row rows[] = {
      {R"("payload":"aGVsbG8gd29ybGQ=",)", ""},
      {R"("aGVsbG8gd29ybGQ=")", "null"},
      {R"("aGVsbG8gd29ybGQ=")", "1"},
      {R"("payloadType":"http://example.com/HelloWorld",)", ""},
      {R"("http://example.com/HelloWorld")", R"("")"},
      {R"("http://example.com/HelloWorld")", "[]"},
      {R"("sig":"AQIDBA==")", R"("Sig":"AQIDBA==")"},
      {R"("AQIDBA==")", R"("")"},
      {R"("a key")", "7"},
      {R"("payload":)", R"("payload":"","payload":)"},
      {"{", "["},
      {"}]}", "}]}}"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(Outcome(ParseEnvelope(With(row.from, row.to))), "envelope-malformed") << row.from << " → " << row.to;
  }
  EXPECT_EQ(Outcome(ParseEnvelope(With("AQIDBA==", EncodeBase64(Bytes(1025))))), "envelope-malformed");
  EXPECT_EQ(Outcome(ParseEnvelope(With("AQIDBA==", EncodeBase64(Bytes(1024))))), "ok");
}

TEST(Envelope, TruncatedAtEveryByte) {
  for (std::size_t size = 0; size < kGood.size(); ++size) {
    EXPECT_EQ(Outcome(ParseEnvelope(kGood.substr(0, size))), "envelope-malformed") << size;
  }
}

TEST(Envelope, TooLarge) {
  std::string large(16 * 1024 * 1024 + 1, ' ');
  EXPECT_EQ(Outcome(ParseEnvelope(large)), "limit-exceeded");
}

TEST(Envelope, NoObject) {
  for (const char* text : {"[0]", "[[]]", "null", "1", R"("payload")", "", " "}) {
    EXPECT_EQ(Outcome(ParseEnvelope(text)), "envelope-malformed") << text;
  }
}

// envelope.md: "consumers MUST ignore unrecognized fields"; keyid may be absent, empty or null.
TEST(Envelope, WhatIsTolerated) {
  for (const auto& [from, to] : std::vector<std::pair<const char*, const char*>>{
           {R"("keyid":"a key",)", ""},
           {R"("a key")", R"("")"},
           {R"("a key")", "null"},
           {"{", R"({"extension":{"kind":"x"},)"},
           {R"("keyid")", R"("cert":"x","keyid")"},
           {R"("aGVsbG8gd29ybGQ=")", R"("")"},
       }) {
    EXPECT_EQ(Explain(ParseEnvelope(With(from, to))), "ok") << from << " → " << to;
  }
}

// Within a document of ours (protojson) unknown members are refused.
TEST(Envelope, WithinAnotherDocument) {
  const auto read = [](const std::string& text) {
    const auto document = codec::JsonDocument::Parse(text, {.max_bytes = 1000}).value();
    codec::ObjectReader reader(document, document.root(), Reason::kBundleMalformed);
    Status status;
    reader.Object("dsseEnvelope", codec::ObjectReader::Presence::kRequired, [&](codec::ObjectReader& inner) {
      const auto envelope = ReadEnvelope(inner);
      if (envelope.ok()) {
        EXPECT_EQ(envelope->payload, "hello world");
      } else {
        EXPECT_EQ(envelope.error().where.substr(0, 14), "$.dsseEnvelope");
      }
    });
    return Outcome(reader.Finish());
  };
  EXPECT_EQ(read(R"({"dsseEnvelope":)" + std::string(kGood) + "}"), "ok");
  EXPECT_EQ(read(R"({"dsseEnvelope":)" + With("{", R"({"x":1,)") + "}"), "bundle-malformed");
  EXPECT_EQ(read(R"({"dsseEnvelope":)" + With(R"("keyid")", R"("cert":"x","keyid")") + "}"), "bundle-malformed");
  EXPECT_EQ(read(R"({"dsseEnvelope":)" + With("AQIDBA==", "A") + "}"), "bundle-malformed");
}

}  // namespace
}  // namespace gatehouse::signature::sigstore
