// The certificates of Authenticode signatures: PKCS#7 SignedData over SpcIndirectDataContent, whose content is no OCTET
// STRING (PKCS#7 before CMS), so that crypto/cms.h does not read it.
#include "common/base/limits.h"
#include "common/crypto/cms.h"
#include "common/crypto/der.h"
#include "common/crypto/x509.h"
#include "common/measure/pe.h"

namespace gatehouse::measure {
namespace {

using crypto::DerElement;
using crypto::DerReader;
namespace der = crypto::der;

constexpr std::uint16_t kPkcsSignedData = 0x0002;  // WIN_CERT_TYPE_PKCS_SIGNED_DATA
constexpr std::size_t kHeaderBytes = 8;            // of WIN_CERTIFICATE

Result<std::vector<crypto::Certificate>> TakeCertificates(DerReader& fields) {
  std::vector<crypto::Certificate> certificates;
  if (!fields.NextIs(der::ContextConstructed(0))) return certificates;
  ASSIGN_OR_RETURN(DerReader set, fields.Enter(der::ContextConstructed(0)));
  while (!set.AtEnd()) {
    if (certificates.size() == limits::kChainCertificates) return set.Fail("too many certificates");
    ASSIGN_OR_RETURN(const DerElement element, set.Take(der::kSequence));
    auto certificate = crypto::Certificate::FromDer(element.whole);
    if (!certificate.ok()) return set.Fail(certificate.error().detail);
    certificates.push_back(*std::move(certificate));
  }
  return certificates;
}

Status ReadSignature(BytesView signed_data, std::vector<PeSigner>& signers) {
  DerReader reader(signed_data, Reason::kPeMalformed, "signature of an EFI executable");
  ASSIGN_OR_RETURN(DerReader info, reader.Enter(der::kSequence));
  RETURN_IF_ERROR(info.TakeOid());
  ASSIGN_OR_RETURN(DerReader wrapped, info.Enter(der::ContextConstructed(0)));
  ASSIGN_OR_RETURN(DerReader fields, wrapped.Enter(der::kSequence));
  RETURN_IF_ERROR(fields.TakeUnsigned());        // version
  RETURN_IF_ERROR(fields.Take(der::kSet));       // digestAlgorithms
  RETURN_IF_ERROR(fields.Take(der::kSequence));  // contentInfo
  ASSIGN_OR_RETURN(auto certificates, TakeCertificates(fields));
  if (fields.NextIs(der::ContextConstructed(1))) RETURN_IF_ERROR(fields.Take());  // CRLs
  ASSIGN_OR_RETURN(DerReader infos, fields.Enter(der::kSet));
  ASSIGN_OR_RETURN(DerReader signer, infos.Enter(der::kSequence));
  RETURN_IF_ERROR(signer.TakeUnsigned());
  ASSIGN_OR_RETURN(DerReader identifier, signer.Enter(der::kSequence));
  ASSIGN_OR_RETURN(const DerElement issuer, identifier.Take(der::kSequence));
  ASSIGN_OR_RETURN(const DerElement serial, identifier.Take(der::kInteger));
  for (const crypto::Certificate& certificate : certificates) {
    signers.push_back({certificate.Fingerprint(), certificate.Subject(), certificate.Issuer(),
                       crypto::HasIssuerAndSerial(certificate, issuer.whole, serial.whole)});
  }
  return Ok();
}

}  // namespace

Result<std::vector<PeSigner>> PeSigners(const PeFile& file) {
  std::vector<PeSigner> signers;
  ByteReader table(file.certificates, Reason::kPeMalformed, "certificate table of an EFI executable");
  while (table.remaining() != 0) {
    ASSIGN_OR_RETURN(std::uint32_t length, table.TakeU32Le());
    RETURN_IF_ERROR(table.TakeU16Le());  // wRevision
    ASSIGN_OR_RETURN(std::uint16_t type, table.TakeU16Le());
    if (length < kHeaderBytes) return table.Fail("an entry of " + std::to_string(length) + " bytes");
    ASSIGN_OR_RETURN(BytesView content, table.Take(length - kHeaderBytes));
    if (type == kPkcsSignedData) RETURN_IF_ERROR(ReadSignature(content, signers));
    // "Each entry is quadword-aligned": zeros fill up, but there need be none behind the last.
    const std::size_t filler = std::min<std::size_t>(table.remaining(), (8 - length % 8) % 8);
    RETURN_IF_ERROR(table.Take(filler));
  }
  return signers;
}

}  // namespace gatehouse::measure
