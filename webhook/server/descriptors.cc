#include "webhook/server/descriptors.h"

#include <sys/resource.h>

#include <algorithm>

#include "common/base/limits.h"

namespace gatehouse::webhook {
namespace {

constexpr rlim_t kMostDescriptors = 65'536;
constexpr std::size_t kOtherDescriptors = 256;  // files, listeners, idle connections to registries
constexpr std::size_t kMetricsConnections = 64;
constexpr std::size_t kHelpers = 128;    // gate::ImageVerifier::Options
constexpr std::size_t kLeastLimit = 64;  // whatever the machine says; no program runs with less

}  // namespace

std::size_t RaiseDescriptorLimit() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return kLeastLimit;
  const rlim_t before = files.rlim_cur;
  // RLIM_INFINITY is the largest value there is. A soft limit above the bound is what an admin wants: it stays.
  files.rlim_cur = std::max(files.rlim_cur, std::min(files.rlim_max, kMostDescriptors));
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) files.rlim_cur = before;
  return std::min(files.rlim_cur, kMostDescriptors);
}

ConnectionShares ShareConnections(std::size_t limit, std::size_t max_concurrent, bool attestation) {
  limit = std::max(limit, kLeastLimit);
  const std::size_t connections = limit - std::min(kOtherDescriptors + max_concurrent, limit / 2);
  ConnectionShares shares;
  shares.metrics = std::min(kMetricsConnections, connections / 8);
  const std::size_t rest = connections - shares.metrics;
  if (attestation) shares.attestation = std::min(rest / 3, limits::kServerConnections);
  shares.admission = std::min(rest - shares.attestation, limits::kServerConnections);
  const std::size_t left = limit - shares.admission - shares.attestation - shares.metrics;
  shares.registries = std::min(2 * (max_concurrent + kHelpers), left / 4 * 3);
  return shares;
}

}  // namespace gatehouse::webhook
