// Keeps the policies of a folder in force: read again when the content changes, swapped as a whole, the old set kept
// when the new one is wrong.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/policy/loader.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"
#include "webhook/watch/policy_source.h"

namespace gatehouse::webhook {

class PolicyWatcher final : public PolicySource {
 public:
  PolicyWatcher(std::string folder, Duration interval, telemetry::Logger& log, telemetry::Metrics& metrics)
      : folder_(std::move(folder)), interval_(interval), log_(log), metrics_(metrics) {}
  ~PolicyWatcher() override;

  // Loads for the first time: there is no old set to keep, so any error is an error here. All of them are logged.
  [[nodiscard]] Status Load();
  // Begins to watch; `on_change` is called from the watching thread after each swap.
  void Start(OnChange on_change) override;
  void Stop() override;
  // One look at the folder, as the thread does it every `interval`. Returns whether another set came into force: that
  // is at the second look that finds the same content, for files may be in the midst of being written.
  bool Poll();

  [[nodiscard]] std::shared_ptr<const policy::PolicySet> Current() const override;
  [[nodiscard]] bool Ready() const override { return Current() != nullptr; }
  // What is wrong with the files on disk, if they are not what is in force.
  [[nodiscard]] std::vector<std::string> Problems() const override;

 private:
  [[nodiscard]] policy::LoadOutcome Read(std::string& content_key) const;
  void Adopt(std::shared_ptr<const policy::PolicySet> set);
  void Report(const std::vector<Error>& errors);

  std::string folder_;
  Duration interval_;
  telemetry::Logger& log_;
  telemetry::Metrics& metrics_;
  OnChange on_change_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::shared_ptr<const policy::PolicySet> set_;
  std::vector<std::string> problems_;
  std::string
      content_key_;       // of the files last looked at, good or bad; touched by the watching thread only, after Load()
  std::string seen_key_;  // of the content seen once, not acted upon yet
  std::thread thread_;
};

}  // namespace gatehouse::webhook
