// Timestamp tokens (RFC 3161) put together by hand, so that each part can be another one. The usual ones are made by
// OpenSSL: tests/fakes/timestamp_authority.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/crypto/der.h"
#include "common/crypto/hash.h"
#include "tests/fakes/pki.h"

namespace gatehouse::crypto {

inline Bytes Join(const std::vector<Bytes>& parts) {
  Bytes all;
  for (const Bytes& part : parts) Append(all, part);
  return all;
}

inline Bytes Seq(const std::vector<Bytes>& parts, std::uint8_t tag = der::kSequence) {
  return der::Encode(tag, Join(parts));
}

inline Bytes Oid(std::string_view dotted) {
  Bytes content;
  std::uint64_t first = 0;
  for (int index = 0; !dotted.empty(); ++index) {
    const std::size_t dot = dotted.find('.');
    std::uint64_t arc = std::stoull(std::string(dotted.substr(0, dot)));
    dotted.remove_prefix(dot == std::string_view::npos ? dotted.size() : dot + 1);
    if (index == 0) {
      first = arc * 40;
      continue;
    }
    if (index == 1) arc += first;
    Bytes octets{static_cast<std::uint8_t>(arc & 0x7FU)};
    while ((arc >>= 7U) != 0) octets.insert(octets.begin(), static_cast<std::uint8_t>(0x80U | (arc & 0x7FU)));
    Append(content, octets);
  }
  return der::Encode(der::kOid, content);
}

inline Bytes Integer(std::uint8_t value) {
  return der::Encode(der::kInteger, Bytes{value});
}

inline Bytes Octets(BytesView content) {
  return der::Encode(der::kOctetString, content);
}

inline Bytes Algorithm(std::string_view oid, const Bytes& parameters = {}) {
  return Seq({Oid(oid), parameters});
}

inline Bytes Attribute(std::string_view type, const std::vector<Bytes>& values) {
  return Seq({Oid(type), Seq(values, der::kSet)});
}

inline constexpr std::string_view kSha1Oid = "1.3.14.3.2.26";
inline constexpr std::string_view kSha256Oid = "2.16.840.1.101.3.4.2.1";
inline constexpr std::string_view kSha384Oid = "2.16.840.1.101.3.4.2.2";
inline constexpr std::string_view kSha512Oid = "2.16.840.1.101.3.4.2.3";
inline constexpr std::string_view kTstInfoOid = "1.2.840.113549.1.9.16.1.4";
inline constexpr std::string_view kContentTypeOid = "1.2.840.113549.1.9.3";
inline constexpr std::string_view kMessageDigestOid = "1.2.840.113549.1.9.4";
inline constexpr std::string_view kSigningCertificateOid = "1.2.840.113549.1.9.16.2.12";
inline constexpr std::string_view kSigningCertificateV2Oid = "1.2.840.113549.1.9.16.2.47";
inline constexpr std::string_view kEcdsaSha256Oid = "1.2.840.10045.4.3.2";

// issuer Name and serialNumber of a certificate, whole.
inline std::pair<Bytes, Bytes> IssuerAndSerial(BytesView certificate) {
  DerReader file(certificate, Reason::kInternal, "");
  DerReader fields = file.Enter(der::kSequence).value().Enter(der::kSequence).value();
  static_cast<void>(fields.Take());  // version
  const Bytes serial = ToBytes(fields.Take().value().whole);
  static_cast<void>(fields.Take());  // signature
  return {ToBytes(fields.Take().value().whole), serial};
}

struct TstParts {
  Bytes version = Integer(1);
  Bytes policy = Oid("1.2.3.4");
  Bytes imprint_algorithm = Algorithm(kSha256Oid);
  Bytes imprint;
  Bytes serial = Integer(42);
  std::string time = "20270101000000Z";
  Bytes more = {};  // after genTime
  [[nodiscard]] Bytes Der() const {
    return Seq({version, policy, Seq({imprint_algorithm, Octets(imprint)}), serial,
                der::Encode(der::kGeneralizedTime, AsBytes(time)), more});
  }
};

// A token of which each part may be replaced before Build(); the signature is made last.
struct TokenParts {
  TokenParts(const fakes::TestCertificate& signer, BytesView message) : key(*signer.key), certificate(signer.der) {
    tst.imprint = Hash(HashAlgorithm::kSha256, message);
    const auto [issuer, serial] = IssuerAndSerial(certificate);
    identifier = Seq({issuer, serial});
    signing_certificate =
        Attribute(kSigningCertificateV2Oid, {Seq({Seq({Seq({Octets(Hash(HashAlgorithm::kSha256, certificate))})})})});
    embedded = {certificate};
  }

  PrivateKey key;
  Bytes certificate;
  TstParts tst;
  Bytes trailing_content = {};  // after the TSTInfo, within the content
  std::string content_type = std::string(kTstInfoOid);
  Bytes signed_data_version = Integer(3);
  Bytes signer_version = Integer(1);
  Bytes identifier;
  Bytes digest_algorithm = Algorithm(kSha256Oid);
  HashAlgorithm digest = HashAlgorithm::kSha256;
  Bytes content_type_attribute = Attribute(kContentTypeOid, {Oid(kTstInfoOid)});
  Bytes message_digest_attribute = {};  // empty: the right one
  bool no_message_digest = false;
  Bytes signing_certificate;
  Bytes more_attributes = {};
  bool no_attributes = false;
  Bytes signature_algorithm = Algorithm(kEcdsaSha256Oid);
  Scheme scheme = Scheme::kEcdsaDer;
  HashAlgorithm signature_hash = HashAlgorithm::kSha256;
  std::vector<Bytes> embedded;
  Bytes more_in_set = {};          // of certificates, after the embedded ones
  Bytes crls = {};                 // whole
  Bytes unsigned_attributes = {};  // whole
  Bytes after_signer = {};         // within the set of signers
  Bytes after_signed_data = {};    // within the [0]
  std::string outer_type = "1.2.840.113549.1.7.2";

  std::optional<Bytes> content_instead = {};  // of `tst`

  [[nodiscard]] Bytes Content() const {
    return Join({content_instead ? *content_instead : tst.Der(), trailing_content});
  }

  [[nodiscard]] Bytes Build() const {
    const Bytes content = Content();
    Bytes digest_attribute = message_digest_attribute;
    if (digest_attribute.empty()) digest_attribute = Attribute(kMessageDigestOid, {Octets(Hash(digest, content))});
    if (no_message_digest) digest_attribute.clear();
    const Bytes attributes = Join({content_type_attribute, digest_attribute, signing_certificate, more_attributes});
    const Bytes to_sign = no_attributes ? content : der::Encode(der::kSet, attributes);
    const Bytes signer =
        Seq({signer_version, identifier, digest_algorithm,
             no_attributes ? Bytes() : der::Encode(der::ContextConstructed(0), attributes), signature_algorithm,
             Octets(key.Sign(scheme, signature_hash, to_sign).value()), unsigned_attributes});
    const Bytes certificates = embedded.empty() && more_in_set.empty()
                                   ? Bytes()
                                   : Seq({Join(embedded), more_in_set}, der::ContextConstructed(0));
    const Bytes data = Seq({signed_data_version, Seq({digest_algorithm}, der::kSet),
                            Seq({Oid(content_type), Seq({Octets(content)}, der::ContextConstructed(0))}), certificates,
                            crls, Seq({signer, after_signer}, der::kSet)});
    return Seq({Oid(outer_type), Seq({data, after_signed_data}, der::ContextConstructed(0))});
  }
};

// A TimeStampResp around a token.
inline Bytes Response(const Bytes& token, const Bytes& status = Seq({Integer(0)})) {
  return Seq({status, token});
}

}  // namespace gatehouse::crypto
