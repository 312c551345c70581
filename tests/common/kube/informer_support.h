// An informer against the fake API server, and what it says.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "common/base/limits.h"
#include "common/kube/informer.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/kube_api.h"

namespace gatehouse::kube {

inline constexpr Duration kSoon = std::chrono::seconds(20);
inline constexpr Duration kMoment{60};  // long enough for what must not happen, were it to happen

// What an informer says, in order.
class Recorder final : public Observer {
 public:
  void OnObject(const ObjectKey& key, codec::JsonView object) override {
    std::scoped_lock lock(mutex_);
    objects_[key.ToString()] = object.Serialize();
    Note("+" + key.ToString());
    if (throw_at_ == key.ToString()) {
      throw_at_.clear();
      throw std::runtime_error("a fault of the observer");
    }
  }
  void OnGone(const ObjectKey& key) override {
    std::scoped_lock lock(mutex_);
    objects_.erase(key.ToString());
    Note("-" + key.ToString());
  }
  void OnSettled() override {
    std::scoped_lock lock(mutex_);
    Note(".");
  }

  void ThrowAt(const std::string& key) { throw_at_ = key; }
  [[nodiscard]] bool Await(const std::function<bool()>& is_so) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kSoon, is_so);
  }
  [[nodiscard]] bool AwaitNote(const std::string& note, std::size_t times = 1) {
    return Await(
        [&, this] { return static_cast<std::size_t>(std::count(notes_.begin(), notes_.end(), note)) >= times; });
  }
  [[nodiscard]] std::set<std::string> names() const {
    std::scoped_lock lock(mutex_);
    std::set<std::string> names;
    for (const auto& [name, object] : objects_) names.insert(name);
    return names;
  }
  [[nodiscard]] std::string object(const std::string& name) const {
    std::scoped_lock lock(mutex_);
    auto found = objects_.find(name);
    return found == objects_.end() ? "" : found->second;
  }
  [[nodiscard]] std::vector<std::string> notes() const {
    std::scoped_lock lock(mutex_);
    return notes_;
  }
  [[nodiscard]] std::size_t CountOf(const std::string& note) const {
    std::scoped_lock lock(mutex_);
    return static_cast<std::size_t>(std::count(notes_.begin(), notes_.end(), note));
  }

 private:
  void Note(const std::string& note) {
    notes_.push_back(note);
    changed_.notify_all();
  }
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> notes_;
  std::map<std::string, std::string> objects_;
  std::string throw_at_;
};

inline std::string NodeJson(const std::string& name, const std::string& label = "a") {
  return R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")" + name + R"(","labels":{"l":")" + label +
         R"("}},"spec":{"podCIDR":"10.0.0.0/24"}})";
}

class InformerTest : public testing::Test {
 protected:
  InformerTest() { server_.SetTick(Duration(5)); }
  ~InformerTest() override {
    informer_.reset();
    close(null_);
  }

  void Make(InformerOptions options) {
    options.first_backoff = first_backoff_;
    options.max_backoff = Duration(4);
    options.absent_period = Duration(5);
    informer_ =
        std::make_unique<Informer>(api_, options, seen_, log_, [](std::size_t count) { return Bytes(count, 7); });
    informer_->Start();
  }
  void Start(InformerOptions options = {.resource = kNodes}) {
    Make(std::move(options));
    ASSERT_TRUE(seen_.AwaitNote("."));
    ASSERT_TRUE(server_.AwaitWatches(1));
  }
  [[nodiscard]] static bool Eventually(const std::function<bool()>& is_so) {
    for (int i = 0; i < 4000; ++i) {
      if (is_so()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  int null_ = open("/dev/null", O_WRONLY | O_CLOEXEC);
  fakes::FakeClock clock_;
  telemetry::Logger log_{null_, telemetry::Level::kDebug, clock_};
  fakes::KubeApi server_;
  Api api_{server_.connections(), clock_, {.queries_per_second = 0}};
  Recorder seen_;
  Duration first_backoff_{1};
  std::atomic<int> count_ = 0;  // of what an interceptor looks for
  std::unique_ptr<Informer> informer_;
};

}  // namespace gatehouse::kube
