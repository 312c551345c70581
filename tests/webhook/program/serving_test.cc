// gatehouse-webhook while it serves: admission over TLS, what it says of itself, files that change under it, its end.
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <future>

#include "tests/fakes/push.h"
#include "tests/webhook/program/support.h"
#include "tests/webhook/server/test_client.h"

namespace gatehouse::webhook {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Serving = ProgramTest;

TEST_F(Serving, AnswersAndSaysHowItIs) {
  Webhook webhook(WriteConfig(config_));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  Answer answer = webhook.Review(api_server_, PodReview("nginx"));
  EXPECT_EQ(answer.status, 200) << answer.message;
  EXPECT_EQ(answer.uid, "uid-7");
  EXPECT_TRUE(answer.allowed) << answer.message;

  EXPECT_EQ(webhook.Get("/healthz"), "ok\n");
  auto ready = codec::JsonDocument::Parse(webhook.Get("/readyz"), {10'000});
  ASSERT_TRUE(ready.ok());
  EXPECT_EQ(ready->root().Find("ready")->AsBool(), true);
  EXPECT_EQ(ready->root().Find("policies")->Find("state")->AsString(), "current");
  EXPECT_EQ(ready->root().Find("policies")->Find("generation")->AsString()->size(), 64U);

  std::string metrics = webhook.Get("/metrics");
  for (const char* line :
       {"gatehouse_admission_requests_total{kind=\"pod\",outcome=\"allowed\"} 1",
        "gatehouse_admission_duration_seconds_count{half=\"image\"} 1",
        "gatehouse_policy_decisions_total{kind=\"ImagePolicy\",outcome=\"allow\",policy=\"fixed\"} 1",
        "gatehouse_policy_documents{kind=\"ImagePolicy\"} 1", "gatehouse_policy_reloads_total{outcome=\"ok\"} 1",
        "gatehouse_policy_last_reload_failed 0",
        "gatehouse_certificate_expiry_timestamp_seconds{listener=\"admission\"} "}) {
    EXPECT_THAT(metrics, HasSubstr(line));
  }
}

TEST_F(Serving, AuditLogIsOnStandardOutputWhateverTheLogIsSetTo) {
  Webhook quiet(WriteConfig(config_ + "log: {level: info}\n"));
  ASSERT_TRUE(quiet.Serves()) << quiet.program().err();
  EXPECT_TRUE(quiet.Review(api_server_, PodReview("nginx")).allowed);
  EXPECT_THAT(quiet.program().out(), AllOf(HasSubstr("\"level\":\"audit\""), HasSubstr("\"uid\":\"uid-7\"")));
  EXPECT_THAT(quiet.program().err(), Not(HasSubstr("uid-7")));

  // Nothing says where an ephemeral port is when the log is off, so this one is chosen.
  std::string address = "127.0.0.1:" + std::to_string(fakes::UnusedPort());
  std::string off = config_ + "log: {level: \"off\"}\n";
  off.replace(off.find("127.0.0.1:0"), 11, address);
  Webhook silent(WriteConfig(off));
  ASSERT_TRUE(fakes::Eventually([&] {
    return api_server_.Send("POST", "https://" + address + "/validate", PodReview("nginx")).ok();
  })) << silent.program().err();
  EXPECT_THAT(silent.program().out(), HasSubstr("\"level\":\"audit\""));
  EXPECT_THAT(silent.program().err(), IsEmpty());
}

TEST_F(Serving, ImageIsVerifiedAtItsRegistry) {
  fakes::FakeRegistry registry;
  auto key = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  Digest image = fakes::PushImage(registry, "app", "signed", "one");
  fakes::PushSignatures(registry, "app", image, {fakes::SignPayload(key, image)});
  fakes::PushImage(registry, "app", "unsigned", "two");
  (void)folder_.Write("policies/images.yaml", KeyPolicy(registry.host() + "/app", key.Public()));
  Webhook webhook(WriteConfig(config_ + LoopbackRegistry(registry.host())));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  Answer good = webhook.Review(api_server_, PodReview(registry.host() + "/app:signed"));
  EXPECT_TRUE(good.allowed) << good.message;
  Answer bad = webhook.Review(api_server_, PodReview(registry.host() + "/app:unsigned"));
  EXPECT_FALSE(bad.allowed);
  EXPECT_EQ(bad.code, 403);
  EXPECT_THAT(bad.message, HasSubstr("[image-unsigned] (policy 'release')"));
  EXPECT_THAT(webhook.Get("/metrics"), AllOf(HasSubstr("gatehouse_registry_requests_total{outcome=\"ok\"}"),
                                             HasSubstr("gatehouse_registry_requests_total{outcome=\"missing\"}"),
                                             HasSubstr("gatehouse_verification_cache_total{result=\"miss\"} 2")));
}

TEST_F(Serving, AnImagesNameDoesNotMakeItCallLoopback) {
  fakes::FakeRegistry registry;
  auto key = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  (void)folder_.Write("policies/images.yaml", KeyPolicy("**", key.Public()));
  Webhook webhook(WriteConfig(config_ + "registry: {insecure: [\"" + registry.host() + "\"]}\n"));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  Answer answer = webhook.Review(api_server_, PodReview(registry.host() + "/app:1"));
  EXPECT_FALSE(answer.allowed);
  EXPECT_THAT(answer.message, HasSubstr("[address-refused]"));
  EXPECT_THAT(registry.requests(), IsEmpty());
}

// A registry that does not answer must not cost the API server its own timeout: a late answer is no answer.
TEST_F(Serving, Adversarial_A11_SilentRegistryIsDeniedBeforeTheApiServersTimeout) {
  std::promise<void> ended;
  std::shared_future<void> wait = ended.get_future().share();
  fakes::FakeRegistry registry;
  registry.Override("/v2/app/manifests/1", [wait](const fakes::ReceivedRequest&) {
    wait.wait();
    return fakes::Reply{.status = 404};
  });
  auto key = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  (void)folder_.Write("policies/images.yaml", KeyPolicy("**", key.Public()));
  Webhook webhook(WriteConfig(config_ + LoopbackRegistry(registry.host())));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  auto begin = std::chrono::steady_clock::now();
  Answer answer = webhook.Review(api_server_, PodReview(registry.host() + "/app:1"), "?timeout=1s");
  auto elapsed = std::chrono::steady_clock::now() - begin;
  ended.set_value();
  EXPECT_FALSE(answer.allowed);
  EXPECT_EQ(answer.code, 503);
  EXPECT_THAT(answer.message, HasSubstr("[deadline-exceeded]"));
  EXPECT_LT(elapsed, std::chrono::seconds(1));
}

TEST_F(Serving, BrokenPoliciesLeaveTheOldOnesInForce) {
  Webhook webhook(WriteConfig(config_));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  auto state = [&] {
    auto ready = codec::JsonDocument::Parse(webhook.Get("/readyz"), {10'000});
    return ready.ok() ? std::string(*ready->root().Find("policies")->Find("state")->AsString()) : "(no answer)";
  };
  (void)folder_.Write("policies/images.yaml", StaticPolicy("fail") + "  mod: warn\n");
  EXPECT_TRUE(fakes::Eventually([&] { return state() == "stale"; }));
  EXPECT_THAT(webhook.Get("/readyz"), AllOf(HasSubstr("\"ready\":true"), HasSubstr("images.yaml:")));
  EXPECT_THAT(webhook.Get("/metrics"), HasSubstr("gatehouse_policy_last_reload_failed 1"));
  EXPECT_TRUE(webhook.Review(api_server_, PodReview("nginx")).allowed);

  (void)folder_.Write("policies/images.yaml", StaticPolicy("fail"));
  EXPECT_TRUE(fakes::Eventually([&] { return state() == "current"; }));
  EXPECT_THAT(webhook.Get("/metrics"), HasSubstr("gatehouse_policy_last_reload_failed 0"));
  Answer answer = webhook.Review(api_server_, PodReview("nginx"));
  EXPECT_FALSE(answer.allowed);
  EXPECT_THAT(answer.message, HasSubstr("[denied-by-policy]"));
}

TEST_F(Serving, PolicyFolderThatGoesAwayLeavesTheOldPoliciesInForce) {
  Webhook webhook(WriteConfig(config_));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  std::filesystem::rename(folder_.path() / "policies", folder_.path() / "elsewhere");
  EXPECT_TRUE(fakes::Eventually([&] { return webhook.Get("/readyz").find("\"stale\"") != std::string::npos; }));
  EXPECT_TRUE(webhook.Review(api_server_, PodReview("nginx")).allowed);
}

TEST_F(Serving, CertificateFilesAreReplacedWhileServing) {
  Webhook webhook(WriteConfig(config_));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  fakes::TestCa other_ca = fakes::RootOfToday("another");
  Client other{.ca_pem = other_ca.pem()};
  EXPECT_EQ(webhook.Review(other, PodReview("nginx")).status, 0);
  // First something broken, which must be passed over.
  (void)folder_.Write("tls.crt", "no certificate");
  EXPECT_TRUE(fakes::Eventually([&] { return webhook.program().err().find("tls.crt") != std::string::npos; }));
  EXPECT_TRUE(webhook.Review(api_server_, PodReview("nginx")).allowed);

  WriteServingCertificate(other_ca);
  EXPECT_TRUE(fakes::Eventually([&] { return webhook.Review(other, PodReview("nginx")).allowed; }));
  EXPECT_EQ(webhook.Review(api_server_, PodReview("nginx")).status, 0);
}

TEST_F(Serving, ApiServerMustShowItsCertificateWhereOneIsRequired) {
  fakes::TestCa client_ca = fakes::RootOfToday("clients");
  (void)folder_.Write("clients.pem", client_ca.pem());
  std::string config = config_;
  config.replace(config.find("tls.key\"}"), 9,
                 "tls.key\", clientCA: \"{folder}/clients.pem\", requireClientCertificate: true}");
  Webhook webhook(WriteConfig(config));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  EXPECT_EQ(webhook.Review(api_server_, PodReview("nginx")).status, 0);
  auto with = [&](const fakes::TestCa& ca) {
    fakes::ServerTls tls = fakes::IssueServerTls(ca, "", "kube-apiserver");
    return Client{.ca_pem = ca_.pem(), .certificate_pem = tls.chain_pem, .key_pem = tls.key_pem};
  };
  EXPECT_EQ(webhook.Review(with(fakes::RootOfToday("strangers")), PodReview("nginx")).status, 0);
  EXPECT_TRUE(webhook.Review(with(client_ca), PodReview("nginx")).allowed);
}

TEST_F(Serving, RequestUnderWayIsAnsweredAfterSigterm) {
  std::promise<void> asked;
  std::promise<void> go_on;
  std::shared_future<void> wait = go_on.get_future().share();
  fakes::FakeRegistry registry;
  registry.Override("/v2/app/manifests/1", [&asked, wait](const fakes::ReceivedRequest&) {
    asked.set_value();
    wait.wait();
    return fakes::Reply{.status = 404};
  });
  auto key = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  (void)folder_.Write("policies/images.yaml", KeyPolicy("**", key.Public()));
  Webhook webhook(WriteConfig(config_ + LoopbackRegistry(registry.host())));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  std::string readyz = webhook.Url("metrics", "/readyz");
  auto answer = std::async(std::launch::async,
                           [&] { return webhook.Review(api_server_, PodReview(registry.host() + "/app:1")); });
  asked.get_future().wait();
  webhook.program().Signal(SIGTERM);
  EXPECT_TRUE(fakes::Eventually([&] {
    auto ready = Client{}.Send("GET", readyz);
    return ready.ok() && ready->status == 503 && ready->body.find("\"draining\":true") != std::string::npos;
  }));
  EXPECT_TRUE(webhook.program().Running());
  go_on.set_value();
  Answer answered = answer.get();
  EXPECT_EQ(answered.status, 200) << answered.message;
  EXPECT_THAT(answered.message, HasSubstr("[image-not-found]"));
  EXPECT_EQ(webhook.program().Wait(), 0) << webhook.program().err();
  EXPECT_EQ(webhook.Review(api_server_, PodReview("nginx")).status, 0);
}

// failurePolicy Fail: a connection that is refused while requests still come is an object refused.
TEST_F(Serving, StillServesForAWhileAfterSigterm) {
  std::string config = config_;
  config.replace(config.find("shutdownDelay: 0s"), 17, "shutdownDelay: 5m");
  Webhook webhook(WriteConfig(config));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  webhook.program().Signal(SIGTERM);
  std::string readyz = webhook.Url("metrics", "/readyz");
  ASSERT_TRUE(fakes::Eventually([&] {
    auto ready = Client{}.Send("GET", readyz);
    return ready.ok() && ready->status == 503;
  }));
  EXPECT_TRUE(webhook.Review(api_server_, PodReview("nginx")).allowed) << "a new connection";
  EXPECT_THAT(webhook.program().err(), Not(HasSubstr("\"msg\":\"draining\"")));
  webhook.program().Signal(SIGTERM);  // no more patience
  EXPECT_EQ(webhook.program().Wait(), 0);
  EXPECT_THAT(webhook.program().err(), HasSubstr("\"msg\":\"stopped\""));
}

TEST_F(Serving, SaysThatAnybodyMayAsk) {
  Webhook open(WriteConfig(config_));
  ASSERT_TRUE(open.Serves()) << open.program().err();
  EXPECT_THAT(open.program().err(), HasSubstr("anybody who reaches it may ask"));
  (void)folder_.Write("clients.pem", ca_.pem());
  std::string config = config_;
  config.replace(config.find("tls.key\"}"), 9,
                 "tls.key\", clientCA: \"{folder}/clients.pem\", requireClientCertificate: true}");
  Webhook closed(WriteConfig(config));
  ASSERT_TRUE(closed.Serves()) << closed.program().err();
  EXPECT_THAT(closed.program().err(), Not(HasSubstr("anybody who reaches it may ask")));
}

// More connections to the metrics port than the program has descriptors: the admission port has its own share.
TEST_F(Serving, FloodOfTheMetricsPortLeavesAdmissionAlone) {
  Webhook webhook(WriteConfig(config_));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  rlimit few{.rlim_cur = 300, .rlim_max = 300};  // as a machine may have it
  ASSERT_EQ(prlimit(webhook.program().pid(), RLIMIT_NOFILE, &few, nullptr), 0);
  int port = webhook.Port("metrics");
  std::vector<TestClient> crowd;
  for (int i = 0; i < 400; ++i) crowd.emplace_back(port);
  for (TestClient& client : crowd) (void)client.Send("GET / HT");
  EXPECT_TRUE(webhook.Review(api_server_, PodReview("nginx")).allowed);
  auto open = std::filesystem::directory_iterator("/proc/" + std::to_string(webhook.program().pid()) + "/fd");
  EXPECT_LT(std::distance(begin(open), end(open)), 200);
}

// A registry that accepts connections and never says anything.
class SilentRegistry {
 public:
  SilentRegistry() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(socket_, 1024), 0);
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentRegistry() { close(socket_); }
  SilentRegistry(const SilentRegistry&) = delete;
  SilentRegistry& operator=(const SilentRegistry&) = delete;
  [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port_ = 0;
};

// One more than may be under way is told so at once, however many these are: it does not wait for a thread until it is
// too late.
TEST_F(Serving, RequestsBeyondMaxConcurrentAreAnsweredAtOnce) {
  constexpr int kConcurrent = 80;  // more than a listener has threads by default
  SilentRegistry registry;
  auto key = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  (void)folder_.Write("policies/images.yaml", KeyPolicy("**", key.Public()));
  std::string config = config_ + LoopbackRegistry(registry.host());
  config.replace(config.find("admission:\n"), 11, "admission:\n  maxConcurrent: " + std::to_string(kConcurrent) + "\n");
  Webhook webhook(WriteConfig(config));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  std::vector<std::future<Answer>> answers;
  for (int i = 0; i < kConcurrent + 10; ++i) {
    answers.push_back(std::async(std::launch::async, [&, i] {
      return webhook.Review(api_server_, PodReview(registry.host() + "/app" + std::to_string(i) + ":1"), "?timeout=8s");
    }));
  }
  int beyond = 0;
  for (auto& each : answers) {
    Answer answer = each.get();
    EXPECT_EQ(answer.status, 200) << answer.message;
    if (answer.message.find("[overloaded]") != std::string::npos) ++beyond;
  }
  EXPECT_GT(beyond, 0);
}

TEST_F(Serving, SignalsEndIt) {
  for (int signal : {SIGTERM, SIGINT}) {
    Webhook webhook(WriteConfig(config_));
    ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
    webhook.program().Signal(signal);
    EXPECT_EQ(webhook.program().Wait(), 0);
    EXPECT_THAT(webhook.program().err(), HasSubstr("\"msg\":\"stopped\""));
  }
}

TEST_F(Serving, NothingElseIsServed) {
  Webhook webhook(WriteConfig(config_));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  struct {
    std::string method;
    std::string listener;
    std::string path;
    int status;
  } const cases[] = {{"GET", "admission", "/validate", 405}, {"POST", "admission", "/mutate", 404},
                     {"GET", "admission", "/metrics", 404},  {"GET", "metrics", "/validate", 404},
                     {"POST", "metrics", "/readyz", 405},    {"POST", "admission", "/v1/enroll", 404}};
  for (const auto& c : cases) {
    auto response = api_server_.Send(c.method, webhook.Url(c.listener, c.path), c.method == "POST" ? "{}" : "");
    ASSERT_TRUE(response.ok()) << response.error().ToString();
    EXPECT_EQ(response->status, c.status) << c.method << " " << c.path;
  }
  EXPECT_EQ(webhook.Port("attestation"), 0);
}

}  // namespace
}  // namespace gatehouse::webhook
