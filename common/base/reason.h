// The reasons for which Gatehouse refuses or fails: a closed list (reasons.def), each with a stable token, a class and
// one sentence that an operator can act on.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace gatehouse {

enum class ReasonClass : std::uint8_t { kMalformed, kUntrusted, kStale, kPolicy, kUnavailable, kUsage, kInternal };

enum class Reason : std::uint8_t {
#define GATEHOUSE_REASON(name, token, cls, sentence) name,
#include "common/base/reasons.def"
#undef GATEHOUSE_REASON
};

struct ReasonInfo {
  Reason reason;
  std::string_view token;
  ReasonClass reason_class;
  std::string_view sentence;
};

// Every reason, in the order of reasons.def; the index of a reason is its numeric value.
[[nodiscard]] std::span<const ReasonInfo> AllReasons();

[[nodiscard]] std::string_view Token(Reason reason);
[[nodiscard]] std::string_view Sentence(Reason reason);
[[nodiscard]] ReasonClass ClassOf(Reason reason);
[[nodiscard]] std::optional<Reason> ReasonFromToken(std::string_view token);
// "malformed", "untrusted", ...
[[nodiscard]] std::string_view Token(ReasonClass reason_class);

}  // namespace gatehouse
