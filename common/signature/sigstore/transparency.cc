// One entry of a log: found, proven to be in the log, in the log's time, and of this very signature.
#include "common/signature/sigstore/transparency.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/signature/sigstore/log_entry.h"
#include "common/signature/sigstore/log_key.h"

namespace gatehouse::signature::sigstore {
namespace {

Error Malformed(std::string_view detail) {
  return {Reason::kLogEntryMalformed, "", std::string(detail)};
}

Error Invalid(std::string_view where, std::string detail) {
  return {Reason::kLogProofInvalid, std::string(where), std::move(detail)};
}

// The claimed version decides which rules hold; that the body is of the same is seen when it is parsed.
bool ClaimsV2(const LogEntry& entry) {
  return entry.version == "0.0.2" && entry.kind != "intoto";
}

// What a log says of an entry without looking at keys: shapes that no log makes.
Status CheckShape(const LogEntry& entry) {
  if (entry.body.empty()) return Malformed("the entry has no body");
  if (entry.log_index < 0) return Malformed("the entry has a negative index");
  if (!entry.promise && !entry.proof) return Malformed("the entry has neither a promise nor a proof of inclusion");
  if (entry.promise && !entry.integrated_time) return Malformed("the entry has a promise, but no integrated time");
  if (entry.promise) {
    const Duration since_epoch = entry.integrated_time->time_since_epoch();
    if (since_epoch.count() < 0 || since_epoch % std::chrono::seconds(1) != Duration::zero()) {
      return Malformed("the integrated time is not a number of seconds since 1970");
    }
  }
  if (!ClaimsV2(entry)) return Ok();
  // rekor-v2-spec section 4.2: "Signed Entry Timestamps will not be returned as a response to an uploaded entry".
  if (entry.promise) return Malformed("the entry is of version 2, whose logs make no promises");
  // CLIENTS.md: the proof's index is a copy. "in Rekor v1, there were two log indices - a global index and a
  // shard-specific index. This is no longer true in Rekor v2".
  if (entry.proof->log_index != entry.log_index) return Invalid("proof", "its index is not that of the entry");
  return Ok();
}

// The signed entry timestamp of Rekor v1 is over RFC 8785 JSON of these four members (the order is that of their
// names).
Status VerifyPromise(const LogEntry& entry, const Log& log) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(*entry.integrated_time).time_since_epoch().count();
  const std::string message = R"({"body":")" + EncodeBase64(AsBytes(entry.body)) + R"(","integratedTime":)" +
                              std::to_string(seconds) + R"(,"logID":")" + EncodeHex(entry.log_id) + R"(","logIndex":)" +
                              std::to_string(entry.log_index) + "}";
  if (VerifyByLog(log, AsBytes(message), *entry.promise)) return Ok();
  return Invalid("promise", "the signed entry timestamp is not by " + NameForPeople(log) + " over this entry");
}

// Whether the proof proves anything: without a checkpoint nobody has signed the root that it leads to.
Result<bool> VerifyProof(const LogEntry& entry, const Log& log) {
  const LogEntry::Proof& proof = *entry.proof;
  auto included = VerifyInclusion(AsBytes(entry.body), proof.log_index, proof.tree_size, proof.hashes, proof.root_hash);
  if (!included.ok()) return included.error().In("proof");
  if (proof.checkpoint.empty()) return false;
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, ParseCheckpoint(proof.checkpoint));
  RETURN_IF_ERROR(VerifyCheckpoint(checkpoint, log));
  if (ClaimsV2(entry) && checkpoint.origin != log.host) {
    return Invalid("checkpoint", "its origin is not the host of " + NameForPeople(log));
  }
  if (checkpoint.size != proof.tree_size) return Invalid("checkpoint", "it is of a tree of another size");
  if (checkpoint.root_hash != proof.root_hash) return Invalid("checkpoint", "it is of a tree with another root");
  return true;
}

Status VerifyInLog(const LogEntry& entry, const Log& log) {
  bool proven = false;
  if (entry.promise) {
    RETURN_IF_ERROR(VerifyPromise(entry, log));
    proven = true;
  }
  if (entry.proof) {
    ASSIGN_OR_RETURN(const bool signed_root, VerifyProof(entry, log));
    proven = proven || signed_root;
  }
  if (proven) return Ok();
  return Invalid("proof", "there is no checkpoint that vouches for its root");
}

// CVE-2026-54787: a key's window says when its signatures meant something.
bool IsInTime(const LogEntry& entry, const Log& log, std::span<const WallTime> times) {
  if (entry.promise) return log.valid.Contains(*entry.integrated_time);
  // No time is signed with the entry. One that others vouch for will do: a bundle is made within seconds, and whoever
  // comes by the key of a log that was retired cannot get a timestamp of those days. Without any, only a log that is
  // in use: sigstore_trustroot.proto, "The currently used instances MUST NOT have their 'end' timestamp set".
  if (times.empty()) return !log.valid.until.has_value();
  return std::any_of(times.begin(), times.end(), [&](WallTime time) { return log.valid.Contains(time); });
}

}  // namespace

Result<VerifiedEntry> VerifyEntry(const LogEntry& entry, const SignedContent& content, const TrustMaterial& material,
                                  std::span<const WallTime> times) {
  std::optional<Error> error;
  const Log* verified = nullptr;
  // A key may stand in the material several times, with windows of their own.
  for (const Log& log : material.logs) {
    if (entry.log_id.empty() || (entry.log_id != log.id && entry.log_id != log.checkpoint_id)) continue;
    RETURN_IF_ERROR(CheckShape(entry));
    auto status = VerifyInLog(entry, log);
    if (status.ok() && IsInTime(entry, log, times)) {
      verified = &log;
      break;
    }
    if (!status.ok()) {
      error = std::move(status).error();
    } else if (!error) {
      error = Error{Reason::kLogUntrusted, "",
                    "the entry is not from the time in which " + NameForPeople(log) + " is to be believed"};
    }
  }
  if (verified == nullptr) {
    if (error) return *std::move(error);
    return Error{Reason::kLogUntrusted, "", "no log of the trust root has the id " + EncodeHex(entry.log_id)};
  }
  // Only now: what is not vouched for is not parsed.
  ASSIGN_OR_RETURN(const EntryBody body, ParseEntryBody(entry.body, entry.kind, entry.version));
  if (IsV2(body.kind) != ClaimsV2(entry)) return Malformed("the entry is of version 2, but does not say so");
  RETURN_IF_ERROR(CompareEntryBody(body, content));
  return VerifiedEntry{verified, entry.log_index, entry.promise ? entry.integrated_time : std::nullopt};
}

}  // namespace gatehouse::signature::sigstore
