// Notation's COSE envelope. The first byte chooses whether the input is a whole envelope, the payload of a signed one,
// or the protected header of one.
#include "tests/fuzz/notation_envelope.h"

using gatehouse::AsText;
using gatehouse::Bytes;
using gatehouse::BytesView;
using gatehouse::codec::CborWriter;

namespace {

void CheckHeader(BytesView header) {
  const auto& notary = gatehouse::fuzz::Notary();
  const Bytes payload =
      gatehouse::ToBytes(gatehouse::fakes::NotationPayload({.digest = "sha256:" + std::string(64, 'a'), .size = 417}));
  CborWriter signed_text;
  signed_text.Array(4).Text("Signature1").ByteString(header).ByteString({}).ByteString(payload);
  const Bytes signature = notary.leaf()
                              .key
                              ->Sign(gatehouse::crypto::Scheme::kEcdsaRaw, gatehouse::HashAlgorithm::kSha256,
                                     std::move(signed_text).Finish())
                              .value();
  CborWriter message;
  message.Tag(18).Array(4).ByteString(header).Map(1).Int(33).Array(2);
  message.ByteString(notary.leaf().der).ByteString(notary.root().der()).ByteString(payload).ByteString(signature);
  const Bytes envelope = std::move(message).Finish();
  const auto verified =
      gatehouse::fuzz::VerifyNotation(gatehouse::signature::notation::kCoseMediaType, AsText(envelope));
  if (!verified.ok()) return;
  const auto map = gatehouse::codec::ParseCbor(header, gatehouse::Reason::kEnvelopeMalformed);
  FUZZ_CHECK(map.ok());
  FUZZ_CHECK(map->Find(1)->AsInt() == -7);
  FUZZ_CHECK(!map->Find(2)->items().empty());
  FUZZ_CHECK(map->Find("io.cncf.notary.signingScheme")->AsText() == "notary.x509");
  FUZZ_CHECK(map->Find("io.cncf.notary.verificationPlugin") == nullptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const BytesView rest(data + 1, size - 1);
  if (data[0] % 3 == 0) {
    gatehouse::fuzz::CheckStranger(gatehouse::signature::notation::kCoseMediaType, AsText(rest));
  } else if (data[0] % 3 == 1) {
    gatehouse::fuzz::CheckPayload(true, AsText(rest));
  } else {
    CheckHeader(rest);
  }
  return 0;
}
