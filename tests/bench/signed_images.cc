#include "tests/bench/signed_images.h"

#include "common/image/manifest.h"

namespace gatehouse::bench {
namespace {

using fakes::JsonValue;

constexpr const char* kSlsa = "https://slsa.dev/provenance/v1";
constexpr const char* kWorkflow = "https://ci.example/build.yml@refs/heads/main";

std::string Indent(const std::string& text, std::size_t columns) {
  std::string indented;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    indented += std::string(columns, ' ') + text.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  return indented;
}

JsonValue Descriptor(std::string_view media_type, const Digest& digest, std::size_t size) {
  JsonValue json = JsonValue::Object();
  json.Member("mediaType") = JsonValue::String(media_type);
  json.Member("digest") = JsonValue::String(digest.text());
  json.Member("size") = JsonValue::Number(size);
  return json;
}

fakes::BundleOptions ByKey(const crypto::PrivateKey& key) {
  return {.key = key, .logs = std::vector<fakes::FakeRekor*>(), .authorities = {{}}};
}

fakes::BundleOptions ByWorkflow() {
  return {.leaf = {.names = std::string("URI:") + kWorkflow,
                   .claims = {{9, kWorkflow}, {12, "https://ci.example/repository"}, {14, "refs/heads/main"}}}};
}

}  // namespace

fakes::ArtifactManifest SignedImages::Sign(const fakes::StoredDescriptor& image, Signing signing) {
  switch (signing) {
    case Signing::kKeyedLegacy:
      return fakes::LegacyManifest(image.digest,
                                   {sigstore_.LegacySignature(fakes::SimpleSigning(image.digest), ByKey(key_))});
    case Signing::kKeyedBundle:
      return fakes::BundleManifest(image, {sigstore_.SignImage(image.digest, ByKey(key_)).Text()});
    case Signing::kKeylessBundle:
      return fakes::BundleManifest(image, {sigstore_.SignImage(image.digest, ByWorkflow()).Text()});
    case Signing::kProvenance:
      return fakes::BundleManifest(
          image,
          {sigstore_
               .Attest(image.digest,
                       {.predicate_type = kSlsa,
                        .predicate = R"({"buildDefinition":{"buildType":"https://ci.example/workflow/v1"}})"},
                       ByWorkflow())
               .Text()},
          {.predicate_type = kSlsa});
    case Signing::kNotation:
      break;
  }
  return fakes::NotationManifest(
      image, notary_.Sign({.media_type = image.media_type, .digest = image.digest.text(), .size = image.size}));
}

// cosign writes the config's media type where the manifest's own artifact type belongs.
void SignedImages::PutFallbackTag(const std::string& repository, const Digest& image, const Digest& referrer,
                                  std::size_t size) {
  JsonValue descriptor = Descriptor(image::kOciManifest, referrer, size);
  descriptor.Member("artifactType") = JsonValue::String("application/vnd.oci.empty.v1+json");
  JsonValue index = JsonValue::Object();
  index.Member("schemaVersion") = JsonValue::Number(2);
  index.Member("mediaType") = JsonValue::String(image::kOciIndex);
  index.Member("manifests") = JsonValue::Array();
  index.Member("manifests").elements.push_back(std::move(descriptor));
  registry_.PutManifest(repository, "sha256-" + std::string(image.hex()), index.Write(), std::string(image::kOciIndex));
}

Digest SignedImages::Add(const std::string& repository, const std::string& tag, Signing signing, bool fallback) {
  const std::string config = R"({"architecture":"amd64","os":"linux","author":")" + repository + ":" + tag + "\"}";
  JsonValue manifest = JsonValue::Object();
  manifest.Member("schemaVersion") = JsonValue::Number(2);
  manifest.Member("mediaType") = JsonValue::String(image::kOciManifest);
  manifest.Member("config") =
      Descriptor("application/vnd.oci.image.config.v1+json", registry_.PutBlob(repository, config), config.size());
  manifest.Member("layers") = JsonValue::Array();
  const std::string bytes = manifest.Write();
  const Digest digest = registry_.PutManifest(repository, tag, bytes, std::string(image::kOciManifest));
  const fakes::StoredDescriptor stored{std::string(image::kOciManifest), digest, bytes.size()};
  const fakes::ArtifactManifest signature = Sign(stored, signing);
  const Digest referrer = fakes::Store(registry_, repository, signature);
  if (fallback && signature.tag.empty()) PutFallbackTag(repository, digest, referrer, signature.json.Write().size());
  return digest;
}

std::string SignedImages::Authority(Signing signing) const {
  const std::string workflow =
      std::string("      keyless:\n        identities: [{issuer: \"https://issuer.example\", ") + "subject: \"" +
      kWorkflow + "\"}]\n      trustRoots: [sigstore]\n";
  switch (signing) {
    case Signing::kKeyedLegacy:
    case Signing::kKeyedBundle:
      return "    - name: release\n      key:\n        data: |\n" + Indent(key_.Public().Pem(), 10);
    case Signing::kKeylessBundle:
      return "    - name: workflow\n" + workflow;
    case Signing::kProvenance:
      return "    - name: provenance\n" + workflow +
             "      attestations:\n        - {name: provenance, predicateType: slsaprovenance1, slsa: {buildType: "
             "\"https://ci.example/workflow/v1\"}}\n";
    case Signing::kNotation:
      break;
  }
  return "    - name: notary\n      notation:\n        trustPolicy:\n          version: \"1.0\"\n"
         "          trustPolicies:\n            - name: images\n              registryScopes: [\"*\"]\n"
         "              signatureVerification: {level: strict, override: {revocation: skip}}\n"
         "              trustStores: [\"ca:acme\"]\n"
         "              trustedIdentities: [\"x509.subject: C=US,ST=WA,O=acme\"]\n      trustRoots: [acme]\n";
}

std::string SignedImages::Policies(const std::string& host, const std::vector<Signing>& any) const {
  std::string yaml =
      "apiVersion: gatehouse.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: signed}\nspec:\n"
      "  images: [{glob: \"" +
      host + "/**\"}]\n  authorities:\n";
  for (const Signing signing : any) yaml += Authority(signing);
  yaml +=
      "---\napiVersion: gatehouse.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: sigstore}\nspec:\n  sigstore:\n"
      "    trustedRoot: |\n" +
      Indent(sigstore_.TrustedRoot().Write(), 6);
  yaml +=
      "---\napiVersion: gatehouse.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: acme}\nspec:\n  notation:\n"
      "    ca:\n      acme: |\n" +
      Indent(notary_.root().pem(), 8);
  return yaml;
}

}  // namespace gatehouse::bench
