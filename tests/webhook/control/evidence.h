// Results of nodes as replicas write them.
#pragma once

#include <string>

#include "common/ear/ear.h"
#include "common/kube/node_attestation.h"
#include "common/policy/documents.h"

namespace gatehouse::webhook {

inline const crypto::PrivateKey& SigningKey() {
  static const crypto::PrivateKey key = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  return key;
}

inline policy::NodePolicy PolicyNamed(const std::string& name, const std::string& nodes = "*",
                                      policy::Mode mode = policy::Mode::kEnforce) {
  policy::NodePolicy policy{};
  policy.name = name;
  policy.generation = "g1";
  policy.nodes.push_back(*policy::Glob::Parse(nodes));
  policy.mode = mode;
  policy.validity = std::chrono::minutes(10);
  return policy;
}

inline const std::string kEk = "sha256:" + std::string(64, 'e');
inline const std::string kAk(68, 'a');

// What the TPM of `node` proved at `issued`: affirming under "workers@g1" for ten minutes.
inline ear::AttestationResult ResultOf(const std::string& node, const std::string& uid, WallTime issued,
                                       bool affirming = true, const std::string& policy = "workers@g1") {
  ear::AttestationResult result;
  result.node = node;
  result.node_uid = uid;
  result.ak_name = kAk;
  result.ek = kEk;
  result.nonce = "bm9uY2U";
  result.issued = issued;
  result.expires = issued + std::chrono::minutes(10);
  ear::PolicyAppraisal appraisal{.policy = policy,
                                 .tier = affirming ? ear::Tier::kAffirming : ear::Tier::kContraindicated,
                                 .findings = {},
                                 .expires = result.expires};
  if (!affirming) appraisal.findings.push_back({Reason::kPcrMismatch, "pcr 7 (sha256)", "found 00, expected 11"});
  result.appraisals.push_back(std::move(appraisal));
  return result;
}

inline kube::NodeAttestation AttestationOf(const ear::AttestationResult& result,
                                           const crypto::PrivateKey& key = SigningKey()) {
  kube::NodeAttestation attestation;
  attestation.name = result.node;
  attestation.uid = "object-1";
  attestation.node_uid = result.node_uid;
  attestation.ek = kEk;
  attestation.ak = kAk;
  attestation.enrolled = result.issued;
  attestation.binding = "a.b.c";
  attestation.ear = *ear::Encode(result, key);
  attestation.attested = result.issued;
  attestation.expires = result.expires;
  return attestation;
}

}  // namespace gatehouse::webhook
