// The claims about images that a verified bundle makes.
#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/signature/sigstore/verifier_internal.h"

namespace gatehouse::signature::sigstore {
namespace {

Error NotThatKind(const std::string& predicate_type, std::string_view kind) {
  return {Reason::kPayloadTypeMismatch, "statement",
          "the predicate type '" + Printable(predicate_type, 100) + "' makes it no " + std::string(kind)};
}

}  // namespace

Result<claims::VerifiedImageSignature> ImageClaims::Signature(const Bundle& bundle, std::string_view payload,
                                                              const Digest& image, const Requirements& requirements) {
  if (std::holds_alternative<MessageSignature>(bundle.content)) {
    // A bundle that signs the manifest itself says that and nothing more.
    if (bundle.version != Bundle::Version::kLegacy && payload.empty()) {
      ASSIGN_OR_RETURN(VerifiedContent content, VerifyBundle(bundle, {.bytes = {}, .digest = image}, requirements));
      return claims::VerifiedImageSignature(image, std::move(content.signer), {}, "", std::move(content.times));
    }
    if (payload.size() > limits::kSignaturePayloadBytes) {
      return Error{Reason::kLimitExceeded, "payload",
                   "the payload has more than " + std::to_string(limits::kSignaturePayloadBytes) + " bytes"};
    }
    ASSIGN_OR_RETURN(VerifiedContent content,
                     VerifyBundle(bundle, {.bytes = AsBytes(payload), .digest = {}}, requirements));
    ASSIGN_OR_RETURN(keyed::SignedPayload signed_payload, keyed::ReadSignedPayload(payload, image));
    return claims::VerifiedImageSignature(image, std::move(content.signer), std::move(signed_payload.annotations),
                                          std::move(signed_payload.docker_reference), std::move(content.times));
  }
  ASSIGN_OR_RETURN(VerifiedBundle verified, VerifyWhole(bundle, {.bytes = {}, .digest = image}, requirements));
  if (verified.statement->predicate_type != kCosignSignPredicate) {
    return NotThatKind(verified.statement->predicate_type, "signature of an image");
  }
  return claims::VerifiedImageSignature(image, std::move(verified.content.signer),
                                        std::move(verified.subject->annotations), "",
                                        std::move(verified.content.times));
}

Result<claims::VerifiedAttestation> ImageClaims::Attestation(const Bundle& bundle, const Digest& image,
                                                             const Requirements& requirements) {
  if (!std::holds_alternative<Envelope>(bundle.content)) {
    return Error{Reason::kPayloadTypeMismatch, "", "a signature over bytes says nothing of them: it is no attestation"};
  }
  ASSIGN_OR_RETURN(VerifiedBundle verified, VerifyWhole(bundle, {.bytes = {}, .digest = image}, requirements));
  intoto::Statement& statement = *verified.statement;
  if (statement.predicate_type == kCosignSignPredicate) return NotThatKind(statement.predicate_type, "attestation");
  if (!statement.document->root().Find("predicate")) {
    return Error{Reason::kStatementMalformed, "statement", "there is no predicate"};
  }
  return claims::VerifiedAttestation(image, std::move(verified.content.signer), std::move(statement.predicate_type),
                                     std::move(statement.document), std::move(verified.content.times));
}

std::optional<std::string> ClaimedPredicateType(const Bundle& bundle) {
  const auto* const envelope = std::get_if<Envelope>(&bundle.content);
  if (envelope == nullptr || envelope->payload_type != kInTotoPayloadType) return std::nullopt;
  const auto document = codec::JsonDocument::Parse(envelope->payload, {.max_bytes = limits::kBundleBytes});
  if (!document.ok()) return std::nullopt;
  const auto type = document->root().Find("predicateType");
  const auto text = type ? type->AsString() : std::nullopt;
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

}  // namespace gatehouse::signature::sigstore
