#include "webhook/attest/boot_logs.h"

#include "common/crypto/hash.h"
#include "common/evidence/eventlog/event_log.h"
#include "common/verify/replay/event_log.h"

namespace gatehouse::webhook {
namespace {

constexpr unsigned kImaPcr = 10;  // the kernel's log, not the firmware's: it grows while the boot stays the same

Bytes KeyOf(BytesView log, const claims::VerifiedTpmClaims& quote, const std::string& command_line) {
  ByteWriter values;
  for (const auto& [bank, pcrs] : quote.pcrs()) {
    for (const auto& [pcr, value] : pcrs) {
      if (pcr == kImaPcr) continue;
      values.PutU8(static_cast<std::uint8_t>(bank));
      values.PutU8(static_cast<std::uint8_t>(pcr));
      values.PutSized16Be(value);
    }
  }
  return std::move(crypto::Hasher(HashAlgorithm::kSha256)
                       .Update(crypto::Hash(HashAlgorithm::kSha256, log))
                       .Update(crypto::Hash(HashAlgorithm::kSha256, AsBytes(command_line)))
                       .Update(values.bytes()))
      .Finish();
}

}  // namespace

Result<std::shared_ptr<const claims::VerifiedBootLog>> BootLogs::Verify(BytesView log,
                                                                        const claims::VerifiedTpmClaims& quote,
                                                                        const std::string& command_line) {
  Bytes key = KeyOf(log, quote, command_line);
  {
    std::lock_guard lock(mutex_);
    auto known = known_.find(key);
    if (known != known_.end()) {
      if (auto verified = known->second.lock()) return verified;
    }
  }
  ASSIGN_OR_RETURN(const auto parsed, evidence::eventlog::ParseEventLog(log));
  ASSIGN_OR_RETURN(auto verified,
                   verify::replay::EventLogVerifier::Verify(parsed, quote, {.command_line = command_line}));
  auto shared = std::make_shared<const claims::VerifiedBootLog>(std::move(verified));
  std::lock_guard lock(mutex_);
  if (known_.size() >= sweep_at_) {
    std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = 2 * known_.size() + 64;
  }
  known_[std::move(key)] = shared;
  return shared;
}

}  // namespace gatehouse::webhook
