#include "common/crypto/fast_hasher.h"

#include <gtest/gtest.h>

#include <array>
#include <stdexcept>

#include "common/crypto/hash.h"

namespace gatehouse::crypto {
namespace {

Bytes Finish(FastHasher& hasher) {
  Bytes digest(hasher.size());
  hasher.Finish(digest);
  return digest;
}

TEST(FastHasher, IsTheSameAsHashAgainAndAgain) {
  for (const HashAlgorithm algorithm :
       {HashAlgorithm::kSha1, HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    FastHasher hasher(algorithm);
    EXPECT_EQ(hasher.algorithm(), algorithm);
    EXPECT_EQ(hasher.size(), DigestSize(algorithm));
    for (std::size_t size = 0; size < 300; size += 37) {
      const Bytes data(size, static_cast<std::uint8_t>(size));
      hasher.Begin().Update(data);
      EXPECT_EQ(Finish(hasher), Hash(algorithm, data));
      hasher.Begin().Update(BytesView(data).first(size / 2)).Update(BytesView(data).subspan(size / 2));
      EXPECT_EQ(Finish(hasher), Hash(algorithm, data));
    }
  }
}

TEST(FastHasher, BeginForgetsWhatWasHashedBefore) {
  FastHasher hasher(HashAlgorithm::kSha256);
  hasher.Begin().Update(Bytes(10, 1));
  hasher.Begin().Update(AsBytes("abc"));
  EXPECT_EQ(Finish(hasher), Hash(HashAlgorithm::kSha256, AsBytes("abc")));
}

TEST(FastHasher, DigestMayReplaceWhatWasHashed) {
  FastHasher hasher(HashAlgorithm::kSha256);
  Bytes pcr(32, 7);
  const Bytes expected = Hash(HashAlgorithm::kSha256, pcr);
  hasher.Begin().Update(pcr).Finish(pcr);
  EXPECT_EQ(pcr, expected);
}

TEST(FastHasher, GoesOnAfterAMove) {
  FastHasher hasher(HashAlgorithm::kSha1);
  hasher.Begin().Update(AsBytes("a"));
  FastHasher moved = std::move(hasher);
  moved.Update(AsBytes("b"));
  EXPECT_EQ(Finish(moved), Hash(HashAlgorithm::kSha1, AsBytes("ab")));
}

TEST(FastHasher, TooLittleRoomIsRefused) {
  FastHasher hasher(HashAlgorithm::kSha256);
  std::array<std::uint8_t, 31> room{};
  EXPECT_THROW(hasher.Begin().Finish(room), std::runtime_error);
}

}  // namespace
}  // namespace gatehouse::crypto
