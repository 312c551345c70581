#include <algorithm>

#include "common/base/encoding.h"
#include "common/policy/readers.h"

namespace gatehouse::policy {
namespace {

using codec::JsonDocument;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

void ReadScheme(ObjectReader& key, signature::keyed::Verifier& verifier) {
  auto hash = key.OptionalEnum("hashAlgorithm", {"sha256", "sha384", "sha512"});
  auto padding = key.OptionalEnum("rsaPadding", {"pkcs1v15", "pss"});
  crypto::KeyType type = verifier.key.type();
  // What would be read and never applied is refused.
  if (hash && type == crypto::KeyType::kEd25519) {
    key.Fail("hashAlgorithm", "has no meaning for an Ed25519 key, which signs the message itself; remove it");
  }
  if (padding && type != crypto::KeyType::kRsa) key.Fail("rsaPadding", "has a meaning for RSA keys only; remove it");
  if (hash == "sha384") verifier.hash = HashAlgorithm::kSha384;
  if (hash == "sha512") verifier.hash = HashAlgorithm::kSha512;
  verifier.rsa_pss = padding == "pss";
}

std::optional<signature::keyed::Verifier> ReadKey(ObjectReader& key) {
  std::string pem = key.String("data");
  if (!key.ok()) return std::nullopt;
  auto parsed = crypto::PublicKey::FromPem(pem);
  if (!parsed.ok()) {
    FailWith(key, "data", parsed.error());
    return std::nullopt;
  }
  signature::keyed::Verifier verifier{.key = std::move(parsed).value()};
  ReadScheme(key, verifier);
  return verifier;
}

StaticAuthority ReadStatic(ObjectReader& rule) {
  auto action = rule.OptionalEnum("action", {"pass", "fail"});
  if (!action) rule.Fail("action", "is required: pass or fail");
  StaticAuthority authority{action == "pass", rule.OptionalString("message").value_or("")};
  if (authority.pass && rule.Has("message")) rule.Fail("message", "is shown by action: fail only; remove it");
  return authority;
}

void ReadAuthority(ObjectReader& reader, std::vector<Authority>& authorities) {
  std::string name = reader.String("name");
  if (reader.ok() && !NodeName::Parse(name).ok()) {
    reader.Fail("name", "'" + Printable(name, 64) + "' is not a name; write lower-case letters, digits, - and . only");
  }
  auto same_name = [&](const Authority& other) { return other.name == name; };
  if (std::any_of(authorities.begin(), authorities.end(), same_name)) {
    reader.Fail("name", "'" + name + "' is the name of another authority of this policy");
  }
  std::optional<signature::keyed::Verifier> verifier;
  std::optional<StaticAuthority> fixed;
  reader.Object("key", Presence::kOptional, [&](ObjectReader& key) { verifier = ReadKey(key); });
  reader.Object("static", Presence::kOptional, [&](ObjectReader& rule) { fixed = ReadStatic(rule); });
  auto annotations = reader.StringMap("annotations", Presence::kOptional);
  if (reader.Has("key") == reader.Has("static")) reader.Fail("", "must have one of key and static, and not both");
  if (fixed && reader.Has("annotations"))
    reader.Fail("annotations", "are those of a signed payload, which static does not look at; remove them");
  if (!reader.ok()) return;
  if (verifier) {
    authorities.push_back({.name = std::move(name),
                           .rule = KeyAuthority{std::move(*verifier), {}},
                           .annotations = {annotations.begin(), annotations.end()},
                           .attestations = {}});
  } else if (fixed) {
    authorities.push_back({.name = std::move(name), .rule = *std::move(fixed), .annotations = {}, .attestations = {}});
  }
}

// One signer must not count twice towards a number of authorities.
void CheckKeysDiffer(ObjectReader& spec, const std::vector<Authority>& authorities) {
  std::map<Digest, std::string> seen;
  for (const Authority& authority : authorities) {
    const auto* rule = std::get_if<KeyAuthority>(&authority.rule);
    if (rule == nullptr) continue;
    auto [before, added] = seen.emplace(rule->verifier.key.Fingerprint(), authority.name);
    if (added) continue;
    spec.Fail("authorities", "'" + authority.name + "' has the same key as '" + before->second +
                                 "'; one signer counts once, so keep one of them");
  }
}

// Beside others a static pass would make them decoration (any), or shift what a number means (atLeast).
void CheckStaticPassIsAlone(ObjectReader& spec, const std::vector<Authority>& authorities) {
  for (const Authority& authority : authorities) {
    const auto* fixed = std::get_if<StaticAuthority>(&authority.rule);
    if (fixed == nullptr || !fixed->pass || authorities.size() == 1) continue;
    return spec.Fail("authorities", "'" + authority.name +
                                        "' always passes, so the others would not count: leave it out, "
                                        "or make it the only authority of a policy of its own");
  }
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

}  // namespace

Result<ImagePolicy> ReadImagePolicy(const JsonDocument& document, const Head& head) {
  ImagePolicy policy{};
  policy.name = head.name;
  policy.namespace_name = head.namespace_name;
  policy.generation = GenerationOf(document, head);
  ObjectReader reader(document, document.root(), Reason::kPolicyInvalid);
  ReadEnvelope(reader, head);
  reader.Object("spec", Presence::kRequired, [&](ObjectReader& spec) {
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
    spec.Each("authorities", Presence::kRequired,
              [&](ObjectReader& authority) { ReadAuthority(authority, policy.authorities); });
    CheckKeysDiffer(spec, policy.authorities);
    CheckStaticPassIsAlone(spec, policy.authorities);
    policy.required = ReadRequire(spec, policy.authorities.size());
    policy.mode = ReadMode(spec);
    auto on_unavailable = spec.OptionalEnum("onUnavailable", {"deny", "allow"});
    policy.on_unavailable = on_unavailable == "allow" ? OnUnavailable::kAllow : OnUnavailable::kDeny;
  });
  RETURN_IF_ERROR(reader.Finish());
  return policy;
}

}  // namespace gatehouse::policy
