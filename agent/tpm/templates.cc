#include "agent/tpm/templates.h"

#include <tss2/tss2_mu.h>

#include <algorithm>
#include <array>

#include "agent/tpm/connection.h"
#include "common/base/encoding.h"

namespace gatehouse::agent {
namespace {

// PolicyA: TPM2_PolicySecret(TPM_RH_ENDORSEMENT) (EK Credential Profile, appendix B.6). PolicyB, of the high range:
// TPM2_PolicyOR of PolicyA and of TPM2_PolicyAuthorizeNV with an index of the profile, by name algorithm.
constexpr std::string_view kPolicyA = "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa";
constexpr std::string_view kPolicyBSha256 = "ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0";
constexpr std::string_view kPolicyBSha384 =
    "b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12";
constexpr std::string_view kPolicyBSha512 =
    "b8221ca69e8550a4914de3faa6a18c072cc01208073a928d5d66d59ef79e49a4"
    "29c41a6b269571d57edb25fbdb1838425608b413cd616a5f6db5b6071af99bea";
constexpr std::uint16_t kRsaBits = 2048;
constexpr std::uint16_t kRsaBytes = kRsaBits / 8;
constexpr std::uint16_t kP256Bytes = 32;

struct EkRow {
  EkKind kind;
  std::string_view name;
  TPM2_HANDLE certificate;
  std::uint16_t rsa_bits;  // 0: ECC
  TPM2_ECC_CURVE curve;
  TPM2_ALG_ID name_algorithm;
  std::uint16_t aes_bits;
  bool high;
};
constexpr std::array<EkRow, 8> kEks = {{
    {EkKind::kRsa2048, "rsa2048", 0x01C00002, 2048, 0, TPM2_ALG_SHA256, 128, false},
    {EkKind::kEccP256, "ecc-p256", 0x01C0000A, 0, TPM2_ECC_NIST_P256, TPM2_ALG_SHA256, 128, false},
    {EkKind::kRsa2048High, "rsa2048-high", 0x01C00012, 2048, 0, TPM2_ALG_SHA256, 128, true},
    {EkKind::kEccP256High, "ecc-p256-high", 0x01C00014, 0, TPM2_ECC_NIST_P256, TPM2_ALG_SHA256, 128, true},
    {EkKind::kEccP384, "ecc-p384", 0x01C00016, 0, TPM2_ECC_NIST_P384, TPM2_ALG_SHA384, 256, true},
    {EkKind::kEccP521, "ecc-p521", 0x01C00018, 0, TPM2_ECC_NIST_P521, TPM2_ALG_SHA512, 256, true},
    {EkKind::kRsa3072, "rsa3072", 0x01C0001C, 3072, 0, TPM2_ALG_SHA384, 256, true},
    {EkKind::kRsa4096, "rsa4096", 0x01C0001E, 4096, 0, TPM2_ALG_SHA384, 256, true},
}};

const EkRow& RowOf(EkKind kind) {
  return *std::find_if(kEks.begin(), kEks.end(), [kind](const EkRow& row) { return row.kind == kind; });
}

std::string_view PolicyOf(const EkRow& row) {
  if (!row.high) return kPolicyA;
  if (row.name_algorithm == TPM2_ALG_SHA256) return kPolicyBSha256;
  return row.name_algorithm == TPM2_ALG_SHA384 ? kPolicyBSha384 : kPolicyBSha512;
}

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

void SetAes(TPMT_SYM_DEF_OBJECT& symmetric, std::uint16_t bits) {
  symmetric.algorithm = TPM2_ALG_AES;
  symmetric.keyBits.aes = bits;
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

std::string_view Name(EkKind kind) {
  return RowOf(kind).name;
}

std::optional<EkKind> ParseEkKind(std::string_view name) {
  auto row = std::find_if(kEks.begin(), kEks.end(), [name](const EkRow& r) { return r.name == name; });
  return row == kEks.end() ? std::nullopt : std::optional(row->kind);
}

bool IsHighRange(EkKind kind) {
  return RowOf(kind).high;
}

TPM2_HANDLE CertificateIndex(EkKind kind) {
  return RowOf(kind).certificate;
}

TPM2B_PUBLIC EndorsementTemplate(EkKind kind) {
  const EkRow& row = RowOf(kind);
  TPM2B_PUBLIC result{};
  TPMT_PUBLIC& area = result.publicArea;
  area.nameAlg = row.name_algorithm;
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                          TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
  if (row.high) area.objectAttributes |= TPMA_OBJECT_USERWITHAUTH;
  Bytes policy = DecodeHex(PolicyOf(row)).value();
  area.authPolicy.size = static_cast<UINT16>(policy.size());
  std::copy(policy.begin(), policy.end(), area.authPolicy.buffer);
  // "unique" is as long as the key and all zero in the low range, and empty in the high one.
  if (row.rsa_bits != 0) {
    SetRsa(area);
    area.parameters.rsaDetail.keyBits = row.rsa_bits;
    SetAes(area.parameters.rsaDetail.symmetric, row.aes_bits);
    if (!row.high) area.unique.rsa.size = kRsaBytes;
  } else {
    SetEcc(area);
    area.parameters.eccDetail.curveID = row.curve;
    SetAes(area.parameters.eccDetail.symmetric, row.aes_bits);
    if (!row.high) area.unique.ecc.x.size = kP256Bytes;
    if (!row.high) area.unique.ecc.y.size = kP256Bytes;
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

Result<TPM2B_PUBLIC> UnmarshalTemplate(BytesView bytes, std::string_view where) {
  TPM2B_PUBLIC result{};
  std::size_t offset = 0;
  TSS2_RC code = Tss2_MU_TPMT_PUBLIC_Unmarshal(bytes.data(), bytes.size(), &offset, &result.publicArea);
  if (code == TSS2_RC_SUCCESS) return result;
  return Error{Reason::kFileUnreadable, std::string(where), "is not a public area of a TPM"};
}

Result<TPM2B_PUBLIC> UnmarshalPublic(BytesView bytes, std::string_view where) {
  return UnmarshalWith<TPM2B_PUBLIC>(&Tss2_MU_TPM2B_PUBLIC_Unmarshal, bytes, where);
}

Result<TPM2B_PRIVATE> UnmarshalPrivate(BytesView bytes, std::string_view where) {
  return UnmarshalWith<TPM2B_PRIVATE>(&Tss2_MU_TPM2B_PRIVATE_Unmarshal, bytes, where);
}

}  // namespace gatehouse::agent
