// A foreign document, read member by member: what nobody asked for is listed, for it would be lost. Internal to this
// room.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/codec/json.h"

namespace gatehouse::importer {

// What one import collects.
struct Report {
  std::string source;
  std::set<std::string> notes;
  std::vector<std::string> refused;
  void Refuse(const std::string& path, const std::string& why) { refused.push_back(source + ": " + path + ": " + why); }
};

class Reader {
 public:
  Reader(codec::JsonView view, std::string path, Report& report)
      : view_(view), path_(std::move(path)), report_(report) {}

  // The member, if it is there and not null.
  [[nodiscard]] std::optional<codec::JsonView> Take(const std::string& key);
  [[nodiscard]] std::string Text(const std::string& key);  // "" if absent; another type is refused
  [[nodiscard]] std::optional<bool> Flag(const std::string& key);
  [[nodiscard]] std::optional<std::int64_t> Number(const std::string& key);
  [[nodiscard]] std::vector<std::string> Texts(const std::string& key);
  void Object(const std::string& key, const std::function<void(Reader&)>& read);
  void Each(const std::string& key, const std::function<void(Reader&)>& read);
  // These say nothing about what is admitted.
  void Ignore(std::initializer_list<const char*> keys);
  // Lists every member that nobody asked for.
  void Finish();
  void Refuse(const std::string& key, const std::string& why) {
    report_.Refuse(key.empty() ? path_ : path_ + "." + key, why);
  }

  [[nodiscard]] bool Has(const std::string& key) const;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] codec::JsonView view() const { return view_; }
  [[nodiscard]] Report& report() { return report_; }

 private:
  codec::JsonView view_;
  std::string path_;
  Report& report_;
  std::set<std::string> asked_;
};

}  // namespace gatehouse::importer
