// Boot event logs: what is accepted has its events within the bytes, in order, with whole digests of its banks, and is
// the same with padding behind it.
#include "common/base/limits.h"
#include "common/evidence/eventlog/event_data.h"
#include "common/evidence/eventlog/event_log.h"
#include "tests/fuzz/check.h"

namespace eventlog = gatehouse::evidence::eventlog;
using gatehouse::Bytes;
using gatehouse::BytesView;
using gatehouse::Reason;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto log = eventlog::ParseEventLog({data, size});
  Bytes padded(data, data + size);
  padded.insert(padded.end(), 9, 0xFF);
  auto with_padding = eventlog::ParseEventLog(padded, true);
  if (!log.ok()) {
    FUZZ_CHECK(log.error().reason == Reason::kEventLogMalformed || log.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  FUZZ_CHECK(!log->events.empty() && !log->banks.empty());
  FUZZ_CHECK(with_padding.ok() && with_padding->events.size() == log->events.size());
  const std::uint8_t* before = data;
  for (const auto& event : log->events) {
    FUZZ_CHECK(&event == &log->events[event.number]);
    FUZZ_CHECK(event.pcr < gatehouse::limits::kPcrCount || event.type == eventlog::event_type::kNoAction);
    for (auto bank : log->banks) {
      const BytesView digest = event.digest(bank);
      if (event.number == 0 && log->format == eventlog::Format::kCryptoAgile) continue;
      FUZZ_CHECK(digest.size() == gatehouse::DigestSize(bank));
      FUZZ_CHECK(digest.data() >= before && digest.data() < event.data.data());
    }
    before = event.data.data() + event.data.size();
    FUZZ_CHECK(before <= data + size);
    FUZZ_CHECK(eventlog::DescribeEvent(event).size() <= 200);
  }
  FUZZ_CHECK(before == data + size);
  return 0;
}
