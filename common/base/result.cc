#include "common/base/result.h"

namespace gatehouse {

std::string Error::ToString() const {
  std::string text;
  if (!where.empty()) text += where + ": ";
  text += detail.empty() ? std::string(Sentence(reason)) : detail;
  text += " [";
  text += Token(reason);
  text += "]";
  return text;
}

Error Error::In(std::string_view outer) const {
  Error error = *this;
  error.where = error.where.empty() ? std::string(outer) : std::string(outer) + ": " + error.where;
  return error;
}

}  // namespace gatehouse
