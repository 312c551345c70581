// What this server takes from cpp-httplib: a listening socket, the reading of a request line with its query, the wall
// against exceptions, and the writing of a response. The only place that includes the library.
//
// It is given the request line alone, with no header field, because what it does with fields is wrong for a port that
// strangers reach: it decodes %xx in values, runs std::regex (which recurses for every byte) over Range, compresses
// what Accept-Encoding asks for, answers Expect by itself, and skips lines that it does not understand. request_head.h
// reads the fields instead.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "webhook/server/http_server.h"
#include "webhook/server/listen_address.h"

namespace gatehouse::webhook {

// A listening socket with a backlog that fits, for this program alone: the library's own has a backlog of 5 and
// SO_REUSEPORT, with which a second program on the same port gets every other connection unnoticed. Errors:
// kConfigInvalid.
[[nodiscard]] Result<int> ListenOn(const ListenAddress& address);
// Of a bound socket; 0 if it is none.
[[nodiscard]] int BoundPort(int descriptor);

class HttpLibrary {
 public:
  // `idle_timeout` and `max_requests` are told to clients in Keep-Alive; `log` must outlive it.
  HttpLibrary(Duration idle_timeout, std::size_t max_requests, std::string listener, telemetry::Logger& log);
  ~HttpLibrary();

  struct Exchange {
    std::string_view request_line;  // checked by ParseRequestHead()
    // Called once, unless the query is malformed. With the value of ?timeout=, if it is there once; what it throws is
    // logged and becomes a 500.
    std::function<HttpReply(std::optional<std::string> query_timeout)> handle;
    std::function<bool()> close;  // asked when the response is written: whether the connection ends with it
    std::string_view allow = {};  // the field of that name, for 405
  };
  // Appends the response to `out`.
  void Respond(const Exchange& exchange, std::string& out);
  // The same for a request that no handler sees: {"error":"why"}, and the connection ends.
  void Refuse(int status, std::string_view why, std::string_view allow, std::string& out);

 private:
  class Adapter;
  std::unique_ptr<Adapter> adapter_;
};

}  // namespace gatehouse::webhook
