// A program that is run for what it prints: credential plugins and helpers. No shell is involved.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace gatehouse {

struct Command {
  std::string file;                                     // its path
  std::vector<std::string> arguments = {};              // the first is what it takes for its own name
  std::map<std::string, std::string> environment = {};  // all of it: nothing is inherited, descriptors neither
  std::string input = {};                               // its standard input, at most kCommandInputBytes
  std::size_t max_output = 0;                           // of its standard output; more ends it
};
inline constexpr std::size_t kCommandInputBytes = 4096;  // what any pipe holds at least (PIPE_BUF)

struct CommandOutcome {
  bool timed_out = false;   // it was killed, with all that it had started and that was still in its process group
  bool too_much = false;    // the same, because it printed more than it may
  int exit_code = -1;       // -1: a signal ended it, or it was killed
  std::string output = {};  // of its standard output; it may be a secret
  std::string errors = {};  // the beginning of its standard error, at most 16 KiB
};

// Runs it to its end, or until `deadline`. `says` gets all that it writes to its standard error, when it comes. Errors:
// kConfigInvalid if it cannot be started.
[[nodiscard]] Result<CommandOutcome> RunCommand(const Command& command, const Deadline& deadline,
                                                const std::function<void(std::string_view)>& says = {});

// The file that `name` stands for: itself if it is a path, else the first in the absolute folders of `path` that may be
// run; "" if there is none.
[[nodiscard]] std::string FindCommand(const std::string& name, std::string_view path);

}  // namespace gatehouse
