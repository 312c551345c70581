#include "common/codec/json.h"

#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json_impl.h"

namespace gatehouse::codec {
namespace {

using Value = rapidjson::Value;

// Objects up to this size are checked for duplicate keys pair by pair, which needs no memory.
constexpr rapidjson::SizeType kPairwiseMembers = 16;

// Numbers come as their text: converting it here is exact, and the work for each is bounded.
constexpr unsigned kParseFlags =
    rapidjson::kParseInsituFlag | rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;

// No number that a double or a 64-bit integer holds needs more; a longer one costs more to convert than it is worth.
constexpr std::size_t kNumberBytes = 128;

std::string_view TextOf(const Value& value) {
  return {value.GetString(), value.GetStringLength()};
}

const Value& ValueOf(const void* id) {
  return *static_cast<const Value*>(id);
}

// The same answer as IsUtf8(), eight bytes at a time where the text is ASCII: most of every review is.
bool IsUtf8Text(std::string_view text) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080U;
  auto is_ascii = [](char c) { return static_cast<std::uint8_t>(c) < 0x80; };
  while (!text.empty()) {
    std::size_t ascii = 0;
    for (std::uint64_t word = 0; ascii + sizeof word <= text.size(); ascii += sizeof word) {
      std::memcpy(&word, text.data() + ascii, sizeof word);
      if ((word & kHighBits) != 0) break;
    }
    while (ascii < text.size() && is_ascii(text[ascii])) ++ascii;
    text.remove_prefix(ascii);
    // No sequence of RFC 3629 reaches across an ASCII byte, so a run of other bytes can be judged alone.
    auto run = static_cast<std::size_t>(std::find_if(text.begin(), text.end(), is_ascii) - text.begin());
    if (!IsUtf8(text.substr(0, run))) return false;
    text.remove_prefix(run);
  }
  return true;
}

// Passes the parser's events on to the document, and stops the parser at a limit of ours.
class Builder {
 public:
  Builder(rapidjson::Document& document, bool has_unicode_escapes)
      : document_(&document), has_unicode_escapes_(has_unicode_escapes) {}

  bool Null() { return Count() && document_->Null(); }
  bool Bool(bool value) { return Count() && document_->Bool(value); }
  // The parser calls RawNumber() for every number; its handler concept asks for these too.
  bool Int(int value) { return Count() && document_->Int(value); }
  bool Uint(unsigned value) { return Count() && document_->Uint(value); }
  bool Int64(std::int64_t value) { return Count() && document_->Int64(value); }
  bool Uint64(std::uint64_t value) { return Count() && document_->Uint64(value); }
  bool Double(double value) { return Count() && document_->Double(value); }

  bool RawNumber(const char* text, rapidjson::SizeType length, bool) {
    if (!Count()) return false;
    const char* end = text + length;
    if (length > kNumberBytes) return Stop(Reason::kLimitExceeded, "a number has more than 128 characters");
    if (std::find_if(text, end, [](char c) { return c == '.' || c == 'e' || c == 'E'; }) == end) {
      std::int64_t integer = 0;
      if (std::from_chars(text, end, integer).ec == std::errc()) return document_->Int64(integer);
      std::uint64_t natural = 0;
      if (std::from_chars(text, end, natural).ec == std::errc()) return document_->Uint64(natural);
    }
    double real = 0;
    if (std::from_chars(text, end, real).ec != std::errc()) {
      return Stop(Reason::kJsonMalformed, "a number is out of the range of a double");
    }
    return document_->Double(real);
  }

  bool String(const char* text, rapidjson::SizeType length, bool) {
    if (!Count()) return false;
    // RapidJSON refuses a high surrogate that stands alone, but writes a low one (\udc00) as three bytes that are not
    // UTF-8. Raw bytes of that kind were refused before parsing, so only an escape can have brought them.
    if (has_unicode_escapes_ && std::memchr(text, 0xED, length) != nullptr && !IsUtf8({text, length})) {
      return Stop(Reason::kJsonMalformed, "a surrogate stands alone in a string");
    }
    return document_->String(text, length, false);
  }
  bool Key(const char* text, rapidjson::SizeType length, bool) { return String(text, length, false); }

  bool StartObject() { return Enter() && document_->StartObject(); }
  bool EndObject(rapidjson::SizeType members) { return Leave() && document_->EndObject(members); }
  bool StartArray() { return Enter() && document_->StartArray(); }
  bool EndArray(rapidjson::SizeType elements) { return Leave() && document_->EndArray(elements); }

  // Why the builder stopped the parser.
  [[nodiscard]] Reason reason() const { return reason_; }
  [[nodiscard]] const char* detail() const { return detail_; }

 private:
  bool Stop(Reason reason, const char* detail) {
    reason_ = reason;
    detail_ = detail;
    return false;
  }

  bool Count() {
    return ++nodes_ <= limits::kJsonNodes || Stop(Reason::kLimitExceeded, "more than 1000000 values and keys");
  }

  bool Enter() {
    return Count() && (++depth_ <= limits::kJsonDepth || Stop(Reason::kLimitExceeded, "nested more than 64 deep"));
  }

  bool Leave() {
    --depth_;
    return true;
  }

  rapidjson::Document* document_;
  bool has_unicode_escapes_;
  std::size_t nodes_ = 0;
  std::size_t depth_ = 0;
  Reason reason_ = Reason::kJsonMalformed;
  const char* detail_ = "";
};
static_assert(limits::kJsonNodes == 1'000'000 && limits::kJsonDepth == 64, "the details above name the limits");

// RFC 8259 section 4: "The names within an object SHOULD be unique." Where they are not, two readers can see two
// documents, so it is refused. A pass over the finished tree, whose depth the builder has bounded.
class DuplicateFinder {
 public:
  // A key that appears before in the same object, or nullptr.
  [[nodiscard]] const Value* Find(const Value& value) {
    if (value.IsArray()) {
      for (const Value& element : value.GetArray()) {
        if (const Value* found = Descend(element)) return found;
      }
      return nullptr;
    }
    const Value* found = value.MemberCount() <= kPairwiseMembers ? FindByPairs(value) : FindBySorting(value);
    if (found != nullptr) return found;
    for (const auto& member : value.GetObject()) {
      if (const Value* inner = Descend(member.value)) return inner;
    }
    return nullptr;
  }

 private:
  struct Key {
    std::size_t
        hash;  // spares most comparisons of text; equal hashes are settled by the text, so collisions cost little
    const Value* name;
  };

  const Value* Descend(const Value& value) { return value.IsArray() || value.IsObject() ? Find(value) : nullptr; }

  static const Value* FindByPairs(const Value& object) {
    for (auto a = object.MemberBegin(); a != object.MemberEnd(); ++a) {
      for (auto b = object.MemberBegin(); b != a; ++b) {
        if (TextOf(a->name) == TextOf(b->name)) return &a->name;
      }
    }
    return nullptr;
  }

  const Value* FindBySorting(const Value& object) {
    keys_.clear();
    keys_.reserve(object.MemberCount());
    for (const auto& member : object.GetObject()) {
      keys_.push_back({std::hash<std::string_view>{}(TextOf(member.name)), &member.name});
    }
    auto before = [](const Key& a, const Key& b) {
      return a.hash != b.hash ? a.hash < b.hash : TextOf(*a.name) < TextOf(*b.name);
    };
    std::sort(keys_.begin(), keys_.end(), before);
    auto same = [](const Key& a, const Key& b) { return a.hash == b.hash && TextOf(*a.name) == TextOf(*b.name); };
    auto pair = std::adjacent_find(keys_.begin(), keys_.end(), same);
    return pair == keys_.end() ? nullptr : std::max(pair->name, (pair + 1)->name);
  }

  std::vector<Key> keys_;
};

// What is refused before the parser sees the text: it takes a NUL for the end, and would skip no other of these.
Status CheckText(std::string_view text, const JsonDocument::Options& options) {
  auto fail = [&](Reason reason, std::string detail) {
    return Error{reason, std::string(options.source), std::move(detail)};
  };
  if (text.size() > options.max_bytes) {
    return fail(Reason::kLimitExceeded, "the JSON has " + std::to_string(text.size()) + " bytes, more than the " +
                                            std::to_string(options.max_bytes) + " accepted");
  }
  // RFC 8259 section 8.1: "Implementations MUST NOT add a byte order mark".
  if (text.starts_with("\xEF\xBB\xBF")) return fail(Reason::kJsonMalformed, "begins with a byte order mark");
  if (auto nul = text.find('\0'); nul != std::string_view::npos) {
    return fail(Reason::kJsonMalformed, "a NUL byte at byte " + std::to_string(nul));
  }
  if (!IsUtf8Text(text)) return fail(Reason::kJsonMalformed, "is not UTF-8");
  return Ok();
}

Error ParserError(const rapidjson::ParseResult& result, const Builder& builder, std::string_view source) {
  Reason reason = Reason::kJsonMalformed;
  std::string detail;
  if (result.Code() == rapidjson::kParseErrorTermination) {
    reason = builder.reason();
    detail = builder.detail();
  } else {
    detail = rapidjson::GetParseError_En(result.Code());
    if (detail.ends_with('.')) detail.pop_back();
  }
  return {reason, std::string(source), detail + " at byte " + std::to_string(result.Offset())};
}

}  // namespace

std::string LinePosition(std::string_view source, std::size_t line) {
  return source.empty() ? "line " + std::to_string(line) : std::string(source) + ":" + std::to_string(line);
}

JsonDocument::JsonDocument(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

Result<JsonDocument> JsonDocument::Parse(std::string_view text, Options options) {
  RETURN_IF_ERROR(CheckText(text, options));
  // A tree takes about as much room as its text; the first chunk is to hold an ordinary one whole.
  std::size_t chunk = std::clamp<std::size_t>(2 * text.size(), 1 * limits::kKiB, 64 * limits::kKiB);
  auto impl = std::make_unique<Impl>(chunk, chunk / 4);
  impl->source = options.source;
  impl->text = std::make_unique_for_overwrite<char[]>(text.size() + 1);
  std::copy(text.begin(), text.end(), impl->text.get());
  impl->text[text.size()] = '\0';

  rapidjson::ParseResult result;
  Builder builder(impl->root, text.find("\\u") != std::string_view::npos);
  auto generate = [&](rapidjson::Document&) {
    rapidjson::InsituStringStream stream(impl->text.get());
    rapidjson::Reader reader;
    result = reader.Parse<kParseFlags>(stream, builder);
    return !result.IsError();
  };
  impl->root.Populate(generate);
  if (result.IsError()) return ParserError(result, builder, options.source);
  if (impl->root.IsObject() || impl->root.IsArray()) {
    if (const Value* key = DuplicateFinder().Find(impl->root)) {
      auto offset = key->GetString() - impl->text.get();
      return Error{Reason::kJsonMalformed, std::string(options.source),
                   "the key '" + Printable(TextOf(*key), 64) + "' appears twice in an object, again at byte " +
                       std::to_string(offset)};
    }
  }
  return JsonDocument(std::move(impl));
}

JsonView JsonDocument::root() const {
  return JsonView(static_cast<const Value*>(&impl_->root));
}

const std::string& JsonDocument::source() const {
  return impl_->source;
}

std::string JsonDocument::PositionOf(JsonView view) const {
  auto line = impl_->lines.find(view.id());
  return line == impl_->lines.end() ? impl_->source : LinePosition(impl_->source, line->second);
}

JsonView::Kind JsonView::kind() const {
  switch (ValueOf(value_).GetType()) {
    case rapidjson::kNullType:
      return Kind::kNull;
    case rapidjson::kFalseType:
    case rapidjson::kTrueType:
      return Kind::kBool;
    case rapidjson::kObjectType:
      return Kind::kObject;
    case rapidjson::kArrayType:
      return Kind::kArray;
    case rapidjson::kStringType:
      return Kind::kString;
    case rapidjson::kNumberType:
      return Kind::kNumber;
  }
  return Kind::kNull;
}

std::optional<std::string_view> JsonView::AsString() const {
  const Value& value = ValueOf(value_);
  if (!value.IsString()) return std::nullopt;
  return TextOf(value);
}

std::optional<bool> JsonView::AsBool() const {
  const Value& value = ValueOf(value_);
  if (!value.IsBool()) return std::nullopt;
  return value.GetBool();
}

std::optional<std::int64_t> JsonView::AsInt() const {
  const Value& value = ValueOf(value_);
  if (!value.IsInt64()) return std::nullopt;
  return value.GetInt64();
}

std::optional<std::uint64_t> JsonView::AsUint() const {
  const Value& value = ValueOf(value_);
  if (!value.IsUint64()) return std::nullopt;
  return value.GetUint64();
}

std::optional<double> JsonView::AsDouble() const {
  const Value& value = ValueOf(value_);
  if (!value.IsNumber()) return std::nullopt;
  return value.GetDouble();
}

std::size_t JsonView::size() const {
  const Value& value = ValueOf(value_);
  if (value.IsArray()) return value.Size();
  if (value.IsObject()) return value.MemberCount();
  return 0;
}

// The preconditions of at() and member() are checked in every build, as those of Result are.
JsonView JsonView::at(std::size_t index) const {
  const Value& value = ValueOf(value_);
  if (!value.IsArray() || index >= value.Size()) throw std::out_of_range("JsonView::at");
  return JsonView(&value[static_cast<rapidjson::SizeType>(index)]);
}

std::optional<JsonView> JsonView::Find(std::string_view key) const {
  const Value& value = ValueOf(value_);
  if (!value.IsObject()) return std::nullopt;
  for (const auto& member : value.GetObject()) {
    if (TextOf(member.name) == key) return JsonView(&member.value);
  }
  return std::nullopt;
}

JsonView::Member JsonView::member(std::size_t index) const {
  const Value& value = ValueOf(value_);
  if (!value.IsObject() || index >= value.MemberCount()) throw std::out_of_range("JsonView::member");
  const auto& member = *(value.MemberBegin() + static_cast<std::ptrdiff_t>(index));
  return {TextOf(member.name), JsonView(&member.value)};
}

std::string JsonView::Serialize() const {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  ValueOf(value_).Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace gatehouse::codec
