// What systemd-stub measures of a unified kernel image.
#include "common/measure/uki.h"

#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "common/evidence/eventlog/event_data.h"
#include "common/evidence/eventlog/event_log.h"
#include "tests/common/measure/pe_builder.h"
#include "tests/common/measure/vectors.h"

namespace gatehouse::measure {
namespace {

using fakes::MakePe;
using fakes::PeSectionSpec;
using fakes::PeSpec;

Bytes Sha256(BytesView data) {
  return crypto::Hash(HashAlgorithm::kSha256, data);
}

const Bytes kKernel = MakePe({.sections = {{".text", Bytes(32, 5)}}});

PeSectionSpec Magic(std::string_view version) {
  return {".sdmagic", ToBytes("#### LoaderInfo: systemd-stub " + std::string(version) + " ####")};
}

// In the file's order, which is not the one in which they are measured.
PeSpec Sound(std::string_view version = "256.4") {
  return {.sections = {Magic(version),
                       {".sbat", ToBytes("sbat")},
                       {".osrel", ToBytes("ID=debian\n")},
                       {".pcrsig", ToBytes("{}")},
                       {".cmdline", ToBytes("root=/dev/sda1 ro\n")},
                       {".uname", ToBytes("6.1.0")},
                       {".initrd", Bytes(10, 3), 16},
                       {".linux", kKernel},
                       {".text", Bytes(8, 1)},
                       {".pcrpkey", ToBytes("PEM")}}};
}

Uki Measured(const PeSpec& spec) {
  static std::vector<Bytes> files;  // views of a Uki are into its file
  files.push_back(MakePe(spec));
  auto pe = ParsePe(files.back());
  EXPECT_TRUE(pe.ok()) << pe.error().ToString();
  auto uki = MeasureUki(*pe);
  EXPECT_TRUE(uki.ok()) << uki.error().ToString();
  return std::move(uki).value();
}

std::vector<std::string> NamesOf(const Uki& uki) {
  std::vector<std::string> names;
  for (const UkiSection& section : uki.sections) names.push_back(section.name);
  return names;
}

TEST(Uki, SectionsAreMeasuredInTheStubsOrderAndSignaturesAreNot) {
  const Uki uki = Measured(Sound());
  EXPECT_EQ(NamesOf(uki),
            (std::vector<std::string>{".linux", ".osrel", ".cmdline", ".initrd", ".uname", ".sbat", ".pcrpkey"}));
  EXPECT_EQ(uki.stub_version, 256U);
  EXPECT_TRUE(uki.notes.empty());
}

TEST(Uki, OlderStubsMeasureFewerSections) {
  EXPECT_EQ(NamesOf(Measured(Sound("252.39-1~deb12u1"))),
            (std::vector<std::string>{".linux", ".osrel", ".cmdline", ".initrd", ".pcrpkey"}));
}

TEST(Uki, SectionIsMeasuredAsItIsInMemory) {
  const Uki uki = Measured(Sound());
  Bytes padded(10, 3);
  padded.resize(16, 0);
  EXPECT_EQ(uki.sections[3].size, 16U);
  EXPECT_EQ(uki.sections[3].digests.at(HashAlgorithm::kSha256), Sha256(padded));
  PeSpec shorter = Sound();
  shorter.sections[6].virtual_size = 4;
  EXPECT_EQ(Measured(shorter).sections[3].digests.at(HashAlgorithm::kSha256), Sha256(Bytes(4, 3)));
}

TEST(Uki, Pcr11IsNameAndContentOfEach) {
  const Uki uki = Measured({.sections = {Magic("252"), {".linux", kKernel}, {".osrel", ToBytes("x")}}});
  Bytes value(32, 0);
  for (const Bytes& data :
       {ToBytes(std::string_view(".linux\0", 7)), kKernel, ToBytes(std::string_view(".osrel\0", 7)), ToBytes("x")}) {
    Append(value, Sha256(data));
    value = Sha256(value);
  }
  EXPECT_EQ(uki.pcr11.at(HashAlgorithm::kSha256), value);
  EXPECT_EQ(uki.pcr11.at(HashAlgorithm::kSha1).size(), 20U);
  EXPECT_EQ(uki.pcr11.at(HashAlgorithm::kSha384).size(), 48U);
}

TEST(Uki, CommandLineAsTheKernelMeasuresIt) {
  const Uki uki = Measured(Sound());
  EXPECT_EQ(uki.command_line, "root=/dev/sda1 ro");
  EXPECT_EQ(uki.command_line_digest, Sha256(fakes::Joined({fakes::Wide("root=/dev/sda1 ro"), {0, 0}})));
}

TEST(Uki, KernelThatIsNoExecutableIsNoted) {
  const Uki uki = Measured({.sections = {Magic("252"), {".linux", ToBytes("not a kernel")}}});
  EXPECT_TRUE(uki.kernel_authenticode.empty());
  ASSERT_EQ(uki.notes.size(), 1U);
  EXPECT_NE(uki.notes[0].find("no EFI executable"), std::string::npos);
}

TEST(Uki, ProfilesAreToldAndTheFirstIsMeasured) {
  PeSpec spec = Sound("257");
  spec.sections.push_back({".profile", ToBytes("ID=one")});
  spec.sections.push_back({".cmdline", ToBytes("one")});
  spec.sections.push_back({".profile", ToBytes("ID=two")});
  spec.sections.push_back({".cmdline", ToBytes("two")});
  const Uki uki = Measured(spec);
  EXPECT_EQ(uki.command_line, "one");
  EXPECT_EQ(uki.sections.back().name, ".profile");
  EXPECT_EQ(AsText(uki.sections.back().data), "ID=one");
  ASSERT_EQ(uki.notes.size(), 1U);
  EXPECT_NE(uki.notes[0].find("2 profiles"), std::string::npos);
}

TEST(Uki, WithoutAKernelItIsNone) {
  const Bytes file = MakePe({.sections = {Magic("256"), {".osrel", ToBytes("x")}}});
  auto uki = MeasureUki(ParsePe(file).value());
  ASSERT_FALSE(uki.ok());
  EXPECT_EQ(uki.error().reason, Reason::kPeMalformed);
}

// The log of a machine that booted a UKI with systemd-stub 252: what was measured obeys the rules above.
TEST(Uki, RuleAgreesWithTheLogOfARealBoot) {
  const auto folder = fakes::BootCase("u-uki");
  if (!folder) GTEST_SKIP() << "no vectors";
  const Bytes bytes = fakes::ReadBytes(*folder / "binary_bios_measurements");
  auto log = evidence::eventlog::ParseEventLog(bytes);
  ASSERT_TRUE(log.ok());
  for (HashAlgorithm bank : {HashAlgorithm::kSha1, HashAlgorithm::kSha256, HashAlgorithm::kSha384}) {
    std::vector<Bytes> pcr11, pcr4;
    std::vector<std::string> names;
    for (const auto& event : log->events) {
      if (event.pcr == 4 && event.type != evidence::eventlog::event_type::kNoAction) {
        pcr4.push_back(ToBytes(event.digest(bank)));
      }
      if (event.pcr != 11) continue;
      const std::string name = evidence::eventlog::Utf16ToUtf8(event.data).value();
      const bool is_name = pcr11.size() % 2 == 0;
      if (is_name) {
        names.push_back(name);
        EXPECT_EQ(ToBytes(event.digest(bank)), crypto::Hash(bank, AsBytes(name + '\0')));
      } else {
        EXPECT_EQ(name, names.back());
      }
      pcr11.push_back(ToBytes(event.digest(bank)));
    }
    EXPECT_EQ(names, (std::vector<std::string>{".linux", ".osrel", ".cmdline"}));
    EXPECT_EQ(EncodeHex(ExtendAll(bank, pcr11)), fakes::PcrAfter(*folder, Name(bank), 11));
    // The order of events that Uki::pcr4 stands for.
    ASSERT_EQ(pcr4.size(), 4U);
    EXPECT_EQ(pcr4[0], crypto::Hash(bank, AsBytes("Calling EFI Application from Boot Option")));
    EXPECT_EQ(pcr4[1], crypto::Hash(bank, Bytes(4, 0)));
    EXPECT_EQ(EncodeHex(ExtendAll(bank, pcr4)), fakes::PcrAfter(*folder, Name(bank), 4));
  }
}

}  // namespace
}  // namespace gatehouse::measure
