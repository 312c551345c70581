#include "common/base/command.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

namespace gatehouse {
namespace {

class CommandTest : public testing::Test {
 protected:
  static Command Shell(const std::string& script) {
    return {.file = "/bin/sh", .arguments = {"sh", "-c", script}, .environment = {{"A", "b"}}, .max_output = 100};
  }
  Result<CommandOutcome> Run(const Command& command, Duration budget = Duration(5000)) {
    return RunCommand(command, Deadline(clock_, budget));
  }
  SystemClock clock_;
};

TEST_F(CommandTest, GetsItsInputArgumentsAndEnvironment) {
  Command command = Shell("cat; echo $0 $A; echo problem >&2; exit 3");
  command.input = "in ";
  std::string heard;
  auto outcome = RunCommand(command, Deadline(clock_, Duration(5000)), [&](std::string_view text) { heard += text; });
  ASSERT_TRUE(outcome.ok()) << outcome.error().ToString();
  EXPECT_EQ(outcome->output, "in sh b\n");
  EXPECT_EQ(outcome->errors, "problem\n");
  EXPECT_EQ(heard, "problem\n");
  EXPECT_EQ(outcome->exit_code, 3);
  EXPECT_FALSE(outcome->timed_out || outcome->too_much);
}

TEST_F(CommandTest, InheritsNothing) {
  ASSERT_EQ(setenv("GATEHOUSE_TEST_INHERITED", "x", 1), 0);
  auto outcome = Run(Shell("echo \"[$GATEHOUSE_TEST_INHERITED]\""));
  unsetenv("GATEHOUSE_TEST_INHERITED");
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->output, "[]\n");
}

// Descriptors of libraries are not closed on exec: an accepted connection, a file that is being read.
TEST_F(CommandTest, InheritsNoDescriptors) {
  const int open_ended = dup(STDERR_FILENO);
  ASSERT_GT(open_ended, STDERR_FILENO);
  auto outcome = Run(Shell("[ -e /proc/self/fd/" + std::to_string(open_ended) + " ] && echo inherited; true"));
  close(open_ended);
  ASSERT_TRUE(outcome.ok()) << outcome.error().ToString();
  EXPECT_EQ(outcome->output, "");
  EXPECT_EQ(outcome->exit_code, 0);
}

TEST_F(CommandTest, WithoutInputThereIsAnEnd) {
  auto outcome = Run(Shell("cat; echo end"));
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->output, "end\n");
}

TEST_F(CommandTest, IsKilledWithWhatItStarted) {
  auto outcome = Run(Shell("sleep 30 & sleep 30"), Duration(60));
  ASSERT_TRUE(outcome.ok());
  EXPECT_TRUE(outcome->timed_out);
  EXPECT_EQ(outcome->exit_code, -1);
  outcome = Run(Shell("exec >&- 2>&-; sleep 30"), Duration(60));
  ASSERT_TRUE(outcome.ok());
  EXPECT_TRUE(outcome->timed_out) << "with its output closed";
}

TEST_F(CommandTest, OutputIsBounded) {
  auto outcome = Run(Shell("yes"));
  ASSERT_TRUE(outcome.ok());
  EXPECT_TRUE(outcome->too_much);
  EXPECT_FALSE(outcome->timed_out);
  outcome = Run(Shell("head -c 100 /dev/zero"));
  ASSERT_TRUE(outcome.ok());
  EXPECT_FALSE(outcome->too_much) << "as much as it may";
  EXPECT_EQ(outcome->output.size(), 100U);
  outcome = Run(Shell("head -c 100000 /dev/zero >&2"));
  ASSERT_TRUE(outcome.ok());
  EXPECT_LE(outcome->errors.size(), 20480U);
  EXPECT_EQ(outcome->exit_code, 0) << "it may complain as much as it likes";
}

TEST_F(CommandTest, EndedByASignal) {
  auto outcome = Run(Shell("kill -9 $$"));
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->exit_code, -1);
  EXPECT_FALSE(outcome->timed_out);
}

TEST_F(CommandTest, ThatCannotBeRun) {
  auto outcome = Run({.file = "/nonexistent/program", .arguments = {"x"}, .max_output = 1});
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().reason, Reason::kConfigInvalid);
  Command command = Shell("cat");
  command.input = std::string(kCommandInputBytes + 1, 'x');
  outcome = Run(command);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().reason, Reason::kConfigInvalid);
}

TEST_F(CommandTest, IsFoundInAbsoluteFoldersOnly) {
  EXPECT_EQ(FindCommand("sh", "/nonexistent:/bin"), "/bin/sh");
  EXPECT_EQ(FindCommand("sh", ""), "");
  EXPECT_EQ(FindCommand("sh", "bin::."), "");
  EXPECT_EQ(FindCommand("./sh", "/bin"), "./sh");
  EXPECT_EQ(FindCommand("no-such-program", "/bin"), "");
}

}  // namespace
}  // namespace gatehouse
