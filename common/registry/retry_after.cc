#include "common/registry/retry_after.h"

#include <array>
#include <charconv>

#include "common/net/ascii.h"

namespace gatehouse::registry {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::size_t kSecondsDigits = 9;  // 31 years

std::optional<unsigned> Number(std::string_view digits) {
  unsigned value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || !net::IsDigit(digits[0]) || error != std::errc() || end != digits.data() + digits.size())
    return std::nullopt;
  return value;
}

// IMF-fixdate = day-name "," SP day SP month SP year SP hour ":" minute ":" second SP "GMT", always 29 characters.
std::optional<WallTime> ParseFixdate(std::string_view text) {
  if (text.size() != 29 || text.substr(3, 2) != ", " || text[7] != ' ' || text[11] != ' ' || text[16] != ' ' ||
      text[19] != ':' || text[22] != ':' || text.substr(25) != " GMT") {
    return std::nullopt;
  }
  auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
  auto day = Number(text.substr(5, 2));
  auto year = Number(text.substr(12, 4));
  auto hour = Number(text.substr(17, 2));
  auto minute = Number(text.substr(20, 2));
  auto second = Number(text.substr(23, 2));
  if (month == kMonths.end() || !day || !year || !hour || !minute || !second) return std::nullopt;
  if (*hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                   std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
                                   std::chrono::day(*day)};
  if (!date.ok()) return std::nullopt;
  std::chrono::sys_days midnight(date);
  if (kDays[std::chrono::weekday(midnight).c_encoding()] != text.substr(0, 3)) return std::nullopt;
  return midnight + std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second);
}

}  // namespace

std::optional<Duration> ParseRetryAfter(std::string_view text, WallTime now) {
  if (text.size() <= kSecondsDigits) {
    if (auto seconds = Number(text); seconds.has_value()) return std::chrono::seconds(*seconds);
  }
  auto at = ParseFixdate(text);
  if (!at.has_value()) return std::nullopt;
  return std::max(Duration::zero(), *at - now);
}

}  // namespace gatehouse::registry
