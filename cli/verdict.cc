#include "cli/verdict.h"

#include <algorithm>
#include <iostream>

namespace gatehouse::cli {

std::string_view ResultOf(const Verdict& verdict) {
  if (verdict.reasons.empty()) return "affirming";
  const bool refuted = std::any_of(verdict.reasons.begin(), verdict.reasons.end(), [](const auto& reason) {
    return ClassOf(reason.reason) != ReasonClass::kUnavailable;
  });
  if (!refuted) return "none";
  return verdict.warning ? "warning" : "contraindicated";
}

int Report(const Verdict& verdict) {
  const std::string_view result = ResultOf(verdict);
  codec::JsonWriter json;
  json.BeginObject().Member("result", result).Key("reasons").BeginArray();
  for (const appraisal::Finding& reason : verdict.reasons) {
    json.BeginObject()
        .Member("token", Token(reason.reason))
        .Member("where", reason.where)
        .Member("detail", reason.detail)
        .EndObject();
  }
  json.EndArray().Key("claims").BeginObject();
  if (verdict.claims) verdict.claims(json);
  json.EndObject().EndObject();
  std::cout << std::move(json).Finish() << "\n";
  if (result == "none") return kCouldNotCheck;
  return result == "contraindicated" ? kRefused : kAdmitted;
}

int ReportError(const Error& error) {
  if (ClassOf(error.reason) == ReasonClass::kUsage) {
    std::cerr << "gatehouse: " << error.ToString() << "\n";
    return kUsageOrPolicy;
  }
  return Report({.reasons = {{error.reason, error.where, error.detail}}, .claims = nullptr});
}

}  // namespace gatehouse::cli
