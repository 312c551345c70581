// Log as JSON lines: one object a line, on one file descriptor. Fields are shown as Printable() shows them; secrets are
// never passed.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace gatehouse::telemetry {

enum class Level : std::uint8_t { kDebug, kInfo, kWarn, kError, kOff };
// "debug", "info", "warn", "error", "off". Errors: kConfigInvalid.
[[nodiscard]] Result<Level> ParseLevel(std::string_view text);

using Field = std::pair<std::string_view, std::string_view>;
using Fields = std::initializer_list<Field>;

// Thread-safe: lines of several threads never mix. A reader that does not read (a full pipe) loses lines, after a
// moment's patience for the first of them; it never blocks a decision for good.
class Logger {
 public:
  Logger(int fd, Level level, const Clock& clock) : fd_(fd), level_(level), clock_(clock) {}

  // {"time":"2026-…Z","level":"info","msg":"…","key":"value",…}
  void Log(Level level, std::string_view message, Fields fields = {});
  void Debug(std::string_view message, Fields fields = {}) { Log(Level::kDebug, message, fields); }
  void Info(std::string_view message, Fields fields = {}) { Log(Level::kInfo, message, fields); }
  void Warn(std::string_view message, Fields fields = {}) { Log(Level::kWarn, message, fields); }
  void Error(std::string_view message, Fields fields = {}) { Log(Level::kError, message, fields); }
  // Adds "reason" and "class", "where", "detail".
  void Failure(Level level, std::string_view message, const gatehouse::Error& error, Fields fields = {});
  // A line that is JSON already (an audit event); always written.
  void Line(std::string_view json);
  [[nodiscard]] bool Enabled(Level level) const { return level >= level_; }

 private:
  void Write(std::string line);
  int fd_;
  Level level_;
  const Clock& clock_;
  std::mutex mutex_;
  bool stalled_ = false;  // the last line was lost, wholly or in part
};

}  // namespace gatehouse::telemetry
