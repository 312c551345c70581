// Good documents about TPMs, boots and files with every field that there is, to be changed in one place at a time.
#pragma once

#include <set>
#include <string>

#include "common/base/encoding.h"
#include "tests/common/policy/policy_builder.h"

namespace gatehouse::policy {

// A digest that ends in `end`; never one that YAML takes for a number.
inline std::string Hex(const std::string& end, std::size_t bytes = 32) {
  return std::string(2 * bytes - end.size(), 'a') + end;
}
inline std::string Print(const std::string& end) {
  return "\"sha256:" + Hex(end) + "\"";
}

inline const fakes::TestCa& FirmwareCa() {
  static const auto* const kCa = new fakes::TestCa(fakes::TestCa::Root(fakes::CaSpec("firmware")));
  return *kCa;
}

inline bool TakesTexts(std::string_view part) {
  const std::set<std::string_view> alone = {"drivers", "applications", "partitions", "loaderFiles", "initrds", "mok"};
  return !alone.contains(part);
}
inline bool MayBeListed(std::string_view part) {
  const std::set<std::string_view> ruled = {"secureBootKeys", "authorities", "separators", "phases"};
  return !ruled.contains(part);
}

// Every part of a boot, with every form of a rule; without the command line if it stands elsewhere.
inline std::string PartsYaml(std::size_t spaces, bool command_line) {
  std::string text;
  for (std::string_view part : claims::kBootPartNames) {
    if (!MayBeListed(part) || (part == "commandLine" && !command_line)) continue;
    text += std::string(spaces, ' ') + std::string(part) + ": {digests: [" + Hex("d1") + "]";
    if (TakesTexts(part)) text += ", exact: [text], globs: [glob-*], regexes: [\"regex-[0-9]\"]";
    text += "}\n";
  }
  return text;
}

// Goes with MeasuredValuesYaml() and TrustRootYaml(), which it names.
inline std::string MeasuredPolicyYaml() {
  return R"(apiVersion: gatehouse.dev/v1alpha1
kind: NodePolicy
metadata:
  name: measured
spec:
  nodes:
    - glob: worker-*
  tpm:
    trustRoots: [vendors]
    referenceValues: [measured]
    identity:
      requireEkHash:
        hashes: [)" +
         Print("e1") + R"(]
        csv: |
          ek_hash,host
          # rack 1
          )" +
         Hex("e2") + R"(,worker-1
          "sha256:)" +
         Hex("e3") + R"(", worker-2
      akCertificates: true
      revocation: required
      fetchIssuers: true
      firmwareVersions: ["0x2020000300120001", "0x1"]
      maxClockLag: 10m
    boot:
      bank: sha256
      pcrs: [0, 1, 2, 4, 5, 7, 8, 9]
      secureBoot: required
      secureBootKeys:
        pk: {only: [)" +
         Print("a1") + R"(]}
        kek:
          only: [)" +
         Print("a2") + R"(]
          certificates: |
)" + Indented(FirmwareCa().pem(), 12) +
         R"(        db: {only: [)" + Print("a3") + ", " + Print("a4") + R"(]}
        dbx:
          contains: [)" +
         Print("a5") + R"(]
          certificates: |
)" + Indented(FirmwareCa().pem(), 12) +
         R"(          atLeast: 371
      signers:
        - )" +
         Print("b1") + R"(
        - |
)" + Indented(FirmwareCa().pem(), 10) +
         R"(      allowInsecureDebugMode: true
      accept:
)" + PartsYaml(8, false) +
         R"(      commandLine:
        exact: ["ro quiet"]
        globs: ["ro root=**"]
        regexes: ["ro (quiet|splash)?"]
        digests: [)" +
         Hex("c1") + R"(]
        required: [ro]
        forbidden: [init=, "ima_policy=none"]
      ignore:
        - {pcr: 1}
        - {pcr: 5, type: EV_EFI_GPT_EVENT}
    ima:
      bank: sha384
      matchPaths: true
      deny: {digests: [)" +
         Hex("f1") + R"(], paths: ["/tmp/evil.*"]}
      exclude: ["/var/log/.*", "/run/user/[0-9]+/.*"]
      violations: ["/var/log/journal/.*"]
      signatures:
        keys: |
)" + Indented(FirmwareCa().pem() + kRsaPem, 10) +
         R"(        accept: true
        requiredFor: ["/usr/.*"]
      buffers:
        - {name: dm_table_load, any: true}
        - {name: kexec-cmdline, digests: [)" +
         Hex("f2") + R"(]}
      containers: {paths: ["/var/lib/containers/.*"], entries: images}
      allowInsecurePaddedSha1: true
      allowInsecureSha1Aggregate: true
)";
}

// The command line among the others, and parts of which anything is accepted.
inline std::string EveryPartAtOnce() {
  std::string policy = MeasuredPolicyYaml();
  const auto begin = policy.find("      commandLine:\n");
  policy = policy.substr(0, begin) + policy.substr(policy.find("      ignore:\n"));
  policy = Edited(policy, PartsYaml(8, false), PartsYaml(8, true));
  for (std::string_view part : claims::kBootPartNames) {
    if (!MayBeListed(part)) continue;
    const std::string one = "        " + std::string(part) + ": {";
    const auto at = policy.find(one);
    policy = policy.substr(0, at) + one + "any: true}" + policy.substr(policy.find('\n', at));
  }
  return policy;
}

inline std::string MeasuredValuesYaml() {
  return R"(apiVersion: gatehouse.dev/v1alpha1
kind: ReferenceValues
metadata:
  name: measured
spec:
  sets:
    - name: boot
      tpm:
        boot:
)" + PartsYaml(10, true) +
         R"(    - name: files
      notAfter: "2027-06-01T00:00:00Z"
      tpm:
        ima:
          sha256sums: |
            )" +
         Hex("01") + R"(  /usr/bin/true
            )" +
         Hex("02") + R"( *./usr/bin/a b
            \)" +
         Hex("03") + R"(  usr/share/a\\b
            )" +
         Hex("04", 48) + R"(  /usr/bin/sha384
          digests: [)" +
         Hex("05") + ", " + Hex("06", 64) + R"(]
          files:
            - {name: debian-12.ghds, sha256: )" +
         Hex("07") + R"(}
          from: packages
)";
}

inline std::string TpmRootYaml() {
  return TrustRootYaml() + "    pinned: [" + Print("d2") + "]\n    intermediates: |\n" +
         Indented(FirmwareCa().pem(), 6);
}

inline PolicySet Measured(const std::string& policy, const std::string& values = MeasuredValuesYaml(),
                          const std::string& root = TrustRootYaml()) {
  return Loaded({policy, values, root});
}
inline NodePolicy MeasuredPolicy(const std::string& from = "", const std::string& to = "") {
  PolicySet set = Measured(Edited(MeasuredPolicyYaml(), from, to));
  EXPECT_EQ(set.node_policies.size(), 1U);
  return set.node_policies.empty() ? NodePolicy{} : set.node_policies[0];
}

// One thing that is wrong in a document, where that is told, and some of what is told.
struct Wrong {
  std::string from;
  std::string to;
  std::string where;
  std::string detail;
  Reason reason = Reason::kPolicyInvalid;
};

}  // namespace gatehouse::policy
