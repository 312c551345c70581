// What differs between two logs of the same kind, in words. Nothing is proven by a log alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/evidence/eventlog/event_log.h"

namespace gatehouse::measure {

struct Difference {
  enum class Kind : std::uint8_t { kOnlyInA, kOnlyInB, kChanged };
  Kind kind;
  std::optional<unsigned> pcr;        // of boot events
  std::optional<std::uint64_t> a, b;  // number of the event or entry in each log
  std::string subject;                // printable: the part of the boot, the path
  std::string what;                   // printable: what differs
};
[[nodiscard]] std::string_view Name(Difference::Kind kind);  // "only in a", "only in b", "changed"

// Event by event: those of a PCR are aligned by their digests (longest common subsequence), and what is left between
// two that are the same is paired by what it is about. In the order of PCRs and then of the logs. Errors:
// kEventLogMismatch (no bank in common).
[[nodiscard]] Result<std::vector<Difference>> DiffEventLogs(const evidence::eventlog::EventLog& a,
                                                            const evidence::eventlog::EventLog& b);

// By path: those that are in one log only, and those with other digests. Binary of either endianness, or ASCII. The
// order of entries is no difference: programs do not start in the same order twice. Errors: kImaLogMalformed,
// kLimitExceeded.
[[nodiscard]] Result<std::vector<Difference>> DiffImaLogs(BytesView a, BytesView b);

}  // namespace gatehouse::measure
