// What a policy says of an IMA log, entry by entry; and the findings that an operator acts on.
#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "tests/common/appraisal/ima_fixture.h"

namespace gatehouse::appraisal {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(Ima, AListedFileIsGood) {
  EXPECT_THAT(Judge(File("/usr/bin/good", "good")), IsEmpty());
  EXPECT_THAT(Judge(File("/elsewhere", "good")), IsEmpty()) << "paths are not asked for";
}

TEST_F(Ima, AFileThatNobodyListsIsReportedWithAllThatAnOperatorNeeds) {
  const auto findings = Judge(File("/usr/bin/new", "new"));
  EXPECT_ONLY(findings, kImaFileUnlisted);
  EXPECT_EQ(findings[0].where, "ima entry 1");
  EXPECT_EQ(findings[0].detail,
            "'/usr/bin/new' sha256:" + EncodeHex(Sha256("new")) +
                ", first seen 2026-11-22T06:00:00Z: no reference values list it. To accept it, add it to a set of the "
                "reference values, or exclude its path");
}

TEST_F(Ima, AKnownFileThatWasChangedIsSaidToBeThat) {
  const auto findings = Judge(File("/usr/bin/good", "patched"));
  EXPECT_ONLY(findings, kImaFileUnlisted);
  EXPECT_THAT(findings[0].detail, HasSubstr("a known file was changed"));
}

TEST_F(Ima, WithoutAnySetNothingIsListed) {
  sets_.clear();
  EXPECT_ONLY(Judge(File("/usr/bin/good", "good")), kImaFileUnlisted);
}

TEST_F(Ima, ASha1DigestIsNeverListedOrSigned) {
  Made made = File("/usr/bin/good", "good");
  made.digest = crypto::Hash(HashAlgorithm::kSha1, AsBytes("good"));
  made.entry.algorithm = HashAlgorithm::kSha1;
  const auto findings = Judge(made);
  EXPECT_ONLY(findings, kImaFileUnlisted);
  EXPECT_THAT(findings[0].detail, HasSubstr("ima_hash=sha256"));
}

TEST_F(Ima, ADigestByAnUnknownAlgorithmIsNeverListed) {
  Made made = File("/usr/bin/good", "good");
  made.digest = {};
  const auto findings = Judge(made);
  EXPECT_ONLY(findings, kImaFileUnlisted);
  EXPECT_THAT(findings[0].detail, HasSubstr("algorithm that is not known"));
}

TEST_F(Ima, FindingsAreReadableOnlyForTheLogThatIsVouchedFor) {
  ImaAppraisal appraisal = Appraisal();
  JudgeInto(appraisal, {File("/usr/bin/good", "good")});
  EXPECT_THAT(appraisal.Findings(Vouched(2)), IsEmpty());
  EXPECT_ONLY(appraisal.Findings(Vouched(1)), kInternal);
  EXPECT_ONLY(appraisal.Findings(Vouched(3)), kInternal);
}

TEST_F(Ima, EntriesOutOfOrderAreNeverGood) {
  ImaAppraisal appraisal = Appraisal();
  claims::ImaEntry entry = EntryOf("ima-ng");
  entry.number = 1;
  const Bytes digest = Sha256("good");
  entry.algorithm = kSha256;
  entry.digest = digest;
  entry.path = "/usr/bin/good";
  appraisal.Judge(entry, kNow);
  EXPECT_ONLY(appraisal.Findings(Vouched(1)), kInternal);
}

TEST_F(Ima, ACopyGoesOnByItself) {
  ImaAppraisal first = Appraisal();
  JudgeInto(first, {File("/usr/bin/good", "good")});
  ImaAppraisal second = first;
  JudgeInto(second, {File("/usr/bin/bad", "bad")});
  EXPECT_EQ(first.judged(), 2U);
  EXPECT_EQ(second.judged(), 3U);
  EXPECT_THAT(first.Findings(Vouched(2)), IsEmpty());
  EXPECT_ONLY(second.Findings(Vouched(3)), kImaFileUnlisted);
}

TEST_F(Ima, FindingsAreBoundedAndTheRestIsCounted) {
  std::vector<Made> all;
  for (std::size_t i = 0; i < limits::kImaFindings + 7; ++i) all.push_back(File("/bad" + std::to_string(i), "bad"));
  const auto findings = JudgeAll(all);
  ASSERT_THAT(findings, SizeIs(limits::kImaFindings + 1));
  EXPECT_EQ(findings.back().reason, Reason::kImaFileUnlisted);
  EXPECT_THAT(findings.back().detail, HasSubstr("and 7 more"));
}

// --- bank

TEST_F(Ima, TheLogMustHaveBeenComparedInThePolicysBank) {
  ImaAppraisal appraisal = Appraisal();
  JudgeInto(appraisal, {});
  EXPECT_ONLY(appraisal.Findings(Vouched(1, kSha384)), kPcrMissing);
  policy_.bank = kSha384;
  appraisal = Appraisal();
  JudgeInto(appraisal, {});
  EXPECT_THAT(appraisal.Findings(Vouched(1, kSha384)), IsEmpty());
}

TEST_F(Ima, PaddedSha1IsRefusedUnlessAllowed) {
  policy_.bank = kSha384;
  ImaAppraisal appraisal = Appraisal();
  JudgeInto(appraisal, {});
  const auto findings = appraisal.Findings(Vouched(1, kSha384, true));
  EXPECT_ONLY(findings, kImaLogMismatch);
  EXPECT_THAT(findings[0].detail, HasSubstr("allowInsecurePaddedSha1"));
  EXPECT_EQ(findings[0].where, "pcr 10 (sha384)");

  policy_.allow_insecure_padded_sha1 = true;
  appraisal = Appraisal();
  JudgeInto(appraisal, {});
  EXPECT_THAT(appraisal.Findings(Vouched(1, kSha384, true)), IsEmpty());
}

// --- paths

TEST_F(Ima, MatchPathsAsksForTheListedPath) {
  policy_.match_paths = true;
  EXPECT_THAT(Judge(File("/usr/bin/good", "good")), IsEmpty());
  const auto findings = Judge(File("/tmp/good", "good"));
  EXPECT_ONLY(findings, kImaFileUnlisted);
  EXPECT_THAT(findings[0].detail, HasSubstr("listed for another path"));
  // A known program in the place of another one.
  EXPECT_ONLY(Judge(File("/usr/bin/good", "other")), kImaFileUnlisted);
}

TEST_F(Ima, MatchPathsTakesNoEntryWithoutAPath) {
  policy_.match_paths = true;
  sets_.clear();
  AddSet(SetOf({{"", "good"}}));
  EXPECT_ONLY(Judge(File("/usr/bin/good", "good")), kImaFileUnlisted);
}

TEST_F(Ima, ADeniedDigestIsRefusedThoughItIsListed) {
  policy_.deny_digests = {Sha256("good")};
  const auto findings = Judge(File("/usr/bin/good", "good"));
  EXPECT_ONLY(findings, kImaFileDenied);
  EXPECT_THAT(findings[0].detail, HasSubstr("its digest is denied"));
  EXPECT_THAT(Judge(File("/usr/bin/other", "other")), IsEmpty());
}

TEST_F(Ima, ADeniedDigestIsFoundAmongMany) {
  for (int i = 0; i < 50; ++i) policy_.deny_digests.push_back(Sha256("denied " + std::to_string(i)));
  policy_.deny_digests.push_back(crypto::Hash(HashAlgorithm::kSha1, AsBytes("x")));
  std::sort(policy_.deny_digests.begin(), policy_.deny_digests.end());
  policy_.exclude = Below("/usr");
  for (int i = 0; i < 50; ++i) EXPECT_ONLY(Judge(File("/usr/bin/good", "denied " + std::to_string(i))), kImaFileDenied);
  EXPECT_THAT(Judge(File("/usr/bin/good", "denied 50")), IsEmpty());
}

TEST_F(Ima, ADeniedPathIsRefusedThoughItIsListedExcludedAndAViolation) {
  policy_.deny_paths = Whole("/usr/bin/good");
  policy_.exclude = Below("/usr");
  policy_.violations = Below("/usr");
  EXPECT_ONLY(Judge(File("/usr/bin/good", "good")), kImaFileDenied);
  Made violation = File("/usr/bin/good", "");
  violation.entry.violation = true;
  EXPECT_ONLY(Judge(violation), kImaFileDenied);
  EXPECT_THAT(Judge(File("/usr/bin/good2", "bad")), IsEmpty());
}

TEST_F(Ima, ADeniedPathCoversBuffers) {
  policy_.deny_paths = Whole("kexec-cmdline");
  policy_.buffers = {{Whole("kexec-cmdline"), true, {}}};
  EXPECT_ONLY(Judge(Buffer("kexec-cmdline", "ro")), kImaFileDenied);
}

TEST_F(Ima, OfAnExcludedPathNothingIsAsked) {
  policy_.exclude = Below("/var/lib");
  EXPECT_THAT(Judge(File("/var/lib/state", "whatever")), IsEmpty());
  EXPECT_ONLY(Judge(File("/var/lib", "whatever")), kImaFileUnlisted);
}

// The pattern is given the whole path and nothing else: what it matches of it is its own business.
TEST_F(Ima, Adversarial_M7_PatternsSeeTheWholePath) {
  std::vector<std::string> asked;
  policy_.exclude = TextRule{"regex '/tmp/.*'", [&asked](std::string_view path) {
                               asked.emplace_back(path);
                               return path.starts_with("/tmp/");
                             }};
  EXPECT_ONLY(Judge(File("/usr/bin/evil /tmp/x", "evil")), kImaFileUnlisted);
  EXPECT_THAT(asked, ElementsAre("/usr/bin/evil /tmp/x"));
}

// --- M2: violations

TEST_F(Ima, Adversarial_M2_AViolationIsRefusedUnlessItsPathIsNamed) {
  Made violation = File("/var/log/syslog", "");
  violation.entry.violation = true;
  const auto findings = Judge(violation);
  EXPECT_ONLY(findings, kImaViolation);
  EXPECT_EQ(findings[0].detail,
            "'/var/log/syslog', first seen 2026-11-22T06:00:00Z: the kernel could not measure it, for it was open for "
            "writing (a violation). To accept it, name its path in violations");
  policy_.violations = Whole("/var/log/syslog");
  EXPECT_THAT(Judge(violation), IsEmpty());
  violation.path = "/var/log/syslog.1";
  EXPECT_ONLY(Judge(violation), kImaViolation);
}

TEST_F(Ima, Adversarial_M2_NeitherExcludeNorAListAcceptsAViolation) {
  policy_.exclude = Below("/usr");
  Made violation = File("/usr/bin/good", "good");
  violation.entry.violation = true;
  EXPECT_ONLY(Judge(violation), kImaViolation);
}

// --- M5: names

TEST_F(Ima, Adversarial_M5_OddNamesArePrintableInFindings) {
  for (const std::string& name :
       {std::string("/tmp/a\nima entry 9: all is well"), std::string("/tmp/\x1b[2Jx"), std::string("/tmp/\xff\xfe"),
        std::string("/tmp/a\\x0a"), std::string("/tmp/\0x", 7), "/" + std::string(5000, 'n')}) {
    const auto findings = Judge(File(name, "odd"));
    EXPECT_ONLY(findings, kImaFileUnlisted);
    EXPECT_TRUE(IsUtf8(findings[0].detail));
    EXPECT_EQ(findings[0].detail.find_first_of("\n\x1b"), std::string::npos);
    EXPECT_THAT(findings[0].detail, AllOf(HasSubstr(EncodeHex(Sha256("odd"))), HasSubstr("exclude its path")));
    EXPECT_LT(findings[0].detail.size(), 1000U);
  }
}

TEST_F(Ima, Adversarial_M5_TemplateNamesArePrintableInFindings) {
  Made made = File("/x", "x");
  made.entry.unknown_fields = true;
  made.entry.template_name = "d-ng|\n\xff";
  const auto findings = Judge(made);
  EXPECT_ONLY(findings, kImaEntryUnexpected);
  EXPECT_THAT(findings[0].detail, HasSubstr("'d-ng|\\x0a\\xff'"));
}

// --- M8: a path is no proof

TEST_F(Ima, Adversarial_M8_APathAloneNeverAccepts) {
  policy_.match_paths = true;
  EXPECT_ONLY(Judge(File("/usr/bin/good", "evil")), kImaFileUnlisted);
  policy_.match_paths = false;
  EXPECT_ONLY(Judge(File("/usr/bin/good", "evil")), kImaFileUnlisted);
}

TEST_F(Ima, Adversarial_M8_ALaterEntryCalledBootAggregateIsAFile) {
  EXPECT_ONLY(Judge(File("boot_aggregate", "evil")), kImaFileUnlisted);
  Made claims_to_be = File("boot_aggregate", "evil");
  claims_to_be.entry.boot_aggregate = true;  // whatever anybody says of it
  EXPECT_ONLY(Judge(claims_to_be), kImaFileUnlisted);
}

TEST_F(Ima, Adversarial_M8_TheSamePathInAContainerIsNoFileOfTheHost) {
  AddSet(SetOf({{"/app/server", "server"}}), true);
  policy_.container_paths = Below("/run/containers");
  EXPECT_THAT(Judge(File("/run/containers/1/app/server", "server")), IsEmpty());
  EXPECT_ONLY(Judge(File("/app/server", "server")), kImaFileUnlisted);
}

// --- M11

TEST_F(Ima, Adversarial_M11_ATemplateWithUnknownFieldsIsRefused) {
  Made made = File("/usr/bin/good", "good");
  made.entry.unknown_fields = true;
  made.entry.template_name = "d-ng|n-ng|iuid";
  policy_.exclude = Below("/usr");
  const auto findings = Judge(made);
  EXPECT_ONLY(findings, kImaEntryUnexpected);
  EXPECT_THAT(findings[0].detail, HasSubstr("d-ng|n-ng|iuid"));
}

TEST_F(Ima, Adversarial_M11_AnEntryWithoutPathIsRefused) {
  EXPECT_ONLY(Judge(File("", "good")), kImaEntryUnexpected);
}

TEST_F(Ima, Adversarial_M11_AViolationOfAnUnknownTemplateIsRefused) {
  Made made = File("/var/log/syslog", "");
  made.entry.unknown_fields = true;
  made.entry.violation = true;
  policy_.violations = Whole("/var/log/syslog");
  EXPECT_ONLY(Judge(made), kImaEntryUnexpected);
}

// --- buffers

TEST_F(Ima, ABufferThatNoRuleCoversIsRefused) {
  policy_.exclude = TextRule{"everything", [](std::string_view) { return true; }};
  const auto findings = Judge(Buffer("kexec-cmdline", "ro quiet"));
  EXPECT_ONLY(findings, kImaEntryUnexpected);
  EXPECT_THAT(findings[0].detail, AllOf(HasSubstr("buffer 'kexec-cmdline' sha256:"), HasSubstr("no rule covers"),
                                        HasSubstr("add it to the policy's buffers")));
}

TEST_F(Ima, ABufferIsAcceptedByItsDigestOrByNameAlone) {
  policy_.buffers = {{Whole("kexec-cmdline"), false, {Sha256("ro quiet")}}, {Whole("dm_table_load"), true, {}}};
  EXPECT_THAT(Judge(Buffer("kexec-cmdline", "ro quiet")), IsEmpty());
  EXPECT_THAT(Judge(Buffer("dm_table_load", "whatever")), IsEmpty());
  const auto findings = Judge(Buffer("kexec-cmdline", "rw init=/bin/sh"));
  EXPECT_ONLY(findings, kImaEntryUnexpected);
  EXPECT_THAT(findings[0].detail, HasSubstr("does not list its digest"));
}

TEST_F(Ima, ABuffersRuleIsNoRuleForFilesAndAListOfFilesNoneForBuffers) {
  policy_.buffers = {{Whole("/usr/bin/evil"), true, {}}};
  EXPECT_ONLY(Judge(File("/usr/bin/evil", "evil")), kImaFileUnlisted);
  EXPECT_ONLY(Judge(Buffer("/usr/bin/good", "good")), kImaEntryUnexpected);
}

TEST_F(Ima, ABufferWithASha1DigestIsAcceptedByNameAlone) {
  Made made = Buffer(".ima", "key");
  made.digest = crypto::Hash(HashAlgorithm::kSha1, AsBytes("key"));
  made.entry.algorithm = HashAlgorithm::kSha1;
  policy_.buffers = {{Whole(".ima"), false, {made.digest}}};
  EXPECT_ONLY(Judge(made), kImaEntryUnexpected);
  policy_.buffers[0].any = true;
  EXPECT_THAT(Judge(made), IsEmpty());
}

// --- containers

class ImaContainers : public Ima {
 protected:
  ImaContainers() {
    AddSet(SetOf({{"/app/server", "server"}}), true);
    policy_.container_paths = Below("/run/containers");
  }
  static Made Inside(const std::string& content) { return File("/run/containers/1/app/server", content); }
};

TEST_F(ImaContainers, ListedByAnySet) {
  policy_.containers = ImaPolicy::Containers::kListed;
  EXPECT_THAT(Judge(Inside("server")), IsEmpty());
  EXPECT_THAT(Judge(Inside("good")), IsEmpty());
  EXPECT_ONLY(Judge(Inside("evil")), kImaFileUnlisted);
}

TEST_F(ImaContainers, ImagesCountAlone) {
  policy_.containers = ImaPolicy::Containers::kImages;
  EXPECT_THAT(Judge(Inside("server")), IsEmpty());
  const auto findings = Judge(Inside("good"));
  EXPECT_ONLY(findings, kImaFileUnlisted);
  EXPECT_THAT(findings[0].detail, HasSubstr("a set of the reference values from images"));
}

TEST_F(ImaContainers, AnyIsAcceptedWithinThemAloneAndNotWhatIsDenied) {
  policy_.containers = ImaPolicy::Containers::kAny;
  policy_.deny_digests = {Sha256("evil")};
  EXPECT_THAT(Judge(Inside("unheard of")), IsEmpty());
  EXPECT_ONLY(Judge(Inside("evil")), kImaFileDenied);
  EXPECT_ONLY(Judge(File("/run/x", "unheard of")), kImaFileUnlisted);
  Made violation = Inside("x");
  violation.entry.violation = true;
  EXPECT_ONLY(Judge(violation), kImaViolation);
}

TEST_F(ImaContainers, WithoutContainerPathsNothingIsInAContainer) {
  policy_.container_paths.reset();
  policy_.containers = ImaPolicy::Containers::kAny;
  EXPECT_ONLY(Judge(Inside("server")), kImaFileUnlisted);
}

TEST_F(ImaContainers, MatchPathsTakesAPathThatEndsInTheListedOne) {
  policy_.match_paths = true;
  policy_.containers = ImaPolicy::Containers::kImages;
  EXPECT_THAT(Judge(Inside("server")), IsEmpty());
  EXPECT_ONLY(Judge(File("/run/containers/1/tmp/server", "server")), kImaFileUnlisted);
  EXPECT_ONLY(Judge(File("/run/containers/1/my-app/server2", "server")), kImaFileUnlisted);
  // Not within a component.
  EXPECT_ONLY(Judge(File("/run/containers/1x/app/server/y", "server")), kImaFileUnlisted);
}

TEST_F(ImaContainers, MatchPathsOfPackagesAsksForTheWholePath) {
  policy_.match_paths = true;
  EXPECT_ONLY(Judge(File("/run/containers/1/usr/bin/good", "good")), kImaFileUnlisted);
}

// --- time

TEST_F(Ima, WhatRestsOnASetHoldsNoLongerThanTheSet) {
  sets_.clear();
  AddSet(SetOf({{"/a", "a"}, {"/b", "b"}}), false, kLater);
  AddSet(SetOf({{"/b", "b"}, {"/c", "c"}}), false, kMuchLater);
  AddSet(SetOf({{"/d", "d"}}));
  auto holds = [&](const std::vector<Made>& all) {
    ImaAppraisal appraisal = Appraisal();
    JudgeInto(appraisal, all);
    return appraisal.holds_until();
  };
  EXPECT_EQ(holds({File("/d", "d")}), std::nullopt);
  EXPECT_EQ(holds({File("/b", "b"), File("/d", "d")}), kMuchLater) << "the set that holds longest counts";
  EXPECT_EQ(holds({File("/b", "b"), File("/a", "a"), File("/c", "c")}), kLater);
  EXPECT_EQ(holds({File("/evil", "evil")}), std::nullopt);
}

TEST_F(Ima, ASetThatHasEndedListsNothing) {
  sets_.clear();
  AddSet(SetOf({{"/a", "a"}}), false, kNow);
  EXPECT_ONLY(Judge(File("/a", "a")), kImaFileUnlisted);
}

}  // namespace
}  // namespace gatehouse::appraisal
