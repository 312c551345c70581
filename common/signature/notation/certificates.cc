#include "common/signature/notation/certificates.h"

#include <array>

#include "common/codec/time.h"
#include "common/signature/notation/envelope.h"

namespace gatehouse::signature::notation {
namespace {

using crypto::Certificate;

constexpr std::string_view kKeyUsageOid = "2.5.29.15";
constexpr std::uint8_t kBitStringTag = 0x03;
// RFC 5280 section 4.2.1.3: digitalSignature (0) and nonRepudiation (1), the two that a leaf may have.
constexpr std::uint8_t kLeafBits = 0xc0;

// anyExtendedKeyUsage, serverAuth, clientAuth, emailProtection, timeStamping; OCSPSigning as the reference
// implementation has it beside those of the specification.
constexpr std::array<std::string_view, 6> kForbiddenUsages = {"2.5.29.37.0",       "1.3.6.1.5.5.7.3.1",
                                                              "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.4",
                                                              "1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.9"};
constexpr std::string_view kTimeStamping = "1.3.6.1.5.5.7.3.8";

Error Untrusted(const Certificate& certificate, std::string_view detail) {
  return {Reason::kCertificateUntrusted, certificate.Subject(), std::string(detail)};
}

// "The Bit positions for keyEncipherment, dataEncipherment, keyAgreement, keyCertSign, encipherOnly, decipherOnly and
// cRLSign MUST NOT be set."
bool HasLeafBitsOnly(const Certificate& leaf) {
  const Bytes value = leaf.Extension(kKeyUsageOid).value_or(Bytes());
  ByteReader reader(value, Reason::kCertificateUntrusted, "keyUsage");
  const Result<std::uint8_t> tag = reader.TakeU8();
  const Result<std::uint8_t> length = reader.TakeU8();
  const Result<std::uint8_t> unused = reader.TakeU8();
  const Result<std::uint8_t> bits = reader.TakeU8();
  if (!tag.ok() || !length.ok() || !unused.ok() || !bits.ok()) return false;
  // A second byte would hold decipherOnly (8).
  return *tag == kBitStringTag && *length == 2 && reader.ExpectEnd().ok() && (*bits & ~kLeafBits & 0xff) == 0;
}

Status CheckLeafUsages(const Certificate& leaf, Purpose purpose) {
  const std::vector<std::string> usages = leaf.ExtendedKeyUsages();
  if (purpose == Purpose::kTimestamping) {
    // RFC 3161 section 2.3: "one instance of the extended key usage field extension ... KeyPurposeID having value
    // id-kp-timeStamping. This extension MUST be critical."
    if (usages != std::vector<std::string>{std::string(kTimeStamping)} || !leaf.HasCriticalExtendedKeyUsage()) {
      return Untrusted(leaf, "must have the extended key usage timeStamping alone, and critical");
    }
    return Ok();
  }
  for (const std::string& usage : usages) {
    for (const std::string_view forbidden : kForbiddenUsages) {
      if (usage == forbidden) return Untrusted(leaf, "must not have the extended key usage " + usage);
    }
  }
  return Ok();
}

Status CheckLeaf(const Certificate& leaf, Purpose purpose) {
  if (leaf.IsCa()) return Untrusted(leaf, "is a CA's, and signed something");
  const std::optional<Certificate::KeyUsage> usage = leaf.Usage();
  // Authorities for timestamps exist whose certificates have a key usage that is not critical; the reference
  // implementation accepts them, as RFC 3161 does, and RFC 5280 section 4.2.1.3 has "SHOULD mark".
  if (!usage || (!usage->critical && purpose == Purpose::kCodeSigning)) {
    return Untrusted(leaf, "must have a key usage, and a critical one");
  }
  if (!usage->digital_signature || !HasLeafBitsOnly(leaf)) {
    return Untrusted(leaf, "must have the key usage digitalSignature, and none for certificates or encryption");
  }
  RETURN_IF_ERROR(CheckLeafUsages(leaf, purpose));
  const Result<crypto::PublicKey> key = leaf.Key();
  if (!key.ok() || !AlgorithmOf(*key)) {
    return Untrusted(leaf, "its key is none that may sign: RSA of 2048, 3072 or 4096 bits, P-256, P-384 or P-521");
  }
  return Ok();
}

// `below`: how many certificates stand between this one and the leaf.
Status CheckCa(const Certificate& ca, std::size_t below, Purpose purpose) {
  const std::optional<Certificate::BasicConstraints> constraints = ca.Constraints();
  if (!constraints || !constraints->ca || !constraints->critical) {
    return Untrusted(ca, "must have critical basic constraints with cA");
  }
  if (constraints->path_length && *constraints->path_length < below) {
    return Untrusted(ca, "has a shorter path length than the chain below it");
  }
  const std::optional<Certificate::KeyUsage> usage = ca.Usage();
  if (!usage || !usage->key_cert_sign || (!usage->critical && purpose == Purpose::kCodeSigning)) {
    return Untrusted(ca, "must have a critical key usage with keyCertSign");
  }
  return Ok();
}

}  // namespace

Status CheckCertificates(const std::vector<Certificate>& chain, Purpose purpose) {
  if (chain.empty()) return Error{Reason::kCertificateUntrusted, "", "there is no certificate"};
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const bool last = i + 1 == chain.size();
    // "Valid certificate chain MUST contain a root certificate"; "the certificate chain MUST NOT contain a certificate
    // that is unrelated". "Any certificate in the certificate chain MUST NOT use SHA1": IsSignedBy() takes none.
    if (chain[i].IsSignedBy(chain[i]) != last) {
      return Untrusted(chain[i], last ? "ends the chain, but is not a root that signed itself"
                                      : "signed itself, and yet the chain goes on");
    }
    if (!last && !chain[i].IsSignedBy(chain[i + 1])) return Untrusted(chain[i], "is not signed by the next one");
    if (i > 0) RETURN_IF_ERROR(CheckCa(chain[i], i - 1, purpose));
  }
  return CheckLeaf(chain.front(), purpose);
}

Status CheckValidity(const std::vector<Certificate>& chain, WallTime from, WallTime until) {
  for (const Certificate& certificate : chain) {
    // RFC 5280 section 4.1.2.5: "from notBefore through notAfter, inclusive", in whole seconds.
    if (from >= certificate.NotBefore() && std::chrono::floor<std::chrono::seconds>(until) <= certificate.NotAfter()) {
      continue;
    }
    return Error{Reason::kCertificateExpired, certificate.Subject(),
                 "is valid from " + codec::FormatTime(certificate.NotBefore()) + " until " +
                     codec::FormatTime(certificate.NotAfter()) + ", which " + codec::FormatTime(from) +
                     " is outside of"};
  }
  return Ok();
}

}  // namespace gatehouse::signature::notation
