// What somebody else put in the place of a CA or a serving certificate, and what was lost: nobody is to be given a
// bundle that does not trust what is served.
#include "tests/webhook/certificates/support.h"

namespace gatehouse::webhook {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Duration kDay = std::chrono::hours(24);
constexpr Duration kHour = std::chrono::hours(1);
constexpr Duration kSecond = std::chrono::seconds(1);

class Others : public CertificatesTest {
 protected:
  // A CA of somebody else, and a serving certificate under it.
  struct Foreign {
    IssuedPair ca;
    IssuedPair leaf;
  };
  [[nodiscard]] Foreign MakeForeign() const {
    Foreign foreign{MakeCa(Options(), clock_.Wall()).value(), {}};
    CertificateState state;
    state.ca.entries = {{"ca.crt", foreign.ca.certificate_pem}, {"ca.key", foreign.ca.key_pem}};
    foreign.leaf = MakeServer(state, Options(), clock_.Wall()).value();
    return foreign;
  }
  void PutTls(bool ours, const IssuedPair& leaf, const std::string& ca = "") {
    PutSecret("gatehouse-tls", ours, {{"tls.crt", leaf.certificate_pem}, {"tls.key", leaf.key_pem}, {"ca.crt", ca}});
  }
  void PutCa(bool ours, const IssuedPair& ca) {
    PutSecret("gatehouse-ca", ours, {{"ca.crt", ca.certificate_pem}, {"ca.key", ca.key_pem}});
  }
  // As what injects CAs (cert-manager) left them.
  void PutCaBundles(const std::string& pem) {
    for (const auto* resource : {&kube::kValidatingWebhooks, &kube::kMutatingWebhooks}) {
      auto object = *server_.Find(*resource, "gatehouse");
      for (fakes::JsonValue& webhook : object.Member("webhooks").elements) {
        webhook.Member("clientConfig").Member("caBundle") = fakes::JsonValue::String(EncodeBase64(AsBytes(pem)));
      }
      server_.Put(object.Write());
    }
    server_.Put(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"gatehouse-public","namespace":)"
                R"("gatehouse-system","labels":{"app.kubernetes.io/managed-by":"gatehouse"}}})");
    auto object = *server_.Find(kube::kConfigMaps, "gatehouse-public", kNamespace);
    object.Member("data").Member("ca.crt") = fakes::JsonValue::String(pem);
    server_.Put(object.Write());
  }
  [[nodiscard]] std::vector<std::string> ClientBundles() const {
    auto bundles = Bundles();
    bundles.erase(bundles.begin() + 1);  // beside the certificate itself
    return bundles;
  }
};

TEST_F(Others, AServingCertificateThatOurCaDoesNotVouchForWithholdsTheBundle) {
  const Foreign foreign = MakeForeign();
  PutTls(false, foreign.leaf, foreign.ca.certificate_pem);
  PutCaBundles(foreign.ca.certificate_pem);
  auto tls = server_.Find(kube::kSecrets, "gatehouse-tls", kNamespace);
  MustRun();
  EXPECT_THAT(ClientBundles(), Each(foreign.ca.certificate_pem)) << "the API server and agents go on";
  EXPECT_EQ(server_.Find(kube::kSecrets, "gatehouse-tls", kNamespace), tls);
  EXPECT_NE(Public("signing-keys.pem"), "") << "the rest is done";
  EXPECT_THAT(Problems(), ElementsAre(AllOf(HasSubstr("gatehouse-tls"), HasSubstr("managed-by=gatehouse"),
                                            HasSubstr("delete the Secret"))));
  // What the operator is told to do.
  server_.Remove(kube::kSecrets, "gatehouse-tls", kNamespace);
  MustRun();
  ExpectServed();
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(Others, AServingCertificateThatIsGarbageWithholdsTheBundle) {
  const Foreign foreign = MakeForeign();
  PutTls(false, {"garbage", "garbage"});
  PutCaBundles(foreign.ca.certificate_pem);
  MustRun();
  EXPECT_THAT(ClientBundles(), Each(foreign.ca.certificate_pem));
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("gatehouse-tls")));
}

TEST_F(Others, AServingCertificateOfTheirsUnderTheirCaIsPublished) {
  const Foreign foreign = MakeForeign();
  PutCa(false, foreign.ca);
  // Its chain stands behind it, as issuers write it.
  PutTls(false, {foreign.leaf.certificate_pem + foreign.ca.certificate_pem, foreign.leaf.key_pem},
         foreign.ca.certificate_pem);
  MustRun();
  EXPECT_THAT(ClientBundles(), Each(foreign.ca.certificate_pem));
  EXPECT_THAT(Problems(), IsEmpty());
}

// --- a CA that an operator puts in the place of another one

TEST_F(Others, AReplacedCaIsTrustedUntilAllKnowTheNewOneAndForTheOverlapAfterIt) {
  MustRun();
  const std::string old_ca = Ca("ca.crt");
  const std::string old_leaf = Tls("tls.crt");
  const IssuedPair own = MakeForeign().ca;
  PutCa(false, own);
  MustRun();
  EXPECT_THAT(Bundles(), Each(own.certificate_pem + old_ca));
  EXPECT_EQ(Tls("tls.crt"), old_leaf) << "agents may not know the new CA yet";
  clock_.Advance(kHour - kSecond);
  MustRun();
  EXPECT_EQ(Tls("tls.crt"), old_leaf);
  clock_.Advance(2 * kSecond);
  MustRun();
  EXPECT_NE(Tls("tls.crt"), old_leaf);
  EXPECT_TRUE(Trusted(own.certificate_pem));
  EXPECT_THAT(Bundles(), Each(own.certificate_pem + old_ca)) << "a replica may serve the old one yet";
  clock_.Advance(kHour - kSecond);
  MustRun();
  EXPECT_THAT(Bundles(), Each(own.certificate_pem + old_ca));
  clock_.Advance(2 * kSecond);
  MustRun();
  EXPECT_THAT(Bundles(), Each(own.certificate_pem));
  EXPECT_EQ(Tls("previous-ca.crt"), "");
  std::size_t writes = Writes();
  MustRun();
  EXPECT_EQ(Writes(), writes);
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(Others, ACaReplacedTwiceIsAwaitedTwice) {
  MustRun();
  const std::string first_ca = Ca("ca.crt");
  const std::string old_leaf = Tls("tls.crt");
  PutCa(false, MakeForeign().ca);
  MustRun();
  clock_.Advance(kHour - kSecond);
  const IssuedPair last = MakeForeign().ca;
  PutCa(false, last);
  MustRun();
  clock_.Advance(2 * kSecond);
  MustRun();
  EXPECT_EQ(Tls("tls.crt"), old_leaf) << "the last one is known for a second only";
  EXPECT_THAT(Bundles(), Each(last.certificate_pem + first_ca));
  clock_.Advance(kHour);
  MustRun();
  EXPECT_TRUE(Trusted(last.certificate_pem));
}

TEST_F(Others, AReplacedCaIsNotAwaitedBeyondTheRenewalOfWhatIsServed) {
  MustRun();
  clock_.Advance(6 * kDay - kHour);
  PutCa(false, MakeForeign().ca);
  server_.Fail({.verb = "PATCH", .path = "/apis/admissionregistration", .status = 403, .times = 1000});
  const std::string old_leaf = Tls("tls.crt");
  (void)Run();
  clock_.Advance(kHour / 2);
  (void)Run();
  EXPECT_EQ(Tls("tls.crt"), old_leaf);
  clock_.Advance(kHour / 2);
  (void)Run();
  EXPECT_NE(Tls("tls.crt"), old_leaf);
}

TEST_F(Others, ACaThatIsReplacedByOneWithTheSameKeyNeedsNoOverlap) {
  MustRun();
  const IssuedPair ca{Ca("ca.crt"), Ca("ca.key")};
  auto key = crypto::PrivateKey::FromPem(ca.key_pem).value();
  auto again =
      crypto::IssueCa(
          {.common_name = "gatehouse CA", .not_before = clock_.Wall() - kHour, .not_after = clock_.Wall() + 100 * kDay},
          key)
          .value();
  PutCa(false, {crypto::ToPem(again), ca.key_pem});
  MustRun();
  EXPECT_THAT(Bundles(), Each(crypto::ToPem(again)));
  ExpectServed();
}

// --- what was lost

TEST_F(Others, ALostCaIsTrustedWhileWhatItSignedIsServed) {
  MustRun();
  const std::string old_ca = Ca("ca.crt");
  const std::string old_leaf = Tls("tls.crt");
  server_.Remove(kube::kSecrets, "gatehouse-ca", kNamespace);
  MustRun();
  const std::string new_ca = Ca("ca.crt");
  EXPECT_NE(new_ca, old_ca);
  EXPECT_THAT(Bundles(), Each(new_ca + old_ca));
  EXPECT_EQ(Tls("tls.crt"), old_leaf);
  clock_.Advance(kHour);
  MustRun();
  EXPECT_TRUE(Trusted(new_ca));
  EXPECT_THAT(Bundles(), Each(new_ca + old_ca));
  clock_.Advance(kHour);
  MustRun();
  EXPECT_THAT(Bundles(), Each(new_ca));
}

TEST_F(Others, ALostCaIsFoundInThePublicBundleToo) {
  MustRun();
  const std::string old_ca = Ca("ca.crt");
  PutTls(true, {Tls("tls.crt"), Tls("tls.key")});  // without ca.crt
  server_.Remove(kube::kSecrets, "gatehouse-ca", kNamespace);
  MustRun();
  EXPECT_THAT(Bundles(), Each(Ca("ca.crt") + old_ca));
}

// Who may write a ConfigMap shall not name CAs to the API server.
TEST_F(Others, ACaThatDidNotSignWhatIsServedIsNotTakenFromThePublicBundle) {
  MustRun();
  const std::string old_ca = Ca("ca.crt");
  const std::string theirs = MakeForeign().ca.certificate_pem;
  auto object = *server_.Find(kube::kConfigMaps, "gatehouse-public", kNamespace);
  object.Member("data").Member("ca.crt") = fakes::JsonValue::String(theirs + old_ca);
  server_.Put(object.Write());
  server_.Remove(kube::kSecrets, "gatehouse-ca", kNamespace);
  MustRun();
  EXPECT_THAT(Bundles(), Each(Ca("ca.crt") + old_ca));
}

TEST_F(Others, ACaOfTheirsThatBreaksDoesNotEmptyThePublicBundle) {
  MustRun();
  const std::string old_ca = Ca("ca.crt");
  PutSecret("gatehouse-ca", false, {{"ca.crt", "garbage"}});
  server_.Remove(kube::kSecrets, "gatehouse-tls", kNamespace);
  server_.Remove(kube::kSecrets, "gatehouse-attestation", kNamespace);  // so that N-public is written
  MustRun();
  EXPECT_EQ(Public("ca.crt"), old_ca);
  EXPECT_THAT(Problems(), Contains(HasSubstr("gatehouse-ca")));
}

}  // namespace
}  // namespace gatehouse::webhook
