// Notation's JWS envelope. The first byte chooses whether the input is a whole envelope, the payload of a signed one,
// or the protected header of one.
#include "common/base/encoding.h"
#include "tests/fuzz/notation_envelope.h"

using gatehouse::AsBytes;
using gatehouse::AsText;
using gatehouse::EncodeBase64Url;

namespace {

void CheckHeader(std::string_view header) {
  const auto& notary = gatehouse::fuzz::Notary();
  auto envelope = gatehouse::fakes::JsonValue::Parse(
                      notary.Sign({.digest = "sha256:" + std::string(64, 'a'), .size = 417}).envelope)
                      .value();
  const std::string encoded = EncodeBase64Url(AsBytes(header));
  envelope.Member("protected") = gatehouse::fakes::JsonValue::String(encoded);
  const std::string text = encoded + "." + envelope.TextAt({"payload"});
  const auto signature =
      notary.leaf().key->Sign(gatehouse::crypto::Scheme::kEcdsaRaw, gatehouse::HashAlgorithm::kSha256, AsBytes(text));
  envelope.Member("signature") = gatehouse::fakes::JsonValue::String(EncodeBase64Url(signature.value()));
  const auto verified =
      gatehouse::fuzz::VerifyNotation(gatehouse::signature::notation::kJwsMediaType, envelope.Write());
  if (!verified.ok() || header.find('\\') != std::string_view::npos) return;
  FUZZ_CHECK(header.find("\"ES256\"") != std::string_view::npos);
  FUZZ_CHECK(header.find("\"notary.x509\"") != std::string_view::npos);
  FUZZ_CHECK(header.find("\"crit\"") != std::string_view::npos);
  FUZZ_CHECK(header.find("\"io.cncf.notary.verificationPlugin") == std::string_view::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest = AsText({data + 1, size - 1});
  if (data[0] % 3 == 0) {
    gatehouse::fuzz::CheckStranger(gatehouse::signature::notation::kJwsMediaType, rest);
  } else if (data[0] % 3 == 1) {
    gatehouse::fuzz::CheckPayload(false, rest);
  } else {
    CheckHeader(rest);
  }
  return 0;
}
