#include "common/telemetry/log.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "common/base/encoding.h"
#include "common/codec/json.h"
#include "common/codec/time.h"

namespace gatehouse::telemetry {
namespace {

constexpr int kPatienceMs = 100;
constexpr std::size_t kFieldBytes = 4096;  // longer values are cut: a log line is for people
constexpr std::array<std::string_view, 5> kNames = {"debug", "info", "warn", "error", "off"};

void Put(codec::JsonWriter& json, std::string_view key, std::string_view value) {
  json.Member(key, Printable(value, kFieldBytes));
}

}  // namespace

Result<Level> ParseLevel(std::string_view text) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames.at(i) == text) return static_cast<Level>(i);
  }
  return Error{Reason::kConfigInvalid, "",
               "'" + Printable(text, 32) + "' is not a log level: debug, info, warn, error, off"};
}

void Logger::Log(Level level, std::string_view message, Fields fields) {
  if (!Enabled(level)) return;
  codec::JsonWriter json;
  json.BeginObject();
  json.Member("time", codec::FormatTime(clock_.Wall()));
  json.Member("level", kNames.at(static_cast<std::size_t>(level)));
  Put(json, "msg", message);
  for (const auto& [key, value] : fields) Put(json, key, value);
  json.EndObject();
  Write(std::move(json).Finish());
}

void Logger::Failure(Level level, std::string_view message, const gatehouse::Error& error, Fields fields) {
  if (!Enabled(level)) return;
  codec::JsonWriter json;
  json.BeginObject();
  json.Member("time", codec::FormatTime(clock_.Wall()));
  json.Member("level", kNames.at(static_cast<std::size_t>(level)));
  Put(json, "msg", message);
  json.Member("reason", Token(error.reason)).Member("class", Token(ClassOf(error.reason)));
  if (!error.where.empty()) Put(json, "where", error.where);
  if (!error.detail.empty()) Put(json, "detail", error.detail);
  for (const auto& [key, value] : fields) Put(json, key, value);
  json.EndObject();
  Write(std::move(json).Finish());
}

void Logger::Line(std::string_view json) {
  Write(std::string(json));
}

void Logger::Write(std::string line) {
  line.push_back('\n');
  std::lock_guard lock(mutex_);
  if (stalled_) line.insert(line.begin(), '\n');  // ends whatever part of a lost line was written
  int patience = stalled_ ? 0 : kPatienceMs;
  stalled_ = true;
  for (std::string_view rest = line; !rest.empty();) {
    pollfd ready{.fd = fd_, .events = POLLOUT, .revents = 0};
    if (::poll(&ready, 1, patience) <= 0 || (ready.revents & POLLOUT) == 0) return;
    // A pipe that is ready takes this much without blocking (POSIX, PIPE_BUF).
    ssize_t written = ::write(fd_, rest.data(), std::min<std::size_t>(rest.size(), PIPE_BUF));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nowhere left to say so
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  stalled_ = false;
}

}  // namespace gatehouse::telemetry
