// What the software TPM needs of OpenSSL beyond common/crypto. Private to it.
#pragma once

#include "common/crypto/key.h"

namespace gatehouse::fakes {

[[nodiscard]] Bytes RsaModulus(const crypto::PublicKey& key);
// RSA: PKCS#1 v1.5, or PSS with that salt. EC: DER. Also with SHA-1, which common/crypto signs nothing with.
[[nodiscard]] Bytes SignAny(const crypto::PrivateKey& key, HashAlgorithm hash, BytesView message,
                            std::optional<std::size_t> pss_salt = std::nullopt);
// r and s of a DER signature, each as long as the field.
[[nodiscard]] std::pair<Bytes, Bytes> EcdsaNumbers(BytesView der, std::size_t field_bytes);
// Nothing when the padding is wrong.
[[nodiscard]] std::optional<Bytes> DecryptOaep(const crypto::PrivateKey& key, HashAlgorithm hash, BytesView label,
                                               BytesView cipher);
[[nodiscard]] Bytes DecryptCfb(BytesView key, BytesView cipher);
// The TPM's derivations, a second time: written from Part 1 sections 11.4.10.2 and 11.4.10.3, not shared with
// common/crypto.
[[nodiscard]] Bytes OtherHmac(HashAlgorithm hash, BytesView key, BytesView data);
[[nodiscard]] Bytes OtherKdfA(HashAlgorithm hash, BytesView key, std::string_view label, BytesView context,
                              std::size_t bits);
[[nodiscard]] Bytes OtherKdfE(HashAlgorithm hash, BytesView z, std::string_view label, BytesView party_u,
                              BytesView party_v, std::size_t bits);

}  // namespace gatehouse::fakes
