#include "common/registry/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::registry {
namespace {

using testing::HasSubstr;

std::string Auth(const std::string& user_and_password) {
  return EncodeBase64(AsBytes(user_and_password));
}

std::string Config(const std::vector<std::pair<std::string, std::string>>& users_by_host) {
  std::string entries;
  for (const auto& [host, user] : users_by_host) {
    entries += (entries.empty() ? "\"" : ",\"") + host + R"(":{"auth":")" + Auth(user + ":pw") + "\"}";
  }
  return "{\"auths\":{" + entries + "}}";
}

image::Reference Image(const std::string& text) {
  return image::Reference::Parse(text).value();
}

std::string UserFor(const Credentials& credentials, const std::string& image) {
  auto found = credentials.Find(Image(image));
  return found.has_value() ? found->username : "";
}

struct Match {
  const char* key;
  const char* image;
  bool matches;
};

class CredentialMatching : public testing::TestWithParam<Match> {};

TEST_P(CredentialMatching, FollowsTheKubelet) {
  auto credentials = Credentials::FromDockerConfig(Config({{GetParam().key, "user"}}), "secret");
  ASSERT_TRUE(credentials.ok()) << credentials.error().ToString();
  EXPECT_EQ(credentials->Find(Image(GetParam().image)).has_value(), GetParam().matches)
      << GetParam().key << " " << GetParam().image;
}

INSTANTIATE_TEST_SUITE_P(
    Table, CredentialMatching,
    testing::Values(
        Match{"quay.io", "quay.io/team/app", true}, Match{"quay.io", "quay.io.evil/team/app", false},
        Match{"quay.io", "evil/quay.io/app", false}, Match{"quay.io", "sub.quay.io/app", false},
        Match{"quay.io", "quay.io:443/app", false}, Match{"QUAY.io", "quay.io/app", true},
        Match{"https://quay.io", "quay.io/app", true}, Match{"http://quay.io/", "quay.io/app", true},
        Match{"https://quay.io/v2/", "quay.io/app", true}, Match{"https://quay.io/v1", "quay.io/app", true},
        Match{"quay.io/v2/team", "quay.io/team/app", true}, Match{"quay.io/v2x", "quay.io/app", false},
        Match{"host:5000", "host:5000/app", true}, Match{"host:5000", "host:5001/app", false},
        Match{"host:5000", "host/app:x", false}, Match{"[::1]:5000", "[::1]:5000/app", true},
        Match{"quay.io/team", "quay.io/team/app", true}, Match{"quay.io/team", "quay.io/team", true},
        Match{"quay.io/team/", "quay.io/team/app", true}, Match{"quay.io/team", "quay.io/teamwork/app", false},
        Match{"quay.io/team", "quay.io/other/team", false}, Match{"quay.io/team/app", "quay.io/team/app:tag", true},
        Match{"quay.io/team/app", "quay.io/team/app2", false},
        // Docker Hub has many names
        Match{"https://index.docker.io/v1/", "nginx", true}, Match{"index.docker.io", "team/app", true},
        Match{"docker.io", "docker.io/library/nginx", true},
        Match{"https://index.docker.io/v1/", "quay.io/nginx", false}, Match{"docker.io/team", "team/app", true},
        Match{"docker.io/team", "nginx", false}, Match{"registry-1.docker.io", "nginx", false},
        // globs in the host, label by label
        Match{"*.dkr.ecr.us-east-1.amazonaws.com", "1.dkr.ecr.us-east-1.amazonaws.com/app", true},
        Match{"*.dkr.ecr.*.amazonaws.com", "1.dkr.ecr.eu-west-1.amazonaws.com/app", true},
        Match{"*.io", "quay.io/app", true}, Match{"*.io", "a.quay.io/app", false},
        Match{"*.io", "evil.com/app.io", false}, Match{"*", "quay.io/app", false}, Match{"*", "localhost/app", true},
        Match{"q?ay.io", "quay.io/app", true}, Match{"q?ay.io", "qay.io/app", false},
        Match{"q*y.io", "quay.io/app", true}, Match{"*.*", "quay.io/app", true},
        Match{"*.io:5000", "quay.io:5000/app", true}, Match{"*.io", "quay.io:5000/app", false},
        Match{"*a*b*.io", "xaxbx.io/app", true}, Match{"*a*b*.io", "xbxax.io/app", false}));

TEST(Credentials, TheLongestEntryWins) {
  auto credentials = Credentials::FromDockerConfig(Config({{"*.example.com", "glob"},
                                                           {"quay.io", "host"},
                                                           {"reg.example.com", "exact"},
                                                           {"quay.io/team", "team"},
                                                           {"quay.io/team/app", "app"},
                                                           {"quay.io/te", "no component"}}),
                                                   "secret")
                         .value();
  EXPECT_EQ(UserFor(credentials, "quay.io/other/x"), "host");
  EXPECT_EQ(UserFor(credentials, "quay.io/team/x"), "team");
  EXPECT_EQ(UserFor(credentials, "quay.io/team/app"), "app");
  EXPECT_EQ(UserFor(credentials, "quay.io/team/app/sub"), "app");
  EXPECT_EQ(UserFor(credentials, "reg.example.com/x"), "exact");
  EXPECT_EQ(UserFor(credentials, "other.example.com/x"), "glob");
  EXPECT_EQ(UserFor(credentials, "elsewhere.test/x"), "");
}

TEST(Credentials, WithKeepsTheFirstOfEquals) {
  auto first = Credentials::FromDockerConfig(Config({{"quay.io", "first"}}), "a").value();
  auto second = Credentials::FromDockerConfig(Config({{"quay.io", "second"}, {"quay.io/team", "longer"}}), "b").value();
  EXPECT_EQ(UserFor(first.With(second), "quay.io/x"), "first");
  EXPECT_EQ(UserFor(first.With(second), "quay.io/team/x"), "longer");
  EXPECT_EQ(UserFor(second.With(first), "quay.io/x"), "second");
}

TEST(Credentials, EveryFormOfAnEntry) {
  const std::string json = R"({"auths":{
    "a.test":{"auth":")" + Auth("user:pa:ss") +
                           R"("},
    "b.test":{"username":"user","password":"pa:ss","email":"x@y"},
    "c.test":{"username":"user","password":"pa:ss","auth":")" +
                           Auth("user:pa:ss") + R"("},
    "d.test":{"auth":"dTpwdw"},
    "e.test":{}},
    "credsStore":"desktop","HttpHeaders":{"User-Agent":"x"}})";
  auto credentials = Credentials::FromDockerConfig(json, "secret");
  ASSERT_TRUE(credentials.ok()) << credentials.error().ToString();
  for (const char* host : {"a.test/x", "b.test/x", "c.test/x"}) {
    auto found = credentials->Find(Image(host));
    ASSERT_TRUE(found.has_value()) << host;
    EXPECT_EQ(found->username, "user");
    EXPECT_EQ(found->password, "pa:ss");
  }
  EXPECT_EQ(credentials->Find(Image("d.test/x"))->password, "pw") << "without padding, as the kubelet accepts it";
  EXPECT_FALSE(credentials->Find(Image("e.test/x")).has_value()) << "kept by a helper";
}

TEST(Credentials, DefectsAreNamedWithoutTheSecret) {
  const std::string secret = "s3cret";
  struct Defect {
    const char* what;
    std::string json;
  };
  auto entry = [](const std::string& text) { return R"({"auths":{"a.test":)" + text + "}}"; };
  for (const Defect& defect :
       {Defect{"no JSON", "auths: s3cret"},
        Defect{"no auths", "{}"},
        Defect{"auths as list", R"({"auths":[]})"},
        Defect{"entry as text", entry(R"("s3cret")")},
        Defect{"bad base64", entry(R"({"auth":"s3cret!!"})")},
        Defect{"no colon", entry("{\"auth\":\"" + Auth("s3cret") + "\"}")},
        Defect{"no user", entry("{\"auth\":\"" + Auth(":s3cret") + "\"}")},
        Defect{"no password", entry("{\"auth\":\"" + Auth("s3cret:") + "\"}")},
        Defect{"line break", entry("{\"auth\":\"" + Auth("u:s3cret\r\nEvil: x") + "\"}")},
        Defect{"NUL", entry(R"({"username":"u","password":"s3cret\u0000"})")},
        Defect{"colon in the user", entry(R"({"username":"u:x","password":"s3cret"})")},
        Defect{"user alone", entry(R"({"username":"s3cret"})")},
        Defect{"password alone", entry(R"({"password":"s3cret"})")},
        Defect{"two truths",
               entry("{\"username\":\"u\",\"password\":\"s3cret\",\"auth\":\"" + Auth("u:other-s3cret") + "\"}")},
        Defect{"number", entry(R"({"username":"u","password":5})")},
        Defect{"identity token", entry(R"({"identitytoken":"s3cret"})")},
        Defect{"registry token", entry(R"({"auth":"dTpwdw==","registrytoken":"s3cret"})")},
        Defect{"duplicate host", R"({"auths":{"a":{"auth":"dTpwdw=="},"a":{"auth":"dTpwdw=="}}})"},
        Defect{"empty host", R"({"auths":{"":{"auth":"dTpwdw=="}}})"},
        Defect{"userinfo in host", R"({"auths":{"https://u@a.test":{"auth":"dTpwdw=="}}})"},
        Defect{"space in host", R"({"auths":{"a test":{"auth":"dTpwdw=="}}})"},
        Defect{"query", R"({"auths":{"a.test/x?y":{"auth":"dTpwdw=="}}})"},
        Defect{"huge", std::string(limits::kDockerConfigBytes + 1, ' ')}}) {
    auto credentials = Credentials::FromDockerConfig(defect.json, "ns/pull-secret");
    ASSERT_FALSE(credentials.ok()) << defect.what;
    EXPECT_EQ(credentials.error().reason, Reason::kConfigInvalid) << defect.what;
    EXPECT_THAT(credentials.error().ToString(), HasSubstr("ns/pull-secret")) << defect.what;
    EXPECT_EQ(credentials.error().ToString().find(secret), std::string::npos) << credentials.error().ToString();
    EXPECT_EQ(credentials.error().ToString().find(Auth(secret)), std::string::npos);
  }
}

TEST(Credentials, TruncatedAtEveryByte) {
  const std::string whole = Config({{"a.test", "user"}});
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_EQ(Credentials::FromDockerConfig(whole.substr(0, i), "s").error().reason, Reason::kConfigInvalid) << i;
  }
}

TEST(Credentials, IdentityIsOfWhatWouldBePresented) {
  auto one =
      Credentials::FromDockerConfig(Config({{"a.test", "user"}, {"b.test", "user"}, {"c.test", "other"}}), "s").value();
  EXPECT_EQ(Credentials().IdentityFor(Image("a.test/x")), "anonymous");
  EXPECT_EQ(one.IdentityFor(Image("d.test/x")), "anonymous");
  EXPECT_EQ(one.IdentityFor(Image("a.test/x")), one.IdentityFor(Image("b.test/y"))) << "the same secret";
  EXPECT_NE(one.IdentityFor(Image("a.test/x")), one.IdentityFor(Image("c.test/x")));
  EXPECT_EQ(one.IdentityFor(Image("a.test/x")).find("user"), std::string::npos);
  auto moved = Credentials::FromDockerConfig(R"({"auths":{"a.test":{"username":"us","password":"erpw"},
                                                          "b.test":{"username":"use","password":"rpw"}}})",
                                             "s")
                   .value();
  EXPECT_NE(moved.IdentityFor(Image("a.test/x")), moved.IdentityFor(Image("b.test/x")))
      << "where user and password meet";
}

}  // namespace
}  // namespace gatehouse::registry
