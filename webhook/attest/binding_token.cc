#include "webhook/attest/binding_token.h"

#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/jose/jws.h"

namespace gatehouse::webhook {
namespace {

constexpr std::string_view kType = "gatehouse-binding+jwt";
constexpr std::chrono::hours kValidity{24 * 365 * 100};  // until an admin releases it

std::int64_t Seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

Result<std::string> SignBinding(const Enrolment& enrolment, const crypto::PrivateKey& key, WallTime now) {
  codec::JsonWriter json;
  json.BeginObject().Key("iat").Int(Seconds(now)).Key("exp").Int(Seconds(now + kValidity));
  json.Key("enrolment").Raw(EncodeEnrolment(enrolment)).EndObject();
  ASSIGN_OR_RETURN(std::string jws, jose::SignEs256(key, kType, std::move(json).Finish()));
  if (jws.size() > limits::kTokenBytes) {
    return Error{Reason::kLimitExceeded, enrolment.node,
                 "its binding has " + std::to_string(jws.size()) + " bytes: the TPM's certificates are too many"};
  }
  // What nobody could read again would block the node.
  if (auto read = VerifyBinding(jws, {key.Public()}, now); !read.ok())
    return Error{Reason::kInternal, enrolment.node, "cannot be read again: " + read.error().ToString()};
  return jws;
}

Result<Enrolment> VerifyBinding(std::string_view jws, const std::vector<crypto::PublicKey>& keys, WallTime now) {
  // A binding holds until it is released, whatever the clock of the replica said that made it.
  ASSIGN_OR_RETURN(const jose::VerifiedJwt jwt, jose::VerifyEs256(jws, keys, {std::string(kType), now, kValidity}));
  codec::ObjectReader reader(jwt.claims(), jwt.claims().root(), Reason::kTokenMalformed);
  std::ignore = reader.Raw("iat");  // both were checked with the signature
  std::ignore = reader.Raw("exp");
  const auto enrolment = reader.Raw("enrolment");
  if (!enrolment.has_value()) reader.Fail("enrolment", "missing");
  RETURN_IF_ERROR(reader.Finish());
  ASSIGN_OR_RETURN(Enrolment decoded, DecodeEnrolment(enrolment->Serialize()));
  RETURN_IF_ERROR(CheckConsistent(decoded));
  return decoded;
}

}  // namespace gatehouse::webhook
