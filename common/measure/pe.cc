#include "common/measure/pe.h"

#include <algorithm>

#include "common/base/limits.h"
#include "common/crypto/hash.h"

namespace gatehouse::measure {
namespace {

constexpr std::size_t kPeOffsetField = 0x3C;
constexpr std::size_t kCoffHeaderBytes = 24;  // with "PE\0\0"
constexpr std::size_t kSectionHeaderBytes = 40;
constexpr std::uint16_t kPe32 = 0x10B;
constexpr std::uint16_t kPe32Plus = 0x20B;
constexpr std::uint32_t kCertificateEntry = 4;  // of the data directories

Error Malformed(std::string detail) {
  return {Reason::kPeMalformed, "EFI executable", std::move(detail)};
}

// A reader that begins at `offset`.
Result<ByteReader> ReaderAt(BytesView bytes, std::size_t offset) {
  ByteReader reader(bytes, Reason::kPeMalformed, "EFI executable");
  RETURN_IF_ERROR(reader.Take(offset));
  return reader;
}

struct Headers {
  std::uint16_t sections;
  std::uint16_t optional_bytes;
  std::size_t optional;  // offset of the optional header
};

Result<Headers> ReadCoffHeader(BytesView file) {
  ASSIGN_OR_RETURN(ByteReader dos, ReaderAt(file, 0));
  ASSIGN_OR_RETURN(BytesView mz, dos.Take(2));
  if (AsText(mz) != "MZ") return Malformed("no MZ header");
  RETURN_IF_ERROR(dos.Take(kPeOffsetField - 2));
  ASSIGN_OR_RETURN(std::uint32_t offset, dos.TakeU32Le());
  ASSIGN_OR_RETURN(ByteReader coff, ReaderAt(file, offset));
  ASSIGN_OR_RETURN(BytesView signature, coff.Take(4));
  if (AsText(signature) != std::string_view("PE\0\0", 4)) return Malformed("no PE header");
  Headers headers{};
  RETURN_IF_ERROR(coff.Take(2));  // Machine
  ASSIGN_OR_RETURN(headers.sections, coff.TakeU16Le());
  RETURN_IF_ERROR(coff.Take(12));  // TimeDateStamp, PointerToSymbolTable, NumberOfSymbols
  ASSIGN_OR_RETURN(headers.optional_bytes, coff.TakeU16Le());
  headers.optional = offset + kCoffHeaderBytes;
  return headers;
}

Status ReadCertificateTable(ByteReader entry, PeFile& pe) {
  ASSIGN_OR_RETURN(std::uint32_t offset, entry.TakeU32Le());
  ASSIGN_OR_RETURN(std::uint32_t size, entry.TakeU32Le());
  if (size == 0) return Ok();
  // Its size is what is left out at the end of the file, wherever the table is.
  if (offset > pe.bytes.size() || size != pe.bytes.size() - offset) {
    return Malformed("the certificate table is not the end of the file");
  }
  pe.certificates = pe.bytes.subspan(offset, size);
  return Ok();
}

Status ReadOptionalHeader(const Headers& headers, PeFile& pe) {
  ASSIGN_OR_RETURN(ByteReader outer, ReaderAt(pe.bytes, headers.optional));
  ASSIGN_OR_RETURN(BytesView optional, outer.Take(headers.optional_bytes));
  ByteReader reader(optional, Reason::kPeMalformed, "optional header of an EFI executable");
  ASSIGN_OR_RETURN(std::uint16_t magic, reader.TakeU16Le());
  if (magic != kPe32 && magic != kPe32Plus) return Malformed("an optional header of an unknown kind");
  RETURN_IF_ERROR(reader.Take(58));
  ASSIGN_OR_RETURN(std::uint32_t header_bytes, reader.TakeU32Le());  // SizeOfHeaders, at 60
  pe.headers = header_bytes;
  pe.checksum = headers.optional + reader.offset();  // CheckSum, at 64
  // Subsystem, DllCharacteristics, sizes of stack and heap, LoaderFlags
  RETURN_IF_ERROR(reader.Take(magic == kPe32 ? 28 : 44));
  ASSIGN_OR_RETURN(std::uint32_t directories, reader.TakeU32Le());
  if (directories > kCertificateEntry) {
    RETURN_IF_ERROR(reader.Take(kCertificateEntry * 8));
    pe.certificate_entry = headers.optional + reader.offset();
    RETURN_IF_ERROR(ReadCertificateTable(reader, pe));
  }
  const std::size_t table_end = headers.optional + headers.optional_bytes + headers.sections * kSectionHeaderBytes;
  if (pe.headers > pe.bytes.size() || pe.headers < table_end) {
    return Malformed("headers of " + std::to_string(pe.headers) + " bytes, the section table ends at " +
                     std::to_string(table_end));
  }
  return Ok();
}

Result<PeSection> TakeSection(ByteReader& table, BytesView file) {
  PeSection section{};
  ASSIGN_OR_RETURN(BytesView name, table.Take(8));
  section.name = std::string(AsText(name).substr(0, AsText(name).find('\0')));
  ASSIGN_OR_RETURN(section.virtual_size, table.TakeU32Le());
  RETURN_IF_ERROR(table.Take(4));  // VirtualAddress
  ASSIGN_OR_RETURN(std::uint32_t size, table.TakeU32Le());
  ASSIGN_OR_RETURN(section.offset, table.TakeU32Le());
  RETURN_IF_ERROR(table.Take(16));  // relocations, line numbers, Characteristics
  if (section.virtual_size > limits::kPeBytes) {
    return Error{Reason::kLimitExceeded, "EFI executable",
                 "a section of more than " + std::to_string(limits::kPeBytes) + " bytes"};
  }
  if (size == 0) return section;
  if (section.offset > file.size() || size > file.size() - section.offset) {
    return Malformed("a section that leaves the file");
  }
  section.data = file.subspan(section.offset, size);
  return section;
}

std::vector<const PeSection*> InFileOrder(const PeFile& pe) {
  std::vector<const PeSection*> sections;
  for (const PeSection& section : pe.sections) {
    if (!section.data.empty()) sections.push_back(&section);
  }
  std::stable_sort(sections.begin(), sections.end(),
                   [](const PeSection* a, const PeSection* b) { return a->offset < b->offset; });
  return sections;
}

Status ExpectApart(const PeFile& pe) {
  std::size_t end = pe.headers;
  for (const PeSection* section : InFileOrder(pe)) {
    if (section->offset < end) return Malformed("sections that overlap each other or the headers");
    end = section->offset + section->data.size();
  }
  if (end > pe.bytes.size() - pe.certificates.size()) return Malformed("a section within the certificate table");
  return Ok();
}

}  // namespace

Result<PeFile> ParsePe(BytesView file) {
  if (file.size() > limits::kPeBytes) {
    return Error{Reason::kLimitExceeded, "EFI executable", "more than " + std::to_string(limits::kPeBytes) + " bytes"};
  }
  PeFile pe{};
  pe.bytes = file;
  ASSIGN_OR_RETURN(const Headers headers, ReadCoffHeader(file));
  if (headers.sections > limits::kPeSections) {
    return Error{Reason::kLimitExceeded, "EFI executable",
                 "more than " + std::to_string(limits::kPeSections) + " sections"};
  }
  RETURN_IF_ERROR(ReadOptionalHeader(headers, pe));
  ASSIGN_OR_RETURN(ByteReader table, ReaderAt(file, headers.optional + headers.optional_bytes));
  for (unsigned i = 0; i < headers.sections; ++i) {
    ASSIGN_OR_RETURN(PeSection section, TakeSection(table, file));
    pe.sections.push_back(std::move(section));
  }
  RETURN_IF_ERROR(ExpectApart(pe));
  return pe;
}

Bytes AuthenticodeHash(const PeFile& file, HashAlgorithm algorithm) {
  crypto::Hasher hasher(algorithm);
  const auto part = [&](std::size_t begin, std::size_t end) { hasher.Update(file.bytes.subspan(begin, end - begin)); };
  // "Skip over the CheckSum", "Skip over the Certificate Table entry".
  part(0, file.checksum);
  if (file.certificate_entry == 0) {
    part(file.checksum + 4, file.headers);
  } else {
    part(file.checksum + 4, file.certificate_entry);
    part(file.certificate_entry + 8, file.headers);
  }
  std::size_t hashed = file.headers;  // SUM_OF_BYTES_HASHED
  for (const PeSection* section : InFileOrder(file)) {
    hasher.Update(section->data);
    hashed += section->data.size();
  }
  // "If FILE_SIZE is greater than SUM_OF_BYTES_HASHED, the file contains extra data": from there, as the text says,
  // also where sections have gaps between them.
  const std::size_t end = file.bytes.size() - file.certificates.size();
  if (end > hashed) part(hashed, end);
  return std::move(hasher).Finish();
}

}  // namespace gatehouse::measure
