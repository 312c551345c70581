// What the agent's tests share: a log that can be read, a scratch folder, a TPM in memory behind the agent's interface,
// and an attestation service that verifies for real.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/tpm/device.h"
#include "common/base/clock.h"
#include "common/crypto/x509.h"
#include "common/net/http.h"
#include "common/session/messages.h"
#include "common/session/nonce.h"
#include "common/telemetry/log.h"
#include "common/verify/tpm/identity.h"
#include "common/verify/tpm/quote.h"
#include "tests/fakes/pki.h"
#include "tests/fakes/software_tpm.h"

namespace gatehouse::agent {

class CapturedLog {
 public:
  CapturedLog();
  ~CapturedLog();
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;
  [[nodiscard]] telemetry::Logger& log() { return *log_; }
  [[nodiscard]] std::string Text() const;
  // How often `text` was logged.
  [[nodiscard]] std::size_t Count(std::string_view text) const;

 private:
  SystemClock clock_;
  int fd_;
  std::unique_ptr<telemetry::Logger> log_;
};

class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void WriteText(const std::filesystem::path& path, std::string_view text);
// How many whole entries of an IMA log `bytes` are; nothing if they are not.
[[nodiscard]] std::optional<std::uint64_t> CountEntries(BytesView bytes, std::string_view encoding);

// The agent's TPM, in memory.
class SoftwareDevice final : public TpmDevice {
 public:
  explicit SoftwareDevice(const fakes::TestCa& manufacturer);
  [[nodiscard]] Result<Bytes> AkName() override;
  [[nodiscard]] Result<std::vector<HashAlgorithm>> PcrBanks() override;
  [[nodiscard]] Result<TpmIdentity> ReadIdentity() override;
  [[nodiscard]] Result<Bytes> Activate(BytesView id_object, BytesView encrypted_secret) override;
  [[nodiscard]] Result<TpmQuote> Quote(BytesView nonce, const evidence::tpm::PcrSelections& selections) override;
  void Close() override { open = false; }

  // TPM2_Clear, as far as the agent sees it.
  void ReplaceAk() { ak = tpm.CreateAk(); }

  fakes::SoftwareTpm tpm;
  fakes::TpmKey ak;
  Bytes ek_certificate;
  Bytes ak_certificate;
  std::vector<HashAlgorithm> banks = {HashAlgorithm::kSha1, HashAlgorithm::kSha256};
  bool open = false;
  std::optional<Error> broken;  // what every call answers
  std::function<void()> before_quote;
  int identity_reads = 0;
};

// The server's side of the protocol, for one or more nodes. Challenges are real, and so is every verification.
class FakeService {
 public:
  FakeService(std::vector<crypto::Certificate> roots, std::vector<crypto::Certificate> intermediates,
              const Clock& clock);

  [[nodiscard]] net::HttpResponse Handle(std::string_view path, std::string_view body);
  // A transport whose requests come here.
  [[nodiscard]] std::unique_ptr<net::HttpTransport> Connect();

  [[nodiscard]] std::size_t CountOf(std::string_view path) const;
  // As after a restart without a memory.
  void Forget() { bound_.clear(); }
  static net::HttpResponse Refuse(const Error& error, int status = 403);

  evidence::tpm::PcrSelections selection = {{HashAlgorithm::kSha256, 0x3FF}};
  std::string status = "affirming";
  std::int64_t next_ms = 60'000;
  // The next entry of the IMA log that is wanted: pieces must begin there, and move it. Evidence may begin there or at
  // 0, and leaves it where it is.
  std::uint64_t ima_from = 0;
  bool want_event_log = true;
  bool want_ima_log = true;
  bool keep_pieces = true;  // in `pieces`
  Bytes pieces;             // entries that came ahead
  std::vector<std::size_t> piece_sizes;
  bool ak_certificates = false;  // are an identity
  // Looks at each request before the service does, and may answer in its place.
  std::function<std::optional<Result<net::HttpResponse>>(const net::HttpRequest&)> intercept;
  std::vector<std::string> paths;
  bool keep_requests = true;
  std::vector<net::HttpRequest> requests;
  std::vector<HashAlgorithm> last_banks;
  std::optional<session::EvidenceRequest> last_evidence;
  std::optional<claims::VerifiedTpmClaims> last_claims;

 private:
  [[nodiscard]] Result<std::string> Enroll(std::string_view body);
  [[nodiscard]] Result<std::string> Activate(std::string_view body);
  [[nodiscard]] Result<std::string> Challenge(std::string_view body);
  [[nodiscard]] Result<std::string> Log(std::string_view body);
  [[nodiscard]] Result<std::string> Evidence(std::string_view body);
  [[nodiscard]] Result<const evidence::tpm::PublicArea*> Bound(const std::string& node,
                                                               const std::string& ak_name) const;

  std::vector<crypto::Certificate> roots_;
  std::vector<crypto::Certificate> intermediates_;
  const Clock& clock_;
  session::Challenger challenger_;
  std::map<std::string, evidence::tpm::PublicArea> bound_;
  std::map<std::string, claims::TpmClock> clocks_;
};

}  // namespace gatehouse::agent
