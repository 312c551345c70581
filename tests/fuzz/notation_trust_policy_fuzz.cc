// Notation's trust policy: what is accepted keeps every rule of the specification, and each scope finds its statement.
#include <algorithm>
#include <set>

#include "common/signature/notation/trust_policy.h"
#include "tests/fuzz/check.h"

using gatehouse::Reason;
using gatehouse::signature::notation::Action;
using gatehouse::signature::notation::Check;
using gatehouse::signature::notation::ParseTrustPolicy;
using gatehouse::signature::notation::TrustIdentity;
using gatehouse::signature::notation::TrustPolicyStatement;

namespace {

void CheckIdentity(const TrustIdentity& identity, std::size_t count) {
  if (identity.any) {
    FUZZ_CHECK(count == 1 && identity.attributes.empty());
    return;
  }
  std::set<std::string> names;
  for (const auto& [name, value] : identity.attributes) FUZZ_CHECK(!value.empty() && names.insert(name).second);
  for (const char* const name : {"C", "ST", "O"}) FUZZ_CHECK(names.contains(name));
}

void CheckStatement(const TrustPolicyStatement& statement) {
  FUZZ_CHECK(!statement.name.empty() && !statement.registry_scopes.empty());
  const bool global = std::ranges::find(statement.registry_scopes, "*") != statement.registry_scopes.end();
  FUZZ_CHECK(!global || (statement.registry_scopes.size() == 1 && !statement.skip));
  FUZZ_CHECK(statement.skip == statement.trust_stores.empty());
  FUZZ_CHECK(statement.skip == statement.trusted_identities.empty());
  FUZZ_CHECK(statement.ActionOf(Check::kIntegrity) == (statement.skip ? Action::kSkip : Action::kEnforce));
  for (const Check check : {Check::kAuthenticity, Check::kAuthenticTimestamp, Check::kExpiry}) {
    FUZZ_CHECK((statement.ActionOf(check) == Action::kSkip) == statement.skip);
  }
  for (const TrustIdentity& identity : statement.trusted_identities) {
    CheckIdentity(identity, statement.trusted_identities.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto policy = ParseTrustPolicy(gatehouse::AsText({data, size}));
  if (!policy.ok()) {
    FUZZ_CHECK(policy.error().reason == Reason::kPolicyInvalid || policy.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  std::set<std::string> names;
  FUZZ_CHECK(!policy->statements.empty());
  for (const TrustPolicyStatement& statement : policy->statements) {
    FUZZ_CHECK(names.insert(statement.name).second);
    CheckStatement(statement);
    for (const std::string& scope : statement.registry_scopes) {
      if (scope != "*") FUZZ_CHECK(policy->For(scope) == &statement);
    }
  }
  return 0;
}
