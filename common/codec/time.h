// RFC 3339 timestamps and Go-style durations, as Kubernetes writes them.
#pragma once

#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace gatehouse::codec {

// "2026-11-21T20:40:36Z" (milliseconds only when not zero).
[[nodiscard]] std::string FormatTime(WallTime time);
// Any RFC 3339 date-time, any offset, fractions down to milliseconds kept. A leap second (:60) is refused, and what
// lies outside of the years 0000 to 9999 in UTC. kEncodingMalformed.
[[nodiscard]] Result<WallTime> ParseTime(std::string_view text);
// "90s", "1h30m", "1.5s", "250ms", "0": Go's time.ParseDuration with the units ms, s, m, h, but without a sign, and
// only what is a whole number of milliseconds. kEncodingMalformed.
[[nodiscard]] Result<Duration> ParseDuration(std::string_view text);
// As Go writes it: "1h30m0s", "1.5s", "250ms", "0s".
[[nodiscard]] std::string FormatDuration(Duration duration);

}  // namespace gatehouse::codec
