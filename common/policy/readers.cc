#include "common/policy/readers.h"

#include <algorithm>
#include <array>

#include "common/base/encoding.h"
#include "common/codec/time.h"
#include "common/crypto/hash.h"

namespace gatehouse::policy {

using codec::JsonDocument;
using codec::JsonView;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

namespace {

constexpr std::string_view kNamespaced = "NamespacedImagePolicy";

void CheckKind(ObjectReader& reader, const Head& head) {
  constexpr std::array<std::string_view, 5> kKinds = {"ImagePolicy", kNamespaced, "NodePolicy", "ReferenceValues",
                                                      "TrustRoot"};
  bool known = std::find(kKinds.begin(), kKinds.end(), head.kind) != kKinds.end();
  if (known && head.api_version == kApiVersion) return;
  if (head.origin == Origin::kFile && head.api_version == "v1" && head.kind == "Namespace") return;
  if (head.kind.ends_with("List")) {
    return reader.Fail("kind",
                       "is a list; write each of its items as a document of its own, with a line --- between them");
  }
  reader.Fail("kind",
              Printable(head.kind, 64) + " of " + Printable(head.api_version, 64) +
                  " is not known here; known are ImagePolicy, NamespacedImagePolicy, NodePolicy, ReferenceValues and " +
                  "TrustRoot of " + std::string(kApiVersion) +
                  (head.origin == Origin::kFile ? ", and Namespace of v1" : ""));
}

// The grammar of a node's name is that of every name: an RFC 1123 subdomain.
void CheckName(ObjectReader& metadata, std::string_view key, const std::string& name) {
  if (!metadata.ok() || NodeName::Parse(name).ok()) return;
  metadata.Fail(key, "'" + Printable(name, 64) +
                         "' is not a name; write lower-case letters, digits, - and . only, at most 253 characters");
}

void ReadNames(ObjectReader& metadata, Head& head) {
  metadata.IgnoreUnknown();
  const bool request = head.origin == Origin::kRequest;
  if (request && !metadata.Has("name") && metadata.Has("generateName")) {
    head.name = metadata.String("generateName");  // the server makes a name of it, and checks that
  } else {
    head.name = metadata.String("name");
    CheckName(metadata, "name", head.name);
  }
  if (head.kind != kNamespaced) {
    if (head.origin == Origin::kFile && head.api_version == kApiVersion && metadata.Has("namespace"))
      metadata.Fail("namespace", head.kind == "ImagePolicy"
                                     ? "has no meaning here: an ImagePolicy is for every namespace; remove it, use "
                                       "namespaceSelector, or make it a NamespacedImagePolicy"
                                     : "has no meaning here: the document is for the whole cluster; remove it");
    return;
  }
  if (request && !metadata.Has("namespace")) return;
  head.namespace_name = metadata.String("namespace");
  CheckName(metadata, "namespace", head.namespace_name);
}

}  // namespace

Result<Head> ReadHead(const JsonDocument& document, Origin origin) {
  Head head;
  head.origin = origin;
  ObjectReader reader(document, document.root(), Reason::kPolicyInvalid);
  reader.IgnoreUnknown();
  head.api_version = reader.String("apiVersion");
  head.kind = reader.String("kind");
  CheckKind(reader, head);
  reader.Object("metadata", Presence::kRequired, [&](ObjectReader& metadata) { ReadNames(metadata, head); });
  RETURN_IF_ERROR(reader.Finish());
  return head;
}

void ReadEnvelope(ObjectReader& reader, const Head& head) {
  (void)reader.Raw("apiVersion");
  (void)reader.Raw("kind");
  (void)reader.Raw("metadata");
  if (head.origin != Origin::kFile) {
    (void)reader.Raw("status");
    return;
  }
  reader.Object("metadata", Presence::kRequired, [&](ObjectReader& metadata) {
    (void)metadata.Raw("name");
    if (head.kind == kNamespaced) (void)metadata.Raw("namespace");
    (void)metadata.StringMap("labels", Presence::kOptional);
    (void)metadata.StringMap("annotations", Presence::kOptional);
  });
}

void FailWith(ObjectReader& reader, std::string_view key, const Error& error) {
  auto member = reader.view().Find(key);
  std::string where = reader.document().PositionOf(member.value_or(reader.view()));
  where.append(where.empty() ? "" : " ").append(reader.path()).append(".").append(key);
  reader.Fail(error.In(where));
}

namespace {

// "24h", where FormatDuration() says "24h0m0s".
std::string Short(Duration duration) {
  std::string text = codec::FormatDuration(duration);
  for (std::string_view nothing : {"m0s", "h0m"}) {
    if (text.ends_with(nothing)) text.resize(text.size() - 2);
  }
  return text;
}

}  // namespace

Mode ReadMode(ObjectReader& spec) {
  auto mode = spec.OptionalEnum("mode", {"enforce", "warn", "audit"});
  if (mode == "warn") return Mode::kWarn;
  if (mode == "audit") return Mode::kAudit;
  return Mode::kEnforce;
}

Duration ReadDuration(ObjectReader& reader, std::string_view key, Duration min, Duration max, Duration fallback,
                      std::string_view example) {
  auto text = reader.OptionalString(key);
  if (!text) return fallback;
  auto duration = codec::ParseDuration(*text);
  if (duration.ok() && *duration >= min && *duration <= max) return *duration;
  reader.Fail(key, "must be a duration from " + Short(min) + " to " + Short(max) + ", such as " + std::string(example) +
                       "; not '" + Printable(*text, 64) + "'");
  return fallback;
}

std::vector<std::string> NamePositions(ObjectReader& reader, std::string_view key,
                                       const std::vector<std::string>& names) {
  std::vector<std::string> positions;
  for (std::size_t i = 0; reader.ok() && i < names.size(); ++i) {
    if (std::count(names.begin(), names.end(), names[i]) > 1)
      reader.Fail(key, "names '" + Printable(names[i], 64) + "' twice");
    codec::JsonView element = reader.view().Find(key)->at(i);
    std::string position = reader.document().PositionOf(element);
    position += (position.empty() ? "" : " ") + reader.path() + "." + std::string(key) + "[" + std::to_string(i) + "]";
    positions.push_back(std::move(position));
  }
  return positions;
}

std::optional<WallTime> ReadMoment(ObjectReader& reader, std::string_view key) {
  auto text = reader.OptionalString(key);
  if (!text) return std::nullopt;
  auto time = codec::ParseTime(*text);
  if (time.ok()) return *time;
  reader.Fail(key, "must be a time such as 2027-01-31T00:00:00Z (RFC 3339); not '" + Printable(*text, 64) + "'");
  return std::nullopt;
}

namespace {

bool IsLabelCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

bool IsEdge(char c) {
  return IsLabelCharacter(c) && c != '-' && c != '_' && c != '.';
}

// Kubernetes' "qualified name" without its prefix: at most 63 characters, the first and last a letter or digit.
bool IsLabelName(std::string_view text) {
  return !text.empty() && text.size() <= 63 && IsEdge(text.front()) && IsEdge(text.back()) &&
         std::all_of(text.begin(), text.end(), IsLabelCharacter);
}

bool IsLabelKey(std::string_view key) {
  auto slash = key.find('/');
  if (slash == std::string_view::npos) return IsLabelName(key);
  return NodeName::Parse(key.substr(0, slash)).ok() && IsLabelName(key.substr(slash + 1));
}

bool IsLabelValue(std::string_view value) {
  return value.empty() || IsLabelName(value);
}

// A selector by a key or value that no label can have would silently match nothing, or with NotIn everything.
std::string CheckLabel(std::string_view key, std::string_view value) {
  if (!IsLabelKey(key)) return "'" + Printable(key, 64) + "' is not a label's key; write [prefix/]name";
  if (!IsLabelValue(value))
    return "'" + Printable(value, 64) + "' is not a label's value; it has at most 63 letters, digits, -, _ and .";
  return "";
}

LabelSelector::Requirement ReadRequirement(ObjectReader& expression) {
  using Operator = LabelSelector::Operator;
  LabelSelector::Requirement requirement{expression.String("key"), Operator::kIn, {}};
  auto name = expression.OptionalEnum("operator", {"In", "NotIn", "Exists", "DoesNotExist"});
  if (!name) expression.Fail("operator", "is required: In, NotIn, Exists or DoesNotExist");
  if (name == "NotIn") requirement.op = Operator::kNotIn;
  if (name == "Exists") requirement.op = Operator::kExists;
  if (name == "DoesNotExist") requirement.op = Operator::kDoesNotExist;
  bool listed = requirement.op == Operator::kIn || requirement.op == Operator::kNotIn;
  auto values = expression.Raw("values");  // an empty string is a label's value too, which Strings() does not let pass
  if (values && !values->IsArray()) expression.Fail("values", "must be an array of strings");
  for (std::size_t i = 0; values && values->IsArray() && i < values->size(); ++i) {
    auto text = values->at(i).AsString();
    if (!text) expression.Fail("values", "must be an array of strings; put numbers and true or false in quotes");
    requirement.values.emplace_back(text.value_or(""));
  }
  if (listed && requirement.values.empty()) expression.Fail("values", "is required with In and NotIn");
  if (!listed && !requirement.values.empty())
    expression.Fail("values", "has no meaning with Exists and DoesNotExist; remove it");
  if (auto problem = CheckLabel(requirement.key, ""); !problem.empty()) expression.Fail("key", problem);
  for (const std::string& value : requirement.values) {
    if (auto problem = CheckLabel(requirement.key, value); !problem.empty()) expression.Fail("values", problem);
  }
  return requirement;
}

}  // namespace

LabelSelector ReadSelector(ObjectReader& reader, std::string_view key) {
  std::vector<LabelSelector::Requirement> requirements;
  reader.Object(key, Presence::kOptional, [&](ObjectReader& selector) {
    for (auto& [label, value] : selector.StringMap("matchLabels", Presence::kOptional)) {
      if (auto problem = CheckLabel(label, value); !problem.empty()) selector.Fail("matchLabels", problem);
      requirements.push_back({label, LabelSelector::Operator::kIn, {value}});
    }
    selector.Each("matchExpressions", Presence::kOptional,
                  [&](ObjectReader& expression) { requirements.push_back(ReadRequirement(expression)); });
  });
  return LabelSelector(std::move(requirements));
}

namespace {

void WriteCanonical(codec::JsonWriter& writer, JsonView view) {
  if (view.IsArray()) {
    writer.BeginArray();
    for (std::size_t i = 0; i < view.size(); ++i) WriteCanonical(writer, view.at(i));
    writer.EndArray();
  } else if (view.IsObject()) {
    std::vector<JsonView::Member> members;
    for (std::size_t i = 0; i < view.size(); ++i) members.push_back(view.member(i));
    std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    writer.BeginObject();
    for (const JsonView::Member& member : members) WriteCanonical(writer.Key(member.key), member.value);
    writer.EndObject();
  } else {
    writer.Raw(view.Serialize());
  }
}

}  // namespace

std::string Canonical(JsonView view) {
  codec::JsonWriter writer;
  WriteCanonical(writer, view);
  return std::move(writer).Finish();
}

std::string HashText(std::string_view text) {
  return EncodeHex(crypto::Hash(HashAlgorithm::kSha256, AsBytes(text)));
}

std::string GenerationOf(const JsonDocument& document, const Head& head) {
  auto spec = document.root().Find("spec");
  std::string name = head.namespace_name.empty() ? head.name : head.namespace_name + "/" + head.name;
  return HashText(head.kind + "\n" + name + "\n" + (spec ? Canonical(*spec) : "null"));
}

}  // namespace gatehouse::policy
