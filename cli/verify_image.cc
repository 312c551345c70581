// gatehouse verify image REF --policy PATH…
#include <iostream>

#include "cli/options.h"
#include "common/registry/layout.h"

namespace gatehouse::cli {
namespace {

constexpr std::string_view kLayout = "oci:";

// What is judged, and where it comes from.
struct Target {
  std::string text;  // as a pod would have it
  std::unique_ptr<registry::ImageSource> images = nullptr;
};

Result<Digest> DigestIn(registry::Layout& layout, const registry::LayoutName& name, const Deadline& deadline) {
  if (name.any) return layout.OnlyImage();
  if (name.reference.digest().has_value()) return *name.reference.digest();
  ASSIGN_OR_RETURN(auto content, layout.GetManifestByTag(name.reference, *name.reference.tag(), {}, deadline));
  if (content.has_value()) return content->digest();
  std::string tags;
  for (const std::string& tag : layout.Tags()) tags += (tags.empty() ? "; there is " : ", ") + tag;
  return Error{Reason::kUsage, name.folder, "the layout has no tag " + *name.reference.tag() + tags};
}

// An image of a layout goes by the digest that it has there: a name says which policies cover it, and nothing else.
Result<Target> OfLayout(const Options& options) {
  ASSIGN_OR_RETURN(registry::LayoutName name,
                   registry::ParseLayoutName(std::string_view(options.image).substr(kLayout.size())));
  ASSIGN_OR_RETURN(auto layout, registry::Layout::Open(name.folder));
  const SystemClock clock;
  const Deadline deadline(clock, std::chrono::seconds(options.registry.timeout_seconds));
  ASSIGN_OR_RETURN(Digest digest, DigestIn(*layout, name, deadline));
  image::Reference as = name.reference;
  if (!options.image_as.empty()) {
    ASSIGN_OR_RETURN(as, image::Reference::Parse(options.image_as));
    if (as.digest().has_value() && *as.digest() != digest)
      return Error{Reason::kUsage, "--as", "names another digest than the layout has: " + digest.text()};
  }
  const std::string tag = as.tag().has_value() ? ":" + *as.tag() : "";
  return Target{as.Name() + tag + "@" + digest.text(), std::move(layout)};
}

Result<Target> TargetOf(const Options& options) {
  if (options.image.starts_with(kLayout)) return OfLayout(options);
  if (!options.image_as.empty())
    return Error{Reason::kUsage, "--as", "is for images of a layout (oci:DIR); that of a registry has its name"};
  ASSIGN_OR_RETURN(const image::Reference reference, image::Reference::Parse(options.image));
  return Target{options.image};
}

}  // namespace

int VerifyImage(const Options& options) {
  Result<Target> target = TargetOf(options);
  if (!target.ok()) {
    PrintError(target.error(), options.json);
    return kUsageOrPolicy;
  }
  std::vector<Error> errors;
  auto set = LoadOrComplain(options.policies, &errors);
  for (const Error& error : errors) PrintError(error, options.json);
  if (!errors.empty()) return kUsageOrPolicy;
  auto gate = LocalGate::Make(options, set, std::move(target->images));
  if (!gate.ok()) {
    PrintError(gate.error(), options.json);
    return kUsageOrPolicy;
  }
  // As a pod of one container without labels would be judged.
  admission::ReviewRequest request;
  request.operation = "CREATE";
  request.kind = "Pod";
  request.resource = "pods";
  request.namespace_name = options.namespace_name;
  request.subject = admission::Subject::kPod;
  request.images = {{.where = "the command line", .image = target->text}};
  request.labels.emplace();
  gate::Decision decision = (*gate)->Decide(request);
  const auto reference = image::Reference::Parse(target->text);
  Print(reference.ok() ? reference->Canonical() : target->text, decision, options.json);
  return ExitCodeOf(decision);
}

}  // namespace gatehouse::cli
