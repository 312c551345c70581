// The kernel's IMA measurement log, from bytes (Documentation/security/IMA-templates.rst; fs/…/ima_fs.c). Frames first,
// whatever is in them; their fields only after their template hash was checked. Knows no keys and hashes nothing.
// Errors: kImaLogMalformed with the entry's number, kLimitExceeded.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/limits.h"
#include "common/base/types.h"

namespace gatehouse::evidence::ima {

enum class Encoding : std::uint8_t {
  kLittleEndian,  // binary, as x86 writes it; and every kernel with ima_canonical_fmt
  kBigEndian,     // binary of a big-endian kernel without it
  kAscii,         // ascii_runtime_measurements: a fallback, see AsciiToBinary
};
[[nodiscard]] std::string_view Name(Encoding encoding);  // "little-endian", "big-endian", "ascii"
[[nodiscard]] std::optional<Encoding> ParseEncoding(std::string_view name);
// By the first entry; kLittleEndian where nothing speaks against it.
[[nodiscard]] Encoding GuessEncoding(BytesView log);

// One record: pcr, template digest (SHA-1), template name, template data.
struct Frame {
  std::uint32_t pcr;
  std::array<std::uint8_t, 20> template_digest;
  std::string_view template_name;
  // What the template digest is over: as it stands in the log. Of the old template "ima" (which has no length field):
  // digest ‖ name padded with NULs to 256 bytes, made by the reader.
  BytesView data;
  [[nodiscard]] bool violation() const;  // the template digest is all zeros
};

// Reads frame after frame out of a buffer that may end anywhere. No allocation per frame.
class FrameReader {
 public:
  explicit FrameReader(Encoding encoding = Encoding::kLittleEndian) : encoding_(encoding) {}
  // The frame at the beginning of `bytes`, and how long it is there; nothing if the buffer ends within it. The frame's
  // views are into `bytes` and into this reader, until the next call.
  struct Found {
    Frame frame;
    std::size_t size;
  };
  [[nodiscard]] Result<std::optional<Found>> Next(BytesView bytes);

 private:
  // Whether all of it was there.
  [[nodiscard]] Result<bool> Read(BytesView bytes, Found& found);
  [[nodiscard]] Result<bool> ReadLegacy(ByteReader& reader);

  Encoding encoding_;
  std::array<std::uint8_t, 276> legacy_{};
};

// The fields of a frame whose template hash was checked. Views are into the frame.
struct Fields {
  std::optional<HashAlgorithm> algorithm;
  std::string_view algorithm_name;  // "sha256", "verity:sha256" keeps its prefix in `verity`
  bool verity = false;              // d-ngv2: the digest is fs-verity's
  BytesView digest;
  std::string_view path;
  BytesView signature;
  BytesView appended_signature;
  BytesView buffer;
  bool has_path = false, has_signature = false, has_buffer = false;
  // A field that we do not know; or, in a format: a field that is malformed or there twice, or it does not begin with a
  // digest and a path. Then there is no digest. The template's name is not in its hash: whoever hands a log over may
  // have changed it.
  bool unknown = false;
};
// By the template's name: ima, ima-ng, ima-ngv2, ima-sig, ima-sigv2, ima-buf, ima-modsig, evm-sig; another name is read
// as a format ("d-ng|n-ng|sig", what ima_template_fmt= gives), field by field. A name that is neither:
// kImaLogMalformed. A violation has no digest, whatever stands there.
[[nodiscard]] Result<Fields> ParseFields(const Frame& frame, Encoding encoding);

// The whole ASCII log as a binary one. Only what can be put back without doubt: each entry must hash to its template
// hash, which the caller checks as for any log; lines that cannot be split without doubt (a file name with a line
// break, a missing field) are kImaLogMalformed. "  " and "\" in names stay as they are (MEASURED-BOOT finding 5).
[[nodiscard]] Result<Bytes> AsciiToBinary(BytesView text);

}  // namespace gatehouse::evidence::ima
