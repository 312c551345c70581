#include "common/gate/authorities.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/signature/notation/verifier.h"

namespace gatehouse::gate {
namespace {

using signature::notation::TrustPolicyStatement;

constexpr std::size_t kShownKey = 16;
constexpr std::size_t kShownName = 128;

// Whoever signed, as short as tells them apart.
std::string Shown(const claims::Signer& signer) {
  if (const auto* key = std::get_if<claims::KeySigner>(&signer)) {
    return "key " + std::string(key->fingerprint.hex().substr(0, kShownKey));
  }
  const auto& certificate = std::get<claims::CertificateSigner>(signer);
  std::string name = certificate.names.empty() ? certificate.subject : certificate.names.front().value;
  std::string text = Printable(name, kShownName);
  return certificate.issuer.empty() ? text : text + " by " + Printable(certificate.issuer, kShownName);
}

std::string Joined(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

void AddOnce(std::vector<std::string>& texts, const std::string& text) {
  if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
}

bool Unavailable(const Error& error) {
  return ClassOf(error.reason) == ReasonClass::kUnavailable;
}

std::string_view NameOf(signature::notation::Check check) {
  switch (check) {
    case signature::notation::Check::kIntegrity:
      return "integrity";
    case signature::notation::Check::kAuthenticity:
      return "authenticity";
    case signature::notation::Check::kAuthenticTimestamp:
      return "authentic timestamp";
    case signature::notation::Check::kExpiry:
      return "expiry";
    case signature::notation::Check::kRevocation:
      return "revocation";
  }
  return "";
}

}  // namespace

int Weight(Reason reason) {
  if (ClassOf(reason) == ReasonClass::kUnavailable) return 9;
  const auto is = [reason](std::initializer_list<Reason> reasons) {
    return std::find(reasons.begin(), reasons.end(), reason) != reasons.end();
  };
  if (is({Reason::kPredicateMismatch, Reason::kAnnotationMismatch})) return 7;
  if (is({Reason::kSignerMismatch})) return 6;
  if (is({Reason::kCertificateRevoked, Reason::kCertificateExpired, Reason::kSignatureExpired})) return 5;
  if (is({Reason::kLogEntryMissing, Reason::kLogUntrusted, Reason::kSctMissing, Reason::kTimestampMissing})) return 4;
  if (is({Reason::kPayloadDigestMismatch, Reason::kPayloadTypeMismatch})) return 3;
  return is({Reason::kSignatureInvalid, Reason::kCertificateUntrusted}) ? 1 : 2;
}

AuthorityRun::AuthorityRun(const policy::Authority& authority, const Circumstances& circumstances)
    : authority_(authority), circumstances_(circumstances) {
  std::visit([this](const auto& rule) { Begin(rule); }, authority.rule);
}

void AuthorityRun::Begin(const policy::StaticAuthority& rule) {
  if (!rule.pass) {
    fault_ = Error{Reason::kDeniedByPolicy, "", rule.message};
    return;
  }
  vouches_ = true;
  by_ = {"static rule"};
}

void AuthorityRun::Begin(const policy::KeyAuthority& rule) {
  requirements_.key = rule.verifier;
  BeginSigstore(rule.vouching);
}

void AuthorityRun::Begin(const policy::KeylessAuthority& rule) {
  if (rule.vouching.missing.empty() && rule.vouching.material == nullptr) {
    fault_ = Error{Reason::kTrustUnavailable, "", "no trust root says whose certificates to believe"};
  }
  BeginSigstore(rule.vouching);
}

// With attestations the authority vouches by them, and by a signature only for what cannot be in them.
void AuthorityRun::BeginSigstore(const policy::Vouching& vouching) {
  if (!vouching.missing.empty()) fault_ = Error{vouching.missing_reason, "", vouching.missing};
  requirements_.material = vouching.material.get();
  requirements_.logs = vouching.logs;
  requirements_.scts = vouching.scts;
  requirements_.times = vouching.times;
  requirements_.timestamps = vouching.timestamps;
  if (authority_.attestations.empty() || !authority_.annotations.empty()) wants_.push_back({.need = Need::kSignature});
  for (const policy::AttestationRequirement& requirement : authority_.attestations) {
    wants_.push_back({.need = Need::kAttestation, .requirement = &requirement});
  }
}

void AuthorityRun::Begin(const policy::NotationAuthority& rule) {
  statement_ = rule.policy.For(circumstances_.repository);
  if (statement_ == nullptr) {
    fault_ = Error{Reason::kNoPolicyMatches, "",
                   "no statement of the Notation trust policy has the scope " + circumstances_.repository};
  } else if (statement_->skip && authority_.annotations.empty()) {
    vouches_ = true;
    by_ = {"not verified: level skip of the trust policy '" + statement_->name + "'"};
  } else if (statement_->skip) {
    fault_ = Error{Reason::kAnnotationMismatch, "",
                   "annotations are asked for, and the trust policy '" + statement_->name + "' verifies nothing"};
  } else if (!rule.missing.empty()) {
    fault_ = Error{rule.missing_reason, "", rule.missing};
  }
  wants_.push_back({.need = Need::kNotation});
}

Needs AuthorityRun::needs() const {
  Needs needs;
  if (vouches_ || fault_.has_value()) return needs;
  for (const Want& want : wants_) {
    if (want.met) continue;
    needs.signatures = needs.signatures || want.need == Need::kSignature;
    needs.attestations = needs.attestations || want.need == Need::kAttestation;
    needs.notation = needs.notation || want.need == Need::kNotation;
    if (want.requirement == nullptr) continue;
    const auto& types = want.requirement->predicate_types;
    needs.predicate_types.insert(needs.predicate_types.end(), types.begin(), types.end());
  }
  return needs;
}

void AuthorityRun::Fail(Error why) {
  if (!vouches_ && !fault_.has_value()) fault_ = std::move(why);
}

void AuthorityRun::Look(Evidence& evidence) {
  if (vouches_ || fault_.has_value()) return;
  if (statement_ == nullptr) {
    for (; seen_sigstore_ < evidence.sigstore().size() && !cut_short_; ++seen_sigstore_) {
      // A hundred signatures under a hundred keys, as a tenant may have them, take longer than anybody waits. What
      // could not be fetched takes none, and says why.
      SigstoreArtefact& artefact = evidence.sigstore()[seen_sigstore_];
      cut_short_ = seen_sigstore_ > 0 && !artefact.unread() && evidence.TooLate();
      if (!cut_short_) LookAtSigstore(artefact);
    }
  } else {
    for (; seen_notation_ < evidence.notation().size() && !cut_short_; ++seen_notation_) {
      const NotationArtefact& artefact = evidence.notation()[seen_notation_];
      cut_short_ = seen_notation_ > 0 && artefact.read.ok() && evidence.TooLate();
      if (!cut_short_) LookAtEnvelope(artefact, evidence.descriptor());
    }
  }
  vouches_ = !wants_.empty() && std::all_of(wants_.begin(), wants_.end(), [](const Want& want) { return want.met; });
}

void AuthorityRun::LookAtSigstore(SigstoreArtefact& artefact) {
  for (Want& want : wants_) {
    if (want.met) continue;
    if (want.need == Need::kSignature) {
      if (artefact.MayBeSignature()) Record(want, CheckSignature(artefact));
      continue;
    }
    if (!artefact.MayBeAttestation()) continue;
    if (!artefact.claimed_type().empty() && !policy::IsOfKind(*want.requirement, artefact.claimed_type())) {
      AddOnce(want.other_kinds, Printable(artefact.claimed_type(), kShownName));
      continue;
    }
    Record(want, CheckAttestation(artefact, *want.requirement));
    if (want.met) attested_.push_back(want.requirement->name);
  }
}

void AuthorityRun::LookAtEnvelope(const NotationArtefact& artefact, const Result<image::Descriptor>& image) {
  for (Want& want : wants_) {
    if (want.met) continue;
    std::vector<Error> warnings;
    Record(want, CheckEnvelope(artefact, image, warnings));
    if (want.met) warnings_ = std::move(warnings);
  }
}

void AuthorityRun::Record(Want& want, const Result<std::string>& checked) {
  if (checked.ok()) {
    want.met = true;
    signature_ = true;
    AddOnce(by_, *checked);
  } else if (!want.nearest.has_value() || Weight(checked.error().reason) > Weight(want.nearest->reason)) {
    want.nearest = checked.error();
  }
}

Status AuthorityRun::CheckWelcome(const claims::Signer& signer) const {
  const auto* keyless = std::get_if<policy::KeylessAuthority>(&authority_.rule);
  return keyless == nullptr ? Ok() : policy::CheckSigner(keyless->identities, signer);
}

Status AuthorityRun::CheckAnnotations(const claims::VerifiedImageSignature& signature) const {
  for (const auto& [key, value] : authority_.annotations) {
    auto found = signature.annotations().find(key);
    if (found == signature.annotations().end()) {
      return Error{Reason::kAnnotationMismatch, "", "the signed payload has no annotation '" + key + "'"};
    }
    if (found->second != value) {
      return Error{Reason::kAnnotationMismatch, "",
                   "the signed annotation '" + key + "' is '" + found->second + "', not '" + value + "'"};
    }
  }
  return Ok();
}

Result<std::string> AuthorityRun::CheckSignature(SigstoreArtefact& artefact) const {
  const auto& verified = artefact.Signature(*circumstances_.subject, requirements_);
  if (!verified.ok()) return verified.error();
  RETURN_IF_ERROR(CheckWelcome(verified->signer()));
  RETURN_IF_ERROR(CheckAnnotations(*verified));
  return Shown(verified->signer());
}

Result<std::string> AuthorityRun::CheckAttestation(SigstoreArtefact& artefact,
                                                   const policy::AttestationRequirement& requirement) const {
  const auto& verified = artefact.Attestation(*circumstances_.subject, requirements_);
  if (!verified.ok()) return verified.error();
  if (!policy::IsOfKind(requirement, verified->predicate_type())) {
    return Error{Reason::kAttestationMissing, "",
                 "is an attestation of the type " + Printable(verified->predicate_type(), kShownName)};
  }
  RETURN_IF_ERROR(CheckWelcome(verified->signer()));
  RETURN_IF_ERROR(policy::CheckAttestation(requirement, *verified, circumstances_.now));
  return Shown(verified->signer());
}

Result<std::string> AuthorityRun::CheckEnvelope(const NotationArtefact& artefact,
                                                const Result<image::Descriptor>& image,
                                                std::vector<Error>& warnings) const {
  if (!artefact.read.ok()) return artefact.read.error();
  if (!image.ok()) return image.error();
  const auto& rule = std::get<policy::NotationAuthority>(authority_.rule);
  const auto& [media_type, envelope, manifest] = *artefact.read;
  const signature::notation::Context context{.statement = *statement_,
                                             .stores = rule.stores,
                                             .revocation = circumstances_.revocation,
                                             .now = circumstances_.now};
  auto verified = signature::notation::Verifier::Verify(media_type, envelope, manifest, *image, context);
  if (!verified.ok()) return verified.error().In(artefact.where);
  RETURN_IF_ERROR(CheckAnnotations(verified->signature));
  for (const signature::notation::Logged& logged : verified->logged) {
    Error error = logged.error;
    error.detail = std::string(NameOf(logged.check)) + " is only logged by the trust policy '" + statement_->name +
                   "': " + error.detail;
    warnings.push_back(std::move(error));
  }
  return Shown(verified->signature.signer());
}

// Each want must be met: what is a definite no of one stays one, whatever could not be found out about others.
Error AuthorityRun::Refusal(const Evidence* evidence) const {
  std::optional<Error> refusal;
  for (const Want& want : wants_) {
    if (want.met) continue;
    Error error = Refusal(want, evidence);
    if (!refusal.has_value() || (Unavailable(*refusal) && !Unavailable(error))) refusal = std::move(error);
  }
  return refusal.value_or(Error{Reason::kInternal, "", "nothing was asked for"});
}

Error AuthorityRun::Refusal(const Want& want, const Evidence* evidence) const {
  std::optional<Error> nearest = want.nearest;
  std::vector<Error> unseen = evidence == nullptr ? std::vector<Error>() : evidence->Unseen(want.need);
  // No outage: it is what was put there, and the number of those who may have signed it, that takes the time.
  if (cut_short_) unseen.push_back({Reason::kLimitExceeded, "", "there was no time to try every signature"});
  for (Error& error : unseen) {
    // What is good may be among what was not looked at, which says more than what was wrong with the rest.
    const bool more = error.reason == Reason::kLimitExceeded && (!nearest.has_value() || !Unavailable(*nearest));
    if (!nearest.has_value() || more || Weight(error.reason) > Weight(nearest->reason)) nearest = std::move(error);
  }
  const std::string image = circumstances_.subject == nullptr ? "the image" : circumstances_.subject->text();
  if (want.requirement == nullptr) {
    return nearest.value_or(Error{Reason::kImageUnsigned, "",
                                  (want.need == Need::kNotation ? "no Notation signature" : "no signature") +
                                      std::string(" was found for ") + image});
  }
  if (nearest.has_value()) return nearest->In("attestation '" + want.requirement->name + "'");
  std::string found = want.other_kinds.empty() ? "" : "; there is " + Joined(want.other_kinds);
  return {
      Reason::kAttestationMissing, "attestation '" + want.requirement->name + "'",
      "no attestation of the type " + Joined(want.requirement->predicate_types) + " was found for " + image + found};
}

AuthorityVerdict AuthorityRun::Conclude(const Evidence* evidence) const {
  if (!vouches_) return {authority_.name, fault_.has_value() ? *fault_ : Refusal(evidence)};
  std::string by = Joined(by_);
  if (!attested_.empty()) by += ", attested " + Joined(attested_);
  return {authority_.name, Ok(), std::move(by), signature_, warnings_};
}

Result<std::string> CountAuthorities(const std::vector<AuthorityVerdict>& verdicts, std::size_t required) {
  std::string vouching;
  std::size_t passed = 0;
  std::size_t undecided = 0;
  const Error* unavailable = nullptr;
  const Error* refusal = nullptr;
  std::string refusals;
  for (const AuthorityVerdict& verdict : verdicts) {
    if (verdict.status.ok()) {
      vouching += (passed++ > 0 ? ", " : "") + verdict.authority;
      if (!verdict.by.empty()) vouching += " (" + verdict.by + ")";
      continue;
    }
    const Error& error = verdict.status.error();
    if (Unavailable(error)) {
      ++undecided;
      if (unavailable == nullptr) unavailable = &error;
      continue;
    }
    if (refusal == nullptr || Weight(error.reason) > Weight(refusal->reason)) refusal = &error;
    refusals += (refusals.empty() ? "" : "; ") + verdict.authority + ": " + error.ToString();
  }
  if (required > 0 && passed >= required) return vouching;
  if (unavailable != nullptr && passed + undecided >= required) return *unavailable;
  if (verdicts.size() == 1 && refusal != nullptr) return *refusal;
  // With `any`, the operator wants to know what was wrong with the image, not that a count was missed.
  if (required == 1 && refusal != nullptr) return Error{refusal->reason, "", refusals};
  return Error{
      Reason::kNotEnoughAuthorities, "",
      std::to_string(passed) + " of the " + std::to_string(required) + " authorities required vouch; " + refusals};
}

}  // namespace gatehouse::gate
