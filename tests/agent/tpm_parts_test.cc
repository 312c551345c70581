// The parts of the TPM room that need no TPM.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "agent/tpm/der_list.h"
#include "agent/tpm/key_store.h"
#include "agent/tpm/retry.h"
#include "common/base/limits.h"
#include "tests/agent/support.h"

namespace gatehouse::agent {
namespace {

constexpr std::uint32_t kRetry = 0x922;

TEST(Retry, BusyCodes) {
  for (std::uint32_t code : {0x902U, 0x903U, 0x904U, 0x905U, 0x906U, 0x908U, 0x90AU, 0x920U, 0x922U, 0x0B0922U})
    EXPECT_TRUE(IsBusy(code)) << code;
  // Success, TPM_RC_INITIALIZE, TPM_RC_LOCKOUT, and the same numbers of other layers (ESAPI, TCTI).
  for (std::uint32_t code : {0U, 0x100U, 0x901U, 0x907U, 0x921U, 0x070922U, 0x0A0922U})
    EXPECT_FALSE(IsBusy(code)) << code;
}

TEST(Retry, PausesGrowAndAreBounded) {
  std::vector<Duration> pauses;
  int calls = 0;
  std::uint32_t code = CallWhileBusy(
      [&] {
        ++calls;
        return kRetry;
      },
      [&](Duration pause) { pauses.push_back(pause); });
  EXPECT_EQ(code, kRetry);
  EXPECT_EQ(calls, 9);
  std::vector<Duration> expected;
  for (int ms : {10, 20, 40, 80, 160, 320, 640, 1000}) expected.emplace_back(ms);
  EXPECT_EQ(pauses, expected);
}

TEST(Retry, EndsWithTheFirstOtherAnswer) {
  for (std::uint32_t last : {0U, 0x101U}) {
    int calls = 0;
    std::uint32_t code = CallWhileBusy([&] { return ++calls < 3 ? kRetry : last; }, [](Duration) {});
    EXPECT_EQ(code, last);
    EXPECT_EQ(calls, 3);
  }
}

Bytes Sequence(std::size_t length) {
  Bytes der = {0x30, 0x82, static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length)};
  der.resize(4 + length, 0x55);
  return der;
}

Bytes Joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) Append(all, part);
  return all;
}

TEST(DerList, SplitsAndIgnoresPadding) {
  Bytes one = Sequence(300);
  Bytes two = Sequence(1000);
  Bytes small = {0x30, 0x02, 0x05, 0x00};
  EXPECT_EQ(*SplitDer(one, "x"), (std::vector<Bytes>{one}));
  EXPECT_EQ(*SplitDer(Joined({one, two, small}), "x"), (std::vector<Bytes>{one, two, small}));
  EXPECT_EQ(*SplitDer(Joined({one, Bytes(50, 0xFF)}), "x"), (std::vector<Bytes>{one}));
  EXPECT_EQ(*SplitDer(Joined({one, Bytes(50, 0x00)}), "x"), (std::vector<Bytes>{one}));
  EXPECT_TRUE(SplitDer({}, "x")->empty());
  EXPECT_TRUE(SplitDer(Bytes(20, 0xFF), "x")->empty());
}

TEST(DerList, Refusals) {
  Bytes one = Sequence(300);
  struct {
    const char* name;
    Bytes bytes;
    Reason reason;
  } table[] = {
      {"PEM", ToBytes("-----BEGIN CERTIFICATE-----"), Reason::kCertificateMalformed},
      {"mixed padding", Joined({one, {0x00, 0xFF}}), Reason::kCertificateMalformed},
      {"indefinite length", {0x30, 0x80, 0x00, 0x00}, Reason::kCertificateMalformed},
      {"long form of a short length", {0x30, 0x81, 0x02, 0x05, 0x00}, Reason::kCertificateMalformed},
      {"length with a leading zero", {0x30, 0x82, 0x00, 0x02, 0x05, 0x00}, Reason::kCertificateMalformed},
      {"length of five bytes", {0x30, 0x85, 1, 1, 1, 1, 1}, Reason::kCertificateMalformed},
      {"length beyond the limit", {0x30, 0x83, 0x01, 0x00, 0x01}, Reason::kCertificateMalformed},
      {"too many", Bytes(), Reason::kLimitExceeded},
  };
  for (std::size_t i = 0; i <= limits::kChainCertificates; ++i) Append(std::end(table)[-1].bytes, Bytes{0x30, 0x00});
  for (const auto& row : table) {
    auto list = SplitDer(row.bytes, "x");
    ASSERT_FALSE(list.ok()) << row.name;
    EXPECT_EQ(list.error().reason, row.reason) << row.name;
  }
}

TEST(DerList, TruncationIsRefusedAtEveryByte) {
  Bytes whole = Joined({Sequence(300), Sequence(200)});
  for (std::size_t size = 1; size < whole.size(); ++size) {
    auto list = SplitDer(BytesView(whole).first(size), "x");
    if (size == 304) {
      EXPECT_EQ(list->size(), 1U);
      continue;
    }
    ASSERT_FALSE(list.ok()) << size;
    ASSERT_EQ(list.error().reason, Reason::kCertificateMalformed) << size;
  }
}

TEST(KeyStoreTest, BothHalvesOrNothing) {
  TempFolder folder;
  KeyStore store(folder.path(), "ak");
  EXPECT_FALSE(store.Load()->has_value());
  ASSERT_TRUE(store.Save({{1, 2}, {3}}).ok());
  EXPECT_EQ(store.Load()->value().public_half, (Bytes{1, 2}));
  EXPECT_EQ(store.Load()->value().private_half, (Bytes{3}));
  for (const auto& path : {store.public_path(), store.private_path()}) {
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U) << path;
  }
  std::filesystem::remove(store.public_path());
  EXPECT_FALSE(store.Load()->has_value());
}

TEST(KeyStoreTest, OversizedHalfIsRefused) {
  TempFolder folder;
  KeyStore store(folder.path(), "ak");
  ASSERT_TRUE(store.Save({Bytes(limits::kTpmStructureBytes + 1), {3}}).ok());
  EXPECT_EQ(store.Load().error().reason, Reason::kLimitExceeded);
}

}  // namespace
}  // namespace gatehouse::agent
