// Event logs of real machines, beside the checkout: each replays to the PCRs that were read from its TPM, and says what
// is known of that boot.
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "common/base/encoding.h"
#include "tests/common/verify/replay/boot_fixture.h"
#include "tests/fakes/tpm_vectors.h"

namespace gatehouse::verify::replay {
namespace {

using claims::BootEvent;
using claims::BootPart;
using claims::VerifiedBootLog;
using evidence::tpm::PcrValues;
using std::filesystem::path;

path Collection() {
  return fakes::VectorsDir() / "own/measured-boot";
}

Bytes Read(const path& file) {
  auto bytes = fakes::ReadFileBytes(file);
  EXPECT_TRUE(bytes.has_value()) << file;
  return bytes.value_or(Bytes{});
}

// What tpm2_pcrread prints: "  sha256:", then "    0 : 0xHEX".
PcrValues ReadPcrs(const path& file) {
  const Bytes bytes = Read(file);
  std::istringstream lines{std::string(AsText(bytes))};
  PcrValues values;
  HashAlgorithm bank{};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first, hex;
    words >> first;
    if (first.ends_with(':') && first.starts_with("sha")) {
      bank = ParseHashAlgorithm(first.substr(0, first.size() - 1)).value();
    } else if (words >> hex && (hex != ":" || words >> hex) && hex.starts_with("0x")) {
      for (char& c : hex) c = static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
      values[bank][static_cast<unsigned>(std::stoul(first))] = DecodeHex(hex.substr(2)).value();
    }
  }
  return values;
}

// Without those that no claim comes of, which the verifier of quotes refuses to be asked for.
PcrValues Quotable(PcrValues values) {
  for (auto& [bank, pcrs] : values) {
    pcrs.erase(16);
    pcrs.erase(23);
  }
  return values;
}

VerifiedBootLog VerifyCase(const std::string& name, bool with_hint = true) {
  const path folder = Collection() / name;
  const Bytes bytes = Read(folder / "binary_bios_measurements");
  auto log = evidence::eventlog::ParseEventLog(bytes);
  EXPECT_TRUE(log.ok()) << log.error().ToString();
  EventLogVerifier::Hints hints;
  if (with_hint) hints.command_line = AsText(Read(folder / "cmdline.txt"));
  auto verified =
      EventLogVerifier::Verify(*log, fakes::QuoteOfValues(Quotable(ReadPcrs(folder / "pcrs-after.yaml"))), hints);
  EXPECT_TRUE(verified.ok()) << verified.error().ToString();
  return std::move(verified).value();
}

const claims::BootVariable& Variable(const VerifiedBootLog& log, const std::string& name) {
  for (const BootEvent& event : log.events()) {
    if (event.part == BootPart::kSecureBootKeys && event.variable->name == name) return *event.variable;
  }
  throw std::out_of_range(name + " was not measured");
}

std::vector<std::string> Applications(const VerifiedBootLog& log) {
  std::vector<std::string> digests;
  for (const BootEvent& event : log.events()) {
    if (event.part == BootPart::kApplications) {
      digests.push_back(EncodeHex(event.digests.at(HashAlgorithm::kSha256)));
    }
  }
  return digests;
}

class BootVectors : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(Collection())) GTEST_SKIP() << "no vectors beside the checkout";
  }
};

TEST_F(BootVectors, EveryCaseReplaysToItsPcrsInEveryBank) {
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(Collection())) {
    if (!std::filesystem::exists(entry.path() / "pcrs-after.yaml")) continue;
    SCOPED_TRACE(entry.path().filename());
    const PcrValues values = ReadPcrs(entry.path() / "pcrs-after.yaml");
    ASSERT_FALSE(values.empty());
    const Bytes bytes = Read(entry.path() / "binary_bios_measurements");
    const Replayed replayed = Replay(evidence::eventlog::ParseEventLog(bytes).value());
    EXPECT_EQ(replayed.problem, "");
    for (const auto& [bank, pcrs] : values) {
      for (const auto& [pcr, value] : pcrs) {
        if (pcr != 10) {
          EXPECT_EQ(replayed.pcrs.at(bank).at(pcr), value) << Name(bank) << " " << pcr;
        }
      }
    }
    const VerifiedBootLog log = VerifyCase(entry.path().filename());
    EXPECT_EQ(log.proven_pcrs(), fakes::kQuotablePcrs);
    EXPECT_EQ(log.banks().size(), values.size());
    for (const auto& [number, why] : log.false_data()) ADD_FAILURE() << number << ": " << why;
    ++cases;
  }
  EXPECT_GE(cases, 9);
}

TEST_F(BootVectors, SecureBootOnAndOff) {
  EXPECT_EQ(Variable(VerifyCase("b1-sb-shim-grub"), "SecureBoot").data, Bytes{1});
  EXPECT_EQ(Variable(VerifyCase("a1-baseline"), "SecureBoot").data, Bytes{0});
  EXPECT_EQ(Variable(VerifyCase("t2-trixie-direct"), "SecureBoot").data, Bytes{});  // finding 15
}

TEST_F(BootVectors, SecureBootKeysAndAuthorities) {
  const VerifiedBootLog log = VerifyCase("b1-sb-shim-grub");
  EXPECT_EQ(Variable(log, "PK").entries.size(), 1U);
  EXPECT_EQ(Variable(log, "KEK").entries.size(), 2U);
  EXPECT_EQ(Variable(log, "db").entries.size(), 2U);
  EXPECT_EQ(Variable(log, "dbx").entries.size(), 1U);
  EXPECT_NE(Variable(log, "db").entries[0].label.find("Microsoft"), std::string::npos)
      << Variable(log, "db").entries[0].label;
  std::vector<std::string> authorities;
  for (const BootEvent& event : log.events()) {
    if (event.part != BootPart::kAuthorities) continue;
    authorities.push_back(event.variable->entries.empty() ? event.variable->name : event.variable->entries[0].label);
  }
  ASSERT_EQ(authorities.size(), 3U);
  EXPECT_NE(authorities[0].find("Microsoft Corporation UEFI CA 2011"), std::string::npos) << authorities[0];
  EXPECT_EQ(authorities[1], "SbatLevel");
  EXPECT_NE(authorities[2].find("Debian Secure Boot CA"), std::string::npos) << authorities[2];
}

TEST_F(BootVectors, CommandLines) {
  for (const std::string name : {"a1-baseline", "c-cmdline", "u-uki", "t2-trixie-direct"}) {
    const VerifiedBootLog with = VerifyCase(name);
    const BootEvent* line = FindEvent(with, BootPart::kCommandLine);
    ASSERT_NE(line, nullptr) << name;
    EXPECT_EQ(line->pcr, 9U);
    EXPECT_NE(line->text.find("ima_policy=tcb"), std::string::npos) << name;
    const VerifiedBootLog without = VerifyCase(name, false);
    ASSERT_NE(FindEvent(without, BootPart::kCommandLine), nullptr);
    EXPECT_EQ(FindEvent(without, BootPart::kCommandLine)->text, "");
  }
  const VerifiedBootLog grub = VerifyCase("b1-sb-shim-grub", false);
  const BootEvent* line = FindEvent(grub, BootPart::kCommandLine);
  ASSERT_NE(line, nullptr);
  EXPECT_EQ(line->pcr, 8U);
  EXPECT_TRUE(line->text.starts_with("/vmlinuz console=ttyS0 root=PARTUUID=")) << line->text;
}

TEST_F(BootVectors, SectionsOfAUki) {
  std::vector<std::string> names;
  std::size_t contents = 0;
  const VerifiedBootLog log = VerifyCase("u-uki");
  for (const BootEvent& event : log.events()) {
    if (event.part != BootPart::kUkiSections) continue;
    if (event.text.empty()) {
      ++contents;
    } else {
      names.push_back(event.text);
    }
  }
  EXPECT_EQ(names, (std::vector<std::string>{".linux", ".osrel", ".cmdline"}));
  EXPECT_EQ(contents, 3U);
}

// As common/boot-artifacts.txt has them: "sha256 authenticode path".
TEST_F(BootVectors, ApplicationsAreWhatTheyWereBuiltFrom) {
  std::map<std::string, std::string> by_name;
  const Bytes listing = Read(Collection() / "common/boot-artifacts.txt");
  std::istringstream lines{std::string(AsText(listing))};
  for (std::string sha256, authenticode, file; lines >> sha256;) {
    if (sha256 == "#") {
      std::getline(lines, file);
    } else if (lines >> authenticode >> file) {
      by_name.emplace(path(file).filename(), authenticode);
    }
  }
  const std::string kernel = by_name.at("vmlinuz-6.1.0-56-cloud-amd64");
  const std::vector<std::string> through_grub = {by_name.at("shimx64.efi.signed"), by_name.at("grubx64.efi.signed"),
                                                 kernel, kernel};
  EXPECT_EQ(Applications(VerifyCase("b1-sb-shim-grub")), through_grub);
  EXPECT_EQ(Applications(VerifyCase("u-uki")), (std::vector<std::string>{by_name.at("uki-x.efi"), kernel}));
}

// Of logs whose quotes are not here, what each replays to stands in for it: all data that must be what was measured is.
TEST(PublicEventLogs, EveryOneReplaysAndItsDataIsWhatWasMeasured) {
  const path folder = fakes::VectorsDir() / "public/eventlog";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no vectors beside the checkout";
  int logs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".bin") continue;
    SCOPED_TRACE(entry.path().filename());
    const Bytes bytes = Read(entry.path());
    auto log = evidence::eventlog::ParseEventLog(bytes);
    ASSERT_TRUE(log.ok()) << log.error().ToString();
    const Replayed replayed = Replay(*log);
    EXPECT_EQ(replayed.problem, "");
    auto verified = EventLogVerifier::Verify(*log, fakes::QuoteOfValues(Quotable(replayed.pcrs)), {});
    ASSERT_TRUE(verified.ok()) << verified.error().ToString();
    EXPECT_TRUE(verified->mismatches().empty());
    for (const auto& [number, why] : verified->false_data()) ADD_FAILURE() << number << ": " << why;
    const std::string name = entry.path().filename();
    const bool on = name.starts_with("cos-93") || name.starts_with("debian-10") || name.starts_with("rhel8") ||
                    name.starts_with("option_rom");
    EXPECT_EQ(Variable(*verified, "SecureBoot").data == Bytes{1}, on);
    ++logs;
  }
  EXPECT_GE(logs, 9);
}

TEST(PublicEventLogs, CommandLinesOfTwoGenerationsOfGrub) {
  const path folder = fakes::VectorsDir() / "public/eventlog";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no vectors beside the checkout";
  for (const auto& [name, begin] : {std::pair{"rhel8-uefi.bin", "(hd0,gpt2)/boot/vmlinuz-4.18.0-240"},
                                    {"ubuntu-2104-no-secure-boot.bin", "/boot/vmlinuz-5.11.0-1006-gcp root="}}) {
    const Bytes bytes = Read(folder / name);
    auto log = evidence::eventlog::ParseEventLog(bytes);
    ASSERT_TRUE(log.ok());
    auto verified = EventLogVerifier::Verify(*log, fakes::QuoteOfValues(Quotable(Replay(*log).pcrs)), {});
    const BootEvent* line = FindEvent(*verified, BootPart::kCommandLine);
    ASSERT_NE(line, nullptr) << name;
    EXPECT_TRUE(line->text.starts_with(begin)) << line->text;
  }
}

}  // namespace
}  // namespace gatehouse::verify::replay
