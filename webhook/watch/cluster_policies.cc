#include "webhook/watch/cluster_policies.h"

#include <array>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "common/policy/objects.h"

namespace gatehouse::webhook {
namespace {

using kube::ObjectKey;
using policy::ObjectState;
using policy::PolicySet;

constexpr Duration kTogether{50};   // changes within that long make one set
constexpr Duration kLookAt{1'000};  // at how fresh the watches are

struct Kind {
  std::string_view name;
  const kube::Resource* resource;
};
constexpr std::array<Kind, 5> kKinds = {{{"ImagePolicy", &kube::kImagePolicies},
                                         {"NamespacedImagePolicy", &kube::kNamespacedImagePolicies},
                                         {"NodePolicy", &kube::kNodePolicies},
                                         {"ReferenceValues", &kube::kReferenceValues},
                                         {"TrustRoot", &kube::kTrustRoots}}};

std::string NameOf(const ObjectState& state) {
  return state.kind + " " + (state.namespace_name.empty() ? "" : state.namespace_name + "/") + state.name;
}

policy::Labels LabelsOf(codec::JsonView object) {
  policy::Labels labels;
  auto metadata = object.Find("metadata");
  auto members = metadata ? metadata->Find("labels") : std::nullopt;
  for (std::size_t i = 0; members && i < members->size(); ++i) {
    auto [key, value] = members->member(i);
    labels.emplace(key, value.AsString().value_or(""));
  }
  return labels;
}

std::int64_t GenerationOf(codec::JsonView object) {
  auto metadata = object.Find("metadata");
  auto generation = metadata ? metadata->Find("generation") : std::nullopt;
  return generation ? generation->AsInt().value_or(0) : 0;
}

}  // namespace

struct ClusterPolicies::Impl {
  Impl(Duration the_stale_after, telemetry::Logger& the_log, telemetry::Metrics& the_metrics)
      : stale_after(the_stale_after), log(the_log), metrics(the_metrics), set(std::make_shared<const PolicySet>()) {}

  // Of one resource; hands on what changed, and says when what was seen is a whole.
  class Watch : public kube::Observer {
   public:
    explicit Watch(Impl& impl) : impl_(impl) {}
    void OnSettled() override {
      std::lock_guard lock(impl_.mutex);
      whole_ = true;
      impl_.due |= impl_.changed;
      impl_.wake.notify_all();
    }
    [[nodiscard]] bool whole() const { return whole_; }  // under the lock
    std::unique_ptr<kube::Informer> informer;

   protected:
    Impl& impl_;

   private:
    bool whole_ = false;
  };
  class ObjectWatch final : public Watch {
   public:
    ObjectWatch(Impl& impl, std::string kind) : Watch(impl), kind_(std::move(kind)) {}
    void OnObject(const ObjectKey& key, codec::JsonView object) override {
      policy::ApiObject read{.kind = kind_,
                             .namespace_name = key.namespace_name,
                             .name = key.name,
                             .generation = GenerationOf(object),
                             .json = object.Serialize()};
      std::lock_guard lock(impl_.mutex);
      impl_.changed |= impl_.store.Put(read);
    }
    void OnGone(const ObjectKey& key) override {
      std::lock_guard lock(impl_.mutex);
      impl_.changed |= impl_.store.Remove(kind_, key.namespace_name, key.name);
    }

   private:
    std::string kind_;
  };
  class NamespaceWatch final : public Watch {
   public:
    using Watch::Watch;
    void OnObject(const ObjectKey& key, codec::JsonView object) override {
      policy::Labels labels = LabelsOf(object);
      std::lock_guard lock(impl_.mutex);
      auto [known, added] = impl_.namespaces.try_emplace(key.name);
      if (!added && known->second == labels) return;
      known->second = std::move(labels);
      impl_.changed = true;
    }
    void OnGone(const ObjectKey& key) override {
      std::lock_guard lock(impl_.mutex);
      impl_.changed |= impl_.namespaces.erase(key.name) > 0;
    }
  };

  void Run();
  [[nodiscard]] bool Whole() const;
  void Swap(policy::ObjectsOutcome outcome);
  void Report(const std::vector<ObjectState>& now);
  void LookAtWatches();
  [[nodiscard]] std::string ProblemOf(const Watch& watch) const;

  const Duration stale_after;
  telemetry::Logger& log;
  telemetry::Metrics& metrics;
  OnChange on_change;
  std::vector<std::unique_ptr<Watch>> watches;

  std::mutex mutex;  // of what is collected
  std::condition_variable wake;
  policy::ObjectStore store;
  std::map<std::string, policy::Labels> namespaces;
  bool changed = true;  // an empty cluster has a set, too
  bool due = false;
  bool stopping = false;

  mutable std::mutex set_mutex;  // of what is in force; held for moments only
  std::shared_ptr<const PolicySet> set;
  std::vector<ObjectState> states;
  bool ready = false;

  // Of the thread alone.
  std::map<std::string, std::string> reported;  // messages by name
  std::shared_ptr<const PolicySet> told;        // the set that on_change has seen last
  std::thread thread;
};

bool ClusterPolicies::Impl::Whole() const {
  for (const auto& watch : watches) {
    if (!watch->whole()) return false;
  }
  return true;
}

// What is wrong with an object is logged once.
void ClusterPolicies::Impl::Report(const std::vector<ObjectState>& now) {
  std::map<std::string, std::string> messages;
  std::map<std::string_view, std::pair<std::size_t, std::size_t>> counts;  // objects, in force
  for (const Kind& kind : kKinds) counts[kind.name] = {0, 0};
  bool all = true;
  for (const ObjectState& state : now) {
    auto& [objects, in_force] = counts[state.kind];
    ++objects;
    in_force += state.in_force ? 1U : 0U;
    all = all && state.in_force;
    if (state.message.empty()) continue;
    std::string name = NameOf(state);
    auto before = reported.find(name);
    if (before == reported.end() || before->second != state.message) {
      log.Log(state.in_force ? telemetry::Level::kWarn : telemetry::Level::kError,
              state.in_force ? "a policy object names what is not there" : "a policy object is not in force",
              {{"object", name}, {"detail", state.message}});
    }
    messages.emplace(std::move(name), state.message);
  }
  reported = std::move(messages);
  metrics.CountReload(all);
  for (const auto& [kind, count] : counts) metrics.SetPolicyObjects(kind, count.first, count.second);
}

void ClusterPolicies::Impl::Swap(policy::ObjectsOutcome outcome) {
  Report(outcome.states);
  bool another = false;
  {
    std::lock_guard lock(set_mutex);
    another = told == nullptr || told->policy_generation != outcome.set->policy_generation ||
              told->trust_generation != outcome.set->trust_generation;
    if (another) set = outcome.set;
    states = std::move(outcome.states);
    ready = true;
  }
  if (!another) return;
  const PolicySet& now = *outcome.set;
  metrics.SetPolicyDocuments("ImagePolicy", now.image_policies.size());
  metrics.SetPolicyDocuments("NamespacedImagePolicy", now.namespaced_policies.size());
  metrics.SetPolicyDocuments("NodePolicy", now.node_policies.size());
  metrics.SetPolicyDocuments("ReferenceValues", now.reference_values.size());
  metrics.SetPolicyDocuments("TrustRoot", now.trust_roots.size());
  log.Info("policies in force", {{"generation", now.policy_generation},
                                 {"trustGeneration", now.trust_generation},
                                 {"imagePolicies", std::to_string(now.image_policies.size())},
                                 {"namespacedImagePolicies", std::to_string(now.namespaced_policies.size())},
                                 {"nodePolicies", std::to_string(now.node_policies.size())},
                                 {"referenceValues", std::to_string(now.reference_values.size())},
                                 {"trustRoots", std::to_string(now.trust_roots.size())}});
  told = nullptr;  // until on_change has returned
  if (on_change) on_change(outcome.set);
  told = outcome.set;
}

std::string ClusterPolicies::Impl::ProblemOf(const Watch& watch) const {
  const std::string& resource = watch.informer->options().resource.plural;
  std::string problem = watch.informer->Problem();
  if (!watch.informer->Synced()) {
    bool missing = problem.find(Token(Reason::kKubeNotFound)) != std::string::npos;
    return resource + " were not read yet" + (problem.empty() ? "" : ": ") + problem +
           (missing ? ": install the custom resource definitions" : "");
  }
  Duration silent = watch.informer->SilentFor();
  if (silent <= stale_after) return "";
  return "nothing was heard of " + resource + " for " + std::to_string(silent.count() / 1000) + " s, what is known of" +
         " them goes on to hold" + (problem.empty() ? "" : ": ") + problem;
}

void ClusterPolicies::Impl::LookAtWatches() {
  for (const auto& watch : watches) {
    metrics.SetWatchStale(watch->informer->options().resource.plural, !ProblemOf(*watch).empty());
  }
}

void ClusterPolicies::Impl::Run() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    bool something = wake.wait_for(lock, kLookAt, [this] { return stopping || (due && Whole()); });
    if (something && !stopping) wake.wait_for(lock, kTogether, [this] { return stopping; });
    if (stopping) return;
    try {
      if (something) {
        due = changed = false;
        policy::ObjectsOutcome outcome = store.Build(namespaces);
        lock.unlock();
        Swap(std::move(outcome));
      } else {
        lock.unlock();
      }
      LookAtWatches();
    } catch (const std::exception& exception) {  // lint-ok: M07 thread entry
      log.Error("looking at the policies failed", {{"exception", exception.what()}});
      if (!lock.owns_lock()) lock.lock();
      due |= something;  // what changed is still to be taken; not at once, since it may fail again
      wake.wait_for(lock, kLookAt, [this] { return stopping; });
    }
    if (!lock.owns_lock()) lock.lock();
  }
}

ClusterPolicies::ClusterPolicies(kube::Api& api, Duration stale_after, telemetry::Logger& log,
                                 telemetry::Metrics& metrics, Random random)
    : impl_(std::make_unique<Impl>(stale_after, log, metrics)) {
  auto add = [&](std::unique_ptr<Impl::Watch> watch, kube::InformerOptions options) {
    watch->informer = std::make_unique<kube::Informer>(api, std::move(options), *watch, log, random);
    impl_->watches.push_back(std::move(watch));
  };
  for (const Kind& kind : kKinds) {
    add(std::make_unique<Impl::ObjectWatch>(*impl_, std::string(kind.name)), {.resource = *kind.resource});
  }
  add(std::make_unique<Impl::NamespaceWatch>(*impl_), {.resource = kube::kNamespaces, .metadata_only = true});
}

ClusterPolicies::~ClusterPolicies() {
  Stop();
}

void ClusterPolicies::Start(OnChange on_change) {
  impl_->on_change = std::move(on_change);
  impl_->thread = std::thread([this] { impl_->Run(); });
  for (const auto& watch : impl_->watches) watch->informer->Start();
}

void ClusterPolicies::Stop() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  if (impl_->thread.joinable()) impl_->thread.join();
  for (const auto& watch : impl_->watches) watch->informer->Stop();
}

std::shared_ptr<const PolicySet> ClusterPolicies::Current() const {
  std::lock_guard lock(impl_->set_mutex);
  return impl_->set;
}

bool ClusterPolicies::Ready() const {
  std::lock_guard lock(impl_->set_mutex);
  return impl_->ready;
}

std::vector<std::string> ClusterPolicies::Problems() const {
  std::vector<std::string> problems;
  for (const auto& watch : impl_->watches) {
    if (std::string problem = impl_->ProblemOf(*watch); !problem.empty()) problems.push_back(std::move(problem));
  }
  for (const ObjectState& state : States()) {
    if (state.message.empty()) continue;
    std::string since = state.in_force                   ? ""
                        : state.in_force_generation == 0 ? " is not in force: "
                                                         : " is in force as it was before: ";
    problems.push_back(NameOf(state) + (since.empty() ? ": " : since) + state.message);
  }
  return problems;
}

std::vector<ObjectState> ClusterPolicies::States() const {
  std::lock_guard lock(impl_->set_mutex);
  return impl_->states;
}

}  // namespace gatehouse::webhook
