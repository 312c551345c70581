// AdmissionReviews: what is accepted keeps every promise of review.h, and what is refused has a reason of its list.
#include "common/admission/review.h"

#include <algorithm>

#include "common/base/bytes.h"
#include "common/base/limits.h"
#include "tests/fuzz/check.h"

using gatehouse::Reason;
using gatehouse::admission::ReviewRequest;
using gatehouse::admission::ReviewResult;
using gatehouse::admission::Subject;

namespace {

void CheckRequest(const ReviewRequest& request) {
  FUZZ_CHECK(!request.operation.empty() && !request.kind.empty());
  FUZZ_CHECK(request.images.size() <= gatehouse::limits::kImagesPerReview);
  for (const auto& use : request.images) {
    FUZZ_CHECK(!use.image.empty() && !use.where.empty());
    FUZZ_CHECK(use.pointer.ends_with("/image") || use.pointer.ends_with("/image/reference"));
  }
  bool brings_in = request.operation == "CREATE" || request.operation == "UPDATE";
  FUZZ_CHECK(brings_in || request.subject == Subject::kOther);
  for (const auto& use : request.images) FUZZ_CHECK(request.operation == "UPDATE" || !use.unchanged);
  FUZZ_CHECK(!request.node || !request.node->empty());
  switch (request.subject) {
    case Subject::kPod:
    case Subject::kWorkload:
      FUZZ_CHECK(!request.images.empty() && request.labels.has_value());
      break;
    case Subject::kEphemeral:
      break;
    case Subject::kBinding:
      FUZZ_CHECK(request.images.empty() && !request.labels.has_value());
      FUZZ_CHECK(request.node.has_value());
      break;
    case Subject::kPolicy:
      FUZZ_CHECK(request.images.empty() && !request.node && !request.labels);
      FUZZ_CHECK(!request.policy_object.empty() || request.operation == "UPDATE");
      break;
    case Subject::kOther:
      FUZZ_CHECK(request.images.empty() && !request.node && !request.labels);
      break;
  }
}

void CheckRefusal(const ReviewResult& result) {
  Reason reason = result.error().error.reason;
  FUZZ_CHECK(reason == Reason::kJsonMalformed || reason == Reason::kLimitExceeded ||
             reason == Reason::kReviewMalformed || reason == Reason::kContentUnsupported);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto text = gatehouse::AsText({data, size});
  if (auto result = gatehouse::admission::ParseReview(text); result.ok()) {
    const ReviewRequest& request = result.request();
    FUZZ_CHECK(!request.uid.empty());
    bool namespaced = request.subject != Subject::kOther && request.subject != Subject::kPolicy;
    FUZZ_CHECK(!namespaced || !request.namespace_name.empty());
    CheckRequest(request);
    FUZZ_CHECK(!gatehouse::admission::Encode({.uid = request.uid, .message = request.name, .warnings = {request.user}})
                    .empty());
  } else {
    CheckRefusal(result);
  }
  if (auto result = gatehouse::admission::ParseManifestObject(text, "default"); result.ok()) {
    CheckRequest(result.request());
  } else {
    CheckRefusal(result);
  }
  return 0;
}
