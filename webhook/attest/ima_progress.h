// How far the IMA log of each node has been judged, so that only new entries have to be sent. In memory of this
// replica: one that knows nothing of a node asks for the whole log.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/session/messages.h"
#include "common/verify/replay/ima.h"
#include "webhook/attest/ima_rules.h"
#include "webhook/attest/verified_evidence.h"

namespace gatehouse::webhook {

// Thread-safe; one call for a node at a time.
class ImaProgress {
 public:
  explicit ImaProgress(const Clock& clock) : clock_(clock) {}

  // A challenge begins: from which entry on the log is wanted, after what was uploaded or is known. `rules`: of all
  // policies that judge the node's log; not empty.
  [[nodiscard]] std::uint64_t Begin(const std::string& node, const std::string& ak_name,
                                    const std::vector<ImaRules>& rules);
  // Entries ahead of the evidence. Returns the position after them. Errors: kImaLogGap, those of replaying.
  [[nodiscard]] Result<std::uint64_t> Upload(const std::string& node, const session::LogRequest& request,
                                             const std::vector<ImaRules>& rules);
  // Whether evidence that begins at `from` can go on from what is known: to be asked before its nonce is spent. Errors:
  // kImaLogGap.
  [[nodiscard]] Status CheckPosition(const std::string& node, const std::string& ak_name, std::uint64_t from);

  struct Settled {
    std::uint64_t entries = 0;
    std::vector<ImaVerdict> verdicts;  // in the order of `rules`
  };
  // The rest of the log, and the quote that must vouch for it. Errors: kImaLogMissing; kImaLogGap (the node was
  // restarted since, so the log is wanted from its beginning); kImaLogMismatch, kImaLogRewritten, kImaLogTruncated,
  // kImaLogTrimmed, kBootAggregateMismatch, those of replaying. After an error the next challenge asks for the whole
  // log.
  [[nodiscard]] Result<Settled> Settle(const std::string& node, const session::EvidenceRequest& request,
                                       const claims::VerifiedTpmClaims& quote, const std::vector<ImaRules>& rules);
  void Forget(const std::string& node);

 private:
  struct Judgement {
    std::string policy;
    std::string identity;
    appraisal::ImaAppraisal appraisal;
  };
  // A beginning of a log, replayed and judged.
  struct Progress {
    verify::replay::ImaReplay replay;
    std::vector<Judgement> judgements;
    std::string encoding;
    bool resumed = false;  // it goes on from what a quote vouched for
    // Of a log that is read again from its beginning: whether it is another one than was known, as far as that went.
    bool differs = false;
  };
  // The last one that a quote vouched for.
  struct Known {
    Progress progress;
    std::string ak_name;
    std::uint32_t reset_count;
    std::uint32_t restart_count;
  };
  struct Node {
    std::mutex mutex;
    std::optional<Known> known;
    bool resumable = false;           // `known` may be gone on from; else it is for telling what happened only
    std::optional<Progress> pending;  // of the challenge under way
    std::string ak_name;              // that `pending` is of
  };
  [[nodiscard]] std::shared_ptr<Node> Find(const std::string& node);
  [[nodiscard]] static Result<Progress> Fresh(const std::vector<ImaRules>& rules, const std::string& encoding);
  [[nodiscard]] static bool SameRules(const Progress& progress, const std::vector<ImaRules>& rules, WallTime now);
  // The progress that entries from `from` on belong to. Errors: kImaLogGap, kMessageMalformed (an unknown encoding).
  [[nodiscard]] static Result<Progress*> At(Node& node, std::uint64_t from, const std::string& encoding,
                                            const std::vector<ImaRules>& rules);
  // Bytes that were taken.
  [[nodiscard]] Result<std::size_t> Advance(const Node& node, Progress& progress, BytesView entries,
                                            const claims::VerifiedTpmClaims* quote) const;
  // What became of a log that the quote does not vouch for, by what was known of the same boot.
  [[nodiscard]] static Error Explain(const Node& node, const Progress& progress,
                                     const session::EvidenceRequest& request, const claims::VerifiedTpmClaims& quote,
                                     Error error);
  [[nodiscard]] Result<Settled> SettleLocked(Node& node, const session::EvidenceRequest& request,
                                             const claims::VerifiedTpmClaims& quote,
                                             const std::vector<ImaRules>& rules) const;

  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Node>> nodes_;
};

}  // namespace gatehouse::webhook
