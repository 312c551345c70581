#include "common/evidence/eventlog/event_log.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace gatehouse::evidence::eventlog {
namespace {

constexpr std::string_view kWhere = "boot event log";
constexpr std::string_view kSpecIdSignature("Spec ID Event03\0", 16);
constexpr std::uint16_t kLargestDigest = 64;  // TPMU_HA of TPM 2.0 Part 2: no hash of a TPM is longer

struct Algorithm {
  std::uint16_t id;
  std::uint16_t size;
  std::optional<HashAlgorithm> known;
};

Error Malformed(std::string where, std::string detail) {
  return {Reason::kEventLogMalformed, std::move(where), std::move(detail)};
}

// TCG Algorithm Registry, TPM_ALG_ID.
std::optional<HashAlgorithm> HashFromId(std::uint16_t id) {
  switch (id) {
    case 0x0004:
      return HashAlgorithm::kSha1;
    case 0x000B:
      return HashAlgorithm::kSha256;
    case 0x000C:
      return HashAlgorithm::kSha384;
    case 0x000D:
      return HashAlgorithm::kSha512;
    default:
      return std::nullopt;
  }
}

std::string Hex(std::uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof(text), "0x%x", value);
  return text;
}

class Parser {
 public:
  Parser(BytesView bytes, bool padded)
      : bytes_(bytes), padded_(padded), reader_(bytes, Reason::kEventLogMalformed, kWhere) {}

  Result<EventLog> Parse() {
    if (bytes_.size() > limits::kEventLogBytes) return Limit("bytes", limits::kEventLogBytes);
    // Section 10.4.1: the first event is a TCG_PCR_EVENT, whatever the format of the others.
    if (AtPadding()) return reader_.Fail("holds no event");
    RETURN_IF_ERROR(TakeSha1Event());
    const Event& first = log_.events.front();
    if (first.type == event_type::kNoAction && first.data.size() >= kSpecIdSignature.size() &&
        AsText(first.data.first(kSpecIdSignature.size())) == kSpecIdSignature) {
      log_.format = Format::kCryptoAgile;
      RETURN_IF_ERROR(ReadSpecId());
    } else {
      log_.format = Format::kSha1;
      log_.banks = {HashAlgorithm::kSha1};
    }
    while (reader_.remaining() != 0 && !AtPadding()) {
      if (log_.events.size() >= limits::kEventLogEvents) return Limit("events", limits::kEventLogEvents);
      RETURN_IF_ERROR(log_.format == Format::kSha1 ? TakeSha1Event() : TakeAgileEvent());
    }
    return std::move(log_);
  }

 private:
  static Error Limit(std::string_view what, std::size_t limit) {
    return {Reason::kLimitExceeded, std::string(kWhere),
            "more than " + std::to_string(limit) + " " + std::string(what)};
  }

  [[nodiscard]] std::string EventName() const { return "event " + std::to_string(log_.events.size()); }

  // Whether nothing follows but the unused part of a CCEL area. Bytes 0xFF before something else are an event, which
  // then has a PCR that does not exist.
  [[nodiscard]] bool AtPadding() const {
    if (!padded_) return false;
    const BytesView rest = bytes_.subspan(reader_.offset());
    return std::all_of(rest.begin(), rest.end(), [](std::uint8_t byte) { return byte == 0xFF; });
  }

  Result<Event> TakeHead() {
    Event event{};
    event.number = static_cast<std::uint32_t>(log_.events.size());
    ASSIGN_OR_RETURN(event.pcr, reader_.TakeU32Le());
    ASSIGN_OR_RETURN(event.type, reader_.TakeU32Le());
    // What is measured into no PCR may name any: 0xFFFFFFFF is in use.
    if (event.pcr >= limits::kPcrCount && event.type != event_type::kNoAction) {
      return reader_.Fail(EventName() + " is of PCR " + Hex(event.pcr) + ", which does not exist,");
    }
    return event;
  }

  Status TakeData(Event event) {
    ASSIGN_OR_RETURN(std::uint32_t size, reader_.TakeU32Le());
    if (size > reader_.remaining()) {
      return reader_.Fail(EventName() + " says that it has " + std::to_string(size) + " bytes of data, " +
                          std::to_string(reader_.remaining()) + " are left,");
    }
    ASSIGN_OR_RETURN(event.data, reader_.Take(size));
    log_.events.push_back(event);
    return Ok();
  }

  // TCG_PCClientPCREvent (section 10.2.1)
  Status TakeSha1Event() {
    ASSIGN_OR_RETURN(Event event, TakeHead());
    ASSIGN_OR_RETURN(event.digests[static_cast<std::size_t>(HashAlgorithm::kSha1)],
                     reader_.Take(DigestSize(HashAlgorithm::kSha1)));
    return TakeData(event);
  }

  // TCG_PCR_EVENT2 (section 10.2.2): "digests.count: the same as the number of algorithms in the Spec ID event".
  Status TakeAgileEvent() {
    ASSIGN_OR_RETURN(Event event, TakeHead());
    ASSIGN_OR_RETURN(std::uint32_t count, reader_.TakeU32Le());
    if (count != algorithms_.size()) {
      return reader_.Fail(EventName() + " has " + std::to_string(count) + " digests, the log has " +
                          std::to_string(algorithms_.size()) + " algorithms,");
    }
    std::uint32_t seen = 0;  // bit i: algorithms_[i]
    for (std::uint32_t i = 0; i < count; ++i) {
      ASSIGN_OR_RETURN(std::uint16_t id, reader_.TakeU16Le());
      const auto found = std::find_if(algorithms_.begin(), algorithms_.end(),
                                      [id](const Algorithm& algorithm) { return algorithm.id == id; });
      if (found == algorithms_.end()) {
        return reader_.Fail(EventName() + " has a digest of algorithm " + Hex(id) + ", which the log does not have,");
      }
      const std::uint32_t bit = 1U << (found - algorithms_.begin());
      if ((seen & bit) != 0) return reader_.Fail(EventName() + " has two digests of algorithm " + Hex(id));
      seen |= bit;
      ASSIGN_OR_RETURN(BytesView digest, reader_.Take(found->size));
      if (found->known) event.digests[static_cast<std::size_t>(*found->known)] = digest;
    }
    return TakeData(event);
  }

  // TCG_EfiSpecIDEvent (section 10.4.5.1). Its header is that of no measurement: PCR 0 (of a CCEL also the register 1
  // that stands for it) and a digest of zeros, which is none of any bank.
  Status ReadSpecId() {
    Event& event = log_.events.front();
    auto& sha1 = event.digests[static_cast<std::size_t>(HashAlgorithm::kSha1)];
    if (event.pcr > (padded_ ? 1U : 0U) ||
        std::any_of(sha1.begin(), sha1.end(), [](std::uint8_t byte) { return byte != 0; })) {
      return Malformed(std::string(kWhere), "the Spec ID event is not of PCR 0, or has a digest");
    }
    sha1 = {};
    ByteReader reader(event.data, Reason::kEventLogMalformed, "Spec ID event of the boot event log");
    RETURN_IF_ERROR(reader.Take(kSpecIdSignature.size()));
    // platformClass, specVersionMinor, specVersionMajor, specErrata, uintnSize
    RETURN_IF_ERROR(reader.Take(4));
    RETURN_IF_ERROR(reader.TakeU8());
    ASSIGN_OR_RETURN(std::uint8_t major, reader.TakeU8());
    if (major != 2) return reader.Fail("is of major version " + std::to_string(major) + ", not 2,");
    RETURN_IF_ERROR(reader.Take(2));
    ASSIGN_OR_RETURN(std::uint32_t count, reader.TakeU32Le());
    if (count == 0) return reader.Fail("names no algorithm");
    if (count > limits::kEventLogAlgorithms) return Limit("algorithms", limits::kEventLogAlgorithms);
    for (std::uint32_t i = 0; i < count; ++i) RETURN_IF_ERROR(TakeAlgorithm(reader));
    ASSIGN_OR_RETURN(std::uint8_t vendor_info, reader.TakeU8());
    RETURN_IF_ERROR(reader.Take(vendor_info));
    return reader.ExpectEnd();
  }

  Status TakeAlgorithm(ByteReader& reader) {
    Algorithm algorithm{};
    ASSIGN_OR_RETURN(algorithm.id, reader.TakeU16Le());
    ASSIGN_OR_RETURN(algorithm.size, reader.TakeU16Le());
    algorithm.known = HashFromId(algorithm.id);
    const bool right = algorithm.known ? algorithm.size == DigestSize(*algorithm.known)
                                       : algorithm.size > 0 && algorithm.size <= kLargestDigest;
    if (!right) {
      return reader.Fail("says that digests of algorithm " + Hex(algorithm.id) + " have " +
                         std::to_string(algorithm.size) + " bytes,");
    }
    for (const Algorithm& other : algorithms_) {
      if (other.id == algorithm.id) return reader.Fail("names algorithm " + Hex(algorithm.id) + " twice");
    }
    algorithms_.push_back(algorithm);
    if (algorithm.known) log_.banks.push_back(*algorithm.known);
    return Ok();
  }

  BytesView bytes_;
  bool padded_;
  ByteReader reader_;
  std::vector<Algorithm> algorithms_;
  EventLog log_{};
};

constexpr std::pair<std::uint32_t, std::string_view> kTypeNames[] = {
    {event_type::kPrebootCert, "EV_PREBOOT_CERT"},
    {event_type::kPostCode, "EV_POST_CODE"},
    {event_type::kNoAction, "EV_NO_ACTION"},
    {event_type::kSeparator, "EV_SEPARATOR"},
    {event_type::kAction, "EV_ACTION"},
    {event_type::kEventTag, "EV_EVENT_TAG"},
    {event_type::kCrtmContents, "EV_S_CRTM_CONTENTS"},
    {event_type::kCrtmVersion, "EV_S_CRTM_VERSION"},
    {event_type::kCpuMicrocode, "EV_CPU_MICROCODE"},
    {event_type::kPlatformConfigFlags, "EV_PLATFORM_CONFIG_FLAGS"},
    {event_type::kTableOfDevices, "EV_TABLE_OF_DEVICES"},
    {event_type::kCompactHash, "EV_COMPACT_HASH"},
    {event_type::kIpl, "EV_IPL"},
    {event_type::kIplPartitionData, "EV_IPL_PARTITION_DATA"},
    {event_type::kNonhostCode, "EV_NONHOST_CODE"},
    {event_type::kNonhostConfig, "EV_NONHOST_CONFIG"},
    {event_type::kNonhostInfo, "EV_NONHOST_INFO"},
    {event_type::kOmitBootDeviceEvents, "EV_OMIT_BOOT_DEVICE_EVENTS"},
    {event_type::kPostCode2, "EV_POST_CODE2"},
    {event_type::kEfiVariableDriverConfig, "EV_EFI_VARIABLE_DRIVER_CONFIG"},
    {event_type::kEfiVariableBoot, "EV_EFI_VARIABLE_BOOT"},
    {event_type::kEfiBootServicesApplication, "EV_EFI_BOOT_SERVICES_APPLICATION"},
    {event_type::kEfiBootServicesDriver, "EV_EFI_BOOT_SERVICES_DRIVER"},
    {event_type::kEfiRuntimeServicesDriver, "EV_EFI_RUNTIME_SERVICES_DRIVER"},
    {event_type::kEfiGptEvent, "EV_EFI_GPT_EVENT"},
    {event_type::kEfiAction, "EV_EFI_ACTION"},
    {event_type::kEfiPlatformFirmwareBlob, "EV_EFI_PLATFORM_FIRMWARE_BLOB"},
    {event_type::kEfiHandoffTables, "EV_EFI_HANDOFF_TABLES"},
    {event_type::kEfiPlatformFirmwareBlob2, "EV_EFI_PLATFORM_FIRMWARE_BLOB2"},
    {event_type::kEfiHandoffTables2, "EV_EFI_HANDOFF_TABLES2"},
    {event_type::kEfiVariableBoot2, "EV_EFI_VARIABLE_BOOT2"},
    {event_type::kEfiGptEvent2, "EV_EFI_GPT_EVENT2"},
    {event_type::kEfiHcrtmEvent, "EV_EFI_HCRTM_EVENT"},
    {event_type::kEfiVariableAuthority, "EV_EFI_VARIABLE_AUTHORITY"},
    {event_type::kEfiSpdmFirmwareBlob, "EV_EFI_SPDM_FIRMWARE_BLOB"},
    {event_type::kEfiSpdmFirmwareConfig, "EV_EFI_SPDM_FIRMWARE_CONFIG"},
};

}  // namespace

std::string EventTypeName(std::uint32_t type) {
  for (const auto& [value, name] : kTypeNames) {
    if (value == type) return std::string(name);
  }
  return Hex(type);
}

Result<EventLog> ParseEventLog(BytesView bytes, bool padded) {
  return Parser(bytes, padded).Parse();
}

}  // namespace gatehouse::evidence::eventlog
