// gatehouse diff A B: two boot event logs, or two IMA logs.
#include <iostream>

#include "cli/evidence.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/evidence/eventlog/event_log.h"
#include "common/measure/diff.h"

namespace gatehouse::cli {
namespace {

using measure::Difference;
using Differences = std::vector<Difference>;

struct Compared {
  std::string_view kind;  // "boot event log", "ima log"
  Differences differences;
};

// Both must be boot event logs: an IMA log is none, for its first entry is no event of a firmware (PCR 10, and what
// would be the type is a digest).
Result<Compared> Compare(const DiffOptions& options) {
  ASSIGN_OR_RETURN(const Bytes a, ReadFile(options.a, limits::kImaLogBytes));
  ASSIGN_OR_RETURN(const Bytes b, ReadFile(options.b, limits::kImaLogBytes));
  auto events_a = evidence::eventlog::ParseEventLog(a);
  auto events_b = evidence::eventlog::ParseEventLog(b);
  if (events_a.ok() && events_b.ok()) {
    ASSIGN_OR_RETURN(Differences found, measure::DiffEventLogs(*events_a, *events_b));
    return Compared{"boot event log", std::move(found)};
  }
  if (events_a.ok() || events_b.ok()) {
    const std::string& other = events_a.ok() ? options.b : options.a;
    const Error& why = events_a.ok() ? events_b.error() : events_a.error();
    return Error{why.reason, other, "it is no boot event log, and the other is: " + why.detail};
  }
  auto found = measure::DiffImaLogs(a, b);
  if (!found.ok()) {
    return Error{found.error().reason, options.a + ", " + options.b,
                 "neither two boot event logs (" + events_a.error().ToString() + ") nor two IMA logs (" +
                     found.error().ToString() + ")"};
  }
  return Compared{"ima log", *std::move(found)};
}

void PrintJson(const Compared& compared) {
  codec::JsonWriter json;
  json.BeginObject().Member("kind", compared.kind).Key("differences").BeginArray();
  for (const Difference& difference : compared.differences) {
    json.BeginObject().Member("kind", measure::Name(difference.kind));
    if (difference.pcr) json.Key("pcr").Uint(*difference.pcr);
    if (difference.a) json.Key("a").Uint(*difference.a);
    if (difference.b) json.Key("b").Uint(*difference.b);
    json.Member("subject", difference.subject).Member("what", difference.what).EndObject();
  }
  json.EndArray().EndObject();
  std::cout << std::move(json).Finish() << "\n";
}

void PrintText(const Compared& compared) {
  if (compared.differences.empty()) std::cout << "no difference (" << compared.kind << "s)\n";
  for (const Difference& difference : compared.differences) {
    std::cout << measure::Name(difference.kind) << ": ";
    if (difference.pcr) std::cout << "pcr " << *difference.pcr << ", ";
    std::cout << (difference.pcr ? "event " : "entry ");
    if (difference.a) std::cout << *difference.a;
    if (difference.a && difference.b) std::cout << " / ";
    if (difference.b) std::cout << *difference.b;
    std::cout << ", " << difference.subject << ": " << difference.what << "\n";
  }
}

}  // namespace

int DiffLogs(const DiffOptions& options) {
  auto compared = Compare(options);
  if (!compared.ok()) {
    PrintError(compared.error(), options.json);
    return compared.error().reason == Reason::kFileUnreadable ? kUsageOrPolicy : kCouldNotCheck;
  }
  if (options.json) {
    PrintJson(*compared);
  } else {
    PrintText(*compared);
  }
  return compared->differences.empty() ? kAdmitted : kRefused;
}

}  // namespace gatehouse::cli
