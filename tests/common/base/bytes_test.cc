#include "common/base/bytes.h"

#include <gtest/gtest.h>

#include "tests/common/base/outcome.h"

namespace gatehouse {
namespace {

ByteReader Reader(BytesView bytes) {
  return {bytes, Reason::kEvidenceMalformed, "quote"};
}

TEST(Bytes, TextAndBytesAreEachOther) {
  std::string text("a\0\xff", 3);
  EXPECT_EQ(ToBytes(text), (Bytes{'a', 0, 0xff}));
  EXPECT_EQ(AsText(AsBytes(text)), text);
  Bytes bytes{1};
  Append(bytes, Bytes{2, 3});
  EXPECT_EQ(bytes, (Bytes{1, 2, 3}));
}

TEST(Bytes, ConstantTimeEqualIsEquality) {
  Bytes bytes{1, 2, 3};
  EXPECT_TRUE(ConstantTimeEqual(bytes, Bytes{1, 2, 3}));
  EXPECT_TRUE(ConstantTimeEqual({}, {}));
  EXPECT_FALSE(ConstantTimeEqual(bytes, Bytes{1, 2}));
  EXPECT_FALSE(ConstantTimeEqual(bytes, {}));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes other = bytes;
      other[i] = static_cast<std::uint8_t>(other[i] ^ (1 << bit));
      EXPECT_FALSE(ConstantTimeEqual(bytes, other));
    }
  }
}

TEST(ByteReader, ReadsEachWidthInEachOrder) {
  Bytes bytes{0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0xf8};
  EXPECT_EQ(Reader(bytes).TakeU8().value(), 0x01U);
  EXPECT_EQ(Reader(bytes).TakeU16Be().value(), 0x0102U);
  EXPECT_EQ(Reader(bytes).TakeU16Le().value(), 0x0201U);
  EXPECT_EQ(Reader(bytes).TakeU32Be().value(), 0x01020304U);
  EXPECT_EQ(Reader(bytes).TakeU32Le().value(), 0x04030201U);
  EXPECT_EQ(Reader(bytes).TakeU64Be().value(), 0x01020304050607f8U);
  EXPECT_EQ(Reader(bytes).TakeU64Le().value(), 0xf807060504030201U);
}

TEST(ByteReader, WriterIsItsInverse) {
  ByteWriter writer;
  writer.PutU8(0xfe);
  writer.PutU16Be(0xfedc);
  writer.PutU32Be(0xfedcba98);
  writer.PutU64Be(0xfedcba9876543210);
  writer.PutSized16Be(Bytes{9, 8});
  writer.Put(Bytes{7});
  Bytes bytes = std::move(writer).Finish();
  ByteReader reader = Reader(bytes);
  EXPECT_EQ(reader.TakeU8().value(), 0xfeU);
  EXPECT_EQ(reader.TakeU16Be().value(), 0xfedcU);
  EXPECT_EQ(reader.TakeU32Be().value(), 0xfedcba98U);
  EXPECT_EQ(reader.TakeU64Be().value(), 0xfedcba9876543210U);
  EXPECT_EQ(ToBytes(reader.TakeSized16Be(2).value()), (Bytes{9, 8}));
  EXPECT_EQ(Outcome(reader.ExpectEnd()), "evidence-malformed");
  EXPECT_EQ(reader.TakeU8().value(), 7U);
  EXPECT_EQ(Outcome(reader.ExpectEnd()), "ok");
}

// The structure of the test above, cut off at each byte: no prefix of it reads as the whole.
Status ReadAll(ByteReader reader) {
  RETURN_IF_ERROR(reader.TakeU8());
  RETURN_IF_ERROR(reader.TakeU16Be());
  RETURN_IF_ERROR(reader.TakeU16Le());
  RETURN_IF_ERROR(reader.TakeU32Be());
  RETURN_IF_ERROR(reader.TakeU32Le());
  RETURN_IF_ERROR(reader.TakeU64Be());
  RETURN_IF_ERROR(reader.TakeU64Le());
  RETURN_IF_ERROR(reader.TakeSized16Be(4));
  RETURN_IF_ERROR(reader.Take(3));
  return reader.ExpectEnd();
}

TEST(ByteReader, EveryTruncationFails) {
  Bytes bytes(29, 0);
  bytes.insert(bytes.end(), {0, 4, 1, 2, 3, 4, 5, 6, 7});
  ASSERT_EQ(Explain(ReadAll(Reader(bytes))), "ok");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(Outcome(ReadAll(Reader(BytesView(bytes).first(size)))), "evidence-malformed") << size;
  }
  bytes.push_back(0);
  EXPECT_EQ(Explain(ReadAll(Reader(bytes))), "quote: 1 bytes too many at byte 38 [evidence-malformed]");
}

TEST(ByteReader, FailedTakeConsumesNothing) {
  Bytes bytes{1, 2, 3};
  ByteReader reader = Reader(bytes);
  EXPECT_EQ(Explain(reader.Take(4)), "quote: needs 4 bytes, 3 left at byte 0 [evidence-malformed]");
  EXPECT_FALSE(reader.TakeU32Be().ok());
  EXPECT_EQ(reader.offset(), 0U);
  EXPECT_EQ(reader.remaining(), 3U);
}

TEST(ByteReader, HugeCountDoesNotWrapAround) {
  Bytes bytes{1, 2, 3};
  ByteReader reader = Reader(bytes);
  ASSERT_TRUE(reader.TakeU8().ok());
  EXPECT_EQ(Outcome(reader.Take(SIZE_MAX)), "evidence-malformed");
  EXPECT_EQ(Outcome(reader.Take(SIZE_MAX - 1)), "evidence-malformed");
  EXPECT_EQ(reader.remaining(), 2U);
}

TEST(ByteReader, SizedFieldLongerThanItsMaximumIsRefused) {
  Bytes bytes{0, 3, 1, 2, 3};
  EXPECT_EQ(Outcome(Reader(bytes).TakeSized16Be(3)), "ok");
  EXPECT_EQ(Explain(Reader(bytes).TakeSized16Be(2)),
            "quote: a length of 3 is more than 2 at byte 2 [evidence-malformed]");
}

TEST(ByteReader, SizedFieldLongerThanTheInputIsRefused) {
  Bytes bytes{0, 4, 1, 2, 3};
  EXPECT_EQ(Outcome(Reader(bytes).TakeSized16Be(65535)), "evidence-malformed");
}

TEST(ByteReader, EmptyInputHasAnEndAndNothingElse) {
  ByteReader reader = Reader({});
  EXPECT_EQ(Outcome(reader.ExpectEnd()), "ok");
  EXPECT_EQ(Outcome(reader.Take(0)), "ok");
  EXPECT_EQ(Outcome(reader.TakeU8()), "evidence-malformed");
}

}  // namespace
}  // namespace gatehouse
