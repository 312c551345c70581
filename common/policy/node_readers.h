// What NodePolicy and ReferenceValues say of a TPM, a boot and what runs. Internal to this room; see readers.h.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/limits.h"
#include "common/policy/readers.h"

namespace gatehouse::policy {

// Regular expressions of one document: each may cost 64 KiB in every replica (text_matcher.cc). Counted before the
// first is compiled. Errors are reported to the reader (kLimitExceeded).
void LimitPatterns(codec::ObjectReader& spec);

// Nothing is there but these: what has another name is told best by the reader's end, as an unknown field.
[[nodiscard]] bool HasOnly(const codec::ObjectReader& reader, std::initializer_list<std::string_view> keys);

// kSha256, kSha384 and kSha512 by the size of their digests; never SHA-1.
[[nodiscard]] std::optional<HashAlgorithm> AlgorithmOfSize(std::size_t bytes);
// `fallback` if `key` is absent.
[[nodiscard]] HashAlgorithm ReadBank(codec::ObjectReader& reader, std::string_view key, HashAlgorithm fallback);
// Digests in hex, of `bank`, or without one of SHA-256, SHA-384 or SHA-512 by their length: sorted. None if the member
// is absent; if it is there it is not empty.
[[nodiscard]] std::vector<Bytes> ReadDigests(codec::ObjectReader& reader, std::string_view key,
                                             std::optional<HashAlgorithm> bank, std::size_t max = limits::kBootRules);
// SHA-256 of certificates, and hashes: each element of the list at `key` is "sha256:HEX", or certificates in PEM form,
// whose fingerprints count. The same is not listed twice. As above if it is absent.
[[nodiscard]] std::vector<Digest> ReadFingerprints(codec::ObjectReader& reader, std::string_view key);
// The certificates of a text in PEM form at `key`; none if it is absent. Each must be a CA's if `ca`.
[[nodiscard]] std::vector<crypto::Certificate> ReadCertificateList(codec::ObjectReader& reader, std::string_view key,
                                                                   bool ca);

// Regular expressions (RE2) over paths, one of which must match the whole path, as one rule: bytes, not characters (a
// path need not be UTF-8, and a name must not slip past a pattern by not being any), `.` is any of them. `narrow`:
// what would match everything is refused, with the advice to name directories. Nothing if `key` is absent.
[[nodiscard]] std::optional<appraisal::TextRule> ReadPathPatterns(codec::ObjectReader& reader, std::string_view key,
                                                                  bool narrow);
// One such expression, required, over names.
[[nodiscard]] appraisal::TextRule ReadNamePattern(codec::ObjectReader& reader, std::string_view key);

struct AcceptOptions {
  bool any;                           // may say `any: true`: policies may, reference values name what is good
  std::optional<HashAlgorithm> bank;  // of digests; nothing: any of them
};
// {digests, exact, globs, regexes}, and `any`; may be empty. `texts`: false where digests alone are proven.
[[nodiscard]] appraisal::Accepted ReadAccepted(codec::ObjectReader& part, const AcceptOptions& options, bool texts);
// By part; none of them is empty.
[[nodiscard]] appraisal::AcceptedParts ReadParts(codec::ObjectReader& parts, const AcceptOptions& options);

// --- NodePolicy.tpm

[[nodiscard]] TpmIdentityRules ReadIdentity(codec::ObjectReader& identity, bool has_trust_roots);
// `has_references`: the policy names ReferenceValues.
[[nodiscard]] std::shared_ptr<const appraisal::BootPolicy> ReadBoot(codec::ObjectReader& boot, bool has_references);
[[nodiscard]] std::shared_ptr<const appraisal::ImaPolicy> ReadIma(codec::ObjectReader& ima, bool has_references);
// Public keys and certificates as IMA's key ring has them. Errors: kKeyMalformed, kCertificateMalformed.
[[nodiscard]] Result<std::vector<appraisal::FileSigner>> ReadFileSigners(std::string_view pem);
// If the command line is judged by words alone, and none of `sets` lists command lines, whatever has them is accepted.
[[nodiscard]] std::shared_ptr<const appraisal::BootPolicy> WithWordsAlone(
    std::shared_ptr<const appraisal::BootPolicy> boot, const std::vector<ReferenceSet>& sets);

// --- ReferenceValues.sets[].tpm

// `left`: inline digests that the document may still have.
[[nodiscard]] appraisal::ImaReference ReadImaReference(codec::ObjectReader& ima, std::size_t& left);

}  // namespace gatehouse::policy
