// Authorities with identities, attestations and Notation, and what of TrustRoots stands behind them: reading.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/policy/policy_builder.h"

namespace gatehouse::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

ImagePolicy Only(const std::string& document) {
  PolicySet set = Loaded({document, SigstoreRootYaml(), NotationRootYaml()});
  EXPECT_EQ(set.image_policies.size(), 1U);
  return set.image_policies.empty() ? ImagePolicy{} : set.image_policies[0];
}

Error RefusalOf(const std::string& document) {
  return Refusal(document + "---\n" + SigstoreRootYaml() + "---\n" + NotationRootYaml());
}

const KeylessAuthority& Keyless(const ImagePolicy& policy, std::size_t index = 0) {
  return std::get<KeylessAuthority>(policy.authorities.at(index).rule);
}

// An authority with a key in place of identities, and without attestations.
std::string KeyWithRoots(const std::string& more = "") {
  std::string policy = KeylessPolicyYaml();
  auto begin = policy.find("      keyless:");
  auto end = policy.find("  subject: Both");
  return policy.replace(
      begin, end - begin,
      "      key:\n        data: |\n" + Indented(kP256Pem, 10) + "      trustRoots: [public]\n" + more);
}

std::string Plain() {
  std::string policy = KeylessPolicyYaml();
  auto begin = policy.find("      minimum:");
  auto end = policy.find("  subject: Both");
  return policy.erase(begin, end - begin);
}

// Each is compiled, which costs more than its text by far; whoever may write a policy of a namespace must not fill the
// memory of every replica with them.
TEST(KeylessPolicy, RegularExpressionsAreCounted) {
  auto with = [](std::size_t identities) {
    std::string policy = Plain();
    const std::string_view first = "      identities:\n";
    std::string more;
    for (std::size_t i = 0; i < identities; ++i)
      more += "          - {issuerRegExp: 'i" + std::to_string(i) + "', subjectRegExp: 'a'}\n";
    auto at = policy.find(first);
    EXPECT_NE(at, std::string::npos);
    return policy.insert(at + first.size(), more);
  };
  Only(with(149));
  Error error = RefusalOf(with(151));
  EXPECT_EQ(error.reason, Reason::kLimitExceeded);
  EXPECT_THAT(error.detail, HasSubstr("more than 300 regular expressions"));
}

TEST(KeylessPolicy, EveryFieldArrives) {
  ImagePolicy policy = Only(KeylessPolicyYaml());
  const KeylessAuthority& ci = Keyless(policy);
  ASSERT_THAT(ci.identities, SizeIs(1));
  EXPECT_EQ(ci.identities[0].issuer->ToString(), "'https://token.actions.githubusercontent.com'");
  EXPECT_EQ(ci.identities[0].subject->ToString(),
            "glob 'https://github.com/org/app/.github/workflows/*@refs/heads/main'");
  ASSERT_THAT(ci.identities[0].claims, SizeIs(3));
  EXPECT_EQ(ci.identities[0].claims.at("sourceRepositoryURI").ToString(), "'https://github.com/org/app'");
  EXPECT_EQ(ci.identities[0].claims.at("sourceRepositoryRef").ToString(), "glob 'refs/heads/*'");
  EXPECT_EQ(ci.identities[0].claims.at("buildTrigger").ToString(), "regex 'push|release'");
  EXPECT_THAT(ci.vouching.trust_roots, ElementsAre("public"));
  EXPECT_EQ(ci.vouching.logs, 2U);
  EXPECT_EQ(ci.vouching.scts, 3U);
  EXPECT_EQ(ci.vouching.timestamps, 1U);
  EXPECT_EQ(ci.vouching.times, 4U);
  EXPECT_EQ(ci.vouching.missing, "");
  ASSERT_NE(ci.vouching.material, nullptr);
  EXPECT_THAT(ci.vouching.material->logs, SizeIs(1));
  const auto& attestations = policy.authorities[0].attestations;
  ASSERT_THAT(attestations, SizeIs(2));
  EXPECT_EQ(attestations[0].name, "provenance");
  EXPECT_THAT(attestations[0].predicate_types, ElementsAre("https://slsa.dev/provenance/v1"));
  EXPECT_TRUE(attestations[0].where.empty());
  ASSERT_TRUE(attestations[0].slsa.has_value());
  EXPECT_EQ(attestations[0].slsa->builder_id->ToString(), "'https://github.com/actions/runner/github-hosted'");
  EXPECT_EQ(attestations[0].slsa->build_type->ToString(), "'https://actions.github.io/buildtypes/workflow/v1'");
  EXPECT_EQ(attestations[0].slsa->source_repository->ToString(), "'https://github.com/org/app'");
  EXPECT_EQ(attestations[0].slsa->source_ref->ToString(), "glob 'refs/heads/*'");
  EXPECT_THAT(attestations[0].slsa->materials, SizeIs(1));
  EXPECT_THAT(attestations[1].predicate_types,
              ElementsAre("https://cosign.sigstore.dev/attestation/vuln/v1", "https://example.com/scan/v1"));
  EXPECT_FALSE(attestations[1].where.empty());
  EXPECT_FALSE(attestations[1].slsa.has_value());
  EXPECT_EQ(policy.subject, SubjectKind::kBoth);
  EXPECT_THAT(policy.pull_secrets, ElementsAre("registry"));
}

TEST(KeylessPolicy, DefaultsAreTheStrictOnes) {
  ImagePolicy policy = Only(Edited(Plain(), "  subject: Both\n  pullSecrets: [registry]\n", ""));
  const Vouching& vouching = Keyless(policy).vouching;
  EXPECT_EQ(vouching.logs, 1U);
  EXPECT_EQ(vouching.scts, 1U);
  EXPECT_EQ(vouching.times, 1U);
  EXPECT_EQ(vouching.timestamps, 0U);
  EXPECT_EQ(policy.subject, SubjectKind::kReference);
  EXPECT_THAT(policy.pull_secrets, IsEmpty());
  EXPECT_THAT(policy.authorities[0].attestations, IsEmpty());
}

TEST(KeylessPolicy, EveryValueOfSubject) {
  EXPECT_EQ(Only(Edited(Plain(), "subject: Both", "subject: Platforms")).subject, SubjectKind::kPlatforms);
  EXPECT_EQ(Only(Edited(Plain(), "subject: Both", "subject: Reference")).subject, SubjectKind::kReference);
}

TEST(KeylessPolicy, ZeroIsSpeltUnsafe) {
  const std::string kHead = "      trustRoots: [public]\n";
  auto with = [&](const std::string& more) { return Edited(Plain(), kHead, kHead + more); };
  const Vouching no_log = Keyless(Only(with("      unsafeIgnoreTransparencyLog: true\n"))).vouching;
  EXPECT_EQ(no_log.logs, 0U);
  EXPECT_EQ(no_log.scts, 1U);
  EXPECT_EQ(no_log.times, 1U);
  const Vouching no_sct = Keyless(Only(with("      unsafeIgnoreSCT: true\n"))).vouching;
  EXPECT_EQ(no_sct.logs, 1U);
  EXPECT_EQ(no_sct.scts, 0U);
  const Vouching neither =
      Keyless(Only(with("      unsafeIgnoreSCT: false\n      unsafeIgnoreTransparencyLog: false\n"))).vouching;
  EXPECT_EQ(neither.logs, 1U);
  EXPECT_EQ(neither.scts, 1U);
  EXPECT_EQ(Keyless(Only(with("      minimum: {timestamps: 2}\n"))).vouching.times, 2U)
      << "a timestamp is a trusted time";
}

TEST(KeyWithTrustRoots, WhatMustVouchBesideTheKey) {
  const auto vouching = [](const std::string& document) {
    return std::get<KeyAuthority>(Only(document).authorities.at(0).rule).vouching;
  };
  Vouching plain = vouching(KeyWithRoots());
  EXPECT_EQ(plain.logs, 1U);
  EXPECT_EQ(plain.scts, 0U);
  EXPECT_EQ(plain.times, 1U);
  EXPECT_NE(plain.material, nullptr);
  EXPECT_EQ(vouching(KeyWithRoots("      minimum: {trustedTimes: 0}\n")).times, 0U) << "a key needs no time";
  EXPECT_EQ(vouching(KeyWithRoots("      unsafeIgnoreTransparencyLog: true\n")).logs, 0U);
  Vouching alone = vouching(Edited(KeyWithRoots(), "      trustRoots: [public]\n", ""));
  EXPECT_THAT(alone.trust_roots, IsEmpty());
  EXPECT_EQ(alone.material, nullptr);
  EXPECT_EQ(alone.missing, "");
  EXPECT_EQ(alone.logs + alone.scts + alone.times + alone.timestamps, 0U);
}

TEST(NotationPolicy, EveryFieldArrives) {
  ImagePolicy policy = Only(NotationPolicyYaml());
  const auto& notary = std::get<NotationAuthority>(policy.authorities.at(0).rule);
  ASSERT_THAT(notary.policy.statements, SizeIs(1));
  EXPECT_EQ(notary.policy.statements[0].name, "release");
  EXPECT_THAT(notary.policy.statements[0].trust_stores, ElementsAre("ca:acme", "tsa:acme"));
  EXPECT_THAT(notary.trust_roots, ElementsAre("acme"));
  EXPECT_EQ(notary.missing, "");
  ASSERT_TRUE(notary.stores.contains("ca:acme"));
  EXPECT_THAT(notary.stores.at("ca:acme"), SizeIs(1));
  EXPECT_TRUE(notary.stores.contains("tsa:acme"));
  EXPECT_TRUE(notary.stores.contains("signingAuthority:acme"));
  EXPECT_THAT(policy.authorities[0].annotations, ElementsAre(Pair("stage", "tested")));
}

TEST(NotationPolicy, TheTextOfTheFileIsAsGood) {
  std::string policy = NotationPolicyYaml();
  auto begin = policy.find("        trustPolicy:");
  auto end = policy.find("      trustRoots:");
  policy.replace(begin, end - begin, R"(        trustPolicy: |
          {"version": "1.0", "trustPolicies": [{"name": "release", "registryScopes": ["*"],
            "signatureVerification": {"level": "strict"}, "trustStores": ["ca:acme"],
            "trustedIdentities": ["x509.subject: C=US, ST=WA, O=acme"]}]}
)");
  EXPECT_EQ(std::get<NotationAuthority>(Only(policy).authorities.at(0).rule).policy.statements.at(0).name, "release");
}

TEST(Adversarial_V7, IdentitiesThatOverlapOrLackParts) {
  const std::string kGood = "[\"x509.subject: C=US, ST=WA, O=acme\"]";
  for (const char* identities : {
           "[\"x509.subject: C=US, ST=WA\"]",
           "[\"x509.subject: C=US, O=acme\"]",
           "[\"x509.subject: ST=WA, O=acme\"]",
           "[\"x509.subject: C=US, ST=WA, O=acme\", \"x509.subject: C=US, ST=WA, O=acme, OU=a\"]",
           "[\"*\", \"x509.subject: C=US, ST=WA, O=acme\"]",
           "[]",
       }) {
    Error error = RefusalOf(Edited(NotationPolicyYaml(), kGood, identities));
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << identities;
    EXPECT_THAT(error.where, HasSubstr("$.spec.authorities[0].notation.trustPolicy")) << identities;
  }
}

TEST(Adversarial_V8, SkipWithStoresOrIdentities) {
  for (const auto& [from, to] : std::initializer_list<std::pair<std::string, std::string>>{
           {"level: strict", "level: skip"},
           {"level: strict", "level: none"},
           {"version: \"1.0\"", "version: \"2.0\""},
           {"{level: strict}", "{level: strict, override: {integrity: log}}"},
           {"registryScopes: [\"*\"]", "registryScopes: [\"*\", registry.example/app]"},
           {"name: release", "name: release\n              plugin: x"}}) {
    Error error = RefusalOf(Edited(NotationPolicyYaml(), from, to));
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << to;
    EXPECT_THAT(error.where, HasSubstr("trustPolicy")) << to;
  }
}

TEST(Adversarial_V8, SkipIsNotForEveryRegistry) {
  std::string skip = Edited(NotationPolicyYaml(), "level: strict", "level: skip");
  skip = Edited(skip, "              trustStores: [\"ca:acme\", \"tsa:acme\"]\n", "");
  skip = Edited(skip, "              trustedIdentities: [\"x509.subject: C=US, ST=WA, O=acme\"]\n", "");
  Error error = RefusalOf(skip);
  EXPECT_EQ(error.reason, Reason::kPolicyInvalid);
  EXPECT_THAT(error.where, HasSubstr("registryScopes"));
  ImagePolicy named = Only(Edited(skip, "[\"*\"]", "[registry.example/app]"));
  const auto& notary = std::get<NotationAuthority>(named.authorities.at(0).rule);
  EXPECT_TRUE(notary.policy.statements.at(0).skip);
  EXPECT_EQ(notary.missing, "");
}

// As static: pass beside others.
TEST(NotationPolicy, SkipDoesNotMakeOthersDecoration) {
  std::string skip = Edited(NotationPolicyYaml(), "level: strict", "level: skip");
  skip = Edited(skip, "              trustStores: [\"ca:acme\", \"tsa:acme\"]\n", "");
  skip = Edited(skip, "              trustedIdentities: [\"x509.subject: C=US, ST=WA, O=acme\"]\n", "");
  skip = Edited(skip, "[\"*\"]", "[registry.example/app]");
  skip += "    - name: other\n      key:\n        data: |\n" + Indented(kP256Pem, 10);
  Error error = RefusalOf(skip);
  EXPECT_EQ(error.reason, Reason::kPolicyInvalid);
  EXPECT_THAT(error.detail, HasSubstr("'notary' has a statement of the level skip"));
  EXPECT_EQ(Only(skip + "  require: all\n").required, 2U);
}

// The same mistakes in one of several authorities: where, and what.
struct Case {
  std::string document;
  std::string from;
  std::string to;
  std::string where;
  std::string detail;
};

void ExpectRefused(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    Error error = RefusalOf(Edited(c.document, c.from, c.to));
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << c.to;
    EXPECT_THAT(error.where, EndsWith(" $.spec" + c.where)) << c.to << ": " << error.ToString();
    EXPECT_THAT(error.detail, HasSubstr(c.detail)) << c.to;
  }
}

TEST(KeylessPolicy, IdentitiesRefused) {
  const std::string kIssuer = "issuer: https://token.actions.githubusercontent.com";
  const std::string kSubject = "subjectGlob: https://github.com/org/app/.github/workflows/*@refs/heads/main";
  const std::string kIdentity = ".authorities[0].keyless.identities[0]";
  ExpectRefused({
      {Plain(), kIssuer + "\n", "claims2: {}\n", kIdentity, "needs one of issuer, issuerGlob and issuerRegExp"},
      {Plain(), "            " + kSubject + "\n", "", kIdentity, "needs one of subject, subjectGlob and subjectRegExp"},
      {Plain(), kIssuer, kIssuer + "\n            issuerGlob: https://*.example", kIdentity, "must have only one of"},
      {Plain(), kIssuer, kIssuer + "\n            noIssuer: true", kIdentity + ".issuer", "stands beside noIssuer"},
      {Plain(), kSubject, kSubject + "\n            subject: a", kIdentity, "must have only one of"},
      {Plain(), kSubject, "subjectRegExp: \"(\"", kIdentity + ".subjectRegExp", "RE2"},
      {Plain(), kSubject, "subjectRegexp: a", kIdentity, "needs one of subject"},
      {Plain(), kIssuer, "issuerGlob: https://accounts.example*", kIdentity + ".issuerGlob", "ends its host in *"},
      {Plain(), kIssuer, "issuer: \"\"", kIdentity + ".issuer", "must not be empty"},
      {Plain(), kIssuer, "issuer: 7", kIdentity + ".issuer", "must be a string"},
      {Plain(), "sourceRepositoryURI:", "sourceRepositoryUri:", kIdentity + ".claims",
       "did you mean 'sourceRepositoryURI'?"},
      {Plain(), "sourceRepositoryURI:", "repository:", kIdentity + ".claims", "unknown field 'repository'"},
      {Plain(), "{glob: refs/heads/*}", "{glob: \"a?\"}", kIdentity + ".claims.sourceRepositoryRef.glob", "holds '?'"},
      {Plain(), "{glob: refs/heads/*}", "{glob: a, regExp: a}", kIdentity + ".claims.sourceRepositoryRef", "not both"},
      {Plain(), "{glob: refs/heads/*}", "{}", kIdentity + ".claims.sourceRepositoryRef", "one of glob and regExp"},
      {Plain(), "{glob: refs/heads/*}", "{exact: a}", kIdentity + ".claims.sourceRepositoryRef", "one of glob"},
      {Plain(), "{glob: refs/heads/*}", "[a]", kIdentity + ".claims.sourceRepositoryRef", "must be a text"},
      {Plain(), "{glob: refs/heads/*}", "1", kIdentity + ".claims.sourceRepositoryRef", "must be a text"},
      {Plain(), "      keyless:\n", "      keyless:\n        url: https://fulcio.example\n", ".authorities[0].keyless",
       "unknown field 'url'"},
  });
}

TEST(KeylessPolicy, AuthoritiesRefused) {
  const std::string kRoots = "      trustRoots: [public]\n";
  const std::string kAuthority = ".authorities[0]";
  const std::string kMinimum = "{transparencyLogs: 2, certificateLogs: 3, timestamps: 1, trustedTimes: 4}";
  const std::string kStatic =
      "apiVersion: gatehouse.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: a}\nspec:\n  images: [{glob: \"**\"}]\n"
      "  authorities:\n    - name: no\n      static: {action: fail}\n";
  ExpectRefused({
      {Plain(), kRoots, "", kAuthority + ".trustRoots", "is required"},
      {Plain(), kRoots, "      trustRoots: []\n", kAuthority + ".trustRoots", "must not be empty"},
      {Plain(), kRoots, "      trustRoots: [public, public]\n", kAuthority + ".trustRoots", "twice"},
      {KeyWithRoots(), kRoots, "      trustRoots: []\n", kAuthority + ".trustRoots", "must not be empty"},
      {KeyWithRoots("      minimum: {transparencyLogs: 1}\n"), kRoots, "", kAuthority + ".minimum", "trustRoots only"},
      {KeyWithRoots("      unsafeIgnoreTransparencyLog: true\n"), kRoots, "",
       kAuthority + ".unsafeIgnoreTransparencyLog", "trustRoots only"},
      {KeyWithRoots("      unsafeIgnoreSCT: true\n"), "", "", kAuthority + ".unsafeIgnoreSCT", "a key does not have"},
      {KeyWithRoots("      minimum: {certificateLogs: 1}\n"), "", "", kAuthority + ".minimum.certificateLogs",
       "a key does not have"},
      {KeyWithRoots("      unsafeIgnoreTransparencyLog: true\n      minimum: {trustedTimes: 0}\n"), "", "",
       kAuthority + ".trustRoots", "would not be asked for anything"},
      {KeylessPolicyYaml(), kMinimum, "{transparencyLogs: 0}", kAuthority + ".minimum.transparencyLogs",
       "unsafeIgnoreTransparencyLog: true"},
      {KeylessPolicyYaml(), kMinimum, "{certificateLogs: 0}", kAuthority + ".minimum.certificateLogs",
       "unsafeIgnoreSCT: true"},
      {KeylessPolicyYaml(), kMinimum, "{trustedTimes: 0}", kAuthority + ".minimum.trustedTimes", "must not be 0"},
      {KeylessPolicyYaml(), kMinimum, "{timestamps: -1}", kAuthority + ".minimum.timestamps", "from 0 to 32"},
      {KeylessPolicyYaml(), kMinimum, "{transparencyLogs: 33}", kAuthority + ".minimum.transparencyLogs",
       "from 1 to 32"},
      {KeylessPolicyYaml(), kMinimum, "{logs: 1}", kAuthority + ".minimum", "unknown field 'logs'"},
      {KeylessPolicyYaml(), kRoots, kRoots + "      unsafeIgnoreTransparencyLog: true\n",
       kAuthority + ".minimum.transparencyLogs", "stands beside"},
      {KeylessPolicyYaml(), kRoots, kRoots + "      unsafeIgnoreSCT: true\n", kAuthority + ".minimum.certificateLogs",
       "stands beside"},
      {Plain(), kRoots, kRoots + "      static: {action: fail}\n", kAuthority, "exactly one of key, keyless, notation"},
      {NotationPolicyYaml(), "      trustRoots: [acme]\n", "", kAuthority + ".trustRoots", "is required"},
      {NotationPolicyYaml(), "      trustRoots: [acme]\n", "      trustRoots: [acme]\n      minimum: {}\n",
       kAuthority + ".minimum", "Notation does not have"},
      {NotationPolicyYaml(), "      trustRoots: [acme]\n",
       "      trustRoots: [acme]\n      attestations: [{name: a, predicateType: spdx}]\n", kAuthority + ".attestations",
       "not what Notation signs"},
      {NotationPolicyYaml(), "        trustPolicy:\n          version: \"1.0\"\n          trustPolicies:\n",
       "        trustPolicies:\n", kAuthority + ".notation.trustPolicy", "is required"},
      {kStatic, "{action: fail}\n", "{action: fail}\n      trustRoots: [public]\n", kAuthority + ".trustRoots",
       "looks at nothing"},
      {kStatic, "{action: fail}\n", "{action: fail}\n      attestations: [{name: a, predicateType: spdx}]\n",
       kAuthority + ".attestations", "looks at nothing"},
      {Plain(), "subject: Both", "subject: Index", ".subject", "must be one of Reference, Platforms, Both"},
      {Plain(), "[registry]", "[Registry]", ".pullSecrets", "is not the name of a Secret"},
      {Plain(), "[registry]", "[registry, registry]", ".pullSecrets", "twice"},
      {Plain(), "[registry]", "registry", ".pullSecrets", "must be an array"},
  });
}

TEST(KeylessPolicy, AttestationsRefused) {
  const std::string kProvenance = "          predicateType: slsaprovenance1\n";
  const std::string kFirst = ".authorities[0].attestations[0]";
  const std::string kSecond = ".authorities[0].attestations[1]";
  ExpectRefused({
      {KeylessPolicyYaml(), "name: provenance", "name: Provenance", kFirst + ".name", "is not a name"},
      {KeylessPolicyYaml(), "name: scan", "name: provenance", kSecond + ".name", "another attestation"},
      {KeylessPolicyYaml(), kProvenance, "          predicateType: slsaprovenance3\n", kFirst + ".predicateType",
       "is no predicate type"},
      {KeylessPolicyYaml(), kProvenance, "          predicateType: \"https://a b\"\n", kFirst + ".predicateType",
       "is no predicate type"},
      {KeylessPolicyYaml(), kProvenance, "          predicateType: spdx\n", kFirst + ".slsa", "is for provenance"},
      {KeylessPolicyYaml(), kProvenance, kProvenance + "          predicateTypes: [spdx]\n", kFirst + ".predicateTypes",
       "stands beside predicateType"},
      {KeylessPolicyYaml(), "          predicateTypes: [vuln, https://example.com/scan/v1]\n", "",
       kSecond + ".predicateType", "is required"},
      {KeylessPolicyYaml(), "[vuln, https://example.com/scan/v1]", "[]", kSecond + ".predicateTypes", "not be empty"},
      {KeylessPolicyYaml(), "[vuln, https://example.com/scan/v1]", "[spdx, spdxjson]", kSecond + ".predicateTypes",
       "twice"},
      {KeylessPolicyYaml(), "builderID:", "builderId:", kFirst + ".slsa", "did you mean 'builderID'?"},
      {KeylessPolicyYaml(), "[{glob: \"git+https://github.com/org/app@*/*/*\"}]", "[]", kFirst + ".slsa.materials",
       "not empty"},
      {KeylessPolicyYaml(), "[{glob: \"git+https://github.com/org/app@*/*/*\"}]", "[{glob: \"a?\"}]",
       kFirst + ".slsa.materials[0].glob", "holds '?'"},
      {KeylessPolicyYaml(), "{path: /scanner/uri, glob: \"pkg:github/*/*\"}", "{path: scanner, glob: x}",
       kSecond + ".where[0].path", "write a / before"},
      {KeylessPolicyYaml(), "olderThan: 720h", "olderThan: 30d", kSecond + ".where[1].none[1].olderThan", "duration"},
      {KeylessPolicyYaml(), "      attestations:\n", "      annotations: {a: b}\n      attestations:\n",
       ".authorities[0].annotations", "vouches by them instead"},
      {KeylessPolicyYaml(), "          where:\n", "          wher:\n", kSecond, "did you mean 'where'?"},
  });
  std::string none = KeylessPolicyYaml();
  auto begin = none.find("      attestations:\n");
  none.replace(begin, none.find("  subject:") - begin, "      attestations: []\n");
  EXPECT_THAT(RefusalOf(none).where, EndsWith("$.spec.authorities[0].attestations"));
}

// One signer counts once towards a number.
TEST(Adversarial_C9, TheSameSignersTwice) {
  std::string first = KeylessPolicyYaml();
  auto begin = first.find("    - name: ci");
  const std::string authority = first.substr(begin, first.find("  subject:") - begin);
  const std::string signature = Plain().substr(begin, Plain().find("  subject:") - begin);
  auto with = [&](const std::string& second, const std::string& require) {
    return Edited(KeylessPolicyYaml(), "  subject: Both\n", second + "  require: " + require + "\n  subject: Both\n");
  };
  const std::string again = Edited(authority, "name: ci", "name: again");
  for (const char* require : {"any", "all", "{atLeast: 2}"})
    EXPECT_THAT(RefusalOf(with(again, require)).detail, HasSubstr("'again' has the same identities as 'ci'"));
  // Once by attestations and once by a signature: not towards a number of more.
  const std::string signing = Edited(signature, "name: ci", "name: signing");
  EXPECT_THAT(Only(with(signing, "all")).authorities, SizeIs(2));
  EXPECT_THAT(Only(with(signing, "any")).authorities, SizeIs(2));
  const std::string other = Edited(Edited(signature, "name: ci", "name: other"), "org/app/.github", "org/x/.github");
  EXPECT_THAT(RefusalOf(with(signing + other, "{atLeast: 2}")).detail, HasSubstr("one signer counts once"));
  std::string twice = NotationPolicyYaml();
  begin = twice.find("    - name: notary");
  twice += Edited(twice.substr(begin), "name: notary", "name: again");
  EXPECT_THAT(RefusalOf(twice).detail, HasSubstr("has the same trust policy"));
}

TEST(NamespacedImagePolicy, HasTheSameAuthorities) {
  std::string policy = Edited(KeylessPolicyYaml(), "kind: ImagePolicy\nmetadata:\n",
                              "kind: NamespacedImagePolicy\nmetadata:\n  namespace: team-a\n");
  PolicySet set = Loaded({policy, SigstoreRootYaml()});
  ASSERT_THAT(set.namespaced_policies, SizeIs(1));
  EXPECT_NE(Keyless(set.namespaced_policies[0]).vouching.material, nullptr);
}

}  // namespace
}  // namespace gatehouse::policy
