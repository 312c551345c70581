#include "common/codec/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <sstream>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json_impl.h"

namespace gatehouse::codec {
namespace {

constexpr std::size_t kChunkBytes = 4 * limits::kKiB;

constexpr std::string_view kNoAliases =
    "anchors and aliases (& and *) are not accepted; write the value out, or put it in quotes if it is text";

// Leaves yaml-cpp's parser, which has no other way out; never leaves ParseYaml.
struct Refusal {
  Error error;
};

struct Scalar {
  enum class Kind : std::uint8_t { kNull, kBool, kInt, kUint, kDouble, kString, kRefused };
  Kind kind;
  bool flag = false;
  std::int64_t integer = 0;
  std::uint64_t natural = 0;
  double real = 0;
};

bool IsDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

// The whole of `digits` in `base`, or refused where 64 bits do not hold it: no digit of a number is ever dropped.
Scalar ParseInteger(std::string_view digits, int base) {
  const char* end = digits.data() + digits.size();
  Scalar scalar{Scalar::Kind::kRefused};
  if (auto [stop, error] = std::from_chars(digits.data(), end, scalar.integer, base);
      error == std::errc() && stop == end) {
    scalar.kind = Scalar::Kind::kInt;
  } else if (auto [stop2, error2] = std::from_chars(digits.data(), end, scalar.natural, base);
             error2 == std::errc() && stop2 == end) {
    scalar.kind = Scalar::Kind::kUint;
  }
  return scalar;
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?, without the sign
bool IsFloat(std::string_view text) {
  if (auto e = text.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view exponent = text.substr(e + 1);
    if (exponent.starts_with('-') || exponent.starts_with('+')) exponent.remove_prefix(1);
    if (!IsDigits(exponent)) return false;
    text = text.substr(0, e);
  }
  auto dot = text.find('.');
  if (dot == std::string_view::npos) return IsDigits(text);
  std::string_view whole = text.substr(0, dot);
  std::string_view fraction = text.substr(dot + 1);
  if (whole.empty()) return IsDigits(fraction);
  return IsDigits(whole) && (fraction.empty() || IsDigits(fraction));
}

// YAML 1.2.2 section 10.3.2, the core schema's tag resolution, row by row. Refused: what JSON cannot hold (.inf, .nan,
// more than 64 bits), and decimals with leading zeros, which YAML 1.1 readers such as kubectl take for octal.
Scalar ResolvePlain(const std::string& text) {
  using Kind = Scalar::Kind;
  if (IsOneOf(text, {"", "~", "null", "Null", "NULL"})) return {Kind::kNull};
  if (IsOneOf(text, {"true", "True", "TRUE"})) return {Kind::kBool, true};
  if (IsOneOf(text, {"false", "False", "FALSE"})) return {Kind::kBool, false};
  std::string_view rest = text;
  bool minus = rest.starts_with('-');
  if (minus || rest.starts_with('+')) rest.remove_prefix(1);
  if (IsDigits(rest)) {
    if (rest.size() > 1 && rest[0] == '0') return {Kind::kRefused};
    return ParseInteger(minus ? std::string_view(text) : rest, 10);
  }
  auto in = [](std::string_view digits, std::string_view alphabet) {
    return !digits.empty() && digits.find_first_not_of(alphabet) == std::string_view::npos;
  };
  if (text.starts_with("0o") && in(rest.substr(2), "01234567")) return ParseInteger(rest.substr(2), 8);
  if (text.starts_with("0x") && in(rest.substr(2), "0123456789abcdefABCDEF")) return ParseInteger(rest.substr(2), 16);
  if (IsOneOf(rest, {".inf", ".Inf", ".INF"})) return {Kind::kRefused};
  if (IsOneOf(text, {".nan", ".NaN", ".NAN"})) return {Kind::kRefused};
  if (!IsFloat(rest)) return {Kind::kString};
  Scalar scalar{Kind::kDouble};
  bool valid = std::from_chars(rest.data(), rest.data() + rest.size(), scalar.real).ec == std::errc();
  if (!valid) return {Kind::kRefused};
  if (minus) scalar.real = -scalar.real;
  return scalar;
}

}  // namespace

// Turns the events of one document into a JsonDocument. yaml-cpp recurses once per level of nesting and announces each
// level before it descends, so that refusing an event here bounds the recursion.
class YamlReader final : public YAML::EventHandler {
 public:
  YamlReader(std::string_view text, std::string_view source) : text_(text), source_(source) {}

  // The next document, or nothing at the end of the stream. Throws Refusal and YAML::Exception.
  std::unique_ptr<JsonDocument::Impl> Next(YAML::Parser& parser) {
    impl_ = std::make_unique<JsonDocument::Impl>(kChunkBytes, kChunkBytes);
    impl_->source = source_;
    lines_.clear();
    bool more = false;
    auto generate = [&](rapidjson::Document&) { return more = parser.HandleNextDocument(*this); };
    impl_->root.Populate(generate);
    if (!more) return nullptr;
    std::size_t next = 0;
    RecordLines(impl_->root, next);
    return std::move(impl_);
  }

  static JsonDocument Wrap(std::unique_ptr<JsonDocument::Impl> impl) { return JsonDocument(std::move(impl)); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    // YAML 1.2.2 section 9.2: further documents begin with "---". yaml-cpp takes any left-over for a new document
    // instead.
    if (++documents_ > 1 && !At(mark).starts_with("---")) Refuse(mark, "something follows the end of the document");
    if (documents_ > limits::kYamlDocuments) {
      Refuse(mark, "more than " + std::to_string(limits::kYamlDocuments) + " documents", Reason::kLimitExceeded);
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    BeginNode(mark, "?", anchor);
    if (KeyIsDue()) Refuse(mark, "a key is missing");
    // YAML 1.2.2 section 7.4.1: an entry of a flow sequence is never empty. yaml-cpp makes a null of it.
    if (!frames_.empty() && !frames_.back().is_map && At(mark).starts_with(',')) Refuse(mark, "an element is missing");
    BeginValue(mark);
    impl_->root.Null();
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { RefuseAlias(mark); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    BeginNode(mark, tag, anchor);
    if (!IsUtf8(value)) Refuse(mark, "a scalar is not UTF-8");
    bool plain = tag == "?";
    if (KeyIsDue()) return AddKey(mark, value, plain);
    if (!plain) AfterScalar(mark, value, plain);
    BeginValue(mark);
    if (plain) return AddPlain(mark, value);
    impl_->root.String(value.data(), static_cast<rapidjson::SizeType>(value.size()), true);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    BeginCollection(mark, tag, anchor);
    frames_.push_back({});
    impl_->root.StartArray();
  }
  void OnSequenceEnd() override {
    impl_->root.EndArray(frames_.back().count);
    frames_.pop_back();
  }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    BeginCollection(mark, tag, anchor);
    frames_.push_back({.is_map = true, .key_due = true});
    impl_->root.StartObject();
  }
  void OnMapEnd() override {
    impl_->root.EndObject(frames_.back().count);
    frames_.pop_back();
  }

 private:
  struct Frame {
    bool is_map = false;
    bool key_due = false;
    rapidjson::SizeType count = 0;
    std::size_t key_line = 0;
    std::set<std::string> keys = {};
  };

  [[noreturn]] void Refuse(const YAML::Mark& mark, std::string detail, Reason reason = Reason::kYamlMalformed) const {
    throw Refusal{{reason, LinePosition(source_, Line(mark)), std::move(detail)}};
  }

  [[noreturn]] void RefuseAlias(const YAML::Mark& mark) const {
    Refuse(mark,
           "anchors and aliases (& and *) are not accepted; write the value out, or put it in quotes if it is text");
  }

  static std::size_t Line(const YAML::Mark& mark) { return static_cast<std::size_t>(std::max(mark.line, 0)) + 1; }

  // The text from the mark on.
  std::string_view At(const YAML::Mark& mark) const {
    auto offset = static_cast<std::size_t>(std::max(mark.pos, 0));
    return offset <= text_.size() ? text_.substr(offset) : std::string_view();
  }

  // What follows a scalar in the text: behind its closing quote, or behind a plain scalar of one line; else nothing. A
  // quote that is never closed is refused: yaml-cpp ends it at a line break before the end of the stream.
  std::string_view AfterScalar(const YAML::Mark& mark, std::string_view value, bool plain) const {
    std::string_view text = At(mark);
    if (plain) return text.starts_with(value) ? text.substr(value.size()) : std::string_view();
    if (!text.starts_with('\'') && !text.starts_with('"')) return {};
    char quote = text[0];
    for (std::size_t i = 1; i < text.size(); ++i) {
      if (quote == '"' && text[i] == '\\') {
        ++i;
      } else if (text[i] == quote) {
        if (quote == '"' || !text.substr(i + 1).starts_with(quote)) return text.substr(i + 1);
        ++i;
      }
    }
    Refuse(mark, "a quoted text has no end");
  }

  // The tag alone does not tell: "! 12" reads as the quoted '12', and "!<?> '12'" as the plain 12. The text does.
  void BeginNode(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) const {
    std::string_view text = At(mark);
    if (anchor != YAML::NullAnchor || text.starts_with('&') || text.starts_with('*')) RefuseAlias(mark);
    if ((tag != "?" && tag != "!" && !tag.empty()) || text.starts_with('!')) {
      Refuse(mark, "tags (!) are not accepted; put the value in quotes if it is text");
    }
  }

  void BeginCollection(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    BeginNode(mark, tag, anchor);
    if (KeyIsDue()) Refuse(mark, "a key must be a string, and every bracket be closed");
    BeginValue(mark);
    if (frames_.size() >= limits::kJsonDepth) {
      Refuse(mark, "nested more than " + std::to_string(limits::kJsonDepth) + " deep", Reason::kLimitExceeded);
    }
  }

  [[nodiscard]] bool KeyIsDue() const { return !frames_.empty() && frames_.back().key_due; }

  void AddKey(const YAML::Mark& mark, const std::string& key, bool plain) {
    if (plain && key == "<<") Refuse(mark, "merge keys (<<) are not accepted; write the fields out");
    if (plain && ResolvePlain(key).kind != Scalar::Kind::kString) {
      Refuse(mark, "a key must be a string; put '" + Printable(key, 64) + "' in quotes");
    }
    // yaml-cpp takes a last line without a colon for a key whose value is null.
    std::string_view after = AfterScalar(mark, key, plain);
    after.remove_prefix(std::min(after.find_first_not_of(" \t"), after.size()));
    if (!after.starts_with(':')) {
      Refuse(mark, "the key '" + Printable(key, 64) + "' is not followed by a colon, or a bracket is not closed");
    }
    Frame& frame = frames_.back();
    if (!frame.keys.insert(key).second) Refuse(mark, "the key '" + Printable(key, 64) + "' appears twice");
    frame.key_due = false;
    frame.key_line = Line(mark);
    CountNode(mark);
    impl_->root.Key(key.data(), static_cast<rapidjson::SizeType>(key.size()), true);
  }

  void AddPlain(const YAML::Mark& mark, const std::string& text) {
    Scalar scalar = ResolvePlain(text);
    switch (scalar.kind) {
      case Scalar::Kind::kNull:
        impl_->root.Null();
        return;
      case Scalar::Kind::kBool:
        impl_->root.Bool(scalar.flag);
        return;
      case Scalar::Kind::kInt:
        impl_->root.Int64(scalar.integer);
        return;
      case Scalar::Kind::kUint:
        impl_->root.Uint64(scalar.natural);
        return;
      case Scalar::Kind::kDouble:
        impl_->root.Double(scalar.real);
        return;
      case Scalar::Kind::kString:
        impl_->root.String(text.data(), static_cast<rapidjson::SizeType>(text.size()), true);
        return;
      case Scalar::Kind::kRefused:
        break;
    }
    Refuse(mark, "the number " + Printable(text, 64) +
                     " is not one that JSON holds (or has leading zeros); put it in quotes " + "if it is text");
  }

  // Counts a value where it stands: the next element, or the value of the key before it.
  void BeginValue(const YAML::Mark& mark) {
    CountNode(mark);
    std::size_t line = Line(mark);
    if (!frames_.empty()) {
      Frame& frame = frames_.back();
      ++frame.count;
      if (frame.is_map) {
        frame.key_due = true;
        line = frame.key_line;
      }
    }
    lines_.push_back(line);
  }

  void CountNode(const YAML::Mark& mark) {
    if (++nodes_ > limits::kJsonNodes) {
      Refuse(mark, "more than " + std::to_string(limits::kJsonNodes) + " values and keys", Reason::kLimitExceeded);
    }
  }

  // Values get their addresses only when their collection is complete; the order of the events is that of this walk.
  void RecordLines(const rapidjson::Value& value, std::size_t& next) {
    impl_->lines.emplace(&value, lines_.at(next++));
    if (value.IsArray()) {
      for (const auto& element : value.GetArray()) RecordLines(element, next);
    } else if (value.IsObject()) {
      for (const auto& member : value.GetObject()) RecordLines(member.value, next);
    }
  }

  std::string_view text_;
  std::string source_;
  std::unique_ptr<JsonDocument::Impl> impl_;
  std::vector<Frame> frames_;
  std::vector<std::size_t> lines_;
  std::size_t documents_ = 0;
  std::size_t nodes_ = 0;
};

namespace {

// What yaml-cpp would not tell us: it replaces bytes that are not UTF-8, guesses UTF-16 from NUL bytes, and takes 0x04
// for the end of the stream.
Status CheckText(std::string_view text, std::string_view source) {
  auto line_of = [&](std::size_t offset) {
    return LinePosition(source, 1 + static_cast<std::size_t>(std::count(
                                        text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n')));
  };
  if (text.size() > limits::kYamlBytes) {
    return Error{Reason::kLimitExceeded, std::string(source),
                 "the YAML has " + std::to_string(text.size()) + " bytes, more than the " +
                     std::to_string(limits::kYamlBytes) + " accepted"};
  }
  if (text.starts_with("\xEF\xBB\xBF")) {
    return Error{Reason::kYamlMalformed, line_of(0), "begins with a byte order mark; save it as UTF-8 without one"};
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<std::uint8_t>(text[i]);
    bool crlf = byte == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if ((byte < 0x20 && byte != '\n' && byte != '\t' && !crlf) || byte == 0x7F) {
      return Error{Reason::kYamlMalformed, line_of(i), "holds the control character " + Printable(text.substr(i, 1))};
    }
    if (byte == '%' && (i == 0 || text[i - 1] == '\n')) {
      return Error{Reason::kYamlMalformed, line_of(i), "directives (%) are not accepted"};
    }
  }
  if (!IsUtf8(text)) return Error{Reason::kYamlMalformed, std::string(source), "is not UTF-8"};
  return Ok();
}

// yaml-cpp looks up the name of an alias before it tells of the alias: a glob without quotes ("- glob: *") ends here.
Error ParserError(const YAML::Exception& exception, std::string_view source) {
  bool alias = exception.msg.find("anchor") != std::string::npos || exception.msg.find("alias") != std::string::npos;
  auto line = static_cast<std::size_t>(std::max(exception.mark.line, 0)) + 1;
  return {Reason::kYamlMalformed, LinePosition(source, line),
          alias ? std::string(kNoAliases) : Printable(exception.msg)};
}

}  // namespace

Result<std::vector<JsonDocument>> ParseYaml(std::string_view text, std::string_view source) {
  RETURN_IF_ERROR(CheckText(text, source));
  std::vector<JsonDocument> documents;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    YamlReader reader(text, source);
    while (auto document = reader.Next(parser)) {
      if (!document->root.IsNull()) documents.push_back(YamlReader::Wrap(std::move(document)));
    }
  } catch (const Refusal& refusal) {
    return refusal.error;
  } catch (const YAML::Exception& exception) {
    return ParserError(exception, source);
  } catch (const std::exception& exception) {
    return Error{Reason::kYamlMalformed, std::string(source), Printable(exception.what())};
  }
  return documents;
}

}  // namespace gatehouse::codec
