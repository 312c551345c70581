#include "common/import/file_lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"

namespace gatehouse::importer {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string Hex(std::string_view content, HashAlgorithm algorithm = HashAlgorithm::kSha256) {
  return EncodeHex(crypto::Hash(algorithm, AsBytes(content)));
}

FileList Accepted(const std::string& text) {
  auto list = ReadFileList(text, "list");
  EXPECT_TRUE(list.ok()) << list.error().ToString();
  if (!list.ok()) return {};
  EXPECT_THAT(list->refused, IsEmpty());
  return *std::move(list);
}

std::vector<std::string> Refused(const std::string& text) {
  auto list = ReadFileList(text, "list");
  EXPECT_TRUE(list.ok()) << list.error().ToString();
  return list.ok() ? list->refused : std::vector<std::string>();
}

void ExpectError(const std::string& text, Reason reason, const std::string& part) {
  auto list = ReadFileList(text, "list");
  ASSERT_FALSE(list.ok()) << text;
  EXPECT_EQ(Token(list.error().reason), Token(reason)) << list.error().ToString();
  EXPECT_THAT(list.error().ToString(), HasSubstr(part));
}

std::vector<std::string> Paths(const FileList& list) {
  std::vector<std::string> paths;
  for (const auto& entry : list.entries) paths.push_back(entry.path);
  return paths;
}

// --- sha256sum

TEST(Sha256sum, EachLineIsAFile) {
  const FileList list =
      Accepted(Hex("a") + "  /bin/a\n" + Hex("b") + " */bin/b\n\n# comment\n" + Hex("c") + "  /bin/c d");
  ASSERT_THAT(Paths(list), ElementsAre("/bin/a", "/bin/b", "/bin/c d"));
  EXPECT_EQ(EncodeHex(list.entries[1].digest), Hex("b"));
  EXPECT_EQ(list.entries[0].algorithm, HashAlgorithm::kSha256);
}

TEST(Sha256sum, Sha384AndSha512AreToldByTheirLength) {
  const FileList list =
      Accepted(Hex("a", HashAlgorithm::kSha384) + "  /a\n" + Hex("b", HashAlgorithm::kSha512) + "  /b\n");
  ASSERT_THAT(list.entries, SizeIs(2));
  EXPECT_EQ(list.entries[0].algorithm, HashAlgorithm::kSha384);
  EXPECT_EQ(list.entries[1].algorithm, HashAlgorithm::kSha512);
}

TEST(Sha256sum, NamesAreEscapedAsCoreutilsDoes) {
  EXPECT_THAT(Paths(Accepted("\\" + Hex("a") + "  /a\\nb\\\\c\\rd\n" + Hex("b") + "  /plain\\n\n")),
              ElementsAre("/a\nb\\c\rd", "/plain\\n"));
  ExpectError("\\" + Hex("a") + "  /a\\tb\n", Reason::kDigestMalformed, "list:1");
  ExpectError("\\" + Hex("a") + "  /a\\\n", Reason::kDigestMalformed, "list:1");
}

TEST(Sha256sum, RelativeNamesAreBelowTheRootAndStandardInputHasNone) {
  EXPECT_THAT(Paths(Accepted(Hex("a") + "  ./usr/bin/a\n" + Hex("b") + "  usr/bin/b\n" + Hex("c") + "  -\n")),
              ElementsAre("/usr/bin/a", "/usr/bin/b", ""));
}

TEST(Sha256sum, TheTaggedFormIsReadToo) {
  const FileList list =
      Accepted("SHA256 (/a (1) = x) = " + Hex("a") + "\nSHA512 (/b) = " + Hex("b", HashAlgorithm::kSha512) + "\n");
  EXPECT_THAT(Paths(list), ElementsAre("/a (1) = x", "/b"));
  ExpectError("SHA512 (/b) = " + Hex("b") + "\n", Reason::kDigestMalformed, "list:1");
  ExpectError("SHA3-256 (/b) = " + Hex("b") + "\n", Reason::kDigestMalformed, "list:1");
}

TEST(Sha256sum, UpperCaseAndCarriageReturnsAreReadAsOtherToolsWriteThem) {
  std::string upper = Hex("a");
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  const FileList list = Accepted(upper + "  /a\r\n");
  ASSERT_THAT(Paths(list), ElementsAre("/a"));
  EXPECT_EQ(EncodeHex(list.entries[0].digest), Hex("a"));
}

TEST(Sha256sum, Md5OfDebianAndSha1AreRefusedWithTheirLine) {
  EXPECT_THAT(Refused(Hex("a") + "  /a\nd41d8cd98f00b204e9800998ecf8427e  usr/bin/x\n"),
              ElementsAre(AllOf(HasSubstr("list:2"), HasSubstr("MD5"), HasSubstr("sha256sum"))));
  EXPECT_THAT(Refused(Hex("a", HashAlgorithm::kSha1) + "  /a\n"),
              ElementsAre(AllOf(HasSubstr("list:1"), HasSubstr("SHA-1"))));
}

TEST(Sha256sum, ChecksumsOfDebianPackagesAreNotThoseOfFiles) {
  EXPECT_THAT(Refused("Checksums-Sha256:\n"), ElementsAre(HasSubstr("sha256sum")));
}

TEST(Sha256sum, RefusalsAreBoundedAndCounted) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += Hex(std::to_string(i), HashAlgorithm::kSha1) + "  /a\n";
  const auto refused = Refused(text);
  ASSERT_THAT(refused, SizeIs(FileList::kRefusals + 1));
  EXPECT_EQ(refused.back(), "and 10 more");
}

TEST(Sha256sum, WhatIsNoLineIsMalformed) {
  for (const std::string& line : {std::string("hello"), Hex("a"), Hex("a") + " ", Hex("a") + " /a",
                                  "g" + Hex("a") + "  /a", Hex("a") + "\t/a", std::string("  /a")}) {
    ExpectError(Hex("x") + "  /x\n" + line + "\n", Reason::kDigestMalformed, "list:2");
  }
  // Of no algorithm that there is.
  EXPECT_THAT(Refused(Hex("a").substr(2) + "  /a\n"), ElementsAre(HasSubstr("31 bytes")));
  ExpectError(Hex("a").substr(1) + "  /a\n", Reason::kDigestMalformed, "odd number");
  ExpectError(Hex("a") + "  /" + std::string(limits::kImaPathBytes, 'a') + "\n", Reason::kDigestMalformed, "longer");
  ExpectError(Hex("a") + "  /a" + std::string(1, '\0') + "b\n", Reason::kDigestMalformed, "NUL");
}

TEST(Sha256sum, AnEmptyListIsNotAList) {
  for (const char* text : {"", "\n", "# nothing\n"}) ExpectError(text, Reason::kUsage, "lists no files");
}

TEST(Sha256sum, WhatIsWrittenIsReadBack) {
  for (const std::string& path :
       {std::string("/bin/a"), std::string("/a\nb"), std::string("/a\\b\r"), std::string("/a  b")}) {
    const std::string line = FormatSum(crypto::Hash(HashAlgorithm::kSha256, AsBytes("x")), path);
    EXPECT_THAT(Paths(Accepted(line)), ElementsAre(path));
  }
}

// --- rpm -qa --dump

std::string Rpm(const std::string& path, const std::string& digest, const std::string& mode = "0100755",
                const std::string& link = "X") {
  return path + " 1424 1690000000 " + digest + " " + mode + " root root 0 0 0 " + link + "\n";
}

TEST(RpmDump, RegularFilesHaveDigestsAndTheRestIsPassedOver) {
  const std::string none(64, '0');
  const FileList list = Accepted(Rpm("/usr/bin/bash", Hex("bash")) + Rpm("/usr/bin", none, "040755") +
                                 Rpm("/usr/bin/sh", none, "0120777", "bash") + Rpm("/var/log/ghost", none, "0100644") +
                                 Rpm("/usr/share/A B.txt", Hex("text"), "0100644") + "(contains no files)\n");
  EXPECT_THAT(Paths(list), ElementsAre("/usr/bin/bash", "/usr/share/A B.txt"));
}

TEST(RpmDump, PassedOverEntriesAreCounted) {
  const std::string none(64, '0');
  const FileList list = Accepted(Rpm("/usr/bin/bash", Hex("bash")) + Rpm("/usr/bin/sh", none, "0120777", "bash") +
                                 Rpm("/usr/bin/x", none, "0120777", "a b"));
  EXPECT_THAT(list.notes, ElementsAre(HasSubstr("2 entries have no digest")));
}

TEST(RpmDump, Md5DigestsAreRefused) {
  EXPECT_THAT(Refused(Rpm("/usr/bin/old", "d41d8cd98f00b204e9800998ecf8427e")), ElementsAre(HasSubstr("MD5")));
}

TEST(RpmDump, WhatIsNoLineIsMalformed) {
  const std::string good = Rpm("/usr/bin/bash", Hex("bash"));
  ASSERT_THAT(Accepted(good).entries, SizeIs(1));
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {" 1424 ", " size "}, {" 0100755 ", " 755 "}, {" 0 0 0 X", " 2 0 0 X"}, {"/usr", "usr"}, {" X", ""}}) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    ExpectError(text, Reason::kDigestMalformed, "list:1");
  }
}

// --- Keylime

TEST(Keylime, ARuntimePolicyGivesItsDigestsAndSaysWhereTheRestBelongs) {
  const std::string digest = Hex("a");
  const FileList list =
      Accepted(R"({"meta": {"version": 1, "generator": 3}, "release": 0,
    "digests": {"/bin/a": [")" +
               digest + R"(", ")" + Hex("a2") + R"("], "boot_aggregate": [")" + digest + R"("], "/bin/none": []},
    "excludes": ["/tmp/"], "keyrings": {".ima": [")" +
               digest + R"("]},
    "ima": {"ignored_keyrings": ["_evm", "*"], "log_hash_alg": "sha1", "dm_policy": null},
    "ima-buf": {"dm_table_load": [")" +
               digest + R"("]}, "verification-keys": ""})");
  EXPECT_THAT(Paths(list), ElementsAre("/bin/a", "/bin/a"));
  EXPECT_THAT(list.notes, Contains(HasSubstr("exclude: [\"(?:/tmp/).*\"]")));
  EXPECT_THAT(list.notes, Contains(HasSubstr("{name: \"\\\\.ima\", digests: [\"" + digest + "\"]}")));
  EXPECT_THAT(list.notes, Contains(HasSubstr("{name: \"_evm\", any: true}")));
  EXPECT_THAT(list.notes, Contains(HasSubstr("every key ring")));
  EXPECT_THAT(list.notes, Contains(HasSubstr("{name: \"dm_table_load\", digests:")));
  EXPECT_THAT(list.notes, Contains(HasSubstr("boot_aggregate is not taken over")));
  EXPECT_THAT(list.notes, Contains(HasSubstr("1 paths have no digest")));
  EXPECT_THAT(list.notes, Contains(HasSubstr("matchPaths: true")));
  EXPECT_THAT(list.notes, Not(Contains(HasSubstr("verification-keys"))));
}

TEST(Keylime, AnAllowListOfVersion5HasHashes) {
  const FileList list = Accepted(R"({"meta": {"version": 5}, "release": 0, "hashes": {"/bin/a": [")" + Hex("a") +
                                 R"("]}, "keyrings": {}, "ima": {"ignored_keyrings": [], "log_hash_alg": "sha256"}})");
  EXPECT_THAT(Paths(list), ElementsAre("/bin/a"));
}

TEST(Keylime, VerificationKeysAndDeviceMapperPoliciesAreNoted) {
  const FileList list = Accepted(R"({"digests": {"/bin/a": [")" + Hex("a") +
                                 R"("]}, "verification-keys": "{\"keyids\":[]}", "ima": {"dm_policy": {"x": 1}}})");
  EXPECT_THAT(list.notes, Contains(HasSubstr("verification-keys are not taken over")));
  EXPECT_THAT(list.notes, Contains(HasSubstr("dm_policy is not taken over")));
}

TEST(Keylime, Sha1DigestsAreRefused) {
  EXPECT_THAT(Refused(R"({"digests": {"/bin/a": [")" + Hex("a", HashAlgorithm::kSha1) + R"("]}})"),
              ElementsAre(AllOf(HasSubstr("/bin/a"), HasSubstr("SHA-1"))));
}

TEST(Keylime, WhatIsNotKnownIsRefused) {
  const std::string digests = R"({"digests": {"/bin/a": [")" + Hex("a") + R"("]}, )";
  EXPECT_THAT(Refused(digests + R"("mystery": 1})"), ElementsAre(HasSubstr("$.mystery: is not known")));
  EXPECT_THAT(Refused(digests + R"("ima": {"mystery": 1}})"), ElementsAre(HasSubstr("\"mystery\" is not known")));
}

TEST(Keylime, WhatIsNoPolicyIsAnError) {
  ExpectError(R"({"apiVersion": "v1"})", Reason::kUsage, "no runtime policy of Keylime");
  ExpectError(R"({"payloadType": "x", "payload": "", "signatures": []})", Reason::kUsage, "DSSE");
  ExpectError(R"({"digests": [)", Reason::kJsonMalformed, "list");
  ExpectError(R"({"digests": []})", Reason::kJsonMalformed, "must be an object");
  ExpectError(R"({"digests": {"/a": "x"}})", Reason::kJsonMalformed, "must be a list of texts");
  ExpectError(R"({"digests": {"/a": [1]}})", Reason::kJsonMalformed, "must be a list of texts");
  ExpectError(R"({"digests": {"/a": ["xyz0"]}})", Reason::kDigestMalformed, "/a");
  ExpectError(R"({"digests": {}})", Reason::kUsage, "lists no files");
  ExpectError(R"({"digests": {}, "digests": {}})", Reason::kJsonMalformed, "list");
}

}  // namespace
}  // namespace gatehouse::importer
