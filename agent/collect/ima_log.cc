#include "agent/collect/ima_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "common/base/file.h"

namespace gatehouse::agent {
namespace {

using evidence::ima::Encoding;

constexpr std::size_t kBlock = 64 * limits::kKiB;
constexpr std::size_t kHeadBytes = 1 * limits::kKiB;
// Beyond them every second one is forgotten: 16 KiB, and at most a few pieces are read to get to an entry.
constexpr std::size_t kPlaces = 1024;
constexpr std::uint64_t kAll = ~std::uint64_t{0};

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

ssize_t ReadOnce(int fd, std::uint8_t* to, std::size_t size, std::uint64_t offset) {
  for (;;) {
    ssize_t got = ::pread(fd, to, size, static_cast<off_t>(offset));
    if (got >= 0 || errno != EINTR) return got;
  }
}

Bytes ReadHead(int fd) {
  Bytes head(kHeadBytes);
  std::size_t size = 0;
  while (size < head.size()) {
    ssize_t got = ReadOnce(fd, head.data() + size, head.size() - size, size);
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  head.resize(size);
  return head;
}

}  // namespace

ImaLog::ImaLog(Options options, telemetry::Logger& log, std::function<void()> count_fault)
    : options_(std::move(options)), source_("IMA log", options_.path, log, std::move(count_fault)) {}

ImaLog::~ImaLog() {
  Forget();
}

void ImaLog::Forget() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  head_.clear();
  places_.clear();
  converted_.reset();
}

Error ImaLog::Fail(std::string_view what) const {
  return {Reason::kFileUnreadable, options_.path.string(), std::string(what)};
}

std::optional<ImaPiece> ImaLog::Read(std::uint64_t from) {
  auto piece = TryRead(from);
  converted_.reset();
  if (!piece.ok()) {
    Forget();
    source_.Fault(piece.error());
    return std::nullopt;
  }
  source_.Good();
  return std::move(*piece);
}

Result<ImaPiece> ImaLog::TryRead(std::uint64_t from) {
  ASSIGN_OR_RETURN(bool another, Prepare());
  if (encoding_ == Encoding::kAscii) {
    RETURN_IF_ERROR(ConvertAscii());
    if (!places_.empty() && converted_->size() < places_.back().offset) {
      places_.clear();
      another = true;
    }
  }
  if (another) from = 0;
  Place place = Nearest(from);
  while (place.entry < from) {
    Bytes skipped;
    ASSIGN_OR_RETURN(bool ended, Take(place, kBlock, from - place.entry, skipped));
    if (ended && place.entry < from) {  // it never had so many entries, or has them no longer
      from = 0;
      place = {};
    }
  }
  ImaPiece piece;
  piece.from = from;
  piece.encoding = evidence::ima::Name(encoding_ == Encoding::kAscii ? Encoding::kLittleEndian : encoding_);
  ASSIGN_OR_RETURN(bool ended, Take(place, options_.piece_bytes, kAll, piece.entries));
  if (from == 0 && piece.entries.empty()) return Fail("holds no whole entry");
  piece.next = place.entry;
  piece.more = !ended;
  Remember(place);
  return piece;
}

void ImaLog::Extend(ImaPiece& piece) {
  if (piece.more || piece.entries.size() >= options_.piece_bytes) return;
  auto added = Read(piece.next);
  if (!added || added->from != piece.next) return;
  if (added->entries.size() > options_.piece_bytes - piece.entries.size()) {
    piece.more = true;  // the next attestation begins with them
    return;
  }
  Append(piece.entries, added->entries);
  piece.next = added->next;
  piece.more = added->more;
}

Result<bool> ImaLog::Prepare() {
  // O_NONBLOCK: opening a pipe that nobody writes would never return.
  Descriptor file(::open(options_.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return Fail("cannot be opened: " + std::generic_category().message(errno));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return Fail("cannot be examined");
  if (!S_ISREG(status.st_mode)) return Fail("is not a regular file");
  Bytes head = ReadHead(file.get());
  if (head.empty()) return Fail("is empty: does the kernel have a policy of IMA (ima_policy=)?");
  // Files of the kernel say that they have no bytes.
  auto size = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0));
  bool shorter = !places_.empty() && size != 0 && encoding_ != Encoding::kAscii && size < places_.back().offset;
  bool same_head = head.size() >= head_.size() && std::equal(head_.begin(), head_.end(), head.begin());
  bool known = !head_.empty();
  if (known && same_head && !shorter && status.st_dev == device_ && status.st_ino == inode_) {
    head_ = std::move(head);
    return false;
  }
  Forget();
  head_ = std::move(head);
  fd_ = file.Release();
  device_ = status.st_dev;
  inode_ = status.st_ino;
  encoding_ = options_.encoding.value_or(evidence::ima::GuessEncoding(head_));
  return known && (shorter || !same_head);
}

Status ImaLog::ConvertAscii() {
  ASSIGN_OR_RETURN(Bytes text, ReadFile(options_.path, limits::kImaLogBytes));
  bytes_read_ += text.size();
  // The kernel appends whole lines; a copy may end in one that is not whole yet.
  while (!text.empty() && text.back() != '\n') text.pop_back();
  ASSIGN_OR_RETURN(converted_, evidence::ima::AsciiToBinary(text));
  return Ok();
}

Result<std::size_t> ImaLog::ReadAt(std::uint64_t offset, std::uint8_t* to, std::size_t size) {
  if (encoding_ == Encoding::kAscii) {
    if (offset >= converted_->size()) return std::size_t{0};
    BytesView rest = BytesView(*converted_).subspan(offset);
    std::size_t got = std::min(size, rest.size());
    std::copy_n(rest.begin(), got, to);
    return got;
  }
  ssize_t got = ReadOnce(fd_, to, size, offset);
  if (got < 0) return Fail("cannot be read: " + std::generic_category().message(errno));
  bytes_read_ += static_cast<std::uint64_t>(got);
  return static_cast<std::size_t>(got);
}

Result<bool> ImaLog::Take(Place& place, std::size_t max, std::uint64_t entries, Bytes& out) {
  evidence::ima::FrameReader reader(encoding_ == Encoding::kAscii ? Encoding::kLittleEndian : encoding_);
  const std::uint64_t begin = place.offset;
  std::size_t whole = 0;
  for (;;) {
    while (whole < out.size() && entries > 0) {
      auto found = reader.Next(BytesView(out).subspan(whole));
      if (!found.ok()) {
        return std::move(found).error().In(options_.path.string() + ": entry " + std::to_string(place.entry));
      }
      if (!*found) break;
      std::size_t size = (*found)->size;
      if (whole > 0 && size > max - std::min(max, whole)) {
        out.resize(whole);
        return false;
      }
      whole += size;
      place = {place.entry + 1, place.offset + size};
      --entries;
    }
    // A piece may be one large entry.
    std::size_t most = whole == 0 ? std::max(max, limits::kImaEntryBytes + kBlock) : max;
    if (entries == 0 || out.size() >= most) {
      out.resize(whole);
      if (whole > 0) return false;
      return Error{Reason::kLimitExceeded, options_.path.string(),
                   "entry " + std::to_string(place.entry) + " has more than " + std::to_string(limits::kImaEntryBytes) +
                       " bytes"};
    }
    std::size_t before = out.size();
    out.resize(before + std::min(kBlock, most - before));
    ASSIGN_OR_RETURN(std::size_t got, ReadAt(begin + before, out.data() + before, out.size() - before));
    out.resize(before + got);
    if (got == 0) {
      out.resize(whole);
      return true;
    }
  }
}

ImaLog::Place ImaLog::Nearest(std::uint64_t entry) const {
  auto after = std::upper_bound(places_.begin(), places_.end(), entry,
                                [](std::uint64_t wanted, const Place& place) { return wanted < place.entry; });
  return after == places_.begin() ? Place() : *std::prev(after);
}

void ImaLog::Remember(Place place) {
  auto at = std::lower_bound(places_.begin(), places_.end(), place.entry,
                             [](const Place& known, std::uint64_t wanted) { return known.entry < wanted; });
  if (at != places_.end() && at->entry == place.entry) return;
  places_.insert(at, place);
  if (places_.size() <= kPlaces) return;
  std::vector<Place> kept;
  for (std::size_t i = 1; i < places_.size(); i += 2) kept.push_back(places_[i]);
  // The last one is where the next attestation begins.
  if (kept.back().entry != places_.back().entry) kept.push_back(places_.back());
  places_ = std::move(kept);
}

}  // namespace gatehouse::agent
