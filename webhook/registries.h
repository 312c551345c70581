// How registries are reached, from the configuration and the environment's proxy settings.
#pragma once

#include <memory>

#include "common/net/https_transport.h"
#include "common/registry/client.h"
#include "common/telemetry/metrics.h"
#include "webhook/config/config.h"

namespace gatehouse::webhook {

// Counts what registries answer. `connections`: to all of them at once (ConnectionShares). `public_only`: neither local
// nor private addresses, whatever the configuration says of local ones, but for its exceptions. Errors: kConfigInvalid,
// those of files, certificates and keys.
[[nodiscard]] Result<std::unique_ptr<net::HttpTransport>> MakeRegistryTransport(const RegistryConfig& config,
                                                                                telemetry::Metrics& metrics,
                                                                                std::size_t connections,
                                                                                bool public_only = false);

[[nodiscard]] registry::ClientOptions MakeClientOptions(const RegistryConfig& config);

// The credential helpers that the configuration lists; each sees PATH, HOME and what it lists, as they are now. `clock`
// must outlive the result.
[[nodiscard]] registry::CredentialProviders MakeCredentialProviders(const RegistryConfig& config, const Clock& clock);

}  // namespace gatehouse::webhook
