// A cluster in memory with webhook configurations, and the certificates that a leader keeps in it.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "common/crypto/issue.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/kube_api.h"
#include "webhook/certificates/certificate_steps.h"

namespace gatehouse::webhook {

inline constexpr const char* kNamespace = "gatehouse-system";

class CertificatesTest : public testing::Test {
 protected:
  CertificatesTest() {
    server_.SetTick(Duration(5));
    PutWebhooks();
  }
  ~CertificatesTest() override { ::close(null_); }

  void PutWebhooks() {
    // The second one leads elsewhere, the third one to us by a URL.
    server_.Put(
        R"({"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration","metadata":{"name":"gatehouse"},"webhooks":[
      {"name":"validate.gatehouse.dev","failurePolicy":"Fail","clientConfig":{"service":{"name":"gatehouse-webhook","namespace":"gatehouse-system","path":"/validate"}}},
      {"name":"other.example","clientConfig":{"caBundle":"T1RIRVI=","service":{"name":"other","namespace":"elsewhere"}}},
      {"name":"policies.gatehouse.dev","clientConfig":{"url":"https://gatehouse.example/validate"}}]})");
    server_.Put(
        R"({"apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingWebhookConfiguration","metadata":{"name":"gatehouse"},"webhooks":[
      {"name":"mutate.gatehouse.dev","clientConfig":{"service":{"name":"gatehouse-webhook","namespace":"gatehouse-system"}}}]})");
    server_.Put(
        R"({"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration","metadata":{"name":"not-ours"},"webhooks":[
      {"name":"a.example","clientConfig":{"caBundle":"T1RIRVI=","service":{"name":"gatehouse-webhook","namespace":"gatehouse-system"}}}]})");
  }

  static CertificateOptions Options() {
    return {.namespace_name = kNamespace,
            .name = "gatehouse",
            .dns_names = {"gatehouse-webhook.gatehouse-system.svc", "10.0.0.7"},
            .validating_webhooks = {"gatehouse"},
            .mutating_webhooks = {"gatehouse"},
            .validity = std::chrono::hours(24 * 9),
            .ca_validity = std::chrono::hours(24 * 90),
            .overlap = std::chrono::hours(1)};
  }
  Result<Duration> Run(const CertificateOptions& options = Options()) {
    return CertificateManager(
               api_, options, [this] { return leading_.load(); }, clock_, log_, crypto::SystemRandom())
        .RunOnce();
  }
  void MustRun(const CertificateOptions& options = Options()) {
    auto round = Run(options);
    ASSERT_TRUE(round.ok()) << round.error().ToString();
  }
  std::vector<std::string> Problems(const CertificateOptions& options = Options()) {
    CertificateManager manager(
        api_, options, [this] { return leading_.load(); }, clock_, log_, crypto::SystemRandom());
    (void)manager.RunOnce();
    return manager.Problems();
  }

  // An entry of a Secret or ConfigMap, decoded; "" if there is none.
  std::string Entry(const kube::Resource& resource, const std::string& name, const std::string& entry) const {
    auto object = server_.Find(resource, name, kNamespace);
    std::string text = object.has_value() ? object->TextAt({"data", entry}) : "";
    if (resource == kube::kConfigMaps) return text;
    auto decoded = DecodeBase64(text);
    return decoded.ok() ? std::string(AsText(*decoded)) : text;
  }
  std::string Ca(const std::string& entry) const { return Entry(kube::kSecrets, "gatehouse-ca", entry); }
  std::string Tls(const std::string& entry) const { return Entry(kube::kSecrets, "gatehouse-tls", entry); }
  std::string Keys(const std::string& entry) const { return Entry(kube::kSecrets, "gatehouse-attestation", entry); }
  std::string Public(const std::string& entry) const { return Entry(kube::kConfigMaps, "gatehouse-public", entry); }
  std::string CaBundle(const kube::Resource& resource, const std::string& configuration, std::size_t index) const {
    auto object = server_.Find(resource, configuration);
    if (!object.has_value() || object->At({"webhooks"}) == nullptr) return "";
    auto decoded = DecodeBase64(object->At({"webhooks"})->elements.at(index).TextAt({"clientConfig", "caBundle"}));
    return decoded.ok() ? std::string(AsText(*decoded)) : "no base64";
  }
  // Every place where a client of ours looks.
  std::vector<std::string> Bundles() const {
    return {Public("ca.crt"), Tls("ca.crt"), CaBundle(kube::kValidatingWebhooks, "gatehouse", 0),
            CaBundle(kube::kValidatingWebhooks, "gatehouse", 2), CaBundle(kube::kMutatingWebhooks, "gatehouse", 0)};
  }
  // Whether the certificate that is served now is trusted by whoever has the bundle.
  bool Trusted(const std::string& bundle) const {
    auto leaf = crypto::Certificate::ListFromPem(Tls("tls.crt"));
    auto roots = crypto::Certificate::ListFromPem(bundle);
    if (!leaf.ok() || !roots.ok()) return false;
    return crypto::VerifyChain(leaf->at(0), {}, *roots, {clock_.Wall(), "1.3.6.1.5.5.7.3.1", {}}).ok();
  }
  void ExpectServed() const {
    for (const std::string& bundle : Bundles()) EXPECT_TRUE(Trusted(bundle)) << bundle;
    EXPECT_EQ(crypto::Certificate::ListFromPem(Tls("tls.crt"))->at(0).Key().value(),
              crypto::PrivateKey::FromPem(Tls("tls.key"))->Public());
  }

  std::size_t Writes() const {
    auto requests = server_.requests();
    return static_cast<std::size_t>(std::count_if(requests.begin(), requests.end(), [](const auto& request) {
      return request.verb != "GET" && request.verb != "LIST" && request.verb != "WATCH";
    }));
  }
  // From now on the connection breaks off at every write but the first `count`.
  void AllowWrites(std::size_t count) {
    auto left = std::make_shared<std::atomic<std::size_t>>(count);
    server_.Intercept([left](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
      if (request.verb == "GET") return std::nullopt;
      if (left->load() == 0) return fakes::KubeReply{.status = 0};
      --*left;
      return std::nullopt;
    });
  }
  void AllowAll() { server_.Intercept({}); }
  void PutSecret(const std::string& name, bool ours, const std::map<std::string, std::string>& entries) {
    codec::JsonWriter json;
    json.BeginObject().Member("apiVersion", "v1").Member("kind", "Secret").Key("metadata").BeginObject();
    json.Member("name", name).Member("namespace", kNamespace).Key("labels").BeginObject();
    if (ours) json.Member(kManagedBy, kUs);
    json.EndObject().EndObject().Key("data").BeginObject();
    for (const auto& [entry, text] : entries) json.Member(entry, EncodeBase64(AsBytes(text)));
    json.EndObject().EndObject();
    server_.Put(std::move(json).Finish());
  }

  fakes::FakeClock clock_;
  fakes::KubeApi server_;
  kube::Api api_{server_.connections(), clock_, {.queries_per_second = 0}};
  int null_ = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  telemetry::Logger log_{null_, telemetry::Level::kDebug, clock_};
  std::atomic<bool> leading_ = true;
};

}  // namespace gatehouse::webhook
