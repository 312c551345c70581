#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/policy/condition.h"
#include "common/policy/readers.h"

namespace gatehouse::policy {
namespace {

using codec::ObjectReader;
using Presence = ObjectReader::Presence;
using References = UnlinkedImagePolicy::References;

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

std::optional<KeyAuthority> ReadKey(ObjectReader& key) {
  std::string pem = key.String("data");
  if (!key.ok()) return std::nullopt;
  auto parsed = crypto::PublicKey::FromPem(pem);
  if (!parsed.ok()) {
    FailWith(key, "data", parsed.error());
    return std::nullopt;
  }
  signature::keyed::Verifier verifier{.key = std::move(parsed).value()};
  ReadScheme(key, verifier);
  return KeyAuthority{std::move(verifier), {}};
}

// One of KEY, KEYGlob and KEYRegExp; `otherwise` says what its absence would mean.
std::optional<TextMatcher> ReadForms(ObjectReader& reader, const std::string& key, std::string_view otherwise) {
  auto exact = reader.OptionalString(key);
  auto glob = reader.OptionalString(key + "Glob");
  auto regex = reader.OptionalString(key + "RegExp");
  if (!reader.ok()) return std::nullopt;
  int forms = (exact ? 1 : 0) + (glob ? 1 : 0) + (regex ? 1 : 0);
  if (forms != 1) {
    std::string choice = "one of " + key + ", " + key + "Glob and " + key + "RegExp";
    reader.Fail("", forms == 0 ? "needs " + choice + ": " + std::string(otherwise) : "must have only " + choice);
    return std::nullopt;
  }
  auto matcher = exact  ? TextMatcher::Exact(*exact)
                 : glob ? TextMatcher::FromGlob(*glob)
                        : TextMatcher::FromRegex(*regex);
  if (matcher.ok()) return std::move(matcher).value();
  reader.Fail(exact ? key : key + (glob ? "Glob" : "RegExp"), matcher.error().detail);
  return std::nullopt;
}

Identity ReadIdentity(ObjectReader& reader) {
  Identity identity;
  if (reader.OptionalBool("noIssuer").value_or(false)) {
    for (const char* key : {"issuer", "issuerGlob", "issuerRegExp"}) {
      if (reader.Raw(key)) reader.Fail(key, "stands beside noIssuer: true; keep one of them");
    }
  } else {
    identity.issuer = ReadForms(reader, "issuer", "anybody could make an account of that name at another provider");
  }
  identity.subject = ReadForms(reader, "subject", "everybody with an account at that provider would do");
  reader.Object("claims", Presence::kOptional, [&](ObjectReader& claims) {
    if (claims.view().size() == 0) claims.Fail("", "must name at least one claim, such as sourceRepositoryURI");
    for (const std::string& name : KnownClaims()) {
      if (auto matcher = ReadText(claims, name)) identity.claims.emplace(name, *std::move(matcher));
    }
  });
  return identity;
}

KeylessAuthority ReadKeyless(ObjectReader& reader, std::string& signer) {
  KeylessAuthority keyless;
  reader.Each("identities", Presence::kRequired,
              [&](ObjectReader& identity) { keyless.identities.push_back(ReadIdentity(identity)); });
  if (reader.ok()) signer = "keyless " + Canonical(reader.view());
  return keyless;
}

std::optional<NotationAuthority> ReadNotation(ObjectReader& reader, References& references) {
  auto value = reader.Raw("trustPolicy");
  if (!value) reader.Fail("trustPolicy", "is required: what notation calls trustpolicy.json");
  if (!value || !reader.ok()) return std::nullopt;
  auto text = value->AsString();
  if (!text && !value->IsObject()) reader.Fail("trustPolicy", "must be an object, or the text of trustpolicy.json");
  if (!reader.ok()) return std::nullopt;
  references.stores = reader.document().PositionOf(*value);
  references.stores += (references.stores.empty() ? "" : " ") + reader.path() + ".trustPolicy";
  auto policy = signature::notation::ParseTrustPolicy(text ? std::string(*text) : value->Serialize());
  if (!policy.ok()) {
    FailWith(reader, "trustPolicy", policy.error());
    return std::nullopt;
  }
  references.signer = "notation " + Canonical(*value);
  return NotationAuthority{std::move(policy).value(), {}, {}, "", Reason::kTrustUnavailable};
}

StaticAuthority ReadStatic(ObjectReader& rule) {
  auto action = rule.OptionalEnum("action", {"pass", "fail"});
  if (!action) rule.Fail("action", "is required: pass or fail");
  StaticAuthority authority{action == "pass", rule.OptionalString("message").value_or("")};
  if (authority.pass && rule.Has("message")) rule.Fail("message", "is shown by action: fail only; remove it");
  return authority;
}

// `key` is for authorities of other kinds.
void Refuse(ObjectReader& reader, std::initializer_list<std::string_view> keys, std::string_view why) {
  for (std::string_view key : keys) {
    if (reader.Has(key)) reader.Fail(key, why);
  }
}

std::size_t ReadCount(ObjectReader& minimum, std::string_view key, std::size_t fallback, std::size_t most,
                      std::string_view unsafe) {
  if (unsafe.empty()) {
    auto count = minimum.OptionalInt(key, 0, static_cast<std::int64_t>(most));
    return count ? static_cast<std::size_t>(*count) : fallback;
  }
  auto zero = minimum.Raw(key);
  if (zero && zero->AsInt() == 0)
    minimum.Fail(key, "must not be 0; write " + std::string(unsafe) + ": true if you mean it");
  auto count = zero ? minimum.OptionalInt(key, 1, static_cast<std::int64_t>(most)) : std::nullopt;
  return count ? static_cast<std::size_t>(*count) : fallback;
}

void ReadMinimum(ObjectReader& minimum, bool keyless, bool ignore_log, bool ignore_sct, Vouching& vouching) {
  if (ignore_log && minimum.Has("transparencyLogs"))
    minimum.Fail("transparencyLogs", "stands beside unsafeIgnoreTransparencyLog: true; keep one of them");
  if (ignore_sct && minimum.Has("certificateLogs"))
    minimum.Fail("certificateLogs", "stands beside unsafeIgnoreSCT: true; keep one of them");
  if (!keyless && minimum.Has("certificateLogs"))
    minimum.Fail("certificateLogs", "are of certificates, which a key does not have; remove it");
  vouching.logs =
      ReadCount(minimum, "transparencyLogs", vouching.logs, limits::kLogEntries, "unsafeIgnoreTransparencyLog");
  vouching.scts = ReadCount(minimum, "certificateLogs", vouching.scts, limits::kScts, "unsafeIgnoreSCT");
  vouching.timestamps = ReadCount(minimum, "timestamps", 0, limits::kTimestamps, "");
  vouching.times = ReadCount(minimum, "trustedTimes", vouching.times, limits::kLogEntries + limits::kTimestamps, "");
  if (keyless && vouching.times == 0) {
    minimum.Fail("trustedTimes",
                 "must not be 0: a certificate lives for minutes, and it must be known that it was used within them");
  }
}

// What must vouch beside the key or the certificate.
Vouching ReadVouching(ObjectReader& reader, bool keyless, std::vector<std::string> trust_roots) {
  Vouching vouching;
  vouching.trust_roots = std::move(trust_roots);
  bool ignore_log = reader.OptionalBool("unsafeIgnoreTransparencyLog").value_or(false);
  bool ignore_sct = reader.OptionalBool("unsafeIgnoreSCT").value_or(false);
  if (!keyless && reader.Has("unsafeIgnoreSCT"))
    reader.Fail("unsafeIgnoreSCT", "is about certificates, which a key does not have; remove it");
  if (vouching.trust_roots.empty()) {
    Refuse(reader, {"minimum", "unsafeIgnoreTransparencyLog"},
           "has a meaning with trustRoots only: without them the key alone vouches");
    (void)reader.Raw("minimum");
    return vouching;
  }
  vouching.logs = ignore_log ? 0 : 1;
  vouching.scts = keyless && !ignore_sct ? 1 : 0;
  vouching.times = 1;
  reader.Object("minimum", Presence::kOptional,
                [&](ObjectReader& minimum) { ReadMinimum(minimum, keyless, ignore_log, ignore_sct, vouching); });
  vouching.times = std::max(vouching.times, vouching.timestamps);
  if (vouching.logs == 0 && vouching.times == 0)
    reader.Fail("trustRoots", "would not be asked for anything: remove them, or ask for a log or a time");
  return vouching;
}

std::string ReadName(ObjectReader& reader, const std::vector<Authority>& before) {
  std::string name = reader.String("name");
  if (reader.ok() && !NodeName::Parse(name).ok()) {
    reader.Fail("name", "'" + Printable(name, 64) + "' is not a name; write lower-case letters, digits, - and . only");
  }
  auto same_name = [&](const Authority& other) { return other.name == name; };
  if (std::any_of(before.begin(), before.end(), same_name))
    reader.Fail("name", "'" + name + "' is the name of another authority of this policy");
  return name;
}

using Rule = std::variant<KeyAuthority, KeylessAuthority, NotationAuthority, StaticAuthority>;

// Exactly one of the four; nothing after an error.
std::optional<Rule> ReadRule(ObjectReader& reader, References& references) {
  std::optional<Rule> rule;
  auto keep = [&](auto read) {
    if (read) rule = *std::move(read);
  };
  int kinds = 0;
  for (const char* kind : {"key", "keyless", "notation", "static"}) kinds += reader.Has(kind) ? 1 : 0;
  reader.Object("key", Presence::kOptional, [&](ObjectReader& key) { keep(ReadKey(key)); });
  reader.Object("keyless", Presence::kOptional,
                [&](ObjectReader& keyless) { rule = ReadKeyless(keyless, references.signer); });
  reader.Object("notation", Presence::kOptional,
                [&](ObjectReader& notation) { keep(ReadNotation(notation, references)); });
  reader.Object("static", Presence::kOptional, [&](ObjectReader& fixed) { rule = ReadStatic(fixed); });
  if (kinds != 1) reader.Fail("", "must have exactly one of key, keyless, notation and static");
  return reader.ok() ? std::move(rule) : std::nullopt;
}

// Which fields go with which kind. What would be read and never applied is refused.
void CheckFields(ObjectReader& reader, const Rule& rule) {
  if (std::holds_alternative<StaticAuthority>(rule)) {
    Refuse(reader, {"annotations"}, "are those of a signed payload, which static does not look at; remove them");
    Refuse(reader, {"trustRoots", "minimum", "unsafeIgnoreTransparencyLog", "unsafeIgnoreSCT", "attestations"},
           "has no meaning beside static, which looks at nothing; remove it");
  }
  if (std::holds_alternative<NotationAuthority>(rule)) {
    Refuse(reader, {"minimum", "unsafeIgnoreTransparencyLog", "unsafeIgnoreSCT"},
           "is about Sigstore's logs, which Notation does not have: its trust policy says all; remove it");
    Refuse(reader, {"attestations"}, "are not what Notation signs; write an authority with a key or keyless");
  }
  if (reader.Has("attestations") && reader.Has("annotations")) {
    reader.Fail("annotations",
                "are those of the image's own signature, and with attestations this authority vouches by them instead; "
                "remove them, or write a policy of its own for the signature");
  }
}

void ReadAuthority(ObjectReader& reader, UnlinkedImagePolicy& out, std::size_t& left) {
  Authority authority{.name = {}, .rule = StaticAuthority{false, ""}, .annotations = {}, .attestations = {}};
  References references;
  authority.name = ReadName(reader, out.policy.authorities);
  auto rule = ReadRule(reader, references);
  if (rule) CheckFields(reader, *rule);
  const bool needs_roots =
      rule && (std::holds_alternative<KeylessAuthority>(*rule) || std::holds_alternative<NotationAuthority>(*rule));
  std::vector<std::string> roots =
      reader.Strings("trustRoots", needs_roots || reader.Has("trustRoots") ? Presence::kRequired : Presence::kOptional);
  references.roots = NamePositions(reader, "trustRoots", roots);
  auto annotations = reader.StringMap("annotations", Presence::kOptional);
  authority.annotations = {annotations.begin(), annotations.end()};
  authority.attestations = ReadAttestations(reader, left);
  Vouching vouching = ReadVouching(reader, rule && std::holds_alternative<KeylessAuthority>(*rule), roots);
  if (!reader.ok() || !rule) return;
  if (auto* key = std::get_if<KeyAuthority>(&*rule)) {
    references.signer = "key " + key->verifier.key.Fingerprint().text();
    key->vouching = std::move(vouching);
  } else if (auto* keyless = std::get_if<KeylessAuthority>(&*rule)) {
    keyless->vouching = std::move(vouching);
  } else if (auto* notation = std::get_if<NotationAuthority>(&*rule)) {
    notation->trust_roots = std::move(roots);
  }
  authority.rule = *std::move(rule);
  out.policy.authorities.push_back(std::move(authority));
  out.references.push_back(std::move(references));
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

}  // namespace

void ReadAuthorities(ObjectReader& spec, UnlinkedImagePolicy& out) {
  std::size_t left = limits::kPredicateConditions;
  spec.Each("authorities", Presence::kRequired, [&](ObjectReader& authority) { ReadAuthority(authority, out, left); });
  CheckStaticPassIsAlone(spec, out.policy.authorities);
}

// One signer must not count twice towards a number of authorities. The same signers may stand twice where that cannot
// happen: once for the image's signature and once for attestations, and any or all of the authorities are asked for.
void CheckSignersDiffer(ObjectReader& spec, const UnlinkedImagePolicy& read) {
  const auto& authorities = read.policy.authorities;
  const bool counted = read.policy.required > 1 && read.policy.required < authorities.size();
  // As a static pass, a statement that verifies nothing would make the others decoration.
  for (std::size_t i = 0; i < authorities.size() && read.policy.required < authorities.size(); ++i) {
    const auto* notation = std::get_if<NotationAuthority>(&authorities[i].rule);
    if (notation == nullptr) continue;
    const auto& statements = notation->policy.statements;
    if (std::none_of(statements.begin(), statements.end(), [](const auto& each) { return each.skip; })) continue;
    spec.Fail("authorities", "'" + authorities[i].name +
                                 "' has a statement of the level skip, which always passes, so the others would not "
                                 "count: write a policy of its own for it, or require: all");
  }
  std::map<std::string, const Authority*> seen;
  for (std::size_t i = 0; i < authorities.size() && spec.ok(); ++i) {
    if (read.references[i].signer.empty()) continue;
    auto [before, added] = seen.emplace(read.references[i].signer, &authorities[i]);
    if (added) continue;
    const bool alike = before->second->attestations.empty() == authorities[i].attestations.empty();
    if (!alike && !counted) continue;
    const char* what = std::holds_alternative<KeyAuthority>(authorities[i].rule)       ? "key"
                       : std::holds_alternative<KeylessAuthority>(authorities[i].rule) ? "identities"
                                                                                       : "trust policy";
    spec.Fail("authorities", "'" + authorities[i].name + "' has the same " + what + " as '" + before->second->name +
                                 "'; one signer counts once, so keep one of them");
  }
}

}  // namespace gatehouse::policy
