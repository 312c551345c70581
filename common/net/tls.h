// TLS client settings as OpenSSL holds them.
#pragma once

#include <memory>
#include <string>

#include "common/net/https_transport.h"

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;
typedef struct ssl_session_st SSL_SESSION;
typedef struct bio_method_st BIO_METHOD;

namespace gatehouse::net {

// TLS 1.2 or later, the server's chain verified against the given roots only, its name against subjectAltName only.
// Many connections share it; it keeps sessions that may be resumed, bounded, and nothing else that changes.
class TlsContext {
 public:
  // Errors: kConfigInvalid, kCertificateMalformed, kKeyMalformed.
  [[nodiscard]] static Result<std::unique_ptr<TlsContext>> Make(const TlsClientOptions& options, bool resume = false);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // A client session over a connected, non-blocking descriptor, that accepts a certificate for `host` (a name or an
  // address) only, or for the options' server_name in its place. The caller frees it with SSL_free, which leaves the
  // descriptor open. Null if out of memory.
  // With `peer` (which server this is; it must outlive the result), tickets that the server gives are kept under that
  // name, and one of them is offered now.
  [[nodiscard]] SSL* NewSession(int descriptor, const std::string& host, const std::string* peer = nullptr);
  // After a handshake that resumed a session, whose certificate was verified when it began: the same once more, because
  // a chain of resumptions may outlive a certificate. Errors: kNetworkUnavailable with `where`.
  [[nodiscard]] Status VerifyAgain(SSL* session, const std::string& where) const;

 private:
  class Sessions;
  TlsContext();
  static int KeepSession(SSL* connection, SSL_SESSION* session);
  SSL_CTX* context_ = nullptr;
  BIO_METHOD* socket_method_ = nullptr;
  std::string server_name_;
  std::unique_ptr<Sessions> sessions_;  // null: none are kept
};

// What OpenSSL's error queue of this thread says, emptied; "" if nothing.
[[nodiscard]] std::string TakeTlsErrors();

}  // namespace gatehouse::net
