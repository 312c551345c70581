#include "tests/fakes/notation.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "tests/fakes/sigstore_log.h"

namespace gatehouse::fakes {

namespace cbor {
namespace {

Bytes Head(std::uint8_t major, std::uint64_t value) {
  const auto type = static_cast<std::uint8_t>(major << 5U);
  ByteWriter out;
  if (value < 24) {
    out.PutU8(static_cast<std::uint8_t>(type | value));
  } else if (value <= 0xFF) {
    out.PutU8(type | 24U);
    out.PutU8(static_cast<std::uint8_t>(value));
  } else if (value <= 0xFFFF) {
    out.PutU8(type | 25U);
    out.PutU16Be(static_cast<std::uint16_t>(value));
  } else if (value <= 0xFFFFFFFF) {
    out.PutU8(type | 26U);
    out.PutU32Be(static_cast<std::uint32_t>(value));
  } else {
    out.PutU8(type | 27U);
    out.PutU64Be(value);
  }
  return std::move(out).Finish();
}

}  // namespace

Bytes Int(std::int64_t value) {
  return value >= 0 ? Head(0, static_cast<std::uint64_t>(value)) : Head(1, static_cast<std::uint64_t>(-(value + 1)));
}

Bytes Text(std::string_view value) {
  Bytes out = Head(3, value.size());
  Append(out, AsBytes(value));
  return out;
}

Bytes ByteString(BytesView value) {
  Bytes out = Head(2, value.size());
  Append(out, value);
  return out;
}

Bytes Array(const std::vector<Bytes>& items) {
  Bytes out = Head(4, items.size());
  for (const Bytes& item : items) Append(out, item);
  return out;
}

Bytes Map(const Members& members) {
  Bytes out = Head(5, members.size());
  for (const auto& [key, value] : members) {
    Append(out, key);
    Append(out, value);
  }
  return out;
}

Bytes Tag(std::uint64_t number, const Bytes& value) {
  Bytes out = Head(6, number);
  Append(out, value);
  return out;
}

}  // namespace cbor

namespace {

constexpr std::string_view kPrefix = "io.cncf.notary.";
constexpr std::string_view kAuthority = "notary.x509.signingAuthority";

std::string Header(std::string_view name) {
  return std::string(kPrefix) + std::string(name);
}

struct Algorithm {
  std::string name;
  std::int64_t cose;
  crypto::Scheme scheme;
  HashAlgorithm hash;
};

// Signature specification, "Supported algorithms": the key decides.
Algorithm AlgorithmFor(const crypto::PublicKey& key) {
  switch (key.type()) {
    case crypto::KeyType::kEcP256:
      return {"ES256", -7, crypto::Scheme::kEcdsaRaw, HashAlgorithm::kSha256};
    case crypto::KeyType::kEcP384:
      return {"ES384", -35, crypto::Scheme::kEcdsaRaw, HashAlgorithm::kSha384};
    case crypto::KeyType::kEcP521:
      return {"ES512", -36, crypto::Scheme::kEcdsaRaw, HashAlgorithm::kSha512};
    case crypto::KeyType::kEd25519:
      return {"EdDSA", -8, crypto::Scheme::kEd25519, HashAlgorithm::kSha512};
    case crypto::KeyType::kRsa:
      break;
  }
  if (key.bits() >= 4096) return {"PS512", -39, crypto::Scheme::kRsaPss, HashAlgorithm::kSha512};
  if (key.bits() >= 3072) return {"PS384", -38, crypto::Scheme::kRsaPss, HashAlgorithm::kSha384};
  return {"PS256", -37, crypto::Scheme::kRsaPss, HashAlgorithm::kSha256};
}

std::string TimeHeader(const NotationOptions& options) {
  return Header(options.scheme == kAuthority ? "authenticSigningTime" : "signingTime");
}

std::vector<std::string> CriticalOf(const NotationOptions& options) {
  if (options.critical) return *options.critical;
  std::vector<std::string> critical{Header("signingScheme")};
  if (options.scheme == kAuthority) critical.push_back(Header("authenticSigningTime"));
  if (options.expiry) critical.push_back(Header("expiry"));
  if (options.verification_plugin) critical.push_back(Header("verificationPlugin"));
  return critical;
}

std::int64_t Seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

// What signing needs, whichever the envelope.
struct Job {
  const NotationOptions& options;
  std::string payload;
  std::vector<TestCertificate> chain;
  crypto::PrivateKey key;
  Algorithm algorithm;

  [[nodiscard]] Bytes Sign(BytesView message) const {
    return key.Sign(algorithm.scheme, algorithm.hash, message).value();
  }
  [[nodiscard]] std::optional<Bytes> Timestamp(BytesView signature) const {
    if (options.timestamp_authority == nullptr) return std::nullopt;
    StampOptions stamp = options.stamp;
    stamp.bare = true;
    return options.timestamp_authority->Stamp(signature, stamp);
  }
};

JsonValue ProtectedHeader(const Job& job) {
  const NotationOptions& options = job.options;
  JsonValue header = JsonValue::Object();
  header.Member("alg") = JsonValue::String(options.algorithm.value_or(job.algorithm.name));
  header.Member("cty") = JsonValue::String(options.content_type);
  JsonValue critical = JsonValue::Array();
  for (const std::string& name : CriticalOf(options)) critical.elements.push_back(JsonValue::String(name));
  header.Member("crit") = critical;
  header.Member(Header("signingScheme")) = JsonValue::String(options.scheme);
  header.Member(TimeHeader(options)) = JsonValue::String(TimeText(options.signing_time));
  if (options.expiry) header.Member(Header("expiry")) = JsonValue::String(TimeText(*options.expiry));
  if (options.verification_plugin) {
    header.Member(Header("verificationPlugin")) = JsonValue::String(*options.verification_plugin);
  }
  if (options.edit_protected) options.edit_protected(header);
  return header;
}

NotationSignature SignJws(const Job& job) {
  const NotationOptions& options = job.options;
  const std::string header = EncodeBase64Url(AsBytes(ProtectedHeader(job).Write()));
  const std::string payload = EncodeBase64Url(AsBytes(job.payload));
  Bytes signature = job.Sign(AsBytes(header + "." + payload));
  JsonValue envelope = JsonValue::Object();
  envelope.Member("payload") = JsonValue::String(payload);
  envelope.Member("protected") = JsonValue::String(header);
  JsonValue& unprotected = envelope.Member("header");
  JsonValue certificates = JsonValue::Array();
  for (const TestCertificate& each : job.chain) {
    certificates.elements.push_back(JsonValue::String(EncodeBase64(each.der)));
  }
  unprotected.Member("x5c") = certificates;
  if (const auto stamp = job.Timestamp(signature)) {
    unprotected.Member(Header("timestampSignature")) = JsonValue::String(EncodeBase64(*stamp));
  }
  unprotected.Member(Header("signingAgent")) = JsonValue::String(options.signing_agent);
  envelope.Member("signature") = JsonValue::String(EncodeBase64Url(signature));
  if (options.edit_envelope) options.edit_envelope(envelope);
  return {envelope.Write(), "application/jose+json", {}, std::move(signature)};
}

// RFC 8949 section 4.2.1: in the order of the encoded keys.
cbor::Members Sorted(cbor::Members members) {
  std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return members;
}

cbor::Members CoseProtected(const Job& job) {
  const NotationOptions& options = job.options;
  const auto time = [](WallTime at) { return cbor::Tag(1, cbor::Int(Seconds(at))); };
  std::vector<Bytes> critical;
  for (const std::string& name : CriticalOf(options)) critical.push_back(cbor::Text(name));
  cbor::Members header{{cbor::Int(1), cbor::Int(options.cose_algorithm.value_or(job.algorithm.cose))},
                       {cbor::Int(2), cbor::Array(critical)},
                       {cbor::Int(3), cbor::Text(options.content_type)},
                       {cbor::Text(Header("signingScheme")), cbor::Text(options.scheme)},
                       {cbor::Text(TimeHeader(options)), time(options.signing_time)}};
  if (options.expiry) header.emplace_back(cbor::Text(Header("expiry")), time(*options.expiry));
  if (options.verification_plugin) {
    header.emplace_back(cbor::Text(Header("verificationPlugin")), cbor::Text(*options.verification_plugin));
  }
  header = Sorted(std::move(header));
  if (options.edit_cose_protected) options.edit_cose_protected(header);
  return header;
}

NotationSignature SignCose(const Job& job) {
  const NotationOptions& options = job.options;
  const Bytes header = cbor::Map(CoseProtected(job));
  Bytes signature = job.Sign(cbor::Array({cbor::Text("Signature1"), cbor::ByteString(header), cbor::ByteString({}),
                                          cbor::ByteString(AsBytes(job.payload))}));
  std::vector<Bytes> certificates;
  for (const TestCertificate& each : job.chain) certificates.push_back(cbor::ByteString(each.der));
  cbor::Members unprotected{{cbor::Int(33), cbor::Array(certificates)},
                            {cbor::Text(Header("signingAgent")), cbor::Text(options.signing_agent)}};
  if (const auto stamp = job.Timestamp(signature)) {
    unprotected.emplace_back(cbor::Text(Header("timestampSignature")), cbor::ByteString(*stamp));
  }
  unprotected = Sorted(std::move(unprotected));
  if (options.edit_cose_unprotected) options.edit_cose_unprotected(unprotected);
  Bytes message = cbor::Array({cbor::ByteString(header), cbor::Map(unprotected), cbor::ByteString(AsBytes(job.payload)),
                               cbor::ByteString(signature)});
  if (options.tagged) message = cbor::Tag(18, message);
  return {std::string(AsText(message)), "application/cose", {}, std::move(signature)};
}

// Certificate requirements of the specification: a CA's subject has C, ST and O as well.
CertificateSpec CaWith(const std::string& name, const FakeNotary::Options& options) {
  CertificateSpec spec = CaSpec(name).Valid(options.not_before, options.not_after);
  spec.organization = options.organization;
  spec.subject = {{"C", "US"}, {"ST", "WA"}};
  spec.key_type = options.key_type;
  spec.rsa_bits = options.rsa_bits;
  return spec;
}

CertificateSpec WithPointers(CertificateSpec spec, const FakeNotary::Options& options) {
  const auto add = [&](const char* extension, const std::string& prefix, const std::string& url) {
    if (!url.empty() && spec.extensions.count(extension) == 0) spec.extensions[extension] = prefix + url;
  };
  add("crlDistributionPoints", "URI:", options.crl_url);
  add("freshestCRL", "URI:", options.freshest_crl_url);
  add("authorityInfoAccess", "OCSP;URI:", options.ocsp_url);
  return spec;
}

}  // namespace

FakeNotary::FakeNotary(const Options& options)
    : options_(options),
      root_(TestCa::Root(CaWith("notary root", options))),
      issuer_(options.intermediate ? root_.Intermediate(WithPointers(CaWith("notary intermediate", options), options))
                                   : root_),
      leaf_([&] {
        CertificateSpec spec = options.leaf;
        spec.key_type = options.key_type;
        spec.rsa_bits = options.rsa_bits;
        return IssueLeaf(spec);
      }()) {}

TestCertificate FakeNotary::IssueLeaf(const CertificateSpec& spec) const {
  CertificateSpec filled = WithPointers(spec, options_);
  if (filled.organization.empty()) filled.organization = options_.organization;
  if (filled.subject.empty()) filled.subject = {{"C", "US"}, {"ST", "WA"}};
  if (filled.extensions.count("extendedKeyUsage") == 0) filled.extensions["extendedKeyUsage"] = "codeSigning";
  return issuer_.Leaf(filled);
}

std::vector<TestCertificate> FakeNotary::Chain() const {
  const auto of = [](const TestCa& ca) { return TestCertificate{ca.certificate(), ca.key(), ca.pem(), ca.der()}; };
  std::vector<TestCertificate> chain{leaf_};
  if (options_.intermediate) chain.push_back(of(issuer_));
  chain.push_back(of(root_));
  return chain;
}

NotationSignature FakeNotary::Sign(const NotationTarget& target, const NotationOptions& options) const {
  const std::vector<TestCertificate> chain = options.chain.value_or(Chain());
  const crypto::PrivateKey key = options.sign_with ? *options.sign_with : chain.front().key.value();
  const Job job{options, options.payload_instead.value_or(NotationPayload(target)), chain, key,
                AlgorithmFor(key.Public())};
  NotationSignature made = options.cose ? SignCose(job) : SignJws(job);
  for (const TestCertificate& each : chain) {
    made.thumbprints.push_back(EncodeHex(crypto::Hash(HashAlgorithm::kSha256, each.der)));
  }
  return made;
}

std::string NotationPayload(const NotationTarget& target) {
  JsonValue json = JsonValue::Object();
  JsonValue& artifact = json.Member("targetArtifact");
  artifact.Member("mediaType") = JsonValue::String(target.media_type);
  artifact.Member("digest") = JsonValue::String(target.digest);
  artifact.Member("size") = JsonValue::Number(target.size);
  for (const auto& [key, value] : target.annotations) {
    artifact.Member("annotations").Member(key) = JsonValue::String(value);
  }
  return json.Write();
}

}  // namespace gatehouse::fakes
