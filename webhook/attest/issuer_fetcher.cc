#include "webhook/attest/issuer_fetcher.h"

#include <algorithm>
#include <array>
#include <memory>

#include "common/base/limits.h"
#include "common/crypto/revocation.h"
#include "common/net/address.h"

namespace gatehouse::webhook {
namespace {

using crypto::Certificate;
using Chain = std::vector<Certificate>;

constexpr std::chrono::hours kKept{1};
constexpr int kHttpPort = 80;
constexpr std::size_t kMaxUrls = 2;  // of one certificate that are asked

bool IsIssuedByAny(const Certificate& subject, const Chain& issuers) {
  return std::ranges::any_of(issuers, [&](const Certificate& issuer) { return subject.IsSignedBy(issuer); });
}

const Certificate* IssuerIn(const Certificate& subject, const Chain& chain) {
  const auto found =
      std::ranges::find_if(chain, [&](const Certificate& candidate) { return subject.IsSignedBy(candidate); });
  return found == chain.end() ? nullptr : &*found;
}

// RFC 5280 section 4.2.2.1: "a single DER encoded certificate"; some serve it as PEM.
Chain Parse(std::string_view body) {
  if (auto one = Certificate::FromDer(AsBytes(body)); one.ok()) return {std::move(*one)};
  if (auto list = Certificate::ListFromPem(body); list.ok() && list->size() <= limits::kChainCertificates)
    return std::move(*list);
  return {};
}

}  // namespace

Status IssuerFetcher::MayFetch(const net::Url& url) {
  const auto refuse = [&](std::string_view detail) {
    return Error{Reason::kAddressRefused, url.host, std::string(detail)};
  };
  if (url.scheme != "http" || url.port != kHttpPort) return refuse("issuers are fetched by plain http on port 80 only");
  std::string_view host = url.host;
  while (host.ends_with('.')) host.remove_suffix(1);
  const auto dot = host.rfind('.');
  const std::string_view top = dot == std::string_view::npos ? "" : host.substr(dot + 1);
  const bool numeric = !top.empty() && std::ranges::all_of(top, [](char c) { return c >= '0' && c <= '9'; });
  if (top.empty() || numeric || top.starts_with("0x") || net::IpAddress::Parse(url.host).has_value())
    return refuse("a certificate may name a host of the public DNS only");
  constexpr std::array<std::string_view, 7> kPrivate = {"local", "localhost", "internal",   "svc",
                                                        "lan",   "home",      "localdomain"};
  if (std::ranges::find(kPrivate, top) != kPrivate.end())
    return refuse("a certificate may not name a host of this machine or cluster");
  return Ok();
}

Chain IssuerFetcher::Fetch(const std::string& url, const Deadline& deadline) {
  auto parsed = net::Url::Parse(url, Reason::kNetworkUnavailable);
  if (!parsed.ok() || !MayFetch(*parsed).ok()) return {};
  auto response = transport_.Send({.url = *parsed, .max_response_bytes = limits::kCertificateBytes},
                                  deadline.Sooner(limits::kCrlTime));
  if (!response.ok() || response->status != 200) return {};
  return Parse(response->body);
}

void IssuerFetcher::Keep(const std::string& url, Fetched fetched) {
  if (kept_.size() >= limits::kIssuersKept && !kept_.contains(url)) {
    // Those that were not to be had first, of each kind the oldest: strangers' URLs must not drive out the others.
    const auto order = [](const auto& entry) {
      return std::pair(!entry.second.certificates.empty(), entry.second.until);
    };
    kept_.erase(std::ranges::min_element(kept_, {}, order));
  }
  kept_.insert_or_assign(url, std::move(fetched));
}

Chain IssuerFetcher::Get(const std::string& url, const Deadline& deadline) {
  {
    std::unique_lock lock(mutex_);
    while (true) {
      auto known = kept_.find(url);
      if (known != kept_.end() && clock_.Mono() < known->second.until) return known->second.certificates;
      if (asking_.insert(url).second) break;
      if (deadline.Passed()) return {};
      landed_.wait_for(lock, std::min<Duration>(deadline.Remaining(), std::chrono::milliseconds(50)));
    }
  }
  // Ends the asking, also when it ended by an exception.
  const auto landed = [this, &url](const void*) {
    {
      std::lock_guard lock(mutex_);
      asking_.erase(url);
    }
    landed_.notify_all();
  };
  const std::unique_ptr<const void, decltype(landed)> landing(this, landed);
  Chain certificates = Fetch(url, deadline);
  std::lock_guard lock(mutex_);
  Keep(url, {certificates, clock_.Mono() + kKept});
  return certificates;
}

Chain IssuerFetcher::Complete(const Certificate& leaf, const Chain& known, const Chain& anchors,
                              const Deadline& deadline) {
  Chain fetched;
  Certificate subject = leaf;
  std::size_t fetches = 0;
  for (std::size_t depth = 0; depth < limits::kChainCertificates; ++depth) {
    if (subject.IsSelfIssued() || IsIssuedByAny(subject, anchors)) break;
    if (const Certificate* issuer = IssuerIn(subject, known)) {
      subject = Certificate(*issuer);
      continue;
    }
    std::optional<Certificate> found;
    std::size_t asked = 0;
    for (const std::string& url : crypto::IssuerUrlsOf(subject)) {
      if (found.has_value() || asked++ == kMaxUrls || fetches++ == limits::kAiaFetches) break;
      const Chain candidates = Get(url, deadline);
      if (const Certificate* issuer = IssuerIn(subject, candidates)) found = *issuer;
    }
    if (!found.has_value()) break;
    fetched.push_back(*found);
    subject = std::move(*found);
  }
  return fetched;
}

}  // namespace gatehouse::webhook
