// Good policy documents, to be changed in one place at a time.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "common/policy/loader.h"
#include "tests/fakes/pki.h"

namespace gatehouse::policy {

inline constexpr const char* kP256Pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENXsb2mmY0v9MccA5J9gL1QN9WazL\n"
    "TtDRqPtP6v3003YSvv1B2zk4/SaSumY1SFK6XYVyERr7acqwj5VoOMMSrQ==\n"
    "-----END PUBLIC KEY-----\n";
inline constexpr const char* kOtherP256Pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWHUVPV/gzz5F/O5Pz1U72KKucEyv\n"
    "rBBEHjOTkXK3BYTmDnA9/rhpHi5sGA9eIwPASACbz6G+eYCV7tnuaGzERg==\n"
    "-----END PUBLIC KEY-----\n";
inline constexpr const char* kRsaPem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzTmGTk1cxx1WFRBzj0NP\n"
    "SpdTSgLvKQ77gIDdt/48F/iAk5/RC13vmW5/DjJ6Gfd5qFju8IlVKLFOqbM7cZPN\n"
    "pLqa95Mmqyo3Drd5MmiMmB1nn7Ixi5CicvWoMus3OoRpuUQ6ea3GU7UQxerJOoUy\n"
    "dpM+o49P8k30DNDU41qceaY5tF6nX3fkZTsqFfKswk4YCGl4iwJvc2y1f5eNf4HA\n"
    "4S8EWNLiAA/ZbMkbaQ77CQcmuAfO8FRPRHIDFCsSanhTj/a6atihB0wpKYMQyvI8\n"
    "h3ojKyZe+0Lo5eBdHQ8Vj2i/aSuC8RKFYZvsWgHykzCRPplFiibe2ukWC/MzUBNy\n"
    "lwIDAQAB\n"
    "-----END PUBLIC KEY-----\n";
inline constexpr const char* kEd25519Pem =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEA4rY1ZqZxIy1onO11z7pQrq11xgLHaRppk5DK0nBC6Qs=\n"
    "-----END PUBLIC KEY-----\n";

inline std::string Indented(const std::string& text, std::size_t spaces) {
  std::string result;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = text.find('\n', begin) + 1;
    result += std::string(spaces, ' ') + text.substr(begin, end - begin);
    begin = end;
  }
  return result;
}

inline std::string ImagePolicyYaml() {
  return R"(apiVersion: gatehouse.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: release
  labels: {team: a}
  annotations: {note: hello}
spec:
  images:
    - glob: registry.example/**
    - glob: docker.io/library/*
  namespaceSelector:
    matchLabels: {env: prod}
  podSelector:
    matchExpressions:
      - {key: app, operator: In, values: [a, b]}
  authorities:
    - name: release-key
      key:
        data: |
)" + Indented(kP256Pem, 10) +
         R"(        hashAlgorithm: sha256
      annotations: {env: prod}
    - name: blocked
      static: {action: fail, message: not this one}
  require: any
  mode: enforce
  onUnavailable: deny
)";
}

// Goes with TrustRootYaml(), which it names.
inline std::string NodePolicyYaml() {
  std::string value = std::string(62, '0');
  return R"(apiVersion: gatehouse.dev/v1alpha1
kind: NodePolicy
metadata:
  name: workers
spec:
  nodes:
    - glob: worker-*
  namespaceSelector:
    matchLabels: {env: prod}
  mode: enforce
  validity: 10m
  tpm:
    trustRoots: [vendors]
    pcrs:
      bank: sha256
      values:
        "7": [)" +
         value + "a7, " + value + "b7]\n" + R"(        "0": [)" + value + "a0]\n";
}

inline std::string NamespacedImagePolicyYaml() {
  return R"(apiVersion: gatehouse.dev/v1alpha1
kind: NamespacedImagePolicy
metadata:
  name: release
  namespace: team-a
spec:
  images:
    - glob: registry.example/team-a/*
  podSelector:
    matchLabels: {app: web}
  authorities:
    - name: team-key
      key:
        data: |
)" + Indented(kOtherP256Pem, 10) +
         R"(  require: all
  mode: warn
  onUnavailable: allow
)";
}

// Named by NodePolicyByReferenceYaml().
inline std::string ReferenceValuesYaml() {
  std::string value = std::string(62, '0');
  return R"(apiVersion: gatehouse.dev/v1alpha1
kind: ReferenceValues
metadata:
  name: linux
spec:
  source: build 4711
  sets:
    - name: kernel-1
      notAfter: "2027-02-01T00:00:00Z"
      tpm:
        pcrs:
          bank: sha256
          values:
            "4": [)" +
         value + R"(a1]
            "9": [)" +
         value + R"(c1, )" + value + R"(c2]
    - name: kernel-2
      notBefore: "2027-01-01T00:00:00+01:00"
      notAfter: "2027-06-01T00:00:00Z"
      tpm:
        pcrs:
          bank: sha384
          values:
            "4": [)" +
         std::string(94, '0') + "b2]\n";
}

inline std::string NodePolicyByReferenceYaml() {
  return R"(apiVersion: gatehouse.dev/v1alpha1
kind: NodePolicy
metadata:
  name: by-reference
spec:
  nodes:
    - glob: worker-*
  tpm:
    trustRoots: [vendors]
    referenceValues: [linux]
  untrusted:
    taint: NoExecute
    grace: 2m
    maxEvicted:
      nodes: 3
      within: 30m
)";
}

inline const fakes::TestCa& VendorCa() {
  static const auto* const kCa = new fakes::TestCa(fakes::TestCa::Root(fakes::CaSpec("vendor")));
  return *kCa;
}

inline std::string TrustRootYaml(const std::string& pem = VendorCa().pem()) {
  return R"(apiVersion: gatehouse.dev/v1alpha1
kind: TrustRoot
metadata:
  name: vendors
spec:
  tpm:
    certificates: |
)" + Indented(pem, 6);
}

inline std::string NamespaceYaml() {
  return R"(apiVersion: v1
kind: Namespace
metadata:
  name: team-a
  labels:
    env: prod
    kubernetes.io/metadata.name: team-a
  creationTimestamp: "2026-11-21T19:37:28Z"
  resourceVersion: "516"
  uid: f6b486dd-190b-4330-8588-81897b6c3790
spec:
  finalizers: [kubernetes]
status:
  phase: Active
)";
}

// Goes with SigstoreRootYaml(). With every field that an authority with identities has.
inline std::string KeylessPolicyYaml() {
  return R"(apiVersion: gatehouse.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: keyless
spec:
  images:
    - glob: registry.example/**
  authorities:
    - name: ci
      keyless:
        identities:
          - issuer: https://token.actions.githubusercontent.com
            subjectGlob: https://github.com/org/app/.github/workflows/*@refs/heads/main
            claims:
              sourceRepositoryURI: https://github.com/org/app
              sourceRepositoryRef: {glob: refs/heads/*}
              buildTrigger: {regExp: push|release}
      trustRoots: [public]
      minimum: {transparencyLogs: 2, certificateLogs: 3, timestamps: 1, trustedTimes: 4}
      attestations:
        - name: provenance
          predicateType: slsaprovenance1
          slsa:
            builderID: https://github.com/actions/runner/github-hosted
            buildType: https://actions.github.io/buildtypes/workflow/v1
            sourceRepository: https://github.com/org/app
            sourceRef: {glob: refs/heads/*}
            materials: [{glob: "git+https://github.com/org/app@*/*/*"}]
        - name: scan
          predicateTypes: [vuln, https://example.com/scan/v1]
          where:
            - {path: /scanner/uri, glob: "pkg:github/*/*"}
            - {path: /findings, none: [{path: /severity, equals: CRITICAL}, {path: /published, olderThan: 720h}]}
  subject: Both
  pullSecrets: [registry]
)";
}

inline const fakes::TestCa& SigningCa() {
  static const auto* const kCa = new fakes::TestCa(fakes::TestCa::Root(fakes::CaSpec("signing")));
  return *kCa;
}

inline std::string SigstoreRootYaml() {
  return R"(apiVersion: gatehouse.dev/v1alpha1
kind: TrustRoot
metadata:
  name: public
spec:
  sigstore:
    transparencyLogs:
      - url: https://rekor.example
        operator: rekor.example
        validFrom: "2026-01-01T00:00:00Z"
        validUntil: "2030-01-01T00:00:00Z"
        key: |
)" + Indented(kP256Pem, 10) +
         R"(    certificateLogs:
      - url: https://ctfe.example/2026
        operator: ctfe.example
        validFrom: "2026-01-01T00:00:00Z"
        validUntil: "2030-01-01T00:00:00Z"
        key: |
)" + Indented(kOtherP256Pem, 10) +
         R"(    certificateAuthorities:
      - operator: fulcio.example
        validFrom: "2026-01-01T00:00:00Z"
        validUntil: "2030-01-01T00:00:00Z"
        certificates: |
)" + Indented(SigningCa().pem(), 10) +
         R"(    timestampAuthorities:
      - operator: tsa.example
        validFrom: "2026-01-01T00:00:00Z"
        validUntil: "2030-01-01T00:00:00Z"
        certificates: |
)" + Indented(SigningCa().pem(), 10);
}

inline std::string TufRootYaml() {
  return R"(apiVersion: gatehouse.dev/v1alpha1
kind: TrustRoot
metadata:
  name: public
spec:
  sigstore:
    tuf:
      url: https://tuf.example/repository
      root: {sha256: )" +
         std::string(64, 'a') + R"(}
      target: sub/trusted_root.json
      refresh: 6h
)";
}

// Goes with NotationRootYaml().
inline std::string NotationPolicyYaml() {
  return R"(apiVersion: gatehouse.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: notation
spec:
  images:
    - glob: registry.example/**
  authorities:
    - name: notary
      notation:
        trustPolicy:
          version: "1.0"
          trustPolicies:
            - name: release
              registryScopes: ["*"]
              signatureVerification: {level: strict}
              trustStores: ["ca:acme", "tsa:acme"]
              trustedIdentities: ["x509.subject: C=US, ST=WA, O=acme"]
      trustRoots: [acme]
      annotations: {stage: tested}
)";
}

inline std::string NotationRootYaml() {
  return R"(apiVersion: gatehouse.dev/v1alpha1
kind: TrustRoot
metadata:
  name: acme
spec:
  notation:
    ca:
      acme: |
)" + Indented(SigningCa().pem(), 8) +
         R"(    signingAuthority:
      acme: |
)" + Indented(SigningCa().pem(), 8) +
         R"(    tsa:
      acme: |
)" + Indented(SigningCa().pem(), 8);
}

inline std::string Edited(std::string text, const std::string& from, const std::string& to) {
  auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// The set of documents that are good together.
inline PolicySet Loaded(const std::vector<std::string>& documents) {
  std::vector<SourceFile> files;
  for (const std::string& document : documents)
    files.push_back({"file-" + std::to_string(files.size()) + ".yaml", document});
  LoadOutcome outcome = LoadPolicies(files);
  for (const Error& error : outcome.errors) ADD_FAILURE() << error.ToString();
  return outcome.set ? *outcome.set : PolicySet{};
}

// The one error of a file.
inline Error Refusal(const std::string& text) {
  LoadOutcome outcome = LoadPolicies({{"p.yaml", text}});
  EXPECT_EQ(outcome.set, nullptr);
  EXPECT_EQ(outcome.errors.size(), 1U) << text;
  return outcome.errors.empty() ? Error{Reason::kInternal, "", "was accepted"} : outcome.errors[0];
}

}  // namespace gatehouse::policy
