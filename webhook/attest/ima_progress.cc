#include "webhook/attest/ima_progress.h"

#include <algorithm>

#include "common/base/limits.h"

namespace gatehouse::webhook {
namespace {

std::vector<HashAlgorithm> BanksOf(const std::vector<ImaRules>& rules) {
  std::vector<HashAlgorithm> banks;
  for (const ImaRules& each : rules) {
    if (std::find(banks.begin(), banks.end(), each.rules->bank) == banks.end()) banks.push_back(each.rules->bank);
  }
  std::sort(banks.begin(), banks.end());
  return banks;
}

std::string Entries(std::uint64_t count) {
  return std::to_string(count) + (count == 1 ? " entry" : " entries");
}

}  // namespace

std::shared_ptr<ImaProgress::Node> ImaProgress::Find(const std::string& node) {
  std::lock_guard lock(mutex_);
  auto& found = nodes_[node];
  if (!found) found = std::make_shared<Node>();
  return found;
}

void ImaProgress::Forget(const std::string& node) {
  std::lock_guard lock(mutex_);
  nodes_.erase(node);
}

Result<ImaProgress::Progress> ImaProgress::Fresh(const std::vector<ImaRules>& rules, const std::string& encoding) {
  const auto parsed = evidence::ima::ParseEncoding(encoding);
  if (!parsed || *parsed == evidence::ima::Encoding::kAscii)
    return Error{Reason::kMessageMalformed, "imaEncoding", "must be little-endian or big-endian"};
  Progress fresh{.replay = verify::replay::ImaReplay({.encoding = *parsed, .banks = BanksOf(rules)}),
                 .judgements = {},
                 .encoding = encoding};
  for (const ImaRules& each : rules)
    fresh.judgements.push_back({each.policy, each.identity, appraisal::ImaAppraisal(each.rules, each.sets)});
  return fresh;
}

// What was judged by other rules, or by reference values that have ended since, must be judged again.
bool ImaProgress::SameRules(const Progress& progress, const std::vector<ImaRules>& rules, WallTime now) {
  return std::equal(progress.judgements.begin(), progress.judgements.end(), rules.begin(), rules.end(),
                    [&](const Judgement& judged, const ImaRules& wanted) {
                      const auto until = judged.appraisal.holds_until();
                      return judged.policy == wanted.policy && judged.identity == wanted.identity &&
                             (!until || now < *until);
                    });
}

std::uint64_t ImaProgress::Begin(const std::string& node, const std::string& ak_name,
                                 const std::vector<ImaRules>& rules) {
  auto entry = Find(node);
  std::lock_guard lock(entry->mutex);
  // Pieces were uploaded, and now comes the challenge whose quote is to vouch for them.
  const bool goes_on = entry->pending && entry->ak_name == ak_name && SameRules(*entry->pending, rules, clock_.Wall());
  if (goes_on) return entry->pending->replay.count();
  entry->pending.reset();
  entry->ak_name = ak_name;
  if (!entry->known || !entry->resumable || entry->known->ak_name != ak_name) return 0;
  if (!SameRules(entry->known->progress, rules, clock_.Wall())) return 0;
  entry->pending = entry->known->progress;
  entry->pending->resumed = true;
  return entry->pending->replay.count();
}

Status ImaProgress::CheckPosition(const std::string& node, const std::string& ak_name, std::uint64_t from) {
  auto entry = Find(node);
  std::lock_guard lock(entry->mutex);
  if (from == 0) return Ok();
  if (entry->pending && entry->ak_name == ak_name && entry->pending->replay.count() == from) return Ok();
  return Error{Reason::kImaLogGap, node,
               "the entries begin with number " + std::to_string(from) + ", and this replica knows " +
                   Entries(entry->pending ? entry->pending->replay.count() : 0)};
}

Result<ImaProgress::Progress*> ImaProgress::At(Node& node, std::uint64_t from, const std::string& encoding,
                                               const std::vector<ImaRules>& rules) {
  if (from == 0) {
    ASSIGN_OR_RETURN(node.pending, Fresh(rules, encoding));
  } else if (!node.pending || node.pending->replay.count() != from || node.pending->encoding != encoding) {
    return Error{Reason::kImaLogGap, "", "the entries do not go on where those before them ended"};
  }
  return &*node.pending;
}

Result<std::size_t> ImaProgress::Advance(const Node& node, Progress& progress, BytesView entries,
                                         const claims::VerifiedTpmClaims* quote) const {
  const WallTime now = clock_.Wall();
  const std::uint64_t compare_at = node.known && !progress.resumed ? node.known->progress.replay.count() : 0;
  return progress.replay.Advance(
      entries,
      [&](const claims::ImaEntry& entry) {
        for (Judgement& judgement : progress.judgements) judgement.appraisal.Judge(entry, now);
        if (entry.number + 1 != compare_at) return;
        for (const HashAlgorithm bank : {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
          const Bytes before = node.known->progress.replay.Pcr(bank);
          const Bytes now_is = progress.replay.Pcr(bank);
          if (!before.empty() && !now_is.empty() && before != now_is) progress.differs = true;
        }
      },
      quote);
}

Result<std::uint64_t> ImaProgress::Upload(const std::string& node, const session::LogRequest& request,
                                          const std::vector<ImaRules>& rules) {
  auto entry = Find(node);
  std::lock_guard lock(entry->mutex);
  if (entry->ak_name != request.ak_name)
    return Error{Reason::kImaLogGap, node, "no challenge of this replica to this key asked for it"};
  ASSIGN_OR_RETURN(Progress * progress, At(*entry, request.from, request.encoding, rules));
  auto taken = Advance(*entry, *progress, request.entries, nullptr);
  if (taken.ok() && *taken == request.entries.size()) return progress->replay.count();
  const Error error = taken.ok() ? Error{Reason::kImaLogMalformed, "entry " + std::to_string(progress->replay.count()),
                                         "the entry is not whole"}
                                 : taken.error();
  entry->pending.reset();
  entry->resumable = false;
  return error;
}

Error ImaProgress::Explain(const Node& node, const Progress& progress, const session::EvidenceRequest& request,
                           const claims::VerifiedTpmClaims& quote, Error error) {
  const bool same_boot = node.known && node.known->ak_name == request.ak_name &&
                         node.known->reset_count == quote.clock().reset_count &&
                         node.known->restart_count == quote.clock().restart_count;
  if (error.reason != Reason::kImaLogMismatch) return error;
  if (progress.resumed) {
    if (!same_boot) return {Reason::kImaLogGap, "IMA log", "the node was restarted since its log was read"};
    error.detail += "; the whole log is asked for next";
    return error;
  }
  if (same_boot && progress.differs) {
    return {Reason::kImaLogRewritten, "IMA log",
            "the first " + Entries(node.known->progress.replay.count()) + " are not those that were attested before"};
  }
  if (same_boot && progress.replay.count() < node.known->progress.replay.count()) {
    return {Reason::kImaLogTruncated, "IMA log",
            "it has " + Entries(progress.replay.count()) + ", and had " + Entries(node.known->progress.replay.count())};
  }
  const Status begins = progress.replay.CheckBootAggregate(quote, true);
  if (!begins.ok() && begins.error().reason == Reason::kImaLogTrimmed) return begins.error();
  return error;
}

Result<ImaProgress::Settled> ImaProgress::SettleLocked(Node& node, const session::EvidenceRequest& request,
                                                       const claims::VerifiedTpmClaims& quote,
                                                       const std::vector<ImaRules>& rules) const {
  if (!request.ima_log && !request.ima_complete)
    return Error{Reason::kImaLogMissing, "IMA log", "the agent sent none; is imaLog of its configuration right?"};
  ASSIGN_OR_RETURN(Progress * progress, At(node, request.ima_from, request.ima_encoding, rules));
  if (request.ima_log) {
    ASSIGN_OR_RETURN(const std::size_t taken, Advance(node, *progress, *request.ima_log, &quote));
    static_cast<void>(taken);  // what is left was logged after the quote, or does not settle
  }
  auto verified = progress->replay.Settled(quote);
  if (!verified.ok()) return Explain(node, *progress, request, quote, verified.error());
  const bool allow_sha1 = std::all_of(rules.begin(), rules.end(),
                                      [](const ImaRules& each) { return each.rules->allow_insecure_sha1_aggregate; });
  RETURN_IF_ERROR(progress->replay.CheckBootAggregate(quote, allow_sha1));
  Settled settled{.entries = verified->count(), .verdicts = {}};
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const Judgement& judged = progress->judgements[i];
    std::vector<appraisal::Finding> findings = judged.appraisal.Findings(*verified);
    // What a missing file lists can only be missing: where nothing is, it was not needed.
    for (const Error& missing : rules[i].unavailable) {
      if (!findings.empty()) findings.push_back({missing.reason, missing.where, missing.detail});
    }
    settled.verdicts.push_back({judged.policy, judged.identity, std::move(findings), judged.appraisal.holds_until()});
  }
  return settled;
}

Result<ImaProgress::Settled> ImaProgress::Settle(const std::string& node, const session::EvidenceRequest& request,
                                                 const claims::VerifiedTpmClaims& quote,
                                                 const std::vector<ImaRules>& rules) {
  auto entry = Find(node);
  std::lock_guard lock(entry->mutex);
  if (entry->pending && request.ima_from != 0 && !SameRules(*entry->pending, rules, clock_.Wall())) {
    entry->pending.reset();
    return Error{Reason::kImaLogGap, node, "the policies changed meanwhile, so the whole log is wanted"};
  }
  auto settled = SettleLocked(*entry, request, quote, rules);
  entry->resumable = settled.ok();
  if (settled.ok()) {
    entry->pending->resumed = false;
    entry->pending->differs = false;
    entry->known = Known{.progress = *std::move(entry->pending),
                         .ak_name = request.ak_name,
                         .reset_count = quote.clock().reset_count,
                         .restart_count = quote.clock().restart_count};
  }
  entry->pending.reset();
  return settled;
}

}  // namespace gatehouse::webhook
