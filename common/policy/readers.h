// One document of each kind into its loaded form. Internal to this room.
#pragma once

#include <map>
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
// Of an ImagePolicy and of a NamespacedImagePolicy.
[[nodiscard]] Result<ImagePolicy> ReadImagePolicy(const codec::JsonDocument& document, const Head& head);

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
  std::vector<std::size_t> reference_values;
};
// Fills in the sets of the policy, and makes its generation one that changes with everything it names. The documents
// are found by name.
[[nodiscard]] Missing Link(NodePolicy& policy, const std::map<std::string, const TrustRoot*>& roots,
                           const std::map<std::string, const ReferenceValues*>& references);
// Sorts, and computes the generations of the set.
void Complete(PolicySet& set);

}  // namespace gatehouse::policy
