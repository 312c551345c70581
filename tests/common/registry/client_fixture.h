// A registry on a port, a client of it, and one manifest: what the tests of the registry client start from.
#pragma once

#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/net/https_transport.h"
#include "common/registry/client.h"
#include "tests/fakes/registry.h"

namespace gatehouse::registry {

using fakes::FakeRegistry;
using fakes::HttpServer;
using fakes::ReceivedRequest;
using fakes::Reply;

inline const std::string kManifestBytes = R"({"schemaVersion":2,"config":{},"layers":[]})";
inline const std::string kType(image::kOciManifest);

inline Credentials For(const std::string& host, const std::string& user = "user",
                       const std::string& password = "s3cret") {
  return Credentials::FromDockerConfig(
             R"({"auths":{")" + host + R"(":{"username":")" + user + R"(","password":")" + password + R"("}}})", "test")
      .value();
}

// A registry, a client of it, and one manifest "team/app:v1".
class RegistryClient : public testing::Test {
 protected:
  RegistryClient() : digest_(registry_.PutManifest("team/app", "v1", kManifestBytes, kType)) {
    net::TransportOptions options;
    options.resolve = [](const std::string&) -> Result<std::vector<std::string>> {
      return std::vector<std::string>{"127.0.0.1"};
    };
    transport_ = net::MakeHttpsTransport(options).value();
    MakeClient({registry_.host()});
  }

  void MakeClient(std::vector<std::string> insecure) {
    ClientOptions options{.insecure_hosts = std::move(insecure)};
    options.sleep = [this](Duration time) { slept_.push_back(time); };
    client_ = std::make_unique<Client>(*transport_, clock_, std::move(options));
  }
  image::Reference App() const { return image::Reference::Parse(registry_.host() + "/team/app:v1").value(); }
  Deadline Soon(Duration budget = Duration(5000)) const { return Deadline(clock_, budget); }

  Result<std::optional<VerifiedContent>> ByTag(const Credentials& credentials = {}) {
    return client_->GetManifestByTag(App(), "v1", credentials, Soon());
  }
  Result<std::optional<VerifiedContent>> ByDigest(const Credentials& credentials = {}) {
    return client_->GetManifest(App(), digest_, credentials, Soon());
  }
  // Closes the idle connections to servers that go before the fixture does.
  void Disconnect() {
    client_.reset();
    transport_.reset();
  }
  void ExpectError(const Result<std::optional<VerifiedContent>>& result, Reason reason, const std::string& what = "") {
    ASSERT_FALSE(result.ok()) << what;
    EXPECT_EQ(result.error().reason, reason) << what << ": " << result.error().ToString();
    EXPECT_EQ(result.error().ToString().find("s3cret"), std::string::npos) << result.error().ToString();
  }
  // Every Authorization header that `requests` carry.
  static std::vector<std::string> Authorizations(const std::vector<ReceivedRequest>& requests) {
    std::vector<std::string> values;
    for (const auto& request : requests) values.push_back(request.Header("Authorization"));
    return values;
  }
  static std::string Basic() { return "Basic " + EncodeBase64(AsBytes("user:s3cret")); }
  const std::string kByTag = "/v2/team/app/manifests/v1";

  SystemClock clock_;
  FakeRegistry registry_;
  Digest digest_;
  std::unique_ptr<net::HttpTransport> transport_;
  std::vector<Duration> slept_;
  std::unique_ptr<Client> client_;
};

}  // namespace gatehouse::registry
