// A certificate authority for tests: issues roots, intermediates and leaves with any key, validity and extensions.
// Start from the spec of a good certificate and break one thing.
//
//   TestCa root = TestCa::Root({.common_name = "root"});
//   TestCa intermediate = root.Intermediate({.common_name = "intermediate"});
//   TestCertificate leaf = intermediate.Leaf(LeafSpec("node-1").With("extendedKeyUsage", "codeSigning"));
//   VerifyChain(leaf.certificate, {intermediate.certificate()}, {root.certificate()}, ...);
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/crypto/key.h"
#include "common/crypto/x509.h"

namespace gatehouse::fakes {

// Validity unless the spec says otherwise. The middle is a good time to verify at.
inline constexpr WallTime kPkiNotBefore{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
inline constexpr WallTime kPkiNow{std::chrono::sys_days{std::chrono::year{2027} / 1 / 1}};
inline constexpr WallTime kPkiNotAfter{std::chrono::sys_days{std::chrono::year{2030} / 1 / 1}};

struct CertificateSpec {
  // The subject. "" for an attribute leaves it out; both empty make an empty subject.
  std::string common_name = {};
  std::string organization = {};
  crypto::KeyType key_type = crypto::KeyType::kEcP256;
  std::size_t rsa_bits = 2048;
  // Use this key instead of a new one.
  std::optional<crypto::PrivateKey> key = {};
  // Certify this key, whose private half nobody here has (a TPM's). The certificate then comes with no private key.
  std::optional<crypto::PublicKey> public_key = {};
  WallTime not_before = kPkiNotBefore;
  WallTime not_after = kPkiNotAfter;
  HashAlgorithm hash = HashAlgorithm::kSha256;
  bool rsa_pss = false;  // sign with RSASSA-PSS if the issuer's key is RSA
  // Extensions in the syntax of OpenSSL's configuration (x509v3_config(5)), by name or dotted OID: {"keyUsage",
  // "critical,digitalSignature"}, {"subjectAltName", "URI:https://example.com/a,DNS:b"}, {"nameConstraints",
  // "permitted;DNS:example.com"},
  // {"1.3.6.1.4.1.57264.1.8", "ASN1:UTF8String:https://issuer"}, {"1.2.3.4", "critical,DER:0500"}. They are added to
  // those of the role (below) and replace those of the same name; an empty value removes one.
  std::map<std::string, std::string> extensions = {};
  // Sections that the extensions refer to ("dirName:section"), as a configuration file has them.
  std::string sections = {};
  // Further attributes of the subject, before the organization: {{"C", "US"}, {"ST", "WA"}}.
  std::vector<std::pair<std::string, std::string>> subject = {};

  [[nodiscard]] CertificateSpec With(const std::string& extension, const std::string& value) const;
  [[nodiscard]] CertificateSpec Without(const std::string& extension) const { return With(extension, ""); }
  [[nodiscard]] CertificateSpec Valid(WallTime from, WallTime until) const;
};

[[nodiscard]] CertificateSpec LeafSpec(const std::string& common_name);
[[nodiscard]] CertificateSpec CaSpec(const std::string& common_name);

struct TestCertificate {
  crypto::Certificate certificate;
  std::optional<crypto::PrivateKey> key;  // nothing if the spec gave a public key only
  std::string pem;
  Bytes der;
};

class TestCa {
 public:
  // Roles: basicConstraints critical,CA:TRUE; keyUsage critical,keyCertSign,cRLSign; subjectKeyIdentifier;
  // authorityKeyIdentifier (not in a root). A leaf has basicConstraints critical,CA:FALSE and keyUsage
  // critical,digitalSignature instead.
  [[nodiscard]] static TestCa Root(const CertificateSpec& spec);
  [[nodiscard]] TestCa Intermediate(const CertificateSpec& spec) const;
  [[nodiscard]] TestCertificate Leaf(const CertificateSpec& spec) const;
  // A CA for a certificate of any shape: one without the right to issue, for example.
  [[nodiscard]] static TestCa From(TestCertificate certificate) { return TestCa(std::move(certificate)); }
  // A leaf signed by its own key.
  [[nodiscard]] static TestCertificate SelfSignedLeaf(const CertificateSpec& spec);

  [[nodiscard]] const crypto::Certificate& certificate() const { return self_.certificate; }
  [[nodiscard]] const crypto::PrivateKey& key() const { return *self_.key; }
  [[nodiscard]] const std::string& pem() const { return self_.pem; }
  [[nodiscard]] const Bytes& der() const { return self_.der; }

 private:
  explicit TestCa(TestCertificate self) : self_(std::move(self)) {}
  TestCertificate self_;
};

}  // namespace gatehouse::fakes
