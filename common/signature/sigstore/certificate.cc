#include "common/signature/sigstore/certificate.h"

#include <algorithm>
#include <array>
#include <set>

#include "common/base/encoding.h"
#include "common/crypto/der.h"
#include "common/crypto/sct.h"

namespace gatehouse::signature::sigstore {
namespace {

using claims::SubjectName;

constexpr std::string_view kCodeSigning = "1.3.6.1.5.5.7.3.3";
constexpr std::string_view kFulcio = "1.3.6.1.4.1.57264.1.";
constexpr std::string_view kIssuerV1 = "1.3.6.1.4.1.57264.1.1";
constexpr std::string_view kIssuerV2 = "1.3.6.1.4.1.57264.1.8";

// oid-info.md, "Extension values": "`.1` through `.6` are formatted as raw strings without any DER encoding", those
// from .8 on "as DER-encoded strings; the ASN.1 tag is UTF8String (0x0C)". (.7 is the type of a subject name.)
struct Claim {
  std::string_view number;
  std::string_view name;
  bool raw = false;
};
constexpr std::array kClaims = {
    Claim{"2", "githubWorkflowTrigger", true},
    Claim{"3", "githubWorkflowSHA", true},
    Claim{"4", "githubWorkflowName", true},
    Claim{"5", "githubWorkflowRepository", true},
    Claim{"6", "githubWorkflowRef", true},
    Claim{"9", "buildSignerURI"},
    Claim{"10", "buildSignerDigest"},
    Claim{"11", "runnerEnvironment"},
    Claim{"12", "sourceRepositoryURI"},
    Claim{"13", "sourceRepositoryDigest"},
    Claim{"14", "sourceRepositoryRef"},
    Claim{"15", "sourceRepositoryIdentifier"},
    Claim{"16", "sourceRepositoryOwnerURI"},
    Claim{"17", "sourceRepositoryOwnerIdentifier"},
    Claim{"18", "buildConfigURI"},
    Claim{"19", "buildConfigDigest"},
    Claim{"20", "buildTrigger"},
    Claim{"21", "runInvocationURI"},
    Claim{"22", "sourceRepositoryVisibilityAtSigning"},
    Claim{"23", "deploymentEnvironment"},
    Claim{"24", "tokenSubject"},
};

// A NUL or what is not UTF-8 would be read differently by the next who compares it.
Result<std::string> CheckText(std::string_view oid, BytesView bytes) {
  std::string text(AsText(bytes));
  if (text.find('\0') != std::string::npos || !IsUtf8(text)) {
    return Error{Reason::kCertificateMalformed, std::string(oid), "the extension is not UTF-8 text"};
  }
  return text;
}

// One UTF8String with nothing after it.
Result<BytesView> Utf8StringContent(std::string_view oid, BytesView value) {
  crypto::DerReader reader(value, Reason::kCertificateMalformed, oid);
  ASSIGN_OR_RETURN(const crypto::DerElement text, reader.Take(crypto::der::kUtf8String));
  RETURN_IF_ERROR(reader.ExpectEnd());
  return text.content;
}

Result<std::optional<std::string>> ReadExtension(const crypto::Certificate& leaf, std::string_view oid, bool raw) {
  const auto value = leaf.Extension(oid);
  if (!value) return std::optional<std::string>();
  BytesView content = *value;
  if (!raw) {
    ASSIGN_OR_RETURN(content, Utf8StringContent(oid, *value));
  }
  ASSIGN_OR_RETURN(std::string text, CheckText(oid, content));
  return std::optional(std::move(text));
}

// oid-info.md: .8 is .1 in another encoding. Two issuers that differ make a certificate that says two things.
Result<std::string> ReadIssuer(const crypto::Certificate& leaf) {
  ASSIGN_OR_RETURN(const auto v1, ReadExtension(leaf, kIssuerV1, true));
  ASSIGN_OR_RETURN(const auto v2, ReadExtension(leaf, kIssuerV2, false));
  if (v1 && v2 && *v1 != *v2) {
    return Error{Reason::kCertificateMalformed, std::string(kIssuerV2),
                 "the certificate names two issuers: '" + Printable(*v2, 100) + "', and '" + Printable(*v1, 100) +
                     "' in " + std::string(kIssuerV1)};
  }
  const auto& issuer = v2 ? v2 : v1;
  if (issuer && issuer->empty()) {
    return Error{Reason::kCertificateMalformed, std::string(v2 ? kIssuerV2 : kIssuerV1), "the issuer is empty"};
  }
  return issuer.value_or("");
}

SubjectName::Kind KindOf(crypto::Certificate::AlternativeName::Kind kind) {
  using From = crypto::Certificate::AlternativeName::Kind;
  switch (kind) {
    case From::kEmail:
      return SubjectName::Kind::kEmail;
    case From::kUri:
      return SubjectName::Kind::kUri;
    case From::kDns:
      return SubjectName::Kind::kDns;
    case From::kOther:
      return SubjectName::Kind::kOther;
  }
  return SubjectName::Kind::kOther;
}

}  // namespace

Result<claims::CertificateSigner> ReadSigner(const crypto::Certificate& leaf) {
  claims::CertificateSigner signer{
      .fingerprint = leaf.Fingerprint(), .subject = leaf.Subject(), .names = {}, .issuer = {}, .extensions = {}};
  ASSIGN_OR_RETURN(signer.issuer, ReadIssuer(leaf));
  for (const Claim& claim : kClaims) {
    ASSIGN_OR_RETURN(auto value, ReadExtension(leaf, std::string(kFulcio).append(claim.number), claim.raw));
    if (value) signer.extensions.emplace(claim.name, *std::move(value));
  }
  ASSIGN_OR_RETURN(auto names, leaf.AlternativeNames());
  for (auto& name : names) signer.names.push_back({KindOf(name.kind), std::move(name.value)});
  if (names.empty()) {
    return Error{Reason::kCertificateUntrusted, "", "the certificate names nobody: it has no subjectAltName"};
  }
  // certificate-specification.md, "Issued Certificate": "MUST: Specify exactly one Subject Alternative Name", for the
  // token that its issuer vouched for had one subject.
  if (!signer.issuer.empty() && signer.names.size() != 1) {
    return Error{Reason::kCertificateUntrusted, "",
                 "the certificate has an issuer of identities and " + std::to_string(signer.names.size()) +
                     " subjectAltNames; it may have one"};
  }
  return signer;
}

// Whether every certificate of the path that was found is valid at `time`, to the second as VerifyChain has it.
bool SigningCertificate::HoldsAt(WallTime time) const {
  if (authority_ == nullptr || !authority_->valid.Contains(time)) return false;
  const WallTime second = std::chrono::floor<std::chrono::seconds>(time);
  return std::ranges::all_of(path_, [&](const crypto::Certificate& certificate) {
    return certificate.NotBefore() <= second && second <= certificate.NotAfter();
  });
}

Status SigningCertificate::CheckAt(WallTime time) {
  if (HoldsAt(time)) return Ok();
  const bool again = authority_ != nullptr;
  std::optional<Error> best;
  for (const CertificateAuthority& authority : material_.authorities) {
    if (authority.chain.empty() || !authority.valid.Contains(time)) continue;
    std::vector<crypto::Certificate> intermediates(authority.chain.begin(), authority.chain.end() - 1);
    // The signer's own certificates build a path only below an authority that names a root alone. Beside those of the
    // trust document they would bring back an intermediate whose window was closed, under the window of its successor.
    if (intermediates.empty()) intermediates.assign(chain_.begin() + 1, chain_.end());
    auto path =
        crypto::VerifyChain(chain_.front(), intermediates, {authority.chain.back()},
                            {.at = time, .required_eku = std::string(kCodeSigning), .tolerated_critical_oids = {}});
    if (path.ok()) {
      // The first path stays: it is the one that the SCTs are looked at with.
      if (again) return Ok();
      authority_ = &authority;
      path_ = std::move(path).value();
      return Ok();
    }
    // Of several authorities the one that knows the certificate, but not for that time, says most.
    if (!best || path.error().reason == Reason::kCertificateExpired) best = std::move(path).error();
  }
  if (best) return *std::move(best);
  return Error{Reason::kCertificateUntrusted, "",
               "the trust material names no certificate authority for the time at which the signature was made"};
}

Status SigningCertificate::CheckTransparency(std::size_t operators) const {
  if (operators == 0) return Ok();
  ASSIGN_OR_RETURN(const auto scts, crypto::EmbeddedScts(chain_.front()));
  std::set<std::string> vouching;
  for (const auto& sct : scts) {
    for (const Log& log : material_.ct_logs) {
      // A log may be named twice, with two windows.
      if (log.id != sct.log_id || !log.valid.Contains(sct.at)) continue;
      // RFC 6962 section 3.2: the issuer's key is part of what is signed. A leaf that is trusted by itself has none.
      if (path_.size() < 2)
        return Error{Reason::kSctInvalid, "", "the certificate has no issuer, so no log can know it"};
      RETURN_IF_ERROR(crypto::VerifyEmbeddedSct(sct, chain_.front(), path_[1], log.key));
      vouching.insert(log.operator_name);
      break;
    }
  }
  if (vouching.size() >= operators) return Ok();
  return Error{Reason::kSctMissing, "",
               std::to_string(operators) + " operators of certificate transparency logs are asked for; " +
                   std::to_string(vouching.size()) +
                   " of those that the trust material names vouch for the certificate, by " +
                   std::to_string(scts.size()) + " timestamps in it"};
}

}  // namespace gatehouse::signature::sigstore
