#include "common/registry/credential_helper.h"

#include <algorithm>

#include "common/base/command.h"
#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"

namespace gatehouse::registry {
namespace {

constexpr std::size_t kKeptServers = 256;
// docker-credential-helpers, credentials/error.go: what a helper prints to its standard output when it exits with 1.
constexpr std::string_view kNotFound = "credentials not found in native keychain";

}  // namespace

Result<BasicCredential> ParseHelperCredential(std::string_view output) {
  const Error bad{Reason::kConfigInvalid, "", "printed no object with Username and Secret"};
  auto document = codec::JsonDocument::Parse(output, {limits::kCredentialHelperBytes});
  if (!document.ok()) return bad;
  codec::ObjectReader reader(*document, document->root(), Reason::kConfigInvalid);
  reader.IgnoreUnknown();  // ServerURL
  BasicCredential credential{reader.String("Username"), reader.String("Secret")};
  if (!reader.Finish().ok()) return bad;
  // So helpers mark an identity token, which is not sent as a password.
  if (credential.username == "<token>")
    return Error{Reason::kConfigInvalid, "", "gives an identity token, which is not supported"};
  return credential;
}

CredentialHelper::CredentialHelper(CredentialHelperOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock) {}

Result<std::optional<BasicCredential>> CredentialHelper::Get(const std::string& server, const Deadline& deadline) {
  if (auto kept = Find(server); kept.has_value()) return *std::move(kept);
  auto answer = flights_.Do(server, deadline, [&]() -> Result<Answer> {
    if (auto kept = Find(server); kept.has_value()) return *std::move(kept);
    auto fresh = Run(server, deadline.Sooner(limits::kCredentialHelperTime));
    // That a caller had no time is nothing to remember, nor what others who have more are to be told.
    if (!fresh.ok() && deadline.Passed()) return Error{Reason::kDeadlineExceeded, "", fresh.error().detail};
    Keep(server, fresh);
    return fresh;
  });
  if (!answer.ok()) return answer.error().In("credential helper " + options_.name);
  return answer;
}

Result<std::optional<BasicCredential>> CredentialHelper::Run(const std::string& server,
                                                             const Deadline& deadline) const {
  Command command{.file = options_.file,
                  .arguments = {options_.file, "get"},
                  .environment = options_.environment,
                  .input = server,
                  .max_output = limits::kCredentialHelperBytes};
  ASSIGN_OR_RETURN(CommandOutcome outcome, RunCommand(command, deadline));
  if (outcome.too_much) return Error{Reason::kConfigInvalid, "", "printed too much"};
  // Nothing of what it wrote is shown: a helper may print a secret anywhere.
  if (outcome.timed_out) return Error{Reason::kRegistryUnavailable, "", "did not end in time"};
  if (outcome.exit_code == 0) {
    ASSIGN_OR_RETURN(BasicCredential credential, ParseHelperCredential(outcome.output));
    return Answer(std::move(credential));
  }
  if (outcome.exit_code == 1 && outcome.output.find(kNotFound) != std::string::npos) return Answer();
  return Error{Reason::kRegistryUnavailable, "", "failed; run it by hand: " + Printable(options_.file, 200) + " get"};
}

std::optional<Result<CredentialHelper::Answer>> CredentialHelper::Find(const std::string& server) {
  std::scoped_lock lock(mutex_);
  auto found = kept_.find(server);
  if (found == kept_.end() || found->second.until <= clock_.Mono()) return std::nullopt;
  return found->second.answer;
}

void CredentialHelper::Keep(const std::string& server, const Result<Answer>& answer) {
  MonoTime now = clock_.Mono();
  MonoTime until = now + (answer.ok() ? options_.keep : options_.keep_failure);
  std::scoped_lock lock(mutex_);
  kept_.insert_or_assign(server, Kept{answer, until});
  if (kept_.size() <= kKeptServers) return;
  std::erase_if(kept_, [&](const auto& each) { return each.second.until <= now; });
  if (kept_.size() <= kKeptServers) return;
  kept_.erase(std::min_element(kept_.begin(), kept_.end(),
                               [](const auto& a, const auto& b) { return a.second.until < b.second.until; }));
}

}  // namespace gatehouse::registry
