// One deviation of a node from what its policy asks for.
#pragma once

#include <string>

#include "common/base/reason.h"

namespace gatehouse::appraisal {

struct Finding {
  Reason reason;
  std::string where;   // "pcr 7 (sha256)", "boot event 12 (pcr 4)", "ima entry 812"
  std::string detail;  // what was found and what was expected, or what would accept it
  friend bool operator==(const Finding&, const Finding&) = default;
};

}  // namespace gatehouse::appraisal
