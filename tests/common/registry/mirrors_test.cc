// Mirrors: asked first, trusted with nothing but the meaning of a tag.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "common/crypto/hash.h"
#include "tests/common/registry/client_fixture.h"
#include "tests/fakes/fake_clock.h"

namespace gatehouse::registry {
namespace {

const std::string kIndexType(image::kOciIndex);

class Mirrors : public RegistryClient {
 protected:
  Mirrors() {
    registry_.PutManifest("team/app", "v1", kManifestBytes, kType);
    Use({mirror_.host() + "/hub"});
  }
  ~Mirrors() override { Disconnect(); }
  void Use(const std::vector<std::string>& mirrors) {
    ClientOptions options{.insecure_hosts = {registry_.host(), mirror_.host()},
                          .mirrors = {{registry_.host(), mirrors}}};
    client_ = std::make_unique<Client>(*transport_, clock_, std::move(options));
  }
  const std::string kMirrored = "/v2/hub/team/app/manifests/";

  FakeRegistry mirror_;
};

TEST_F(Mirrors, HaveTheFirstWord) {
  const std::string other = R"({"schemaVersion":2,"of":"mirror"})";
  Digest digest = mirror_.PutManifest("hub/team/app", "v1", other, kType);
  auto content = ByTag();
  ASSERT_TRUE(content.ok()) << content.error().ToString();
  EXPECT_EQ((*content)->digest(), digest) << "as for a node's container runtime";
  EXPECT_TRUE(registry_.requests().empty());
}

TEST_F(Mirrors, WhatTheyDoNotHaveComesFromTheRegistry) {
  Digest blob = registry_.PutBlob("team/app", "payload");
  ASSERT_TRUE(ByTag().ok());
  EXPECT_EQ((*ByDigest())->bytes(), kManifestBytes);
  EXPECT_EQ((*client_->GetBlob(App(), blob, 100, {}, Soon()))->bytes(), "payload");
  EXPECT_EQ(mirror_.requests().size(), 3U);
  EXPECT_EQ(registry_.requests().size(), 3U);
  EXPECT_EQ(mirror_.requests()[0].target, kMirrored + "v1");
}

TEST_F(Mirrors, AnswersOfTheirsThatAreNoneArePassedOver) {
  mirror_.PutManifest("hub/team/app", "v1", kManifestBytes, kType);
  for (int status : {400, 401, 403, 404, 429, 500, 204}) {
    mirror_.FailWith(status, 1000);
    Use({mirror_.host() + "/hub"});  // forgets which mirror was silent
    auto content = ByTag();
    ASSERT_TRUE(content.ok()) << status << ": " << content.error().ToString();
    EXPECT_TRUE(content->has_value()) << status;
  }
  EXPECT_EQ(registry_.CountOf(kByTag), 7U);
}

TEST_F(Mirrors, Adversarial_R2_WrongBytesFromAMirrorAreNotTaken) {
  mirror_.PutManifest("hub/team/app", "v1", kManifestBytes, kType);
  mirror_.ReplaceContent(digest_, "other");
  auto content = ByDigest();
  ASSERT_TRUE(content.ok()) << content.error().ToString();
  EXPECT_EQ((*content)->bytes(), kManifestBytes);
  EXPECT_EQ(mirror_.requests().size(), 1U);
}

TEST_F(Mirrors, TheRegistrysRefusalCounts) {
  registry_.FailWith(503, 1000);
  ExpectError(ByTag(), Reason::kRegistryUnavailable, "a mirror's 'not found' is not the registry's");
  registry_.FailWith(403, 1000);
  ExpectError(ByDigest(), Reason::kRegistryDenied);
}

// Counts what is sent to one host.
class Counting final : public net::HttpTransport {
 public:
  Counting(net::HttpTransport& transport, std::string host) : transport_(transport), host_(std::move(host)) {}
  Result<net::HttpResponse> Send(const net::HttpRequest& request, const Deadline& deadline) override {
    sent_ += request.url.Authority() == host_ ? 1U : 0U;
    return transport_.Send(request, deadline);
  }
  [[nodiscard]] std::size_t sent() const { return sent_; }

 private:
  net::HttpTransport& transport_;
  std::string host_;
  std::size_t sent_ = 0;
};

TEST_F(Mirrors, OneThatIsGoneIsLeftAloneForAWhile) {
  fakes::FakeClock clock;
  const std::string gone = "127.0.0.1:" + std::to_string(fakes::UnusedPort());
  Counting counting(*transport_, gone);
  Client client(counting, clock,
                ClientOptions{.insecure_hosts = {registry_.host(), gone}, .mirrors = {{registry_.host(), {gone}}}});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(client.GetManifestByTag(App(), "v1", {}, Soon()).ok());
  EXPECT_EQ(counting.sent(), 1U);
  clock.Advance(std::chrono::seconds(16));
  ASSERT_TRUE(client.GetManifestByTag(App(), "v1", {}, Soon()).ok());
  EXPECT_EQ(counting.sent(), 2U) << "and asked again then";
}

// A cluster without a way out: what the mirror has is enough, what it does not have is not waited for again and again.
TEST_F(Mirrors, RegistryThatIsGoneIsLeftAloneForAWhile) {
  fakes::FakeClock clock;
  mirror_.PutManifest("team/app", "v1", kManifestBytes, kType);
  const std::string gone = "127.0.0.1:" + std::to_string(fakes::UnusedPort());
  Counting counting(*transport_, gone);
  Client client(counting, clock,
                ClientOptions{.insecure_hosts = {mirror_.host(), gone}, .mirrors = {{gone, {mirror_.host()}}}});
  auto app = image::Reference::Parse(gone + "/team/app").value();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(client.GetManifestByTag(app, "v1", {}, Soon()).ok());
    ExpectError(client.GetManifestByTag(app, "v2", {}, Soon()), Reason::kRegistryUnavailable);
  }
  EXPECT_EQ(counting.sent(), 1U);
  clock.Advance(std::chrono::seconds(16));
  ExpectError(client.GetManifestByTag(app, "v2", {}, Soon()), Reason::kRegistryUnavailable);
  EXPECT_EQ(counting.sent(), 2U);
}

TEST_F(Mirrors, WithoutMirrorsARegistryIsAlwaysAsked) {
  fakes::FakeClock clock;
  const std::string gone = "127.0.0.1:" + std::to_string(fakes::UnusedPort());
  Counting counting(*transport_, gone);
  Client client(counting, clock, ClientOptions{.insecure_hosts = {gone}});
  auto app = image::Reference::Parse(gone + "/team/app").value();
  for (int i = 0; i < 2; ++i) ExpectError(client.GetManifestByTag(app, "v1", {}, Soon()), Reason::kRegistryUnavailable);
  EXPECT_EQ(counting.sent(), 2U);
}

TEST_F(Mirrors, OneThatHangsGetsItsShareOfTheTime) {
  mirror_.Delay(Duration(90));
  auto content = client_->GetManifestByTag(App(), "v1", {}, Soon(Duration(100)));
  ASSERT_TRUE(content.ok()) << content.error().ToString();
  EXPECT_TRUE(content->has_value());
}

TEST_F(Mirrors, Adversarial_R4_CredentialsAreTheMirrorsOwn) {
  mirror_.PutManifest("hub/team/app", "v1", kManifestBytes, kType);
  mirror_.RequireBasic("user", "s3cret");
  ASSERT_TRUE(ByTag(For(registry_.host())).ok());
  for (const auto& request : mirror_.requests()) EXPECT_EQ(request.Header("Authorization"), "");
  EXPECT_EQ(registry_.CountOf(kByTag), 1U);
  ASSERT_TRUE(ByTag(For(mirror_.host())).ok());
  EXPECT_EQ(mirror_.requests().back().Header("Authorization"), Basic());
  EXPECT_EQ(registry_.CountOf(kByTag), 1U);
  for (const auto& request : registry_.requests()) EXPECT_EQ(request.Header("Authorization"), "");
}

// What a mirror gives for a secret is not for whoever asks at the same time without it, though the registry itself asks
// neither for one.
TEST_F(Mirrors, Adversarial_A16_ContentOfAMirrorIsForThoseWithItsSecret) {
  Digest of_mirror = mirror_.PutBlob("hub/team/app", "private");
  mirror_.RequireBasic("user", "s3cret");
  registry_.FailWith(403, 1000);
  mirror_.Delay(Duration(80));
  const Credentials secret = For(mirror_.host());
  EXPECT_NE(client_->IdentityOf(App(), secret), client_->IdentityOf(App(), {}));
  EXPECT_EQ(client_->IdentityOf(App(), secret), client_->IdentityOf(App(), For(mirror_.host())));
  auto member = std::async(std::launch::async, [&] { return client_->GetBlob(App(), of_mirror, 100, secret, Soon()); });
  for (int i = 0; i < 100 && mirror_.requests().empty(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ExpectError(client_->GetBlob(App(), of_mirror, 100, {}, Soon()), Reason::kRegistryDenied);
  auto content = member.get();
  ASSERT_TRUE(content.ok()) << content.error().ToString();
  EXPECT_EQ((*content)->bytes(), "private");
}

// Where a registry sends to may be another registry, which is then not the one that cannot be reached.
TEST_F(Mirrors, ARegistryThatRedirectsSaysNothingOfAnother) {
  fakes::FakeClock clock;
  FakeRegistry hostile;
  const std::string gone = "127.0.0.1:" + std::to_string(fakes::UnusedPort());
  Counting counting(*transport_, gone);
  hostile.Override("/v2/a/b/manifests/v1",
                   Reply{.status = 307, .headers = {{"Location", "http://" + gone + "/nowhere"}}});
  Client client(
      counting, clock,
      ClientOptions{.insecure_hosts = {mirror_.host(), hostile.host(), gone}, .mirrors = {{gone, {mirror_.host()}}}});
  auto theirs = image::Reference::Parse(hostile.host() + "/a/b").value();
  ExpectError(client.GetManifestByTag(theirs, "v1", {}, Soon()), Reason::kRegistryUnavailable);
  EXPECT_EQ(counting.sent(), 1U);
  auto app = image::Reference::Parse(gone + "/team/app").value();
  ExpectError(client.GetManifestByTag(app, "v1", {}, Soon()), Reason::kRegistryUnavailable);
  EXPECT_EQ(counting.sent(), 2U) << "it is asked all the same";
}

TEST_F(Mirrors, ReferrersAreTheirsIfTheyListAny) {
  const std::string api = "/referrers/" + digest_.text();
  const std::string of_registry = crypto::Sha256Digest(AsBytes("registry")).text();
  const std::string of_mirror = crypto::Sha256Digest(AsBytes("mirror")).text();
  auto page = [](const std::string& digest) {
    return Reply{.body = R"({"schemaVersion":2,"manifests":[{"mediaType":")" + kType + R"(","size":1,"digest":")" +
                         digest + "\"}]}",
                 .content_type = kIndexType};
  };
  registry_.Override("/v2/team/app" + api, page(of_registry));
  auto list = client_->Referrers(App(), digest_, {}, {}, Soon());
  ASSERT_TRUE(list.ok()) << list.error().ToString();
  ASSERT_EQ(list->referrers.size(), 1U) << "a mirror without the API, and without the tag, has none";
  EXPECT_EQ(list->referrers[0].digest.text(), of_registry);
  mirror_.Override("/v2/hub/team/app" + api, page(of_mirror));
  mirror_.Override("/v2/hub/team/app/manifests/sha256-" + std::string(digest_.hex()), page(of_mirror));
  list = client_->Referrers(App(), digest_, {}, {}, Soon());
  ASSERT_TRUE(list.ok()) << list.error().ToString();
  ASSERT_EQ(list->referrers.size(), 1U);
  EXPECT_EQ(list->referrers[0].digest.text(), of_mirror);
  registry_.Override("/v2/team/app" + api, Reply{.status = 500});
  mirror_.Override("/v2/hub/team/app/manifests/sha256-" + std::string(digest_.hex()), Reply{.status = 404});
  list = client_->Referrers(App(), digest_, {}, {}, Soon());
  ASSERT_FALSE(list.ok()) << "a mirror that has none does not answer for the registry";
  EXPECT_EQ(list.error().reason, Reason::kRegistryUnavailable);
}

TEST_F(Mirrors, NamesThatAMirrorCannotHave) {
  Use({mirror_.host() + "/" + std::string(250, 'x')});
  auto content = ByTag();
  ASSERT_TRUE(content.ok()) << content.error().ToString();
  EXPECT_TRUE(content->has_value());
  EXPECT_TRUE(mirror_.requests().empty());
}

}  // namespace
}  // namespace gatehouse::registry
