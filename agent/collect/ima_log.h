// The kernel's IMA measurement log, read in pieces of whole entries: a log of a million entries (120 MB) is never in
// memory, and not read again from its beginning each time. What is in the entries is for the verifier.
//
// The file stays open between reads: the kernel finds the place where it stopped at once, and any other only by going
// through all entries before it.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/collect/source.h"
#include "common/base/bytes.h"
#include "common/base/limits.h"
#include "common/evidence/ima/log.h"

namespace gatehouse::agent {

struct ImaPiece {
  std::uint64_t from = 0;     // position of the first entry
  std::uint64_t next = 0;     // position after the last
  bool more = false;          // the piece was full before the end of the log was reached
  Bytes entries;              // empty: there is nothing after `from`
  std::string_view encoding;  // of the entries: "little-endian" or "big-endian"
};

class ImaLog {
 public:
  struct Options {
    std::filesystem::path path;
    std::optional<evidence::ima::Encoding> encoding = std::nullopt;  // nothing: what the first entry looks like
    std::size_t piece_bytes = limits::kImaChunkBytes;
  };
  ImaLog(Options options, telemetry::Logger& log, std::function<void()> count_fault = nullptr);
  ~ImaLog();
  ImaLog(const ImaLog&) = delete;
  ImaLog& operator=(const ImaLog&) = delete;

  // The entries from `from` on: as many as fit `piece_bytes`, or one that is larger. From 0 if the log has not so many
  // entries, or is not the one of the last time (it begins differently, or is shorter). Half an entry at the end of the
  // file is not there yet. Nothing if there is no log that can be read, as with LogFile: absent, empty, unreadable, no
  // IMA log, an ASCII log of more than limits::kImaLogBytes.
  [[nodiscard]] std::optional<ImaPiece> Read(std::uint64_t from);
  // Adds what was appended to the log since `piece` was read, as far as it fits. A fault leaves the piece as it is.
  void Extend(ImaPiece& piece);

  // Bytes read so far, for tests of how little is read again.
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  struct Place {
    std::uint64_t entry = 0;
    std::uint64_t offset = 0;
  };

  [[nodiscard]] Result<ImaPiece> TryRead(std::uint64_t from);
  // The file is open, and is the one that we remember; else nothing is remembered. True if it is another log than the
  // one that we remembered.
  [[nodiscard]] Result<bool> Prepare();
  [[nodiscard]] Status ConvertAscii();
  // Appends whole entries at `place` to `out`, at most `max` bytes (or one entry) and `entries` entries, and moves
  // `place`. True if the end of the log was reached.
  [[nodiscard]] Result<bool> Take(Place& place, std::size_t max, std::uint64_t entries, Bytes& out);
  [[nodiscard]] Result<std::size_t> ReadAt(std::uint64_t offset, std::uint8_t* to, std::size_t size);
  // The last place at or before entry `entry` that we know.
  [[nodiscard]] Place Nearest(std::uint64_t entry) const;
  void Remember(Place place);
  void Forget();
  [[nodiscard]] Error Fail(std::string_view what) const;

  Options options_;
  Source source_;
  int fd_ = -1;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
  Bytes head_;  // the first bytes
  evidence::ima::Encoding encoding_ = evidence::ima::Encoding::kLittleEndian;
  std::vector<Place> places_;       // ascending; where reading stopped before
  std::optional<Bytes> converted_;  // of an ASCII log, during one read
  std::uint64_t bytes_read_ = 0;
};

}  // namespace gatehouse::agent
