#include "common/signature/sigstore/protojson.h"

#include <charconv>

#include "common/base/encoding.h"

namespace gatehouse::signature::sigstore::protojson {

using codec::JsonView;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

namespace {

std::string PathOf(const ObjectReader& reader, std::string_view key) {
  return std::string(reader.path()).append(".").append(key);
}

std::optional<std::int64_t> ParseDecimal(std::string_view text) {
  std::int64_t value = 0;
  if (text.empty() || text.front() == '-' || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<JsonView> Find(ObjectReader& reader, std::string_view key) {
  auto value = reader.Raw(key);
  return value && !value->IsNull() ? value : std::nullopt;
}

bool Has(ObjectReader& reader, std::string_view key) {
  const auto value = reader.view().Find(key);
  if (value && !value->IsNull()) return true;
  static_cast<void>(reader.Raw(key));
  return false;
}

std::int64_t Int64(ObjectReader& reader, std::string_view key, std::int64_t max) {
  const auto value = Find(reader, key);
  if (!value) return 0;
  const auto text = value->AsString();
  const std::optional<std::int64_t> number = text ? ParseDecimal(*text) : value->AsInt();
  if (!number || *number < 0 || *number > max) {
    reader.Fail(key, "must be an integer from 0 to " + std::to_string(max));
    return 0;
  }
  return *number;
}

Bytes BytesOf(ObjectReader& reader, std::string_view key) {
  const auto value = Find(reader, key);
  if (!value) return {};
  const auto text = value->AsString();
  if (!text) {
    reader.Fail(key, "must be a string in base64");
    return {};
  }
  auto bytes = DecodeBase64(*text);
  if (bytes.ok()) return std::move(bytes).value();
  reader.Fail(key, bytes.error().detail);
  return {};
}

std::string Text(ObjectReader& reader, std::string_view key) {
  const auto value = Find(reader, key);
  if (!value) return {};
  const auto text = value->AsString();
  if (!text) reader.Fail(key, "must be a string");
  return std::string(text.value_or(""));
}

bool Object(ObjectReader& reader, std::string_view key, const std::function<void(ObjectReader&)>& read) {
  return Has(reader, key) && reader.Object(key, Presence::kRequired, read);
}

void Each(ObjectReader& reader, std::string_view key, std::size_t max, Reason reason,
          const std::function<void(ObjectReader&)>& read) {
  const auto array = Find(reader, key);
  if (!array) return;
  if (!array->IsArray()) return reader.Fail(key, "must be an array");
  if (array->size() > max) {
    return reader.Fail(
        Error{Reason::kLimitExceeded, PathOf(reader, key),
              "has " + std::to_string(array->size()) + " elements; " + std::to_string(max) + " are allowed"});
  }
  for (std::size_t i = 0; i < array->size() && reader.ok(); ++i) {
    ObjectReader element(reader.document(), array->at(i), reason,
                         PathOf(reader, key).append("[").append(std::to_string(i)).append("]"));
    if (element.ok()) read(element);
    if (auto status = element.Finish(); !status.ok()) reader.Fail(std::move(status).error());
  }
}

}  // namespace gatehouse::signature::sigstore::protojson
