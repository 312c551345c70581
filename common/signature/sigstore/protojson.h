// The JSON form of protocol buffers (protobuf.dev, "ProtoJSON Format"), as Sigstore writes its messages: a null is an
// absent member, 64-bit integers are strings or numbers, an empty string or byte string is an absent one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/codec/json.h"

namespace gatehouse::signature::sigstore::protojson {

// The member, if it is there and is not null. Marks the key as known.
[[nodiscard]] std::optional<codec::JsonView> Find(codec::ObjectReader& reader, std::string_view key);
// Whether Find would give something; the key is marked only if it would not, so that one of ObjectReader's own methods
// can be asked for it next.
[[nodiscard]] bool Has(codec::ObjectReader& reader, std::string_view key);

// Not negative and at most `max`: a number, or a string of decimal digits without surplus zeros; absent: 0.
[[nodiscard]] std::int64_t Int64(codec::ObjectReader& reader, std::string_view key, std::int64_t max);
// Standard base64; absent or empty: empty.
[[nodiscard]] Bytes BytesOf(codec::ObjectReader& reader, std::string_view key);
// Absent or empty: empty.
[[nodiscard]] std::string Text(codec::ObjectReader& reader, std::string_view key);
// False if it is absent.
bool Object(codec::ObjectReader& reader, std::string_view key, const std::function<void(codec::ObjectReader&)>& read);
// Of an array of objects, each; more than `max` elements are kLimitExceeded. Errors within have `reason`.
void Each(codec::ObjectReader& reader, std::string_view key, std::size_t max, Reason reason,
          const std::function<void(codec::ObjectReader&)>& read);

}  // namespace gatehouse::signature::sigstore::protojson
