// gatehouse measure files LIST… --output FILE: a file of reference digests out of other tools' lists of files.
#include <iostream>

#include "cli/reference_file.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/import/file_lists.h"

namespace gatehouse::cli {
namespace {

Result<importer::FileList> ReadList(const std::string& path) {
  ASSIGN_OR_RETURN(const Bytes text, ReadFile(path, limits::kFileListBytes));
  return importer::ReadFileList(AsText(text), path);
}

}  // namespace

int MeasureFiles(const MeasureOptions& options) {
  if (options.output.empty() || options.extra.empty()) {
    PrintError({Reason::kUsage, "measure files", "give lists of files, and with --output where to write"},
               options.json);
    return kUsageOrPolicy;
  }
  ReferenceFile file;
  std::vector<std::string> refused;
  for (const std::string& path : options.extra) {
    auto list = ReadList(path);
    if (!list.ok()) {
      PrintError(list.error(), options.json);
      return ExitCodeOf(list.error());
    }
    file.source += (file.source.empty() ? "Files of " : ", ") + path;
    file.entries.insert(file.entries.end(), std::make_move_iterator(list->entries.begin()),
                        std::make_move_iterator(list->entries.end()));
    file.notes.insert(file.notes.end(), list->notes.begin(), list->notes.end());
    refused.insert(refused.end(), list->refused.begin(), list->refused.end());
  }
  if (refused.empty()) return WriteReferenceFile(std::move(file), options);
  if (options.json) {
    for (const std::string& each : refused) PrintError({Reason::kDigestMalformed, "", each}, true);
  } else {
    std::cerr << "Nothing was written, for these could not be taken over:\n";
    for (const std::string& each : refused) std::cerr << "  " << each << "\n";
  }
  return kRefused;
}

}  // namespace gatehouse::cli
