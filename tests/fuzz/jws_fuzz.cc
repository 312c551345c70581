// JWS: nothing that was not signed is ever accepted, and of what was signed only what keeps the rules. The first byte
// chooses whether the input is a whole token, the claims of a signed one, or the header of a signed one.
#include "common/jose/jws.h"

#include "common/base/encoding.h"
#include "tests/fuzz/check.h"

using gatehouse::AsBytes;
using gatehouse::AsText;
using gatehouse::EncodeBase64Url;
using gatehouse::HashAlgorithm;
using gatehouse::Reason;
using gatehouse::Result;
using gatehouse::WallTime;
using gatehouse::crypto::KeyType;
using gatehouse::crypto::PrivateKey;
using gatehouse::crypto::Scheme;
using gatehouse::jose::VerifiedJwt;

namespace {

constexpr WallTime kNow{std::chrono::sys_seconds{std::chrono::seconds{1'800'000'000}}};
constexpr std::int64_t kNowSeconds = 1'800'000'000;

Result<VerifiedJwt> Verify(const PrivateKey& key, std::string_view token) {
  return gatehouse::jose::VerifyEs256(token, {key.Public()}, {.typ = "t", .now = kNow});
}

std::string Sign(const PrivateKey& key, std::string_view header, std::string_view claims) {
  const std::string text = EncodeBase64Url(AsBytes(header)) + "." + EncodeBase64Url(AsBytes(claims));
  const auto signature = key.Sign(Scheme::kEcdsaRaw, HashAlgorithm::kSha256, AsBytes(text));
  return text + "." + EncodeBase64Url(signature.value());
}

void CheckClaims(const Result<VerifiedJwt>& jwt) {
  if (!jwt.ok()) {
    FUZZ_CHECK(jwt.error().reason == Reason::kTokenMalformed || jwt.error().reason == Reason::kTokenExpired);
    return;
  }
  const auto claims = jwt->claims().root();
  FUZZ_CHECK(claims.IsObject());
  FUZZ_CHECK(claims.Find("exp").value().AsInt().value() > kNowSeconds);
  FUZZ_CHECK(claims.Find("iat").value().AsInt().value() <= kNowSeconds);
}

void CheckHeader(const Result<VerifiedJwt>& jwt, std::string_view header) {
  if (!jwt.ok()) {
    FUZZ_CHECK(jwt.error().reason == Reason::kTokenMalformed || jwt.error().reason == Reason::kTokenUntrusted);
    return;
  }
  FUZZ_CHECK(header.find("ES256") != std::string_view::npos || header.find("\\u") != std::string_view::npos);
  FUZZ_CHECK(header.find("jku") == std::string_view::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const PrivateKey key = PrivateKey::Generate(KeyType::kEcP256).value();
  if (size == 0) return 0;
  const std::string_view rest = AsText({data + 1, size - 1});
  if (data[0] % 3 == 0) {
    FUZZ_CHECK(!Verify(key, rest).ok());
  } else if (data[0] % 3 == 1) {
    CheckClaims(Verify(key, Sign(key, R"({"alg":"ES256","typ":"t"})", rest)));
  } else {
    CheckHeader(Verify(key, Sign(key, rest, R"({"iat":1,"exp":1800000001})")), rest);
  }
  return 0;
}
