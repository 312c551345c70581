// gzip and tar, of layer_files.h.
#include <zlib.h>

#include <algorithm>
#include <charconv>

#include "cli/layer_files.h"
#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::cli {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kPiece = 64 * limits::kKiB;
constexpr uInt kMostAtOnce = 1U << 30;

Error NoGzip(std::string_view why) {
  return {Reason::kManifestMalformed, "layer", "is no gzip file: " + std::string(why)};
}

class Inflater {
 public:
  // 15 + 16: the largest window, and gzip alone (zlib.h, inflateInit2).
  Inflater() : ready_(inflateInit2(&stream_, 15 + 16) == Z_OK) {}
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  [[nodiscard]] bool ready() const { return ready_; }
  [[nodiscard]] z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
  bool ready_;
};

// A field of a header: offset and length (POSIX pax, "ustar Interchange Format").
struct Field {
  std::size_t offset;
  std::size_t size;
};
constexpr Field kName{0, 100}, kMode{100, 8}, kSize{124, 12}, kChecksum{148, 8}, kLink{157, 100}, kMagic{257, 8},
    kPrefix{345, 155};
constexpr std::size_t kTypeOffset = 156;

BytesView Get(BytesView header, Field field) {
  return header.subspan(field.offset, field.size);
}

// Up to the first NUL.
std::string_view TextOf(BytesView bytes) {
  const std::string_view text = AsText(bytes);
  return text.substr(0, text.find('\0'));
}

// Octal digits between blanks and NULs, or, with the first bit set, GNU's base 256.
std::optional<std::uint64_t> NumberOf(BytesView bytes) {
  if ((bytes[0] & 0x80) != 0) {
    if (bytes[0] != 0x80) return std::nullopt;  // negative, or too large for anything
    std::uint64_t value = 0;
    for (std::uint8_t byte : bytes.subspan(1)) {
      if (value >> 55 != 0) return std::nullopt;
      value = value << 8 | byte;
    }
    return value;
  }
  std::string_view text = AsText(bytes);
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\0')) text.remove_suffix(1);
  if (text.empty()) return 0;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The sum of all bytes, those of the checksum itself as blanks.
std::uint64_t SumOf(BytesView header) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const bool own = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
    sum += own ? std::uint64_t{' '} : header[i];
  }
  return sum;
}

std::optional<LayerEntry::Kind> KindOf(char type) {
  switch (type) {
    case '0':
    case '\0':
      return LayerEntry::Kind::kFile;
    case '1':
      return LayerEntry::Kind::kHardLink;
    case '2':
      return LayerEntry::Kind::kSymbolicLink;
    case '5':
      return LayerEntry::Kind::kFolder;
    case '3':
    case '4':
    case '6':
      return LayerEntry::Kind::kOther;
    default:
      return std::nullopt;
  }
}

}  // namespace

Status Gunzip(BytesView file, std::uint64_t max, const std::function<Status(BytesView)>& consume) {
  Inflater inflater;
  if (!inflater.ready()) return Error{Reason::kInternal, "zlib", "cannot begin"};
  z_stream& stream = inflater.stream();
  std::vector<std::uint8_t> piece(kPiece);
  std::uint64_t given = 0;
  int result = Z_OK;
  while (result != Z_STREAM_END || !file.empty()) {
    if (result == Z_STREAM_END && inflateReset(&stream) != Z_OK) return NoGzip("it cannot go on");
    if (file.empty()) return NoGzip("it breaks off");
    // zlib does not write to its input; its type only says so where ZLIB_CONST is defined.
    stream.next_in = const_cast<Bytef*>(file.data());
    const uInt offered = static_cast<uInt>(std::min<std::size_t>(file.size(), kMostAtOnce));
    stream.avail_in = offered;
    do {
      stream.next_out = piece.data();
      stream.avail_out = static_cast<uInt>(piece.size());
      result = inflate(&stream, Z_NO_FLUSH);
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return NoGzip("damaged");
      const std::size_t got = piece.size() - stream.avail_out;
      given += got;
      if (given > max) return Error{Reason::kLimitExceeded, "layer", "unpacks to more than an image may have"};
      if (got > 0) RETURN_IF_ERROR(consume(BytesView(piece).first(got)));
    } while (result != Z_STREAM_END && stream.avail_out == 0);
    file = file.subspan(offered - stream.avail_in);
    if (result == Z_BUF_ERROR && stream.avail_in == offered) return NoGzip("it breaks off");
  }
  return Ok();
}

Error TarReader::Fail(std::string_view detail) const {
  return {Reason::kManifestMalformed, "layer, entry " + std::to_string(entries_), std::string(detail)};
}

Status TarReader::Feed(BytesView piece) {
  while (!piece.empty()) {
    if (state_ == State::kZeros) {
      if (std::any_of(piece.begin(), piece.end(), [](std::uint8_t byte) { return byte != 0; }))
        return Fail("there is something after the end of the archive");
      return Ok();
    }
    if (state_ == State::kHeader) {
      const std::size_t count = std::min(piece.size(), kBlock - have_);
      std::copy_n(piece.begin(), count, header_.begin() + static_cast<std::ptrdiff_t>(have_));
      have_ += count;
      piece = piece.subspan(count);
      if (have_ < kBlock) return Ok();
      have_ = 0;
      RETURN_IF_ERROR(ReadHeader());
    } else if (remaining_ > 0) {
      const BytesView part = piece.first(static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), remaining_)));
      if (state_ == State::kFile) handler_.data(part);
      if (state_ == State::kRecord) record_ += AsText(part);
      remaining_ -= part.size();
      piece = piece.subspan(part.size());
    } else {
      const std::size_t count = std::min(piece.size(), padding_);
      padding_ -= count;
      piece = piece.subspan(count);
    }
    if (state_ != State::kHeader && state_ != State::kZeros && remaining_ == 0 && padding_ == 0)
      RETURN_IF_ERROR(EndContent());
  }
  return Ok();
}

Status TarReader::Finish() const {
  if (state_ == State::kZeros) return Ok();
  if (state_ != State::kHeader || have_ != 0 || has_path_ || has_link_ || has_size_ || zero_blocks_ != 0)
    return Fail("the archive breaks off");
  return Ok();
}

Status TarReader::ReadHeader() {
  const BytesView header(header_);
  if (std::all_of(header.begin(), header.end(), [](std::uint8_t byte) { return byte == 0; })) {
    if (has_path_ || has_link_ || has_size_) return Fail("an extended header is for nothing");
    if (++zero_blocks_ == 2) state_ = State::kZeros;
    return Ok();
  }
  if (zero_blocks_ != 0) return Fail("there is something after the end of the archive");
  ++entries_;
  const std::string_view magic = AsText(Get(header, kMagic));
  if (magic != std::string_view("ustar\00000", 8) && magic != std::string_view("ustar  \0", 8))
    return Fail("is of no form of tar that is known");
  if (NumberOf(Get(header, kChecksum)) != SumOf(header)) return Fail("its header's checksum is wrong");
  const auto size = NumberOf(Get(header, kSize));
  if (!size) return Fail("its size is no number");
  const char type = static_cast<char>(header[kTypeOffset]);
  if (type == 'x' || type == 'g' || type == 'L' || type == 'K') return BeginRecord(type, *size);
  return BeginEntry(type, has_size_ ? size_ : *size);
}

Status TarReader::BeginRecord(char type, std::uint64_t size) {
  if (size > limits::kTarRecordBytes)
    return Error{Reason::kLimitExceeded, "layer", "has a name or extended header of more than 1 MiB"};
  record_type_ = type;
  record_.clear();
  state_ = State::kRecord;
  remaining_ = size;
  padding_ = (kBlock - size % kBlock) % kBlock;
  return size == 0 ? EndContent() : Ok();
}

Status TarReader::BeginEntry(char type, std::uint64_t size) {
  const BytesView header(header_);
  const auto kind = KindOf(type);
  if (!kind) return Fail("is of a kind that is not supported (sparse, multi-volume or unknown)");
  const auto mode = NumberOf(Get(header, kMode));
  if (!mode) return Fail("its mode is no number");
  LayerEntry entry{.kind = *kind, .path = {}, .target = {}, .executable = (*mode & 0111) != 0, .size = size};
  entry.path = has_path_ ? path_ : std::string(TextOf(Get(header, kName)));
  const bool posix = header[kMagic.offset + 5] == 0;
  if (const auto prefix = TextOf(Get(header, kPrefix)); posix && !has_path_ && !prefix.empty())
    entry.path = std::string(prefix) + "/" + entry.path;
  entry.target = has_link_ ? link_ : std::string(TextOf(Get(header, kLink)));
  has_path_ = has_link_ = has_size_ = false;
  if (entry.path.empty() || entry.path.find('\0') != std::string::npos) return Fail("has no name");
  // Before POSIX a folder was a file whose name ends so, which readers still honour.
  if (entry.kind == LayerEntry::Kind::kFile && entry.path.ends_with('/')) entry.kind = LayerEntry::Kind::kFolder;
  const bool file = entry.kind == LayerEntry::Kind::kFile;
  RETURN_IF_ERROR(handler_.begin(entry));
  // What is no file has no content, whatever its size says: so do Go's archive/tar, and with it the runtimes.
  if (!file) return Ok();
  state_ = State::kFile;
  remaining_ = size;
  padding_ = (kBlock - size % kBlock) % kBlock;
  return size == 0 ? EndContent() : Ok();
}

Status TarReader::EndContent() {
  const State ended = state_;
  state_ = State::kHeader;
  if (ended == State::kFile) handler_.end();
  if (ended != State::kRecord || record_type_ == 'g') return Ok();  // global: comments of git and the like
  if (record_type_ == 'x') return ReadPax();
  const std::string name(TextOf(AsBytes(record_)));
  (record_type_ == 'L' ? path_ : link_) = name;
  (record_type_ == 'L' ? has_path_ : has_link_) = true;
  return Ok();
}

// "LENGTH KEY=VALUE\n", the length being that of all of it.
Status TarReader::ReadPax() {
  for (std::string_view rest = record_; !rest.empty();) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), length);
    const std::size_t digits = static_cast<std::size_t>(end - rest.data());
    if (error != std::errc() || length > rest.size() || length < digits + 3 || rest[digits] != ' ' ||
        rest[length - 1] != '\n')
      return Fail("its extended header is malformed");
    const std::string_view record = rest.substr(digits + 1, length - digits - 2);
    rest.remove_prefix(length);
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos) return Fail("its extended header is malformed");
    const std::string_view key = record.substr(0, equals);
    const std::string_view value = record.substr(equals + 1);
    if (key.starts_with("GNU.sparse.")) return Fail("is a sparse file, which is not supported");
    if (key == "path") {
      path_ = value;
      has_path_ = !value.empty();
    } else if (key == "linkpath") {
      link_ = value;
      has_link_ = !value.empty();
    } else if (key == "size") {
      const auto parsed = std::from_chars(value.data(), value.data() + value.size(), size_);
      if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size()) return Fail("its size is no number");
      has_size_ = true;
    }
  }
  return Ok();
}

}  // namespace gatehouse::cli
