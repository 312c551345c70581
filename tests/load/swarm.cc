#include "tests/load/swarm.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/net/https_transport.h"
#include "common/session/messages.h"
#include "tests/fakes/software_tpm.h"

namespace gatehouse::load {
namespace {

// One node: its TPM, and what its agent does.
class SwarmNode {
 public:
  SwarmNode(std::string name, const SwarmIdentity& identity)
      : name_(std::move(name)),
        token_(identity.TokenOf(name_)),
        certificate_(tpm_.IssueEkCertificate(identity.vendor())),
        ak_(tpm_.CreateAk()) {}

  // Sends one message and reads the answer.
  using Post = std::function<Result<std::string>(std::string_view path, const std::string& token, std::string body)>;

  [[nodiscard]] Status Enrol(const Post& post) const {
    session::EnrollRequest request{.node = name_,
                                   .ek_certificate = certificate_.der,
                                   .ek_intermediates = {},
                                   .ek_public = tpm_.ek().area().bytes,
                                   .ak_public = ak_.area().bytes};
    ASSIGN_OR_RETURN(std::string text, post(session::kEnrollPath, token_, session::Encode(request)));
    ASSIGN_OR_RETURN(auto challenge, session::DecodeEnrollResponse(text));
    ASSIGN_OR_RETURN(Bytes secret,
                     tpm_.ActivateCredential(ak_.name(), challenge.id_object, challenge.encrypted_secret));
    session::ActivateRequest activate{.node = name_, .ticket = challenge.ticket, .secret = std::move(secret)};
    ASSIGN_OR_RETURN(text, post(session::kActivatePath, token_, session::Encode(activate)));
    ASSIGN_OR_RETURN(auto activated, session::DecodeActivateResponse(text));
    return activated.ak_name == EncodeHex(ak_.name()) ? Ok() : Status(Error{Reason::kInternal, name_, "another key"});
  }

  // The status of the result.
  [[nodiscard]] Result<std::string> Attest(const Post& post) {
    const std::string ak_name = EncodeHex(ak_.name());
    session::ChallengeRequest ask{.node = name_, .ak_name = ak_name, .banks = {HashAlgorithm::kSha256}};
    ASSIGN_OR_RETURN(std::string text, post(session::kChallengePath, token_, session::Encode(ask)));
    ASSIGN_OR_RETURN(auto challenge, session::DecodeChallengeResponse(text));
    auto quote = tpm_.Quote(ak_, challenge.nonce, challenge.selection);
    session::EvidenceRequest evidence{
        .node = name_,
        .ak_name = ak_name,
        .nonce = challenge.nonce,
        .quote = {.attest = quote.attest, .signature = quote.signature, .pcrs = quote.pcrs},
        .event_log = std::nullopt,
        .ima_log = std::nullopt};
    ASSIGN_OR_RETURN(text, post(session::kEvidencePath, token_, session::Encode(evidence)));
    ASSIGN_OR_RETURN(auto response, session::DecodeEvidenceResponse(text));
    return response.status;
  }

 private:
  std::string name_;
  std::string token_;
  fakes::SoftwareTpm tpm_;
  fakes::TestCertificate certificate_;
  fakes::TpmKey ak_;
};

class Swarm {
 public:
  Swarm(const SwarmIdentity& identity, const SwarmOptions& options, const Clock& clock)
      : identity_(identity), options_(options), clock_(clock), names_(NodeNames(options)) {}

  SwarmReport Run() {
    report_.nodes = names_.size();
    nodes_.resize(names_.size());
    const std::uint64_t before = Writes();
    const MonoTime start = clock_.Mono();
    Each(names_.size(), [this](std::size_t i, std::unique_ptr<net::HttpTransport>& transport) { Join(i, transport); });
    const MonoTime joined = clock_.Mono();
    AwaitQuiet();
    const std::uint64_t middle = Writes();
    begin_ = clock_.Mono();
    Each(names_.size() * options_.rounds,
         [this](std::size_t i, std::unique_ptr<net::HttpTransport>& transport) { Round(i, transport); });
    const MonoTime end = clock_.Mono();
    AwaitQuiet();
    report_.enrolment = std::chrono::floor<Duration>(joined - start);
    report_.span = std::chrono::floor<Duration>(end - begin_);
    report_.first_writes = middle - before;
    report_.writes = Writes() - middle;
    std::sort(report_.latencies_ms.begin(), report_.latencies_ms.end());
    return std::move(report_);
  }

 private:
  [[nodiscard]] std::uint64_t Writes() const { return options_.writes ? options_.writes() : 0; }
  // What was said last is written within moments.
  void AwaitQuiet() const {
    if (!options_.writes) return;
    std::uint64_t seen = Writes();
    for (int i = 0; i < 120; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      const std::uint64_t now = Writes();
      if (now == seen) return;
      seen = now;
    }
  }

  void Each(std::size_t count, const std::function<void(std::size_t, std::unique_ptr<net::HttpTransport>&)>& work) {
    std::atomic<std::size_t> next{0};
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < options_.threads; ++t) {
      threads.emplace_back([&] {
        std::unique_ptr<net::HttpTransport> transport;
        for (std::size_t i = next++; i < count; i = next++) work(i, transport);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  [[nodiscard]] Result<std::string> Call(net::HttpTransport& transport, std::string_view path, const std::string& token,
                                         std::string body) {
    net::HttpRequest request;
    request.method = "POST";
    request.url = options_.servers[next_server_++ % options_.servers.size()];
    request.url.target = path;
    request.content_type = "application/json";
    request.body = std::move(body);
    request.max_response_bytes = limits::kAttestationBytes;
    request.headers.emplace_back("Authorization", "Bearer " + token);
    ASSIGN_OR_RETURN(auto response, transport.Send(request, Deadline(clock_, limits::kRequestTimeout)));
    if (response.status == 200) return std::move(response.body);
    auto refusal = session::DecodeErrorResponse(response.body);
    if (!refusal.ok()) return Error{Reason::kNetworkUnavailable, "", "status " + std::to_string(response.status)};
    return Error{ReasonFromToken(refusal->reason).value_or(Reason::kMessageMalformed), "", refusal->detail};
  }

  // An agent connects anew for each attestation.
  [[nodiscard]] Status Connect(std::unique_ptr<net::HttpTransport>& transport) const {
    if (transport != nullptr && options_.keep_connections) return Ok();
    net::TransportOptions options;
    options.tls.ca_pem = options_.ca_pem;
    ASSIGN_OR_RETURN(transport, net::MakeHttpsTransport(std::move(options)));
    return Ok();
  }

  [[nodiscard]] SwarmNode::Post PostOver(net::HttpTransport& transport) {
    return [this, &transport](std::string_view path, const std::string& token, std::string body) {
      return Call(transport, path, token, std::move(body));
    };
  }

  template <typename T>
  [[nodiscard]] Result<T> Patiently(const std::function<Result<T>()>& call,
                                    const std::function<bool(const Error&)>& may_pass) const {
    Result<T> result = call();
    for (int attempt = 1; attempt < options_.attempts && !result.ok() && may_pass(result.error()); ++attempt) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50) * attempt);
      result = call();
    }
    return result;
  }

  void Join(std::size_t i, std::unique_ptr<net::HttpTransport>& transport) {
    nodes_[i] = std::make_unique<SwarmNode>(names_[i], identity_);
    Status joined = Connect(transport);
    if (joined.ok()) {
      const auto may_pass = [](const Error& error) { return ClassOf(error.reason) == ReasonClass::kUnavailable; };
      joined = Patiently<void>([&] { return nodes_[i]->Enrol(PostOver(*transport)); }, may_pass);
    }
    Result<std::string> status = Error{Reason::kInternal, "", ""};
    if (joined.ok()) {
      // Another replica hears of the binding in a moment.
      const auto may_pass = [](const Error& error) { return error.reason == Reason::kAkUnbound; };
      status = Patiently<std::string>([&] { return nodes_[i]->Attest(PostOver(*transport)); }, may_pass);
    } else {
      status = joined.error();
    }
    std::lock_guard lock(mutex_);
    if (joined.ok()) ++report_.enrolled;
    Note(status, nullptr);
  }

  // The i-th attestation of all: they are spread evenly over the interval.
  void Round(std::size_t i, std::unique_ptr<net::HttpTransport>& transport) {
    const double share = static_cast<double>(i) / static_cast<double>(names_.size());
    const double ms = share * static_cast<double>(options_.interval.count());
    const MonoTime due = begin_ + std::chrono::microseconds(static_cast<std::int64_t>(ms * 1000));
    while (clock_.Mono() < due)
      std::this_thread::sleep_for(
          std::min<std::chrono::microseconds>(due - clock_.Mono(), std::chrono::milliseconds(100)));
    Status connected = Connect(transport);
    auto status = connected.ok() ? nodes_[i % names_.size()]->Attest(PostOver(*transport))
                                 : Result<std::string>(connected.error());
    const double latency = std::chrono::duration<double, std::milli>(clock_.Mono() - due).count();
    std::lock_guard lock(mutex_);
    Note(status, &latency);
  }

  // The mutex is held.
  void Note(const Result<std::string>& status, const double* latency) {
    if (!status.ok()) {
      ++report_.failures[std::string(Token(status.error().reason))];
    } else if (*status != "affirming") {
      ++report_.failures[*status];
    } else if (latency != nullptr) {
      ++report_.attested;
      report_.latencies_ms.push_back(*latency);
    }
  }

  const SwarmIdentity& identity_;
  const SwarmOptions& options_;
  const Clock& clock_;
  const std::vector<std::string> names_;
  std::vector<std::unique_ptr<SwarmNode>> nodes_;
  std::atomic<std::size_t> next_server_{0};
  MonoTime begin_{};
  std::mutex mutex_;
  SwarmReport report_;
};

}  // namespace

double SwarmReport::LatencyAt(double quantile) const {
  if (latencies_ms.empty()) return 0;
  const auto last = static_cast<double>(latencies_ms.size() - 1);
  return latencies_ms[static_cast<std::size_t>(std::lround(quantile * last))];
}

std::vector<std::string> NodeNames(const SwarmOptions& options) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < options.nodes; ++i) names.push_back(options.prefix + std::to_string(i));
  return names;
}

SwarmReport RunSwarm(const SwarmIdentity& identity, const SwarmOptions& options, const Clock& clock) {
  return Swarm(identity, options, clock).Run();
}

double WritesPerSecond(std::size_t nodes, Duration interval, Duration validity) {
  // Agents are told to come at half of the validity at the latest.
  const double every = std::chrono::duration<double>(std::min(interval, validity / 2)).count();
  const double due = std::chrono::duration<double>(validity).count() * 2 / 5;
  return static_cast<double>(nodes) / (every * std::max(1.0, std::ceil(due / every)));
}

Status CreateNodes(kube::Api& api, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    // Not schedulable: nobody is to run anything there.
    auto made = api.Create(kube::PathOf(kube::kNodes),
                           R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")" + name +
                               R"(","labels":{"gatehouse.dev/swarm":"true"}},"spec":{"unschedulable":true}})",
                           Deadline(api.clock(), limits::kRequestTimeout));
    if (!made.ok() && made.error().reason != Reason::kKubeConflict) return made.error();
  }
  return Ok();
}

Status RemoveNodes(kube::Api& api, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    for (const kube::Resource* resource : {&kube::kNodes, &kube::kNodeAttestations}) {
      RETURN_IF_ERROR(
          api.Delete(kube::PathOf(*resource, {}, name), "", Deadline(api.clock(), limits::kRequestTimeout)));
    }
  }
  return Ok();
}

std::uint64_t WritesIn(std::string_view metrics) {
  constexpr std::string_view kFamily = "gatehouse_node_attestation_writes_total{";
  std::uint64_t sum = 0;
  for (std::size_t at = metrics.find(kFamily); at != std::string_view::npos; at = metrics.find(kFamily, at + 1)) {
    const std::string_view line = metrics.substr(at, metrics.find('\n', at) - at);
    const std::size_t value = line.rfind(' ');
    if (line.find("outcome=\"written\"") == std::string_view::npos || value == std::string_view::npos) continue;
    sum += static_cast<std::uint64_t>(std::llround(std::strtod(std::string(line.substr(value + 1)).c_str(), nullptr)));
  }
  return sum;
}

}  // namespace gatehouse::load
