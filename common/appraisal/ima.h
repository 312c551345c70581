// Appraisal of what a node ran and read, entry by entry as the IMA log goes on. Pure; the clock is a parameter.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/appraisal/digest_set.h"
#include "common/appraisal/finding.h"
#include "common/appraisal/rules.h"
#include "common/base/clock.h"
#include "common/claims/ima.h"

namespace gatehouse::appraisal {

// A key for file signatures (IMA's .ima keyring): verified by its full key; the key id of a signature only chooses.
struct FileSigner {
  std::string name;      // for messages
  std::uint32_t key_id;  // last four bytes of the subject key identifier (SHA-1 of the key)
  // Whether `signature` (RSA PKCS#1 v1.5 or ECDSA as in security.ima) over `digest` is by that key.
  std::function<bool(HashAlgorithm, BytesView digest, BytesView signature)> verifies;
};

struct BufferRule {
  TextRule name;               // of the buffer: ".ima", "kexec-cmdline", "dm_table_load"
  bool any = false;            // or
  std::vector<Bytes> digests;  // sorted: of the buffer
};

// NodePolicy.tpm.ima
struct ImaPolicy {
  HashAlgorithm bank = HashAlgorithm::kSha256;
  bool allow_insecure_padded_sha1 = false;  // see claims::VerifiedIma::padded
  bool allow_insecure_sha1_aggregate = false;
  bool match_paths = false;            // a digest counts at the path that it is listed for only
  std::vector<Bytes> deny_digests;     // sorted
  std::optional<TextRule> deny_paths;  // all of them as one
  std::optional<TextRule> exclude;     // paths of which nothing is asked
  std::optional<TextRule> violations;  // paths whose violations are accepted
  std::vector<FileSigner> signers;
  bool signatures_accept = false;        // a good signature accepts a file that no set lists
  std::optional<TextRule> signed_paths;  // paths that must have a good signature, listed or not
  std::vector<BufferRule> buffers;
  enum class Containers : std::uint8_t { kListed, kImages, kAny };
  std::optional<TextRule> container_paths;  // which entries are of containers' file systems
  Containers containers = Containers::kListed;
};

// The `ima` part of a reference set.
struct ImaReference {
  std::shared_ptr<const DigestSet> digests;  // inline; may be null
  struct File {
    std::string name;
    Digest pin;
  };
  std::vector<File> files;   // of reference digests, in the webhook's folder
  bool images_only = false;  // from container images: counts for entries of containers only
  [[nodiscard]] bool empty() const { return !digests && files.empty(); }
};
// Finds a file of reference digests. Errors: kReferenceUnavailable.
using FindDigests = std::function<Result<std::shared_ptr<const DigestSet>>(const ImaReference::File&)>;

// One policy's view of one node's log, from entry 0 on. Copyable: about 1 KiB without findings.
class ImaAppraisal {
 public:
  struct Set {
    std::shared_ptr<const DigestSet> digests;
    bool images_only;
    std::optional<WallTime> not_after;
  };
  // `policy` is shared and outlives this; `sets`: those in their time.
  ImaAppraisal(std::shared_ptr<const ImaPolicy> policy, std::shared_ptr<const std::vector<Set>> sets);

  // In this order: unknown fields or a template with neither path nor buffer: kImaEntryUnexpected. A violation:
  // kImaViolation unless its path is allowed. A denied digest or path: kImaFileDenied. A buffer: by its rules, else
  // kImaEntryUnexpected. A path that must be signed: kImaSignatureInvalid unless a signer verifies. Listed (digest of
  // sha256 or better; with match_paths at that path): good. Entries of containers as policy.containers says: kListed by
  // any set, kImages by those from images only, kAny without being asked for; with match_paths, a set from images also
  // holds for a path that ends in a listed one ("/var/lib/…/fs/usr/bin/app"). A good
  // signature, if signatures_accept. An excluded path: good. Else kImaFileUnlisted. A digest by an algorithm that we do
  // not know, or SHA-1, is never listed. Entry 0 (boot_aggregate) is not judged here; a later entry of that name is a
  // file like any other.
  void Judge(const claims::ImaEntry& entry, WallTime now);

  // Readable only for the log that a quote vouches for up to the last entry that was judged; else one kInternal
  // finding. The policy's bank is not among those that the log was compared in: kPcrMissing; only with padded SHA-1
  // there, and that is not allowed: kImaLogMismatch. At most limits::kImaFindings, then "and N more". Each: where "ima
  // entry N", detail with path (printable), digest, when it was first seen, what would accept it.
  [[nodiscard]] std::vector<Finding> Findings(const claims::VerifiedIma& verified) const;
  [[nodiscard]] std::uint64_t judged() const;  // entries
  [[nodiscard]] std::optional<WallTime> holds_until() const;

 private:
  struct Fault {
    Reason reason;
    std::string_view why;  // lives for ever
  };
  [[nodiscard]] std::optional<Fault> Examine(const claims::ImaEntry& entry, WallTime now);
  [[nodiscard]] std::optional<Fault> ExamineFile(const claims::ImaEntry& entry, WallTime now);
  [[nodiscard]] bool Listed(const claims::ImaEntry& entry, bool of_container, WallTime now);
  [[nodiscard]] Finding Describe(const claims::ImaEntry& entry, const Fault& fault, WallTime now) const;
  [[nodiscard]] std::string WhyUnlisted(const claims::ImaEntry& entry) const;

  std::shared_ptr<const ImaPolicy> policy_;
  std::shared_ptr<const std::vector<Set>> sets_;  // those that hold longest first
  std::uint64_t judged_ = 0;
  bool in_order_ = true;
  std::uint64_t more_ = 0;  // faults beyond those that are kept
  Reason more_reason_ = Reason::kImaFileUnlisted;
  std::vector<Finding> findings_;
  std::optional<WallTime> holds_until_;
};

}  // namespace gatehouse::appraisal
