// NodePolicy.tpm.boot: what a boot may hold.
#include <algorithm>
#include <array>
#include <charconv>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/policy/node_readers.h"

namespace gatehouse::policy {
namespace {

using appraisal::Accepted;
using appraisal::BootPolicy;
using appraisal::KeyRule;
using claims::BootPart;
using codec::JsonView;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

constexpr std::uint32_t Bit(unsigned pcr) {
  return std::uint32_t{1} << pcr;
}

// 0 to 9 and 11 to 14: what firmware, boot loaders, the kernel's EFI stub and systemd-stub measure.
constexpr std::uint32_t kDefaultPcrs = 0x7BFF;
constexpr std::uint32_t kCommandLinePcrs = Bit(8) | Bit(9) | Bit(12);

// TCG PC Client Platform Firmware Profile, "Event Types". EV_NO_ACTION is not measured, and separators are never
// ignored.
struct EventType {
  std::string_view name;
  std::uint32_t type;
};
constexpr std::array<EventType, 33> kEventTypes = {{
    {"EV_PREBOOT_CERT", 0x0},
    {"EV_POST_CODE", 0x1},
    {"EV_ACTION", 0x5},
    {"EV_EVENT_TAG", 0x6},
    {"EV_S_CRTM_CONTENTS", 0x7},
    {"EV_S_CRTM_VERSION", 0x8},
    {"EV_CPU_MICROCODE", 0x9},
    {"EV_PLATFORM_CONFIG_FLAGS", 0xA},
    {"EV_TABLE_OF_DEVICES", 0xB},
    {"EV_COMPACT_HASH", 0xC},
    {"EV_IPL", 0xD},
    {"EV_IPL_PARTITION_DATA", 0xE},
    {"EV_NONHOST_CODE", 0xF},
    {"EV_NONHOST_CONFIG", 0x10},
    {"EV_NONHOST_INFO", 0x11},
    {"EV_OMIT_BOOT_DEVICE_EVENTS", 0x12},
    {"EV_POST_CODE2", 0x13},
    {"EV_EFI_VARIABLE_DRIVER_CONFIG", 0x80000001},
    {"EV_EFI_VARIABLE_BOOT", 0x80000002},
    {"EV_EFI_BOOT_SERVICES_APPLICATION", 0x80000003},
    {"EV_EFI_BOOT_SERVICES_DRIVER", 0x80000004},
    {"EV_EFI_RUNTIME_SERVICES_DRIVER", 0x80000005},
    {"EV_EFI_GPT_EVENT", 0x80000006},
    {"EV_EFI_ACTION", 0x80000007},
    {"EV_EFI_PLATFORM_FIRMWARE_BLOB", 0x80000008},
    {"EV_EFI_HANDOFF_TABLES", 0x80000009},
    {"EV_EFI_PLATFORM_FIRMWARE_BLOB2", 0x8000000A},
    {"EV_EFI_HANDOFF_TABLES2", 0x8000000B},
    {"EV_EFI_VARIABLE_BOOT2", 0x8000000C},
    {"EV_EFI_GPT_EVENT2", 0x8000000D},
    {"EV_EFI_HCRTM_EVENT", 0x80000010},
    {"EV_EFI_SPDM_FIRMWARE_BLOB", 0x800000E1},
    {"EV_EFI_SPDM_FIRMWARE_CONFIG", 0x800000E2},
}};
constexpr std::uint32_t kNoAction = 0x3;
constexpr std::uint32_t kSeparator = 0x4;

// "" if its events may be judged one by one.
std::string WhyNotPcr(std::int64_t pcr) {
  if (pcr == 10) return "PCR 10 is IMA's, whose log is judged by ima; remove it";
  // TCG PC Client Platform TPM Profile, "PCR Attributes".
  if (pcr == 16 || pcr == 23) return "PCRs 16 and 23 can be reset by any software, so they prove nothing; remove it";
  if (pcr < 0 || pcr >= static_cast<std::int64_t>(limits::kPcrCount)) return "a PCR is a number from 0 to 23";
  return "";
}

std::uint32_t ReadPcrList(ObjectReader& boot) {
  auto list = boot.Raw("pcrs");
  if (!list) return kDefaultPcrs;
  if (!list->IsArray() || list->size() == 0) {
    boot.Fail("pcrs", "must be a list of numbers, such as [4, 7, 9], and not empty");
    return 0;
  }
  std::uint32_t pcrs = 0;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::int64_t pcr = list->at(i).AsInt().value_or(-1);
    std::string problem = WhyNotPcr(pcr);
    if (problem.empty() && (pcrs & Bit(static_cast<unsigned>(pcr))) != 0)
      problem = "lists PCR " + std::to_string(pcr) + " twice";
    if (!problem.empty()) {
      boot.Fail("pcrs", problem);
      return 0;
    }
    pcrs |= Bit(static_cast<unsigned>(pcr));
  }
  return pcrs;
}

// --- Secure Boot

KeyRule ReadKeyRule(ObjectReader& reader, bool only) {
  const std::string_view key = only ? "only" : "contains";
  KeyRule rule{.listed = ReadFingerprints(reader, key), .only = only, .at_least = {}};
  for (const crypto::Certificate& certificate : ReadCertificateList(reader, "certificates", false)) {
    Digest print = certificate.Fingerprint();
    if (std::find(rule.listed.begin(), rule.listed.end(), print) != rule.listed.end())
      reader.Fail("certificates", "has one that is listed before: " + print.text());
    rule.listed.push_back(std::move(print));
  }
  if (!only) {
    auto least = reader.OptionalInt("atLeast", 1, static_cast<std::int64_t>(limits::kSignatureListEntries));
    if (least) rule.at_least = static_cast<std::size_t>(*least);
  }
  if (reader.view().size() == 0) {
    reader.Fail("", only ? "asks for nothing; write only, or certificates"
                         : "asks for nothing; write contains, certificates or atLeast");
  }
  return rule;
}

void ReadKeyRules(ObjectReader& keys, BootPolicy& policy) {
  struct Variable {
    const char* key;
    const char* name;  // UEFI specification section 3.3, "Globally Defined Variables"
    bool only;
  };
  for (const Variable& variable : {Variable{"pk", "PK", true}, Variable{"kek", "KEK", true}, Variable{"db", "db", true},
                                   Variable{"dbx", "dbx", false}}) {
    keys.Object(variable.key, Presence::kOptional,
                [&](ObjectReader& reader) { policy.keys.emplace(variable.name, ReadKeyRule(reader, variable.only)); });
  }
  if (keys.view().size() == 0) keys.Fail("", "asks for nothing; write pk, kek, db or dbx, or remove it");
}

void ReadSecureBoot(ObjectReader& boot, BootPolicy& policy) {
  auto secure = boot.OptionalEnum("secureBoot", {"required", "notRequired"});
  if (!boot.Has("secureBoot"))
    boot.Fail("secureBoot", "is required: required or notRequired, a decision that somebody writes down");
  policy.secure_boot = secure == "required";
  boot.Object("secureBootKeys", Presence::kOptional, [&](ObjectReader& keys) { ReadKeyRules(keys, policy); });
  policy.signers = ReadFingerprints(boot, "signers");
  for (const char* key : {"secureBootKeys", "signers"}) {
    if (boot.Has(key) && !policy.secure_boot)
      boot.Fail(key, "proves nothing where Secure Boot may be off; write secureBoot: required, or remove it");
  }
  if (boot.ok() && policy.secure_boot && (policy.pcrs & Bit(7)) == 0)
    boot.Fail("pcrs", "must have PCR 7, in which Secure Boot is proven");
}

// --- the command line

std::vector<std::string> ReadWords(ObjectReader& reader, std::string_view key) {
  std::vector<std::string> words = reader.Strings(key, reader.Has(key) ? Presence::kRequired : Presence::kOptional);
  for (const std::string& word : words) {
    auto blank = [](char c) { return c == ' ' || (c >= 0 && c < ' ') || c == '\x7f'; };
    if (word.size() > limits::kPatternBytes || std::any_of(word.begin(), word.end(), blank) || word == "=") {
      reader.Fail(key, "'" + Printable(word, 64) +
                           "' is not one word of a command line, such as ro, lockdown=integrity or, for any value, "
                           "init=");
    }
    if (std::count(words.begin(), words.end(), word) > 1) reader.Fail(key, "lists '" + Printable(word, 64) + "' twice");
  }
  return words;
}

void ReadCommandLine(ObjectReader& line, BootPolicy& policy) {
  Accepted accepted = ReadAccepted(line, {.any = false, .bank = policy.bank}, true);
  policy.required_words = ReadWords(line, "required");
  policy.forbidden_words = ReadWords(line, "forbidden");
  for (const std::string& word : policy.forbidden_words) {
    if (std::find(policy.required_words.begin(), policy.required_words.end(), word) != policy.required_words.end())
      line.Fail("forbidden", "has '" + Printable(word, 64) + "', which is required; no command line would do");
  }
  const bool words = !policy.required_words.empty() || !policy.forbidden_words.empty();
  // One that is accepted by its digest is known as well, without its text.
  policy.needs_command_line = words || (!accepted.texts.empty() && accepted.digests.empty());
  if (line.view().size() == 0)
    line.Fail("", "asks for nothing; write exact, globs, regexes, digests, required or forbidden, or remove it");
  if (!accepted.empty()) policy.accepted.insert_or_assign(BootPart::kCommandLine, std::move(accepted));
}

bool RulesCommandLine(const BootPolicy& policy) {
  const auto rule = policy.accepted.find(BootPart::kCommandLine);
  return policy.needs_command_line || (rule != policy.accepted.end() && !rule->second.any);
}

// --- what is passed over

std::optional<std::uint32_t> ParseEventType(std::string_view text) {
  for (const EventType& known : kEventTypes) {
    if (known.name == text) return known.type;
  }
  if (!text.starts_with("0x") || text.size() > 10) return std::nullopt;
  std::uint32_t type = 0;
  auto [stop, error] = std::from_chars(text.data() + 2, text.data() + text.size(), type, 16);
  if (error != std::errc() || stop != text.data() + text.size() || type == kNoAction) return std::nullopt;
  return type;
}

void ReadIgnored(ObjectReader& reader, BootPolicy& policy) {
  const std::int64_t pcr = reader.Int("pcr", 0, static_cast<std::int64_t>(limits::kPcrCount) - 1);
  auto text = reader.OptionalString("type");
  if (!reader.ok()) return;
  BootPolicy::Ignored ignored{.pcr = static_cast<unsigned>(pcr), .type = {}};
  if ((policy.pcrs & Bit(ignored.pcr)) == 0)
    return reader.Fail("pcr",
                       "PCR " + std::to_string(pcr) + " is not among pcrs, so nothing of it is judged; remove it");
  if ((Bit(ignored.pcr) & kCommandLinePcrs) != 0 && RulesCommandLine(policy)) {
    return reader.Fail("pcr", "any event of PCR 8, 9 or 12 may be the command line, of which there are rules; accept " +
                                  std::string(ignored.pcr == 8   ? "loaderCommands"
                                              : ignored.pcr == 9 ? "loaderFiles and initrds"
                                                                 : "credentials") +
                                  " instead");
  }
  if (ignored.pcr == 7 && policy.secure_boot)
    return reader.Fail("pcr", "Secure Boot, and who signed what, is proven by PCR 7; remove it");
  if (text) {
    ignored.type = ParseEventType(*text);
    if (text == "EV_SEPARATOR" || ignored.type == kSeparator)
      return reader.Fail("type", "separators are always judged; remove it");
    if (!ignored.type) {
      return reader.Fail("type", "'" + Printable(*text, 64) +
                                     "' is not a type of events that are measured; write a name such as "
                                     "EV_EFI_GPT_EVENT, or a number such as \"0x80000006\"");
    }
  }
  auto same = [&](const BootPolicy::Ignored& other) {
    return other.pcr == ignored.pcr && (other.type == ignored.type || !other.type || !ignored.type);
  };
  if (std::any_of(policy.ignored.begin(), policy.ignored.end(), same))
    return reader.Fail("", "says what is said before; remove one of them");
  policy.ignored.push_back(ignored);
}

// An empty policy is no policy: it would look like one, and either pass whatever boots or nothing at all.
void CheckAccepts(ObjectReader& boot, const BootPolicy& policy, bool has_references) {
  if (boot.Has("accept") || has_references) return;
  if (policy.pcrs == Bit(7)) {
    if (!policy.secure_boot)
      boot.Fail("secureBoot",
                "decides nothing: of PCR 7 alone, without Secure Boot, every boot would pass; write "
                "required, or judge more PCRs");
    return;
  }
  boot.Fail("accept",
            "is required, or referenceValues beside boot: what no rule accepts is a finding, so that no boot would do "
            "(of pcrs: [7], Secure Boot alone decides)");
}

}  // namespace

std::shared_ptr<const BootPolicy> ReadBoot(ObjectReader& boot, bool has_references) {
  auto policy = std::make_shared<BootPolicy>();
  policy->bank = ReadBank(boot, "bank", HashAlgorithm::kSha256);
  policy->pcrs = ReadPcrList(boot);
  ReadSecureBoot(boot, *policy);
  policy->allow_insecure_debug_mode = boot.OptionalBool("allowInsecureDebugMode").value_or(false);
  boot.Object("accept", Presence::kOptional, [&](ObjectReader& parts) {
    policy->accepted = ReadParts(parts, {.any = true, .bank = policy->bank});
    if (policy->accepted.contains(BootPart::kCommandLine) && boot.Has("commandLine"))
      parts.Fail("commandLine", "is said twice: keep it here or in boot.commandLine, and not in both");
    if (const auto line = policy->accepted.find(BootPart::kCommandLine); line != policy->accepted.end())
      policy->needs_command_line = !line->second.texts.empty() && line->second.digests.empty();
  });
  boot.Object("commandLine", Presence::kOptional, [&](ObjectReader& line) { ReadCommandLine(line, *policy); });
  if (boot.ok() && policy->needs_command_line && (policy->pcrs & kCommandLinePcrs) == 0)
    boot.Fail("pcrs", "must have PCR 8, 9 or 12, in one of which the command line is proven");
  boot.Each("ignore", boot.Has("ignore") ? Presence::kRequired : Presence::kOptional,
            [&](ObjectReader& ignored) { ReadIgnored(ignored, *policy); });
  if (boot.ok()) CheckAccepts(boot, *policy, has_references);
  return policy;
}

std::shared_ptr<const BootPolicy> WithWordsAlone(std::shared_ptr<const BootPolicy> boot,
                                                 const std::vector<ReferenceSet>& sets) {
  if (!boot || boot->accepted.contains(BootPart::kCommandLine)) return boot;
  if (boot->required_words.empty() && boot->forbidden_words.empty()) return boot;
  auto lists = [](const ReferenceSet& set) { return set.boot.contains(BootPart::kCommandLine); };
  if (std::any_of(sets.begin(), sets.end(), lists)) return boot;
  auto with = std::make_shared<BootPolicy>(*boot);
  with->accepted[BootPart::kCommandLine].texts.push_back(
      {"any that has the required words and no forbidden one", [](std::string_view) { return true; }});
  return with;
}

}  // namespace gatehouse::policy
