// What the tests of quotes share: a software TPM with an attestation key, and what is expected of its quotes.
#pragma once

#include <gtest/gtest.h>

#include <optional>

#include "common/verify/tpm/quote.h"
#include "tests/fakes/software_tpm.h"

namespace gatehouse::verify::tpm {
using claims::TpmClock;
using claims::VerifiedTpmClaims;
using evidence::tpm::Attest;
using evidence::tpm::PcrSelections;
using evidence::tpm::PcrValues;
using evidence::tpm::Signature;
using fakes::AkSpec;
using fakes::SoftwareQuote;
using fakes::SoftwareTpm;
using fakes::TpmKey;

inline constexpr HashAlgorithm kSha1 = HashAlgorithm::kSha1;
inline constexpr HashAlgorithm kSha256 = HashAlgorithm::kSha256;
inline constexpr HashAlgorithm kSha384 = HashAlgorithm::kSha384;
inline constexpr HashAlgorithm kSha512 = HashAlgorithm::kSha512;
inline const PcrSelections kSelection = {{kSha256, 0x0004FF}};  // PCR 0 to 7 and 10

// RSA keys take a moment: one for the whole program.
inline const crypto::PrivateKey& RsaKey() {
  static const crypto::PrivateKey key = crypto::PrivateKey::Generate(crypto::KeyType::kRsa).value();
  return key;
}

inline AkSpec RsaSpec(bool pss) {
  AkSpec spec;
  spec.type = crypto::KeyType::kRsa;
  spec.pss = pss;
  spec.key = RsaKey();
  return spec;
}

class Quote : public testing::Test {
 protected:
  Quote() {
    for (unsigned pcr = 0; pcr < 24; ++pcr) {
      for (HashAlgorithm bank : {kSha1, kSha256, kSha384}) {
        tpm_.Extend(bank, pcr, Bytes(DigestSize(bank), static_cast<std::uint8_t>(pcr + 1)));
      }
    }
  }

  Result<VerifiedTpmClaims> Verify(const SoftwareQuote& quote) const { return Verify(quote, ak_); }
  Result<VerifiedTpmClaims> Verify(const SoftwareQuote& quote, const TpmKey& ak) const {
    return QuoteVerifier::Verify({quote.attest, quote.signature, quote.pcrs}, {ak.area(), nonce_, expected_, last_});
  }

  void ExpectReason(const Result<VerifiedTpmClaims>& claims, Reason reason) {
    ASSERT_FALSE(claims.ok());
    EXPECT_EQ(Token(claims.error().reason), Token(reason)) << claims.error().ToString();
  }

  SoftwareTpm tpm_;
  TpmKey ak_ = tpm_.CreateAk();
  Bytes nonce_ = Bytes(48, 0xA5);
  PcrSelections expected_ = kSelection;
  std::optional<TpmClock> last_;
};

}  // namespace gatehouse::verify::tpm
