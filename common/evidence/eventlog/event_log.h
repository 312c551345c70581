// The boot event log of the firmware, from bytes (TCG PC Client Platform Firmware Profile 1.06, section 10; all
// integers little-endian), in both formats: TCG_PCR_EVENT alone (SHA-1), and crypto-agile. Knows no keys and hashes
// nothing: what an event says is proven by nobody here. Consumes everything or fails with kEventLogMalformed or
// kLimitExceeded.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "common/base/limits.h"
#include "common/base/types.h"

namespace gatehouse::evidence::eventlog {

namespace event_type {  // EV_*
inline constexpr std::uint32_t kPrebootCert = 0x0;
inline constexpr std::uint32_t kPostCode = 0x1;
inline constexpr std::uint32_t kNoAction = 0x3;
inline constexpr std::uint32_t kSeparator = 0x4;
inline constexpr std::uint32_t kAction = 0x5;
inline constexpr std::uint32_t kEventTag = 0x6;
inline constexpr std::uint32_t kCrtmContents = 0x7;
inline constexpr std::uint32_t kCrtmVersion = 0x8;
inline constexpr std::uint32_t kCpuMicrocode = 0x9;
inline constexpr std::uint32_t kPlatformConfigFlags = 0xA;
inline constexpr std::uint32_t kTableOfDevices = 0xB;
inline constexpr std::uint32_t kCompactHash = 0xC;
inline constexpr std::uint32_t kIpl = 0xD;
inline constexpr std::uint32_t kIplPartitionData = 0xE;
inline constexpr std::uint32_t kNonhostCode = 0xF;
inline constexpr std::uint32_t kNonhostConfig = 0x10;
inline constexpr std::uint32_t kNonhostInfo = 0x11;
inline constexpr std::uint32_t kOmitBootDeviceEvents = 0x12;
inline constexpr std::uint32_t kPostCode2 = 0x13;
inline constexpr std::uint32_t kEfiVariableDriverConfig = 0x80000001;
inline constexpr std::uint32_t kEfiVariableBoot = 0x80000002;
inline constexpr std::uint32_t kEfiBootServicesApplication = 0x80000003;
inline constexpr std::uint32_t kEfiBootServicesDriver = 0x80000004;
inline constexpr std::uint32_t kEfiRuntimeServicesDriver = 0x80000005;
inline constexpr std::uint32_t kEfiGptEvent = 0x80000006;
inline constexpr std::uint32_t kEfiAction = 0x80000007;
inline constexpr std::uint32_t kEfiPlatformFirmwareBlob = 0x80000008;
inline constexpr std::uint32_t kEfiHandoffTables = 0x80000009;
inline constexpr std::uint32_t kEfiPlatformFirmwareBlob2 = 0x8000000A;
inline constexpr std::uint32_t kEfiHandoffTables2 = 0x8000000B;
inline constexpr std::uint32_t kEfiVariableBoot2 = 0x8000000C;
inline constexpr std::uint32_t kEfiGptEvent2 = 0x8000000D;
inline constexpr std::uint32_t kEfiHcrtmEvent = 0x80000010;
inline constexpr std::uint32_t kEfiVariableAuthority = 0x800000E0;
inline constexpr std::uint32_t kEfiSpdmFirmwareBlob = 0x800000E1;
inline constexpr std::uint32_t kEfiSpdmFirmwareConfig = 0x800000E2;
}  // namespace event_type
// "EV_SEPARATOR"; "0x…" for a type that we do not know.
[[nodiscard]] std::string EventTypeName(std::uint32_t type);

enum class Format : std::uint8_t { kSha1, kCryptoAgile };

struct Event {
  std::uint32_t number;  // position in the log, from 0; of a crypto-agile log the Spec ID event is 0
  std::uint32_t pcr;     // below limits::kPcrCount; of EV_NO_ACTION any
  std::uint32_t type;
  // By HashAlgorithm; empty: the event has no digest of it. Every event of a crypto-agile log has a digest of each of
  // its banks, once, whether we know the algorithm or not.
  std::array<BytesView, limits::kPcrBanks> digests;
  BytesView data;
  [[nodiscard]] BytesView digest(HashAlgorithm bank) const { return digests[static_cast<std::size_t>(bank)]; }
};

struct EventLog {
  Format format;
  std::vector<HashAlgorithm> banks;  // that we know, in the order of the Spec ID event; of the SHA-1 format that
  std::vector<Event> events;         // EV_NO_ACTION among them
};

// Views are into `bytes`, which must outlive what is returned. `padded`: a CC event log (CCEL) is followed by bytes
// 0xFF, which are then not part of it; elsewhere they are an error. An empty log is malformed.
[[nodiscard]] Result<EventLog> ParseEventLog(BytesView bytes, bool padded = false);

}  // namespace gatehouse::evidence::eventlog
