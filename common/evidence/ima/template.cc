#include "common/evidence/ima/template.h"

#include <algorithm>
#include <array>
#include <utility>

namespace gatehouse::evidence::ima {
namespace {

using enum FieldKind;

constexpr std::array kNg = {kDigest, kName};
constexpr std::array kSig = {kDigest, kName, kSignature};
constexpr std::array kBuf = {kDigest, kName, kBuffer};
constexpr std::array kNgV2 = {kTypedDigest, kName};
constexpr std::array kSigV2 = {kTypedDigest, kName, kSignature};
constexpr std::array kModsig = {kDigest, kName, kSignature, kAppendedDigest, kAppendedSignature};
// d-ng|n-ng|evmsig|xattrnames|xattrlengths|xattrvalues|iuid|igid|imode
constexpr std::array kEvm = {kDigest, kName, kHex, kNames, kHex, kHex, kU32, kU32, kU16};
constexpr std::array kLegacy = {kOldDigest, kName};

struct Builtin {
  std::string_view name;
  std::span<const FieldKind> kinds;
};
constexpr std::array<Builtin, 8> kBuiltin = {{
    {"ima-ng", kNg},
    {"ima-sig", kSig},
    {"ima-buf", kBuf},
    {"ima-ngv2", kNgV2},
    {"ima-sigv2", kSigV2},
    {"ima-modsig", kModsig},
    {"evm-sig", kEvm},
    {kLegacyTemplate, kLegacy},
}};

constexpr std::array<std::pair<std::string_view, FieldKind>, 16> kFields = {{
    {"d-ng", kDigest},
    {"n-ng", kName},
    {"sig", kSignature},
    {"d-ngv2", kTypedDigest},
    {"buf", kBuffer},
    {"d-modsig", kAppendedDigest},
    {"modsig", kAppendedSignature},
    {"d", kOldDigest},
    {"n", kName},
    {"evmsig", kHex},
    {"xattrnames", kNames},
    {"xattrlengths", kHex},
    {"xattrvalues", kHex},
    {"iuid", kU32},
    {"igid", kU32},
    {"imode", kU16},
}};

bool IsIdentifier(std::string_view id) {
  return !id.empty() && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

FieldKind KindOf(std::string_view id) {
  for (const auto& [known, kind] : kFields) {
    if (known == id) return kind;
  }
  return kUnknown;
}

// The identifier before the next '|'; `rest` is nothing after the last one.
std::string_view TakeIdentifier(std::optional<std::string_view>& rest) {
  const std::size_t bar = rest->find('|');
  const std::string_view id = rest->substr(0, bar);
  if (bar == std::string_view::npos) {
    rest.reset();
  } else {
    rest->remove_prefix(bar + 1);
  }
  return id;
}

}  // namespace

FieldKinds::FieldKinds(const Template& found) : kinds_(found.kinds) {
  if (!found.builtin) format_ = found.format;
}

std::optional<FieldKind> FieldKinds::Next() {
  if (!kinds_.empty()) {
    const FieldKind kind = kinds_.front();
    kinds_ = kinds_.subspan(1);
    return kind;
  }
  if (!format_) return std::nullopt;
  return KindOf(TakeIdentifier(format_));
}

std::optional<Template> FindTemplate(std::string_view name) {
  for (const Builtin& builtin : kBuiltin) {
    if (builtin.name == name) return Template{true, builtin.kinds, {}};
  }
  if (name.find('|') == std::string_view::npos && KindOf(name) == kUnknown) return std::nullopt;
  std::optional<std::string_view> rest = name;
  while (rest) {
    if (!IsIdentifier(TakeIdentifier(rest))) return std::nullopt;
  }
  return Template{false, {}, name};
}

}  // namespace gatehouse::evidence::ima
