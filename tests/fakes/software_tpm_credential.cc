// TPM2_ActivateCredential (Part 1 section 24, Part 3 section 12.5), the inverse of verify/tpm's MakeCredential.
#include "tests/fakes/software_tpm.h"
#include "tests/fakes/software_tpm_openssl.h"

namespace gatehouse::fakes {
namespace {

using evidence::tpm::PublicArea;

Error Malformed(std::string_view detail) {
  return {Reason::kEvidenceMalformed, "ActivateCredential", std::string(detail)};
}
Error IntegrityError() {
  return {Reason::kCredentialUnanswered, "ActivateCredential", "TPM_RC_INTEGRITY"};
}

Result<Bytes> RecoverSeed(const TpmKey& ek, BytesView encrypted_secret) {
  const HashAlgorithm hash = ek.area().name_algorithm;
  if (std::holds_alternative<PublicArea::Rsa>(ek.area().key)) {
    constexpr std::string_view kLabel{"IDENTITY", 9};  // with its NUL
    auto seed = DecryptOaep(ek.key(), hash, AsBytes(kLabel), encrypted_secret);
    if (!seed || seed->size() != DigestSize(hash)) return IntegrityError();
    return *seed;
  }
  ByteReader reader(encrypted_secret, Reason::kEvidenceMalformed, "TPMS_ECC_POINT");
  ASSIGN_OR_RETURN(BytesView x, reader.TakeSized16Be(66));
  ASSIGN_OR_RETURN(BytesView y, reader.TakeSized16Be(66));
  RETURN_IF_ERROR(reader.ExpectEnd());
  ASSIGN_OR_RETURN(auto own, ek.key().EcPoint());
  if (x.size() != own.first.size() || y.size() != own.second.size())
    return Malformed("a coordinate is not as long as the field");
  auto peer = crypto::PublicKey::FromEc(ek.key().Public().type(), x, y);
  if (!peer.ok()) return Malformed("the point is not on the curve");
  ASSIGN_OR_RETURN(Bytes z, ek.key().Ecdh(*peer));
  return OtherKdfE(hash, z, "IDENTITY", x, own.first, 8 * DigestSize(hash));
}

}  // namespace

Result<Bytes> SoftwareTpm::ActivateCredential(BytesView name, BytesView id_object, BytesView encrypted_secret) const {
  const HashAlgorithm hash = ek_.area().name_algorithm;
  ASSIGN_OR_RETURN(Bytes seed, RecoverSeed(ek_, encrypted_secret));
  ByteReader reader(id_object, Reason::kEvidenceMalformed, "TPMS_ID_OBJECT");
  ASSIGN_OR_RETURN(BytesView integrity, reader.TakeSized16Be(64));
  ASSIGN_OR_RETURN(BytesView encrypted_identity, reader.Take(reader.remaining()));

  Bytes authenticated = ToBytes(encrypted_identity);
  Append(authenticated, name);
  const Bytes hmac_key = OtherKdfA(hash, seed, "INTEGRITY", {}, 8 * DigestSize(hash));
  if (OtherHmac(hash, hmac_key, authenticated) != ToBytes(integrity)) return IntegrityError();

  const Bytes symmetric_key = OtherKdfA(hash, seed, "STORAGE", name, ek_.area().symmetric_bits);
  const Bytes identity = DecryptCfb(symmetric_key, encrypted_identity);
  ByteReader secret_reader(identity, Reason::kEvidenceMalformed, "TPM2B_DIGEST");
  ASSIGN_OR_RETURN(BytesView secret, secret_reader.TakeSized16Be(DigestSize(hash)));
  RETURN_IF_ERROR(secret_reader.ExpectEnd());
  return ToBytes(secret);
}

}  // namespace gatehouse::fakes
