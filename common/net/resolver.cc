#include "common/net/resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "common/base/limits.h"

namespace gatehouse::net {
namespace {

using Addresses = Result<std::vector<IpAddress>>;

std::optional<IpAddress> AddressOf(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof(v4));
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    return IpAddress::FromBytes(bytes);
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof(v6));
    return IpAddress::FromBytes(v6.sin6_addr.s6_addr);
  }
  return std::nullopt;
}

Addresses Lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  int failure = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (failure != 0) {
    return Error{Reason::kNetworkUnavailable, host, std::string("the name does not resolve: ") + gai_strerror(failure)};
  }
  std::vector<IpAddress> addresses;
  for (const addrinfo* item = list; item != nullptr && addresses.size() < limits::kResolvedAddresses;
       item = item->ai_next) {
    auto address = AddressOf(item->ai_addr);
    if (address.has_value() && std::find(addresses.begin(), addresses.end(), *address) == addresses.end()) {
      addresses.push_back(*address);
    }
  }
  freeaddrinfo(list);
  return addresses;
}

// Shared by the waiting caller and the look-up's thread, whichever lives longer.
struct Answer {
  std::mutex mutex;
  std::condition_variable arrived;
  std::optional<Addresses> addresses;
};

}  // namespace

Addresses SystemResolver::Resolve(const std::string& host, const Deadline& deadline) const {
  if (deadline.Passed()) return Error{Reason::kDeadlineExceeded, host, "no time was left to look its name up"};
  if (pending_->fetch_add(1) >= limits::kPendingLookups) {
    pending_->fetch_sub(1);
    return Error{Reason::kOverloaded, host, "too many name look-ups are unanswered; check the DNS servers"};
  }
  auto answer = std::make_shared<Answer>();
  auto work = [answer, host, pending = pending_] {
    try {
      Addresses addresses = Lookup(host);
      std::scoped_lock lock(answer->mutex);
      answer->addresses = std::move(addresses);
    } catch (const std::exception&) {  // lint-ok: M07 a thread's entry; the caller times out
    }
    answer->arrived.notify_all();
    pending->fetch_sub(1);
  };
  try {
    std::thread(std::move(work)).detach();
  } catch (const std::system_error&) {  // lint-ok: M07 std::thread reports by exception
    pending_->fetch_sub(1);
    return Error{Reason::kNetworkUnavailable, host, "no thread could be started for the name look-up"};
  }
  std::unique_lock lock(answer->mutex);
  answer->arrived.wait_for(lock, deadline.Remaining(), [&] { return answer->addresses.has_value(); });
  if (!answer->addresses.has_value()) {
    return Error{Reason::kDeadlineExceeded, host, "the name look-up was not answered in time"};
  }
  return *std::move(answer->addresses);
}

}  // namespace gatehouse::net
