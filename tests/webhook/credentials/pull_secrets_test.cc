// Pull secrets, read from an API server as decisions need them.
#include "webhook/credentials/pull_secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/kube_api.h"

namespace gatehouse::webhook {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string DockerConfig(const std::string& host, const std::string& password) {
  return R"({"auths":{")" + host + R"(":{"username":"u","password":")" + password + "\"}}}";
}

class PullSecretsTest : public testing::Test {
 protected:
  void PutSecret(const std::string& space, const std::string& name, const std::string& config,
                 const std::string& type = "kubernetes.io/dockerconfigjson",
                 const std::string& key = ".dockerconfigjson") {
    api.Put(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":")" + name + R"(","namespace":")" + space +
            R"("},"type":")" + type + R"(","data":{")" + key + R"(":")" + EncodeBase64(AsBytes(config)) + "\"}}");
  }
  void PutAccount(const std::string& space, const std::string& name, const std::string& named) {
    api.Put(R"({"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":")" + name + R"(","namespace":")" + space +
            R"("},"imagePullSecrets":)" + named + "}");
  }
  gate::CredentialsFound Find(const gate::CredentialQuery& query) {
    return secrets->Find(query, Deadline(clock, Duration(5000)));
  }
  static std::string PasswordFor(const gate::CredentialsFound& found, const std::string& image) {
    auto credential = found.credentials->Find(*image::Reference::Parse(image));
    return credential.has_value() ? credential->password : "(none)";
  }
  void Make(bool of_namespaces) {
    secrets.emplace(
        kube_api, clock, [this] { return own; },
        PullSecrets::Options{.own_namespace = "gatehouse-system", .of_namespaces = of_namespaces});
  }
  void SetUp() override {
    api.Serve({.resource = {"", "v1", "serviceaccounts"}, .kind = "ServiceAccount", .namespaced = true});
    Make(true);
  }

  fakes::FakeClock clock;
  fakes::KubeApi api;
  kube::Api kube_api{
      api.connections(), clock, {.queries_per_second = 0, .sleep = [this](Duration by) { clock.Advance(by); }}};
  std::shared_ptr<const registry::Credentials> own = std::make_shared<registry::Credentials>();
  std::optional<PullSecrets> secrets;
};

TEST_F(PullSecretsTest, OfThePod) {
  PutSecret("shop", "pull", DockerConfig("registry.example", "one"));
  gate::CredentialsFound found = Find({.namespace_name = "shop", .pod_secrets = {"pull"}});
  EXPECT_EQ(PasswordFor(found, "registry.example/app"), "one");
  EXPECT_EQ(PasswordFor(found, "elsewhere.example/app"), "(none)");
  EXPECT_THAT(found.problems, IsEmpty());
}

TEST_F(PullSecretsTest, OfTheServiceAccountOnlyWhereThePodNamesNone) {
  PutSecret("shop", "account", DockerConfig("registry.example", "account"));
  PutSecret("shop", "pod", DockerConfig("registry.example", "pod"));
  PutAccount("shop", "runner", R"([{"name":"account"},{}])");
  EXPECT_EQ(PasswordFor(Find({.namespace_name = "shop", .service_account = "runner"}), "registry.example/app"),
            "account");
  EXPECT_EQ(PasswordFor(Find({.namespace_name = "shop", .service_account = "runner", .pod_secrets = {"pod"}}),
                        "registry.example/app"),
            "pod");
}

TEST_F(PullSecretsTest, TheOlderType) {
  PutSecret("shop", "old", R"({"registry.example":{"username":"u","password":"old"}})", "kubernetes.io/dockercfg",
            ".dockercfg");
  EXPECT_EQ(PasswordFor(Find({.namespace_name = "shop", .pod_secrets = {"old"}}), "registry.example/app"), "old");
}

TEST_F(PullSecretsTest, InThisOrder) {
  own = std::make_shared<registry::Credentials>(
      *registry::Credentials::FromDockerConfig(DockerConfig("a.example", "own"), ""));
  PutSecret(
      "gatehouse-system", "policy",
      R"({"auths":{"a.example":{"username":"u","password":"policy"},"b.example":{"username":"u","password":"policy"}}})");
  PutSecret(
      "shop", "pod",
      R"({"auths":{"a.example":{"username":"u","password":"pod"},"b.example":{"username":"u","password":"pod"},"c.example":{"username":"u","password":"pod"}}})");
  auto found = Find({.namespace_name = "shop", .pod_secrets = {"pod"}, .policy_secrets = {{"", "policy"}}});
  EXPECT_EQ(PasswordFor(found, "a.example/app"), "own");
  EXPECT_EQ(PasswordFor(found, "b.example/app"), "policy");
  EXPECT_EQ(PasswordFor(found, "c.example/app"), "pod");
}

TEST_F(PullSecretsTest, WithoutPermissionOnlyThoseOfTheClustersPolicies) {
  Make(false);
  PutSecret("shop", "pull", DockerConfig("registry.example", "one"));
  PutSecret("gatehouse-system", "policy", DockerConfig("b.example", "policy"));
  auto found = Find({.namespace_name = "shop",
                     .service_account = "runner",
                     .pod_secrets = {"pull"},
                     .policy_secrets = {{"", "policy"}, {"shop", "pull"}}});
  EXPECT_EQ(PasswordFor(found, "registry.example/app"), "(none)");
  EXPECT_EQ(PasswordFor(found, "b.example/app"), "policy");
  EXPECT_THAT(found.problems, ElementsAre(HasSubstr("registry.podPullSecrets is off")));
  EXPECT_EQ(api.Count("GET", "/api/v1/namespaces/shop/"), 0U);
}

TEST_F(PullSecretsTest, WhatIsNoPullSecretIsNotUsed) {
  const std::string good = DockerConfig("registry.example", "one");
  struct {
    const char* name;
    std::string config;
    std::string type;
    std::string key;
    const char* said;
  } const cases[] = {
      {"opaque", good, "Opaque", ".dockerconfigjson", "is of the type 'Opaque'"},
      {"tls", good, "kubernetes.io/tls", ".dockerconfigjson", "is of the type 'kubernetes.io/tls'"},
      {"entry", good, "kubernetes.io/dockerconfigjson", "config.json", "has no entry .dockerconfigjson"},
      {"empty", "", "kubernetes.io/dockerconfigjson", ".dockerconfigjson", "has no entry .dockerconfigjson"},
      {"broken", "{", "kubernetes.io/dockerconfigjson", ".dockerconfigjson", "[config-invalid]"},
      // Closes the object that it is put into, and goes on.
      {"clever", R"({}},"credsStore":"x","y":{)", "kubernetes.io/dockercfg", ".dockercfg", "[config-invalid]"},
  };
  for (const auto& c : cases) {
    PutSecret("shop", c.name, c.config, c.type, c.key);
    auto found = Find({.namespace_name = "shop", .pod_secrets = {c.name}});
    EXPECT_EQ(PasswordFor(found, "registry.example/app"), "(none)") << c.name;
    EXPECT_THAT(found.problems, ElementsAre(HasSubstr(c.said))) << c.name;
    EXPECT_THAT(found.problems, ElementsAre(HasSubstr(std::string("Secret shop/") + c.name)));
  }
}

// Whoever may write Secrets of a namespace has no program of Gatehouse's run.
TEST_F(PullSecretsTest, CredentialHelpersAreNotRunForASecret) {
  PutSecret("shop", "pull", R"({"auths":{},"credsStore":"evil","credHelpers":{"registry.example":"evil"}})");
  auto found = Find({.namespace_name = "shop", .pod_secrets = {"pull"}});
  EXPECT_EQ(found.credentials->IdentityFor(*image::Reference::Parse("registry.example/app")), "anonymous");
}

TEST_F(PullSecretsTest, WhatIsNotThereIsSaidAndTheRestIsFound) {
  PutSecret("shop", "pull", DockerConfig("registry.example", "one"));
  auto found = Find({.namespace_name = "shop", .pod_secrets = {"gone", "pull"}});
  EXPECT_EQ(PasswordFor(found, "registry.example/app"), "one");
  EXPECT_THAT(found.problems, ElementsAre(HasSubstr("Secret shop/gone")));
  found = Find({.namespace_name = "shop", .service_account = "nobody"});
  EXPECT_THAT(found.problems, ElementsAre(HasSubstr("ServiceAccount shop/nobody")));
}

TEST_F(PullSecretsTest, NothingIsAskedWhereNothingIsNamed) {
  EXPECT_THAT(Find({.namespace_name = "shop"}).problems, IsEmpty());
  EXPECT_THAT(api.requests(), IsEmpty());
}

TEST_F(PullSecretsTest, RememberedForAWhileAndRotated) {
  PutSecret("shop", "pull", DockerConfig("registry.example", "one"));
  const gate::CredentialQuery query{.namespace_name = "shop", .pod_secrets = {"pull"}};
  (void)Find(query);
  PutSecret("shop", "pull", DockerConfig("registry.example", "two"));
  clock.Advance(Duration(29'999));
  EXPECT_EQ(PasswordFor(Find(query), "registry.example/app"), "one");
  EXPECT_EQ(api.Count("GET", "/api/v1/namespaces/shop/secrets/pull"), 1U);
  clock.Advance(Duration(1));
  EXPECT_EQ(PasswordFor(Find(query), "registry.example/app"), "two");
  EXPECT_EQ(api.Count("GET", "/api/v1/namespaces/shop/secrets/pull"), 2U);
}

TEST_F(PullSecretsTest, WhatWasNotThereIsAskedForAgainSoon) {
  const gate::CredentialQuery query{.namespace_name = "shop", .pod_secrets = {"pull"}};
  (void)Find(query);
  (void)Find(query);
  EXPECT_EQ(api.Count("GET", "/api/v1/namespaces/shop/secrets/pull"), 1U);
  PutSecret("shop", "pull", DockerConfig("registry.example", "one"));
  clock.Advance(Duration(5'000));
  EXPECT_EQ(PasswordFor(Find(query), "registry.example/app"), "one");
}

TEST_F(PullSecretsTest, AnApiServerThatDoesNotAnswerIsLeftAloneForAWhile) {
  api.Fail({.verb = "GET", .path = "/api/v1/namespaces/shop", .status = 503, .times = 1000});
  const gate::CredentialQuery query{.namespace_name = "shop", .pod_secrets = {"pull"}};
  EXPECT_THAT(Find(query).problems, ElementsAre(HasSubstr("[kube-unavailable]")));
  const std::size_t asked = api.requests().size();
  EXPECT_THAT(Find(query).problems, ElementsAre(HasSubstr("[kube-unavailable]")));
  EXPECT_EQ(api.requests().size(), asked);
}

// An API server that hangs costs a decision two seconds at most, whatever the number of Secrets.
TEST_F(PullSecretsTest, AnApiServerThatHangsDoesNotUseUpTheTimeOfTheDecision) {
  std::vector<std::string> names;
  for (int i = 0; i < 20; ++i) names.push_back("s" + std::to_string(i));
  api.Intercept([&](const fakes::KubeRequest&) -> std::optional<fakes::KubeReply> {
    clock.Advance(Duration(1'000));
    return fakes::KubeReply{.status = 503};
  });
  const Deadline deadline(clock, Duration(9'000));
  EXPECT_EQ(secrets->Find({.namespace_name = "shop", .pod_secrets = names}, deadline).problems.size(), 20U);
  EXPECT_GE(deadline.Remaining(), Duration(5'000));
}

// Else a pod with more images than there is time for would take the Secrets of the cluster's policies from everybody.
TEST_F(PullSecretsTest, TheHasteOfOneIsNotRememberedForOthers) {
  PutSecret("gatehouse-system", "policy", DockerConfig("registry.example", "one"));
  bool slow = true;
  api.Intercept([&](const fakes::KubeRequest&) -> std::optional<fakes::KubeReply> {
    if (slow) clock.Advance(Duration(300));
    return slow ? std::optional(fakes::KubeReply{.status = 503}) : std::nullopt;
  });
  const gate::CredentialQuery query{.namespace_name = "shop", .policy_secrets = {{"", "policy"}}};
  EXPECT_EQ(secrets->Find(query, Deadline(clock, Duration(600))).problems.size(), 1U);
  slow = false;
  gate::CredentialsFound found = Find({.namespace_name = "other", .policy_secrets = {{"", "policy"}}});
  EXPECT_THAT(found.problems, IsEmpty());
  EXPECT_EQ(PasswordFor(found, "registry.example/app"), "one");
}

TEST_F(PullSecretsTest, WhatMayNotBeUsedAnyMoreIsForgotten) {
  for (int i = 0; i < 5; ++i) {
    PutSecret("shop", "s" + std::to_string(i), DockerConfig("registry.example", "one"));
    (void)Find({.namespace_name = "shop", .pod_secrets = {"s" + std::to_string(i)}});
  }
  EXPECT_EQ(secrets->remembered(), 5U);
  clock.Advance(Duration(30'000));
  (void)Find({.namespace_name = "shop", .pod_secrets = {"s0"}});
  EXPECT_EQ(secrets->remembered(), 1U);
}

TEST_F(PullSecretsTest, MoreThanAreReadIsSaid) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < limits::kPullSecrets + 2; ++i) {
    names.push_back("s" + std::to_string(i));
    PutSecret("shop", names.back(), DockerConfig("registry" + std::to_string(i) + ".example", "one"));
  }
  auto found = Find({.namespace_name = "shop", .pod_secrets = names});
  EXPECT_EQ(api.requests().size(), limits::kPullSecrets);
  EXPECT_THAT(found.problems, ElementsAre(HasSubstr("more than 32 pull secrets")));
}

TEST_F(PullSecretsTest, WhatIsRememberedIsBounded) {
  for (std::size_t i = 0; i < limits::kCachedPullSecrets + 10; ++i) {
    (void)Find({.namespace_name = "n" + std::to_string(i), .pod_secrets = {"x"}});
  }
  EXPECT_EQ(secrets->remembered(), limits::kCachedPullSecrets);
}

TEST_F(PullSecretsTest, ManyDecisionsAtOnceAskOnce) {
  PutSecret("shop", "pull", DockerConfig("registry.example", "one"));
  api.Fail({.verb = "GET", .path = "/api/v1/namespaces/shop", .status = 200, .delay = Duration(50)});
  std::vector<std::thread> threads;
  std::atomic<int> found = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      if (PasswordFor(Find({.namespace_name = "shop", .pod_secrets = {"pull"}}), "registry.example/app") == "one")
        ++found;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(found, 8);
  EXPECT_EQ(api.Count("GET", "/api/v1/namespaces/shop/secrets/pull"), 1U);
}

// Names in a review are somebody's: what is no name is not asked for. An empty one would be the list of all.
TEST_F(PullSecretsTest, ANameIsNoPath) {
  for (const char* name : {"", ".", "..", "../../kube-system/secrets/x", "a/b", "a?b", "a#b", "A", "-a", "a%2fb"}) {
    EXPECT_THAT(Find({.namespace_name = "shop", .pod_secrets = {name}}).problems, ElementsAre(HasSubstr("is no name")));
    EXPECT_THAT(Find({.namespace_name = name, .pod_secrets = {"a"}}).problems, ElementsAre(HasSubstr("is no name")));
  }
  EXPECT_THAT(api.requests(), IsEmpty());
}

}  // namespace
}  // namespace gatehouse::webhook
