// NodePolicy.tpm.boot: each field reaches the loaded form, and what cannot mean what it says is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/policy/tpm_builder.h"

namespace gatehouse::policy {
namespace {

using appraisal::Accepted;
using claims::BootPart;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Error RefusalOf(const std::string& from, const std::string& to) {
  return Refusal(Edited(MeasuredPolicyYaml(), from, to) + "---\n" + MeasuredValuesYaml() + "---\n" + TrustRootYaml());
}

bool Matches(const Accepted& accepted, std::string_view text) {
  return std::any_of(accepted.texts.begin(), accepted.texts.end(),
                     [&](const appraisal::TextRule& rule) { return rule.matches(text); });
}

Bytes Raw(const std::string& end, std::size_t bytes = 32) {
  return DecodeHex(Hex(end, bytes)).value();
}
Digest PrintOf(const std::string& end) {
  return Digest::Parse("sha256:" + Hex(end)).value();
}

// A policy of nothing but a boot; `boot` is in flow style.
std::string BootYaml(const std::string& boot, const std::string& beside = "") {
  return "apiVersion: gatehouse.dev/v1alpha1\nkind: NodePolicy\nmetadata: {name: b}\nspec:\n  nodes: [{glob: \"*\"}]\n"
         "  tpm:\n    trustRoots: [vendors]\n" +
         beside + "    boot: " + boot + "\n";
}
NodePolicy OnlyBoot(const std::string& boot) {
  PolicySet set = Loaded({BootYaml(boot), TrustRootYaml()});
  return set.node_policies.empty() ? NodePolicy{} : set.node_policies[0];
}
Error BootRefusal(const std::string& boot, const std::string& beside = "") {
  return Refusal(BootYaml(boot, beside) + "---\n" + TrustRootYaml() + "---\n" + ReferenceValuesYaml());
}

TEST(BootPolicy, EveryFieldArrives) {
  NodePolicy policy = MeasuredPolicy();
  ASSERT_NE(policy.boot, nullptr);
  const appraisal::BootPolicy& boot = *policy.boot;
  EXPECT_EQ(boot.bank, HashAlgorithm::kSha256);
  EXPECT_EQ(boot.pcrs, 0x3B7U);
  EXPECT_TRUE(boot.secure_boot);
  const Digest certificate = FirmwareCa().certificate().Fingerprint();
  ASSERT_THAT(boot.keys, SizeIs(4));
  EXPECT_TRUE(boot.keys.at("PK").only);
  EXPECT_THAT(boot.keys.at("PK").listed, ElementsAre(PrintOf("a1")));
  EXPECT_TRUE(boot.keys.at("KEK").only);
  EXPECT_THAT(boot.keys.at("KEK").listed, ElementsAre(PrintOf("a2"), certificate));
  EXPECT_TRUE(boot.keys.at("db").only);
  EXPECT_THAT(boot.keys.at("db").listed, ElementsAre(PrintOf("a3"), PrintOf("a4")));
  EXPECT_EQ(boot.keys.at("db").at_least, std::nullopt);
  EXPECT_FALSE(boot.keys.at("dbx").only);
  EXPECT_THAT(boot.keys.at("dbx").listed, ElementsAre(PrintOf("a5"), certificate));
  EXPECT_EQ(boot.keys.at("dbx").at_least, 371U);
  EXPECT_THAT(boot.signers, ElementsAre(PrintOf("b1"), certificate));
  EXPECT_TRUE(boot.allow_insecure_debug_mode);
  EXPECT_THAT(boot.required_words, ElementsAre("ro"));
  EXPECT_THAT(boot.forbidden_words, ElementsAre("init=", "ima_policy=none"));
  EXPECT_TRUE(boot.needs_command_line);
  ASSERT_THAT(boot.ignored, SizeIs(2));
  EXPECT_EQ(boot.ignored[0].pcr, 1U);
  EXPECT_EQ(boot.ignored[0].type, std::nullopt);
  EXPECT_EQ(boot.ignored[1].pcr, 5U);
  EXPECT_EQ(boot.ignored[1].type, 0x80000006U);
}

TEST(BootPolicy, EveryPartArrivesWithEveryFormOfARule) {
  const appraisal::AcceptedParts parts = MeasuredPolicy().boot->accepted;
  std::size_t listed = 0;
  for (std::string_view name : claims::kBootPartNames) {
    SCOPED_TRACE(name);
    const BootPart part = *claims::ParseBootPart(name);
    if (!MayBeListed(name)) {
      EXPECT_FALSE(parts.contains(part));
      continue;
    }
    ++listed;
    ASSERT_TRUE(parts.contains(part));
    const Accepted& accepted = parts.at(part);
    EXPECT_FALSE(accepted.any);
    const bool line = part == BootPart::kCommandLine;
    EXPECT_THAT(accepted.digests, ElementsAre(Raw(line ? "c1" : "d1")));
    if (!TakesTexts(name)) {
      EXPECT_THAT(accepted.texts, IsEmpty());
      continue;
    }
    for (const char* good :
         {line ? "ro quiet" : "text", line ? "ro root=/dev/sda1" : "glob-1", line ? "ro splash" : "regex-7"})
      EXPECT_TRUE(Matches(accepted, good)) << good;
    for (const char* bad : {"", "ro", "text ", " text", "a glob-1", "glob-a/b", "regex-77", "aregex-7", "ro splash b"})
      EXPECT_FALSE(Matches(accepted, bad)) << bad;
  }
  EXPECT_EQ(listed, 15U);
}

TEST(BootPolicy, Defaults) {
  const appraisal::BootPolicy boot = *OnlyBoot("{secureBoot: notRequired, accept: {firmware: {any: true}}}").boot;
  EXPECT_EQ(boot.bank, HashAlgorithm::kSha256);
  std::uint32_t pcrs = 0;
  for (unsigned pcr : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U, 9U, 11U, 12U, 13U, 14U}) pcrs |= 1U << pcr;
  EXPECT_EQ(boot.pcrs, pcrs);
  EXPECT_FALSE(boot.secure_boot);
  EXPECT_THAT(boot.keys, IsEmpty());
  EXPECT_THAT(boot.signers, IsEmpty());
  EXPECT_FALSE(boot.allow_insecure_debug_mode);
  EXPECT_THAT(boot.required_words, IsEmpty());
  EXPECT_THAT(boot.forbidden_words, IsEmpty());
  EXPECT_FALSE(boot.needs_command_line);
  EXPECT_THAT(boot.ignored, IsEmpty());
  ASSERT_THAT(boot.accepted, SizeIs(1));
  EXPECT_TRUE(boot.accepted.at(BootPart::kFirmware).any);
  EXPECT_EQ(OnlyBoot("{secureBoot: required, pcrs: [7]}").boot->pcrs, 0x80U);
  NodePolicy without = Loaded({NodePolicyYaml(), TrustRootYaml()}).node_policies.at(0);
  EXPECT_EQ(without.boot, nullptr);
  EXPECT_EQ(without.ima, nullptr);
}

TEST(BootPolicy, DigestsAreThoseOfItsBank) {
  for (auto bank : {HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    const std::string name(Name(bank));
    const std::string digest = Hex("d1", DigestSize(bank));
    auto boot =
        OnlyBoot("{bank: " + name + ", secureBoot: notRequired, accept: {initrds: {digests: [" + digest + "]}}}").boot;
    EXPECT_EQ(boot->bank, bank);
    EXPECT_THAT(boot->accepted.at(BootPart::kInitrds).digests, ElementsAre(Raw("d1", DigestSize(bank))));
    Error error =
        BootRefusal("{bank: " + name + ", secureBoot: notRequired, accept: {initrds: {digests: [" + Hex("d1") + "]}}}");
    EXPECT_THAT(error.detail, HasSubstr("is not a digest of the " + name + " bank"));
  }
}

TEST(BootPolicy, DigestsAreSorted) {
  auto boot = OnlyBoot("{secureBoot: notRequired, accept: {initrds: {digests: [" + Hex("d3") + ", " + Hex("d1") + ", " +
                       Hex("d2") + "]}}}")
                  .boot;
  EXPECT_THAT(boot->accepted.at(BootPart::kInitrds).digests, ElementsAre(Raw("d1"), Raw("d2"), Raw("d3")));
}

TEST(BootPolicy, ExactTextsMayHoldLineBreaks) {
  auto boot =
      OnlyBoot(R"({secureBoot: notRequired, accept: {loaderCommands: {exact: ["menuentry a {\n\tlinux b\n}"]}}})").boot;
  EXPECT_TRUE(Matches(boot->accepted.at(BootPart::kLoaderCommands), "menuentry a {\n\tlinux b\n}"));
}

TEST(BootPolicy, WhereTheCommandLineMayStand) {
  const std::string begin = "{secureBoot: notRequired, accept: {commandLine: {any: true}, firmware: {any: true}}";
  EXPECT_TRUE(OnlyBoot(begin + "}").boot->accepted.at(BootPart::kCommandLine).any);
  EXPECT_FALSE(OnlyBoot(begin + "}").boot->needs_command_line);
  Error error = BootRefusal(begin + ", commandLine: {required: [ro]}}");
  EXPECT_THAT(error.where, HasSubstr("$.spec.tpm.boot.accept.commandLine"));
  EXPECT_THAT(error.detail, HasSubstr("is said twice"));
}

TEST(BootPolicy, AmongTheAcceptedPartsItIsARuleAsWell) {
  const std::string begin = "{secureBoot: notRequired, accept: {firmware: {any: true}, commandLine: {";
  EXPECT_TRUE(OnlyBoot(begin + "exact: [ro]}}}").boot->needs_command_line);
  EXPECT_FALSE(OnlyBoot(begin + "exact: [ro], digests: [" + Hex("c1") + "]}}}").boot->needs_command_line);
  EXPECT_THAT(BootRefusal(begin + "exact: [ro]}}, pcrs: [4]}").detail, HasSubstr("PCR 8, 9 or 12"));
  for (const std::string& rule : {std::string("exact: [ro]"), "digests: [" + Hex("c1") + "]"})
    EXPECT_THAT(BootRefusal(begin + rule + "}}, ignore: [{pcr: 8}]}").detail, HasSubstr("may be the command line"));
  EXPECT_THAT(OnlyBoot(begin + "any: true}}, ignore: [{pcr: 8}]}").boot->ignored, SizeIs(1));
}

TEST(BootPolicy, ItsTextIsNeededUnlessTheDigestIsEnough) {
  const std::string begin = "{secureBoot: notRequired, accept: {firmware: {any: true}}, commandLine: {";
  const std::pair<std::string, bool> kCases[] = {
      {"required: [ro]", true},
      {"forbidden: [init=]", true},
      {"exact: [ro]", true},
      {"globs: [ro *]", true},
      {"digests: [" + Hex("c1") + "]", false},
      {"exact: [ro], digests: [" + Hex("c1") + "]", false},
      {"forbidden: [init=], digests: [" + Hex("c1") + "]", true},
  };
  for (const auto& [line, needed] : kCases)
    EXPECT_EQ(OnlyBoot(begin + line + "}}").boot->needs_command_line, needed) << line;
}

TEST(BootPolicy, WordsAloneAcceptAnyTextUnlessReferenceValuesListSome) {
  const std::string exact = R"(        exact: ["ro quiet"]
        globs: ["ro root=**"]
        regexes: ["ro (quiet|splash)?"]
        digests: [)" + Hex("c1") +
                            "]\n";
  const std::string words = Edited(MeasuredPolicyYaml(), exact, "");
  NodePolicy listed = Measured(words).node_policies.at(0);
  EXPECT_FALSE(listed.boot->accepted.contains(BootPart::kCommandLine));
  const std::string line = PartsYaml(10, true);
  auto begin = line.find("          commandLine");
  const std::string only_line = line.substr(begin, line.find('\n', begin) + 1 - begin);
  NodePolicy free = Measured(words, Edited(MeasuredValuesYaml(), only_line, "")).node_policies.at(0);
  ASSERT_TRUE(free.boot->accepted.contains(BootPart::kCommandLine));
  EXPECT_TRUE(Matches(free.boot->accepted.at(BootPart::kCommandLine), "ro anything"));
  EXPECT_TRUE(free.boot->needs_command_line);
  EXPECT_THAT(free.boot->forbidden_words, ElementsAre("init=", "ima_policy=none"));
  NodePolicy own = MeasuredPolicy();
  EXPECT_FALSE(Matches(own.boot->accepted.at(BootPart::kCommandLine), "ro anything"));
}

TEST(BootPolicy, TypesOfEvents) {
  const std::pair<std::string, std::uint32_t> kCases[] = {
      {"EV_EFI_GPT_EVENT", 0x80000006},      {"\"0x80000006\"", 0x80000006}, {"EV_POST_CODE", 1},
      {"EV_EFI_VARIABLE_BOOT2", 0x8000000C}, {"\"0xffffffff\"", 0xffffffff}, {"EV_PREBOOT_CERT", 0},
  };
  for (const auto& [text, type] : kCases)
    EXPECT_EQ(MeasuredPolicy("EV_EFI_GPT_EVENT", text).boot->ignored.at(1).type, type) << text;
}

// E12, K3: neither is an empty rule a pass, nor does it look like a rule.
TEST(Adversarial_E12, AnEmptyBootPolicyIsNoPolicy) {
  EXPECT_THAT(BootRefusal("{}").detail, HasSubstr("is required: required or notRequired"));
  EXPECT_THAT(BootRefusal("{secureBoot: notRequired}").detail, HasSubstr("no boot would do"));
  EXPECT_THAT(BootRefusal("{secureBoot: required}").where, HasSubstr("$.spec.tpm.boot.accept"));
  EXPECT_THAT(BootRefusal("{secureBoot: notRequired, pcrs: [7]}").detail, HasSubstr("every boot would pass"));
  EXPECT_THAT(BootRefusal("{secureBoot: notRequired, accept: {}}").detail, HasSubstr("names no part of a boot"));
  EXPECT_THAT(BootRefusal("{secureBoot: notRequired, accept: {firmware: {}}}").detail, HasSubstr("accepts nothing"));
  EXPECT_THAT(BootRefusal("{secureBoot: notRequired, accept: {firmware: {any: false}}}").detail,
              HasSubstr("accepts nothing"));
  EXPECT_EQ(BootRefusal("null").reason, Reason::kPolicyInvalid);
  // Reference values say what is good.
  PolicySet set = Loaded({BootYaml("{secureBoot: notRequired}", "    referenceValues: [measured]\n"),
                          MeasuredValuesYaml(), TrustRootYaml()});
  EXPECT_THAT(set.node_policies.at(0).boot->accepted, IsEmpty());
  ASSERT_THAT(set.node_policies.at(0).reference_sets, SizeIs(2));
  EXPECT_THAT(set.node_policies.at(0).reference_sets[0].boot, SizeIs(15));
}

TEST(Adversarial_K3, WhatAcceptsEveryTextIsSaidByAny) {
  for (const char* form : {"regexes: [\".*\"]", "regexes: [\".+\"]", "regexes: [\"(?s).*\"]", "globs: [\"**\"]",
                           "regexes: [\"a|.*\"]", "regexes: [\"[^q]*\"]"}) {
    Error error = BootRefusal("{secureBoot: notRequired, accept: {firmware: {" + std::string(form) + "}}}");
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << form;
    EXPECT_THAT(error.detail, HasSubstr("accepts every text; write any: true")) << form;
  }
}

TEST(BootPolicy, Refused) {
  const std::string parts = "$.spec.tpm.boot.accept";
  const Wrong kCases[] = {
      {"bank: sha256", "bank: sha1", "$.spec.tpm.boot.bank", "must be one of sha256, sha384, sha512"},
      {"pcrs: [0,", "pcrs: [10,", "$.spec.tpm.boot.pcrs", "PCR 10 is IMA's"},
      {"pcrs: [0,", "pcrs: [16,", "$.spec.tpm.boot.pcrs", "can be reset"},
      {"pcrs: [0,", "pcrs: [23,", "$.spec.tpm.boot.pcrs", "can be reset"},
      {"pcrs: [0,", "pcrs: [24,", "$.spec.tpm.boot.pcrs", "from 0 to 23"},
      {"pcrs: [0,", "pcrs: [-1,", "$.spec.tpm.boot.pcrs", "from 0 to 23"},
      {"pcrs: [0,", "pcrs: [\"0\",", "$.spec.tpm.boot.pcrs", "from 0 to 23"},
      {"pcrs: [0,", "pcrs: [1,", "$.spec.tpm.boot.pcrs", "lists PCR 1 twice"},
      {"pcrs: [0, 1, 2, 4, 5, 7, 8, 9]", "pcrs: []", "$.spec.tpm.boot.pcrs", "not empty"},
      {"pcrs: [0, 1, 2, 4, 5, 7, 8, 9]", "pcrs: 7", "$.spec.tpm.boot.pcrs", "a list of numbers"},
      {"pcrs: [0, 1, 2, 4, 5, 7, 8, 9]", "pcrs: [0, 1, 5, 8]", "$.spec.tpm.boot.pcrs", "must have PCR 7"},
      {"pcrs: [0, 1, 2, 4, 5, 7, 8, 9]", "pcrs: [0, 1, 5, 7]", "$.spec.tpm.boot.pcrs", "must have PCR 8, 9 or 12"},
      {"      secureBoot: required\n", "", "$.spec.tpm.boot.secureBoot", "somebody writes down"},
      {"secureBoot: required", "secureBoot: true", "$.spec.tpm.boot.secureBoot", "must be a string"},
      {"secureBoot: required", "secureBoot: optional", "$.spec.tpm.boot.secureBoot", "must be one of"},
      {"secureBoot: required", "secureBoot: notRequired", "$.spec.tpm.boot.secureBootKeys", "proves nothing"},
      {"pk: {only: [" + Print("a1") + "]}", "pk: {}", "$.spec.tpm.boot.secureBootKeys.pk", "asks for nothing"},
      {"pk: {only: [" + Print("a1") + "]}", "pk: {only: []}", "$.spec.tpm.boot.secureBootKeys.pk.only", "not be empty"},
      {"pk: {only: [", "pk: {contains: [", "$.spec.tpm.boot.secureBootKeys.pk", "unknown field 'contains'"},
      {"pk: {only", "PK: {only", "$.spec.tpm.boot.secureBootKeys", "did you mean 'pk'"},
      {"db: {only: [" + Print("a3"), "db: {only: [" + Print("a4"), "$.spec.tpm.boot.secureBootKeys.db.only", "twice"},
      {Print("a1"), Hex("a1"), "$.spec.tpm.boot.secureBootKeys.pk.only", "is not a fingerprint"},
      {Print("a1"), "\"sha384:" + Hex("a1", 48) + "\"", "$.spec.tpm.boot.secureBootKeys.pk.only", "not a fingerprint"},
      {Print("a1"), "\"sha1:" + Hex("a1", 20) + "\"", "$.spec.tpm.boot.secureBootKeys.pk.only", "not a fingerprint"},
      {"        dbx:\n          contains", "        dbx:\n          only", "$.spec.tpm.boot.secureBootKeys.dbx",
       "unknown field 'only'"},
      {"atLeast: 371", "atLeast: 0", "$.spec.tpm.boot.secureBootKeys.dbx.atLeast", "from 1 to"},
      {"atLeast: 371", "atLeast: many", "$.spec.tpm.boot.secureBootKeys.dbx.atLeast", "an integer"},
      {"- " + Print("b1"), "- " + Print("b1") + "\n        - " + Print("b1"), "$.spec.tpm.boot.signers", "twice"},
      {"- " + Print("b1"), "- \"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n\"",
       "$.spec.tpm.boot.signers", "", Reason::kCertificateMalformed},
      {"allowInsecureDebugMode: true", "allowInsecureDebugMode: \"true\"", "$.spec.tpm.boot.allowInsecureDebugMode",
       "true or false"},
      {"allowInsecureDebugMode", "allowDebugMode", "$.spec.tpm.boot", "unknown field 'allowDebugMode'"},
      {"        firmware: {", "        firmwares: {", parts, "did you mean 'firmware'"},
      {"        firmware: {", "        authorities: {", parts + ".authorities", "write boot.signers"},
      {"        firmware: {", "        secureBootKeys: {", parts + ".secureBootKeys", "write boot.secureBootKeys"},
      {"        firmware: {", "        separators: {", parts + ".separators", "always judged"},
      {"        firmware: {", "        phases: {", parts + ".phases", "in their order"},
      {"        firmware: {digests", "        firmware: {digest", parts + ".firmware", "did you mean 'digests'"},
      {"        firmware: {digests", "        firmware: {any: true, digests", parts + ".firmware.any",
       "decides nothing"},
      {"        firmware: {digests: [" + Hex("d1"), "        firmware: {digests: [" + Hex("d1").substr(1),
       parts + ".firmware.digests", "is not a digest"},
      {"        firmware: {digests: [" + Hex("d1"), "        firmware: {digests: [" + Hex("d1", 20),
       parts + ".firmware.digests", "SHA-1, which proves nothing"},
      {"        firmware: {digests: [", "        firmware: {digests: [" + Hex("d1") + ", ", parts + ".firmware.digests",
       "twice"},
      {"        firmware: {digests: [" + Hex("d1"), "        firmware: {digests: [", parts + ".firmware.digests",
       "must not be empty"},
      {"exact: [text]", "exact: [text, text]", parts + ".firmware.exact", "lists 'text' twice"},
      {"exact: [text]", "exact: [\"a\\0\"]", parts + ".firmware.exact", "NUL"},
      {"exact: [text]", "exact: [\"\"]", parts + ".firmware.exact", "must not be empty"},
      {"globs: [glob-*]", "globs: [\"glob-{a,b}\"]", parts + ".firmware.globs", "not a wildcard here"},
      {"regexes: [\"regex-[0-9]\"]", "regexes: [\"regex-[0-9\"]", parts + ".firmware.regexes", "RE2"},
      {"drivers: {digests", "drivers: {exact: [a], digests", parts + ".drivers.exact", "only digests are measured"},
      {"initrds: {digests", "initrds: {globs: [a], digests", parts + ".initrds.globs", "only digests are measured"},
      {"mok: {digests", "mok: {regexes: [a], digests", parts + ".mok.regexes", "only digests are measured"},
      {"exact: [\"ro quiet\"]", "exact: ro quiet", "$.spec.tpm.boot.commandLine.exact", "must be an array"},
      {"required: [ro]", "required: []", "$.spec.tpm.boot.commandLine.required", "must not be empty"},
      {"required: [ro]", "required: [\"ro quiet\"]", "$.spec.tpm.boot.commandLine.required", "is not one word"},
      {"required: [ro]", "required: [ro, ro]", "$.spec.tpm.boot.commandLine.required", "twice"},
      {"required: [ro]", "required: [init=]", "$.spec.tpm.boot.commandLine.forbidden", "which is required"},
      {"forbidden: [init=,", "forbidden: [\"=\",", "$.spec.tpm.boot.commandLine.forbidden", "is not one word"},
      {"required: [ro]", "any: true", "$.spec.tpm.boot.commandLine.any", "is for accept"},
      {"- {pcr: 1}", "- {pcr: 7}", "$.spec.tpm.boot.ignore[0].pcr", "proven by PCR 7"},
      {"- {pcr: 1}", "- {pcr: 8}", "$.spec.tpm.boot.ignore[0].pcr", "accept loaderCommands instead"},
      {"- {pcr: 1}", "- {pcr: 9, type: EV_IPL}", "$.spec.tpm.boot.ignore[0].pcr", "may be the command line"},
      {"- {pcr: 1}", "- {pcr: 14}", "$.spec.tpm.boot.ignore[0].pcr", "not among pcrs"},
      {"- {pcr: 1}", "- {pcr: 24}", "$.spec.tpm.boot.ignore[0].pcr", "from 0 to 23"},
      {"- {pcr: 1}", "- {type: EV_ACTION}", "$.spec.tpm.boot.ignore[0].pcr", "is required"},
      {"- {pcr: 1}", "- {pcr: 5}", "$.spec.tpm.boot.ignore[1]", "said before"},
      {"EV_EFI_GPT_EVENT", "EV_EFI_GPT", "$.spec.tpm.boot.ignore[1].type", "is not a type of events"},
      {"EV_EFI_GPT_EVENT", "EV_SEPARATOR", "$.spec.tpm.boot.ignore[1].type", "always judged"},
      {"EV_EFI_GPT_EVENT", "\"0x4\"", "$.spec.tpm.boot.ignore[1].type", "always judged"},
      {"EV_EFI_GPT_EVENT", "EV_NO_ACTION", "$.spec.tpm.boot.ignore[1].type", "is not a type of events"},
      {"EV_EFI_GPT_EVENT", "\"0x100000000\"", "$.spec.tpm.boot.ignore[1].type", "is not a type of events"},
      {"EV_EFI_GPT_EVENT", "\"0x\"", "$.spec.tpm.boot.ignore[1].type", "is not a type of events"},
  };
  for (const Wrong& c : kCases) {
    Error error = RefusalOf(c.from, c.to);
    EXPECT_EQ(error.reason, c.reason) << c.to;
    EXPECT_THAT(error.where, HasSubstr(c.where)) << c.to << error.ToString();
    EXPECT_THAT(error.detail, HasSubstr(c.detail)) << c.to;
  }
}

TEST(BootPolicy, SignersNeedSecureBoot) {
  Error error =
      BootRefusal("{secureBoot: notRequired, signers: [" + Print("b1") + "], accept: {firmware: {any: true}}}");
  EXPECT_THAT(error.where, HasSubstr("$.spec.tpm.boot.signers"));
  EXPECT_THAT(error.detail, HasSubstr("secureBoot: required"));
}

// Whatever a pattern costs is bounded before one of them is compiled.
TEST(BootPolicy, SoManyExpressionsAndNoMore) {
  auto many = [](int count) {
    std::string list;
    for (int i = 0; i < count; ++i) list += (i == 0 ? "\"x" : ", \"x") + std::to_string(i) + "[0-9]\"";
    return "{secureBoot: notRequired, accept: {firmware: {regexes: [" + list + "]}}}";
  };
  EXPECT_THAT(OnlyBoot(many(300)).boot->accepted.at(BootPart::kFirmware).texts, SizeIs(300));
  EXPECT_EQ(BootRefusal(many(301)).reason, Reason::kLimitExceeded);
}

TEST(BootPolicy, SoManyDigestsAndNoMore) {
  std::string list;
  for (int i = 0; i < 10'001; ++i) {
    std::string end = std::to_string(i);
    list += (i == 0 ? "\"" : ", \"") + Hex(std::string(end.size() % 2, '0') + end) + "\"";
  }
  EXPECT_THAT(BootRefusal("{secureBoot: notRequired, accept: {initrds: {digests: [" + list + "]}}}").detail,
              HasSubstr("more than 10000 entries"));
}

}  // namespace
}  // namespace gatehouse::policy
