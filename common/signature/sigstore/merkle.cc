// RFC 6962 section 2.1: the tree of a log, and paths in it.
#include <algorithm>
#include <array>

#include "common/base/limits.h"
#include "common/crypto/hash.h"
#include "common/signature/sigstore/transparency.h"

namespace gatehouse::signature::sigstore {
namespace {

constexpr std::size_t kHashBytes = 32;
constexpr std::uint8_t kLeafPrefix = 0x00;
constexpr std::uint8_t kNodePrefix = 0x01;

Error Invalid(std::string_view detail) {
  return {Reason::kLogProofInvalid, "", std::string(detail)};
}

// MTH({d(0)}) = SHA-256(0x00 || d(0))
Bytes LeafHash(BytesView leaf) {
  crypto::Hasher hasher(HashAlgorithm::kSha256);
  hasher.Update(BytesView(&kLeafPrefix, 1)).Update(leaf);
  return std::move(hasher).Finish();
}

// SHA-256(0x01 || left || right)
Bytes NodeHash(BytesView left, BytesView right) {
  std::array<std::uint8_t, 1 + 2 * kHashBytes> node{kNodePrefix};
  std::copy(left.begin(), left.end(), node.begin() + 1);
  std::copy(right.begin(), right.end(), node.begin() + 1 + kHashBytes);
  return crypto::Hash(HashAlgorithm::kSha256, node);
}

}  // namespace

// The steps are those of RFC 9162 section 2.1.3.2, which says for the same tree how to verify what RFC 6962 section
// 2.1.1 defines: `place` is the node's index on its level ("fn"), `last` that of the level's last node ("sn").
Status VerifyInclusion(BytesView leaf, std::int64_t index, std::int64_t size, const std::vector<Bytes>& hashes,
                       BytesView root) {
  // "Compare leaf_index from the inclusion_proof_v2 structure against tree_size. If leaf_index is greater than or equal
  // to tree_size, then fail the proof verification."
  if (index < 0 || size <= 0 || index >= size) return Invalid("the entry's index is not within the tree");
  if (hashes.size() > limits::kProofHashes) return Invalid("the proof is longer than that of any tree");
  if (root.size() != kHashBytes) return Invalid("the root hash does not have 32 bytes");

  auto place = static_cast<std::uint64_t>(index);
  auto last = static_cast<std::uint64_t>(size) - 1;
  Bytes hash = LeafHash(leaf);
  for (const Bytes& sibling : hashes) {
    if (sibling.size() != kHashBytes) return Invalid("a hash of the proof does not have 32 bytes");
    if (last == 0) return Invalid("the proof is longer than the tree is high");
    if ((place & 1) != 0 || place == last) {
      hash = NodeHash(sibling, hash);
      // "If LSB(fn) is not set, then right-shift both fn and sn equally until either LSB(fn) is set or fn is 0": levels
      // on which the node has no sibling.
      while ((place & 1) == 0 && place != 0) {
        place >>= 1;
        last >>= 1;
      }
    } else {
      hash = NodeHash(hash, sibling);
    }
    place >>= 1;
    last >>= 1;
  }
  if (last != 0) return Invalid("the proof is shorter than the tree is high");
  if (!std::equal(hash.begin(), hash.end(), root.begin(), root.end())) {
    return Invalid("the proof does not lead to the root hash");
  }
  return Ok();
}

}  // namespace gatehouse::signature::sigstore
