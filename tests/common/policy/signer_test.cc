#include "common/policy/signer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/policy/policy_builder.h"

namespace gatehouse::policy {
namespace {

using claims::CertificateSigner;
using claims::SubjectName;
using ::testing::HasSubstr;

const std::string kIssuer = "https://token.actions.githubusercontent.com";
const std::string kSubject = "https://github.com/org/app/.github/workflows/release.yml@refs/heads/main";

CertificateSigner Workflow() {
  return {.fingerprint = Digest::Parse("sha256:" + std::string(64, 'a')).value(),
          .subject = "",
          .names = {{SubjectName::Kind::kUri, kSubject}},
          .issuer = kIssuer,
          .extensions = {{"sourceRepositoryURI", "https://github.com/org/app"},
                         {"sourceRepositoryRef", "refs/heads/main"},
                         {"buildTrigger", "push"}}};
}

// The identities of a policy, as its author writes them.
std::vector<Identity> Identities(const std::string& from = "", const std::string& to = "") {
  PolicySet set = Loaded({Edited(KeylessPolicyYaml(), from, to), SigstoreRootYaml()});
  if (set.image_policies.size() != 1) return {};
  return std::get<KeylessAuthority>(set.image_policies[0].authorities.at(0).rule).identities;
}

std::string Refused(const std::vector<Identity>& identities, const claims::Signer& signer) {
  Status status = CheckSigner(identities, signer);
  if (status.ok()) return "";
  EXPECT_EQ(status.error().reason, Reason::kSignerMismatch);
  return status.error().detail;
}

TEST(CheckSigner, WhoThePolicyNames) {
  EXPECT_EQ(Refused(Identities(), Workflow()), "");
}

// CVE-2025-29778: a field of a policy that is read and never applied. Each part of an identity decides alone.
TEST(CheckSigner, EveryFieldOfAnIdentityIsApplied) {
  const std::string kForms = "subjectGlob: https://github.com/org/app/.github/workflows/*@refs/heads/main";
  const std::pair<std::string, std::string> kEdits[] = {
      {"issuer: https://token.actions.githubusercontent.com", "issuer: https://accounts.example"},
      {"issuer: https://token.actions.githubusercontent.com", "issuerGlob: https://*.example"},
      {"issuer: https://token.actions.githubusercontent.com", "issuerRegExp: https://token[.]actions"},
      {"issuer: https://token.actions.githubusercontent.com", "noIssuer: true"},
      {kForms, "subject: https://github.com/org/app"},
      {kForms, "subjectGlob: https://github.com/org/*"},
      {kForms, "subjectRegExp: https://github.com/org/"},
      {"sourceRepositoryURI: https://github.com/org/app", "sourceRepositoryURI: https://github.com/org/other"},
      {"{glob: refs/heads/*}", "{glob: refs/tags/*}"},
      {"push|release", "release"},
      {"buildTrigger: {regExp: push|release}", "runnerEnvironment: {regExp: .*}"},
  };
  for (const auto& [from, to] : kEdits) EXPECT_NE(Refused(Identities(from, to), Workflow()), "") << to;
  for (const auto& [from, to] : std::initializer_list<std::pair<std::string, std::string>>{
           {"issuer: https://token.actions.githubusercontent.com", "issuerGlob: https://*.githubusercontent.com"},
           {"issuer: https://token.actions.githubusercontent.com", "issuerRegExp: https://token[.]actions[.].*"},
           {kForms, "subject: " + kSubject},
           {kForms, "subjectRegExp: https://github.com/org/.*"}}) {
    EXPECT_EQ(Refused(Identities(from, to), Workflow()), "") << to;
  }
}

TEST(Adversarial_K3, AClaimThatIsMissingIsNeverAMatch) {
  for (const char* claim : {"sourceRepositoryURI", "sourceRepositoryRef", "buildTrigger"}) {
    CertificateSigner signer = Workflow();
    signer.extensions.erase(claim);
    EXPECT_THAT(Refused(Identities(), signer), HasSubstr(claim));
    signer.extensions[claim] = "";
    EXPECT_THAT(Refused(Identities(), signer), HasSubstr(claim));
  }
  // Not even for a pattern that everything matches, nothing included.
  std::vector<Identity> any = Identities("buildTrigger: {regExp: push|release}", "deploymentEnvironment: {regExp: .*}");
  EXPECT_THAT(Refused(any, Workflow()), HasSubstr("has no deploymentEnvironment"));
  CertificateSigner signer = Workflow();
  signer.issuer.clear();
  EXPECT_NE(Refused(Identities("issuer: https://token", "issuerRegExp: .*#"), signer), "");
  signer = Workflow();
  signer.names.clear();
  EXPECT_NE(Refused(Identities("subjectGlob: https", "subjectRegExp: .*#"), signer), "");
  signer.names = {{SubjectName::Kind::kUri, ""}};
  EXPECT_NE(Refused(Identities("subjectGlob: https", "subjectRegExp: .*#"), signer), "");
}

TEST(CheckSigner, AnyNameOfTheCertificateAndAnyIdentity) {
  CertificateSigner signer = Workflow();
  signer.names.insert(signer.names.begin(), {SubjectName::Kind::kEmail, "a@example.com"});
  EXPECT_EQ(Refused(Identities(), signer), "");
  std::vector<Identity> two = Identities(
      "          - issuer", "          - {issuer: \"https://other\", subject: a@example.com}\n          - issuer");
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(Refused(two, Workflow()), "");
  // The issuer of one with the subject of another is neither.
  signer = Workflow();
  signer.issuer = "https://other";
  EXPECT_THAT(Refused(two, signer), HasSubstr("none of the 2 identities"));
}

TEST(CheckSigner, ACertificateWithoutIssuer) {
  std::vector<Identity> identities =
      Identities("issuer: https://token.actions.githubusercontent.com", "noIssuer: true");
  CertificateSigner signer = Workflow();
  EXPECT_THAT(Refused(identities, signer), HasSubstr("the policy wants none"));
  signer.issuer.clear();
  EXPECT_EQ(Refused(identities, signer), "");
  EXPECT_NE(Refused(Identities(), signer), "");
}

TEST(CheckSigner, AKeyIsNoIdentity) {
  claims::KeySigner key{Digest::Parse("sha256:" + std::string(64, 'a')).value()};
  EXPECT_THAT(Refused(Identities(), key), HasSubstr("signed by a key"));
}

TEST(CheckSigner, NobodyIsWelcomeUnlessNamed) {
  EXPECT_NE(Refused({}, Workflow()), "");
  CertificateSigner signer = Workflow();
  signer.issuer.clear();
  EXPECT_NE(Refused({Identity{}}, signer), "") << "an identity without a subject is nobody's";
}

TEST(CheckSigner, SaysWhoItIs) {
  CertificateSigner signer = Workflow();
  signer.names[0].value = "https://github.com/evil/app\n\x1b[31m";
  std::string detail = Refused(Identities(), signer);
  EXPECT_EQ(detail, "signed by 'https://github.com/evil/app\\x0a\\x1b[31m' of issuer '" + kIssuer +
                        "'; the policy wants subject glob "
                        "'https://github.com/org/app/.github/workflows/*@refs/heads/main'");
}

}  // namespace
}  // namespace gatehouse::policy
