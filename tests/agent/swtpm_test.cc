// Quotes, what is left behind in the TPM, and a TPM that fails, against a real TPM implementation.
#include <future>

#include "agent/session/attester.h"
#include "tests/agent/swtpm_fixture.h"
#include "tests/agent/tpm_proxy.h"

namespace gatehouse::agent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

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

TEST_F(SwtpmTest, BanksAreThoseThatAreAllocated) {
  auto device = Device();
  auto banks = device->PcrBanks();
  ASSERT_TRUE(banks.ok()) << banks.error().ToString();
  EXPECT_THAT(*banks, testing::UnorderedElementsAre(HashAlgorithm::kSha1, HashAlgorithm::kSha256,
                                                    HashAlgorithm::kSha384));  // SHA-512 is there, without a PCR
  device->Close();
  ExpectNothingLoaded();
}

// TPM2_PCR_Read that answers with a value and an empty selection, as often as it is asked.
TEST_F(SwtpmTest, ValuesWithoutTheirPcrsEndTheReading) {
  ByteWriter answer;
  answer.PutU16Be(0x8001);  // TPM_ST_NO_SESSIONS
  answer.PutU32Be(10 + 4 + 4 + 4 + 2 + 32);
  answer.PutU32Be(0);
  answer.PutU32Be(7);  // pcrUpdateCounter
  answer.PutU32Be(0);  // pcrSelectionOut: nothing
  answer.PutU32Be(1);  // pcrValues: one
  answer.PutSized16Be(Bytes(32, 1));
  TpmProxy proxy(
      *tpm_,
      [&](std::uint32_t code, int) {
        return code == kCcPcrRead ? std::optional(ToBytes(answer.bytes())) : std::nullopt;
      },
      nullptr);
  auto device = DeviceAt(proxy.tcti());
  auto quote = device->Quote(Nonce(1), kSelection);
  ASSERT_FALSE(quote.ok());
  EXPECT_EQ(quote.error().reason, Reason::kTpmUnavailable);
  EXPECT_THAT(quote.error().detail, HasSubstr("without their PCRs"));
  EXPECT_EQ(proxy.CountOf(kCcPcrRead), 1);
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
      {tpm_->tcti(), EkKind::kRsa2048, KeyKind::kEccP256, state()},
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
        {tpm_->tcti(), EkKind::kRsa2048, KeyKind::kEccP256, state_folder},
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
  ImaLog no_ima_log({"/nonexistent/ima"}, captured_.log());
  Metrics metrics;
  Attester attester({*NodeName::Parse("node-a"), *net::Url::Parse("https://server", Reason::kUsage), *device, none,
                     no_ima_log, none, metrics,
                     [&]() -> Result<std::unique_ptr<net::HttpTransport>> { return service.Connect(); },
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
