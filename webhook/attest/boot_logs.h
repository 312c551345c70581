// Boot event logs, verified once for as long as anybody holds the result: the logs of a node are the same from one
// attestation to the next, and those of many machines are.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "common/base/types.h"
#include "common/claims/boot.h"
#include "common/claims/tpm.h"

namespace gatehouse::webhook {

// Thread-safe.
class BootLogs {
 public:
  // Errors: those of parsing and of EventLogVerifier.
  [[nodiscard]] Result<std::shared_ptr<const claims::VerifiedBootLog>> Verify(BytesView log,
                                                                              const claims::VerifiedTpmClaims& quote,
                                                                              const std::string& command_line);

 private:
  std::mutex mutex_;
  // By a digest of the log, of the values that were quoted, and of the hint.
  std::map<Bytes, std::weak_ptr<const claims::VerifiedBootLog>> known_;
  std::size_t sweep_at_ = 64;
};

}  // namespace gatehouse::webhook
