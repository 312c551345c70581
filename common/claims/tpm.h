// What is proven about a node by its TPM. A VerifiedTpmClaims can be made by verify::tpm only, so that appraisal and
// policy never see a claim that no quote vouches for.
#pragma once

#include <map>

#include "common/base/types.h"

namespace gatehouse::verify::tpm {
class QuoteVerifier;
}

namespace gatehouse::claims {

struct TpmClock {
  std::uint64_t clock_ms;
  std::uint32_t reset_count;
  std::uint32_t restart_count;
  bool safe;
  std::uint64_t firmware_version = 0;  // of the TPM; 0: not known. Changes with a reset only
  friend bool operator==(const TpmClock&, const TpmClock&) = default;
};

class VerifiedTpmClaims {
 public:
  // Bank -> PCR index -> value, exactly what the TPM signed over. Never PCR 16 or 23.
  [[nodiscard]] const std::map<HashAlgorithm, std::map<unsigned, Bytes>>& pcrs() const { return pcrs_; }
  [[nodiscard]] const TpmClock& clock() const { return clock_; }
  [[nodiscard]] std::uint64_t firmware_version() const { return firmware_version_; }
  [[nodiscard]] const Bytes& ak_name() const { return ak_name_; }

 private:
  friend class verify::tpm::QuoteVerifier;
  VerifiedTpmClaims() = default;
  std::map<HashAlgorithm, std::map<unsigned, Bytes>> pcrs_;
  TpmClock clock_{};
  std::uint64_t firmware_version_ = 0;
  Bytes ak_name_;
};

}  // namespace gatehouse::claims
