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
[[nodiscard]] std::string ReadNode(codec::ObjectReader& reader);
[[nodiscard]] std::string ReadAkName(codec::ObjectReader& reader);
[[nodiscard]] std::uint64_t ReadImaFrom(codec::ObjectReader& reader);

// {"sha256":[0,1,7]}: each bank once, its PCRs ascending and at least one.
[[nodiscard]] evidence::tpm::PcrSelections ReadSelections(codec::ObjectReader& reader, std::string_view key);
void WriteSelections(codec::JsonWriter& writer, const evidence::tpm::PcrSelections& selections);

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
