#include "cli/cluster.h"

#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "common/base/limits.h"
#include "common/kube/connection.h"

extern char** environ;

namespace gatehouse::cli {
namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::map<std::string, std::string> Environment() {
  std::map<std::string, std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

// As kubectl looks for it; none if there is no file that it would read.
std::vector<std::string> ConfigFiles(const KubeOptions& options) {
  if (!options.kubeconfig.empty()) return {options.kubeconfig};
  std::vector<std::string> files;
  const std::string list = Variable("KUBECONFIG");
  for (std::size_t begin = 0; begin < list.size();) {
    const std::size_t end = std::min(list.find(':', begin), list.size());
    if (end > begin) files.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  if (files.empty() && !Variable("HOME").empty()) files.push_back(Variable("HOME") + "/.kube/config");
  return files;
}

bool AnyReadable(const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    if (access(file.c_str(), R_OK) == 0) return true;
  }
  return false;
}

struct Way {
  kube::ConnectionSource connections;
  std::string namespace_name;
};

Result<Way> FindWay(const KubeOptions& options, const Clock& clock) {
  const std::vector<std::string> files = ConfigFiles(options);
  const std::string host = Variable("KUBERNETES_SERVICE_HOST");
  if (options.kubeconfig.empty() && !AnyReadable(files) && !host.empty()) {
    ASSIGN_OR_RETURN(auto connections, kube::InCluster({.host = host, .port = Variable("KUBERNETES_SERVICE_PORT")}));
    return Way{std::move(connections), "default"};
  }
  kube::KubeConfigOptions config{.files = files};
  if (!options.context.empty()) config.context = options.context;
  config.environment = Environment();
  // A plugin may want a person to open a page and log in.
  config.plugin_says = [](std::string_view text) { std::cerr << text << std::flush; };
  config.plugin_time = limits::kExecLoginTime;
  ASSIGN_OR_RETURN(kube::KubeConfig found, kube::FromKubeConfig(config, clock));
  // Now, so that a login is not in the time that a question to the API server has.
  if (auto first = found.connections(); !first.ok()) return first.error();
  return Way{std::move(found.connections), std::move(found.namespace_name)};
}

}  // namespace

Result<std::unique_ptr<Cluster>> Cluster::Connect(const KubeOptions& options) {
  auto cluster = std::unique_ptr<Cluster>(new Cluster(options));
  ASSIGN_OR_RETURN(Way way, FindWay(options, cluster->clock_));
  cluster->namespace_ = options.namespace_name.empty() ? way.namespace_name : options.namespace_name;
  cluster->api_ = std::make_unique<kube::Api>(std::move(way.connections), cluster->clock_, kube::Api::Options{});
  return cluster;
}

Deadline Cluster::Time() const {
  return {clock_, std::chrono::seconds(options_.timeout_seconds)};
}

Result<KubeObject> Cluster::Get(const kube::Resource& resource, const std::string& namespace_name,
                                const std::string& name) {
  ASSIGN_OR_RETURN(auto document, api_->Get(kube::PathOf(resource, namespace_name, name), Time()));
  auto shared = std::make_shared<const codec::JsonDocument>(std::move(document));
  return KubeObject{shared, shared->root()};
}

Result<std::vector<KubeObject>> Cluster::List(const kube::Resource& resource, const std::string& namespace_name,
                                              const std::string& query) {
  std::vector<KubeObject> objects;
  std::string next;
  std::size_t page = limits::kKubePageObjects;
  for (;;) {
    std::string path = kube::PathOf(resource, namespace_name) + "?limit=" + std::to_string(page);
    if (!query.empty()) path += "&" + query;
    if (!next.empty()) path += "&continue=" + net::EncodeQueryValue(next);
    auto read = api_->Get(path, Time());
    // Too large to read: the same with fewer objects a page.
    if (!read.ok() && read.error().reason == Reason::kLimitExceeded && page > 1) {
      page /= 2;
      continue;
    }
    if (!read.ok()) return read.error();
    auto shared = std::make_shared<const codec::JsonDocument>(*std::move(read));
    const auto items = shared->root().Find("items");
    for (std::size_t i = 0; items && i < items->size(); ++i) objects.push_back({shared, items->at(i)});
    const std::string before = next;
    next = kube::TextAt(shared->root(), {"metadata", "continue"});
    if (!next.empty() && next == before) return Error{Reason::kKubeRejected, path, "a page that continues with itself"};
    if (next.empty()) return objects;
  }
}

Status Cluster::Delete(const kube::Resource& resource, const std::string& namespace_name, const std::string& name,
                       const std::string& uid) {
  return api_->Delete(kube::PathOf(resource, namespace_name, name), uid, Time());
}

Status Cluster::Patch(const kube::Resource& resource, const std::string& name, const std::string& merge_patch) {
  auto patched = api_->Patch(kube::PathOf(resource, {}, name), kube::PatchType::kMerge, merge_patch, Time());
  return patched.ok() ? Ok() : Status(patched.error());
}

}  // namespace gatehouse::cli
