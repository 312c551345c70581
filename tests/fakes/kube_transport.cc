#include "common/base/encoding.h"
#include "tests/fakes/kube_api.h"
#include "tests/fakes/kube_api_server.h"

namespace gatehouse::fakes {
namespace {

Error BrokenOff(const net::HttpRequest& request) {
  return {Reason::kNetworkUnavailable, request.url.ToString(), "the connection broke off"};
}

KubeRequest Translated(const net::HttpRequest& request) {
  return KubeApi::MakeRequest(request.method, request.url.target, request.body, request.content_type, request.headers);
}

// The API server in this process. Deadlines are those of the caller's clock.
class InProcess final : public net::StreamTransport {
 public:
  explicit InProcess(KubeApi& api) : api_(api) {}

  Result<net::HttpResponse> Send(const net::HttpRequest& request, const Deadline& deadline) override {
    if (deadline.Passed()) return Error{Reason::kDeadlineExceeded, request.url.ToString(), "no time is left"};
    KubeReply reply = api_.Handle(Translated(request));
    if (deadline.Passed()) return Error{Reason::kDeadlineExceeded, request.url.ToString(), "the time has passed"};
    if (reply.status == 0) return BrokenOff(request);
    if (reply.body.size() > request.max_response_bytes) {
      return Error{Reason::kLimitExceeded, request.url.ToString(), "a body of more than the limit"};
    }
    return Answered(std::move(reply));
  }

  Result<net::HttpResponse> Stream(const net::HttpRequest& request, const OnBody& on_body,
                                   const Deadline& deadline) override {
    KubeReply refused;
    auto watch = api_.Start(Translated(request), &refused);
    if (watch == nullptr) {
      if (refused.status == 0) return BrokenOff(request);
      if (refused.status >= 300) return Answered(std::move(refused));
      if (!refused.body.empty()) std::ignore = on_body(refused.body);
      refused.body.clear();
      return Answered(std::move(refused));
    }
    net::HttpResponse response{.status = 200, .headers = {{"Content-Type", "application/json"}}, .body = {}};
    while (auto piece = watch->Next()) {
      if (!on_body(*piece)) return response;
      if (deadline.Passed()) return Error{Reason::kDeadlineExceeded, request.url.ToString(), "the time has passed"};
    }
    if (watch->broken_off()) return BrokenOff(request);
    return response;
  }

 private:
  static net::HttpResponse Answered(KubeReply reply) {
    net::HttpResponse response{
        .status = reply.status, .headers = std::move(reply.headers), .body = std::move(reply.body)};
    response.headers.emplace_back("Content-Type", "application/json");
    return response;
  }
  KubeApi& api_;
};

Reply AtThePort(KubeApi& api, const ReceivedRequest& received) {
  KubeRequest request = KubeApi::MakeRequest(received.method, received.target, received.body,
                                             received.Header("Content-Type"), received.headers);
  KubeReply answer;
  if (request.verb == "WATCH") {
    if (std::shared_ptr<KubeApi::Watch> watch = api.Start(request, &answer)) {
      Reply reply{.content_type = "application/json"};
      reply.next = [watch] { return watch->Next(); };
      return reply;
    }
  } else {
    answer = api.Handle(request);
  }
  // A connection cannot be cut from in here: an answer that is none is as good.
  if (answer.status == 0) return {.status = 502, .body = "broken off"};
  return {.status = answer.status, .body = answer.body, .content_type = "application/json", .headers = answer.headers};
}

}  // namespace

std::shared_ptr<net::StreamTransport> KubeApi::transport() {
  return std::make_shared<InProcess>(*this);
}

kube::ConnectionSource KubeApi::connections() {
  kube::Connection connection{.server = {.scheme = "http", .host = "kube.test", .port = 80, .target = ""},
                              .transport = transport(),
                              .token = [] { return Result<std::string>(std::string("token-of-the-test")); }};
  return [connection] { return Result<kube::Connection>(connection); };
}

KubeApiServer::KubeApiServer(KubeApi& api, std::optional<ServerTls> tls)
    : api_(api),
      server_([&api](const ReceivedRequest& request) { return AtThePort(api, request); }, std::move(tls), 64) {}

KubeApiServer::~KubeApiServer() {
  api_.Shutdown();
}

net::Url KubeApiServer::url() const {
  return server_.At("/");
}

int KubeApiServer::port() const {
  return server_.port();
}

std::string KubeApiServer::KubeConfig(const std::string& ca_pem, const std::string& token,
                                      const std::string& namespace_name) const {
  std::string cluster = "server: \"" + server_.Origin() + "\"";
  if (!ca_pem.empty()) cluster += ", certificate-authority-data: " + EncodeBase64(AsBytes(ca_pem));
  return "apiVersion: v1\nkind: Config\ncurrent-context: test\nclusters:\n- {name: test, cluster: {" + cluster +
         "}}\nusers:\n- {name: test, user: {" + (token.empty() ? "" : "token: \"" + token + "\"") +
         "}}\ncontexts:\n- {name: test, context: {cluster: test, user: test, namespace: " + namespace_name + "}}\n";
}

}  // namespace gatehouse::fakes
