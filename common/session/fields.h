// Members that several messages share. Only for the .cc files of this room.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/codec/json.h"
#include "common/evidence/tpm/structures.h"

namespace gatehouse::session {

// Not empty, at most `max` bytes.
[[nodiscard]] Bytes ReadBytes(codec::ObjectReader& reader, std::string_view key, std::size_t max);
// Empty if the member is absent; else as ReadBytes.
[[nodiscard]] Bytes ReadOptionalBytes(codec::ObjectReader& reader, std::string_view key, std::size_t max);
[[nodiscard]] std::string ReadNode(codec::ObjectReader& reader);
[[nodiscard]] std::string ReadAkName(codec::ObjectReader& reader);
[[nodiscard]] std::uint64_t ReadPosition(codec::ObjectReader& reader, std::string_view key);

// {"sha256":[0,1,7]}: each bank once, its PCRs ascending and at least one.
[[nodiscard]] evidence::tpm::PcrSelections ReadSelections(codec::ObjectReader& reader, std::string_view key);
void WriteSelections(codec::JsonWriter& writer, const evidence::tpm::PcrSelections& selections);

// For large values, which are to be in memory once: appends the base64 of `bytes` without an intermediate copy.
void AppendBase64(std::string& to, BytesView bytes);
void AppendBase64Url(std::string& to, BytesView bytes);
[[nodiscard]] constexpr std::size_t Base64Size(std::size_t bytes) {
  return (bytes + 2) / 3 * 4;
}

// The one JSON object of `json` as a message. Errors: kMessageMalformed, kLimitExceeded.
template <typename T>
[[nodiscard]] Result<T> DecodeObject(std::string_view json, std::size_t max_bytes,
                                     const std::function<void(codec::ObjectReader&, T&)>& read) {
  auto document = codec::JsonDocument::Parse(json, {.max_bytes = max_bytes});
  if (!document.ok()) {
    Error error = std::move(document).error();
    if (error.reason == Reason::kJsonMalformed) error.reason = Reason::kMessageMalformed;
    return error;
  }
  T message{};
  codec::ObjectReader reader(*document, document->root(), Reason::kMessageMalformed);
  if (reader.ok()) read(reader, message);
  RETURN_IF_ERROR(reader.Finish());
  return message;
}

}  // namespace gatehouse::session
