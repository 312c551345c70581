// Docker's credential helpers: a program docker-credential-NAME that gives the secret for a registry.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/registry/credentials.h"
#include "common/registry/single_flight.h"

namespace gatehouse::registry {

struct CredentialHelperOptions {
  std::string name;                                     // "ecr-login": for messages
  std::string file;                                     // the program, an absolute path
  std::map<std::string, std::string> environment = {};  // all that it gets to see
  bool unsafe_any_registry = false;                     // CredentialProvider::ForAnyRegistry
  Duration keep{60'000};                                // an answer, also "nothing"
  Duration keep_failure{5'000};
};

// Runs "FILE get" with the registry's name on its standard input, for limits::kCredentialHelperTime at most, once for
// everybody who asks at the same time. What it says is remembered in memory for a short while, for a bounded number of
// registries, and shown nowhere. It is run by nobody who did not ask for it: see webhook/registries.h.
class CredentialHelper final : public CredentialProvider {
 public:
  CredentialHelper(CredentialHelperOptions options, const Clock& clock);
  [[nodiscard]] Result<std::optional<BasicCredential>> Get(const std::string& server,
                                                           const Deadline& deadline) override;
  [[nodiscard]] bool ForAnyRegistry() const override { return options_.unsafe_any_registry; }

 private:
  using Answer = std::optional<BasicCredential>;
  struct Kept {
    Result<Answer> answer;
    MonoTime until;
  };
  [[nodiscard]] Result<Answer> Run(const std::string& server, const Deadline& deadline) const;
  [[nodiscard]] std::optional<Result<Answer>> Find(const std::string& server);
  void Keep(const std::string& server, const Result<Answer>& answer);

  const CredentialHelperOptions options_;
  const Clock& clock_;
  SingleFlight<Answer> flights_;
  std::mutex mutex_;
  std::map<std::string, Kept> kept_;
};

// {"ServerURL","Username","Secret"} as a helper prints it. Errors: kConfigInvalid; never what was printed.
[[nodiscard]] Result<BasicCredential> ParseHelperCredential(std::string_view output);

}  // namespace gatehouse::registry
