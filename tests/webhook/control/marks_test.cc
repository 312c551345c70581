// Which marks a node is to have: every combination in a golden table, and what must hold over time.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>

#include "webhook/control/node_controller.h"
#include "webhook/control/node_state.h"

namespace gatehouse::webhook {
namespace {

using Effect = policy::UntrustedTaint::Effect;
using kube::Standing;
using kube::Verdict;
using std::chrono::hours;
using std::chrono::minutes;

const WallTime kNow{Duration(1'795'262'400'000)};

Standing Of(Verdict verdict) {
  Standing standing{.verdict = verdict, .findings = {}, .expires = kNow + minutes(10)};
  if (verdict != Verdict::kTrusted) standing.findings.push_back({Reason::kPcrMismatch, "pcr 7", "found"});
  return standing;
}
policy::UntrustedTaint Taint(Effect effect, Duration grace = minutes(5), std::size_t nodes = 1,
                             Duration within = hours(1)) {
  return {.effect = effect, .grace = grace, .max_nodes = nodes, .within = within};
}
std::string Name(const std::optional<Effect>& effect) {
  if (!effect.has_value()) return "none";
  return *effect == Effect::kNoExecute ? "NoExecute" : "NoSchedule";
}
std::string Show(const MarkDecision& decision) {
  std::string label = "none";
  if (decision.marks.label.has_value()) label = *decision.marks.label ? "true" : "false";
  std::string text = "label " + label + ", taint " + Name(decision.marks.taint) + ", condition ";
  text += decision.marks.condition.has_value() ? std::string(kube::Name(*decision.marks.condition)) : "none";
  if (decision.capped) text += ", capped";
  if (decision.next.has_value()) text += ", again in " + std::to_string(decision.next->count() / 1000) + "s";
  return text;
}

TEST(DecideMarks, EveryCombination) {
  std::string text =
      "# verdict | what the policy asks for | untrusted for | evictions | taint on the node -> decision\n";
  const std::optional<Verdict> verdicts[] = {std::nullopt, Verdict::kTrusted, Verdict::kUntrusted, Verdict::kExpired,
                                             Verdict::kUnknown};
  const std::optional<Effect> effects[] = {std::nullopt, Effect::kNoSchedule, Effect::kNoExecute};
  for (const auto& verdict : verdicts) {
    for (const auto& asked : effects) {
      if (!verdict.has_value() && asked.has_value()) continue;  // no policy asks for anything
      for (Duration untrusted_for : {Duration(minutes(1)), Duration(minutes(5))}) {
        for (bool full : {false, true}) {
          for (const auto& there : effects) {
            Standing standing = verdict.has_value() ? Of(*verdict) : Standing{};
            std::vector<std::pair<Standing, policy::UntrustedTaint>> enforced;
            if (asked.has_value()) enforced.emplace_back(standing, Taint(*asked));
            std::vector<WallTime> evictions;
            if (full) evictions.push_back(kNow - minutes(20));
            NodeMarks on_it{.label = std::nullopt, .taint = there, .condition = std::nullopt};
            text += (verdict.has_value() ? std::string(kube::Name(*verdict)) : "uncovered") + " | " + Name(asked) +
                    " | " + std::to_string(untrusted_for / minutes(1)) + "m | " + (full ? "full" : "free") + " | " +
                    Name(there) + " -> " +
                    Show(DecideMarks(on_it, standing, enforced, kNow - untrusted_for, evictions, kNow)) + "\n";
          }
        }
      }
    }
  }
  std::ifstream stream(std::string(GATEHOUSE_SOURCE_DIR) + "/tests/webhook/control/marks.golden", std::ios::binary);
  std::string expected{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (text == expected) return;
  std::string present = std::string(GATEHOUSE_BINARY_DIR) + "/marks.golden";
  std::ofstream(present, std::ios::binary) << text;
  ADD_FAILURE() << "marks.golden has changed; if it is meant to, copy " << present << " over it";
}

TEST(DecideMarks, NothingOfANodeThatNoPolicyCovers) {
  NodeMarks on_it{.label = true, .taint = Effect::kNoExecute, .condition = Verdict::kUntrusted};
  MarkDecision decision = DecideMarks(on_it, {}, {}, std::nullopt, {}, kNow);
  EXPECT_EQ(decision.marks, NodeMarks{});
  EXPECT_FALSE(decision.next.has_value());
}

TEST(DecideMarks, SeveralPoliciesStrictestTaintShortestGraceEveryCap) {
  Standing bad = Of(Verdict::kUntrusted);
  struct Row {
    const char* name;
    std::vector<std::pair<Standing, policy::UntrustedTaint>> enforced;
    Duration untrusted_for;
    std::vector<WallTime> evictions;
    Effect taint;
    bool capped;
  };
  const Row rows[] = {
      {"NoExecute of one is enough",
       {{bad, Taint(Effect::kNoSchedule)}, {bad, Taint(Effect::kNoExecute)}},
       minutes(5),
       {},
       Effect::kNoExecute,
       false},
      {"a policy under which it is trusted asks for nothing",
       {{bad, Taint(Effect::kNoSchedule)}, {Of(Verdict::kTrusted), Taint(Effect::kNoExecute)}},
       minutes(60),
       {},
       Effect::kNoSchedule,
       false},
      {"the shortest grace",
       {{bad, Taint(Effect::kNoExecute, hours(1))}, {bad, Taint(Effect::kNoExecute, minutes(2))}},
       minutes(2),
       {},
       Effect::kNoExecute,
       false},
      {"before the shortest grace",
       {{bad, Taint(Effect::kNoExecute, hours(1))}, {bad, Taint(Effect::kNoExecute, minutes(2))}},
       minutes(2) - Duration(1),
       {},
       Effect::kNoSchedule,
       false},
      {"the cap of another policy binds too",
       {{bad, Taint(Effect::kNoExecute, minutes(5), 5)}, {bad, Taint(Effect::kNoExecute, minutes(5), 1)}},
       minutes(5),
       {kNow - minutes(30)},
       Effect::kNoSchedule,
       true},
      {"a longer window of another policy binds too",
       {{bad, Taint(Effect::kNoExecute, minutes(5), 1, hours(1))},
        {bad, Taint(Effect::kNoExecute, minutes(5), 1, hours(24))}},
       minutes(5),
       {kNow - hours(2)},
       Effect::kNoSchedule,
       true},
      {"outside of every window",
       {{bad, Taint(Effect::kNoExecute, minutes(5), 1, hours(1))}},
       minutes(5),
       {kNow - hours(1)},
       Effect::kNoExecute,
       false},
      {"two of three",
       {{bad, Taint(Effect::kNoExecute, minutes(5), 3)}},
       minutes(5),
       {kNow - minutes(1), kNow - minutes(2)},
       Effect::kNoExecute,
       false},
      {"no node at all may be evicted",
       {{bad, Taint(Effect::kNoExecute, minutes(5), 0)}},
       hours(100),
       {},
       Effect::kNoSchedule,
       true},
      {"an eviction of the future counts",
       {{bad, Taint(Effect::kNoExecute)}},
       minutes(5),
       {kNow + minutes(1)},
       Effect::kNoSchedule,
       true},
  };
  for (const Row& row : rows) {
    MarkDecision decision = DecideMarks({}, bad, row.enforced, kNow - row.untrusted_for, row.evictions, kNow);
    EXPECT_EQ(Name(decision.marks.taint), Name(row.taint)) << row.name;
    EXPECT_EQ(decision.capped, row.capped) << row.name;
  }
}

TEST(DecideMarks, SaysWhenToLookAgain) {
  Standing bad = Of(Verdict::kUntrusted);
  const auto next = [&](Duration untrusted_for, std::vector<WallTime> evictions, std::size_t nodes) {
    return DecideMarks({}, bad, {{bad, Taint(Effect::kNoExecute, minutes(5), nodes)}}, kNow - untrusted_for, evictions,
                       kNow)
        .next;
  };
  EXPECT_EQ(next(minutes(2), {}, 1), Duration(minutes(3)));
  EXPECT_EQ(next(-minutes(2), {}, 1), Duration(minutes(5))) << "a clock that was set back";
  EXPECT_EQ(next(minutes(5), {kNow - minutes(20)}, 1), Duration(minutes(40)));
  EXPECT_EQ(next(minutes(5), {kNow - minutes(50), kNow - minutes(20), kNow - minutes(30)}, 2), Duration(minutes(30)))
      << "once fewer than two are left";
  EXPECT_EQ(next(minutes(5), {}, 0), std::nullopt);
  EXPECT_EQ(DecideMarks({}, Of(Verdict::kTrusted), {}, std::nullopt, {}, kNow).next, Duration(minutes(10)))
      << "the expiry of the result";
  EXPECT_EQ(DecideMarks({}, bad, {}, std::nullopt, {}, kNow).next, std::nullopt);
}

// A cluster over time, with leaders that know nothing but what is written on the Nodes.
class Simulation {
 public:
  Simulation(unsigned seed, std::size_t nodes, std::size_t cap) : random_(seed), nodes_(nodes), cap_(cap) {}

  void Run() {
    for (int step = 0; step < 600; ++step) {
      now_ += Duration(random_() % 180'000);
      if (random_() % 20 == 0) NewLeader();
      for (std::size_t i = 0; i < nodes_.size(); ++i) Look(i);
      CheckWindows();
    }
    EXPECT_GT(additions_.size(), 5U) << "the property was tried";
  }

 private:
  struct Node {
    Verdict verdict = Verdict::kTrusted;
    std::optional<Effect> taint;
    WallTime added{};                  // timeAdded of the taint
    std::optional<WallTime> evicted;   // the label
    std::optional<WallTime> since;     // the leader's memory
    std::optional<WallTime> bad_from;  // the truth
  };

  void NewLeader() {
    for (Node& node : nodes_) node.since.reset();
  }

  void Look(std::size_t index) {
    Node& node = nodes_[index];
    if (random_() % 40 == 0) node.verdict = static_cast<Verdict>(random_() % 4);
    if (random_() % 100 == 0) node.taint.reset();  // somebody takes it away
    bool trusted = node.verdict == Verdict::kTrusted;
    if (trusted) {
      node.bad_from.reset();
      node.since.reset();
    } else {
      node.bad_from = node.bad_from.value_or(now_);
      node.since = std::min(node.since.value_or(now_), node.taint.has_value() ? node.added : now_);
    }
    std::vector<WallTime> evictions;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (i != index && nodes_[i].evicted.has_value()) evictions.push_back(*nodes_[i].evicted);
    }
    Standing standing = Of(node.verdict);
    standing.expires = now_ + minutes(10);
    NodeMarks on_it{.label = std::nullopt, .taint = node.taint, .condition = std::nullopt};
    MarkDecision decision = DecideMarks(on_it, standing, {{standing, Taint(Effect::kNoExecute, minutes(5), cap_)}},
                                        node.since, evictions, now_);
    ASSERT_EQ(decision.marks.label, trusted);
    if (trusted) {
      ASSERT_EQ(decision.marks.taint, std::nullopt);
    } else {
      ASSERT_TRUE(decision.marks.taint.has_value());
      if (node.taint == Effect::kNoExecute) {
        ASSERT_EQ(decision.marks.taint, Effect::kNoExecute) << "taken away and due again later";
      }
    }
    if (decision.marks.taint == Effect::kNoExecute && node.taint != Effect::kNoExecute) {
      ASSERT_GE(now_ - *node.bad_from, minutes(5)) << "within its grace";
      node.evicted = now_;
      additions_.emplace_back(now_, index);
    }
    if (decision.marks.taint != node.taint) node.added = now_;
    node.taint = decision.marks.taint;
  }

  // Over every window that ends with an addition.
  void CheckWindows() const {
    std::set<std::size_t> evicted;
    for (auto at = additions_.rbegin(); at != additions_.rend() && at->first > now_ - hours(1); ++at) {
      evicted.insert(at->second);
    }
    ASSERT_LE(evicted.size(), cap_);
  }

  std::mt19937 random_;
  WallTime now_ = kNow;
  std::vector<Node> nodes_;
  std::size_t cap_;
  std::vector<std::pair<WallTime, std::size_t>> additions_;
};

TEST(DecideMarks, NeverMoreNodesEvictedThanTheCapWithinAnyWindow) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    Simulation(seed, 12, 1 + seed % 3).Run();
    if (HasFatalFailure()) FAIL() << "seed " << seed;
  }
}

TEST(Adversarial_G5, TheLabelsAreOnesThatAKubeletCannotSetOnItself) {
  // NodeRestriction, kubernetes.io/docs/reference/access-authn-authz/admission-controllers: labels with the prefix
  // node-restriction.kubernetes.io/, or of a domain that ends with .node-restriction.kubernetes.io.
  for (std::string_view key : {kube::kTrustedLabel, kEvictedLabel}) {
    std::string_view domain = key.substr(0, key.find('/'));
    EXPECT_TRUE(domain.ends_with(".node-restriction.kubernetes.io")) << key;
  }
}

TEST(Adversarial_G8, TheTaintIsNoneOfThoseThatDaemonSetsTolerate) {
  // pkg/controller/daemon/util AddOrUpdateDaemonPodTolerations.
  for (const char* tolerated : {"not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure",
                                "unschedulable", "network-unavailable"}) {
    EXPECT_NE(kube::kUntrustedTaint, std::string("node.kubernetes.io/") + tolerated);
  }
  EXPECT_FALSE(kube::kUntrustedTaint.starts_with("node.kubernetes.io/"));
}

}  // namespace
}  // namespace gatehouse::webhook
