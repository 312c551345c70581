// Parts of our documents that several of the translators make, and the translators themselves. Internal to this room.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/import/import.h"
#include "common/import/node.h"
#include "common/import/reader.h"

namespace gatehouse::importer {

// What one import makes.
struct Draft {
  const Options& options;
  Report& report;
  std::vector<Node> documents = {};

  // Names the TrustRoot with public-good material, with a note that it must be there.
  [[nodiscard]] std::string PublicGood();
};

[[nodiscard]] Node Document(const std::string& kind, const std::string& name, Node spec);
// A text fit for a name of ours: lower case, digits, '-' and '.'.
[[nodiscard]] std::string NameOf(std::string_view text);
// [{glob: …}]
[[nodiscard]] Node Globs(const std::vector<std::string>& globs);
// policy-controller's: a glob without a registry is of Docker Hub, and so are "*" and "*/*". Nothing for one whose
// wildcard stands for a registry and more, which no glob of ours says.
[[nodiscard]] std::optional<std::string> WithRegistry(const std::string& glob);
// Of systems whose '*' crosses '/'.
[[nodiscard]] std::string Crossing(std::string_view text);
// The texts with a newline at the end, so that they become blocks.
[[nodiscard]] std::string Pem(std::string text);

// --- one foreign document each; true if it is one of theirs
bool ImportClusterImagePolicy(codec::JsonView document, Draft& draft);
bool ImportPolicyControllerTrustRoot(codec::JsonView document, Draft& draft);
bool ImportKyverno(codec::JsonView document, Draft& draft);
bool ImportConnaisseur(codec::JsonView document, Draft& draft);
bool ImportNotation(codec::JsonView document, Draft& draft);

}  // namespace gatehouse::importer
