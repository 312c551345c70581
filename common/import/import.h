// Policies of other systems in our words. What has no equivalent is listed and refuses the whole: a policy that is
// imported without one of its conditions would be a weaker one under the same name.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace gatehouse::importer {

struct Options {
  // Name of the TrustRoot with Sigstore's public-good material, which these systems know without saying.
  std::string public_good = "sigstore-public-good";
  // Notation's trust stores: "ca:acme" → PEM of its certificates.
  std::map<std::string, std::string> trust_stores = {};
};

struct Outcome {
  std::string yaml;                  // documents of ours; empty if anything was refused
  std::vector<std::string> notes;    // what the reader should know or do: "write a TrustRoot of the name …"
  std::vector<std::string> refused;  // "policy.yaml: $.spec.match: …": everything without an equivalent
};

// `text`: YAML or JSON with documents of these kinds, told by what they hold:
//   policy.sigstore.dev ClusterImagePolicy and TrustRoot (Sigstore policy-controller)
//   kyverno.io ClusterPolicy and Policy with verifyImages rules
//   Connaisseur's configuration: validators and policy, at the top or under `application`
//   Notation's trustpolicy.json
// What is accepted is read by our own loader before it is given. Errors: kYamlMalformed, kJsonMalformed, kUsage (no
// document of a kind that is known).
[[nodiscard]] Result<Outcome> Import(std::string_view text, const std::string& source, const Options& options);

}  // namespace gatehouse::importer
