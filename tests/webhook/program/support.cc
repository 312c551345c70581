#include "tests/webhook/program/support.h"

#include <sstream>

#include "common/net/https_transport.h"

namespace gatehouse::webhook {
namespace {

std::string Review(const std::string& kind, const std::string& resource, const std::string& sub_resource,
                   const std::string& object) {
  return R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"uid-7","kind":{"group":"",)"
         R"("version":"v1","kind":")" +
         kind + R"("},"resource":{"group":"","version":"v1","resource":")" + resource + R"("},"subResource":")" +
         sub_resource +
         R"(","namespace":"default","name":"p","operation":"CREATE","userInfo":{"username":"somebody"},"object":)" +
         object + "}}";
}

}  // namespace

Result<net::HttpResponse> Client::Send(const std::string& method, const std::string& url,
                                       const std::string& body) const {
  net::TransportOptions options;
  options.tls = {.ca_pem = ca_pem, .certificate_pem = certificate_pem, .key_pem = key_pem};
  ASSIGN_OR_RETURN(auto transport, net::MakeHttpsTransport(std::move(options)));
  net::HttpRequest request{.method = method, .body = body, .max_response_bytes = 1'000'000};
  ASSIGN_OR_RETURN(request.url, net::Url::Parse(url, Reason::kUsage));
  if (!body.empty()) request.content_type = "application/json";
  SystemClock clock;
  return transport->Send(request, Deadline(clock, std::chrono::seconds(20)));
}

std::string PodReview(const std::string& image) {
  return Review(
      "Pod", "pods", "",
      R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":")" + image +
          R"("}]}})");
}

std::string BindingReview(const std::string& node) {
  return Review("Binding", "pods", "binding",
                R"({"apiVersion":"v1","kind":"Binding","metadata":{"name":"p"},"target":{"kind":"Node","name":")" +
                    node + R"("}})");
}

std::string StaticPolicy(const std::string& action) {
  return "apiVersion: gatehouse.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: fixed}\n"
         "spec: {images: [{glob: \"**\"}], authorities: [{name: fixed, static: {action: " +
         action + "}}]}\n";
}

std::string KeyPolicy(const std::string& glob, const crypto::PublicKey& key) {
  return "apiVersion: gatehouse.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: release}\nspec:\n"
         "  images: [{glob: \"" +
         glob + "\"}]\n  authorities:\n    - name: key\n      key:\n        data: |\n" +
         fakes::IndentedPem(key.Pem(), 10);
}

std::string LoopbackRegistry(const std::string& host) {
  return "registry: {insecure: [\"" + host + "\"], localAddressExceptions: [\"" + host + "\"]}\n";
}

bool Webhook::Serves() {
  bool serving = false;
  (void)fakes::Eventually([&] {
    serving = program_.err().find("\"msg\":\"serving\"") != std::string::npos;
    return serving || !program_.Running();
  });
  return serving;
}

int Webhook::Port(const std::string& listener) const {
  std::istringstream lines(program_.err());
  for (std::string line; std::getline(lines, line);) {
    auto document = codec::JsonDocument::Parse(line, {100'000});
    if (!document.ok()) continue;
    auto named = document->root().Find("listener");
    auto address = document->root().Find("address");
    if (!named || named->AsString() != listener || !address) continue;
    std::string text(address->AsString().value_or(":0"));
    return std::stoi(text.substr(text.rfind(':') + 1));
  }
  return 0;
}

std::string Webhook::Url(const std::string& listener, const std::string& path) const {
  return (listener == "metrics" ? "http" : "https") + ("://127.0.0.1:" + std::to_string(Port(listener))) + path;
}

Answer Webhook::Review(const Client& client, const std::string& review, const std::string& query) const {
  auto response = client.Send("POST", Url("admission", "/validate" + query), review);
  if (!response.ok()) return {.message = response.error().ToString()};
  Answer answer{.status = response->status};
  auto document = codec::JsonDocument::Parse(response->body, {1'000'000});
  auto content = document.ok() ? document->root().Find("response") : std::nullopt;
  if (!content) {
    answer.message = response->body;
    return answer;
  }
  answer.uid = content->Find("uid")->AsString().value_or("");
  answer.allowed = content->Find("allowed")->AsBool().value_or(false);
  if (auto status = content->Find("status")) {
    answer.code = status->Find("code")->AsInt().value_or(0);
    answer.message = status->Find("message")->AsString().value_or("");
  }
  return answer;
}

std::string Webhook::Get(const std::string& path) const {
  auto response = Client{}.Send("GET", Url("metrics", path));
  return response.ok() && response->status == 200 ? response->body : "";
}

ProgramTest::ProgramTest() {
  WriteServingCertificate(ca_);
  (void)folder_.Write("policies/images.yaml", StaticPolicy("pass"));
  config_ = R"(admission:
  listen: "127.0.0.1:0"
  tls: {certificate: "{folder}/tls.crt", key: "{folder}/tls.key"}
metrics: {listen: "127.0.0.1:0"}
policies: {folder: "{folder}/policies", reloadInterval: 100ms}
shutdownDelay: 0s
)";
}

std::string ProgramTest::Filled(std::string text) const {
  const std::string from = "{folder}";
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), folder_.path().string());
  }
  return text;
}

// The key first: between the two renames the pair does not match, and the old pair must stay in use.
void ProgramTest::WriteServingCertificate(const fakes::TestCa& ca) const {
  fakes::ServerTls tls = fakes::IssueServerTls(ca, "IP:127.0.0.1");
  (void)folder_.Write("tls.key", tls.key_pem);
  (void)folder_.Write("tls.crt", tls.chain_pem);
}

}  // namespace gatehouse::webhook
