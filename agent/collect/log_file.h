// A measurement log of the kernel, as opaque bytes: the agent does not look into evidence.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "common/base/bytes.h"
#include "common/telemetry/log.h"

namespace gatehouse::agent {

class LogFile {
 public:
  // `name` is for the log. A log of more than `max` bytes is not sent, because a part of it proves nothing.
  LogFile(std::string name, std::filesystem::path path, std::size_t max, telemetry::Logger& log)
      : name_(std::move(name)), path_(std::move(path)), max_(max), log_(log) {}

  // The whole log, never empty. Nothing if the file is absent, empty, unreadable or too long: it is for the verifier's
  // policy to say whether the node may do without. That is logged when it begins and when it ends, not each time.
  [[nodiscard]] std::optional<Bytes> Read();

 private:
  void Missing(const Error& error);

  std::string name_;
  std::filesystem::path path_;
  std::size_t max_;
  telemetry::Logger& log_;
  std::optional<Error> missing_;
};

}  // namespace gatehouse::agent
