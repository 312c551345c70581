// Boots of virtual machines that were made for this project, read in place; the folder may be absent.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "common/base/bytes.h"

namespace gatehouse::fakes {

inline std::optional<std::filesystem::path> BootCase(const std::string& name) {
  const char* named = std::getenv("GATEHOUSE_VECTORS");
  const std::filesystem::path root = named != nullptr
                                         ? std::filesystem::path(named)
                                         : std::filesystem::path(GATEHOUSE_SOURCE_DIR) / "../shared/vectors";
  std::filesystem::path folder = root / "own/measured-boot" / name;
  if (!std::filesystem::exists(folder)) return std::nullopt;
  return folder;
}

inline Bytes ReadBytes(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return Bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// What tpm2_pcrread printed: "  sha256:" and "    11: 0xA8…", in lower case without 0x.
inline std::string PcrAfter(const std::filesystem::path& folder, std::string_view bank, unsigned pcr) {
  std::ifstream stream(folder / "pcrs-after.yaml");
  std::string line;
  bool in_bank = false;
  while (std::getline(stream, line)) {
    if (line.ends_with(":")) in_bank = line.find(std::string(bank) + ":") != std::string::npos;
    const std::size_t value = line.find("0x");
    if (!in_bank || value == std::string::npos || std::stoul(line) != pcr) continue;
    std::string hex = line.substr(value + 2);
    for (char& c : hex) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    return hex;
  }
  return "(not found)";
}

}  // namespace gatehouse::fakes
