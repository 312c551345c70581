// A boot that meets its policy, then one thing broken: in the boot, or in the policy.
#include "common/appraisal/boot.h"

#include <gtest/gtest.h>

#include <functional>

#include "common/appraisal/ended_sets.h"
#include "tests/common/appraisal/boot_policies.h"

namespace gatehouse::appraisal {
namespace {

using claims::BootPart;
using fakes::BootLog;
using fakes::LoggedEvent;
using fakes::SecureBootWithGrub;
using fakes::SecureBootWithUki;
using Strings = std::vector<std::string>;
namespace event_type = fakes::event_type;

constexpr std::size_t kNobody = 1000;

TEST(Boot, WhatThePolicyListsIsAccepted) {
  EXPECT_EQ(Judge(GrubPolicy(), Verified(SecureBootWithGrub())), Strings{});
  EXPECT_EQ(Judge(UkiPolicy(), Verified(SecureBootWithUki())), Strings{});
}

LoggedEvent Image(unsigned pcr, std::uint32_t type, std::string_view image) {
  return BootLog().Image(pcr, type, image, "\\x.efi").events()[0];
}
LoggedEvent Variable(std::uint32_t type, std::string_view guid, std::string_view name, const Bytes& value) {
  return BootLog().Variable(7, type, guid, name, value).events()[0];
}
LoggedEvent Config(std::string_view guid, std::string_view name, const Bytes& value) {
  return Variable(event_type::kEfiVariableDriverConfig, guid, name, value);
}
LoggedEvent Opaque(unsigned pcr, std::string_view measured) {
  return BootLog().Add(pcr, event_type::kIpl, AsBytes(measured), AsBytes(std::string_view("\x01"))).events()[0];
}
LoggedEvent Separator(unsigned pcr, std::uint32_t value = 0) {
  return BootLog().Separator(pcr, value).events()[0];
}
LoggedEvent Action(unsigned pcr, std::string_view text) {
  return BootLog().Action(pcr, text).events()[0];
}

// One thing that was measured otherwise, and what is found of it.
struct Broken {
  std::string name;
  std::function<void(BootLog&)> how;
  Strings expected;
};

void ExpectFindings(const BootLog& good, const BootPolicy& policy, const std::vector<Broken>& cases) {
  for (const Broken& broken : cases) {
    SCOPED_TRACE(broken.name);
    BootLog boot = good;
    broken.how(boot);
    EXPECT_EQ(Judge(policy, Verified(boot)), broken.expected);
  }
}

TEST(BootGolden, ComponentsOfAGrubBoot) {
  const BootLog good = SecureBootWithGrub();
  const std::size_t end = good.events().size();
  const auto replace = [](std::size_t index, LoggedEvent with) {
    return [index, with](BootLog& boot) { boot.events()[index] = with; };
  };
  const auto append = [](LoggedEvent event) { return [event](BootLog& boot) { boot.events().push_back(event); }; };
  const std::size_t firmware = good.IndexOf(event_type::kEfiPlatformFirmwareBlob, 0);
  const std::size_t version = good.IndexOf(event_type::kCrtmVersion, 0);
  const std::size_t driver = good.IndexOf(event_type::kEfiBootServicesDriver, 2);
  const std::size_t shim = good.IndexOf(event_type::kEfiBootServicesApplication, 4);
  const std::size_t file = good.IndexOf(event_type::kIpl, 9);
  const std::size_t command = good.IndexOf(event_type::kIpl, 8);
  const std::size_t line = good.IndexOf(event_type::kIpl, 8, 2);
  const std::size_t mok = good.IndexOf(event_type::kIpl, 14);
  const std::size_t gpt = good.IndexOf(event_type::kEfiGptEvent, 5);
  const Reason unlisted = Reason::kBootComponentUnlisted;
  const Reason unexpected = Reason::kBootEventUnexpected;
  ExpectFindings(
      good, GrubPolicy(),
      {{"firmware code", replace(firmware, Opaque(0, "other volume")), {At(Reason::kFirmwareUnlisted, firmware, 0)}},
       {"firmware version",
        replace(version, BootLog().Add(0, event_type::kCrtmVersion, AsBytes(std::string_view("2.0"))).events()[0]),
        {At(Reason::kFirmwareUnlisted, version, 0)}},
       {"option ROM",
        replace(driver, Image(2, event_type::kEfiBootServicesDriver, "rogue")),
        {At(unlisted, driver, 2)}},
       {"boot loader",
        replace(shim, Image(4, event_type::kEfiBootServicesApplication, "evil")),
        {At(unlisted, shim, 4)}},
       {"another application",
        append(Image(4, event_type::kEfiBootServicesApplication, "evil")),
        {At(unlisted, end, 4)}},
       {"a file of the loader", replace(file, Opaque(9, "other configuration")), {At(unlisted, file, 9)}},
       {"a command of the loader",
        replace(command, BootLog().GrubCommand("insmod evil").events()[0]),
        {At(unexpected, command, 8)}},
       {"the command line",
        replace(line, BootLog().GrubCommandLine("/vmlinuz init=/bin/sh").events()[0]),
        {At(Reason::kCommandLineRefused, line, 8)}},
       {"MOK", replace(mok, Opaque(14, "enrolled by hand")), {At(unlisted, mok, 14)}},
       {"partitions", replace(gpt, Opaque(5, "another disk")), {At(unexpected, gpt, 5)}},
       {"platform configuration", append(Opaque(1, "a table")), {At(unexpected, end, 1)}},
       {"an action", append(Action(5, "DMA Protection Disabled")), {At(unexpected, end, 5)}},
       {"a phase of debugging", append(Action(1, "UEFI Debug Mode")), {At(Reason::kDebugModeOn, end, 1)}}});
}

TEST(BootGolden, ComponentsOfAUkiBoot) {
  const BootLog good = SecureBootWithUki();
  const std::size_t end = good.events().size();
  const std::size_t initrd = good.IndexOf(event_type::kEventTag, 9, 1);
  const std::size_t options = good.IndexOf(event_type::kEventTag, 9);
  ExpectFindings(good, UkiPolicy(),
                 {{"initrd",
                   [&](BootLog& boot) { boot.events()[initrd] = BootLog().Initrd("other").events()[0]; },
                   {At(Reason::kBootComponentUnlisted, initrd, 9)}},
                  {"load options",
                   [&](BootLog& boot) { boot.events()[options] = BootLog().LoadOptions("evil").events()[0]; },
                   {At(Reason::kCommandLineRefused, options, 9)}},
                  {"a command line for the stub",
                   [](BootLog& boot) { boot.StubCommandLine("evil"); },
                   {At(Reason::kCommandLineRefused, end, 12)}},
                  {"a credential",
                   [](BootLog& boot) { boot.events().push_back(Opaque(12, "a credential")); },
                   {At(Reason::kBootEventUnexpected, end, 12)}},
                  {"a system extension",
                   [](BootLog& boot) { boot.events().push_back(Opaque(13, "an extension")); },
                   {At(Reason::kBootEventUnexpected, end, 13)}}});
}

TEST(BootGolden, SectionsAreAcceptedWithTheFileThatHoldsThemOnly) {
  BootPolicy policy = UkiPolicy();
  policy.signers = {CertificateDigest("Vendor CA")};
  policy.accepted.erase(BootPart::kApplications);
  const BootLog boot = SecureBootWithUki();
  const std::size_t first = boot.IndexOf(event_type::kIpl, 11);
  const auto log = Verified(boot);
  // The contents; the names of sections say nothing.
  EXPECT_EQ(Judge(policy, log), (Strings{At(Reason::kBootComponentUnlisted, first + 1, 11),
                                         At(Reason::kBootComponentUnlisted, first + 3, 11),
                                         At(Reason::kBootComponentUnlisted, first + 5, 11)}));
  policy.accepted[BootPart::kUkiSections] = Digests({"kernel image", "ID=test", fakes::kKernelArguments});
  EXPECT_EQ(Judge(policy, log), Strings{});
  policy.accepted[BootPart::kUkiSections] = Digests({"kernel image", "ID=test"});
  EXPECT_EQ(Judge(policy, log), (Strings{At(Reason::kBootComponentUnlisted, first + 5, 11)}));
}

TEST(BootGolden, SecureBoot) {
  const BootLog good = SecureBootWithGrub();
  const std::size_t on = good.IndexOf(event_type::kEfiVariableDriverConfig, 7);
  const std::size_t pk = on + 1, kek = on + 2, db = on + 3, separator = on + 5;
  const std::size_t end = good.events().size();
  const auto set = [](std::size_t index, std::string_view guid, std::string_view name, const Bytes& value) {
    return [=](BootLog& boot) { boot.events()[index] = Config(guid, name, value); };
  };
  const auto insert = [](std::size_t index, const LoggedEvent& event) {
    return
        [=](BootLog& boot) { boot.events().insert(boot.events().begin() + static_cast<std::ptrdiff_t>(index), event); };
  };
  const auto erase = [](std::size_t index) {
    return [=](BootLog& boot) { boot.events().erase(boot.events().begin() + static_cast<std::ptrdiff_t>(index)); };
  };
  const Bytes pk_list = fakes::CertificateList({fakes::CertificateLike("Platform")});
  const Reason off = Reason::kSecureBootOff;
  const Reason keys = Reason::kSecureBootKeysMismatch;
  const Reason unexpected = Reason::kBootEventUnexpected;
  const std::string keys_nowhere = std::string(Token(keys)) + ": pcr 7";
  ExpectFindings(
      good, GrubPolicy(),
      {{"00", set(on, fakes::kGlobalGuid, "SecureBoot", {0}), {At(off, on, 7)}},
       {"empty", set(on, fakes::kGlobalGuid, "SecureBoot", {}), {At(off, on, 7)}},
       {"02", set(on, fakes::kGlobalGuid, "SecureBoot", {2}), {At(off, on, 7)}},
       {"two bytes", set(on, fakes::kGlobalGuid, "SecureBoot", {1, 0}), {At(off, on, 7)}},
       {"not measured", erase(on), {std::string(Token(off)) + ": pcr 7"}},
       {"of another GUID",
        set(on, fakes::kSecurityGuid, "SecureBoot", {1}),
        {std::string(Token(off)) + ": pcr 7", At(unexpected, on, 7)}},
       {"twice", insert(on, Config(fakes::kGlobalGuid, "SecureBoot", {1})), {At(off, on + 1, 7)}},
       {"shim does not verify",
        [&](BootLog& boot) {
          boot.events().push_back(Variable(event_type::kEfiVariableAuthority, fakes::kShimGuid, "MokSBState", {1}));
        },
        {At(off, end, 7)}},
       {"PK is empty", set(pk, fakes::kGlobalGuid, "PK", {}), {At(keys, pk, 7)}},
       {"PK is not measured", erase(pk), {keys_nowhere}},
       {"PK is measured twice", insert(pk, Config(fakes::kGlobalGuid, "PK", pk_list)), {At(keys, pk + 1, 7)}},
       {"KEK is malformed", set(kek, fakes::kGlobalGuid, "KEK", Bytes(30, 1)), {At(keys, kek, 7)}},
       {"db is empty", set(db, fakes::kSecurityGuid, "db", {}), {At(keys, db, 7)}},
       {"db of another GUID", set(db, fakes::kGlobalGuid, "db", pk_list), {keys_nowhere, At(unexpected, db, 7)}},
       {"a variable that nobody knows",
        insert(separator, Config(fakes::kGlobalGuid, "Odd", {1})),
        {At(unexpected, separator, 7)}},
       {"audit mode",
        insert(separator, Config(fakes::kGlobalGuid, "AuditMode", {1})),
        {At(Reason::kDebugModeOn, separator, 7)}},
       {"debug mode", insert(separator, Action(7, "UEFI Debug Mode")), {At(Reason::kDebugModeOn, separator, 7)}},
       {"DMA protection", insert(separator, Action(7, "DMA Protection Disabled")), {At(unexpected, separator, 7)}},
       {"user mode", insert(separator, Config(fakes::kGlobalGuid, "DeployedMode", {0})), {}}});
}

TEST(BootGolden, SecureBootKeys) {
  const auto log = Verified(SecureBootWithGrub());
  const BootLog boot = SecureBootWithGrub();
  const std::size_t on = boot.IndexOf(event_type::kEfiVariableDriverConfig, 7);
  const auto hash = [](std::string_view text) { return crypto::Sha256Digest(AsBytes(text)); };
  struct Case {
    std::string name;
    std::string variable;
    KeyRule rule;
    std::size_t where = kNobody;
  };
  const std::vector<Case> cases = {
      {"PK as listed", "PK", {{CertificateDigest("Platform")}, true, {}}},
      {"PK of another", "PK", {{CertificateDigest("Other")}, true, {}}, on + 1},
      {"PK empty list", "PK", {{}, true, {}}, on + 1},
      {"KEK all listed", "KEK", {{CertificateDigest("Exchange 1"), CertificateDigest("Exchange 2")}, true, {}}},
      {"KEK one too many", "KEK", {{CertificateDigest("Exchange 1")}, true, {}}, on + 2},
      {"db and more is listed", "db", {{CertificateDigest("Vendor CA"), CertificateDigest("Other")}, true, {}}},
      {"db not listed", "db", {{CertificateDigest("Other")}, true, {}}, on + 3},
      {"db must have", "db", {{CertificateDigest("Other")}, false, {}}, on + 3},
      {"dbx has", "dbx", {{hash("bad 1")}, false, {}}},
      {"dbx lacks", "dbx", {{hash("bad 1"), hash("bad 3")}, false, {}}, on + 4},
      {"dbx level", "dbx", {{}, false, 2}},
      {"dbx of an older level", "dbx", {{}, false, 3}, on + 4},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    BootPolicy policy = GrubPolicy();
    policy.keys[test.variable] = test.rule;
    const Strings expected =
        test.where == kNobody ? Strings{} : Strings{At(Reason::kSecureBootKeysMismatch, test.where, 7)};
    EXPECT_EQ(Judge(policy, log), expected);
    policy.secure_boot = false;  // the keys ask for it by themselves
    EXPECT_EQ(Judge(policy, log), expected);
  }
}

TEST(BootGolden, ADbxThatIsNotMeasuredMeetsNoRule) {
  BootLog boot = SecureBootWithGrub();
  boot.events().erase(boot.events().begin() +
                      static_cast<std::ptrdiff_t>(boot.IndexOf(event_type::kEfiVariableDriverConfig, 7, 4)));
  BootPolicy policy = GrubPolicy();
  EXPECT_EQ(Judge(policy, Verified(boot)), Strings{});
  policy.keys["dbx"] = {{}, false, 1};
  EXPECT_EQ(Judge(policy, Verified(boot)), Strings{std::string(Token(Reason::kSecureBootKeysMismatch)) + ": pcr 7"});
}

TEST(BootGolden, RepeatedEntriesOfADbxCountOnce) {
  BootLog boot = SecureBootWithGrub();
  const Bytes same = Sha256("bad 1");
  const std::size_t dbx = boot.IndexOf(event_type::kEfiVariableDriverConfig, 7, 4);
  boot.events()[dbx] = Config(fakes::kSecurityGuid, "dbx", fakes::HashList({same, same, same}));
  BootPolicy policy = GrubPolicy();
  policy.keys["dbx"] = {{}, false, 2};
  EXPECT_EQ(Judge(policy, Verified(boot)), Strings{At(Reason::kSecureBootKeysMismatch, dbx, 7)});
}

BootPolicy SignerPolicy() {
  BootPolicy policy = GrubPolicy();
  policy.accepted.erase(BootPart::kApplications);
  policy.accepted.erase(BootPart::kDrivers);
  policy.signers = {CertificateDigest("Vendor CA"), CertificateDigest("Distribution CA")};
  return policy;
}

Strings ImagesUnlisted(const BootLog& boot) {
  Strings expected = {At(Reason::kBootComponentUnlisted, boot.IndexOf(event_type::kEfiBootServicesDriver, 2), 2)};
  for (const std::size_t nth : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
    expected.push_back(
        At(Reason::kBootComponentUnlisted, boot.IndexOf(event_type::kEfiBootServicesApplication, 4, nth), 4));
  }
  return expected;
}

TEST(BootGolden, SignersAcceptImages) {
  const BootLog boot = SecureBootWithGrub();
  EXPECT_EQ(Judge(SignerPolicy(), Verified(boot)), Strings{});

  // One authority that is not listed: nothing is accepted by signers any more.
  BootPolicy fewer = SignerPolicy();
  fewer.signers.pop_back();
  Strings expected = ImagesUnlisted(boot);
  const std::size_t authority = boot.IndexOf(event_type::kEfiVariableAuthority, 7, 2);
  expected.insert(expected.begin() + 2, At(Reason::kBootComponentUnlisted, authority, 7));
  EXPECT_EQ(Judge(fewer, Verified(boot)), expected);

  // Off: its own finding, and nothing is accepted by signers.
  BootLog off = boot;
  const std::size_t variable = boot.IndexOf(event_type::kEfiVariableDriverConfig, 7);
  off.events()[variable] = Config(fakes::kGlobalGuid, "SecureBoot", {0});
  expected = ImagesUnlisted(boot);
  expected.insert(expected.begin(), At(Reason::kSecureBootOff, variable, 7));
  EXPECT_EQ(Judge(SignerPolicy(), Verified(off)), expected);

  // No authority at all: nobody let anything in.
  BootLog none = boot;
  std::erase_if(none.events(),
                [](const LoggedEvent& event) { return event.type == event_type::kEfiVariableAuthority; });
  EXPECT_EQ(Judge(SignerPolicy(), Verified(none)), ImagesUnlisted(none));
}

TEST(BootGolden, AnAuthorityThatIsNoCertificateIsNoSigner) {
  const std::size_t index = SecureBootWithGrub().IndexOf(event_type::kEfiVariableAuthority, 7, 2);
  const Bytes values[] = {fakes::SignatureData(Sha256("an image that db lists by hash")), Bytes(5, 1), {}};
  for (const Bytes& value : values) {
    BootLog boot = SecureBootWithGrub();
    boot.events()[index] = Variable(event_type::kEfiVariableAuthority, fakes::kSecurityGuid, "MokListRT", value);
    BootPolicy policy = SignerPolicy();
    policy.accepted = GrubPolicy().accepted;
    policy.signers.push_back(crypto::Sha256Digest(AsBytes(std::string_view("an image that db lists by hash"))));
    EXPECT_EQ(Judge(policy, Verified(boot)), Strings{At(Reason::kBootComponentUnlisted, index, 7)});
  }
}

TEST(BootGolden, AuthoritiesByRule) {
  BootPolicy policy = GrubPolicy();
  const BootLog boot = SecureBootWithGrub();
  const std::size_t vendor = boot.IndexOf(event_type::kEfiVariableAuthority, 7);
  const std::size_t distribution = boot.IndexOf(event_type::kEfiVariableAuthority, 7, 2);
  policy.accepted[BootPart::kAuthorities].digests = {boot.events()[vendor].digests.at(HashAlgorithm::kSha256)};
  EXPECT_EQ(Judge(policy, Verified(boot)), Strings{At(Reason::kBootComponentUnlisted, distribution, 7)});
  policy.accepted[BootPart::kAuthorities] = Any();
  EXPECT_EQ(Judge(policy, Verified(boot)), Strings{});
}

// --- each field of BootPolicy is heeded (CVE-2025-29778: a field of a policy that no code looked at)

TEST(EveryFieldOfBootPolicy, IsHeeded) {
  const BootLog boot = SecureBootWithGrub();
  const auto log = Verified(boot);
  BootLog unlike = boot;
  unlike.events()[boot.IndexOf(event_type::kEfiVariableDriverConfig, 7)] =
      Config(fakes::kGlobalGuid, "SecureBoot", {0});
  unlike.events().push_back(Action(1, "UEFI Debug Mode"));
  const auto worse = Verified(unlike);
  const std::size_t on = boot.IndexOf(event_type::kEfiVariableDriverConfig, 7);
  const std::size_t line = boot.IndexOf(event_type::kIpl, 8, 2);
  const std::size_t end = boot.events().size();
  struct Case {
    std::string field;
    std::function<void(BootPolicy&)> change;
    const claims::VerifiedBootLog& log;
    Strings expected;
  };
  const std::vector<Case> cases = {
      {"pcrs", [](BootPolicy& policy) { policy.pcrs |= 1U << 20; }, log, {}},  // proven by its reset value
      {"pcrs, of which one decides",
       [](BootPolicy& policy) { policy.pcrs &= ~(1U << 1); },
       worse,
       {At(Reason::kSecureBootOff, on, 7)}},
      {"bank",
       [](BootPolicy& policy) { policy.bank = HashAlgorithm::kSha512; },
       log,
       {"event-log-mismatch: pcr 0 (sha512)", "event-log-mismatch: pcr 1 (sha512)",
        "event-log-mismatch: pcr 2 (sha512)", "event-log-mismatch: pcr 3 (sha512)",
        "event-log-mismatch: pcr 4 (sha512)", "event-log-mismatch: pcr 5 (sha512)",
        "event-log-mismatch: pcr 6 (sha512)", "event-log-mismatch: pcr 7 (sha512)",
        "event-log-mismatch: pcr 8 (sha512)", "event-log-mismatch: pcr 9 (sha512)",
        "event-log-mismatch: pcr 14 (sha512)"}},
      {"secure_boot",
       [](BootPolicy& policy) { policy.secure_boot = false; },
       worse,
       {At(Reason::kDebugModeOn, end, 1)}},
      {"keys",
       [](BootPolicy& policy) {
         policy.keys["db"] = {{}, true, {}};
       },
       log,
       {At(Reason::kSecureBootKeysMismatch, on + 3, 7)}},
      {"signers",
       [](BootPolicy& policy) { policy.signers = {CertificateDigest("Vendor CA")}; },
       log,
       {At(Reason::kBootComponentUnlisted, boot.IndexOf(event_type::kEfiVariableAuthority, 7, 2), 7)}},
      {"allow_insecure_debug_mode",
       [](BootPolicy& policy) { policy.allow_insecure_debug_mode = true; },
       worse,
       {At(Reason::kSecureBootOff, on, 7)}},
      {"accepted",
       [](BootPolicy& policy) { policy.accepted.erase(BootPart::kDrivers); },
       log,
       {At(Reason::kBootComponentUnlisted, boot.IndexOf(event_type::kEfiBootServicesDriver, 2), 2)}},
      {"required_words",
       [](BootPolicy& policy) { policy.required_words = {"lockdown=confidentiality"}; },
       log,
       {At(Reason::kCommandLineRefused, line, 8)}},
      {"forbidden_words",
       [](BootPolicy& policy) { policy.forbidden_words = {"root="}; },
       log,
       {At(Reason::kCommandLineRefused, line, 8)}},
      {"needs_command_line",
       [](BootPolicy& policy) {
         policy.needs_command_line = true;
         policy.pcrs &= ~(1U << 8);
       },
       log,
       {"command-line-refused: event log"}},
      {"ignored",
       [](BootPolicy& policy) {
         policy.accepted.erase(BootPart::kDrivers);
         policy.ignored = {{2, std::nullopt}};
       },
       log,
       {}},
      {"ignored, another type",
       [](BootPolicy& policy) {
         policy.accepted.erase(BootPart::kDrivers);
         policy.ignored = {{2, event_type::kEfiGptEvent}, {3, std::nullopt}};
       },
       log,
       {At(Reason::kBootComponentUnlisted, boot.IndexOf(event_type::kEfiBootServicesDriver, 2), 2)}},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.field);
    BootPolicy policy = GrubPolicy();
    test.change(policy);
    EXPECT_EQ(Judge(policy, test.log), test.expected);
  }
}

TEST(BootIgnored, NeverSeparatorsSecureBootDebugModeOrFalseData) {
  BootPolicy policy = GrubPolicy();
  for (unsigned pcr = 0; pcr < 10; ++pcr) policy.ignored.push_back({pcr, std::nullopt});
  const BootLog good = SecureBootWithGrub();
  const std::size_t on = good.IndexOf(event_type::kEfiVariableDriverConfig, 7);
  const std::size_t separator = good.IndexOf(event_type::kSeparator, 4);
  ExpectFindings(good, policy,
                 {{"an error separator",
                   [&](BootLog& boot) { boot.events()[separator] = Separator(4, 1); },
                   {At(Reason::kBootFailed, separator, 4)}},
                  {"Secure Boot is off",
                   [&](BootLog& boot) { boot.events()[on] = Config(fakes::kGlobalGuid, "SecureBoot", {0}); },
                   {At(Reason::kSecureBootOff, on, 7)}},
                  {"debug mode",
                   [](BootLog& boot) { boot.Action(5, "UEFI Debug Mode"); },
                   {At(Reason::kDebugModeOn, good.events().size(), 5)}}});
  BootLog lying = good;
  lying.Find(event_type::kEfiAction, 4).data[0] ^= 1;
  EXPECT_EQ(Judge(policy, Verified(lying, fakes::QuoteOf(good))),
            Strings{At(Reason::kEventDataMismatch, good.IndexOf(event_type::kEfiAction, 4), 4)});
}

// --- reference values

constexpr WallTime Day(int day) {
  return WallTime{std::chrono::sys_days{std::chrono::year{2026} / 11 / day}};
}

ReferenceSet Set(std::string name, std::optional<WallTime> until, AcceptedParts parts) {
  ReferenceSet set;
  set.document = "boots";
  set.name = std::move(name);
  set.not_after = until;
  set.boot = std::move(parts);
  return set;
}

TEST(BootReferenceSets, AreUnitedAndEndWithTheFirstThatIsNeeded) {
  BootPolicy policy = GrubPolicy();
  policy.accepted.erase(BootPart::kApplications);
  const auto log = Verified(SecureBootWithGrub());
  const ReferenceSet loaders = Set("loaders", Day(20), {{BootPart::kApplications, Digests({"shim", "grub"})}});
  const ReferenceSet kernel = Set("kernel", Day(10), {{BootPart::kApplications, Digests({"kernel"})}});
  const ReferenceSet newer = Set("newer", Day(15), {{BootPart::kApplications, Digests({"kernel"})}});
  const ReferenceSet unused = Set("unused", Day(1), {{BootPart::kApplications, Digests({"old kernel"})}});
  const ReferenceSet lasting = Set("lasting", std::nullopt, {{BootPart::kApplications, Digests({"kernel"})}});

  BootAppraisal appraisal = AppraiseBoot(policy, {&loaders, &kernel, &unused}, log);
  EXPECT_EQ(Found(appraisal), Strings{});
  EXPECT_EQ(appraisal.holds_until, Day(10));
  EXPECT_EQ(AppraiseBoot(policy, {&loaders, &kernel, &newer}, log).holds_until, Day(15));
  EXPECT_EQ(AppraiseBoot(policy, {&loaders, &kernel, &lasting}, log).holds_until, Day(20));
  EXPECT_EQ(AppraiseBoot(GrubPolicy(), {&loaders, &kernel}, log).holds_until, std::nullopt);
  EXPECT_EQ(Judge(policy, log, {&loaders}),
            Strings{At(Reason::kBootComponentUnlisted,
                       SecureBootWithGrub().IndexOf(event_type::kEfiBootServicesApplication, 4, 2), 4)});
}

// A set that ends overnight leaves as many findings as there are events in it: what changed is said first.
TEST(BootReferenceSets, OneThatHasEndedIsNamedIfItWouldHelp) {
  BootPolicy policy = GrubPolicy();
  policy.accepted.erase(BootPart::kApplications);
  const auto log = Verified(SecureBootWithGrub());
  const std::vector<ReferenceSet> sets = {
      Set("loaders", std::nullopt, {{BootPart::kApplications, Digests({"shim", "grub"})}}),
      Set("kernel", Day(10), {{BootPart::kApplications, Digests({"kernel"})}}),
      Set("unused", Day(1), {{BootPart::kCredentials, Digests({"nobody's"})}})};
  const auto found = AppraiseBoot(policy, {&sets.front()}, log).findings;
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found.front().detail.find("To accept it, list its digest under applications"), std::string::npos)
      << found.front().detail;
  const auto ended = EndedForBoot(policy, sets, log, Day(10), found);
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->reason, Reason::kReferenceExpired);
  EXPECT_NE(ended->detail.find("/kernel ended "), std::string::npos) << ended->detail;
  EXPECT_NE(ended->detail.find("1 of 1 findings"), std::string::npos) << ended->detail;
  EXPECT_EQ(ended->detail.find("unused"), std::string::npos) << ended->detail;
  EXPECT_FALSE(EndedForBoot(policy, {sets[0], sets[1]}, log, Day(9), found).has_value()) << "it has not ended";
  EXPECT_FALSE(EndedForBoot(policy, sets, log, Day(10), {}).has_value()) << "nothing was found";
  EXPECT_FALSE(EndedForBoot(policy, {sets[0], sets[2]}, log, Day(10), found).has_value()) << "it lists another thing";
}

TEST(ImaReferenceSets, OneThatHasEndedIsNamedWhereAFileIsUnlisted) {
  ReferenceSet files = Set("files", Day(10), {});
  files.ima.files.push_back({"files.digests", crypto::Sha256Digest(AsBytes("x"))});
  const std::vector<Finding> unlisted = {{Reason::kImaFileUnlisted, "ima entry 7", "'/usr/bin/id'"}};
  const auto ended = EndedForIma({files}, Day(10), unlisted);
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->reason, Reason::kReferenceExpired);
  EXPECT_NE(ended->detail.find("boots/files ended "), std::string::npos) << ended->detail;
  EXPECT_FALSE(EndedForIma({files}, Day(9), unlisted).has_value()) << "in its time";
  EXPECT_FALSE(EndedForIma({files}, Day(10), {{Reason::kImaViolation, "ima entry 7", "x"}}).has_value());
  EXPECT_FALSE(EndedForIma({Set("boot", Day(10), {})}, Day(10), unlisted).has_value()) << "it lists no files";
}

// --- command lines

// A policy of words alone is given a rule for any text by its loader. Here words accept nothing: a set that lists
// command lines and has expired must not leave a policy that takes whatever obeys the words.
TEST(BootCommandLine, WordsAcceptNothingByThemselves) {
  BootPolicy policy = GrubPolicy();
  policy.accepted.erase(BootPart::kCommandLine);
  const auto log = Verified(SecureBootWithGrub());
  const std::size_t line = SecureBootWithGrub().IndexOf(event_type::kIpl, 8, 2);
  EXPECT_EQ(Judge(policy, log), Strings{At(Reason::kCommandLineRefused, line, 8)});
  policy.required_words = {"ima_policy=tcb"};
  EXPECT_EQ(Judge(policy, log), Strings{At(Reason::kCommandLineRefused, line, 8)});
  policy.accepted[BootPart::kCommandLine].texts = {{"any text", [](std::string_view) { return true; }}};
  EXPECT_EQ(Judge(policy, log), Strings{});
  policy.required_words = {"ima_policy=none"};
  EXPECT_EQ(Judge(policy, log), Strings{At(Reason::kCommandLineRefused, line, 8)});
}

TEST(BootCommandLine, WithoutItsTextWordsAreNotKnownToBeThere) {
  const BootLog boot = SecureBootWithUki();
  const auto without_hint = Verified(boot, fakes::QuoteOf(boot), "");
  const std::size_t options = boot.IndexOf(event_type::kEventTag, 9);
  BootPolicy policy = UkiPolicy();
  policy.accepted[BootPart::kCommandLine] = Any();
  EXPECT_EQ(Judge(policy, without_hint), Strings{});
  policy.required_words = {"ima_policy=tcb"};
  EXPECT_EQ(Judge(policy, Verified(boot)), Strings{});
  EXPECT_EQ(Judge(policy, without_hint),
            (Strings{"command-line-refused: event log", At(Reason::kCommandLineRefused, options, 9)}));
  // One that is listed by its digest was read by who listed it; the words must be proven all the same.
  policy.accepted[BootPart::kCommandLine].digests = {boot.events()[options].digests.at(HashAlgorithm::kSha256)};
  EXPECT_EQ(Judge(policy, without_hint), Strings{"command-line-refused: event log"});
  policy.required_words.clear();
  EXPECT_EQ(Judge(policy, without_hint), Strings{});
}

}  // namespace
}  // namespace gatehouse::appraisal
