// The files of a container image, out of its layers: gzip and tar, read strictly and from memory only. Nothing is
// written anywhere, so a name in an archive can do no harm but to say something wrong of the image; what a container
// runtime would make of it (containerd, archive/tar.go; OCI image-spec layer.md) is what counts.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "common/base/types.h"

namespace gatehouse::cli {

// The content of a gzip file (of one or several members, RFC 1952), in pieces. More than `max` bytes: kLimitExceeded;
// anything that is no gzip to its end: kManifestMalformed. An error of `consume` ends it.
[[nodiscard]] Status Gunzip(BytesView file, std::uint64_t max, const std::function<Status(BytesView)>& consume);

struct LayerEntry {
  enum class Kind : std::uint8_t { kFile, kHardLink, kSymbolicLink, kFolder, kOther };
  Kind kind;
  std::string path;    // as the archive has it, with pax and GNU extensions
  std::string target;  // of links
  bool executable;     // some execute bit
  std::uint64_t size;
};

// Reads a tar archive (POSIX ustar with pax headers, and GNU's long names) that comes in pieces. Checksums must be
// right; sparse files, continuations over volumes and unknown kinds are refused; after the end there are only zeros.
// An archive may also just stop after an entry, as container runtimes accept. Errors: kManifestMalformed,
// kLimitExceeded.
class TarReader {
 public:
  // `begin` for each entry; then, for kFile, its bytes to `data` in pieces and `end`.
  struct Handler {
    std::function<Status(const LayerEntry&)> begin;
    std::function<void(BytesView)> data;
    std::function<void()> end;
  };
  explicit TarReader(Handler handler) : handler_(std::move(handler)) {}
  [[nodiscard]] Status Feed(BytesView piece);
  [[nodiscard]] Status Finish() const;

 private:
  enum class State : std::uint8_t { kHeader, kFile, kRecord, kZeros };
  [[nodiscard]] Status ReadHeader();
  [[nodiscard]] Status BeginEntry(char type, std::uint64_t size);
  [[nodiscard]] Status BeginRecord(char type, std::uint64_t size);
  [[nodiscard]] Status EndContent();
  [[nodiscard]] Status ReadPax();
  [[nodiscard]] Error Fail(std::string_view detail) const;

  Handler handler_;
  State state_ = State::kHeader;
  std::array<std::uint8_t, 512> header_{};
  std::size_t have_ = 0;         // of the header
  std::uint64_t remaining_ = 0;  // of the content
  std::size_t padding_ = 0;      // after it
  char record_type_ = 0;
  std::string record_;  // long name, or pax records
  // For the next entry.
  std::string path_, link_;
  bool has_path_ = false, has_link_ = false, has_size_ = false;
  std::uint64_t size_ = 0;
  std::uint64_t entries_ = 0;
  int zero_blocks_ = 0;
};

// What an image's layers make of each other.
class ImageFiles {
 public:
  // Layers in order. `media_type` says how it is packed. Errors: kContentUnsupported (zstd, foreign layers, another
  // thing than a layer), those of Gunzip and TarReader, a name with "..".
  [[nodiscard]] Status AddLayer(std::string_view media_type, BytesView blob);

  // Regular files that can be run: with an execute bit, ELF, "#!", or lib*.so*. Absolute path → SHA-256.
  [[nodiscard]] std::map<std::string, Bytes> Runnable() const;
  [[nodiscard]] std::size_t files() const;  // regular files in all

 private:
  struct Node {
    bool link = false;        // symbolic
    std::string target = {};  // of it
    std::array<std::uint8_t, 32> digest{};
    bool runnable = false;
    std::size_t layer = 0;
  };
  [[nodiscard]] Status Add(const LayerEntry& entry);
  [[nodiscard]] Status Whiteout(const std::string& folder, std::string_view name);
  [[nodiscard]] Result<std::string> Place(std::string_view path) const;
  void Remove(const std::string& path);
  void RemoveBelow(const std::string& folder, bool older_only);

  std::map<std::string, Node> nodes_;
  std::size_t layer_ = 0;
  std::uint64_t unpacked_ = 0;
};

}  // namespace gatehouse::cli
