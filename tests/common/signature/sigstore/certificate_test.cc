#include "common/signature/sigstore/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/signature/sigstore/bundle_support.h"

namespace gatehouse::signature::sigstore {
namespace {

using claims::SubjectName;
using fakes::LeafOptions;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr std::string_view kOid = fakes::kFulcioOid;

FakeSigstore& Sigstore() {
  static auto* const kSigstore = new FakeSigstore();
  return *kSigstore;
}

Result<claims::CertificateSigner> Read(const LeafOptions& options) {
  return ReadSigner(Sigstore().Issue(options).certificate);
}

std::string Extension(int number) {
  return std::string(kOid) + std::to_string(number);
}

TEST(ReadSigner, EveryClaimByItsName) {
  LeafOptions options;
  for (int number = 2; number <= 24; ++number) {
    if (number != 7 && number != 8) options.claims[number] = "value " + std::to_string(number);
  }
  auto signer = Read(options);
  ASSERT_TRUE(signer.ok()) << Shown(signer);
  const std::map<std::string, std::string> expected = {
      {"githubWorkflowTrigger", "value 2"},
      {"githubWorkflowSHA", "value 3"},
      {"githubWorkflowName", "value 4"},
      {"githubWorkflowRepository", "value 5"},
      {"githubWorkflowRef", "value 6"},
      {"buildSignerURI", "value 9"},
      {"buildSignerDigest", "value 10"},
      {"runnerEnvironment", "value 11"},
      {"sourceRepositoryURI", "value 12"},
      {"sourceRepositoryDigest", "value 13"},
      {"sourceRepositoryRef", "value 14"},
      {"sourceRepositoryIdentifier", "value 15"},
      {"sourceRepositoryOwnerURI", "value 16"},
      {"sourceRepositoryOwnerIdentifier", "value 17"},
      {"buildConfigURI", "value 18"},
      {"buildConfigDigest", "value 19"},
      {"buildTrigger", "value 20"},
      {"runInvocationURI", "value 21"},
      {"sourceRepositoryVisibilityAtSigning", "value 22"},
      {"deploymentEnvironment", "value 23"},
      {"tokenSubject", "value 24"},
  };
  EXPECT_EQ(signer->extensions, expected);
  EXPECT_EQ(signer->issuer, "https://issuer.example");
}

TEST(ReadSigner, NamesOfEveryKind) {
  const std::tuple<std::string, SubjectName::Kind, std::string> kCases[] = {
      {"email:a@b.example", SubjectName::Kind::kEmail, "a@b.example"},
      {"URI:https://a.example/b@c", SubjectName::Kind::kUri, "https://a.example/b@c"},
      {"DNS:a.example", SubjectName::Kind::kDns, "a.example"},
      {"otherName:1.3.6.1.4.1.57264.1.7;UTF8:foo!oidc.local", SubjectName::Kind::kOther, "foo!oidc.local"},
  };
  for (const auto& [names, kind, value] : kCases) {
    auto signer = Read({.names = names});
    ASSERT_TRUE(signer.ok()) << names << ": " << Shown(signer);
    EXPECT_THAT(signer->names, ElementsAre(SubjectName{kind, value}));
  }
}

TEST(ReadSigner, EitherIssuer) {
  EXPECT_EQ(Read({.issuer_v1 = ""})->issuer, "https://issuer.example");
  EXPECT_EQ(Read({.issuer = "", .extensions = {{Extension(1), "DER:68747470733a2f2f78"}}})->issuer, "https://x");
  EXPECT_EQ(Read({.issuer = ""})->issuer, "");
}

TEST(ReadSigner, APrivateAuthorityMayGiveSeveralNames) {
  auto signer = Read({.names = "email:a@b.example,URI:https://a.example", .issuer = ""});
  ASSERT_TRUE(signer.ok()) << Shown(signer);
  EXPECT_THAT(signer->names, SizeIs(2));
}

TEST(Adversarial_B9, WhatACertificateMustNotSay) {
  struct Case {
    std::string name;
    LeafOptions leaf;
    Reason reason;
  };
  const auto extension = [](int number, const std::string& value) {
    return LeafOptions{.extensions = {{Extension(number), value}}};
  };
  const Case kCases[] = {
      {"two issuers", {.issuer_v1 = "https://other.example"}, Reason::kCertificateMalformed},
      {"an issuer with a slash more", {.issuer_v1 = "https://issuer.example/"}, Reason::kCertificateMalformed},
      {"no name", {.names = ""}, Reason::kCertificateUntrusted},
      {"two names", {.names = "email:a@b.example,email:c@d.example"}, Reason::kCertificateUntrusted},
      {"an IP address", {.names = "IP:10.0.0.1"}, Reason::kCertificateMalformed},
      {"a name of another's type", {.names = "otherName:1.2.3.4;UTF8:x"}, Reason::kCertificateMalformed},
      {"an issuer that is an IA5String", extension(8, "ASN1:IA5STRING:https://issuer.example"),
       Reason::kCertificateMalformed},
      {"a claim that is raw", extension(9, "DER:61626364"), Reason::kCertificateMalformed},
      {"a claim with something after it", extension(12, "DER:0c016100"), Reason::kCertificateMalformed},
      {"a claim with a length in a longer form", extension(12, "DER:0c810161"), Reason::kCertificateMalformed},
      {"a claim that is cut off", extension(12, "DER:0c0561"), Reason::kCertificateMalformed},
      {"a claim of indefinite length", extension(12, "DER:2c800c01610000"), Reason::kCertificateMalformed},
      {"a claim with a NUL", extension(12, "DER:0c03610062"), Reason::kCertificateMalformed},
      {"a claim that is not UTF-8", extension(12, "DER:0c01ff"), Reason::kCertificateMalformed},
      {"a raw claim that is not UTF-8", extension(4, "DER:ff"), Reason::kCertificateMalformed},
      {"an empty issuer", {.issuer_v1 = "", .extensions = {{Extension(8), "DER:0c00"}}}, Reason::kCertificateMalformed},
  };
  for (const Case& c : kCases) {
    auto signer = Read(c.leaf);
    EXPECT_EQ(TokenOf(signer), Token(c.reason)) << c.name << ": " << Shown(signer);
  }
}

TEST(Adversarial_B9, ABundleWithSuchACertificateIsRefused) {
  EXPECT_EQ(
      TokenOf(Verify(Sigstore(), Sigstore().SignMessage(kArtefact, {.leaf = {.issuer_v1 = "https://other.example"}}))),
      Token(Reason::kCertificateMalformed));
  EXPECT_EQ(TokenOf(Verify(Sigstore(), Sigstore().SignMessage(kArtefact, {.leaf = {.names = ""}}))),
            Token(Reason::kCertificateUntrusted));
}

}  // namespace
}  // namespace gatehouse::signature::sigstore
