#include "common/codec/time.h"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "common/base/encoding.h"

namespace gatehouse::codec {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// Go's time.Duration holds nanoseconds in 63 bits; what it cannot hold, kubectl and we refuse alike.
constexpr std::int64_t kLongest = INT64_MAX / 1'000'000;

constexpr WallTime kEarliest{std::chrono::sys_days(std::chrono::year(0) / 1 / 1)};
constexpr WallTime kBeyondLatest{std::chrono::sys_days(std::chrono::year(10000) / 1 / 1)};

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

std::string Padded(std::int64_t value, std::size_t width) {
  std::string digits = std::to_string(std::abs(value));
  if (digits.size() < width) digits.insert(0, width - digits.size(), '0');
  return value < 0 ? "-" + digits : digits;
}

// Takes a fixed grammar from the front of a text; a failure sticks.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  // Exactly `count` digits with a value in [min, max].
  int Number(std::size_t count, int min, int max) {
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (rest_.empty() || !IsDigit(rest_[0])) return Fail();
      value = value * 10 + (rest_[0] - '0');
      rest_.remove_prefix(1);
    }
    return value >= min && value <= max ? value : Fail();
  }

  // One of `chars`.
  char OneOf(std::string_view chars) {
    if (!Sees(chars)) return static_cast<char>(Fail());
    char c = rest_[0];
    rest_.remove_prefix(1);
    return c;
  }

  [[nodiscard]] bool Sees(std::string_view chars) const {
    return !rest_.empty() && chars.find(rest_[0]) != std::string_view::npos;
  }

  // time-secfrac after its point: at least one digit; what is smaller than a millisecond is dropped.
  int Milliseconds() {
    int value = 0;
    std::size_t count = 0;
    for (; !rest_.empty() && IsDigit(rest_[0]); rest_.remove_prefix(1), ++count) {
      if (count < 3) value = value * 10 + (rest_[0] - '0');
    }
    if (count == 0) return Fail();
    for (; count < 3; ++count) value *= 10;
    return value;
  }

  [[nodiscard]] bool Done() const { return ok_ && rest_.empty(); }

 private:
  int Fail() {
    ok_ = false;
    rest_ = {};
    return 0;
  }

  std::string_view rest_;
  bool ok_ = true;
};

struct Unit {
  std::string_view name;
  std::int64_t milliseconds;
};
constexpr auto kUnits = std::to_array<Unit>({{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}});

// Takes the digits at the front of `text`: their value and how many there are. Nothing if there are more than 13.
struct Digits {
  std::int64_t value = 0;
  std::size_t count = 0;
};
std::optional<Digits> TakeDigits(std::string_view& text) {
  constexpr std::size_t kMostDigits = 13;  // kLongest has 13; a fraction of 12 digits times an hour still fits 63 bits
  Digits digits;
  for (; !text.empty() && IsDigit(text[0]); text.remove_prefix(1)) {
    if (++digits.count > kMostDigits) return std::nullopt;
    digits.value = digits.value * 10 + (text[0] - '0');
  }
  return digits;
}

// One number and its unit, "1.5h", from the front of `text`. Nothing if it is not one, or not a whole number of
// milliseconds (a duration that rounds to nothing is nobody's intention).
std::optional<std::int64_t> TakeTerm(std::string_view& text) {
  auto whole = TakeDigits(text);
  Digits fraction;
  if (!whole) return std::nullopt;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    auto digits = TakeDigits(text);
    if (!digits || digits->count > 12) return std::nullopt;
    fraction = *digits;
  }
  if (whole->count + fraction.count == 0) return std::nullopt;
  const Unit* unit = nullptr;
  for (const Unit& candidate : kUnits) {
    if (text.starts_with(candidate.name) && (unit == nullptr || candidate.name.size() > unit->name.size()))
      unit = &candidate;
  }
  if (unit == nullptr || whole->value > kLongest / unit->milliseconds) return std::nullopt;
  text.remove_prefix(unit->name.size());
  std::int64_t scale = 1;
  for (std::size_t i = 0; i < fraction.count; ++i) scale *= 10;
  std::int64_t numerator = fraction.value * unit->milliseconds;
  if (numerator % scale != 0) return std::nullopt;
  return whole->value * unit->milliseconds + numerator / scale;
}

}  // namespace

std::string FormatTime(WallTime time) {
  auto day = std::chrono::floor<days>(time);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss clock(time - day);
  std::string text = Padded(int{date.year()}, 4) + "-" + Padded(unsigned{date.month()}, 2) + "-" +
                     Padded(unsigned{date.day()}, 2) + "T" + Padded(clock.hours().count(), 2) + ":" +
                     Padded(clock.minutes().count(), 2) + ":" + Padded(clock.seconds().count(), 2);
  if (clock.subseconds().count() != 0) text += "." + Padded(clock.subseconds().count(), 3);
  return text + "Z";
}

// RFC 3339 section 5.6: date-time = full-date "T" full-time; "T" and "Z" "may alternatively be lower case".
Result<WallTime> ParseTime(std::string_view text) {
  Scanner scanner(text);
  std::chrono::year year(scanner.Number(4, 0, 9999));
  scanner.OneOf("-");
  std::chrono::month month(static_cast<unsigned>(scanner.Number(2, 1, 12)));
  scanner.OneOf("-");
  std::chrono::day day(static_cast<unsigned>(scanner.Number(2, 1, 31)));
  scanner.OneOf("Tt");
  hours hour(scanner.Number(2, 0, 23));
  scanner.OneOf(":");
  minutes minute(scanner.Number(2, 0, 59));
  scanner.OneOf(":");
  seconds second(scanner.Number(2, 0, 59));
  Duration fraction{};
  if (scanner.Sees(".")) {
    scanner.OneOf(".");
    fraction = Duration(scanner.Milliseconds());
  }
  minutes offset{};
  if (char sign = scanner.OneOf("Zz+-"); sign == '+' || sign == '-') {
    offset = hours(scanner.Number(2, 0, 23));
    scanner.OneOf(":");
    offset += minutes(scanner.Number(2, 0, 59));
    if (sign == '-') offset = -offset;
  }
  Error error{Reason::kEncodingMalformed, "",
              "'" + Printable(text, 40) + "' is not an RFC 3339 time such as 2026-11-21T20:40:36Z"};
  std::chrono::year_month_day date(year, month, day);
  if (!scanner.Done() || !date.ok()) return error;
  WallTime time = std::chrono::sys_days(date) + hour + minute + second + fraction - offset;
  // An offset can reach beyond the years of four digits, and then the time could not be written in UTC again.
  return time < kEarliest || time >= kBeyondLatest ? Result<WallTime>(std::move(error)) : time;
}

Result<Duration> ParseDuration(std::string_view text) {
  Error error{Reason::kEncodingMalformed, "",
              "'" + Printable(text, 40) + "' is not a duration such as 90s, 1h30m or 250ms"};
  if (text == "0") return Duration::zero();
  if (text.empty()) return error;
  std::int64_t total = 0;
  for (std::string_view rest = text; !rest.empty();) {
    auto term = TakeTerm(rest);
    if (!term || *term > kLongest - total) return error;
    total += *term;
  }
  return Duration(total);
}

std::string FormatDuration(Duration duration) {
  if (duration < Duration::zero()) return "-" + FormatDuration(-duration);
  if (duration == Duration::zero()) return "0s";
  if (duration < seconds(1)) return std::to_string(duration.count()) + "ms";
  std::chrono::hh_mm_ss clock(duration);
  std::string text;
  if (clock.hours().count() != 0) text += std::to_string(clock.hours().count()) + "h";
  if (!text.empty() || clock.minutes().count() != 0) text += std::to_string(clock.minutes().count()) + "m";
  text += std::to_string(clock.seconds().count());
  if (clock.subseconds().count() != 0) {
    text += "." + Padded(clock.subseconds().count(), 3);
    while (text.ends_with('0')) text.pop_back();
  }
  return text + "s";
}

}  // namespace gatehouse::codec
