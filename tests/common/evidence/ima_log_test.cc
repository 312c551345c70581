// Frames of an IMA log: where an entry begins and ends, in each encoding.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/evidence/ima/log.h"
#include "tests/fakes/ima_log.h"

namespace gatehouse::evidence::ima {
namespace {

using fakes::ImaLog;

constexpr HashAlgorithm kSha1 = HashAlgorithm::kSha1;

struct Owned {
  std::uint32_t pcr;
  Bytes template_digest;
  std::string template_name;
  Bytes data;
};

// Every whole frame, and how many bytes they are.
Result<std::pair<std::vector<Owned>, std::size_t>> ReadAll(BytesView log, Encoding encoding) {
  FrameReader reader(encoding);
  std::vector<Owned> frames;
  std::size_t offset = 0;
  while (true) {
    ASSIGN_OR_RETURN(std::optional<FrameReader::Found> found, reader.Next(log.subspan(offset)));
    if (!found) return std::pair(std::move(frames), offset);
    frames.push_back({found->frame.pcr, ToBytes(found->frame.template_digest), std::string(found->frame.template_name),
                      ToBytes(found->frame.data)});
    offset += found->size;
  }
}

void ExpectReason(const Result<std::pair<std::vector<Owned>, std::size_t>>& frames, Reason reason) {
  ASSERT_FALSE(frames.ok());
  EXPECT_EQ(Token(frames.error().reason), Token(reason)) << frames.error().ToString();
}

ImaLog EveryTemplate(bool big_endian) {
  ImaLog log({.big_endian = big_endian});
  for (const std::string& name : std::vector<std::string>{"ima", "ima-ng", "ima-ngv2", "ima-sig", "ima-sigv2",
                                                          "ima-buf", "ima-modsig", "evm-sig", "d-ng|n-ng|sig"}) {
    log.Add({.template_name = name,
             .path = "/a/" + name,
             .algorithm = kSha1,
             .digest = Bytes(20, 0xAB),
             .signature = {3, 2, 1},
             .buffer = {9, 8}});
  }
  return log;
}

TEST(ImaFrames, EveryTemplateInBothEndiannesses) {
  for (const bool big : {false, true}) {
    const ImaLog log = EveryTemplate(big);
    auto all = ReadAll(log.bytes(), big ? Encoding::kBigEndian : Encoding::kLittleEndian);
    ASSERT_TRUE(all.ok()) << all.error().ToString();
    EXPECT_EQ(all->second, log.bytes().size());
    ASSERT_EQ(all->first.size(), log.count());
    EXPECT_EQ(all->first[0].template_name, "ima");
    EXPECT_EQ(all->first[8].template_name, "d-ng|n-ng|sig");
    for (const Owned& frame : all->first) {
      EXPECT_EQ(frame.pcr, 10U);
      EXPECT_EQ(frame.template_digest.size(), 20U);
    }
  }
}

TEST(ImaFrames, OldTemplateIsHashedOverDigestAndPaddedName) {
  ImaLog log({.template_name = "ima"});
  log.FileDigest("/init", Bytes(20, 0x11));
  EXPECT_EQ(log.bytes().size(), 4U + 20 + 4 + 3 + 20 + 4 + 5);
  auto all = ReadAll(log.bytes(), Encoding::kLittleEndian);
  ASSERT_TRUE(all.ok());
  Bytes data(20, 0x11);
  Append(data, AsBytes("/init"));
  data.resize(276);
  EXPECT_EQ(all->first.at(0).data, data);
}

// Cut anywhere: the entries before are read, and the rest is waited for.
TEST(ImaFrames, TruncatedAtEveryByte) {
  for (const bool big : {false, true}) {
    const ImaLog log = EveryTemplate(big);
    const Encoding encoding = big ? Encoding::kBigEndian : Encoding::kLittleEndian;
    for (std::size_t size = 0; size <= log.bytes().size(); ++size) {
      auto all = ReadAll(BytesView(log.bytes()).first(size), encoding);
      ASSERT_TRUE(all.ok()) << size << ": " << all.error().ToString();
      std::size_t whole = 0;
      while (whole < log.count() && log.Offset(whole + 1) <= size) ++whole;
      ASSERT_EQ(all->first.size(), whole) << size;
      ASSERT_EQ(all->second, log.Offset(whole)) << size;
    }
  }
}

TEST(ImaFrames, ViolationIsATemplateDigestOfZeros) {
  ImaLog log;
  log.File("/a", "a").Violation("/b");
  FrameReader reader;
  const auto file = reader.Next(log.bytes());
  ASSERT_TRUE(file.ok() && file->has_value());
  EXPECT_FALSE((*file)->frame.violation());
  const Bytes rest = log.BytesFrom(1);
  const auto violation = reader.Next(rest);
  ASSERT_TRUE(violation.ok() && violation->has_value());
  EXPECT_TRUE((*violation)->frame.violation());
}

TEST(ImaFrames, AsciiIsNotReadAsFrames) {
  ImaLog log;
  log.File("/a", "a");
  ExpectReason(ReadAll(AsBytes(log.ascii()), Encoding::kAscii), Reason::kImaLogMalformed);
}

TEST(ImaFrames, EncodingByTheFirstEntry) {
  ImaLog little;
  little.File("/a", "a");
  ImaLog big({.big_endian = true});
  big.File("/a", "a");
  EXPECT_EQ(GuessEncoding(little.bytes()), Encoding::kLittleEndian);
  EXPECT_EQ(GuessEncoding(big.bytes()), Encoding::kBigEndian);
  EXPECT_EQ(GuessEncoding(AsBytes(little.ascii())), Encoding::kAscii);
  EXPECT_EQ(GuessEncoding(AsBytes(" 8 0123")), Encoding::kAscii);
  EXPECT_EQ(GuessEncoding({}), Encoding::kLittleEndian);
  EXPECT_EQ(GuessEncoding(AsBytes("10 ")), Encoding::kLittleEndian);
}

TEST(ImaFrames, NamesOfEncodings) {
  for (const Encoding encoding : {Encoding::kLittleEndian, Encoding::kBigEndian, Encoding::kAscii}) {
    EXPECT_EQ(ParseEncoding(Name(encoding)), encoding);
  }
  EXPECT_EQ(ParseEncoding("Ascii"), std::nullopt);
  EXPECT_EQ(ParseEncoding(""), std::nullopt);
}

// An entry of a chosen PCR, template name and length field of the template data, followed by nothing.
Bytes Header(std::string_view name, std::uint32_t name_size, std::uint32_t data_size) {
  ByteWriter writer;
  writer.PutU32Be(10);
  writer.Put(Bytes(20, 1));
  writer.PutU32Be(name_size);
  writer.Put(AsBytes(name));
  writer.PutU32Be(data_size);
  return std::move(writer).Finish();
}

TEST(Adversarial_M12, LengthsBeyondAnyLimitAreRefusedBeforeTheirBytesCome) {
  struct Case {
    const char* defect;
    Bytes log;
    Reason reason;
  };
  const std::string long_name(limits::kImaTemplateNameBytes + 1, 'd');
  const std::vector<Case> cases = {
      {"no template name", Header("", 0, 4), Reason::kImaLogMalformed},
      {"template name of 4 GiB", Header("ima-ng", 0xFFFFFFFF, 4), Reason::kLimitExceeded},
      {"template name one byte too long", Header(long_name, static_cast<std::uint32_t>(long_name.size()), 4),
       Reason::kLimitExceeded},
      {"template data of 4 GiB", Header("ima-ng", 6, 0xFFFFFFFF), Reason::kLimitExceeded},
      {"template data one byte too long", Header("ima-ng", 6, limits::kImaEntryBytes + 1), Reason::kLimitExceeded},
      {"template name with a blank", Header("ima ng", 6, 4), Reason::kImaLogMalformed},
      {"template name with a NUL", Header(std::string_view("ima\0ng", 6), 6, 4), Reason::kImaLogMalformed},
      {"template name that is not ASCII", Header("ima\xC3\xA4", 5, 4), Reason::kImaLogMalformed},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.defect);
    ExpectReason(ReadAll(c.log, Encoding::kBigEndian), c.reason);
  }
  // As long as may be, it is waited for.
  auto waiting = ReadAll(Header("ima-ng", 6, limits::kImaEntryBytes), Encoding::kBigEndian);
  ASSERT_TRUE(waiting.ok());
  EXPECT_TRUE(waiting->first.empty());
}

TEST(Adversarial_M12, OldTemplateNameLengths) {
  const auto log = [](std::size_t name_size, std::string_view name) {
    ByteWriter writer;
    writer.PutU32Be(10);
    writer.Put(Bytes(20, 1));
    writer.PutU32Be(3);
    writer.Put(AsBytes("ima"));
    writer.Put(Bytes(20, 2));
    writer.PutU32Be(static_cast<std::uint32_t>(name_size));
    writer.Put(AsBytes(name));
    return std::move(writer).Finish();
  };
  const std::string longest(255, 'n');
  auto good = ReadAll(log(255, longest), Encoding::kBigEndian);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(good->first.size(), 1U);
  ExpectReason(ReadAll(log(256, longest + "n"), Encoding::kBigEndian), Reason::kImaLogMalformed);
  ExpectReason(ReadAll(log(0xFFFFFFFF, ""), Encoding::kBigEndian), Reason::kImaLogMalformed);
  // "a" and "a\0" would be padded to the same 256 bytes.
  ExpectReason(ReadAll(log(2, std::string_view("a\0", 2)), Encoding::kBigEndian), Reason::kImaLogMalformed);
}

// Little-endian lengths read as big-endian ones are lengths beyond any limit, not other entries.
TEST(Adversarial_M10, TheWrongEndiannessIsRefused) {
  ImaLog little;
  little.Files(3);
  ImaLog big({.big_endian = true});
  big.Files(3);
  ExpectReason(ReadAll(little.bytes(), Encoding::kBigEndian), Reason::kLimitExceeded);
  ExpectReason(ReadAll(big.bytes(), Encoding::kLittleEndian), Reason::kLimitExceeded);
}

}  // namespace
}  // namespace gatehouse::evidence::ima
