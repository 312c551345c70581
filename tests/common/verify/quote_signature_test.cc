// Keys and signatures of quotes: a good quote, then one thing about who signed it, and how, is wrong.
#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "tests/common/verify/quote_fixture.h"
#include "tests/fakes/tpm_marshal.h"

namespace gatehouse::verify::tpm {
namespace {

// The names of the test suites carry the ids of the attacks.
using Adversarial_Q5 = Quote;
using Adversarial_Q8 = Quote;

// --- Q5: the key

TEST_F(Adversarial_Q5, SignedByAnotherKeyOfTheSameTpm) {
  const TpmKey other = tpm_.CreateAk();
  ExpectReason(Verify(tpm_.Quote(other, nonce_, kSelection), ak_), Reason::kSignatureInvalid);
}

TEST_F(Adversarial_Q5, UnrestrictedKeyThatSignedAForgedAttest) {
  AkSpec spec;
  spec.attributes &= ~evidence::tpm::attributes::kRestricted;
  const TpmKey unrestricted = tpm_.CreateAk(spec);
  ExpectReason(Verify(tpm_.Quote(unrestricted, nonce_, kSelection), unrestricted), Reason::kAkUnsuitable);
}

// --- Q8: the signature

TEST_F(Adversarial_Q8, EveryByteOfTheAttestIsSigned) {
  const SoftwareQuote good = tpm_.Quote(ak_, nonce_, kSelection);
  for (std::size_t i = 0; i < good.attest.size(); ++i) {
    SoftwareQuote quote = good;
    quote.attest[i] ^= 0x01;
    ExpectReason(Verify(quote), Reason::kSignatureInvalid);
  }
}

TEST_F(Adversarial_Q8, HashDowngradeToSha1) {
  for (const AkSpec& spec : {AkSpec{}, RsaSpec(false), RsaSpec(true)}) {
    const TpmKey ak = tpm_.CreateAk(spec);
    AkSpec weak_spec = spec;
    weak_spec.key = ak.key();
    weak_spec.scheme_hash = kSha1;
    const TpmKey weak = tpm_.CreateAk(weak_spec);
    SoftwareQuote quote = tpm_.Quote(ak, nonce_, kSelection);
    quote.signature = fakes::Marshal(SoftwareTpm::Sign(weak, quote.attest));
    ExpectReason(Verify(quote, ak), Reason::kSignatureInvalid);
  }
}

TEST_F(Adversarial_Q8, HashOnlyRelabelled) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  quote.signature[3] = 0x0C;  // SHA-384, made with SHA-256
  ExpectReason(Verify(quote), Reason::kSignatureInvalid);
}

TEST_F(Adversarial_Q8, RsaPssWhereTheKeyHasRsaSsaAndTheOtherWayRound) {
  const TpmKey ssa = tpm_.CreateAk(RsaSpec(false));
  const TpmKey pss = tpm_.CreateAk(RsaSpec(true));
  const SoftwareQuote by_pss = tpm_.Quote(pss, nonce_, kSelection);
  ExpectReason(Verify(by_pss, ssa), Reason::kSignatureInvalid);
  const SoftwareQuote by_ssa = tpm_.Quote(ssa, nonce_, kSelection);
  ExpectReason(Verify(by_ssa, pss), Reason::kSignatureInvalid);
  SoftwareQuote relabelled = by_pss;
  relabelled.signature[1] = 0x14;
  ExpectReason(Verify(relabelled, ssa), Reason::kSignatureInvalid);
  relabelled = by_ssa;
  relabelled.signature[1] = 0x16;
  ExpectReason(Verify(relabelled, pss), Reason::kSignatureInvalid);
}

TEST_F(Adversarial_Q8, EcdsaSignatureForAnRsaKeyAndTheOtherWayRound) {
  const TpmKey rsa = tpm_.CreateAk(RsaSpec(false));
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, kSelection), rsa), Reason::kSignatureInvalid);
  ExpectReason(Verify(tpm_.Quote(rsa, nonce_, kSelection), ak_), Reason::kSignatureInvalid);
}

TEST_F(Adversarial_Q8, ShortNumbersAreGood) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  Signature signature = SoftwareTpm::Sign(ak_, quote.attest);
  for (int i = 0; i < 20000 && signature.r[0] != 0; ++i) signature = SoftwareTpm::Sign(ak_, quote.attest);
  ASSERT_EQ(signature.r[0], 0);
  quote.signature = fakes::Marshal(signature);
  EXPECT_TRUE(Verify(quote).ok()) << "padded to the field";
  signature.r.erase(signature.r.begin());
  quote.signature = fakes::Marshal(signature);
  EXPECT_TRUE(Verify(quote).ok()) << "31 bytes";
}

TEST_F(Adversarial_Q8, NumbersOfEcdsaThatAreNone) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  const Signature good = *evidence::tpm::ParseSignature(quote.signature);
  const Bytes order = *DecodeHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
  Bytes with_zero = good.r;
  with_zero.insert(with_zero.begin(), 0);
  struct Case {
    const char* name;
    Bytes r, s;
    Reason reason;
  };
  const Case cases[] = {
      {"r empty", {}, good.s, Reason::kSignatureMalformed},
      {"s empty", good.r, {}, Reason::kSignatureMalformed},
      {"r zero", Bytes(32, 0), good.s, Reason::kSignatureMalformed},
      {"s zero", good.r, Bytes(32, 0), Reason::kSignatureMalformed},
      {"s one zero byte", good.r, Bytes(1, 0), Reason::kSignatureMalformed},
      {"r 33 bytes with a leading zero", with_zero, good.s, Reason::kSignatureMalformed},
      {"s 33 bytes", good.r, Bytes(33, 1), Reason::kSignatureMalformed},
      {"s = n", good.r, order, Reason::kSignatureInvalid},
      {"r = n", order, good.s, Reason::kSignatureInvalid},
      {"s all ones", good.r, Bytes(32, 0xFF), Reason::kSignatureInvalid},
      {"r and s swapped", good.s, good.r, Reason::kSignatureInvalid},
      {"r cut by a byte", Bytes(good.r.begin(), good.r.end() - 1), good.s, Reason::kSignatureInvalid},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Signature signature = good;
    signature.r = c.r;
    signature.s = c.s;
    quote.signature = fakes::Marshal(signature);
    ExpectReason(Verify(quote), c.reason);
  }
}

// s + n is the same number to a verifier that forgets the range; with P-521 it even fits into the field's bytes.
TEST_F(Adversarial_Q8, SPlusOrderOnP521) {
  AkSpec spec;
  spec.type = crypto::KeyType::kEcP521;
  const TpmKey ak = tpm_.CreateAk(spec);
  SoftwareQuote quote = tpm_.Quote(ak, nonce_, kSelection);
  Signature signature = *evidence::tpm::ParseSignature(quote.signature);
  const Bytes order = *DecodeHex(
      "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c"
      "47"
      "aebb6fb71e91386409");
  ASSERT_EQ(order.size(), signature.s.size());
  unsigned carry = 0;
  for (std::size_t i = order.size(); i-- > 0;) {
    carry += unsigned{order[i]} + signature.s[i];
    signature.s[i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  ASSERT_EQ(carry, 0U);
  quote.signature = fakes::Marshal(signature);
  ExpectReason(Verify(quote, ak), Reason::kSignatureInvalid);
}

TEST_F(Adversarial_Q8, DerInsteadOfTheTpmsEncoding) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  quote.signature = *ak_.key().Sign(crypto::Scheme::kEcdsaDer, kSha256, quote.attest);
  ExpectReason(Verify(quote), Reason::kEvidenceMalformed);
}

TEST_F(Adversarial_Q8, TrailingByteAfterTheSignature) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  quote.signature.push_back(0);
  ExpectReason(Verify(quote), Reason::kEvidenceMalformed);
}

TEST_F(Adversarial_Q8, TrailingByteAfterTheAttestSignedWithIt) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  quote.attest.push_back(0);
  ExpectReason(Verify(quote), Reason::kSignatureInvalid);
  quote.signature = fakes::Marshal(SoftwareTpm::Sign(ak_, quote.attest));
  ExpectReason(Verify(quote), Reason::kEvidenceMalformed);
}

TEST_F(Adversarial_Q8, RsaSignatureThatIsEmptyOrShort) {
  const TpmKey ak = tpm_.CreateAk(RsaSpec(false));
  SoftwareQuote quote = tpm_.Quote(ak, nonce_, kSelection);
  Signature signature = *evidence::tpm::ParseSignature(quote.signature);
  signature.rsa.pop_back();
  quote.signature = fakes::Marshal(signature);
  ExpectReason(Verify(quote, ak), Reason::kSignatureInvalid);
  signature.rsa.clear();
  quote.signature = fakes::Marshal(signature);
  ExpectReason(Verify(quote, ak), Reason::kSignatureInvalid);
}

}  // namespace
}  // namespace gatehouse::verify::tpm
