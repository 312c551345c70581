// COSE_Sign1: nothing that was not signed verifies; what was signed does, with the key's own algorithm only. The first
// byte chooses whether the input is a whole message, or the protected header of a signed one.
#include "common/cose/sign1.h"

#include "tests/fuzz/check.h"

using gatehouse::Bytes;
using gatehouse::BytesView;
using gatehouse::HashAlgorithm;
using gatehouse::Reason;
using gatehouse::codec::CborWriter;
using gatehouse::cose::ParseSign1;
using gatehouse::cose::Sign1;
using gatehouse::cose::Tag;
using gatehouse::crypto::KeyType;
using gatehouse::crypto::PrivateKey;
using gatehouse::crypto::Scheme;

namespace {

constexpr std::int64_t kEs256 = -7;

Bytes Message(BytesView header, BytesView payload, BytesView signature) {
  CborWriter writer;
  writer.Tag(18).Array(4).ByteString(header).Map(0).ByteString(payload).ByteString(signature);
  return std::move(writer).Finish();
}

void CheckWhole(const PrivateKey& key, BytesView input) {
  const auto message = ParseSign1(input, Tag::kOptional);
  if (!message.ok()) {
    FUZZ_CHECK(message.error().reason == Reason::kEnvelopeMalformed ||
               message.error().reason == Reason::kLimitExceeded);
    return;
  }
  FUZZ_CHECK(message->protected_map.kind() == gatehouse::codec::CborValue::Kind::kMap);
  FUZZ_CHECK(message->unprotected_map.kind() == gatehouse::codec::CborValue::Kind::kMap);
  FUZZ_CHECK(!message->signature.empty());
  FUZZ_CHECK(!VerifySign1(*message, key.Public()).ok());
}

void CheckSigned(const PrivateKey& key, BytesView header) {
  const Bytes payload = {1, 2, 3};
  CborWriter signed_text;
  signed_text.Array(4).Text("Signature1").ByteString(header).ByteString({}).ByteString(payload);
  const Bytes signature = key.Sign(Scheme::kEcdsaRaw, HashAlgorithm::kSha256, std::move(signed_text).Finish()).value();
  const auto message = ParseSign1(Message(header, payload, signature), Tag::kRequired);
  if (!message.ok()) return;
  const auto algorithm = AlgorithmOf(*message);
  FUZZ_CHECK(VerifySign1(*message, key.Public()).ok() == (algorithm.ok() && *algorithm == kEs256));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const PrivateKey key = PrivateKey::Generate(KeyType::kEcP256).value();
  if (size == 0) return 0;
  const BytesView rest(data + 1, size - 1);
  if (data[0] % 2 == 0) {
    CheckWhole(key, rest);
  } else {
    CheckSigned(key, rest);
  }
  return 0;
}
