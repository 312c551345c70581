// Retry-After (RFC 9110 section 10.2.3).
#pragma once

#include <optional>
#include <string_view>

#include "common/base/clock.h"

namespace gatehouse::registry {

// How long to wait from `now`: a number of seconds, or an HTTP-date in the one format that may be sent (IMF-fixdate),
// which gives zero when it has passed. Nothing for anything else.
[[nodiscard]] std::optional<Duration> ParseRetryAfter(std::string_view text, WallTime now);

}  // namespace gatehouse::registry
