#include "tests/agent/tpm_proxy.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

namespace gatehouse::agent {

TpmProxy::TpmProxy(const fakes::Swtpm& tpm, Answer answer, Extra extra)
    : upstream_(tpm.socket()), path_(tpm.folder() / "p"), answer_(std::move(answer)), extra_(std::move(extra)) {
  std::filesystem::remove(path_);
  std::filesystem::path control = path_.string() + ".ctrl";
  std::filesystem::remove(control);
  std::filesystem::create_symlink(upstream_.string() + ".ctrl", control);
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string text = path_.string();
  std::memcpy(address.sun_path, text.data(), std::min(text.size(), sizeof(address.sun_path) - 1));
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener_, 4) != 0) {
    std::abort();
  }
  thread_ = std::thread([this] { Serve(); });
}

TpmProxy::~TpmProxy() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
}

int TpmProxy::CountOf(std::uint32_t code) {
  std::lock_guard lock(mutex_);
  return counts_[code];
}

Bytes TpmProxy::Code(std::uint32_t code) {
  ByteWriter response;
  response.PutU16Be(0x8001);
  response.PutU32Be(10);
  response.PutU32Be(code);
  return std::move(response).Finish();
}

void TpmProxy::Serve() {
  for (;;) {
    int client = ::accept(listener_, nullptr, nullptr);
    if (client < 0) return;
    ServeClient(client);
    ::close(client);
  }
}

void TpmProxy::ServeClient(int client) {
  int tpm = fakes::ConnectUnix(upstream_);
  while (auto command = fakes::ReceiveTpmMessage(client)) {
    ByteReader reader(*command, Reason::kInternal, "command");
    if (!reader.Take(6).ok()) break;
    std::uint32_t code = reader.TakeU32Be().value();
    int n = 0;
    {
      std::lock_guard lock(mutex_);
      n = ++counts_[code];
    }
    std::optional<Bytes> response = answer_ ? answer_(code, n) : std::nullopt;
    if (!response) {
      if (!fakes::SendTpmMessage(tpm, *command)) break;
      response = fakes::ReceiveTpmMessage(tpm);
    }
    std::optional<Bytes> extra = extra_ ? extra_(code, n) : std::nullopt;
    if (extra && fakes::SendTpmMessage(tpm, *extra)) static_cast<void>(fakes::ReceiveTpmMessage(tpm));
    if (!response || !fakes::SendTpmMessage(client, *response)) break;
  }
  ::close(tpm);
}

}  // namespace gatehouse::agent
