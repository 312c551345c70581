// What is proven about what a node ran and read, by a TPM's quote and the IMA log that replays to it. Made by
// verify::replay only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/types.h"
#include "common/claims/tpm.h"

namespace gatehouse::verify::replay {
class ImaReplay;
}

namespace gatehouse::claims {

// One entry, its template hash checked, its fields read. Views are into the replayer's buffer: they hold until the next
// entry. What it says counts only once a quote vouches for the log up to it (VerifiedIma with a count beyond `number`).
struct ImaEntry {
  std::uint64_t number;  // from 0
  std::string_view template_name;
  bool violation = false;       // the kernel could not measure it: nothing below but `path` is worth anything
  bool boot_aggregate = false;  // entry 0 and called so: judged by ImaReplay itself, not by a policy
  // Of the file, or of the buffer.
  std::optional<HashAlgorithm> algorithm;  // nothing: a hash that we do not know (then `digest` is empty)
  BytesView digest;
  bool verity = false;          // `digest` is fs-verity's (ima-ngv2, ima-sigv2): not that of the file's bytes
  std::string_view path;        // as logged: bytes, possibly no UTF-8; without the final NUL
  BytesView signature;          // security.ima of ima-sig, or the appended one of ima-modsig; empty: none
  bool appended = false;        // `signature` is that of ima-modsig (PKCS#7)
  BytesView buffer;             // of ima-buf
  bool is_buffer = false;       // a key, a kernel command line, critical data
  bool unknown_fields = false;  // of a template with fields that we do not know: must be refused
};

// The log up to `count` entries is what the TPM's PCR 10 says.
class VerifiedIma {
 public:
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t violations() const { return violations_; }
  // Some bank was matched only with SHA-1 hashes padded with zeros (kernels before 5.8, or without that hash): in it
  // the log is as strong as SHA-1.
  [[nodiscard]] bool padded(HashAlgorithm bank) const {
    return std::find(padded_.begin(), padded_.end(), bank) != padded_.end();
  }
  [[nodiscard]] const std::vector<std::pair<HashAlgorithm, Bytes>>& pcr() const { return pcr_; }  // by quoted bank

 private:
  friend class verify::replay::ImaReplay;
  VerifiedIma() = default;
  std::uint64_t count_ = 0;
  std::uint64_t violations_ = 0;
  std::vector<HashAlgorithm> padded_;
  std::vector<std::pair<HashAlgorithm, Bytes>> pcr_;
};

}  // namespace gatehouse::claims
