// Many nodes with TPMs in memory that enrol and attest against running webhooks: what a big cluster's agents are to the
// verifier, without the machines.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/kube/api.h"
#include "common/net/http.h"
#include "tests/fakes/pki.h"

namespace gatehouse::load {

// What the verifier must be told before: a vendor of TPMs, and the tokens of the nodes' agents. Kept in a folder, so
// that the program that prepares and the one that attests may be two.
class SwarmIdentity {
 public:
  // Reads the folder, or writes a new identity there.
  [[nodiscard]] static Result<SwarmIdentity> Open(const std::string& folder);
  [[nodiscard]] const fakes::TestCa& vendor() const { return vendor_; }
  [[nodiscard]] std::string TokenOf(const std::string& node) const;
  // The file of the configuration's attestation.tokens.
  [[nodiscard]] std::string TokensYaml(const std::vector<std::string>& nodes) const;
  // A TrustRoot and a NodePolicy for nodes whose names begin with `prefix`, both named after it.
  [[nodiscard]] std::string PolicyYaml(const std::string& prefix, Duration validity) const;

 private:
  SwarmIdentity(fakes::TestCa vendor, std::string secret) : vendor_(std::move(vendor)), secret_(std::move(secret)) {}
  fakes::TestCa vendor_;
  std::string secret_;
};

struct SwarmOptions {
  std::string prefix = "swarm-";
  std::size_t nodes = 100;
  std::vector<net::Url> servers;          // replicas, each call to the next one
  std::string ca_pem;                     // of their certificates
  Duration interval{60'000};              // of each node, in real time
  std::size_t rounds = 5;                 // attestations of each node after the first
  std::size_t threads = 8;                // calls under way at once
  int attempts = 20;                      // of an enrolment, when many come at once
  bool keep_connections = false;          // rather than a new TLS connection for each attestation, as an agent makes it
  std::function<std::uint64_t()> writes;  // NodeAttestation writes of all replicas so far; may be null
};

struct SwarmReport {
  std::size_t nodes = 0;
  std::uint64_t enrolled = 0;
  std::uint64_t attested = 0;                     // by a result that is affirming, the first ones excepted
  std::map<std::string, std::uint64_t> failures;  // by reason token, or the status of a result
  Duration enrolment{};                           // how long all enrolments and first attestations took
  Duration span{};                                // of the rounds after that
  std::vector<double> latencies_ms;               // of the rounds' attestations, from when each was due; sorted
  std::uint64_t first_writes = 0;                 // during the enrolment
  std::uint64_t writes = 0;                       // during the rounds
  [[nodiscard]] double LatencyAt(double quantile) const;
};

[[nodiscard]] std::vector<std::string> NodeNames(const SwarmOptions& options);
[[nodiscard]] SwarmReport RunSwarm(const SwarmIdentity& identity, const SwarmOptions& options, const Clock& clock);

// What is written for `nodes` that attest each `interval`, with results that are valid for `validity` and say nothing
// new: a result is written again at the first attestation after two fifths of the validity.
[[nodiscard]] double WritesPerSecond(std::size_t nodes, Duration interval, Duration validity);

// Node objects, made and removed by the API. Errors: those of kube::Api.
[[nodiscard]] Status CreateNodes(kube::Api& api, const std::vector<std::string>& names);
[[nodiscard]] Status RemoveNodes(kube::Api& api, const std::vector<std::string>& names);

// The sum of gatehouse_node_attestation_writes_total{outcome="written"} in a /metrics text.
[[nodiscard]] std::uint64_t WritesIn(std::string_view metrics);

}  // namespace gatehouse::load
