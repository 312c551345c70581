// JSON Web Signature, compact serialisation (RFC 7515), and JWT claims (RFC 7519), for ES256 only. Untrusted text
// becomes a VerifiedJwt by one function, which checks the signature before it parses the claims.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/codec/json.h"
#include "common/crypto/key.h"

namespace gatehouse::jose {

// header {"alg":"ES256","kid":<fingerprint hex>,"typ":typ}. `key` must be EC P-256. Errors: kKeyMalformed, kInternal.
[[nodiscard]] Result<std::string> SignEs256(const crypto::PrivateKey& key, std::string_view typ,
                                            std::string_view claims_json);

struct JwtExpectations {
  std::string typ;  // must equal the header's typ
  WallTime now;
  Duration leeway{0};  // for iat and nbf in the future
  // Takes a token whose `exp` has passed, too: for who must tell what was good from what is unknown.
  bool allow_expired = false;
};

class VerifiedJwt {
 public:
  [[nodiscard]] const codec::JsonDocument& claims() const { return claims_; }

 private:
  friend Result<VerifiedJwt> VerifyEs256(std::string_view, const std::vector<crypto::PublicKey>&,
                                         const JwtExpectations&);
  explicit VerifiedJwt(codec::JsonDocument claims) : claims_(std::move(claims)) {}
  codec::JsonDocument claims_;
};

// `iat` and `exp` are mandatory (NumericDate, integers); `nbf` is honoured. Header members other than alg, kid and typ
// are refused (so jku, x5u, jwk, crit and b64 can never be acted on); `kid` only selects among `keys`. Errors:
// kTokenMalformed, kTokenUntrusted, kTokenExpired.
[[nodiscard]] Result<VerifiedJwt> VerifyEs256(std::string_view token, const std::vector<crypto::PublicKey>& keys,
                                              const JwtExpectations& expectations);

}  // namespace gatehouse::jose
