// NodePolicy.tpm.identity: which TPMs are believed.
#include <algorithm>
#include <charconv>
#include <map>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/policy/node_readers.h"

namespace gatehouse::policy {
namespace {

using codec::ObjectReader;
using Presence = ObjectReader::Presence;

// A TPM keeps time in steps of milliseconds, and a quote takes seconds; a week without one is for validity to end.
constexpr Duration kMinClockLag = std::chrono::seconds(1);
constexpr Duration kMaxClockLag = std::chrono::hours(24 * 7);

constexpr std::string_view kSpaces = " \t\r";

std::string_view Trimmed(std::string_view text) {
  auto begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

// "sha256:HEX" or HEX.
std::optional<Digest> ParseHash(std::string_view text) {
  auto digest = Digest::Parse(text.find(':') == std::string_view::npos ? "sha256:" + std::string(text) : text);
  if (digest.ok() && digest->algorithm() == HashAlgorithm::kSha256) return *digest;
  return std::nullopt;
}

// What a first line may say in place of a hash: "ek_hash", "Hash (SHA-256)". Never what could be meant for one.
bool IsHeading(std::string_view column) {
  auto other = [](char c) { return (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || c == '_' || c == ' '; };
  return column.size() < 32 && column.find(':') == std::string_view::npos &&
         std::any_of(column.begin(), column.end(), other);
}

std::string_view FirstColumn(std::string_view line) {
  std::string_view column = Trimmed(line.substr(0, line.find(',')));
  if (column.size() >= 2 && column.front() == '"' && column.back() == '"') column = column.substr(1, column.size() - 2);
  return column;
}

void ReadInventoryText(ObjectReader& reader, std::set<Digest>& hashes) {
  auto text = reader.OptionalString("csv");
  if (!text) return;
  std::map<Digest, std::size_t> seen;
  bool first = true;
  std::size_t number = 0;
  for (std::string_view rest = *text; !rest.empty();) {
    auto end = rest.find('\n');
    std::string_view line = Trimmed(rest.substr(0, end));
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
    ++number;
    if (line.empty() || line.front() == '#') continue;
    const std::string_view column = FirstColumn(line);
    const bool heading = first && IsHeading(column);
    first = false;
    if (heading) continue;
    auto hash = ParseHash(column);
    if (!hash) {
      return reader.Fail("csv", "line " + std::to_string(number) + ": '" + Printable(column, 72) +
                                    "' is not a hash; the first column is the SHA-256 of an endorsement key, 64 "
                                    "lower-case hex digits, and a comma ends it");
    }
    auto [before, added] = seen.emplace(*hash, number);
    if (!added) {
      return reader.Fail("csv", "line " + std::to_string(number) + " has the same hash as line " +
                                    std::to_string(before->second) + "; remove one of them");
    }
    hashes.insert(*hash);
  }
  if (seen.empty()) reader.Fail("csv", "has no line with a hash, so no TPM would be accepted");
}

std::set<Digest> ReadInventory(ObjectReader& reader) {
  std::set<Digest> hashes;
  for (const std::string& text :
       reader.Strings("hashes", reader.Has("hashes") ? Presence::kRequired : Presence::kOptional)) {
    auto digest = Digest::Parse(text);
    if (!digest.ok() || digest->algorithm() != HashAlgorithm::kSha256) {
      reader.Fail("hashes", "'" + Printable(text, 24) +
                                "' is not the hash of an endorsement key: write sha256: and 64 lower-case hex digits "
                                "(of its SubjectPublicKeyInfo)");
      break;
    }
    if (!hashes.insert(*digest).second) reader.Fail("hashes", "lists " + digest->text() + " twice");
  }
  ReadInventoryText(reader, hashes);
  if (reader.view().size() == 0) reader.Fail("", "lists nothing, so no TPM would be accepted; write hashes or csv");
  if (hashes.size() > limits::kEkHashes)
    reader.Fail("", "lists more than " + std::to_string(limits::kEkHashes) + " endorsement keys");
  return hashes;
}

std::vector<std::uint64_t> ReadFirmwareVersions(ObjectReader& reader) {
  std::vector<std::uint64_t> versions;
  constexpr std::string_view kKey = "firmwareVersions";
  for (const std::string& text : reader.Strings(kKey, reader.Has(kKey) ? Presence::kRequired : Presence::kOptional)) {
    const bool prefixed = text.starts_with("0x") && text.size() <= 18;
    std::uint64_t version = 0;
    const char* end = text.data() + text.size();
    auto [stop, error] = std::from_chars(text.data() + (prefixed ? 2 : text.size()), end, version, 16);
    if (!prefixed || error != std::errc() || stop != end || version == 0) {
      reader.Fail(kKey, "'" + Printable(text, 24) +
                            "' is not the firmware version of a TPM: write it in hex, such as \"0x2020000300120001\", "
                            "as an attestation result shows it");
      break;
    }
    if (std::find(versions.begin(), versions.end(), version) != versions.end())
      reader.Fail(kKey, "lists '" + Printable(text, 24) + "' twice");
    versions.push_back(version);
  }
  return versions;
}

}  // namespace

TpmIdentityRules ReadIdentity(ObjectReader& identity, bool has_trust_roots) {
  using Revocation = TpmIdentityRules::Revocation;
  TpmIdentityRules rules;
  identity.Object("requireEkHash", Presence::kOptional,
                  [&](ObjectReader& inventory) { rules.ek_hashes = ReadInventory(inventory); });
  rules.ak_certificates = identity.OptionalBool("akCertificates").value_or(false);
  auto revocation = identity.OptionalEnum("revocation", {"off", "whereKnown", "required"});
  if (revocation == "off") rules.revocation = Revocation::kOff;
  if (revocation == "required") rules.revocation = Revocation::kRequired;
  rules.fetch_issuers = identity.OptionalBool("fetchIssuers").value_or(false);
  rules.firmware_versions = ReadFirmwareVersions(identity);
  if (identity.Has("maxClockLag")) {
    rules.max_clock_lag =
        ReadDuration(identity, "maxClockLag", kMinClockLag, kMaxClockLag, std::chrono::minutes(10), "10m");
  }
  // Without anything that a certificate could chain to.
  const std::pair<const char*, bool> about_certificates[] = {
      {"akCertificates", rules.ak_certificates},
      {"revocation", rules.revocation == Revocation::kRequired},
      {"fetchIssuers", rules.fetch_issuers},
  };
  for (const auto& [key, asked] : about_certificates) {
    if (asked && !has_trust_roots)
      identity.Fail(key,
                    "is about certificates, which nothing vouches for without trustRoots; name some, or remove it");
  }
  return rules;
}

}  // namespace gatehouse::policy
