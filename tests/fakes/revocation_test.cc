// CRLs and OCSP responses of the fakes under OpenSSL's own verifiers.
#include "tests/fakes/revocation.h"

#include <gtest/gtest.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include <memory>

namespace gatehouse::fakes {
namespace {

template <auto kFree>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using X509Owner = std::unique_ptr<X509, FreeWith<X509_free>>;
using Crl = std::unique_ptr<X509_CRL, FreeWith<X509_CRL_free>>;

X509Owner ToX509(const Bytes& der) {
  const unsigned char* at = der.data();
  return X509Owner(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

Crl ToCrl(const Bytes& der) {
  const unsigned char* at = der.data();
  return Crl(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
}

class Revocation : public ::testing::Test {
 protected:
  TestCa ca = TestCa::Root(CaSpec("ca"));
  TestCa other = TestCa::Root(CaSpec("other"));
  TestCertificate leaf = ca.Leaf(LeafSpec("leaf"));
  TestCertificate sibling = ca.Leaf(LeafSpec("sibling"));

  bool SignedBy(const Bytes& der, const TestCa& by) {
    return X509_CRL_verify(ToCrl(der).get(), X509_get0_pubkey(ToX509(by.der()).get())) == 1;
  }
  // V_OCSP_CERTSTATUS_*, or -1 if the response is not verified or not about the certificate.
  int Status(const Bytes& der, const crypto::Certificate& about, bool sha256 = false) {
    const unsigned char* at = der.data();
    const std::unique_ptr<OCSP_RESPONSE, FreeWith<OCSP_RESPONSE_free>> response(
        d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size())));
    const std::unique_ptr<OCSP_BASICRESP, FreeWith<OCSP_BASICRESP_free>> basic(
        OCSP_response_get1_basic(response.get()));
    if (!basic) return -1;
    const X509Owner issuer = ToX509(ca.der());
    const std::unique_ptr<X509_STORE, FreeWith<X509_STORE_free>> store(X509_STORE_new());
    X509_STORE_add_cert(store.get(), issuer.get());
    X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store.get()),
                               std::chrono::duration_cast<std::chrono::seconds>(kPkiNow.time_since_epoch()).count());
    const std::unique_ptr<STACK_OF(X509), FreeWith<sk_X509_free_all>> more(sk_X509_new_null());
    sk_X509_push(more.get(), issuer.get());
    if (OCSP_basic_verify(basic.get(), more.get(), store.get(), 0) != 1) return -1;
    const std::unique_ptr<OCSP_CERTID, FreeWith<OCSP_CERTID_free>> id(
        OCSP_cert_to_id(sha256 ? EVP_sha256() : EVP_sha1(), ToX509(about.Der()).get(), issuer.get()));
    int status = -1;
    OCSP_resp_find_status(basic.get(), id.get(), &status, nullptr, nullptr, nullptr, nullptr);
    return status;
  }
  static void sk_X509_free_all(STACK_OF(X509) * stack) { sk_X509_free(stack); }
};

TEST_F(Revocation, CrlIsSignedAndListsWhatItShould) {
  const Bytes der =
      MakeCrl(ca, {{.certificate = leaf.certificate, .reason = "keyCompromise", .invalid_since = kPkiNotBefore}});
  EXPECT_TRUE(SignedBy(der, ca));
  EXPECT_FALSE(SignedBy(MakeCrl(ca, {}, {.signed_by = &other}), ca));
  const Crl crl = ToCrl(der);
  X509_REVOKED* entry = nullptr;
  EXPECT_EQ(X509_CRL_get0_by_cert(crl.get(), &entry, ToX509(leaf.der).get()), 1);
  EXPECT_EQ(X509_REVOKED_get_ext_count(entry), 2);
  EXPECT_EQ(X509_CRL_get0_by_cert(crl.get(), &entry, ToX509(sibling.der).get()), 0);
  EXPECT_NE(X509_CRL_get0_nextUpdate(crl.get()), nullptr);
  EXPECT_EQ(X509_CRL_get0_nextUpdate(ToCrl(MakeCrl(ca, {}, {.next_update = std::nullopt})).get()), nullptr);
}

TEST_F(Revocation, DeltaAndPointersAreExtensions) {
  const Crl delta = ToCrl(MakeCrl(ca, {}, {.number = 8, .base_number = 7}));
  EXPECT_GE(X509_CRL_get_ext_by_NID(delta.get(), NID_delta_crl, -1), 0);
  const Crl base = ToCrl(
      MakeCrl(ca, {}, {.freshest_url = "http://crl.example/delta", .extensions = {{"1.2.3.4", "critical,DER:0500"}}}));
  EXPECT_GE(X509_CRL_get_ext_by_NID(base.get(), NID_freshest_crl, -1), 0);
  EXPECT_GE(X509_CRL_get_ext_by_critical(base.get(), 1, -1), 0);
  EXPECT_LT(X509_CRL_get_ext_by_NID(base.get(), NID_delta_crl, -1), 0);
  EXPECT_THROW((void)MakeCrl(ca, {{.certificate = leaf.certificate, .reason = "no such thing"}}),
               std::invalid_argument);
}

TEST_F(Revocation, OcspAnswersOfEveryStatusVerify) {
  using Wanted = OcspOptions::Status;
  EXPECT_EQ(Status(MakeOcspResponse(ca, leaf.certificate), leaf.certificate), V_OCSP_CERTSTATUS_GOOD);
  EXPECT_EQ(Status(MakeOcspResponse(ca, leaf.certificate, {.status = Wanted::kRevoked, .reason = "superseded"}),
                   leaf.certificate),
            V_OCSP_CERTSTATUS_REVOKED);
  EXPECT_EQ(Status(MakeOcspResponse(ca, leaf.certificate, {.status = Wanted::kUnknown}), leaf.certificate),
            V_OCSP_CERTSTATUS_UNKNOWN);
  EXPECT_EQ(Status(MakeOcspResponse(ca, leaf.certificate, {.sha256 = true}), leaf.certificate, true),
            V_OCSP_CERTSTATUS_GOOD);
  EXPECT_EQ(Status(MakeOcspResponse(ca, leaf.certificate, {.by_key = true}), leaf.certificate), V_OCSP_CERTSTATUS_GOOD);
  EXPECT_EQ(Status(MakeOcspResponse(ca, leaf.certificate, {.about_instead = &sibling}), leaf.certificate), -1);
  EXPECT_EQ(Status(MakeOcspResponse(ca, leaf.certificate, {.response_status = 6}), leaf.certificate), -1);
}

TEST_F(Revocation, OnlyADelegatedResponderMaySpeakForTheIssuer) {
  const TestCertificate responder = ca.Leaf(OcspResponderSpec());
  const TestCertificate stranger = other.Leaf(OcspResponderSpec());
  EXPECT_EQ(Status(MakeOcspResponse(ca, leaf.certificate, {.responder = &responder}), leaf.certificate),
            V_OCSP_CERTSTATUS_GOOD);
  EXPECT_EQ(Status(MakeOcspResponse(ca, leaf.certificate, {.responder = &stranger}), leaf.certificate), -1);
  EXPECT_EQ(Status(MakeOcspResponse(ca, leaf.certificate, {.responder = &sibling}), leaf.certificate), -1);
  EXPECT_EQ(Status(MakeOcspResponse(ca, leaf.certificate, {.responder = &responder, .embed_responder = false}),
                   leaf.certificate),
            -1);
}

TEST_F(Revocation, RequestsAreReadBack) {
  const std::unique_ptr<OCSP_REQUEST, FreeWith<OCSP_REQUEST_free>> request(OCSP_REQUEST_new());
  OCSP_request_add0_id(request.get(), OCSP_cert_to_id(EVP_sha1(), ToX509(leaf.der).get(), ToX509(ca.der()).get()));
  unsigned char* encoded = nullptr;
  const int size = i2d_OCSP_REQUEST(request.get(), &encoded);
  const Bytes der(encoded, encoded + size);
  OPENSSL_free(encoded);
  EXPECT_EQ(OcspRequestSerials(der), std::vector<std::string>{SerialOf(leaf.certificate)});
  EXPECT_TRUE(OcspRequestSerials(Bytes{1, 2, 3}).empty());
}

}  // namespace
}  // namespace gatehouse::fakes
