// A value read from a file that may be replaced while we run; a replacement that is wrong keeps the old one. An empty
// path is an empty text.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "common/base/file.h"

namespace gatehouse::webhook {

template <typename T>
class FileValue {
 public:
  using Parse = std::function<Result<T>(const std::string& text)>;
  FileValue(std::string path, std::size_t max_bytes, Parse parse)
      : path_(std::move(path)), max_bytes_(max_bytes), parse_(std::move(parse)) {}

  // Reads the file again. Called by one thread at a time. Errors: those of reading and of `parse`; once there is a
  // value, the same problem is reported once.
  [[nodiscard]] Status Load() {
    std::string text;
    if (!path_.empty()) {
      auto read = ReadTextFile(path_, max_bytes_);
      std::string problem = read.ok() ? "" : read.error().ToString();
      bool reported = value_ != nullptr && problem == std::exchange(problem_, problem);
      if (!read.ok()) return reported ? Ok() : Status(read.error());
      text = std::move(*read);
    }
    if (value_ != nullptr && text == text_) return Ok();
    text_ = text;  // a wrong replacement is reported once
    ASSIGN_OR_RETURN(T value, parse_(text));
    std::lock_guard lock(mutex_);
    value_ = std::make_shared<const T>(std::move(value));
    return Ok();
  }
  [[nodiscard]] std::shared_ptr<const T> Current() const {
    std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  std::string path_;
  std::size_t max_bytes_;
  Parse parse_;
  std::string text_;
  std::string problem_;  // of the last reading
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
};

}  // namespace gatehouse::webhook
