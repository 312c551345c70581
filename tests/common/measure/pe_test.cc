// EFI executables: sound ones, and each with one defect; the digest that firmware measures.
#include "common/measure/pe.h"

#include <gtest/gtest.h>

#include <functional>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"
#include "tests/common/measure/pe_builder.h"

namespace gatehouse::measure {
namespace {

using fakes::MakePe;
using fakes::PeSpec;

PeSpec Sound() {
  return {.sections = {{".text", Bytes(100, 1)}, {".data", Bytes(50, 2), 64}, {".bss", {}, 4096}}};
}

Bytes Hash(BytesView bytes) {
  return crypto::Hash(HashAlgorithm::kSha256, bytes);
}

Bytes HashOf(const Bytes& file) {
  auto pe = ParsePe(file);
  EXPECT_TRUE(pe.ok()) << pe.error().ToString();
  return pe.ok() ? AuthenticodeHash(*pe, HashAlgorithm::kSha256) : Bytes{};
}

// The file without CheckSum and the certificate directory entry, as a whole.
Bytes WithoutUnmeasured(const PeSpec& spec, const Bytes& file) {
  Bytes rest(file.begin(), file.begin() + fakes::kPeOptional + 64);
  const auto entry = static_cast<std::ptrdiff_t>(fakes::PeCertificateEntry(spec));
  rest.insert(rest.end(), file.begin() + fakes::kPeOptional + 68, file.begin() + entry);
  rest.insert(rest.end(), file.begin() + entry + 8, file.end());
  return rest;
}

TEST(Pe, SectionsOfAFile) {
  const Bytes file = MakePe(Sound());
  auto pe = ParsePe(file);
  ASSERT_TRUE(pe.ok()) << pe.error().ToString();
  ASSERT_EQ(pe->sections.size(), 3U);
  EXPECT_EQ(pe->sections[0].name, ".text");
  EXPECT_EQ(ToBytes(pe->sections[0].data), Bytes(100, 1));
  EXPECT_EQ(pe->sections[1].virtual_size, 64U);
  EXPECT_TRUE(pe->sections[2].data.empty());
  EXPECT_TRUE(pe->certificates.empty());
}

TEST(Pe, NameOfEightBytesHasNoNul) {
  auto pe = ParsePe(MakePe({.sections = {{".pcrpkey", Bytes(4, 1)}}}));
  ASSERT_TRUE(pe.ok());
  EXPECT_EQ(pe->sections[0].name, ".pcrpkey");
}

TEST(Authenticode, LeavesOutChecksumAndCertificateEntry) {
  for (bool plus : {true, false}) {
    PeSpec spec = Sound();
    spec.pe32_plus = plus;
    const Bytes file = MakePe(spec);
    EXPECT_EQ(HashOf(file), Hash(WithoutUnmeasured(spec, file)));
    PeSpec other = spec;
    other.checksum = 7;
    EXPECT_EQ(HashOf(MakePe(other)), HashOf(file));
  }
}

TEST(Authenticode, SignatureChangesNothing) {
  PeSpec spec = Sound();
  const Bytes unsigned_hash = HashOf(MakePe(spec));
  spec.certificates = Bytes(24, 9);
  EXPECT_EQ(HashOf(MakePe(spec)), unsigned_hash);
}

TEST(Authenticode, WithoutACertificateDirectory) {
  PeSpec spec = Sound();
  spec.directories = 4;
  const Bytes file = MakePe(spec);
  Bytes rest(file.begin(), file.begin() + fakes::kPeOptional + 64);
  rest.insert(rest.end(), file.begin() + fakes::kPeOptional + 68, file.end());
  EXPECT_EQ(HashOf(file), Hash(rest));
}

TEST(Authenticode, SectionsCountInTheOrderOfTheFile) {
  PeSpec spec = Sound();
  spec.reversed = true;
  const Bytes file = MakePe(spec);
  EXPECT_EQ(HashOf(file), Hash(WithoutUnmeasured(spec, file)));
}

TEST(Authenticode, BytesBehindTheLastSectionCount) {
  PeSpec spec = Sound();
  spec.trailing = {1, 2, 3};
  const Bytes file = MakePe(spec);
  EXPECT_EQ(HashOf(file), Hash(WithoutUnmeasured(spec, file)));
  EXPECT_NE(HashOf(file), HashOf(MakePe(Sound())));
}

TEST(Authenticode, EveryMeasuredByteCounts) {
  const PeSpec spec = Sound();
  const Bytes file = MakePe(spec);
  const Bytes hash = HashOf(file);
  const std::size_t entry = fakes::PeCertificateEntry(spec);
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes changed = file;
    changed[i] ^= 1;
    auto pe = ParsePe(changed);
    if (!pe.ok()) continue;
    const bool skipped = (i >= fakes::kPeOptional + 64 && i < fakes::kPeOptional + 68) || (i >= entry && i < entry + 8);
    EXPECT_EQ(AuthenticodeHash(*pe, HashAlgorithm::kSha256) == hash, skipped) << i;
  }
}

void Put(Bytes& file, std::size_t at, std::uint64_t value, int width) {
  for (int i = 0; i < width; ++i) file[at + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(value >> (8 * i));
}

struct Broken {
  const char* name;
  std::function<void(Bytes&)> change;
  Reason reason = Reason::kPeMalformed;
};

const std::size_t kTable = fakes::PeSectionTable(Sound());

class PeWithOneDefect : public ::testing::TestWithParam<Broken> {};
INSTANTIATE_TEST_SUITE_P(
    Pe, PeWithOneDefect,
    ::testing::Values(
        Broken{"NoMz", [](Bytes& f) { f[0] = 'N'; }}, Broken{"NoPe", [](Bytes& f) { f[fakes::kPeOffset] = 'N'; }},
        Broken{"PeHeaderBeyondTheFile", [](Bytes& f) { Put(f, 0x3C, 0xFFFFFFFF, 4); }},
        Broken{"PeHeaderAtTheEnd", [](Bytes& f) { Put(f, 0x3C, f.size() - 2, 4); }},
        Broken{"OptionalHeaderOfAnotherKind", [](Bytes& f) { Put(f, fakes::kPeOptional, 0x107, 2); }},
        Broken{"OptionalHeaderTooShort", [](Bytes& f) { Put(f, fakes::kPeOffset + 20, 60, 2); }},
        Broken{"OptionalHeaderBeyondTheFile", [](Bytes& f) { Put(f, fakes::kPeOffset + 20, 0xFFFF, 2); }},
        Broken{"HeadersEndBeforeTheSectionTable", [](Bytes& f) { Put(f, fakes::kPeOptional + 60, 0x100, 4); }},
        Broken{"HeadersBeyondTheFile", [](Bytes& f) { Put(f, fakes::kPeOptional + 60, 0x7FFFFFFF, 4); }},
        Broken{"HeadersOverlapASection", [](Bytes& f) { Put(f, fakes::kPeOptional + 60, 520, 4); }},
        Broken{"SectionBeyondTheFile", [](Bytes& f) { Put(f, kTable + 16, 0xFFFFFFFF, 4); }},
        Broken{"SectionBehindTheFile", [](Bytes& f) { Put(f, kTable + 20, 0xFFFFFFF0, 4); }},
        Broken{"SectionsOverlap", [](Bytes& f) { Put(f, kTable + 16, 101, 4); }},
        Broken{"CertificatesBeyondTheFile",
               [](Bytes& f) {
                 Put(f, fakes::PeCertificateEntry(Sound()), f.size() - 4, 4);
                 Put(f, fakes::PeCertificateEntry(Sound()) + 4, 8, 4);
               }},
        Broken{"CertificatesNotAtTheEnd",
               [](Bytes& f) {
                 Put(f, fakes::PeCertificateEntry(Sound()), f.size() - 8, 4);
                 Put(f, fakes::PeCertificateEntry(Sound()) + 4, 4, 4);
               }},
        Broken{"CertificatesOverASection",
               [](Bytes& f) {
                 Put(f, fakes::PeCertificateEntry(Sound()), f.size() - 8, 4);
                 Put(f, fakes::PeCertificateEntry(Sound()) + 4, 8, 4);
               }},
        Broken{"TooManySections", [](Bytes& f) { Put(f, fakes::kPeOffset + 6, 97, 2); }, Reason::kLimitExceeded},
        Broken{"SectionOf4GiBInMemory", [](Bytes& f) { Put(f, kTable + 8, 0xFFFFFFFF, 4); }, Reason::kLimitExceeded}),
    [](const auto& test) { return std::string(test.param.name); });
TEST_P(PeWithOneDefect, IsRefused) {
  Bytes file = MakePe(Sound());
  ASSERT_TRUE(ParsePe(file).ok());
  GetParam().change(file);
  auto pe = ParsePe(file);
  ASSERT_FALSE(pe.ok());
  EXPECT_EQ(pe.error().reason, GetParam().reason) << pe.error().ToString();
}

TEST(Pe, TruncationAtEveryOffset) {
  const Bytes file = MakePe(Sound());
  for (std::size_t size = 0; size < file.size(); ++size) {
    auto pe = ParsePe(BytesView(file).first(size));
    ASSERT_FALSE(pe.ok()) << size;
    EXPECT_EQ(pe.error().reason, Reason::kPeMalformed);
  }
}

TEST(PeSigners, CertificateTableWithOneDefect) {
  const auto table = [](std::uint32_t length, std::uint16_t type, const Bytes& content) {
    Bytes bytes;
    fakes::PutLe(bytes, length, 4);
    fakes::PutLe(bytes, 0x200, 2);
    fakes::PutLe(bytes, type, 2);
    Append(bytes, content);
    return bytes;
  };
  const auto of = [](const Bytes& certificates) {
    PeSpec spec = Sound();
    spec.certificates = certificates;
    const Bytes file = MakePe(spec);
    return PeSigners(ParsePe(file).value());
  };
  // Of another type than PKCS#7: read over.
  auto other = of(table(12, 1, {1, 2, 3, 4}));
  ASSERT_TRUE(other.ok()) << other.error().ToString();
  EXPECT_TRUE(other->empty());
  EXPECT_TRUE(of({})->empty());
  for (const Bytes& broken : {table(7, 1, {}), table(0, 1, {}), table(100, 1, {1, 2, 3, 4}), Bytes(5, 0),
                              table(12, 2, {0x30, 2, 1, 2}), table(12, 2, {0x30, 0x84, 0xFF, 0xFF})}) {
    auto signers = of(broken);
    ASSERT_FALSE(signers.ok()) << EncodeHex(broken);
    EXPECT_EQ(signers.error().reason, Reason::kPeMalformed);
  }
}

}  // namespace
}  // namespace gatehouse::measure
