// Keeps many connections with few threads: a connection holds a thread only while there is something to do on it, so
// that neither idle ones nor ones that send a byte now and then keep others from being served. (cpp-httplib's own loop
// gives each connection a thread for its life, ends for good on ECONNABORTED, and cannot use descriptors above 1023.)
//
// Threads wait together in epoll_wait(2); one that gets something to do makes sure that another one waits, up to
// max_threads; every tick makes sure of it again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/telemetry/log.h"

namespace gatehouse::webhook {

// What a session waits for after it did what it could.
struct Wait {
  enum class For : std::uint8_t { kReadable, kWritable, kNothing };  // kNothing: it is over, close it
  For what = For::kNothing;
  MonoTime until{};      // Expire() then
  bool idle = false;     // nothing of a request has arrived: may be closed to drain, or for want of room
  bool served = false;   // it has been of use: closed for want of room only after those that have not
  bool leaving = false;  // everything was answered; only the peer's end is awaited
};

// One connection. Only one thread at a time calls it.
class Session {
 public:
  virtual ~Session() = default;
  // What a new one waits for; does nothing yet.
  [[nodiscard]] virtual Wait Begin() = 0;
  [[nodiscard]] virtual Wait Advance() = 0;
  // The time of the last Wait has passed, or its place is needed; it is destroyed afterwards. Must not take long.
  virtual void Expire() = 0;
  [[nodiscard]] virtual int descriptor() const = 0;
};

class Reactor {
 public:
  struct Options {
    std::string name;             // of the listener, for the log
    std::size_t max_threads = 0;  // at least 2 are used
    std::size_t max_connections = 0;
    Duration tick{250};                                                              // how exactly deadlines are kept
    std::function<std::unique_ptr<Session>(int descriptor, std::string peer)> open;  // takes the descriptor
    std::function<void()> on_tick;                                                   // called on a thread of its own
  };

  // `clock` and `log` must outlive it.
  Reactor(Options options, const Clock& clock, telemetry::Logger& log);
  // Waits for sessions that are running, closes everything.
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // Takes the listening descriptor. Once. Errors: kInternal.
  [[nodiscard]] Status Start(int listener);
  // Takes what is waiting to be accepted, then accepts no more. Idle connections are closed once they had `grace` to
  // send a request that was on its way. Returns when nothing is under way, or after `within`.
  void Drain(Duration grace, Duration within);
  // How many connections are open, and how many threads serve them.
  [[nodiscard]] std::size_t connections() const;
  [[nodiscard]] std::size_t threads() const;

 private:
  struct Entry {
    std::unique_ptr<Session> session;
    Wait wait;
    MonoTime since{};     // when it was parked
    bool running = true;  // a thread is calling it
  };
  using Id = std::uint64_t;

  void Work();
  void Serve(Id id);
  void LogFull(std::string_view message, std::string_view peer);
  [[nodiscard]] static bool WeAreLate(const Entry& entry);
  void AcceptSome();
  void AcceptAll(MonoTime until);
  void Open(int descriptor, std::string peer);
  void WatchListener(int operation);
  [[nodiscard]] bool Park(Id id, const Wait& wait);
  void Remove(Id id);
  void EnsureWaiter();
  [[nodiscard]] bool MayLeave();
  void Keep();
  void CloseOverdue();
  void JoinLeft();
  bool MakeRoom();
  void Stop();

  const Options options_;
  const Clock& clock_;
  telemetry::Logger& log_;
  int epoll_ = -1;
  int stop_event_ = -1;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> waiting_{0};

  std::mutex accepting_;  // held while accepting: closing the listener waits for it
  int listener_ = -1;
  bool listener_resting_ = false;  // no descriptors were left; looked at again at the next tick
  MonoTime last_full_log_{};

  mutable std::mutex table_mutex_;
  std::unordered_map<Id, Entry> table_;
  Id next_id_;
  std::optional<MonoTime> close_idle_at_;  // while draining

  mutable std::mutex threads_mutex_;
  std::list<std::thread> threads_;
  std::vector<std::thread::id> left_;
  std::size_t thread_count_ = 0;
  MonoTime last_thread_log_{};
  std::thread keeper_;
  std::condition_variable keeper_wake_;
};

}  // namespace gatehouse::webhook
