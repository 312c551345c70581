// The reader of DER, where OpenSSL's would be too generous.
#include "common/crypto/der.h"

#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::crypto {
namespace {

constexpr Reason kReason = Reason::kTimestampMalformed;

class DerTest : public testing::Test {
 protected:
  static DerReader Of(const Bytes& bytes) { return DerReader(bytes, kReason, "here"); }
  static Bytes Hex(const char* text) { return DecodeHex(text).value(); }
};

TEST_F(DerTest, TakesElementsInOrder) {
  const Bytes bytes = Hex("02010530030101ff0400");
  DerReader reader = Of(bytes);
  EXPECT_TRUE(reader.NextIs(der::kInteger));
  EXPECT_FALSE(reader.NextIs(der::kSequence));
  EXPECT_EQ(reader.TakeUnsigned().value(), 5U);
  DerReader inner = reader.Enter(der::kSequence).value();
  EXPECT_EQ(ToBytes(inner.Take(der::kBoolean).value().whole), Hex("0101ff"));
  EXPECT_TRUE(inner.AtEnd());
  EXPECT_FALSE(reader.AtEnd());
  EXPECT_FALSE(reader.ExpectEnd().ok());
  EXPECT_TRUE(reader.Take(der::kOctetString).value().content.empty());
  EXPECT_TRUE(reader.ExpectEnd().ok());
  EXPECT_FALSE(reader.NextIs(der::kNull));
  EXPECT_EQ(reader.Take().error().reason, kReason);
}

TEST_F(DerTest, EncodesInTheShortestForm) {
  for (const std::size_t size : {0U, 1U, 127U, 128U, 255U, 256U, 65535U, 65536U}) {
    const Bytes encoded = der::Encode(der::kOctetString, Bytes(size, 7));
    DerReader reader = Of(encoded);
    EXPECT_EQ(reader.Take(der::kOctetString).value().content.size(), size);
    EXPECT_TRUE(reader.AtEnd());
  }
}

TEST_F(DerTest, LengthsAndTagsThatAreNotDer) {
  const std::pair<const char*, const char*> table[] = {
      {"no length", "04"},
      {"cut off", "040200"},
      {"indefinite", "30800000"},
      {"a long form for a short length", "04810100"},
      {"a leading zero", "0482008000"},
      {"five octets", "04850000000100"},
      {"reserved", "04ff00"},
      {"more than there is", "0484ffffffff00"},
      {"a high tag number", "1f8101020500"},
  };
  for (const auto& [defect, hex] : table) {
    const Bytes bytes = Hex(hex);
    const auto element = Of(bytes).Take();
    ASSERT_FALSE(element.ok()) << defect;
    EXPECT_EQ(element.error().reason, kReason) << defect;
    EXPECT_FALSE(CheckDer(bytes, kReason, 0).ok()) << defect;
  }
}

TEST_F(DerTest, Identifiers) {
  const std::pair<const char*, const char*> table[] = {
      {"06012a", "1.2"},
      {"060100", "0.0"},
      {"060127", "0.39"},
      {"060128", "1.0"},
      {"06014f", "1.39"},
      {"060150", "2.0"},
      {"0603883703", "2.999.3"},
      {"060a2b0601040183bf300107", "1.3.6.1.4.1.57264.1.7"},
      {"06062a8fffffff7f", "1.2.4294967295"},
      {"06062a9080808000", "(overlong)"},
  };
  for (const auto& [hex, dotted] : table) {
    const Bytes bytes = Hex(hex);
    EXPECT_EQ(Of(bytes).TakeOid().value(), dotted);
  }
  for (const char* hex : {"0600", "060180", "06022a81", "06032a8001", "020101"}) {
    const Bytes bytes = Hex(hex);
    const auto oid = Of(bytes).TakeOid();
    ASSERT_FALSE(oid.ok()) << hex;
    EXPECT_EQ(oid.error().reason, kReason) << hex;
  }
}

TEST_F(DerTest, Numbers) {
  const std::pair<const char*, std::uint64_t> table[] = {
      {"020100", 0}, {"02017f", 127}, {"02020080", 128}, {"02087fffffffffffffff", 0x7FFFFFFFFFFFFFFFU}};
  for (const auto& [hex, number] : table) {
    const Bytes bytes = Hex(hex);
    EXPECT_EQ(Of(bytes).TakeUnsigned().value(), number);
  }
  for (const char* hex : {"0200", "0201ff", "02020001", "0209008000000000000000", "040101"}) {
    const Bytes bytes = Hex(hex);
    EXPECT_FALSE(Of(bytes).TakeUnsigned().ok()) << hex;
  }
}

TEST_F(DerTest, AlgorithmsWithoutParameters) {
  for (const char* hex : {"300306012a", "300506012a0500"}) {
    const Bytes bytes = Hex(hex);
    EXPECT_EQ(Of(bytes).TakePlainAlgorithm().value(), "1.2");
  }
  for (const char* hex : {"3000", "300606012a050100", "300606012a020101", "300706012a05000500"}) {
    const Bytes bytes = Hex(hex);
    EXPECT_FALSE(Of(bytes).TakePlainAlgorithm().ok()) << hex;
  }
}

TEST_F(DerTest, NestingIsBounded) {
  Bytes nested;
  for (int i = 0; i < limits::kDerDepth; ++i) nested = der::Encode(der::kSequence, nested);
  EXPECT_TRUE(CheckDer(nested, kReason, 0).ok());
  nested = der::Encode(der::kSequence, nested);
  EXPECT_EQ(CheckDer(nested, kReason, 0).error().reason, kReason);
}

}  // namespace
}  // namespace gatehouse::crypto
