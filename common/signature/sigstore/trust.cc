#include "common/signature/sigstore/trust.h"

#include <algorithm>
#include <array>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/codec/time.h"
#include "common/crypto/hash.h"
#include "common/signature/sigstore/log_key.h"

namespace gatehouse::signature::sigstore {
namespace {

using codec::JsonDocument;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

// sigstore_trustroot.proto: "MUST be application/vnd.dev.sigstore.trustedroot.v0.2+json when encoded as JSON. Clients
// MUST be able to process and parse content with the media type defined in the old format".
constexpr std::array<std::string_view, 4> kMediaTypes = {
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot+json;version=0.2",
    "application/vnd.dev.sigstore.trustedroot.v0.1+json",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
};
constexpr std::size_t kKeyIdBytes = 4;     // what a signed note has of an id
constexpr std::size_t kLogIdBytes = 32;    // SHA-256
constexpr std::size_t kEd25519Bytes = 32;  // at the end of its SubjectPublicKeyInfo (RFC 8410)

Error Malformed(std::string detail) {
  return {Reason::kTrustRootMalformed, "", std::move(detail)};
}

// "https://log.example:443/path" → "log.example"
std::string_view HostOf(std::string_view url) {
  if (const auto scheme = url.find("://"); scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (const auto user = url.rfind('@'); user != std::string_view::npos) url.remove_prefix(user + 1);
  if (url.starts_with('[')) return url.substr(1, url.find(']') - 1);  // an IPv6 address
  return url.substr(0, url.find(':'));
}

// C2SP signed-note, and sigstore_trustroot.proto on checkpoint_key_id. Of ECDSA keys it is the hash of the key, of
// others the hash of "key name || 0x0A || signature type || public key".
Bytes CheckpointId(const crypto::PublicKey& key, std::string_view host) {
  const Bytes spki = key.Spki();
  if (key.type() != crypto::KeyType::kEd25519 && key.type() != crypto::KeyType::kRsa) {
    return crypto::Hash(HashAlgorithm::kSha256, spki);
  }
  Bytes named = ToBytes(host);
  if (key.type() == crypto::KeyType::kEd25519) {
    Append(named, AsBytes("\n\x01"));
    Append(named, BytesView(spki).last(kEd25519Bytes));
  } else {
    Append(named, AsBytes("\n\xFFPKIX-RSA-PKCS#1v1.5"));
    Append(named, spki);
  }
  return crypto::Hash(HashAlgorithm::kSha256, named);
}

HashAlgorithm UsualHash(crypto::KeyType type) {
  if (type == crypto::KeyType::kEcP384) return HashAlgorithm::kSha384;
  return type == crypto::KeyType::kEcP521 ? HashAlgorithm::kSha512 : HashAlgorithm::kSha256;
}

std::string OperatorOr(std::string_view name, std::string_view url, const Digest& fingerprint) {
  if (!name.empty()) return std::string(name);
  return url.empty() ? fingerprint.text() : std::string(url);
}

// A member that is there; protojson writes null for one that is not.
bool Given(ObjectReader& reader, std::string_view key) {
  const auto value = reader.Raw(key);
  return value && !value->IsNull();
}

std::string TextOr(ObjectReader& reader, std::string_view key) {
  return Given(reader, key) ? reader.Text(key) : std::string();
}

std::optional<WallTime> ReadTime(ObjectReader& reader, std::string_view key) {
  if (!Given(reader, key)) return std::nullopt;
  auto time = codec::ParseTime(reader.String(key));
  if (!time.ok()) reader.Fail(key, time.error().detail);
  return time.ok() ? std::optional(*time) : std::nullopt;
}

// Whether a window, and its start, must be there: of keys they must, so that nobody believes a key for all times by an
// oversight. Certificates have a window of their own as well.
Validity ReadValidity(ObjectReader& reader, Presence presence) {
  Validity valid;
  if (presence == Presence::kOptional && !Given(reader, "validFor")) return valid;
  reader.Object("validFor", Presence::kRequired, [&](ObjectReader& range) {
    range.IgnoreUnknown();
    valid = {.from = ReadTime(range, "start"), .until = ReadTime(range, "end")};
    if (presence == Presence::kRequired && !valid.from) range.Fail("start", "is required");
    if (valid.from && valid.until && *valid.until < *valid.from) range.Fail("end", "is before the start");
  });
  return valid;
}

// LogId: {"keyId": base64}
Bytes ReadLogId(ObjectReader& reader, std::string_view key) {
  Bytes id;
  if (!Given(reader, key)) return id;
  reader.Object(key, Presence::kRequired, [&](ObjectReader& log_id) {
    log_id.IgnoreUnknown();
    id = log_id.Base64("keyId");
    if (log_id.ok() && id.size() != kLogIdBytes && id.size() != kKeyIdBytes) {
      log_id.Fail("keyId", "has neither 32 nor 4 bytes");
    }
  });
  return id;
}

struct LogKey {
  std::optional<crypto::PublicKey> key;  // nothing: of a kind that we cannot use
  HashAlgorithm hash = HashAlgorithm::kSha256;
  std::string details;
  Validity valid;
};

// PublicKey: {"rawBytes", "keyDetails", "validFor"}
LogKey ReadKey(ObjectReader& log) {
  LogKey read;
  log.Object("publicKey", Presence::kRequired, [&](ObjectReader& reader) {
    reader.IgnoreUnknown();
    const Bytes raw = reader.Base64("rawBytes");
    read.details = reader.String("keyDetails");
    read.valid = ReadValidity(reader, Presence::kRequired);
    const KeyDetails* details = FindKeyDetails(read.details);
    // Logs that sign with RSA-PSS are not known to exist.
    if (!reader.ok() || details == nullptr || details->scheme == crypto::Scheme::kRsaPss) return;
    auto key = details->pkcs1 ? crypto::PublicKey::FromPkcs1(raw) : crypto::PublicKey::FromSpki(raw);
    if (!key.ok()) return reader.Fail("rawBytes", key.error().detail);
    if (!Describes(*details, *key)) return reader.Fail("rawBytes", "is not a key of the kind that keyDetails says");
    read.key = std::move(key).value();
    read.hash = details->hash;
  });
  return read;
}

void ReadLog(ObjectReader& reader, std::vector<Log>& logs, std::vector<std::string>& ignored) {
  reader.IgnoreUnknown();
  const std::string url = TextOr(reader, "baseUrl");
  const std::string operator_name = TextOr(reader, "operator");
  const std::string tree_hash = reader.String("hashAlgorithm");
  LogKey read = ReadKey(reader);
  Bytes id = ReadLogId(reader, "logId");
  Bytes checkpoint_id = ReadLogId(reader, "checkpointKeyId");
  if (id.empty()) id = checkpoint_id;
  if (reader.ok() && id.empty()) reader.Fail("logId", "is required");
  if (!reader.ok()) return;
  // The client specification has clients skip what they do not support, so that a root can serve old and new ones.
  const std::string place = reader.path() + " (" + Printable(url, 128) + "): ";
  if (!read.key) return ignored.push_back(place + "a key " + Printable(read.details, 64) + " cannot be used");
  if (tree_hash != "SHA2_256") return ignored.push_back(place + "a tree of " + Printable(tree_hash, 64) + " cannot be");
  Log log = MakeLog(*read.key, url, operator_name, read.valid);
  log.hash = read.hash;
  log.id = std::move(id);
  if (!checkpoint_id.empty()) log.checkpoint_id = std::move(checkpoint_id);
  logs.push_back(std::move(log));
}

void ReadAuthority(ObjectReader& reader, std::vector<CertificateAuthority>& authorities) {
  reader.IgnoreUnknown();
  const std::string uri = TextOr(reader, "uri");
  const std::string operator_name = TextOr(reader, "operator");
  const Validity valid = ReadValidity(reader, Presence::kOptional);
  std::vector<crypto::Certificate> chain;
  reader.Object("certChain", Presence::kRequired, [&](ObjectReader& certificates) {
    certificates.IgnoreUnknown();
    certificates.Each("certificates", Presence::kRequired, [&](ObjectReader& certificate) {
      certificate.IgnoreUnknown();
      const Bytes der = certificate.Base64("rawBytes");
      if (!certificate.ok()) return;
      auto parsed = crypto::Certificate::FromDer(der);
      if (!parsed.ok()) return certificate.Fail("rawBytes", parsed.error().detail);
      chain.push_back(std::move(parsed).value());
    });
  });
  if (!reader.ok()) return;
  auto authority = MakeCertificateAuthority(std::move(chain), uri, operator_name, valid);
  if (!authority.ok()) return reader.Fail(std::move(authority).error());
  authorities.push_back(std::move(authority).value());
}

// Calls `read` for each element, whose number is bounded first.
void ReadEach(ObjectReader& reader, std::string_view key, const std::function<void(ObjectReader&)>& read) {
  if (!Given(reader, key)) return;
  if (const auto list = reader.Raw(key); list->size() > limits::kTrustedRootKeys) {
    return reader.Fail(Error{Reason::kLimitExceeded, reader.path(),
                             std::string(key) + " has more than " + std::to_string(limits::kTrustedRootKeys)});
  }
  reader.Each(key, Presence::kOptional, read);
}

}  // namespace

bool Validity::Contains(WallTime time) const {
  // TimeRange: "The time range is closed and includes both the start and end times, (i.e., [start, end])."
  return (!from || *from <= time) && (!until || time <= *until);
}

Log MakeLog(const crypto::PublicKey& key, std::string_view base_url, std::string_view operator_name,
            const Validity& valid) {
  const std::string_view host = HostOf(base_url);
  return {.key = key,
          .hash = UsualHash(key.type()),
          .id = crypto::Hash(HashAlgorithm::kSha256, key.Spki()),
          .valid = valid,
          .operator_name = OperatorOr(operator_name, base_url, key.Fingerprint()),
          .base_url = std::string(base_url),
          .host = std::string(host),
          .checkpoint_id = host.empty() ? Bytes() : CheckpointId(key, host)};
}

Result<CertificateAuthority> MakeCertificateAuthority(std::vector<crypto::Certificate> chain, std::string_view uri,
                                                      std::string_view operator_name, const Validity& valid) {
  if (chain.empty()) return Malformed("the authority has no certificate");
  if (chain.size() > limits::kChainCertificates) {
    return Error{Reason::kLimitExceeded, "",
                 "a chain of more than " + std::to_string(limits::kChainCertificates) + " certificates"};
  }
  // X509CertificateChain: the leaf or intermediates first, each before its issuer.
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    if (!chain[i].IsSignedBy(chain[i + 1])) {
      return Malformed("certificate " + std::to_string(i) + " of the chain is not signed by the next one");
    }
  }
  std::string name = OperatorOr(operator_name, uri, chain.back().Fingerprint());
  return CertificateAuthority{
      .chain = std::move(chain), .valid = valid, .uri = std::string(uri), .operator_name = std::move(name)};
}

Result<TrustedRoot> ParseTrustedRoot(std::string_view json) {
  auto document = JsonDocument::Parse(json, {.max_bytes = limits::kTrustedRootBytes});
  if (!document.ok()) {
    const bool limit = document.error().reason == Reason::kLimitExceeded;
    return Error{limit ? Reason::kLimitExceeded : Reason::kTrustRootMalformed, document.error().where,
                 document.error().detail};
  }
  TrustedRoot root;
  TrustMaterial& material = root.material;
  ObjectReader reader(*document, document->root(), Reason::kTrustRootMalformed);
  reader.IgnoreUnknown();
  const std::string media_type = reader.String("mediaType");
  if (reader.ok() && std::find(kMediaTypes.begin(), kMediaTypes.end(), media_type) == kMediaTypes.end()) {
    reader.Fail("mediaType", "is not that of a trusted root of version 0.1 or 0.2");
  }
  ReadEach(reader, "tlogs", [&](ObjectReader& log) { ReadLog(log, material.logs, root.ignored); });
  ReadEach(reader, "ctlogs", [&](ObjectReader& log) { ReadLog(log, material.ct_logs, root.ignored); });
  ReadEach(reader, "certificateAuthorities",
           [&](ObjectReader& authority) { ReadAuthority(authority, material.authorities); });
  ReadEach(reader, "timestampAuthorities",
           [&](ObjectReader& authority) { ReadAuthority(authority, material.timestamp_authorities); });
  const bool nothing = material.logs.empty() && material.ct_logs.empty() && material.authorities.empty() &&
                       material.timestamp_authorities.empty() && root.ignored.empty();
  if (reader.ok() && nothing) reader.Fail("", "names no log and no authority");
  RETURN_IF_ERROR(reader.Finish());
  return root;
}

}  // namespace gatehouse::signature::sigstore
