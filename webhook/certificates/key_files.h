// Secrets laid down as files in a folder in memory, for everything that reads files and notices when they change.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/kube/informer.h"
#include "common/telemetry/log.h"

namespace gatehouse::webhook {

// One object and which of its entries become which files. The informer lists and watches by field selector
// metadata.name, which is what RBAC can limit to a name.
struct KeyObject {
  kube::Resource resource;  // Secrets or ConfigMaps
  std::string namespace_name;
  std::string name;
  std::map<std::string, std::string> files;  // entry -> file name in the folder; optional ones end with '?'
};

// Files are replaced by rename, readable by the owner only, a certificate and its key in one step (both are written
// before either is renamed; a reader that catches one of each reads again). An entry that is missing, empty, too large
// or not base64 leaves every file of its object as it was, and is a problem: half of a new pair is worth less than the
// old one. The same for an object that is deleted. An optional entry that is missing or empty has its file removed.
class KeyFiles {
 public:
  KeyFiles(kube::Api& api, std::string folder, std::vector<KeyObject> objects, telemetry::Logger& log, Random random);
  ~KeyFiles();
  // Makes the folder (mode 0700). Errors: kInternal.
  [[nodiscard]] Status Start();
  void Stop();
  // Every mandatory file is there, also those of an earlier life of this folder: what was known before goes on to hold.
  [[nodiscard]] bool Ready() const;
  [[nodiscard]] std::vector<std::string> Problems() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::webhook
