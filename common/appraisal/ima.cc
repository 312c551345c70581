#include "common/appraisal/ima.h"

#include <algorithm>

#include "common/appraisal/ima_signature.h"
#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/time.h"

namespace gatehouse::appraisal {
namespace {

constexpr std::size_t kShownPathBytes = 384;
// Of a path of a container's file system: deeper ones are not looked at.
constexpr int kPathSuffixes = 64;

bool Matches(const std::optional<TextRule>& rule, std::string_view text) {
  return rule && rule->matches && rule->matches(text);
}

bool Contains(const std::vector<Bytes>& sorted, BytesView digest) {
  auto below = [](const Bytes& a, BytesView b) {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
  };
  const auto at = std::lower_bound(sorted.begin(), sorted.end(), digest, below);
  return at != sorted.end() && std::equal(at->begin(), at->end(), digest.begin(), digest.end());
}

// A digest that says which file it is.
bool Identifies(const claims::ImaEntry& entry) {
  return entry.algorithm && *entry.algorithm != HashAlgorithm::kSha1 && !entry.digest.empty();
}

// Why no key of the policy vouches for the file; nothing if one does. A key is never taken from the log, and its id
// only chooses: others may have the same.
std::optional<std::string_view> SignatureFault(const ImaPolicy& policy, const claims::ImaEntry& entry) {
  if (entry.signature.empty()) return "the file has no signature";
  if (entry.appended) return "its signature is appended to it (modsig), which is not checked";
  const auto parsed = ParseImaSignature(entry.signature);
  if (!parsed.ok()) return "its signature is malformed, or of a kind that is not accepted";
  if (!Identifies(entry)) return "its digest is not one that a signature could be accepted for";
  // A signature of version 2 is over the file, never over the root of its fs-verity tree.
  if (entry.verity) return "its digest is fs-verity's, which a signature of version 2 is not over";
  if (entry.algorithm != parsed->algorithm) return "its signature is over another digest than the one measured";
  bool known = false;
  for (const FileSigner& signer : policy.signers) {
    if (signer.key_id != parsed->key_id) continue;
    known = true;
    if (signer.verifies && signer.verifies(parsed->algorithm, entry.digest, parsed->signature)) return std::nullopt;
  }
  return known ? "its signature does not verify with the key that it names"
               : "its signature is by a key that is not in the policy's key ring";
}

bool AtListedPath(const DigestSet& set, const claims::ImaEntry& entry, bool also_below) {
  using Match = DigestSet::Match;
  const Match whole = set.Find(*entry.algorithm, entry.digest, entry.path);
  if (whole != Match::kDigest || !also_below) return whole == Match::kExact;
  std::string_view path = entry.path;
  for (int i = 0; i < kPathSuffixes; ++i) {
    const std::size_t slash = path.find('/', 1);
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash);
    if (set.Find(*entry.algorithm, entry.digest, path) == Match::kExact) return true;
  }
  return false;
}

std::string DigestOf(const claims::ImaEntry& entry) {
  if (!entry.algorithm) return "(a digest by an algorithm that is not known)";
  return (entry.verity ? "verity:" : "") + std::string(Name(*entry.algorithm)) + ":" + EncodeHex(entry.digest);
}

std::string KeyIdOf(const claims::ImaEntry& entry) {
  const auto parsed = ParseImaSignature(entry.signature);
  if (entry.appended || !parsed.ok()) return "";
  ByteWriter id;
  id.PutU32Be(parsed->key_id);
  return " (key id " + EncodeHex(id.bytes()) + ")";
}

}  // namespace

ImaAppraisal::ImaAppraisal(std::shared_ptr<const ImaPolicy> policy, std::shared_ptr<const std::vector<Set>> sets)
    : policy_(std::move(policy)) {
  std::vector<Set> ordered;
  if (sets != nullptr) ordered = *sets;
  std::erase_if(ordered, [](const Set& set) { return set.digests == nullptr; });
  std::stable_sort(ordered.begin(), ordered.end(), [](const Set& a, const Set& b) {
    return a.not_after && b.not_after ? *a.not_after > *b.not_after : !a.not_after && b.not_after;
  });
  sets_ = std::make_shared<const std::vector<Set>>(std::move(ordered));
}

bool ImaAppraisal::Listed(const claims::ImaEntry& entry, bool of_container, WallTime now) {
  if (!Identifies(entry)) return false;
  for (const Set& set : *sets_) {
    const bool counts =
        of_container ? set.images_only || policy_->containers == ImaPolicy::Containers::kListed : !set.images_only;
    if (!counts || (set.not_after && *set.not_after <= now)) continue;
    const bool listed = policy_->match_paths ? AtListedPath(*set.digests, entry, of_container && set.images_only)
                                             : set.digests->Contains(*entry.algorithm, entry.digest);
    if (!listed) continue;
    // The first that lists it is the one that holds longest.
    if (set.not_after) holds_until_ = holds_until_ ? std::min(*holds_until_, *set.not_after) : *set.not_after;
    return true;
  }
  return false;
}

std::optional<ImaAppraisal::Fault> ImaAppraisal::ExamineFile(const claims::ImaEntry& entry, WallTime now) {
  std::optional<std::string_view> unsigned_because;
  const bool must_be_signed = Matches(policy_->signed_paths, entry.path);
  if (must_be_signed) {
    unsigned_because = SignatureFault(*policy_, entry);
    if (unsigned_because) return Fault{Reason::kImaSignatureInvalid, *unsigned_because};
  }
  const bool of_container = Matches(policy_->container_paths, entry.path);
  if (Listed(entry, of_container, now)) return std::nullopt;
  if (of_container && policy_->containers == ImaPolicy::Containers::kAny) return std::nullopt;
  if (policy_->signatures_accept && (must_be_signed || !SignatureFault(*policy_, entry))) return std::nullopt;
  if (Matches(policy_->exclude, entry.path)) return std::nullopt;
  return Fault{Reason::kImaFileUnlisted, ""};
}

std::optional<ImaAppraisal::Fault> ImaAppraisal::Examine(const claims::ImaEntry& entry, WallTime now) {
  if (entry.unknown_fields || (entry.path.empty() && !entry.is_buffer))
    return Fault{Reason::kImaEntryUnexpected, "its template has fields that are not known, or no path"};
  const bool denied_path = Matches(policy_->deny_paths, entry.path);
  if (entry.violation) {
    if (denied_path) return Fault{Reason::kImaFileDenied, "its path is denied"};
    if (Matches(policy_->violations, entry.path)) return std::nullopt;
    return Fault{Reason::kImaViolation, "the kernel could not measure it, for it was open for writing (a violation)"};
  }
  if (denied_path) return Fault{Reason::kImaFileDenied, "its path is denied"};
  if (Contains(policy_->deny_digests, entry.digest)) return Fault{Reason::kImaFileDenied, "its digest is denied"};
  if (!entry.is_buffer) return ExamineFile(entry, now);
  bool named = false;
  for (const BufferRule& rule : policy_->buffers) {
    if (!rule.name.matches || !rule.name.matches(entry.path)) continue;
    named = true;
    if (rule.any || (Identifies(entry) && Contains(rule.digests, entry.digest))) return std::nullopt;
  }
  return Fault{Reason::kImaEntryUnexpected,
               named ? "the rule for this buffer does not list its digest" : "no rule covers this buffer"};
}

void ImaAppraisal::Judge(const claims::ImaEntry& entry, WallTime now) {
  in_order_ = in_order_ && entry.number == judged_;
  ++judged_;
  // Judged by the replay, which has the PCRs that it stands for.
  if (entry.boot_aggregate && entry.number == 0) return;
  const std::optional<Fault> fault = Examine(entry, now);
  if (!fault) return;
  if (findings_.size() < limits::kImaFindings) {
    findings_.push_back(Describe(entry, *fault, now));
  } else {
    more_reason_ = more_ == 0 ? fault->reason : more_reason_;
    ++more_;
  }
}

std::string ImaAppraisal::WhyUnlisted(const claims::ImaEntry& entry) const {
  const bool of_container = Matches(policy_->container_paths, entry.path);
  const bool images = of_container && policy_->containers == ImaPolicy::Containers::kImages;
  std::string why = images ? "no reference values of container images list it" : "no reference values list it";
  bool changed = false;
  bool elsewhere = false;
  for (const Set& set : *sets_) {
    if (of_container ? images && !set.images_only : set.images_only) continue;
    elsewhere = elsewhere || (Identifies(entry) && set.digests->Contains(*entry.algorithm, entry.digest));
    changed = changed || set.digests->KnowsPath(entry.path);
  }
  if (!entry.algorithm) {
    why = "its digest is by an algorithm that is not known, so it cannot be listed";
  } else if (!Identifies(entry)) {
    why = "its digest is by SHA-1, which does not identify a file: boot with ima_hash=sha256";
  } else if (elsewhere) {
    why = "its digest is listed for another path, and the policy matches paths";
  } else if (changed) {
    why = "a known file was changed: its path is listed with another digest";
  }
  why += ". To accept it, add it to a set of the reference values";
  if (images) why += " from images";
  // Where there was a good signature, the entry would not be here.
  if (policy_->signatures_accept) why += ", sign the file (" + std::string(*SignatureFault(*policy_, entry)) + ")";
  return why + ", or exclude its path";
}

Finding ImaAppraisal::Describe(const claims::ImaEntry& entry, const Fault& fault, WallTime now) const {
  std::string detail = (entry.is_buffer ? "buffer '" : "'") + Printable(entry.path, kShownPathBytes) + "'";
  if (!entry.violation) detail += " " + DigestOf(entry);
  detail += ", first seen " + codec::FormatTime(std::chrono::floor<std::chrono::seconds>(now)) + ": ";
  if (fault.reason == Reason::kImaFileUnlisted) {
    detail += WhyUnlisted(entry);
  } else {
    detail += fault.why;
  }
  if (fault.reason == Reason::kImaSignatureInvalid) {
    detail += KeyIdOf(entry) + ". To accept it, sign the file with a key of the policy's key ring";
  } else if (fault.reason == Reason::kImaViolation) {
    detail += ". To accept it, name its path in violations";
  } else if (fault.reason == Reason::kImaFileDenied) {
    detail += ". To accept it, take it off the policy's deny list";
  } else if (entry.is_buffer) {
    detail += ". To accept it, add it to the policy's buffers";
  } else if (fault.reason == Reason::kImaEntryUnexpected) {
    detail += " (template '" + Printable(entry.template_name, 64) + "'). Use the template ima-ng or ima-sig";
  }
  return {fault.reason, "ima entry " + std::to_string(entry.number), std::move(detail)};
}

std::vector<Finding> ImaAppraisal::Findings(const claims::VerifiedIma& verified) const {
  if (!in_order_ || verified.count() != judged_) {
    return {{Reason::kInternal, "ima log",
             std::to_string(judged_) + " entries were judged, and the quote vouches for " +
                 std::to_string(verified.count())}};
  }
  std::vector<Finding> findings;
  const std::string where = "pcr 10 (" + std::string(Name(policy_->bank)) + ")";
  const auto& compared = verified.pcr();
  if (std::none_of(compared.begin(), compared.end(), [&](const auto& each) { return each.first == policy_->bank; })) {
    findings.push_back({Reason::kPcrMissing, where, "the log was not compared with the policy's bank"});
  } else if (verified.padded(policy_->bank) && !policy_->allow_insecure_padded_sha1) {
    findings.push_back({Reason::kImaLogMismatch, where,
                        "the log matches only with SHA-1 hashes padded with zeros, as kernels before 5.8 extend them, "
                        "or such as lack that hash: choose another bank, or set allowInsecurePaddedSha1"});
  }
  findings.insert(findings.end(), findings_.begin(), findings_.end());
  if (more_ > 0) findings.push_back({more_reason_, "ima log", "and " + std::to_string(more_) + " more such entries"});
  return findings;
}

std::uint64_t ImaAppraisal::judged() const {
  return judged_;
}

std::optional<WallTime> ImaAppraisal::holds_until() const {
  return holds_until_;
}

}  // namespace gatehouse::appraisal
