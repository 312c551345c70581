#include "common/tuf/metadata.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/time.h"
#include "common/crypto/hash.h"

namespace gatehouse::tuf {
namespace {

using codec::JsonView;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

constexpr std::int64_t kMaxVersion = std::int64_t{1} << 53;

Error Malformed(std::string_view where, std::string detail) {
  return Error{Reason::kTufMalformed, std::string(where), std::move(detail)};
}

// OLPC canonical JSON, which is what TUF signs: sorted members, no white space, only '"' and '\' escaped, integers
// only.
void Quote(std::string_view text, std::string& out) {
  out += '"';
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

// OLPC canonical JSON, which is what TUF signs: sorted members, no white space, only '"' and '\' escaped, integers
// only.
Status Canonical(JsonView value, std::string& out) {
  switch (value.kind()) {
    case JsonView::Kind::kNull:
      out += "null";
      return Ok();
    case JsonView::Kind::kBool:
      out += *value.AsBool() ? "true" : "false";
      return Ok();
    case JsonView::Kind::kNumber:
      if (!value.AsInt().has_value()) return Malformed("", "a number that is no integer has no canonical form");
      out += std::to_string(*value.AsInt());
      return Ok();
    case JsonView::Kind::kString:
      Quote(*value.AsString(), out);
      return Ok();
    case JsonView::Kind::kArray:
      out += '[';
      for (std::size_t i = 0; i < value.size(); ++i) {
        if (i > 0) out += ',';
        RETURN_IF_ERROR(Canonical(value.at(i), out));
      }
      out += ']';
      return Ok();
    case JsonView::Kind::kObject:
      break;
  }
  std::map<std::string_view, JsonView> members;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const JsonView::Member member = value.member(i);
    members.emplace(member.key, member.value);
  }
  out += '{';
  for (const auto& [key, member] : members) {
    if (out.back() != '{') out += ',';
    Quote(key, out);
    out += ':';
    RETURN_IF_ERROR(Canonical(member, out));
  }
  out += '}';
  return Ok();
}

// SubjectPublicKeyInfo around what TUF writes as bare hex.
Result<crypto::PublicKey> FromHex(std::string_view hex, BytesView prefix, std::size_t bytes) {
  ASSIGN_OR_RETURN(Bytes raw, DecodeHex(hex));
  if (raw.size() != bytes) return Error{Reason::kKeyMalformed, "", "a key of another length than its type has"};
  Bytes spki = ToBytes(prefix);
  Append(spki, raw);
  return crypto::PublicKey::FromSpki(spki);
}

constexpr std::uint8_t kEd25519Prefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
constexpr std::uint8_t kP256Prefix[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                                        0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

// Nothing for a scheme that we do not have: its signatures do not count (section 4.2, "keyval").
Result<std::optional<Key>> ReadKey(const std::string& scheme, const std::string& value) {
  const bool pem = value.starts_with("-----");
  auto make = [&](crypto::KeyType type, crypto::Scheme how, HashAlgorithm hash,
                  Result<crypto::PublicKey> key) -> Result<std::optional<Key>> {
    if (!key.ok()) return Malformed("keyval", key.error().detail);
    if (key->type() != type) return Malformed("keyval", "the key is not of the type that its scheme needs");
    return std::optional(Key{*std::move(key), how, hash});
  };
  if (scheme == "ed25519") {
    return make(crypto::KeyType::kEd25519, crypto::Scheme::kEd25519, HashAlgorithm::kSha256,
                pem ? crypto::PublicKey::FromPem(value) : FromHex(value, kEd25519Prefix, 32));
  }
  if (scheme == "ecdsa-sha2-nistp256") {
    return make(crypto::KeyType::kEcP256, crypto::Scheme::kEcdsaDer, HashAlgorithm::kSha256,
                pem ? crypto::PublicKey::FromPem(value) : FromHex(value, kP256Prefix, 65));
  }
  if (scheme == "ecdsa-sha2-nistp384") {
    return make(crypto::KeyType::kEcP384, crypto::Scheme::kEcdsaDer, HashAlgorithm::kSha384,
                crypto::PublicKey::FromPem(value));
  }
  if (scheme == "rsassa-pss-sha256") {
    return make(crypto::KeyType::kRsa, crypto::Scheme::kRsaPss, HashAlgorithm::kSha256,
                crypto::PublicKey::FromPem(value));
  }
  return std::optional<Key>();
}

void ReadKeys(ObjectReader& reader, Keys& keys) {
  reader.Object("keys", Presence::kRequired, [&](ObjectReader& all) {
    for (std::size_t i = 0; i < all.view().size(); ++i) {
      const std::string id(all.view().member(i).key);
      all.Object(id, Presence::kRequired, [&](ObjectReader& key) {
        key.IgnoreUnknown();
        static_cast<void>(key.String("keytype"));
        std::string scheme = key.String("scheme");
        std::string value;
        key.Object("keyval", Presence::kRequired, [&](ObjectReader& keyval) {
          keyval.IgnoreUnknown();
          value = keyval.String("public");
        });
        if (!key.ok()) return;
        auto read = ReadKey(scheme, value);
        if (!read.ok()) return key.Fail("keyval", read.error().detail);
        if (read->has_value()) keys.emplace(id, **std::move(read));
      });
    }
  });
}

void ReadRoleMembers(ObjectReader& reader, Role& role) {
  for (std::string& id : reader.Strings("keyids", Presence::kRequired)) {
    if (!role.key_ids.insert(std::move(id)).second) reader.Fail("keyids", "names a key twice");
  }
  role.threshold = static_cast<std::size_t>(reader.Int("threshold", 1, 1000));
}

std::vector<Digest> ReadHashes(ObjectReader& reader, Presence presence) {
  std::vector<Digest> hashes;
  for (const auto& [algorithm, hex] : reader.StringMap("hashes", presence)) {
    if (algorithm != "sha256" && algorithm != "sha512") continue;  // others may stand beside them
    auto digest = Digest::Parse(algorithm + ":" + hex);
    if (!digest.ok()) {
      reader.Fail("hashes", digest.error().detail);
      break;
    }
    hashes.push_back(*std::move(digest));
  }
  return hashes;
}

// The names of roles become names of files, beside those of the four that every repository has.
bool IsRoleName(std::string_view name) {
  auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  if (name == "root" || name == "timestamp" || name == "snapshot" || name == "targets") return false;
  return !name.empty() && name.size() <= 128 && name[0] != '.' && std::all_of(name.begin(), name.end(), plain);
}

void ReadDelegation(ObjectReader& reader, std::vector<Delegation>& delegations) {
  reader.IgnoreUnknown();
  Delegation delegation;
  delegation.name = reader.String("name");
  if (reader.ok() && !IsRoleName(delegation.name)) reader.Fail("name", "is no name that a delegated role can have");
  ReadRoleMembers(reader, delegation.role);
  delegation.terminating = reader.OptionalBool("terminating").value_or(false);
  delegation.paths = reader.Strings("paths", Presence::kOptional);
  delegation.hash_prefixes = reader.Strings("path_hash_prefixes", Presence::kOptional);
  // Section 4.5: "only one of the two".
  if (delegation.paths.empty() == delegation.hash_prefixes.empty()) {
    reader.Fail("", "must have one of paths and path_hash_prefixes, and not both");
  }
  delegations.push_back(std::move(delegation));
}

// '*' and '?' do not match '/': section 4.5, "shell-style wildcards", by parts of the path. Linear in the product of
// the lengths: no backtracking over more than one star.
bool MatchesPattern(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == text[t] || (pattern[p] == '?' && text[t] != '/'))) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos && text[resume] != '/') {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace

Result<Signed> Signed::Parse(std::string_view text, std::string_view type) {
  auto parsed = codec::JsonDocument::Parse(text, {.max_bytes = limits::kTufTargetsBytes, .source = type});
  if (!parsed.ok()) {
    if (parsed.error().reason == Reason::kLimitExceeded) return parsed.error();
    return Malformed(type, parsed.error().detail);
  }
  Signed metadata(*std::move(parsed));
  ObjectReader reader(metadata.document_, metadata.document_.root(), Reason::kTufMalformed);
  reader.IgnoreUnknown();
  std::set<std::string> seen;
  reader.Each("signatures", Presence::kRequired, [&](ObjectReader& signature) {
    signature.IgnoreUnknown();
    std::string id = signature.String("keyid");
    std::string hex = signature.Text("sig");
    if (!signature.ok()) return;
    if (!seen.insert(id).second) return signature.Fail("keyid", "has signed twice");
    if (hex.empty()) return;  // a place that was kept for a signer who did not come
    auto bytes = DecodeHex(hex);
    if (!bytes.ok()) return signature.Fail("sig", "is not hex");
    metadata.signatures_.emplace_back(std::move(id), *std::move(bytes));
  });
  reader.Object("signed", Presence::kRequired, [&](ObjectReader& body) {
    body.IgnoreUnknown();
    if (body.String("_type") != type) body.Fail("_type", "must be " + std::string(type));
    if (!body.String("spec_version").starts_with("1.")) body.Fail("spec_version", "must be 1.x");
    metadata.header_.version = body.Int("version", 1, kMaxVersion);
    std::string expires = body.String("expires");
    if (!body.ok()) return;
    auto time = codec::ParseTime(expires);
    if (!time.ok()) return body.Fail("expires", time.error().detail);
    metadata.header_.expires = *time;
  });
  RETURN_IF_ERROR(reader.Finish());
  RETURN_IF_ERROR(Canonical(metadata.body(), metadata.canonical_));
  return metadata;
}

Status Signed::VerifiedBy(const Role& role, const Keys& keys, std::string_view who) const {
  std::set<Digest> signers;
  for (const auto& [id, signature] : signatures_) {
    auto key = keys.find(id);
    if (!role.key_ids.contains(id) || key == keys.end()) continue;
    const Key& with = key->second;
    if (with.key.Verify(with.scheme, with.hash, AsBytes(canonical_), signature)) signers.insert(with.key.Fingerprint());
  }
  if (signers.size() >= role.threshold) return Ok();
  return Error{Reason::kTufUntrusted, document_.source(),
               std::to_string(signers.size()) + " of the " + std::to_string(role.threshold) + " signatures that " +
                   std::string(who) + " asks for verify"};
}

Result<Root> ReadRoot(const Signed& metadata) {
  Root root;
  root.header = metadata.header();
  ObjectReader reader(metadata.document(), metadata.body(), Reason::kTufMalformed, "$.signed");
  reader.IgnoreUnknown();
  root.consistent_snapshot = reader.OptionalBool("consistent_snapshot").value_or(false);
  ReadKeys(reader, root.keys);
  reader.Object("roles", Presence::kRequired, [&](ObjectReader& roles) {
    roles.IgnoreUnknown();
    for (const char* name : {"root", "timestamp", "snapshot", "targets"}) {
      roles.Object(name, Presence::kRequired, [&](ObjectReader& role) {
        role.IgnoreUnknown();
        ReadRoleMembers(role, root.roles[name]);
      });
    }
  });
  RETURN_IF_ERROR(reader.Finish());
  return root;
}

Result<Files> ReadMeta(const Signed& metadata) {
  Files files;
  ObjectReader reader(metadata.document(), metadata.body(), Reason::kTufMalformed, "$.signed");
  reader.IgnoreUnknown();
  reader.Object("meta", Presence::kRequired, [&](ObjectReader& meta) {
    for (std::size_t i = 0; i < meta.view().size(); ++i) {
      const std::string name(meta.view().member(i).key);
      meta.Object(name, Presence::kRequired, [&](ObjectReader& file) {
        file.IgnoreUnknown();
        FileInfo info;
        info.version = file.Int("version", 1, kMaxVersion);
        if (auto length = file.OptionalInt("length", 1, kMaxVersion)) info.length = static_cast<std::size_t>(*length);
        info.hashes = ReadHashes(file, Presence::kOptional);
        files.emplace(name, std::move(info));
      });
    }
  });
  RETURN_IF_ERROR(reader.Finish());
  return files;
}

Result<Targets> ReadTargets(const Signed& metadata) {
  Targets targets;
  ObjectReader reader(metadata.document(), metadata.body(), Reason::kTufMalformed, "$.signed");
  reader.IgnoreUnknown();
  reader.Object("targets", Presence::kRequired, [&](ObjectReader& all) {
    for (std::size_t i = 0; i < all.view().size(); ++i) {
      const std::string path(all.view().member(i).key);
      all.Object(path, Presence::kRequired, [&](ObjectReader& one) {
        one.IgnoreUnknown();
        Target target;
        target.length = static_cast<std::size_t>(one.Int("length", 0, kMaxVersion));
        target.hashes = ReadHashes(one, Presence::kRequired);
        if (one.ok() && target.hashes.empty()) one.Fail("hashes", "must have sha256 or sha512");
        targets.targets.emplace(path, std::move(target));
      });
    }
  });
  reader.Object("delegations", Presence::kOptional, [&](ObjectReader& delegations) {
    delegations.IgnoreUnknown();
    ReadKeys(delegations, targets.keys);
    delegations.Each("roles", Presence::kOptional,
                     [&](ObjectReader& role) { ReadDelegation(role, targets.delegations); });
  });
  RETURN_IF_ERROR(reader.Finish());
  return targets;
}

bool Covers(const Delegation& delegation, std::string_view target) {
  auto matches = [&](const std::string& pattern) { return MatchesPattern(pattern, target); };
  if (std::any_of(delegation.paths.begin(), delegation.paths.end(), matches)) return true;
  if (delegation.hash_prefixes.empty()) return false;
  const std::string hash = EncodeHex(crypto::Hash(HashAlgorithm::kSha256, AsBytes(target)));
  auto begins = [&](const std::string& prefix) { return hash.starts_with(prefix); };
  return std::any_of(delegation.hash_prefixes.begin(), delegation.hash_prefixes.end(), begins);
}

Status CheckFile(std::string_view bytes, std::optional<std::size_t> length, const std::vector<Digest>& hashes,
                 std::string_view what) {
  if (length.has_value() && bytes.size() != *length) {
    return Error{Reason::kTufUntrusted, std::string(what), "has another length than the metadata says"};
  }
  auto differs = [&](const Digest& hash) { return !crypto::Matches(hash, AsBytes(bytes)); };
  if (std::any_of(hashes.begin(), hashes.end(), differs)) {
    return Error{Reason::kTufUntrusted, std::string(what), "has another hash than the metadata says"};
  }
  return Ok();
}

}  // namespace gatehouse::tuf
