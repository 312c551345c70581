// Trust material from TUF repositories, for verbs that verify.
#pragma once

#include <memory>
#include <string>

#include "cli/options.h"
#include "common/net/http.h"

namespace gatehouse::cli {

// `set` with what the repositories of its TrustRoots give now. One that cannot be had is said on stderr, and what needs
// it is refused.
[[nodiscard]] std::shared_ptr<const policy::PolicySet> WithTrustFetched(std::shared_ptr<const policy::PolicySet> set,
                                                                        net::HttpTransport& transport,
                                                                        const Clock& clock, Duration budget);

}  // namespace gatehouse::cli
