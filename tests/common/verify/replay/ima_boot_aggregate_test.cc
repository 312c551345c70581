// The first entry of an IMA log, which ties it to the boot that the TPM vouches for.
#include <gtest/gtest.h>

#include "common/crypto/hash.h"
#include "tests/common/verify/replay/ima_fixture.h"

namespace gatehouse::verify::replay {
namespace {

// PCR 0 to 10, all different, in every bank.
PcrValues Booted() {
  PcrValues values;
  for (const HashAlgorithm bank : kAllBanks) {
    for (unsigned pcr = 0; pcr <= 10; ++pcr) {
      values[bank][pcr] = Bytes(DigestSize(bank), static_cast<std::uint8_t>(pcr + 1));
    }
  }
  return values;
}

Status Check(const ImaLog& log, const PcrValues& quoted, bool allow_sha1 = false) {
  ImaReplay replay = Replaying();
  ExpectTaken(replay, log.bytes());
  return replay.CheckBootAggregate(QuoteOf(quoted), allow_sha1);
}

ImaLog Beginning(HashAlgorithm algorithm, bool seven, const std::string& template_name = "ima-ng") {
  ImaLog log({.template_name = template_name, .algorithm = algorithm});
  log.BootAggregate(Booted(), seven).Files(2);
  return log;
}

void ExpectGood(const Status& status) {
  EXPECT_TRUE(status.ok()) << status.error().ToString();
}

TEST(Adversarial_M13, OverPcr0To9OrPcr0To7OfEachHash) {
  for (const HashAlgorithm algorithm : {kSha256, kSha384, kSha512}) {
    ExpectGood(Check(Beginning(algorithm, false), Booted()));
    ExpectGood(Check(Beginning(algorithm, true), Booted()));
  }
  for (const std::string& name : std::vector<std::string>{"ima-sig", "ima-ngv2", "d-ng|n-ng"}) {
    ExpectGood(Check(Beginning(kSha256, false, name), Booted()));
  }
}

TEST(Adversarial_M13, Sha1OnlyIfItIsAllowed) {
  for (const std::string& name : std::vector<std::string>{"ima-ng", "ima"}) {
    ExpectGood(Check(Beginning(kSha1, true, name), Booted(), true));
    ExpectReason(Check(Beginning(kSha1, true, name), Booted(), false), Reason::kBootAggregateMismatch);
  }
}

// "if (alg_id != TPM_ALG_SHA1)": of SHA-1, PCR 8 and 9 are never in it.
TEST(Adversarial_M13, Sha1OverPcr0To9) {
  const PcrValues values = Booted();
  Bytes all;
  for (unsigned pcr = 0; pcr <= 9; ++pcr) Append(all, values.at(kSha1).at(pcr));
  ImaLog log({.algorithm = kSha1});
  log.FileDigest("boot_aggregate", crypto::Hash(kSha1, all));
  ExpectReason(Check(log, values, true), Reason::kBootAggregateMismatch);
}

TEST(Adversarial_M13, AnyPcrOfAnotherBoot) {
  for (unsigned pcr = 0; pcr <= 9; ++pcr) {
    PcrValues other = Booted();
    other[kSha256][pcr] = Bytes(32, 0xEE);
    ExpectReason(Check(Beginning(kSha256, false), other), Reason::kBootAggregateMismatch);
  }
  PcrValues ima = Booted();
  ima[kSha256][10] = Bytes(32, 0xEE);
  ExpectGood(Check(Beginning(kSha256, false), ima));
}

TEST(Adversarial_M13, WrongBank) {
  // The SHA-256 of the SHA-1 bank's values, and of the SHA-384 bank's.
  for (const HashAlgorithm bank : {kSha1, kSha384}) {
    const PcrValues values = Booted();
    Bytes all;
    for (unsigned pcr = 0; pcr <= 9; ++pcr) Append(all, values.at(bank).at(pcr));
    ImaLog log;
    log.FileDigest("boot_aggregate", crypto::Hash(kSha256, all));
    ExpectReason(Check(log, values), Reason::kBootAggregateMismatch);
  }
  PcrValues without = Booted();
  without.erase(kSha256);
  ExpectReason(Check(Beginning(kSha256, false), without), Reason::kPcrMissing);
}

TEST(Adversarial_M13, PcrsThatTheQuoteDoesNotHave) {
  PcrValues without_0 = Booted();
  without_0[kSha256].erase(0);
  ExpectReason(Check(Beginning(kSha256, false), without_0), Reason::kPcrMissing);
  PcrValues without_9 = Booted();
  without_9[kSha256].erase(9);
  ExpectReason(Check(Beginning(kSha256, false), without_9), Reason::kPcrMissing);
  // PCR 0 to 7 are enough for one over them.
  ExpectGood(Check(Beginning(kSha256, true), without_9));
}

TEST(Adversarial_M13, AbsentBecauseTheLogWasTrimmed) {
  ImaLog trimmed;
  trimmed.Files(3);
  ExpectReason(Check(trimmed, Booted()), Reason::kImaLogTrimmed);
  ExpectReason(Check(ImaLog(), Booted()), Reason::kImaLogTrimmed);
  ImaLog violation;
  violation.Violation("/var/log/x");
  ExpectReason(Check(violation, Booted()), Reason::kImaLogTrimmed);
}

TEST(Adversarial_M13, ViolationZerosAndHashesThatWeDoNotKnow) {
  ImaLog violation;
  violation.Violation("boot_aggregate");
  ExpectReason(Check(violation, Booted()), Reason::kBootAggregateMismatch);
  ImaLog zeros;
  zeros.FileDigest("boot_aggregate", Bytes(32));  // a kernel that found no TPM
  ExpectReason(Check(zeros, Booted()), Reason::kBootAggregateMismatch);
  ImaLog unknown;
  unknown.Add({.template_name = "ima-ng", .path = "boot_aggregate", .algorithm_text = "sm3", .digest = Bytes(32, 1)});
  ExpectReason(Check(unknown, Booted()), Reason::kBootAggregateMismatch);
}

// Only the kernel's own first entry is it: no buffer, no fs-verity digest, and no later entry of that name.
TEST(Adversarial_M13, EntriesThatAreOnlyCalledSo) {
  const PcrValues values = Booted();
  Bytes all;
  for (unsigned pcr = 0; pcr <= 9; ++pcr) Append(all, values.at(kSha256).at(pcr));
  ImaLog buffer;
  buffer.Buffer("boot_aggregate", all);
  ExpectReason(Check(buffer, values), Reason::kImaLogTrimmed);
  ImaLog verity;
  verity.Add(
      {.template_name = "ima-ngv2", .path = "boot_aggregate", .digest = crypto::Hash(kSha256, all), .verity = true});
  ExpectReason(Check(verity, values), Reason::kImaLogTrimmed);
  ImaLog later;
  later.Files(1).BootAggregate(values);
  ExpectReason(Check(later, values), Reason::kImaLogTrimmed);
  std::vector<bool> flagged;
  ImaLog twice;
  twice.BootAggregate(values).BootAggregate(values);
  ImaReplay replay = Replaying();
  ExpectTaken(replay, twice.bytes(), [&](const ImaEntry& e) { flagged.push_back(e.boot_aggregate); });
  EXPECT_EQ(flagged, (std::vector<bool>{true, false}));
}

TEST(Adversarial_M13, KnownStillAfterResumption) {
  const ImaLog log = Beginning(kSha256, false);
  ImaReplay kept = Replaying();
  ExpectTaken(kept, log.BytesOf(0, 1));
  ImaReplay resumed = kept;
  ExpectTaken(resumed, log.BytesFrom(1));
  ExpectGood(resumed.CheckBootAggregate(QuoteOf(Booted()), false));
}

}  // namespace
}  // namespace gatehouse::verify::replay
