// Whose credentials are presented for an image.
#include "common/gate/credentials.h"

#include "tests/common/gate/signers_fixture.h"

namespace gatehouse::gate {
namespace {

class CredentialsGate : public SignersGate {
 protected:
  void SetUp() override {
    LoadFor(KeyAuthority("release", key.Public()));
    fakes::Sign(registry, "app", image, key);
    registry.Require("app", "a:secret");
  }
  static registry::Credentials Secret(const std::string& password) {
    return *registry::Credentials::FromDockerConfig(
        R"({"auths":{"registry.example":{"username":"a","password":")" + password + "\"}}}", "test");
  }
  // Gives `secrets` by "namespace/name", of pods, and of ServiceAccounts as "namespace/sa:name".
  CredentialsFound Find(const CredentialQuery& query, const Deadline&) {
    std::lock_guard lock(mutex);
    queries.push_back(query);
    CredentialsFound found{std::make_shared<const registry::Credentials>()};
    auto add = [&](const std::string& name) {
      auto secret = secrets.find(name);
      if (secret == secrets.end()) return found.problems.push_back("the Secret " + name + " was not read");
      found.credentials = std::make_shared<const registry::Credentials>(found.credentials->With(secret->second));
    };
    for (const SecretName& name : query.policy_secrets) add(name.namespace_name + "/" + name.name);
    for (const std::string& name : query.pod_secrets) add(query.namespace_name + "/" + name);
    return found;
  }
  Decision DecideFor(const admission::ReviewRequest& request) {
    Gate gate(
        verifier, nodes, [this] { return set; },
        [this](const CredentialQuery& query, const Deadline& deadline) { return Find(query, deadline); }, options);
    return gate.Decide(request, Deadline(clock, Duration(5000)));
  }
  [[nodiscard]] admission::ReviewRequest PodOf(const std::string& space, std::vector<std::string> pull_secrets) const {
    auto request = Pod({"registry.example/app@" + image.text()});
    request.namespace_name = space;
    request.service_account = "runner";
    request.pull_secrets = std::move(pull_secrets);
    return request;
  }

  std::mutex mutex;
  std::map<std::string, registry::Credentials> secrets;
  std::vector<CredentialQuery> queries;
};

TEST_F(CredentialsGate, ThePodsOwn) {
  secrets.emplace("a/pull", Secret("secret"));
  EXPECT_TRUE(DecideFor(PodOf("a", {"pull"})).allowed());
  ASSERT_EQ(queries.size(), 1U);
  EXPECT_EQ(queries[0].namespace_name, "a");
  EXPECT_EQ(queries[0].service_account, "runner");
  EXPECT_TRUE(queries[0].policy_secrets.empty());
}

TEST_F(CredentialsGate, ThoseOfThePoliciesThatCoverTheImage) {
  secrets.emplace("/cluster-pull", Secret("secret"));
  Load(ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", key.Public()),
                       "  pullSecrets: [cluster-pull]\n") +
       ImagePolicyYaml("other", "elsewhere.example/**", KeyAuthority("release", key.Public()),
                       "  pullSecrets: [other-pull]\n"));
  EXPECT_TRUE(DecideFor(PodOf("a", {})).allowed());
  ASSERT_EQ(queries.size(), 1U);
  EXPECT_EQ(queries[0].policy_secrets, (std::vector<SecretName>{{"", "cluster-pull"}}));
}

TEST_F(CredentialsGate, Adversarial_A16_OneTenantsSecretAdmitsNothingForAnother) {
  secrets.emplace("a/pull", Secret("secret"));
  EXPECT_TRUE(DecideFor(PodOf("a", {"pull"})).allowed());
  EXPECT_EQ(OnlyReason(DecideFor(PodOf("b", {}))), Reason::kRegistryDenied);
  // A name is not a secret: that of the same name in another namespace is another one.
  EXPECT_EQ(OnlyReason(DecideFor(PodOf("b", {"pull"}))), Reason::kRegistryDenied);
  secrets.emplace("b/pull", Secret("wrong"));
  EXPECT_EQ(OnlyReason(DecideFor(PodOf("b", {"pull"}))), Reason::kRegistryDenied);
  EXPECT_TRUE(DecideFor(PodOf("a", {"pull"})).allowed());
}

TEST_F(CredentialsGate, Adversarial_A16_TheSameSecretSharesWhatIsKnown) {
  secrets.emplace("a/pull", Secret("secret"));
  secrets.emplace("b/mine", Secret("secret"));
  EXPECT_TRUE(DecideFor(PodOf("a", {"pull"})).allowed());
  const std::size_t before = registry.requests();
  EXPECT_TRUE(DecideFor(PodOf("b", {"mine"})).allowed());
  EXPECT_EQ(registry.requests(), before);
}

TEST_F(CredentialsGate, Adversarial_A16_ARotatedSecretIsAnother) {
  secrets.emplace("a/pull", Secret("old"));
  EXPECT_FALSE(DecideFor(PodOf("a", {"pull"})).allowed());
  secrets.clear();
  secrets.emplace("a/pull", Secret("secret"));
  EXPECT_TRUE(DecideFor(PodOf("a", {"pull"})).allowed());  // at once
}

// The registry asks nobody for anything; its mirror, which has the image, does.
TEST_F(CredentialsGate, Adversarial_A16_ASecretForAMirrorAdmitsNothingForAnother) {
  const Digest mirrored = registry.PutImage("hub/app", "1", "mirrored");
  fakes::Sign(registry, "hub/app", mirrored, key);
  registry.Require("hub/app", "a:secret");
  registry::Client with_mirror(registry, clock, {.mirrors = {{"open.example", {"registry.example/hub"}}}});
  ImageVerifier own(with_mirror, cache, clock, {});
  Load(ImagePolicyYaml("signed", "open.example/**", KeyAuthority("release", key.Public())));
  secrets.emplace("a/pull", Secret("secret"));
  Gate gate(
      own, nodes, [this] { return set; },
      [this](const CredentialQuery& query, const Deadline& deadline) { return Find(query, deadline); }, options);
  auto pod = [&](const std::string& space, std::vector<std::string> pull_secrets) {
    auto request = Pod({"open.example/app@" + mirrored.text()});
    request.namespace_name = space;
    request.pull_secrets = std::move(pull_secrets);
    return gate.Decide(request, Deadline(clock, Duration(5000)));
  };
  EXPECT_TRUE(pod("a", {"pull"}).allowed());
  EXPECT_FALSE(pod("b", {}).allowed());
  EXPECT_TRUE(pod("a", {"pull"}).allowed());
}

TEST_F(CredentialsGate, ASecretThatCannotBeReadIsSaidInTheRefusal) {
  Decision decision = DecideFor(PodOf("a", {"gone"}));
  EXPECT_EQ(OnlyReason(decision), Reason::kRegistryDenied);
  EXPECT_NE(decision.findings()[0].error.detail.find("the Secret a/gone was not read"), std::string::npos);
}

TEST_F(CredentialsGate, ASecretThatCannotBeReadIsNoOutageOfAPublicImage) {
  Digest open = registry.PutImage("open", "1", "public");
  fakes::Sign(registry, "open", open, key);
  auto request = PodOf("a", {"gone"});
  request.images[0].image = "registry.example/open:1";
  Decision decision = DecideFor(request);
  EXPECT_TRUE(decision.allowed());
  EXPECT_TRUE(decision.findings().empty());
}

TEST_F(CredentialsGate, WithoutAClusterThoseOfPoliciesAreAProblem) {
  auto same = SameForAll([] { return std::make_shared<const registry::Credentials>(); });
  CredentialsFound found = same({.namespace_name = "a", .policy_secrets = {{"", "x"}}}, Deadline(clock, Duration(1)));
  EXPECT_NE(found.credentials, nullptr);
  EXPECT_EQ(found.problems.size(), 1U);
}

}  // namespace
}  // namespace gatehouse::gate
