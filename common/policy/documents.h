// Policy documents in their loaded form: everything valid, keys and certificates parsed, generations computed.
// Immutable.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "common/base/clock.h"
#include "common/crypto/x509.h"
#include "common/policy/match.h"
#include "common/policy/node_documents.h"
#include "common/policy/signer.h"
#include "common/signature/keyed/simple_signing.h"
#include "common/signature/notation/trust_policy.h"
#include "common/signature/sigstore/trust.h"

namespace gatehouse::policy {

// What must vouch for a signature beside its key or certificate; see signature/sigstore/verifier.h. From TrustRoots.
struct Vouching {
  std::vector<std::string> trust_roots;  // names of TrustRoot documents
  // Theirs together, filled in when the set is linked. Null: none was named (a key alone), or one of them does not
  // exist or has no material yet, which `missing` says.
  std::shared_ptr<const signature::sigstore::TrustMaterial> material;
  std::string missing;
  Reason missing_reason = Reason::kTrustUnavailable;  // or kTrustRootMalformed
  std::size_t logs = 0;
  std::size_t scts = 0;
  std::size_t times = 0;
  std::size_t timestamps = 0;
};

struct KeyAuthority {
  signature::keyed::Verifier verifier;
  Vouching vouching;  // without trust roots: the key alone
};
struct KeylessAuthority {
  std::vector<Identity> identities;  // any of them; not empty
  Vouching vouching;
};
struct NotationAuthority {
  signature::notation::TrustPolicy policy;
  std::vector<std::string> trust_roots;
  signature::notation::TrustStores stores;            // of all of them, filled in when the set is linked
  std::string missing;                                // a trust root or store that does not exist; empty: all is there
  Reason missing_reason = Reason::kTrustUnavailable;  // or kTrustRootMalformed
};
struct StaticAuthority {
  bool pass;
  std::string message;  // shown when it refuses
};
struct Authority {
  std::string name;  // unique in its policy
  std::variant<KeyAuthority, KeylessAuthority, NotationAuthority, StaticAuthority> rule;
  // Each must be signed beside the image with this value. Of key, keyless and notation.
  std::map<std::string, std::string> annotations;
  // Of key and keyless. If there are any, this authority vouches by them and not by a signature of the image: each
  // must be met by an attestation that it signed.
  std::vector<AttestationRequirement> attestations;
};

// What must be signed where an image's reference stands for an index of several platforms.
enum class SubjectKind : std::uint8_t {
  kReference,  // what the reference stands for: the index
  kPlatforms,  // in place of the index, each image in it that can be run
  kBoth,       // the index and each of those
};

struct ImagePolicy {
  std::string name;
  // Of a NamespacedImagePolicy, which covers pods of that namespace only and can only narrow: an image that no
  // ImagePolicy covers stays uncovered, whatever policies of the namespace say. Empty: an ImagePolicy.
  std::string namespace_name;
  std::string generation;         // changes with the content: hex of a hash
  std::vector<ImageGlob> images;  // any of them
  LabelSelector namespace_selector;
  LabelSelector pod_selector;
  std::vector<Authority> authorities;  // not empty
  std::size_t required;                // how many of them must vouch: any = 1, all = their number, atLeast = n
  Mode mode;
  OnUnavailable on_unavailable;
  SubjectKind subject = SubjectKind::kReference;
  // Names of Secrets (kubernetes.io/dockerconfigjson) with credentials for the registries of these images: of
  // Gatehouse's own namespace, or, of a NamespacedImagePolicy, of that namespace.
  std::vector<std::string> pull_secrets = {};
};

// Where a TrustRoot's Sigstore material is kept fresh from.
struct TufSource {
  std::string url;                    // "https://…", or "file:///…" for a mirror in a folder
  std::string root;                   // root.json, or
  std::optional<Digest> root_digest;  // its SHA-256
  std::string target = "trusted_root.json";
  Duration refresh{86'400'000};
  friend bool operator==(const TufSource&, const TufSource&) = default;
};

struct TrustRoot {
  std::string name;
  std::string generation;
  std::vector<crypto::Certificate> tpm;  // CA certificates of TPM manufacturers: anchors
  // Anchors by the SHA-256 of the certificate: a CA certificate that the TPM brings itself, or `tpm_intermediates` has,
  // and that hashes to one of these, is an anchor.
  std::vector<Digest> tpm_pinned;
  std::vector<crypto::Certificate> tpm_intermediates;  // no anchors: they complete chains
  std::vector<Bytes> tpm_crls;                         // DER, of manufacturers, beside those that are fetched
  // Null if the document has none, or while `tuf` has given none.
  std::shared_ptr<const signature::sigstore::TrustMaterial> sigstore;
  std::optional<TufSource> tuf;
  signature::notation::TrustStores notation;

  [[nodiscard]] bool has_tpm() const { return !tpm.empty() || !tpm_pinned.empty(); }
};

// An ImagePolicy, NamespacedImagePolicy or NodePolicy of the API that exists and was never right: what it covers and
// asks for is not known. "Could not evaluate" is never "no match", so whatever it may cover is refused.
struct UnreadPolicy {
  std::string kind;
  std::string namespace_name;  // of a NamespacedImagePolicy: it concerns that namespace only
  std::string name;
  std::string problem;

  [[nodiscard]] Error ToError() const;  // kPolicyInvalid
};

// Everything that is in force at one moment; swapped as a whole.
struct PolicySet {
  std::vector<ImagePolicy> image_policies;  // sorted by name
  std::vector<NodePolicy> node_policies;
  std::vector<TrustRoot> trust_roots;
  std::vector<ReferenceValues> reference_values;
  std::vector<ImagePolicy> namespaced_policies;  // sorted by namespace and name
  std::vector<UnreadPolicy> unread;              // none from files: those are refused as a whole
  std::set<std::string> unread_trust_roots;      // names of TrustRoots of the API that exist and were never right
  // From v1 Namespace documents: what is known of namespaces without a cluster.
  std::map<std::string, Labels> namespaces;
  std::string policy_generation;  // of all policies and reference values, and of the namespaces by which they select
  std::string trust_generation;   // of all trust roots

  [[nodiscard]] std::optional<Labels> NamespaceLabels(const std::string& name) const;
  // Always holds, whatever else is known: {"kubernetes.io/metadata.name": name}.
  [[nodiscard]] static Labels ImplicitNamespaceLabels(const std::string& name);
  [[nodiscard]] std::vector<crypto::Certificate> TpmRoots(const NodePolicy& policy) const;
  // The material of all TrustRoots of the policy together.
  struct TpmTrust {
    std::vector<crypto::Certificate> roots;
    std::vector<Digest> pinned;
    std::vector<crypto::Certificate> intermediates;
    std::vector<Bytes> crls;
  };
  [[nodiscard]] TpmTrust TpmTrustOf(const NodePolicy& policy) const;
};

// Material that was fetched for TrustRoots with a TufSource, by the TrustRoot's name; `version` names the content.
struct FetchedTrust {
  TufSource source;  // for which it was fetched: material for another source is not used
  std::string version;
  std::shared_ptr<const signature::sigstore::TrustMaterial> material;
};
// The set with that material in it: the TrustRoots, and the ImagePolicies that vouch by them, get another generation.
[[nodiscard]] std::shared_ptr<const PolicySet> WithTrust(const PolicySet& set,
                                                         const std::map<std::string, FetchedTrust>& fetched);

}  // namespace gatehouse::policy
