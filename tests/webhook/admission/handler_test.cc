// POST /validate as the API server uses it: bodies in, AdmissionReviews out.
#include "tests/webhook/admission/fixture.h"

namespace gatehouse::webhook {
namespace {

TEST_F(HandlerTest, EchoesTheUidAndAdmits) {
  Digest image = registry.PutImage("app", "1", "x");
  fakes::Sign(registry, "app", image, key);
  auto document = Parsed(Post(Review("registry.example/app:1")));
  auto response = *document.root().Find("response");
  EXPECT_EQ(document.root().Find("apiVersion")->AsString(), "admission.k8s.io/v1");
  EXPECT_EQ(document.root().Find("kind")->AsString(), "AdmissionReview");
  EXPECT_EQ(response.Find("uid")->AsString(), "u-1");
  EXPECT_EQ(response.Find("allowed")->AsBool(), true);
}

TEST_F(HandlerTest, DenialHasCodeMessageAndAuditAnnotations) {
  (void)registry.PutImage("app", "1", "x");
  auto document = Parsed(Post(Review("registry.example/app:1")));
  auto response = *document.root().Find("response");
  EXPECT_EQ(response.Find("allowed")->AsBool(), false);
  EXPECT_EQ(response.Find("status")->Find("code")->AsInt(), 403);
  EXPECT_NE(response.Find("status")->Find("message")->AsString()->find("[image-unsigned]"), std::string_view::npos);
  EXPECT_EQ(response.Find("auditAnnotations")->Find("decision")->AsString(), "denied");
  EXPECT_NE(metrics.Expose().find("gatehouse_admission_requests_total{kind=\"pod\",outcome=\"denied\"} 1"),
            std::string::npos);
}

TEST_F(HandlerTest, Adversarial_A10_BodiesThatAreNoReviewAreRefusedNeverAdmitted) {
  std::string deep(100'000, '[');
  for (const std::string& body : std::vector<std::string>{
           "", "null", "[]", "{}", "not json", "{\"a\":1,\"a\":1}", deep, std::string("\0\0", 2), "\xff\xfe",
           R"({"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"u"}})",
           R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":null})",
           R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"})"}) {
    HttpReply reply = Post(body);
    EXPECT_EQ(reply.status, 400) << body.substr(0, 80);
    EXPECT_EQ(reply.body.find("\"allowed\":true"), std::string::npos);
  }
}

TEST_F(HandlerTest, Adversarial_A10_ReviewThatCannotBeJudgedIsDeniedUnderItsUid) {
  std::string body = Review("registry.example/app:1");
  auto at = body.find("\"object\":");
  std::string null_object = body.substr(0, at) + R"("object":null,"oldObject":null,"dryRun":false,"options":null}})";
  auto document = Parsed(Post(null_object));
  auto response = *document.root().Find("response");
  EXPECT_EQ(response.Find("uid")->AsString(), "u-1");
  EXPECT_EQ(response.Find("allowed")->AsBool(), false);
  EXPECT_NE(response.Find("status")->Find("message")->AsString()->find("[review-malformed]"), std::string_view::npos);
}

TEST_F(HandlerTest, EveryTruncationOfAReviewIsRefused) {
  std::string body = Review("registry.example/app:1");
  for (std::size_t length = 0; length < body.size(); ++length) {
    HttpReply reply = Post(body.substr(0, length));
    ASSERT_EQ(reply.status, 400) << length;
  }
}

// What would be refused shows before anything is: in the warning and in the metrics.
TEST_F(HandlerTest, WhatWouldBeRefusedIsCounted) {
  options.unmatched_images = gate::Unmatched::kWarn;
  EXPECT_TRUE(Allowed(Post(Review("elsewhere.example/app:1"))));
  std::string text = metrics.Expose();
  EXPECT_NE(text.find("gatehouse_admission_requests_total{kind=\"pod\",outcome=\"warned\"} 1"), std::string::npos);
  EXPECT_NE(text.find("gatehouse_findings_total{class=\"policy\",effect=\"warn\",reason=\"no-policy-matches\"} 1"),
            std::string::npos)
      << text;

  (void)registry.PutImage("app", "1", "x");
  Load(gate::ImagePolicyYaml("trial", "registry.example/**", gate::KeyAuthority("release", key.Public()),
                             "  mode: audit\n"));
  EXPECT_TRUE(Allowed(Post(Review("registry.example/app:1"))));
  text = metrics.Expose();
  EXPECT_NE(text.find("gatehouse_findings_total{class=\"untrusted\",effect=\"audit\",reason=\"image-unsigned\"} 1"),
            std::string::npos)
      << text;
  EXPECT_EQ(metrics.PolicyDecisions(),
            (std::vector<telemetry::PolicyDecisionCounts>{{"ImagePolicy", "", "trial", 0, 0, 0, 1}}));
}

TEST_F(HandlerTest, DecisionsAreCountedByPolicy) {
  Digest image = registry.PutImage("app", "1", "x");
  fakes::Sign(registry, "app", image, key);
  EXPECT_TRUE(Allowed(Post(Review("registry.example/app:1"))));
  (void)registry.PutImage("other", "1", "y");
  EXPECT_FALSE(Allowed(Post(Review("registry.example/other:1"))));
  EXPECT_EQ(metrics.PolicyDecisions(),
            (std::vector<telemetry::PolicyDecisionCounts>{{"ImagePolicy", "", "signed", 1, 1, 0, 0}}));
}

TEST_F(HandlerTest, APolicyThatIsWrongIsRefusedAndCounted) {
  std::string body = Review("x");
  for (auto [from, to] :
       {std::pair<std::string, std::string>{R"("group":"","version":"v1","kind":"Pod")",
                                            R"("group":"gatehouse.dev","version":"v1alpha1","kind":"ImagePolicy")"},
        {R"("group":"","version":"v1","resource":"pods")",
         R"("group":"gatehouse.dev","version":"v1alpha1","resource":"imagepolicies")"},
        {R"("namespace":"default",)", ""}}) {
    body.replace(body.find(from), from.size(), to);
  }
  auto document = Parsed(Post(body));
  auto status = *document.root().Find("response")->Find("status");
  EXPECT_EQ(status.Find("code")->AsInt(), 400);
  EXPECT_NE(status.Find("message")->AsString()->find("[policy-invalid]"), std::string_view::npos);
  EXPECT_NE(metrics.Expose().find("gatehouse_admission_requests_total{kind=\"policy\",outcome=\"denied\"} 1"),
            std::string::npos);
}

TEST_F(HandlerTest, TooManyAtOnceIsRefusedAsOverloaded) {
  auto document = Parsed(Post(Review("registry.example/app:1"), std::nullopt, {.max_concurrent = 0}));
  EXPECT_EQ(document.root().Find("response")->Find("allowed")->AsBool(), false);
  EXPECT_EQ(document.root().Find("response")->Find("status")->Find("code")->AsInt(), 503);
  EXPECT_NE(document.root().Find("response")->Find("status")->Find("message")->AsString()->find("[overloaded]"),
            std::string_view::npos);
}

TEST_F(HandlerTest, Adversarial_A11_AnswersBeforeTheApiServerGivesUp) {
  Digest image = registry.PutImage("app", "1", "x");
  fakes::Sign(registry, "app", image, key);
  registry.OnRequest([&](const net::HttpRequest&) { clock.Advance(Duration(800)); });
  auto document = Parsed(Post(Review("registry.example/app:1"), "1s"));
  EXPECT_EQ(document.root().Find("response")->Find("allowed")->AsBool(), false);
  EXPECT_NE(document.root().Find("response")->Find("status")->Find("message")->AsString()->find("[deadline-exceeded]"),
            std::string_view::npos);
}

TEST_F(HandlerTest, Adversarial_A9_DryRunIsDecidedTheSame) {
  (void)registry.PutImage("app", "1", "x");
  std::string body = Review("registry.example/app:1");
  body.replace(body.find("\"dryRun\":false"), 14, "\"dryRun\":true ");
  EXPECT_EQ(Parsed(Post(body)).root().Find("response")->Find("allowed")->AsBool(), false);
}

struct BudgetCase {
  std::optional<std::string> query;
  std::int64_t spent_us;
  std::int64_t expected_ms;
};

TEST(DecisionBudgetTest, Table) {
  const std::vector<BudgetCase> cases = {
      {"10s", 0, 9'700},        {"5s", 1'000, 4'699}, {"1s", 0, 700},        {"200ms", 0, 40},
      {std::nullopt, 0, 9'700}, {"", 0, 9'700},       {"garbage", 0, 9'700}, {"0s", 0, 9'700},
      {"-5s", 0, 9'700},        {"1h", 0, 29'700},    {"1s", 5'000'000, 0},
  };
  for (const BudgetCase& each : cases) {
    EXPECT_EQ(DecisionBudget(each.query, std::chrono::microseconds(each.spent_us), {}).count(), each.expected_ms)
        << each.query.value_or("(none)");
  }
}

}  // namespace
}  // namespace gatehouse::webhook
