// Which certificate signing requests are approved: one deviation a row; and the approver against an API server.
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/base/encoding.h"
#include "common/codec/pem.h"
#include "common/crypto/openssl_handles.h"
#include "tests/webhook/control/support.h"
#include "webhook/control/csr_approver.h"
#include "webhook/control/csr_rules.h"

namespace gatehouse::webhook {
namespace {

using fakes::JsonValue;

// A CertificateSigningRequest as a kubelet makes it, with what a row changes.
struct Csr {
  std::vector<std::pair<const char*, std::string>> subject = {{"O", "system:nodes"}, {"CN", "system:node:n1"}};
  std::string alternative_names = {};
  std::string constraints = {};  // of the extension basicConstraints
  bool sign_with_other_key = false;
  std::string signer = "kubernetes.io/kube-apiserver-client-kubelet";
  std::string username = "system:node:n1";
  std::string groups = R"(["system:nodes","system:authenticated"])";
  std::string usages = R"(["key encipherment","digital signature","client auth"])";
  std::string status = "{}";
  std::string request = {};  // in place of the one made
};

std::string Pkcs10(const Csr& csr) {
  using RequestPtr = std::unique_ptr<X509_REQ, crypto::FreeWith<X509_REQ_free>>;
  auto key = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  auto other = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  RequestPtr request(X509_REQ_new());
  X509_NAME* name = X509_REQ_get_subject_name(request.get());
  for (const auto& [type, text] : csr.subject) {
    X509_NAME_add_entry_by_txt(name, type, V_ASN1_UTF8STRING, AsBytes(text).data(), static_cast<int>(text.size()), -1,
                               0);
  }
  const std::pair<int, const std::string&> extensions[] = {{NID_subject_alt_name, csr.alternative_names},
                                                           {NID_basic_constraints, csr.constraints}};
  for (const auto& [nid, value] : extensions) {
    if (value.empty()) continue;
    STACK_OF(X509_EXTENSION)* stack = sk_X509_EXTENSION_new_null();
    sk_X509_EXTENSION_push(stack, X509V3_EXT_nconf_nid(nullptr, nullptr, nid, value.c_str()));
    X509_REQ_add_extensions(request.get(), stack);
    sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
  }
  X509_REQ_set_pubkey(request.get(), key.impl().key.get());
  X509_REQ_sign(request.get(), (csr.sign_with_other_key ? other : key).impl().key.get(), EVP_sha256());
  unsigned char* der = nullptr;
  int size = i2d_X509_REQ(request.get(), &der);
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  ERR_clear_error();
  return codec::EncodePem("CERTIFICATE REQUEST", bytes);
}

std::string Object(const Csr& csr, const std::string& name = "csr-1") {
  std::string request = csr.request.empty() ? EncodeBase64(AsBytes(Pkcs10(csr))) : csr.request;
  return R"({"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest","metadata":{"name":")" + name +
         R"("},"spec":{"request":")" + request + R"(","signerName":")" + csr.signer + R"(","username":")" +
         csr.username + R"(","groups":)" + csr.groups + R"(,"usages":)" + csr.usages + R"(},"status":)" + csr.status +
         "}";
}

CsrView Read(const Csr& csr) {
  auto document = codec::JsonDocument::Parse(Object(csr), {.max_bytes = 1 << 20});
  EXPECT_TRUE(document.ok());
  return ReadCsr(document->root());
}

TEST(CsrRules, WhatAKubeletAsksFor) {
  const std::pair<const char*, Csr> rows[] = {
      {"a renewal", {}},
      {"a renewal with a key that is not RSA", {.usages = R"(["digital signature","client auth"])"}},
      {"usages in another order", {.usages = R"(["client auth","digital signature","key encipherment"])"}},
      {"the first one, by a bootstrap token",
       {.username = "system:bootstrap:abcdef",
        .groups = R"(["system:bootstrappers","system:bootstrappers:workers","system:authenticated"])"}},
      {"the order of the subject's parts", {.subject = {{"CN", "system:node:n1"}, {"O", "system:nodes"}}}},
  };
  for (const auto& [name, csr] : rows) {
    CsrView view = Read(csr);
    EXPECT_TRUE(view.pending) << name;
    EXPECT_EQ(view.node, "n1") << name << ": " << view.refusal;
  }
}

TEST(CsrRules, WhatIsLeftAlone) {
  const std::pair<const char*, Csr> rows[] = {
      {"a common name that is no node's", {.subject = {{"O", "system:nodes"}, {"CN", "admin"}}}},
      {"a common name that is a prefix only", {.subject = {{"O", "system:nodes"}, {"CN", "system:node:"}}}},
      {"a node name that is none", {.subject = {{"O", "system:nodes"}, {"CN", "system:node:N_1"}}}},
      {"no common name", {.subject = {{"O", "system:nodes"}}}},
      {"two common names", {.subject = {{"O", "system:nodes"}, {"CN", "system:node:n1"}, {"CN", "system:node:n2"}}}},
      {"no organization", {.subject = {{"CN", "system:node:n1"}}}},
      {"another organization", {.subject = {{"O", "system:masters"}, {"CN", "system:node:n1"}}}},
      {"one organization more",
       {.subject = {{"O", "system:nodes"}, {"O", "system:masters"}, {"CN", "system:node:n1"}}}},
      {"another part of the subject", {.subject = {{"O", "system:nodes"}, {"OU", "x"}, {"CN", "system:node:n1"}}}},
      {"a DNS name", {.alternative_names = "DNS:n1"}},
      {"an IP address", {.alternative_names = "IP:10.0.0.1"}},
      {"a URI", {.alternative_names = "URI:spiffe://x"}},
      {"another extension", {.constraints = "CA:TRUE"}},
      {"one usage more", {.usages = R"(["key encipherment","digital signature","client auth","server auth"])"}},
      {"server instead of client", {.usages = R"(["key encipherment","digital signature","server auth"])"}},
      {"one usage less", {.usages = R"(["key encipherment","client auth"])"}},
      {"a usage twice", {.usages = R"(["client auth","client auth","digital signature"])"}},
      {"no usages", {.usages = "[]"}},
      {"asked for by another node", {.username = "system:node:n2"}},
      {"asked for by another node that is in the bootstrappers' group",
       {.username = "system:node:n2", .groups = R"(["system:nodes","system:bootstrappers"])"}},
      {"asked for by the node's name without its group", {.groups = R"(["system:authenticated"])"}},
      {"asked for by an admin", {.username = "admin", .groups = R"(["system:masters","system:authenticated"])"}},
      {"asked for by somebody in a group of a similar name",
       {.username = "x", .groups = R"(["system:bootstrappers:workers"])"}},
      {"signed with another key than it holds", {.sign_with_other_key = true}},
      {"no request", {.request = "eA=="}},
      {"no base64", {.request = "%%%"}},
  };
  for (const auto& [name, csr] : rows) {
    CsrView view = Read(csr);
    EXPECT_TRUE(view.pending) << name;
    EXPECT_FALSE(view.node.has_value()) << name;
    EXPECT_NE(view.refusal, "") << name;
  }
}

TEST(CsrRules, WhatIsNotOurs) {
  const std::pair<const char*, Csr> rows[] = {
      {"of another signer", {.signer = "kubernetes.io/kubelet-serving"}},
      {"of no signer", {.signer = ""}},
      {"denied", {.status = R"({"conditions":[{"type":"Denied","status":"True"}]})"}},
      {"approved", {.status = R"({"conditions":[{"type":"Approved","status":"True"}]})"}},
      {"failed", {.status = R"({"conditions":[{"type":"Failed","status":"True"}]})"}},
      {"signed", {.status = R"({"certificate":"eA=="})"}},
  };
  for (const auto& [name, csr] : rows) EXPECT_FALSE(Read(csr).pending) << name;
}

TEST(CsrRules, TheApprovalIsTheObjectWithOneConditionMore) {
  std::string object = Object({});
  auto document = codec::JsonDocument::Parse(object, {.max_bytes = 1 << 20});
  JsonValue approved =
      *JsonValue::Parse(ApprovalOf(document->root(), "because", WallTime(Duration(1'795'262'400'000))));
  JsonValue before = *JsonValue::Parse(object);
  EXPECT_EQ(*approved.Find("metadata"), *before.Find("metadata"));
  EXPECT_EQ(*approved.Find("spec"), *before.Find("spec"));
  const auto& conditions = approved.At({"status", "conditions"})->elements;
  ASSERT_EQ(conditions.size(), 1U);
  EXPECT_EQ(conditions[0].TextAt({"type"}), "Approved");
  EXPECT_EQ(conditions[0].TextAt({"status"}), "True");
  EXPECT_EQ(conditions[0].TextAt({"reason"}), "GatehouseAttested");
  EXPECT_EQ(conditions[0].TextAt({"message"}), "because");
}

class CsrApproverTest : public ::testing::Test {
 protected:
  void Start() {
    approver_.emplace(
        CsrApprover::Parts{.api = cluster_.api,
                           .trusted = [this](const std::string& node) { return node == "n1" && trusted_; },
                           .leading = cluster_.Leading(),
                           .log = cluster_.log,
                           .random = cluster_.random});
    approver_->Start();
    EXPECT_TRUE(cluster_.server.AwaitWatches(1));
  }
  bool Approved(const std::string& name = "csr-1") const {
    auto csr = cluster_.server.Find(kube::kCsrs, name);
    const JsonValue* conditions = csr.has_value() ? csr->At({"status", "conditions"}) : nullptr;
    return conditions != nullptr && !conditions->elements.empty() &&
           conditions->elements[0].TextAt({"reason"}) == "GatehouseAttested";
  }
  std::size_t Writes() const { return cluster_.server.Count("PUT", "/") + cluster_.server.Count("PATCH", "/"); }

  Cluster cluster_;
  std::atomic<bool> trusted_{true};
  std::optional<CsrApprover> approver_;
};

TEST_F(CsrApproverTest, ApprovesWhatAnAttestedMachineAsksFor) {
  Start();
  cluster_.server.Put(Object({}));
  ASSERT_TRUE(Await([&] { return Approved(); }));
  EXPECT_EQ(cluster_.server.Count("PUT", "/apis/certificates.k8s.io/v1/certificatesigningrequests/csr-1/approval"), 1U);
  EXPECT_TRUE(Stays([&] { return Writes() == 1; })) << "once";
}

TEST_F(CsrApproverTest, WhatWasThereBeforeIsLookedAt) {
  cluster_.server.Put(Object({}));
  Start();
  EXPECT_TRUE(Await([&] { return Approved(); }));
}

TEST_F(CsrApproverTest, WaitsForTrust) {
  trusted_ = false;
  Start();
  cluster_.server.Put(Object({}));
  EXPECT_TRUE(Stays([&] { return Writes() == 0; }));
  trusted_ = true;
  approver_->Kick();
  EXPECT_TRUE(Await([&] { return Approved(); }));
}

TEST_F(CsrApproverTest, LeavesAloneAndNeverDenies) {
  Start();
  cluster_.server.Put(Object({.usages = R"(["server auth"])"}, "csr-usages"));
  cluster_.server.Put(Object({.username = "system:node:n2"}, "csr-other"));
  cluster_.server.Put(Object(
      {.subject = {{"O", "system:nodes"}, {"CN", "system:node:n2"}}, .username = "system:node:n2"}, "csr-unattested"));
  cluster_.server.Put(Object({.status = R"({"conditions":[{"type":"Denied","status":"True"}]})"}, "csr-denied"));
  cluster_.server.Put(Object({.signer = "kubernetes.io/kubelet-serving"}, "csr-serving"));
  cluster_.server.Put(Object({}, "csr-good"));
  ASSERT_TRUE(Await([&] { return Approved("csr-good"); }));
  EXPECT_TRUE(Stays([&] { return Writes() == 1; }));
}

// A stolen bootstrap token is not to become a node that runs.
TEST_F(CsrApproverTest, AFirstCertificateIsForAMachineThatIsNoNodeYet) {
  const Csr first{.username = "system:bootstrap:abcdef", .groups = R"(["system:bootstrappers"])"};
  cluster_.server.Put(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}})");
  Start();
  cluster_.server.Put(Object(first));
  ASSERT_TRUE(Await([&] { return cluster_.server.Count("GET", "/api/v1/nodes/n1") > 0; }));
  EXPECT_TRUE(Stays([&] { return Writes() == 0; }));
  cluster_.server.Fail({.verb = "GET", .path = "/api/v1/nodes/n1", .status = 503});
  approver_->Kick();
  EXPECT_TRUE(Stays([&] { return Writes() == 0; })) << "nobody knows";
  cluster_.server.Remove(kube::kNodes, "n1");
  approver_->Kick();
  EXPECT_TRUE(Await([&] { return Approved(); }));
}

TEST_F(CsrApproverTest, ARenewalOfANodeThatIsThereIsApproved) {
  cluster_.server.Put(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}})");
  Start();
  cluster_.server.Put(Object({}));
  EXPECT_TRUE(Await([&] { return Approved(); }));
}

TEST_F(CsrApproverTest, WhatIsFarLargerThanAKubeletsIsLeftAlone) {
  Start();
  JsonValue large = *JsonValue::Parse(Object({}, "csr-large"));
  large.Member("metadata").Member("annotations").Member("a") = JsonValue::String(std::string(100'000, 'x'));
  cluster_.server.Put(large.Write());
  cluster_.server.Put(Object({}, "csr-good"));
  ASSERT_TRUE(Await([&] { return Approved("csr-good"); }));
  EXPECT_TRUE(Stays([&] { return Writes() == 1; }));
}

TEST_F(CsrApproverTest, WhoDoesNotLeadApprovesNothing) {
  cluster_.leading = false;
  Start();
  cluster_.server.Put(Object({}));
  EXPECT_TRUE(Stays([&] { return Writes() == 0; }));
  cluster_.leading = true;
  approver_->Kick();
  EXPECT_TRUE(Await([&] { return Approved(); }));
}

TEST_F(CsrApproverTest, OneThatWasDeniedMeanwhileStaysDenied) {
  trusted_ = false;
  Start();
  cluster_.server.Put(Object({}));
  ASSERT_TRUE(Stays([&] { return Writes() == 0; }));
  // Denied at the moment of our write: what is written is at the version that was judged.
  std::atomic<bool> once{false};
  cluster_.server.Intercept([&](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.verb == "PUT" && !once.exchange(true)) {
      cluster_.server.Put(Object({.status = R"({"conditions":[{"type":"Denied","status":"True"}]})"}));
    }
    return std::nullopt;
  });
  trusted_ = true;
  approver_->Kick();
  ASSERT_TRUE(Await([&] { return once.load(); }));
  EXPECT_TRUE(Stays([&] { return !Approved(); }));
  EXPECT_EQ(cluster_.server.Find(kube::kCsrs, "csr-1")->At({"status", "conditions"})->elements[0].TextAt({"type"}),
            "Denied");
}

TEST_F(CsrApproverTest, AWriteThatFailsIsTriedAgain) {
  Start();
  cluster_.server.Fail({.verb = "PUT", .status = 500});
  cluster_.server.Put(Object({}));
  ASSERT_TRUE(Await([&] { return Writes() == 1; }));
  approver_->Kick();
  EXPECT_TRUE(Await([&] { return Approved(); }));
}

}  // namespace
}  // namespace gatehouse::webhook
