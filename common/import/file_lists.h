// Lists of files' digests as other tools write them, for files of reference digests (appraisal::DigestSet).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/appraisal/digest_set.h"

namespace gatehouse::importer {

struct FileList {
  std::vector<appraisal::DigestSet::Entry> entries;  // paths absolute; empty: not known
  // What else the list holds, and where to write it: "excludes: …". Nothing of it would make a node's judgement
  // stricter, so it may be left out.
  std::vector<std::string> notes;
  // "list:12: …": what cannot be taken over exactly (digests by SHA-1 or MD5); at most kRefusals, and how many more.
  // The entries are not the whole list then.
  std::vector<std::string> refused;
  static constexpr std::size_t kRefusals = 20;
};

// `text` is one of these, told by what it holds:
//   sha256sum, sha384sum, sha512sum: "HEX  PATH", names escaped as GNU coreutils does, and with --tag "SHA256 (PATH) =
//     HEX". A name that is not absolute is one below the root. Debian's own lists (*.md5sums) have this form, and are
//     refused for their MD5; so are Checksums-Sha256 of .changes and .buildinfo, which are of packages, not of files.
//   rpm -qa --dump: "PATH SIZE MTIME DIGEST MODE OWNER GROUP ISCONFIG ISDOC RDEV LINK"; what is no file has no digest
//   and
//     is passed over.
//   Keylime's runtime policies (JSON, "digests") and its allow-lists before them ("hashes"). A digest counts for its
//   path
//     there: a note says so (matchPaths).
// Errors: kDigestMalformed (a line that is none of these), kJsonMalformed, kUsage (nothing in it), kLimitExceeded.
[[nodiscard]] Result<FileList> ReadFileList(std::string_view text, const std::string& source);

// "HEX  PATH\n" as sha256sum prints it.
[[nodiscard]] std::string FormatSum(BytesView digest, std::string_view path);

}  // namespace gatehouse::importer
