// What the tests of IMA replay share: claims of a quote over any PCR values, as a TPM would sign them.
#pragma once

#include <gtest/gtest.h>

#include "common/verify/replay/ima.h"
#include "common/verify/tpm/quote.h"
#include "tests/fakes/ima_log.h"
#include "tests/fakes/software_tpm.h"

namespace gatehouse::verify::replay {
using claims::ImaEntry;
using claims::VerifiedIma;
using claims::VerifiedTpmClaims;
using evidence::ima::Encoding;
using evidence::tpm::PcrValues;
using fakes::ImaLog;

inline constexpr HashAlgorithm kSha1 = HashAlgorithm::kSha1;
inline constexpr HashAlgorithm kSha256 = HashAlgorithm::kSha256;
inline constexpr HashAlgorithm kSha384 = HashAlgorithm::kSha384;
inline constexpr HashAlgorithm kSha512 = HashAlgorithm::kSha512;
inline const std::vector<HashAlgorithm> kAllBanks = {kSha1, kSha256, kSha384, kSha512};

inline VerifiedTpmClaims QuoteOf(const PcrValues& values) {
  fakes::SoftwareTpm tpm;
  static const fakes::TpmKey ak = tpm.CreateAk();
  evidence::tpm::PcrSelections selection;
  for (const auto& [bank, pcrs] : values) {
    std::uint32_t bitmap = 0;
    for (const auto& [pcr, value] : pcrs) {
      tpm.SetPcr(bank, pcr, value);
      bitmap |= 1U << pcr;
    }
    selection.push_back({bank, bitmap});
  }
  const Bytes nonce(32, 0x17);
  const fakes::SoftwareQuote quote = tpm.Quote(ak, nonce, selection);
  auto claims = tpm::QuoteVerifier::Verify({quote.attest, quote.signature, quote.pcrs},
                                           {ak.area(), nonce, selection, std::nullopt});
  EXPECT_TRUE(claims.ok()) << claims.error().ToString();
  return std::move(claims).value();
}

// PCR 10 as it is after so many entries, in these banks.
inline VerifiedTpmClaims QuoteAt(const ImaLog& log, std::size_t entries,
                                 const std::vector<HashAlgorithm>& banks = {kSha256}) {
  PcrValues values;
  for (const HashAlgorithm bank : banks) values[bank][10] = log.PcrAt(entries, bank);
  return QuoteOf(values);
}

inline ImaReplay Replaying(std::vector<HashAlgorithm> banks = {kSha256}, Encoding encoding = Encoding::kLittleEndian) {
  return ImaReplay({.encoding = encoding, .banks = std::move(banks)});
}

template <typename T>
void ExpectReason(const Result<T>& result, Reason reason) {
  ASSERT_FALSE(result.ok()) << "expected " << Token(reason);
  EXPECT_EQ(Token(result.error().reason), Token(reason)) << result.error().ToString();
}

// All of it is taken.
inline void ExpectTaken(ImaReplay& replay, BytesView log, const ImaReplay::Visit& visit = nullptr,
                        const VerifiedTpmClaims* quote = nullptr) {
  auto taken = replay.Advance(log, visit, quote);
  ASSERT_TRUE(taken.ok()) << taken.error().ToString();
  EXPECT_EQ(*taken, log.size());
}

}  // namespace gatehouse::verify::replay
