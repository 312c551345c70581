#include "common/measure/event_words.h"

#include <algorithm>
#include <sstream>
#include <vector>

#include "common/base/encoding.h"

namespace gatehouse::measure {
namespace {

using claims::BootEvent;
using claims::BootPart;
using claims::SignatureEntry;

constexpr std::size_t kMostTold = 20;  // entries of a database that are named one by one

// What comes of a part's event, for people.
std::string_view Noun(BootPart part) {
  switch (part) {
    case BootPart::kFirmware:
      return "firmware";
    case BootPart::kPlatformConfig:
      return "platform configuration";
    case BootPart::kBootVariables:
      return "boot variable";
    case BootPart::kDrivers:
      return "driver or option ROM";
    case BootPart::kApplications:
      return "boot loader, UKI or kernel";
    case BootPart::kPartitions:
      return "partition table";
    case BootPart::kSecureBootKeys:
      return "Secure Boot variable";
    case BootPart::kAuthorities:
      return "authority that let an image run";
    case BootPart::kLoaderCommands:
      return "boot loader command";
    case BootPart::kLoaderFiles:
      return "file that the boot loader read";
    case BootPart::kCommandLine:
      return "command line";
    case BootPart::kInitrds:
      return "initrd";
    case BootPart::kUkiSections:
      return "UKI section";
    case BootPart::kPhases:
      return "phase";
    case BootPart::kCredentials:
      return "credential or extension";
    case BootPart::kMok:
      return "machine owner keys";
    case BootPart::kActions:
      return "action";
    case BootPart::kSeparators:
      return "separator";
    case BootPart::kOther:
      return "event";
  }
  return "event";
}

std::string DigestText(const BootEvent& event, HashAlgorithm bank) {
  const auto digest = event.digests.find(bank);
  return digest == event.digests.end() ? "" : std::string(Name(bank)) + ":" + EncodeHex(digest->second);
}

std::string EntryText(const SignatureEntry& entry) {
  switch (entry.kind) {
    case SignatureEntry::Kind::kCertificate:
      return "certificate " + entry.digest.text() + (entry.label.empty() ? "" : " (" + entry.label + ")");
    case SignatureEntry::Kind::kSha256:
      return "hash " + entry.digest.text();
    case SignatureEntry::Kind::kOther:
      break;
  }
  return "entry " + entry.digest.text();
}

// Entries of `from` that are not in `in`, each told with `verb`.
void TellEntries(const std::vector<SignatureEntry>& from, const std::vector<SignatureEntry>& in, std::string_view verb,
                 std::string& text) {
  std::size_t told = 0, more = 0;
  for (const SignatureEntry& entry : from) {
    const auto same = [&entry](const SignatureEntry& other) {
      return other.kind == entry.kind && other.digest == entry.digest;
    };
    if (std::any_of(in.begin(), in.end(), same)) continue;
    if (++told > kMostTold) {
      ++more;
      continue;
    }
    text += (text.empty() ? "" : "; ") + EntryText(entry) + " " + std::string(verb);
  }
  if (more != 0) text += "; and " + std::to_string(more) + " more " + std::string(verb);
}

std::string StateText(const claims::BootVariable& variable) {
  return variable.data == Bytes{1} ? "on" : "off";
}

std::string ChangedVariable(const claims::BootVariable& a, const claims::BootVariable& b) {
  if (a.name == "SecureBoot") return "Secure Boot is " + StateText(b) + " instead of " + StateText(a);
  std::string text;
  TellEntries(b.entries, a.entries, "added", text);
  TellEntries(a.entries, b.entries, "removed", text);
  if (!text.empty()) return text;
  return std::to_string(b.data.size()) + " bytes instead of " + std::to_string(a.data.size());
}

std::vector<std::string> Words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

void TellWords(const std::vector<std::string>& from, std::vector<std::string> in, std::string_view verb,
               std::string& text) {
  std::string list;
  for (const std::string& word : from) {
    if (auto found = std::find(in.begin(), in.end(), word); found != in.end()) {
      in.erase(found);
    } else {
      list += " " + word;
    }
  }
  if (!list.empty()) text += (text.empty() ? "" : "; ") + std::string(verb) + ":" + Printable(list, 1024);
}

std::string ChangedText(const std::string& a, const std::string& b) {
  std::string text;
  TellWords(Words(b), Words(a), "words added", text);
  TellWords(Words(a), Words(b), "words removed", text);
  return text.empty() ? "the same words in another order" : text;
}

}  // namespace

std::string TopicOf(const BootEvent& event) {
  if (event.variable) return event.variable->guid + " " + event.variable->name;
  switch (event.part) {
    case BootPart::kBootVariables:
    case BootPart::kMok:
      return event.hint.substr(0, event.hint.find(" ("));
    case BootPart::kLoaderFiles:
    case BootPart::kUkiSections:
      return event.hint;
    case BootPart::kActions:
      return Printable(event.text, 120);
    case BootPart::kFirmware:
    case BootPart::kPlatformConfig:
    case BootPart::kDrivers:
    case BootPart::kApplications:
    case BootPart::kPartitions:
    case BootPart::kSecureBootKeys:
    case BootPart::kAuthorities:
    case BootPart::kLoaderCommands:
    case BootPart::kCommandLine:
    case BootPart::kInitrds:
    case BootPart::kPhases:
    case BootPart::kCredentials:
    case BootPart::kSeparators:
    case BootPart::kOther:
      break;
  }
  return "";
}

std::string SubjectOf(const BootEvent& event) {
  std::string subject(Noun(event.part));
  if (event.variable) return subject + " " + Printable(event.variable->name);
  if (event.part == BootPart::kCommandLine || event.part == BootPart::kInitrds || event.part == BootPart::kSeparators) {
    return subject;
  }
  const std::string topic = TopicOf(event);
  return topic.empty() ? subject : subject + " " + topic;
}

std::string Told(const BootEvent& event, HashAlgorithm bank) {
  std::string text;
  if (event.variable) {
    if (event.variable->name == "SecureBoot") text = "Secure Boot is " + StateText(*event.variable);
    TellEntries(event.variable->entries, {}, "listed", text);
  } else if (!event.text.empty()) {
    text = "'" + Printable(event.text, 1024) + "'";
  }
  if (text.empty()) text = event.hint;
  return (text.empty() ? "" : text + ", ") + DigestText(event, bank);
}

std::string Changed(const BootEvent& a, const BootEvent& b, HashAlgorithm bank) {
  const std::string digests = DigestText(b, bank) + " instead of " + DigestText(a, bank);
  if (a.variable && b.variable) return ChangedVariable(*a.variable, *b.variable);
  if (a.error_separator != b.error_separator) {
    return b.error_separator ? "an error separator: the boot failed" : "no error separator any more";
  }
  const bool texts = !a.text.empty() && !b.text.empty();
  if (texts && (a.part == BootPart::kCommandLine || a.part == BootPart::kLoaderCommands)) {
    return ChangedText(a.text, b.text);
  }
  if (texts) return "'" + Printable(b.text, 512) + "' instead of '" + Printable(a.text, 512) + "'";
  if (a.part == BootPart::kCommandLine) return "another command line (its text is not in the log), " + digests;
  std::string text = "another " + std::string(Noun(b.part));
  if (a.part == BootPart::kUkiSections) text = "other content";
  if (a.hint != b.hint && !b.hint.empty()) text += ", '" + b.hint + "' instead of '" + a.hint + "'";
  return text + ", " + digests;
}

}  // namespace gatehouse::measure
