// One request and its response over an open channel.
#pragma once

#include <string>

#include "common/net/channel.h"
#include "common/net/http.h"

namespace gatehouse::net {

struct ExchangeOutcome {
  bool reusable = false;  // the response was read to its end, and the peer keeps the connection open
  bool answered = false;  // at least one byte of a response arrived
};

// Whether the request can be written as one message: no control characters, no header that this room sets itself.
// Errors: kInternal.
[[nodiscard]] Status CheckRequest(const HttpRequest& request);

// `target` is the request target as sent (origin-form, or absolute-form for a proxy); `extra` goes beside the request's
// headers. Precondition: CheckRequest(request). Errors: those of HttpTransport::Send.
[[nodiscard]] Result<HttpResponse> RunExchange(Channel& channel, const HttpRequest& request, const std::string& target,
                                               const Headers& extra, const Deadline& deadline,
                                               ExchangeOutcome& outcome);

}  // namespace gatehouse::net
