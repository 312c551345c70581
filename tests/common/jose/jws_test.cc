#include "common/jose/jws.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"

namespace gatehouse::jose {
namespace {

using crypto::KeyType;
using crypto::PrivateKey;
using crypto::PublicKey;
using crypto::Scheme;
using testing::HasSubstr;

constexpr WallTime kNow{std::chrono::sys_seconds{std::chrono::seconds{1'800'000'000}}};
constexpr std::string_view kTyp = "eat+jwt";
constexpr std::string_view kClaims = R"({"iat":1799999990,"exp":1800000600,"sub":"node-1"})";

std::string Base64(std::string_view text) {
  return EncodeBase64Url(AsBytes(text));
}

class JwsTest : public testing::Test {
 protected:
  [[nodiscard]] std::string Token(std::string_view claims) const { return SignEs256(key_, kTyp, claims).value(); }
  // A good ES256 signature over any header: everything but the header is right.
  [[nodiscard]] std::string WithHeader(std::string_view header, std::string_view claims = kClaims) const {
    std::string token = Base64(header) + "." + Base64(claims);
    return token + "." + EncodeBase64Url(key_.Sign(Scheme::kEcdsaRaw, HashAlgorithm::kSha256, AsBytes(token)).value());
  }
  [[nodiscard]] Result<VerifiedJwt> Verify(std::string_view token, Duration leeway = {}) const {
    return VerifyEs256(token, {key_.Public()}, {.typ = std::string(kTyp), .now = kNow, .leeway = leeway});
  }
  [[nodiscard]] Reason ReasonOf(std::string_view token, Duration leeway = {}) const {
    const Result<VerifiedJwt> jwt = Verify(token, leeway);
    EXPECT_FALSE(jwt.ok()) << "a token that must be refused was accepted";
    return jwt.ok() ? Reason::kInternal : jwt.error().reason;
  }

  const PrivateKey key_ = PrivateKey::Generate(KeyType::kEcP256).value();
  const std::string kid_ = std::string(key_.Public().Fingerprint().hex());
  const std::string good_ = Token(kClaims);
};

TEST_F(JwsTest, GoodTokenGivesItsClaims) {
  const Result<VerifiedJwt> jwt = Verify(good_);
  ASSERT_TRUE(jwt.ok()) << jwt.error().ToString();
  EXPECT_EQ(jwt->claims().root().Find("sub")->AsString(), "node-1");
}

TEST_F(JwsTest, HeaderIsAlgKidAndTyp) {
  const std::string header = R"({"alg":"ES256","kid":")" + kid_ + R"(","typ":"eat+jwt"})";
  EXPECT_EQ(good_.substr(0, good_.find('.')), Base64(header));
}

TEST_F(JwsTest, SigningNeedsAP256Key) {
  for (const KeyType type : {KeyType::kEcP384, KeyType::kRsa, KeyType::kEd25519}) {
    EXPECT_EQ(SignEs256(PrivateKey::Generate(type).value(), kTyp, kClaims).error().reason, Reason::kKeyMalformed);
  }
}

// RFC 7515 appendix A.3: an ES256 example that is not ours. Its header has no typ and its claims no iat, so what is
// tested is that the refusals are for that, and that the signature itself verifies.
TEST_F(JwsTest, SignatureOfRfc7515VerifiesRaw) {
  const PublicKey key =
      PublicKey::FromEc(KeyType::kEcP256, DecodeBase64Url("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU").value(),
                        DecodeBase64Url("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0").value())
          .value();
  const std::string text =
      "eyJhbGciOiJFUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
  const std::string signature =
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
  EXPECT_TRUE(key.Verify(Scheme::kEcdsaRaw, HashAlgorithm::kSha256, AsBytes(text), DecodeBase64Url(signature).value()));
  const Result<VerifiedJwt> jwt = VerifyEs256(text + "." + signature, {key}, {.typ = "JWT", .now = kNow});
  ASSERT_FALSE(jwt.ok());
  EXPECT_EQ(jwt.error().reason, Reason::kTokenMalformed);
  EXPECT_THAT(jwt.error().ToString(), HasSubstr("typ"));
}

// --- keys

TEST_F(JwsTest, AnotherKeyIsUntrusted) {
  const PrivateKey other = PrivateKey::Generate(KeyType::kEcP256).value();
  EXPECT_EQ(ReasonOf(SignEs256(other, kTyp, kClaims).value()), Reason::kTokenUntrusted);
}

TEST_F(JwsTest, NoKeysMeansUntrusted) {
  EXPECT_EQ(VerifyEs256(good_, {}, {.typ = std::string(kTyp), .now = kNow}).error().reason, Reason::kTokenUntrusted);
}

TEST_F(JwsTest, KidSelectsAmongSeveralKeys) {
  const PublicKey other = PrivateKey::Generate(KeyType::kEcP256).value().Public();
  const PublicKey rsa = PrivateKey::Generate(KeyType::kRsa).value().Public();
  EXPECT_TRUE(VerifyEs256(good_, {rsa, other, key_.Public()}, {.typ = std::string(kTyp), .now = kNow}).ok());
}

TEST_F(JwsTest, WithoutKidEveryKeyIsTried) {
  EXPECT_TRUE(Verify(WithHeader(R"({"alg":"ES256","typ":"eat+jwt"})")).ok());
}

TEST_F(JwsTest, AKeyOfAnotherKindNeverVerifiesAnEs256Token) {
  const PrivateKey p384 = PrivateKey::Generate(KeyType::kEcP384).value();
  std::string token = Base64(R"({"alg":"ES256","typ":"eat+jwt"})") + "." + Base64(kClaims);
  token += "." + EncodeBase64Url(p384.Sign(Scheme::kEcdsaRaw, HashAlgorithm::kSha256, AsBytes(token)).value());
  EXPECT_EQ(VerifyEs256(token, {p384.Public()}, {.typ = std::string(kTyp), .now = kNow}).error().reason,
            Reason::kTokenUntrusted);
}

// --- K1: what a token says about its own verification is not followed

class Adversarial_K1 : public JwsTest {};

TEST_F(Adversarial_K1, AlgNoneIsRefused) {
  for (const char* alg : {"none", "None", "NONE", "nOnE", ""}) {
    const std::string header = std::string(R"({"alg":")") + alg + R"(","typ":"eat+jwt"})";
    for (const char* signature : {"", "AA"}) {
      EXPECT_EQ(ReasonOf(Base64(header) + "." + Base64(kClaims) + "." + signature), Reason::kTokenMalformed) << alg;
    }
  }
}

TEST_F(Adversarial_K1, Hs256WithThePublicKeyAsSecretIsRefused) {
  const std::string text = Base64(R"({"alg":"HS256","typ":"eat+jwt"})") + "." + Base64(kClaims);
  for (const Bytes& secret : {ToBytes(key_.Public().Pem()), key_.Public().Spki()}) {
    const Bytes mac = crypto::Hmac(HashAlgorithm::kSha256, secret, AsBytes(text));
    EXPECT_EQ(ReasonOf(text + "." + EncodeBase64Url(mac)), Reason::kTokenMalformed);
  }
}

TEST_F(Adversarial_K1, OtherAlgorithmsAreRefusedInSpiteOfAGoodSignature) {
  for (const char* alg : {"ES384", "ES512", "RS256", "PS256", "EdDSA", "es256", "ES256 ", "ES256K"}) {
    EXPECT_EQ(ReasonOf(WithHeader(std::string(R"({"alg":")") + alg + R"(","typ":"eat+jwt"})")), Reason::kTokenMalformed)
        << alg;
  }
}

TEST_F(Adversarial_K1, KidIsANameAndNeverAPath) {
  for (const char* kid : {"../../../../dev/null", "/dev/null", "../../etc/gatehouse/key.pem", "' OR '1'='1",
                          "file:///dev/null", "sha256:0"}) {
    EXPECT_EQ(ReasonOf(WithHeader(std::string(R"({"alg":"ES256","kid":")") + kid + R"(","typ":"eat+jwt"})")),
              Reason::kTokenUntrusted)
        << kid;
  }
  EXPECT_EQ(ReasonOf(WithHeader(R"({"alg":"ES256","kid":"","typ":"eat+jwt"})")), Reason::kTokenMalformed);
  EXPECT_EQ(ReasonOf(WithHeader(R"({"alg":"ES256","kid":7,"typ":"eat+jwt"})")), Reason::kTokenMalformed);
  EXPECT_EQ(ReasonOf(WithHeader(R"({"alg":"ES256","kid":null,"typ":"eat+jwt"})")), Reason::kTokenMalformed);
}

TEST_F(Adversarial_K1, KeyMaterialInTheHeaderIsRefused) {
  for (const char* member : {R"("jku":"https://evil.example/keys")", R"("jwk":{"kty":"EC"})",
                             R"("x5u":"https://evil.example/cert")", R"("x5c":["MIIB"])", R"("x5t":"AA")",
                             R"("crit":["b64"])", R"("b64":false)", R"("zip":"DEF")", R"("cty":"JWT")"}) {
    EXPECT_EQ(ReasonOf(WithHeader(std::string(R"({"alg":"ES256","typ":"eat+jwt",)") + member + "}")),
              Reason::kTokenMalformed)
        << member;
  }
}

TEST_F(Adversarial_K1, AmbiguousHeadersAreRefused) {
  const char* const headers[] = {
      R"({"alg":"none","alg":"ES256","typ":"eat+jwt"})",
      R"({"typ":"eat+jwt"})",
      R"({"alg":null,"typ":"eat+jwt"})",
      R"({"alg":["ES256"],"typ":"eat+jwt"})",
      R"({"alg":"ES256"})",
      R"(["ES256"])",
      R"("ES256")",
      "",
      R"({"alg":"ES256","typ":"eat+jwt"} x)",
  };
  for (const char* header : headers) EXPECT_EQ(ReasonOf(WithHeader(header)), Reason::kTokenMalformed) << header;
}

TEST_F(Adversarial_K1, ATokenOfAnotherKindIsUntrusted) {
  EXPECT_EQ(ReasonOf(SignEs256(key_, "JWT", kClaims).value()), Reason::kTokenUntrusted);
  EXPECT_EQ(ReasonOf(SignEs256(key_, "EAT+JWT", kClaims).value()), Reason::kTokenUntrusted);
}

TEST_F(Adversarial_K1, ExpiredTokenIsRefused) {
  EXPECT_EQ(ReasonOf(Token(R"({"iat":1799999000,"exp":1799999999})")), Reason::kTokenExpired);
  // RFC 7519 section 4.1.4: "on or after".
  EXPECT_EQ(ReasonOf(Token(R"({"iat":1799999000,"exp":1800000000})")), Reason::kTokenExpired);
  EXPECT_TRUE(Verify(Token(R"({"iat":1799999000,"exp":1800000001})")).ok());
  EXPECT_EQ(ReasonOf(Token(R"({"iat":1799999000,"exp":1799999999})"), std::chrono::hours(1)), Reason::kTokenExpired)
      << "the leeway is not for exp";
}

TEST_F(Adversarial_K1, ExpiredIsAcceptedOnlyWhereItIsAskedFor) {
  JwtExpectations expectations{"eat+jwt", kNow};
  expectations.allow_expired = true;
  EXPECT_TRUE(VerifyEs256(Token(R"({"iat":1799999000,"exp":1799999999})"), {key_.Public()}, expectations).ok());
  auto future = VerifyEs256(Token(R"({"iat":1800000030,"exp":1800000600})"), {key_.Public()}, expectations);
  ASSERT_FALSE(future.ok());
  EXPECT_EQ(future.error().reason, Reason::kTokenExpired);
  EXPECT_FALSE(VerifyEs256(Token(R"({"iat":1799999000})"), {key_.Public()}, expectations).ok());
}

TEST_F(Adversarial_K1, FutureIatIsRefusedBeyondTheLeeway) {
  const std::string token = Token(R"({"iat":1800000030,"exp":1800000600})");
  EXPECT_EQ(ReasonOf(token), Reason::kTokenExpired);
  EXPECT_EQ(ReasonOf(token, std::chrono::seconds(29)), Reason::kTokenExpired);
  EXPECT_TRUE(Verify(token, std::chrono::seconds(30)).ok());
}

TEST_F(Adversarial_K1, NbfIsHonoured) {
  const std::string token = Token(R"({"iat":1799999990,"nbf":1800000030,"exp":1800000600})");
  EXPECT_EQ(ReasonOf(token), Reason::kTokenExpired);
  EXPECT_TRUE(Verify(token, std::chrono::seconds(30)).ok());
}

TEST_F(Adversarial_K1, MissingOrUnusableDatesAreRefused) {
  const char* const claims[] = {
      R"({"iat":1799999990})",
      R"({"exp":1800000600})",
      R"({})",
      R"({"iat":1799999990,"exp":"1800000600"})",
      R"({"iat":1799999990,"exp":1800000600.5})",
      R"({"iat":1799999990,"exp":1.8e9})",
      R"({"iat":1799999990,"exp":null})",
      R"({"iat":1799999990,"exp":-1})",
      R"({"iat":1799999990,"exp":9223372036854775807})",
      R"({"iat":1799999990,"exp":253402300800})",
      R"({"iat":true,"exp":1800000600})",
      R"({"iat":1799999990,"exp":1800000600,"nbf":"now"})",
      R"({"iat":1799999990,"exp":1700000000,"exp":1800000600})",
  };
  for (const char* text : claims) EXPECT_EQ(ReasonOf(Token(text)), Reason::kTokenMalformed) << text;
}

// --- format

TEST_F(JwsTest, PayloadThatIsNoObjectIsRefused) {
  for (const char* payload : {"", "null", "[]", R"("text")", "{", R"({"iat":1,"exp":2} x)", "\xFF"}) {
    EXPECT_EQ(ReasonOf(Token(payload)), Reason::kTokenMalformed) << payload;
  }
}

TEST_F(JwsTest, ThePayloadIsNotParsedBeforeItsSignature) {
  // Not JSON, and not signed: the answer is about the signature.
  const std::string token =
      good_.substr(0, good_.find('.')) + "." + Base64("not json") + good_.substr(good_.rfind('.'));
  EXPECT_EQ(ReasonOf(token), Reason::kTokenUntrusted);
}

TEST_F(JwsTest, EveryChangedByteIsRefused) {
  for (std::size_t i = 0; i < good_.size(); ++i) {
    std::string broken = good_;
    broken[i] = broken[i] == 'A' ? 'B' : 'A';
    const Result<VerifiedJwt> jwt = Verify(broken);
    ASSERT_FALSE(jwt.ok()) << i;
    EXPECT_TRUE(jwt.error().reason == Reason::kTokenMalformed || jwt.error().reason == Reason::kTokenUntrusted) << i;
  }
}

TEST_F(JwsTest, EveryTruncationIsRefused) {
  for (std::size_t size = 0; size < good_.size(); ++size) {
    const Result<VerifiedJwt> jwt = Verify(std::string_view(good_).substr(0, size));
    ASSERT_FALSE(jwt.ok()) << size;
    EXPECT_TRUE(jwt.error().reason == Reason::kTokenMalformed || jwt.error().reason == Reason::kTokenUntrusted) << size;
  }
}

TEST_F(JwsTest, ShapesThatAreNoCompactSerialisationAreRefused) {
  const std::string header = good_.substr(0, good_.find('.'));
  const std::string payload = good_.substr(header.size() + 1, good_.rfind('.') - header.size() - 1);
  const std::string signature = good_.substr(good_.rfind('.') + 1);
  ASSERT_EQ(header + "." + payload + "." + signature, good_);
  const std::pair<const char*, std::string> table[] = {
      {"empty", ""},
      {"dots only", ".."},
      {"two parts", header + "." + payload},
      {"four parts", good_ + "." + signature},
      {"five parts, as of a JWE", good_ + ".a.b"},
      {"a space before", " " + good_},
      {"a newline after", good_ + "\n"},
      {"padding", good_ + "=="},
      {"the standard alphabet", header + "." + payload + "." + std::string(84, '/') + "+w"},
      {"an unused bit set", header + "." + payload + "." + std::string(85, 'A') + "B"},
      {"the JSON serialisation", R"({"payload":")" + payload + R"(","signature":")" + signature + R"("})"},
      {"Bearer", "Bearer " + good_},
  };
  for (const auto& [defect, token] : table) EXPECT_EQ(ReasonOf(token), Reason::kTokenMalformed) << defect;
}

TEST_F(JwsTest, SignaturesOfAnotherLengthAreUntrusted) {
  const std::string text = good_.substr(0, good_.rfind('.'));
  const Bytes raw = DecodeBase64Url(good_.substr(good_.rfind('.') + 1)).value();
  ASSERT_EQ(raw.size(), 64U);
  const Bytes der = crypto::EcdsaDer(BytesView(raw).first(32), BytesView(raw).subspan(32), 32).value();
  Bytes longer = raw;
  longer.push_back(0);
  for (const Bytes& signature : {Bytes{}, ToBytes(BytesView(raw).first(63)), longer, der}) {
    EXPECT_EQ(ReasonOf(text + "." + EncodeBase64Url(signature)), Reason::kTokenUntrusted) << signature.size();
  }
}

TEST_F(JwsTest, SizeIsBounded) {
  const std::string filler(limits::kTokenBytes, 'x');
  EXPECT_EQ(ReasonOf(Token(R"({"iat":1799999990,"exp":1800000600,"x":")" + filler + R"("})")), Reason::kTokenMalformed);
}

TEST_F(JwsTest, AnErrorNeverRepeatsWhatTheAttackerChoseRaw) {
  const Result<VerifiedJwt> jwt = Verify(WithHeader("{\"alg\":\"\\u001b[31m\",\"typ\":\"eat+jwt\"}"));
  ASSERT_FALSE(jwt.ok());
  EXPECT_THAT(jwt.error().ToString(), testing::Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace gatehouse::jose
