// Hex, base64 and base64url: each byte string has one spelling, so what decodes, encodes to the very text that was
// decoded. UTF-8: Printable() of anything is UTF-8 without control characters.
#include "common/base/encoding.h"

#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gatehouse::BytesView bytes(data, size);
  auto text = gatehouse::AsText(bytes);
  if (auto decoded = gatehouse::DecodeHex(text); decoded.ok()) FUZZ_CHECK(gatehouse::EncodeHex(*decoded) == text);
  if (auto decoded = gatehouse::DecodeBase64(text); decoded.ok()) FUZZ_CHECK(gatehouse::EncodeBase64(*decoded) == text);
  if (auto decoded = gatehouse::DecodeBase64Url(text); decoded.ok()) {
    FUZZ_CHECK(gatehouse::EncodeBase64Url(*decoded) == text);
  }
  auto same = [&](const gatehouse::Result<gatehouse::Bytes>& decoded) {
    return decoded.ok() && std::equal(decoded->begin(), decoded->end(), bytes.begin(), bytes.end());
  };
  FUZZ_CHECK(same(gatehouse::DecodeHex(gatehouse::EncodeHex(bytes))));
  FUZZ_CHECK(same(gatehouse::DecodeBase64(gatehouse::EncodeBase64(bytes))));
  FUZZ_CHECK(same(gatehouse::DecodeBase64Url(gatehouse::EncodeBase64Url(bytes))));
  std::string shown = gatehouse::Printable(text);
  FUZZ_CHECK(gatehouse::IsUtf8(shown));
  for (char c : shown) FUZZ_CHECK((c < 0 || c >= 0x20) && c != 0x7F);
  return 0;
}
