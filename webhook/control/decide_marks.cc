#include <algorithm>
#include <functional>

#include "webhook/control/node_controller.h"

namespace gatehouse::webhook {
namespace {

using Effect = policy::UntrustedTaint::Effect;

void Sooner(std::optional<Duration>& next, Duration candidate) {
  candidate = std::max(candidate, Duration(1));
  next = next.has_value() ? std::min(*next, candidate) : candidate;
}

bool Uncovered(const kube::Standing& overall) {
  return overall.verdict == kube::Verdict::kUnknown && overall.findings.empty();
}

// How long until the cap of `taint` lets one more node be evicted: zero if it does now, nothing if it never will.
std::optional<Duration> UntilFree(const policy::UntrustedTaint& taint, std::vector<WallTime> evictions, WallTime now) {
  std::erase_if(evictions, [&](WallTime at) { return at <= now - taint.within; });
  if (evictions.size() < taint.max_nodes) return Duration::zero();
  if (taint.max_nodes == 0) return std::nullopt;
  // Once the one of these has left the window that is the max_nodes-th from the newest, fewer are left.
  std::sort(evictions.begin(), evictions.end(), std::greater<>());
  return evictions[taint.max_nodes - 1] + taint.within - now;
}

// Whether kNoExecute is due now, under `taints`, which all ask for it.
bool Evict(const std::vector<policy::UntrustedTaint>& taints, WallTime since, const std::vector<WallTime>& evictions,
           WallTime now, MarkDecision& decision) {
  Duration grace = Duration::max();
  for (const auto& taint : taints) grace = std::min(grace, taint.grace);
  Duration waited = std::max(now - since, Duration::zero());
  if (waited < grace) {
    Sooner(decision.next, grace - waited);
    return false;
  }
  Duration longest = Duration::zero();
  for (const auto& taint : taints) {
    std::optional<Duration> free = UntilFree(taint, evictions, now);
    if (free == Duration::zero()) continue;
    decision.capped = true;
    if (!free.has_value()) return false;
    longest = std::max(longest, *free);
  }
  if (decision.capped) Sooner(decision.next, longest);
  return !decision.capped;
}

}  // namespace

MarkDecision DecideMarks(const NodeMarks& now_on_it, const kube::Standing& overall,
                         const std::vector<std::pair<kube::Standing, policy::UntrustedTaint>>& enforced,
                         std::optional<WallTime> since, const std::vector<WallTime>& evictions, WallTime now) {
  MarkDecision decision;
  if (Uncovered(overall)) return decision;
  decision.marks.label = overall.verdict == kube::Verdict::kTrusted;
  decision.marks.condition = overall.verdict;
  if (overall.verdict == kube::Verdict::kTrusted) Sooner(decision.next, overall.expires - now);

  bool untrusted = false;
  std::vector<policy::UntrustedTaint> executing;
  for (const auto& [standing, taint] : enforced) {
    if (standing.verdict == kube::Verdict::kTrusted) {
      Sooner(decision.next, standing.expires - now);
      continue;
    }
    untrusted = true;
    if (taint.effect == Effect::kNoExecute) executing.push_back(taint);
  }
  if (!untrusted) return decision;
  decision.marks.taint = Effect::kNoSchedule;
  if (executing.empty()) return decision;
  // Once on it, it stays for as long as the node is not trusted: whatever could be evicted is, and to lift it for the
  // cap's sake would evict again later what came meanwhile.
  if (now_on_it.taint == Effect::kNoExecute || Evict(executing, since.value_or(now), evictions, now, decision)) {
    decision.marks.taint = Effect::kNoExecute;
  }
  return decision;
}

}  // namespace gatehouse::webhook
