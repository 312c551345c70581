// A gate over real connections, from the policy document to the socket as the webhook has it, that counts what it asks
// registries.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/net/https_transport.h"
#include "tests/bench/setup.h"
#include "tests/bench/signed_images.h"

namespace gatehouse::bench {

inline constexpr std::size_t kConnectionsPerHost = 20;  // the webhook's default

// To servers with certificates of this CA. Aborts if it cannot be made.
[[nodiscard]] std::unique_ptr<net::HttpTransport> MakeTransport(const std::string& ca_pem);

class CountingTransport final : public net::HttpTransport {
 public:
  explicit CountingTransport(net::HttpTransport& transport) : transport_(transport) {}
  Result<net::HttpResponse> Send(const net::HttpRequest& request, const Deadline& deadline) override;

  [[nodiscard]] std::size_t requests() const;
  // The longest chain of requests that each began after the answer to another: what waiting costs at least, however
  // much went on at the same time.
  [[nodiscard]] std::size_t round_trips() const;
  [[nodiscard]] std::map<std::string, std::size_t> by_target() const;

 private:
  net::HttpTransport& transport_;
  mutable std::mutex mutex_;
  std::size_t requests_ = 0;
  std::size_t answered_ = 0;  // the highest level of an answer
  std::map<std::string, std::size_t> by_target_;
};

// Knows nothing yet: neither tokens, nor what the registry can do, nor verdicts.
class ColdGate {
 public:
  ColdGate(net::HttpTransport& transport, std::shared_ptr<const policy::PolicySet> set)
      : counted_(transport), set_(std::move(set)) {}
  ColdGate(net::HttpTransport& transport, std::shared_ptr<const policy::PolicySet> set,
           registry::Credentials credentials)
      : ColdGate(transport, std::move(set)) {
    credentials_ = std::make_shared<const registry::Credentials>(std::move(credentials));
  }

  // Of a pod with these images. Errors are printed.
  [[nodiscard]] bool Admits(const admission::ReviewRequest& pod) const;
  [[nodiscard]] const CountingTransport& counted() const { return counted_; }

 private:
  SignersClock clock_;
  CountingTransport counted_;
  std::shared_ptr<const policy::PolicySet> set_;
  std::shared_ptr<const registry::Credentials> credentials_ = std::make_shared<registry::Credentials>();
  registry::Client client_{counted_, clock_, {}};
  gate::VerificationCache cache_{clock_, {}, [](std::string_view) {}};
  gate::ImageVerifier verifier_{client_, cache_, clock_, {}};
  NoNodes nodes_;
  gate::Gate gate_{verifier_, nodes_, [this] { return set_; }, gate::SameForAll([this] { return credentials_; }), {}};
};

// An AdmissionReview of a pod's creation, as the API server sends it.
[[nodiscard]] std::string PodReview(const std::vector<std::string>& images);
// Aborts with the reason if it is none.
[[nodiscard]] admission::ReviewRequest MustParseReview(const std::string& review);
[[nodiscard]] std::shared_ptr<const policy::PolicySet> MustLoad(const std::string& yaml);

}  // namespace gatehouse::bench
