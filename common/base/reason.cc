#include "common/base/reason.h"

#include <array>

namespace gatehouse {
namespace {

constexpr auto kReasons = std::to_array<ReasonInfo>({
#define GATEHOUSE_REASON(name, token, cls, sentence) {Reason::name, token, ReasonClass::cls, sentence},
#include "common/base/reasons.def"
#undef GATEHOUSE_REASON
});

}  // namespace

std::span<const ReasonInfo> AllReasons() {
  return kReasons;
}

std::string_view Token(Reason reason) {
  return kReasons.at(static_cast<std::size_t>(reason)).token;
}

std::string_view Sentence(Reason reason) {
  return kReasons.at(static_cast<std::size_t>(reason)).sentence;
}

ReasonClass ClassOf(Reason reason) {
  return kReasons.at(static_cast<std::size_t>(reason)).reason_class;
}

std::optional<Reason> ReasonFromToken(std::string_view token) {
  for (const ReasonInfo& info : kReasons) {
    if (info.token == token) return info.reason;
  }
  return std::nullopt;
}

std::string_view Token(ReasonClass reason_class) {
  switch (reason_class) {
    case ReasonClass::kMalformed:
      return "malformed";
    case ReasonClass::kUntrusted:
      return "untrusted";
    case ReasonClass::kStale:
      return "stale";
    case ReasonClass::kPolicy:
      return "policy";
    case ReasonClass::kUnavailable:
      return "unavailable";
    case ReasonClass::kUsage:
      return "usage";
    case ReasonClass::kInternal:
      return "internal";
  }
  return "internal";
}

}  // namespace gatehouse
