// Transparency logs: proofs that an entry is in one, and that the entry is of this very signature.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/claims/signer.h"
#include "common/signature/sigstore/bundle.h"
#include "common/signature/sigstore/trust.h"

namespace gatehouse::signature::sigstore {

// What was verified to be signed, for the comparison with what an entry says was signed.
struct SignedContent {
  // Exactly one of the two.
  const MessageSignature* message = nullptr;
  const Envelope* envelope = nullptr;
  // Of a message: its digest by `hash`, computed or given by the caller (never the bundle's hint).
  HashAlgorithm hash = HashAlgorithm::kSha256;
  Bytes digest = {};
  // Of a message: its bytes, if the caller has them; an entry that names another hash can then be compared as well.
  std::optional<BytesView> bytes = {};
  // Of an envelope: its JSON as it was uploaded, byte for byte, if the caller has it (a legacy layer's blob). Entries
  // of kind intoto 0.0.1, which cosign made until 2.1, hold its hash and nothing of the signature: without it they
  // cannot be compared.
  std::optional<std::string_view> envelope_json = {};
  // Which key: the leaf certificate, or the key of the trust document.
  const crypto::Certificate* certificate = nullptr;
  const crypto::PublicKey* key = nullptr;  // never null
};

struct VerifiedEntry {
  const Log* log;  // of the material
  std::int64_t index;
  // When, if the log vouches for it: the integrated time under a signed entry timestamp that verifies. v2 has none.
  std::optional<WallTime> integrated_time;
};

// In this order: the log is found by its id among those of the material; the promise (SET) over {body, integratedTime,
// logID, logIndex} and the inclusion proof with its checkpoint are verified, each that is there, and at least one must
// be, v2 always a proof; the log must be in its time at the integrated time; then the body must be of
// `content`: its kind (hashedrekord 0.0.1, dsse 0.0.1, intoto 0.0.2 and 0.0.1; v2 hashedrekord and dsse 0.0.2), digest,
// signature and key are compared with what was verified, byte for byte. The caller still compares the integrated time
// with the certificate. An entry without a promise has no time of its own: then the log must have been in its time at
// one of `times`, the trusted times that the caller has (verified timestamps over the same signature, integrated times
// of other entries); and if there is none, it must be a log in use, one whose window has no end. Errors: kLogUntrusted
// (no log of the material has this id, or none at that time: such an entry vouches for nothing, and is no reason to
// refuse the rest), kLogEntryMalformed, kLogProofInvalid, kLogEntryMismatch, kLimitExceeded.
[[nodiscard]] Result<VerifiedEntry> VerifyEntry(const LogEntry& entry, const SignedContent& content,
                                                const TrustMaterial& material, std::span<const WallTime> times = {});

// A signed note (C2SP signed-note, tlog-checkpoint), parsed.
struct Checkpoint {
  std::string origin;
  std::int64_t size;
  Bytes root_hash;
  std::string signed_text;
  struct Signature {
    std::string name;
    Bytes key_id;  // 4 bytes
    Bytes signature;
  };
  std::vector<Signature> signatures;
};
// Errors: kLogEntryMalformed, kLimitExceeded.
[[nodiscard]] Result<Checkpoint> ParseCheckpoint(std::string_view note);
// Whether `log` has signed it: a signature by its name and key id that does not verify is an error, and so is none;
// those of others are not looked at. The origin must be the log's: its host, or for v1 "NAME - TREE-ID", where the
// signature's name is NAME (which need not be the host of the URL). Errors: kLogProofInvalid.
[[nodiscard]] Status VerifyCheckpoint(const Checkpoint& checkpoint, const Log& log);

// RFC 6962 section 2.1.1 over SHA-256. `leaf`: the entry's bytes. Errors: kLogProofInvalid.
[[nodiscard]] Status VerifyInclusion(BytesView leaf, std::int64_t index, std::int64_t size,
                                     const std::vector<Bytes>& hashes, BytesView root);

}  // namespace gatehouse::signature::sigstore
