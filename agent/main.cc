// gatehouse-agent: proves the state of the node that it runs on, again and again.
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "agent/collect/ima_log.h"
#include "agent/collect/log_file.h"
#include "agent/config/config.h"
#include "agent/metrics/listener.h"
#include "agent/metrics/metrics.h"
#include "agent/session/attester.h"
#include "agent/session/credentials.h"
#include "agent/session/loop.h"
#include "agent/session/pace.h"
#include "agent/tpm/esapi_device.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"

namespace gatehouse::agent {
namespace {

// Less than the server takes: a piece is in memory three times while it travels.
constexpr std::size_t kPieceBytes = 128 * limits::kKiB;
static_assert(kPieceBytes <= limits::kImaChunkBytes);

constexpr int kAttested = 0;
constexpr int kNotAttested = 1;
constexpr int kUsage = 2;
// What is under way when the program is to end, a request or a TPM command, gets so long.
constexpr unsigned kGraceSeconds = 5;

volatile std::sig_atomic_t grace_over_status = kAttested;  // an attestation once that did not come to its end is none
int stop_pipe_write = -1;  // for the signal handler alone, which has no other way to anything

extern "C" void OnStop(int) {
  int saved = errno;
  static_cast<void>(!::write(stop_pipe_write, "", 1));
  ::alarm(kGraceSeconds);
  errno = saved;
}

extern "C" void OnGraceOver(int) {
  ::_exit(grace_over_status);
}

// SIGTERM and SIGINT end the wait at once, and the program after what is under way.
class StopSignal {
 public:
  [[nodiscard]] bool Install() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return false;
    read_end_ = ends[0];
    stop_pipe_write = ends[1];
    struct sigaction action {};
    action.sa_handler = &OnStop;
    bool installed = ::sigaction(SIGTERM, &action, nullptr) == 0 && ::sigaction(SIGINT, &action, nullptr) == 0;
    action.sa_handler = &OnGraceOver;
    installed = installed && ::sigaction(SIGALRM, &action, nullptr) == 0;
    action.sa_handler = SIG_IGN;  // a peer that goes away is an error of the call, not the end of the program
    return installed && ::sigaction(SIGPIPE, &action, nullptr) == 0;
  }

  // False if the program is to end.
  [[nodiscard]] bool Wait(Duration duration, const Clock& clock) const {
    Deadline deadline(clock, duration);
    for (;;) {
      pollfd descriptor{read_end_, POLLIN, 0};
      auto left = static_cast<int>(std::min<Duration::rep>(deadline.Remaining().count(), 60'000));
      int ready = ::poll(&descriptor, 1, left);
      if (ready > 0) return false;
      if (deadline.Passed()) return true;
    }
  }

 private:
  int read_end_ = -1;
};

// The kernel maps many pages around each page of code that is needed, so that those of start-up, of the TPM and of TLS
// add up to most of our memory. Lets go of them all; what is needed again is at hand, without reading any file. Only of
// mappings that nobody can have written to: code, and the beginning of each library (headers, symbols, relocations).
void LetGoOfCode() {
  auto maps = ReadFile("/proc/self/maps", limits::kMiB);
  if (!maps.ok()) return;
  std::istringstream lines{std::string(AsText(*maps))};
  for (std::string line; std::getline(lines, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    const char* stop = line.data() + line.size();
    auto first = std::from_chars(line.data(), stop, begin, 16);
    if (first.ec != std::errc() || first.ptr == stop || *first.ptr != '-') continue;
    auto second = std::from_chars(first.ptr + 1, stop, end, 16);
    std::string_view rest(second.ptr, static_cast<std::size_t>(stop - second.ptr));
    if (second.ec != std::errc() || rest.find(" /") == std::string_view::npos) continue;
    if (!rest.starts_with(" r-xp ") && !rest.starts_with(" r--p 00000000 ")) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): that is what the kernel tells
    static_cast<void>(::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED));
  }
}

struct Arguments {
  std::string config;
  std::optional<std::string> node;
  bool once = false;
};

Result<AgentConfig> LoadConfig(const Arguments& arguments) {
  ASSIGN_OR_RETURN(Bytes yaml, ReadFile(arguments.config, limits::kYamlBytes));
  ASSIGN_OR_RETURN(AgentConfig config, ParseConfig(AsText(yaml), arguments.config, arguments.node));
  std::error_code failed;
  std::filesystem::create_directories(config.tpm.state_folder, failed);
  if (failed)
    return Error{Reason::kFileUnreadable, config.tpm.state_folder.string(), "cannot be created: " + failed.message()};
  return config;
}

int Run(const Arguments& arguments, StopSignal& stop) {
  SystemClock clock;
  auto config = LoadConfig(arguments);
  telemetry::Logger log(STDERR_FILENO, config.ok() ? config->level : telemetry::Level::kInfo, clock);
  if (!config.ok()) {
    log.Failure(telemetry::Level::kError, "cannot start", config.error());
    return kUsage;
  }
  Credentials credentials(config->server);
  // A wrong path is better found now than at the first attestation.
  if (auto transport = credentials.Connect(); !transport.ok()) {
    log.Failure(telemetry::Level::kError, "cannot start", transport.error());
    return kUsage;
  }
  Wait wait = [&](Duration duration) {
    ::malloc_trim(0);  // logs and their encodings were in memory; between attestations the agent is to be small
    LetGoOfCode();
    return stop.Wait(duration, clock);
  };
  Metrics metrics;
  std::unique_ptr<MetricsListener> listener;
  if (config->metrics_listen && !arguments.once) {
    auto started = MetricsListener::Start(*config->metrics_listen, [&] { return metrics.Text(); });
    if (!started.ok()) {
      log.Failure(telemetry::Level::kError, "cannot start", started.error());
      return kUsage;
    }
    listener = std::move(*started);
    log.Info("metrics are served", {{"listen", *config->metrics_listen}, {"port", std::to_string(listener->port())}});
  }
  auto tpm = MakeEsapiDevice(
      {config->tpm.tcti, config->tpm.ek, config->tpm.ak, config->tpm.state_folder, config->tpm.given_ak,
       [&](std::string_view kind, const std::function<void()>& call) {
         auto begin = clock.Mono();
         call();
         metrics.ObserveTpm(kind, clock.Mono() - begin);
       }},
      [&](Duration pause) { static_cast<void>(stop.Wait(pause, clock)); }, log);
  auto count = [&metrics](const char* source) { return [&metrics, source] { metrics.CountFault(source); }; };
  LogFile event_log("event log", config->event_log, limits::kEventLogBytes, log, count("event-log"));
  ImaLog ima_log({config->ima_log, config->ima_encoding, kPieceBytes}, log, count("ima-log"));
  LogFile command_line("command line", config->command_line, limits::kCommandLineBytes, log, count("command-line"));
  Attester attester({config->node, config->server.url, *tpm, event_log, ima_log, command_line, metrics,
                     [&] { return credentials.Connect(); },
                     [&] {  // once for each request: the TPM was used before, and TLS is next
                       LetGoOfCode();
                       return credentials.Token();
                     },
                     clock, log});
  log.Info("started",
           {{"node", config->node.text()}, {"server", config->server.url.Origin()}, {"tcti", config->tpm.tcti}});
  LetGoOfCode();
  if (arguments.once) return Report(attester.Attest(), log, metrics, clock.Wall()) ? kAttested : kNotAttested;
  Pace pace(config->interval, crypto::SystemRandom());
  AttestForever(attester, pace, wait, log, metrics, clock);
  log.Info("ended");
  return kAttested;
}

int Main(int argc, char** argv) {
  CLI::App app{
      "Proves the state of this node to Gatehouse's attestation service.\nExit status: 0 ended or attested, 1 not "
      "attested "
      "(--once), 2 wrong usage or configuration."};
  Arguments arguments;
  app.add_option("--config", arguments.config, "Configuration file (YAML)")->required();
  app.add_option("--node", arguments.node, "Name of this Kubernetes node, instead of the configuration's");
  app.add_flag("--once", arguments.once, "Attest once and end");
  app.set_version_flag("--version", GATEHOUSE_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // lint-ok: M07 the program's entry
    return app.exit(error) == 0 ? kAttested : kUsage;
  }
  // tpm2-tss writes lines of its own to our log unless told not to; every error of its is in one of ours.
  ::setenv("TSS2_LOG", "all+none", 0);
  if (arguments.once) grace_over_status = kNotAttested;
  StopSignal stop;
  if (!stop.Install()) {
    std::cerr << "cannot install signal handlers\n";
    return kNotAttested;
  }
  return Run(arguments, stop);
}

}  // namespace
}  // namespace gatehouse::agent

int main(int argc, char** argv) {
  try {
    return gatehouse::agent::Main(argc, argv);
  } catch (const std::exception& exception) {  // lint-ok: M07 the program's entry
    std::cerr << "gatehouse-agent: internal fault: " << exception.what() << "\n";
    return 1;
  }
}
