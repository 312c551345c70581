// What the first verification of an image costs with a registry that is 20 ms away: requests, those of them that wait
// for one another, connections and time; and then that of another image there. Fails if more round trips are needed
// than were asked for.
#include <algorithm>
#include <cstdio>
#include <thread>

#include "common/base/encoding.h"
#include "tests/bench/counted_gate.h"
#include "tests/bench/far_registry.h"

namespace gatehouse::bench {
namespace {

constexpr Duration kRoundTrip{20};
constexpr std::size_t kRounds = 5;  // of which the median is shown

struct Case {
  const char* name;
  Signing signing;
  bool api;            // the registry has the referrers API
  std::size_t bound;   // round trips that were asked for
  bool token = false;  // the registry wants one first: a refusal and the token itself are two more
};

constexpr Case kCases[] = {
    {"key, legacy .sig", Signing::kKeyedLegacy, true, 4},
    {"key, legacy .sig", Signing::kKeyedLegacy, false, 4},
    {"key, bundle", Signing::kKeyedBundle, true, 4},
    {"key, bundle", Signing::kKeyedBundle, false, 4},
    {"keyless, bundle", Signing::kKeylessBundle, true, 5},
    {"keyless, bundle", Signing::kKeylessBundle, false, 5},
    {"provenance, bundle", Signing::kProvenance, true, 5},
    {"provenance, bundle", Signing::kProvenance, false, 5},
    {"notation, JWS", Signing::kNotation, true, 5},
    {"notation, JWS", Signing::kNotation, false, 5},
    {"key, bundle, token", Signing::kKeyedBundle, true, 6, true},
};

// The most of all rounds, and the median of their times.
struct Measured {
  std::size_t requests = 0;
  std::size_t round_trips = 0;
  std::vector<double> milliseconds = {};
  bool admitted = true;

  [[nodiscard]] double Median() const {
    std::vector<double> sorted = milliseconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
  void Add(const ColdGate& gate, const admission::ReviewRequest& pod) {
    const CountingTransport& counted = gate.counted();
    const std::size_t requests_before = counted.requests();
    const std::size_t round_trips_before = counted.round_trips();
    const auto start = std::chrono::steady_clock::now();
    admitted = gate.Admits(pod) && admitted;
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    milliseconds.push_back(took.count());
    requests = std::max(requests, counted.requests() - requests_before);
    round_trips = std::max(round_trips, counted.round_trips() - round_trips_before);
  }
};

struct CaseResult {
  Measured cold = {};       // nothing is known of the registry, and no connection is open
  Measured connected = {};  // connections are open
  Measured next = {};       // another image, by the same gate
  std::size_t connections = 0;
};

// As many as an image is looked up with at the same time.
void OpenConnections(net::HttpTransport& transport, const std::string& host) {
  const SystemClock clock;
  const auto url = net::Url::Parse("https://" + host + "/v2/", Reason::kInternal);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto answer = transport.Send({.url = *url, .max_response_bytes = 1000}, Deadline(clock, Duration(5'000)));
      if (!answer.ok()) std::fprintf(stderr, "%s\n", answer.error().ToString().c_str());
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// `pods`: of two images. `open`: the connections are there already.
void MeasureOnce(FarRegistry& registry, const Case& of, const std::shared_ptr<const policy::PolicySet>& set,
                 const std::vector<admission::ReviewRequest>& pods, bool open, CaseResult& result) {
  const auto transport = MakeTransport(registry.ca_pem());
  if (open) OpenConnections(*transport, registry.host());
  const std::size_t before = registry.relay().opened();
  registry::Credentials credentials;
  if (of.token) {
    credentials = *registry::Credentials::FromDockerConfig(
        R"({"auths":{")" + registry.host() + R"(":{"auth":")" + EncodeBase64(AsBytes("user:password")) + R"("}}})",
        "bench");
  }
  const ColdGate gate(*transport, set, credentials);
  (open ? result.connected : result.cold).Add(gate, pods[0]);
  result.connections = std::max(result.connections, registry.relay().opened() - before);
  if (open) result.next.Add(gate, pods[1]);
}

// Whether it is as was asked for.
bool Run(const Case& of) {
  FarRegistry registry(kRoundTrip);
  if (of.api) registry.content().EnableReferrers();
  SignedImages images(registry.content());
  std::vector<admission::ReviewRequest> pods;
  for (const char* tag : {"1", "2"}) {
    images.Add("app", tag, of.signing, !of.api);
    pods.push_back(MustParseReview(PodReview({registry.host() + "/app:" + tag})));
  }
  if (of.token) {
    registry.content().RequireToken("user", "password");
    registry.content().SetRealm("https://" + registry.host() + "/token");
  }
  const auto set = MustLoad(images.Policies(registry.host(), {of.signing}));
  CaseResult result;
  for (std::size_t i = 0; i < kRounds; ++i) {
    MeasureOnce(registry, of, set, pods, false, result);
    MeasureOnce(registry, of, set, pods, true, result);
  }
  const std::size_t round_trips =
      std::max({result.cold.round_trips, result.connected.round_trips, result.next.round_trips});
  const bool good =
      result.cold.admitted && result.connected.admitted && result.next.admitted && round_trips <= of.bound;
  std::printf("   %-19s %-13s %4zu of at most %zu %9zu %9.1f ms %9.1f ms %11zu | %11zu %8zu %6.1f ms%s\n", of.name,
              of.api ? "API" : "fallback tag", round_trips, of.bound,
              std::max(result.cold.requests, result.connected.requests), result.connected.Median(),
              result.cold.Median(), result.connections, result.next.round_trips, result.next.requests,
              result.next.Median(), good ? "" : "   NOT AS ASKED FOR");
  return good;
}

}  // namespace
}  // namespace gatehouse::bench

int main() {
  std::printf("   %-19s %-13s %14s %9s %12s %12s %11s | %11s %8s %9s\n", "signed by", "referrers", "round trips",
              "requests", "connected", "from nothing", "connections", "next: trips", "requests", "time");
  bool good = true;
  for (const auto& each : gatehouse::bench::kCases) good = gatehouse::bench::Run(each) && good;
  return good ? 0 : 1;
}
