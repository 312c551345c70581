// POST /validate as the API server uses it: bodies in, AdmissionReviews out.
#include "webhook/admission/handler.h"

#include <unistd.h>

#include <fstream>
#include <sstream>

#include "common/codec/json.h"
#include "tests/common/gate/fixture.h"

namespace gatehouse::webhook {
namespace {

class HandlerTest : public gate::GateFixture {
 protected:
  void SetUp() override {
    Load(gate::ImagePolicyYaml("signed", "registry.example/**", gate::KeyAuthority("release", key.Public())));
  }

  static std::string Review(const std::string& image, const std::string& more = "") {
    return R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-1","kind":{"group":"","version":"v1","kind":"Pod"},)"
           R"("resource":{"group":"","version":"v1","resource":"pods"},"requestKind":{"group":"","version":"v1","kind":"Pod"},)"
           R"("requestResource":{"group":"","version":"v1","resource":"pods"},"name":"p","namespace":"default","operation":"CREATE",)"
           R"("userInfo":{"username":"someone"},"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default"},)"
           R"("spec":{"containers":[{"name":"c","image":")" +
           image + "\"}]" + more + R"(}},"oldObject":null,"dryRun":false,"options":null}})";
  }
  HttpReply Post(const std::string& body, std::optional<std::string> timeout = std::nullopt,
                 AdmissionOptions handler_options = {}) {
    gate::Gate gate(
        verifier, nodes, [this] { return set; }, [this] { return credentials; }, options);
    AdmissionHandler handler(gate, clock, log, metrics, handler_options);
    return handler.Handle({.path = "/validate",
                           .body = body,
                           .query_timeout = std::move(timeout),
                           .authorization = "",
                           .client = std::nullopt,
                           .peer = "",
                           .received = clock.Mono()});
  }
  // The response object of an answer.
  static codec::JsonDocument Parsed(const HttpReply& reply) {
    auto document = codec::JsonDocument::Parse(reply.body, {.max_bytes = 100'000});
    EXPECT_TRUE(document.ok()) << reply.body;
    return std::move(*document);
  }

  telemetry::Logger log{-1, telemetry::Level::kInfo, clock};
  telemetry::Metrics metrics;
};

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
