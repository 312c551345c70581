// The boot event log in both formats: sound logs, and each with one defect.
#include "common/evidence/eventlog/event_log.h"

#include <gtest/gtest.h>

#include <functional>

#include "common/base/limits.h"
#include "tests/common/evidence/log_builder.h"

namespace gatehouse::evidence::eventlog {
namespace {

using fakes::AgileEvent;
using fakes::AlgorithmId;
using fakes::Joined;
using fakes::kSha1Id;
using fakes::kSha256Id;
using fakes::kSha384Id;
using fakes::PutLe;
using fakes::Sha1Event;
using fakes::SpecIdData;
using fakes::SpecIdEvent;

const Bytes kZeros4(4, 0);

Bytes Fill(const AlgorithmId& algorithm, std::uint8_t byte) {
  return Bytes(algorithm.size, byte);
}

Bytes Separator(std::uint32_t pcr) {
  return AgileEvent(pcr, event_type::kSeparator, {{0x4, Fill(kSha1Id, 1)}, {0xB, Fill(kSha256Id, 2)}}, kZeros4);
}

Bytes SoundLog() {
  return Joined({SpecIdEvent({kSha1Id, kSha256Id}), Separator(0), Separator(7)});
}

Reason ReasonOf(BytesView bytes, bool padded = false) {
  auto log = ParseEventLog(bytes, padded);
  EXPECT_FALSE(log.ok());
  return log.ok() ? Reason::kInternal : log.error().reason;
}

std::string DetailOf(BytesView bytes, bool padded = false) {
  auto log = ParseEventLog(bytes, padded);
  EXPECT_FALSE(log.ok());
  return log.ok() ? "" : log.error().ToString();
}

TEST(EventLog, CryptoAgileLogGivesEventsWithADigestOfEachBank) {
  const Bytes bytes = SoundLog();
  auto log = ParseEventLog(bytes);
  ASSERT_TRUE(log.ok()) << log.error().ToString();
  EXPECT_EQ(log->format, Format::kCryptoAgile);
  EXPECT_EQ(log->banks, (std::vector{HashAlgorithm::kSha1, HashAlgorithm::kSha256}));
  ASSERT_EQ(log->events.size(), 3U);
  EXPECT_EQ(log->events[0].type, event_type::kNoAction);
  EXPECT_TRUE(log->events[0].digest(HashAlgorithm::kSha1).empty());
  EXPECT_EQ(log->events[2].number, 2U);
  EXPECT_EQ(log->events[2].pcr, 7U);
  EXPECT_EQ(ToBytes(log->events[2].digest(HashAlgorithm::kSha1)), Fill(kSha1Id, 1));
  EXPECT_EQ(ToBytes(log->events[2].digest(HashAlgorithm::kSha256)), Fill(kSha256Id, 2));
  EXPECT_TRUE(log->events[2].digest(HashAlgorithm::kSha384).empty());
  EXPECT_EQ(ToBytes(log->events[2].data), kZeros4);
}

TEST(EventLog, DigestsMayComeInAnotherOrderThanTheAlgorithms) {
  const Bytes bytes =
      Joined({SpecIdEvent({kSha1Id, kSha256Id}),
              AgileEvent(4, event_type::kSeparator, {{0xB, Fill(kSha256Id, 2)}, {0x4, Fill(kSha1Id, 1)}}, kZeros4)});
  auto log = ParseEventLog(bytes);
  ASSERT_TRUE(log.ok()) << log.error().ToString();
  EXPECT_EQ(ToBytes(log->events[1].digest(HashAlgorithm::kSha1)), Fill(kSha1Id, 1));
  EXPECT_EQ(ToBytes(log->events[1].digest(HashAlgorithm::kSha256)), Fill(kSha256Id, 2));
}

TEST(EventLog, AlgorithmThatWeDoNotKnowIsReadOver) {
  const AlgorithmId sm3{0x12, 32};
  const Bytes bytes =
      Joined({SpecIdEvent({sm3, kSha384Id}),
              AgileEvent(4, event_type::kSeparator, {{0x12, Fill(sm3, 9)}, {0xC, Fill(kSha384Id, 3)}}, kZeros4)});
  auto log = ParseEventLog(bytes);
  ASSERT_TRUE(log.ok()) << log.error().ToString();
  EXPECT_EQ(log->banks, std::vector{HashAlgorithm::kSha384});
  EXPECT_EQ(ToBytes(log->events[1].digest(HashAlgorithm::kSha384)), Fill(kSha384Id, 3));
}

TEST(EventLog, Sha1FormatHasOneBank) {
  const Bytes bytes = Joined({Sha1Event(0, event_type::kCrtmVersion, kZeros4, 7), Sha1Event(0, 4, kZeros4, 8)});
  auto log = ParseEventLog(bytes);
  ASSERT_TRUE(log.ok()) << log.error().ToString();
  EXPECT_EQ(log->format, Format::kSha1);
  EXPECT_EQ(log->banks, std::vector{HashAlgorithm::kSha1});
  ASSERT_EQ(log->events.size(), 2U);
  EXPECT_EQ(log->events[1].number, 1U);
  EXPECT_EQ(ToBytes(log->events[1].digest(HashAlgorithm::kSha1)), Bytes(20, 8));
}

TEST(EventLog, SpecIdEventOfAnOlderVersionIsTheSha1Format) {
  const Bytes bytes =
      Joined({Sha1Event(0, 3, AsBytes(std::string_view("Spec ID Event02\0\0\0\0\0", 20))), Sha1Event(0, 4, kZeros4)});
  auto log = ParseEventLog(bytes);
  ASSERT_TRUE(log.ok()) << log.error().ToString();
  EXPECT_EQ(log->format, Format::kSha1);
}

TEST(EventLog, NoActionMayNameAnyPcr) {
  const Bytes bytes = Joined(
      {SpecIdEvent({kSha256Id}), AgileEvent(0xFFFFFFFF, event_type::kNoAction, {{0xB, Fill(kSha256Id, 0)}}, kZeros4)});
  auto log = ParseEventLog(bytes);
  ASSERT_TRUE(log.ok()) << log.error().ToString();
  EXPECT_EQ(log->events[1].pcr, 0xFFFFFFFFU);
}

TEST(EventLog, TruncationAtEveryOffsetIsRefusedUnlessBetweenEvents) {
  for (const Bytes& whole : {SoundLog(), Joined({Sha1Event(0, 8, kZeros4), Sha1Event(0, 4, kZeros4)})}) {
    std::size_t accepted = 0;
    for (std::size_t size = 0; size < whole.size(); ++size) {
      auto log = ParseEventLog(BytesView(whole).first(size));
      if (log.ok()) {
        ++accepted;
        continue;
      }
      EXPECT_EQ(log.error().reason, Reason::kEventLogMalformed) << size;
    }
    // A log that ends between two events is a shorter log: its replay tells.
    EXPECT_EQ(accepted, ParseEventLog(whole)->events.size() - 1);
  }
}

TEST(Adversarial_E3, RepeatedSeparatorsAreKept) {
  const Bytes bytes = Joined({SoundLog(), Separator(7)});
  auto log = ParseEventLog(bytes);
  ASSERT_TRUE(log.ok()) << log.error().ToString();
  EXPECT_EQ(log->events.size(), 4U);
}

struct Broken {
  const char* name;
  Bytes bytes;
  const char* says;
};

Bytes WithSpecId(const Bytes& data) {
  return Joined({Sha1Event(0, 3, data), Separator(0)});
}

Bytes SpecIdWith(const std::function<void(Bytes&)>& change) {
  Bytes data = SpecIdData({kSha1Id, kSha256Id});
  change(data);
  return WithSpecId(data);
}

Bytes WithEvent(const Bytes& event) {
  return Joined({SoundLog(), event});
}

Bytes EventWithDataSize(std::uint32_t size) {
  Bytes event = Separator(0);
  event.resize(event.size() - 8);
  PutLe(event, size, 4);
  Append(event, kZeros4);
  return event;
}

std::vector<Broken> BrokenLogs() {
  const Bytes sha1 = Fill(kSha1Id, 1);
  const Bytes sha256 = Fill(kSha256Id, 2);
  return {
      {"Empty", {}, "needs"},
      {"Sha256DigestSizeOf20", SpecIdWith([](Bytes& d) { d[34] = 20; }), "algorithm 0xb have 20 bytes"},
      {"Sha1DigestSizeOf32", SpecIdWith([](Bytes& d) { d[30] = 32; }), "algorithm 0x4 have 32 bytes"},
      {"UnknownAlgorithmWithoutBytes", WithSpecId(SpecIdData({{0x12, 0}})), "algorithm 0x12 have 0 bytes"},
      {"UnknownAlgorithmTooLong", WithSpecId(SpecIdData({{0x12, 65}})), "algorithm 0x12 have 65 bytes"},
      {"NoAlgorithm", WithSpecId(SpecIdData({})), "names no algorithm"},
      {"AlgorithmTwice", WithSpecId(SpecIdData({kSha1Id, kSha256Id, kSha1Id})), "names algorithm 0x4 twice"},
      {"AlgorithmCountBeyondEvent", SpecIdWith([](Bytes& d) { d[24] = 3; }), ""},
      {"VendorInfoBeyondEvent", SpecIdWith([](Bytes& d) { d.back() = 200; }), "needs 200 bytes"},
      {"BytesBehindVendorInfo", SpecIdWith([](Bytes& d) { d.push_back(0); }), "1 bytes too many"},
      {"SpecIdOfMajorVersion1", SpecIdWith([](Bytes& d) { d[21] = 1; }), "major version 1"},
      {"SpecIdOfPcr1", Joined({Sha1Event(1, 3, SpecIdData({kSha1Id, kSha256Id})), Separator(0)}), "Spec ID event"},
      {"SpecIdWithADigest", Joined({Sha1Event(0, 3, SpecIdData({kSha1Id, kSha256Id}), 1), Separator(0)}),
       "Spec ID event"},
      {"DataBeyondLog", WithEvent(EventWithDataSize(5)), "5 bytes of data, 4 are left"},
      {"DataOf4GiB", WithEvent(EventWithDataSize(0xFFFFFFFF)), "4294967295 bytes of data"},
      {"DigestMissing", WithEvent(AgileEvent(0, 4, {{0x4, sha1}}, kZeros4)), "has 1 digests"},
      {"NoDigest", WithEvent(AgileEvent(0, 4, {}, kZeros4)), "has 0 digests"},
      {"DigestTooMany", WithEvent(AgileEvent(0, 4, {{0x4, sha1}, {0xB, sha256}, {0xC, Fill(kSha384Id, 3)}}, kZeros4)),
       "has 3 digests"},
      {"DigestTwice", WithEvent(AgileEvent(0, 4, {{0x4, sha1}, {0x4, sha1}}, kZeros4)), "two digests of algorithm 0x4"},
      {"DigestOfUnlistedAlgorithm", WithEvent(AgileEvent(0, 4, {{0x4, sha1}, {0xC, Fill(kSha384Id, 3)}}, kZeros4)),
       "algorithm 0xc, which the log does not have"},
      {"Pcr24", WithEvent(AgileEvent(24, 4, {{0x4, sha1}, {0xB, sha256}}, kZeros4)), "PCR 0x18, which does not exist"},
      {"Sha1LogWithPcr24", Joined({Sha1Event(0, 8, kZeros4), Sha1Event(24, 4, kZeros4)}), "PCR 0x18"},
      {"PaddingInAFirmwareLog", Joined({SoundLog(), Bytes(64, 0xFF)}), "PCR 0xffffffff, which does not exist"},
      {"ZerosBehindTheLog", Joined({SoundLog(), Bytes(3, 0)}), "needs 4 bytes"},
  };
}

class Adversarial_E9 : public ::testing::TestWithParam<Broken> {};
INSTANTIATE_TEST_SUITE_P(EventLog, Adversarial_E9, ::testing::ValuesIn(BrokenLogs()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(Adversarial_E9, IsRefused) {
  EXPECT_EQ(ReasonOf(GetParam().bytes), Reason::kEventLogMalformed);
  EXPECT_NE(DetailOf(GetParam().bytes).find(GetParam().says), std::string::npos) << DetailOf(GetParam().bytes);
}

TEST(Adversarial_E9_Limits, AlgorithmCountIsBoundedBeforeAnythingIsRead) {
  const Bytes bytes = SpecIdWith([](Bytes& data) {
    for (int i = 24; i < 28; ++i) data[static_cast<std::size_t>(i)] = 0xFF;
  });
  EXPECT_EQ(ReasonOf(bytes), Reason::kLimitExceeded);
}

TEST(Adversarial_E9_Limits, NumberOfEvents) {
  Bytes bytes;
  const Bytes event = Sha1Event(0, event_type::kAction, {});
  for (std::size_t i = 0; i < limits::kEventLogEvents; ++i) Append(bytes, event);
  EXPECT_TRUE(ParseEventLog(bytes).ok());
  Append(bytes, event);
  EXPECT_EQ(ReasonOf(bytes), Reason::kLimitExceeded);
}

TEST(Adversarial_E9_Limits, SizeOfTheLog) {
  const Bytes head = Sha1Event(0, event_type::kAction, {});
  const Bytes most = Sha1Event(0, event_type::kAction, Bytes(limits::kEventLogBytes - head.size(), 0));
  EXPECT_TRUE(ParseEventLog(most).ok());
  EXPECT_EQ(ReasonOf(Joined({most, Bytes(1, 0)})), Reason::kLimitExceeded);
}

TEST(Adversarial_E9_Padding, OfACcelIsNoPartOfIt) {
  const Bytes bytes = Joined({SoundLog(), Bytes(1000, 0xFF)});
  auto log = ParseEventLog(bytes, true);
  ASSERT_TRUE(log.ok()) << log.error().ToString();
  EXPECT_EQ(log->events.size(), 3U);
}

TEST(Adversarial_E9_Padding, SpecIdEventOfACcelMayBeOfRegister1) {
  const Bytes bytes = Joined({Sha1Event(1, 3, SpecIdData({kSha1Id, kSha256Id})), Separator(1)});
  EXPECT_TRUE(ParseEventLog(bytes, true).ok());
  EXPECT_EQ(ReasonOf(bytes), Reason::kEventLogMalformed);
  EXPECT_EQ(ReasonOf(Joined({Sha1Event(2, 3, SpecIdData({kSha1Id, kSha256Id})), Separator(1)}), true),
            Reason::kEventLogMalformed);
}

TEST(Adversarial_E9_Padding, OfFewerBytesThanAPcrIndex) {
  EXPECT_TRUE(ParseEventLog(Joined({SoundLog(), Bytes(3, 0xFF)}), true).ok());
}

TEST(Adversarial_E9_Padding, EventBehindItIsRefused) {
  const Bytes bytes = Joined({SoundLog(), Bytes(64, 0xFF), Separator(1)});
  EXPECT_EQ(ReasonOf(bytes, true), Reason::kEventLogMalformed);
  EXPECT_NE(DetailOf(bytes, true).find("PCR 0xffffffff"), std::string::npos);
}

TEST(Adversarial_E9_Padding, OneOtherByteInItIsRefused) {
  Bytes padding(64, 0xFF);
  padding[40] = 0xFE;
  EXPECT_EQ(ReasonOf(Joined({SoundLog(), padding}), true), Reason::kEventLogMalformed);
}

TEST(Adversarial_E9_Padding, AloneIsNoLog) {
  EXPECT_EQ(ReasonOf(Bytes(64, 0xFF), true), Reason::kEventLogMalformed);
  EXPECT_EQ(ReasonOf({}, true), Reason::kEventLogMalformed);
}

TEST(EventLog, NamesOfTypes) {
  EXPECT_EQ(EventTypeName(event_type::kSeparator), "EV_SEPARATOR");
  EXPECT_EQ(EventTypeName(event_type::kEfiSpdmFirmwareConfig), "EV_EFI_SPDM_FIRMWARE_CONFIG");
  EXPECT_EQ(EventTypeName(0x2), "0x2");
  EXPECT_EQ(EventTypeName(0x800000FF), "0x800000ff");
}

}  // namespace
}  // namespace gatehouse::evidence::eventlog
