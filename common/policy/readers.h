// One document of each kind into its loaded form. Internal to this room.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/codec/json.h"
#include "common/policy/documents.h"

namespace gatehouse::policy {

inline constexpr std::string_view kApiVersion = "gatehouse.dev/v1alpha1";

// Who has the document: a person in a file; the API server, which keeps metadata and a status of its own beside what
// was written; or a request to write it, which may leave name and namespace to the server.
enum class Origin : std::uint8_t { kFile, kApi, kRequest };

// What every document begins with.
struct Head {
  std::string api_version;
  std::string kind;
  std::string namespace_name;  // of a NamespacedImagePolicy; empty for any other kind
  std::string name;
  Origin origin = Origin::kFile;
};
// Errors: kPolicyInvalid: no object, a kind that is not known here (a Namespace is known in files only), a list, no
// name, a name that is no RFC 1123 subdomain, a namespace where none belongs.
[[nodiscard]] Result<Head> ReadHead(const codec::JsonDocument& document, Origin origin = Origin::kFile);

// The generations are set: hex of SHA-256 over the canonical content. Errors: kPolicyInvalid, kKeyMalformed,
// kCertificateMalformed, each with position, path and what to write instead.
// Of an ImagePolicy and of a NamespacedImagePolicy. Trust material is Link()'s.
struct UnlinkedImagePolicy {
  ImagePolicy policy;
  // Of each of policy.authorities, in order.
  struct References {
    std::vector<std::string> roots;  // positions of its trustRoots, for the error that one does not exist
    std::string stores;              // position of its Notation trust policy
    std::string signer;              // equal for authorities that trust the same signers
  };
  std::vector<References> references;
};
[[nodiscard]] Result<UnlinkedImagePolicy> ReadImagePolicy(const codec::JsonDocument& document, const Head& head);
// Its authorities, and which of them may stand beside each other.
void ReadAuthorities(codec::ObjectReader& spec, UnlinkedImagePolicy& out);
// `left`: see ReadConditions() (condition.h).
[[nodiscard]] std::vector<AttestationRequirement> ReadAttestations(codec::ObjectReader& authority, std::size_t& left);
void CheckSignersDiffer(codec::ObjectReader& spec, const UnlinkedImagePolicy& read);

struct UnlinkedNodePolicy {
  NodePolicy policy;
  std::vector<std::string> root_positions;       // of each of policy.trust_roots, for the error that it does not exist
  std::vector<std::string> reference_positions;  // of each of policy.reference_values
};
[[nodiscard]] Result<UnlinkedNodePolicy> ReadNodePolicy(const codec::JsonDocument& document, const Head& head);

[[nodiscard]] Result<TrustRoot> ReadTrustRoot(const codec::JsonDocument& document, const Head& head);

[[nodiscard]] Result<ReferenceValues> ReadReferenceValues(const codec::JsonDocument& document, const Head& head);

// A v1 Namespace, as `kubectl get namespace NAME -o yaml` prints it: its labels. Members that do not matter here are
// ignored.
[[nodiscard]] Result<Labels> ReadNamespace(const codec::JsonDocument& document);

// --- parts that several kinds have; errors are reported to the reader

// The members around the spec: apiVersion, kind, and metadata, of which name and namespace alone are used.
void ReadEnvelope(codec::ObjectReader& reader, const Head& head);
// An error of another room about a member, with its reason kept.
void FailWith(codec::ObjectReader& reader, std::string_view key, const Error& error);
[[nodiscard]] LabelSelector ReadSelector(codec::ObjectReader& reader, std::string_view key);
[[nodiscard]] Mode ReadMode(codec::ObjectReader& spec);
// `key`, or `fallback` if it is absent. `example` is for the message.
[[nodiscard]] Duration ReadDuration(codec::ObjectReader& reader, std::string_view key, Duration min, Duration max,
                                    Duration fallback, std::string_view example);
// Names of other documents, each once: where each of them stands.
[[nodiscard]] std::vector<std::string> NamePositions(codec::ObjectReader& reader, std::string_view key,
                                                     const std::vector<std::string>& names);
// An RFC 3339 time; nothing if `key` is absent.
[[nodiscard]] std::optional<WallTime> ReadMoment(codec::ObjectReader& reader, std::string_view key);
// {bank, values}: at least one PCR, each with at least one value.
void ReadPcrs(codec::ObjectReader& pcrs, appraisal::TpmReference& reference);

// The value as JSON with the members of every object sorted, so that equal content gives equal text.
[[nodiscard]] std::string Canonical(codec::JsonView view);
[[nodiscard]] std::string HashText(std::string_view text);
// Of a document: changes with kind, namespace, name and spec, and not with comments, positions, labels or annotations.
[[nodiscard]] std::string GenerationOf(const codec::JsonDocument& document, const Head& head);

// --- making one set of many documents

// What a NodePolicy names and is not there: indices into trust_roots and reference_values.
struct Missing {
  std::vector<std::size_t> trust_roots;
  std::vector<std::size_t> without_tpm;  // trust roots that exist and hold no certificates for TPMs
  std::vector<std::size_t> reference_values;
};
// Fills in the sets of the policy, and makes its generation one that changes with everything it names. The documents
// are found by name.
[[nodiscard]] Missing Link(NodePolicy& policy, const std::map<std::string, const TrustRoot*>& roots,
                           const std::map<std::string, const ReferenceValues*>& references);

// The TrustRoots that an authority names; null for static.
[[nodiscard]] const std::vector<std::string>* NamesOf(const Authority& authority);
// What an authority of an ImagePolicy names and is not there.
struct Dangling {
  std::size_t authority;
  std::optional<std::size_t> root;  // index into its trust roots; nothing: a trust store
  bool exists = true;               // there is such a TrustRoot; it does not hold what is needed
  std::string detail;               // "there is no TrustRoot 'x'"
};
// Gives the authorities of ImagePolicies their trust material. What several of them name alike is made once and shared.
class TrustLinker {
 public:
  // Both must outlive it. `unreadable`: names of TrustRoots that exist and were never right.
  TrustLinker(const std::map<std::string, const TrustRoot*>& roots, const std::set<std::string>& unreadable)
      : roots_(roots), unreadable_(unreadable) {}
  // An authority that lacks something gets `missing`. Material that a TufSource is yet to give is missing, too, but not
  // among what is returned: the document is right.
  [[nodiscard]] std::vector<Dangling> Link(ImagePolicy& policy);

 private:
  using Material = std::shared_ptr<const signature::sigstore::TrustMaterial>;
  struct Found {
    std::vector<const TrustRoot*> roots;  // null where there is none
    std::string missing;                  // the first thing that is
    Reason reason = Reason::kTrustUnavailable;
  };
  // `lacks`: what is wrong with a root that exists, "" if nothing is.
  [[nodiscard]] Found Find(const std::vector<std::string>& names, std::size_t authority,
                           const std::function<std::string(const TrustRoot&)>& lacks, std::vector<Dangling>& dangling);
  void LinkVouching(Vouching& vouching, std::size_t authority, std::vector<Dangling>& dangling);
  void LinkNotation(NotationAuthority& notation, std::size_t authority, std::vector<Dangling>& dangling);
  [[nodiscard]] Material Union(const std::vector<const TrustRoot*>& roots);

  const std::map<std::string, const TrustRoot*>& roots_;
  const std::set<std::string>& unreadable_;
  std::map<std::vector<const TrustRoot*>, Material> unions_;
};
// Sorts, and computes the generations of the set.
void Complete(PolicySet& set);

}  // namespace gatehouse::policy
