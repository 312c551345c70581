// The Update Framework 1.0 client workflow (TUF specification section 5), for roots of trust. Bytes come through a
// function; what is verified is written to a store that the caller keeps.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/base/types.h"

namespace gatehouse::tuf {

// A file of the repository by its path relative to it: "5.root.json", "timestamp.json", "12.snapshot.json",
// "targets/<sha256>.trusted_root.json". Nothing if there is none. Longer than `max_bytes` is kLimitExceeded. Errors of
// reaching it: kNetworkUnavailable, kDeadlineExceeded, kFileUnreadable.
using Fetch = std::function<Result<std::optional<std::string>>(const std::string& path, std::size_t max_bytes)>;

// Local copies of metadata that were verified, by role: "timestamp", "snapshot", "targets", and the versions of root by
// file name ("5.root.json"); and of target files under "target/NAME" (its '/' percent-encoded). They are verified again
// when read: the store need not be trusted for more than not being older than it was.
class Store {
 public:
  virtual ~Store() = default;
  [[nodiscard]] virtual std::optional<std::string> Read(const std::string& name) = 0;
  virtual Status Write(const std::string& name, const std::string& bytes) = 0;
};
[[nodiscard]] std::unique_ptr<Store> MemoryStore();
// Files in a folder, replaced by rename. The folder is made.
[[nodiscard]] Result<std::unique_ptr<Store>> FolderStore(const std::string& path);

// The initial root, by which everything begins.
struct InitialRoot {
  std::string bytes;  // root.json of any version
};
// One that was fetched by its hash ("sha256:…" of the file). Errors: kTufUntrusted, those of `fetch`.
[[nodiscard]] Result<InitialRoot> FetchRoot(const Fetch& fetch, const Digest& digest);

// The whole workflow: root rotation (each version signed by a threshold of the one before and of its own), timestamp,
// snapshot, targets with delegations as far as `target` needs them; thresholds of different keys, expiry at `now`,
// versions never smaller than those in the store, lengths and hashes where they are given. consistent_snapshot decides
// the names of files. Keys: ed25519, ecdsa (P-256, P-384), rsassa-pss-sha256; a key id must be unique in its role's
// signatures; signatures by keys that are not the role's do not count.
// If the repository cannot be reached the copies in the store serve, as long as they have not expired: `refreshed`.
struct Outcome {
  std::string target;  // the file's bytes
  bool refreshed;      // false: from the store alone
  WallTime expires;    // the earliest expiry of the metadata that vouches for it
  std::int64_t root_version;
};
// Errors: kTufMalformed, kTufUntrusted, kTufExpired, kTufRollback, kLimitExceeded, kTrustUnavailable (neither
// repository nor store have what is needed).
[[nodiscard]] Result<Outcome> FetchTarget(const InitialRoot& root, const std::string& target, const Fetch& fetch,
                                          Store& store, WallTime now);

}  // namespace gatehouse::tuf
