#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/policy/loader.h"

namespace gatehouse::policy {
namespace {

namespace fs = std::filesystem;

Error Unreadable(const fs::path& path, const std::string& why) {
  return {Reason::kFileUnreadable, Printable(path.string()), why};
}

Result<SourceFile> ReadFile(const fs::path& path, std::string shown) {
  std::error_code error;
  auto status = fs::status(path, error);
  if (error) return Unreadable(shown, error.message());
  if (!fs::is_regular_file(status)) return Unreadable(shown, "is not a regular file");
  std::ifstream stream(path, std::ios::binary);
  // One byte more than the limit tells that there is more.
  std::string text(limits::kYamlBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.is_open() || stream.bad()) return Unreadable(shown, "could not be read; check its permissions");
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > limits::kYamlBytes) {
    return Error{Reason::kLimitExceeded, Printable(shown),
                 "more than " + std::to_string(limits::kYamlBytes) + " bytes; split it"};
  }
  return SourceFile{std::move(shown), std::move(text)};
}

bool IsPolicyFile(const fs::path& name) {
  std::string text = name.string();
  return !text.starts_with('.') && (text.ends_with(".yaml") || text.ends_with(".yml"));
}

// The names of the files, sorted.
Result<std::vector<fs::path>> ListFolder(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> names;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (!IsPolicyFile(entry->path().filename())) continue;
    if (names.size() == limits::kPolicyFiles) {
      return Error{Reason::kLimitExceeded, Printable(folder.string()),
                   "more than " + std::to_string(limits::kPolicyFiles) + " files"};
    }
    names.push_back(entry->path().filename());
  }
  if (error) return Unreadable(folder, error.message());
  std::sort(names.begin(), names.end());
  return names;
}

// A kubelet lays out a mounted ConfigMap as FOLDER/..2026_01_01_00_00_00.1/NAME, FOLDER/..data -> that folder and
// FOLDER/NAME -> ..data/NAME, and changes it by renaming a new ..data over the old one. Looked up once, so that every
// file is of the same version.
Result<fs::path> VersionOf(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_symlink(fs::symlink_status(folder / "..data", error))) return folder;
  fs::path version = fs::canonical(folder / "..data", error);
  if (error) return Unreadable(folder / "..data", error.message());
  return version;
}

}  // namespace

Result<std::vector<SourceFile>> ReadPolicyFiles(const std::string& path) {
  std::error_code error;
  std::vector<SourceFile> files;
  auto status = fs::status(path, error);
  if (error) return Unreadable(path, error.message());
  if (!fs::is_directory(status)) {
    ASSIGN_OR_RETURN(SourceFile file, ReadFile(path, path));
    files.push_back(std::move(file));
    return files;
  }
  ASSIGN_OR_RETURN(fs::path folder, VersionOf(path));
  ASSIGN_OR_RETURN(auto names, ListFolder(folder));
  for (const fs::path& name : names) {
    ASSIGN_OR_RETURN(SourceFile file, ReadFile(folder / name, (fs::path(path) / name).string()));
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace gatehouse::policy
