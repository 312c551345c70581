// A Node as it is read, and the patches that change what is ours on it and nothing else.
#include "webhook/control/node_state.h"

#include <gtest/gtest.h>

#include "tests/fakes/json_value.h"

namespace gatehouse::webhook {
namespace {

using Effect = policy::UntrustedTaint::Effect;
using fakes::JsonValue;
using kube::Verdict;

const WallTime kNow{Duration(1'795'262'400'000)};  // 2026-11-21T12:00:00Z
constexpr const char* kOwnTaint =
    R"({"key":"attestation.node-restriction.kubernetes.io/untrusted","value":"untrusted","effect":"NoSchedule","timeAdded":"2026-11-21T11:00:00Z"})";
constexpr const char* kOthers =
    R"({"key":"a","effect":"NoSchedule"},{"key":"b","value":"x","effect":"NoExecute","timeAdded":"2026-01-01T00:00:00Z","future":{"y":1}})";

std::string Node(const std::string& labels, const std::string& taints, const std::string& conditions) {
  return R"({"metadata":{"name":"n1","uid":"u1","resourceVersion":"17","labels":{"kubernetes.io/os":"linux")" + labels +
         R"(}},"spec":{"taints":[)" + taints + R"(]},"status":{"conditions":[{"type":"Ready","status":"True"})" +
         conditions + "]}}";
}
NodeState Read(const std::string& json) {
  auto document = codec::JsonDocument::Parse(json, {.max_bytes = 1 << 20});
  EXPECT_TRUE(document.ok());
  auto node = ReadNode(document->root());
  EXPECT_TRUE(node.has_value());
  return node.value_or(NodeState{});
}
JsonValue Parsed(const std::optional<std::string>& json) {
  EXPECT_TRUE(json.has_value());
  auto value = JsonValue::Parse(json.value_or("{}"));
  EXPECT_TRUE(value.has_value());
  return value.value_or(JsonValue());
}
const std::string kLabelTrue = R"(,"attestation.node-restriction.kubernetes.io/trusted":"true")";
const std::string kLabelFalse = R"(,"attestation.node-restriction.kubernetes.io/trusted":"false")";
const std::string kConditionTrue =
    R"(,{"type":"GatehouseTrusted","status":"True","reason":"Trusted","message":"m","lastTransitionTime":"2026-01-01T00:00:00Z"})";

WantedMarks Trusted() {
  return {.marks = {.label = true, .taint = std::nullopt, .condition = Verdict::kTrusted},
          .verdict = Verdict::kTrusted,
          .since = kNow,
          .message = "m"};
}
WantedMarks Untrusted(Effect effect) {
  return {.marks = {.label = false, .taint = effect, .condition = Verdict::kUntrusted},
          .verdict = Verdict::kUntrusted,
          .since = kNow - std::chrono::minutes(3),
          .message = "m"};
}

TEST(NodeState, ReadsWhatIsOurs) {
  NodeState node = Read(Node(kLabelFalse, std::string(kOthers) + "," + kOwnTaint,
                             R"(,{"type":"GatehouseTrusted","status":"False","reason":"Expired","message":"late"})"));
  EXPECT_EQ(node.name, "n1");
  EXPECT_EQ(node.uid, "u1");
  EXPECT_EQ(node.resource_version, "17");
  EXPECT_EQ(node.Marks(), (NodeMarks{.label = false, .taint = Effect::kNoSchedule, .condition = Verdict::kExpired}));
  EXPECT_EQ(node.other_taints.size(), 2U);
  EXPECT_EQ(node.Tainted(), kNow - std::chrono::hours(1));
  EXPECT_EQ(node.Evicted(), std::nullopt);
  EXPECT_EQ(node.Announced(), Verdict::kExpired);
}

TEST(NodeState, WhatSomebodyElseWroteUnderOurNamesIsNoMark) {
  NodeState node =
      Read(Node(R"(,"attestation.node-restriction.kubernetes.io/trusted":"yes")",
                R"({"key":"attestation.node-restriction.kubernetes.io/untrusted","effect":"PreferNoSchedule"})",
                R"(,{"type":"GatehouseTrusted","status":"True","reason":"Perfect"})"));
  EXPECT_EQ(node.Marks(), NodeMarks{});
  EXPECT_EQ(node.label, "yes");
  JsonValue patch = Parsed(MarksPatch(node, Trusted(), kNow));
  EXPECT_EQ(patch.TextAt({"metadata", "labels", kube::kTrustedLabel}), "true");
  EXPECT_EQ(patch.At({"spec", "taints"})->elements.size(), 0U);
}

TEST(NodeState, WithoutNameOrUidIsNone) {
  for (const char* json : {R"({"metadata":{"name":"n1"}})", R"({"metadata":{"uid":"u1"}})", R"({})", "[]"}) {
    auto document = codec::JsonDocument::Parse(json, {.max_bytes = 1024});
    EXPECT_FALSE(ReadNode(document->root()).has_value()) << json;
  }
}

TEST(NodeState, SameButForItsVersionAndOthersTaints) {
  NodeState node = Read(Node(kLabelTrue, kOwnTaint, kConditionTrue));
  NodeState other = node;
  other.resource_version = "18";
  EXPECT_TRUE(node.SameAs(other));
  other.taints.clear();
  EXPECT_FALSE(node.SameAs(other));
}

TEST(MarksPatch, NothingWhenAllIsRight) {
  EXPECT_EQ(MarksPatch(Read(Node(kLabelTrue, kOthers, "")), Trusted(), kNow), std::nullopt);
  EXPECT_EQ(MarksPatch(Read(Node(kLabelFalse, kOwnTaint, "")), Untrusted(Effect::kNoSchedule), kNow), std::nullopt);
  EXPECT_EQ(MarksPatch(Read(Node("", kOthers, "")), WantedMarks{}, kNow), std::nullopt);
}

TEST(MarksPatch, LabelAloneLeavesTaintsOutOfIt) {
  JsonValue patch = Parsed(MarksPatch(Read(Node(kLabelFalse, kOthers, "")), Trusted(), kNow));
  EXPECT_EQ(patch.TextAt({"metadata", "resourceVersion"}), "17");
  EXPECT_EQ(patch.TextAt({"metadata", "labels", kube::kTrustedLabel}), "true");
  EXPECT_EQ(patch.At({"spec"}), nullptr);
  EXPECT_EQ(patch.members.size(), 1U);
}

TEST(MarksPatch, LabelAndTaintInOnePatchThatKeepsEveryOtherTaintAsItIs) {
  JsonValue node = *JsonValue::Parse(Node(kLabelTrue, kOthers, ""));
  auto patch = MarksPatch(Read(node.Write()), Untrusted(Effect::kNoSchedule), kNow);
  JsonValue before = node;
  ApplyMergePatch(node, Parsed(patch));
  EXPECT_EQ(node.TextAt({"metadata", "labels", kube::kTrustedLabel}), "false");
  EXPECT_EQ(node.TextAt({"metadata", "labels", "kubernetes.io/os"}), "linux");
  const auto& taints = node.At({"spec", "taints"})->elements;
  const auto& taints_before = before.At({"spec", "taints"})->elements;
  ASSERT_EQ(taints.size(), 3U);
  EXPECT_EQ(taints[0], taints_before[0]);
  EXPECT_EQ(taints[1], taints_before[1]) << "with members that we do not know";
  EXPECT_EQ(taints[2].TextAt({"key"}), kube::kUntrustedTaint);
  EXPECT_EQ(taints[2].TextAt({"effect"}), "NoSchedule");
  EXPECT_EQ(taints[2].TextAt({"value"}), "untrusted");
  EXPECT_EQ(taints[2].TextAt({"timeAdded"}), "2026-11-21T11:57:00Z") << "since when it is untrusted";
}

TEST(MarksPatch, AnotherVerdictChangesTheValueAndKeepsTheTime) {
  WantedMarks wanted = Untrusted(Effect::kNoSchedule);
  wanted.verdict = Verdict::kExpired;
  JsonValue patch = Parsed(MarksPatch(Read(Node(kLabelFalse, kOwnTaint, "")), wanted, kNow));
  const auto& taint = patch.At({"spec", "taints"})->elements[0];
  EXPECT_EQ(taint.TextAt({"value"}), "expired");
  EXPECT_EQ(taint.TextAt({"timeAdded"}), "2026-11-21T11:00:00Z");
}

// For pods that tolerate NoExecute alone the scheduler is not to choose the node meanwhile.
TEST(MarksPatch, NoExecuteComesBesideNoScheduleAndIsWrittenDown) {
  JsonValue patch = Parsed(MarksPatch(Read(Node(kLabelFalse, kOwnTaint, "")), Untrusted(Effect::kNoExecute), kNow));
  const auto& taints = patch.At({"spec", "taints"})->elements;
  ASSERT_EQ(taints.size(), 2U);
  EXPECT_EQ(taints[0].TextAt({"effect"}), "NoExecute");
  EXPECT_EQ(taints[0].TextAt({"timeAdded"}), "2026-11-21T12:00:00Z");
  EXPECT_EQ(taints[1].TextAt({"effect"}), "NoSchedule");
  EXPECT_EQ(taints[1].TextAt({"timeAdded"}), "2026-11-21T11:00:00Z") << "since when it is untrusted";
  EXPECT_EQ(patch.TextAt({"metadata", "labels", kEvictedLabel}), "20261121T120000Z");
}

const std::string kEvictedAtTen = R"(,"attestation.node-restriction.kubernetes.io/evicted":"20261121T100000Z")";
const std::string kNoExecuteTaint =
    R"({"key":"attestation.node-restriction.kubernetes.io/untrusted","value":"untrusted","effect":"NoExecute","timeAdded":"2099-01-01T00:00:00Z"})";

TEST(MarksPatch, NoExecuteThatIsThereIsLeftAsItIs) {
  NodeState node = Read(Node(kLabelFalse + kEvictedAtTen, std::string(kOwnTaint) + "," + kNoExecuteTaint, ""));
  WantedMarks wanted = Untrusted(Effect::kNoExecute);
  wanted.evicted = node.Evicted();
  EXPECT_EQ(wanted.evicted, kNow - std::chrono::hours(2));
  EXPECT_EQ(MarksPatch(node, wanted, kNow), std::nullopt);
}

TEST(MarksPatch, WhenItWasEvictedIsPutBackIfSomebodyTookItAway) {
  NodeState node = Read(Node(kLabelFalse, std::string(kOwnTaint) + "," + kNoExecuteTaint, ""));
  EXPECT_EQ(node.Evicted(), std::nullopt) << "a taint can be anybody's";
  WantedMarks wanted = Untrusted(Effect::kNoExecute);
  wanted.evicted = kNow - std::chrono::minutes(30);  // as this process remembers
  JsonValue patch = Parsed(MarksPatch(node, wanted, kNow));
  EXPECT_EQ(patch.TextAt({"metadata", "labels", kEvictedLabel}), "20261121T113000Z");
  EXPECT_EQ(patch.At({"spec"}), nullptr);
}

TEST(MarksPatch, NoExecuteAloneGetsNoScheduleBesideIt) {
  WantedMarks wanted = Untrusted(Effect::kNoExecute);
  wanted.evicted = kNow - std::chrono::hours(2);
  JsonValue patch = Parsed(MarksPatch(Read(Node(kLabelFalse + kEvictedAtTen, kNoExecuteTaint, "")), wanted, kNow));
  EXPECT_EQ(patch.At({"spec", "taints"})->elements.size(), 2U);
}

TEST(MarksPatch, NoExecuteThatIsNotWantedGoes) {
  std::string two = std::string(kOwnTaint) + "," + kNoExecuteTaint;
  JsonValue patch = Parsed(MarksPatch(Read(Node(kLabelFalse, two, "")), Untrusted(Effect::kNoSchedule), kNow));
  const auto& taints = patch.At({"spec", "taints"})->elements;
  ASSERT_EQ(taints.size(), 1U);
  EXPECT_EQ(taints[0].TextAt({"effect"}), "NoSchedule");
}

TEST(MarksPatch, UncoveredTakesAllOfOursAndNothingElse) {
  JsonValue node = *JsonValue::Parse(Node(kLabelFalse, std::string(kOwnTaint) + "," + kOthers, ""));
  ApplyMergePatch(node, Parsed(MarksPatch(Read(node.Write()), WantedMarks{}, kNow)));
  JsonValue clean = *JsonValue::Parse(Node("", kOthers, ""));
  EXPECT_EQ(node.Write(), clean.Write());
}

TEST(MarksPatch, AnEvictionThatIsOfNoUseIsForgotten) {
  NodeState node =
      Read(Node(kLabelTrue + R"(,"attestation.node-restriction.kubernetes.io/evicted":"20261119T100000Z")", "", ""));
  EXPECT_EQ(MarksPatch(node, Trusted(), kNow), std::nullopt);
  WantedMarks wanted = Trusted();
  wanted.forget_eviction = true;
  JsonValue patch = Parsed(MarksPatch(node, wanted, kNow));
  EXPECT_EQ(patch.At({"metadata", "labels", kEvictedLabel})->kind, JsonValue::Kind::kNull);
}

std::string_view KeyOf(std::string_view list) {
  return list == "conditions" ? "type" : "";
}

TEST(ConditionPatch, IsAddedBesideOthers) {
  JsonValue node = *JsonValue::Parse(Node("", "", ""));
  ApplyStrategicPatch(node, Parsed(ConditionPatch(Read(node.Write()), Trusted(), kNow)), KeyOf);
  const auto& conditions = node.At({"status", "conditions"})->elements;
  ASSERT_EQ(conditions.size(), 2U);
  EXPECT_EQ(conditions[0].TextAt({"type"}), "Ready");
  EXPECT_EQ(conditions[1].TextAt({"type"}), "GatehouseTrusted");
  EXPECT_EQ(conditions[1].TextAt({"status"}), "True");
  EXPECT_EQ(conditions[1].TextAt({"reason"}), "Trusted");
  EXPECT_EQ(conditions[1].TextAt({"lastTransitionTime"}), "2026-11-21T12:00:00Z");
  EXPECT_EQ(conditions[1].At({"lastHeartbeatTime"}), nullptr);
}

TEST(ConditionPatch, TheTimeMovesWithTheStatusOnly) {
  NodeState node = Read(Node("", "", kConditionTrue));
  EXPECT_EQ(ConditionPatch(node, Trusted(), kNow), std::nullopt);
  WantedMarks wanted = Trusted();
  wanted.message = "another";
  JsonValue patch = Parsed(ConditionPatch(node, wanted, kNow));
  EXPECT_EQ(patch.At({"status", "conditions"})->elements[0].At({"lastTransitionTime"}), nullptr);
  patch = Parsed(ConditionPatch(node, Untrusted(Effect::kNoSchedule), kNow));
  EXPECT_EQ(patch.At({"status", "conditions"})->elements[0].TextAt({"lastTransitionTime"}), "2026-11-21T12:00:00Z");
}

TEST(ConditionPatch, StatusOfEachVerdict) {
  const std::pair<Verdict, const char*> rows[] = {{Verdict::kTrusted, "True"},
                                                  {Verdict::kUntrusted, "False"},
                                                  {Verdict::kExpired, "False"},
                                                  {Verdict::kUnknown, "Unknown"}};
  for (const auto& [verdict, status] : rows) {
    WantedMarks wanted = Trusted();
    wanted.marks.condition = verdict;
    JsonValue patch = Parsed(ConditionPatch(Read(Node("", "", "")), wanted, kNow));
    EXPECT_EQ(patch.At({"status", "conditions"})->elements[0].TextAt({"status"}), status);
    EXPECT_EQ(patch.At({"status", "conditions"})->elements[0].TextAt({"reason"}), kube::Name(verdict));
  }
}

TEST(ConditionPatch, UncoveredTakesItAway) {
  JsonValue node = *JsonValue::Parse(Node("", "", kConditionTrue));
  ApplyStrategicPatch(node, Parsed(ConditionPatch(Read(node.Write()), WantedMarks{}, kNow)), KeyOf);
  EXPECT_EQ(node.At({"status", "conditions"})->elements.size(), 1U);
  EXPECT_EQ(ConditionPatch(Read(node.Write()), WantedMarks{}, kNow), std::nullopt);
}

TEST(LabelTime, RoundTrip) {
  EXPECT_EQ(FormatLabelTime(kNow + Duration(999)), "20261121T120000Z");
  EXPECT_EQ(ParseLabelTime("20261121T120000Z"), kNow);
  for (const char* bad :
       {"", "2026", "20261121T120000", "20261321T120000Z", "2026-11-21T12:00:00Z", "20261121T1200-0Z"}) {
    EXPECT_EQ(ParseLabelTime(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace gatehouse::webhook
