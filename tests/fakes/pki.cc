#include "tests/fakes/pki.h"

#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>
#include <stdexcept>

#include "common/codec/pem.h"

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
using Extensions = std::map<std::string, std::string>;

// A fault of the test that asks, so it may be loud.
void Must(bool succeeded, const std::string& what) {
  if (succeeded) return;
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_peek_last_error(), text.data(), text.size());
  throw std::runtime_error("test PKI: " + what + ": " + text.data());
}

Memory ReadOnly(std::string_view text) {
  Memory memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  Must(memory != nullptr, "memory");
  return memory;
}

Pkey ToPkey(const crypto::PrivateKey& key) {
  const std::string pem = key.Pem();
  Pkey pkey(PEM_read_bio_PrivateKey(ReadOnly(pem).get(), nullptr, nullptr, nullptr));
  Must(pkey != nullptr, "private key");
  return pkey;
}

Pkey ToPkey(const crypto::PublicKey& key) {
  const Bytes spki = key.Spki();
  const unsigned char* at = spki.data();
  Pkey pkey(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  Must(pkey != nullptr, "public key");
  return pkey;
}

const EVP_MD* ToMd(HashAlgorithm hash) {
  const EVP_MD* md = EVP_get_digestbyname(std::string(Name(hash)).c_str());
  Must(md != nullptr, "digest");
  return md;
}

void SetTime(ASN1_TIME* time, WallTime to) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(to).time_since_epoch().count();
  Must(ASN1_TIME_adj(time, seconds, 0, 0) != nullptr, "time");
}

void AddName(X509* x509, const char* attribute, const std::string& value) {
  if (value.empty()) return;
  const Bytes bytes = ToBytes(value);
  Must(X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), attribute, MBSTRING_UTF8, bytes.data(),
                                  static_cast<int>(bytes.size()), -1, 0) == 1,
       "name");
}

void AddExtensions(X509* x509, X509* issuer, Extensions extensions, const CertificateSpec& spec) {
  for (const auto& [name, value] : spec.extensions) extensions[name] = value;
  const std::unique_ptr<CONF, FreeWith<NCONF_free>> sections(NCONF_new(nullptr));
  long line = 0;
  Must(NCONF_load_bio(sections.get(), ReadOnly(spec.sections).get(), &line) == 1 || spec.sections.empty(), "sections");
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, x509, nullptr, nullptr, 0);
  X509V3_set_nconf(&context, sections.get());
  for (const auto& [name, value] : extensions) {
    if (value.empty()) continue;
    const std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>> extension(
        X509V3_EXT_nconf(sections.get(), &context, name.c_str(), value.c_str()));
    Must(extension != nullptr, name + " = " + value);
    Must(X509_add_ext(x509, extension.get(), -1) == 1, name);
  }
}

void SignWith(X509* x509, EVP_PKEY* key, const CertificateSpec& spec) {
  const std::unique_ptr<EVP_MD_CTX, FreeWith<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* settings = nullptr;
  const EVP_MD* md = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? nullptr : ToMd(spec.hash);
  Must(EVP_DigestSignInit(context.get(), &settings, md, nullptr, key) == 1, "signing");
  if (spec.rsa_pss) {
    Must(EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) == 1,
         "RSASSA-PSS");
  }
  Must(X509_sign_ctx(x509, context.get()) > 0, "signing");
}

TestCertificate Finish(X509* x509, std::optional<crypto::PrivateKey> key) {
  unsigned char* encoded = nullptr;
  const int size = i2d_X509(x509, &encoded);
  Must(size > 0, "encoding");
  Bytes der(encoded, encoded + size);
  OPENSSL_free(encoded);
  Result<crypto::Certificate> certificate = crypto::Certificate::FromDer(der);
  Must(certificate.ok(), "the certificate does not parse");
  std::string pem = codec::EncodePem("CERTIFICATE", der);
  return TestCertificate{*std::move(certificate), std::move(key), std::move(pem), std::move(der)};
}

// Without an issuer the certificate is signed by its own key.
TestCertificate Issue(const CertificateSpec& spec, Extensions role, const TestCa* issuer) {
  // What the making of a certificate leaves in OpenSSL's error queue is not the code's under test.
  struct Quiet {
    Quiet() { ERR_set_mark(); }
    ~Quiet() { ERR_pop_to_mark(); }
  } const quiet;
  std::optional<crypto::PrivateKey> key = spec.key;
  if (!key && !spec.public_key) key = crypto::PrivateKey::Generate(spec.key_type, spec.rsa_bits).value();
  const X509Owner x509(X509_new());
  Must(x509 != nullptr && X509_set_version(x509.get(), X509_VERSION_3) == 1, "memory");
  std::array<unsigned char, 16> serial{};
  Must(RAND_bytes(serial.data(), static_cast<int>(serial.size())) == 1, "serial");
  serial[0] = static_cast<unsigned char>((serial[0] & 0x7F) | 0x40);  // positive, and of a constant length
  const std::unique_ptr<BIGNUM, FreeWith<BN_free>> number(
      BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr));
  Must(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x509.get())) != nullptr, "serial");
  SetTime(X509_getm_notBefore(x509.get()), spec.not_before);
  SetTime(X509_getm_notAfter(x509.get()), spec.not_after);
  for (const auto& [attribute, value] : spec.subject) AddName(x509.get(), attribute.c_str(), value);
  AddName(x509.get(), "O", spec.organization);
  AddName(x509.get(), "CN", spec.common_name);
  const Pkey subject_key = spec.public_key ? ToPkey(*spec.public_key) : ToPkey(key->Public());
  Must(X509_set_pubkey(x509.get(), subject_key.get()) == 1, "public key");

  X509Owner issuer_x509;
  if (issuer != nullptr) {
    const unsigned char* at = issuer->der().data();
    issuer_x509.reset(d2i_X509(nullptr, &at, static_cast<long>(issuer->der().size())));
    Must(issuer_x509 != nullptr, "issuer");
  }
  X509* const signer = issuer_x509 ? issuer_x509.get() : x509.get();
  Must(X509_set_issuer_name(x509.get(), X509_get_subject_name(signer)) == 1, "issuer");
  AddExtensions(x509.get(), signer, std::move(role), spec);
  SignWith(x509.get(), ToPkey(issuer != nullptr ? issuer->key() : key.value()).get(), spec);
  return Finish(x509.get(), std::move(key));
}

Extensions CaRole(bool root) {
  Extensions role{{"basicConstraints", "critical,CA:TRUE"},
                  {"keyUsage", "critical,keyCertSign,cRLSign"},
                  {"subjectKeyIdentifier", "hash"}};
  if (!root) role["authorityKeyIdentifier"] = "keyid:always";
  return role;
}

Extensions LeafRole(bool self_signed) {
  Extensions role{{"basicConstraints", "critical,CA:FALSE"},
                  {"keyUsage", "critical,digitalSignature"},
                  {"subjectKeyIdentifier", "hash"}};
  if (!self_signed) role["authorityKeyIdentifier"] = "keyid:always";
  return role;
}

}  // namespace

CertificateSpec CertificateSpec::With(const std::string& extension, const std::string& value) const {
  CertificateSpec copy = *this;
  copy.extensions[extension] = value;
  return copy;
}

CertificateSpec CertificateSpec::Valid(WallTime from, WallTime until) const {
  CertificateSpec copy = *this;
  copy.not_before = from;
  copy.not_after = until;
  return copy;
}

CertificateSpec LeafSpec(const std::string& common_name) {
  return CertificateSpec{.common_name = common_name, .organization = ""};
}

CertificateSpec CaSpec(const std::string& common_name) {
  return CertificateSpec{.common_name = common_name, .organization = "Gatehouse tests"};
}

TestCa TestCa::Root(const CertificateSpec& spec) {
  return TestCa(Issue(spec, CaRole(true), nullptr));
}

TestCa TestCa::Intermediate(const CertificateSpec& spec) const {
  return TestCa(Issue(spec, CaRole(false), this));
}

TestCertificate TestCa::Leaf(const CertificateSpec& spec) const {
  return Issue(spec, LeafRole(false), this);
}

TestCertificate TestCa::SelfSignedLeaf(const CertificateSpec& spec) {
  return Issue(spec, LeafRole(true), nullptr);
}

}  // namespace gatehouse::fakes
