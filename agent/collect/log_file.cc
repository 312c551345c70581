#include "agent/collect/log_file.h"

#include "common/base/file.h"

namespace gatehouse::agent {

std::optional<Bytes> LogFile::Read() {
  auto content = ReadFile(path_, max_);
  if (!content.ok()) {
    Missing(content.error());
    return std::nullopt;
  }
  if (content->empty()) {
    Missing({Reason::kFileUnreadable, path_.string(), "is empty"});
    return std::nullopt;
  }
  if (missing_) log_.Info("a measurement log is there again", {{"log", name_}, {"path", path_.string()}});
  missing_.reset();
  return std::move(*content);
}

void LogFile::Missing(const Error& error) {
  if (missing_ == error) return;
  log_.Failure(telemetry::Level::kWarn, "a measurement log cannot be sent; the node attests without it", error,
               {{"log", name_}});
  missing_ = error;
}

}  // namespace gatehouse::agent
