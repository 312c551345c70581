// Files accepted by signature, or that must have one: only by keys of the policy, and over what was measured.
#include "common/appraisal/ima_signature.h"

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/crypto/key.h"
#include "tests/common/appraisal/ima_fixture.h"

namespace gatehouse::appraisal {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Bytes SecurityIma(std::uint8_t algorithm, std::uint32_t key_id, BytesView signature) {
  ByteWriter writer;
  writer.Put(Bytes{0x03, 0x02, algorithm});
  writer.PutU32Be(key_id);
  writer.PutSized16Be(signature);
  return std::move(writer).Finish();
}

class ImaSignatures : public Ima {
 protected:
  static constexpr std::uint32_t kKeyId = 0x1234ABCD;

  static FileSigner SignerOf(const crypto::PublicKey& key, std::uint32_t id) {
    return {"release", id, [key](HashAlgorithm algorithm, BytesView digest, BytesView signature) {
              return key.VerifyHashed(crypto::Scheme::kEcdsaDer, algorithm, digest, signature);
            }};
  }
  static Made Signed(const std::string& path, const std::string& content, const crypto::PrivateKey& key,
                     std::uint32_t id = kKeyId) {
    Made made = File(path, content);
    made.signature = SecurityIma(4, id, *key.Sign(crypto::Scheme::kEcdsaDer, kSha256, AsBytes(content)));
    return made;
  }
  ImaSignatures() {
    policy_.signers = {SignerOf(key_.Public(), kKeyId)};
    policy_.signatures_accept = true;
  }

  crypto::PrivateKey key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  crypto::PrivateKey other_ = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
};

TEST_F(ImaSignatures, AGoodSignatureAcceptsAFileThatNobodyLists) {
  EXPECT_THAT(Judge(Signed("/opt/tool", "tool", key_)), IsEmpty());
  policy_.signatures_accept = false;
  const auto findings = Judge(Signed("/opt/tool", "tool", key_));
  EXPECT_ONLY(findings, kImaFileUnlisted);
  EXPECT_THAT(findings[0].detail, Not(HasSubstr("sign the file")));
}

TEST_F(ImaSignatures, ASignedPathNeedsASignatureThoughItIsListed) {
  policy_.signed_paths = Below("/usr/bin");
  const auto findings = Judge(File("/usr/bin/good", "good"));
  EXPECT_ONLY(findings, kImaSignatureInvalid);
  EXPECT_THAT(findings[0].detail, AllOf(HasSubstr("the file has no signature"), HasSubstr("sign the file with a key")));
  EXPECT_THAT(Judge(Signed("/usr/bin/good", "good", key_)), IsEmpty());
  EXPECT_THAT(Judge(File("/elsewhere", "good")), IsEmpty());
}

TEST_F(ImaSignatures, ASignedPathIsNotAcceptedBecauseItIsExcludedOrInAContainer) {
  policy_.signed_paths = Below("/usr/bin");
  policy_.exclude = Below("/usr");
  policy_.container_paths = Below("/usr");
  policy_.containers = ImaPolicy::Containers::kAny;
  EXPECT_ONLY(Judge(File("/usr/bin/new", "new")), kImaSignatureInvalid);
}

TEST_F(ImaSignatures, ASignatureAloneDoesNotAcceptASignedPathUnlessSignaturesDo) {
  policy_.signed_paths = Below("/opt");
  policy_.signatures_accept = false;
  EXPECT_ONLY(Judge(Signed("/opt/tool", "tool", key_)), kImaFileUnlisted);
  policy_.signatures_accept = true;
  EXPECT_THAT(Judge(Signed("/opt/tool", "tool", key_)), IsEmpty());
}

TEST_F(ImaSignatures, Adversarial_M14_AKeyIdThatCollidesProvesNothing) {
  policy_.signed_paths = Below("/opt");
  const auto findings = Judge(Signed("/opt/tool", "tool", other_));
  EXPECT_ONLY(findings, kImaSignatureInvalid);
  EXPECT_THAT(findings[0].detail,
              AllOf(HasSubstr("does not verify with the key that it names"), HasSubstr("(key id 1234abcd)")));
}

TEST_F(ImaSignatures, Adversarial_M14_OfTwoKeysWithOneIdEitherIsTried) {
  policy_.signers.push_back(SignerOf(other_.Public(), kKeyId));
  EXPECT_THAT(Judge(Signed("/opt/a", "a", key_)), IsEmpty());
  EXPECT_THAT(Judge(Signed("/opt/b", "b", other_)), IsEmpty());
}

TEST_F(ImaSignatures, AKeyThatIsNotInTheKeyRingIsNamed) {
  policy_.signed_paths = Below("/opt");
  const auto findings = Judge(Signed("/opt/tool", "tool", key_, 0xDEADBEEF));
  EXPECT_ONLY(findings, kImaSignatureInvalid);
  EXPECT_THAT(findings[0].detail, HasSubstr("not in the policy's key ring (key id deadbeef)"));
}

TEST_F(ImaSignatures, Adversarial_M14_AKeyIsNeverLearnedFromTheLog) {
  policy_.buffers = {{Whole(".ima"), true, {}}};
  const auto findings = JudgeAll({Buffer(".ima", other_.Public().Pem()), Signed("/opt/tool", "tool", other_, 7)});
  EXPECT_ONLY(findings, kImaFileUnlisted);
  EXPECT_THAT(findings[0].detail, HasSubstr("sign the file (its signature is by a key that is not in"));
}

TEST_F(ImaSignatures, Adversarial_M14_ASignatureOfAnotherFileProvesNothing) {
  Made made = Signed("/opt/tool", "tool", key_);
  made.digest = Sha256("evil");
  EXPECT_ONLY(Judge(made), kImaFileUnlisted);
}

TEST_F(ImaSignatures, Adversarial_M14_ASignatureOverADigestOfAnotherAlgorithmIsRefused) {
  policy_.signed_paths = Below("/opt");
  Made made = Signed("/opt/tool", "tool", key_);
  made.signature[2] = 5;  // says sha384; the entry has sha256
  const auto findings = Judge(made);
  EXPECT_ONLY(findings, kImaSignatureInvalid);
  EXPECT_THAT(findings[0].detail, HasSubstr("over another digest than the one measured"));
}

TEST_F(ImaSignatures, Adversarial_M14_ASha1SignatureIsRefused) {
  Made made = File("/opt/tool", "tool");
  made.digest = crypto::Hash(HashAlgorithm::kSha1, AsBytes("tool"));
  made.entry.algorithm = HashAlgorithm::kSha1;
  made.signature = SecurityIma(2, kKeyId, Bytes(64, 1));
  policy_.signers[0].verifies = [](HashAlgorithm, BytesView, BytesView) { return true; };
  EXPECT_ONLY(Judge(made), kImaFileUnlisted);
}

TEST_F(ImaSignatures, AnAppendedSignatureIsNotChecked) {
  policy_.signed_paths = Below("/opt");
  Made made = Signed("/opt/tool", "tool", key_);
  made.entry.appended = true;
  const auto findings = Judge(made);
  EXPECT_ONLY(findings, kImaSignatureInvalid);
  EXPECT_THAT(findings[0].detail, HasSubstr("modsig"));
}

TEST_F(ImaSignatures, Adversarial_M14_ASignatureOfAFileIsNoneOfAnFsVerityRoot) {
  policy_.signed_paths = Below("/opt");
  Made made = Signed("/opt/tool", "tool", key_);
  ASSERT_THAT(Judge(made), IsEmpty());
  made.entry.verity = true;
  const auto findings = Judge(made);
  EXPECT_ONLY(findings, kImaSignatureInvalid);
  EXPECT_THAT(findings[0].detail, AllOf(HasSubstr("fs-verity"), HasSubstr("verity:sha256:")));
}

TEST_F(ImaSignatures, ASignerWithoutAKeyVerifiesNothing) {
  policy_.signers[0].verifies = nullptr;
  EXPECT_ONLY(Judge(Signed("/opt/tool", "tool", key_)), kImaFileUnlisted);
}

TEST_F(ImaSignatures, Adversarial_M14_ATruncatedHeaderAtEveryByteIsRefused) {
  const Bytes whole = Signed("/opt/tool", "tool", key_).signature;
  const auto parsed = ParseImaSignature(whole);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->algorithm, kSha256);
  EXPECT_EQ(parsed->key_id, kKeyId);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto cut = ParseImaSignature(BytesView(whole).first(size));
    ASSERT_FALSE(cut.ok()) << size;
    EXPECT_EQ(cut.error().reason, Reason::kSignatureMalformed);
  }
}

TEST_F(ImaSignatures, WhatIsNoSignatureOfVersion2IsRefused) {
  const Bytes good = SecurityIma(4, kKeyId, Bytes(64, 1));
  ASSERT_TRUE(ParseImaSignature(good).ok());
  const std::vector<std::pair<const char*, std::function<void(Bytes&)>>> spoilt = {
      {"a digest", [](Bytes& xattr) { xattr[0] = 1; }},
      {"an HMAC", [](Bytes& xattr) { xattr[0] = 2; }},
      {"version 1", [](Bytes& xattr) { xattr[1] = 1; }},
      {"version 3", [](Bytes& xattr) { xattr[1] = 3; }},
      {"MD5", [](Bytes& xattr) { xattr[2] = 1; }},
      {"SHA-1", [](Bytes& xattr) { xattr[2] = 2; }},
      {"SHA-224", [](Bytes& xattr) { xattr[2] = 7; }},
      {"longer than it is", [](Bytes& xattr) { ++xattr[8]; }},
      {"shorter than it is", [](Bytes& xattr) { --xattr[8]; }},
      {"trailing", [](Bytes& xattr) { xattr.push_back(0); }},
      {"too long", [](Bytes& xattr) { xattr = SecurityIma(4, 1, Bytes(limits::kSignatureBytes + 1)); }},
      {"empty", [](Bytes& xattr) { xattr = SecurityIma(4, 1, {}); }},
  };
  for (const auto& [what, spoil] : spoilt) {
    Bytes xattr = good;
    spoil(xattr);
    const auto parsed = ParseImaSignature(xattr);
    ASSERT_FALSE(parsed.ok()) << what;
    EXPECT_EQ(parsed.error().reason, Reason::kSignatureMalformed) << what;
  }
}

}  // namespace
}  // namespace gatehouse::appraisal
