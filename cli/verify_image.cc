// gatehouse verify image REF --policy PATH…
#include <iostream>

#include "cli/options.h"

namespace gatehouse::cli {

int VerifyImage(const Options& options) {
  auto reference = image::Reference::Parse(options.image);
  if (!reference.ok()) {
    PrintError(reference.error(), options.json);
    return kUsageOrPolicy;
  }
  std::vector<Error> errors;
  auto set = LoadOrComplain(options.policies, &errors);
  for (const Error& error : errors) PrintError(error, options.json);
  if (!errors.empty()) return kUsageOrPolicy;
  auto gate = LocalGate::Make(options, set);
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
  request.images = {{.where = "the command line", .image = options.image}};
  request.labels.emplace();
  gate::Decision decision = (*gate)->Decide(request);
  Print(reference->Canonical(), decision, options.json);
  return ExitCodeOf(decision);
}

}  // namespace gatehouse::cli
