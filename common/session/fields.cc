#include "common/session/fields.h"

#include <algorithm>
#include <limits>

#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::session {

using codec::JsonView;
using codec::ObjectReader;

Bytes ReadBytes(ObjectReader& reader, std::string_view key, std::size_t max) {
  Bytes bytes = reader.Base64(key);  // refuses an empty one
  if (bytes.size() > max) reader.Fail(key, "has more than " + std::to_string(max) + " bytes");
  return bytes;
}

Bytes ReadOptionalBytes(ObjectReader& reader, std::string_view key, std::size_t max) {
  return reader.Has(key) ? ReadBytes(reader, key, max) : Bytes();
}

std::string ReadNode(ObjectReader& reader) {
  std::string text = reader.String("node");
  if (auto node = NodeName::Parse(text); !node.ok()) reader.Fail("node", node.error().detail);
  return text;
}

std::string ReadAkName(ObjectReader& reader) {
  std::string text = reader.String("akName");
  // TPM 2.0 Part 1 section 16 "Names": nameAlg ‖ digest, with SHA-256, SHA-384 or SHA-512; names with SHA-1 are never
  // accepted.
  auto name = DecodeHex(text);
  if (!name.ok()) {
    reader.Fail("akName", name.error().detail);
  } else if (name->size() != 34 && name->size() != 50 && name->size() != 66) {
    reader.Fail("akName", "has " + std::to_string(name->size()) + " bytes; a TPM name has 34, 50 or 66");
  }
  return text;
}

std::uint64_t ReadPosition(ObjectReader& reader, std::string_view key) {
  return static_cast<std::uint64_t>(reader.Int(key, 0, std::numeric_limits<std::int64_t>::max()));
}

namespace {

// Base64 of slices of a multiple of three bytes is the base64 of the whole.
constexpr std::size_t kSliceBytes = 3 * limits::kKiB;

template <typename Encode>
void AppendSlices(std::string& to, BytesView bytes, const Encode& encode) {
  for (std::size_t begin = 0; begin < bytes.size(); begin += kSliceBytes) {
    to += encode(bytes.subspan(begin, std::min(kSliceBytes, bytes.size() - begin)));
  }
}

}  // namespace

void AppendBase64(std::string& to, BytesView bytes) {
  AppendSlices(to, bytes, [](BytesView slice) { return EncodeBase64(slice); });
}

void AppendBase64Url(std::string& to, BytesView bytes) {
  AppendSlices(to, bytes, [](BytesView slice) { return EncodeBase64Url(slice); });
}

namespace {

// "" if `view` is a list of PCRs as it must be; else what is wrong with it.
std::string ReadBitmap(JsonView view, std::uint32_t& pcrs) {
  if (!view.IsArray() || view.size() == 0) return "must be an array with at least one PCR";
  std::int64_t before = -1;
  for (std::size_t i = 0; i < view.size(); ++i) {
    auto pcr = view.at(i).AsInt();
    if (!pcr || *pcr <= before || *pcr >= static_cast<std::int64_t>(limits::kPcrCount)) {
      return "must hold PCRs from 0 to " + std::to_string(limits::kPcrCount - 1) + ", each once, ascending";
    }
    pcrs |= 1U << *pcr;
    before = *pcr;
  }
  return "";
}

}  // namespace

evidence::tpm::PcrSelections ReadSelections(ObjectReader& reader, std::string_view key) {
  evidence::tpm::PcrSelections selections;
  auto view = reader.Raw(key);
  if (!view || !view->IsObject() || view->size() == 0) {
    reader.Fail(key, "must be an object from bank to PCRs with at least one bank");
    return selections;
  }
  for (std::size_t i = 0; i < view->size(); ++i) {  // the JSON reader refused repeated keys
    JsonView::Member member = view->member(i);
    auto bank = ParseHashAlgorithm(member.key);
    if (!bank.ok()) {
      reader.Fail(key, bank.error().detail);
      return selections;
    }
    std::uint32_t pcrs = 0;
    if (std::string wrong = ReadBitmap(member.value, pcrs); !wrong.empty()) {
      reader.Fail(key, std::string(Name(*bank)) + " " + wrong);
      return selections;
    }
    selections.push_back({*bank, pcrs});
  }
  return selections;
}

void WriteSelections(codec::JsonWriter& writer, const evidence::tpm::PcrSelections& selections) {
  writer.BeginObject();
  for (const auto& selection : selections) {
    writer.Key(Name(selection.bank)).BeginArray();
    for (unsigned pcr = 0; pcr < limits::kPcrCount; ++pcr) {
      if ((selection.pcrs >> pcr & 1U) != 0) writer.Uint(pcr);
    }
    writer.EndArray();
  }
  writer.EndObject();
}

}  // namespace gatehouse::session
