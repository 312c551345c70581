// Strong types that every room speaks: a content digest, a node's name, a nonce.
#pragma once

#include <compare>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/bytes.h"

namespace gatehouse {

enum class HashAlgorithm : std::uint8_t { kSha1, kSha256, kSha384, kSha512 };

[[nodiscard]] std::size_t DigestSize(HashAlgorithm algorithm);                  // in bytes
[[nodiscard]] std::string_view Name(HashAlgorithm algorithm);                   // "sha256"
[[nodiscard]] Result<HashAlgorithm> ParseHashAlgorithm(std::string_view name);  // kDigestMalformed

// A content digest as OCI writes it: "sha256:<64 lower-case hex>" (image-spec descriptor.md, "Digests"). sha256, sha384
// and sha512 only; never SHA-1 or MD5.
class Digest {
 public:
  // Errors: kDigestMalformed.
  [[nodiscard]] static Result<Digest> Parse(std::string_view text);
  // `bytes` must have the size of the algorithm. Errors: kDigestMalformed.
  [[nodiscard]] static Result<Digest> Make(HashAlgorithm algorithm, BytesView bytes);

  [[nodiscard]] HashAlgorithm algorithm() const { return algorithm_; }
  [[nodiscard]] const std::string& text() const { return text_; }  // "sha256:..."
  [[nodiscard]] std::string_view hex() const;                      // without the algorithm
  friend bool operator==(const Digest&, const Digest&) = default;
  friend auto operator<=>(const Digest& a, const Digest& b) { return a.text_ <=> b.text_; }

 private:
  Digest(HashAlgorithm algorithm, std::string text) : algorithm_(algorithm), text_(std::move(text)) {}
  HashAlgorithm algorithm_;
  std::string text_;
};

// The name of a Kubernetes Node: a DNS subdomain of at most 253 characters (RFC 1123).
class NodeName {
 public:
  // Errors: kMessageMalformed.
  [[nodiscard]] static Result<NodeName> Parse(std::string_view text);
  [[nodiscard]] const std::string& text() const { return text_; }
  friend bool operator==(const NodeName&, const NodeName&) = default;
  friend auto operator<=>(const NodeName&, const NodeName&) = default;

 private:
  explicit NodeName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

}  // namespace gatehouse

template <>
struct std::hash<gatehouse::Digest> {
  std::size_t operator()(const gatehouse::Digest& digest) const { return std::hash<std::string>{}(digest.text()); }
};
template <>
struct std::hash<gatehouse::NodeName> {
  std::size_t operator()(const gatehouse::NodeName& node) const { return std::hash<std::string>{}(node.text()); }
};
