#include "common/telemetry/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include "common/codec/json.h"
#include "tests/fakes/fake_clock.h"

namespace gatehouse::telemetry {
namespace {

class LogTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::pipe(ends_.data()), 0); }
  void TearDown() override { ::close(ends_[0]); }
  // Everything written; closes the writing end.
  std::string Written() {
    ::close(ends_[1]);
    std::string text;
    std::array<char, 4096> buffer{};
    for (ssize_t n = 0; (n = ::read(ends_[0], buffer.data(), buffer.size())) > 0;)
      text.append(buffer.data(), static_cast<std::size_t>(n));
    return text;
  }
  fakes::FakeClock clock;
  std::array<int, 2> ends_{};
};

TEST_F(LogTest, OneJsonObjectALine) {
  Logger log(ends_[1], Level::kInfo, clock);
  log.Info("hello", {{"who", "a \"quoted\" name"}});
  log.Debug("not shown");
  std::string text = Written();
  EXPECT_EQ(
      text,
      "{\"time\":\"2026-11-21T12:00:00Z\",\"level\":\"info\",\"msg\":\"hello\",\"who\":\"a \\\"quoted\\\" name\"}\n");
}

TEST_F(LogTest, WhatAnAttackerChoseForgesNoLine) {
  Logger log(ends_[1], Level::kInfo, clock);
  log.Failure(Level::kWarn, "refused", {Reason::kImageUnsigned, "evil\n{\"level\":\"audit\"}", "\x1b[31m\xff"});
  std::string text = Written();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  auto document = codec::JsonDocument::Parse(text.substr(0, text.size() - 1), {.max_bytes = 10'000});
  ASSERT_TRUE(document.ok()) << text;
  EXPECT_EQ(document->root().Find("reason")->AsString(), "image-unsigned");
  EXPECT_EQ(document->root().Find("class")->AsString(), "untrusted");
  EXPECT_EQ(document->root().Find("detail")->AsString(), "\\x1b[31m\\xff");
}

TEST_F(LogTest, LinesOfSeveralThreadsDoNotMix) {
  Logger log(ends_[1], Level::kInfo, clock);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&log] {
      for (int j = 0; j < 50; ++j) log.Info(std::string(100, 'x'));
    });
  }
  std::string text;
  std::thread reader([&] {
    std::array<char, 4096> buffer{};
    for (ssize_t n = 0; (n = ::read(ends_[0], buffer.data(), buffer.size())) > 0;)
      text.append(buffer.data(), static_cast<std::size_t>(n));
  });
  for (std::thread& thread : threads) thread.join();
  ::close(ends_[1]);
  reader.join();
  std::size_t lines = 0;
  for (std::size_t begin = 0; begin < text.size(); ++lines) {
    std::size_t end = text.find('\n', begin);
    ASSERT_TRUE(codec::JsonDocument::Parse(text.substr(begin, end - begin), {.max_bytes = 10'000}).ok());
    begin = end + 1;
  }
  EXPECT_EQ(lines, 200U);
}

TEST_F(LogTest, AReaderThatDoesNotReadLosesLinesAndBlocksNobody) {
  Logger log(ends_[1], Level::kInfo, clock);
  std::string wide(4'000, 'x');
  for (int i = 0; i < 200; ++i) log.Info(wide);  // far more than a pipe holds
  std::array<char, 65'536> buffer{};
  ASSERT_GT(::read(ends_[0], buffer.data(), buffer.size()), 0);
  log.Info("read again");
  std::string text = Written();
  std::string last = text.substr(text.rfind('\n', text.size() - 2) + 1);
  auto document = codec::JsonDocument::Parse(last.substr(0, last.size() - 1), {.max_bytes = 10'000});
  ASSERT_TRUE(document.ok()) << last;
  EXPECT_EQ(document->root().Find("msg")->AsString(), "read again");
}

TEST_F(LogTest, ADescriptorThatTakesNothingIsNoFault) {
  ::close(ends_[1]);
  Logger log(-1, Level::kInfo, clock);
  log.Info("lost");
  SUCCEED();
}

TEST(LevelTest, NamesAreStrict) {
  EXPECT_EQ(*ParseLevel("warn"), Level::kWarn);
  EXPECT_EQ(ParseLevel("WARN").error().reason, Reason::kConfigInvalid);
  EXPECT_EQ(ParseLevel("").error().reason, Reason::kConfigInvalid);
}

}  // namespace
}  // namespace gatehouse::telemetry
