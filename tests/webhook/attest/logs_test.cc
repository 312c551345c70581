// The logs that come with a quote: judged for the policies that want it, the IMA log entry by entry and each entry
// once.
#include <filesystem>

#include "common/base/file.h"
#include "tests/fakes/ima_log.h"
#include "tests/webhook/attest/fixture.h"

namespace gatehouse::webhook {
namespace {

using fakes::ImaLog;

Reason ReasonOf(const auto& result) {
  return result.ok() ? Reason::kInternal : result.error().reason;
}

std::string HexOf(std::string_view content) {
  return EncodeHex(crypto::Hash(HashAlgorithm::kSha256, AsBytes(content)));
}

class LogsFixture : public AttestFixture {
 protected:
  LogsFixture() {
    EXPECT_TRUE(Enrol("worker-1", node).ok());
    StartLog();
    Load(ImaYaml());
  }

  // The kernel's log after a boot: boot_aggregate, and three files.
  void StartLog() {
    evidence::tpm::PcrValues pcrs;
    for (unsigned pcr = 0; pcr < 10; ++pcr)
      pcrs[HashAlgorithm::kSha256][pcr] = node.tpm.Pcr(HashAlgorithm::kSha256, pcr);
    log_of_kernel = ImaLog();
    log_of_kernel.BootAggregate(pcrs);
    Run("/usr/bin/bash", "bash");
    Run("/usr/bin/ls", "ls");
    Run("/usr/bin/id", "id");
  }
  void Run(std::string_view path, std::string_view content) {
    log_of_kernel.File(path, content);
    Follow();
  }
  void Follow() {
    for (const auto bank : {HashAlgorithm::kSha1, HashAlgorithm::kSha256})
      node.tpm.SetPcr(bank, 10, log_of_kernel.Pcr(bank));
  }
  void Reboot() {
    node.tpm.Reset();
    StartLog();
  }

  static std::string SetYaml(const std::string& sums, const std::string& head = "") {
    return "apiVersion: gatehouse.dev/v1alpha1\nkind: ReferenceValues\nmetadata: {name: files}\nspec:\n  sets:\n    - "
           "name: "
           "base\n" +
           head + "      tpm:\n        ima:\n          sha256sums: |\n" + sums;
  }
  std::string ImaYaml(const std::string& more = "", const std::string& name = "workers") {
    std::string sums;
    for (const char* file : {"bash", "ls", "id", "cat"})
      sums += "            " + HexOf(file) + "  /usr/bin/" + file + "\n";
    return "apiVersion: gatehouse.dev/v1alpha1\nkind: NodePolicy\nmetadata: {name: " + name +
           "}\nspec:\n  nodes: [{glob: \"worker-*\"}]\n  tpm:\n    trustRoots: [vendor]\n    referenceValues: [files]\n"
           "    ima:\n      bank: sha256\n" +
           more + "---\n" + SetYaml(sums + extra_sums) + "---\n" + TrustRootYaml(vendor);
  }

  // What the agent does, with `bytes` of entries from `from` on.
  Result<session::EvidenceRequest> CollectFrom(std::uint64_t from, std::optional<Bytes> bytes) {
    ASSIGN_OR_RETURN(auto request, Collect("worker-1", node));
    request.ima_from = from;
    request.ima_complete = bytes.has_value() && bytes->empty();
    if (bytes && !bytes->empty()) request.ima_log = std::move(bytes);
    return request;
  }
  Result<std::vector<std::string>> AttestFrom(std::uint64_t from, std::optional<Bytes> bytes) {
    ASSIGN_OR_RETURN(const auto request, CollectFrom(from, std::move(bytes)));
    ASSIGN_OR_RETURN(const auto answer, service.Evidence(Node("worker-1"), request));
    return answer.findings;
  }
  // The honest agent: from where the challenge says.
  Result<std::vector<std::string>> AttestHonestly() {
    const std::uint64_t from = Wanted();
    return AttestFrom(from, log_of_kernel.BytesFrom(from));
  }
  std::uint64_t Wanted() {
    auto challenge = service.Challenge(Node("worker-1"), node.ChallengeRequest("worker-1"));
    EXPECT_TRUE(challenge.ok()) << challenge.error().ToString();
    return challenge.ok() ? challenge->ima_from : 0;
  }
  static void ExpectOnly(const Result<std::vector<std::string>>& findings, std::string_view token,
                         std::string_view text = "") {
    ASSERT_TRUE(findings.ok()) << findings.error().ToString();
    ASSERT_EQ(findings->size(), 1U) << (findings->empty() ? "" : findings->front());
    EXPECT_NE(findings->front().find("[" + std::string(token) + "]"), std::string::npos) << findings->front();
    EXPECT_NE(findings->front().find(text), std::string::npos) << findings->front();
  }
  static void ExpectNone(const Result<std::vector<std::string>>& findings) {
    ASSERT_TRUE(findings.ok()) << findings.error().ToString();
    EXPECT_TRUE(findings->empty()) << findings->front();
  }

  ImaLog log_of_kernel;
  std::string extra_sums;
};

TEST_F(LogsFixture, AListedLogIsTrustedAndEachEntryIsSentOnce) {
  EXPECT_EQ(Wanted(), 0U);
  ExpectNone(AttestFrom(0, log_of_kernel.bytes()));
  EXPECT_EQ(State("worker-1"), gate::NodeState::kTrusted);
  EXPECT_EQ(Wanted(), 4U);
  Run("/usr/bin/cat", "cat");
  ExpectNone(AttestFrom(4, log_of_kernel.BytesFrom(4)));
  EXPECT_EQ(Wanted(), 5U);
  ExpectNone(AttestFrom(5, Bytes{}));  // nothing new
  EXPECT_EQ(Wanted(), 5U);
}

TEST_F(LogsFixture, AnUnknownFileIsNamedAndStaysNamed) {
  Run("/usr/local/bin/evil", "evil");
  ExpectOnly(AttestHonestly(), "ima-file-unlisted", "/usr/local/bin/evil");
  EXPECT_EQ(State("worker-1"), gate::NodeState::kUntrusted);
  Run("/usr/bin/cat", "cat");
  ExpectOnly(AttestHonestly(), "ima-file-unlisted",
             "/usr/local/bin/evil");  // also when only what came after it is sent
}

TEST_F(LogsFixture, EntriesAfterTheQuoteWait) {
  const std::uint64_t from = Wanted();
  auto request = CollectFrom(from, Bytes{});
  Run("/usr/local/bin/evil", "evil");  // between quote and reading of the log
  request->ima_complete = false;
  request->ima_log = log_of_kernel.BytesFrom(from);
  auto answer = service.Evidence(Node("worker-1"), *request);
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  EXPECT_EQ(answer->status, "affirming");
  EXPECT_EQ(Wanted(), 4U);
  ExpectOnly(AttestHonestly(), "ima-file-unlisted");
}

TEST_F(LogsFixture, ALongLogComesInPieces) {
  std::uint64_t at = Wanted();
  for (; at < 3; ++at) {
    auto next = service.Log(
        Node("worker-1"),
        {.node = "worker-1", .ak_name = node.AkName(), .from = at, .entries = log_of_kernel.BytesOf(at, 1)});
    ASSERT_TRUE(next.ok()) << next.error().ToString();
    EXPECT_EQ(next->next, at + 1);
  }
  // The evidence goes on from there.
  auto challenge = service.Challenge(Node("worker-1"), node.ChallengeRequest("worker-1"));
  ASSERT_TRUE(challenge.ok());
  EXPECT_EQ(challenge->ima_from, 3U);
  ExpectNone(AttestFrom(3, log_of_kernel.BytesFrom(3)));
}

TEST_F(LogsFixture, PiecesMustFollowEachOther) {
  EXPECT_EQ(Wanted(), 0U);
  const session::LogRequest piece{
      .node = "worker-1", .ak_name = node.AkName(), .from = 2, .entries = log_of_kernel.BytesOf(2, 1)};
  EXPECT_EQ(ReasonOf(service.Log(Node("worker-1"), piece)), Reason::kImaLogGap);
  auto half = piece;
  half.from = 0;
  half.entries.pop_back();
  EXPECT_EQ(ReasonOf(service.Log(Node("worker-1"), half)), Reason::kImaLogMalformed);
}

TEST_F(LogsFixture, EvidenceFromAnotherPositionIsAGapAndCostsNothing) {
  auto request = CollectFrom(2, log_of_kernel.BytesFrom(2));
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(ReasonOf(service.Evidence(Node("worker-1"), *request)), Reason::kImaLogGap);
  EXPECT_EQ(State("worker-1"), gate::NodeState::kUnknown);  // not a failure of the node
  request->ima_from = 0;
  request->ima_log = log_of_kernel.bytes();
  EXPECT_TRUE(service.Evidence(Node("worker-1"), *request).ok());  // its nonce is not spent
}

TEST_F(LogsFixture, NoLogWhereThePolicyJudgesIt) {
  ExpectOnly(AttestFrom(0, std::nullopt), "ima-log-missing");
}

TEST_F(LogsFixture, ARebootIsNotATruncation) {
  ExpectNone(AttestHonestly());
  Reboot();
  // The agent that was restarted with the machine begins where it is told, which is beyond its log: it sends all of it.
  ExpectNone(AttestFrom(0, log_of_kernel.bytes()));
}

TEST_F(LogsFixture, AfterARebootWithALongerLogTheWholeLogIsAskedFor) {
  ExpectNone(AttestHonestly());
  Reboot();  // to the same log as before, but for what follows
  log_of_kernel = ImaLog();
  evidence::tpm::PcrValues pcrs;
  for (unsigned pcr = 0; pcr < 10; ++pcr) pcrs[HashAlgorithm::kSha256][pcr] = node.tpm.Pcr(HashAlgorithm::kSha256, pcr);
  log_of_kernel.BootAggregate(pcrs);
  for (const char* name : {"cat", "ls", "bash", "id", "cat"}) Run(std::string("/usr/bin/") + name, name);
  auto request = CollectFrom(4, log_of_kernel.BytesFrom(4));
  auto answer = service.Evidence(Node("worker-1"), *request);
  EXPECT_EQ(ReasonOf(answer), Reason::kImaLogGap) << (answer.ok() ? answer->findings.front() : "");
  EXPECT_EQ(Wanted(), 0U);
  ExpectNone(AttestFrom(0, log_of_kernel.bytes()));
}

TEST_F(LogsFixture, AResumeFromSuspendGoesOn) {
  ExpectNone(AttestHonestly());
  node.tpm.Restart();
  Run("/usr/bin/cat", "cat");
  ExpectNone(AttestFrom(4, log_of_kernel.BytesFrom(4)));
}

TEST_F(LogsFixture, Adversarial_M9_ALogThatGotShorterIsTruncated) {
  Run("/usr/bin/cat", "cat");
  ExpectNone(AttestHonestly());
  ExpectOnly(AttestFrom(0, log_of_kernel.BytesOf(0, 3)), "ima-log-truncated", "3 entries, and had 5");
  EXPECT_EQ(State("worker-1"), gate::NodeState::kUntrusted);
}

TEST_F(LogsFixture, Adversarial_M9_OtherEntriesWhereSomeWereAttestedAreRewritten) {
  ExpectNone(AttestHonestly());
  ImaLog other;
  evidence::tpm::PcrValues pcrs;
  for (unsigned pcr = 0; pcr < 10; ++pcr) pcrs[HashAlgorithm::kSha256][pcr] = node.tpm.Pcr(HashAlgorithm::kSha256, pcr);
  other.BootAggregate(pcrs).File("/usr/bin/bash", "bash").File("/usr/bin/ls", "ls").File("/usr/bin/cat", "cat");
  ExpectOnly(AttestFrom(0, other.bytes()), "ima-log-rewritten");
}

TEST_F(LogsFixture, Adversarial_M9_ALogWithoutItsBeginningIsTrimmed) {
  ExpectOnly(AttestFrom(0, log_of_kernel.BytesFrom(1)), "ima-log-trimmed");
}

TEST_F(LogsFixture, Adversarial_M9_AnEntryLeftOutIsAMismatch) {
  Bytes without = log_of_kernel.BytesOf(0, 2);
  Append(without, log_of_kernel.BytesFrom(3));
  ExpectOnly(AttestFrom(0, without), "ima-log-mismatch");
}

TEST_F(LogsFixture, Adversarial_M1_AChangedEntryIsNamed) {
  Bytes changed = log_of_kernel.bytes();
  changed[log_of_kernel.Offset(3) - 3] ^= 1;  // in the path of the third entry
  ExpectOnly(AttestFrom(0, changed), "ima-template-mismatch", "entry 2");
}

TEST_F(LogsFixture, Adversarial_M13_TheBootAggregateOfAnotherBootIsRefused) {
  evidence::tpm::PcrValues pcrs;
  for (unsigned pcr = 0; pcr < 10; ++pcr) pcrs[HashAlgorithm::kSha256][pcr] = Bytes(32, 0x42);
  log_of_kernel = ImaLog();
  log_of_kernel.BootAggregate(pcrs);
  Run("/usr/bin/ls", "ls");
  ExpectOnly(AttestHonestly(), "boot-aggregate-mismatch");
}

TEST_F(LogsFixture, Adversarial_M2_AViolationIsRefusedUnlessItsPathIsNamed) {
  log_of_kernel.Violation("/var/log/journal/system.journal");
  Follow();
  ExpectOnly(AttestHonestly(), "ima-violation", "/var/log/journal/system.journal");
  Load(ImaYaml("      violations: [\"/var/log/journal/.*\"]\n"));
  ExpectNone(AttestHonestly());
}

// K4: what was judged by other rules is not carried over to these.
TEST_F(LogsFixture, Adversarial_K4_APolicyThatChangedIsPendingUntilTheWholeLogWasJudgedByIt) {
  ExpectNone(AttestHonestly());
  Load(ImaYaml("      deny: {paths: [\"/usr/bin/id\"]}\n"));
  service.Reappraise();
  const gate::NodeTrust trust = Trust("worker-1");
  EXPECT_EQ(trust.state, gate::NodeState::kUntrusted);
  ASSERT_FALSE(trust.findings.empty());
  EXPECT_EQ(trust.findings.front().reason, Reason::kImaPending);
  EXPECT_EQ(Wanted(), 0U);
  ExpectOnly(AttestHonestly(), "ima-file-denied", "/usr/bin/id");
}

TEST_F(LogsFixture, ASetThatIsAddedAcceptsWhatWasBadBefore) {
  Run("/usr/bin/new", "new");
  ExpectOnly(AttestHonestly(), "ima-file-unlisted");
  extra_sums = "            " + HexOf("new") + "  /usr/bin/new\n";
  Load(ImaYaml());
  EXPECT_EQ(Wanted(), 0U);
  ExpectNone(AttestHonestly());
}

TEST_F(LogsFixture, ASetThatHasEndedIsNamedBeforeTheFilesThatItListed) {
  const std::string name = "name: base\n";
  std::string documents = ImaYaml();
  const std::size_t at = documents.find(name);
  ASSERT_NE(at, std::string::npos);
  Load(documents.insert(at + name.size(), "      notAfter: \"2020-01-01T00:00:00Z\"\n"));
  const auto findings = AttestHonestly();
  ASSERT_TRUE(findings.ok()) << findings.error().ToString();
  ASSERT_GT(findings->size(), 1U);
  EXPECT_NE(findings->front().find("files/base ended 2020-01-01T00:00:00Z"), std::string::npos) << findings->front();
  EXPECT_NE(findings->front().find("[reference-expired]"), std::string::npos) << findings->front();
  EXPECT_NE(findings->at(1).find("[ima-file-unlisted]"), std::string::npos) << findings->at(1);
}

TEST_F(LogsFixture, AFileOfDigestsThatIsNotThereAcceptsNothing) {
  Load(ImaYaml() +
       "---\napiVersion: gatehouse.dev/v1alpha1\nkind: ReferenceValues\nmetadata: {name: more}\nspec:\n  sets:\n"
       "    - name: big\n      tpm:\n        ima:\n          files: [{name: big.digests, sha256: " +
       std::string(64, 'a') + "}]\n");
  ExpectNone(AttestHonestly());  // no policy names the document
}

TEST_F(LogsFixture, TheSameEvidenceIsJudgedAgainWithoutTheLog) {
  ExpectNone(AttestHonestly());
  service.Reappraise();
  EXPECT_EQ(State("worker-1"), gate::NodeState::kTrusted);
}

TEST_F(LogsFixture, TheAgentIsToldWhatIsWanted) {
  auto challenge = service.Challenge(Node("worker-1"), node.ChallengeRequest("worker-1"));
  ASSERT_TRUE(challenge.ok());
  EXPECT_TRUE(challenge->want_ima_log);
  EXPECT_FALSE(challenge->want_event_log);
  Load(PolicyYaml());
  challenge = service.Challenge(Node("worker-1"), node.ChallengeRequest("worker-1"));
  EXPECT_FALSE(challenge->want_ima_log);
}

TEST_F(LogsFixture, AnEventLogThatIsNotThereOrNotReadableIsAFinding) {
  Load(
      "apiVersion: gatehouse.dev/v1alpha1\nkind: NodePolicy\nmetadata: {name: workers}\nspec:\n  nodes: [{glob: "
      "\"worker-*\"}]\n"
      "  tpm:\n    trustRoots: [vendor]\n    boot:\n      secureBoot: notRequired\n      accept: {firmware: {any: "
      "true}}\n---\n" +
      TrustRootYaml(vendor));
  ExpectOnly(AttestFrom(0, std::nullopt), "event-log-missing");
  auto request = Collect("worker-1", node);
  ASSERT_TRUE(request.ok());
  request->event_log = Bytes(16, 0xEE);
  auto answer = service.Evidence(Node("worker-1"), *request);
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  ASSERT_EQ(answer->findings.size(), 1U);
  EXPECT_NE(answer->findings.front().find("event-log-malformed"), std::string::npos) << answer->findings.front();
}

TEST(ReferenceFiles, OnlyThePinnedContentUnderAPlainNameIsTaken) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "reference-files";
  std::filesystem::create_directories(folder);
  const auto set = appraisal::DigestSet::Make({{HashAlgorithm::kSha256, Bytes(32, 1), "/usr/bin/a"}});
  ASSERT_TRUE(set.ok());
  const Bytes content = (*set)->Serialize();
  ASSERT_TRUE(WriteFile(folder / "a.digests", content).ok());
  const Digest pin = crypto::Sha256Digest(content);
  ReferenceFiles files(folder.string());
  auto found = files.Find({"a.digests", pin});
  ASSERT_TRUE(found.ok()) << found.error().ToString();
  EXPECT_EQ((*found)->size(), 1U);
  EXPECT_EQ(*files.Find({"a.digests", pin}), *found);  // read once
  struct Case {
    const char* name;
    std::string file;
    Digest wanted;
  };
  const Digest other = crypto::Sha256Digest(AsBytes("other"));
  for (const Case& each : {Case{"another content", "a.digests", other}, Case{"no such file", "b.digests", other},
                           Case{"a path", "../reference-files/a.digests", other}, Case{"hidden", ".a", other}}) {
    EXPECT_EQ(ReasonOf(files.Find({each.file, each.wanted})), Reason::kReferenceUnavailable) << each.name;
  }
  EXPECT_EQ(ReasonOf(ReferenceFiles("").Find({"a.digests", pin})), Reason::kReferenceUnavailable);
}

}  // namespace
}  // namespace gatehouse::webhook
