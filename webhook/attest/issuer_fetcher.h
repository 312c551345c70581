// Certificates of issuers from where certificates say that they are (authorityInfoAccess; RFC 5280 section 4.2.2.1).
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "common/crypto/x509.h"
#include "common/net/http.h"

namespace gatehouse::webhook {

// Thread-safe. Whoever enrols names the URL, before anything is verified: so only plain http on its own port, to a host
// that has a public name (no address, no name of a cluster or of this machine; what the name resolves to is the
// transport's to refuse, which must have deny_local_addresses and deny_private_addresses), no redirect, bounded size,
// time and number, and nothing of the answer is told to anybody. A URL is asked at most once an hour, whatever came of
// it.
class IssuerFetcher {
 public:
  IssuerFetcher(net::HttpTransport& transport, const Clock& clock) : transport_(transport), clock_(clock) {}

  // What is missing on the way from `leaf` to one of `anchors` over `known`, at most limits::kAiaFetches. What is
  // fetched is trusted for nothing.
  [[nodiscard]] std::vector<crypto::Certificate> Complete(const crypto::Certificate& leaf,
                                                          const std::vector<crypto::Certificate>& known,
                                                          const std::vector<crypto::Certificate>& anchors,
                                                          const Deadline& deadline);
  // Whether such a URL may be asked at all. Errors: kAddressRefused.
  [[nodiscard]] static Status MayFetch(const net::Url& url);

 private:
  struct Fetched {
    std::vector<crypto::Certificate> certificates;  // none: not to be had
    MonoTime until;
  };
  [[nodiscard]] std::vector<crypto::Certificate> Get(const std::string& url, const Deadline& deadline);
  [[nodiscard]] std::vector<crypto::Certificate> Fetch(const std::string& url, const Deadline& deadline);
  void Keep(const std::string& url, Fetched fetched);

  net::HttpTransport& transport_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable landed_;
  std::set<std::string> asking_;
  std::map<std::string, Fetched> kept_;
};

}  // namespace gatehouse::webhook
