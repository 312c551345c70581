// A good boot, then one thing broken in what is reported of it, or in what was measured.
#include "common/verify/replay/event_log.h"

#include <gtest/gtest.h>

#include "common/crypto/hash.h"
#include "tests/common/verify/replay/boot_fixture.h"

namespace gatehouse::verify::replay {
namespace {

using claims::BootEvent;
using claims::BootPart;
using claims::VerifiedBootLog;
using fakes::BootLog;
using fakes::LoggedEvent;
using fakes::QuoteOf;
using fakes::SecureBootWithGrub;
using fakes::SecureBootWithUki;
namespace event_type = evidence::eventlog::event_type;

constexpr HashAlgorithm kSha1 = HashAlgorithm::kSha1;
constexpr HashAlgorithm kSha256 = HashAlgorithm::kSha256;
constexpr HashAlgorithm kSha384 = HashAlgorithm::kSha384;

constexpr std::uint32_t Bit(unsigned pcr) {
  return std::uint32_t{1} << pcr;
}

VerifiedBootLog Good(const Result<VerifiedBootLog>& log) {
  EXPECT_TRUE(log.ok()) << log.error().ToString();
  return *log;
}

void ExpectReason(const Result<VerifiedBootLog>& log, Reason reason) {
  ASSERT_FALSE(log.ok());
  EXPECT_EQ(Token(log.error().reason), Token(reason)) << log.error().ToString();
}

std::string Parts(const VerifiedBootLog& log, unsigned pcr) {
  std::string parts;
  for (const BootEvent& event : log.events()) {
    if (event.pcr != pcr) continue;
    parts += std::string(parts.empty() ? "" : " ") + std::string(Name(event.part));
    if (!event.text.empty()) parts += "'" + event.text + "'";
  }
  return parts;
}

TEST(EventLogReplay, AGoodBootReplaysInEveryBankAndFormat) {
  for (const bool agile : {true, false}) {
    const std::vector<HashAlgorithm> banks =
        agile ? std::vector<HashAlgorithm>{kSha1, kSha256, kSha384} : std::vector<HashAlgorithm>{kSha1};
    BootLog boot(banks, agile);
    boot.events() = SecureBootWithGrub(banks).events();
    const VerifiedBootLog log = Good(VerifyBoot(boot));
    EXPECT_EQ(log.proven_pcrs(), fakes::kQuotablePcrs);
    EXPECT_EQ(log.banks(), banks);
    EXPECT_TRUE(log.mismatches().empty());
    EXPECT_TRUE(log.false_data().empty());
    EXPECT_EQ(log.events().size(), boot.events().size());
    for (const HashAlgorithm bank : banks) EXPECT_EQ(log.proven_pcrs(bank), fakes::kQuotablePcrs);
  }
}

TEST(EventLogReplay, WhatIsProvenOfAGrubBoot) {
  const VerifiedBootLog log = Good(VerifyBoot(SecureBootWithGrub()));
  EXPECT_EQ(Parts(log, 0), "firmware'Firmware 1.2.3' firmware separators");
  EXPECT_EQ(Parts(log, 1), "bootVariables bootVariables separators");
  EXPECT_EQ(Parts(log, 2), "drivers separators");
  EXPECT_EQ(Parts(log, 4),
            "actions'Calling EFI Application from Boot Option' separators applications applications applications");
  EXPECT_EQ(Parts(log, 5),
            "separators partitions actions'Exit Boot Services Invocation' "
            "actions'Exit Boot Services Returned with Success'");
  EXPECT_EQ(Parts(log, 7),
            "secureBootKeys secureBootKeys secureBootKeys secureBootKeys secureBootKeys separators authorities "
            "authorities authorities");
  const std::string line(fakes::kGrubCommandLineText);
  EXPECT_EQ(Parts(log, 8), "loaderCommands'set timeout=0' loaderCommands'linux " + line + "' commandLine'" + line +
                               "' loaderCommands'initrd /initrd.img'");
  EXPECT_EQ(Parts(log, 9), "loaderFiles loaderFiles loaderFiles");
  EXPECT_EQ(Parts(log, 14), "mok mok mok");
}

TEST(EventLogReplay, WhatIsProvenOfAUkiBoot) {
  const VerifiedBootLog log = Good(VerifyBoot(SecureBootWithUki(), std::string(fakes::kKernelArguments) + "\n"));
  EXPECT_EQ(Parts(log, 9), "commandLine'" + std::string(fakes::kKernelArguments) + "' initrds");
  EXPECT_EQ(Parts(log, 11),
            "ukiSections'.linux' ukiSections ukiSections'.osrel' ukiSections ukiSections'.cmdline' ukiSections");
}

TEST(EventLogReplay, SignatureDatabasesAreReadEntryByEntry) {
  const VerifiedBootLog log = Good(VerifyBoot(SecureBootWithGrub()));
  std::map<std::string, std::size_t> entries;
  for (const BootEvent& event : log.events()) {
    if (event.part == BootPart::kSecureBootKeys) entries[event.variable->name] = event.variable->entries.size();
  }
  EXPECT_EQ(entries,
            (std::map<std::string, std::size_t>{{"SecureBoot", 0}, {"PK", 1}, {"KEK", 2}, {"db", 1}, {"dbx", 2}}));
  const BootEvent* authority = FindEvent(log, BootPart::kAuthorities);
  ASSERT_EQ(authority->variable->entries.size(), 1U);
  EXPECT_EQ(authority->variable->entries[0].kind, claims::SignatureEntry::Kind::kCertificate);
  EXPECT_EQ(authority->variable->entries[0].digest, crypto::Sha256Digest(fakes::CertificateLike("Vendor CA")));
}

// --- the command line, in each of the ways in which it is measured

TEST(CommandLine, OfTheEfiStubIsProvenByTheHintOnly) {
  const BootLog boot = SecureBootWithUki();
  for (const std::string hint : {"", "root=/dev/sda evil", "root=/dev/nvme0n1"}) {
    const VerifiedBootLog log = Good(VerifyBoot(boot, hint));
    EXPECT_EQ(Parts(log, 9), "commandLine initrds") << hint;
  }
}

TEST(CommandLine, OfSystemdStubIsUtf16InTheLog) {
  BootLog boot = SecureBootWithUki();
  boot.StubCommandLine("quiet r\xC3\xB6ot=1");
  EXPECT_EQ(Parts(Good(VerifyBoot(boot)), 12), "commandLine'quiet r\xC3\xB6ot=1'");
}

TEST(CommandLine, GrubsOlderPrefixesAndItsNul) {
  BootLog boot = SecureBootWithGrub();
  const auto add = [&boot](const std::string& measured, const std::string& data) {
    boot.Add(8, event_type::kIpl, AsBytes(measured), AsBytes(data));
  };
  using namespace std::string_literals;
  add("set a=1\0"s, "grub_cmd set a=1\0"s);
  add("(hd0)/vmlinuz ro"s, "grub_kernel_cmdline (hd0)/vmlinuz ro\0"s);
  add("/xen.mod x"s, "module_cmdline: /xen.mod x\0"s);
  const VerifiedBootLog log = Good(VerifyBoot(boot));
  EXPECT_TRUE(log.false_data().empty());
  EXPECT_NE(FindEvent(log, BootPart::kLoaderCommands, "set a=1"), nullptr);
  EXPECT_NE(FindEvent(log, BootPart::kCommandLine, "(hd0)/vmlinuz ro"), nullptr);
  EXPECT_NE(FindEvent(log, BootPart::kCommandLine, "/xen.mod x"), nullptr);
}

// --- PCR 11 at run time

TEST(Phases, KnownSequencesArePhases) {
  const BootLog boot = SecureBootWithUki();
  const std::vector<std::vector<std::string>> sequences = {
      {"enter-initrd"},
      {"enter-initrd", "leave-initrd", "sysinit", "ready"},
      {"sysinit", "ready"},
      {"enter-initrd", "leave-initrd", "sysinit", "ready", "shutdown", "final"}};
  for (const auto& sequence : sequences) {
    const auto quote = QuoteOf(boot, fakes::kQuotablePcrs, {}, [&](fakes::SoftwareTpm& tpm) {
      for (const std::string& phase : sequence) {
        for (const HashAlgorithm bank : boot.banks()) tpm.Extend(bank, 11, crypto::Hash(bank, AsBytes(phase)));
      }
    });
    const VerifiedBootLog log = Good(VerifyBoot(boot, quote));
    EXPECT_NE(log.proven_pcrs() & Bit(11), 0U);
    std::vector<std::string> found;
    for (const BootEvent& event : log.events()) {
      if (event.part == BootPart::kPhases) found.push_back(event.text);
    }
    EXPECT_EQ(found, sequence);
  }
}

TEST(Phases, OtherExtendsAndOrdersAreNot) {
  const BootLog boot = SecureBootWithUki();
  const std::vector<std::vector<std::string>> sequences = {
      {"ready", "enter-initrd"}, {"enter-initrd", "enter-initrd"}, {"enter-initrd\n"}, {"ready", "unknown"}};
  for (const auto& sequence : sequences) {
    const auto quote = QuoteOf(boot, fakes::kQuotablePcrs, {}, [&](fakes::SoftwareTpm& tpm) {
      for (const std::string& phase : sequence) {
        for (const HashAlgorithm bank : boot.banks()) tpm.Extend(bank, 11, crypto::Hash(bank, AsBytes(phase)));
      }
    });
    const VerifiedBootLog log = Good(VerifyBoot(boot, quote));
    EXPECT_EQ(log.proven_pcrs() & Bit(11), 0U);
    EXPECT_TRUE(log.mismatches().contains(11));
    EXPECT_EQ(FindEvent(log, BootPart::kUkiSections), nullptr);
  }
}

TEST(Phases, InOneBankOnlyAreNot) {
  const BootLog boot = SecureBootWithUki();
  const auto quote = QuoteOf(boot, fakes::kQuotablePcrs, {}, [](fakes::SoftwareTpm& tpm) {
    tpm.Extend(kSha256, 11, crypto::Hash(kSha256, AsBytes(std::string_view("ready"))));
  });
  EXPECT_TRUE(Good(VerifyBoot(boot, quote)).mismatches().contains(11));
}

// --- which PCRs are proven

TEST(ProvenPcrs, AnEventThatWasChangedUnprovesItsPcrOnly) {
  const BootLog boot = SecureBootWithGrub();
  const auto quote = QuoteOf(boot);
  for (std::size_t i = 0; i < boot.events().size(); ++i) {
    BootLog changed = boot;
    const unsigned pcr = boot.events()[i].pcr;
    changed.events()[i].digests.at(kSha384)[7] ^= 1;
    const VerifiedBootLog log = Good(VerifyBoot(changed, quote));
    EXPECT_EQ(log.proven_pcrs(), fakes::kQuotablePcrs & ~Bit(pcr)) << i;
    ASSERT_EQ(log.mismatches().size(), 1U);
    EXPECT_NE(log.mismatches().at(pcr).find("sha384: expected "), std::string::npos);
    for (const BootEvent& event : log.events()) EXPECT_NE(event.pcr, pcr);
  }
}

TEST(ProvenPcrs, ABankIsProvenWhereItWasQuoted) {
  const BootLog boot = SecureBootWithGrub({kSha1, kSha256});
  const VerifiedBootLog log = Good(VerifyBoot(boot, QuoteOf(boot, Bit(0) | Bit(4), {kSha256})));
  EXPECT_EQ(log.proven_pcrs(), Bit(0) | Bit(4));
  EXPECT_EQ(log.proven_pcrs(kSha256), Bit(0) | Bit(4));
  EXPECT_EQ(log.proven_pcrs(kSha1), 0U);
  EXPECT_EQ(log.banks(), std::vector<HashAlgorithm>{kSha256});
  for (const BootEvent& event : log.events()) {
    EXPECT_EQ(event.digests.size(), 1U);
    EXPECT_TRUE(event.digests.contains(kSha256));
  }
}

TEST(ProvenPcrs, WithoutEventsItsResetValueIsProven) {
  const BootLog boot = SecureBootWithGrub();
  const VerifiedBootLog log = Good(VerifyBoot(boot));
  for (const unsigned pcr : {3U, 6U, 12U, 13U, 17U, 22U}) EXPECT_NE(log.proven_pcrs() & Bit(pcr), 0U) << pcr;
  const auto quote =
      QuoteOf(boot, fakes::kQuotablePcrs, {}, [](fakes::SoftwareTpm& tpm) { tpm.SetPcr(kSha256, 17, Bytes(32, 0)); });
  EXPECT_TRUE(Good(VerifyBoot(boot, quote)).mismatches().contains(17));
}

TEST(ProvenPcrs, OfImaAndResettableOnesNothingIsConcluded) {
  BootLog boot = SecureBootWithGrub();
  boot.Add(10, event_type::kIpl, AsBytes(std::string_view("ima")));
  boot.Add(16, event_type::kIpl, AsBytes(std::string_view("debug")));
  const auto quote = QuoteOf(boot, fakes::kQuotablePcrs | Bit(10));
  const VerifiedBootLog log = Good(VerifyBoot(boot, quote));
  EXPECT_EQ(log.proven_pcrs(), fakes::kQuotablePcrs);
  for (const BootEvent& event : log.events()) EXPECT_TRUE(event.pcr != 10 && event.pcr != 16);
}

TEST(ProvenPcrs, NotOneIsAnError) {
  const BootLog boot = SecureBootWithGrub();
  BootLog other = boot;
  other.events().erase(other.events().begin() + static_cast<std::ptrdiff_t>(other.IndexOf(event_type::kSeparator, 4)));
  ExpectReason(VerifyBoot(other, QuoteOf(boot, Bit(4))), Reason::kEventLogMismatch);
}

TEST(ReplayOfALog, GivesEveryPcrAndCountsEvents) {
  const BootLog boot = SecureBootWithGrub();
  const Bytes bytes = boot.Write();
  const Replayed replayed = Replay(evidence::eventlog::ParseEventLog(bytes).value());
  EXPECT_EQ(replayed.problem, "");
  ASSERT_EQ(replayed.pcrs.size(), 2U);
  fakes::SoftwareTpm tpm;
  boot.ExtendInto(tpm);
  for (const HashAlgorithm bank : boot.banks()) {
    ASSERT_EQ(replayed.pcrs.at(bank).size(), 24U);
    for (unsigned pcr = 0; pcr < 24; ++pcr) EXPECT_EQ(replayed.pcrs.at(bank).at(pcr), tpm.Pcr(bank, pcr)) << pcr;
  }
  EXPECT_EQ(replayed.events.at(4), 5U);
  EXPECT_FALSE(replayed.events.contains(12));
}

// --- ADVERSARIAL.md

// Types are not measured: whatever they are swapped to, nothing is concluded that the digest does not bear out.
TEST(Adversarial_E1, ATypeThatWasSwappedProvesNothing) {
  const BootLog boot = SecureBootWithGrub();
  const auto quote = QuoteOf(boot);
  constexpr std::uint32_t kTypes[] = {event_type::kIpl,
                                      event_type::kSeparator,
                                      event_type::kEfiAction,
                                      event_type::kEventTag,
                                      event_type::kEfiVariableBoot,
                                      event_type::kEfiVariableDriverConfig,
                                      event_type::kCrtmVersion,
                                      event_type::kEfiVariableAuthority,
                                      event_type::kEfiBootServicesApplication,
                                      0x1234};
  const VerifiedBootLog good = Good(VerifyBoot(boot, quote));
  for (std::size_t i = 0; i < boot.events().size(); ++i) {
    for (const std::uint32_t type : kTypes) {
      BootLog swapped = boot;
      swapped.events()[i].type = type;
      const VerifiedBootLog log = Good(VerifyBoot(swapped, quote));
      const BootEvent& before = good.events()[i];
      const BootEvent& after = log.events()[i];
      const bool same_text = after.text == before.text || after.text.empty();
      // A command is text that was measured: to call it an action takes nothing away.
      EXPECT_TRUE(same_text || after.part == BootPart::kActions) << i << " " << type << ": " << after.text;
      if (before.part == BootPart::kSeparators || after.part == BootPart::kSeparators) {
        EXPECT_EQ(after.part, before.part) << i << " " << type;
      }
      if (after.part == BootPart::kActions) {
        EXPECT_EQ(before.part, after.part) << i << " " << type;
      }
      if (after.part == BootPart::kAuthorities) {
        EXPECT_EQ(before.part, after.part) << i << " " << type;
      }
      if (after.variable) {
        EXPECT_EQ(after.variable->name, before.variable->name) << i << " " << type;
      }
    }
  }
}

// Without its prefix it is text that hashes as an action's does.
TEST(Adversarial_E1, ACommandLineCalledAnActionIsACommandLine) {
  const BootLog boot = SecureBootWithGrub();
  const auto quote = QuoteOf(boot);
  for (const std::uint32_t type : {event_type::kEfiAction, event_type::kAction, event_type::kSeparator,
                                   event_type::kCrtmVersion, event_type::kNonhostInfo}) {
    BootLog relabelled = boot;
    LoggedEvent& event = relabelled.Find(event_type::kIpl, 8, 2);
    event.type = type;
    event.data = ToBytes(fakes::kGrubCommandLineText);
    const VerifiedBootLog log = Good(VerifyBoot(relabelled, quote));
    EXPECT_NE(FindEvent(log, BootPart::kCommandLine, fakes::kGrubCommandLineText), nullptr) << type;
  }
}

TEST(Adversarial_E1, AnEventThatTheSystemAppendedIsNotOfTheFirmware) {
  BootLog boot = SecureBootWithGrub();
  boot.Find(event_type::kEfiVariableDriverConfig, 7) =
      LoggedEvent{7, event_type::kEfiVariableDriverConfig,
                  boot.Digests(fakes::VariableData(fakes::kGlobalGuid, "SecureBoot", Bytes{0})),
                  fakes::VariableData(fakes::kGlobalGuid, "SecureBoot", Bytes{0})};
  boot.Variable(7, event_type::kEfiVariableAuthority, fakes::kGlobalGuid, "SecureBoot", Bytes{1});
  const VerifiedBootLog log = Good(VerifyBoot(boot));
  EXPECT_EQ(log.events().back().part, BootPart::kSecureBootKeys);  // whatever its type says: appraisal refuses it there
}

TEST(Adversarial_E1, ACommandLineCalledACommandIsACommandLine) {
  const BootLog boot = SecureBootWithGrub();
  const auto quote = QuoteOf(boot);
  BootLog relabelled = boot;
  LoggedEvent& event = relabelled.Find(event_type::kIpl, 8, 2);
  event.data = ToBytes("grub_cmd: " + std::string(fakes::kGrubCommandLineText));
  const VerifiedBootLog log = Good(VerifyBoot(relabelled, quote));
  EXPECT_NE(FindEvent(log, BootPart::kCommandLine, fakes::kGrubCommandLineText), nullptr);
}

// Data that must hash to its digest.
TEST(Adversarial_E4, DataThatIsNotWhatWasMeasured) {
  const BootLog boot = SecureBootWithGrub();
  const auto quote = QuoteOf(boot);
  const std::pair<std::uint32_t, unsigned> events[] = {{event_type::kEfiVariableDriverConfig, 7},
                                                       {event_type::kEfiVariableAuthority, 7},
                                                       {event_type::kEfiVariableBoot, 1},
                                                       {event_type::kSeparator, 4},
                                                       {event_type::kEfiAction, 4},
                                                       {event_type::kCrtmVersion, 0}};
  for (const auto& [type, pcr] : events) {
    BootLog changed = boot;
    changed.Find(type, pcr).data.back() ^= 1;
    const VerifiedBootLog log = Good(VerifyBoot(changed, quote));
    ASSERT_EQ(log.false_data().size(), 1U) << type;
    EXPECT_EQ(log.false_data()[0].first, boot.IndexOf(type, pcr) + 1);
    const BootEvent& event = log.events()[boot.IndexOf(type, pcr)];
    EXPECT_FALSE(event.variable.has_value());
    if (type != event_type::kEfiAction) {
      EXPECT_EQ(event.text, "");
    }
  }
  BootLog grub = boot;
  grub.Find(event_type::kIpl, 8).data[12] ^= 1;
  const VerifiedBootLog log = Good(VerifyBoot(grub, quote));
  ASSERT_EQ(log.false_data().size(), 1U);
  EXPECT_EQ(log.false_data()[0].first, boot.IndexOf(event_type::kIpl, 8) + 1);
}

TEST(Adversarial_E4, DataThatNeedNotBeWhatWasMeasured) {
  const BootLog boot = SecureBootWithGrub();
  const auto quote = QuoteOf(boot);
  const std::pair<std::uint32_t, unsigned> events[] = {{event_type::kEfiBootServicesApplication, 4},
                                                       {event_type::kEfiGptEvent, 5},
                                                       {event_type::kIpl, 9},
                                                       {event_type::kIpl, 14},
                                                       {event_type::kEfiPlatformFirmwareBlob, 0},
                                                       {event_type::kEfiBootServicesDriver, 2}};
  for (const auto& [type, pcr] : events) {
    BootLog changed = boot;
    changed.Find(type, pcr).data.front() ^= 1;
    const VerifiedBootLog log = Good(VerifyBoot(changed, quote));
    EXPECT_TRUE(log.false_data().empty()) << type;
    EXPECT_EQ(log.events()[boot.IndexOf(type, pcr)].text, "");
  }
}

TEST(Adversarial_E4, DataThatHashesInOneBankOnly) {
  BootLog boot = SecureBootWithGrub();
  LoggedEvent& version = boot.Find(event_type::kCrtmVersion, 0);
  version.digests.at(kSha384) = crypto::Hash(kSha384, AsBytes(std::string_view("another version")));
  const VerifiedBootLog log = Good(VerifyBoot(boot));  // measured so, and replays
  EXPECT_EQ(log.events()[0].text, "");
  EXPECT_EQ(log.false_data().size(), 1U);
}

TEST(Adversarial_E5, EventsOfAPcrRemovedThoughItIsNotReset) {
  const BootLog boot = SecureBootWithGrub();
  const auto quote = QuoteOf(boot);
  for (const unsigned pcr : {0U, 4U, 7U, 8U, 14U}) {
    BootLog removed = boot;
    std::erase_if(removed.events(), [pcr](const LoggedEvent& event) { return event.pcr == pcr; });
    const VerifiedBootLog log = Good(VerifyBoot(removed, quote));
    EXPECT_EQ(log.proven_pcrs(), fakes::kQuotablePcrs & ~Bit(pcr));
    EXPECT_TRUE(log.mismatches().contains(pcr));
  }
}

TEST(Adversarial_E6, AnErrorSeparatorIsKnownByItsDigestInEachBank) {
  struct Case {
    HashAlgorithm bank;
    std::uint32_t value;
  };
  for (const auto& [bank, value] : {Case{kSha1, 1}, Case{kSha256, 1}, Case{kSha384, 1}, Case{kSha1, 0xFFFFFFFF},
                                    Case{kSha256, 0xFFFFFFFF}, Case{kSha384, 0xFFFFFFFF}}) {
    BootLog boot = SecureBootWithGrub({bank});
    const LoggedEvent error = BootLog({bank}).Separator(4, value).events()[0];
    boot.Find(event_type::kSeparator, 4) = error;
    const auto quote = QuoteOf(boot);
    BootLog lying = boot;
    lying.Find(event_type::kSeparator, 4).data = Bytes(4, 0);
    BootLog relabelled = boot;
    relabelled.Find(event_type::kSeparator, 4).type = event_type::kEfiBootServicesApplication;
    for (const BootLog* reported : {&boot, &lying, &relabelled}) {
      const VerifiedBootLog log = Good(VerifyBoot(*reported, quote));
      const BootEvent& event = log.events()[boot.IndexOf(event_type::kSeparator, 4)];
      EXPECT_EQ(event.part, BootPart::kSeparators);
      EXPECT_TRUE(event.error_separator);
      EXPECT_EQ(log.false_data().size(), reported == &lying ? 1U : 0U);
    }
  }
}

TEST(Adversarial_E6, ASeparatorWithoutAnErrorIsZeros) {
  const BootLog boot = SecureBootWithGrub();
  const VerifiedBootLog log = Good(VerifyBoot(boot));
  const BootEvent& event = log.events()[boot.IndexOf(event_type::kSeparator, 4)];
  EXPECT_EQ(event.part, BootPart::kSeparators);
  EXPECT_FALSE(event.error_separator);
  BootLog other = SecureBootWithGrub();
  other.Find(event_type::kSeparator, 4) = BootLog().Separator(4, 2).events()[0];
  EXPECT_EQ(Parts(Good(VerifyBoot(other)), 4).find("separators"), std::string::npos);
}

BootLog WithLocality(std::uint8_t locality) {
  BootLog boot;
  boot.StartupLocality(locality);
  const BootLog rest = SecureBootWithGrub();
  boot.events().insert(boot.events().end(), rest.events().begin(), rest.events().end());
  return boot;
}

TEST(Adversarial_E7, StartupLocalitySetsTheFirstValueOfPcr0) {
  for (const std::uint8_t locality : {std::uint8_t{0}, std::uint8_t{3}, std::uint8_t{4}}) {
    const BootLog boot = WithLocality(locality);
    const auto quote = QuoteOf(boot);
    EXPECT_EQ(Good(VerifyBoot(boot, quote)).proven_pcrs(), fakes::kQuotablePcrs);
    for (const std::uint8_t forged : {std::uint8_t{0}, std::uint8_t{3}, std::uint8_t{4}}) {
      if (forged == locality) continue;
      const VerifiedBootLog log = Good(VerifyBoot(WithLocality(forged), quote));
      EXPECT_EQ(log.proven_pcrs(), fakes::kQuotablePcrs & ~Bit(0));
    }
    if (locality != 0) {
      EXPECT_TRUE(Good(VerifyBoot(SecureBootWithGrub(), quote)).mismatches().contains(0));
    }
  }
}

TEST(Adversarial_E7, ForgedAndMisplacedLocalitiesAreMalformed) {
  const BootLog boot = WithLocality(3);
  const auto quote = QuoteOf(boot);
  const LoggedEvent locality = boot.events()[0];
  BootLog repeated = boot;
  repeated.events().insert(repeated.events().begin(), locality);
  BootLog late = boot;
  late.events().erase(late.events().begin());
  late.events().push_back(locality);
  BootLog value = boot;
  value.events()[0].data.back() = 2;
  BootLog longer = boot;
  longer.events()[0].data.push_back(0);
  BootLog shorter = boot;
  shorter.events()[0].data.pop_back();
  BootLog elsewhere = boot;
  elsewhere.events()[0].pcr = 1;
  for (const BootLog* forged : {&repeated, &late, &value, &longer, &shorter, &elsewhere}) {
    ExpectReason(VerifyBoot(*forged, quote), Reason::kEventLogMalformed);
    const Bytes bytes = forged->Write();
    if (auto log = evidence::eventlog::ParseEventLog(bytes); log.ok()) {
      EXPECT_NE(Replay(*log).problem, "");
    }
  }
}

TEST(Adversarial_E8, AnHcrtmStartsPcr0AtLocality4) {
  BootLog boot;
  boot.Add(0, event_type::kEfiHcrtmEvent, AsBytes(std::string_view("the H-CRTM")), AsBytes(std::string_view("HCRTM")));
  const BootLog rest = SecureBootWithGrub();
  boot.events().insert(boot.events().end(), rest.events().begin(), rest.events().end());
  BootLog with_locality = boot;
  with_locality.events().insert(with_locality.events().begin(), WithLocality(4).events()[0]);
  const auto quote = QuoteOf(with_locality);
  EXPECT_NE(Good(VerifyBoot(with_locality, quote)).proven_pcrs() & Bit(0), 0U);
  const VerifiedBootLog log = Good(VerifyBoot(boot, quote));  // it stands for the locality
  EXPECT_NE(log.proven_pcrs() & Bit(0), 0U);
  EXPECT_EQ(log.events()[0].part, BootPart::kFirmware);
  // Called something else, it does not; nor does one that TPM2_Startup did not follow.
  BootLog relabelled = boot;
  relabelled.events()[0].type = event_type::kPostCode;
  EXPECT_TRUE(Good(VerifyBoot(relabelled, quote)).mismatches().contains(0));
  EXPECT_TRUE(Good(VerifyBoot(boot, QuoteOf(boot))).mismatches().contains(0));
}

TEST(Adversarial_E9, ASha1LogWithASha256Quote) {
  BootLog boot({kSha1}, false);
  boot.events() = SecureBootWithGrub({kSha1}).events();
  ExpectReason(VerifyBoot(boot, QuoteOf(SecureBootWithGrub({kSha256}))), Reason::kEventLogMismatch);
}

TEST(Adversarial_E11, VariablesWithLengthsBeyondTheirEvent) {
  for (const std::size_t offset : {16U, 24U}) {  // of the name's length, and of the value's
    for (const std::uint8_t length : {std::uint8_t{0x0B}, std::uint8_t{0xFF}}) {
      BootLog boot = SecureBootWithGrub();
      LoggedEvent& event = boot.Find(event_type::kEfiVariableDriverConfig, 7);
      event.data[offset] = length;
      if (length == 0xFF) std::fill_n(event.data.begin() + static_cast<std::ptrdiff_t>(offset), 8, length);
      event.digests = boot.Digests(event.data);
      const VerifiedBootLog log = Good(VerifyBoot(boot));
      EXPECT_EQ(log.false_data().size(), 1U);
      EXPECT_FALSE(log.events()[boot.IndexOf(event_type::kEfiVariableDriverConfig, 7)].variable.has_value());
    }
  }
}

TEST(Adversarial_E11, AnEmptySecureBootVariableIsRead) {
  BootLog boot = SecureBootWithGrub();
  LoggedEvent& event = boot.Find(event_type::kEfiVariableDriverConfig, 7);
  event.data = fakes::VariableData(fakes::kGlobalGuid, "SecureBoot", {});
  event.digests = boot.Digests(event.data);
  const VerifiedBootLog log = Good(VerifyBoot(boot));
  EXPECT_TRUE(log.false_data().empty());
  const BootEvent* variable = FindEvent(log, BootPart::kSecureBootKeys);
  EXPECT_EQ(variable->variable->name, "SecureBoot");
  EXPECT_TRUE(variable->variable->data.empty());
}

// shim before 15.5: more bytes than the variable has, the last of them not measured.
TEST(Adversarial_E11, AnAuthorityOfAnOldShimWithBytesTooMany) {
  const Bytes certificate = fakes::CertificateLike("Distribution CA");
  const Bytes variable = fakes::VariableData(fakes::kShimGuid, "Shim", certificate);
  for (const std::size_t surplus : {1U, 6U, 9U}) {
    BootLog boot = SecureBootWithGrub();
    Bytes data = variable;
    data.resize(data.size() + surplus, 0xAF);
    boot.Add(7, event_type::kEfiVariableAuthority, BytesView(data).first(data.size() - 1), data);
    const VerifiedBootLog log = Good(VerifyBoot(boot));
    if (surplus > 8) {
      EXPECT_EQ(log.false_data().size(), 1U);
      continue;
    }
    EXPECT_TRUE(log.false_data().empty());
    const BootEvent& event = log.events().back();
    EXPECT_EQ(event.part, BootPart::kAuthorities);
    ASSERT_EQ(event.variable->entries.size(), 1U);
    EXPECT_EQ(event.variable->entries[0].digest, crypto::Sha256Digest(certificate));
  }
}

TEST(SecureBootVariables, AMalformedDatabaseIsSaidToBe) {
  BootLog boot = SecureBootWithGrub();
  LoggedEvent& event = boot.Find(event_type::kEfiVariableDriverConfig, 7, 3);
  Bytes lists = fakes::CertificateList({fakes::CertificateLike("Vendor CA")});
  lists.pop_back();
  event.data = fakes::VariableData(fakes::kSecurityGuid, "db", lists);
  event.digests = boot.Digests(event.data);
  const VerifiedBootLog log = Good(VerifyBoot(boot));
  const BootEvent& db = log.events()[boot.IndexOf(event_type::kEfiVariableDriverConfig, 7, 3)];
  EXPECT_EQ(db.part, BootPart::kSecureBootKeys);
  EXPECT_TRUE(db.variable->malformed);
  EXPECT_TRUE(db.variable->entries.empty());
}

TEST(BootVariables, WholeOrValueAlone) {
  BootLog boot = SecureBootWithGrub();
  const Bytes order = {1, 0, 0, 0};
  boot.Variable(1, event_type::kEfiVariableBoot2, fakes::kGlobalGuid, "BootOrder", order);
  boot.Variable(1, event_type::kEfiVariableBoot, fakes::kGlobalGuid, "Boot0001", fakes::LoadOption("Other"));
  // The shape of no boot option: only its digest is proven.
  boot.BootVariable("BootOrder", AsBytes(std::string_view("something else that was measured")));
  const VerifiedBootLog log = Good(VerifyBoot(boot));
  EXPECT_TRUE(log.false_data().empty());
  EXPECT_EQ(Parts(log, 1), "bootVariables bootVariables separators bootVariables bootVariables platformConfig");
  const std::size_t size = log.events().size();
  EXPECT_EQ(log.events()[size - 3].variable->name, "BootOrder");
  EXPECT_FALSE(log.events()[1].variable.has_value());
}

}  // namespace
}  // namespace gatehouse::verify::replay
