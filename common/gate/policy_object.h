// The judgement over an object of our own group. Internal to this room.
#pragma once

#include "common/gate/decision.h"

namespace gatehouse::gate {

// Refused if the loader would not take it, so that nobody writes what can never be in force. What it refers to may be
// written later: what the set does not have yet is a warning.
void JudgePolicyObject(const admission::ReviewRequest& request, const policy::PolicySet& set, Decision& decision);

}  // namespace gatehouse::gate
