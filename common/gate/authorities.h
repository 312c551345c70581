// One authority of a policy over the evidence of one image. Internal to this room.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/gate/evidence.h"
#include "common/policy/documents.h"

namespace gatehouse::gate {

// What one authority says of one image.
struct AuthorityVerdict {
  std::string authority;
  Status status;           // it vouches, or why not
  std::string by = {};     // who did, shortly: "key 3f2a…", "https://… by https://…"; empty: nobody needed to
  bool signature = false;  // by something that somebody signed
  std::vector<Error> warnings = {};  // what is only logged, of what vouches
};

// What the judgement depends on beside the evidence.
struct Circumstances {
  const Digest* subject;   // null: not known, and there is nothing to look at
  std::string repository;  // "registry.example/app"
  WallTime now;
  // As signature::notation::RevocationCheck.
  const std::function<Status(const std::vector<crypto::Certificate>&, const std::optional<WallTime>&)>& revocation;
};

// Looks at what is new each time that more was fetched. Any one signature by a welcome signer suffices; of the
// attestations that are asked for, each must be met by one. Not thread-safe.
class AuthorityRun {
 public:
  AuthorityRun(const policy::Authority& authority, const Circumstances& circumstances);

  // What is still looked for; nothing once it vouches or cannot.
  [[nodiscard]] Needs needs() const;
  [[nodiscard]] bool vouches() const { return vouches_; }
  // It will not vouch, for this reason, whatever is found.
  void Fail(Error why);
  void Look(Evidence& evidence);
  // `evidence` is null if there is none to look at.
  [[nodiscard]] AuthorityVerdict Conclude(const Evidence* evidence) const;

 private:
  // One thing without which the authority does not vouch.
  struct Want {
    Need need;
    const policy::AttestationRequirement* requirement = nullptr;  // of an attestation
    bool met = false;
    std::optional<Error> nearest = {};          // of what was looked at
    std::vector<std::string> other_kinds = {};  // predicate types of attestations that are not this
  };
  void Begin(const policy::StaticAuthority& rule);
  void Begin(const policy::KeyAuthority& rule);
  void Begin(const policy::KeylessAuthority& rule);
  void Begin(const policy::NotationAuthority& rule);
  void BeginSigstore(const policy::Vouching& vouching);
  void LookAtSigstore(SigstoreArtefact& artefact);
  void LookAtEnvelope(const NotationArtefact& artefact, const Result<image::Descriptor>& image);
  // Whether the artefact is what is wanted, and who says so.
  [[nodiscard]] Result<std::string> CheckSignature(SigstoreArtefact& artefact) const;
  [[nodiscard]] Result<std::string> CheckAttestation(SigstoreArtefact& artefact,
                                                     const policy::AttestationRequirement& requirement) const;
  [[nodiscard]] Result<std::string> CheckEnvelope(const NotationArtefact& artefact,
                                                  const Result<image::Descriptor>& image,
                                                  std::vector<Error>& warnings) const;
  [[nodiscard]] Status CheckWelcome(const claims::Signer& signer) const;
  [[nodiscard]] Status CheckAnnotations(const claims::VerifiedImageSignature& signature) const;
  void Record(Want& want, const Result<std::string>& checked);
  [[nodiscard]] Error Refusal(const Evidence* evidence) const;
  [[nodiscard]] Error Refusal(const Want& want, const Evidence* evidence) const;

  const policy::Authority& authority_;
  const Circumstances& circumstances_;
  // What must vouch for cosign's signatures, of key and keyless.
  signature::sigstore::Requirements requirements_;
  const signature::notation::TrustPolicyStatement* statement_ = nullptr;
  std::vector<Want> wants_;
  std::size_t seen_sigstore_ = 0;
  std::size_t seen_notation_ = 0;
  bool cut_short_ = false;  // there was no time to look at all that was fetched
  bool vouches_ = false;
  bool signature_ = false;
  std::optional<Error> fault_;  // it cannot vouch
  std::vector<std::string> by_;
  std::vector<std::string> attested_;
  std::vector<Error> warnings_;
};

// Which of two failures tells the operator more: what could not be evaluated first (it may yet turn out good), then the
// reason nearest to success.
[[nodiscard]] int Weight(Reason reason);
// Whether enough of the policy's authorities vouch, given what each of them said. "Could not evaluate" is never "no":
// as long as those that could not be evaluated might make up the number, the answer is their error. Exposed for its
// table test.
[[nodiscard]] Result<std::string> CountAuthorities(const std::vector<AuthorityVerdict>& verdicts, std::size_t required);

}  // namespace gatehouse::gate
