#include "common/tuf/client.h"

#include <algorithm>
#include <set>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/time.h"
#include "common/crypto/hash.h"
#include "common/tuf/metadata.h"

namespace gatehouse::tuf {
namespace {

// Section 5.1: one time for the whole workflow.
Status CheckExpiry(const Header& header, WallTime now, std::string_view role) {
  if (header.expires > now) return Ok();
  return Error{Reason::kTufExpired, std::string(role), "expired at " + codec::FormatTime(header.expires)};
}

// Errors of which the copies in the store are an answer: nobody is there, or only half of what there should be.
bool IsOutage(const Error& error) {
  return ClassOf(error.reason) == ReasonClass::kUnavailable || error.reason == Reason::kFileUnreadable;
}

// A path of the repository, made of what the operator named.
Status CheckTargetName(const std::string& target) {
  auto refuse = [&](std::string detail) { return Error{Reason::kTufMalformed, Printable(target), std::move(detail)}; };
  if (target.empty() || target.size() > 512) return refuse("is no name of a target");
  if (target.front() == '/' || target.back() == '/') return refuse("a target is named without '/' at its ends");
  std::string_view rest = target;
  while (!rest.empty()) {
    std::size_t slash = rest.find('/');
    std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return refuse("a target's name must not lead elsewhere");
    rest = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
  }
  auto plain = [](char c) { return c > ' ' && c < 0x7f && c != '\\' && c != '%' && c != '?' && c != '#'; };
  if (!std::all_of(target.begin(), target.end(), plain))
    return refuse("has characters that a target's name must not have");
  return Ok();
}

// "dir/name" and a hash: "dir/<hash>.name" (section 6.2).
std::string Prefixed(const std::string& target, const Digest& hash) {
  std::size_t slash = target.rfind('/');
  std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  return target.substr(0, name) + std::string(hash.hex()) + "." + target.substr(name);
}

std::string StoreName(const std::string& target) {
  std::string name = "target/";
  for (char c : target) name += c == '/' ? std::string("%2F") : std::string(1, c);
  return name;
}

// Where the next file comes from, with what was verified of it: the repository, or the store alone.
class Workflow {
 public:
  Workflow(const Fetch& fetch, Store& store, WallTime now, bool online)
      : fetch_(fetch), store_(store), now_(now), online_(online) {}

  [[nodiscard]] Result<Outcome> Run(const InitialRoot& initial, const std::string& target) {
    RETURN_IF_ERROR(UpdateRoot(initial));
    RETURN_IF_ERROR(UpdateTimestamp());
    RETURN_IF_ERROR(UpdateSnapshot());
    ASSIGN_OR_RETURN(Target info, FindTarget(target));
    ASSIGN_OR_RETURN(std::string bytes, LoadTarget(target, info));
    for (const auto& [name, text] : accepted_) RETURN_IF_ERROR(store_.Write(name, text));
    return Outcome{std::move(bytes), online_, expires_, root_.header.version};
  }

 private:
  // A file of the repository; the store's copy under `name` where there is no repository to ask.
  [[nodiscard]] Result<std::optional<std::string>> Load(const std::string& path, const std::string& name,
                                                        std::size_t max) {
    if (online_) return fetch_(path, max);
    return store_.Read(name);
  }
  [[nodiscard]] Result<std::string> Require(const std::string& path, const std::string& name, std::size_t max) {
    ASSIGN_OR_RETURN(auto text, Load(path, name, max));
    if (text.has_value()) return *std::move(text);
    if (online_) return Error{Reason::kTufUntrusted, path, "the repository names this file and does not have it"};
    return Error{Reason::kTrustUnavailable, name, "was never fetched"};
  }
  void Accept(const std::string& name, std::string text, const Header& header) {
    expires_ = std::min(expires_, header.expires);
    accepted_.emplace_back(name, std::move(text));
  }
  // What the store holds under `name`, if the present root vouches for it: what rollback is measured against. Copies by
  // keys that were replaced since do not count, so that a repository recovers from a version that was made too high
  // (section 5.3.11).
  [[nodiscard]] std::optional<Signed> Trusted(const std::string& name, std::string_view type, const Role& role) {
    auto text = store_.Read(name);
    if (!text.has_value()) return std::nullopt;
    auto parsed = Signed::Parse(*text, type);
    if (!parsed.ok() || !parsed->VerifiedBy(role, root_.keys, "").ok()) return std::nullopt;
    return std::optional(*std::move(parsed));
  }

  // Section 5.3.
  [[nodiscard]] Status UpdateRoot(const InitialRoot& initial) {
    ASSIGN_OR_RETURN(Signed first, Signed::Parse(initial.bytes, "root"));
    ASSIGN_OR_RETURN(root_, ReadRoot(first));
    RETURN_IF_ERROR(first.VerifiedBy(root_.roles["root"], root_.keys, "the initial root"));
    for (std::size_t i = 0; i < limits::kTufRootRotations; ++i) {
      const std::string next = std::to_string(root_.header.version + 1) + ".root.json";
      // What was verified once needs not be fetched again: the chain is verified from the beginning in any case.
      auto stored = store_.Read(next);
      if (stored.has_value() && Rotate(*stored, next).ok()) continue;
      if (!online_) return CheckRootExpiry();
      ASSIGN_OR_RETURN(auto text, fetch_(next, limits::kTufRootBytes));
      if (!text.has_value()) return CheckRootExpiry();
      RETURN_IF_ERROR(Rotate(*text, next));
      RETURN_IF_ERROR(store_.Write(next, *text));
    }
    return Error{Reason::kLimitExceeded, "root.json",
                 "more than " + std::to_string(limits::kTufRootRotations) + " versions after the initial one"};
  }
  [[nodiscard]] Status Rotate(const std::string& text, const std::string& name) {
    ASSIGN_OR_RETURN(Signed metadata, Signed::Parse(text, "root"));
    ASSIGN_OR_RETURN(Root next, ReadRoot(metadata));
    RETURN_IF_ERROR(metadata.VerifiedBy(root_.roles["root"], root_.keys, "the version before it"));
    RETURN_IF_ERROR(metadata.VerifiedBy(next.roles["root"], next.keys, "it itself"));
    if (next.header.version != root_.header.version + 1) {
      return Error{Reason::kTufRollback, name, "holds version " + std::to_string(next.header.version)};
    }
    root_ = std::move(next);
    return Ok();
  }
  [[nodiscard]] Status CheckRootExpiry() {
    expires_ = root_.header.expires;
    return CheckExpiry(root_.header, now_, "root");
  }

  // Section 5.4.
  [[nodiscard]] Status UpdateTimestamp() {
    const Role& role = root_.roles["timestamp"];
    ASSIGN_OR_RETURN(std::string text, Require("timestamp.json", "timestamp", limits::kTufTimestampBytes));
    ASSIGN_OR_RETURN(Signed metadata, Signed::Parse(text, "timestamp"));
    RETURN_IF_ERROR(metadata.VerifiedBy(role, root_.keys, "root"));
    ASSIGN_OR_RETURN(Files files, ReadMeta(metadata));
    auto snapshot = files.find("snapshot.json");
    if (snapshot == files.end()) return Error{Reason::kTufMalformed, "timestamp", "does not name snapshot.json"};
    if (auto before = Trusted("timestamp", "timestamp", role)) {
      ASSIGN_OR_RETURN(Files old, ReadMeta(*before));
      auto old_snapshot = old.find("snapshot.json");
      if (metadata.header().version < before->header().version ||
          (old_snapshot != old.end() && snapshot->second.version < old_snapshot->second.version)) {
        return Error{Reason::kTufRollback, "timestamp", "is older than what was seen before"};
      }
    }
    RETURN_IF_ERROR(CheckExpiry(metadata.header(), now_, "timestamp"));
    snapshot_ = snapshot->second;
    Accept("timestamp", std::move(text), metadata.header());
    return Ok();
  }

  [[nodiscard]] std::string PathOf(const std::string& role, const FileInfo& info) const {
    return (root_.consistent_snapshot ? std::to_string(info.version) + "." : "") + role + ".json";
  }
  static Status CheckVersion(const Header& header, const FileInfo& info, const std::string& role) {
    if (header.version == info.version) return Ok();
    return Error{Reason::kTufUntrusted, role,
                 "is version " + std::to_string(header.version) + ", not " + std::to_string(info.version)};
  }

  // Section 5.5.
  [[nodiscard]] Status UpdateSnapshot() {
    const Role& role = root_.roles["snapshot"];
    const std::size_t max = std::min(snapshot_.length.value_or(limits::kTufSnapshotBytes), limits::kTufSnapshotBytes);
    ASSIGN_OR_RETURN(std::string text, Require(PathOf("snapshot", snapshot_), "snapshot", max));
    RETURN_IF_ERROR(CheckFile(text, snapshot_.length, snapshot_.hashes, "snapshot"));
    ASSIGN_OR_RETURN(Signed metadata, Signed::Parse(text, "snapshot"));
    RETURN_IF_ERROR(metadata.VerifiedBy(role, root_.keys, "root"));
    RETURN_IF_ERROR(CheckVersion(metadata.header(), snapshot_, "snapshot"));
    ASSIGN_OR_RETURN(files_, ReadMeta(metadata));
    if (auto before = Trusted("snapshot", "snapshot", role)) {
      ASSIGN_OR_RETURN(Files old, ReadMeta(*before));
      for (const auto& [name, info] : old) {
        auto now = files_.find(name);
        if (now == files_.end() || now->second.version < info.version) {
          return Error{Reason::kTufRollback, "snapshot", Printable(name, 128) + " is gone, or older than before"};
        }
      }
    }
    RETURN_IF_ERROR(CheckExpiry(metadata.header(), now_, "snapshot"));
    Accept("snapshot", std::move(text), metadata.header());
    return Ok();
  }

  // Section 5.6: the targets role, or one that it delegates to.
  [[nodiscard]] Result<Targets> LoadTargets(const std::string& name, const Role& role, const Keys& keys) {
    auto info = files_.find(name + ".json");
    if (info == files_.end()) return Error{Reason::kTufUntrusted, "snapshot", "does not name " + name + ".json"};
    const std::size_t max = std::min(info->second.length.value_or(limits::kTufTargetsBytes), limits::kTufTargetsBytes);
    // Whatever a repository calls its roles, the names of the four that every one has stay theirs in the store.
    const std::string stored = name == "targets" ? name : "role/" + name;
    ASSIGN_OR_RETURN(std::string text, Require(PathOf(name, info->second), stored, max));
    RETURN_IF_ERROR(CheckFile(text, info->second.length, info->second.hashes, name));
    ASSIGN_OR_RETURN(Signed metadata, Signed::Parse(text, "targets"));
    RETURN_IF_ERROR(metadata.VerifiedBy(role, keys, "whoever delegates to it"));
    RETURN_IF_ERROR(CheckVersion(metadata.header(), info->second, name));
    RETURN_IF_ERROR(CheckExpiry(metadata.header(), now_, name));
    ASSIGN_OR_RETURN(Targets targets, ReadTargets(metadata));
    Accept(stored, std::move(text), metadata.header());
    return targets;
  }

  // Section 5.6.7: depth first, in the order of the delegations.
  [[nodiscard]] Result<Target> FindTarget(const std::string& target) {
    struct Visit {
      std::string name;
      Role role;
      Keys keys;
    };
    std::vector<Visit> pending = {{"targets", root_.roles["targets"], root_.keys}};
    std::set<std::string> visited;
    while (!pending.empty()) {
      Visit visit = std::move(pending.back());
      pending.pop_back();
      if (!visited.insert(visit.name).second) continue;
      if (visited.size() > limits::kTufDelegations) {
        return Error{Reason::kLimitExceeded, target, "too many roles are delegated to"};
      }
      ASSIGN_OR_RETURN(Targets targets, LoadTargets(visit.name, visit.role, visit.keys));
      if (auto found = targets.targets.find(target); found != targets.targets.end()) return found->second;
      std::vector<Visit> next;
      for (Delegation& delegation : targets.delegations) {
        if (!Covers(delegation, target)) continue;
        next.push_back({delegation.name, delegation.role, targets.keys});
        if (!delegation.terminating) continue;
        pending.clear();
        break;
      }
      pending.insert(pending.end(), std::make_move_iterator(next.rbegin()), std::make_move_iterator(next.rend()));
    }
    return Error{Reason::kTufUntrusted, target, "no role of the repository vouches for a target of this name"};
  }

  // Section 5.7.
  [[nodiscard]] Result<std::string> LoadTarget(const std::string& target, const Target& info) {
    if (info.length > limits::kTrustedRootBytes) {
      return Error{Reason::kLimitExceeded, target, "the target is larger than what is read"};
    }
    const std::string name = StoreName(target);
    auto stored = store_.Read(name);
    if (stored.has_value() && CheckFile(*stored, info.length, info.hashes, target).ok()) return *std::move(stored);
    if (!online_) return Error{Reason::kTrustUnavailable, target, "was never fetched"};
    const std::string path = "targets/" + (root_.consistent_snapshot ? Prefixed(target, info.hashes.front()) : target);
    ASSIGN_OR_RETURN(std::string bytes, Require(path, name, info.length));
    RETURN_IF_ERROR(CheckFile(bytes, info.length, info.hashes, target));
    accepted_.emplace_back(name, bytes);
    return bytes;
  }

  const Fetch& fetch_;
  Store& store_;
  const WallTime now_;
  const bool online_;
  Root root_;
  FileInfo snapshot_;
  Files files_;
  WallTime expires_ = WallTime::max();
  std::vector<std::pair<std::string, std::string>> accepted_;  // into the store when all is verified
};

}  // namespace

Result<InitialRoot> FetchRoot(const Fetch& fetch, const Digest& digest) {
  // By its hash: which version it is, only its bytes say. Repositories keep the first ones for ever.
  for (int version = 1; version <= static_cast<int>(limits::kTufRootRotations); ++version) {
    const std::string path = std::to_string(version) + ".root.json";
    ASSIGN_OR_RETURN(auto text, fetch(path, limits::kTufRootBytes));
    if (!text.has_value()) break;
    if (crypto::Matches(digest, AsBytes(*text))) return InitialRoot{*std::move(text)};
  }
  return Error{Reason::kTufUntrusted, digest.text(), "the repository has no root.json with this hash"};
}

Result<Outcome> FetchTarget(const InitialRoot& root, const std::string& target, const Fetch& fetch, Store& store,
                            WallTime now) {
  RETURN_IF_ERROR(CheckTargetName(target));
  auto fresh = Workflow(fetch, store, now, true).Run(root, target);
  if (fresh.ok() || !IsOutage(fresh.error())) return fresh;
  auto known = Workflow(fetch, store, now, false).Run(root, target);
  if (known.ok() || known.error().reason == Reason::kTufExpired) return known;
  return Error{Reason::kTrustUnavailable, fresh.error().where,
               fresh.error().detail + "; and nothing is known from before: " + known.error().detail};
}

}  // namespace gatehouse::tuf
