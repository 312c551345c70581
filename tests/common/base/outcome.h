// How a Result ended, in a form that reads well in a failed expectation.
#pragma once

#include <string>

#include "common/base/result.h"

namespace gatehouse {

// "ok", or the token of the error's reason.
template <typename T>
std::string Outcome(const Result<T>& result) {
  return result.ok() ? "ok" : std::string(Token(result.error().reason));
}

// "ok", or the whole error.
template <typename T>
std::string Explain(const Result<T>& result) {
  return result.ok() ? "ok" : result.error().ToString();
}

}  // namespace gatehouse
