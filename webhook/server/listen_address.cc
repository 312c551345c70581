#include "webhook/server/listen_address.h"

#include <arpa/inet.h>

#include <array>
#include <charconv>

#include "common/base/encoding.h"

namespace gatehouse::webhook {
namespace {

Error Invalid(std::string_view text, std::string_view why) {
  return Error{
      Reason::kConfigInvalid, "",
      "'" + Printable(text, 64) + "' " + std::string(why) + "; write for example 0.0.0.0:8443, [::1]:8443 or :8443"};
}

}  // namespace

std::string ListenAddress::ToString() const {
  return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<ListenAddress> ParseListenAddress(std::string_view text) {
  ListenAddress address;
  std::string_view rest = text;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return Invalid(text, "lacks the closing bracket");
    address.ipv6 = true;
    address.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
  } else {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    address.host = rest.substr(0, end);
    rest.remove_prefix(end);
  }
  std::array<unsigned char, sizeof(in6_addr)> ignored{};
  if (!text.starts_with(':') &&
      inet_pton(address.ipv6 ? AF_INET6 : AF_INET, address.host.c_str(), ignored.data()) != 1) {
    return Invalid(text, "does not begin with an IP address");
  }
  if (!rest.starts_with(':')) return Invalid(text, "lacks a port");
  rest.remove_prefix(1);
  const char* end = rest.data() + rest.size();
  const auto [stop, failure] = std::from_chars(rest.data(), end, address.port);
  if (failure != std::errc{} || stop != end || (rest.size() > 1 && rest.front() == '0')) {
    return Invalid(text, "does not end in a port of 0 to 65535");
  }
  return address;
}

}  // namespace gatehouse::webhook
