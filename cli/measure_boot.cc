// gatehouse measure boot --log FILE: ReferenceValues and a NodePolicy, on standard output.
#include <iostream>

#include "cli/evidence.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/evidence/eventlog/event_log.h"
#include "common/measure/proposal.h"

namespace gatehouse::cli {
namespace {

Result<std::string> NameOr(const std::string& given, std::string_view otherwise, std::string_view option) {
  if (given.empty()) return std::string(otherwise);
  auto name = NodeName::Parse(given);
  if (!name.ok()) {
    return Error{Reason::kConfigInvalid, std::string(option), "write lower-case letters, digits, - and . only"};
  }
  return name->text();
}

Result<measure::Proposal> Propose(const MeasureOptions& options) {
  measure::ProposalOptions how;
  ASSIGN_OR_RETURN(how.name, NameOr(options.name, how.name, "--name"));
  ASSIGN_OR_RETURN(how.set, NameOr(options.set, how.set, "--set"));
  how.command_line = options.command_line;
  ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(options.file, limits::kEventLogBytes));
  ASSIGN_OR_RETURN(const evidence::eventlog::EventLog log, evidence::eventlog::ParseEventLog(bytes));
  return measure::ProposeBoot(log, how);
}

}  // namespace

int MeasureBoot(const MeasureOptions& options) {
  auto proposal = Propose(options);
  if (!proposal.ok()) {
    PrintError(proposal.error(), false);
    const Reason reason = proposal.error().reason;
    return reason == Reason::kConfigInvalid || reason == Reason::kFileUnreadable ? kUsageOrPolicy : kRefused;
  }
  std::cout << proposal->yaml;
  for (const std::string& note : proposal->notes) std::cerr << "note: " << note << "\n";
  return kAdmitted;
}

}  // namespace gatehouse::cli
