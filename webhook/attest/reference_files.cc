#include "webhook/attest/reference_files.h"

#include <filesystem>

#include "common/base/encoding.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"

namespace gatehouse::webhook {
namespace {

constexpr std::size_t kMostBytes = limits::kDigestSetEntries * 40 + limits::kKiB;

Error Unavailable(const appraisal::ImaReference::File& file, const std::string& why) {
  return {Reason::kReferenceUnavailable, "file '" + Printable(file.name, 128) + "'", why};
}

}  // namespace

Result<std::shared_ptr<const appraisal::DigestSet>> ReferenceFiles::Load(const appraisal::ImaReference::File& file) {
  if (folder_.empty()) return Unavailable(file, "attestation.referenceFiles is not configured");
  if (file.name.empty() || file.name.front() == '.' || file.name.find('/') != std::string::npos)
    return Unavailable(file, "is not the plain name of a file");
  auto content = ReadFile(std::filesystem::path(folder_) / file.name, kMostBytes);
  if (!content.ok()) return Unavailable(file, content.error().detail);
  if (!crypto::Matches(file.pin, *content))
    return Unavailable(file, "is another one than the reference values pin (" + file.pin.text() + ")");
  auto set = appraisal::DigestSet::Parse(*content);
  if (!set.ok()) return Unavailable(file, set.error().ToString());
  return set;
}

Result<std::shared_ptr<const appraisal::DigestSet>> ReferenceFiles::Find(const appraisal::ImaReference::File& file) {
  std::lock_guard lock(mutex_);
  auto& known = loaded_[file.pin];
  if (auto set = known.lock()) return set;
  std::erase_if(loaded_, [&](const auto& entry) { return entry.first != file.pin && entry.second.expired(); });
  ASSIGN_OR_RETURN(auto set, Load(file));
  loaded_[file.pin] = set;
  return set;
}

}  // namespace gatehouse::webhook
