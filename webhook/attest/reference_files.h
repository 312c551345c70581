// Files of reference digests in a folder: by name, each the very content that reference values pin.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "common/appraisal/ima.h"

namespace gatehouse::webhook {

// Thread-safe. A file is read once for as long as somebody holds what was read.
class ReferenceFiles {
 public:
  // `folder` empty: there are none.
  explicit ReferenceFiles(std::string folder) : folder_(std::move(folder)) {}
  // The binary form of DigestSet. Errors: kReferenceUnavailable (a name with a '/' or a leading dot among them).
  [[nodiscard]] Result<std::shared_ptr<const appraisal::DigestSet>> Find(const appraisal::ImaReference::File& file);

 private:
  [[nodiscard]] Result<std::shared_ptr<const appraisal::DigestSet>> Load(const appraisal::ImaReference::File& file);
  std::string folder_;
  std::mutex mutex_;
  std::map<Digest, std::weak_ptr<const appraisal::DigestSet>> loaded_;  // by pin
};

}  // namespace gatehouse::webhook
