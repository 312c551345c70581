// Replicas of the verifier over one API server in memory, with everything real but the sockets.
#pragma once

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "common/codec/time.h"
#include "tests/fakes/kube_api.h"
#include "tests/webhook/attest/fixture.h"
#include "webhook/attest/binding_token.h"
#include "webhook/attest/cluster_nodes.h"

namespace gatehouse::webhook {

inline bool Eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 5'000 && !holds(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  return holds();
}

class ClusterFixture : public AttestFixture {
 protected:
  // One process.
  struct Replica {
    Replica(ClusterFixture& in, ClusterNodes::Options options)
        : test(in),
          api(in.kube.connections(), in.clock, {.queries_per_second = 1e6}),
          nodes(
              api, [&in] { return in.Keys(); }, in.clock, in.log, in.random, options),
          challenger(Bytes(32, 7), in.clock, in.random),
          bindings(nodes.MakeBindings([&in] {
            if (in.key_throws) throw std::runtime_error("no key");
            return *in.current_key;
          })),
          held(in.clock),
          service(
              {.clock = in.clock,
               .random = in.random,
               .challenger = challenger,
               .enrolments = *bindings,
               .nodes = held,
               .endorsements = in.endorsements,
               .reference_files = in.reference_files,
               .signing_key = in.signing_key,
               .policies = [&in] { return in.set; },
               .log = in.log,
               .on_result = [this](const NodeName& node, const ear::VerifiedEar& result,
                                   const std::string& token) { nodes.Publish(node, result, token); },
               .on_failure = [this](const NodeName& node, const Error& error) { nodes.PublishFailure(node, error); },
               .current_signing_key = [&in] { return *in.current_key; }},
              {}) {}
    ~Replica() { nodes.Stop(); }

    void Start() {
      nodes.Start();
      ASSERT_TRUE(Eventually([this] { return nodes.Ready(); }));
    }
    Status Enrol(const std::string& name, const TestNode& as) {
      ASSIGN_OR_RETURN(auto challenge, service.Enroll(Node(name), as.EnrollRequest(name)));
      ASSIGN_OR_RETURN(Bytes secret,
                       as.tpm.ActivateCredential(as.ak.name(), challenge.id_object, challenge.encrypted_secret));
      ASSIGN_OR_RETURN(auto activated,
                       service.Activate(Node(name), {.node = name, .ticket = challenge.ticket, .secret = secret}));
      return activated.ak_name == as.AkName() ? Ok() : Status(Error{Reason::kInternal, "", "another key"});
    }
    Result<session::EvidenceRequest> Collect(const std::string& name, TestNode& as,
                                             const fakes::SoftwareTpm::Tamper& tamper = nullptr) {
      ASSIGN_OR_RETURN(auto challenge, service.Challenge(Node(name), as.ChallengeRequest(name)));
      auto quote = as.tpm.Quote(as.ak, challenge.nonce, challenge.selection, tamper);
      return session::EvidenceRequest{
          .node = name,
          .ak_name = as.AkName(),
          .nonce = challenge.nonce,
          .quote = {.attest = quote.attest, .signature = quote.signature, .pcrs = quote.pcrs},
          .event_log = std::nullopt,
          .ima_log = std::nullopt};
    }
    Result<session::EvidenceResponse> Attest(const std::string& name, TestNode& as,
                                             const fakes::SoftwareTpm::Tamper& tamper = nullptr) {
      test.clock.Advance(Duration(1));
      ASSIGN_OR_RETURN(auto evidence, Collect(name, as, tamper));
      return service.Evidence(Node(name), evidence);
    }
    // Evidence that does not verify.
    Reason AttestForged(const std::string& name, TestNode& as) {
      test.clock.Advance(Duration(1));
      auto evidence = Collect(name, as);
      if (!evidence.ok()) return evidence.error().reason;
      evidence->quote.signature.back() ^= 1;
      auto answer = service.Evidence(Node(name), *evidence);
      return answer.ok() ? Reason::kUsage : answer.error().reason;
    }
    gate::NodeTrust Trust(const std::string& name) const {
      return nodes.Lookup(Node(name), "workers", test.set->node_policies.at(0).generation);
    }
    gate::NodeState State(const std::string& name) const { return Trust(name).state; }
    bool Becomes(const std::string& name, gate::NodeState state) const {
      return Eventually([&] { return State(name) == state; });
    }
    // Whether it sees the node's binding.
    bool Knows(const std::string& name) {
      return Eventually([&] { return bindings->Find(name).ok(); });
    }

    ClusterFixture& test;
    kube::Api api;
    ClusterNodes nodes;
    session::Challenger challenger;
    std::unique_ptr<BindingStore> bindings;
    NodeStore held;
    AttestationService service;
  };

  ClusterFixture() {
    kube.SetTick(Duration(5));
    current_key = signing_key;
    AddNode("worker-1", "uid-1");
    AddNode("worker-2", "uid-2");
    // The policies' validity is long against a test's steps.
    Load(PolicyYaml("workers", "", "600s"));
  }

  std::unique_ptr<Replica> Start(ClusterNodes::Options options = Quick()) {
    auto replica = std::make_unique<Replica>(*this, options);
    replica->Start();
    return replica;
  }
  static ClusterNodes::Options Quick() {
    ClusterNodes::Options options;
    options.shortest_pause = Duration(2);
    options.longest_pause = Duration(20);
    return options;
  }
  std::vector<crypto::PublicKey> Keys() {
    std::lock_guard lock(keys_mutex);
    return public_keys.has_value() ? *public_keys : std::vector<crypto::PublicKey>{signing_key.Public()};
  }
  void SetKeys(std::vector<crypto::PublicKey> keys) {
    std::lock_guard lock(keys_mutex);
    public_keys = std::move(keys);
  }

  void AddNode(const std::string& name, const std::string& uid) {
    kube.Put(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")" + name + R"(","uid":")" + uid + R"("}})");
  }
  void RemoveNode(const std::string& name) { EXPECT_TRUE(kube.Remove(kube::kNodes, name)); }
  [[nodiscard]] std::optional<fakes::JsonValue> Object(const std::string& name) const {
    return kube.Find(kube::kNodeAttestations, name);
  }
  [[nodiscard]] std::string ObjectText(const std::string& name, std::initializer_list<std::string_view> path) const {
    auto object = Object(name);
    return object.has_value() ? object->TextAt(path) : "(none)";
  }
  [[nodiscard]] bool Says(const std::string& name, const std::string& verdict) const {
    return Eventually([&] { return ObjectText(name, {"status", "verdict"}) == verdict; });
  }
  // As somebody who may write the object.
  void Change(const std::string& name, const std::function<void(fakes::JsonValue&)>& change) {
    auto object = Object(name);
    ASSERT_TRUE(object.has_value());
    change(*object);
    kube.Put(object->Write());
  }
  [[nodiscard]] std::size_t Patches(const std::string& name = "") const {
    return kube.Count("PATCH", "/apis/gatehouse.dev/v1alpha1/nodeattestations/" + name);
  }
  // Waits until what the API has was seen by the replica: it answers an update that comes after.
  void Settle(Replica& replica) {
    const std::string name = "settle-" + std::to_string(++settled);
    AddNode(name, "uid-settle");
    ASSERT_TRUE(Eventually([&] { return replica.bindings->NodeUid(name) == "uid-settle"; }));
    RemoveNode(name);
    kube.Put(R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"NodeAttestation","metadata":{"name":")" + name +
             R"("},"spec":{"ek":"sha256:)" + std::string(64, '0') +
             R"(","ak":"00","enrolled":"2026-01-01T00:00:00Z",)" + R"("binding":"x"}})");
    ASSERT_TRUE(Eventually([&] {
      for (const std::string& problem : replica.nodes.Problems()) {
        if (problem.find(name) != std::string::npos) return true;
      }
      return false;
    }));
    kube.Remove(kube::kNodeAttestations, name);
    ASSERT_TRUE(Eventually([&] {
      for (const std::string& problem : replica.nodes.Problems()) {
        if (problem.find(name) != std::string::npos) return false;
      }
      return true;
    }));
  }

  fakes::KubeApi kube;
  std::optional<crypto::PrivateKey> current_key;
  std::mutex keys_mutex;
  std::optional<std::vector<crypto::PublicKey>> public_keys;
  std::atomic<bool> key_throws{false};
  int settled = 0;
};

}  // namespace gatehouse::webhook
