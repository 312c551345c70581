#include "common/crypto/issue.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "common/base/encoding.h"
#include "common/codec/pem.h"
#include "common/crypto/openssl_handles.h"

namespace gatehouse::crypto {
namespace {

constexpr std::size_t kCommonNameChars = 64;  // RFC 5280 appendix A.1: ub-common-name
constexpr int kSerialBits = 128;

Error Internal(std::string_view detail) {
  return {Reason::kInternal, "issuing a certificate", std::string(detail)};
}

Error BadName(std::string_view name, std::string_view why) {
  return {Reason::kConfigInvalid, Printable(name, 100), std::string(why)};
}

std::optional<std::string> NormalAddress(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  std::array<char, INET6_ADDRSTRLEN> shown{};
  for (int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text.c_str(), bytes.data()) == 1 &&
        inet_ntop(family, bytes.data(), shown.data(), shown.size()) != nullptr) {
      return std::string(shown.data());
    }
  }
  return std::nullopt;
}

bool IsLetterOrDigit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// RFC 1123 section 2.1 and RFC 1035 section 2.3.4; no wildcard: a server's names are known. Lower case.
Status CheckDnsName(std::string_view name) {
  if (name.empty() || name.size() > 253) return BadName(name, "a DNS name has 1 to 253 characters");
  std::string_view rest = name;
  std::string_view last;
  while (true) {
    std::size_t dot = rest.find('.');
    last = rest.substr(0, dot);
    bool good = !last.empty() && last.size() <= 63 && IsLetterOrDigit(last.front()) && IsLetterOrDigit(last.back()) &&
                std::all_of(last.begin(), last.end(), [](char c) { return IsLetterOrDigit(c) || c == '-'; });
    if (!good) return BadName(name, "is no DNS name (letters, digits and hyphens, in parts of 1 to 63 characters)");
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  // RFC 1123: "the highest-level component label will be alphabetic", so that no address is taken for a name.
  if (std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return BadName(name, "is neither a DNS name nor an address");
  }
  return Ok();
}

std::time_t Seconds(WallTime time) {
  return std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(time));
}

Status SetSerial(X509* x509) {
  const std::unique_ptr<BIGNUM, FreeWith<BN_free>> number(BN_new());
  Require(number && BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1, "randomness");
  // RFC 5280 section 4.1.2.2: "The serial number MUST be a positive integer".
  if (BN_is_zero(number.get())) return Internal("the random serial number is zero");
  Require(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x509)) != nullptr, "memory");
  return Ok();
}

Status AddExtension(X509* x509, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, x509, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>> extension(
      X509V3_EXT_nconf_nid(nullptr, &context, nid, value.c_str()));
  if (!extension || X509_add_ext(x509, extension.get(), -1) != 1) return Internal("an extension cannot be made");
  return Ok();
}

struct Extension {
  int nid;
  std::string value;
};

// `issuer` null: self-signed.
Result<Certificate> Issue(const CertificateRequest& request, EVP_PKEY* subject_key, const Certificate* issuer,
                          EVP_PKEY* issuer_key, const std::vector<Extension>& extensions) {
  X509Ptr x509(X509_new());
  Require(x509 != nullptr, "memory");
  const auto* name = reinterpret_cast<const unsigned char*>(request.common_name.data());
  X509_NAME* subject = X509_get_subject_name(x509.get());
  Require(X509_set_version(x509.get(), X509_VERSION_3) == 1, "memory");
  RETURN_IF_ERROR(SetSerial(x509.get()));
  if (X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, name,
                                 static_cast<int>(request.common_name.size()), -1, 0) != 1) {
    return Internal("the common name cannot be one");
  }
  X509* parent = issuer == nullptr ? x509.get() : issuer->impl().x509.get();
  bool set = X509_set_issuer_name(x509.get(), X509_get_subject_name(parent)) == 1 &&
             ASN1_TIME_set(X509_getm_notBefore(x509.get()), Seconds(request.not_before)) != nullptr &&
             ASN1_TIME_set(X509_getm_notAfter(x509.get()), Seconds(request.not_after)) != nullptr &&
             X509_set_pubkey(x509.get(), subject_key) == 1;
  if (!set) return Internal("the certificate's fields cannot be set");
  for (const Extension& extension : extensions) {
    RETURN_IF_ERROR(AddExtension(x509.get(), parent, extension.nid, extension.value));
  }
  if (X509_sign(x509.get(), issuer_key, EVP_sha256()) <= 0) return Internal("the certificate cannot be signed");
  unsigned char* der = nullptr;
  int size = i2d_X509(x509.get(), &der);
  Require(size > 0, "memory");
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  auto made = Certificate::FromDer(bytes);
  if (!made.ok()) return Internal(made.error().detail);
  return made;
}

Status CheckRequest(const CertificateRequest& request) {
  if (request.common_name.empty() || request.common_name.size() > kCommonNameChars || !IsUtf8(request.common_name)) {
    return Internal("a common name has 1 to 64 characters");
  }
  if (request.not_after <= request.not_before) return Internal("the validity ends before it begins");
  return Ok();
}

// "DNS:a.test,IP:::1"; nothing in a name that was checked has a meaning to OpenSSL.
Result<std::string> AltNames(const CertificateRequest& request) {
  std::string names;
  for (const std::string& name : request.dns_names) {
    ASSIGN_OR_RETURN(std::string normal, NormalServerName(name));
    if (NormalAddress(normal).has_value()) return BadName(name, "is an address where a DNS name belongs");
    names += (names.empty() ? "DNS:" : ",DNS:") + normal;
  }
  for (const std::string& text : request.addresses) {
    auto address = NormalAddress(text);
    if (!address.has_value()) return BadName(text, "is no IPv4 or IPv6 address");
    names += (names.empty() ? "IP:" : ",IP:") + *address;
  }
  if (names.empty()) return BadName(request.common_name, "the certificate would have no name that clients look at");
  return names;
}

}  // namespace

Result<std::string> NormalServerName(std::string_view name) {
  if (auto address = NormalAddress(std::string(name)); address.has_value() && name.find('\0') == name.npos) {
    return *address;
  }
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  RETURN_IF_ERROR(CheckDnsName(lower));
  return lower;
}

Result<Certificate> IssueCa(const CertificateRequest& request, const PrivateKey& key) {
  ErrorQueueGuard guard;
  RETURN_IF_ERROR(CheckRequest(request));
  EVP_PKEY* own = key.impl().key.get();
  return Issue(request, own, nullptr, own,
               {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                {NID_key_usage, "critical,keyCertSign,cRLSign"},
                {NID_subject_key_identifier, "hash"}});
}

Result<Certificate> IssueServer(const CertificateRequest& request, const PublicKey& subject_key, const Certificate& ca,
                                const PrivateKey& ca_key) {
  ErrorQueueGuard guard;
  RETURN_IF_ERROR(CheckRequest(request));
  ASSIGN_OR_RETURN(const std::string names, AltNames(request));
  auto key_of_ca = ca.Key();
  if (!key_of_ca.ok() || !(*key_of_ca == ca_key.Public())) return Internal("the key is not that of the CA");
  if (!ca.IsCa()) return Internal("the issuer is no CA");
  if (request.not_before < ca.NotBefore() || request.not_after > ca.NotAfter() + std::chrono::milliseconds(999)) {
    return Internal("the validity is not within that of the CA");
  }
  return Issue(request, subject_key.impl().key.get(), &ca, ca_key.impl().key.get(),
               {{NID_basic_constraints, "critical,CA:FALSE"},
                {NID_key_usage, "critical,digitalSignature"},
                {NID_ext_key_usage, "serverAuth"},
                {NID_subject_key_identifier, "hash"},
                {NID_authority_key_identifier, "keyid:always"},
                {NID_subject_alt_name, names}});
}

std::string ToPem(const Certificate& certificate) {
  return codec::EncodePem("CERTIFICATE", certificate.Der());
}

std::vector<std::string> ServerNames(const Certificate& certificate) {
  ErrorQueueGuard guard;
  const std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.impl().x509.get(), NID_subject_alt_name, nullptr, nullptr)));
  std::vector<std::string> found;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) {
      const ASN1_STRING* text = name->d.dNSName;
      found.emplace_back(
          AsText(BytesView(ASN1_STRING_get0_data(text), static_cast<std::size_t>(ASN1_STRING_length(text)))));
    } else if (name->type == GEN_IPADD) {
      const ASN1_STRING* bytes = name->d.iPAddress;
      std::array<char, INET6_ADDRSTRLEN> shown{};
      int family = ASN1_STRING_length(bytes) == 4 ? AF_INET : AF_INET6;
      if (family == AF_INET6 && ASN1_STRING_length(bytes) != 16) continue;
      if (inet_ntop(family, ASN1_STRING_get0_data(bytes), shown.data(), shown.size()) != nullptr) {
        found.emplace_back(shown.data());
      }
    }
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace gatehouse::crypto
