// gatehouse policy import FILE…: policies of other systems in our words, on standard output.
#include <algorithm>
#include <filesystem>
#include <iostream>

#include "cli/options.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/import/import.h"

namespace gatehouse::cli {
namespace {

namespace fs = std::filesystem;

// Notation's truststore folder: x509/TYPE/NAME/*.crt and *.pem.
Result<std::map<std::string, std::string>> ReadTrustStores(const std::string& folder) {
  std::map<std::string, std::string> stores;
  if (folder.empty()) return stores;
  fs::path root = folder;
  if (fs::is_directory(root / "x509")) root /= "x509";
  std::vector<fs::path> files;
  std::error_code failure;
  for (fs::recursive_directory_iterator it(root, failure), end; !failure && it != end; it.increment(failure)) {
    const auto extension = it->path().extension();
    if (extension == ".crt" || extension == ".pem" || extension == ".cer") files.push_back(it->path());
  }
  if (failure) return Error{Reason::kFileUnreadable, folder, failure.message()};
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    const fs::path store = file.parent_path();
    if (store.parent_path().parent_path() != root) continue;
    ASSIGN_OR_RETURN(std::string pem, ReadTextFile(file, limits::kMiB));
    if (!pem.ends_with('\n')) pem += '\n';
    stores[store.parent_path().filename().string() + ":" + store.filename().string()] += pem;
  }
  return stores;
}

Result<importer::Outcome> ImportFile(const std::string& path, const importer::Options& options) {
  ASSIGN_OR_RETURN(std::string text, ReadTextFile(path, limits::kYamlBytes));
  return importer::Import(text, path, options);
}

}  // namespace

int PolicyImport(const Options& options) {
  importer::Options how;
  if (!options.importing.public_good.empty()) how.public_good = options.importing.public_good;
  auto stores = ReadTrustStores(options.importing.trust_store);
  if (!stores.ok()) {
    PrintError(stores.error(), false);
    return kUsageOrPolicy;
  }
  how.trust_stores = *std::move(stores);
  std::string yaml;
  std::vector<std::string> refused;
  for (const std::string& file : options.importing.files) {
    auto outcome = ImportFile(file, how);
    if (!outcome.ok()) {
      PrintError(outcome.error(), false);
      return kUsageOrPolicy;
    }
    yaml += outcome->yaml;
    refused.insert(refused.end(), outcome->refused.begin(), outcome->refused.end());
    for (const std::string& note : outcome->notes) std::cerr << "note: " << note << "\n";
  }
  if (refused.empty()) {
    std::cout << yaml;
    return kAdmitted;
  }
  std::cerr << "Not imported, for without these the policies would say something else:\n";
  for (const std::string& each : refused) std::cerr << "  " << each << "\n";
  return kRefused;
}

}  // namespace gatehouse::cli
