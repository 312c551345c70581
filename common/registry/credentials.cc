#include "common/registry/credentials.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/crypto/hash.h"
#include "common/net/ascii.h"

namespace gatehouse::registry {
namespace {

using codec::ObjectReader;
using Presence = ObjectReader::Presence;

struct Location {
  std::string host;
  std::string path;  // without slashes at its ends
};

// The key of an "auths" entry: [https://]host[:port][/path], as the kubelet reads it: a scheme is dropped, and "/v1/"
// or "/v2/" at the start of the path is the API's, not a repository's.
Result<Location> ParseLocation(std::string_view key) {
  std::string_view rest = key;
  for (std::string_view scheme : {"https://", "http://"}) {
    if (rest.starts_with(scheme)) rest.remove_prefix(scheme.size());
  }
  std::size_t slash = rest.find('/');
  std::string host = net::ToLower(rest.substr(0, slash));
  std::string_view path = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
  auto host_char = [](char c) {
    return net::IsAlnum(c) || std::string_view("-._:[]*?").find(c) != std::string_view::npos;
  };
  auto path_char = [](char c) { return c > 0x20 && c < 0x7F && c != '?' && c != '#' && c != '@' && c != '\\'; };
  if (host.empty() || !std::all_of(host.begin(), host.end(), host_char) ||
      !std::all_of(path.begin(), path.end(), path_char)) {
    return Error{Reason::kConfigInvalid, "", "'" + Printable(key, 100) + "' is not a registry's host[:port][/path]"};
  }
  if (path == "/v1" || path == "/v2" || path.starts_with("/v1/") || path.starts_with("/v2/")) path.remove_prefix(3);
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (host == "index.docker.io") host = "docker.io";
  return Location{std::move(host), std::string(path)};
}

// "user:password" in base64. kubectl pads it; some tools do not, which the kubelet accepts as well.
Result<BasicCredential> DecodeAuth(std::string text) {
  if (!text.ends_with('=')) text.append((4 - text.size() % 4) % 4, '=');
  auto bytes = DecodeBase64(text);
  if (!bytes.ok()) return Error{Reason::kConfigInvalid, "", "is no base64"};
  std::string_view decoded = AsText(*bytes);
  std::size_t colon = decoded.find(':');
  if (colon == std::string_view::npos) return Error{Reason::kConfigInvalid, "", "has no ':' between user and password"};
  return BasicCredential{std::string(decoded.substr(0, colon)), std::string(decoded.substr(colon + 1))};
}

// RFC 7617 section 2: no control characters, and no colon in the user's name.
bool IsUsable(const BasicCredential& credential) {
  auto plain = [](char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7F;
  };
  const auto& [user, password] = credential;
  return !user.empty() && !password.empty() && user.find(':') == std::string::npos &&
         std::all_of(user.begin(), user.end(), plain) && std::all_of(password.begin(), password.end(), plain);
}

// The credential of an entry; nothing for an entry without one, as Docker writes it when a helper keeps the secret.
std::optional<BasicCredential> ReadEntry(ObjectReader& reader) {
  reader.IgnoreUnknown();  // email
  auto auth = reader.OptionalString("auth");
  auto user = reader.OptionalString("username");
  auto password = reader.OptionalString("password");
  if (reader.Has("identitytoken") || reader.Has("registrytoken")) {
    reader.Fail("identitytoken", "is not supported; use a user name and a password or token");
  }
  if (user.has_value() != password.has_value()) reader.Fail("username", "and password come together");
  std::optional<BasicCredential> credential;
  if (user.has_value() && password.has_value()) credential = BasicCredential{*user, *password};
  if (auth.has_value()) {
    auto decoded = DecodeAuth(*auth);
    if (!decoded.ok()) {
      reader.Fail("auth", decoded.error().detail);
      return std::nullopt;
    }
    bool differs = credential.has_value() &&
                   (credential->username != decoded->username || credential->password != decoded->password);
    if (differs) reader.Fail("auth", "holds another user or password than username and password do");
    credential = *std::move(decoded);
  }
  if (credential.has_value() && !IsUsable(*credential)) {
    reader.Fail("", "the user or password is empty or holds a control character");
  }
  return credential;
}

// '*' and '?' within one label or port, as filepath.Match has them.
bool GlobMatches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*') {
      ++p;
      ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// kubelet URLsMatch: as many labels, each matching; the port is compared as it is.
bool HostMatches(std::string_view pattern, std::string_view host) {
  if (pattern == host) return true;
  if (pattern.find_first_of("*?") == std::string_view::npos) return false;
  auto split_port = [](std::string_view text) {
    std::size_t colon = text.rfind(':');
    bool has = colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos;
    return std::pair(text.substr(0, has ? colon : text.size()), has ? text.substr(colon) : std::string_view());
  };
  auto [pattern_name, pattern_port] = split_port(pattern);
  auto [name, port] = split_port(host);
  if (pattern_port != port) return false;
  while (true) {
    std::size_t pattern_dot = pattern_name.find('.');
    std::size_t dot = name.find('.');
    if (!GlobMatches(pattern_name.substr(0, pattern_dot), name.substr(0, dot))) return false;
    if (pattern_dot == std::string_view::npos || dot == std::string_view::npos) return pattern_dot == dot;
    pattern_name.remove_prefix(pattern_dot + 1);
    name.remove_prefix(dot + 1);
  }
}

// Whole path components only: a secret for quay.io/core is none for quay.io/coreos.
bool PathMatches(std::string_view prefix, std::string_view path) {
  return prefix.empty() || (path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/'));
}

}  // namespace

Result<Credentials> Credentials::FromDockerConfig(std::string_view json, std::string_view source,
                                                  const CredentialProviders& providers) {
  auto document = codec::JsonDocument::Parse(json, {limits::kDockerConfigBytes});
  if (!document.ok()) return Error{Reason::kConfigInvalid, std::string(source), document.error().detail};
  ObjectReader reader(*document, document->root(), Reason::kConfigInvalid);
  reader.IgnoreUnknown();  // HttpHeaders, currentContext, ... of a workstation's file
  Credentials credentials;
  if (providers) ReadProviders(reader, providers, credentials.entries_);
  // A file that names helpers only has no use for the rest.
  const Presence presence = credentials.entries_.empty() ? Presence::kRequired : Presence::kOptional;
  reader.Object("auths", presence, [&](ObjectReader& auths) {
    auths.IgnoreUnknown();
    for (std::size_t i = 0; i < auths.view().size() && auths.ok(); ++i) {
      std::string key(auths.view().member(i).key);
      auto location = ParseLocation(key);
      if (!location.ok()) return auths.Fail("", location.error().detail);
      auths.Object(key, Presence::kRequired, [&](ObjectReader& entry) {
        auto credential = ReadEntry(entry);
        if (credential.has_value())
          credentials.entries_.push_back({location->host, location->path, *std::move(credential)});
      });
    }
  });
  if (auto status = reader.Finish(); !status.ok()) return status.error().In(source);
  return credentials;
}

// "credHelpers" and "credsStore" of Docker's file.
void Credentials::ReadProviders(codec::ObjectReader& reader, const CredentialProviders& providers,
                                std::vector<Entry>& entries) {
  for (const auto& [key, name] : reader.StringMap("credHelpers", Presence::kOptional)) {
    auto location = ParseLocation(key);
    if (!location.ok()) return reader.Fail("credHelpers", location.error().detail);
    // The helper is asked by the host as it is written here; Docker Hub has a name of its own (ServerOf).
    std::string server = location->host == "docker.io" ? "" : key;
    if (auto provider = providers(name); provider != nullptr)
      entries.push_back({location->host, location->path, {}, std::move(provider), name, std::move(server)});
  }
  auto store = reader.OptionalString("credsStore");
  if (!store.has_value()) return;
  auto provider = providers(*store);
  if (provider == nullptr) return;
  if (!provider->ForAnyRegistry()) {
    return reader.Fail("credsStore",
                       "has a helper asked for every registry that an image names: name the registries in credHelpers, "
                       "or give the helper unsafeAnyRegistry");
  }
  entries.push_back({"", "", {}, std::move(provider), *store, "", true});
}

Credentials Credentials::With(const Credentials& more) const {
  Credentials all = *this;
  all.entries_.insert(all.entries_.end(), more.entries_.begin(), more.entries_.end());
  return all;
}

const Credentials::Entry* Credentials::Best(const image::Reference& image) const {
  const Entry* best = nullptr;
  auto rank = [](const Entry& entry) {
    bool exact = entry.host_pattern.find_first_of("*?") == std::string::npos;
    return std::tuple(!entry.any_host, entry.path_prefix.size(), exact, entry.host_pattern.size());
  };
  for (const Entry& entry : entries_) {
    bool matches = HostMatches(entry.host_pattern, image.domain()) && PathMatches(entry.path_prefix, image.path());
    if (!entry.any_host && !matches) continue;
    if (best == nullptr || rank(entry) > rank(*best)) best = &entry;
  }
  return best;
}

// Docker asks its helpers for Docker Hub by the name that its first API had.
std::string Credentials::ServerOf(const Entry& entry, const image::Reference& image) {
  if (!entry.server.empty()) return entry.server;
  return image.domain() == "docker.io" ? "https://index.docker.io/v1/" : image.domain();
}

std::optional<BasicCredential> Credentials::Find(const image::Reference& image) const {
  const Entry* best = Best(image);
  return best == nullptr || best->provider != nullptr ? std::nullopt : std::optional(best->credential);
}

Result<std::optional<BasicCredential>> Credentials::Get(const image::Reference& image, const Deadline& deadline) const {
  const Entry* best = Best(image);
  if (best == nullptr || best->provider == nullptr) return Find(image);
  ASSIGN_OR_RETURN(auto credential, best->provider->Get(ServerOf(*best, image), deadline));
  if (credential.has_value() && !IsUsable(*credential)) {
    return Error{Reason::kConfigInvalid, "credential helper " + best->provider_name,
                 "gives a user or password that is empty or holds a control character"};
  }
  return credential;
}

std::string Credentials::IdentityFor(const image::Reference& image) const {
  const Entry* best = Best(image);
  if (best == nullptr) return "anonymous";
  if (best->provider != nullptr) {
    std::string text = "helper " + best->provider_name + " " + ServerOf(*best, image);
    return crypto::Sha256Digest(AsBytes(text)).text();
  }
  // The length keeps ("ab", "c") and ("a", "bc") apart.
  const auto& [username, password] = best->credential;
  std::string text = std::to_string(username.size()) + ":" + username + password;
  return crypto::Sha256Digest(AsBytes(text)).text();
}

}  // namespace gatehouse::registry
