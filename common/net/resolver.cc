#include "common/net/resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <list>
#include <map>
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

constexpr std::size_t kKnownNames = 1024;

}  // namespace

struct SystemResolver::Answer {
  std::condition_variable arrived;
  std::optional<Addresses> addresses;  // written once, under the lock
};

struct SystemResolver::State {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<Answer>> pending;
  // What was found last, the names found last first.
  std::list<std::pair<std::string, std::vector<IpAddress>>> known;
};

SystemResolver::SystemResolver(LookUp look_up)
    : look_up_(look_up ? std::move(look_up) : LookUp(Lookup)), state_(std::make_shared<State>()) {}

void SystemResolver::Settle(State& state, const std::string& host, Answer& answer, Addresses addresses) {
  {
    std::scoped_lock lock(state.mutex);
    if (addresses.ok()) {
      std::erase_if(state.known, [&](const auto& each) { return each.first == host; });
      state.known.emplace_front(host, *addresses);
      if (state.known.size() > kKnownNames) state.known.pop_back();
    }
    answer.addresses = std::move(addresses);
    state.pending.erase(host);
  }
  answer.arrived.notify_all();
}

Addresses SystemResolver::Resolve(const std::string& host, const Deadline& deadline) const {
  if (deadline.Passed()) return Error{Reason::kDeadlineExceeded, host, "no time was left to look its name up"};
  std::unique_lock lock(state_->mutex);
  auto found = state_->pending.find(host);
  std::shared_ptr<Answer> answer = found == state_->pending.end() ? nullptr : found->second;
  if (answer == nullptr && state_->pending.size() >= limits::kPendingLookups) {
    for (const auto& [name, addresses] : state_->known) {
      if (name == host) return addresses;
    }
    return Error{Reason::kOverloaded, host, "too many name look-ups are unanswered; check the DNS servers"};
  }
  if (answer == nullptr) {
    answer = std::make_shared<Answer>();
    state_->pending.emplace(host, answer);
    lock.unlock();
    auto work = [answer, host, look_up = look_up_, state = state_] {
      try {
        Settle(*state, host, *answer, look_up(host));
      } catch (const std::exception&) {  // lint-ok: M07 a thread's entry
        Settle(*state, host, *answer, Error{Reason::kNetworkUnavailable, host, "the name look-up failed"});
      }
    };
    try {
      std::thread(std::move(work)).detach();
    } catch (const std::system_error&) {  // lint-ok: M07 std::thread reports by exception
      Settle(*state_, host, *answer,
             Error{Reason::kNetworkUnavailable, host, "no thread could be started for the name look-up"});
    }
    lock.lock();
  }
  answer->arrived.wait_for(lock, deadline.Remaining(), [&] { return answer->addresses.has_value(); });
  if (!answer->addresses.has_value()) {
    return Error{Reason::kDeadlineExceeded, host, "the name look-up was not answered in time"};
  }
  return *answer->addresses;
}

}  // namespace gatehouse::net
