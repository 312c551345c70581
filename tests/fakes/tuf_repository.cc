#include "tests/fakes/tuf_repository.h"

#include "common/base/encoding.h"
#include "common/codec/time.h"
#include "common/crypto/hash.h"
#include "tests/fakes/pki.h"

namespace gatehouse::fakes {
namespace {

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string Hex256(const std::string& text) {
  return EncodeHex(crypto::Hash(HashAlgorithm::kSha256, AsBytes(text)));
}

// As it stands within a JSON text: a PEM has line breaks.
std::string Escaped(const std::string& canonical) {
  std::string out;
  for (char c : canonical) out += c == '\n' ? std::string("\\n") : std::string(1, c);
  return out;
}

std::string KeyObject(const TufKey& key) {
  std::string value;
  if (key.scheme == "ed25519") {
    Bytes spki = key.key.Public().Spki();
    value = EncodeHex(BytesView(spki).subspan(12));
  } else {
    value = key.key.Public().Pem();
  }
  return R"({"keytype":)" + Quoted(key.scheme == "ed25519" ? "ed25519" : "ecdsa") + R"(,"keyval":{"public":)" +
         Quoted(value) + R"(},"scheme":)" + Quoted(key.scheme) + "}";
}

std::string RoleObject(const TufRole& role) {
  std::string ids;
  for (const TufKey& key : role.keys) ids += (ids.empty() ? "" : ",") + Quoted(key.id);
  return R"({"keyids":[)" + ids + R"(],"threshold":)" + std::to_string(role.threshold) + "}";
}

std::string TargetsObject(const std::map<std::string, std::string>& targets) {
  std::string out;
  for (const auto& [name, content] : targets) {
    out += (out.empty() ? "" : ",") + Quoted(name) + R"(:{"hashes":{"sha256":")" + Hex256(content) + R"("},"length":)" +
           std::to_string(content.size()) + "}";
  }
  return "{" + out + "}";
}

}  // namespace

TufKey MakeTufKey(const std::string& id, crypto::KeyType type) {
  const bool ed25519 = type == crypto::KeyType::kEd25519;
  return {*crypto::PrivateKey::Generate(type), id, ed25519 ? "ed25519" : "ecdsa-sha2-nistp256"};
}

TufRepository::TufRepository() {
  roles["root"] = {{MakeTufKey("root-1"), MakeTufKey("root-2", crypto::KeyType::kEcP256)}, 2};
  for (const char* role : {"timestamp", "snapshot", "targets"}) roles[role] = {{MakeTufKey(role)}, 1};
  for (const char* role : {"timestamp", "snapshot", "targets", "team"}) version[role] = 1;
  version["root"] = 0;
  for (const char* role : {"root", "timestamp", "snapshot", "targets", "team"}) expires[role] = kPkiNotAfter;
  targets["trusted_root.json"] = R"({"a":"trusted root"})";
  PublishRoot();
  Publish();
}

std::string TufRepository::Sign(const std::string& body, const std::vector<TufKey>& keys) {
  std::string signatures;
  std::set<std::string> seen;
  for (const TufKey& key : keys) {
    if (!seen.insert(key.id).second) continue;
    auto scheme = key.scheme == "ed25519" ? crypto::Scheme::kEd25519 : crypto::Scheme::kEcdsaDer;
    Bytes signature = *key.key.Sign(scheme, HashAlgorithm::kSha256, AsBytes(body));
    signatures += (signatures.empty() ? "" : ",") + (R"({"keyid":)" + Quoted(key.id)) + R"(,"sig":")" +
                  EncodeHex(signature) + "\"}";
  }
  return R"({"signatures":[)" + signatures + R"(],"signed":)" + Escaped(body) + "}";
}

std::string TufRepository::Head(const std::string& type, const std::string& role) const {
  return R"("_type":)" + Quoted(type) + R"(,"expires":)" + Quoted(codec::FormatTime(expires.at(role)));
}

std::string TufRepository::RootBody() const {
  std::map<std::string, std::string> keys;
  std::string role_members;
  for (const auto& [name, role] : roles) {
    for (const TufKey& key : role.keys) keys[key.id] = KeyObject(key);
    role_members += (role_members.empty() ? "" : ",") + Quoted(name) + ":" + RoleObject(role);
  }
  std::string key_members;
  for (const auto& [id, key] : keys) key_members += (key_members.empty() ? "" : ",") + Quoted(id) + ":" + key;
  return R"({"_type":"root","consistent_snapshot":)" + std::string(consistent ? "true" : "false") + R"(,"expires":)" +
         Quoted(codec::FormatTime(expires.at("root"))) + R"(,"keys":{)" + key_members + R"(},"roles":{)" +
         role_members + R"(},"spec_version":"1.0.31","version":)" + std::to_string(version.at("root")) + "}";
}

void TufRepository::PublishRoot() {
  ++version["root"];
  std::vector<TufKey> signers = roles["root"].keys;
  signers.insert(signers.end(), last_root_keys_.begin(), last_root_keys_.end());
  files[std::to_string(version["root"]) + ".root.json"] = Sign(RootBody(), signers);
  last_root_keys_ = roles["root"].keys;
}

void TufRepository::Publish() {
  auto tail = [&](const std::string& role) {
    return R"("spec_version":"1.0.31",)" + std::string("%") + R"("version":)" + std::to_string(version.at(role)) + "}";
  };
  auto with = [](std::string text, const std::string& middle) { return text.replace(text.find('%'), 1, middle); };
  auto put = [&](const std::string& role, const std::string& text, bool always_plain = false) {
    files[(consistent && !always_plain ? std::to_string(version.at(role)) + "." : "") + role + ".json"] = text;
  };
  auto put_target = [&](const std::string& name, const std::string& content) {
    std::string path = "targets/" + name;
    if (consistent) path.insert(path.rfind('/') + 1, Hex256(content) + ".");
    files[path] = content;
  };
  std::string delegation_member;
  std::map<std::string, std::int64_t> meta = {{"targets.json", version["targets"]}};
  if (!delegations.empty()) {
    TufKey key = MakeTufKey("team");
    std::string entries;
    for (const auto& [role, path] : delegations) {
      entries += (entries.empty() ? "" : ",") + (R"({"keyids":["team"],"name":)" + Quoted(role)) + R"(,"paths":[)" +
                 Quoted(path) + R"(],"terminating":)" + (terminating ? "true" : "false") + R"(,"threshold":1})";
      if (!version.contains(role)) version[role] = 1;
      if (!expires.contains(role)) expires[role] = kPkiNotAfter;
      put(role, Sign("{" + Head("targets", role) + "," +
                         with(tail(role), R"("targets":)" + TargetsObject(delegated_targets[role]) + ","),
                     {key}));
      for (const auto& [name, content] : delegated_targets[role]) put_target(name, content);
      meta[role + ".json"] = version[role];
    }
    delegation_member = R"("delegations":{"keys":{"team":)" + KeyObject(key) + R"(},"roles":[)" + entries + R"(]},)";
  }
  for (const auto& [name, content] : targets) put_target(name, content);
  const std::string targets_text = Sign(R"({"_type":"targets",)" + delegation_member + R"("expires":)" +
                                            Quoted(codec::FormatTime(expires["targets"])) + "," +
                                            with(tail("targets"), R"("targets":)" + TargetsObject(targets) + ","),
                                        roles["targets"].keys);
  put("targets", targets_text);
  std::string meta_members;
  for (const auto& [name, number] : meta) {
    meta_members += (meta_members.empty() ? "" : ",") + Quoted(name) + R"(:{"version":)" + std::to_string(number) + "}";
  }
  const std::string snapshot =
      Sign("{" + Head("snapshot", "snapshot") + R"(,"meta":{)" + meta_members + "}," + with(tail("snapshot"), ""),
           roles["snapshot"].keys);
  put("snapshot", snapshot);
  put("timestamp",
      Sign("{" + Head("timestamp", "timestamp") + R"(,"meta":{"snapshot.json":{"hashes":{"sha256":")" +
               Hex256(snapshot) + R"("},"length":)" + std::to_string(snapshot.size()) + R"(,"version":)" +
               std::to_string(version["snapshot"]) + "}}," + with(tail("timestamp"), ""),
           roles["timestamp"].keys),
      true);
}

tuf::Fetch TufRepository::Fetcher() {
  return [this](const std::string& path, std::size_t max_bytes) -> Result<std::optional<std::string>> {
    asked.push_back(path);
    if (outage.has_value()) return *outage;
    auto found = files.find(path);
    if (found == files.end()) return std::optional<std::string>();
    if (found->second.size() > max_bytes) return Error{Reason::kLimitExceeded, path, "is longer than asked for"};
    return std::optional(found->second);
  };
}

}  // namespace gatehouse::fakes
