#include "common/signature/sigstore/dsse.h"

#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::signature::sigstore {
namespace {

using codec::JsonDocument;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

enum class Unknown : std::uint8_t { kRefused, kIgnored };

// A required string of base64, which may be empty. Not copied before it is decoded: a payload may have megabytes.
Bytes ReadBase64(ObjectReader& reader, std::string_view key) {
  const auto value = reader.Raw(key);
  const auto text = value ? value->AsString() : std::nullopt;
  if (!text) {
    static_cast<void>(reader.Text(key));  // says what is wrong with it
    return {};
  }
  auto bytes = DecodeEitherBase64(*text);
  if (!bytes.ok()) reader.Fail(key, bytes.error().detail);
  return bytes.ok() ? std::move(bytes).value() : Bytes();
}

Envelope::Signature ReadSignature(ObjectReader& reader) {
  Envelope::Signature signature;
  signature.signature = ReadBase64(reader, "sig");
  if (signature.signature.empty()) reader.Fail("sig", "must not be empty");
  if (signature.signature.size() > limits::kSignatureBytes) reader.Fail("sig", "is longer than any supported key's");
  // envelope.md: keyid is optional and "MUST NOT be used for security decisions"; null and "" are as good as absent.
  if (auto keyid = reader.Raw("keyid"); keyid && !keyid->IsNull()) signature.keyid = reader.Text("keyid");
  return signature;
}

Envelope ReadMembers(ObjectReader& reader, Unknown unknown) {
  Envelope envelope;
  const Bytes payload = ReadBase64(reader, "payload");
  envelope.payload.assign(AsText(payload));
  envelope.payload_type = reader.String("payloadType");
  // protocol.md: "An attacker could add signatures", so their number is bounded before any is read.
  if (auto list = reader.Raw("signatures"); list && list->size() > limits::kSignaturesPerImage) {
    reader.Fail(Error{Reason::kLimitExceeded, reader.path(),
                      "more than " + std::to_string(limits::kSignaturesPerImage) + " signatures"});
    return envelope;
  }
  reader.Each("signatures", Presence::kRequired, [&](ObjectReader& signature) {
    if (unknown == Unknown::kIgnored) signature.IgnoreUnknown();
    envelope.signatures.push_back(ReadSignature(signature));
  });
  return envelope;
}

}  // namespace

Result<Bytes> DecodeEitherBase64(std::string_view text) {
  const bool url_safe = text.find_first_of("-_") != std::string_view::npos;
  // Only the URL-safe form may be without padding (RFC 4648 section 5).
  if (!url_safe && text.size() % 4 == 0) return DecodeBase64(text);
  if (text.ends_with('=')) {
    if (text.size() % 4 != 0) return Error{Reason::kEncodingMalformed, "", "base64 with the wrong padding"};
    text.remove_suffix(text.ends_with("==") ? 2 : 1);
  }
  // Also refuses '+' and '/' beside '-' and '_', and a length that no padding explains.
  return DecodeBase64Url(text);
}

Result<Envelope> ReadEnvelope(ObjectReader& reader) {
  Envelope envelope = ReadMembers(reader, Unknown::kRefused);
  if (!reader.ok()) return reader.Finish().error();
  return envelope;
}

Result<Envelope> ParseEnvelope(std::string_view json) {
  auto document = JsonDocument::Parse(json, {.max_bytes = limits::kBundleBytes});
  if (!document.ok()) {
    const bool limit = document.error().reason == Reason::kLimitExceeded;
    return Error{limit ? Reason::kLimitExceeded : Reason::kEnvelopeMalformed, document.error().where,
                 document.error().detail};
  }
  ObjectReader reader(*document, document->root(), Reason::kEnvelopeMalformed);
  reader.IgnoreUnknown();
  Envelope envelope = ReadMembers(reader, Unknown::kIgnored);
  RETURN_IF_ERROR(reader.Finish());
  return envelope;
}

std::string PreAuthenticationEncoding(std::string_view payload_type, std::string_view payload) {
  // protocol.md: PAE(type, body) = "DSSEv1" + SP + LEN(type) + SP + type + SP + LEN(body) + SP + body; LEN is "ASCII
  // decimal encoding of the byte length of s, with no leading zeros".
  std::string pae = "DSSEv1 " + std::to_string(payload_type.size()) + ' ';
  const std::string length = ' ' + std::to_string(payload.size()) + ' ';
  pae.reserve(pae.size() + payload_type.size() + length.size() + payload.size());
  pae.append(payload_type).append(length).append(payload);
  return pae;
}

}  // namespace gatehouse::signature::sigstore
