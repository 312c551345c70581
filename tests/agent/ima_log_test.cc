// The IMA log, read in pieces.
#include "agent/collect/ima_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/agent/support.h"
#include "tests/fakes/ima_log.h"

namespace gatehouse::agent {
namespace {

using evidence::ima::Encoding;
using testing::HasSubstr;
using testing::IsEmpty;

class ImaLogTest : public testing::Test {
 protected:
  static constexpr std::size_t kPieceBytes = 1000;

  [[nodiscard]] std::filesystem::path path() const { return folder_ / "ima"; }
  void Write(BytesView bytes) { WriteText(path(), AsText(bytes)); }
  [[nodiscard]] ImaLog::Options Options(std::optional<Encoding> encoding = std::nullopt) const {
    return {path(), encoding, kPieceBytes};
  }
  // All pieces from `from` on, which follow one another.
  [[nodiscard]] static Bytes ReadAll(ImaLog& log, std::uint64_t from, std::uint64_t& next) {
    Bytes all;
    for (next = from;;) {
      auto piece = log.Read(next);
      if (!piece || piece->from != next) {
        ADD_FAILURE() << "no piece at " << next;
        return all;
      }
      EXPECT_LE(piece->entries.size(), kPieceBytes);
      EXPECT_EQ(CountEntries(piece->entries, piece->encoding), piece->next - piece->from);
      Append(all, piece->entries);
      next = piece->next;
      if (!piece->more) return all;
    }
  }

  CapturedLog captured_;
  TempFolder folder_;
  int faults_ = 0;
  std::function<void()> count_ = [this] { ++faults_; };
};

TEST_F(ImaLogTest, PiecesAreWholeEntriesAndTogetherTheLog) {
  fakes::ImaLog fake;
  fake.Files(100);
  Write(fake.bytes());
  ImaLog log(Options(), captured_.log());
  std::uint64_t next = 0;
  EXPECT_EQ(ReadAll(log, 0, next), fake.bytes());
  EXPECT_EQ(next, 100U);
  EXPECT_EQ(ReadAll(log, 37, next), fake.BytesFrom(37));
  EXPECT_EQ(next, 100U);
}

TEST_F(ImaLogTest, EveryPositionIsFound) {
  fakes::ImaLog fake;
  fake.Files(60);
  Write(fake.bytes());
  ImaLog log(Options(), captured_.log());
  for (std::uint64_t from : {59U, 0U, 60U, 1U, 30U, 31U, 29U}) {
    auto piece = log.Read(from);
    ASSERT_TRUE(piece.has_value());
    EXPECT_EQ(piece->from, from);
    EXPECT_EQ(piece->entries, fake.BytesOf(from, piece->next - from));
    EXPECT_EQ(piece->more, piece->next < 60);
  }
}

TEST_F(ImaLogTest, NothingNewIsAnEmptyPiece) {
  fakes::ImaLog fake;
  fake.Files(5);
  Write(fake.bytes());
  ImaLog log(Options(), captured_.log());
  auto piece = log.Read(5);
  ASSERT_TRUE(piece.has_value());
  EXPECT_THAT(piece->entries, IsEmpty());
  EXPECT_EQ(piece->from, 5U);
  EXPECT_EQ(piece->next, 5U);
  EXPECT_FALSE(piece->more);
}

// What was read once is not read again: a log of a million entries costs what is new in it.
TEST_F(ImaLogTest, OnlyWhatIsNewIsRead) {
  fakes::ImaLog fake;
  fake.Files(1000);
  Write(fake.bytes());
  ImaLog log(Options(), captured_.log());
  std::uint64_t next = 0;
  EXPECT_EQ(ReadAll(log, 0, next), fake.bytes());
  EXPECT_LT(log.bytes_read(), 70 * fake.bytes().size());  // blocks beyond a piece are read again
  std::uint64_t before = log.bytes_read();
  fake.Files(2);
  Write(fake.bytes());
  EXPECT_EQ(ReadAll(log, 1000, next), fake.BytesFrom(1000));
  EXPECT_EQ(log.bytes_read() - before, fake.BytesFrom(1000).size());
  // Where nobody stopped before, from the nearest place where somebody did.
  before = log.bytes_read();
  EXPECT_EQ(log.Read(1001)->entries, fake.BytesFrom(1001));
  EXPECT_LE(log.bytes_read() - before, 2 * fake.BytesFrom(1000).size());
}

TEST_F(ImaLogTest, ExtendAddsWhatIsNew) {
  fakes::ImaLog fake;
  fake.Files(3);
  Write(fake.bytes());
  ImaLog log(Options(), captured_.log());
  auto piece = log.Read(1);
  log.Extend(*piece);
  EXPECT_EQ(piece->entries, fake.BytesFrom(1));
  fake.Files(2);
  Write(fake.bytes());
  log.Extend(*piece);
  EXPECT_EQ(piece->entries, fake.BytesFrom(1));
  EXPECT_EQ(piece->next, 5U);
  EXPECT_FALSE(piece->more);
  // Beyond a piece: the rest comes the next time.
  fake.Files(50);
  Write(fake.bytes());
  log.Extend(*piece);
  EXPECT_TRUE(piece->more);
  EXPECT_EQ(piece->entries, fake.BytesOf(1, piece->next - 1));
  EXPECT_LE(piece->entries.size(), kPieceBytes);
}

TEST_F(ImaLogTest, ExtendKeepsThePieceWhenTheLogGoes) {
  fakes::ImaLog fake;
  fake.Files(3);
  Write(fake.bytes());
  ImaLog log(Options(), captured_.log());
  auto piece = log.Read(0);
  std::filesystem::remove(path());
  log.Extend(*piece);
  EXPECT_EQ(piece->entries, fake.bytes());
}

// A record that the kernel is still writing, or a copy that was cut off, is not there yet.
TEST_F(ImaLogTest, HalfAnEntryIsNotThereYet) {
  fakes::ImaLog fake;
  fake.Files(3);
  for (std::size_t cut = fake.Offset(2) + 1; cut < fake.bytes().size(); ++cut) {
    Write(BytesView(fake.bytes()).first(cut));
    ImaLog log(Options(), captured_.log());
    auto piece = log.Read(0);
    ASSERT_TRUE(piece.has_value()) << cut;
    ASSERT_EQ(piece->entries, fake.BytesOf(0, 2)) << cut;
    ASSERT_FALSE(piece->more);
    Write(fake.bytes());
    ASSERT_EQ(log.Read(2)->entries, fake.BytesFrom(2)) << cut;
  }
  EXPECT_EQ(captured_.Count("cannot be sent"), 0U);
}

// --- another log than the last time

TEST_F(ImaLogTest, LogWithFewerEntriesIsReadFromItsBeginning) {
  fakes::ImaLog fake;
  fake.Files(3);
  Write(fake.bytes());
  ImaLog log(Options(), captured_.log());
  auto piece = log.Read(1000);
  ASSERT_TRUE(piece.has_value());
  EXPECT_EQ(piece->from, 0U);
  EXPECT_EQ(piece->entries, fake.bytes());
}

TEST_F(ImaLogTest, LogThatBecameShorterIsReadFromItsBeginning) {
  fakes::ImaLog fake;
  fake.Files(50);
  Write(fake.bytes());
  ImaLog log(Options(), captured_.log());
  std::uint64_t next = 0;
  EXPECT_EQ(ReadAll(log, 0, next), fake.bytes());
  Write(fake.BytesOf(0, 20));
  auto piece = log.Read(10);
  ASSERT_TRUE(piece.has_value());
  EXPECT_EQ(piece->from, 0U);
  EXPECT_EQ(piece->entries, fake.BytesOf(0, piece->next));
}

TEST_F(ImaLogTest, LogThatBeginsDifferentlyIsReadFromItsBeginning) {
  fakes::ImaLog first;
  first.File("/usr/bin/one", "1").Files(50);
  Write(first.bytes());
  ImaLog log(Options(), captured_.log());
  ASSERT_TRUE(log.Read(50).has_value());
  fakes::ImaLog second;
  second.File("/usr/bin/two", "2").Files(80);
  Write(second.bytes());
  auto piece = log.Read(51);
  ASSERT_TRUE(piece.has_value());
  EXPECT_EQ(piece->from, 0U);
  EXPECT_EQ(piece->entries, second.BytesOf(0, piece->next));
}

// A copy that somebody replaces (rename) goes on where it was; its places are found anew.
TEST_F(ImaLogTest, ReplacedFileWithTheSameLogGoesOn) {
  fakes::ImaLog fake;
  fake.Files(50);
  Write(fake.bytes());
  ImaLog log(Options(), captured_.log());
  ASSERT_TRUE(log.Read(50).has_value());
  fake.Files(3);
  WriteText(folder_ / "new", AsText(fake.bytes()));
  std::filesystem::rename(folder_ / "new", path());
  auto piece = log.Read(50);
  ASSERT_TRUE(piece.has_value());
  EXPECT_EQ(piece->from, 50U);
  EXPECT_EQ(piece->entries, fake.BytesFrom(50));
}

// --- encodings and templates

TEST_F(ImaLogTest, BigEndianIsSeenAndSaid) {
  fakes::ImaLog fake({.big_endian = true});
  fake.Files(30);
  Write(fake.bytes());
  ImaLog log(Options(), captured_.log());
  auto piece = log.Read(2);
  ASSERT_TRUE(piece.has_value());
  EXPECT_EQ(piece->encoding, "big-endian");
  EXPECT_EQ(piece->entries, fake.BytesOf(2, piece->next - 2));
  ImaLog told(Options(Encoding::kLittleEndian), captured_.log());
  EXPECT_FALSE(told.Read(0).has_value());
}

TEST_F(ImaLogTest, OldTemplateIsFramed) {
  fakes::ImaLog fake({.template_name = "ima"});
  fake.Files(30);
  Write(fake.bytes());
  ImaLog log(Options(), captured_.log());
  std::uint64_t next = 0;
  EXPECT_EQ(ReadAll(log, 7, next), fake.BytesFrom(7));
}

TEST_F(ImaLogTest, AsciiIsSentAsBinary) {
  fakes::ImaLog fake;
  fake.Files(30);
  WriteText(path(), fake.ascii());
  for (std::optional<Encoding> encoding : {std::optional<Encoding>(), std::optional(Encoding::kAscii)}) {
    ImaLog log(Options(encoding), captured_.log());
    std::uint64_t next = 0;
    EXPECT_EQ(ReadAll(log, 0, next), fake.bytes());
    EXPECT_EQ(ReadAll(log, 11, next), fake.BytesFrom(11));
    EXPECT_EQ(log.Read(3)->encoding, "little-endian");
  }
}

TEST_F(ImaLogTest, AsciiGrowsAndShrinks) {
  fakes::ImaLog fake;
  fake.Files(5);
  std::string shorter = fake.ascii();
  Bytes before = fake.bytes();
  fake.Files(2);
  WriteText(path(), fake.ascii().substr(0, shorter.size() + 30));  // a line that is not whole yet
  ImaLog log(Options(), captured_.log());
  EXPECT_EQ(log.Read(0)->entries, before);
  WriteText(path(), fake.ascii());
  EXPECT_EQ(log.Read(5)->entries, fake.BytesFrom(5));
  WriteText(path(), shorter);
  EXPECT_EQ(log.Read(7)->from, 0U);
}

TEST_F(ImaLogTest, AsciiBeyondTheLimitIsNotSent) {
  fakes::ImaLog fake;
  fake.Files(1);
  std::ofstream file(path(), std::ios::binary);
  for (std::size_t size = 0; size <= limits::kImaLogBytes; size += fake.ascii().size() * 1000) {
    for (int i = 0; i < 1000; ++i) file << fake.ascii();
  }
  file.close();
  ImaLog log(Options(Encoding::kAscii), captured_.log(), count_);
  EXPECT_FALSE(log.Read(0).has_value());
  EXPECT_EQ(captured_.Count("limit-exceeded"), 1U);
}

TEST_F(ImaLogTest, LargeEntryIsAPieceOfItsOwn) {
  fakes::ImaLog fake;
  fake.Files(2).Buffer("critical", Bytes(100'000, 7)).Files(2);
  Write(fake.bytes());
  ImaLog log(Options(), captured_.log());
  auto piece = log.Read(2);
  ASSERT_TRUE(piece.has_value());
  EXPECT_EQ(piece->entries, fake.BytesOf(2, 1));
  EXPECT_TRUE(piece->more);
  EXPECT_EQ(log.Read(0)->entries, fake.BytesOf(0, 2));
  EXPECT_EQ(log.Read(3)->entries, fake.BytesFrom(3));
}

// --- faults

TEST_F(ImaLogTest, FaultsAreLoggedOnceAndCountedEachTime) {
  ImaLog log(Options(), captured_.log(), count_);
  EXPECT_FALSE(log.Read(0).has_value());
  EXPECT_FALSE(log.Read(0).has_value());
  EXPECT_EQ(captured_.Count("cannot be sent"), 1U);
  EXPECT_EQ(faults_, 2);
  fakes::ImaLog fake;
  fake.Files(1);
  Write(fake.bytes());
  EXPECT_TRUE(log.Read(0).has_value());
  EXPECT_TRUE(log.Read(0).has_value());
  EXPECT_EQ(captured_.Count("there again"), 1U);
  EXPECT_EQ(faults_, 2);
}

TEST_F(ImaLogTest, WhatIsNoLogIsNotSent) {
  fakes::ImaLog fake;
  fake.Files(3);
  Bytes broken = fake.bytes();
  broken[fake.Offset(1) + 24] = 0xFF;  // the length of the template's name
  broken[fake.Offset(1) + 27] = 0xFF;
  struct {
    const char* name;
    Bytes content;
    const char* says;
  } table[] = {
      {"empty", {}, "ima_policy="},
      {"zeros", Bytes(5000), "ima-log-malformed"},
      {"text", ToBytes("<html>not a log</html>\n"), "no whole entry"},
      {"an entry that is none", broken, "entry 1"},
  };
  for (const auto& row : table) {
    Write(row.content);
    CapturedLog captured;
    ImaLog log(Options(), captured.log());
    EXPECT_FALSE(log.Read(0).has_value()) << row.name;
    EXPECT_THAT(captured.Text(), HasSubstr(row.says)) << row.name;
  }
  std::filesystem::remove(path());
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  ImaLog log(Options(), captured_.log());
  EXPECT_FALSE(log.Read(0).has_value());
  EXPECT_EQ(captured_.Count("is not a regular file"), 1U);
}

}  // namespace
}  // namespace gatehouse::agent
