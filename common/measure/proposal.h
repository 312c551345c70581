// From the boot event log of a machine that is known to be good: documents that the same boot meets. Text only: nothing
// is proven by a log alone, so a person must know that the machine was good.
#pragma once

#include <string>
#include <vector>

#include "common/evidence/eventlog/event_log.h"

namespace gatehouse::measure {

struct ProposalOptions {
  std::string name = "proposed";  // of both documents
  std::string set = "measured";   // of the set in the ReferenceValues
  std::string command_line = {};  // /proc/cmdline, if it is known: its text is proposed where it was measured
  std::string source = {};        // where the log is from, for people; may be empty
  std::string trust_root = "tpm-manufacturers";  // that the NodePolicy names: it must exist already
};

struct Proposal {
  std::string yaml;  // a ReferenceValues document and a NodePolicy, with comments that say what they rest on
  std::vector<std::string> notes;  // what a person should look at, for people
};

// Every event of PCR 0 to 9 and 11 to 14 gets a rule: a digest or text in the reference values, or an entry under
// `ignore` for what differs between good boots (boot variables, tables, partitions: MEASURED-BOOT finding 16). Secure
// Boot, if on, becomes required with the fingerprints of its keys. Errors: kContentUnsupported (the log has no bank but
// SHA-1, or nothing to make values of), kEventDataMismatch, kBootFailed (an error separator), kDebugModeOn: no such
// boot is to be copied.
[[nodiscard]] Result<Proposal> ProposeBoot(const evidence::eventlog::EventLog& log, const ProposalOptions& options);

}  // namespace gatehouse::measure
