// The API server as the verbs ask it: by the user's kubeconfig, as kubectl would, or by a pod's ServiceAccount.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/kube/api.h"

namespace gatehouse::cli {

struct KubeOptions {
  std::string kubeconfig;                   // else $KUBECONFIG, else ~/.kube/config
  std::string context;                      // else the current one
  std::string namespace_name;               // else the context's
  std::string release = "gatehouse";        // name of the Helm release
  std::string system = "gatehouse-system";  // its namespace
  int timeout_seconds = 30;                 // for each question to the API server
};

// One object of an answer; keeps the answer alive.
struct KubeObject {
  std::shared_ptr<const codec::JsonDocument> document;
  codec::JsonView view;
  [[nodiscard]] std::string Text(std::initializer_list<std::string_view> path) const {
    return std::string(kube::TextAt(view, path));
  }
};

class Cluster {
 public:
  // Errors: kConfigInvalid, kFileUnreadable and others of a kubeconfig.
  [[nodiscard]] static Result<std::unique_ptr<Cluster>> Connect(const KubeOptions& options);

  // Errors of all: those of kube::Api.
  [[nodiscard]] Result<KubeObject> Get(const kube::Resource& resource, const std::string& namespace_name,
                                       const std::string& name);
  // All pages. `query`: "labelSelector=…&fieldSelector=…", values encoded.
  [[nodiscard]] Result<std::vector<KubeObject>> List(const kube::Resource& resource,
                                                     const std::string& namespace_name = {},
                                                     const std::string& query = {});
  [[nodiscard]] Status Delete(const kube::Resource& resource, const std::string& namespace_name,
                              const std::string& name, const std::string& uid);
  [[nodiscard]] Status Patch(const kube::Resource& resource, const std::string& name, const std::string& merge_patch);

  [[nodiscard]] const KubeOptions& options() const { return options_; }
  [[nodiscard]] const std::string& namespace_name() const { return namespace_; }  // in which pods are looked for
  [[nodiscard]] const Clock& clock() const { return clock_; }

 private:
  explicit Cluster(KubeOptions options) : options_(std::move(options)) {}
  [[nodiscard]] Deadline Time() const;

  SystemClock clock_;
  KubeOptions options_;
  std::string namespace_;
  std::unique_ptr<kube::Api> api_;
};

}  // namespace gatehouse::cli
