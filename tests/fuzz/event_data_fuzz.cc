// What boot events hold: the first byte chooses the type. What is accepted lies within the bytes, and is written again
// as they were where that is possible.
#include <algorithm>

#include "common/base/limits.h"
#include "common/evidence/eventlog/event_data.h"
#include "tests/fuzz/check.h"

namespace eventlog = gatehouse::evidence::eventlog;
using gatehouse::BytesView;
using gatehouse::Reason;

namespace {

bool Within(BytesView part, BytesView whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

template <typename T>
bool Failed(const gatehouse::Result<T>& parsed) {
  if (parsed.ok()) return false;
  FUZZ_CHECK(parsed.error().reason == Reason::kEventLogMalformed || parsed.error().reason == Reason::kLimitExceeded);
  return true;
}

void CheckVariable(BytesView data) {
  auto variable = eventlog::ParseVariableData(data);
  if (Failed(variable)) return;
  const auto name = eventlog::Utf8ToUtf16(variable->name);
  FUZZ_CHECK(data.size() == 32 + name.size() + variable->data.size());
  FUZZ_CHECK(std::equal(name.begin(), name.end(), data.begin() + 32));
  FUZZ_CHECK(Within(variable->data, data));
}

void CheckSignatures(BytesView data) {
  auto entries = eventlog::ParseSignatureLists(data);
  if (!Failed(entries)) {
    FUZZ_CHECK(entries->size() <= gatehouse::limits::kSignatureListEntries);
    for (const auto& entry : *entries) {
      FUZZ_CHECK(entry.owner.size() == 16 && !entry.data.empty() && Within(entry.data, data));
      FUZZ_CHECK(entry.type != eventlog::kCertSha256Guid || entry.data.size() == 32);
    }
  }
  auto one = eventlog::ParseSignatureData(data);
  FUZZ_CHECK(one.ok() == (data.size() > 16));
}

void CheckTags(BytesView data) {
  auto events = eventlog::ParseTaggedEvents(data);
  if (Failed(events)) return;
  std::size_t total = 0;
  for (const auto& event : *events) total += 8 + event.data.size();
  FUZZ_CHECK(total == data.size());
}

void CheckText(BytesView data) {
  auto text = eventlog::Utf16ToUtf8(data);
  if (Failed(text)) return;
  auto again = eventlog::Utf8ToUtf16(*text);
  if (again.size() != data.size()) again.insert(again.end(), 2, 0);  // the final NUL
  FUZZ_CHECK(std::equal(again.begin(), again.end(), data.begin(), data.end()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const BytesView data(bytes + 1, size - 1);
  switch (bytes[0] % 7) {
    case 0:
      CheckVariable(data);
      break;
    case 1:
      CheckSignatures(data);
      break;
    case 2:
      // A node of four bytes has at most a few dozen characters; one of a path has three bytes for two.
      if (auto load = eventlog::ParseImageLoad(data); !Failed(load))
        FUZZ_CHECK(load->device_path.size() <= data.size() * 24);
      break;
    case 3:
      if (auto gpt = eventlog::ParseGpt(data); !Failed(gpt)) FUZZ_CHECK(gpt->partitions.size() <= data.size() / 128);
      break;
    case 4:
      CheckTags(data);
      break;
    case 5:
      CheckText(data);
      break;
    default:
      if (auto locality = eventlog::ParseStartupLocality(data); !Failed(locality) && *locality) FUZZ_CHECK(size == 18);
      break;
  }
  return 0;
}
