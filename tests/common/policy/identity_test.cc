// NodePolicy.tpm.identity, and what TrustRoots say of TPMs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/codec/pem.h"
#include "tests/common/policy/tpm_builder.h"
#include "tests/fakes/revocation.h"

namespace gatehouse::policy {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Revocation = TpmIdentityRules::Revocation;

Digest PrintOf(const std::string& end) {
  return Digest::Parse("sha256:" + Hex(end)).value();
}

// With `identity` in flow style.
std::string IdentityYaml(const std::string& identity, const std::string& roots = "    trustRoots: [vendors]\n") {
  std::string policy = Edited(NodePolicyYaml(), "    trustRoots: [vendors]\n", roots);
  return policy + "    identity: " + identity + "\n";
}
TpmIdentityRules Rules(const std::string& identity) {
  PolicySet set = Loaded({IdentityYaml(identity), TrustRootYaml()});
  return set.node_policies.empty() ? TpmIdentityRules{} : set.node_policies[0].identity;
}
Error RuleRefusal(const std::string& identity, const std::string& roots = "    trustRoots: [vendors]\n") {
  return Refusal(IdentityYaml(identity, roots) + "---\n" + TrustRootYaml());
}

TEST(TpmIdentity, EveryFieldArrives) {
  TpmIdentityRules rules = MeasuredPolicy().identity;
  ASSERT_TRUE(rules.ek_hashes.has_value());
  EXPECT_THAT(*rules.ek_hashes, ElementsAre(PrintOf("e1"), PrintOf("e2"), PrintOf("e3")));
  EXPECT_TRUE(rules.ak_certificates);
  EXPECT_EQ(rules.revocation, Revocation::kRequired);
  EXPECT_TRUE(rules.fetch_issuers);
  EXPECT_THAT(rules.firmware_versions, ElementsAre(0x2020000300120001U, 1U));
  EXPECT_EQ(rules.max_clock_lag, 10min);
}

TEST(TpmIdentity, Defaults) {
  const PolicySet without = Loaded({NodePolicyYaml(), TrustRootYaml()});
  for (const TpmIdentityRules& rules : {Rules("{}"), without.node_policies.at(0).identity}) {
    EXPECT_FALSE(rules.ek_hashes.has_value());
    EXPECT_FALSE(rules.ak_certificates);
    EXPECT_EQ(rules.revocation, Revocation::kWhereKnown);
    EXPECT_FALSE(rules.fetch_issuers);
    EXPECT_THAT(rules.firmware_versions, IsEmpty());
    EXPECT_EQ(rules.max_clock_lag, std::nullopt);
  }
}

TEST(TpmIdentity, EveryValueOfEveryChoice) {
  EXPECT_EQ(Rules("{revocation: \"off\"}").revocation, Revocation::kOff);
  EXPECT_EQ(Rules("{revocation: whereKnown}").revocation, Revocation::kWhereKnown);
  EXPECT_EQ(Rules("{revocation: required}").revocation, Revocation::kRequired);
  EXPECT_FALSE(Rules("{akCertificates: false}").ak_certificates);
  EXPECT_FALSE(Rules("{fetchIssuers: false}").fetch_issuers);
  EXPECT_EQ(Rules("{maxClockLag: 1s}").max_clock_lag, 1s);
  EXPECT_EQ(Rules("{maxClockLag: 168h}").max_clock_lag, 168h);
  EXPECT_THAT(Rules("{firmwareVersions: [\"0xffffffffffffffff\"]}").firmware_versions, ElementsAre(UINT64_MAX));
}

TEST(TpmIdentity, InventoriesAsText) {
  const std::string hash = Hex("e1");
  const std::string kTexts[] = {
      hash,
      "sha256:" + hash,
      hash + "\\n",
      hash + "\\r\\n",
      "hash\\n" + hash,
      "EK hash (SHA-256);host\\n" + hash,
      "# a comment\\n\\nek_hash,host\\n\\n  \\n# another\\n" + hash + ",a,b,c\\n",
      "\\\"" + hash + "\\\",\\\"a, b\\\"\\n",
      "  " + hash + "\\t, host",
  };
  for (const std::string& text : kTexts) {
    TpmIdentityRules rules = Rules("{requireEkHash: {csv: \"" + text + "\"}}");
    ASSERT_TRUE(rules.ek_hashes.has_value()) << text;
    EXPECT_THAT(*rules.ek_hashes, ElementsAre(PrintOf("e1"))) << text;
  }
}

TEST(TpmIdentity, InventoriesThatAreNone) {
  const std::string hash = Hex("e1");
  const std::pair<std::string, std::string> kCases[] = {
      {"# nothing\\n", "has no line with a hash"},
      {"ek_hash\\n", "has no line with a hash"},
      {"ek_hash\\nek_hash\\n" + hash, "line 2: 'ek_hash' is not a hash"},
      {hash + "\\nworker-2\\n", "line 2: 'worker-2' is not a hash"},
      {hash + " worker-1\\n", "line 1: "},
      {hash + ";worker-1\\n", "line 1: "},
      {hash.substr(1), "line 1: "},
      {hash + "00", "line 1: "},
      {Hex("E1"), "line 1: "},
      {Hex("e1", 20), "line 1: "},
      {Hex("e1", 48), "line 1: "},
      {"sha384:" + Hex("e1", 48), "line 1: "},
      {hash + "\\n# again\\nsha256:" + hash, "line 3 has the same hash as line 1"},
  };
  for (const auto& [text, detail] : kCases) {
    Error error = RuleRefusal("{requireEkHash: {csv: \"" + text + "\"}}");
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << text;
    EXPECT_THAT(error.where, HasSubstr("$.spec.tpm.identity.requireEkHash.csv")) << text;
    EXPECT_THAT(error.detail, HasSubstr(detail)) << text;
  }
}

TEST(TpmIdentity, Refused) {
  const std::string at = "$.spec.tpm.identity";
  struct Case {
    std::string identity;
    std::string where;
    std::string detail;
  };
  const Case kCases[] = {
      {"[]", at, "must be an object"},
      {"{akCertificate: true}", at, "did you mean 'akCertificates'"},
      {"{akCertificates: \"yes\"}", at + ".akCertificates", "true or false"},
      {"{fetchIssuers: 1}", at + ".fetchIssuers", "true or false"},
      {"{revocation: never}", at + ".revocation", "must be one of off, whereKnown, required"},
      {"{revocation: false}", at + ".revocation", "must be a string"},
      {"{requireEkHash: {}}", at + ".requireEkHash", "no TPM would be accepted"},
      {"{requireEkHash: {hashes: []}}", at + ".requireEkHash.hashes", "must not be empty"},
      {"{requireEkHash: {csv: \"\"}}", at + ".requireEkHash.csv", "must not be empty"},
      {"{requireEkHash: {hash: [" + Print("e1") + "]}}", at + ".requireEkHash", "did you mean 'hashes'"},
      {"{requireEkHash: {hashes: [" + Hex("e1") + "]}}", at + ".requireEkHash.hashes", "write sha256:"},
      {"{requireEkHash: {hashes: [" + Print("e1") + ", " + Print("e1") + "]}}", at + ".requireEkHash.hashes", "twice"},
      {"{firmwareVersions: []}", at + ".firmwareVersions", "must not be empty"},
      {"{firmwareVersions: [\"7.2\"]}", at + ".firmwareVersions", "in hex"},
      {"{firmwareVersions: [\"0x\"]}", at + ".firmwareVersions", "in hex"},
      {"{firmwareVersions: [\"0x0\"]}", at + ".firmwareVersions", "in hex"},
      {"{firmwareVersions: [\"0x10000000000000000\"]}", at + ".firmwareVersions", "in hex"},
      {"{firmwareVersions: [\"0x1g\"]}", at + ".firmwareVersions", "in hex"},
      {"{firmwareVersions: [\"0x1\", \"0x01\"]}", at + ".firmwareVersions", "twice"},
      {"{maxClockLag: 0s}", at + ".maxClockLag", "from 1s to 168h"},
      {"{maxClockLag: 169h}", at + ".maxClockLag", "from 1s to 168h"},
      {"{maxClockLag: 600}", at + ".maxClockLag", "must be a string"},
  };
  for (const Case& c : kCases) {
    Error error = RuleRefusal(c.identity);
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << c.identity;
    EXPECT_THAT(error.where, HasSubstr(c.where)) << c.identity;
    EXPECT_THAT(error.detail, HasSubstr(c.detail)) << c.identity;
  }
}

// Clouds without certificates of endorsement keys.
TEST(TpmIdentity, AnInventoryStandsForTrustRoots) {
  const std::string inventory = "requireEkHash: {hashes: [" + Print("e1") + "]}";
  PolicySet set = Loaded({IdentityYaml("{" + inventory + "}", "")});
  EXPECT_THAT(set.node_policies.at(0).trust_roots, IsEmpty());
  EXPECT_THAT(*set.node_policies.at(0).identity.ek_hashes, SizeIs(1));
  EXPECT_THAT(set.TpmTrustOf(set.node_policies.at(0)).roots, IsEmpty());
  EXPECT_THAT(RuleRefusal("{akCertificates: true}", "").detail, HasSubstr("or identity.requireEkHash"));
  EXPECT_THAT(RuleRefusal("{" + inventory + "}", "    trustRoots: []\n").where, HasSubstr("trustRoots"));
  for (const char* more : {"akCertificates: true", "fetchIssuers: true", "revocation: required"}) {
    Error error = RuleRefusal("{" + inventory + ", " + more + "}", "");
    EXPECT_THAT(error.detail, HasSubstr("nothing vouches for without trustRoots")) << more;
  }
}

// --- trust roots

std::string CrlPem(const Bytes& der) {
  return codec::EncodePem("X509 CRL", der);
}

TEST(TpmTrustRoot, EveryFieldArrives) {
  const Bytes crl = fakes::MakeCrl(VendorCa(), {});
  const Bytes other = fakes::MakeCrl(FirmwareCa(), {});
  const std::string root =
      TpmRootYaml() + "    crls:\n      - " + EncodeBase64(crl) + "\n      - |\n" + Indented(CrlPem(other), 8);
  PolicySet set = Loaded({NodePolicyYaml(), root});
  ASSERT_THAT(set.trust_roots, SizeIs(1));
  const PolicySet::TpmTrust trust = set.TpmTrustOf(set.node_policies.at(0));
  ASSERT_THAT(trust.roots, SizeIs(1));
  EXPECT_EQ(trust.roots[0].Fingerprint(), VendorCa().certificate().Fingerprint());
  EXPECT_THAT(trust.pinned, ElementsAre(PrintOf("d2")));
  ASSERT_THAT(trust.intermediates, SizeIs(1));
  EXPECT_EQ(trust.intermediates[0].Fingerprint(), FirmwareCa().certificate().Fingerprint());
  EXPECT_THAT(trust.crls, ElementsAre(crl, other));
}

TEST(TpmTrustRoot, OfSeveralTheMaterialCountsTogether) {
  const std::string other = Edited(TpmRootYaml(), "name: vendors", "name: others");
  PolicySet set = Loaded({Edited(NodePolicyYaml(), "[vendors]", "[vendors, others]"), TrustRootYaml(), other,
                          Edited(TpmRootYaml(), "name: vendors", "name: unused")});
  const PolicySet::TpmTrust trust = set.TpmTrustOf(set.node_policies.at(0));
  EXPECT_THAT(trust.roots, SizeIs(2));
  EXPECT_THAT(trust.pinned, SizeIs(1));
  EXPECT_THAT(trust.intermediates, SizeIs(1));
}

TEST(TpmTrustRoot, PinsAlone) {
  const std::string certificates = "    certificates: |\n" + Indented(VendorCa().pem(), 6);
  PolicySet set = Loaded({NodePolicyYaml(), Edited(TpmRootYaml(), certificates, "")});
  EXPECT_THAT(set.TpmRoots(set.node_policies.at(0)), IsEmpty());
  EXPECT_THAT(set.TpmTrustOf(set.node_policies.at(0)).pinned, SizeIs(1));
  Error error = Refusal(Edited(Edited(TpmRootYaml(), certificates, ""), "    pinned: [" + Print("d2") + "]\n", ""));
  EXPECT_THAT(error.detail, HasSubstr("or pinned"));
}

TEST(TpmTrustRoot, ACertificateIsPinnedByItsFingerprint) {
  PolicySet set =
      Loaded({Edited(TpmRootYaml(), "[" + Print("d2") + "]", "\n      - |\n" + Indented(FirmwareCa().pem(), 8))});
  EXPECT_THAT(set.trust_roots.at(0).tpm_pinned, ElementsAre(FirmwareCa().certificate().Fingerprint()));
}

TEST(TpmTrustRoot, Refused) {
  const std::string good = TpmRootYaml() + "    crls: [" + EncodeBase64(fakes::MakeCrl(VendorCa(), {})) + "]\n";
  const std::string crl = EncodeBase64(fakes::MakeCrl(FirmwareCa(), {}));
  const std::string list = good.substr(good.find("    crls:"));
  Bytes longer = fakes::MakeCrl(FirmwareCa(), {});
  longer.push_back(0);
  const Wrong kCases[] = {
      {Print("d2"), Print("d2") + ", " + Print("d2"), "$.spec.tpm.pinned", "twice"},
      {Print("d2"), Hex("d2"), "$.spec.tpm.pinned", "is not a fingerprint"},
      {Print("d2"), "", "$.spec.tpm.pinned", "must not be empty"},
      {"    pinned:", "    pins:", "$.spec.tpm", "unknown field 'pins'"},
      {Indented(FirmwareCa().pem(), 6), Indented(VendorCa().Leaf(fakes::LeafSpec("ek")).pem, 6),
       "$.spec.tpm.intermediates", "is not a CA's"},
      {Indented(FirmwareCa().pem(), 6), "      nonsense\n", "$.spec.tpm.intermediates", "",
       Reason::kCertificateMalformed},
      {list, "    crls: []\n", "$.spec.tpm.crls", "must not be empty"},
      {list, "    crls: text\n", "$.spec.tpm.crls", "must be an array"},
      {list, "    crls: [no base64]\n", "$.spec.tpm.crls", "is neither", Reason::kRevocationMalformed},
      {list, "    crls: [" + crl + ", " + crl + "]\n", "$.spec.tpm.crls", "twice"},
      {list, "    crls: [" + EncodeBase64(longer) + "]\n", "$.spec.tpm.crls", "", Reason::kRevocationMalformed},
      {list, "    crls: [" + EncodeBase64(VendorCa().der()) + "]\n", "$.spec.tpm.crls", "",
       Reason::kRevocationMalformed},
      {list, "    crls:\n      - |\n" + Indented(VendorCa().pem(), 8), "$.spec.tpm.crls", "not X509 CRL",
       Reason::kRevocationMalformed},
  };
  EXPECT_THAT(Loaded({good}).trust_roots, SizeIs(1));
  for (const Wrong& c : kCases) {
    Error error = Refusal(Edited(good, c.from, c.to));
    EXPECT_EQ(error.reason, c.reason) << c.to;
    EXPECT_THAT(error.where, HasSubstr(c.where)) << c.to;
    EXPECT_THAT(error.detail, HasSubstr(c.detail)) << c.to;
  }
}

TEST(TpmTrustRoot, CrlsCutShortAreRefused) {
  const Bytes crl = fakes::MakeCrl(VendorCa(), {});
  for (std::size_t size = 1; size < crl.size(); ++size) {
    Bytes cut(crl.begin(), crl.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(Refusal(TrustRootYaml() + "    crls: [\"" + EncodeBase64(cut) + "\"]\n").reason,
              Reason::kRevocationMalformed)
        << size;
  }
}

}  // namespace
}  // namespace gatehouse::policy
