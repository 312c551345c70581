// Attacks on transparency logs, by the ids of the list of attacks that we owe a test.
#include <gtest/gtest.h>

#include <array>

#include "tests/common/signature/sigstore/logged.h"

namespace gatehouse::signature::sigstore {
namespace {

using fakes::BundleOptions;
using fakes::FakeRekor;
using fakes::FakeSigstore;
using fakes::kPkiNow;

constexpr std::string_view kDash = "\u2014 ";

class Adversarial : public testing::Test {
 protected:
  BundleOptions Options(int version) {
    BundleOptions options;
    options.logs = std::vector<FakeRekor*>{version == 1 ? &sigstore_.rekor_v1() : &sigstore_.rekor_v2()};
    return options;
  }
  Signed Make(const BundleOptions& options) { return Signed::Message(sigstore_, kArtifact, options); }
  Result<VerifiedEntry> Verify(const Signed& made, std::size_t index = 0) {
    return VerifyEntry(made.Entry(index), made.Content(), material_, {});
  }
  // An entry whose note was edited after it was signed, or the text before.
  Result<VerifiedEntry> WithNote(int version, const std::function<void(std::string&)>& edit) {
    BundleOptions options = Options(version);
    options.entry.edit_note = edit;
    return Verify(Make(options));
  }
  Result<VerifiedEntry> WithText(int version, const std::function<void(std::string&)>& edit) {
    BundleOptions options = Options(version);
    options.entry.edit_checkpoint = edit;
    return Verify(Make(options));
  }

  FakeSigstore sigstore_;
  TrustMaterial material_ = sigstore_.Trust();
};
using Adversarial_B1 = Adversarial;
using Adversarial_B2 = Adversarial;
using Adversarial_B3 = Adversarial;
using Adversarial_B4 = Adversarial;
using Adversarial_B5 = Adversarial;

// Both verify; that they are of one log is seen by whoever counts.
TEST_F(Adversarial_B1, TwoEntriesOfOneLogAreOfOneLog) {
  BundleOptions options;
  options.logs = std::vector<FakeRekor*>{&sigstore_.rekor_v1(), &sigstore_.rekor_v1(), &sigstore_.rekor_v2()};
  const Signed made = Make(options);
  const auto first = Verify(made, 0);
  const auto second = Verify(made, 1);
  const auto third = Verify(made, 2);
  ASSERT_TRUE(first.ok() && second.ok() && third.ok());
  EXPECT_EQ(first->log, second->log);
  EXPECT_NE(first->index, second->index);
  EXPECT_NE(first->log, third->log);
  EXPECT_NE(first->log->operator_name, third->log->operator_name);
}

TEST_F(Adversarial_B2, PromiseOverAnotherBody) {
  BundleOptions options = Options(1);
  options.entry.promise_over = "{}";
  EXPECT_EQ(Outcome(Verify(Make(options))), "log-proof-invalid");
}

// CVE-2022-23649, CVE-2026-22703: promise and proof are genuine, of somebody else's entry.
TEST_F(Adversarial_B2, GenuineEntryOfAnotherSignature) {
  for (const int version : {1, 2}) {
    const Signed ours = Make(Options(version));
    const Signed theirs = Make(Options(version));
    EXPECT_EQ(Outcome(VerifyEntry(theirs.Entry(), ours.Content(), material_)), "log-entry-mismatch") << version;
  }
}

// The promise of one entry, the body of another.
TEST_F(Adversarial_B2, PromiseOfAnotherEntry) {
  const Signed ours = Make(Options(1));
  const Signed theirs = Make(Options(1));
  LogEntry entry = ours.Entry();
  entry.promise = theirs.Entry().promise;
  EXPECT_EQ(Outcome(VerifyEntry(entry, ours.Content(), material_)), "log-proof-invalid");
}

TEST_F(Adversarial_B3, CheckpointOfAnotherLog) {
  for (const int version : {1, 2}) {
    FakeRekor::Options options = version == 1 ? FakeRekor::Options{} : sigstore_.rekor_v2().options();
    FakeRekor other(options);  // the same names, another key
    EXPECT_EQ(Outcome(WithNote(
                  version, [&](std::string& note) { note = other.SignNote(note.substr(0, note.find("\n\n") + 1)); })),
              "log-proof-invalid")
        << version;
  }
}

TEST_F(Adversarial_B3, CheckpointOfTheOtherLogOfTheRoot) {
  EXPECT_EQ(
      Outcome(WithNote(
          1, [&](std::string& note) { note = sigstore_.rekor_v2().SignNote(note.substr(0, note.find("\n\n") + 1)); })),
      "log-proof-invalid");
}

// A v2 entry is of the log whose host is the origin, though the log's key signed another.
TEST_F(Adversarial_B3, OriginOfAnotherLog) {
  for (const char* origin : {"log2026-1.rekor.example", "LOG2027-1.rekor.example", "log2027-1.rekor.example ",
                             "log2027-1.rekor.example - 1"}) {
    EXPECT_EQ(Outcome(WithText(2, [&](std::string& text) { text.replace(0, text.find('\n'), origin); })),
              "log-proof-invalid")
        << origin;
  }
}

TEST_F(Adversarial_B3, OriginOfV1WithoutTree) {
  for (const char* origin : {"rekor.other", "rekor.example - ", "rekor.example - x", "rekor.example -1", " - 1"}) {
    EXPECT_EQ(Outcome(WithText(1, [&](std::string& text) { text.replace(0, text.find('\n'), origin); })),
              "log-proof-invalid")
        << origin;
  }
}

// A line by another name with the log's key id, and one by the log's name with another id, are of strangers.
TEST_F(Adversarial_B3, KeyIdsMayCollide) {
  for (const int version : {1, 2}) {
    const FakeRekor& log = version == 1 ? sigstore_.rekor_v1() : sigstore_.rekor_v2();
    Bytes same_id = log.KeyId();
    same_id.resize(4);
    Append(same_id, Bytes(64, 9));
    const std::string stranger = std::string(kDash) + "witness.example " + EncodeBase64(same_id);
    const std::string other_id = std::string(kDash) + log.Host() + " " + EncodeBase64(Bytes(68, 9));
    for (const std::string& line : {stranger, other_id}) {
      BundleOptions options = Options(version);
      options.entry.witnesses_before = {line};
      EXPECT_EQ(Explain(Verify(Make(options))), "ok") << line;
      options.entry.witnesses_before.clear();
      options.entry.witnesses_after = {line};
      EXPECT_EQ(Explain(Verify(Make(options))), "ok") << line;
    }
    // By name and id it is the log's, and does not verify: refused, although the good line is there as well.
    const std::string known = std::string(kDash) + log.Host() + " " + EncodeBase64(same_id);
    BundleOptions options = Options(version);
    options.entry.witnesses_before = {known};
    EXPECT_EQ(Outcome(Verify(Make(options))), "log-proof-invalid");
    options.entry.witnesses_before.clear();
    options.entry.witnesses_after = {known};
    EXPECT_EQ(Outcome(Verify(Make(options))), "log-proof-invalid");
  }
}

// Only strangers have signed.
TEST_F(Adversarial_B3, WitnessesAlone) {
  for (const int version : {1, 2}) {
    EXPECT_EQ(Outcome(WithNote(version,
                               [&](std::string& note) {
                                 note = note.substr(0, note.find("\n\n") + 2) + std::string(kDash) +
                                        "witness.example " + EncodeBase64(Bytes(68, 9)) + "\n";
                               })),
              "log-proof-invalid");
  }
}

TEST_F(Adversarial_B3, SixteenWitnessesAreAccepted) {
  BundleOptions options = Options(2);
  for (int i = 0; i < 16; ++i) {
    options.entry.witnesses_before.push_back(std::string(kDash) + "witness" + std::to_string(i) + ".example " +
                                             EncodeBase64(Bytes(76, 9)));
  }
  EXPECT_EQ(Explain(Verify(Make(options))), "ok");
}

struct NoteDefect {
  const char* name;
  void (*edit)(std::string&);
};

// Each changes the text before the log signs it: the signature is good, the form is not.
TEST_F(Adversarial_B3, SignedTextOfAnotherForm) {
  constexpr std::array<NoteDefect, 8> kDefects = {{
      {"carriage returns", [](std::string& text) { text.insert(text.find('\n'), "\r"); }},
      {"size with a leading zero", [](std::string& text) { text.insert(text.find('\n') + 1, "0"); }},
      {"size with a sign", [](std::string& text) { text.insert(text.find('\n') + 1, "+"); }},
      {"negative size", [](std::string& text) { text.insert(text.find('\n') + 1, "-"); }},
      {"size in hex", [](std::string& text) { text.insert(text.find('\n') + 1, "0x"); }},
      {"root with stray bits", [](std::string& text) { text[text.find("=\n") - 1] = 'B'; }},
      {"root without padding", [](std::string& text) { text.erase(text.find("=\n"), 1); }},
      {"no origin", [](std::string& text) { text.erase(0, text.find('\n')); }},
  }};
  for (const NoteDefect& defect : kDefects) {
    for (const int version : {1, 2}) {
      EXPECT_EQ(Outcome(WithText(version, defect.edit)), "log-entry-malformed") << defect.name << version;
    }
  }
}

TEST_F(Adversarial_B3, NoteOfAnotherForm) {
  constexpr std::array<NoteDefect, 7> kDefects = {{
      {"carriage return at its end", [](std::string& note) { note.insert(note.size() - 1, "\r"); }},
      {"no newline at its end", [](std::string& note) { note.pop_back(); }},
      {"an empty line at its end", [](std::string& note) { note += "\n"; }},
      {"a hyphen for the dash", [](std::string& note) { note.replace(note.find("\u2014"), 3, "-"); }},
      {"base64 without padding", [](std::string& note) { note.insert(note.size() - 1, "="); }},
      {"a line after the signatures", [](std::string& note) { note += "x\n"; }},
      {"a tab", [](std::string& note) { note.replace(note.rfind(' '), 1, "\t"); }},
  }};
  for (const NoteDefect& defect : kDefects) {
    for (const int version : {1, 2}) {
      EXPECT_EQ(Outcome(WithNote(version, defect.edit)), "log-entry-malformed") << defect.name << version;
    }
  }
}

TEST_F(Adversarial_B3, ExtensionLines) {
  for (const int version : {1, 2}) {
    EXPECT_EQ(Explain(WithText(version, [](std::string& text) { text += "anything\n\u2014 that may be\n"; })), "ok");
    EXPECT_EQ(Outcome(WithText(version, [](std::string& text) { text += "\nafter an empty one\n"; })),
              "log-entry-malformed");
  }
}

// v1: the entry's index is that of the whole log, the proof's that of its shard.
TEST_F(Adversarial_B4, IndexesOfV1Differ) {
  const Signed made = Make(Options(1));
  EXPECT_NE(made.Entry().log_index, made.Entry().proof->log_index);
  EXPECT_EQ(Explain(Verify(made)), "ok");
}

TEST_F(Adversarial_B4, IndexesOfV2DoNot) {
  const Signed made = Make(Options(2));
  EXPECT_EQ(made.Entry().log_index, made.Entry().proof->log_index);
  BundleOptions options = Options(2);
  options.entry.log_index = 4711;
  EXPECT_EQ(Outcome(Verify(Make(options))), "log-proof-invalid");
}

TEST_F(Adversarial_B5, IntegratedTimeWithoutPromiseIsNoTime) {
  BundleOptions options = Options(1);
  options.entry.promise = false;
  options.entry.integrated_time = 1'700'000'000;
  const Signed made = Make(options);
  ASSERT_TRUE(made.Entry().integrated_time.has_value());
  const auto verified = Verify(made);
  ASSERT_TRUE(verified.ok()) << verified.error().ToString();
  EXPECT_EQ(verified->integrated_time, std::nullopt);
}

// Nor does it open the window of a retired log.
TEST_F(Adversarial_B5, IntegratedTimeWithoutPromiseOpensNoWindow) {
  BundleOptions options = Options(1);
  options.entry.promise = false;
  options.entry.integrated_time = kPkiNow.time_since_epoch().count() / 1000;
  const Signed made = Make(options);
  material_.logs[0].valid.until = kPkiNow;
  EXPECT_EQ(Outcome(Verify(made)), "log-untrusted");
}

TEST_F(Adversarial_B5, PromiseOverATimeOutsideOfTheWindow) {
  BundleOptions options = Options(1);
  options.entry.integrated_time = fakes::kPkiNotBefore.time_since_epoch().count() / 1000 - 1;
  EXPECT_EQ(Outcome(Verify(Make(options))), "log-untrusted");
}

}  // namespace
}  // namespace gatehouse::signature::sigstore
