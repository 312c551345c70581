#include "common/base/encoding.h"
#include "common/policy/readers.h"

namespace gatehouse::policy {
namespace {

using codec::JsonDocument;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

// Regular expressions of one policy. Each costs up to 64 KiB in every replica, whatever its length (text_matcher.cc),
// so they are counted before the first is compiled.
constexpr std::size_t kRegularExpressions = 300;

std::size_t CountRegularExpressions(codec::JsonView view) {
  std::size_t count = 0;
  for (std::size_t i = 0; view.IsArray() && i < view.size(); ++i) count += CountRegularExpressions(view.at(i));
  for (std::size_t i = 0; view.IsObject() && i < view.size(); ++i) {
    const auto member = view.member(i);
    const bool one = member.key.ends_with("RegExp") || member.key == "regExp";
    count += one ? 1 : CountRegularExpressions(member.value);
  }
  return count;
}

std::size_t ReadRequire(ObjectReader& spec, std::size_t authorities) {
  auto value = spec.Raw("require");
  if (!spec.ok() || !value) return 1;
  if (value->IsObject()) {
    std::int64_t required = 1;
    spec.Object("require", Presence::kRequired, [&](ObjectReader& require) {
      required = require.Int("atLeast", 1, static_cast<std::int64_t>(authorities));
    });
    return static_cast<std::size_t>(required);
  }
  auto text = value->AsString();
  if (text == "all") return authorities;
  if (text != "any") spec.Fail("require", "must be any, all, or {atLeast: N}");
  return 1;
}

SubjectKind ReadSubject(ObjectReader& spec) {
  auto subject = spec.OptionalEnum("subject", {"Reference", "Platforms", "Both"});
  if (subject == "Platforms") return SubjectKind::kPlatforms;
  if (subject == "Both") return SubjectKind::kBoth;
  return SubjectKind::kReference;
}

std::vector<std::string> ReadPullSecrets(ObjectReader& spec) {
  std::vector<std::string> names = spec.Strings("pullSecrets", Presence::kOptional);
  std::vector<std::string> positions = NamePositions(spec, "pullSecrets", names);
  for (const std::string& name : names) {
    if (!NodeName::Parse(name).ok())
      spec.Fail("pullSecrets", "'" + Printable(name, 64) + "' is not the name of a Secret");
  }
  return names;
}

}  // namespace

Result<UnlinkedImagePolicy> ReadImagePolicy(const JsonDocument& document, const Head& head) {
  UnlinkedImagePolicy out{};
  ImagePolicy& policy = out.policy;
  policy.name = head.name;
  policy.namespace_name = head.namespace_name;
  policy.generation = GenerationOf(document, head);
  ObjectReader reader(document, document.root(), Reason::kPolicyInvalid);
  ReadEnvelope(reader, head);
  reader.Object("spec", Presence::kRequired, [&](ObjectReader& spec) {
    if (CountRegularExpressions(spec.view()) > kRegularExpressions) {
      spec.Fail(Error{Reason::kLimitExceeded, "",
                      "has more than " + std::to_string(kRegularExpressions) + " regular expressions"});
      return;
    }
    spec.Each("images", Presence::kRequired, [&](ObjectReader& image) {
      std::string pattern = image.String("glob");
      if (!image.ok()) return;
      auto glob = ImageGlob::Parse(pattern);
      if (!glob.ok()) return image.Fail("glob", glob.error().detail);
      policy.images.push_back(std::move(glob).value());
    });
    if (head.kind == "ImagePolicy") {
      policy.namespace_selector = ReadSelector(spec, "namespaceSelector");
    } else if (spec.Has("namespaceSelector")) {
      spec.Fail("namespaceSelector", "has no meaning here: the policy is for its own namespace; remove it");
    }
    policy.pod_selector = ReadSelector(spec, "podSelector");
    ReadAuthorities(spec, out);
    policy.required = ReadRequire(spec, policy.authorities.size());
    CheckSignersDiffer(spec, out);
    policy.mode = ReadMode(spec);
    auto on_unavailable = spec.OptionalEnum("onUnavailable", {"deny", "allow"});
    policy.on_unavailable = on_unavailable == "allow" ? OnUnavailable::kAllow : OnUnavailable::kDeny;
    policy.subject = ReadSubject(spec);
    policy.pull_secrets = ReadPullSecrets(spec);
  });
  RETURN_IF_ERROR(reader.Finish());
  return out;
}

}  // namespace gatehouse::policy
