// The certificates of FakeSigstore: what Fulcio issues, with signed certificate timestamps over the true
// precertificate.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>

#include "common/base/encoding.h"
#include "common/codec/pem.h"
#include "tests/fakes/sigstore.h"

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

void Must(bool succeeded, const char* what) {
  if (!succeeded) throw std::runtime_error(std::string("test Sigstore: ") + what);
}

Bytes Encode(int (*i2d)(X509*, unsigned char**), X509* x509) {
  unsigned char* encoded = nullptr;
  const int size = i2d(x509, &encoded);
  Must(size > 0, "encoding");
  Bytes der(encoded, encoded + size);
  OPENSSL_free(encoded);
  return der;
}

Bytes DerString(std::uint8_t tag, BytesView content) {
  Bytes out{tag};
  if (content.size() >= 0x100) {
    out.push_back(0x82);
    out.push_back(static_cast<std::uint8_t>(content.size() >> 8U));
  } else if (content.size() >= 0x80) {
    out.push_back(0x81);
  }
  out.push_back(static_cast<std::uint8_t>(content.size() & 0xFFU));
  Append(out, content);
  return out;
}

std::string DerExtension(BytesView value) {
  return "DER:" + EncodeHex(value);
}

constexpr std::uint8_t kUtf8String = 0x0C;
constexpr std::uint8_t kOctetString = 0x04;

// fulcio/docs/oid-info.md: 1 to 6 are raw text, later ones DER.
std::string ClaimValue(int number, const std::string& text) {
  return DerExtension(number <= 6 ? ToBytes(text) : DerString(kUtf8String, AsBytes(text)));
}

CertificateSpec SpecOf(const LeafOptions& options, WallTime at, const TestCa& ca) {
  CertificateSpec spec;
  spec.key_type = options.key_type;
  spec.key = options.key;
  spec.not_before = at;
  spec.not_after = at + options.lifetime;
  if (ca.key().Public().type() == crypto::KeyType::kEcP384) spec.hash = HashAlgorithm::kSha384;
  if (!options.names.empty()) spec.extensions["subjectAltName"] = "critical," + options.names;
  spec.extensions["extendedKeyUsage"] = options.extended_key_usage;
  const std::string oid(kFulcioOid);
  const std::string v1 = options.issuer_v1.value_or(options.issuer);
  if (!v1.empty()) spec.extensions[oid + "1"] = ClaimValue(1, v1);
  if (!options.issuer.empty()) spec.extensions[oid + "8"] = ClaimValue(8, options.issuer);
  for (const auto& [number, text] : options.claims) {
    spec.extensions[oid + std::to_string(number)] = ClaimValue(number, text);
  }
  for (const auto& [name, value] : options.extensions) spec.extensions[name] = value;
  return spec;
}

// Adds the list and signs again: what was signed without it is what RFC 6962 section 3.2 reconstructs.
TestCertificate WithList(const TestCertificate& leaf, const TestCa& ca, BytesView list, bool first) {
  const unsigned char* at = leaf.der.data();
  const X509Owner x509(d2i_X509(nullptr, &at, static_cast<long>(leaf.der.size())));
  const Bytes inner = DerString(kOctetString, list);
  const std::unique_ptr<ASN1_OCTET_STRING, FreeWith<ASN1_OCTET_STRING_free>> value(ASN1_OCTET_STRING_new());
  Must(x509 && value && ASN1_OCTET_STRING_set(value.get(), inner.data(), static_cast<int>(inner.size())) == 1, "list");
  const std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>> extension(
      X509_EXTENSION_create_by_NID(nullptr, NID_ct_precert_scts, 0, value.get()));
  Must(extension && X509_add_ext(x509.get(), extension.get(), first ? 0 : -1) == 1, "list");
  const std::string pem = ca.key().Pem();
  const Memory memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Pkey key(PEM_read_bio_PrivateKey(memory.get(), nullptr, nullptr, nullptr));
  Must(key != nullptr, "key");
  const crypto::KeyType type = ca.key().Public().type();
  const EVP_MD* md = type == crypto::KeyType::kEd25519  ? nullptr
                     : type == crypto::KeyType::kEcP384 ? EVP_sha384()
                                                        : EVP_sha256();
  Must(X509_sign(x509.get(), key.get(), md) > 0, "signing");
  Bytes der = Encode([](X509* from, unsigned char** to) { return i2d_X509(from, to); }, x509.get());
  auto certificate = crypto::Certificate::FromDer(der);
  Must(certificate.ok(), "the certificate does not parse");
  return {*std::move(certificate), leaf.key, codec::EncodePem("CERTIFICATE", der), std::move(der)};
}

}  // namespace

TestCertificate FakeSigstore::Issue(const LeafOptions& options) const {
  const TestCa& ca = options.issuer_ca != nullptr ? *options.issuer_ca : intermediate_;
  const WallTime at = options.at.value_or(now);
  const TestCertificate leaf = ca.Leaf(SpecOf(options, at, ca));
  const std::vector<SctOptions> wanted = options.scts.value_or(std::vector<SctOptions>(options_.private_ca ? 0 : 1));
  if (wanted.empty()) return leaf;

  ERR_set_mark();
  const unsigned char* from = leaf.der.data();
  const X509Owner precertificate(d2i_X509(nullptr, &from, static_cast<long>(leaf.der.size())));
  Must(precertificate != nullptr, "precertificate");
  const Bytes tbs = Encode(i2d_re_X509_tbs, precertificate.get());
  ByteWriter list;
  for (const SctOptions& each : wanted) {
    const FakeCtLog& log = each.log != nullptr ? *each.log : ct_log_;
    Bytes over = tbs;
    if (each.wrong_tbs) over.back() ^= 1U;
    const crypto::PublicKey issuer = each.wrong_issuer ? log.key().Public() : ca.key().Public();
    Bytes sct = log.Sign(over, issuer.Spki(), each.at.value_or(at), each.extensions);
    if (each.edit) each.edit(sct);
    list.PutSized16Be(sct);
  }
  ByteWriter sized;
  sized.PutSized16Be(list.bytes());
  Bytes content = std::move(sized).Finish();
  if (options.edit_list) options.edit_list(content);
  TestCertificate made = WithList(leaf, ca, content, options.sct_first);
  ERR_pop_to_mark();
  return made;
}

}  // namespace gatehouse::fakes
