#include "common/net/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <array>
#include <list>
#include <mutex>

#include "common/base/encoding.h"
#include "common/net/address.h"

namespace gatehouse::net {
namespace {

// Where Debian keeps its roots. Named here, because OpenSSL's own default would be changed by the environment.
constexpr const char* kSystemRoots = "/etc/ssl/certs/ca-certificates.crt";
constexpr int kSecurityLevel = 2;  // 112 bits: RSA and DH from 2048, no SHA-1 in certificates
constexpr std::array<unsigned char, 9> kAlpn = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free>>;
using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using SslPtr = std::unique_ptr<SSL, Freer<SSL_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, Freer<SSL_SESSION_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, Freer<X509_STORE_CTX_free>>;

constexpr std::size_t kSessionsPerPeer = 8;
constexpr std::size_t kSessions = 256;  // of all peers; one has a few KiB

BioPtr MemoryBio(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// OpenSSL's own callback asks at the terminal for the pass phrase of an encrypted key.
int NoPassphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*user*/) {
  return -1;
}

Result<std::vector<X509Ptr>> ReadCertificates(const std::string& pem, std::string_view what) {
  BioPtr bio = MemoryBio(pem);
  std::vector<X509Ptr> certificates;
  while (bio != nullptr) {
    X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr));
    if (certificate == nullptr) break;
    certificates.push_back(std::move(certificate));
  }
  // The end of the file is a PEM_R_NO_START_LINE; anything else is a block that could not be read.
  bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  std::string errors = TakeTlsErrors();
  if (!at_end) return Error{Reason::kCertificateMalformed, std::string(what), errors};
  if (certificates.empty()) return Error{Reason::kCertificateMalformed, std::string(what), "holds no PEM certificate"};
  return certificates;
}

Status LoadRoots(SSL_CTX* context, const std::string& pem) {
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  if (pem.empty()) {
    // Without the file every server is refused ("unable to get local issuer certificate"), which is the safe end of it.
    if (X509_STORE_load_file(store, kSystemRoots) != 1) ERR_clear_error();
    return Ok();
  }
  ASSIGN_OR_RETURN(auto roots, ReadCertificates(pem, "CA certificates"));
  for (const X509Ptr& root : roots) {
    if (X509_STORE_add_cert(store, root.get()) != 1)
      return Error{Reason::kCertificateMalformed, "CA certificates", TakeTlsErrors()};
  }
  // What the operator lists is an anchor, also an intermediate authority.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  return Ok();
}

Status LoadClientCertificate(SSL_CTX* context, const TlsClientOptions& options) {
  if (options.certificate_pem.empty() && options.key_pem.empty()) return Ok();
  if (options.certificate_pem.empty() || options.key_pem.empty()) {
    return Error{Reason::kConfigInvalid, "client certificate",
                 "a certificate and its key are given together or not at all"};
  }
  ASSIGN_OR_RETURN(auto chain, ReadCertificates(options.certificate_pem, "client certificate"));
  if (SSL_CTX_use_certificate(context, chain[0].get()) != 1) {
    return Error{Reason::kConfigInvalid, "client certificate", TakeTlsErrors()};
  }
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) {
      return Error{Reason::kConfigInvalid, "client certificate", TakeTlsErrors()};
    }
  }
  BioPtr bio = MemoryBio(options.key_pem);
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  if (key == nullptr) {
    ERR_clear_error();  // what it says might quote the key
    return Error{Reason::kKeyMalformed, "client key", "is no unencrypted private key in PEM form"};
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    ERR_clear_error();
    return Error{Reason::kConfigInvalid, "client key", "does not belong to the client certificate"};
  }
  return Ok();
}

// write(2) on a connection that the peer closed raises SIGPIPE, which ends a program that has no handler.
int WriteWithoutSignal(BIO* bio, const char* data, int size) {
  int descriptor = -1;
  BIO_get_fd(bio, &descriptor);
  BIO_clear_retry_flags(bio);
  auto sent = static_cast<int>(send(descriptor, data, static_cast<std::size_t>(size), MSG_NOSIGNAL));
  if (sent <= 0 && BIO_sock_should_retry(sent) != 0) BIO_set_retry_write(bio);
  return sent;
}

// The socket BIO of OpenSSL, but for its write.
BIO_METHOD* MakeSocketMethod() {
  const BIO_METHOD* socket = BIO_s_socket();
  BIO_METHOD* method =
      BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "gatehouse socket");
  if (method == nullptr) return nullptr;
  BIO_meth_set_read(method, BIO_meth_get_read(socket));
  BIO_meth_set_puts(method, nullptr);
  BIO_meth_set_ctrl(method, BIO_meth_get_ctrl(socket));
  BIO_meth_set_create(method, BIO_meth_get_create(socket));
  BIO_meth_set_destroy(method, BIO_meth_get_destroy(socket));
  BIO_meth_set_write(method, WriteWithoutSignal);
  return method;
}

bool ExpectHost(SSL* session, const std::string& host) {
  X509_VERIFY_PARAM* parameters = SSL_get0_param(session);
  // RFC 9525 section 6: names are compared with subjectAltName only, and "*" stands for a whole left-most label.
  X509_VERIFY_PARAM_set_hostflags(parameters,
                                  X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (IpAddress::Parse(host).has_value()) return X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str()) == 1;
  // RFC 6066 section 3: literal addresses are not permitted in server_name.
  return X509_VERIFY_PARAM_set1_host(parameters, host.data(), host.size()) == 1 &&
         SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(host.c_str())) ==
             1;
}

}  // namespace

// Sessions that may be resumed, the newest first.
class TlsContext::Sessions {
 public:
  void Put(const std::string& peer, SessionPtr session) {
    std::scoped_lock lock(mutex_);
    kept_.push_front({peer, std::move(session)});
    std::size_t of_peer = 0;
    std::size_t all = 0;
    std::erase_if(kept_, [&](const Kept& kept) {
      return (kept.peer == peer && ++of_peer > kSessionsPerPeer) || ++all > kSessions;
    });
  }

  SessionPtr Take(const std::string& peer) {
    std::scoped_lock lock(mutex_);
    for (auto kept = kept_.begin(); kept != kept_.end(); ++kept) {
      if (kept->peer != peer) continue;
      // RFC 8446 appendix C.4: "Clients SHOULD NOT reuse a ticket for multiple connections." One of TLS 1.2 is not
      // replaced by a resumption, and stays.
      if (SSL_SESSION_get_protocol_version(kept->session.get()) < TLS1_3_VERSION) {
        SSL_SESSION_up_ref(kept->session.get());
        return SessionPtr(kept->session.get());
      }
      SessionPtr session = std::move(kept->session);
      kept_.erase(kept);
      return session;
    }
    return nullptr;
  }

 private:
  struct Kept {
    std::string peer;
    SessionPtr session;
  };
  std::mutex mutex_;
  std::list<Kept> kept_;
};

TlsContext::TlsContext() : context_(SSL_CTX_new(TLS_client_method())), socket_method_(MakeSocketMethod()) {}

TlsContext::~TlsContext() {
  SSL_CTX_free(context_);
  BIO_meth_free(socket_method_);
}

Result<std::unique_ptr<TlsContext>> TlsContext::Make(const TlsClientOptions& options, bool resume) {
  std::unique_ptr<TlsContext> made(new TlsContext());
  SSL_CTX* context = made->context_;
  if (context == nullptr || made->socket_method_ == nullptr) return Error{Reason::kInternal, "TLS", TakeTlsErrors()};
  SSL_CTX_set_security_level(context, kSecurityLevel);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_alpn_protos(context, kAlpn.data(), kAlpn.size()) != 0) {
    return Error{Reason::kInternal, "TLS", TakeTlsErrors()};
  }
  RETURN_IF_ERROR(LoadRoots(context, options.ca_pem));
  RETURN_IF_ERROR(LoadClientCertificate(context, options));
  made->server_name_ = options.server_name;
  if (resume && options.certificate_pem.empty()) {
    made->sessions_ = std::make_unique<Sessions>();
    SSL_CTX_set_app_data(context, made.get());
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, KeepSession);
  }
  return made;
}

// OpenSSL's callback for a session or ticket that the server gave. 1: the reference is ours now.
int TlsContext::KeepSession(SSL* connection, SSL_SESSION* session) {
  const auto* self = static_cast<const TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(connection)));
  const auto* peer = static_cast<const std::string*>(SSL_get_app_data(connection));
  if (peer == nullptr || SSL_SESSION_is_resumable(session) != 1) return 0;
  self->sessions_->Put(*peer, SessionPtr(session));
  return 1;
}

SSL* TlsContext::NewSession(int descriptor, const std::string& host, const std::string* peer) {
  SslPtr session(SSL_new(context_));
  BioPtr bio(BIO_new(socket_method_));
  const std::string& expected = server_name_.empty() ? host : server_name_;
  if (session == nullptr || bio == nullptr || !ExpectHost(session.get(), expected)) return nullptr;
  BIO_set_fd(bio.get(), descriptor, BIO_NOCLOSE);
  SSL_set_bio(session.get(), bio.get(), bio.get());
  (void)bio.release();  // owned by the session now
  if (sessions_ == nullptr || peer == nullptr) return session.release();
  SSL_set_app_data(session.get(), const_cast<std::string*>(peer));
  if (SessionPtr earlier = sessions_->Take(*peer)) SSL_set_session(session.get(), earlier.get());
  return session.release();
}

Status TlsContext::VerifyAgain(SSL* session, const std::string& where) const {
  StoreContextPtr verification(X509_STORE_CTX_new());
  X509* leaf = SSL_get0_peer_certificate(session);
  bool ready = verification != nullptr && leaf != nullptr &&
               X509_STORE_CTX_init(verification.get(), SSL_CTX_get_cert_store(context_), leaf,
                                   SSL_get_peer_cert_chain(session)) == 1 &&
               X509_STORE_CTX_set_default(verification.get(), "ssl_server") == 1 &&
               X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(verification.get()), SSL_get0_param(session)) == 1;
  if (ready && X509_verify_cert(verification.get()) == 1) return Ok();
  std::string cause = ready ? X509_verify_cert_error_string(X509_STORE_CTX_get_error(verification.get()))
                            : "the resumed session has none";
  (void)TakeTlsErrors();
  return Error{Reason::kNetworkUnavailable, where, "TLS: the server's certificate is refused: " + cause};
}

std::string TakeTlsErrors() {
  std::string all;
  while (unsigned long code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    if (!all.empty()) all += "; ";
    all += reason != nullptr ? Printable(reason, 100) : "OpenSSL error " + std::to_string(code);
  }
  return all;
}

}  // namespace gatehouse::net
