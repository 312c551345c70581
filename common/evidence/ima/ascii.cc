// ascii_runtime_measurements, put back into the binary form (ima_ascii_measurements_show of ima_fs.c):
// "%2d <template digest> <template name>", then " " and a text for each field, which is nothing where the field is
// empty.
#include <algorithm>

#include "common/base/encoding.h"
#include "common/evidence/ima/log.h"
#include "common/evidence/ima/template.h"

namespace gatehouse::evidence::ima {
namespace {

constexpr std::size_t kHexTemplateDigest = 40;

void PutU32(Bytes& to, std::size_t value) {
  for (unsigned shift = 0; shift < 32; shift += 8) to.push_back(static_cast<std::uint8_t>(value >> shift));
}

class Line {
 public:
  Line(std::string_view text, std::size_t number) : rest_(text), number_(number) {}

  Status AppendTo(Bytes& log) {
    ASSIGN_OR_RETURN(std::uint64_t pcr, TakePcr());
    ASSIGN_OR_RETURN(Bytes template_digest, DecodedHex(TakeLeft(), "a template hash"));
    if (template_digest.size() * 2 != kHexTemplateDigest)
      return Fail("the template hash has another length than SHA-1's");
    const std::string_view name = TakeLeft();
    const std::optional<Template> found = FindTemplate(name);
    if (!found) return Fail("its template is not known");
    if (name.size() > limits::kImaTemplateNameBytes) return Fail("its template's name is too long");
    ASSIGN_OR_RETURN(std::vector<Bytes> fields, TakeFields(*found));
    PutU32(log, pcr);
    Append(log, template_digest);
    PutU32(log, name.size());
    Append(log, AsBytes(name));
    return name == kLegacyTemplate ? PutLegacy(log, fields) : Put(log, fields);
  }

 private:
  [[nodiscard]] Error Fail(std::string_view detail) const {
    return {Reason::kImaLogMalformed, "IMA log", "line " + std::to_string(number_) + ": " + std::string(detail)};
  }

  // Up to the next blank, or all there is. `ended_`: there was no blank, so there is no further field, not even an
  // empty one.
  std::string_view TakeLeft() {
    const std::size_t blank = rest_.find(' ');
    const std::string_view token = rest_.substr(0, blank);
    if (blank == std::string_view::npos) {
      ended_ = true;
      rest_ = {};
    } else {
      rest_.remove_prefix(blank + 1);
    }
    return token;
  }

  Result<std::uint64_t> TakePcr() {
    const bool padded = rest_.starts_with(' ');  // "%2d"
    if (padded) rest_.remove_prefix(1);
    ASSIGN_OR_RETURN(std::uint64_t pcr, Number(TakeLeft(), 23));
    if (padded != (pcr < 10)) return Fail("the PCR is not written in two places");
    return pcr;
  }

  Result<std::uint64_t> Number(std::string_view text, std::uint64_t max) const {
    std::uint64_t value = 0;
    for (const char c : text) {
      if (c < '0' || c > '9') return Fail("a number is none");
      value = value * 10 + static_cast<std::uint64_t>(c - '0');
      if (value > max) return Fail("a number is too large");
    }
    if (text.empty() || (text.size() > 1 && text.front() == '0')) return Fail("a number is none");
    return value;
  }

  Result<Bytes> DecodedHex(std::string_view text, std::string_view what) const {
    auto bytes = DecodeHex(text);
    if (!bytes.ok()) return Fail(std::string(what) + " is not in hex");
    return bytes;
  }

  // Fields before the file name are split off from the left and those after it from the right, so that blanks in a name
  // (kernels before 3.13; later ones write '_') are the name's. A format with two names has its second one without.
  Result<std::vector<Bytes>> TakeFields(const Template& found) {
    std::vector<FieldKind> kinds;
    FieldKinds of(found);
    while (const auto kind = of.Next()) kinds.push_back(*kind);
    if (kinds.size() > limits::kImaFields) return Fail("its template has too many fields");
    std::vector<std::string_view> texts(kinds.size());
    const auto name = std::find(kinds.begin(), kinds.end(), FieldKind::kName);
    const auto first_right = static_cast<std::size_t>((name == kinds.end() ? name - 1 : name) - kinds.begin());
    for (std::size_t i = 0; i < first_right; ++i) {
      if (ended_) return Fail("a field is missing");
      texts[i] = TakeLeft();
    }
    if (ended_) return Fail("a field is missing");
    for (std::size_t i = kinds.size() - 1; i > first_right; --i) {
      const std::size_t blank = rest_.rfind(' ');
      if (blank == std::string_view::npos) return Fail("a field is missing");
      texts[i] = rest_.substr(blank + 1);
      rest_ = rest_.substr(0, blank);
    }
    texts[first_right] = rest_;
    std::vector<Bytes> fields;
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      ASSIGN_OR_RETURN(Bytes field, FromText(kinds[i], texts[i]));
      fields.push_back(std::move(field));
    }
    return fields;
  }

  [[nodiscard]] Result<Bytes> FromText(FieldKind kind, std::string_view text) const {
    switch (kind) {
      case FieldKind::kOldDigest:
      case FieldKind::kSignature:
      case FieldKind::kAppendedSignature:
      case FieldKind::kBuffer:
      case FieldKind::kHex:
        return DecodedHex(text, "a field");
      case FieldKind::kAppendedDigest:
        if (text.empty()) return Bytes();
        return Digest(text, 1);
      case FieldKind::kDigest:
        return Digest(text, 1);
      case FieldKind::kTypedDigest:
        return Digest(text, 2);
      case FieldKind::kName:
        return Text(text);
      case FieldKind::kNames:
        // The kernel prints nothing for no names and for an empty one; there is no empty one.
        return text.empty() ? Bytes() : Text(text);
      case FieldKind::kU32:
        return Integer(text, 4);
      case FieldKind::kU16:
        return Integer(text, 2);
      case FieldKind::kUnknown:
        return Fail("how a field of its template was written is not known");
    }
    return Fail("how a field of its template was written is not known");
  }

  // "sha256:<hex>" was "sha256:", NUL, digest.
  [[nodiscard]] Result<Bytes> Digest(std::string_view text, long colons) const {
    const std::size_t last = text.rfind(':');
    if (std::count(text.begin(), text.end(), ':') != colons || last == 0) return Fail("a digest names no algorithm");
    Bytes field = ToBytes(text.substr(0, last + 1));
    field.push_back(0);
    ASSIGN_OR_RETURN(Bytes digest, DecodedHex(text.substr(last + 1), "a digest"));
    Append(field, digest);
    return field;
  }

  [[nodiscard]] static Bytes Text(std::string_view text) {
    Bytes field = ToBytes(text);
    field.push_back(0);
    return field;
  }

  [[nodiscard]] Result<Bytes> Integer(std::string_view text, unsigned size) const {
    ASSIGN_OR_RETURN(std::uint64_t value, Number(text, (std::uint64_t{1} << (8 * size)) - 1));
    Bytes field;
    PutU32(field, value);
    field.resize(size);
    return field;
  }

  [[nodiscard]] Status Put(Bytes& log, const std::vector<Bytes>& fields) const {
    std::size_t size = 0;
    for (const Bytes& field : fields) size += 4 + field.size();
    PutU32(log, size);
    for (const Bytes& field : fields) {
      PutU32(log, field.size());
      Append(log, field);
    }
    return {};
  }

  [[nodiscard]] Status PutLegacy(Bytes& log, const std::vector<Bytes>& fields) const {
    if (fields.size() != 2 || fields[0].size() != kLegacyDigestBytes) return Fail("its digest is none of SHA-1");
    Append(log, fields[0]);
    PutU32(log, fields[1].size() - 1);
    Append(log, BytesView(fields[1]).first(fields[1].size() - 1));
    return {};
  }

  std::string_view rest_;
  std::size_t number_;
  bool ended_ = false;
};

}  // namespace

Result<Bytes> AsciiToBinary(BytesView text) {
  if (text.size() > limits::kImaLogBytes) {
    return Error{Reason::kLimitExceeded, "IMA log", "the ASCII log is longer than we convert"};
  }
  // "%s" ends at a NUL: one that is printed was none of the kernel's.
  std::string_view rest = AsText(text);
  if (rest.find('\0') != std::string_view::npos) {
    return Error{Reason::kImaLogMalformed, "IMA log", "the ASCII log holds a NUL"};
  }
  Bytes log;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) {
      return Error{Reason::kImaLogMalformed, "IMA log", "the last line of the ASCII log does not end"};
    }
    RETURN_IF_ERROR(Line(rest.substr(0, end), number).AppendTo(log));
    rest.remove_prefix(end + 1);
  }
  return log;
}

}  // namespace gatehouse::evidence::ima
