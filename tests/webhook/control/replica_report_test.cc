// Reports of replicas: what they say survives the way through an annotation, and nothing else is taken for a report.
#include <gtest/gtest.h>

#include "common/base/limits.h"
#include "webhook/control/policy_status.h"

namespace gatehouse::webhook {
namespace {

policy::ObjectState State(const std::string& kind, const std::string& ns, const std::string& name) {
  return {.kind = kind,
          .namespace_name = ns,
          .name = name,
          .generation = 3,
          .in_force = true,
          .in_force_generation = 3,
          .message = ""};
}

TEST(ReplicaReport, RoundTrip) {
  ReplicaReport report;
  report["ImagePolicy//signed"] = {State("ImagePolicy", "", "signed"), {.allowed = 7, .denied = 1}};
  policy::ObjectState wrong = State("NamespacedImagePolicy", "shop", "extra");
  wrong.in_force = false;
  wrong.in_force_generation = 2;
  wrong.message = "$.spec.images[0].glob: \"nginx\" names no registry";
  report["NamespacedImagePolicy/shop/extra"] = {wrong, {.warned = 2, .audited = 18'446'744'073'709'551'615U}};
  auto read = DecodeReport(EncodeReport(report));
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  ASSERT_EQ(read->size(), 2U);
  for (const auto& [key, entry] : report) {
    const auto& [state, counts] = read->at(key);
    EXPECT_EQ(state.kind, entry.first.kind);
    EXPECT_EQ(state.namespace_name, entry.first.namespace_name);
    EXPECT_EQ(state.name, entry.first.name);
    EXPECT_EQ(state.generation, entry.first.generation);
    EXPECT_EQ(state.in_force, entry.first.in_force);
    EXPECT_EQ(state.in_force_generation, entry.first.in_force_generation);
    EXPECT_EQ(state.message, entry.first.message);
    EXPECT_EQ(counts, entry.second);
  }
}

TEST(ReplicaReport, TheJsonThatOthersRead) {
  ReplicaReport report;
  report["ImagePolicy//signed"] = {State("ImagePolicy", "", "signed"), {.allowed = 7}};
  EXPECT_EQ(EncodeReport(report),
            R"({"policies":{"ImagePolicy//signed":{"generation":"3","inForce":true,"allow":7}}})");
  EXPECT_EQ(EncodeReport({}), R"({"policies":{}})");
}

TEST(ReplicaReport, FitsWhateverIsInForce) {
  ReplicaReport report;
  for (int i = 0; i < 5000; ++i) {
    std::string name = "policy-" + std::to_string(i);
    policy::ObjectState state = State("NamespacedImagePolicy", std::string(63, 'n'), name);
    state.message = std::string(5000, 'm');
    report["NamespacedImagePolicy/" + state.namespace_name + "/" + name] = {state, {.denied = 1}};
  }
  std::string text = EncodeReport(report);
  EXPECT_LE(text.size(), limits::kReplicaReportBytes);
  auto read = DecodeReport(text);
  ASSERT_TRUE(read.ok());
  EXPECT_GT(read->size(), 1000U) << "messages go before policies do";

  // A tenant's policies do not push those of the cluster out.
  report["TrustRoot//tpms"] = {State("TrustRoot", "", "tpms"), {}};
  report["NodePolicy//workers"] = {State("NodePolicy", "", "workers"), {.denied = 7}};
  read = DecodeReport(EncodeReport(report));
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(read->contains("TrustRoot//tpms"));
  EXPECT_EQ(read->at("NodePolicy//workers").second.denied, 7U);

  // A hundred with long messages keep them, cut.
  report.erase(std::next(report.begin(), 100), report.end());
  read = DecodeReport(EncodeReport(report));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->size(), 100U);
  EXPECT_EQ(read->begin()->second.first.message, std::string(512, 'm') + "...");
}

TEST(ReplicaReport, WhatIsNoReport) {
  const std::pair<const char*, const char*> rows[] = {
      {"no JSON", ""},
      {"no object", "[]"},
      {"no policies", "{}"},
      {"policies that are no object", R"({"policies":[]})"},
      {"a policy that is no object", R"({"policies":{"ImagePolicy//a":1}})"},
      {"a key without its parts", R"({"policies":{"a":{"generation":"1","inForce":true}}})"},
      {"a key without a namespace part", R"({"policies":{"ImagePolicy/a":{"generation":"1","inForce":true}}})"},
      {"a key without a kind", R"({"policies":{"//a":{"generation":"1","inForce":true}}})"},
      {"a key without a name", R"({"policies":{"ImagePolicy//":{"generation":"1","inForce":true}}})"},
      {"no generation", R"({"policies":{"ImagePolicy//a":{"inForce":true}}})"},
      {"a generation that is no number", R"({"policies":{"ImagePolicy//a":{"generation":"x","inForce":true}}})"},
      {"a generation below zero", R"({"policies":{"ImagePolicy//a":{"generation":"-1","inForce":true}}})"},
      {"inForce that is no boolean", R"({"policies":{"ImagePolicy//a":{"generation":"1","inForce":"yes"}}})"},
      {"a count below zero", R"({"policies":{"ImagePolicy//a":{"generation":"1","deny":-1}}})"},
      {"a count that is text", R"({"policies":{"ImagePolicy//a":{"generation":"1","deny":"1"}}})"},
      {"a policy twice", R"({"policies":{"ImagePolicy//a":{"generation":"1"},"ImagePolicy//a":{"generation":"1"}}})"},
  };
  for (const auto& [name, text] : rows) {
    auto read = DecodeReport(text);
    ASSERT_FALSE(read.ok()) << name;
    EXPECT_EQ(read.error().reason, Reason::kJsonMalformed) << name;
  }
}

TEST(ReplicaReport, OfAnotherReleaseIsReadAsFarAsItIsKnown) {
  auto read =
      DecodeReport(R"({"version":2,"policies":{"ImagePolicy//a":{"generation":"1","inForce":true,"since":"today"}}})");
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_TRUE(read->at("ImagePolicy//a").first.in_force);
}

}  // namespace
}  // namespace gatehouse::webhook
