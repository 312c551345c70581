// Keeps the policies of the Kubernetes API in force: ImagePolicy, NamespacedImagePolicy, NodePolicy, ReferenceValues,
// TrustRoot, and the labels of Namespaces.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/kube/informer.h"
#include "common/policy/loader.h"
#include "common/telemetry/metrics.h"
#include "webhook/watch/policy_source.h"

namespace gatehouse::webhook {

// Swaps the set as a whole shortly after something changed (changes that come together are taken together, 50 ms).
// A watch that is silent for longer than `stale_after` is a problem, and so is an object that is not in force.
class ClusterPolicies final : public PolicySource {
 public:
  ClusterPolicies(kube::Api& api, Duration stale_after, telemetry::Logger& log, telemetry::Metrics& metrics,
                  Random random);
  ~ClusterPolicies() override;

  void Start(OnChange on_change) override;
  void Stop() override;
  // An empty set before Ready().
  [[nodiscard]] std::shared_ptr<const policy::PolicySet> Current() const override;
  // After the first complete sync of all of them.
  [[nodiscard]] bool Ready() const override;
  [[nodiscard]] std::vector<std::string> Problems() const override;
  // Of every policy object; for reports.
  [[nodiscard]] std::vector<policy::ObjectState> States() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::webhook
