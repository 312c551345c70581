// What is known of Nodes, and in which order they are looked at.
#include "webhook/control/node_table.h"

#include <gtest/gtest.h>

namespace gatehouse::webhook {
namespace {

const WallTime kNow{Duration(1'795'262'400'000)};
constexpr Duration kMinute = std::chrono::minutes(1);

NodeState NodeAt(const std::string& version, const std::string& label = {}) {
  NodeState node;
  node.name = "n1";
  node.uid = "u1";
  node.resource_version = version;
  if (!label.empty()) node.label = label;
  return node;
}

TEST(NodeTable, SaysWhetherAnythingIsNew) {
  NodeTable table;
  EXPECT_TRUE(table.Put(NodeAt("1")));
  EXPECT_FALSE(table.Put(NodeAt("2")));
  EXPECT_EQ(table.Node("n1")->resource_version, "2");
  EXPECT_TRUE(table.Put(NodeAt("3", "true")));
}

TEST(NodeTable, TheAnswerToAWriteDoesNotHideWhatTheWatchBroughtMeanwhile) {
  NodeTable table;
  table.Put(NodeAt("10"));
  table.Learn("n1", "10", NodeAt("11", "true"));
  EXPECT_EQ(table.Node("n1")->resource_version, "11");
  // Written at 11, answered with 12; but 13, of somebody else, has come by the watch before the answer did.
  table.Put(NodeAt("13", "forged"));
  table.Learn("n1", "11", NodeAt("12", "true"));
  EXPECT_EQ(table.Node("n1")->label, "forged");
  // A Node that is gone, as far as one who asks at 13 knows; another one has come by the watch.
  table.Put(NodeAt("20"));
  table.Learn("n1", "13", std::nullopt);
  EXPECT_TRUE(table.Node("n1").has_value());
  table.Learn("n1", "20", std::nullopt);
  EXPECT_FALSE(table.Node("n1").has_value());
  table.Learn("n1", "20", NodeAt("21"));
  EXPECT_FALSE(table.Node("n1").has_value()) << "not brought back";
}

TEST(NodeTable, EvictionsOfOthersOneOfEachAlsoOfThoseThatAreGone) {
  NodeTable table;
  NodeState node = NodeAt("1");
  node.evicted = FormatLabelTime(kNow - kMinute);
  table.Put(node);
  node.evicted = FormatLabelTime(kNow);
  table.Put(node);
  table.SetEviction("n2", kNow - 2 * kMinute);
  EXPECT_EQ(table.EvictionsOfOthers("n2"), std::vector<WallTime>{kNow});
  EXPECT_EQ(table.EvictionsOfOthers("n3").size(), 2U);
  table.RemoveNode("n1");
  EXPECT_EQ(table.EvictionsOfOthers("n2"), std::vector<WallTime>{kNow}) << "deleting a Node is no way around the cap";
  table.KeepEvictions(kNow - kMinute, kNow + kMinute);
  EXPECT_EQ(table.EvictionsOfOthers("n3"), std::vector<WallTime>{kNow});
}

TEST(NodeTable, AnEvictionOfTheFutureIsNotKept) {
  NodeTable table;
  NodeState node = NodeAt("1");
  node.evicted = "20990101T000000Z";
  table.Put(node);
  EXPECT_EQ(table.EvictionsOfOthers("n2").size(), 1U);
  table.KeepEvictions(kNow - kMinute, kNow + kMinute);
  EXPECT_EQ(table.EvictionsOfOthers("n2").size(), 0U);
}

TEST(NodeQueue, WhatHappenedGoesBeforeTheSweepAndEachIsLookedAtOnce) {
  NodeQueue queue;
  queue.Sweep({"a", "b", "c"});
  queue.Add("c");
  queue.Add("d");
  queue.Add("c");
  queue.Sweep({"d"});
  std::vector<std::string> order;
  while (auto name = queue.Pop(kNow)) order.push_back(*name);
  EXPECT_EQ(order, (std::vector<std::string>{"c", "d", "a", "b"}));
}

TEST(NodeQueue, TheSoonestTimeSaidForANameCounts) {
  NodeQueue queue;
  queue.AddAt("a", kNow + 4 * kMinute);
  queue.AddAt("a", kNow + 3 * kMinute);
  queue.AddAt("a", kNow + 5 * kMinute);
  queue.AddAt("b", kNow + 2 * kMinute);
  EXPECT_EQ(queue.Next(), kNow + 2 * kMinute);
  EXPECT_EQ(queue.Pop(kNow + kMinute), std::nullopt);
  EXPECT_EQ(queue.Pop(kNow + 3 * kMinute), "b");
  EXPECT_EQ(queue.Pop(kNow + 3 * kMinute), "a");
  EXPECT_EQ(queue.Pop(kNow + 3 * kMinute), std::nullopt);
  EXPECT_EQ(queue.Next(), std::nullopt);
  queue.AddAt("a", kNow);
  queue.Clear();
  EXPECT_EQ(queue.Pop(kNow), std::nullopt);
}

}  // namespace
}  // namespace gatehouse::webhook
