#include <charconv>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/net/address.h"
#include "common/net/ascii.h"
#include "common/net/http.h"

namespace gatehouse::net {
namespace {

int DefaultPort(std::string_view scheme) {
  return scheme == "https" ? 443 : 80;
}

Error Bad(Reason reason, std::string_view text, std::string_view why) {
  return {reason, "", "the URL '" + Printable(text, 200) + "' " + std::string(why)};
}

bool IsVisible(char c) {
  return c > 0x20 && c < 0x7F;
}

// RFC 6943 section 3.1.1: what ends in a number but is no dotted quad ("127.1", "0x7f.1") is read as an address by some
// resolvers and as a name by others, so it is neither here.
bool LastLabelIsNumeric(std::string_view host) {
  std::string_view label = host.substr(host.rfind('.') == std::string_view::npos ? 0 : host.rfind('.') + 1);
  if (label.starts_with("0x")) return std::all_of(label.begin() + 2, label.end(), IsHexDigit);
  return std::all_of(label.begin(), label.end(), IsDigit);
}

bool IsHostName(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  std::size_t label = 0;
  for (std::size_t i = 0; i <= host.size(); ++i) {
    if (i == host.size() || host[i] == '.') {
      if (label == 0 || label > 63 || host[i - label] == '-' || host[i - 1] == '-') return false;
      label = 0;
      continue;
    }
    if (!IsAlnum(host[i]) && host[i] != '-' && host[i] != '_') return false;
    ++label;
  }
  return true;
}

// The host of an authority in its one spelling; empty if it is none.
std::string NormalHost(std::string_view text, bool bracketed) {
  if (bracketed) {
    // A mapped IPv4 address keeps its brackets out of the result, and is the same host as its dotted quad.
    auto address = text.find(':') == std::string_view::npos ? std::nullopt : IpAddress::Parse(text);
    return address.has_value() ? address->ToString() : std::string();
  }
  if (!IsHostName(text)) return {};
  std::string host = ToLower(text);
  if (!LastLabelIsNumeric(host)) return host;
  auto address = IpAddress::Parse(host);
  return address.has_value() && address->is_v4() ? address->ToString() : std::string();
}

Result<int> ParsePort(std::string_view text, std::string_view url, Reason reason) {
  int port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  bool plain = !text.empty() && text.size() <= 5 && text[0] != '0' && IsDigit(text[0]);
  if (!plain || error != std::errc() || end != text.data() + text.size() || port > 65535) {
    return Bad(reason, url, "has a port that is not a number from 1 to 65535");
  }
  return port;
}

// RFC 3986 section 5.2.4, for a path that begins with '/'.
std::string RemoveDotSegments(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    std::size_t next = path.find('/', 1);
    std::string_view segment = path.substr(0, next);
    bool last = next == std::string_view::npos;
    path.remove_prefix(last ? path.size() : next);
    if (segment == "/..") {
      out.erase(out.rfind('/') == std::string::npos ? 0 : out.rfind('/'));
    } else if (segment != "/.") {
      out += segment;
      continue;
    }
    if (last) out += '/';
  }
  return out.empty() ? "/" : out;
}

std::string NormalTarget(std::string_view target) {
  std::size_t query = target.find('?');
  std::string path = RemoveDotSegments(target.substr(0, query));
  return query == std::string_view::npos ? path : path + std::string(target.substr(query));
}

bool PercentsAreValid(std::string_view path) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%') continue;
    if (path.size() - i < 3 || !IsHexDigit(path[i + 1]) || !IsHexDigit(path[i + 2])) return false;
  }
  return true;
}

}  // namespace

Result<Url> Url::Parse(std::string_view text, Reason reason) {
  if (text.size() > limits::kUrlBytes) return Bad(reason, text, "is too long");
  if (!std::all_of(text.begin(), text.end(), IsVisible))
    return Bad(reason, text, "has a space or a byte that is not printable ASCII");
  if (text.find('\\') != std::string_view::npos) return Bad(reason, text, "has a backslash, which some read as '/'");
  if (text.find('#') != std::string_view::npos) return Bad(reason, text, "has a fragment");

  Url url;
  std::size_t colon = text.find("://");
  url.scheme = ToLower(text.substr(0, colon == std::string_view::npos ? 0 : colon));
  if (url.scheme != "http" && url.scheme != "https")
    return Bad(reason, text, "does not begin with https:// or http://");
  std::string_view rest = text.substr(colon + 3);

  std::size_t slash = rest.find_first_of("/?");
  std::string_view authority = rest.substr(0, slash);
  std::string_view target = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
  if (authority.find('@') != std::string_view::npos)
    return Bad(reason, "(hidden)", "carries credentials before its host");

  bool bracketed = authority.starts_with('[');
  std::size_t end = bracketed ? authority.find(']') : authority.find(':');
  if (bracketed && end == std::string_view::npos) return Bad(reason, text, "has no ']' after its IPv6 address");
  url.host = NormalHost(bracketed ? authority.substr(1, end - 1) : authority.substr(0, end), bracketed);
  if (url.host.empty()) return Bad(reason, text, "has no valid host");

  std::string_view port =
      end == std::string_view::npos ? std::string_view() : authority.substr(bracketed ? end + 1 : end);
  url.port = DefaultPort(url.scheme);
  if (!port.empty()) {
    if (port[0] != ':') return Bad(reason, text, "has text between its host and its port");
    ASSIGN_OR_RETURN(url.port, ParsePort(port.substr(1), text, reason));
  }
  url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  if (!PercentsAreValid(url.target.substr(0, url.target.find('?'))))
    return Bad(reason, text, "has a '%' without two hex digits");
  return url;
}

Result<Url> Url::Resolve(std::string_view reference, Reason reason) const {
  // RFC 9110 section 10.2.2 lets a Location carry a fragment; a fragment is never sent.
  reference = reference.substr(0, reference.find('#'));
  if (reference.empty()) return Bad(reason, reference, "is empty");
  if (reference.starts_with("//")) return Bad(reason, reference, "names a host without a scheme");
  Url base = *this;
  std::string absolute;
  if (reference[0] == '/') {
    base.target = "/";
    std::string prefix = base.ToString();
    absolute = prefix.substr(0, prefix.size() - 1) + std::string(reference);
  } else if (reference[0] == '?') {
    base.target = target.substr(0, target.find('?')) + std::string(reference);
    absolute = base.ToString();
  } else {
    absolute = reference;
  }
  ASSIGN_OR_RETURN(Url url, Parse(absolute, reason));
  url.target = NormalTarget(url.target);
  return url;
}

std::string Url::Origin() const {
  std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return scheme + "://" + shown + ":" + std::to_string(port);
}

std::string Url::Authority() const {
  std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == DefaultPort(scheme) ? shown : shown + ":" + std::to_string(port);
}

std::string Url::ToString() const {
  return scheme + "://" + Authority() + target;
}

std::string EncodeQueryValue(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (char c : text) {
    if (IsAlnum(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      encoded += c;
      continue;
    }
    auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kDigits[byte >> 4U];
    encoded += kDigits[byte & 0xFU];
  }
  return encoded;
}

}  // namespace gatehouse::net
