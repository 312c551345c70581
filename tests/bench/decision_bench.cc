// Decisions and quotes beside the raw cost of what they cannot do without.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "common/codec/json.h"
#include "common/gate/decision.h"
#include "common/verify/tpm/identity.h"
#include "common/verify/tpm/quote.h"
#include "tests/bench/setup.h"
#include "tests/fakes/software_tpm.h"

namespace gatehouse::bench {
namespace {

WarmGate& Warm() {
  static WarmGate gate;
  return gate;
}

// What any webhook does: parse the review, answer with its uid.
void BareJsonEcho(benchmark::State& state) {
  WarmGate& warm = Warm();
  for (auto _ : state) {
    auto document = codec::JsonDocument::Parse(warm.review, {.max_bytes = 1 << 20});
    auto uid = document->root().Find("request")->Find("uid")->AsString();
    benchmark::DoNotOptimize(admission::Encode({.uid = std::string(*uid),
                                                .allowed = true,
                                                .code = 200,
                                                .message = "",
                                                .warnings = {},
                                                .audit_annotations = {},
                                                .patch = ""}));
  }
}
BENCHMARK(BareJsonEcho);

void DecisionWarm(benchmark::State& state) {
  WarmGate& warm = Warm();
  for (auto _ : state) {
    auto review = admission::ParseReview(warm.review);
    auto decision = warm.gate.Decide(review.request(), warm.Soon());
    benchmark::DoNotOptimize(admission::Encode(gate::ToResponse(review.request(), decision)));
  }
}
BENCHMARK(DecisionWarm);

void DecisionCold(benchmark::State& state) {
  WarmGate& warm = Warm();
  auto review = admission::ParseReview(warm.review);
  for (auto _ : state) {
    gate::VerificationCache cache(warm.clock, {}, [](std::string_view) {});
    // On this thread alone: a registry in memory is not worth waiting for on others.
    gate::ImageVerifier verifier(warm.client, cache, warm.clock, {.helpers = 0});
    gate::Gate gate(verifier, warm.nodes, [&] { return warm.set; }, gate::SameForAll([&] { return warm.credentials; }),
                    {});
    benchmark::DoNotOptimize(gate.Decide(review.request(), warm.Soon()));
  }
}
BENCHMARK(DecisionCold);

// What /mutate does for a tag whose digest was verified before: the registry is asked what the tag stands for now.
void MutationWarm(benchmark::State& state) {
  WarmGate& warm = Warm();
  std::string by_tag = warm.review;
  const std::string pinned = "registry.example/app@" + warm.image.text();
  by_tag.replace(by_tag.find(pinned), pinned.size(), "registry.example/app:1");
  for (auto _ : state) {
    auto review = admission::ParseReview(by_tag);
    auto pinning = warm.gate.Pin(review.request(), warm.Soon());
    if (pinning.pins.size() != 1) state.SkipWithError("the image is not pinned");
    benchmark::DoNotOptimize(admission::Encode({.uid = review.request().uid,
                                                .allowed = true,
                                                .code = 200,
                                                .message = "",
                                                .warnings = {},
                                                .audit_annotations = {},
                                                .patch = gate::PatchOf(review.request(), pinning)}));
  }
}
BENCHMARK(MutationWarm);

// OpenSSL alone, with everything prepared that can be prepared: the floor of any verification.
void RawVerify(benchmark::State& state, const crypto::PrivateKey& key, crypto::Scheme scheme, BytesView message) {
  Bytes signature = *key.Sign(scheme, HashAlgorithm::kSha256, message);
  Bytes spki = key.Public().Spki();
  const unsigned char* at = spki.data();
  EVP_PKEY* pkey = d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size()));
  EVP_MD* sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  for (auto _ : state) {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestVerifyInit(context, nullptr, sha256, nullptr, pkey);
    int verified = EVP_DigestVerify(context, signature.data(), signature.size(), message.data(), message.size());
    EVP_MD_CTX_free(context);
    if (verified != 1) state.SkipWithError("the raw signature does not verify");
  }
  EVP_MD_free(sha256);
  EVP_PKEY_free(pkey);
}

void RawVerifyEcdsaP256(benchmark::State& state) {
  RawVerify(state, Warm().key, crypto::Scheme::kEcdsaDer,
            AsBytes(std::string_view("payload of about the size of a simple signing document ...")));
}
BENCHMARK(RawVerifyEcdsaP256);

struct Quoted {
  explicit Quoted(crypto::KeyType type) : ak(tpm.CreateAk({.type = type})) {
    quote = tpm.Quote(ak, nonce, selection);
    prepared.emplace(*verify::tpm::AttestationKey::Make(ak.area()));
  }
  fakes::SoftwareTpm tpm;
  fakes::TpmKey ak;
  Bytes nonce = Bytes(48, 5);
  evidence::tpm::PcrSelections selection{{HashAlgorithm::kSha256, 0xFF}};
  fakes::SoftwareQuote quote;
  std::optional<verify::tpm::AttestationKey> prepared;  // as the verifier keeps it for each node
};

void QuoteVerify(benchmark::State& state, const Quoted& quoted) {
  for (auto _ : state) {
    auto claims = verify::tpm::QuoteVerifier::Verify(
        {.attest = quoted.quote.attest, .signature = quoted.quote.signature, .pcrs = quoted.quote.pcrs},
        verify::tpm::PreparedQuoteExpectation{
            .ak = *quoted.prepared, .nonce = quoted.nonce, .selection = quoted.selection, .last_clock = std::nullopt});
    if (!claims.ok()) state.SkipWithError("the quote does not verify");
  }
}

void RawVerifyQuoteEcdsaP256(benchmark::State& state) {
  static const Quoted quoted(crypto::KeyType::kEcP256);
  RawVerify(state, quoted.ak.key(), crypto::Scheme::kEcdsaDer, quoted.quote.attest);
}
BENCHMARK(RawVerifyQuoteEcdsaP256);

void QuoteVerifyEcdsaP256(benchmark::State& state) {
  static const Quoted quoted(crypto::KeyType::kEcP256);
  QuoteVerify(state, quoted);
}
BENCHMARK(QuoteVerifyEcdsaP256);

void RawVerifyQuoteRsa2048(benchmark::State& state) {
  static const Quoted quoted(crypto::KeyType::kRsa);
  RawVerify(state, quoted.ak.key(), crypto::Scheme::kRsaPkcs1v15, quoted.quote.attest);
}
BENCHMARK(RawVerifyQuoteRsa2048);

void QuoteVerifyRsa2048(benchmark::State& state) {
  static const Quoted quoted(crypto::KeyType::kRsa);
  QuoteVerify(state, quoted);
}
BENCHMARK(QuoteVerifyRsa2048);

}  // namespace
}  // namespace gatehouse::bench

BENCHMARK_MAIN();
