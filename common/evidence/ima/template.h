// The templates of IMA and their fields (security/integrity/ima/ima_template.c, builtin_templates and
// supported_fields). For the .cc files of this room.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace gatehouse::evidence::ima {

// The one template whose entries have no length fields.
inline constexpr std::string_view kLegacyTemplate = "ima";
inline constexpr std::size_t kLegacyDigestBytes = 20;

enum class FieldKind : std::uint8_t {
  kOldDigest,          // d
  kDigest,             // d-ng
  kTypedDigest,        // d-ngv2
  kName,               // n, n-ng
  kSignature,          // sig
  kAppendedDigest,     // d-modsig
  kAppendedSignature,  // modsig
  kBuffer,             // buf
  kHex,                // evmsig, xattrlengths, xattrvalues
  kNames,              // xattrnames: joined by '|', with a NUL at the end
  kU32,                // iuid, igid
  kU16,                // imode
  kUnknown,
};

struct Template {
  bool builtin;
  std::span<const FieldKind> kinds;  // of a builtin one
  std::string_view format;           // of another: "d-ng|n-ng"
};
// By its name; a name that is a format ("template_name = name[0] != '\0' ? name : fmt", ima_fs.c) is that one. Nothing:
// neither. A format is identifiers of [a-z0-9-] with '|' between them, or one that we know.
[[nodiscard]] std::optional<Template> FindTemplate(std::string_view name);

// The fields of a template, one after another.
class FieldKinds {
 public:
  explicit FieldKinds(const Template& found);
  [[nodiscard]] std::optional<FieldKind> Next();

 private:
  std::span<const FieldKind> kinds_;
  std::optional<std::string_view> format_;
};

}  // namespace gatehouse::evidence::ima
