// ADVERSARIAL.md E, as far as it is for appraisal to refuse: the log replays, and what it says is no good.
#include <gtest/gtest.h>

#include "common/verify/replay/event_log.h"
#include "tests/common/appraisal/boot_policies.h"

namespace gatehouse::appraisal {
namespace {

using claims::BootPart;
using fakes::BootLog;
using fakes::LoggedEvent;
using fakes::QuoteOf;
using fakes::SecureBootWithGrub;
using fakes::SecureBootWithUki;
using Strings = std::vector<std::string>;
namespace event_type = fakes::event_type;

// The types that a policy could be led astray by: whatever an event is called, it is accepted by what it is.
TEST(Adversarial_E1, AComponentCalledSomethingElseIsNotAccepted) {
  BootLog boot = SecureBootWithGrub();
  boot.Image(4, event_type::kEfiBootServicesApplication, "evil", "\\evil.efi");
  const auto quote = QuoteOf(boot);
  BootPolicy policy = GrubPolicy();
  policy.accepted[BootPart::kActions] = Any();
  policy.accepted[BootPart::kOther] = Any();
  policy.accepted[BootPart::kSeparators] = Any();
  policy.accepted[BootPart::kAuthorities] = Any();
  policy.accepted[BootPart::kBootVariables] = Any();
  const std::size_t evil = boot.events().size() - 1;
  for (const std::uint32_t type :
       {event_type::kEfiAction, event_type::kSeparator, event_type::kNonhostInfo, event_type::kIpl,
        event_type::kEfiVariableAuthority, event_type::kEfiVariableBoot, event_type::kEventTag}) {
    for (const Bytes& data : {boot.events()[evil].data, Bytes(4, 0),
                              ToBytes(std::string_view("Calling EFI Application from Boot Option"))}) {
      BootLog relabelled = boot;
      relabelled.events()[evil].type = type;
      relabelled.events()[evil].data = data;
      const Strings found = Judge(policy, Verified(relabelled, quote));
      ASSERT_EQ(found.size(), 1U) << type;
      EXPECT_TRUE(found[0].ends_with(": boot event " + std::to_string(evil + 1) + " (pcr 4)")) << found[0];
    }
  }
}

// A command line that the EFI stub measured, called an initrd or a file, behind "any" of those; and the good one
// extended afterwards by the system that it started.
TEST(Adversarial_E1, ACommandLineHiddenAmongFiles) {
  BootLog boot = SecureBootWithUki();
  const std::size_t options = boot.IndexOf(event_type::kEventTag, 9);
  boot.events()[options] = BootLog().LoadOptions("init=/bin/sh").events()[0];
  boot.LoadOptions(fakes::kKernelArguments);
  const auto quote = QuoteOf(boot);
  BootPolicy policy = UkiPolicy();
  for (const BootPart part : {BootPart::kInitrds, BootPart::kLoaderFiles}) policy.accepted[part] = Any();
  // Nothing says that the other one is an initrd, as long as no command line was proven before.
  EXPECT_EQ(Judge(policy, Verified(boot, quote)),
            (Strings{At(Reason::kCommandLineRefused, options, 9), At(Reason::kBootComponentUnlisted, options + 1, 9)}));
  for (const LoggedEvent& as : {BootLog().Initrd("").events()[0], BootLog().GrubFile("/initrd", "").events()[0]}) {
    BootLog hidden = boot;
    hidden.events()[options].type = as.type;
    hidden.events()[options].data = as.data;
    const Strings found = Judge(policy, Verified(hidden, quote));
    EXPECT_EQ(found, (Strings{At(Reason::kBootComponentUnlisted, options, 9),
                              At(Reason::kBootComponentUnlisted, options + 1, 9)}));
  }
  // Of the good boot, what comes behind the command line is covered, whether its text is proven or it is listed.
  const BootLog good = SecureBootWithUki();
  policy.accepted[BootPart::kCommandLine].digests = {good.events()[options].digests.at(HashAlgorithm::kSha256)};
  EXPECT_EQ(Judge(policy, Verified(good, QuoteOf(good), "")), Strings{});
  EXPECT_EQ(Judge(policy, Verified(SecureBootWithUki())), Strings{});
}

TEST(Adversarial_E1, ACommandLineOfTheStubHiddenAmongCredentials) {
  BootLog boot = SecureBootWithGrub();
  boot.StubCommandLine("init=/bin/sh");
  BootLog hidden = boot;
  hidden.events().back().data = ToBytes(std::string_view("a credential"));
  BootPolicy policy = GrubPolicy();
  policy.pcrs = (policy.pcrs & ~(1U << 8)) | 1U << 12;  // where GRUB would have proven one
  policy.accepted[BootPart::kLoaderFiles].digests.push_back(Bytes(32, 0xFF));
  policy.accepted[BootPart::kCredentials] = Any();
  const std::size_t last = boot.events().size() - 1;
  EXPECT_EQ(Judge(policy, Verified(boot)), Strings{At(Reason::kCommandLineRefused, last, 12)});
  EXPECT_EQ(Judge(policy, Verified(hidden, QuoteOf(boot))),
            (Strings{"command-line-refused: event log", At(Reason::kBootEventUnexpected, last, 12)}));
}

// A policy that passes over GRUB's noise, and has rules of the command line: it is in the same PCR. The evil one may be
// called a command, and a good one may be extended later by the system that it started.
TEST(Adversarial_E1, ACommandLineInAPcrThatIsPassedOver) {
  BootLog boot = SecureBootWithGrub();
  const std::size_t line = boot.IndexOf(event_type::kIpl, 8, 2);
  boot.events()[line] = BootLog().GrubCommandLine("/vmlinuz init=/bin/sh").events()[0];
  boot.GrubCommandLine(fakes::kGrubCommandLineText);
  BootLog unread = boot;
  unread.events()[line].data = ToBytes(std::string_view("\xFF"));
  BootPolicy listed = GrubPolicy();
  for (const unsigned pcr : {8U, 9U, 12U}) listed.ignored.push_back({pcr, std::nullopt});
  BootPolicy words = listed;
  words.accepted[BootPart::kCommandLine].texts = {{"any text", [](std::string_view) { return true; }}};
  words.forbidden_words = {"init="};
  for (const BootPolicy& policy : {listed, words}) {
    EXPECT_EQ(Judge(policy, Verified(SecureBootWithGrub())), Strings{});
    EXPECT_EQ(Judge(policy, Verified(boot)), Strings{At(Reason::kCommandLineRefused, line, 8)});
    EXPECT_EQ(Judge(policy, Verified(unread, QuoteOf(boot))), Strings{At(Reason::kBootEventUnexpected, line, 8)});
  }
  // Without rules of the command line nothing of the PCR is judged, as the policy says.
  listed.accepted.erase(BootPart::kCommandLine);
  EXPECT_EQ(Judge(listed, Verified(boot)), Strings{});
}

// A signed kernel that measures no command line, started by shim itself: nothing refuses what is not there.
TEST(Adversarial_E5, NoCommandLineAtAll) {
  const BootLog good = SecureBootWithGrub();
  BootLog boot = good;
  std::erase_if(boot.events(), [](const LoggedEvent& event) { return event.pcr == 8 || event.pcr == 9; });
  const Strings none = {"command-line-refused: event log"};
  BootPolicy policy = GrubPolicy();
  EXPECT_EQ(Judge(policy, Verified(boot)), none);
  policy.accepted[BootPart::kCommandLine] = Digests({fakes::kGrubCommandLineText});
  EXPECT_EQ(Judge(policy, Verified(boot)), none);
  EXPECT_EQ(Judge(policy, Verified(good)), Strings{});
  policy.accepted[BootPart::kCommandLine] = Any();
  EXPECT_EQ(Judge(policy, Verified(boot)), Strings{});
  // Rules of sets: an application that is listed measures what it always does; what a signer vouches for may not.
  policy.accepted.erase(BootPart::kCommandLine);
  ReferenceSet set;
  set.document = "fleet";
  set.boot[BootPart::kCommandLine] = Texts({fakes::kGrubCommandLineText});
  EXPECT_EQ(Judge(policy, Verified(boot), {&set}), Strings{});
  policy.accepted[BootPart::kApplications] = Any();
  EXPECT_EQ(Judge(policy, Verified(boot), {&set}), none);
  EXPECT_EQ(Judge(policy, Verified(good), {&set}), Strings{});
  // No rule, and none of the PCRs in which one could be.
  EXPECT_EQ(Judge(policy, Verified(boot)), Strings{});
  policy.pcrs &= ~(1U << 8 | 1U << 9);
  EXPECT_EQ(Judge(policy, Verified(boot), {&set}), Strings{});
}

TEST(Adversarial_E1, AFileCalledAnInitrdIsJudgedAsAFile) {
  BootLog boot = SecureBootWithGrub();
  boot.Initrd("another configuration");
  BootPolicy policy = GrubPolicy();
  policy.accepted[BootPart::kInitrds] = Any();
  EXPECT_EQ(Judge(policy, Verified(boot)), Strings{At(Reason::kBootComponentUnlisted, boot.events().size() - 1, 9)});
  policy.accepted[BootPart::kLoaderFiles] = Any();
  EXPECT_EQ(Judge(policy, Verified(boot)), Strings{});
}

// The system extends what firmware would have, behind what firmware did.
TEST(Adversarial_E2, SecureBootSaidAfterTheSeparator) {
  BootLog boot = SecureBootWithGrub();
  const std::size_t on = boot.IndexOf(event_type::kEfiVariableDriverConfig, 7);
  boot.events()[on] = BootLog()
                          .Variable(7, event_type::kEfiVariableDriverConfig, fakes::kGlobalGuid, "SecureBoot", Bytes{0})
                          .events()[0];
  const std::size_t end = boot.events().size();
  boot.Variable(7, event_type::kEfiVariableDriverConfig, fakes::kGlobalGuid, "SecureBoot", Bytes{1});
  const Strings expected = {At(Reason::kSecureBootOff, on, 7), At(Reason::kBootEventUnexpected, end, 7)};
  EXPECT_EQ(Judge(GrubPolicy(), Verified(boot)), expected);
  // Called an authority it is none.
  boot.events()[end].type = event_type::kEfiVariableAuthority;
  EXPECT_EQ(Judge(GrubPolicy(), Verified(boot)), expected);
}

TEST(Adversarial_E2, EventsAfterTheSeparator) {
  struct Case {
    std::string name;
    LoggedEvent event;
    Reason reason;
  };
  const std::vector<Case> cases = {
      {"a whole db",
       BootLog()
           .Variable(7, event_type::kEfiVariableDriverConfig, fakes::kSecurityGuid, "db",
                     fakes::CertificateList({fakes::CertificateLike("Mine")}))
           .events()[0],
       Reason::kBootEventUnexpected},
      {"an action in PCR 7", BootLog().Action(7, "DMA Protection Disabled").events()[0], Reason::kBootEventUnexpected},
      {"firmware that is listed",
       BootLog().Add(0, event_type::kPostCode, AsBytes(std::string_view("firmware volume"))).events()[0],
       Reason::kBootEventUnexpected},
      {"a driver that is listed",
       BootLog().Image(2, event_type::kEfiBootServicesDriver, "option rom", "\\rom").events()[0],
       Reason::kBootEventUnexpected}};
  BootPolicy policy = GrubPolicy();
  policy.accepted[BootPart::kActions] = Any();
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    BootLog boot = SecureBootWithGrub();
    const std::size_t end = boot.events().size();
    boot.events().push_back(test.event);
    EXPECT_EQ(Judge(policy, Verified(boot)), Strings{At(test.reason, end, test.event.pcr)});
  }
}

TEST(Adversarial_E3, DuplicateSeparators) {
  for (const unsigned pcr : {0U, 4U, 7U, 9U}) {
    BootLog boot = SecureBootWithGrub();
    boot.Separator(pcr);
    if (pcr > 7) boot.Separator(pcr);
    EXPECT_EQ(Judge(GrubPolicy(), Verified(boot)),
              Strings{At(Reason::kBootEventUnexpected, boot.events().size() - 1, pcr)});
  }
}

TEST(Adversarial_E3, NoSeparator) {
  for (const unsigned pcr : {0U, 3U, 4U, 7U}) {
    BootLog boot = SecureBootWithGrub();
    boot.events().erase(boot.events().begin() + static_cast<std::ptrdiff_t>(boot.IndexOf(event_type::kSeparator, pcr)));
    const Strings found = Judge(GrubPolicy(), Verified(boot));
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found[0], "boot-event-unexpected: pcr " + std::to_string(pcr) + " (sha256)");
  }
}

TEST(Adversarial_E4, DataThatIsNotWhatWasMeasured) {
  const BootLog good = SecureBootWithGrub();
  const std::pair<std::uint32_t, unsigned> events[] = {{event_type::kCrtmVersion, 0},
                                                       {event_type::kEfiVariableBoot, 1},
                                                       {event_type::kEfiAction, 5},
                                                       {event_type::kIpl, 8},
                                                       {event_type::kEfiVariableAuthority, 7}};
  for (const auto& [type, pcr] : events) {
    BootLog lying = good;
    Bytes& data = lying.Find(type, pcr).data;
    data[data.size() - 2] ^= 1;
    EXPECT_EQ(Judge(GrubPolicy(), Verified(lying, QuoteOf(good))),
              Strings{At(Reason::kEventDataMismatch, good.IndexOf(type, pcr), pcr)});
  }
}

TEST(Adversarial_E5, APcrWithoutItsEvents) {
  const BootLog good = SecureBootWithGrub();
  for (const unsigned pcr : {0U, 2U, 4U, 8U, 14U}) {
    BootLog removed = good;
    std::erase_if(removed.events(), [pcr](const LoggedEvent& event) { return event.pcr == pcr; });
    EXPECT_EQ(Judge(GrubPolicy(), Verified(removed, QuoteOf(good))),
              Strings{"event-log-mismatch: pcr " + std::to_string(pcr) + " (sha256)"});
  }
}

TEST(Adversarial_E5, APcrThatWasNotQuoted) {
  const BootLog boot = SecureBootWithGrub();
  EXPECT_EQ(Judge(GrubPolicy(), Verified(boot, QuoteOf(boot, kGrubPcrs & ~(1U << 4)))),
            Strings{"event-log-mismatch: pcr 4 (sha256)"});
  // In another bank than the policy's it says nothing.
  EXPECT_EQ(Judge(GrubPolicy(), Verified(boot, QuoteOf(boot, kGrubPcrs, {HashAlgorithm::kSha384}))).size(), 11U);
}

TEST(Adversarial_E6, AnErrorSeparatorFailsTheBoot) {
  const BootLog good = SecureBootWithGrub();
  for (unsigned pcr = 0; pcr < 8; ++pcr) {
    BootLog boot = good;
    boot.Find(event_type::kSeparator, pcr) = BootLog().Separator(pcr, 1).events()[0];
    const Strings expected = {At(Reason::kBootFailed, good.IndexOf(event_type::kSeparator, pcr), pcr)};
    EXPECT_EQ(Judge(GrubPolicy(), Verified(boot)), expected);
    BootLog lying = boot;
    lying.Find(event_type::kSeparator, pcr).type = event_type::kEfiBootServicesApplication;
    EXPECT_EQ(Judge(GrubPolicy(), Verified(lying, QuoteOf(boot))), expected);
  }
}

TEST(Adversarial_E11, AnEmptySecureBootVariableIsOff) {
  BootLog boot = SecureBootWithGrub();
  LoggedEvent& event = boot.Find(event_type::kEfiVariableDriverConfig, 7);
  event = BootLog().Variable(7, event.type, fakes::kGlobalGuid, "SecureBoot", {}).events()[0];
  EXPECT_EQ(Judge(GrubPolicy(), Verified(boot)),
            Strings{At(Reason::kSecureBootOff, boot.IndexOf(event_type::kEfiVariableDriverConfig, 7), 7)});
}

// Nothing is ever accepted by a rule that is not there.
TEST(Adversarial_E12, AnEmptyPolicyNeverPasses) {
  const BootLog boot = SecureBootWithGrub();
  const auto log = Verified(boot);
  EXPECT_EQ(Judge(BootPolicy{}, log), Strings{"pcr-missing: event log"});
  BootPolicy pcrs_of_others;
  pcrs_of_others.pcrs = 1U << 10 | 1U << 16 | 1U << 23 | 1U << 24;
  EXPECT_EQ(Judge(pcrs_of_others, log), Strings{"pcr-missing: event log"});
  BootPolicy nothing_listed;
  nothing_listed.pcrs = kGrubPcrs;
  std::size_t expected = 0;
  for (const LoggedEvent& event : boot.events()) {
    // Separators, what Secure Boot measured, and the firmware's known actions need no rule.
    if (event.type != event_type::kSeparator && event.pcr != 7 && event.type != event_type::kEfiAction) ++expected;
  }
  EXPECT_EQ(Judge(nothing_listed, log).size(), expected);
  const ReferenceSet empty_set;
  EXPECT_EQ(Judge(nothing_listed, log, {&empty_set}).size(), expected);
}

TEST(Adversarial_E12, AMachineThatMeasuresNothingNeverPasses) {
  const BootLog nothing;
  BootPolicy policy = GrubPolicy();
  policy.secure_boot = false;
  const Strings found = Judge(policy, Verified(nothing));
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0], "boot-event-unexpected: event log");
  EXPECT_EQ(found.size(), 1U + 8U);  // and each PCR of the firmware
  policy.pcrs = 1U << 9 | 1U << 14;
  EXPECT_EQ(Judge(policy, Verified(nothing)), Strings{"boot-event-unexpected: event log"});
}

}  // namespace
}  // namespace gatehouse::appraisal
