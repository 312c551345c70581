// The Lease by which a replica says that it lives and what it has in force.
#pragma once

#include <string>
#include <string_view>

#include "webhook/control/policy_status.h"

namespace gatehouse::webhook {

inline constexpr std::string_view kReportAnnotation = "gatehouse.dev/report";
inline constexpr std::chrono::seconds kReplicaAlive{30};  // after a renewal

[[nodiscard]] std::string ReplicaLeaseName(const ReportOptions& options);
// The whole object, to be created or merged.
[[nodiscard]] std::string ReplicaLease(const ReportOptions& options, const std::string& report, WallTime now);

}  // namespace gatehouse::webhook
