// Keeps the material of TrustRoots that come from a TUF repository fresh, and gives it to the policies.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/net/http.h"
#include "common/policy/documents.h"
#include "common/telemetry/log.h"

namespace gatehouse::webhook {

struct TrustKeeperOptions {
  // Where metadata that was verified is kept over a restart; empty: in memory.
  std::string folder;
  Duration retry{60'000};   // after a failure
  Duration budget{30'000};  // for one refresh
};

// One thread asks the repositories, never a decision: each source at once when a policy set first names it, then every
// `refresh`. What was fetched counts until its metadata expires, whether or not it could be refreshed meanwhile; then
// the TrustRoot has no material, and what needs it is refused (trust-unavailable).
class TrustKeeper {
 public:
  TrustKeeper(net::HttpTransport& transport, const Clock& clock, telemetry::Logger& log, TrustKeeperOptions options);
  ~TrustKeeper();

  // `set` with what was fetched for its TrustRoots: the same object as long as neither changes. Thread-safe. Never
  // waits for a repository.
  [[nodiscard]] std::shared_ptr<const policy::PolicySet> Apply(const std::shared_ptr<const policy::PolicySet>& set);
  // Whether every repository that the last set names was asked once, with whatever outcome.
  [[nodiscard]] bool Settled() const;
  // Sources without material, and those that could not be refreshed.
  [[nodiscard]] std::vector<std::string> Problems() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::webhook
