// The verifier with everything real but the sockets, and nodes with TPMs in memory.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "common/policy/loader.h"
#include "common/verify/tpm/identity.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/software_tpm.h"
#include "webhook/attest/enrolment_store.h"
#include "webhook/attest/service.h"

namespace gatehouse::webhook {

inline NodeName Node(std::string_view name) {
  return *NodeName::Parse(name);
}

// A node's agent, as the protocol sees it.
struct TestNode {
  explicit TestNode(const fakes::TestCa& vendor) : certificate(tpm.IssueEkCertificate(vendor)) {}

  [[nodiscard]] session::EnrollRequest EnrollRequest(const std::string& name) const {
    return {.node = name,
            .ek_certificate = certificate.der,
            .ek_intermediates = {},
            .ek_public = tpm.ek().area().bytes,
            .ak_public = ak.area().bytes};
  }
  [[nodiscard]] session::ChallengeRequest ChallengeRequest(const std::string& name) const {
    return {.node = name, .ak_name = AkName(), .banks = {HashAlgorithm::kSha1, HashAlgorithm::kSha256}};
  }
  [[nodiscard]] std::string AkName() const { return EncodeHex(ak.name()); }

  fakes::SoftwareTpm tpm;
  fakes::TestCertificate certificate;
  fakes::TpmKey ak = tpm.CreateAk();
};

class AttestFixture : public ::testing::Test {
 protected:
  // `folder` of the bindings; empty: in memory.
  explicit AttestFixture(const std::string& folder = "") : enrolments(*EnrolmentStore::Open(folder)) {
    Load(PolicyYaml());
  }

  // Two PCRs of the bank, as the first node's TPM has them.
  std::string PolicyYaml(const std::string& name = "workers", const std::string& seven = "",
                         const std::string& validity = "60s") {
    auto value = [&](unsigned pcr) { return EncodeHex(node.tpm.Pcr(HashAlgorithm::kSha256, pcr)); };
    return "apiVersion: gatehouse.dev/v1alpha1\nkind: NodePolicy\nmetadata: {name: " + name +
           "}\nspec:\n  nodes: [{glob: \"worker-*\"}]\n  validity: " + validity +
           "\n  tpm:\n    trustRoots: [vendor]\n    pcrs:\n  "
           "    bank: sha256\n      values: {\"0\": [\"" +
           value(0) + "\"], \"7\": [\"" + (seven.empty() ? value(7) : seven) + "\"]}\n---\n" + TrustRootYaml(vendor);
  }
  // The same without its trust root, to stand before another.
  std::string PolicyAlone(const std::string& name, const std::string& seven = "", const std::string& validity = "60s") {
    std::string yaml = PolicyYaml(name, seven, validity);
    return yaml.substr(0, yaml.find("---\n") + 4);
  }
  static std::string TrustRootYaml(const fakes::TestCa& ca) {
    std::string yaml =
        "apiVersion: gatehouse.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: vendor}\nspec:\n  tpm:\n    "
        "certificates: |\n";
    std::string line;
    for (char c : ca.pem()) {
      line.push_back(c);
      if (c == '\n') yaml += "      " + std::exchange(line, "");
    }
    return yaml + "---\n";
  }
  void Load(const std::string& yaml) {
    policy::LoadOutcome outcome = policy::LoadPolicies({{"test.yaml", yaml}});
    for (const Error& error : outcome.errors) ADD_FAILURE() << error.ToString();
    if (outcome.set != nullptr) set = outcome.set;
  }

  // Enrol and activate; the first error of the two.
  Status Enrol(const std::string& name, const TestNode& as) {
    ASSIGN_OR_RETURN(auto challenge, service.Enroll(Node(name), as.EnrollRequest(name)));
    ASSIGN_OR_RETURN(Bytes secret,
                     as.tpm.ActivateCredential(as.ak.name(), challenge.id_object, challenge.encrypted_secret));
    ASSIGN_OR_RETURN(auto activated,
                     service.Activate(Node(name), {.node = name, .ticket = challenge.ticket, .secret = secret}));
    EXPECT_EQ(activated.ak_name, as.AkName());
    return Ok();
  }
  Result<session::EvidenceRequest> Collect(const std::string& name, TestNode& as,
                                           const fakes::SoftwareTpm::Tamper& tamper = nullptr) {
    ASSIGN_OR_RETURN(auto challenge, service.Challenge(Node(name), as.ChallengeRequest(name)));
    auto quote = as.tpm.Quote(as.ak, challenge.nonce, challenge.selection, tamper);
    return session::EvidenceRequest{.node = name,
                                    .ak_name = as.AkName(),
                                    .nonce = challenge.nonce,
                                    .quote = {.attest = quote.attest, .signature = quote.signature, .pcrs = quote.pcrs},
                                    .event_log = std::nullopt,
                                    .ima_log = std::nullopt};
  }
  Result<session::EvidenceResponse> Attest(const std::string& name, TestNode& as,
                                           const fakes::SoftwareTpm::Tamper& tamper = nullptr) {
    ASSIGN_OR_RETURN(auto evidence, Collect(name, as, tamper));
    return service.Evidence(Node(name), evidence);
  }
  gate::NodeTrust Trust(const std::string& name, const std::string& policy = "workers") {
    for (const policy::NodePolicy& each : set->node_policies) {
      if (each.name == policy) return nodes.Lookup(Node(name), policy, each.generation);
    }
    ADD_FAILURE() << "no policy " << policy;
    return {};
  }
  gate::NodeState State(const std::string& name) { return Trust(name).state; }

  fakes::FakeClock clock{fakes::kPkiNow};
  fakes::TestCa vendor = fakes::TestCa::Root(fakes::CaSpec("TPM vendor"));
  TestNode node{vendor};
  std::shared_ptr<const policy::PolicySet> set = std::make_shared<policy::PolicySet>();
  telemetry::Logger log{-1, telemetry::Level::kOff, clock};
  Random random = crypto::SystemRandom();
  session::Challenger challenger{Bytes(32, 7), clock, random};
  std::unique_ptr<EnrolmentStore> enrolments;
  NodeStore nodes{clock};
  EndorsementJudge endorsements{{.clock = clock}};
  ReferenceFiles reference_files{""};
  crypto::PrivateKey signing_key = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  AttestationService service{{.clock = clock,
                              .random = random,
                              .challenger = challenger,
                              .enrolments = *enrolments,
                              .nodes = nodes,
                              .endorsements = endorsements,
                              .reference_files = reference_files,
                              .signing_key = signing_key,
                              .policies = [this] { return set; },
                              .log = log},
                             {}};
};

}  // namespace gatehouse::webhook
