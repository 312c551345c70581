// ReferenceValues, and what a NodePolicy says about them and about nodes that are not trusted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/policy/policy_builder.h"

namespace gatehouse::policy {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

PolicySet With(const std::string& policy, const std::string& values = ReferenceValuesYaml()) {
  return Loaded({policy, values, TrustRootYaml()});
}

Error RefusalOf(const std::string& policy, const std::string& values = ReferenceValuesYaml()) {
  return Refusal(policy + "---\n" + TrustRootYaml() + "---\n" + values);
}

NodePolicy Edit(const std::string& from, const std::string& to) {
  PolicySet set = With(Edited(NodePolicyByReferenceYaml(), from, to));
  EXPECT_THAT(set.node_policies, SizeIs(1));
  return set.node_policies.empty() ? NodePolicy{} : set.node_policies[0];
}

TEST(ReferenceValues, EveryFieldArrives) {
  PolicySet set = With(NodePolicyByReferenceYaml());
  ASSERT_THAT(set.reference_values, SizeIs(1));
  EXPECT_EQ(set.reference_values[0].name, "linux");
  EXPECT_EQ(set.reference_values[0].source, "build 4711");
  ASSERT_THAT(set.node_policies, SizeIs(1));
  const NodePolicy& policy = set.node_policies[0];
  EXPECT_THAT(policy.reference_values, ElementsAre("linux"));
  EXPECT_THAT(policy.tpm.pcrs, IsEmpty());
  ASSERT_THAT(policy.reference_sets, SizeIs(2));
  const ReferenceSet& first = policy.reference_sets[0];
  EXPECT_EQ(first.document, "linux");
  EXPECT_EQ(first.name, "kernel-1");
  EXPECT_EQ(first.not_before, std::nullopt);
  EXPECT_EQ(first.not_after, WallTime(std::chrono::sys_days(std::chrono::year(2027) / 2 / 1)));
  EXPECT_EQ(first.tpm.bank, HashAlgorithm::kSha256);
  ASSERT_THAT(first.tpm.pcrs, SizeIs(2));
  EXPECT_EQ(first.tpm.pcrs.at(4)[0].back(), 0xA1);
  ASSERT_THAT(first.tpm.pcrs.at(9), SizeIs(2));
  EXPECT_EQ(first.tpm.pcrs.at(9)[1].back(), 0xC2);
  const ReferenceSet& second = policy.reference_sets[1];
  EXPECT_EQ(second.not_before, WallTime(std::chrono::sys_days(std::chrono::year(2027) / 1 / 1)) - 1h);
  EXPECT_EQ(second.tpm.bank, HashAlgorithm::kSha384);
}

TEST(ReferenceValues, BesidePcrsOfThePolicyItself) {
  NodePolicy policy =
      With(Edited(NodePolicyYaml(), "[vendors]\n", "[vendors]\n    referenceValues: [linux]\n")).node_policies.at(0);
  EXPECT_THAT(policy.tpm.pcrs, SizeIs(2));
  EXPECT_THAT(policy.reference_sets, SizeIs(2));
}

TEST(ReferenceValues, OfSeveralDocuments) {
  std::string more = Edited(ReferenceValuesYaml(), "name: linux", "name: more");
  PolicySet set = Loaded(
      {Edited(NodePolicyByReferenceYaml(), "[linux]", "[more, linux]"), more, ReferenceValuesYaml(), TrustRootYaml()});
  ASSERT_THAT(set.node_policies.at(0).reference_sets, SizeIs(4));
  EXPECT_EQ(set.node_policies[0].reference_sets[0].document, "more");
  EXPECT_EQ(set.node_policies[0].reference_sets[3].document, "linux");
}

TEST(Adversarial_Q2, NeitherPcrsNorReferenceValuesIsNoPolicy) {
  EXPECT_THAT(RefusalOf(Edited(NodePolicyByReferenceYaml(), "    referenceValues: [linux]\n", "")).where,
              HasSubstr("$.spec.tpm.pcrs"));
  EXPECT_THAT(RefusalOf(Edited(NodePolicyByReferenceYaml(), "[linux]", "[]")).where,
              HasSubstr("$.spec.tpm.referenceValues"));
}

TEST(ReferenceValues, ReferencesMustExistInFiles) {
  EXPECT_THAT(RefusalOf(Edited(NodePolicyByReferenceYaml(), "[linux]", "[linux, windows]")).detail,
              HasSubstr("there are no ReferenceValues 'windows'"));
  EXPECT_THAT(RefusalOf(Edited(NodePolicyByReferenceYaml(), "[linux]", "[linux, linux]")).detail,
              HasSubstr("names 'linux' twice"));
  // One that is there but faulty has an error of its own, and only that.
  EXPECT_THAT(RefusalOf(NodePolicyByReferenceYaml(), Edited(ReferenceValuesYaml(), "bank: sha256", "bank: md5")).where,
              HasSubstr("$.spec.sets[0].tpm.pcrs.bank"));
}

TEST(ReferenceValues, Refused) {
  struct Case {
    std::string from;
    std::string to;
    std::string where;
    std::string detail;
  };
  const Case kCases[] = {
      {"source: build 4711", "source: 4711", "$.spec.source", "must be a string"},
      {"source: build 4711", "sources: build 4711", "$.spec", "unknown field 'sources'"},
      {"name: kernel-1", "name: Kernel", "$.spec.sets[0].name", "is not a name"},
      {"name: kernel-1", "name: kernel-2", "$.spec.sets[1].name", "another set"},
      {"    - name: kernel-1\n", "    - names: kernel-1\n", "$.spec.sets[0].name", "is required"},
      {"\"2027-02-01T00:00:00Z\"", "tomorrow", "$.spec.sets[0].notAfter", "RFC 3339"},
      {"\"2027-02-01T00:00:00Z\"", "\"2027-02-01\"", "$.spec.sets[0].notAfter", "RFC 3339"},
      {"\"2027-02-01T00:00:00Z\"", "\"2027-02-30T00:00:00Z\"", "$.spec.sets[0].notAfter", "RFC 3339"},
      {"\"2027-01-01T00:00:00+01:00\"", "20270101", "$.spec.sets[1].notBefore", "must be a string"},
      {"\"2027-06-01T00:00:00Z\"", "\"2026-12-31T23:00:00Z\"", "$.spec.sets[1].notAfter", "never count"},
      {"bank: sha256", "bank: sha1", "$.spec.sets[0].tpm.pcrs.bank", "sha1 is broken"},
      {"bank: sha256", "bank: sha512", "$.spec.sets[0].tpm.pcrs.values.4", "128 lower-case hex digits"},
      {"\"9\":", "\"16\":", "$.spec.sets[0].tpm.pcrs.values.16", "can be reset"},
      {"\"9\":", "\"23\":", "$.spec.sets[0].tpm.pcrs.values.23", "can be reset"},
      {"\"9\":", "\"24\":", "$.spec.sets[0].tpm.pcrs.values.24", "from 0 to 23"},
      {"c1, ", "c2, ", "$.spec.sets[0].tpm.pcrs.values.9", "same value twice"},
      {"      notAfter: \"2027-02-01T00:00:00Z\"\n", "      validUntil: \"2027-02-01T00:00:00Z\"\n", "$.spec.sets[0]",
       "unknown field 'validUntil'"},
      {"          bank: sha256\n", "          bank: sha256\n          banks: []\n", "$.spec.sets[0].tpm.pcrs",
       "unknown field"},
  };
  for (const Case& c : kCases) {
    Error error = Refusal(Edited(ReferenceValuesYaml(), c.from, c.to));
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << c.to;
    EXPECT_THAT(error.where, HasSubstr(c.where)) << c.to;
    EXPECT_THAT(error.detail, HasSubstr(c.detail)) << c.to;
  }
  const std::string head = ReferenceValuesYaml().substr(0, ReferenceValuesYaml().find("spec:"));
  for (const std::string spec :
       {"{}", "{sets: []}", "{sets: {}}", "{sets: [{name: a}]}", "{sets: [{name: a, tpm: {}}]}",
        "{sets: [{name: a, tpm: {pcrs: {bank: sha256, values: {}}}}]}", "[]"}) {
    EXPECT_EQ(Refusal(head + "spec: " + spec + "\n").reason, Reason::kPolicyInvalid) << spec;
  }
}

TEST(Adversarial_A16, OtherReferenceValuesAreAnotherGenerationOfTheNodePolicyToo) {
  PolicySet before = With(NodePolicyByReferenceYaml());
  const std::pair<std::string, std::string> kEdits[] = {
      {"name: kernel-1", "name: kernel-3"},
      {"2027-02-01", "2027-03-01"},
      {"2027-01-01", "2027-01-02"},
      {"a1]", "a3]"},
      {"\"9\":", "\"8\":"},
      {"build 4711", "build 4712"},
  };
  for (const auto& [from, to] : kEdits) {
    PolicySet after = With(NodePolicyByReferenceYaml(), Edited(ReferenceValuesYaml(), from, to));
    EXPECT_NE(after.node_policies.at(0).generation, before.node_policies.at(0).generation) << to;
    EXPECT_NE(after.policy_generation, before.policy_generation) << to;
  }
}

// --- untrusted

TEST(Untrusted, EveryFieldArrives) {
  NodePolicy policy = Edit("", "");
  ASSERT_TRUE(policy.untrusted.has_value());
  EXPECT_EQ(policy.untrusted->effect, UntrustedTaint::Effect::kNoExecute);
  EXPECT_EQ(policy.untrusted->grace, 2min);
  EXPECT_EQ(policy.untrusted->max_nodes, 3U);
  EXPECT_EQ(policy.untrusted->within, 30min);
}

TEST(Untrusted, DefaultsAreCareful) {
  const std::string all = "    grace: 2m\n    maxEvicted:\n      nodes: 3\n      within: 30m\n";
  for (const std::string rest : {"", "    maxEvicted: {}\n"}) {
    NodePolicy policy = Edit(all, rest);
    ASSERT_TRUE(policy.untrusted.has_value());
    EXPECT_EQ(policy.untrusted->grace, 5min);
    EXPECT_EQ(policy.untrusted->max_nodes, 1U);
    EXPECT_EQ(policy.untrusted->within, 1h);
  }
  NodePolicy mild = Edit("NoExecute\n" + all, "NoSchedule\n");
  EXPECT_EQ(mild.untrusted->effect, UntrustedTaint::Effect::kNoSchedule);
  EXPECT_EQ(Edit("grace: 2m", "grace: 0s").untrusted->grace, 0ms);
  EXPECT_EQ(Edit("grace: 2m", "grace: 24h").untrusted->grace, 24h);
}

TEST(Untrusted, EveryFieldMattersToTheGeneration) {
  std::string before = Edit("", "").generation;
  const std::pair<std::string, std::string> kEdits[] = {
      {"grace: 2m", "grace: 3m"}, {"nodes: 3", "nodes: 4"}, {"within: 30m", "within: 40m"}};
  for (const auto& [from, to] : kEdits) EXPECT_NE(Edit(from, to).generation, before) << to;
}

TEST(Untrusted, Refused) {
  struct Case {
    std::string from;
    std::string to;
    std::string where;
    std::string detail;
  };
  const Case kCases[] = {
      {"    taint: NoExecute\n", "", "$.spec.untrusted.taint", "is required"},
      {"taint: NoExecute", "taint: PreferNoSchedule", "$.spec.untrusted.taint", "must be one of"},
      {"taint: NoExecute", "taint: NoSchedule", "$.spec.untrusted.grace", "is for taint: NoExecute"},
      {"NoExecute\n    grace: 2m", "NoSchedule", "$.spec.untrusted.maxEvicted", "is for taint: NoExecute"},
      {"grace: 2m", "grace: 2", "$.spec.untrusted.grace", "must be a string"},
      {"grace: 2m", "grace: 25h", "$.spec.untrusted.grace", "from 0s to 24h"},
      {"grace: 2m", "grace: -1m", "$.spec.untrusted.grace", "from 0s to 24h"},
      {"grace: 2m", "graec: 2m", "$.spec.untrusted", "did you mean 'grace'"},
      {"nodes: 3", "nodes: 0", "$.spec.untrusted.maxEvicted.nodes", "from 1 to"},
      {"nodes: 3", "nodes: 25%", "$.spec.untrusted.maxEvicted.nodes", "an integer"},
      {"within: 30m", "within: 1s", "$.spec.untrusted.maxEvicted.within", "from 10s to 24h"},
      {"within: 30m", "within: 48h", "$.spec.untrusted.maxEvicted.within", "from 10s to 24h"},
      {"within: 30m", "per: 30m", "$.spec.untrusted.maxEvicted", "unknown field 'per'"},
  };
  for (const Case& c : kCases) {
    Error error = RefusalOf(Edited(NodePolicyByReferenceYaml(), c.from, c.to));
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << c.to;
    EXPECT_THAT(error.where, HasSubstr(c.where)) << c.to;
    EXPECT_THAT(error.detail, HasSubstr(c.detail)) << c.to;
  }
}

}  // namespace
}  // namespace gatehouse::policy
