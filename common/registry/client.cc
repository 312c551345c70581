#include "common/registry/client.h"

#include <algorithm>
#include <future>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"
#include "common/net/ascii.h"
#include "common/registry/fetcher.h"
#include "common/registry/referrers.h"
#include "common/registry/remembered.h"
#include "common/registry/single_flight.h"

namespace gatehouse::registry {
namespace {

using Content = std::optional<VerifiedContent>;

constexpr std::string_view kDockerHub = "docker.io";
constexpr std::string_view kDockerHubApi = "registry-1.docker.io";
constexpr Duration kHasReferrersApi{3'600'000};
constexpr Duration kNoReferrersApi{300'000};  // until a registry that was upgraded is asked again
constexpr Duration kAvoided{15'000};          // what cannot be reached would cost every request its share of time
constexpr std::size_t kRememberedRegistries = 1024;

// distribution-spec: Docker-Content-Digest "MAY" be given; a client "SHOULD" verify it. It must be the digest of the
// body, in whichever algorithm; it is never where a digest is taken from.
Status CheckDigestHeader(const net::HttpResponse& response, const std::string& where) {
  std::size_t count = 0;
  for (const auto& [name, value] : response.headers) {
    if (!net::EqualsIgnoreCase(name, "Docker-Content-Digest")) continue;
    auto digest = Digest::Parse(value);
    if (!digest.ok() || ++count > 1) {
      return Error{Reason::kRegistryProtocol, where, "the Docker-Content-Digest header is repeated or no digest"};
    }
    if (!crypto::Matches(*digest, AsBytes(response.body))) {
      return Error{Reason::kContentMismatch, where,
                   "the Docker-Content-Digest header is not the digest of the bytes served"};
    }
  }
  return Ok();
}

std::string ManifestTypes() {
  std::string types;
  for (std::string_view type : {image::kOciIndex, image::kDockerList, image::kOciManifest, image::kDockerManifest}) {
    types += (types.empty() ? "" : ", ") + std::string(type);
  }
  return types;
}

std::string ContentType(const net::HttpResponse& response) {
  return std::string(response.Header("Content-Type").value_or(""));
}

std::string PathOf(const Target& target, std::string_view kind, std::string_view reference) {
  return "/v2/" + target.repository + "/" + std::string(kind) + "/" + std::string(reference);
}

// distribution-spec, "Listing Referrers": "If the response to the referrers API is a 404, and the tag schema does not
// return a valid image index, the client SHOULD assume there are no referrers to the manifest." So it is for what was
// put under that tag as something else than an OCI index. An OCI index that cannot be read is an error all the same:
// what could not be looked at is not known to be absent.
Status AddFallback(const Target& target, const net::HttpResponse& response, ReferrerCollector& collector) {
  Status added = collector.AddPage(response.body, ContentType(response));
  if (added.ok() || added.error().reason == Reason::kContentUnsupported) return Ok();
  return added.error().In(target.name);
}

// Too slow, or "come again" too late for the time there was.
bool IsForWantOfTime(const Error& error) {
  return error.reason == Reason::kDeadlineExceeded || error.reason == Reason::kRegistryUnavailable;
}

// What one fetch for many depends on: whatever may be shown to whomever is asked. Content that a mirror gives for a
// secret is for those who have that secret, also where the registry itself asks for none.
std::string FlightKey(const std::vector<Target>& targets) {
  std::string key;
  for (const Target& target : targets) key += "\n" + target.cache_key;
  return key;
}

}  // namespace

struct Client::Impl {
  Impl(net::HttpTransport& transport, const Clock& clock_in, ClientOptions options_in)
      : clock(clock_in),
        options(std::move(options_in)),
        fetcher(transport, clock, options.sleep, [this](const net::Url& url) { Avoid(url); }) {}

  void Avoid(const net::Url& url) { unreachable.Put(url.Origin(), clock.Mono(), kAvoided); }

  [[nodiscard]] Result<net::Url> RegistryOf(const image::Reference& ref) const;
  [[nodiscard]] std::vector<image::Reference> AtMirrors(const image::Reference& ref) const;
  [[nodiscard]] Result<Target> TargetOf(const image::Reference& ref, const Credentials& credentials,
                                        const Deadline& deadline) const;
  [[nodiscard]] Result<std::vector<Target>> TargetsOf(const image::Reference& ref, const Credentials& credentials,
                                                      const Deadline& deadline) const;
  [[nodiscard]] Result<Content> FetchVerified(const Target& target, const std::string& path, const std::string& accept,
                                              std::size_t max_bytes, const Digest& digest, const Deadline& deadline);
  [[nodiscard]] Result<Content> FetchTag(const Target& target, const std::string& tag, const Deadline& deadline);
  [[nodiscard]] Result<std::optional<ReferrerList>> FetchReferrers(const Target& target, const Digest& digest,
                                                                   const std::vector<std::string>& artifact_types,
                                                                   const Deadline& deadline);
  [[nodiscard]] Result<bool> FetchPages(const Target& target, const Digest& digest,
                                        const std::vector<std::string>& artifact_types, ReferrerCollector& collector,
                                        const Deadline& deadline);
  [[nodiscard]] Result<Fetched> FetchFallback(const Target& target, const Digest& digest, const Deadline& deadline);
  template <typename T>
  [[nodiscard]] Result<std::optional<T>> FirstThatHas(
      const std::vector<Target>& targets, const Deadline& deadline,
      const std::function<Result<std::optional<T>>(const Target&, const Deadline&)>& ask);

  const Clock& clock;
  const ClientOptions options;
  Fetcher fetcher;
  SingleFlight<Content> flights;
  RememberedNames with_api{kRememberedRegistries};
  RememberedNames without_api{kRememberedRegistries};
  RememberedNames unreachable{kRememberedRegistries};
};

Result<net::Url> Client::Impl::RegistryOf(const image::Reference& ref) const {
  const auto& hosts = options.insecure_hosts;
  bool insecure = std::any_of(hosts.begin(), hosts.end(),
                              [&](const std::string& host) { return net::EqualsIgnoreCase(host, ref.domain()); });
  std::string host = ref.domain() == kDockerHub ? std::string(kDockerHubApi) : ref.domain();
  auto url = net::Url::Parse((insecure ? "http://" : "https://") + host + "/", Reason::kImageReferenceMalformed);
  if (!url.ok()) return url.error().In(ref.Name());
  return url;
}

// The same repository at the mirrors of its registry, in their order.
std::vector<image::Reference> Client::Impl::AtMirrors(const image::Reference& ref) const {
  std::vector<image::Reference> there;
  auto own = RegistryOf(ref);
  auto found = std::find_if(options.mirrors.begin(), options.mirrors.end(), [&](const auto& each) {
    return net::EqualsIgnoreCase(each.first, ref.domain()) || (own.ok() && each.first == own->Authority());
  });
  if (found == options.mirrors.end()) return there;
  for (const std::string& mirror : found->second) {
    // What a mirror cannot have a name for, it does not have.
    if (auto name = image::Reference::Parse(mirror + "/" + ref.path()); name.ok()) there.push_back(*std::move(name));
  }
  return there;
}

Result<Target> Client::Impl::TargetOf(const image::Reference& ref, const Credentials& credentials,
                                      const Deadline& deadline) const {
  ASSIGN_OR_RETURN(net::Url url, RegistryOf(ref));
  auto credential = credentials.Get(ref, deadline);
  if (!credential.ok()) return credential.error().In(ref.Name());
  Target target{ref.Name(), std::move(url), ref.path(), *std::move(credential), "", ""};
  target.login_key = target.registry.Origin() + "\n" + credentials.IdentityFor(ref);
  target.cache_key = target.repository + "\n" + target.login_key;
  return target;
}

// The mirrors of the image's registry in their order, and then itself.
Result<std::vector<Target>> Client::Impl::TargetsOf(const image::Reference& ref, const Credentials& credentials,
                                                    const Deadline& deadline) const {
  ASSIGN_OR_RETURN(Target own, TargetOf(ref, credentials, deadline));
  std::vector<Target> targets;
  for (const image::Reference& there : AtMirrors(ref)) {
    auto target = TargetOf(there, credentials, deadline);
    if (target.ok() && !unreachable.Has(target->registry.Origin(), clock.Mono())) targets.push_back(*std::move(target));
  }
  targets.push_back(std::move(own));
  return targets;
}

// Asks one after the other. A mirror that fails in whatever way is passed over: it vouches for nothing, so that it can
// refuse nothing. The last word, and the error if there is one, is the registry's own. A mirror that hangs gets its
// share of the time, not all of it.
template <typename T>
Result<std::optional<T>> Client::Impl::FirstThatHas(
    const std::vector<Target>& targets, const Deadline& deadline,
    const std::function<Result<std::optional<T>>(const Target&, const Deadline&)>& ask) {
  for (std::size_t i = 0; i + 1 < targets.size(); ++i) {
    auto share = deadline.Remaining() / static_cast<std::int64_t>(targets.size() - i);
    auto answer = ask(targets[i], deadline.Sooner(share));
    if (answer.ok() && answer->has_value()) return answer;
    if (!answer.ok() && answer.error().reason == Reason::kDeadlineExceeded && !deadline.Passed())
      Avoid(targets[i].registry);
  }
  // Where there is no way to the registry itself, only what the mirrors do not have is asked of it, and each time in
  // vain.
  const Target& own = targets.back();
  if (targets.size() > 1 && unreachable.Has(own.registry.Origin(), clock.Mono())) {
    return Error{Reason::kRegistryUnavailable, own.name,
                 "could not be reached a moment ago, and its mirrors do not have this"};
  }
  return ask(targets.back(), deadline);
}

Result<Content> Client::Impl::FetchVerified(const Target& target, const std::string& path, const std::string& accept,
                                            std::size_t max_bytes, const Digest& digest, const Deadline& deadline) {
  ASSIGN_OR_RETURN(Fetched fetched, fetcher.Get(target, path, accept, max_bytes, deadline));
  if (!fetched.found) return Content();
  if (!crypto::Matches(digest, AsBytes(fetched.response.body))) {
    return Error{Reason::kContentMismatch, target.name, "the bytes served do not hash to " + digest.text()};
  }
  RETURN_IF_ERROR(CheckDigestHeader(fetched.response, target.name));
  return Content(VerifiedContent(digest, std::move(fetched.response.body), ContentType(fetched.response)));
}

Result<Content> Client::Impl::FetchTag(const Target& target, const std::string& tag, const Deadline& deadline) {
  ASSIGN_OR_RETURN(Fetched fetched, fetcher.Get(target, PathOf(target, "manifests", tag), ManifestTypes(),
                                                limits::kManifestBytes, deadline));
  if (!fetched.found) return Content();
  RETURN_IF_ERROR(CheckDigestHeader(fetched.response, target.name));
  Digest digest = crypto::Sha256Digest(AsBytes(fetched.response.body));
  return Content(VerifiedContent(std::move(digest), std::move(fetched.response.body), ContentType(fetched.response)));
}

// false: this registry has no such API. distribution-spec, "Listing Referrers": one that has it answers 200 with an
// image index, also where nothing refers to the digest.
Result<bool> Client::Impl::FetchPages(const Target& target, const Digest& digest,
                                      const std::vector<std::string>& artifact_types, ReferrerCollector& collector,
                                      const Deadline& deadline) {
  std::string path = PathOf(target, "referrers", digest.text());
  if (artifact_types.size() == 1 && IsWholeType(artifact_types[0]))
    path += "?artifactType=" + net::EncodeQueryValue(artifact_types[0]);
  std::vector<std::string> visited;
  while (true) {
    visited.push_back(path);
    ASSIGN_OR_RETURN(Fetched page,
                     fetcher.Get(target, path, std::string(image::kOciIndex), limits::kReferrerPageBytes, deadline));
    // A registry that has the API has it on every page.
    if (!page.found && visited.size() > 1)
      return Error{Reason::kRegistryProtocol, target.name, "a next page of referrers is not there"};
    if (!page.found) {
      // One host may have several registries behind it, and say to a stranger that something is not there: a 404
      // says something of this repository, as it is seen with this credential, and of no other image.
      if (!SaysWhatIsUnknown(page.response.body)) without_api.Put(target.cache_key, clock.Mono(), kNoReferrersApi);
      return false;
    }
    if (visited.size() == 1) with_api.Put(target.registry.Origin(), clock.Mono(), kHasReferrersApi);
    Status added = collector.AddPage(page.response.body, ContentType(page.response));
    if (!added.ok() && added.error().reason == Reason::kContentUnsupported)
      return Error{Reason::kRegistryProtocol, target.name, "referrers are served as something that is no image index"};
    if (!added.ok()) return added.error().In(target.name);
    ASSIGN_OR_RETURN(auto next, NextLink(page.response.headers));
    if (!next.has_value()) return true;
    ASSIGN_OR_RETURN(net::Url url, page.url.Resolve(*next, Reason::kRegistryProtocol));
    // CVE-2025-27403 and its like: a header does not choose whom credentials are for.
    if (url.Origin() != target.registry.Origin())
      return Error{Reason::kRegistryProtocol, target.name, "the next page of referrers is said to be on another host"};
    if (std::find(visited.begin(), visited.end(), url.target) != visited.end())
      return Error{Reason::kRegistryProtocol, target.name, "the pages of referrers lead back to one of them"};
    if (visited.size() == limits::kReferrerPages) collector.Truncate();
    if (collector.truncated()) return true;
    path = url.target;
  }
}

Result<Fetched> Client::Impl::FetchFallback(const Target& target, const Digest& digest, const Deadline& deadline) {
  return fetcher.Get(target, PathOf(target, "manifests", ReferrersTag(digest)), ManifestTypes(), limits::kManifestBytes,
                     deadline);
}

// Nothing where there are none: the next is asked then, because a mirror may have the image and not its signatures.
// Where it is not known whether the registry has the API, the fallback tag is asked for at the same time: one request
// more for the first image, and for none a round trip more. What lies there counts after the API's 404 only, and gets
// half of the time: what the API says must not wait in vain for a tag that hangs.
Result<std::optional<ReferrerList>> Client::Impl::FetchReferrers(const Target& target, const Digest& digest,
                                                                 const std::vector<std::string>& artifact_types,
                                                                 const Deadline& deadline) {
  ReferrerCollector collector(digest, artifact_types);
  const std::string origin = target.registry.Origin();
  const bool none = without_api.Has(target.cache_key, clock.Mono());
  std::future<Result<Fetched>> ahead;
  if (!none && !with_api.Has(origin, clock.Mono())) {
    // Where no thread can be started (a limit on processes), it is asked for when it is needed.
    ahead = std::async(
        std::launch::async | std::launch::deferred,
        [&, half = deadline.Sooner(deadline.Remaining() / 2)] { return FetchFallback(target, digest, half); });
  }
  const bool ahead_asked = ahead.valid();
  bool has_api = false;
  if (!none) {
    ASSIGN_OR_RETURN(has_api, FetchPages(target, digest, artifact_types, collector, deadline));
  }
  if (!has_api) {
    auto fallback = ahead.valid() ? ahead.get() : FetchFallback(target, digest, deadline);
    if (!fallback.ok() && IsForWantOfTime(fallback.error()) && ahead_asked)
      fallback = FetchFallback(target, digest, deadline);
    if (!fallback.ok()) return fallback.error();
    if (fallback->found) RETURN_IF_ERROR(AddFallback(target, fallback->response, collector));
  }
  ReferrerList list = std::move(collector).Take();
  if (list.referrers.empty() && !list.truncated) return std::optional<ReferrerList>();
  return std::optional(std::move(list));
}

Client::Client(net::HttpTransport& transport, const Clock& clock, ClientOptions options)
    : impl_(std::make_unique<Impl>(transport, clock, std::move(options))) {}
Client::~Client() = default;

std::string Client::IdentityOf(const image::Reference& ref, const Credentials& credentials) const {
  std::string identity = credentials.IdentityFor(ref);
  for (const image::Reference& there : impl_->AtMirrors(ref)) identity += "\n" + credentials.IdentityFor(there);
  return identity;
}

Result<Content> Client::GetManifestByTag(const image::Reference& ref, std::string_view tag,
                                         const Credentials& credentials, const Deadline& deadline) {
  if (!image::IsTag(tag))
    return Error{Reason::kImageReferenceMalformed, ref.Name(), "'" + Printable(tag, 100) + "' is no tag"};
  ASSIGN_OR_RETURN(auto targets, impl_->TargetsOf(ref, credentials, deadline));
  return impl_->FirstThatHas<VerifiedContent>(targets, deadline, [&](const Target& target, const Deadline& until) {
    return impl_->FetchTag(target, std::string(tag), until);
  });
}

Result<Content> Client::GetManifest(const image::Reference& ref, const Digest& digest, const Credentials& credentials,
                                    const Deadline& deadline) {
  ASSIGN_OR_RETURN(auto targets, impl_->TargetsOf(ref, credentials, deadline));
  const std::string key = "manifest\n" + digest.text() + FlightKey(targets);
  return impl_->flights.Do(key, deadline, [&] {
    return impl_->FirstThatHas<VerifiedContent>(targets, deadline, [&](const Target& target, const Deadline& until) {
      return impl_->FetchVerified(target, PathOf(target, "manifests", digest.text()), ManifestTypes(),
                                  limits::kManifestBytes, digest, until);
    });
  });
}

Result<Content> Client::GetBlob(const image::Reference& ref, const Digest& digest, std::size_t max_bytes,
                                const Credentials& credentials, const Deadline& deadline) {
  ASSIGN_OR_RETURN(auto targets, impl_->TargetsOf(ref, credentials, deadline));
  const std::string key = "blob " + std::to_string(max_bytes) + "\n" + digest.text() + FlightKey(targets);
  return impl_->flights.Do(key, deadline, [&] {
    return impl_->FirstThatHas<VerifiedContent>(targets, deadline, [&](const Target& target, const Deadline& until) {
      return impl_->FetchVerified(target, PathOf(target, "blobs", digest.text()), "*/*", max_bytes, digest, until);
    });
  });
}

Result<ReferrerList> Client::Referrers(const image::Reference& ref, const Digest& digest,
                                       const std::vector<std::string>& artifact_types, const Credentials& credentials,
                                       const Deadline& deadline) {
  ASSIGN_OR_RETURN(auto targets, impl_->TargetsOf(ref, credentials, deadline));
  ASSIGN_OR_RETURN(
      auto list, impl_->FirstThatHas<ReferrerList>(targets, deadline, [&](const Target& target, const Deadline& until) {
        return impl_->FetchReferrers(target, digest, artifact_types, until);
      }));
  return list.has_value() ? *std::move(list) : ReferrerList{};
}

}  // namespace gatehouse::registry
