// The TLS half of a listener: which protocol is spoken, and the certificate, key and client CA that are in use, read
// again from their files when these change. A whole SSL_CTX is made of the files and put in the place of the old one,
// so that a connection sees a certificate, a key and a client CA that belong together; connections that exist keep
// theirs.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "webhook/server/http_server.h"

struct ssl_ctx_st;
struct ssl_st;

namespace gatehouse::webhook {

struct SslFree {
  void operator()(ssl_st* ssl) const;
};
using SslPtr = std::unique_ptr<ssl_st, SslFree>;

// TLS 1.2 and 1.3, ECDHE with AEAD only, no renegotiation, HTTP/1.1 by ALPN. Sessions are resumed by ticket for five
// minutes at most, and never across a change of the files: a client certificate whose CA was taken away does not live
// on in a ticket. Every certificate of the client CA file is a trust anchor, intermediate ones too, as Kubernetes (Go)
// reads such a file. Whether the serving certificate is still valid is not judged here, as a client does that; it is
// told by Expiry().
class ServingTls {
 public:
  // Errors: kConfigInvalid, naming the file and what is wrong with it. `clock` and `log` must outlive it.
  [[nodiscard]] static Result<std::unique_ptr<ServingTls>> Make(TlsFiles files, std::string listener,
                                                                const Clock& clock, telemetry::Logger& log);

  // Reads the files again if one of them changed; what is wrong with a replacement is logged, and the old stays in use.
  void Refresh();
  // The TLS state of a new connection over the descriptor, which stays the caller's. Null only for want of memory.
  [[nodiscard]] SslPtr NewConnection(int descriptor) const;
  [[nodiscard]] WallTime Expiry() const;

 private:
  // What tells that a file is another than before, also behind a symbolic link that was swapped (a mounted Secret). All
  // zero: no such file.
  struct Stamp {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    std::int64_t seconds = 0;
    std::int64_t nanoseconds = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  using Stamps = std::array<Stamp, 3>;
  struct InUse {
    std::shared_ptr<ssl_ctx_st> context;
    WallTime expiry;
    std::string texts;  // of the files, to see whether anything but a time stamp changed
  };

  ServingTls(TlsFiles files, std::string listener, const Clock& clock, telemetry::Logger& log);
  [[nodiscard]] Stamps Look() const;
  [[nodiscard]] Result<InUse> Load() const;

  const TlsFiles files_;
  const std::string listener_;
  const Clock& clock_;
  telemetry::Logger& log_;
  Stamps tried_;  // only Make() and Refresh(), which one thread calls
  mutable std::mutex mutex_;
  InUse in_use_;
};

// Of the verified client certificate of a finished handshake: nothing without one, and nothing for one that does not
// carry exactly one common name in plain text, since which of several is meant would be a guess.
[[nodiscard]] std::optional<ClientIdentity> VerifiedClient(const ssl_st* ssl);

}  // namespace gatehouse::webhook
