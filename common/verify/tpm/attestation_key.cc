#include "common/crypto/hash.h"
#include "common/verify/tpm/identity.h"
#include "common/verify/tpm/key_numbers.h"

namespace gatehouse::verify::tpm {
namespace {

using evidence::tpm::Curve;
using evidence::tpm::PublicArea;
namespace attributes = evidence::tpm::attributes;

crypto::KeyType KeyTypeOf(Curve curve) {
  switch (curve) {
    case Curve::kP256:
      return crypto::KeyType::kEcP256;
    case Curve::kP384:
      return crypto::KeyType::kEcP384;
    case Curve::kP521:
      return crypto::KeyType::kEcP521;
  }
  return crypto::KeyType::kEcP256;
}

Error Unsuitable(std::string_view detail) {
  return {Reason::kAkUnsuitable, "attestation key", std::string(detail)};
}

}  // namespace

std::size_t FieldBytes(Curve curve) {
  switch (curve) {
    case Curve::kP256:
      return 32;
    case Curve::kP384:
      return 48;
    case Curve::kP521:
      return 66;
  }
  return 0;
}

Bytes PadToField(BytesView coordinate, Curve curve) {
  const std::size_t size = FieldBytes(curve);
  Bytes padded(coordinate.size() < size ? size - coordinate.size() : 0, 0);
  Append(padded, coordinate);
  return padded;
}

Bytes ComputeName(const PublicArea& area) {
  ByteWriter name;
  name.PutU16Be(evidence::tpm::AlgId(area.name_algorithm));
  name.Put(crypto::Hash(area.name_algorithm, area.bytes));
  return std::move(name).Finish();
}

Result<crypto::PublicKey> ToPublicKey(const PublicArea& area) {
  if (const auto* rsa = std::get_if<PublicArea::Rsa>(&area.key)) {
    return crypto::PublicKey::FromRsa(rsa->modulus, rsa->exponent);
  }
  const auto& ecc = std::get<PublicArea::Ecc>(area.key);
  return crypto::PublicKey::FromEc(KeyTypeOf(ecc.curve), PadToField(ecc.x, ecc.curve), PadToField(ecc.y, ecc.curve));
}

Status CheckAttestationKey(const PublicArea& area) {
  const auto has = [&area](std::uint32_t attribute) { return (area.attributes & attribute) != 0; };
  // A restricted key signs only what the TPM itself made (Part 1 section 25.1.5): without it the node could sign a
  // TPMS_ATTEST of its own invention.
  if (!has(attributes::kRestricted)) return Unsuitable("it is not restricted: it signs what it is given");
  if (!has(attributes::kSign)) return Unsuitable("it does not sign");
  if (has(attributes::kDecrypt)) return Unsuitable("it decrypts as well");
  if (!has(attributes::kFixedTpm)) return Unsuitable("it is not fixedTPM: it may be in another TPM too");
  if (!has(attributes::kFixedParent)) return Unsuitable("it is not fixedParent");
  if (!has(attributes::kSensitiveDataOrigin)) return Unsuitable("its private part was not made by the TPM");
  if (has(attributes::kStClear)) return Unsuitable("it is stClear: it does not outlive a restart");
  if (area.name_algorithm == HashAlgorithm::kSha1) return Unsuitable("its name is of SHA-1");
  if (!area.scheme || !area.scheme_hash) return Unsuitable("it has no fixed signature scheme");
  if (*area.scheme_hash == HashAlgorithm::kSha1) return Unsuitable("its scheme uses SHA-1");
  const auto* rsa = std::get_if<PublicArea::Rsa>(&area.key);
  if (rsa != nullptr && rsa->bits < 2048) return Unsuitable("it is an RSA key of less than 2048 bits");
  return Ok();
}

Result<AttestationKey> AttestationKey::Make(const PublicArea& area) {
  RETURN_IF_ERROR(CheckAttestationKey(area));
  ASSIGN_OR_RETURN(crypto::PublicKey key, ToPublicKey(area));
  return AttestationKey(std::move(key), ComputeName(area), *area.scheme, *area.scheme_hash);
}

Result<AttestationKey> AttestationKey::UnsafeFromKey(crypto::PublicKey key, evidence::tpm::Signature::Scheme scheme,
                                                     HashAlgorithm hash) {
  if (hash == HashAlgorithm::kSha1) return Unsuitable("its scheme uses SHA-1");
  const bool ecdsa = scheme == evidence::tpm::Signature::Scheme::kEcdsa;
  const bool rsa = key.type() == crypto::KeyType::kRsa;
  if (key.type() == crypto::KeyType::kEd25519) return Unsuitable("no TPM quotes with Ed25519");
  if (ecdsa == rsa) return Unsuitable("its scheme is not one that the key has");
  return AttestationKey(std::move(key), {}, scheme, hash);
}

}  // namespace gatehouse::verify::tpm
