#include "webhook/attest/state_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "common/base/encoding.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"

namespace gatehouse::webhook {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".json";
constexpr std::string_view kHashed = "sha256-";
constexpr std::string_view kLockFile = ".gatehouse-lock";
constexpr std::string_view kMarkerFile = ".gatehouse-state";
constexpr std::size_t kMarkerBytes = 16;
constexpr std::size_t kPlainNameBytes = 200;  // a file's name has at most 255, and WriteFile needs a few

Result<int> Lock(const std::string& folder) {
  const std::string path = folder + "/" + std::string(kLockFile);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return Error{Reason::kFileUnreadable, path, "cannot be opened: " + std::generic_category().message(errno)};
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const int number = errno;
  ::close(fd);
  if (number == EWOULDBLOCK) {
    return Error{Reason::kConfigInvalid, folder,
                 "another process uses it: run one replica of the attestation service for a stateDir"};
  }
  return Error{Reason::kFileUnreadable, path, "cannot be locked: " + std::generic_category().message(number)};
}

}  // namespace

Result<std::unique_ptr<StateFolder>> StateFolder::Open(std::string path, const Random& random) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return Error{Reason::kFileUnreadable, path, "cannot be made: " + error.message()};
  ASSIGN_OR_RETURN(int lock, Lock(path));
  std::unique_ptr<StateFolder> folder(new StateFolder(std::move(path), lock, EncodeHex(random(kMarkerBytes))));
  RETURN_IF_ERROR(WriteFile(folder->PathOf(std::string(kMarkerFile)), AsBytes(folder->marker_)));
  return folder;
}

StateFolder::~StateFolder() {
  ::close(lock_);
}

std::string StateFolder::FileOf(const std::string& node) {
  if (node.size() <= kPlainNameBytes && !node.starts_with(kHashed)) return node + std::string(kSuffix);
  return std::string(kHashed) + std::string(crypto::Sha256Digest(AsBytes(node)).hex()) + std::string(kSuffix);
}

Result<std::vector<std::string>> StateFolder::Files() const {
  std::error_code error;
  std::vector<std::string> files;
  fs::directory_iterator entry(path_, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (entry->path().extension() == kSuffix) files.push_back(entry->path().filename().string());
  }
  if (error) return Error{Reason::kFileUnreadable, path_, error.message()};
  std::sort(files.begin(), files.end());
  return files;
}

Result<std::string> StateFolder::Read(const std::string& file) const {
  return ReadTextFile(PathOf(file), limits::kAttestationBytes);
}

Status StateFolder::Write(const std::string& file, const std::string& text) const {
  RETURN_IF_ERROR(CheckPresent());
  Status written = WriteFile(PathOf(file), AsBytes(text));
  // The caller did nothing wrong, nor did the node that is written about.
  if (!written.ok()) return Error{Reason::kInternal, written.error().where, written.error().detail};
  return Ok();
}

Status StateFolder::CheckPresent() const {
  auto marker = ReadTextFile(PathOf(std::string(kMarkerFile)), limits::kKiB);
  if (marker.ok() && *marker == marker_) return Ok();
  return Error{Reason::kInternal, path_,
               "the folder of bindings is not the one that was opened: mount it again, or restart"};
}

bool StateFolder::IsRemoved(const std::string& file) const {
  std::error_code error;
  if (fs::exists(PathOf(file), error) || error) return false;
  // In this order: a volume that goes away between the two looks takes the marker with it.
  return CheckPresent().ok();
}

}  // namespace gatehouse::webhook
