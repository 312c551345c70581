// Strict JSON (RFC 8259): UTF-8 only, no duplicate keys, no trailing data, bounded depth and size, iterative. The
// parsed tree is also what a YAML document becomes (codec/yaml.h), so that one reader and one set of error messages
// serves both.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"

namespace gatehouse::codec {

// A view of one value of a JsonDocument: a pointer, cheap to copy, valid as long as the document lives. Reading a value
// as another type than it has gives nothing; only ObjectReader below turns that into an error.
class JsonView {
 public:
  enum class Kind : std::uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };

  [[nodiscard]] Kind kind() const;
  [[nodiscard]] bool IsNull() const { return kind() == Kind::kNull; }
  [[nodiscard]] bool IsObject() const { return kind() == Kind::kObject; }
  [[nodiscard]] bool IsArray() const { return kind() == Kind::kArray; }
  [[nodiscard]] std::optional<std::string_view> AsString() const;
  [[nodiscard]] std::optional<bool> AsBool() const;
  [[nodiscard]] std::optional<std::int64_t> AsInt() const;  // an integer literal within range only: 1.0 and 1e3 are not
  [[nodiscard]] std::optional<std::uint64_t> AsUint() const;
  [[nodiscard]] std::optional<double> AsDouble() const;

  // Array: number of elements, and the i-th (precondition: i < size()). Object: number of members. Otherwise 0.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] JsonView at(std::size_t index) const;
  // Object: the member's value; nothing if absent or if this is no object.
  [[nodiscard]] std::optional<JsonView> Find(std::string_view key) const;
  // Object: the i-th member in document order (precondition: i < size()).
  struct Member;
  [[nodiscard]] Member member(std::size_t index) const;

  // The text of this value, compact, keys in document order.
  [[nodiscard]] std::string Serialize() const;
  // An identity of the value within its document, for position look-ups.
  [[nodiscard]] const void* id() const { return value_; }

 private:
  friend class JsonDocument;
  explicit JsonView(const void* value) : value_(value) {}
  const void* value_;
};

struct JsonView::Member {
  std::string_view key;
  JsonView value;
};

class JsonDocument {
 public:
  struct Options {
    std::size_t max_bytes;         // longer input is kLimitExceeded
    std::string_view source = {};  // the file's name, for messages
  };
  // Errors: kJsonMalformed with the offset, kLimitExceeded. The depth and node limits are those of base/limits.h.
  [[nodiscard]] static Result<JsonDocument> Parse(std::string_view text, Options options);

  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;
  ~JsonDocument();

  [[nodiscard]] JsonView root() const;
  // "policy.yaml" when it came from a named file, else empty.
  [[nodiscard]] const std::string& source() const;
  // "policy.yaml:12" for a value that came from a YAML file, the source otherwise.
  [[nodiscard]] std::string PositionOf(JsonView view) const;

 private:
  friend class YamlReader;
  struct Impl;
  explicit JsonDocument(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Reads an object as a schema: every member is asked for by name, and Finish() refuses what nobody asked for. Keeps the
// path
// ("$.spec.images[0].glob") and the position for messages; the first error sticks, so a reader reads like a list of
// fields:
//
//   ObjectReader reader(document, document.root(), Reason::kPolicyInvalid);
//   std::string name = reader.String("name");
//   auto mode = reader.OptionalString("mode");
//   reader.Each("images", Presence::kRequired, [&](ObjectReader& image) { globs.push_back(image.String("glob")); });
//   RETURN_IF_ERROR(reader.Finish());
//
// Values read before an error are defaults; nothing may be used before Finish() returned ok.
class ObjectReader {
 public:
  enum class Presence : std::uint8_t { kRequired, kOptional };

  // `view` must be an object, else the first error is that it is not. The document must outlive the reader.
  ObjectReader(const JsonDocument& document, JsonView view, Reason reason, std::string path = "$");

  [[nodiscard]] std::string String(std::string_view key);  // required, not empty
  [[nodiscard]] std::optional<std::string> OptionalString(
      std::string_view key);                             // empty string is an error; absent is not
  [[nodiscard]] std::string Text(std::string_view key);  // required, may be empty
  [[nodiscard]] std::optional<std::int64_t> OptionalInt(std::string_view key, std::int64_t min, std::int64_t max);
  [[nodiscard]] std::int64_t Int(std::string_view key, std::int64_t min, std::int64_t max);
  [[nodiscard]] std::optional<bool> OptionalBool(std::string_view key);
  // An array of non-empty strings; kRequired also refuses an empty array.
  [[nodiscard]] std::vector<std::string> Strings(std::string_view key, Presence presence);
  // An object whose values are strings, which may be empty, with keys that may not; kRequired allows an empty object.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> StringMap(std::string_view key, Presence presence);
  [[nodiscard]] Bytes Base64(std::string_view key);  // required, standard alphabet
  [[nodiscard]] std::optional<Bytes> OptionalBase64(std::string_view key);
  // One of `allowed`; absent gives nothing. The error lists what is allowed.
  [[nodiscard]] std::optional<std::string> OptionalEnum(std::string_view key,
                                                        std::initializer_list<std::string_view> allowed);
  // Calls `read` with a reader of the member object; that reader's Finish() is called for the caller.
  bool Object(std::string_view key, Presence presence, const std::function<void(ObjectReader&)>& read);
  // The same for each object of an array. kRequired also refuses an empty array.
  void Each(std::string_view key, Presence presence, const std::function<void(ObjectReader&)>& read);
  // Raw access for what the methods above do not cover; marks the key as asked for. Null counts as present.
  [[nodiscard]] std::optional<JsonView> Raw(std::string_view key);
  [[nodiscard]] bool Has(std::string_view key) const;
  // Accept any further members (kinds that Kubernetes may extend); without it an unknown member is an error.
  void IgnoreUnknown() { ignore_unknown_ = true; }
  // Reports an error about a member (or about this object when `key` is empty), unless one was reported before.
  void Fail(std::string_view key, std::string_view detail);
  // The same with an error found elsewhere: it keeps its reason, and gets this object's place before its own unless it
  // comes from a reader of the same document.
  void Fail(Error error);

  [[nodiscard]] bool ok() const { return !error_.has_value(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const JsonDocument& document() const { return *document_; }
  [[nodiscard]] JsonView view() const { return view_; }
  // The first error, or an unknown member (with the names that are allowed, the nearest first), or ok.
  [[nodiscard]] Status Finish();

 private:
  [[nodiscard]] std::optional<JsonView> Take(std::string_view key, Presence presence);
  [[nodiscard]] std::string Missing(std::string_view key) const;
  [[nodiscard]] Error MakeError(std::string_view key, std::string_view detail, std::optional<JsonView> at) const;

  const JsonDocument* document_;
  JsonView view_;
  Reason reason_;
  std::string path_;
  std::vector<std::string> asked_;
  std::optional<Error> error_;
  bool ignore_unknown_ = false;
};

// Writes compact JSON. Misuse (a value where a key is due) is an assertion.
class JsonWriter {
 public:
  JsonWriter();
  ~JsonWriter();
  JsonWriter(const JsonWriter&) = delete;
  JsonWriter& operator=(const JsonWriter&) = delete;

  JsonWriter& BeginObject();
  JsonWriter& EndObject();
  JsonWriter& BeginArray();
  JsonWriter& EndArray();
  JsonWriter& Key(std::string_view key);
  JsonWriter& String(std::string_view value);  // bytes that are not UTF-8 are written as Printable() shows them
  JsonWriter& Int(std::int64_t value);
  JsonWriter& Uint(std::uint64_t value);
  JsonWriter& Bool(bool value);
  JsonWriter& Double(double value);  // not a number and infinity have no form in JSON and are written as null
  JsonWriter& Null();
  JsonWriter& Raw(std::string_view json);  // `json` must be one valid JSON value
  JsonWriter& Member(std::string_view key, std::string_view value) { return Key(key).String(value); }

  [[nodiscard]] std::string Finish() &&;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::codec
