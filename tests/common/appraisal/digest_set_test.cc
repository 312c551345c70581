#include "common/appraisal/digest_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "common/base/limits.h"
#include "common/crypto/hash.h"

namespace gatehouse::appraisal {
namespace {

using Match = DigestSet::Match;
using Entry = DigestSet::Entry;

Bytes Of(HashAlgorithm algorithm, std::string_view text) {
  return crypto::Hash(algorithm, AsBytes(text));
}

Entry FileEntry(const std::string& path, std::string_view content, HashAlgorithm algorithm = HashAlgorithm::kSha256) {
  return {algorithm, Of(algorithm, content), path};
}

std::shared_ptr<const DigestSet> SetOf(std::vector<Entry> entries) {
  auto set = DigestSet::Make(std::move(entries));
  EXPECT_TRUE(set.ok()) << set.error().ToString();
  return set.ok() ? *set : nullptr;
}

TEST(DigestSetTest, FindsEachEntryByDigestAndPathOfEveryAlgorithm) {
  const auto set = SetOf({FileEntry("/bin/a", "a"), FileEntry("/bin/b", "b", HashAlgorithm::kSha384),
                          FileEntry("/bin/c", "c", HashAlgorithm::kSha512), FileEntry("", "nameless")});
  EXPECT_EQ(set->size(), 4U);
  EXPECT_EQ(set->Find(HashAlgorithm::kSha256, Of(HashAlgorithm::kSha256, "a"), "/bin/a"), Match::kExact);
  EXPECT_EQ(set->Find(HashAlgorithm::kSha384, Of(HashAlgorithm::kSha384, "b"), "/bin/b"), Match::kExact);
  EXPECT_EQ(set->Find(HashAlgorithm::kSha512, Of(HashAlgorithm::kSha512, "c"), "/bin/c"), Match::kExact);
  EXPECT_EQ(set->Find(HashAlgorithm::kSha256, Of(HashAlgorithm::kSha256, "a"), "/bin/b"), Match::kDigest);
  EXPECT_EQ(set->Find(HashAlgorithm::kSha256, Of(HashAlgorithm::kSha256, "d"), "/bin/a"), Match::kNone);
  EXPECT_TRUE(set->Contains(HashAlgorithm::kSha384, Of(HashAlgorithm::kSha384, "b")));
  EXPECT_FALSE(set->Contains(HashAlgorithm::kSha384, Of(HashAlgorithm::kSha384, "a")));
}

TEST(DigestSetTest, AnEntryWithoutPathIsNeverExact) {
  const auto set = SetOf({FileEntry("", "x")});
  EXPECT_EQ(set->Find(HashAlgorithm::kSha256, Of(HashAlgorithm::kSha256, "x"), ""), Match::kDigest);
  EXPECT_EQ(set->Find(HashAlgorithm::kSha256, Of(HashAlgorithm::kSha256, "x"), "/x"), Match::kDigest);
  EXPECT_FALSE(set->KnowsPath(""));
}

TEST(DigestSetTest, OneFileAtSeveralPathsCountsAtEach) {
  const auto set = SetOf({FileEntry("/bin/a", "x"), FileEntry("/bin/b", "x"), FileEntry("/bin/a", "x")});
  EXPECT_EQ(set->size(), 2U) << "duplicates are dropped";
  for (const char* path : {"/bin/a", "/bin/b"})
    EXPECT_EQ(set->Find(HashAlgorithm::kSha256, Of(HashAlgorithm::kSha256, "x"), path), Match::kExact);
  EXPECT_TRUE(set->KnowsPath("/bin/b"));
  EXPECT_FALSE(set->KnowsPath("/bin/c"));
}

// The kernel logs '_' for a space.
TEST(DigestSetTest, APathWithSpacesIsFoundAsItIsLogged) {
  const auto set = SetOf({FileEntry("/opt/My App/run", "x")});
  EXPECT_EQ(set->Find(HashAlgorithm::kSha256, Of(HashAlgorithm::kSha256, "x"), "/opt/My_App/run"), Match::kExact);
}

TEST(DigestSetTest, DigestsOfAnotherLengthOrAlgorithmAreNotFound) {
  const auto set = SetOf({FileEntry("/bin/a", "a")});
  const Bytes digest = Of(HashAlgorithm::kSha256, "a");
  EXPECT_FALSE(set->Contains(HashAlgorithm::kSha256, BytesView(digest).first(31)));
  EXPECT_FALSE(set->Contains(HashAlgorithm::kSha256, {}));
  EXPECT_FALSE(set->Contains(HashAlgorithm::kSha384, digest));
  EXPECT_FALSE(set->Contains(HashAlgorithm::kSha1, BytesView(digest).first(20)));
}

TEST(DigestSetTest, Sha1AndWrongLengthsAreRefused) {
  auto sha1 = DigestSet::Make({FileEntry("/a", "a", HashAlgorithm::kSha1)});
  ASSERT_FALSE(sha1.ok());
  EXPECT_EQ(sha1.error().reason, Reason::kDigestMalformed);
  auto cut = DigestSet::Make({{HashAlgorithm::kSha256, Bytes(31), "/a"}});
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().reason, Reason::kDigestMalformed);
}

TEST(DigestSetTest, AnEmptySetHasNothing) {
  const auto set = SetOf({});
  EXPECT_EQ(set->size(), 0U);
  EXPECT_FALSE(set->Contains(HashAlgorithm::kSha256, Bytes(32)));
}

TEST(DigestSetTest, TheFileIsTheSameWhateverTheOrder) {
  std::vector<Entry> entries;
  for (int i = 0; i < 300; ++i) entries.push_back(FileEntry("/f" + std::to_string(i), std::to_string(i % 250)));
  const Bytes file = SetOf(entries)->Serialize();
  std::reverse(entries.begin(), entries.end());
  EXPECT_EQ(SetOf(entries)->Serialize(), file);
  auto parsed = DigestSet::Parse(BytesView(file));
  ASSERT_TRUE(parsed.ok()) << parsed.error().ToString();
  EXPECT_EQ((*parsed)->Serialize(), file);
  for (const Entry& entry : entries)
    EXPECT_EQ((*parsed)->Find(entry.algorithm, entry.digest, entry.path), Match::kExact);
}

Bytes SmallFile() {
  return SetOf({FileEntry("/a", "a"), FileEntry("/b", "b"), FileEntry("/b2", "b"),
                FileEntry("/c", "c", HashAlgorithm::kSha512)})
      ->Serialize();
}

TEST(DigestSetTest, TruncationAtEveryByteIsRefused) {
  const Bytes file = SmallFile();
  for (std::size_t size = 0; size < file.size(); ++size) {
    auto parsed = DigestSet::Parse(BytesView(file).first(size));
    ASSERT_FALSE(parsed.ok()) << size;
    EXPECT_EQ(parsed.error().reason, Reason::kDigestMalformed) << size;
  }
}

TEST(DigestSetTest, WhatIsNotThisFormatIsRefused) {
  constexpr std::size_t kHeader = 20;
  const Bytes good = SmallFile();
  ASSERT_TRUE(DigestSet::Parse(BytesView(good)).ok());
  const std::vector<std::pair<const char*, std::function<void(Bytes&)>>> spoilt = {
      {"magic", [](Bytes& file) { file[0] = 'X'; }},
      {"version", [](Bytes& file) { file[7] = 2; }},
      {"one entry more is counted", [](Bytes& file) { ++file[11]; }},
      {"trailing byte", [](Bytes& file) { file.push_back(0); }},
      {"not sorted", [](Bytes& file) { file[kHeader] = 0xFF; }},
      {"an entry twice",
       [](Bytes& file) {
         // The two entries of "b": the path hash of one becomes the other's.
         const std::size_t paths = kHeader + 3 * 32;
         for (std::size_t i = 0; i < 2; ++i) {
           const auto* first = file.data() + kHeader + i * 32;
           if (!std::equal(first, first + 32, first + 32)) continue;
           std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(paths + i * 8), 8,
                       file.begin() + static_cast<std::ptrdiff_t>(paths + (i + 1) * 8));
         }
       }},
  };
  for (const auto& [what, spoil] : spoilt) {
    Bytes file = good;
    spoil(file);
    auto parsed = DigestSet::Parse(std::move(file));
    ASSERT_FALSE(parsed.ok()) << what;
    EXPECT_EQ(parsed.error().reason, Reason::kDigestMalformed) << what;
  }
}

TEST(DigestSetTest, CountsAreBoundedBeforeAnythingIsRead) {
  ByteWriter file;
  file.Put(AsBytes("GHDS"));
  file.PutU32Be(1);
  for (std::uint32_t count : {0xFFFF'FFFFU, 0xFFFF'FFFFU, 0xFFFF'FFFFU}) file.PutU32Be(count);
  auto parsed = DigestSet::Parse(BytesView(file.bytes()));
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().reason, Reason::kLimitExceeded);
}

// Digests that somebody chose so that they fall into one bucket of the index.
TEST(DigestSetTest, ChosenDigestsAreFoundAsWell) {
  std::vector<Entry> entries;
  for (int i = 0; i < 5000; ++i) {
    Bytes digest(32, 0xAB);
    digest[30] = static_cast<std::uint8_t>(i >> 8);
    digest[31] = static_cast<std::uint8_t>(i);
    entries.push_back({HashAlgorithm::kSha256, digest, "/x"});
  }
  const auto set = SetOf(entries);
  for (const Entry& entry : entries) EXPECT_TRUE(set->Contains(entry.algorithm, entry.digest));
  for (int edge : {0x00, 0xAA, 0xAC, 0xFF})
    EXPECT_FALSE(set->Contains(HashAlgorithm::kSha256, Bytes(32, static_cast<std::uint8_t>(edge))));
}

TEST(DigestSetTest, OfEverySizeFindsAllThatItHasAndNothingElse) {
  std::mt19937_64 random(5);
  for (std::size_t size : {1U, 2U, 7U, 8U, 9U, 15U, 16U, 17U, 255U, 1024U, 4097U}) {
    std::vector<Entry> entries;
    for (std::size_t i = 0; i < size; ++i) entries.push_back(FileEntry("/f", std::to_string(random())));
    const auto set = SetOf(entries);
    for (const Entry& entry : entries) {
      ASSERT_TRUE(set->Contains(entry.algorithm, entry.digest)) << size;
      Bytes other = entry.digest;
      other[31] ^= 1;
      ASSERT_FALSE(set->Contains(entry.algorithm, other)) << size;
    }
  }
}

// A million entries take less than 60 MB, and are not in memory twice while they are parsed.
TEST(DigestSetTest, AnEntryTakesAbout40Bytes) {
  constexpr std::size_t kEntries = 100'000;
  Bytes file = [] {
    ByteWriter writer;
    writer.Put(AsBytes("GHDS"));
    writer.PutU32Be(1);
    writer.PutU32Be(kEntries);
    writer.PutU32Be(0);
    writer.PutU32Be(0);
    for (std::size_t i = 0; i < kEntries; ++i) {
      writer.PutU32Be(static_cast<std::uint32_t>(i * 42'949));
      writer.Put(Bytes(28, 7));
    }
    for (std::size_t i = 0; i < kEntries; ++i) writer.PutU64Be(i + 1);
    return std::move(writer).Finish();
  }();
  file.shrink_to_fit();
  const std::size_t size = file.size();
  auto set = DigestSet::Parse(std::move(file));
  ASSERT_TRUE(set.ok()) << set.error().ToString();
  EXPECT_EQ((*set)->size(), kEntries);
  EXPECT_GE((*set)->bytes(), size);
  EXPECT_LE((*set)->bytes(), kEntries * 41 + 1024);
  EXPECT_EQ((*set)->Serialize().size(), size);
}

}  // namespace
}  // namespace gatehouse::appraisal
