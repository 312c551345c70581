// Keys, certificates and credentials against a real TPM implementation.
#include <sys/stat.h>

#include "agent/tpm/key_store.h"
#include "tests/agent/swtpm_fixture.h"
#include "tests/agent/tpm_proxy.h"
#include "tests/fakes/http_server.h"

namespace gatehouse::agent {
namespace {

using testing::IsEmpty;

// --- keys

TEST_F(SwtpmTest, EnrolsActivatesAndQuotesWithRsaEkAndEccAk) {
  auto device = Device(EkKind::kRsa2048, KeyKind::kEccP256);
  ExpectGenuine(*device, Chain());
  device->Close();
  ExpectNothingLoaded();
}

TEST_F(SwtpmTest, EnrolsActivatesAndQuotesWithRsaEkAndRsaAk) {
  auto device = Device(EkKind::kRsa2048, KeyKind::kRsa2048);
  ExpectGenuine(*device, Chain());
  device->Close();
  ExpectNothingLoaded();
}

// This TPM has no certificate for the P-256 key of the TCG's template: the manufacturer is the test.
TEST_F(SwtpmTest, EnrolsActivatesAndQuotesWithEccEk) {
  auto device = Device(EkKind::kEccP256, KeyKind::kEccP256);
  auto identity = device->ReadIdentity();
  ASSERT_TRUE(identity.ok()) << identity.error().ToString();
  EXPECT_THAT(identity->ek_certificate, IsEmpty());
  device->Close();
  fakes::TestCa manufacturer = fakes::RootOfToday("manufacturer");
  fakes::SoftwareTpm shape;  // for the form of the certificate
  fakes::CertificateSpec spec = shape.EkCertificateSpec();
  spec.public_key = *verify::tpm::ToPublicKey(*ParsePublic(identity->ek_public));
  ASSERT_TRUE(tpm_->WriteNv(0x01C0000A, manufacturer.Leaf(spec).der).ok());
  ExpectGenuine(*device, {manufacturer.certificate()});
  device->Close();
  ExpectNothingLoaded();
}

TEST_F(SwtpmTest, KeyIsKeptAcrossRestartsOfTheAgent) {
  auto first = Device();
  Bytes name = *first->AkName();
  first.reset();
  auto second = Device();
  EXPECT_EQ(*second->AkName(), name);
  EXPECT_EQ(captured_.Count("a new attestation key was made"), 1U);
  for (const auto& entry : std::filesystem::directory_iterator(state())) {
    struct stat status {};
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U) << entry.path();
  }
}

TEST_F(SwtpmTest, KeyIsMadeAnewAfterAClear) {
  auto device = Device();
  Bytes before = *device->AkName();
  device->Close();
  ASSERT_TRUE(tpm_->Clear().ok());
  auto after = device->AkName();
  ASSERT_TRUE(after.ok()) << after.error().ToString();
  EXPECT_NE(*after, before);
  EXPECT_EQ(captured_.Count("it was cleared or replaced"), 1U);
  ExpectGenuine(*device, Chain());  // the endorsement key and its certificate outlive a clear
  device->Close();
  ExpectNothingLoaded();
  EXPECT_EQ(*Device()->AkName(), *after);
}

TEST_F(SwtpmTest, KeyIsMadeAnewInAnotherTpm) {
  auto device = Device();
  Bytes before = *device->AkName();
  device->Close();
  ASSERT_TRUE(tpm_->Manufacture().ok());
  auto after = device->AkName();
  ASSERT_TRUE(after.ok()) << after.error().ToString();
  EXPECT_NE(*after, before);
  EXPECT_EQ(captured_.Count("it was cleared or replaced"), 1U);
  ExpectGenuine(*device, Chain());
}

// A crash between the writing of the two halves leaves halves of two keys.
TEST_F(SwtpmTest, HalvesOfTwoKeysAreReplaced) {
  KeyStore store(state(), "ak-ecc-p256-ek-rsa2048");
  Bytes first = *Device()->AkName();
  Bytes old_private = (*store.Load())->private_half;
  std::filesystem::remove(store.public_path());
  Bytes second = *Device()->AkName();
  ASSERT_NE(first, second);
  ASSERT_TRUE(store.Save({(*store.Load())->public_half, old_private}).ok());
  auto third = Device()->AkName();
  ASSERT_TRUE(third.ok()) << third.error().ToString();
  EXPECT_NE(*third, first);
  EXPECT_NE(*third, second);
}

TEST_F(SwtpmTest, BrokenKeyFileIsAnErrorNotANewKey) {
  KeyStore store(state(), "ak-ecc-p256-ek-rsa2048");
  ASSERT_TRUE(Device()->AkName().ok());
  StoredKey good = **store.Load();
  StoredKey broken = good;
  broken.public_half.pop_back();
  ASSERT_TRUE(store.Save(broken).ok());
  EXPECT_EQ(Device()->AkName().error().reason, Reason::kFileUnreadable);
  broken = good;
  broken.private_half.push_back(0);
  ASSERT_TRUE(store.Save(broken).ok());
  EXPECT_EQ(Device()->AkName().error().reason, Reason::kFileUnreadable);
  EXPECT_EQ(captured_.Count("a new attestation key was made"), 1U);
  ExpectNothingLoaded();
}

TEST_F(SwtpmTest, KeyThatCannotBeKeptIsNotUsed) {
  std::filesystem::remove(state());
  auto device = Device();
  EXPECT_EQ(device->AkName().error().reason, Reason::kFileUnreadable);
  device->Close();
  ExpectNothingLoaded();
}

TEST_F(SwtpmTest, KindsOfKeysDoNotMix) {
  Bytes ecc = *Device(EkKind::kRsa2048, KeyKind::kEccP256)->AkName();
  Bytes rsa = *Device(EkKind::kRsa2048, KeyKind::kRsa2048)->AkName();
  EXPECT_NE(ecc, rsa);
  EXPECT_EQ(*Device(EkKind::kRsa2048, KeyKind::kEccP256)->AkName(), ecc);
}

TEST_F(SwtpmTest, EndorsementKeyIsTheSameWithoutItsPersistentHandle) {
  TpmProxy proxy(*tpm_, nullptr, nullptr);
  auto device = DeviceAt(proxy.tcti());
  Bytes persistent = device->ReadIdentity()->ek_public;
  device->Close();
  EXPECT_EQ(proxy.CountOf(kCcCreatePrimary), 0);
  ASSERT_TRUE(tpm_->Clear().ok());  // persistent keys go
  EXPECT_EQ(device->ReadIdentity()->ek_public, persistent);
  EXPECT_EQ(proxy.CountOf(kCcCreatePrimary), 1);
}

// Everybody with the owner's password can put a key of the endorsement template where the endorsement key belongs.
TEST_F(SwtpmTest, PersistentKeyOfTheOwnersHierarchyIsNotUsed) {
  Bytes genuine = Device()->ReadIdentity()->ek_public;
  ASSERT_TRUE(tpm_->Clear().ok());
  auto planted = tpm_->PersistInOwnerHierarchy(genuine, 0x81010001);
  ASSERT_TRUE(planted.ok()) << planted.error().ToString();
  EXPECT_EQ(Device()->ReadIdentity()->ek_public, genuine);
}

// Under the endorsement key a quote tells the true resetCount; for a key of the owner's hierarchy it would be
// obfuscated.
TEST_F(SwtpmTest, QuoteTellsTheTrueResetCount) {
  auto device = Device();
  auto before = ParseAttest(device->Quote(Nonce(1), kSelection)->attest);
  device->Close();
  ByteWriter read_clock;
  read_clock.PutU16Be(0x8001);
  read_clock.PutU32Be(10);
  read_clock.PutU32Be(0x181);
  Bytes answer = *tpm_->MustAnswer(read_clock.bytes());
  ByteReader reader(answer, Reason::kInternal, "clock");
  ASSERT_TRUE(reader.Take(16).ok());  // time, clock
  EXPECT_EQ(before->clock.reset_count, *reader.TakeU32Be());
  EXPECT_EQ(before->clock.restart_count, *reader.TakeU32Be());
}

// --- certificates

TEST_F(SwtpmTest, ChainInNvIsReadAcrossIndices) {
  Bytes root = Der(tpm_->root_pem());
  Bytes issuer = Der(tpm_->issuer_pem());
  Bytes both = issuer;
  Append(both, root);
  BytesView view = both;
  ASSERT_TRUE(tpm_->WriteNv(0x01C00100, view.first(900)).ok());
  Bytes rest = ToBytes(view.subspan(900));
  rest.resize(rest.size() + 100, 0xFF);
  ASSERT_TRUE(tpm_->WriteNv(0x01C00101, rest).ok());
  auto identity = Device()->ReadIdentity();
  ASSERT_TRUE(identity.ok()) << identity.error().ToString();
  EXPECT_EQ(identity->ek_intermediates, (std::vector<Bytes>{issuer, root}));
}

TEST_F(SwtpmTest, ChainThatIsNoDerIsLeftOut) {
  ASSERT_TRUE(tpm_->WriteNv(0x01C00100, AsBytes(tpm_->issuer_pem())).ok());
  auto identity = Device()->ReadIdentity();
  ASSERT_TRUE(identity.ok()) << identity.error().ToString();
  EXPECT_THAT(identity->ek_intermediates, IsEmpty());
  EXPECT_FALSE(identity->ek_certificate.empty());
  EXPECT_EQ(captured_.Count("the TPM's certificate chain is left out"), 1U);
}

TEST_F(SwtpmTest, LongNvContentIsReadInChunks) {
  Bytes certificate = {0x30, 0x82, 0x07, 0xFC};
  certificate.resize(2048, 0x42);  // twice what one TPM2_NV_Read gives
  ASSERT_TRUE(tpm_->WriteNv(0x01C0000A, certificate).ok());
  EXPECT_EQ(Device(EkKind::kEccP256)->ReadIdentity()->ek_certificate, certificate);
}

// --- credentials

// Q5: a credential that was made for another key than ours is not answered.
using Adversarial_Q5 = SwtpmTest;

TEST_F(Adversarial_Q5, CredentialForAnotherNameIsUnanswered) {
  auto device = Device();
  auto identity = *device->ReadIdentity();
  auto ek = Verified(identity, Chain());
  ASSERT_TRUE(ek.ok()) << ek.error().ToString();
  Bytes other = *device->AkName();
  other.back() ^= 1;
  auto credential = verify::tpm::MakeCredential(*ek, other, Bytes(32, 1), crypto::SystemRandom());
  EXPECT_EQ(device->Activate(credential->id_object, credential->encrypted_secret).error().reason,
            Reason::kCredentialUnanswered);
  device->Close();
  ExpectNothingLoaded();
}

TEST_F(SwtpmTest, BrokenCredentialsAreUnanswered) {
  auto device = Device();
  auto identity = *device->ReadIdentity();
  auto ek = Verified(identity, Chain());
  auto good = *verify::tpm::MakeCredential(*ek, *device->AkName(), Bytes(32, 1), crypto::SystemRandom());
  Bytes changed = good.id_object;
  changed.back() ^= 1;
  Bytes cut(good.id_object.begin(), good.id_object.end() - 1);
  Bytes changed_seed = good.encrypted_secret;
  changed_seed.back() ^= 1;
  Bytes short_seed(good.encrypted_secret.begin(), good.encrypted_secret.end() - 1);
  std::pair<Bytes, Bytes> table[] = {
      {changed, good.encrypted_secret},     {cut, good.encrypted_secret},  {{}, good.encrypted_secret},
      {good.id_object, changed_seed},       {good.id_object, short_seed},  {good.id_object, {}},
      {Bytes(4096), good.encrypted_secret}, {good.id_object, Bytes(4096)},
  };
  for (std::size_t i = 0; i < std::size(table); ++i) {
    auto answer = device->Activate(table[i].first, table[i].second);
    ASSERT_FALSE(answer.ok()) << i;
    EXPECT_EQ(answer.error().reason, Reason::kCredentialUnanswered) << i << ": " << answer.error().ToString();
  }
  device->Close();
  ExpectNothingLoaded();
  EXPECT_TRUE(device->Activate(good.id_object, good.encrypted_secret).ok());
}

}  // namespace
}  // namespace gatehouse::agent
