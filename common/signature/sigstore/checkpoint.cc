// Checkpoints: C2SP signed-note and tlog-checkpoint, as Rekor v1 and v2 write them.
#include <algorithm>
#include <array>
#include <charconv>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/signature/sigstore/log_key.h"
#include "common/signature/sigstore/transparency.h"

namespace gatehouse::signature::sigstore {
namespace {

// signed-note: "em dash (U+2014), space (U+0020), key name, space, base64-encoded signature, newline".
constexpr std::string_view kSignaturePrefix = "\u2014 ";
constexpr std::size_t kKeyIdBytes = 4;
constexpr std::size_t kRootBytes = 32;
constexpr std::string_view kTreeIdSeparator = " - ";

Error Malformed(std::string_view detail) {
  return {Reason::kLogEntryMalformed, "checkpoint", std::string(detail)};
}

Error Invalid(std::string detail) {
  return {Reason::kLogProofInvalid, "checkpoint", std::move(detail)};
}

// The next line without its newline; nothing if there is none that a newline ends.
std::optional<std::string_view> TakeLine(std::string_view& text) {
  const auto end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

// "the ASCII decimal representation of the number of leaves in the tree, with no leading zeroes"
std::optional<std::int64_t> ParseSize(std::string_view text) {
  std::int64_t size = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, size);
  if (error != std::errc() || stop != end || size < 0 || text.front() == '-') return std::nullopt;
  if (text.front() == '0' && text.size() > 1) return std::nullopt;
  return size;
}

// signed-note: "Key names MUST be non-empty and MUST NOT contain any Unicode spaces or plus (U+002B) characters." The
// text is UTF-8 without control characters already. Spaces: the property White_Space.
bool IsKeyName(std::string_view name) {
  constexpr std::array<std::string_view, 21> kForbidden = {
      "+",      " ",      "\u0085", "\u00A0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005",
      "\u2006", "\u2007", "\u2008", "\u2009", "\u200A", "\u2028", "\u2029", "\u202F", "\u205F", "\u3000"};
  return !name.empty() && std::none_of(kForbidden.begin(), kForbidden.end(), [&](std::string_view forbidden) {
    return name.find(forbidden) != std::string_view::npos;
  });
}

Result<Checkpoint::Signature> ParseSignatureLine(std::string_view line) {
  if (!line.starts_with(kSignaturePrefix)) return Malformed("a signature line does not begin with an em dash");
  line.remove_prefix(kSignaturePrefix.size());
  const auto space = line.find(' ');
  const std::string_view name = line.substr(0, space);
  if (space == std::string_view::npos || !IsKeyName(name)) return Malformed("a signature line has no name of a key");
  auto bytes = DecodeBase64(line.substr(space + 1));
  if (!bytes.ok()) return Malformed("a signature: " + bytes.error().detail);
  if (bytes->size() <= kKeyIdBytes) return Malformed("a signature is shorter than the id of its key");
  const BytesView view = *bytes;
  return Checkpoint::Signature{std::string(name), ToBytes(view.first(kKeyIdBytes)), ToBytes(view.subspan(kKeyIdBytes))};
}

// tlog-checkpoint: "The note text is a sequence of at least three non-empty lines, separated by newlines".
Status ParseText(std::string_view text, Checkpoint& checkpoint) {
  const auto origin = TakeLine(text);
  const auto size_line = TakeLine(text);
  const auto root_line = TakeLine(text);
  if (!origin || origin->empty() || !size_line || size_line->empty() || !root_line) {
    return Malformed("does not have an origin, a size and a root hash");
  }
  checkpoint.origin = *origin;
  const auto size = ParseSize(*size_line);
  if (!size) return Malformed("the size of the tree is not a decimal number without leading zeroes");
  checkpoint.size = *size;
  auto root = DecodeBase64(*root_line);
  if (!root.ok()) return Malformed("the root hash: " + root.error().detail);
  if (root->size() != kRootBytes) return Malformed("the root hash does not have 32 bytes");
  checkpoint.root_hash = std::move(root).value();
  // "Extension lines, if any, MUST be non-empty."
  while (const auto extension = TakeLine(text)) {
    if (extension->empty()) return Malformed("an extension line is empty");
  }
  return Ok();
}

// Rekor v1 writes "NAME - TREE-ID" as origin, and signs as NAME. Nothing if it is no such origin.
std::optional<std::string_view> NameOfTreeOrigin(std::string_view origin) {
  const auto separator = origin.rfind(kTreeIdSeparator);
  if (separator == std::string_view::npos || separator == 0) return std::nullopt;
  const std::string_view tree = origin.substr(separator + kTreeIdSeparator.size());
  const bool digits = !tree.empty() && tree.find_first_not_of("0123456789") == std::string_view::npos;
  return digits ? std::optional(origin.substr(0, separator)) : std::nullopt;
}

bool IsPrefix(BytesView prefix, BytesView bytes) {
  return bytes.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

}  // namespace

Result<Checkpoint> ParseCheckpoint(std::string_view note) {
  if (note.size() > limits::kCheckpointBytes) {
    return Error{Reason::kLimitExceeded, "checkpoint",
                 "has more than " + std::to_string(limits::kCheckpointBytes) + " bytes"};
  }
  // signed-note: "Signed notes MUST be valid UTF-8 and MUST NOT contain any ASCII control characters (those below
  // U+0020) other than newline." So no CR either.
  if (!IsUtf8(note)) return Malformed("is not UTF-8");
  if (std::any_of(note.begin(), note.end(), [](char c) { return static_cast<std::uint8_t>(c) < 0x20 && c != '\n'; })) {
    return Malformed("holds a control character");
  }
  // "the text is separated from the signatures by the last empty line in the note."
  const auto separator = note.rfind("\n\n");
  if (separator == std::string_view::npos) return Malformed("is not a text, an empty line and signatures");
  std::string_view lines = note.substr(separator + 2);
  Checkpoint checkpoint;
  checkpoint.signed_text = note.substr(0, separator + 1);  // "includes the final newline but not the blank line"
  RETURN_IF_ERROR(ParseText(checkpoint.signed_text, checkpoint));
  while (!lines.empty()) {
    const auto line = TakeLine(lines);
    if (!line) return Malformed("its last line has no end");
    if (checkpoint.signatures.size() == limits::kCheckpointSignatures) {
      return Error{Reason::kLimitExceeded, "checkpoint",
                   "has more than " + std::to_string(limits::kCheckpointSignatures) + " signatures"};
    }
    ASSIGN_OR_RETURN(Checkpoint::Signature signature, ParseSignatureLine(*line));
    checkpoint.signatures.push_back(std::move(signature));
  }
  if (checkpoint.signatures.empty()) return Malformed("has no signature");
  return checkpoint;
}

bool IsTreeOrigin(std::string_view origin) {
  return NameOfTreeOrigin(origin).has_value();
}

Status VerifyCheckpoint(const Checkpoint& checkpoint, const Log& log) {
  const auto v1_name = NameOfTreeOrigin(checkpoint.origin);
  if (!v1_name && (log.host.empty() || checkpoint.origin != log.host)) {
    return Invalid("its origin '" + Printable(checkpoint.origin, 64) + "' is not that of " + NameForPeople(log));
  }
  const std::string_view name = v1_name.value_or(log.host);
  bool verified = false;
  for (const Checkpoint::Signature& signature : checkpoint.signatures) {
    // signed-note: "Verifiers MUST ignore signatures from unknown keys, even if they share a name or ID (but not both)
    // with a known key."
    const bool known =
        signature.name == name && (IsPrefix(signature.key_id, log.id) || IsPrefix(signature.key_id, log.checkpoint_id));
    if (!known) continue;
    // "If a signature from a known key fails to verify, clients SHOULD reject the whole note."
    if (!VerifyByLog(log, AsBytes(checkpoint.signed_text), signature.signature)) {
      return Invalid("the signature by the name and key of " + NameForPeople(log) + " does not verify");
    }
    verified = true;
  }
  // "If no signature from a known key verifies successfully, clients MUST reject the note."
  if (!verified) return Invalid("has no signature by " + NameForPeople(log));
  return Ok();
}

}  // namespace gatehouse::signature::sigstore
