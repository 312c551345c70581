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

  static Enrolment Sample(const std::string& node, std::uint8_t tpm, const std::string& ak = "000b01") {
    return {.node = node,
            .ek = *Digest::Make(HashAlgorithm::kSha256, Bytes(32, tpm)),
            .ek_public = {1},
            .ek_certificate = {2},
            .ek_intermediates = {{3}, {4}},
            .ak_public = {5},
            .ak_name = ak,
            .enrolled = WallTime(Duration(1'000)),
            .last_clock = std::nullopt};
  }
  std::unique_ptr<EnrolmentStore> Open() { return *EnrolmentStore::Open(folder.string()); }

  fs::path folder;
};

TEST_F(StoreTest, EnrolmentRoundTrips) {
  Enrolment sample = Sample("n", 1);
  sample.last_clock = claims::TpmClock{.clock_ms = 5, .reset_count = 6, .restart_count = 7, .safe = true};
  auto decoded = DecodeEnrolment(EncodeEnrolment(sample));
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  EXPECT_EQ(EncodeEnrolment(*decoded), EncodeEnrolment(sample));
  EXPECT_EQ(decoded->last_clock, sample.last_clock);
  EXPECT_EQ(decoded->ek_intermediates, sample.ek_intermediates);
}

TEST_F(StoreTest, EnrolmentWithoutIntermediatesOrClockRoundTrips) {
  Enrolment sample = Sample("n", 1);
  sample.ek_intermediates.clear();
  auto decoded = DecodeEnrolment(EncodeEnrolment(sample));
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  EXPECT_EQ(EncodeEnrolment(*decoded), EncodeEnrolment(sample));
}

TEST_F(StoreTest, BindingsOutliveTheProcess) {
  ASSERT_TRUE(Open()->Bind(Sample("n", 1)).ok());
  auto reopened = Open();
  ASSERT_TRUE(reopened->Find("n").has_value());
  EXPECT_EQ(reopened->Bind(Sample("n", 2)).error().reason, Reason::kNodeConflict);
  EXPECT_EQ(reopened->Bind(Sample("m", 1)).error().reason, Reason::kNodeConflict);
}

TEST_F(StoreTest, TheClockOutlivesTheProcess) {
  {
    auto store = Open();
    ASSERT_TRUE(store->Bind(Sample("n", 1)).ok());
    ASSERT_TRUE(
        store->Advance("n", "000b01", {.clock_ms = 100, .reset_count = 2, .restart_count = 0, .safe = true}).ok());
  }
  auto store = Open();
  EXPECT_EQ(store->Find("n")->last_clock->clock_ms, 100U);
  EXPECT_EQ(store->Advance("n", "000b01", {.clock_ms = 99, .reset_count = 2, .restart_count = 0, .safe = true})
                .error()
                .reason,
            Reason::kClockRewound);
  EXPECT_EQ(store->Advance("n", "000b02", {.clock_ms = 200, .reset_count = 2, .restart_count = 0, .safe = true})
                .error()
                .reason,
            Reason::kAkUnbound);
}

TEST_F(StoreTest, EnrollingTheSameKeyAgainKeepsItsClock) {
  auto store = Open();
  ASSERT_TRUE(store->Bind(Sample("n", 1)).ok());
  ASSERT_TRUE(
      store->Advance("n", "000b01", {.clock_ms = 100, .reset_count = 2, .restart_count = 0, .safe = true}).ok());
  ASSERT_TRUE(store->Bind(Sample("n", 1)).ok());
  EXPECT_TRUE(store->Find("n")->last_clock.has_value());
  ASSERT_TRUE(store->Bind(Sample("n", 1, "000b02")).ok());
  EXPECT_FALSE(store->Find("n")->last_clock.has_value());
}

TEST_F(StoreTest, RemovingTheFileReleasesTheBinding) {
  auto store = Open();
  ASSERT_TRUE(store->Bind(Sample("n", 1)).ok());
  fs::remove(folder / "n.json");
  EXPECT_FALSE(store->Find("n").has_value());
  EXPECT_TRUE(store->Bind(Sample("n", 2)).ok());
  EXPECT_TRUE(store->Bind(Sample("m", 1)).ok());
}

TEST_F(StoreTest, AFileThatCannotBeReadIsNotAnAbsentBinding) {
  ASSERT_TRUE(Open()->Bind(Sample("n", 1)).ok());
  std::ofstream(folder / "n.json") << "{\"node\": \"n\"";
  EXPECT_FALSE(EnrolmentStore::Open(folder.string()).ok());
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

}  // namespace
}  // namespace gatehouse::webhook
