// Dead Simple Signing Envelope 1.0.2 (dsse/envelope.md, dsse/protocol.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/codec/json.h"

namespace gatehouse::signature::sigstore {

struct Envelope {
  std::string payload;  // the bytes
  std::string payload_type;
  struct Signature {
    Bytes signature;
    std::string keyid;  // says nothing
  };
  std::vector<Signature> signatures;
};

// {payload, payloadType, signatures: [{sig, keyid?}]}. base64 of either alphabet (protocol.md: verifiers MUST accept
// both). At least one signature; whether several are allowed is the caller's. Unknown members are ignored (envelope.md:
// "consumers MUST ignore unrecognized fields"). Errors: kEnvelopeMalformed, kLimitExceeded (limits::kBundleBytes,
// limits::kSignaturesPerImage).
[[nodiscard]] Result<Envelope> ParseEnvelope(std::string_view json);
// The same, of an object within another document: `reader` has the envelope's members. Unknown ones are refused (of the
// envelope itself: by the reader's Finish, unless it ignores them). Reports to the reader's document position.
[[nodiscard]] Result<Envelope> ReadEnvelope(codec::ObjectReader& reader);

// What is signed: "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body.
[[nodiscard]] std::string PreAuthenticationEncoding(std::string_view payload_type, std::string_view payload);

// base64 as DSSE allows it: the standard alphabet with padding, or the URL-safe one with or without; never both
// alphabets in one text. Errors: kEncodingMalformed.
[[nodiscard]] Result<Bytes> DecodeEitherBase64(std::string_view text);

inline constexpr std::string_view kInTotoPayloadType = "application/vnd.in-toto+json";

}  // namespace gatehouse::signature::sigstore
