// The folder in which bindings outlive the process: one file a node, removed by an admin to release the binding.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace gatehouse::webhook {

// One process at a time: bindings are decided from memory, and two processes would not see each other's. So there is
// one replica of the attestation service for a folder.
class StateFolder {
 public:
  // Makes the folder if need be, locks it until destruction, and puts a marker there that no other run has. Errors:
  // kConfigInvalid (another process uses it), kFileUnreadable.
  [[nodiscard]] static Result<std::unique_ptr<StateFolder>> Open(std::string path, const Random& random);
  ~StateFolder();
  StateFolder(const StateFolder&) = delete;
  StateFolder& operator=(const StateFolder&) = delete;

  // NODE.json; sha256-<hex of the name's digest>.json if that could be longer than a file's name may be, or could be
  // taken for one of these.
  [[nodiscard]] static std::string FileOf(const std::string& node);
  [[nodiscard]] std::string PathOf(const std::string& file) const { return path_ + "/" + file; }

  // The names of the files, sorted. Errors: kFileUnreadable.
  [[nodiscard]] Result<std::vector<std::string>> Files() const;
  [[nodiscard]] Result<std::string> Read(const std::string& file) const;
  // Errors: kInternal (the disk, or CheckPresent).
  [[nodiscard]] Status Write(const std::string& file, const std::string& text) const;

  // That this is still the folder that was opened: a volume that went away must not pass for bindings released.
  // Errors: kInternal.
  [[nodiscard]] Status CheckPresent() const;
  // The file was removed from a folder that is still there.
  [[nodiscard]] bool IsRemoved(const std::string& file) const;

 private:
  StateFolder(std::string path, int lock, std::string marker)
      : path_(std::move(path)), lock_(lock), marker_(std::move(marker)) {}
  std::string path_;
  int lock_;
  std::string marker_;
};

}  // namespace gatehouse::webhook
