// Files of tests/testdata, and where the real-world samples are.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "common/base/bytes.h"

namespace gatehouse::crypto {

inline std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::string TestText(const std::string& name) {
  return ReadFile(std::filesystem::path(GATEHOUSE_SOURCE_DIR) / "tests/testdata" / name);
}

inline Bytes TestBytes(const std::string& name) {
  return ToBytes(TestText(name));
}

// The folder of the samples that are not in the repository; a test skips what is not there.
inline std::filesystem::path Vectors() {
  const char* named = std::getenv("GATEHOUSE_VECTORS");
  return named != nullptr ? std::filesystem::path(named)
                          : std::filesystem::path(GATEHOUSE_SOURCE_DIR) / "../shared/vectors";
}

}  // namespace gatehouse::crypto
