// Certificates of real vendors, read in place where the samples are present.
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <sstream>

#include "common/base/encoding.h"
#include "common/codec/json.h"
#include "common/crypto/x509.h"
#include "tests/common/crypto/testdata.h"

namespace gatehouse::crypto {
namespace {

namespace fs = std::filesystem;

WallTime Day(int year, unsigned month, unsigned day) {
  return std::chrono::sys_days{std::chrono::year{year} / static_cast<int>(month) / static_cast<int>(day)};
}

ChainOptions At(WallTime at) {
  return {.at = at, .required_eku = "", .tolerated_critical_oids = {}};
}

Certificate Der(const fs::path& file) {
  return Certificate::FromDer(ToBytes(ReadFile(file))).value();
}

// Vendors put explanatory text around their PEM blocks; ParsePem refuses that, and this test is not about it.
std::string BlocksOnly(const std::string& text) {
  std::istringstream lines(text);
  std::string blocks;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("-----BEGIN ")) inside = true;
    if (inside) blocks += line + "\n";
    if (line.starts_with("-----END ")) inside = false;
  }
  return blocks;
}

TEST(RealWorld, EveryEndorsementCaParses) {
  const fs::path folder = Vectors() / "public/ek-roots";
  if (!fs::exists(folder)) GTEST_SKIP() << "no samples";
  int certificates = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const Result<std::vector<Certificate>> list = Certificate::ListFromPem(BlocksOnly(ReadFile(entry.path())));
    ASSERT_TRUE(list.ok()) << entry.path() << list.error().ToString();
    for (const Certificate& certificate : *list) {
      ++certificates;
      EXPECT_TRUE(certificate.IsCa()) << entry.path();
      EXPECT_TRUE(certificate.UnknownCriticalExtensions().empty()) << entry.path();
      EXPECT_TRUE(certificate.Key().ok())
          << entry.path() << certificate.Subject() << certificate.Key().error().ToString();
    }
  }
  EXPECT_GT(certificates, 40);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(RealWorld, SnpVcekChainsToAmd) {
  const fs::path folder = Vectors() / "public/snp";
  if (!fs::exists(folder)) GTEST_SKIP() << "no samples";
  const std::vector<Certificate> cas = Certificate::ListFromPem(ReadFile(folder / "milan.ask-ark.pem")).value();
  ASSERT_EQ(cas.size(), 2U);
  const std::vector<Certificate> ask{cas[0]};
  const std::vector<Certificate> ark{cas[1]};
  const Certificate vcek = Der(folder / "milan-clean.vcek.der");
  EXPECT_EQ(vcek.Key().value().type(), KeyType::kEcP384);
  const auto path = VerifyChain(vcek, ask, ark, At(Day(2024, 1, 1)));
  ASSERT_TRUE(path.ok()) << path.error().ToString();
  EXPECT_EQ(path->size(), 3U);
  EXPECT_EQ(VerifyChain(vcek, ask, ark, At(Day(2020, 1, 1))).error().reason, Reason::kCertificateExpired);
  EXPECT_EQ(VerifyChain(vcek, {}, ark, At(Day(2024, 1, 1))).error().reason, Reason::kCertificateUntrusted);
}

TEST(RealWorld, SnpVlekChainIsGoodForAYearOnly) {
  const fs::path folder = Vectors() / "public/snp";
  if (!fs::exists(folder)) GTEST_SKIP() << "no samples";
  const std::vector<Certificate> cas = Certificate::ListFromPem(ReadFile(folder / "milan.asvk-ark.pem")).value();
  ASSERT_EQ(cas.size(), 2U);
  const Certificate vlek = Der(folder / "aws-vlek-vmpl1.vlek.der");
  const auto at = [&](WallTime time) { return VerifyChain(vlek, {cas[0]}, {cas[1]}, At(time)); };
  EXPECT_TRUE(at(Day(2025, 6, 1)).ok());
  EXPECT_EQ(at(Day(2024, 12, 9)).error().reason, Reason::kCertificateExpired);
  EXPECT_EQ(at(Day(2025, 12, 11)).error().reason, Reason::kCertificateExpired);
}

TEST(RealWorld, IntelPckChainsToIntel) {
  const fs::path file = Vectors() / "public/intel/tdx-v4-full.quote";
  if (!fs::exists(file)) GTEST_SKIP() << "no samples";
  const std::string quote = ReadFile(file);
  const std::vector<Certificate> chain =
      Certificate::ListFromPem(BlocksOnly(quote.substr(quote.find("-----BEGIN CERTIFICATE-----")))).value();
  ASSERT_EQ(chain.size(), 3U);
  const auto path = VerifyChain(chain[0], {chain[1]}, {chain[2]}, At(Day(2025, 7, 1)));
  EXPECT_TRUE(path.ok()) << path.error().ToString();
}

TEST(RealWorld, FulcioLeafChainsToSigstore) {
  const fs::path folder = Vectors() / "public/sigstore";
  if (!fs::exists(folder)) GTEST_SKIP() << "no samples";
  using codec::JsonDocument;
  using codec::JsonView;
  const auto parse = [&](const char* name) {
    return JsonDocument::Parse(ReadFile(folder / name), {.max_bytes = 1 << 20}).value();
  };
  const auto certificate = [](JsonView view) {
    return Certificate::FromDer(DecodeBase64(view.Find("rawBytes")->AsString().value()).value()).value();
  };
  const JsonDocument bundle = parse("sigstore-js-2.0.0-provenance.bundle.json");
  const JsonDocument trust = parse("trusted_root.public-good.json");
  const Certificate leaf = certificate(
      bundle.root().Find("verificationMaterial")->Find("x509CertificateChain")->Find("certificates")->at(0));
  const JsonView authority = trust.root().Find("certificateAuthorities")->at(1);
  const JsonView chain = *authority.Find("certChain")->Find("certificates");
  ASSERT_EQ(chain.size(), 2U);
  ChainOptions options = At(leaf.NotBefore());
  options.required_eku = "1.3.6.1.5.5.7.3.3";
  const auto path = VerifyChain(leaf, {certificate(chain.at(0))}, {certificate(chain.at(1))}, options);
  EXPECT_TRUE(path.ok()) << path.error().ToString();
  options.required_eku = "1.3.6.1.5.5.7.3.8";
  EXPECT_EQ(VerifyChain(leaf, {certificate(chain.at(0))}, {certificate(chain.at(1))}, options).error().reason,
            Reason::kCertificateUntrusted);
}

}  // namespace
}  // namespace gatehouse::crypto
