// A YAML document to be written: maps keep their order. Internal to this room.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gatehouse::importer {

class Node {
 public:
  using Map = std::vector<std::pair<std::string, Node>>;
  using List = std::vector<Node>;

  Node() : value_(Map{}) {}
  Node(std::string text) : value_(std::move(text)) {}    // NOLINT(google-explicit-constructor)
  Node(const char* text) : value_(std::string(text)) {}  // NOLINT(google-explicit-constructor)
  Node(List list) : value_(std::move(list)) {}           // NOLINT(google-explicit-constructor)
  [[nodiscard]] static Node Literal(std::string text);   // a number or boolean, as it is
  [[nodiscard]] static Node Texts(const std::vector<std::string>& texts);

  // Of a map: adds a member.
  Node& Set(std::string key, Node value);
  [[nodiscard]] bool empty() const;
  // Of a map.
  [[nodiscard]] bool Has(std::string_view key) const;
  void CopyInto(Node& other) const;
  // Indented YAML; texts of several lines as literal blocks, others in double quotes unless they are plain words.
  [[nodiscard]] std::string Write() const;

 private:
  struct Raw {
    std::string text;
  };
  void WriteInto(std::string& out, std::size_t indent, bool in_list) const;
  std::variant<std::string, Raw, List, Map> value_;
};

}  // namespace gatehouse::importer
