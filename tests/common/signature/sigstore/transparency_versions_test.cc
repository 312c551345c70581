// VerifyEntry: what one version of Rekor, or one kind of entry, has of its own.
#include <gtest/gtest.h>

#include "tests/common/signature/sigstore/logged.h"

namespace gatehouse::signature::sigstore {
namespace {

using fakes::BundleOptions;
using fakes::FakeRekor;
using fakes::FakeSigstore;
using fakes::JsonValue;
using fakes::kPkiNow;

// --- version 1

class Version1 : public testing::Test {
 protected:
  Signed Make(const BundleOptions& options = {}) { return Signed::Message(sigstore_, kArtifact, options); }
  Result<VerifiedEntry> Verify(const LogEntry& entry, const Signed& made) {
    return VerifyEntry(entry, made.Content(), material_, {});
  }
  FakeSigstore sigstore_;
  TrustMaterial material_ = sigstore_.Trust();
};

TEST_F(Version1, PromiseAlone) {
  const Signed made = Make();
  LogEntry entry = made.Entry();
  entry.proof.reset();
  const auto verified = Verify(entry, made);
  ASSERT_TRUE(verified.ok()) << verified.error().ToString();
  EXPECT_EQ(verified->integrated_time, kPkiNow);
}

// v0.1 bundles of old clients: the promise vouches, the proof is checked for what it is.
TEST_F(Version1, PromiseAndProofWithoutCheckpoint) {
  const Signed made = Make();
  LogEntry entry = made.Entry();
  entry.proof->checkpoint.clear();
  EXPECT_EQ(Explain(Verify(entry, made)), "ok");
  entry.proof->root_hash[0] ^= 1;
  EXPECT_EQ(Outcome(Verify(entry, made)), "log-proof-invalid");
}

// The legacy annotation says neither kind nor version.
TEST_F(Version1, EntryWithoutKind) {
  const Signed made = Make();
  LogEntry entry = made.Entry();
  entry.kind.clear();
  entry.version.clear();
  EXPECT_EQ(Explain(Verify(entry, made)), "ok");
}

TEST_F(Version1, PromiseDefects) {
  struct Row {
    const char* name;
    void (*edit)(LogEntry&);
    const char* outcome;
  };
  const Row rows[] = {
      {"signature", [](LogEntry& entry) { entry.promise->back() ^= 1; }, "log-proof-invalid"},
      {"empty", [](LogEntry& entry) { entry.promise->clear(); }, "log-proof-invalid"},
      {"time", [](LogEntry& entry) { *entry.integrated_time += std::chrono::seconds(1); }, "log-proof-invalid"},
      {"index", [](LogEntry& entry) { entry.log_index += 1; }, "log-proof-invalid"},
      {"no time", [](LogEntry& entry) { entry.integrated_time.reset(); }, "log-entry-malformed"},
      {"parts of a second", [](LogEntry& entry) { *entry.integrated_time += Duration(1); }, "log-entry-malformed"},
      {"before 1970", [](LogEntry& entry) { entry.integrated_time = WallTime(std::chrono::seconds(-5)); },
       "log-entry-malformed"},
  };
  const Signed made = Make();
  for (const Row& row : rows) {
    LogEntry entry = made.Entry();
    row.edit(entry);
    EXPECT_EQ(Outcome(Verify(entry, made)), row.outcome) << row.name;
  }
}

TEST_F(Version1, LogsOfEveryKeyType) {
  for (const crypto::KeyType type : {crypto::KeyType::kEcP256, crypto::KeyType::kRsa, crypto::KeyType::kEd25519}) {
    FakeSigstore::Options options;
    options.rekor_v1.key_type = type;
    FakeSigstore sigstore(options);
    const Signed made = Signed::Message(sigstore, kArtifact, {});
    EXPECT_EQ(Explain(VerifyEntry(made.Entry(), made.Content(), sigstore.Trust())), "ok") << static_cast<int>(type);
  }
}

// The digest is compared under the algorithm that the entry names, if the bytes are there to hash.
TEST_F(Version1, EntryWithAnotherHash) {
  BundleOptions options;
  options.edit_body = [](JsonValue& body) {
    JsonValue& hash = body.Member("spec").Member("data").Member("hash");
    hash.Member("algorithm") = JsonValue::String("sha512");
    hash.Member("value") = JsonValue::String(EncodeHex(crypto::Hash(HashAlgorithm::kSha512, AsBytes(kArtifact))));
  };
  const Signed made = Make(options);
  EXPECT_EQ(Outcome(Verify(made.Entry(), made)), "log-entry-mismatch");
  SignedContent content = made.Content();
  content.bytes = AsBytes(kArtifact);
  EXPECT_EQ(Explain(VerifyEntry(made.Entry(), content, material_)), "ok");
  content.bytes = AsBytes("other");
  EXPECT_EQ(Outcome(VerifyEntry(made.Entry(), content, material_)), "log-entry-mismatch");
}

TEST_F(Version1, HashDefects) {
  struct Row {
    const char* name;
    const char* algorithm;
    std::string value;
  };
  const std::string good = EncodeHex(crypto::Hash(HashAlgorithm::kSha256, AsBytes(kArtifact)));
  std::string upper = good;
  for (char& c : upper) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  const Row rows[] = {
      {"sha1", "sha1", std::string(40, '0')},     {"another name", "SHA256", good},   {"upper case", "sha256", upper},
      {"short", "sha256", good.substr(2)},        {"another's size", "sha512", good}, {"empty", "sha256", ""},
      {"not hex", "sha256", std::string(64, 'x')}};
  for (const Row& row : rows) {
    BundleOptions options;
    options.edit_body = [&](JsonValue& body) {
      JsonValue& hash = body.Member("spec").Member("data").Member("hash");
      hash.Member("algorithm") = JsonValue::String(row.algorithm);
      hash.Member("value") = JsonValue::String(row.value);
    };
    const Signed made = Make(options);
    EXPECT_EQ(Outcome(Verify(made.Entry(), made)), "log-entry-malformed") << row.name;
  }
}

TEST_F(Version1, PemDefects) {
  const fakes::TestCertificate other = sigstore_.Issue();
  const Signed plain = Make();
  struct Row {
    const char* name;
    std::string pem;
  };
  const Row rows[] = {{"two certificates", plain.bundle.certificate->pem + other.pem},
                      {"a private key", plain.bundle.key.Pem()},
                      {"no PEM", "certificate"},
                      {"text before", "x\n" + plain.bundle.certificate->pem}};
  for (const Row& row : rows) {
    BundleOptions options;
    options.edit_body = [&](JsonValue& body) {
      fakes::At(body, "/spec/signature/publicKey/content") = JsonValue::String(EncodeBase64(AsBytes(row.pem)));
    };
    const Signed made = Make(options);
    EXPECT_EQ(Outcome(Verify(made.Entry(), made)), "log-entry-malformed") << row.name;
  }
}

// An old client logged its RSA key in PKCS#1.
TEST_F(Version1, KeyInPkcs1) {
  BundleOptions options;
  options.key = crypto::PrivateKey::Generate(crypto::KeyType::kRsa).value();
  const Bytes spki = options.key->Public().Spki();
  // SubjectPublicKeyInfo of RSA 2048: 24 bytes before the RSAPublicKey.
  const std::string pkcs1 = EncodeBase64(BytesView(spki).subspan(24));
  std::string pem = "-----BEGIN RSA PUBLIC KEY-----\n";
  for (std::size_t i = 0; i < pkcs1.size(); i += 64) pem += pkcs1.substr(i, 64) + "\n";
  pem += "-----END RSA PUBLIC KEY-----\n";
  options.edit_body = [&](JsonValue& body) {
    fakes::At(body, "/spec/signature/publicKey/content") = JsonValue::String(EncodeBase64(AsBytes(pem)));
  };
  const Signed made = Make(options);
  EXPECT_EQ(Explain(Verify(made.Entry(), made)), "ok");
  SignedContent content = made.Content();
  const crypto::PublicKey other = crypto::PrivateKey::Generate(crypto::KeyType::kRsa).value().Public();
  content.key = &other;
  EXPECT_EQ(Outcome(VerifyEntry(made.Entry(), content, material_)), "log-entry-mismatch");
}

// --- envelopes with several signatures: every one of the entry is one of the envelope, and the other way round

TEST(Envelopes, EntryWithAnotherNumberOfSignatures) {
  for (const char* kind : {"dsse", "intoto"}) {
    FakeSigstore sigstore;
    BundleOptions options;
    options.entry_kind = kind;
    const Signed made = Signed::Dsse(sigstore, kPayload, options);
    Envelope two = *made.Content().envelope;
    two.signatures.push_back(two.signatures.front());
    two.signatures.back().signature.back() ^= 1;
    SignedContent content = made.Content();
    content.envelope = &two;
    EXPECT_EQ(Outcome(VerifyEntry(made.Entry(), content, sigstore.Trust()), "another number"), "log-entry-mismatch");

    options.edit_body = [&](JsonValue& body) {
      JsonValue& list =
          fakes::At(body, std::string_view(kind) == "dsse" ? "/spec/signatures" : "/spec/content/envelope/signatures");
      list.elements.push_back(list.elements.front());
    };
    const Signed doubled = Signed::Dsse(sigstore, kPayload, options);
    EXPECT_EQ(Outcome(VerifyEntry(doubled.Entry(), doubled.Content(), sigstore.Trust()), "another number"),
              "log-entry-mismatch");
  }
}

// One signature of the envelope is not taken for two of the entry.
TEST(Envelopes, OneSignatureTwiceInTheEntry) {
  FakeSigstore sigstore;
  BundleOptions options;
  options.edit_body = [](JsonValue& body) {
    JsonValue& list = fakes::At(body, "/spec/signatures");
    list.elements.push_back(list.elements.front());
  };
  const Signed made = Signed::Dsse(sigstore, kPayload, options);
  Envelope two = *made.Content().envelope;
  two.signatures.push_back({Bytes{1, 2, 3}, ""});
  SignedContent content = made.Content();
  content.envelope = &two;
  EXPECT_EQ(Outcome(VerifyEntry(made.Entry(), content, sigstore.Trust()), "another signature"), "log-entry-mismatch");
}

TEST(Envelopes, NoSignatureInTheEntry) {
  FakeSigstore sigstore;
  BundleOptions options;
  options.edit_body = [](JsonValue& body) { fakes::At(body, "/spec/signatures").elements.clear(); };
  const Signed made = Signed::Dsse(sigstore, kPayload, options);
  EXPECT_EQ(Outcome(VerifyEntry(made.Entry(), made.Content(), sigstore.Trust())), "log-entry-malformed");
}

TEST(Envelopes, TooManySignaturesInTheEntry) {
  FakeSigstore sigstore;
  BundleOptions options;
  options.edit_body = [](JsonValue& body) {
    JsonValue& list = fakes::At(body, "/spec/signatures");
    list.elements.resize(101, list.elements.front());
  };
  const Signed made = Signed::Dsse(sigstore, kPayload, options);
  EXPECT_EQ(Outcome(VerifyEntry(made.Entry(), made.Content(), sigstore.Trust())), "limit-exceeded");
}

// A message is not an envelope, though its bytes be the same.
TEST(Envelopes, EntryOfAMessageForAnEnvelope) {
  FakeSigstore sigstore;
  const Signed envelope = Signed::Dsse(sigstore, kPayload, {});
  const Signed message = Signed::Message(sigstore, kPayload, {});
  EXPECT_EQ(Outcome(VerifyEntry(message.Entry(), envelope.Content(), sigstore.Trust()), "another kind of content"),
            "log-entry-mismatch");
  EXPECT_EQ(Outcome(VerifyEntry(envelope.Entry(), message.Content(), sigstore.Trust()), "another kind of content"),
            "log-entry-mismatch");
}

// What intoto 0.0.2 holds is the envelope's own base64, of either alphabet, in base64.
TEST(Envelopes, InTotoSignatureInTheUrlSafeAlphabet) {
  FakeSigstore sigstore;
  BundleOptions options;
  options.entry_kind = "intoto";
  std::string written;
  options.edit_body = [&](JsonValue& body) {
    JsonValue& sig = fakes::At(body, "/spec/content/envelope/signatures/0/sig");
    std::string inner(AsText(DecodeBase64(sig.text).value()));
    for (char& c : inner) c = c == '+' ? '-' : c == '/' ? '_' : c;
    written = inner;
    sig = JsonValue::String(EncodeBase64(AsBytes(inner)));
  };
  bool url_safe = false;
  for (int i = 0; i < 20 && !url_safe; ++i) {
    const Signed made = Signed::Dsse(sigstore, kPayload, options);
    EXPECT_EQ(Explain(VerifyEntry(made.Entry(), made.Content(), sigstore.Trust())), "ok") << written;
    url_safe = written.find_first_of("-_") != std::string::npos;
  }
  EXPECT_TRUE(url_safe);
}

// cosign until 2.1: the hash of the envelope's JSON, and the key. Nothing else says which signature it is.
TEST(Envelopes, InTotoOfTheFirstVersion) {
  FakeSigstore sigstore;
  const TrustMaterial material = sigstore.Trust();
  const Signed made = Signed::Dsse(sigstore, kPayload, {});
  const std::string json = made.bundle.json.Find("dsseEnvelope")->Write();
  const auto hash = [](std::string_view text) {
    return R"({"algorithm":"sha256","value":")" + EncodeHex(crypto::Hash(HashAlgorithm::kSha256, AsBytes(text))) +
           R"("})";
  };
  const auto add = [&](const std::string& content, const std::string& pem) {
    const std::string body = R"({"apiVersion":"0.0.1","kind":"intoto","spec":{"content":{)" + content +
                             R"(},"publicKey":")" + EncodeBase64(AsBytes(pem)) + R"("}})";
    return EntryOf(sigstore.rekor_v1().Add("intoto", "0.0.1", body));
  };
  const std::string pem = made.bundle.certificate->pem;
  const std::string both = R"("hash":)" + hash(json) + R"(,"payloadHash":)" + hash(kPayload);
  SignedContent content = made.Content();
  content.envelope_json = json;
  EXPECT_EQ(Explain(VerifyEntry(add(both, pem), content, material)), "ok");
  EXPECT_EQ(Explain(VerifyEntry(add(R"("hash":)" + hash(json), pem), content, material)), "ok");

  EXPECT_EQ(Outcome(VerifyEntry(add(both, sigstore.Issue().pem), content, material)), "log-entry-mismatch");
  EXPECT_EQ(Outcome(VerifyEntry(add(both, content.key->Pem()), content, material)), "log-entry-mismatch");
  EXPECT_EQ(Outcome(VerifyEntry(add(R"("hash":)" + hash(json + " "), pem), content, material)), "log-entry-mismatch");
  EXPECT_EQ(Outcome(VerifyEntry(add(R"("payloadHash":)" + hash(kPayload), pem), content, material)),
            "log-entry-malformed");
  EXPECT_EQ(Outcome(VerifyEntry(add(both + R"(,"x":1)", pem), content, material)), "log-entry-malformed");
  content.envelope_json.reset();
  EXPECT_EQ(Outcome(VerifyEntry(add(both, pem), content, material)), "log-entry-mismatch");
  content.envelope_json = json;
  Envelope two = *content.envelope;
  two.signatures.push_back(two.signatures.front());
  content.envelope = &two;
  EXPECT_EQ(Outcome(VerifyEntry(add(both, pem), content, material), "another number"), "log-entry-mismatch");
  const Signed message = Signed::Message(sigstore, kPayload, {});
  content = message.Content();
  content.envelope_json = json;
  EXPECT_EQ(Outcome(VerifyEntry(add(both, pem), content, material)), "log-entry-mismatch");
}

// --- version 2

class Version2 : public testing::Test {
 protected:
  BundleOptions Options() {
    BundleOptions options;
    options.logs = std::vector<FakeRekor*>{&sigstore_.rekor_v2()};
    return options;
  }
  Signed Make(const BundleOptions& options) { return Signed::Message(sigstore_, kArtifact, options); }
  Result<VerifiedEntry> Verify(const LogEntry& entry, const Signed& made) {
    return VerifyEntry(entry, made.Content(), material_, {});
  }
  FakeSigstore sigstore_;
  TrustMaterial material_ = sigstore_.Trust();
};

TEST_F(Version2, LogsOfEveryKeyType) {
  for (const crypto::KeyType type : {crypto::KeyType::kEcP256, crypto::KeyType::kEd25519}) {
    FakeSigstore::Options options;
    options.rekor_v2.key_type = type;
    FakeSigstore sigstore(options);
    BundleOptions bundle;
    bundle.logs = std::vector<FakeRekor*>{&sigstore.rekor_v2()};
    const Signed made = Signed::Message(sigstore, kArtifact, bundle);
    EXPECT_EQ(Explain(VerifyEntry(made.Entry(), made.Content(), sigstore.Trust())), "ok") << static_cast<int>(type);
  }
}

// A log that an operator names by key and URL alone: its entries name it by the id of its checkpoints.
TEST_F(Version2, LogByKeyAndUrl) {
  const Signed made = Make(Options());
  material_.logs = {MakeLog(sigstore_.rekor_v2().key().Public(), sigstore_.rekor_v2().options().url)};
  EXPECT_EQ(Explain(Verify(made.Entry(), made)), "ok");
  material_.logs = {MakeLog(sigstore_.rekor_v2().key().Public(), "")};
  EXPECT_EQ(Outcome(Verify(made.Entry(), made)), "log-untrusted");
}

TEST_F(Version2, LogByItsShortCheckpointId) {
  const Signed made = Make(Options());
  Log log = MakeLog(sigstore_.rekor_v2().key().Public(), sigstore_.rekor_v2().options().url);
  log.id = log.checkpoint_id;
  log.checkpoint_id.resize(4);
  material_.logs = {log};
  EXPECT_EQ(Explain(Verify(made.Entry(), made)), "ok");
}

// rekor-v2-spec section 4.2; the log's key would sign anything, but such a log signs no promise.
TEST_F(Version2, Promise) {
  const Signed made = Make(Options());
  LogEntry entry = made.Entry();
  entry.integrated_time = kPkiNow;
  entry.promise = sigstore_.rekor_v2().Promise(entry.body, kPkiNow.time_since_epoch().count() / 1000, entry.log_index);
  EXPECT_EQ(Outcome(Verify(entry, made), "make no promises"), "log-entry-malformed");
}

// CLIENTS.md: "TransparencyLogEntry.integrated_time will always be 0. It MUST be ignored".
TEST_F(Version2, IntegratedTimeIsIgnored) {
  const Signed made = Make(Options());
  LogEntry entry = made.Entry();
  for (const std::int64_t seconds : {std::int64_t{0}, std::int64_t{1'800'000'000}}) {
    entry.integrated_time = WallTime(std::chrono::seconds(seconds));
    const auto verified = Verify(entry, made);
    ASSERT_TRUE(verified.ok()) << verified.error().ToString();
    EXPECT_EQ(verified->integrated_time, std::nullopt);
  }
}

TEST_F(Version2, KeyDetails) {
  struct Row {
    const char* details;
    const char* outcome;
  };
  const Row rows[] = {
      {"PKIX_ECDSA_P256_SHA_256", "ok"},         {"PKIX_ECDSA_P384_SHA_384", "log-entry-mismatch"},
      {"PKIX_ED25519_PH", "log-entry-mismatch"}, {"PKIX_RSA_PKCS1V15_2048_SHA256", "log-entry-mismatch"},
      {"ML_DSA_65", "log-entry-mismatch"},       {"", "log-entry-malformed"}};
  for (const Row& row : rows) {
    BundleOptions options = Options();
    options.edit_body = [&](JsonValue& body) {
      fakes::At(body, "/spec/hashedRekordV002/signature/verifier/keyDetails") = JsonValue::String(row.details);
    };
    const Signed made = Make(options);
    EXPECT_EQ(Outcome(Verify(made.Entry(), made)), row.outcome) << row.details;
  }
}

TEST_F(Version2, VerifierWithBothOrNeither) {
  BundleOptions options = Options();
  options.edit_body = [](JsonValue& body) {
    fakes::At(body, "/spec/hashedRekordV002/signature/verifier/publicKey/rawBytes") = JsonValue::String("AAAA");
  };
  const Signed both = Make(options);
  EXPECT_EQ(Outcome(Verify(both.Entry(), both)), "log-entry-malformed");
  options.edit_body = [](JsonValue& body) {
    fakes::Remove(body, "/spec/hashedRekordV002/signature/verifier/x509Certificate");
  };
  const Signed neither = Make(options);
  EXPECT_EQ(Outcome(Verify(neither.Entry(), neither)), "log-entry-malformed");
}

TEST_F(Version2, DigestDefects) {
  struct Row {
    const char* algorithm;
    std::size_t bytes;
    const char* outcome;
  };
  const Row rows[] = {
      {"SHA2_256", 32, "log-entry-mismatch"}, {"SHA2_384", 48, "log-entry-mismatch"},
      {"SHA2_512", 64, "log-entry-mismatch"}, {"SHA2_256", 31, "log-entry-malformed"},
      {"sha256", 32, "log-entry-malformed"},  {"HASH_ALGORITHM_UNSPECIFIED", 32, "log-entry-malformed"}};
  for (const Row& row : rows) {
    BundleOptions options = Options();
    options.edit_body = [&](JsonValue& body) {
      JsonValue& data = fakes::At(body, "/spec/hashedRekordV002/data");
      data.Member("algorithm") = JsonValue::String(row.algorithm);
      data.Member("digest") = JsonValue::String(EncodeBase64(Bytes(row.bytes, 1)));
    };
    const Signed made = Make(options);
    EXPECT_EQ(Outcome(Verify(made.Entry(), made)), row.outcome) << row.algorithm << row.bytes;
  }
}

// A v2 entry in a v1 log that pretends to be of v1 would escape v2's rules.
TEST_F(Version2, BodyThatDoesNotSayItsVersion) {
  const Signed made = Make(Options());
  LogEntry entry = made.Entry();
  entry.kind.clear();
  entry.version.clear();
  EXPECT_EQ(Outcome(Verify(entry, made), "does not say so"), "log-entry-malformed");
}

}  // namespace
}  // namespace gatehouse::signature::sigstore
