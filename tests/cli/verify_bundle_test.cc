// gatehouse verify-bundle: the arguments that others' test suites call it with, and how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/crypto/hash.h"
#include "tests/fakes/program.h"
#include "tests/fakes/sigstore.h"

namespace gatehouse::cli {
namespace {

using fakes::FakeSigstore;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kIdentity = "dev@example.com";
const std::string kIssuer = "https://issuer.example";

class VerifyBundle : public testing::Test {
 protected:
  VerifyBundle() {
    Write("artefact", kArtefact);
    Write("other", "another artefact");
    Write("root.json", sigstore_.TrustedRoot().Write());
    Write("other-root.json", FakeSigstore().TrustedRoot().Write());
    Write("message.json", sigstore_.SignMessage(kArtefact).Text());
    Write("attestation.json", sigstore_.Attest(crypto::Sha256Digest(AsBytes(kArtefact))).Text());
    Write("rekor2.json", sigstore_.SignMessage(kArtefact, {.logs = {{&sigstore_.rekor_v2()}}}).Text());
    Write("keyed.json", sigstore_.SignMessage(kArtefact, {.key = key_}).Text());
    Write("key.pem", key_.Public().Pem());
    Write("other-key.pem", crypto::PrivateKey::Generate(crypto::KeyType::kEcP256)->Public().Pem());
  }
  void Write(const std::string& name, const std::string& content) const { (void)folder_.Write(name, content); }
  [[nodiscard]] std::string At(const std::string& name) const { return folder_.At(name); }

  // With the arguments in the order that the conformance suite has.
  [[nodiscard]] fakes::Ran Run(const std::string& bundle, const std::vector<std::string>& signer,
                               const std::string& artefact, const std::string& root = "root.json",
                               const std::map<std::string, std::string>& environment = {}, bool staging = false) const {
    std::vector<std::string> all{fakes::BuiltProgram("gatehouse"), "verify-bundle"};
    if (staging) all.push_back("--staging");
    all.insert(all.end(), {"--bundle", At(bundle)});
    all.insert(all.end(), signer.begin(), signer.end());
    if (!root.empty()) all.insert(all.end(), {"--trusted-root", At(root)});
    all.push_back(artefact);
    return fakes::RunProgram(std::move(all), environment);
  }
  [[nodiscard]] static std::vector<std::string> By(const std::string& identity, const std::string& issuer) {
    return {"--certificate-identity", identity, "--certificate-oidc-issuer", issuer};
  }
  [[nodiscard]] std::string DigestText() const { return crypto::Sha256Digest(AsBytes(kArtefact)).text(); }

  static constexpr const char* kArtefact = "the artefact";
  FakeSigstore sigstore_;
  crypto::PrivateKey key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  fakes::ScratchFolder folder_;
};

TEST_F(VerifyBundle, WhatIsGood) {
  const auto signer = By(kIdentity, kIssuer);
  for (const std::string bundle : {"message.json", "attestation.json", "rekor2.json"}) {
    for (const std::string& artefact : {At("artefact"), DigestText()}) {
      const fakes::Ran ran = Run(bundle, signer, artefact);
      EXPECT_EQ(ran.exit_code, 0) << bundle << " " << artefact << ": " << ran.err;
      EXPECT_THAT(ran.out, IsEmpty());
    }
  }
  EXPECT_EQ(Run("keyed.json", {"--key", At("key.pem")}, At("artefact")).exit_code, 0);
  EXPECT_EQ(Run("keyed.json", {"--key", At("key.pem")}, DigestText()).exit_code, 0);
  EXPECT_EQ(Run("keyed.json", {"--key", key_.Public().Pem()}, DigestText()).exit_code, 0);
}

TEST_F(VerifyBundle, WhatIsNot) {
  struct Case {
    std::string name;
    std::string bundle;
    std::vector<std::string> signer;
    std::string artefact;
    std::string root;
    std::string token;
  };
  const std::string other_digest = "sha256:" + std::string(64, '0');
  const std::vector<std::string> good = By(kIdentity, kIssuer);
  const Case kCases[] = {
      {"another identity", "message.json", By("eve@example.com", kIssuer), At("artefact"), "root.json",
       "signer-mismatch"},
      {"a beginning of the identity", "message.json", By("dev@example.co", kIssuer), At("artefact"), "root.json",
       "signer-mismatch"},
      {"another issuer", "message.json", By(kIdentity, "https://issuer.example.evil"), At("artefact"), "root.json",
       "signer-mismatch"},
      {"another artefact", "message.json", good, At("other"), "root.json", "signature-invalid"},
      {"another digest", "message.json", good, other_digest, "root.json", "signature-invalid"},
      {"another artefact of an attestation", "attestation.json", good, At("other"), "root.json",
       "payload-digest-mismatch"},
      {"another digest of an attestation", "attestation.json", good, other_digest, "root.json",
       "payload-digest-mismatch"},
      {"another instance", "message.json", good, At("artefact"), "other-root.json", "log-untrusted"},
      {"another key", "keyed.json", {"--key", At("other-key.pem")}, At("artefact"), "root.json", "signature-invalid"},
      {"a key's bundle by identity", "keyed.json", good, At("artefact"), "root.json", "certificate-untrusted"},
      {"an identity's bundle by key",
       "message.json",
       {"--key", At("key.pem")},
       At("artefact"),
       "root.json",
       "signature-invalid"},
      {"no bundle", "artefact", good, At("artefact"), "root.json", "bundle-malformed"},
      {"no trusted root", "message.json", good, At("artefact"), "artefact", "trust-root-malformed"},
      {"a digest that is none", "message.json", good, "sha256:00", "root.json", "digest-malformed"},
  };
  for (const Case& c : kCases) {
    const fakes::Ran ran = Run(c.bundle, c.signer, c.artefact, c.root);
    EXPECT_EQ(ran.exit_code, 1) << c.name << ": " << ran.err;
    EXPECT_THAT(ran.err, HasSubstr("[" + c.token + "]")) << c.name;
    EXPECT_THAT(ran.out, IsEmpty()) << c.name;
  }
}

TEST_F(VerifyBundle, HowItIsCalled) {
  const auto signer = By(kIdentity, kIssuer);
  const auto exit_code = [&](const std::vector<std::string>& by, const std::string& artefact = "",
                             const std::string& bundle = "message.json") {
    return Run(bundle, by, artefact.empty() ? At("artefact") : artefact).exit_code;
  };
  EXPECT_EQ(exit_code(signer), 0);
  EXPECT_EQ(exit_code({}), 2);
  EXPECT_EQ(exit_code({"--certificate-identity", kIdentity}), 2);
  EXPECT_EQ(exit_code({"--certificate-oidc-issuer", kIssuer}), 2);
  EXPECT_EQ(exit_code(By("", kIssuer)), 2);
  EXPECT_EQ(exit_code(By(kIdentity, "")), 2);
  auto both = signer;
  both.insert(both.end(), {"--key", At("key.pem")});
  EXPECT_EQ(exit_code(both), 2);
  EXPECT_EQ(exit_code(signer, At("absent")), 2);
  EXPECT_EQ(exit_code(signer, At("artefact"), "absent.json"), 2);
  EXPECT_EQ(exit_code({"--key", At("absent.pem")}, At("artefact"), "keyed.json"), 2);
}

TEST_F(VerifyBundle, TheTrustedRootOfTheEnvironment) {
  const auto signer = By(kIdentity, kIssuer);
  const std::map<std::string, std::string> environment{{"GATEHOUSE_TRUSTED_ROOT", At("root.json")}};
  EXPECT_EQ(Run("message.json", signer, At("artefact"), "", environment).exit_code, 0);
  EXPECT_EQ(Run("message.json", signer, At("artefact"), "", environment, true).exit_code, 0);
  EXPECT_EQ(Run("message.json", signer, At("artefact"), "other-root.json", environment).exit_code, 1);
  for (const bool staging : {true, false}) {
    const fakes::Ran none = Run("message.json", signer, At("artefact"), "", {}, staging);
    EXPECT_EQ(none.exit_code, 2);
    EXPECT_THAT(none.err, AllOf(HasSubstr("--trusted-root"), HasSubstr("GATEHOUSE_TRUSTED_ROOT")));
  }
}

TEST_F(VerifyBundle, AFileByTheNameOfADigestIsAFile) {
  const std::string name = "sha256:" + std::string(64, '0');
  const auto in_its_folder = [&] {
    return fakes::RunProgram({"/bin/sh", "-c", R"(cd "$0" && exec "$@")", folder_.path().string(),
                              fakes::BuiltProgram("gatehouse"), "verify-bundle", "--bundle", "message.json",
                              "--certificate-identity", kIdentity, "--certificate-oidc-issuer", kIssuer,
                              "--trusted-root", "root.json", name});
  };
  EXPECT_EQ(in_its_folder().exit_code, 1);
  Write(name, kArtefact);
  EXPECT_EQ(in_its_folder().exit_code, 0);
}

TEST_F(VerifyBundle, AKeyOfALargerCurveByEitherHash) {
  const auto key = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP384);
  Write("p384.pem", key.Public().Pem());
  for (const HashAlgorithm hash : {HashAlgorithm::kSha256, HashAlgorithm::kSha384}) {
    Write("p384.json", sigstore_.SignMessage(kArtefact, {.key = key, .hash = hash}).Text());
    const fakes::Ran ran = Run("p384.json", {"--key", At("p384.pem")}, At("artefact"));
    EXPECT_EQ(ran.exit_code, 0) << Name(hash) << ": " << ran.err;
  }
}

}  // namespace
}  // namespace gatehouse::cli
