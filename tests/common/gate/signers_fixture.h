// The gate of fixture.h with a Sigstore and a Notary of our own, whose artefacts lie in the registry as cosign and
// notation put them there.
#pragma once

#include "tests/common/gate/fixture.h"
#include "tests/fakes/artifact_manifest.h"

namespace gatehouse::gate {

inline std::string Lines(const std::string& text) {
  return text.ends_with('\n') ? text : text + "\n";
}

inline std::string SigstoreRootYaml(const std::string& name, const std::string& trusted_root) {
  return "apiVersion: gatehouse.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: " + name +
         "}\nspec:\n  sigstore:\n    trustedRoot: |\n" + Indent(Lines(trusted_root), 6) + "---\n";
}

inline std::string NotationRootYaml(const std::string& name, const std::string& store, const std::string& pem) {
  return "apiVersion: gatehouse.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: " + name +
         "}\nspec:\n  notation:\n    ca:\n      " + store + ": |\n" + Indent(Lines(pem), 8) + "---\n";
}

// Who signs unless a test says otherwise.
inline constexpr const char* kDeveloper = "issuer: \"https://issuer.example\", subject: dev@example.com";
inline constexpr const char* kDeveloperShown = "dev@example.com by https://issuer.example";

inline std::string KeylessAuthority(const std::string& name, const std::string& identity,
                                    const std::string& more = "") {
  return "    - name: " + name + "\n      keyless:\n        identities: [{" + identity +
         "}]\n      trustRoots: [public]\n" + more;
}

// One statement for every repository.
inline std::string NotationAuthority(const std::string& name, const std::string& verification,
                                     const std::string& more = "", const std::string& scope = "*",
                                     const std::string& identity = "x509.subject: C=US,ST=WA,O=acme") {
  return "    - name: " + name +
         "\n      notation:\n        trustPolicy:\n          version: \"1.0\"\n          trustPolicies:\n            - "
         "name: images\n              registryScopes: [\"" +
         scope + "\"]\n              signatureVerification: {" + verification +
         "}\n              trustStores: [\"ca:acme\"]\n              trustedIdentities: [\"" + identity +
         "\"]\n      trustRoots: [acme]\n" + more;
}

// "provenance" of SLSA 1.
inline std::string Attestations(const std::string& more = "") {
  return "      attestations:\n        - name: provenance\n          predicateType: slsaprovenance1\n" + more;
}

class SignersGate : public GateFixture {
 protected:
  SignersGate() { clock.Advance(fakes::kPkiNow - clock.Wall()); }

  void LoadFor(const std::string& authorities, const std::string& more = "") {
    Load(ImagePolicyYaml("signed", "registry.example/**", authorities, more) + roots);
  }
  [[nodiscard]] fakes::StoredDescriptor Image() const { return registry.Describe("app", image); }

  // As cosign 3 leaves a bundle; cosign says what is in it, which nobody signs.
  Digest PutBundle(const std::string& bundle, const fakes::BundleManifestOptions& how = {}) {
    return fakes::Store(registry, "app", fakes::BundleManifest(Image(), {bundle}, how));
  }
  Digest PutAttestation(const fakes::SignedBundle& bundle, const std::string& type = kSlsa) {
    return PutBundle(bundle.Text(), {.predicate_type = type});
  }
  // As cosign 2 does.
  void PutLegacy(const std::vector<fakes::LegacyLayer>& layers, const std::string& suffix = ".sig") {
    fakes::Store(registry, "app", fakes::LegacyManifest(image, layers, suffix));
  }
  Digest PutNotation(const fakes::NotationOptions& notation = {}, bool legacy_config = false) {
    const fakes::StoredDescriptor target = Image();
    auto signature =
        notary.Sign({.media_type = target.media_type, .digest = target.digest.text(), .size = target.size}, notation);
    return fakes::Store(registry, "app", fakes::NotationManifest(target, signature, legacy_config));
  }
  [[nodiscard]] fakes::SignedBundle SignWithKey(const crypto::PrivateKey& with,
                                                const std::map<std::string, std::string>& annotations = {}) {
    return sigstore.SignImage(image, {.key = with, .logs = std::vector<fakes::FakeRekor*>(), .authorities = {{}}},
                              annotations);
  }

  Decision Judge() { return Decide(Pod({"registry.example/app:1"})); }
  // "allowed by …", "denied: token", for tables.
  std::string Outcome() {
    Decision decision = Judge();
    if (decision.allowed() && !decision.approvals().empty()) return "allowed by " + decision.approvals()[0].by;
    if (decision.findings().empty()) return std::string(decision.outcome());
    return std::string(decision.outcome()) + ": " + std::string(Token(decision.findings()[0].error.reason));
  }
  [[nodiscard]] std::string Shown(const crypto::PrivateKey& of) const {
    return "key " + std::string(of.Public().Fingerprint().hex().substr(0, 16));
  }
  [[nodiscard]] std::size_t Asked(const std::string& part) const {
    std::size_t count = 0;
    for (const std::string& line : registry.log())
      if (line.find(part) != std::string::npos) ++count;
    return count;
  }

  static constexpr const char* kSlsa = "https://slsa.dev/provenance/v1";
  fakes::FakeSigstore sigstore;
  fakes::FakeNotary notary;
  std::string roots = SigstoreRootYaml("public", sigstore.TrustedRoot().Write()) +
                      NotationRootYaml("acme", "acme", notary.root().pem());
  Digest image = registry.PutImage("app", "1", "first");
};

}  // namespace gatehouse::gate
