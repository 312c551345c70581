// Boot event logs as firmware, shim, GRUB and systemd-stub write them, with the digests that they measure. A test makes
// a good boot, quotes it with a software TPM, and breaks one thing in what is reported or in what was measured.
//
//   BootLog boot = SecureBootWithGrub();
//   auto quote = QuoteOf(boot);                       // what was measured
//   boot.Find(event_type::kSeparator, 4).data[0] = 1;  // what is reported
//   auto log = ParseEventLog(bytes = boot.Write());
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/claims/tpm.h"
#include "common/evidence/eventlog/event_data.h"
#include "common/evidence/eventlog/event_log.h"
#include "tests/fakes/software_tpm.h"

namespace gatehouse::fakes {

namespace event_type = evidence::eventlog::event_type;

inline constexpr std::string_view kGlobalGuid = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
inline constexpr std::string_view kSecurityGuid = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";
inline constexpr std::string_view kShimGuid = "605dab50-e046-4300-abb6-3dd810dd8b23";

struct LoggedEvent {
  unsigned pcr;
  std::uint32_t type;
  std::map<HashAlgorithm, Bytes> digests;
  Bytes data;
};

class BootLog {
 public:
  explicit BootLog(std::vector<HashAlgorithm> banks = {HashAlgorithm::kSha256, HashAlgorithm::kSha384},
                   bool crypto_agile = true)
      : banks_(std::move(banks)), crypto_agile_(crypto_agile) {}

  // Each is appended. `measured` is what is hashed, `data` what is logged.
  BootLog& Add(unsigned pcr, std::uint32_t type, BytesView measured, BytesView data);
  BootLog& Add(unsigned pcr, std::uint32_t type, BytesView data) { return Add(pcr, type, data, data); }
  BootLog& NoAction(BytesView data, unsigned pcr = 0);  // not extended
  BootLog& StartupLocality(std::uint8_t locality);
  BootLog& Separator(unsigned pcr, std::uint32_t value = 0);
  BootLog& Action(unsigned pcr, std::string_view text);
  // UEFI_VARIABLE_DATA, of which all is hashed, or (as OVMF does of boot options) the value alone.
  BootLog& Variable(unsigned pcr, std::uint32_t type, std::string_view guid, std::string_view name, BytesView value);
  BootLog& BootVariable(std::string_view name, BytesView value);
  BootLog& Image(unsigned pcr, std::uint32_t type, std::string_view image, std::string_view path);  // opaque digest
  BootLog& GrubCommand(std::string_view text);
  BootLog& GrubCommandLine(std::string_view text);
  BootLog& GrubFile(std::string_view path, std::string_view content);
  BootLog& LoadOptions(std::string_view command_line);  // of the kernel's EFI stub, in PCR 9
  BootLog& Initrd(std::string_view content);
  BootLog& Section(std::string_view name, std::string_view content);  // of a UKI: a pair of events
  BootLog& StubCommandLine(std::string_view command_line);            // systemd-stub, in PCR 12
  BootLog& Mok(std::string_view name, std::string_view content);

  [[nodiscard]] std::vector<LoggedEvent>& events() { return events_; }
  [[nodiscard]] const std::vector<LoggedEvent>& events() const { return events_; }
  [[nodiscard]] const std::vector<HashAlgorithm>& banks() const { return banks_; }
  // The first event of this type and PCR; `nth` counts from 0. The number in the log is one more (the Spec ID event).
  [[nodiscard]] LoggedEvent& Find(std::uint32_t type, unsigned pcr, std::size_t nth = 0);
  [[nodiscard]] std::size_t IndexOf(std::uint32_t type, unsigned pcr, std::size_t nth = 0) const;
  // The digest of `measured` in each bank.
  [[nodiscard]] std::map<HashAlgorithm, Bytes> Digests(BytesView measured) const;

  [[nodiscard]] Bytes Write() const;
  // What it leaves in a TPM that has just started.
  void ExtendInto(SoftwareTpm& tpm) const;

 private:
  std::vector<HashAlgorithm> banks_;
  bool crypto_agile_;
  std::vector<LoggedEvent> events_;
};

[[nodiscard]] Bytes GuidBytes(std::string_view text);
[[nodiscard]] Bytes VariableData(std::string_view guid, std::string_view name, BytesView value);
// Bytes that look like a certificate of this name from outside, and nothing more.
[[nodiscard]] Bytes CertificateLike(std::string_view name);
[[nodiscard]] Bytes SignatureData(BytesView value);  // with an owner
[[nodiscard]] Bytes CertificateList(const std::vector<Bytes>& certificates);
[[nodiscard]] Bytes HashList(const std::vector<Bytes>& sha256);
[[nodiscard]] Bytes LoadOption(std::string_view description);  // EFI_LOAD_OPTION

inline constexpr std::string_view kGptData("EFI PART\0\0\1\0and so on", 21);
inline constexpr std::string_view kKernelArguments = "root=/dev/nvme0n1 ima_policy=tcb lockdown=integrity quiet";
inline constexpr std::string_view kGrubCommandLineText =
    "/vmlinuz root=/dev/nvme0n1 ima_policy=tcb lockdown=integrity quiet";

// Firmware with Secure Boot on (PK, KEK, db with "Vendor CA", dbx with two hashes), shim ("shim", let in by Vendor CA),
// GRUB ("grub", by "Distribution CA" of shim), kernel ("kernel").
[[nodiscard]] BootLog SecureBootWithGrub(std::vector<HashAlgorithm> banks = {HashAlgorithm::kSha256,
                                                                             HashAlgorithm::kSha384});
// The same firmware with a UKI ("uki", by Vendor CA), its sections, and the inner kernel's LoadOptions.
[[nodiscard]] BootLog SecureBootWithUki(std::vector<HashAlgorithm> banks = {HashAlgorithm::kSha256,
                                                                            HashAlgorithm::kSha384});

// PCR 0 to 9, 11 to 15, 17 to 22
inline constexpr std::uint32_t kQuotablePcrs = 0x7EFBFF;
// A verified quote over `pcrs` of each of `banks` (empty: those of the log), of a TPM that measured this boot. `more`
// may extend it further before.
[[nodiscard]] claims::VerifiedTpmClaims QuoteOf(const BootLog& boot, std::uint32_t pcrs = kQuotablePcrs,
                                                std::vector<HashAlgorithm> banks = {},
                                                const std::function<void(SoftwareTpm&)>& more = nullptr);
// A verified quote of these values.
[[nodiscard]] claims::VerifiedTpmClaims QuoteOfValues(const evidence::tpm::PcrValues& values);

}  // namespace gatehouse::fakes
