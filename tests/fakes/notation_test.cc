// FakeNotary and the manifests that hold its signatures: they verify under the leaf, by means of their own.
#include "tests/fakes/notation.h"

#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "tests/fakes/artifact_manifest.h"
#include "tests/fakes/fake_clock.h"

namespace gatehouse::fakes {
namespace {

const NotationTarget kTarget{.digest = "sha256:" + std::string(64, 'a'), .size = 7};

TEST(FakeNotary, JwsVerifiesUnderEveryKindOfKey) {
  struct Case {
    FakeNotary::Options options;
    const char* algorithm;
    crypto::Scheme scheme;
    HashAlgorithm hash;
  };
  for (const Case& each :
       {Case{{}, "ES256", crypto::Scheme::kEcdsaRaw, HashAlgorithm::kSha256},
        Case{{.key_type = crypto::KeyType::kEcP384}, "ES384", crypto::Scheme::kEcdsaRaw, HashAlgorithm::kSha384},
        Case{{.key_type = crypto::KeyType::kEcP521}, "ES512", crypto::Scheme::kEcdsaRaw, HashAlgorithm::kSha512},
        Case{{.key_type = crypto::KeyType::kRsa}, "PS256", crypto::Scheme::kRsaPss, HashAlgorithm::kSha256}}) {
    const FakeNotary notary(each.options);
    const auto envelope = JsonValue::Parse(notary.Sign(kTarget, {.expiry = kPkiNotAfter}).envelope).value();
    const std::string input = envelope.TextAt({"protected"}) + "." + envelope.TextAt({"payload"});
    EXPECT_TRUE(notary.leaf().certificate.Key()->Verify(each.scheme, each.hash, AsBytes(input),
                                                        DecodeBase64Url(envelope.TextAt({"signature"})).value()));
    const Bytes header = DecodeBase64Url(envelope.TextAt({"protected"})).value();
    const auto parsed = JsonValue::Parse(AsText(header)).value();
    EXPECT_EQ(parsed.TextAt({"alg"}), each.algorithm);
    EXPECT_EQ(parsed.Find("crit")->Write(), R"(["io.cncf.notary.signingScheme","io.cncf.notary.expiry"])");
    EXPECT_EQ(parsed.TextAt({"io.cncf.notary.expiry"}), "2030-01-01T00:00:00Z");
    EXPECT_EQ(envelope.At({"header", "x5c"})->elements.size(), 2U);
  }
}

TEST(FakeNotary, CoseVerifiesOverTheSigStructure) {
  const FakeNotary notary;
  Bytes header;
  const NotationSignature made =
      notary.Sign(kTarget, {.cose = true, .edit_cose_protected = [&](cbor::Members& all) { header = cbor::Map(all); }});
  EXPECT_EQ(static_cast<std::uint8_t>(made.envelope.front()), 0xD2);  // tag 18
  Bytes message{0x84, 0x6A};
  Append(message, AsBytes("Signature1"));
  Append(message, cbor::ByteString(header));
  message.push_back(0x40);
  Append(message, cbor::ByteString(AsBytes(NotationPayload(kTarget))));
  EXPECT_TRUE(notary.leaf().certificate.Key()->Verify(crypto::Scheme::kEcdsaRaw, HashAlgorithm::kSha256, message,
                                                      made.signature));
  EXPECT_NE(made.envelope.find(std::string(AsText(header))), std::string::npos);
}

TEST(FakeNotary, CborIsInItsShortestForm) {
  EXPECT_EQ(EncodeHex(cbor::Int(0)), "00");
  EXPECT_EQ(EncodeHex(cbor::Int(24)), "1818");
  EXPECT_EQ(EncodeHex(cbor::Int(1000)), "1903e8");
  EXPECT_EQ(EncodeHex(cbor::Int(1'000'000'000'000)), "1b000000e8d4a51000");
  EXPECT_EQ(EncodeHex(cbor::Int(-37)), "3824");
  EXPECT_EQ(EncodeHex(cbor::Tag(1, cbor::Int(1'363'896'240))), "c11a514b67b0");
  EXPECT_EQ(EncodeHex(cbor::Map({{cbor::Text("a"), cbor::Array({cbor::Int(1)})}})), "a161618101");
}

TEST(FakeNotary, ChainIsComplete) {
  const FakeNotary notary(
      {.intermediate = true, .crl_url = "http://crl.example/a.crl", .ocsp_url = "http://ocsp.example"});
  const std::vector<TestCertificate> chain = notary.Chain();
  ASSERT_EQ(chain.size(), 3U);
  EXPECT_TRUE(crypto::VerifyChain(chain[0].certificate, {chain[1].certificate}, {chain[2].certificate},
                                  {.at = kPkiNow, .required_eku = "1.3.6.1.5.5.7.3.3", .tolerated_critical_oids = {}})
                  .ok());
  EXPECT_EQ(chain[0].certificate.Subject(), "CN=signer,O=acme,ST=WA,C=US");
  EXPECT_TRUE(chain[0].certificate.Extension("2.5.29.31").has_value());
  EXPECT_TRUE(chain[1].certificate.Extension("1.3.6.1.5.5.7.1.1").has_value());
}

class Referrers : public ::testing::Test {
 protected:
  net::HttpResponse Get(const std::string& target) {
    FakeClock clock;
    net::HttpRequest request{.url = {"https", "registry.example", 443, target}, .max_response_bytes = 1U << 20U};
    return registry.Send(request, Deadline(clock, std::chrono::seconds(1))).value();
  }
  std::size_t CountIn(const std::string& target) {
    return JsonValue::Parse(Get(target).body).value().Find("manifests")->elements.size();
  }

  MemoryRegistry registry;
  FakeSigstore sigstore;
  Digest image = registry.PutImage("app", "1", "content");
  std::string of = "/v2/app/referrers/" + image.text();
};

TEST_F(Referrers, AreListedFilteredPagedAndRefused) {
  EXPECT_EQ(CountIn(of), 0U);
  const StoredDescriptor subject = registry.Describe("app", image);
  Store(registry, "app", BundleManifest(subject, {sigstore.SignImage(image).Text()}));
  Store(registry, "app", BundleManifest(subject, {sigstore.Attest(image).Text()}));
  Store(registry, "app", NotationManifest(subject, FakeNotary().Sign({.digest = image.text(), .size = subject.size})));
  EXPECT_EQ(CountIn(of), 3U);
  const std::string notation = of + "?artifactType=application%2Fvnd.cncf.notary.signature";
  EXPECT_EQ(CountIn(notation), 1U);
  EXPECT_EQ(Get(notation).Header("OCI-Filters-Applied"), "artifactType");
  registry.SetReferrers({.page_size = 2});
  EXPECT_EQ(CountIn(of), 2U);
  EXPECT_EQ(Get(of).Header("Link"), "<" + of + "?page=1>; rel=\"next\"");
  EXPECT_EQ(CountIn(of + "?page=1"), 1U);
  EXPECT_FALSE(Get(of + "?page=1").Header("Link").has_value());
  registry.SetReferrers({.filter = false});
  EXPECT_EQ(CountIn(notation), 3U);
  EXPECT_FALSE(Get(notation).Header("OCI-Filters-Applied").has_value());
  registry.SetReferrers({.api = false});
  EXPECT_EQ(Get(of).status, 404);
  registry.PutFallbackTag("app", image);
  const std::string fallback = "/v2/app/manifests/sha256-" + std::string(image.hex());
  EXPECT_EQ(CountIn(fallback), 3U);
  EXPECT_NE(Get(fallback).body.find("application/vnd.cncf.notary.signature"), std::string::npos);
  registry.PutFallbackTag("app", image, true);
  EXPECT_EQ(CountIn(fallback), 3U);
  EXPECT_EQ(Get(fallback).body.find("application/vnd.cncf.notary.signature"), std::string::npos);
  registry.SetReferrers({.status = 429});
  EXPECT_EQ(Get(of).status, 429);
}

TEST_F(Referrers, ManifestsOfCosignAndNotationHaveTheirShapes) {
  const StoredDescriptor subject = registry.Describe("app", image);
  const ArtifactManifest bundle = BundleManifest(subject, {"bundle"}, {.predicate_type = "https://x.example"});
  EXPECT_EQ(bundle.json.TextAt({"config", "digest"}),
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
  EXPECT_EQ(bundle.json.TextAt({"subject", "digest"}), image.text());
  EXPECT_EQ(bundle.json.TextAt({"annotations", "dev.sigstore.bundle.predicateType"}), "https://x.example");
  const ArtifactManifest legacy = LegacyManifest(image, {sigstore.LegacySignature(SimpleSigning(image))});
  EXPECT_EQ(legacy.tag, "sha256-" + std::string(image.hex()) + ".sig");
  EXPECT_EQ(legacy.json.Find("layers")->elements.at(0).TextAt({"mediaType"}),
            "application/vnd.dev.cosign.simplesigning.v1+json");
  Store(registry, "app", legacy);
  EXPECT_EQ(Get("/v2/app/manifests/" + legacy.tag).status, 200);
  const ArtifactManifest old = NotationManifest(subject, FakeNotary().Sign(kTarget), true);
  EXPECT_EQ(old.json.TextAt({"config", "mediaType"}), "application/vnd.cncf.notary.signature");
  EXPECT_EQ(old.json.Find("artifactType"), nullptr);
}

}  // namespace
}  // namespace gatehouse::fakes
