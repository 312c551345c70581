// A folder with the files of a test, and an API server behind TLS that says who came.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "common/kube/connection.h"
#include "tests/fakes/http_server.h"

namespace gatehouse::kube {

class KubeFiles : public testing::Test {
 protected:
  KubeFiles() {
    std::string pattern = testing::TempDir() + "gatehouse-kube-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~KubeFiles() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  // Replaces the file in one step, as Kubernetes does.
  std::string Write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories(std::filesystem::path(Path(name)).parent_path());
    std::ofstream(Path(name) + ".new") << content;
    std::filesystem::rename(Path(name) + ".new", Path(name));
    return Path(name);
  }
  std::string WriteScript(const std::string& name, const std::string& body) const {
    std::string path = Write(name, "#!/bin/sh\n" + body);
    chmod(path.c_str(), 0700);
    return path;
  }

  std::filesystem::path folder_;
};

}  // namespace gatehouse::kube
