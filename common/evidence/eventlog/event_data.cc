#include "common/evidence/eventlog/event_data.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/evidence/eventlog/event_log.h"

namespace gatehouse::evidence::eventlog {
namespace {

constexpr std::size_t kGuidBytes = 16;
constexpr std::size_t kGptHeaderBytes = 92;  // UEFI specification section 5.3.2
constexpr std::size_t kGptEntryBytes = 128;
constexpr std::size_t kGptNameBytes = 72;
constexpr std::uint32_t kGptEntryMostBytes = 4096;
constexpr std::string_view kStartupLocality("StartupLocality\0", 16);

ByteReader ReaderOf(BytesView data, std::string_view where) {
  return {data, Reason::kEventLogMalformed, where};
}

void AppendUtf8(std::string& text, std::uint32_t code) {
  if (code < 0x80) {
    text += static_cast<char>(code);
    return;
  }
  if (code < 0x800) {
    text += static_cast<char>(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      text += static_cast<char>(0xE0 | code >> 12);
    } else {
      text += static_cast<char>(0xF0 | code >> 18);
      text += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    }
    text += static_cast<char>(0x80 | (code >> 6 & 0x3F));
  }
  text += static_cast<char>(0x80 | (code & 0x3F));
}

void AppendUtf16(Bytes& bytes, std::uint32_t code) {
  const auto put = [&bytes](std::uint32_t unit) {
    bytes.push_back(static_cast<std::uint8_t>(unit));
    bytes.push_back(static_cast<std::uint8_t>(unit >> 8));
  };
  if (code < 0x10000) return put(code);
  put(0xD800 + ((code - 0x10000) >> 10));
  put(0xDC00 + ((code - 0x10000) & 0x3FF));
}

// The part of UTF-16 text in a field of fixed size that is before its first NUL.
BytesView BeforeNul(BytesView field) {
  for (std::size_t i = 0; i + 1 < field.size(); i += 2) {
    if (field[i] == 0 && field[i + 1] == 0) return field.first(i);
  }
  return field;
}

}  // namespace

std::string GuidText(BytesView guid16) {
  if (guid16.size() != kGuidBytes) return "not a GUID";
  // RFC 4122 text of fields of which the first three are little-endian (UEFI specification, appendix A).
  constexpr std::size_t kOrder[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  std::string text;
  for (std::size_t i = 0; i < kGuidBytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += EncodeHex(guid16.subspan(kOrder[i], 1));
  }
  return text;
}

Result<std::string> Utf16ToUtf8(BytesView text) {
  ByteReader reader = ReaderOf(text, "UTF-16 text of a boot event");
  std::string utf8;
  while (reader.remaining() != 0) {
    ASSIGN_OR_RETURN(std::uint32_t code, reader.TakeU16Le());
    if (code == 0) {
      if (reader.remaining() != 0) return reader.Fail("a NUL before the end");
      break;
    }
    if (code >= 0xDC00 && code < 0xE000) return reader.Fail("a lone surrogate");
    if (code >= 0xD800 && code < 0xDC00) {
      ASSIGN_OR_RETURN(std::uint32_t low, reader.TakeU16Le());
      if (low < 0xDC00 || low >= 0xE000) return reader.Fail("a lone surrogate");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    AppendUtf8(utf8, code);
  }
  return utf8;
}

Bytes Utf8ToUtf16(std::string_view text) {
  Bytes utf16;
  while (!text.empty()) {
    const auto lead = static_cast<std::uint8_t>(text[0]);
    std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    length = std::min(length, text.size());
    if (!IsUtf8(text.substr(0, length))) {
      AppendUtf16(utf16, 0xFFFD);
      text.remove_prefix(1);
      continue;
    }
    std::uint32_t code = length == 1 ? lead : lead & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) code = code << 6 | (static_cast<std::uint8_t>(text[i]) & 0x3FU);
    AppendUtf16(utf16, code);
    text.remove_prefix(length);
  }
  return utf16;
}

Result<VariableData> ParseVariableData(BytesView data) {
  ByteReader reader = ReaderOf(data, "UEFI_VARIABLE_DATA");
  VariableData variable;
  ASSIGN_OR_RETURN(BytesView guid, reader.Take(kGuidBytes));
  variable.guid = GuidText(guid);
  ASSIGN_OR_RETURN(std::uint64_t characters, reader.TakeU64Le());
  ASSIGN_OR_RETURN(std::uint64_t bytes, reader.TakeU64Le());
  if (characters > reader.remaining() / 2) {
    return reader.Fail("a name of " + std::to_string(characters) + " characters is longer than the event");
  }
  ASSIGN_OR_RETURN(BytesView name, reader.Take(characters * 2));
  // "UnicodeName: … without NUL". One that ends in it would be read as another variable's.
  if (name.size() >= 2 && name[name.size() - 1] == 0 && name[name.size() - 2] == 0) {
    return reader.Fail("a name that ends in NUL");
  }
  ASSIGN_OR_RETURN(variable.name, Utf16ToUtf8(name));
  if (bytes > reader.remaining()) {
    return reader.Fail("a value of " + std::to_string(bytes) + " bytes is longer than the event");
  }
  ASSIGN_OR_RETURN(variable.data, reader.Take(bytes));
  RETURN_IF_ERROR(reader.ExpectEnd());
  return variable;
}

Result<std::vector<SignatureData>> ParseSignatureLists(BytesView data) {
  constexpr std::uint32_t kHeadBytes = kGuidBytes + 12;
  ByteReader reader = ReaderOf(data, "EFI_SIGNATURE_LIST");
  std::vector<SignatureData> entries;
  while (reader.remaining() != 0) {
    ASSIGN_OR_RETURN(BytesView guid, reader.Take(kGuidBytes));
    const std::string type = GuidText(guid);
    ASSIGN_OR_RETURN(std::uint32_t list_size, reader.TakeU32Le());
    ASSIGN_OR_RETURN(std::uint32_t header_size, reader.TakeU32Le());
    ASSIGN_OR_RETURN(std::uint32_t entry_size, reader.TakeU32Le());
    if (list_size < kHeadBytes || header_size > list_size - kHeadBytes) return reader.Fail("a list without room");
    const std::uint32_t room = list_size - kHeadBytes - header_size;
    if (entry_size <= kGuidBytes || room % entry_size != 0) {
      return reader.Fail("entries of " + std::to_string(entry_size) + " bytes in " + std::to_string(room));
    }
    // UEFI specification section 32.4.1: both of these types have an empty header, a SHA-256 has 32 bytes.
    if ((type == kCertX509Guid || type == kCertSha256Guid) && header_size != 0) return reader.Fail("a header");
    if (type == kCertSha256Guid && entry_size != kGuidBytes + 32) return reader.Fail("a SHA-256 of another size");
    if (room / entry_size > limits::kSignatureListEntries - entries.size()) {
      return Error{Reason::kLimitExceeded, "EFI_SIGNATURE_LIST",
                   "more than " + std::to_string(limits::kSignatureListEntries) + " entries"};
    }
    RETURN_IF_ERROR(reader.Take(header_size));
    for (std::uint32_t i = 0; i < room / entry_size; ++i) {
      ASSIGN_OR_RETURN(BytesView owner, reader.Take(kGuidBytes));
      ASSIGN_OR_RETURN(BytesView value, reader.Take(entry_size - kGuidBytes));
      entries.push_back({type, ToBytes(owner), value});
    }
  }
  return entries;
}

Result<SignatureData> ParseSignatureData(BytesView data) {
  ByteReader reader = ReaderOf(data, "EFI_SIGNATURE_DATA");
  SignatureData entry;
  ASSIGN_OR_RETURN(BytesView owner, reader.Take(kGuidBytes));
  entry.owner = ToBytes(owner);
  ASSIGN_OR_RETURN(entry.data, reader.Take(reader.remaining()));
  if (entry.data.empty()) return reader.Fail("no data");
  // Nothing says of which type it is. No certificate has 32 bytes, and each is a SEQUENCE.
  if (entry.data.size() == 32) {
    entry.type = kCertSha256Guid;
  } else if (entry.data[0] == 0x30) {
    entry.type = kCertX509Guid;
  }
  return entry;
}

Result<Gpt> ParseGpt(BytesView data) {
  ByteReader reader = ReaderOf(data, "UEFI_GPT_DATA");
  Gpt gpt;
  ASSIGN_OR_RETURN(BytesView signature, reader.Take(8));
  if (AsText(signature) != "EFI PART") return reader.Fail("not a GPT header");
  // Revision, HeaderSize, HeaderCRC32, Reserved; MyLBA, AlternateLBA, FirstUsableLBA, LastUsableLBA
  RETURN_IF_ERROR(reader.Take(4 * 4 + 4 * 8));
  ASSIGN_OR_RETURN(BytesView disk, reader.Take(kGuidBytes));
  gpt.disk_guid = GuidText(disk);
  RETURN_IF_ERROR(reader.Take(8 + 4));  // PartitionEntryLBA, NumberOfPartitionEntries
  ASSIGN_OR_RETURN(std::uint32_t entry_size, reader.TakeU32Le());
  RETURN_IF_ERROR(reader.Take(kGptHeaderBytes - reader.offset()));  // PartitionEntryArrayCRC32
  if (entry_size < kGptEntryBytes || entry_size > kGptEntryMostBytes) {
    return reader.Fail("partition entries of " + std::to_string(entry_size) + " bytes");
  }
  ASSIGN_OR_RETURN(std::uint64_t count, reader.TakeU64Le());
  if (count > reader.remaining() / entry_size) {
    return reader.Fail(std::to_string(count) + " partitions are more than the event holds");
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(BytesView bytes, reader.Take(entry_size));
    ByteReader entry = ReaderOf(bytes, "partition entry of UEFI_GPT_DATA");
    Gpt::Partition partition;
    ASSIGN_OR_RETURN(BytesView type, entry.Take(kGuidBytes));
    ASSIGN_OR_RETURN(BytesView unique, entry.Take(kGuidBytes));
    partition.type_guid = GuidText(type);
    partition.unique_guid = GuidText(unique);
    ASSIGN_OR_RETURN(partition.first_lba, entry.TakeU64Le());
    ASSIGN_OR_RETURN(partition.last_lba, entry.TakeU64Le());
    RETURN_IF_ERROR(entry.Take(8));  // Attributes
    ASSIGN_OR_RETURN(BytesView name, entry.Take(kGptNameBytes));
    ASSIGN_OR_RETURN(partition.name, Utf16ToUtf8(BeforeNul(name)));
    gpt.partitions.push_back(std::move(partition));
  }
  RETURN_IF_ERROR(reader.ExpectEnd());
  return gpt;
}

Result<std::vector<TaggedEvent>> ParseTaggedEvents(BytesView data) {
  ByteReader reader = ReaderOf(data, "TCG_PCClientTaggedEvent");
  std::vector<TaggedEvent> events;
  do {
    if (events.size() >= limits::kEventLogEvents) {
      return Error{Reason::kLimitExceeded, "TCG_PCClientTaggedEvent",
                   "more than " + std::to_string(limits::kEventLogEvents) + " tagged events"};
    }
    TaggedEvent event{};
    ASSIGN_OR_RETURN(event.id, reader.TakeU32Le());
    ASSIGN_OR_RETURN(std::uint32_t size, reader.TakeU32Le());
    ASSIGN_OR_RETURN(event.data, reader.Take(size));
    events.push_back(event);
  } while (reader.remaining() != 0);
  return events;
}

Result<FirmwareBlob> ParseFirmwareBlob(BytesView data, bool second_form) {
  ByteReader reader = ReaderOf(data, "UEFI_PLATFORM_FIRMWARE_BLOB");
  FirmwareBlob blob{};
  if (second_form) {
    ASSIGN_OR_RETURN(std::uint8_t size, reader.TakeU8());
    ASSIGN_OR_RETURN(BytesView description, reader.Take(size));
    blob.description = AsText(description);
  }
  ASSIGN_OR_RETURN(blob.base, reader.TakeU64Le());
  ASSIGN_OR_RETURN(blob.length, reader.TakeU64Le());
  RETURN_IF_ERROR(reader.ExpectEnd());
  return blob;
}

Result<std::optional<std::uint8_t>> ParseStartupLocality(BytesView data) {
  // Without its NUL: what begins so must be it, whole.
  const std::string_view name = kStartupLocality.substr(0, kStartupLocality.size() - 1);
  if (data.size() < name.size() || AsText(data.first(name.size())) != name) return std::optional<std::uint8_t>{};
  ByteReader reader = ReaderOf(data, "StartupLocality");
  ASSIGN_OR_RETURN(BytesView signature, reader.Take(kStartupLocality.size()));
  if (AsText(signature) != kStartupLocality) return reader.Fail("another signature");
  ASSIGN_OR_RETURN(std::uint8_t locality, reader.TakeU8());
  // Section 10.4.5.3: 0 and 3 are where TPM2_Startup came from, 4 is that an H-CRTM came before it.
  if (locality != 0 && locality != 3 && locality != 4) return reader.Fail("locality " + std::to_string(locality));
  RETURN_IF_ERROR(reader.ExpectEnd());
  return std::optional<std::uint8_t>{locality};
}

}  // namespace gatehouse::evidence::eventlog
