#include "common/session/messages.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/session/fields.h"

namespace gatehouse::session {

using codec::JsonWriter;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

namespace {

// A credential protects a TPM2B_DIGEST: at most the size of the largest digest (TPM 2.0 Part 1 section 24).
constexpr std::size_t kSecretBytes = 64;
// TPM2B_DATA holds a digest and its algorithm; a nonce leaves the two bytes free.
constexpr std::size_t kNonceBytes = 64;
constexpr std::int64_t kLongestPauseMs = 7LL * 24 * 3600 * 1000;  // a node that is silent for a week is not watched

std::vector<Bytes> ReadCertificates(ObjectReader& reader, std::string_view key) {
  std::vector<Bytes> certificates;
  std::vector<std::string> texts = reader.Strings(key, Presence::kOptional);
  if (!reader.Has(key)) reader.Fail(key, "is required");
  if (texts.size() > limits::kChainCertificates) {
    reader.Fail(key, "has more than " + std::to_string(limits::kChainCertificates) + " certificates");
    return certificates;
  }
  for (const std::string& text : texts) {
    auto bytes = DecodeBase64(text);
    if (!bytes.ok()) {
      reader.Fail(key, bytes.error().detail);
      return certificates;
    }
    if (bytes->size() > limits::kCertificateBytes) {
      reader.Fail(key, "has a certificate of more than " + std::to_string(limits::kCertificateBytes) + " bytes");
      return certificates;
    }
    certificates.push_back(std::move(*bytes));
  }
  return certificates;
}

std::string ReadToken(ObjectReader& reader, std::string_view key, std::size_t max) {
  std::string text = reader.String(key);
  if (text.size() > max) reader.Fail(key, "has more than " + std::to_string(max) + " bytes");
  return text;
}

std::vector<HashAlgorithm> ReadBanks(ObjectReader& reader) {
  std::vector<HashAlgorithm> banks;
  for (const std::string& text : reader.Strings("banks", Presence::kRequired)) {
    auto bank = ParseHashAlgorithm(text);
    if (!bank.ok()) {
      reader.Fail("banks", bank.error().detail);
      return banks;
    }
    if (std::find(banks.begin(), banks.end(), *bank) != banks.end()) {
      reader.Fail("banks", "names " + text + " twice");
      return banks;
    }
    banks.push_back(*bank);
  }
  if (banks.empty()) reader.Fail("banks", "must name at least one bank of PCRs");
  return banks;
}

}  // namespace

std::string Encode(const EnrollRequest& m) {
  JsonWriter json;
  json.BeginObject().Member("node", m.node);
  if (!m.ek_certificate.empty()) json.Member("ekCertificate", EncodeBase64(m.ek_certificate));
  json.Key("ekIntermediates").BeginArray();
  for (const Bytes& certificate : m.ek_intermediates) json.String(EncodeBase64(certificate));
  json.EndArray();
  json.Member("ekPublic", EncodeBase64(m.ek_public)).Member("akPublic", EncodeBase64(m.ak_public));
  if (!m.ak_certificate.empty()) json.Member("akCertificate", EncodeBase64(m.ak_certificate));
  json.EndObject();
  return std::move(json).Finish();
}

Result<EnrollRequest> DecodeEnrollRequest(std::string_view json) {
  return DecodeObject<EnrollRequest>(json, limits::kAttestationBytes, [](ObjectReader& reader, EnrollRequest& m) {
    m.node = ReadNode(reader);
    m.ek_certificate = ReadOptionalBytes(reader, "ekCertificate", limits::kCertificateBytes);
    m.ek_intermediates = ReadCertificates(reader, "ekIntermediates");
    m.ek_public = ReadBytes(reader, "ekPublic", limits::kTpmStructureBytes);
    m.ak_public = ReadBytes(reader, "akPublic", limits::kTpmStructureBytes);
    m.ak_certificate = ReadOptionalBytes(reader, "akCertificate", limits::kCertificateBytes);
  });
}

std::string Encode(const EnrollResponse& m) {
  JsonWriter json;
  json.BeginObject().Member("idObject", EncodeBase64(m.id_object));
  json.Member("encryptedSecret", EncodeBase64(m.encrypted_secret)).Member("ticket", m.ticket).EndObject();
  return std::move(json).Finish();
}

Result<EnrollResponse> DecodeEnrollResponse(std::string_view json) {
  return DecodeObject<EnrollResponse>(json, limits::kAttestationBytes, [](ObjectReader& reader, EnrollResponse& m) {
    m.id_object = ReadBytes(reader, "idObject", limits::kTpmStructureBytes);
    m.encrypted_secret = ReadBytes(reader, "encryptedSecret", limits::kTpmStructureBytes);
    m.ticket = ReadToken(reader, "ticket", limits::kTicketBytes);
  });
}

std::string Encode(const ActivateRequest& m) {
  JsonWriter json;
  json.BeginObject().Member("node", m.node).Member("ticket", m.ticket);
  json.Member("secret", EncodeBase64(m.secret)).EndObject();
  return std::move(json).Finish();
}

Result<ActivateRequest> DecodeActivateRequest(std::string_view json) {
  return DecodeObject<ActivateRequest>(json, limits::kAttestationBytes, [](ObjectReader& reader, ActivateRequest& m) {
    m.node = ReadNode(reader);
    m.ticket = ReadToken(reader, "ticket", limits::kTicketBytes);
    m.secret = ReadBytes(reader, "secret", kSecretBytes);
  });
}

std::string Encode(const ActivateResponse& m) {
  JsonWriter json;
  json.BeginObject().Member("akName", m.ak_name).EndObject();
  return std::move(json).Finish();
}

Result<ActivateResponse> DecodeActivateResponse(std::string_view json) {
  return DecodeObject<ActivateResponse>(json, limits::kAttestationBytes, [](ObjectReader& reader, ActivateResponse& m) {
    m.ak_name = ReadAkName(reader);
  });
}

std::string Encode(const ChallengeRequest& m) {
  JsonWriter json;
  json.BeginObject().Member("node", m.node).Member("akName", m.ak_name).Key("banks").BeginArray();
  for (HashAlgorithm bank : m.banks) json.String(Name(bank));
  json.EndArray().EndObject();
  return std::move(json).Finish();
}

Result<ChallengeRequest> DecodeChallengeRequest(std::string_view json) {
  return DecodeObject<ChallengeRequest>(json, limits::kAttestationBytes, [](ObjectReader& reader, ChallengeRequest& m) {
    m.node = ReadNode(reader);
    m.ak_name = ReadAkName(reader);
    m.banks = ReadBanks(reader);
  });
}

std::string Encode(const ChallengeResponse& m) {
  JsonWriter json;
  json.BeginObject().Member("nonce", EncodeBase64(m.nonce)).Key("selection");
  WriteSelections(json, m.selection);
  json.Key("imaFrom").Uint(m.ima_from);
  if (!m.want_event_log) json.Key("wantEventLog").Bool(false);
  if (!m.want_ima_log) json.Key("wantImaLog").Bool(false);
  json.EndObject();
  return std::move(json).Finish();
}

Result<ChallengeResponse> DecodeChallengeResponse(std::string_view json) {
  return DecodeObject<ChallengeResponse>(json, limits::kAttestationBytes,
                                         [](ObjectReader& reader, ChallengeResponse& m) {
                                           m.nonce = ReadBytes(reader, "nonce", kNonceBytes);
                                           m.selection = ReadSelections(reader, "selection");
                                           m.ima_from = ReadPosition(reader, "imaFrom");
                                           // Servers of before ask for both.
                                           m.want_event_log = reader.OptionalBool("wantEventLog").value_or(true);
                                           m.want_ima_log = reader.OptionalBool("wantImaLog").value_or(true);
                                         });
}

std::string Encode(const LogRequest& m) {
  JsonWriter head;
  head.BeginObject().Member("node", m.node).Member("akName", m.ak_name).Key("from").Uint(m.from);
  head.Member("encoding", m.encoding).EndObject();
  std::string json = std::move(head).Finish();
  json.pop_back();
  json.reserve(json.size() + Base64Size(m.entries.size()) + 16);
  json += ",\"entries\":\"";
  AppendBase64(json, m.entries);
  json += "\"}";
  return json;
}

Result<LogRequest> DecodeLogRequest(std::string_view json) {
  return DecodeObject<LogRequest>(json, kLogRequestBytes, [](ObjectReader& reader, LogRequest& m) {
    m.node = ReadNode(reader);
    m.ak_name = ReadAkName(reader);
    m.from = ReadPosition(reader, "from");
    auto encoding = reader.OptionalEnum("encoding", {kLittleEndian, kBigEndian});
    if (!encoding) reader.Fail("encoding", "is required");
    m.encoding = encoding.value_or("");
    m.entries = ReadBytes(reader, "entries", kLogEntriesBytes);
  });
}

std::string Encode(const LogResponse& m) {
  JsonWriter json;
  json.BeginObject().Key("next").Uint(m.next).EndObject();
  return std::move(json).Finish();
}

Result<LogResponse> DecodeLogResponse(std::string_view json) {
  return DecodeObject<LogResponse>(json, limits::kAttestationBytes,
                                   [](ObjectReader& reader, LogResponse& m) { m.next = ReadPosition(reader, "next"); });
}

std::string Encode(const EvidenceResponse& m) {
  JsonWriter json;
  json.BeginObject().Member("ear", m.ear).Member("status", m.status).Key("findings").BeginArray();
  for (const std::string& finding : m.findings) json.String(finding);
  json.EndArray().Key("nextMs").Int(m.next_ms).EndObject();
  return std::move(json).Finish();
}

Result<EvidenceResponse> DecodeEvidenceResponse(std::string_view json) {
  return DecodeObject<EvidenceResponse>(json, limits::kAttestationBytes, [](ObjectReader& reader, EvidenceResponse& m) {
    m.ear = ReadToken(reader, "ear", limits::kTokenBytes);
    m.status = reader.String("status");
    m.findings = reader.Strings("findings", Presence::kOptional);
    if (!reader.Has("findings")) reader.Fail("findings", "is required");
    m.next_ms = reader.Int("nextMs", 0, kLongestPauseMs);
  });
}

std::string Encode(const ErrorResponse& m) {
  JsonWriter json;
  json.BeginObject().Member("reason", m.reason).Member("detail", m.detail).EndObject();
  return std::move(json).Finish();
}

Result<ErrorResponse> DecodeErrorResponse(std::string_view json) {
  return DecodeObject<ErrorResponse>(json, limits::kAttestationBytes, [](ObjectReader& reader, ErrorResponse& m) {
    m.reason = reader.String("reason");
    m.detail = reader.Text("detail");
  });
}

}  // namespace gatehouse::session
