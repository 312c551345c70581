#include "common/kube/connection.h"

#include <gmock/gmock.h>

#include "common/base/encoding.h"
#include "tests/common/kube/kube_files.h"
#include "tests/fakes/fake_clock.h"

namespace gatehouse::kube {
namespace {

using fakes::HttpServer;
using fakes::ReceivedRequest;
using fakes::Reply;
using testing::HasSubstr;
using testing::Not;

constexpr Duration kPlenty{5000};

// An API server that shows in its answer which token came.
class ConnectionTest : public KubeFiles {
 protected:
  static Reply Answer(const ReceivedRequest& request) {
    std::string token = request.Header("Authorization");
    if (token == "Bearer refused") return Reply{.status = 401, .body = "{}"};
    return Reply{.body = R"({"saw":")" + token + R"("})", .content_type = "application/json"};
  }
  std::string Port() const { return std::to_string(server_.port()); }
  // What the server saw of a request by `source`, or the error.
  std::string Saw(const ConnectionSource& source) {
    Api api(source, clock_, {});
    auto got = api.Get("/api/v1/nodes", Deadline(clock_, kPlenty));
    return got.ok() ? std::string(TextAt(got->root(), {"saw"})) : got.error().ToString();
  }
  InClusterOptions Pod() const {
    return {.host = "127.0.0.1", .port = Port(), .token_file = Path("token"), .ca_file = Path("ca.crt")};
  }
  // A kubeconfig with one cluster, user and context, whose bodies are `cluster` and `user` (YAML flow members).
  std::string Config(const std::string& user, const std::string& cluster = "") const {
    return "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {cluster: k, user: u}\n"
           "clusters:\n- name: k\n  cluster: {server: \"https://127.0.0.1:" +
           Port() + "\", certificate-authority: ca.crt" + (cluster.empty() ? "" : ", " + cluster) +
           "}\nusers:\n- name: u\n  user: {" + user + "}\n";
  }
  Result<KubeConfig> Load(const std::string& text) {
    return FromKubeConfig({.files = {Write("config", text)}, .environment = environment_}, clock_);
  }
  std::string SawBy(const std::string& text) {
    auto config = Load(text);
    return config.ok() ? Saw(config->connections) : config.error().ToString();
  }
  std::string ErrorOf(const std::string& text) {
    auto config = Load(text);
    return config.ok() ? "accepted" : config.error().ToString();
  }
  void SetUp() override { Write("ca.crt", root_.pem()); }

  fakes::TestCa root_ = fakes::RootOfToday();
  HttpServer server_{Answer, fakes::IssueServerTls(root_, "IP:127.0.0.1")};
  SystemClock clock_;
  std::map<std::string, std::string> environment_ = {{"PATH", "/usr/bin:/bin"}};
};

using InClusterTest = ConnectionTest;

TEST_F(InClusterTest, TokenIsReadForEachRequest) {
  Write("token", "first\n");
  auto source = InCluster(Pod());
  ASSERT_TRUE(source.ok()) << source.error().ToString();
  EXPECT_EQ(Saw(*source), "Bearer first");
  Write("token", "second");
  EXPECT_EQ(Saw(*source), "Bearer second");
}

TEST_F(InClusterTest, CaIsReadAgainWhenItChanges) {
  Write("token", "t");
  fakes::TestCa other = fakes::RootOfToday("other");
  Write("ca.crt", other.pem());
  auto source = InCluster(Pod()).value();
  EXPECT_THAT(Saw(source), HasSubstr("kube-unavailable"));
  Write("ca.crt", root_.pem());
  EXPECT_EQ(Saw(source), "Bearer t");
  for (const char* broken : {"", "half of a certif"}) {
    Write("ca.crt", broken);
    EXPECT_EQ(Saw(source), "Bearer t") << "what was good goes on";
  }
  std::filesystem::remove(Path("ca.crt"));
  EXPECT_EQ(Saw(source), "Bearer t");
  Write("ca.crt", other.pem());
  EXPECT_THAT(Saw(source), HasSubstr("kube-unavailable"));
}

TEST_F(InClusterTest, ConnectionsAreKeptWhileTheCaIsTheSame) {
  Write("token", "t");
  auto source = InCluster(Pod()).value();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Saw(source), "Bearer t");
  for (const ReceivedRequest& request : server_.requests()) {
    EXPECT_EQ(request.connection, server_.requests()[0].connection);
  }
}

TEST_F(InClusterTest, WhatIsMissingIsSaidAtTheStart) {
  Write("token", "t");
  InClusterOptions no_host = Pod();
  no_host.host.clear();
  EXPECT_EQ(InCluster(no_host).error().reason, Reason::kConfigInvalid);
  InClusterOptions bad_port = Pod();
  bad_port.port = "https";
  EXPECT_EQ(InCluster(bad_port).error().reason, Reason::kConfigInvalid);
  InClusterOptions no_token = Pod();
  no_token.token_file = Path("none");
  EXPECT_EQ(InCluster(no_token).error().reason, Reason::kFileUnreadable);
  InClusterOptions no_ca = Pod();
  no_ca.ca_file = Path("none");
  EXPECT_EQ(InCluster(no_ca).error().reason, Reason::kFileUnreadable);
  Write("ca.crt", "garbage");
  EXPECT_EQ(InCluster(Pod()).error().reason, Reason::kCertificateMalformed);
  Write("ca.crt", "");
  EXPECT_EQ(InCluster(Pod()).error().reason, Reason::kCertificateMalformed) << "never the roots of the system";
}

TEST_F(InClusterTest, TokenThatIsNoneIsAnOutageWithoutItsText) {
  Write("token", "t");
  auto source = InCluster(Pod()).value();
  for (const char* token : {"", "\n", "s3cret two", "s3cret\r\nX: y", "s3cret\x01"}) {
    Write("token", token);
    std::string saw = Saw(source);
    EXPECT_THAT(saw, HasSubstr("kube-unavailable")) << token;
    EXPECT_THAT(saw, Not(HasSubstr("s3cret")));
  }
}

TEST_F(InClusterTest, Ipv6IsWrittenInBrackets) {
  Write("token", "t");
  InClusterOptions options = Pod();
  options.host = "fd00::1";
  EXPECT_EQ(InCluster(options).value()().value().server.ToString(), "https://[fd00::1]:" + Port() + "/");
}

using KubeConfigTest = ConnectionTest;

TEST_F(KubeConfigTest, Token) {
  EXPECT_EQ(SawBy(Config("token: abc")), "Bearer abc");
  Write("sub/token", "from file\n");
  EXPECT_THAT(SawBy(Config("tokenFile: sub/token")), HasSubstr("the token holds what no token holds"));
  Write("sub/token", "from-file\n");
  EXPECT_EQ(SawBy(Config("tokenFile: sub/token")), "Bearer from-file");
  EXPECT_EQ(SawBy(Config("token: abc, tokenFile: sub/token")), "Bearer from-file") << "as kubectl has it";
  EXPECT_EQ(SawBy(Config("token: \"\", tokenFile: null")), "") << "anonymous";
}

TEST_F(KubeConfigTest, CaAsData) {
  std::string data = EncodeBase64(AsBytes(root_.pem()));
  std::string text = Config("token: abc", "certificate-authority-data: " + data);
  std::filesystem::remove(Path("ca.crt"));
  EXPECT_EQ(SawBy(text), "Bearer abc") << "the data win over the file";
}

TEST_F(KubeConfigTest, ClientCertificate) {
  auto tls = fakes::IssueServerTls(root_, "IP:127.0.0.1");
  tls.client_ca_pem = root_.pem();
  HttpServer strict(Answer, tls);
  auto client = fakes::IssueServerTls(root_, "DNS:client");
  Write("client.crt", client.chain_pem);
  Write("client.key", client.key_pem);
  std::string server = "\"https://127.0.0.1:" + std::to_string(strict.port()) + "\"";
  auto to_strict = [&](std::string text) {
    std::string mine = "\"https://127.0.0.1:" + Port() + "\"";
    return text.replace(text.find(mine), mine.size(), server);
  };
  EXPECT_EQ(SawBy(to_strict(Config("client-certificate: client.crt, client-key: client.key"))), "");
  EXPECT_EQ(SawBy(to_strict(Config("client-certificate-data: " + EncodeBase64(AsBytes(client.chain_pem)) +
                                   ", client-key-data: " + EncodeBase64(AsBytes(client.key_pem))))),
            "");
  EXPECT_THAT(SawBy(to_strict(Config("token: abc"))), HasSubstr("kube-unavailable"));
}

TEST_F(KubeConfigTest, ClientCertificateThatIsReplaced) {
  auto tls = fakes::IssueServerTls(root_, "IP:127.0.0.1");
  tls.client_ca_pem = root_.pem();
  HttpServer strict(Answer, tls);
  fakes::TestCa other = fakes::RootOfToday("other");
  auto wrong = fakes::IssueServerTls(other, "DNS:client");
  Write("client.crt", wrong.chain_pem);
  Write("client.key", wrong.key_pem);
  std::string text = Config("client-certificate: client.crt, client-key: client.key");
  text.replace(text.find(Port()), Port().size(), std::to_string(strict.port()));
  auto source = Load(text).value().connections;
  EXPECT_THAT(Saw(source), HasSubstr("kube-unavailable"));
  auto right = fakes::IssueServerTls(root_, "DNS:client");
  Write("client.crt", right.chain_pem);
  EXPECT_THAT(Saw(source), HasSubstr("kube-unavailable")) << "certificate and key of two: the old pair is in use";
  Write("client.key", right.key_pem);
  EXPECT_EQ(Saw(source), "");
}

TEST_F(KubeConfigTest, ContextsAndNamespaces) {
  Write("config", Config("token: abc") + "- name: v\n  user: {token: other}\n");
  std::string text = Config("token: abc");
  text.insert(text.find("clusters:"), "- name: d\n  context: {cluster: k, user: v, namespace: ns, extensions: []}\n");
  text += "- name: v\n  user: {token: other}\n";
  Write("config", text);
  auto first = FromKubeConfig({.files = {Path("config")}}, clock_).value();
  EXPECT_EQ(first.namespace_name, "default");
  EXPECT_EQ(first.context, "c");
  EXPECT_EQ(Saw(first.connections), "Bearer abc");
  auto second = FromKubeConfig({.files = {Path("config")}, .context = "d"}, clock_).value();
  EXPECT_EQ(second.namespace_name, "ns");
  EXPECT_EQ(second.context, "d");
  EXPECT_EQ(Saw(second.connections), "Bearer other");
  auto none = FromKubeConfig({.files = {Path("config")}, .context = "x"}, clock_);
  EXPECT_EQ(none.error().reason, Reason::kConfigInvalid);
  EXPECT_THAT(none.error().detail, HasSubstr("there are: c, d"));
}

TEST_F(KubeConfigTest, FilesAreMergedFirstOneWins) {
  Write("a/config",
        "contexts:\n- name: c\n  context: {cluster: k, user: u}\nusers:\n- name: u\n  user: {tokenFile: t}\n");
  Write("a/t", "token-of-a");
  std::string second = Config("token: token-of-b");
  Write("b/config", second);
  Write("b/ca.crt", root_.pem());
  KubeConfigOptions options{.files = {Path("missing"), Path("a/config"), "", Path("b/config")}};
  auto merged = FromKubeConfig(options, clock_);
  ASSERT_TRUE(merged.ok()) << merged.error().ToString();
  EXPECT_EQ(Saw(merged->connections), "Bearer token-of-a") << "its path is relative to a, the CA's to b";
  EXPECT_EQ(FromKubeConfig({.files = {Path("missing")}}, clock_).error().reason, Reason::kFileUnreadable);
  EXPECT_EQ(FromKubeConfig({.files = {}}, clock_).error().reason, Reason::kFileUnreadable);
}

TEST_F(KubeConfigTest, AsRealProgramsWriteThem) {
  std::string data = EncodeBase64(AsBytes(root_.pem()));
  EXPECT_EQ(SawBy("apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: " + data +
                  "\n    extensions:\n    - extension:\n        last-update: Sat, 21 Nov 2026\n        provider: "
                  "minikube.sigs.k8s.io\n      name: cluster_info\n    server: https://127.0.0.1:" +
                  Port() +
                  "\n  name: kind-kind\ncontexts:\n- context:\n    cluster: kind-kind\n    user: kind-kind\n  name: "
                  "kind-kind\ncurrent-context: kind-kind\nkind: Config\npreferences: {}\nusers:\n- name: kind-kind\n"
                  "  user:\n    token: abc\n"),
            "Bearer abc");
  EXPECT_EQ(
      SawBy(
          R"({"kind":"Config","apiVersion":"v1","current-context":"c","clusters":[{"name":"k","cluster":{"server":"https://127.0.0.1:)" +
          Port() + R"(","certificate-authority-data":")" + data +
          R"("}}],"contexts":[{"name":"c","context":{"cluster":"k","user":"u"}}],"users":[{"name":"u","user":{"token":"abc"}}]})"),
      "Bearer abc");
}

struct Refused {
  const char* what;
  const char* user;
  const char* cluster;
  const char* says;
};

class KubeConfigRefuses : public KubeConfigTest, public testing::WithParamInterface<Refused> {};

TEST_P(KubeConfigRefuses, WithAReason) {
  std::string error = ErrorOf(Config(GetParam().user, GetParam().cluster));
  EXPECT_THAT(error, HasSubstr(GetParam().says));
  EXPECT_THAT(error, HasSubstr("config-invalid"));
  EXPECT_THAT(error, HasSubstr("config:")) << "the line";
  EXPECT_THAT(error, Not(HasSubstr("s3cret")));
}

INSTANTIATE_TEST_SUITE_P(
    Table, KubeConfigRefuses,
    testing::Values(
        Refused{"skip_tls_verify", "token: s3cret", "insecure-skip-tls-verify: true", "set certificate-authority-data"},
        Refused{"username", "username: s3cret, password: s3cret", "", "take no passwords"},
        Refused{"password_alone", "password: s3cret", "", "take no passwords"},
        Refused{"auth_provider", "auth-provider: {name: gcp}", "", "use an exec plugin"},
        Refused{"impersonation", "token: s3cret, as: admin", "", "impersonation"},
        Refused{"impersonated_groups", "token: s3cret, as-groups: [\"system:masters\"]", "", "impersonation"},
        Refused{"certificate_without_key", "client-certificate: ca.crt", "", "together or not at all"},
        Refused{"key_without_certificate", "client-key: ca.crt", "", "together or not at all"},
        Refused{"unknown_member_of_user", "tokn: s3cret", "", "'tokn' is not known here"},
        Refused{"unknown_member_of_cluster", "token: s3cret", "insecure-skip-tls-verfy: true", "is not known here"},
        Refused{"token_is_a_number", "token: 12345", "", "token must be text"},
        Refused{"data_is_no_base64", "client-certificate-data: s3cret!, client-key-data: s3cret!", "",
                "must be base64"},
        Refused{"data_is_a_number", "token: s3cret", "certificate-authority-data: 5", "must be base64"},
        Refused{"flag_is_text", "token: s3cret", "insecure-skip-tls-verify: \"true\"", "must be true or false"},
        Refused{"exec_beside_token", "token: s3cret, exec: {apiVersion: client.authentication.k8s.io/v1, command: x}",
                "", "exec is given beside"},
        Refused{"exec_alpha", "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}", "",
                "v1 or v1beta1"},
        Refused{"exec_without_command", "exec: {apiVersion: client.authentication.k8s.io/v1}", "", "no command"},
        Refused{"exec_interactive",
                "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}", "",
                "nobody at a terminal"},
        Refused{
            "exec_bad_variable",
            "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, env: [{name: \"A=B\", value: s3cret}]}",
            "", "no usable name"},
        Refused{"exec_unknown_member", "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, argv: []}", "",
                "'argv' is not known here"},
        Refused{"exec_args_are_text", "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, args: s3cret}",
                "", "args must be a list"}),
    [](const auto& test) { return test.param.what; });

TEST_F(KubeConfigTest, DocumentsThatAreNone) {
  const std::string good = Config("token: abc");
  auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return ErrorOf(text);
  };
  EXPECT_EQ(ErrorOf(good), "accepted");
  EXPECT_THAT(with("current-context: c", "current-context: \"\""), HasSubstr("no current-context; there are: c"));
  EXPECT_THAT(with("current-context: c", "current-context: x"), HasSubstr("there is no context 'x'"));
  EXPECT_THAT(with("cluster: k", "cluster: x"), HasSubstr("there is no cluster 'x'"));
  EXPECT_THAT(with("user: u", "user: x"), HasSubstr("there is no user 'x'"));
  EXPECT_THAT(with("kind: Config", "kind: Secret"), HasSubstr("kind must be Config"));
  EXPECT_THAT(with("apiVersion: v1", "apiVersion: v2"), HasSubstr("apiVersion must be v1"));
  EXPECT_THAT(with("https://127.0.0.1", "ftp://127.0.0.1"), HasSubstr("config-invalid"));
  EXPECT_THAT(with(Port(), Port() + "?a=b"), HasSubstr("no query"));
  EXPECT_THAT(with("server: \"https", "server: \"http"), HasSubstr("credentials are not sent there"));
  EXPECT_THAT(with("certificate-authority: ca.crt", "certificate-authority: none.crt"), HasSubstr("none.crt"));
  EXPECT_THAT(ErrorOf(good + "- name: u\n  user: {token: abc}\n"), HasSubstr("in users twice"));
  EXPECT_THAT(ErrorOf(good + "---\n" + good), HasSubstr("one YAML document"));
  EXPECT_THAT(ErrorOf(good + "users: []\n"), HasSubstr("yaml-malformed")) << "a key twice";
  EXPECT_THAT(ErrorOf(""), HasSubstr("no current-context; there are: none"));
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("must be an object"));
  EXPECT_THAT(ErrorOf("\t"), HasSubstr("config"));
  EXPECT_EQ(Load(std::string(2 << 20, '#')).error().reason, Reason::kLimitExceeded);
}

TEST_F(KubeConfigTest, OtherEntriesAreNotJudged) {
  EXPECT_EQ(SawBy(Config("token: abc") + "- name: v\n  user: {username: a, password: b}\n"), "Bearer abc");
}

// kubectl proxy listens on plain http, and wants no credentials.
TEST_F(KubeConfigTest, PlainHttpWithoutCredentials) {
  HttpServer proxy(Answer);
  std::string text = Config("");
  std::string mine = "https://127.0.0.1:" + Port();
  text.replace(text.find(mine), mine.size(), "http://127.0.0.1:" + std::to_string(proxy.port()));
  EXPECT_EQ(SawBy(text), "");
}

TEST_F(KubeConfigTest, ProxyUrl) {
  EXPECT_THAT(ErrorOf(Config("token: abc", "proxy-url: \"socks5://127.0.0.1:1\"")), HasSubstr("proxy"));
  // A connection to the loopback goes through no proxy; that there is one can be seen with another host.
  std::string text =
      Config("token: abc", "proxy-url: \"http://127.0.0.1:" + std::to_string(fakes::UnusedPort()) + "\"");
  text.replace(text.find("127.0.0.1:" + Port()), 9, "192.0.2.1");
  EXPECT_THAT(SawBy(text), HasSubstr("by proxy 127.0.0.1:"));
}

// A bastion in front of API servers, or a certificate that is for a name only.
TEST_F(KubeConfigTest, TlsServerName) {
  HttpServer named(Answer, fakes::IssueServerTls(root_, "DNS:api.example"));
  const auto config = [&](const std::string& cluster) {
    std::string text = Config("token: abc", cluster);
    return text.replace(text.find("127.0.0.1:" + Port()), 10 + Port().size(),
                        "127.0.0.1:" + std::to_string(named.port()));
  };
  EXPECT_EQ(SawBy(config("tls-server-name: api.example")), "Bearer abc");
  EXPECT_THAT(SawBy(config("")), HasSubstr("kube-unavailable")) << "the host is checked without it";
  EXPECT_THAT(SawBy(config("tls-server-name: other.example")), HasSubstr("kube-unavailable"));
  EXPECT_THAT(SawBy(Config("token: abc", "tls-server-name: api.example")), HasSubstr("kube-unavailable"))
      << "in place of the host, not beside it";
}

// --- exec plugins

class ExecTest : public ConnectionTest {
 protected:
  std::string Exec(const std::string& command, const std::string& more = "") {
    return Config("exec: {apiVersion: client.authentication.k8s.io/v1, command: " + command +
                  (more.empty() ? "" : ", " + more) + "}");
  }
  static std::string Credential(const std::string& status) {
    return R"(echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{)" + status +
           "}}'\n";
  }
  std::size_t Runs() const {
    std::ifstream runs(Path("runs"));
    return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(runs), {}, '\n'));
  }
  std::string CountRuns() const { return "echo >> " + Path("runs") + "\n"; }
};

TEST_F(ExecTest, TokenWithoutExpiryIsAskedForOnce) {
  WriteScript("plugin", CountRuns() + Credential(R"("token":"abc")"));
  auto config = Load(Exec("./plugin"));
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_EQ(Runs(), 0U) << "not before it is needed";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Saw(config->connections), "Bearer abc");
  EXPECT_EQ(Runs(), 1U);
}

TEST_F(ExecTest, TokenIsAskedForAgainWhenItExpires) {
  fakes::FakeClock clock;  // 2026-11-21T12:00:00Z
  WriteScript("plugin", CountRuns() + Credential(R"("token":"abc","expirationTimestamp":"2026-11-21T12:10:00Z")"));
  auto config = FromKubeConfig({.files = {Write("config", Exec("./plugin"))}, .environment = environment_}, clock);
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(Saw(config->connections), "Bearer abc");
  clock.Advance(std::chrono::minutes(9));
  EXPECT_EQ(Saw(config->connections), "Bearer abc");
  EXPECT_EQ(Runs(), 1U);
  clock.Advance(std::chrono::seconds(55));
  EXPECT_EQ(Saw(config->connections), "Bearer abc");
  EXPECT_EQ(Runs(), 2U);
}

TEST_F(ExecTest, TokenIsAskedForAgainWhenItIsRefused) {
  WriteScript("plugin", CountRuns() + "if [ -f good ]; then true; fi\nif [ \"$(wc -l < " + Path("runs") +
                            ")\" -gt 1 ]; then\n" + Credential(R"("token":"good")") + "else\n" +
                            Credential(R"("token":"refused")") + "fi\n");
  auto config = Load(Exec("./plugin"));
  EXPECT_EQ(Saw(config->connections), "Bearer good");
  EXPECT_EQ(Runs(), 2U);
}

TEST_F(ExecTest, CertificateOfAPlugin) {
  auto tls = fakes::IssueServerTls(root_, "IP:127.0.0.1");
  tls.client_ca_pem = root_.pem();
  HttpServer strict(Answer, tls);
  auto client = fakes::IssueServerTls(root_, "DNS:client");
  auto escaped = [](std::string text) {
    for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at))
      text.replace(at, 1, "\\n");
    return text;
  };
  Write(
      "credential",
      R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"clientCertificateData":")" +
          escaped(client.chain_pem) + R"(","clientKeyData":")" + escaped(client.key_pem) + R"("}})");
  WriteScript("plugin", "cat " + Path("credential") + "\n");
  std::string text = Exec("./plugin");
  text.replace(text.find(Port()), Port().size(), std::to_string(strict.port()));
  EXPECT_EQ(SawBy(text), "");
}

TEST_F(ExecTest, ArgumentsEnvironmentAndInfo) {
  WriteScript("bin/plugin",
              "[ \"$1 $2\" = 'a b c' ] && [ \"$OWN\" = value ] && [ \"$OUTER\" = outer ] || exit 3\n"
              "echo \"$KUBERNETES_EXEC_INFO\" > " +
                  Path("info") + "\ncat > " + Path("input") + "\n" + Credential(R"("token":"abc")"));
  environment_ = {{"PATH", "relative:" + Path("bin") + ":/usr/bin:/bin"}, {"OUTER", "outer"}};
  EXPECT_EQ(SawBy(Exec("plugin", "args: [a b, c], env: [{name: OWN, value: value}], provideClusterInfo: true")),
            "Bearer abc");
  std::ifstream file(Path("info"));
  std::string info((std::istreambuf_iterator<char>(file)), {});
  auto document = codec::JsonDocument::Parse(info, {1 << 20});
  ASSERT_TRUE(document.ok()) << info;
  EXPECT_EQ(TextAt(document->root(), {"kind"}), "ExecCredential");
  EXPECT_EQ(TextAt(document->root(), {"apiVersion"}), "client.authentication.k8s.io/v1");
  EXPECT_EQ(TextAt(document->root(), {"spec", "cluster", "server"}), "https://127.0.0.1:" + Port() + "/");
  EXPECT_EQ(TextAt(document->root(), {"spec", "cluster", "certificate-authority-data"}),
            EncodeBase64(AsBytes(root_.pem())));
  EXPECT_THAT(info, HasSubstr(R"("interactive":false)"));
  EXPECT_TRUE(std::filesystem::is_empty(Path("input"))) << "nothing on its standard input";
}

TEST_F(ExecTest, ClusterIsNotToldUnlessAskedFor) {
  WriteScript("plugin", "echo \"$KUBERNETES_EXEC_INFO\" > " + Path("info") + "\n" + Credential(R"("token":"abc")"));
  EXPECT_EQ(SawBy(Exec("./plugin")), "Bearer abc");
  std::ifstream file(Path("info"));
  std::string info((std::istreambuf_iterator<char>(file)), {});
  EXPECT_THAT(info, Not(HasSubstr("cluster")));
}

struct BadPlugin {
  const char* what;
  std::string script;
  const char* says;
};

TEST_F(ExecTest, PluginsThatGiveNoCredential) {
  const std::string of_status = R"("token":"s3cret")";
  for (
      const BadPlugin& bad : {
          BadPlugin{"fails", "echo 'log in first' >&2; echo s3cret; exit 1\n", "failed; it wrote: log in first"},
          BadPlugin{"prints nothing", "true\n", "printed no credential"},
          BadPlugin{"prints no JSON", "echo s3cret\n", "is no JSON object"},
          BadPlugin{"other kind",
                    R"(echo '{"kind":"X","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"s3cret"}}')",
                    "must have kind ExecCredential"},
          BadPlugin{
              "other version",
              R"(echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","status":{"token":"s3cret"}}')",
              "the apiVersion of the kubeconfig"},
          BadPlugin{"empty status", Credential(""), "neither a token nor"},
          BadPlugin{"no status", R"(echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"}')",
                    "status"},
          BadPlugin{"key missing", Credential(R"("clientCertificateData":"s3cret")"), "without its key"},
          BadPlugin{"bad time", Credential(of_status + R"(,"expirationTimestamp":"tomorrow")"), "RFC 3339"},
          BadPlugin{"token for no header", Credential(R"("token":"s3cret two")"), "no token holds"},
          BadPlugin{"flood", "yes s3cret\n", "printed too much"},
          BadPlugin{"killed by a signal", "kill -9 $$\n", "failed"},
      }) {
    WriteScript("plugin", bad.script);
    std::string saw = SawBy(Exec("./plugin"));
    EXPECT_THAT(saw, HasSubstr(bad.says)) << bad.what;
    EXPECT_THAT(saw, HasSubstr("kube-unavailable")) << bad.what;
    EXPECT_THAT(saw, Not(HasSubstr("s3cret"))) << bad.what;
  }
}

TEST_F(ExecTest, PluginThatIsNotThere) {
  EXPECT_THAT(SawBy(Exec("no-such-plugin", "installHint: get it at example.com")),
              HasSubstr("is not in PATH; get it at example.com"));
  EXPECT_THAT(SawBy(Exec("./no-such-plugin")), HasSubstr("cannot be started: No such file"));
}

}  // namespace
}  // namespace gatehouse::kube
