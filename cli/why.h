// The parts of `gatehouse why` about pods.
#pragma once

#include <optional>
#include <string>

#include "cli/cluster.h"
#include "cli/options.h"

namespace gatehouse::cli {

// Prints what holds the pod back: what the scheduler was told, what the policies of the cluster say of its images now
// (verified from here), and its node. Nothing if there is no such pod. Errors: those of kube::Api.
[[nodiscard]] Result<std::optional<int>> WhyPod(Cluster& cluster, const std::string& name, const Options& options);
// Prints refusals of pods of that name, or of a workload of that name, that events tell of. Nothing if there are none.
[[nodiscard]] Result<std::optional<int>> WhyRefused(Cluster& cluster, const std::string& name, const Options& options);

}  // namespace gatehouse::cli
