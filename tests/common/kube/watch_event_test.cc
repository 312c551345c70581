// One line of a watch, before anybody acts on it.
#include "common/kube/watch_event.h"

#include <gtest/gtest.h>

namespace gatehouse::kube {
namespace {

TEST(WatchEvent, Types) {
  const std::pair<const char*, WatchEvent::Type> types[] = {{"ADDED", WatchEvent::Type::kAdded},
                                                            {"MODIFIED", WatchEvent::Type::kModified},
                                                            {"DELETED", WatchEvent::Type::kDeleted},
                                                            {"BOOKMARK", WatchEvent::Type::kBookmark}};
  for (const auto& [name, type] : types) {
    auto event = ParseWatchEvent(R"({"type":")" + std::string(name) +
                                 R"(","object":{"metadata":{"name":"x","namespace":"y","resourceVersion":"7"}}})");
    ASSERT_TRUE(event.ok()) << name;
    EXPECT_EQ(event->type, type) << name;
    EXPECT_EQ(event->resource_version, "7") << name;
    EXPECT_EQ(event->key.ToString(), type == WatchEvent::Type::kBookmark ? "" : "y/x") << name;
    EXPECT_FALSE(event->error.has_value()) << name;
  }
}

TEST(WatchEvent, ErrorsByCode) {
  const std::pair<const char*, Reason> errors[] = {
      {R"("code":410)", Reason::kKubeExpired},      {R"("code":500,"reason":"Expired")", Reason::kKubeExpired},
      {R"("reason":"Gone")", Reason::kKubeExpired}, {R"("code":429)", Reason::kKubeUnavailable},
      {R"("code":504)", Reason::kKubeUnavailable},  {R"("code":400)", Reason::kKubeRejected},
      {R"("code":"410")", Reason::kKubeRejected}};
  for (const auto& [members, reason] : errors) {
    auto event = ParseWatchEvent(R"({"type":"ERROR","object":{"kind":"Status",)" + std::string(members) + "}}");
    ASSERT_TRUE(event.ok()) << members;
    EXPECT_EQ(event->error->reason, reason) << members;
  }
}

TEST(WatchEvent, TruncatedAnywhereIsNoEvent) {
  const std::string line = R"({"type":"ADDED","object":{"metadata":{"name":"x","resourceVersion":"7"}}})";
  ASSERT_TRUE(ParseWatchEvent(line).ok());
  for (std::size_t size = 0; size < line.size(); ++size) {
    auto event = ParseWatchEvent(line.substr(0, size));
    ASSERT_FALSE(event.ok()) << size;
    EXPECT_EQ(event.error().reason, Reason::kKubeRejected) << size;
  }
}

}  // namespace
}  // namespace gatehouse::kube
