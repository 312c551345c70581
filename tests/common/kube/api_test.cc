#include "common/kube/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <future>
#include <thread>

#include "common/base/limits.h"
#include "common/net/https_transport.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/http_server.h"

namespace gatehouse::kube {
namespace {

using fakes::HttpServer;
using fakes::RawConnection;
using fakes::RawServer;
using fakes::ReceivedRequest;
using fakes::Reply;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr Duration kPlenty{5000};

Reply Json(std::string body, int status = 200) {
  return Reply{.status = status, .body = std::move(body), .content_type = "application/json"};
}

std::string StatusObject(const std::string& reason, const std::string& message) {
  return R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":")" + message + R"(","reason":")" + reason +
         R"("})";
}

class ApiTest : public testing::Test {
 protected:
  ConnectionSource To(const net::Url& server, std::string token = "t0ken") {
    auto transport = std::shared_ptr<net::StreamTransport>(net::MakeStreamTransport({}).value());
    return [=]() -> Result<Connection> {
      return Connection{server, transport, [token] { return Result<std::string>(token); }};
    };
  }
  Deadline Soon(Duration budget = kPlenty) { return {clock_, budget}; }
  Api::Options Recording() {
    return {.sleep = [this](Duration time) { slept_.push_back(time); }};
  }
  // The error of a GET that is answered so.
  Error GetError(const Reply& reply, const std::string& path = "/api/v1/nodes/n1") {
    HttpServer server([&](const ReceivedRequest&) { return reply; });
    Api api(To(server.At("/")), clock_, Recording());
    auto got = api.Get(path, Soon());
    EXPECT_FALSE(got.ok());
    return got.ok() ? Error{Reason::kInternal, "", ""} : got.error();
  }

  SystemClock clock_;
  std::vector<Duration> slept_;
};

TEST_F(ApiTest, Paths) {
  EXPECT_EQ(PathOf(kPods, "ns", "p", "binding"), "/api/v1/namespaces/ns/pods/p/binding");
  EXPECT_EQ(PathOf(kNodes), "/api/v1/nodes");
  EXPECT_EQ(PathOf(kNodes, "", "n.example", "status"), "/api/v1/nodes/n.example/status");
  EXPECT_EQ(PathOf(kImagePolicies), "/apis/gatehouse.dev/v1alpha1/imagepolicies");
  EXPECT_EQ(PathOf(kLeases, "ns"), "/apis/coordination.k8s.io/v1/namespaces/ns/leases");
  EXPECT_EQ(PathOf(kSecrets, "a/b", "c?d#e f"), "/api/v1/namespaces/a%2Fb/secrets/c%3Fd%23e%20f");
  EXPECT_EQ(PathOf(kSecrets, "..", "."), "/api/v1/namespaces/%2E%2E/secrets/%2E");
}

TEST_F(ApiTest, EachVerbAsTheApiWantsIt) {
  HttpServer server([](const ReceivedRequest&) { return Json(R"({"kind":"X","n":1})"); });
  Api api(To(server.At("/prefix/")), clock_, {});
  auto got = api.Get("/api/v1/nodes?limit=5", Soon());
  ASSERT_TRUE(got.ok()) << got.error().ToString();
  EXPECT_EQ(TextAt(got->root(), {"kind"}), "X");
  EXPECT_TRUE(api.Create("/c", "{1}", Soon()).ok());
  EXPECT_TRUE(api.Replace("/r", "{2}", Soon()).ok());
  EXPECT_TRUE(api.Patch("/p", PatchType::kMerge, "{3}", Soon()).ok());
  EXPECT_TRUE(api.Patch("/p", PatchType::kStrategic, "{4}", Soon()).ok());
  EXPECT_TRUE(api.Patch("/p", PatchType::kJson, "[5]", Soon()).ok());
  EXPECT_TRUE(api.Delete("/api/v1/nodes/n", "u-1", Soon()).ok());
  EXPECT_TRUE(api.Delete("/api/v1/nodes/n", "", Soon()).ok());
  std::vector<std::string> seen;
  for (const ReceivedRequest& request : server.requests()) {
    EXPECT_EQ(request.Header("Authorization"), "Bearer t0ken");
    EXPECT_EQ(request.Header("Accept"), "application/json");
    seen.push_back(request.method + " " + request.target + " " + request.Header("Content-Type") + " " + request.body);
  }
  EXPECT_THAT(seen,
              ElementsAre("GET /prefix/api/v1/nodes?limit=5  ", "POST /prefix/c application/json {1}",
                          "PUT /prefix/r application/json {2}", "PATCH /prefix/p application/merge-patch+json {3}",
                          "PATCH /prefix/p application/strategic-merge-patch+json {4}",
                          "PATCH /prefix/p application/json-patch+json [5]",
                          "DELETE /prefix/api/v1/nodes/n application/json "
                          R"({"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"u-1"}})",
                          "DELETE /prefix/api/v1/nodes/n  "));
}

TEST_F(ApiTest, MetadataOnlyIsAskedForByAccept) {
  HttpServer server([](const ReceivedRequest&) { return Json("{}\n"); });
  Api api(To(server.At("/")), clock_, {});
  EXPECT_TRUE(api.Get("/l", Soon(), Form::kMetadataList).ok());
  EXPECT_TRUE(api.Watch(
                     "/w", [](std::string_view) { return true; }, Soon(), Form::kMetadata)
                  .ok());
  EXPECT_EQ(server.requests()[0].Header("Accept"),
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json");
  EXPECT_EQ(server.requests()[1].Header("Accept"),
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json");
}

struct Mapped {
  int status;
  Reason reason;
};

class ApiReason : public ApiTest, public testing::WithParamInterface<Mapped> {};

TEST_P(ApiReason, OfAStatus) {
  Error error = GetError(Json(StatusObject("Why", "nodes is forbidden"), GetParam().status));
  EXPECT_EQ(error.reason, GetParam().reason);
  EXPECT_EQ(error.where, "/api/v1/nodes/n1");
  EXPECT_EQ(error.detail, "the API server answered " + std::to_string(GetParam().status) + ": nodes is forbidden");
}

INSTANTIATE_TEST_SUITE_P(Table, ApiReason,
                         testing::Values(Mapped{400, Reason::kKubeRejected}, Mapped{401, Reason::kKubeDenied},
                                         Mapped{403, Reason::kKubeDenied}, Mapped{404, Reason::kKubeNotFound},
                                         Mapped{405, Reason::kKubeRejected}, Mapped{406, Reason::kKubeRejected},
                                         Mapped{408, Reason::kKubeUnavailable}, Mapped{409, Reason::kKubeConflict},
                                         Mapped{410, Reason::kKubeExpired}, Mapped{413, Reason::kKubeRejected},
                                         Mapped{415, Reason::kKubeRejected}, Mapped{422, Reason::kKubeRejected},
                                         Mapped{429, Reason::kKubeUnavailable}, Mapped{500, Reason::kKubeUnavailable},
                                         Mapped{502, Reason::kKubeUnavailable}, Mapped{503, Reason::kKubeUnavailable},
                                         Mapped{504, Reason::kKubeUnavailable}, Mapped{302, Reason::kKubeRejected}),
                         [](const auto& test) { return std::to_string(test.param.status); });

TEST_F(ApiTest, AnswersThatAreNotWhatTheApiSpecifies) {
  for (const char* body : {"", "not JSON", "[]", "1", R"({"a":1,"a":2})", "{\"a\":\"\xFF\"}"}) {
    EXPECT_EQ(GetError(Json(body)).reason, Reason::kKubeRejected) << body;
  }
  EXPECT_EQ(GetError({.status = 200, .body = "{}", .headers = {{"Content-Encoding", "gzip"}}}).reason,
            Reason::kKubeRejected);
}

TEST_F(ApiTest, AnAnswerThatIsTooLargeIsToldFromOneThatIsWrong) {
  EXPECT_EQ(GetError(Json(std::string(limits::kKubeResponseBytes + 1, ' '))).reason, Reason::kLimitExceeded);
  std::string values = "{\"items\":[0";
  for (std::size_t i = 0; i < limits::kJsonNodes; ++i) values += ",0";
  EXPECT_EQ(GetError(Json(values + "]}")).reason, Reason::kLimitExceeded);
}

TEST_F(ApiTest, MessagesOfTheServerAreShownButNotRaw) {
  EXPECT_EQ(GetError({.status = 500, .body = "plain \x1B[31m text"}).detail,
            "the API server answered 500: plain \\x1b[31m text");
  EXPECT_EQ(GetError({.status = 500}).detail, "the API server answered 500");
  EXPECT_LT(GetError(Json(StatusObject("R", std::string(100'000, 'x')), 403)).detail.size(), 1000U);
  EXPECT_LT(GetError({.status = 500, .body = std::string(100'000, 'x')}).detail.size(), 1000U);
  Error with_query = GetError(Json("{}", 404), "/api/v1/nodes?continue=abc");
  EXPECT_EQ(with_query.where, "/api/v1/nodes");
}

// The decoder of the API server quotes what it cannot read.
TEST_F(ApiTest, MessagesAboutSecretsAreNotRepeated) {
  Error error = GetError(Json(StatusObject("BadRequest", "error in ...|ca.key:LS0tLS1CRUdJTi|..."), 400),
                         "/api/v1/namespaces/ns/secrets/gatehouse-ca");
  EXPECT_EQ(error.detail, "the API server answered 400: BadRequest");
  error = GetError({.status = 400, .body = "LS0tLS1CRUdJTi"}, "/api/v1/namespaces/ns/secrets/gatehouse-ca");
  EXPECT_EQ(error.detail, "the API server answered 400");
}

TEST_F(ApiTest, ServerThatIsNotThere) {
  int port = fakes::UnusedPort();
  auto server = net::Url::Parse("http://127.0.0.1:" + std::to_string(port) + "/", Reason::kInternal).value();
  Api api(To(server), clock_, {});
  auto got = api.Get("/api/v1/nodes", Soon());
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().reason, Reason::kKubeUnavailable);
  EXPECT_THAT(got.error().ToString(), HasSubstr("Connection refused"));
  auto watched = api.Watch(
      "/api/v1/nodes?watch=1", [](std::string_view) { return true; }, Soon());
  ASSERT_FALSE(watched.ok());
  EXPECT_EQ(watched.error().reason, Reason::kKubeUnavailable);
}

TEST_F(ApiTest, ServerThatDoesNotAnswerInTime) {
  RawServer server([](RawConnection& connection, std::size_t) { connection.AwaitClose(kPlenty); });
  Api api(To(server.At("/")), clock_, {});
  EXPECT_EQ(api.Get("/api/v1/nodes", Soon(Duration(50))).error().reason, Reason::kKubeUnavailable);
}

TEST_F(ApiTest, CredentialsThatCannotBeReadAreAnOutage) {
  ConnectionSource none = []() -> Result<Connection> {
    return Error{Reason::kFileUnreadable, "ca.crt", "no such file"};
  };
  Api api(none, clock_, {});
  auto got = api.Get("/api/v1/nodes", Soon());
  EXPECT_EQ(got.error().reason, Reason::kKubeUnavailable);
  EXPECT_THAT(got.error().ToString(), HasSubstr("ca.crt: no such file"));
}

TEST_F(ApiTest, TooManyRequestsIsObeyed) {
  int left = 2;
  HttpServer server([&](const ReceivedRequest&) {
    if (left-- > 0) return Reply{.status = left == 1 ? 429 : 503, .headers = {{"Retry-After", "2"}}};
    return Json("{}");
  });
  Api api(To(server.At("/")), clock_, Recording());
  EXPECT_TRUE(api.Get("/a", Soon()).ok());
  EXPECT_THAT(slept_, ElementsAre(Duration(2000), Duration(2000)));
  EXPECT_EQ(server.requests().size(), 3U);
}

TEST_F(ApiTest, ComingAgainLaterEndsAtTheDeadline) {
  HttpServer server([&](const ReceivedRequest&) {
    return Reply{.status = 429, .body = "slow down", .headers = {{"Retry-After", "60"}}};
  });
  Api api(To(server.At("/")), clock_, Recording());
  auto got = api.Get("/a", Soon());
  EXPECT_EQ(got.error().reason, Reason::kKubeUnavailable);
  EXPECT_THAT(got.error().detail, HasSubstr("slow down"));
  EXPECT_THAT(slept_, ElementsAre());
}

TEST_F(ApiTest, ComingAgainLaterIsNotForEver) {
  HttpServer server([&](const ReceivedRequest&) { return Reply{.status = 429, .headers = {{"Retry-After", "0"}}}; });
  Api api(To(server.At("/")), clock_, Recording());
  EXPECT_EQ(api.Get("/a", Soon()).error().reason, Reason::kKubeUnavailable);
  EXPECT_EQ(server.requests().size(), limits::kKubeAttempts);
}

TEST_F(ApiTest, RetryAfterIsANumberOfSeconds) {
  for (const char* value : {"", "-1", "soon", "1.5", "99999999999", " 1x"}) {
    HttpServer server([&](const ReceivedRequest&) {
      return Reply{.status = 429, .headers = {{"Retry-After", value}}};
    });
    Api api(To(server.At("/")), clock_, Recording());
    EXPECT_FALSE(api.Get("/a", Soon()).ok());
    EXPECT_EQ(server.requests().size(), 1U) << value;
  }
}

TEST_F(ApiTest, OnlyBusyServersAreAskedAgain) {
  HttpServer server([&](const ReceivedRequest&) { return Reply{.status = 500, .headers = {{"Retry-After", "0"}}}; });
  Api api(To(server.At("/")), clock_, Recording());
  EXPECT_FALSE(api.Create("/a", "{}", Soon()).ok());
  EXPECT_EQ(server.requests().size(), 1U) << "it may have been carried out";
}

class TokenTest : public ApiTest {
 protected:
  // A server that takes the token "new" only, and a source whose tokens are `tokens` one after the other.
  std::unique_ptr<HttpServer> server_ = std::make_unique<HttpServer>([](const ReceivedRequest& request) {
    return request.Header("Authorization") == "Bearer new" ? Json("{}\n")
                                                           : Json(StatusObject("Unauthorized", "no"), 401);
  });
  Api Make(std::vector<std::string> tokens, std::function<void()> refused = {}) {
    auto transport = std::shared_ptr<net::StreamTransport>(net::MakeStreamTransport({}).value());
    auto next = std::make_shared<std::size_t>(0);
    return Api(
        [=, this]() -> Result<Connection> {
          return Connection{server_->At("/"), transport,
                            [=] { return Result<std::string>(tokens[std::min((*next)++, tokens.size() - 1)]); },
                            refused};
        },
        clock_, Recording());
  }
};

TEST_F(TokenTest, IsReadAgainOnceWhenRefused) {
  EXPECT_TRUE(Make({"old", "new"}).Get("/a", Soon()).ok());
  EXPECT_EQ(server_->requests().size(), 2U);
  EXPECT_TRUE(Make({"old", "new"})
                  .Watch(
                      "/a", [](std::string_view) { return true; }, Soon())
                  .ok());
}

TEST_F(TokenTest, ThatIsTheSameIsNotTriedAgain) {
  EXPECT_EQ(Make({"old"}).Get("/a", Soon()).error().reason, Reason::kKubeDenied);
  EXPECT_EQ(server_->requests().size(), 1U);
}

TEST_F(TokenTest, IsNotTriedAThirdTime) {
  EXPECT_EQ(Make({"old", "older", "new"}).Get("/a", Soon()).error().reason, Reason::kKubeDenied);
  EXPECT_EQ(server_->requests().size(), 2U);
}

TEST_F(TokenTest, CredentialsThatAreRememberedAreForgotten) {
  int forgotten = 0;
  EXPECT_TRUE(Make({"old", "new"}, [&] { ++forgotten; }).Get("/a", Soon()).ok());
  EXPECT_EQ(forgotten, 1);
}

TEST_F(TokenTest, IsInNoError) {
  for (const char* token : {"s3cret", "s3cret\nX: y"}) {
    Error error = Make({token}).Get("/a", Soon()).error();
    EXPECT_THAT(error.ToString(), Not(HasSubstr("s3cret")));
  }
}

TEST_F(ApiTest, DeletingWhatIsGoneIsASuccess) {
  int status = 404;
  HttpServer server([&](const ReceivedRequest&) { return Json(StatusObject("R", "m"), status); });
  Api api(To(server.At("/")), clock_, {});
  EXPECT_TRUE(api.Delete("/api/v1/nodes/n", "", Soon()).ok());
  status = 409;
  EXPECT_EQ(api.Delete("/api/v1/nodes/n", "u", Soon()).error().reason, Reason::kKubeConflict);
}

TEST_F(ApiTest, AWholeCollectionIsNeverDeleted) {
  HttpServer server([&](const ReceivedRequest&) { return Json("{}"); });
  Api api(To(server.At("/")), clock_, {});
  for (const std::string& path :
       {PathOf(kNodes), PathOf(kPods, "ns"), PathOf(kLeases, "ns"), PathOf(kNodeAttestations), PathOf(kNamespaces),
        PathOf(kNodes) + "/", PathOf(kNodes) + "?labelSelector=a", std::string("/api/v1"), std::string("/")}) {
    EXPECT_EQ(api.Delete(path, "", Soon()).error().reason, Reason::kInternal) << path;
  }
  EXPECT_TRUE(server.requests().empty());
  for (const std::string& path : {PathOf(kNodes, "", "n"), PathOf(kPods, "ns", "p"), PathOf(kLeases, "ns", "l"),
                                  PathOf(kNodeAttestations, "", "n"), PathOf(kNamespaces, "", "ns")}) {
    EXPECT_TRUE(api.Delete(path, "", Soon()).ok()) << path;
  }
}

// --- watches

TEST_F(ApiTest, WatchGivesLines) {
  HttpServer server([&](const ReceivedRequest&) { return Reply{.body = "{\"a\":1}\n\n{\"b\":2}\n"}; });
  Api api(To(server.At("/")), clock_, {});
  std::vector<std::string> lines;
  auto on_line = [&](std::string_view line) {
    if (!line.empty()) lines.emplace_back(line);
    return true;
  };
  Status status = api.Watch("/api/v1/nodes?watch=1", on_line, Soon());
  ASSERT_TRUE(status.ok()) << status.error().ToString();
  EXPECT_THAT(lines, ElementsAre("{\"a\":1}", "{\"b\":2}"));
  EXPECT_EQ(server.requests()[0].target, "/api/v1/nodes?watch=1");
  lines.clear();
  EXPECT_TRUE(api.Watch(
                     "/w", [&](std::string_view line) { return lines.emplace_back(line).empty(); }, Soon())
                  .ok());
  EXPECT_THAT(lines, ElementsAre("{\"a\":1}")) << "ended by false";
}

// A chunk is no line: the pieces of one event may come in many, and many events in one.
TEST_F(ApiTest, WatchLinesAreCutAtNewlinesOnly) {
  RawServer server([](RawConnection& connection, std::size_t) {
    connection.ReadHead();
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (const char* chunk : {"{\"ty", "pe\":1}\n{\"type\":2}\n{", "\"type\":3}", "\n"}) {
      std::string text = chunk;
      char size[20];
      snprintf(size, sizeof(size), "%zx\r\n", text.size());
      connection.Write(size + text + "\r\n");
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    connection.Write("0\r\n\r\n");
  });
  Api api(To(server.At("/")), clock_, {});
  std::vector<std::string> lines;
  Status status = api.Watch(
      "/w", [&](std::string_view line) { return line.empty() || !lines.emplace_back(line).empty(); }, Soon());
  ASSERT_TRUE(status.ok()) << status.error().ToString();
  EXPECT_THAT(lines, ElementsAre("{\"type\":1}", "{\"type\":2}", "{\"type\":3}"));
}

TEST_F(ApiTest, WatchTicksAndEndsPromptly) {
  RawServer server([](RawConnection& connection, std::size_t) {
    connection.ReadHead();
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n");
    connection.AwaitClose(kPlenty);
  });
  Api api(To(server.At("/")), clock_, {});
  int ticks = 0;
  EXPECT_TRUE(api.Watch(
                     "/w", [&](std::string_view line) { return !line.empty() || ++ticks < 2; }, Soon())
                  .ok());
  EXPECT_EQ(ticks, 2);
}

TEST_F(ApiTest, WatchThatBreaksOff) {
  for (const char* body : {"3\r\n{}\n\r\n", "2\r\n{}\r\n0\r\n\r\n"}) {
    RawServer server([&](RawConnection& connection, std::size_t) {
      connection.ReadHead();
      connection.Write(std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") + body);
    });
    Api api(To(server.At("/")), clock_, {});
    Status status = api.Watch(
        "/w", [](std::string_view) { return true; }, Soon());
    ASSERT_FALSE(status.ok()) << body;
    EXPECT_EQ(status.error().reason, Reason::kKubeUnavailable);
  }
}

TEST_F(ApiTest, WatchOfAVersionThatIsGone) {
  HttpServer server([](const ReceivedRequest&) { return Json(StatusObject("Expired", "too old"), 410); });
  Api api(To(server.At("/")), clock_, {});
  Status status = api.Watch(
      "/w", [](std::string_view) { return true; }, Soon());
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().reason, Reason::kKubeExpired);
}

TEST_F(ApiTest, EventsAreBounded) {
  HttpServer server([](const ReceivedRequest& request) {
    if (request.target == "/endless") return Reply{.body = std::string(65536, 'x'), .endless = true};
    std::size_t size = request.target == "/fits" ? limits::kKubeObjectBytes : limits::kKubeObjectBytes + 1;
    return Reply{.body = std::string(size, 'x') + "\n"};
  });
  Api api(To(server.At("/")), clock_, {});
  auto ignore = [](std::string_view) { return true; };
  EXPECT_TRUE(api.Watch("/fits", ignore, Soon()).ok());
  EXPECT_EQ(api.Watch("/long", ignore, Soon()).error().reason, Reason::kKubeRejected);
  EXPECT_EQ(api.Watch("/endless", ignore, Soon()).error().reason, Reason::kKubeRejected);
}

// --- what the server is

TEST_F(ApiTest, ServerVersionIsAskedOnce) {
  int calls = 0;
  HttpServer server([&](const ReceivedRequest&) {
    return ++calls == 1 ? Json("{}", 503) : Json(R"({"major":"1","minor":"20+","gitVersion":"v1.20.9"})");
  });
  Api api(To(server.At("/")), clock_, {});
  EXPECT_EQ(api.ServerVersion(Soon()).error().reason, Reason::kKubeUnavailable) << "a failure is not remembered";
  for (int i = 0; i < 3; ++i) {
    auto version = api.ServerVersion(Soon());
    ASSERT_TRUE(version.ok());
    EXPECT_EQ(version->major, 1);
    EXPECT_EQ(version->minor, 20);
  }
  EXPECT_EQ(calls, 2);
}

TEST_F(ApiTest, ServerVersionThatIsNone) {
  for (const char* body : {"{}", R"({"major":"x","minor":"20"})", R"({"major":"1","minor":"-2"})", R"({"major":1})"}) {
    HttpServer server([&](const ReceivedRequest&) { return Json(body); });
    Api api(To(server.At("/")), clock_, {});
    EXPECT_EQ(api.ServerVersion(Soon()).error().reason, Reason::kKubeRejected) << body;
  }
}

TEST_F(ApiTest, WhatIsServedIsDiscovered) {
  HttpServer server([&](const ReceivedRequest& request) {
    if (request.target == "/api/v1") return Json(R"({"resources":[{"name":"nodes"},{"name":"nodes/status"}]})");
    if (request.target == "/apis/gatehouse.dev/v1alpha1") return Json(R"({"resources":[{"name":"imagepolicies"}]})");
    if (request.target == "/apis/coordination.k8s.io/v1") return Json("{}", 503);
    return Json("{}", 404);
  });
  Api api(To(server.At("/")), clock_, {});
  EXPECT_EQ(api.Serves(kNodes, Soon()).value(), true);
  EXPECT_EQ(api.Serves(kPods, Soon()).value(), false);
  EXPECT_EQ(api.Serves(kImagePolicies, Soon()).value(), true);
  EXPECT_EQ(api.Serves(kNodePolicies, Soon()).value(), false);
  EXPECT_EQ(api.Serves(kCsrs, Soon()).value(), false);
  EXPECT_EQ(api.Serves(kLeases, Soon()).error().reason, Reason::kKubeUnavailable) << "not known is not no";
}

TEST_F(ApiTest, RequestsAreCountedByOutcome) {
  HttpServer server([&](const ReceivedRequest& request) {
    std::string last = request.target.substr(request.target.rfind('/') + 1);
    return Json("{}\n", last == "ok" ? 200 : std::stoi(last));
  });
  Api api(To(server.At("/")), clock_, {});
  std::vector<std::string> seen;
  api.OnRequest([&](std::string_view verb, std::string_view outcome) {
    seen.push_back(std::string(verb) + " " + std::string(outcome));
  });
  for (const char* path : {"/ok", "/403", "/404", "/409", "/410", "/503", "/422"}) (void)api.Get(path, Soon());
  (void)api.Create("/ok", "{}", Soon());
  (void)api.Replace("/ok", "{}", Soon());
  (void)api.Patch("/ok", PatchType::kMerge, "{}", Soon());
  (void)api.Delete("/api/v1/nodes/503", "", Soon());
  (void)api.Watch(
      "/ok", [](std::string_view) { return true; }, Soon());
  EXPECT_THAT(seen,
              ElementsAre("get ok", "get denied", "get missing", "get conflict", "get conflict", "get unavailable",
                          "get rejected", "create ok", "replace ok", "patch ok", "delete unavailable", "watch ok"));
}

TEST_F(ApiTest, RateIsKeptWithinTheDeadline) {
  fakes::FakeClock clock;
  HttpServer server([](const ReceivedRequest&) { return Json("{}\n"); });
  std::vector<Duration> slept;
  Api api(To(server.At("/")), clock, {.queries_per_second = 2, .sleep = [&](Duration time) { slept.push_back(time); }});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(api.Get("/a", Deadline(clock, kPlenty)).ok());
  EXPECT_THAT(slept, ElementsAre(Duration(500)));
  auto late = api.Get("/a", Deadline(clock, Duration(700)));
  EXPECT_EQ(late.error().reason, Reason::kKubeUnavailable);
  EXPECT_EQ(server.requests().size(), 5U);
  EXPECT_TRUE(api.Watch(
                     "/w", [](std::string_view) { return true; }, Deadline(clock, Duration(700)))
                  .ok());
}

TEST_F(ApiTest, ManyThreads) {
  HttpServer server([](const ReceivedRequest&) { return Json("{}\n"); });
  Api api(To(server.At("/")), clock_, {});
  std::vector<std::future<bool>> all;
  for (int i = 0; i < 8; ++i) {
    all.push_back(std::async(std::launch::async, [&] {
      bool ok = true;
      for (int j = 0; j < 5; ++j) ok = ok && api.Get("/a", Soon()).ok();
      return ok && api.Watch(
                          "/w", [](std::string_view) { return true; }, Soon())
                       .ok();
    }));
  }
  for (auto& one : all) EXPECT_TRUE(one.get());
}

TEST_F(ApiTest, TextOfWhatNobodyHereWrote) {
  auto document = codec::JsonDocument::Parse(R"({"a":{"b":"c","n":1}})", {1000}).value();
  EXPECT_EQ(TextAt(document.root(), {"a", "b"}), "c");
  EXPECT_EQ(TextAt(document.root(), {"a", "n"}), "");
  EXPECT_EQ(TextAt(document.root(), {"a", "b", "c"}), "");
  EXPECT_EQ(TextAt(document.root(), {"x"}), "");
  EXPECT_EQ(TextAt(document.root(), {}), "");
}

}  // namespace
}  // namespace gatehouse::kube
