// Bodies of log entries: one spelling each, of one kind each, and never of a signature by a key that has made none.
#include "common/crypto/hash.h"
#include "common/signature/sigstore/log_entry.h"
#include "tests/fuzz/check.h"

using gatehouse::Reason;
namespace crypto = gatehouse::crypto;
namespace sigstore = gatehouse::signature::sigstore;

namespace {

// Content that agrees with the body in all but the key.
void CheckKeyMatters(const sigstore::EntryBody& body) {
  static const crypto::PublicKey key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value().Public();
  sigstore::MessageSignature message{.signature = body.signatures.front().signature};
  sigstore::SignedContent content;
  content.message = &message;
  content.hash = body.hash;
  content.digest = body.digest;
  content.key = &key;
  const auto compared = sigstore::CompareEntryBody(body, content);
  FUZZ_CHECK(!compared.ok() && compared.error().reason == Reason::kLogEntryMismatch);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = gatehouse::AsText({data, size});
  const auto body = sigstore::ParseEntryBody(text, "", "");
  if (!body.ok()) {
    FUZZ_CHECK(body.error().reason == Reason::kLogEntryMalformed || body.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  FUZZ_CHECK(body->digest.size() == gatehouse::DigestSize(body->hash) && !body->signatures.empty());
  const bool old = body->kind == sigstore::EntryBody::Kind::kInTotoOld;
  for (const auto& signature : body->signatures) {
    FUZZ_CHECK(signature.signature.empty() == old && !signature.der.empty());
  }
  int kinds = 0;
  for (const char* kind : {"hashedrekord", "dsse", "intoto"}) {
    for (const char* version : {"0.0.1", "0.0.2"}) kinds += sigstore::ParseEntryBody(text, kind, version).ok() ? 1 : 0;
  }
  FUZZ_CHECK(kinds == 1);
  FUZZ_CHECK(!sigstore::ParseEntryBody(std::string(text) + " ", "", "").ok());
  CheckKeyMatters(*body);
  return 0;
}
