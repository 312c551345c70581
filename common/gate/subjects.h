// What of an image has to be vouched for: what its reference stands for, or each image of an index. Internal to this
// room.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/gate/evidence.h"
#include "common/gate/verification_cache.h"
#include "common/policy/documents.h"

namespace gatehouse::gate {

struct Subject {
  Digest digest;
  std::string where;                            // "platform linux/arm64"; empty: what the reference stands for
  std::optional<image::Descriptor> descriptor;  // where its bytes are known
  std::set<std::size_t> policies;               // which of them ask for it
};

struct Subjects {
  std::vector<Subject> subjects;
  std::optional<Error> fault;             // why the images of the index are not known
  std::set<std::size_t> unknown_to = {};  // the policies that ask for them
};

// An index is looked into only if a policy asks for it. `content`: of `digest`, if it is known already; fetched if it
// is needed.
[[nodiscard]] Subjects SubjectsOf(const Access& access, const Digest& digest,
                                  std::optional<registry::VerifiedContent> content,
                                  const std::vector<const policy::ImagePolicy*>& policies);

// All subjects of one policy must be vouched for. A definite no of one is one, whatever could not be found out about
// others.
struct SubjectVerdict {
  const Subject* subject;
  PolicyVerdict verdict;
};
[[nodiscard]] PolicyVerdict Together(std::vector<SubjectVerdict> verdicts);

}  // namespace gatehouse::gate
