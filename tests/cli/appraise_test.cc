// gatehouse appraise, over the evidence of real virtual machines and TPMs (skipped where the samples are not there).
#include <gmock/gmock.h>

#include <sstream>

#include "common/base/encoding.h"
#include "common/base/file.h"
#include "common/codec/json.h"
#include "tests/fakes/ima_log.h"
#include "tests/fakes/program.h"
#include "tests/fakes/software_tpm.h"
#include "tests/fakes/tpm_vectors.h"

namespace gatehouse::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Answer {
  int exit_code = -1;
  std::string result;
  std::vector<std::string> tokens;
  std::string text;  // all of it
};

Answer Appraise(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {fakes::BuiltProgram("gatehouse"), "appraise"});
  const fakes::Ran ran = fakes::RunProgram(std::move(arguments));
  Answer answer{.exit_code = ran.exit_code, .result = {}, .tokens = {}, .text = ran.out + ran.err};
  auto json = codec::JsonDocument::Parse(ran.out, {.max_bytes = 64 * limits::kMiB});
  if (!json.ok()) return answer;
  answer.result = json->root().Find("result")->AsString().value_or("");
  const auto reasons = *json->root().Find("reasons");
  for (std::size_t i = 0; i < reasons.size(); ++i)
    answer.tokens.emplace_back(reasons.at(i).Find("token")->AsString().value_or(""));
  EXPECT_TRUE(json->root().Find("claims").has_value());
  return answer;
}

class AppraiseVm : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(At("a1-baseline", "meta.json")))
      GTEST_SKIP() << "no samples at " << fakes::VectorsDir();
  }
  static std::string At(const std::string& machine, const std::string& file) {
    return (fakes::VectorsDir() / "own/measured-boot" / machine / file).string();
  }
  static std::string Nonce(const std::string& machine, const std::string& quote) {
    return EncodeHex(*fakes::ReadFileBytes(At(machine, "nonce-" + quote + ".bin")));
  }
  // Of one quote: its message, signature, key and nonce.
  static std::vector<std::string> Quote(const std::string& machine, const std::string& quote, const std::string& ak,
                                        const std::string& pcrs = "sha256:all") {
    return {"tpm",
            "--quote",
            At(machine, "quote-" + quote + ".msg"),
            "--signature",
            At(machine, "quote-" + quote + ".sig"),
            "--ak",
            At(machine, ak),
            "--pcrs",
            pcrs,
            "--nonce",
            Nonce(machine, quote)};
  }
  static std::vector<std::string> With(std::vector<std::string> arguments, const std::vector<std::string>& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  static std::vector<std::string> Logs(const std::string& machine, const std::string& ima = "after") {
    return {"--event-log", At(machine, "binary_bios_measurements"), "--ima-log", At(machine, "ima-" + ima + ".bin")};
  }
  fakes::ScratchFolder folder_;
};

TEST_F(AppraiseVm, AGoodBootWithItsLogs) {
  for (const std::string machine :
       {"a1-baseline", "a2-second-boot", "b1-sb-shim-grub", "c-cmdline", "u-uki", "t2-trixie-direct"}) {
    const Answer answer = Appraise(With(Quote(machine, "rsassa-1", "ak-rsassa.pem"), Logs(machine)));
    EXPECT_EQ(answer.exit_code, 0) << machine << ": " << answer.text;
    EXPECT_EQ(answer.result, "affirming") << machine;
    EXPECT_THAT(answer.text, HasSubstr("\"provenPcrs\"")) << machine;
  }
}

TEST_F(AppraiseVm, EveryFormOfAKeyAndASignature) {
  struct Case {
    const char* quote;
    const char* ak;
    const char* pcrs;
  };
  for (const Case& each :
       {Case{"rsassa-1", "ak-rsassa.pem", "sha256:0-23"}, Case{"rsapss-2", "ak-rsapss.tpm2b_public", "sha256:all"},
        Case{"ecdsa-1", "ak-ecdsa.pem", "sha256:all"}, Case{"ecdsa-2", "ak-ecdsa.tpm2b_public", "sha256:all"}}) {
    const Answer answer =
        Appraise(With(Quote("a1-baseline", each.quote, each.ak, each.pcrs),
                      {"--pcr-values", At("a1-baseline", std::string("quote-") + each.quote + ".pcrs")}));
    EXPECT_EQ(answer.exit_code, 0) << each.quote << ": " << answer.text;
    EXPECT_THAT(answer.text, HasSubstr("\"10\"")) << each.quote;
    EXPECT_THAT(answer.text, testing::Not(HasSubstr("\"16\""))) << "no claim may come of PCR 16";
  }
}

// Quotes over PCRs of two banks, with a plain signature: the padding of PSS is not in it, and is taken as it is. The
// kernel had no SHA-384 (PCR 10 of that bank is of padded SHA-1), which is said; by SHA-256 the log is proven.
TEST_F(AppraiseVm, PlainSignaturesOverTwoBanks) {
  for (const std::string key : {"rsassa", "rsapss", "ecdsa"}) {
    const Answer answer =
        Appraise(With(Quote("a1-baseline", key + "-3", "ak-" + key + ".tpm2b_public", "sha256:0-10,14+sha384:0,7,10"),
                      Logs("a1-baseline")));
    EXPECT_EQ(answer.exit_code, 0) << key << ": " << answer.text;
    EXPECT_THAT(answer.text, HasSubstr("\"paddedSha1\":[\"sha384\"]")) << key;
  }
}

// Counters are obfuscated for keys outside of the endorsement hierarchy: they say nothing about those of another key.
TEST_F(AppraiseVm, CountersOfAKeyOfTheOwnersHierarchyAreItsOwn) {
  const Answer endorsed = Appraise(Quote("a1-baseline", "rsassa-1", "ak-rsassa.pem"));
  const Answer owned = Appraise(Quote("a1-baseline", "owner-1", "ak-owner.pem"));
  EXPECT_EQ(endorsed.exit_code, 0) << endorsed.text;
  EXPECT_EQ(owned.exit_code, 0) << owned.text;
  EXPECT_THAT(endorsed.text, HasSubstr("\"resets\":2,"));
  EXPECT_THAT(owned.text, HasSubstr("\"resets\":798515768,"));
  // As a policy lists it; as a number it is beyond what readers of JSON keep.
  EXPECT_THAT(endorsed.text, HasSubstr("\"firmwareVersion\":\"0x2019102300163636\""));
}

TEST_F(AppraiseVm, WhatIsNotTheQuoteThatWasAskedFor) {
  const auto good = Quote("a1-baseline", "rsassa-1", "ak-rsassa.pem");
  const auto changed = [&](std::size_t at, const std::string& value) {
    auto arguments = good;
    arguments[at] = value;
    return arguments;
  };
  struct Case {
    const char* name;
    std::vector<std::string> arguments;
    const char* token;
  };
  for (const Case& each :
       std::vector<Case>{{"another nonce", changed(10, std::string(40, 'a')), "nonce-mismatch"},
                         {"another key", changed(6, At("a1-baseline", "ak-ecdsa.pem")), "signature-invalid"},
                         {"another selection", changed(8, "sha256:0-9"), "pcr-selection-mismatch"},
                         {"another bank", changed(8, "sha384:all"), "pcr-selection-mismatch"},
                         {"another message", changed(2, At("a1-baseline", "quote-rsassa-2.msg")), "signature-invalid"},
                         {"no quote", changed(2, At("a1-baseline", "app-certify.attest")), "signature-invalid"}}) {
    const Answer answer = Appraise(each.arguments);
    EXPECT_EQ(answer.exit_code, 1) << each.name;
    EXPECT_THAT(answer.tokens, ElementsAre(each.token)) << each.name;
  }
  EXPECT_THAT(Appraise(changed(8, "sha256:0-9")).text, HasSubstr("asked for: sha256:0-23\""));
  EXPECT_THAT(Appraise(Quote("a1-baseline", "rsassa-3", "ak-rsassa.tpm2b_public")).text,
              HasSubstr("asked for: sha256:0-10,14+sha384:0,7,10\""));
  auto certified = changed(2, At("a1-baseline", "app-certify.attest"));
  certified[4] = At("a1-baseline", "app-certify.sig");
  EXPECT_THAT(Appraise(certified).tokens, ElementsAre("quote-type-mismatch"));
}

TEST_F(AppraiseVm, TheLogMustReachTheQuoteAndMayGoBeyond) {
  EXPECT_EQ(Appraise(With(Quote("a1-baseline", "rsassa-1", "ak-rsassa.pem"), Logs("a1-baseline", "later"))).exit_code,
            0);
  const Answer shorter = Appraise(With(Quote("a1-baseline", "later", "ak-rsassa.pem"), Logs("a1-baseline", "before")));
  EXPECT_EQ(shorter.exit_code, 1);
  EXPECT_THAT(shorter.tokens, ElementsAre("pcr-digest-mismatch"));
  const Answer valued =
      Appraise(With(With(Quote("a1-baseline", "later", "ak-rsassa.pem"), Logs("a1-baseline", "before")),
                    {"--pcr-values", At("a1-baseline", "quote-later.pcrs")}));
  EXPECT_THAT(valued.tokens, ElementsAre("ima-log-mismatch"));
}

TEST_F(AppraiseVm, TheLogsOfAnotherBootAreNamed) {
  const Answer other =
      Appraise(With(Quote("a1-baseline", "rsassa-1", "ak-rsassa.pem"),
                    {"--pcr-values", At("a1-baseline", "quote-rsassa-1.pcrs"), "--event-log",
                     At("c-cmdline", "binary_bios_measurements"), "--ima-log", At("a1-baseline", "ima-after.bin")}));
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.tokens, ElementsAre("event-log-mismatch"));
  EXPECT_THAT(other.text, HasSubstr("pcr 9"));
}

TEST_F(AppraiseVm, AnUnsafeClockIsRefused) {
  const auto attest = evidence::tpm::ParseAttest(*fakes::ReadFileBytes(At("host-unsafe-clock", "quote.msg")));
  ASSERT_TRUE(attest.ok());
  const Answer unsafe = Appraise({"tpm", "--quote", At("host-unsafe-clock", "quote.msg"), "--signature",
                                  At("host-unsafe-clock", "quote.sig"), "--ak", At("host-unsafe-clock", "ak-ecdsa.pem"),
                                  "--pcrs", "sha256:0,10", "--nonce", EncodeHex(attest->extra_data)});
  EXPECT_EQ(unsafe.exit_code, 1);
  EXPECT_THAT(unsafe.tokens, ElementsAre("clock-rewound")) << unsafe.text;
}

// A policy that judges IMA logs by the digests of the machines' root file system, less those whose line has `without`.
std::string ImaPolicyOf(const std::string& sums_file, const std::string& rules, const std::string& without = "") {
  std::string sums;
  std::istringstream listed(*ReadTextFile(sums_file, 4 * limits::kMiB));
  for (std::string line; std::getline(listed, line);) {
    if (without.empty() || !line.ends_with(without)) sums += "            " + line + "\n";
  }
  return "apiVersion: gatehouse.dev/v1alpha1\nkind: NodePolicy\nmetadata: {name: vm}\nspec:\n  nodes: [{glob: "
         "\"**\"}]\n  tpm:\n    trustRoots: [none]\n    referenceValues: [rootfs]\n    ima:\n" +
         rules +
         "---\napiVersion: gatehouse.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: none}\nspec:\n  tpm:\n"
         "    pinned: [\"sha256:" +
         std::string(64, 'a') +
         "\"]\n---\napiVersion: gatehouse.dev/v1alpha1\nkind: ReferenceValues\nmetadata: {name: rootfs}\nspec:\n"
         "  sets:\n    - name: rootfs\n      tpm:\n        ima:\n          sha256sums: |\n" +
         sums;
}

// Signatures that evmctl made: a file whose digest no set has is accepted by its signature, and by that alone.
TEST_F(AppraiseVm, SignaturesOfARealKernelsLog) {
  std::string key;
  std::istringstream lines(*ReadTextFile(At("common", "ima-key/ima.crt"), limits::kMiB));
  for (std::string line; std::getline(lines, line);) key += "          " + line + "\n";
  const auto judge = [this](const std::string& rules) {
    (void)folder_.Write("policy.yaml", ImaPolicyOf(At("common", "rootfs-sha256.txt"), rules, "/usr/bin/id"));
    return Appraise(With(With(Quote("s-imasig-tis-sha256", "rsassa-1", "ak-rsassa.pem"), Logs("s-imasig-tis-sha256")),
                         {"--policy", folder_.At("policy.yaml")}));
  };
  const Answer unsigned_rules = judge("      bank: sha256\n");
  EXPECT_THAT(unsigned_rules.tokens, ElementsAre("ima-file-unlisted")) << unsigned_rules.text;
  EXPECT_THAT(unsigned_rules.text, HasSubstr("/usr/bin/id"));
  const Answer accepted = judge("      signatures:\n        accept: true\n        keys: |\n" + key);
  EXPECT_EQ(accepted.exit_code, 0) << accepted.text;
  const Answer required = judge(
      "      signatures:\n        accept: true\n        requiredFor: [\"/usr/bin/(id|bash)\"]\n        keys: |\n" +
      key);
  EXPECT_THAT(required.tokens, testing::Each("ima-signature-invalid")) << required.text;
  EXPECT_THAT(required.text, HasSubstr("/usr/bin/bash"));
}

TEST_F(AppraiseVm, ByAPolicy) {
  const std::string policy = folder_.At("policy.yaml");
  (void)folder_.Write("policy.yaml", ImaPolicyOf(At("common", "rootfs-sha256.txt"), "      bank: sha256\n"));
  const Answer tampered =
      Appraise(With(With(Quote("d-tamper", "rsassa-1", "ak-rsassa.pem"), Logs("d-tamper")), {"--policy", policy}));
  EXPECT_EQ(tampered.exit_code, 1) << tampered.text;
  EXPECT_THAT(tampered.text, HasSubstr("/usr/local/bin/evil"));
  EXPECT_THAT(tampered.text, HasSubstr("/usr/bin/id"));
  EXPECT_THAT(tampered.tokens, testing::Each("ima-file-unlisted"));
  const Answer good = Appraise(
      With(With(Quote("a1-baseline", "rsassa-1", "ak-rsassa.pem"), Logs("a1-baseline")), {"--policy", policy}));
  EXPECT_EQ(good.exit_code, 0) << good.text;
  const Answer without = Appraise(With(Quote("a1-baseline", "rsassa-1", "ak-rsassa.pem"),
                                       {"--policy", policy, "--pcr-values", At("a1-baseline", "quote-rsassa-1.pcrs")}));
  EXPECT_THAT(without.tokens, ElementsAre("ima-log-missing"));
}

// What `measure boot` proposes of each machine is a policy as it is, once its TrustRoot is there: it accepts the next
// boot of that machine and says of another boot what differs.
TEST_F(AppraiseVm, WhatIsProposedIsAPolicy) {
  const auto propose = [this](const std::string& machine) {
    const fakes::Ran ran = fakes::RunProgram({fakes::BuiltProgram("gatehouse"), "measure", "boot", "--log",
                                              At(machine, "binary_bios_measurements"), "--name", "node"});
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    const std::string root =
        "---\napiVersion: gatehouse.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: tpm-manufacturers}\nspec:\n"
        "  tpm:\n    pinned: [\"sha256:" +
        std::string(64, 'a') + "\"]\n";
    std::string documents = ran.out + root;
    const auto mode = documents.find("mode: warn");
    EXPECT_NE(mode, std::string::npos);
    (void)folder_.Write(machine + ".yaml", documents.replace(mode, 10, "mode: enforce"));
    return folder_.At(machine + ".yaml");
  };
  const auto judge = [](const std::string& machine, const std::string& policy) {
    return Appraise(With(Quote(machine, "rsassa-1", "ak-rsassa.pem"),
                         {"--pcr-values", At(machine, "quote-rsassa-1.pcrs"), "--event-log",
                          At(machine, "binary_bios_measurements"), "--policy", policy}));
  };
  for (const std::string machine : {"a1-baseline", "b1-sb-shim-grub", "c-cmdline", "t2-trixie-direct", "u-uki"}) {
    const Answer same = judge(machine, propose(machine));
    EXPECT_EQ(same.exit_code, 0) << machine << ": " << same.text;
  }
  const std::string baseline = folder_.At("a1-baseline.yaml");
  EXPECT_EQ(judge("a2-second-boot", baseline).result, "affirming") << "the next boot of the same machine";
  const Answer line = judge("c-cmdline", baseline);
  EXPECT_EQ(line.exit_code, 1);
  EXPECT_THAT(line.tokens, ElementsAre("command-line-refused"));
  EXPECT_THAT(line.text, HasSubstr("a command line whose text is not known, sha256 8aae52de"));
  EXPECT_THAT(line.text, HasSubstr("To accept it, list its digest under commandLine in a set of the reference values"));
  EXPECT_THAT(judge("u-uki", baseline).tokens, testing::Contains("boot-component-unlisted"));
  EXPECT_THAT(judge("a1-baseline", folder_.At("b1-sb-shim-grub.yaml")).tokens, testing::Contains("secure-boot-off"));
}

// E13: a log of a TDX guest is of RTMRs, and no log at all is none that passed.
TEST_F(AppraiseVm, Adversarial_E13_AnAbsentLogAndOneOfOtherRegisters) {
  (void)folder_.Write(
      "policy.yaml",
      "apiVersion: gatehouse.dev/v1alpha1\nkind: NodePolicy\nmetadata: {name: vm}\nspec:\n"
      "  nodes: [{glob: \"**\"}]\n  tpm:\n    identity: {requireEkHash: {hashes: [\"sha256:" +
          std::string(64, 'a') +
          "\"]}}\n    boot:\n      pcrs: [0, 1, 2, 3, 4]\n      secureBoot: notRequired\n      accept:\n"
          "        firmware: {any: true}\n        platformConfig: {any: true}\n"
          "        applications: {any: true}\n        bootVariables: {any: true}\n");
  const auto judge = [this](const std::vector<std::string>& log) {
    return Appraise(
        With(With(Quote("a1-baseline", "rsassa-1", "ak-rsassa.pem"),
                  {"--pcr-values", At("a1-baseline", "quote-rsassa-1.pcrs"), "--policy", folder_.At("policy.yaml")}),
             log));
  };
  EXPECT_THAT(judge({"--event-log", At("a1-baseline", "binary_bios_measurements")}).tokens, ElementsAre());
  const Answer absent = judge({});
  EXPECT_EQ(absent.exit_code, 1);
  EXPECT_THAT(absent.tokens, ElementsAre("event-log-missing"));
  const std::string ccel = (fakes::VectorsDir() / "public/ccel/cos-113.ccel").string();
  if (!std::filesystem::exists(ccel)) GTEST_SKIP() << "no sample " << ccel;
  const Answer of_rtmrs = judge({"--event-log", ccel});
  EXPECT_EQ(of_rtmrs.exit_code, 1);
  EXPECT_FALSE(of_rtmrs.tokens.empty());
  for (const std::string& token : of_rtmrs.tokens)
    EXPECT_THAT(token, testing::AnyOf("event-log-mismatch", "pcr-missing", "event-log-malformed"));
}

TEST_F(AppraiseVm, TheLogsAlone) {
  const Answer events = Appraise({"event-log", At("b1-sb-shim-grub", "binary_bios_measurements")});
  EXPECT_EQ(events.exit_code, 0) << events.text;
  EXPECT_THAT(events.text, HasSubstr("\"secureBoot\":\"on\""));
  EXPECT_THAT(events.text, HasSubstr("EV_EFI_BOOT_SERVICES_APPLICATION"));
  const Answer ima = Appraise({"ima-log", At("a1-baseline", "ima-after.bin")});
  EXPECT_EQ(ima.exit_code, 0) << ima.text;
  EXPECT_THAT(ima.text, HasSubstr("\"entries\":87"));
  const Answer ascii = Appraise({"ima-log", At("a1-baseline", "ima-after.ascii")});
  EXPECT_EQ(ascii.exit_code, 0) << ascii.text;
  EXPECT_THAT(ascii.text, HasSubstr("\"entries\":87"));
}

TEST_F(AppraiseVm, AWrongLogIsNamedAndAMissingOneIsUsage) {
  auto bytes = *fakes::ReadFileBytes(At("a1-baseline", "ima-after.bin"));
  bytes.pop_back();
  (void)folder_.Write("cut.bin", std::string(AsText(bytes)));
  EXPECT_THAT(Appraise({"ima-log", folder_.At("cut.bin")}).tokens, ElementsAre("ima-log-malformed"));
  (void)folder_.Write("junk", "this is no log");
  EXPECT_THAT(Appraise({"event-log", folder_.At("junk")}).tokens, ElementsAre("event-log-malformed"));
  EXPECT_EQ(Appraise({"event-log", folder_.At("absent")}).exit_code, 2);
  EXPECT_EQ(Appraise({"ima-log", folder_.At("absent")}).exit_code, 2);
  EXPECT_EQ(Appraise({"tpm"}).exit_code, 2);
}

// A kernel that lacks SHA-384 extends that bank by SHA-1 with zeros behind: quoted alone, it proves no more than SHA-1.
TEST(AppraiseMade, ALogThatMeetsTheQuoteByPaddedSha1AloneIsRefused) {
  fakes::SoftwareTpm tpm;
  const fakes::TpmKey ak = tpm.CreateAk();
  std::map<HashAlgorithm, std::map<unsigned, Bytes>> booted;
  for (unsigned pcr = 0; pcr < 10; ++pcr) booted[HashAlgorithm::kSha256][pcr] = Bytes(32, 1);
  fakes::ImaLog log;
  fakes::ImaLog lacking({.padded = {HashAlgorithm::kSha384}});
  for (fakes::ImaLog* each : {&log, &lacking}) each->BootAggregate(booted).File("/usr/bin/id", "id");
  fakes::ScratchFolder folder;
  const auto write = [&folder](const std::string& name, BytesView bytes) {
    (void)folder.Write(name, std::string(AsText(bytes)));
    return folder.At(name);
  };
  const auto judge = [&](const evidence::tpm::PcrSelections& selections, const std::string& text) {
    const auto quote = tpm.Quote(ak, Bytes(20, 7), selections);
    return Appraise({"tpm", "--quote", write("quote", quote.attest), "--signature", write("signature", quote.signature),
                     "--ak", write("ak", ak.area().bytes), "--pcrs", text, "--nonce", EncodeHex(Bytes(20, 7)),
                     "--ima-log", write("log", log.bytes())});
  };
  constexpr std::uint32_t kPcr10 = 1U << 10;
  tpm.SetPcr(HashAlgorithm::kSha384, 10, lacking.Pcr(HashAlgorithm::kSha384));
  tpm.SetPcr(HashAlgorithm::kSha256, 10, log.Pcr(HashAlgorithm::kSha256));
  const Answer alone = judge({{HashAlgorithm::kSha384, kPcr10}}, "sha384:10");
  EXPECT_EQ(alone.exit_code, 1) << alone.text;
  EXPECT_THAT(alone.tokens, ElementsAre("ima-log-mismatch"));
  EXPECT_THAT(alone.text, HasSubstr("SHA-1 hashes padded with zeros"));
  const Answer beside =
      judge({{HashAlgorithm::kSha256, kPcr10}, {HashAlgorithm::kSha384, kPcr10}}, "sha256:10+sha384:10");
  EXPECT_EQ(beside.exit_code, 0) << beside.text;
  tpm.SetPcr(HashAlgorithm::kSha384, 10, log.Pcr(HashAlgorithm::kSha384));
  EXPECT_EQ(judge({{HashAlgorithm::kSha384, kPcr10}}, "sha384:10").exit_code, 0);
}

TEST(AppraisePublic, TheSamplesOfTpm2Tools) {
  const auto at = [](const std::string& file) { return (fakes::VectorsDir() / "public/tpm" / file).string(); };
  if (!std::filesystem::exists(at("quote.out"))) GTEST_SKIP() << "no samples at " << fakes::VectorsDir();
  for (const std::string key : {"akpub.pem", "ak.pub"}) {
    const std::vector<std::string> good = {"tpm",
                                           "--quote",
                                           at("quote.out"),
                                           "--signature",
                                           at("quotesig.out"),
                                           "--ak",
                                           at(key),
                                           "--pcrs",
                                           "sha256:15,16,22",
                                           "--nonce",
                                           "db1db298db6d60e6385b7231743e9c3056a18003"};
    const Answer answer = Appraise(good);
    EXPECT_EQ(answer.exit_code, 0) << key << ": " << answer.text;
    auto valued = good;
    valued.insert(valued.end(), {"--pcr-values", at("quotepcr.out")});
    const Answer with_values = Appraise(valued);
    EXPECT_EQ(with_values.exit_code, 0) << with_values.text;
    EXPECT_THAT(with_values.text, testing::Not(HasSubstr("\"16\"")));
    auto narrower = good;
    narrower[8] = "sha256:15,22";
    EXPECT_THAT(Appraise(narrower).tokens, ElementsAre("pcr-selection-mismatch"));
  }
}

// The protocol buffer of Google's go-tpm-tools: fields that hold bytes, by number.
std::vector<std::pair<unsigned, Bytes>> FieldsOf(BytesView message) {
  std::vector<std::pair<unsigned, Bytes>> fields;
  ByteReader reader(message, Reason::kEvidenceMalformed, "protocol buffer");
  const auto varint = [&reader] {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 63; shift += 7) {
      const auto byte = reader.TakeU8();
      if (!byte.ok()) return value;
      value |= static_cast<std::uint64_t>(*byte & 0x7FU) << shift;
      if ((*byte & 0x80U) == 0) break;
    }
    return value;
  };
  while (reader.remaining() > 0) {
    const std::uint64_t key = varint();
    const std::uint64_t value = varint();
    if ((key & 7U) != 2) continue;  // a number
    const auto bytes = reader.Take(value);
    if (!bytes.ok()) break;
    fields.emplace_back(static_cast<unsigned>(key >> 3U), ToBytes(*bytes));
  }
  return fields;
}

// The values of all PCRs of a bank as tpm2_quote -o writes them.
Bytes PcrFile(std::uint16_t algorithm, const std::map<unsigned, Bytes>& values) {
  Bytes file(4 + 16 * 8 + 4);
  file[0] = 1;
  file[4] = static_cast<std::uint8_t>(algorithm);
  file[6] = 3;
  std::fill(file.begin() + 7, file.begin() + 10, std::uint8_t{0xFF});
  file[4 + 16 * 8] = 3;
  for (const auto& [pcr, value] : values) {
    if (pcr % 8 == 0) Append(file, Bytes{8, 0, 0, 0});
    Append(file, Bytes{static_cast<std::uint8_t>(value.size()), 0});
    Append(file, value);
    file.resize(file.size() + 64 - value.size());
  }
  return file;
}

TEST(AppraisePublic, ThreeQuotesOfACloudMachineReplayItsLogInThreeBanks) {
  const auto sample = fakes::ReadFileBytes(fakes::VectorsDir() / "public/tpm/gce-cos-85-nonce9009.pb");
  if (!sample) GTEST_SKIP() << "no samples at " << fakes::VectorsDir();
  fakes::ScratchFolder folder;
  const auto write = [&folder](const std::string& name, const Bytes& bytes) {
    (void)folder.Write(name, std::string(AsText(bytes)));
    return folder.At(name);
  };
  std::string ak;
  std::string log;
  std::vector<Bytes> quotes;
  for (const auto& [number, bytes] : FieldsOf(*sample)) {
    if (number == 1) ak = write("ak.pub", bytes);
    if (number == 2) quotes.push_back(bytes);
    if (number == 3) log = write("log", bytes);
  }
  ASSERT_EQ(quotes.size(), 3U);
  const std::vector<std::string> banks = {"sha1", "sha256", "sha384"};
  const std::vector<std::uint16_t> algorithms = {0x4, 0xB, 0xC};
  for (std::size_t i = 0; i < quotes.size(); ++i) {
    std::string quote;
    std::string signature;
    std::map<unsigned, Bytes> values;
    for (const auto& [number, bytes] : FieldsOf(quotes[i])) {
      if (number == 1) quote = write("quote", bytes);
      if (number == 2) signature = write("signature", bytes);
      if (number != 3) continue;
      for (const auto& [member, entry] : FieldsOf(bytes)) {
        if (member != 2) continue;
        const auto fields = FieldsOf(entry);
        values[entry.at(1)] = fields.empty() ? Bytes() : fields.back().second;
      }
    }
    const std::vector<std::string> arguments = {
        "tpm", "--quote", quote, "--signature", signature, "--ak", ak, "--pcrs", banks[i] + ":all", "--nonce", "9009"};
    const Answer alone = Appraise(arguments);
    EXPECT_EQ(alone.exit_code, 0) << banks[i] << ": " << alone.text;
    // The kernel's IMA log is not in the sample, and PCR 10 is in the quote: the log cannot be tied to it.
    auto with_log = arguments;
    with_log.insert(with_log.end(), {"--event-log", log});
    EXPECT_THAT(Appraise(with_log).tokens, ElementsAre("pcr-missing")) << banks[i];
    ASSERT_EQ(values.size(), 24U);
    with_log.insert(with_log.end(), {"--pcr-values", write("values", PcrFile(algorithms[i], values))});
    const Answer replayed = Appraise(with_log);
    EXPECT_EQ(replayed.exit_code, 0) << banks[i] << ": " << replayed.text.substr(0, 500);
    EXPECT_THAT(replayed.text, HasSubstr("\"provenPcrs\":[0,1,2,3,4,5,6,7,8,9,")) << banks[i];
  }
}

}  // namespace
}  // namespace gatehouse::cli
