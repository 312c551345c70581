#include "webhook/watch/file_value.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/fakes/program.h"

namespace gatehouse::webhook {
namespace {

Result<int> ParseNumber(const std::string& text) {
  if (text == "bad") return Error{Reason::kConfigInvalid, "", "bad"};
  return static_cast<int>(text.size());
}

class FileValueTest : public ::testing::Test {
 protected:
  void Write(const std::string& text) { ASSERT_TRUE(WriteFile(path, AsBytes(text)).ok()); }
  fakes::ScratchFolder folder;
  std::string path = folder.At("value");
  FileValue<int> value{path, 100, ParseNumber};
};

TEST_F(FileValueTest, AWrongReplacementKeepsTheOldValueAndIsReportedOnce) {
  Write("12345");
  ASSERT_TRUE(value.Load().ok());
  Write("bad");
  EXPECT_FALSE(value.Load().ok());
  EXPECT_TRUE(value.Load().ok());
  EXPECT_EQ(*value.Current(), 5);
  Write("1234567");
  EXPECT_TRUE(value.Load().ok());
  EXPECT_EQ(*value.Current(), 7);
}

TEST_F(FileValueTest, AFileThatVanishesKeepsTheOldValueAndIsReportedOnce) {
  Write("12345");
  ASSERT_TRUE(value.Load().ok());
  std::filesystem::remove(path);
  EXPECT_FALSE(value.Load().ok());
  EXPECT_TRUE(value.Load().ok());
  EXPECT_EQ(*value.Current(), 5);
  Write("123");
  EXPECT_TRUE(value.Load().ok());
  EXPECT_EQ(*value.Current(), 3);
}

TEST_F(FileValueTest, TheFirstReadingMustSucceed) {
  EXPECT_FALSE(value.Load().ok());
  EXPECT_FALSE(value.Load().ok());
}

}  // namespace
}  // namespace gatehouse::webhook
