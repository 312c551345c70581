#include "tests/fakes/tpm_marshal.h"

namespace gatehouse::fakes {
namespace {

using evidence::tpm::AlgId;
using evidence::tpm::Curve;
using evidence::tpm::PublicArea;
using evidence::tpm::Signature;

constexpr std::uint16_t kAlgNull = 0x0010;

void PutSelections(ByteWriter& writer, const evidence::tpm::PcrSelections& selections) {
  writer.PutU32Be(static_cast<std::uint32_t>(selections.size()));
  for (const auto& selection : selections) {
    writer.PutU16Be(AlgId(selection.bank));
    writer.PutU8(3);
    for (unsigned shift = 0; shift < 24; shift += 8) writer.PutU8(static_cast<std::uint8_t>(selection.pcrs >> shift));
  }
}

void PutScheme(ByteWriter& writer, const PublicArea& area) {
  if (!area.scheme) {
    writer.PutU16Be(kAlgNull);
    return;
  }
  writer.PutU16Be(AlgId(*area.scheme));
  writer.PutU16Be(area.scheme_hash ? AlgId(*area.scheme_hash) : kAlgNull);
}

std::uint16_t CurveId(Curve curve) {
  switch (curve) {
    case Curve::kP256:
      return 0x0003;
    case Curve::kP384:
      return 0x0004;
    case Curve::kP521:
      return 0x0005;
  }
  return 0;
}

}  // namespace

Bytes Sized(BytesView bytes) {
  ByteWriter writer;
  writer.PutSized16Be(bytes);
  return std::move(writer).Finish();
}

Bytes Marshal(const evidence::tpm::Attest& attest) {
  ByteWriter writer;
  writer.PutU32Be(0xFF544347);
  writer.PutU16Be(attest.type);
  writer.PutSized16Be(attest.qualified_signer);
  writer.PutSized16Be(attest.extra_data);
  writer.PutU64Be(attest.clock.clock_ms);
  writer.PutU32Be(attest.clock.reset_count);
  writer.PutU32Be(attest.clock.restart_count);
  writer.PutU8(attest.clock.safe ? 1 : 0);
  writer.PutU64Be(attest.firmware_version);
  if (attest.quote) {
    PutSelections(writer, attest.quote->selections);
    writer.PutSized16Be(attest.quote->pcr_digest);
  }
  return std::move(writer).Finish();
}

Bytes Marshal(const Signature& signature) {
  ByteWriter writer;
  writer.PutU16Be(AlgId(signature.scheme));
  writer.PutU16Be(AlgId(signature.hash));
  if (signature.scheme == Signature::Scheme::kEcdsa) {
    writer.PutSized16Be(signature.r);
    writer.PutSized16Be(signature.s);
  } else {
    writer.PutSized16Be(signature.rsa);
  }
  return std::move(writer).Finish();
}

Bytes Marshal(const PublicArea& area) {
  const auto* rsa = std::get_if<PublicArea::Rsa>(&area.key);
  const auto* ecc = std::get_if<PublicArea::Ecc>(&area.key);
  ByteWriter writer;
  writer.PutU16Be(rsa != nullptr ? 0x0001 : 0x0023);
  writer.PutU16Be(AlgId(area.name_algorithm));
  writer.PutU32Be(area.attributes);
  writer.PutSized16Be(area.auth_policy);
  if (area.symmetric_bits == 0) {
    writer.PutU16Be(kAlgNull);
  } else {
    writer.PutU16Be(0x0006);  // AES
    writer.PutU16Be(area.symmetric_bits);
    writer.PutU16Be(0x0043);  // CFB
  }
  PutScheme(writer, area);
  if (rsa != nullptr) {
    writer.PutU16Be(rsa->bits);
    writer.PutU32Be(rsa->exponent);
    writer.PutSized16Be(rsa->modulus);
  } else {
    writer.PutU16Be(CurveId(ecc->curve));
    writer.PutU16Be(kAlgNull);  // kdf
    writer.PutSized16Be(ecc->x);
    writer.PutSized16Be(ecc->y);
  }
  return std::move(writer).Finish();
}

}  // namespace gatehouse::fakes
