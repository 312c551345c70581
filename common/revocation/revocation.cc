#include "common/revocation/revocation.h"

#include <algorithm>
#include <condition_variable>
#include <list>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "common/base/limits.h"

namespace gatehouse::revocation {
namespace {

using crypto::Certificate;
using crypto::RevocationList;
using crypto::RevocationStatus;

constexpr std::chrono::hours kLongest{24};  // that an answer is remembered, whatever it says itself
constexpr std::size_t kAnswerBytes = 1024;  // of an OCSP answer in memory
constexpr std::size_t kMaxUrls = 5;         // of one certificate that are asked: each costs a wait

// What one URL gave: exactly one of the three.
struct Answer {
  std::optional<RevocationStatus> status = {};
  std::optional<RevocationList> list = {};
  std::optional<Error> error = {};
};

// Answers by what was asked for, the least recently used forgotten first; each asked for once at a time.
class Memory {
 public:
  Memory(const Clock& clock, const Options& options) : clock_(clock), options_(options) {}

  template <typename Ask>
  Answer Get(const std::string& key, const Deadline& deadline, const Ask& ask) {
    {
      std::unique_lock lock(mutex_);
      while (true) {
        if (auto known = Find(key)) return *std::move(known);
        if (asking_.insert(key).second) break;
        // Somebody asks already; a wait longer than our own time is an outage to us.
        landed_.wait_for(lock, std::min<Duration>(deadline.Remaining(), std::chrono::milliseconds(50)));
        if (deadline.Passed()) {
          return {.error = Error{Reason::kRevocationUnavailable, "", "there was no time left to ask"}};
        }
      }
    }
    Landing landing(*this, key);
    Answer answer = ask();
    landing.Keep(answer);
    return answer;
  }

 private:
  struct Entry {
    Answer answer;
    WallTime until;
    MonoTime error_until;
    std::size_t bytes;
    std::list<std::string>::iterator age;
  };

  // Ends the asking, also when it ended by an exception.
  class Landing {
   public:
    Landing(Memory& memory, const std::string& key) : memory_(memory), key_(key) {}
    Landing(const Landing&) = delete;
    Landing& operator=(const Landing&) = delete;
    ~Landing() {
      {
        std::scoped_lock lock(memory_.mutex_);
        memory_.asking_.erase(key_);
      }
      memory_.landed_.notify_all();
    }
    void Keep(const Answer& answer) {
      std::scoped_lock lock(memory_.mutex_);
      memory_.Put(key_, answer);
    }

   private:
    Memory& memory_;
    const std::string& key_;
  };

  std::optional<Answer> Find(const std::string& key) {
    auto found = entries_.find(key);
    if (found == entries_.end()) return std::nullopt;
    Entry& entry = found->second;
    const bool over = entry.answer.error.has_value() ? entry.error_until <= clock_.Mono() : entry.until < clock_.Wall();
    if (over) {
      Erase(key);
      return std::nullopt;
    }
    ages_.splice(ages_.end(), ages_, entry.age);
    return entry.answer;
  }
  void Put(const std::string& key, const Answer& answer) {
    Erase(key);
    const std::size_t bytes = answer.list.has_value() ? answer.list->bytes() : kAnswerBytes;
    if (bytes > options_.cache_bytes) return;
    WallTime until = clock_.Wall() + kLongest;
    if (answer.list.has_value()) until = std::min(until, answer.list->next_update());
    if (answer.status.has_value()) until = std::min(until, answer.status->next_update);
    entries_.emplace(
        key, Entry{answer, until, clock_.Mono() + options_.unavailable_ttl, bytes, ages_.insert(ages_.end(), key)});
    bytes_ += bytes;
    while (bytes_ > options_.cache_bytes) {
      const std::string oldest = ages_.front();
      Erase(oldest);
    }
  }
  void Erase(const std::string& key) {
    auto found = entries_.find(key);
    if (found == entries_.end()) return;
    bytes_ -= found->second.bytes;
    ages_.erase(found->second.age);
    entries_.erase(found);
  }

  const Clock& clock_;
  const Options options_;
  std::mutex mutex_;
  std::condition_variable landed_;
  std::unordered_map<std::string, Entry> entries_;
  std::unordered_set<std::string> asking_;
  std::list<std::string> ages_;
  std::size_t bytes_ = 0;
};

Error Unavailable(const std::string& where, std::string detail) {
  return Error{Reason::kRevocationUnavailable, where, std::move(detail)};
}

// An outage, whatever it was: a server that is not there says nothing of a certificate.
Error AsUnavailable(const std::string& url, const Error& error) {
  return Unavailable(url, error.ToString());
}

}  // namespace

struct Checker::Impl {
  Impl(net::HttpTransport& transport_used, const Clock& clock_used, const Options& options)
      : transport(transport_used), clock(clock_used), memory(clock_used, options) {}

  net::HttpTransport& transport;
  const Clock& clock;
  Memory memory;

  Result<std::string> Send(net::HttpRequest request, const Deadline& deadline) {
    const std::string url = request.url.ToString();
    auto response = transport.Send(request, deadline);
    if (!response.ok()) return AsUnavailable(url, response.error());
    if (response->status != 200) return Unavailable(url, "answered with status " + std::to_string(response->status));
    return std::move(response->body);
  }

  // RFC 6960 appendix A.1, by POST.
  Result<RevocationStatus> AskOcsp(const std::string& url, const Certificate& certificate, const Certificate& issuer,
                                   const Deadline& deadline) {
    auto parsed = net::Url::Parse(url, Reason::kRevocationUnavailable);
    if (!parsed.ok()) return parsed.error();
    const Bytes body = crypto::OcspRequest(certificate, issuer);
    ASSIGN_OR_RETURN(std::string answer, Send({.method = "POST",
                                               .url = *parsed,
                                               .headers = {{"Accept", "application/ocsp-response"}},
                                               .body = std::string(AsText(body)),
                                               .content_type = "application/ocsp-request",
                                               .max_response_bytes = limits::kOcspBytes},
                                              deadline.Sooner(limits::kOcspTime)));
    auto status = crypto::ReadOcspResponse(AsBytes(answer), certificate, issuer, clock.Wall());
    if (!status.ok()) return status.error().In(url);
    return status;
  }

  Result<RevocationList> FetchOne(const std::string& url, const Certificate& issuer, const Deadline& deadline) {
    auto parsed = net::Url::Parse(url, Reason::kRevocationUnavailable);
    if (!parsed.ok()) return parsed.error();
    ASSIGN_OR_RETURN(std::string der, Send({.url = *parsed, .max_response_bytes = limits::kCrlBytes},
                                           deadline.Sooner(limits::kCrlTime)));
    auto list = RevocationList::FromDer(AsBytes(der), issuer, clock.Wall());
    if (!list.ok()) return list.error().In(url);
    return list;
  }
  Result<RevocationList> FetchCrl(const std::string& url, const Certificate& issuer, const Deadline& deadline) {
    ASSIGN_OR_RETURN(RevocationList list, FetchOne(url, issuer, deadline));
    auto delta_url = list.DeltaUrl();
    if (!delta_url.has_value()) return list;
    ASSIGN_OR_RETURN(RevocationList delta, FetchOne(*delta_url, issuer, deadline));
    auto both = list.With(delta);
    if (!both.ok()) return both.error().In(*delta_url);
    return both;
  }

  Result<RevocationStatus> ByOcsp(const std::string& url, const Certificate& certificate, const Certificate& issuer,
                                  const Deadline& deadline) {
    const std::string key = "ocsp " + issuer.Fingerprint().text() + certificate.Fingerprint().text() + url;
    Answer answer = memory.Get(key, deadline, [&]() -> Answer {
      auto status = AskOcsp(url, certificate, issuer, deadline);
      if (!status.ok()) return {.error = status.error()};
      return {.status = *status};
    });
    if (answer.error.has_value()) return *answer.error;
    return *answer.status;
  }
  Result<RevocationStatus> ByCrl(const std::string& url, const Certificate& certificate, const Certificate& issuer,
                                 const Deadline& deadline) {
    Answer answer = memory.Get("crl " + issuer.Fingerprint().text() + url, deadline, [&]() -> Answer {
      auto list = FetchCrl(url, issuer, deadline);
      if (!list.ok()) return {.error = list.error()};
      return {.list = *std::move(list)};
    });
    if (answer.error.has_value()) return *answer.error;
    return answer.list->Find(certificate);
  }

  // The first that can tell, OCSP before CRL. Errors: of the last that could not.
  Result<RevocationStatus> StatusOf(const Certificate& certificate, const Certificate& issuer,
                                    const Deadline& deadline) {
    const crypto::RevocationPointers pointers = crypto::RevocationPointersOf(certificate);
    if (pointers.ocsp.empty() && pointers.crl.empty()) {
      // Notation specification, "Certificate Revocation Evaluation": only a certificate that names no place to ask is
      // good without asking.
      if (!pointers.others) return RevocationStatus{.state = RevocationStatus::State::kGood};
      return Unavailable(certificate.Subject(), "its revocation can only be asked for where no http URL leads");
    }
    Error last = Unavailable(certificate.Subject(), "nobody could tell whether it was revoked");
    std::size_t asked = 0;
    auto told = [&](Result<RevocationStatus> status) -> std::optional<RevocationStatus> {
      if (status.ok() && status->state != RevocationStatus::State::kUnknown) return *status;
      if (!status.ok()) last = status.error();
      return std::nullopt;
    };
    for (const std::string& url : pointers.ocsp) {
      if (++asked > kMaxUrls) break;
      if (auto status = told(ByOcsp(url, certificate, issuer, deadline))) return *status;
    }
    for (const std::string& url : pointers.crl) {
      if (++asked > 2 * kMaxUrls) break;
      if (auto status = told(ByCrl(url, certificate, issuer, deadline))) return *status;
    }
    return last;
  }
};

Checker::Checker(net::HttpTransport& transport, const Clock& clock, Options options)
    : impl_(std::make_unique<Impl>(transport, clock, options)) {}
Checker::~Checker() = default;

Status Checker::Check(const std::vector<Certificate>& path, const std::optional<WallTime>& signed_at,
                      const Deadline& deadline) {
  std::optional<Error> undecided;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    auto status = impl_->StatusOf(path[i], path[i + 1], deadline);
    if (!status.ok()) {
      // Another certificate of the path may still be found revoked, which says more.
      if (!undecided.has_value()) undecided = status.error();
      continue;
    }
    if (status->state != RevocationStatus::State::kRevoked) continue;
    // Notation specification, "Certificate Revocation Evaluation": a revoked certificate is accepted if the signature
    // was made, by a trusted time, before its invalidity date. Without that date the revocation counts for all that it
    // ever signed.
    if (signed_at.has_value() && status->invalid_since.has_value() && *signed_at < *status->invalid_since) continue;
    return Error{Reason::kCertificateRevoked, path[i].Subject(),
                 status->reason.empty() ? "was revoked" : "was revoked: " + status->reason};
  }
  if (undecided.has_value()) return *undecided;
  return Ok();
}

}  // namespace gatehouse::revocation
