// Messages of the attestation session (agent -> webhook, HTTPS, JSON; DESIGN.md section 5). Each has one JSON form,
// written by Encode and read by Decode, which refuses unknown, missing and duplicate members. Binary members are
// standard base64. Errors of Decode: kMessageMalformed, kLimitExceeded (longer than the limit of its kind:
// kEvidenceBytes for evidence, kLogRequestBytes for a piece of a log, kAttestationBytes for the rest).
//
// What Decode promises: a node is a NodeName; an AK name is lower-case hex of 34, 50 or 66 bytes; binary members are
// not empty and within common/base/limits.h; a list of banks names at least one, each once; a PCR selection names each
// bank once, each with at least one PCR; PCR values have the size of their bank; logs are not empty; an encoding of an
// IMA log is one of the two that are sent; positions are below 2^63. Members that may be empty here are absent there,
// and the other way round. Nothing else is checked, and nothing is authenticated.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/limits.h"
#include "common/base/types.h"
#include "common/evidence/tpm/structures.h"

namespace gatehouse::session {

inline constexpr std::string_view kEnrollPath = "/v1/enroll";
inline constexpr std::string_view kActivatePath = "/v1/enroll/activate";
inline constexpr std::string_view kChallengePath = "/v1/challenge";
inline constexpr std::string_view kLogPath = "/v1/log";
inline constexpr std::string_view kEvidencePath = "/v1/evidence";

struct EnrollRequest {  // POST /v1/enroll
  std::string node;
  Bytes ek_certificate;                 // DER; empty: the TPM has none
  std::vector<Bytes> ek_intermediates;  // DER, from the TPM's NV; of the certificate of the AK as well
  Bytes ek_public;                      // TPMT_PUBLIC
  Bytes ak_public;                      // TPMT_PUBLIC
  Bytes ak_certificate = {};            // DER, of a cloud's or manufacturer's attestation key; empty: none
  friend bool operator==(const EnrollRequest&, const EnrollRequest&) = default;
};
struct EnrollResponse {
  Bytes id_object;
  Bytes encrypted_secret;
  std::string ticket;  // opaque to the agent: what the verifier must remember, under a MAC
  friend bool operator==(const EnrollResponse&, const EnrollResponse&) = default;
};

struct ActivateRequest {  // POST /v1/enroll/activate
  std::string node;
  std::string ticket;
  Bytes secret;
  friend bool operator==(const ActivateRequest&, const ActivateRequest&) = default;
};
struct ActivateResponse {
  std::string ak_name;  // hex: now bound to the node
  friend bool operator==(const ActivateResponse&, const ActivateResponse&) = default;
};

struct ChallengeRequest {  // POST /v1/challenge
  std::string node;
  std::string ak_name;               // hex
  std::vector<HashAlgorithm> banks;  // of PCRs that the TPM has: only these can be quoted
  friend bool operator==(const ChallengeRequest&, const ChallengeRequest&) = default;
};
struct ChallengeResponse {
  Bytes nonce;                             // goes into the quote's extraData as it is
  evidence::tpm::PcrSelections selection;  // one entry per bank
  std::uint64_t ima_from;                  // first IMA entry wanted
  bool want_event_log = true;              // false: no policy of the node looks at it, so it need not be sent
  bool want_ima_log = true;                // the same
  friend bool operator==(const ChallengeResponse&, const ChallengeResponse&) = default;
};

// Media types inside the RATS Conceptual Message Wrapper (draft-ietf-rats-msg-wrap; JSON collection: label -> [type,
// base64url value], its own type in "__cmwc_t"). The labels are "tpm" (always), "eventLog", "imaLog" and
// "commandLine".
inline constexpr std::string_view kCmwCollectionType = "tag:gatehouse.dev,2026:evidence";
inline constexpr std::string_view kQuoteMediaType = "application/vnd.gatehouse.tpm-quote.v1+json";
inline constexpr std::string_view kEventLogMediaType = "application/vnd.gatehouse.tcg-event-log";
inline constexpr std::string_view kImaLogMediaType = "application/vnd.gatehouse.ima-log";
inline constexpr std::string_view kCommandLineMediaType = "text/plain";

// The encodings of an IMA log that are sent. (An agent that has only the ASCII form sends it as little-endian binary.)
inline constexpr std::string_view kLittleEndian = "little-endian";
inline constexpr std::string_view kBigEndian = "big-endian";

// Of one piece of a log: as many whole entries as kImaChunkBytes hold, or one that is larger.
inline constexpr std::size_t kLogEntriesBytes = limits::kImaChunkBytes + limits::kImaEntryBytes;
inline constexpr std::size_t kLogRequestBytes = kLogEntriesBytes / 3 * 4 + 4 * limits::kKiB;

// POST /v1/log: entries of the IMA log ahead of the evidence, so that neither side ever has a long log in memory.
// `from` is the position of the first, which must be where the challenge or the last answer said. They prove nothing
// before a quote vouches for them.
struct LogRequest {
  std::string node;
  std::string ak_name;
  std::uint64_t from;
  std::string encoding = std::string(kLittleEndian);
  Bytes entries;  // at most kLogEntriesBytes
  friend bool operator==(const LogRequest&, const LogRequest&) = default;
};
struct LogResponse {
  std::uint64_t next;  // the position after what was taken
  friend bool operator==(const LogResponse&, const LogResponse&) = default;
};

struct TpmQuote {
  Bytes attest;     // TPMS_ATTEST
  Bytes signature;  // TPMT_SIGNATURE
  evidence::tpm::PcrValues pcrs;
  friend bool operator==(const TpmQuote&, const TpmQuote&) = default;
};
struct EvidenceRequest {  // POST /v1/evidence
  std::string node;
  std::string ak_name;
  Bytes nonce;
  TpmQuote quote;
  std::optional<Bytes> event_log;  // opaque bytes
  std::optional<Bytes> ima_log;
  std::uint64_t ima_from = 0;  // index of the first entry in ima_log; an agent may always send the whole log (0)
  std::string ima_encoding = std::string(kLittleEndian);
  // There is nothing after `ima_from`: an IMA log was read, and all of it had been sent. Never with an ima_log.
  bool ima_complete = false;
  std::string command_line = {};  // of the kernel; a hint: believed where it hashes to a measured one. Empty: not known
  friend bool operator==(const EvidenceRequest&, const EvidenceRequest&) = default;
};
struct EvidenceResponse {
  std::string ear;                    // the attestation result, a JWT
  std::string status;                 // "affirming", "contraindicated", ...
  std::vector<std::string> findings;  // for the agent's log
  std::int64_t next_ms;               // attest again within this time
  friend bool operator==(const EvidenceResponse&, const EvidenceResponse&) = default;
};

// The body of any answer other than 200.
struct ErrorResponse {
  std::string reason;  // token
  std::string detail;
  friend bool operator==(const ErrorResponse&, const ErrorResponse&) = default;
};

#define GATEHOUSE_MESSAGE(Type)                    \
  [[nodiscard]] std::string Encode(const Type& m); \
  [[nodiscard]] Result<Type> Decode##Type(std::string_view json);
GATEHOUSE_MESSAGE(EnrollRequest)
GATEHOUSE_MESSAGE(EnrollResponse)
GATEHOUSE_MESSAGE(ActivateRequest)
GATEHOUSE_MESSAGE(ActivateResponse)
GATEHOUSE_MESSAGE(ChallengeRequest)
GATEHOUSE_MESSAGE(ChallengeResponse)
GATEHOUSE_MESSAGE(LogRequest)
GATEHOUSE_MESSAGE(LogResponse)
GATEHOUSE_MESSAGE(EvidenceRequest)
GATEHOUSE_MESSAGE(EvidenceResponse)
GATEHOUSE_MESSAGE(ErrorResponse)
#undef GATEHOUSE_MESSAGE

}  // namespace gatehouse::session
