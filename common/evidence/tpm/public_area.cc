// TPMT_PUBLIC { type, nameAlg, objectAttributes, authPolicy, parameters, unique } of an asymmetric key (TPM 2.0 Part 2
// section 12.2.4).
#include "common/base/limits.h"
#include "common/evidence/tpm/structures.h"

namespace gatehouse::evidence::tpm {
namespace {

constexpr std::uint16_t kAlgRsa = 0x0001;
constexpr std::uint16_t kAlgAes = 0x0006;
constexpr std::uint16_t kAlgNull = 0x0010;
constexpr std::uint16_t kAlgEcc = 0x0023;
constexpr std::uint16_t kAlgCfb = 0x0043;
constexpr std::size_t kPolicyBytes = 64;  // TPM2B_DIGEST

// TPMA_OBJECT, Part 2 section 8.3.2: bits 0, 3, 12 to 15 and 20 to 31 are "reserved: shall be zero".
constexpr std::uint32_t kReservedAttributes = 0xFFF0'F009;

// TPMT_SYM_DEF_OBJECT: TPM_ALG_NULL, or AES in CFB mode, the only cipher that a storage key of an EK template has.
Result<std::uint16_t> TakeSymmetric(ByteReader& reader) {
  ASSIGN_OR_RETURN(std::uint16_t algorithm, reader.TakeU16Be());
  if (algorithm == kAlgNull) return std::uint16_t{0};
  if (algorithm != kAlgAes) return reader.Fail("a symmetric algorithm other than AES");
  ASSIGN_OR_RETURN(std::uint16_t bits, reader.TakeU16Be());
  if (bits != 128 && bits != 192 && bits != 256) return reader.Fail("not an AES key size");
  ASSIGN_OR_RETURN(std::uint16_t mode, reader.TakeU16Be());
  if (mode != kAlgCfb) return reader.Fail("a mode other than CFB");
  return bits;
}

// TPMT_RSA_SCHEME or TPMT_ECC_SCHEME: TPM_ALG_NULL or a signing scheme of the key's own type, which has a hash.
Status TakeScheme(ByteReader& reader, bool rsa, PublicArea& area) {
  ASSIGN_OR_RETURN(std::uint16_t id, reader.TakeU16Be());
  if (id == kAlgNull) return Ok();
  area.scheme = SchemeFromAlgId(id);
  if (!area.scheme || (*area.scheme == Signature::Scheme::kEcdsa) == rsa) {
    return reader.Fail("a scheme that is not a signing scheme of this type of key");
  }
  ASSIGN_OR_RETURN(std::uint16_t hash, reader.TakeU16Be());
  area.scheme_hash = HashFromAlgId(hash);
  if (!area.scheme_hash) return reader.Fail("an unknown hash algorithm of the scheme");
  return Ok();
}

Result<PublicArea::Rsa> TakeRsa(ByteReader& reader, PublicArea& area) {
  RETURN_IF_ERROR(TakeScheme(reader, /*rsa=*/true, area));
  PublicArea::Rsa key{};
  ASSIGN_OR_RETURN(key.bits, reader.TakeU16Be());
  if (key.bits < 1024 || key.bits > 4096 || key.bits % 1024 != 0) return reader.Fail("an unknown RSA key size");
  ASSIGN_OR_RETURN(key.exponent, reader.TakeU32Be());
  ASSIGN_OR_RETURN(BytesView modulus, reader.TakeSized16Be(key.bits / 8U));
  // A template has an empty one; a key has all of its bits.
  if (modulus.size() != key.bits / 8U || modulus[0] < 0x80) return reader.Fail("the modulus is not as long as the key");
  key.modulus = ToBytes(modulus);
  return key;
}

struct CurveInfo {
  Curve curve;
  std::size_t field_bytes;
};

std::optional<CurveInfo> CurveFromId(std::uint16_t id) {  // TPM_ECC_CURVE, Part 2 section 6.4
  switch (id) {
    case 0x0003:
      return CurveInfo{Curve::kP256, 32};
    case 0x0004:
      return CurveInfo{Curve::kP384, 48};
    case 0x0005:
      return CurveInfo{Curve::kP521, 66};
    default:
      return std::nullopt;
  }
}

// One of TPMS_ECC_POINT's two. A TPM pads it to the field, but only a later edition of Part 1 (C.8) says that it must.
Result<Bytes> TakeCoordinate(ByteReader& reader, std::size_t field_bytes) {
  ASSIGN_OR_RETURN(BytesView coordinate, reader.TakeSized16Be(field_bytes));
  if (coordinate.empty()) return reader.Fail("an empty coordinate: a template, not a key");
  return ToBytes(coordinate);
}

Result<PublicArea::Ecc> TakeEcc(ByteReader& reader, PublicArea& area) {
  RETURN_IF_ERROR(TakeScheme(reader, /*rsa=*/false, area));
  ASSIGN_OR_RETURN(std::uint16_t id, reader.TakeU16Be());
  auto curve = CurveFromId(id);
  if (!curve) return reader.Fail("a curve other than P-256, P-384 and P-521");
  // "kdf: ... there are currently no commands where this parameter has effect and, in the reference code, this field
  // needs to be set to TPM_ALG_NULL" (Part 2 section 12.2.3.6)
  ASSIGN_OR_RETURN(std::uint16_t kdf, reader.TakeU16Be());
  if (kdf != kAlgNull) return reader.Fail("a key derivation scheme");
  PublicArea::Ecc key{};
  key.curve = curve->curve;
  ASSIGN_OR_RETURN(key.x, TakeCoordinate(reader, curve->field_bytes));
  ASSIGN_OR_RETURN(key.y, TakeCoordinate(reader, curve->field_bytes));
  return key;
}

}  // namespace

std::optional<Signature::Scheme> SchemeFromAlgId(std::uint16_t id) {
  switch (id) {
    case 0x0014:
      return Signature::Scheme::kRsaSsa;
    case 0x0016:
      return Signature::Scheme::kRsaPss;
    case 0x0018:
      return Signature::Scheme::kEcdsa;
    default:
      return std::nullopt;
  }
}

std::uint16_t AlgId(Signature::Scheme scheme) {
  switch (scheme) {
    case Signature::Scheme::kRsaSsa:
      return 0x0014;
    case Signature::Scheme::kRsaPss:
      return 0x0016;
    case Signature::Scheme::kEcdsa:
      return 0x0018;
  }
  return 0;
}

Result<PublicArea> ParsePublic(BytesView bytes) {
  ByteReader reader(bytes, Reason::kEvidenceMalformed, "TPMT_PUBLIC");
  if (bytes.size() > limits::kTpmStructureBytes) return reader.Fail("longer than any TPM structure");
  PublicArea area{};
  ASSIGN_OR_RETURN(std::uint16_t type, reader.TakeU16Be());
  if (type != kAlgRsa && type != kAlgEcc) return reader.Fail("neither an RSA nor an ECC key");
  ASSIGN_OR_RETURN(std::uint16_t name, reader.TakeU16Be());
  auto name_algorithm = HashFromAlgId(name);
  if (!name_algorithm) return reader.Fail("an unknown name algorithm");
  area.name_algorithm = *name_algorithm;
  ASSIGN_OR_RETURN(area.attributes, reader.TakeU32Be());
  if ((area.attributes & kReservedAttributes) != 0) return reader.Fail("a reserved attribute is set");
  ASSIGN_OR_RETURN(BytesView policy, reader.TakeSized16Be(kPolicyBytes));
  // authPolicy is computed with nameAlg, and is the Empty Policy if there is none (Part 2 section 12.2.4).
  if (!policy.empty() && policy.size() != DigestSize(area.name_algorithm)) {
    return reader.Fail("a policy that is not a digest of the name algorithm");
  }
  area.auth_policy = ToBytes(policy);
  ASSIGN_OR_RETURN(area.symmetric_bits, TakeSymmetric(reader));
  if (type == kAlgRsa) {
    ASSIGN_OR_RETURN(area.key, TakeRsa(reader, area));
  } else {
    ASSIGN_OR_RETURN(area.key, TakeEcc(reader, area));
  }
  RETURN_IF_ERROR(reader.ExpectEnd());
  area.bytes = ToBytes(bytes);
  return area;
}

Result<PublicArea> ParsePublic2B(BytesView bytes) {
  ByteReader reader(bytes, Reason::kEvidenceMalformed, "TPM2B_PUBLIC");
  ASSIGN_OR_RETURN(BytesView area, reader.TakeSized16Be(limits::kTpmStructureBytes));
  RETURN_IF_ERROR(reader.ExpectEnd());
  return ParsePublic(area);
}

}  // namespace gatehouse::evidence::tpm
