#include "webhook/credentials/pull_secrets.h"

#include <algorithm>
#include <utility>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"

namespace gatehouse::webhook {
namespace {

using codec::JsonView;

constexpr std::string_view kDockerConfigJson = "kubernetes.io/dockerconfigjson";
constexpr std::string_view kDockerConfig = "kubernetes.io/dockercfg";
const kube::Resource kServiceAccounts{"", "v1", "serviceaccounts"};

// A DNS subdomain, as the API server has names of these kinds. What is none cannot exist; asked for nevertheless it may
// mean something else: no name is the list of all, ".." another object.
bool IsName(std::string_view name) {
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 253 && alnum(name.front()) && alnum(name.back()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return alnum(c) || c == '-' || c == '.'; });
}

// "Secret shop/pull"
std::string Described(std::string_view kind, const gate::SecretName& name) {
  return std::string(kind) + " " + Printable(name.namespace_name, 64) + "/" + Printable(name.name, 64);
}

Result<std::string> EntryOf(JsonView secret, std::string_view key) {
  auto bytes = DecodeBase64(kube::TextAt(secret, {"data", key}));
  if (!bytes.ok() || bytes->empty())
    return Error{Reason::kConfigInvalid, "", "has no entry " + std::string(key) + " in base64"};
  return std::string(AsText(*bytes));
}

// The older type has what the newer one has under "auths". It is parsed before it is put in there, so that it cannot
// close the object and go on with members of its own.
Result<std::string> Modern(const std::string& config) {
  auto document = codec::JsonDocument::Parse(config, {.max_bytes = limits::kDockerConfigBytes});
  if (!document.ok()) return Error{Reason::kConfigInvalid, "", document.error().detail};
  return "{\"auths\":" + document->root().Serialize() + "}";
}

// Secrets of other types are not for registries, whoever names them. Credential helpers are Gatehouse's own
// configuration alone: no name in a Secret runs a program.
Result<std::shared_ptr<const registry::Credentials>> ReadSecret(JsonView secret) {
  const std::string_view type = kube::TextAt(secret, {"type"});
  std::string config;
  if (type == kDockerConfigJson) {
    ASSIGN_OR_RETURN(config, EntryOf(secret, ".dockerconfigjson"));
  } else if (type == kDockerConfig) {
    ASSIGN_OR_RETURN(std::string old, EntryOf(secret, ".dockercfg"));
    ASSIGN_OR_RETURN(config, Modern(old));
  } else {
    return Error{Reason::kConfigInvalid, "",
                 "is of the type '" + Printable(type, 64) + "', not " + std::string(kDockerConfigJson)};
  }
  ASSIGN_OR_RETURN(auto credentials, registry::Credentials::FromDockerConfig(config, ""));
  return std::make_shared<const registry::Credentials>(std::move(credentials));
}

std::vector<std::string> ReadServiceAccount(JsonView account) {
  std::vector<std::string> names;
  auto secrets = account.Find("imagePullSecrets");
  for (std::size_t i = 0; secrets && secrets->IsArray() && i < secrets->size(); ++i) {
    std::string name(kube::TextAt(secrets->at(i), {"name"}));
    if (!name.empty()) names.push_back(std::move(name));
  }
  return names;
}

}  // namespace

PullSecrets::PullSecrets(kube::Api& api, const Clock& clock, OwnCredentials own, Options options)
    : api_(api), clock_(clock), own_(std::move(own)), options_(std::move(options)) {}

std::size_t PullSecrets::remembered() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

std::optional<Result<PullSecrets::Value>> PullSecrets::Remembered(const std::string& path) {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(path);
  if (found == entries_.end() || found->second.until <= clock_.Mono()) return std::nullopt;
  return found->second.value;
}

void PullSecrets::Remember(const std::string& path, const Result<Value>& value) {
  const Duration lifetime = value.ok() ? options_.remember : options_.remember_failure;
  std::lock_guard lock(mutex_);
  if (auto found = entries_.find(path); found != entries_.end()) {
    ages_.erase(found->second.age);
    entries_.erase(found);
  }
  // What may be used no longer is not kept either.
  const auto over = [&] { return !ages_.empty() && entries_.at(ages_.front()).until <= clock_.Mono(); };
  while (over() || entries_.size() >= limits::kCachedPullSecrets) {
    entries_.erase(ages_.front());
    ages_.pop_front();
  }
  ages_.push_back(path);
  entries_.emplace(path, Entry{value, clock_.Mono() + lifetime, std::prev(ages_.end())});
}

Result<PullSecrets::Value> PullSecrets::Get(const kube::Resource& resource, const gate::SecretName& name,
                                            const Deadline& deadline) {
  if (!IsName(name.namespace_name) || !IsName(name.name)) return Error{Reason::kKubeNotFound, "", "is no name"};
  const std::string path = kube::PathOf(resource, name.namespace_name, name.name);
  if (auto remembered = Remembered(path)) return *std::move(remembered);
  auto read = [&]() -> Result<Value> {
    auto document = api_.Get(path, deadline);
    if (!document.ok()) return Error{document.error().reason, "", document.error().detail};
    if (resource == kServiceAccounts) return Value(ReadServiceAccount(document->root()));
    ASSIGN_OR_RETURN(auto credentials, ReadSecret(document->root()));
    return Value(std::move(credentials));
  };
  // Not asked is not known: the next one asks.
  if (deadline.Passed()) return Error{Reason::kDeadlineExceeded, "", "there was no time left to read it"};
  return flights_.Do(path, deadline, [&] {
    // Somebody else's answer may have come since it was looked for.
    if (auto remembered = Remembered(path)) return *std::move(remembered);
    // That the one who asks has little time left says nothing of the API: others, of other namespaces, have more.
    const bool in_haste = deadline.Remaining() < options_.patience / 2;
    Result<Value> value = read();
    const bool unknown = !value.ok() && ClassOf(value.error().reason) == ReasonClass::kUnavailable;
    if (!in_haste || !unknown) Remember(path, value);
    return value;
  });
}

// Each once, in the order in which they are tried.
std::vector<gate::SecretName> PullSecrets::SecretsOf(const gate::CredentialQuery& query, const Deadline& deadline,
                                                     std::vector<std::string>& problems) {
  std::vector<gate::SecretName> secrets;
  bool too_many = false;
  const auto add = [&](gate::SecretName name) {
    if (std::find(secrets.begin(), secrets.end(), name) != secrets.end()) return;
    if (secrets.size() < limits::kPullSecrets) return secrets.push_back(std::move(name));
    if (!std::exchange(too_many, true))
      problems.push_back("more than " + std::to_string(limits::kPullSecrets) + " pull secrets: the rest is not read");
  };
  for (const gate::SecretName& name : query.policy_secrets) {
    if (name.namespace_name.empty()) {
      add({options_.own_namespace, name.name});
    } else if (options_.of_namespaces) {
      add(name);
    } else {
      problems.push_back("the " + Described("Secret", name) +
                         " of a policy is not read: registry.podPullSecrets is off");
    }
  }
  if (!options_.of_namespaces) return secrets;
  for (const std::string& name : query.pod_secrets) add({query.namespace_name, name});
  if (!query.pod_secrets.empty() || query.service_account.empty()) return secrets;
  const gate::SecretName account{query.namespace_name, query.service_account};
  auto names = Get(kServiceAccounts, account, deadline);
  if (!names.ok()) {
    problems.push_back("the " + Described("ServiceAccount", account) + " was not read: " + names.error().ToString());
    return secrets;
  }
  for (const std::string& name : std::get<std::vector<std::string>>(*names)) add({query.namespace_name, name});
  return secrets;
}

gate::CredentialsFound PullSecrets::Find(const gate::CredentialQuery& query, const Deadline& deadline) {
  gate::CredentialsFound found{own_()};
  const Deadline own = deadline.Sooner(std::min(options_.patience, deadline.Remaining() / 3));
  const std::vector<gate::SecretName> secrets = SecretsOf(query, own, found.problems);
  if (secrets.empty()) return found;
  registry::Credentials all = *found.credentials;
  for (const gate::SecretName& name : secrets) {
    auto value = Get(kube::kSecrets, name, own);
    if (value.ok()) {
      all = all.With(*std::get<std::shared_ptr<const registry::Credentials>>(*value));
    } else {
      found.problems.push_back("the " + Described("Secret", name) + " was not read: " + value.error().ToString());
    }
  }
  found.credentials = std::make_shared<const registry::Credentials>(std::move(all));
  return found;
}

}  // namespace gatehouse::webhook
