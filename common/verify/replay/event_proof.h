// What is proven of one boot event whose digests are proven: what hashes to them.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "common/claims/boot.h"
#include "common/evidence/eventlog/event_data.h"
#include "common/evidence/eventlog/event_log.h"

namespace gatehouse::verify::replay {

struct EventProof {
  claims::BootEvent event;
  std::string false_data;  // why its data is not what was measured, though for its type it must be; else empty
};

// Events in the order of the log, each of a PCR that replays in `banks` (not empty) and with digests of their size in
// each.
class EventProver {
 public:
  // `command_line`: EventLogVerifier::Hints.
  explicit EventProver(std::string_view command_line);
  [[nodiscard]] EventProof Prove(const evidence::eventlog::Event& event, const std::vector<HashAlgorithm>& banks);

 private:
  [[nodiscard]] bool ProveKnownValue(const evidence::eventlog::Event& event, const std::vector<HashAlgorithm>& banks,
                                     EventProof& proof);
  void ProveByType(const evidence::eventlog::Event& event, const std::vector<HashAlgorithm>& banks, EventProof& proof);
  void ProveByPcr(const evidence::eventlog::Event& event, const std::vector<HashAlgorithm>& banks,
                  claims::BootEvent& proven, std::string& false_data);
  void ProveVariable(const evidence::eventlog::Event& event, const std::vector<HashAlgorithm>& banks,
                     EventProof& proof);
  void TakeVariable(const evidence::eventlog::Event& event, const evidence::eventlog::VariableData& variable,
                    claims::BootEvent& proven) const;
  [[nodiscard]] bool ProveCommandLineHint(const evidence::eventlog::Event& event,
                                          const std::vector<HashAlgorithm>& banks, claims::BootEvent& proven);

  std::string command_line_;
  // Forms in which the kernel's EFI stub may have been given it, and their digests, computed once for each bank.
  std::vector<Bytes> command_line_forms_;
  std::map<HashAlgorithm, std::vector<Bytes>> command_line_digests_;
  bool pcr7_separated_ = false;
};

// The part that an event of this PCR belongs to if nothing else is proven of it.
[[nodiscard]] claims::BootPart PartOfPcr(unsigned pcr);

}  // namespace gatehouse::verify::replay
