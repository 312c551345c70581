#include "tests/fakes/timestamp_authority.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/ess.h>
#include <openssl/pem.h>
#include <openssl/ts.h>
#include <openssl/x509.h>

#include <array>
#include <memory>
#include <stdexcept>

#include "common/crypto/hash.h"

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
using Cms = std::unique_ptr<CMS_ContentInfo, FreeWith<CMS_ContentInfo_free>>;
using TstInfo = std::unique_ptr<TS_TST_INFO, FreeWith<TS_TST_INFO_free>>;
using Object = std::unique_ptr<ASN1_OBJECT, FreeWith<ASN1_OBJECT_free>>;
using Integer = std::unique_ptr<ASN1_INTEGER, FreeWith<ASN1_INTEGER_free>>;

void Must(bool succeeded, const std::string& what) {
  if (succeeded) return;
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_peek_last_error(), text.data(), text.size());
  throw std::runtime_error("test timestamp authority: " + what + ": " + text.data());
}

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

const EVP_MD* ToMd(HashAlgorithm hash) {
  return EVP_get_digestbyname(std::string(Name(hash)).c_str());
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

Bytes Der(std::uint8_t tag, BytesView content) {
  Bytes out{tag};
  if (content.size() >= 0x1'0000) {
    out.push_back(0x83);
    out.push_back(static_cast<std::uint8_t>(content.size() >> 16U));
    out.push_back(static_cast<std::uint8_t>(content.size() >> 8U & 0xFFU));
  } else if (content.size() >= 0x100) {
    out.push_back(0x82);
    out.push_back(static_cast<std::uint8_t>(content.size() >> 8U));
  } else if (content.size() >= 0x80) {
    out.push_back(0x81);
  }
  out.push_back(static_cast<std::uint8_t>(content.size() & 0xFFU));
  Append(out, content);
  return out;
}

Integer ToInteger(std::uint64_t value) {
  Integer integer(ASN1_INTEGER_new());
  Must(integer && ASN1_INTEGER_set_uint64(integer.get(), value) == 1, "integer");
  return integer;
}

// GeneralizedTime as RFC 3161 section 2.4.2 has it: fractions without trailing zeros.
void SetTime(TS_TST_INFO* info, WallTime at) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at);
  const std::unique_ptr<ASN1_GENERALIZEDTIME, FreeWith<ASN1_GENERALIZEDTIME_free>> time(
      ASN1_GENERALIZEDTIME_adj(nullptr, seconds.time_since_epoch().count(), 0, 0));
  Must(time != nullptr, "time");
  if (const auto rest = (at - seconds).count(); rest != 0) {
    std::string text(
        AsText({ASN1_STRING_get0_data(time.get()), static_cast<std::size_t>(ASN1_STRING_length(time.get()))}));
    std::string fraction = std::to_string(1000 + rest).substr(1);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    text.insert(text.size() - 1, "." + fraction);
    Must(ASN1_STRING_set(time.get(), text.data(), static_cast<int>(text.size())) == 1, "time");
  }
  Must(TS_TST_INFO_set_time(info, time.get()) == 1, "time");
}

Bytes MakeTstInfo(BytesView message, const StampOptions& options) {
  const TstInfo info(TS_TST_INFO_new());
  const Object policy(OBJ_txt2obj("1.3.6.1.4.1.57264.2", 1));
  Must(info && policy && TS_TST_INFO_set_version(info.get(), options.version) == 1 &&
           TS_TST_INFO_set_policy_id(info.get(), policy.get()) == 1,
       "TSTInfo");
  Bytes imprint = options.imprint_instead.value_or(crypto::Hash(options.imprint, message));
  const std::unique_ptr<TS_MSG_IMPRINT, FreeWith<TS_MSG_IMPRINT_free>> hashed(TS_MSG_IMPRINT_new());
  const std::unique_ptr<X509_ALGOR, FreeWith<X509_ALGOR_free>> algorithm(X509_ALGOR_new());
  Must(hashed && algorithm, "memory");
  X509_ALGOR_set_md(algorithm.get(), ToMd(options.imprint));
  Must(TS_MSG_IMPRINT_set_algo(hashed.get(), algorithm.get()) == 1 &&
           TS_MSG_IMPRINT_set_msg(hashed.get(), imprint.data(), static_cast<int>(imprint.size())) == 1 &&
           TS_TST_INFO_set_msg_imprint(info.get(), hashed.get()) == 1,
       "imprint");
  Must(TS_TST_INFO_set_serial(info.get(), ToInteger(4711).get()) == 1, "serial");
  SetTime(info.get(), options.at);
  if (options.nonce) Must(TS_TST_INFO_set_nonce(info.get(), ToInteger(*options.nonce).get()) == 1, "nonce");
  if (options.accuracy_seconds) {
    const std::unique_ptr<TS_ACCURACY, FreeWith<TS_ACCURACY_free>> accuracy(TS_ACCURACY_new());
    const Integer seconds = ToInteger(static_cast<std::uint64_t>(*options.accuracy_seconds));
    Must(accuracy && TS_ACCURACY_set_seconds(accuracy.get(), seconds.get()) == 1 &&
             TS_TST_INFO_set_accuracy(info.get(), accuracy.get()) == 1,
         "accuracy");
  }
  Bytes der = Encode<TS_TST_INFO>(i2d_TS_TST_INFO, info.get());
  if (options.edit) options.edit(der);
  return der;
}

void AddSigningCertificate(CMS_SignerInfo* signer, const X509* certificate, bool v1) {
  Bytes der;
  if (v1) {
    const std::unique_ptr<ESS_SIGNING_CERT, FreeWith<ESS_SIGNING_CERT_free>> attribute(
        OSSL_ESS_signing_cert_new_init(certificate, nullptr, 1));
    der = Encode<ESS_SIGNING_CERT>(i2d_ESS_SIGNING_CERT, attribute.get());
  } else {
    const std::unique_ptr<ESS_SIGNING_CERT_V2, FreeWith<ESS_SIGNING_CERT_V2_free>> attribute(
        OSSL_ESS_signing_cert_v2_new_init(EVP_sha256(), certificate, nullptr, 1));
    der = Encode<ESS_SIGNING_CERT_V2>(i2d_ESS_SIGNING_CERT_V2, attribute.get());
  }
  Must(CMS_signed_add1_attr_by_NID(signer,
                                   v1 ? NID_id_smime_aa_signingCertificate : NID_id_smime_aa_signingCertificateV2,
                                   V_ASN1_SEQUENCE, der.data(), static_cast<int>(der.size())) == 1,
       "signing certificate attribute");
}

}  // namespace

FakeTimestampAuthority::FakeTimestampAuthority(const Options& options)
    : options_(options),
      root_(TestCa::Root(CaSpec("timestamp root").Valid(options.not_before, options.not_after))),
      intermediate_(root_.Intermediate(CaSpec("timestamp intermediate").Valid(options.not_before, options.not_after))),
      signer_([&] {
        CertificateSpec spec = options.signer.With("extendedKeyUsage", options.extended_key_usage);
        spec.key_type = options.key_type;
        return intermediate_.Leaf(spec);
      }()) {}

crypto::TimestampAuthority FakeTimestampAuthority::Trust(bool pinned) const {
  crypto::TimestampAuthority trust{.roots = {root_.certificate()}, .intermediates = {intermediate_.certificate()}};
  if (pinned) trust.leaf = signer_.certificate;
  return trust;
}

// CMS rather than TS_RESP_create_response, which refuses to sign with certificates that we want to be refused later.
Bytes FakeTimestampAuthority::Stamp(BytesView message, const StampOptions& options) const {
  ERR_set_mark();
  const Bytes info = MakeTstInfo(message, options);
  const Memory content(BIO_new_mem_buf(info.data(), static_cast<int>(info.size())));
  constexpr unsigned kFlags = CMS_BINARY | CMS_PARTIAL | CMS_NOCERTS | CMS_NOSMIMECAP;
  const Cms cms(CMS_sign(nullptr, nullptr, nullptr, nullptr, kFlags));
  const Object type(OBJ_txt2obj(options.content_type.c_str(), 1));
  Must(cms && type && CMS_set1_eContentType(cms.get(), type.get()) == 1, "SignedData");

  const X509Owner signer = ToX509(signer_.der);
  const X509Owner other = ToX509(intermediate_.der());
  const Pkey key = ToPkey(*signer_.key);
  for (int i = 0; i < (options.two_signers ? 2 : 1); ++i) {
    CMS_SignerInfo* made = CMS_add1_signer(cms.get(), signer.get(), key.get(), ToMd(options.hash), kFlags);
    Must(made != nullptr, "signer");
    using SigningCertificate = StampOptions::SigningCertificate;
    if (options.signing_certificate != SigningCertificate::kNone) {
      AddSigningCertificate(made,
                            options.signing_certificate == SigningCertificate::kOfAnother ? other.get() : signer.get(),
                            options.signing_certificate == SigningCertificate::kV1);
    }
  }
  if (options.embed_certificates) {
    Must(CMS_add1_cert(cms.get(), signer.get()) == 1 && CMS_add1_cert(cms.get(), other.get()) == 1, "certificates");
  }
  for (const Bytes& more : options.more_certificates) {
    Must(CMS_add1_cert(cms.get(), ToX509(more).get()) == 1, "certificates");
  }
  Must(CMS_final(cms.get(), content.get(), nullptr, kFlags) == 1, "signing");
  Bytes token = Encode<CMS_ContentInfo>(i2d_CMS_ContentInfo, cms.get());
  ERR_pop_to_mark();
  if (options.bare) return token;
  Bytes response = Der(0x30, Der(0x02, Bytes{static_cast<std::uint8_t>(options.status)}));
  Append(response, token);
  return Der(0x30, response);
}

}  // namespace gatehouse::fakes
