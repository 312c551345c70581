// An IMA log in either endianness: read at once, in two pieces or entry by entry, it comes to the same PCR 10; what is
// taken is whole frames, and each entry that is visited borrows from the log.
#include "common/verify/replay/ima.h"
#include "tests/fuzz/check.h"

namespace {

using gatehouse::Bytes;
using gatehouse::BytesView;
using gatehouse::HashAlgorithm;
using gatehouse::Reason;
using gatehouse::evidence::ima::Encoding;
using gatehouse::evidence::ima::FrameReader;
using gatehouse::verify::replay::ImaReplay;

void Compare(const ImaReplay& a, const ImaReplay& b) {
  FUZZ_CHECK(a.count() == b.count());
  for (const HashAlgorithm bank : {HashAlgorithm::kSha1, HashAlgorithm::kSha384}) {
    for (const bool padded : {false, true}) FUZZ_CHECK(a.Pcr(bank, padded) == b.Pcr(bank, padded));
  }
}

void Check(BytesView log, Encoding encoding, std::size_t cut) {
  const ImaReplay fresh({.encoding = encoding, .banks = {HashAlgorithm::kSha1, HashAlgorithm::kSha384}});
  ImaReplay whole = fresh;
  std::uint64_t visited = 0;
  auto taken = whole.Advance(log, [&](const gatehouse::claims::ImaEntry& entry) {
    FUZZ_CHECK(entry.number == visited++);
    FUZZ_CHECK(!entry.unknown_fields || entry.digest.empty());
    FUZZ_CHECK(!entry.violation || entry.digest.empty());
    FUZZ_CHECK(entry.digest.size() == (entry.algorithm ? gatehouse::DigestSize(*entry.algorithm) : 0));
    FUZZ_CHECK(entry.path.find('\0') == std::string_view::npos);
  });
  FUZZ_CHECK(visited == whole.count());

  ImaReplay pieces = fresh;
  auto first = pieces.Advance(log.first(cut), nullptr);
  if (first.ok()) {
    FUZZ_CHECK(*first <= cut);
    auto second = pieces.Advance(log.subspan(*first), nullptr);
    FUZZ_CHECK(second.ok() == taken.ok());
    if (second.ok()) FUZZ_CHECK(*first + *second == *taken);
  } else {
    FUZZ_CHECK(!taken.ok());
  }
  Compare(whole, pieces);

  ImaReplay single = fresh;
  FrameReader frames(encoding);
  std::size_t offset = 0;
  for (std::uint64_t i = 0; i < whole.count(); ++i) {
    auto found = frames.Next(log.subspan(offset));
    FUZZ_CHECK(found.ok() && found->has_value());
    auto one = single.Advance(log.subspan(offset, (*found)->size), nullptr);
    FUZZ_CHECK(one.ok() && *one == (*found)->size);
    offset += (*found)->size;
  }
  Compare(whole, single);
  if (taken.ok()) {
    FUZZ_CHECK(*taken == offset);
  } else {
    const Reason reason = taken.error().reason;
    FUZZ_CHECK(reason == Reason::kImaLogMalformed || reason == Reason::kImaTemplateMismatch ||
               reason == Reason::kLimitExceeded);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const BytesView log(data, size);
  const std::size_t cut = size == 0 ? 0 : data[size - 1] * size / 256;
  Check(log, Encoding::kLittleEndian, cut);
  Check(log, Encoding::kBigEndian, cut);
  return 0;
}
