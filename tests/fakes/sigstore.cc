#include "tests/fakes/sigstore.h"

#include <stdexcept>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"

namespace gatehouse::fakes {

struct FakeSigstore::Signed {
  crypto::PrivateKey key;
  std::optional<TestCertificate> certificate;
  Bytes signature;
};

namespace {

using signature::sigstore::CertificateAuthority;
using signature::sigstore::TrustMaterial;
using signature::sigstore::Validity;

JsonValue Base64(BytesView bytes) {
  return JsonValue::String(EncodeBase64(bytes));
}

std::vector<std::string> Parts(std::string_view pointer) {
  std::vector<std::string> parts;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const std::size_t end = std::min(pointer.find('/'), pointer.size());
    std::string part;
    for (std::size_t i = 0; i < end; ++i) {
      const bool escape = pointer[i] == '~' && i + 1 < end;
      part += escape ? (pointer[++i] == '1' ? '/' : '~') : pointer[i];
    }
    parts.push_back(std::move(part));
    pointer.remove_prefix(end);
  }
  return parts;
}

std::size_t IndexOf(const JsonValue& array, const std::string& part) {
  return part == "-" ? array.elements.size() : std::stoul(part);
}

std::string PreAuthenticationEncoding(const std::string& type, std::string_view payload) {
  return "DSSEv1 " + std::to_string(type.size()) + " " + type + " " + std::to_string(payload.size()) + " " +
         std::string(payload);
}

std::string BundleMediaType(const std::string& version) {
  if (version.find('/') != std::string::npos) return version;
  if (version == "0.3") return "application/vnd.dev.sigstore.bundle.v0.3+json";
  return "application/vnd.dev.sigstore.bundle+json;version=" + version.substr(0, 3);
}

bool HasSingleCertificate(const std::string& version) {
  return version.rfind("0.1", 0) != 0 && version.rfind("0.2", 0) != 0;
}

std::string HashName(HashAlgorithm hash) {
  return "SHA2_" + std::to_string(DigestSize(hash) * 8);
}

std::string KeyDetails(const crypto::PublicKey& key, HashAlgorithm hash) {
  const std::string bits = std::to_string(DigestSize(hash) * 8);
  switch (key.type()) {
    case crypto::KeyType::kEcP256:
      return "PKIX_ECDSA_P256_SHA_" + bits;
    case crypto::KeyType::kEcP384:
      return "PKIX_ECDSA_P384_SHA_" + bits;
    case crypto::KeyType::kEcP521:
      return "PKIX_ECDSA_P521_SHA_" + bits;
    case crypto::KeyType::kRsa:
      return "PKIX_RSA_PKCS1V15_" + std::to_string(key.bits()) + "_SHA" + bits;
    case crypto::KeyType::kEd25519:
      return "PKIX_ED25519";
  }
  return "";
}

JsonValue HashJson(HashAlgorithm hash, BytesView bytes) {
  JsonValue json = JsonValue::Object();
  json.Member("algorithm") = JsonValue::String(Name(hash));
  json.Member("value") = JsonValue::String(EncodeHex(crypto::Hash(hash, bytes)));
  return json;
}

JsonValue HashOutput(HashAlgorithm hash, BytesView bytes) {
  JsonValue json = JsonValue::Object();
  json.Member("algorithm") = JsonValue::String(HashName(hash));
  json.Member("digest") = Base64(crypto::Hash(hash, bytes));
  return json;
}

// What an entry is about.
struct Content {
  std::string to_be_signed;  // the message, or the PAE
  std::string payload = {};  // of an envelope
  std::string payload_type = {};
  std::string envelope = {};  // as JSON; empty for a message
};

std::string VerifierPem(const crypto::PrivateKey& key, const std::optional<TestCertificate>& certificate) {
  const std::string pem = certificate ? certificate->pem : key.Public().Pem();
  return EncodeBase64(AsBytes(pem));
}

JsonValue VerifierJson(const crypto::PrivateKey& key, const std::optional<TestCertificate>& certificate,
                       HashAlgorithm hash) {
  JsonValue json = JsonValue::Object();
  json.Member("keyDetails") = JsonValue::String(KeyDetails(key.Public(), hash));
  if (certificate) {
    json.Member("x509Certificate").Member("rawBytes") = Base64(certificate->der);
  } else {
    json.Member("publicKey").Member("rawBytes") = Base64(key.Public().Spki());
  }
  return json;
}

JsonValue EnvelopeJson(std::string_view payload, const std::string& payload_type, BytesView signature) {
  JsonValue envelope = JsonValue::Object();
  envelope.Member("payload") = Base64(AsBytes(payload));
  envelope.Member("payloadType") = JsonValue::String(payload_type);
  JsonValue one = JsonValue::Object();
  one.Member("sig") = Base64(signature);
  one.Member("keyid") = JsonValue::String("");
  envelope.Member("signatures") = JsonValue::Array();
  envelope.Member("signatures").elements.push_back(one);
  return envelope;
}

// The spec of an entry of Rekor v1.
JsonValue FirstSpec(const std::string& kind, const Content& content, const BundleOptions& options,
                    const std::string& signature, const std::string& verifier) {
  JsonValue spec = JsonValue::Object();
  if (kind == "hashedrekord") {
    spec.Member("data").Member("hash") = HashJson(options.hash, AsBytes(content.to_be_signed));
    spec.Member("signature").Member("content") = JsonValue::String(signature);
    spec.Member("signature").Member("publicKey").Member("content") = JsonValue::String(verifier);
    return spec;
  }
  JsonValue one = JsonValue::Object();
  if (kind == "dsse") {
    one.Member("signature") = JsonValue::String(signature);
    one.Member("verifier") = JsonValue::String(verifier);
    spec.Member("envelopeHash") = HashJson(HashAlgorithm::kSha256, AsBytes(content.envelope));
    spec.Member("payloadHash") = HashJson(HashAlgorithm::kSha256, AsBytes(content.payload));
    spec.Member("signatures") = JsonValue::Array();
    spec.Member("signatures").elements.push_back(one);
    return spec;
  }
  one.Member("publicKey") = JsonValue::String(verifier);
  one.Member("sig") = Base64(AsBytes(signature));  // base64 of the base64, as real entries have it
  JsonValue& inside = spec.Member("content");
  JsonValue& envelope = inside.Member("envelope");
  envelope.Member("payloadType") = JsonValue::String(content.payload_type);
  envelope.Member("signatures") = JsonValue::Array();
  envelope.Member("signatures").elements.push_back(one);
  inside.Member("hash") = HashJson(HashAlgorithm::kSha256, AsBytes(content.envelope));
  inside.Member("payloadHash") = HashJson(HashAlgorithm::kSha256, AsBytes(content.payload));
  return spec;
}

// Of Rekor v2.
JsonValue SecondSpec(const std::string& kind, const Content& content, const BundleOptions& options,
                     const std::string& signature, const JsonValue& verifier) {
  JsonValue spec = JsonValue::Object();
  JsonValue one = JsonValue::Object();
  one.Member("content") = JsonValue::String(signature);
  one.Member("verifier") = verifier;
  if (kind == "dsse") {
    JsonValue& inside = spec.Member("dsseV002");
    inside.Member("payloadHash") = HashOutput(HashAlgorithm::kSha256, AsBytes(content.payload));
    inside.Member("signatures") = JsonValue::Array();
    inside.Member("signatures").elements.push_back(one);
    return spec;
  }
  JsonValue& inside = spec.Member("hashedRekordV002");
  inside.Member("data") = HashOutput(options.hash, AsBytes(content.to_be_signed));
  inside.Member("signature") = one;
  return spec;
}

std::string KindFor(const FakeRekor& log, const Content& content, const BundleOptions& options) {
  if (options.entry_kind) return *options.entry_kind;
  return content.envelope.empty() || log.options().version != 1 ? "hashedrekord" : "dsse";
}

JsonValue AddEntry(FakeRekor& log, const Content& content, const crypto::PrivateKey& key,
                   const std::optional<TestCertificate>& certificate, BytesView signature, const BundleOptions& options,
                   WallTime at) {
  const std::string kind = KindFor(log, content, options);
  const bool first = log.options().version == 1;
  const std::string version = first && kind != "intoto" ? "0.0.1" : "0.0.2";
  JsonValue body = JsonValue::Object();
  body.Member("apiVersion") = JsonValue::String(version);
  body.Member("kind") = JsonValue::String(kind);
  const std::string text = EncodeBase64(signature);
  body.Member("spec") = first ? FirstSpec(kind, content, options, text, VerifierPem(key, certificate))
                              : SecondSpec(kind, content, options, text, VerifierJson(key, certificate, options.hash));
  if (options.edit_body) options.edit_body(body);
  EntryOptions entry = options.entry;
  entry.at = options.entry_at.value_or(at);
  return log.Add(kind, version, CanonicalJson(body), entry);
}

JsonValue ValidityJson(const Validity& valid) {
  JsonValue json = JsonValue::Object();
  if (valid.from) json.Member("start") = JsonValue::String(TimeText(*valid.from));
  if (valid.until) json.Member("end") = JsonValue::String(TimeText(*valid.until));
  return json;
}

JsonValue AuthorityJson(const CertificateAuthority& authority) {
  JsonValue json = JsonValue::Object();
  json.Member("subject").Member("organization") = JsonValue::String("Gatehouse tests");
  json.Member("subject").Member("commonName") = JsonValue::String("test");
  json.Member("uri") = JsonValue::String(authority.uri);
  JsonValue& certificates = json.Member("certChain").Member("certificates");
  certificates = JsonValue::Array();
  for (const crypto::Certificate& certificate : authority.chain) {
    JsonValue one = JsonValue::Object();
    one.Member("rawBytes") = Base64(certificate.Der());
    certificates.elements.push_back(one);
  }
  json.Member("validFor") = ValidityJson(authority.valid);
  if (authority.operator_name != authority.uri) {
    json.Member("operator") = JsonValue::String(authority.operator_name);
  }
  return json;
}

CertificateSpec CaOf(const std::optional<CertificateSpec>& given, const std::string& name, WallTime from,
                     WallTime until) {
  if (given) return *given;
  CertificateSpec spec = CaSpec(name).Valid(from, until);
  spec.key_type = crypto::KeyType::kEcP384;
  spec.hash = HashAlgorithm::kSha384;
  return spec;
}

}  // namespace

JsonValue& At(JsonValue& root, std::string_view pointer) {
  JsonValue* value = &root;
  for (const std::string& part : Parts(pointer)) {
    if (value->kind != JsonValue::Kind::kArray) {
      value = &value->Member(part);
      continue;
    }
    const std::size_t index = IndexOf(*value, part);
    if (index > value->elements.size()) throw std::out_of_range("no such element: " + std::string(pointer));
    if (index == value->elements.size()) value->elements.emplace_back();
    value = &value->elements[index];
  }
  return *value;
}

void Remove(JsonValue& root, std::string_view pointer) {
  const std::size_t last = pointer.rfind('/');
  JsonValue& parent = At(root, pointer.substr(0, last));
  const std::string part = Parts(pointer.substr(last)).front();
  if (parent.kind == JsonValue::Kind::kArray) {
    parent.elements.erase(parent.elements.begin() + static_cast<std::ptrdiff_t>(IndexOf(parent, part)));
  } else {
    if (parent.Find(part) == nullptr) throw std::out_of_range("no such member: " + std::string(pointer));
    parent.Erase(part);
  }
}

std::string Statement(const Digest& subject, const StatementOptions& options) {
  JsonValue json = JsonValue::Object();
  json.Member("_type") = JsonValue::String(options.type);
  JsonValue one = JsonValue::Object();
  if (!options.name.empty()) one.Member("name") = JsonValue::String(options.name);
  one.Member("digest").Member(Name(subject.algorithm())) = JsonValue::String(subject.hex());
  for (const auto& [key, value] : options.annotations) one.Member("annotations").Member(key) = JsonValue::String(value);
  json.Member("subject") = JsonValue::Array();
  json.Member("subject").elements.push_back(one);
  json.Member("predicateType") = JsonValue::String(options.predicate_type);
  json.Member("predicate") = JsonValue::Parse(options.predicate).value();
  return json.Write();
}

std::string CosignSignStatement(const Digest& image, const std::map<std::string, std::string>& annotations) {
  return Statement(image, {.predicate_type = "https://sigstore.dev/cosign/sign/v1", .annotations = annotations});
}

std::string SimpleSigning(const Digest& image, const std::map<std::string, std::string>& annotations) {
  JsonValue json = JsonValue::Object();
  JsonValue& critical = json.Member("critical");
  critical.Member("identity").Member("docker-reference") = JsonValue::String("registry.example/app");
  critical.Member("image").Member("docker-manifest-digest") = JsonValue::String(image.text());
  critical.Member("type") = JsonValue::String("cosign container image signature");
  json.Member("optional") = {};
  for (const auto& [key, value] : annotations) json.Member("optional").Member(key) = JsonValue::String(value);
  return json.Write();
}

FakeSigstore::FakeSigstore(const Options& options)
    : now(options.now),
      options_(options),
      root_(TestCa::Root(CaOf(options.root, "sigstore", options.not_before, options.not_after))),
      intermediate_(root_.Intermediate(
          CaOf(options.intermediate, "sigstore-intermediate", options.not_before, options.not_after))),
      ct_log_(options.ct_log),
      rekor_v1_(options.rekor_v1),
      rekor_v2_(options.rekor_v2),
      timestamp_authority_(options.timestamp_authority) {}

FakeSigstore::Signed FakeSigstore::MakeSignature(std::string_view to_be_signed, const BundleOptions& options) {
  std::optional<TestCertificate> certificate = options.certificate;
  if (!certificate && !options.key) {
    LeafOptions leaf = options.leaf;
    if (!leaf.at) leaf.at = options.at.value_or(now);
    certificate = Issue(leaf);
  }
  // With both, a key signs what a certificate is then shown for.
  crypto::PrivateKey key = options.key ? *options.key : certificate->key.value();
  crypto::Scheme scheme = crypto::Scheme::kEcdsaDer;
  if (key.Public().type() == crypto::KeyType::kRsa) scheme = crypto::Scheme::kRsaPkcs1v15;
  if (key.Public().type() == crypto::KeyType::kEd25519) scheme = crypto::Scheme::kEd25519;
  Bytes signature = key.Sign(options.scheme.value_or(scheme), options.hash, AsBytes(to_be_signed)).value();
  return {std::move(key), std::move(certificate), std::move(signature)};
}

JsonValue FakeSigstore::Material(const Signed& made, const BundleOptions& options,
                                 const std::function<JsonValue(FakeRekor&)>& add) {
  JsonValue material = JsonValue::Object();
  if (!made.certificate) {
    material.Member("publicKey").Member("hint") = JsonValue::String(options.key_hint);
  } else if (HasSingleCertificate(options.version)) {
    material.Member("certificate").Member("rawBytes") = Base64(made.certificate->der);
  } else {
    JsonValue one = JsonValue::Object();
    one.Member("rawBytes") = Base64(made.certificate->der);
    JsonValue& certificates = material.Member("x509CertificateChain").Member("certificates");
    certificates = JsonValue::Array();
    certificates.elements.push_back(one);
  }
  const std::vector<FakeRekor*> logs = options.logs.value_or(std::vector<FakeRekor*>{&rekor_v1_});
  if (!logs.empty()) material.Member("tlogEntries") = JsonValue::Array();
  for (FakeRekor* log : logs) material.Member("tlogEntries").elements.push_back(add(*log));
  const std::vector<Bytes> stamps = Stamps(made.signature, options);
  if (stamps.empty()) return material;
  JsonValue& list = material.Member("timestampVerificationData").Member("rfc3161Timestamps");
  list = JsonValue::Array();
  for (const Bytes& stamp : stamps) {
    JsonValue one = JsonValue::Object();
    one.Member("signedTimestamp") = Base64(stamp);
    list.elements.push_back(one);
  }
  return material;
}

std::vector<Bytes> FakeSigstore::Stamps(BytesView over, const BundleOptions& options) const {
  bool wanted = options.logs && options.logs->empty();
  for (const FakeRekor* log : options.logs.value_or(std::vector<FakeRekor*>{})) {
    wanted = wanted || log->options().version != 1;
  }
  std::vector<const FakeTimestampAuthority*> authorities;
  if (options.authorities) {
    authorities = *options.authorities;
  } else if (wanted) {
    authorities = {&timestamp_authority_};
  }
  StampOptions stamp = options.stamp;
  stamp.at = options.stamp_at.value_or(options.at.value_or(now));
  std::vector<Bytes> stamps;
  for (const FakeTimestampAuthority* authority : authorities) stamps.push_back(authority->Stamp(over, stamp));
  return stamps;
}

SignedBundle FakeSigstore::SignMessage(std::string_view artifact, const BundleOptions& options) {
  const Content content{.to_be_signed = std::string(artifact)};
  Signed made = MakeSignature(artifact, options);
  JsonValue json = JsonValue::Object();
  json.Member("mediaType") = JsonValue::String(BundleMediaType(options.version));
  json.Member("verificationMaterial") = Material(made, options, [&](FakeRekor& log) {
    return AddEntry(log, content, made.key, made.certificate, made.signature, options, options.at.value_or(now));
  });
  JsonValue& message = json.Member("messageSignature");
  message.Member("messageDigest") = HashOutput(options.hash, AsBytes(artifact));
  message.Member("signature") = Base64(made.signature);
  return {std::move(json), std::move(made.certificate), std::move(made.key), std::move(made.signature)};
}

SignedBundle FakeSigstore::SignEnvelope(std::string_view payload, const BundleOptions& options) {
  Content content{.to_be_signed = PreAuthenticationEncoding(options.payload_type, payload),
                  .payload = std::string(payload),
                  .payload_type = options.payload_type};
  Signed made = MakeSignature(content.to_be_signed, options);
  const JsonValue envelope = EnvelopeJson(payload, options.payload_type, made.signature);
  content.envelope = envelope.Write();
  JsonValue json = JsonValue::Object();
  json.Member("mediaType") = JsonValue::String(BundleMediaType(options.version));
  json.Member("verificationMaterial") = Material(made, options, [&](FakeRekor& log) {
    return AddEntry(log, content, made.key, made.certificate, made.signature, options, options.at.value_or(now));
  });
  json.Member("dsseEnvelope") = envelope;
  return {std::move(json), std::move(made.certificate), std::move(made.key), std::move(made.signature)};
}

SignedBundle FakeSigstore::SignImage(const Digest& image, const BundleOptions& options,
                                     const std::map<std::string, std::string>& annotations) {
  return SignEnvelope(CosignSignStatement(image, annotations), options);
}

SignedBundle FakeSigstore::Attest(const Digest& image, const StatementOptions& statement,
                                  const BundleOptions& options) {
  return SignEnvelope(Statement(image, statement), options);
}

void FakeSigstore::Annotate(LegacyLayer& layer, const SignedBundle& bundle, BytesView stamped,
                            const BundleOptions& options) const {
  if (bundle.certificate) {
    layer.annotations["dev.sigstore.cosign/certificate"] = bundle.certificate->pem;
    layer.annotations["dev.sigstore.cosign/chain"] = intermediate_.pem() + root_.pem();
  }
  if (const JsonValue* entries = bundle.json.At({"verificationMaterial", "tlogEntries"});
      entries != nullptr && !entries->elements.empty()) {
    const JsonValue& entry = entries->elements.front();
    JsonValue json = JsonValue::Object();
    json.Member("SignedEntryTimestamp") = JsonValue::String(entry.TextAt({"inclusionPromise", "signedEntryTimestamp"}));
    JsonValue& payload = json.Member("Payload");
    payload.Member("body") = JsonValue::String(entry.TextAt({"canonicalizedBody"}));
    payload.Member("integratedTime") = {.kind = JsonValue::Kind::kNumber, .text = entry.TextAt({"integratedTime"})};
    payload.Member("logIndex") = {.kind = JsonValue::Kind::kNumber, .text = entry.TextAt({"logIndex"})};
    payload.Member("logID") = JsonValue::String(EncodeHex(DecodeBase64(entry.TextAt({"logId", "keyId"})).value()));
    layer.annotations["dev.sigstore.cosign/bundle"] = json.Write();
  }
  const std::vector<Bytes> stamps = Stamps(stamped, options);
  if (stamps.empty()) return;
  JsonValue stamp = JsonValue::Object();
  stamp.Member("SignedRFC3161Timestamp") = Base64(stamps.front());
  layer.annotations["dev.sigstore.cosign/rfc3161timestamp"] = stamp.Write();
}

LegacyLayer FakeSigstore::LegacySignature(const std::string& payload, const BundleOptions& options) {
  const SignedBundle bundle = SignMessage(payload, options);
  LegacyLayer layer{.media_type = "application/vnd.dev.cosign.simplesigning.v1+json", .payload = payload};
  layer.annotations["dev.cosignproject.cosign/signature"] = EncodeBase64(bundle.signature);
  Annotate(layer, bundle, bundle.signature, options);
  return layer;
}

LegacyLayer FakeSigstore::LegacyAttestation(const std::string& payload, const BundleOptions& options) {
  const SignedBundle bundle = SignEnvelope(payload, options);
  LegacyLayer layer{.media_type = "application/vnd.dsse.envelope.v1+json",
                    .payload = bundle.json.Find("dsseEnvelope")->Write()};
  layer.annotations["dev.cosignproject.cosign/signature"] = "";
  if (const auto statement = JsonValue::Parse(payload)) {
    layer.annotations["predicateType"] = statement->TextAt({"predicateType"});
  }
  Annotate(layer, bundle, AsBytes(layer.payload), options);
  return layer;
}

TrustMaterial FakeSigstore::Trust() const {
  TrustMaterial material;
  material.logs = {rekor_v1_.Trust(), rekor_v2_.Trust()};
  if (!options_.private_ca) material.ct_logs = {ct_log_.Trust()};
  const auto operator_or = [](const std::string& name, const std::string& url) { return name.empty() ? url : name; };
  material.authorities = {{.chain = {intermediate_.certificate(), root_.certificate()},
                           .valid = options_.valid,
                           .uri = options_.fulcio_url,
                           .operator_name = operator_or(options_.operator_name, options_.fulcio_url)}};
  const FakeTimestampAuthority::Options& stamps = timestamp_authority_.options();
  material.timestamp_authorities = {
      {.chain = {timestamp_authority_.signer().certificate, timestamp_authority_.intermediate().certificate(),
                 timestamp_authority_.root().certificate()},
       .valid = {.from = stamps.not_before},
       .uri = stamps.url,
       .operator_name = operator_or(stamps.operator_name, stamps.url)}};
  return material;
}

JsonValue FakeSigstore::TrustedRoot() const {
  const TrustMaterial material = Trust();
  JsonValue json = JsonValue::Object();
  json.Member("mediaType") = JsonValue::String("application/vnd.dev.sigstore.trustedroot+json;version=0.1");
  const auto list = [&](const std::string& name) -> std::vector<JsonValue>& {
    json.Member(name) = JsonValue::Array();
    return json.Member(name).elements;
  };
  list("tlogs") = {rekor_v1_.TrustJson(), rekor_v2_.TrustJson()};
  list("certificateAuthorities") = {AuthorityJson(material.authorities.front())};
  if (!options_.private_ca) list("ctlogs") = {ct_log_.TrustJson()};
  list("timestampAuthorities") = {AuthorityJson(material.timestamp_authorities.front())};
  return json;
}

}  // namespace gatehouse::fakes
