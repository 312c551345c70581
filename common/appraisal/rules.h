// What policies and reference values say a boot may hold, in the form in which it is appraised. Filled in by
// common/policy.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/types.h"
#include "common/claims/boot.h"

namespace gatehouse::appraisal {

// One text against what a policy wrote (exact, glob or regular expression; the whole text must match).
struct TextRule {
  std::string source;  // "'…'", "glob '…'", "regex '…'": for messages
  std::function<bool(std::string_view)> matches;
};

// What is accepted of one part of a boot: any of it.
struct Accepted {
  bool any = false;            // whatever it is
  std::vector<Bytes> digests;  // sorted; of whatever bank: the size tells (32: sha256). Never SHA-1
  std::vector<TextRule> texts;
  [[nodiscard]] bool empty() const { return !any && digests.empty() && texts.empty(); }
};
using AcceptedParts = std::map<claims::BootPart, Accepted>;

// Of PK, KEK, db, dbx.
struct KeyRule {
  std::vector<Digest> listed;           // SHA-256 of certificates, and hashes
  bool only = false;                    // nothing else may be there (pk, kek, db); false: these must be (dbx)
  std::optional<std::size_t> at_least;  // entries: the minimum level of a dbx
};

// NodePolicy.tpm.boot
struct BootPolicy {
  // Of the event log; each must be proven. PCRs 10, 16 and 23 are never among them.
  std::uint32_t pcrs = 0;
  HashAlgorithm bank = HashAlgorithm::kSha256;
  bool secure_boot = false;             // must be on, and proven to be
  std::map<std::string, KeyRule> keys;  // by variable: "PK", "KEK", "db", "dbx"
  std::vector<Digest> signers;          // certificates (SHA-256) of db or MOK: see AppraiseBoot
  bool allow_insecure_debug_mode = false;
  AcceptedParts accepted;
  // Of the kernel's command line, beside `accepted`: words that must and must not be there. A word ending in "=" stands
  // for whatever value.
  std::vector<std::string> required_words;
  std::vector<std::string> forbidden_words;
  bool needs_command_line = false;  // some rule needs its text: a boot without one that is proven is refused
  struct Ignored {
    unsigned pcr;
    std::optional<std::uint32_t> type;  // nothing: every event of the PCR
  };
  std::vector<Ignored> ignored;
};

}  // namespace gatehouse::appraisal
