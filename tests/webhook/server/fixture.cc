#include "tests/webhook/server/fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

namespace gatehouse::webhook {
namespace {

std::filesystem::path NewFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "gatehouse-server-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  return name;
}

}  // namespace

HttpServerTest::HttpServerTest()
    : folder_(NewFolder()),
      log_descriptor_(open(Path("log").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600)),
      log_(log_descriptor_, telemetry::Level::kInfo, clock_),
      ca_(fakes::TestCa::Root(Today(fakes::CaSpec("serving CA")))) {}

HttpServerTest::~HttpServerTest() {
  server_.reset();
  close(log_descriptor_);
  std::filesystem::remove_all(folder_);
}

ListenerOptions HttpServerTest::Plain() {
  ListenerOptions options;
  options.name = "admission";
  options.address = "127.0.0.1:0";
  return options;
}

ListenerOptions HttpServerTest::Tls() {
  WriteTls(ServerCertificate());
  ListenerOptions options = Plain();
  options.tls = TlsFiles{Path("tls.crt"), Path("tls.key"), "", false};
  options.tls_check_interval = Duration(20);
  client_tls_ = ClientTls{.ca_pem = ca().pem()};
  return options;
}

void HttpServerTest::Start(ListenerOptions options, HttpServer::Handler handler) {
  Result<std::unique_ptr<HttpServer>> made = HttpServer::Make(std::move(options), clock_, log_);
  ASSERT_TRUE(made.ok()) << made.error().ToString();
  server_ = std::move(made).value();
  server_->Route({"POST", "/validate", kMaxBody, "application/json"}, std::move(handler));
  server_->Route({"GET", "/healthz", 0, ""}, [](const HttpCall&) { return HttpReply{200, "ok", "text/plain"}; });
  const Status started = server_->Start();
  ASSERT_TRUE(started.ok()) << started.error().ToString();
}

fakes::CertificateSpec HttpServerTest::Today(fakes::CertificateSpec spec) {
  const WallTime now = SystemClock().Wall();
  return spec.Valid(now - std::chrono::hours(1), now + std::chrono::hours(24));
}

fakes::TestCertificate HttpServerTest::ServerCertificate(fakes::CertificateSpec spec) const {
  return ca_.Leaf(Today(std::move(spec)).With("subjectAltName", "IP:127.0.0.1").With("extendedKeyUsage", "serverAuth"));
}

fakes::TestCertificate HttpServerTest::ServerCertificate() const {
  return ServerCertificate(fakes::LeafSpec("gatehouse"));
}

void HttpServerTest::WriteTls(const fakes::TestCertificate& certificate) const {
  Write("tls.crt", certificate.pem);
  Write("tls.key", certificate.key->Pem());
}

void HttpServerTest::Write(const std::string& name, std::string_view content) const {
  // By renaming, as every careful writer does: a file is never seen half written.
  const std::string temporary = Path(name + ".new");
  std::ofstream(temporary, std::ios::binary) << content;
  std::filesystem::rename(temporary, Path(name));
}

std::string HttpServerTest::Log() const {
  std::ostringstream text;
  text << std::ifstream(Path("log")).rdbuf();
  return text.str();
}

bool HttpServerTest::Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return condition();
}

}  // namespace gatehouse::webhook
