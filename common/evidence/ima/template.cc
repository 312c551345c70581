#include "common/evidence/ima/template.h"

#include <algorithm>
#include <array>
#include <utility>

namespace gatehouse::evidence::ima {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kBuiltin = {{
    {"ima-ng", "d-ng|n-ng"},
    {"ima-sig", "d-ng|n-ng|sig"},
    {"ima-buf", "d-ng|n-ng|buf"},
    {"ima-ngv2", "d-ngv2|n-ng"},
    {"ima-sigv2", "d-ngv2|n-ng|sig"},
    {"ima-modsig", "d-ng|n-ng|sig|d-modsig|modsig"},
    {"evm-sig", "d-ng|n-ng|evmsig|xattrnames|xattrlengths|xattrvalues|iuid|igid|imode"},
    {kLegacyTemplate, "d|n"},
}};

constexpr std::array<std::pair<std::string_view, FieldKind>, 16> kFields = {{
    {"d-ng", FieldKind::kDigest},
    {"n-ng", FieldKind::kName},
    {"sig", FieldKind::kSignature},
    {"d-ngv2", FieldKind::kTypedDigest},
    {"buf", FieldKind::kBuffer},
    {"d-modsig", FieldKind::kAppendedDigest},
    {"modsig", FieldKind::kAppendedSignature},
    {"d", FieldKind::kOldDigest},
    {"n", FieldKind::kName},
    {"evmsig", FieldKind::kHex},
    {"xattrnames", FieldKind::kNames},
    {"xattrlengths", FieldKind::kHex},
    {"xattrvalues", FieldKind::kHex},
    {"iuid", FieldKind::kU32},
    {"igid", FieldKind::kU32},
    {"imode", FieldKind::kU16},
}};

bool IsIdentifier(std::string_view id) {
  return !id.empty() && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

}  // namespace

FieldKind KindOf(std::string_view id) {
  for (const auto& [known, kind] : kFields) {
    if (known == id) return kind;
  }
  return FieldKind::kUnknown;
}

std::optional<std::string_view> FieldIds::Next() {
  if (!rest_) return std::nullopt;
  const std::size_t bar = rest_->find('|');
  const std::string_view id = rest_->substr(0, bar);
  if (bar == std::string_view::npos) {
    rest_.reset();
  } else {
    rest_->remove_prefix(bar + 1);
  }
  return id;
}

std::optional<Template> FindTemplate(std::string_view name) {
  for (const auto& [known, format] : kBuiltin) {
    if (known == name) return Template{format, true};
  }
  if (name.find('|') == std::string_view::npos && KindOf(name) == FieldKind::kUnknown) return std::nullopt;
  FieldIds ids(name);
  while (const auto id = ids.Next()) {
    if (!IsIdentifier(*id)) return std::nullopt;
  }
  return Template{name, false};
}

}  // namespace gatehouse::evidence::ima
