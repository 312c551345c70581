#include "tests/bench/counted_gate.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "common/codec/json.h"
#include "common/policy/loader.h"

namespace gatehouse::bench {
namespace {

constexpr Duration kDecisionTime{10'000};

[[noreturn]] void Die(const Error& error) {
  std::fprintf(stderr, "%s\n", error.ToString().c_str());
  std::abort();
}

}  // namespace

std::unique_ptr<net::HttpTransport> MakeTransport(const std::string& ca_pem) {
  net::TransportOptions options;
  options.tls.ca_pem = ca_pem;
  options.connections_per_origin = kConnectionsPerHost;
  options.idle_connections_per_origin = kConnectionsPerHost;
  options.resume_tls_sessions = true;
  auto transport = net::MakeHttpsTransport(std::move(options));
  if (!transport.ok()) Die(transport.error());
  return std::move(transport).value();
}

Result<net::HttpResponse> CountingTransport::Send(const net::HttpRequest& request, const Deadline& deadline) {
  std::size_t level = 0;
  {
    std::scoped_lock lock(mutex_);
    ++requests_;
    ++by_target_[request.url.target];
    level = answered_ + 1;
  }
  auto response = transport_.Send(request, deadline);
  std::scoped_lock lock(mutex_);
  answered_ = std::max(answered_, level);
  return response;
}

std::size_t CountingTransport::requests() const {
  std::scoped_lock lock(mutex_);
  return requests_;
}

std::size_t CountingTransport::round_trips() const {
  std::scoped_lock lock(mutex_);
  return answered_;
}

std::map<std::string, std::size_t> CountingTransport::by_target() const {
  std::scoped_lock lock(mutex_);
  return by_target_;
}

bool ColdGate::Admits(const admission::ReviewRequest& pod) const {
  const gate::Decision decision = gate_.Decide(pod, Deadline(clock_, kDecisionTime));
  for (const gate::Finding& finding : decision.findings()) {
    std::fprintf(stderr, "%s\n", gate::Describe(finding).c_str());
  }
  return decision.allowed() && !decision.approvals().empty();
}

std::string PodReview(const std::vector<std::string>& images) {
  codec::JsonWriter json;
  json.BeginObject().Member("apiVersion", "admission.k8s.io/v1").Member("kind", "AdmissionReview");
  json.Key("request").BeginObject().Member("uid", "705ab4f5-6393-11e8-b7cc-42010a800002");
  json.Member("operation", "CREATE").Member("namespace", "default").Member("name", "pod");
  json.Key("kind").BeginObject().Member("group", "").Member("version", "v1").Member("kind", "Pod").EndObject();
  json.Key("resource").BeginObject().Member("group", "").Member("version", "v1").Member("resource", "pods").EndObject();
  json.Key("userInfo").BeginObject().Member("username", "someone").EndObject();
  json.Key("object").BeginObject().Member("apiVersion", "v1").Member("kind", "Pod");
  json.Key("metadata").BeginObject().Member("name", "pod").Member("namespace", "default").EndObject();
  json.Key("spec").BeginObject().Key("containers").BeginArray();
  for (std::size_t i = 0; i < images.size(); ++i) {
    json.BeginObject().Member("name", "c" + std::to_string(i)).Member("image", images[i]).EndObject();
  }
  json.EndArray().EndObject().EndObject().EndObject().EndObject();
  return std::move(json).Finish();
}

admission::ReviewRequest MustParseReview(const std::string& review) {
  auto parsed = admission::ParseReview(review);
  if (!parsed.ok()) Die(parsed.error().error);
  return parsed.request();
}

std::shared_ptr<const policy::PolicySet> MustLoad(const std::string& yaml) {
  auto outcome = policy::LoadPolicies({{"bench.yaml", yaml}});
  for (const Error& error : outcome.errors) Die(error);
  return outcome.set;
}

}  // namespace gatehouse::bench
