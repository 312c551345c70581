#include "common/appraisal/command_line.h"

#include <gtest/gtest.h>

namespace gatehouse::appraisal {
namespace {

struct Case {
  std::string name;
  std::string text;
  std::vector<std::string> required;
  std::vector<std::string> forbidden;
  bool good;
};

TEST(CommandLineWords, AsTheKernelReadsThem) {
  using namespace std::string_literals;
  const Case cases[] = {
      {"a word", "quiet ro", {"ro"}, {}, true},
      {"a word that is not there", "quiet", {"ro"}, {}, false},
      {"a part of a word", "root=1", {"ro"}, {}, false},
      {"a value", "a=1 b=2", {"b=2"}, {}, true},
      {"another value", "b=3", {"b=2"}, {}, false},
      {"whatever value", "b=3", {"b="}, {}, true},
      {"whatever value of another name", "bb=3", {"b="}, {}, false},
      {"contradicted later", "lockdown=integrity lockdown=none", {"lockdown=integrity"}, {}, false},
      {"contradicted before", "lockdown=none lockdown=integrity", {"lockdown=integrity"}, {}, false},
      {"both are asked for", "console=tty0 console=ttyS0", {"console=tty0", "console=ttyS0"}, {}, true},
      {"in quotes of another", "x=\"a ro b\" quiet", {"ro"}, {}, false},
      {"in quotes of its own", "\"ro\"", {"ro"}, {}, true},
      {"a value in quotes", "init=\"/bin/sh\"", {}, {"init=/bin/sh"}, false},
      {"all of it in quotes", "\"init=/bin/sh\"", {}, {"init="}, false},
      {"an open quote", "x=\"a ro", {"ro"}, {}, false},
      {"for init", "quiet -- ro", {"ro"}, {}, false},
      {"forbidden for init as well", "quiet -- init=/x", {}, {"init="}, false},
      {"dashes are underscores", "ima-policy=tcb", {"ima_policy=tcb"}, {}, true},
      {"forbidden with underscores", "module_blacklist=x", {}, {"module-blacklist="}, false},
      {"dashes of a value are its own", "a=b-c", {"a=b_c"}, {}, false},
      {"forbidden within quotes", "x=\"a init=/x\"", {}, {"init="}, false},
      {"tabs and newlines", "a\tb\nc", {"b", "c"}, {}, true},
      {"the space that the kernel knows", "a\xA0init=/x", {}, {"init="}, false},
      {"nothing asked", "whatever", {}, {}, true},
      {"empty", "", {"ro"}, {}, false},
      {"a NUL", "a\0b"s, {"b"}, {}, false},
  };
  for (const Case& test : cases) {
    const auto refused = WordsRefused(test.text, test.required, test.forbidden);
    EXPECT_EQ(refused.empty(), test.good) << test.name << (refused.empty() ? "" : ": " + refused[0]);
  }
}

TEST(CommandLineWords, SaysWhichWord) {
  const auto refused = WordsRefused("a=2 evil", {"ro", "a=1"}, {"evil"});
  ASSERT_EQ(refused.size(), 3U);
  EXPECT_EQ(refused[0], "lacks the required 'ro'");
  EXPECT_EQ(refused[1], "lacks the required 'a=1'");
  EXPECT_EQ(refused[2], "has the forbidden 'evil'");
}

}  // namespace
}  // namespace gatehouse::appraisal
