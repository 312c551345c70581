#include "common/measure/proposal.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "common/base/encoding.h"
#include "common/claims/boot.h"
#include "common/measure/yaml_text.h"
#include "common/verify/replay/event_proof.h"

namespace gatehouse::measure {
namespace {

using claims::BootEvent;
using claims::BootPart;
using claims::SignatureEntry;
using evidence::eventlog::EventLog;
using evidence::eventlog::EventTypeName;

constexpr std::uint32_t kJudgedPcrs = 0x7BFF;  // 0 to 9 and 11 to 14: what a NodePolicy judges unless it says otherwise
constexpr std::string_view kDebugMode = "UEFI Debug Mode";

// One value of a list, and what it stands for.
struct Line {
  std::string value;
  std::string comment;
};

struct Rules {
  std::map<BootPart, std::vector<Line>> digests;
  std::map<BootPart, std::vector<Line>> texts;
  std::set<std::pair<unsigned, std::uint32_t>> ignored;  // PCR and event type
  bool secure_boot = false;
  std::map<std::string, std::vector<Line>> keys;  // "PK": fingerprints
  std::map<std::string, Line> authorities;        // fingerprints of certificates that let images run
  std::optional<std::size_t> dbx;                 // entries
};

std::optional<HashAlgorithm> BankOf(const EventLog& log) {
  for (HashAlgorithm bank : {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    if (std::find(log.banks.begin(), log.banks.end(), bank) != log.banks.end()) return bank;
  }
  return std::nullopt;
}

void AddOnce(std::vector<Line>& lines, Line line) {
  const auto same = [&line](const Line& other) { return other.value == line.value; };
  if (std::none_of(lines.begin(), lines.end(), same)) lines.push_back(std::move(line));
}

// Actions that every boot has, which are accepted without a rule.
bool IsOrdinaryAction(std::string_view text) {
  return text.starts_with("Calling EFI Application from Boot Option") ||
         text.starts_with("Returning from EFI Application from Boot Option") || text.starts_with("Exit Boot Services ");
}

// Whether a part is known by texts, where one is proven: names of files and images are not.
bool HasTexts(BootPart part) {
  return part == BootPart::kFirmware || part == BootPart::kLoaderCommands || part == BootPart::kCommandLine ||
         part == BootPart::kActions;
}

class Proposer {
 public:
  Proposer(HashAlgorithm bank, const ProposalOptions& options) : bank_(bank), options_(options) {}

  Status Add(const BootEvent& event);
  [[nodiscard]] Proposal Write() const;
  [[nodiscard]] bool empty() const { return rules_.digests.empty() && rules_.texts.empty(); }

 private:
  void AddKey(const BootEvent& event);
  void AddAuthority(const BootEvent& event);
  [[nodiscard]] std::string ReferenceValues() const;
  [[nodiscard]] std::string NodePolicy() const;
  [[nodiscard]] std::string SecureBoot() const;
  [[nodiscard]] std::string Ignored() const;

  HashAlgorithm bank_;
  const ProposalOptions& options_;
  Rules rules_;
};

std::string Where(const BootEvent& event) {
  return "boot event " + std::to_string(event.number) + " (pcr " + std::to_string(event.pcr) + ")";
}

void Proposer::AddKey(const BootEvent& event) {
  if (!event.variable) return;
  const claims::BootVariable& variable = *event.variable;
  if (variable.name == "SecureBoot") rules_.secure_boot = variable.data == Bytes{1};
  if (variable.malformed) return;
  if (variable.name == "dbx") rules_.dbx = variable.entries.size();
  if (variable.name != "PK" && variable.name != "KEK" && variable.name != "db") return;
  for (const SignatureEntry& entry : variable.entries) {
    AddOnce(rules_.keys[variable.name], {entry.digest.text(), entry.label});
  }
}

void Proposer::AddAuthority(const BootEvent& event) {
  if (!event.variable) return;
  for (const SignatureEntry& entry : event.variable->entries) {
    if (entry.kind == SignatureEntry::Kind::kCertificate) {
      rules_.authorities.emplace(entry.digest.text(), Line{entry.digest.text(), entry.label});
    }
  }
}

Status Proposer::Add(const BootEvent& event) {
  switch (event.part) {
    case BootPart::kSeparators:
      if (event.error_separator) return Error{Reason::kBootFailed, Where(event), "the firmware reported an error"};
      return Ok();
    case BootPart::kPhases:
      return Ok();
    case BootPart::kSecureBootKeys:
      AddKey(event);
      return Ok();
    case BootPart::kAuthorities:
      AddAuthority(event);
      return Ok();
    case BootPart::kBootVariables:
    case BootPart::kPlatformConfig:
    case BootPart::kPartitions:
      rules_.ignored.emplace(event.pcr, event.type);
      return Ok();
    case BootPart::kActions:
      if (event.text == kDebugMode) return Error{Reason::kDebugModeOn, Where(event), "the firmware is in debug mode"};
      if (IsOrdinaryAction(event.text)) return Ok();
      break;
    case BootPart::kFirmware:
    case BootPart::kDrivers:
    case BootPart::kApplications:
    case BootPart::kLoaderCommands:
    case BootPart::kLoaderFiles:
    case BootPart::kCommandLine:
    case BootPart::kInitrds:
    case BootPart::kUkiSections:
    case BootPart::kCredentials:
    case BootPart::kMok:
    case BootPart::kOther:
      break;
  }
  const bool text = HasTexts(event.part) && !event.text.empty() && IsUtf8(event.text) &&
                    event.text.size() <= limits::kCommandLineBytes && event.text.find('\0') == std::string::npos;
  if (text) {
    AddOnce(rules_.texts[event.part], {YamlQuoted(event.text), ""});
  } else {
    AddOnce(rules_.digests[event.part], {EncodeHex(event.digests.at(bank_)), event.hint});
  }
  return Ok();
}

void AppendList(std::string& yaml, const std::string& indent, std::string_view key, const std::vector<Line>& lines) {
  if (lines.empty()) return;
  yaml += indent + std::string(key) + ":\n";
  for (const Line& line : lines) {
    yaml += indent + "  - " + line.value;
    if (!line.comment.empty()) yaml += "  # " + YamlComment(line.comment);
    yaml += "\n";
  }
}

std::string Head(std::string_view kind, const std::string& name) {
  return "apiVersion: gatehouse.dev/v1alpha1\nkind: " + std::string(kind) + "\nmetadata:\n  name: " + name +
         "\nspec:\n";
}

std::string Proposer::ReferenceValues() const {
  std::string yaml = Head("ReferenceValues", options_.name);
  if (!options_.source.empty()) yaml += "  source: " + YamlQuoted(options_.source) + "\n";
  yaml += "  sets:\n    # An update adds a set with a notBefore, and gives this one a notAfter.\n    - name: " +
          options_.set + "\n      tpm:\n        boot:\n";
  const std::string indent(10, ' ');
  for (std::string_view name : claims::kBootPartNames) {
    const BootPart part = *claims::ParseBootPart(name);
    const auto texts = rules_.texts.find(part);
    const auto digests = rules_.digests.find(part);
    if (texts == rules_.texts.end() && digests == rules_.digests.end()) continue;
    yaml += indent + std::string(name) + ":\n";
    if (texts != rules_.texts.end()) AppendList(yaml, indent + "  ", "exact", texts->second);
    if (digests != rules_.digests.end()) AppendList(yaml, indent + "  ", "digests", digests->second);
  }
  return yaml;
}

std::string Proposer::SecureBoot() const {
  if (!rules_.secure_boot) {
    return "      # Secure Boot was off: only the digests say what may run. Turn it on if you can.\n"
           "      secureBoot: notRequired\n";
  }
  std::string yaml = "      secureBoot: required\n";
  const auto pair = [](std::string_view key, std::string_view name) { return std::pair(key, name); };
  std::string keys;
  for (const auto& [key, name] : {pair("pk", "PK"), pair("kek", "KEK"), pair("db", "db")}) {
    const auto found = rules_.keys.find(std::string(name));
    if (found == rules_.keys.end()) continue;
    keys += "        " + std::string(key) + ":\n";
    AppendList(keys, "          ", "only", found->second);
  }
  if (rules_.dbx && *rules_.dbx > 0) {
    keys += "        # Revocations are only ever added: fewer are an old list.\n        dbx:\n          atLeast: " +
            std::to_string(*rules_.dbx) + "\n";
  }
  if (!keys.empty()) yaml += "      secureBootKeys:\n" + keys;
  if (!rules_.authorities.empty()) {
    yaml +=
        "      # In place of applications and drivers in the reference values, whatever these signed may be accepted,\n"
        "      # by a list \"signers\" of these:\n";
    for (const auto& [fingerprint, line] : rules_.authorities) {
      yaml += "      #   " + fingerprint + "  " + YamlComment(line.comment) + "\n";
    }
  }
  return yaml;
}

std::string Proposer::Ignored() const {
  if (rules_.ignored.empty()) return "";
  std::string yaml =
      "      # These differ between good boots of one machine: boot order and entries, devices that are there, tables "
      "that\n"
      "      # hold addresses, partitions of its disk. What they lead to is measured by itself.\n"
      "      ignore:\n";
  for (const auto& [pcr, type] : rules_.ignored) {
    const std::string name = EventTypeName(type);
    yaml += "        - {pcr: " + std::to_string(pcr) + ", type: " + (name.starts_with("0x") ? YamlQuoted(name) : name) +
            "}\n";
  }
  return yaml;
}

std::string Proposer::NodePolicy() const {
  std::string yaml = Head("NodePolicy", options_.name);
  yaml +=
      "  nodes:\n    - glob: \"*\"  # narrow it to the machines that these values are of\n"
      "  mode: warn  # enforce, once the nodes are seen to meet it\n"
      "  tpm:\n    trustRoots:\n      - " +
      options_.trust_root +
      "  # of kind tpm: the manufacturers whose TPMs are believed\n"
      "    referenceValues:\n      - " +
      options_.name + "\n    boot:\n      bank: " + std::string(Name(bank_)) + "\n";
  return yaml + SecureBoot() + Ignored();
}

Proposal Proposer::Write() const {
  Proposal proposal;
  if (!rules_.secure_boot) proposal.notes.emplace_back("Secure Boot was off: the policy does not require it");
  if (!rules_.ignored.empty()) {
    const std::size_t kinds = rules_.ignored.size();
    proposal.notes.push_back("events of " + (kinds == 1 ? "one kind" : std::to_string(kinds) + " kinds") +
                             " are ignored: they differ between good boots");
  }
  const auto command_line = rules_.digests.find(BootPart::kCommandLine);
  if (command_line != rules_.digests.end()) {
    proposal.notes.emplace_back(
        "a command line is known by its digest only: give --command-line (/proc/cmdline of the machine) for its text");
  }
  proposal.yaml =
      "# Proposed from a boot event log, which proves nothing by itself: use it only if the machine was good.\n" +
      ReferenceValues() + "---\n" + NodePolicy();
  return proposal;
}

}  // namespace

Result<Proposal> ProposeBoot(const EventLog& log, const ProposalOptions& options) {
  const auto bank = BankOf(log);
  if (!bank) {
    return Error{Reason::kContentUnsupported, "boot event log",
                 "it has SHA-1 only, of which no reference value is made"};
  }
  Proposer proposer(*bank, options);
  verify::replay::EventProver prover(options.command_line);
  for (const evidence::eventlog::Event& event : log.events) {
    if (event.type == evidence::eventlog::event_type::kNoAction || event.pcr >= 32 ||
        (kJudgedPcrs >> event.pcr & 1) == 0) {
      continue;
    }
    verify::replay::EventProof proof = prover.Prove(event, log.banks);
    if (!proof.false_data.empty()) {
      return Error{Reason::kEventDataMismatch, Where(proof.event), std::move(proof.false_data)};
    }
    RETURN_IF_ERROR(proposer.Add(proof.event));
  }
  if (proposer.empty()) {
    return Error{Reason::kContentUnsupported, "boot event log",
                 "it holds nothing that a reference value could be made of"};
  }
  return proposer.Write();
}

}  // namespace gatehouse::measure
