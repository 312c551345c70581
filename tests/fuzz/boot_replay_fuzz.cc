// Whatever an event log says: nothing is claimed of a PCR that does not replay to what was quoted, and nothing passes a
// policy that lists nothing.
#include <algorithm>

#include "common/appraisal/boot.h"
#include "common/appraisal/tpm.h"
#include "common/crypto/hash.h"
#include "common/verify/replay/event_log.h"
#include "tests/fakes/boot_log.h"
#include "tests/fuzz/check.h"

namespace {

using gatehouse::Bytes;
using gatehouse::HashAlgorithm;
using gatehouse::Reason;
using gatehouse::claims::BootEvent;
using gatehouse::claims::BootPart;
using gatehouse::claims::VerifiedBootLog;
using gatehouse::evidence::eventlog::Event;
using gatehouse::evidence::eventlog::EventLog;

constexpr unsigned kPhasesPcr = 11;

// Replayed again, as simply as can be.
Bytes Replayed(const EventLog& log, const VerifiedBootLog& verified, HashAlgorithm bank, unsigned pcr,
               std::uint8_t locality) {
  Bytes value(gatehouse::DigestSize(bank), pcr >= 17 && pcr <= 22 ? 0xFF : 0);
  if (pcr == 0) value.back() = locality;
  const auto extend = [&](gatehouse::BytesView digest) {
    gatehouse::Append(value, digest);
    value = gatehouse::crypto::Hash(bank, value);
  };
  for (const Event& event : log.events) {
    if (event.pcr == pcr && event.type != gatehouse::evidence::eventlog::event_type::kNoAction) {
      extend(event.digest(bank));
    }
  }
  for (const BootEvent& event : verified.events()) {
    if (event.part == BootPart::kPhases && pcr == kPhasesPcr) extend(event.digests.at(bank));
  }
  return value;
}

void Check(const EventLog& log, const gatehouse::claims::VerifiedTpmClaims& quote) {
  auto verified = gatehouse::verify::replay::EventLogVerifier::Verify(log, quote, {"root=/dev/sda"});
  if (!verified.ok()) {
    FUZZ_CHECK(verified.error().reason == Reason::kEventLogMismatch ||
               verified.error().reason == Reason::kEventLogMalformed);
    return;
  }
  const auto replayed = gatehouse::verify::replay::Replay(log);
  FUZZ_CHECK(replayed.problem.empty());
  for (unsigned pcr = 0; pcr < 32; ++pcr) {
    if ((verified->proven_pcrs() >> pcr & 1U) == 0) continue;
    FUZZ_CHECK(pcr < gatehouse::limits::kPcrCount && pcr != 10 && pcr != 16 && pcr != 23);
    bool quoted = false;
    for (const HashAlgorithm bank : verified->banks()) {
      const auto& values = quote.pcrs().at(bank);
      if (!values.contains(pcr)) continue;
      quoted = true;
      FUZZ_CHECK((verified->proven_pcrs(bank) >> pcr & 1U) == 1);
      FUZZ_CHECK(values.at(pcr) == Replayed(log, *verified, bank, pcr, replayed.startup_locality.value_or(0)));
    }
    FUZZ_CHECK(quoted);
  }
  for (const BootEvent& event : verified->events()) FUZZ_CHECK((verified->proven_pcrs() >> event.pcr & 1U) == 1);
  gatehouse::appraisal::BootPolicy nothing_listed;
  nothing_listed.pcrs = verified->proven_pcrs();
  nothing_listed.secure_boot = true;
  nothing_listed.required_words = {"lockdown=integrity"};
  FUZZ_CHECK(!gatehouse::appraisal::AppraiseBoot(nothing_listed, {}, *verified).findings.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto quote = gatehouse::fakes::QuoteOf(gatehouse::fakes::SecureBootWithGrub());
  auto log = gatehouse::evidence::eventlog::ParseEventLog({data, size});
  if (!log.ok()) return 0;
  Check(*log, quote);
  // What it replays to itself, as if a TPM had quoted it. (The software TPM has no SHA-512 bank.)
  auto values = gatehouse::verify::replay::Replay(*log).pcrs;
  values.erase(HashAlgorithm::kSha512);
  for (auto& [bank, pcrs] : values) {
    pcrs.erase(16);
    pcrs.erase(23);
  }
  if (!values.empty()) Check(*log, gatehouse::fakes::QuoteOfValues(values));
  return 0;
}
