// Lists of files: whatever is read becomes a set, and sha256sum lines of it are read as the same again.
#include "common/base/limits.h"
#include "common/import/file_lists.h"
#include "tests/fuzz/check.h"

using gatehouse::AsText;
using gatehouse::HashAlgorithm;
using gatehouse::ReasonClass;
using gatehouse::appraisal::DigestSet;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto list = gatehouse::importer::ReadFileList(AsText({data, size}), "list");
  if (!list.ok()) {
    FUZZ_CHECK(gatehouse::ClassOf(list.error().reason) != ReasonClass::kInternal);
    return 0;
  }
  FUZZ_CHECK(!list->entries.empty() || !list->refused.empty());
  FUZZ_CHECK(list->refused.size() <= gatehouse::importer::FileList::kRefusals + 1);
  std::string lines;
  for (const auto& entry : list->entries) {
    FUZZ_CHECK(entry.algorithm != HashAlgorithm::kSha1);
    FUZZ_CHECK(entry.path.empty() || entry.path.starts_with('/'));
    lines += gatehouse::importer::FormatSum(entry.digest, entry.path.empty() ? "-" : entry.path);
  }
  const auto set = DigestSet::Make(list->entries);
  FUZZ_CHECK(set.ok());
  if (list->entries.empty()) return 0;
  const auto again = gatehouse::importer::ReadFileList(lines, "again");
  FUZZ_CHECK(again.ok() && again->refused.empty());
  FUZZ_CHECK((*DigestSet::Make(again->entries))->Serialize() == (*set)->Serialize());
  return 0;
}
