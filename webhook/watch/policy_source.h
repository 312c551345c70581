// Where the policies in force come from: a folder (PolicyWatcher) or the Kubernetes API (ClusterPolicies).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/policy/documents.h"

namespace gatehouse::webhook {

class PolicySource {
 public:
  using OnChange = std::function<void(const std::shared_ptr<const policy::PolicySet>&)>;

  virtual ~PolicySource() = default;
  // Begins to watch; `on_change` is called from the watching thread after each swap.
  virtual void Start(OnChange on_change) = 0;
  virtual void Stop() = 0;
  // Never null once Ready().
  [[nodiscard]] virtual std::shared_ptr<const policy::PolicySet> Current() const = 0;
  // Whether everything was read once.
  [[nodiscard]] virtual bool Ready() const = 0;
  // What is wrong, if what is in force is not all that there is, or may be out of date.
  [[nodiscard]] virtual std::vector<std::string> Problems() const = 0;
};

}  // namespace gatehouse::webhook
