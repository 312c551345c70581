#include "agent/tpm/templates.h"

#include <tss2/tss2_mu.h>

#include <algorithm>
#include <array>

#include "agent/tpm/connection.h"

namespace gatehouse::agent {
namespace {

// PolicyA: TPM2_PolicySecret(TPM_RH_ENDORSEMENT) (EK Credential Profile, appendix B.6).
constexpr std::array<BYTE, 32> kPolicyA = {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xB3, 0xF8, 0x1A, 0x90, 0xCC,
                                           0x8D, 0x46, 0xA5, 0xD7, 0x24, 0xFD, 0x52, 0xD7, 0x6E, 0x06, 0x52,
                                           0x0B, 0x64, 0xF2, 0xA1, 0xDA, 0x1B, 0x33, 0x14, 0x69, 0xAA};
constexpr std::uint16_t kRsaBits = 2048;
constexpr std::uint16_t kRsaBytes = kRsaBits / 8;
constexpr std::uint16_t kP256Bytes = 32;

void SetRsa(TPMT_PUBLIC& area) {
  area.type = TPM2_ALG_RSA;
  area.parameters.rsaDetail.keyBits = kRsaBits;
  area.parameters.rsaDetail.exponent = 0;  // 65537
  area.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
  area.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
}

void SetEcc(TPMT_PUBLIC& area) {
  area.type = TPM2_ALG_ECC;
  area.parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
  area.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
  area.parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
  area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
}

void SetAes128(TPMT_SYM_DEF_OBJECT& symmetric) {
  symmetric.algorithm = TPM2_ALG_AES;
  symmetric.keyBits.aes = 128;
  symmetric.mode.aes = TPM2_ALG_CFB;
}

template <typename T, typename MarshalFunction>
Result<Bytes> MarshalWith(MarshalFunction marshal, const T& structure) {
  Bytes bytes(sizeof(T));
  std::size_t offset = 0;
  TSS2_RC code = marshal(&structure, bytes.data(), bytes.size(), &offset);
  if (code != TSS2_RC_SUCCESS) return TpmError("write a structure", code);
  bytes.resize(offset);
  return bytes;
}

template <typename T, typename UnmarshalFunction>
Result<T> UnmarshalWith(UnmarshalFunction unmarshal, BytesView bytes, std::string_view where) {
  T structure{};
  std::size_t offset = 0;
  TSS2_RC code = unmarshal(bytes.data(), bytes.size(), &offset, &structure);
  if (code == TSS2_RC_SUCCESS && offset == bytes.size()) return structure;
  return Error{Reason::kFileUnreadable, std::string(where),
               "is not a key of a TPM; remove it, so that a new one is created"};
}

void ClearUnique(TPMT_PUBLIC& area) {
  if (area.type == TPM2_ALG_RSA) {
    area.unique.rsa.size = 0;
  } else if (area.type == TPM2_ALG_ECC) {
    area.unique.ecc.x.size = 0;
    area.unique.ecc.y.size = 0;
  }
}

}  // namespace

TPM2B_PUBLIC EndorsementTemplate(KeyKind kind) {
  TPM2B_PUBLIC result{};
  TPMT_PUBLIC& area = result.publicArea;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                          TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
  area.authPolicy.size = kPolicyA.size();
  std::copy(kPolicyA.begin(), kPolicyA.end(), area.authPolicy.buffer);
  // "unique" is as long as the key and all zero.
  if (kind == KeyKind::kRsa2048) {
    SetRsa(area);
    SetAes128(area.parameters.rsaDetail.symmetric);
    area.unique.rsa.size = kRsaBytes;
  } else {
    SetEcc(area);
    SetAes128(area.parameters.eccDetail.symmetric);
    area.unique.ecc.x.size = kP256Bytes;
    area.unique.ecc.y.size = kP256Bytes;
  }
  return result;
}

TPM2B_PUBLIC AttestationTemplate(KeyKind kind) {
  TPM2B_PUBLIC result{};
  TPMT_PUBLIC& area = result.publicArea;
  area.nameAlg = TPM2_ALG_SHA256;
  // noDA: somebody who guesses other keys' passwords until the TPM locks itself does not stop attestation.
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                          TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED |
                          TPMA_OBJECT_SIGN_ENCRYPT;
  if (kind == KeyKind::kRsa2048) {
    SetRsa(area);
    area.parameters.rsaDetail.scheme.scheme = TPM2_ALG_RSASSA;
    area.parameters.rsaDetail.scheme.details.rsassa.hashAlg = TPM2_ALG_SHA256;
  } else {
    SetEcc(area);
    area.parameters.eccDetail.scheme.scheme = TPM2_ALG_ECDSA;
    area.parameters.eccDetail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
  }
  return result;
}

bool IsMadeFrom(const TPM2B_PUBLIC& area, const TPM2B_PUBLIC& wanted) {
  TPMT_PUBLIC a = area.publicArea;
  TPMT_PUBLIC b = wanted.publicArea;
  ClearUnique(a);
  ClearUnique(b);
  auto a_bytes = Marshal(a);
  auto b_bytes = Marshal(b);
  return a_bytes.ok() && b_bytes.ok() && *a_bytes == *b_bytes;
}

Result<Bytes> Marshal(const TPMT_PUBLIC& area) {
  return MarshalWith(&Tss2_MU_TPMT_PUBLIC_Marshal, area);
}

Result<Bytes> Marshal(const TPM2B_PUBLIC& area) {
  return MarshalWith(&Tss2_MU_TPM2B_PUBLIC_Marshal, area);
}

Result<Bytes> Marshal(const TPM2B_PRIVATE& key) {
  return MarshalWith(&Tss2_MU_TPM2B_PRIVATE_Marshal, key);
}

Result<Bytes> Marshal(const TPMT_SIGNATURE& signature) {
  return MarshalWith(&Tss2_MU_TPMT_SIGNATURE_Marshal, signature);
}

Result<TPM2B_PUBLIC> UnmarshalPublic(BytesView bytes, std::string_view where) {
  return UnmarshalWith<TPM2B_PUBLIC>(&Tss2_MU_TPM2B_PUBLIC_Unmarshal, bytes, where);
}

Result<TPM2B_PRIVATE> UnmarshalPrivate(BytesView bytes, std::string_view where) {
  return UnmarshalWith<TPM2B_PRIVATE>(&Tss2_MU_TPM2B_PRIVATE_Unmarshal, bytes, where);
}

}  // namespace gatehouse::agent
