// Strict CBOR (RFC 8949): definite lengths, shortest integers, UTF-8 text, no duplicate map keys, nothing left over;
// depth and number of items are bounded before anything is allocated.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace gatehouse::codec {

class CborValue {
 public:
  enum class Kind : std::uint8_t { kInt, kBytes, kText, kArray, kMap, kTag, kBool, kNull, kUndefined };

  [[nodiscard]] Kind kind() const { return kind_; }
  // Each nothing for a value of another kind. Integers beyond int64 are refused when parsed.
  [[nodiscard]] std::optional<std::int64_t> AsInt() const;
  [[nodiscard]] std::optional<BytesView> AsBytes() const;
  [[nodiscard]] std::optional<std::string_view> AsText() const;
  [[nodiscard]] std::optional<bool> AsBool() const;
  // Array: its items. Map: empty, see members().
  [[nodiscard]] const std::vector<CborValue>& items() const { return items_; }
  [[nodiscard]] const std::vector<std::pair<CborValue, CborValue>>& members() const { return members_; }
  // Of a map; null if absent.
  [[nodiscard]] const CborValue* Find(std::int64_t label) const;
  [[nodiscard]] const CborValue* Find(std::string_view label) const;
  // Of a tag: its number, and the one value that it is about.
  [[nodiscard]] std::uint64_t tag() const { return tag_; }
  [[nodiscard]] const CborValue& tagged() const { return items_.front(); }

 private:
  friend class CborReader;
  Kind kind_ = Kind::kNull;
  std::int64_t int_ = 0;
  std::uint64_t tag_ = 0;
  Bytes bytes_;
  std::string text_;
  std::vector<CborValue> items_;
  std::vector<std::pair<CborValue, CborValue>> members_;
};

// One value. `reason` is that of every error but kLimitExceeded. Floats are refused: nothing that we read has any.
[[nodiscard]] Result<CborValue> ParseCbor(BytesView bytes, Reason reason);

// Deterministic encoding (RFC 8949 section 4.2.1), for structures to be signed and for tests.
class CborWriter {
 public:
  CborWriter& Int(std::int64_t value);
  CborWriter& ByteString(BytesView value);
  CborWriter& Text(std::string_view value);
  CborWriter& Array(std::size_t items);  // that many values follow
  CborWriter& Map(std::size_t members);  // that many pairs follow; their order is the caller's
  CborWriter& Tag(std::uint64_t number);
  CborWriter& Bool(bool value);
  CborWriter& Null();
  [[nodiscard]] Bytes Finish() && { return std::move(out_); }

 private:
  void Head(std::uint8_t major, std::uint64_t value);
  Bytes out_;
};

}  // namespace gatehouse::codec
