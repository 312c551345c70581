// A program of ours as a user has it: a process of its own, what it prints, how it ends. And a folder for its files.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"

namespace gatehouse::fakes {

// A temporary folder that goes away with the object.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::string At(const std::string& name) const { return (path_ / name).string(); }
  // Creates or replaces a file as an admin's tool does, by renaming; folders in `name` are made. Returns its path.
  std::string Write(const std::string& name, const std::string& content) const;

 private:
  std::filesystem::path path_;
};

// The path of a program of this build: "gatehouse", "gatehouse-webhook", "gatehouse-agent".
[[nodiscard]] std::string BuiltProgram(const std::string& name);

// A public key or certificate as the value of a YAML block scalar.
[[nodiscard]] std::string IndentedPem(const std::string& pem, std::size_t columns);

// Asks every 10 ms until it is so; false if it is not after `at_most`.
[[nodiscard]] bool Eventually(const std::function<bool()>& is_so, Duration at_most = std::chrono::seconds(20));

// A process that runs while the object lives; killed at the end if it still does, and with the test program in any
// case. Its environment is ours without proxies, and with `environment`. Its standard input is empty.
class Program {
 public:
  explicit Program(std::vector<std::string> arguments, const std::map<std::string, std::string>& environment = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // What it printed so far.
  [[nodiscard]] std::string out() const;
  [[nodiscard]] std::string err() const;
  [[nodiscard]] pid_t pid() const { return pid_; }
  void Signal(int number) const;
  // The exit status; 128 + the signal's number for one that a signal ended; nothing if it has not ended in time.
  [[nodiscard]] std::optional<int> Wait(Duration at_most = std::chrono::seconds(60));
  [[nodiscard]] bool Running() { return !Wait(Duration::zero()); }

 private:
  ScratchFolder folder_;  // where its output goes
  pid_t pid_ = -1;
  std::optional<int> status_;
};

struct Ran {
  int exit_code;
  std::string out;
  std::string err;
};
// Runs a program to its end; exit code -1 if it had to be killed after a minute.
[[nodiscard]] Ran RunProgram(std::vector<std::string> arguments,
                             const std::map<std::string, std::string>& environment = {});

}  // namespace gatehouse::fakes
