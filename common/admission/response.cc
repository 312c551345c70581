#include <algorithm>

#include "common/admission/review.h"
#include "common/base/bytes.h"
#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"

namespace gatehouse::admission {
namespace {

// kube-apiserver, endpoints/filters/warning.go: truncateItemRunes and truncateAtTotalRunes. Counted in bytes here,
// which is never more.
constexpr std::size_t kWarningBytes = 256;
constexpr std::size_t kWarningsBytes = 4096;
constexpr std::size_t kLastWarningBytes = 64;  // kept free for the one that says how many were left out

constexpr std::string_view kEllipsis = "...";

// At most `max` bytes, cut between characters.
std::string Cut(std::string_view text, std::size_t max) {
  if (text.size() <= max) return std::string(text);
  std::size_t size = max - kEllipsis.size();
  // 10xxxxxx continues a character (RFC 3629 section 3).
  while (size > 0 && (static_cast<std::uint8_t>(text[size]) & 0xC0) == 0x80) --size;
  return std::string(text.substr(0, size)).append(kEllipsis);
}

// Without control characters, which the API server refuses in a Warning header (net.NewWarningHeader), and in a
// terminal nobody wants. `keep_lines` spares line feeds.
std::string Clean(std::string_view text, bool keep_lines) {
  std::string clean = IsUtf8(text) ? std::string(text) : Printable(text, text.size() * 4);
  for (std::size_t i = 0; i < clean.size(); ++i) {
    auto byte = static_cast<std::uint8_t>(clean[i]);
    bool c1 = i > 0 && static_cast<std::uint8_t>(clean[i - 1]) == 0xC2 && byte >= 0x80 && byte < 0xA0;
    if (c1) clean[i] = '\xA0';  // U+0080 to U+009F become a no-break space
    if ((byte < 0x20 && !(keep_lines && byte == '\n')) || byte == 0x7F) clean[i] = ' ';
  }
  return clean;
}

// What kubectl shows in "Error from server (Forbidden)", and what a client's IsForbidden() looks at.
std::string_view StatusReason(int code) {
  switch (code) {
    case 400:
      return "BadRequest";
    case 403:
      return "Forbidden";
    case 429:
      return "TooManyRequests";
    case 500:
      return "InternalError";
    case 503:
      return "ServiceUnavailable";
    default:
      return "";
  }
}

void WriteStatus(codec::JsonWriter& writer, const ReviewResponse& response) {
  // The API server turns anything below 400 into 400 (ToStatusErr); a denial is a denial.
  int code = response.code >= 400 && response.code <= 599 ? response.code : 403;
  writer.Key("status").BeginObject();
  writer.Member("status", "Failure").Member("message", Cut(Clean(response.message, true), limits::kMessageBytes));
  if (auto reason = StatusReason(code); !reason.empty()) writer.Member("reason", reason);
  writer.Key("code").Int(code).EndObject();
}

std::vector<std::string> FittingWarnings(const std::vector<std::string>& warnings) {
  std::vector<std::string> shown;
  std::size_t total = 0;
  for (std::size_t i = 0; i < warnings.size(); ++i) {
    std::string text = Cut(Clean(warnings[i], false), kWarningBytes);
    if (text.empty()) continue;
    if (total + text.size() > kWarningsBytes - kLastWarningBytes) {
      shown.push_back("and " + std::to_string(warnings.size() - i) + " more; the audit log has all");
      break;
    }
    total += text.size();
    shown.push_back(std::move(text));
  }
  return shown;
}

}  // namespace

std::string Encode(const ReviewResponse& response) {
  codec::JsonWriter writer;
  writer.BeginObject().Member("apiVersion", "admission.k8s.io/v1").Member("kind", "AdmissionReview");
  writer.Key("response").BeginObject().Member("uid", response.uid).Key("allowed").Bool(response.allowed);
  if (!response.allowed) WriteStatus(writer, response);
  if (response.allowed && !response.patch.empty()) {
    writer.Member("patchType", "JSONPatch").Member("patch", EncodeBase64(AsBytes(response.patch)));
  }
  if (auto warnings = FittingWarnings(response.warnings); !warnings.empty()) {
    writer.Key("warnings").BeginArray();
    for (const std::string& warning : warnings) writer.String(warning);
    writer.EndArray();
  }
  if (!response.audit_annotations.empty()) {
    writer.Key("auditAnnotations").BeginObject();
    for (const auto& [key, value] : response.audit_annotations) {
      // The API server puts the webhook's name and a '/' before each key and drops one that has a second '/'.
      std::string name = key;
      std::replace(name.begin(), name.end(), '/', '.');
      writer.Member(name, value);
    }
    writer.EndObject();
  }
  writer.EndObject().EndObject();
  return std::move(writer).Finish();
}

}  // namespace gatehouse::admission
