// What the first verification of an image costs with a registry that is 20 ms away: requests, those of them that wait
// for one another, connections and time. Fails if more round trips are needed than were asked for.
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

struct Measured {
  std::size_t requests = 0;
  std::size_t round_trips = 0;
  std::size_t connections = 0;
  std::vector<double> milliseconds = {};
  bool admitted = true;

  [[nodiscard]] double Median() const {
    std::vector<double> sorted = milliseconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
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

// One image, once. `open`: the connections are there already.
void MeasureOnce(FarRegistry& registry, const Case& of, const std::shared_ptr<const policy::PolicySet>& set,
                 const admission::ReviewRequest& pod, bool open, Measured& measured) {
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
  const auto start = std::chrono::steady_clock::now();
  measured.admitted = gate.Admits(pod) && measured.admitted;
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  measured.milliseconds.push_back(took.count());
  measured.requests = std::max(measured.requests, gate.counted().requests());
  measured.round_trips = std::max(measured.round_trips, gate.counted().round_trips());
  measured.connections = std::max(measured.connections, registry.relay().opened() - before);
}

// Whether it is as was asked for.
bool Run(const Case& of) {
  FarRegistry registry(kRoundTrip);
  if (of.api) registry.content().EnableReferrers();
  SignedImages images(registry.content());
  images.Add("app", "1", of.signing, !of.api);
  if (of.token) {
    registry.content().RequireToken("user", "password");
    registry.content().SetRealm("https://" + registry.host() + "/token");
  }
  const auto set = MustLoad(images.Policies(registry.host(), {of.signing}));
  const auto pod = MustParseReview(PodReview({registry.host() + "/app:1"}));
  Measured cold;
  Measured warm;
  for (std::size_t i = 0; i < kRounds; ++i) {
    MeasureOnce(registry, of, set, pod, false, cold);
    MeasureOnce(registry, of, set, pod, true, warm);
  }
  const std::size_t round_trips = std::max(cold.round_trips, warm.round_trips);
  const bool good = cold.admitted && warm.admitted && round_trips <= of.bound;
  std::printf("   %-20s %-12s %8zu %11zu %8zu %11zu %9.1f ms %9.1f ms%s\n", of.name, of.api ? "API" : "fallback tag",
              warm.requests, round_trips, of.bound, cold.connections, warm.Median(), cold.Median(),
              good ? "" : "   MORE THAN ASKED FOR, OR REFUSED");
  return good;
}

}  // namespace
}  // namespace gatehouse::bench

int main() {
  std::printf("   %-20s %-12s %8s %11s %8s %11s %12s %12s\n", "signed by", "referrers", "requests", "round trips",
              "at most", "connections", "connected", "from nothing");
  bool good = true;
  for (const auto& each : gatehouse::bench::kCases) good = gatehouse::bench::Run(each) && good;
  return good ? 0 : 1;
}
