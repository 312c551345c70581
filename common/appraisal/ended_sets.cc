#include "common/appraisal/ended_sets.h"

#include <algorithm>

#include "common/codec/time.h"

namespace gatehouse::appraisal {
namespace {

using Sets = std::vector<const ReferenceSet*>;

constexpr std::size_t kNamedSets = 5;
constexpr std::size_t kTriedSets = 16;  // those that ended last

bool HasEnded(const ReferenceSet& set, WallTime now) {
  return set.not_after && *set.not_after <= now;
}

std::string NamesOf(const Sets& ended) {
  std::string names;
  for (std::size_t i = 0; i < std::min(ended.size(), kNamedSets); ++i) {
    names += (i == 0 ? "" : ", ") + ended[i]->document + "/" + ended[i]->name + " ended " +
             codec::FormatTime(std::chrono::floor<std::chrono::seconds>(*ended[i]->not_after));
  }
  if (ended.size() > kNamedSets) names += ", and " + std::to_string(ended.size() - kNamedSets) + " more ended";
  return names;
}

}  // namespace

std::optional<Finding> EndedForBoot(const BootPolicy& policy, const std::vector<ReferenceSet>& sets,
                                    const claims::VerifiedBootLog& log, WallTime now,
                                    const std::vector<Finding>& found) {
  if (found.empty()) return std::nullopt;
  Sets with_them;
  Sets ended;
  for (const ReferenceSet& set : sets) {
    if (set.boot.empty()) continue;
    if (set.InTime(now)) with_them.push_back(&set);
    if (HasEnded(set, now)) ended.push_back(&set);
  }
  std::stable_sort(ended.begin(), ended.end(),
                   [](const auto* a, const auto* b) { return *a->not_after > *b->not_after; });
  if (ended.size() > kTriedSets) ended.resize(kTriedSets);
  std::size_t left = found.size();
  Sets helpful;
  for (const ReferenceSet* set : ended) {
    with_them.push_back(set);
    const std::size_t without = AppraiseBoot(policy, with_them, log).findings.size();
    if (without < left) {
      left = without;
      helpful.push_back(set);
    } else {
      with_them.pop_back();
    }
  }
  if (helpful.empty()) return std::nullopt;
  return Finding{Reason::kReferenceExpired, "reference values",
                 NamesOf(helpful) + "; with what ended " + std::to_string(found.size() - left) + " of " +
                     std::to_string(found.size()) + " findings about the boot would not be there"};
}

std::optional<Finding> EndedForIma(const std::vector<ReferenceSet>& sets, WallTime now,
                                   const std::vector<Finding>& found) {
  if (std::none_of(found.begin(), found.end(),
                   [](const Finding& finding) { return finding.reason == Reason::kImaFileUnlisted; }))
    return std::nullopt;
  Sets ended;
  for (const ReferenceSet& set : sets) {
    if (!set.ima.empty() && HasEnded(set, now)) ended.push_back(&set);
  }
  if (ended.empty()) return std::nullopt;
  return Finding{Reason::kReferenceExpired, "reference values",
                 NamesOf(ended) + "; files listed there alone do not count any more"};
}

}  // namespace gatehouse::appraisal
