// Files of real TPMs for tests: copies in tests/testdata, and the larger collection beside the checkout, which may be
// absent. Also the reader of the PCR value files of tpm2-tools.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "common/base/limits.h"
#include "common/evidence/tpm/structures.h"

namespace gatehouse::fakes {

inline std::optional<Bytes> ReadFileBytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return Bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// $GATEHOUSE_VECTORS, or the folder beside the checkout.
inline std::filesystem::path VectorsDir() {
  const char* set = std::getenv("GATEHOUSE_VECTORS");
  return set != nullptr ? std::filesystem::path(set)
                        : std::filesystem::path(GATEHOUSE_SOURCE_DIR) / "../shared/vectors";
}

inline std::filesystem::path TpmTestData() {
  return std::filesystem::path(GATEHOUSE_SOURCE_DIR) / "tests/testdata/tpm";
}

// What tpm2_quote -f values writes, a dump of its little-endian memory: TPML_PCR_SELECTION as 4 + 16 * 8 bytes (count;
// hash, sizeofSelect, select[4] and one byte of padding each), a count, and as many lists of 4 + 8 * 66 bytes (count;
// size and 64 bytes each), in the order of the selection.
inline Result<evidence::tpm::PcrValues> ParseTpm2ToolsPcrs(BytesView bytes) {
  ByteReader reader(bytes, Reason::kEvidenceMalformed, "PCR values of tpm2-tools");
  ASSIGN_OR_RETURN(std::uint32_t banks, reader.TakeU32Le());
  std::vector<std::pair<HashAlgorithm, unsigned>> order;
  for (std::uint32_t i = 0; i < 16; ++i) {
    ASSIGN_OR_RETURN(std::uint16_t id, reader.TakeU16Le());
    RETURN_IF_ERROR(reader.TakeU8());
    ASSIGN_OR_RETURN(BytesView select, reader.Take(5));
    if (i >= banks) continue;
    auto bank = evidence::tpm::HashFromAlgId(id);
    if (!bank) return reader.Fail("an unknown bank");
    for (unsigned pcr = 0; pcr < limits::kPcrCount; ++pcr) {
      if ((select[pcr / 8] >> (pcr % 8) & 1) != 0) order.emplace_back(*bank, pcr);
    }
  }
  ASSIGN_OR_RETURN(std::uint32_t lists, reader.TakeU32Le());
  evidence::tpm::PcrValues values;
  auto next = order.begin();
  for (std::uint32_t list = 0; list < lists; ++list) {
    ASSIGN_OR_RETURN(std::uint32_t count, reader.TakeU32Le());
    for (std::uint32_t i = 0; i < 8; ++i) {
      ASSIGN_OR_RETURN(std::uint16_t size, reader.TakeU16Le());
      ASSIGN_OR_RETURN(BytesView buffer, reader.Take(64));
      if (i >= count) continue;
      if (next == order.end() || size > 64) return reader.Fail("more values than were selected");
      values[next->first][next->second] = ToBytes(buffer.first(size));
      ++next;
    }
  }
  RETURN_IF_ERROR(reader.ExpectEnd());
  if (next != order.end()) return reader.Fail("fewer values than were selected");
  return values;
}

}  // namespace gatehouse::fakes
