#include "common/kube/lease.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "common/kube/lease_claim.h"

namespace gatehouse::kube {

struct LeaderElector::Impl {
  Impl(Api& api, ElectionOptions the_options, telemetry::Logger& the_log, Random the_random)
      : options(the_options), claim(api, std::move(the_options)), log(the_log), random(std::move(the_random)) {}

  const ElectionOptions options;
  LeaseClaim claim;
  telemetry::Logger& log;
  Random random;
  std::function<void(bool)> on_change;
  std::thread thread;
  std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false;
  bool told = false;  // what on_change was called with last
  std::string problem;

  void Run();
  void Round();
  void Tell();
  void End();
  [[nodiscard]] Duration Pause() const;
};

// With up to a fifth more, so that those who wait do not all ask at once. A leader wakes when its time is over, too.
Duration LeaderElector::Impl::Pause() const {
  const auto spread = std::max<std::int64_t>(options.retry_period.count() / 5, 1);
  const Duration pause = options.retry_period + Duration(random(1).front() * spread / 255);
  const Duration left = claim.Left();
  return left > Duration::zero() ? std::min(pause, left) : pause;
}

void LeaderElector::Impl::Tell() {
  const bool leading = claim.Held();
  if (leading == told) return;
  told = leading;
  log.Info(leading ? "leading" : "not leading any more", {{"lease", options.lease}, {"identity", options.identity}});
  if (on_change) on_change(leading);
}

void LeaderElector::Impl::Round() {
  try {
    const Status status = claim.Try();
    Tell();
    const std::string text = status.ok() ? "" : status.error().ToString();
    if (!status.ok() && text != problem && status.error().reason != Reason::kKubeConflict) {
      log.Failure(telemetry::Level::kWarn, "leader election", status.error(), {{"lease", options.lease}});
    }
    problem = text;
  } catch (const std::exception& exception) {  // lint-ok: M07 thread entry
    log.Error("leader election", {{"fault", exception.what()}});
  }
}

void LeaderElector::Impl::End() {
  try {
    const bool held = claim.Held();
    const Status status = claim.Release();
    Tell();
    if (held && !status.ok()) {
      log.Failure(telemetry::Level::kInfo, "the Lease could not be given back", status.error(),
                  {{"lease", options.lease}});
    }
  } catch (const std::exception& exception) {  // lint-ok: M07 thread entry
    log.Error("leader election", {{"fault", exception.what()}});
  }
}

void LeaderElector::Impl::Run() {
  for (;;) {
    {
      std::scoped_lock lock(mutex);
      if (stopping) break;
    }
    Round();
    const Duration pause = Pause();
    std::unique_lock lock(mutex);
    wake.wait_for(lock, pause, [&] { return stopping; });
  }
  End();
}

LeaderElector::LeaderElector(Api& api, ElectionOptions options, telemetry::Logger& log, Random random)
    : impl_(std::make_unique<Impl>(api, std::move(options), log, std::move(random))) {}

LeaderElector::~LeaderElector() {
  Stop();
}

void LeaderElector::Start(std::function<void(bool leading)> on_change) {
  impl_->on_change = std::move(on_change);
  impl_->thread = std::thread([this] { impl_->Run(); });
}

void LeaderElector::Stop() {
  {
    std::scoped_lock lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  if (impl_->thread.joinable()) impl_->thread.join();
}

bool LeaderElector::Leading() const {
  return impl_->claim.Held();
}

std::string LeaderElector::Holder() const {
  return impl_->claim.Holder();
}

}  // namespace gatehouse::kube
