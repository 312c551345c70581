#include "tests/agent/support.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "common/evidence/ima/log.h"

namespace gatehouse::agent {

CapturedLog::CapturedLog() : fd_(::memfd_create("log", MFD_CLOEXEC)) {
  log_ = std::make_unique<telemetry::Logger>(fd_, telemetry::Level::kDebug, clock_);
}

CapturedLog::~CapturedLog() {
  ::close(fd_);
}

std::string CapturedLog::Text() const {
  std::string text;
  std::array<char, 4096> chunk{};
  for (off_t at = 0;; at = static_cast<off_t>(text.size())) {
    ssize_t got = ::pread(fd_, chunk.data(), chunk.size(), at);
    if (got <= 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

std::size_t CapturedLog::Count(std::string_view wanted) const {
  std::string text = Text();
  std::size_t count = 0;
  for (std::size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) ++count;
  return count;
}

TempFolder::TempFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "gh-agent-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) std::abort();
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void WriteText(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

std::optional<std::uint64_t> CountEntries(BytesView bytes, std::string_view encoding) {
  evidence::ima::FrameReader reader(*evidence::ima::ParseEncoding(encoding));
  std::uint64_t count = 0;
  while (!bytes.empty()) {
    auto found = reader.Next(bytes);
    if (!found.ok() || !*found) return std::nullopt;
    bytes = bytes.subspan((*found)->size);
    ++count;
  }
  return count;
}

SoftwareDevice::SoftwareDevice(const fakes::TestCa& manufacturer)
    : ak(tpm.CreateAk()), ek_certificate(tpm.IssueEkCertificate(manufacturer).der) {}

Result<Bytes> SoftwareDevice::AkName() {
  open = true;
  if (broken) return *broken;
  return ak.name();
}

Result<std::vector<HashAlgorithm>> SoftwareDevice::PcrBanks() {
  open = true;
  if (broken) return *broken;
  return banks;
}

Result<TpmIdentity> SoftwareDevice::ReadIdentity() {
  open = true;
  if (broken) return *broken;
  ++identity_reads;
  return TpmIdentity{ek_certificate, {}, tpm.ek().area().bytes, ak.area().bytes, ak_certificate};
}

Result<Bytes> SoftwareDevice::Activate(BytesView id_object, BytesView encrypted_secret) {
  open = true;
  if (broken) return *broken;
  return tpm.ActivateCredential(ak.name(), id_object, encrypted_secret);
}

Result<TpmQuote> SoftwareDevice::Quote(BytesView nonce, const evidence::tpm::PcrSelections& selections) {
  open = true;
  if (broken) return *broken;
  if (before_quote) before_quote();
  auto quote = tpm.Quote(ak, nonce, selections);
  return TpmQuote{std::move(quote.attest), std::move(quote.signature), std::move(quote.pcrs)};
}

FakeService::FakeService(std::vector<crypto::Certificate> roots, std::vector<crypto::Certificate> intermediates,
                         const Clock& clock)
    : roots_(std::move(roots)),
      intermediates_(std::move(intermediates)),
      clock_(clock),
      challenger_(Bytes(32, 7), clock, crypto::SystemRandom()) {}

net::HttpResponse FakeService::Refuse(const Error& error, int status) {
  return {status, {}, Encode(session::ErrorResponse{std::string(Token(error.reason)), error.detail})};
}

net::HttpResponse FakeService::Handle(std::string_view path, std::string_view body) {
  paths.emplace_back(path);
  Result<std::string> answer = Error{Reason::kMessageMalformed, "", "no such path"};
  if (path == session::kEnrollPath) answer = Enroll(body);
  if (path == session::kActivatePath) answer = Activate(body);
  if (path == session::kChallengePath) answer = Challenge(body);
  if (path == session::kLogPath) answer = Log(body);
  if (path == session::kEvidencePath) answer = Evidence(body);
  if (!answer.ok()) return Refuse(answer.error());
  return {200, {}, std::move(*answer)};
}

std::unique_ptr<net::HttpTransport> FakeService::Connect() {
  class Transport final : public net::HttpTransport {
   public:
    explicit Transport(FakeService& service) : service_(service) {}
    Result<net::HttpResponse> Send(const net::HttpRequest& request, const Deadline&) override {
      if (service_.keep_requests) service_.requests.push_back(request);
      if (service_.intercept) {
        if (auto answer = service_.intercept(request)) return std::move(*answer);
      }
      return service_.Handle(request.url.target, request.body);
    }

   private:
    FakeService& service_;
  };
  return std::make_unique<Transport>(*this);
}

std::size_t FakeService::CountOf(std::string_view path) const {
  return static_cast<std::size_t>(std::count(paths.begin(), paths.end(), path));
}

Result<std::string> FakeService::Enroll(std::string_view body) {
  ASSIGN_OR_RETURN(auto request, session::DecodeEnrollRequest(body));
  ASSIGN_OR_RETURN(auto ek, evidence::tpm::ParsePublic(request.ek_public));
  ASSIGN_OR_RETURN(auto ak, evidence::tpm::ParsePublic(request.ak_public));
  RETURN_IF_ERROR(verify::tpm::CheckAttestationKey(ak));
  verify::tpm::PresentedEndorsement presented{ek, ak, std::nullopt, std::nullopt, {}};
  if (!request.ek_certificate.empty()) {
    ASSIGN_OR_RETURN(presented.ek_certificate, crypto::Certificate::FromDer(request.ek_certificate));
  }
  if (!request.ak_certificate.empty()) {
    ASSIGN_OR_RETURN(presented.ak_certificate, crypto::Certificate::FromDer(request.ak_certificate));
  }
  for (const Bytes& der : request.ek_intermediates) {
    ASSIGN_OR_RETURN(auto intermediate, crypto::Certificate::FromDer(der));
    presented.intermediates.push_back(std::move(intermediate));
  }
  verify::tpm::EndorsementRules rules;
  rules.roots = roots_;
  rules.intermediates = intermediates_;
  rules.ak_certificates = ak_certificates;
  rules.now = clock_.Wall();
  ASSIGN_OR_RETURN(auto endorsement, verify::tpm::VerifyEndorsement(presented, rules));
  ASSIGN_OR_RETURN(NodeName node, NodeName::Parse(request.node));
  ASSIGN_OR_RETURN(auto ticket, challenger_.IssueTicket(node, endorsement.fingerprint(), request.ak_public));
  ASSIGN_OR_RETURN(auto credential, verify::tpm::MakeCredential(endorsement, verify::tpm::ComputeName(ak),
                                                                ticket.secret, crypto::SystemRandom()));
  return Encode(session::EnrollResponse{credential.id_object, credential.encrypted_secret, ticket.text});
}

Result<std::string> FakeService::Activate(std::string_view body) {
  ASSIGN_OR_RETURN(auto request, session::DecodeActivateRequest(body));
  ASSIGN_OR_RETURN(NodeName node, NodeName::Parse(request.node));
  ASSIGN_OR_RETURN(auto redeemed, challenger_.RedeemTicket(node, request.ticket, request.secret));
  ASSIGN_OR_RETURN(auto ak, evidence::tpm::ParsePublic(redeemed.context));
  std::string name = EncodeHex(verify::tpm::ComputeName(ak));
  bound_.insert_or_assign(request.node, std::move(ak));
  clocks_.erase(request.node);
  return Encode(session::ActivateResponse{name});
}

Result<const evidence::tpm::PublicArea*> FakeService::Bound(const std::string& node, const std::string& ak_name) const {
  auto ak = bound_.find(node);
  if (ak == bound_.end() || EncodeHex(verify::tpm::ComputeName(ak->second)) != ak_name) {
    return Error{Reason::kAkUnbound, "", "enrol first"};
  }
  return &ak->second;
}

Result<std::string> FakeService::Challenge(std::string_view body) {
  ASSIGN_OR_RETURN(auto request, session::DecodeChallengeRequest(body));
  RETURN_IF_ERROR(Bound(request.node, request.ak_name));
  last_banks = request.banks;
  ASSIGN_OR_RETURN(NodeName node, NodeName::Parse(request.node));
  ASSIGN_OR_RETURN(Bytes name, DecodeHex(request.ak_name));
  return Encode(session::ChallengeResponse{challenger_.IssueNonce(node, name), selection, ima_from, want_event_log,
                                           want_ima_log});
}

Result<std::string> FakeService::Log(std::string_view body) {
  ASSIGN_OR_RETURN(auto request, session::DecodeLogRequest(body));
  RETURN_IF_ERROR(Bound(request.node, request.ak_name));
  if (request.from != ima_from) {
    return Error{Reason::kImaLogGap, "", "wants " + std::to_string(ima_from) + ", not " + std::to_string(request.from)};
  }
  auto count = CountEntries(request.entries, request.encoding);
  if (!count) return Error{Reason::kImaLogMalformed, "", "not whole entries"};
  ima_from += *count;
  piece_sizes.push_back(request.entries.size());
  if (keep_pieces) Append(pieces, request.entries);
  return Encode(session::LogResponse{ima_from});
}

Result<std::string> FakeService::Evidence(std::string_view body) {
  ASSIGN_OR_RETURN(auto request, session::DecodeEvidenceRequest(body));
  ASSIGN_OR_RETURN(const evidence::tpm::PublicArea* ak, Bound(request.node, request.ak_name));
  if (request.ima_from != 0 && request.ima_from != ima_from) {
    return Error{Reason::kImaLogGap, "", "wants " + std::to_string(ima_from)};
  }
  ASSIGN_OR_RETURN(NodeName node, NodeName::Parse(request.node));
  RETURN_IF_ERROR(challenger_.RedeemNonce(node, verify::tpm::ComputeName(*ak), request.nonce));
  std::optional<claims::TpmClock> last;
  if (auto clock = clocks_.find(request.node); clock != clocks_.end()) last = clock->second;
  verify::tpm::QuoteEvidence evidence{request.quote.attest, request.quote.signature, request.quote.pcrs};
  verify::tpm::QuoteExpectation expectation{*ak, request.nonce, selection, last};
  ASSIGN_OR_RETURN(auto claims, verify::tpm::QuoteVerifier::Verify(evidence, expectation));
  clocks_.insert_or_assign(request.node, claims.clock());
  last_claims = std::move(claims);
  last_evidence = std::move(request);
  return Encode(session::EvidenceResponse{"header.payload.signature", status, {}, next_ms});
}

}  // namespace gatehouse::agent
