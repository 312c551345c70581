// TrustRoots for Sigstore and Notation: reading, and what policies get of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/codec/pem.h"
#include "common/codec/time.h"
#include "common/crypto/hash.h"
#include "tests/common/policy/policy_builder.h"

namespace gatehouse::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TrustRoot Only(const std::string& document) {
  PolicySet set = Loaded({document});
  EXPECT_EQ(set.trust_roots.size(), 1U);
  return set.trust_roots.empty() ? TrustRoot{} : set.trust_roots[0];
}

std::string Head(const std::string& name = "public") {
  return "apiVersion: gatehouse.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: " + name + "}\n";
}

// A trusted root with one transparency log.
std::string TrustedRootJson(const char* pem = kP256Pem) {
  Bytes spki = crypto::PublicKey::FromPem(pem)->Spki();
  return R"({"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[{"baseUrl":"https://rekor.example",)"
         R"("hashAlgorithm":"SHA2_256","publicKey":{"rawBytes":")" +
         EncodeBase64(spki) +
         R"(","keyDetails":"PKIX_ECDSA_P256_SHA_256","validFor":{"start":"2026-01-01T00:00:00Z"}},"logId":{"keyId":")" +
         EncodeBase64(crypto::Hash(HashAlgorithm::kSha256, spki)) + R"("}}]})";
}

std::string TrustedRootYaml(const std::string& json, const std::string& name = "public") {
  return Head(name) + "spec:\n  sigstore:\n    trustedRoot: |\n      " + json + "\n";
}

TEST(TrustRootForSigstore, ListsOfLogsAndAuthorities) {
  TrustRoot root = Only(SigstoreRootYaml());
  ASSERT_NE(root.sigstore, nullptr);
  EXPECT_FALSE(root.tuf.has_value());
  EXPECT_THAT(root.tpm, IsEmpty());
  const auto from = codec::ParseTime("2026-01-01T00:00:00Z").value();
  const auto until = codec::ParseTime("2030-01-01T00:00:00Z").value();
  for (const auto* list : {&root.sigstore->logs, &root.sigstore->ct_logs}) {
    ASSERT_THAT(*list, SizeIs(1));
    EXPECT_EQ((*list)[0].valid.from, from);
    EXPECT_EQ((*list)[0].valid.until, until);
  }
  const auto& log = root.sigstore->logs[0];
  EXPECT_EQ(log.key.Pem(), kP256Pem);
  EXPECT_EQ(log.base_url, "https://rekor.example");
  EXPECT_EQ(log.host, "rekor.example");
  EXPECT_EQ(log.operator_name, "rekor.example");
  EXPECT_EQ(log.id, crypto::Hash(HashAlgorithm::kSha256, log.key.Spki()));
  EXPECT_EQ(root.sigstore->ct_logs[0].key.Pem(), kOtherP256Pem);
  EXPECT_EQ(root.sigstore->ct_logs[0].operator_name, "ctfe.example");
  for (const auto* list : {&root.sigstore->authorities, &root.sigstore->timestamp_authorities}) {
    ASSERT_THAT(*list, SizeIs(1));
    EXPECT_THAT((*list)[0].chain, SizeIs(1));
    EXPECT_EQ((*list)[0].valid.from, from);
    EXPECT_EQ((*list)[0].valid.until, until);
  }
  EXPECT_EQ(root.sigstore->authorities[0].operator_name, "fulcio.example");
  EXPECT_EQ(root.sigstore->timestamp_authorities[0].operator_name, "tsa.example");
}

TEST(TrustRootForSigstore, OperatorsHaveANameWithoutOne) {
  TrustRoot root = Only(Edited(Edited(SigstoreRootYaml(), "        operator: rekor.example\n", ""),
                               "      - operator: fulcio.example\n        validFrom", "      - validFrom"));
  EXPECT_EQ(root.sigstore->logs[0].operator_name, "https://rekor.example");
  EXPECT_EQ(root.sigstore->authorities[0].operator_name, SigningCa().certificate().Subject());
}

TEST(TrustRootForSigstore, ATrustedRootAsTextOrObject) {
  TrustRoot text = Only(TrustedRootYaml(TrustedRootJson()));
  ASSERT_NE(text.sigstore, nullptr);
  EXPECT_EQ(text.sigstore->logs.at(0).base_url, "https://rekor.example");
  TrustRoot object = Only(Head() + "spec: {sigstore: {trustedRoot: " + TrustedRootJson() + "}}\n");
  ASSERT_NE(object.sigstore, nullptr);
  EXPECT_EQ(object.sigstore->logs.at(0).key.Pem(), kP256Pem);
}

TEST(TrustRootForSigstore, ATufRepository) {
  TrustRoot root = Only(TufRootYaml());
  EXPECT_EQ(root.sigstore, nullptr);
  ASSERT_TRUE(root.tuf.has_value());
  EXPECT_EQ(root.tuf->url, "https://tuf.example/repository");
  EXPECT_EQ(root.tuf->root_digest->text(), "sha256:" + std::string(64, 'a'));
  EXPECT_EQ(root.tuf->root, "");
  EXPECT_EQ(root.tuf->target, "sub/trusted_root.json");
  EXPECT_EQ(root.tuf->refresh, std::chrono::hours(6));
  TrustRoot folder =
      Only(Edited(Edited(TufRootYaml(), "https://tuf.example/repository", "file:///srv/tuf"),
                  "{sha256: " + std::string(64, 'a') + "}", "{data: '{\"signed\":{},\"signatures\":[]}'}"));
  EXPECT_EQ(folder.tuf->url, "file:///srv/tuf");
  EXPECT_EQ(folder.tuf->root, "{\"signed\":{},\"signatures\":[]}");
  EXPECT_FALSE(folder.tuf->root_digest.has_value());
}

TEST(TrustRootForNotation, Stores) {
  TrustRoot root = Only(NotationRootYaml());
  ASSERT_THAT(root.notation, SizeIs(3));
  for (const char* store : {"ca:acme", "signingAuthority:acme", "tsa:acme"}) {
    ASSERT_TRUE(root.notation.contains(store)) << store;
    EXPECT_EQ(root.notation.at(store).at(0).Fingerprint(), SigningCa().certificate().Fingerprint());
  }
}

TEST(TrustRoot, SeveralKindsInOne) {
  std::string all = TrustRootYaml() + SigstoreRootYaml().substr(SigstoreRootYaml().find("  sigstore:")) +
                    NotationRootYaml().substr(NotationRootYaml().find("  notation:"));
  TrustRoot root = Only(all);
  EXPECT_THAT(root.tpm, SizeIs(1));
  EXPECT_NE(root.sigstore, nullptr);
  EXPECT_THAT(root.notation, SizeIs(3));
}

TEST(TrustRoot, SigstoreAndNotationRefused) {
  struct Case {
    std::string document;
    std::string from;
    std::string to;
    Reason reason;
    std::string where;
    std::string detail;
  };
  const std::string kLists = SigstoreRootYaml();
  const std::string kLog = "$.spec.sigstore.transparencyLogs[0]";
  const std::string kCa = "$.spec.sigstore.certificateAuthorities[0]";
  const std::string kRoot = "{sha256: " + std::string(64, 'a') + "}";
  const std::string kOther = fakes::TestCa::Root(fakes::CaSpec("other")).pem();
  const std::string kLeaf = SigningCa().Leaf(fakes::LeafSpec("leaf")).pem;
  const Case kCases[] = {
      {Head() + "spec: {sigstore: {}}\n", "", "", Reason::kPolicyInvalid, "$.spec.sigstore", "one of trustedRoot, tuf"},
      {Head() + "spec: {sigstore: {trustRoot: {}}}\n", "", "", Reason::kPolicyInvalid, "$.spec.sigstore",
       "did you mean 'trustedRoot'?"},
      {Head() + "spec: {sigstore: {transparencyLogs: []}}\n", "", "", Reason::kPolicyInvalid, "$.spec.sigstore",
       "no log and no authority"},
      {kLists, "  sigstore:\n", "  sigstore:\n    trustedRoot: " + TrustedRootJson() + "\n", Reason::kPolicyInvalid,
       "$.spec.sigstore", "only one of"},
      {TufRootYaml(), "    tuf:\n", "    transparencyLogs: []\n    tuf:\n", Reason::kPolicyInvalid, "$.spec.sigstore",
       "only one of"},
      {kLists, Indented(kP256Pem, 10), "          x\n", Reason::kKeyMalformed, kLog + ".key", ""},
      {kLists, "      - url: https://rekor.example\n", "      - url: rekor.example\n", Reason::kPolicyInvalid,
       kLog + ".url", "such as https://rekor.example"},
      {kLists, "      - url: https://rekor.example\n", "      - url: https://a@rekor.example\n", Reason::kPolicyInvalid,
       kLog + ".url", "such as https://rekor.example"},
      {kLists, "        operator: rekor.example\n", "        operator: \"\"\n", Reason::kPolicyInvalid,
       kLog + ".operator", "empty"},
      {kLists, "validFrom: \"2026-01-01T00:00:00Z\"", "validFrom: 2026-01-01", Reason::kPolicyInvalid,
       kLog + ".validFrom", "RFC 3339"},
      {kLists, "validUntil: \"2030-01-01T00:00:00Z\"", "validUntil: \"2020-01-01T00:00:00Z\"", Reason::kPolicyInvalid,
       kLog + ".validUntil", "not after validFrom"},
      {kLists, "    certificateLogs:\n",
       "      - url: https://b.example\n        key: |\n" + Indented(kP256Pem, 10) + "    certificateLogs:\n",
       Reason::kPolicyInvalid, "$.spec.sigstore.transparencyLogs[1].key", "another log"},
      {kLists, "        operator: rekor.example\n", "        threshold: 1\n", Reason::kPolicyInvalid, kLog,
       "unknown field 'threshold'"},
      {kLists, Indented(SigningCa().pem(), 10), "          x\n", Reason::kCertificateMalformed, kCa + ".certificates",
       ""},
      {kLists, Indented(SigningCa().pem(), 10), Indented(SigningCa().pem() + kOther, 10), Reason::kTrustRootMalformed,
       kCa + ".certificates", ""},
      {TrustedRootYaml("{}"), "", "", Reason::kTrustRootMalformed, "$.spec.sigstore.trustedRoot", ""},
      {TrustedRootYaml("nonsense"), "", "", Reason::kTrustRootMalformed, "$.spec.sigstore.trustedRoot", ""},
      {Head() + "spec: {sigstore: {trustedRoot: [1]}}\n", "", "", Reason::kPolicyInvalid, "$.spec.sigstore.trustedRoot",
       "must be an object, or the text"},
      {TrustedRootYaml(R"({"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"})"), "", "",
       Reason::kTrustRootMalformed, "$.spec.sigstore.trustedRoot", "names no log and no authority"},
      {TrustedRootYaml(TrustedRootJson()), "PKIX_ECDSA_P256_SHA_256", "PKIX_ED25519_PH", Reason::kTrustRootMalformed,
       "$.spec.sigstore.trustedRoot", "nothing that can be used"},
      {TufRootYaml(), "https://tuf.example/repository", "http://tuf.example/repository", Reason::kPolicyInvalid,
       "$.spec.sigstore.tuf.url", "must be https://"},
      {TufRootYaml(), "https://tuf.example/repository", "https://user:secret@tuf.example", Reason::kPolicyInvalid,
       "$.spec.sigstore.tuf.url", "must be https://"},
      {TufRootYaml(), "https://tuf.example/repository", "file://srv/tuf", Reason::kPolicyInvalid,
       "$.spec.sigstore.tuf.url", "must be https://"},
      {TufRootYaml(), "https://tuf.example/repository", "file:///", Reason::kPolicyInvalid, "$.spec.sigstore.tuf.url",
       "must be https://"},
      {TufRootYaml(), "https://tuf.example/repository", "\"https://tuf.example/a b\"", Reason::kPolicyInvalid,
       "$.spec.sigstore.tuf.url", "must be https://"},
      {TufRootYaml(), kRoot, "{}", Reason::kPolicyInvalid, "$.spec.sigstore.tuf.root", "one of data and sha256"},
      {TufRootYaml(), kRoot, "{sha256: abc}", Reason::kPolicyInvalid, "$.spec.sigstore.tuf.root.sha256", "64"},
      {TufRootYaml(), kRoot, "{data: nonsense}", Reason::kPolicyInvalid, "$.spec.sigstore.tuf.root.data", "root.json"},
      {TufRootYaml(), kRoot, "{data: \"{}\"}", Reason::kPolicyInvalid, "$.spec.sigstore.tuf.root.data", "root.json"},
      {TufRootYaml(), "      root: " + kRoot + "\n", "", Reason::kPolicyInvalid, "$.spec.sigstore.tuf.root",
       "required"},
      {TufRootYaml(), "refresh: 6h", "refresh: 59s", Reason::kPolicyInvalid, "$.spec.sigstore.tuf.refresh", "duration"},
      {TufRootYaml(), "refresh: 6h", "refresh: 200h", Reason::kPolicyInvalid, "$.spec.sigstore.tuf.refresh",
       "duration"},
      {NotationRootYaml(), Indented(SigningCa().pem(), 8), Indented(kLeaf, 8), Reason::kPolicyInvalid,
       "$.spec.notation.ca.acme", "is not self-signed"},
      {NotationRootYaml(), "      acme: |", "      \"a/b\": |", Reason::kPolicyInvalid, "$.spec.notation.ca",
       "not the name of a trust store"},
      {NotationRootYaml(), "    ca:", "    cas:", Reason::kPolicyInvalid, "$.spec.notation", "did you mean 'ca'?"},
      {Head() + "spec: {notation: {}}\n", "", "", Reason::kPolicyInvalid, "$.spec.notation", "at least one of"},
      {Head() + "spec: {notation: {ca: {}}}\n", "", "", Reason::kPolicyInvalid, "$.spec.notation.ca", "at least one"},
  };
  for (const Case& c : kCases) {
    Error error = Refusal(Edited(c.document, c.from, c.to));
    EXPECT_EQ(error.reason, c.reason) << error.ToString();
    EXPECT_THAT(error.where, HasSubstr(c.where)) << error.ToString();
    EXPECT_THAT(error.detail, HasSubstr(c.detail)) << error.ToString();
  }
}

// TUF: a target is a name, and no way out of the repository.
TEST(TrustRoot, TargetsThatWouldLeaveTheRepository) {
  for (const char* target : {"../trusted_root.json", "a/../../b", "/etc/passwd", "a//b", "./a", "a/", "..", "a\\\\b",
                             "%2e%2e/a", "a b", "a?b"}) {
    Error error = Refusal(Edited(TufRootYaml(), "sub/trusted_root.json", "\"" + std::string(target) + "\""));
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << target;
    EXPECT_THAT(error.where, HasSubstr("$.spec.sigstore.tuf.target")) << target;
  }
}

}  // namespace
}  // namespace gatehouse::policy
