#include "webhook/certificates/certificate_manager.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "common/base/encoding.h"
#include "common/codec/time.h"
#include "webhook/certificates/certificate_steps.h"

namespace gatehouse::webhook {
namespace {

constexpr Duration kCallTime{10'000};
constexpr Duration kLookInterval{15'000};  // at what somebody else may have changed
constexpr Duration kFirstPause{1'000};     // after a failure; doubled up to kLookInterval
constexpr std::size_t kSteps = 40;         // of one round; a first start with both configurations has seven
constexpr std::size_t kNonceKeyBytes = 32;

StoredObject Parse(codec::JsonView object, bool secret) {
  StoredObject stored{.exists = true};
  stored.ours = kube::TextAt(object, {"metadata", "labels", kManagedBy}) == kUs;
  stored.resource_version = kube::TextAt(object, {"metadata", "resourceVersion"});
  auto data = object.Find("data");
  for (std::size_t i = 0; data.has_value() && i < (data->IsObject() ? data->size() : 0); ++i) {
    auto entry = data->member(i);
    std::string value(entry.value.AsString().value_or(""));
    auto decoded = secret ? DecodeBase64(value) : Result<Bytes>(ToBytes(value));
    if (decoded.ok()) value = AsText(*decoded);
    if (!value.empty()) stored.entries.emplace(entry.key, std::move(value));
  }
  auto metadata = object.Find("metadata");
  auto annotations = metadata.has_value() ? metadata->Find("annotations") : std::nullopt;
  for (std::size_t i = 0; annotations.has_value() && i < (annotations->IsObject() ? annotations->size() : 0); ++i) {
    auto annotation = annotations->member(i);
    stored.annotations.emplace(annotation.key, annotation.value.AsString().value_or(""));
  }
  return stored;
}

// The webhooks in it that lead to us: by a Service of our namespace, or by a URL.
void ParseWebhooks(codec::JsonView object, const std::string& namespace_name, WebhookObject& to) {
  to.exists = true;
  to.resource_version = kube::TextAt(object, {"metadata", "resourceVersion"});
  auto webhooks = object.Find("webhooks");
  for (std::size_t i = 0; webhooks.has_value() && i < (webhooks->IsArray() ? webhooks->size() : 0); ++i) {
    codec::JsonView webhook = webhooks->at(i);
    std::string_view service = kube::TextAt(webhook, {"clientConfig", "service", "namespace"});
    bool by_url = !kube::TextAt(webhook, {"clientConfig", "url"}).empty();
    if (service != namespace_name && !by_url) continue;
    auto bundle = DecodeBase64(kube::TextAt(webhook, {"clientConfig", "caBundle"}));
    to.ca_bundles.emplace(kube::TextAt(webhook, {"name"}), bundle.ok() ? AsText(*bundle) : std::string_view());
  }
}

// Entries and annotations to write; nothing means: to be removed.
using Changes = std::map<std::string, std::optional<std::string>>;

void WriteMembers(codec::JsonWriter& json, const Changes& changes, bool base64, bool removals) {
  json.BeginObject();
  for (const auto& [key, value] : changes) {
    if (value.has_value()) {
      json.Member(key, base64 ? EncodeBase64(AsBytes(*value)) : *value);
    } else if (removals) {
      json.Key(key).Null();
    }
  }
  json.EndObject();
}

}  // namespace

struct CertificateManager::Impl {
  kube::Api& api;
  const CertificateOptions options;
  const std::function<bool()> leading;
  const Clock& clock;
  telemetry::Logger& log;
  const Random random;

  std::thread thread{};
  mutable std::mutex mutex{};
  std::condition_variable wake{};
  bool stopping = false;
  bool kicked = false;
  std::vector<std::string> problems{};

  [[nodiscard]] std::string NameOf(const char* suffix) const { return options.name + suffix; }
  [[nodiscard]] Deadline Soon() const { return {clock, kCallTime}; }
  [[nodiscard]] static const kube::Resource& ResourceOf(const WebhookObject& webhook) {
    return webhook.mutating ? kube::kMutatingWebhooks : kube::kValidatingWebhooks;
  }

  Result<StoredObject> Read(const kube::Resource& resource, const std::string& name) {
    auto object = api.Get(kube::PathOf(resource, options.namespace_name, name), Soon());
    if (object.ok()) return Parse(object->root(), resource == kube::kSecrets);
    if (object.error().reason == Reason::kKubeNotFound) return StoredObject{};
    return object.error();
  }

  Result<WebhookObject> ReadWebhook(const std::string& name, bool mutating) {
    WebhookObject webhook{.mutating = mutating, .name = name};
    auto object = api.Get(kube::PathOf(ResourceOf(webhook), {}, name), Soon());
    if (object.ok()) {
      ParseWebhooks(object->root(), options.namespace_name, webhook);
    } else if (object.error().reason == Reason::kKubeUnavailable) {
      return object.error();
    } else if (object.error().reason != Reason::kKubeNotFound) {
      webhook.unreadable = object.error().detail;
    }
    return webhook;
  }

  Result<CertificateState> ReadState() {
    CertificateState state;
    ASSIGN_OR_RETURN(state.attestation, Read(kube::kSecrets, NameOf("-attestation")));
    ASSIGN_OR_RETURN(state.published, Read(kube::kConfigMaps, NameOf("-public")));
    if (!options.serving) return state;
    ASSIGN_OR_RETURN(state.ca, Read(kube::kSecrets, NameOf("-ca")));
    ASSIGN_OR_RETURN(state.tls, Read(kube::kSecrets, NameOf("-tls")));
    for (bool mutating : {false, true}) {
      for (const std::string& name : mutating ? options.mutating_webhooks : options.validating_webhooks) {
        ASSIGN_OR_RETURN(WebhookObject webhook, ReadWebhook(name, mutating));
        state.webhooks.push_back(std::move(webhook));
      }
    }
    return state;
  }

  // Creates the object, or changes what is there as long as it is what was read.
  Status Write(const kube::Resource& resource, const std::string& name, const StoredObject& now, const Changes& entries,
               const Changes& annotations = {}, std::string_view type = "Opaque") {
    const bool secret = resource == kube::kSecrets;
    codec::JsonWriter json;
    json.BeginObject();
    if (!now.exists) {
      json.Member("apiVersion", "v1").Member("kind", secret ? "Secret" : "ConfigMap");
      if (secret) json.Member("type", type);
    }
    json.Key("metadata").BeginObject();
    if (now.exists) {
      json.Member("resourceVersion", now.resource_version);
    } else {
      json.Member("name", name).Member("namespace", options.namespace_name);
      json.Key("labels").BeginObject().Member(kManagedBy, kUs).EndObject();
    }
    if (!annotations.empty()) {
      json.Key("annotations");
      WriteMembers(json, annotations, false, now.exists);
    }
    json.EndObject();
    if (!entries.empty()) {
      json.Key("data");
      WriteMembers(json, entries, secret, now.exists);
    }
    json.EndObject();
    const std::string body = std::move(json).Finish();
    auto written = now.exists ? api.Patch(kube::PathOf(resource, options.namespace_name, name), kube::PatchType::kMerge,
                                          body, Soon())
                              : api.Create(kube::PathOf(resource, options.namespace_name), body, Soon());
    return written.ok() ? Ok() : Status(written.error());
  }

  Status FillAttestation(const StoredObject& now) {
    Changes entries;
    if (now.Entry("nonce.key").empty()) entries["nonce.key"] = std::string(AsText(random(kNonceKeyBytes)));
    if (now.Entry("signing.key").empty()) {
      ASSIGN_OR_RETURN(auto key, crypto::PrivateKey::Generate(crypto::KeyType::kEcP256));
      entries["signing.key"] = key.Pem();
    }
    return Write(kube::kSecrets, NameOf("-attestation"), now, entries);
  }

  // Another CA in the place of the present one, which is trusted a while longer if it is any good.
  Status ReplaceCa(const CertificateState& state, const IssuedPair& pair, WallTime now) {
    const std::string keep = CaToKeep(state, now);
    return Write(
        kube::kSecrets, NameOf("-ca"), state.ca,
        {{"ca.crt", pair.certificate_pem},
         {"ca.key", pair.key_pem},
         {"previous-ca.crt", keep.empty() ? std::nullopt : std::optional(keep)},
         {"next-ca.crt", std::nullopt},
         {"next-ca.key", std::nullopt}},
        {{std::string(kPublishedAnnotation), std::nullopt}, {std::string(kRotatedAnnotation), codec::FormatTime(now)}});
  }

  Status Issue(const CertificateState& state, WallTime now) {
    ASSIGN_OR_RETURN(IssuedPair pair, MakeServer(state, options, now));
    const ReplacedCas replaced = ReplacedCasOf(state, now);
    const bool none = replaced.pem.empty();
    Changes annotations;
    if (state.tls.exists) annotations[std::string(kReplacedAnnotation)] = std::nullopt;
    if (state.tls.exists && none) annotations[std::string(kRotatedAnnotation)] = std::nullopt;
    if (replaced.just_now) annotations[std::string(kRotatedAnnotation)] = codec::FormatTime(now);
    return Write(kube::kSecrets, NameOf("-tls"), state.tls,
                 {{"tls.crt", pair.certificate_pem},
                  {"tls.key", pair.key_pem},
                  {"ca.crt", BundleOf(state, now)},
                  {"previous-ca.crt", none ? std::nullopt : std::optional(replaced.pem)}},
                 annotations, "kubernetes.io/tls");
  }

  Status Publish(const CertificateState& state, WallTime now) {
    Changes entries;
    if (std::string keys = SigningKeysOf(state); !keys.empty()) entries["signing-keys.pem"] = std::move(keys);
    if (options.serving) {
      if (std::string bundle = BundleToPublish(state, now); !bundle.empty()) entries["ca.crt"] = std::move(bundle);
    }
    return Write(kube::kConfigMaps, NameOf("-public"), state.published, entries);
  }

  Status PatchWebhook(const WebhookObject& webhook, const std::string& bundle) {
    codec::JsonWriter json;
    json.BeginObject().Key("metadata").BeginObject().Member("resourceVersion", webhook.resource_version).EndObject();
    json.Key("webhooks").BeginArray();
    for (const auto& [name, present] : webhook.ca_bundles) {
      if (present == bundle) continue;
      json.BeginObject().Member("name", name).Key("clientConfig").BeginObject();
      json.Member("caBundle", EncodeBase64(AsBytes(bundle))).EndObject().EndObject();
    }
    json.EndArray().EndObject();
    // Strategic: lists of webhooks are merged by name, so that what is not named stays as it is.
    auto written = api.Patch(kube::PathOf(ResourceOf(webhook), {}, webhook.name), kube::PatchType::kStrategic,
                             std::move(json).Finish(), Soon());
    return written.ok() ? Ok() : Status(written.error());
  }

  Status Execute(const Step& step, const CertificateState& state, WallTime now) {
    const std::string ca = NameOf("-ca");
    switch (step.kind) {
      case StepKind::kNothing:
        return Ok();
      case StepKind::kFillAttestation:
        return FillAttestation(state.attestation);
      case StepKind::kMakeCa: {
        ASSIGN_OR_RETURN(IssuedPair pair, MakeCa(options, now));
        if (state.ca.exists) return ReplaceCa(state, pair, now);
        return Write(kube::kSecrets, ca, state.ca, {{"ca.crt", pair.certificate_pem}, {"ca.key", pair.key_pem}});
      }
      case StepKind::kMakeNextCa: {
        ASSIGN_OR_RETURN(IssuedPair pair, MakeCa(options, now));
        return Write(kube::kSecrets, ca, state.ca,
                     {{"next-ca.crt", pair.certificate_pem}, {"next-ca.key", pair.key_pem}},
                     {{std::string(kPublishedAnnotation), std::nullopt}});
      }
      case StepKind::kIssue:
        return Issue(state, now);
      case StepKind::kBundleTls:
        return Write(kube::kSecrets, NameOf("-tls"), state.tls, {{"ca.crt", BundleOf(state, now)}});
      case StepKind::kPublish:
        return Publish(state, now);
      case StepKind::kPatchWebhook:
        return PatchWebhook(state.webhooks.at(step.webhook), BundleToPublish(state, now));
      case StepKind::kMarkPublished:
        return Write(kube::kSecrets, ca, state.ca, {}, {{std::string(kPublishedAnnotation), codec::FormatTime(now)}});
      case StepKind::kPromote:
        return ReplaceCa(state, {state.ca.Entry("next-ca.crt"), state.ca.Entry("next-ca.key")}, now);
      case StepKind::kDropPrevious:
        return Write(kube::kSecrets, ca, state.ca, {{"previous-ca.crt", std::nullopt}},
                     {{std::string(kRotatedAnnotation), std::nullopt}});
      case StepKind::kMarkReplaced:
        return Write(kube::kSecrets, NameOf("-tls"), state.tls, {},
                     {{std::string(kReplacedAnnotation), ReplacedMark(state, now)}});
      case StepKind::kDropReplaced:
        return Write(kube::kSecrets, NameOf("-tls"), state.tls, {{"previous-ca.crt", std::nullopt}},
                     {{std::string(kRotatedAnnotation), std::nullopt}});
    }
    return Ok();
  }

  void SetProblems(std::vector<std::string> found) {
    std::scoped_lock lock(mutex);
    for (const std::string& problem : found) {
      if (std::find(problems.begin(), problems.end(), problem) == problems.end()) {
        log.Warn("certificates need an operator", {{"detail", problem}});
      }
    }
    problems = std::move(found);
  }

  Result<Duration> Round() {
    std::set<Step> failed;
    std::optional<Error> first;
    for (std::size_t i = 0; i < kSteps && leading(); ++i) {
      ASSIGN_OR_RETURN(CertificateState state, ReadState());
      const WallTime now = clock.Wall();
      CertificatePlan plan = NextStep(state, options, now, failed);
      SetProblems(std::move(plan.problems));
      if (plan.step.kind == StepKind::kNothing) {
        if (first.has_value()) return *first;
        return std::clamp(plan.wait, Duration(1), kLookInterval);
      }
      // The reads took their time; another process may lead by now.
      if (!leading()) break;
      Status done = Execute(plan.step, state, now);
      if (done.ok()) {
        log.Info("certificates", {{"done", Name(plan.step.kind)}, {"because", plan.why}});
        continue;
      }
      const Reason reason = done.error().reason;
      if (reason == Reason::kKubeUnavailable) return done.error();
      // Somebody else wrote in between: what is there now is looked at anew.
      if (reason == Reason::kKubeConflict) continue;
      failed.insert(plan.step);
      if (!first.has_value()) first = done.error().In(Name(plan.step.kind));
    }
    if (!leading()) return kLookInterval;
    if (first.has_value()) return *first;
    return Error{Reason::kKubeConflict, "certificates", "they do not come to rest: somebody else changes them as well"};
  }

  // The thread's wall.
  Result<Duration> GuardedRound() {
    try {
      return Round();
    } catch (const std::exception& failure) {  // lint-ok: M07 a thread's entry
      return Error{Reason::kInternal, "certificates", failure.what()};
    }
  }

  void Run() {
    Duration pause = kFirstPause;
    while (true) {
      Duration wait = kLookInterval;
      if (leading()) {
        auto round = GuardedRound();
        if (round.ok()) {
          wait = *round;
          pause = kFirstPause;
        } else {
          log.Failure(telemetry::Level::kWarn, "certificates could not be kept", round.error());
          wait = pause;
          pause = std::min(pause * 2, kLookInterval);
        }
      }
      std::unique_lock lock(mutex);
      wake.wait_for(lock, wait, [this] { return stopping || kicked; });
      if (stopping) return;
      kicked = false;
    }
  }
};

CertificateManager::CertificateManager(kube::Api& api, CertificateOptions options, std::function<bool()> leading,
                                       const Clock& clock, telemetry::Logger& log, Random random)
    : impl_(new Impl{.api = api,
                     .options = std::move(options),
                     .leading = std::move(leading),
                     .clock = clock,
                     .log = log,
                     .random = std::move(random)}) {}

CertificateManager::~CertificateManager() {
  Stop();
}

void CertificateManager::Start() {
  impl_->thread = std::thread([this] { impl_->Run(); });
}

void CertificateManager::Stop() {
  {
    std::scoped_lock lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  if (impl_->thread.joinable()) impl_->thread.join();
}

void CertificateManager::Kick() {
  {
    std::scoped_lock lock(impl_->mutex);
    impl_->kicked = true;
  }
  impl_->wake.notify_all();
}

Result<Duration> CertificateManager::RunOnce() {
  return impl_->Round();
}

std::vector<std::string> CertificateManager::Problems() const {
  std::scoped_lock lock(impl_->mutex);
  return impl_->problems;
}

}  // namespace gatehouse::webhook
