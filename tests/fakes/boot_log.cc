#include "tests/fakes/boot_log.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "common/evidence/eventlog/event_data.h"
#include "common/verify/tpm/quote.h"

namespace gatehouse::fakes {
namespace {

// Little-endian, as all of the event log is.
class LittleWriter {
 public:
  LittleWriter& U8(std::uint8_t value) {
    bytes_.push_back(value);
    return *this;
  }
  LittleWriter& U16(std::uint16_t value) { return Low(value, 2); }
  LittleWriter& U32(std::uint32_t value) { return Low(value, 4); }
  LittleWriter& U64(std::uint64_t value) { return Low(value, 8); }
  LittleWriter& Put(BytesView bytes) {
    Append(bytes_, bytes);
    return *this;
  }
  [[nodiscard]] Bytes Finish() { return std::move(bytes_); }

 private:
  LittleWriter& Low(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    return *this;
  }
  Bytes bytes_;
};

Bytes WithNul(std::string_view text) {
  Bytes bytes = ToBytes(text);
  bytes.push_back(0);
  return bytes;
}

Bytes WideWithNul(std::string_view text) {
  Bytes bytes = evidence::eventlog::Utf8ToUtf16(text);
  bytes.push_back(0);
  bytes.push_back(0);
  return bytes;
}

Bytes Tagged(std::uint32_t id, std::string_view text) {
  const Bytes data = WithNul(text);
  return LittleWriter().U32(id).U32(static_cast<std::uint32_t>(data.size())).Put(data).Finish();
}

constexpr std::uint8_t kOwner[16] = {0xBD, 0x9A, 0xFA, 0x77, 0x59, 0x03, 0x32, 0x4D,
                                     0xBD, 0x60, 0x28, 0xF4, 0xE7, 0x8F, 0x78, 0x4B};

Bytes List(std::string_view type, const std::vector<Bytes>& values) {
  Bytes lists;
  for (const Bytes& value : values) {
    const auto entry = static_cast<std::uint32_t>(sizeof(kOwner) + value.size());
    Append(lists, LittleWriter().Put(GuidBytes(type)).U32(28 + entry).U32(0).U32(entry).Finish());
    Append(lists, SignatureData(value));
  }
  return lists;
}

}  // namespace

BootLog& BootLog::Add(unsigned pcr, std::uint32_t type, BytesView measured, BytesView data) {
  events_.push_back({pcr, type, Digests(measured), ToBytes(data)});
  return *this;
}

BootLog& BootLog::NoAction(BytesView data, unsigned pcr) {
  LoggedEvent event{pcr, event_type::kNoAction, {}, ToBytes(data)};
  for (HashAlgorithm bank : banks_) event.digests.emplace(bank, Bytes(DigestSize(bank), 0));
  events_.push_back(std::move(event));
  return *this;
}

BootLog& BootLog::StartupLocality(std::uint8_t locality) {
  Bytes data = WithNul("StartupLocality");
  data.push_back(locality);
  return NoAction(data);
}

BootLog& BootLog::Separator(unsigned pcr, std::uint32_t value) {
  return Add(pcr, event_type::kSeparator, LittleWriter().U32(value).Finish());
}

BootLog& BootLog::Action(unsigned pcr, std::string_view text) {
  return Add(pcr, event_type::kEfiAction, AsBytes(text));
}

BootLog& BootLog::Variable(unsigned pcr, std::uint32_t type, std::string_view guid, std::string_view name,
                           BytesView value) {
  return Add(pcr, type, VariableData(guid, name, value));
}

BootLog& BootLog::BootVariable(std::string_view name, BytesView value) {
  return Add(1, event_type::kEfiVariableBoot, value, VariableData(kGlobalGuid, name, value));
}

BootLog& BootLog::Image(unsigned pcr, std::uint32_t type, std::string_view image, std::string_view path) {
  // MEDIA_DEVICE_PATH, MEDIA_FILEPATH_DP, and the end of the path
  const Bytes name = WideWithNul(path);
  const Bytes device_path = LittleWriter()
                                .U8(4)
                                .U8(4)
                                .U16(static_cast<std::uint16_t>(4 + name.size()))
                                .Put(name)
                                .U8(0x7F)
                                .U8(0xFF)
                                .U16(4)
                                .Finish();
  return Add(pcr, type, AsBytes(image),
             LittleWriter().U64(0x1000).U64(image.size()).U64(0).U64(device_path.size()).Put(device_path).Finish());
}

BootLog& BootLog::GrubCommand(std::string_view text) {
  return Add(8, event_type::kIpl, AsBytes(text), WithNul("grub_cmd: " + std::string(text)));
}

BootLog& BootLog::GrubCommandLine(std::string_view text) {
  return Add(8, event_type::kIpl, AsBytes(text), WithNul("kernel_cmdline: " + std::string(text)));
}

BootLog& BootLog::GrubFile(std::string_view path, std::string_view content) {
  return Add(9, event_type::kIpl, AsBytes(content), WithNul(path));
}

BootLog& BootLog::LoadOptions(std::string_view command_line) {
  return Add(9, event_type::kEventTag, WideWithNul(command_line),
             Tagged(evidence::eventlog::kLoadOptionsTag, "LOADED_IMAGE::LoadOptions"));
}

BootLog& BootLog::Initrd(std::string_view content) {
  return Add(9, event_type::kEventTag, AsBytes(content), Tagged(evidence::eventlog::kInitrdTag, "Linux initrd"));
}

BootLog& BootLog::Section(std::string_view name, std::string_view content) {
  Add(11, event_type::kIpl, WithNul(name), WideWithNul(name));
  return Add(11, event_type::kIpl, AsBytes(content), WideWithNul(name));
}

BootLog& BootLog::StubCommandLine(std::string_view command_line) {
  return Add(12, event_type::kIpl, WideWithNul(command_line));
}

BootLog& BootLog::Mok(std::string_view name, std::string_view content) {
  return Add(14, event_type::kIpl, AsBytes(content), WithNul(name));
}

LoggedEvent& BootLog::Find(std::uint32_t type, unsigned pcr, std::size_t nth) {
  return events_[IndexOf(type, pcr, nth)];
}

std::size_t BootLog::IndexOf(std::uint32_t type, unsigned pcr, std::size_t nth) const {
  for (std::size_t i = 0; i < events_.size(); ++i) {
    if (events_[i].type == type && events_[i].pcr == pcr && nth-- == 0) return i;
  }
  throw std::out_of_range("the log has no such event");
}

std::map<HashAlgorithm, Bytes> BootLog::Digests(BytesView measured) const {
  std::map<HashAlgorithm, Bytes> digests;
  for (HashAlgorithm bank : banks_) digests.emplace(bank, crypto::Hash(bank, measured));
  return digests;
}

Bytes BootLog::Write() const {
  LittleWriter log;
  if (crypto_agile_) {
    LittleWriter spec;
    spec.Put(WithNul("Spec ID Event03")).U32(0).U8(0).U8(2).U8(0).U8(2);
    spec.U32(static_cast<std::uint32_t>(banks_.size()));
    for (HashAlgorithm bank : banks_) {
      spec.U16(evidence::tpm::AlgId(bank)).U16(static_cast<std::uint16_t>(DigestSize(bank)));
    }
    const Bytes data = spec.U8(0).Finish();
    log.U32(0).U32(event_type::kNoAction).Put(Bytes(20, 0)).U32(static_cast<std::uint32_t>(data.size())).Put(data);
  }
  for (const LoggedEvent& event : events_) {
    log.U32(event.pcr).U32(event.type);
    if (crypto_agile_) log.U32(static_cast<std::uint32_t>(banks_.size()));
    for (HashAlgorithm bank : banks_) {
      if (crypto_agile_) log.U16(evidence::tpm::AlgId(bank));
      log.Put(event.digests.at(bank));
    }
    log.U32(static_cast<std::uint32_t>(event.data.size())).Put(event.data);
  }
  return log.Finish();
}

void BootLog::ExtendInto(SoftwareTpm& tpm) const {
  for (const LoggedEvent& event : events_) {
    if (event.type != event_type::kNoAction) {
      for (const auto& [bank, digest] : event.digests) tpm.Extend(bank, event.pcr, digest);
      continue;
    }
    auto locality = evidence::eventlog::ParseStartupLocality(event.data);
    if (!locality.ok() || !*locality) continue;
    for (HashAlgorithm bank : banks_) {
      Bytes start(DigestSize(bank), 0);
      start.back() = **locality;
      tpm.SetPcr(bank, 0, start);
    }
  }
}

Bytes GuidBytes(std::string_view text) {
  std::string hex(text);
  std::erase(hex, '-');
  const Bytes big = DecodeHex(hex).value();
  Bytes bytes;
  for (const std::size_t i : std::initializer_list<std::size_t>{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15})
    bytes.push_back(big.at(i));
  return bytes;
}

Bytes VariableData(std::string_view guid, std::string_view name, BytesView value) {
  return LittleWriter()
      .Put(GuidBytes(guid))
      .U64(name.size())
      .U64(value.size())
      .Put(evidence::eventlog::Utf8ToUtf16(name))
      .Put(value)
      .Finish();
}

Bytes CertificateLike(std::string_view name) {
  Bytes content = ToBytes(name);
  content.resize(std::max<std::size_t>(name.size(), 200), ' ');
  Bytes der = {0x30, 0x82, static_cast<std::uint8_t>(content.size() >> 8), static_cast<std::uint8_t>(content.size())};
  Append(der, content);
  return der;
}

Bytes SignatureData(BytesView value) {
  Bytes data = ToBytes(BytesView(kOwner));
  Append(data, value);
  return data;
}

Bytes CertificateList(const std::vector<Bytes>& certificates) {
  return List(evidence::eventlog::kCertX509Guid, certificates);
}

Bytes HashList(const std::vector<Bytes>& sha256) {
  // All of them in one list, as they have one size.
  constexpr std::uint32_t kEntry = sizeof(kOwner) + 32;
  LittleWriter list;
  list.Put(GuidBytes(evidence::eventlog::kCertSha256Guid));
  list.U32(static_cast<std::uint32_t>(28 + kEntry * sha256.size())).U32(0).U32(kEntry);
  for (const Bytes& hash : sha256) list.Put(SignatureData(hash));
  return list.Finish();
}

Bytes LoadOption(std::string_view description) {
  const Bytes end_of_path = {0x7F, 0xFF, 4, 0};
  return LittleWriter().U32(1).U16(4).Put(WideWithNul(description)).Put(end_of_path).Finish();
}

namespace {

void StartFirmware(BootLog& boot) {
  using crypto::Hash;
  boot.Add(0, event_type::kCrtmVersion, WideWithNul("Firmware 1.2.3"));
  boot.Add(0, event_type::kEfiPlatformFirmwareBlob, AsBytes("firmware volume"),
           LittleWriter().U64(0x820000).U64(0xE0000).Finish());
  boot.Variable(7, event_type::kEfiVariableDriverConfig, kGlobalGuid, "SecureBoot", Bytes{1});
  boot.Variable(7, event_type::kEfiVariableDriverConfig, kGlobalGuid, "PK",
                CertificateList({CertificateLike("Platform")}));
  boot.Variable(7, event_type::kEfiVariableDriverConfig, kGlobalGuid, "KEK",
                CertificateList({CertificateLike("Exchange 1"), CertificateLike("Exchange 2")}));
  boot.Variable(7, event_type::kEfiVariableDriverConfig, kSecurityGuid, "db",
                CertificateList({CertificateLike("Vendor CA")}));
  boot.Variable(
      7, event_type::kEfiVariableDriverConfig, kSecurityGuid, "dbx",
      HashList({Hash(HashAlgorithm::kSha256, AsBytes("bad 1")), Hash(HashAlgorithm::kSha256, AsBytes("bad 2"))}));
  boot.Separator(7);
  boot.BootVariable("BootOrder", Bytes{0, 0, 1, 0});
  boot.BootVariable("Boot0000", LoadOption("Linux"));
  boot.Image(2, event_type::kEfiBootServicesDriver, "option rom", "\\rom.efi");
  boot.Action(4, "Calling EFI Application from Boot Option");
  for (unsigned pcr = 0; pcr < 7; ++pcr) boot.Separator(pcr);
  boot.Variable(7, event_type::kEfiVariableAuthority, kSecurityGuid, "db", SignatureData(CertificateLike("Vendor CA")));
  boot.Add(5, event_type::kEfiGptEvent, AsBytes(kGptData));
}

void ExitBootServices(BootLog& boot) {
  boot.Action(5, "Exit Boot Services Invocation");
  boot.Action(5, "Exit Boot Services Returned with Success");
}

}  // namespace

BootLog SecureBootWithGrub(std::vector<HashAlgorithm> banks) {
  BootLog boot(std::move(banks));
  StartFirmware(boot);
  boot.Image(4, event_type::kEfiBootServicesApplication, "shim", "\\EFI\\BOOT\\BOOTX64.EFI");
  boot.Mok("MokList", "list").Mok("MokListX", "forbidden");
  boot.Variable(7, event_type::kEfiVariableAuthority, kShimGuid, "SbatLevel", AsBytes("sbat,1,2025"));
  boot.Mok("MokListTrusted", "\x01");
  boot.Variable(7, event_type::kEfiVariableAuthority, kShimGuid, "MokListRT",
                SignatureData(CertificateLike("Distribution CA")));
  boot.Image(4, event_type::kEfiBootServicesApplication, "grub", "\\EFI\\BOOT\\grubx64.efi");
  boot.GrubFile("(hd0,gpt1)/grub.cfg", "the configuration");
  boot.GrubCommand("set timeout=0").GrubCommand("linux " + std::string(kGrubCommandLineText));
  boot.GrubFile("/vmlinuz", "kernel file");
  boot.Image(4, event_type::kEfiBootServicesApplication, "kernel", "");
  boot.GrubCommandLine(kGrubCommandLineText);
  boot.GrubCommand("initrd /initrd.img").GrubFile("/initrd.img", "initrd file");
  ExitBootServices(boot);
  return boot;
}

BootLog SecureBootWithUki(std::vector<HashAlgorithm> banks) {
  BootLog boot(std::move(banks));
  StartFirmware(boot);
  boot.Image(4, event_type::kEfiBootServicesApplication, "uki", "\\EFI\\Linux\\uki.efi");
  boot.Section(".linux", "kernel image").Section(".osrel", "ID=test").Section(".cmdline", kKernelArguments);
  boot.Image(4, event_type::kEfiBootServicesApplication, "inner kernel", "");
  boot.LoadOptions(kKernelArguments).Initrd("initrd of the UKI");
  ExitBootServices(boot);
  return boot;
}

claims::VerifiedTpmClaims QuoteOf(const BootLog& boot, std::uint32_t pcrs, std::vector<HashAlgorithm> banks,
                                  const std::function<void(SoftwareTpm&)>& more) {
  SoftwareTpm tpm;
  boot.ExtendInto(tpm);
  if (more) more(tpm);
  if (banks.empty()) banks = boot.banks();
  evidence::tpm::PcrSelections selection;
  for (HashAlgorithm bank : banks) selection.push_back({bank, pcrs});
  const TpmKey ak = tpm.CreateAk();
  const Bytes nonce(32, 7);
  const SoftwareQuote quote = tpm.Quote(ak, nonce, selection);
  return verify::tpm::QuoteVerifier::Verify({quote.attest, quote.signature, quote.pcrs},
                                            {ak.area(), nonce, selection, std::nullopt})
      .value();
}

claims::VerifiedTpmClaims QuoteOfValues(const evidence::tpm::PcrValues& values) {
  SoftwareTpm tpm;
  evidence::tpm::PcrSelections selection;
  for (const auto& [bank, pcrs] : values) {
    std::uint32_t selected = 0;
    for (const auto& [pcr, value] : pcrs) {
      tpm.SetPcr(bank, pcr, value);
      selected |= std::uint32_t{1} << pcr;
    }
    selection.push_back({bank, selected});
  }
  const TpmKey ak = tpm.CreateAk();
  const Bytes nonce(32, 7);
  const SoftwareQuote quote = tpm.Quote(ak, nonce, selection);
  return verify::tpm::QuoteVerifier::Verify({quote.attest, quote.signature, quote.pcrs},
                                            {ak.area(), nonce, selection, std::nullopt})
      .value();
}

}  // namespace gatehouse::fakes
