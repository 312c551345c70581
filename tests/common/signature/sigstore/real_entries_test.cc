// Entries of real logs, read in place where the samples are present.
#include <gtest/gtest.h>

#include "tests/common/base/outcome.h"
#include "tests/common/crypto/testdata.h"
#include "tests/common/signature/sigstore/logged.h"

namespace gatehouse::signature::sigstore {
namespace {

std::filesystem::path Sample(const std::string& name) {
  return crypto::Vectors() / "public/sigstore" / name;
}

TrustMaterial Trust(const std::string& name) {
  return ParseTrustedRoot(crypto::ReadFile(Sample(name))).value().material;
}

// A bundle's parts, without any check.
struct Parts {
  explicit Parts(const std::string& name) : json(fakes::JsonValue::Parse(crypto::ReadFile(Sample(name))).value()) {
    entry = EntryOf(json.At({"verificationMaterial", "tlogEntries"})->elements.at(0));
    const auto* raw = json.At({"verificationMaterial", "certificate", "rawBytes"});
    if (raw == nullptr) {
      const auto* chain = json.At({"verificationMaterial", "x509CertificateChain", "certificates"});
      raw = chain->elements.at(0).Find("rawBytes");
    }
    certificate = crypto::Certificate::FromDer(BytesOf(raw)).value();
    key = certificate->Key().value();
    if (const auto* dsse = json.Find("dsseEnvelope")) {
      envelope = ParseEnvelope(dsse->Write()).value();
    } else {
      message = MessageSignature{.signature = BytesOf(json.At({"messageSignature", "signature"}))};
      digest = BytesOf(json.At({"messageSignature", "messageDigest", "digest"}));
    }
  }
  [[nodiscard]] SignedContent Content() const {
    return {.message = message ? &*message : nullptr,
            .envelope = envelope ? &*envelope : nullptr,
            .digest = digest,
            .certificate = &*certificate,
            .key = &*key};
  }

  fakes::JsonValue json;
  LogEntry entry;
  std::optional<crypto::Certificate> certificate;
  std::optional<crypto::PublicKey> key;
  std::optional<MessageSignature> message;
  std::optional<Envelope> envelope;
  Bytes digest;
};

WallTime At(std::int64_t seconds) {
  return WallTime(std::chrono::seconds(seconds));
}

class RealEntries : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(Sample("trusted_root.public-good.json"))) GTEST_SKIP() << "no samples";
  }
};

// intoto 0.0.2: promise, proof in a shard, and a checkpoint with an extension line.
TEST_F(RealEntries, NpmProvenance) {
  Parts parts("sigstore-js-2.0.0-provenance.bundle.json");
  const TrustMaterial material = Trust("trusted_root.public-good.json");
  const auto verified = VerifyEntry(parts.entry, parts.Content(), material);
  ASSERT_TRUE(verified.ok()) << verified.error().ToString();
  EXPECT_EQ(verified->integrated_time, At(1692374735));
  EXPECT_EQ(verified->index, 31821305);
  EXPECT_EQ(verified->log->host, "rekor.sigstore.dev");
  EXPECT_NE(parts.entry.proof->log_index, parts.entry.log_index);

  LogEntry proof_alone = parts.entry;
  proof_alone.promise.reset();
  EXPECT_EQ(Explain(VerifyEntry(proof_alone, parts.Content(), material)), "ok");
  parts.envelope->payload[0] = ' ';
  EXPECT_EQ(Outcome(VerifyEntry(parts.entry, parts.Content(), material)), "log-entry-mismatch");
}

// hashedrekord 0.0.1 of a private Rekor, whose name in its checkpoints is not the host of its URL.
TEST_F(RealEntries, PrivateRekor) {
  Parts parts("othername-san.bundle.json");
  const TrustMaterial material = Trust("othername-san.trusted_root.json");
  const auto verified = VerifyEntry(parts.entry, parts.Content(), material);
  ASSERT_TRUE(verified.ok()) << verified.error().ToString();
  EXPECT_EQ(verified->integrated_time, At(1720811189));
  parts.digest[0] ^= 1;
  EXPECT_EQ(Outcome(VerifyEntry(parts.entry, parts.Content(), material)), "log-entry-mismatch");
  EXPECT_EQ(Outcome(VerifyEntry(parts.entry, parts.Content(), Trust("trusted_root.public-good.json"))),
            "log-untrusted");
}

// A second signature was added to the envelope, which the log has never seen.
TEST_F(RealEntries, EnvelopeWithASignatureMore) {
  Parts parts("dsse-two-signatures.bundle.json");
  const TrustMaterial material = Trust("trusted_root.public-good.json");
  ASSERT_EQ(parts.envelope->signatures.size(), 2U);
  EXPECT_EQ(Outcome(VerifyEntry(parts.entry, parts.Content(), material)), "log-entry-mismatch");
  parts.envelope->signatures.pop_back();
  const auto verified = VerifyEntry(parts.entry, parts.Content(), material);
  ASSERT_TRUE(verified.ok()) << verified.error().ToString();
  EXPECT_EQ(verified->integrated_time, At(1668034836));
}

}  // namespace
}  // namespace gatehouse::signature::sigstore
