#include "webhook/attest/node_turns.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace gatehouse::webhook {
namespace {

NodeName Named(std::string_view name) {
  return *NodeName::Parse(name);
}

// One node that makes many calls at once keeps nobody else waiting.
TEST(NodeTurns, SoManyOfEachNode) {
  NodeTurns turns(2);
  std::vector<NodeTurns::Turn> held;
  for (int i = 0; i < 2; ++i) held.push_back(turns.Take(Named("worker-1")));
  EXPECT_TRUE(held[0].taken());
  EXPECT_TRUE(held[1].taken());
  EXPECT_FALSE(turns.Take(Named("worker-1")).taken());
  EXPECT_TRUE(turns.Take(Named("worker-2")).taken());
  held.pop_back();
  EXPECT_TRUE(turns.Take(Named("worker-1")).taken());
  EXPECT_TRUE(turns.Take(Named("worker-1")).taken()) << "the one before has ended";
}

TEST(NodeTurns, OneThatIsMovedEndsOnce) {
  NodeTurns turns(1);
  std::optional<NodeTurns::Turn> first(turns.Take(Named("worker-1")));
  std::optional<NodeTurns::Turn> moved(std::move(*first));
  first.reset();
  EXPECT_FALSE(turns.Take(Named("worker-1")).taken());
  moved.reset();
  EXPECT_TRUE(turns.Take(Named("worker-1")).taken());
}

}  // namespace
}  // namespace gatehouse::webhook
