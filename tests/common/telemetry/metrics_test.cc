#include "common/telemetry/metrics.h"

#include <gtest/gtest.h>

#include "common/base/limits.h"

namespace gatehouse::telemetry {
namespace {

TEST(MetricsTest, FamiliesAreExposedWithTheirLabels) {
  Metrics metrics;
  metrics.CountAdmission("pod", "denied");
  metrics.CountFinding(Reason::kPcrMismatch, "deny");
  metrics.ObserveAdmission("image", std::chrono::microseconds(300));
  metrics.SetNodes("trusted", 2);
  metrics.SetCertificateExpiry("admission", WallTime(std::chrono::seconds(1'800'000'000)));
  std::string text = metrics.Expose();
  for (const char* line : {"gatehouse_admission_requests_total{kind=\"pod\",outcome=\"denied\"} 1",
                           "gatehouse_findings_total{class=\"policy\",effect=\"deny\",reason=\"pcr-mismatch\"} 1",
                           "gatehouse_admission_duration_seconds_bucket{half=\"image\",le=\"0.0005\"} 1",
                           "gatehouse_nodes{state=\"trusted\"} 2",
                           "gatehouse_certificate_expiry_timestamp_seconds{listener=\"admission\"} 1800000000"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

TEST(MetricsTest, DecisionsAreCountedByKindNamespaceAndName) {
  Metrics metrics;
  metrics.CountPolicy("ImagePolicy", "signed", "allow");
  metrics.CountPolicy("ImagePolicy", "signed", "allow");
  metrics.CountPolicy("ImagePolicy", "signed", "deny");
  metrics.CountPolicy("NamespacedImagePolicy", "shop/signed", "warn");
  metrics.CountPolicy("NodePolicy", "signed", "audit");
  auto counts = metrics.PolicyDecisions();
  ASSERT_EQ(counts.size(), 3U);
  EXPECT_EQ(counts[0], (PolicyDecisionCounts{"ImagePolicy", "", "signed", 2, 1, 0, 0}));
  EXPECT_EQ(counts[1], (PolicyDecisionCounts{"NamespacedImagePolicy", "shop", "signed", 0, 0, 1, 0}));
  EXPECT_EQ(counts[2], (PolicyDecisionCounts{"NodePolicy", "", "signed", 0, 0, 0, 1}));
  EXPECT_NE(metrics.Expose().find("gatehouse_policy_decisions_total{kind=\"NamespacedImagePolicy\",outcome=\"warn\","
                                  "policy=\"shop/signed\"} 1"),
            std::string::npos);
}

// Whoever may write policies in a namespace may write new ones for ever.
TEST(MetricsTest, PoliciesBeyondTheLimitAreCountedTogether) {
  Metrics metrics;
  for (std::size_t i = 0; i < limits::kCountedPolicies + 5; ++i) {
    metrics.CountPolicy("NamespacedImagePolicy", "shop/p" + std::to_string(i), "allow");
  }
  metrics.CountPolicy("NamespacedImagePolicy", "shop/p0", "allow");  // goes on
  metrics.CountPolicy("ImagePolicy", "signed", "allow");             // of another kind
  auto counts = metrics.PolicyDecisions();
  EXPECT_EQ(counts.size(), limits::kCountedPolicies + 1);
  EXPECT_EQ(counts[1].allowed, 2U);
  EXPECT_NE(metrics.Expose().find("policy=\"(more)\"} 5"), std::string::npos);
}

TEST(MetricsTest, WritesAreCountedByTheirTotal) {
  Metrics metrics;
  metrics.SetNodeAttestationWrites("written", 3);
  metrics.SetNodeAttestationWrites("written", 7);
  metrics.SetNodeAttestationWrites("written", 6);  // a counter does not go back
  metrics.SetNodeAttestationWrites("spared", 0);
  std::string text = metrics.Expose();
  EXPECT_NE(text.find("gatehouse_node_attestation_writes_total{outcome=\"written\"} 7"), std::string::npos) << text;
  EXPECT_NE(text.find("gatehouse_node_attestation_writes_total{outcome=\"spared\"} 0"), std::string::npos) << text;
}

TEST(MetricsTest, StateOfTheClusterClient) {
  Metrics metrics;
  metrics.CountKube("patch", "conflict");
  metrics.SetWatchStale("imagepolicies", true);
  metrics.SetWatchStale("namespaces", false);
  metrics.SetPolicyObjects("ImagePolicy", 3, 2);
  metrics.CountMutations("pinned", 2);
  metrics.CountMutations("unverified", 0);
  EXPECT_NE(metrics.Expose().find("gatehouse_leader 0"), std::string::npos);
  metrics.SetLeader(true);
  std::string text = metrics.Expose();
  for (const char* line :
       {"gatehouse_kube_requests_total{outcome=\"conflict\",verb=\"patch\"} 1",
        "gatehouse_watch_stale{resource=\"imagepolicies\"} 1", "gatehouse_watch_stale{resource=\"namespaces\"} 0",
        "gatehouse_leader 1", "gatehouse_policy_objects{kind=\"ImagePolicy\"} 3",
        "gatehouse_policy_in_force{kind=\"ImagePolicy\"} 2", "gatehouse_mutations_total{outcome=\"pinned\"} 2"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
  EXPECT_EQ(text.find("outcome=\"unverified\""), std::string::npos);
}

}  // namespace
}  // namespace gatehouse::telemetry
