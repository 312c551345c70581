#include "tests/fakes/program.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace gatehouse::fakes {
namespace {

namespace fs = std::filesystem;

// Short: a unix socket may be among the files, and its path has at most 107 characters.
fs::path MakeFolder() {
  std::string pattern = (fs::temp_directory_path() / "gh-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  return pattern;
}

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A proxy of the machine must not come between the program and the servers of a test.
bool IsProxy(std::string_view entry) {
  std::string name(entry.substr(0, entry.find('=')));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return name.ends_with("_proxy");
}

std::vector<std::string> Environment(const std::map<std::string, std::string>& more) {
  std::vector<std::string> entries;
  for (const auto& [name, value] : more) entries.push_back(name + "=" + value);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!IsProxy(*entry)) entries.emplace_back(*entry);
  }
  return entries;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

ScratchFolder::ScratchFolder() : path_(MakeFolder()) {}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string ScratchFolder::Write(const std::string& name, const std::string& content) const {
  fs::path path = path_ / name;
  fs::create_directories(path.parent_path());
  fs::path temporary = path;
  temporary += ".tmp";
  std::ofstream(temporary, std::ios::binary) << content;
  fs::rename(temporary, path);
  return path.string();
}

std::string BuiltProgram(const std::string& name) {
  return std::string(GATEHOUSE_PROGRAM_FOLDER) + "/" + name;
}

std::string IndentedPem(const std::string& pem, std::size_t columns) {
  std::string text;
  for (std::size_t begin = 0; begin < pem.size();) {
    std::size_t end = std::min(pem.find('\n', begin), pem.size() - 1) + 1;
    text += std::string(columns, ' ') + pem.substr(begin, end - begin);
    begin = end;
  }
  return text;
}

bool Eventually(const std::function<bool()>& is_so, Duration at_most) {
  auto end = std::chrono::steady_clock::now() + at_most;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    ::poll(nullptr, 0, 10);
  }
  return true;
}

Program::Program(std::vector<std::string> arguments, const std::map<std::string, std::string>& environment) {
  // Everything that allocates comes before the fork: threads of the test may hold the allocator's lock.
  std::vector<std::string> entries = Environment(environment);
  std::vector<char*> argv = Pointers(arguments);
  std::vector<char*> envp = Pointers(entries);
  int in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  int out = ::open(folder_.At("out").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  int err = ::open(folder_.At("err").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (in < 0 || out < 0 || err < 0) throw std::runtime_error("no files for the output of a program");
  pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);  // the parent died before the request
    ::dup2(in, STDIN_FILENO);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(err, STDERR_FILENO);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  for (int descriptor : {in, out, err}) ::close(descriptor);
  if (pid_ < 0) throw std::runtime_error("cannot start a program");
}

Program::~Program() {
  if (!Running()) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::string Program::out() const {
  return ReadAll(folder_.At("out"));
}

std::string Program::err() const {
  return ReadAll(folder_.At("err"));
}

void Program::Signal(int number) const {
  if (!status_) ::kill(pid_, number);
}

std::optional<int> Program::Wait(Duration at_most) {
  auto ended = [this] {
    int status = 0;
    if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return status_.has_value();
  };
  (void)Eventually(ended, at_most);
  return status_;
}

Ran RunProgram(std::vector<std::string> arguments, const std::map<std::string, std::string>& environment) {
  Program program(std::move(arguments), environment);
  int exit_code = program.Wait().value_or(-1);
  return {exit_code, program.out(), program.err()};
}

}  // namespace gatehouse::fakes
