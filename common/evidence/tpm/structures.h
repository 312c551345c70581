// TPM 2.0 structures of an attestation, from bytes (TPM 2.0 Library Part 2, "Structures"; all integers big-endian).
// Parsing knows no keys: nothing here is trusted yet. Every parser consumes everything or fails with
// kEvidenceMalformed.
#pragma once

#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "common/base/types.h"

namespace gatehouse::evidence::tpm {

// TPM_ALG_ID of a hash; nothing for one that we do not know (SM3 among them).
[[nodiscard]] std::optional<HashAlgorithm> HashFromAlgId(std::uint16_t id);
[[nodiscard]] std::uint16_t AlgId(HashAlgorithm algorithm);

// TPMS_PCR_SELECTION: one bank and its PCRs as a bitmap, bit i = PCR i. Parsing demands sizeofSelect == 3.
struct PcrSelection {
  HashAlgorithm bank;
  std::uint32_t pcrs;
  friend bool operator==(const PcrSelection&, const PcrSelection&) = default;
};
// In the order of the wire, repetitions kept: the verifier refuses them.
using PcrSelections = std::vector<PcrSelection>;

// TPMS_CLOCK_INFO
struct ClockInfo {
  std::uint64_t clock_ms;
  std::uint32_t reset_count;
  std::uint32_t restart_count;
  bool safe;
  friend bool operator==(const ClockInfo&, const ClockInfo&) = default;
};

// TPMS_QUOTE_INFO
struct QuoteInfo {
  PcrSelections selections;
  Bytes pcr_digest;
};

// TPMS_ATTEST. The magic must be TPM_GENERATED_VALUE; `quote` is set if and only if type is TPM_ST_ATTEST_QUOTE (other
// known types are recognised, but their attested part is not read). `qualified_signer` is a name: 22, 34, 50 or 66
// bytes, as its algorithm says.
struct Attest {
  std::uint16_t type;
  Bytes qualified_signer;
  Bytes extra_data;
  ClockInfo clock;
  std::uint64_t firmware_version;
  std::optional<QuoteInfo> quote;
};
inline constexpr std::uint16_t kAttestQuote = 0x8018;
[[nodiscard]] Result<Attest> ParseAttest(BytesView bytes);

// TPMT_SIGNATURE: RSASSA, RSAPSS or ECDSA.
struct Signature {
  enum class Scheme : std::uint8_t { kRsaSsa, kRsaPss, kEcdsa };
  Scheme scheme;
  HashAlgorithm hash;
  Bytes rsa;   // RSA: the signature
  Bytes r, s;  // ECDSA: big-endian, possibly shorter than the field
};
[[nodiscard]] Result<Signature> ParseSignature(BytesView bytes);
// TPM_ALG_ID of a signature scheme; nothing for any other algorithm.
[[nodiscard]] std::optional<Signature::Scheme> SchemeFromAlgId(std::uint16_t id);
[[nodiscard]] std::uint16_t AlgId(Signature::Scheme scheme);

// TPMA_OBJECT bits (Part 2 section 8.3)
namespace attributes {
inline constexpr std::uint32_t kFixedTpm = 1U << 1;
inline constexpr std::uint32_t kStClear = 1U << 2;
inline constexpr std::uint32_t kFixedParent = 1U << 4;
inline constexpr std::uint32_t kSensitiveDataOrigin = 1U << 5;
inline constexpr std::uint32_t kUserWithAuth = 1U << 6;
inline constexpr std::uint32_t kAdminWithPolicy = 1U << 7;
inline constexpr std::uint32_t kNoDa = 1U << 10;
inline constexpr std::uint32_t kRestricted = 1U << 16;
inline constexpr std::uint32_t kDecrypt = 1U << 17;
inline constexpr std::uint32_t kSign = 1U << 18;
}  // namespace attributes

enum class Curve : std::uint8_t { kP256, kP384, kP521 };

// TPMT_PUBLIC of an RSA or ECC key. `bytes` is the whole structure, which Name() is made of (in verify/tpm).
struct PublicArea {
  struct Rsa {
    std::uint16_t bits;
    std::uint32_t exponent;  // 0 means 65537
    Bytes modulus;
  };
  struct Ecc {
    Curve curve;
    Bytes x, y;
  };
  Bytes bytes;
  HashAlgorithm name_algorithm;
  std::uint32_t attributes;
  Bytes auth_policy;                        // empty, or a digest of the name algorithm
  std::uint16_t symmetric_bits;             // AES-CFB key size of a storage key (an EK); 0 for TPM_ALG_NULL
  std::optional<Signature::Scheme> scheme;  // nothing for TPM_ALG_NULL
  std::optional<HashAlgorithm> scheme_hash;
  std::variant<Rsa, Ecc> key;
};
// Accepts a TPMT_PUBLIC of a key, not of a template: with a whole modulus, or two coordinates. RSA 1024 to 4096 in
// steps of 1024, NIST curves; which of them are strong enough is the verifier's matter. (A TPM2B_PUBLIC is it with a
// 16-bit size before: ParsePublic2B.)
[[nodiscard]] Result<PublicArea> ParsePublic(BytesView bytes);
[[nodiscard]] Result<PublicArea> ParsePublic2B(BytesView bytes);

// PCR values as an agent reports them, unauthenticated until they hash to a quote's digest: bank -> PCR index -> value.
// Values have the size of their bank, indexes are below limits::kPcrCount.
using PcrValues = std::map<HashAlgorithm, std::map<unsigned, Bytes>>;

}  // namespace gatehouse::evidence::tpm
