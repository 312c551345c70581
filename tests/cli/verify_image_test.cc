// gatehouse verify image: what it says of an image and how it ends.
#include <future>

#include "tests/cli/support.h"

namespace gatehouse::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class VerifyImage : public CliTest {
 protected:
  VerifyImage() {
    signed_ = PushSigned("app", "signed", key_);
    fakes::PushImage(registry_, "app", "unsigned", "two");
    PushSigned("app", "foreign", other_key_);
    Digest relabelled = fakes::PushImage(registry_, "app", "relabelled", "four");
    fakes::PushSignatures(registry_, "app", relabelled, {fakes::SignPayload(key_, signed_)});
    Write("policy.yaml", ImagePolicyYaml("release", "{registry}/app", KeyAuthority(key_.Public())));
    Write("dead.yaml", ImagePolicyYaml("release", "{dead}/app", KeyAuthority(key_.Public())));
  }
  // Of policy.yaml, with lines added to its spec.
  void WriteVariant(const std::string& name, const std::string& more) {
    Write(name, ImagePolicyYaml("release", "{registry}/app", KeyAuthority(key_.Public()), more));
  }
  [[nodiscard]] fakes::Ran Verify(const std::string& image, const std::vector<std::string>& more = {},
                                  const std::string& policy = "policy.yaml") const {
    std::vector<std::string> arguments{"verify",
                                       "image",
                                       image,
                                       "--policy",
                                       "{folder}/" + policy,
                                       "--insecure-registry",
                                       "{registry}",
                                       "--insecure-registry",
                                       "{dead}"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  }

  Digest signed_ = *Digest::Parse("sha256:" + std::string(64, '0'));
};

struct Case {
  std::string_view name;
  std::string_view image;
  std::string_view policy;
  int exit_code;
  std::string_view first_line;  // of the output, after "IMAGE: "
  std::string_view token;       // in the output
};

class VerifyImageOutcomes : public VerifyImage, public testing::WithParamInterface<Case> {};

TEST_P(VerifyImageOutcomes, ExitCodeAndReason) {
  const Case& c = GetParam();
  std::string image = Filled(std::string(c.image));
  fakes::Ran ran = Verify(image, {}, std::string(c.policy));
  EXPECT_EQ(ran.exit_code, c.exit_code) << ran.out << ran.err;
  EXPECT_THAT(ran.out, testing::StartsWith(image + ": " + std::string(c.first_line) + "\n"));
  EXPECT_THAT(ran.out, HasSubstr(c.token));
  EXPECT_THAT(ran.err, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Table, VerifyImageOutcomes,
    testing::Values(Case{"Signed", "{registry}/app:signed", "policy.yaml", 0, "allowed", "by release"},
                    Case{"Unsigned", "{registry}/app:unsigned", "policy.yaml", 1, "denied", "[image-unsigned]"},
                    Case{"WrongKey", "{registry}/app:foreign", "policy.yaml", 1, "denied", "[signature-invalid]"},
                    Case{"SignatureOfAnotherImage", "{registry}/app:relabelled", "policy.yaml", 1, "denied",
                         "[payload-digest-mismatch]"},
                    Case{"NoSuchTag", "{registry}/app:gone", "policy.yaml", 1, "denied", "[image-not-found]"},
                    Case{"NoPolicy", "{registry}/other:1", "policy.yaml", 1, "denied", "[no-policy-matches]"},
                    Case{"RegistryUnreachable", "{dead}/app:1", "dead.yaml", 3, "denied", "[registry-unavailable]"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(VerifyImage, ByDigestNamesTheDigestThatWasVerified) {
  fakes::Ran ran = Verify("{registry}/app@" + signed_.text());
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("ok    " + registry_.host() + "/app@" + signed_.text()));
}

TEST_F(VerifyImage, DenialSaysWhatWouldFixIt) {
  fakes::Ran ran = Verify("{registry}/app:unsigned");
  EXPECT_THAT(ran.out, AllOf(HasSubstr("policy 'release'"), HasSubstr("cosign sign")));
}

TEST_F(VerifyImage, ModesAndOnUnavailable) {
  WriteVariant("warn.yaml", "  mode: warn\n");
  WriteVariant("audit.yaml", "  mode: audit\n");
  Write("relaxed.yaml",
        ImagePolicyYaml("release", "{dead}/app", KeyAuthority(key_.Public()), "  onUnavailable: allow\n"));
  WriteVariant("relaxed-unsigned.yaml", "  onUnavailable: allow\n");
  struct {
    std::string image;
    std::string policy;
    int exit_code;
    std::string outcome;
  } const cases[] = {
      {"{registry}/app:unsigned", "warn.yaml", 0, ": warned\n"},
      {"{registry}/app:unsigned", "audit.yaml", 0, ": allowed\n"},
      {"{dead}/app:1", "relaxed.yaml", 0, ": warned\n"},
      {"{registry}/app:unsigned", "relaxed-unsigned.yaml", 1, ": denied\n"},  // it relaxes nothing else
  };
  for (const auto& c : cases) {
    fakes::Ran ran = Verify(c.image, {}, c.policy);
    EXPECT_EQ(ran.exit_code, c.exit_code) << c.policy << ran.out << ran.err;
    EXPECT_THAT(ran.out, HasSubstr(c.outcome)) << c.policy;
  }
}

TEST_F(VerifyImage, NamespaceIsPartOfTheQuestion) {
  WriteVariant("selected/policy.yaml", "  namespaceSelector: {matchLabels: {env: prod}}\n");
  Write("selected/namespaces.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {env: prod}}}\n---\n"
        "{apiVersion: v1, kind: Namespace, metadata: {name: lab, labels: {env: test}}}\n");
  struct {
    std::string name;
    int exit_code;
    std::string token;
  } const cases[] = {{"shop", 0, "allowed"}, {"lab", 1, "[no-policy-matches]"}, {"unheard-of", 3, "[labels-unknown]"}};
  for (const auto& c : cases) {
    fakes::Ran ran = Verify("{registry}/app:signed", {"-n", c.name}, "selected");
    EXPECT_EQ(ran.exit_code, c.exit_code) << c.name << ran.out << ran.err;
    EXPECT_THAT(ran.out, HasSubstr(c.token)) << c.name;
  }
}

TEST_F(VerifyImage, JsonHoldsTheReasonTokens) {
  struct {
    std::string image;
    std::string policy;
    std::string outcome;
    std::string reason;  // of the only finding; empty: none
    std::string reason_class;
  } const cases[] = {{"{registry}/app:signed", "policy.yaml", "allowed", "", ""},
                     {"{registry}/app:unsigned", "policy.yaml", "denied", "image-unsigned", "untrusted"},
                     {"{dead}/app:1", "dead.yaml", "denied", "registry-unavailable", "unavailable"}};
  for (const auto& c : cases) {
    auto lines = JsonLines(Verify(c.image, {"--output", "json"}, c.policy).out);
    ASSERT_THAT(lines, SizeIs(1)) << c.image;
    codec::JsonView answer = lines.front().root();
    EXPECT_EQ(Text(answer, "outcome"), c.outcome);
    EXPECT_EQ(Text(answer, "subject"), Filled(c.image));
    EXPECT_EQ(answer.Find("proven")->size(), c.reason.empty() ? 1U : 0U);
    ASSERT_EQ(answer.Find("findings")->size(), c.reason.empty() ? 0U : 1U) << c.image;
    if (c.reason.empty()) {
      EXPECT_EQ(Text(answer.Find("proven")->at(0), "subject"), registry_.host() + "/app@" + signed_.text());
      continue;
    }
    codec::JsonView finding = answer.Find("findings")->at(0);
    EXPECT_EQ(Text(finding, "reason"), c.reason);
    EXPECT_EQ(Text(finding, "class"), c.reason_class);
    EXPECT_EQ(Text(finding, "effect"), "deny");
    EXPECT_EQ(Text(finding, "policy"), "release");
  }
}

TEST_F(VerifyImage, MistakesOfTheCallerAreTwo) {
  WriteVariant("misspelt.yaml", "  onUnavailible: allow\n");
  Write("empty.pem", "");
  struct {
    std::string image;
    std::vector<std::string> more;
    std::string policy;
    std::string in_stderr;
  } const cases[] = {
      {"Upper/Case", {}, "policy.yaml", "[image-reference-malformed]"},
      {"", {}, "policy.yaml", "[image-reference-malformed]"},
      {"{registry}/app:signed",
       {},
       "misspelt.yaml",
       "misspelt.yaml:14 $.spec: unknown field 'onUnavailible'; did you mean 'onUnavailable'?"},
      {"{registry}/app:signed", {}, "absent.yaml", "[file-unreadable]"},
      {"{registry}/app:signed", {"--registry-ca", "{folder}/absent.pem"}, "policy.yaml", "absent.pem"},
      {"{registry}/app:signed",
       {"--registry-ca", "{folder}/policy.yaml"},
       "policy.yaml",
       "policy.yaml: CA certificates: "},
      {"{registry}/app:signed", {"--registry-ca", "{folder}/empty.pem"}, "policy.yaml", "empty.pem: the file is empty"},
      {"{registry}/app:signed", {"--docker-config", "{folder}/policy.yaml"}, "policy.yaml", "policy.yaml"},
  };
  for (const auto& c : cases) {
    fakes::Ran ran = Verify(c.image, c.more, c.policy);
    EXPECT_EQ(ran.exit_code, 2) << c.in_stderr << ran.out << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(c.in_stderr));
    EXPECT_THAT(ran.out, IsEmpty());
  }
}

TEST_F(VerifyImage, CredentialsComeFromTheDockerConfig) {
  registry_.RequireToken("robot", "secret");
  auto config = [&](const std::string& password) {
    return R"({"auths": {"{registry}": {"username": "robot", "password": ")" + password + "\"}}}";
  };
  Write("good.json", config("secret"));
  Write("wrong.json", config("guess"));
  struct {
    std::vector<std::string> more;
    int exit_code;
    std::string token;
  } const cases[] = {{{"--docker-config", "{folder}/good.json"}, 0, "allowed"},
                     {{"--docker-config", "{folder}/wrong.json"}, 1, "[registry-denied]"},
                     {{}, 1, "[registry-denied]"}};
  for (const auto& c : cases) {
    fakes::Ran ran = Verify("{registry}/app:signed", c.more);
    EXPECT_EQ(ran.exit_code, c.exit_code) << ran.out << ran.err;
    EXPECT_THAT(ran.out, HasSubstr(c.token));
    EXPECT_THAT(ran.out + ran.err, Not(HasSubstr("guess")));
  }
}

TEST_F(VerifyImage, PlainHttpIsSpokenOnlyWhereItWasAllowed) {
  fakes::Ran ran = Run({"verify", "image", "{registry}/app:signed", "--policy", "{folder}/policy.yaml"});
  EXPECT_EQ(ran.exit_code, 3) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("[registry-unavailable]"));
  EXPECT_THAT(registry_.requests(), IsEmpty());
}

TEST_F(VerifyImage, RegistryOfAnAuthorityOfOurOwn) {
  fakes::TestCa ca = fakes::RootOfToday();
  fakes::FakeRegistry secure(fakes::IssueServerTls(ca, "IP:127.0.0.1"));
  Digest image = fakes::PushImage(secure, "app", "1", "tls");
  fakes::PushSignatures(secure, "app", image, {fakes::SignPayload(key_, image)});
  Write("ca.pem", ca.pem());
  Write("tls.yaml", ImagePolicyYaml("release", secure.host() + "/app", KeyAuthority(key_.Public())));
  std::vector<std::string> arguments{"verify", "image", secure.host() + "/app:1", "--policy", "{folder}/tls.yaml"};
  fakes::Ran unknown = Run(arguments);
  EXPECT_EQ(unknown.exit_code, 3) << unknown.out << unknown.err;
  arguments.insert(arguments.end(), {"--registry-ca", "{folder}/ca.pem"});
  fakes::Ran known = Run(arguments);
  EXPECT_EQ(known.exit_code, 0) << known.out << known.err;
}

TEST_F(VerifyImage, TimeoutEndsTheWaitForASilentRegistry) {
  std::promise<void> ended;
  std::shared_future<void> wait = ended.get_future().share();
  registry_.Override("/v2/app/manifests/signed", [wait](const fakes::ReceivedRequest&) {
    wait.wait();
    return fakes::Reply{.status = 404};
  });
  fakes::Ran ran = Verify("{registry}/app:signed", {"--timeout", "1"});
  ended.set_value();
  EXPECT_EQ(ran.exit_code, 3) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("[deadline-exceeded]"));
}

}  // namespace
}  // namespace gatehouse::cli
