#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "common/base/limits.h"
#include "common/policy/loader.h"

namespace gatehouse::policy {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PolicyFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "policy-files-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  void Write(const fs::path& name, const std::string& text = "x") const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }

  [[nodiscard]] std::vector<std::string> NamesAndTexts() const {
    auto files = ReadPolicyFiles(folder_.string());
    EXPECT_TRUE(files.ok());
    std::vector<std::string> shown;
    if (!files.ok()) return shown;
    for (const SourceFile& file : *files) {
      EXPECT_TRUE(file.name.starts_with(folder_.string() + "/"));
      shown.push_back(file.name.substr(folder_.string().size() + 1) + "=" + file.text);
    }
    return shown;
  }

  [[nodiscard]] Error Refusal(const fs::path& path) const {
    auto files = ReadPolicyFiles(path.string());
    EXPECT_FALSE(files.ok());
    return files.ok() ? Error{Reason::kInternal, "", ""} : files.error();
  }

  // What a kubelet does to give a mounted ConfigMap new content.
  void MountVersion(const std::string& version, const std::string& text) const {
    fs::create_directory(folder_ / version);
    std::ofstream(folder_ / version / "a.yaml") << text;
    std::ofstream(folder_ / version / "b.yml") << text;
    fs::create_directory_symlink(version, folder_ / "..data_tmp");
    fs::rename(folder_ / "..data_tmp", folder_ / "..data");
  }

  fs::path folder_;
};

TEST_F(PolicyFiles, TheYamlFilesOfAFolderByName) {
  Write("b.yaml", "2");
  Write("a.yml", "1");
  Write("c.yaml", "");
  Write("readme.md");
  Write("a.yaml.bak");
  Write(".hidden.yaml");
  fs::create_directory(folder_ / "below");
  Write("below/d.yaml");
  EXPECT_THAT(NamesAndTexts(), ElementsAre("a.yml=1", "b.yaml=2", "c.yaml="));
}

TEST_F(PolicyFiles, OneFileOfAnyName) {
  Write("policy.txt", "text");
  auto files = ReadPolicyFiles((folder_ / "policy.txt").string());
  ASSERT_TRUE(files.ok());
  ASSERT_EQ(files->size(), 1U);
  EXPECT_EQ(files->at(0).name, (folder_ / "policy.txt").string());
  EXPECT_EQ(files->at(0).text, "text");
}

TEST_F(PolicyFiles, AnEmptyFolderHoldsNone) {
  EXPECT_THAT(NamesAndTexts(), IsEmpty());
}

TEST_F(PolicyFiles, AMountedConfigMapAndItsNextVersion) {
  MountVersion("..2026_01_01_00_00_00.1", "one");
  fs::create_symlink("..data/a.yaml", folder_ / "a.yaml");
  fs::create_symlink("..data/b.yml", folder_ / "b.yml");
  EXPECT_THAT(NamesAndTexts(), ElementsAre("a.yaml=one", "b.yml=one"));
  MountVersion("..2026_01_02_00_00_00.2", "two");
  fs::remove_all(folder_ / "..2026_01_01_00_00_00.1");
  EXPECT_THAT(NamesAndTexts(), ElementsAre("a.yaml=two", "b.yml=two"));
}

TEST_F(PolicyFiles, AConfigMapThatLostItsVersion) {
  fs::create_directory_symlink("..2026_gone", folder_ / "..data");
  EXPECT_EQ(Refusal(folder_).reason, Reason::kFileUnreadable);
}

TEST_F(PolicyFiles, WhatIsNotThere) {
  Error error = Refusal(folder_ / "nothing");
  EXPECT_EQ(error.reason, Reason::kFileUnreadable);
  EXPECT_THAT(error.where, HasSubstr("nothing"));
  EXPECT_THAT(error.detail, HasSubstr("No such file"));
}

TEST_F(PolicyFiles, ADanglingLink) {
  fs::create_symlink("gone", folder_ / "a.yaml");
  EXPECT_EQ(Refusal(folder_).reason, Reason::kFileUnreadable);
}

TEST_F(PolicyFiles, AFolderThatIsNamedLikeAFile) {
  fs::create_directory(folder_ / "a.yaml");
  EXPECT_EQ(Refusal(folder_).reason, Reason::kFileUnreadable);
}

TEST_F(PolicyFiles, ADeviceIsNotRead) {
  EXPECT_EQ(Refusal("/dev/zero").reason, Reason::kFileUnreadable);
}

TEST_F(PolicyFiles, AFileAtTheLimitAndOneByteMore) {
  Write("a.yaml", std::string(limits::kYamlBytes, ' '));
  EXPECT_TRUE(ReadPolicyFiles(folder_.string()).ok());
  Write("a.yaml", std::string(limits::kYamlBytes + 1, ' '));
  EXPECT_EQ(Refusal(folder_).reason, Reason::kLimitExceeded);
}

TEST_F(PolicyFiles, AsManyAsTheLimitAndOneMore) {
  for (std::size_t i = 0; i < limits::kPolicyFiles; ++i) Write(std::to_string(i) + ".yaml");
  EXPECT_TRUE(ReadPolicyFiles(folder_.string()).ok());
  Write("more.yaml");
  EXPECT_EQ(Refusal(folder_).reason, Reason::kLimitExceeded);
}

}  // namespace
}  // namespace gatehouse::policy
