// The fields of an entry: the first byte chooses one of the templates, or a format whose text ends at the first NUL;
// the rest is template data. What is accepted is within the data, of the length that its algorithm has, and says
// everything once.
#include <array>
#include <string>

#include "common/evidence/ima/log.h"
#include "tests/fuzz/check.h"

using gatehouse::BytesView;
using gatehouse::Reason;
using gatehouse::evidence::ima::Encoding;
using gatehouse::evidence::ima::Frame;

namespace {

bool Within(BytesView part, BytesView whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void Check(const Frame& frame, Encoding encoding) {
  auto fields = gatehouse::evidence::ima::ParseFields(frame, encoding);
  if (!fields.ok()) {
    FUZZ_CHECK(fields.error().reason == Reason::kImaLogMalformed || fields.error().reason == Reason::kLimitExceeded);
    return;
  }
  for (const BytesView part : {fields->digest, fields->signature, fields->appended_signature, fields->buffer,
                               gatehouse::AsBytes(fields->path), gatehouse::AsBytes(fields->algorithm_name)}) {
    // The algorithm of the field "d" is named by a constant.
    FUZZ_CHECK(Within(part, frame.data) || gatehouse::AsText(part) == "sha1" || gatehouse::AsText(part) == "md5");
  }
  if (fields->algorithm) {
    FUZZ_CHECK(fields->digest.size() == gatehouse::DigestSize(*fields->algorithm));
    FUZZ_CHECK(fields->algorithm_name == gatehouse::Name(*fields->algorithm));
  }
  if (fields->unknown || frame.violation()) FUZZ_CHECK(fields->digest.empty() && !fields->algorithm);
  FUZZ_CHECK(fields->path.find('\0') == std::string_view::npos);
  FUZZ_CHECK(fields->path.size() < gatehouse::limits::kImaPathBytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::array<std::string_view, 8> kNames = {"ima-ng",    "ima-sig",    "ima-buf", "ima-ngv2",
                                                             "ima-sigv2", "ima-modsig", "evm-sig", "ima"};
  if (size == 0) return 0;
  BytesView rest(data + 1, size - 1);
  std::string name;
  if (data[0] % 9 < kNames.size()) {
    name = kNames.at(data[0] % 9);
  } else {
    const std::size_t end = gatehouse::AsText(rest).find('\0');
    if (end == std::string_view::npos) return 0;
    name = gatehouse::AsText(rest.first(end));
    rest = rest.subspan(end + 1);
  }
  Frame frame{10, {}, name, rest};
  Check(frame, Encoding::kLittleEndian);
  frame.template_digest[0] = 1;
  Check(frame, Encoding::kLittleEndian);
  Check(frame, Encoding::kBigEndian);
  return 0;
}
