// Text that may change only where somebody sees it change.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace gatehouse::policy {

// `name` is a file of tests/common/policy. On a difference the present text is left in the build folder, to be compared
// and copied.
inline void ExpectGolden(const std::string& name, const std::string& text) {
  std::ifstream stream(std::string(GATEHOUSE_SOURCE_DIR) + "/tests/common/policy/" + name, std::ios::binary);
  std::string expected{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (text == expected) return;
  std::string present = std::string(GATEHOUSE_BINARY_DIR) + "/" + name;
  std::ofstream(present, std::ios::binary) << text;
  ADD_FAILURE() << name << " has changed; if it is meant to, copy " << present << " over it";
}

}  // namespace gatehouse::policy
