#include "common/base/command.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "common/base/encoding.h"

namespace gatehouse {
namespace {

using Says = std::function<void(std::string_view)>;

constexpr std::size_t kKeptBytes = 16384;  // of the standard error
constexpr Duration kPollStep{50};

std::string ErrorText(int code) {
  return std::generic_category().message(code);
}

class Descriptor {
 public:
  Descriptor() = default;
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  void Close() {
    if (fd >= 0) close(fd);
    fd = -1;
  }
  int fd = -1;
};

struct Pipe {
  Descriptor reader;
  Descriptor writer;
  [[nodiscard]] bool Open() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    reader.fd = ends[0];
    writer.fd = ends[1];
    return true;
  }
  [[nodiscard]] bool OpenForReading() { return Open() && fcntl(reader.fd, F_SETFL, O_NONBLOCK) == 0; }
};

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Starts it; 0 or an errno.
int Spawn(const Command& command, int in, const Pipe& out, const Pipe& err, pid_t& child) {
  std::vector<std::string> arguments = command.arguments;
  std::vector<std::string> environment;
  for (const auto& [name, value] : command.environment) {
    std::string line = name + "=";
    environment.push_back(line.append(value));
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.writer.fd, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.writer.fd, STDERR_FILENO);
  // Not every descriptor of this process is closed on exec: those of libraries (accepted connections) are not.
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  int failure = posix_spawn(&child, command.file.c_str(), &actions, &attributes, Pointers(arguments).data(),
                            Pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return failure;
}

// Appends some of what is at hand; what is more than `max` is dropped, so that the writer goes on. false at the end.
bool Drain(const Pipe& pipe, std::string& to, std::size_t max, const Says& says = {}) {
  std::array<char, 4096> buffer{};
  ssize_t count = read(pipe.reader.fd, buffer.data(), buffer.size());
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (says && count > 0) says({buffer.data(), static_cast<std::size_t>(count)});
  if (to.size() <= max) to.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0;
}

// What is left of a deadline. Time that was waited is time passed, also where the clock is a test's.
class Patience {
 public:
  explicit Patience(const Deadline& deadline) : deadline_(deadline), left_(deadline.Remaining()) {}
  void WaitedInVain() { left_ -= kPollStep; }
  [[nodiscard]] bool Over() const { return deadline_.Passed() || left_ <= Duration::zero(); }

 private:
  const Deadline& deadline_;
  Duration left_;
};

// Reads both pipes until they end; false if that takes too long, or the output has too many bytes.
bool ReadAll(const Pipe& out, const Pipe& err, std::size_t max, Patience& patience, const Says& says,
             CommandOutcome& outcome) {
  bool out_open = true;
  bool err_open = true;
  while (out_open || err_open) {
    if (patience.Over() || outcome.output.size() > max) return false;
    std::array<pollfd, 2> waiting{
        {{out_open ? out.reader.fd : -1, POLLIN, 0}, {err_open ? err.reader.fd : -1, POLLIN, 0}}};
    if (poll(waiting.data(), waiting.size(), static_cast<int>(kPollStep.count())) <= 0) patience.WaitedInVain();
    if (out_open) out_open = Drain(out, outcome.output, max);
    if (err_open) err_open = Drain(err, outcome.errors, kKeptBytes, says);
  }
  return outcome.output.size() <= max;
}

// Waits for the child's end; nothing if it does not come in time.
std::optional<int> Await(pid_t child, Patience& patience) {
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (patience.Over()) return std::nullopt;
    poll(nullptr, 0, static_cast<int>(kPollStep.count()));
    patience.WaitedInVain();
  }
  return status;
}

// The child and all that it started and that is still in its group.
void Kill(pid_t child) {
  kill(-child, SIGKILL);
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

Result<CommandOutcome> RunCommand(const Command& command, const Deadline& deadline, const Says& says) {
  auto failed = [&](const std::string& why) {
    return Error{Reason::kConfigInvalid, Printable(command.file, 200), why};
  };
  if (command.input.size() > kCommandInputBytes) return failed("is to be given more than it can be given");
  Pipe in;
  Pipe out;
  Pipe err;
  if (!in.Open() || !out.OpenForReading() || !err.OpenForReading()) return failed("no pipe: " + ErrorText(errno));
  // The pipe holds all of it, so that nobody has to be there to read it yet.
  if (write(in.writer.fd, command.input.data(), command.input.size()) != static_cast<ssize_t>(command.input.size()))
    return failed("no pipe: " + ErrorText(errno));
  pid_t child = 0;
  int failure = Spawn(command, in.reader.fd, out, err, child);
  if (failure != 0) return failed("cannot be started: " + ErrorText(failure));
  for (Descriptor* each : {&in.reader, &in.writer, &out.writer, &err.writer}) each->Close();
  CommandOutcome outcome;
  Patience patience(deadline);
  std::optional<int> status;
  if (ReadAll(out, err, command.max_output, patience, says, outcome)) status = Await(child, patience);
  if (!status.has_value()) Kill(child);
  outcome.too_much = outcome.output.size() > command.max_output;
  outcome.timed_out = !status.has_value() && !outcome.too_much;
  if (status.has_value() && WIFEXITED(*status)) outcome.exit_code = WEXITSTATUS(*status);
  return outcome;
}

std::string FindCommand(const std::string& name, std::string_view path) {
  if (name.find('/') != std::string::npos) return name;
  while (!path.empty()) {
    std::size_t colon = path.find(':');
    std::string_view folder = path.substr(0, colon);
    path.remove_prefix(colon == std::string_view::npos ? path.size() : colon + 1);
    // An empty or relative entry means the working folder, where anybody may have put anything.
    if (!folder.starts_with('/')) continue;
    std::string candidate = std::string(folder) + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

}  // namespace gatehouse
