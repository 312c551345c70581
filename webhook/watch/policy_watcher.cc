#include "webhook/watch/policy_watcher.h"

#include <utility>

#include "common/crypto/hash.h"

namespace gatehouse::webhook {
namespace {

// Names and contents, with lengths, so that no two folders share a key by concatenation.
std::string ContentKey(const std::vector<policy::SourceFile>& files) {
  crypto::Hasher hasher(HashAlgorithm::kSha256);
  for (const policy::SourceFile& file : files) {
    hasher.Update(AsBytes(std::to_string(file.name.size()) + ":" + file.name + std::to_string(file.text.size()) + ":"));
    hasher.Update(AsBytes(file.text));
  }
  return std::string(AsText(std::move(hasher).Finish()));
}

}  // namespace

PolicyWatcher::~PolicyWatcher() {
  Stop();
}

policy::LoadOutcome PolicyWatcher::Read(std::string& content_key) const {
  auto files = policy::ReadPolicyFiles(folder_);
  if (!files.ok()) {
    content_key = "unreadable: " + files.error().ToString();
    return {.set = nullptr, .errors = {files.error()}};
  }
  content_key = ContentKey(*files);
  if (content_key == content_key_) return {};
  return policy::LoadPolicies(*files);
}

void PolicyWatcher::Adopt(std::shared_ptr<const policy::PolicySet> set) {
  metrics_.CountReload(true);
  metrics_.SetPolicyDocuments("ImagePolicy", set->image_policies.size());
  metrics_.SetPolicyDocuments("NamespacedImagePolicy", set->namespaced_policies.size());
  metrics_.SetPolicyDocuments("NodePolicy", set->node_policies.size());
  metrics_.SetPolicyDocuments("ReferenceValues", set->reference_values.size());
  metrics_.SetPolicyDocuments("TrustRoot", set->trust_roots.size());
  log_.Info("policies in force", {{"folder", folder_},
                                  {"generation", set->policy_generation},
                                  {"trustGeneration", set->trust_generation},
                                  {"imagePolicies", std::to_string(set->image_policies.size())},
                                  {"nodePolicies", std::to_string(set->node_policies.size())},
                                  {"trustRoots", std::to_string(set->trust_roots.size())}});
  std::lock_guard lock(mutex_);
  set_ = std::move(set);
  problems_.clear();
}

void PolicyWatcher::Report(const std::vector<Error>& errors) {
  metrics_.CountReload(false);
  std::vector<std::string> problems;
  for (const Error& error : errors) {
    log_.Failure(telemetry::Level::kError, "policy refused", error);
    problems.push_back(error.ToString());
  }
  std::lock_guard lock(mutex_);
  problems_ = std::move(problems);
}

Status PolicyWatcher::Load() {
  std::string content_key;
  policy::LoadOutcome outcome = Read(content_key);
  content_key_ = content_key;
  if (!outcome.errors.empty()) {
    Report(outcome.errors);
    return outcome.errors.front();
  }
  Adopt(outcome.set);
  return Ok();
}

bool PolicyWatcher::Poll() {
  std::string content_key;
  policy::LoadOutcome outcome = Read(content_key);
  if (content_key == content_key_ || content_key != std::exchange(seen_key_, content_key)) return false;
  content_key_ = content_key;
  if (!outcome.errors.empty()) {
    log_.Error("the policies on disk are wrong; those in force stay", {{"folder", folder_}});
    Report(outcome.errors);
    return false;
  }
  Adopt(outcome.set);
  if (on_change_) on_change_(outcome.set);
  return true;
}

void PolicyWatcher::Start(OnChange on_change) {
  on_change_ = std::move(on_change);
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, interval_, [this] { return stopping_; })) {
      lock.unlock();
      try {
        Poll();
      } catch (const std::exception& exception) {  // lint-ok: M07 thread entry
        log_.Error("looking at the policies failed", {{"exception", exception.what()}});
      }
      lock.lock();
    }
  });
}

void PolicyWatcher::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<const policy::PolicySet> PolicyWatcher::Current() const {
  std::lock_guard lock(mutex_);
  return set_;
}

std::vector<std::string> PolicyWatcher::Problems() const {
  std::lock_guard lock(mutex_);
  return problems_;
}

}  // namespace gatehouse::webhook
