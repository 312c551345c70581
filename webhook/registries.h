// How registries are reached, from the configuration and the environment's proxy settings.
#pragma once

#include <memory>

#include "common/net/https_transport.h"
#include "common/telemetry/metrics.h"
#include "webhook/config/config.h"

namespace gatehouse::webhook {

// Counts what registries answer. Errors: kConfigInvalid, those of files, certificates and keys.
[[nodiscard]] Result<std::unique_ptr<net::HttpTransport>> MakeRegistryTransport(const RegistryConfig& config,
                                                                                telemetry::Metrics& metrics);

}  // namespace gatehouse::webhook
