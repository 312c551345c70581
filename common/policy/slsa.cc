#include "common/policy/slsa.h"

#include <algorithm>

#include "common/base/encoding.h"

namespace gatehouse::policy {
namespace {

using codec::JsonView;

struct Provenance {
  std::string builder_id;
  std::string build_type;
  SlsaSource source;
  std::vector<std::string> materials;
};

std::optional<JsonView> At(std::optional<JsonView> view, std::initializer_list<std::string_view> path) {
  for (std::string_view key : path) {
    if (!view) return std::nullopt;
    view = view->Find(key);
  }
  return view;
}

// Empty if there is no text.
std::string TextAt(JsonView view, std::initializer_list<std::string_view> path) {
  auto value = At(view, path);
  return std::string(value ? value->AsString().value_or("") : "");
}

std::vector<std::string> Uris(std::optional<JsonView> list) {
  std::vector<std::string> uris;
  if (!list || !list->IsArray()) return uris;
  for (std::size_t i = 0; i < list->size(); ++i) {
    std::string uri = TextAt(list->at(i), {"uri"});
    if (!uri.empty()) uris.push_back(std::move(uri));
  }
  return uris;
}

// slsa.dev/spec/v0.2/provenance: invocation.configSource is where the build's configuration came from; materials are
// whatever went into the build.
Provenance ReadVersion02(JsonView predicate) {
  return {.builder_id = TextAt(predicate, {"builder", "id"}),
          .build_type = TextAt(predicate, {"buildType"}),
          .source = SplitSource(TextAt(predicate, {"invocation", "configSource", "uri"})),
          .materials = Uris(At(predicate, {"materials"}))};
}

// Build types whose externalParameters name the source, and how they call it: an object with repository and ref.
struct BuildType {
  std::string_view uri;
  std::string_view parameter;
};
constexpr BuildType kBuildTypes[] = {
    {"https://actions.github.io/buildtypes/workflow/v1", "workflow"},
    {"https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1", "workflow"},
    {"https://cloud.google.com/build/gcb-buildtypes/google-worker/v1", "buildConfigSource"},
};

// slsa.dev/spec/v1.0/provenance leaves externalParameters to the build type, and to whoever asks for a build what is in
// them: only those of known types are read. Otherwise the source is the only dependency that is a git repository: of
// several it is not known which was built and which was merely used, and anybody can use somebody else's.
SlsaSource ReadSource1(JsonView definition, const std::vector<std::string>& dependencies) {
  std::string build_type = TextAt(definition, {"buildType"});
  for (const BuildType& type : kBuildTypes) {
    if (build_type != type.uri) continue;
    auto source = At(definition, {"externalParameters", type.parameter});
    if (!source) return {};
    SlsaSource split = SplitSource(TextAt(*source, {"repository"}));
    return {.repository = std::move(split.repository), .ref = TextAt(*source, {"ref"})};
  }
  auto is_git = [](const std::string& uri) { return uri.starts_with("git+"); };
  if (std::count_if(dependencies.begin(), dependencies.end(), is_git) != 1) return {};
  return SplitSource(*std::find_if(dependencies.begin(), dependencies.end(), is_git));
}

Provenance ReadVersion1(JsonView predicate) {
  Provenance provenance{.builder_id = TextAt(predicate, {"runDetails", "builder", "id"}),
                        .build_type = TextAt(predicate, {"buildDefinition", "buildType"}),
                        .source = {},
                        .materials = Uris(At(predicate, {"buildDefinition", "resolvedDependencies"}))};
  if (auto definition = predicate.Find("buildDefinition"))
    provenance.source = ReadSource1(*definition, provenance.materials);
  return provenance;
}

Status Check(std::string_view what, const std::optional<TextMatcher>& wanted, const std::string& found) {
  if (!wanted || (!found.empty() && wanted->Matches(found))) return Ok();
  return Error{Reason::kPredicateMismatch, "",
               "the provenance " +
                   (found.empty() ? "does not say its " + std::string(what)
                                  : "has the " + std::string(what) + " '" + Printable(found, 256) + "'") +
                   "; the policy wants " + wanted->ToString()};
}

}  // namespace

SlsaSource SplitSource(std::string_view uri) {
  if (uri.starts_with("git+")) uri.remove_prefix(4);
  // An '@' of the host ("ssh://git@host/...") is none of the ref.
  auto scheme = uri.find("://");
  auto path = uri.find('/', scheme == std::string_view::npos ? 0 : scheme + 3);
  auto at = path == std::string_view::npos ? path : uri.find('@', path);
  if (at == std::string_view::npos) return {.repository = std::string(uri), .ref = ""};
  return {.repository = std::string(uri.substr(0, at)), .ref = std::string(uri.substr(at + 1))};
}

Status CheckSlsa(const SlsaRequirement& requirement, std::string_view predicate_type, JsonView predicate) {
  Provenance provenance;
  if (predicate_type == kSlsaProvenance02) {
    provenance = ReadVersion02(predicate);
  } else if (predicate_type == kSlsaProvenance1) {
    provenance = ReadVersion1(predicate);
  } else {
    return Error{Reason::kPredicateMismatch, "", "is not SLSA provenance v0.2 or v1"};
  }
  RETURN_IF_ERROR(Check("builder's id", requirement.builder_id, provenance.builder_id));
  RETURN_IF_ERROR(Check("build type", requirement.build_type, provenance.build_type));
  RETURN_IF_ERROR(Check("source repository", requirement.source_repository, provenance.source.repository));
  RETURN_IF_ERROR(Check("source ref", requirement.source_ref, provenance.source.ref));
  for (const TextMatcher& wanted : requirement.materials) {
    auto matches = [&](const std::string& uri) { return wanted.Matches(uri); };
    if (std::any_of(provenance.materials.begin(), provenance.materials.end(), matches)) continue;
    return Error{Reason::kPredicateMismatch, "",
                 "none of the provenance's " + std::to_string(provenance.materials.size()) + " materials is " +
                     wanted.ToString()};
  }
  return Ok();
}

}  // namespace gatehouse::policy
