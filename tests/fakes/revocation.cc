#include "tests/fakes/revocation.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>
#include <stdexcept>

namespace gatehouse::fakes {
namespace {

template <auto kFree>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Pkey = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using X509Owner = std::unique_ptr<X509, FreeWith<X509_free>>;
using Memory = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;
using Integer = std::unique_ptr<ASN1_INTEGER, FreeWith<ASN1_INTEGER_free>>;
using GeneralTime = std::unique_ptr<ASN1_GENERALIZEDTIME, FreeWith<ASN1_GENERALIZEDTIME_free>>;
using Time = std::unique_ptr<ASN1_TIME, FreeWith<ASN1_TIME_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>>;

void Must(bool succeeded, const std::string& what) {
  if (succeeded) return;
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_peek_last_error(), text.data(), text.size());
  throw std::runtime_error("test revocation: " + what + ": " + text.data());
}

// What the making leaves in OpenSSL's error queue is not the code's under test.
struct Quiet {
  Quiet() { ERR_set_mark(); }
  ~Quiet() { ERR_pop_to_mark(); }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;
};

X509Owner ToX509(const Bytes& der) {
  const unsigned char* at = der.data();
  X509Owner x509(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  Must(x509 != nullptr, "certificate");
  return x509;
}

Pkey ToPkey(const crypto::PrivateKey& key) {
  const std::string pem = key.Pem();
  const Memory memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Pkey pkey(PEM_read_bio_PrivateKey(memory.get(), nullptr, nullptr, nullptr));
  Must(pkey != nullptr, "key");
  return pkey;
}

const EVP_MD* ToMd(HashAlgorithm hash, const crypto::PrivateKey& key) {
  if (key.Public().type() == crypto::KeyType::kEd25519) return nullptr;
  return EVP_get_digestbyname(std::string(Name(hash)).c_str());
}

std::int64_t Seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

Time ToTime(WallTime time) {
  Time made(ASN1_TIME_adj(nullptr, Seconds(time), 0, 0));
  Must(made != nullptr, "time");
  return made;
}

GeneralTime ToGeneralTime(WallTime time) {
  GeneralTime made(ASN1_GENERALIZEDTIME_adj(nullptr, Seconds(time), 0, 0));
  Must(made != nullptr, "time");
  return made;
}

Integer ToInteger(std::uint64_t value) {
  Integer integer(ASN1_INTEGER_new());
  Must(integer && ASN1_INTEGER_set_uint64(integer.get(), value) == 1, "integer");
  return integer;
}

// RFC 5280 section 5.3.1.
int ReasonCode(const std::string& reason) {
  constexpr std::array<const char*, 11> kReasons{
      "unspecified",     "keyCompromise", "cACompromise",  "affiliationChanged", "superseded",  "cessationOfOperation",
      "certificateHold", "7 is not used", "removeFromCRL", "privilegeWithdrawn", "aACompromise"};
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    if (reason == kReasons.at(i)) return static_cast<int>(i);
  }
  throw std::invalid_argument("no such reason: " + reason);
}

void AddRevoked(X509_CRL* crl, const RevokedCertificate& each) {
  const X509Owner x509 = ToX509(each.certificate.Der());
  X509_REVOKED* entry = X509_REVOKED_new();
  Must(entry != nullptr && X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(x509.get())) == 1 &&
           X509_REVOKED_set_revocationDate(entry, ToTime(each.at).get()) == 1,
       "entry");
  if (!each.reason.empty()) {
    const std::unique_ptr<ASN1_ENUMERATED, FreeWith<ASN1_ENUMERATED_free>> reason(ASN1_ENUMERATED_new());
    Must(reason && ASN1_ENUMERATED_set(reason.get(), ReasonCode(each.reason)) == 1 &&
             X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason.get(), 0, 0) == 1,
         "reason");
  }
  if (each.invalid_since) {
    const GeneralTime since = ToGeneralTime(*each.invalid_since);
    Must(X509_REVOKED_add1_ext_i2d(entry, NID_invalidity_date, since.get(), 0, 0) == 1, "invalidityDate");
  }
  Must(X509_CRL_add0_revoked(crl, entry) == 1, "entry");
}

void AddExtensions(X509_CRL* crl, X509* issuer, const CrlOptions& options) {
  Must(X509_CRL_add1_ext_i2d(crl, NID_crl_number, ToInteger(options.number).get(), 0, 0) == 1, "number");
  if (options.base_number) {
    Must(X509_CRL_add1_ext_i2d(crl, NID_delta_crl, ToInteger(*options.base_number).get(), 1, 0) == 1, "base");
  }
  std::map<std::string, std::string> all = options.extensions;
  all.emplace("authorityKeyIdentifier", "keyid:always");
  if (!options.freshest_url.empty()) all.emplace("freshestCRL", "URI:" + options.freshest_url);
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, nullptr, nullptr, crl, 0);
  X509V3_set_nconf(&context, nullptr);
  const std::unique_ptr<CONF, FreeWith<NCONF_free>> sections(NCONF_new(nullptr));
  for (const auto& [name, value] : all) {
    if (value.empty()) continue;
    const Extension extension(X509V3_EXT_nconf(sections.get(), &context, name.c_str(), value.c_str()));
    Must(extension && X509_CRL_add_ext(crl, extension.get(), -1) == 1, name + " = " + value);
  }
}

template <typename T>
Bytes Encode(int (*i2d)(const T*, unsigned char**), const T* object) {
  unsigned char* encoded = nullptr;
  const int size = i2d(object, &encoded);
  Must(size > 0, "encoding");
  Bytes der(encoded, encoded + size);
  OPENSSL_free(encoded);
  return der;
}

void AddAnswer(OCSP_BASICRESP* basic, const TestCa& issuer, const crypto::Certificate& certificate,
               const OcspOptions& options) {
  const X509Owner subject = ToX509(options.about_instead != nullptr ? options.about_instead->der : certificate.Der());
  const X509Owner ca = ToX509(options.issuer_instead != nullptr ? options.issuer_instead->der() : issuer.der());
  const std::unique_ptr<OCSP_CERTID, FreeWith<OCSP_CERTID_free>> id(
      OCSP_cert_to_id(options.sha256 ? EVP_sha256() : EVP_sha1(), subject.get(), ca.get()));
  Must(id != nullptr, "CertID");
  const Time this_update = ToTime(options.this_update);
  const Time next_update = options.next_update ? ToTime(*options.next_update) : nullptr;
  const Time revoked_at = ToTime(options.revoked_at);
  const bool revoked = options.status == OcspOptions::Status::kRevoked;
  const int reason = options.reason.empty() ? OCSP_REVOKED_STATUS_NOSTATUS : ReasonCode(options.reason);
  OCSP_SINGLERESP* single =
      OCSP_basic_add1_status(basic, id.get(), static_cast<int>(options.status), revoked ? reason : 0,
                             revoked ? revoked_at.get() : nullptr, this_update.get(), next_update.get());
  Must(single != nullptr, "answer");
  if (options.invalid_since) {
    const GeneralTime since = ToGeneralTime(*options.invalid_since);
    Must(OCSP_SINGLERESP_add1_ext_i2d(single, NID_invalidity_date, since.get(), 0, 0) == 1, "invalidityDate");
  }
}

std::string SerialText(const ASN1_INTEGER* serial) {
  const std::unique_ptr<BIGNUM, FreeWith<BN_free>> number(ASN1_INTEGER_to_BN(serial, nullptr));
  char* text = BN_bn2hex(number.get());
  std::string hex = text;
  OPENSSL_free(text);
  return hex;
}

}  // namespace

Bytes MakeCrl(const TestCa& issuer, const std::vector<RevokedCertificate>& revoked, const CrlOptions& options) {
  const Quiet quiet;
  const std::unique_ptr<X509_CRL, FreeWith<X509_CRL_free>> crl(X509_CRL_new());
  const X509Owner ca = ToX509(issuer.der());
  const X509Owner named = ToX509(options.issuer_name_of != nullptr ? options.issuer_name_of->der() : issuer.der());
  Must(crl && X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2) == 1 &&
           X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(named.get())) == 1 &&
           X509_CRL_set1_lastUpdate(crl.get(), ToTime(options.this_update).get()) == 1,
       "CRL");
  if (options.next_update) {
    Must(X509_CRL_set1_nextUpdate(crl.get(), ToTime(*options.next_update).get()) == 1, "nextUpdate");
  }
  for (const RevokedCertificate& each : revoked) AddRevoked(crl.get(), each);
  X509_CRL_sort(crl.get());
  AddExtensions(crl.get(), ca.get(), options);
  const crypto::PrivateKey& key = options.signed_by != nullptr ? options.signed_by->key() : issuer.key();
  Must(X509_CRL_sign(crl.get(), ToPkey(key).get(), ToMd(options.hash, key)) > 0, "signing");
  return Encode<X509_CRL>(i2d_X509_CRL, crl.get());
}

Bytes MakeOcspResponse(const TestCa& issuer, const crypto::Certificate& certificate, const OcspOptions& options) {
  const Quiet quiet;
  using Response = std::unique_ptr<OCSP_RESPONSE, FreeWith<OCSP_RESPONSE_free>>;
  if (options.response_status != 0) {
    const Response refusal(OCSP_response_create(options.response_status, nullptr));
    return Encode<OCSP_RESPONSE>(i2d_OCSP_RESPONSE, refusal.get());
  }
  const std::unique_ptr<OCSP_BASICRESP, FreeWith<OCSP_BASICRESP_free>> basic(OCSP_BASICRESP_new());
  Must(basic != nullptr, "response");
  AddAnswer(basic.get(), issuer, certificate, options);
  // The field of a response that is being made: OpenSSL has no way to set it but by the machine's clock.
  auto* produced = const_cast<ASN1_GENERALIZEDTIME*>(OCSP_resp_get0_produced_at(basic.get()));
  Must(ASN1_GENERALIZEDTIME_adj(produced, Seconds(options.this_update), 0, 0) != nullptr, "producedAt");
  const bool delegated = options.responder != nullptr;
  const X509Owner signer = ToX509(delegated ? options.responder->der : issuer.der());
  const crypto::PrivateKey& key = delegated ? options.responder->key.value() : issuer.key();
  unsigned long flags = OCSP_NOTIME;
  // The issuer's own certificate is never sent: whoever asks has it.
  if (!delegated || !options.embed_responder) flags |= OCSP_NOCERTS;
  if (options.by_key) flags |= OCSP_RESPID_KEY;
  Must(OCSP_basic_sign(basic.get(), signer.get(), ToPkey(key).get(), ToMd(HashAlgorithm::kSha256, key), nullptr,
                       flags) == 1,
       "signing");
  const Response response(OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get()));
  Must(response != nullptr, "response");
  return Encode<OCSP_RESPONSE>(i2d_OCSP_RESPONSE, response.get());
}

CertificateSpec OcspResponderSpec(const std::string& common_name) {
  return LeafSpec(common_name).With("extendedKeyUsage", "OCSPSigning").With("noCheck", "ignored");
}

std::vector<std::string> OcspRequestSerials(BytesView request) {
  const Quiet quiet;
  const unsigned char* at = request.data();
  const std::unique_ptr<OCSP_REQUEST, FreeWith<OCSP_REQUEST_free>> parsed(
      d2i_OCSP_REQUEST(nullptr, &at, static_cast<long>(request.size())));
  std::vector<std::string> serials;
  if (!parsed || at != request.data() + request.size()) return serials;
  for (int i = 0; i < OCSP_request_onereq_count(parsed.get()); ++i) {
    ASN1_INTEGER* serial = nullptr;
    OCSP_CERTID* id = OCSP_onereq_get0_id(OCSP_request_onereq_get0(parsed.get(), i));
    Must(OCSP_id_get0_info(nullptr, nullptr, nullptr, &serial, id) == 1, "CertID");
    serials.push_back(SerialText(serial));
  }
  return serials;
}

std::string SerialOf(const crypto::Certificate& certificate) {
  return SerialText(X509_get0_serialNumber(ToX509(certificate.Der()).get()));
}

}  // namespace gatehouse::fakes
