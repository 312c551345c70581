// A Notation signature that verifies, and the trust that verifies it; each test then breaks one thing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/signature/notation/verifier.h"
#include "tests/fakes/notation.h"

namespace gatehouse::signature::notation {

inline constexpr WallTime kNow = fakes::kPkiNow;
inline constexpr WallTime kAfterExpiry{std::chrono::sys_days{std::chrono::year{2031} / 1 / 1}};
inline constexpr std::chrono::hours kDay{24};

// What was asked of a RevocationCheck.
struct Asked {
  std::vector<crypto::Certificate> path;
  std::optional<WallTime> signed_at;
};

inline const fakes::FakeNotary& Notary() {
  static const fakes::FakeNotary notary({.intermediate = true});
  return notary;
}
inline const fakes::FakeTimestampAuthority& StampAuthority() {
  static const fakes::FakeTimestampAuthority authority;
  return authority;
}

inline image::Descriptor Image() {
  return {"application/vnd.oci.image.manifest.v1+json",
          Digest::Parse("sha256:" + std::string(64, 'a')).value(),
          417,
          {},
          "",
          ""};
}
inline fakes::NotationTarget Target() {
  return {.digest = Image().digest.text(), .size = Image().size, .annotations = {{"stage", "tested"}}};
}

struct Scenario {
  // Of the statement, in JSON.
  std::string verification = R"({"level": "strict"})";
  std::string stores = R"(["ca:acme"])";
  std::string identities = R"(["x509.subject: C=US, ST=WA, O=acme"])";
  TrustStores trust = {{"ca:acme", {Notary().root().certificate()}}};
  WallTime now = kNow;
  const fakes::FakeNotary* notary = &Notary();
  fakes::NotationTarget target = Target();
  // Of the manifest; nothing: what the chain has.
  std::optional<std::string> thumbprints = {};
  // What the check says of a chain whose leaf has this fingerprint; all others are good.
  std::map<Digest, Error> revocation = {};
  std::vector<Asked> asked = {};

  [[nodiscard]] Scenario& WithStamps(const std::string& verification_text = R"({"level": "strict"})") {
    verification = verification_text;
    stores = R"(["ca:acme", "tsa:stamps"])";
    trust["tsa:stamps"] = {StampAuthority().root().certificate()};
    return *this;
  }

  [[nodiscard]] TrustPolicyStatement Statement() const {
    const std::string text = R"({"version": "1.0", "trustPolicies": [{"name": "one", "registryScopes": ["*"], )"
                             R"("signatureVerification": )" +
                             verification + R"(, "trustStores": )" + stores + R"(, "trustedIdentities": )" +
                             identities + "}]}";
    return ParseTrustPolicy(text).value().statements.front();
  }

  [[nodiscard]] image::Manifest Manifest(const fakes::NotationSignature& signature) const {
    std::string list;
    for (const std::string& thumbprint : signature.thumbprints) {
      list.append(list.empty() ? "" : ",").append("\"").append(thumbprint).append("\"");
    }
    const image::Descriptor config{"application/vnd.oci.empty.v1+json", Image().digest, 2, {}, "", ""};
    image::Manifest manifest{std::string(image::kOciManifest), std::string(kArtifactType), config, {}, Image(), {}};
    manifest.annotations.emplace(kThumbprintAnnotation, thumbprints.value_or("[" + list + "]"));
    return manifest;
  }

  [[nodiscard]] Result<Verifier::Verified> VerifySignature(const fakes::NotationSignature& signature) {
    const TrustPolicyStatement statement = Statement();
    const RevocationCheck check = [this](const std::vector<crypto::Certificate>& path,
                                         const std::optional<WallTime>& signed_at) -> Status {
      asked.push_back({path, signed_at});
      const auto bad = revocation.find(path.front().Fingerprint());
      return bad == revocation.end() ? Ok() : Status(bad->second);
    };
    return Verifier::Verify(signature.media_type, signature.envelope, Manifest(signature), Image(),
                            {.statement = statement, .stores = trust, .revocation = check, .now = now});
  }

  [[nodiscard]] Result<Verifier::Verified> Verify(const fakes::NotationOptions& options = {}) {
    return VerifySignature(notary->Sign(target, options));
  }
};

inline constexpr const char* kAuthority = "notary.x509.signingAuthority";
inline constexpr const char* kStrict = R"({"level": "strict"})";
inline constexpr const char* kPermissive = R"({"level": "permissive"})";
inline constexpr const char* kAudit = R"({"level": "audit"})";

inline Scenario At(const std::string& verification) {
  Scenario scenario;
  scenario.verification = verification;
  return scenario;
}
inline Scenario Stamped(const std::string& verification = kStrict) {
  return Scenario().WithStamps(verification);
}
inline Scenario OfAuthority(const std::string& verification = kStrict) {
  Scenario scenario = At(verification);
  scenario.stores = R"(["signingAuthority:sa"])";
  scenario.trust = {{"signingAuthority:sa", {Notary().root().certificate()}}};
  return scenario;
}
inline fakes::NotationOptions WithStamp(bool cose, WallTime at = kNow) {
  fakes::NotationOptions options{.cose = cose, .timestamp_authority = &StampAuthority()};
  options.stamp.at = at;
  return options;
}
inline Error RevokedError() {
  return {Reason::kCertificateRevoked, "", "revoked"};
}
inline Digest LeafFingerprint() {
  return Notary().leaf().certificate.Fingerprint();
}

// "authenticity: signer-mismatch", ... of what was only logged.
inline std::vector<std::string> LoggedTexts(const Result<Verifier::Verified>& verified) {
  const auto name = [](Check check) -> std::string {
    switch (check) {
      case Check::kIntegrity:
        return "integrity";
      case Check::kAuthenticity:
        return "authenticity";
      case Check::kAuthenticTimestamp:
        return "authenticTimestamp";
      case Check::kExpiry:
        return "expiry";
      case Check::kRevocation:
        return "revocation";
    }
    return "";
  };
  std::vector<std::string> texts;
  if (!verified.ok()) return {"refused: " + verified.error().ToString()};
  for (const Logged& logged : verified->logged) {
    texts.push_back(name(logged.check) + ": " + std::string(Token(logged.error.reason)));
  }
  return texts;
}

}  // namespace gatehouse::signature::notation
