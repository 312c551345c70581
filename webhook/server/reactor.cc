#include "webhook/server/reactor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace gatehouse::webhook {
namespace {

constexpr std::uint64_t kStopToken = 0;
constexpr std::uint64_t kListenerToken = 1;
constexpr std::uint64_t kFirstId = 2;
constexpr std::size_t kMinThreads = 2;
constexpr int kThreadIdleMs = 10'000;
constexpr int kAcceptsAtOnce = 64;
constexpr int kAcceptTurns = 64;                // to empty the backlog before it is closed
constexpr std::size_t kOtherDescriptors = 128;  // left to the rest of the program: files, registries, the API server
constexpr Duration kDrainPoll{5};
constexpr Duration kFullLogEvery{10'000};

std::string PeerName(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  sockaddr_in6 v6{};
  sockaddr_in v4{};
  if (address.ss_family == AF_INET6) {
    std::memcpy(&v6, &address, sizeof(v6));
    inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    return "[" + std::string(text.data()) + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  std::memcpy(&v4, &address, sizeof(v4));
  inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
  return std::string(text.data()) + ":" + std::to_string(ntohs(v4.sin_port));
}

epoll_event Event(std::uint32_t events, std::uint64_t token) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = token;
  return event;
}

std::size_t ConnectionLimit(std::size_t wanted) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return wanted;
  const std::size_t allowed = std::max<std::size_t>(files.rlim_cur, 2 * kOtherDescriptors) - kOtherDescriptors;
  return std::min(wanted, allowed);
}

Reactor::Options WithinMachine(Reactor::Options options) {
  options.max_threads = std::max(options.max_threads, kMinThreads);
  options.max_connections = ConnectionLimit(options.max_connections);
  return options;
}

}  // namespace

Reactor::Reactor(Options options, const Clock& clock, telemetry::Logger& log)
    : options_(WithinMachine(std::move(options))), clock_(clock), log_(log), next_id_(kFirstId) {}

Reactor::~Reactor() {
  Stop();
}

Status Reactor::Start(int listener) {
  listener_ = listener;
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  stop_event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event stop = Event(EPOLLIN, kStopToken);
  if (epoll_ < 0 || stop_event_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, stop_event_, &stop) != 0) {
    return Error{Reason::kInternal, options_.name, std::string("epoll: ") + std::strerror(errno)};
  }
  EnsureWaiter();
  if (threads() == 0) return Error{Reason::kInternal, options_.name, "no thread could be started"};
  try {
    keeper_ = std::thread([this] { Keep(); });
  } catch (const std::system_error& failure) {
    return Error{Reason::kInternal, options_.name, std::string("no thread could be started: ") + failure.what()};
  }
  WatchListener(EPOLL_CTL_ADD);
  return Ok();
}

void Reactor::Stop() {
  {
    const std::lock_guard lock(threads_mutex_);
    stopping_ = true;
  }
  keeper_wake_.notify_all();
  if (keeper_.joinable()) keeper_.join();
  if (stop_event_ >= 0) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(stop_event_, &one, sizeof(one));
  }
  for (std::thread& thread : threads_) thread.join();  // none is added once stopping_ is seen under the lock
  threads_.clear();
  table_.clear();
  for (int* descriptor : {&listener_, &stop_event_, &epoll_}) {
    if (*descriptor >= 0) close(*descriptor);
    *descriptor = -1;
  }
}

// --- threads

void Reactor::EnsureWaiter() {
  if (waiting_.load() > 0) return;
  const std::lock_guard lock(threads_mutex_);
  if (stopping_ || thread_count_ >= options_.max_threads) return;
  try {
    threads_.emplace_back([this] { Work(); });
    ++thread_count_;
  } catch (const std::system_error& failure) {
    const MonoTime now = clock_.Mono();
    if (now - last_thread_log_ < kFullLogEvery) return;  // asked for again at every tick
    last_thread_log_ = now;
    log_.Warn("no further thread could be started", {{"listener", options_.name}, {"detail", failure.what()}});
  }
}

bool Reactor::MayLeave() {
  const std::lock_guard lock(threads_mutex_);
  if (stopping_ || thread_count_ <= kMinThreads) return false;
  --thread_count_;
  left_.push_back(std::this_thread::get_id());
  return true;
}

void Reactor::JoinLeft() {
  std::list<std::thread> ended;
  {
    const std::lock_guard lock(threads_mutex_);
    for (const std::thread::id id : left_) {
      const auto thread = std::find_if(threads_.begin(), threads_.end(), [&](auto& t) { return t.get_id() == id; });
      ended.splice(ended.end(), threads_, thread);
    }
    left_.clear();
  }
  for (std::thread& thread : ended) thread.join();
}

void Reactor::Work() {
  while (!stopping_) {
    epoll_event event{};
    ++waiting_;
    const int count = epoll_wait(epoll_, &event, 1, kThreadIdleMs);
    --waiting_;
    if (count == 0 && MayLeave()) return;
    if (count <= 0) continue;
    if (event.data.u64 == kStopToken) return;
    EnsureWaiter();
    if (event.data.u64 == kListenerToken) {
      AcceptSome();
    } else {
      Serve(event.data.u64);
    }
  }
}

// --- connections

void Reactor::WatchListener(int operation) {
  epoll_event event = Event(EPOLLIN | EPOLLONESHOT, kListenerToken);
  epoll_ctl(epoll_, operation, listener_, &event);
}

void Reactor::AcceptSome() {
  const std::lock_guard lock(accepting_);
  for (int i = 0; i < kAcceptsAtOnce && listener_ >= 0; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    const int descriptor =
        accept4(listener_, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      Open(descriptor, PeerName(address));
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      // accept(2) says so also when nobody waits. Who waits stays in the backlog; unless room is made, trying again at
      // once would only burn the processor.
      pollfd backlog{listener_, POLLIN, 0};
      if (poll(&backlog, 1, 0) == 0) break;
      if (MakeRoom()) continue;
      LogFull("connections are left waiting: no descriptors or memory for them", {});
      listener_resting_ = true;
      return;
    } else if (errno == EAGAIN) {
      break;
    }
    // Any other error is of that one connection: accept(2), ECONNABORTED, and the errors of the network that should be
    // "treated like EAGAIN by retrying".
  }
  if (listener_ >= 0) WatchListener(EPOLL_CTL_MOD);
}

void Reactor::AcceptAll(MonoTime until) {
  for (int i = 0; i < kAcceptTurns && (i == 0 || clock_.Mono() < until); ++i) {
    {
      const std::lock_guard lock(accepting_);
      pollfd backlog{listener_, POLLIN, 0};
      if (listener_ < 0 || poll(&backlog, 1, 0) <= 0) return;
    }
    AcceptSome();
  }
}

void Reactor::Open(int descriptor, std::string peer) {
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (connections() >= options_.max_connections && !MakeRoom()) {
    close(descriptor);
    LogFull("connection refused: too many are open", peer);
    return;
  }
  std::unique_ptr<Session> session = options_.open(descriptor, std::move(peer));
  if (session == nullptr) return;
  const Wait wait = session->Begin();
  Id id = 0;
  {
    const std::lock_guard lock(table_mutex_);
    id = next_id_++;
    table_.emplace(id, Entry{std::move(session), {}, {}, true});
  }
  epoll_event event = Event(EPOLLONESHOT, id);  // armed by Park()
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0 || !Park(id, wait)) Remove(id);
}

void Reactor::LogFull(std::string_view message, std::string_view peer) {
  const MonoTime now = clock_.Mono();
  if (now - last_full_log_ < kFullLogEvery) return;
  last_full_log_ = now;
  log_.Warn(message, {{"listener", options_.name}, {"peer", peer}});
}

void Reactor::Serve(Id id) {
  Session* session = nullptr;
  {
    const std::lock_guard lock(table_mutex_);
    const auto found = table_.find(id);
    // Gone, or being closed, since epoll_wait() returned: identifiers are not used twice, as descriptors are.
    if (found == table_.end() || found->second.running) return;
    found->second.running = true;
    session = found->second.session.get();
  }
  // The wall of this thread: what a session could not hold back ends that session only.
  try {
    const Wait wait = session->Advance();
    if (wait.what != Wait::For::kNothing && Park(id, wait)) return;
  } catch (const std::exception& failure) {
    log_.Error("a connection failed unexpectedly", {{"listener", options_.name}, {"detail", failure.what()}});
  }
  Remove(id);
}

bool Reactor::Park(Id id, const Wait& wait) {
  const std::lock_guard lock(table_mutex_);
  Entry& entry = table_.at(id);
  entry.wait = wait;
  entry.since = clock_.Mono();
  entry.running = false;
  epoll_event event = Event((wait.what == Wait::For::kReadable ? EPOLLIN | EPOLLRDHUP : EPOLLOUT) | EPOLLONESHOT, id);
  if (epoll_ctl(epoll_, EPOLL_CTL_MOD, entry.session->descriptor(), &event) == 0) return true;
  entry.running = true;
  return false;
}

void Reactor::Remove(Id id) {
  std::unique_ptr<Session> session;  // destroyed, and its descriptor closed, without the lock
  const std::lock_guard lock(table_mutex_);
  const auto found = table_.find(id);
  if (found == table_.end()) return;
  session = std::move(found->second.session);
  table_.erase(found);
}

bool Reactor::MakeRoom() {
  std::unique_ptr<Session> victim;
  {
    const std::lock_guard lock(table_mutex_);
    const auto rank = [](const Entry& entry) { return entry.wait.leaving ? 0 : !entry.wait.served ? 1 : 2; };
    auto chosen = table_.end();
    for (auto it = table_.begin(); it != table_.end(); ++it) {
      const Entry& entry = it->second;
      if (entry.running || (rank(entry) == 2 && !entry.wait.idle)) continue;
      if (chosen == table_.end() || rank(entry) < rank(chosen->second) ||
          (rank(entry) == rank(chosen->second) && entry.since < chosen->second.since)) {
        chosen = it;
      }
    }
    if (chosen == table_.end()) return false;
    victim = std::move(chosen->second.session);
    table_.erase(chosen);
  }
  victim->Expire();
  return true;
}

// --- time

// Bytes have arrived that no thread had time to take: the peer did its part, and is served once one has.
bool Reactor::WeAreLate(const Entry& entry) {
  if (entry.wait.what != Wait::For::kReadable || entry.wait.leaving) return false;
  char byte = 0;
  return recv(entry.session->descriptor(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void Reactor::Keep() {
  std::unique_lock lock(threads_mutex_);
  while (!stopping_) {
    keeper_wake_.wait_for(lock, options_.tick);
    if (stopping_) return;
    lock.unlock();
    CloseOverdue();
    JoinLeft();
    {
      const std::lock_guard accepting(accepting_);
      if (listener_resting_ && listener_ >= 0) WatchListener(EPOLL_CTL_MOD);
      listener_resting_ = false;
    }
    // The wall of this thread.
    try {
      // Nobody may be waiting although there is room for a thread: the one that was seen waiting had in truth just run
      // out of patience and left, or no thread could be started when one was needed.
      EnsureWaiter();
      if (options_.on_tick) options_.on_tick();
    } catch (const std::exception& failure) {
      log_.Error("a regular task failed unexpectedly", {{"listener", options_.name}, {"detail", failure.what()}});
    }
    lock.lock();
  }
}

void Reactor::CloseOverdue() {
  std::vector<std::unique_ptr<Session>> overdue;
  {
    const std::lock_guard lock(table_mutex_);
    const MonoTime now = clock_.Mono();
    const bool close_idle = close_idle_at_ && now >= *close_idle_at_;
    for (auto it = table_.begin(); it != table_.end();) {
      Entry& entry = it->second;
      const bool due = entry.wait.until <= now || (close_idle && entry.wait.idle);
      const bool close = !entry.running && due && !WeAreLate(entry);
      if (close) overdue.push_back(std::move(entry.session));
      it = close ? table_.erase(it) : std::next(it);
    }
  }
  for (const std::unique_ptr<Session>& session : overdue) session->Expire();
}

void Reactor::Drain(Duration grace, Duration within) {
  const MonoTime begin = clock_.Mono();
  if (epoll_ < 0) return;
  AcceptAll(begin + within);
  {
    const std::lock_guard lock(accepting_);
    if (listener_ >= 0) close(listener_);
    listener_ = -1;
  }
  {
    const std::lock_guard lock(table_mutex_);
    close_idle_at_ = begin + grace;
  }
  while (true) {
    {
      const std::lock_guard lock(table_mutex_);
      if (std::all_of(table_.begin(), table_.end(),
                      [](const auto& item) { return !item.second.running && item.second.wait.leaving; })) {
        return;
      }
    }
    if (clock_.Mono() - begin >= within) return;
    std::this_thread::sleep_for(kDrainPoll);
    keeper_wake_.notify_all();
  }
}

std::size_t Reactor::connections() const {
  const std::lock_guard lock(table_mutex_);
  return table_.size();
}

std::size_t Reactor::threads() const {
  const std::lock_guard lock(threads_mutex_);
  return thread_count_;
}

}  // namespace gatehouse::webhook
