#include "tests/fakes/software_tpm.h"

#include "common/base/limits.h"
#include "common/crypto/hash.h"
#include "tests/fakes/software_tpm_openssl.h"
#include "tests/fakes/tpm_marshal.h"

namespace gatehouse::fakes {
namespace {

using evidence::tpm::AlgId;
using evidence::tpm::Attest;
using evidence::tpm::Curve;
using evidence::tpm::PublicArea;
using evidence::tpm::Signature;

constexpr HashAlgorithm kBanks[] = {HashAlgorithm::kSha1, HashAlgorithm::kSha256, HashAlgorithm::kSha384};

Bytes Join(std::initializer_list<BytesView> parts) {
  Bytes joined;
  for (BytesView part : parts) Append(joined, part);
  return joined;
}

Bytes U32(std::uint32_t value) {
  ByteWriter writer;
  writer.PutU32Be(value);
  return std::move(writer).Finish();
}

Bytes NameOf(HashAlgorithm algorithm, BytesView structure) {
  ByteWriter name;
  name.PutU16Be(AlgId(algorithm));
  name.Put(crypto::Hash(algorithm, structure));
  return std::move(name).Finish();
}

std::optional<Curve> CurveOf(crypto::KeyType type) {
  switch (type) {
    case crypto::KeyType::kEcP256:
      return Curve::kP256;
    case crypto::KeyType::kEcP384:
      return Curve::kP384;
    case crypto::KeyType::kEcP521:
      return Curve::kP521;
    case crypto::KeyType::kRsa:
    case crypto::KeyType::kEd25519:
      return std::nullopt;
  }
  return std::nullopt;
}

// The numbers of a key as a TPMT_PUBLIC has them.
std::variant<PublicArea::Rsa, PublicArea::Ecc> Numbers(const crypto::PrivateKey& key) {
  const crypto::PublicKey public_key = key.Public();
  if (auto curve = CurveOf(public_key.type())) {
    auto point = key.EcPoint().value();
    return PublicArea::Ecc{*curve, point.first, point.second};
  }
  return PublicArea::Rsa{static_cast<std::uint16_t>(public_key.bits()), 0, RsaModulus(public_key)};
}

TpmKey MakeKey(PublicArea area, const crypto::PrivateKey& key) {
  area.key = Numbers(key);
  area.bytes = Marshal(area);
  return {std::move(area), key};
}

struct EkShape {
  crypto::KeyType type;
  std::size_t rsa_bits;
  HashAlgorithm name_algorithm;
  std::uint16_t symmetric_bits;
  bool high_range;
};

EkShape ShapeOf(EkTemplate ek) {
  switch (ek) {
    case EkTemplate::kRsa2048:
      return {crypto::KeyType::kRsa, 2048, HashAlgorithm::kSha256, 128, false};
    case EkTemplate::kEccP256:
      return {crypto::KeyType::kEcP256, 0, HashAlgorithm::kSha256, 128, false};
    case EkTemplate::kEccP384:
      return {crypto::KeyType::kEcP384, 0, HashAlgorithm::kSha384, 256, true};
    case EkTemplate::kEccP521:
      return {crypto::KeyType::kEcP521, 0, HashAlgorithm::kSha512, 256, true};
    case EkTemplate::kRsa3072:
      return {crypto::KeyType::kRsa, 3072, HashAlgorithm::kSha384, 256, true};
  }
  return {};
}

TpmKey CreateEk(EkTemplate ek) {
  const EkShape shape = ShapeOf(ek);
  PublicArea area{};
  area.name_algorithm = shape.name_algorithm;
  area.attributes = shape.high_range ? 0x000300F2 : 0x000300B2;
  area.auth_policy = shape.high_range ? EkPolicyB(shape.name_algorithm) : EkPolicyA(shape.name_algorithm);
  area.symmetric_bits = shape.symmetric_bits;
  return MakeKey(std::move(area), crypto::PrivateKey::Generate(shape.type, shape.rsa_bits).value());
}

}  // namespace

// policyDigest' = H(H(policyDigest ‖ TPM_CC_PolicySecret ‖ name of TPM_RH_ENDORSEMENT) ‖ policyRef), with an empty
// policyRef (Part 3 section 23.4).
Bytes EkPolicyA(HashAlgorithm hash) {
  const Bytes zero(DigestSize(hash), 0);
  return crypto::Hash(hash, crypto::Hash(hash, Join({zero, U32(0x00000151), U32(0x4000000B)})));
}

// PolicyOR(PolicyA, PolicyC); PolicyC is PolicyAuthorizeNV of an index that the profile names for each hash (appendix
// B.6.3 to B.6.5).
Bytes EkPolicyB(HashAlgorithm hash) {
  const Bytes zero(DigestSize(hash), 0);
  const Bytes policy_a = EkPolicyA(hash);
  const std::uint32_t index = hash == HashAlgorithm::kSha256   ? 0x01C07F01
                              : hash == HashAlgorithm::kSha384 ? 0x01C07F02
                                                               : 0x01C07F03;
  ByteWriter nv_public;  // TPMS_NV_PUBLIC
  nv_public.PutU32Be(index);
  nv_public.PutU16Be(AlgId(hash));
  nv_public.PutU32Be(0x220F1008);
  nv_public.PutSized16Be(policy_a);
  nv_public.PutU16Be(static_cast<std::uint16_t>(2 + DigestSize(hash)));
  const Bytes policy_c = crypto::Hash(hash, Join({zero, U32(0x00000192), NameOf(hash, nv_public.bytes())}));
  return crypto::Hash(hash, Join({zero, U32(0x00000171), policy_a, policy_c}));
}

TpmKey::TpmKey(PublicArea area, crypto::PrivateKey key)
    : area_(std::move(area)), name_(NameOf(area_.name_algorithm, area_.bytes)), key_(std::move(key)) {}

SoftwareTpm::SoftwareTpm(EkTemplate ek) : ek_(CreateEk(ek)) {
  StartPcrs();
}

CertificateSpec SoftwareTpm::EkCertificateSpec() const {
  CertificateSpec spec;
  spec.public_key = ek_.key().Public();
  spec.not_after = std::chrono::sys_days{std::chrono::year{9999} / 12 / 31} + std::chrono::seconds{86399};
  spec.extensions = {
      {"extendedKeyUsage", "2.23.133.8.1"},
      {"subjectAltName", "critical,dirName:tpm"},
      {"keyUsage", CurveOf(spec.public_key->type()) ? "critical,keyAgreement" : "critical,keyEncipherment"},
  };
  // What comes before the first dot of a name in such a section is not part of it (x509v3_config(5)).
  spec.sections =
      "[tpm]\nmaker.2.23.133.2.1=id:00001014\nmodel.2.23.133.2.2=software\nversion.2.23.133.2.3=id:20191023\n";
  return spec;
}

TpmKey SoftwareTpm::CreateAk(const AkSpec& spec) const {
  PublicArea area{};
  area.name_algorithm = spec.name_algorithm;
  area.attributes = spec.attributes;
  area.scheme_hash = spec.scheme_hash;
  area.scheme = CurveOf(spec.type) ? Signature::Scheme::kEcdsa
                : spec.pss         ? Signature::Scheme::kRsaPss
                                   : Signature::Scheme::kRsaSsa;
  return MakeKey(std::move(area),
                 spec.key ? *spec.key : crypto::PrivateKey::Generate(spec.type, spec.rsa_bits).value());
}

void SoftwareTpm::StartPcrs() {
  for (HashAlgorithm bank : kBanks) {
    for (unsigned pcr = 0; pcr < limits::kPcrCount; ++pcr) {
      pcrs_[bank][pcr] = Bytes(DigestSize(bank), pcr >= 17 && pcr <= 22 ? 0xFF : 0x00);
    }
  }
}

void SoftwareTpm::Reset() {
  ++clock.reset_count;
  clock.restart_count = 0;
  StartPcrs();
}

void SoftwareTpm::Extend(HashAlgorithm bank, unsigned pcr, BytesView digest) {
  Bytes& value = pcrs_.at(bank).at(pcr);
  value = crypto::Hash(bank, Join({value, digest}));
}

SoftwareQuote SoftwareTpm::Quote(const TpmKey& ak, BytesView nonce, const evidence::tpm::PcrSelections& selection,
                                 const Tamper& tamper) {
  clock.clock_ms += 10;
  SoftwareQuote quote;
  Bytes values;
  for (const auto& [bank, pcrs] : selection) {
    for (unsigned pcr = 0; pcr < limits::kPcrCount; ++pcr) {
      if ((pcrs >> pcr & 1U) == 0) continue;
      Append(values, Pcr(bank, pcr));
      quote.pcrs[bank][pcr] = Pcr(bank, pcr);
    }
  }
  // qualifiedSigner of a key under the EK: H(H(TPM_RH_ENDORSEMENT ‖ name of the EK) ‖ name) (Part 1 section 16).
  const Bytes parent = NameOf(ek_.area().name_algorithm, Join({U32(0x4000000B), ek_.name()}));
  Attest attest{evidence::tpm::kAttestQuote,
                NameOf(ak.area().name_algorithm, Join({parent, ak.name()})),
                ToBytes(nonce),
                clock,
                firmware_version,
                evidence::tpm::QuoteInfo{selection, crypto::Hash(ak.area().scheme_hash.value(), values)}};
  if (tamper) tamper(attest);
  quote.attest = Marshal(attest);
  quote.signature = Marshal(Sign(ak, quote.attest));
  return quote;
}

Signature SoftwareTpm::Sign(const TpmKey& key, BytesView message, std::optional<std::size_t> pss_salt) {
  Signature signature{key.area().scheme.value(), key.area().scheme_hash.value(), {}, {}, {}};
  switch (signature.scheme) {
    case Signature::Scheme::kRsaSsa:
      signature.rsa = SignAny(key.key(), signature.hash, message);
      break;
    case Signature::Scheme::kRsaPss:
      signature.rsa = SignAny(key.key(), signature.hash, message, pss_salt.value_or(DigestSize(signature.hash)));
      break;
    case Signature::Scheme::kEcdsa: {
      const std::size_t field_bytes = (key.key().Public().bits() + 7) / 8;
      std::tie(signature.r, signature.s) = EcdsaNumbers(SignAny(key.key(), signature.hash, message), field_bytes);
      break;
    }
  }
  return signature;
}

}  // namespace gatehouse::fakes
