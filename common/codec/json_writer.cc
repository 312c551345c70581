#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cassert>
#include <cmath>
#include <limits>

#include "common/base/encoding.h"
#include "common/codec/json.h"

namespace gatehouse::codec {

struct JsonWriter::Impl {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer{buffer};
};

namespace {

rapidjson::SizeType Length(std::string_view text) {
  assert(text.size() <= std::numeric_limits<rapidjson::SizeType>::max());
  return static_cast<rapidjson::SizeType>(text.size());
}

}  // namespace

JsonWriter::JsonWriter() : impl_(std::make_unique<Impl>()) {}
JsonWriter::~JsonWriter() = default;

JsonWriter& JsonWriter::BeginObject() {
  impl_->writer.StartObject();
  return *this;
}

JsonWriter& JsonWriter::EndObject() {
  impl_->writer.EndObject();
  return *this;
}

JsonWriter& JsonWriter::BeginArray() {
  impl_->writer.StartArray();
  return *this;
}

JsonWriter& JsonWriter::EndArray() {
  impl_->writer.EndArray();
  return *this;
}

JsonWriter& JsonWriter::Key(std::string_view key) {
  return String(key);
}

JsonWriter& JsonWriter::String(std::string_view value) {
  std::string shown;
  if (!IsUtf8(value)) {
    shown = Printable(value, std::numeric_limits<std::size_t>::max());
    value = shown;
  }
  // A view of nothing may have no address, which the writer does not accept.
  impl_->writer.String(value.empty() ? "" : value.data(), Length(value));
  return *this;
}

JsonWriter& JsonWriter::Int(std::int64_t value) {
  impl_->writer.Int64(value);
  return *this;
}

JsonWriter& JsonWriter::Uint(std::uint64_t value) {
  impl_->writer.Uint64(value);
  return *this;
}

JsonWriter& JsonWriter::Bool(bool value) {
  impl_->writer.Bool(value);
  return *this;
}

JsonWriter& JsonWriter::Double(double value) {
  // RFC 8259 section 6: "Numeric values that cannot be represented in the grammar below (such as Infinity and NaN) are
  // not permitted." The writer would write nothing at all.
  if (!std::isfinite(value)) return Null();
  impl_->writer.Double(value);
  return *this;
}

JsonWriter& JsonWriter::Null() {
  impl_->writer.Null();
  return *this;
}

JsonWriter& JsonWriter::Raw(std::string_view json) {
  impl_->writer.RawValue(json.data(), json.size(), rapidjson::kObjectType);
  return *this;
}

std::string JsonWriter::Finish() && {
  assert(impl_->writer.IsComplete());
  return {impl_->buffer.GetString(), impl_->buffer.GetSize()};
}

}  // namespace gatehouse::codec
