#include "common/kube/exec_credential.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <vector>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/codec/time.h"

namespace gatehouse::kube {
namespace {

using codec::JsonDocument;
using Says = std::function<void(std::string_view)>;

constexpr std::size_t kShownBytes = 300;   // of what the plugin wrote to its standard error
constexpr std::size_t kKeptBytes = 16384;  // of the same
constexpr Duration kPollStep{50};

Error Failed(const ExecPlugin& plugin, const std::string& detail) {
  return {Reason::kConfigInvalid, "exec plugin " + Printable(plugin.command, 200), detail};
}

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
    return fcntl(reader.fd, F_SETFL, O_NONBLOCK) == 0;
  }
};

// The file to run, or "" if PATH has none of that name. PATH is the one that the plugin will see.
std::string Locate(const std::string& command, const std::map<std::string, std::string>& environment) {
  if (command.find('/') != std::string::npos) return command;
  auto path = environment.find("PATH");
  std::string_view rest = path == environment.end() ? std::string_view("/usr/local/bin:/usr/bin:/bin") : path->second;
  while (!rest.empty()) {
    std::size_t colon = rest.find(':');
    std::string_view folder = rest.substr(0, colon);
    rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
    // An empty or relative entry means the working folder, where anybody may have put anything.
    if (!folder.starts_with('/')) continue;
    std::string candidate = std::string(folder) + "/" + command;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

std::string ExecInfo(const ExecPlugin& plugin, const KubeAccess& access, const std::string& ca_pem) {
  codec::JsonWriter writer;
  writer.BeginObject().Member("apiVersion", plugin.api_version).Member("kind", "ExecCredential");
  writer.Key("spec").BeginObject();
  if (plugin.provide_cluster) {
    writer.Key("cluster").BeginObject().Member("server", access.server.ToString());
    if (!access.server_name.empty()) writer.Member("tls-server-name", access.server_name);
    if (!ca_pem.empty()) writer.Member("certificate-authority-data", EncodeBase64(AsBytes(ca_pem)));
    if (!access.proxy_url.empty()) writer.Member("proxy-url", access.proxy_url);
    if (!plugin.cluster_config.empty()) writer.Key("config").Raw(plugin.cluster_config);
    writer.EndObject();
  }
  writer.Key("interactive").Bool(false);
  writer.EndObject().EndObject();
  return std::move(writer).Finish();
}

std::vector<std::string> EnvironmentOf(const ExecPlugin& plugin, std::map<std::string, std::string> environment,
                                       const std::string& info) {
  for (const auto& [name, value] : plugin.environment) environment[name] = value;
  environment["KUBERNETES_EXEC_INFO"] = info;
  std::vector<std::string> lines;
  for (const auto& [name, value] : environment) {
    std::string line = name + "=";
    lines.push_back(line.append(value));
  }
  return lines;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Starts `file`; 0 or an errno.
int Spawn(const std::string& file, std::vector<std::string> arguments, std::vector<std::string> environment,
          const Pipe& out, const Pipe& err, pid_t& child) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.writer.fd, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.writer.fd, STDERR_FILENO);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  int failure = posix_spawn(&child, file.c_str(), &actions, &attributes, Pointers(arguments).data(),
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
bool ReadAll(const Pipe& out, const Pipe& err, Patience& patience, const Says& says, std::string& output,
             std::string& errors) {
  bool out_open = true;
  bool err_open = true;
  while (out_open || err_open) {
    if (patience.Over() || output.size() > limits::kExecCredentialBytes) return false;
    std::array<pollfd, 2> waiting{
        {{out_open ? out.reader.fd : -1, POLLIN, 0}, {err_open ? err.reader.fd : -1, POLLIN, 0}}};
    if (poll(waiting.data(), waiting.size(), static_cast<int>(kPollStep.count())) <= 0) patience.WaitedInVain();
    if (out_open) out_open = Drain(out, output, limits::kExecCredentialBytes);
    if (err_open) err_open = Drain(err, errors, kKeptBytes, says);
  }
  return output.size() <= limits::kExecCredentialBytes;
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

Result<ExecCredential> ReadExecCredential(std::string_view json, const std::string& api_version) {
  const std::string where = "exec credential";
  auto document = JsonDocument::Parse(json, {limits::kExecCredentialBytes});
  if (!document.ok()) return Error{Reason::kConfigInvalid, where, "is no JSON object"};
  codec::ObjectReader reader(*document, document->root(), Reason::kConfigInvalid);
  reader.IgnoreUnknown();
  std::string kind = reader.String("kind");
  std::string version = reader.String("apiVersion");
  ExecCredential credential;
  std::optional<std::string> expires;
  reader.Object("status", codec::ObjectReader::Presence::kRequired, [&](codec::ObjectReader& status) {
    status.IgnoreUnknown();
    credential.token = status.OptionalString("token").value_or("");
    credential.certificate_pem = status.OptionalString("clientCertificateData").value_or("");
    credential.key_pem = status.OptionalString("clientKeyData").value_or("");
    expires = status.OptionalString("expirationTimestamp");
  });
  if (Status read = reader.Finish(); !read.ok()) return read.error().In(where);
  if (kind != "ExecCredential" || version != api_version) {
    return Error{Reason::kConfigInvalid, where,
                 "must have kind ExecCredential and the apiVersion of the kubeconfig, " + api_version};
  }
  if (credential.certificate_pem.empty() != credential.key_pem.empty()) {
    return Error{Reason::kConfigInvalid, where, "has a client certificate without its key, or the key alone"};
  }
  if (credential.token.empty() && credential.key_pem.empty()) {
    return Error{Reason::kConfigInvalid, where, "holds neither a token nor a client certificate"};
  }
  if (!expires.has_value()) return credential;
  auto time = codec::ParseTime(*expires);
  if (!time.ok()) return Error{Reason::kConfigInvalid, where, "expirationTimestamp is no RFC 3339 time"};
  credential.expires = *time;
  return credential;
}

Result<ExecCredential> RunExecPlugin(const ExecPlugin& plugin, const KubeAccess& access, const std::string& ca_pem,
                                     const std::map<std::string, std::string>& environment, const Deadline& deadline,
                                     const std::function<void(std::string_view)>& says) {
  std::string file = Locate(plugin.command, environment);
  std::string hint = plugin.install_hint.empty() ? "" : "; " + Printable(plugin.install_hint, kShownBytes);
  if (file.empty()) return Failed(plugin, "is not in PATH" + hint);
  Pipe out;
  Pipe err;
  if (!out.Open() || !err.Open()) return Failed(plugin, "no pipe: " + ErrorText(errno));
  std::vector<std::string> arguments = {plugin.command};
  arguments.insert(arguments.end(), plugin.arguments.begin(), plugin.arguments.end());
  pid_t child = 0;
  int failure = Spawn(file, std::move(arguments), EnvironmentOf(plugin, environment, ExecInfo(plugin, access, ca_pem)),
                      out, err, child);
  if (failure != 0) return Failed(plugin, "cannot be started: " + ErrorText(failure) + hint);
  out.writer.Close();
  err.writer.Close();
  std::string output;
  std::string errors;
  Patience patience(deadline);
  std::optional<int> status;
  if (ReadAll(out, err, patience, says, output, errors)) status = Await(child, patience);
  if (!status.has_value()) Kill(child);
  while (!errors.empty() && (errors.back() == '\n' || errors.back() == '\r')) errors.pop_back();
  if (errors.size() > kShownBytes) errors.erase(0, errors.size() - kShownBytes);
  std::string said = errors.empty() ? "" : "; it wrote: " + Printable(errors, kShownBytes);
  if (output.size() > limits::kExecCredentialBytes) return Failed(plugin, "printed too much" + said);
  if (!status.has_value()) return Failed(plugin, "did not end in time" + said);
  if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0) return Failed(plugin, "failed" + said);
  auto credential = ReadExecCredential(output, plugin.api_version);
  if (!credential.ok()) return Failed(plugin, "printed no credential: " + credential.error().ToString());
  return credential;
}

}  // namespace gatehouse::kube
