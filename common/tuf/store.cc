#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>

#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/tuf/client.h"

namespace gatehouse::tuf {
namespace {

class InMemory final : public Store {
 public:
  std::optional<std::string> Read(const std::string& name) override {
    std::scoped_lock lock(mutex_);
    auto found = files_.find(name);
    if (found == files_.end()) return std::nullopt;
    return found->second;
  }
  Status Write(const std::string& name, const std::string& bytes) override {
    std::scoped_lock lock(mutex_);
    files_[name] = bytes;
    return Ok();
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> files_;
};

class InFolder final : public Store {
 public:
  explicit InFolder(std::filesystem::path path) : path_(std::move(path)) {}

  // What cannot be read is as if it were not there: it is fetched again.
  std::optional<std::string> Read(const std::string& name) override {
    auto bytes = ReadFileIfPresent(path_ / FileOf(name), limits::kTufTargetsBytes);
    if (!bytes.ok() || !bytes->has_value()) return std::nullopt;
    return std::string(AsText(**bytes));
  }
  Status Write(const std::string& name, const std::string& bytes) override {
    return WriteFile(path_ / FileOf(name), AsBytes(bytes));
  }

 private:
  // One flat folder: names of roles hold no '/', and "target/NAME" has one.
  static std::string FileOf(const std::string& name) {
    std::string file = name;
    for (char& c : file) {
      if (c == '/') c = '-';
    }
    return file;
  }
  std::filesystem::path path_;
};

}  // namespace

std::unique_ptr<Store> MemoryStore() {
  return std::make_unique<InMemory>();
}

Result<std::unique_ptr<Store>> FolderStore(const std::string& path) {
  std::error_code failure;
  std::filesystem::create_directories(path, failure);
  if (failure) return Error{Reason::kFileUnreadable, path, "the folder cannot be made: " + failure.message()};
  return std::unique_ptr<Store>(std::make_unique<InFolder>(path));
}

}  // namespace gatehouse::tuf
