// How much is asked of a registry, and in how many turns.
#include <algorithm>
#include <set>
#include <thread>

#include "tests/common/gate/signers_fixture.h"

namespace gatehouse::gate {
namespace {

// How many requests had to wait for others: the longest chain of requests of which each began after the one before had
// ended.
class Turns {
 public:
  void Count(const net::HttpRequest&) {
    const auto begin = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
    const auto end = std::chrono::steady_clock::now();
    std::lock_guard lock(mutex_);
    spans_.push_back({begin, end});
  }
  [[nodiscard]] std::size_t Longest() const {
    std::lock_guard lock(mutex_);
    auto spans = spans_;
    std::sort(spans.begin(), spans.end());
    std::vector<std::size_t> turn(spans.size(), 1);
    for (std::size_t i = 0; i < spans.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (spans[j].second <= spans[i].first) turn[i] = std::max(turn[i], turn[j] + 1);
      }
    }
    return turn.empty() ? 0 : *std::max_element(turn.begin(), turn.end());
  }

 private:
  using Span = std::pair<std::chrono::steady_clock::time_point, std::chrono::steady_clock::time_point>;
  mutable std::mutex mutex_;
  std::vector<Span> spans_;
};

// The tag under which referrers are in a registry without the API. It is asked for beside the API by a client that does
// not know the registry yet.
bool IsFallbackTag(const std::string& asked) {
  const std::string::size_type at = asked.find("/manifests/sha256-");
  return at != std::string::npos && asked.find('.', at) == std::string::npos;
}

class Plan : public SignersGate {
 protected:
  struct Cost {
    std::size_t turns;
    std::size_t requests;       // but for those of the fallback tag
    std::size_t fallbacks = 0;  // requests of the fallback tag
  };
  // Of a decision by a gate that has never seen the image. The least of three: a machine that is busy makes what is
  // parallel look like a sequence, and nothing makes a sequence look parallel.
  Cost Measure(const std::string& text) {
    Cost least{1000, 1000};
    for (int i = 0; i < 3; ++i) {
      Turns turns;
      registry.OnRequest([&](const net::HttpRequest& request) { turns.Count(request); });
      registry::Client fresh(registry, clock, {});
      VerificationCache forgetful(clock, {}, [](std::string_view) {});
      ImageVerifier cold(fresh, forgetful, clock, {});
      Gate gate(
          cold, nodes, [this] { return set; }, SameForAll([this] { return credentials; }), options);
      const std::size_t before = registry.requests();
      const std::size_t fallbacks_before = Fallbacks();
      Decision decision = gate.Decide(Pod({text}), Deadline(clock, Duration(5000)));
      EXPECT_TRUE(decision.allowed());
      const std::size_t fallbacks = Fallbacks() - fallbacks_before;
      const Cost cost{turns.Longest(), registry.requests() - before - fallbacks, fallbacks};
      if (cost.turns < least.turns) least = cost;
    }
    registry.OnRequest({});
    return least;
  }
  [[nodiscard]] std::size_t Fallbacks() const {
    const std::vector<std::string> asked = registry.log();
    return static_cast<std::size_t>(std::count_if(asked.begin(), asked.end(), IsFallbackTag));
  }
  const std::string kTag = "registry.example/app:1";
};

TEST_F(Plan, KeyedLegacy) {
  LoadFor(KeyAuthority("release", key.Public()));
  fakes::Sign(registry, "app", image, key);
  Cost cost = Measure(kTag);  // tag; .sig beside referrers; payload
  EXPECT_EQ(cost.turns, 3U);
  EXPECT_EQ(cost.requests, 4U);
  EXPECT_EQ(cost.fallbacks, 1U);
  cost = Measure("registry.example/app@" + image.text());
  EXPECT_EQ(cost.turns, 2U);
  EXPECT_EQ(cost.requests, 3U);
}

TEST_F(Plan, KeyedLegacyInARegistryWithoutReferrers) {
  LoadFor(KeyAuthority("release", key.Public()));
  registry.SetReferrers({.api = false});
  fakes::Sign(registry, "app", image, key);
  Cost cost = Measure(kTag);
  EXPECT_EQ(cost.turns, 3U);
  EXPECT_EQ(cost.requests, 4U);
  EXPECT_EQ(cost.fallbacks, 1U);
}

TEST_F(Plan, KeyedBundle) {
  LoadFor(KeyAuthority("release", key.Public()));
  PutBundle(SignWithKey(key).Text());
  Cost cost = Measure(kTag);  // tag; .sig beside referrers; manifest; bundle
  EXPECT_EQ(cost.turns, 4U);
  EXPECT_EQ(cost.requests, 5U);
}

TEST_F(Plan, KeyedBundleInARegistryWithoutReferrers) {
  LoadFor(KeyAuthority("release", key.Public()));
  registry.SetReferrers({.api = false});
  PutBundle(SignWithKey(key).Text());
  registry.PutFallbackTag("app", image, true);
  Cost cost = Measure(kTag);  // tag; .sig beside referrers and the fallback tag; manifest; bundle
  EXPECT_EQ(cost.turns, 4U);
  EXPECT_EQ(cost.requests, 5U);
  EXPECT_EQ(cost.fallbacks, 1U);
}

// One more request for the first image, and none for others, whether there is the API or not.
TEST_F(Plan, WhetherThereAreReferrersIsRemembered) {
  LoadFor(KeyAuthority("release", key.Public()));
  for (const bool api : {true, false}) {
    registry.SetReferrers({.api = api});
    registry::Client fresh(registry, clock, {});
    ImageVerifier cold(fresh, cache, clock, {});
    Gate gate(
        cold, nodes, [this] { return set; }, SameForAll([this] { return credentials; }), options);
    for (int i = 0; i < 3; ++i) {
      Digest one = registry.PutImage("app", "", "image " + std::to_string(i) + (api ? "" : " without"));
      fakes::Sign(registry, "app", one, key);
      const std::size_t before = registry.requests();
      EXPECT_TRUE(gate.Decide(Pod({"registry.example/app@" + one.text()}), Deadline(clock, Duration(5000))).allowed());
      EXPECT_EQ(registry.requests() - before, i == 0 ? 4U : 3U) << api;
    }
  }
}

TEST_F(Plan, KeylessBundle) {
  LoadFor(KeylessAuthority("ci", kDeveloper));
  PutBundle(sigstore.SignImage(image).Text());
  Cost cost = Measure(kTag);
  EXPECT_EQ(cost.turns, 4U);
  EXPECT_EQ(cost.requests, 5U);
}

TEST_F(Plan, KeylessBundleInARegistryWithoutReferrers) {
  LoadFor(KeylessAuthority("ci", kDeveloper));
  registry.SetReferrers({.api = false});
  PutBundle(sigstore.SignImage(image).Text());
  registry.PutFallbackTag("app", image);
  Cost cost = Measure(kTag);
  EXPECT_EQ(cost.turns, 4U);
  EXPECT_EQ(cost.requests, 5U);
  EXPECT_EQ(cost.fallbacks, 1U);
}

TEST_F(Plan, SignatureAndAttestationsTogether) {
  Load(ImagePolicyYaml(
           "signed", "registry.example/**",
           KeylessAuthority("ci", kDeveloper) +
               KeylessAuthority("build", kDeveloper, Attestations("        - {name: bom, predicateType: spdx}\n")),
           "  require: all\n") +
       roots);
  PutBundle(sigstore.SignImage(image).Text(),
            {.predicate_type = std::string(signature::sigstore::kCosignSignPredicate)});
  PutAttestation(sigstore.Attest(image));
  PutAttestation(sigstore.Attest(image, {.predicate_type = "https://spdx.dev/Document"}), "https://spdx.dev/Document");
  // What nobody asked for, and says so, is not fetched.
  PutAttestation(sigstore.Attest(image, {.predicate_type = "https://openvex.dev/ns"}), "https://openvex.dev/ns");
  Cost cost = Measure(kTag);
  EXPECT_EQ(cost.turns, 4U);
  EXPECT_EQ(cost.requests, 1U + 3U + 3U + 3U);
}

TEST_F(Plan, NotationAlone) {
  LoadFor(NotationAuthority("notary", "level: strict, override: {revocation: skip}"));
  PutNotation();
  Cost cost = Measure(kTag);  // tag; referrers; manifest; envelope
  EXPECT_EQ(cost.turns, 4U);
  EXPECT_EQ(cost.requests, 4U);
  cost = Measure("registry.example/app@" + image.text());  // its manifest comes with the referrers
  EXPECT_EQ(cost.turns, 3U);
  EXPECT_EQ(cost.requests, 4U);
}

TEST_F(Plan, PlatformsAreLookedAtSideBySide) {
  LoadFor(KeyAuthority("release", key.Public()), "  subject: Platforms\n");
  std::string json = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)";
  for (int i = 0; i < 4; ++i) {
    Digest one = registry.PutImage("app", "", "platform " + std::to_string(i));
    fakes::Sign(registry, "app", one, key);
    json += (i == 0 ? "" : ",") +
            (R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":")" + one.text() +
             R"(","platform":{"os":"linux","architecture":"a)") +
            std::to_string(i) + "\"}}";
  }
  registry.PutManifest("app", "1", json + "]}", std::string(image::kOciIndex));
  Cost cost = Measure(kTag);
  EXPECT_EQ(cost.turns, 3U);
  EXPECT_EQ(cost.requests, 1U + 4U * 3U);
}

// What is asked of a registry while 500 pods of 200 images come at once: nothing twice.
TEST_F(Plan, ABurstFetchesEachThingOnce) {
  constexpr std::size_t kImages = 200;
  constexpr std::size_t kPods = 500;
  constexpr std::size_t kConnections = 20;
  LoadFor(KeyAuthority("release", key.Public()));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kImages; ++i) {
    Digest one = registry.PutImage("app", "", "burst " + std::to_string(i));
    if (i % 2 == 0) {
      fakes::Sign(registry, "app", one, key);
    } else {
      fakes::Store(
          registry, "app",
          fakes::BundleManifest(
              registry.Describe("app", one),
              {sigstore.SignImage(one, {.key = key, .logs = std::vector<fakes::FakeRekor*>(), .authorities = {{}}})
                   .Text()}));
    }
    names.push_back("registry.example/app@" + one.text());
  }
  std::atomic<std::size_t> most = 0;
  std::atomic<std::size_t> now = 0;
  registry.OnRequest([&](const net::HttpRequest&) {
    const std::size_t at_once = ++now;
    for (std::size_t seen = most; seen < at_once && !most.compare_exchange_weak(seen, at_once);) continue;
    std::this_thread::yield();
    --now;
  });
  Gate gate(
      verifier, nodes, [this] { return set; }, SameForAll([this] { return credentials; }), options);
  std::atomic<std::size_t> next = 0;
  std::atomic<std::size_t> allowed = 0;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kConnections; ++i) {
    threads.emplace_back([&] {
      for (std::size_t pod = next++; pod < kPods; pod = next++) {
        const auto request = Pod({names[pod % kImages], names[(pod * 7 + 1) % kImages]});
        if (gate.Decide(request, Deadline(clock, Duration(60'000))).allowed()) ++allowed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(allowed, kPods);
  std::vector<std::string> asked = registry.log();
  const std::size_t all = asked.size();
  std::set<std::string> distinct(asked.begin(), asked.end());
  EXPECT_EQ(distinct.size(), all);
  EXPECT_EQ(all - Fallbacks(), kImages / 2 * 3 + kImages / 2 * 4);
  EXPECT_LE(Fallbacks(), kConnections * 2) << "of those who came before it was known that there are referrers";
  EXPECT_LE(most, kConnections * 8 * 2);
}

}  // namespace
}  // namespace gatehouse::gate
