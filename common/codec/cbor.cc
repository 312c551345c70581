#include "common/codec/cbor.h"

#include <algorithm>
#include <limits>
#include <set>

#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::codec {
namespace {

// RFC 8949 section 3.1, the high three bits of an item's first byte.
constexpr std::uint8_t kUnsigned = 0;
constexpr std::uint8_t kNegative = 1;
constexpr std::uint8_t kByteString = 2;
constexpr std::uint8_t kTextString = 3;
constexpr std::uint8_t kArrayOf = 4;
constexpr std::uint8_t kMapOf = 5;
constexpr std::uint8_t kTagged = 6;
constexpr std::uint8_t kSimple = 7;
// Section 3.3, the values of major type 7 that we take.
constexpr std::uint64_t kFalse = 20;
constexpr std::uint64_t kTrue = 21;
constexpr std::uint64_t kNullValue = 22;
constexpr std::uint64_t kUndefinedValue = 23;
// Section 3, the low five bits: up to 23 the argument itself, then its length.
constexpr std::uint8_t kLargestDirect = 23;
constexpr std::uint8_t kOneByte = 24;
constexpr std::uint8_t kTwoBytes = 25;
constexpr std::uint8_t kFourBytes = 26;
constexpr std::uint8_t kEightBytes = 27;

constexpr auto kInt64Max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

struct Head {
  std::uint8_t major;
  std::uint8_t info;
  std::uint64_t argument;
};

}  // namespace

class CborReader {
 public:
  CborReader(BytesView bytes, Reason reason) : bytes_(bytes), reader_(bytes, reason, "CBOR") {}

  Result<CborValue> Document() {
    ASSIGN_OR_RETURN(CborValue value, Item(0));
    RETURN_IF_ERROR(reader_.ExpectEnd());
    return value;
  }

 private:
  static Error TooMuch(std::string_view what) { return {Reason::kLimitExceeded, "CBOR", std::string(what)}; }

  Result<std::uint64_t> Argument(std::uint8_t info) {
    std::uint64_t argument = info;
    std::uint64_t least = 0;  // what needs that many bytes
    if (info == kOneByte) {
      ASSIGN_OR_RETURN(argument, reader_.TakeU8());
      least = kLargestDirect + 1;
    } else if (info == kTwoBytes) {
      ASSIGN_OR_RETURN(argument, reader_.TakeU16Be());
      least = std::uint64_t{1} << 8;
    } else if (info == kFourBytes) {
      ASSIGN_OR_RETURN(argument, reader_.TakeU32Be());
      least = std::uint64_t{1} << 16;
    } else if (info == kEightBytes) {
      ASSIGN_OR_RETURN(argument, reader_.TakeU64Be());
      least = std::uint64_t{1} << 32;
    } else if (info > kEightBytes) {
      // 28 to 30 are not well-formed (section 3); 31 is an indefinite length, which "MUST NOT be used" in deterministic
      // encoding (section 4.2.1).
      return reader_.Fail("an indefinite length or a reserved form");
    }
    // Section 4.2.1: "Preferred serialization MUST be used": the shortest form of the argument.
    if (argument < least) return reader_.Fail("a number that is not in its shortest form");
    return argument;
  }

  Result<Head> TakeHead() {
    ASSIGN_OR_RETURN(const std::uint8_t first, reader_.TakeU8());
    Head head{static_cast<std::uint8_t>(first >> 5), static_cast<std::uint8_t>(first & 0x1f), 0};
    // Of major type 7 only the simple values of one byte are taken: what follows here is a float, or a simple value
    // that means nothing to us.
    if (head.major == kSimple && head.info > kLargestDirect) {
      return reader_.Fail("a float, a break or a simple value that is not accepted");
    }
    ASSIGN_OR_RETURN(head.argument, Argument(head.info));
    return head;
  }

  Result<CborValue> Item(int depth) {
    if (depth >= limits::kCborDepth) return TooMuch("nested deeper than " + std::to_string(limits::kCborDepth));
    if (++items_ > limits::kCborItems) return TooMuch("more than " + std::to_string(limits::kCborItems) + " items");
    ASSIGN_OR_RETURN(const Head head, TakeHead());
    CborValue value;
    switch (head.major) {
      case kUnsigned:
      case kNegative:
        RETURN_IF_ERROR(Integer(head, value));
        break;
      case kByteString:
      case kTextString:
        RETURN_IF_ERROR(String(head, value));
        break;
      case kArrayOf:
        RETURN_IF_ERROR(Array(head.argument, depth, value));
        break;
      case kMapOf:
        RETURN_IF_ERROR(Map(head.argument, depth, value));
        break;
      case kTagged: {
        value.kind_ = CborValue::Kind::kTag;
        value.tag_ = head.argument;
        ASSIGN_OR_RETURN(CborValue tagged, Item(depth + 1));
        value.items_.push_back(std::move(tagged));
        break;
      }
      default:
        RETURN_IF_ERROR(Simple(head.argument, value));
        break;
    }
    return value;
  }

  Status Integer(const Head& head, CborValue& value) {
    if (head.argument > kInt64Max) return reader_.Fail("an integer of more than 63 bits");
    value.kind_ = CborValue::Kind::kInt;
    const auto magnitude = static_cast<std::int64_t>(head.argument);
    value.int_ = head.major == kUnsigned ? magnitude : -1 - magnitude;
    return Ok();
  }

  Status String(const Head& head, CborValue& value) {
    if (head.argument > reader_.remaining()) return reader_.Fail("a string longer than what is left");
    ASSIGN_OR_RETURN(const BytesView content, reader_.Take(static_cast<std::size_t>(head.argument)));
    if (head.major == kByteString) {
      value.kind_ = CborValue::Kind::kBytes;
      value.bytes_ = ToBytes(content);
      return Ok();
    }
    // Section 3.1: text "encoded as UTF-8"; section 5.3.1: a string that is not is "not valid".
    if (!IsUtf8(AsText(content))) return reader_.Fail("a text that is not UTF-8");
    value.kind_ = CborValue::Kind::kText;
    value.text_ = AsText(content);
    return Ok();
  }

  // Each item has one byte at least, so a count is bounded by what is there before anything is allocated for it.
  Status CheckCount(std::uint64_t count, std::uint64_t least_bytes) {
    if (count > limits::kCborItems) return TooMuch("more than " + std::to_string(limits::kCborItems) + " items");
    if (count > reader_.remaining() / least_bytes) return reader_.Fail("more items than there are bytes left");
    return Ok();
  }

  Status Array(std::uint64_t count, int depth, CborValue& value) {
    RETURN_IF_ERROR(CheckCount(count, 1));
    value.kind_ = CborValue::Kind::kArray;
    for (std::uint64_t i = 0; i < count; ++i) {
      ASSIGN_OR_RETURN(CborValue item, Item(depth + 1));
      value.items_.push_back(std::move(item));
    }
    return Ok();
  }

  Status Map(std::uint64_t count, int depth, CborValue& value) {
    RETURN_IF_ERROR(CheckCount(count, 2));
    value.kind_ = CborValue::Kind::kMap;
    // There is one encoding of each key that is accepted, so equal keys have equal bytes.
    std::set<std::string_view> keys;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::size_t start = reader_.offset();
      ASSIGN_OR_RETURN(CborValue key, Item(depth + 1));
      if (key.kind_ != CborValue::Kind::kInt && key.kind_ != CborValue::Kind::kText &&
          key.kind_ != CborValue::Kind::kBytes) {
        return reader_.Fail("a map key that is neither an integer nor a string");
      }
      // Section 5.6: "A map that has duplicate keys may be well-formed, but it is not valid".
      if (!keys.insert(AsText(bytes_.subspan(start, reader_.offset() - start))).second) {
        return reader_.Fail("a duplicate map key");
      }
      ASSIGN_OR_RETURN(CborValue member, Item(depth + 1));
      value.members_.emplace_back(std::move(key), std::move(member));
    }
    return Ok();
  }

  Status Simple(std::uint64_t number, CborValue& value) {
    if (number == kFalse || number == kTrue) {
      value.kind_ = CborValue::Kind::kBool;
      value.int_ = number == kTrue ? 1 : 0;
    } else if (number == kNullValue) {
      value.kind_ = CborValue::Kind::kNull;
    } else if (number == kUndefinedValue) {
      value.kind_ = CborValue::Kind::kUndefined;
    } else {
      return reader_.Fail("a simple value that is not accepted");
    }
    return Ok();
  }

  BytesView bytes_;
  ByteReader reader_;
  std::size_t items_ = 0;
};

std::optional<std::int64_t> CborValue::AsInt() const {
  if (kind_ != Kind::kInt) return std::nullopt;
  return int_;
}

std::optional<BytesView> CborValue::AsBytes() const {
  if (kind_ != Kind::kBytes) return std::nullopt;
  return BytesView(bytes_);
}

std::optional<std::string_view> CborValue::AsText() const {
  if (kind_ != Kind::kText) return std::nullopt;
  return std::string_view(text_);
}

std::optional<bool> CborValue::AsBool() const {
  if (kind_ != Kind::kBool) return std::nullopt;
  return int_ != 0;
}

const CborValue* CborValue::Find(std::int64_t label) const {
  const auto found = std::ranges::find_if(members_, [&](const auto& member) { return member.first.AsInt() == label; });
  return found == members_.end() ? nullptr : &found->second;
}

const CborValue* CborValue::Find(std::string_view label) const {
  const auto found = std::ranges::find_if(members_, [&](const auto& member) { return member.first.AsText() == label; });
  return found == members_.end() ? nullptr : &found->second;
}

Result<CborValue> ParseCbor(BytesView bytes, Reason reason) {
  return CborReader(bytes, reason).Document();
}

void CborWriter::Head(std::uint8_t major, std::uint64_t value) {
  int bytes = 0;
  std::uint8_t info = kLargestDirect;
  if (value <= kLargestDirect) {
    info = static_cast<std::uint8_t>(value);
  } else if (value <= 0xff) {
    info = kOneByte;
    bytes = 1;
  } else if (value <= 0xffff) {
    info = kTwoBytes;
    bytes = 2;
  } else if (value <= 0xffffffff) {
    info = kFourBytes;
    bytes = 4;
  } else {
    info = kEightBytes;
    bytes = 8;
  }
  out_.push_back(static_cast<std::uint8_t>(major << 5 | info));
  for (int i = bytes - 1; i >= 0; --i) out_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

CborWriter& CborWriter::Int(std::int64_t value) {
  // Section 3.1: major type 1 holds -1 minus the argument; -1 - value cannot overflow.
  if (value >= 0) {
    Head(kUnsigned, static_cast<std::uint64_t>(value));
  } else {
    Head(kNegative, static_cast<std::uint64_t>(-1 - value));
  }
  return *this;
}

CborWriter& CborWriter::ByteString(BytesView value) {
  Head(kByteString, value.size());
  Append(out_, value);
  return *this;
}

CborWriter& CborWriter::Text(std::string_view value) {
  Head(kTextString, value.size());
  Append(out_, gatehouse::AsBytes(value));
  return *this;
}

CborWriter& CborWriter::Array(std::size_t items) {
  Head(kArrayOf, items);
  return *this;
}

CborWriter& CborWriter::Map(std::size_t members) {
  Head(kMapOf, members);
  return *this;
}

CborWriter& CborWriter::Tag(std::uint64_t number) {
  Head(kTagged, number);
  return *this;
}

CborWriter& CborWriter::Bool(bool value) {
  Head(kSimple, value ? kTrue : kFalse);
  return *this;
}

CborWriter& CborWriter::Null() {
  Head(kSimple, kNullValue);
  return *this;
}

}  // namespace gatehouse::codec
