#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/codec/pem.h"
#include "common/crypto/issue.h"
#include "common/crypto/openssl_handles.h"

namespace gatehouse::crypto {
namespace {

using testing::ElementsAre;

using RequestPtr = std::unique_ptr<X509_REQ, FreeWith<X509_REQ_free>>;

struct NamePart {
  const char* type;
  std::string text;
  int string_type = V_ASN1_UTF8STRING;
  int set = 0;  // -1: in the RDN of the one before
};

// A request made by OpenSSL, with one thing or another in it.
struct RequestSpec {
  std::vector<NamePart> subject = {{"O", "system:nodes"}, {"CN", "system:node:n1"}};
  std::vector<std::pair<int, std::string>> extensions = {};
  std::vector<std::pair<int, std::string>> more_extensions = {};  // in Microsoft's attribute for the same
  KeyType key_type = KeyType::kEcP256;
  const EVP_MD* digest = EVP_sha256();
  bool sign_with_other_key = false;
  long version = 0;
};

void AddExtensions(X509_REQ* request, int attribute, const std::vector<std::pair<int, std::string>>& extensions) {
  if (extensions.empty()) return;
  STACK_OF(X509_EXTENSION)* stack = sk_X509_EXTENSION_new_null();
  for (const auto& [nid, value] : extensions) {
    sk_X509_EXTENSION_push(stack, X509V3_EXT_nconf_nid(nullptr, nullptr, nid, value.c_str()));
  }
  unsigned char* der = nullptr;
  int size = i2d_X509_EXTENSIONS(stack, &der);
  X509_REQ_add1_attr_by_NID(request, attribute, V_ASN1_SEQUENCE, der, size);
  OPENSSL_free(der);
  sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
}

Bytes MakeDer(const RequestSpec& spec, std::optional<PublicKey>* key_out = nullptr) {
  PrivateKey key = PrivateKey::Generate(spec.key_type).value();
  PrivateKey other = PrivateKey::Generate(spec.key_type).value();
  RequestPtr request(X509_REQ_new());
  X509_REQ_set_version(request.get(), spec.version);
  X509_NAME* name = X509_REQ_get_subject_name(request.get());
  for (const NamePart& part : spec.subject) {
    X509_NAME_add_entry_by_txt(name, part.type, part.string_type,
                               reinterpret_cast<const unsigned char*>(part.text.data()),
                               static_cast<int>(part.text.size()), -1, part.set);
  }
  X509_REQ_set_pubkey(request.get(), key.impl().key.get());
  AddExtensions(request.get(), NID_ext_req, spec.extensions);
  AddExtensions(request.get(), NID_ms_ext_req, spec.more_extensions);
  const EVP_MD* digest = spec.key_type == KeyType::kEd25519 ? nullptr : spec.digest;
  X509_REQ_sign(request.get(), (spec.sign_with_other_key ? other : key).impl().key.get(), digest);
  if (key_out != nullptr) *key_out = key.Public();
  unsigned char* der = nullptr;
  int size = i2d_X509_REQ(request.get(), &der);
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  ERR_clear_error();  // other tests look at the queue
  return bytes;
}

std::string Pem(const Bytes& der) {
  return codec::EncodePem("CERTIFICATE REQUEST", der);
}
Result<SigningRequest> Read(const RequestSpec& spec) {
  return ReadSigningRequest(Pem(MakeDer(spec)));
}
Reason ReasonOf(const std::string& pem) {
  auto read = ReadSigningRequest(pem);
  return read.ok() ? Reason::kInternal : read.error().reason;
}

TEST(SigningRequest, OfAKubelet) {
  std::optional<PublicKey> key;
  auto read = ReadSigningRequest(Pem(MakeDer({}, &key)));
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_THAT(read->common_names, ElementsAre("system:node:n1"));
  EXPECT_THAT(read->organizations, ElementsAre("system:nodes"));
  EXPECT_FALSE(read->other_subject_parts);
  EXPECT_FALSE(read->has_subject_alt_names);
  EXPECT_FALSE(read->has_other_extensions);
  EXPECT_EQ(read->key, key->Fingerprint());
}

TEST(SigningRequest, EveryTypeOfKey) {
  for (KeyType type : {KeyType::kEcP256, KeyType::kEcP384, KeyType::kEcP521, KeyType::kRsa, KeyType::kEd25519}) {
    auto read = Read({.key_type = type});
    EXPECT_TRUE(read.ok()) << static_cast<int>(type) << read.error().ToString();
  }
  for (const EVP_MD* digest : {EVP_sha384(), EVP_sha512()}) EXPECT_TRUE(Read({.digest = digest}).ok());
}

TEST(SigningRequest, SignatureOfAnotherKey) {
  for (KeyType type : {KeyType::kEcP256, KeyType::kRsa, KeyType::kEd25519}) {
    auto read = Read({.key_type = type, .sign_with_other_key = true});
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().reason, Reason::kSignatureInvalid);
  }
}

TEST(SigningRequest, WeakDigests) {
  for (const EVP_MD* digest : {EVP_sha1(), EVP_sha224()}) {
    EXPECT_EQ(Read({.digest = digest}).error().reason, Reason::kSignatureInvalid);
    EXPECT_EQ(Read({.key_type = KeyType::kRsa, .digest = digest}).error().reason, Reason::kSignatureInvalid);
  }
}

TEST(SigningRequest, EveryBitIsSigned) {
  const Bytes good = MakeDer({});
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= 1;
    EXPECT_FALSE(ReadSigningRequest(Pem(bad)).ok()) << i;
  }
}

TEST(SigningRequest, TruncatedAtEveryByte) {
  const Bytes good = MakeDer({});
  for (std::size_t i = 0; i < good.size(); ++i) {
    Reason reason = ReasonOf(Pem(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(i))));
    EXPECT_EQ(reason, Reason::kCertificateMalformed) << i;
  }
}

TEST(SigningRequest, PemThatIsNotOneRequest) {
  const std::string good = Pem(MakeDer({}));
  Bytes longer = MakeDer({});
  longer.push_back(0);
  for (const std::string& pem :
       {std::string(), std::string("garbage"), good + good, codec::EncodePem("NEW CERTIFICATE REQUEST", MakeDer({})),
        codec::EncodePem("CERTIFICATE", MakeDer({})), good + codec::EncodePem("PRIVATE KEY", MakeDer({})), Pem(longer),
        "text before\n" + good, good.substr(0, good.size() / 2), good + std::string(70'000, '\n')}) {
    EXPECT_EQ(ReasonOf(pem), Reason::kCertificateMalformed) << pem.substr(0, 80);
  }
}

TEST(SigningRequest, BerIsMalformed) {
  // The outer length in one byte more than it needs.
  Bytes der = MakeDer({});
  ASSERT_EQ(der[1], 0x81) << "the length has one byte";
  der[1] = 0x82;
  der.insert(der.begin() + 2, 0);
  EXPECT_EQ(ReasonOf(Pem(der)), Reason::kCertificateMalformed);
}

TEST(SigningRequest, OtherVersion) {
  EXPECT_EQ(ReasonOf(Pem(MakeDer({.version = 1}))), Reason::kCertificateMalformed);
}

TEST(SigningRequest, OtherSubjectParts) {
  for (const NamePart& part :
       {NamePart{"OU", "x"}, NamePart{"C", "DE", V_ASN1_PRINTABLESTRING},
        NamePart{"serialNumber", "x", V_ASN1_PRINTABLESTRING}, NamePart{"emailAddress", "x", V_ASN1_IA5STRING}}) {
    RequestSpec spec;
    spec.subject.push_back(part);
    auto read = Read(spec);
    ASSERT_TRUE(read.ok()) << part.type << read.error().ToString();
    EXPECT_TRUE(read->other_subject_parts) << part.type;
  }
}

TEST(SigningRequest, SeveralAttributesInOneRdn) {
  auto read = Read({.subject = {{"O", "system:nodes"}, {"CN", "system:node:n1", V_ASN1_UTF8STRING, -1}}});
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(read->other_subject_parts);
}

TEST(SigningRequest, SeveralNamesAreAllGiven) {
  auto read = Read({.subject = {{"O", "system:nodes"}, {"O", "system:masters"}, {"CN", "a"}, {"CN", "b"}}});
  ASSERT_TRUE(read.ok());
  EXPECT_THAT(read->organizations, ElementsAre("system:nodes", "system:masters"));
  EXPECT_THAT(read->common_names, ElementsAre("a", "b"));
  auto none = Read({.subject = {}});
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->common_names.empty());
}

TEST(SigningRequest, NamesThatProgramsReadDifferently) {
  for (const NamePart& part :
       {NamePart{"CN", "system:node:n1", V_ASN1_T61STRING}, NamePart{"CN", std::string("\0a\0b", 4), V_ASN1_BMPSTRING},
        NamePart{"O", "system:nodes", V_ASN1_IA5STRING}, NamePart{"CN", std::string("a\0b", 3)},
        NamePart{"CN", "\xFF"}}) {
    RequestSpec spec;
    spec.subject = {part};
    EXPECT_EQ(ReasonOf(Pem(MakeDer(spec))), Reason::kCertificateMalformed) << part.text;
  }
}

TEST(SigningRequest, Extensions) {
  auto names = Read({.extensions = {{NID_subject_alt_name, "DNS:n1"}}});
  ASSERT_TRUE(names.ok());
  EXPECT_TRUE(names->has_subject_alt_names);
  EXPECT_FALSE(names->has_other_extensions);
  auto usage = Read({.extensions = {{NID_basic_constraints, "CA:TRUE"}}});
  ASSERT_TRUE(usage.ok());
  EXPECT_FALSE(usage->has_subject_alt_names);
  EXPECT_TRUE(usage->has_other_extensions);
}

TEST(SigningRequest, ExtensionsInTwoAttributes) {
  EXPECT_EQ(ReasonOf(Pem(MakeDer({.extensions = {{NID_key_usage, "digitalSignature"}},
                                  .more_extensions = {{NID_subject_alt_name, "DNS:n1"}}}))),
            Reason::kCertificateMalformed);
}

TEST(SigningRequest, WeakKey) {
  const std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>> weak(EVP_RSA_gen(1024));
  RequestPtr request(X509_REQ_new());
  X509_REQ_set_pubkey(request.get(), weak.get());
  X509_REQ_sign(request.get(), weak.get(), EVP_sha256());
  unsigned char* der = nullptr;
  int size = i2d_X509_REQ(request.get(), &der);
  ERR_clear_error();
  EXPECT_EQ(ReasonOf(Pem(Bytes(der, der + size))), Reason::kKeyMalformed);
  EXPECT_EQ(ERR_peek_error(), 0U) << "nothing is left in the queue";
  OPENSSL_free(der);
}

}  // namespace
}  // namespace gatehouse::crypto
