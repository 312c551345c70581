// The fakes against OpenSSL's own verifiers, and against each other: what the tests of the real verifiers build on.
#include "tests/fakes/sigstore.h"

#include <gtest/gtest.h>
#include <openssl/ct.h>
#include <openssl/ts.h>
#include <openssl/x509v3.h>

#include <memory>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"

namespace gatehouse::fakes {
namespace {

template <auto kFree>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using X509Owner = std::unique_ptr<X509, FreeWith<X509_free>>;

X509Owner ToX509(const Bytes& der) {
  const unsigned char* at = der.data();
  return X509Owner(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

const JsonValue& Entry(const SignedBundle& bundle) {
  return bundle.json.At({"verificationMaterial", "tlogEntries"})->elements.at(0);
}

Bytes FromBase64(const std::string& text) {
  return DecodeBase64(text).value();
}

// Whether OpenSSL's Certificate Transparency code accepts the only SCT of the certificate.
bool SctIsValid(const TestCertificate& certificate, const TestCa& issuer, const FakeCtLog& log) {
  const X509Owner leaf = ToX509(certificate.der);
  const X509Owner ca = ToX509(issuer.der());
  const std::unique_ptr<STACK_OF(SCT), FreeWith<SCT_LIST_free>> list(
      static_cast<STACK_OF(SCT)*>(X509_get_ext_d2i(leaf.get(), NID_ct_precert_scts, nullptr, nullptr)));
  if (!list || sk_SCT_num(list.get()) != 1) return false;
  const Bytes spki = log.key().Public().Spki();
  const unsigned char* at = spki.data();
  std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>> key(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  const std::unique_ptr<CTLOG, FreeWith<CTLOG_free>> ct_log(CTLOG_new(key.release(), "test"));
  const std::unique_ptr<CTLOG_STORE, FreeWith<CTLOG_STORE_free>> store(CTLOG_STORE_new());
  const std::unique_ptr<CT_POLICY_EVAL_CTX, FreeWith<CT_POLICY_EVAL_CTX_free>> context(CT_POLICY_EVAL_CTX_new());
  CT_POLICY_EVAL_CTX_set1_cert(context.get(), leaf.get());
  CT_POLICY_EVAL_CTX_set1_issuer(context.get(), ca.get());
  CT_POLICY_EVAL_CTX_set_time(context.get(), static_cast<std::uint64_t>(kPkiNotAfter.time_since_epoch().count()));
  // The store cannot be filled from memory; a log of a file is what it knows.
  const std::string path = ::testing::TempDir() + "/ct_log_list.cnf";
  std::unique_ptr<BIO, FreeWith<BIO_free_all>> file(BIO_new_file(path.c_str(), "w"));
  BIO_printf(file.get(), "enabled_logs = one\n[one]\ndescription = test\nkey = %s\n", EncodeBase64(spki).c_str());
  file.reset();
  if (CTLOG_STORE_load_file(store.get(), path.c_str()) != 1) return false;
  CT_POLICY_EVAL_CTX_set_shared_CTLOG_STORE(context.get(), store.get());
  return SCT_validate(sk_SCT_value(list.get(), 0), context.get()) == 1;
}

bool StampIsValid(const Bytes& response, const std::string& message, const FakeTimestampAuthority& authority) {
  const unsigned char* at = response.data();
  const std::unique_ptr<TS_RESP, FreeWith<TS_RESP_free>> parsed(
      d2i_TS_RESP(nullptr, &at, static_cast<long>(response.size())));
  if (!parsed) return false;
  const std::unique_ptr<TS_VERIFY_CTX, FreeWith<TS_VERIFY_CTX_free>> context(TS_VERIFY_CTX_new());
  TS_VERIFY_CTX_set_flags(context.get(), TS_VFY_VERSION | TS_VFY_SIGNER | TS_VFY_SIGNATURE | TS_VFY_DATA);
  TS_VERIFY_CTX_set_data(context.get(), BIO_new_mem_buf(message.data(), static_cast<int>(message.size())));
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, ToX509(authority.root().der()).get());
  X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store),
                             std::chrono::duration_cast<std::chrono::seconds>(kPkiNow.time_since_epoch()).count());
  TS_VERIFY_CTX_set_store(context.get(), store);
  return TS_RESP_verify_response(context.get(), parsed.get()) == 1;
}

// RFC 6962 section 2.1.1, by recursion over the path from its end: a way that shares nothing with a verifier's loop.
Bytes RootOf(const Bytes& leaf, std::size_t index, std::size_t size, std::vector<Bytes> path) {
  if (size == 1) return leaf;
  std::size_t k = 1;
  while (k * 2 < size) k *= 2;
  const Bytes sibling = path.back();
  path.pop_back();
  Bytes joined{1};
  const Bytes child = index < k ? RootOf(leaf, index, k, path) : RootOf(leaf, index - k, size - k, path);
  Append(joined, index < k ? child : sibling);
  Append(joined, index < k ? sibling : child);
  return crypto::Hash(HashAlgorithm::kSha256, joined);
}

TEST(FakeSigstore, LeafChainsToTheRootAndLooksLikeFulcios) {
  const FakeSigstore sigstore;
  const TestCertificate leaf = sigstore.Issue(
      {.names = "URI:https://ci.example/w@refs/heads/main", .claims = {{2, "push"}, {12, "https://ci.example/repo"}}});
  const auto path =
      crypto::VerifyChain(leaf.certificate, {sigstore.intermediate().certificate()}, {sigstore.root().certificate()},
                          {.at = kPkiNow, .required_eku = "1.3.6.1.5.5.7.3.3", .tolerated_critical_oids = {}});
  EXPECT_TRUE(path.ok());
  EXPECT_EQ(leaf.certificate.Subject(), "");
  EXPECT_EQ(leaf.certificate.NotAfter() - leaf.certificate.NotBefore(), std::chrono::minutes(10));
  EXPECT_EQ(leaf.certificate.Extension("1.3.6.1.4.1.57264.1.1"), ToBytes("https://issuer.example"));
  EXPECT_EQ(leaf.certificate.Extension("1.3.6.1.4.1.57264.1.8"), ToBytes("\x0c\x16https://issuer.example"));
  EXPECT_EQ(leaf.certificate.Extension("1.3.6.1.4.1.57264.1.2"), ToBytes("push"));
  EXPECT_EQ(leaf.certificate.Extension("1.3.6.1.4.1.57264.1.12"), ToBytes("\x0c\x17https://ci.example/repo"));
}

TEST(FakeSigstore, NamesOfEveryKindCanBeIssued) {
  const FakeSigstore sigstore;
  for (const char* names : {"email:a@b.example", "URI:https://x.example/y", "DNS:x.example",
                            "otherName:1.3.6.1.4.1.57264.1.7;UTF8:user!idm.example", "email:a@b,URI:https://x"}) {
    EXPECT_TRUE(sigstore.Issue({.names = names}).certificate.Extension("2.5.29.17").has_value()) << names;
  }
  EXPECT_FALSE(sigstore.Issue({.names = ""}).certificate.Extension("2.5.29.17").has_value());
}

TEST(FakeSigstore, OpenSslAcceptsItsSctAndNoneOfTheSpoiltOnes) {
  const FakeSigstore sigstore;
  const auto valid = [&](const LeafOptions& options) {
    return SctIsValid(sigstore.Issue(options), sigstore.intermediate(), sigstore.ct_log());
  };
  EXPECT_TRUE(valid({}));
  EXPECT_TRUE(valid({.sct_first = true}));
  EXPECT_TRUE(valid({.scts = {{SctOptions{.extensions = {1, 2, 3}}}}}));
  const FakeCtLog other;
  EXPECT_FALSE(valid({.scts = {{SctOptions{.log = &other}}}}));
  EXPECT_FALSE(valid({.scts = {{SctOptions{.wrong_issuer = true}}}}));
  EXPECT_FALSE(valid({.scts = {{SctOptions{.wrong_tbs = true}}}}));
  EXPECT_FALSE(valid({.scts = {{SctOptions{.edit = [](Bytes& sct) { sct.back() ^= 1U; }}}}}));
  EXPECT_FALSE(valid({.scts = std::vector<SctOptions>{}}));
  EXPECT_FALSE(FakeSigstore({.private_ca = true}).Issue().certificate.Extension("1.3.6.1.4.1.11129.2.4.2").has_value());
}

TEST(FakeTimestampAuthority, OpenSslAcceptsItsTokensAndNoneOfTheSpoiltOnes) {
  const FakeTimestampAuthority authority;
  using SigningCertificate = StampOptions::SigningCertificate;
  const auto valid = [&](const StampOptions& options) {
    return StampIsValid(authority.Stamp(AsBytes("message"), options), "message", authority);
  };
  EXPECT_TRUE(valid({}));
  EXPECT_TRUE(valid({.at = kPkiNow + Duration(120)}));
  EXPECT_TRUE(valid({.imprint = HashAlgorithm::kSha512, .hash = HashAlgorithm::kSha384}));
  EXPECT_TRUE(valid({.nonce = 7, .accuracy_seconds = 1}));
  EXPECT_TRUE(valid({.signing_certificate = SigningCertificate::kV1}));
  EXPECT_FALSE(valid({.imprint_instead = Bytes(32, 1)}));
  EXPECT_FALSE(valid({.signing_certificate = SigningCertificate::kNone}));
  EXPECT_FALSE(valid({.signing_certificate = SigningCertificate::kOfAnother}));
  EXPECT_FALSE(valid({.embed_certificates = false}));
  EXPECT_FALSE(valid({.version = 2}));
  EXPECT_FALSE(valid({.status = 2}));
  EXPECT_FALSE(valid({.two_signers = true}));
  const FakeTimestampAuthority wrong_usage({.extended_key_usage = "critical,codeSigning"});
  EXPECT_FALSE(StampIsValid(wrong_usage.Stamp(AsBytes("message")), "message", wrong_usage));
}

TEST(FakeRekor, ProofsLeadToTheSignedRootInTreesOfEverySize) {
  for (std::size_t earlier = 0; earlier < 9; ++earlier) {
    for (const int version : {1, 2}) {
      FakeRekor log({.version = version, .earlier = earlier});
      const JsonValue entry = log.Add("hashedrekord", "0.0.1", "{\"a\":1}", {.later = earlier % 3});
      const JsonValue& proof = *entry.Find("inclusionProof");
      std::vector<Bytes> path;
      for (const JsonValue& hash : proof.Find("hashes")->elements) path.push_back(FromBase64(hash.text));
      const std::size_t size = std::stoul(proof.TextAt({"treeSize"}));
      const Bytes root = RootOf(MerkleLeaf(AsBytes("{\"a\":1}")), earlier, size, path);
      EXPECT_EQ(EncodeBase64(root), proof.TextAt({"rootHash"}));
      const std::string note = proof.TextAt({"checkpoint", "envelope"});
      const std::string text = note.substr(0, note.find("\n\n") + 1);
      EXPECT_EQ(text.rfind(log.Origin() + "\n" + std::to_string(size) + "\n" + EncodeBase64(root) + "\n", 0), 0U);
      const std::string line = note.substr(text.size() + 1);
      const std::string name = "\xE2\x80\x94 rekor.example ";
      ASSERT_EQ(line.rfind(name, 0), 0U);
      const Bytes blob = FromBase64(line.substr(name.size(), line.size() - name.size() - 1));
      const Bytes id = log.KeyId();
      EXPECT_EQ(Bytes(blob.begin(), blob.begin() + 4), Bytes(id.begin(), id.begin() + 4));
      EXPECT_TRUE(log.key().Public().Verify(version == 1 ? crypto::Scheme::kEcdsaDer : crypto::Scheme::kEd25519,
                                            HashAlgorithm::kSha256, AsBytes(text), BytesView(blob).subspan(4)));
    }
  }
}

TEST(FakeRekor, PromiseIsOverTheFourMembers) {
  FakeSigstore sigstore;
  const SignedBundle bundle = sigstore.SignMessage("artefact");
  const JsonValue& entry = Entry(bundle);
  const std::string message = "{\"body\":\"" + entry.TextAt({"canonicalizedBody"}) +
                              "\",\"integratedTime\":" + entry.TextAt({"integratedTime"}) + ",\"logID\":\"" +
                              EncodeHex(sigstore.rekor_v1().KeyId()) + "\",\"logIndex\":" + entry.TextAt({"logIndex"}) +
                              "}";
  EXPECT_TRUE(sigstore.rekor_v1().key().Public().Verify(
      crypto::Scheme::kEcdsaDer, HashAlgorithm::kSha256, AsBytes(message),
      FromBase64(entry.TextAt({"inclusionPromise", "signedEntryTimestamp"}))));
  EXPECT_NE(entry.TextAt({"logIndex"}), entry.TextAt({"inclusionProof", "logIndex"}));
}

TEST(FakeSigstore, MessageSignatureAndEnvelopeVerifyUnderTheLeaf) {
  FakeSigstore sigstore;
  const SignedBundle message = sigstore.SignMessage("artefact");
  const auto verify = [](const SignedBundle& bundle, std::string_view over) {
    return bundle.certificate->certificate.Key()->Verify(crypto::Scheme::kEcdsaDer, HashAlgorithm::kSha256,
                                                         AsBytes(over), bundle.signature);
  };
  EXPECT_TRUE(verify(message, "artefact"));
  const SignedBundle envelope = sigstore.SignEnvelope("{}");
  EXPECT_TRUE(verify(envelope, "DSSEv1 28 application/vnd.in-toto+json 2 {}"));
  EXPECT_EQ(envelope.json.TextAt({"dsseEnvelope", "payload"}), "e30=");
}

TEST(FakeSigstore, EntriesHaveTheShapesThatRekorWrites) {
  FakeSigstore sigstore;
  const auto body = [](const SignedBundle& bundle) {
    return std::string(AsText(FromBase64(Entry(bundle).TextAt({"canonicalizedBody"})))).substr(0, 90);
  };
  const std::string v1 = body(sigstore.SignMessage("x"));
  EXPECT_EQ(v1.rfind(R"({"apiVersion":"0.0.1","kind":"hashedrekord","spec":{"data":{"hash":{"algorithm":"sha256",)", 0),
            0U)
      << v1;
  const std::string dsse = body(sigstore.SignEnvelope("{}"));
  EXPECT_EQ(dsse.rfind(R"({"apiVersion":"0.0.1","kind":"dsse","spec":{"envelopeHash":{"algorithm":"sha256",)", 0), 0U)
      << dsse;
  const std::string intoto = body(sigstore.SignEnvelope("{}", {.entry_kind = "intoto"}));
  EXPECT_EQ(intoto.rfind(R"({"apiVersion":"0.0.2","kind":"intoto","spec":{"content":{"envelope":{"payloadType":)", 0),
            0U)
      << intoto;
  const std::string v2 = body(sigstore.SignEnvelope("{}", {.logs = {{&sigstore.rekor_v2()}}}));
  EXPECT_EQ(v2.rfind(R"({"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":)", 0), 0U)
      << v2;
}

TEST(FakeSigstore, SecondVersionOfTheLogComesWithATimestampAndNoTime) {
  FakeSigstore sigstore;
  const SignedBundle bundle = sigstore.SignMessage("x", {.logs = {{&sigstore.rekor_v2()}}});
  EXPECT_EQ(Entry(bundle).Find("integratedTime"), nullptr);
  const JsonValue* stamps = bundle.json.At({"verificationMaterial", "timestampVerificationData", "rfc3161Timestamps"});
  ASSERT_NE(stamps, nullptr);
  EXPECT_TRUE(StampIsValid(FromBase64(stamps->elements.at(0).TextAt({"signedTimestamp"})),
                           std::string(AsText(bundle.signature)), sigstore.timestamp_authority()));
}

TEST(FakeSigstore, BundlesOfEachVersionHaveItsMediaTypeAndKeyMaterial) {
  FakeSigstore sigstore;
  struct Case {
    const char* version;
    const char* media_type;
    const char* material;
  };
  for (const Case& each :
       {Case{"0.1", "application/vnd.dev.sigstore.bundle+json;version=0.1", "x509CertificateChain"},
        Case{"0.2", "application/vnd.dev.sigstore.bundle+json;version=0.2", "x509CertificateChain"},
        Case{"0.3", "application/vnd.dev.sigstore.bundle.v0.3+json", "certificate"},
        Case{"0.3+json;version", "application/vnd.dev.sigstore.bundle+json;version=0.3", "certificate"},
        Case{"a/b", "a/b", "certificate"}}) {
    const SignedBundle bundle = sigstore.SignMessage("x", {.version = each.version});
    EXPECT_EQ(bundle.json.TextAt({"mediaType"}), each.media_type);
    EXPECT_NE(bundle.json.At({"verificationMaterial", each.material}), nullptr) << each.version;
  }
  const auto key = crypto::PrivateKey::Generate(crypto::KeyType::kEd25519).value();
  const SignedBundle keyed = sigstore.SignMessage("x", {.key = key});
  EXPECT_EQ(keyed.json.TextAt({"verificationMaterial", "publicKey", "hint"}), "hint");
  EXPECT_FALSE(keyed.certificate.has_value());
}

TEST(FakeSigstore, LegacyLayersCarryWhatCosignWrites) {
  FakeSigstore sigstore;
  const Digest image = crypto::Sha256Digest(AsBytes("image"));
  const std::string payload = SimpleSigning(image, {{"a", "b"}});
  const LegacyLayer layer = sigstore.LegacySignature(payload, {.authorities = {{&sigstore.timestamp_authority()}}});
  EXPECT_EQ(layer.payload, payload);
  for (const char* name :
       {"dev.cosignproject.cosign/signature", "dev.sigstore.cosign/certificate", "dev.sigstore.cosign/chain",
        "dev.sigstore.cosign/bundle", "dev.sigstore.cosign/rfc3161timestamp"}) {
    EXPECT_EQ(layer.annotations.count(name), 1U) << name;
  }
  const LegacyLayer attestation =
      sigstore.LegacyAttestation(Statement(image), {.authorities = {{&sigstore.timestamp_authority()}}});
  EXPECT_EQ(attestation.annotations.at("dev.cosignproject.cosign/signature"), "");
  EXPECT_EQ(attestation.annotations.at("predicateType"), "https://slsa.dev/provenance/v1");
  const auto stamp = JsonValue::Parse(attestation.annotations.at("dev.sigstore.cosign/rfc3161timestamp"));
  EXPECT_TRUE(StampIsValid(FromBase64(stamp->TextAt({"SignedRFC3161Timestamp"})), attestation.payload,
                           sigstore.timestamp_authority()));
}

TEST(FakeSigstore, PointersFindAndMakeAndRemove) {
  JsonValue json = JsonValue::Parse(R"({"a":[{"b":"c"}]})").value();
  At(json, "/a/0/b") = JsonValue::String("d");
  At(json, "/a/-") = JsonValue::String("e");
  At(json, "/x/y") = JsonValue::Number(1);
  EXPECT_EQ(json.Write(), R"({"a":[{"b":"d"},"e"],"x":{"y":1}})");
  Remove(json, "/a/0");
  Remove(json, "/x");
  EXPECT_EQ(json.Write(), R"({"a":["e"]})");
  EXPECT_THROW(Remove(json, "/nothing"), std::out_of_range);
}

TEST(FakeSigstore, TimesAreWrittenAsRfc3339) {
  EXPECT_EQ(TimeText(kPkiNow), "2027-01-01T00:00:00Z");
  EXPECT_EQ(TimeText(kPkiNow + Duration(3'723'045)), "2027-01-01T01:02:03.045Z");
}

}  // namespace
}  // namespace gatehouse::fakes
