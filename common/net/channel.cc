#include "common/net/channel.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <system_error>

#include "common/base/limits.h"

namespace gatehouse::net {
namespace {

std::string ErrorText(int code) {
  return std::generic_category().message(code);
}

// The address in the form of the socket calls, and its length.
socklen_t Fill(const IpAddress& address, int port, sockaddr_storage& storage) {
  auto port_be = htons(static_cast<std::uint16_t>(port));
  if (address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = port_be;
    std::memcpy(&v4.sin_addr, address.bytes().data(), 4);
    std::memcpy(&storage, &v4, sizeof(v4));
    return sizeof(v4);
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = port_be;
  std::memcpy(&v6.sin6_addr, address.bytes().data(), 16);
  std::memcpy(&storage, &v6, sizeof(v6));
  return sizeof(v6);
}

void SetOption(int descriptor, int level, int option, int value) {
  setsockopt(descriptor, level, option, &value, sizeof(value));
}

// A stream may be silent for minutes because there is nothing to say, or because the peer's machine lost power and
// nobody will ever reset the connection: RFC 9293 section 3.8.4 (keep-alives) and RFC 5482 (user timeout) tell the two
// apart.
void FindDeadPeers(int descriptor) {
  SetOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(limits::kKeepAliveIdle.count()));
  SetOption(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, static_cast<int>(limits::kKeepAliveInterval.count()));
  SetOption(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT,
            static_cast<int>(std::chrono::milliseconds(limits::kPeerGoneAfter).count()));
}

int PollTimeout(const Deadline& deadline) {
  return static_cast<int>(std::min<std::int64_t>(deadline.Remaining().count(), INT_MAX));
}

}  // namespace

Result<std::unique_ptr<Channel>> Channel::Dial(const std::vector<IpAddress>& addresses, int port,
                                               const std::string& name, const Deadline& deadline) {
  std::string failures = addresses.empty() ? "the name has no address" : "";
  for (const IpAddress& address : addresses) {
    if (deadline.Passed()) return Error{Reason::kDeadlineExceeded, name, "no time was left to connect"};
    sockaddr_storage storage{};
    socklen_t length = Fill(address, port, storage);
    int descriptor = socket(address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return Error{Reason::kNetworkUnavailable, name, "no socket: " + ErrorText(errno)};
    std::unique_ptr<Channel> channel(new Channel(descriptor, name));
    int failure = connect(descriptor, reinterpret_cast<const sockaddr*>(&storage), length) == 0 ? 0 : errno;
    if (failure == EINPROGRESS) {
      Status writable = channel->Await(POLLOUT, deadline.Sooner(limits::kConnectTimeout));
      if (!writable.ok() && deadline.Passed()) return writable.error();
      socklen_t size = sizeof(failure);
      failure = ETIMEDOUT;
      if (writable.ok()) getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &size);
    }
    if (failure == 0) {
      SetOption(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
      FindDeadPeers(descriptor);
      return channel;
    }
    failures += (failures.empty() ? "" : "; ") + address.ToString() + ": " + ErrorText(failure);
  }
  return Error{Reason::kNetworkUnavailable, name, "cannot connect: " + failures};
}

Channel::~Channel() {
  if (session_ != nullptr) {
    ERR_clear_error();
    // RFC 8446 section 6.1: one close_notify, without waiting for the peer's. OpenSSL refuses to after a fatal error.
    if (SSL_is_init_finished(session_) != 0) SSL_shutdown(session_);
    SSL_free(session_);
    ERR_clear_error();
  }
  close(descriptor_);
}

Status Channel::Await(short events, const Deadline& deadline) const {
  pollfd waiting{descriptor_, events, 0};
  while (true) {
    int ready = poll(&waiting, 1, PollTimeout(deadline));
    if (ready > 0) return Ok();
    // Time that poll has waited is time passed, also where the deadline's clock is a test's.
    if (ready == 0) return Error{Reason::kDeadlineExceeded, name_, "no answer in time"};
    if (errno != EINTR) return Error{Reason::kNetworkUnavailable, name_, "poll: " + ErrorText(errno)};
  }
}

// After an OpenSSL call that did not succeed: waits for what it needs, or says why it never will.
Status Channel::AwaitTls(int outcome, std::string_view doing, const Deadline& deadline) {
  int saved = errno;
  int code = SSL_get_error(session_, outcome);
  if (code == SSL_ERROR_WANT_READ) return Await(POLLIN, deadline);
  if (code == SSL_ERROR_WANT_WRITE) return Await(POLLOUT, deadline);
  long verdict = SSL_get_verify_result(session_);
  std::string cause = TakeTlsErrors();
  if (verdict != X509_V_OK) {
    cause = std::string("the server's certificate is refused: ") + X509_verify_cert_error_string(verdict);
  } else if (cause.empty()) {
    cause = code == SSL_ERROR_SYSCALL && saved != 0 ? ErrorText(saved) : "the connection was closed";
  }
  return Error{Reason::kNetworkUnavailable, name_, std::string(doing) + ": " + cause};
}

Status Channel::StartTls(TlsContext& context, const std::string& host, const Deadline& deadline, bool resume) {
  session_ = context.NewSession(descriptor_, host, resume ? &name_ : nullptr);
  if (session_ == nullptr) return Error{Reason::kInternal, name_, "no TLS session: " + TakeTlsErrors()};
  offered_session_ = SSL_get0_session(session_) != nullptr;
  while (true) {
    if (deadline.Passed()) return Error{Reason::kDeadlineExceeded, name_, "no answer in time"};
    ERR_clear_error();
    errno = 0;
    int outcome = SSL_connect(session_);
    if (outcome == 1) break;
    RETURN_IF_ERROR(AwaitTls(outcome, "TLS", deadline));
  }
  return SSL_session_reused(session_) == 1 ? context.VerifyAgain(session_, name_) : Ok();
}

Result<std::size_t> Channel::Read(char* to, std::size_t max, const Deadline& deadline) {
  while (true) {
    // Asked before every read, so that a peer that trickles is cut off as well as one that floods.
    if (deadline.Passed()) return Error{Reason::kDeadlineExceeded, name_, "no complete answer in time"};
    errno = 0;
    if (session_ == nullptr) {
      ssize_t count = recv(descriptor_, to, max, 0);
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno != EAGAIN && errno != EINTR)
        return Error{Reason::kNetworkUnavailable, name_, "reading: " + ErrorText(errno)};
      RETURN_IF_ERROR(Await(POLLIN, deadline));
      continue;
    }
    ERR_clear_error();
    int outcome = SSL_read(session_, to, static_cast<int>(std::min<std::size_t>(max, INT_MAX)));
    if (outcome > 0) return static_cast<std::size_t>(outcome);
    // Only a close_notify ends the data; a bare end of the TCP stream may be a truncation (RFC 8446 section 6.1).
    if (SSL_get_error(session_, outcome) == SSL_ERROR_ZERO_RETURN) return std::size_t{0};
    RETURN_IF_ERROR(AwaitTls(outcome, "reading", deadline));
  }
}

Status Channel::Write(std::string_view bytes, const Deadline& deadline) {
  while (!bytes.empty()) {
    if (deadline.Passed()) return Error{Reason::kDeadlineExceeded, name_, "the request could not be sent in time"};
    errno = 0;
    if (session_ == nullptr) {
      ssize_t count = send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(count));
        continue;
      }
      if (errno != EAGAIN && errno != EINTR)
        return Error{Reason::kNetworkUnavailable, name_, "sending: " + ErrorText(errno)};
      RETURN_IF_ERROR(Await(POLLOUT, deadline));
      continue;
    }
    ERR_clear_error();
    int outcome = SSL_write(session_, bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX)));
    if (outcome > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(outcome));
      continue;
    }
    RETURN_IF_ERROR(AwaitTls(outcome, "sending", deadline));
  }
  return Ok();
}

bool Channel::IsQuiet() {
  char byte = 0;
  if (session_ == nullptr) {
    return recv(descriptor_, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
  }
  // Reads session tickets, which TLS 1.3 servers send at any time and which are no data.
  ERR_clear_error();
  int outcome = SSL_peek(session_, &byte, 1);
  bool quiet = outcome <= 0 && SSL_get_error(session_, outcome) == SSL_ERROR_WANT_READ;
  ERR_clear_error();
  return quiet;
}

}  // namespace gatehouse::net
