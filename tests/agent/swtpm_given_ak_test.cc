// Endorsement keys of every kind, and attestation keys that others made, against a real TPM implementation.
#include "tests/agent/swtpm_fixture.h"
#include "tests/agent/tpm_proxy.h"
#include "tests/fakes/http_server.h"
#include "tests/fakes/software_tpm.h"

namespace gatehouse::agent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// --- endorsement keys

// This TPM was manufactured with a P-384 key of the high range, and its certificate.
TEST_F(SwtpmTest, EnrolsWithAKeyOfTheHighRange) {
  TpmProxy proxy(*tpm_, nullptr, nullptr);
  auto device = DeviceAt(proxy.tcti(), EkKind::kEccP384);
  ExpectGenuine(*device, Chain());
  EXPECT_EQ(proxy.CountOf(kCcCreatePrimary), 0);  // the persistent one is of our template
  device->Close();
  ExpectNothingLoaded();
  ASSERT_TRUE(tpm_->Clear().ok());  // persistent keys go; the template makes the key of the certificate again
  ExpectGenuine(*device, Chain());
  EXPECT_EQ(proxy.CountOf(kCcCreatePrimary), 1);
  device->Close();
  ExpectNothingLoaded();
}

TEST_F(SwtpmTest, TemplatesHaveThePoliciesOfTheProfile) {
  struct {
    EkKind kind;
    HashAlgorithm hash;
    bool high;
  } table[] = {
      {EkKind::kRsa2048, HashAlgorithm::kSha256, false},    {EkKind::kEccP256, HashAlgorithm::kSha256, false},
      {EkKind::kRsa2048High, HashAlgorithm::kSha256, true}, {EkKind::kEccP256High, HashAlgorithm::kSha256, true},
      {EkKind::kEccP384, HashAlgorithm::kSha384, true},     {EkKind::kEccP521, HashAlgorithm::kSha512, true},
      {EkKind::kRsa3072, HashAlgorithm::kSha384, true},
  };
  for (const auto& row : table) {
    auto device = Device(row.kind);
    auto identity = device->ReadIdentity();
    if (!identity.ok()) {  // libtpms does not have every curve and size
      EXPECT_TRUE(row.kind == EkKind::kEccP521 || row.kind == EkKind::kRsa3072) << identity.error().ToString();
      continue;
    }
    auto area = ParsePublic(identity->ek_public);
    ASSERT_TRUE(area.ok()) << Name(row.kind);
    EXPECT_EQ(area->auth_policy, row.high ? fakes::EkPolicyB(row.hash) : fakes::EkPolicyA(row.hash)) << Name(row.kind);
    EXPECT_EQ(area->name_algorithm, row.hash) << Name(row.kind);
    device->Close();
    ExpectNothingLoaded();
  }
}

TEST_F(SwtpmTest, KeyWithACertificateIsFound) {
  auto device = Device(std::nullopt);
  EXPECT_EQ(device->ReadIdentity()->ek_public, Device(EkKind::kRsa2048)->ReadIdentity()->ek_public);
  device->Close();
  ExpectGenuine(*device, Chain());
  device->Close();
  ExpectNothingLoaded();
}

// A certificate that is written to the TPM later does not make another node of it.
TEST_F(SwtpmTest, StoredAttestationKeyDecidesBetweenCertificates) {
  Bytes name = *Device(EkKind::kEccP384)->AkName();
  auto device = Device(std::nullopt);
  EXPECT_EQ(*device->AkName(), name);
  EXPECT_EQ(device->ReadIdentity()->ek_public, Device(EkKind::kEccP384)->ReadIdentity()->ek_public);
}

// --- attestation keys that are there

class GivenAkTest : public SwtpmTest {
 protected:
  static constexpr std::uint32_t kHandle = 0x81000003;
  static constexpr std::uint32_t kCertificateIndex = 0x01C101D0;
  static constexpr std::uint32_t kTemplateIndex = 0x01C10001;

  [[nodiscard]] std::unique_ptr<TpmDevice> With(GivenAk given) {
    return MakeEsapiDevice(
        {tpm_->tcti(), EkKind::kRsa2048, KeyKind::kEccP256, state(), std::move(given)}, [](Duration) {},
        captured_.log());
  }
  // The public area of a key of our own template, as a cloud's template.
  [[nodiscard]] Bytes Template(KeyKind kind = KeyKind::kRsa2048) {
    return Device(EkKind::kRsa2048, kind)->ReadIdentity()->ak_public;
  }
  [[nodiscard]] fakes::TestCertificate Certificate(BytesView ak_public) {
    fakes::CertificateSpec spec = fakes::LeafSpec("cloud AK");
    spec.public_key = *verify::tpm::ToPublicKey(*ParsePublic(ak_public));
    return cloud_.Leaf(spec);
  }
  // What a verifier says that trusts the cloud alone, and a quote.
  void ExpectGenuineByCloud(TpmDevice& device) {
    auto identity = device.ReadIdentity();
    ASSERT_TRUE(identity.ok()) << identity.error().ToString();
    auto ak = ParsePublic(identity->ak_public);
    ASSERT_TRUE(ak.ok());
    identity->ek_certificate.clear();
    auto ek = Verified(*identity, {cloud_.certificate()});
    ASSERT_TRUE(ek.ok()) << ek.error().ToString();
    EXPECT_EQ(ek->by(), verify::tpm::VerifiedEndorsement::By::kAkCertificate);
    Bytes name = verify::tpm::ComputeName(*ak);
    EXPECT_EQ(*device.AkName(), name);
    auto credential = *verify::tpm::MakeCredential(*ek, name, Bytes(32, 0x77), crypto::SystemRandom());
    auto answer = device.Activate(credential.id_object, credential.encrypted_secret);
    ASSERT_TRUE(answer.ok()) << answer.error().ToString();
    EXPECT_EQ(*answer, Bytes(32, 0x77));
    ExpectGoodQuote(device, *ak);
    device.Close();
    ExpectNothingLoaded();
  }
  [[nodiscard]] std::size_t StoredKeys() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(state()), {}));
  }

  fakes::TestCa cloud_ = fakes::RootOfToday("cloud");
};

TEST_F(GivenAkTest, PersistentKeyWithItsCertificateInNv) {
  ASSERT_TRUE(tpm_->PersistInOwnerHierarchy(Template(), kHandle).ok());
  std::size_t stored = StoredKeys();
  auto device = With({.handle = kHandle});
  auto identity = device->ReadIdentity();
  ASSERT_TRUE(identity.ok()) << identity.error().ToString();
  EXPECT_THAT(identity->ak_certificate, IsEmpty());
  device->Close();
  Bytes certificate = Certificate(identity->ak_public).der;
  Bytes content = certificate;
  content.resize(content.size() + 200);  // padded
  ASSERT_TRUE(tpm_->WriteNv(kCertificateIndex, content).ok());
  device = With({.handle = kHandle, .certificate_index = kCertificateIndex});
  EXPECT_EQ(device->ReadIdentity()->ak_certificate, certificate);
  ExpectGenuineByCloud(*device);
  EXPECT_EQ(StoredKeys(), stored);  // none is made
}

TEST_F(GivenAkTest, PrimaryKeyOfATemplateInNv) {
  Bytes area = Template(KeyKind::kEccP256);
  area.resize(area.size() + 64);
  ASSERT_TRUE(tpm_->WriteNv(kTemplateIndex, area).ok());
  auto device = With({.template_index = kTemplateIndex});
  auto identity = device->ReadIdentity();
  ASSERT_TRUE(identity.ok()) << identity.error().ToString();
  device->Close();
  WriteText(tpm_->folder() / "ak.pem", Certificate(identity->ak_public).pem + cloud_.pem());
  device = With({.template_index = kTemplateIndex, .certificate_file = tpm_->folder() / "ak.pem"});
  EXPECT_EQ(device->ReadIdentity()->ek_intermediates, (std::vector<Bytes>{cloud_.certificate().Der()}));
  ExpectGenuineByCloud(*device);
  ExpectGenuineByCloud(*device);  // from the saved context
}

TEST_F(GivenAkTest, CertificateFileMayBeDer) {
  ASSERT_TRUE(tpm_->PersistInOwnerHierarchy(Template(), kHandle).ok());
  auto device = With({.handle = kHandle});
  Bytes der = Certificate(device->ReadIdentity()->ak_public).der;
  device.reset();
  WriteText(tpm_->folder() / "ak.der", AsText(der));
  device = With({.handle = kHandle, .certificate_file = tpm_->folder() / "ak.der"});
  EXPECT_EQ(device->ReadIdentity()->ak_certificate, der);
}

TEST_F(GivenAkTest, WhatIsNotThereIsNamed) {
  EXPECT_THAT(With({.handle = kHandle})->AkName().error().detail, HasSubstr("tpm.akHandle"));
  EXPECT_EQ(With({.handle = kHandle})->AkName().error().reason, Reason::kTpmUnavailable);
  EXPECT_EQ(With({.template_index = kTemplateIndex})->AkName().error().reason, Reason::kTpmUnavailable);
  ASSERT_TRUE(tpm_->WriteNv(kTemplateIndex, Bytes(40, 0xFF)).ok());
  EXPECT_EQ(With({.template_index = kTemplateIndex})->AkName().error().reason, Reason::kFileUnreadable);
  ASSERT_TRUE(tpm_->PersistInOwnerHierarchy(Template(), kHandle).ok());
  auto no_index = With({.handle = kHandle, .certificate_index = kCertificateIndex});
  EXPECT_EQ(no_index->ReadIdentity().error().reason, Reason::kTpmUnavailable);
  no_index.reset();
  ASSERT_TRUE(tpm_->WriteNv(kCertificateIndex, Bytes(100, 0xFF)).ok());
  auto padding = With({.handle = kHandle, .certificate_index = kCertificateIndex});
  EXPECT_EQ(padding->ReadIdentity().error().reason, Reason::kCertificateMalformed);
  padding.reset();
  WriteText(tpm_->folder() / "ak.pem", "no certificate");
  auto text = With({.handle = kHandle, .certificate_file = tpm_->folder() / "ak.pem"});
  EXPECT_EQ(text->ReadIdentity().error().reason, Reason::kCertificateMalformed);
  auto absent = With({.handle = kHandle, .certificate_file = tpm_->folder() / "absent"});
  text.reset();
  EXPECT_EQ(absent->ReadIdentity().error().reason, Reason::kFileUnreadable);
  absent.reset();
  ExpectNothingLoaded();
}

// --- what is measured

TEST_F(SwtpmTest, CommandsAreMeasured) {
  std::map<std::string, int, std::less<>> seen;
  EsapiOptions options{tpm_->tcti(), EkKind::kRsa2048, KeyKind::kEccP256, state()};
  options.observe = [&](std::string_view kind, const std::function<void()>& call) {
    ++seen[std::string(kind)];
    call();
  };
  auto device = MakeEsapiDevice(
      std::move(options), [](Duration) {}, captured_.log());
  ASSERT_TRUE(device->Quote(Nonce(1), kSelection).ok());
  EXPECT_EQ(seen["quote"], 1);
  EXPECT_GT(seen["other"], 3);
  EXPECT_EQ(seen.size(), 2U);
}

}  // namespace
}  // namespace gatehouse::agent
