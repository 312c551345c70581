// What people are told of an event.
#include <algorithm>
#include <cstdio>

#include "common/base/encoding.h"
#include "common/evidence/eventlog/event_data.h"
#include "common/evidence/eventlog/event_log.h"

namespace gatehouse::evidence::eventlog {
namespace {

constexpr std::size_t kMostBytes = 197;  // and "..." behind
constexpr std::string_view kUnreadable = "(data that cannot be read)";

std::string Hex(std::uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof(text), "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

bool IsText(BytesView data) {
  return !data.empty() &&
         std::all_of(data.begin(), data.end(), [](std::uint8_t c) { return (c >= 0x20 && c < 0x7F) || c == '\n'; });
}

// Text of either width, with or without a NUL at its end; else the beginning of the bytes in hex.
std::string TextOrHex(BytesView data) {
  BytesView narrow = data;
  while (!narrow.empty() && narrow.back() == 0) narrow = narrow.first(narrow.size() - 1);
  if (IsText(narrow)) return std::string(AsText(narrow));
  if (auto wide = Utf16ToUtf8(data); wide.ok() && !wide->empty() && IsText(AsBytes(*wide))) return *wide;
  if (data.empty()) return "(no data)";
  return EncodeHex(data.first(std::min<std::size_t>(data.size(), 32))) + (data.size() > 32 ? "..." : "");
}

std::string OfVariable(const Event& event) {
  auto variable = ParseVariableData(event.data);
  if (!variable.ok()) return std::string(kUnreadable);
  std::string text = variable->name;
  if (variable->name == "SecureBoot") {
    const bool on = variable->data.size() == 1 && variable->data[0] == 1;
    return text + (on ? " = on" : " = off");
  }
  return text + " (" + std::to_string(variable->data.size()) + " bytes)";
}

std::string OfTags(const Event& event) {
  auto tags = ParseTaggedEvents(event.data);
  if (!tags.ok()) return TextOrHex(event.data);
  const TaggedEvent& first = tags->front();
  return "tag " + Hex(first.id) + " " + TextOrHex(first.data) +
         (tags->size() > 1 ? " and " + std::to_string(tags->size() - 1) + " more" : "");
}

std::string OfBlob(const Event& event, bool second_form) {
  auto blob = ParseFirmwareBlob(event.data, second_form);
  if (!blob.ok()) return TextOrHex(event.data);
  return (blob->description.empty() ? "" : blob->description + ": ") + std::to_string(blob->length) + " bytes at " +
         Hex(blob->base);
}

std::string OfGpt(const Event& event) {
  auto gpt = ParseGpt(event.data);
  if (!gpt.ok()) return std::string(kUnreadable);
  std::string text = "disk " + gpt->disk_guid + ", " + std::to_string(gpt->partitions.size()) + " partitions";
  for (const Gpt::Partition& partition : gpt->partitions)
    text += (&partition == gpt->partitions.data() ? ": " : ", ") + partition.name;
  return text;
}

std::string OfSeparator(const Event& event) {
  if (event.data.size() != 4) return std::string(kUnreadable);
  const bool error = event.data[0] == 1 && event.data[1] == 0 && event.data[2] == 0 && event.data[3] == 0;
  return "separator " + EncodeHex(event.data) + (error ? " (error)" : "");
}

std::string OfNoAction(const Event& event) {
  auto locality = ParseStartupLocality(event.data);
  if (locality.ok() && *locality) return "StartupLocality " + std::to_string(**locality);
  const auto nul = std::find(event.data.begin(), event.data.end(), std::uint8_t{0});
  const BytesView name = event.data.first(static_cast<std::size_t>(nul - event.data.begin()));
  return IsText(name) ? std::string(AsText(name)) : TextOrHex(event.data);
}

// With slashes, as a backslash would have to be shown as an escape.
std::string OfImage(const Event& event) {
  auto load = ParseImageLoad(event.data);
  if (!load.ok()) return std::string(kUnreadable);
  if (load->device_path.empty()) return "an image from memory";
  std::string text;
  for (char c : load->device_path) {
    const char shown = c == '\\' ? '/' : c;
    if (shown != '/' || text.empty() || text.back() != '/') text += shown;
  }
  return text;
}

std::string Describe(const Event& event) {
  switch (event.type) {
    case event_type::kEfiVariableDriverConfig:
    case event_type::kEfiVariableBoot:
    case event_type::kEfiVariableBoot2:
    case event_type::kEfiVariableAuthority:
      return OfVariable(event);
    case event_type::kEfiBootServicesApplication:
    case event_type::kEfiBootServicesDriver:
    case event_type::kEfiRuntimeServicesDriver:
      return OfImage(event);
    case event_type::kEfiGptEvent:
    case event_type::kEfiGptEvent2:
      return OfGpt(event);
    case event_type::kEventTag:
      return OfTags(event);
    case event_type::kEfiPlatformFirmwareBlob:
      return OfBlob(event, false);
    case event_type::kEfiPlatformFirmwareBlob2:
      return OfBlob(event, true);
    case event_type::kSeparator:
      return OfSeparator(event);
    case event_type::kNoAction:
      return OfNoAction(event);
    default:
      return TextOrHex(event.data);
  }
}

}  // namespace

std::string DescribeEvent(const Event& event) {
  return Printable(Describe(event), kMostBytes);
}

}  // namespace gatehouse::evidence::eventlog
