// CBOR: what is read has one encoding only, so writing it again gives the input back.
#include "common/codec/cbor.h"

#include "common/base/limits.h"
#include "tests/fuzz/check.h"

using gatehouse::BytesView;
using gatehouse::Reason;
using gatehouse::codec::CborValue;
using gatehouse::codec::CborWriter;
using gatehouse::codec::ParseCbor;

namespace {

// False where the writer has no such value.
bool Write(const CborValue& value, CborWriter& writer, int depth) {
  FUZZ_CHECK(depth < gatehouse::limits::kCborDepth);
  switch (value.kind()) {
    case CborValue::Kind::kInt:
      writer.Int(value.AsInt().value());
      return true;
    case CborValue::Kind::kBytes:
      writer.ByteString(value.AsBytes().value());
      return true;
    case CborValue::Kind::kText:
      writer.Text(value.AsText().value());
      return true;
    case CborValue::Kind::kArray:
      writer.Array(value.items().size());
      for (const CborValue& item : value.items()) {
        if (!Write(item, writer, depth + 1)) return false;
      }
      return true;
    case CborValue::Kind::kMap:
      writer.Map(value.members().size());
      for (const auto& [key, member] : value.members()) {
        if (key.AsInt()) FUZZ_CHECK(value.Find(*key.AsInt()) == &member);
        if (key.AsText()) FUZZ_CHECK(value.Find(*key.AsText()) == &member);
        if (!Write(key, writer, depth + 1) || !Write(member, writer, depth + 1)) return false;
      }
      return true;
    case CborValue::Kind::kTag:
      writer.Tag(value.tag());
      return Write(value.tagged(), writer, depth + 1);
    case CborValue::Kind::kBool:
      writer.Bool(value.AsBool().value());
      return true;
    case CborValue::Kind::kNull:
      writer.Null();
      return true;
    case CborValue::Kind::kUndefined:
      return false;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const BytesView input(data, size);
  const auto value = ParseCbor(input, Reason::kEvidenceMalformed);
  if (!value.ok()) {
    FUZZ_CHECK(value.error().reason == Reason::kEvidenceMalformed || value.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  CborWriter writer;
  if (Write(*value, writer, 0)) FUZZ_CHECK(std::move(writer).Finish() == gatehouse::ToBytes(input));
  return 0;
}
