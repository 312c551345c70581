// gatehouse-webhook and the registries of its configuration: mirrors, credential helpers.
#include <sys/stat.h>

#include "tests/fakes/push.h"
#include "tests/webhook/program/support.h"

namespace gatehouse::webhook {
namespace {

using testing::HasSubstr;

class Registries : public ProgramTest {
 protected:
  Registries() : key_(*crypto::PrivateKey::Generate(crypto::KeyType::kEcP256)) {
    Digest image = fakes::PushImage(mirror_, "hub/app", "signed", "one");
    fakes::PushSignatures(mirror_, "hub/app", image, {fakes::SignPayload(key_, image)});
    (void)folder_.Write("policies/images.yaml", KeyPolicy("images.invalid/app", key_.Public()));
  }
  // images.invalid is nowhere; its mirror is on loopback.
  std::string Mirrored(const std::string& more = "") const {
    return config_ + "registry:\n  hosts: [{host: images.invalid, mirrors: [\"" + mirror_.host() +
           "/hub\"]}]\n  insecure: [\"" + mirror_.host() + "\"]\n  localAddressExceptions: [\"" + mirror_.host() +
           "\"]\n" + more;
  }

  crypto::PrivateKey key_;
  fakes::FakeRegistry mirror_;
};

TEST_F(Registries, ImageIsVerifiedAtAMirror) {
  Webhook webhook(WriteConfig(Mirrored()));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  Answer answer = webhook.Review(api_server_, PodReview("images.invalid/app:signed"));
  EXPECT_TRUE(answer.allowed) << answer.message;
  EXPECT_GE(mirror_.CountOf("/v2/hub/app/manifests/signed"), 1U);
  Answer absent = webhook.Review(api_server_, PodReview("images.invalid/app:absent"));
  EXPECT_FALSE(absent.allowed);
  EXPECT_THAT(absent.message, HasSubstr("registry-unavailable")) << "a mirror does not know what there is not";
}

TEST_F(Registries, HelperIsRunWhereItIsListed) {
  mirror_.RequireToken("user", "s3cret");
  const std::string helper = folder_.Write("docker-credential-test",
                                           "#!/bin/sh\nread -r server\ntest \"$server\" = \"" + mirror_.host() +
                                               "\" || exit 1\necho '{\"Username\":\"user\",\"Secret\":\"s3cret\"}'\n");
  ASSERT_EQ(chmod(helper.c_str(), 0755), 0);
  (void)folder_.Write("registries.json", R"({"auths":{},"credHelpers":{")" + mirror_.host() + R"(":"test"}})");
  const std::string credentials = "  credentials: \"{folder}/registries.json\"\n";
  {
    Webhook webhook(WriteConfig(Mirrored(credentials)));
    ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
    EXPECT_FALSE(webhook.Review(api_server_, PodReview("images.invalid/app:signed")).allowed) << "it is not listed";
  }
  Webhook webhook(
      WriteConfig(Mirrored(credentials + "  credentialHelpers: [{name: test, path: \"" + helper + "\"}]\n")));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  Answer answer = webhook.Review(api_server_, PodReview("images.invalid/app:signed"));
  EXPECT_TRUE(answer.allowed) << answer.message;
  EXPECT_EQ(webhook.program().err().find("s3cret"), std::string::npos);
  EXPECT_EQ(webhook.program().out().find("s3cret"), std::string::npos);
}

}  // namespace
}  // namespace gatehouse::webhook
