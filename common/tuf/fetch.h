// Where a TUF repository is: on a server, or in a folder (a mirror in an air-gapped cluster).
#pragma once

#include <string>

#include "common/net/http.h"
#include "common/tuf/client.h"

namespace gatehouse::tuf {

// `url`: "https://host/path", "http://…", or "file:///folder"; files are below it. 404 and 403 mean that there is no
// such file: object stores answer 403 for what is not there. Redirects are not followed. `transport` must outlive it,
// and is not used for a folder. Errors: kConfigInvalid.
[[nodiscard]] Result<Fetch> MakeFetch(const std::string& url, net::HttpTransport& transport, const Clock& clock,
                                      Duration budget);

}  // namespace gatehouse::tuf
