#include "common/session/messages.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::session {
namespace {

std::string AkName() {
  return "000b" + std::string(64, 'a');
}

EnrollRequest ValidEnrollRequest() {
  return {"node1", {1, 2, 3}, {{4, 5}, {6}}, {7, 8}, {9}};
}

ChallengeResponse ValidChallenge() {
  return {Bytes(48, 0x5A), {{HashAlgorithm::kSha256, 0x83}, {HashAlgorithm::kSha1, 1U << 23}}, 17};
}

EvidenceRequest ValidEvidence() {
  EvidenceRequest m;
  m.node = "node1.example.com";
  m.ak_name = AkName();
  m.nonce = Bytes(48, 1);
  m.quote.attest = {0xFF, 'T', 'C', 'G'};
  m.quote.signature = {0, 0x18};
  m.quote.pcrs[HashAlgorithm::kSha256][0] = Bytes(32, 2);
  m.quote.pcrs[HashAlgorithm::kSha256][23] = Bytes(32, 3);
  m.quote.pcrs[HashAlgorithm::kSha1][7] = Bytes(20, 4);
  m.event_log = Bytes{1, 2, 3, 4};
  m.ima_log = Bytes{5, 6, 7};
  m.ima_from = 3;
  m.ima_encoding = kBigEndian;
  m.command_line = "BOOT_IMAGE=/vmlinuz root=/dev/sda1 \xC3\xA9";
  return m;
}

LogRequest ValidLogRequest() {
  return {"node1", AkName(), 500, std::string(kBigEndian), {1, 2, 3, 4}};
}

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from << " in " << text;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// --- every message survives the round trip

TEST(Messages, EnrollmentRoundTrips) {
  EXPECT_EQ(*DecodeEnrollRequest(Encode(ValidEnrollRequest())), ValidEnrollRequest());
  EnrollRequest without_chain = ValidEnrollRequest();
  without_chain.ek_intermediates.clear();
  EXPECT_EQ(*DecodeEnrollRequest(Encode(without_chain)), without_chain);
  EnrollRequest cloud = ValidEnrollRequest();
  cloud.ak_certificate = {0x30, 0};
  EXPECT_EQ(*DecodeEnrollRequest(Encode(cloud)), cloud);
  cloud.ek_certificate.clear();
  EXPECT_EQ(*DecodeEnrollRequest(Encode(cloud)), cloud);
  cloud.ak_certificate.clear();  // it is for policy to say whether an inventory of public keys is enough
  EXPECT_EQ(*DecodeEnrollRequest(Encode(cloud)), cloud);
  EnrollResponse response{{1}, {2, 3}, "ticket"};
  EXPECT_EQ(*DecodeEnrollResponse(Encode(response)), response);
  ActivateRequest activate{"node1", "ticket", Bytes(32, 9)};
  EXPECT_EQ(*DecodeActivateRequest(Encode(activate)), activate);
  EXPECT_EQ(*DecodeActivateResponse(Encode(ActivateResponse{AkName()})), ActivateResponse{AkName()});
}

TEST(Messages, ChallengeRoundTrips) {
  ChallengeRequest request{"node1", AkName(), {HashAlgorithm::kSha256, HashAlgorithm::kSha1}};
  EXPECT_EQ(*DecodeChallengeRequest(Encode(request)), request);
  EXPECT_EQ(*DecodeChallengeResponse(Encode(ValidChallenge())), ValidChallenge());
}

TEST(Messages, EvidenceRoundTrips) {
  EXPECT_EQ(*DecodeEvidenceRequest(Encode(ValidEvidence())), ValidEvidence());
  EvidenceRequest quote_only = ValidEvidence();
  quote_only.event_log.reset();
  quote_only.ima_log.reset();
  EXPECT_EQ(*DecodeEvidenceRequest(Encode(quote_only)), quote_only);
  quote_only.ima_complete = true;
  quote_only.ima_encoding = kLittleEndian;
  quote_only.command_line.clear();
  EXPECT_EQ(*DecodeEvidenceRequest(Encode(quote_only)), quote_only);
  EvidenceResponse response{"a.b.c", "contraindicated", {"pcr-mismatch: sha256 PCR 7"}, 60000};
  EXPECT_EQ(*DecodeEvidenceResponse(Encode(response)), response);
  ErrorResponse error{"ak-unbound", ""};
  EXPECT_EQ(*DecodeErrorResponse(Encode(error)), error);
}

TEST(Messages, LogPiecesRoundTrip) {
  EXPECT_EQ(*DecodeLogRequest(Encode(ValidLogRequest())), ValidLogRequest());
  // Sizes around those at which base64 is written in slices, with and without padding.
  for (std::size_t size : {1U, 2U, 3U, 3071U, 3072U, 3073U, 6144U, 10000U}) {
    LogRequest m = ValidLogRequest();
    m.encoding = kLittleEndian;
    m.entries.resize(size);
    for (std::size_t i = 0; i < size; ++i) m.entries[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
    EXPECT_EQ(*DecodeLogRequest(Encode(m)), m) << size;
    EXPECT_NE(Encode(m).find("\"entries\":\"" + EncodeBase64(m.entries) + "\""), std::string::npos) << size;
    EvidenceRequest evidence = ValidEvidence();
    evidence.ima_log = m.entries;
    EXPECT_EQ(*DecodeEvidenceRequest(Encode(evidence)), evidence) << size;
  }
  EXPECT_EQ(*DecodeLogResponse(Encode(LogResponse{1'000'000})), LogResponse{1'000'000});
}

// --- the JSON forms are a contract

TEST(Messages, LogPieceIsAnObject) {
  EXPECT_EQ(Encode(ValidLogRequest()), "{\"node\":\"node1\",\"akName\":\"" + AkName() +
                                           "\",\"from\":500,\"encoding\":\"big-endian\",\"entries\":\"AQIDBA==\"}");
  EXPECT_EQ(Encode(LogResponse{7}), "{\"next\":7}");
}

// What an agent that knows no more of IMA than its log says is understood: it means what is usual.
TEST(Messages, EvidenceWithoutEncodingIsLittleEndianAndNotComplete) {
  EvidenceRequest usual = ValidEvidence();
  usual.ima_encoding = kLittleEndian;
  std::string json = Encode(usual);
  EXPECT_EQ(json.find("imaEncoding"), std::string::npos);
  EXPECT_EQ(json.find("imaComplete"), std::string::npos);
  EXPECT_EQ(*DecodeEvidenceRequest(json), usual);
}

TEST(Messages, SelectionIsAnObjectOfLists) {
  EXPECT_EQ(Encode(ValidChallenge()), "{\"nonce\":\"" + EncodeBase64(Bytes(48, 0x5A)) +
                                          "\",\"selection\":{\"sha256\":[0,1,7],\"sha1\":[23]},\"imaFrom\":17}");
}

TEST(Messages, ChallengeSaysWhichLogsAreNotWanted) {
  for (const bool event_log : {false, true}) {
    for (const bool ima_log : {false, true}) {
      ChallengeResponse challenge = ValidChallenge();
      challenge.want_event_log = event_log;
      challenge.want_ima_log = ima_log;
      const std::string json = Encode(challenge);
      EXPECT_EQ(json.find("wantEventLog") == std::string::npos, event_log);
      EXPECT_EQ(json.find("wantImaLog") == std::string::npos, ima_log);
      auto decoded = DecodeChallengeResponse(json);
      ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
      EXPECT_EQ(*decoded, challenge);
    }
  }
}

TEST(Messages, EvidenceIsACmwCollection) {
  std::string json = Encode(ValidEvidence());
  EXPECT_NE(json.find("\"evidence\":{\"__cmwc_t\":\"tag:gatehouse.dev,2026:evidence\","
                      "\"tpm\":[\"application/vnd.gatehouse.tpm-quote.v1+json\",\""),
            std::string::npos);
  EXPECT_NE(json.find("\"eventLog\":[\"application/vnd.gatehouse.tcg-event-log\",\"AQIDBA\"]"), std::string::npos);
  EXPECT_NE(json.find("\"imaLog\":[\"application/vnd.gatehouse.ima-log\",\"BQYH\"]"), std::string::npos);
  EXPECT_NE(json.find("\"commandLine\":[\"text/plain\",\"" + EncodeBase64Url(AsBytes(ValidEvidence().command_line)) +
                      "\"]}}"),
            std::string::npos);
  EXPECT_NE(json.find("\"imaFrom\":3,\"imaEncoding\":\"big-endian\",\"evidence\""), std::string::npos);
}

// --- refusals: a valid message with one thing broken

struct Broken {
  const char* name;
  std::string json;
  Reason reason = Reason::kMessageMalformed;
};

template <typename Decode>
void ExpectRefused(const Decode& decode, const std::vector<Broken>& table) {
  for (const Broken& broken : table) {
    auto result = decode(broken.json);
    ASSERT_FALSE(result.ok()) << broken.name;
    EXPECT_EQ(result.error().reason, broken.reason) << broken.name << ": " << result.error().ToString();
  }
}

TEST(Messages, EnrollRequestRefusals) {
  std::string valid = Encode(ValidEnrollRequest());
  EnrollRequest long_chain = ValidEnrollRequest();
  long_chain.ek_intermediates.assign(limits::kChainCertificates + 1, Bytes{1});
  EnrollRequest big_area = ValidEnrollRequest();
  big_area.ak_public = Bytes(limits::kTpmStructureBytes + 1);
  EnrollRequest big_certificate = ValidEnrollRequest();
  big_certificate.ek_certificate = Bytes(limits::kCertificateBytes + 1);
  EnrollRequest big_ak_certificate = ValidEnrollRequest();
  big_ak_certificate.ak_certificate = Bytes(limits::kCertificateBytes + 1);
  EnrollRequest huge = ValidEnrollRequest();
  huge.ek_certificate = Bytes(limits::kAttestationBytes);
  ExpectRefused([](std::string_view json) { return DecodeEnrollRequest(json); },
                {
                    {"empty text", ""},
                    {"not an object", "[]"},
                    {"no node", Replaced(valid, "\"node\":\"node1\",", "")},
                    {"empty node", Replaced(valid, "node1", "")},
                    {"node with a slash", Replaced(valid, "node1", "a/b")},
                    {"node in capitals", Replaced(valid, "node1", "Node1")},
                    {"node twice", Replaced(valid, "\"node\"", "\"node\":\"node2\",\"node\"")},
                    {"unknown member", Replaced(valid, "\"node\"", "\"tenant\":\"x\",\"node\"")},
                    {"case-variant member", Replaced(valid, "\"node\"", "\"Node\"")},
                    {"null EK certificate", Replaced(valid, "\"AQID\"", "null")},
                    {"empty AK certificate", Replaced(valid, "\"node\"", "\"akCertificate\":\"\",\"node\"")},
                    {"AK certificate as a list", Replaced(valid, "\"node\"", "\"akCertificate\":[\"AQID\"],\"node\"")},
                    {"AK certificate too long", Encode(big_ak_certificate)},
                    {"no EK", Replaced(valid, "\"ekPublic\":\"Bwg=\",", "")},
                    {"no AK", Replaced(valid, ",\"akPublic\":\"CQ==\"", "")},
                    {"empty EK certificate", Replaced(valid, "AQID", "")},
                    {"EK certificate in base64url without padding", Replaced(valid, "AQID", "AQI")},
                    {"non-canonical base64", Replaced(valid, "\"CQ==\"", "\"CR==\"")},
                    {"intermediates absent", Replaced(valid, "\"ekIntermediates\":[\"BAU=\",\"Bg==\"],", "")},
                    {"intermediates null", Replaced(valid, "[\"BAU=\",\"Bg==\"]", "null")},
                    {"an empty intermediate", Replaced(valid, "\"BAU=\"", "\"\"")},
                    {"too many intermediates", Encode(long_chain)},
                    {"AK area too long", Encode(big_area)},
                    {"EK certificate too long", Encode(big_certificate)},
                    {"message too long", Encode(huge), Reason::kLimitExceeded},
                    {"trailing data", valid + "{}"},
                    {"byte order mark", "\xEF\xBB\xBF" + valid},
                });
}

TEST(Messages, ActivationRefusals) {
  std::string response = Encode(EnrollResponse{{1}, {2, 3}, "ticket"});
  ExpectRefused([](std::string_view json) { return DecodeEnrollResponse(json); },
                {
                    {"no credential", Replaced(response, "\"idObject\":\"AQ==\",", "")},
                    {"empty seed", Replaced(response, "AgM=", "")},
                    {"empty ticket", Replaced(response, "ticket\":\"ticket", "ticket\":\"")},
                    {"ticket too long", Encode(EnrollResponse{{1}, {2}, std::string(limits::kTicketBytes + 1, 'x')})},
                });
  std::string request = Encode(ActivateRequest{"node1", "ticket", Bytes(32, 9)});
  ExpectRefused([](std::string_view json) { return DecodeActivateRequest(json); },
                {
                    {"no secret", Encode(ActivateRequest{"node1", "ticket", {}})},
                    {"secret longer than any digest", Encode(ActivateRequest{"node1", "ticket", Bytes(65)})},
                    {"no ticket", Replaced(request, "\"ticket\":\"ticket\",", "")},
                    {"ticket as a number", Replaced(request, "\"ticket\":\"ticket\"", "\"ticket\":1")},
                });
}

TEST(Messages, ChallengeRefusals) {
  std::string valid = Encode(ValidChallenge());
  ExpectRefused([](std::string_view json) { return DecodeChallengeResponse(json); },
                {
                    {"no selection", Replaced(valid, "\"selection\":{\"sha256\":[0,1,7],\"sha1\":[23]},", "")},
                    {"no bank", Replaced(valid, "{\"sha256\":[0,1,7],\"sha1\":[23]}", "{}")},
                    {"selection as a list", Replaced(valid, "{\"sha256\":[0,1,7],\"sha1\":[23]}", "[0,1,7]")},
                    {"bank without PCRs", Replaced(valid, "[0,1,7]", "[]")},
                    {"same bank twice", Replaced(valid, "\"sha1\":[23]", "\"sha256\":[23]")},
                    {"unknown bank", Replaced(valid, "sha1", "sm3")},
                    {"bank in capitals", Replaced(valid, "sha256", "SHA256")},
                    {"PCR 24", Replaced(valid, "[0,1,7]", "[0,1,24]")},
                    {"negative PCR", Replaced(valid, "[0,1,7]", "[-1,1,7]")},
                    {"PCR as text", Replaced(valid, "[0,1,7]", "[\"0\"]")},
                    {"PCR as a fraction", Replaced(valid, "[0,1,7]", "[0.0]")},
                    {"PCR twice", Replaced(valid, "[0,1,7]", "[0,1,1]")},
                    {"PCRs out of order", Replaced(valid, "[0,1,7]", "[1,0,7]")},
                    {"imaFrom negative", Replaced(valid, ":17", ":-1")},
                    {"wantImaLog as text", Replaced(valid, ":17", ":17,\"wantImaLog\":\"no\"")},
                    {"imaFrom too large", Replaced(valid, ":17", ":9223372036854775808")},
                });
}

TEST(Messages, EvidenceResponseRefusals) {
  std::string valid = Encode(EvidenceResponse{"a.b.c", "affirming", {"x"}, 60000});
  ExpectRefused([](std::string_view json) { return DecodeEvidenceResponse(json); },
                {
                    {"no token", Replaced(valid, "a.b.c", "")},
                    {"no status", Replaced(valid, "affirming", "")},
                    {"findings absent", Replaced(valid, "\"findings\":[\"x\"],", "")},
                    {"negative pause", Replaced(valid, "60000", "-1")},
                    {"pause of a year", Replaced(valid, "60000", "31536000000")},
                });
}

// --- the quote inside of the wrapper

std::string WithQuote(std::string_view quote_json) {
  EvidenceRequest m = ValidEvidence();
  std::string valid = Encode(m);
  std::string_view lead = "tpm-quote.v1+json\",\"";
  auto begin = valid.find(lead) + lead.size();
  return valid.replace(begin, valid.find('"', begin) - begin, EncodeBase64Url(AsBytes(quote_json)));
}

std::string QuoteJson() {
  return "{\"attest\":\"AQ==\",\"signature\":\"Ag==\",\"pcrs\":{\"sha1\":{\"0\":\"" + std::string(40, '0') + "\"}}}";
}

TEST(Messages, EvidenceRefusals) {
  std::string valid = Encode(ValidEvidence());
  auto decode = [](std::string_view json) { return DecodeEvidenceRequest(json); };
  ASSERT_TRUE(decode(WithQuote(QuoteJson())).ok());
  EvidenceRequest empty_log = ValidEvidence();
  empty_log.event_log = Bytes();
  ExpectRefused(
      decode,
      {
          {"no wrapper", Replaced(valid, "\"evidence\":", "\"proof\":")},
          {"wrapper of another type", Replaced(valid, "2026:evidence", "2026:results")},
          {"wrapper without a type", Replaced(valid, "\"__cmwc_t\":\"tag:gatehouse.dev,2026:evidence\",", "")},
          {"quote absent", Replaced(valid, "\"tpm\":", "\"tpm2\":")},
          {"quote of another media type", Replaced(valid, "tpm-quote.v1", "tpm-quote.v2")},
          {"quote as a log", Replaced(valid, "vnd.gatehouse.tpm-quote.v1+json", "vnd.gatehouse.ima-log")},
          {"record with a third element", Replaced(valid, "\"BQYH\"]", "\"BQYH\",4]")},
          {"record with one element", Replaced(valid, ",\"BQYH\"]", "]")},
          {"log in standard base64 with padding", Replaced(valid, "AQIDBA", "AQIDBA==")},
          {"empty log", Encode(empty_log)},
          {"null log", Replaced(valid, "[\"application/vnd.gatehouse.ima-log\",\"BQYH\"]", "null")},
          {"AK name in capitals", Replaced(valid, "000b", "000B")},
          {"AK name of SHA-1 size", Replaced(valid, AkName(), "0004" + std::string(40, 'a'))},
          {"AK name one byte short", Replaced(valid, AkName(), AkName().substr(2))},
          {"no nonce", Replaced(valid, "\"nonce\":\"" + EncodeBase64(Bytes(48, 1)) + "\",", "")},
          {"nonce longer than TPM2B_DATA", Replaced(valid, EncodeBase64(Bytes(48, 1)), EncodeBase64(Bytes(65)))},
      });
}

TEST(Messages, LogRequestRefusals) {
  std::string valid = Encode(ValidLogRequest());
  LogRequest huge = ValidLogRequest();
  huge.entries = Bytes(kLogRequestBytes);
  LogRequest empty = ValidLogRequest();
  empty.entries.clear();
  LogRequest long_piece = ValidLogRequest();
  long_piece.entries = Bytes(kLogEntriesBytes);
  EXPECT_TRUE(DecodeLogRequest(Encode(long_piece)).ok());
  long_piece.entries.push_back(0);
  ExpectRefused([](std::string_view json) { return DecodeLogRequest(json); },
                {
                    {"no node", Replaced(valid, "\"node\":\"node1\",", "")},
                    {"no AK name", Replaced(valid, "\"akName\":\"" + AkName() + "\",", "")},
                    {"no position", Replaced(valid, "\"from\":500,", "")},
                    {"negative position", Replaced(valid, ":500", ":-1")},
                    {"position too large", Replaced(valid, ":500", ":9223372036854775808")},
                    {"position as text", Replaced(valid, ":500", ":\"500\"")},
                    {"no encoding", Replaced(valid, "\"encoding\":\"big-endian\",", "")},
                    {"encoding that is not sent", Replaced(valid, "big-endian", "ascii")},
                    {"encoding in capitals", Replaced(valid, "big-endian", "Big-Endian")},
                    {"no entries", Replaced(valid, ",\"entries\":\"AQIDBA==\"", "")},
                    {"empty entries", Encode(empty)},
                    {"entries in base64url without padding", Replaced(valid, "AQIDBA==", "AQIDBA")},
                    {"unknown member", Replaced(valid, "\"from\"", "\"complete\":true,\"from\"")},
                    {"piece too long", Encode(long_piece)},
                    {"message too long", Encode(huge), Reason::kLimitExceeded},
                    {"trailing data", valid + " 1"},
                });
  ExpectRefused([](std::string_view json) { return DecodeLogResponse(json); },
                {
                    {"no position", "{}"},
                    {"negative position", "{\"next\":-1}"},
                    {"position null", "{\"next\":null}"},
                    {"unknown member", "{\"next\":1,\"from\":0}"},
                });
}

TEST(Messages, ImaMembersRefusals) {
  EvidenceRequest complete = ValidEvidence();
  complete.ima_log.reset();
  complete.ima_complete = true;
  std::string valid = Encode(complete);
  ASSERT_TRUE(DecodeEvidenceRequest(valid).ok());
  EvidenceRequest both = ValidEvidence();
  both.ima_complete = true;
  EvidenceRequest long_line = ValidEvidence();
  long_line.command_line = std::string(limits::kCommandLineBytes, 'x');
  EXPECT_TRUE(DecodeEvidenceRequest(Encode(long_line)).ok());
  long_line.command_line += 'x';
  std::string line = "[\"text/plain\",\"" + EncodeBase64Url(AsBytes(complete.command_line)) + "\"]";
  ExpectRefused([](std::string_view json) { return DecodeEvidenceRequest(json); },
                {
                    {"no more, and more", Encode(both)},
                    {"complete as text", Replaced(valid, "true", "\"true\"")},
                    {"complete null", Replaced(valid, "true", "null")},
                    {"unknown encoding", Replaced(valid, "big-endian", "middle-endian")},
                    {"encoding ASCII", Replaced(valid, "big-endian", "ascii")},
                    {"empty encoding", Replaced(valid, "big-endian", "")},
                    {"command line as a string", Replaced(valid, line, "\"ro\"")},
                    {"empty command line", Replaced(valid, line, "[\"text/plain\",\"\"]")},
                    {"command line of another type", Replaced(valid, "text/plain", "text/html")},
                    {"command line too long", Encode(long_line), Reason::kLimitExceeded},
                });
}

TEST(Messages, BanksRefusals) {
  std::string valid = Encode(ChallengeRequest{"node1", AkName(), {HashAlgorithm::kSha256, HashAlgorithm::kSha1}});
  ASSERT_TRUE(DecodeChallengeRequest(valid).ok());
  auto with = [&](std::string_view to) { return Replaced(valid, "[\"sha256\",\"sha1\"]", to); };
  ExpectRefused([](std::string_view json) { return DecodeChallengeRequest(json); },
                {
                    {"no banks", Replaced(valid, ",\"banks\":[\"sha256\",\"sha1\"]", "")},
                    {"banks null", with("null")},
                    {"a bank that is no list", with("\"sha256\"")},
                    {"an empty list", with("[]")},
                    {"an unknown bank", with("[\"sha256\",\"sm3\"]")},
                    {"a bank in capitals", with("[\"SHA256\"]")},
                    {"a bank by its number", with("[11]")},
                    {"a bank twice", with("[\"sha256\",\"sha256\"]")},
                });
}

TEST(Messages, QuoteRefusals) {
  std::string value(40, '0');
  auto broken = [&](std::string_view from, std::string_view to) { return WithQuote(Replaced(QuoteJson(), from, to)); };
  ExpectRefused([](std::string_view json) { return DecodeEvidenceRequest(json); },
                {
                    {"no attest", broken("\"attest\":\"AQ==\",", "")},
                    {"empty signature", broken("Ag==", "")},
                    {"unknown member", broken("\"attest\"", "\"x\":1,\"attest\"")},
                    {"no PCRs", broken("{\"sha1\":{\"0\":\"" + value + "\"}}", "{}")},
                    {"bank without PCRs", broken("{\"0\":\"" + value + "\"}", "{}")},
                    {"unknown bank", broken("sha1", "sha3")},
                    {"PCR 24", broken("\"0\"", "\"24\"")},
                    {"PCR with a leading zero", broken("\"0\"", "\"00\"")},
                    {"PCR with a sign", broken("\"0\"", "\"+0\"")},
                    {"PCR with white space", broken("\"0\"", "\" 0\"")},
                    {"PCR in hex", broken("\"0\"", "\"0x0\"")},
                    {"empty PCR", broken("\"0\"", "\"\"")},
                    {"value as a number", broken("\"" + value + "\"", "0")},
                    {"trailing data", WithQuote(QuoteJson() + " {}")},
                });
}

// Q10: a value of another bank's size, in capitals, or with its leading zeros stripped is never that PCR's value.
TEST(Adversarial_Q10, PcrValueOfAnotherShape) {
  std::string value(40, '0');
  auto broken = [&](std::string_view to) { return WithQuote(Replaced(QuoteJson(), value, to)); };
  ExpectRefused([](std::string_view json) { return DecodeEvidenceRequest(json); },
                {
                    {"SHA-256 size in the SHA-1 bank", broken(std::string(64, '0'))},
                    {"capitals", broken("AA" + std::string(38, '0'))},
                    {"a zero byte stripped", broken(std::string(38, '0'))},
                    {"odd", broken(std::string(39, '0'))},
                    {"empty", broken("")},
                });
}

// Q2: a challenge never asks for nothing; an agent that quoted nothing would sign H("").
TEST(Adversarial_Q2, EmptySelectionIsRefused) {
  ChallengeResponse empty = ValidChallenge();
  empty.selection = {{HashAlgorithm::kSha256, 0}};
  EXPECT_EQ(DecodeChallengeResponse(Encode(empty)).error().reason, Reason::kMessageMalformed);
  empty.selection.clear();
  EXPECT_EQ(DecodeChallengeResponse(Encode(empty)).error().reason, Reason::kMessageMalformed);
}

// Q7: names of SHA-384 and SHA-512 have 50 and 66 bytes.
TEST(Adversarial_Q7, LongerNamesAreAccepted) {
  for (std::size_t bytes : {34U, 50U, 66U}) {
    ChallengeRequest request{"node1", std::string(bytes * 2, '1'), {HashAlgorithm::kSha256}};
    EXPECT_TRUE(DecodeChallengeRequest(Encode(request)).ok()) << bytes;
  }
  for (std::size_t bytes : {0U, 1U, 33U, 35U, 67U}) {
    ChallengeRequest request{"node1", std::string(bytes * 2, '1'), {HashAlgorithm::kSha256}};
    EXPECT_EQ(DecodeChallengeRequest(Encode(request)).error().reason, Reason::kMessageMalformed) << bytes;
  }
}

TEST(Messages, OversizedLogsAreRefused) {
  EvidenceRequest m = ValidEvidence();
  m.event_log = Bytes(limits::kEventLogBytes);
  EXPECT_TRUE(DecodeEvidenceRequest(Encode(m)).ok());
  for (std::size_t surplus : {std::size_t{1}, limits::kMiB}) {
    m.event_log = Bytes(limits::kEventLogBytes + surplus);
    EXPECT_EQ(DecodeEvidenceRequest(Encode(m)).error().reason, Reason::kLimitExceeded) << surplus;
  }
}

// The largest logs that an agent may collect fit into a message.
TEST(Messages, LargestLogsFit) {
  EXPECT_LT((limits::kEventLogBytes + limits::kImaLogBytes) / 3 * 4 + limits::kAttestationBytes,
            limits::kEvidenceBytes);
}

// A seed that no decoder accepts would exercise nothing of the fuzz target's invariant.
TEST(Messages, SeedsOfTheFuzzTargetDecode) {
  std::size_t decoded = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(GATEHOUSE_SOURCE_DIR) /
                                                               "tests/fuzz/corpus/session_messages")) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    std::string_view json = std::string_view(text).substr(1);
    bool ok = DecodeEnrollRequest(json).ok() || DecodeEnrollResponse(json).ok() || DecodeActivateRequest(json).ok() ||
              DecodeActivateResponse(json).ok() || DecodeChallengeRequest(json).ok() ||
              DecodeChallengeResponse(json).ok() || DecodeEvidenceRequest(json).ok() ||
              DecodeEvidenceResponse(json).ok() || DecodeErrorResponse(json).ok() || DecodeLogRequest(json).ok() ||
              DecodeLogResponse(json).ok();
    EXPECT_TRUE(ok) << entry.path();
    if (ok) ++decoded;
  }
  EXPECT_GE(decoded, 13U);
}

TEST(Messages, TruncationIsRefusedAtEveryByte) {
  auto check = [](const auto& decode, const std::string& json) {
    for (std::size_t size = 0; size < json.size(); ++size) {
      auto result = decode(std::string_view(json).substr(0, size));
      ASSERT_FALSE(result.ok()) << size;
      ASSERT_EQ(result.error().reason, Reason::kMessageMalformed) << size;
    }
  };
  check([](std::string_view json) { return DecodeEnrollRequest(json); }, Encode(ValidEnrollRequest()));
  check([](std::string_view json) { return DecodeChallengeResponse(json); }, Encode(ValidChallenge()));
  check([](std::string_view json) { return DecodeEvidenceRequest(json); }, Encode(ValidEvidence()));
  check([](std::string_view json) { return DecodeLogRequest(json); }, Encode(ValidLogRequest()));
  check([](std::string_view json) { return DecodeLogResponse(json); }, Encode(LogResponse{12}));
}

}  // namespace
}  // namespace gatehouse::session
