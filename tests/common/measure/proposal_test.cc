// Documents that are proposed from a boot's log: the loader takes them, and the same boot meets them; another does not.
#include "common/measure/proposal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/appraisal/boot.h"
#include "common/measure/yaml_text.h"
#include "common/policy/loader.h"
#include "common/verify/replay/event_log.h"
#include "tests/common/measure/vectors.h"
#include "tests/fakes/boot_log.h"

namespace gatehouse::measure {
namespace {

using evidence::eventlog::EventLog;
using evidence::eventlog::ParseEventLog;
using fakes::BootLog;
using testing::HasSubstr;
using testing::Not;

const std::string kTrustRoot =
    "apiVersion: gatehouse.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: tpm-manufacturers}\nspec:\n  tpm:\n"
    "    pinned: [\"sha256:" +
    std::string(64, 'a') + "\"]\n";

std::shared_ptr<const policy::PolicySet> Load(const std::string& yaml) {
  auto outcome = policy::LoadPolicies({{"proposed.yaml", yaml}, {"root.yaml", kTrustRoot}});
  for (const Error& error : outcome.errors) ADD_FAILURE() << error.ToString() << "\n" << yaml;
  return outcome.set;
}

// Findings of the boot whose log this is, under what was proposed; a finding of its own if that does not load.
std::vector<appraisal::Finding> Judge(const std::string& yaml, const EventLog& log,
                                      const claims::VerifiedTpmClaims& quote, const std::string& command_line = "") {
  const auto set = Load(yaml);
  if (!set || set->node_policies.size() != 1) return {{Reason::kInternal, "", "not loaded"}};
  const policy::NodePolicy& policy = set->node_policies[0];
  EXPECT_EQ(policy.mode, policy::Mode::kWarn);
  std::vector<const appraisal::ReferenceSet*> sets;
  for (const auto& reference : policy.reference_sets) sets.push_back(&reference);
  EXPECT_EQ(sets.size(), 1U);
  auto verified = verify::replay::EventLogVerifier::Verify(log, quote, {.command_line = command_line});
  if (!verified.ok()) return {{verified.error().reason, verified.error().where, verified.error().detail}};
  return appraisal::AppraiseBoot(*policy.boot, sets, *verified).findings;
}

std::string Shown(const std::vector<appraisal::Finding>& findings) {
  std::string text;
  for (const auto& finding : findings) {
    text += std::string(Token(finding.reason)) + " " + finding.where + ": " + finding.detail + "\n";
  }
  return text;
}

Result<Proposal> Propose(const BootLog& boot, const ProposalOptions& options = {}) {
  const Bytes bytes = boot.Write();
  auto log = ParseEventLog(bytes);
  EXPECT_TRUE(log.ok());
  return ProposeBoot(*log, options);
}

std::vector<appraisal::Finding> Judge(const std::string& yaml, const BootLog& boot, const std::string& line = "") {
  const Bytes bytes = boot.Write();
  return Judge(yaml, ParseEventLog(bytes).value(), fakes::QuoteOf(boot), line);
}

TEST(Proposal, SameBootMeetsIt) {
  for (const BootLog& boot : {fakes::SecureBootWithGrub(), fakes::SecureBootWithUki()}) {
    auto proposal = Propose(boot);
    ASSERT_TRUE(proposal.ok()) << proposal.error().ToString();
    EXPECT_THAT(proposal->yaml, HasSubstr("secureBoot: required"));
    EXPECT_THAT(proposal->yaml, HasSubstr("atLeast: 2"));
    EXPECT_EQ(Shown(Judge(proposal->yaml, boot)), "") << proposal->yaml;
  }
}

TEST(Proposal, AnotherKernelDoesNot) {
  const BootLog good = fakes::SecureBootWithGrub();
  auto proposal = Propose(good);
  ASSERT_TRUE(proposal.ok());
  BootLog other = good;
  auto& kernel = other.Find(evidence::eventlog::event_type::kEfiBootServicesApplication, 4, 1);
  kernel.digests = other.Digests(AsBytes("another"));
  const auto findings = Judge(proposal->yaml, other);
  ASSERT_EQ(findings.size(), 1U) << Shown(findings);
  EXPECT_EQ(findings[0].reason, Reason::kBootComponentUnlisted);
}

TEST(Proposal, OtherBootVariablesStillMeetIt) {
  const BootLog good = fakes::SecureBootWithGrub();
  auto proposal = Propose(good);
  ASSERT_TRUE(proposal.ok());
  EXPECT_THAT(proposal->yaml, HasSubstr("{pcr: 1, type: EV_EFI_VARIABLE_BOOT"));
  BootLog other = good;
  for (auto& event : other.events()) {
    if (event.pcr == 1 && event.type != evidence::eventlog::event_type::kSeparator) {
      const std::string name = evidence::eventlog::ParseVariableData(event.data)->name;
      const Bytes value = fakes::LoadOption("another disk");
      if (name == "BootOrder") continue;
      event.data = fakes::VariableData(fakes::kGlobalGuid, name, value);
      event.digests = other.Digests(
          event.type == evidence::eventlog::event_type::kEfiVariableBoot ? BytesView(value) : BytesView(event.data));
    }
  }
  EXPECT_EQ(Shown(Judge(proposal->yaml, other)), "");
}

TEST(Proposal, CommandLineIsKnownByItsTextWhereThatIsGiven) {
  const BootLog boot = fakes::SecureBootWithUki();
  auto without = Propose(boot);
  ASSERT_TRUE(without.ok());
  EXPECT_THAT(without->notes, testing::Contains(HasSubstr("--command-line")));
  const std::string line(fakes::kKernelArguments);
  auto with = Propose(boot, {.command_line = line});
  ASSERT_TRUE(with.ok());
  EXPECT_THAT(with->yaml, HasSubstr(YamlQuoted(line)));
  EXPECT_THAT(with->notes, Not(testing::Contains(HasSubstr("--command-line"))));
  EXPECT_EQ(Shown(Judge(with->yaml, boot, line)), "");
}

TEST(Proposal, TextsOfTheLogAreQuoted) {
  BootLog boot = fakes::SecureBootWithGrub();
  boot.GrubCommand("menuentry \"x: y\" {\n\tlinux # no comment\\\n}");
  auto proposal = Propose(boot);
  ASSERT_TRUE(proposal.ok());
  EXPECT_EQ(Shown(Judge(proposal->yaml, boot)), "") << proposal->yaml;
}

TEST(Proposal, TextThatIsNoUtf8IsKnownByItsDigest) {
  BootLog boot = fakes::SecureBootWithGrub();
  boot.GrubCommand("set x=\xFF");
  auto proposal = Propose(boot);
  ASSERT_TRUE(proposal.ok());
  EXPECT_EQ(Shown(Judge(proposal->yaml, boot)), "") << proposal->yaml;
}

// What the log says of an event is shown in comments, on their line.
TEST(Proposal, HintCannotWriteYaml) {
  BootLog boot = fakes::SecureBootWithGrub();
  boot.GrubFile("/x\nspec: {}\n# ", "content");
  auto proposal = Propose(boot);
  ASSERT_TRUE(proposal.ok());
  EXPECT_THAT(proposal->yaml, Not(HasSubstr("\nspec: {}")));
  EXPECT_EQ(Shown(Judge(proposal->yaml, boot)), "");
}

struct BadBoot {
  const char* name;
  std::function<void(BootLog&)> change;
  Reason reason;
};
class NothingIsProposed : public testing::TestWithParam<BadBoot> {};
INSTANTIATE_TEST_SUITE_P(
    Proposal, NothingIsProposed,
    testing::Values(BadBoot{"OfAFailedBoot", [](BootLog& boot) { boot.Separator(3, 1); }, Reason::kBootFailed},
                    BadBoot{"OfDebugMode", [](BootLog& boot) { boot.Action(7, "UEFI Debug Mode"); },
                            Reason::kDebugModeOn},
                    BadBoot{"OfFalseData",
                            [](BootLog& boot) {
                              boot.Find(evidence::eventlog::event_type::kEfiVariableDriverConfig, 7).data.back() ^= 1;
                            },
                            Reason::kEventDataMismatch}),
    [](const auto& test) { return std::string(test.param.name); });
TEST_P(NothingIsProposed, AndTheReasonIsTold) {
  BootLog boot = fakes::SecureBootWithGrub();
  GetParam().change(boot);
  auto proposal = Propose(boot);
  ASSERT_FALSE(proposal.ok());
  EXPECT_EQ(proposal.error().reason, GetParam().reason) << proposal.error().ToString();
}

TEST(Proposal, NothingOfALogWithSha1Only) {
  BootLog boot({HashAlgorithm::kSha1}, false);
  boot.Separator(0);
  auto proposal = Propose(boot);
  ASSERT_FALSE(proposal.ok());
  EXPECT_EQ(proposal.error().reason, Reason::kContentUnsupported);
}

TEST(Proposal, NothingOfALogWithoutValues) {
  BootLog boot;
  boot.Separator(0);
  auto proposal = Propose(boot);
  ASSERT_FALSE(proposal.ok());
  EXPECT_EQ(proposal.error().reason, Reason::kContentUnsupported);
}

TEST(Proposal, RealBootsMeetWhatIsProposedOfThem) {
  for (const char* name : {"a1-baseline", "b1-sb-shim-grub", "u-uki", "t2-trixie-direct", "s-imasig-tis-sha256"}) {
    SCOPED_TRACE(name);
    const auto folder = fakes::BootCase(name);
    if (!folder) GTEST_SKIP() << "no vectors";
    const Bytes bytes = fakes::ReadBytes(*folder / "binary_bios_measurements");
    auto log = ParseEventLog(bytes);
    ASSERT_TRUE(log.ok());
    auto proposal = ProposeBoot(*log, {});
    ASSERT_TRUE(proposal.ok()) << proposal.error().ToString();
    EXPECT_EQ(proposal->yaml.find("secureBoot: required") != std::string::npos,
              std::string_view(name) == "b1-sb-shim-grub");
    auto replayed = verify::replay::Replay(*log);
    for (auto& [bank, values] : replayed.pcrs) {
      for (unsigned pcr : {10U, 16U, 23U}) values.erase(pcr);
    }
    EXPECT_EQ(Shown(Judge(proposal->yaml, *log, fakes::QuoteOfValues(replayed.pcrs))), "") << proposal->yaml;
  }
}

TEST(YamlText, ScalarsAndComments) {
  EXPECT_EQ(YamlQuoted("a \"b\" \\ \n\t\x01\x7F\xC3\xA4"), "\"a \\\"b\\\" \\\\ \\n\\t\\x01\\x7f\xC3\xA4\"");
  EXPECT_EQ(YamlComment("a\nb"), "a\\x0ab");
  EXPECT_EQ(YamlComment("a\\x0ab"), "a\\x0ab");
  EXPECT_EQ(YamlComment(std::string(200, 'a')), std::string(120, 'a') + "...");
}

}  // namespace
}  // namespace gatehouse::measure
