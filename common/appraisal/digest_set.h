// Digests of files that may run: up to millions, shared by all nodes, each with a hint of its path.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/types.h"

namespace gatehouse::appraisal {

// Immutable, thread-safe. 40 bytes an entry (of 32-byte digests), in one block, and an index of at most one byte
// an entry: a million in 41 MB.
class DigestSet {
 public:
  struct Entry {
    HashAlgorithm algorithm;  // kSha256, kSha384 or kSha512: SHA-1 proves nothing
    Bytes digest;
    std::string path;  // empty: not known
  };
  // Of entries in any order, duplicates dropped. Errors: kDigestMalformed, kLimitExceeded.
  [[nodiscard]] static Result<std::shared_ptr<const DigestSet>> Make(std::vector<Entry> entries);
  // The binary form (a file of reference digests), integers big-endian: magic "GHDS", version 1 (u32), counts of
  // sha256, sha384 and sha512 (u32 each); then of each algorithm its digests, ascending, and their path hashes (u64, in
  // the same order; ascending where digests are equal). A path hash is the first eight bytes of the SHA-256 of the path
  // as IMA logs it ('_' for each space); 0: not known. There is one form of each set. Errors: kDigestMalformed (not
  // this format, not sorted, trailing bytes), kLimitExceeded.
  [[nodiscard]] static Result<std::shared_ptr<const DigestSet>> Parse(BytesView file);
  // The same; the bytes become the set's own and are not copied: for files of millions.
  [[nodiscard]] static Result<std::shared_ptr<const DigestSet>> Parse(Bytes&& file);
  [[nodiscard]] Bytes Serialize() const;

  enum class Match : std::uint8_t {
    kNone,
    kDigest,  // the digest is listed, for another path or for none
    kExact,   // and for this path
  };
  // Looks at the path only where the digest is listed (it is hashed then, which Contains() spares).
  [[nodiscard]] Match Find(HashAlgorithm algorithm, BytesView digest, std::string_view path) const;
  // The digest is listed, whatever the path. No allocation.
  [[nodiscard]] bool Contains(HashAlgorithm algorithm, BytesView digest) const;
  // Whether some entry is for this path, whatever its digest: "a known file that was changed". Slow (a scan).
  [[nodiscard]] bool KnowsPath(std::string_view path) const;
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::size_t bytes() const;  // of memory

 private:
  struct Impl;
  explicit DigestSet(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace gatehouse::appraisal
