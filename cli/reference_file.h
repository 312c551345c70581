// What the verbs that make reference digests have in common: the file, and the YAML that names it.
#pragma once

#include <string>
#include <vector>

#include "cli/evidence.h"
#include "common/appraisal/digest_set.h"

namespace gatehouse::cli {

struct ReferenceFile {
  std::vector<appraisal::DigestSet::Entry> entries;
  std::vector<std::string> notes;  // shown on stderr, or in the JSON
  std::string source;              // for the YAML's comment: what it was made from
  bool from_images = false;
};

// Writes the set to options.output, and prints a ReferenceValues document that pins it (or JSON: {"file", "sha256",
// "entries", "source", "notes"}). Exit status.
[[nodiscard]] int WriteReferenceFile(ReferenceFile file, const MeasureOptions& options);

// 3 for what could not be checked, 2 for what was asked wrongly, else 1.
[[nodiscard]] int ExitCodeOf(const Error& error);

}  // namespace gatehouse::cli
