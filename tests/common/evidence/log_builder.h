// Boot event logs made by hand, for tests: sound ones by default, so that one thing can be broken.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/bytes.h"

namespace gatehouse::fakes {

inline void PutLe(Bytes& bytes, std::uint64_t value, int width) {
  for (int i = 0; i < width; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

// EFI text of ASCII, as UTF-16LE without NUL.
inline Bytes Wide(std::string_view text) {
  Bytes wide;
  for (char c : text) PutLe(wide, static_cast<unsigned char>(c), 2);
  return wide;
}

struct AlgorithmId {
  std::uint16_t id;
  std::uint16_t size;
};
inline constexpr AlgorithmId kSha1Id{0x4, 20}, kSha256Id{0xB, 32}, kSha384Id{0xC, 48}, kSha512Id{0xD, 64};

// TCG_PCR_EVENT
inline Bytes Sha1Event(std::uint32_t pcr, std::uint32_t type, BytesView data, std::uint8_t fill = 0) {
  Bytes bytes;
  PutLe(bytes, pcr, 4);
  PutLe(bytes, type, 4);
  bytes.insert(bytes.end(), 20, fill);
  PutLe(bytes, data.size(), 4);
  Append(bytes, data);
  return bytes;
}

// The data of a Spec ID event, and the event.
inline Bytes SpecIdData(const std::vector<AlgorithmId>& algorithms, BytesView vendor = {}) {
  Bytes data = ToBytes(std::string_view("Spec ID Event03\0", 16));
  PutLe(data, 0, 4);                // platform class
  Append(data, Bytes{0, 2, 0, 2});  // version 2.0, errata 0, UINTN of 64 bits
  PutLe(data, algorithms.size(), 4);
  for (const AlgorithmId& algorithm : algorithms) {
    PutLe(data, algorithm.id, 2);
    PutLe(data, algorithm.size, 2);
  }
  PutLe(data, vendor.size(), 1);
  Append(data, vendor);
  return data;
}
inline Bytes SpecIdEvent(const std::vector<AlgorithmId>& algorithms) {
  return Sha1Event(0, 3, SpecIdData(algorithms));
}

// TCG_PCR_EVENT2 with the digests that are given.
inline Bytes AgileEvent(std::uint32_t pcr, std::uint32_t type,
                        const std::vector<std::pair<std::uint16_t, Bytes>>& digests, BytesView data) {
  Bytes bytes;
  PutLe(bytes, pcr, 4);
  PutLe(bytes, type, 4);
  PutLe(bytes, digests.size(), 4);
  for (const auto& [id, digest] : digests) {
    PutLe(bytes, id, 2);
    Append(bytes, digest);
  }
  PutLe(bytes, data.size(), 4);
  Append(bytes, data);
  return bytes;
}

inline Bytes Joined(const std::vector<Bytes>& parts) {
  Bytes all;
  for (const Bytes& part : parts) Append(all, part);
  return all;
}

}  // namespace gatehouse::fakes
