#include <algorithm>

#include "common/base/encoding.h"
#include "common/policy/condition.h"
#include "common/policy/readers.h"
#include "common/policy/slsa.h"

namespace gatehouse::policy {
namespace {

using codec::ObjectReader;
using Presence = ObjectReader::Presence;

// Names that cosign gives to predicate types (cosign attest --type).
struct Alias {
  std::string_view name;
  std::string_view type;
};
constexpr Alias kAliases[] = {
    {"slsaprovenance", kSlsaProvenance02},     {"slsaprovenance02", kSlsaProvenance02},
    {"slsaprovenance1", kSlsaProvenance1},     {"spdx", "https://spdx.dev/Document"},
    {"spdxjson", "https://spdx.dev/Document"}, {"cyclonedx", "https://cyclonedx.org/bom"},
    {"openvex", "https://openvex.dev/ns"},     {"vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"},
    {"link", "https://in-toto.io/Link/v1"},    {"custom", "https://cosign.sigstore.dev/attestation/v1"},
};

// "" if it is neither an alias nor a URI (which has a colon, and no spaces).
std::string SpeltOut(std::string_view type) {
  for (const Alias& alias : kAliases) {
    if (alias.name == type) return std::string(alias.type);
  }
  auto possible = [](char c) { return c > ' ' && c <= '~'; };
  bool uri = type.find(':') != std::string_view::npos && std::all_of(type.begin(), type.end(), possible);
  return uri ? std::string(type) : "";
}

std::string AliasNames() {
  std::string names;
  for (const Alias& alias : kAliases) names.append(names.empty() ? "" : ", ").append(alias.name);
  return names;
}

std::vector<std::string> ReadPredicateTypes(ObjectReader& reader) {
  auto one = reader.OptionalString("predicateType");
  auto types =
      reader.Strings("predicateTypes", reader.Has("predicateTypes") ? Presence::kRequired : Presence::kOptional);
  if (one && reader.Has("predicateTypes"))
    reader.Fail("predicateTypes", "stands beside predicateType; keep one of them");
  std::string_view key = one ? "predicateType" : "predicateTypes";
  if (one) types = {*one};
  if (types.empty()) {
    if (!reader.Has("slsa")) reader.Fail("predicateType", "is required: one of " + AliasNames() + ", or a URI");
    return {std::string(kSlsaProvenance1), std::string(kSlsaProvenance02)};
  }
  std::vector<std::string> spelt;
  for (const std::string& type : types) {
    std::string uri = SpeltOut(type);
    if (uri.empty()) {
      reader.Fail(key,
                  "'" + Printable(type, 64) + "' is no predicate type: write one of " + AliasNames() + ", or a URI");
    }
    if (std::find(spelt.begin(), spelt.end(), uri) != spelt.end())
      reader.Fail(key, "names '" + Printable(type, 64) + "' twice");
    if (reader.Has("slsa") && uri != kSlsaProvenance02 && uri != kSlsaProvenance1)
      reader.Fail("slsa", "is for provenance, which '" + Printable(type, 64) + "' is not; use where");
    spelt.push_back(std::move(uri));
  }
  return spelt;
}

SlsaRequirement ReadSlsa(ObjectReader& slsa) {
  SlsaRequirement requirement{.builder_id = ReadText(slsa, "builderID"),
                              .build_type = ReadText(slsa, "buildType"),
                              .source_repository = ReadText(slsa, "sourceRepository"),
                              .source_ref = ReadText(slsa, "sourceRef"),
                              .materials = {}};
  auto materials = slsa.Raw("materials");
  if (materials && (!materials->IsArray() || materials->size() == 0))
    slsa.Fail("materials", "must be an array of what materials must be there, and not empty");
  for (std::size_t i = 0; materials && materials->IsArray() && i < materials->size() && slsa.ok(); ++i) {
    auto matcher =
        ReadTextValue(slsa.document(), materials->at(i), slsa.path() + ".materials[" + std::to_string(i) + "]");
    if (!matcher.ok()) {
      slsa.Fail(matcher.error());
    } else {
      requirement.materials.push_back(std::move(matcher).value());
    }
  }
  if (slsa.view().size() == 0) slsa.Fail("", "must ask for something: builderID, sourceRepository, ...");
  return requirement;
}

}  // namespace

std::vector<AttestationRequirement> ReadAttestations(ObjectReader& authority, std::size_t& left) {
  std::vector<AttestationRequirement> requirements;
  const bool present = authority.Has("attestations");
  authority.Each("attestations", present ? Presence::kRequired : Presence::kOptional, [&](ObjectReader& reader) {
    AttestationRequirement requirement;
    requirement.name = reader.String("name");
    if (reader.ok() && !NodeName::Parse(requirement.name).ok()) {
      reader.Fail("name", "'" + Printable(requirement.name, 64) +
                              "' is not a name; write lower-case letters, digits, - and . only");
    }
    auto same = [&](const AttestationRequirement& other) { return other.name == requirement.name; };
    if (std::any_of(requirements.begin(), requirements.end(), same))
      reader.Fail("name", "'" + requirement.name + "' is the name of another attestation of this authority");
    requirement.predicate_types = ReadPredicateTypes(reader);
    reader.Object("slsa", Presence::kOptional, [&](ObjectReader& slsa) { requirement.slsa = ReadSlsa(slsa); });
    if (reader.Has("where")) {
      requirement.where = Conditions(ReadConditions(reader, "where", false, left));
    } else {
      (void)reader.Raw("where");
    }
    requirements.push_back(std::move(requirement));
  });
  return requirements;
}

}  // namespace gatehouse::policy
