// The command lines of cli/evidence.h.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "cli/evidence.h"

namespace CLI {
class App;
}

namespace gatehouse::cli {

class EvidenceVerbs {
 public:
  explicit EvidenceVerbs(CLI::App& app);
  // What the verb that was given returns; nothing: it was another one.
  [[nodiscard]] std::optional<int> Run();

 private:
  void AddAppraise(CLI::App& app);
  void AddMeasure(CLI::App& app);
  void AddDiff(CLI::App& app);

  AppraiseOptions appraise_;
  MeasureOptions measure_;
  DiffOptions diff_;
  std::vector<std::pair<const CLI::App*, std::function<int()>>> verbs_;
};

}  // namespace gatehouse::cli
