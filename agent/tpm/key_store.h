// The two halves of a TPM key on disk, in the form that tpm2_load takes: TPM2B_PUBLIC in <name>.pub, TPM2B_PRIVATE in
// <name>.priv. The private half is encrypted by the TPM and of no use elsewhere.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "common/base/bytes.h"

namespace gatehouse::agent {

struct StoredKey {
  Bytes public_half;
  Bytes private_half;
};

class KeyStore {
 public:
  // `folder` must exist.
  KeyStore(std::filesystem::path folder, std::string name) : folder_(std::move(folder)), name_(std::move(name)) {}

  // Nothing unless both halves are there. Errors: kFileUnreadable, kLimitExceeded.
  [[nodiscard]] Result<std::optional<StoredKey>> Load() const;
  // The private half first: a crash between the two leaves a pair that no TPM loads, which the caller replaces. Errors:
  // kFileUnreadable.
  [[nodiscard]] Status Save(const StoredKey& key) const;
  [[nodiscard]] std::filesystem::path public_path() const { return folder_ / (name_ + ".pub"); }
  [[nodiscard]] std::filesystem::path private_path() const { return folder_ / (name_ + ".priv"); }

 private:
  std::filesystem::path folder_;
  std::string name_;
};

}  // namespace gatehouse::agent
