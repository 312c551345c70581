// Response heads: what is accepted reads the same when it is written again, and only one end of the body is possible.
#include "common/net/http_head.h"

#include "tests/fuzz/check.h"

namespace net = gatehouse::net;
using gatehouse::Reason;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto head = net::ParseResponseHead(gatehouse::AsText({data, size}), "fuzz");
  if (!head.ok()) {
    FUZZ_CHECK(head.error().reason == Reason::kNetworkUnavailable);
    return 0;
  }
  FUZZ_CHECK(head->status >= 200 && head->status <= 599);
  std::string text = "HTTP/1.1 " + std::to_string(head->status) + " \r\n";
  for (const auto& [name, value] : head->headers) text += name + ": " + value + "\r\n";
  auto again = net::ParseResponseHead(text + "\r\n", "fuzz");
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(again->status == head->status && again->headers == head->headers);
  auto framing = net::CheckBody(*head, 1000, "fuzz");
  net::HttpResponse response{head->status, head->headers, ""};
  if (framing.ok() && *framing == net::BodyFraming::kLength) FUZZ_CHECK(response.Header("Content-Length").has_value());
  if (framing.ok() && *framing == net::BodyFraming::kChunked)
    FUZZ_CHECK(!response.Header("Content-Length").has_value());
  return 0;
}
