// VerifyEntry: the valid forms of every kind, then one thing broken.
#include "common/signature/sigstore/transparency.h"

#include <gtest/gtest.h>

#include "tests/common/signature/sigstore/logged.h"

namespace gatehouse::signature::sigstore {
namespace {

using fakes::BundleOptions;
using fakes::FakeRekor;
using fakes::FakeSigstore;
using fakes::JsonValue;
using fakes::kPkiNow;

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

}  // namespace
}  // namespace gatehouse::signature::sigstore
