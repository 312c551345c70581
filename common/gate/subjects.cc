#include "common/gate/subjects.h"

#include <algorithm>

#include "common/base/limits.h"

namespace gatehouse::gate {
namespace {

// What buildkit calls the attestations that it keeps in an index: no runtime chooses them, for no machine is of that
// platform.
constexpr std::string_view kNoPlatform = "unknown/unknown";

Result<std::vector<Subject>> PlatformsOf(const image::Index& index, const std::set<std::size_t>& policies) {
  std::vector<Subject> subjects;
  std::set<Digest> known;
  for (const image::Descriptor& each : index.manifests) {
    if (each.platform == kNoPlatform || !known.insert(each.digest).second) continue;
    // A runtime goes on choosing in it, by rules of its own.
    if (each.media_type == image::kOciIndex || each.media_type == image::kDockerList)
      return Error{Reason::kContentUnsupported, each.digest.text(), "the index holds another index"};
    if (subjects.size() == limits::kPlatforms) {
      return Error{Reason::kLimitExceeded, "",
                   "the index holds more than " + std::to_string(limits::kPlatforms) + " images that can be run"};
    }
    const std::string platform = each.platform.empty() ? "of no platform, " + each.digest.text() : each.platform;
    subjects.push_back({each.digest, "platform " + platform, std::nullopt, policies});
  }
  if (subjects.empty()) return Error{Reason::kManifestMalformed, "", "the index holds no image that can be run"};
  return subjects;
}

Result<std::variant<image::Manifest, image::Index>> Parse(
    const Result<std::optional<registry::VerifiedContent>>& content, const Digest& digest) {
  if (!content.ok()) return content.error();
  if (!content->has_value()) return Error{Reason::kImageNotFound, "", "the registry has no " + digest.text()};
  return image::ParseManifest((*content)->bytes(), (*content)->content_type());
}

}  // namespace

Subjects SubjectsOf(const Access& access, const Digest& digest, std::optional<registry::VerifiedContent> content,
                    const std::vector<const policy::ImagePolicy*>& policies) {
  Subject own{digest, "", std::nullopt, {}};
  std::set<std::size_t> looking;
  for (std::size_t i = 0; i < policies.size(); ++i) {
    if (policies[i]->subject != policy::SubjectKind::kPlatforms) own.policies.insert(i);
    if (policies[i]->subject != policy::SubjectKind::kReference) looking.insert(i);
  }
  Result<std::optional<registry::VerifiedContent>> known = std::move(content);
  if (!looking.empty() && !known->has_value()) {
    known = access.source.GetManifest(access.reference, digest, access.credentials, access.deadline);
  }
  if (known.ok() && known->has_value()) {
    own.descriptor = image::Descriptor{(*known)->content_type(), digest, (*known)->bytes().size(), {}, "", ""};
  }
  if (looking.empty()) return {{std::move(own)}, std::nullopt};
  Subjects subjects{{}, std::nullopt};
  auto parsed = Parse(known, digest);
  if (!parsed.ok()) {
    subjects.fault = parsed.error();
    subjects.unknown_to = looking;
  } else if (const auto* index = std::get_if<image::Index>(&*parsed)) {
    auto platforms = PlatformsOf(*index, looking);
    if (platforms.ok()) {
      subjects.subjects = *std::move(platforms);
    } else {
      subjects.fault = platforms.error();
      subjects.unknown_to = looking;
    }
  } else {
    own.policies.insert(looking.begin(), looking.end());  // a single image is its own platform's
  }
  if (!own.policies.empty()) subjects.subjects.insert(subjects.subjects.begin(), std::move(own));
  return subjects;
}

PolicyVerdict Together(std::vector<SubjectVerdict> verdicts) {
  if (verdicts.size() == 1 && verdicts.front().subject->where.empty()) return std::move(verdicts.front().verdict);
  PolicyVerdict together{"", Error{Reason::kInternal, "", "nothing of the image was looked at"}};
  std::optional<Error> refusal;
  std::vector<std::string> by;
  together.signature = !verdicts.empty();
  for (SubjectVerdict& each : verdicts) {
    const std::string& where = each.subject->where;
    together.policy = each.verdict.policy;
    for (const Error& warning : each.verdict.warnings) {
      together.warnings.push_back(where.empty() ? warning : warning.In(where));
    }
    if (each.verdict.vouched_by.ok()) {
      together.signature = together.signature && each.verdict.signature;
      if (std::find(by.begin(), by.end(), *each.verdict.vouched_by) == by.end()) by.push_back(*each.verdict.vouched_by);
      continue;
    }
    Error error = where.empty() ? each.verdict.vouched_by.error() : each.verdict.vouched_by.error().In(where);
    const bool definite = ClassOf(error.reason) != ReasonClass::kUnavailable;
    if (!refusal.has_value() || (definite && ClassOf(refusal->reason) == ReasonClass::kUnavailable)) {
      refusal = std::move(error);
    }
  }
  if (refusal.has_value()) {
    together.vouched_by = *std::move(refusal);
  } else if (!by.empty()) {
    std::string text;
    for (const std::string& each : by) text += (text.empty() ? "" : "; ") + each;
    together.vouched_by = text + ", for " + std::to_string(verdicts.size()) +
                          (verdicts.size() == 1 ? " manifest of it" : " manifests of it");
  }
  return together;
}

}  // namespace gatehouse::gate
