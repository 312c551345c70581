#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/pem.h"
#include "common/crypto/issue.h"
#include "common/crypto/openssl_handles.h"

namespace gatehouse::crypto {
namespace {

using RequestPtr = std::unique_ptr<X509_REQ, FreeWith<X509_REQ_free>>;

Error Malformed(std::string_view detail) {
  return {Reason::kCertificateMalformed, "certificate request", std::string(detail)};
}

struct Algorithm {
  int nid;
  KeyType type;  // kEcP256 stands for every curve
  Scheme scheme;
  HashAlgorithm hash;
};

// What a key of each type may sign a request with. The key decides which lines are looked at.
constexpr Algorithm kAlgorithms[] = {
    {NID_ecdsa_with_SHA256, KeyType::kEcP256, Scheme::kEcdsaDer, HashAlgorithm::kSha256},
    {NID_ecdsa_with_SHA384, KeyType::kEcP256, Scheme::kEcdsaDer, HashAlgorithm::kSha384},
    {NID_ecdsa_with_SHA512, KeyType::kEcP256, Scheme::kEcdsaDer, HashAlgorithm::kSha512},
    {NID_sha256WithRSAEncryption, KeyType::kRsa, Scheme::kRsaPkcs1v15, HashAlgorithm::kSha256},
    {NID_sha384WithRSAEncryption, KeyType::kRsa, Scheme::kRsaPkcs1v15, HashAlgorithm::kSha384},
    {NID_sha512WithRSAEncryption, KeyType::kRsa, Scheme::kRsaPkcs1v15, HashAlgorithm::kSha512},
    {NID_ED25519, KeyType::kEd25519, Scheme::kEd25519, HashAlgorithm::kSha512},
};

Result<PublicKey> KeyOf(X509_REQ* request) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(request), &der);
  if (size <= 0) return Error{Reason::kKeyMalformed, "certificate request", "holds no key"};
  const Bytes spki(der, der + size);
  OPENSSL_free(der);
  auto key = PublicKey::FromSpki(spki);
  return key.ok() ? key : key.error().In("certificate request");
}

// RFC 2986 section 4.2: the signature over the CertificationRequestInfo proves that the sender holds the private key.
Status CheckSignature(X509_REQ* request, const PublicKey& key) {
  const Error invalid{Reason::kSignatureInvalid, "certificate request", "its signature is not made by its own key"};
  const ASN1_BIT_STRING* signature = nullptr;
  const X509_ALGOR* algorithm = nullptr;
  X509_REQ_get0_signature(request, &signature, &algorithm);
  // A signature is whole octets; the library would pass over bits that are said to be unused.
  if ((signature->flags & (ASN1_STRING_FLAG_BITS_LEFT | 0x07)) != ASN1_STRING_FLAG_BITS_LEFT) return invalid;
  const int nid = X509_REQ_get_signature_nid(request);
  const KeyType type = key.type() == KeyType::kEcP384 || key.type() == KeyType::kEcP521 ? KeyType::kEcP256 : key.type();
  unsigned char* der = nullptr;
  const int size = i2d_re_X509_REQ_tbs(request, &der);
  Require(size > 0, "memory");
  const Bytes signed_bytes(der, der + size);
  OPENSSL_free(der);
  const BytesView value(ASN1_STRING_get0_data(signature), static_cast<std::size_t>(ASN1_STRING_length(signature)));
  for (const Algorithm& row : kAlgorithms) {
    if (row.nid != nid || row.type != type) continue;
    return key.Verify(row.scheme, row.hash, signed_bytes, value) ? Ok() : Status(invalid);
  }
  return Error{Reason::kSignatureInvalid, "certificate request",
               "its signature algorithm is not one that its key should use (SHA-256, SHA-384 or SHA-512)"};
}

Result<std::string> TextOf(const X509_NAME_ENTRY* entry) {
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(entry);
  const int type = ASN1_STRING_type(value);
  const BytesView bytes(ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value)));
  // RFC 5280 section 4.1.2.4: "CAs MUST use either PrintableString or UTF8String"; other types are read differently by
  // different programs.
  const bool known = type == V_ASN1_UTF8STRING || type == V_ASN1_PRINTABLESTRING;
  if (!known || !IsUtf8(AsText(bytes)) || AsText(bytes).find('\0') != std::string_view::npos) {
    return Malformed("a name that is not UTF8String or PrintableString");
  }
  return std::string(AsText(bytes));
}

Status ReadSubject(const X509_NAME* subject, SigningRequest& to) {
  int last_set = -1;
  for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, i);
    const int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (X509_NAME_ENTRY_set(entry) == last_set) to.other_subject_parts = true;
    last_set = X509_NAME_ENTRY_set(entry);
    if (nid != NID_commonName && nid != NID_organizationName) {
      to.other_subject_parts = true;
      continue;
    }
    ASSIGN_OR_RETURN(std::string text, TextOf(entry));
    (nid == NID_commonName ? to.common_names : to.organizations).push_back(std::move(text));
  }
  return Ok();
}

Status ReadExtensions(X509_REQ* request, SigningRequest& to) {
  int attributes = 0;
  for (int i = 0; i < X509_REQ_get_attr_count(request); ++i) {
    X509_ATTRIBUTE* attribute = X509_REQ_get_attr(request, i);
    const int nid = OBJ_obj2nid(X509_ATTRIBUTE_get0_object(attribute));
    if (nid != NID_ext_req && nid != NID_ms_ext_req) continue;
    attributes += X509_ATTRIBUTE_count(attribute);
  }
  if (attributes == 0) return Ok();
  if (attributes > 1) return Malformed("asks for extensions in more than one place");
  STACK_OF(X509_EXTENSION)* extensions = X509_REQ_get_extensions(request);
  if (extensions == nullptr) return Malformed("asks for extensions that cannot be read");
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); ++i) {
    const bool names =
        OBJ_obj2nid(X509_EXTENSION_get_object(sk_X509_EXTENSION_value(extensions, i))) == NID_subject_alt_name;
    (names ? to.has_subject_alt_names : to.has_other_extensions) = true;
  }
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  return Ok();
}

}  // namespace

Result<SigningRequest> ReadSigningRequest(std::string_view pem) {
  ErrorQueueGuard guard;
  if (pem.size() > limits::kCertificateBytes) return Malformed("is too large");
  ASSIGN_OR_RETURN(const std::vector<codec::PemBlock> blocks, codec::ParsePem(pem, Reason::kCertificateMalformed));
  if (blocks.size() != 1 || blocks[0].label != "CERTIFICATE REQUEST") {
    return Malformed("must be one PEM block with the label CERTIFICATE REQUEST");
  }
  const Bytes& der = blocks[0].der;
  RETURN_IF_ERROR(CheckDerLengths(der, 0));
  const unsigned char* at = der.data();
  const RequestPtr request(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  if (!request) return Malformed("is no PKCS#10 request: " + guard.Text());
  if (at != der.data() + der.size()) return Malformed("has bytes after its end");
  if (X509_REQ_get_version(request.get()) != X509_REQ_VERSION_1) return Malformed("has another version than 1");
  ASSIGN_OR_RETURN(const PublicKey key, KeyOf(request.get()));
  RETURN_IF_ERROR(CheckSignature(request.get(), key));
  SigningRequest read{.key = key.Fingerprint()};
  RETURN_IF_ERROR(ReadSubject(X509_REQ_get_subject_name(request.get()), read));
  RETURN_IF_ERROR(ReadExtensions(request.get(), read));
  return read;
}

}  // namespace gatehouse::crypto
