// VerifyEntry: the valid forms of every kind, then one thing broken.
#include "common/signature/sigstore/transparency.h"

#include <gtest/gtest.h>

#include "tests/common/base/outcome.h"
#include "tests/common/signature/sigstore/logged.h"

namespace gatehouse::signature::sigstore {
namespace {

using fakes::BundleOptions;
using fakes::FakeRekor;
using fakes::FakeSigstore;
using fakes::JsonValue;
using fakes::kPkiNow;

constexpr std::string_view kArtifact = "an artefact";
constexpr std::string_view kPayload = R"({"_type":"https://in-toto.io/Statement/v1"})";

// The reason's token, then the detail's beginning where several defects have one reason.
std::string Outcome(const Result<VerifiedEntry>& result, std::string_view detail) {
  if (result.ok() || result.error().detail.find(detail) != std::string::npos) return gatehouse::Outcome(result);
  return result.error().ToString();
}

struct Kind {
  const char* name;
  bool envelope;
  int version;
  const char* kind;
};
constexpr Kind kKinds[] = {
    {"HashedRekordV1", false, 1, "hashedrekord"},
    {"DsseV1", true, 1, "dsse"},
    {"InTotoV1", true, 1, "intoto"},
    {"HashedRekordV2", false, 2, "hashedrekord"},
    {"HashedRekordV2OfEnvelope", true, 2, "hashedrekord"},
    {"DsseV2", true, 2, "dsse"},
};

BundleOptions OptionsOf(FakeSigstore& sigstore, const Kind& kind) {
  BundleOptions options;
  options.entry_kind = kind.kind;
  options.logs = std::vector<FakeRekor*>{kind.version == 1 ? &sigstore.rekor_v1() : &sigstore.rekor_v2()};
  return options;
}

Signed Sign(FakeSigstore& sigstore, const Kind& kind, const BundleOptions& options) {
  return kind.envelope ? Signed::Dsse(sigstore, kPayload, options) : Signed::Message(sigstore, kArtifact, options);
}

class EveryKind : public testing::TestWithParam<Kind> {
 protected:
  BundleOptions Options() { return OptionsOf(sigstore_, GetParam()); }
  Signed SignWith(const BundleOptions& options) { return Sign(sigstore_, GetParam(), options); }
  [[nodiscard]] bool IsV1() const { return GetParam().version == 1; }
  // With the signing time among the trusted times, as the verifier has it from a timestamp.
  [[nodiscard]] Result<VerifiedEntry> Verify(const LogEntry& entry, const SignedContent& content) const {
    return VerifyEntry(entry, content, material_, times_);
  }
  // An entry whose body was edited before the log took it.
  Result<VerifiedEntry> VerifyEdited(const std::function<void(JsonValue&)>& edit) {
    BundleOptions options = Options();
    options.edit_body = edit;
    const Signed made = SignWith(options);
    return Verify(made.Entry(), made.Content());
  }

  FakeSigstore sigstore_;
  TrustMaterial material_ = sigstore_.Trust();
  std::vector<WallTime> times_ = {kPkiNow};
};
INSTANTIATE_TEST_SUITE_P(Transparency, EveryKind, testing::ValuesIn(kKinds),
                         [](const auto& kind) { return std::string(kind.param.name); });

TEST_P(EveryKind, WithCertificate) {
  const Signed made = SignWith(Options());
  const auto verified = Verify(made.Entry(), made.Content());
  ASSERT_TRUE(verified.ok()) << verified.error().ToString();
  EXPECT_EQ(verified->log, &material_.logs[IsV1() ? 0 : 1]);
  EXPECT_EQ(verified->index, made.Entry().log_index);
  EXPECT_EQ(verified->integrated_time, IsV1() ? std::optional(kPkiNow) : std::nullopt);
}

TEST_P(EveryKind, WithKey) {
  for (const crypto::KeyType type : {crypto::KeyType::kEcP256, crypto::KeyType::kEcP384, crypto::KeyType::kEcP521,
                                     crypto::KeyType::kRsa, crypto::KeyType::kEd25519}) {
    BundleOptions options = Options();
    options.key = crypto::PrivateKey::Generate(type).value();
    const Signed made = SignWith(options);
    EXPECT_EQ(Explain(Verify(made.Entry(), made.Content())), "ok") << static_cast<int>(type);
  }
}

TEST_P(EveryKind, BodyHasAnotherMember) {
  EXPECT_EQ(Outcome(VerifyEdited([](JsonValue& body) { body.Member("extra") = JsonValue::String("x"); })),
            "log-entry-malformed");
  EXPECT_EQ(Outcome(VerifyEdited([](JsonValue& body) { body.Member("spec").Member("extra") = JsonValue::Object(); })),
            "log-entry-malformed");
}

TEST_P(EveryKind, BodyHasNoSpec) {
  EXPECT_EQ(Outcome(VerifyEdited([](JsonValue& body) { body.Erase("spec"); })), "log-entry-malformed");
}

TEST_P(EveryKind, BodyIsOfAnotherKindThanTheEntrySays) {
  EXPECT_EQ(Outcome(VerifyEdited([](JsonValue& body) { body.Member("kind") = JsonValue::String("rekord"); }),
                    "of another kind than the entry says"),
            "log-entry-malformed");
  EXPECT_EQ(Outcome(VerifyEdited([](JsonValue& body) { body.Member("apiVersion") = JsonValue::String("0.0.9"); }),
                    "of another kind than the entry says"),
            "log-entry-malformed");
}

TEST_P(EveryKind, ClaimedKindIsAnother) {
  const Signed made = SignWith(Options());
  LogEntry entry = made.Entry();
  entry.kind = entry.kind == "dsse" ? "hashedrekord" : "dsse";
  EXPECT_FALSE(Verify(entry, made.Content()).ok());
}

TEST_P(EveryKind, UnknownKindOfBodyAndEntry) {
  const Signed made = SignWith(Options());
  FakeRekor& log = IsV1() ? sigstore_.rekor_v1() : sigstore_.rekor_v2();
  const std::string body = R"({"apiVersion":"0.0.1","kind":"rpm","spec":{}})";
  EXPECT_EQ(Outcome(Verify(EntryOf(log.Add("rpm", "0.0.1", body)), made.Content()), "not a kind that we know"),
            "log-entry-malformed");
}

// Space, order of names, escapes: the log hashed other bytes than any Rekor makes of this content.
TEST_P(EveryKind, BodyIsNotCanonical) {
  const Signed made = SignWith(Options());
  FakeRekor& log = IsV1() ? sigstore_.rekor_v1() : sigstore_.rekor_v2();
  const LogEntry good = made.Entry();
  ASSERT_TRUE(good.body.starts_with(R"({"apiVersion":)"));
  std::string escaped = good.body;
  escaped.replace(escaped.find("\"kind\""), 6, "\"kin\\u0064\"");
  const std::string version = R"("apiVersion":")" + good.version + R"(",)";
  std::string reordered = "{" + good.body.substr(1 + version.size());
  reordered.insert(reordered.size() - 1, "," + version.substr(0, version.size() - 1));
  for (const std::string& body : {"{ " + good.body.substr(1), good.body + "\n", escaped, reordered}) {
    EXPECT_EQ(Outcome(Verify(EntryOf(log.Add(good.kind, good.version, body)), made.Content()), "canonical"),
              "log-entry-malformed")
        << body.substr(0, 60);
  }
  EXPECT_EQ(Explain(Verify(EntryOf(log.Add(good.kind, good.version, good.body)), made.Content())), "ok");
}

TEST_P(EveryKind, BodyIsTruncatedAtEveryByte) {
  const Signed made = SignWith(Options());
  const LogEntry good = made.Entry();
  FakeRekor& log = IsV1() ? sigstore_.rekor_v1() : sigstore_.rekor_v2();
  for (std::size_t size = 1; size < good.body.size(); size += 7) {
    const LogEntry entry = EntryOf(log.Add(good.kind, good.version, good.body.substr(0, size)));
    EXPECT_EQ(Outcome(Verify(entry, made.Content())), "log-entry-malformed") << size;
  }
}

// CVE-2022-23649, CVE-2026-22703: any entry of the log was taken for the signature's own.
TEST_P(EveryKind, EntryOfAnotherSignatureOverTheSameContent) {
  const Signed ours = SignWith(Options());
  const Signed theirs = SignWith(Options());
  ASSERT_TRUE(Verify(theirs.Entry(), theirs.Content()).ok());
  EXPECT_EQ(Outcome(Verify(theirs.Entry(), ours.Content()), "another signature"), "log-entry-mismatch");
}

TEST_P(EveryKind, EntryOfOtherContent) {
  const Signed ours = SignWith(Options());
  const Signed theirs =
      GetParam().envelope ? Signed::Dsse(sigstore_, "{}", Options()) : Signed::Message(sigstore_, "other", Options());
  EXPECT_EQ(Outcome(Verify(theirs.Entry(), ours.Content()), "other content"), "log-entry-mismatch");
}

// The entry names another certificate than the one that signed: the log's monitors would look for the wrong identity.
TEST_P(EveryKind, EntryNamesAnotherCertificate) {
  BundleOptions options = Options();
  options.certificate = sigstore_.Issue();
  const Signed made = SignWith(options);
  SignedContent content = made.Content();
  const crypto::Certificate other = sigstore_.Issue({.key = made.bundle.key}).certificate;
  content.certificate = &other;  // for the same key
  EXPECT_EQ(Outcome(Verify(made.Entry(), content), "another key or certificate"), "log-entry-mismatch");
}

TEST_P(EveryKind, EntryNamesAnotherKey) {
  BundleOptions options = Options();
  options.key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value();
  const Signed made = SignWith(options);
  SignedContent content = made.Content();
  const crypto::PublicKey other = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value().Public();
  content.key = &other;
  EXPECT_EQ(Outcome(Verify(made.Entry(), content), "another key or certificate"), "log-entry-mismatch");
}

// GHSA-fx35-mq7g-6g98: a raw public key where a certificate belongs; and the other way round.
TEST_P(EveryKind, EntryNamesTheBareKeyOfTheCertificate) {
  BundleOptions options = Options();
  options.key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value();
  const Signed made = SignWith(options);
  SignedContent content = made.Content();
  const fakes::TestCertificate certificate = sigstore_.Issue({.key = options.key});
  content.certificate = &certificate.certificate;
  EXPECT_EQ(Outcome(Verify(made.Entry(), content), "another key or certificate"), "log-entry-mismatch");
}

TEST_P(EveryKind, EntryNamesACertificateOfTheKey) {
  const Signed made = SignWith(Options());
  SignedContent content = made.Content();
  content.certificate = nullptr;
  EXPECT_EQ(Outcome(Verify(made.Entry(), content), "another key or certificate"), "log-entry-mismatch");
}

TEST_P(EveryKind, ContentIsNeitherMessageNorEnvelope) {
  const Signed made = SignWith(Options());
  SignedContent content = made.Content();
  content.message = nullptr;
  content.envelope = nullptr;
  EXPECT_EQ(Outcome(Verify(made.Entry(), content)), "log-entry-mismatch");
}

TEST_P(EveryKind, NeitherPromiseNorProof) {
  const Signed made = SignWith(Options());
  LogEntry entry = made.Entry();
  entry.promise.reset();
  entry.proof.reset();
  EXPECT_EQ(Outcome(Verify(entry, made.Content()), "neither a promise nor a proof"), "log-entry-malformed");
}

TEST_P(EveryKind, ProofAlone) {
  const Signed made = SignWith(Options());
  LogEntry entry = made.Entry();
  entry.promise.reset();
  const auto verified = Verify(entry, made.Content());
  ASSERT_TRUE(verified.ok()) << verified.error().ToString();
  EXPECT_EQ(verified->integrated_time, std::nullopt);
}

TEST_P(EveryKind, ProofWithoutCheckpointProvesNothing) {
  const Signed made = SignWith(Options());
  LogEntry entry = made.Entry();
  entry.promise.reset();
  entry.proof->checkpoint.clear();
  EXPECT_EQ(Outcome(Verify(entry, made.Content()), "no checkpoint"), "log-proof-invalid");
}

TEST_P(EveryKind, NoBody) {
  const Signed made = SignWith(Options());
  LogEntry entry = made.Entry();
  entry.body.clear();
  EXPECT_EQ(Outcome(Verify(entry, made.Content()), "no body"), "log-entry-malformed");
}

TEST_P(EveryKind, NegativeIndex) {
  const Signed made = SignWith(Options());
  LogEntry entry = made.Entry();
  entry.log_index = -1;
  EXPECT_EQ(Outcome(Verify(entry, made.Content()), "negative"), "log-entry-malformed");
}

TEST_P(EveryKind, LogThatTheMaterialDoesNotName) {
  const Signed made = SignWith(Options());
  LogEntry entry = made.Entry();
  for (const Bytes& id : {Bytes(32, 7), Bytes(), Bytes(entry.log_id.begin(), entry.log_id.end() - 1)}) {
    entry.log_id = id;
    EXPECT_EQ(Outcome(Verify(entry, made.Content()), "no log of the trust root"), "log-untrusted") << id.size();
  }
  EXPECT_EQ(Outcome(VerifyEntry(made.Entry(), made.Content(), {}, times_)), "log-untrusted");
}

// The material's log of that id has another key.
TEST_P(EveryKind, LogOfThatIdHasAnotherKey) {
  const Signed made = SignWith(Options());
  for (Log& log : material_.logs) log.key = crypto::PrivateKey::Generate(log.key.type()).value().Public();
  EXPECT_EQ(Outcome(Verify(made.Entry(), made.Content())), "log-proof-invalid");
}

// Of two windows of one key the one that holds the entry's time is found, wherever it stands.
TEST_P(EveryKind, OneKeyWithTwoWindows) {
  const Signed made = SignWith(Options());
  const Log log = material_.logs[IsV1() ? 0 : 1];
  Log old = log;
  old.valid = {.from = fakes::kPkiNotBefore - std::chrono::hours(100), .until = fakes::kPkiNotBefore};
  for (const std::vector<Log>& logs : {std::vector{old, log}, std::vector{log, old}}) {
    material_.logs = logs;
    const auto verified = Verify(made.Entry(), made.Content());
    ASSERT_TRUE(verified.ok()) << verified.error().ToString();
    EXPECT_EQ(verified->log->valid.until, std::nullopt);
  }
}

// CVE-2026-54787: the window of a log's key. Closed at both ends.
TEST_P(EveryKind, WindowOfTheLog) {
  const Signed made = SignWith(Options());
  constexpr Duration kTick(1);
  struct Row {
    const char* name;
    Validity valid;
    const char* outcome;
  };
  const Row rows[] = {
      {"begins then", {.from = kPkiNow}, "ok"},
      {"ends then", {.from = fakes::kPkiNotBefore, .until = kPkiNow}, "ok"},
      {"begins later", {.from = kPkiNow + kTick}, "log-untrusted"},
      {"ended before", {.from = fakes::kPkiNotBefore, .until = kPkiNow - kTick}, "log-untrusted"},
      {"open", {}, "ok"},
  };
  for (const Row& row : rows) {
    for (Log& log : material_.logs) log.valid = row.valid;
    EXPECT_EQ(Outcome(Verify(made.Entry(), made.Content())), row.outcome) << row.name;
  }
}

// Without a promise the entry has no time of its own.
TEST_P(EveryKind, WindowWithoutPromise) {
  const Signed made = SignWith(Options());
  LogEntry entry = made.Entry();
  entry.promise.reset();
  const Validity ended{.from = fakes::kPkiNotBefore, .until = kPkiNow};
  const WallTime late = kPkiNow + std::chrono::hours(1);
  struct Row {
    const char* name;
    Validity valid;
    std::vector<WallTime> times;
    const char* outcome;
  };
  const Row rows[] = {
      {"no time, in use", {.from = fakes::kPkiNotBefore}, {}, "ok"},
      {"no time, retired", ended, {}, "log-untrusted"},
      {"retired, at its end", ended, {kPkiNow}, "ok"},
      {"retired, later", ended, {late}, "log-untrusted"},
      {"retired, stamped again later", ended, {late, kPkiNow}, "ok"},
      {"begins later", {.from = late}, {kPkiNow}, "log-untrusted"},
  };
  for (const Row& row : rows) {
    for (Log& log : material_.logs) log.valid = row.valid;
    EXPECT_EQ(Outcome(VerifyEntry(entry, made.Content(), material_, row.times)), row.outcome) << row.name;
  }
}

struct ProofDefect {
  const char* name;
  void (*edit)(LogEntry::Proof&);
  const char* outcome;
};
constexpr ProofDefect kProofDefects[] = {
    {"another index", [](LogEntry::Proof& proof) { proof.log_index ^= 1; }, "log-proof-invalid"},
    {"negative index", [](LogEntry::Proof& proof) { proof.log_index = -1; }, "log-proof-invalid"},
    {"index beyond the tree", [](LogEntry::Proof& proof) { proof.log_index = proof.tree_size; }, "log-proof-invalid"},
    {"another size", [](LogEntry::Proof& proof) { proof.tree_size += 1; }, "log-proof-invalid"},
    {"size zero", [](LogEntry::Proof& proof) { proof.tree_size = 0; }, "log-proof-invalid"},
    {"another root", [](LogEntry::Proof& proof) { proof.root_hash[0] ^= 1; }, "log-proof-invalid"},
    {"no root", [](LogEntry::Proof& proof) { proof.root_hash.clear(); }, "log-proof-invalid"},
    {"a hash missing", [](LogEntry::Proof& proof) { proof.hashes.pop_back(); }, "log-proof-invalid"},
    {"a hash too many", [](LogEntry::Proof& proof) { proof.hashes.emplace_back(32); }, "log-proof-invalid"},
    {"a hash changed", [](LogEntry::Proof& proof) { proof.hashes[0][5] ^= 1; }, "log-proof-invalid"},
    {"a short hash", [](LogEntry::Proof& proof) { proof.hashes[0].pop_back(); }, "log-proof-invalid"},
    {"no checkpoint's form", [](LogEntry::Proof& proof) { proof.checkpoint = "x"; }, "log-entry-malformed"},
    {"checkpoint too large", [](LogEntry::Proof& proof) { proof.checkpoint.assign(70'000, 'x'); }, "limit-exceeded"},
};

// Also where a promise verifies: what is there and wrong refuses.
TEST_P(EveryKind, ProofIsWrong) {
  const Signed made = SignWith(Options());
  for (const ProofDefect& defect : kProofDefects) {
    LogEntry entry = made.Entry();
    defect.edit(*entry.proof);
    EXPECT_EQ(Outcome(Verify(entry, made.Content())), defect.outcome) << defect.name;
  }
}

// A checkpoint of the same log that is genuine, but of another state of its tree.
TEST_P(EveryKind, CheckpointOfAnotherState) {
  const Signed made = SignWith(Options());
  const Signed later = SignWith(Options());
  LogEntry entry = made.Entry();
  entry.proof->checkpoint = later.Entry().proof->checkpoint;
  EXPECT_EQ(Outcome(Verify(entry, made.Content()), "of another size"), "log-proof-invalid");
}

TEST_P(EveryKind, CheckpointWithAnotherRoot) {
  BundleOptions options = Options();
  options.entry.edit_checkpoint = [](std::string& text) {
    const std::size_t root = text.find('\n', text.find('\n') + 1) + 1;
    text.replace(root, 44, EncodeBase64(Bytes(32, 1)));
  };
  const Signed made = SignWith(options);
  EXPECT_EQ(Outcome(Verify(made.Entry(), made.Content()), "another root"), "log-proof-invalid");
}

TEST_P(EveryKind, EntryDeepInALargerTree) {
  for (const std::size_t later : {1U, 2U, 3U, 8U, 100U}) {
    BundleOptions options = Options();
    options.entry.later = later;
    const Signed made = SignWith(options);
    EXPECT_EQ(Explain(Verify(made.Entry(), made.Content())), "ok") << later;
  }
}

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
