// SignedData of RFC 5652, as far as an RFC 3161 token needs it: one signer, signed attributes, content within.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/crypto/der.h"
#include "common/crypto/x509.h"

namespace gatehouse::crypto {

struct CmsAttribute {
  std::string type;
  BytesView value;  // the only one of its set, whole
};

// Views are into the bytes that were parsed.
struct CmsSignedData {
  std::string content_type;
  BytesView content;                      // of eContent
  std::vector<Certificate> certificates;  // nobody vouches for them
  struct Signer {
    // Either both of these, or the key identifier.
    BytesView issuer;  // whole Name
    BytesView serial;  // whole INTEGER
    std::optional<BytesView> key_identifier = {};
    std::string digest_algorithm = {};
    std::vector<CmsAttribute> attributes = {};  // each type once
    Bytes signed_bytes = {};                    // the attributes as they are signed
    std::string signature_algorithm = {};
    BytesView signature = {};
  };
  Signer signer;
};

// Reads a ContentInfo with SignedData from `reader`, whose reason its errors have; kLimitExceeded for more than
// limits::kChainCertificates certificates.
[[nodiscard]] Result<CmsSignedData> TakeSignedData(DerReader& reader, Reason reason);

// Whether the signer is identified as this certificate.
[[nodiscard]] bool Identifies(const CmsSignedData::Signer& signer, const Certificate& certificate);
// The same by the two parts of IssuerAndSerialNumber.
[[nodiscard]] bool HasIssuerAndSerial(const Certificate& certificate, BytesView issuer, BytesView serial);

// SHA-256, SHA-384, SHA-512; nothing for any other.
[[nodiscard]] std::optional<HashAlgorithm> HashOfOid(std::string_view oid);

// Whether the signature is by `key` over the signed attributes. The key decides the scheme; the algorithm that is named
// must be one of it. RSASSA-PSS, which no timestamp authority known to us uses, is none.
[[nodiscard]] bool IsSignedBy(const CmsSignedData::Signer& signer, const PublicKey& key);

}  // namespace gatehouse::crypto
