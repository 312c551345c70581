// Between verifier.cc and image_claims.cc: what VerifyBundle finds besides the signer.
#pragma once

#include "common/signature/intoto/statement.h"
#include "common/signature/sigstore/verifier.h"

namespace gatehouse::signature::sigstore {

struct VerifiedBundle {
  VerifiedContent content;
  std::optional<intoto::Statement> statement;  // of an envelope
  std::optional<intoto::Subject> subject;      // the one that was asked for
};
// As VerifyBundle.
[[nodiscard]] Result<VerifiedBundle> VerifyWhole(const Bundle& bundle, const Artifact& artifact,
                                                 const Requirements& requirements);

}  // namespace gatehouse::signature::sigstore
