// The documents about nodes in their loaded form: NodePolicy and ReferenceValues. See documents.h.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/appraisal/tpm.h"
#include "common/base/clock.h"
#include "common/policy/match.h"

namespace gatehouse::policy {

enum class Mode : std::uint8_t { kEnforce, kWarn, kAudit };
enum class OnUnavailable : std::uint8_t { kDeny, kAllow };
[[nodiscard]] std::string_view Name(Mode mode);

// What a finding under a policy leads to. The table that a golden test pins for every reason in every mode:
// enforce denies, warn warns, audit records; in enforce mode, and only for class unavailable, onUnavailable: allow
// turns a denial into a warning.
enum class Effect : std::uint8_t { kDeny, kWarn, kAudit };
[[nodiscard]] std::string_view Name(Effect effect);
[[nodiscard]] Effect EffectOf(Reason reason, Mode mode, OnUnavailable on_unavailable);

// What to do with a Node that is not trusted under a policy in enforce mode.
struct UntrustedTaint {
  enum class Effect : std::uint8_t { kNoSchedule, kNoExecute };
  Effect effect;
  // With kNoExecute: how long the node must have been untrusted, and how many nodes at most get the taint within a
  // time, so that a bad policy cannot empty a cluster. Until then, and beyond, kNoSchedule.
  Duration grace{300'000};
  std::size_t max_nodes = 1;
  Duration within{3'600'000};
};

// Of a ReferenceValues document.
using ReferenceSet = appraisal::ReferenceSet;

// NodePolicy.tpm.identity: which TPMs are believed, beside the trust roots.
struct TpmIdentityRules {
  // Fingerprints (SHA-256 of the public key's SPKI) of endorsement keys: an inventory. If it is there, others are
  // refused (kEkUnlisted); an endorsement key that is listed needs no certificate.
  std::optional<std::set<Digest>> ek_hashes;
  bool ak_certificates =
      false;  // a certificate of the attestation key itself is as good as one of the EK (clouds, IAK)
  enum class Revocation : std::uint8_t { kOff, kWhereKnown, kRequired } revocation = Revocation::kWhereKnown;
  bool fetch_issuers = false;                    // missing intermediates, from where certificates say (AIA)
  std::vector<std::uint64_t> firmware_versions;  // of the TPM; empty: any
  std::optional<Duration> max_clock_lag;         // by which the TPM's clock may fall behind between two quotes
};

struct NodePolicy {
  std::string name;
  std::string generation;            // changes with the content of the trust roots that it names, too
  std::vector<Glob> nodes;           // names of Nodes, any of them
  LabelSelector namespace_selector;  // of the pods that are to be bound
  Mode mode;
  Duration validity;                     // how long an attestation result holds
  std::vector<std::string> trust_roots;  // names of TrustRoot documents; each exists in the set
  appraisal::TpmReference tpm;           // what holds in any case; without PCRs if something else is asked for
  std::shared_ptr<const appraisal::BootPolicy> boot = nullptr;  // null: the event log is not judged
  std::shared_ptr<const appraisal::ImaPolicy> ima = nullptr;    // null: the IMA log is not judged
  TpmIdentityRules identity = {};
  std::vector<std::string> reference_values;  // names of ReferenceValues documents
  std::vector<ReferenceSet>
      reference_sets;  // all of theirs: one of those that are in their time must be met as a whole
  std::optional<UntrustedTaint> untrusted;
};

struct ReferenceValues {
  std::string name;
  std::string generation;
  std::string source;  // where the values are from, for people; may be empty
  std::vector<ReferenceSet> sets;
};

}  // namespace gatehouse::policy
