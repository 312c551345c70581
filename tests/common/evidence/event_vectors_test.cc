// Event logs of real machines and of virtual ones that were made for this project. They are read in place; where the
// folder is absent there is nothing to run on.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "common/base/encoding.h"
#include "common/evidence/eventlog/event_data.h"
#include "common/evidence/eventlog/event_log.h"

namespace gatehouse::evidence::eventlog {
namespace {

namespace fs = std::filesystem;

fs::path Vectors() {
  const char* named = std::getenv("GATEHOUSE_VECTORS");
  return named != nullptr ? fs::path(named) : fs::path(GATEHOUSE_SOURCE_DIR) / "../shared/vectors";
}

Bytes Read(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  EXPECT_TRUE(stream.is_open()) << file;
  return Bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// What tpm2_eventlog printed of a log.
struct Printed {
  std::uint32_t pcr = 0;
  std::string type;
  std::map<std::string, std::string> digests;
  std::size_t size = 0;
  std::string variable;
  std::string variable_guid;
};

std::vector<Printed> ReadPrinted(const fs::path& file) {
  std::ifstream stream(file);
  EXPECT_TRUE(stream.is_open()) << file;
  std::vector<Printed> events;
  std::string line, algorithm;
  while (std::getline(stream, line) && line != "pcrs:") {
    std::istringstream words(line);
    std::string key, value;
    words >> key;
    if (key == "-") words >> key;
    words >> value;
    if (key == "EventNum:") events.emplace_back();
    if (events.empty()) continue;
    Printed& event = events.back();
    if (key == "PCRIndex:") event.pcr = static_cast<std::uint32_t>(std::stoul(value));
    if (key == "EventType:") event.type = value;
    if (key == "AlgorithmId:") algorithm = value;
    if (key == "Digest:") event.digests[algorithm] = value.substr(1, value.size() - 2);
    if (key == "EventSize:") event.size = std::stoul(value);
    if (key == "VariableName:") event.variable_guid = value;
    if (key == "UnicodeName:") event.variable = value;
  }
  return events;
}

std::vector<fs::path> OwnCases() {
  std::vector<fs::path> cases;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(Vectors() / "own/measured-boot", error)) {
    if (fs::exists(entry.path() / "binary_bios_measurements")) cases.push_back(entry.path());
  }
  return cases;
}

void ExpectSame(const Event& event, const Printed& printed) {
  EXPECT_EQ(event.pcr, printed.pcr);
  EXPECT_EQ(EventTypeName(event.type), printed.type);
  EXPECT_EQ(event.data.size(), printed.size);
  if (event.number != 0) {
    for (const auto& [name, hex] : printed.digests) {
      EXPECT_EQ(EncodeHex(event.digest(ParseHashAlgorithm(name).value())), hex) << name;
    }
  }
  if (!printed.variable.empty()) {
    auto variable = ParseVariableData(event.data);
    ASSERT_TRUE(variable.ok()) << variable.error().ToString();
    EXPECT_EQ(variable->name, printed.variable);
    EXPECT_EQ(variable->guid, printed.variable_guid);
  }
}

TEST(EventVectors, LogsOfVirtualMachinesAgreeWithAnotherReader) {
  const auto cases = OwnCases();
  if (cases.empty()) GTEST_SKIP() << "no vectors";
  EXPECT_EQ(cases.size(), 9U);
  for (const fs::path& folder : cases) {
    SCOPED_TRACE(folder.string());
    const Bytes bytes = Read(folder / "binary_bios_measurements");
    auto log = ParseEventLog(bytes);
    ASSERT_TRUE(log.ok()) << log.error().ToString();
    const auto printed = ReadPrinted(folder / "eventlog.yaml");
    ASSERT_EQ(log->events.size(), printed.size());
    for (std::size_t i = 0; i < printed.size(); ++i) {
      SCOPED_TRACE("event " + std::to_string(i));
      ExpectSame(log->events[i], printed[i]);
    }
  }
}

// Whether the data of an event can be read as what its type says.
Status Readable(const Event& event) {
  switch (event.type) {
    case event_type::kEfiVariableDriverConfig:
    case event_type::kEfiVariableBoot:
    case event_type::kEfiVariableAuthority: {
      ASSIGN_OR_RETURN(VariableData variable, ParseVariableData(event.data));
      static const std::set<std::string> kDatabases = {"PK", "KEK", "db", "dbx"};
      if (event.type == event_type::kEfiVariableDriverConfig && kDatabases.contains(variable.name)) {
        RETURN_IF_ERROR(ParseSignatureLists(variable.data));
      }
      return Ok();
    }
    case event_type::kEfiBootServicesApplication:
    case event_type::kEfiBootServicesDriver:
      RETURN_IF_ERROR(ParseImageLoad(event.data));
      return Ok();
    case event_type::kEfiGptEvent:
      RETURN_IF_ERROR(ParseGpt(event.data));
      return Ok();
    case event_type::kEfiPlatformFirmwareBlob:
      RETURN_IF_ERROR(ParseFirmwareBlob(event.data, false));
      return Ok();
    case event_type::kEfiPlatformFirmwareBlob2:
      RETURN_IF_ERROR(ParseFirmwareBlob(event.data, true));
      return Ok();
    case event_type::kEventTag:
      RETURN_IF_ERROR(ParseTaggedEvents(event.data));
      return Ok();
    case event_type::kNoAction:
      RETURN_IF_ERROR(ParseStartupLocality(event.data));
      return Ok();
    default:
      return Ok();
  }
}

TEST(EventVectors, DataOfVirtualMachinesIsReadable) {
  for (const fs::path& folder : OwnCases()) {
    const Bytes bytes = Read(folder / "binary_bios_measurements");
    auto log = ParseEventLog(bytes);
    ASSERT_TRUE(log.ok());
    for (const Event& event : log->events) {
      Status readable = Readable(event);
      EXPECT_TRUE(readable.ok()) << folder << " event " << event.number << " " << EventTypeName(event.type) << ": "
                                 << readable.error().ToString();
      EXPECT_EQ(DescribeEvent(event).find("cannot be read"), std::string::npos) << folder << " event " << event.number;
    }
  }
}

// Number of events, and those whose data is not as the specification says: shim's authorities of 2018 to 2021, with a
// byte behind the data that was not measured.
struct Expected {
  Format format;
  std::size_t banks;
  std::size_t events;
  std::set<std::uint32_t> unreadable;
};

TEST(EventVectors, LogsOfRealMachines) {
  const fs::path folder = Vectors() / "public/eventlog";
  if (!fs::exists(folder)) GTEST_SKIP() << "no vectors";
  const std::map<std::string, Expected> expected = {
      {"arch-linux-workstation.bin", {Format::kCryptoAgile, 2, 25, {}}},
      {"cos-93-amd-sev.bin", {Format::kCryptoAgile, 3, 46, {24, 42}}},
      {"crypto_agile_eventlog.bin", {Format::kCryptoAgile, 1, 27, {}}},
      {"debian-10.bin", {Format::kSha1, 1, 25, {23}}},
      {"ebs_event_missing_eventlog.bin", {Format::kSha1, 1, 38, {}}},
      {"option_rom_eventlog.bin", {Format::kSha1, 1, 61, {}}},
      {"rhel8-uefi.bin", {Format::kCryptoAgile, 3, 83, {}}},
      {"ubuntu-1804-amd-sev.bin", {Format::kCryptoAgile, 3, 88, {}}},
      {"ubuntu-2104-no-secure-boot.bin", {Format::kCryptoAgile, 3, 106, {}}},
  };
  for (const auto& [name, want] : expected) {
    SCOPED_TRACE(name);
    const Bytes bytes = Read(folder / name);
    auto log = ParseEventLog(bytes);
    ASSERT_TRUE(log.ok()) << log.error().ToString();
    EXPECT_EQ(log->format, want.format);
    EXPECT_EQ(log->banks.size(), want.banks);
    EXPECT_EQ(log->events.size(), want.events);
    std::set<std::uint32_t> unreadable;
    for (const Event& event : log->events) {
      EXPECT_LE(DescribeEvent(event).size(), 200U);
      Status readable = Readable(event);
      if (readable.ok()) continue;
      unreadable.insert(event.number);
      EXPECT_EQ(readable.error().reason, Reason::kEventLogMalformed);
    }
    EXPECT_EQ(unreadable, want.unreadable);
  }
}

TEST(EventVectors, TruncationAtEveryOffsetOfARealLog) {
  const auto cases = OwnCases();
  if (cases.empty()) GTEST_SKIP() << "no vectors";
  const Bytes bytes = Read(Vectors() / "own/measured-boot/u-uki/binary_bios_measurements");
  std::size_t accepted = 0;
  for (std::size_t size = 0; size < bytes.size(); ++size) accepted += ParseEventLog(BytesView(bytes).first(size)).ok();
  EXPECT_EQ(accepted, ParseEventLog(bytes)->events.size() - 1);
}

TEST(EventVectors, PaddedLogOfAConfidentialMachine) {
  const fs::path file = Vectors() / "public/ccel/cos-113.ccel";
  if (!fs::exists(file)) GTEST_SKIP() << "no vectors";
  const Bytes bytes = Read(file);
  auto log = ParseEventLog(bytes, true);
  ASSERT_TRUE(log.ok()) << log.error().ToString();
  EXPECT_EQ(log->banks, std::vector{HashAlgorithm::kSha384});
  EXPECT_EQ(log->events.size(), 44U);
  for (const Event& event : log->events) EXPECT_TRUE(event.number == 0 || (event.pcr >= 1 && event.pcr <= 4));
  auto unpadded = ParseEventLog(bytes);
  ASSERT_FALSE(unpadded.ok());
  EXPECT_EQ(unpadded.error().reason, Reason::kEventLogMalformed);
}

}  // namespace
}  // namespace gatehouse::evidence::eventlog
