#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/collect/log_file.h"
#include "agent/session/credentials.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "tests/agent/support.h"
#include "tests/fakes/pki.h"

namespace gatehouse::agent {
namespace {

using testing::HasSubstr;

// --- common/base/file.h

TEST(ReadFileTest, BoundsWhatItReads) {
  TempFolder folder;
  WriteText(folder / "f", std::string(100'000, 'x'));
  EXPECT_EQ(ReadFile(folder / "f", 100'000)->size(), 100'000U);
  EXPECT_EQ(ReadFile(folder / "f", 99'999).error().reason, Reason::kLimitExceeded);
}

// Files of the kernel say that they have no bytes, or 4096, whatever they hold.
TEST(ReadFileTest, ReadsKernelFilesToTheirEnd) {
  struct stat status {};
  ASSERT_EQ(::stat("/proc/self/status", &status), 0);
  ASSERT_EQ(status.st_size, 0);
  auto content = ReadFile("/proc/self/status", limits::kMiB);
  ASSERT_TRUE(content.ok());
  EXPECT_THAT(std::string(AsText(*content)), HasSubstr("VmRSS"));
  EXPECT_EQ(ReadFile("/proc/self/status", 10).error().reason, Reason::kLimitExceeded);
}

TEST(ReadFileTest, AbsentIsNotUnreadable) {
  TempFolder folder;
  WriteText(folder / "f", "");
  EXPECT_FALSE(ReadFileIfPresent(folder / "absent", 10)->has_value());
  EXPECT_FALSE(ReadFileIfPresent(folder / "f" / "below", 10)->has_value());
  EXPECT_EQ(ReadFileIfPresent(folder / "f", 10)->value(), Bytes());
  EXPECT_EQ(ReadFile(folder / "absent", 10).error().reason, Reason::kFileUnreadable);
}

TEST(ReadFileTest, RefusesWhatIsNoFile) {
  TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  for (const std::filesystem::path& path : {folder.path(), folder / "pipe", std::filesystem::path("/dev/zero")}) {
    EXPECT_EQ(ReadFileIfPresent(path, 10).error().reason, Reason::kFileUnreadable) << path;
  }
}

TEST(WriteFileTest, ReplacesWithPrivateMode) {
  TempFolder folder;
  WriteText(folder / "f", "old");
  WriteText(folder / "f.new", "left by a crash");
  ASSERT_TRUE(WriteFile(folder / "f", AsBytes("new")).ok());
  EXPECT_EQ(*ReadFile(folder / "f", 10), ToBytes("new"));
  struct stat status {};
  ASSERT_EQ(::stat((folder / "f").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_FALSE(std::filesystem::exists(folder / "f.new"));
}

TEST(WriteFileTest, FailureKeepsTheOldContent) {
  TempFolder folder;
  EXPECT_EQ(WriteFile(folder / "absent" / "f", AsBytes("new")).error().reason, Reason::kFileUnreadable);
  std::filesystem::create_directory(folder / "taken");
  EXPECT_EQ(WriteFile(folder / "taken", AsBytes("new")).error().reason, Reason::kFileUnreadable);
  EXPECT_TRUE(std::filesystem::is_directory(folder / "taken"));
}

// --- agent/collect

TEST(LogFileTest, SaysOnceThatALogIsMissingAndOnceThatItIsBack) {
  TempFolder folder;
  CapturedLog captured;
  int faults = 0;
  LogFile log("event log", folder / "ima", 10, captured.log(), [&faults] { ++faults; });
  EXPECT_FALSE(log.Read().has_value());
  EXPECT_FALSE(log.Read().has_value());
  EXPECT_EQ(captured.Count("cannot be sent"), 1U);
  EXPECT_EQ(faults, 2);
  WriteText(folder / "ima", "entries");
  EXPECT_EQ(log.Read(), ToBytes("entries"));
  EXPECT_EQ(log.Read(), ToBytes("entries"));
  EXPECT_EQ(captured.Count("is there again"), 1U);
  std::filesystem::remove(folder / "ima");
  EXPECT_FALSE(log.Read().has_value());
  EXPECT_EQ(captured.Count("cannot be sent"), 2U);
}

TEST(LogFileTest, EmptyAndOversizedLogsAreNotSent) {
  TempFolder folder;
  CapturedLog captured;
  LogFile log("event log", folder / "ima", 10, captured.log());
  WriteText(folder / "ima", "");
  EXPECT_FALSE(log.Read().has_value());
  WriteText(folder / "ima", "eleven byte");
  EXPECT_FALSE(log.Read().has_value());
  EXPECT_EQ(captured.Count("limit-exceeded"), 1U);
  WriteText(folder / "ima", "ten bytes.");
  EXPECT_EQ(log.Read()->size(), 10U);
}

// --- agent/session/credentials

class CredentialsTest : public testing::Test {
 protected:
  CredentialsTest() {
    WriteText(folder_ / "ca.pem", ca_.pem());
    WriteText(folder_ / "cert.pem", client_.pem);
    WriteText(folder_ / "key.pem", client_.key->Pem());
    WriteText(folder_ / "token", "eyJ.abc.def\n");
    server_.ca = folder_ / "ca.pem";
    server_.certificate = folder_ / "cert.pem";
    server_.key = folder_ / "key.pem";
    server_.token_file = folder_ / "token";
  }
  [[nodiscard]] Reason ConnectReason() const {
    auto transport = Credentials(server_).Connect();
    return transport.ok() ? Reason::kInternal : transport.error().reason;
  }

  TempFolder folder_;
  fakes::TestCa ca_ = fakes::TestCa::Root({.common_name = "server CA"});
  fakes::TestCertificate client_ = ca_.Leaf(fakes::LeafSpec("node1"));
  ServerConfig server_;
};

TEST_F(CredentialsTest, ConnectsWithGoodFiles) {
  auto transport = Credentials(server_).Connect();
  EXPECT_TRUE(transport.ok()) << transport.error().ToString();
}

// With no roots given, the transport trusts those of the system: an empty file must not come to that.
TEST_F(CredentialsTest, EmptyCaIsRefused) {
  for (std::string_view text : {"", "\n", "# roots to come\n"}) {
    WriteText(server_.ca, text);
    EXPECT_EQ(ConnectReason(), Reason::kCertificateMalformed) << text;
  }
}

TEST_F(CredentialsTest, BrokenFilesAreRefused) {
  WriteText(server_.ca, client_.key->Pem());
  EXPECT_EQ(ConnectReason(), Reason::kCertificateMalformed);
  std::filesystem::remove(server_.ca);
  EXPECT_EQ(ConnectReason(), Reason::kFileUnreadable);
  WriteText(server_.ca, ca_.pem());
  WriteText(*server_.certificate, "");
  EXPECT_EQ(ConnectReason(), Reason::kConfigInvalid);
  WriteText(*server_.certificate, client_.pem);
  WriteText(*server_.key, "");
  EXPECT_EQ(ConnectReason(), Reason::kConfigInvalid);
  std::filesystem::remove(*server_.key);
  EXPECT_EQ(ConnectReason(), Reason::kFileUnreadable);
}

TEST_F(CredentialsTest, TokenIsReadAgain) {
  Credentials credentials(server_);
  EXPECT_EQ(*credentials.Token(), "eyJ.abc.def");
  WriteText(folder_ / "token", "eyJ.new.one");
  EXPECT_EQ(*credentials.Token(), "eyJ.new.one");
  server_.token_file.reset();
  EXPECT_EQ(*Credentials(server_).Token(), "");
}

TEST_F(CredentialsTest, TokenThatWouldBreakAHeaderIsRefused) {
  for (std::string_view text : {"", "\n", "a\nX-Injected: b", "a b", "a\r\n", "a\tb", "\xC3\xA9"}) {
    WriteText(folder_ / "token", text);
    EXPECT_EQ(Credentials(server_).Token().error().reason, Reason::kTokenMalformed) << text;
  }
  WriteText(folder_ / "token", std::string(limits::kTokenBytes + 1, 'a'));
  EXPECT_EQ(Credentials(server_).Token().error().reason, Reason::kLimitExceeded);
  std::filesystem::remove(folder_ / "token");
  EXPECT_EQ(Credentials(server_).Token().error().reason, Reason::kFileUnreadable);
}

}  // namespace
}  // namespace gatehouse::agent
