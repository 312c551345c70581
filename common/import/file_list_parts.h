// What the readers of lists of files share. Internal to this room.
#pragma once

#include <string>
#include <string_view>

#include "common/import/file_lists.h"

namespace gatehouse::importer {

class ListReader {
 public:
  explicit ListReader(std::string source) : source_(std::move(source)) {}

  // `hex` in either case, of whatever length: MD5 and SHA-1 are refused. Errors: kDigestMalformed, kLimitExceeded.
  [[nodiscard]] Status Add(const std::string& where, std::string_view hex, std::string_view path);
  // Something without a digest.
  [[nodiscard]] Status Passed() {
    ++passed_;
    return Ok();
  }
  void Refuse(const std::string& where, const std::string& why);
  void Note(std::string note) { list_.notes.push_back(source_ + ": " + std::move(note)); }
  [[nodiscard]] const std::string& source() const { return source_; }
  [[nodiscard]] FileList Finish() &&;

 private:
  std::string source_;
  FileList list_;
  std::size_t passed_ = 0;
  std::size_t refused_ = 0;
};

[[nodiscard]] Status ReadKeylime(std::string_view text, ListReader& list);

}  // namespace gatehouse::importer
