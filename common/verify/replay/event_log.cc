#include "common/verify/replay/event_log.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "common/evidence/eventlog/event_data.h"
#include "common/verify/replay/event_proof.h"

namespace gatehouse::verify::replay {
namespace {

using claims::BootEvent;
using claims::BootPart;
using claims::VerifiedBootLog;
using evidence::eventlog::Event;
using evidence::eventlog::EventLog;
namespace event_type = evidence::eventlog::event_type;

constexpr std::uint32_t Bit(unsigned pcr) {
  return std::uint32_t{1} << pcr;
}
// PCR 10 is of IMA's log; 16 and 23 can be reset by anybody.
constexpr std::uint32_t kOfOthers = Bit(10) | Bit(16) | Bit(23);
constexpr std::uint32_t kAllPcrs = Bit(limits::kPcrCount) - 1;
constexpr unsigned kPhasesPcr = 11;

// systemd-pcrphase(8): measured in this order into PCR 11; which of them depends on the units that ran so far.
constexpr std::array<std::string_view, 6> kPhases = {"enter-initrd", "leave-initrd", "sysinit",
                                                     "ready",        "shutdown",     "final"};

Error Mismatch(std::string detail) {
  return {Reason::kEventLogMismatch, "event log", std::move(detail)};
}

struct Start {
  std::optional<std::uint8_t> locality;
  std::string problem;
};

// Section 10.4.5.3: the locality is "the first event in the log" of PCR 0 and sets its initial value; where an H-CRTM
// was measured (EV_EFI_HCRTM_EVENT comes first), TPM2_Startup left 4 there (TPM 2.0 Part 3 section 9.3). Neither is
// measured itself: what is claimed wrongly does not replay.
Start StartOf(const EventLog& log) {
  Start start;
  bool extended = false;
  for (const Event& event : log.events) {
    const std::string where = "event " + std::to_string(event.number) + ": ";
    if (event.type != event_type::kNoAction) {
      if (event.pcr != 0 || extended) continue;
      extended = true;
      if (event.type == event_type::kEfiHcrtmEvent && !start.locality) start.locality = std::uint8_t{4};
      continue;
    }
    auto locality = evidence::eventlog::ParseStartupLocality(event.data);
    if (!locality.ok()) return {std::nullopt, where + locality.error().detail};
    if (!*locality) continue;
    if (event.pcr != 0) return {std::nullopt, where + "a StartupLocality of another PCR than 0"};
    if (extended) return {std::nullopt, where + "a StartupLocality behind the first event of PCR 0"};
    if (start.locality) return {std::nullopt, where + "a second StartupLocality"};
    start.locality = **locality;
  }
  return start;
}

// One bank of PCRs, as they go on.
class Bank {
 public:
  Bank(HashAlgorithm algorithm, std::optional<std::uint8_t> locality) : algorithm_(algorithm) {
    const std::size_t size = DigestSize(algorithm);
    for (unsigned pcr = 0; pcr < limits::kPcrCount; ++pcr) {
      // PC Client Platform TPM Profile section 4.6.2: those of a dynamic launch start at -1.
      values_[pcr].assign(size, pcr >= 17 && pcr <= 22 ? 0xFF : 0x00);
    }
    values_[0].back() = locality.value_or(0);
  }

  [[nodiscard]] HashAlgorithm algorithm() const { return algorithm_; }
  [[nodiscard]] const Bytes& value(unsigned pcr) const { return values_.at(pcr); }

  void Extend(unsigned pcr, BytesView digest) { values_.at(pcr) = Extended(values_.at(pcr), digest); }

  [[nodiscard]] Bytes Extended(const Bytes& value, BytesView digest) const {
    constexpr std::size_t kMost = 64;
    // An event without a digest of this bank (which the parser lets through in no format): nothing replays any more.
    if (digest.size() != value.size() || value.size() > kMost) return {};
    std::array<std::uint8_t, 2 * kMost> both{};
    std::copy(digest.begin(), digest.end(), std::copy(value.begin(), value.end(), both.begin()));
    return crypto::Hash(algorithm_, BytesView(both).first(2 * value.size()));
  }

 private:
  HashAlgorithm algorithm_;
  std::array<Bytes, limits::kPcrCount> values_;
};

bool Extends(const Event& event, std::uint32_t pcrs) {
  return event.type != event_type::kNoAction && event.pcr < limits::kPcrCount && (pcrs & Bit(event.pcr)) != 0;
}

Bank ReplayBank(const EventLog& log, HashAlgorithm algorithm, std::uint32_t pcrs,
                std::optional<std::uint8_t> locality) {
  Bank bank(algorithm, locality);
  for (const Event& event : log.events) {
    if (Extends(event, pcrs)) bank.Extend(event.pcr, event.digest(algorithm));
  }
  return bank;
}

// A bank that was quoted and replayed.
struct Quoted {
  Bank bank;
  const std::map<unsigned, Bytes>* quoted;
  std::uint32_t pcrs;
};

std::vector<Quoted> ReplayQuoted(const EventLog& log, const claims::VerifiedTpmClaims& quote,
                                 std::optional<std::uint8_t> locality) {
  std::vector<Quoted> banks;
  for (HashAlgorithm algorithm : log.banks) {
    const auto quoted = quote.pcrs().find(algorithm);
    if (quoted == quote.pcrs().end()) continue;
    std::uint32_t pcrs = 0;
    for (const auto& [pcr, value] : quoted->second) {
      if (pcr < limits::kPcrCount) pcrs |= Bit(pcr) & ~kOfOthers;
    }
    if (pcrs != 0) banks.push_back({ReplayBank(log, algorithm, pcrs, locality), &quoted->second, pcrs});
  }
  return banks;
}

// Which phases were extended after the log, or nothing if none are known that give what was quoted.
class PhaseSearch {
 public:
  explicit PhaseSearch(const std::vector<Quoted>& banks) {
    for (const Quoted& quoted : banks) {
      if ((quoted.pcrs & Bit(kPhasesPcr)) == 0) continue;
      banks_.push_back(&quoted);
      start_.push_back(quoted.bank.value(kPhasesPcr));
    }
  }
  [[nodiscard]] std::vector<std::string_view> Find() {
    std::vector<std::string_view> found;
    Search(0, start_, found);
    return found;
  }

 private:
  bool Search(std::size_t first, const std::vector<Bytes>& values, std::vector<std::string_view>& path) {
    for (std::size_t phase = first; phase < kPhases.size(); ++phase) {
      bool all = true;
      std::vector<Bytes> extended;
      for (std::size_t i = 0; i < banks_.size(); ++i) {
        const Bank& bank = banks_[i]->bank;
        extended.push_back(bank.Extended(values[i], crypto::Hash(bank.algorithm(), AsBytes(kPhases[phase]))));
        all = all && extended.back() == banks_[i]->quoted->at(kPhasesPcr);
      }
      path.push_back(kPhases[phase]);
      if (all || Search(phase + 1, extended, path)) return true;
      path.pop_back();
    }
    return false;
  }

  std::vector<const Quoted*> banks_;
  std::vector<Bytes> start_;
};

// Why this PCR is not proven, or nothing if it is.
std::string Compare(const std::vector<Quoted>& banks, unsigned pcr) {
  for (const Quoted& quoted : banks) {
    if ((quoted.pcrs & Bit(pcr)) == 0) continue;
    const Bytes& expected = quoted.quoted->at(pcr);
    const Bytes& given = quoted.bank.value(pcr);
    if (expected == given) continue;
    return std::string(Name(quoted.bank.algorithm())) + ": expected " + EncodeHex(expected) + ", the log gives " +
           (given.empty() ? "nothing" : EncodeHex(given));
  }
  return "";
}

BootEvent PhaseEvent(std::string_view phase, std::uint32_t number, const std::vector<HashAlgorithm>& banks) {
  BootEvent event{number,       kPhasesPcr, event_type::kIpl,           BootPart::kPhases, {}, std::string(phase),
                  std::nullopt, false,      "phase of systemd-pcrphase"};
  for (HashAlgorithm bank : banks) event.digests.emplace(bank, crypto::Hash(bank, AsBytes(phase)));
  return event;
}

}  // namespace

Replayed Replay(const EventLog& log) {
  Start start = StartOf(log);
  Replayed replayed;
  replayed.startup_locality = start.locality;
  replayed.problem = std::move(start.problem);
  for (HashAlgorithm algorithm : log.banks) {
    const Bank bank = ReplayBank(log, algorithm, kAllPcrs, start.locality);
    for (unsigned pcr = 0; pcr < limits::kPcrCount; ++pcr) replayed.pcrs[algorithm][pcr] = bank.value(pcr);
  }
  for (const Event& event : log.events) {
    if (Extends(event, kAllPcrs)) ++replayed.events[event.pcr];
  }
  return replayed;
}

Result<VerifiedBootLog> EventLogVerifier::Verify(const EventLog& log, const claims::VerifiedTpmClaims& quote,
                                                 const Hints& hints) {
  Start start = StartOf(log);
  if (!start.problem.empty()) return Error{Reason::kEventLogMalformed, "event log", std::move(start.problem)};
  const std::vector<Quoted> banks = ReplayQuoted(log, quote, start.locality);
  if (banks.empty()) return Mismatch("the quote and the log have no bank in common");

  VerifiedBootLog verified;
  std::array<std::vector<HashAlgorithm>, limits::kPcrCount> banks_of;
  for (const Quoted& quoted : banks) {
    verified.banks_.push_back(quoted.bank.algorithm());
    for (unsigned pcr = 0; pcr < limits::kPcrCount; ++pcr) {
      if ((quoted.pcrs & Bit(pcr)) != 0) banks_of[pcr].push_back(quoted.bank.algorithm());
    }
  }
  std::vector<std::string_view> phases;
  for (unsigned pcr = 0; pcr < limits::kPcrCount; ++pcr) {
    if (banks_of[pcr].empty()) continue;
    std::string mismatch = Compare(banks, pcr);
    if (!mismatch.empty() && pcr == kPhasesPcr) phases = PhaseSearch(banks).Find();
    if (!mismatch.empty() && (pcr != kPhasesPcr || phases.empty())) {
      verified.mismatches_.emplace(pcr, std::move(mismatch));
      continue;
    }
    verified.proven_pcrs_ |= Bit(pcr);
    for (HashAlgorithm bank : banks_of[pcr]) verified.proven_in_[bank] |= Bit(pcr);
  }
  if (verified.proven_pcrs_ == 0) {
    const auto& [pcr, why] = *verified.mismatches_.begin();
    return Mismatch("no PCR that was quoted replays; pcr " + std::to_string(pcr) + ", " + why);
  }

  EventProver prover(hints.command_line);
  for (const Event& event : log.events) {
    if (!Extends(event, verified.proven_pcrs_)) continue;
    EventProof proof = prover.Prove(event, banks_of[event.pcr]);
    if (!proof.false_data.empty()) verified.false_data_.emplace_back(event.number, std::move(proof.false_data));
    verified.events_.push_back(std::move(proof.event));
  }
  const std::uint32_t last = log.events.empty() ? 0 : log.events.back().number;
  for (std::string_view phase : phases) verified.events_.push_back(PhaseEvent(phase, last, banks_of[kPhasesPcr]));
  return verified;
}

}  // namespace gatehouse::verify::replay
