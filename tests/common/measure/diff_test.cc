// Differences of two logs, in words.
#include "common/measure/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/crypto/hash.h"
#include "tests/common/measure/vectors.h"
#include "tests/fakes/boot_log.h"
#include "tests/fakes/ima_log.h"

namespace gatehouse::measure {
namespace {

using evidence::eventlog::ParseEventLog;
using fakes::BootLog;
using fakes::ImaLog;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace event_type = evidence::eventlog::event_type;

// "changed pcr 4 7/7 subject: what"
std::vector<std::string> Lines(const std::vector<Difference>& differences) {
  std::vector<std::string> lines;
  for (const Difference& difference : differences) {
    std::string line(Name(difference.kind));
    if (difference.pcr) line += " pcr " + std::to_string(*difference.pcr);
    line += " " + (difference.a ? std::to_string(*difference.a) : "-") + "/" +
            (difference.b ? std::to_string(*difference.b) : "-");
    lines.push_back(line + " " + difference.subject + ": " + difference.what);
  }
  return lines;
}

std::vector<std::string> Diff(const BootLog& a, const BootLog& b) {
  const Bytes bytes_a = a.Write(), bytes_b = b.Write();
  auto differences = DiffEventLogs(ParseEventLog(bytes_a).value(), ParseEventLog(bytes_b).value());
  EXPECT_TRUE(differences.ok());
  return Lines(*differences);
}

TEST(DiffEventLogs, SameLogsHaveNone) {
  EXPECT_THAT(Diff(fakes::SecureBootWithGrub(), fakes::SecureBootWithGrub()), IsEmpty());
}

TEST(DiffEventLogs, AnotherKernel) {
  const BootLog a = fakes::SecureBootWithUki();
  BootLog b = a;
  auto& image = b.Find(event_type::kEfiBootServicesApplication, 4);
  image.digests = b.Digests(AsBytes("another"));
  EXPECT_THAT(Diff(a, b), ElementsAre(AllOf(HasSubstr("changed pcr 4"), HasSubstr("another boot loader, UKI or kernel"),
                                            HasSubstr(" instead of sha256:"))));
}

TEST(DiffEventLogs, WordsOfACommandLine) {
  BootLog a, b;
  a.GrubCommandLine("/vmlinuz root=/dev/sda1 quiet ro");
  b.GrubCommandLine("/vmlinuz root=/dev/sda1 ro init=/bin/sh");
  EXPECT_THAT(Diff(a, b),
              ElementsAre("changed pcr 8 1/1 command line: words added: init=/bin/sh; words removed: quiet"));
}

TEST(DiffEventLogs, CommandLineWithoutItsText) {
  BootLog a, b;
  a.LoadOptions("quiet");
  b.LoadOptions("debug");
  EXPECT_THAT(Diff(a, b), ElementsAre(HasSubstr("another command line (its text is not in the log)")));
}

TEST(DiffEventLogs, CertificateAddedToDb) {
  const Bytes first = fakes::CertificateLike("first"), second = fakes::CertificateLike("second");
  BootLog a, b;
  a.Variable(7, event_type::kEfiVariableDriverConfig, fakes::kSecurityGuid, "db", fakes::CertificateList({first}));
  b.Variable(7, event_type::kEfiVariableDriverConfig, fakes::kSecurityGuid, "db",
             fakes::CertificateList({first, second}));
  const std::string print = crypto::Sha256Digest(second).text();
  EXPECT_THAT(Diff(a, b), ElementsAre(AllOf(HasSubstr("Secure Boot variable db: certificate " + print),
                                            testing::EndsWith(" added"))));
  EXPECT_THAT(Diff(b, a), ElementsAre(testing::EndsWith(" removed")));
}

TEST(DiffEventLogs, RevocationsAreNamedOnlySoFar) {
  std::vector<Bytes> hashes;
  for (std::uint8_t i = 0; i < 100; ++i) hashes.push_back(Bytes(32, i));
  BootLog a, b;
  a.Variable(7, event_type::kEfiVariableDriverConfig, fakes::kSecurityGuid, "dbx", fakes::HashList({hashes[0]}));
  b.Variable(7, event_type::kEfiVariableDriverConfig, fakes::kSecurityGuid, "dbx", fakes::HashList(hashes));
  EXPECT_THAT(Diff(a, b), ElementsAre(testing::EndsWith("and 79 more added")));
}

TEST(DiffEventLogs, SecureBootTurnedOff) {
  BootLog a, b;
  a.Variable(7, event_type::kEfiVariableDriverConfig, fakes::kGlobalGuid, "SecureBoot", Bytes{1});
  b.Variable(7, event_type::kEfiVariableDriverConfig, fakes::kGlobalGuid, "SecureBoot", Bytes{});
  EXPECT_THAT(Diff(a, b), ElementsAre(HasSubstr("Secure Boot is off instead of on")));
}

TEST(DiffEventLogs, EventInTheMiddleShiftsNothing) {
  const BootLog a = fakes::SecureBootWithGrub();
  BootLog b = a;
  const std::size_t at = a.IndexOf(event_type::kIpl, 8);
  BootLog one(a.banks());
  one.GrubCommand("insmod evil");
  b.events().insert(b.events().begin() + static_cast<std::ptrdiff_t>(at) + 1, one.events()[0]);
  EXPECT_THAT(Diff(a, b), ElementsAre(AllOf(testing::StartsWith("only in b pcr 8 -/"), HasSubstr("'insmod evil'"))));
  EXPECT_THAT(Diff(b, a), ElementsAre(testing::StartsWith("only in a pcr 8 ")));
}

TEST(DiffEventLogs, PcrThatOneLogLacks) {
  BootLog a, b;
  a.Separator(0);
  b.Separator(0).Mok("MokList", "x");
  EXPECT_THAT(Diff(a, b), ElementsAre(testing::StartsWith("only in b pcr 14 -/2 machine owner keys MokList")));
}

TEST(DiffEventLogs, ErrorSeparator) {
  BootLog a, b;
  a.Separator(3);
  b.Separator(3, 1);
  EXPECT_THAT(Diff(a, b), ElementsAre(HasSubstr("an error separator: the boot failed")));
}

TEST(DiffEventLogs, OtherTypeOfTheSameMeasurementIsSaid) {
  BootLog a, b;
  a.Add(5, event_type::kIpl, AsBytes("x"));
  b.Add(5, event_type::kCompactHash, AsBytes("x"));
  EXPECT_THAT(Diff(a, b), ElementsAre(HasSubstr("the type is EV_COMPACT_HASH instead of EV_IPL")));
}

TEST(DiffEventLogs, LogsThatCannotBeCompared) {
  BootLog a({HashAlgorithm::kSha256}), b({HashAlgorithm::kSha384});
  a.Separator(0);
  b.Separator(0);
  const Bytes bytes_a = a.Write(), bytes_b = b.Write();
  auto differences = DiffEventLogs(ParseEventLog(bytes_a).value(), ParseEventLog(bytes_b).value());
  ASSERT_FALSE(differences.ok());
  EXPECT_EQ(differences.error().reason, Reason::kEventLogMismatch);
}

// More events than the alignment looks at: none is lost, and there is an end.
TEST(DiffEventLogs, LongLogsThatHaveNothingInCommon) {
  BootLog a({HashAlgorithm::kSha256}), b({HashAlgorithm::kSha256});
  constexpr std::size_t kEvents = 2500;
  for (std::size_t i = 0; i < kEvents; ++i) {
    a.Add(13, event_type::kIpl, AsBytes("a" + std::to_string(i)));
    b.Add(13, event_type::kIpl, AsBytes("b" + std::to_string(i)));
  }
  EXPECT_EQ(Diff(a, b).size(), kEvents);
}

TEST(DiffEventLogs, RealBoots) {
  const auto a1 = fakes::BootCase("a1-baseline"), a2 = fakes::BootCase("a2-second-boot"),
             c = fakes::BootCase("c-cmdline");
  if (!a1 || !a2 || !c) GTEST_SKIP() << "no vectors";
  const Bytes bytes_a1 = fakes::ReadBytes(*a1 / "binary_bios_measurements");
  const Bytes bytes_a2 = fakes::ReadBytes(*a2 / "binary_bios_measurements");
  const Bytes bytes_c = fakes::ReadBytes(*c / "binary_bios_measurements");
  auto log_a1 = ParseEventLog(bytes_a1), log_a2 = ParseEventLog(bytes_a2), log_c = ParseEventLog(bytes_c);
  EXPECT_THAT(Lines(DiffEventLogs(*log_a1, *log_a2).value()), IsEmpty());
  EXPECT_THAT(Lines(DiffEventLogs(*log_a1, *log_c).value()),
              ElementsAre(AllOf(HasSubstr("changed pcr 9"), HasSubstr("another command line"))));
}

// --- IMA

std::vector<std::string> Diff(BytesView a, BytesView b) {
  auto differences = DiffImaLogs(a, b);
  EXPECT_TRUE(differences.ok()) << differences.error().ToString();
  return differences.ok() ? Lines(*differences) : std::vector<std::string>{};
}

TEST(DiffImaLogs, PathsAddedRemovedChanged) {
  ImaLog a, b;
  a.File("/usr/bin/id", "id").File("/usr/bin/old", "old").File("/usr/bin/same", "same");
  b.File("/usr/bin/same", "same").File("/usr/bin/id", "evil").File("/usr/bin/new", "new");
  const std::string id = crypto::Sha256Digest(AsBytes("id")).text(),
                    evil = crypto::Sha256Digest(AsBytes("evil")).text();
  EXPECT_THAT(Diff(a.bytes(), b.bytes()),
              ElementsAre("changed 0/1 /usr/bin/id: " + evil + " instead of " + id,
                          "only in a 1/- /usr/bin/old: " + crypto::Sha256Digest(AsBytes("old")).text(),
                          "only in b -/2 /usr/bin/new: " + crypto::Sha256Digest(AsBytes("new")).text()));
  EXPECT_THAT(Diff(a.bytes(), a.bytes()), IsEmpty());
}

TEST(DiffImaLogs, FileThatChangedWhileItRan) {
  ImaLog a, b;
  a.File("/x", "one");
  b.File("/x", "one").File("/x", "two");
  EXPECT_THAT(Diff(a.bytes(), b.bytes()), ElementsAre(HasSubstr(" and sha256:")));
}

TEST(DiffImaLogs, ViolationIsADifference) {
  ImaLog a, b;
  a.File("/x", "one");
  b.File("/x", "one").Violation("/x");
  EXPECT_THAT(Diff(a.bytes(), b.bytes()), ElementsAre(HasSubstr("a violation")));
}

TEST(DiffImaLogs, AsciiAndBinaryOfTheSame) {
  ImaLog log;
  log.File("/usr/bin/id", "id").File("/usr/bin/cat", "cat");
  EXPECT_THAT(Diff(log.bytes(), AsBytes(log.ascii())), IsEmpty());
}

TEST(DiffImaLogs, CutLogIsRefused) {
  ImaLog log;
  log.File("/usr/bin/id", "id");
  auto differences = DiffImaLogs(log.bytes(), BytesView(log.bytes()).first(log.bytes().size() - 1));
  ASSERT_FALSE(differences.ok());
  EXPECT_EQ(differences.error().reason, Reason::kImaLogMalformed);
}

TEST(DiffImaLogs, PathsArePrintable) {
  ImaLog a, b;
  a.File("/x", "x");
  b.File("/x", "x").File("/\x1B[31m\n", "y");
  EXPECT_THAT(Diff(a.bytes(), b.bytes()), ElementsAre(HasSubstr(" /\\x1b[31m\\x0a: ")));
}

TEST(DiffImaLogs, TamperedMachine) {
  const auto a1 = fakes::BootCase("a1-baseline"), d = fakes::BootCase("d-tamper");
  if (!a1 || !d) GTEST_SKIP() << "no vectors";
  const auto lines = Diff(fakes::ReadBytes(*a1 / "ima-after.bin"), fakes::ReadBytes(*d / "ima-after.bin"));
  EXPECT_THAT(lines, testing::Contains(AllOf(testing::StartsWith("only in b"), HasSubstr("/usr/local/bin/evil"))));
  EXPECT_THAT(lines, testing::Contains(AllOf(HasSubstr(" /usr/bin/id: "), HasSubstr(" and sha256:"))));
}

}  // namespace
}  // namespace gatehouse::measure
