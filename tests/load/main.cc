// gatehouse-swarm: puts the load of a big cluster's agents on running webhooks, and says what became of it.
//
//   gatehouse-swarm prepare --folder F --nodes 200 --validity 20s    writes F/tokens.yaml and F/policy.yaml
//   gatehouse-swarm run --folder F --nodes 200 --server https://10.0.0.1:8444 --ca ca.pem --interval 2s --rounds 15
//       --kubeconfig K --create-nodes --metrics http://10.0.0.2:8080/metrics --as-nodes 2000 --as-interval 60s
//   gatehouse-swarm remove --nodes 200 --kubeconfig K                deletes Nodes and NodeAttestations
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/codec/time.h"
#include "common/kube/connection.h"
#include "common/net/https_transport.h"
#include "tests/load/swarm.h"

namespace gatehouse::load {
namespace {

struct Arguments {
  std::string folder;
  std::string kubeconfig;
  std::string ca;
  std::string interval = "60s";
  std::string validity = "10m";
  std::string as_interval = "60s";
  std::string as_validity = "10m";
  std::size_t as_nodes = 2'000;
  std::vector<std::string> servers;
  std::vector<std::string> metrics;
  bool create_nodes = false;
  SwarmOptions options;
};

Result<std::unique_ptr<kube::Api>> MakeApi(const std::string& kubeconfig, const Clock& clock) {
  ASSIGN_OR_RETURN(auto config, kube::FromKubeConfig({.files = {kubeconfig}}, clock));
  return std::make_unique<kube::Api>(std::move(config.connections), clock,
                                     kube::Api::Options{.queries_per_second = 1'000});
}

// Over all replicas. One that cannot be asked counts nothing, and says so.
std::uint64_t ReadWrites(const std::vector<std::string>& urls, const Clock& clock) {
  std::uint64_t sum = 0;
  for (const std::string& text : urls) {
    auto url = net::Url::Parse(text, Reason::kUsage);
    auto transport = net::MakeHttpsTransport({});
    if (!url.ok() || !transport.ok()) continue;
    net::HttpRequest request{.url = *url, .max_response_bytes = limits::kMiB * 16};
    auto response = (*transport)->Send(request, Deadline(clock, limits::kRequestTimeout));
    if (response.ok() && response->status == 200) {
      sum += WritesIn(response->body);
    } else {
      std::cerr << "gatehouse-swarm: " << text << ": no metrics\n";
    }
  }
  return sum;
}

Status Prepare(const Arguments& arguments) {
  ASSIGN_OR_RETURN(auto identity, SwarmIdentity::Open(arguments.folder));
  ASSIGN_OR_RETURN(Duration validity, codec::ParseDuration(arguments.validity));
  RETURN_IF_ERROR(
      WriteFile(arguments.folder + "/tokens.yaml", AsBytes(identity.TokensYaml(NodeNames(arguments.options)))));
  return WriteFile(arguments.folder + "/policy.yaml", AsBytes(identity.PolicyYaml(arguments.options.prefix, validity)));
}

double PerSecond(std::uint64_t count, Duration span) {
  const double seconds = std::chrono::duration<double>(span).count();
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

void Print(const Arguments& arguments, const SwarmReport& report, Duration validity, Duration as_interval,
           Duration as_validity) {
  std::printf("enrolled %llu of %zu nodes in %.1f s (%.0f/s)\n", static_cast<unsigned long long>(report.enrolled),
              report.nodes, std::chrono::duration<double>(report.enrolment).count(),
              PerSecond(report.enrolled, report.enrolment));
  std::printf("attested %llu times in %.1f s: %.0f/s; latency ms p50 %.1f p95 %.1f p99 %.1f max %.1f\n",
              static_cast<unsigned long long>(report.attested), std::chrono::duration<double>(report.span).count(),
              PerSecond(report.attested, report.span), report.LatencyAt(0.5), report.LatencyAt(0.95),
              report.LatencyAt(0.99), report.LatencyAt(1));
  std::uint64_t failed = 0;
  for (const auto& [what, count] : report.failures) {
    std::printf("failed %llu: %s\n", static_cast<unsigned long long>(count), what.c_str());
    failed += count;
  }
  std::printf("failures %llu\n", static_cast<unsigned long long>(failed));
  if (arguments.metrics.empty()) return;
  const double computed = WritesPerSecond(report.nodes, arguments.options.interval, validity);
  const double measured = PerSecond(report.writes, report.span);
  std::printf(
      "NodeAttestation writes: %llu while enrolling, %llu of %llu results after that: computed %.2f/s, measured "
      "%.2f/s\n",
      static_cast<unsigned long long>(report.first_writes), static_cast<unsigned long long>(report.writes),
      static_cast<unsigned long long>(report.attested), computed, measured);
  const double as_computed = WritesPerSecond(arguments.as_nodes, as_interval, as_validity);
  // How many of the results were written is the same when everything takes longer by one factor.
  const double per_attestation =
      report.attested == 0 ? 0 : static_cast<double>(report.writes) / static_cast<double>(report.attested);
  const double as_attestations =
      static_cast<double>(arguments.as_nodes) / std::chrono::duration<double>(as_interval).count();
  std::printf(
      "%zu nodes at %s, validity %s: computed %.1f writes/s, measured %.1f writes/s (time compressed %.0f "
      "times, %zu nodes)\n",
      arguments.as_nodes, arguments.as_interval.c_str(), arguments.as_validity.c_str(), as_computed,
      per_attestation * as_attestations,
      std::chrono::duration<double>(as_interval) / std::chrono::duration<double>(arguments.options.interval),
      report.nodes);
}

Status Run(Arguments& arguments, const Clock& clock) {
  SwarmOptions& options = arguments.options;
  ASSIGN_OR_RETURN(auto identity, SwarmIdentity::Open(arguments.folder));
  ASSIGN_OR_RETURN(options.interval, codec::ParseDuration(arguments.interval));
  ASSIGN_OR_RETURN(Duration validity, codec::ParseDuration(arguments.validity));
  ASSIGN_OR_RETURN(Duration as_interval, codec::ParseDuration(arguments.as_interval));
  ASSIGN_OR_RETURN(Duration as_validity, codec::ParseDuration(arguments.as_validity));
  if (options.interval <= Duration(0) || as_interval <= Duration(0))
    return Error{Reason::kUsage, "--interval", "must be longer than nothing"};
  for (const std::string& text : arguments.servers) {
    ASSIGN_OR_RETURN(auto url, net::Url::Parse(text, Reason::kUsage));
    options.servers.push_back(std::move(url));
  }
  if (options.servers.empty()) return Error{Reason::kUsage, "--server", "missing"};
  if (!arguments.ca.empty()) {
    ASSIGN_OR_RETURN(options.ca_pem, ReadTextFile(arguments.ca, limits::kMiB));
  }
  if (arguments.create_nodes) {
    ASSIGN_OR_RETURN(auto api, MakeApi(arguments.kubeconfig, clock));
    RETURN_IF_ERROR(CreateNodes(*api, NodeNames(options)));
  }
  if (!arguments.metrics.empty()) options.writes = [&] { return ReadWrites(arguments.metrics, clock); };
  const SwarmReport report = RunSwarm(identity, options, clock);
  Print(arguments, report, validity, as_interval, as_validity);
  if (report.enrolled == report.nodes && report.failures.empty()) return Ok();
  return Error{Reason::kNodeUntrusted, "", "not every attestation succeeded"};
}

int Main(int argc, char** argv) {
  const SystemClock clock;
  Arguments arguments;
  CLI::App app("The load of many nodes on running webhooks.\nExit status: 0 good, 1 an attestation failed, 2 usage.",
               "gatehouse-swarm");
  app.require_subcommand(1);
  auto* prepare = app.add_subcommand("prepare", "write tokens.yaml and policy.yaml for a swarm");
  auto* run = app.add_subcommand("run", "enrol and attest");
  auto* remove = app.add_subcommand("remove", "delete the Nodes and NodeAttestations of a swarm");
  for (auto* command : {prepare, run, remove}) {
    command->add_option("--nodes", arguments.options.nodes, "how many")->check(CLI::Range(1, 100'000));
    command->add_option("--prefix", arguments.options.prefix, "of their names");
  }
  for (auto* command : {prepare, run}) {
    command->add_option("--folder", arguments.folder, "of the swarm's identity")->required();
    command->add_option("--validity", arguments.validity, "of the policy's results");
  }
  for (auto* command : {run, remove}) command->add_option("--kubeconfig", arguments.kubeconfig, "of the cluster");
  run->add_option("--server", arguments.servers, "attestation service; several take turns")->required();
  run->add_option("--ca", arguments.ca, "PEM file: who signed the servers' certificates");
  run->add_option("--interval", arguments.interval, "between two attestations of a node");
  run->add_option("--rounds", arguments.options.rounds, "attestations of each node");
  run->add_option("--threads", arguments.options.threads, "calls at once")->check(CLI::Range(1, 256));
  run->add_option("--metrics", arguments.metrics, "URL of each webhook's /metrics");
  run->add_option("--as-nodes", arguments.as_nodes, "the cluster that the figures are to be told for");
  run->add_option("--as-interval", arguments.as_interval, "its agents' interval");
  run->add_option("--as-validity", arguments.as_validity, "its policy's validity");
  run->add_flag("--keep-connections", arguments.options.keep_connections, "rather than one for each attestation");
  run->add_flag("--create-nodes", arguments.create_nodes, "make the Node objects before");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // lint-ok: M07 CLI11 reports by exception
    return app.exit(error) == 0 ? 0 : 2;
  }
  Status done = Ok();
  if (prepare->parsed()) done = Prepare(arguments);
  if (run->parsed()) done = Run(arguments, clock);
  if (remove->parsed()) {
    auto api = MakeApi(arguments.kubeconfig, clock);
    done = api.ok() ? RemoveNodes(**api, NodeNames(arguments.options)) : Status(api.error());
  }
  if (done.ok()) return 0;
  std::cerr << "gatehouse-swarm: " << done.error().ToString() << "\n";
  return ClassOf(done.error().reason) == ReasonClass::kUsage ? 2 : 1;
}

}  // namespace
}  // namespace gatehouse::load

int main(int argc, char** argv) {
  try {
    return gatehouse::load::Main(argc, argv);
  } catch (const std::exception& exception) {  // lint-ok: M07 the program's entry
    std::cerr << "gatehouse-swarm: internal fault: " << exception.what() << "\n";
    return 1;
  }
}
