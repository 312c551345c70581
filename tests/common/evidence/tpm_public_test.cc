// TPMT_PUBLIC: keys of a TPM, templates and other things that are no keys.
#include <gtest/gtest.h>

#include <functional>

#include "common/evidence/tpm/structures.h"
#include "tests/fakes/tpm_marshal.h"
#include "tests/fakes/tpm_vectors.h"

namespace gatehouse::evidence::tpm {
namespace {

using fakes::Marshal;

Bytes TestData(const std::string& name) {
  auto bytes = fakes::ReadFileBytes(fakes::TpmTestData() / name);
  EXPECT_TRUE(bytes.has_value()) << name;
  return bytes.value_or(Bytes{});
}

PublicArea RsaKey() {
  PublicArea area{};
  area.name_algorithm = HashAlgorithm::kSha256;
  area.attributes = 0x00050072;
  area.scheme = Signature::Scheme::kRsaSsa;
  area.scheme_hash = HashAlgorithm::kSha256;
  area.key = PublicArea::Rsa{2048, 0, Bytes(256, 0xC1)};
  return area;
}

PublicArea EccKey() {
  PublicArea area = RsaKey();
  area.scheme = Signature::Scheme::kEcdsa;
  area.key = PublicArea::Ecc{Curve::kP256, Bytes(32, 0x01), Bytes(32, 0x02)};
  return area;
}

void ExpectMalformed(const Result<PublicArea>& area) {
  ASSERT_FALSE(area.ok());
  EXPECT_EQ(area.error().reason, Reason::kEvidenceMalformed) << area.error().ToString();
}

TEST(TpmPublic, ReadsAnRsaAttestationKey) {
  const Bytes bytes = TestData("a1-baseline/ak-rsapss.tpm2b_public");
  auto area = ParsePublic2B(bytes);
  ASSERT_TRUE(area.ok()) << area.error().ToString();
  EXPECT_EQ(area->bytes, ToBytes(BytesView(bytes).subspan(2)));
  EXPECT_EQ(area->name_algorithm, HashAlgorithm::kSha256);
  EXPECT_EQ(area->attributes, attributes::kFixedTpm | attributes::kFixedParent | attributes::kSensitiveDataOrigin |
                                  attributes::kUserWithAuth | attributes::kRestricted | attributes::kSign);
  EXPECT_TRUE(area->auth_policy.empty());
  EXPECT_EQ(area->symmetric_bits, 0);
  EXPECT_EQ(area->scheme, Signature::Scheme::kRsaPss);
  EXPECT_EQ(area->scheme_hash, HashAlgorithm::kSha256);
  const auto& key = std::get<PublicArea::Rsa>(area->key);
  EXPECT_EQ(key.bits, 2048);
  EXPECT_EQ(key.exponent, 0U);
  EXPECT_EQ(key.modulus.size(), 256U);
}

TEST(TpmPublic, ReadsAnEccEndorsementKey) {
  auto area = ParsePublic2B(TestData("a1-baseline/ek-ecc384.tpm2b_public"));
  ASSERT_TRUE(area.ok()) << area.error().ToString();
  EXPECT_EQ(area->name_algorithm, HashAlgorithm::kSha384);
  EXPECT_EQ(area->attributes, 0x000300F2U);
  EXPECT_EQ(area->auth_policy.size(), 48U);
  EXPECT_EQ(area->symmetric_bits, 256);
  EXPECT_FALSE(area->scheme.has_value());
  EXPECT_FALSE(area->scheme_hash.has_value());
  const auto& key = std::get<PublicArea::Ecc>(area->key);
  EXPECT_EQ(key.curve, Curve::kP384);
  EXPECT_EQ(key.x.size(), 48U);
  EXPECT_EQ(key.y.size(), 48U);
}

TEST(TpmPublic, ParsesWhatWasWritten) {
  for (const char* name : {"ak-rsassa", "ak-rsapss", "ak-ecdsa", "ak-owner", "app", "ek-rsa", "ek-ecc384"}) {
    const Bytes bytes = TestData(std::string("a1-baseline/") + name + ".tpm2b_public");
    auto area = ParsePublic2B(bytes);
    ASSERT_TRUE(area.ok()) << name;
    EXPECT_EQ(fakes::Sized(Marshal(*area)), bytes) << name;
  }
}

TEST(TpmPublic, TruncatedAtEveryByteOffset) {
  for (const char* name : {"a1-baseline/ak-rsassa.tpm2b_public", "a1-baseline/ek-ecc384.tpm2b_public"}) {
    const Bytes whole = TestData(name);
    ASSERT_TRUE(ParsePublic2B(whole).ok());
    for (std::size_t size = 0; size < whole.size(); ++size) {
      ExpectMalformed(ParsePublic2B(BytesView(whole).first(size)));
      if (size >= 2) ExpectMalformed(ParsePublic(BytesView(whole).subspan(2, size - 2)));
    }
  }
}

TEST(TpmPublic, TrailingBytes) {
  Bytes area = Marshal(RsaKey());
  ASSERT_TRUE(ParsePublic(area).ok());
  Bytes sized = fakes::Sized(area);
  ASSERT_TRUE(ParsePublic2B(sized).ok());
  sized.push_back(0);
  ExpectMalformed(ParsePublic2B(sized));
  area.push_back(0);
  ExpectMalformed(ParsePublic(area));
  ExpectMalformed(ParsePublic2B(fakes::Sized(area)));
}

struct PublicDefect {
  const char* name;
  bool rsa;
  std::function<void(PublicArea&)> before;
  std::function<void(Bytes&)> after;
};

class TpmPublicDefect : public testing::TestWithParam<PublicDefect> {};

TEST_P(TpmPublicDefect, IsMalformed) {
  PublicArea area = GetParam().rsa ? RsaKey() : EccKey();
  ASSERT_TRUE(ParsePublic(Marshal(area)).ok());
  if (GetParam().before) GetParam().before(area);
  Bytes bytes = Marshal(area);
  if (GetParam().after) GetParam().after(bytes);
  ExpectMalformed(ParsePublic(bytes));
}

// Offsets within the bytes of both keys: their policy is empty and their symmetric algorithm is NULL.
constexpr std::size_t kSchemeAt = 12;
constexpr std::size_t kParametersAt = 16;

INSTANTIATE_TEST_SUITE_P(
    , TpmPublicDefect,
    testing::Values(
        PublicDefect{"TypeKeyedHash", true, nullptr, [](Bytes& b) { b[1] = 0x08; }},
        PublicDefect{"NameAlgorithmNull", true, nullptr, [](Bytes& b) { b[3] = 0x10; }},
        PublicDefect{"ReservedAttributeBit0", true, [](PublicArea& a) { a.attributes |= 1; }, nullptr},
        PublicDefect{"ReservedAttributeBit31", true, [](PublicArea& a) { a.attributes |= 1U << 31; }, nullptr},
        PublicDefect{"PolicyNotOfTheNameAlgorithm", true, [](PublicArea& a) { a.auth_policy.assign(48, 1); }, nullptr},
        PublicDefect{"PolicyLongerThanAnyDigest", true, [](PublicArea& a) { a.auth_policy.assign(65, 1); }, nullptr},
        PublicDefect{"SymmetricNotAes", true, nullptr, [](Bytes& b) { b[kSchemeAt - 1] = 0x26; }},
        PublicDefect{"SymmetricBitsUnknown", true, [](PublicArea& a) { a.symmetric_bits = 64; }, nullptr},
        PublicDefect{"SymmetricModeCbc", true, [](PublicArea& a) { a.symmetric_bits = 128; },
                     [](Bytes& b) { b[15] = 0x42; }},
        PublicDefect{"SchemeOaep", true, nullptr, [](Bytes& b) { b[kSchemeAt + 1] = 0x17; }},
        PublicDefect{"SchemeEcdsaOnRsa", true, [](PublicArea& a) { a.scheme = Signature::Scheme::kEcdsa; }, nullptr},
        PublicDefect{"SchemeRsaOnEcc", false, [](PublicArea& a) { a.scheme = Signature::Scheme::kRsaSsa; }, nullptr},
        PublicDefect{"SchemeEcdaa", false, nullptr, [](Bytes& b) { b[kSchemeAt + 1] = 0x1A; }},
        PublicDefect{"SchemeHashUnknown", true, [](PublicArea& a) { a.scheme_hash.reset(); }, nullptr},
        PublicDefect{"RsaSizeNotAMultipleOf1024", true,
                     [](PublicArea& a) {
                       a.key = PublicArea::Rsa{2056, 0, Bytes(257, 0xC1)};
                     },
                     nullptr},
        PublicDefect{"RsaSizeHuge", true,
                     [](PublicArea& a) {
                       a.key = PublicArea::Rsa{8192, 0, Bytes(1024, 0xC1)};
                     },
                     nullptr},
        PublicDefect{"RsaModulusShorterThanTheKey", true,
                     [](PublicArea& a) {
                       a.key = PublicArea::Rsa{2048, 0, Bytes(255, 0xC1)};
                     },
                     nullptr},
        PublicDefect{"RsaModulusWithLeadingZero", true,
                     [](PublicArea& a) { std::get<PublicArea::Rsa>(a.key).modulus[0] = 0; }, nullptr},
        PublicDefect{"RsaTemplate", true, [](PublicArea& a) { std::get<PublicArea::Rsa>(a.key).modulus.clear(); },
                     nullptr},
        PublicDefect{"EccCurveUnknown", false, nullptr, [](Bytes& b) { b[kParametersAt + 1] = 0x20; }},
        PublicDefect{"EccKdf", false, nullptr, [](Bytes& b) { b[kParametersAt + 3] = 0x20; }},
        PublicDefect{"EccTemplate", false, [](PublicArea& a) { std::get<PublicArea::Ecc>(a.key).x.clear(); }, nullptr},
        PublicDefect{"EccCoordinateLongerThanTheField", false,
                     [](PublicArea& a) { std::get<PublicArea::Ecc>(a.key).y.push_back(1); }, nullptr}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(TpmPublic, AlgorithmIdsAreInverse) {
  for (std::uint32_t id = 0; id <= 0xFFFF; ++id) {
    if (auto hash = HashFromAlgId(static_cast<std::uint16_t>(id))) {
      EXPECT_EQ(AlgId(*hash), id);
    }
    if (auto scheme = SchemeFromAlgId(static_cast<std::uint16_t>(id))) {
      EXPECT_EQ(AlgId(*scheme), id);
    }
  }
  EXPECT_EQ(HashFromAlgId(0x000B), HashAlgorithm::kSha256);
  EXPECT_FALSE(HashFromAlgId(0x0012).has_value());  // SM3
}

}  // namespace
}  // namespace gatehouse::evidence::tpm
