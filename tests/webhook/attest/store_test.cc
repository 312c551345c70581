// Enrolments on disk, and who may speak for a node.
#include <filesystem>
#include <fstream>

#include "tests/webhook/attest/fixture.h"
#include "webhook/attest/identity.h"
#include "webhook/attest/routes.h"

namespace gatehouse::webhook {
namespace {

namespace fs = std::filesystem;

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder = fs::path(::testing::TempDir()) / ("enrolments-" + std::to_string(::getpid()) + "-" +
                                               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder);
  }
  void TearDown() override { fs::remove_all(folder); }

  // A TPM and an attestation key for each number.
  static const fakes::SoftwareTpm& Tpm(int number) {
    static std::map<int, fakes::SoftwareTpm> tpms;
    return tpms[number];
  }
  static const fakes::TpmKey& Ak(int number) {
    static std::map<int, fakes::TpmKey> keys;
    return keys.try_emplace(number, Tpm(0).CreateAk()).first->second;
  }
  static std::string AkName(int number) { return EncodeHex(Ak(number).name()); }
  // With the attestation key of the same number as the TPM, or another.
  static Enrolment Sample(const std::string& node, int tpm, std::optional<int> other_ak = std::nullopt) {
    const int ak = other_ak.value_or(tpm);
    const fakes::TpmKey& ek = Tpm(tpm).ek();
    return {.node = node,
            .ek = ek.key().Public().Fingerprint(),
            .ek_public = ek.area().bytes,
            .ek_certificate = {2},
            .ek_intermediates = {{3}, {4}},
            .ak_public = Ak(ak).area().bytes,
            .ak_name = AkName(ak),
            .enrolled = WallTime(Duration(1'000)),
            .last_clock = std::nullopt};
  }
  static claims::TpmClock At(std::uint64_t ms) {
    return {.clock_ms = ms, .reset_count = 2, .restart_count = 0, .safe = true};
  }
  std::unique_ptr<EnrolmentStore> Open() {
    auto store = EnrolmentStore::Open(folder.string());
    EXPECT_TRUE(store.ok()) << (store.ok() ? "" : store.error().ToString());
    return std::move(*store);
  }
  void WriteBinding(const Enrolment& enrolment, const std::string& file) const {
    std::ofstream(folder / file, std::ios::trunc) << EncodeEnrolment(enrolment);
  }
  static Reason FindReason(EnrolmentStore& store, const std::string& node) {
    auto found = store.Find(node);
    EXPECT_FALSE(found.ok());
    return found.ok() ? Reason::kUsage : found.error().reason;
  }
  // The node is blocked, for a reason of which `says` is part; other nodes are not.
  void ExpectBlocked(const std::string& node, int tpm, const std::string& says) {
    auto store = Open();
    ASSERT_EQ(store->Problems().size(), 1U) << says;
    EXPECT_NE(store->Problems()[0].ToString().find(says), std::string::npos) << store->Problems()[0].ToString();
    EXPECT_NE(store->Problems()[0].where.find(StateFolder::FileOf(node)), std::string::npos);
    EXPECT_EQ(FindReason(*store, node), Reason::kNodeConflict) << says;
    EXPECT_EQ(store->Bind(Sample(node, tpm)).error().reason, Reason::kNodeConflict) << says;
    EXPECT_EQ(store->Advance(node, AkName(1), At(1)).error().reason, Reason::kNodeConflict) << says;
    EXPECT_TRUE(store->Bind(Sample("other", 8)).ok()) << says;
    fs::remove(folder / "other.json");
  }

  fs::path folder;
};

TEST_F(StoreTest, EnrolmentRoundTrips) {
  Enrolment sample = Sample("n", 1);
  sample.last_clock =
      claims::TpmClock{.clock_ms = 5, .reset_count = 6, .restart_count = 7, .safe = true, .firmware_version = 8};
  sample.clock_ak = AkName(2);
  sample.ak_certificate = {9, 9};
  sample.node_uid = "0f5c1a2e";
  auto decoded = DecodeEnrolment(EncodeEnrolment(sample));
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  EXPECT_EQ(EncodeEnrolment(*decoded), EncodeEnrolment(sample));
  EXPECT_EQ(decoded->last_clock, sample.last_clock);
  EXPECT_EQ(decoded->node_uid, sample.node_uid);
  EXPECT_EQ(decoded->ek_intermediates, sample.ek_intermediates);
  EXPECT_EQ(decoded->ak_certificate, sample.ak_certificate);
  EXPECT_EQ(decoded->clock_ak, sample.clock_ak);
  EXPECT_TRUE(decoded->IsClockOfOtherKey());
}

// Written before there were certificates of attestation keys, firmware versions, and keys of clocks.
TEST_F(StoreTest, BindingsOfAnEarlierReleaseAreRead) {
  Enrolment sample = Sample("n", 1);
  sample.last_clock = At(5);
  const std::string text = EncodeEnrolment(sample);
  for (const char* later : {"akCertificate", "firmware", "\"ak\""}) EXPECT_EQ(text.find(later), std::string::npos);
  auto decoded = DecodeEnrolment(text);
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  EXPECT_TRUE(decoded->ak_certificate.empty());
  EXPECT_EQ(decoded->last_clock->firmware_version, 0U);
  EXPECT_FALSE(decoded->IsClockOfOtherKey());
}

TEST_F(StoreTest, TpmWithoutACertificateIsBound) {
  Enrolment sample = Sample("n", 1);
  sample.ek_certificate.clear();
  ASSERT_TRUE(Open()->Bind(sample).ok());
  auto found = Open()->Find("n");
  ASSERT_TRUE(found.ok()) << found.error().ToString();
  EXPECT_TRUE(found->ek_certificate.empty());
}

TEST_F(StoreTest, WhichKeyTheClockIsOfOutlivesARestart) {
  claims::TpmClock clock = At(100);
  clock.firmware_version = 7;
  {
    auto store = Open();
    ASSERT_TRUE(store->Bind(Sample("n", 1)).ok());
    ASSERT_TRUE(store->Advance("n", AkName(1), clock).ok());
    EXPECT_FALSE(store->Find("n")->IsClockOfOtherKey());
    ASSERT_TRUE(store->Bind(Sample("n", 1, 2)).ok());
  }
  auto store = Open();
  auto found = store->Find("n");
  EXPECT_EQ(found->last_clock, clock);
  EXPECT_EQ(found->clock_ak, AkName(1));
  EXPECT_TRUE(found->IsClockOfOtherKey());
  clock.clock_ms += 1;
  ASSERT_TRUE(store->Advance("n", AkName(2), clock).ok());
  EXPECT_FALSE(store->Find("n")->IsClockOfOtherKey());
}

TEST_F(StoreTest, Adversarial_Q6_OneTpmForTwoNodesAndAnotherTpmForOne) {
  auto store = Open();
  ASSERT_TRUE(store->Bind(Sample("n", 1)).ok());
  EXPECT_EQ(store->Bind(Sample("n", 2)).error().reason, Reason::kNodeConflict);
  EXPECT_EQ(store->Bind(Sample("m", 1)).error().reason, Reason::kTpmInUse);
  EXPECT_EQ(store->Bind(Sample("m", 1, 3)).error().reason, Reason::kTpmInUse);
}

// Where only the attestation key is certified, a node may present whatever endorsement key it likes with it.
TEST_F(StoreTest, Adversarial_Q6_OneAttestationKeyUnderTwoEndorsementKeys) {
  {
    auto store = Open();
    ASSERT_TRUE(store->Bind(Sample("n", 1)).ok());
    EXPECT_EQ(store->Bind(Sample("m", 2, 1)).error().reason, Reason::kTpmInUse);
    EXPECT_TRUE(store->Bind(Sample("m", 2, 5)).ok());
    EXPECT_EQ(store->Bind(Sample("m", 2, 1)).error().reason, Reason::kTpmInUse);
    // A key that was replaced is nobody's.
    ASSERT_TRUE(store->Bind(Sample("n", 1, 4)).ok());
    EXPECT_TRUE(store->Bind(Sample("m", 2, 1)).ok());
  }
  auto store = Open();
  EXPECT_EQ(store->Bind(Sample("o", 6, 4)).error().reason, Reason::kTpmInUse);
  EXPECT_EQ(store->Bind(Sample("o", 6, 1)).error().reason, Reason::kTpmInUse);
  fs::remove(folder / "m.json");
  EXPECT_TRUE(store->Bind(Sample("o", 6, 1)).ok());
}

TEST_F(StoreTest, EnrolmentWithoutIntermediatesOutlivesARestart) {
  Enrolment sample = Sample("n", 1);
  sample.ek_intermediates.clear();
  ASSERT_TRUE(Open()->Bind(sample).ok());
  auto store = Open();
  EXPECT_TRUE(store->Problems().empty());
  auto found = store->Find("n");
  ASSERT_TRUE(found.ok()) << found.error().ToString();
  EXPECT_EQ(EncodeEnrolment(*found), EncodeEnrolment(sample));
}

TEST_F(StoreTest, EveryClockOutlivesARestart) {
  for (const claims::TpmClock& clock : std::vector<claims::TpmClock>{{UINT64_MAX, UINT32_MAX, UINT32_MAX, true},
                                                                     {1ULL << 63, 1U << 31, 1U << 31, false},
                                                                     {INT64_MAX, INT32_MAX, INT32_MAX, true},
                                                                     {0, 0, 0, false}}) {
    fs::remove_all(folder);
    {
      auto store = Open();
      ASSERT_TRUE(store->Bind(Sample("n", 1)).ok());
      ASSERT_TRUE(store->Advance("n", AkName(1), clock).ok());
    }
    auto found = Open()->Find("n");
    ASSERT_TRUE(found.ok()) << clock.clock_ms << " " << found.error().ToString();
    EXPECT_EQ(found->last_clock, clock);
  }
}

TEST_F(StoreTest, ClocksThatNoTpmHasAreRefused) {
  Enrolment sample = Sample("n", 1);
  sample.last_clock = At(5);
  const std::string good = EncodeEnrolment(sample);
  for (const char* bad : {"\"ms\":-1", "\"ms\":18446744073709551616", "\"ms\":5.0", "\"ms\":\"5\"", "\"no\":5"}) {
    std::string text = good;
    text.replace(text.find("\"ms\":5"), 6, bad);
    auto decoded = DecodeEnrolment(text);
    ASSERT_FALSE(decoded.ok()) << bad;
    EXPECT_EQ(decoded.error().reason, Reason::kConfigInvalid) << bad;
  }
}

TEST_F(StoreTest, BindingsOutliveTheProcess) {
  ASSERT_TRUE(Open()->Bind(Sample("n", 1)).ok());
  auto reopened = Open();
  ASSERT_TRUE(reopened->Find("n").ok());
  EXPECT_EQ(reopened->Bind(Sample("n", 2)).error().reason, Reason::kNodeConflict);
  EXPECT_EQ(reopened->Bind(Sample("m", 1)).error().reason, Reason::kTpmInUse);
}

TEST_F(StoreTest, TheClockOutlivesTheProcess) {
  {
    auto store = Open();
    ASSERT_TRUE(store->Bind(Sample("n", 1)).ok());
    ASSERT_TRUE(store->Advance("n", AkName(1), At(100)).ok());
  }
  auto store = Open();
  EXPECT_EQ(store->Find("n")->last_clock->clock_ms, 100U);
  EXPECT_EQ(store->Advance("n", AkName(1), At(99)).error().reason, Reason::kClockRewound);
  EXPECT_EQ(store->Advance("n", AkName(2), At(200)).error().reason, Reason::kAkUnbound);
}

TEST_F(StoreTest, TheClockIsTheTpmsWhicheverKeySigns) {
  auto store = Open();
  ASSERT_TRUE(store->Bind(Sample("n", 1)).ok());
  ASSERT_TRUE(store->Advance("n", AkName(1), At(100)).ok());
  for (int ak : {1, 2}) {
    ASSERT_TRUE(store->Bind(Sample("n", 1, ak)).ok());
    EXPECT_EQ(store->Find("n")->last_clock, At(100)) << ak;
    EXPECT_EQ(store->Advance("n", AkName(ak), At(99)).error().reason, Reason::kClockRewound);
  }
  fs::remove(folder / "n.json");  // what an admin does for a TPM that was cleared
  ASSERT_TRUE(store->Bind(Sample("n", 1)).ok());
  EXPECT_FALSE(store->Find("n")->last_clock.has_value());
}

TEST_F(StoreTest, RemovingTheFileReleasesTheBinding) {
  auto store = Open();
  ASSERT_TRUE(store->Bind(Sample("n", 1)).ok());
  fs::remove(folder / "n.json");
  EXPECT_EQ(FindReason(*store, "n"), Reason::kAkUnbound);
  EXPECT_TRUE(store->Bind(Sample("n", 2)).ok());
  EXPECT_TRUE(store->Bind(Sample("m", 1)).ok());
}

TEST_F(StoreTest, AReleasedBindingIsNotWrittenAgainByEvidence) {
  auto store = Open();
  ASSERT_TRUE(store->Bind(Sample("n", 1)).ok());
  fs::remove(folder / "n.json");
  EXPECT_EQ(store->Advance("n", AkName(1), At(1)).error().reason, Reason::kAkUnbound);
  EXPECT_FALSE(fs::exists(folder / "n.json"));
}

TEST_F(StoreTest, AVolumeThatWentAwayReleasesNothing) {
  auto store = Open();
  ASSERT_TRUE(store->Bind(Sample("n", 1)).ok());
  fs::path away = folder.string() + ".away";
  for (bool empty_in_its_place : {false, true}) {
    fs::rename(folder, away);
    if (empty_in_its_place) fs::create_directory(folder);
    EXPECT_TRUE(store->Find("n").ok());
    EXPECT_EQ(store->Bind(Sample("n", 2)).error().reason, Reason::kInternal);
    EXPECT_EQ(store->Bind(Sample("m", 2)).error().reason, Reason::kInternal);
    EXPECT_EQ(store->Advance("n", AkName(1), At(1)).error().reason, Reason::kInternal);
    EXPECT_TRUE(!fs::exists(folder) || fs::is_empty(folder));
    fs::remove_all(folder);
    fs::rename(away, folder);
  }
  EXPECT_TRUE(store->Advance("n", AkName(1), At(1)).ok());
}

TEST_F(StoreTest, AFolderWithTheMarkerOfAnotherRunReleasesNothing) {
  auto store = Open();
  ASSERT_TRUE(store->Bind(Sample("n", 1)).ok());
  std::ofstream(folder / ".gatehouse-state", std::ios::trunc) << std::string(32, '0');
  fs::remove(folder / "n.json");
  EXPECT_TRUE(store->Find("n").ok());
  EXPECT_EQ(store->Bind(Sample("n", 2)).error().reason, Reason::kInternal);
}

TEST_F(StoreTest, ADiskErrorIsAFaultOfOurs) {
  auto store = Open();
  ASSERT_TRUE(store->Bind(Sample("n", 1)).ok());
  fs::create_directories(folder / "n.json.new/in-the-way");  // where the new content would go
  EXPECT_EQ(store->Advance("n", AkName(1), At(1)).error().reason, Reason::kInternal);
  EXPECT_EQ(store->Bind(Sample("n", 1)).error().reason, Reason::kInternal);
  EXPECT_FALSE(store->Find("n")->last_clock.has_value());
  fs::remove_all(folder / "n.json.new");
  EXPECT_TRUE(store->Advance("n", AkName(1), At(1)).ok());
}

TEST_F(StoreTest, WhatCouldNotBeReadAgainIsNotWritten) {
  auto store = Open();
  Enrolment sample = Sample("n", 1);
  sample.ek_certificate = Bytes(300'000, 7);  // more than is read
  EXPECT_EQ(store->Bind(sample).error().reason, Reason::kInternal);
  EXPECT_FALSE(fs::exists(folder / "n.json"));
  sample = Sample("n", 1);
  sample.ak_name = AkName(2);
  EXPECT_EQ(store->Bind(sample).error().reason, Reason::kInternal);
  EXPECT_EQ(FindReason(*store, "n"), Reason::kAkUnbound);
}

TEST_F(StoreTest, AFileThatCannotBeUsedBlocksItsNodeAndNoOther) {
  Enrolment good = Sample("n", 1);
  Enrolment wrong_ak = good;
  wrong_ak.ak_name = AkName(2);
  Enrolment wrong_ek = good;
  wrong_ek.ek = Sample("n", 2).ek;
  struct {
    std::string content;
    std::string says;
  } const cases[] = {
      {"", "[json-malformed]"},
      {"{\"node\": \"n\"", "[json-malformed]"},
      {"{}", "[config-invalid]"},
      {EncodeEnrolment(wrong_ak), "akName is not the name of akPublic"},
      {EncodeEnrolment(wrong_ek), "ek is not the fingerprint of ekPublic"},
      {EncodeEnrolment(Sample("m", 1)), "named after another node"},
  };
  fs::create_directories(folder);
  for (const auto& c : cases) {
    std::ofstream(folder / "n.json", std::ios::trunc) << c.content;
    ExpectBlocked("n", 1, c.says);
  }
  auto store = Open();
  fs::remove(folder / "n.json");
  EXPECT_TRUE(store->Bind(Sample("n", 1)).ok());  // released
}

TEST_F(StoreTest, OfTwoFilesForOneTpmTheLaterIsBlocked) {
  Enrolment first = Sample("z", 1);
  Enrolment second = Sample("a", 1);
  second.enrolled += Duration(1'000);
  fs::create_directories(folder);
  WriteBinding(first, "z.json");
  WriteBinding(second, "a.json");
  ExpectBlocked("a", 1, "its TPM is bound to the node z");
  EXPECT_TRUE(Open()->Find("z").ok());
}

TEST_F(StoreTest, TwoProcessesDoNotShareAFolder) {
  auto store = Open();
  auto second = EnrolmentStore::Open(folder.string());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().reason, Reason::kConfigInvalid);
  EXPECT_NE(second.error().detail.find("another process uses it"), std::string::npos);
  store.reset();
  EXPECT_TRUE(EnrolmentStore::Open(folder.string()).ok());
}

TEST_F(StoreTest, AFolderThatCannotBeMadeIsAnError) {
  std::ofstream(folder) << "a file";
  auto store = EnrolmentStore::Open(folder.string());
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().reason, Reason::kFileUnreadable);
}

TEST_F(StoreTest, NamesOfEveryLengthHaveAFile) {
  auto name = [](std::size_t size) {
    std::string text;
    while (text.size() < size) text += (text.size() % 64 == 63) ? '.' : 'a';
    return text;
  };
  const std::string sha = "sha256-" + std::string(64, 'a');
  EXPECT_EQ(StateFolder::FileOf(name(200)), name(200) + ".json");
  EXPECT_EQ(StateFolder::FileOf(name(201)).size(), 7U + 64 + 5);
  EXPECT_NE(StateFolder::FileOf(sha), sha + ".json");  // or it could take the file of a long name
  const std::vector<std::string> names = {name(200), name(201), name(246), name(253), sha};
  {
    auto store = Open();
    for (std::size_t i = 0; i < names.size(); ++i) {
      Status bound = store->Bind(Sample(names[i], static_cast<int>(i)));
      EXPECT_TRUE(bound.ok()) << names[i] << bound.error().ToString();
    }
  }
  auto store = Open();
  EXPECT_TRUE(store->Problems().empty());
  for (const std::string& each : names) EXPECT_TRUE(store->Find(each).ok()) << each;
  fs::remove(folder / StateFolder::FileOf(name(253)));
  EXPECT_EQ(FindReason(*store, name(253)), Reason::kAkUnbound);
}

TEST_F(StoreTest, AtTheLimitNodesThatAreBoundMayStillEnrol) {
  auto store = *EnrolmentStore::Open("", 2);
  ASSERT_TRUE(store->Bind(Sample("a", 1)).ok());
  ASSERT_TRUE(store->Bind(Sample("b", 2)).ok());
  EXPECT_EQ(store->Bind(Sample("c", 3)).error().reason, Reason::kLimitExceeded);
  EXPECT_TRUE(store->Bind(Sample("a", 1, 4)).ok());
}

HttpCall CallWith(std::optional<ClientIdentity> client, std::string_view authorization) {
  return {.path = "/v1/challenge",
          .body = "",
          .query_timeout = std::nullopt,
          .authorization = authorization,
          .client = std::move(client),
          .peer = "",
          .received = {}};
}

TEST(IdentityTest, CertificateSpeaksForItsOwnNodeOnly) {
  AgentAuthenticator authenticator;
  ClientIdentity agent{.common_name = "system:node:n1", .organizations = {"system:nodes"}};
  EXPECT_TRUE(authenticator.Authorize(CallWith(agent, ""), Node("n1")).ok());
  EXPECT_EQ(authenticator.Authorize(CallWith(agent, ""), Node("n2")).error().reason, Reason::kIdentityMismatch);
}

TEST(IdentityTest, CertificatesOfOtherShapesSpeakForNobody) {
  AgentAuthenticator authenticator;
  for (const ClientIdentity& client : std::vector<ClientIdentity>{
           {"n1", {"system:nodes"}}, {"system:node:n1", {}}, {"system:node:n1", {"system:masters"}}, {"", {}}}) {
    EXPECT_EQ(authenticator.Authorize(CallWith(client, ""), Node("n1")).error().reason,
              Reason::kIdentityUnauthenticated);
  }
}

TEST(IdentityTest, Adversarial_Q11_WithoutACredentialNothingIsServed) {
  AgentAuthenticator authenticator;
  EXPECT_EQ(authenticator.Authorize(CallWith(std::nullopt, ""), Node("n1")).error().reason,
            Reason::kIdentityUnauthenticated);
  EXPECT_EQ(authenticator.Authorize(CallWith(std::nullopt, "Bearer "), Node("n1")).error().reason,
            Reason::kIdentityUnauthenticated);
}

TEST(IdentityTest, TokensSpeakForTheNodeTheyAreListedFor) {
  AgentAuthenticator authenticator;
  std::string file = "n1: " + crypto::Sha256Digest(AsBytes("one")).text() +
                     "\nn2: " + crypto::Sha256Digest(AsBytes("two")).text() + "\n";
  auto tokens = AgentAuthenticator::ParseTokens(file, "tokens.yaml");
  ASSERT_TRUE(tokens.ok()) << tokens.error().ToString();
  authenticator.SetTokens(*tokens);
  EXPECT_TRUE(authenticator.Authorize(CallWith(std::nullopt, "Bearer one"), Node("n1")).ok());
  EXPECT_EQ(authenticator.Authorize(CallWith(std::nullopt, "Bearer two"), Node("n1")).error().reason,
            Reason::kIdentityMismatch);
  EXPECT_EQ(authenticator.Authorize(CallWith(std::nullopt, "Bearer three"), Node("n1")).error().reason,
            Reason::kIdentityUnauthenticated);
  EXPECT_EQ(authenticator.Authorize(CallWith(std::nullopt, "Basic one"), Node("n1")).error().reason,
            Reason::kIdentityUnauthenticated);
}

// Before a request names its node: who may not speak for any is not listened to.
TEST(IdentityTest, WhoMaySpeakAtAll) {
  AgentAuthenticator authenticator;
  authenticator.SetTokens({{"n1", crypto::Sha256Digest(AsBytes("one"))}});
  ClientIdentity agent{.common_name = "system:node:n9", .organizations = {"system:nodes"}};
  ClientIdentity other{.common_name = "admin", .organizations = {"system:masters"}};
  EXPECT_TRUE(authenticator.MaySpeak(CallWith(agent, "")).ok());
  EXPECT_TRUE(authenticator.MaySpeak(CallWith(std::nullopt, "Bearer one")).ok());
  for (const HttpCall& call :
       {CallWith(std::nullopt, ""), CallWith(std::nullopt, "Bearer "), CallWith(std::nullopt, "Bearer two"),
        CallWith(std::nullopt, "Basic one"), CallWith(other, ""), CallWith(other, "Bearer one")}) {
    Status may = authenticator.MaySpeak(call);
    ASSERT_FALSE(may.ok()) << call.authorization;
    EXPECT_EQ(may.error().reason, Reason::kIdentityUnauthenticated);
  }
  authenticator.SetTokens({});
  EXPECT_FALSE(authenticator.MaySpeak(CallWith(std::nullopt, "Bearer one")).ok());
}

TEST(IdentityTest, TokenFilesAreStrict) {
  for (const char* bad : {"n1: one\n", "N_1: sha256:00\n", "- n1\n", "n1: {}\n"}) {
    auto tokens = AgentAuthenticator::ParseTokens(bad, "tokens.yaml");
    ASSERT_FALSE(tokens.ok()) << bad;
    EXPECT_EQ(ClassOf(tokens.error().reason), ReasonClass::kUsage) << bad;
  }
}

TEST(RoutesTest, StatusOfEveryReasonIsAnError) {
  for (const ReasonInfo& info : AllReasons()) {
    int status = StatusOf({info.reason, "", ""});
    EXPECT_TRUE(status >= 400 && status < 600) << info.token;
  }
  EXPECT_EQ(StatusOf({Reason::kIdentityUnauthenticated, "", ""}), 401);
  EXPECT_EQ(StatusOf({Reason::kIdentityMismatch, "", ""}), 403);
  EXPECT_EQ(StatusOf({Reason::kMessageMalformed, "", ""}), 400);
  EXPECT_EQ(StatusOf({Reason::kNonceReused, "", ""}), 409);
  EXPECT_EQ(StatusOf({Reason::kOverloaded, "", ""}), 503);
}

TEST(RoutesTest, OurFaultsAreToldByTheirReasonAlone) {
  for (Reason reason : {Reason::kInternal, Reason::kFileUnreadable, Reason::kConfigInvalid}) {
    auto told = RefusalOf({reason, "/var/lib/gatehouse/n.json", "no space left"});
    EXPECT_EQ(told.reason, Token(reason));
    EXPECT_EQ(told.detail.find("/var"), std::string::npos) << told.detail;
    EXPECT_EQ(told.detail.find("space"), std::string::npos) << told.detail;
  }
}

TEST(RoutesTest, AConflictDoesNotNameTheOtherNode) {
  auto told = RefusalOf({Reason::kNodeConflict, "a", "its TPM is bound to the node secret-b"});
  EXPECT_EQ(told.reason, "node-conflict");
  EXPECT_EQ(told.detail.find("secret-b"), std::string::npos) << told.detail;
  EXPECT_NE(told.detail.find("an admin must release the old binding"), std::string::npos) << told.detail;
}

TEST(RoutesTest, OtherRefusalsAreToldInFull) {
  auto told = RefusalOf({Reason::kPcrMissing, "pcr 7", "not sent"});
  EXPECT_EQ(told.detail, "pcr 7: not sent [pcr-missing]");
}

}  // namespace
}  // namespace gatehouse::webhook
