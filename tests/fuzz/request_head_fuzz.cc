// The head of a request: what is accepted reads the same however it arrives, its views lie within it, a body has one
// length, and cpp-httplib makes exactly one response of its request line, with nothing of the request's in the head.
#include "webhook/server/request_head.h"

#include <algorithm>
#include <string>

#include "common/base/limits.h"
#include "tests/fuzz/check.h"
#include "webhook/server/http_library.h"

namespace {

using gatehouse::webhook::HeadScanner;
using gatehouse::webhook::HttpLibrary;
using gatehouse::webhook::HttpReply;
using gatehouse::webhook::ParseRequestHead;
using gatehouse::webhook::Refusal;
using gatehouse::webhook::RequestHead;

bool Within(std::string_view whole, std::string_view part) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

// Of the methods that routes have.
void CheckLibrary(const RequestHead& head) {
  if (head.method != "GET" && head.method != "POST") return;
  static gatehouse::SystemClock clock;
  static gatehouse::telemetry::Logger log(-1, gatehouse::telemetry::Level::kOff, clock);
  static HttpLibrary library(gatehouse::Duration(1000), 1, "fuzz", log);
  int handled = 0;
  std::string out;
  library.Respond({head.request_line,
                   [&](const std::optional<std::string>&) {
                     ++handled;
                     return HttpReply{200, "body"};
                   },
                   [] { return false; }},
                  out);
  FUZZ_CHECK(handled <= 1);
  FUZZ_CHECK(out.starts_with("HTTP/1.1 "));
  const std::size_t end = out.find("\r\n\r\n");
  FUZZ_CHECK(end != std::string::npos &&
             out.substr(end + 4) == (out.starts_with("HTTP/1.1 200") ? "body" : out.substr(end + 4)));
  const auto marks = std::count(head.target.begin(), head.target.end(), '?');
  const bool twice = out.find("timeout is given twice") != std::string::npos;
  FUZZ_CHECK(handled == 1 || marks > 1 || twice);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = gatehouse::AsText({data, size});
  HeadScanner whole;
  const HeadScanner::State state = whole.Scan(bytes);
  HeadScanner pieces;
  HeadScanner::State pieced = HeadScanner::State::kIncomplete;
  const std::size_t step = size == 0 ? 1 : data[0] % 17U + 1;
  for (std::size_t taken = 0; taken < size && pieced == HeadScanner::State::kIncomplete;) {
    taken = std::min(size, taken + step);
    pieced = pieces.Scan(bytes.substr(0, taken));
  }
  FUZZ_CHECK(pieced == state && pieces.size() == whole.size());
  if (state != HeadScanner::State::kComplete) return 0;

  const std::string_view text = bytes.substr(0, whole.size());
  FUZZ_CHECK(text.ends_with("\r\n\r\n") && text.find("\r\n\r\n") == text.size() - 4);
  const auto parsed = ParseRequestHead(text);
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) {
    FUZZ_CHECK(refusal->status >= 400 && refusal->status < 600 && !refusal->why.empty());
    return 0;
  }
  const RequestHead& head = std::get<RequestHead>(parsed);
  FUZZ_CHECK(!(head.chunked && head.content_length));
  FUZZ_CHECK(head.target.starts_with('/') && head.target.starts_with(head.path));
  FUZZ_CHECK(head.path.find_first_of("?# \r\n") == std::string_view::npos);
  FUZZ_CHECK(head.request_line.size() <= gatehouse::limits::kRequestLineBytes);
  for (const std::string_view part : {head.request_line, head.method, head.target, head.path, head.content_type,
                                      head.content_encoding, head.authorization}) {
    FUZZ_CHECK(Within(text, part) && part.find_first_of("\r\n") == std::string_view::npos);
  }
  CheckLibrary(head);
  return 0;
}
