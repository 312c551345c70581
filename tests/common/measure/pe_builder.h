// EFI executables made by hand, for tests: sound ones by default, so that one thing can be broken.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "tests/common/evidence/log_builder.h"

namespace gatehouse::fakes {

struct PeSectionSpec {
  std::string name;
  Bytes data;
  std::uint32_t virtual_size = 0;  // 0: the size of the data
};

struct PeSpec {
  std::vector<PeSectionSpec> sections;
  bool pe32_plus = true;
  std::uint32_t directories = 16;
  Bytes trailing = {};
  Bytes certificates = {};
  std::uint32_t checksum = 0x11223344;
  bool reversed = false;  // sections stand in the file in the other order
};

inline constexpr std::size_t kPeOffset = 0x40;
inline constexpr std::size_t kPeOptional = kPeOffset + 24;

inline std::size_t OptionalBytes(const PeSpec& spec) {
  return (spec.pe32_plus ? 112U : 96U) + 8U * spec.directories;
}
inline std::size_t PeSectionTable(const PeSpec& spec) {
  return kPeOptional + OptionalBytes(spec);
}
// Offset of the data directory's certificate entry.
inline std::size_t PeCertificateEntry(const PeSpec& spec) {
  return kPeOptional + (spec.pe32_plus ? 112U : 96U) + 32U;
}

inline Bytes MakePe(const PeSpec& spec) {
  const std::size_t headers = (PeSectionTable(spec) + 40 * spec.sections.size() + 511) / 512 * 512;
  std::vector<std::size_t> offsets(spec.sections.size());
  std::size_t end = headers;
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    const std::size_t at = spec.reversed ? offsets.size() - 1 - i : i;
    offsets[at] = end;
    end += spec.sections[at].data.size();
  }
  end += spec.trailing.size();

  Bytes file = ToBytes("MZ");
  file.resize(0x3C, 0);
  PutLe(file, kPeOffset, 4);
  Append(file, AsBytes(std::string_view("PE\0\0\x64\x86", 6)));
  PutLe(file, spec.sections.size(), 2);
  file.resize(kPeOffset + 20, 0);
  PutLe(file, OptionalBytes(spec), 2);
  PutLe(file, 0x22, 2);
  PutLe(file, spec.pe32_plus ? 0x20B : 0x10B, 2);
  file.resize(kPeOptional + 60, 0);
  PutLe(file, headers, 4);
  PutLe(file, spec.checksum, 4);
  file.resize(kPeOptional + (spec.pe32_plus ? 108U : 92U), 0);
  PutLe(file, spec.directories, 4);
  if (spec.directories > 4) {
    file.resize(PeCertificateEntry(spec), 0);
    PutLe(file, spec.certificates.empty() ? 0 : end, 4);
    PutLe(file, spec.certificates.size(), 4);
  }
  file.resize(PeSectionTable(spec), 0);
  for (std::size_t i = 0; i < spec.sections.size(); ++i) {
    const PeSectionSpec& section = spec.sections[i];
    Bytes name = ToBytes(section.name);
    name.resize(8, 0);
    Append(file, name);
    PutLe(file, section.virtual_size != 0 ? section.virtual_size : section.data.size(), 4);
    PutLe(file, 0x1000 * (i + 1), 4);
    PutLe(file, section.data.size(), 4);
    PutLe(file, section.data.empty() ? 0 : offsets[i], 4);
    file.resize(file.size() + 16, 0);
  }
  file.resize(headers, 0);
  for (std::size_t i = 0; i < spec.sections.size(); ++i) {
    const std::size_t at = spec.reversed ? spec.sections.size() - 1 - i : i;
    Append(file, spec.sections[at].data);
  }
  Append(file, spec.trailing);
  Append(file, spec.certificates);
  return file;
}

}  // namespace gatehouse::fakes
