// Trusted roots.
#include "common/signature/sigstore/trust.h"

#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/codec/json.h"
#include "common/crypto/hash.h"
#include "tests/common/base/outcome.h"
#include "tests/common/crypto/testdata.h"
#include "tests/fakes/sigstore.h"

namespace gatehouse::signature::sigstore {
namespace {

using fakes::At;
using fakes::FakeSigstore;
using fakes::JsonValue;
using fakes::kPkiNow;
using fakes::Remove;

// Keys and certificates are made once; every test has a copy of the document.
const FakeSigstore& Sigstore() {
  static const FakeSigstore sigstore = [] {
    FakeSigstore::Options options;
    options.rekor_v1.operator_name = "operator of v1";
    return FakeSigstore(options);
  }();
  return sigstore;
}

JsonValue Good() {
  static const JsonValue root = Sigstore().TrustedRoot();
  return root;
}

Result<TrustedRoot> With(const std::function<void(JsonValue&)>& edit) {
  JsonValue root = Good();
  edit(root);
  return ParseTrustedRoot(root.Write());
}

Result<TrustedRoot> WithText(std::string_view pointer, std::string_view text) {
  return With([&](JsonValue& root) { At(root, pointer) = JsonValue::String(text); });
}

Result<TrustedRoot> WithKey(const crypto::PublicKey& key, std::string_view details) {
  return With([&](JsonValue& root) {
    At(root, "/tlogs/0/publicKey/rawBytes") = JsonValue::String(EncodeBase64(key.Spki()));
    At(root, "/tlogs/0/publicKey/keyDetails") = JsonValue::String(details);
  });
}

TEST(TrustedRoot, Parsed) {
  const auto root = ParseTrustedRoot(Good().Write());
  ASSERT_TRUE(root.ok()) << root.error().ToString();
  EXPECT_TRUE(root->ignored.empty());
  const TrustMaterial& material = root->material;
  const TrustMaterial expected = Sigstore().Trust();
  ASSERT_EQ(material.logs.size(), 2U);
  ASSERT_EQ(material.ct_logs.size(), 1U);
  ASSERT_EQ(material.authorities.size(), 1U);
  ASSERT_EQ(material.timestamp_authorities.size(), 1U);
  const auto same = [](const Log& log, const Log& other) {
    EXPECT_TRUE(log.key == other.key);
    EXPECT_EQ(log.hash, other.hash);
    EXPECT_EQ(log.id, other.id);
    EXPECT_EQ(log.valid.from, other.valid.from);
    EXPECT_EQ(log.valid.until, other.valid.until);
    EXPECT_EQ(log.operator_name, other.operator_name);
    EXPECT_EQ(log.base_url, other.base_url);
    EXPECT_EQ(log.host, other.host);
  };
  same(material.logs[0], expected.logs[0]);
  same(material.logs[1], expected.logs[1]);
  same(material.ct_logs[0], expected.ct_logs[0]);
  EXPECT_EQ(material.logs[0].operator_name, "operator of v1");
  EXPECT_EQ(material.logs[1].operator_name, "https://log2027-1.rekor.example");
  EXPECT_EQ(material.logs[1].checkpoint_id, material.logs[1].id);
  ASSERT_EQ(material.authorities[0].chain.size(), expected.authorities[0].chain.size());
  for (std::size_t i = 0; i < material.authorities[0].chain.size(); ++i) {
    EXPECT_EQ(material.authorities[0].chain[i].Der(), expected.authorities[0].chain[i].Der()) << i;
  }
  EXPECT_EQ(material.authorities[0].uri, "https://fulcio.example");
  EXPECT_EQ(material.authorities[0].operator_name, "https://fulcio.example");
}

TEST(TrustedRoot, MediaTypes) {
  const std::string type = "application/vnd.dev.sigstore.trustedroot";
  for (const char* rest : {"+json;version=0.1", "+json;version=0.2", ".v0.1+json", ".v0.2+json"}) {
    EXPECT_EQ(Explain(WithText("/mediaType", type + rest)), "ok") << rest;
  }
  for (const char* rest : {"+json;version=0.3", ".v0.3+json", "+json", ".v1+json", ".v0.1+JSON", ".v0.1+json ", ""}) {
    EXPECT_EQ(Outcome(WithText("/mediaType", type + rest)), "trust-root-malformed") << rest;
  }
  EXPECT_EQ(Outcome(With([](JsonValue& root) { Remove(root, "/mediaType"); })), "trust-root-malformed");
}

// What a newer minor version may add.
TEST(TrustedRoot, UnknownMembersAreIgnored) {
  for (const char* pointer :
       {"/new", "/tlogs/0/new", "/tlogs/0/publicKey/new", "/tlogs/0/publicKey/validFor/new", "/tlogs/0/logId/new",
        "/certificateAuthorities/0/new", "/certificateAuthorities/0/certChain/new",
        "/certificateAuthorities/0/certChain/certificates/0/new"}) {
    EXPECT_EQ(Explain(WithText(pointer, "x")), "ok") << pointer;
  }
}

TEST(TrustedRoot, AbsentAndNull) {
  struct Row {
    const char* pointer;
    bool good;
  };
  const Row rows[] = {
      {"/tlogs", true},
      {"/ctlogs", true},
      {"/certificateAuthorities", true},
      {"/timestampAuthorities", true},
      {"/tlogs/0/baseUrl", true},
      {"/tlogs/0/operator", true},
      {"/tlogs/0/hashAlgorithm", false},
      {"/tlogs/0/publicKey", false},
      {"/tlogs/0/publicKey/rawBytes", false},
      {"/tlogs/0/publicKey/keyDetails", false},
      {"/tlogs/0/publicKey/validFor", false},
      {"/tlogs/0/publicKey/validFor/start", false},
      {"/tlogs/0/logId", false},
      {"/tlogs/0/logId/keyId", false},
      {"/ctlogs/0/publicKey/validFor/start", false},
      {"/certificateAuthorities/0/subject", true},
      {"/certificateAuthorities/0/uri", true},
      {"/certificateAuthorities/0/validFor", true},
      {"/certificateAuthorities/0/validFor/start", true},
      {"/certificateAuthorities/0/certChain", false},
      {"/certificateAuthorities/0/certChain/certificates", false},
      {"/certificateAuthorities/0/certChain/certificates/0/rawBytes", false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(With([&](JsonValue& root) { Remove(root, row.pointer); }).ok(), row.good) << row.pointer;
    EXPECT_EQ(Outcome(With([&](JsonValue& root) { At(root, row.pointer) = JsonValue{}; })),
              row.good ? "ok" : "trust-root-malformed")
        << row.pointer;
  }
}

TEST(TrustedRoot, NamesNobody) {
  EXPECT_EQ(Outcome(ParseTrustedRoot(R"({"mediaType":"application/vnd.dev.sigstore.trustedroot.v0.1+json"})")),
            "trust-root-malformed");
  EXPECT_EQ(Outcome(ParseTrustedRoot(
                R"({"mediaType":"application/vnd.dev.sigstore.trustedroot.v0.1+json","tlogs":[],"ctlogs":null})")),
            "trust-root-malformed");
}

TEST(TrustedRoot, WrongKinds) {
  for (const char* text : {"[0]", "[[]]", "null", "1", R"("tlogs")", "", " "}) {
    EXPECT_EQ(Outcome(ParseTrustedRoot(text)), "trust-root-malformed") << text;
  }
  for (const char* pointer :
       {"/tlogs", "/tlogs/0", "/tlogs/0/publicKey", "/tlogs/0/publicKey/validFor", "/tlogs/0/logId",
        "/certificateAuthorities/0/certChain", "/certificateAuthorities/0/certChain/certificates",
        "/certificateAuthorities/0/certChain/certificates/0"}) {
    EXPECT_EQ(Outcome(WithText(pointer, "x")), "trust-root-malformed") << pointer;
  }
  for (const char* pointer :
       {"/mediaType", "/tlogs/0/baseUrl", "/tlogs/0/operator", "/tlogs/0/hashAlgorithm", "/tlogs/0/publicKey/rawBytes",
        "/tlogs/0/publicKey/keyDetails", "/tlogs/0/publicKey/validFor/start", "/tlogs/0/logId/keyId"}) {
    EXPECT_EQ(Outcome(With([&](JsonValue& root) { At(root, pointer) = JsonValue::Number(1); })), "trust-root-malformed")
        << pointer;
  }
}

TEST(TrustedRoot, BadBytes) {
  for (const char* pointer : {"/tlogs/0/publicKey/rawBytes", "/tlogs/0/logId/keyId",
                              "/certificateAuthorities/0/certChain/certificates/0/rawBytes"}) {
    for (const char* text : {"AAAA", "A", "", "AA==\n", "-_8="}) {
      EXPECT_EQ(Outcome(WithText(pointer, text)), "trust-root-malformed") << pointer << text;
    }
  }
}

// A key that another log could have had is refused with its place, so that whoever wrote the document finds it.
TEST(TrustedRoot, ErrorSaysWhere) {
  const auto root = WithText("/tlogs/1/publicKey/rawBytes", "AAAA");
  ASSERT_FALSE(root.ok());
  EXPECT_EQ(root.error().where, "$.tlogs[1].publicKey.rawBytes");
}

TEST(TrustedRoot, KeyDetails) {
  using crypto::KeyType;
  struct Row {
    const char* details;
    KeyType type;
    std::size_t rsa_bits;
    HashAlgorithm hash;
  };
  const Row rows[] = {
      {"PKIX_ECDSA_P256_SHA_256", KeyType::kEcP256, 0, HashAlgorithm::kSha256},
      {"PKIX_ECDSA_P384_SHA_384", KeyType::kEcP384, 0, HashAlgorithm::kSha384},
      {"PKIX_ECDSA_P384_SHA_256", KeyType::kEcP384, 0, HashAlgorithm::kSha256},
      {"PKIX_ECDSA_P521_SHA_512", KeyType::kEcP521, 0, HashAlgorithm::kSha512},
      {"PKIX_ECDSA_P521_SHA_256", KeyType::kEcP521, 0, HashAlgorithm::kSha256},
      {"PKIX_ED25519", KeyType::kEd25519, 0, HashAlgorithm::kSha256},
      {"PKIX_RSA_PKCS1V15_2048_SHA256", KeyType::kRsa, 2048, HashAlgorithm::kSha256},
      {"PKIX_RSA_PKCS1V15_3072_SHA256", KeyType::kRsa, 3072, HashAlgorithm::kSha256},
      {"PKIX_RSA_PKCS1V5", KeyType::kRsa, 2048, HashAlgorithm::kSha256},
  };
  std::vector<std::pair<Row, crypto::PublicKey>> keys;
  for (const Row& row : rows) {
    const auto key = crypto::PrivateKey::Generate(row.type, row.rsa_bits == 0 ? 2048 : row.rsa_bits).value().Public();
    const auto root = WithKey(key, row.details);
    ASSERT_TRUE(root.ok()) << row.details << root.error().ToString();
    EXPECT_TRUE(root->material.logs[0].key == key) << row.details;
    EXPECT_EQ(root->material.logs[0].hash, row.hash) << row.details;
    keys.emplace_back(row, key);
  }
  // A key of another kind than it says.
  for (const auto& [row, key] : keys) {
    for (const auto& [other, unused] : keys) {
      const bool fits = other.type == row.type &&
                        (other.rsa_bits == row.rsa_bits || std::string_view(other.details) == "PKIX_RSA_PKCS1V5");
      EXPECT_EQ(Outcome(WithKey(key, other.details)), fits ? "ok" : "trust-root-malformed")
          << row.details << " as " << other.details;
    }
  }
}

TEST(TrustedRoot, KeyInPkcs1) {
  const auto key = crypto::PrivateKey::Generate(crypto::KeyType::kRsa).value().Public();
  const Bytes spki = key.Spki();
  const auto root = With([&](JsonValue& json) {
    At(json, "/tlogs/0/publicKey/rawBytes") = JsonValue::String(EncodeBase64(BytesView(spki).subspan(24)));
    At(json, "/tlogs/0/publicKey/keyDetails") = JsonValue::String("PKCS1_RSA_PKCS1V5");
  });
  ASSERT_TRUE(root.ok()) << root.error().ToString();
  EXPECT_TRUE(root->material.logs[0].key == key);
  EXPECT_EQ(Outcome(WithKey(key, "PKCS1_RSA_PKCS1V5")), "trust-root-malformed");  // an SPKI is none
}

// What we cannot use is left out and named; the rest serves.
TEST(TrustedRoot, KeysOfKindsThatCannotBeUsed) {
  const auto key = crypto::PrivateKey::Generate(crypto::KeyType::kEd25519).value().Public();
  for (const char* details : {"PKIX_ED25519_PH", "ML_DSA_65", "LMS_SHA256", "PKIX_RSA_PSS_2048_SHA256", "NEW"}) {
    const auto root = WithKey(key, details);
    ASSERT_TRUE(root.ok()) << details << root.error().ToString();
    EXPECT_EQ(root->material.logs.size(), 1U) << details;
    ASSERT_EQ(root->ignored.size(), 1U) << details;
    EXPECT_NE(root->ignored[0].find(details), std::string::npos) << root->ignored[0];
    EXPECT_NE(root->ignored[0].find("$.tlogs[0] (https://rekor.example)"), std::string::npos) << root->ignored[0];
  }
}

TEST(TrustedRoot, TreeOfAnotherHash) {
  const auto root = WithText("/tlogs/0/hashAlgorithm", "SHA2_512");
  ASSERT_TRUE(root.ok()) << root.error().ToString();
  EXPECT_EQ(root->material.logs.size(), 1U);
  EXPECT_EQ(root->ignored.size(), 1U);
}

// Only ones that cannot be used: no error, the document may serve others.
TEST(TrustedRoot, EveryKeyIgnored) {
  const auto root = With([](JsonValue& json) {
    for (const char* list : {"/ctlogs", "/certificateAuthorities", "/timestampAuthorities", "/tlogs/1"}) {
      Remove(json, list);
    }
    At(json, "/tlogs/0/publicKey/keyDetails") = JsonValue::String("NEW");
  });
  ASSERT_TRUE(root.ok()) << root.error().ToString();
  EXPECT_TRUE(root->material.logs.empty());
  EXPECT_EQ(root->ignored.size(), 1U);
}

TEST(TrustedRoot, CheckpointKeyId) {
  const auto root = WithText("/tlogs/0/checkpointKeyId/keyId", "AQIDBA==");
  ASSERT_TRUE(root.ok()) << root.error().ToString();
  EXPECT_EQ(root->material.logs[0].checkpoint_id, (Bytes{1, 2, 3, 4}));
  EXPECT_EQ(root->material.logs[0].id, Sigstore().Trust().logs[0].id);
  const auto alone = With([](JsonValue& json) {
    At(json, "/tlogs/0/checkpointKeyId/keyId") = At(json, "/tlogs/0/logId/keyId");
    Remove(json, "/tlogs/0/logId");
  });
  ASSERT_TRUE(alone.ok()) << alone.error().ToString();
  EXPECT_EQ(alone->material.logs[0].id, Sigstore().Trust().logs[0].id);
  EXPECT_EQ(Outcome(WithText("/tlogs/0/checkpointKeyId/keyId", "AQID")), "trust-root-malformed");
  EXPECT_EQ(Outcome(WithText("/tlogs/0/logId/keyId", EncodeBase64(Bytes(33)))), "trust-root-malformed");
}

TEST(TrustedRoot, Windows) {
  const auto root = With([](JsonValue& json) {
    At(json, "/tlogs/0/publicKey/validFor/start") = JsonValue::String("2026-01-01T01:00:00.123456789+01:00");
    At(json, "/tlogs/0/publicKey/validFor/end") = JsonValue::String("2026-12-31T23:59:59.999Z");
  });
  ASSERT_TRUE(root.ok()) << root.error().ToString();
  const Validity& valid = root->material.logs[0].valid;
  using std::chrono::sys_days;
  using std::chrono::year;
  const WallTime start = sys_days(year(2026) / 1 / 1) + Duration(123);
  const WallTime end = sys_days(year(2027) / 1 / 1) - Duration(1);
  EXPECT_EQ(valid.from, start);
  EXPECT_EQ(valid.until, end);
  EXPECT_TRUE(valid.Contains(start));
  EXPECT_TRUE(valid.Contains(end));
  EXPECT_FALSE(valid.Contains(start - Duration(1)));
  EXPECT_FALSE(valid.Contains(end + Duration(1)));
  EXPECT_TRUE(Validity{}.Contains(WallTime{}));
  for (const char* start_text : {"2026-13-01T00:00:00Z", "2026-01-01", "yesterday", "2026-01-01 00:00:00Z"}) {
    EXPECT_EQ(Outcome(WithText("/tlogs/0/publicKey/validFor/start", start_text)), "trust-root-malformed") << start_text;
  }
  for (const char* pointer : {"/tlogs/0/publicKey/validFor/end", "/certificateAuthorities/0/validFor/end"}) {
    EXPECT_EQ(Outcome(WithText(pointer, "2000-01-01T00:00:00Z")), "trust-root-malformed") << pointer;
  }
}

TEST(TrustedRoot, ChainInAnotherOrder) {
  const auto swap = [](JsonValue& root) {
    auto& certificates = At(root, "/certificateAuthorities/0/certChain/certificates").elements;
    std::swap(certificates.at(0), certificates.at(1));
  };
  const auto root = With(swap);
  EXPECT_EQ(Outcome(root), "trust-root-malformed");
  EXPECT_EQ(root.error().where, "$.certificateAuthorities[0]");
}

TEST(TrustedRoot, ChainWithAStranger) {
  const auto root = With([](JsonValue& json) {
    At(json, "/certificateAuthorities/0/certChain/certificates/1") =
        At(json, "/timestampAuthorities/0/certChain/certificates/1");
  });
  EXPECT_EQ(Outcome(root), "trust-root-malformed");
}

TEST(TrustedRoot, ChainOfOne) {
  const auto root = With([](JsonValue& json) { Remove(json, "/certificateAuthorities/0/certChain/certificates/0"); });
  ASSERT_TRUE(root.ok()) << root.error().ToString();
  EXPECT_EQ(root->material.authorities[0].chain.size(), 1U);
}

TEST(TrustedRoot, ChainOfEleven) {
  const auto root = With([](JsonValue& json) {
    auto& certificates = At(json, "/certificateAuthorities/0/certChain/certificates").elements;
    certificates.resize(11, certificates.back());  // the root has signed itself
  });
  EXPECT_EQ(Outcome(root), "limit-exceeded");
}

TEST(TrustedRoot, NumberOfEach) {
  for (const char* pointer : {"/tlogs", "/ctlogs", "/certificateAuthorities", "/timestampAuthorities"}) {
    const auto with = [&](std::size_t count) {
      return With([&](JsonValue& root) {
        auto& elements = At(root, pointer).elements;
        elements.resize(count, elements.front());
      });
    };
    EXPECT_EQ(Outcome(with(100)), "ok") << pointer;
    EXPECT_EQ(Outcome(with(101)), "limit-exceeded") << pointer;
  }
}

TEST(TrustedRoot, TooLarge) {
  EXPECT_EQ(Outcome(ParseTrustedRoot(std::string(1024 * 1024 + 1, ' '))), "limit-exceeded");
}

TEST(TrustedRoot, TruncatedAtEveryByte) {
  const std::string good = Good().Write();
  for (std::size_t size = 0; size < good.size(); ++size) {
    ASSERT_EQ(Outcome(ParseTrustedRoot(std::string_view(good).substr(0, size))), "trust-root-malformed") << size;
  }
  EXPECT_EQ(Outcome(ParseTrustedRoot(good + "x")), "trust-root-malformed");
}

TEST(MakeLog, HostsAndIds) {
  const auto key = crypto::PrivateKey::Generate(crypto::KeyType::kEd25519).value().Public();
  struct Row {
    const char* url;
    const char* host;
  };
  const Row rows[] = {{"https://log.example", "log.example"},
                      {"https://log.example/", "log.example"},
                      {"http://log.example:3000/a/b?c#d", "log.example"},
                      {"https://user@log.example/", "log.example"},
                      {"https://[2001:db8::1]:443/", "2001:db8::1"},
                      {"log.example:80/x", "log.example"},
                      {"https:///x", ""},
                      {"https://[", ""},
                      {"", ""}};
  for (const Row& row : rows) {
    const Log log = MakeLog(key, row.url);
    EXPECT_EQ(log.host, row.host) << row.url;
    EXPECT_EQ(log.id, crypto::Hash(HashAlgorithm::kSha256, key.Spki())) << row.url;
    EXPECT_EQ(log.checkpoint_id.empty(), log.host.empty()) << row.url;
    EXPECT_FALSE(log.operator_name.empty()) << row.url;
  }
  EXPECT_EQ(MakeLog(key, "").operator_name, key.Fingerprint().text());
  EXPECT_EQ(MakeLog(key, "https://log.example", "me").operator_name, "me");
}

// The log of Rekor v2 that Sigstore runs, as its trusted root has it: key, URL and the id of its checkpoints.
TEST(MakeLog, CheckpointIdOfARealLog) {
  const auto key =
      crypto::PublicKey::FromSpki(DecodeBase64("MCowBQYDK2VwAyEAt8rlp1knGwjfbcXAYPYAkn0XiLz1x8O4t0YkEhie244=").value());
  const Log log = MakeLog(key.value(), "https://log2025-1.rekor.sigstore.dev");
  EXPECT_EQ(EncodeBase64(log.checkpoint_id), "zxGZFVvd0FEmjR8WrFwMdcAJ9vtaY/QXf44Y1wUeP6A=");
}

TEST(MakeLog, HashesOfKeys) {
  using crypto::KeyType;
  for (const auto& [type, hash] : std::vector<std::pair<KeyType, HashAlgorithm>>{
           {KeyType::kEcP256, HashAlgorithm::kSha256},
           {KeyType::kEcP384, HashAlgorithm::kSha384},
           {KeyType::kEcP521, HashAlgorithm::kSha512},
           {KeyType::kRsa, HashAlgorithm::kSha256},
       }) {
    EXPECT_EQ(MakeLog(crypto::PrivateKey::Generate(type).value().Public(), "https://x").hash, hash);
  }
}

TEST(MakeCertificateAuthority, Chains) {
  const crypto::Certificate root = Sigstore().root().certificate();
  const crypto::Certificate intermediate = Sigstore().intermediate().certificate();
  EXPECT_EQ(Outcome(MakeCertificateAuthority({})), "trust-root-malformed");
  EXPECT_EQ(Outcome(MakeCertificateAuthority({intermediate, root})), "ok");
  EXPECT_EQ(Outcome(MakeCertificateAuthority({root, intermediate})), "trust-root-malformed");
  EXPECT_EQ(Outcome(MakeCertificateAuthority({intermediate})), "ok");  // a trust anchor need not be self-signed
  EXPECT_EQ(MakeCertificateAuthority({root})->operator_name, root.Fingerprint().text());
  EXPECT_EQ(MakeCertificateAuthority({root}, "https://x")->operator_name, "https://x");
  EXPECT_EQ(MakeCertificateAuthority({root}, "https://x", "me")->operator_name, "me");
}

// --- documents of the world

TEST(RealTrustedRoot, PublicGood) {
  const auto file = crypto::Vectors() / "public/sigstore/trusted_root.public-good.json";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no samples";
  const auto root = ParseTrustedRoot(crypto::ReadFile(file));
  ASSERT_TRUE(root.ok()) << root.error().ToString();
  const TrustMaterial& material = root->material;
  EXPECT_TRUE(root->ignored.empty());
  ASSERT_EQ(material.logs.size(), 2U);
  EXPECT_EQ(material.logs[0].host, "rekor.sigstore.dev");
  EXPECT_EQ(material.logs[0].id, crypto::Hash(HashAlgorithm::kSha256, material.logs[0].key.Spki()));
  EXPECT_EQ(material.logs[1].host, "log2025-1.rekor.sigstore.dev");
  EXPECT_EQ(material.logs[1].id, material.logs[1].checkpoint_id);
  EXPECT_EQ(material.ct_logs.size(), 2U);
  EXPECT_TRUE(material.ct_logs[0].valid.until.has_value());
  ASSERT_EQ(material.authorities.size(), 2U);
  EXPECT_EQ(material.authorities[1].chain.size(), 2U);
  EXPECT_EQ(material.timestamp_authorities.size(), 1U);
  EXPECT_FALSE(material.timestamp_authorities[0].chain[0].IsCa());
}

}  // namespace
}  // namespace gatehouse::signature::sigstore
