// A node pool comes up: 500 pods with 200 distinct signed images, decided by 20 callers at once, with 20 connections to
// one registry. Nothing that has a digest may be asked for twice, and memory and sockets stay bounded. The registry is
// a process of its own, so that the memory is the gate's.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <thread>

#include "tests/bench/counted_gate.h"
#include "tests/bench/far_registry.h"

namespace gatehouse::bench {
namespace {

constexpr std::size_t kImages = 200;
constexpr std::size_t kPods = 500;
constexpr std::size_t kCallers = 20;
constexpr Duration kRoundTrip{5};
// What a burst may add: at most 188 threads at a time (20 callers, two more for each one's pod, 128 that fetch), of
// which each touches about 100 KiB of stack and of an arena of malloc's: 18 MiB; 20 TLS connections of 50 KiB, 200
// verdicts, and what is being fetched: 1 MiB each. Half as much again for what malloc does not give back.
constexpr long kMostKiB = 32 * 1024;

// Texts over a pipe, each with its length before it.
void Put(std::FILE* to, const std::string& text) {
  std::fprintf(to, "%zu\n%s", text.size(), text.c_str());
  std::fflush(to);
}

std::string Take(std::FILE* from) {
  std::size_t size = 0;
  if (std::fscanf(from, "%zu", &size) != 1 || std::fgetc(from) != '\n') std::abort();
  std::string text(size, '\0');
  if (std::fread(text.data(), 1, size, from) != size) std::abort();
  return text;
}

// Half of the images as cosign 2 signs with a key, half with a bundle of a workflow.
Signing SigningOf(std::size_t image) {
  return image % 2 == 0 ? Signing::kKeyedLegacy : Signing::kKeylessBundle;
}

// The registry's process: a new one for each 'n' that is ordered, the first with the referrers API and the last
// without; tells of its connections for each 'c'. Ends when `orders` does.
int Serve(std::FILE* orders, std::FILE* answers) {
  for (bool api : {true, true, false}) {
    FarRegistry registry(kRoundTrip, 2 * kConnectionsPerHost);
    if (api) registry.content().EnableReferrers();
    SignedImages images(registry.content());
    std::string digests;
    for (std::size_t i = 0; i <= kImages; ++i) {
      digests += images.Add("app", "v" + std::to_string(i), SigningOf(i), !api).text() + "\n";
    }
    Put(answers, registry.host());
    Put(answers, registry.ca_pem());
    Put(answers, images.Policies(registry.host(), {Signing::kKeyedLegacy, Signing::kKeylessBundle}));
    Put(answers, digests);
    while (true) {
      const int order = std::fgetc(orders);
      if (order == EOF) return 0;
      if (order == 'n') break;
      Put(answers, std::to_string(registry.relay().opened()));
      Put(answers, std::to_string(registry.relay().most_at_once()));
    }
  }
  return 0;
}

struct RemoteRegistry {
  std::FILE* orders;
  std::FILE* answers;
  std::string host = {};
  std::string ca_pem = {};
  std::string policies = {};
  std::vector<std::string> digests = {};

  void Describe() {
    host = Take(answers);
    ca_pem = Take(answers);
    policies = Take(answers);
    const std::string lines = Take(answers);
    digests.clear();
    for (std::size_t begin = 0; begin < lines.size();) {
      const std::size_t end = lines.find('\n', begin);
      digests.push_back(lines.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  void Next() const {
    std::fputc('n', orders);
    std::fflush(orders);
  }
  // Opened since the start, and the most at once.
  [[nodiscard]] std::pair<std::size_t, std::size_t> Connections() const {
    std::fputc('c', orders);
    std::fflush(orders);
    const std::size_t opened = std::stoul(Take(answers));
    return {opened, std::stoul(Take(answers))};
  }
};

// KiB. A line of /proc/self/status: VmRSS, or VmHWM, the most that there was.
long Memory(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::atol(line.c_str() + name.size() + 1);
  }
  return 0;
}

void ForgetPeak() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

// Reviews of pods with one to three images each; every image is in one of them. Always the same ones.
std::vector<std::string> Reviews(const RemoteRegistry& registry, bool by_tag) {
  std::mt19937 random(1);
  std::vector<std::size_t> first(kPods);
  for (std::size_t i = 0; i < kPods; ++i) first[i] = i % kImages;
  std::shuffle(first.begin(), first.end(), random);
  const auto name_of = [&](std::size_t image) {
    return registry.host + "/app" + (by_tag ? ":v" + std::to_string(image) : "@" + registry.digests[image]);
  };
  std::vector<std::string> reviews;
  for (std::size_t pod = 0; pod < kPods; ++pod) {
    std::vector<std::string> images{name_of(first[pod])};
    const std::size_t more = random() % 3;
    for (std::size_t i = 0; i < more; ++i) images.push_back(name_of(random() % kImages));
    reviews.push_back(PodReview(images));
  }
  return reviews;
}

struct Outcome {
  std::size_t admitted = 0;
  double milliseconds = 0;
};

Outcome DecideAll(const ColdGate& gate, const std::vector<std::string>& reviews) {
  std::atomic<std::size_t> next = 0;
  std::atomic<std::size_t> admitted = 0;
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> callers;
  for (std::size_t i = 0; i < kCallers; ++i) {
    callers.emplace_back([&] {
      for (std::size_t pod = next++; pod < reviews.size(); pod = next++) {
        if (gate.Admits(MustParseReview(reviews[pod]))) ++admitted;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  return {admitted, took.count()};
}

// How often what was asked for under a digest was: a manifest, a blob, the referrers, and the tags that have a digest's
// name. And how often tags of images were, which may move.
struct Fetches {
  std::size_t under_digests = 0;
  std::size_t distinct = 0;
  std::size_t most = 0;
  std::size_t of_tags = 0;
};

Fetches Sort(const std::map<std::string, std::size_t>& by_target) {
  Fetches fetches;
  for (const auto& [target, count] : by_target) {
    if (target.find("/manifests/v") != std::string::npos) {
      fetches.of_tags += count;
      continue;
    }
    fetches.under_digests += count;
    ++fetches.distinct;
    fetches.most = std::max(fetches.most, count);
  }
  return fetches;
}

bool Run(RemoteRegistry& registry, const char* name, bool by_tag) {
  registry.Describe();
  const auto transport = MakeTransport(registry.ca_pem);
  const auto set = MustLoad(registry.policies);
  const std::vector<std::string> reviews = Reviews(registry, by_tag);
  // An image that no pod has: what is made once for the program is there, before it is weighed.
  const ColdGate first(*transport, set);
  const bool ready = first.Admits(MustParseReview(PodReview({registry.host + "/app:v" + std::to_string(kImages)})));
  const ColdGate gate(*transport, set);
  ForgetPeak();
  const long before = Memory("VmRSS");
  const Outcome outcome = DecideAll(gate, reviews);
  const long peak = Memory("VmHWM");
  const long after = Memory("VmRSS");
  const Fetches fetches = Sort(gate.counted().by_target());
  const auto [opened, most_at_once] = registry.Connections();
  const Outcome again = DecideAll(gate, reviews);
  const long at_last = Memory("VmRSS");

  const bool good = ready && outcome.admitted == kPods && again.admitted == kPods && fetches.most == 1 &&
                    most_at_once <= kConnectionsPerHost && peak - before <= kMostKiB;
  std::printf("   %s\n", name);
  std::printf("     pods admitted            %6zu of %zu, in %.0f ms; once more, remembered, in %.0f ms\n",
              outcome.admitted, kPods, outcome.milliseconds, again.milliseconds);
  std::printf("     fetches under a digest   %6zu of %zu distinct, each at most %zu times (asked for: once)\n",
              fetches.under_digests, fetches.distinct, fetches.most);
  std::printf("     tags looked up           %6zu; requests in all %zu\n", fetches.of_tags,
              fetches.under_digests + fetches.of_tags);
  std::printf("     connections opened       %6zu, at most %zu at once (asked for: at most %zu)\n", opened,
              most_at_once, kConnectionsPerHost);
  std::printf(
      "     memory before            %6.1f MiB, at most +%.1f, after it +%.1f, after the second time +%.1f "
      "(asked for: at most +%ld)\n",
      static_cast<double>(before) / 1024, static_cast<double>(peak - before) / 1024,
      static_cast<double>(after - before) / 1024, static_cast<double>(at_last - before) / 1024, kMostKiB / 1024);
  if (!good) std::printf("     NOT AS ASKED FOR\n");
  return good;
}

int Main() {
  int orders[2];
  int answers[2];
  if (pipe(orders) != 0 || pipe(answers) != 0) return 1;
  const pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    close(orders[1]);
    close(answers[0]);
    std::_Exit(Serve(fdopen(orders[0], "r"), fdopen(answers[1], "w")));
  }
  close(orders[0]);
  close(answers[1]);
  RemoteRegistry registry{fdopen(orders[1], "w"), fdopen(answers[0], "r")};
  bool good = Run(registry, "by digest, referrers API", false);
  registry.Next();
  good = Run(registry, "by tag, referrers API", true) && good;
  registry.Next();
  good = Run(registry, "by digest, no referrers API", false) && good;
  std::fclose(registry.orders);
  int status = 0;
  waitpid(child, &status, 0);
  return good && status == 0 ? 0 : 1;
}

}  // namespace
}  // namespace gatehouse::bench

int main() {
  return gatehouse::bench::Main();
}
