#include "common/cose/sign1.h"

#include <array>
#include <set>

#include "common/base/limits.h"

namespace gatehouse::cose {
namespace {

using codec::CborValue;

constexpr std::uint64_t kSign1Tag = 18;
constexpr std::int64_t kAlgorithmLabel = 1;
constexpr std::string_view kContext = "Signature1";

Error Malformed(std::string_view detail) {
  return {Reason::kEnvelopeMalformed, "COSE_Sign1", std::string(detail)};
}

// RFC 9052 section 3: label = int / tstr.
Status CheckLabels(const CborValue& map, std::string_view name) {
  for (const auto& [label, value] : map.members()) {
    if (!label.AsInt() && !label.AsText()) {
      return Malformed("the " + std::string(name) + " header has a label that is neither an integer nor text");
    }
  }
  return Ok();
}

Result<CborValue> ProtectedMap(BytesView encoded) {
  // Section 3: "if there are no protected headers, ... a zero-length byte string" takes the place of an empty map.
  static constexpr std::uint8_t kEmptyMap = 0xa0;
  const BytesView bytes = encoded.empty() ? BytesView(&kEmptyMap, 1) : encoded;
  ASSIGN_OR_RETURN(CborValue map, codec::ParseCbor(bytes, Reason::kEnvelopeMalformed));
  if (map.kind() != CborValue::Kind::kMap) return Malformed("the protected header is not a map");
  return map;
}

// Section 3: "Applications SHOULD verify that the same label does not occur in both the protected and unprotected
// header parameters." We do: which of the two counts is nothing that a signer left open.
// By sets, for nobody has signed anything yet when thousands of labels are compared.
Status CheckDisjoint(const CborValue& protected_map, const CborValue& unprotected_map) {
  std::set<std::int64_t> numbers;
  std::set<std::string_view> texts;
  for (const auto& [label, value] : protected_map.members()) {
    if (label.AsInt()) numbers.insert(*label.AsInt());
    if (label.AsText()) texts.insert(*label.AsText());
  }
  for (const auto& [label, value] : unprotected_map.members()) {
    const bool both = label.AsInt() ? numbers.contains(*label.AsInt()) : texts.contains(*label.AsText());
    if (both) return Malformed("a label is in the protected and in the unprotected header");
  }
  return Ok();
}

Result<Bytes> ByteStringOf(const CborValue& value, std::string_view name) {
  const std::optional<BytesView> bytes = value.AsBytes();
  if (!bytes) return Malformed("the " + std::string(name) + " is not a byte string");
  return ToBytes(*bytes);
}

struct Suite {
  std::int64_t algorithm;
  crypto::KeyType key;
  crypto::Scheme scheme;
  HashAlgorithm hash;
};
// RFC 9053 section 2.1, RFC 8230 section 2. Section 2.1 leaves the curve open; here each algorithm has its own.
constexpr std::array kSuites = {
    Suite{-7, crypto::KeyType::kEcP256, crypto::Scheme::kEcdsaRaw, HashAlgorithm::kSha256},
    Suite{-35, crypto::KeyType::kEcP384, crypto::Scheme::kEcdsaRaw, HashAlgorithm::kSha384},
    Suite{-36, crypto::KeyType::kEcP521, crypto::Scheme::kEcdsaRaw, HashAlgorithm::kSha512},
    Suite{-37, crypto::KeyType::kRsa, crypto::Scheme::kRsaPss, HashAlgorithm::kSha256},
    Suite{-38, crypto::KeyType::kRsa, crypto::Scheme::kRsaPss, HashAlgorithm::kSha384},
    Suite{-39, crypto::KeyType::kRsa, crypto::Scheme::kRsaPss, HashAlgorithm::kSha512},
};

// Section 4.4: Sig_structure.
Bytes ToBeSigned(const Sign1& message) {
  codec::CborWriter writer;
  writer.Array(4).Text(kContext).ByteString(message.protected_bytes).ByteString({}).ByteString(message.payload);
  return std::move(writer).Finish();
}

}  // namespace

Result<Sign1> ParseSign1(BytesView bytes, Tag tag) {
  ASSIGN_OR_RETURN(const CborValue document, codec::ParseCbor(bytes, Reason::kEnvelopeMalformed));
  const bool tagged = document.kind() == CborValue::Kind::kTag;
  if (tagged && document.tag() != kSign1Tag) return Malformed("a tag other than 18");
  if (tagged && tag == Tag::kForbidden) return Malformed("a tag where none belongs");
  if (!tagged && tag == Tag::kRequired) return Malformed("the tag 18 is missing");
  const CborValue& message = tagged ? document.tagged() : document;
  if (message.kind() != CborValue::Kind::kArray || message.items().size() != 4) {
    return Malformed("not an array of four");
  }
  const std::vector<CborValue>& items = message.items();
  ASSIGN_OR_RETURN(Bytes protected_bytes, ByteStringOf(items[0], "protected header"));
  ASSIGN_OR_RETURN(CborValue protected_map, ProtectedMap(protected_bytes));
  if (items[1].kind() != CborValue::Kind::kMap) return Malformed("the unprotected header is not a map");
  ASSIGN_OR_RETURN(Bytes payload, ByteStringOf(items[2], "payload"));
  ASSIGN_OR_RETURN(Bytes signature, ByteStringOf(items[3], "signature"));
  RETURN_IF_ERROR(CheckLabels(protected_map, "protected"));
  RETURN_IF_ERROR(CheckLabels(items[1], "unprotected"));
  RETURN_IF_ERROR(CheckDisjoint(protected_map, items[1]));
  if (signature.empty()) return Malformed("the signature is empty");
  if (signature.size() > limits::kSignatureBytes) {
    return Error{Reason::kLimitExceeded, "COSE_Sign1",
                 "a signature of more than " + std::to_string(limits::kSignatureBytes) + " bytes"};
  }
  return Sign1{std::move(protected_bytes), std::move(protected_map), items[1], std::move(payload),
               std::move(signature)};
}

Result<std::int64_t> AlgorithmOf(const Sign1& message) {
  const CborValue* label = message.protected_map.Find(kAlgorithmLabel);
  if (label == nullptr) return Malformed("the protected header has no algorithm");
  // Registered algorithms may have text names (RFC 9052 section 3.1); none of those that we take has.
  const std::optional<std::int64_t> algorithm = label->AsInt();
  if (!algorithm) return Malformed("the algorithm is not an integer");
  return *algorithm;
}

Status VerifySign1(const Sign1& message, const crypto::PublicKey& key) {
  ASSIGN_OR_RETURN(const std::int64_t algorithm, AlgorithmOf(message));
  for (const Suite& suite : kSuites) {
    if (suite.algorithm != algorithm) continue;
    if (suite.key != key.type()) {
      return Error{Reason::kSignatureInvalid, "COSE_Sign1", "the algorithm is not that of the key"};
    }
    if (key.Verify(suite.scheme, suite.hash, ToBeSigned(message), message.signature)) return Ok();
    return Error{Reason::kSignatureInvalid, "COSE_Sign1", "the signature does not verify with the key"};
  }
  return Malformed("the algorithm " + std::to_string(algorithm) + " is not accepted");
}

}  // namespace gatehouse::cose
