// What events hold, by type: sound data, and each with one defect.
#include "common/evidence/eventlog/event_data.h"

#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/evidence/eventlog/event_log.h"
#include "tests/common/evidence/log_builder.h"

namespace gatehouse::evidence::eventlog {
namespace {

using fakes::Joined;
using fakes::PutLe;
using fakes::Wide;

// 8be4df61-93ca-11d2-aa0d-00e098032b8c
const Bytes kGlobalGuid = {0x61, 0xDF, 0xE4, 0x8B, 0xCA, 0x93, 0xD2, 0x11,
                           0xAA, 0x0D, 0x00, 0xE0, 0x98, 0x03, 0x2B, 0x8C};
const Bytes kX509Guid = {0xA1, 0x59, 0xC0, 0xA5, 0xE4, 0x94, 0xA7, 0x4A,
                         0x87, 0xB5, 0xAB, 0x15, 0x5C, 0x2B, 0xF0, 0x72};
const Bytes kSha256Guid = {0x26, 0x16, 0xC4, 0xC1, 0x4C, 0x50, 0x92, 0x40,
                           0xAC, 0xA9, 0x41, 0xF9, 0x36, 0x93, 0x43, 0x28};
const Bytes kOwner(16, 0xAB);

Bytes Le(std::uint64_t value, int width) {
  Bytes bytes;
  PutLe(bytes, value, width);
  return bytes;
}

Bytes Variable(std::uint64_t characters, std::uint64_t bytes, const Bytes& name, const Bytes& data) {
  return Joined({kGlobalGuid, Le(characters, 8), Le(bytes, 8), name, data});
}

// Every prefix of `whole` that is not listed as sound is refused with the reason of a log.
template <typename Parse>
void ExpectPrefixesRefused(const Bytes& whole, const Parse& parse, const std::vector<std::size_t>& sound = {}) {
  ASSERT_TRUE(parse(whole).ok()) << parse(whole).error().ToString();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    if (std::find(sound.begin(), sound.end(), size) != sound.end()) continue;
    const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    auto parsed = parse(part);
    ASSERT_FALSE(parsed.ok()) << size;
    EXPECT_EQ(parsed.error().reason, Reason::kEventLogMalformed) << size;
  }
}

TEST(EventData, GuidHasThreeLittleEndianFields) {
  EXPECT_EQ(GuidText(kGlobalGuid), "8be4df61-93ca-11d2-aa0d-00e098032b8c");
  EXPECT_EQ(GuidText(kX509Guid), kCertX509Guid);
  EXPECT_EQ(GuidText(kSha256Guid), kCertSha256Guid);
  EXPECT_EQ(GuidText(Bytes(15, 0)), "not a GUID");
}

TEST(EventData, Variable) {
  const Bytes bytes = Variable(10, 1, Wide("SecureBoot"), {1});
  auto variable = ParseVariableData(bytes);
  ASSERT_TRUE(variable.ok()) << variable.error().ToString();
  EXPECT_EQ(variable->guid, "8be4df61-93ca-11d2-aa0d-00e098032b8c");
  EXPECT_EQ(variable->name, "SecureBoot");
  EXPECT_EQ(ToBytes(variable->data), Bytes{1});
  ExpectPrefixesRefused(bytes, ParseVariableData);
}

struct BadVariable {
  const char* name;
  Bytes bytes;
};
class Adversarial_E11 : public ::testing::TestWithParam<BadVariable> {};
INSTANTIATE_TEST_SUITE_P(
    Variable, Adversarial_E11,
    ::testing::Values(BadVariable{"NameLengthOverflowsWhenDoubled",
                                  Variable(0x8000000000000005, 1, Wide("SecureBoot"), {1})},
                      BadVariable{"NameLengthOfAllOnes", Variable(~0ULL, 1, Wide("SecureBoot"), {1})},
                      BadVariable{"NameLengthCountsBytes", Variable(20, 1, Wide("SecureBoot"), {1})},
                      BadVariable{"NameLengthBeyondEvent", Variable(11, 1, Wide("SecureBoot"), {1})},
                      BadVariable{"DataLengthOfAllOnes", Variable(10, ~0ULL, Wide("SecureBoot"), {1})},
                      BadVariable{"DataLengthBeyondEvent", Variable(10, 2, Wide("SecureBoot"), {1})},
                      BadVariable{"ShimsExtraByteBehindTheData", Variable(4, 2, Wide("Shim"), {1, 2, 0})},
                      BadVariable{"NameEndsInNul", Variable(3, 1, Wide(std::string_view("PK\0", 3)), {1})},
                      BadVariable{"NulInName", Variable(3, 1, Wide(std::string_view("P\0K", 3)), {1})},
                      BadVariable{"LoneHighSurrogateInName", Variable(2, 1, {0x00, 0xD8, 0x41, 0x00}, {1})},
                      BadVariable{"HighSurrogateAtTheEndOfName", Variable(1, 1, {0x00, 0xD8}, {1})},
                      BadVariable{"LoneLowSurrogateInName", Variable(1, 1, {0x00, 0xDC}, {1})}),
    [](const auto& test) { return std::string(test.param.name); });
TEST_P(Adversarial_E11, IsRefused) {
  auto variable = ParseVariableData(GetParam().bytes);
  ASSERT_FALSE(variable.ok());
  EXPECT_EQ(variable.error().reason, Reason::kEventLogMalformed);
}

TEST(Adversarial_E11_Empty, SecureBootWithoutDataIsReadAsEmpty) {
  auto variable = ParseVariableData(Variable(10, 0, Wide("SecureBoot"), {}));
  ASSERT_TRUE(variable.ok());
  EXPECT_EQ(variable->name, "SecureBoot");
  EXPECT_TRUE(variable->data.empty());
}

Bytes List(const Bytes& type, std::uint32_t header, std::uint32_t entry_size, const std::vector<Bytes>& entries) {
  Bytes body(header, 0);
  for (const Bytes& entry : entries) body = Joined({body, kOwner, entry});
  return Joined({type, Le(28 + body.size(), 4), Le(header, 4), Le(entry_size, 4), body});
}

TEST(EventData, SignatureLists) {
  const Bytes hash_a(32, 1), hash_b(32, 2), certificate = {0x30, 0x03, 1, 2, 3};
  const Bytes first = List(kX509Guid, 0, 21, {certificate});
  const Bytes bytes = Joined({first, List(kSha256Guid, 0, 48, {hash_a, hash_b})});
  auto entries = ParseSignatureLists(bytes);
  ASSERT_TRUE(entries.ok()) << entries.error().ToString();
  ASSERT_EQ(entries->size(), 3U);
  EXPECT_EQ((*entries)[0].type, kCertX509Guid);
  EXPECT_EQ((*entries)[0].owner, kOwner);
  EXPECT_EQ(ToBytes((*entries)[0].data), certificate);
  EXPECT_EQ((*entries)[2].type, kCertSha256Guid);
  EXPECT_EQ(ToBytes((*entries)[2].data), hash_b);
  ExpectPrefixesRefused(bytes, ParseSignatureLists, {0, first.size()});
}

TEST(EventData, SignatureListWithoutEntriesHoldsNone) {
  auto entries = ParseSignatureLists(List(kX509Guid, 0, 21, {}));
  ASSERT_TRUE(entries.ok());
  EXPECT_TRUE(entries->empty());
}

TEST(EventData, HeaderOfAnUnknownListIsReadOver) {
  const Bytes list = List(Bytes(16, 7), 5, 20, {{1, 2, 3, 4}});
  auto entries = ParseSignatureLists(list);
  ASSERT_TRUE(entries.ok()) << entries.error().ToString();
  ASSERT_EQ(entries->size(), 1U);
  EXPECT_EQ(ToBytes((*entries)[0].data), (Bytes{1, 2, 3, 4}));
}

TEST(EventData, SignatureListsWithOneDefect) {
  const Bytes hash(32, 1);
  const auto raw = [](std::uint32_t size, std::uint32_t header, std::uint32_t entry) {
    return Joined({kSha256Guid, Le(size, 4), Le(header, 4), Le(entry, 4), Bytes(48, 0)});
  };
  const std::vector<std::pair<const char*, Bytes>> broken = {
      {"list smaller than its head", raw(27, 0, 48)},
      {"header larger than the list", raw(76, 49, 48)},
      {"header of 4 GiB", raw(76, 0xFFFFFFFF, 48)},
      {"no entry size", raw(76, 0, 0)},
      {"entry without data", raw(76, 0, 16)},
      {"list larger than the data", raw(124, 0, 48)},
      {"entries do not fill the list", raw(76, 0, 47)},
      {"header of a known type", List(kSha256Guid, 1, 48, {hash})},
      {"SHA-256 of 31 bytes", List(kSha256Guid, 0, 47, {Bytes(31, 1)})},
  };
  for (const auto& [name, bytes] : broken) {
    auto entries = ParseSignatureLists(bytes);
    ASSERT_FALSE(entries.ok()) << name;
    EXPECT_EQ(entries.error().reason, Reason::kEventLogMalformed) << name;
  }
}

TEST(EventData, SignatureListEntriesAreBoundedBeforeAnyIsRead) {
  const std::uint32_t most = limits::kSignatureListEntries;
  auto entries = ParseSignatureLists(
      Joined({Bytes(16, 7), Le(28 + (most + 1) * 17ULL, 4), Le(0, 4), Le(17, 4), Bytes((most + 1) * 17ULL, 0)}));
  ASSERT_FALSE(entries.ok());
  EXPECT_EQ(entries.error().reason, Reason::kLimitExceeded);
}

TEST(EventData, OneSignatureWithoutList) {
  auto certificate = ParseSignatureData(Joined({kOwner, {0x30, 0x82, 0, 0}}));
  ASSERT_TRUE(certificate.ok());
  EXPECT_EQ(certificate->type, kCertX509Guid);
  EXPECT_EQ(certificate->owner, kOwner);
  auto hash = ParseSignatureData(Joined({kOwner, Bytes(32, 0x30)}));
  ASSERT_TRUE(hash.ok());
  EXPECT_EQ(hash->type, kCertSha256Guid);
  auto other = ParseSignatureData(Joined({kOwner, {1}}));
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->type, "");
  ExpectPrefixesRefused(Joined({kOwner, {1}}), ParseSignatureData);
}

Bytes Node(std::uint8_t type, std::uint8_t subtype, const Bytes& data) {
  return Joined({{type, subtype}, Le(4 + data.size(), 2), data});
}
const Bytes kEnd = Node(0x7F, 0xFF, {});

Bytes Image(const Bytes& path) {
  return Joined({Le(0x1000, 8), Le(0x200, 8), Le(0, 8), Le(path.size(), 8), path});
}

std::string PathOf(const Bytes& path) {
  auto load = ParseImageLoad(Image(path));
  return load.ok() ? load->device_path : load.error().ToString();
}

TEST(EventData, ImageLoad) {
  const Bytes file = Joined({Wide("\\EFI\\BOOT\\BOOTX64.EFI"), {0, 0}});
  const Bytes disk = Joined({Le(1, 4), Le(0x800, 8), Le(0x1000, 8), kGlobalGuid, {2, 2}});
  const Bytes path = Joined({Node(2, 1, Joined({Le(0x0A0341D0, 4), Le(0, 4)})), Node(1, 1, {0, 3}), Node(4, 1, disk),
                             Node(4, 4, file), kEnd});
  const Bytes bytes = Image(path);
  auto load = ParseImageLoad(bytes);
  ASSERT_TRUE(load.ok()) << load.error().ToString();
  EXPECT_EQ(load->location, 0x1000U);
  EXPECT_EQ(load->length, 0x200U);
  EXPECT_EQ(load->link_time_address, 0U);
  EXPECT_EQ(load->device_path,
            "PciRoot(0x0)/Pci(0x3,0x0)/HD(1,GPT,8be4df61-93ca-11d2-aa0d-00e098032b8c,0x800,0x1000)/"
            "\\EFI\\BOOT\\BOOTX64.EFI");
  ExpectPrefixesRefused(bytes, ParseImageLoad);
}

TEST(EventData, NodesOfDevicePaths) {
  const Bytes guid = kGlobalGuid;
  const std::string guid_text = GuidText(guid);
  EXPECT_EQ(PathOf({}), "");
  EXPECT_EQ(PathOf(Joined({Node(2, 1, Joined({Le(0x0A0841D0, 4), Le(1, 4)})), kEnd})), "PcieRoot(0x1)");
  EXPECT_EQ(PathOf(Joined({Node(2, 1, Joined({Le(0x050141D0, 4), Le(1, 4)})), kEnd})), "Acpi(0x50141d0,0x1)");
  EXPECT_EQ(PathOf(Joined({Node(1, 3, Joined({Le(1, 4), Le(16, 8), Le(32, 8)})), kEnd})), "MemoryMapped(0x10,0x20)");
  EXPECT_EQ(PathOf(Joined({Node(1, 4, guid), kEnd})), "VenHw(" + guid_text + ")");
  EXPECT_EQ(PathOf(Joined({Node(4, 6, guid), kEnd})), "FvFile(" + guid_text + ")");
  EXPECT_EQ(PathOf(Joined({Node(4, 7, guid), kEnd})), "Fv(" + guid_text + ")");
  EXPECT_EQ(PathOf(Joined({Node(4, 3, guid), kEnd})), "VenMedia(" + guid_text + ")");
  EXPECT_EQ(PathOf(Joined({Node(3, 10, guid), kEnd})), "VenMsg(" + guid_text + ")");
  EXPECT_EQ(PathOf(Joined({Node(3, 18, Joined({Le(1, 2), Le(0xFFFF, 2), Le(0, 2)})), kEnd})), "Sata(0x1,0xffff,0x0)");
  EXPECT_EQ(PathOf(Joined({Node(3, 5, {1, 2}), kEnd})), "USB(0x1,0x2)");
  EXPECT_EQ(PathOf(Joined({Node(3, 2, {1, 0, 2, 0}), kEnd})), "Scsi(0x1,0x2)");
  EXPECT_EQ(PathOf(Joined({Node(3, 23, Joined({Le(1, 4), Bytes(8, 0)})), kEnd})), "NVMe(0x1,0x0)");
  EXPECT_EQ(PathOf(Joined({Node(3, 11, Joined({{1, 2, 3, 4, 5, 6}, Bytes(26, 0), {1}})), kEnd})),
            "MAC(010203040506,0x1)");
  EXPECT_EQ(PathOf(Joined({Node(3, 24, ToBytes("http://x/")), kEnd})), "Uri(http://x/)");
  EXPECT_EQ(PathOf(Joined({Node(4, 2, Le(1, 4)), kEnd})), "CDROM(0x1)");
  EXPECT_EQ(PathOf(Joined({Node(4, 8, Joined({Le(0, 4), Le(1, 8), Le(2, 8)})), kEnd})), "Offset(0x1,0x2)");
  EXPECT_EQ(PathOf(Joined({Node(5, 1, {9}), kEnd})), "Path(5,1)");
  EXPECT_EQ(PathOf(Joined({Node(1, 1, {9}), kEnd})), "Path(1,1)");
  EXPECT_EQ(PathOf(Joined({Node(1, 1, {0, 1}), Node(0x7F, 1, {}), Node(1, 1, {0, 2}), kEnd})),
            "Pci(0x1,0x0),Pci(0x2,0x0)");
}

TEST(EventData, DevicePathsWithOneDefect) {
  const Bytes pci = Node(1, 1, {0, 1});
  const std::vector<std::pair<const char*, Bytes>> broken = {
      {"no end", pci},
      {"node behind the end", Joined({kEnd, pci, kEnd})},
      {"node of three bytes", Joined({{1, 1, 3, 0}, kEnd})},
      {"node of no bytes", Joined({{1, 1, 0, 0}, kEnd})},
      {"node beyond the path", Joined({{1, 1, 200, 0}, kEnd})},
      {"end with data", Node(0x7F, 0xFF, {1})},
  };
  for (const auto& [name, path] : broken) {
    auto load = ParseImageLoad(Image(path));
    ASSERT_FALSE(load.ok()) << name;
    EXPECT_EQ(load.error().reason, Reason::kEventLogMalformed) << name;
  }
  Bytes longer = Image(kEnd);
  longer[24] = 5;  // the length of the path
  EXPECT_FALSE(ParseImageLoad(longer).ok());
  EXPECT_TRUE(ParseImageLoad(Joined({Image(kEnd), {0}})).ok()) << "shim's extra byte";
}

Bytes GptData(std::uint64_t count, std::uint32_t entry_size, const std::vector<Bytes>& entries) {
  return Joined({ToBytes("EFI PART"), Bytes(4 * 4 + 4 * 8, 0), kGlobalGuid, Bytes(12, 0), Le(entry_size, 4),
                 Bytes(4, 0), Le(count, 8), Joined(entries)});
}

Bytes PartitionEntry(std::string_view name, std::size_t size = 128) {
  Bytes entry = Joined({kX509Guid, kOwner, Le(2048, 8), Le(4095, 8), Bytes(8, 0), Wide(name)});
  entry.resize(size, 0);
  return entry;
}

TEST(EventData, Gpt) {
  const Bytes bytes = GptData(2, 128, {PartitionEntry("EFI System"), PartitionEntry("root")});
  auto gpt = ParseGpt(bytes);
  ASSERT_TRUE(gpt.ok()) << gpt.error().ToString();
  EXPECT_EQ(gpt->disk_guid, "8be4df61-93ca-11d2-aa0d-00e098032b8c");
  ASSERT_EQ(gpt->partitions.size(), 2U);
  EXPECT_EQ(gpt->partitions[0].name, "EFI System");
  EXPECT_EQ(gpt->partitions[0].type_guid, kCertX509Guid);
  EXPECT_EQ(gpt->partitions[0].first_lba, 2048U);
  EXPECT_EQ(gpt->partitions[0].last_lba, 4095U);
  EXPECT_EQ(gpt->partitions[1].name, "root");
  ExpectPrefixesRefused(bytes, ParseGpt);
  EXPECT_TRUE(ParseGpt(GptData(1, 256, {PartitionEntry("x", 256)})).ok());
  EXPECT_TRUE(ParseGpt(GptData(0, 128, {})).ok());
}

TEST(EventData, GptWithOneDefect) {
  const Bytes entry = PartitionEntry("x");
  const std::vector<std::pair<const char*, Bytes>> broken = {
      {"entry size 0", GptData(1, 0, {entry})},
      {"entry size 127", GptData(1, 127, {entry})},
      {"entry size 4 GiB", GptData(1, 0xFFFFFFFF, {entry})},
      {"count of all ones", GptData(~0ULL, 128, {entry})},
      {"count one too many", GptData(2, 128, {entry})},
      {"count one too few", GptData(0, 128, {entry})},
  };
  for (const auto& [name, bytes] : broken) {
    auto gpt = ParseGpt(bytes);
    ASSERT_FALSE(gpt.ok()) << name;
    EXPECT_EQ(gpt.error().reason, Reason::kEventLogMalformed) << name;
  }
  Bytes other = GptData(1, 128, {entry});
  other[0] = 'e';
  EXPECT_FALSE(ParseGpt(other).ok());
}

Bytes Tagged(std::uint32_t id, const Bytes& data) {
  return Joined({Le(id, 4), Le(data.size(), 4), data});
}

TEST(EventData, TaggedEvents) {
  const Bytes first = Tagged(kLoadOptionsTag, ToBytes("LOADED_IMAGE::LoadOptions"));
  const Bytes bytes = Joined({first, Tagged(kInitrdTag, ToBytes("Linux initrd"))});
  auto events = ParseTaggedEvents(bytes);
  ASSERT_TRUE(events.ok()) << events.error().ToString();
  ASSERT_EQ(events->size(), 2U);
  EXPECT_EQ((*events)[0].id, kLoadOptionsTag);
  EXPECT_EQ(AsText((*events)[1].data), "Linux initrd");
  ExpectPrefixesRefused(bytes, ParseTaggedEvents, {first.size()});
  EXPECT_FALSE(ParseTaggedEvents(Joined({Le(1, 4), Le(0xFFFFFFFF, 4), Bytes(8, 0)})).ok());
}

TEST(Adversarial_E10, TaggedEventsWithinTaggedEventsAreNotLookedInto) {
  // Nested as deeply as the limit of a log allows: flat for us, whatever is in it.
  Bytes nested = Tagged(1, {});
  Bytes heads;
  const std::size_t depth = 100'000;
  for (std::size_t i = depth; i > 0; --i) {
    PutLe(heads, 1, 4);
    PutLe(heads, (i - 1) * 8 + nested.size(), 4);
  }
  const Bytes bytes = Joined({heads, nested});
  auto events = ParseTaggedEvents(bytes);
  ASSERT_TRUE(events.ok()) << events.error().ToString();
  ASSERT_EQ(events->size(), 1U);
  EXPECT_EQ((*events)[0].data.size(), bytes.size() - 8);
}

TEST(Adversarial_E10, NumberOfTaggedEventsIsBounded) {
  const Bytes empty = Tagged(1, {});
  Bytes bytes;
  for (std::size_t i = 0; i < limits::kEventLogEvents; ++i) Append(bytes, empty);
  EXPECT_TRUE(ParseTaggedEvents(bytes).ok());
  Append(bytes, empty);
  auto events = ParseTaggedEvents(bytes);
  ASSERT_FALSE(events.ok());
  EXPECT_EQ(events.error().reason, Reason::kLimitExceeded);
}

TEST(EventData, FirmwareBlobs) {
  const Bytes first = Joined({Le(0x820000, 8), Le(0xE0000, 8)});
  auto blob = ParseFirmwareBlob(first, false);
  ASSERT_TRUE(blob.ok());
  EXPECT_EQ(blob->base, 0x820000U);
  EXPECT_EQ(blob->length, 0xE0000U);
  EXPECT_EQ(blob->description, "");
  ExpectPrefixesRefused(first, [](const Bytes& bytes) { return ParseFirmwareBlob(bytes, false); });
  const Bytes second = Joined({{3}, ToBytes("PEI"), first});
  blob = ParseFirmwareBlob(second, true);
  ASSERT_TRUE(blob.ok());
  EXPECT_EQ(blob->description, "PEI");
  EXPECT_EQ(blob->length, 0xE0000U);
  ExpectPrefixesRefused(second, [](const Bytes& bytes) { return ParseFirmwareBlob(bytes, true); });
  EXPECT_FALSE(ParseFirmwareBlob(second, false).ok());
}

TEST(EventData, StartupLocality) {
  const auto of = [](const Bytes& end) {
    return ParseStartupLocality(Joined({ToBytes(std::string_view("StartupLocality\0", 16)), end}));
  };
  for (const std::uint8_t locality : Bytes{0, 3, 4}) {
    auto found = of({locality});
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(*found, std::optional<std::uint8_t>(locality));
  }
  for (const Bytes& end : {Bytes{}, Bytes{1}, Bytes{2}, Bytes{5}, Bytes{0xFF}, Bytes{3, 0}}) {
    auto found = of(end);
    ASSERT_FALSE(found.ok()) << EncodeHex(end);
    EXPECT_EQ(found.error().reason, Reason::kEventLogMalformed);
  }
  EXPECT_FALSE(ParseStartupLocality(AsBytes("StartupLocality")).ok());
  EXPECT_FALSE(ParseStartupLocality(AsBytes("StartupLocality 3")).ok());
  for (std::string_view other : {"", "StartupLocalit", "SP800-155 Event", "Spec ID Event03"}) {
    auto found = ParseStartupLocality(AsBytes(other));
    ASSERT_TRUE(found.ok()) << other;
    EXPECT_EQ(*found, std::nullopt) << other;
  }
}

TEST(EventData, Utf16) {
  EXPECT_EQ(Utf16ToUtf8(Wide("abc")).value(), "abc");
  EXPECT_EQ(Utf16ToUtf8(Joined({Wide("abc"), {0, 0}})).value(), "abc");
  EXPECT_EQ(Utf16ToUtf8({}).value(), "");
  const Bytes mixed = {0xE4, 0x00, 0xAC, 0x20, 0x3D, 0xD8, 0x00, 0xDE};
  EXPECT_EQ(Utf16ToUtf8(mixed).value(), "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(Utf8ToUtf16("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"), mixed);
  EXPECT_EQ(Utf8ToUtf16("a\xFFz"), (Bytes{'a', 0, 0xFD, 0xFF, 'z', 0}));
  EXPECT_EQ(Utf8ToUtf16("\xE2\x82"), (Bytes{0xFD, 0xFF, 0xFD, 0xFF}));
  for (const Bytes& bad : {Bytes{0x41}, Bytes{0x41, 0, 0x42}, Bytes{0, 0, 0x41, 0}, Bytes{0, 0, 0, 0}, Bytes{0, 0xD8},
                           Bytes{0, 0xDC}, Bytes{0, 0xD8, 0, 0xD8}, Bytes{0, 0xD8, 0x41, 0}}) {
    auto text = Utf16ToUtf8(bad);
    ASSERT_FALSE(text.ok()) << EncodeHex(bad);
    EXPECT_EQ(text.error().reason, Reason::kEventLogMalformed);
  }
}

std::string Described(std::uint32_t type, const Bytes& data) {
  Event event{};
  event.type = type;
  event.data = data;
  return DescribeEvent(event);
}

TEST(EventData, DescriptionsForPeople) {
  EXPECT_EQ(Described(event_type::kEfiVariableDriverConfig, Variable(10, 1, Wide("SecureBoot"), {1})),
            "SecureBoot = on");
  EXPECT_EQ(Described(event_type::kEfiVariableDriverConfig, Variable(10, 1, Wide("SecureBoot"), {0})),
            "SecureBoot = off");
  EXPECT_EQ(Described(event_type::kEfiVariableDriverConfig, Variable(10, 0, Wide("SecureBoot"), {})),
            "SecureBoot = off");
  EXPECT_EQ(Described(event_type::kEfiVariableBoot, Variable(9, 2, Wide("BootOrder"), {0, 0})), "BootOrder (2 bytes)");
  EXPECT_EQ(Described(event_type::kEfiVariableAuthority, {1}), "(data that cannot be read)");
  EXPECT_EQ(Described(event_type::kEfiBootServicesApplication, Image(kEnd)), "an image from memory");
  const Bytes file = Joined({Wide("\\EFI\\x.efi"), {0, 0}});
  EXPECT_EQ(
      Described(event_type::kEfiBootServicesApplication, Image(Joined({Node(1, 1, {0, 3}), Node(4, 4, file), kEnd}))),
      "Pci(0x3,0x0)/EFI/x.efi");
  EXPECT_EQ(Described(event_type::kSeparator, Bytes(4, 0)), "separator 00000000");
  EXPECT_EQ(Described(event_type::kSeparator, {1, 0, 0, 0}), "separator 01000000 (error)");
  EXPECT_EQ(Described(event_type::kIpl, ToBytes("grub_cmd: linux /vmlinuz")), "grub_cmd: linux /vmlinuz");
  EXPECT_EQ(Described(event_type::kIpl, Joined({Wide(".linux"), {0, 0}})), ".linux");
  EXPECT_EQ(Described(event_type::kCrtmVersion, {}), "(no data)");
  EXPECT_EQ(Described(event_type::kCrtmVersion, {1, 2, 3}), "010203");
  EXPECT_EQ(Described(event_type::kEfiPlatformFirmwareBlob, Joined({Le(16, 8), Le(32, 8)})), "32 bytes at 0x10");
  EXPECT_EQ(Described(event_type::kEventTag, Tagged(kInitrdTag, ToBytes("Linux initrd"))),
            "tag 0x8f3b22ec Linux initrd");
  EXPECT_EQ(Described(event_type::kNoAction, Joined({ToBytes(std::string_view("StartupLocality\0", 16)), {3}})),
            "StartupLocality 3");
  EXPECT_EQ(Described(event_type::kEfiGptEvent, GptData(1, 128, {PartitionEntry("root")})),
            "disk 8be4df61-93ca-11d2-aa0d-00e098032b8c, 1 partitions: root");
}

TEST(EventData, DescriptionsArePrintableAndShort) {
  const std::string long_text = Described(event_type::kIpl, Bytes(1000, 'x'));
  EXPECT_EQ(long_text.size(), 200U);
  EXPECT_EQ(Described(event_type::kEfiVariableBoot, Variable(2, 0, {0x1B, 0, '[', 0}, {})), "\\x1b[ (0 bytes)");
}

}  // namespace
}  // namespace gatehouse::evidence::eventlog
