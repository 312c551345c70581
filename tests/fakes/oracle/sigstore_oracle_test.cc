// Our verifier and npm's @sigstore/verify over the same artefacts of the fake Sigstore, valid and broken: an oracle
// that shares no line with either. Where the two differ, the case says why. Skipped where npm cannot be reached.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "common/signature/sigstore/verifier.h"
#include "tests/fakes/program.h"
#include "tests/fakes/sigstore.h"

namespace gatehouse::fakes {
namespace {

namespace sigstore = signature::sigstore;

constexpr std::string_view kArtefact = "artefact";

struct Case {
  std::string name;
  JsonValue bundle;
  bool good;                        // what both say
  std::string oracle_differs = {};  // why npm's verifier says the opposite
  std::string artefact = std::string(kArtefact);
  std::optional<crypto::PublicKey> key = {};
  std::optional<JsonValue> trusted_root = {};  // nothing: that of the fake
};

class SigstoreOracle : public ::testing::Test {
 protected:
  // A folder with npm's packages, made once for the build; empty if that is not possible here.
  static std::string Modules() {
    const std::filesystem::path folder = std::filesystem::path(GATEHOUSE_BINARY_DIR) / "sigstore_oracle";
    const std::filesystem::path mine = std::filesystem::path(GATEHOUSE_SOURCE_DIR) / "tests/fakes/oracle/package.json";
    std::error_code ignored;
    if (std::filesystem::exists(folder / "node_modules/@sigstore/sign/package.json")) return folder.string();
    std::filesystem::create_directories(folder, ignored);
    std::filesystem::copy_file(mine, folder / "package.json", std::filesystem::copy_options::overwrite_existing,
                               ignored);
    // Two tests may come here at once, each in a process of its own.
    const std::string install =
        "cd '" + folder.string() +
        "' && timeout 100 flock install.lock sh -c 'test -e node_modules/@sigstore/sign/package.json || npm install "
        "--ignore-scripts --fetch-retries=0 --no-package-lock --no-audit --no-fund >install.log 2>&1'";
    return std::system(install.c_str()) == 0 ? folder.string() : "";
  }

  void Add(std::string name, SignedBundle bundle, bool good = true, std::string oracle_differs = {}) {
    cases.push_back({std::move(name), std::move(bundle.json), good, std::move(oracle_differs)});
  }
  // A good bundle with one thing changed.
  void Break(std::string name, SignedBundle bundle, const std::function<void(JsonValue&)>& change,
             std::string oracle_differs = {}) {
    change(bundle.json);
    cases.push_back({std::move(name), std::move(bundle.json), false, std::move(oracle_differs)});
  }
  static void Set(JsonValue& json, std::string_view pointer, const std::string& text) {
    At(json, pointer) = JsonValue::String(text);
  }
  // The last byte but two of a base64 text, so that it stays one.
  static void Spoil(JsonValue& json, std::string_view pointer) {
    std::string& text = At(json, pointer).text;
    Bytes bytes = DecodeBase64(text).value();
    bytes.at(bytes.size() - 1) ^= 1U;
    text = EncodeBase64(bytes);
  }

  static constexpr const char* kEntry = "/verificationMaterial/tlogEntries/0";
  std::string Entry(const std::string& member) { return std::string(kEntry) + "/" + member; }

  std::map<std::string, JsonValue> Ask(const std::string& modules) {
    JsonValue list = JsonValue::Array();
    for (const Case& each : cases) {
      JsonValue one = JsonValue::Object();
      one.Member("name") = JsonValue::String(each.name);
      one.Member("bundle") = each.bundle;
      one.Member("trustedRoot") = each.trusted_root.value_or(fake.TrustedRoot());
      if (each.bundle.Find("messageSignature") != nullptr) {
        one.Member("artefact") = JsonValue::String(EncodeBase64(AsBytes(each.artefact)));
      }
      if (each.key) {
        one.Member("keys").Member("hint") = JsonValue::String(EncodeBase64(each.key->Spki()));
        one.Member("thresholds").Member("timestampThreshold") = JsonValue::Number(0);
      }
      list.elements.push_back(one);
    }
    const ScratchFolder folder;
    const std::string script = std::string(GATEHOUSE_SOURCE_DIR) + "/tests/fakes/oracle/verify.cjs";
    const Ran ran = RunProgram({"/usr/bin/env", "node", script, modules, folder.Write("cases.json", list.Write())});
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    std::map<std::string, JsonValue> verdicts;
    for (const JsonValue& each : JsonValue::Parse(ran.out).value_or(JsonValue::Array()).elements) {
      verdicts[each.TextAt({"name"})] = each;
    }
    return verdicts;
  }

  Status Ours(const Case& each) {
    ASSIGN_OR_RETURN(const sigstore::TrustedRoot root,
                     sigstore::ParseTrustedRoot(each.trusted_root.value_or(fake.TrustedRoot()).Write()));
    ASSIGN_OR_RETURN(const sigstore::Bundle bundle, sigstore::ParseBundle(each.bundle.Write()));
    sigstore::Requirements requirements{.material = &root.material};
    if (each.key) {
      requirements.key = signature::keyed::Verifier{.key = *each.key};
      requirements.times = 0;
    }
    RETURN_IF_ERROR(sigstore::VerifyBundle(bundle, {.bytes = AsBytes(each.artefact)}, requirements));
    return {};
  }

  void Compare(const std::string& modules) {
    std::map<std::string, JsonValue> verdicts = Ask(modules);
    ASSERT_EQ(verdicts.size(), cases.size());
    for (const Case& each : cases) {
      const Status ours = Ours(each);
      EXPECT_EQ(ours.ok(), each.good) << each.name << ": " << (ours.ok() ? "accepted" : ours.error().ToString());
      const JsonValue& theirs = verdicts.at(each.name);
      // A token whose milliseconds end in 0, which DER leaves out, is beyond the reader of npm.
      const bool accepted_there = each.oracle_differs.empty() == each.good;
      if (accepted_there && theirs.TextAt({"error"}).find("invalid time") != std::string::npos) continue;
      EXPECT_EQ(theirs.TextAt({"ok"}) == "true", accepted_there)
          << each.name << ": " << theirs.TextAt({"error"}) << " " << each.oracle_differs;
    }
  }

  void AddGood() {
    const std::vector<FakeRekor*> second{&fake.rekor_v2()};
    for (const char* version : {"0.1", "0.2", "0.3"}) {
      Add(std::string("message, bundle ") + version, fake.SignMessage(kArtefact, {.version = version}));
      Add(std::string("envelope, bundle ") + version, fake.SignEnvelope(statement, {.version = version}));
    }
    Add("envelope, entry intoto", fake.SignEnvelope(statement, {.entry_kind = "intoto"}));
    Add("v0.1 without proof", fake.SignMessage(kArtefact, {.version = "0.1", .entry = {.proof = false}}));
    Add("message in Rekor v2", fake.SignMessage(kArtefact, {.logs = second}));
    Add("envelope in Rekor v2, entry dsse", fake.SignEnvelope(statement, {.logs = second, .entry_kind = "dsse"}));
    Add("envelope in Rekor v2, entry hashedrekord", fake.SignEnvelope(statement, {.logs = second}), true,
        "it compares the digest of an entry with the payload's; the client specification says the PAE's");
    Add("proof and timestamp, no promise",
        fake.SignMessage(kArtefact, {.entry = {.promise = false}, .authorities = {{&fake.timestamp_authority()}}}),
        true, "");
    Add("P-384",
        fake.SignMessage(kArtefact, {.leaf = {.key_type = crypto::KeyType::kEcP384}, .hash = HashAlgorithm::kSha384}));
    Add("witnesses before the log's own line",
        fake.SignMessage(kArtefact, {.entry = {.witnesses_before = {"\xE2\x80\x94 witness.example AAAAAAAAAAAA"}}}));
    Add("tree that grew since", fake.SignMessage(kArtefact, {.entry = {.later = 7}}));
    const auto key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value();
    Add("keyed", fake.SignMessage(kArtefact, {.key = key}));
    cases.back().key = key.Public();
  }

  void AddBroken() {
    const auto good = [this] { return fake.SignMessage(kArtefact); };
    Break("signature", good(), [](JsonValue& json) { Spoil(json, "/messageSignature/signature"); });
    Break("promise", good(), [&](JsonValue& json) { Spoil(json, Entry("inclusionPromise/signedEntryTimestamp")); });
    Break("integrated time", good(), [&](JsonValue& json) { Set(json, Entry("integratedTime"), "1798761601"); });
    Break("log index", good(), [&](JsonValue& json) { Set(json, Entry("logIndex"), "1"); });
    Break("index in the tree", good(), [&](JsonValue& json) { Set(json, Entry("inclusionProof/logIndex"), "1"); });
    Break("hash of the proof", good(), [&](JsonValue& json) { Spoil(json, Entry("inclusionProof/hashes/0")); });
    Break("missing hash", good(), [&](JsonValue& json) { Remove(json, Entry("inclusionProof/hashes/0")); });
    const SignedBundle other = fake.SignMessage("another artefact");
    Break("another's entry", good(), [&](JsonValue& json) {
      At(json, kEntry) = *other.json.At({"verificationMaterial", "tlogEntries"})->elements.begin();
    });
    Break("another's certificate", good(), [&](JsonValue& json) {
      At(json, "/verificationMaterial/certificate") = *other.json.At({"verificationMaterial", "certificate"});
    });
    Break("another's envelope", fake.SignEnvelope(statement),
          [&](JsonValue& json) { At(json, "/dsseEnvelope/payload") = JsonValue::String(EncodeBase64(AsBytes("{}"))); });
    Add("another artefact", good(), false);
    cases.back().artefact = "another artefact";
    Add("promise over another body", fake.SignMessage(kArtefact, {.entry = {.promise_over = "{}"}}), false);
    Add("entered after the certificate expired",
        fake.SignMessage(kArtefact, {.entry_at = kPkiNow + std::chrono::minutes(11)}), false);
    Add("no SCT", fake.SignMessage(kArtefact, {.leaf = {.scts = std::vector<SctOptions>{}}}), false);
    Add("SCT for another issuer", fake.SignMessage(kArtefact, {.leaf = {.scts = {{SctOptions{.wrong_issuer = true}}}}}),
        false);
    Add("SCT of a log that nobody knows",
        fake.SignMessage(kArtefact, {.leaf = {.scts = {{SctOptions{.log = &unknown_log}}}}}), false);
    Add("entry of a log that nobody knows", fake.SignMessage(kArtefact, {.logs = {{&unknown_rekor}}}), false);
    Add("certificate of another CA", fake.SignMessage(kArtefact, {.leaf = {.issuer_ca = &stranger.intermediate()}}),
        false);
    Add("checkpoint over another root",
        fake.SignMessage(
            kArtefact,
            {.entry = {.edit_checkpoint = [](std::string& text) { text.replace(text.find('\n') + 1, 1, "9"); }}}),
        false);
    Add("checkpoint without signature",
        fake.SignMessage(kArtefact,
                         {.entry = {.edit_note = [](std::string& note) { note.resize(note.find("\n\n") + 2); }}}),
        false);
    const std::vector<FakeRekor*> second{&fake.rekor_v2()};
    Add("v2 without timestamp",
        fake.SignMessage(kArtefact, {.logs = second, .authorities = std::vector<const FakeTimestampAuthority*>{}}),
        false);
    Add("timestamp of another message",
        fake.SignMessage(kArtefact, {.logs = second, .stamp = {.imprint_instead = Bytes(32, 1)}}), false);
    Add("timestamp of another authority",
        fake.SignMessage(kArtefact, {.logs = second, .authorities = {{&stranger.timestamp_authority()}}}), false);
    Add("timestamp after the certificate expired",
        fake.SignMessage(kArtefact, {.logs = second, .stamp_at = kPkiNow + std::chrono::hours(1)}), false);
    Add("not for code signing", fake.SignMessage(kArtefact, {.leaf = {.extended_key_usage = "serverAuth"}}), false,
        "it does not look at extended key usages");
  }

  FakeSigstore fake;
  FakeSigstore stranger;
  FakeCtLog unknown_log;
  FakeRekor unknown_rekor{{.url = "https://rekor.stranger"}};
  std::string statement = Statement(crypto::Sha256Digest(AsBytes(kArtefact)), {.name = "artefact"});
  std::vector<Case> cases;
};

TEST_F(SigstoreOracle, AgreesWithUsAboutWhatTheFakeSigstoreMakes) {
  const std::string modules = Modules();
  if (modules.empty()) GTEST_SKIP() << "npm cannot be reached";
  AddGood();
  AddBroken();
  Compare(modules);
}

TEST_F(SigstoreOracle, AgreesWithUsAboutWhatItsOwnSignerMakes) {
  const std::string modules = Modules();
  if (modules.empty()) GTEST_SKIP() << "npm cannot be reached";
  const std::string script = std::string(GATEHOUSE_SOURCE_DIR) + "/tests/fakes/oracle/sign.cjs";
  const Ran ran = RunProgram({"/usr/bin/env", "node", script, modules, std::string(kArtefact), statement});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  const JsonValue made = JsonValue::Parse(ran.out).value();
  for (const JsonValue& each : made.Find("cases")->elements) {
    const std::string name = each.TextAt({"name"});
    const JsonValue& bundle = *each.Find("bundle");
    const bool message = bundle.Find("messageSignature") != nullptr;
    cases.push_back({name, bundle, true});
    cases.push_back({name + ", promise spoilt", bundle, false});
    Spoil(cases.back().bundle, Entry("inclusionPromise/signedEntryTimestamp"));
    cases.push_back({name + ", root of the tree spoilt", bundle, false,
                     "it takes the root from the checkpoint and does not look at the proof's own"});
    Spoil(cases.back().bundle, Entry("inclusionProof/rootHash"));
    cases.push_back({name + ", signature spoilt", bundle, false});
    Spoil(cases.back().bundle, message ? "/messageSignature/signature" : "/dsseEnvelope/signatures/0/sig");
    if (bundle.At({"verificationMaterial", "timestampVerificationData", "rfc3161Timestamps"}) == nullptr) continue;
    cases.push_back({name + ", timestamp spoilt", bundle, false});
    Spoil(cases.back().bundle, "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp");
  }
  for (Case& each : cases) each.trusted_root = *made.Find("trustedRoot");
  ASSERT_GE(cases.size(), 24U);
  Compare(modules);
}

}  // namespace
}  // namespace gatehouse::fakes
