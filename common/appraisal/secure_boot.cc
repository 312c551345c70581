#include "common/appraisal/secure_boot.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>

#include "common/base/encoding.h"

namespace gatehouse::appraisal {
namespace {

using claims::BootEvent;
using claims::BootPart;
using claims::BootVariable;
using claims::SignatureEntry;

constexpr std::string_view kGlobal = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
constexpr std::string_view kImageSecurity = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";
constexpr std::string_view kShimLock = "605dab50-e046-4300-abb6-3dd810dd8b23";
constexpr std::string_view kWhere = "pcr 7";
constexpr std::size_t kShown = 4;  // entries that a message names

std::string WhereOf(const BootEvent& event) {
  return "boot event " + std::to_string(event.number) + " (pcr " + std::to_string(event.pcr) + ")";
}

bool IsOne(const Bytes& data) {
  return data.size() == 1 && data[0] == 1;
}

std::string_view GuidOf(std::string_view name) {
  return name == "PK" || name == "KEK" ? kGlobal : kImageSecurity;
}

// What was measured before the separator: only that did firmware decide by.
struct Measured {
  std::vector<const BootEvent*> keys;
  std::vector<const BootEvent*> authorities;
  bool separated = false;
  bool keys_after = false;

  [[nodiscard]] std::vector<const BootEvent*> Find(std::string_view guid, std::string_view name) const {
    std::vector<const BootEvent*> found;
    for (const BootEvent* event : keys) {
      if (event->variable->guid == guid && event->variable->name == name) found.push_back(event);
    }
    return found;
  }
};

Measured Collect(const claims::VerifiedBootLog& log) {
  Measured measured;
  for (const BootEvent& event : log.events()) {
    if (event.pcr != kSecureBootPcr) continue;
    if (event.part == BootPart::kSeparators) measured.separated = true;
    if (!event.variable) continue;
    if (event.part == BootPart::kAuthorities) measured.authorities.push_back(&event);
    if (event.part != BootPart::kSecureBootKeys) continue;
    if (!measured.separated) {
      measured.keys.push_back(&event);
    } else if (IsSecureBootVariable(*event.variable)) {
      measured.keys_after = true;
    }
  }
  return measured;
}

// Nothing if it is on.
std::optional<Finding> WhyOff(const Measured& measured) {
  const auto found = measured.Find(kGlobal, "SecureBoot");
  if (found.empty()) {
    return Finding{Reason::kSecureBootOff, std::string(kWhere),
                   "the log has no SecureBoot variable before the separator"};
  }
  if (found.size() > 1) {
    return Finding{Reason::kSecureBootOff, WhereOf(*found[1]), "SecureBoot was measured more than once"};
  }
  const Bytes& value = found[0]->variable->data;
  if (!IsOne(value)) {
    return Finding{Reason::kSecureBootOff, WhereOf(*found[0]),
                   "SecureBoot is " + (value.empty() ? "empty" : Printable(EncodeHex(value), 20)) + ", expected 01"};
  }
  for (const BootEvent* event : measured.authorities) {
    // shim, README.tpm: MokSBState is measured if it is set; then shim runs whatever it is given.
    const BootVariable& variable = *event->variable;
    if (variable.guid == kShimLock && variable.name.starts_with("MokSBState") &&
        std::any_of(variable.data.begin(), variable.data.end(), [](std::uint8_t byte) { return byte != 0; })) {
      return Finding{Reason::kSecureBootOff, WhereOf(*event), "shim does not verify what it runs (MokSBState is set)"};
    }
  }
  return std::nullopt;
}

std::string Describe(const SignatureEntry& entry) {
  return entry.digest.text() + (entry.label.empty() ? "" : " (" + Printable(entry.label, 80) + ")");
}

template <typename T, typename Text>
std::string List(const std::vector<T>& items, const Text& text) {
  std::string list;
  for (std::size_t i = 0; i < items.size() && i < kShown; ++i) list += (i == 0 ? "" : ", ") + text(items[i]);
  if (items.size() > kShown) list += " and " + std::to_string(items.size() - kShown) + " more";
  return list;
}

void CompareKeys(const KeyRule& rule, const BootEvent& event, std::vector<Finding>& findings) {
  const BootVariable& variable = *event.variable;
  const std::set<Digest> listed(rule.listed.begin(), rule.listed.end());
  std::set<Digest> there;
  std::vector<SignatureEntry> surplus;
  for (const SignatureEntry& entry : variable.entries) {
    there.insert(entry.digest);
    if (rule.only && !listed.contains(entry.digest)) surplus.push_back(entry);
  }
  const auto add = [&](const std::string& detail) {
    findings.push_back({Reason::kSecureBootKeysMismatch, WhereOf(event), variable.name + " " + detail});
  };
  if (!surplus.empty()) add("has what the policy does not list: " + List(surplus, Describe));
  std::vector<Digest> missing;
  for (const Digest& digest : rule.listed) {
    if (!rule.only && !there.contains(digest)) missing.push_back(digest);
  }
  if (!missing.empty()) add("lacks " + List(missing, [](const Digest& digest) { return digest.text(); }));
  if (rule.at_least && there.size() < *rule.at_least) {
    add("has " + std::to_string(there.size()) + " entries, expected at least " + std::to_string(*rule.at_least));
  }
}

void JudgeKeys(const BootPolicy& policy, const Measured& measured, std::vector<Finding>& findings) {
  std::set<std::string> names = {"PK", "KEK", "db"};
  for (const auto& [name, rule] : policy.keys) names.insert(name);
  for (const std::string& name : names) {
    const auto found = measured.Find(GuidOf(name), name);
    const auto add = [&](const std::string& where, const std::string& what) {
      findings.push_back({Reason::kSecureBootKeysMismatch, where, name + " " + what});
    };
    if (found.empty()) {
      add(std::string(kWhere), "was not measured before the separator");
      continue;
    }
    if (found.size() > 1) {
      add(WhereOf(*found[1]), "was measured more than once");
      continue;
    }
    const BootVariable& variable = *found[0]->variable;
    if (variable.malformed) {
      add(WhereOf(*found[0]), "cannot be read as signature lists");
    } else if (variable.entries.empty() && name != "dbx") {
      add(WhereOf(*found[0]), "is empty");
    } else if (const auto rule = policy.keys.find(name); rule != policy.keys.end()) {
      CompareKeys(rule->second, *found[0], findings);
    }
  }
}

bool AllSignedByListed(const BootPolicy& policy, const Measured& measured) {
  bool any = false;
  for (const BootEvent* event : measured.authorities) {
    if (IsRecordOfShim(*event->variable)) continue;
    if (!IsListedSigner(policy, *event->variable)) return false;
    any = true;
  }
  return any;
}

}  // namespace

bool AsksForSecureBoot(const BootPolicy& policy) {
  return policy.secure_boot || !policy.keys.empty() || !policy.signers.empty();
}

bool IsSecureBootVariable(const BootVariable& variable) {
  static constexpr std::array<std::string_view, 6> kOfGlobal = {"SecureBoot", "PK",           "KEK",
                                                                "SetupMode",  "DeployedMode", "AuditMode"};
  static constexpr std::array<std::string_view, 4> kOfSecurity = {"db", "dbx", "dbt", "dbr"};
  const auto has = [&variable](const auto& names) {
    return std::find(names.begin(), names.end(), variable.name) != names.end();
  };
  return (variable.guid == kGlobal && has(kOfGlobal)) || (variable.guid == kImageSecurity && has(kOfSecurity));
}

bool SaysUnverified(const BootVariable& variable) {
  // UEFI specification section 32.3: in audit mode "the images are executed" whether or not they verify. DeployedMode
  // 00 is the user mode in which most machines are sold, and verifies.
  return variable.guid == kGlobal && variable.name == "AuditMode" &&
         std::any_of(variable.data.begin(), variable.data.end(), [](std::uint8_t byte) { return byte != 0; });
}

bool IsRecordOfShim(const BootVariable& variable) {
  static constexpr std::array<std::string_view, 5> kNames = {"SbatLevel", "MokListTrusted", "MokSBState", "MokDBState",
                                                             "MokPolicy"};
  return variable.guid == kShimLock && variable.entries.empty() &&
         std::any_of(kNames.begin(), kNames.end(), [&](std::string_view name) {
           return variable.name == name || variable.name == std::string(name) + "RT";
         });
}

bool IsListedSigner(const BootPolicy& policy, const BootVariable& authority) {
  return !authority.entries.empty() &&
         std::all_of(authority.entries.begin(), authority.entries.end(), [&policy](const SignatureEntry& entry) {
           return entry.kind == SignatureEntry::Kind::kCertificate &&
                  std::find(policy.signers.begin(), policy.signers.end(), entry.digest) != policy.signers.end();
         });
}

SecureBoot JudgeSecureBoot(const BootPolicy& policy, const claims::VerifiedBootLog& log) {
  SecureBoot judged;
  if (!AsksForSecureBoot(policy)) return judged;
  const Measured measured = Collect(log);
  if (auto why = WhyOff(measured)) {
    judged.findings.push_back(std::move(*why));
    return judged;
  }
  JudgeKeys(policy, measured, judged.findings);
  // What is measured of this after the separator has a finding of its own; nothing rests on such a log.
  judged.on = measured.separated && !measured.keys_after;
  judged.signed_by_listed = judged.on && !policy.signers.empty() && AllSignedByListed(policy, measured);
  return judged;
}

}  // namespace gatehouse::appraisal
