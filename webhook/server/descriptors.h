// How the listeners of one program share the file descriptors that it may have, so that whoever floods one port does
// not take another one's. (Each listener alone would take whatever the limit allows.)
#pragma once

#include <cstddef>

namespace gatehouse::webhook {

// Raises the soft limit of open files to the hard one, up to a bound, and returns the limit then in force. Once, before
// anything is opened.
[[nodiscard]] std::size_t RaiseDescriptorLimit();

struct ConnectionShares {
  std::size_t admission = 0;
  std::size_t attestation = 0;  // at most a third of what the two have
  std::size_t metrics = 0;
  std::size_t registries = 0;  // to all of them at once
};
// `limit` descriptors less those for files and registries, of which each of `max_concurrent` requests may need one;
// with few descriptors in all, half of them are for connections. None is 0, and none above limits::kServerConnections.
// `registries` is more than one namespace can keep hanging, with half of the decisions and all that help them, each at
// two requests; with few descriptors, most of what the listeners leave.
[[nodiscard]] ConnectionShares ShareConnections(std::size_t limit, std::size_t max_concurrent, bool attestation);

}  // namespace gatehouse::webhook
