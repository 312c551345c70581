// UEFI_IMAGE_LOAD_EVENT and the text of its device path (UEFI specification section 10.3 and 10.6).
#include <cstdio>

#include "common/base/encoding.h"
#include "common/evidence/eventlog/event_data.h"

namespace gatehouse::evidence::eventlog {
namespace {

constexpr std::string_view kWhere = "device path of UEFI_IMAGE_LOAD_EVENT";
constexpr std::uint8_t kEndType = 0x7F;
constexpr std::uint8_t kEndEntire = 0xFF;
constexpr std::uint32_t kPciRootHid = 0x0A0341D0;   // PNP0A03
constexpr std::uint32_t kPcieRootHid = 0x0A0841D0;  // PNP0A08

std::string Hex(std::uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof(text), "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

constexpr unsigned Kind(unsigned type, unsigned subtype) {
  return type << 8 | subtype;
}

Result<std::string> GuidNode(ByteReader& reader, std::string_view name) {
  ASSIGN_OR_RETURN(BytesView guid, reader.Take(16));
  return std::string(name) + "(" + GuidText(guid) + ")";
}

Result<std::string> AcpiNode(ByteReader& reader) {
  ASSIGN_OR_RETURN(std::uint32_t hid, reader.TakeU32Le());
  ASSIGN_OR_RETURN(std::uint32_t uid, reader.TakeU32Le());
  if (hid == kPciRootHid) return "PciRoot(" + Hex(uid) + ")";
  if (hid == kPcieRootHid) return "PcieRoot(" + Hex(uid) + ")";
  return "Acpi(" + Hex(hid) + "," + Hex(uid) + ")";
}

Result<std::string> PciNode(ByteReader& reader) {
  ASSIGN_OR_RETURN(std::uint8_t function, reader.TakeU8());
  ASSIGN_OR_RETURN(std::uint8_t device, reader.TakeU8());
  return "Pci(" + Hex(device) + "," + Hex(function) + ")";
}

Result<std::string> HardDriveNode(ByteReader& reader) {
  ASSIGN_OR_RETURN(std::uint32_t number, reader.TakeU32Le());
  ASSIGN_OR_RETURN(std::uint64_t start, reader.TakeU64Le());
  ASSIGN_OR_RETURN(std::uint64_t size, reader.TakeU64Le());
  ASSIGN_OR_RETURN(BytesView signature, reader.Take(16));
  ASSIGN_OR_RETURN(std::uint8_t format, reader.TakeU8());
  ASSIGN_OR_RETURN(std::uint8_t signature_type, reader.TakeU8());
  const std::string name =
      format == 2 && signature_type == 2 ? "GPT," + GuidText(signature) : "MBR," + EncodeHex(signature.first(4));
  return "HD(" + std::to_string(number) + "," + name + "," + Hex(start) + "," + Hex(size) + ")";
}

// Three u16 as SATA has them, two bytes as USB has them, …: numbers in their order.
template <typename Take>
Result<std::string> Numbers(std::string_view name, int count, const Take& take) {
  std::string text(name);
  for (int i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(auto value, take());
    text += (i == 0 ? "(" : ",") + Hex(value);
  }
  return text + ")";
}

Result<std::string> NvmeNode(ByteReader& reader) {
  ASSIGN_OR_RETURN(std::uint32_t namespace_id, reader.TakeU32Le());
  ASSIGN_OR_RETURN(std::uint64_t eui, reader.TakeU64Be());
  return "NVMe(" + Hex(namespace_id) + "," + Hex(eui) + ")";
}

Result<std::string> MacNode(ByteReader& reader) {
  ASSIGN_OR_RETURN(BytesView address, reader.Take(32));
  ASSIGN_OR_RETURN(std::uint8_t type, reader.TakeU8());
  return "MAC(" + EncodeHex(address.first(type <= 1 ? 6 : 32)) + "," + Hex(type) + ")";
}

Result<std::string> RangeNode(ByteReader& reader, std::string_view name, std::size_t skipped) {
  RETURN_IF_ERROR(reader.Take(skipped));
  return Numbers(name, 2, [&] { return reader.TakeU64Le(); });
}

Result<std::string> NodeText(std::uint8_t type, std::uint8_t subtype, ByteReader& reader) {
  switch (Kind(type, subtype)) {
    case Kind(1, 1):
      return PciNode(reader);
    case Kind(1, 3):
      return RangeNode(reader, "MemoryMapped", 4);
    case Kind(1, 4):
      return GuidNode(reader, "VenHw");
    case Kind(2, 1):
      return AcpiNode(reader);
    case Kind(3, 2):
      return Numbers("Scsi", 2, [&] { return reader.TakeU16Le(); });
    case Kind(3, 5):
      return Numbers("USB", 2, [&] { return reader.TakeU8(); });
    case Kind(3, 10):
      return GuidNode(reader, "VenMsg");
    case Kind(3, 11):
      return MacNode(reader);
    case Kind(3, 12):
      return std::string("IPv4");
    case Kind(3, 13):
      return std::string("IPv6");
    case Kind(3, 18):
      return Numbers("Sata", 3, [&] { return reader.TakeU16Le(); });
    case Kind(3, 23):
      return NvmeNode(reader);
    case Kind(3, 24): {
      ASSIGN_OR_RETURN(BytesView uri, reader.Take(reader.remaining()));
      return "Uri(" + std::string(AsText(uri)) + ")";
    }
    case Kind(4, 1):
      return HardDriveNode(reader);
    case Kind(4, 2):
      return Numbers("CDROM", 1, [&] { return reader.TakeU32Le(); });
    case Kind(4, 3):
      return GuidNode(reader, "VenMedia");
    case Kind(4, 4): {
      ASSIGN_OR_RETURN(BytesView path, reader.Take(reader.remaining()));
      return Utf16ToUtf8(path);
    }
    case Kind(4, 6):
      return GuidNode(reader, "FvFile");
    case Kind(4, 7):
      return GuidNode(reader, "Fv");
    case Kind(4, 8):
      return RangeNode(reader, "Offset", 4);
    default:
      return reader.Fail("an unknown node");
  }
}

// EFI_DEVICE_PATH_PROTOCOL nodes: type, subtype, length of the whole node. The last one, and only that, ends the path;
// an end of an instance (0x7F, 0x01) lets another begin.
Result<std::string> DevicePathText(BytesView bytes) {
  ByteReader reader(bytes, Reason::kEventLogMalformed, kWhere);
  std::string text;
  bool ended = bytes.empty();
  while (reader.remaining() != 0) {
    if (ended) return reader.Fail("a node behind the end");
    ASSIGN_OR_RETURN(std::uint8_t type, reader.TakeU8());
    ASSIGN_OR_RETURN(std::uint8_t subtype, reader.TakeU8());
    ASSIGN_OR_RETURN(std::uint16_t length, reader.TakeU16Le());
    if (length < 4) return reader.Fail("a node of " + std::to_string(length) + " bytes");
    ASSIGN_OR_RETURN(BytesView data, reader.Take(length - 4U));
    if (type == kEndType) {
      if (!data.empty()) return reader.Fail("an end with data");
      ended = subtype == kEndEntire;
      if (!ended) text += ",";
      continue;
    }
    if (!text.empty() && text.back() != ',') text += "/";
    ByteReader node(data, Reason::kEventLogMalformed, kWhere);
    auto shown = NodeText(type, subtype, node);
    // A node that we cannot read is no reason to doubt the rest: nothing is decided by a path.
    text += shown.ok() ? *shown : "Path(" + std::to_string(type) + "," + std::to_string(subtype) + ")";
  }
  if (!ended) return reader.Fail("no end");
  return text;
}

}  // namespace

Result<ImageLoad> ParseImageLoad(BytesView data) {
  ByteReader reader(data, Reason::kEventLogMalformed, "UEFI_IMAGE_LOAD_EVENT");
  ImageLoad load{};
  ASSIGN_OR_RETURN(load.location, reader.TakeU64Le());
  ASSIGN_OR_RETURN(load.length, reader.TakeU64Le());
  ASSIGN_OR_RETURN(load.link_time_address, reader.TakeU64Le());
  ASSIGN_OR_RETURN(std::uint64_t path_bytes, reader.TakeU64Le());
  if (path_bytes > reader.remaining()) {
    return reader.Fail("a device path of " + std::to_string(path_bytes) + " bytes, " +
                       std::to_string(reader.remaining()) + " are there,");
  }
  ASSIGN_OR_RETURN(BytesView path, reader.Take(path_bytes));
  ASSIGN_OR_RETURN(load.device_path, DevicePathText(path));
  return load;
}

}  // namespace gatehouse::evidence::eventlog
