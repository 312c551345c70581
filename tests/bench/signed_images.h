// Images as cosign and notation sign them, by signers of our own, in a registry; and the policies that they meet.
#pragma once

#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "tests/fakes/artifact_manifest.h"

namespace gatehouse::bench {

// The system's clock, but for the day: that of the signers (kPkiNow), whenever the benchmark runs.
class SignersClock final : public Clock {
 public:
  [[nodiscard]] WallTime Wall() const override { return fakes::kPkiNow; }
  [[nodiscard]] MonoTime Mono() const override { return system_.Mono(); }

 private:
  SystemClock system_;
};

// What lies beside an image, and which authority is asked for it.
enum class Signing : std::uint8_t {
  kKeyedLegacy,    // cosign 2: the .sig tag
  kKeyedBundle,    // cosign 3: a bundle as a referrer
  kKeylessBundle,  // the same, with a certificate, an entry of the log and a promise
  kProvenance,     // GitHub's attest action: SLSA provenance, keyless, as a referrer
  kNotation,       // notation: JWS
};

class SignedImages {
 public:
  explicit SignedImages(fakes::FakeRegistry& registry) : registry_(registry) {}

  // An image that differs by its name, under `tag`, signed. `fallback`: its referrer is told under the fallback tag,
  // as cosign leaves it in a registry without the referrers API.
  Digest Add(const std::string& repository, const std::string& tag, Signing signing, bool fallback);
  // Documents with which one ImagePolicy for every image of `host` is met by what is signed in either of those ways.
  [[nodiscard]] std::string Policies(const std::string& host, const std::vector<Signing>& any) const;

 private:
  [[nodiscard]] fakes::ArtifactManifest Sign(const fakes::StoredDescriptor& image, Signing signing);
  [[nodiscard]] std::string Authority(Signing signing) const;
  void PutFallbackTag(const std::string& repository, const Digest& image, const Digest& referrer, std::size_t size);

  fakes::FakeRegistry& registry_;
  fakes::FakeSigstore sigstore_;
  fakes::FakeNotary notary_;
  crypto::PrivateKey key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
};

}  // namespace gatehouse::bench
