#include "common/appraisal/boot.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "common/appraisal/command_line.h"
#include "common/appraisal/secure_boot.h"
#include "common/appraisal/tpm.h"
#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::appraisal {
namespace {

using claims::BootEvent;
using claims::BootPart;

constexpr std::uint32_t Bit(unsigned pcr) {
  return std::uint32_t{1} << pcr;
}
constexpr std::uint32_t kAllowedPcrs = (Bit(limits::kPcrCount) - 1) & ~(Bit(10) | Bit(16) | Bit(23));
constexpr unsigned kLastFirmwarePcr = 7;
constexpr std::uint32_t kCommandLinePcrs = Bit(8) | Bit(9) | Bit(12);

constexpr std::string_view kDebugMode = "UEFI Debug Mode";
constexpr std::array<std::string_view, 5> kKnownActions = {
    "Calling EFI Application from Boot Option", "Returning from EFI Application from Boot Option",
    "Exit Boot Services Invocation", "Exit Boot Services Returned with Success",
    "Exit Boot Services Returned with Failure"};

// Sections that a UKI may have (systemd-stub(7) and the UKI specification). Their names say nothing by themselves: it
// is their content that must be listed.
constexpr std::array<std::string_view, 15> kSectionNames = {".linux",  ".osrel",   ".cmdline", ".initrd", ".splash",
                                                            ".dtb",    ".dtbauto", ".hwids",   ".uname",  ".sbat",
                                                            ".pcrsig", ".pcrpkey", ".profile", ".ucode",  ".efifw"};

template <std::size_t N>
bool Has(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Reason ReasonOf(BootPart part) {
  switch (part) {
    case BootPart::kDrivers:
    case BootPart::kApplications:
    case BootPart::kAuthorities:
    case BootPart::kLoaderFiles:
    case BootPart::kInitrds:
    case BootPart::kUkiSections:
    case BootPart::kMok:
      return Reason::kBootComponentUnlisted;
    case BootPart::kCommandLine:
      return Reason::kCommandLineRefused;
    case BootPart::kFirmware:
      return Reason::kFirmwareUnlisted;
    case BootPart::kPlatformConfig:
    case BootPart::kBootVariables:
    case BootPart::kPartitions:
    case BootPart::kSecureBootKeys:
    case BootPart::kLoaderCommands:
    case BootPart::kPhases:
    case BootPart::kCredentials:
    case BootPart::kActions:
    case BootPart::kSeparators:
    case BootPart::kOther:
      return Reason::kBootEventUnexpected;
  }
  return Reason::kBootEventUnexpected;
}

std::string WhereOf(const BootEvent& event) {
  return "boot event " + std::to_string(event.number) + " (pcr " + std::to_string(event.pcr) + ")";
}

class Appraiser {
 public:
  Appraiser(const BootPolicy& policy, const std::vector<const ReferenceSet*>& sets, const claims::VerifiedBootLog& log)
      : policy_(policy), sets_(sets), log_(log), pcrs_(policy.pcrs & kAllowedPcrs & log.proven_pcrs(policy.bank)) {}

  BootAppraisal Run();

 private:
  enum class Match : std::uint8_t { kNo, kAny, kDigest, kText };
  struct Acceptance {
    Match match = Match::kNo;
    std::optional<WallTime> until;
  };

  void Add(Reason reason, const BootEvent& event, const std::string& detail) {
    result_.findings.push_back({reason, WhereOf(event), detail});
  }
  [[nodiscard]] std::string PcrName(unsigned pcr) const {
    return "pcr " + std::to_string(pcr) + " (" + std::string(Name(policy_.bank)) + ")";
  }
  [[nodiscard]] bool Judged(const BootEvent& event) const { return (pcrs_ & Bit(event.pcr)) != 0; }
  [[nodiscard]] const Bytes& DigestOf(const BootEvent& event) const { return event.digests.at(policy_.bank); }

  void JudgePcrs();
  void JudgeSeparators();
  void JudgeSecureBootRules();
  void LookAround();
  void JudgeFalseData();
  void JudgeCommandLines();
  void JudgeEvent(const BootEvent& event);
  void JudgePcr7(const BootEvent& event);
  void JudgeCommandLine(const BootEvent& event);
  void JudgeComponent(const BootEvent& event);
  [[nodiscard]] bool IsIgnored(const BootEvent& event) const;
  [[nodiscard]] bool HasRules(BootPart part) const;
  [[nodiscard]] bool AnyOf(BootPart part) const;
  [[nodiscard]] bool RulesCommandLine() const;
  [[nodiscard]] bool ExpectsCommandLine() const;
  [[nodiscard]] bool IsKnownCommandLine(const BootEvent& event) const;
  [[nodiscard]] bool MayBeCommandLine(const BootEvent& event) const;
  [[nodiscard]] bool AnyCounts(BootPart part, const BootEvent& event) const;
  [[nodiscard]] Match Try(const Accepted& rule, BootPart part, const BootEvent& event) const;
  [[nodiscard]] Acceptance Find(BootPart part, const BootEvent& event) const;
  bool Accept(BootPart part, const BootEvent& event);
  void Refuse(Reason reason, BootPart part, const BootEvent& event, const std::string& why = "");

  const BootPolicy& policy_;
  const std::vector<const ReferenceSet*>& sets_;
  const claims::VerifiedBootLog& log_;
  const std::uint32_t pcrs_;  // asked for, and proven
  SecureBoot secure_boot_;
  std::array<bool, limits::kPcrCount> separated_{};  // while events are judged in their order
  std::set<const BootEvent*> false_data_;
  bool some_application_by_digest_ = false;
  bool command_line_in_pcr8_ = false;
  bool command_line_proven_ = false;  // its text, somewhere in the log
  bool command_line_known_ = false;   // that, or it is listed by its digest
  bool something_judged_ = false;
  bool command_line_judged_ = false;   // an event of that part is there, and is not passed over
  bool command_line_in_pcr9_ = false;  // before the event that is judged
  BootAppraisal result_;
};

// --- what is accepted

bool Appraiser::HasRules(BootPart part) const {
  const auto has = [part](const AcceptedParts& parts) {
    const auto rule = parts.find(part);
    return rule != parts.end() && !rule->second.empty();
  };
  return has(policy_.accepted) ||
         std::any_of(sets_.begin(), sets_.end(), [&has](const ReferenceSet* set) { return has(set->boot); });
}

bool Appraiser::AnyOf(BootPart part) const {
  const auto any = [part](const AcceptedParts& parts) {
    const auto rule = parts.find(part);
    return rule != parts.end() && rule->second.any;
  };
  return any(policy_.accepted) ||
         std::any_of(sets_.begin(), sets_.end(), [&any](const ReferenceSet* set) { return any(set->boot); });
}

// Whether the policy itself says what a command line may be.
bool Appraiser::RulesCommandLine() const {
  if (policy_.needs_command_line || !policy_.required_words.empty() || !policy_.forbidden_words.empty()) return true;
  const auto rule = policy_.accepted.find(BootPart::kCommandLine);
  return rule != policy_.accepted.end() && !rule->second.empty() && !rule->second.any;
}

// Whether a boot without any command line breaks a rule: what is not measured can be anything. An application that sets
// list by its digest measures what it always does; of those that a signer vouches for, older ones measure nothing.
bool Appraiser::ExpectsCommandLine() const {
  const std::uint32_t places = policy_.pcrs & kCommandLinePcrs;
  // Where one is not proven, or nothing was measured, that is said already.
  if (places == 0 || (pcrs_ & places) != places || !something_judged_) return false;
  if (AnyOf(BootPart::kCommandLine)) return false;
  if (RulesCommandLine()) return true;
  return HasRules(BootPart::kCommandLine) && (!policy_.signers.empty() || AnyOf(BootPart::kApplications));
}

// The type of an event is not measured: of PCRs 8, 9 and 12 an event of which nothing but the digest is proven may be a
// command line that somebody calls a file. It is not once the command line of this boot is known: GRUB and the
// kernel's EFI stub measure it before the files that come after it.
bool Appraiser::MayBeCommandLine(const BootEvent& event) const {
  const bool words = !policy_.required_words.empty() || !policy_.forbidden_words.empty();
  if (!event.text.empty() || (AnyOf(BootPart::kCommandLine) && !words)) return false;
  switch (event.pcr) {
    case 8:
      return true;
    case 9:
      return !command_line_in_pcr8_ && !command_line_in_pcr9_;
    case 12:
      return !command_line_known_;
    default:
      return false;
  }
}

// Whether "any of this part" covers an event of which only the digest is proven, though it may be of another part for
// which not anything is accepted.
bool Appraiser::AnyCounts(BootPart part, const BootEvent& event) const {
  if (part != BootPart::kCommandLine && MayBeCommandLine(event)) return false;
  if (part == BootPart::kInitrds && HasRules(BootPart::kLoaderFiles)) return AnyOf(BootPart::kLoaderFiles);
  if (part == BootPart::kLoaderFiles && HasRules(BootPart::kInitrds)) return AnyOf(BootPart::kInitrds);
  return true;
}

Appraiser::Match Appraiser::Try(const Accepted& rule, BootPart part, const BootEvent& event) const {
  if (std::binary_search(rule.digests.begin(), rule.digests.end(), DigestOf(event))) return Match::kDigest;
  if (!event.text.empty() && std::any_of(rule.texts.begin(), rule.texts.end(),
                                         [&event](const TextRule& text) { return text.matches(event.text); })) {
    return Match::kText;
  }
  return rule.any && AnyCounts(part, event) ? Match::kAny : Match::kNo;
}

// What the policy accepts holds for ever; of sets that accept it, the one that holds longest counts.
Appraiser::Acceptance Appraiser::Find(BootPart part, const BootEvent& event) const {
  if (const auto rule = policy_.accepted.find(part); rule != policy_.accepted.end()) {
    if (const Match match = Try(rule->second, part, event); match != Match::kNo) return {match, std::nullopt};
  }
  Acceptance best;
  for (const ReferenceSet* set : sets_) {
    const auto rule = set->boot.find(part);
    if (rule == set->boot.end()) continue;
    const Match match = Try(rule->second, part, event);
    if (match == Match::kNo) continue;
    const bool longer = best.match == Match::kNo || (best.until && (!set->not_after || *best.until < *set->not_after));
    if (longer) best = {match, set->not_after};
  }
  return best;
}

// Its text is proven, or its digest is listed.
bool Appraiser::IsKnownCommandLine(const BootEvent& event) const {
  return event.part == BootPart::kCommandLine &&
         (!event.text.empty() || Find(BootPart::kCommandLine, event).match == Match::kDigest);
}

bool Appraiser::Accept(BootPart part, const BootEvent& event) {
  Acceptance found = Find(part, event);
  // A file that is listed is listed, whether as an initrd or as a file of the loader: PCR 9 does not tell.
  if (found.match == Match::kNo && (part == BootPart::kInitrds || part == BootPart::kLoaderFiles)) {
    const BootPart other = part == BootPart::kInitrds ? BootPart::kLoaderFiles : BootPart::kInitrds;
    found = Find(other, event);
    if (found.match != Match::kDigest) found = {};
  }
  if (found.match == Match::kNo) return false;
  if (found.until && (!result_.holds_until || *found.until < *result_.holds_until)) result_.holds_until = found.until;
  return true;
}

void Appraiser::Refuse(Reason reason, BootPart part, const BootEvent& event, const std::string& why) {
  std::string detail;
  if (!event.text.empty()) {
    detail = "'" + Printable(event.text, 200) + "'";
  } else if (part == BootPart::kCommandLine) {
    detail = "a command line whose text is not known";
  } else {
    detail = Printable(event.hint, 120);
  }
  detail += ", " + std::string(Name(policy_.bank)) + " " + EncodeHex(DigestOf(event));
  const std::string name(claims::Name(part));
  detail += why.empty() ? "; no rule of " + name + " accepts it" : "; " + why;
  const bool listed_by_part = part != BootPart::kAuthorities && part != BootPart::kSecureBootKeys;
  if (why.empty() && listed_by_part) {
    detail += ". To accept it, list its digest " + std::string(event.text.empty() ? "" : "or text ") + "under " + name +
              " in a set of the reference values";
  }
  Add(reason, event, detail);
}

bool Appraiser::IsIgnored(const BootEvent& event) const {
  // Any event of these PCRs may be the command line: a log does not have to prove it.
  if ((kCommandLinePcrs & Bit(event.pcr)) != 0 && RulesCommandLine()) return false;
  return std::any_of(policy_.ignored.begin(), policy_.ignored.end(), [&event](const BootPolicy::Ignored& rule) {
    return rule.pcr == event.pcr && (!rule.type || *rule.type == event.type);
  });
}

// --- the log as a whole

void Appraiser::JudgePcrs() {
  if ((policy_.pcrs & kAllowedPcrs) == 0) {
    result_.findings.push_back({Reason::kPcrMissing, "event log", "the policy names no PCR"});
    return;
  }
  for (unsigned pcr = 0; pcr < limits::kPcrCount; ++pcr) {
    if ((policy_.pcrs & kAllowedPcrs & Bit(pcr)) == 0 || (pcrs_ & Bit(pcr)) != 0) continue;
    const auto why = log_.mismatches().find(pcr);
    result_.findings.push_back({Reason::kEventLogMismatch, PcrName(pcr),
                                why != log_.mismatches().end() ? why->second : "the quote or the log is not over it"});
  }
  if (pcrs_ != 0 && std::none_of(log_.events().begin(), log_.events().end(),
                                 [this](const BootEvent& event) { return Judged(event); })) {
    result_.findings.push_back(
        {Reason::kBootEventUnexpected, "event log", "nothing was measured into the PCRs of the policy"});
  }
}

// Section 10.4.1: firmware ends the pre-boot part of PCR 0 to 7 with a separator, once.
void Appraiser::JudgeSeparators() {
  std::array<unsigned, limits::kPcrCount> count{};
  for (const BootEvent& event : log_.events()) {
    if (!Judged(event) || event.part != BootPart::kSeparators) continue;
    if (event.error_separator) Add(Reason::kBootFailed, event, "an error separator");
    if (++count.at(event.pcr) > 1) Add(Reason::kBootEventUnexpected, event, "another separator of this PCR");
  }
  for (unsigned pcr = 0; pcr <= kLastFirmwarePcr; ++pcr) {
    if ((pcrs_ & Bit(pcr)) == 0 || count.at(pcr) != 0) continue;
    result_.findings.push_back(
        {Reason::kBootEventUnexpected, PcrName(pcr), "no separator: the firmware measured nothing, or did not end"});
  }
}

void Appraiser::JudgeSecureBootRules() {
  if (!AsksForSecureBoot(policy_)) return;
  if ((pcrs_ & Bit(kSecureBootPcr)) != 0) {
    secure_boot_ = JudgeSecureBoot(policy_, log_);
    std::move(secure_boot_.findings.begin(), secure_boot_.findings.end(), std::back_inserter(result_.findings));
  } else if ((policy_.pcrs & Bit(kSecureBootPcr)) == 0) {
    result_.findings.push_back(
        {Reason::kSecureBootOff, PcrName(kSecureBootPcr), "not among the policy's PCRs, so that nothing is proven"});
  }
}

void Appraiser::JudgeFalseData() {
  std::map<std::uint32_t, const BootEvent*> by_number;
  for (const BootEvent& event : log_.events()) {
    if (Judged(event) && event.part != BootPart::kPhases) by_number.emplace(event.number, &event);
  }
  for (const auto& [number, why] : log_.false_data()) {
    const auto event = by_number.find(number);
    if (event == by_number.end()) continue;
    false_data_.insert(event->second);
    Add(Reason::kEventDataMismatch, *event->second, why);
  }
}

void Appraiser::LookAround() {
  for (const BootEvent& event : log_.events()) {
    if (!Judged(event)) continue;
    something_judged_ = true;
    command_line_judged_ |= event.part == BootPart::kCommandLine && !IsIgnored(event);
    if (IsKnownCommandLine(event)) {
      command_line_proven_ |= !event.text.empty();
      command_line_known_ = true;
      command_line_in_pcr8_ |= event.pcr == 8;
    }
    if (event.part == BootPart::kApplications && Find(BootPart::kApplications, event).match == Match::kDigest) {
      some_application_by_digest_ = true;
    }
  }
}

void Appraiser::JudgeCommandLines() {
  const bool needed = policy_.needs_command_line || !policy_.required_words.empty() || !policy_.forbidden_words.empty();
  if (needed && !command_line_proven_) {
    result_.findings.push_back({Reason::kCommandLineRefused, "event log",
                                "no event proves the text of the kernel's command line (the EFI stub measures it "
                                "without its text: does the agent send /proc/cmdline?)"});
  } else if (ExpectsCommandLine() && !command_line_judged_ && !command_line_known_) {
    result_.findings.push_back(
        {Reason::kCommandLineRefused, "event log",
         "no command line was measured, so that it may be any; what booted does not measure it"});
  }
}

// --- each event

void Appraiser::JudgeCommandLine(const BootEvent& event) {
  const bool words = !policy_.required_words.empty() || !policy_.forbidden_words.empty();
  const Acceptance found = Find(BootPart::kCommandLine, event);
  if (event.text.empty()) {
    // Words cannot be looked for in a digest; one that is listed was read by who listed it.
    if (found.match == Match::kDigest || (found.match == Match::kAny && !words)) {
      static_cast<void>(Accept(BootPart::kCommandLine, event));
      return;
    }
    return Refuse(Reason::kCommandLineRefused, BootPart::kCommandLine, event, words ? "its text is not proven" : "");
  }
  const std::vector<std::string> refused = WordsRefused(event.text, policy_.required_words, policy_.forbidden_words);
  if (!refused.empty()) {
    std::string why;
    for (const std::string& word : refused) why += (why.empty() ? "it " : ", it ") + word;
    return Refuse(Reason::kCommandLineRefused, BootPart::kCommandLine, event, why);
  }
  if (!Accept(BootPart::kCommandLine, event)) {
    Refuse(Reason::kCommandLineRefused, BootPart::kCommandLine, event);
  }
}

void Appraiser::JudgePcr7(const BootEvent& event) {
  if (event.part == BootPart::kAuthorities && event.variable) {
    if (IsRecordOfShim(*event.variable)) return;
    const bool listed = IsListedSigner(policy_, *event.variable);
    if (listed || (policy_.signers.empty() && !HasRules(BootPart::kAuthorities))) return;
    if (IsIgnored(event) || Accept(BootPart::kAuthorities, event)) return;
    const auto& entries = event.variable->entries;
    return Refuse(Reason::kBootComponentUnlisted, BootPart::kAuthorities, event,
                  entries.empty() ? "not a certificate that signers list"
                                  : entries.front().digest.text() + " " + Printable(entries.front().label, 80) +
                                        " is not among the signers");
  }
  if (event.part == BootPart::kSecureBootKeys && event.variable && IsSecureBootVariable(*event.variable)) {
    if (separated_.at(kSecureBootPcr)) {
      return Refuse(Reason::kBootEventUnexpected, event.part, event, "a Secure Boot variable after the separator");
    }
    if (SaysUnverified(*event.variable) && !policy_.allow_insecure_debug_mode) {
      Refuse(Reason::kDebugModeOn, event.part, event, "images are run whether or not they verify");
    }
    return;
  }
  if (IsIgnored(event)) return;
  if (separated_.at(kSecureBootPcr)) {
    return Refuse(Reason::kBootEventUnexpected, event.part, event, "after the separator there are authorities only");
  }
  if (!Accept(event.part, event)) Refuse(ReasonOf(event.part), event.part, event);
}

void Appraiser::JudgeComponent(const BootEvent& event) {
  const bool image = event.part == BootPart::kApplications || event.part == BootPart::kDrivers;
  if (image && secure_boot_.signed_by_listed) return;
  if (event.part == BootPart::kActions && Has(kKnownActions, event.text)) return;
  if (event.part == BootPart::kUkiSections && Has(kSectionNames, event.text)) return;
  if (Accept(event.part, event)) return;
  // Sections are parts of a file that is listed as a whole.
  if (event.part == BootPart::kUkiSections && some_application_by_digest_) return;
  std::string why;
  if (event.part != BootPart::kCommandLine && AnyOf(event.part) && !AnyCounts(event.part, event)) {
    why =
        "`any` does not cover it: nothing proves that it is none of the parts of which not anything is accepted; list "
        "its digest";
  }
  Refuse(ReasonOf(event.part), event.part, event, why);
}

void Appraiser::JudgeEvent(const BootEvent& event) {
  if (event.part == BootPart::kSeparators) {
    separated_.at(event.pcr) = true;
    return;
  }
  // Its text is not what was measured, which has been said: nothing more is known of it.
  if (false_data_.contains(&event)) return;
  // Only the known ones in their order are proven at all.
  if (event.part == BootPart::kPhases) return;
  if (event.text == kDebugMode) {
    if (!policy_.allow_insecure_debug_mode) Refuse(Reason::kDebugModeOn, event.part, event, "a debugger was enabled");
    return;
  }
  if (event.pcr == kSecureBootPcr) return JudgePcr7(event);
  if (!IsIgnored(event)) {
    const bool pre_boot = event.part == BootPart::kFirmware || event.part == BootPart::kDrivers;
    if (pre_boot && separated_.at(event.pcr)) {
      Refuse(Reason::kBootEventUnexpected, event.part, event, "after the separator of its PCR");
    } else if (event.part == BootPart::kCommandLine) {
      JudgeCommandLine(event);
    } else {
      JudgeComponent(event);
    }
  }
  command_line_in_pcr9_ |= event.pcr == 9 && IsKnownCommandLine(event);
}

BootAppraisal Appraiser::Run() {
  JudgePcrs();
  JudgeSeparators();
  JudgeSecureBootRules();
  LookAround();
  JudgeFalseData();
  JudgeCommandLines();
  for (const BootEvent& event : log_.events()) {
    if (Judged(event)) JudgeEvent(event);
  }
  return std::move(result_);
}

}  // namespace

BootAppraisal AppraiseBoot(const BootPolicy& policy, const std::vector<const ReferenceSet*>& sets,
                           const claims::VerifiedBootLog& log) {
  return Appraiser(policy, sets, log).Run();
}

}  // namespace gatehouse::appraisal
