#include "common/base/types.h"

#include "common/base/encoding.h"

namespace gatehouse {

std::size_t DigestSize(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::kSha1:
      return 20;
    case HashAlgorithm::kSha256:
      return 32;
    case HashAlgorithm::kSha384:
      return 48;
    case HashAlgorithm::kSha512:
      return 64;
  }
  return 0;
}

std::string_view Name(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::kSha1:
      return "sha1";
    case HashAlgorithm::kSha256:
      return "sha256";
    case HashAlgorithm::kSha384:
      return "sha384";
    case HashAlgorithm::kSha512:
      return "sha512";
  }
  return "";
}

Result<HashAlgorithm> ParseHashAlgorithm(std::string_view name) {
  for (HashAlgorithm algorithm :
       {HashAlgorithm::kSha1, HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    if (Name(algorithm) == name) return algorithm;
  }
  return Error{Reason::kDigestMalformed, "", "unknown hash algorithm '" + Printable(name, 32) + "'"};
}

Result<Digest> Digest::Parse(std::string_view text) {
  auto colon = text.find(':');
  if (colon == std::string_view::npos) {
    return Error{Reason::kDigestMalformed, "", "'" + Printable(text, 100) + "' has no algorithm before its hex"};
  }
  ASSIGN_OR_RETURN(HashAlgorithm algorithm, ParseHashAlgorithm(text.substr(0, colon)));
  auto bytes = DecodeHex(text.substr(colon + 1));
  if (!bytes.ok()) return Error{Reason::kDigestMalformed, "", bytes.error().detail};
  return Make(algorithm, *bytes);
}

Result<Digest> Digest::Make(HashAlgorithm algorithm, BytesView bytes) {
  if (algorithm == HashAlgorithm::kSha1) return Error{Reason::kDigestMalformed, "", "SHA-1 does not identify content"};
  if (bytes.size() != DigestSize(algorithm)) {
    return Error{Reason::kDigestMalformed, "",
                 "a " + std::string(Name(algorithm)) + " digest has " + std::to_string(DigestSize(algorithm)) +
                     " bytes, not " + std::to_string(bytes.size())};
  }
  return Digest(algorithm, std::string(Name(algorithm)) + ":" + EncodeHex(bytes));
}

std::string_view Digest::hex() const {
  std::string_view text = text_;
  return text.substr(text.find(':') + 1);
}

Result<NodeName> NodeName::Parse(std::string_view text) {
  auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  bool valid = !text.empty() && text.size() <= 253;
  char before = '.';
  for (char c : text) {
    // Each label begins and ends with a letter or digit (RFC 1123 section 2.1).
    bool edge = before == '.' || c == '.';
    valid = valid && (alphanumeric(c) || c == '-' || c == '.') && !(edge && !alphanumeric(before == '.' ? c : before));
    before = c;
  }
  if (!valid || !alphanumeric(text.back())) {
    return Error{Reason::kMessageMalformed, "",
                 "'" + Printable(text, 64) + "' is not a node name (RFC 1123 subdomain)"};
  }
  return NodeName(std::string(text));
}

}  // namespace gatehouse
