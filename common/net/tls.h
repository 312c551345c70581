// TLS client settings as OpenSSL holds them.
#pragma once

#include <memory>
#include <string>

#include "common/net/https_transport.h"

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;
typedef struct bio_method_st BIO_METHOD;

namespace gatehouse::net {

// TLS 1.2 or later, the server's chain verified against the given roots only, its name against subjectAltName only.
// Immutable after Make, so that many connections share it.
class TlsContext {
 public:
  // Errors: kConfigInvalid, kCertificateMalformed, kKeyMalformed.
  [[nodiscard]] static Result<std::unique_ptr<TlsContext>> Make(const TlsClientOptions& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // A client session over a connected, non-blocking descriptor, that accepts a certificate for `host` (a name or an
  // address) only, or for the options' server_name in its place. The caller frees it with SSL_free, which leaves the
  // descriptor open. Null if out of memory.
  [[nodiscard]] SSL* NewSession(int descriptor, const std::string& host) const;

 private:
  TlsContext();
  SSL_CTX* context_ = nullptr;
  BIO_METHOD* socket_method_ = nullptr;
  std::string server_name_;
};

// What OpenSSL's error queue of this thread says, emptied; "" if nothing.
[[nodiscard]] std::string TakeTlsErrors();

}  // namespace gatehouse::net
