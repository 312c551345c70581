// What the data of boot events holds, by type. Each parser consumes everything (unless it says otherwise) or fails with
// kEventLogMalformed. Nothing is proven here: that the data is what was measured is for the verifier to say.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/types.h"

namespace gatehouse::evidence::eventlog {

// UEFI GUID as text, "8be4df61-93ca-11d2-aa0d-00e098032b8c" (its first three fields are little-endian).
[[nodiscard]] std::string GuidText(BytesView guid16);

// UEFI_VARIABLE_DATA (section 10.2.6). `name` is UTF-8. Firmware exists whose UnicodeNameLength counts bytes, or that
// adds a byte behind the data (shim's authority event): neither is accepted, but `data` of length zero is
// (MEASURED-BOOT finding 15).
struct VariableData {
  std::string guid;
  std::string name;
  BytesView data;
};
[[nodiscard]] Result<VariableData> ParseVariableData(BytesView data);

// EFI_SIGNATURE_LISTs, back to back. Bounded by limits::kSignatureListEntries.
struct SignatureData {
  std::string type;  // GUID text of the list: see kCertX509Guid, kCertSha256Guid
  Bytes owner;       // 16 bytes
  BytesView data;
};
inline constexpr std::string_view kCertX509Guid = "a5c059a1-94e4-4aa7-87b5-ab155c2bf072";
inline constexpr std::string_view kCertSha256Guid = "c1c41626-504c-4092-aca9-41f936934328";
[[nodiscard]] Result<std::vector<SignatureData>> ParseSignatureLists(BytesView data);
// One EFI_SIGNATURE_DATA without a list around it, as an EV_EFI_VARIABLE_AUTHORITY of db carries it.
[[nodiscard]] Result<SignatureData> ParseSignatureData(BytesView data);

// UEFI_IMAGE_LOAD_EVENT (section 10.2.3). The device path as text for people: "PciRoot(0x0)/…/\EFI\BOOT\BOOTX64.EFI";
// nodes that we do not know are "Path(type,subtype)". Nesting and loops cannot happen: nodes are a flat list. What is
// behind the path is not looked at: shim and RHEL's GRUB leave bytes there, and nothing of this event is measured but
// the image.
struct ImageLoad {
  std::uint64_t location;
  std::uint64_t length;
  std::uint64_t link_time_address;
  std::string device_path;
};
[[nodiscard]] Result<ImageLoad> ParseImageLoad(BytesView data);

// UEFI_GPT_DATA (section 10.2.5): header and the entries in use.
struct Gpt {
  std::string disk_guid;
  struct Partition {
    std::string type_guid;
    std::string unique_guid;
    std::uint64_t first_lba;
    std::uint64_t last_lba;
    std::string name;  // UTF-8
  };
  std::vector<Partition> partitions;
};
[[nodiscard]] Result<Gpt> ParseGpt(BytesView data);

// TCG_PCClientTaggedEvent (EV_EVENT_TAG): one or more. Flat: content that holds tagged events itself is not looked into
// (GHSA-hcm6-rjfh-f25p).
struct TaggedEvent {
  std::uint32_t id;
  BytesView data;
};
inline constexpr std::uint32_t kLoadOptionsTag = 0x8F3B22ED;  // "LOADED_IMAGE::LoadOptions" of the kernel's EFI stub
inline constexpr std::uint32_t kInitrdTag = 0x8F3B22EC;       // "Linux initrd"
[[nodiscard]] Result<std::vector<TaggedEvent>> ParseTaggedEvents(BytesView data);

// EFI_PLATFORM_FIRMWARE_BLOB and …_BLOB2: the description is empty in the former.
struct FirmwareBlob {
  std::string description;
  std::uint64_t base;
  std::uint64_t length;
};
[[nodiscard]] Result<FirmwareBlob> ParseFirmwareBlob(BytesView data, bool second_form);

// EV_NO_ACTION data: the locality at which the TPM was started (17 bytes: "StartupLocality\0" and 0, 3 or 4). Nothing
// if it is another one; malformed if it begins so and is not that.
[[nodiscard]] Result<std::optional<std::uint8_t>> ParseStartupLocality(BytesView data);

// UTF-16LE to UTF-8; a final NUL is dropped. Errors: kEventLogMalformed (odd length, lone surrogates, NUL inside).
[[nodiscard]] Result<std::string> Utf16ToUtf8(BytesView text);
[[nodiscard]] Bytes Utf8ToUtf16(std::string_view text);  // without NUL; invalid UTF-8 becomes U+FFFD

// What people are told of an event, printable, at most 200 bytes: the variable's name, the file's path, the text. Never
// fails: data that cannot be read is said to be so.
struct Event;
[[nodiscard]] std::string DescribeEvent(const Event& event);

}  // namespace gatehouse::evidence::eventlog
