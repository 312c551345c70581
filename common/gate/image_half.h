// The image half of a decision: each distinct image of a request under the policies that cover it. Internal to this
// room.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/gate/credentials.h"
#include "common/gate/decision.h"
#include "common/gate/image_verifier.h"

namespace gatehouse::gate {

// One snapshot of everything that the judgement depends on.
struct ImageQuestion {
  const admission::ReviewRequest& request;
  const policy::PolicySet& set;
  const std::optional<policy::Labels>& namespace_labels;  // nothing: not known
  const policy::Labels& implicit_labels;
  const CredentialSource& credentials;
  const Deadline& deadline;
  Unmatched unmatched;
};

enum class Which : std::uint8_t {
  kAll,      // what has to be judged
  kNewTags,  // of that, what is brought in under a tag alone
};

// One distinct image of a request: judged once, whatever the number of containers that use it.
struct JudgedImage {
  std::string subject;
  std::string text;  // as written
  bool unchanged;    // was there before; judged for the policies that a change of labels brings upon it
  std::size_t uses = 1;
  std::optional<image::Reference> reference{};  // nothing: the text is none
  // The policies that cover it: first ImagePolicies, then those of the namespace, so that what is written in a
  // namespace can neither use up the time of the cluster's own policies nor stand in their place.
  std::vector<const policy::ImagePolicy*> policies{};
  std::vector<Finding> findings{};
  std::vector<Approval> approvals{};
  // The digest over which a signature was verified that a policy asks for. Nothing if anything denies the image.
  std::optional<Digest> verified{};

  [[nodiscard]] bool denied() const;
};

// Several at a time. Never throws for what a request says; what is not judged by the deadline is a finding.
[[nodiscard]] std::vector<JudgedImage> JudgeImages(const ImageQuestion& question, Which which,
                                                   const ImageVerifier& verifier);

}  // namespace gatehouse::gate
