// The material of a TrustRoot that comes from a TUF repository: fetched, verified, parsed.
#pragma once

#include "common/policy/documents.h"
#include "common/tuf/client.h"

namespace gatehouse::trust {

struct Fetched {
  policy::FetchedTrust trust;
  bool refreshed;    // false: from the store alone, as the repository could not be reached
  WallTime expires;  // until when the repository's metadata vouches for it
};

// An initial root that is named by its hash is kept in the store, too. Errors: those of tuf::FetchTarget, and
// kTrustRootMalformed.
[[nodiscard]] Result<Fetched> FetchTrust(const policy::TufSource& source, const tuf::Fetch& fetch, tuf::Store& store,
                                         WallTime now);

}  // namespace gatehouse::trust
