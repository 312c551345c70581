#include "common/appraisal/ima_signature.h"

#include <optional>

#include "common/base/limits.h"

namespace gatehouse::appraisal {
namespace {

constexpr std::uint8_t kDigitalSignature = 0x03;  // EVM_IMA_XATTR_DIGSIG
constexpr std::uint8_t kVersion = 0x02;           // DIGSIG_VERSION_2

// uapi/linux/hash_info.h
std::optional<HashAlgorithm> KernelAlgorithm(std::uint8_t number) {
  switch (number) {
    case 4:
      return HashAlgorithm::kSha256;
    case 5:
      return HashAlgorithm::kSha384;
    case 6:
      return HashAlgorithm::kSha512;
    default:
      return std::nullopt;
  }
}

}  // namespace

Result<ImaSignature> ParseImaSignature(BytesView xattr) {
  // Short enough to need no allocation.
  ByteReader reader(xattr, Reason::kSignatureMalformed, "security.ima");
  ASSIGN_OR_RETURN(const std::uint8_t type, reader.TakeU8());
  if (type != kDigitalSignature) return reader.Fail("is no signature");
  ASSIGN_OR_RETURN(const std::uint8_t version, reader.TakeU8());
  if (version != kVersion) return reader.Fail("is a signature of another version than 2");
  ASSIGN_OR_RETURN(const std::uint8_t number, reader.TakeU8());
  const std::optional<HashAlgorithm> algorithm = KernelAlgorithm(number);
  if (!algorithm) return reader.Fail("signs a hash other than SHA-256, SHA-384 and SHA-512");
  ASSIGN_OR_RETURN(const std::uint32_t key_id, reader.TakeU32Be());
  ASSIGN_OR_RETURN(const BytesView signature, reader.TakeSized16Be(limits::kSignatureBytes));
  RETURN_IF_ERROR(reader.ExpectEnd());
  if (signature.empty()) return reader.Fail("has no signature");
  return ImaSignature{*algorithm, key_id, signature};
}

}  // namespace gatehouse::appraisal
