#include "agent/tpm/key_store.h"

#include "common/base/file.h"
#include "common/base/limits.h"

namespace gatehouse::agent {

Result<std::optional<StoredKey>> KeyStore::Load() const {
  ASSIGN_OR_RETURN(auto public_half, ReadFileIfPresent(public_path(), limits::kTpmStructureBytes));
  ASSIGN_OR_RETURN(auto private_half, ReadFileIfPresent(private_path(), limits::kTpmStructureBytes));
  if (!public_half || !private_half) return std::optional<StoredKey>();
  return std::optional<StoredKey>({std::move(*public_half), std::move(*private_half)});
}

Status KeyStore::Save(const StoredKey& key) const {
  RETURN_IF_ERROR(WriteFile(private_path(), key.private_half));
  return WriteFile(public_path(), key.public_half);
}

}  // namespace gatehouse::agent
