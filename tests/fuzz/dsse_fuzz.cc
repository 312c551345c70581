// DSSE envelopes: what is accepted is read the same when it is written again, in either alphabet of base64; and what is
// signed says where type and payload begin and end.
#include "common/base/encoding.h"
#include "common/codec/json.h"
#include "common/signature/sigstore/dsse.h"
#include "tests/fuzz/check.h"

using gatehouse::Reason;
namespace sigstore = gatehouse::signature::sigstore;

namespace {

std::string Write(const sigstore::Envelope& envelope, std::string (*encode)(gatehouse::BytesView)) {
  gatehouse::codec::JsonWriter writer;
  writer.BeginObject().Member("payload", encode(gatehouse::AsBytes(envelope.payload)));
  writer.Member("payloadType", envelope.payload_type).Key("signatures").BeginArray();
  for (const auto& signature : envelope.signatures) {
    writer.BeginObject().Member("keyid", signature.keyid).Member("sig", encode(signature.signature)).EndObject();
  }
  writer.EndArray().EndObject();
  return std::move(writer).Finish();
}

void CheckSame(const sigstore::Envelope& a, const std::string& json) {
  const auto b = sigstore::ParseEnvelope(json);
  FUZZ_CHECK(b.ok());
  FUZZ_CHECK(a.payload == b->payload && a.payload_type == b->payload_type);
  FUZZ_CHECK(a.signatures.size() == b->signatures.size());
  for (std::size_t i = 0; i < a.signatures.size(); ++i) {
    FUZZ_CHECK(a.signatures[i].signature == b->signatures[i].signature);
    FUZZ_CHECK(a.signatures[i].keyid == b->signatures[i].keyid);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto envelope = sigstore::ParseEnvelope(gatehouse::AsText({data, size}));
  if (!envelope.ok()) {
    FUZZ_CHECK(envelope.error().reason == Reason::kEnvelopeMalformed ||
               envelope.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  FUZZ_CHECK(!envelope->signatures.empty() && !envelope->payload_type.empty());
  CheckSame(*envelope, Write(*envelope, gatehouse::EncodeBase64));
  CheckSame(*envelope, Write(*envelope, gatehouse::EncodeBase64Url));
  const std::string pae = sigstore::PreAuthenticationEncoding(envelope->payload_type, envelope->payload);
  const std::string head = "DSSEv1 " + std::to_string(envelope->payload_type.size()) + " " + envelope->payload_type +
                           " " + std::to_string(envelope->payload.size()) + " ";
  FUZZ_CHECK(pae == head + envelope->payload);
  return 0;
}
