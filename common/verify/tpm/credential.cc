// TPM2_MakeCredential without a TPM (Part 1 section 24 "Credential Protection", appendices B.10.4 and C.6.4; Part 3
// section 12.6).
#include "common/crypto/hash.h"
#include "common/verify/tpm/identity.h"
#include "common/verify/tpm/key_numbers.h"

namespace gatehouse::verify::tpm {
namespace {

using evidence::tpm::PublicArea;

constexpr std::string_view kIdentity = "IDENTITY";

struct SharedSeed {
  Bytes seed;       // known to the EK's TPM and to us
  Bytes encrypted;  // TPM2B_ENCRYPTED_SECRET's content
};

Error Fault(std::string_view detail) {
  return {Reason::kInternal, "credential", std::string(detail)};
}

// RSA (appendix B.10.4): a random seed as long as a digest of nameAlg, in OAEP with nameAlg and the label "IDENTITY",
// its final NUL included.
Result<SharedSeed> RsaSeed(const VerifiedEndorsement& ek, const Random& random) {
  const HashAlgorithm hash = ek.area().name_algorithm;
  SharedSeed shared;
  shared.seed = random(DigestSize(hash));
  if (shared.seed.size() != DigestSize(hash)) return Fault("the random generator gave too little");
  Bytes label = ToBytes(kIdentity);
  label.push_back(0);
  ASSIGN_OR_RETURN(shared.encrypted, ek.key().EncryptOaep(hash, label, shared.seed));
  return shared;
}

// ECC (appendix C.6.4): seed = KDFe(nameAlg, Z, "IDENTITY", ephemeral.x, ek.x); the secret is the ephemeral
// TPMS_ECC_POINT. All coordinates are as long as the field, also where they begin with zeros.
Result<SharedSeed> EccSeed(const VerifiedEndorsement& ek, const PublicArea::Ecc& ecc) {
  const HashAlgorithm hash = ek.area().name_algorithm;
  ASSIGN_OR_RETURN(crypto::PrivateKey ephemeral, crypto::PrivateKey::Generate(ek.key().type()));
  ASSIGN_OR_RETURN(auto point, ephemeral.EcPoint());
  ASSIGN_OR_RETURN(Bytes z, ephemeral.Ecdh(ek.key()));
  SharedSeed shared;
  shared.seed = crypto::KdfE(hash, z, kIdentity, point.first, PadToField(ecc.x, ecc.curve), 8 * DigestSize(hash));
  ByteWriter secret;
  secret.PutSized16Be(point.first);
  secret.PutSized16Be(point.second);
  shared.encrypted = std::move(secret).Finish();
  return shared;
}

Bytes Sized(BytesView bytes) {
  ByteWriter writer;
  writer.PutSized16Be(bytes);
  return std::move(writer).Finish();
}

bool IsName(BytesView name) {
  ByteReader reader(name, Reason::kInternal, "name");
  auto id = reader.TakeU16Be();
  if (!id.ok()) return false;
  auto algorithm = evidence::tpm::HashFromAlgId(*id);
  return algorithm && reader.remaining() == DigestSize(*algorithm);
}

}  // namespace

Result<CredentialChallenge> MakeCredential(const VerifiedEndorsement& ek, BytesView ak_name, BytesView secret,
                                           const Random& random) {
  const HashAlgorithm hash = ek.area().name_algorithm;
  if (!IsName(ak_name)) return Fault("what it is bound to is not the name of a key");
  if (secret.empty() || secret.size() > DigestSize(hash))
    return Fault("the secret is empty or longer than the TPM takes");
  const auto* ecc = std::get_if<PublicArea::Ecc>(&ek.area().key);
  ASSIGN_OR_RETURN(SharedSeed shared, ecc != nullptr ? EccSeed(ek, *ecc) : RsaSeed(ek, random));

  // Section 24.4: symKey = KDFa(nameAlg, seed, "STORAGE", name, NULL, bits); encIdentity = CFB(symKey, 0,
  // TPM2B(secret)).
  const Bytes symmetric_key = crypto::KdfA(hash, shared.seed, "STORAGE", ak_name, {}, ek.area().symmetric_bits);
  const Bytes encrypted_identity = crypto::AesCfbEncrypt(symmetric_key, Sized(secret));

  // Section 24.5: HMACkey = KDFa(nameAlg, seed, "INTEGRITY", NULL, NULL, bits); outerHMAC = HMAC(HMACkey, encIdentity
  // || name).
  const Bytes hmac_key = crypto::KdfA(hash, shared.seed, "INTEGRITY", {}, {}, 8 * DigestSize(hash));
  Bytes protected_data = encrypted_identity;
  Append(protected_data, ak_name);

  CredentialChallenge challenge;
  challenge.id_object = Sized(crypto::Hmac(hash, hmac_key, protected_data));
  Append(challenge.id_object, encrypted_identity);
  challenge.encrypted_secret = std::move(shared.encrypted);
  return challenge;
}

}  // namespace gatehouse::verify::tpm
