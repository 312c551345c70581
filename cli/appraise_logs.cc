// gatehouse appraise event-log, gatehouse appraise ima-log: what a log holds and replays to. Nothing vouches for it
// here: that is what a quote is for (appraise tpm).
#include <array>
#include <iostream>
#include <map>

#include "cli/appraise_input.h"
#include "cli/evidence.h"
#include "cli/verdict.h"
#include "common/base/encoding.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/evidence/eventlog/event_data.h"
#include "common/verify/replay/event_log.h"
#include "common/verify/replay/ima.h"

namespace gatehouse::cli {
namespace {

namespace eventlog = evidence::eventlog;
using appraisal::Finding;

constexpr std::array<HashAlgorithm, 4> kBanks = {HashAlgorithm::kSha1, HashAlgorithm::kSha256, HashAlgorithm::kSha384,
                                                 HashAlgorithm::kSha512};
constexpr std::size_t kShownEntries = 1000;

void WriteEvent(codec::JsonWriter& json, const eventlog::Event& event) {
  json.BeginObject().Key("number").Uint(event.number).Key("pcr").Uint(event.pcr);
  json.Member("type", eventlog::EventTypeName(event.type)).Key("digests").BeginObject();
  for (const HashAlgorithm bank : kBanks) {
    if (!event.digest(bank).empty()) json.Member(Name(bank), EncodeHex(event.digest(bank)));
  }
  json.EndObject().Member("description", eventlog::DescribeEvent(event)).EndObject();
}

void WritePcrs(codec::JsonWriter& json, const verify::replay::Replayed& replayed) {
  json.Key("pcrs").BeginObject();
  for (const auto& [bank, pcrs] : replayed.pcrs) {
    json.Key(Name(bank)).BeginObject();
    for (const auto& [pcr, value] : pcrs) json.Member(std::to_string(pcr), EncodeHex(value));
    json.EndObject();
  }
  json.EndObject();
}

// "on", "off", or "unknown": what the log says, whether or not it is true.
std::string_view SecureBootOf(const eventlog::EventLog& log) {
  std::string_view state = "unknown";
  for (const eventlog::Event& event : log.events) {
    if (event.pcr != 7 || event.type != eventlog::event_type::kEfiVariableDriverConfig) continue;
    const auto variable = eventlog::ParseVariableData(event.data);
    if (!variable.ok() || variable->name != "SecureBoot") continue;
    state = variable->data.size() == 1 && variable->data.front() == 1 ? "on" : "off";
  }
  return state;
}

bool IsErrorSeparator(const eventlog::Event& event) {
  return event.type == eventlog::event_type::kSeparator &&
         (AsText(event.data) == std::string_view("\x01\0\0\0", 4) || AsText(event.data) == "\xFF\xFF\xFF\xFF");
}

void WriteFacts(codec::JsonWriter& json, const eventlog::EventLog& log, const verify::replay::Replayed& replayed) {
  json.Key("facts").BeginObject().Member("secureBoot", SecureBootOf(log));
  if (replayed.startup_locality) json.Key("startupLocality").Uint(*replayed.startup_locality);
  json.Key("applications").BeginArray();
  for (const eventlog::Event& event : log.events) {
    if (event.pcr != 4 || event.type != eventlog::event_type::kEfiBootServicesApplication) continue;
    const HashAlgorithm bank = log.banks.size() > 1 ? HashAlgorithm::kSha256 : log.banks.front();
    json.BeginObject()
        .Member("digest", std::string(Name(bank)) + ":" + EncodeHex(event.digest(bank)))
        .Member("description", eventlog::DescribeEvent(event))
        .EndObject();
  }
  json.EndArray().EndObject();
}

struct ImaCounts {
  std::uint64_t entries = 0;
  std::uint64_t violations = 0;
  std::map<std::string, std::uint64_t, std::less<>> templates;
  std::vector<Finding> bad;
};

void CountEntry(ImaCounts& counts, const claims::ImaEntry& entry) {
  ++counts.entries;
  auto known = counts.templates.find(entry.template_name);
  if (known == counts.templates.end()) known = counts.templates.emplace(Printable(entry.template_name), 0).first;
  ++known->second;
  const bool violation = entry.violation;
  if (violation) ++counts.violations;
  if (!violation && !entry.unknown_fields) return;
  if (counts.bad.size() >= kShownEntries) return;
  counts.bad.push_back({violation ? Reason::kImaViolation : Reason::kImaEntryUnexpected,
                        "ima entry " + std::to_string(entry.number),
                        Printable(entry.path) + (violation ? ": the kernel could not measure it (open for writing)"
                                                           : ": a template with fields that are not known")});
}

void WritePcr10(codec::JsonWriter& json, const verify::replay::ImaReplay& replay) {
  json.Key("pcr10").BeginObject();
  for (const HashAlgorithm bank : kBanks) {
    json.Member(Name(bank), EncodeHex(replay.Pcr(bank)));
    const Bytes padded = replay.Pcr(bank, true);
    if (bank != HashAlgorithm::kSha1 && !padded.empty()) {
      json.Member(std::string(Name(bank)) + "-of-padded-sha1", EncodeHex(padded));
    }
  }
  json.EndObject();
}

}  // namespace

int AppraiseEventLog(const AppraiseOptions& options) {
  const auto bytes = ReadFile(options.file, limits::kEventLogBytes);
  if (!bytes.ok()) return ReportError(bytes.error());
  const auto log = eventlog::ParseEventLog(*bytes, true);
  if (!log.ok()) return ReportError(log.error());
  const auto replayed = verify::replay::Replay(*log);
  Verdict verdict;
  if (!replayed.problem.empty()) verdict.reasons.push_back({Reason::kEventLogMalformed, "pcr 0", replayed.problem});
  for (const eventlog::Event& event : log->events) {
    if (!IsErrorSeparator(event)) continue;
    verdict.reasons.push_back({Reason::kBootFailed, "boot event " + std::to_string(event.number),
                               "an error separator in PCR " + std::to_string(event.pcr)});
  }
  verdict.claims = [&](codec::JsonWriter& json) {
    json.Member("format", log->format == eventlog::Format::kSha1 ? "sha1" : "crypto-agile").Key("banks").BeginArray();
    for (const HashAlgorithm bank : log->banks) json.String(Name(bank));
    json.EndArray();
    WriteFacts(json, *log, replayed);
    WritePcrs(json, replayed);
    json.Key("events").BeginArray();
    for (const eventlog::Event& event : log->events) WriteEvent(json, event);
    json.EndArray();
  };
  return Report(verdict);
}

int AppraiseImaLog(const AppraiseOptions& options) {
  const auto encoding = EncodingOf(options.file, options.format);
  if (!encoding.ok()) return ReportError(encoding.error());
  const auto binary = *encoding == evidence::ima::Encoding::kAscii ? evidence::ima::Encoding::kLittleEndian : *encoding;
  verify::replay::ImaReplay replay({.encoding = binary, .banks = {kBanks.begin(), kBanks.end()}});
  ImaCounts counts;
  const auto left = StreamImaLog(options.file, *encoding, [&](BytesView piece) {
    return replay.Advance(piece, [&](const claims::ImaEntry& entry) { CountEntry(counts, entry); });
  });
  if (!left.ok() && ClassOf(left.error().reason) == ReasonClass::kUsage) return ReportError(left.error());
  Verdict verdict{.reasons = counts.bad};
  if (!left.ok()) verdict.reasons.push_back({left.error().reason, left.error().where, left.error().detail});
  if (left.ok() && *left > 0) {
    verdict.reasons.push_back({Reason::kImaLogMalformed, "ima entry " + std::to_string(replay.count()),
                               "the log ends within it: " + std::to_string(*left) + " bytes are left over"});
  }
  if (left.ok() && counts.entries == 0) verdict.reasons.push_back({Reason::kImaLogMalformed, "IMA log", "is empty"});
  verdict.claims = [&](codec::JsonWriter& json) {
    json.Member("encoding", Name(*encoding)).Key("entries").Uint(replay.count());
    json.Key("violations").Uint(counts.violations).Key("templates").BeginObject();
    for (const auto& [name, count] : counts.templates) json.Key(name).Uint(count);
    json.EndObject();
    WritePcr10(json, replay);
  };
  return Report(verdict);
}

}  // namespace gatehouse::cli
