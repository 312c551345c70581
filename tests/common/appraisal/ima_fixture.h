// What the tests of IMA policies share: entries, sets, a log that is vouched for.
#pragma once

#include "common/appraisal/ima.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/crypto/hash.h"
#include "common/verify/replay/ima.h"
#include "common/verify/tpm/quote.h"
#include "tests/fakes/ima_log.h"
#include "tests/fakes/software_tpm.h"

namespace gatehouse::appraisal {

inline constexpr HashAlgorithm kSha256 = HashAlgorithm::kSha256;
inline constexpr HashAlgorithm kSha384 = HashAlgorithm::kSha384;
inline constexpr WallTime kNow{std::chrono::sys_days(std::chrono::year(2026) / 11 / 22) + std::chrono::hours(6)};
inline constexpr WallTime kLater = kNow + std::chrono::hours(1);
inline constexpr WallTime kMuchLater = kNow + std::chrono::hours(24);

inline TextRule Whole(const std::string& text) {
  return {"'" + text + "'", [text](std::string_view path) { return path == text; }};
}
inline TextRule Below(const std::string& folder) {
  return {"regex '" + folder + "/.*'", [folder](std::string_view path) { return path.starts_with(folder + "/"); }};
}

inline Bytes Sha256(std::string_view content) {
  return crypto::Hash(kSha256, AsBytes(content));
}

inline std::shared_ptr<const DigestSet> SetOf(const std::vector<std::pair<std::string, std::string>>& files) {
  std::vector<DigestSet::Entry> entries;
  for (const auto& [path, content] : files) entries.push_back({kSha256, Sha256(content), path});
  return *DigestSet::Make(std::move(entries));
}

inline claims::ImaEntry EntryOf(std::string_view template_name) {
  claims::ImaEntry entry{};
  entry.template_name = template_name;
  return entry;
}

// One entry; its views are into this.
struct Made {
  std::string path;
  Bytes digest;
  Bytes signature = {};
  claims::ImaEntry entry = EntryOf("ima-sig");
};

// A log that a TPM quoted, of so many files in this bank.
inline claims::VerifiedIma Vouched(std::uint64_t count, HashAlgorithm bank = kSha256, bool padded = false) {
  fakes::ImaLog::Options made;
  if (padded) made.padded = {bank};
  fakes::ImaLog log(made);
  log.Files(count);
  fakes::SoftwareTpm tpm;
  tpm.SetPcr(bank, 10, log.Pcr(bank));
  const auto ak = tpm.CreateAk();
  const Bytes nonce(32, 1);
  const evidence::tpm::PcrSelections selection = {{bank, 1U << 10}};
  const auto quote = tpm.Quote(ak, nonce, selection);
  const auto claims = verify::tpm::QuoteVerifier::Verify({quote.attest, quote.signature, quote.pcrs},
                                                         {ak.area(), nonce, selection, std::nullopt});
  verify::replay::ImaReplay::Options options;
  options.banks = {bank};
  verify::replay::ImaReplay replay(options);
  const auto taken = replay.Advance(log.bytes(), [](const claims::ImaEntry&) {});
  EXPECT_TRUE(taken.ok());
  auto verified = replay.Settled(*claims);
  EXPECT_TRUE(verified.ok()) << verified.error().ToString();
  return *verified;
}

class Ima : public testing::Test {
 protected:
  Ima() { AddSet(SetOf({{"/usr/bin/good", "good"}, {"/usr/bin/other", "other"}})); }

  void AddSet(std::shared_ptr<const DigestSet> digests, bool images_only = false,
              std::optional<WallTime> not_after = std::nullopt) {
    sets_.push_back({std::move(digests), images_only, not_after});
  }
  [[nodiscard]] ImaAppraisal Appraisal() const {
    return ImaAppraisal(std::make_shared<const ImaPolicy>(policy_),
                        std::make_shared<const std::vector<ImaAppraisal::Set>>(sets_));
  }

  static Made File(const std::string& path, std::string_view content) {
    return {path, Sha256(content), {}, EntryOf("ima-sig")};
  }
  static Made Buffer(const std::string& name, std::string_view content) {
    Made made = File(name, content);
    made.entry.is_buffer = true;
    made.entry.template_name = "ima-buf";
    return made;
  }

  // What is found of this entry after boot_aggregate.
  [[nodiscard]] std::vector<Finding> Judge(const Made& made) const { return JudgeAll({made}); }
  [[nodiscard]] std::vector<Finding> JudgeAll(const std::vector<Made>& all) const {
    ImaAppraisal appraisal = Appraisal();
    JudgeInto(appraisal, all);
    return appraisal.Findings(Vouched(all.size() + 1));
  }
  static void JudgeInto(ImaAppraisal& appraisal, const std::vector<Made>& all) {
    claims::ImaEntry aggregate = EntryOf("ima-ng");
    aggregate.boot_aggregate = true;
    aggregate.path = "boot_aggregate";
    if (appraisal.judged() == 0) appraisal.Judge(aggregate, kNow);
    for (const Made& made : all) {
      claims::ImaEntry entry = made.entry;
      entry.number = appraisal.judged();
      if (!entry.algorithm && !entry.unknown_fields && !made.digest.empty()) entry.algorithm = kSha256;
      entry.path = made.path;
      entry.digest = made.digest;
      entry.signature = made.signature;
      appraisal.Judge(entry, kNow);
    }
  }

  ImaPolicy policy_;
  std::vector<ImaAppraisal::Set> sets_;
};

#define EXPECT_ONLY(findings, expected)                                            \
  do {                                                                             \
    const auto found = (findings);                                                 \
    ASSERT_THAT(found, ::testing::SizeIs(1));                                      \
    EXPECT_EQ(Token(found[0].reason), Token(Reason::expected)) << found[0].detail; \
  } while (false)

}  // namespace gatehouse::appraisal
