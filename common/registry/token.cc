#include "common/registry/token.h"

#include <algorithm>
#include <limits>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/net/ascii.h"

namespace gatehouse::registry {
namespace {

constexpr std::chrono::seconds kDefaultLifetime{60};  // "If omitted, this defaults to 60 seconds."
constexpr std::chrono::seconds kMargin{10};           // for the way to the registry, and its clock

// RFC 6750 section 2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
bool IsBearerToken(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  auto good = [](char c) { return net::IsAlnum(c) || std::string_view("-._~+/").find(c) != std::string_view::npos; };
  return !text.empty() && text.size() <= limits::kTokenBytes && std::all_of(text.begin(), text.end(), good);
}

Error Bad(std::string_view why) {
  return {Reason::kRegistryProtocol, "token response", std::string(why)};
}

}  // namespace

Result<BearerToken> ParseTokenResponse(std::string_view body) {
  // Details of the readers below may quote what they read, and are left out: it may be a token.
  auto document = codec::JsonDocument::Parse(body, {limits::kTokenResponseBytes});
  if (!document.ok()) return Bad("is no JSON document");
  codec::ObjectReader reader(*document, document->root(), Reason::kRegistryProtocol);
  reader.IgnoreUnknown();  // issued_at, refresh_token, scope
  auto token = reader.OptionalString("token");
  auto access_token = reader.OptionalString("access_token");
  auto expires_in = reader.OptionalInt("expires_in", 0, std::numeric_limits<std::int64_t>::max());
  if (!reader.Finish().ok())
    return Bad("has a token that is empty or no string, or an expires_in that is no count of seconds");
  if (!token.has_value() && !access_token.has_value()) return Bad("has no token");
  if (token.has_value() && access_token.has_value() && *token != *access_token) return Bad("has two different tokens");
  std::string value = token.has_value() ? *token : *access_token;
  if (!IsBearerToken(value)) return Bad("has a token that cannot be sent in a header");
  std::int64_t seconds =
      std::min<std::int64_t>(expires_in.value_or(kDefaultLifetime.count()), limits::kTokenCacheTime.count());
  return BearerToken{std::move(value), std::chrono::seconds(seconds)};
}

Result<net::Url> TokenUrl(const Challenge& challenge, const net::Url& registry, std::string_view repository) {
  auto realm = net::Url::Parse(challenge.Parameter("realm"), Reason::kRegistryProtocol);
  if (!realm.ok()) return realm.error().In("realm of " + registry.Authority());
  bool own_host = registry.scheme == "http" && realm->host == registry.host;
  if (realm->scheme != "https" && !own_host) {
    return Error{Reason::kRegistryProtocol, registry.Authority(),
                 "sends for a token to '" + Printable(realm->Origin(), 100) + "', which is not HTTPS"};
  }
  std::string query = "scope=" + net::EncodeQueryValue("repository:" + std::string(repository) + ":pull");
  if (auto service = challenge.Parameter("service"); !service.empty())
    query = "service=" + net::EncodeQueryValue(service) + "&" + query;
  realm->target += (realm->target.find('?') == std::string::npos ? "?" : "&") + query;
  return realm;
}

std::optional<std::string> AuthorizationCache::Find(const std::string& key, MonoTime now) {
  std::scoped_lock lock(mutex_);
  auto found = entries_.find(key);
  if (found == entries_.end() || found->second.until <= now) return std::nullopt;
  return found->second.authorization;
}

void AuthorizationCache::Put(const std::string& key, std::string authorization, MonoTime now,
                             std::chrono::seconds lifetime) {
  lifetime -= std::min(kMargin, lifetime / 4 + std::chrono::seconds(1));
  if (lifetime <= std::chrono::seconds(0)) return;
  std::scoped_lock lock(mutex_);
  entries_[key] = {std::move(authorization), now + lifetime};
  if (entries_.size() <= limits::kCachedTokens) return;
  std::erase_if(entries_, [&](const auto& entry) { return entry.second.until <= now; });
  if (entries_.size() <= limits::kCachedTokens) return;
  entries_.erase(std::min_element(entries_.begin(), entries_.end(),
                                  [](const auto& a, const auto& b) { return a.second.until < b.second.until; }));
}

void AuthorizationCache::Remove(const std::string& key, const std::string& authorization) {
  std::scoped_lock lock(mutex_);
  auto found = entries_.find(key);
  if (found != entries_.end() && found->second.authorization == authorization) entries_.erase(found);
}

}  // namespace gatehouse::registry
