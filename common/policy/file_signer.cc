// Keys of IMA's key ring, for signatures of files.
#include <algorithm>

#include "common/base/encoding.h"
#include "common/codec/pem.h"
#include "common/crypto/der.h"
#include "common/crypto/hash.h"
#include "common/policy/node_readers.h"

namespace gatehouse::policy {
namespace {

using appraisal::FileSigner;
namespace der = crypto::der;

constexpr std::string_view kSubjectKeyIdentifier = "2.5.29.14";

// security.ima (struct signature_v2_hdr of the kernel): "keyid", its last four bytes, most significant first.
Result<std::uint32_t> LastFour(BytesView identifier) {
  if (identifier.size() < 4) return Error{Reason::kCertificateMalformed, "", "its subject key identifier is too short"};
  ByteReader reader(identifier.subspan(identifier.size() - 4), Reason::kCertificateMalformed, "key identifier");
  return reader.TakeU32Be();
}

// RFC 5280 section 4.2.1.2 (1): "the 160-bit SHA-1 hash of the value of the BIT STRING subjectPublicKey (excluding the
// tag, length, and number of unused bits)". A name here, not a proof.
Result<std::uint32_t> KeyIdOf(const crypto::PublicKey& key) {
  const Bytes spki = key.Spki();
  crypto::DerReader outer(spki, Reason::kKeyMalformed, "public key");
  ASSIGN_OR_RETURN(crypto::DerReader info, outer.Enter(der::kSequence));
  RETURN_IF_ERROR(info.Take(der::kSequence));
  ASSIGN_OR_RETURN(crypto::DerElement bits, info.Take(der::kBitString));
  if (bits.content.empty()) return info.Fail("has no bits");
  return LastFour(crypto::Hash(HashAlgorithm::kSha1, bits.content.subspan(1)));
}

Result<std::uint32_t> KeyIdOf(const crypto::Certificate& certificate, const crypto::PublicKey& key) {
  auto extension = certificate.Extension(kSubjectKeyIdentifier);
  if (!extension) return KeyIdOf(key);
  crypto::DerReader reader(*extension, Reason::kCertificateMalformed, "subject key identifier");
  ASSIGN_OR_RETURN(crypto::DerElement identifier, reader.Take(der::kOctetString));
  RETURN_IF_ERROR(reader.ExpectEnd());
  return LastFour(identifier.content);
}

struct Read {
  crypto::PublicKey key;
  FileSigner signer;
};

Result<Read> ReadOne(const codec::PemBlock& block) {
  const std::string pem = codec::EncodePem(block.label, block.der);
  if (block.label != "CERTIFICATE") {
    ASSIGN_OR_RETURN(crypto::PublicKey key, crypto::PublicKey::FromPem(pem));
    ASSIGN_OR_RETURN(const std::uint32_t id, KeyIdOf(key));
    FileSigner signer{"key " + key.Fingerprint().text(), id, {}};
    return Read{std::move(key), std::move(signer)};
  }
  ASSIGN_OR_RETURN(crypto::Certificate certificate, crypto::Certificate::FromDer(block.der));
  ASSIGN_OR_RETURN(crypto::PublicKey key, certificate.Key());
  ASSIGN_OR_RETURN(const std::uint32_t id, KeyIdOf(certificate, key));
  FileSigner signer{certificate.Subject(), id, {}};
  if (signer.name.empty()) signer.name = "key " + key.Fingerprint().text();
  return Read{std::move(key), std::move(signer)};
}

}  // namespace

Result<std::vector<FileSigner>> ReadFileSigners(std::string_view pem) {
  ASSIGN_OR_RETURN(const std::vector<codec::PemBlock> blocks, codec::ParsePem(pem, Reason::kKeyMalformed));
  std::vector<FileSigner> signers;
  std::vector<crypto::PublicKey> keys;
  for (const codec::PemBlock& block : blocks) {
    ASSIGN_OR_RETURN(Read read, ReadOne(block));
    if (read.key.type() == crypto::KeyType::kEd25519)
      return Error{Reason::kKeyMalformed, "", "an Ed25519 key, with which IMA signs nothing; use RSA or ECDSA"};
    if (std::find(keys.begin(), keys.end(), read.key) != keys.end())
      return Error{Reason::kKeyMalformed, "", "has the key of '" + Printable(read.signer.name, 128) + "' twice"};
    keys.push_back(read.key);
    const bool rsa = read.key.type() == crypto::KeyType::kRsa;
    const crypto::Scheme scheme = rsa ? crypto::Scheme::kRsaPkcs1v15 : crypto::Scheme::kEcdsaDer;
    read.signer.verifies = [key = std::move(read.key), scheme](HashAlgorithm hash, BytesView digest,
                                                               BytesView signature) {
      return digest.size() == DigestSize(hash) && key.VerifyHashed(scheme, hash, digest, signature);
    };
    signers.push_back(std::move(read.signer));
  }
  return signers;
}

}  // namespace gatehouse::policy
