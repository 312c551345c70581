#include <algorithm>
#include <utility>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "webhook/control/policy_status.h"

namespace gatehouse::webhook {
namespace {

using codec::ObjectReader;
using Entry = std::pair<policy::ObjectState, DecisionCounts>;

constexpr std::size_t kMessageBytes = 512;  // of one policy: enough for a path and what to write instead

std::string EncodeEntry(const Entry& entry, std::size_t message_bytes) {
  const auto& [state, counts] = entry;
  codec::JsonWriter json;
  json.BeginObject().Member("generation", std::to_string(state.generation)).Key("inForce").Bool(state.in_force);
  if (!state.in_force && state.in_force_generation != 0) {
    json.Member("inForceGeneration", std::to_string(state.in_force_generation));
  }
  for (const auto& [key, count] : {std::pair("allow", counts.allowed), std::pair("deny", counts.denied),
                                   std::pair("warn", counts.warned), std::pair("audit", counts.audited)}) {
    if (count != 0) json.Key(key).Uint(count);
  }
  if (!state.message.empty() && message_bytes > 0) json.Member("message", Printable(state.message, message_bytes));
  json.EndObject();
  return std::move(json).Finish();
}

// "KIND//NAME" has no namespace.
bool IsNamespaced(std::string_view key) {
  return key.find("//") == std::string_view::npos;
}

// The report with messages of at most that many bytes. Entries that do not fit are left out; tenants write policies of
// namespaces, so those come last.
std::string EncodeWith(const ReplicaReport& report, std::size_t message_bytes, bool& complete) {
  constexpr std::size_t kFrame = 64;
  std::size_t size = kFrame;
  complete = true;
  codec::JsonWriter json;
  json.BeginObject().Key("policies").BeginObject();
  for (bool namespaced : {false, true}) {
    for (const auto& [key, entry] : report) {
      if (IsNamespaced(key) != namespaced) continue;
      std::string text = EncodeEntry(entry, message_bytes);
      std::size_t more = text.size() + key.size() + std::string_view("\"\":,").size();
      if (more > limits::kReplicaReportBytes - size) {
        complete = false;
        break;
      }
      size += more;
      json.Key(key).Raw(text);
    }
  }
  json.EndObject().EndObject();
  return std::move(json).Finish();
}

// Generations and counts of reports are ours; anything but a number is a mistake.
std::int64_t Generation(ObjectReader& reader, std::string_view key, bool required) {
  std::optional<std::string> text = required ? reader.String(key) : reader.OptionalString(key);
  if (!text.has_value()) return 0;
  auto document = codec::JsonDocument::Parse(*text, {.max_bytes = limits::kKiB});
  auto number = document.ok() ? document->root().AsInt() : std::nullopt;
  if (!number.has_value() || *number < 0) reader.Fail(key, "must be the text of a number");
  return number.value_or(0);
}

std::uint64_t Count(ObjectReader& reader, std::string_view key) {
  auto raw = reader.Raw(key);
  if (!raw.has_value()) return 0;
  auto number = raw->AsUint();
  if (!number.has_value()) reader.Fail(key, "must be a number of decisions");
  return number.value_or(0);
}

Result<Entry> ReadEntry(ObjectReader reader, std::string_view key) {
  reader.IgnoreUnknown();  // of a replica of another release
  Entry entry;
  auto& [state, counts] = entry;
  std::size_t first = key.find('/');
  std::size_t second = first == std::string_view::npos ? first : key.find('/', first + 1);
  if (second == std::string_view::npos || first == 0 || second + 1 == key.size()) {
    reader.Fail("", "the key of a policy must be KIND/NAMESPACE/NAME");
    return reader.Finish().error();
  }
  state.kind = key.substr(0, first);
  state.namespace_name = key.substr(first + 1, second - first - 1);
  state.name = key.substr(second + 1);
  state.generation = Generation(reader, "generation", true);
  state.in_force = reader.OptionalBool("inForce").value_or(false);
  std::int64_t before = Generation(reader, "inForceGeneration", false);
  state.in_force_generation = state.in_force ? state.generation : before;
  state.message = reader.OptionalString("message").value_or("");
  counts = {.allowed = Count(reader, "allow"),
            .denied = Count(reader, "deny"),
            .warned = Count(reader, "warn"),
            .audited = Count(reader, "audit")};
  RETURN_IF_ERROR(reader.Finish());
  return entry;
}

}  // namespace

std::string EncodeReport(const ReplicaReport& report) {
  bool complete = false;
  std::string text = EncodeWith(report, kMessageBytes, complete);
  if (!complete) text = EncodeWith(report, 0, complete);
  return text;
}

Result<ReplicaReport> DecodeReport(std::string_view text) {
  ASSIGN_OR_RETURN(auto document, codec::JsonDocument::Parse(text, {.max_bytes = limits::kReplicaReportBytes}));
  ObjectReader reader(document, document.root(), Reason::kJsonMalformed);
  reader.IgnoreUnknown();
  ReplicaReport report;
  reader.Object("policies", ObjectReader::Presence::kRequired, [&](ObjectReader& policies) {
    for (std::size_t i = 0; i < policies.view().size(); ++i) {
      auto member = policies.view().member(i);
      static_cast<void>(policies.Raw(member.key));
      auto entry = ReadEntry(
          ObjectReader(document, member.value, Reason::kJsonMalformed, policies.path() + "." + std::string(member.key)),
          member.key);
      if (!entry.ok()) {
        policies.Fail(entry.error());
        continue;
      }
      report.insert_or_assign(std::string(member.key), std::move(*entry));
    }
  });
  RETURN_IF_ERROR(reader.Finish());
  return report;
}

}  // namespace gatehouse::webhook
