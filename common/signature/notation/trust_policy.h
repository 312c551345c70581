// Notation trust policy 1.0 (notaryproject specifications/specs/trust-store-trust-policy.md), as users have it in
// trustpolicy.json.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/crypto/x509.h"

namespace gatehouse::signature::notation {

enum class Check : std::uint8_t { kIntegrity, kAuthenticity, kAuthenticTimestamp, kExpiry, kRevocation };
enum class Action : std::uint8_t { kEnforce, kLog, kSkip };

struct TrustIdentity {
  bool any = false;  // "*"
  std::vector<std::pair<std::string, std::string>>
      attributes;  // of "x509.subject: C=US, ST=WA, O=acme": all must be there
};

struct TrustPolicyStatement {
  std::string name;
  std::vector<std::string> registry_scopes;  // "registry.example/app", or one "*"
  bool skip = false;                         // level skip: nothing is verified
  std::map<Check, Action> actions;           // of the level with its overrides; integrity is always enforced
  bool timestamp_always = true;              // verifyTimestamp: always (default), or afterCertExpiry
  std::vector<std::string> trust_stores;     // "ca:acme", "signingAuthority:x", "tsa:y"
  std::vector<TrustIdentity> trusted_identities;

  [[nodiscard]] Action ActionOf(Check check) const;
};

struct TrustPolicy {
  std::vector<TrustPolicyStatement> statements;
  // The statement for a repository ("registry.example/app"): the one that names it, else the one with "*", else null.
  [[nodiscard]] const TrustPolicyStatement* For(std::string_view repository) const;
};

// trustpolicy.json: version "1.0"; names unique; a scope in one statement only, "*" alone; level skip without stores
// and identities, others with both; identities with C, ST and O (or "*" alone), not overlapping; overrides only where
// the specification allows them and never of skip; store names [a-zA-Z0-9_.-]+ of type ca, signingAuthority or tsa.
// Unknown members are refused. Errors: kPolicyInvalid with the path, kLimitExceeded (limits::kNotationPolicyBytes).
[[nodiscard]] Result<TrustPolicy> ParseTrustPolicy(std::string_view json);

// Named trust stores: "ca:acme" → certificates. CA stores hold roots (self-signed), or leaves that are self-signed.
using TrustStores = std::map<std::string, std::vector<crypto::Certificate>>;

// An RFC 4514 name into its attributes; attribute names in upper case. Errors: kPolicyInvalid.
[[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> ParseDistinguishedName(std::string_view text);

}  // namespace gatehouse::signature::notation
