#include "common/net/proxy.h"

#include <charconv>

#include "common/base/encoding.h"
#include "common/net/address.h"
#include "common/net/ascii.h"

namespace gatehouse::net {
namespace {

Error Bad(std::string_view detail) {
  return {Reason::kConfigInvalid, "proxy", std::string(detail)};
}

std::optional<std::string> DecodePercent(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    auto byte = DecodeHex(ToLower(text.substr(i + 1, 2)));
    if (!byte.ok()) return std::nullopt;
    decoded += AsText(*byte);
    i += 2;
  }
  return decoded;
}

// One item of NO_PROXY.
struct Exception {
  std::string host;                  // without a leading dot; empty if `network` is set
  bool subdomains_only = false;      // ".suffix"
  std::optional<IpAddress> network;  // an address or a CIDR
  unsigned prefix = 0;
  int port = 0;  // 0: any
  bool everything = false;
};

Result<Exception> ParseCidr(std::string_view item, std::size_t slash) {
  Exception exception;
  exception.network = IpAddress::Parse(item.substr(0, slash));
  std::string_view digits = item.substr(slash + 1);
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), exception.prefix);
  if (!exception.network.has_value() || error != std::errc() || end != digits.data() + digits.size() ||
      exception.prefix > exception.network->bytes().size() * 8) {
    return Bad("NO_PROXY has '" + Printable(item, 100) + "', which is no CIDR range");
  }
  return exception;
}

Result<Exception> ParseException(std::string_view item) {
  Exception exception;
  if (item == "*") {
    exception.everything = true;
    return exception;
  }
  if (auto slash = item.find('/'); slash != std::string_view::npos) return ParseCidr(item, slash);
  if (auto address = IpAddress::Parse(item); address.has_value()) {
    exception.network = address;
    exception.prefix = static_cast<unsigned>(address->bytes().size() * 8);
    return exception;
  }
  if (item.starts_with("*.")) item.remove_prefix(1);
  exception.subdomains_only = item.starts_with('.');
  if (exception.subdomains_only) item.remove_prefix(1);
  // The rest is host[:port], which a URL knows how to read.
  auto url = Url::Parse("https://" + std::string(item) + "/", Reason::kConfigInvalid);
  if (!url.ok() || url->target != "/") return Bad("NO_PROXY has '" + Printable(item, 100) + "', which is no host");
  bool has_port = item.rfind(':') != std::string_view::npos && !item.ends_with(']');
  exception.port = has_port ? url->port : 0;
  exception.network = IpAddress::Parse(url->host);
  if (exception.network.has_value()) {
    exception.prefix = static_cast<unsigned>(exception.network->bytes().size() * 8);
  } else {
    exception.host = url->host;
  }
  return exception;
}

bool Covers(const Exception& exception, const Url& url) {
  if (exception.everything) return true;
  if (exception.port != 0 && exception.port != url.port) return false;
  if (exception.network.has_value()) {
    auto address = IpAddress::Parse(url.host);
    return address.has_value() && address->In(*exception.network, exception.prefix);
  }
  if (url.host == exception.host) return !exception.subdomains_only;
  return url.host.ends_with("." + exception.host);
}

// Calls `use` with each item until it returns false.
Status ForEachException(std::string_view list, const std::function<bool(const Exception&)>& use) {
  while (!list.empty()) {
    std::size_t comma = list.find(',');
    std::string_view item = Trim(list.substr(0, comma));
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    if (item.empty()) continue;
    ASSIGN_OR_RETURN(Exception exception, ParseException(item));
    if (!use(exception)) break;
  }
  return Ok();
}

}  // namespace

Result<Proxy> ParseProxy(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  if (!text.starts_with(kScheme)) return Bad("a proxy is written http://host:port; TLS to the proxy is not supported");
  std::string_view rest = text.substr(kScheme.size());
  Proxy proxy{};
  if (auto at = rest.rfind('@'); at != std::string_view::npos) {
    std::string_view user_info = rest.substr(0, at);
    auto colon = user_info.find(':');
    auto user = DecodePercent(user_info.substr(0, colon));
    auto password = DecodePercent(colon == std::string_view::npos ? std::string_view() : user_info.substr(colon + 1));
    if (!user.has_value() || !password.has_value())
      return Bad("the proxy's user or password has a '%' without two hex digits");
    proxy.authorization = "Basic " + EncodeBase64(AsBytes(*user + ":" + *password));
    rest.remove_prefix(at + 1);
  }
  auto url = Url::Parse("http://" + std::string(rest), Reason::kConfigInvalid);
  if (!url.ok()) return url.error().In("proxy");
  if (url->target != "/") return Bad("a proxy has no path");
  proxy.host = url->host;
  proxy.port = url->port;
  return proxy;
}

Status ProxySettings::Validate() const {
  for (const std::string& text : {https_proxy, http_proxy}) {
    if (text.empty()) continue;
    if (auto proxy = ParseProxy(text); !proxy.ok()) return proxy.error();
  }
  return ForEachException(no_proxy, [](const Exception&) { return true; });
}

bool ProxySettings::Bypasses(const Url& url) const {
  auto address = IpAddress::Parse(url.host);
  // RFC 6761 section 6.3: every name below localhost is the loopback too.
  if (url.host == "localhost" || url.host.ends_with(".localhost") || (address.has_value() && address->IsLoopback()))
    return true;
  bool covered = false;
  // A list that does not parse was refused by Validate(); here it covers nothing beyond its good items.
  (void)ForEachException(no_proxy, [&](const Exception& exception) {
    covered = Covers(exception, url);
    return !covered;
  });
  return covered;
}

Result<std::optional<Proxy>> ProxyFor(const ProxySettings& settings, const Url& url) {
  const std::string& text = url.scheme == "https" ? settings.https_proxy : settings.http_proxy;
  if (text.empty() || settings.Bypasses(url)) return std::optional<Proxy>();
  ASSIGN_OR_RETURN(Proxy proxy, ParseProxy(text));
  return std::optional<Proxy>(std::move(proxy));
}

}  // namespace gatehouse::net
