#include "common/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

namespace gatehouse {
namespace {

constexpr std::size_t kChunk = 16384;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool Close() { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

Error Unreadable(const std::filesystem::path& path, std::string_view what, int number) {
  return {Reason::kFileUnreadable, path.string(), std::string(what) + ": " + std::generic_category().message(number)};
}

bool WriteAll(int fd, BytesView bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Result<std::optional<Bytes>> ReadFileIfPresent(const std::filesystem::path& path, std::size_t max) {
  // O_NONBLOCK: opening a pipe that nobody writes would never return.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<Bytes>();
    return Unreadable(path, "cannot be opened", errno);
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return Unreadable(path, "cannot be examined", errno);
  if (!S_ISREG(status.st_mode)) return Error{Reason::kFileUnreadable, path.string(), "is not a regular file"};
  Bytes content;
  // So that a large file is in memory once, and not with room to grow; what /sys and /proc say of their sizes is not
  // believed.
  content.reserve(std::min(max, static_cast<std::size_t>(std::max<off_t>(status.st_size, 0))));
  std::array<std::uint8_t, kChunk> chunk{};
  for (;;) {
    ssize_t got = ::read(file.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Unreadable(path, "cannot be read", errno);
    if (got == 0) return std::optional<Bytes>(std::move(content));
    if (static_cast<std::size_t>(got) > max - content.size()) {
      return Error{Reason::kLimitExceeded, path.string(), "has more than " + std::to_string(max) + " bytes"};
    }
    Append(content, BytesView(chunk).first(static_cast<std::size_t>(got)));
  }
}

Result<Bytes> ReadFile(const std::filesystem::path& path, std::size_t max) {
  ASSIGN_OR_RETURN(std::optional<Bytes> content, ReadFileIfPresent(path, max));
  if (!content) return Unreadable(path, "cannot be opened", ENOENT);
  return std::move(*content);
}

Result<std::string> ReadTextFile(const std::filesystem::path& path, std::size_t max) {
  ASSIGN_OR_RETURN(Bytes content, ReadFile(path, max));
  return std::string(AsText(content));
}

Status WriteFile(const std::filesystem::path& path, BytesView content) {
  std::filesystem::path temporary = path;
  temporary += ".new";
  // A leftover of a crash is ours: nobody else may write into the state folder.
  ::unlink(temporary.c_str());
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.get() < 0) return Unreadable(temporary, "cannot be created", errno);
  if (!WriteAll(file.get(), content) || ::fsync(file.get()) != 0 || !file.Close()) {
    return Unreadable(temporary, "cannot be written", errno);
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return Unreadable(path, "cannot be replaced", errno);
  // The rename itself lasts only once the folder is on the disk.
  Descriptor folder(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0 || ::fsync(folder.get()) != 0)
    return Unreadable(path.parent_path(), "cannot be synchronised", errno);
  return Ok();
}

}  // namespace gatehouse
