// The webhook's admission listener with a warm cache, and beside it on the same server a bare handler. Prints its port,
// its review's path and its CA's path; serves until its standard input ends.
#include <fcntl.h>

#include <fstream>
#include <iostream>

#include "common/codec/json.h"
#include "common/telemetry/metrics.h"
#include "tests/bench/setup.h"
#include "tests/fakes/pki.h"
#include "webhook/admission/handler.h"
#include "webhook/server/http_server.h"

namespace gatehouse::bench {
namespace {

void Write(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

webhook::HttpReply Echo(const webhook::HttpCall& call) {
  auto document = codec::JsonDocument::Parse(call.body, {.max_bytes = 1 << 20});
  auto uid = document->root().Find("request")->Find("uid")->AsString();
  codec::JsonWriter json;
  json.BeginObject()
      .Member("apiVersion", "admission.k8s.io/v1")
      .Member("kind", "AdmissionReview")
      .Key("response")
      .BeginObject();
  json.Member("uid", *uid).Key("allowed").Bool(true).EndObject().EndObject();
  return {.status = 200, .body = std::move(json).Finish()};
}

int Serve(const std::string& folder) {
  WarmGate warm;
  auto ca = fakes::TestCa::Root(fakes::CaSpec("bench"));
  auto now = warm.clock.Wall();
  auto leaf = ca.Leaf(fakes::LeafSpec("localhost")
                          .With("subjectAltName", "DNS:localhost,IP:127.0.0.1")
                          .Valid(now - std::chrono::hours(1), now + std::chrono::hours(1)));
  Write(folder + "/tls.crt", leaf.pem);
  Write(folder + "/tls.key", leaf.key->Pem());
  Write(folder + "/review.json", warm.review);

  telemetry::Logger log(2, telemetry::Level::kWarn, warm.clock);
  // Every decision is written to the audit log, as in service; only the reader is missing.
  int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  telemetry::Logger audit(nowhere, telemetry::Level::kInfo, warm.clock);
  telemetry::Metrics metrics;
  auto server = webhook::HttpServer::Make({.name = "bench",
                                           .address = "127.0.0.1:0",
                                           .tls = webhook::TlsFiles{folder + "/tls.crt", folder + "/tls.key", ""}},
                                          warm.clock, log);
  if (!server.ok()) {
    std::cerr << server.error().ToString() << "\n";
    return 1;
  }
  webhook::AdmissionHandler handler(warm.gate, warm.clock, audit, metrics, {});
  auto route = [](const char* path) {
    return webhook::RouteOptions{
        .method = "POST", .path = path, .max_body_bytes = 1 << 20, .content_type = "application/json"};
  };
  (*server)->Route(route("/bare"), Echo);
  (*server)->Route(route("/validate"), [&](const webhook::HttpCall& call) { return handler.Handle(call); });
  if (!(*server)->Start().ok()) return 1;
  std::cout << (*server)->port() << std::endl;
  std::cin.get();
  (*server)->Drain(Duration(1'000));
  return 0;
}

}  // namespace
}  // namespace gatehouse::bench

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: bench_server FOLDER\n";
    return 2;
  }
  return gatehouse::bench::Serve(argv[1]);
}
