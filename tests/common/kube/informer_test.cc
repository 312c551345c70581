// List and watch against an API server that shows every fault that a real one shows.
#include "tests/common/kube/informer_support.h"

namespace gatehouse::kube {
namespace {

TEST_F(InformerTest, ListsThenWatches) {
  server_.Put(NodeJson("a"));
  Start();
  EXPECT_TRUE(informer_->Synced());
  EXPECT_EQ(seen_.names(), (std::set<std::string>{"a"}));
  server_.Put(NodeJson("b"));
  ASSERT_TRUE(seen_.AwaitNote("+b"));
  server_.Put(NodeJson("a", "changed"));
  ASSERT_TRUE(seen_.AwaitNote("+a", 2));
  EXPECT_NE(seen_.object("a").find("changed"), std::string::npos);
  server_.Remove(kNodes, "b");
  ASSERT_TRUE(seen_.AwaitNote("-b"));
  ASSERT_TRUE(seen_.AwaitNote(".", 2));
  EXPECT_EQ(informer_->Problem(), "");
  EXPECT_EQ(informer_->counts().events, 3U);
  EXPECT_EQ(informer_->counts().lists + informer_->counts().failures, 1U);
}

TEST_F(InformerTest, NothingIsAWholeToo) {
  Start();
  EXPECT_TRUE(informer_->Synced() && seen_.notes().front() == ".");
}

TEST_F(InformerTest, GoesOnFromTheLastVersionAfterACut) {
  server_.Put(NodeJson("a"));
  Start();
  const std::string version = server_.Put(NodeJson("b"));
  ASSERT_TRUE(seen_.AwaitNote("+b"));
  for (bool in_order : {true, false}) {
    server_.ForgetRequests();
    server_.EndWatches(in_order);
    ASSERT_TRUE(Eventually([&] { return server_.Count("WATCH", "/api/v1/nodes") > 0; }));
    EXPECT_EQ(server_.requests().front().Parameter("resourceVersion"), version) << in_order;
    EXPECT_EQ(server_.Count("LIST", ""), 0U) << in_order;
  }
  EXPECT_EQ(seen_.CountOf("+a"), 1U);
}

TEST_F(InformerTest, WhatHappensWhileNobodyWatchesIsNotLost) {
  server_.Put(NodeJson("a"));
  Start();
  server_.Fail({.verb = "WATCH", .status = 503, .times = 3});
  server_.Intercept([&](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.verb == "WATCH" && ++count_ == 2) {
      server_.Put(NodeJson("b"));
      server_.Remove(kNodes, "a");
    }
    return std::nullopt;
  });
  server_.EndWatches(false);
  ASSERT_TRUE(seen_.AwaitNote("-a"));
  EXPECT_EQ(seen_.names(), (std::set<std::string>{"b"}));
  EXPECT_EQ(informer_->counts().lists, 1U);
}

TEST_F(InformerTest, ABookmarkMovesTheVersionAndIsNoEvent) {
  Start();
  const std::string version = server_.Put(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"other"}})");
  server_.SendBookmark(kNodes);
  std::this_thread::sleep_for(kMoment);
  server_.ForgetRequests();
  server_.EndWatches();
  ASSERT_TRUE(Eventually([&] { return server_.Count("WATCH", "") > 0; }));
  EXPECT_EQ(server_.requests().front().Parameter("resourceVersion"), version);
  EXPECT_EQ(server_.requests().front().Parameter("allowWatchBookmarks"), "true");
  EXPECT_EQ(informer_->counts().events, 0U);
}

TEST_F(InformerTest, ExpiredVersionListsAgainAndTellsWhatHasGone) {
  for (bool in_stream : {false, true}) {
    Recorder seen;
    std::atomic<bool> first = true;
    fakes::KubeApi server;
    server.SetTick(Duration(5));
    Api api(server.connections(), clock_, {.queries_per_second = 0});
    server.Put(NodeJson("a"));
    server.Put(NodeJson("b"));
    Informer informer(api, {.resource = kNodes, .first_backoff = Duration(1)}, seen, log_,
                      [](std::size_t count) { return Bytes(count, 7); });
    informer.Start();
    ASSERT_TRUE(server.AwaitWatches(1));
    server.Intercept([&](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
      if (request.verb == "WATCH" && first.exchange(false)) {
        server.Remove(kNodes, "a");
        server.Put(NodeJson("c"));
        server.Compact(in_stream);
      }
      return std::nullopt;
    });
    server.EndWatches(false);
    ASSERT_TRUE(Eventually([&] { return seen.names() == std::set<std::string>{"b", "c"}; })) << in_stream;
    EXPECT_EQ(informer.counts().lists, 2U) << in_stream;
    EXPECT_TRUE(Eventually([&] { return informer.Problem().empty(); })) << in_stream;
  }
}

TEST_F(InformerTest, ErrorEventInAStandingWatchListsAgain) {
  server_.Put(NodeJson("a"));
  Start();
  server_.SendLine(kNodes,
                   R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"old"}})");
  ASSERT_TRUE(seen_.AwaitNote("+a", 2));
  EXPECT_EQ(informer_->counts().failures, 0U);
  ASSERT_TRUE(server_.AwaitWatches(1));
  server_.SendLine(kNodes, R"({"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcd went away"}})");
  ASSERT_TRUE(Eventually([&] { return informer_->counts().failures == 1; }));
  ASSERT_TRUE(Eventually([&] { return informer_->counts().watches >= 3; }));
}

// One of each: a line that is no event never reaches the observer, and what is known afterwards is right.
TEST_F(InformerTest, ALineThatIsNoEventListsAgain) {
  const std::string lines[] = {
      "{",
      "null",
      "[]",
      "{}",
      R"({"type":"ADDED"})",
      R"({"type":"ADDED","object":null})",
      R"({"type":"GROWN","object":{"metadata":{"name":"x","resourceVersion":"9"}}})",
      R"({"type":"ADDED","object":{"metadata":{"name":"x"}}})",
      R"({"type":"BOOKMARK","object":{"metadata":{}}})",
      R"({"type":"ADDED","type":"DELETED","object":{"metadata":{"name":"x","resourceVersion":"9"}}})",
      "\x80",
      R"({"type":"ERROR","object":{}})"};
  server_.Put(NodeJson("a"));
  Start();
  std::size_t lists = 1;
  for (const std::string& line : lines) {
    server_.SendLine(kNodes, line);
    ++lists;
    ASSERT_TRUE(Eventually([&] { return informer_->counts().lists == lists; })) << line;
    ASSERT_TRUE(server_.AwaitWatches(1));
    ASSERT_TRUE(Eventually([&] { return informer_->Problem().empty(); })) << line;
  }
  EXPECT_EQ(seen_.names(), (std::set<std::string>{"a"}));
}

TEST_F(InformerTest, AnObjectWithoutANameIsPassedOver) {
  Start();
  server_.SendLine(kNodes, R"({"type":"ADDED","object":{"metadata":{"resourceVersion":"5000"}}})");
  server_.SendLine(kNodes, R"({"type":"DELETED","object":{"metadata":{"resourceVersion":"5001"}}})");
  server_.SendLine(kNodes, R"({"type":"ADDED","object":{"metadata":{"name":"x","resourceVersion":"5002"}}})");
  ASSERT_TRUE(seen_.AwaitNote("+x"));
  EXPECT_EQ(seen_.names(), (std::set<std::string>{"x"}));
  EXPECT_EQ(informer_->counts().lists, 1U);
}

TEST_F(InformerTest, AnObjectWithoutANameInAListIsPassedOver) {
  server_.Intercept([](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.verb != "LIST") return std::nullopt;
    return fakes::KubeReply{
        .body = R"({"metadata":{"resourceVersion":"1000"},"items":[{},null,{"metadata":{"name":"x"}}]})"};
  });
  Start();
  EXPECT_EQ(seen_.names(), (std::set<std::string>{"x"}));
}

TEST_F(InformerTest, AnEventToldTwiceIsOne) {
  Start();
  const std::string line = R"({"type":"ADDED","object":{"metadata":{"name":"x","resourceVersion":"5000"}}})";
  server_.SendLine(kNodes, line);
  server_.SendLine(kNodes, line);
  server_.SendLine(kNodes,
                   R"({"type":"DELETED","object":{"metadata":{"name":"never-seen","resourceVersion":"5001"}}})");
  server_.SendLine(kNodes, R"({"type":"ADDED","object":{"metadata":{"name":"y","resourceVersion":"5002"}}})");
  ASSERT_TRUE(seen_.AwaitNote("+y"));
  EXPECT_EQ(seen_.CountOf("+x"), 1U);
  EXPECT_EQ(seen_.CountOf("-never-seen"), 0U);
}

// Versions are opaque (API conventions, "Concurrency Control and Consistency"): the order of arrival counts, and not
// what looks like a number.
TEST_F(InformerTest, AVersionIsNotANumber) {
  Start();
  server_.SendLine(kNodes, R"({"type":"ADDED","object":{"metadata":{"name":"x","resourceVersion":"900"}}})");
  server_.SendLine(kNodes, R"({"type":"MODIFIED","object":{"metadata":{"name":"x","resourceVersion":"abc"}}})");
  ASSERT_TRUE(seen_.AwaitNote("+x", 2));
  EXPECT_NE(seen_.object("x").find("abc"), std::string::npos);
}

TEST_F(InformerTest, AListThatIsNoneIsAFailure) {
  for (const char* body : {"{}", R"({"metadata":{"resourceVersion":""},"items":[]})", R"({"items":[]})",
                           R"({"metadata":{"resourceVersion":"1"},"items":{}})", "[]", "no JSON"}) {
    fakes::KubeApi server;
    Api api(server.connections(), clock_, {.queries_per_second = 0});
    std::atomic<int> asked = 0;
    server.Intercept([&](const fakes::KubeRequest&) -> std::optional<fakes::KubeReply> {
      ++asked;
      return fakes::KubeReply{.body = body};
    });
    Recorder seen;
    Informer informer(api, {.resource = kNodes, .first_backoff = Duration(1), .max_backoff = Duration(2)}, seen, log_,
                      [](std::size_t count) { return Bytes(count, 7); });
    informer.Start();
    ASSERT_TRUE(Eventually([&] { return asked >= 3; })) << body;
    EXPECT_FALSE(informer.Synced()) << body;
    EXPECT_NE(informer.Problem(), "") << body;
    informer.Stop();
    EXPECT_TRUE(seen.notes().empty()) << body;
  }
}

TEST_F(InformerTest, AnOutageIsAProblemUntilItIsOver) {
  server_.Fail({.status = 0, .times = 5});
  Make({.resource = kNodes});
  ASSERT_TRUE(Eventually([&] { return informer_->Problem().find("kube-unavailable") != std::string::npos; }));
  EXPECT_FALSE(informer_->Synced());
  EXPECT_EQ(informer_->SilentFor(), Duration::zero());
  ASSERT_TRUE(seen_.AwaitNote("."));
  EXPECT_TRUE(Eventually([&] { return informer_->Problem().empty(); }));
  EXPECT_EQ(informer_->counts().failures, 5U);
}

TEST_F(InformerTest, RightsThatAreTakenAwayAreAProblemAndWhatWasKnownStays) {
  server_.Put(NodeJson("a"));
  Start();
  server_.RequireToken("another");
  server_.EndWatches();
  ASSERT_TRUE(Eventually([&] { return informer_->Problem().find("kube-denied") != std::string::npos; }));
  EXPECT_TRUE(informer_->Synced());
  EXPECT_EQ(seen_.names(), (std::set<std::string>{"a"}));
  server_.RequireToken("token-of-the-test");
  EXPECT_TRUE(Eventually([&] { return informer_->Problem().empty(); }));
}

TEST_F(InformerTest, SilenceIsCountedFromTheLastSignOfLife) {
  Start();
  clock_.Advance(std::chrono::seconds(50));
  // The connection stands: it is fresh.
  EXPECT_TRUE(Eventually([&] { return informer_->SilentFor() == Duration::zero(); }));
  server_.Fail({.verb = "WATCH", .status = 503, .times = 1'000'000});
  server_.EndWatches();
  ASSERT_TRUE(Eventually([&] { return !informer_->Problem().empty(); }));
  clock_.Advance(std::chrono::seconds(50));
  EXPECT_EQ(informer_->SilentFor(), std::chrono::seconds(50));
  server_.ClearFaults();
  EXPECT_TRUE(Eventually([&] { return informer_->SilentFor() == Duration::zero(); }));
}

TEST_F(InformerTest, SelectorsAndNamespaceAreAsked) {
  Start({.resource = kSecrets,
         .namespace_name = "gate house",
         .field_selector = "metadata.name=gatehouse-tls",
         .label_selector = "a=b,!c"});
  for (const fakes::KubeRequest& request : server_.requests()) {
    EXPECT_EQ(request.path, "/api/v1/namespaces/gate%20house/secrets");
    EXPECT_EQ(request.Parameter("fieldSelector"), "metadata.name=gatehouse-tls");
    EXPECT_EQ(request.Parameter("labelSelector"), "a=b,!c");
  }
}

TEST_F(InformerTest, WhatLeavesASelectionIsGone) {
  server_.Put(NodeJson("a", "mine"));
  Start({.resource = kNodes, .label_selector = "l=mine"});
  server_.Put(NodeJson("b", "other"));
  server_.Put(NodeJson("a", "other"));
  ASSERT_TRUE(seen_.AwaitNote("-a"));
  EXPECT_TRUE(seen_.names().empty());
}

TEST_F(InformerTest, NamespacesAreOfTheKey) {
  server_.Put(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"same","namespace":"one"}})");
  server_.Put(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"same","namespace":"two"}})");
  Start({.resource = kConfigMaps});
  EXPECT_EQ(seen_.names(), (std::set<std::string>{"one/same", "two/same"}));
  server_.Remove(kConfigMaps, "same", "one");
  ASSERT_TRUE(seen_.AwaitNote("-one/same"));
}

TEST_F(InformerTest, MetadataAloneCarriesNoSpec) {
  server_.Put(NodeJson("a"));
  Start({.resource = kNodes, .metadata_only = true});
  server_.Put(NodeJson("b"));
  ASSERT_TRUE(seen_.AwaitNote("+b"));
  for (const char* name : {"a", "b"}) {
    EXPECT_EQ(seen_.object(name).find("podCIDR"), std::string::npos) << name;
    EXPECT_NE(seen_.object(name).find("PartialObjectMetadata"), std::string::npos) << name;
    EXPECT_NE(seen_.object(name).find("\"l\""), std::string::npos) << name;
  }
}

TEST_F(InformerTest, WhatIsNotServedIsEmptyIfItIsOptional) {
  server_.StopServing(kTrustRoots);
  Make({.resource = kTrustRoots, .optional = true});
  ASSERT_TRUE(seen_.AwaitNote("."));
  EXPECT_TRUE(Eventually([&] { return informer_->Synced(); }));
  EXPECT_EQ(informer_->Problem(), "");
  EXPECT_EQ(informer_->counts().failures, 0U);
  // Installed later.
  server_.Serve({kTrustRoots, "TrustRoot", false, true, true});
  server_.Put(R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"TrustRoot","metadata":{"name":"t"},"spec":{}})");
  ASSERT_TRUE(seen_.AwaitNote("+t"));
  // And removed again.
  server_.StopServing(kTrustRoots);
  server_.EndWatches();
  ASSERT_TRUE(seen_.AwaitNote("-t"));
  EXPECT_EQ(informer_->Problem(), "");
}

TEST_F(InformerTest, WhatIsNotServedIsAProblemOtherwise) {
  server_.StopServing(kTrustRoots);
  Make({.resource = kTrustRoots});
  ASSERT_TRUE(Eventually([&] { return informer_->Problem().find("kube-not-found") != std::string::npos; }));
  EXPECT_FALSE(informer_->Synced());
  EXPECT_TRUE(seen_.notes().empty());
}

TEST_F(InformerTest, StopsPromptlyWhileItWatches) {
  server_.SetTick(limits::kStreamTick);
  Make({.resource = kNodes});
  ASSERT_TRUE(server_.AwaitWatches(1));
  const auto begin = std::chrono::steady_clock::now();
  informer_->Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 4 * limits::kStreamTick);
  informer_->Stop();  // twice is harmless
}

TEST_F(InformerTest, StopsPromptlyWhileItWaits) {
  server_.Fail({.status = 503, .times = 1'000'000});
  informer_ = std::make_unique<Informer>(
      api_,
      InformerOptions{.resource = kNodes, .first_backoff = Duration(3'600'000), .max_backoff = Duration(3'600'000)},
      seen_, log_, [](std::size_t count) { return Bytes(count, 7); });
  informer_->Start();
  ASSERT_TRUE(Eventually([&] { return informer_->counts().failures == 1; }));
  const auto begin = std::chrono::steady_clock::now();
  informer_->Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
}

TEST_F(InformerTest, NeverStartedCanBeStopped) {
  Informer informer(api_, {.resource = kNodes}, seen_, log_, [](std::size_t count) { return Bytes(count, 7); });
  informer.Stop();
  EXPECT_FALSE(informer.Synced());
  EXPECT_TRUE(server_.requests().empty());
}

// A server that accepts each watch and ends it at once is not asked in a loop.
TEST_F(InformerTest, WatchesThatEndAtOnceAreSpaced) {
  first_backoff_ = Duration(4);
  server_.Intercept([](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.verb != "WATCH") return std::nullopt;
    return fakes::KubeReply{};
  });
  Make({.resource = kNodes});
  ASSERT_TRUE(seen_.AwaitNote("."));
  const auto begin = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(kMoment);
  const std::uint64_t watches = informer_->counts().watches;
  // Each pause is 2 ms at least.
  const auto passed = std::chrono::floor<Duration>(std::chrono::steady_clock::now() - begin);
  EXPECT_LE(watches, static_cast<std::uint64_t>(passed.count()) / 2 + 5);
  EXPECT_TRUE(Eventually([&] { return informer_->counts().watches >= 3; }));
  EXPECT_EQ(informer_->Problem(), "");
}

TEST_F(InformerTest, ExpiredAgainAndAgainIsSpaced) {
  first_backoff_ = Duration(4);
  server_.Fail({.verb = "WATCH", .status = 410, .times = 1'000'000});
  Make({.resource = kNodes});
  ASSERT_TRUE(seen_.AwaitNote("."));
  const auto begin = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(kMoment);
  const std::uint64_t lists = informer_->counts().lists;
  const auto passed = std::chrono::floor<Duration>(std::chrono::steady_clock::now() - begin);
  EXPECT_LE(lists, static_cast<std::uint64_t>(passed.count()) / 2 + 5);
  EXPECT_TRUE(Eventually([&] { return informer_->counts().lists >= 3; }));
}

TEST_F(InformerTest, AFaultOfTheObserverListsAgain) {
  Start();
  seen_.ThrowAt("x");
  server_.Put(NodeJson("x"));
  ASSERT_TRUE(seen_.AwaitNote("+x", 2));
  EXPECT_TRUE(Eventually([&] { return informer_->Problem().empty(); }));
  EXPECT_EQ(informer_->counts().failures, 1U);
}

TEST_F(InformerTest, EventsInManyPiecesAreWhole) {
  server_.SetPieceSize(7);
  Start();
  for (const char* name : {"a", "b", "c"}) server_.Put(NodeJson(name));
  ASSERT_TRUE(seen_.AwaitNote("+c"));
  EXPECT_EQ(seen_.names().size(), 3U);
  EXPECT_EQ(informer_->counts().lists, 1U);
}

TEST_F(InformerTest, AnObjectOfAMegabyte) {
  Start({.resource = kConfigMaps});
  server_.Put(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"big"},"data":{"x":")" +
              std::string(1 << 20, 'x') + R"("}})");
  ASSERT_TRUE(seen_.AwaitNote("+default/big"));
  EXPECT_GT(seen_.object("default/big").size(), std::size_t{1} << 20U);
}

// What an event is at once a whole: whoever acts on it need not wait for a tick.
TEST_F(InformerTest, SettlesAtOnceAfterAnEvent) {
  server_.SetTick(std::chrono::seconds(10));
  Make({.resource = kNodes});
  ASSERT_TRUE(seen_.AwaitNote("."));
  ASSERT_TRUE(server_.AwaitWatches(1));
  const auto begin = std::chrono::steady_clock::now();
  server_.Put(NodeJson("a"));
  ASSERT_TRUE(seen_.AwaitNote(".", 2));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  server_.EndWatches();
}

}  // namespace
}  // namespace gatehouse::kube
