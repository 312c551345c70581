// Bundles beside the raw signature checks that each contains: the same keys, hashes and lengths, by OpenSSL alone.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <vector>

#include "common/crypto/hash.h"
#include "common/signature/sigstore/verifier.h"
#include "tests/fakes/sigstore.h"

namespace gatehouse::bench {
namespace {

namespace sigstore = signature::sigstore;

// One raw check, with everything prepared that can be prepared.
class RawCheck {
 public:
  RawCheck(const crypto::PrivateKey& key, HashAlgorithm hash, std::size_t length)
      : message_(length, 0x5A), key_(nullptr, EVP_PKEY_free), hash_(nullptr, EVP_MD_free) {
    const bool ed25519 = key.Public().type() == crypto::KeyType::kEd25519;
    signature_ = *key.Sign(ed25519 ? crypto::Scheme::kEd25519 : crypto::Scheme::kEcdsaDer, hash, message_);
    const Bytes spki = key.Public().Spki();
    const unsigned char* at = spki.data();
    key_.reset(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
    if (!ed25519) hash_.reset(EVP_MD_fetch(nullptr, std::string(Name(hash)).c_str(), nullptr));
  }
  [[nodiscard]] bool Run() const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestVerifyInit(context, nullptr, hash_.get(), nullptr, key_.get());
    const int verified =
        EVP_DigestVerify(context, signature_.data(), signature_.size(), message_.data(), message_.size());
    EVP_MD_CTX_free(context);
    return verified == 1;
  }

 private:
  Bytes message_;
  Bytes signature_;
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
  std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> hash_;
};

// The length of a certificate's signed part, nearly enough: what its hash costs.
std::size_t Signed(const Bytes& der) {
  return der.size() - 80;
}

// A keyless image signature as cosign 3 makes it: a statement in an envelope, P-256, with a Fulcio-like chain of P-384.
struct Sample {
  explicit Sample(int version) {
    // A tree of a size that makes the proof about as long as the public log's.
    fakes::FakeSigstore::Options options;
    options.rekor_v1.earlier = 4000;
    options.rekor_v2.earlier = 4000;
    fakes::FakeSigstore fake(options);
    fakes::FakeRekor& log = version == 1 ? fake.rekor_v1() : fake.rekor_v2();
    const std::map<int, std::string> claims{{9, "https://ci.example/build.yml@refs/heads/main"},
                                            {12, "https://ci.example/repository"},
                                            {13, std::string(40, 'a')},
                                            {14, "refs/heads/main"}};
    const fakes::SignedBundle bundle = fake.SignImage(
        image,
        {.leaf = {.names = "URI:https://ci.example/build.yml@refs/heads/main", .claims = claims}, .logs = {{&log}}});
    text = bundle.Text();
    root = fake.TrustedRoot().Write();
    material = sigstore::ParseTrustedRoot(root)->material;

    constexpr HashAlgorithm kSha256 = HashAlgorithm::kSha256;
    constexpr HashAlgorithm kSha384 = HashAlgorithm::kSha384;
    const fakes::JsonValue& entry = bundle.json.At({"verificationMaterial", "tlogEntries"})->elements.front();
    const std::size_t body = entry.TextAt({"canonicalizedBody"}).size();
    const Bytes& leaf = bundle.certificate->der;
    checks.emplace_back(bundle.key, kSha256, 320);                          // the envelope
    checks.emplace_back(fake.ct_log().key(), kSha256, Signed(leaf));        // the SCT
    checks.emplace_back(fake.intermediate().key(), kSha384, Signed(leaf));  // the chain
    checks.emplace_back(fake.root().key(), kSha384, Signed(fake.intermediate().der()));
    checks.emplace_back(log.key(), kSha256, 150);  // the checkpoint
    if (version == 1) {
      checks.emplace_back(log.key(), kSha256, body + 150);  // the promise
      return;
    }
    const fakes::FakeTimestampAuthority& authority = fake.timestamp_authority();
    checks.emplace_back(*authority.signer().key, kSha256, 200);  // the token
    checks.emplace_back(authority.intermediate().key(), kSha256, Signed(authority.signer().der));
    checks.emplace_back(authority.root().key(), kSha256, Signed(authority.intermediate().der()));
  }

  Digest image = crypto::Sha256Digest(AsBytes("image"));
  std::string text;
  std::string root;
  sigstore::TrustMaterial material;
  std::vector<RawCheck> checks;
};

const Sample& Of(int version) {
  static const Sample first(1);
  static const Sample second(2);
  return version == 1 ? first : second;
}

// From the text of the bundle to the claim; the trust material was parsed before.
void Verify(benchmark::State& state, const Sample& sample) {
  for (auto _ : state) {
    const auto bundle = sigstore::ParseBundle(sample.text);
    const auto claim = sigstore::ImageClaims::Signature(*bundle, "", sample.image, {.material = &sample.material});
    if (!claim.ok()) state.SkipWithError(claim.error().ToString().c_str());
    benchmark::DoNotOptimize(claim);
  }
  state.counters["checks"] = static_cast<double>(sample.checks.size());
  state.counters["bytes"] = static_cast<double>(sample.text.size());
}

void Raw(benchmark::State& state, const Sample& sample) {
  for (auto _ : state) {
    for (const RawCheck& check : sample.checks) {
      if (!check.Run()) state.SkipWithError("a raw signature does not verify");
    }
  }
}

void RawChecksOfBundleRekorV1(benchmark::State& state) {
  Raw(state, Of(1));
}
BENCHMARK(RawChecksOfBundleRekorV1);

void BundleVerifyRekorV1(benchmark::State& state) {
  Verify(state, Of(1));
}
BENCHMARK(BundleVerifyRekorV1);

void RawChecksOfBundleRekorV2(benchmark::State& state) {
  Raw(state, Of(2));
}
BENCHMARK(RawChecksOfBundleRekorV2);

void BundleVerifyRekorV2(benchmark::State& state) {
  Verify(state, Of(2));
}
BENCHMARK(BundleVerifyRekorV2);

void BundleParse(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(sigstore::ParseBundle(Of(1).text));
}
BENCHMARK(BundleParse);

void TrustedRootParse(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(sigstore::ParseTrustedRoot(Of(1).root));
}
BENCHMARK(TrustedRootParse);

}  // namespace
}  // namespace gatehouse::bench

BENCHMARK_MAIN();
