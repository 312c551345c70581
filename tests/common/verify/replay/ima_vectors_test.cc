// IMA logs of real kernels against the PCRs that their TPM had. Those in tests/testdata always run; the larger
// collection beside the checkout where it is present.
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "common/base/encoding.h"
#include "tests/common/verify/replay/ima_fixture.h"
#include "tests/fakes/tpm_vectors.h"

namespace gatehouse::verify::replay {
namespace {

using std::filesystem::path;

path TestData() {
  return path(GATEHOUSE_SOURCE_DIR) / "tests/testdata/ima";
}

Bytes Read(const path& file) {
  auto bytes = fakes::ReadFileBytes(file);
  EXPECT_TRUE(bytes.has_value()) << file;
  return bytes.value_or(Bytes{});
}

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

// What tpm2_pcrread prints: "  sha256:" and lines of "    10: 0x…". Without PCR 16 and 23, which no claim may hold.
PcrValues ReadPcrs(const path& file) {
  PcrValues values;
  std::istringstream lines(std::string(AsText(Read(file))));
  std::string line;
  HashAlgorithm bank{};
  while (std::getline(lines, line)) {
    const std::size_t hex = line.find("0x");
    if (hex == std::string::npos) {
      line.erase(std::remove_if(line.begin(), line.end(), [](char c) { return c == ' ' || c == ':'; }), line.end());
      auto named = ParseHashAlgorithm(line);
      EXPECT_TRUE(named.ok()) << line;
      bank = named.ok() ? *named : bank;
      continue;
    }
    const auto pcr = static_cast<unsigned>(std::stoul(line));
    if (pcr == 16 || pcr == 23) continue;
    values[bank][pcr] = DecodeHex(Lower(line.substr(hex + 2))).value();
  }
  return values;
}

std::vector<HashAlgorithm> Banks(const PcrValues& values) {
  std::vector<HashAlgorithm> banks;
  for (const auto& [bank, pcrs] : values) banks.push_back(bank);
  return banks;
}

ImaReplay ReplayedTo(const VerifiedTpmClaims& quote, const Bytes& log) {
  ImaReplay replay = Replaying(Banks(quote.pcrs()));
  auto taken = replay.Advance(log, nullptr, &quote);
  EXPECT_TRUE(taken.ok()) << taken.error().ToString();
  return replay;
}

struct Case {
  const char* folder;
  bool padded;  // "ima: Can not allocate sha384" in dmesg.txt
};

void ExpectSettled(const ImaReplay& replay, const VerifiedTpmClaims& quote, bool padded) {
  auto verified = replay.Settled(quote);
  ASSERT_TRUE(verified.ok()) << verified.error().ToString();
  EXPECT_EQ(verified->pcr().size(), quote.pcrs().size());
  EXPECT_FALSE(verified->padded(kSha1));
  EXPECT_FALSE(verified->padded(kSha256));
  for (const HashAlgorithm bank : {kSha384, kSha512}) {
    EXPECT_EQ(verified->padded(bank), padded && quote.pcrs().contains(bank)) << Name(bank);
  }
  const Status boot = replay.CheckBootAggregate(quote, false);
  EXPECT_TRUE(boot.ok()) << boot.error().ToString();
}

TEST(ImaVectors, CommittedLogs) {
  for (const Case& c :
       {Case{"a1-baseline", true}, Case{"s-imasig-tis-sha256", false}, Case{"t2-trixie-direct", false}}) {
    SCOPED_TRACE(c.folder);
    const VerifiedTpmClaims quote = QuoteOf(ReadPcrs(TestData() / c.folder / "pcrs-before.yaml"));
    const Bytes log = Read(TestData() / c.folder / "ima-before.bin");
    EXPECT_EQ(evidence::ima::GuessEncoding(log), Encoding::kLittleEndian);
    ExpectSettled(ReplayedTo(quote, log), quote, c.padded);
  }
}

// A log with a name that has a line break cannot be put back; a shorter one, up to that name, is.
void ExpectAsciiOf(const Bytes& text, const Bytes& log) {
  auto binary = evidence::ima::AsciiToBinary(text);
  const std::size_t broken = AsText(text).find("/root/new\nline");
  if (broken == std::string_view::npos) {
    ASSERT_TRUE(binary.ok()) << binary.error().ToString();
    EXPECT_EQ(*binary, log);
    return;
  }
  ExpectReason(binary, Reason::kImaLogMalformed);
  const std::size_t lines = AsText(text).rfind('\n', broken) + 1;
  binary = evidence::ima::AsciiToBinary(BytesView(text).first(lines));
  ASSERT_TRUE(binary.ok()) << binary.error().ToString();
  ASSERT_GT(binary->size(), 1000U);
  EXPECT_EQ(*binary, ToBytes(BytesView(log).first(binary->size())));
}

TEST(Adversarial_M5, CommittedAsciiIsPutBackUpToALineBreakInAName) {
  const path folder = TestData() / "s-imasig-tis-sha256";
  const Bytes text = Read(folder / "ima-before.ascii");
  EXPECT_NE(AsText(text).find("/root/new\nline"), std::string_view::npos);
  ExpectAsciiOf(text, Read(folder / "ima-before.bin"));
}

TEST(Adversarial_M13, RealLogOfAnotherMachine) {
  const VerifiedTpmClaims quote = QuoteOf(ReadPcrs(TestData() / "t2-trixie-direct/pcrs-before.yaml"));
  const ImaReplay replay = ReplayedTo(quote, Read(TestData() / "a1-baseline/ima-before.bin"));
  ExpectReason(replay.Settled(quote), Reason::kImaLogMismatch);
  ExpectReason(replay.CheckBootAggregate(quote, true), Reason::kBootAggregateMismatch);
}

std::vector<path> Cases() {
  std::vector<path> cases;
  const path folder = fakes::VectorsDir() / "own/measured-boot";
  if (!std::filesystem::exists(folder)) return cases;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (std::filesystem::exists(entry.path() / "ima-before.bin")) cases.push_back(entry.path());
  }
  std::sort(cases.begin(), cases.end());
  return cases;
}

bool PaddedByDmesg(const path& folder) {
  return AsText(Read(folder / "dmesg.txt")).find("ima: Can not allocate sha384") != std::string_view::npos;
}

TEST(ImaVectors, EveryMeasuredBootInEveryBank) {
  const std::vector<path> cases = Cases();
  if (cases.empty()) GTEST_SKIP() << "no vectors beside the checkout";
  std::size_t padded = 0;
  for (const path& folder : cases) {
    for (const std::string& when : std::vector<std::string>{"before", "after", "later"}) {
      SCOPED_TRACE(folder.filename().string() + " " + when);
      const VerifiedTpmClaims quote = QuoteOf(ReadPcrs(folder / ("pcrs-" + when + ".yaml")));
      const Bytes log = Read(folder / ("ima-" + when + ".bin"));
      const ImaReplay replay = ReplayedTo(quote, log);
      ExpectSettled(replay, quote, PaddedByDmesg(folder));
      // All of it: nothing came between the log and the PCRs.
      const std::string count(AsText(Read(folder / ("ima-" + when + ".count"))));
      EXPECT_EQ(replay.count(), std::stoul(count));
      ExpectAsciiOf(Read(folder / ("ima-" + when + ".ascii")), log);
    }
    padded += PaddedByDmesg(folder) ? 1U : 0U;
  }
  EXPECT_GT(padded, 0U);
  EXPECT_LT(padded, cases.size());
}

// The claims of a real quote; its values are in tpm2-tools' file, its nonce in its own.
Result<VerifiedTpmClaims> RealQuote(const path& folder, const std::string& stem, const std::string& ak) {
  auto area = evidence::tpm::ParsePublic2B(Read(folder / ("ak-" + ak + ".tpm2b_public")));
  if (!area.ok()) return area.error();
  ASSIGN_OR_RETURN(tpm::AttestationKey key, tpm::AttestationKey::Make(*area));
  ASSIGN_OR_RETURN(PcrValues pcrs, fakes::ParseTpm2ToolsPcrs(Read(folder / (stem + ".pcrs"))));
  const Bytes attest = Read(folder / (stem + ".msg"));
  const Bytes signature = Read(folder / (stem + ".sig"));
  ASSIGN_OR_RETURN(evidence::tpm::Attest parsed, evidence::tpm::ParseAttest(attest));
  return tpm::QuoteVerifier::Verify({attest, signature, pcrs},
                                    tpm::PreparedQuoteExpectation{.ak = key,
                                                                  .nonce = parsed.extra_data,
                                                                  .selection = parsed.quote->selections,
                                                                  .last_clock = std::nullopt,
                                                                  .tolerate_resettable = true});
}

TEST(Adversarial_M9, RealQuotesAndLogsOfDifferentMoments) {
  const std::vector<path> cases = Cases();
  if (cases.empty()) GTEST_SKIP() << "no vectors beside the checkout";
  for (const path& folder : cases) {
    SCOPED_TRACE(folder.filename().string());
    auto first = RealQuote(folder, "quote-rsassa-1", "rsassa");
    ASSERT_TRUE(first.ok()) << first.error().ToString();
    auto later = RealQuote(folder, "quote-later", "rsassa");
    ASSERT_TRUE(later.ok()) << later.error().ToString();
    const Bytes before_log = Read(folder / "ima-before.bin");
    const Bytes later_log = Read(folder / "ima-later.bin");
    // The log is longer than what was quoted: the entries up to there are vouched for.
    ImaReplay replay = Replaying();
    auto taken = replay.Advance(later_log, nullptr, &*first);
    ASSERT_TRUE(taken.ok());
    EXPECT_EQ(*taken, before_log.size());
    EXPECT_TRUE(replay.Settled(*first).ok());
    ExpectReason(replay.Settled(*later), Reason::kImaLogMismatch);
    // The rest of it comes later, with the next quote.
    ExpectTaken(replay, BytesView(later_log).subspan(*taken), nullptr, &*later);
    EXPECT_TRUE(replay.Settled(*later).ok());
    EXPECT_TRUE(replay.CheckBootAggregate(*later, false).ok());
    // The log is shorter than what was quoted.
    ImaReplay behind = Replaying();
    ExpectTaken(behind, before_log, nullptr, &*later);
    ExpectReason(behind.Settled(*later), Reason::kImaLogMismatch);
  }
}

// 826 entries of a machine that had no TPM: what its PCR 10 would be.
TEST(ImaVectors, PublicAsciiLog) {
  const path file = fakes::VectorsDir() / "public/ima/ima-ng-826.ascii";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no vectors beside the checkout";
  const Bytes text = Read(file);
  EXPECT_EQ(evidence::ima::GuessEncoding(text), Encoding::kAscii);
  auto binary = evidence::ima::AsciiToBinary(text);
  ASSERT_TRUE(binary.ok()) << binary.error().ToString();
  ImaReplay replay = Replaying({kSha1, kSha256});
  ExpectTaken(replay, *binary);
  EXPECT_EQ(replay.count(), 826U);
  EXPECT_EQ(EncodeHex(replay.Pcr(kSha256)).substr(0, 8), "c4a06563");
  PcrValues zeros;
  for (unsigned pcr = 0; pcr < 10; ++pcr) zeros[kSha1][pcr] = Bytes(20);
  ExpectReason(replay.CheckBootAggregate(QuoteOf(zeros), true), Reason::kBootAggregateMismatch);
}

}  // namespace
}  // namespace gatehouse::verify::replay
