#include "common/signature/sigstore/verifier.h"

#include <algorithm>
#include <array>
#include <set>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"
#include "common/crypto/timestamp.h"
#include "common/signature/sigstore/certificate.h"
#include "common/signature/sigstore/transparency.h"
#include "common/signature/sigstore/verifier_internal.h"

namespace gatehouse::signature::sigstore {
namespace {

using claims::TrustedTime;
using Chain = std::vector<crypto::Certificate>;

// With what the signature is checked. `hashes`: those that a signature by this key may be over, the likeliest first.
struct SigningKey {
  crypto::PublicKey key;
  crypto::Scheme scheme;
  std::vector<HashAlgorithm> hashes;
  const crypto::Certificate* certificate = nullptr;
};

// A certificate says of what kind its key is, and not with which hash it signs: that of the curve's size (Sigstore's
// algorithm registry), or SHA-256, with which cosign signed by every key for years. RSA and P-256: SHA-256 alone.
std::vector<HashAlgorithm> HashesOf(crypto::KeyType type) {
  switch (type) {
    case crypto::KeyType::kEcP384:
      return {HashAlgorithm::kSha384, HashAlgorithm::kSha256};
    case crypto::KeyType::kEcP521:
      return {HashAlgorithm::kSha512, HashAlgorithm::kSha256};
    case crypto::KeyType::kEcP256:
    case crypto::KeyType::kRsa:
    case crypto::KeyType::kEd25519:
      return {HashAlgorithm::kSha256};
  }
  return {};
}

// A key that the trust document names. The bundle's hint at a key is not looked at: it is the signer's word about which
// key to take, there is but one to take here, and the signature shows whether it was that one. (sigstore-go, too,
// verifies with the key it was given, whatever the hint.) A bundle by a certificate is not by a key. In cosign's legacy
// layout there may be a certificate beside a key's signature; it must then be of that key.
Result<SigningKey> NamedKey(const Bundle& bundle, const keyed::Verifier& verifier) {
  SigningKey signing{verifier.key, keyed::SchemeOf(verifier), {verifier.hash}};
  const auto* const chain = std::get_if<Chain>(&bundle.key);
  if (chain == nullptr) return signing;
  const std::string wanted = "the key " + verifier.key.Fingerprint().text();
  if (bundle.version != Bundle::Version::kLegacy || chain->empty()) {
    return Error{Reason::kSignatureInvalid, "", "the signature is by a certificate, not by " + wanted};
  }
  ASSIGN_OR_RETURN(const crypto::PublicKey key, chain->front().Key());
  if (!(key == verifier.key)) {
    return Error{Reason::kSignatureInvalid, "", "the signature is by a certificate of another key than " + wanted};
  }
  signing.certificate = &chain->front();
  return signing;
}

Result<SigningKey> CertifiedKey(const Bundle& bundle) {
  const auto* const chain = std::get_if<Chain>(&bundle.key);
  if (chain == nullptr || chain->empty()) {
    return Error{Reason::kCertificateUntrusted, "", "the signature comes without a certificate, so nobody is named"};
  }
  if (chain->size() > limits::kChainCertificates) {
    return Error{Reason::kLimitExceeded, "", "the chain has more certificates than one may have"};
  }
  ASSIGN_OR_RETURN(const crypto::PublicKey key, chain->front().Key());
  return SigningKey{key, keyed::SchemeOf({.key = key}), HashesOf(key.type()), &chain->front()};
}

// --- the signature

struct Checked {
  HashAlgorithm hash;
  Bytes digest;  // of what was signed, by `hash`
};

Error InvalidSignature(const SigningKey& signing) {
  std::string by = "the signature is not by the key " + signing.key.Fingerprint().text();
  if (signing.certificate != nullptr) by += " of its certificate";
  if (signing.scheme == crypto::Scheme::kEd25519) by += " (Ed25519; the prehashed form, Ed25519ph, is not supported)";
  return {Reason::kSignatureInvalid, "", std::move(by)};
}

Result<Checked> CheckSignature(const SigningKey& signing, BytesView message, BytesView signature) {
  for (const HashAlgorithm hash : signing.hashes) {
    Bytes digest = crypto::Hash(hash, message);
    const bool good = signing.scheme == crypto::Scheme::kEd25519
                          ? signing.key.Verify(signing.scheme, hash, message, signature)
                          : signing.key.VerifyHashed(signing.scheme, hash, digest, signature);
    if (good) return Checked{hash, std::move(digest)};
  }
  return InvalidSignature(signing);
}

// The artefact is known by its digest only, so the key must sign what was hashed by the same algorithm.
Result<Checked> CheckSignatureOver(const SigningKey& signing, const Digest& digest, BytesView signature) {
  if (signing.scheme == crypto::Scheme::kEd25519) {
    return Error{Reason::kSignatureInvalid, "",
                 "an Ed25519 key signs the artefact itself, so its digest alone is not enough to verify the signature"};
  }
  if (std::ranges::find(signing.hashes, digest.algorithm()) == signing.hashes.end()) {
    return Error{Reason::kSignatureInvalid, "",
                 "the key signs over " + std::string(Name(signing.hashes.front())) + ", and of the artefact only the " +
                     std::string(Name(digest.algorithm())) + " digest is given"};
  }
  ASSIGN_OR_RETURN(Bytes bytes, DecodeHex(digest.hex()));
  if (!signing.key.VerifyHashed(signing.scheme, digest.algorithm(), bytes, signature)) return InvalidSignature(signing);
  return Checked{digest.algorithm(), std::move(bytes)};
}

// sigstore_common.proto, MessageSignature.message_digest: "Clients MUST NOT attempt to use this digest to verify the
// associated signature; it is intended solely for identification". It is not used for anything; but a bundle that
// identifies itself as that of another artefact is not taken for this one's.
Status CheckDigestHint(const MessageSignature& message, const Artifact& artifact, const Checked& checked) {
  if (!message.digest) return Ok();
  const auto& [algorithm, hint] = *message.digest;
  std::optional<Bytes> actual;
  if (algorithm == checked.hash) {
    actual = checked.digest;
  } else if (artifact.bytes) {
    actual = crypto::Hash(algorithm, *artifact.bytes);
  }
  if (!actual || *actual == hint) return Ok();
  return Error{Reason::kPayloadDigestMismatch, "",
               "the bundle names " + std::string(Name(algorithm)) + ":" + EncodeHex(hint) +
                   " as the digest of its artefact, which is " + EncodeHex(*actual)};
}

// --- who else vouches

struct Vouching {
  std::set<std::string> logs;        // operators
  std::set<std::string> timestamps;  // operators
  std::vector<TrustedTime> times;
  // The last entry and timestamp of those whom the material does not name (for that time).
  std::optional<Error> unknown_log;
  std::optional<Error> unknown_authority;
};

// An integrated time that no log has signed vouches for nothing. But a bundle that says itself that the signature was
// logged when its certificate was not valid contradicts itself, and sigstore-go refuses it, too.
Status CheckUnpromisedTime(const LogEntry& entry, const crypto::Certificate* certificate) {
  if (entry.promise || !entry.integrated_time || certificate == nullptr) return Ok();
  if (certificate->NotBefore() <= *entry.integrated_time && *entry.integrated_time <= certificate->NotAfter()) {
    return Ok();
  }
  return Error{Reason::kCertificateExpired, "", "the integrated time is not one at which the certificate was valid"};
}

Status CheckEntry(const LogEntry& entry, const SignedContent& content, const TrustMaterial& material,
                  Vouching* vouching) {
  std::vector<WallTime> times;
  for (const TrustedTime& time : vouching->times) times.push_back(time.at);
  auto verified = VerifyEntry(entry, content, material, times);
  if (!verified.ok()) {
    if (verified.error().reason != Reason::kLogUntrusted) return std::move(verified).error();
    vouching->unknown_log = std::move(verified).error();
    return Ok();
  }
  RETURN_IF_ERROR(CheckUnpromisedTime(entry, content.certificate));
  vouching->logs.insert(verified->log->operator_name);
  // A time of a log means something only if the log has signed it; VerifyEntry gives it then only.
  if (verified->integrated_time) {
    vouching->times.push_back(
        {TrustedTime::Source::kTransparencyLog, *verified->integrated_time, verified->log->operator_name});
  }
  return Ok();
}

// Entries with a promise first: whether those without are of a log in its time, is asked at the times that are known.
Status CheckEntries(const Bundle& bundle, const SignedContent& content, const TrustMaterial& material,
                    Vouching* vouching) {
  for (const bool promised : {true, false}) {
    for (std::size_t i = 0; i < bundle.entries.size(); ++i) {
      if (bundle.entries[i].promise.has_value() != promised) continue;
      auto status = CheckEntry(bundle.entries[i], content, material, vouching);
      if (!status.ok()) return status.error().In("log entry " + std::to_string(i));
    }
  }
  return Ok();
}

// A trusted root writes the chain of an authority with its signer first, if it names one, and its root last.
crypto::TimestampAuthority AuthorityOf(const CertificateAuthority& authority) {
  crypto::TimestampAuthority result{.roots = {authority.chain.back()}, .intermediates = {}, .leaf = {}};
  for (std::size_t i = 0; i + 1 < authority.chain.size(); ++i) {
    if (i == 0 && !authority.chain[i].IsCa()) {
      result.leaf = authority.chain[i];
    } else {
      result.intermediates.push_back(authority.chain[i]);
    }
  }
  return result;
}

// The authority of the material that vouches for the token. Errors: kCertificateUntrusted if it is by none that the
// material names (for that time); else those of VerifyTimestamp.
Result<TrustedTime> CheckTimestamp(BytesView token, BytesView stamped, const TrustMaterial& material) {
  Error unknown{Reason::kCertificateUntrusted, "", "the timestamp is by an authority that is not trusted"};
  std::optional<Error> refusal;
  for (const CertificateAuthority& authority : material.timestamp_authorities) {
    if (authority.chain.empty()) continue;
    auto verified = crypto::VerifyTimestamp(token, stamped, AuthorityOf(authority));
    if (!verified.ok()) {
      if (verified.error().reason != Reason::kCertificateUntrusted) refusal = std::move(verified).error();
      continue;
    }
    if (authority.valid.Contains(verified->at)) {
      return TrustedTime{TrustedTime::Source::kTimestampAuthority, verified->at, authority.operator_name};
    }
    unknown.detail = "the timestamp is not from the time in which " + authority.operator_name + " is to be believed";
  }
  return refusal ? *std::move(refusal) : std::move(unknown);
}

Status CheckTimestamps(const Bundle& bundle, BytesView signature, const TrustMaterial& material, Vouching* vouching) {
  // sigstore_bundle.proto, TimestampVerificationData: "Clients MUST verify the hashed message in the message imprint
  // against the signature in the bundle." cosign's legacy attestations are stamped as a whole.
  const BytesView stamped = bundle.stamped_blob ? AsBytes(*bundle.stamped_blob) : signature;
  for (std::size_t i = 0; i < bundle.timestamps.size(); ++i) {
    auto time = CheckTimestamp(bundle.timestamps[i], stamped, material);
    const std::string where = "timestamp " + std::to_string(i);
    if (time.ok()) {
      vouching->timestamps.insert(time->authority);
      vouching->times.push_back(std::move(time).value());
    } else if (time.error().reason == Reason::kCertificateUntrusted) {
      vouching->unknown_authority = Error{Reason::kTimestampInvalid, where, time.error().detail};
    } else {
      return time.error().In(where);
    }
  }
  return Ok();
}

// What is missing; or, if there is one that does not count, why it does not.
Error TooFew(Reason reason, std::string_view of, std::size_t wanted, std::size_t found,
             const std::optional<Error>& unknown) {
  const std::string counts = std::to_string(wanted) + " " + std::string(of) +
                             " of different operators are asked for, " + std::to_string(found) + " found";
  if (!unknown) return {reason, "", counts};
  return {unknown->reason, unknown->where, unknown->detail + "; " + counts};
}

// Thresholds count operators: two entries of one log, or two tokens of one authority, are one voice.
Status CheckCounts(const Vouching& vouching, const Requirements& requirements, bool certified) {
  std::set<std::string> voices;
  for (const TrustedTime& time : vouching.times) voices.insert(time.authority);
  const std::size_t times = certified ? std::max<std::size_t>(requirements.times, 1) : requirements.times;
  if (vouching.logs.size() < requirements.logs) {
    return TooFew(Reason::kLogEntryMissing, "transparency logs", requirements.logs, vouching.logs.size(),
                  vouching.unknown_log);
  }
  if (vouching.timestamps.size() < requirements.timestamps) {
    return TooFew(Reason::kTimestampMissing, "timestamps", requirements.timestamps, vouching.timestamps.size(),
                  vouching.unknown_authority);
  }
  if (voices.size() < times) {
    return TooFew(Reason::kTimestampMissing, "trusted times", times, voices.size(),
                  vouching.unknown_authority ? vouching.unknown_authority : vouching.unknown_log);
  }
  return Ok();
}

// Client specification, "Certificate": path validation once for each time that is known; "if either fails, verification
// fails".
Result<claims::Signer> CheckCertificate(const Chain& chain, const Vouching& vouching,
                                        const Requirements& requirements) {
  SigningCertificate certificate(chain, *requirements.material);
  for (const TrustedTime& time : vouching.times) RETURN_IF_ERROR(certificate.CheckAt(time.at));
  RETURN_IF_ERROR(certificate.CheckTransparency(requirements.scts));
  ASSIGN_OR_RETURN(claims::CertificateSigner signer, ReadSigner(chain.front()));
  return claims::Signer(std::move(signer));
}

// --- the artefact

// The subject that the artefact is: by its digest, or by any digest of its bytes that the statement gives.
const intoto::Subject* FindSubject(const intoto::Statement& statement, const Artifact& artifact) {
  if (artifact.digest) {
    if (const intoto::Subject* found = statement.Find(*artifact.digest)) return found;
  }
  if (!artifact.bytes) return nullptr;
  for (const HashAlgorithm algorithm : {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    const bool used = std::ranges::any_of(statement.subjects, [&](const intoto::Subject& subject) {
      return subject.digest.contains(std::string(Name(algorithm)));
    });
    if (!used) continue;
    const auto digest = Digest::Make(algorithm, crypto::Hash(algorithm, *artifact.bytes));
    if (!digest.ok()) continue;
    if (const intoto::Subject* found = statement.Find(*digest)) return found;
  }
  return nullptr;
}

Status CheckStatement(const Envelope& envelope, const Artifact& artifact, VerifiedBundle* verified) {
  if (envelope.payload_type != kInTotoPayloadType) {
    return Error{Reason::kStatementMalformed, "",
                 "the envelope's payload is of type '" + Printable(envelope.payload_type, 100) + "', not '" +
                     std::string(kInTotoPayloadType) + "'"};
  }
  auto statement = intoto::ParseStatement(envelope.payload);
  if (!statement.ok()) return statement.error().In("statement");
  const intoto::Subject* const subject = FindSubject(*statement, artifact);
  if (subject == nullptr) {
    const std::string wanted = artifact.digest ? artifact.digest->text() : "the artefact";
    return Error{Reason::kPayloadDigestMismatch, "statement",
                 "none of its " + std::to_string(statement->subjects.size()) + " subjects is " + wanted};
  }
  verified->subject = *subject;
  verified->statement = std::move(statement).value();
  return Ok();
}

Result<BytesView> SignatureBytes(const Bundle& bundle) {
  const auto* const envelope = std::get_if<Envelope>(&bundle.content);
  if (envelope != nullptr && envelope->signatures.size() != 1) {
    return Error{Reason::kEnvelopeMalformed, "", "an envelope must have exactly one signature"};
  }
  const Bytes& signature = envelope != nullptr ? envelope->signatures.front().signature
                                               : std::get<MessageSignature>(bundle.content).signature;
  if (signature.empty() || signature.size() > limits::kSignatureBytes) {
    return Error{Reason::kSignatureMalformed, "",
                 "the signature has " + std::to_string(signature.size()) + " bytes; that of no supported key has"};
  }
  return BytesView(signature);
}

Status CheckArguments(const Artifact& artifact, const Requirements& requirements) {
  if (!artifact.bytes && !artifact.digest) return Error{Reason::kInternal, "", "no artefact was given"};
  if (requirements.material == nullptr && !requirements.key) {
    return Error{Reason::kCertificateUntrusted, "", "there is no trust material to judge the certificate by"};
  }
  if (artifact.bytes && artifact.digest && !crypto::Matches(*artifact.digest, *artifact.bytes)) {
    return Error{Reason::kPayloadDigestMismatch, "", "the artefact does not hash to " + artifact.digest->text()};
  }
  return Ok();
}

// The signature over the content, and what an entry of a log must be of.
Result<SignedContent> CheckContent(const Bundle& bundle, const Artifact& artifact, const SigningKey& signing,
                                   BytesView signature) {
  SignedContent content;
  content.certificate = signing.certificate;
  content.key = &signing.key;
  if (const auto* const envelope = std::get_if<Envelope>(&bundle.content)) {
    const std::string encoding = PreAuthenticationEncoding(envelope->payload_type, envelope->payload);
    ASSIGN_OR_RETURN(const Checked checked, CheckSignature(signing, AsBytes(encoding), signature));
    content.envelope = envelope;
    if (bundle.stamped_blob) content.envelope_json = *bundle.stamped_blob;
    content.hash = checked.hash;
    return content;
  }
  const auto& message = std::get<MessageSignature>(bundle.content);
  ASSIGN_OR_RETURN(Checked checked, artifact.bytes ? CheckSignature(signing, *artifact.bytes, signature)
                                                   : CheckSignatureOver(signing, *artifact.digest, signature));
  RETURN_IF_ERROR(CheckDigestHint(message, artifact, checked));
  content.message = &message;
  content.bytes = artifact.bytes;
  content.hash = checked.hash;
  content.digest = std::move(checked.digest);
  return content;
}

}  // namespace

Result<VerifiedBundle> VerifyWhole(const Bundle& bundle, const Artifact& artifact, const Requirements& requirements) {
  RETURN_IF_ERROR(CheckArguments(artifact, requirements));
  ASSIGN_OR_RETURN(const BytesView signature, SignatureBytes(bundle));
  ASSIGN_OR_RETURN(const SigningKey signing,
                   requirements.key ? NamedKey(bundle, *requirements.key) : CertifiedKey(bundle));
  ASSIGN_OR_RETURN(const SignedContent content, CheckContent(bundle, artifact, signing, signature));

  Vouching vouching;
  if (requirements.material != nullptr) {
    RETURN_IF_ERROR(CheckTimestamps(bundle, signature, *requirements.material, &vouching));
    RETURN_IF_ERROR(CheckEntries(bundle, content, *requirements.material, &vouching));
  }
  RETURN_IF_ERROR(CheckCounts(vouching, requirements, !requirements.key));

  VerifiedBundle verified{{claims::KeySigner{signing.key.Fingerprint()}, {}}, {}, {}};
  if (!requirements.key) {
    ASSIGN_OR_RETURN(verified.content.signer, CheckCertificate(std::get<Chain>(bundle.key), vouching, requirements));
  }
  verified.content.times = std::move(vouching.times);
  if (content.envelope != nullptr) RETURN_IF_ERROR(CheckStatement(*content.envelope, artifact, &verified));
  return verified;
}

Result<VerifiedContent> VerifyBundle(const Bundle& bundle, const Artifact& artifact, const Requirements& requirements) {
  ASSIGN_OR_RETURN(VerifiedBundle verified, VerifyWhole(bundle, artifact, requirements));
  return std::move(verified.content);
}

}  // namespace gatehouse::signature::sigstore
