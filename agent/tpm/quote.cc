#include "agent/tpm/quote.h"

#include <tss2/tss2_mu.h>

#include <algorithm>
#include <bit>

#include "agent/tpm/templates.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"

namespace gatehouse::agent {
namespace {

using evidence::tpm::PcrSelections;
using evidence::tpm::PcrValues;

constexpr int kQuoteAttempts = 5;

// Three bytes of bitmap in every case, as the PC Client platform has them: the verifier compares with what it asked
// for.
Result<TPML_PCR_SELECTION> ToTpm(const PcrSelections& selections) {
  TPML_PCR_SELECTION list{};
  if (selections.empty() || selections.size() > limits::kPcrBanks) {
    return Error{Reason::kMessageMalformed, "selection", "must name one to four PCR banks"};
  }
  for (const auto& selection : selections) {
    TPMS_PCR_SELECTION& entry = list.pcrSelections[list.count++];
    entry.hash = evidence::tpm::AlgId(selection.bank);
    entry.sizeofSelect = 3;
    for (unsigned byte = 0; byte < 3; ++byte) entry.pcrSelect[byte] = static_cast<BYTE>(selection.pcrs >> (8 * byte));
  }
  return list;
}

struct RawQuote {
  Bytes attest;
  Bytes signature;
  Bytes pcr_digest;
  HashAlgorithm hash;  // of the signing scheme
};

// The hash of the scheme: SHA-256 for keys that we make; a given one may have another.
Result<HashAlgorithm> HashOf(const TPMT_SIGNATURE& signature) {
  TPM2_ALG_ID id = TPM2_ALG_NULL;
  if (signature.sigAlg == TPM2_ALG_RSASSA) id = signature.signature.rsassa.hash;
  if (signature.sigAlg == TPM2_ALG_RSAPSS) id = signature.signature.rsapss.hash;
  if (signature.sigAlg == TPM2_ALG_ECDSA) id = signature.signature.ecdsa.hash;
  auto hash = evidence::tpm::HashFromAlgId(id);
  if (!hash) return Error{Reason::kTpmUnavailable, "tpm", "the attestation key signs with a scheme that is not known"};
  return *hash;
}

Result<RawQuote> QuoteOnce(const Connection& connection, ESYS_TR ak, const TPM2B_DATA& nonce,
                           const TPML_PCR_SELECTION& list) {
  EsysPtr<TPM2B_ATTEST> attest;
  EsysPtr<TPMT_SIGNATURE> signature;
  RETURN_IF_ERROR(connection.Run(
      "quote",
      [&](ESYS_CONTEXT* esys) {
        TPMT_SIG_SCHEME own_scheme{};
        own_scheme.scheme = TPM2_ALG_NULL;
        TPM2B_ATTEST* attest_out = nullptr;
        TPMT_SIGNATURE* signature_out = nullptr;
        TSS2_RC code = Esys_Quote(esys, ak, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &nonce, &own_scheme, &list,
                                  &attest_out, &signature_out);
        attest.reset(attest_out);
        signature.reset(signature_out);
        return code;
      },
      kQuoteCommand));
  TPMS_ATTEST content{};
  std::size_t offset = 0;
  TSS2_RC code = Tss2_MU_TPMS_ATTEST_Unmarshal(attest->attestationData, attest->size, &offset, &content);
  if (code != TSS2_RC_SUCCESS) return TpmError("read the quote", code);
  const TPM2B_DIGEST& digest = content.attested.quote.pcrDigest;
  ASSIGN_OR_RETURN(Bytes signature_bytes, Marshal(*signature));
  ASSIGN_OR_RETURN(HashAlgorithm hash, HashOf(*signature));
  return RawQuote{ToBytes(BytesView(attest->attestationData, attest->size)), std::move(signature_bytes),
                  ToBytes(BytesView(digest.buffer, digest.size)), hash};
}

// Takes what one TPM2_PCR_Read gave: the values of out's PCRs, in its order, low PCR first. Clears those bits in
// `remaining`.
Status TakeValues(const TPML_PCR_SELECTION& out, const TPML_DIGEST& digests, TPML_PCR_SELECTION& remaining,
                  PcrValues& values) {
  std::uint32_t next = 0;
  for (std::uint32_t i = 0; i < out.count && i < remaining.count; ++i) {
    const TPMS_PCR_SELECTION& entry = out.pcrSelections[i];
    auto bank = evidence::tpm::HashFromAlgId(entry.hash);
    if (entry.hash != remaining.pcrSelections[i].hash || !bank)
      return Error{Reason::kTpmUnavailable, "tpm", "PCR banks are mixed up"};
    for (unsigned pcr = 0; pcr < limits::kPcrCount && pcr < 8U * entry.sizeofSelect; ++pcr) {
      if ((entry.pcrSelect[pcr / 8] >> (pcr % 8) & 1) == 0) continue;
      if (next >= digests.count) return Error{Reason::kTpmUnavailable, "tpm", "fewer PCR values than PCRs"};
      const TPM2B_DIGEST& digest = digests.digests[next++];
      values[*bank][pcr] = ToBytes(BytesView(digest.buffer, std::min<std::size_t>(digest.size, sizeof(digest.buffer))));
      remaining.pcrSelections[i].pcrSelect[pcr / 8] &= static_cast<BYTE>(~(1U << (pcr % 8)));
    }
  }
  return Ok();
}

unsigned BitsIn(const TPML_PCR_SELECTION& list) {
  unsigned bits = 0;
  for (std::uint32_t i = 0; i < list.count; ++i) {
    for (BYTE byte : list.pcrSelections[i].pcrSelect) bits += static_cast<unsigned>(std::popcount(byte));
  }
  return bits;
}

// A TPM gives eight values at a time, and none for PCRs that it does not have.
Result<PcrValues> ReadPcrs(const Connection& connection, TPML_PCR_SELECTION remaining) {
  PcrValues values;
  for (;;) {
    auto left = std::find_if(
        remaining.pcrSelections, remaining.pcrSelections + remaining.count,
        [](const TPMS_PCR_SELECTION& s) { return s.pcrSelect[0] != 0 || s.pcrSelect[1] != 0 || s.pcrSelect[2] != 0; });
    if (left == remaining.pcrSelections + remaining.count) return values;
    EsysPtr<TPML_PCR_SELECTION> out;
    EsysPtr<TPML_DIGEST> digests;
    RETURN_IF_ERROR(connection.Run("read PCRs", [&](ESYS_CONTEXT* esys) {
      std::uint32_t counter = 0;
      TPML_PCR_SELECTION* out_list = nullptr;
      TPML_DIGEST* out_digests = nullptr;
      TSS2_RC code =
          Esys_PCR_Read(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &remaining, &counter, &out_list, &out_digests);
      out.reset(out_list);
      digests.reset(out_digests);
      return code;
    }));
    if (digests->count == 0) {
      auto bank = evidence::tpm::HashFromAlgId(left->hash);
      unsigned bits = 0;
      for (unsigned byte = 0; byte < 3; ++byte) bits |= unsigned{left->pcrSelect[byte]} << (8 * byte);
      return Error{
          Reason::kPcrMissing, "tpm",
          "PCR " + std::to_string(std::countr_zero(bits)) + " of bank " + std::string(bank ? Name(*bank) : "unknown") +
              " is not in this TPM; allocate the bank (tpm2_pcrallocate) or let the node's policy ask for another"};
    }
    const unsigned before = BitsIn(remaining);
    RETURN_IF_ERROR(TakeValues(*out, *digests, remaining, values));
    // Values for nothing that was asked for: the TPM would be asked for ever.
    if (BitsIn(remaining) >= before) return Error{Reason::kTpmUnavailable, "tpm", "PCR values without their PCRs"};
  }
}

// Part 3, TPM2_Quote: the digest is over the concatenation of the selected PCRs in the order of the selection; its hash
// is that of the signing scheme.
Bytes DigestOf(const PcrSelections& selections, const PcrValues& values, HashAlgorithm hash) {
  crypto::Hasher hasher(hash);
  for (const auto& selection : selections) {
    auto bank = values.find(selection.bank);
    if (bank == values.end()) continue;
    for (const auto& [pcr, value] : bank->second) hasher.Update(value);
  }
  return std::move(hasher).Finish();
}

}  // namespace

// Part 2, TPML_PCR_SELECTION in TPMS_CAPABILITY_DATA: a bank that is implemented and not allocated is listed with no
// PCR.
Result<std::vector<HashAlgorithm>> ReadPcrBanks(const Connection& connection) {
  EsysPtr<TPMS_CAPABILITY_DATA> data;
  RETURN_IF_ERROR(connection.Run("list PCR banks", [&](ESYS_CONTEXT* esys) {
    TPMI_YES_NO more = TPM2_NO;
    TPMS_CAPABILITY_DATA* out = nullptr;
    TSS2_RC code = Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_PCRS, 0, 1, &more, &out);
    data.reset(out);
    return code;
  }));
  const TPML_PCR_SELECTION& list = data->data.assignedPCR;
  std::vector<HashAlgorithm> banks;
  for (std::uint32_t i = 0; i < list.count && i < TPM2_NUM_PCR_BANKS; ++i) {
    const TPMS_PCR_SELECTION& entry = list.pcrSelections[i];
    const BYTE* end = entry.pcrSelect + std::min<std::size_t>(entry.sizeofSelect, sizeof(entry.pcrSelect));
    const bool allocated = std::any_of(entry.pcrSelect, end, [](BYTE byte) { return byte != 0; });
    auto bank = evidence::tpm::HashFromAlgId(entry.hash);
    if (allocated && bank && std::find(banks.begin(), banks.end(), *bank) == banks.end()) banks.push_back(*bank);
  }
  if (banks.empty()) {
    return Error{
        Reason::kPcrMissing, "tpm",
        "the TPM has no bank of PCRs with SHA-1, SHA-256, SHA-384 or SHA-512; allocate one (tpm2_pcrallocate)"};
  }
  return banks;
}

Result<TpmQuote> QuoteWithValues(const Connection& connection, ESYS_TR ak, BytesView nonce,
                                 const PcrSelections& selections) {
  ASSIGN_OR_RETURN(TPML_PCR_SELECTION list, ToTpm(selections));
  TPM2B_DATA data{};
  if (nonce.empty() || nonce.size() > sizeof(data.buffer)) {
    return Error{Reason::kMessageMalformed, "nonce", "has " + std::to_string(nonce.size()) + " bytes"};
  }
  data.size = static_cast<UINT16>(nonce.size());
  std::copy(nonce.begin(), nonce.end(), data.buffer);
  for (int attempt = 0; attempt < kQuoteAttempts; ++attempt) {
    ASSIGN_OR_RETURN(RawQuote quote, QuoteOnce(connection, ak, data, list));
    ASSIGN_OR_RETURN(PcrValues values, ReadPcrs(connection, list));
    if (DigestOf(selections, values, quote.hash) == quote.pcr_digest) {
      return TpmQuote{std::move(quote.attest), std::move(quote.signature), std::move(values)};
    }
  }
  return Error{
      Reason::kTpmUnavailable, "tpm",
      "PCRs were extended during each of " + std::to_string(kQuoteAttempts) + " quotes; they will be asked again"};
}

}  // namespace gatehouse::agent
