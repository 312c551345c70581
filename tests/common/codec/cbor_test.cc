// Values are the examples of RFC 8949 appendix A where it has one.
#include "common/codec/cbor.h"

#include <gtest/gtest.h>

#include <limits>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "tests/common/base/outcome.h"

namespace gatehouse::codec {
namespace {

using Kind = CborValue::Kind;

Bytes Hex(std::string_view text) {
  return DecodeHex(text).value();
}

Result<CborValue> Parse(std::string_view hex) {
  return ParseCbor(Hex(hex), Reason::kEnvelopeMalformed);
}

TEST(Cbor, IntegersOfEveryLength) {
  const std::vector<std::pair<std::string, std::int64_t>> cases = {
      {"00", 0},
      {"17", 23},
      {"1818", 24},
      {"18ff", 255},
      {"190100", 256},
      {"1903e8", 1000},
      {"1a000f4240", 1000000},
      {"1b000000e8d4a51000", 1000000000000},
      {"1b7fffffffffffffff", std::numeric_limits<std::int64_t>::max()},
      {"20", -1},
      {"37", -24},
      {"3818", -25},
      {"3863", -100},
      {"3903e7", -1000},
      {"3b7fffffffffffffff", std::numeric_limits<std::int64_t>::min()},
  };
  for (const auto& [hex, value] : cases) {
    const Result<CborValue> parsed = Parse(hex);
    ASSERT_EQ(Explain(parsed), "ok") << hex;
    EXPECT_EQ(parsed->kind(), Kind::kInt);
    EXPECT_EQ(parsed->AsInt(), value) << hex;
    EXPECT_EQ(std::move(CborWriter().Int(value)).Finish(), Hex(hex));
  }
}

TEST(Cbor, OtherValues) {
  EXPECT_EQ(Parse("f4")->AsBool(), false);
  EXPECT_EQ(Parse("f5")->AsBool(), true);
  EXPECT_EQ(Parse("f6")->kind(), Kind::kNull);
  EXPECT_EQ(Parse("f7")->kind(), Kind::kUndefined);
  EXPECT_EQ(Parse("40")->AsBytes()->size(), 0U);
  EXPECT_EQ(EncodeHex(*Parse("4401020304")->AsBytes()), "01020304");
  EXPECT_EQ(Parse("60")->AsText(), "");
  EXPECT_EQ(Parse("6449455446")->AsText(), "IETF");
  EXPECT_EQ(Parse("62c3bc")->AsText(), "\u00fc");
  EXPECT_EQ(Parse("80")->items().size(), 0U);
  EXPECT_EQ(Parse("a0")->kind(), Kind::kMap);
}

TEST(Cbor, NestedArraysAndMaps) {
  const Result<CborValue> array = Parse("8301820203820405");
  ASSERT_EQ(Explain(array), "ok");
  ASSERT_EQ(array->items().size(), 3U);
  EXPECT_EQ(array->items()[2].items()[1].AsInt(), 5);

  const Result<CborValue> map = Parse(
      "a3016161612bf5"
      "4102820304");
  ASSERT_EQ(Explain(map), "ok");
  EXPECT_EQ(map->members().size(), 3U);
  EXPECT_EQ(map->Find(1)->AsText(), "a");
  EXPECT_EQ(map->Find("+")->AsBool(), true);
  EXPECT_EQ(map->Find("-"), nullptr);
  EXPECT_EQ(map->Find(2), nullptr);
  EXPECT_EQ(map->items().size(), 0U);
}

TEST(Cbor, FindTellsTextFromInteger) {
  const Result<CborValue> map = Parse(
      "a2"
      "01"
      "f4"
      "6131"
      "f5");
  ASSERT_EQ(Explain(map), "ok");
  EXPECT_EQ(map->Find(1)->AsBool(), false);
  EXPECT_EQ(map->Find("1")->AsBool(), true);
}

TEST(Cbor, Tags) {
  const Result<CborValue> time = Parse("c11a514b67b0");
  ASSERT_EQ(Explain(time), "ok");
  EXPECT_EQ(time->kind(), Kind::kTag);
  EXPECT_EQ(time->tag(), 1U);
  EXPECT_EQ(time->tagged().AsInt(), 1363896240);
  EXPECT_EQ(Parse("dbffffffffffffffff00")->tag(), std::numeric_limits<std::uint64_t>::max());
}

TEST(Cbor, AValueOfAnotherKindIsNothing) {
  const CborValue text = *Parse("6161");
  EXPECT_EQ(text.AsInt(), std::nullopt);
  EXPECT_EQ(text.AsBool(), std::nullopt);
  EXPECT_FALSE(text.AsBytes().has_value());
  EXPECT_EQ(Parse("4161")->AsText(), std::nullopt);
  EXPECT_EQ(Parse("01")->AsBool(), std::nullopt);
  EXPECT_EQ(Parse("f5")->AsInt(), std::nullopt);
}

struct Bad {
  const char* name;
  const char* hex;
};
void PrintTo(const Bad& bad, std::ostream* out) {
  *out << bad.name;
}

class CborRefuses : public testing::TestWithParam<Bad> {};
TEST_P(CborRefuses, Malformed) {
  EXPECT_EQ(Outcome(Parse(GetParam().hex)), "envelope-malformed") << GetParam().hex;
}
// Adversarial W5 names these laxities of CBOR readers; they hold for every envelope and every evidence in it.
INSTANTIATE_TEST_SUITE_P(
    Adversarial_W5, CborRefuses,
    testing::Values(Bad{"Nothing", ""}, Bad{"TrailingByte", "0000"}, Bad{"TrailingBytesBehindAnArray", "8101f6"},
                    Bad{"IndefiniteBytes", "5f42010243030405ff"}, Bad{"IndefiniteText", "7f657374726561646d696e67ff"},
                    Bad{"IndefiniteArray", "9fff"}, Bad{"IndefiniteMap", "bfff"}, Bad{"LoneBreak", "ff"},
                    Bad{"IndefiniteInteger", "1f"}, Bad{"IndefiniteTag", "df00"}, Bad{"ReservedInfo28", "1c"},
                    Bad{"ReservedInfo29", "3d"}, Bad{"ReservedInfo30", "5e"}, Bad{"TwoByteZero", "1800"},
                    Bad{"TwoByte23", "1817"}, Bad{"ThreeByte255", "1900ff"}, Bad{"FiveByte65535", "1a0000ffff"},
                    Bad{"NineByte32Bits", "1b00000000ffffffff"}, Bad{"LongNegative", "3800"},
                    Bad{"LongLengthOfBytes", "580101"}, Bad{"LongLengthOfText", "780161"},
                    Bad{"LongCountOfArray", "980101"}, Bad{"LongCountOfMap", "b8010101"}, Bad{"LongTag", "d80101"},
                    Bad{"IntegerOf64Bits", "1b8000000000000000"}, Bad{"NegativeOf64Bits", "3b8000000000000000"},
                    Bad{"HalfFloat", "f93c00"}, Bad{"SingleFloat", "fa47c35000"},
                    Bad{"DoubleFloat", "fb3ff199999999999a"}, Bad{"SimpleValue16", "f0"}, Bad{"SimpleValue255", "f8ff"},
                    Bad{"FalseInTwoBytes", "f814"}, Bad{"DuplicateIntegerKey", "a201000101"},
                    Bad{"DuplicateTextKey", "a2616100616101"}, Bad{"DuplicateKeyThatIsNotNext", "a3010002000101"},
                    Bad{"ArrayAsKey", "a18000"}, Bad{"MapAsKey", "a1a000"}, Bad{"NullAsKey", "a1f600"},
                    Bad{"TagAsKey", "a1c10000"}, Bad{"KeyWithoutValue", "a101"}, Bad{"TagOfNothing", "c1"},
                    Bad{"TextThatIsNotUtf8", "61ff"}, Bad{"TextWithSurrogate", "63eda080"},
                    Bad{"TextCutInACharacter", "61c3"}, Bad{"BytesLongerThanTheInput", "4201"},
                    Bad{"BytesOfTheLargestLength", "5bffffffffffffffff"}, Bad{"ArrayLongerThanTheInput", "830101"},
                    Bad{"MapLongerThanTheInput", "a20101"}),
    [](const auto& test) { return test.param.name; });

TEST(Cbor, TruncatedAtEveryByte) {
  CborWriter writer;
  writer.Tag(18).Array(4).ByteString(Hex("a10126")).Map(2).Int(33).Array(1).ByteString(Bytes(300, 7)).Text("agent");
  const Bytes whole = std::move(writer.Text("gatehouse").ByteString(Bytes(70000, 1)).Int(-1'000'000)).Finish();
  ASSERT_EQ(Explain(ParseCbor(whole, Reason::kEnvelopeMalformed)), "ok");
  for (std::size_t size = 0; size < whole.size(); size += size < 400 || size + 20 > whole.size() ? 1U : 997U) {
    EXPECT_EQ(Outcome(ParseCbor(BytesView(whole).first(size), Reason::kEnvelopeMalformed)), "envelope-malformed")
        << size;
  }
}

TEST(Cbor, DepthIsLimited) {
  const auto nested = [](int depth) {
    Bytes bytes(static_cast<std::size_t>(depth - 1), 0x81);
    bytes.push_back(0x00);
    return bytes;
  };
  EXPECT_EQ(Outcome(ParseCbor(nested(limits::kCborDepth), Reason::kEnvelopeMalformed)), "ok");
  EXPECT_EQ(Outcome(ParseCbor(nested(limits::kCborDepth + 1), Reason::kEnvelopeMalformed)), "limit-exceeded");
  EXPECT_EQ(Outcome(ParseCbor(nested(1'000'000), Reason::kEnvelopeMalformed)), "limit-exceeded");
  EXPECT_EQ(Outcome(ParseCbor(Bytes(100'000, 0xc1), Reason::kEnvelopeMalformed)), "limit-exceeded");
}

TEST(Cbor, TheNumberOfItemsIsLimitedInAll) {
  // An array of `count` small arrays of nine: the limit is not one of each array.
  const auto many = [](std::size_t count) {
    CborWriter writer;
    writer.Array(count);
    for (std::size_t i = 0; i < count; ++i) {
      writer.Array(9);
      for (int j = 0; j < 9; ++j) writer.Int(j);
    }
    return std::move(writer).Finish();
  };
  EXPECT_EQ(Outcome(ParseCbor(many(999), Reason::kEnvelopeMalformed)), "ok");
  EXPECT_EQ(Outcome(ParseCbor(many(1000), Reason::kEnvelopeMalformed)), "limit-exceeded");
  // Claimed, not there: nothing is allocated for it.
  EXPECT_EQ(Outcome(Parse("9bffffffffffffffff")), "limit-exceeded");
  EXPECT_EQ(Outcome(Parse("bb7fffffffffffffff")), "limit-exceeded");
}

TEST(Cbor, TheReasonIsTheCallers) {
  EXPECT_EQ(Outcome(ParseCbor(Hex("ff"), Reason::kEvidenceMalformed)), "evidence-malformed");
}

TEST(CborWriter, WritesDeterministically) {
  CborWriter writer;
  writer.Map(3).Int(1).Int(-7).Text("x").Tag(1).Int(1363896240).Int(-1).Array(4).Bool(true).Bool(false).Null();
  const Bytes bytes = std::move(writer.ByteString(Hex("00"))).Finish();
  EXPECT_EQ(EncodeHex(bytes),
            "a30126"
            "6178c11a514b67b0"
            "2084f5f4f64100");
  EXPECT_EQ(Outcome(ParseCbor(bytes, Reason::kEnvelopeMalformed)), "ok");
}

}  // namespace
}  // namespace gatehouse::codec
