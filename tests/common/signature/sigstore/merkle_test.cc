// Inclusion proofs: every index of every small tree, against trees built by another program's recursion.
#include <gtest/gtest.h>

#include "tests/common/base/outcome.h"
#include "tests/common/signature/sigstore/logged.h"

namespace gatehouse::signature::sigstore {
namespace {

std::string EntryText(std::size_t index) {
  return "entry " + std::to_string(index);
}

std::vector<Bytes> Leaves(std::size_t size) {
  std::vector<Bytes> leaves;
  for (std::size_t i = 0; i < size; ++i) leaves.push_back(fakes::MerkleLeaf(AsBytes(EntryText(i))));
  return leaves;
}

Status Verify(std::string_view entry, std::size_t index, std::size_t size, const std::vector<Bytes>& path,
              BytesView root) {
  return VerifyInclusion(AsBytes(entry), static_cast<std::int64_t>(index), static_cast<std::int64_t>(size), path, root);
}

TEST(Inclusion, EveryIndexOfEverySmallTree) {
  for (std::size_t size = 1; size <= 40; ++size) {
    const std::vector<Bytes> leaves = Leaves(size);
    const Bytes root = fakes::MerkleRoot(leaves);
    for (std::size_t index = 0; index < size; ++index) {
      const std::vector<Bytes> path = fakes::MerklePath(leaves, index);
      EXPECT_EQ(Explain(Verify(EntryText(index), index, size, path, root)), "ok") << index << " of " << size;
      EXPECT_FALSE(Verify(EntryText(index + 1), index, size, path, root).ok()) << index << " of " << size;
    }
  }
}

// A proof is of one place: no other index, no other size, with one exception that is none: where a proof for another
// size has the same shape, the root decides, and it is signed together with the size.
TEST(Inclusion, ProofOfAnotherPlace) {
  for (std::size_t size = 1; size <= 17; ++size) {
    const std::vector<Bytes> leaves = Leaves(size);
    const Bytes root = fakes::MerkleRoot(leaves);
    for (std::size_t index = 0; index < size; ++index) {
      const std::vector<Bytes> path = fakes::MerklePath(leaves, index);
      for (std::size_t other = 0; other < size + 2; ++other) {
        if (other == index) continue;
        EXPECT_EQ(Outcome(Verify(EntryText(index), other, size, path, root)), "log-proof-invalid")
            << index << " as " << other << " of " << size;
      }
    }
  }
}

TEST(Inclusion, ChangedShortenedLengthened) {
  const std::vector<Bytes> leaves = Leaves(21);
  const Bytes root = fakes::MerkleRoot(leaves);
  for (const std::size_t index : {0U, 7U, 16U, 20U}) {
    const std::vector<Bytes> path = fakes::MerklePath(leaves, index);
    for (std::size_t i = 0; i < path.size(); ++i) {
      std::vector<Bytes> changed = path;
      changed[i][31] ^= 1;
      EXPECT_EQ(Outcome(Verify(EntryText(index), index, 21, changed, root)), "log-proof-invalid");
      changed = path;
      changed[i].push_back(0);
      EXPECT_EQ(Outcome(Verify(EntryText(index), index, 21, changed, root)), "log-proof-invalid");
      changed = path;
      changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(i));
      EXPECT_EQ(Outcome(Verify(EntryText(index), index, 21, changed, root)), "log-proof-invalid");
      changed = path;
      changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(i), Bytes(32));
      EXPECT_EQ(Outcome(Verify(EntryText(index), index, 21, changed, root)), "log-proof-invalid");
    }
  }
}

// RFC 6962 section 2.1: leaves and nodes are hashed with different prefixes, so that a node is no entry.
TEST(Inclusion, NodeAsAnEntry) {
  const std::vector<Bytes> leaves = Leaves(4);
  const Bytes root = fakes::MerkleRoot(leaves);
  Bytes node = leaves[0];
  Append(node, leaves[1]);
  const std::vector<Bytes> path = {fakes::MerkleRoot({leaves[2], leaves[3]})};
  EXPECT_EQ(Outcome(VerifyInclusion(node, 0, 2, path, root)), "log-proof-invalid");
  Bytes prefixed = {1};
  Append(prefixed, node);
  EXPECT_EQ(Outcome(VerifyInclusion(prefixed, 0, 2, path, root)), "log-proof-invalid");
}

TEST(Inclusion, Bounds) {
  const Bytes leaf = ToBytes("x");
  const Bytes root = fakes::MerkleLeaf(leaf);
  EXPECT_EQ(Outcome(VerifyInclusion(leaf, 0, 1, {}, root)), "ok");
  EXPECT_EQ(Outcome(VerifyInclusion(leaf, 0, 0, {}, root)), "log-proof-invalid");
  EXPECT_EQ(Outcome(VerifyInclusion(leaf, 0, -1, {}, root)), "log-proof-invalid");
  EXPECT_EQ(Outcome(VerifyInclusion(leaf, -1, 1, {}, root)), "log-proof-invalid");
  EXPECT_EQ(Outcome(VerifyInclusion(leaf, 1, 1, {}, root)), "log-proof-invalid");
  EXPECT_EQ(Outcome(VerifyInclusion(leaf, 0, 1, {}, {})), "log-proof-invalid");
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  for (const std::size_t hashes : {0U, 62U, 63U, 64U, 65U, 1000U}) {
    const std::vector<Bytes> path(hashes, Bytes(32, 1));
    EXPECT_EQ(Outcome(VerifyInclusion(leaf, kMost - 1, kMost, path, root)), "log-proof-invalid") << hashes;
    EXPECT_EQ(Outcome(VerifyInclusion(leaf, 0, kMost, path, root)), "log-proof-invalid") << hashes;
  }
}

// Beyond the top of the tree there is nothing, whatever it would hash to.
TEST(Inclusion, ProofBeyondTheTop) {
  const Bytes leaf = ToBytes("x");
  const Bytes sibling(32, 5);
  const Bytes higher = fakes::MerkleRoot({sibling, fakes::MerkleLeaf(leaf)});
  EXPECT_EQ(Outcome(VerifyInclusion(leaf, 1, 2, {sibling}, higher)), "ok");
  EXPECT_EQ(Outcome(VerifyInclusion(leaf, 0, 1, {sibling}, higher)), "log-proof-invalid");
}

// The deepest tree that an index can name: 63 levels, all of them on the left edge.
TEST(Inclusion, DeepestTree) {
  const Bytes leaf = ToBytes("x");
  const std::vector<Bytes> path(63, Bytes(32, 5));
  Bytes hash = fakes::MerkleLeaf(leaf);
  for (const Bytes& sibling : path) hash = fakes::MerkleRoot({hash, sibling});
  EXPECT_EQ(Outcome(VerifyInclusion(leaf, 0, std::numeric_limits<std::int64_t>::max(), path, hash)), "ok");
}

}  // namespace
}  // namespace gatehouse::signature::sigstore
