#include "common/verify/replay/event_proof.h"

#include <algorithm>
#include <optional>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "common/verify/replay/boot_variable.h"

namespace gatehouse::verify::replay {
namespace {

using claims::BootEvent;
using claims::BootPart;
using evidence::eventlog::Event;
namespace event_type = evidence::eventlog::event_type;
using Banks = std::vector<HashAlgorithm>;

constexpr unsigned kLastFirmwarePcr = 7;
constexpr std::size_t kShownOfText = 256;  // more than DescribeEvent gives

// Values that stand for themselves: whatever an event's type and data say, its digest can have come from these only.
// EV_SEPARATOR of the PC Client Platform Firmware Profile, and the strings of its section 10.4.4. UEFI firmware ends
// the pre-boot part with zeros, and says 00000001 if it failed. FFFFFFFF is an error of conventional firmware by some
// texts and none by others: nothing that we know of writes it where all went well, so it is taken for one.
struct KnownValue {
  std::string_view data;
  BootPart part;
  bool error = false;
};
constexpr std::array<KnownValue, 10> kKnownValues = {{
    {std::string_view("\0\0\0\0", 4), BootPart::kSeparators},
    {std::string_view("\xFF\xFF\xFF\xFF", 4), BootPart::kSeparators, true},
    {std::string_view("\x01\0\0\0", 4), BootPart::kSeparators, true},
    {"Calling EFI Application from Boot Option", BootPart::kActions},
    {"Returning from EFI Application from Boot Option", BootPart::kActions},
    {"Exit Boot Services Invocation", BootPart::kActions},
    {"Exit Boot Services Returned with Success", BootPart::kActions},
    {"Exit Boot Services Returned with Failure", BootPart::kActions},
    {"UEFI Debug Mode", BootPart::kActions},
    {"DMA Protection Disabled", BootPart::kActions},
}};

const std::array<Bytes, kKnownValues.size()>& KnownDigests(HashAlgorithm bank) {
  const auto make = [](HashAlgorithm algorithm) {
    std::array<Bytes, kKnownValues.size()> digests;
    for (std::size_t i = 0; i < digests.size(); ++i) {
      digests[i] = crypto::Hash(algorithm, AsBytes(kKnownValues[i].data));
    }
    return digests;
  };
  static const std::array<std::array<Bytes, kKnownValues.size()>, limits::kPcrBanks> all = {
      make(HashAlgorithm::kSha1), make(HashAlgorithm::kSha256), make(HashAlgorithm::kSha384),
      make(HashAlgorithm::kSha512)};
  return all.at(static_cast<std::size_t>(bank));
}

bool Equal(BytesView a, BytesView b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

bool HashesTo(BytesView data, const Event& event, const Banks& banks) {
  return std::all_of(banks.begin(), banks.end(),
                     [&](HashAlgorithm bank) { return Equal(crypto::Hash(bank, data), event.digest(bank)); });
}

BytesView WithoutNul(BytesView data) {
  return !data.empty() && data.back() == 0 ? data.first(data.size() - 1) : data;
}

bool IsPrintable(std::string_view text) {
  return IsUtf8(text) && std::all_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) != 0x7F;
         });
}

// A version is UTF-16 or ASCII text, or a GUID or other bytes, which have no text.
std::string VersionText(BytesView data) {
  const std::string narrow(AsText(WithoutNul(data)));
  if (!narrow.empty() && IsPrintable(narrow)) return narrow;
  auto wide = evidence::eventlog::Utf16ToUtf8(data);
  return wide.ok() && IsPrintable(*wide) ? *wide : "";
}

// What GRUB writes before the text that it measures. Red Hat's of 2019 measured commands with their NUL.
struct GrubPrefix {
  std::string_view text;
  bool command_line;
};
constexpr GrubPrefix kGrubPrefixes[] = {
    {"grub_cmd: ", false}, {"kernel_cmdline: ", true},     {"module_cmdline: ", true},
    {"grub_cmd ", false},  {"grub_kernel_cmdline ", true},
};

// The prefix is not measured, so that the text must say itself whether it is a command line: those begin with the
// file's name, which is absolute, on a device, or a list of blocks (GRUB manual, "File name syntax"), and no command
// begins so.
bool BeginsWithFile(std::string_view text) {
  return !text.empty() && (text[0] == '/' || text[0] == '(' || (text[0] >= '0' && text[0] <= '9'));
}

// Whether the data is what was measured, if it has the form of GRUB's; then `proven` has its text.
std::optional<bool> ProveGrub(const Event& event, const Banks& banks, BootEvent& proven) {
  for (const GrubPrefix& prefix : kGrubPrefixes) {
    if (!AsText(event.data).starts_with(prefix.text)) continue;
    const BytesView with_nul = event.data.subspan(prefix.text.size());
    const BytesView text = WithoutNul(with_nul);
    if (!HashesTo(text, event, banks) && !HashesTo(with_nul, event, banks)) return false;
    proven.text = AsText(text);
    proven.part =
        prefix.command_line || BeginsWithFile(proven.text) ? BootPart::kCommandLine : BootPart::kLoaderCommands;
    return true;
  }
  const BytesView text = WithoutNul(event.data);
  if (text.empty() || !IsPrintable(AsText(text)) || !HashesTo(text, event, banks)) return std::nullopt;
  proven.text = AsText(text);
  proven.part = BeginsWithFile(proven.text) ? BootPart::kCommandLine : BootPart::kLoaderCommands;
  return true;
}

// UTF-16 text that was measured as it is, with its NUL: the options that systemd's loader and stub were given.
void ProveWideCommandLine(const Event& event, const Banks& banks, BootEvent& proven) {
  auto text = evidence::eventlog::Utf16ToUtf8(event.data);
  if (!text.ok() || text->empty() || !HashesTo(event.data, event, banks)) return;
  proven.text = *text;
  proven.part = BootPart::kCommandLine;
}

// systemd-stub measures a section's name, in ASCII with its NUL, and then its content; both events say the name in
// UTF-16 (MEASURED-BOOT finding 14).
void ProveSectionName(const Event& event, const Banks& banks, BootEvent& proven) {
  auto name = evidence::eventlog::Utf16ToUtf8(event.data);
  if (!name.ok() || !name->starts_with('.')) return;
  Bytes measured = ToBytes(*name);
  measured.push_back(0);
  if (HashesTo(measured, event, banks)) proven.text = *name;
}

BootPart PartOfLoaderFile(const Event& event) {
  if (event.type != event_type::kEventTag) return BootPart::kLoaderFiles;
  auto tags = evidence::eventlog::ParseTaggedEvents(event.data);
  if (!tags.ok()) return BootPart::kLoaderFiles;
  switch (tags->front().id) {
    case evidence::eventlog::kLoadOptionsTag:
      return BootPart::kCommandLine;
    case evidence::eventlog::kInitrdTag:
      return BootPart::kInitrds;
    default:
      return BootPart::kLoaderFiles;
  }
}

}  // namespace

BootPart PartOfPcr(unsigned pcr) {
  switch (pcr) {
    case 0:
      return BootPart::kFirmware;
    case 1:
    case 3:
    case 6:
      return BootPart::kPlatformConfig;
    case 2:
      return BootPart::kDrivers;
    case 4:
      return BootPart::kApplications;
    case 5:
      return BootPart::kPartitions;
    case 8:
      return BootPart::kLoaderCommands;
    case 9:
      return BootPart::kLoaderFiles;
    case 11:
      return BootPart::kUkiSections;
    case 12:
    case 13:
      return BootPart::kCredentials;
    case 14:
      return BootPart::kMok;
    default:
      return BootPart::kOther;
  }
}

EventProver::EventProver(std::string_view command_line) : command_line_(command_line) {
  while (!command_line_.empty() && (command_line_.back() == '\n' || command_line_.back() == '\0')) {
    command_line_.pop_back();
  }
  if (command_line_.empty() || command_line_.size() > limits::kCommandLineBytes) return;
  // As it is; and as loaders pass it that end it with a space, which /proc/cmdline may not show.
  for (const std::string_view end : {"", " "}) {
    Bytes form = evidence::eventlog::Utf8ToUtf16(command_line_ + std::string(end));
    form.push_back(0);
    form.push_back(0);
    command_line_forms_.push_back(std::move(form));
  }
}

bool EventProver::ProveCommandLineHint(const Event& event, const Banks& banks, BootEvent& proven) {
  for (std::size_t form = 0; form < command_line_forms_.size(); ++form) {
    const bool is_it = std::all_of(banks.begin(), banks.end(), [&](HashAlgorithm bank) {
      std::vector<Bytes>& digests = command_line_digests_[bank];
      while (digests.size() <= form) digests.push_back(crypto::Hash(bank, command_line_forms_[digests.size()]));
      return Equal(digests[form], event.digest(bank));
    });
    if (!is_it) continue;
    proven.part = BootPart::kCommandLine;
    proven.text = command_line_;
    return true;
  }
  return false;
}

bool EventProver::ProveKnownValue(const Event& event, const Banks& banks, EventProof& proof) {
  for (std::size_t i = 0; i < kKnownValues.size(); ++i) {
    const bool is_it = std::all_of(banks.begin(), banks.end(), [&](HashAlgorithm bank) {
      return Equal(KnownDigests(bank)[i], event.digest(bank));
    });
    if (!is_it) continue;
    const KnownValue& value = kKnownValues[i];
    proof.event.part = value.part;
    proof.event.error_separator = value.error;
    if (value.part == BootPart::kActions) proof.event.text = value.data;
    if (event.pcr == 7 && value.part == BootPart::kSeparators) pcr7_separated_ = true;
    switch (event.type) {
      case event_type::kSeparator:
      case event_type::kAction:
      case event_type::kEfiAction:
        if (AsText(event.data) != value.data) proof.false_data = "its data is not what was measured";
        break;
      case event_type::kEfiVariableDriverConfig:
      case event_type::kEfiVariableBoot:
      case event_type::kEfiVariableBoot2:
      case event_type::kEfiVariableAuthority:
        proof.false_data = "a variable whose digest is that of " + std::string(claims::Name(value.part));
        break;
      default:
        break;
    }
    return true;
  }
  return false;
}

void EventProver::TakeVariable(const Event& event, const evidence::eventlog::VariableData& variable,
                               BootEvent& proven) const {
  claims::BootVariable taken{variable.guid, variable.name, ToBytes(variable.data), {}, false};
  if (event.pcr == 7) {
    proven.part = ClassifySecureBootVariable(taken, pcr7_separated_, event.type);
  } else if (event.pcr == 1) {
    if (IsBootOption(taken.name, taken.data)) proven.part = BootPart::kBootVariables;
  } else {
    return;
  }
  proven.variable = std::move(taken);
}

void EventProver::ProveVariable(const Event& event, const Banks& banks, EventProof& proof) {
  const bool boot = event.type == event_type::kEfiVariableBoot;
  auto variable = evidence::eventlog::ParseVariableData(event.data);
  // Section 10.4.3, EV_EFI_VARIABLE_BOOT: "the digest is of the variable data", which firmware reads either way
  // (MEASURED-BOOT finding 11). Without its name nothing but the data is proven.
  if (boot && variable.ok() && HashesTo(variable->data, event, banks)) {
    if (event.pcr == 1 && IsBootOption(variable->name, variable->data)) {
      proof.event.part = BootPart::kBootVariables;
    }
    return;
  }
  if (variable.ok() && HashesTo(event.data, event, banks)) return TakeVariable(event, *variable, proof.event);
  if (auto shim = FindVariableOfOldShim(event.data); !variable.ok() && shim) {
    for (const std::size_t surplus : {std::size_t{0}, std::size_t{1}}) {
      if (HashesTo(event.data.first(event.data.size() - surplus), event, banks)) {
        return TakeVariable(event, *shim, proof.event);
      }
    }
  }
  proof.false_data = variable.ok() ? "the variable does not hash to what was measured" : variable.error().detail;
}

void EventProver::ProveByPcr(const Event& event, const Banks& banks, BootEvent& proven, std::string& false_data) {
  switch (event.pcr) {
    case 8:
      if (const auto grub = ProveGrub(event, banks, proven); !grub) {
        ProveWideCommandLine(event, banks, proven);
      } else if (!*grub) {
        false_data = "GRUB's text does not hash to what was measured";
      }
      return;
    case 9:
      if (!ProveCommandLineHint(event, banks, proven)) proven.part = PartOfLoaderFile(event);
      return;
    case 11:
      return ProveSectionName(event, banks, proven);
    case 12:
      return ProveWideCommandLine(event, banks, proven);
    default:
      return;
  }
}

void EventProver::ProveByType(const Event& event, const Banks& banks, EventProof& proof) {
  switch (event.type) {
    case event_type::kEfiVariableDriverConfig:
    case event_type::kEfiVariableBoot:
    case event_type::kEfiVariableBoot2:
    case event_type::kEfiVariableAuthority:
      return ProveVariable(event, banks, proof);
    case event_type::kAction:
    case event_type::kEfiAction:
    case event_type::kSeparator:
    case event_type::kCrtmVersion:
      if (!HashesTo(event.data, event, banks)) {
        proof.false_data = "for its type its data must hash to what was measured";
      } else if (event.pcr > kLastFirmwarePcr) {
        // Firmware measures into its own PCRs only. What others measured is not of this type, whatever the log says.
        ProveByPcr(event, banks, proof.event, proof.false_data);
      } else if (event.pcr == 0) {
        proof.event.text = VersionText(event.data);
      } else if (IsPrintable(AsText(WithoutNul(event.data))) && event.type != event_type::kSeparator) {
        proof.event.part = BootPart::kActions;
        proof.event.text = AsText(WithoutNul(event.data));
      }
      return;
    default:
      return ProveByPcr(event, banks, proof.event, proof.false_data);
  }
}

EventProof EventProver::Prove(const Event& event, const Banks& banks) {
  EventProof proof{{event.number, event.pcr, event.type, PartOfPcr(event.pcr), {}, "", std::nullopt, false, ""}, ""};
  for (HashAlgorithm bank : banks) proof.event.digests.emplace(bank, ToBytes(event.digest(bank)));
  // Of GRUB's menus nobody is shown more than the beginning.
  Event shown = event;
  if (event.pcr == 8) shown.data = shown.data.first(std::min(shown.data.size(), kShownOfText));
  proof.event.hint = evidence::eventlog::DescribeEvent(shown);
  if (!ProveKnownValue(event, banks, proof)) ProveByType(event, banks, proof);
  return proof;
}

}  // namespace gatehouse::verify::replay
