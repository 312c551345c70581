#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "common/base/limits.h"
#include "common/revocation/revocation.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/revocation.h"

namespace gatehouse::revocation {
namespace {

using fakes::CaSpec;
using fakes::kPkiNow;
using fakes::LeafSpec;
using fakes::OcspOptions;
using fakes::TestCa;
using fakes::TestCertificate;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Servers by URL; a URL that is not there cannot be reached.
class Servers final : public net::HttpTransport {
 public:
  std::map<std::string, std::string> answers;
  std::map<std::string, int> statuses;
  std::vector<std::string> asked;
  std::mutex mutex;
  std::chrono::milliseconds delay{0};

  Result<net::HttpResponse> Send(const net::HttpRequest& request, const Deadline& deadline) override {
    EXPECT_LE(deadline.Remaining(),
              request.method == "POST" ? Duration(limits::kOcspTime) : Duration(limits::kCrlTime));
    std::this_thread::sleep_for(delay);
    std::scoped_lock lock(mutex);
    asked.push_back(request.method + " " + request.url.ToString());
    auto found = answers.find(request.url.ToString());
    if (found == answers.end()) return Error{Reason::kNetworkUnavailable, request.url.host, "nobody answers"};
    int status = statuses.contains(found->first) ? statuses[found->first] : 200;
    return net::HttpResponse{.status = status, .headers = {}, .body = found->second};
  }
};

std::string Text(const Bytes& bytes) {
  return std::string(AsText(bytes));
}

class CheckerTest : public ::testing::Test {
 protected:
  static constexpr const char* kOcsp = "http://ocsp.example/";
  static constexpr const char* kCrl = "http://crl.example/list";

  Status Check(const std::optional<WallTime>& signed_at = std::nullopt) {
    return checker_.Check({leaf_.certificate, root_.certificate()}, signed_at,
                          Deadline(clock_, std::chrono::seconds(30)));
  }
  void PutOcsp(const OcspOptions& options) {
    servers_.answers[kOcsp] = Text(fakes::MakeOcspResponse(root_, leaf_.certificate, options));
  }
  void PutCrl(const std::vector<fakes::RevokedCertificate>& revoked) {
    servers_.answers[kCrl] = Text(fakes::MakeCrl(root_, revoked));
  }

  fakes::FakeClock clock_{kPkiNow};
  TestCa root_ = TestCa::Root(CaSpec("root"));
  TestCertificate leaf_ = root_.Leaf(LeafSpec("leaf")
                                         .With("authorityInfoAccess", std::string("OCSP;URI:") + kOcsp)
                                         .With("crlDistributionPoints", std::string("URI:") + kCrl));
  Servers servers_;
  Checker checker_{servers_, clock_, {.cache_bytes = limits::kRevocationCacheBytes}};
};

TEST_F(CheckerTest, CertificateWithoutPointersIsGoodAndNobodyIsAsked) {
  auto plain = root_.Leaf(LeafSpec("plain"));
  EXPECT_TRUE(
      checker_.Check({plain.certificate, root_.certificate()}, {}, Deadline(clock_, std::chrono::seconds(1))).ok());
  EXPECT_THAT(servers_.asked, IsEmpty());
}

TEST_F(CheckerTest, CertificateWhosePointersCannotBeFollowedIsNotGood) {
  const std::pair<const char*, const char*> kPointers[] = {{"authorityInfoAccess", "OCSP;URI:https://ocsp.example/"},
                                                           {"crlDistributionPoints", "URI:ldap://crl.example/list"}};
  for (const auto& [extension, value] : kPointers) {
    const auto leaf = root_.Leaf(LeafSpec("leaf").With(extension, value));
    const Status status =
        checker_.Check({leaf.certificate, root_.certificate()}, {}, Deadline(clock_, std::chrono::seconds(1)));
    ASSERT_FALSE(status.ok()) << value;
    EXPECT_EQ(status.error().reason, Reason::kRevocationUnavailable) << value;
  }
  EXPECT_THAT(servers_.asked, IsEmpty());
}

TEST_F(CheckerTest, OcspIsAskedFirstAndSuffices) {
  PutOcsp({});
  EXPECT_TRUE(Check().ok());
  EXPECT_THAT(servers_.asked, ElementsAre(std::string("POST ") + kOcsp));
}

TEST_F(CheckerTest, RevokedByOcsp) {
  PutOcsp({.status = OcspOptions::Status::kRevoked, .reason = "keyCompromise"});
  EXPECT_EQ(Check().error().reason, Reason::kCertificateRevoked);
  EXPECT_EQ(Check(kPkiNow - std::chrono::hours(100)).error().reason, Reason::kCertificateRevoked)
      << "without an invalidity date the revocation counts for all that it ever signed";
}

TEST_F(CheckerTest, SignedBeforeTheInvalidityDate) {
  PutOcsp({.status = OcspOptions::Status::kRevoked, .invalid_since = kPkiNow - std::chrono::hours(10)});
  EXPECT_EQ(Check().error().reason, Reason::kCertificateRevoked) << "nobody vouches for a time";
  EXPECT_TRUE(Check(kPkiNow - std::chrono::hours(11)).ok());
  EXPECT_EQ(Check(kPkiNow - std::chrono::hours(10)).error().reason, Reason::kCertificateRevoked);
}

TEST_F(CheckerTest, CrlWhereOcspCannotTell) {
  PutCrl({});
  EXPECT_TRUE(Check().ok()) << "OCSP cannot be reached";
  PutOcsp({.status = OcspOptions::Status::kUnknown});
  EXPECT_TRUE(Check().ok());
  PutCrl({{.certificate = leaf_.certificate}});
  Checker fresh{servers_, clock_, {.cache_bytes = limits::kRevocationCacheBytes}};
  EXPECT_EQ(fresh.Check({leaf_.certificate, root_.certificate()}, {}, Deadline(clock_, std::chrono::seconds(9)))
                .error()
                .reason,
            Reason::kCertificateRevoked);
}

TEST_F(CheckerTest, NobodyCanTellIsUnavailable) {
  EXPECT_EQ(Check().error().reason, Reason::kRevocationUnavailable);
  Checker fresh{servers_, clock_, {.cache_bytes = limits::kRevocationCacheBytes}};
  PutOcsp({});
  servers_.statuses[kOcsp] = 500;
  EXPECT_EQ(fresh.Check({leaf_.certificate, root_.certificate()}, {}, Deadline(clock_, std::chrono::seconds(9)))
                .error()
                .reason,
            Reason::kRevocationUnavailable);
}

// A dead server costs one wait, and comes back by itself.
TEST_F(CheckerTest, OutageIsRememberedForAWhile) {
  EXPECT_FALSE(Check().ok());
  PutOcsp({});
  const std::size_t asked = servers_.asked.size();
  EXPECT_FALSE(Check().ok());
  EXPECT_EQ(servers_.asked.size(), asked);
  clock_.Advance(std::chrono::seconds(31));
  EXPECT_TRUE(Check().ok());
}

TEST_F(CheckerTest, AnswersAreRememberedUntilTheirNextUpdate) {
  PutOcsp({.next_update = kPkiNow + std::chrono::hours(2)});
  EXPECT_TRUE(Check().ok());
  EXPECT_TRUE(Check().ok());
  EXPECT_EQ(servers_.asked.size(), 1U);
  clock_.Advance(std::chrono::hours(3));
  PutOcsp({.status = OcspOptions::Status::kRevoked, .next_update = kPkiNow + std::chrono::hours(24)});
  EXPECT_EQ(Check().error().reason, Reason::kCertificateRevoked);
}

TEST_F(CheckerTest, CrlIsFetchedOnceForAllItsCertificates) {
  PutCrl({});
  auto second = root_.Leaf(LeafSpec("second").With("crlDistributionPoints", std::string("URI:") + kCrl));
  auto third = root_.Leaf(LeafSpec("third").With("crlDistributionPoints", std::string("URI:") + kCrl));
  for (const auto* leaf : {&second, &third}) {
    EXPECT_TRUE(
        checker_.Check({leaf->certificate, root_.certificate()}, {}, Deadline(clock_, std::chrono::seconds(9))).ok());
  }
  EXPECT_THAT(servers_.asked, ElementsAre(std::string("GET ") + kCrl));
}

TEST_F(CheckerTest, DeltaOnTopOfTheBase) {
  servers_.answers[kCrl] = Text(fakes::MakeCrl(root_, {}, {.number = 5, .freshest_url = "http://crl.example/delta"}));
  EXPECT_EQ(Check().error().reason, Reason::kRevocationUnavailable) << "the delta is missing";
  clock_.Advance(std::chrono::seconds(31));
  servers_.answers["http://crl.example/delta"] =
      Text(fakes::MakeCrl(root_, {{.certificate = leaf_.certificate}}, {.number = 6, .base_number = 5}));
  EXPECT_EQ(Check().error().reason, Reason::kCertificateRevoked);
}

TEST_F(CheckerTest, EveryCertificateButTheRootIsLookedAt) {
  auto intermediate =
      root_.Intermediate(CaSpec("intermediate").With("crlDistributionPoints", std::string("URI:") + kCrl));
  auto leaf = intermediate.Leaf(LeafSpec("below"));
  servers_.answers[kCrl] = Text(fakes::MakeCrl(root_, {{.certificate = intermediate.certificate()}}));
  EXPECT_EQ(checker_
                .Check({leaf.certificate, intermediate.certificate(), root_.certificate()}, {},
                       Deadline(clock_, std::chrono::seconds(9)))
                .error()
                .reason,
            Reason::kCertificateRevoked);
}

// What says most is said: revoked, although of another certificate nothing could be found out.
TEST_F(CheckerTest, RevokedOutweighsUnavailable) {
  auto intermediate =
      root_.Intermediate(CaSpec("intermediate").With("crlDistributionPoints", std::string("URI:") + kCrl));
  auto leaf = intermediate.Leaf(LeafSpec("below").With("crlDistributionPoints", "URI:http://gone.example/crl"));
  servers_.answers[kCrl] = Text(fakes::MakeCrl(root_, {{.certificate = intermediate.certificate()}}));
  EXPECT_EQ(checker_
                .Check({leaf.certificate, intermediate.certificate(), root_.certificate()}, {},
                       Deadline(clock_, std::chrono::seconds(9)))
                .error()
                .reason,
            Reason::kCertificateRevoked);
}

TEST_F(CheckerTest, ManyAtOnceAskOnce) {
  PutOcsp({});
  servers_.delay = std::chrono::milliseconds(50);
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 16; ++i) threads.emplace_back([&] { good += Check().ok() ? 1 : 0; });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 16);
  EXPECT_EQ(servers_.asked.size(), 1U);
}

// What does not fit is verified and forgotten; what fits pushes out the oldest.
TEST_F(CheckerTest, MemoryIsBounded) {
  Checker small{servers_, clock_, {.cache_bytes = 2048}};
  std::vector<TestCertificate> leaves;
  for (int i = 0; i < 4; ++i) {
    const std::string url = "http://ocsp.example/" + std::to_string(i);
    leaves.push_back(root_.Leaf(LeafSpec("leaf" + std::to_string(i)).With("authorityInfoAccess", "OCSP;URI:" + url)));
    servers_.answers[url] = Text(fakes::MakeOcspResponse(root_, leaves.back().certificate));
  }
  auto check = [&](int i) {
    return small.Check({leaves[static_cast<std::size_t>(i)].certificate, root_.certificate()}, {},
                       Deadline(clock_, std::chrono::seconds(9)));
  };
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(check(i).ok());
  EXPECT_TRUE(check(3).ok());
  EXPECT_EQ(servers_.asked.size(), 4U) << "the newest is remembered";
  EXPECT_TRUE(check(0).ok());
  EXPECT_EQ(servers_.asked.size(), 5U) << "the oldest is not";
}

}  // namespace
}  // namespace gatehouse::revocation
