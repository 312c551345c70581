// One source of evidence that may be at fault: the node attests without it, and the log says so once.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/telemetry/log.h"

namespace gatehouse::agent {

class Source {
 public:
  // `name` is for the log. `count_fault` is called at each fault, logged or not.
  Source(std::string name, std::filesystem::path path, telemetry::Logger& log, std::function<void()> count_fault)
      : name_(std::move(name)), path_(std::move(path)), log_(log), count_fault_(std::move(count_fault)) {}

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // Logged when it begins, and when it becomes another fault; not each time.
  void Fault(const Error& error);
  // Logged when a fault ends.
  void Good();

 private:
  std::string name_;
  std::filesystem::path path_;
  telemetry::Logger& log_;
  std::function<void()> count_fault_;
  std::optional<Error> fault_;
};

}  // namespace gatehouse::agent
