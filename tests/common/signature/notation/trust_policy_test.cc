#include "common/signature/notation/trust_policy.h"

#include <gtest/gtest.h>

#include "common/base/limits.h"
#include "tests/common/base/outcome.h"

namespace gatehouse::signature::notation {
namespace {

using Attributes = std::vector<std::pair<std::string, std::string>>;

// A statement whose members may be changed; an empty text leaves one out.
struct Statement {
  std::string name = R"("one")";
  std::string scopes = R"(["registry.example/app"])";
  std::string verification = R"({"level": "strict"})";
  std::string stores = R"(["ca:acme"])";
  std::string identities = R"(["x509.subject: C=US, ST=WA, O=acme"])";
  std::string more = "";
};

std::string Text(const Statement& statement) {
  std::string text;
  const auto member = [&](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    text += text.empty() ? "{" : ", ";
    text.append("\"").append(name).append("\": ").append(value);
  };
  member("name", statement.name);
  member("registryScopes", statement.scopes);
  member("signatureVerification", statement.verification);
  member("trustStores", statement.stores);
  member("trustedIdentities", statement.identities);
  return text + statement.more + "}";
}

std::string Document(const std::vector<Statement>& statements) {
  std::string text = R"({"version": "1.0", "trustPolicies": [)";
  for (const Statement& statement : statements) text += (text.back() == '[' ? "" : ", ") + Text(statement);
  return text + "]}";
}

Result<TrustPolicy> ParseAll(const std::vector<Statement>& statements) {
  return ParseTrustPolicy(Document(statements));
}
Result<TrustPolicy> Parse(const Statement& statement) {
  return ParseAll({statement});
}
TrustPolicyStatement One(const Statement& statement) {
  const Result<TrustPolicy> policy = Parse(statement);
  EXPECT_EQ(Explain(policy), "ok");
  return policy->statements.at(0);
}

TEST(TrustPolicy, AllMembers) {
  const TrustPolicyStatement statement = One({
      .scopes = R"(["registry.example/app", "localhost:5000/team/app"])",
      .verification =
          R"({"level": "permissive", "override": {"expiry": "enforce"}, "verifyTimestamp": "afterCertExpiry"})",
      .stores = R"(["ca:acme", "ca:acme-2", "signingAuthority:s.a_1", "tsa:t", "ca:acme"])",
      .identities = R"(["x509.subject: C=US, ST=WA, O=acme, OU=build", "x509.subject: C=US,ST=WA,O=acme,OU=release"])",
  });
  EXPECT_EQ(statement.name, "one");
  EXPECT_EQ(statement.registry_scopes, (std::vector<std::string>{"registry.example/app", "localhost:5000/team/app"}));
  EXPECT_FALSE(statement.skip);
  EXPECT_FALSE(statement.timestamp_always);
  EXPECT_EQ(statement.trust_stores,
            (std::vector<std::string>{"ca:acme", "ca:acme-2", "signingAuthority:s.a_1", "tsa:t"}));
  ASSERT_EQ(statement.trusted_identities.size(), 2U);
  EXPECT_FALSE(statement.trusted_identities[0].any);
  EXPECT_EQ(statement.trusted_identities[1].attributes,
            (Attributes{{"C", "US"}, {"ST", "WA"}, {"O", "acme"}, {"OU", "release"}}));
}

TEST(TrustPolicy, TheTimestampIsVerifiedAlwaysByDefault) {
  EXPECT_TRUE(One({}).timestamp_always);
  EXPECT_TRUE(One({.verification = R"({"level": "strict", "verifyTimestamp": "always"})"}).timestamp_always);
}

// The table of trust-store-trust-policy.md.
TEST(TrustPolicy, LevelsAsInTheSpecification) {
  const std::vector<Check> checks = {Check::kIntegrity, Check::kAuthenticity, Check::kAuthenticTimestamp,
                                     Check::kExpiry, Check::kRevocation};
  const Action e = Action::kEnforce;
  const Action l = Action::kLog;
  const std::vector<std::pair<std::string, std::vector<Action>>> levels = {
      {"strict", {e, e, e, e, e}}, {"permissive", {e, e, l, l, l}}, {"audit", {e, l, l, l, l}}};
  for (const auto& [level, actions] : levels) {
    const TrustPolicyStatement statement = One({.verification = R"({"level": ")" + level + R"("})"});
    for (std::size_t i = 0; i < checks.size(); ++i) EXPECT_EQ(statement.ActionOf(checks[i]), actions[i]) << level;
  }
  const TrustPolicyStatement skip = One({.verification = R"({"level": "skip"})", .stores = "", .identities = ""});
  EXPECT_TRUE(skip.skip);
  for (const Check check : checks) EXPECT_EQ(skip.ActionOf(check), Action::kSkip);
}

TEST(TrustPolicy, AStatementThatNobodyFilledEnforces) {
  EXPECT_EQ(TrustPolicyStatement().ActionOf(Check::kRevocation), Action::kEnforce);
}

TEST(TrustPolicy, Overrides) {
  const std::vector<std::tuple<std::string, std::string, Check, Action>> cases = {
      {"audit", R"("authenticity": "enforce")", Check::kAuthenticity, Action::kEnforce},
      {"strict", R"("authenticity": "log")", Check::kAuthenticity, Action::kLog},
      {"strict", R"("authenticTimestamp": "log")", Check::kAuthenticTimestamp, Action::kLog},
      {"permissive", R"("authenticTimestamp": "enforce")", Check::kAuthenticTimestamp, Action::kEnforce},
      {"strict", R"("expiry": "log")", Check::kExpiry, Action::kLog},
      {"strict", R"("revocation": "skip")", Check::kRevocation, Action::kSkip},
      {"permissive", R"("revocation": "enforce")", Check::kRevocation, Action::kEnforce},
      {"strict", R"("revocation": "log")", Check::kRevocation, Action::kLog},
  };
  for (const auto& [level, override_text, check, action] : cases) {
    const TrustPolicyStatement statement =
        One({.verification = R"({"level": ")" + level + R"(", "override": {)" + override_text + "}}"});
    EXPECT_EQ(statement.ActionOf(check), action) << level << " " << override_text;
    EXPECT_EQ(statement.ActionOf(Check::kIntegrity), Action::kEnforce);
  }
}

struct Bad {
  const char* name;
  Statement statement;
  const char* where;
};
void PrintTo(const Bad& bad, std::ostream* out) {
  *out << bad.name;
}
class TrustPolicyRefuses : public testing::TestWithParam<Bad> {};
TEST_P(TrustPolicyRefuses, Invalid) {
  const Result<TrustPolicy> policy = Parse(GetParam().statement);
  ASSERT_EQ(Outcome(policy), "policy-invalid");
  EXPECT_EQ(policy.error().where, GetParam().where) << policy.error().ToString();
}
const char* const kScopesPath = "$.trustPolicies[0].registryScopes";
const char* const kStoresPath = "$.trustPolicies[0].trustStores";
const char* const kIdentitiesPath = "$.trustPolicies[0].trustedIdentities";
const char* const kOverridePath = "$.trustPolicies[0].signatureVerification.override";
INSTANTIATE_TEST_SUITE_P(
    TrustPolicy, TrustPolicyRefuses,
    testing::Values(
        Bad{"NoName", {.name = ""}, "$.trustPolicies[0].name"},
        Bad{"EmptyName", {.name = R"("")"}, "$.trustPolicies[0].name"},
        Bad{"UnknownMember", {.more = R"(, "trustAnchors": [])"}, "$.trustPolicies[0]"},
        Bad{"GlobalPolicyOfBlobs", {.more = R"(, "globalPolicy": true)"}, "$.trustPolicies[0]"},
        Bad{"NoScopes", {.scopes = ""}, kScopesPath}, Bad{"EmptyScopes", {.scopes = "[]"}, kScopesPath},
        Bad{"StarAndAnother", {.scopes = R"(["*", "registry.example/app"])"}, kScopesPath},
        Bad{"StarWithinAScope", {.scopes = R"(["registry.example/*"])"}, kScopesPath},
        Bad{"ScopeTwice", {.scopes = R"(["registry.example/app", "registry.example/app"])"}, kScopesPath},
        Bad{"ScopeTwiceInOtherSpellings", {.scopes = R"(["docker.io/library/a", "index.docker.io/a"])"}, kScopesPath},
        Bad{"ScopeWithoutRegistry", {.scopes = R"(["nginx"])"}, kScopesPath},
        Bad{"ScopeOfAnUnqualifiedRegistry", {.scopes = R"(["library/nginx"])"}, kScopesPath},
        Bad{"ScopeThatIsARegistry", {.scopes = R"(["registry.example"])"}, kScopesPath},
        Bad{"ScopeThatIsARegistryWithPort", {.scopes = R"(["registry.example:5000"])"}, kScopesPath},
        Bad{"ScopeWithTag", {.scopes = R"(["registry.example/app:1"])"}, kScopesPath},
        Bad{"ScopeWithTagLatest", {.scopes = R"(["registry.example/app:latest"])"}, kScopesPath},
        Bad{"ScopeWithDigest",
            {.scopes = R"(["registry.example/app@sha256:)" + std::string(64, '0') + R"("])"},
            kScopesPath},
        Bad{"ScopeWithScheme", {.scopes = R"(["https://registry.example/app"])"}, kScopesPath},
        Bad{"ScopeInUpperCase", {.scopes = R"(["registry.example/App"])"}, kScopesPath},
        Bad{"ScopeWithSlashAtTheEnd", {.scopes = R"(["registry.example/app/"])"}, kScopesPath},
        Bad{"NoVerification", {.verification = ""}, "$.trustPolicies[0].signatureVerification"},
        Bad{"NoLevel", {.verification = "{}"}, "$.trustPolicies[0].signatureVerification.level"},
        Bad{"LevelInUpperCase",
            {.verification = R"({"level": "STRICT"})"},
            "$.trustPolicies[0].signatureVerification.level"},
        Bad{"UnknownVerifyTimestamp",
            {.verification = R"({"level": "strict", "verifyTimestamp": "never"})"},
            "$.trustPolicies[0].signatureVerification.verifyTimestamp"},
        Bad{"UnknownVerificationMember",
            {.verification = R"({"level": "strict", "overrides": {}})"},
            "$.trustPolicies[0].signatureVerification"},
        Bad{"IntegrityOverridden",
            {.verification = R"({"level": "strict", "override": {"integrity": "log"}})"},
            kOverridePath},
        Bad{"AuthenticitySkipped",
            {.verification = R"({"level": "strict", "override": {"authenticity": "skip"}})"},
            "$.trustPolicies[0].signatureVerification.override.authenticity"},
        Bad{"TimestampSkipped",
            {.verification = R"({"level": "strict", "override": {"authenticTimestamp": "skip"}})"},
            "$.trustPolicies[0].signatureVerification.override.authenticTimestamp"},
        Bad{"ExpirySkipped",
            {.verification = R"({"level": "strict", "override": {"expiry": "skip"}})"},
            "$.trustPolicies[0].signatureVerification.override.expiry"},
        Bad{"SkipOverridden",
            {.verification = R"({"level": "skip", "override": {"revocation": "skip"}})",
             .stores = "",
             .identities = ""},
            kOverridePath},
        Bad{"SkipWithStores", {.verification = R"({"level": "skip"})", .identities = ""}, "$.trustPolicies[0]"},
        Bad{"SkipWithIdentities", {.verification = R"({"level": "skip"})", .stores = ""}, "$.trustPolicies[0]"},
        Bad{"NoStores", {.stores = ""}, kStoresPath}, Bad{"EmptyStores", {.stores = "[]"}, kStoresPath},
        Bad{"OnlyATsaStore", {.stores = R"(["tsa:acme"])"}, kStoresPath},
        Bad{"StoreWithoutType", {.stores = R"(["acme"])"}, kStoresPath},
        Bad{"StoreOfUnknownType", {.stores = R"(["CA:acme"])"}, kStoresPath},
        Bad{"StoreWithoutName", {.stores = R"(["ca:"])"}, kStoresPath},
        Bad{"StoreNameWithSlash", {.stores = R"(["ca:../acme"])"}, kStoresPath},
        Bad{"StoreNameWithSpace", {.stores = R"(["ca:acme inc"])"}, kStoresPath},
        Bad{"StoreNameIsTheParent", {.stores = R"(["ca:.."])"}, kStoresPath},
        Bad{"TwoStoresInOne", {.stores = R"(["ca:acme,tsa:acme"])"}, kStoresPath},
        Bad{"NoIdentities", {.identities = ""}, kIdentitiesPath},
        Bad{"EmptyIdentities", {.identities = "[]"}, kIdentitiesPath},
        Bad{"IdentityOfAnotherKind", {.identities = R"(["email: a@example.com"])"}, kIdentitiesPath},
        Bad{"IdentityWithoutPrefix", {.identities = R"(["C=US, ST=WA, O=acme"])"}, kIdentitiesPath},
        Bad{"IdentityPrefixInUpperCase", {.identities = R"(["X509.subject: C=US, ST=WA, O=acme"])"}, kIdentitiesPath},
        Bad{"EmptySubject", {.identities = R"(["x509.subject:"])"}, kIdentitiesPath},
        Bad{"StarAndAnIdentity", {.identities = R"(["*", "x509.subject: C=US, ST=WA, O=acme"])"}, kIdentitiesPath}),
    [](const auto& test) { return test.param.name; });

TEST(Adversarial_V7, IdentitiesWithoutCountryStateOrOrganization) {
  for (const char* const subject :
       {"ST=WA, O=acme", "C=US, O=acme", "C=US, ST=WA", "CN=release", "C=US, ST=WA, OU=acme"}) {
    const Result<TrustPolicy> policy = Parse({.identities = std::string(R"(["x509.subject: )") + subject + R"("])"});
    ASSERT_EQ(Outcome(policy), "policy-invalid") << subject;
    EXPECT_EQ(policy.error().where, kIdentitiesPath);
    EXPECT_NE(policy.error().detail.find("C, ST and O must be there"), std::string::npos);
  }
}

TEST(Adversarial_V7, OverlappingIdentities) {
  const std::string base = "x509.subject: C=US, ST=WA, O=acme";
  // The example of the specification, in both orders; the same name twice, in another order or spelling.
  const std::vector<std::pair<std::string, std::string>> overlapping = {
      {base, base + ", OU=org1"},
      {base + ", OU=org1", base},
      {base, base},
      {base, "x509.subject:O=acme,ST=WA,C=US"},
      {base + ", OU=a, CN=b", "x509.subject: cn=b, c=US, s=WA, o=acme"},
      {base, "x509.subject: C=US, ST=WA, O=\\\\61cme"},
  };
  for (const auto& [one, other] : overlapping) {
    const Result<TrustPolicy> policy = Parse({.identities = R"([")" + one + R"(", ")" + other + R"("])"});
    ASSERT_EQ(Outcome(policy), "policy-invalid") << one << " / " << other;
    EXPECT_EQ(policy.error().where, kIdentitiesPath);
    EXPECT_NE(policy.error().detail.find("overlaps"), std::string::npos) << policy.error().detail;
  }
  EXPECT_EQ(Outcome(Parse({.identities = R"([")" + base + R"(, OU=a", ")" + base + R"(, OU=b"])"})), "ok");
}

TEST(Adversarial_V8, SkipWithTheGlobalScope) {
  const Result<TrustPolicy> policy =
      Parse({.scopes = R"(["*"])", .verification = R"({"level": "skip"})", .stores = "", .identities = ""});
  ASSERT_EQ(Outcome(policy), "policy-invalid");
  EXPECT_EQ(policy.error().where, kScopesPath);
  EXPECT_EQ(Outcome(Parse({.verification = R"({"level": "skip"})", .stores = "", .identities = ""})), "ok");
  EXPECT_EQ(Outcome(Parse({.scopes = R"(["*"])"})), "ok");
}

TEST(TrustPolicy, SkipMayHaveEmptyLists) {
  EXPECT_EQ(
      Outcome(Parse({.verification = R"({"level": "skip", "override": {}})", .stores = "[]", .identities = "[]"})),
      "ok");
}

TEST(TrustPolicy, NamesAndScopesAreUniqueAmongStatements) {
  const Statement one;
  Statement two{.name = R"("two")", .scopes = R"(["registry.example/other"])"};
  EXPECT_EQ(Outcome(ParseAll({one, two})), "ok");
  two.name = one.name;
  const Result<TrustPolicy> same_name = ParseAll({one, two});
  ASSERT_EQ(Outcome(same_name), "policy-invalid");
  EXPECT_EQ(same_name.error().where, "$.trustPolicies[1].name");
  two = {.name = R"("two")", .scopes = one.scopes};
  const Result<TrustPolicy> same_scope = ParseAll({one, two});
  ASSERT_EQ(Outcome(same_scope), "policy-invalid");
  EXPECT_EQ(same_scope.error().where, "$.trustPolicies[1].registryScopes");
  // Two global statements.
  EXPECT_EQ(Outcome(ParseAll({{.scopes = R"(["*"])"}, {.name = R"("two")", .scopes = R"(["*"])"}})), "policy-invalid");
}

TEST(TrustPolicy, TheStatementOfARepository) {
  const Result<TrustPolicy> policy =
      ParseAll({{.name = R"("global")", .scopes = R"(["*"])"},
                {.name = R"("app")", .scopes = R"(["registry.example/app", "Registry.Example:5000/app"])"},
                {.name = R"("hub")", .scopes = R"(["index.docker.io/library/nginx"])"}});
  ASSERT_EQ(Explain(policy), "ok");
  EXPECT_EQ(policy->For("registry.example/app")->name, "app");
  EXPECT_EQ(policy->For("registry.example:5000/app")->name, "app");
  EXPECT_EQ(policy->For("docker.io/library/nginx")->name, "hub");
  EXPECT_EQ(policy->For("registry.example/app/sub")->name, "global");
  EXPECT_EQ(policy->For("registry.example/ap")->name, "global");
  EXPECT_EQ(policy->For("other.example/app")->name, "global");
}

TEST(TrustPolicy, NoStatementForARepository) {
  const Result<TrustPolicy> policy = Parse(Statement{});
  ASSERT_EQ(Explain(policy), "ok");
  EXPECT_EQ(policy->For("registry.example/other"), nullptr);
  EXPECT_EQ(policy->For("*"), nullptr);
  EXPECT_EQ(policy->For(""), nullptr);
}

TEST(TrustPolicy, TheDocumentAsAWhole) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "$"},
      {"[]", "$"},
      {"null", "$"},
      {R"({"version": "1.0"})", "$.trustPolicies"},
      {R"({"version": "1.0", "trustPolicies": []})", "$.trustPolicies"},
      {R"({"trustPolicies": [)" + Text({}) + "]}", "$.version"},
      {R"({"version": "1.1", "trustPolicies": [)" + Text({}) + "]}", "$.version"},
      {R"({"version": 1.0, "trustPolicies": [)" + Text({}) + "]}", "$.version"},
      {R"({"version": "1.0", "trustPolicies": [)" + Text({}) + R"(], "more": 1})", "$"},
      {R"({"version": "1.0", "version": "1.0", "trustPolicies": [)" + Text({}) + "]}", "$"},
      {Document({Statement{}}) + " {}", "$"},
  };
  for (const auto& [text, where] : cases) {
    const Result<TrustPolicy> policy = ParseTrustPolicy(text);
    ASSERT_EQ(Outcome(policy), "policy-invalid") << text;
    EXPECT_EQ(policy.error().where, where) << policy.error().ToString();
  }
  EXPECT_EQ(Outcome(ParseTrustPolicy(std::string(limits::kNotationPolicyBytes + 1, ' '))), "limit-exceeded");
}

TEST(TrustPolicy, TruncatedAtEveryByte) {
  const std::string text = Document({Statement{}});
  ASSERT_EQ(Outcome(ParseTrustPolicy(text)), "ok");
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(Outcome(ParseTrustPolicy(std::string_view(text).substr(0, size))), "policy-invalid") << size;
  }
}

TEST(DistinguishedName, WhatIsAccepted) {
  const std::vector<std::pair<std::string, Attributes>> cases = {
      {"C=US", {{"C", "US"}}},
      {"C=US,ST=WA,O=a", {{"C", "US"}, {"ST", "WA"}, {"O", "a"}}},
      {" C = US ,  ST=WA ", {{"C", "US"}, {"ST", "WA"}}},
      {"s=WA", {{"ST", "WA"}}},
      {"st=WA,ou=x", {{"ST", "WA"}, {"OU", "x"}}},
      {"O=a b", {{"O", "a b"}}},
      {"O=a\\, b\\;c\\\\d", {{"O", "a, b;c\\d"}}},
      {"O=\\ a\\ ", {{"O", " a "}}},
      {"O=a\\  ,C=US", {{"O", "a "}, {"C", "US"}}},
      {"O=\\#1", {{"O", "#1"}}},
      {"O=a#1=2", {{"O", "a#1=2"}}},
      {"O=a\\+b\\<c\\>d\\\"e\\=f", {{"O", "a+b<c>d\"e=f"}}},
      {"O=M\\c3\\BCller", {{"O", "M\u00fcller"}}},
      {"O=M\u00fcller", {{"O", "M\u00fcller"}}},
      {"2.5.4.10=a", {{"2.5.4.10", "a"}}},
      {"x-y1=a", {{"X-Y1", "a"}}},
  };
  for (const auto& [text, attributes] : cases) {
    const auto parsed = ParseDistinguishedName(text);
    ASSERT_EQ(Explain(parsed), "ok") << text;
    EXPECT_EQ(*parsed, attributes) << text;
  }
}

TEST(DistinguishedName, WhatIsRefused) {
  const std::vector<std::string> cases = {
      "",          "C",           "C=",       "C= ",       "=US",       ",",        "C=US,",      ",C=US",
      "C=US,,O=a", "C=US;O=a",    "C=US+O=a", "C=US,C=US", "C=US,c=DE", "S=a,ST=b", "C=\"US\"",   "C=#0402",
      "O=a<b",     "O=a>b",       "O=a\\",    "O=a\\x",    "O=a\\4",    "O=a\\4g",  "O=a\\00",    "O=\\ff",
      "C C=US",    "1=US,2..3=a", "1.=a",     "-a=b",      "C\\=US",    "\u00fc=a", "C=US\nO=a,", "O=a\\c3",
  };
  for (const std::string& text : cases) EXPECT_EQ(Outcome(ParseDistinguishedName(text)), "policy-invalid") << text;
  EXPECT_EQ(Outcome(ParseDistinguishedName(std::string("O=a\0b", 5))), "policy-invalid");
}

}  // namespace
}  // namespace gatehouse::signature::notation
