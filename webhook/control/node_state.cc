#include "webhook/control/node_state.h"

#include <algorithm>
#include <utility>

#include "common/codec/time.h"
#include "common/kube/api.h"

namespace gatehouse::webhook {
namespace {

using codec::JsonView;
using Effect = policy::UntrustedTaint::Effect;

constexpr std::string_view kNoSchedule = "NoSchedule";
constexpr std::string_view kNoExecute = "NoExecute";

// "Untrusted" -> "untrusted"
std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

std::string Seconds(WallTime time) {
  return codec::FormatTime(std::chrono::floor<std::chrono::seconds>(time));
}

std::optional<WallTime> TimeAt(JsonView object, std::string_view key) {
  std::string_view text = kube::TextAt(object, {key});
  if (text.empty()) return std::nullopt;
  auto time = codec::ParseTime(text);
  return time.ok() ? std::optional(*time) : std::nullopt;
}

std::optional<JsonView> Member(JsonView object, std::string_view outer, std::string_view inner) {
  auto found = object.Find(outer);
  return found.has_value() ? found->Find(inner) : std::nullopt;
}

std::optional<std::string> LabelOf(JsonView node, std::string_view key) {
  auto labels = Member(node, "metadata", "labels");
  auto label = labels.has_value() ? labels->Find(key) : std::nullopt;
  if (!label.has_value()) return std::nullopt;
  return std::string(label->AsString().value_or(""));
}

void ReadTaints(JsonView node, NodeState& state) {
  auto taints = Member(node, "spec", "taints");
  if (!taints.has_value() || !taints->IsArray()) return;
  for (std::size_t i = 0; i < taints->size(); ++i) {
    JsonView taint = taints->at(i);
    if (kube::TextAt(taint, {"key"}) != kube::kUntrustedTaint) {
      state.other_taints.push_back(taint.Serialize());
      continue;
    }
    state.taints.push_back({.effect = std::string(kube::TextAt(taint, {"effect"})),
                            .value = std::string(kube::TextAt(taint, {"value"})),
                            .added = TimeAt(taint, "timeAdded")});
  }
}

void ReadCondition(JsonView node, NodeState& state) {
  auto conditions = Member(node, "status", "conditions");
  if (!conditions.has_value() || !conditions->IsArray()) return;
  for (std::size_t i = 0; i < conditions->size(); ++i) {
    JsonView condition = conditions->at(i);
    if (kube::TextAt(condition, {"type"}) != kube::kNodeCondition) continue;
    state.condition = NodeState::Condition{.status = std::string(kube::TextAt(condition, {"status"})),
                                           .reason = std::string(kube::TextAt(condition, {"reason"})),
                                           .message = std::string(kube::TextAt(condition, {"message"}))};
  }
}

std::optional<kube::Verdict> VerdictNamed(std::string_view name) {
  for (kube::Verdict verdict :
       {kube::Verdict::kUnknown, kube::Verdict::kTrusted, kube::Verdict::kUntrusted, kube::Verdict::kExpired}) {
    if (kube::Name(verdict) == name) return verdict;
  }
  return std::nullopt;
}

// The taints that are to be there. A kNoSchedule keeps the time that it has.
std::vector<NodeState::Taint> TaintsWanted(const NodeState& node, const WantedMarks& wanted, WallTime now) {
  std::vector<NodeState::Taint> taints;
  if (!wanted.marks.taint.has_value()) return taints;
  std::string value = Lower(kube::Name(wanted.verdict));
  if (*wanted.marks.taint == Effect::kNoExecute) {
    taints.push_back({.effect = std::string(kNoExecute), .value = value, .added = wanted.evicted.value_or(now)});
  }
  NodeState::Taint schedule{.effect = std::string(kNoSchedule), .value = value, .added = wanted.since};
  for (const NodeState::Taint& there : node.taints) {
    if (there.effect == kNoSchedule && there.added.has_value()) schedule.added = std::min(*there.added, now);
  }
  taints.push_back(std::move(schedule));
  return taints;
}

bool TaintsAreRight(const NodeState& node, const std::vector<NodeState::Taint>& wanted) {
  return node.taints.size() == wanted.size() &&
         std::all_of(wanted.begin(), wanted.end(), [&](const NodeState::Taint& taint) {
           return std::any_of(node.taints.begin(), node.taints.end(), [&](const NodeState::Taint& there) {
             return there.effect == taint.effect && there.value == taint.value;
           });
         });
}

void WriteTaints(codec::JsonWriter& json, const NodeState& node, const std::vector<NodeState::Taint>& ours) {
  json.Key("spec").BeginObject().Key("taints").BeginArray();
  for (const std::string& taint : node.other_taints) json.Raw(taint);
  for (const NodeState::Taint& taint : ours) {
    json.BeginObject().Member("key", kube::kUntrustedTaint).Member("value", taint.value);
    json.Member("effect", taint.effect);
    if (taint.added.has_value()) json.Member("timeAdded", Seconds(*taint.added));
    json.EndObject();
  }
  json.EndArray().EndObject();
}

// What becomes of a label: its text, null if it is to go, nothing if it is right.
struct LabelChange {
  std::string_view key;
  std::optional<std::string> text;
};

void AddChange(std::vector<LabelChange>& changes, std::string_view key, const std::optional<std::string>& there,
               std::optional<std::string> wanted) {
  if (there != wanted) changes.push_back({key, std::move(wanted)});
}

std::string StatusOf(kube::Verdict verdict) {
  switch (verdict) {
    case kube::Verdict::kTrusted:
      return "True";
    case kube::Verdict::kUntrusted:
    case kube::Verdict::kExpired:
      return "False";
    case kube::Verdict::kUnknown:
      break;
  }
  return "Unknown";
}

void BeginPatch(codec::JsonWriter& json, const NodeState& node) {
  json.BeginObject().Key("metadata").BeginObject().Member("resourceVersion", node.resource_version);
}

}  // namespace

std::string FormatLabelTime(WallTime time) {
  std::string text = Seconds(time);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

std::optional<WallTime> ParseLabelTime(std::string_view text) {
  constexpr std::size_t kLength = std::string_view("20261121T235700Z").size();
  if (text.size() != kLength) return std::nullopt;
  std::string full(text);
  for (std::size_t at : {13U, 11U}) full.insert(at, ":");
  for (std::size_t at : {6U, 4U}) full.insert(at, "-");
  auto time = codec::ParseTime(full);
  return time.ok() ? std::optional(*time) : std::nullopt;
}

NodeMarks NodeState::Marks() const {
  NodeMarks marks;
  if (label == "true") marks.label = true;
  if (label == "false") marks.label = false;
  for (const Taint& taint : taints) {
    if (taint.effect == kNoExecute) marks.taint = Effect::kNoExecute;
    if (taint.effect == kNoSchedule && !marks.taint.has_value()) marks.taint = Effect::kNoSchedule;
  }
  if (condition.has_value()) marks.condition = VerdictNamed(condition->reason);
  return marks;
}

std::optional<WallTime> NodeState::Evicted() const {
  return evicted.has_value() ? ParseLabelTime(*evicted) : std::nullopt;
}

std::optional<WallTime> NodeState::Tainted() const {
  std::optional<WallTime> first;
  for (const Taint& taint : taints) {
    if (taint.added.has_value()) first = first.has_value() ? std::min(*first, *taint.added) : *taint.added;
  }
  return first;
}

std::optional<kube::Verdict> NodeState::Announced() const {
  NodeMarks marks = Marks();
  if (marks.condition.has_value()) return marks.condition;
  if (!marks.label.has_value()) return std::nullopt;
  return *marks.label ? kube::Verdict::kTrusted : kube::Verdict::kUnknown;
}

bool NodeState::SameAs(const NodeState& other) const {
  return name == other.name && uid == other.uid && label == other.label && evicted == other.evicted &&
         taints == other.taints && condition == other.condition;
}

std::optional<NodeState> ReadNode(JsonView node) {
  NodeState state{.name = std::string(kube::TextAt(node, {"metadata", "name"})),
                  .uid = std::string(kube::TextAt(node, {"metadata", "uid"})),
                  .resource_version = std::string(kube::TextAt(node, {"metadata", "resourceVersion"})),
                  .label = LabelOf(node, kube::kTrustedLabel),
                  .evicted = LabelOf(node, kEvictedLabel),
                  .taints = {},
                  .other_taints = {},
                  .condition = {}};
  if (state.name.empty() || state.uid.empty()) return std::nullopt;
  ReadTaints(node, state);
  ReadCondition(node, state);
  return state;
}

std::optional<std::string> MarksPatch(const NodeState& node, const WantedMarks& wanted, WallTime now) {
  std::vector<NodeState::Taint> taints = TaintsWanted(node, wanted, now);
  bool taints_right = TaintsAreRight(node, taints);
  std::vector<LabelChange> labels;
  std::optional<std::string> label;
  if (wanted.marks.label.has_value()) label = *wanted.marks.label ? "true" : "false";
  AddChange(labels, kube::kTrustedLabel, node.label, label);
  if (wanted.marks.taint == Effect::kNoExecute) {
    AddChange(labels, kEvictedLabel, node.evicted, FormatLabelTime(wanted.evicted.value_or(now)));
  } else if (wanted.forget_eviction) {
    AddChange(labels, kEvictedLabel, node.evicted, std::nullopt);
  }
  if (taints_right && labels.empty()) return std::nullopt;

  codec::JsonWriter json;
  BeginPatch(json, node);
  if (!labels.empty()) {
    json.Key("labels").BeginObject();
    for (const LabelChange& change : labels) {
      json.Key(change.key);
      change.text.has_value() ? json.String(*change.text) : json.Null();
    }
    json.EndObject();
  }
  json.EndObject();
  if (!taints_right) WriteTaints(json, node, taints);
  json.EndObject();
  return std::move(json).Finish();
}

std::optional<std::string> ConditionPatch(const NodeState& node, const WantedMarks& wanted, WallTime now) {
  if (!wanted.marks.condition.has_value() && !node.condition.has_value()) return std::nullopt;
  codec::JsonWriter json;
  BeginPatch(json, node);
  json.EndObject().Key("status").BeginObject().Key("conditions").BeginArray().BeginObject();
  json.Member("type", kube::kNodeCondition);
  if (!wanted.marks.condition.has_value()) {
    json.Member("$patch", "delete");
  } else {
    NodeState::Condition condition{.status = StatusOf(*wanted.marks.condition),
                                   .reason = std::string(kube::Name(*wanted.marks.condition)),
                                   .message = wanted.message};
    if (node.condition == condition) return std::nullopt;
    json.Member("status", condition.status).Member("reason", condition.reason).Member("message", condition.message);
    if (!node.condition.has_value() || node.condition->status != condition.status) {
      json.Member("lastTransitionTime", Seconds(now));
    }
  }
  json.EndObject().EndArray().EndObject().EndObject();
  return std::move(json).Finish();
}

}  // namespace gatehouse::webhook
