// NodePolicy.tpm.ima, and the `ima` part of a set of reference values.
#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/policy/node_readers.h"

namespace gatehouse::policy {
namespace {

using appraisal::BufferRule;
using appraisal::DigestSet;
using appraisal::ImaPolicy;
using appraisal::ImaReference;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

void ReadDeny(ObjectReader& deny, ImaPolicy& policy) {
  policy.deny_digests = ReadDigests(deny, "digests", std::nullopt);
  policy.deny_paths = ReadPathPatterns(deny, "paths", false);
  if (deny.view().size() == 0) deny.Fail("", "denies nothing; write digests or paths, or remove it");
}

void ReadSignatures(ObjectReader& signatures, ImaPolicy& policy) {
  std::string pem = signatures.String("keys");
  policy.signatures_accept = signatures.OptionalBool("accept").value_or(false);
  policy.signed_paths = ReadPathPatterns(signatures, "requiredFor", false);
  if (!signatures.ok()) return;
  if (!policy.signatures_accept && !policy.signed_paths)
    signatures.Fail("", "decides nothing; write accept: true, or requiredFor with the paths that must be signed");
  auto signers = ReadFileSigners(pem);
  if (!signers.ok()) return FailWith(signatures, "keys", signers.error());
  policy.signers = std::move(signers).value();
}

BufferRule ReadBuffer(ObjectReader& buffer) {
  BufferRule rule;
  rule.name = ReadNamePattern(buffer, "name");
  rule.any = buffer.OptionalBool("any").value_or(false);
  rule.digests = ReadDigests(buffer, "digests", std::nullopt);
  if (!buffer.ok()) return rule;
  if (rule.any == !rule.digests.empty()) buffer.Fail("", "must have one of any: true and digests, and not both");
  // Keys that are loaded at run time are buffers, too.
  if (rule.any && rule.name.matches(".ima") && rule.name.matches("kexec-cmdline") && rule.name.matches("evil")) {
    buffer.Fail("name", rule.name.source +
                            " is every buffer, so nothing would be asked of any; name them, such as dm_table_load");
  }
  return rule;
}

void ReadContainers(ObjectReader& containers, ImaPolicy& policy) {
  using Containers = ImaPolicy::Containers;
  policy.container_paths = ReadPathPatterns(containers, "paths", true);
  if (!containers.Has("paths"))
    containers.Fail("paths", "is required: where the file systems of containers are, such as /var/lib/containers/.*");
  auto entries = containers.OptionalEnum("entries", {"listed", "images", "any"});
  if (entries == "images") policy.containers = Containers::kImages;
  if (entries == "any") policy.containers = Containers::kAny;
}

}  // namespace

std::shared_ptr<const ImaPolicy> ReadIma(ObjectReader& ima, bool has_references) {
  auto policy = std::make_shared<ImaPolicy>();
  policy->bank = ReadBank(ima, "bank", HashAlgorithm::kSha256);
  policy->match_paths = ima.OptionalBool("matchPaths").value_or(false);
  ima.Object("deny", Presence::kOptional, [&](ObjectReader& deny) { ReadDeny(deny, *policy); });
  policy->exclude = ReadPathPatterns(ima, "exclude", true);
  policy->violations = ReadPathPatterns(ima, "violations", true);
  ima.Object("signatures", Presence::kOptional, [&](ObjectReader& signatures) { ReadSignatures(signatures, *policy); });
  ima.Each("buffers", ima.Has("buffers") ? Presence::kRequired : Presence::kOptional,
           [&](ObjectReader& buffer) { policy->buffers.push_back(ReadBuffer(buffer)); });
  ima.Object("containers", Presence::kOptional, [&](ObjectReader& containers) { ReadContainers(containers, *policy); });
  policy->allow_insecure_padded_sha1 = ima.OptionalBool("allowInsecurePaddedSha1").value_or(false);
  policy->allow_insecure_sha1_aggregate = ima.OptionalBool("allowInsecureSha1Aggregate").value_or(false);
  const bool accepts =
      policy->exclude || policy->signatures_accept || policy->containers == ImaPolicy::Containers::kAny;
  if (!accepts && !has_references &&
      HasOnly(ima, {"bank", "matchPaths", "deny", "exclude", "violations", "signatures", "buffers", "containers",
                    "allowInsecurePaddedSha1", "allowInsecureSha1Aggregate"})) {
    ima.Fail("", "accepts no file: name referenceValues beside it, or write exclude, or signatures with accept: true");
  }
  return policy;
}

// --- reference values

namespace {

// As the kernel logs paths (ima_write_template_field_data(): spaces become '_'), and lists from within a root file
// system name them from its root.
std::string AsLogged(std::string path) {
  if (path.starts_with("./")) path.erase(0, 1);
  if (!path.starts_with('/')) path.insert(0, "/");
  std::replace(path.begin(), path.end(), ' ', '_');
  return path;
}

// GNU coreutils: a line that begins with \ has \\, \n and \r for these characters in its name.
std::optional<std::string> Unescaped(std::string_view name) {
  std::string text;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '\\') {
      text += name[i];
      continue;
    }
    if (++i == name.size()) return std::nullopt;
    const std::string_view from = "\\nr";
    auto at = from.find(name[i]);
    if (at == std::string_view::npos) return std::nullopt;
    text += "\\\n\r"[at];
  }
  return text;
}

// "HEX  PATH" or "HEX *PATH".
std::optional<DigestSet::Entry> ParseSum(std::string_view line) {
  const bool escaped = line.starts_with('\\');
  if (escaped) line.remove_prefix(1);
  auto space = line.find(' ');
  if (space == std::string_view::npos || line.size() < space + 3) return std::nullopt;
  const char mode = line[space + 1];
  auto digest = DecodeHex(line.substr(0, space));
  if ((mode != ' ' && mode != '*') || !digest.ok()) return std::nullopt;
  auto algorithm = AlgorithmOfSize(digest->size());
  std::string_view name = line.substr(space + 2);
  auto path = escaped ? Unescaped(name) : std::string(name);
  if (!algorithm || !path || path->size() > limits::kImaPathBytes) return std::nullopt;
  return DigestSet::Entry{*algorithm, std::move(digest).value(), AsLogged(*std::move(path))};
}

void ReadSums(ObjectReader& ima, std::vector<DigestSet::Entry>& entries) {
  auto text = ima.OptionalString("sha256sums");
  if (!text) return;
  std::size_t number = 0;
  const std::size_t before = entries.size();
  for (std::string_view rest = *text; !rest.empty();) {
    auto end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    auto entry = ParseSum(line);
    if (!entry) {
      return ima.Fail("sha256sums", "line " + std::to_string(number) + ": '" + Printable(line, 96) +
                                        "' is not what sha256sum (sha384sum, sha512sum) prints: lower-case hex, two "
                                        "spaces, the path");
    }
    entries.push_back(*std::move(entry));
  }
  if (entries.size() == before) ima.Fail("sha256sums", "has no line with a digest");
}

ImaReference::File ReadFile(ObjectReader& file, const std::vector<ImaReference::File>& before) {
  std::string name = file.String("name");
  std::string hash = file.String("sha256");
  auto pin = Digest::Parse("sha256:" + hash);
  auto possible = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-' || c == '+';
  };
  if (file.ok() && (name.size() > 253 || name.front() == '.' || !std::all_of(name.begin(), name.end(), possible))) {
    file.Fail("name", "'" + Printable(name, 64) +
                          "' is not the name of a file in the webhook's folder; write letters, digits, ., _, + and -");
  }
  if (file.ok() && !pin.ok()) file.Fail("sha256", "must be the SHA-256 of the file: 64 lower-case hex digits");
  auto same = [&](const ImaReference::File& other) { return other.name == name; };
  if (std::any_of(before.begin(), before.end(), same))
    file.Fail("name", "'" + Printable(name, 64) + "' is listed twice");
  // Of no use when there was an error.
  if (!pin.ok()) pin = Digest::Parse("sha256:" + std::string(64, '0'));
  return {std::move(name), *pin};
}

}  // namespace

ImaReference ReadImaReference(ObjectReader& ima, std::size_t& left) {
  ImaReference reference;
  std::vector<DigestSet::Entry> entries;
  ReadSums(ima, entries);
  for (Bytes& digest : ReadDigests(ima, "digests", std::nullopt, limits::kInlineDigests)) {
    const HashAlgorithm algorithm = *AlgorithmOfSize(digest.size());
    entries.push_back({algorithm, std::move(digest), ""});
  }
  ima.Each("files", ima.Has("files") ? Presence::kRequired : Presence::kOptional,
           [&](ObjectReader& file) { reference.files.push_back(ReadFile(file, reference.files)); });
  reference.images_only = ima.OptionalEnum("from", {"packages", "images"}) == "images";
  if (entries.size() > left) {
    ima.Fail(Error{Reason::kLimitExceeded, "",
                   "the document has more than " + std::to_string(limits::kInlineDigests) +
                       " digests of files; put them into a file (gatehouse measure files) and name that under files"});
    return reference;
  }
  left -= entries.size();
  if (!ima.ok()) return reference;
  if (entries.empty() && reference.files.empty()) {
    if (HasOnly(ima, {"from"})) ima.Fail("", "lists no file; write sha256sums, digests or files, or remove it");
    return reference;
  }
  if (entries.empty()) return reference;
  auto set = DigestSet::Make(std::move(entries));
  if (set.ok()) {
    reference.digests = std::move(set).value();
  } else {
    ima.Fail(set.error());
  }
  return reference;
}

}  // namespace gatehouse::policy
