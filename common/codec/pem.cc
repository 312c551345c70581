#include "common/codec/pem.h"

#include <algorithm>
#include <optional>

#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::codec {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";
constexpr std::size_t kLineDigits = 64;  // RFC 7468 section 2: "Generators MUST wrap the base64-encoded lines so that
                                         // each line consists of exactly 64 characters except for the final line"

// The lines of a text, without their ends (LF or CR LF), counted from 1.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  std::optional<std::string_view> Next() {
    if (rest_.empty()) return std::nullopt;
    ++number_;
    auto end = rest_.find('\n');
    std::string_view line = rest_.substr(0, end);
    rest_ = end == std::string_view::npos ? std::string_view() : rest_.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }
  [[nodiscard]] std::size_t number() const { return number_; }

 private:
  std::string_view rest_;
  std::size_t number_ = 0;
};

// RFC 7468 section 3: label = [ labelchar *( ["-" / SP] labelchar ) ]. An empty one says nothing and is refused.
bool IsLabel(std::string_view label) {
  bool after_char = false;
  for (char c : label) {
    bool separator = c == '-' || c == ' ';
    if (c < 0x20 || c > 0x7E || (separator && !after_char)) return false;
    after_char = !separator;
  }
  return after_char;
}

// "-----BEGIN X-----" with `prefix` "-----BEGIN " gives "X".
std::optional<std::string_view> LabelOf(std::string_view line, std::string_view prefix) {
  if (!line.starts_with(prefix)) return std::nullopt;
  line.remove_prefix(prefix.size());
  if (!line.ends_with(kDashes)) return std::nullopt;
  line.remove_suffix(kDashes.size());
  return IsLabel(line) ? std::optional(line) : std::nullopt;
}

class PemParser {
 public:
  PemParser(std::string_view text, Reason reason) : lines_(text), reason_(reason) {}

  Result<std::vector<PemBlock>> Parse() {
    std::vector<PemBlock> blocks;
    while (auto line = lines_.Next()) {
      if (line->starts_with('#') || line->find_first_not_of(" \t") == std::string_view::npos) continue;
      auto label = LabelOf(*line, kBegin);
      if (!label) return Fail("is neither a line -----BEGIN ...----- nor a comment (#)");
      if (blocks.size() == limits::kPemBlocks) {
        return Error{Reason::kLimitExceeded, Where(),
                     "more than " + std::to_string(limits::kPemBlocks) + " PEM blocks"};
      }
      ASSIGN_OR_RETURN(Bytes der, ParseBody(*label));
      blocks.push_back({std::string(*label), std::move(der)});
    }
    if (blocks.empty()) return Error{reason_, "", "holds no PEM block (-----BEGIN ...-----)"};
    return blocks;
  }

 private:
  Result<Bytes> ParseBody(std::string_view label) {
    std::string digits;
    while (auto line = lines_.Next()) {
      if (line->starts_with('-')) {
        if (LabelOf(*line, kEnd) != label) return Fail("should be -----END " + std::string(label) + "-----");
        auto der = DecodeBase64(digits);
        if (!der.ok()) return Fail("ends a block whose " + der.error().detail);
        if (der->empty()) return Fail("ends an empty block");
        return der;
      }
      // RFC 7468 section 2: attributes of the older RFC 1421 "are not allowed"; OpenSSL writes them into encrypted
      // keys.
      if (line->find(':') != std::string_view::npos) return Fail("is a PEM header: an encrypted key is not accepted");
      if (line->empty()) return Fail("is empty, within a block");
      digits += *line;
    }
    return Fail("is the last, and the block " + std::string(label) + " has no end");
  }

  [[nodiscard]] std::string Where() const { return "line " + std::to_string(lines_.number()); }
  [[nodiscard]] Error Fail(std::string detail) const { return {reason_, Where(), std::move(detail)}; }

  Lines lines_;
  Reason reason_;
};

}  // namespace

Result<std::vector<PemBlock>> ParsePem(std::string_view text, Reason reason) {
  return PemParser(text, reason).Parse();
}

std::string EncodePem(std::string_view label, BytesView der) {
  std::string digits = EncodeBase64(der);
  std::string pem;
  pem.append(kBegin).append(label).append(kDashes).append("\n");
  for (std::size_t at = 0; at < digits.size(); at += kLineDigits) pem.append(digits, at, kLineDigits).append("\n");
  pem.append(kEnd).append(label).append(kDashes).append("\n");
  return pem;
}

}  // namespace gatehouse::codec
