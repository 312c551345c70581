#include "common/signature/sigstore/log_entry.h"

#include <algorithm>
#include <array>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/codec/pem.h"
#include "common/crypto/hash.h"

namespace gatehouse::signature::sigstore {
namespace {

using codec::JsonDocument;
using codec::JsonView;
using codec::ObjectReader;
using Kind = EntryBody::Kind;
using Presence = ObjectReader::Presence;

Error Malformed(std::string_view detail) {
  return {Reason::kLogEntryMalformed, "body", std::string(detail)};
}

Error Mismatch(std::string_view detail) {
  return {Reason::kLogEntryMismatch, "", std::string(detail)};
}

// RFC 8785 section 3.2.3: "The names ... are sorted". All names of our kinds are ASCII, where every order is the same.
bool NamesAreSorted(JsonView view) {
  for (std::size_t i = 0; i < view.size(); ++i) {
    if (view.IsArray() && !NamesAreSorted(view.at(i))) return false;
    if (!view.IsObject()) continue;
    if (i > 0 && view.member(i - 1).key >= view.member(i).key) return false;
    if (!NamesAreSorted(view.member(i).value)) return false;
  }
  return true;
}

// --- parts that several kinds have

// v1: {"algorithm": "sha256", "value": hex}
void ReadHash(ObjectReader& parent, std::string_view key, EntryBody& body) {
  parent.Object(key, Presence::kRequired, [&](ObjectReader& reader) {
    const auto name = reader.OptionalEnum("algorithm", {"sha256", "sha384", "sha512"});
    if (reader.ok() && !name) reader.Fail("algorithm", "is required");
    auto bytes = DecodeHex(reader.String("value"));
    if (!bytes.ok()) reader.Fail("value", bytes.error().detail);
    if (!reader.ok()) return;
    body.hash = ParseHashAlgorithm(*name).value();
    body.digest = std::move(bytes).value();
    if (body.digest.size() != DigestSize(body.hash)) reader.Fail("value", "does not have the size of a digest");
  });
}

// v2, HashOutput: {"algorithm": "SHA2_256", "digest": base64}
void ReadHashOutput(ObjectReader& parent, std::string_view key, EntryBody& body) {
  parent.Object(key, Presence::kRequired, [&](ObjectReader& reader) {
    const auto name = reader.OptionalEnum("algorithm", {"SHA2_256", "SHA2_384", "SHA2_512"});
    if (reader.ok() && !name) reader.Fail("algorithm", "is required");
    body.digest = reader.Base64("digest");
    if (!reader.ok()) return;
    body.hash = *name == "SHA2_256"   ? HashAlgorithm::kSha256
                : *name == "SHA2_384" ? HashAlgorithm::kSha384
                                      : HashAlgorithm::kSha512;
    if (body.digest.size() != DigestSize(body.hash)) reader.Fail("digest", "does not have the size of a digest");
  });
}

Bytes ReadSignatureBytes(ObjectReader& reader, std::string_view key) {
  Bytes bytes = reader.Base64(key);
  if (bytes.size() > limits::kSignatureBytes) reader.Fail(key, "is longer than any supported key's");
  return bytes;
}

// v1: base64 of PEM, one certificate or one public key.
void ReadPem(ObjectReader& reader, std::string_view key, EntryBody::Signature& signature) {
  const Bytes pem = reader.Base64(key);
  if (!reader.ok()) return;
  auto blocks = codec::ParsePem(AsText(pem), Reason::kLogEntryMalformed);
  if (!blocks.ok()) return reader.Fail(key, blocks.error().detail);
  if (blocks->size() != 1) return reader.Fail(key, "holds several certificates or keys");
  codec::PemBlock& block = blocks->front();
  signature.certificate = block.label == "CERTIFICATE";
  signature.pkcs1 = block.label == "RSA PUBLIC KEY";
  if (!signature.certificate && !signature.pkcs1 && block.label != "PUBLIC KEY") {
    return reader.Fail(key, "is neither a certificate nor a public key");
  }
  signature.der = std::move(block.der);
}

// v2, Signature: {"content", "verifier": {"keyDetails", "x509Certificate" | "publicKey": {"rawBytes"}}}
EntryBody::Signature ReadSignatureV2(ObjectReader& reader) {
  EntryBody::Signature signature;
  signature.signature = ReadSignatureBytes(reader, "content");
  reader.Object("verifier", Presence::kRequired, [&](ObjectReader& verifier) {
    signature.details = FindKeyDetails(verifier.String("keyDetails"));
    signature.pkcs1 = signature.details != nullptr && signature.details->pkcs1;
    const auto read_raw = [&](ObjectReader& raw) { signature.der = raw.Base64("rawBytes"); };
    signature.certificate = verifier.Object("x509Certificate", Presence::kOptional, read_raw);
    const bool key = verifier.Object("publicKey", Presence::kOptional, read_raw);
    if (signature.certificate == key) verifier.Fail("", "must have either x509Certificate or publicKey");
  });
  return signature;
}

// The elements of "signatures", at least one.
void ReadSignatures(ObjectReader& reader, EntryBody& body, EntryBody::Signature (*read)(ObjectReader&)) {
  if (const auto list = reader.Raw("signatures"); list && list->size() > limits::kSignaturesPerImage) {
    return reader.Fail(Error{Reason::kLimitExceeded, reader.path(),
                             "more than " + std::to_string(limits::kSignaturesPerImage) + " signatures"});
  }
  reader.Each("signatures", Presence::kRequired,
              [&](ObjectReader& signature) { body.signatures.push_back(read(signature)); });
}

// --- the kinds; `spec` is the member of that name

// {"data": {"hash"}, "signature": {"content", "publicKey": {"content"}}}
void ReadHashedRekordV1(ObjectReader& spec, EntryBody& body) {
  spec.Object("data", Presence::kRequired, [&](ObjectReader& data) { ReadHash(data, "hash", body); });
  spec.Object("signature", Presence::kRequired, [&](ObjectReader& reader) {
    EntryBody::Signature& signature = body.signatures.emplace_back();
    signature.signature = ReadSignatureBytes(reader, "content");
    reader.Object("publicKey", Presence::kRequired, [&](ObjectReader& key) { ReadPem(key, "content", signature); });
  });
}

// {"envelopeHash", "payloadHash", "signatures": [{"signature", "verifier"}]}. envelopeHash is over the JSON that the
// signer uploaded, spaces and all, which nobody has any more; payload and signatures say the same.
void ReadDsseV1(ObjectReader& spec, EntryBody& body) {
  ReadHash(spec, "envelopeHash", body);
  ReadHash(spec, "payloadHash", body);
  ReadSignatures(spec, body, [](ObjectReader& reader) {
    EntryBody::Signature signature;
    signature.signature = ReadSignatureBytes(reader, "signature");
    ReadPem(reader, "verifier", signature);
    return signature;
  });
}

// "sig" is base64 of the envelope's own "sig", which is base64 again.
EntryBody::Signature ReadInTotoSignature(ObjectReader& reader) {
  EntryBody::Signature signature;
  const Bytes text = reader.Base64("sig");
  auto bytes = DecodeEitherBase64(AsText(text));
  if (!bytes.ok()) reader.Fail("sig", bytes.error().detail);
  if (bytes.ok()) signature.signature = std::move(bytes).value();
  if (signature.signature.empty()) reader.Fail("sig", "must not be empty");
  if (signature.signature.size() > limits::kSignatureBytes) reader.Fail("sig", "is longer than any supported key's");
  ReadPem(reader, "publicKey", signature);
  if (reader.Has("keyid")) static_cast<void>(reader.Text("keyid"));  // says nothing
  return signature;
}

// {"content": {"envelope": {"payloadType", "signatures": [{"publicKey", "sig", "keyid"?}]}, "hash", "payloadHash"}}
void ReadInTotoV1(ObjectReader& spec, EntryBody& body) {
  spec.Object("content", Presence::kRequired, [&](ObjectReader& content) {
    content.Object("envelope", Presence::kRequired, [&](ObjectReader& envelope) {
      static_cast<void>(envelope.String("payloadType"));  // of the signature's own encoding, which was verified
      ReadSignatures(envelope, body, ReadInTotoSignature);
    });
    ReadHash(content, "hash", body);  // as envelopeHash above
    ReadHash(content, "payloadHash", body);
  });
}

// {"content": {"hash", "payloadHash"?}, "publicKey"}. The first is over the envelope's JSON, signatures and all.
void ReadInTotoOld(ObjectReader& spec, EntryBody& body) {
  spec.Object("content", Presence::kRequired, [&](ObjectReader& content) {
    ReadHash(content, "hash", body);
    EntryBody payload{.kind = body.kind, .digest = {}, .signatures = {}};
    if (content.Has("payloadHash")) ReadHash(content, "payloadHash", payload);
  });
  ReadPem(spec, "publicKey", body.signatures.emplace_back());
}

// {"hashedRekordV002": {"data", "signature"}}
void ReadHashedRekordV2(ObjectReader& spec, EntryBody& body) {
  spec.Object("hashedRekordV002", Presence::kRequired, [&](ObjectReader& entry) {
    ReadHashOutput(entry, "data", body);
    entry.Object("signature", Presence::kRequired,
                 [&](ObjectReader& signature) { body.signatures.push_back(ReadSignatureV2(signature)); });
  });
}

// {"dsseV002": {"payloadHash", "signatures": [...]}}
void ReadDsseV2(ObjectReader& spec, EntryBody& body) {
  spec.Object("dsseV002", Presence::kRequired, [&](ObjectReader& entry) {
    ReadHashOutput(entry, "payloadHash", body);
    ReadSignatures(entry, body, ReadSignatureV2);
  });
}

struct KindReader {
  std::string_view kind;
  std::string_view version;
  Kind value;
  void (*read)(ObjectReader&, EntryBody&);
};
constexpr std::array<KindReader, 6> kKinds = {{
    {"hashedrekord", "0.0.1", Kind::kHashedRekordV1, ReadHashedRekordV1},
    {"dsse", "0.0.1", Kind::kDsseV1, ReadDsseV1},
    {"intoto", "0.0.2", Kind::kInTotoV1, ReadInTotoV1},
    {"intoto", "0.0.1", Kind::kInTotoOld, ReadInTotoOld},
    {"hashedrekord", "0.0.2", Kind::kHashedRekordV2, ReadHashedRekordV2},
    {"dsse", "0.0.2", Kind::kDsseV2, ReadDsseV2},
}};

// --- comparison

bool IsOf(const EntryBody::Signature& signature, const SignedContent& content) {
  if (signature.certificate != (content.certificate != nullptr)) return false;
  if (signature.certificate) return signature.der == content.certificate->Der();
  if (!signature.pkcs1) return signature.der == content.key->Spki();
  const auto key = crypto::PublicKey::FromPkcs1(signature.der);
  return key.ok() && *key == *content.key;
}

// Of what the entry says that it is a digest of: nothing if we do not have it.
std::optional<Bytes> DigestOf(const EntryBody& body, const SignedContent& content) {
  if (body.kind == Kind::kInTotoOld) {
    const bool known = content.envelope != nullptr && content.envelope_json;
    return known ? std::optional(crypto::Hash(body.hash, AsBytes(*content.envelope_json))) : std::nullopt;
  }
  const bool of_payload = body.kind == Kind::kDsseV1 || body.kind == Kind::kInTotoV1 || body.kind == Kind::kDsseV2;
  if (content.message != nullptr) {
    if (of_payload) return std::nullopt;
    if (body.hash == content.hash) return content.digest;
    return content.bytes ? std::optional(crypto::Hash(body.hash, *content.bytes)) : std::nullopt;
  }
  if (content.envelope == nullptr) return std::nullopt;
  const Envelope& envelope = *content.envelope;
  if (of_payload) return crypto::Hash(body.hash, AsBytes(envelope.payload));
  // rekor-v2-spec section 6.1.4: an envelope is logged as a HashedRekord with "digest = Hash(PAE(payloadType,
  // payload))". Rekor v1 has kinds of its own for envelopes.
  if (body.kind != Kind::kHashedRekordV2) return std::nullopt;
  return crypto::Hash(body.hash, AsBytes(PreAuthenticationEncoding(envelope.payload_type, envelope.payload)));
}

}  // namespace

bool IsV2(Kind kind) {
  return kind == Kind::kHashedRekordV2 || kind == Kind::kDsseV2;
}

Result<EntryBody> ParseEntryBody(std::string_view body, std::string_view kind, std::string_view version) {
  auto document = JsonDocument::Parse(body, {.max_bytes = limits::kBundleBytes});
  if (!document.ok()) {
    const bool limit = document.error().reason == Reason::kLimitExceeded;
    return Error{limit ? Reason::kLimitExceeded : Reason::kLogEntryMalformed, "body", document.error().detail};
  }
  ObjectReader reader(*document, document->root(), Reason::kLogEntryMalformed);
  const std::string body_kind = reader.String("kind");
  const std::string body_version = reader.String("apiVersion");
  if (!reader.ok()) return reader.Finish().error().In("body");
  // Client specification section 4.4: "if a kind and apiVersion are provided in the policy (as in the bundle format),
  // they must match the kind and apiVersion in body", and "if no type is found, abort".
  const bool said = !kind.empty() || !version.empty();
  if (said && (kind != body_kind || version != body_version))
    return Malformed("is of another kind than the entry says");
  const auto found = std::find_if(kKinds.begin(), kKinds.end(), [&](const KindReader& known) {
    return known.kind == body_kind && known.version == body_version;
  });
  if (found == kKinds.end()) {
    return Malformed("'" + Printable(body_kind, 32) + "' " + Printable(body_version, 16) +
                     " is not a kind that we know");
  }
  EntryBody parsed{.kind = found->value, .digest = {}, .signatures = {}};
  reader.Object("spec", Presence::kRequired, [&](ObjectReader& spec) { found->read(spec, parsed); });
  if (auto status = reader.Finish(); !status.ok()) return status.error().In("body");
  if (!NamesAreSorted(document->root()) || document->root().Serialize() != body) {
    return Malformed("is not in canonical form");
  }
  return parsed;
}

Status CompareEntryBody(const EntryBody& body, const SignedContent& content) {
  const auto digest = DigestOf(body, content);
  if (!digest) return Mismatch("the entry is of another kind of content");
  if (body.digest != *digest) return Mismatch("the entry is for other content");

  std::vector<const Bytes*> signatures;
  if (content.message != nullptr) signatures.push_back(&content.message->signature);
  if (content.envelope != nullptr) {
    for (const Envelope::Signature& signature : content.envelope->signatures)
      signatures.push_back(&signature.signature);
  }
  if (body.signatures.size() != signatures.size()) return Mismatch("the entry has another number of signatures");
  for (const EntryBody::Signature& signature : body.signatures) {
    // Rekor sorts them; each one of the content may be taken once.
    const auto same = std::find_if(signatures.begin(), signatures.end(), [&](const Bytes* bytes) {
      // The hash of the whole envelope was of this one, too.
      return body.kind == Kind::kInTotoOld || *bytes == signature.signature;
    });
    if (same == signatures.end()) return Mismatch("the entry is for another signature");
    signatures.erase(same);
    if (!IsOf(signature, content)) return Mismatch("the entry is for another key or certificate");
    if (IsV2(body.kind) && (signature.details == nullptr || !Describes(*signature.details, *content.key))) {
      return Mismatch("the entry is for another kind of key");
    }
  }
  return Ok();
}

}  // namespace gatehouse::signature::sigstore
