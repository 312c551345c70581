// What the verbs print: tables, ages, what is to be done.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/facts.h"
#include "cli/options.h"

namespace gatehouse::cli {

// Columns as wide as they must be, two spaces apart; nothing behind the last one.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  [[nodiscard]] std::string Text(const std::string& indent) const;
  [[nodiscard]] bool empty() const { return rows_.size() == 1; }

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "12s", "5m", "3h", "4d", as kubectl shows ages.
[[nodiscard]] std::string Age(Duration age);
// "12m ago", "in 5m".
[[nodiscard]] std::string Relative(WallTime time, WallTime now);
// "where: detail [token]".
[[nodiscard]] std::string Describe(const appraisal::Finding& finding);

// How this program was called: "gatehouse", or "kubectl gatehouse" as a plugin of kubectl.
[[nodiscard]] std::string ProgramName(std::string_view argv0);

// "Untrusted", "Untrusted (not enforced)" where pods may be put on it all the same, or "not covered" for a node that no
// NodePolicy covers.
[[nodiscard]] std::string VerdictText(const NodeFact& node);
// What an admin can do about a node; nothing if it is trusted.
[[nodiscard]] std::vector<std::string> AdviceFor(const NodeFact& node, const KubeOptions& options);
// The whole of what `why node` says. With JSON one object.
[[nodiscard]] std::string DescribeNode(const NodeFact& node, const Facts& facts, const KubeOptions& options);
void WriteNode(codec::JsonWriter& json, const NodeFact& node, const Facts& facts, const KubeOptions& options);
// kAdmitted if pods may be put on it as far as policies in force are concerned.
[[nodiscard]] ExitCode ExitCodeOf(const NodeFact& node);

}  // namespace gatehouse::cli
