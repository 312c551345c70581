// Unified kernel images: what systemd-stub measures of one (systemd-stub(7); the order of the sections is that of
// systemd's src/fundamental/uki.h).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/measure/pe.h"

namespace gatehouse::measure {

struct UkiSection {
  std::string name;
  BytesView data;                               // in the file
  std::size_t size;                             // as measured: VirtualSize; zeros behind `data` if that is shorter
  std::map<HashAlgorithm, Bytes> name_digests;  // of the name with a NUL
  std::map<HashAlgorithm, Bytes> digests;
};

struct Uki {
  std::optional<unsigned> stub_version;  // "252" of ".sdmagic"; nothing if it says none
  std::vector<UkiSection> sections;      // that are measured, in the order in which they are
  // PCR 11 when nothing but the sections was measured: before systemd-pcrphase.
  std::map<HashAlgorithm, Bytes> pcr11;
  std::map<HashAlgorithm, Bytes> authenticode;  // of the file: measured by the firmware into PCR 4
  // Of the kernel in ".linux", which the stub has loaded by the firmware: into PCR 4 too. Empty if it is no EFI
  // executable.
  std::map<HashAlgorithm, Bytes> kernel_authenticode;
  // PCR 4 of a machine whose firmware boots this file from a boot option, without shim or boot loader: "Calling EFI
  // Application from Boot Option", separator, the file, its kernel.
  std::map<HashAlgorithm, Bytes> pcr4;
  std::string command_line;        // ".cmdline", without a final NUL and line break; empty if it has none
  Bytes command_line_digest;       // SHA-256 of it as the EFI stub of the kernel measures it into PCR 9 (UTF-16, NUL)
  std::vector<std::string> notes;  // what makes the values above depend on the machine, for people
};

// SHA-1 (only for PCR values, which TPMs have), SHA-256, SHA-384. Of a file with profiles: the first. Errors:
// kPeMalformed (also: no ".linux" section), kLimitExceeded.
[[nodiscard]] Result<Uki> MeasureUki(const PeFile& file);

// PCR 11 of sections that were measured: for each H(name NUL), H(data).
[[nodiscard]] Bytes ExtendAll(HashAlgorithm bank, const std::vector<Bytes>& digests);

}  // namespace gatehouse::measure
