#include "agent/session/attester.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "tests/agent/support.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/ima_log.h"
#include "tests/fakes/sanitizer.h"

namespace gatehouse::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kEnroll(session::kEnrollPath);
const std::string kActivate(session::kActivatePath);
const std::string kChallenge(session::kChallengePath);
const std::string kLog(session::kLogPath);
const std::string kEvidence(session::kEvidencePath);
// So that a few entries are several pieces.
constexpr std::size_t kPieceBytes = 600;

class AttesterTest : public testing::Test {
 protected:
  AttesterTest() {
    WriteText(folder_ / "eventlog", "EVENTS");
    WriteText(folder_ / "cmdline", "root=/dev/sda1 ro\n");
    ima_.Files(3);
    WriteIma();
  }
  void WriteIma() { WriteText(folder_ / "imalog", AsText(ima_.bytes())); }

  [[nodiscard]] Attester Make(const std::string& node, TpmDevice& device) {
    return Attester({*NodeName::Parse(node), *net::Url::Parse("https://server:8444", Reason::kUsage), device,
                     event_log_, ima_log_, command_line_, metrics_, [this] { return Connect(); },
                     [this] { return token_; }, clock_, captured_.log()});
  }
  [[nodiscard]] Result<std::unique_ptr<net::HttpTransport>> Connect() {
    if (no_connection_) return *no_connection_;
    return service_.Connect();
  }
  // Answers the n-th request (from 1) for `path` with `error`, as a server does.
  void RefuseNth(const std::string& path, int n, Reason reason) {
    service_.intercept = [this, path, n, reason, seen = 0](const net::HttpRequest& request) mutable {
      std::optional<Result<net::HttpResponse>> answer;
      if (request.url.target == path && ++seen == n) {
        service_.paths.push_back(path);
        answer = Result<net::HttpResponse>(FakeService::Refuse({reason, "", "as the test wants"}));
      }
      return answer;
    };
  }
  void AnswerEverything(const net::HttpResponse& response) {
    service_.intercept = [response](const net::HttpRequest&) {
      return std::optional(Result<net::HttpResponse>(response));
    };
  }

  fakes::FakeClock clock_{fakes::kPkiNow};
  CapturedLog captured_;
  TempFolder folder_;
  fakes::TestCa manufacturer_ = fakes::TestCa::Root({.common_name = "TPM vendor"});
  SoftwareDevice device_{manufacturer_};
  FakeService service_{{manufacturer_.certificate()}, {}, clock_};
  LogFile event_log_{"event log", folder_ / "eventlog", limits::kEventLogBytes, captured_.log()};
  fakes::ImaLog ima_;
  Metrics metrics_;
  ImaLog ima_log_{{folder_ / "imalog", std::nullopt, kPieceBytes}, captured_.log()};
  LogFile command_line_{"command line", folder_ / "cmdline", limits::kCommandLineBytes, captured_.log()};
  Result<std::string> token_ = std::string();
  std::optional<Error> no_connection_;
  Attester attester_ = Make("node-a", device_);
};

TEST_F(AttesterTest, EnrolsOnceThenAttests) {
  auto first = attester_.Attest();
  ASSERT_TRUE(first.ok()) << first.error().ToString();
  EXPECT_EQ(first->status, "affirming");
  EXPECT_THAT(service_.paths, ElementsAre(kChallenge, kEnroll, kActivate, kChallenge, kEvidence));
  service_.paths.clear();
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_THAT(service_.paths, ElementsAre(kChallenge, kEvidence));
  EXPECT_EQ(device_.identity_reads, 1);
  EXPECT_EQ(captured_.Count("the attestation key is enrolled"), 1U);
}

TEST_F(AttesterTest, SendsWhatItCollected) {
  service_.ima_from = 1;
  ASSERT_TRUE(attester_.Attest().ok());
  ASSERT_TRUE(service_.last_evidence.has_value());
  EXPECT_EQ(service_.last_evidence->event_log, ToBytes("EVENTS"));
  EXPECT_EQ(service_.last_evidence->ima_log, ima_.BytesFrom(1));
  EXPECT_EQ(service_.last_evidence->ima_from, 1U);
  EXPECT_EQ(service_.last_evidence->ima_encoding, "little-endian");
  EXPECT_FALSE(service_.last_evidence->ima_complete);
  EXPECT_EQ(service_.last_evidence->command_line, "root=/dev/sda1 ro");  // without the line's end
  EXPECT_EQ(service_.last_evidence->quote.pcrs.at(HashAlgorithm::kSha256).size(), 10U);
}

// A log that no policy looks at is not uploaded, however long it is: the server would refuse it.
TEST_F(AttesterTest, SendsOnlyWhatIsWanted) {
  ima_.Files(30);  // several pieces
  WriteIma();
  service_.want_ima_log = false;
  service_.paths.clear();
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_THAT(service_.paths, testing::Not(testing::Contains(kLog)));
  EXPECT_EQ(service_.last_evidence->event_log, ToBytes("EVENTS"));
  EXPECT_FALSE(service_.last_evidence->ima_log.has_value());
  EXPECT_FALSE(service_.last_evidence->ima_complete);
  service_.want_event_log = false;
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_FALSE(service_.last_evidence->event_log.has_value());
  EXPECT_EQ(service_.last_evidence->command_line, "");
  service_.want_ima_log = true;
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_THAT(service_.paths, testing::Contains(kLog));
}

TEST_F(AttesterTest, GoesOnWithoutLogs) {
  for (const char* name : {"eventlog", "imalog", "cmdline"}) std::filesystem::remove(folder_ / name);
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_FALSE(service_.last_evidence->event_log.has_value());
  EXPECT_FALSE(service_.last_evidence->ima_log.has_value());
  EXPECT_FALSE(service_.last_evidence->ima_complete);
  EXPECT_EQ(service_.last_evidence->command_line, "");
}

// A fault in one source is that source's: the others are sent.
TEST_F(AttesterTest, BrokenImaLogDegradesOnlyItself) {
  WriteText(folder_ / "imalog", std::string(100, '\xFF'));
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_FALSE(service_.last_evidence->ima_log.has_value());
  EXPECT_FALSE(service_.last_evidence->ima_complete);
  EXPECT_EQ(service_.last_evidence->event_log, ToBytes("EVENTS"));
  EXPECT_EQ(captured_.Count("the node attests without it"), 1U);
}

TEST_F(AttesterTest, SaysThatThereIsNothingNew) {
  service_.ima_from = 3;
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_FALSE(service_.last_evidence->ima_log.has_value());
  EXPECT_TRUE(service_.last_evidence->ima_complete);
  EXPECT_EQ(service_.last_evidence->ima_from, 3U);
}

// After a reboot the log is shorter than what the server has of the last boot; the quote tells it why.
TEST_F(AttesterTest, ShorterLogIsSentFromItsBeginning) {
  service_.ima_from = 1000;
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_EQ(service_.last_evidence->ima_log, ima_.bytes());
  EXPECT_EQ(service_.last_evidence->ima_from, 0U);
  EXPECT_EQ(service_.CountOf(kLog), 0U);
}

// A log read before the quote could lack entries that the quote covers.
TEST_F(AttesterTest, ReadsLogsAfterTheQuote) {
  device_.before_quote = [&] {
    ima_.Files(1);
    WriteIma();
  };
  service_.ima_from = 2;
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_EQ(service_.last_evidence->ima_log, ima_.BytesFrom(2));
  EXPECT_EQ(service_.last_evidence->ima_from, 2U);
}

TEST_F(AttesterTest, LongLogTravelsAhead) {
  ima_.Files(40);
  WriteIma();
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_EQ(service_.paths.front(), kChallenge);
  EXPECT_EQ(service_.CountOf(kChallenge), 3U);  // unknown key, before the pieces, after them
  EXPECT_GE(service_.CountOf(kLog), 5U);
  EXPECT_EQ(*std::prev(service_.paths.end(), 2), kChallenge);  // a fresh nonce is what is quoted
  EXPECT_THAT(service_.piece_sizes, testing::Each(testing::Le(kPieceBytes)));
  Bytes all = service_.pieces;
  EXPECT_EQ(service_.last_evidence->ima_from, service_.ima_from);
  ASSERT_TRUE(service_.last_evidence->ima_log.has_value());
  EXPECT_LE(service_.last_evidence->ima_log->size(), kPieceBytes);
  Append(all, *service_.last_evidence->ima_log);
  EXPECT_EQ(all, ima_.bytes());
  // The next time only what is new.
  service_.ima_from = ima_.count();
  service_.paths.clear();
  std::uint64_t before = ima_log_.bytes_read();
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_THAT(service_.paths, ElementsAre(kChallenge, kEvidence));
  EXPECT_TRUE(service_.last_evidence->ima_complete);
  EXPECT_EQ(ima_log_.bytes_read(), before);
}

TEST_F(AttesterTest, TpmIsFreeWhileTheLogTravels) {
  ima_.Files(40);
  WriteIma();
  service_.intercept = [&](const net::HttpRequest& request) {
    EXPECT_FALSE(device_.open) << request.url.target;
    return std::optional<Result<net::HttpResponse>>();
  };
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_GE(service_.CountOf(kLog), 5U);
}

TEST_F(AttesterTest, GapIsFilledFromWhereTheServerSays) {
  ASSERT_TRUE(attester_.Attest().ok());
  ima_.Files(40);
  WriteIma();
  // Another replica answers from the second piece on: it has nothing of this log.
  service_.intercept = [&, seen = 0](const net::HttpRequest& request) mutable {
    if (request.url.target == kLog && ++seen == 2) {
      service_.ima_from = 0;
      service_.pieces.clear();
    }
    return std::optional<Result<net::HttpResponse>>();
  };
  ASSERT_TRUE(attester_.Attest().ok());
  Bytes all = service_.pieces;
  Append(all, *service_.last_evidence->ima_log);
  EXPECT_EQ(all, ima_.bytes());
  EXPECT_EQ(captured_.Count("from another place"), 1U);
}

TEST_F(AttesterTest, GapOfTheEvidenceIsFilledOnce) {
  ASSERT_TRUE(attester_.Attest().ok());
  service_.paths.clear();
  RefuseNth(kEvidence, 1, Reason::kImaLogGap);
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_THAT(service_.paths, ElementsAre(kChallenge, kEvidence, kChallenge, kEvidence));
}

TEST_F(AttesterTest, GapThatStaysIsTheOutcome) {
  ASSERT_TRUE(attester_.Attest().ok());
  service_.paths.clear();
  service_.intercept = [&](const net::HttpRequest& request) {
    std::optional<Result<net::HttpResponse>> answer;
    if (request.url.target == kEvidence) {
      answer = Result<net::HttpResponse>(FakeService::Refuse({Reason::kImaLogGap, "", ""}));
    }
    return answer;
  };
  EXPECT_EQ(attester_.Attest().error().reason, Reason::kImaLogGap);
  EXPECT_THAT(service_.paths, ElementsAre(kChallenge, kChallenge));
}

// A server that took nothing, or more than there was, would have the agent send for ever.
TEST_F(AttesterTest, PieceThatWasNotTakenIsAnError) {
  ima_.Files(40);
  WriteIma();
  for (std::uint64_t next : {std::uint64_t{0}, std::uint64_t{1000}}) {
    service_.intercept = [&](const net::HttpRequest& request) {
      std::optional<Result<net::HttpResponse>> answer;
      if (request.url.target == kLog) answer = net::HttpResponse{200, {}, Encode(session::LogResponse{next})};
      return answer;
    };
    EXPECT_EQ(attester_.Attest().error().reason, Reason::kMessageMalformed) << next;
  }
}

// As much is written to the log as is sent of it: it is attested all the same.
TEST_F(AttesterTest, LogThatGrowsAsFastAsItTravelsIsNotSentForEver) {
  ima_.Files(40);
  WriteIma();
  service_.intercept = [&](const net::HttpRequest& request) {
    if (request.url.target == kChallenge) {
      ima_.Files(20);
      WriteIma();
    }
    return std::optional<Result<net::HttpResponse>>();
  };
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_LE(service_.CountOf(kChallenge), 6U);
  EXPECT_EQ(service_.last_evidence->ima_from, service_.ima_from);
}

TEST_F(AttesterTest, LogThatGoesWhileItTravelsIsLeftOut) {
  ima_.Files(40);
  WriteIma();
  service_.intercept = [&](const net::HttpRequest& request) {
    if (request.url.target == kLog) std::filesystem::remove(folder_ / "imalog");
    return std::optional<Result<net::HttpResponse>>();
  };
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_EQ(service_.CountOf(kLog), 1U);
  EXPECT_FALSE(service_.last_evidence->ima_log.has_value());
}

TEST_F(AttesterTest, CountsWhatItSends) {
  ASSERT_TRUE(attester_.Attest().ok());
  std::string text = metrics_.Text();
  EXPECT_THAT(text, HasSubstr("gatehouse_agent_log_bytes_sent_total{log=\"event\"} 6\n"));
  EXPECT_THAT(text, HasSubstr("{log=\"ima\"} " + std::to_string(ima_.bytes().size()) + "\n"));
}

// The peak of what is in memory, in KiB, since the last call.
long PeakSince() {
  long peak = 0;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) peak = std::strtol(line.c_str() + 6, nullptr, 10);
  }
  std::ofstream("/proc/self/clear_refs") << "5";
  return peak;
}

// A log of 200,000 entries (20 MB) is never in memory. The server is in this process, too, with one piece in memory.
TEST_F(AttesterTest, MemoryDoesNotGrowWithTheLog) {
  fakes::ImaLog part;
  part.Files(2000);
  {
    std::ofstream file(folder_ / "imalog", std::ios::binary | std::ios::trunc);
    for (int i = 0; i < 100; ++i) file << AsText(part.bytes());
  }
  ImaLog log({folder_ / "imalog"}, captured_.log());
  Attester attester({*NodeName::Parse("node-a"), *net::Url::Parse("https://server:8444", Reason::kUsage), device_,
                     event_log_, log, command_line_, metrics_, [this] { return service_.Connect(); },
                     [this] { return token_; }, clock_, captured_.log()});
  service_.keep_pieces = false;
  service_.keep_requests = false;
  PeakSince();
  long before = PeakSince();
  ASSERT_TRUE(attester.Attest().ok());
  long growth = PeakSince() - before;
  RecordProperty("growth_kib", std::to_string(growth));
  if (!fakes::kFreedMemoryIsKept) {
    EXPECT_LT(growth, 8 * 1024);
  }
  EXPECT_EQ(std::filesystem::file_size(folder_ / "imalog"), 100 * part.bytes().size());
  EXPECT_GT(100 * part.bytes().size(), 2 * 8 * limits::kMiB);
  EXPECT_LT(log.bytes_read(), 101 * part.bytes().size());  // once, but for halves of entries at the ends of pieces
}

TEST_F(AttesterTest, TpmIsFreeDuringEveryRequest) {
  service_.intercept = [&](const net::HttpRequest& request) {
    EXPECT_FALSE(device_.open) << request.url.target;
    return std::optional<Result<net::HttpResponse>>();
  };
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_EQ(service_.requests.size(), 5U);
  EXPECT_FALSE(device_.open);
}

TEST_F(AttesterTest, TpmIsClosedOnEveryPath) {
  for (const std::string& path : {kChallenge, kEnroll, kActivate, kEvidence}) {
    service_.Forget();
    RefuseNth(path, 1, Reason::kOverloaded);
    EXPECT_EQ(attester_.Attest().error().reason, Reason::kOverloaded) << path;
    EXPECT_FALSE(device_.open) << path;
  }
  service_.intercept = nullptr;
  device_.broken = Error{Reason::kTpmUnavailable, "tpm", "gone"};
  EXPECT_EQ(attester_.Attest().error(), *device_.broken);
  EXPECT_FALSE(device_.open);
}

TEST_F(AttesterTest, EnrolsAgainWhenTheServerForgot) {
  ASSERT_TRUE(attester_.Attest().ok());
  service_.Forget();
  service_.paths.clear();
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_THAT(service_.paths, ElementsAre(kChallenge, kEnroll, kActivate, kChallenge, kEvidence));
}

TEST_F(AttesterTest, EnrolsAgainWhenTheServerForgotBeforeTheEvidence) {
  ASSERT_TRUE(attester_.Attest().ok());
  service_.paths.clear();
  RefuseNth(kEvidence, 1, Reason::kAkUnbound);
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_THAT(service_.paths, ElementsAre(kChallenge, kEvidence, kEnroll, kActivate, kChallenge, kEvidence));
}

TEST_F(AttesterTest, EnrolsAgainWithANewKey) {
  ASSERT_TRUE(attester_.Attest().ok());
  device_.ReplaceAk();
  service_.paths.clear();
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_THAT(service_.paths, ElementsAre(kChallenge, kEnroll, kActivate, kChallenge, kEvidence));
}

TEST_F(AttesterTest, DoesNotEnrolForEver) {
  AnswerEverything(FakeService::Refuse({Reason::kAkUnbound, "", ""}));
  EXPECT_EQ(attester_.Attest().error().reason, Reason::kAkUnbound);
  EXPECT_LE(service_.requests.size(), 3U);
}

TEST_F(AttesterTest, AsksOnceMoreWhenTheNonceExpired) {
  ASSERT_TRUE(attester_.Attest().ok());
  service_.paths.clear();
  RefuseNth(kEvidence, 1, Reason::kNonceExpired);
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_THAT(service_.paths, ElementsAre(kChallenge, kEvidence, kChallenge, kEvidence));
}

TEST_F(AttesterTest, GivesUpWhenTheNonceExpiresAgain) {
  ASSERT_TRUE(attester_.Attest().ok());
  service_.paths.clear();
  device_.before_quote = [&] { clock_.Advance(limits::kNonceLifetime + Duration(1)); };  // a very slow TPM
  EXPECT_EQ(attester_.Attest().error().reason, Reason::kNonceExpired);
  EXPECT_THAT(service_.paths, ElementsAre(kChallenge, kEvidence, kChallenge, kEvidence));
}

// A request whose answer was lost is not sent again: its nonce is used up.
TEST_F(AttesterTest, NeverSendsANonceTwice) {
  ASSERT_TRUE(attester_.Attest().ok());
  service_.intercept = [&](const net::HttpRequest& request) {
    std::optional<Result<net::HttpResponse>> answer;
    if (request.url.target == kEvidence) {
      EXPECT_EQ(service_.Handle(request.url.target, request.body).status, 200);
      answer = Result<net::HttpResponse>(Error{Reason::kNetworkUnavailable, "", "broken off"});
    }
    return answer;
  };
  EXPECT_EQ(attester_.Attest().error().reason, Reason::kNetworkUnavailable);
  service_.intercept = nullptr;
  EXPECT_TRUE(attester_.Attest().ok());
}

TEST_F(AttesterTest, ReportsTheServersReason) {
  RefuseNth(kChallenge, 1, Reason::kNodeConflict);
  auto refused = attester_.Attest();
  EXPECT_EQ(refused.error(), (Error{Reason::kNodeConflict, "server", "as the test wants"}));
}

TEST_F(AttesterTest, AnswersThatAreNotOfThisProtocol) {
  struct {
    const char* name;
    net::HttpResponse response;
    Reason reason;
  } table[] = {
      {"a web page", {200, {}, "<html>hello</html>"}, Reason::kMessageMalformed},
      {"another message", {200, {}, "{\"ear\":\"x\"}"}, Reason::kMessageMalformed},
      {"a proxy's error", {502, {}, "<html>Bad Gateway</html>"}, Reason::kNetworkUnavailable},
      {"another server", {404, {}, "not found"}, Reason::kNetworkUnavailable},
      {"a redirect", {302, {{"Location", "https://evil/"}}, ""}, Reason::kNetworkUnavailable},
      {"no content", {204, {}, ""}, Reason::kNetworkUnavailable},
      {"a reason of tomorrow", {403, {}, R"({"reason":"moon-phase","detail":"x"})"}, Reason::kMessageMalformed},
      {"a fault of tomorrow", {503, {}, R"({"reason":"moon-phase","detail":"x"})"}, Reason::kNetworkUnavailable},
  };
  for (const auto& row : table) {
    AnswerEverything(row.response);
    auto outcome = attester_.Attest();
    ASSERT_FALSE(outcome.ok()) << row.name;
    EXPECT_EQ(outcome.error().reason, row.reason) << row.name << ": " << outcome.error().ToString();
  }
}

TEST_F(AttesterTest, ServersTextCannotForgeLogLines) {
  AnswerEverything(FakeService::Refuse({Reason::kNodeConflict, "", "a\nb\x1b[2J"}));
  EXPECT_EQ(attester_.Attest().error().detail, "a\\x0ab\\x1b[2J");
}

TEST_F(AttesterTest, BindingOfAnotherKeyIsRefused) {
  service_.intercept = [&](const net::HttpRequest& request) {
    std::optional<Result<net::HttpResponse>> answer;
    if (request.url.target == kActivate) {
      answer = net::HttpResponse{200, {}, Encode(session::ActivateResponse{"000b" + std::string(64, 'a')})};
    }
    return answer;
  };
  EXPECT_EQ(attester_.Attest().error().reason, Reason::kMessageMalformed);
}

// It is for the server to say whether it knows the key by its inventory.
TEST_F(AttesterTest, WithoutCertificatesSaysWhatToDo) {
  device_.ek_certificate.clear();
  auto outcome = attester_.Attest();
  EXPECT_EQ(outcome.error().reason, Reason::kCertificateUntrusted);
  EXPECT_EQ(service_.CountOf(kEnroll), 1U);
  EXPECT_EQ(captured_.Count("requireEkHash"), 1U);
}

// A cloud's TPM without a certificate of its endorsement key.
TEST_F(AttesterTest, EnrolsWithTheCertificateOfTheAttestationKey) {
  fakes::CertificateSpec spec = fakes::LeafSpec("cloud AK");
  spec.public_key = *verify::tpm::ToPublicKey(device_.ak.area());
  device_.ak_certificate = manufacturer_.Leaf(spec).der;
  device_.ek_certificate.clear();
  service_.ak_certificates = true;
  auto outcome = attester_.Attest();
  ASSERT_TRUE(outcome.ok()) << outcome.error().ToString();
  EXPECT_EQ(captured_.Count("requireEkHash"), 0U);
}

TEST_F(AttesterTest, CredentialForAnotherTpmIsUnanswered) {
  SoftwareDevice other(manufacturer_);
  service_.intercept = [&](const net::HttpRequest& request) {
    std::optional<Result<net::HttpResponse>> answer;
    if (request.url.target == kEnroll) {  // somebody between us and the server has the secret encrypted to another TPM
      auto swapped = *session::DecodeEnrollRequest(request.body);
      swapped.ek_certificate = other.ek_certificate;
      swapped.ek_public = other.tpm.ek().area().bytes;
      answer = service_.Handle(kEnroll, Encode(swapped));
    }
    return answer;
  };
  EXPECT_EQ(attester_.Attest().error().reason, Reason::kCredentialUnanswered);
  EXPECT_EQ(service_.CountOf(kActivate), 0U);
}

TEST_F(AttesterTest, TokenGoesWithEveryRequestAndIsReadEachTime) {
  int reads = 0;
  Attester attester({*NodeName::Parse("node-a"), *net::Url::Parse("https://server:8444", Reason::kUsage), device_,
                     event_log_, ima_log_, command_line_, metrics_, [this] { return Connect(); },
                     [&] { return Result<std::string>("token" + std::to_string(++reads)); }, clock_, captured_.log()});
  ASSERT_TRUE(attester.Attest().ok());
  ASSERT_EQ(service_.requests.size(), 5U);
  for (std::size_t i = 0; i < service_.requests.size(); ++i) {
    EXPECT_THAT(service_.requests[i].headers, ElementsAre(std::pair<std::string, std::string>(
                                                  "Authorization", "Bearer token" + std::to_string(i + 1))));
  }
  EXPECT_THAT(captured_.Text(), Not(HasSubstr("token")));
}

TEST_F(AttesterTest, UnreadableTokenSendsNothing) {
  token_ = Error{Reason::kFileUnreadable, "token", "gone"};
  EXPECT_EQ(attester_.Attest().error().reason, Reason::kFileUnreadable);
  EXPECT_TRUE(service_.requests.empty());
}

TEST_F(AttesterTest, WithoutTokenThereIsNoAuthorization) {
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_TRUE(service_.requests.front().headers.empty());
}

TEST_F(AttesterTest, NoConnectionLeavesTheTpmAlone) {
  no_connection_ = Error{Reason::kFileUnreadable, "ca.pem", "gone"};
  device_.broken = Error{Reason::kInternal, "", "must not be asked"};
  EXPECT_EQ(attester_.Attest().error(), *no_connection_);
}

TEST_F(AttesterTest, RequestsAreWhatTheProtocolSays) {
  ASSERT_TRUE(attester_.Attest().ok());
  for (const net::HttpRequest& request : service_.requests) {
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.content_type, "application/json");
    EXPECT_EQ(request.url.Origin(), "https://server:8444");
    EXPECT_EQ(request.max_response_bytes, limits::kAttestationBytes);
  }
}

TEST_F(AttesterTest, SaysWhichBanksItsTpmHas) {
  device_.banks = {HashAlgorithm::kSha256, HashAlgorithm::kSha384};
  ASSERT_TRUE(attester_.Attest().ok());
  EXPECT_EQ(service_.last_banks, device_.banks);
}

// G19: a node that relays another node's challenge to its own TPM, or its own challenge to another node's TPM, gains
// nothing.
using Adversarial_G19 = AttesterTest;

TEST_F(Adversarial_G19, ChallengeOfAnotherNode) {
  SoftwareDevice device_b(manufacturer_);
  Attester attester_b = Make("node-b", device_b);
  ASSERT_TRUE(attester_.Attest().ok());
  ASSERT_TRUE(attester_b.Attest().ok());
  std::string name_a = EncodeHex(device_.ak.name());
  service_.intercept = [&](const net::HttpRequest& request) {
    std::optional<Result<net::HttpResponse>> answer;
    if (request.url.target == kChallenge) {
      answer = service_.Handle(kChallenge, Encode(session::ChallengeRequest{"node-a", name_a, device_.banks}));
    }
    return answer;
  };
  EXPECT_EQ(attester_b.Attest().error().reason, Reason::kNonceMismatch);
}

// Q6: two agents with one node name and two TPMs: the second is a new enrolment, never mixed up with the first.
using Adversarial_Q6 = AttesterTest;

TEST_F(Adversarial_Q6, SameNodeOtherTpm) {
  SoftwareDevice other(manufacturer_);
  Attester imposter = Make("node-a", other);
  ASSERT_TRUE(attester_.Attest().ok());
  RefuseNth(kEnroll, 1, Reason::kNodeConflict);
  EXPECT_EQ(imposter.Attest().error().reason, Reason::kNodeConflict);
  service_.intercept = nullptr;
  EXPECT_TRUE(attester_.Attest().ok());
}

}  // namespace
}  // namespace gatehouse::agent
