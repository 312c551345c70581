// One document of each kind into its loaded form. Internal to this room.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/codec/json.h"
#include "common/policy/documents.h"

namespace gatehouse::policy {

inline constexpr std::string_view kApiVersion = "gatehouse.dev/v1alpha1";

// What every document begins with.
struct Head {
  std::string api_version;
  std::string kind;
  std::string name;
};
// Errors: kPolicyInvalid: no object, a kind that is not known here, a list, no name, a name that is no RFC 1123
// subdomain.
[[nodiscard]] Result<Head> ReadHead(const codec::JsonDocument& document);

// The generations are set: hex of SHA-256 over the canonical content. Errors: kPolicyInvalid, kKeyMalformed,
// kCertificateMalformed, each with position, path and what to write instead.
[[nodiscard]] Result<ImagePolicy> ReadImagePolicy(const codec::JsonDocument& document, const Head& head);

struct UnlinkedNodePolicy {
  NodePolicy policy;
  std::vector<std::string> root_positions;  // of each of policy.trust_roots, for the error that it does not exist
};
[[nodiscard]] Result<UnlinkedNodePolicy> ReadNodePolicy(const codec::JsonDocument& document, const Head& head);

[[nodiscard]] Result<TrustRoot> ReadTrustRoot(const codec::JsonDocument& document, const Head& head);

// A v1 Namespace, as `kubectl get namespace NAME -o yaml` prints it: its labels. Members that do not matter here are
// ignored.
[[nodiscard]] Result<Labels> ReadNamespace(const codec::JsonDocument& document);

// --- parts that several kinds have; errors are reported to the reader

// The members around the spec: apiVersion, kind, and metadata, of which the name alone is used.
void ReadEnvelope(codec::ObjectReader& reader);
// An error of another room about a member, with its reason kept.
void FailWith(codec::ObjectReader& reader, std::string_view key, const Error& error);
[[nodiscard]] LabelSelector ReadSelector(codec::ObjectReader& reader, std::string_view key);
[[nodiscard]] Mode ReadMode(codec::ObjectReader& spec);

// The value as JSON with the members of every object sorted, so that equal content gives equal text.
[[nodiscard]] std::string Canonical(codec::JsonView view);
[[nodiscard]] std::string HashText(std::string_view text);
// Of a document: changes with kind, name and spec, and not with comments, positions, labels or annotations.
[[nodiscard]] std::string GenerationOf(const codec::JsonDocument& document, const Head& head);

}  // namespace gatehouse::policy
