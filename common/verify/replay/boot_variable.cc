#include "common/verify/replay/boot_variable.h"

#include <algorithm>
#include <array>
#include <set>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "common/crypto/x509.h"
#include "common/evidence/eventlog/event_log.h"

namespace gatehouse::verify::replay {
namespace {

using claims::BootPart;
using claims::BootVariable;
using claims::SignatureEntry;
using evidence::eventlog::SignatureData;
namespace event_type = evidence::eventlog::event_type;

constexpr std::size_t kOldShimSurplus = 8;
constexpr std::size_t kSha256Bytes = 32;

bool IsDatabase(const BootVariable& variable) {
  if (variable.guid == kGlobalVariableGuid) return variable.name == "PK" || variable.name == "KEK";
  return variable.guid == kImageSecurityGuid &&
         (variable.name == "db" || variable.name == "dbx" || variable.name == "dbt" || variable.name == "dbr");
}

// What firmware measures of itself, never as an authority.
bool IsState(const BootVariable& variable) {
  static constexpr std::array<std::string_view, 6> kNames = {"SecureBoot", "PK",           "KEK",
                                                             "SetupMode",  "DeployedMode", "AuditMode"};
  return variable.guid == kGlobalVariableGuid && std::find(kNames.begin(), kNames.end(), variable.name) != kNames.end();
}

std::string SubjectOf(BytesView der) {
  auto certificate = crypto::Certificate::FromDer(der);
  return certificate.ok() ? Printable(certificate->Subject()) : "";
}

std::optional<SignatureEntry> EntryOf(const SignatureData& data) {
  if (data.type == evidence::eventlog::kCertX509Guid) {
    return SignatureEntry{SignatureEntry::Kind::kCertificate, data.owner, crypto::Sha256Digest(data.data),
                          SubjectOf(data.data)};
  }
  if (data.type == evidence::eventlog::kCertSha256Guid) {
    auto digest = Digest::Make(HashAlgorithm::kSha256, data.data);
    if (!digest.ok()) return std::nullopt;
    return SignatureEntry{SignatureEntry::Kind::kSha256, data.owner, *digest, data.type};
  }
  return SignatureEntry{SignatureEntry::Kind::kOther, data.owner, crypto::Sha256Digest(data.data), data.type};
}

// Nothing if it is not a sequence of lists.
std::optional<std::vector<SignatureEntry>> EntriesOf(BytesView lists) {
  auto parsed = evidence::eventlog::ParseSignatureLists(lists);
  if (!parsed.ok()) return std::nullopt;
  std::vector<SignatureEntry> entries;
  entries.reserve(parsed->size());
  for (const SignatureData& data : *parsed) {
    auto entry = EntryOf(data);
    if (!entry) return std::nullopt;
    entries.push_back(std::move(*entry));
  }
  return entries;
}

// Whether all of it is one DER SEQUENCE with a length of two octets, as certificates are.
bool IsSequence(BytesView data) {
  return data.size() > 4 && data[0] == 0x30 && data[1] == 0x82 &&
         (std::size_t{data[2]} << 8 | data[3]) == data.size() - 4;
}

// EFI_SIGNATURE_DATA; old shims log the certificate without an owner. Nothing if it is neither (SbatLevel, say).
std::vector<SignatureEntry> EntryOfAuthority(BytesView data) {
  if (IsSequence(data)) {
    return {{SignatureEntry::Kind::kCertificate, {}, crypto::Sha256Digest(data), SubjectOf(data)}};
  }
  auto parsed = evidence::eventlog::ParseSignatureData(data);
  if (!parsed.ok() || !(IsSequence(parsed->data) || parsed->data.size() == kSha256Bytes)) return {};
  auto entry = EntryOf(*parsed);
  return entry ? std::vector<SignatureEntry>{std::move(*entry)} : std::vector<SignatureEntry>{};
}

}  // namespace

BootPart ClassifySecureBootVariable(BootVariable& variable, bool after_separator, std::uint32_t type) {
  if (IsDatabase(variable)) {
    auto entries = EntriesOf(variable.data);
    if (entries) {
      variable.entries = std::move(*entries);
      return BootPart::kSecureBootKeys;
    }
    // PK and KEK authorize no image.
    const bool authority = !IsState(variable) && (after_separator || type == event_type::kEfiVariableAuthority);
    if (!authority) {
      variable.malformed = true;
      return BootPart::kSecureBootKeys;
    }
  } else if (IsState(variable) || !after_separator) {
    return BootPart::kSecureBootKeys;
  }
  variable.entries = EntryOfAuthority(variable.data);
  return BootPart::kAuthorities;
}

bool IsBootOption(std::string_view name, BytesView data) {
  ByteReader reader(data, Reason::kEventLogMalformed, "boot option");
  if (name == "BootOrder") {
    std::set<std::uint16_t> seen;
    while (reader.remaining() != 0) {
      auto number = reader.TakeU16Le();
      if (!number.ok() || !seen.insert(*number).second) return false;
    }
    return true;
  }
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f'); };
  if (name.size() != 8 || !name.starts_with("Boot") || !std::all_of(name.begin() + 4, name.end(), is_hex)) return false;
  if (!reader.TakeU32Le().ok()) return false;
  auto paths = reader.TakeU16Le();
  if (!paths.ok()) return false;
  for (;;) {
    auto character = reader.TakeU16Le();
    if (!character.ok()) return false;
    if (*character == 0) break;
  }
  return *paths <= reader.remaining();
}

std::optional<evidence::eventlog::VariableData> FindVariableOfOldShim(BytesView data) {
  constexpr std::size_t kHeadBytes = 32;
  ByteReader reader(data, Reason::kEventLogMalformed, "UEFI_VARIABLE_DATA");
  if (!reader.Take(16).ok()) return std::nullopt;
  auto characters = reader.TakeU64Le();
  auto bytes = reader.TakeU64Le();
  if (!characters.ok() || !bytes.ok() || *characters > data.size() || *bytes > data.size()) return std::nullopt;
  const std::uint64_t size = kHeadBytes + 2 * *characters + *bytes;
  if (size >= data.size() || data.size() - size > kOldShimSurplus) return std::nullopt;
  auto variable = evidence::eventlog::ParseVariableData(data.first(static_cast<std::size_t>(size)));
  if (!variable.ok()) return std::nullopt;
  return *variable;
}

}  // namespace gatehouse::verify::replay
