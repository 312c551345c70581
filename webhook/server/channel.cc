#include "webhook/server/channel.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace gatehouse::webhook {
namespace {

constexpr std::size_t kBufferBytes = 16 * 1024;  // a TLS record carries no more

bool WouldBlock() {
  return errno == EAGAIN;  // EWOULDBLOCK is the same on Linux
}

}  // namespace

Channel::~Channel() {
  tls_.reset();
  if (descriptor_ >= 0) close(descriptor_);
}

// What SSL_get_error() makes of the last operation; it looks at the thread's error queue, which is why every operation
// begins with an empty one.
Channel::Io Channel::Explain(int result) const {
  switch (SSL_get_error(tls_.get(), result)) {
    case SSL_ERROR_NONE:
      return Io::kDone;
    case SSL_ERROR_WANT_READ:
      return Io::kWantRead;
    case SSL_ERROR_WANT_WRITE:
      return Io::kWantWrite;
    case SSL_ERROR_ZERO_RETURN:
      return Io::kEnd;
    default:
      return Io::kFailed;
  }
}

Channel::Io Channel::Handshake(std::string& failure) {
  if (tls_ == nullptr) return Io::kDone;
  ERR_clear_error();
  const int result = SSL_do_handshake(tls_.get());
  if (result == 1) return Io::kDone;
  const Io io = Explain(result);
  if (io == Io::kFailed) {
    const unsigned long code = ERR_peek_last_error();
    const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    failure = reason == nullptr ? "the connection broke off" : reason;
    const long verified = SSL_get_verify_result(tls_.get());
    if (verified != X509_V_OK) failure += std::string(": ") + X509_verify_cert_error_string(verified);
    ERR_clear_error();
  }
  return io;
}

std::optional<ClientIdentity> Channel::Client() const {
  return tls_ == nullptr ? std::nullopt : VerifiedClient(tls_.get());
}

Channel::Io Channel::Read(std::string& to) {
  std::array<char, kBufferBytes>
      buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): 16 KiB a read are not to be zeroed
  if (tls_ == nullptr) {
    const ssize_t count = recv(descriptor_, buffer.data(), buffer.size(), 0);
    if (count < 0) return WouldBlock() || errno == EINTR ? Io::kWantRead : Io::kFailed;
    if (count == 0) return Io::kEnd;
    to.append(buffer.data(), static_cast<std::size_t>(count));
    return Io::kDone;
  }
  ERR_clear_error();
  std::size_t count = 0;
  const int result = SSL_read_ex(tls_.get(), buffer.data(), buffer.size(), &count);
  if (result != 1) return Explain(result);
  to.append(buffer.data(), count);
  return Io::kDone;
}

bool Channel::Buffered() const {
  return tls_ != nullptr && SSL_has_pending(tls_.get()) == 1;
}

Channel::Io Channel::Write(std::string_view& bytes) {
  while (!bytes.empty()) {
    std::size_t count = 0;
    if (tls_ == nullptr) {
      const ssize_t sent = send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) return WouldBlock() || errno == EINTR ? Io::kWantWrite : Io::kFailed;
      count = static_cast<std::size_t>(sent);
    } else {
      ERR_clear_error();
      const int result = SSL_write_ex(tls_.get(), bytes.data(), bytes.size(), &count);
      if (result != 1) return Explain(result);
    }
    bytes.remove_prefix(count);
  }
  return Io::kDone;
}

void Channel::SendEnd() {
  if (tls_ != nullptr && SSL_is_init_finished(tls_.get()) == 1) {
    ERR_clear_error();
    SSL_shutdown(tls_.get());
    ERR_clear_error();
  }
  shutdown(descriptor_, SHUT_WR);
}

Channel::Io Channel::Discard() {
  std::array<char, kBufferBytes> buffer;      // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (int turns = 0; turns < 64; ++turns) {  // a peer that never stops sending does not get a thread to itself
    const ssize_t count = recv(descriptor_, buffer.data(), buffer.size(), 0);
    if (count == 0) return Io::kEnd;
    if (count < 0 && errno != EINTR) return WouldBlock() ? Io::kWantRead : Io::kFailed;
  }
  return Io::kWantRead;
}

}  // namespace gatehouse::webhook
