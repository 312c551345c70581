#include "common/measure/uki.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "common/crypto/hash.h"
#include "common/evidence/eventlog/event_data.h"

namespace gatehouse::measure {
namespace {

constexpr std::array kBanks = {HashAlgorithm::kSha1, HashAlgorithm::kSha256, HashAlgorithm::kSha384};

struct Known {
  std::string_view name;
  unsigned since;  // the version of systemd-stub that began to measure it
};
// ".pcrsig" signs the expected result, so it is not measured.
constexpr Known kMeasured[] = {{".linux", 252}, {".osrel", 252},   {".cmdline", 252}, {".initrd", 252},
                               {".ucode", 256}, {".splash", 252},  {".dtb", 252},     {".uname", 254},
                               {".sbat", 254},  {".pcrpkey", 252}, {".profile", 257}, {".dtbauto", 257},
                               {".hwids", 257}, {".efifw", 258}};

// "#### LoaderInfo: systemd-stub 252.39-1~deb12u1 ####"
std::optional<unsigned> StubVersion(const PeFile& file) {
  for (const PeSection& section : file.sections) {
    if (section.name != ".sdmagic") continue;
    constexpr std::string_view kName = "systemd-stub ";
    const std::string_view text = AsText(section.data);
    const std::size_t at = text.find(kName);
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view number = text.substr(at + kName.size());
    unsigned version = 0;
    const auto read = std::from_chars(number.data(), number.data() + number.size(), version);
    if (read.ec != std::errc{}) return std::nullopt;
    return version;
  }
  return std::nullopt;
}

// What is seen with the first profile: its own sections, else those before any profile.
std::vector<const PeSection*> OfFirstProfile(const PeFile& file, std::size_t& profiles) {
  std::vector<const PeSection*> base, own;
  profiles = 0;
  for (const PeSection& section : file.sections) {
    if (section.name == ".profile") ++profiles;
    if (profiles == 0) base.push_back(&section);
    if (profiles == 1) own.push_back(&section);
  }
  own.insert(own.end(), base.begin(), base.end());
  return own;
}

Bytes HashPadded(HashAlgorithm bank, BytesView data, std::size_t size) {
  static constexpr std::array<std::uint8_t, 65536> kZeros{};
  crypto::Hasher hasher(bank);
  hasher.Update(data);
  for (std::size_t left = size - data.size(); left != 0;) {
    const std::size_t now = std::min(left, kZeros.size());
    hasher.Update(BytesView(kZeros).first(now));
    left -= now;
  }
  return std::move(hasher).Finish();
}

UkiSection MeasureSection(const PeSection& section) {
  UkiSection measured;
  measured.name = section.name;
  measured.size = section.virtual_size;
  measured.data = section.data.first(std::min<std::size_t>(section.data.size(), section.virtual_size));
  const std::string name_with_nul = section.name + '\0';
  for (HashAlgorithm bank : kBanks) {
    measured.name_digests[bank] = crypto::Hash(bank, AsBytes(name_with_nul));
    measured.digests[bank] = HashPadded(bank, measured.data, measured.size);
  }
  return measured;
}

void MeasureKernel(const UkiSection& section, Uki& uki) {
  auto kernel = ParsePe(section.data);
  if (!kernel.ok()) {
    uki.notes.push_back("the kernel is no EFI executable that could be measured (" + kernel.error().detail +
                        "): PCR 4 is without it");
    return;
  }
  for (HashAlgorithm bank : kBanks) uki.kernel_authenticode[bank] = AuthenticodeHash(*kernel, bank);
}

void ReadCommandLine(const UkiSection& section, Uki& uki) {
  std::string_view text = AsText(section.data);
  text = text.substr(0, text.find('\0'));
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  uki.command_line = std::string(text);
  Bytes wide = evidence::eventlog::Utf8ToUtf16(text);
  wide.insert(wide.end(), 2, 0);
  uki.command_line_digest = crypto::Hash(HashAlgorithm::kSha256, wide);
}

void ComputePcrs(const PeFile& file, Uki& uki) {
  constexpr std::array<std::uint8_t, 4> kSeparator{};
  for (HashAlgorithm bank : kBanks) {
    uki.authenticode[bank] = AuthenticodeHash(file, bank);
    std::vector<Bytes> pcr4 = {crypto::Hash(bank, AsBytes("Calling EFI Application from Boot Option")),
                               crypto::Hash(bank, kSeparator), uki.authenticode[bank]};
    if (auto kernel = uki.kernel_authenticode.find(bank); kernel != uki.kernel_authenticode.end()) {
      pcr4.push_back(kernel->second);
    }
    uki.pcr4[bank] = ExtendAll(bank, pcr4);
    std::vector<Bytes> pcr11;
    for (const UkiSection& section : uki.sections) {
      pcr11.push_back(section.name_digests.at(bank));
      pcr11.push_back(section.digests.at(bank));
    }
    uki.pcr11[bank] = ExtendAll(bank, pcr11);
  }
}

}  // namespace

Bytes ExtendAll(HashAlgorithm bank, const std::vector<Bytes>& digests) {
  Bytes value(DigestSize(bank), 0);
  for (const Bytes& digest : digests) {
    Append(value, digest);
    value = crypto::Hash(bank, value);
  }
  return value;
}

Result<Uki> MeasureUki(const PeFile& file) {
  Uki uki;
  uki.stub_version = StubVersion(file);
  if (!uki.stub_version) uki.notes.push_back("the version of systemd-stub is not known: taken for a current one");
  std::size_t profiles = 0;
  const auto visible = OfFirstProfile(file, profiles);
  if (profiles > 1) uki.notes.push_back("it has " + std::to_string(profiles) + " profiles: these are of the first");
  for (const Known& known : kMeasured) {
    if (uki.stub_version && *uki.stub_version < known.since) continue;
    const auto found = std::find_if(visible.begin(), visible.end(),
                                    [&known](const PeSection* section) { return section->name == known.name; });
    if (found == visible.end() || (*found)->virtual_size == 0) continue;
    if (known.name == ".dtbauto" || known.name == ".efifw") {
      uki.notes.push_back("which " + std::string(known.name) +
                          " is measured depends on the machine: PCR 11 is without");
      continue;
    }
    uki.sections.push_back(MeasureSection(**found));
    if (known.name == ".linux") MeasureKernel(uki.sections.back(), uki);
    if (known.name == ".cmdline") ReadCommandLine(uki.sections.back(), uki);
  }
  if (uki.sections.empty() || uki.sections.front().name != ".linux") {
    return Error{Reason::kPeMalformed, "unified kernel image", "no section .linux: it is no unified kernel image"};
  }
  ComputePcrs(file, uki);
  return uki;
}

}  // namespace gatehouse::measure
