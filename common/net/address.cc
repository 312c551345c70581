#include "common/net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

namespace gatehouse::net {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr std::array<std::uint8_t, 12> kCompatiblePrefix = {};
constexpr std::array<std::uint8_t, 12> kNat64Prefix = {0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0};

bool StartsWith(BytesView bytes, BytesView prefix) {
  return bytes.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

}  // namespace

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  std::string copy(text);
  if (copy.find('\0') != std::string::npos) return std::nullopt;
  std::array<std::uint8_t, 16> buffer{};
  if (inet_pton(AF_INET, copy.c_str(), buffer.data()) == 1) return FromBytes(BytesView(buffer).first(4));
  if (inet_pton(AF_INET6, copy.c_str(), buffer.data()) == 1) return FromBytes(buffer);
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::FromBytes(BytesView bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  if (bytes.size() == 16 && StartsWith(bytes, kMappedPrefix)) bytes = bytes.subspan(12);
  IpAddress address;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  address.size_ = bytes.size();
  return address;
}

std::string IpAddress::ToString() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text.data(), text.size());
  return text.data();
}

bool IpAddress::IsLoopback() const {
  if (is_v4()) return bytes_[0] == 127;
  return std::all_of(bytes_.begin(), bytes_.begin() + 15, [](std::uint8_t b) { return b == 0; }) && bytes_[15] == 1;
}

bool IpAddress::IsLocal() const {
  // 0.0.0.0/8 is "this host on this network" (RFC 1122 section 3.2.1.3), and Linux connects 0.0.0.0 to the loopback.
  if (is_v4()) return bytes_[0] == 0 || bytes_[0] == 127 || (bytes_[0] == 169 && bytes_[1] == 254);
  if (IsLoopback()) return true;
  if (bytes_[0] == 0xFE && (bytes_[1] & 0xC0) == 0x80) return true;  // fe80::/10
  if (StartsWith(bytes_, kCompatiblePrefix) || StartsWith(bytes_, kNat64Prefix)) {
    return FromBytes(BytesView(bytes_).subspan(12))->IsLocal();  // covers :: as 0.0.0.0
  }
  return false;
}

bool IpAddress::IsPrivate() const {
  if (is_v4()) {
    const auto within = [this](const char* network, unsigned prefix) { return In(*Parse(network), prefix); };
    return within("10.0.0.0", 8) || within("172.16.0.0", 12) || within("192.168.0.0", 16) || within("100.64.0.0", 10) ||
           within("198.18.0.0", 15) || within("192.0.0.0", 24) || bytes_[0] >= 224;
  }
  if (bytes_[0] == 0xFF || (bytes_[0] & 0xFE) == 0xFC) return true;
  if (bytes_[0] == 0xFE && (bytes_[1] & 0xC0) == 0xC0) return true;
  if (StartsWith(bytes_, kCompatiblePrefix) || StartsWith(bytes_, kNat64Prefix))
    return !IsLoopback() && FromBytes(BytesView(bytes_).subspan(12))->IsPrivate();
  return bytes_[0] == 0 && bytes_[1] == 0x64 && bytes_[2] == 0xFF && bytes_[3] == 0x9B && bytes_[4] == 0 &&
         bytes_[5] == 1;  // 64:ff9b:1::/48, NAT64 of a network's own (RFC 8215)
}

bool IpAddress::In(const IpAddress& network, unsigned prefix) const {
  if (size_ != network.size_ || prefix > size_ * 8) return false;
  for (unsigned bit = 0; bit < prefix; ++bit) {
    auto mask = static_cast<std::uint8_t>(0x80U >> (bit % 8));
    if ((bytes_[bit / 8] & mask) != (network.bytes_[bit / 8] & mask)) return false;
  }
  return true;
}

}  // namespace gatehouse::net
