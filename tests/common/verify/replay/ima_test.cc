// Replay of IMA logs to PCR 10: banks, pieces, and where log and quote meet.
#include "common/verify/replay/ima.h"

#include <gtest/gtest.h>

#include <sys/resource.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "common/base/limits.h"
#include "common/crypto/hash.h"
#include "tests/common/verify/replay/ima_fixture.h"
#include "tests/fakes/sanitizer.h"

namespace {
std::atomic<std::size_t> allocations{0};
}  // namespace

// Counts, for the test that there is none for an entry.
void* operator new(std::size_t size) {
  ++allocations;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace gatehouse::verify::replay {
namespace {

ImaLog EveryKind(ImaLog::Options options = {}) {
  ImaLog log(std::move(options));
  log.FileDigest("boot_aggregate", Bytes(32, 1))
      .File("/usr/bin/a", "a")
      .Violation("/var/log/x")
      .Buffer(".ima", Bytes(300, 7));
  log.Add({.template_name = "ima-sig", .path = "/usr/bin/b", .digest = Bytes(32, 2), .signature = {3, 2, 4}});
  log.Add({.template_name = "ima", .path = "/usr/bin/c", .digest = Bytes(20, 3)});
  log.Add({.template_name = "d-ng|n-ng|sig", .path = "/usr/bin/d", .digest = Bytes(32, 4)});
  log.Files(3);
  return log;
}

TEST(ImaReplay, EveryKindOfEntryInEveryBankAndBothEndiannesses) {
  for (const bool big : {false, true}) {
    const ImaLog log = EveryKind({.big_endian = big});
    ImaReplay replay = Replaying(kAllBanks, big ? Encoding::kBigEndian : Encoding::kLittleEndian);
    ExpectTaken(replay, log.bytes());
    EXPECT_EQ(replay.count(), log.count());
    for (const HashAlgorithm bank : kAllBanks) EXPECT_EQ(replay.Pcr(bank), log.Pcr(bank)) << Name(bank);
    auto verified = replay.Settled(QuoteAt(log, log.count(), kAllBanks));
    ASSERT_TRUE(verified.ok()) << verified.error().ToString();
    EXPECT_EQ(verified->count(), log.count());
    EXPECT_EQ(verified->violations(), 1U);
    EXPECT_EQ(verified->pcr().size(), 4U);
    for (const HashAlgorithm bank : kAllBanks) EXPECT_FALSE(verified->padded(bank));
  }
}

TEST(ImaReplay, WhatAnEntryIsGivenAs) {
  const ImaLog log = EveryKind();
  ImaReplay replay = Replaying();
  struct Seen {
    std::uint64_t number;
    std::string template_name, path, digest;
    bool violation, boot_aggregate, is_buffer, unknown;
    std::size_t signature, buffer;
    Bytes pcr;
  };
  std::vector<Seen> seen;
  ExpectTaken(replay, log.bytes(), [&](const ImaEntry& e) {
    EXPECT_EQ(replay.count(), e.number + 1);
    seen.push_back({e.number, std::string(e.template_name), std::string(e.path), DigestText(e), e.violation,
                    e.boot_aggregate, e.is_buffer, e.unknown_fields, e.signature.size(), e.buffer.size(),
                    replay.Pcr(kSha256)});
  });
  ASSERT_EQ(seen.size(), log.count());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].number, i);
    EXPECT_EQ(seen[i].violation, i == 2);
    EXPECT_EQ(seen[i].boot_aggregate, i == 0);
    EXPECT_EQ(seen[i].is_buffer, i == 3);
    EXPECT_EQ(seen[i].buffer, i == 3 ? 300U : 0U);
    EXPECT_EQ(seen[i].signature, i == 4 ? 3U : 0U);
    EXPECT_FALSE(seen[i].unknown);
    EXPECT_EQ(seen[i].pcr, log.PcrAt(i + 1, kSha256));
  }
  EXPECT_EQ(seen[1].path, "/usr/bin/a");
  EXPECT_EQ(seen[1].digest, crypto::Sha256Digest(AsBytes("a")).text());
  EXPECT_EQ(seen[2].path, "/var/log/x");
  EXPECT_EQ(seen[2].digest, "violation");
  EXPECT_EQ(seen[5].template_name, "ima");
  EXPECT_EQ(seen[5].digest.substr(0, 9), "sha1:0303");
}

TEST(ImaReplay, AppendedSignatureCountsWhereThereIsNoOther) {
  ImaLog log;
  const ImaLog::Entry entry{.template_name = "ima-modsig",
                            .path = "/m.ko",
                            .digest = Bytes(32, 2),
                            .appended_signature = {0x30, 0},
                            .appended_digest = Bytes(32, 3)};
  ImaLog::Entry both = entry;
  both.signature = {3, 2, 4};
  log.Add(entry).Add(both);
  std::vector<std::pair<bool, Bytes>> seen;
  ImaReplay replay = Replaying();
  ExpectTaken(replay, log.bytes(), [&](const ImaEntry& e) { seen.emplace_back(e.appended, ToBytes(e.signature)); });
  EXPECT_EQ(seen, (std::vector<std::pair<bool, Bytes>>{{true, {0x30, 0}}, {false, {3, 2, 4}}}));
}

TEST(ImaReplay, DigestTexts) {
  ImaLog log;
  log.Add({.template_name = "ima-ngv2", .path = "/v", .digest = Bytes(32, 0xEE), .verity = true});
  log.Add({.template_name = "ima-ng", .path = "/v", .algorithm_text = "sm3", .digest = Bytes(32, 0xEE)});
  std::vector<std::string> texts;
  ImaReplay replay = Replaying();
  ExpectTaken(replay, log.bytes(), [&](const ImaEntry& e) { texts.push_back(DigestText(e)); });
  ASSERT_EQ(texts.size(), 2U);
  EXPECT_EQ(texts[0].substr(0, 18), "verity:sha256:eeee");
  EXPECT_EQ(texts[1], "unknown");
}

TEST(ImaReplay, BankThatIsNotReplayedHasNoValue) {
  const ImaReplay replay = Replaying({kSha256, kSha256});
  EXPECT_TRUE(replay.Pcr(kSha1).empty());
  EXPECT_TRUE(replay.Pcr(kSha1, true).empty());
  EXPECT_EQ(replay.Pcr(kSha256), Bytes(32));
}

TEST(ImaReplay, CopiesGoOnByThemselves) {
  const ImaLog log = EveryKind();
  ImaReplay replay = Replaying(kAllBanks);
  ExpectTaken(replay, log.BytesOf(0, 4));
  ImaReplay copy = replay;
  ExpectTaken(copy, log.BytesFrom(4));
  EXPECT_EQ(replay.count(), 4U);
  EXPECT_EQ(replay.Pcr(kSha256), log.PcrAt(4, kSha256));
  EXPECT_EQ(copy.Pcr(kSha256), log.Pcr(kSha256));
  replay = copy;
  EXPECT_EQ(replay.count(), log.count());
  const ImaReplay moved = std::move(copy);
  EXPECT_EQ(moved.Pcr(kSha512), log.Pcr(kSha512));
}

TEST(Adversarial_M1, TemplateDataThatDoesNotHashToTheTemplateHash) {
  ImaLog log;
  log.Files(3);
  for (std::size_t offset = log.Offset(1) + 4; offset < log.Offset(2); ++offset) {
    Bytes changed = log.bytes();
    changed[offset] ^= 0x01;
    ImaReplay replay = Replaying();
    std::size_t visited = 0;
    auto taken = replay.Advance(changed, [&](const ImaEntry&) { ++visited; });
    // Lengths and names of the frame are read before anything is hashed: another length may be waited for. All else is
    // the hash's.
    const bool frame = offset >= log.Offset(1) + 24 && offset < log.Offset(1) + 24 + 4 + 6 + 4;
    if (!frame) ExpectReason(taken, Reason::kImaTemplateMismatch);
    if (!taken.ok()) {
      EXPECT_EQ(taken.error().where.substr(0, 7), "entry 1") << taken.error().ToString();
    }
    EXPECT_EQ(visited, 1U);
    EXPECT_EQ(replay.count(), 1U);
    EXPECT_EQ(replay.Pcr(kSha256), log.PcrAt(1, kSha256));
  }
}

TEST(Adversarial_M1, EachTemplateIsChecked) {
  for (const std::string& name : std::vector<std::string>{"ima", "ima-ng", "ima-ngv2", "ima-sig", "ima-sigv2",
                                                          "ima-buf", "ima-modsig", "evm-sig", "d-ng|n-ng"}) {
    ImaLog log;
    log.Add({.template_name = name, .path = "/x", .algorithm = kSha1, .digest = Bytes(20, 1), .buffer = {}});
    Bytes changed = log.bytes();
    changed[4] ^= 0x80;
    ImaReplay replay = Replaying();
    ExpectReason(replay.Advance(changed, nullptr), Reason::kImaTemplateMismatch);
  }
}

TEST(Adversarial_M2, ViolationsAreExtendedAsOnesInEveryBank) {
  ImaLog log;
  log.File("/a", "a").Violation("/b").Violation("/c");
  ImaReplay replay = Replaying(kAllBanks);
  ExpectTaken(replay, log.bytes());
  for (const HashAlgorithm bank : kAllBanks) {
    Bytes pcr = log.PcrAt(1, bank);
    for (int i = 0; i < 2; ++i) {
      Append(pcr, Bytes(DigestSize(bank), 0xFF));
      pcr = crypto::Hash(bank, pcr);
    }
    EXPECT_EQ(replay.Pcr(bank), pcr) << Name(bank);
  }
  auto verified = replay.Settled(QuoteAt(log, 3, kAllBanks));
  ASSERT_TRUE(verified.ok());
  EXPECT_EQ(verified->violations(), 2U);
}

// The digest of an entry set to zeros: it does not pass for a violation, for the TPM was extended by its hash.
TEST(Adversarial_M3, ForgedZeroDigestDoesNotReplay) {
  ImaLog log;
  log.File("/a", "a").File("/tmp/evil", "evil").File("/b", "b");
  Bytes forged = log.bytes();
  std::fill_n(forged.begin() + static_cast<std::ptrdiff_t>(log.Offset(1)) + 4, 20, std::uint8_t{0});
  const VerifiedTpmClaims quote = QuoteAt(log, 3, kAllBanks);
  ImaReplay replay = Replaying(kAllBanks);
  ExpectTaken(replay, forged, nullptr, &quote);
  ExpectReason(replay.Settled(quote), Reason::kImaLogMismatch);
}

// And the other way round: a violation dressed up as a good file.
TEST(Adversarial_M3, ViolationGivenAHashDoesNotReplay) {
  ImaLog log;
  log.File("/a", "a").Violation("/tmp/evil");
  ImaLog forged;
  forged.File("/a", "a").File("/usr/bin/good", "good");
  const VerifiedTpmClaims quote = QuoteAt(log, 2);
  ImaReplay replay = Replaying();
  ExpectTaken(replay, forged.bytes(), nullptr, &quote);
  ExpectReason(replay.Settled(quote), Reason::kImaLogMismatch);
}

TEST(Adversarial_M4, EntryOfAnotherPcr) {
  for (const std::uint32_t pcr : {0U, 9U, 11U, 16U, 23U, 0x0A000000U, 0xFFFFFFFFU}) {
    ImaLog log;
    log.File("/a", "a").Add({.template_name = "ima-ng", .path = "/b", .digest = Bytes(32, 1), .pcr = pcr});
    ImaReplay replay = Replaying();
    auto taken = replay.Advance(log.bytes(), nullptr);
    ExpectReason(taken, Reason::kImaLogMalformed);
    EXPECT_EQ(replay.count(), 1U);
  }
}

TEST(Adversarial_M5, NamesGoThroughAsTheyAre) {
  const std::vector<std::string> names = {"/with blank", "/line\nbreak", "/\\x41", "/\xFF\xFE", std::string(300, 'n')};
  ImaLog log;
  for (const std::string& name : names) log.File(name, name);
  std::vector<std::string> seen;
  ImaReplay replay = Replaying();
  ExpectTaken(replay, log.bytes(), [&](const ImaEntry& e) { seen.emplace_back(e.path); });
  EXPECT_EQ(seen, names);
  EXPECT_TRUE(replay.Settled(QuoteAt(log, log.count())).ok());
}

TEST(Adversarial_M5, AsciiNameThatForgesALineFailsByItsTemplateHash) {
  ImaLog good;
  good.File("/usr/bin/good", "1");
  ImaLog log;
  log.Add({.template_name = "ima-ng",
           .path = "/tmp/x\n" + good.ascii().substr(0, good.ascii().size() - 1),
           .digest = Bytes(32, 1)});
  auto binary = evidence::ima::AsciiToBinary(AsBytes(log.ascii()));
  ASSERT_TRUE(binary.ok());
  ImaReplay replay = Replaying();
  ExpectReason(replay.Advance(*binary, nullptr), Reason::kImaTemplateMismatch);
}

TEST(Adversarial_M6, MalformedSignatureIsVisitedAndReplayed) {
  const Bytes signature = {3, 2, 4, 1, 2, 3, 4, 0xFF, 0xFF, 0};
  ImaLog log({.template_name = "ima-sig"});
  log.File("/x", "x", signature);
  Bytes seen;
  ImaReplay replay = Replaying();
  ExpectTaken(replay, log.bytes(), [&](const ImaEntry& e) { seen = ToBytes(e.signature); });
  EXPECT_EQ(seen, signature);
  EXPECT_TRUE(replay.Settled(QuoteAt(log, 1)).ok());
}

TEST(Adversarial_M9, QuoteBehindTheLogStopsWhereTheyMeet) {
  const ImaLog log = EveryKind();
  for (std::size_t entries = 0; entries <= log.count(); ++entries) {
    const VerifiedTpmClaims quote = QuoteAt(log, entries, {kSha1, kSha256});
    ImaReplay replay = Replaying({kSha1, kSha256});
    std::size_t visited = 0;
    auto taken = replay.Advance(
        log.bytes(), [&](const ImaEntry&) { ++visited; }, &quote);
    ASSERT_TRUE(taken.ok());
    EXPECT_EQ(*taken, log.Offset(entries));
    EXPECT_EQ(visited, entries);
    auto verified = replay.Settled(quote);
    ASSERT_TRUE(verified.ok()) << verified.error().ToString();
    EXPECT_EQ(verified->count(), entries);
    // Nothing more is taken, however often it is asked.
    taken = replay.Advance(log.BytesFrom(entries), nullptr, &quote);
    ASSERT_TRUE(taken.ok());
    EXPECT_EQ(*taken, 0U);
  }
}

TEST(Adversarial_M9, LogBehindTheQuoteIsAMismatch) {
  const ImaLog log = EveryKind();
  const VerifiedTpmClaims quote = QuoteAt(log, log.count());
  for (std::size_t entries = 0; entries < log.count(); ++entries) {
    ImaReplay replay = Replaying();
    ExpectTaken(replay, log.BytesOf(0, entries), nullptr, &quote);
    ExpectReason(replay.Settled(quote), Reason::kImaLogMismatch);
  }
}

TEST(Adversarial_M9, AnyByteAtATime) {
  const ImaLog log = EveryKind();
  for (std::size_t cut = 0; cut <= log.bytes().size(); ++cut) {
    ImaReplay replay = Replaying({kSha256, kSha384});
    auto first = replay.Advance(BytesView(log.bytes()).first(cut), nullptr);
    ASSERT_TRUE(first.ok()) << cut;
    ASSERT_LE(*first, cut);
    ExpectTaken(replay, BytesView(log.bytes()).subspan(*first));
    ASSERT_EQ(replay.Pcr(kSha256), log.Pcr(kSha256)) << cut;
    ASSERT_EQ(replay.Pcr(kSha384), log.Pcr(kSha384)) << cut;
  }
}

TEST(Adversarial_M9, ResumptionFromEveryEntry) {
  const ImaLog log = EveryKind();
  const VerifiedTpmClaims quote = QuoteAt(log, log.count());
  for (std::size_t entries = 0; entries <= log.count(); ++entries) {
    ImaReplay kept = Replaying();
    ExpectTaken(kept, log.BytesOf(0, entries));
    ImaReplay resumed = kept;
    std::uint64_t next = entries;
    ExpectTaken(
        resumed, log.BytesFrom(entries), [&](const ImaEntry& e) { EXPECT_EQ(e.number, next++); }, &quote);
    EXPECT_TRUE(resumed.Settled(quote).ok()) << entries;
  }
}

TEST(Adversarial_M9, ResumptionFromAnotherEntry) {
  const ImaLog log = EveryKind();
  const VerifiedTpmClaims quote = QuoteAt(log, log.count());
  for (const std::size_t from : {3U, 5U}) {  // one is told twice, or one is left out
    ImaReplay replay = Replaying();
    ExpectTaken(replay, log.BytesOf(0, 4));
    ExpectTaken(replay, log.BytesFrom(from), nullptr, &quote);
    ExpectReason(replay.Settled(quote), Reason::kImaLogMismatch);
  }
}

TEST(Adversarial_M9, EntryLeftOutOrMovedOrOfAnotherBoot) {
  const ImaLog log = EveryKind();
  const VerifiedTpmClaims quote = QuoteAt(log, log.count(), {kSha1, kSha256});
  for (std::size_t out = 0; out < log.count(); ++out) {
    Bytes without = log.BytesOf(0, out);
    Append(without, log.BytesFrom(out + 1));
    ImaReplay replay = Replaying({kSha1, kSha256});
    ExpectTaken(replay, without, nullptr, &quote);
    ExpectReason(replay.Settled(quote), Reason::kImaLogMismatch);
  }
  Bytes swapped = log.BytesOf(0, 4);
  Append(swapped, log.BytesOf(5, 1));
  Append(swapped, log.BytesOf(4, 1));
  Append(swapped, log.BytesFrom(6));
  ImaReplay replay = Replaying();
  ExpectTaken(replay, swapped, nullptr, &quote);
  ExpectReason(replay.Settled(quote), Reason::kImaLogMismatch);
}

// One bank right and another wrong: a forged log that was made to fit SHA-1 does not fit SHA-256.
TEST(Adversarial_M9, EveryQuotedBankMustAgree) {
  const ImaLog log = EveryKind();
  const VerifiedTpmClaims quote = QuoteOf({{kSha1, {{10, log.Pcr(kSha1)}}}, {kSha256, {{10, Bytes(32, 0x66)}}}});
  ImaReplay replay = Replaying({kSha1, kSha256});
  ExpectTaken(replay, log.bytes(), nullptr, &quote);
  ExpectReason(replay.Settled(quote), Reason::kImaLogMismatch);
  // A bank that is quoted and not replayed is not compared, and not in what is verified.
  ImaReplay sha1 = Replaying({kSha1});
  ExpectTaken(sha1, log.bytes(), nullptr, &quote);
  auto verified = sha1.Settled(quote);
  ASSERT_TRUE(verified.ok());
  ASSERT_EQ(verified->pcr().size(), 1U);
  EXPECT_EQ(verified->pcr()[0].first, kSha1);
}

TEST(Adversarial_M9, QuoteWithoutPcr10SettlesNothing) {
  const ImaLog log = EveryKind();
  const VerifiedTpmClaims other_pcr = QuoteOf({{kSha256, {{9, Bytes(32, 1)}}}});
  const VerifiedTpmClaims other_bank = QuoteAt(log, log.count(), {kSha1});
  for (const VerifiedTpmClaims* quote : {&other_pcr, &other_bank}) {
    ImaReplay replay = Replaying();
    ExpectTaken(replay, log.bytes(), nullptr, quote);
    ExpectReason(replay.Settled(*quote), Reason::kPcrMissing);
  }
  const ImaReplay nothing = Replaying({});
  ExpectReason(nothing.Settled(QuoteAt(log, log.count())), Reason::kPcrMissing);
}

// Nothing was measured yet, and nothing is in the log.
TEST(ImaReplay, EmptyLogAndFreshPcr) {
  const VerifiedTpmClaims quote = QuoteAt(ImaLog(), 0);
  ImaReplay replay = Replaying();
  ExpectTaken(replay, {}, nullptr, &quote);
  auto verified = replay.Settled(quote);
  ASSERT_TRUE(verified.ok());
  EXPECT_EQ(verified->count(), 0U);
  EXPECT_FALSE(verified->padded(kSha256));
}

TEST(Adversarial_M10, PaddedSha1IsFoundAndSaid) {
  const ImaLog log = EveryKind({.padded = {kSha384, kSha512}});
  const VerifiedTpmClaims quote = QuoteAt(log, log.count(), kAllBanks);
  ImaReplay replay = Replaying(kAllBanks);
  ExpectTaken(replay, log.bytes(), nullptr, &quote);
  EXPECT_EQ(replay.Pcr(kSha384, true), log.Pcr(kSha384));
  EXPECT_NE(replay.Pcr(kSha384), log.Pcr(kSha384));
  EXPECT_EQ(replay.Pcr(kSha1, true), replay.Pcr(kSha1));
  auto verified = replay.Settled(quote);
  ASSERT_TRUE(verified.ok()) << verified.error().ToString();
  EXPECT_FALSE(verified->padded(kSha1));
  EXPECT_FALSE(verified->padded(kSha256));
  EXPECT_TRUE(verified->padded(kSha384));
  EXPECT_TRUE(verified->padded(kSha512));
}

TEST(Adversarial_M10, PaddedBankStopsWhereItMeets) {
  const ImaLog log = EveryKind({.padded = {kSha256}});
  const VerifiedTpmClaims quote = QuoteAt(log, 5);
  ImaReplay replay = Replaying();
  auto taken = replay.Advance(log.bytes(), nullptr, &quote);
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(*taken, log.Offset(5));
  auto verified = replay.Settled(quote);
  ASSERT_TRUE(verified.ok());
  EXPECT_TRUE(verified->padded(kSha256));
}

// A kernel pads from its start to its end or never: after one entry of the one kind none of the other is accepted,
// which would let each entry be forged with the strength of SHA-1.
TEST(Adversarial_M10, MixOfPaddedAndRealIsAMismatch) {
  const ImaLog real = EveryKind();
  const ImaLog padded = EveryKind({.padded = {kSha256}});
  for (std::size_t switched = 0; switched < real.count(); ++switched) {
    for (const bool real_first : {false, true}) {
      Bytes pcr(32);
      bool mixed_real = false;
      bool mixed_padded = false;
      for (std::size_t i = 0; i < real.count(); ++i) {
        const bool use_real = (i < switched) == real_first;
        // A violation is the same in both.
        const bool same = real.Extended(i, kSha256) == padded.Extended(i, kSha256);
        if (!same) (use_real ? mixed_real : mixed_padded) = true;
        Append(pcr, use_real ? real.Extended(i, kSha256) : padded.Extended(i, kSha256));
        pcr = crypto::Hash(kSha256, pcr);
      }
      const VerifiedTpmClaims quote = QuoteOf({{kSha256, {{10, pcr}}}});
      ImaReplay replay = Replaying();
      ExpectTaken(replay, real.bytes(), nullptr, &quote);
      EXPECT_EQ(replay.Settled(quote).ok(), !(mixed_real && mixed_padded)) << switched << real_first;
    }
  }
}

TEST(Adversarial_M10, WrongEndiannessIsMalformed) {
  const ImaLog big = EveryKind({.big_endian = true});
  ImaReplay replay = Replaying();
  ExpectReason(replay.Advance(big.bytes(), nullptr), Reason::kLimitExceeded);
  ImaReplay ascii = Replaying({kSha256}, Encoding::kAscii);
  ExpectReason(ascii.Advance(AsBytes(EveryKind().ascii()), nullptr), Reason::kImaLogMalformed);
}

TEST(Adversarial_M11, UnknownTemplateEndsTheReplay) {
  ImaLog log;
  log.File("/a", "a").AddFields("ima-evil", {Bytes(4), Bytes(4)});
  ImaReplay replay = Replaying();
  auto taken = replay.Advance(log.bytes(), nullptr);
  ExpectReason(taken, Reason::kImaLogMalformed);
  EXPECT_EQ(replay.count(), 1U);
}

TEST(Adversarial_M11, UnknownFieldIsReplayedAndMarked) {
  ImaLog log;
  Bytes digest = ToBytes("sha256:");
  digest.push_back(0);
  digest.resize(40, 0xAA);
  log.AddFields("d-ng|n-ng|newfield", {digest, ToBytes(std::string_view("/x\0", 3)), Bytes{1}});
  std::size_t visited = 0;
  ImaReplay replay = Replaying();
  ExpectTaken(replay, log.bytes(), [&](const ImaEntry& e) {
    ++visited;
    EXPECT_TRUE(e.unknown_fields);
    EXPECT_FALSE(e.boot_aggregate);
    EXPECT_EQ(e.algorithm, std::nullopt);
    EXPECT_TRUE(e.digest.empty());
    EXPECT_EQ(DigestText(e), "unknown");
  });
  EXPECT_EQ(visited, 1U);
  EXPECT_TRUE(replay.Settled(QuoteAt(log, 1)).ok());
}

// A buffer stands beside its digest: one that was put beside another's digest does not pass by it.
TEST(Adversarial_M14, BufferThatDoesNotHashToItsDigest) {
  ImaLog log;
  log.Buffer(".ima", Bytes(20, 7));
  log.Add({.template_name = "ima-buf",
           .path = ".ima",
           .digest = crypto::Hash(kSha256, Bytes(20, 7)),
           .buffer = Bytes(20, 8)});
  std::vector<bool> unknown;
  ImaReplay replay = Replaying();
  ExpectTaken(replay, log.bytes(), [&](const ImaEntry& e) {
    EXPECT_TRUE(e.is_buffer);
    EXPECT_EQ(e.digest.empty(), e.unknown_fields);
    unknown.push_back(e.unknown_fields);
  });
  EXPECT_EQ(unknown, (std::vector<bool>{false, true}));
}

// ima-sig and ima-buf have the same shape, and the name of a template is in no hash: a file whose signature is its own
// content, shown as a buffer, is called like a file.
TEST(Adversarial_M10, FileShownAsABuffer) {
  const Bytes content = ToBytes("\x03\ncommands of a script");
  ImaLog file({.template_name = "ima-sig"});
  file.FileDigest("/tmp/x", crypto::Hash(kSha256, content), content);
  ImaLog shown;
  shown.Add(
      {.template_name = "ima-buf", .path = "/tmp/x", .digest = crypto::Hash(kSha256, content), .buffer = content});
  ASSERT_EQ(file.Pcr(kSha256), shown.Pcr(kSha256));
  ImaReplay replay = Replaying();
  ExpectTaken(replay, shown.bytes(), [&](const ImaEntry& e) {
    EXPECT_TRUE(e.unknown_fields);
    EXPECT_TRUE(e.digest.empty());
  });
  EXPECT_TRUE(replay.Settled(QuoteAt(file, 1)).ok());
}

TEST(Adversarial_M12, MalformedFieldLength) {
  ImaLog log;
  log.File("/a", "a").AddFields("ima-ng", {Bytes{0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3}}, false);
  ImaReplay replay = Replaying();
  auto taken = replay.Advance(log.bytes(), nullptr);
  ExpectReason(taken, Reason::kImaLogMalformed);
  EXPECT_EQ(taken.error().where.substr(0, 7), "entry 1");
}

// A million entries in pieces as an agent sends them: what is kept does not grow, and an entry allocates nothing.
TEST(Adversarial_M12, AMillionEntriesAreBounded) {
  ImaLog log;
  log.Files(2000);
  ImaReplay replay = Replaying({kSha1, kSha256});
  std::size_t visited = 0;
  const ImaReplay::Visit visit = [&](const ImaEntry& e) { visited += e.path.empty() ? 0U : 1U; };
  const VerifiedTpmClaims quote = QuoteOf({{kSha1, {{10, Bytes(20, 1)}}}, {kSha256, {{10, Bytes(32, 1)}}}});
  const auto allocated = [&](BytesView piece) {
    const std::size_t before = allocations;
    EXPECT_TRUE(replay.Advance(piece, visit, &quote).ok());
    return allocations - before;
  };
  const std::size_t for_one = allocated(log.BytesOf(0, 1));
  EXPECT_EQ(allocated(log.bytes()), for_one);
  rusage before{};
  getrusage(RUSAGE_SELF, &before);
  for (int piece = 0; piece < 500; ++piece) ASSERT_TRUE(replay.Advance(log.bytes(), visit, &quote).ok());
  rusage after{};
  getrusage(RUSAGE_SELF, &after);
  EXPECT_EQ(visited, 1U + 501U * 2000U);
  EXPECT_EQ(replay.count(), visited);
  // KiB; the address sanitizer keeps what was freed.
  if (!fakes::kFreedMemoryIsKept) {
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 4096);
  }
}

// Root can extend PCR 10 itself. Without an entry nothing replays any more; with one, it is there to be judged. What
// cannot be told is whether the kernel wrote an entry: the property is "since boot, nothing that is not listed".
TEST(Adversarial_M15, ExtendsOfRootsOwnAreAMismatchOrSeen) {
  ImaLog log = EveryKind();
  ImaLog with = log;
  with.File("/usr/bin/whatever", "chosen by root");
  const VerifiedTpmClaims quote = QuoteAt(with, with.count(), {kSha1, kSha256});
  ImaReplay hidden = Replaying({kSha1, kSha256});
  ExpectTaken(hidden, log.bytes(), nullptr, &quote);
  ExpectReason(hidden.Settled(quote), Reason::kImaLogMismatch);
  ImaReplay shown = Replaying({kSha1, kSha256});
  std::string last;
  ExpectTaken(
      shown, with.bytes(), [&](const ImaEntry& e) { last = e.path; }, &quote);
  EXPECT_TRUE(shown.Settled(quote).ok());
  EXPECT_EQ(last, "/usr/bin/whatever");
}

}  // namespace
}  // namespace gatehouse::verify::replay
