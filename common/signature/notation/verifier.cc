#include "common/signature/notation/verifier.h"

#include <algorithm>
#include <limits>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/codec/time.h"
#include "common/crypto/timestamp.h"
#include "common/signature/notation/certificates.h"
#include "common/signature/notation/envelope.h"

namespace gatehouse::signature::notation {
namespace {

using claims::TrustedTime;
using codec::JsonDocument;
using codec::ObjectReader;
using crypto::Certificate;
using Chain = std::vector<Certificate>;
using Annotations = std::map<std::string, std::string>;
using Presence = ObjectReader::Presence;

Error ForAnother(std::string_view what) {
  return {Reason::kPayloadDigestMismatch, "", "the " + std::string(what) + " that was signed is not the image's"};
}

// signature-specification.md, "Storage": the annotation has "the list of SHA-256 fingerprints of signing certificate
// and certificate chain (including root)", a "JSON array string, corresponding to ordered certificates". Its own
// examples write upper-case hex, Notation lower-case.
Status CheckThumbprints(const image::Manifest& manifest, const Chain& chain) {
  const auto malformed = [](std::string_view detail) {
    return Error{Reason::kEnvelopeMalformed, std::string(kThumbprintAnnotation), std::string(detail)};
  };
  const auto annotation = manifest.annotations.find(std::string(kThumbprintAnnotation));
  if (annotation == manifest.annotations.end()) return malformed("the manifest of the signature lacks the annotation");
  const Result<JsonDocument> document =
      JsonDocument::Parse(annotation->second, {.max_bytes = limits::kNotationEnvelopeBytes});
  if (!document.ok() || !document->root().IsArray()) return malformed("is not a JSON array");
  if (document->root().size() != chain.size()) return malformed("names another number of certificates than the chain");
  for (std::size_t i = 0; i < chain.size(); ++i) {
    std::string thumbprint(document->root().at(i).AsString().value_or(""));
    for (char& c : thumbprint) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    if (thumbprint != chain[i].Fingerprint().hex()) return malformed("names other certificates than the chain");
  }
  return Ok();
}

struct Target {
  std::string media_type;
  std::string digest;
  std::uint64_t size = 0;
  Annotations annotations;
};

// "targetArtifact: Required property whose value is the descriptor of the target artifact manifest that is being
// signed." What else an OCI descriptor may hold is allowed and not looked at.
Result<Target> ReadPayload(BytesView payload) {
  const Result<JsonDocument> document =
      JsonDocument::Parse(AsText(payload), {.max_bytes = limits::kSignaturePayloadBytes});
  if (!document.ok()) {
    if (document.error().reason == Reason::kLimitExceeded) return document.error();
    return Error{Reason::kPayloadMalformed, "", "the payload is not JSON: " + document.error().detail};
  }
  Target target;
  ObjectReader reader(*document, document->root(), Reason::kPayloadMalformed);
  reader.Object("targetArtifact", Presence::kRequired, [&](ObjectReader& descriptor) {
    target.media_type = descriptor.String("mediaType");
    target.digest = descriptor.String("digest");
    target.size = static_cast<std::uint64_t>(descriptor.Int("size", 0, std::numeric_limits<std::int64_t>::max()));
    for (auto& [key, value] : descriptor.StringMap("annotations", Presence::kOptional)) {
      target.annotations.emplace(std::move(key), std::move(value));
    }
    for (const std::string_view name : {"artifactType", "urls", "data", "platform"}) {
      static_cast<void>(descriptor.Raw(name));
    }
  });
  RETURN_IF_ERROR(reader.Finish());
  return target;
}

Result<Annotations> CheckPayload(BytesView payload, const image::Descriptor& image) {
  ASSIGN_OR_RETURN(Target target, ReadPayload(payload));
  if (target.digest != image.digest.text()) return ForAnother("digest");
  if (target.media_type != image.media_type) return ForAnother("media type");
  if (target.size != image.size) return ForAnother("size");
  return std::move(target.annotations);
}

std::vector<std::string> StoresOf(const TrustPolicyStatement& statement, std::string_view type) {
  std::vector<std::string> names;
  for (const std::string& store : statement.trust_stores) {
    if (std::string_view(store).substr(0, store.find(':')) == type) names.push_back(store);
  }
  return names;
}

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// Whether `store` holds a certificate of the chain that may be an anchor: a CA's, or the leaf's only where it signed
// itself ("If the certificate chain contains only a root certificate").
bool Anchors(const Chain& store, const Chain& chain) {
  return std::ranges::any_of(store, [&](const Certificate& trusted) {
    const Bytes der = trusted.Der();
    const auto first = chain.begin() + (chain.size() == 1 ? 0 : 1);
    return std::any_of(first, chain.end(), [&](const Certificate& mine) { return mine.Der() == der; });
  });
}

// The store that vouches for the chain. signing-scheme.md, "Trust Stores": each scheme has its own type, so that "an
// end user with CA issued certificate" cannot "masquerade themselves as an SA".
Result<std::string> FindStore(const Envelope& envelope, const Context& context) {
  const std::string_view type = envelope.scheme == SigningScheme::kX509 ? "ca" : "signingAuthority";
  const std::vector<std::string> names = StoresOf(context.statement, type);
  for (const std::string& name : names) {
    const auto store = context.stores.find(name);
    if (store != context.stores.end() && Anchors(store->second, envelope.chain)) return name;
  }
  return Error{Reason::kCertificateUntrusted, envelope.chain.front().Subject(),
               names.empty() ? "the trust policy names no store of the type " + std::string(type)
                             : "its chain ends in no certificate of the trust stores " + Joined(names)};
}

std::string Upper(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

// "validate if the X.509 subject in the trustedIdentities list matches with the value of corresponding attributes in
// the signing certificate's subject". An attribute that the subject has twice says nothing.
bool Names(const TrustIdentity& identity, const std::vector<std::pair<std::string, std::string>>& subject) {
  if (identity.any) return true;
  return std::ranges::all_of(identity.attributes, [&](const auto& wanted) {
    std::size_t found = 0;
    bool equal = false;
    for (const auto& [type, value] : subject) {
      if (Upper(type) != wanted.first) continue;
      ++found;
      equal = value == wanted.second;
    }
    return found == 1 && equal;
  });
}

Status CheckIdentity(const Certificate& leaf, const TrustPolicyStatement& statement) {
  const auto subject = leaf.SubjectAttributes();
  for (const TrustIdentity& identity : statement.trusted_identities) {
    if (Names(identity, subject)) return Ok();
  }
  return Error{Reason::kSignerMismatch, leaf.Subject(), "is none of the trusted identities"};
}

// When the signature was made at the latest, by somebody who is trusted for saying so.
struct AuthenticTime {
  WallTime latest;
  TrustedTime time;
};

// The token of a TSA of `store`, over the signature.
Result<crypto::VerifiedTimestamp> VerifyToken(const Envelope& envelope, const Chain& store) {
  Result<crypto::VerifiedTimestamp> stamp =
      crypto::VerifyTimestamp(envelope.timestamp, envelope.signature, {.roots = store});
  if (!stamp.ok()) {
    // To the reader of the message it is the timestamp that is not trusted, not the signature's certificate.
    const Reason reason = stamp.error().reason;
    if (reason != Reason::kCertificateUntrusted && reason != Reason::kCertificateExpired) return stamp;
    return Error{Reason::kTimestampInvalid, stamp.error().where, stamp.error().detail};
  }
  if (const Status suitable = CheckCertificates(stamp->path, Purpose::kTimestamping); !suitable.ok()) {
    return Error{Reason::kTimestampInvalid, suitable.error().where, suitable.error().detail};
  }
  return stamp;
}

Status AskRevocation(const Context& context, const Chain& path, const std::optional<WallTime>& signed_at) {
  if (context.revocation) return context.revocation(path, signed_at);
  return Error{Reason::kRevocationUnavailable, "", "nobody can be asked for revocation here"};
}

// trust-store-trust-policy.md, "Validate Trusted Timestamp", scheme notary.x509.
Result<AuthenticTime> VerifyCountersignature(const Envelope& envelope, const std::vector<std::string>& stores,
                                             const Context& context) {
  if (envelope.timestamp.empty()) {
    return Error{Reason::kTimestampMissing, "", "the trust policy asks for a timestamp, and there is none"};
  }
  Error failure{Reason::kTimestampInvalid, "", "there is no trust store " + Joined(stores)};
  for (const std::string& name : stores) {
    const auto store = context.stores.find(name);
    if (store == context.stores.end() || store->second.empty()) continue;
    Result<crypto::VerifiedTimestamp> stamp = VerifyToken(envelope, store->second);
    if (!stamp.ok()) {
      failure = stamp.error();
      continue;
    }
    // "Validate that the time range from timeStampLowerLimit to timeStampUpperLimit timestamp is entirely within the
    // signing certificate and certificate chain's validity period."
    const WallTime latest = stamp->at + stamp->accuracy;
    RETURN_IF_ERROR(CheckValidity(envelope.chain, stamp->at - stamp->accuracy, latest));
    // "Validate timestamp certificate and certificate chain revocation status".
    if (context.statement.ActionOf(Check::kRevocation) != Action::kSkip) {
      RETURN_IF_ERROR(AskRevocation(context, stamp->path, std::nullopt));
    }
    return AuthenticTime{latest, {TrustedTime::Source::kTimestampAuthority, stamp->at, name}};
  }
  return failure;
}

// Nothing where no authentic time is asked for: then the chain must be valid now. "In the absence of an Authentic
// timestamp, a signature is considered invalid if the time of verification is outside the signing certificate or
// chain's validity period."
Result<std::optional<AuthenticTime>> CheckTime(const Envelope& envelope, const Context& context) {
  if (envelope.scheme == SigningScheme::kSigningAuthority) {
    RETURN_IF_ERROR(CheckValidity(envelope.chain, envelope.signing_time, envelope.signing_time));
    return std::optional(AuthenticTime{
        envelope.signing_time, {TrustedTime::Source::kTimestampAuthority, envelope.signing_time, "signingAuthority"}});
  }
  const std::vector<std::string> stores = StoresOf(context.statement, "tsa");
  const bool expired = std::ranges::any_of(envelope.chain, [&](const Certificate& certificate) {
    return std::chrono::floor<std::chrono::seconds>(context.now) > certificate.NotAfter();
  });
  // Without a store of the type tsa nothing could vouch for a timestamp, so none is asked for.
  if (stores.empty() || (!context.statement.timestamp_always && !expired)) {
    RETURN_IF_ERROR(CheckValidity(envelope.chain, context.now, context.now));
    return std::optional<AuthenticTime>();
  }
  ASSIGN_OR_RETURN(AuthenticTime time, VerifyCountersignature(envelope, stores, context));
  return std::optional(std::move(time));
}

Status CheckExpiry(const Envelope& envelope, WallTime now) {
  // signature-specification.md, "Expiry": "when the current time is greater than or equal to expiry time".
  if (!envelope.expiry || now < *envelope.expiry) return Ok();
  return Error{Reason::kSignatureExpired, "", "the signature expired at " + codec::FormatTime(*envelope.expiry)};
}

// The statement's action upon what a check found.
Status Judge(const TrustPolicyStatement& statement, Check check, Status found, std::vector<Logged>& logged) {
  if (found.ok()) return Ok();
  switch (statement.ActionOf(check)) {
    case Action::kEnforce:
      return found;
    case Action::kLog:
      logged.push_back({check, std::move(found).error()});
      return Ok();
    case Action::kSkip:
      return Ok();
  }
  return found;
}

claims::CertificateSigner SignerOf(const Certificate& leaf) {
  claims::CertificateSigner signer{leaf.Fingerprint(), leaf.Subject(), {}, "", {}};
  // Names of an odd kind are no reason to refuse: Notation does not look at this extension.
  const Result<std::vector<Certificate::AlternativeName>> names = leaf.AlternativeNames();
  if (!names.ok()) return signer;
  for (const Certificate::AlternativeName& name : *names) {
    using Kind = Certificate::AlternativeName::Kind;
    using ClaimKind = claims::SubjectName::Kind;
    const ClaimKind kind = name.kind == Kind::kEmail ? ClaimKind::kEmail
                           : name.kind == Kind::kUri ? ClaimKind::kUri
                           : name.kind == Kind::kDns ? ClaimKind::kDns
                                                     : ClaimKind::kOther;
    signer.names.push_back({kind, name.value});
  }
  return signer;
}

// "Validate Integrity": enforced at every level. Gives the user metadata.
Result<Annotations> CheckIntegrity(const Envelope& envelope, const image::Manifest& manifest,
                                   const image::Descriptor& image) {
  RETURN_IF_ERROR(CheckCertificates(envelope.chain, Purpose::kCodeSigning));
  RETURN_IF_ERROR(VerifySignature(envelope, envelope.chain.front()));
  RETURN_IF_ERROR(CheckThumbprints(manifest, envelope.chain));
  return CheckPayload(envelope.payload, image);
}

}  // namespace

Result<Verifier::Verified> Verifier::Verify(std::string_view media_type, std::string_view envelope_bytes,
                                            const image::Manifest& signature_manifest, const image::Descriptor& image,
                                            const Context& context) {
  const TrustPolicyStatement& statement = context.statement;
  // Nothing may be made from nothing: where the statement skips, the caller must not ask.
  if (statement.skip) return Error{Reason::kInternal, statement.name, "the level skip verifies nothing"};
  ASSIGN_OR_RETURN(const Envelope envelope, ParseEnvelope(media_type, envelope_bytes));
  ASSIGN_OR_RETURN(Annotations annotations, CheckIntegrity(envelope, signature_manifest, image));
  const Certificate& leaf = envelope.chain.front();
  std::vector<Logged> logged;

  const Result<std::string> store = FindStore(envelope, context);
  const Status trusted = store.ok() ? Ok() : Status(store.error());
  RETURN_IF_ERROR(
      Judge(statement, Check::kAuthenticity, store.ok() ? CheckIdentity(leaf, statement) : trusted, logged));

  Result<std::optional<AuthenticTime>> time = CheckTime(envelope, context);
  RETURN_IF_ERROR(Judge(statement, Check::kAuthenticTimestamp, time.ok() ? Ok() : Status(time.error()), logged));
  // A signing authority's time is worth what the authority is.
  std::optional<AuthenticTime> authentic = time.ok() ? *time : std::nullopt;
  if (envelope.scheme == SigningScheme::kSigningAuthority) {
    if (store.ok() && authentic) authentic->time.authority = *store;
    if (!store.ok()) authentic.reset();
  }
  RETURN_IF_ERROR(Judge(statement, Check::kExpiry, CheckExpiry(envelope, context.now), logged));

  if (statement.ActionOf(Check::kRevocation) != Action::kSkip) {
    // Where a certificate may be asked for is written in it: nobody is asked where a stranger says so.
    const std::optional<WallTime> signed_at = authentic ? std::optional(authentic->latest) : std::nullopt;
    RETURN_IF_ERROR(Judge(statement, Check::kRevocation,
                          store.ok() ? AskRevocation(context, envelope.chain, signed_at) : trusted, logged));
  }
  std::vector<TrustedTime> times;
  if (authentic) times.push_back(authentic->time);
  return Verified{
      claims::VerifiedImageSignature(image.digest, SignerOf(leaf), std::move(annotations), "", std::move(times)),
      std::move(logged)};
}

}  // namespace gatehouse::signature::notation
