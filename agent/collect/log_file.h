// A small piece of evidence in a file, as opaque bytes: the boot event log, the kernel's command line.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "agent/collect/source.h"
#include "common/base/bytes.h"
#include "common/telemetry/log.h"

namespace gatehouse::agent {

class LogFile {
 public:
  // `name` is for the log, `count_fault` for the metrics. More than `max` bytes are not sent, because a part of them
  // proves nothing.
  LogFile(std::string name, std::filesystem::path path, std::size_t max, telemetry::Logger& log,
          std::function<void()> count_fault = nullptr)
      : source_(std::move(name), std::move(path), log, std::move(count_fault)), max_(max) {}

  // All of it, never empty. Nothing if the file is absent, empty, unreadable or too long: it is for the verifier's
  // policy to say whether the node may do without. That is logged when it begins and when it ends, not each time.
  [[nodiscard]] std::optional<Bytes> Read();

 private:
  Source source_;
  std::size_t max_;
};

}  // namespace gatehouse::agent
