// Which signers an authority welcomes, and what it wants attested. Pure: claims in, a reason out.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/claims/image.h"
#include "common/codec/json.h"
#include "common/policy/match.h"

namespace gatehouse::policy {

// One identity of keyless signing. All parts must hold. What a certificate does not say never matches.
struct Identity {
  // Of the OpenID Connect provider. Nothing: the certificate must not name any, as those of a private CA.
  std::optional<TextMatcher> issuer;
  std::optional<TextMatcher> subject;         // of any of the certificate's names; nothing matches nobody
  std::map<std::string, TextMatcher> claims;  // by Fulcio's names: "sourceRepositoryURI"
};

// The names of claims that a certificate can have (CertificateSigner::extensions), in the order of Fulcio's numbers.
[[nodiscard]] const std::vector<std::string>& KnownClaims();

// Whether the signer is one of `identities`. Errors: kSignerMismatch, with who it is.
[[nodiscard]] Status CheckSigner(const std::vector<Identity>& identities, const claims::Signer& signer);

// Conditions on a JSON value, as docs/policies.md describes them. Immutable, cheap to copy.
class Condition;
class Conditions {
 public:
  Conditions() = default;
  explicit Conditions(std::vector<std::shared_ptr<const Condition>> all) : all_(std::move(all)) {}
  [[nodiscard]] bool empty() const { return all_.empty(); }
  // All must hold; of nothing they do. `now` is what "olderThan" and "newerThan" are counted from. "Could not evaluate"
  // (a value of another type than the condition is about) is a refusal, and never a match, also under `not`. Errors:
  // kPredicateMismatch with the path, what was found and what was asked for.
  [[nodiscard]] Status Check(codec::JsonView value, WallTime now) const;

 private:
  std::vector<std::shared_ptr<const Condition>> all_;
};

// What an attestation must say. SLSA's parts are read from provenance v0.2 and v1 alike (policy/slsa.cc).
struct SlsaRequirement {
  std::optional<TextMatcher> builder_id;
  std::optional<TextMatcher> build_type;
  // Of the workflow or configuration that was built, never of what it merely used; without "git+" and "@ref".
  std::optional<TextMatcher> source_repository;
  std::optional<TextMatcher> source_ref;  // "refs/heads/main"
  std::vector<TextMatcher> materials;     // each must match the URI of one
};

struct AttestationRequirement {
  std::string name;
  std::vector<std::string> predicate_types;  // any of them; short names are already spelt out
  Conditions where;                          // on the predicate
  std::optional<SlsaRequirement> slsa;
};

// Whether a verified attestation is of this kind: its predicate type is one of those wanted.
[[nodiscard]] bool IsOfKind(const AttestationRequirement& requirement, const std::string& predicate_type);
// Precondition: it is of the kind. Errors: kPredicateMismatch.
[[nodiscard]] Status CheckAttestation(const AttestationRequirement& requirement,
                                      const claims::VerifiedAttestation& attestation, WallTime now);

}  // namespace gatehouse::policy
