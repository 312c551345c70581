#include "tests/fakes/http_server.h"

#include <httplib.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "common/net/ascii.h"

namespace gatehouse::fakes {
namespace {

std::string UrlDecode(const std::string& text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      decoded += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      decoded += text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

BIO* Memory(const std::string& text) {
  return BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
}

bool Configure(SSL_CTX& context, const ServerTls& tls) {
  BIO* chain = Memory(tls.chain_pem);
  X509* leaf = PEM_read_bio_X509(chain, nullptr, nullptr, nullptr);
  bool ok = SSL_CTX_use_certificate(&context, leaf) == 1;
  X509_free(leaf);
  while (X509* more = PEM_read_bio_X509(chain, nullptr, nullptr, nullptr)) SSL_CTX_add0_chain_cert(&context, more);
  BIO_free(chain);
  BIO* key_bio = Memory(tls.key_pem);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(key_bio, nullptr, nullptr, nullptr);
  ok = ok && SSL_CTX_use_PrivateKey(&context, key) == 1;
  EVP_PKEY_free(key);
  BIO_free(key_bio);
  if (!tls.client_ca_pem.empty()) {
    BIO* roots = Memory(tls.client_ca_pem);
    X509* root = PEM_read_bio_X509(roots, nullptr, nullptr, nullptr);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(&context), root);
    X509_free(root);
    BIO_free(roots);
    SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  if (tls.only_tls11) {
    SSL_CTX_set_security_level(&context, 0);  // TLS 1.1 needs SHA-1 signatures
    SSL_CTX_set_min_proto_version(&context, TLS1_1_VERSION);
    SSL_CTX_set_max_proto_version(&context, TLS1_1_VERSION);
  }
  return ok;
}

sockaddr_in Loopback() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int PortOf(int descriptor) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

net::Url MustParse(const std::string& text) {
  return net::Url::Parse(text, Reason::kInternal).value();
}

}  // namespace

TestCa RootOfToday(const std::string& common_name) {
  auto now = std::chrono::floor<Duration>(std::chrono::system_clock::now());
  return TestCa::Root(CaSpec(common_name).Valid(now - std::chrono::hours(24), now + std::chrono::hours(24)));
}

ServerTls IssueServerTls(const TestCa& ca, const std::string& names, const std::string& common_name) {
  auto now = std::chrono::floor<Duration>(std::chrono::system_clock::now());
  CertificateSpec spec = LeafSpec(common_name)
                             .With("extendedKeyUsage", "serverAuth,clientAuth")
                             .Valid(now - std::chrono::hours(1), now + std::chrono::hours(1));
  TestCertificate leaf = ca.Leaf(names.empty() ? spec : spec.With("subjectAltName", names));
  return {leaf.pem, leaf.key->Pem()};
}

std::string ReceivedRequest::Header(const std::string& name) const {
  for (const auto& [key, value] : headers) {
    if (net::EqualsIgnoreCase(key, name)) return value;
  }
  return "";
}

std::string ReceivedRequest::Query(const std::string& name) const {
  std::size_t start = target.find('?');
  while (start != std::string::npos) {
    std::size_t end = target.find('&', start + 1);
    std::string pair = target.substr(start + 1, end == std::string::npos ? end : end - start - 1);
    std::size_t equals = pair.find('=');
    if (pair.substr(0, equals) == name) return equals == std::string::npos ? "" : UrlDecode(pair.substr(equals + 1));
    start = end;
  }
  return "";
}

struct HttpServer::Impl {
  std::unique_ptr<httplib::Server> server;
  Handler handler;
  bool tls = false;
  SSL_CTX* context = nullptr;
  int port = 0;
  std::thread thread;
  mutable std::mutex mutex;
  std::vector<ReceivedRequest> requests;

  void Answer(const httplib::Request& from, httplib::Response& to) {
    ReceivedRequest request{from.method, from.target, {}, from.body, from.remote_port};
    for (const auto& [name, value] : from.headers) request.headers.emplace_back(name, value);
    {
      std::scoped_lock lock(mutex);
      requests.push_back(request);
    }
    Reply reply = handler(request);
    if (reply.delay > Duration::zero()) std::this_thread::sleep_for(reply.delay);
    to.status = reply.status;
    for (const auto& [name, value] : reply.headers) to.headers.emplace(name, value);
    if (reply.endless) {
      to.set_chunked_content_provider(reply.content_type, [body = reply.body](std::size_t, httplib::DataSink& sink) {
        return sink.write(body.data(), body.size());
      });
    } else if (reply.next) {
      to.set_chunked_content_provider(reply.content_type, [next = reply.next](std::size_t, httplib::DataSink& sink) {
        const std::optional<std::string> piece = next();
        if (!piece) {
          sink.done();
          return true;
        }
        return piece->empty() || sink.write(piece->data(), piece->size());
      });
    } else {
      to.set_content(reply.body, reply.content_type);
    }
  }
};

HttpServer::HttpServer(Handler handler, std::optional<ServerTls> tls, std::size_t threads)
    : impl_(std::make_unique<Impl>()) {
  impl_->handler = std::move(handler);
  impl_->tls = tls.has_value();
  if (tls.has_value()) {
    impl_->server = std::make_unique<httplib::SSLServer>([&](SSL_CTX& context) {
      impl_->context = &context;
      return Configure(context, *tls);
    });
  } else {
    impl_->server = std::make_unique<httplib::Server>();
  }
  httplib::Server& server = *impl_->server;
  server.new_task_queue = [threads] { return new httplib::ThreadPool(threads); };
  server.set_keep_alive_max_count(1000);
  server.set_keep_alive_timeout(1);
  server.set_tcp_nodelay(true);
  int listener = -1;
  server.set_socket_options([&listener](int descriptor) { listener = descriptor; });
  auto answer = [this](const httplib::Request& from, httplib::Response& to) { impl_->Answer(from, to); };
  server.Get(".*", answer).Post(".*", answer).Put(".*", answer).Delete(".*", answer).Patch(".*", answer);
  impl_->port = server.bind_to_any_port("127.0.0.1");
  // The library lets five connections wait. One more, and the kernel drops its handshake, which is tried again after a
  // second.
  constexpr int kBacklog = 1024;
  listen(listener, kBacklog);
  impl_->thread = std::thread([&server] { server.listen_after_bind(); });
  while (!server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

HttpServer::~HttpServer() {
  impl_->server->stop();
  impl_->thread.join();
}

int HttpServer::port() const {
  return impl_->port;
}

std::string HttpServer::Origin(const std::string& host) const {
  return (impl_->tls ? "https://" : "http://") + host + ":" + std::to_string(impl_->port);
}

net::Url HttpServer::At(const std::string& target, const std::string& host) const {
  return MustParse(Origin(host) + target);
}

std::vector<ReceivedRequest> HttpServer::requests() const {
  std::scoped_lock lock(impl_->mutex);
  return impl_->requests;
}

std::size_t HttpServer::CountOf(const std::string& path) const {
  auto received = requests();
  auto count =
      std::count_if(received.begin(), received.end(), [&](const auto& request) { return request.Path() == path; });
  return static_cast<std::size_t>(count);
}

std::size_t HttpServer::ResumedSessions() const {
  return impl_->context == nullptr ? 0 : static_cast<std::size_t>(SSL_CTX_sess_hits(impl_->context));
}

std::string RawConnection::Read(std::size_t size) {
  std::string bytes(size, '\0');
  ssize_t count = recv(descriptor_, bytes.data(), size, 0);
  bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return bytes;
}

std::string RawConnection::ReadHead() {
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    std::string byte = Read(1);
    if (byte.empty()) return "";
    head += byte;
  }
  return head;
}

bool RawConnection::Write(const std::string& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    ssize_t count = send(descriptor_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

void RawConnection::AwaitClose(Duration at_most) {
  timeval timeout{at_most.count() / 1000, (at_most.count() % 1000) * 1000};
  setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  while (!Read(4096).empty()) {
  }
}

struct RawServer::Impl {
  int listener = -1;
  Script script;
  std::atomic<std::size_t> connections = 0;
  std::atomic<int> current = -1;
  std::thread thread;

  void Serve() {
    while (true) {
      int descriptor = accept(listener, nullptr, nullptr);
      if (descriptor < 0) return;
      current = descriptor;
      RawConnection connection(descriptor);
      script(connection, connections++);
      current = -1;
      shutdown(descriptor, SHUT_RDWR);
      close(descriptor);
    }
  }
};

RawServer::RawServer(Script script) : impl_(std::make_unique<Impl>()) {
  impl_->script = std::move(script);
  impl_->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback();
  bind(impl_->listener, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  listen(impl_->listener, 16);
  impl_->thread = std::thread([this] { impl_->Serve(); });
}

RawServer::~RawServer() {
  shutdown(impl_->listener, SHUT_RDWR);
  if (int current = impl_->current; current >= 0) shutdown(current, SHUT_RDWR);
  impl_->thread.join();
  close(impl_->listener);
}

int RawServer::port() const {
  return PortOf(impl_->listener);
}
net::Url RawServer::At(const std::string& target) const {
  return MustParse("http://127.0.0.1:" + std::to_string(port()) + target);
}
std::size_t RawServer::connections() const {
  return impl_->connections;
}

int UnusedPort() {
  int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback();
  bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  int port = PortOf(descriptor);
  close(descriptor);
  return port;
}

}  // namespace gatehouse::fakes
