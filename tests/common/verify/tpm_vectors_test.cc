// Quotes, keys and certificates that TPMs made. What is in tests/testdata always runs; the larger collection beside the
// checkout runs where it is present.
#include <gtest/gtest.h>

#include <filesystem>

#include "common/base/encoding.h"
#include "common/codec/pem.h"
#include "common/crypto/hash.h"
#include "common/verify/tpm/quote.h"
#include "tests/fakes/tpm_marshal.h"
#include "tests/fakes/tpm_vectors.h"

namespace gatehouse::verify::tpm {
namespace {

using evidence::tpm::Attest;
using evidence::tpm::PcrSelections;
using evidence::tpm::PcrValues;
using evidence::tpm::PublicArea;
using evidence::tpm::Signature;
using std::filesystem::path;

Bytes Read(const path& file) {
  auto bytes = fakes::ReadFileBytes(file);
  EXPECT_TRUE(bytes.has_value()) << file;
  return bytes.value_or(Bytes{});
}

PublicArea ReadKey(const path& file) {
  auto area = evidence::tpm::ParsePublic2B(Read(file));
  EXPECT_TRUE(area.ok()) << file << ": " << area.error().ToString();
  return std::move(area).value();
}

struct RealQuote {
  Bytes attest, signature, nonce;
  PcrValues pcrs;
  Attest parsed;

  [[nodiscard]] PcrSelections Selection() const { return parsed.quote->selections; }
};

RealQuote ReadQuote(const path& folder, const std::string& stem) {
  RealQuote quote;
  quote.attest = Read(folder / (stem + ".msg"));
  quote.signature = Read(folder / (stem + ".sig"));
  auto pcrs = fakes::ParseTpm2ToolsPcrs(Read(folder / (stem + ".pcrs")));
  EXPECT_TRUE(pcrs.ok()) << pcrs.error().ToString();
  quote.pcrs = std::move(pcrs).value();
  quote.parsed = evidence::tpm::ParseAttest(quote.attest).value();
  quote.nonce = quote.parsed.extra_data;
  return quote;
}

// Most of these quotes are over all 24 PCRs, which is more than the verifier ever asks for: PCR 16 and 23 are in them.
bool SelectsResettable(const PcrSelections& selections) {
  for (const auto& selection : selections) {
    if ((selection.pcrs & (1U << 16 | 1U << 23)) != 0) return true;
  }
  return false;
}

// Each check of the verifier but the expectation's own, for a quote over all PCRs; the verifier must refuse to ask for
// it.
void ExpectGoodButForTheSelection(const RealQuote& quote, const PublicArea& ak, const std::string& trace) {
  SCOPED_TRACE(trace);
  auto key = AttestationKey::Make(ak);
  ASSERT_TRUE(key.ok()) << key.error().ToString();
  const QuoteEvidence evidence{quote.attest, quote.signature, quote.pcrs};
  if (!SelectsResettable(quote.Selection())) {
    auto claims =
        QuoteVerifier::Verify(evidence, PreparedQuoteExpectation{*key, quote.nonce, quote.Selection(), std::nullopt});
    ASSERT_TRUE(claims.ok()) << claims.error().ToString();
    EXPECT_EQ(claims->pcrs(), quote.pcrs);
    return;
  }
  auto with_resettable =
      QuoteVerifier::Verify(evidence, PreparedQuoteExpectation{*key, quote.nonce, quote.Selection(), std::nullopt});
  ASSERT_FALSE(with_resettable.ok());
  EXPECT_EQ(with_resettable.error().reason, Reason::kPcrSelectionMismatch);
  PreparedQuoteExpectation tolerant{*key, quote.nonce, quote.Selection(), std::nullopt};
  tolerant.tolerate_resettable = true;
  auto tolerated = QuoteVerifier::Verify(evidence, tolerant);
  ASSERT_TRUE(tolerated.ok()) << tolerated.error().ToString();
  for (const auto& [bank, pcrs] : tolerated->pcrs()) EXPECT_FALSE(pcrs.contains(16) || pcrs.contains(23));
  // With the expectation narrowed, the signature and the nonce are found good, and the wider selection that was signed
  // is refused.
  PcrSelections narrowed = quote.Selection();
  for (auto& selection : narrowed) selection.pcrs &= ~(1U << 16 | 1U << 23);
  auto refused = QuoteVerifier::Verify(evidence, PreparedQuoteExpectation{*key, quote.nonce, narrowed, std::nullopt});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, Reason::kPcrSelectionMismatch) << refused.error().ToString();
  Bytes concatenated;
  for (const auto& [bank, pcrs] : quote.pcrs) {
    for (const auto& [pcr, value] : pcrs) Append(concatenated, value);
  }
  EXPECT_EQ(crypto::Hash(key->hash(), concatenated), quote.parsed.quote->pcr_digest);
}

TEST(TpmVectors, CommittedQuotes) {
  const path folder = fakes::TpmTestData() / "a1-baseline";
  for (const std::string& ak : std::vector<std::string>{"rsassa", "rsapss", "ecdsa", "owner"}) {
    const RealQuote quote = ReadQuote(folder, "quote-" + ak + "-1");
    EXPECT_EQ(quote.nonce, Read(folder / ("nonce-" + ak + "-1.bin")));
    ExpectGoodButForTheSelection(quote, ReadKey(folder / ("ak-" + ak + ".tpm2b_public")), ak);
  }
}

// tpm2-tools' "plain" signatures have no scheme and ECDSA is in DER; the TPM's own form is made of it again.
Bytes AsTpmSignature(const Bytes& plain, const PublicArea& ak) {
  Signature signature{*ak.scheme, *ak.scheme_hash, plain, {}, {}};
  if (*ak.scheme == Signature::Scheme::kEcdsa) {
    ByteReader reader(plain, Reason::kEvidenceMalformed, "DER");
    const auto take_integer = [&reader] {
      EXPECT_EQ(reader.TakeU8().value(), 0x02);
      return ToBytes(reader.Take(reader.TakeU8().value()).value());
    };
    EXPECT_TRUE(reader.Take(2).ok());
    signature.r = take_integer();
    signature.s = take_integer();
    // DER's sign byte is not part of the number.
    for (Bytes* number : {&signature.r, &signature.s}) {
      if (number->front() == 0) number->erase(number->begin());
    }
    signature.rsa.clear();
  }
  return fakes::Marshal(signature);
}

TEST(TpmVectors, CommittedQuoteOfTwoBanksVerifiesInFull) {
  const path folder = fakes::TpmTestData() / "a1-baseline";
  const PublicArea ak = ReadKey(folder / "ak-ecdsa.tpm2b_public");
  RealQuote quote = ReadQuote(folder, "quote-ecdsa-3");
  const Bytes nonce = Read(folder / "nonce-ecdsa-3.bin");
  quote.signature = AsTpmSignature(quote.signature, ak);
  const PcrSelections asked = {{HashAlgorithm::kSha384, 0x000481}, {HashAlgorithm::kSha256, 0x0047FF}};
  auto claims = QuoteVerifier::Verify({quote.attest, quote.signature, quote.pcrs}, {ak, nonce, asked, std::nullopt});
  ASSERT_TRUE(claims.ok()) << claims.error().ToString();
  EXPECT_EQ(claims->clock(), (claims::TpmClock{36680, 2, 0, true, claims->firmware_version()}));
  EXPECT_EQ(claims->ak_name(), Read(folder / "ak-ecdsa.name"));
  EXPECT_EQ(claims->pcrs().at(HashAlgorithm::kSha384).size(), 3U);

  const claims::TpmClock later = {36681, 2, 0, true};
  auto rewound = QuoteVerifier::Verify({quote.attest, quote.signature, quote.pcrs}, {ak, nonce, asked, later});
  ASSERT_FALSE(rewound.ok());
  EXPECT_EQ(rewound.error().reason, Reason::kClockRewound);
}

TEST(Adversarial_Q3_RealTpm, CertifyOfARealTpmReplayedAsAQuote) {
  const path folder = fakes::TpmTestData() / "a1-baseline";
  const PublicArea ak = ReadKey(folder / "ak-rsassa.tpm2b_public");
  const Bytes attest = Read(folder / "app-certify.attest");
  const Bytes signature = Read(folder / "app-certify.sig");
  const Bytes nonce = evidence::tpm::ParseAttest(attest)->extra_data;
  auto claims =
      QuoteVerifier::Verify({attest, signature, {}}, {ak, nonce, {{HashAlgorithm::kSha256, 0xFF}}, std::nullopt});
  ASSERT_FALSE(claims.ok());
  EXPECT_EQ(claims.error().reason, Reason::kQuoteTypeMismatch);
}

TEST(Adversarial_Q9_RealTpm, AfterAnUnorderlyRestart) {
  const path folder = fakes::TpmTestData() / "host-unsafe-clock";
  RealQuote quote = ReadQuote(folder, "quote");
  // Only the PEM of the key is here: the public area is made around its numbers.
  const Bytes pem = Read(folder / "ak-ecdsa.pem");
  auto key = crypto::PublicKey::FromPem(AsText(pem));
  ASSERT_TRUE(key.ok());
  const Bytes spki = key->Spki();
  PublicArea ak{};
  ak.name_algorithm = HashAlgorithm::kSha256;
  ak.attributes = 0x00050072;
  ak.scheme = Signature::Scheme::kEcdsa;
  ak.scheme_hash = HashAlgorithm::kSha256;
  ak.key = PublicArea::Ecc{evidence::tpm::Curve::kP256, Bytes(spki.end() - 64, spki.end() - 32),
                           Bytes(spki.end() - 32, spki.end())};
  ak.bytes = fakes::Marshal(ak);
  ASSERT_FALSE(SelectsResettable(quote.Selection()));
  auto claims = QuoteVerifier::Verify({quote.attest, quote.signature, quote.pcrs},
                                      {ak, quote.nonce, quote.Selection(), std::nullopt});
  ASSERT_FALSE(claims.ok());
  EXPECT_EQ(claims.error().reason, Reason::kClockRewound) << claims.error().ToString();
}

std::vector<crypto::Certificate> ReadCertificates(const path& file) {
  const Bytes pem = Read(file);
  auto list = crypto::Certificate::ListFromPem(AsText(pem));
  EXPECT_TRUE(list.ok()) << file << ": " << list.error().ToString();
  return std::move(list).value();
}

constexpr WallTime kAfterManufacture{std::chrono::sys_days{std::chrono::year{2027} / 6 / 1}};

Result<VerifiedEndorsement> Endorse(const PublicArea& area, const crypto::Certificate& certificate,
                                    const std::vector<crypto::Certificate>& intermediates,
                                    const std::vector<crypto::Certificate>& roots) {
  EndorsementRules rules;
  rules.roots = roots;
  rules.now = kAfterManufacture;
  return VerifyEndorsement({.ek = area,
                            .ak = area,
                            .ek_certificate = certificate,
                            .ak_certificate = std::nullopt,
                            .intermediates = intermediates},
                           rules);
}

// Critical subjectAltName of a directoryName only, no end of validity, an issuer without extendedKeyUsage, P-384 with
// PolicyB.
TEST(TpmVectors, EndorsementCertificatesOfASoftwareTpmsManufacturer) {
  const path data = fakes::TpmTestData();
  const auto issuer = ReadCertificates(data / "ca/issuercert.pem");
  const auto root = ReadCertificates(data / "ca/swtpm-localca-rootca-cert.pem");
  for (const auto& [key, der] :
       {std::pair{"ek-rsa.tpm2b_public", "ek-rsa2048.der"}, {"ek-ecc384.tpm2b_public", "ek-ecc384.der"}}) {
    auto certificate = crypto::Certificate::FromDer(Read(data / "a1-baseline" / der));
    ASSERT_TRUE(certificate.ok()) << certificate.error().ToString();
    const PublicArea area = ReadKey(data / "a1-baseline" / key);
    auto endorsement = Endorse(area, *certificate, issuer, root);
    EXPECT_TRUE(endorsement.ok()) << endorsement.error().ToString();
    auto untrusted = Endorse(area, *certificate, issuer, {});
    ASSERT_FALSE(untrusted.ok());
    EXPECT_EQ(untrusted.error().reason, Reason::kCertificateUntrusted);
  }
}

// --- the larger collection

// Every case of the collection: both certificates of its software TPM, by its issuer or by pinning it.
TEST(TpmVectors, EveryEndorsementCertificateOfTheCollection) {
  const path collection = fakes::VectorsDir() / "own/measured-boot";
  if (!std::filesystem::exists(collection)) GTEST_SKIP() << "no vectors beside the checkout";
  const auto issuer = ReadCertificates(collection / "common/ca/issuercert.pem");
  const auto root = ReadCertificates(collection / "common/ca/swtpm-localca-rootca-cert.pem");
  int certificates = 0;
  for (const auto& entry : std::filesystem::directory_iterator(collection)) {
    for (const auto& [key, der] :
         {std::pair{"ek-rsa.tpm2b_public", "ek-rsa2048.der"}, {"ek-ecc384.tpm2b_public", "ek-ecc384.der"}}) {
      if (!std::filesystem::exists(entry.path() / der) || !std::filesystem::exists(entry.path() / key)) continue;
      auto certificate = crypto::Certificate::FromDer(Read(entry.path() / der));
      ASSERT_TRUE(certificate.ok()) << entry.path();
      const PublicArea area = ReadKey(entry.path() / key);
      auto endorsement = Endorse(area, *certificate, issuer, root);
      EXPECT_TRUE(endorsement.ok()) << entry.path() << endorsement.error().ToString();
      EndorsementRules pinned;
      pinned.pinned = {issuer.front().Fingerprint()};
      pinned.now = kAfterManufacture;
      PresentedEndorsement presented{.ek = area,
                                     .ak = area,
                                     .ek_certificate = *certificate,
                                     .ak_certificate = std::nullopt,
                                     .intermediates = issuer};
      EXPECT_TRUE(VerifyEndorsement(presented, pinned).ok()) << entry.path();
      presented.intermediates.clear();
      auto nobody = VerifyEndorsement(presented, pinned);
      ASSERT_FALSE(nobody.ok());
      EXPECT_EQ(nobody.error().reason, Reason::kCertificateUntrusted);
      ++certificates;
    }
  }
  EXPECT_GE(certificates, 2);
}

// CAs of manufacturers load as anchors, whatever signed them (SHA-1 among it: an anchor's own signature is not asked
// about), and those that are issued by another one of them are signed by it.
TEST(TpmVectors, RootsOfManufacturersLoad) {
  const path folder = fakes::VectorsDir() / "public/ek-roots";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no vectors beside the checkout";
  std::vector<crypto::Certificate> all;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".pem") continue;
    // Some begin with what `openssl x509 -text` prints.
    const Bytes bytes = Read(entry.path());
    const std::string_view text = AsText(bytes);
    auto list = crypto::Certificate::ListFromPem(text.substr(text.find("-----BEGIN")));
    ASSERT_TRUE(list.ok()) << entry.path() << list.error().ToString();
    for (crypto::Certificate& certificate : *list) {
      EXPECT_TRUE(certificate.Key().ok()) << entry.path();
      all.push_back(std::move(certificate));
    }
  }
  EXPECT_GT(all.size(), 40U);
  int signed_by_another = 0;
  for (const crypto::Certificate& certificate : all) {
    if (certificate.IsSelfIssued()) continue;
    signed_by_another += static_cast<int>(
        std::ranges::any_of(all, [&](const crypto::Certificate& issuer) { return certificate.IsSignedBy(issuer); }));
  }
  EXPECT_GE(signed_by_another, 15);
  // With all of them as anchors, what none of them has issued is still refused.
  const path data = fakes::TpmTestData();
  auto certificate = crypto::Certificate::FromDer(Read(data / "a1-baseline/ek-rsa2048.der"));
  auto untrusted = Endorse(ReadKey(data / "a1-baseline/ek-rsa.tpm2b_public"), *certificate, {}, all);
  ASSERT_FALSE(untrusted.ok());
  EXPECT_EQ(untrusted.error().reason, Reason::kCertificateUntrusted);
}

path Collection() {
  return fakes::VectorsDir() / "own/measured-boot";
}

TEST(TpmVectors, EveryQuoteOfTheCollection) {
  if (!std::filesystem::exists(Collection())) GTEST_SKIP() << "no vectors beside the checkout";
  int quotes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(Collection())) {
    for (const std::string& ak : std::vector<std::string>{"rsassa", "rsapss", "ecdsa", "owner", "later"}) {
      const path key_file = entry.path() / ("ak-" + (ak == "later" ? "rsassa" : ak) + ".tpm2b_public");
      for (const std::string& stem :
           std::vector<std::string>{"quote-" + ak + "-1", "quote-" + ak + "-2", "quote-" + ak + "-3", "quote-" + ak}) {
        if (!std::filesystem::exists(entry.path() / (stem + ".msg"))) continue;
        const PublicArea key = ReadKey(key_file);
        RealQuote quote = ReadQuote(entry.path(), stem);
        if (stem.ends_with("-3")) quote.signature = AsTpmSignature(quote.signature, key);
        ExpectGoodButForTheSelection(quote, key, entry.path().filename() / stem);
        ++quotes;
      }
    }
  }
  EXPECT_GT(quotes, 80);
}

// The shape of what we make is that of tpm2_makecredential: u32 0xBADCC0DE, u32 1, TPM2B_ID_OBJECT,
// TPM2B_ENCRYPTED_SECRET.
TEST(TpmVectors, CredentialsHaveTheShapeOfTpm2Tools) {
  if (!std::filesystem::exists(Collection())) GTEST_SKIP() << "no vectors beside the checkout";
  const path folder = Collection() / "a1-baseline";
  const path data = fakes::TpmTestData();
  const Bytes secret = Read(folder / "cred-secret.bin");
  auto certificate = crypto::Certificate::FromDer(Read(data / "a1-baseline/ek-rsa2048.der"));
  auto endorsement = Endorse(ReadKey(data / "a1-baseline/ek-rsa.tpm2b_public"), *certificate,
                             ReadCertificates(data / "ca/issuercert.pem"),
                             ReadCertificates(data / "ca/swtpm-localca-rootca-cert.pem"));
  ASSERT_TRUE(endorsement.ok());
  for (const std::string& ak : std::vector<std::string>{"rsassa", "rsapss", "ecdsa"}) {
    EXPECT_EQ(Read(folder / ("cred-" + ak + ".recovered")), secret);
    const Bytes blob = Read(folder / ("cred-" + ak + ".blob"));
    ByteReader reader(blob, Reason::kEvidenceMalformed, "credential");
    EXPECT_EQ(reader.TakeU32Be().value(), 0xBADCC0DE);
    EXPECT_EQ(reader.TakeU32Be().value(), 1U);
    const BytesView id_object = reader.TakeSized16Be(1024).value();
    const BytesView encrypted_secret = reader.TakeSized16Be(1024).value();
    ASSERT_TRUE(reader.ExpectEnd().ok());
    auto ours = MakeCredential(*endorsement, Read(folder / ("ak-" + ak + ".name")), secret, crypto::SystemRandom());
    ASSERT_TRUE(ours.ok());
    EXPECT_EQ(ours->id_object.size(), id_object.size());
    EXPECT_EQ(ours->encrypted_secret.size(), encrypted_secret.size());
  }
}

TEST(TpmVectors, QuoteOfTpm2ToolsWithPcr16InItsSelection) {
  const path folder = fakes::VectorsDir() / "public/tpm";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no vectors beside the checkout";
  const PublicArea ak = ReadKey(folder / "ak.pub");
  EXPECT_EQ(ComputeName(ak), Read(folder / "ak.name"));
  RealQuote quote;
  quote.attest = Read(folder / "quote.out");
  quote.signature = Read(folder / "quotesig.out");
  quote.pcrs = fakes::ParseTpm2ToolsPcrs(Read(folder / "quotepcr.out")).value();
  quote.parsed = evidence::tpm::ParseAttest(quote.attest).value();
  quote.nonce = quote.parsed.extra_data;
  EXPECT_EQ(quote.Selection(), (PcrSelections{{HashAlgorithm::kSha256, 1U << 15 | 1U << 16 | 1U << 22}}));
  ExpectGoodButForTheSelection(quote, ak, "public/tpm");
}

// As much of protocol buffers as go-tpm-tools' Attestation message needs: field number and bytes, or a number.
struct ProtoField {
  std::uint64_t number;
  std::uint64_t value;
  BytesView bytes;
};

std::vector<ProtoField> ReadProto(BytesView message) {
  ByteReader reader(message, Reason::kEvidenceMalformed, "protobuf");
  const auto varint = [&reader] {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const std::uint8_t byte = reader.TakeU8().value();
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
  };
  std::vector<ProtoField> fields;
  while (reader.remaining() > 0) {
    const std::uint64_t key = varint();
    ProtoField field{key >> 3, varint(), {}};
    if ((key & 7) == 2) field.bytes = reader.Take(field.value).value();
    fields.push_back(field);
  }
  return fields;
}

// Quotes of a cloud's TPM over SHA-1, SHA-256 and SHA-384: the digest is of the scheme's hash in all three.
TEST(TpmVectors, QuotesOfACloudsTpmInThreeBanks) {
  const path file = fakes::VectorsDir() / "public/tpm/gce-cos-85-nonce9009.pb";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no vectors beside the checkout";
  const Bytes message = Read(file);
  std::optional<PublicArea> ak;
  int quotes = 0;
  for (const ProtoField& field : ReadProto(message)) {
    if (field.number == 1) ak = evidence::tpm::ParsePublic(field.bytes).value();
    if (field.number != 2) continue;
    RealQuote quote;
    for (const ProtoField& part : ReadProto(field.bytes)) {
      if (part.number == 1) quote.attest = ToBytes(part.bytes);
      if (part.number == 2) quote.signature = ToBytes(part.bytes);
      if (part.number != 3) continue;
      HashAlgorithm bank{};
      for (const ProtoField& pcr : ReadProto(part.bytes)) {
        if (pcr.number == 1) bank = evidence::tpm::HashFromAlgId(static_cast<std::uint16_t>(pcr.value)).value();
        if (pcr.number != 2) continue;
        const auto entry = ReadProto(pcr.bytes);
        quote.pcrs[bank][static_cast<unsigned>(entry.at(0).value)] = ToBytes(entry.at(1).bytes);
      }
    }
    quote.parsed = evidence::tpm::ParseAttest(quote.attest).value();
    quote.nonce = {0x90, 0x09};
    ExpectGoodButForTheSelection(quote, ak.value(), std::to_string(quotes));
    ++quotes;
  }
  EXPECT_EQ(quotes, 3);
}

}  // namespace
}  // namespace gatehouse::verify::tpm
