// A cluster for the verbs that ask one: an API server at a port, with a signed image in a registry.
#pragma once

#include "common/base/encoding.h"
#include "common/codec/time.h"
#include "common/codec/yaml.h"
#include "common/ear/ear.h"
#include "common/kube/lease.h"
#include "common/kube/node_attestation.h"
#include "common/policy/loader.h"
#include "tests/cli/support.h"
#include "tests/fakes/kube_api_server.h"
#include "tests/fakes/pki.h"

namespace gatehouse::cli {

inline constexpr Duration kMinute{60'000};

inline std::string AsJson(const std::string& yaml) {
  auto documents = codec::ParseYaml(yaml, "test");
  EXPECT_TRUE(documents.ok()) << documents.error().ToString();
  return documents->front().root().Serialize();
}

class ClusterVerbs : public CliTest {
 protected:
  ClusterVerbs() {
    Write("kubeconfig", server_.KubeConfig(root_.pem()));
    api_.RequireToken("token-of-the-test");
    PutPolicy(ImagePolicyYaml("release", "{registry}/**", KeyAuthority(key_.Public())));
    PutPolicy(NodePolicyYaml());
    PutPolicy(
        "apiVersion: gatehouse.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: vendors}\nspec:\n  tpm:\n    "
        "certificates: |\n" +
        fakes::IndentedPem(root_.pem(), 6));
    Put(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}})");
    codec::JsonWriter keys;
    keys.BeginObject().Member("apiVersion", "v1").Member("kind", "ConfigMap").Key("metadata").BeginObject();
    keys.Member("name", "gatehouse-public").Member("namespace", "gatehouse-system").EndObject();
    keys.Key("data").BeginObject().Member("signing-keys.pem", signing_.Public().Pem()).EndObject().EndObject();
    Put(std::move(keys).Finish());
    PutWebhookConfig("{unmatchedImages: deny, unmatchedNodes: warn}");
    PutLease("gatehouse-leader", "replica-a", Now());
    PutLease("gatehouse-replica-replica-a", "replica-a", Now());
    PutLease("gatehouse-replica-replica-b", "replica-b", Now());
  }

  static WallTime Now() { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); }
  void Put(const std::string& json) { api_.Put(Filled(json)); }

  // As the leader writes its status.
  void PutPolicy(const std::string& yaml, const char* in_force = "True", const char* message = "in force on 2 of 2") {
    fakes::JsonValue object = *fakes::JsonValue::Parse(AsJson(Filled(yaml)));
    api_.Put(object.Write());
    codec::JsonWriter status;
    status.BeginObject().Key("observedGeneration").Int(1).Key("conditions").BeginArray().BeginObject();
    status.Member("type", "InForce").Member("status", in_force).Member("message", message).EndObject().EndArray();
    status.Key("replicas")
        .BeginObject()
        .Key("inForce")
        .Int(std::string_view(in_force) == "True" ? 2 : 1)
        .Key("total")
        .Int(2)
        .EndObject();
    status.Key("decisions").BeginObject().Key("allowed").Int(41).Key("denied").Int(7).Key("warned").Int(0);
    status.Key("audited").Int(0).EndObject().EndObject();
    object.Member("status") = *fakes::JsonValue::Parse(std::move(status).Finish());
    api_.Put(object.Write());
  }
  static std::string NodePolicyYaml(const std::string& more = "") {
    return "apiVersion: gatehouse.dev/v1alpha1\nkind: NodePolicy\nmetadata: {name: workers}\nspec:\n" + more +
           "  nodes: [{glob: \"worker-*\"}]\n  tpm:\n    trustRoots: [vendors]\n    pcrs: {bank: sha256, values: "
           "{\"7\": [\"" +
           std::string(64, 'a') + "\"]}}\n";
  }
  void PutLease(const std::string& name, const std::string& holder, WallTime renewed) {
    Put(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":")" + name +
        R"(","namespace":"gatehouse-system"},"spec":{"holderIdentity":")" + holder + R"(","renewTime":")" +
        kube::MicroTime(renewed) + R"("}})");
  }

  void PutWebhookConfig(const std::string& admission) {
    Put(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"gatehouse-webhook","namespace":"gatehouse-system"},)"
        R"("data":{"webhook.yaml":"admission: )" +
        admission + R"("}})");
  }

  // "workers@…", as every replica computes it from the same objects.
  [[nodiscard]] std::string PolicyGeneration() const {
    std::vector<policy::ApiObject> objects;
    for (const kube::Resource& resource : {kube::kNodePolicies, kube::kTrustRoots}) {
      for (const fakes::JsonValue& object : api_.All(resource)) {
        objects.push_back({object.TextAt({"kind"}), "", object.TextAt({"metadata", "name"}), 1, object.Write()});
      }
    }
    std::map<std::string, policy::ApiObject> last_good;
    auto outcome = policy::LoadObjects(objects, {}, last_good);
    return outcome.set->node_policies.empty() ? "" : "workers@" + outcome.set->node_policies.front().generation;
  }
  // A Node and what Gatehouse wrote of it.
  void PutNode(const std::string& name, const std::string& marks = "") {
    Put(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")" + name + R"(","uid":"uid-of-)" + name + "\"" +
        marks + R"(}})");
  }
  [[nodiscard]] ear::AttestationResult ResultFor(const std::string& node, bool good) const {
    ear::AttestationResult result;
    result.node = node;
    result.node_uid = "uid-of-" + node;
    result.ak_name = "000b" + std::string(64, 'a');
    result.ek = "sha256:" + std::string(64, 'b');
    result.nonce = "paWl";
    result.issued = Now() - kMinute;
    result.expires = Now() + 9 * kMinute;
    result.appraisals = {{PolicyGeneration(), ear::Tier::kAffirming, {}, result.expires}};
    if (!good) {
      result.appraisals[0].tier = ear::Tier::kContraindicated;
      result.appraisals[0].findings = {{Reason::kPcrMismatch, "pcr 7 (sha256)", "found bb, expected aa"}};
    }
    return result;
  }
  void PutAttestation(const ear::AttestationResult& result, const crypto::PrivateKey& key, kube::Verdict verdict,
                      std::optional<kube::Failure> failure = std::nullopt) {
    kube::NodeAttestation attestation;
    attestation.name = result.node;
    attestation.node_uid = result.node_uid;
    attestation.ek = result.ek;
    attestation.ak = result.ak_name;
    attestation.enrolled = Now() - 60 * kMinute;
    attestation.binding = "a.b.c";
    attestation.ear = *ear::Encode(result, key);
    attestation.verdict = verdict;
    attestation.since = Now() - 12 * kMinute;
    attestation.attested = result.issued;
    attestation.expires = result.expires;
    attestation.failure = std::move(failure);
    api_.Put(kube::WriteNodeAttestation(attestation, std::nullopt, false));
  }
  void PutGood(const std::string& name) {
    PutNode(name);
    PutAttestation(ResultFor(name, true), signing_, kube::Verdict::kTrusted);
  }
  void PutBad(const std::string& name) {
    PutNode(name);
    PutAttestation(ResultFor(name, false), signing_, kube::Verdict::kUntrusted);
  }
  void PutPod(const std::string& image, const std::string& node = "", const std::string& scheduler = "") {
    std::string status = R"({"phase":")" + std::string(node.empty() ? "Pending" : "Running") + "\"";
    if (!scheduler.empty()) {
      status += R"(,"conditions":[{"type":"PodScheduled","status":"False","reason":"SchedulerError","message":")" +
                scheduler + "\"}]";
    }
    Put(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"shop"},"spec":{)" +
        (node.empty() ? std::string() : R"("nodeName":")" + node + "\",") + R"("containers":[{"name":"app","image":")" +
        image + R"("}]},"status":)" + status + "}}");
  }
  void PutEvent(const std::string& kind, const std::string& name, const std::string& message) {
    Put(R"({"apiVersion":"v1","kind":"Event","metadata":{"name":")" + name +
        R"(.1","namespace":"shop"},"involvedObject":{"kind":")" + kind + R"(","name":")" + name +
        R"(","namespace":"shop"},"lastTimestamp":"2026-11-21T12:00:00Z","message":")" + message + R"("})");
  }
  [[nodiscard]] fakes::Ran Ask(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--kubeconfig", "{folder}/kubeconfig"});
    return Run(arguments);
  }
  [[nodiscard]] codec::JsonDocument AskJson(std::vector<std::string> arguments, int exit_code) const {
    arguments.insert(arguments.end(), {"-o", "json"});
    fakes::Ran ran = Ask(std::move(arguments));
    EXPECT_EQ(ran.exit_code, exit_code) << ran.out << ran.err;
    auto lines = JsonLines(ran.out);
    EXPECT_EQ(lines.size(), 1U) << ran.out << ran.err;
    return lines.empty() ? *codec::JsonDocument::Parse("{}", {10}) : std::move(lines.front());
  }

  const std::string denied_ =
      R"(binding rejected: running Bind plugin \"DefaultBinder\": admission webhook \"validate.gatehouse.dev\" denied the request: gatehouse: node worker-2: found bb [pcr-mismatch] (policy 'workers'))";
  fakes::KubeApi api_;
  fakes::TestCa root_ = fakes::RootOfToday();
  fakes::KubeApiServer server_{api_, fakes::IssueServerTls(root_, "IP:127.0.0.1")};
  crypto::PrivateKey signing_ = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
};

}  // namespace gatehouse::cli
