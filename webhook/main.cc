// gatehouse-webhook: reads its configuration, serves until SIGTERM (program.h).
#include <sys/signalfd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>

#include "common/base/file.h"
#include "common/base/limits.h"
#include "webhook/program.h"

namespace gatehouse::webhook {
namespace {

constexpr int kExitUsage = 2;
constexpr int kExitFault = 1;

// What is wrong with the policies of a folder; those of a cluster are checked there.
int Check(const WebhookConfig& config) {
  if (config.kubernetes.has_value()) return 0;
  auto files = policy::ReadPolicyFiles(config.policy_folder);
  policy::LoadOutcome outcome =
      files.ok() ? policy::LoadPolicies(*files) : policy::LoadOutcome{.set = nullptr, .errors = {files.error()}};
  for (const Error& error : outcome.errors) std::cerr << "gatehouse-webhook: " << error.ToString() << "\n";
  return outcome.errors.empty() ? 0 : kExitUsage;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Kubernetes admission by image signature and node attestation.\nExit status: 0 ended by a signal, 1 a fault, 2 "
      "wrong usage, configuration or policies.",
      "gatehouse-webhook");
  std::string path;
  bool check = false;
  app.add_option("--config,-c", path, "configuration file (YAML)")->required();
  app.add_flag("--check", check, "read the configuration and the policies, say what is wrong, and end");
  app.set_version_flag("--version", GATEHOUSE_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // lint-ok: M07 CLI11 reports by exception
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }

  auto text = ReadTextFile(path, limits::kMiB);
  Result<WebhookConfig> config = text.ok() ? ParseConfig(*text, path) : Result<WebhookConfig>(text.error());
  if (!config.ok()) {
    std::cerr << "gatehouse-webhook: " << config.error().ToString() << "\n";
    return kExitUsage;
  }
  if (check) return Check(*config);

  // Before any thread starts, so that every thread has them blocked and only the descriptor gets them.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  int signals = ::signalfd(-1, &set, SFD_CLOEXEC);

  Program program(std::move(*config));
  if (Status started = program.Start(signals); !started.ok()) {
    std::cerr << "gatehouse-webhook: " << started.error().ToString() << "\n  " << Sentence(started.error().reason)
              << "\n";
    return ClassOf(started.error().reason) == ReasonClass::kInternal ? kExitFault : kExitUsage;
  }
  program.Run(signals);
  program.Stop(signals);
  return 0;
}

}  // namespace
}  // namespace gatehouse::webhook

int main(int argc, char** argv) {
  try {
    return gatehouse::webhook::Main(argc, argv);
  } catch (const std::exception& exception) {  // lint-ok: M07 the program's entry
    std::cerr << "gatehouse-webhook: internal fault: " << exception.what() << "\n";
    return 1;
  }
}
