// EFI executables: what is accepted has its sections apart and within the file, and bytes that firmware does not
// measure change no digest.
#include "common/base/limits.h"
#include "common/measure/uki.h"
#include "tests/fuzz/check.h"

namespace measure = gatehouse::measure;
using gatehouse::Bytes;
using gatehouse::HashAlgorithm;
using gatehouse::Reason;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto pe = measure::ParsePe({data, size});
  if (!pe.ok()) {
    FUZZ_CHECK(pe.error().reason == Reason::kPeMalformed || pe.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  FUZZ_CHECK(pe->sections.size() <= gatehouse::limits::kPeSections);
  std::size_t total = pe->headers + pe->certificates.size();
  for (const auto& section : pe->sections) total += section.data.size();
  FUZZ_CHECK(total <= size);
  const Bytes hash = measure::AuthenticodeHash(*pe, HashAlgorithm::kSha256);
  Bytes other(data, data + size);
  for (std::size_t i = 0; i < 4; ++i) other[pe->checksum + i] ^= 0xFF;
  if (auto again = measure::ParsePe(other); again.ok()) {
    FUZZ_CHECK(measure::AuthenticodeHash(*again, HashAlgorithm::kSha256) == hash);
  }
  auto signers = measure::PeSigners(*pe);
  FUZZ_CHECK(signers.ok() || signers.error().reason == Reason::kPeMalformed);
  std::size_t in_memory = 0;
  for (const auto& section : pe->sections) in_memory += section.virtual_size;
  if (in_memory > gatehouse::limits::kMiB) return 0;  // zeros cost time, and show nothing
  auto uki = measure::MeasureUki(*pe);
  FUZZ_CHECK(uki.ok() || uki.error().reason == Reason::kPeMalformed);
  if (uki.ok())
    FUZZ_CHECK(uki->sections.front().name == ".linux" && uki->authenticode.at(HashAlgorithm::kSha256) == hash);
  return 0;
}
