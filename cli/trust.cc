// gatehouse trust fetch --url URL (--root FILE | --root-sha256 HEX): a trusted root out of a TUF repository.
#include "cli/trust.h"

#include <iostream>

#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/codec/time.h"
#include "common/trust/fetch_trust.h"
#include "common/tuf/fetch.h"

namespace gatehouse::cli {
namespace {

Result<tuf::InitialRoot> InitialRootOf(const TrustOptions& options, const tuf::Fetch& fetch) {
  if (!options.root_file.empty()) {
    ASSIGN_OR_RETURN(std::string text, ReadTextFile(options.root_file, limits::kTufRootBytes));
    return tuf::InitialRoot{std::move(text)};
  }
  ASSIGN_OR_RETURN(Digest digest, Digest::Parse("sha256:" + options.root_sha256));
  return tuf::FetchRoot(fetch, digest);
}

Result<tuf::Outcome> Fetch(const TrustOptions& options, net::HttpTransport& transport, const Clock& clock,
                           Duration budget) {
  ASSIGN_OR_RETURN(tuf::Fetch fetch, tuf::MakeFetch(options.url, transport, clock, budget));
  ASSIGN_OR_RETURN(auto root, InitialRootOf(options, fetch));
  std::unique_ptr<tuf::Store> store = tuf::MemoryStore();
  if (!options.cache_folder.empty()) {
    ASSIGN_OR_RETURN(store, tuf::FolderStore(options.cache_folder));
  }
  return tuf::FetchTarget(root, options.target, fetch, *store, clock.Wall());
}

}  // namespace

std::shared_ptr<const policy::PolicySet> WithTrustFetched(std::shared_ptr<const policy::PolicySet> set,
                                                          net::HttpTransport& transport, const Clock& clock,
                                                          Duration budget) {
  std::map<std::string, policy::FetchedTrust> fetched;
  for (const policy::TrustRoot& root : set->trust_roots) {
    if (!root.tuf.has_value()) continue;
    auto store = tuf::MemoryStore();
    auto outcome = [&]() -> Result<trust::Fetched> {
      ASSIGN_OR_RETURN(tuf::Fetch fetch, tuf::MakeFetch(root.tuf->url, transport, clock, budget));
      return trust::FetchTrust(*root.tuf, fetch, *store, clock.Wall());
    }();
    if (outcome.ok()) {
      fetched.emplace(root.name, std::move(outcome->trust));
    } else {
      PrintError(outcome.error().In("TrustRoot " + root.name), false);
    }
  }
  return fetched.empty() ? set : policy::WithTrust(*set, fetched);
}

int TrustFetch(const Options& options) {
  const SystemClock clock;
  const Duration budget = std::chrono::seconds(options.registry.timeout_seconds);
  auto transport = MakeTransport(options.registry);
  Result<tuf::Outcome> outcome =
      transport.ok() ? Fetch(options.trust, **transport, clock, budget) : Result<tuf::Outcome>(transport.error());
  if (!outcome.ok()) {
    PrintError(outcome.error(), options.json);
    const ReasonClass kind = ClassOf(outcome.error().reason);
    if (kind == ReasonClass::kUnavailable) return kCouldNotCheck;
    return kind == ReasonClass::kUsage ? kUsageOrPolicy : kRefused;
  }
  std::cerr << options.trust.target << ": vouched for until " << codec::FormatTime(outcome->expires)
            << ", by root version " << outcome->root_version << "\n";
  std::cout << outcome->target;
  if (!outcome->target.ends_with('\n')) std::cout << "\n";
  return kAdmitted;
}

}  // namespace gatehouse::cli
