// What `gatehouse appraise` is given, read: keys, signatures, selections and values in the forms that TPM tools write.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/evidence/ima/log.h"
#include "common/evidence/tpm/structures.h"
#include "common/verify/tpm/identity.h"

namespace gatehouse::cli {

// "sha256:0-9,14+sha384:all": banks with '+' between them, each once. Errors: kUsage.
[[nodiscard]] Result<evidence::tpm::PcrSelections> ParseSelections(std::string_view text);

// A TPMT_SIGNATURE, as it is in the file or put around a plain signature (raw RSA, ECDSA in DER): then in each form
// that it may have been meant as by a key of this type.
[[nodiscard]] Result<std::vector<Bytes>> ReadSignatures(const std::string& file, const crypto::PublicKey& key);

// PEM (a key or a certificate), TPM2B_PUBLIC or TPMT_PUBLIC.
struct AttestationKeyFile {
  crypto::PublicKey key;
  std::optional<evidence::tpm::PublicArea> area;  // nothing: PEM
};
[[nodiscard]] Result<AttestationKeyFile> ReadAttestationKey(const std::string& file);

// What tpm2_quote -o writes (its in-memory form: TPML_PCR_SELECTION, then lists of eight digests; little-endian).
// Errors: kEvidenceMalformed.
[[nodiscard]] Result<evidence::tpm::PcrValues> ParsePcrFile(BytesView file);

// Gives an IMA log to `take`, piece by piece; `take` returns how many bytes of a piece it took, and gets the rest again
// with what follows. Returns how many bytes nobody took at the end. Errors: kFileUnreadable, those of `take`, those of
// AsciiToBinary.
using TakeEntries = std::function<Result<std::size_t>(BytesView)>;
[[nodiscard]] Result<std::size_t> StreamImaLog(const std::string& file, evidence::ima::Encoding encoding,
                                               const TakeEntries& take);
// By `format`, or by the file's beginning. Errors: kUsage, kFileUnreadable.
[[nodiscard]] Result<evidence::ima::Encoding> EncodingOf(const std::string& file, const std::string& format);

}  // namespace gatehouse::cli
