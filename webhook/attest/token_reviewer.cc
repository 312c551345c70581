#include "webhook/attest/token_reviewer.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/crypto/hash.h"

namespace gatehouse::webhook {
namespace {

constexpr std::string_view kPodName = "authentication.kubernetes.io/pod-name";
constexpr std::string_view kPodUid = "authentication.kubernetes.io/pod-uid";
constexpr std::string_view kNodeNameClaim = "authentication.kubernetes.io/node-name";
constexpr Duration kRefusedFor{10'000};
constexpr Duration kReviewTime{5'000};
constexpr Duration kWaitTick{50};
constexpr std::size_t kWaitForOneToken = 4;
constexpr double kPeerBurst = 5;  // an agent has one token at a time

// So many at once, and so many a second after that.
struct Allowance {
  double left;
  MonoTime at;
  [[nodiscard]] double Left(MonoTime now, double per_second) const {
    return left + std::chrono::duration<double>(now - at).count() * per_second;
  }
  bool Take(MonoTime now, double per_second, double most) {
    left = std::min(most, Left(now, per_second));
    at = now;
    if (left < 1) return false;
    left -= 1;
    return true;
  }
};

Error Unauthenticated(std::string detail) {
  return {Reason::kIdentityUnauthenticated, "", std::move(detail)};
}

// The one value of an "extra" of the user; nothing if there is none, or several.
std::optional<std::string> ExtraOf(codec::JsonView user, std::string_view key) {
  const auto extra = user.Find("extra");
  const auto values = extra.has_value() ? extra->Find(key) : std::nullopt;
  if (!values.has_value() || !values->IsArray() || values->size() != 1) return std::nullopt;
  const auto text = values->at(0).AsString();
  if (!text.has_value() || text->empty()) return std::nullopt;
  return std::string(*text);
}

bool Lists(codec::JsonView array, std::string_view wanted) {
  for (std::size_t i = 0; i < array.size() && array.IsArray(); ++i) {
    if (array.at(i).AsString() == wanted) return true;
  }
  return false;
}

// What a token says of itself, unproven: enough to know that a review would be in vain. So strangers cost the API
// server nothing for what is no token for us at all.
struct Claimed {
  WallTime expires;
};
Result<Claimed> ReadClaimed(std::string_view token, std::string_view subject, std::string_view audience, WallTime now) {
  const Error none = Unauthenticated("the token is not known, and is no ServiceAccount token for this service");
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) return none;
  auto payload = DecodeBase64Url(token.substr(first + 1, second - first - 1));
  if (!payload.ok()) return none;
  auto claims = codec::JsonDocument::Parse(AsText(*payload), {.max_bytes = limits::kReviewedTokenBytes});
  if (!claims.ok()) return none;
  const codec::JsonView root = claims->root();
  const auto said_subject = root.Find("sub");
  const auto said_audience = root.Find("aud");
  const auto said_expiry = root.Find("exp");
  if (!said_subject.has_value() || said_subject->AsString() != subject) return none;
  if (!said_audience.has_value() || !(Lists(*said_audience, audience) || said_audience->AsString() == audience))
    return Unauthenticated("the token is for another audience than " + std::string(audience));
  const auto seconds = said_expiry.has_value() ? said_expiry->AsInt() : std::nullopt;
  constexpr std::int64_t kLatest = 253402300799;
  if (!seconds.has_value() || *seconds < 0 || *seconds > kLatest) return none;
  const WallTime expires{std::chrono::seconds(*seconds)};
  if (expires <= now) return Unauthenticated("the token has expired");
  return Claimed{expires};
}

}  // namespace

struct TokenReviewer::Impl {
  struct Known {
    Result<NodeName> node;
    MonoTime until;
  };

  Impl(kube::Api& api_in, const Clock& clock_in, Options options_in)
      : api(api_in),
        clock(clock_in),
        options(std::move(options_in)),
        subject("system:serviceaccount:" + options.namespace_name + ":" + options.service_account) {}

  // The mutex is held in those that follow.
  std::optional<Result<NodeName>> Remembered(const std::string& key) {
    for (auto* memory : {&good, &bad}) {
      auto found = memory->find(key);
      if (found != memory->end() && found->second.until > clock.Mono()) return found->second.node;
    }
    return std::nullopt;
  }
  // Whether one more token may be reviewed now. Strangers must not use up what the API grants this process; who was
  // good before is none.
  bool MayReview(const std::string& key, const std::string& peer) {
    if (good.contains(key)) return under_way.size() < 2 * limits::kTokenReviewsAtOnce;
    const double most = 2 * options.reviews_per_second;
    if (!allowance.has_value()) allowance = Allowance{most, clock.Mono()};
    return under_way.size() < limits::kTokenReviewsAtOnce && MayReviewFor(peer) &&
           allowance->Take(clock.Mono(), options.reviews_per_second, most);
  }
  void Remember(const std::string& key, const Result<NodeName>& node, WallTime expires) {
    if (!node.ok() && ClassOf(node.error().reason) == ReasonClass::kUnavailable) return;
    auto& memory = node.ok() ? good : bad;
    if (memory.size() >= limits::kReviewedTokens) {
      std::erase_if(memory, [now = clock.Mono()](const auto& entry) { return entry.second.until <= now; });
      if (memory.size() >= limits::kReviewedTokens) memory.clear();  // they are only reviewed again
    }
    Duration life = node.ok() ? options.remember : kRefusedFor;
    life = std::min(life, expires - clock.Wall());
    if (!node.ok()) good.erase(key);
    memory.insert_or_assign(key, Known{node, clock.Mono() + life});
  }

  // While another asks about the same token. Few for each, and of those that were not good before not many in all: each
  // holds a thread.
  [[nodiscard]] Result<NodeName> Await(const std::string& key, std::unique_lock<std::mutex>& lock,
                                       const Deadline& deadline) {
    const bool stranger = !good.contains(key);
    const auto others = waiting.find(key);
    if ((others != waiting.end() && others->second >= kWaitForOneToken) ||
        (stranger && strangers_waiting >= limits::kTokenReviewsAtOnce))
      return Error{Reason::kOverloaded, "", "too many wait for one token"};
    ++waiting[key];
    strangers_waiting += stranger ? 1U : 0U;
    while (under_way.contains(key) && !deadline.Passed()) done.wait_for(lock, kWaitTick);
    strangers_waiting -= stranger ? 1U : 0U;
    if (--waiting[key] == 0) waiting.erase(key);
    if (auto known = Remembered(key)) return *known;
    return Error{Reason::kKubeUnavailable, "", "the token could not be reviewed"};
  }
  // Whether a caller from there may have one more unknown token reviewed. The mutex is held.
  bool MayReviewFor(const std::string& peer) {
    if (peer.empty()) return true;
    const MonoTime now = clock.Mono();
    if (peers.size() >= limits::kReviewPeers) {
      std::erase_if(peers,
                    [&](const auto& entry) { return entry.second.Left(now, options.reviews_of_peer) >= kPeerBurst; });
      if (peers.size() >= limits::kReviewPeers) return false;
    }
    return peers.try_emplace(peer, Allowance{kPeerBurst, now})
        .first->second.Take(now, options.reviews_of_peer, kPeerBurst);
  }
  [[nodiscard]] Result<NodeName> Review(std::string_view token, const Deadline& deadline);
  [[nodiscard]] Result<NodeName> NodeOfPod(const std::string& name, const std::string& uid, const Deadline& deadline);

  kube::Api& api;
  const Clock& clock;
  const Options options;
  const std::string subject;
  std::mutex mutex;
  std::condition_variable done;
  std::map<std::string, Known> good;
  std::map<std::string, Known> bad;  // apart: strangers must not push out those that are known
  std::set<std::string> under_way;
  std::map<std::string, std::size_t> waiting;  // for each token
  std::size_t strangers_waiting = 0;
  std::optional<Allowance> allowance;  // of all
  std::unordered_map<std::string, Allowance> peers;
};

Result<NodeName> TokenReviewer::Impl::Review(std::string_view token, const Deadline& deadline) {
  codec::JsonWriter json;
  json.BeginObject().Member("apiVersion", "authentication.k8s.io/v1").Member("kind", "TokenReview");
  json.Key("spec").BeginObject().Member("token", token);
  json.Key("audiences").BeginArray().String(options.audience).EndArray().EndObject().EndObject();
  ASSIGN_OR_RETURN(auto answer, api.Create(kube::PathOf(kube::kTokenReviews), std::move(json).Finish(), deadline));
  const auto status = answer.root().Find("status");
  const auto authenticated = status.has_value() ? status->Find("authenticated") : std::nullopt;
  if (!authenticated.has_value() || authenticated->AsBool() != true)
    return Unauthenticated("the API server does not know the token");
  // "an authenticator that is not audience-aware leaves it empty": then the token may be one for the API server itself,
  // which whoever sees it may not use here.
  const auto audiences = status->Find("audiences");
  if (!audiences.has_value() || !Lists(*audiences, options.audience))
    return Unauthenticated("the token is for another audience than " + options.audience);
  const auto user = status->Find("user");
  if (!user.has_value() || kube::TextAt(*user, {"username"}) != subject)
    return Unauthenticated("the token is not the agents' ServiceAccount's, " + subject);
  // A token that is not bound to a pod says nothing of a node: the legacy kind, kept in a Secret, is such a one.
  const auto pod = ExtraOf(*user, kPodName);
  const auto pod_uid = ExtraOf(*user, kPodUid);
  if (!pod.has_value() || !pod_uid.has_value())
    return Unauthenticated("the token is not bound to a pod; mount a projected one");
  if (const auto node = ExtraOf(*user, kNodeNameClaim); node.has_value()) return NodeName::Parse(*node);
  return NodeOfPod(*pod, *pod_uid, deadline);
}

Result<NodeName> TokenReviewer::Impl::NodeOfPod(const std::string& name, const std::string& uid,
                                                const Deadline& deadline) {
  auto pod = api.Get(kube::PathOf(kube::kPods, options.namespace_name, name), deadline);
  if (!pod.ok() && pod.error().reason == Reason::kKubeNotFound) return Unauthenticated("the token's pod is gone");
  if (!pod.ok()) return pod.error();
  if (kube::TextAt(pod->root(), {"metadata", "uid"}) != uid)
    return Unauthenticated("the token is of an earlier pod of that name");
  const std::string_view node = kube::TextAt(pod->root(), {"spec", "nodeName"});
  if (node.empty()) return Unauthenticated("the token's pod is on no node");
  return NodeName::Parse(node);
}

TokenReviewer::TokenReviewer(kube::Api& api, const Clock& clock, Options options)
    : impl_(std::make_unique<Impl>(api, clock, std::move(options))) {}

TokenReviewer::~TokenReviewer() = default;

Result<NodeName> TokenReviewer::NodeOf(std::string_view token, const std::string& peer) {
  return NodeOf(token, Deadline(impl_->clock, kReviewTime), peer);
}

Result<NodeName> TokenReviewer::NodeOf(std::string_view token, const Deadline& deadline, const std::string& peer) {
  Impl& impl = *impl_;
  if (token.size() > limits::kReviewedTokenBytes) return Unauthenticated("the token is too long to be one");
  ASSIGN_OR_RETURN(Claimed claimed, ReadClaimed(token, impl.subject, impl.options.audience, impl.clock.Wall()));
  const std::string key = crypto::Sha256Digest(AsBytes(token)).text();
  std::unique_lock lock(impl.mutex);
  if (auto known = impl.Remembered(key)) return *known;
  if (impl.under_way.contains(key)) return impl.Await(key, lock, deadline);
  if (!impl.MayReview(key, peer)) return Error{Reason::kOverloaded, "", "too many tokens are being reviewed"};
  impl.under_way.insert(key);
  lock.unlock();
  // Whatever comes of it, the token may be reviewed again.
  const std::shared_ptr<void> done(nullptr, [&](void*) {
    std::lock_guard guard(impl.mutex);
    impl.under_way.erase(key);
    impl.done.notify_all();
  });
  Result<NodeName> node = impl.Review(token, deadline);
  // Whose right it is to be wrong: ours, not the caller's.
  if (!node.ok() && node.error().reason != Reason::kIdentityUnauthenticated &&
      ClassOf(node.error().reason) != ReasonClass::kUnavailable)
    node = Error{Reason::kInternal, "TokenReview", node.error().ToString()};
  {
    std::lock_guard guard(impl.mutex);  // given back before `done` takes it, whatever happens
    impl.Remember(key, node, claimed.expires);
  }
  return node;
}

}  // namespace gatehouse::webhook
