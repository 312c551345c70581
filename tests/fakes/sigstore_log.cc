#include "tests/fakes/sigstore_log.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"

namespace gatehouse::fakes {
namespace {

using signature::sigstore::Log;
using signature::sigstore::Validity;

Bytes Sha256(BytesView bytes) {
  return crypto::Hash(HashAlgorithm::kSha256, bytes);
}

Bytes SignBytes(const crypto::PrivateKey& key, BytesView message) {
  crypto::Scheme scheme = crypto::Scheme::kEcdsaDer;
  if (key.Public().type() == crypto::KeyType::kEd25519) scheme = crypto::Scheme::kEd25519;
  if (key.Public().type() == crypto::KeyType::kRsa) scheme = crypto::Scheme::kRsaPkcs1v15;
  return key.Sign(scheme, HashAlgorithm::kSha256, message).value();
}

std::string HostOf(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::string rest = scheme == std::string::npos ? url : url.substr(scheme + 3);
  return rest.substr(0, rest.find_first_of("/:"));
}

std::string KeyDetails(const crypto::PublicKey& key) {
  switch (key.type()) {
    case crypto::KeyType::kEcP256:
      return "PKIX_ECDSA_P256_SHA_256";
    case crypto::KeyType::kEcP384:
      return "PKIX_ECDSA_P384_SHA_384";
    case crypto::KeyType::kEcP521:
      return "PKIX_ECDSA_P521_SHA_512";
    case crypto::KeyType::kRsa:
      return "PKIX_RSA_PKCS1V15_" + std::to_string(key.bits()) + "_SHA256";
    case crypto::KeyType::kEd25519:
      return "PKIX_ED25519";
  }
  return "";
}

JsonValue LogJson(const Log& log) {
  JsonValue json = JsonValue::Object();
  json.Member("baseUrl") = JsonValue::String(log.base_url);
  json.Member("hashAlgorithm") = JsonValue::String("SHA2_256");
  JsonValue& key = json.Member("publicKey");
  key.Member("rawBytes") = JsonValue::String(EncodeBase64(log.key.Spki()));
  key.Member("keyDetails") = JsonValue::String(KeyDetails(log.key));
  if (log.valid.from) key.Member("validFor").Member("start") = JsonValue::String(TimeText(*log.valid.from));
  if (log.valid.until) key.Member("validFor").Member("end") = JsonValue::String(TimeText(*log.valid.until));
  json.Member("logId").Member("keyId") = JsonValue::String(EncodeBase64(log.id));
  if (log.operator_name != log.base_url) json.Member("operator") = JsonValue::String(log.operator_name);
  return json;
}

JsonValue Text(std::int64_t number) {
  return JsonValue::String(std::to_string(number));
}

JsonValue Base64(BytesView bytes) {
  return JsonValue::String(EncodeBase64(bytes));
}

Bytes Node(BytesView left, BytesView right) {
  Bytes bytes{1};
  Append(bytes, left);
  Append(bytes, right);
  return Sha256(bytes);
}

// RFC 6962: the largest power of two smaller than n.
std::size_t Split(std::size_t n) {
  std::size_t k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

void Sort(JsonValue& value) {
  for (JsonValue& element : value.elements) Sort(element);
  for (auto& [key, member] : value.members) Sort(member);
  std::sort(value.members.begin(), value.members.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
}

std::int64_t Seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

FakeCtLog::FakeCtLog(const Options& options)
    : options_(options), key_(crypto::PrivateKey::Generate(options.key_type).value()) {}

Bytes FakeCtLog::Id() const {
  return Sha256(key_.Public().Spki());
}

Bytes FakeCtLog::Sign(BytesView tbs, BytesView issuer_spki, WallTime at, BytesView extensions) const {
  const auto milliseconds = static_cast<std::uint64_t>(at.time_since_epoch().count());
  ByteWriter entry;
  entry.PutU8(0);  // v1
  entry.PutU8(0);  // certificate_timestamp
  entry.PutU64Be(milliseconds);
  entry.PutU16Be(1);  // precert_entry
  entry.Put(Sha256(issuer_spki));
  entry.PutU8(static_cast<std::uint8_t>(tbs.size() >> 16U));
  entry.PutU16Be(static_cast<std::uint16_t>(tbs.size() & 0xFFFFU));
  entry.Put(tbs);
  entry.PutSized16Be(extensions);

  ByteWriter sct;
  sct.PutU8(0);
  sct.Put(Id());
  sct.PutU64Be(milliseconds);
  sct.PutSized16Be(extensions);
  sct.PutU8(4);  // sha256
  sct.PutU8(key_.Public().type() == crypto::KeyType::kRsa ? 1 : 3);
  sct.PutSized16Be(SignBytes(key_, entry.bytes()));
  return std::move(sct).Finish();
}

Log FakeCtLog::Trust() const {
  return Log{.key = key_.Public(),
             .id = Id(),
             .valid = options_.valid,
             .operator_name = options_.operator_name.empty() ? options_.url : options_.operator_name,
             .base_url = options_.url,
             .host = HostOf(options_.url)};
}

JsonValue FakeCtLog::TrustJson() const {
  return LogJson(Trust());
}

FakeRekor::FakeRekor(const Options& options)
    : options_(options),
      key_(crypto::PrivateKey::Generate(
               options.key_type.value_or(options.version == 1 ? crypto::KeyType::kEcP256 : crypto::KeyType::kEd25519))
               .value()) {
  for (std::size_t i = 0; i < options_.earlier; ++i) {
    leaves_.push_back(MerkleLeaf(AsBytes(options_.url + " entry " + std::to_string(i))));
  }
}

std::string FakeRekor::Host() const {
  return HostOf(options_.url);
}

std::string FakeRekor::Origin() const {
  return options_.version == 1 ? Host() + " - " + options_.tree_id : Host();
}

// C2SP signed-note: of Ed25519 SHA-256(name ‖ LF ‖ 0x01 ‖ key), of ECDSA SHA-256(SPKI); the trust root has all 32
// bytes.
Bytes FakeRekor::KeyId() const {
  const Bytes spki = key_.Public().Spki();
  if (key_.Public().type() != crypto::KeyType::kEd25519) return Sha256(spki);
  Bytes named = ToBytes(Host() + "\n\x01");
  Append(named, BytesView(spki).last(32));
  return Sha256(named);
}

std::string FakeRekor::SignatureLine(const std::string& text) const {
  Bytes bytes = KeyId();
  bytes.resize(4);
  Append(bytes, SignBytes(key_, AsBytes(text)));
  return "\xE2\x80\x94 " + Host() + " " + EncodeBase64(bytes) + "\n";
}

std::string FakeRekor::SignNote(const std::string& text) const {
  return text + "\n" + SignatureLine(text);
}

Bytes FakeRekor::Promise(std::string_view body, std::int64_t integrated_time, std::int64_t log_index) const {
  JsonValue payload = JsonValue::Object();
  payload.Member("body") = Base64(AsBytes(body));
  payload.Member("integratedTime") = {.kind = JsonValue::Kind::kNumber, .text = std::to_string(integrated_time)};
  payload.Member("logID") = JsonValue::String(EncodeHex(KeyId()));
  payload.Member("logIndex") = {.kind = JsonValue::Kind::kNumber, .text = std::to_string(log_index)};
  return SignBytes(key_, AsBytes(payload.Write()));
}

JsonValue FakeRekor::Add(const std::string& kind, const std::string& version, const std::string& body,
                         const EntryOptions& options) {
  const std::size_t index = leaves_.size();
  leaves_.push_back(MerkleLeaf(AsBytes(body)));
  for (std::size_t i = 0; i < options.later; ++i) {
    leaves_.push_back(MerkleLeaf(AsBytes("later entry " + std::to_string(leaves_.size()))));
  }
  const bool first_version = options_.version == 1;
  const std::int64_t global =
      options.log_index.value_or(static_cast<std::int64_t>(index) + (first_version ? options_.offset : 0));
  const std::int64_t time = options.integrated_time.value_or(Seconds(options.at));

  JsonValue entry = JsonValue::Object();
  entry.Member("logIndex") = Text(global);
  entry.Member("logId").Member("keyId") = Base64(KeyId());
  entry.Member("kindVersion").Member("kind") = JsonValue::String(kind);
  entry.Member("kindVersion").Member("version") = JsonValue::String(version);
  if (first_version) {
    entry.Member("integratedTime") = Text(time);
    if (options.promise) {
      entry.Member("inclusionPromise").Member("signedEntryTimestamp") =
          Base64(Promise(options.promise_over.value_or(body), time, global));
    }
  }
  if (options.proof) {
    const Bytes root = MerkleRoot(leaves_);
    JsonValue& proof = entry.Member("inclusionProof");
    proof.Member("logIndex") = Text(static_cast<std::int64_t>(index));
    proof.Member("rootHash") = Base64(root);
    proof.Member("treeSize") = Text(static_cast<std::int64_t>(leaves_.size()));
    proof.Member("hashes") = JsonValue::Array();
    for (const Bytes& hash : MerklePath(leaves_, index)) proof.Member("hashes").elements.push_back(Base64(hash));
    if (options.checkpoint) {
      std::string text = Origin() + "\n" + std::to_string(leaves_.size()) + "\n" + EncodeBase64(root) + "\n";
      if (first_version) text += "Timestamp: " + std::to_string(Seconds(options.at)) + "000000000\n";
      if (options.edit_checkpoint) options.edit_checkpoint(text);
      std::string note = text + "\n";
      for (const std::string& line : options.witnesses_before) note += line + "\n";
      note += SignatureLine(text);
      for (const std::string& line : options.witnesses_after) note += line + "\n";
      if (options.edit_note) options.edit_note(note);
      proof.Member("checkpoint").Member("envelope") = JsonValue::String(note);
    }
  }
  entry.Member("canonicalizedBody") = Base64(AsBytes(body));
  return entry;
}

Log FakeRekor::Trust() const {
  return Log{.key = key_.Public(),
             .id = KeyId(),
             .valid = options_.valid,
             .operator_name = options_.operator_name.empty() ? options_.url : options_.operator_name,
             .base_url = options_.url,
             .host = Host()};
}

JsonValue FakeRekor::TrustJson() const {
  return LogJson(Trust());
}

Bytes MerkleLeaf(BytesView entry) {
  Bytes bytes{0};
  Append(bytes, entry);
  return Sha256(bytes);
}

Bytes MerkleRoot(const std::vector<Bytes>& leaves) {
  if (leaves.empty()) return Sha256({});
  if (leaves.size() == 1) return leaves.front();
  const auto middle = leaves.begin() + static_cast<std::ptrdiff_t>(Split(leaves.size()));
  return Node(MerkleRoot({leaves.begin(), middle}), MerkleRoot({middle, leaves.end()}));
}

std::vector<Bytes> MerklePath(const std::vector<Bytes>& leaves, std::size_t index) {
  if (leaves.size() <= 1) return {};
  const std::size_t k = Split(leaves.size());
  const auto middle = leaves.begin() + static_cast<std::ptrdiff_t>(k);
  const std::vector<Bytes> left(leaves.begin(), middle);
  const std::vector<Bytes> right(middle, leaves.end());
  std::vector<Bytes> path = index < k ? MerklePath(left, index) : MerklePath(right, index - k);
  path.push_back(MerkleRoot(index < k ? right : left));
  return path;
}

std::string CanonicalJson(JsonValue value) {
  Sort(value);
  return value.Write();
}

std::string TimeText(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const auto rest = (time - day).count();
  std::array<char, 80> text{};
  (void)std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                      static_cast<int>(rest / 3'600'000), static_cast<int>(rest / 60'000 % 60),
                      static_cast<int>(rest / 1000 % 60));
  std::string out = text.data();
  if (rest % 1000 != 0) {
    (void)std::snprintf(text.data(), text.size(), ".%03d", static_cast<int>(rest % 1000));
    out += text.data();
  }
  return out + "Z";
}

}  // namespace gatehouse::fakes
