#include "common/registry/fetcher.h"

#include <algorithm>
#include <thread>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/net/ascii.h"
#include "common/registry/retry_after.h"

namespace gatehouse::registry {
namespace {

constexpr Duration kShortestWait{100};  // a registry that says "come again in 0 seconds" is not asked in a tight loop
constexpr std::chrono::seconds kBasicLifetime{300};
constexpr std::chrono::seconds kChallengeLifetime{300};

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

}  // namespace

Fetcher::Fetcher(net::HttpTransport& transport, const Clock& clock, std::function<void(Duration)> sleep,
                 std::function<void(const net::Url&)> on_fault)
    : transport_(transport), clock_(clock), sleep_(std::move(sleep)), on_fault_(std::move(on_fault)) {
  if (!sleep_) sleep_ = [](Duration time) { std::this_thread::sleep_for(time); };
}

// `last` becomes the URL that gave the answer.
Result<net::HttpResponse> Fetcher::SendPatiently(const Target& target, const net::HttpRequest& request,
                                                 const std::string& where, net::Url& last,
                                                 const Deadline& deadline) const {
  auto remember = [&](const net::Url& url) {
    last = url;
    return Ok();
  };
  for (std::size_t attempt = 1;; ++attempt) {
    auto response = net::SendFollowing(transport_, request, {limits::kRedirects, false}, remember, deadline);
    // Where a registry sends to, a redirect's target or a token service, may be another registry, of which it has
    // nothing to say.
    bool own = last.Origin() == target.registry.Origin();
    if (!response.ok() && own && response.error().reason == Reason::kNetworkUnavailable) on_fault_(last);
    if (!response.ok()) return AsRegistryError(std::move(response).error()).In(where);
    if (response->status != 429 && response->status != 503) return response;
    auto header = response->Header("Retry-After");
    auto wait = header.has_value() ? ParseRetryAfter(*header, clock_.Wall()) : std::nullopt;
    if (!wait.has_value() || attempt == limits::kRegistryAttempts) return response;
    Duration pause = std::max(*wait, kShortestWait);
    if (pause >= deadline.Remaining()) {
      return Error{
          Reason::kRegistryUnavailable, where,
          Answered(*response) + " (come again in " + std::to_string(wait->count() / 1000) + " s, which is too late)"};
    }
    sleep_(pause);
  }
}

Result<std::string> Fetcher::FetchToken(const Target& target, const Challenge& challenge, const Deadline& deadline) {
  net::HttpRequest request{};
  ASSIGN_OR_RETURN(request.url, TokenUrl(challenge, target.registry, target.repository));
  request.headers = {{"Accept", "application/json"}};
  if (target.credential.has_value())
    request.headers.emplace_back("Authorization", BasicAuthorization(*target.credential));
  request.max_response_bytes = limits::kTokenResponseBytes;
  const std::string where = target.name + ": token from " + request.url.Authority();
  MonoTime asked = clock_.Mono();
  net::Url last;
  ASSIGN_OR_RETURN(net::HttpResponse response, SendPatiently(target, request, where, last, deadline));
  if (response.status != 200) return RefusalOf(response, where);
  auto token = ParseTokenResponse(response.body);
  if (!token.ok()) return token.error().In(where);
  std::string authorization = "Bearer " + token->value;
  authorizations_.Put(target.cache_key, authorization, asked, token->lifetime);
  return authorization;
}

// The Authorization header that a 401 of the registry's own origin asks for.
Result<std::string> Fetcher::Authenticate(const Target& target, const net::HttpResponse& response,
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
  if (bearer != nullptr) {
    ASSIGN_OR_RETURN(std::string token, FetchToken(target, *bearer, deadline));
    challenges_.Put(target.login_key, FormatChallenges({*bearer}), clock_.Mono(), kChallengeLifetime);
    return token;
  }
  if (!basic) {
    return Error{Reason::kRegistryDenied, target.name,
                 "the registry asks for a kind of authentication that is not supported here"};
  }
  if (!target.credential.has_value()) {
    return Error{Reason::kRegistryDenied, target.name,
                 "the registry asks for a user and a password, and none is configured for it"};
  }
  std::string authorization = BasicAuthorization(*target.credential);
  authorizations_.Put(target.cache_key, authorization, clock_.Mono(), kBasicLifetime);
  return authorization;
}

// A token for many who ask at once is fetched once. `refused` is what the registry did not take.
Result<std::string> Fetcher::AuthenticateOnce(const Target& target, const net::HttpResponse& response,
                                              const std::optional<std::string>& refused, const Deadline& deadline) {
  auto login = [&]() -> Result<std::string> {
    // Somebody may have got one since this was sent.
    auto known = authorizations_.Find(target.cache_key, clock_.Mono());
    if (known.has_value() && known != refused) return *known;
    return Authenticate(target, response, deadline);
  };
  auto authorization = logins_.Do(target.cache_key, deadline, login);
  if (!authorization.ok() && authorization.error().where.empty()) return authorization.error().In(target.name);
  return authorization;
}

// A token from where this registry sent this credential before. Nothing if it never did, or if there is none to be had
// there: then the registry is asked without one, and says what it wants.
Result<std::optional<std::string>> Fetcher::AuthorizeAhead(const Target& target, const Deadline& deadline) {
  auto known = challenges_.Find(target.login_key, clock_.Mono());
  if (!known.has_value()) return std::optional<std::string>();
  auto challenges = ParseChallenges(*known);
  if (!challenges.ok()) return std::optional<std::string>();
  auto login = [&]() -> Result<std::string> {
    auto already = authorizations_.Find(target.cache_key, clock_.Mono());
    if (already.has_value()) return *already;
    return FetchToken(target, challenges->front(), deadline);
  };
  auto token = logins_.Do(target.cache_key, deadline, login);
  if (token.ok()) return std::optional(*std::move(token));
  if (token.error().reason == Reason::kDeadlineExceeded) return token.error().In(target.name);
  challenges_.Remove(target.login_key, *known);
  return std::optional<std::string>();
}

Result<Fetched> Fetcher::Get(const Target& target, const std::string& path, const std::string& accept,
                             std::size_t max_bytes, const Deadline& deadline) {
  net::HttpRequest request{};
  request.url = target.registry;
  request.url.target = path;
  // An error's body may be longer than what is asked for.
  request.max_response_bytes = std::max(max_bytes, limits::kRegistryErrorBytes);
  auto authorization = authorizations_.Find(target.cache_key, clock_.Mono());
  if (!authorization.has_value()) {
    ASSIGN_OR_RETURN(authorization, AuthorizeAhead(target, deadline));
  }
  for (bool fresh = false;; fresh = true) {
    request.headers = {{"Accept", accept}};
    if (authorization.has_value()) request.headers.emplace_back("Authorization", *authorization);
    net::Url last;
    ASSIGN_OR_RETURN(net::HttpResponse response, SendPatiently(target, request, target.name, last, deadline));
    if (response.status == 200) {
      if (response.body.size() <= max_bytes) return Fetched{true, std::move(response), std::move(last)};
      return Error{Reason::kLimitExceeded, target.name,
                   "the content has more than " + std::to_string(max_bytes) + " bytes"};
    }
    if (response.status == 404) return Fetched{false, std::move(response), std::move(last)};
    if (response.status == 401 && authorization.has_value()) authorizations_.Remove(target.cache_key, *authorization);
    // CVE-2020-15157: a redirect's target that asks for credentials is not the registry that they are for.
    bool own_challenge = response.status == 401 && last.Origin() == target.registry.Origin();
    if (!own_challenge || fresh) return RefusalOf(response, target.name);
    ASSIGN_OR_RETURN(authorization, AuthenticateOnce(target, response, authorization, deadline));
  }
}

}  // namespace gatehouse::registry
