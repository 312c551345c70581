// The ASCII form of an IMA log, put back: to the very bytes of the binary one, or refused.
#include <gtest/gtest.h>

#include "common/evidence/ima/log.h"
#include "tests/fakes/ima_log.h"

namespace gatehouse::evidence::ima {
namespace {

using fakes::ImaLog;

void ExpectRefused(std::string_view text) {
  auto binary = AsciiToBinary(AsBytes(text));
  ASSERT_FALSE(binary.ok()) << text;
  EXPECT_EQ(Token(binary.error().reason), Token(Reason::kImaLogMalformed)) << binary.error().ToString();
}

TEST(ImaAscii, EveryTemplate) {
  ImaLog log;
  for (const std::string& name :
       std::vector<std::string>{"ima", "ima-ng", "ima-ngv2", "ima-sig", "ima-sigv2", "ima-buf", "ima-modsig", "evm-sig",
                                "d-ng|n-ng|sig", "n-ng|d-ng", "d-ng", "d-ng|n-ng|n"}) {
    for (const bool filled : {false, true}) {
      ImaLog::Entry entry{.template_name = name,
                          .path = filled ? "/usr/bin/" + name : "",
                          .algorithm = HashAlgorithm::kSha1,
                          .digest = Bytes(20, 0xAB)};
      if (filled) {
        entry.signature = {3, 2, 1};
        entry.appended_signature = {0x30, 0};
        entry.appended_digest = Bytes(20, 0xCD);
        entry.buffer = {9, 8};
        entry.evm_signature = {3, 5};
      }
      log.Add(entry);
    }
  }
  log.Violation("/var/log/x");
  auto binary = AsciiToBinary(AsBytes(log.ascii()));
  ASSERT_TRUE(binary.ok()) << binary.error().ToString();
  EXPECT_EQ(*binary, log.bytes());
}

TEST(ImaAscii, NothingIsNothing) {
  auto binary = AsciiToBinary({});
  ASSERT_TRUE(binary.ok());
  EXPECT_TRUE(binary->empty());
}

TEST(ImaAscii, OneDigitPcr) {
  ImaLog log;
  log.Add({.template_name = "ima-ng", .path = "/x", .digest = Bytes(32, 1), .pcr = 8});
  EXPECT_EQ(log.ascii().substr(0, 3), " 8 ");
  auto binary = AsciiToBinary(AsBytes(log.ascii()));
  ASSERT_TRUE(binary.ok()) << binary.error().ToString();
  EXPECT_EQ(*binary, log.bytes());
}

// At a line's end what is there is a shorter log; anywhere else the last line does not end.
TEST(ImaAscii, TruncatedAtEveryByte) {
  ImaLog log({.template_name = "ima-sig"});
  log.Files(3);
  for (std::size_t size = 0; size < log.ascii().size(); ++size) {
    const std::string cut = log.ascii().substr(0, size);
    if (cut.empty() || cut.ends_with('\n')) {
      auto binary = AsciiToBinary(AsBytes(cut));
      ASSERT_TRUE(binary.ok());
      EXPECT_EQ(*binary, ToBytes(BytesView(log.bytes()).first(binary->size())));
    } else {
      ExpectRefused(cut);
    }
  }
}

// Kernels before 3.13 wrote blanks; later ones '_'. All else stands in the log as it is in the name.
TEST(Adversarial_M5, NamesThatCanBePutBack) {
  for (const std::string& name : std::vector<std::string>{"/with blank", "/with  two", "/ ", " /x", "/\\x41\\",
                                                          "/\xFF\x80", "/\r\t", "/x sha256:00", "/x 0a0b"}) {
    for (const std::string& format : std::vector<std::string>{"ima-ng", "ima-sig", "ima-buf", "ima-modsig"}) {
      ImaLog log;
      log.Add({.template_name = format, .path = name, .digest = Bytes(32, 1), .signature = {1, 2}, .buffer = {3}});
      auto binary = AsciiToBinary(AsBytes(log.ascii()));
      ASSERT_TRUE(binary.ok()) << binary.error().ToString();
      EXPECT_EQ(*binary, log.bytes());
    }
  }
}

TEST(Adversarial_M5, NamesThatCannotBePutBack) {
  for (const std::string& name : std::vector<std::string>{"/line\nbreak", "/line\n", "\n", std::string("/nul\0x", 6)}) {
    ImaLog log;
    log.File("/good", "1").Add({.template_name = "ima-ng", .path = name, .digest = Bytes(32, 1)});
    ExpectRefused(log.ascii());
  }
}

// A file name that looks like the end of its entry and a whole further one: it comes back as two, of which the first
// has not the template hash that it carries. (The second one here is another file's, taken from the log itself.)
TEST(Adversarial_M5, NameThatForgesALineGivesAnotherEntryThanWasHashed) {
  ImaLog good;
  good.File("/usr/bin/good", "1");
  std::string forged = "/tmp/x\n" + good.ascii();
  forged.pop_back();
  ImaLog log;
  log.Add({.template_name = "ima-ng", .path = forged, .digest = Bytes(32, 1)});
  auto binary = AsciiToBinary(AsBytes(log.ascii()));
  ASSERT_TRUE(binary.ok());
  EXPECT_NE(*binary, log.bytes());
  ImaLog short_name;
  short_name.Add({.template_name = "ima-ng", .path = "/tmp/x", .digest = Bytes(32, 1)});
  // The first entry is that of /tmp/x but for its template hash.
  EXPECT_EQ(ToBytes(BytesView(*binary).subspan(24, short_name.bytes().size() - 24)),
            ToBytes(BytesView(short_name.bytes()).subspan(24)));
  EXPECT_NE(ToBytes(BytesView(*binary).subspan(4, 20)), ToBytes(BytesView(short_name.bytes()).subspan(4, 20)));
}

TEST(ImaAscii, LinesThatAreNone) {
  const std::string hash = "0123456789abcdef0123456789abcdef01234567";
  const std::string digest = "sha1:" + hash;
  const std::string good = "10 " + hash + " ima-ng " + digest + " /x";
  ASSERT_TRUE(AsciiToBinary(AsBytes(good + "\n")).ok());
  for (const std::string& line :
       std::vector<std::string>{"",
                                " ",
                                "10",
                                "10 ",
                                "10 " + hash,
                                "10 " + hash + " ",
                                "10 " + hash + " ima-ng",
                                "10 " + hash + " ima-ng " + digest,            // no name, not even an empty one
                                "10 " + hash + " ima-sig " + digest + " /x",   // no field of a signature
                                "10 " + hash + " ima-ng  /x",                  // an empty digest
                                "10 " + hash + " ima-ng " + hash + " /x",      // a digest without its algorithm
                                "10 " + hash + " ima-ng a:" + digest + " /x",  // with a type, which only d-ngv2 has
                                "10 " + hash + " ima-ngv2 " + digest + " /x",  // and without
                                "10 " + hash + " ima-ng sha1:0 /x",            // half a byte
                                "10 " + hash + " ima-ng sha1:ABCDEF /x",       // upper case
                                "10 " + hash + "00 ima-ng " + digest + " /x",  // template hash too long
                                "10 " + hash.substr(2) + " ima-ng " + digest + " /x",  // too short
                                "10 " + hash + " ima-evil " + digest + " /x",
                                "10 " + hash + " d-ng|n-ng|newfield " + digest + " /x 00",
                                "10 " + hash + " ima " + digest + " /x",
                                "10 " + hash + " ima " + hash + "00 /x",
                                "8 " + hash + " ima-ng " + digest + " /x",
                                " 10 " + hash + " ima-ng " + digest + " /x",
                                "010 " + hash + " ima-ng " + digest + " /x",
                                "24 " + hash + " ima-ng " + digest + " /x",
                                "-1 " + hash + " ima-ng " + digest + " /x",
                                "  10 " + hash + " ima-ng " + digest + " /x",
                                "10 " + hash + " iuid|d-ng|n-ng 4294967296 " + digest + " /x",
                                "10 " + hash + " imode|d-ng|n-ng 65536 " + digest + " /x",
                                "10 " + hash + " ima-sig " + digest + " /x 0g"}) {
    ExpectRefused(line + "\n");
  }
}

TEST(ImaAscii, LongerThanWeConvert) {
  const Bytes text(limits::kImaLogBytes + 1, ' ');
  auto binary = AsciiToBinary(text);
  ASSERT_FALSE(binary.ok());
  EXPECT_EQ(binary.error().reason, Reason::kLimitExceeded);
}

}  // namespace
}  // namespace gatehouse::evidence::ima
