// Signed notes: what is read, what is refused.
#include <gtest/gtest.h>

#include "tests/common/base/outcome.h"
#include "tests/common/signature/sigstore/logged.h"

namespace gatehouse::signature::sigstore {
namespace {

using fakes::FakeRekor;

constexpr std::string_view kDash = "\u2014 ";

// The example of C2SP tlog-checkpoint.
constexpr std::string_view kExample =
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "\u2014 example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

std::string Line(std::string_view name, std::size_t bytes = 68) {
  return std::string(kDash) + std::string(name) + " " + EncodeBase64(Bytes(bytes, 1)) + "\n";
}

std::string Text(std::string_view size = "3") {
  return "log.example\n" + std::string(size) + "\n" + EncodeBase64(Bytes(32, 7)) + "\n";
}

TEST(Checkpoint, ExampleOfTheSpecification) {
  const auto checkpoint = ParseCheckpoint(kExample);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().ToString();
  EXPECT_EQ(checkpoint->origin, "example.com/behind-the-sofa");
  EXPECT_EQ(checkpoint->size, 20852163);
  EXPECT_EQ(checkpoint->root_hash.size(), 32U);
  EXPECT_EQ(checkpoint->signed_text, kExample.substr(0, kExample.find("\n\n") + 1));
  ASSERT_EQ(checkpoint->signatures.size(), 1U);
  EXPECT_EQ(checkpoint->signatures[0].name, "example.com/behind-the-sofa");
  EXPECT_EQ(EncodeHex(checkpoint->signatures[0].key_id), "033de0ae");
  EXPECT_EQ(checkpoint->signatures[0].signature.size(), 64U);
}

TEST(Checkpoint, TruncatedAtEveryByte) {
  for (std::size_t size = 0; size < kExample.size(); ++size) {
    EXPECT_EQ(Outcome(ParseCheckpoint(kExample.substr(0, size))), "log-entry-malformed") << size;
  }
}

TEST(Checkpoint, Sizes) {
  struct Row {
    const char* size;
    bool good;
  };
  const Row rows[] = {{"0", true},
                      {"1", true},
                      {"9223372036854775807", true},
                      {"9223372036854775808", false},
                      {"00", false},
                      {"01", false},
                      {"-0", false},
                      {"-1", false},
                      {"+1", false},
                      {" 1", false},
                      {"1 ", false},
                      {"1e3", false},
                      {"0x10", false},
                      {"", false},
                      {"\u0661", false}};
  for (const Row& row : rows) {
    const auto checkpoint = ParseCheckpoint(Text(row.size) + "\n" + Line("log.example"));
    EXPECT_EQ(Outcome(checkpoint), row.good ? "ok" : "log-entry-malformed") << row.size;
    EXPECT_TRUE(!row.good || std::to_string(checkpoint->size) == row.size) << row.size;
  }
}

TEST(Checkpoint, RootHashOf31And33Bytes) {
  for (const std::size_t bytes : {0U, 31U, 33U}) {
    const std::string note = "log.example\n3\n" + EncodeBase64(Bytes(bytes, 7)) + "\n\n" + Line("log.example");
    EXPECT_EQ(Outcome(ParseCheckpoint(note)), "log-entry-malformed") << bytes;
  }
}

TEST(Checkpoint, TheLastEmptyLineSeparates) {
  const std::string signatures = Line("a.example") + Line("b.example");
  const auto checkpoint = ParseCheckpoint(Text() + "extension\n\n" + signatures);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().ToString();
  EXPECT_EQ(checkpoint->signatures.size(), 2U);
  EXPECT_EQ(checkpoint->signed_text, Text() + "extension\n");
  // So what comes after an empty line is not signed text, and what comes before is.
  EXPECT_EQ(Outcome(ParseCheckpoint(Text() + "\n" + Line("a.example") + "\n" + Line("b.example"))),
            "log-entry-malformed");
}

TEST(Checkpoint, NamesOfKeys) {
  struct Row {
    const char* name;
    bool good;
  };
  const Row rows[] = {{"log.example", true}, {"log.example/2+1", false},   {"", false},
                      {"a\u00A0b", false},   {"a\u2003b", false},          {"a\u3000", false},
                      {"\u0085", false},     {"na\u00efve.example", true}, {"a\u200bb", true}};
  for (const Row& row : rows) {
    EXPECT_EQ(Outcome(ParseCheckpoint(Text() + "\n" + Line(row.name))), row.good ? "ok" : "log-entry-malformed")
        << row.name;
  }
}

TEST(Checkpoint, SignatureShorterThanItsKeyId) {
  for (const std::size_t bytes : {0U, 1U, 4U}) {
    EXPECT_EQ(Outcome(ParseCheckpoint(Text() + "\n" + Line("log.example", bytes))), "log-entry-malformed") << bytes;
  }
  EXPECT_EQ(Outcome(ParseCheckpoint(Text() + "\n" + Line("log.example", 5))), "ok");
}

TEST(Checkpoint, BytesThatANoteDoesNotHold) {
  const std::string note = Text() + "\n" + Line("log.example");
  for (const char byte : {'\0', '\t', '\r', '\x1F', '\x80', '\xFF'}) {
    std::string bad = note;
    bad[2] = byte;
    EXPECT_EQ(Outcome(ParseCheckpoint(bad)), "log-entry-malformed") << static_cast<int>(byte);
  }
}

TEST(Checkpoint, NumberOfSignatures) {
  std::string note = Text() + "\n";
  for (int i = 0; i < 64; ++i) note += Line("witness.example");
  EXPECT_EQ(Outcome(ParseCheckpoint(note)), "ok");
  EXPECT_EQ(Outcome(ParseCheckpoint(note + Line("witness.example"))), "limit-exceeded");
}

TEST(Checkpoint, TooLarge) {
  std::string note = Text() + std::string(65 * 1024, 'x') + "\n\n" + Line("log.example");
  EXPECT_EQ(Outcome(ParseCheckpoint(note)), "limit-exceeded");
}

// Whoever signed: the log, by every key that it may have, under the ids that its key may have.
TEST(Checkpoint, SignedByTheLog) {
  for (const int version : {1, 2}) {
    for (const crypto::KeyType type : {crypto::KeyType::kEcP256, crypto::KeyType::kEd25519}) {
      FakeRekor rekor({.version = version, .url = "https://rekor.example:3000/path", .key_type = type});
      const std::string text = rekor.Origin() + "\n3\n" + EncodeBase64(Bytes(32, 7)) + "\n";
      const auto checkpoint = ParseCheckpoint(rekor.SignNote(text));
      ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().ToString();
      EXPECT_EQ(Explain(VerifyCheckpoint(*checkpoint, rekor.Trust())), "ok") << version;
      EXPECT_EQ(Explain(VerifyCheckpoint(*checkpoint, MakeLog(rekor.key().Public(), rekor.options().url))), "ok");

      Log other_host = MakeLog(rekor.key().Public(), "https://other.example");
      EXPECT_EQ(VerifyCheckpoint(*checkpoint, other_host).ok(), version == 1 && type == crypto::KeyType::kEcP256);
      Log stranger = MakeLog(crypto::PrivateKey::Generate(type).value().Public(), rekor.options().url);
      EXPECT_EQ(Outcome(VerifyCheckpoint(*checkpoint, stranger)), "log-proof-invalid");
      stranger.id = rekor.KeyId();
      EXPECT_EQ(Outcome(VerifyCheckpoint(*checkpoint, stranger)), "log-proof-invalid");

      for (std::size_t i = 0; i < checkpoint->signed_text.size(); i += 5) {
        Checkpoint changed = *checkpoint;
        changed.signed_text[i] = static_cast<char>(changed.signed_text[i] ^ 1);
        EXPECT_EQ(Outcome(VerifyCheckpoint(changed, rekor.Trust())), "log-proof-invalid") << i;
      }
    }
  }
}

}  // namespace
}  // namespace gatehouse::signature::sigstore
