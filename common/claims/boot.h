// What is proven about a node's boot by a TPM's quote and the event log that replays to it. Made by verify::replay
// only. Of a log that does not replay in a PCR nothing of that PCR is here.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/types.h"

namespace gatehouse::verify::replay {
class EventLogVerifier;
}

namespace gatehouse::claims {

// A part of a boot, by what stands for it: what a policy writes rules about. An event's part comes from what is proven
// of it (its PCR, and data that hashes to its digest) and never from the event type alone, which is not measured.
enum class BootPart : std::uint8_t {
  kFirmware,        // PCR 0: version (text), code (digest), HCRTM, POST code, microcode
  kPlatformConfig,  // PCR 1 (and 3, 6): tables, configuration, host platform; not boot variables
  kBootVariables,   // PCR 1: BootOrder, Boot####
  kDrivers,         // PCR 2: option ROMs and drivers, Authenticode digest
  kApplications,    // PCR 4: boot loaders, UKIs, kernels, Authenticode digest
  kPartitions,      // PCR 5: GPT
  kSecureBootKeys,  // PCR 7: SecureBoot, PK, KEK, db, dbx, ...: judged by rules of their own
  kAuthorities,     // PCR 7: which entry of db let an image run
  kLoaderCommands,  // PCR 8: what GRUB executed (text)
  kLoaderFiles,     // PCR 9: files that GRUB read (digest; the name is a hint)
  kCommandLine,     // PCR 8 (GRUB), 9 (EFI stub: digest of UTF-16 text), 12 (systemd-stub): text where it is proven
  kInitrds,         // PCR 9: "Linux initrd" of the EFI stub (digest)
  kUkiSections,     // PCR 11: name (text) and content (digest) of each section that systemd-stub measured
  kPhases,          // PCR 11: what systemd-pcrphase extended (text), in order; they are in no log
  kCredentials,     // PCR 12, 13: credentials, configuration and system extensions of a UKI
  kMok,             // PCR 14: shim's MokList, MokListX, MokListTrusted (digest)
  kActions,         // actions of the firmware (text)
  kSeparators,      // the end of pre-boot of a PCR
  kOther,           // whatever is none of these
};
inline constexpr std::array<std::string_view, 19> kBootPartNames = {
    "firmware",    "platformConfig", "bootVariables", "drivers",        "applications",
    "partitions",  "secureBootKeys", "authorities",   "loaderCommands", "loaderFiles",
    "commandLine", "initrds",        "ukiSections",   "phases",         "credentials",
    "mok",         "actions",        "separators",    "other"};
// As policies write it: "applications".
[[nodiscard]] constexpr std::string_view Name(BootPart part) {
  return kBootPartNames[static_cast<std::size_t>(part)];
}
[[nodiscard]] constexpr std::optional<BootPart> ParseBootPart(std::string_view name) {
  for (std::size_t i = 0; i < kBootPartNames.size(); ++i) {
    if (kBootPartNames[i] == name) return static_cast<BootPart>(i);
  }
  return std::nullopt;
}

// An entry of an EFI signature database (UEFI specification section 32.4.1, EFI_SIGNATURE_LIST).
struct SignatureEntry {
  enum class Kind : std::uint8_t { kCertificate, kSha256, kOther };
  Kind kind;
  Bytes owner;        // GUID, 16 bytes
  Digest digest;      // of a certificate: SHA-256 of its DER; of a hash: it; of another: SHA-256 of the data
  std::string label;  // of a certificate: its subject, if it can be read; of another: the list's type
};

struct BootVariable {
  std::string guid;  // "8be4df61-93ca-11d2-aa0d-00e098032b8c"
  std::string name;
  Bytes data;
  // Of PK, KEK, db, dbx, dbr, dbt, MokList…, and of an authority: parsed from `data`. Nothing if it is not such a
  // database, or is malformed (then `malformed`).
  std::vector<SignatureEntry> entries;
  bool malformed = false;
};

struct BootEvent {
  std::uint32_t number;  // in the log, from 0; of what is in no log (phases): that of the last event
  unsigned pcr;
  std::uint32_t type;  // as the log says: not measured
  BootPart part;
  std::map<HashAlgorithm, Bytes> digests;  // of the banks in which its PCR was quoted and replays
  // Proven: what follows hashes to the digests, or is a well-known value that does.
  std::string text;                      // version, command, command line, action, section name, phase
  std::optional<BootVariable> variable;  // kSecureBootKeys, kAuthorities, kBootVariables where the data is the whole
  bool error_separator = false;          // of kSeparators: the firmware says that the boot failed
  // Not proven: for people only. Printable.
  std::string hint;
};

class VerifiedBootLog {
 public:
  // Bit i: PCR i was quoted and replays to the quoted value in every bank that both quote and log have. At least one.
  [[nodiscard]] std::uint32_t proven_pcrs() const { return proven_pcrs_; }
  // Those of them that were quoted in this bank.
  [[nodiscard]] std::uint32_t proven_pcrs(HashAlgorithm bank) const {
    const auto found = proven_in_.find(bank);
    return found == proven_in_.end() ? 0 : found->second;
  }
  // Of the PCRs that were quoted and do not: "expected …, the log gives …".
  [[nodiscard]] const std::map<unsigned, std::string>& mismatches() const { return mismatches_; }
  [[nodiscard]] const std::vector<HashAlgorithm>& banks() const { return banks_; }
  // Of proven PCRs, in the order of the log.
  [[nodiscard]] const std::vector<BootEvent>& events() const { return events_; }
  // Events (numbers) of proven PCRs whose data must hash to their digest, for their type, and does not.
  [[nodiscard]] const std::vector<std::pair<std::uint32_t, std::string>>& false_data() const { return false_data_; }

 private:
  friend class verify::replay::EventLogVerifier;
  VerifiedBootLog() = default;
  std::uint32_t proven_pcrs_ = 0;
  std::map<HashAlgorithm, std::uint32_t> proven_in_;
  std::map<unsigned, std::string> mismatches_;
  std::vector<HashAlgorithm> banks_;
  std::vector<BootEvent> events_;
  std::vector<std::pair<std::uint32_t, std::string>> false_data_;
};

}  // namespace gatehouse::claims
