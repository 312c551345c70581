// Agents that are pods: ServiceAccount tokens, reviewed by the API server.
#include <thread>

#include "tests/webhook/attest/cluster_fixture.h"
#include "webhook/attest/identity.h"

namespace gatehouse::webhook {
namespace {

constexpr std::string_view kSubject = "system:serviceaccount:gatehouse-system:gatehouse-agent";

// What a token says of itself.
struct Claims {
  std::string subject{kSubject};
  std::string audience = R"(["gatehouse"])";
  std::optional<WallTime> expires = WallTime(std::chrono::seconds(4'102'444'800));  // 2100
  std::string id = "1";

  [[nodiscard]] std::string Token() const {
    std::string json =
        R"({"iss":"https://kubernetes","jti":")" + id + R"(","sub":")" + subject + R"(","aud":)" + audience;
    if (expires.has_value()) {
      json +=
          R"(,"exp":)" + std::to_string(std::chrono::floor<std::chrono::seconds>(*expires).time_since_epoch().count());
    }
    return EncodeBase64Url(AsBytes(R"({"alg":"RS256"})")) + "." + EncodeBase64Url(AsBytes(json + "}")) + "." +
           EncodeBase64Url(AsBytes("signature"));
  }
};

// What the API server knows of it.
struct Review {
  std::string authenticated = "true";
  std::string username{kSubject};
  std::string audiences = R"(,"audiences":["gatehouse"])";
  std::string extra = R"("authentication.kubernetes.io/pod-name":["agent-x"],)"
                      R"("authentication.kubernetes.io/pod-uid":["pod-uid-x"])";

  [[nodiscard]] std::string Status() const {
    return R"({"authenticated":)" + authenticated + R"(,"user":{"username":")" + username + R"(","uid":"u","extra":{)" +
           extra + "}}" + audiences + "}";
  }
};

class TokenTest : public ::testing::Test {
 protected:
  TokenTest() {
    kube.ReviewTokens([this](const std::string& token, const std::vector<std::string>& audiences) {
      std::lock_guard lock(mutex);
      EXPECT_EQ(audiences, std::vector<std::string>{"gatehouse"});
      auto found = known.find(token);
      return found == known.end() ? std::string(R"({"authenticated":false})") : found->second.Status();
    });
    PutPod("agent-x", "pod-uid-x", "worker-1");
  }
  void PutPod(const std::string& name, const std::string& uid, const std::string& node) {
    kube.Put(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name +
             R"(","namespace":"gatehouse-system","uid":")" + uid + R"("},"spec":{)" +
             (node.empty() ? "" : R"("nodeName":")" + node + R"(")") + "}}");
  }
  void Knows(const Claims& claims, const Review& review = {}) {
    std::lock_guard lock(mutex);
    known[claims.Token()] = review;
  }
  Reason ReasonOf(const std::string& token) {
    auto node = reviewer.NodeOf(token);
    return node.ok() ? Reason::kUsage : node.error().reason;
  }
  [[nodiscard]] std::size_t Reviews() const { return kube.Count("POST", "/apis/authentication.k8s.io"); }

  fakes::FakeClock clock{fakes::kPkiNow};
  fakes::KubeApi kube;
  kube::Api api{kube.connections(), clock, {.queries_per_second = 1e6}};
  TokenReviewer reviewer{api, clock, {.namespace_name = "gatehouse-system"}};
  std::mutex mutex;
  std::map<std::string, Review> known;
};

TEST_F(TokenTest, TokenOfAnAgentsPodSpeaksForThePodsNode) {
  Knows({});
  auto node = reviewer.NodeOf(Claims().Token());
  ASSERT_TRUE(node.ok()) << node.error().ToString();
  EXPECT_EQ(node->text(), "worker-1");
}

TEST_F(TokenTest, TheNodeThatTheTokenItselfNamesNeedsNoPodToBeRead) {
  Review review;
  review.extra += R"(,"authentication.kubernetes.io/node-name":["worker-7"])";
  Knows({}, review);
  auto node = reviewer.NodeOf(Claims().Token());
  ASSERT_TRUE(node.ok()) << node.error().ToString();
  EXPECT_EQ(node->text(), "worker-7");
  EXPECT_EQ(kube.Count("GET", "/api/v1/namespaces"), 0U);
}

TEST_F(TokenTest, WhatTheApiServerSaysOfTheTokenMustBeAllRight) {
  struct {
    const char* name;
    std::function<void(Review&)> break_it;
  } const cases[] = {
      {"not authenticated", [](Review& r) { r.authenticated = "false"; }},
      {"authenticated is no boolean", [](Review& r) { r.authenticated = "\"true\""; }},
      {"another audience", [](Review& r) { r.audiences = R"(,"audiences":["https://kubernetes.default.svc"])"; }},
      {"no audience", [](Review& r) { r.audiences = ""; }},
      {"audiences empty", [](Review& r) { r.audiences = R"(,"audiences":[])"; }},
      {"another ServiceAccount", [](Review& r) { r.username = "system:serviceaccount:gatehouse-system:default"; }},
      {"another namespace", [](Review& r) { r.username = "system:serviceaccount:evil:gatehouse-agent"; }},
      {"a user", [](Review& r) { r.username = "system:node:worker-1"; }},
      {"legacy token without a pod", [](Review& r) { r.extra = ""; }},
      {"pod without uid", [](Review& r) { r.extra = R"("authentication.kubernetes.io/pod-name":["agent-x"])"; }},
      {"node but no pod", [](Review& r) { r.extra = R"("authentication.kubernetes.io/node-name":["worker-1"])"; }},
      {"two pods",
       [](Review& r) {
         r.extra = R"("authentication.kubernetes.io/pod-name":["agent-x","agent-y"],)"
                   R"("authentication.kubernetes.io/pod-uid":["pod-uid-x"])";
       }},
      {"an earlier pod of that name",
       [](Review& r) {
         r.extra = R"("authentication.kubernetes.io/pod-name":["agent-x"],)"
                   R"("authentication.kubernetes.io/pod-uid":["pod-uid-earlier"])";
       }},
      {"a pod that is gone",
       [](Review& r) {
         r.extra = R"("authentication.kubernetes.io/pod-name":["agent-gone"],)"
                   R"("authentication.kubernetes.io/pod-uid":["pod-uid-x"])";
       }},
      {"a pod on no node",
       [](Review& r) {
         r.extra = R"("authentication.kubernetes.io/pod-name":["agent-pending"],)"
                   R"("authentication.kubernetes.io/pod-uid":["pod-uid-p"])";
       }},
  };
  PutPod("agent-pending", "pod-uid-p", "");
  int number = 0;
  for (const auto& c : cases) {
    Claims claims;
    claims.id = "case-" + std::to_string(++number);
    Review review;
    c.break_it(review);
    Knows(claims, review);
    EXPECT_EQ(ReasonOf(claims.Token()), Reason::kIdentityUnauthenticated) << c.name;
  }
  EXPECT_EQ(Reviews(), std::size(cases));
}

// Strangers cost the API server nothing.
TEST_F(TokenTest, WhatDoesNotEvenClaimToBeAnAgentsTokenIsNotReviewed) {
  Claims another_subject;
  another_subject.subject = "system:serviceaccount:gatehouse-system:default";
  Claims another_audience;
  another_audience.audience = R"(["https://kubernetes.default.svc"])";
  Claims legacy;
  legacy.audience = "null";
  Claims expired;
  expired.expires = clock.Wall();
  Claims endless;
  endless.expires = std::nullopt;
  for (const std::string& token :
       {another_subject.Token(), another_audience.Token(), legacy.Token(), expired.Token(), endless.Token(),
        std::string(), std::string("x"), std::string("a.b.c"), std::string("..."), "x." + Claims().Token(),
        Claims().Token() + std::string(17'000, 'x')}) {
    EXPECT_EQ(ReasonOf(token), Reason::kIdentityUnauthenticated) << token.substr(0, 200);
  }
  EXPECT_EQ(Reviews(), 0U);
}

TEST_F(TokenTest, AnswersAreRememberedForTheirTime) {
  Knows({});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(reviewer.NodeOf(Claims().Token()).ok());
  EXPECT_EQ(Reviews(), 1U);
  clock.Advance(Duration(300'000));
  ASSERT_TRUE(reviewer.NodeOf(Claims().Token()).ok());
  EXPECT_EQ(Reviews(), 2U);
  // A refusal for a shorter one: the pod may be known a moment later.
  Claims unknown;
  unknown.id = "2";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ReasonOf(unknown.Token()), Reason::kIdentityUnauthenticated);
  EXPECT_EQ(Reviews(), 3U);
  clock.Advance(Duration(10'000));
  Knows(unknown);
  EXPECT_TRUE(reviewer.NodeOf(unknown.Token()).ok());
}

TEST_F(TokenTest, NoTokenIsRememberedBeyondItsOwnTime) {
  Claims short_lived;
  short_lived.expires = clock.Wall() + Duration(60'000);
  Knows(short_lived);
  ASSERT_TRUE(reviewer.NodeOf(short_lived.Token()).ok());
  clock.Advance(Duration(60'000));
  EXPECT_EQ(ReasonOf(short_lived.Token()), Reason::kIdentityUnauthenticated);
}

TEST_F(TokenTest, ATokenThatIsTakenBackIsRefusedAtTheNextReview) {
  Knows({});
  ASSERT_TRUE(reviewer.NodeOf(Claims().Token()).ok());
  {
    std::lock_guard lock(mutex);
    known.clear();
  }
  clock.Advance(Duration(300'000));
  EXPECT_EQ(ReasonOf(Claims().Token()), Reason::kIdentityUnauthenticated);
}

TEST_F(TokenTest, AnApiThatDoesNotAnswerIsNoAnswerAboutTheToken) {
  Knows({});
  kube.Fail({.verb = "POST", .status = 503});
  EXPECT_EQ(ReasonOf(Claims().Token()), Reason::kKubeUnavailable);
  EXPECT_TRUE(reviewer.NodeOf(Claims().Token()).ok());
}

TEST_F(TokenTest, OurOwnRightsAreNotTheAgentsFault) {
  Knows({});
  kube.Fail({.verb = "POST", .status = 403});
  EXPECT_EQ(ReasonOf(Claims().Token()), Reason::kInternal);
}

TEST_F(TokenTest, OneReviewOfATokenAtATime) {
  Knows({});
  kube.Fail({.verb = "POST", .status = 200, .delay = Duration(50)});
  std::vector<std::thread> callers;
  std::atomic<int> good{0};
  for (int i = 0; i < 5; ++i) {
    callers.emplace_back([&] { good += reviewer.NodeOf(Claims().Token()).ok() ? 1 : 0; });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(good, 5);
  EXPECT_EQ(Reviews(), 1U);
}

TEST_F(TokenTest, OneTokenDoesNotHoldManyThreads) {
  Knows({});
  kube.Fail({.verb = "POST", .status = 200, .delay = Duration(100)});
  std::vector<std::thread> callers;
  std::atomic<int> overloaded{0};
  for (int i = 0; i < 40; ++i) {
    callers.emplace_back([&] { overloaded += ReasonOf(Claims().Token()) == Reason::kOverloaded ? 1 : 0; });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(Reviews(), 1U);
  EXPECT_GT(overloaded, 0);
  EXPECT_LE(overloaded, 40 - 5);  // one asks, four wait; more, if some came when it was done
  EXPECT_TRUE(reviewer.NodeOf(Claims().Token()).ok());
}

TEST_F(TokenTest, StrangersCannotUseUpTheApiAndDoNotShutOutWhoIsKnown) {
  Knows({});
  ASSERT_TRUE(reviewer.NodeOf(Claims().Token()).ok());
  int overloaded = 0;
  for (int i = 0; i < 200; ++i) {
    Claims stranger;
    stranger.id = "stranger-" + std::to_string(i);
    overloaded += ReasonOf(stranger.Token()) == Reason::kOverloaded ? 1 : 0;
  }
  EXPECT_EQ(overloaded, 200 - 49);  // fifty at once, one of which was the agent's
  EXPECT_TRUE(reviewer.NodeOf(Claims().Token()).ok());
  clock.Advance(Duration(300'000));
  for (int i = 0; i < 200; ++i) {
    Claims stranger;
    stranger.id = "another-" + std::to_string(i);
    std::ignore = ReasonOf(stranger.Token());
  }
  EXPECT_TRUE(reviewer.NodeOf(Claims().Token()).ok());  // reviewed again, though there is no room for strangers
  Claims late;
  late.id = "late";
  EXPECT_EQ(ReasonOf(late.Token()), Reason::kOverloaded);
  clock.Advance(Duration(1'000));
  EXPECT_EQ(ReasonOf(late.Token()), Reason::kIdentityUnauthenticated);
}

TEST_F(TokenTest, StrangersAtOneAddressDoNotShutOutAnother) {
  for (int i = 0; i < 200; ++i) {
    Claims made_up;
    made_up.id = "made-up-" + std::to_string(i);
    auto answer = reviewer.NodeOf(made_up.Token(), "10.0.0.66");
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().reason, i < 5 ? Reason::kIdentityUnauthenticated : Reason::kOverloaded) << i;
  }
  Knows({});
  EXPECT_EQ(reviewer.NodeOf(Claims().Token(), "10.0.0.66").error().reason, Reason::kOverloaded);
  EXPECT_TRUE(reviewer.NodeOf(Claims().Token(), "10.0.0.7").ok());
  EXPECT_TRUE(reviewer.NodeOf(Claims().Token(), "10.0.0.66").ok());  // it is known by now
  clock.Advance(Duration(2'000));
  Claims later;
  later.id = "later";
  EXPECT_EQ(reviewer.NodeOf(later.Token(), "10.0.0.66").error().reason, Reason::kIdentityUnauthenticated);
}

// --- who speaks for which node

HttpCall CallWith(std::optional<ClientIdentity> client, std::string_view authorization) {
  return {.path = "/v1/challenge",
          .body = "",
          .query_timeout = std::nullopt,
          .authorization = authorization,
          .client = std::move(client),
          .peer = "",
          .received = {}};
}

TEST_F(TokenTest, AgentSpeaksForItsOwnNodeOnly) {
  Knows({});
  AgentAuthenticator authenticator(&reviewer);
  const std::string bearer = "Bearer " + Claims().Token();
  EXPECT_TRUE(authenticator.MaySpeak(CallWith(std::nullopt, bearer)).ok());
  EXPECT_TRUE(authenticator.Authorize(CallWith(std::nullopt, bearer), Node("worker-1")).ok());
  EXPECT_EQ(authenticator.Authorize(CallWith(std::nullopt, bearer), Node("worker-2")).error().reason,
            Reason::kIdentityMismatch);
  EXPECT_EQ(Reviews(), 1U);
}

TEST_F(TokenTest, TheFilesTokensComeFirstAndACertificateBeforeThem) {
  Knows({});
  AgentAuthenticator authenticator(&reviewer);
  authenticator.SetTokens({{"worker-5", crypto::Sha256Digest(AsBytes("listed"))}});
  EXPECT_TRUE(authenticator.Authorize(CallWith(std::nullopt, "Bearer listed"), Node("worker-5")).ok());
  EXPECT_EQ(authenticator.Authorize(CallWith(std::nullopt, "Bearer listed"), Node("worker-1")).error().reason,
            Reason::kIdentityMismatch);
  const std::string bearer = "Bearer " + Claims().Token();
  ClientIdentity admin{.common_name = "admin", .organizations = {"system:masters"}};
  EXPECT_EQ(authenticator.MaySpeak(CallWith(admin, bearer)).error().reason, Reason::kIdentityUnauthenticated);
  EXPECT_EQ(authenticator.Authorize(CallWith(admin, bearer), Node("worker-1")).error().reason,
            Reason::kIdentityUnauthenticated);
  EXPECT_EQ(Reviews(), 0U);
}

TEST_F(TokenTest, AnAddressIsTheSameFromEveryPort) {
  AgentAuthenticator authenticator(&reviewer);
  int overloaded = 0;
  for (int i = 0; i < 20; ++i) {
    Claims made_up;
    made_up.id = "made-up-" + std::to_string(i);
    const std::string bearer = "Bearer " + made_up.Token();
    HttpCall call = CallWith(std::nullopt, bearer);
    call.peer = "[fd00::1]:" + std::to_string(40'000 + i);
    overloaded += authenticator.MaySpeak(call).error().reason == Reason::kOverloaded ? 1 : 0;
  }
  EXPECT_EQ(overloaded, 15);
}

TEST_F(TokenTest, WhoMaySpeakIsAskedOfTheReviewer) {
  AgentAuthenticator authenticator(&reviewer);
  EXPECT_EQ(authenticator.MaySpeak(CallWith(std::nullopt, "Bearer x")).error().reason,
            Reason::kIdentityUnauthenticated);
  EXPECT_EQ(authenticator.MaySpeak(CallWith(std::nullopt, "Bearer " + Claims().Token())).error().reason,
            Reason::kIdentityUnauthenticated);
  kube.Fail({.verb = "POST", .status = 503});
  Claims claims;
  claims.id = "2";
  EXPECT_EQ(authenticator.MaySpeak(CallWith(std::nullopt, "Bearer " + claims.Token())).error().reason,
            Reason::kKubeUnavailable);
}

}  // namespace
}  // namespace gatehouse::webhook
