// NodePolicy.tpm.ima, and what sets of reference values list of boots and files: each field reaches the loaded form,
// and what cannot mean what it says is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/crypto/hash.h"
#include "common/policy/objects.h"
#include "tests/common/policy/tpm_builder.h"

namespace gatehouse::policy {
namespace {

using appraisal::DigestSet;
using appraisal::ImaPolicy;
using claims::BootPart;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Bytes Raw(const std::string& end, std::size_t bytes = 32) {
  return DecodeHex(Hex(end, bytes)).value();
}

// A policy of nothing but files; `ima` is in flow style.
std::string ImaYaml(const std::string& ima, const std::string& beside = "") {
  return "apiVersion: gatehouse.dev/v1alpha1\nkind: NodePolicy\nmetadata: {name: f}\nspec:\n  nodes: [{glob: \"*\"}]\n"
         "  tpm:\n    trustRoots: [vendors]\n" +
         beside + "    ima: " + ima + "\n";
}
ImaPolicy OnlyIma(const std::string& ima) {
  PolicySet set = Loaded({ImaYaml(ima), TrustRootYaml()});
  return set.node_policies.empty() || !set.node_policies[0].ima ? ImaPolicy{} : *set.node_policies[0].ima;
}
Error ImaRefusal(const std::string& ima) {
  return Refusal(ImaYaml(ima) + "---\n" + TrustRootYaml());
}

TEST(ImaPolicy, EveryFieldArrives) {
  NodePolicy policy = MeasuredPolicy();
  ASSERT_NE(policy.ima, nullptr);
  const ImaPolicy& ima = *policy.ima;
  EXPECT_EQ(ima.bank, HashAlgorithm::kSha384);
  EXPECT_TRUE(ima.match_paths);
  EXPECT_THAT(ima.deny_digests, ElementsAre(Raw("f1")));
  ASSERT_TRUE(ima.deny_paths && ima.exclude && ima.violations && ima.signed_paths && ima.container_paths);
  EXPECT_TRUE(ima.deny_paths->matches("/tmp/evil-1"));
  EXPECT_FALSE(ima.deny_paths->matches("/tmp/good"));
  EXPECT_TRUE(ima.exclude->matches("/var/log/a"));
  EXPECT_TRUE(ima.exclude->matches("/run/user/1000/b"));
  EXPECT_FALSE(ima.exclude->matches("/run/user/x/b"));
  EXPECT_EQ(ima.exclude->source, "regex '/var/log/.*' or one of 1 more");
  EXPECT_TRUE(ima.violations->matches("/var/log/journal/a"));
  EXPECT_FALSE(ima.violations->matches("/var/log/a"));
  EXPECT_EQ(ima.violations->source, "regex '/var/log/journal/.*'");
  ASSERT_THAT(ima.signers, SizeIs(2));
  EXPECT_TRUE(ima.signatures_accept);
  EXPECT_TRUE(ima.signed_paths->matches("/usr/bin/true"));
  EXPECT_FALSE(ima.signed_paths->matches("/opt/true"));
  ASSERT_THAT(ima.buffers, SizeIs(2));
  EXPECT_TRUE(ima.buffers[0].name.matches("dm_table_load"));
  EXPECT_TRUE(ima.buffers[0].any);
  EXPECT_TRUE(ima.buffers[1].name.matches("kexec-cmdline"));
  EXPECT_FALSE(ima.buffers[1].any);
  EXPECT_THAT(ima.buffers[1].digests, ElementsAre(Raw("f2")));
  EXPECT_TRUE(ima.container_paths->matches("/var/lib/containers/a/b"));
  EXPECT_EQ(ima.containers, ImaPolicy::Containers::kImages);
  EXPECT_TRUE(ima.allow_insecure_padded_sha1);
  EXPECT_TRUE(ima.allow_insecure_sha1_aggregate);
}

TEST(ImaPolicy, Defaults) {
  ImaPolicy ima = OnlyIma("{exclude: [/var/.*], containers: {paths: [/c/.*]}}");
  EXPECT_EQ(ima.bank, HashAlgorithm::kSha256);
  EXPECT_FALSE(ima.match_paths);
  EXPECT_THAT(ima.deny_digests, IsEmpty());
  EXPECT_FALSE(ima.deny_paths || ima.violations || ima.signed_paths);
  EXPECT_THAT(ima.signers, IsEmpty());
  EXPECT_FALSE(ima.signatures_accept);
  EXPECT_THAT(ima.buffers, IsEmpty());
  EXPECT_EQ(ima.containers, ImaPolicy::Containers::kListed);
  EXPECT_FALSE(ima.allow_insecure_padded_sha1);
  EXPECT_FALSE(ima.allow_insecure_sha1_aggregate);
}

TEST(ImaPolicy, EveryValueOfEveryChoice) {
  EXPECT_EQ(MeasuredPolicy("bank: sha384", "bank: sha512").ima->bank, HashAlgorithm::kSha512);
  EXPECT_EQ(MeasuredPolicy("entries: images", "entries: listed").ima->containers, ImaPolicy::Containers::kListed);
  EXPECT_EQ(MeasuredPolicy("entries: images", "entries: any").ima->containers, ImaPolicy::Containers::kAny);
  EXPECT_FALSE(MeasuredPolicy("matchPaths: true", "matchPaths: false").ima->match_paths);
  EXPECT_FALSE(MeasuredPolicy("        accept: true\n", "").ima->signatures_accept);
  EXPECT_FALSE(MeasuredPolicy("        requiredFor: [\"/usr/.*\"]\n", "").ima->signed_paths.has_value());
}

// --- patterns

// M7: not a prefix, not a part, and a path that holds what is no text is a path.
TEST(Adversarial_M7, PatternsMatchTheWholePath) {
  const appraisal::TextRule rule = *OnlyIma("{exclude: [/var/log, \"/a|/b\", \"/opt/x\"]}").exclude;
  for (const char* good : {"/var/log", "/a", "/b", "/opt/x"}) EXPECT_TRUE(rule.matches(good)) << good;
  for (const char* bad : {"/var/log/x", "/x/var/log", "/var/log\n", "/a/x", "/x/b", "/ax", "", "/opt/x\n/opt/x"})
    EXPECT_FALSE(rule.matches(bad)) << bad;
}

TEST(Adversarial_M5, ANameThatIsNoTextDoesNotSlipPastAPattern) {
  const appraisal::TextRule rule = *OnlyIma("{exclude: [/c/.*], deny: {paths: [\"/tmp/.*\"]}}").deny_paths;
  EXPECT_TRUE(rule.matches("/tmp/\xff\xfe"));
  EXPECT_TRUE(rule.matches("/tmp/a\nb"));
  EXPECT_TRUE(rule.matches(std::string_view("/tmp/a\0b", 8)));
  EXPECT_TRUE(rule.matches("/tmp/\xc3\xa9"));
  EXPECT_TRUE(OnlyIma("{exclude: [\"/caf\\\\xC3\\\\xA9/.*\"]}").exclude->matches("/caf\xc3\xa9/x"));
}

TEST(Adversarial_M7, WhatMatchesEveryPathIsRefused) {
  for (const std::string pattern :
       {".*", "/.*", "^/.*$", "(?i).*", "/[a-z]+/.*", "[^q]+", "(/usr|/etc|/tmp)/.*", "(?s:.*)", "/usr/.*|.*"}) {
    for (const std::string& rule :
         {"{exclude: [/c/.*, \"" + pattern + "\"]}", "{exclude: [/c/.*], violations: [\"" + pattern + "\"]}",
          "{containers: {paths: [\"" + pattern + "\"], entries: any}}"}) {
      Error error = ImaRefusal(rule);
      EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << rule;
      EXPECT_THAT(error.detail, HasSubstr("name the directories")) << rule;
    }
  }
  // To deny everything, or to ask for a signature of everything, is another thing.
  EXPECT_TRUE(OnlyIma("{exclude: [/c/.*], deny: {paths: [\".*\"]}}").deny_paths->matches("/x"));
}

TEST(Adversarial_M12, PatternsAreBounded) {
  const std::pair<std::string, std::string> kCases[] = {
      {"(", "RE2"},
      {"a\\\\", "RE2"},
      {"(a", "RE2"},
      {"a)|(b", "RE2"},
      {"(?=a)", "RE2"},
      {"(a)\\\\1", "RE2"},
      {"((a{100}){100}){100}", "RE2"},
      {"a\\n", "control character"},
      {"caf\\u00e9", "outside of ASCII"},
      {"\\\\Qa", "holds \\Q"},
      {std::string(1025, 'a'), "more than 1024 bytes"},
      {"", "must not be empty"},
  };
  for (const auto& [pattern, detail] : kCases) {
    for (const std::string& rule :
         {"{exclude: [\"" + pattern + "\"]}", "{exclude: [/c], deny: {paths: [\"" + pattern + "\"]}}",
          "{exclude: [/c], buffers: [{name: \"" + pattern + "\", any: true}]}"})
      EXPECT_THAT(ImaRefusal(rule).detail, HasSubstr(detail)) << rule;
  }
  std::string many;
  for (int i = 0; i < 301; ++i) many += (i == 0 ? "/a" : ", /a") + std::to_string(i);
  EXPECT_EQ(ImaRefusal("{exclude: [" + many + "]}").reason, Reason::kLimitExceeded);
}

TEST(ImaPolicy, ManyPatternsAreOneRule) {
  std::string many;
  for (int i = 0; i < 300; ++i) many += (i == 0 ? "\"/d" : ", \"/d") + std::to_string(i) + "/[a-z]+/.*\"";
  const appraisal::TextRule rule = *OnlyIma("{exclude: [" + many + "]}").exclude;
  EXPECT_TRUE(rule.matches("/d0/a/x"));
  EXPECT_TRUE(rule.matches("/d299/abc/x"));
  EXPECT_FALSE(rule.matches("/d300/abc/x"));
  EXPECT_FALSE(rule.matches("/d299/9/x"));
}

// --- signers

TEST(ImaSigners, VerifyByTheFullKey) {
  for (auto type : {crypto::KeyType::kRsa, crypto::KeyType::kEcP256, crypto::KeyType::kEcP384}) {
    const auto key = crypto::PrivateKey::Generate(type).value();
    const ImaPolicy ima = OnlyIma("\n      signatures:\n        accept: true\n        keys: |\n" +
                                  Indented(key.Public().Pem() + kOtherP256Pem, 10));
    ASSERT_THAT(ima.signers, SizeIs(2));
    const auto scheme = type == crypto::KeyType::kRsa ? crypto::Scheme::kRsaPkcs1v15 : crypto::Scheme::kEcdsaDer;
    const Bytes file = {1, 2, 3};
    const Bytes signature = key.Sign(scheme, HashAlgorithm::kSha256, file).value();
    Bytes digest = crypto::Hash(HashAlgorithm::kSha256, file);
    EXPECT_TRUE(ima.signers[0].verifies(HashAlgorithm::kSha256, digest, signature));
    EXPECT_FALSE(ima.signers[1].verifies(HashAlgorithm::kSha256, digest, signature)) << "another key";
    EXPECT_FALSE(ima.signers[0].verifies(HashAlgorithm::kSha384, digest, signature)) << "another hash";
    EXPECT_FALSE(ima.signers[0].verifies(HashAlgorithm::kSha1, Bytes(20), signature)) << "SHA-1";
    EXPECT_FALSE(ima.signers[0].verifies(HashAlgorithm::kSha256, digest, {})) << "no signature";
    digest[0] ^= 1;
    EXPECT_FALSE(ima.signers[0].verifies(HashAlgorithm::kSha256, digest, signature)) << "another file";
  }
}

// The id of a key that OpenSSL's x509 -ext subjectKeyIdentifier gives for kRsaPem and kP256Pem, and that of a
// certificate that has one of its own.
TEST(ImaSigners, KeyIds) {
  auto last_four = [](const Bytes& id) {
    std::uint32_t value = 0;
    for (std::size_t i = id.size() - 4; i < id.size(); ++i) value = value << 8 | id[i];
    return value;
  };
  // RFC 5280 section 4.2.1.2: of an EC key the bit string is the point, the last 65 bytes of a P-256 key's encoding.
  const Bytes spki = crypto::PublicKey::FromPem(kP256Pem)->Spki();
  const Bytes hash = crypto::Hash(HashAlgorithm::kSha1, BytesView(spki).subspan(spki.size() - 65));
  const auto key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value();
  auto spec = fakes::LeafSpec("signer").With("subjectKeyIdentifier", "0102030405060708090A0B0C0D0E0F1011121314");
  auto own = FirmwareCa().Leaf(spec);
  auto none = FirmwareCa().Leaf([&] {
    auto without = fakes::LeafSpec("none").Without("subjectKeyIdentifier");
    without.key = key;
    return without;
  }());
  const ImaPolicy ima = OnlyIma("\n      signatures:\n        accept: true\n        keys: |\n" +
                                Indented(kP256Pem + own.pem + none.pem + FirmwareCa().pem(), 10));
  ASSERT_THAT(ima.signers, SizeIs(4));
  EXPECT_EQ(ima.signers[0].key_id, last_four(hash));
  EXPECT_THAT(ima.signers[0].name, HasSubstr("key sha256:"));
  EXPECT_EQ(ima.signers[1].key_id, 0x11121314U);
  EXPECT_EQ(ima.signers[1].name, "CN=signer");
  const Bytes own_spki = key.Public().Spki();
  EXPECT_EQ(ima.signers[2].key_id,
            last_four(crypto::Hash(HashAlgorithm::kSha1, BytesView(own_spki).subspan(own_spki.size() - 65))));
  EXPECT_EQ(ima.signers[3].key_id, last_four(*FirmwareCa().certificate().Extension("2.5.29.14")));
}

TEST(ImaSigners, Refused) {
  const std::string at = "$.spec.tpm.ima.signatures";
  auto with = [](const std::string& pem) {
    return ImaRefusal("\n      signatures:\n        accept: true\n        keys: |\n" + Indented(pem, 10));
  };
  EXPECT_THAT(with("nonsense\n").where, HasSubstr(at + ".keys"));
  EXPECT_EQ(with("nonsense\n").reason, Reason::kKeyMalformed);
  EXPECT_THAT(with(kEd25519Pem).detail, HasSubstr("Ed25519"));
  EXPECT_THAT(with(std::string(kP256Pem) + kP256Pem).detail, HasSubstr("twice"));
  const auto key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value();
  EXPECT_EQ(with(key.Pem()).reason, Reason::kKeyMalformed) << "a private key";
  auto odd = fakes::LeafSpec("odd").With("subjectKeyIdentifier", "01");
  EXPECT_EQ(with(FirmwareCa().Leaf(odd).pem).reason, Reason::kCertificateMalformed);
}

// --- what is refused

TEST(Adversarial_E12, AnEmptyImaPolicyIsNoPolicy) {
  for (const std::string ima : {"{}", "{matchPaths: true}", "{violations: [/a]}", "{buffers: [{name: a, any: true}]}",
                                "{deny: {paths: [/a]}}", "{containers: {paths: [/a], entries: images}}"})
    EXPECT_THAT(ImaRefusal(ima).detail, HasSubstr("accepts no file")) << ima;
  EXPECT_EQ(ImaRefusal("null").reason, Reason::kPolicyInvalid);
  // With something that accepts files they are policies.
  for (const std::string ima : {"{exclude: [/a/.*]}", "{containers: {paths: [/a/.*], entries: any}}"})
    EXPECT_THAT(Loaded({ImaYaml(ima), TrustRootYaml()}).node_policies, SizeIs(1)) << ima;
  PolicySet set = Loaded({ImaYaml("{}", "    referenceValues: [measured]\n"), MeasuredValuesYaml(), TrustRootYaml()});
  EXPECT_NE(set.node_policies.at(0).ima, nullptr);
}

TEST(ImaPolicy, Refused) {
  const std::string at = "$.spec.tpm.ima";
  const Wrong kCases[] = {
      {"bank: sha384", "bank: sha1", at + ".bank", "must be one of"},
      {"matchPaths: true", "matchPath: true", at, "did you mean 'matchPaths'"},
      {"matchPaths: true", "matchPaths: 1", at + ".matchPaths", "true or false"},
      {"deny: {digests: [" + Hex("f1") + "], paths: [\"/tmp/evil.*\"]}", "deny: {}", at + ".deny", "denies nothing"},
      {"deny: {digests: [" + Hex("f1"), "deny: {digests: [" + Hex("f1", 20), at + ".deny.digests", "SHA-1"},
      {"deny: {digests: [" + Hex("f1"), "deny: {digests: [\"sha256:" + Hex("f1") + "\"", at + ".deny.digests",
       "is not a digest"},
      {"deny: {digests", "deny: {digest", at + ".deny", "did you mean 'digests'"},
      {"exclude: [\"/var/log/.*\", \"/run/user/[0-9]+/.*\"]", "exclude: []", at + ".exclude", "must not be empty"},
      {"exclude: [\"/var/log/.*\", \"/run/user/[0-9]+/.*\"]", "exclude: /var/log/.*", at + ".exclude", "an array"},
      {"violations: [\"/var/log/journal/.*\"]", "violations: [7]", at + ".violations[0]", "must be a string"},
      {"        accept: true\n        requiredFor: [\"/usr/.*\"]\n", "", at + ".signatures", "decides nothing"},
      {"        accept: true\n        requiredFor: [\"/usr/.*\"]\n", "        accept: false\n", at + ".signatures",
       "decides nothing"},
      {"requiredFor", "required", at + ".signatures", "unknown field 'required'"},
      {"{name: dm_table_load, any: true}", "{name: dm_table_load}", at + ".buffers[0]", "one of any: true and digests"},
      {"{name: dm_table_load, any: true}", "{name: dm_table_load, any: false}", at + ".buffers[0]", "one of any"},
      {"{name: kexec-cmdline, digests", "{name: kexec-cmdline, any: true, digests", at + ".buffers[1]", "not both"},
      {"{name: dm_table_load, any: true}", "{any: true}", at + ".buffers[0].name", "is required"},
      {"name: dm_table_load", "name: \".*\"", at + ".buffers[0].name", "is every buffer"},
      {"paths: [\"/var/lib/containers/.*\"], ", "", at + ".containers.paths", "is required"},
      {"entries: images", "entries: all", at + ".containers.entries", "must be one of listed, images, any"},
      {"allowInsecurePaddedSha1: true", "allowInsecurePaddedSha1: \"\"", at + ".allowInsecurePaddedSha1", "true or"},
      {"allowInsecureSha1Aggregate: true", "allowInsecureSha1: true", at, "unknown field 'allowInsecureSha1'"},
  };
  for (const Wrong& c : kCases) {
    Error error = Refusal(Edited(MeasuredPolicyYaml(), c.from, c.to) + "---\n" + MeasuredValuesYaml() + "---\n" +
                          TrustRootYaml());
    EXPECT_EQ(error.reason, c.reason) << c.to;
    EXPECT_THAT(error.where, HasSubstr(c.where)) << c.to;
    EXPECT_THAT(error.detail, HasSubstr(c.detail)) << c.to;
  }
}

// --- generations

TEST(Adversarial_A16, OtherRulesAreAnotherGeneration) {
  const std::string before = MeasuredPolicy().generation;
  const std::pair<std::string, std::string> kEdits[] = {
      {Print("e1"), Print("e9")},
      {Hex("e2") + ",worker-1", Hex("e9") + ",worker-1"},
      {"revocation: required", "revocation: \"off\""},
      {"\"0x1\"", "\"0x2\""},
      {"maxClockLag: 10m", "maxClockLag: 11m"},
      {"atLeast: 371", "atLeast: 372"},
      {Print("a1"), Print("a9")},
      {"{pcr: 1}", "{pcr: 2}"},
      {"required: [ro]", "required: [rw]"},
      {"exact: [text]", "exact: [texts]"},
      {"secureBoot: required", "secureBoot:  required"},
      {"matchPaths: true", "matchPaths: false"},
      {"/tmp/evil.*", "/tmp/evi.*"},
      {"entries: images", "entries: any"},
      {Hex("f2"), Hex("f9")},
  };
  for (const auto& [from, to] : kEdits) {
    const bool same = to == "secureBoot:  required";
    EXPECT_EQ(MeasuredPolicy(from, to).generation == before, same) << to;
  }
  const std::pair<std::string, std::string> kValues[] = {
      {"  /usr/bin/true", "  /usr/bin/false"}, {Hex("05"), Hex("08")},
      {"debian-12.ghds", "debian-13.ghds"},    {Hex("07"), Hex("08")},
      {"from: packages", "from: images"},      {"exact: [text]", "exact: [texts]"},
  };
  for (const auto& [from, to] : kValues) {
    PolicySet set = Measured(MeasuredPolicyYaml(), Edited(MeasuredValuesYaml(), from, to));
    EXPECT_NE(set.node_policies.at(0).generation, before) << to;
  }
  PolicySet set = Measured(MeasuredPolicyYaml(), MeasuredValuesYaml(), TpmRootYaml());
  EXPECT_NE(set.node_policies.at(0).generation, before) << "pins and intermediates of a trust root";
}

// --- reference values

TEST(MeasuredValues, EveryFieldArrives) {
  PolicySet set = Measured(MeasuredPolicyYaml());
  ASSERT_THAT(set.reference_values.at(0).sets, SizeIs(2));
  const ReferenceSet& boot = set.reference_values[0].sets[0];
  EXPECT_THAT(boot.tpm.pcrs, IsEmpty());
  EXPECT_THAT(boot.boot, SizeIs(15));
  EXPECT_TRUE(boot.ima.empty());
  EXPECT_THAT(boot.boot.at(BootPart::kApplications).digests, ElementsAre(Raw("d1")));
  ASSERT_THAT(boot.boot.at(BootPart::kFirmware).texts, SizeIs(3));
  EXPECT_TRUE(boot.boot.at(BootPart::kFirmware).texts[0].matches("text"));
  EXPECT_TRUE(boot.boot.at(BootPart::kCommandLine).texts[2].matches("regex-1"));
  const ReferenceSet& files = set.reference_values[0].sets[1];
  EXPECT_TRUE(files.boot.empty());
  EXPECT_TRUE(files.not_after.has_value());
  EXPECT_FALSE(files.ima.images_only);
  ASSERT_THAT(files.ima.files, SizeIs(1));
  EXPECT_EQ(files.ima.files[0].name, "debian-12.ghds");
  EXPECT_EQ(files.ima.files[0].pin.text(), "sha256:" + Hex("07"));
  ASSERT_NE(files.ima.digests, nullptr);
  const DigestSet& digests = *files.ima.digests;
  EXPECT_EQ(digests.size(), 6U);
  struct Listed {
    HashAlgorithm algorithm;
    Bytes digest;
    std::string path;
    DigestSet::Match match;
  };
  using enum HashAlgorithm;
  const Listed kListed[] = {
      {kSha256, Raw("01"), "/usr/bin/true", DigestSet::Match::kExact},
      {kSha256, Raw("01"), "/usr/bin/false", DigestSet::Match::kDigest},
      {kSha256, Raw("02"), "/usr/bin/a_b", DigestSet::Match::kExact},
      {kSha256, Raw("03"), "/usr/share/a\\b", DigestSet::Match::kExact},
      {kSha384, Raw("04", 48), "/usr/bin/sha384", DigestSet::Match::kExact},
      {kSha256, Raw("05"), "/any", DigestSet::Match::kDigest},
      {kSha512, Raw("06", 64), "/any", DigestSet::Match::kDigest},
      {kSha256, Raw("07"), "/any", DigestSet::Match::kNone},
      {kSha256, Raw("04"), "/usr/bin/sha384", DigestSet::Match::kNone},
  };
  for (const Listed& one : kListed) EXPECT_EQ(digests.Find(one.algorithm, one.digest, one.path), one.match) << one.path;
  EXPECT_TRUE(Measured(MeasuredPolicyYaml(), Edited(MeasuredValuesYaml(), "from: packages", "from: images"))
                  .reference_values.at(0)
                  .sets[1]
                  .ima.images_only);
}

TEST(MeasuredValues, OneFormOfListingIsEnough) {
  auto one = [](const std::string& ima) {
    PolicySet set =
        Loaded({"apiVersion: gatehouse.dev/v1alpha1\nkind: ReferenceValues\nmetadata: {name: v}\nspec:\n"
                "  sets: [{name: s, tpm: {ima: " +
                ima + "}}]\n"});
    return set.reference_values.empty() ? appraisal::ImaReference{} : set.reference_values[0].sets.at(0).ima;
  };
  EXPECT_EQ(one("{sha256sums: \"" + Hex("01") + "  /a\"}").digests->size(), 1U);
  EXPECT_EQ(one("{digests: [" + Hex("01") + "]}").digests->size(), 1U);
  EXPECT_EQ(one("{files: [{name: a, sha256: " + Hex("01") + "}]}").digests, nullptr);
}

TEST(MeasuredValues, Refused) {
  const std::string files = "$.spec.sets[1].tpm.ima";
  const std::string file = "{name: debian-12.ghds, sha256: " + Hex("07") + "}";
  const Wrong kCases[] = {
      {"          firmware: {digests", "          firmware: {any: true, digests",
       "$.spec.sets[0].tpm.boot.firmware.any", "here stands what is good"},
      {"          firmware: {digests", "          authorities: {digests", "$.spec.sets[0].tpm.boot.authorities",
       "signers"},
      {"          mok: {digests: [" + Hex("d1") + "]}", "          mok: {}", "$.spec.sets[0].tpm.boot.mok",
       "accepts nothing"},
      {"regexes: [\"regex-[0-9]\"]", "regexes: [\".*\"]", "$.spec.sets[0].tpm.boot.firmware.regexes",
       "accepts every text; name those"},
      {"          initrds: {digests: [" + Hex("d1"), "          initrds: {digests: [" + Hex("d1", 20),
       "$.spec.sets[0].tpm.boot.initrds.digests", "SHA-1"},
      {"  /usr/bin/true", " /usr/bin/true", files + ".sha256sums", "line 1: "},
      {"  /usr/bin/true", "\t/usr/bin/true", files + ".sha256sums", "line 1: "},
      {"  /usr/bin/true", "  ", files + ".sha256sums", "line 1: "},
      {Hex("01"), Hex("01", 20), files + ".sha256sums", "line 1: "},
      {Hex("01"), Hex("A1"), files + ".sha256sums", "line 1: "},
      {"a\\\\b", "a\\b", files + ".sha256sums", "line 3: "},
      {"a\\\\b", "ab\\", files + ".sha256sums", "line 3: "},
      {"digests: [" + Hex("05"), "digests: [" + Hex("05") + ", " + Hex("05"), files + ".digests", "twice"},
      {"digests: [" + Hex("05"), "digests: [" + Hex("05", 20), files + ".digests", "SHA-1"},
      {"name: debian-12.ghds", "name: ../debian", files + ".files[0].name", "webhook's folder"},
      {"name: debian-12.ghds", "name: .debian", files + ".files[0].name", "webhook's folder"},
      {"name: debian-12.ghds", "name: a/b", files + ".files[0].name", "webhook's folder"},
      {"sha256: " + Hex("07"), "sha256: \"sha256:" + Hex("07") + "\"", files + ".files[0].sha256", "64 lower-case"},
      {", sha256: " + Hex("07"), "", files + ".files[0].sha256", "is required"},
      {file + "\n", file + "\n            - " + file + "\n", files + ".files[1].name", "twice"},
      {"from: packages", "from: image", files + ".from", "must be one of packages, images"},
      {"          from: packages", "          form: packages", files, "did you mean 'from'"},
  };
  for (const Wrong& c : kCases) {
    Error error = Refusal(Edited(MeasuredValuesYaml(), c.from, c.to));
    EXPECT_EQ(error.reason, c.reason) << c.to;
    EXPECT_THAT(error.where, HasSubstr(c.where)) << c.to;
    EXPECT_THAT(error.detail, HasSubstr(c.detail)) << c.to;
  }
  const std::string head =
      "apiVersion: gatehouse.dev/v1alpha1\nkind: ReferenceValues\nmetadata: {name: v}\nspec:\n"
      "  sets: [{name: s, tpm: ";
  const std::pair<std::string, std::string> kEmpty[] = {
      {"{}", "lists nothing"},
      {"{boot: {}}", "names no part of a boot"},
      {"{ima: {}}", "lists no file"},
      {"{ima: {from: images}}", "lists no file"},
      {"{ima: {sha256sums: \"# nothing\"}}", "has no line with a digest"},
      {"{ima: {digests: []}}", "must not be empty"},
      {"{ima: {files: []}}", "must not be empty"},
  };
  for (const auto& [tpm, detail] : kEmpty) EXPECT_THAT(Refusal(head + tpm + "}]\n").detail, HasSubstr(detail)) << tpm;
}

// In an object of the API, which may be larger than a file.
TEST(MeasuredValues, DigestsOfADocumentAreBounded) {
  auto values = [](int first, int second) {
    std::string sets;
    for (int count : {first, second}) {
      std::string digests;
      for (int i = 0; i < count; ++i) {
        const std::string number = std::to_string(i);
        digests += (i == 0 ? "\"" : ",\"") + std::string(64 - number.size(), '0') + number + "\"";
      }
      sets += std::string(sets.empty() ? "" : ",") + R"({"name":"s)" + std::to_string(sets.size()) +
              R"(","tpm":{"ima":{"digests":[)" + digests + "]}}}";
    }
    return R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"ReferenceValues","metadata":{"name":"v"},"spec":{"sets":[)" +
           sets + "]}}";
  };
  EXPECT_TRUE(CheckObject(values(12'000, 8'000)).ok());
  Status status = CheckObject(values(12'000, 8'001));
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().reason, Reason::kLimitExceeded);
  EXPECT_THAT(status.error().detail, HasSubstr("put them into a file"));
}

}  // namespace
}  // namespace gatehouse::policy
