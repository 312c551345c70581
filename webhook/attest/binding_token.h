// The proof of a binding in the cluster: whoever may write a NodeAttestation cannot bind a node.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/crypto/key.h"
#include "webhook/attest/binding_store.h"

namespace gatehouse::webhook {

// A JWS (ES256, typ "gatehouse-binding+jwt") with the claims iat, exp (a hundred years later) and enrolment
// (EncodeEnrolment). Errors: kInternal (it could not be read again), kLimitExceeded (longer than a token may be).
[[nodiscard]] Result<std::string> SignBinding(const Enrolment& enrolment, const crypto::PrivateKey& key, WallTime now);
// Errors: those of jose::VerifyEs256, DecodeEnrolment and CheckConsistent.
[[nodiscard]] Result<Enrolment> VerifyBinding(std::string_view jws, const std::vector<crypto::PublicKey>& keys,
                                              WallTime now);

}  // namespace gatehouse::webhook
