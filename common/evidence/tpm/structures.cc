#include "common/evidence/tpm/structures.h"

#include <string>

#include "common/base/limits.h"

namespace gatehouse::evidence::tpm {
namespace {

constexpr std::uint32_t kGeneratedValue = 0xFF544347;  // TPM_GENERATED_VALUE, Part 2 section 6.2: "\xffTCG"
constexpr std::size_t kSelectBytes = 3;                // sizeofSelect for 24 PCRs (PC Client Platform TPM Profile)
constexpr std::size_t kDataBytes = 2 + 64;             // TPM2B_DATA: at most sizeof(TPMT_HA), Part 2 section 10.4.3
constexpr std::size_t kNameBytes = 2 + 64;             // TPM2B_NAME: an algorithm and the largest digest
constexpr std::size_t kDigestBytes = 64;
constexpr std::size_t kRsaBytes = 512;  // RSA 4096
constexpr std::size_t kEccBytes = 66;   // P-521

// TPM_ST of the structures that a TPM signs (Part 2 section 6.9).
bool IsAttestationTag(std::uint16_t type) {
  switch (type) {
    case 0x8014:  // TPM_ST_ATTEST_NV
    case 0x8015:  // TPM_ST_ATTEST_COMMAND_AUDIT
    case 0x8016:  // TPM_ST_ATTEST_SESSION_AUDIT
    case 0x8017:  // TPM_ST_ATTEST_CERTIFY
    case kAttestQuote:
    case 0x8019:  // TPM_ST_ATTEST_TIME
    case 0x801A:  // TPM_ST_ATTEST_CREATION
    case 0x801C:  // TPM_ST_ATTEST_NV_DIGEST
      return true;
    default:
      return false;
  }
}

// TPM2B_NAME of a key: "nameAlg || H_nameAlg(...)" (Part 1 section 16). Its size follows from the algorithm: 22, 34, 50
// or 66 bytes. The other form of a name, a 4-byte handle, is that of a hierarchy or a PCR, neither of which signs.
Result<Bytes> TakeName(ByteReader& reader) {
  ASSIGN_OR_RETURN(BytesView name, reader.TakeSized16Be(kNameBytes));
  ByteReader inner(name, Reason::kEvidenceMalformed, "TPM2B_NAME");
  ASSIGN_OR_RETURN(std::uint16_t id, inner.TakeU16Be());
  auto algorithm = HashFromAlgId(id);
  if (!algorithm) return inner.Fail("an unknown name algorithm");
  if (inner.remaining() != DigestSize(*algorithm)) return inner.Fail("not as long as its algorithm's digest");
  return ToBytes(name);
}

Result<ClockInfo> TakeClock(ByteReader& reader) {
  ClockInfo clock{};
  ASSIGN_OR_RETURN(clock.clock_ms, reader.TakeU64Be());
  ASSIGN_OR_RETURN(clock.reset_count, reader.TakeU32Be());
  ASSIGN_OR_RETURN(clock.restart_count, reader.TakeU32Be());
  ASSIGN_OR_RETURN(std::uint8_t safe, reader.TakeU8());
  if (safe > 1) return reader.Fail("safe is neither YES nor NO");  // TPMI_YES_NO, Part 2 section 9.2
  clock.safe = safe == 1;
  return clock;
}

// TPMS_PCR_SELECTION { hash, sizeofSelect, pcrSelect }: PCR n is bit n mod 8 of octet n / 8 (Part 2 sections 10.6.1
// and 10.6.2).
Result<PcrSelection> TakeSelection(ByteReader& reader) {
  ASSIGN_OR_RETURN(std::uint16_t id, reader.TakeU16Be());
  auto bank = HashFromAlgId(id);
  if (!bank) return reader.Fail("a PCR bank of an unknown algorithm");
  ASSIGN_OR_RETURN(std::uint8_t size, reader.TakeU8());
  if (size != kSelectBytes) return reader.Fail("sizeofSelect is not 3");
  ASSIGN_OR_RETURN(BytesView bitmap, reader.Take(kSelectBytes));
  std::uint32_t pcrs = 0;
  for (std::size_t i = 0; i < kSelectBytes; ++i) pcrs |= std::uint32_t{bitmap[i]} << (8 * i);
  return PcrSelection{*bank, pcrs};
}

Result<QuoteInfo> TakeQuote(ByteReader& reader) {
  QuoteInfo quote{};
  ASSIGN_OR_RETURN(std::uint32_t count, reader.TakeU32Be());
  if (count > limits::kPcrBanks) return reader.Fail("more PCR selections than there are banks");
  for (std::uint32_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(PcrSelection selection, TakeSelection(reader));
    quote.selections.push_back(selection);
  }
  ASSIGN_OR_RETURN(BytesView digest, reader.TakeSized16Be(kDigestBytes));
  quote.pcr_digest = ToBytes(digest);
  return quote;
}

}  // namespace

std::optional<HashAlgorithm> HashFromAlgId(std::uint16_t id) {
  switch (id) {
    case 0x0004:
      return HashAlgorithm::kSha1;
    case 0x000B:
      return HashAlgorithm::kSha256;
    case 0x000C:
      return HashAlgorithm::kSha384;
    case 0x000D:
      return HashAlgorithm::kSha512;
    default:
      return std::nullopt;
  }
}

std::uint16_t AlgId(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::kSha1:
      return 0x0004;
    case HashAlgorithm::kSha256:
      return 0x000B;
    case HashAlgorithm::kSha384:
      return 0x000C;
    case HashAlgorithm::kSha512:
      return 0x000D;
  }
  return 0;
}

Result<Attest> ParseAttest(BytesView bytes) {
  ByteReader reader(bytes, Reason::kEvidenceMalformed, "TPMS_ATTEST");
  Attest attest{};
  ASSIGN_OR_RETURN(std::uint32_t magic, reader.TakeU32Be());
  if (magic != kGeneratedValue) return reader.Fail("the magic is not TPM_GENERATED_VALUE");
  ASSIGN_OR_RETURN(attest.type, reader.TakeU16Be());
  if (!IsAttestationTag(attest.type)) return reader.Fail("an unknown type of attestation");
  ASSIGN_OR_RETURN(attest.qualified_signer, TakeName(reader));
  ASSIGN_OR_RETURN(BytesView extra, reader.TakeSized16Be(kDataBytes));
  attest.extra_data = ToBytes(extra);
  ASSIGN_OR_RETURN(attest.clock, TakeClock(reader));
  ASSIGN_OR_RETURN(attest.firmware_version, reader.TakeU64Be());
  if (attest.type == kAttestQuote) {
    ASSIGN_OR_RETURN(attest.quote, TakeQuote(reader));
  } else {
    if (reader.remaining() > limits::kTpmStructureBytes) return reader.Fail("longer than any TPM structure");
    RETURN_IF_ERROR(reader.Take(reader.remaining()));
  }
  RETURN_IF_ERROR(reader.ExpectEnd());
  return attest;
}

Result<Signature> ParseSignature(BytesView bytes) {
  ByteReader reader(bytes, Reason::kEvidenceMalformed, "TPMT_SIGNATURE");
  ASSIGN_OR_RETURN(std::uint16_t algorithm, reader.TakeU16Be());
  auto scheme = SchemeFromAlgId(algorithm);
  if (!scheme) return reader.Fail("neither RSASSA nor RSAPSS nor ECDSA");
  ASSIGN_OR_RETURN(std::uint16_t id, reader.TakeU16Be());
  auto hash = HashFromAlgId(id);
  if (!hash) return reader.Fail("an unknown hash algorithm");
  Signature signature{*scheme, *hash, {}, {}, {}};
  if (*scheme == Signature::Scheme::kEcdsa) {
    ASSIGN_OR_RETURN(BytesView r, reader.TakeSized16Be(kEccBytes));
    ASSIGN_OR_RETURN(BytesView s, reader.TakeSized16Be(kEccBytes));
    signature.r = ToBytes(r);
    signature.s = ToBytes(s);
  } else {
    ASSIGN_OR_RETURN(BytesView rsa, reader.TakeSized16Be(kRsaBytes));
    signature.rsa = ToBytes(rsa);
  }
  RETURN_IF_ERROR(reader.ExpectEnd());
  return signature;
}

}  // namespace gatehouse::evidence::tpm
