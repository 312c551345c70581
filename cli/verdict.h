// What the verbs about evidence print: {"result", "reasons": [{"token", "where", "detail"}], "claims": {…}}.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "common/appraisal/finding.h"
#include "common/codec/json.h"

namespace gatehouse::cli {

struct Verdict {
  std::vector<appraisal::Finding> reasons;  // none: affirming
  bool warning = false;                     // the reasons refuse nothing (a policy in mode warn or audit)
  std::function<void(codec::JsonWriter&)> claims = nullptr;  // members of the object; null: none
};

// "affirming", "warning", "contraindicated"; "none" if there is nothing but what could not be checked.
[[nodiscard]] std::string_view ResultOf(const Verdict& verdict);
// Prints it, and gives the exit status: 0 affirming or warning, 1 refused, 3 could not check.
int Report(const Verdict& verdict);
// An error as a verdict: usage (2) and what could not be read go to stderr, anything else is a refusal.
int ReportError(const Error& error);

}  // namespace gatehouse::cli
