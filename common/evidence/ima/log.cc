#include "common/evidence/ima/log.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/evidence/ima/template.h"

namespace gatehouse::evidence::ima {
namespace {

constexpr std::size_t kTemplateDigestBytes = 20;                    // TPM_DIGEST_SIZE of the kernel: always SHA-1
constexpr std::size_t kHeaderBytes = 4 + kTemplateDigestBytes + 4;  // PCR, template digest, length of the name
constexpr std::size_t kLegacyNameBytes = 255;                       // IMA_EVENT_NAME_LEN_MAX

Result<std::uint32_t> TakeU32(ByteReader& reader, Encoding encoding) {
  return encoding == Encoding::kBigEndian ? reader.TakeU32Be() : reader.TakeU32Le();
}

Error TooLong(const ByteReader& reader, std::string_view what) {
  return {Reason::kLimitExceeded, reader.Fail("").where,
          std::string(what) + " is longer than we read, or the bytes are of another encoding than was said"};
}

// Graphic ASCII without the blank: what builtin names and field identifiers are made of. Anything else was not written
// by a kernel, and must not reach a message.
bool IsTemplateName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

std::string_view Name(Encoding encoding) {
  switch (encoding) {
    case Encoding::kLittleEndian:
      return "little-endian";
    case Encoding::kBigEndian:
      return "big-endian";
    case Encoding::kAscii:
      return "ascii";
  }
  return "";
}

std::optional<Encoding> ParseEncoding(std::string_view name) {
  for (const Encoding encoding : {Encoding::kLittleEndian, Encoding::kBigEndian, Encoding::kAscii}) {
    if (Name(encoding) == name) return encoding;
  }
  return std::nullopt;
}

Encoding GuessEncoding(BytesView log) {
  ByteReader reader(log, Reason::kImaLogMalformed, "IMA log");
  auto pcr = reader.TakeU32Le();
  if (!pcr.ok()) return Encoding::kLittleEndian;
  // "%2d " and a hex digit, of which no byte is zero; a PCR's number in binary has three of them.
  const std::string_view start = AsText(log.first(4));
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if ((digit(start[0]) || start[0] == ' ') && digit(start[1]) && start[2] == ' ') return Encoding::kAscii;
  return *pcr > 0xFF ? Encoding::kBigEndian : Encoding::kLittleEndian;
}

bool Frame::violation() const {
  return std::all_of(template_digest.begin(), template_digest.end(), [](std::uint8_t byte) { return byte == 0; });
}

Result<std::optional<FrameReader::Found>> FrameReader::Next(BytesView bytes) {
  // Filled where it is returned: moving it about would cost more than reading it.
  Result<std::optional<Found>> found{std::optional<Found>(Found{})};
  auto whole = Read(bytes, **found);
  if (!whole.ok()) {
    found = std::move(whole).error();
  } else if (!*whole) {
    found->reset();
  }
  return found;
}

Result<bool> FrameReader::Read(BytesView bytes, Found& found) {
  ByteReader reader(bytes, Reason::kImaLogMalformed, "IMA log");
  if (encoding_ == Encoding::kAscii) return reader.Fail("an ASCII log is read as a binary one only after conversion");
  if (reader.remaining() < kHeaderBytes) return false;
  Frame& frame = found.frame;
  ASSIGN_OR_RETURN(frame.pcr, TakeU32(reader, encoding_));
  ASSIGN_OR_RETURN(BytesView digest, reader.Take(kTemplateDigestBytes));
  std::copy(digest.begin(), digest.end(), frame.template_digest.begin());
  ASSIGN_OR_RETURN(std::uint32_t name_size, TakeU32(reader, encoding_));
  if (name_size == 0) return reader.Fail("an entry's template has no name");
  if (name_size > limits::kImaTemplateNameBytes) return TooLong(reader, "an entry's template name");
  if (reader.remaining() < name_size) return false;
  ASSIGN_OR_RETURN(BytesView name, reader.Take(name_size));
  frame.template_name = AsText(name);
  if (!IsTemplateName(frame.template_name)) return reader.Fail("an entry's template name is no name");

  if (frame.template_name == kLegacyTemplate) {
    ASSIGN_OR_RETURN(bool whole, ReadLegacy(reader));
    if (!whole) return false;
    frame.data = legacy_;
  } else {
    if (reader.remaining() < 4) return false;
    ASSIGN_OR_RETURN(std::uint32_t data_size, TakeU32(reader, encoding_));
    if (data_size > limits::kImaEntryBytes) return TooLong(reader, "an entry's template data");
    if (reader.remaining() < data_size) return false;
    ASSIGN_OR_RETURN(frame.data, reader.Take(data_size));
  }
  found.size = reader.offset();
  return true;
}

// "5th: template length (except for 'ima' template)" (ima_fs.c): the digest has no length before it, the name's is
// without its NUL; and what is hashed is "digest || name padded to 256 bytes" (IMA_EVENT_NAME_LEN_MAX + 1).
Result<bool> FrameReader::ReadLegacy(ByteReader& reader) {
  if (reader.remaining() < kLegacyDigestBytes + 4) return false;
  ASSIGN_OR_RETURN(BytesView file_digest, reader.Take(kLegacyDigestBytes));
  ASSIGN_OR_RETURN(std::uint32_t path_size, TakeU32(reader, encoding_));
  if (path_size > kLegacyNameBytes) return reader.Fail("a name of the template \"ima\" is longer than 255 bytes");
  if (reader.remaining() < path_size) return false;
  ASSIGN_OR_RETURN(BytesView path, reader.Take(path_size));
  // Padding hides how many NULs a name ends in: two logs would hash to one value.
  if (AsText(path).find('\0') != std::string_view::npos) return reader.Fail("a file name holds a NUL");
  legacy_.fill(0);
  std::copy(path.begin(), path.end(), std::copy(file_digest.begin(), file_digest.end(), legacy_.begin()));
  return true;
}

namespace {

// What a field's content was found to be.
enum class Content : std::uint8_t { kGood, kMalformed, kTooLong };

bool IsAlgorithmName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::optional<HashAlgorithm> KnownAlgorithm(std::string_view name) {
  for (const HashAlgorithm known :
       {HashAlgorithm::kSha256, HashAlgorithm::kSha1, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    if (Name(known) == name) return known;
  }
  return std::nullopt;
}

// "<hash algo> + ':' + '\0' + digest" (DATA_FMT_DIGEST_WITH_ALGO), with "<digest type> + ':'" before it in d-ngv2
// (DATA_FMT_DIGEST_WITH_TYPE_AND_ALGO), of which the types are "ima" and "verity".
Content ReadDigest(BytesView field, bool typed, Fields& into) {
  const std::string_view text = AsText(field);
  const std::size_t nul = text.find('\0');
  if (nul == std::string_view::npos || nul == 0) return Content::kMalformed;
  std::string_view name = text.substr(0, nul);
  if (!name.ends_with(':')) return Content::kMalformed;
  name.remove_suffix(1);
  if (typed) {
    const std::size_t colon = name.find(':');
    if (colon == std::string_view::npos) return Content::kMalformed;
    const std::string_view type = name.substr(0, colon);
    if (type != "ima" && type != "verity") return Content::kMalformed;
    into.verity = type == "verity";
    name.remove_prefix(colon + 1);
  }
  if (!IsAlgorithmName(name)) return Content::kMalformed;
  into.algorithm_name = name;
  into.algorithm = KnownAlgorithm(name);
  into.digest = field.subspan(nul + 1);
  if (into.algorithm && into.digest.size() != DigestSize(*into.algorithm)) return Content::kMalformed;
  return Content::kGood;
}

// The field "d" has no room for an algorithm: "with a hash size limitation of 20 bytes", so SHA-1 (MD5 has 16).
Content ReadOldDigest(BytesView field, Fields& into) {
  into.digest = field;
  if (field.size() == 16) {
    into.algorithm_name = "md5";
  } else {
    into.algorithm = HashAlgorithm::kSha1;
    into.algorithm_name = "sha1";
  }
  return field.size() == 16 || field.size() == DigestSize(HashAlgorithm::kSha1) ? Content::kGood : Content::kMalformed;
}

// DATA_FMT_STRING: the NUL at its end is part of the field, and no other can be.
Content ReadPath(BytesView field, Fields& into) {
  if (field.size() > limits::kImaPathBytes) return Content::kTooLong;
  std::string_view text = AsText(field);
  const std::size_t nul = text.find('\0');
  if (nul == std::string_view::npos || nul + 1 != text.size()) return Content::kMalformed;
  text.remove_suffix(1);
  into.path = text;
  into.has_path = true;
  return Content::kGood;
}

Content ReadField(FieldKind kind, BytesView field, bool violation, Fields& into) {
  switch (kind) {
    case FieldKind::kOldDigest:
    case FieldKind::kDigest:
    case FieldKind::kTypedDigest:
      // There is no digest in a violation: zeros, which kernels before 6.4 wrote as 20 bytes whatever the algorithm.
      if (violation) return Content::kGood;
      if (kind == FieldKind::kOldDigest) return ReadOldDigest(field, into);
      return ReadDigest(field, kind == FieldKind::kTypedDigest, into);
    case FieldKind::kName:
      return ReadPath(field, into);
    case FieldKind::kSignature:
      into.signature = field;
      into.has_signature = true;
      return Content::kGood;
    case FieldKind::kAppendedSignature:
      into.appended_signature = field;
      return Content::kGood;
    case FieldKind::kBuffer:
      into.buffer = field;
      into.has_buffer = true;
      return Content::kGood;
    case FieldKind::kU32:
      return field.empty() || field.size() == 4 ? Content::kGood : Content::kMalformed;
    case FieldKind::kU16:
      return field.empty() || field.size() == 2 ? Content::kGood : Content::kMalformed;
    case FieldKind::kAppendedDigest:
    case FieldKind::kHex:
    case FieldKind::kNames:
      return Content::kGood;  // no claim comes of it
    case FieldKind::kUnknown:
      into.unknown = true;
      return Content::kGood;
  }
  return Content::kMalformed;
}

// Which fields say the same thing: of two of them in one format, which one counts is anybody's guess.
unsigned Meaning(FieldKind kind) {
  switch (kind) {
    case FieldKind::kOldDigest:
    case FieldKind::kDigest:
    case FieldKind::kTypedDigest:
      return 1;
    case FieldKind::kName:
      return 2;
    case FieldKind::kSignature:
      return 4;
    case FieldKind::kAppendedSignature:
      return 8;
    case FieldKind::kBuffer:
      return 16;
    case FieldKind::kAppendedDigest:
    case FieldKind::kHex:
    case FieldKind::kNames:
    case FieldKind::kU32:
    case FieldKind::kU16:
    case FieldKind::kUnknown:
      return 0;
  }
  return 0;
}

Error Malformed(std::string_view detail) {
  return {Reason::kImaLogMalformed, "IMA log", std::string(detail)};
}

Status ReadLegacyFields(const Frame& frame, Fields& fields) {
  ByteReader reader(frame.data, Reason::kImaLogMalformed, "IMA log");
  ASSIGN_OR_RETURN(BytesView digest, reader.Take(kLegacyDigestBytes));
  if (reader.remaining() != kLegacyNameBytes + 1) return reader.Fail("data of the template \"ima\" has another length");
  ASSIGN_OR_RETURN(BytesView padded, reader.Take(kLegacyNameBytes + 1));
  const std::string_view text = AsText(padded);
  const std::size_t end = text.find('\0');
  if (end == std::string_view::npos || text.find_first_not_of('\0', end) != std::string_view::npos) {
    return reader.Fail("a name of the template \"ima\" is not padded with zeros");
  }
  fields.path = text.substr(0, end);
  fields.has_path = true;
  if (frame.violation()) return {};
  fields.algorithm = HashAlgorithm::kSha1;
  fields.algorithm_name = Name(HashAlgorithm::kSha1);
  fields.digest = digest;
  return {};
}

// The template's name is in no hash, but where a field stands is: every template of the kernel begins with the digest
// and the name of the file. Under the name of another format the content of an extended attribute ("xattrvalues"),
// which is whatever the owner of a file writes, would be read for either of them.
bool IsInItsPlace(std::size_t number, FieldKind kind) {
  const unsigned meaning = Meaning(kind);
  return (number == 1) == (meaning == Meaning(FieldKind::kDigest)) &&
         (number == 2) == (meaning == Meaning(FieldKind::kName));
}

// `seen`: the meanings of the fields that were there.
Status ReadFields(const Frame& frame, const Template& found, Encoding encoding, Fields& fields, unsigned& seen) {
  ByteReader reader(frame.data, Reason::kImaLogMalformed, "IMA log");
  std::size_t count = 0;
  FieldKinds kinds(found);
  while (const auto kind = kinds.Next()) {
    if (++count > limits::kImaFields) return TooLong(reader, "an entry's list of fields");
    ASSIGN_OR_RETURN(std::uint32_t size, TakeU32(reader, encoding));
    ASSIGN_OR_RETURN(BytesView content, reader.Take(size));
    const unsigned meaning = Meaning(*kind);
    if (!found.builtin && !IsInItsPlace(count, *kind)) fields.unknown = true;
    if ((seen & meaning) != 0) {
      fields.unknown = true;
      continue;
    }
    seen |= meaning;
    const Content read = ReadField(*kind, content, frame.violation(), fields);
    if (read == Content::kTooLong) return TooLong(reader, "a file name");
    if (read == Content::kMalformed) {
      if (found.builtin) return reader.Fail("field " + std::to_string(count) + " of an entry is malformed");
      fields.unknown = true;
    }
  }
  return reader.ExpectEnd();
}

Status ReadEntry(const Frame& frame, Encoding encoding, Fields& fields) {
  if (frame.template_name == kLegacyTemplate) return ReadLegacyFields(frame, fields);
  const std::optional<Template> found = FindTemplate(frame.template_name);
  if (!found) {
    return Malformed("the template " + Printable(frame.template_name, 64) + " is not known, nor the format of one");
  }
  unsigned seen = 0;
  RETURN_IF_ERROR(ReadFields(frame, *found, encoding, fields, seen));
  // The template's name is not in the template hash: under the name of a format that leaves one out, an entry would say
  // nothing of its digest, or would hide its path from a deny-list.
  const unsigned needed = Meaning(FieldKind::kDigest) | Meaning(FieldKind::kName);
  if ((seen & needed) != needed) fields.unknown = true;
  if (fields.unknown) {  // so that no list of digests can ever match it
    fields.algorithm.reset();
    fields.algorithm_name = {};
    fields.digest = {};
  }
  return {};
}

}  // namespace

Result<Fields> ParseFields(const Frame& frame, Encoding encoding) {
  // Filled where it is returned, as in FrameReader::Next.
  Result<Fields> fields{Fields{}};
  Status status = ReadEntry(frame, encoding, *fields);
  if (!status.ok()) fields = std::move(status).error();
  return fields;
}

}  // namespace gatehouse::evidence::ima
