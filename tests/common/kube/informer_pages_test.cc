// Lists in pages: what happens between them, and what is too large for one.
#include "tests/common/kube/informer_support.h"

namespace gatehouse::kube {
namespace {

TEST_F(InformerTest, NotSyncedBeforeAllPagesAreRead) {
  server_.SetPageSize(2);
  for (const char* name : {"a", "b", "c", "d", "e"}) server_.Put(NodeJson(name));
  server_.Intercept([&](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.verb == "LIST" && !request.Parameter("continue").empty() && informer_->Synced()) ++count_;
    return std::nullopt;
  });
  Start();
  EXPECT_EQ(count_, 0);
  EXPECT_EQ(server_.Count("LIST", "/api/v1/nodes"), 3U);
  EXPECT_EQ(seen_.names().size(), 5U);
  EXPECT_EQ(seen_.CountOf("."), 1U);
}

TEST_F(InformerTest, ChangesBetweenPagesComeWithTheWatch) {
  server_.SetPageSize(1);
  server_.Put(NodeJson("a"));
  server_.Put(NodeJson("b"));
  server_.Intercept([&](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.verb == "LIST" && ++count_ == 2) {
      server_.Remove(kNodes, "a");
      server_.Put(NodeJson("c"));
    }
    return std::nullopt;
  });
  Start();
  ASSERT_TRUE(seen_.AwaitNote("+c"));
  EXPECT_TRUE(Eventually([&] { return seen_.names() == std::set<std::string>{"b", "c"}; }));
  EXPECT_EQ(informer_->counts().lists, 1U);
}

TEST_F(InformerTest, ListThatCannotBeContinuedIsReadAtOnce) {
  server_.SetPageSize(1);
  for (const char* name : {"a", "b", "c"}) server_.Put(NodeJson(name));
  server_.Intercept([&](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.verb == "LIST" && ++count_ == 2) {
      server_.ExpirePages();
      server_.Remove(kNodes, "a");  // it was on the first page
    }
    return std::nullopt;
  });
  Start();
  EXPECT_EQ(seen_.names(), (std::set<std::string>{"b", "c"}));
  EXPECT_EQ(seen_.CountOf("-a"), 1U);
  EXPECT_EQ(server_.requests()[2].Parameter("limit"), "");
}

TEST_F(InformerTest, APageThatContinuesWithItselfEnds) {
  server_.Intercept([](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.verb != "LIST") return std::nullopt;
    return fakes::KubeReply{.body = R"({"metadata":{"resourceVersion":"1","continue":"x"},"items":[]})"};
  });
  Make({.resource = kNodes});
  ASSERT_TRUE(Eventually([&] { return informer_->counts().failures >= 2; }));
  EXPECT_FALSE(informer_->Synced());
}

// A page that is more than is read, in bytes or in values.
class TooLarge : public InformerTest, public testing::WithParamInterface<bool> {
 protected:
  static fakes::KubeReply Answer() {
    if (GetParam()) return {.body = std::string(limits::kKubeResponseBytes + 1, ' ')};
    std::string values = "0";
    for (std::size_t i = 0; i < limits::kJsonNodes; ++i) values += ",0";
    return {.body = R"({"metadata":{"resourceVersion":"1"},"items":[)" + values + "]}"};
  }
};

INSTANTIATE_TEST_SUITE_P(, TooLarge, testing::Bool(),
                         [](const auto& test) { return std::string(test.param ? "Bytes" : "Values"); });

TEST_P(TooLarge, APageIsAskedForInHalves) {
  for (int i = 0; i < 5; ++i) server_.Put(NodeJson("n" + std::to_string(i)));
  std::vector<std::string> asked;  // by the informer's thread, before it has settled
  server_.Intercept([&](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.verb != "LIST") return std::nullopt;
    asked.push_back(request.Parameter("limit"));
    return std::stoul(asked.back()) > 4 ? std::optional(Answer()) : std::nullopt;
  });
  Start();
  EXPECT_EQ(seen_.names(), (std::set<std::string>{"n0", "n1", "n2", "n3", "n4"}));
  EXPECT_EQ(asked, (std::vector<std::string>{"250", "125", "62", "31", "15", "7", "3", "3"}));
  EXPECT_EQ(informer_->Problem(), "");
  EXPECT_EQ(informer_->counts().failures, 0U);
  EXPECT_EQ(informer_->counts().lists, 1U);
}

// What was read before stays read, and the list goes on where it was.
TEST_F(InformerTest, APageInTheMiddleThatIsTooLargeIsAskedForWithTheSameToken) {
  for (const char* name : {"a", "b", "c", "d", "e"}) server_.Put(NodeJson(name));
  server_.SetPageSize(2);
  std::vector<std::string> tokens;
  server_.Intercept([&](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.verb != "LIST") return std::nullopt;
    tokens.push_back(request.Parameter("continue"));
    if (tokens.size() != 2) return std::nullopt;
    return fakes::KubeReply{.body = std::string(limits::kKubeResponseBytes + 1, ' ')};
  });
  Start();
  EXPECT_EQ(seen_.names(), (std::set<std::string>{"a", "b", "c", "d", "e"}));
  ASSERT_EQ(tokens.size(), 4U);
  EXPECT_EQ(tokens[0], "");
  EXPECT_NE(tokens[1], "");
  EXPECT_EQ(tokens[2], tokens[1]);
  EXPECT_EQ(seen_.CountOf("+a"), 1U);
}

// There is no way around it: which object it is stands in the very answer that cannot be read.
TEST_F(InformerTest, ASingleObjectThatIsTooLargeIsAProblemAndWhatWasKnownStays) {
  server_.Put(NodeJson("a"));
  Start();
  server_.Intercept([](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.verb != "LIST") return std::nullopt;
    return fakes::KubeReply{.body = std::string(limits::kKubeResponseBytes + 1, ' ')};
  });
  server_.Compact();
  server_.EndWatches();
  ASSERT_TRUE(Eventually([&] { return informer_->counts().failures >= 2; }));
  EXPECT_NE(informer_->Problem().find("limit-exceeded"), std::string::npos) << informer_->Problem();
  EXPECT_EQ(seen_.names(), (std::set<std::string>{"a"}));
  server_.Intercept({});
  ASSERT_TRUE(Eventually([&] { return informer_->Problem().empty(); }));
}

}  // namespace
}  // namespace gatehouse::kube
