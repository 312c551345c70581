#include "common/import/reader.h"

#include "common/base/encoding.h"

namespace gatehouse::importer {

bool Reader::Has(const std::string& key) const {
  auto member = view_.Find(key);
  return member.has_value() && !member->IsNull();
}

std::optional<codec::JsonView> Reader::Take(const std::string& key) {
  asked_.insert(key);
  auto member = view_.Find(key);
  if (!member.has_value() || member->IsNull()) return std::nullopt;
  return member;
}

std::string Reader::Text(const std::string& key) {
  auto member = Take(key);
  if (!member.has_value()) return "";
  if (auto text = member->AsString()) return std::string(*text);
  Refuse(key, "must be a text");
  return "";
}

std::optional<bool> Reader::Flag(const std::string& key) {
  auto member = Take(key);
  if (!member.has_value()) return std::nullopt;
  if (!member->AsBool().has_value()) Refuse(key, "must be true or false");
  return member->AsBool();
}

std::optional<std::int64_t> Reader::Number(const std::string& key) {
  auto member = Take(key);
  if (!member.has_value()) return std::nullopt;
  if (!member->AsInt().has_value()) Refuse(key, "must be a number");
  return member->AsInt();
}

std::vector<std::string> Reader::Texts(const std::string& key) {
  std::vector<std::string> texts;
  auto member = Take(key);
  if (!member.has_value()) return texts;
  if (!member->IsArray()) Refuse(key, "must be a list");
  for (std::size_t i = 0; i < member->size() && member->IsArray(); ++i) {
    if (auto text = member->at(i).AsString()) {
      texts.emplace_back(*text);
    } else {
      Refuse(key, "must be a list of texts");
    }
  }
  return texts;
}

void Reader::Object(const std::string& key, const std::function<void(Reader&)>& read) {
  auto member = Take(key);
  if (!member.has_value()) return;
  if (!member->IsObject()) return Refuse(key, "must be an object");
  Reader inner(*member, path_ + "." + key, report_);
  read(inner);
  inner.Finish();
}

void Reader::Each(const std::string& key, const std::function<void(Reader&)>& read) {
  auto member = Take(key);
  if (!member.has_value()) return;
  if (!member->IsArray()) return Refuse(key, "must be a list");
  for (std::size_t i = 0; i < member->size(); ++i) {
    Reader inner(member->at(i), path_ + "." + key + "[" + std::to_string(i) + "]", report_);
    if (!member->at(i).IsObject()) {
      inner.Refuse("", "must be an object");
      continue;
    }
    read(inner);
    inner.Finish();
  }
}

void Reader::Ignore(std::initializer_list<const char*> keys) {
  for (const char* key : keys) asked_.insert(key);
}

void Reader::Finish() {
  if (!view_.IsObject()) return;
  for (std::size_t i = 0; i < view_.size(); ++i) {
    const auto member = view_.member(i);
    if (!asked_.contains(std::string(member.key)) && !member.value.IsNull()) {
      Refuse(Printable(member.key, 64), "has no equivalent");
    }
  }
}

}  // namespace gatehouse::importer
