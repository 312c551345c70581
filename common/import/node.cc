#include "common/import/node.h"

#include <algorithm>

#include "common/codec/json.h"

namespace gatehouse::importer {
namespace {

// What YAML reads as the text that it is, by any version of the specification.
bool IsPlain(std::string_view text) {
  auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '/';
  };
  if (text.empty() || text.size() > 60 || !std::all_of(text.begin(), text.end(), fits)) return false;
  const char first = text[0];
  if (!((first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z'))) return false;
  for (std::string_view word : {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}) {
    auto same = [](char a, char b) { return (a | 0x20) == b; };
    if (text.size() == word.size() && std::equal(text.begin(), text.end(), word.begin(), same)) return false;
  }
  return true;
}

std::string Quoted(std::string_view text) {
  if (IsPlain(text)) return std::string(text);
  codec::JsonWriter json;
  json.String(text);
  return std::move(json).Finish();
}

// A literal block can hold it: lines of printable ASCII that do not begin or end with a blank.
bool IsBlock(std::string_view text) {
  if (text.find('\n') == std::string_view::npos || text.front() == ' ' || text.front() == '\n') return false;
  if (!text.ends_with('\n') || text.ends_with("\n\n")) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= ' ' && c < 0x7f); });
}

void WriteBlock(std::string_view text, std::size_t indent, std::string& out) {
  out += "|\n";
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    out += std::string(indent, ' ') + std::string(text.substr(0, end)) + "\n";
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Node Node::Literal(std::string text) {
  Node node;
  node.value_ = Raw{std::move(text)};
  return node;
}

Node Node::Texts(const std::vector<std::string>& texts) {
  return Node(List(texts.begin(), texts.end()));
}

Node& Node::Set(std::string key, Node value) {
  std::get<Map>(value_).emplace_back(std::move(key), std::move(value));
  return *this;
}

bool Node::empty() const {
  if (const auto* map = std::get_if<Map>(&value_)) return map->empty();
  if (const auto* list = std::get_if<List>(&value_)) return list->empty();
  return false;
}

bool Node::Has(std::string_view key) const {
  const auto& members = std::get<Map>(value_);
  return std::any_of(members.begin(), members.end(), [&](const auto& member) { return member.first == key; });
}

void Node::CopyInto(Node& other) const {
  for (const auto& [key, value] : std::get<Map>(value_)) other.Set(key, value);
}

std::string Node::Write() const {
  std::string out;
  WriteInto(out, 0, false);
  return out;
}

// The caller has written what stands before the value on its line. `in_list`: behind "- ", where a map begins on the
// same line.
void Node::WriteInto(std::string& out, std::size_t indent, bool in_list) const {
  if (const auto* raw = std::get_if<Raw>(&value_)) {
    out += raw->text + "\n";
  } else if (const auto* text = std::get_if<std::string>(&value_)) {
    if (IsBlock(*text)) return WriteBlock(*text, indent, out);
    out += Quoted(*text) + "\n";
  } else if (empty()) {
    out += std::holds_alternative<Map>(value_) ? "{}\n" : "[]\n";
  } else if (const auto* list = std::get_if<List>(&value_)) {
    if (indent > 0 && !in_list) out += "\n";
    bool first = in_list;
    for (const Node& item : *list) {
      if (!std::exchange(first, false)) out += std::string(indent, ' ');
      out += "- ";
      item.WriteInto(out, indent + 2, true);
    }
  } else {
    if (indent > 0 && !in_list) out += "\n";
    bool first = in_list;
    for (const auto& [key, value] : std::get<Map>(value_)) {
      if (!std::exchange(first, false)) out += std::string(indent, ' ');
      out += Quoted(key) + ":";
      const bool nested =
          !value.empty() && (std::holds_alternative<Map>(value.value_) || std::holds_alternative<List>(value.value_));
      if (!nested) out += " ";
      value.WriteInto(out, indent + 2, false);
    }
  }
}

}  // namespace gatehouse::importer
