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

// For the body of a 2xx answer that is handed over while it arrives (StreamTransport::Stream).
struct BodyStream {
  const StreamTransport::OnBody& on_body;
  Deadline until;  // of the body; the deadline of the exchange is that of its head, and of any other answer
};

// `target` is the request target as sent (origin-form, or absolute-form for a proxy); `extra` goes beside the request's
// headers. Precondition: CheckRequest(request). Errors: those of HttpTransport::Send.
[[nodiscard]] Result<HttpResponse> RunExchange(Channel& channel, const HttpRequest& request, const std::string& target,
                                               const Headers& extra, const Deadline& deadline, ExchangeOutcome& outcome,
                                               const BodyStream* stream = nullptr);

}  // namespace gatehouse::net
