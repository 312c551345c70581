// gatehouse policy test --policy PATH… (--review FILE | --manifest FILE)
#include <algorithm>
#include <iostream>

#include "cli/options.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/codec/yaml.h"

namespace gatehouse::cli {
namespace {

// A review file holds one AdmissionReview; a manifest file any number of objects, YAML or JSON.
Result<std::vector<admission::ReviewRequest>> ReadRequests(const Options& options) {
  std::vector<admission::ReviewRequest> requests;
  auto take = [&](const admission::ReviewResult& result, const std::string& where) -> Status {
    if (!result.ok()) return result.error().error.In(where);
    requests.push_back(result.request());
    return Ok();
  };
  if (!options.review_file.empty()) {
    ASSIGN_OR_RETURN(std::string text, ReadTextFile(options.review_file, limits::kReviewBytes));
    RETURN_IF_ERROR(take(admission::ParseReview(text), options.review_file));
    return requests;
  }
  ASSIGN_OR_RETURN(std::string text, ReadTextFile(options.manifest_file, limits::kYamlBytes));
  ASSIGN_OR_RETURN(auto documents, codec::ParseYaml(text, options.manifest_file));
  for (const codec::JsonDocument& document : documents) {
    RETURN_IF_ERROR(take(admission::ParseManifestObject(document.root().Serialize(), options.namespace_name),
                         document.PositionOf(document.root())));
  }
  if (requests.empty()) return Error{Reason::kUsage, options.manifest_file, "the file holds no object"};
  return requests;
}

// An object of a kind that is not judged has no resource here.
std::string SubjectOf(const admission::ReviewRequest& request) {
  return request.operation + " " + (request.resource.empty() ? request.kind : request.resource) + " " +
         request.namespace_name + "/" + request.name;
}

// A request that the webhook would deny as malformed is refused; what is no request at all is a mistake of whoever
// called us, and must not pass for the refusal that a test of a policy may be waiting for.
int ExitCodeOf(const Error& error) {
  return error.reason == Reason::kReviewMalformed ? kRefused : kUsageOrPolicy;
}

// The worst of two: a refusal outweighs what could not be checked.
int Worse(int a, int b) {
  auto weight = [](int code) { return code == kRefused ? 2 : code == kCouldNotCheck ? 1 : 0; };
  return weight(a) >= weight(b) ? a : b;
}

}  // namespace

int PolicyTest(const Options& options) {
  std::vector<Error> errors;
  auto set = LoadOrComplain(options.policies, &errors);
  for (const Error& error : errors) PrintError(error, options.json);
  if (!errors.empty()) return kUsageOrPolicy;
  auto requests = ReadRequests(options);
  if (!requests.ok()) {
    PrintError(requests.error(), options.json);
    return ExitCodeOf(requests.error());
  }
  auto gate = LocalGate::Make(options, set);
  if (!gate.ok()) {
    PrintError(gate.error(), options.json);
    return kUsageOrPolicy;
  }
  int exit_code = kAdmitted;
  for (const admission::ReviewRequest& request : *requests) {
    if (request.subject == admission::Subject::kOther) {
      PrintNotJudged(SubjectOf(request), options.json);
      continue;
    }
    gate::Decision decision = (*gate)->Decide(request);
    Print(SubjectOf(request), decision, options.json);
    exit_code = Worse(exit_code, ExitCodeOf(decision));
  }
  return exit_code;
}

}  // namespace gatehouse::cli
