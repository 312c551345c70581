#include "common/registry/client.h"

#include <algorithm>
#include <thread>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"
#include "common/net/ascii.h"
#include "common/registry/challenge.h"
#include "common/registry/referrers.h"
#include "common/registry/retry_after.h"
#include "common/registry/token.h"

namespace gatehouse::registry {
namespace {

constexpr std::string_view kDockerHub = "docker.io";
constexpr std::string_view kDockerHubApi = "registry-1.docker.io";
constexpr Duration kShortestWait{100};  // a registry that says "come again in 0 seconds" is not asked in a tight loop

constexpr std::chrono::seconds kBasicLifetime{300};

// Where an image's content is, and what may be shown there.
struct Target {
  std::string name;        // "host/path", for messages
  net::Url registry;       // its root
  std::string repository;  // path
  std::optional<BasicCredential> credential;
  std::string cache_key;  // registry, repository and credential
};

// Nothing of the body: whoever wrote the image's name may read this, and chose what was asked where.
std::string Answered(const net::HttpResponse& response) {
  return "the registry answered " + std::to_string(response.status);
}

std::string BasicAuthorization(const BasicCredential& credential) {
  return "Basic " + EncodeBase64(AsBytes(credential.username + ":" + credential.password));
}

// What an answer that is neither 200 nor 404 means. 400 and its like are no "nothing there": a proxy's or a mistaken
// registry's refusal must not pass for the absence of signatures.
Error RefusalOf(const net::HttpResponse& response, const std::string& where) {
  if (response.status == 401 || response.status == 403) return {Reason::kRegistryDenied, where, Answered(response)};
  if (response.status == 429 || response.status >= 500)
    return {Reason::kRegistryUnavailable, where, Answered(response)};
  return {Reason::kRegistryProtocol, where, Answered(response)};
}

// Transport faults are the registry's to its caller; limits, deadlines and refused addresses stay what they are.
Error AsRegistryError(Error error) {
  if (error.reason == Reason::kNetworkUnavailable) error.reason = Reason::kRegistryUnavailable;
  return error;
}

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

}  // namespace

struct Client::Impl {
  Impl(net::HttpTransport& transport_in, const Clock& clock_in, ClientOptions options_in)
      : transport(transport_in), clock(clock_in), options(std::move(options_in)) {
    if (!options.sleep) options.sleep = [](Duration time) { std::this_thread::sleep_for(time); };
  }

  [[nodiscard]] Result<Target> TargetOf(const image::Reference& ref, const Credentials& credentials) const;
  [[nodiscard]] Result<net::HttpResponse> SendPatiently(const net::HttpRequest& request, const std::string& where,
                                                        net::Url& last, const Deadline& deadline) const;
  [[nodiscard]] Result<std::string> FetchToken(const Target& target, const Challenge& challenge,
                                               const Deadline& deadline);
  [[nodiscard]] Result<std::string> Authenticate(const Target& target, const net::HttpResponse& response,
                                                 const Deadline& deadline);
  [[nodiscard]] Result<std::optional<net::HttpResponse>> Fetch(const Target& target, const std::string& path,
                                                               const std::string& accept, std::size_t max_bytes,
                                                               const Deadline& deadline);
  [[nodiscard]] Result<std::optional<VerifiedContent>> FetchVerified(const Target& target, const std::string& path,
                                                                     const std::string& accept, std::size_t max_bytes,
                                                                     const Digest& digest, const Deadline& deadline);

  net::HttpTransport& transport;
  const Clock& clock;
  ClientOptions options;
  AuthorizationCache authorizations;
};

Result<Target> Client::Impl::TargetOf(const image::Reference& ref, const Credentials& credentials) const {
  const auto& hosts = options.insecure_hosts;
  bool insecure = std::any_of(hosts.begin(), hosts.end(),
                              [&](const std::string& host) { return net::EqualsIgnoreCase(host, ref.domain()); });
  std::string host = ref.domain() == kDockerHub ? std::string(kDockerHubApi) : ref.domain();
  auto url = net::Url::Parse((insecure ? "http://" : "https://") + host + "/", Reason::kImageReferenceMalformed);
  if (!url.ok()) return url.error().In(ref.Name());
  Target target{ref.Name(), *std::move(url), ref.path(), credentials.Find(ref), ""};
  target.cache_key = target.registry.Origin() + "\n" + target.repository + "\n" + credentials.IdentityFor(ref);
  return target;
}

// `last` becomes the URL that gave the answer.
Result<net::HttpResponse> Client::Impl::SendPatiently(const net::HttpRequest& request, const std::string& where,
                                                      net::Url& last, const Deadline& deadline) const {
  auto remember = [&](const net::Url& url) {
    last = url;
    return Ok();
  };
  for (std::size_t attempt = 1;; ++attempt) {
    auto response = net::SendFollowing(transport, request, {limits::kRedirects, false}, remember, deadline);
    if (!response.ok()) return AsRegistryError(std::move(response).error()).In(where);
    if (response->status != 429 && response->status != 503) return response;
    auto header = response->Header("Retry-After");
    auto wait = header.has_value() ? ParseRetryAfter(*header, clock.Wall()) : std::nullopt;
    if (!wait.has_value() || attempt == limits::kRegistryAttempts) return response;
    Duration pause = std::max(*wait, kShortestWait);
    if (pause >= deadline.Remaining()) {
      return Error{
          Reason::kRegistryUnavailable, where,
          Answered(*response) + " (come again in " + std::to_string(wait->count() / 1000) + " s, which is too late)"};
    }
    options.sleep(pause);
  }
}

Result<std::string> Client::Impl::FetchToken(const Target& target, const Challenge& challenge,
                                             const Deadline& deadline) {
  net::HttpRequest request{};
  ASSIGN_OR_RETURN(request.url, TokenUrl(challenge, target.registry, target.repository));
  request.headers = {{"Accept", "application/json"}};
  if (target.credential.has_value())
    request.headers.emplace_back("Authorization", BasicAuthorization(*target.credential));
  request.max_response_bytes = limits::kTokenResponseBytes;
  const std::string where = target.name + ": token from " + request.url.Authority();
  MonoTime asked = clock.Mono();
  net::Url last;
  ASSIGN_OR_RETURN(net::HttpResponse response, SendPatiently(request, where, last, deadline));
  if (response.status != 200) return RefusalOf(response, where);
  auto token = ParseTokenResponse(response.body);
  if (!token.ok()) return token.error().In(where);
  std::string authorization = "Bearer " + token->value;
  authorizations.Put(target.cache_key, authorization, asked, token->lifetime);
  return authorization;
}

// The Authorization header that a 401 of the registry's own origin asks for.
Result<std::string> Client::Impl::Authenticate(const Target& target, const net::HttpResponse& response,
                                               const Deadline& deadline) {
  std::string joined;
  for (const auto& [name, value] : response.headers) {
    if (net::EqualsIgnoreCase(name, "WWW-Authenticate")) joined += (joined.empty() ? "" : ", ") + value;
  }
  auto challenges = ParseChallenges(joined);
  if (!challenges.ok()) return challenges.error().In(target.name);
  const Challenge* bearer = nullptr;
  bool basic = false;
  for (const Challenge& challenge : *challenges) {
    basic = basic || challenge.scheme == "basic";
    if (challenge.scheme != "bearer") continue;
    if (bearer != nullptr) return Error{Reason::kRegistryProtocol, target.name, "two Bearer challenges"};
    bearer = &challenge;
  }
  if (bearer != nullptr) return FetchToken(target, *bearer, deadline);
  if (!basic) {
    return Error{Reason::kRegistryDenied, target.name,
                 "the registry asks for a kind of authentication that is not supported here"};
  }
  if (!target.credential.has_value()) {
    return Error{Reason::kRegistryDenied, target.name,
                 "the registry asks for a user and a password, and none is configured for it"};
  }
  std::string authorization = BasicAuthorization(*target.credential);
  authorizations.Put(target.cache_key, authorization, clock.Mono(), kBasicLifetime);
  return authorization;
}

// The response of a 200, nothing for a 404.
Result<std::optional<net::HttpResponse>> Client::Impl::Fetch(const Target& target, const std::string& path,
                                                             const std::string& accept, std::size_t max_bytes,
                                                             const Deadline& deadline) {
  net::HttpRequest request{};
  request.url = target.registry;
  request.url.target = "/v2/" + target.repository + path;
  // An error's body may be longer than what is asked for.
  request.max_response_bytes = std::max(max_bytes, limits::kRegistryErrorBytes);
  auto authorization = authorizations.Find(target.cache_key, clock.Mono());
  for (bool fresh = false;; fresh = true) {
    request.headers = {{"Accept", accept}};
    if (authorization.has_value()) request.headers.emplace_back("Authorization", *authorization);
    net::Url last;
    ASSIGN_OR_RETURN(net::HttpResponse response, SendPatiently(request, target.name, last, deadline));
    if (response.status == 200) {
      if (response.body.size() <= max_bytes) return std::optional(std::move(response));
      return Error{Reason::kLimitExceeded, target.name,
                   "the content has more than " + std::to_string(max_bytes) + " bytes"};
    }
    if (response.status == 404) return std::optional<net::HttpResponse>();
    if (response.status == 401 && authorization.has_value()) authorizations.Remove(target.cache_key);
    // CVE-2020-15157: a redirect's target that asks for credentials is not the registry that they are for.
    bool own_challenge = response.status == 401 && last.Origin() == target.registry.Origin();
    if (!own_challenge || fresh) return RefusalOf(response, target.name);
    ASSIGN_OR_RETURN(authorization, Authenticate(target, response, deadline));
  }
}

Result<std::optional<VerifiedContent>> Client::Impl::FetchVerified(const Target& target, const std::string& path,
                                                                   const std::string& accept, std::size_t max_bytes,
                                                                   const Digest& digest, const Deadline& deadline) {
  ASSIGN_OR_RETURN(auto response, Fetch(target, path, accept, max_bytes, deadline));
  if (!response.has_value()) return std::optional<VerifiedContent>();
  if (!crypto::Matches(digest, AsBytes(response->body))) {
    return Error{Reason::kContentMismatch, target.name, "the bytes served do not hash to " + digest.text()};
  }
  RETURN_IF_ERROR(CheckDigestHeader(*response, target.name));
  std::string content_type(response->Header("Content-Type").value_or(""));
  return std::optional(VerifiedContent(digest, std::move(response->body), std::move(content_type)));
}

namespace {

std::string ManifestTypes() {
  std::string types;
  for (std::string_view type : {image::kOciIndex, image::kDockerList, image::kOciManifest, image::kDockerManifest}) {
    types += (types.empty() ? "" : ", ") + std::string(type);
  }
  return types;
}

}  // namespace

Client::Client(net::HttpTransport& transport, const Clock& clock, ClientOptions options)
    : impl_(std::make_unique<Impl>(transport, clock, std::move(options))) {}
Client::~Client() = default;

Result<std::optional<VerifiedContent>> Client::GetManifestByTag(const image::Reference& ref, std::string_view tag,
                                                                const Credentials& credentials,
                                                                const Deadline& deadline) {
  if (!image::IsTag(tag))
    return Error{Reason::kImageReferenceMalformed, ref.Name(), "'" + Printable(tag, 100) + "' is no tag"};
  ASSIGN_OR_RETURN(Target target, impl_->TargetOf(ref, credentials));
  ASSIGN_OR_RETURN(auto response, impl_->Fetch(target, "/manifests/" + std::string(tag), ManifestTypes(),
                                               limits::kManifestBytes, deadline));
  if (!response.has_value()) return std::optional<VerifiedContent>();
  RETURN_IF_ERROR(CheckDigestHeader(*response, target.name));
  Digest digest = crypto::Sha256Digest(AsBytes(response->body));
  std::string content_type(response->Header("Content-Type").value_or(""));
  return std::optional(VerifiedContent(std::move(digest), std::move(response->body), std::move(content_type)));
}

Result<std::optional<VerifiedContent>> Client::GetManifest(const image::Reference& ref, const Digest& digest,
                                                           const Credentials& credentials, const Deadline& deadline) {
  ASSIGN_OR_RETURN(Target target, impl_->TargetOf(ref, credentials));
  return impl_->FetchVerified(target, "/manifests/" + digest.text(), ManifestTypes(), limits::kManifestBytes, digest,
                              deadline);
}

Result<std::optional<VerifiedContent>> Client::GetBlob(const image::Reference& ref, const Digest& digest,
                                                       std::size_t max_bytes, const Credentials& credentials,
                                                       const Deadline& deadline) {
  ASSIGN_OR_RETURN(Target target, impl_->TargetOf(ref, credentials));
  return impl_->FetchVerified(target, "/blobs/" + digest.text(), "*/*", max_bytes, digest, deadline);
}

Result<ReferrerList> Client::Referrers(const image::Reference& ref, const Digest& digest,
                                       const std::vector<std::string>& artifact_types, const Credentials& credentials,
                                       const Deadline& deadline) {
  ASSIGN_OR_RETURN(Target target, impl_->TargetOf(ref, credentials));
  ReferrerCollector collector(digest, artifact_types);
  ASSIGN_OR_RETURN(auto page, impl_->Fetch(target, "/referrers/" + digest.text(), std::string(image::kOciIndex),
                                           limits::kReferrerPageBytes, deadline));
  bool api = page.has_value();
  if (!api) {
    ASSIGN_OR_RETURN(page, impl_->Fetch(target, "/manifests/" + ReferrersTag(digest), ManifestTypes(),
                                        limits::kManifestBytes, deadline));
  }
  if (!page.has_value()) return std::move(collector).Take();
  Status added = collector.AddPage(page->body, page->Header("Content-Type").value_or(""));
  if (!added.ok() && added.error().reason == Reason::kContentUnsupported) {
    if (!api) return std::move(collector).Take();
    return Error{Reason::kRegistryProtocol, target.name, added.error().detail};
  }
  if (!added.ok()) return added.error().In(target.name);
  ASSIGN_OR_RETURN(auto next, NextLink(page->headers));
  if (next.has_value()) collector.Truncate();
  return std::move(collector).Take();
}

}  // namespace gatehouse::registry
