// Numeric IP addresses, and which of them are this machine or its link.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/bytes.h"

namespace gatehouse::net {

// An IPv4 address, or an IPv6 address that does not merely wrap an IPv4 one: ::ffff:127.0.0.1 is 127.0.0.1 here, so
// that no second spelling of an address escapes a check.
class IpAddress {
 public:
  // Dotted quad with four decimal numbers, or RFC 4291 text without brackets and zone. Nothing else: "127.1",
  // "0x7f000001" and "2130706433" are names as far as this is concerned.
  [[nodiscard]] static std::optional<IpAddress> Parse(std::string_view text);
  // 4 or 16 bytes in network order; nothing for another size.
  [[nodiscard]] static std::optional<IpAddress> FromBytes(BytesView bytes);

  [[nodiscard]] BytesView bytes() const { return BytesView(bytes_).first(size_); }
  [[nodiscard]] bool is_v4() const { return size_ == 4; }
  [[nodiscard]] std::string ToString() const;

  [[nodiscard]] bool IsLoopback() const;
  // Loopback, link-local or unspecified, also where an IPv4 address is embedded (IPv4-compatible ::a.b.c.d, NAT64
  // 64:ff9b::/96).
  [[nodiscard]] bool IsLocal() const;
  // Of a network that is nobody's but its owner's, or not of one host: 10/8, 172.16/12, 192.168/16 (RFC 1918),
  // 100.64/10 (RFC 6598), 198.18/15, 192.0.0/24, multicast and reserved ranges, fc00::/7, fec0::/10, and these where an
  // IPv4 address is embedded. Addresses that are local are not private.
  [[nodiscard]] bool IsPrivate() const;
  // Whether the first `prefix` bits equal those of `network`; never across the two families.
  [[nodiscard]] bool In(const IpAddress& network, unsigned prefix) const;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  IpAddress() = default;
  std::array<std::uint8_t, 16> bytes_{};
  std::size_t size_ = 0;
};

}  // namespace gatehouse::net
