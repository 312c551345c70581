// The message of POST /v1/evidence: the quote and the logs in a RATS Conceptual Message Wrapper.
#include <charconv>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/session/fields.h"
#include "common/session/messages.h"

namespace gatehouse::session {

using codec::JsonView;
using codec::JsonWriter;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

namespace {

constexpr std::size_t kNonceBytes = 64;
constexpr std::string_view kCollectionTypeKey = "__cmwc_t";

std::string EncodeQuote(const TpmQuote& quote) {
  JsonWriter json;
  json.BeginObject().Member("attest", EncodeBase64(quote.attest)).Member("signature", EncodeBase64(quote.signature));
  json.Key("pcrs").BeginObject();
  for (const auto& [bank, values] : quote.pcrs) {
    json.Key(Name(bank)).BeginObject();
    for (const auto& [pcr, value] : values) json.Member(std::to_string(pcr), EncodeHex(value));
    json.EndObject();
  }
  json.EndObject().EndObject();
  return std::move(json).Finish();
}

// "0" to "23": canonical decimal, so that no PCR has two spellings.
std::optional<unsigned> ParseIndex(std::string_view text) {
  unsigned pcr = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), pcr);
  if (error != std::errc() || stop != text.data() + text.size() || pcr >= limits::kPcrCount) return std::nullopt;
  if (std::to_string(pcr) != text) return std::nullopt;
  return pcr;
}

// "" if `view` holds the values of `bank`; else what is wrong.
std::string ReadBank(JsonView view, HashAlgorithm bank, std::map<unsigned, Bytes>& values) {
  if (!view.IsObject() || view.size() == 0) return "must be an object from PCR to value with at least one PCR";
  for (std::size_t i = 0; i < view.size(); ++i) {
    JsonView::Member member = view.member(i);
    auto pcr = ParseIndex(member.key);
    if (!pcr) return "has a PCR that is not 0 to " + std::to_string(limits::kPcrCount - 1);
    auto text = member.value.AsString();
    if (!text) return "has a value that is not hex";
    auto value = DecodeHex(*text);
    if (!value.ok()) return "has a value that is not hex: " + value.error().detail;
    if (value->size() != DigestSize(bank)) return "has a value of " + std::to_string(value->size()) + " bytes";
    values.emplace(*pcr, std::move(*value));
  }
  return "";
}

evidence::tpm::PcrValues ReadPcrs(ObjectReader& reader) {
  evidence::tpm::PcrValues pcrs;
  auto view = reader.Raw("pcrs");
  if (!view || !view->IsObject() || view->size() == 0) {
    reader.Fail("pcrs", "must be an object from bank to values with at least one bank");
    return pcrs;
  }
  for (std::size_t i = 0; i < view->size(); ++i) {
    JsonView::Member member = view->member(i);
    auto bank = ParseHashAlgorithm(member.key);
    if (!bank.ok()) {
      reader.Fail("pcrs", bank.error().detail);
      return pcrs;
    }
    if (std::string wrong = ReadBank(member.value, *bank, pcrs[*bank]); !wrong.empty()) {
      reader.Fail("pcrs", std::string(Name(*bank)) + " " + wrong);
      return pcrs;
    }
  }
  return pcrs;
}

Result<TpmQuote> DecodeQuote(std::string_view json) {
  return DecodeObject<TpmQuote>(json, limits::kAttestationBytes, [](ObjectReader& reader, TpmQuote& quote) {
    quote.attest = ReadBytes(reader, "attest", limits::kTpmStructureBytes);
    quote.signature = ReadBytes(reader, "signature", limits::kTpmStructureBytes);
    quote.pcrs = ReadPcrs(reader);
  });
}

// Labels, types and base64url need no escape.
void AppendWrapped(std::string& json, std::string_view label, std::string_view type, BytesView value) {
  json.append(",\"").append(label).append("\":[\"").append(type).append("\",\"");
  AppendBase64Url(json, value);
  json += "\"]";
}

// A CMW record ["type", "base64url"] of just that type, its value not empty and at most `max` bytes.
std::optional<Bytes> ReadWrapped(ObjectReader& reader, std::string_view label, std::string_view type, std::size_t max) {
  auto view = reader.Raw(label);
  if (!view) return std::nullopt;
  if (!view->IsArray() || view->size() != 2) {
    reader.Fail(label, "must be an array of a media type and a value");
    return std::nullopt;
  }
  if (view->at(0).AsString() != type) {
    reader.Fail(label, "must have the media type " + std::string(type));
    return std::nullopt;
  }
  auto text = view->at(1).AsString();
  if (!text || text->empty()) {
    reader.Fail(label, "must have a value, base64url and not empty");
    return std::nullopt;
  }
  // Before the bytes are allocated: base64url has four characters for three bytes.
  if (text->size() / 4 > max / 3 + 1) {
    reader.Fail(
        Error{Reason::kLimitExceeded, "", std::string(label) + " has more than " + std::to_string(max) + " bytes"});
    return std::nullopt;
  }
  auto bytes = DecodeBase64Url(*text);
  if (!bytes.ok()) {
    reader.Fail(label, bytes.error().detail);
    return std::nullopt;
  }
  if (bytes->size() > max) {
    reader.Fail(
        Error{Reason::kLimitExceeded, "", std::string(label) + " has more than " + std::to_string(max) + " bytes"});
    return std::nullopt;
  }
  return std::move(*bytes);
}

void ReadCollection(ObjectReader& reader, EvidenceRequest& m) {
  if (reader.String(kCollectionTypeKey) != kCmwCollectionType) {
    reader.Fail(kCollectionTypeKey, "must be " + std::string(kCmwCollectionType));
  }
  auto quote = ReadWrapped(reader, "tpm", kQuoteMediaType, limits::kAttestationBytes);
  if (!quote) reader.Fail("tpm", "is required");
  m.event_log = ReadWrapped(reader, "eventLog", kEventLogMediaType, limits::kEventLogBytes);
  m.ima_log = ReadWrapped(reader, "imaLog", kImaLogMediaType, limits::kImaLogBytes);
  if (auto line = ReadWrapped(reader, "commandLine", kCommandLineMediaType, limits::kCommandLineBytes)) {
    m.command_line = AsText(*line);
  }
  if (!quote) return;
  auto decoded = DecodeQuote(AsText(*quote));
  if (!decoded.ok()) {
    reader.Fail("tpm", decoded.error().where + ": " + decoded.error().detail);
    return;
  }
  m.quote = std::move(*decoded);
}

}  // namespace

std::string Encode(const EvidenceRequest& m) {
  JsonWriter head;
  head.BeginObject().Member("node", m.node).Member("akName", m.ak_name).Member("nonce", EncodeBase64(m.nonce));
  head.Key("imaFrom").Uint(m.ima_from);
  if (m.ima_encoding != kLittleEndian) head.Member("imaEncoding", m.ima_encoding);
  if (m.ima_complete) head.Key("imaComplete").Bool(true);
  head.Key("evidence").BeginObject().Member(kCollectionTypeKey, kCmwCollectionType).EndObject().EndObject();
  std::string json = std::move(head).Finish();
  json.resize(json.size() - 2);  // both ends
  std::string quote = EncodeQuote(m.quote);
  std::size_t logs = (m.event_log ? m.event_log->size() : 0) + (m.ima_log ? m.ima_log->size() : 0);
  json.reserve(json.size() + Base64Size(quote.size() + logs + m.command_line.size()) + limits::kKiB);
  AppendWrapped(json, "tpm", kQuoteMediaType, AsBytes(quote));
  if (m.event_log) AppendWrapped(json, "eventLog", kEventLogMediaType, *m.event_log);
  if (m.ima_log) AppendWrapped(json, "imaLog", kImaLogMediaType, *m.ima_log);
  if (!m.command_line.empty()) AppendWrapped(json, "commandLine", kCommandLineMediaType, AsBytes(m.command_line));
  json += "}}";
  return json;
}

// Members that say what is usual may be absent: an imaEncoding is then little-endian, and imaComplete false.
Result<EvidenceRequest> DecodeEvidenceRequest(std::string_view json) {
  return DecodeObject<EvidenceRequest>(json, limits::kEvidenceBytes, [](ObjectReader& reader, EvidenceRequest& m) {
    m.node = ReadNode(reader);
    m.ak_name = ReadAkName(reader);
    m.nonce = ReadBytes(reader, "nonce", kNonceBytes);
    m.ima_from = ReadPosition(reader, "imaFrom");
    m.ima_encoding = reader.OptionalEnum("imaEncoding", {kLittleEndian, kBigEndian}).value_or(m.ima_encoding);
    m.ima_complete = reader.OptionalBool("imaComplete").value_or(false);
    reader.Object("evidence", Presence::kRequired, [&m](ObjectReader& collection) { ReadCollection(collection, m); });
    if (m.ima_complete && m.ima_log) reader.Fail("imaComplete", "says that there is no more, beside an imaLog");
  });
}

}  // namespace gatehouse::session
