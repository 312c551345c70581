// A TPM in the memory of a test: an endorsement key with its certificate, attestation keys, PCRs, a clock, quotes, and
// ActivateCredential. Everything is right by default; a test makes one thing wrong.
//
//   TestCa vendor = TestCa::Root({.common_name = "TPM vendor"});
//   SoftwareTpm tpm;
//   TestCertificate ek = tpm.IssueEkCertificate(vendor);
//   TpmKey ak = tpm.CreateAk();
//   SoftwareQuote quote = tpm.Quote(ak, nonce, {{HashAlgorithm::kSha256, 0x3FF}});
//   SoftwareQuote forged = tpm.Quote(ak, nonce, selection, [](auto& attest) { attest.clock.safe = false; });
#pragma once

#include <functional>
#include <optional>

#include "common/crypto/key.h"
#include "common/evidence/tpm/structures.h"
#include "tests/fakes/pki.h"

namespace gatehouse::fakes {

// A key of the software TPM. Copies share the private key.
class TpmKey {
 public:
  TpmKey(evidence::tpm::PublicArea area, crypto::PrivateKey key);
  [[nodiscard]] const evidence::tpm::PublicArea& area() const { return area_; }
  [[nodiscard]] const Bytes& name() const { return name_; }
  [[nodiscard]] const crypto::PrivateKey& key() const { return key_; }

 private:
  evidence::tpm::PublicArea area_;
  Bytes name_;
  crypto::PrivateKey key_;
};

// The templates of the EK Credential Profile, with their attributes, policy, name algorithm and AES key size. RSA takes
// a moment to generate.
enum class EkTemplate : std::uint8_t { kRsa2048, kEccP256, kEccP384, kEccP521, kRsa3072 };  // L-1, L-2, H-3, H-4, H-6

struct AkSpec {
  crypto::KeyType type = crypto::KeyType::kEcP256;  // RSA or one of the three curves
  std::size_t rsa_bits = 2048;
  bool pss = false;  // RSA: RSAPSS instead of RSASSA
  HashAlgorithm scheme_hash = HashAlgorithm::kSha256;
  HashAlgorithm name_algorithm = HashAlgorithm::kSha256;
  // fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign
  std::uint32_t attributes = 0x00050072;
  std::optional<crypto::PrivateKey> key = {};  // use this one instead of a new one
};

struct SoftwareQuote {
  Bytes attest;                   // TPMS_ATTEST
  Bytes signature;                // TPMT_SIGNATURE
  evidence::tpm::PcrValues pcrs;  // of the selection
};

class SoftwareTpm {
 public:
  explicit SoftwareTpm(EkTemplate ek = EkTemplate::kEccP256);

  [[nodiscard]] const TpmKey& ek() const { return ek_; }
  // As a manufacturer writes it: no subject, a critical subjectAltName of a directoryName only (EK Credential Profile),
  // valid until 9999-12-31T23:59:59Z, extendedKeyUsage tcg-kp-EKCertificate. Change it, then let a TestCa sign it.
  [[nodiscard]] CertificateSpec EkCertificateSpec() const;
  [[nodiscard]] TestCertificate IssueEkCertificate(const TestCa& ca) const { return ca.Leaf(EkCertificateSpec()); }

  [[nodiscard]] TpmKey CreateAk(const AkSpec& spec = {}) const;

  // Banks SHA-1, SHA-256 and SHA-384 start at zero, PCR 17 to 22 at FF..FF.
  void Extend(HashAlgorithm bank, unsigned pcr, BytesView digest);
  void SetPcr(HashAlgorithm bank, unsigned pcr, Bytes value) { pcrs_[bank][pcr] = std::move(value); }
  [[nodiscard]] const Bytes& Pcr(HashAlgorithm bank, unsigned pcr) const { return pcrs_.at(bank).at(pcr); }

  // TPM2_Quote. The clock advances by 10 ms before each. `tamper` changes the attestation before it is signed.
  using Tamper = std::function<void(evidence::tpm::Attest&)>;
  [[nodiscard]] SoftwareQuote Quote(const TpmKey& ak, BytesView nonce, const evidence::tpm::PcrSelections& selection,
                                    const Tamper& tamper = nullptr);
  // A signature over any bytes, with the key's scheme; `pss_salt` is the length of RSAPSS's salt (default: the hash's).
  [[nodiscard]] static evidence::tpm::Signature Sign(const TpmKey& key, BytesView message,
                                                     std::optional<std::size_t> pss_salt = std::nullopt);

  // TPM2_ActivateCredential for an object of this name: the secret, or kCredentialUnanswered (TPM_RC_INTEGRITY), or
  // kEvidenceMalformed. Arguments as verify::tpm::CredentialChallenge has them.
  [[nodiscard]] Result<Bytes> ActivateCredential(BytesView name, BytesView id_object, BytesView encrypted_secret) const;

  // A reboot: resetCount + 1, restartCount 0, PCRs as at the start, the clock goes on.
  void Reset();
  // A resume from suspend to RAM: restartCount + 1.
  void Restart() { ++clock.restart_count; }

  evidence::tpm::ClockInfo clock{1'000'000, 10, 3, true};
  std::uint64_t firmware_version = 0x2019'1023'0016'3636;

 private:
  void StartPcrs();
  TpmKey ek_;
  evidence::tpm::PcrValues pcrs_;
};

// The policies of the EK templates, computed from their definition (EK Credential Profile appendix B.6).
[[nodiscard]] Bytes EkPolicyA(HashAlgorithm hash);
[[nodiscard]] Bytes EkPolicyB(HashAlgorithm hash);

}  // namespace gatehouse::fakes
