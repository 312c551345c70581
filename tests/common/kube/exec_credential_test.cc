#include "common/kube/exec_credential.h"

#include <gmock/gmock.h>
#include <signal.h>

#include <thread>

#include "tests/common/kube/kube_files.h"

namespace gatehouse::kube {
namespace {

using testing::HasSubstr;

class ExecPluginTest : public KubeFiles {
 protected:
  Result<ExecCredential> Run(const std::string& script, Duration budget,
                             const std::function<void(std::string_view)>& says = {}) {
    ExecPlugin plugin{.api_version = "client.authentication.k8s.io/v1", .command = WriteScript("plugin", script)};
    KubeAccess access{.context = "c", .namespace_name = "n", .server = {"https", "a.test", 443, "/"}};
    return RunExecPlugin(plugin, access, "", {{"PATH", "/usr/bin:/bin"}}, Deadline(clock_, budget), says);
  }
  SystemClock clock_;
};

TEST_F(ExecPluginTest, OneThatDoesNotEndIsKilledWithAllThatItStarted) {
  auto start = clock_.Mono();
  auto run = Run("sleep 600 & echo $! > " + Path("child") + "\necho waiting >&2\nwait\n", Duration(300));
  ASSERT_FALSE(run.ok());
  EXPECT_THAT(run.error().detail, HasSubstr("did not end in time; it wrote: waiting"));
  EXPECT_LT(clock_.Mono() - start, std::chrono::seconds(5));
  pid_t child = 0;
  std::ifstream(Path("child")) >> child;
  ASSERT_GT(child, 0);
  bool gone = false;
  for (int i = 0; i < 500 && !gone; ++i) {
    // Whoever adopts it may leave it as a zombie, which is gone for all that matters.
    std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
    std::string number;
    std::string name;
    std::string state;
    gone = !(stat >> number >> name >> state) || state == "Z";
    if (!gone) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_TRUE(gone);
}

TEST_F(ExecPluginTest, OneThatClosesItsOutputAndStaysIsKilled) {
  auto run = Run("exec >&- 2>&-\nsleep 600\n", Duration(200));
  ASSERT_FALSE(run.ok());
  EXPECT_THAT(run.error().detail, HasSubstr("did not end in time"));
}

TEST_F(ExecPluginTest, OneThatTricklesIsKilledAtTheDeadline) {
  auto start = clock_.Mono();
  auto run = Run("while true; do echo x >&2; done\n", Duration(200));
  ASSERT_FALSE(run.ok());
  EXPECT_THAT(run.error().detail, HasSubstr("did not end in time"));
  EXPECT_LT(clock_.Mono() - start, std::chrono::seconds(5));
}

// Device-code logins print where to go, and wait.
TEST_F(ExecPluginTest, WhatItWritesToStandardErrorIsPassedOnWhileItWaits) {
  std::string said;
  auto run = Run(
      "echo open the page >&2\n"
      "while [ ! -e " +
          Path("logged-in") + " ]; do sleep 0.01; done\n" +
          R"(echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"t"}}')"
          "\n",
      Duration(5000), [&](std::string_view text) {
        said += text;
        if (said.find("open the page\n") != std::string::npos) Write("logged-in", "");
      });
  ASSERT_TRUE(run.ok()) << run.error().ToString();
  EXPECT_EQ(said, "open the page\n");
}

TEST_F(ExecPluginTest, MuchOnStandardErrorDoesNotBlockIt) {
  auto run =
      Run("yes x | head -n 200000 >&2\n"
          R"(echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"t"}}')"
          "\n",
          Duration(5000));
  ASSERT_TRUE(run.ok()) << run.error().ToString();
  EXPECT_EQ(run->token, "t");
}

}  // namespace
}  // namespace gatehouse::kube
