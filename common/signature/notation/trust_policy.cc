#include "common/signature/notation/trust_policy.h"

#include <algorithm>
#include <array>
#include <set>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/image/reference.h"

namespace gatehouse::signature::notation {
namespace {

using codec::JsonDocument;
using codec::JsonView;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

constexpr std::string_view kVersion = "1.0";
constexpr std::string_view kAny = "*";
constexpr std::string_view kSubjectPrefix = "x509.subject:";
constexpr std::array<std::string_view, 3> kMandatoryAttributes = {"C", "ST", "O"};

// trust-store-trust-policy.md, "Signature Verification details": what each level does.
struct Level {
  std::string_view name;
  Action authenticity;
  Action others;  // authentic timestamp, expiry, revocation
};
constexpr std::array kLevels = {
    Level{"strict", Action::kEnforce, Action::kEnforce},
    Level{"permissive", Action::kEnforce, Action::kLog},
    Level{"audit", Action::kLog, Action::kLog},
};

void ReadOverrides(ObjectReader& reader, std::map<Check, Action>& actions) {
  // "Custom Verification Level": integrity "cannot be specified as a key", and only revocation may be skipped.
  const auto read = [&](std::string_view key, Check check, bool may_skip) {
    const std::optional<std::string> action =
        may_skip ? reader.OptionalEnum(key, {"enforce", "log", "skip"}) : reader.OptionalEnum(key, {"enforce", "log"});
    if (!action) return;
    actions[check] = *action == "enforce" ? Action::kEnforce : *action == "log" ? Action::kLog : Action::kSkip;
  };
  read("authenticity", Check::kAuthenticity, false);
  read("authenticTimestamp", Check::kAuthenticTimestamp, false);
  read("expiry", Check::kExpiry, false);
  read("revocation", Check::kRevocation, true);
}

void ReadVerification(ObjectReader& reader, TrustPolicyStatement& statement) {
  const std::optional<std::string> level = reader.OptionalEnum("level", {"strict", "permissive", "audit", "skip"});
  if (!level) return reader.Fail("level", "is required: strict, permissive, audit or skip");
  statement.skip = *level == "skip";
  if (const auto* found = std::ranges::find(kLevels, *level, &Level::name); found != kLevels.end()) {
    statement.actions = {{Check::kAuthenticity, found->authenticity},
                         {Check::kAuthenticTimestamp, found->others},
                         {Check::kExpiry, found->others},
                         {Check::kRevocation, found->others}};
  }
  reader.Object("override", Presence::kOptional, [&](ObjectReader& overrides) {
    // "A skip level cannot be customized."
    if (statement.skip && overrides.view().size() > 0) return overrides.Fail("", "the level skip cannot be overridden");
    ReadOverrides(overrides, statement.actions);
  });
  if (const auto timestamp = reader.OptionalEnum("verifyTimestamp", {"always", "afterCertExpiry"})) {
    statement.timestamp_always = *timestamp == "always";
  }
}

// "fully qualified repository URIs": with a registry, without a tag or digest. Kept in the one spelling that an image's
// name gets (Docker Hub has several): one that is never equal to an image's would leave the image to the statement
// with "*", which may ask for less.
Result<std::string> ReadScope(std::string_view text) {
  const auto invalid = [&](std::string_view why) {
    return Error{Reason::kPolicyInvalid, "",
                 "'" + Printable(text, 128) + "' " + std::string(why) + "; write registry.example/repository"};
  };
  if (text == kAny) return std::string(kAny);
  if (text.find('*') != std::string_view::npos) return invalid("has a '*' beside other text");
  const Result<image::Reference> reference = image::Reference::Parse(text);
  if (!reference.ok()) return invalid("is not the name of a repository");
  if (reference->digest() || reference->tag() != "latest" || text.ends_with(":latest")) {
    return invalid("has a tag or a digest");
  }
  // "URIs must be fully qualified. E.g. the scope should be docker.io/library/registry rather than registry."
  std::string written(text.substr(0, text.find('/')));
  for (char& c : written) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (written != reference->domain() && written != "index.docker.io") return invalid("does not begin with a registry");
  return reference->Name();
}

void ReadScopes(ObjectReader& reader, TrustPolicyStatement& statement, std::set<std::string>& seen) {
  const std::vector<std::string> scopes = reader.Strings("registryScopes", Presence::kRequired);
  for (std::size_t i = 0; i < scopes.size() && reader.ok(); ++i) {
    Result<std::string> scope = ReadScope(scopes[i]);
    if (!scope.ok()) return reader.Fail("registryScopes", scope.error().detail);
    if (*scope == kAny && scopes.size() > 1) return reader.Fail("registryScopes", "'*' must stand alone");
    // "For a given artifact there MUST be only one applicable trust policy, except for trust policy with global scope."
    if (!seen.insert(*scope).second) {
      return reader.Fail("registryScopes", "'" + Printable(*scope, 128) + "' is already the scope of a statement");
    }
    statement.registry_scopes.push_back(std::move(scope).value());
  }
  // "Note that skip cannot be used with a global scope (*)".
  if (statement.skip && statement.registry_scopes == std::vector<std::string>{std::string(kAny)}) {
    reader.Fail("registryScopes", "the level skip cannot be used with '*'; name the repositories");
  }
}

bool IsStoreName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
  });
}

void ReadStores(ObjectReader& reader, TrustPolicyStatement& statement) {
  bool signers = false;
  for (const std::string& store : reader.Strings("trustStores", Presence::kOptional)) {
    const std::size_t colon = store.find(':');
    const std::string_view type = std::string_view(store).substr(0, colon);
    if (colon == std::string::npos || (type != "ca" && type != "signingAuthority" && type != "tsa") ||
        !IsStoreName(std::string_view(store).substr(colon + 1))) {
      return reader.Fail("trustStores", "'" + Printable(store, 128) + "' must read ca:NAME, signingAuthority:NAME or " +
                                            "tsa:NAME with a name of letters, digits, '_', '.' and '-'");
    }
    signers = signers || type != "tsa";
    if (std::ranges::find(statement.trust_stores, store) == statement.trust_stores.end()) {
      statement.trust_stores.push_back(store);
    }
  }
  if (!reader.ok() || statement.skip) return;
  if (!signers) reader.Fail("trustStores", "must name a store of the type ca or signingAuthority");
}

Result<TrustIdentity> ReadIdentity(std::string_view text) {
  TrustIdentity identity;
  identity.any = text == kAny;
  if (identity.any) return identity;
  // "Other types of trusted identities may be supported, by using an alternate prefix": only plugins know any.
  if (!text.starts_with(kSubjectPrefix)) {
    return Error{Reason::kPolicyInvalid, "", "'" + Printable(text, 128) + "' must read x509.subject: C=, ST=, O=, ..."};
  }
  ASSIGN_OR_RETURN(identity.attributes, ParseDistinguishedName(text.substr(kSubjectPrefix.size())));
  // "Each identity in identities list MUST contain country (C), state or province (ST), and organization (O) RDNs."
  for (const std::string_view name : kMandatoryAttributes) {
    if (std::ranges::none_of(identity.attributes, [&](const auto& attribute) { return attribute.first == name; })) {
      return Error{Reason::kPolicyInvalid, "",
                   "'" + Printable(text, 128) + "' lacks " + std::string(name) + "; C, ST and O must be there"};
    }
  }
  return identity;
}

// Whether every certificate that `narrow` names is one that `wide` names too. Taken by the letter, "there exists a
// certificate for which multiple DNs evaluate true" also holds for two names that differ in attributes of different
// types; Notation refuses what is a subset only, and a policy that it accepts is accepted here.
bool Covers(const TrustIdentity& wide, const TrustIdentity& narrow) {
  return std::ranges::all_of(wide.attributes, [&](const auto& attribute) {
    return std::ranges::find(narrow.attributes, attribute) != narrow.attributes.end();
  });
}

void ReadIdentities(ObjectReader& reader, TrustPolicyStatement& statement) {
  const std::vector<std::string> texts = reader.Strings("trustedIdentities", Presence::kOptional);
  for (const std::string& text : texts) {
    Result<TrustIdentity> identity = ReadIdentity(text);
    if (!identity.ok()) return reader.Fail("trustedIdentities", identity.error().detail);
    if (identity->any && texts.size() > 1) return reader.Fail("trustedIdentities", "'*' must stand alone");
    for (const TrustIdentity& other : statement.trusted_identities) {
      if (!Covers(other, *identity) && !Covers(*identity, other)) continue;
      return reader.Fail("trustedIdentities", "'" + Printable(text, 128) + "' overlaps with another identity");
    }
    statement.trusted_identities.push_back(std::move(identity).value());
  }
}

void ReadStatement(ObjectReader& reader, TrustPolicy& policy, std::set<std::string>& scopes) {
  TrustPolicyStatement statement;
  statement.name = reader.String("name");
  if (std::ranges::find(policy.statements, statement.name, &TrustPolicyStatement::name) != policy.statements.end()) {
    reader.Fail("name", "another statement has this name");
  }
  reader.Object("signatureVerification", Presence::kRequired,
                [&](ObjectReader& verification) { ReadVerification(verification, statement); });
  ReadScopes(reader, statement, scopes);
  ReadStores(reader, statement);
  ReadIdentities(reader, statement);
  if (statement.skip && (!statement.trust_stores.empty() || !statement.trusted_identities.empty())) {
    reader.Fail("", "has the level skip and yet trust stores or identities, which nothing would ever look at");
  }
  if (!statement.skip && statement.trusted_identities.empty()) {
    reader.Fail("trustedIdentities", "must not be empty; '*' trusts everybody whom a store's CA has certified");
  }
  policy.statements.push_back(std::move(statement));
}

}  // namespace

Action TrustPolicyStatement::ActionOf(Check check) const {
  if (skip) return Action::kSkip;
  if (check == Check::kIntegrity) return Action::kEnforce;
  const auto action = actions.find(check);
  return action == actions.end() ? Action::kEnforce : action->second;
}

const TrustPolicyStatement* TrustPolicy::For(std::string_view repository) const {
  const TrustPolicyStatement* global = nullptr;
  for (const TrustPolicyStatement& statement : statements) {
    for (const std::string& scope : statement.registry_scopes) {
      if (scope == repository) return &statement;
      if (scope == kAny) global = &statement;
    }
  }
  return global;
}

Result<TrustPolicy> ParseTrustPolicy(std::string_view json) {
  Result<JsonDocument> document = JsonDocument::Parse(json, {.max_bytes = limits::kNotationPolicyBytes});
  if (!document.ok()) {
    if (document.error().reason == Reason::kLimitExceeded) return document.error();
    return Error{Reason::kPolicyInvalid, "$", "not JSON: " + document.error().detail};
  }
  TrustPolicy policy;
  std::set<std::string> scopes;
  ObjectReader reader(*document, document->root(), Reason::kPolicyInvalid);
  if (const std::string version = reader.String("version"); reader.ok() && version != kVersion) {
    reader.Fail("version", "must be \"1.0\"");
  }
  reader.Each("trustPolicies", Presence::kRequired,
              [&](ObjectReader& statement) { ReadStatement(statement, policy, scopes); });
  RETURN_IF_ERROR(reader.Finish());
  return policy;
}

}  // namespace gatehouse::signature::notation
