// What the fields of an IMA entry say, template by template.
#include <gtest/gtest.h>

#include "common/evidence/ima/log.h"
#include "tests/fakes/ima_log.h"

namespace gatehouse::evidence::ima {
namespace {

using fakes::ImaLog;

constexpr HashAlgorithm kSha256 = HashAlgorithm::kSha256;

// A log of one entry, its frame, and its fields, which borrow from both.
struct Read {
  explicit Read(const ImaLog& log, Encoding encoding = Encoding::kLittleEndian)
      : bytes(log.bytes()), reader(encoding), found(reader.Next(bytes)), fields(Parse(encoding)) {}
  Result<Fields> Parse(Encoding encoding) const {
    if (!found.ok()) return found.error();
    return ParseFields((*found)->frame, encoding);
  }
  Bytes bytes;
  FrameReader reader;
  Result<std::optional<FrameReader::Found>> found;
  Result<Fields> fields;
};

void ExpectReason(const Result<Fields>& fields, Reason reason) {
  ASSERT_FALSE(fields.ok());
  EXPECT_EQ(Token(fields.error().reason), Token(reason)) << fields.error().ToString();
}

ImaLog One(const ImaLog::Entry& entry, bool big_endian = false) {
  ImaLog log({.big_endian = big_endian});
  log.Add(entry);
  return log;
}

ImaLog OneOf(std::string_view name, const std::vector<Bytes>& fields, bool violation = false) {
  ImaLog log;
  log.AddFields(name, fields, true, 10, violation);
  return log;
}

Bytes DigestField(std::string_view prefix, std::size_t size) {
  Bytes field = ToBytes(prefix);
  field.push_back(0);
  field.resize(field.size() + size, 0xD1);
  return field;
}

Bytes NameField(std::string_view name) {
  Bytes field = ToBytes(name);
  field.push_back(0);
  return field;
}

TEST(ImaFields, EveryTemplate) {
  struct Case {
    const char* name;
    bool signature, appended, buffer;
  };
  for (const bool big : {false, true}) {
    for (const Case& c : {Case{"ima-ng", false, false, false}, Case{"ima-ngv2", false, false, false},
                          Case{"ima-sig", true, false, false}, Case{"ima-sigv2", true, false, false},
                          Case{"ima-buf", false, false, true}, Case{"ima-modsig", true, true, false},
                          Case{"evm-sig", false, false, false}, Case{"d-ng|n-ng|buf", false, false, true},
                          Case{"d-ng|n-ng|sig", true, false, false}}) {
      SCOPED_TRACE(c.name);
      const Read read(One({.template_name = c.name,
                           .path = "/usr/bin/x",
                           .digest = Bytes(32, 7),
                           .signature = {3, 2, 4},
                           .appended_signature = {0x30},
                           .appended_digest = Bytes(32, 8),
                           .buffer = {1, 2}},
                          big),
                      big ? Encoding::kBigEndian : Encoding::kLittleEndian);
      ASSERT_TRUE(read.fields.ok()) << read.fields.error().ToString();
      const Fields& fields = *read.fields;
      EXPECT_FALSE(fields.unknown);
      EXPECT_EQ(fields.algorithm, kSha256);
      EXPECT_EQ(fields.algorithm_name, "sha256");
      EXPECT_EQ(ToBytes(fields.digest), Bytes(32, 7));
      EXPECT_FALSE(fields.verity);
      EXPECT_TRUE(fields.has_path);
      EXPECT_EQ(fields.path, "/usr/bin/x");
      EXPECT_EQ(fields.has_signature, c.signature);
      EXPECT_EQ(ToBytes(fields.signature), c.signature ? Bytes({3, 2, 4}) : Bytes());
      EXPECT_EQ(ToBytes(fields.appended_signature), c.appended ? Bytes({0x30}) : Bytes());
      EXPECT_EQ(fields.has_buffer, c.buffer);
      EXPECT_EQ(ToBytes(fields.buffer), c.buffer ? Bytes({1, 2}) : Bytes());
    }
  }
}

TEST(ImaFields, OldTemplate) {
  const Read read(One({.template_name = "ima", .path = "/init", .digest = Bytes(20, 7)}));
  ASSERT_TRUE(read.fields.ok());
  EXPECT_EQ(read.fields->algorithm, HashAlgorithm::kSha1);
  EXPECT_EQ(ToBytes(read.fields->digest), Bytes(20, 7));
  EXPECT_EQ(read.fields->path, "/init");
}

TEST(ImaFields, OldTemplateWithALongestName) {
  const std::string name(255, 'n');
  const Read read(One({.template_name = "ima", .path = name, .digest = Bytes(20, 7)}));
  ASSERT_TRUE(read.fields.ok());
  EXPECT_EQ(read.fields->path, name);
}

TEST(ImaFields, VerityDigestIsToldApart) {
  const Read read(One({.template_name = "ima-ngv2", .path = "/v", .digest = Bytes(32, 7), .verity = true}));
  ASSERT_TRUE(read.fields.ok());
  EXPECT_TRUE(read.fields->verity);
  EXPECT_EQ(read.fields->algorithm, kSha256);
}

TEST(ImaFields, HashThatWeDoNotKnowHasItsName) {
  const Read read(One({.template_name = "ima-ng", .path = "/v", .algorithm_text = "sm3-256", .digest = Bytes(32, 7)}));
  ASSERT_TRUE(read.fields.ok());
  EXPECT_EQ(read.fields->algorithm, std::nullopt);
  EXPECT_EQ(read.fields->algorithm_name, "sm3-256");
}

// Kernels from 5.14 to 6.3 wrote 20 zeros behind "sha256:" of a violation.
TEST(ImaFields, ViolationHasNoDigestWhateverItsLength) {
  const Read read(OneOf("ima-ng", {DigestField("sha256:", 20), NameField("/var/log/x")}, true));
  ASSERT_TRUE(read.fields.ok()) << read.fields.error().ToString();
  EXPECT_EQ(read.fields->path, "/var/log/x");
  EXPECT_TRUE(read.fields->digest.empty());
  EXPECT_EQ(read.fields->algorithm, std::nullopt);
}

TEST(Adversarial_M5, NamesAreBytes) {
  for (const std::string& name :
       std::vector<std::string>{"/tmp/with blank", "/tmp/line\nbreak", "/tmp/\\x41", "/tmp/\xFF\xFE\x80",
                                "/tmp/\x1B[31m", "", "/" + std::string(254, 'a') + "/" + std::string(4000, 'b')}) {
    const Read read(One({.template_name = "ima-ng", .path = name, .digest = Bytes(32, 7)}));
    ASSERT_TRUE(read.fields.ok()) << read.fields.error().ToString();
    EXPECT_EQ(read.fields->path, name);
  }
}

TEST(Adversarial_M5, NameWithANulInsideOrNoneAtItsEnd) {
  const Bytes digest = DigestField("sha256:", 32);
  for (const Bytes& name : {ToBytes(std::string_view("/bin/sh\0/tmp/evil\0", 18)), ToBytes("/bin/sh"), Bytes(),
                            ToBytes(std::string_view("/bin/sh\0\0", 9))}) {
    ExpectReason(Read(OneOf("ima-ng", {digest, name})).fields, Reason::kImaLogMalformed);
    const Read custom(OneOf("d-ng|n-ng|n", {digest, name, NameField("/bin/sh")}));
    ASSERT_TRUE(custom.fields.ok());
    EXPECT_TRUE(custom.fields->unknown);
  }
}

TEST(Adversarial_M5, NameBeyondTheLimit) {
  const Bytes digest = DigestField("sha256:", 32);
  EXPECT_TRUE(Read(OneOf("ima-ng", {digest, NameField(std::string(limits::kImaPathBytes - 1, 'x'))})).fields.ok());
  ExpectReason(Read(OneOf("ima-ng", {digest, NameField(std::string(limits::kImaPathBytes, 'x'))})).fields,
               Reason::kLimitExceeded);
}

// "dropped on re-serialise": what is no signature is handed on as it is, for a policy to refuse.
TEST(Adversarial_M6, MalformedSignatureIsKeptAsItIs) {
  for (const Bytes& signature : {Bytes{3}, Bytes{3, 2, 4, 1, 2, 3, 4, 0xFF, 0xFF, 0}, Bytes{0xFF}, Bytes(5000, 0)}) {
    const Read read(One({.template_name = "ima-sig", .path = "/x", .digest = Bytes(32, 7), .signature = signature}));
    ASSERT_TRUE(read.fields.ok());
    EXPECT_TRUE(read.fields->has_signature);
    EXPECT_EQ(ToBytes(read.fields->signature), signature);
  }
}

TEST(Adversarial_M11, UnknownTemplate) {
  const std::vector<Bytes> fields = {DigestField("sha256:", 32), NameField("/x")};
  for (const std::string& name : std::vector<std::string>{"ima-evil", "IMA-NG", "d-ng|n-ng|", "|d-ng", "d-ng||n-ng",
                                                          "d-ng|N-NG", "d-ng,n-ng", "ima-ng2", "evil", "|"}) {
    SCOPED_TRACE(name);
    ExpectReason(Read(OneOf(name, fields)).fields, Reason::kImaLogMalformed);
  }
}

// A format that ima_template_fmt= could have, with a field that we do not know: no digest of it reaches a list.
TEST(Adversarial_M11, UnknownFieldOfAFormat) {
  const Read read(OneOf("d-ng|n-ng|newfield", {DigestField("sha256:", 32), NameField("/x"), Bytes{1}}));
  ASSERT_TRUE(read.fields.ok());
  EXPECT_TRUE(read.fields->unknown);
  EXPECT_EQ(read.fields->algorithm, std::nullopt);
  EXPECT_TRUE(read.fields->digest.empty());
  EXPECT_EQ(read.fields->path, "/x");
}

TEST(Adversarial_M10, FormatThatSaysOneThingTwiceOrNothing) {
  const Bytes digest = DigestField("sha256:", 32);
  struct Case {
    const char* format;
    std::vector<Bytes> fields;
  };
  for (const Case& c : {Case{"d-ng|d-ng|n-ng", {digest, digest, NameField("/x")}},
                        Case{"d|d-ng|n-ng", {Bytes(20), digest, NameField("/x")}},
                        Case{"d-ng|n-ng|n", {digest, NameField("/x"), NameField("/x")}},
                        Case{"d-ng|n-ng|sig|sig", {digest, NameField("/x"), Bytes(), Bytes()}},
                        Case{"d-ng|buf|buf", {digest, Bytes(), Bytes()}}, Case{"n-ng", {NameField("/x")}},
                        Case{"d-ng", {digest}}, Case{"n-ng|sig", {NameField("/x"), Bytes()}}}) {
    SCOPED_TRACE(c.format);
    const Read read(OneOf(c.format, c.fields));
    ASSERT_TRUE(read.fields.ok()) << read.fields.error().ToString();
    EXPECT_TRUE(read.fields->unknown);
    EXPECT_TRUE(read.fields->digest.empty());
  }
}

// The data of one template under the name of another.
TEST(Adversarial_M10, TemplateMixing) {
  const Bytes digest = DigestField("sha256:", 32);
  const Bytes typed = DigestField("ima:sha256:", 32);
  struct Case {
    const char* name;
    std::vector<Bytes> fields;
  };
  for (const Case& c :
       {Case{"ima-ng", {typed, NameField("/x")}}, Case{"ima-ngv2", {digest, NameField("/x")}},
        Case{"ima-ng", {digest, NameField("/x"), Bytes{1}}}, Case{"ima-sig", {digest, NameField("/x")}},
        Case{"ima-ng", {NameField("/x"), digest}}, Case{"ima-modsig", {digest, NameField("/x"), Bytes()}},
        Case{"ima-ngv2", {DigestField("sha256:ima:", 32), NameField("/x")}}, Case{"ima-ng", {digest}}}) {
    SCOPED_TRACE(c.name);
    ExpectReason(Read(OneOf(c.name, c.fields)).fields, Reason::kImaLogMalformed);
  }
}

// The name of a template is in no hash. A format that calls the path something else would hide it from a deny-list.
TEST(Adversarial_M10, FormatThatHidesAFieldOfTheEntry) {
  const Bytes digest = DigestField("sha256:", 32);
  for (const std::string& format : std::vector<std::string>{"d-ng|xattrnames", "d-ng|evmsig", "d-ng|iuid", "d-ng|sig",
                                                            "d-ng|modsig", "d-ng|d-modsig", "evmsig|n-ng"}) {
    SCOPED_TRACE(format);
    const Read read(OneOf(format, {digest, NameField("/x")}));
    ASSERT_TRUE(read.fields.ok()) << read.fields.error().ToString();
    EXPECT_TRUE(read.fields->unknown);
    EXPECT_EQ(read.fields->algorithm, std::nullopt);
  }
  for (const std::string& number : std::vector<std::string>{"iuid", "igid", "imode"}) {
    const Read read(OneOf("d-ng|n-ng|" + number, {digest, NameField("/x"), Bytes(9)}));
    ASSERT_TRUE(read.fields.ok());
    EXPECT_TRUE(read.fields->unknown);
  }
}

// An entry of evm-sig, the value of whose attribute is written so that it reads as the digest of another file, or as
// another path: under the name of a format that takes it for either, the entry would be of a file that is listed.
TEST(Adversarial_M10, ExtendedAttributeAsDigestOrPath) {
  const Bytes digest = DigestField("sha256:", 32);
  const Bytes name = NameField("/tmp/evil");
  const Bytes names = NameField("security.selinux");
  const auto entry = [&](const std::string& format, const Bytes& value) {
    return Read(OneOf(format, {digest, name, Bytes(), names, Bytes(4), value, Bytes(4), Bytes(4), Bytes(2)}));
  };
  for (const std::string& hidden : std::vector<std::string>{"xattrnames", "evmsig", "sig", "d-modsig", "modsig"}) {
    SCOPED_TRACE(hidden);
    const Read other_digest =
        entry(hidden + "|n-ng|evmsig|xattrnames|xattrlengths|d-ng|iuid|igid|imode", DigestField("sha256:", 32));
    const Read other_path =
        entry("d-ng|" + hidden + "|evmsig|xattrnames|xattrlengths|n-ng|iuid|igid|imode", NameField("/opt/good"));
    for (const Read* read : {&other_digest, &other_path}) {
      ASSERT_TRUE(read->fields.ok()) << read->fields.error().ToString();
      EXPECT_TRUE(read->fields->unknown);
      EXPECT_EQ(read->fields->algorithm, std::nullopt);
      EXPECT_TRUE(read->fields->digest.empty());
    }
  }
  const Read as_logged = entry("evm-sig", DigestField("sha256:", 32));
  ASSERT_TRUE(as_logged.fields.ok()) << as_logged.fields.error().ToString();
  EXPECT_FALSE(as_logged.fields->unknown);
  EXPECT_EQ(as_logged.fields->path, "/tmp/evil");
}

TEST(Adversarial_M10, CustomFormatWithTheOldDigest) {
  const Read sha1(OneOf("d|n", {Bytes(20, 5), NameField("/x")}));
  ASSERT_TRUE(sha1.fields.ok());
  EXPECT_EQ(sha1.fields->algorithm, HashAlgorithm::kSha1);
  EXPECT_FALSE(sha1.fields->unknown);
  const Read md5(OneOf("d|n", {Bytes(16, 5), NameField("/x")}));
  ASSERT_TRUE(md5.fields.ok());
  EXPECT_EQ(md5.fields->algorithm, std::nullopt);
  EXPECT_EQ(md5.fields->algorithm_name, "md5");
  const Read other(OneOf("d|n", {Bytes(32, 5), NameField("/x")}));
  ASSERT_TRUE(other.fields.ok());
  EXPECT_TRUE(other.fields->unknown);
}

TEST(Adversarial_M12, MalformedDigestFields) {
  for (const Bytes& digest :
       {Bytes(), DigestField("sha256", 32), DigestField(":", 32), DigestField("", 32), DigestField("sha256:", 20),
        DigestField("sha1:", 32), DigestField("SHA256:", 32), DigestField("sha256:", 33), ToBytes("sha256:"),
        DigestField("sha256 :", 32), DigestField("a:sha256:", 32)}) {
    ExpectReason(Read(OneOf("ima-ng", {digest, NameField("/x")})).fields, Reason::kImaLogMalformed);
    const Read custom(OneOf("d-ng|n-ng", {digest, NameField("/x")}));
    ASSERT_TRUE(custom.fields.ok());
    EXPECT_TRUE(custom.fields->unknown);
    EXPECT_TRUE(custom.fields->digest.empty());
  }
}

TEST(Adversarial_M12, FieldLengthBeyondTheEntry) {
  const Bytes digest = DigestField("sha256:", 32);
  ByteWriter good;
  good.PutU32Be(static_cast<std::uint32_t>(digest.size()));
  good.Put(digest);
  good.PutU32Be(3);
  good.Put(NameField("/x"));
  ImaLog whole({.big_endian = true});
  whole.AddFields("ima-ng", {good.bytes()}, false);
  ASSERT_TRUE(Read(whole, Encoding::kBigEndian).fields.ok());
  for (const std::uint8_t length : {std::uint8_t{2}, std::uint8_t{4}, std::uint8_t{0}, std::uint8_t{0xFF}}) {
    Bytes data = good.bytes();
    data[data.size() - 4] = length;
    ImaLog log({.big_endian = true});
    log.AddFields("ima-ng", {data}, false);
    ExpectReason(Read(log, Encoding::kBigEndian).fields, Reason::kImaLogMalformed);
  }
  Bytes huge = good.bytes();
  std::fill_n(huge.begin(), 4, std::uint8_t{0xFF});
  ImaLog log({.big_endian = true});
  log.AddFields("ima-ng", {huge}, false);
  ExpectReason(Read(log, Encoding::kBigEndian).fields, Reason::kImaLogMalformed);
  // Cut anywhere, within an entry whose own length agrees.
  for (std::size_t size = 0; size < good.bytes().size(); ++size) {
    ImaLog cut({.big_endian = true});
    cut.AddFields("ima-ng", {ToBytes(BytesView(good.bytes()).first(size))}, false);
    ExpectReason(Read(cut, Encoding::kBigEndian).fields, Reason::kImaLogMalformed);
  }
}

TEST(Adversarial_M12, TooManyFields) {
  std::string format = "d-ng";
  std::vector<Bytes> fields = {DigestField("sha256:", 32)};
  for (std::size_t i = 1; i < limits::kImaFields; ++i) {
    format += "|iuid";
    fields.push_back(Bytes(4));
  }
  EXPECT_TRUE(Read(OneOf(format, fields)).fields.ok());
  fields.push_back(Bytes(4));
  ExpectReason(Read(OneOf(format + "|iuid", fields)).fields, Reason::kLimitExceeded);
}

}  // namespace
}  // namespace gatehouse::evidence::ima
