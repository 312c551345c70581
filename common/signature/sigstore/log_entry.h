// Internal to this folder: the canonicalised bodies of log entries. Rekor v1: rekor/pkg/types/{hashedrekord/v0.0.1,
// dsse/v0.0.1, intoto/v0.0.1, intoto/v0.0.2}; Rekor v2: rekor-tiles api/proto/rekor/v2 and rekor-v2-spec section 6.1.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/signature/sigstore/log_key.h"
#include "common/signature/sigstore/transparency.h"

namespace gatehouse::signature::sigstore {

struct EntryBody {
  enum class Kind : std::uint8_t { kHashedRekordV1, kDsseV1, kInTotoV1, kInTotoOld, kHashedRekordV2, kDsseV2 };
  Kind kind;
  // Of what was signed: the message, or for kDsseV1, kInTotoV1 and kDsseV2 the envelope's payload. (kHashedRekordV2 of
  // an envelope: its pre-authentication encoding. kInTotoOld: its JSON.)
  HashAlgorithm hash = HashAlgorithm::kSha256;
  Bytes digest;
  struct Signature {
    Bytes signature;                      // kInTotoOld: empty
    bool certificate = false;             // else a public key
    Bytes der;                            // of the certificate, or the SubjectPublicKeyInfo or RSAPublicKey
    bool pkcs1 = false;                   // the latter
    const KeyDetails* details = nullptr;  // v2; null: of v1, or of a kind that we do not know
  };
  std::vector<Signature> signatures;  // at least one
};

[[nodiscard]] bool IsV2(EntryBody::Kind kind);

// The body as the log hashed it: JSON in canonical form (RFC 8785), with the members of its kind and no others.
// `kind`, `version`: what the entry says that it is; both empty: nothing is said (legacy annotations).
// Errors: kLogEntryMalformed, kLimitExceeded.
[[nodiscard]] Result<EntryBody> ParseEntryBody(std::string_view body, std::string_view kind, std::string_view version);

// Whether the entry is of exactly this content: digest, every signature, and the key or certificate of each.
// Errors: kLogEntryMismatch.
[[nodiscard]] Status CompareEntryBody(const EntryBody& body, const SignedContent& content);

}  // namespace gatehouse::signature::sigstore
