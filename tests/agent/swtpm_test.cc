// The TPM room against a real TPM implementation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <future>

#include "agent/session/attester.h"
#include "agent/tpm/esapi_device.h"
#include "agent/tpm/key_store.h"
#include "common/base/limits.h"
#include "common/codec/pem.h"
#include "common/crypto/hash.h"
#include "tests/agent/support.h"
#include "tests/agent/tpm_proxy.h"
#include "tests/fakes/http_server.h"
#include "tests/fakes/swtpm.h"
#include "tests/fakes/tpm_marshal.h"

namespace gatehouse::agent {
namespace {

using evidence::tpm::ParseAttest;
using evidence::tpm::ParsePublic;
using evidence::tpm::PcrSelections;
using testing::HasSubstr;
using testing::IsEmpty;

const PcrSelections kSelection = {{HashAlgorithm::kSha256, 0x7FFF}, {HashAlgorithm::kSha384, 0x80}};

class SwtpmTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!fakes::Swtpm::Available()) GTEST_SKIP() << "swtpm and swtpm-tools are not installed";
    ::setenv("TSS2_LOG", "all+none", 0);
    auto tpm = fakes::Swtpm::Start();
    ASSERT_TRUE(tpm.ok()) << tpm.error().ToString();
    tpm_ = std::move(*tpm);
    std::filesystem::create_directory(state());
  }

  [[nodiscard]] std::filesystem::path state() const { return tpm_->folder() / "state"; }
  [[nodiscard]] std::unique_ptr<TpmDevice> Device(KeyKind ek = KeyKind::kRsa2048, KeyKind ak = KeyKind::kEccP256) {
    return DeviceAt(tpm_->tcti(), ek, ak);
  }
  [[nodiscard]] std::unique_ptr<TpmDevice> DeviceAt(const std::string& tcti, KeyKind ek = KeyKind::kRsa2048,
                                                    KeyKind ak = KeyKind::kEccP256) {
    return MakeEsapiDevice(
        {tcti, ek, ak, state()}, [](Duration) {}, captured_.log());
  }
  // The chain that the TPM's own manufacturer vouches with.
  [[nodiscard]] std::vector<crypto::Certificate> Chain() const {
    auto chain = *crypto::Certificate::ListFromPem(tpm_->root_pem());
    chain.push_back(crypto::Certificate::ListFromPem(tpm_->issuer_pem())->front());
    return chain;
  }
  [[nodiscard]] static Bytes Der(const std::string& pem) { return codec::ParsePem(pem, Reason::kUsage)->front().der; }
  [[nodiscard]] static Bytes Nonce(std::uint8_t byte) { return Bytes(48, byte); }

  // As a verifier: the endorsement key, the credential, a quote.
  void ExpectGenuine(TpmDevice& device, const std::vector<crypto::Certificate>& chain) {
    auto identity = device.ReadIdentity();
    ASSERT_TRUE(identity.ok()) << identity.error().ToString();
    auto ek_area = ParsePublic(identity->ek_public);
    ASSERT_TRUE(ek_area.ok()) << ek_area.error().ToString();
    auto certificate = crypto::Certificate::FromDer(identity->ek_certificate);
    ASSERT_TRUE(certificate.ok()) << certificate.error().ToString();
    auto ek = verify::tpm::VerifyEndorsement(*ek_area, *certificate, chain, {chain.front()}, clock_.Wall());
    ASSERT_TRUE(ek.ok()) << ek.error().ToString();
    auto ak = ParsePublic(identity->ak_public);
    ASSERT_TRUE(ak.ok()) << ak.error().ToString();
    ASSERT_TRUE(verify::tpm::CheckAttestationKey(*ak).ok());
    Bytes name = verify::tpm::ComputeName(*ak);
    EXPECT_EQ(*device.AkName(), name);
    Bytes secret(32, 0x77);
    auto credential = verify::tpm::MakeCredential(*ek, name, secret, crypto::SystemRandom());
    ASSERT_TRUE(credential.ok()) << credential.error().ToString();
    auto answer = device.Activate(credential->id_object, credential->encrypted_secret);
    ASSERT_TRUE(answer.ok()) << answer.error().ToString();
    EXPECT_EQ(*answer, secret);
    ExpectGoodQuote(device, *ak);
  }
  void ExpectGoodQuote(TpmDevice& device, const evidence::tpm::PublicArea& ak) {
    auto quote = device.Quote(Nonce(1), kSelection);
    ASSERT_TRUE(quote.ok()) << quote.error().ToString();
    auto claims = verify::tpm::QuoteVerifier::Verify({quote->attest, quote->signature, quote->pcrs},
                                                     {ak, Nonce(1), kSelection, std::nullopt});
    ASSERT_TRUE(claims.ok()) << claims.error().ToString();
    EXPECT_EQ(claims->pcrs().at(HashAlgorithm::kSha256).size(), 15U);
    EXPECT_EQ(claims->pcrs().at(HashAlgorithm::kSha384).size(), 1U);
  }
  void ExpectNothingLoaded() { EXPECT_THAT(*tpm_->LoadedHandles(), IsEmpty()); }

  SystemClock clock_;
  CapturedLog captured_;
  std::unique_ptr<fakes::Swtpm> tpm_;
};

// --- keys

TEST_F(SwtpmTest, EnrolsActivatesAndQuotesWithRsaEkAndEccAk) {
  auto device = Device(KeyKind::kRsa2048, KeyKind::kEccP256);
  ExpectGenuine(*device, Chain());
  device->Close();
  ExpectNothingLoaded();
}

TEST_F(SwtpmTest, EnrolsActivatesAndQuotesWithRsaEkAndRsaAk) {
  auto device = Device(KeyKind::kRsa2048, KeyKind::kRsa2048);
  ExpectGenuine(*device, Chain());
  device->Close();
  ExpectNothingLoaded();
}

// This TPM has no certificate for the P-256 key of the TCG's template: the manufacturer is the test.
TEST_F(SwtpmTest, EnrolsActivatesAndQuotesWithEccEk) {
  auto device = Device(KeyKind::kEccP256, KeyKind::kEccP256);
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
  Bytes ecc = *Device(KeyKind::kRsa2048, KeyKind::kEccP256)->AkName();
  Bytes rsa = *Device(KeyKind::kRsa2048, KeyKind::kRsa2048)->AkName();
  EXPECT_NE(ecc, rsa);
  EXPECT_EQ(*Device(KeyKind::kRsa2048, KeyKind::kEccP256)->AkName(), ecc);
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
  EXPECT_EQ(Device(KeyKind::kEccP256)->ReadIdentity()->ek_certificate, certificate);
}

// --- credentials

// Q5: a credential that was made for another key than ours is not answered.
using Adversarial_Q5 = SwtpmTest;

TEST_F(Adversarial_Q5, CredentialForAnotherNameIsUnanswered) {
  auto device = Device();
  auto identity = *device->ReadIdentity();
  auto ek = verify::tpm::VerifyEndorsement(*ParsePublic(identity.ek_public),
                                           *crypto::Certificate::FromDer(identity.ek_certificate), Chain(), Chain(),
                                           clock_.Wall());
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
  auto ek = verify::tpm::VerifyEndorsement(*ParsePublic(identity.ek_public),
                                           *crypto::Certificate::FromDer(identity.ek_certificate), Chain(), Chain(),
                                           clock_.Wall());
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

// --- quotes

TEST_F(SwtpmTest, QuoteFollowsThePcrs) {
  auto device = Device();
  PcrSelections pcr10 = {{HashAlgorithm::kSha256, 1U << 10}};
  auto before = device->Quote(Nonce(1), pcr10);
  device->Close();
  ASSERT_TRUE(tpm_->Extend(10, {{HashAlgorithm::kSha256, Bytes(32, 5)}, {HashAlgorithm::kSha1, Bytes(20, 5)}}).ok());
  auto after = device->Quote(Nonce(1), pcr10);
  Bytes extended(32, 0);
  Append(extended, Bytes(32, 5));
  EXPECT_EQ(before->pcrs.at(HashAlgorithm::kSha256).at(10), Bytes(32, 0));
  EXPECT_EQ(after->pcrs.at(HashAlgorithm::kSha256).at(10), crypto::Hash(HashAlgorithm::kSha256, extended));
}

TEST_F(SwtpmTest, WholeSelectionOfEveryBank) {
  auto device = Device();
  PcrSelections all = {
      {HashAlgorithm::kSha384, 0xFFFFFF}, {HashAlgorithm::kSha1, 0xFFFFFF}, {HashAlgorithm::kSha256, 0xFFFFFF}};
  auto quote = device->Quote(Nonce(1), all);
  ASSERT_TRUE(quote.ok()) << quote.error().ToString();
  for (const auto& selection : all) EXPECT_EQ(quote->pcrs.at(selection.bank).size(), 24U);
  EXPECT_EQ(ParseAttest(quote->attest)->quote->selections.size(), 3U);
}

TEST_F(SwtpmTest, BankThatIsNotAllocatedIsSaid) {
  auto device = Device();
  PcrSelections sha512 = {{HashAlgorithm::kSha256, 1}, {HashAlgorithm::kSha512, 0x81}};
  auto quote = device->Quote(Nonce(1), sha512);
  ASSERT_FALSE(quote.ok());
  EXPECT_EQ(quote.error().reason, Reason::kPcrMissing);
  EXPECT_THAT(quote.error().detail, HasSubstr("PCR 0 of bank sha512"));
  EXPECT_THAT(quote.error().detail, HasSubstr("tpm2_pcrallocate"));
  device->Close();
  ExpectNothingLoaded();
}

TEST_F(SwtpmTest, NonceThatNoTpmTakesIsRefused) {
  auto device = Device();
  EXPECT_EQ(device->Quote({}, kSelection).error().reason, Reason::kMessageMalformed);
  EXPECT_EQ(device->Quote(Bytes(1000), kSelection).error().reason, Reason::kMessageMalformed);
  EXPECT_EQ(device->Quote(Nonce(1), {}).error().reason, Reason::kMessageMalformed);
  EXPECT_TRUE(device->Quote(Nonce(1), kSelection).ok());
}

// IMA extends at any time: a value read after the quote may not be the one that was quoted.
TEST_F(SwtpmTest, PcrExtendedDuringAQuoteIsQuotedAgain) {
  Bytes extend = fakes::Swtpm::ExtendCommand(10, {{HashAlgorithm::kSha256, Bytes(32, 9)}});
  TpmProxy proxy(*tpm_, nullptr, [&](std::uint32_t code, int n) {
    return code == kCcQuote && n <= 2 ? std::optional(extend) : std::nullopt;
  });
  auto device = DeviceAt(proxy.tcti());
  auto ak = ParsePublic(device->ReadIdentity()->ak_public);
  ExpectGoodQuote(*device, *ak);
  EXPECT_EQ(proxy.CountOf(kCcQuote), 3);
}

TEST_F(SwtpmTest, PcrExtendedBetweenReadsIsQuotedAgain) {
  Bytes extend = fakes::Swtpm::ExtendCommand(0, {{HashAlgorithm::kSha256, Bytes(32, 9)}});
  TpmProxy proxy(*tpm_, nullptr, [&](std::uint32_t code, int n) {
    return code == kCcQuote && n == 1 ? std::optional(extend) : std::nullopt;
  });
  auto device = DeviceAt(proxy.tcti());
  auto ak = ParsePublic(device->ReadIdentity()->ak_public);
  ExpectGoodQuote(*device, *ak);
}

TEST_F(SwtpmTest, PcrsThatNeverHoldStillAreUnavailable) {
  Bytes extend = fakes::Swtpm::ExtendCommand(10, {{HashAlgorithm::kSha256, Bytes(32, 9)}});
  TpmProxy proxy(*tpm_, nullptr,
                 [&](std::uint32_t code, int) { return code == kCcQuote ? std::optional(extend) : std::nullopt; });
  auto device = DeviceAt(proxy.tcti());
  auto quote = device->Quote(Nonce(1), kSelection);
  EXPECT_EQ(quote.error().reason, Reason::kTpmUnavailable);
  EXPECT_THAT(quote.error().detail, HasSubstr("extended"));
  EXPECT_EQ(proxy.CountOf(kCcQuote), 5);
  device->Close();
  ExpectNothingLoaded();
}

// --- what is left behind

TEST_F(SwtpmTest, NothingIsLeftAfter200Attestations) {
  auto device = Device();
  for (int i = 0; i < 200; ++i) {
    if (i % 50 == 0) {
      ASSERT_TRUE(device->ReadIdentity().ok());
    }
    ASSERT_TRUE(device->AkName().ok()) << i;
    ASSERT_TRUE(device->Quote(Nonce(1), kSelection).ok()) << i;
    device->Close();
    ASSERT_THAT(*tpm_->LoadedHandles(), IsEmpty()) << i;
  }
}

// Each command of an attestation fails in turn.
TEST_F(SwtpmTest, NothingIsLeftWhicheverCommandFails) {
  ASSERT_TRUE(Device()->AkName().ok());
  for (std::uint32_t failing : {0x17AU, 0x173U, 0x176U, 0x151U, kCcLoad, kCcQuote, kCcPcrRead, 0x169U, 0x14EU}) {
    TpmProxy proxy(
        *tpm_,
        [&](std::uint32_t code, int) {
          return code == failing ? std::optional(TpmProxy::Code(0x101)) : std::nullopt;  // TPM_RC_FAILURE
        },
        nullptr);
    auto device = DeviceAt(proxy.tcti());
    auto identity = device->ReadIdentity();
    auto quote = device->Quote(Nonce(1), kSelection);
    EXPECT_FALSE(identity.ok() && quote.ok()) << std::hex << failing;
    if (!quote.ok()) {
      EXPECT_EQ(quote.error().reason, Reason::kTpmUnavailable) << std::hex << failing;
    }
    device->Close();
    EXPECT_THAT(*tpm_->LoadedHandles(), IsEmpty()) << std::hex << failing;
  }
}

// Without a resource manager nothing is flushed when a program is killed.
TEST_F(SwtpmTest, LeftoversOfADeadProgramAreFlushed) {
  ByteWriter sequence;  // TPM2_HashSequenceStart: an object without a public area
  sequence.PutU16Be(0x8001);
  sequence.PutU32Be(14);
  sequence.PutU32Be(0x186);
  sequence.PutU16Be(0);
  sequence.PutU16Be(0x000B);
  ByteWriter session;  // TPM2_StartAuthSession
  session.PutU16Be(0x8001);
  session.PutU32Be(10 + 4 + 4 + 2 + 16 + 2 + 1 + 2 + 2);
  session.PutU32Be(0x176);
  session.PutU32Be(0x40000007);
  session.PutU32Be(0x40000007);
  session.PutSized16Be(Bytes(16, 1));
  session.PutU16Be(0);
  session.PutU8(1);
  session.PutU16Be(0x0010);
  session.PutU16Be(0x000B);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(tpm_->MustCommand(sequence.bytes()).ok());
    ASSERT_TRUE(tpm_->MustCommand(session.bytes()).ok());
  }
  ASSERT_EQ(tpm_->LoadedHandles()->size(), 6U);
  auto device = Device();
  ExpectGenuine(*device, Chain());
  device->Close();
  ExpectNothingLoaded();
  EXPECT_EQ(captured_.Count("flushed what a program that ended early had left"), 1U);
}

// What somebody else uses at this moment is waited for, not flushed.
TEST_F(SwtpmTest, ObjectsOfALivingProgramAreLeftAlone) {
  ASSERT_TRUE(Device()->AkName().ok());
  auto other = Device();
  ASSERT_TRUE(other->AkName().ok());
  ASSERT_EQ(tpm_->LoadedHandles()->size(), 1U);
  int pauses = 0;
  auto device = MakeEsapiDevice(
      {tpm_->tcti(), KeyKind::kRsa2048, KeyKind::kEccP256, state()},
      [&](Duration) {
        if (++pauses == 3) other->Close();
      },
      captured_.log());
  EXPECT_TRUE(device->AkName().ok());
  EXPECT_EQ(pauses, 3);
  EXPECT_EQ(captured_.Count("flushed what"), 0U);
}

// --- a TPM that is busy, off, or reset

TEST_F(SwtpmTest, BusyTpmIsAskedAgain) {
  for (std::uint32_t busy : {0x922U, 0x908U, 0x90AU}) {
    TpmProxy proxy(
        *tpm_,
        [&](std::uint32_t code, int n) {
          return code == kCcQuote && n <= 12 ? std::optional(TpmProxy::Code(busy)) : std::nullopt;
        },
        nullptr);
    auto device = DeviceAt(proxy.tcti());
    auto quote = device->Quote(Nonce(1), kSelection);
    EXPECT_TRUE(quote.ok()) << std::hex << busy << ": " << quote.error().ToString();
    EXPECT_GT(proxy.CountOf(kCcQuote), 12);
  }
}

TEST_F(SwtpmTest, TpmThatStaysBusyIsUnavailable) {
  TpmProxy proxy(
      *tpm_,
      [](std::uint32_t code, int) { return code == kCcQuote ? std::optional(TpmProxy::Code(0x922)) : std::nullopt; },
      nullptr);
  auto device = DeviceAt(proxy.tcti());
  auto quote = device->Quote(Nonce(1), kSelection);
  EXPECT_EQ(quote.error().reason, Reason::kTpmUnavailable);
  EXPECT_LT(proxy.CountOf(kCcQuote), 100);
  device->Close();
  ExpectNothingLoaded();
}

TEST_F(SwtpmTest, PowerCycleBetweenAttestationsIsSurvived) {
  auto device = Device();
  Bytes name = *device->AkName();
  auto before = ParseAttest(device->Quote(Nonce(1), kSelection)->attest);
  device->Close();
  ASSERT_TRUE(tpm_->PowerCycle().ok());
  EXPECT_EQ(*device->AkName(), name);
  auto quote = device->Quote(Nonce(2), kSelection);
  ASSERT_TRUE(quote.ok()) << quote.error().ToString();
  EXPECT_EQ(ParseAttest(quote->attest)->clock.reset_count, before->clock.reset_count + 1);
  device->Close();
  ExpectNothingLoaded();
}

TEST_F(SwtpmTest, PowerCycleDuringAnAttestationIsSurvived) {
  auto device = Device();
  Bytes name = *device->AkName();
  ASSERT_TRUE(tpm_->PowerCycleWithoutStartup().ok());
  EXPECT_EQ(device->Quote(Nonce(1), kSelection).error().reason, Reason::kTpmUnavailable);
  device->Close();
  ASSERT_TRUE(tpm_->Startup().ok());
  EXPECT_EQ(*device->AkName(), name);
  EXPECT_TRUE(device->Quote(Nonce(1), kSelection).ok());
}

TEST_F(SwtpmTest, TpmThatWasNotStartedUpIsUnavailable) {
  auto device = Device();
  Bytes name = *device->AkName();
  device->Close();
  ASSERT_TRUE(tpm_->PowerCycleWithoutStartup().ok());
  auto answer = device->AkName();
  EXPECT_EQ(answer.error().reason, Reason::kTpmUnavailable);
  EXPECT_THAT(answer.error().detail, HasSubstr("TPM2_Startup"));  // TPM_RC_INITIALIZE, in words
  device->Close();
  ASSERT_TRUE(tpm_->Startup().ok());
  EXPECT_EQ(*device->AkName(), name);
}

TEST_F(SwtpmTest, TpmThatIsGoneIsUnavailableUntilItIsBack) {
  auto device = Device();
  Bytes name = *device->AkName();
  device->Close();
  tpm_->Kill();
  auto answer = device->AkName();
  EXPECT_EQ(answer.error().reason, Reason::kTpmUnavailable);
  EXPECT_THAT(answer.error().detail, HasSubstr("cannot connect"));
  device->Close();
  ASSERT_TRUE(tpm_->Run().ok());
  EXPECT_EQ(*device->AkName(), name);
}

TEST_F(SwtpmTest, TpmThatDiesDuringAnAttestationIsUnavailable) {
  auto device = Device();
  ASSERT_TRUE(device->AkName().ok());
  tpm_->Kill();
  EXPECT_EQ(device->Quote(Nonce(1), kSelection).error().reason, Reason::kTpmUnavailable);
  device->Close();
  ASSERT_TRUE(tpm_->Run().ok());
  EXPECT_TRUE(device->Quote(Nonce(1), kSelection).ok());
}

TEST_F(SwtpmTest, TctiThatIsNoneIsUnavailable) {
  for (const char* tcti : {"device:/dev/no-such-tpm", "no-such-tcti:x", "swtpm:path=/nonexistent/s"}) {
    auto answer = DeviceAt(tcti)->AkName();
    ASSERT_FALSE(answer.ok()) << tcti;
    EXPECT_EQ(answer.error().reason, Reason::kTpmUnavailable) << tcti;
    EXPECT_THAT(answer.error().detail, HasSubstr(tcti));
  }
}

// Two agents at one TPM without a resource manager, each with a key of its own.
TEST_F(SwtpmTest, TwoAgentsAtOnce) {
  std::filesystem::create_directory(tpm_->folder() / "state2");
  auto attest_often = [&](const std::filesystem::path& state_folder) -> std::string {
    auto device = MakeEsapiDevice(
        {tpm_->tcti(), KeyKind::kRsa2048, KeyKind::kEccP256, state_folder},
        [](Duration pause) { std::this_thread::sleep_for(pause / 4); }, captured_.log());
    for (int i = 0; i < 30; ++i) {
      auto identity = device->ReadIdentity();
      if (!identity.ok()) return identity.error().ToString();
      device->Close();
      auto quote = device->Quote(Nonce(1), kSelection);
      if (!quote.ok()) return quote.error().ToString();
      device->Close();
      auto claims =
          verify::tpm::QuoteVerifier::Verify({quote->attest, quote->signature, quote->pcrs},
                                             {*ParsePublic(identity->ak_public), Nonce(1), kSelection, std::nullopt});
      if (!claims.ok()) return claims.error().ToString();
    }
    return "";
  };
  auto other = std::async(std::launch::async, [&] { return attest_often(tpm_->folder() / "state2"); });
  EXPECT_EQ(attest_often(state()), "");
  EXPECT_EQ(other.get(), "");
  EXPECT_EQ(captured_.Count("flushed what"), 0U);
  ExpectNothingLoaded();
}

// The key is loaded from its saved context: neither the endorsement key nor TPM2_Load is needed.
TEST_F(SwtpmTest, LaterAttestationsNeedNoEndorsementKey) {
  ASSERT_TRUE(tpm_->Clear().ok());  // no persistent endorsement key
  TpmProxy proxy(*tpm_, nullptr, nullptr);
  auto device = DeviceAt(proxy.tcti());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(device->Quote(Nonce(1), kSelection).ok());
    device->Close();
  }
  EXPECT_EQ(proxy.CountOf(kCcCreatePrimary), 1);
  EXPECT_EQ(proxy.CountOf(kCcLoad), 1);
  EXPECT_EQ(proxy.CountOf(kCcContextLoad), 4);
}

// --- the whole session

TEST_F(SwtpmTest, AttestsToAServiceThatVerifies) {
  auto device = Device();
  FakeService service(Chain(), {}, clock_);
  LogFile none("log", "/nonexistent/log", 1, captured_.log());
  Attester attester({*NodeName::Parse("node-a"), *net::Url::Parse("https://server", Reason::kUsage), *device, none,
                     none, [&]() -> Result<std::unique_ptr<net::HttpTransport>> { return service.Connect(); },
                     [] { return Result<std::string>(std::string()); }, clock_, captured_.log()});
  for (int i = 0; i < 3; ++i) {
    auto outcome = attester.Attest();
    ASSERT_TRUE(outcome.ok()) << outcome.error().ToString();
  }
  EXPECT_EQ(service.CountOf(session::kEnrollPath), 1U);
  ASSERT_TRUE(tpm_->Clear().ok());
  ASSERT_TRUE(attester.Attest().ok());
  EXPECT_EQ(service.CountOf(session::kEnrollPath), 2U);
  ExpectNothingLoaded();
}

}  // namespace
}  // namespace gatehouse::agent
