// The client against the reference registry, where Debian's docker-registry is installed.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/crypto/hash.h"
#include "common/net/https_transport.h"
#include "common/registry/client.h"

extern char** environ;

namespace gatehouse::registry {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> FindProgram(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    std::size_t colon = rest.find(':');
    std::string candidate = rest.substr(0, colon) + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
  }
  return std::nullopt;
}

// docker-registry with its content in memory, on a port of its own choice.
class Distribution : public testing::Test {
 protected:
  void Start(bool with_password) {
    auto program = FindProgram("docker-registry");
    if (!program.has_value()) GTEST_SKIP() << "docker-registry is not installed";
    std::string pattern = (fs::temp_directory_path() / "gatehouse-registry-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    std::ofstream config(folder_ / "config.yml");
    config << "version: 0.1\nstorage: {inmemory: {}}\nhttp: {addr: \"127.0.0.1:0\", secret: x}\n";
    if (with_password) {
      config << "auth: {htpasswd: {realm: test, path: \"" << (folder_ / "htpasswd").string() << "\"}}\n";
      // user:s3cret
      std::ofstream(folder_ / "htpasswd") << "user:$2b$04$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG\n";
    }
    config.close();
    Spawn(*program);
    AwaitPort();
    ASSERT_FALSE(host_.empty()) << log_;
    transport_ = net::MakeHttpsTransport({}).value();
    client_ = std::make_unique<Client>(*transport_, clock_, ClientOptions{.insecure_hosts = {host_}});
  }

  void TearDown() override {
    if (process_ > 0) {
      kill(process_, SIGKILL);
      waitpid(process_, nullptr, 0);
    }
    if (pipe_ >= 0) close(pipe_);
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  void Spawn(const std::string& program) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    std::string name = "docker-registry";
    std::string verb = "serve";
    std::string config = (folder_ / "config.yml").string();
    std::array<char*, 4> arguments = {name.data(), verb.data(), config.data(), nullptr};
    int failure = posix_spawn(&process_, program.c_str(), &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    pipe_ = ends[0];
    ASSERT_EQ(failure, 0);
  }

  // It logs the address that it listens on.
  void AwaitPort() {
    Deadline deadline(clock_, Duration(20000));
    while (!deadline.Passed()) {
      pollfd waiting{pipe_, POLLIN, 0};
      std::array<char, 4096> buffer{};
      if (poll(&waiting, 1, static_cast<int>(deadline.Remaining().count())) <= 0) return;
      ssize_t count = read(pipe_, buffer.data(), buffer.size());
      if (count <= 0) return;
      log_.append(buffer.data(), static_cast<std::size_t>(count));
      std::size_t at = log_.find("listening on 127.0.0.1:");
      if (at == std::string::npos || log_.find('"', at) == std::string::npos) continue;
      std::size_t start = at + std::string_view("listening on ").size();
      host_ = log_.substr(start, log_.find('"', at) - start);
      return;
    }
  }

  Deadline Soon() const { return Deadline(clock_, Duration(10000)); }

  net::HttpResponse Send(const std::string& method, const net::Url& url, const std::string& body,
                         const std::string& type) {
    net::HttpRequest request{};
    request.method = method;
    request.url = url;
    request.body = body;
    request.content_type = type;
    request.headers = headers_;
    request.max_response_bytes = 100000;
    auto response = transport_->Send(request, Soon());
    EXPECT_TRUE(response.ok()) << response.error().ToString();
    return response.ok() ? *response : net::HttpResponse{};
  }
  net::Url At(const std::string& target) const {
    return net::Url::Parse("http://" + host_ + target, Reason::kInternal).value();
  }

  // distribution-spec, "Pushing": POST then PUT for a blob, PUT for a manifest.
  Digest PushBlob(const std::string& bytes) {
    Digest digest = crypto::Sha256Digest(AsBytes(bytes));
    auto started = Send("POST", At("/v2/team/app/blobs/uploads/"), "", "");
    EXPECT_EQ(started.status, 202);
    auto upload = At("/").Resolve(started.Header("Location").value_or(""), Reason::kInternal).value();
    upload.target += "&digest=" + digest.text();
    EXPECT_EQ(Send("PUT", upload, bytes, "application/octet-stream").status, 201);
    return digest;
  }
  Digest PushManifest(const std::string& tag, const Digest& config, const std::string& note) {
    const std::string bytes =
        R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{)"
        R"("mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":")" +
        config.text() + R"("},"layers":[],"annotations":{"note":")" + note + "\"}}";
    EXPECT_EQ(Send("PUT", At("/v2/team/app/manifests/" + tag), bytes, std::string(image::kOciManifest)).status, 201);
    return crypto::Sha256Digest(AsBytes(bytes));
  }

  SystemClock clock_;
  fs::path folder_;
  pid_t process_ = 0;
  int pipe_ = -1;
  std::string log_;
  std::string host_;
  net::Headers headers_;
  std::unique_ptr<net::HttpTransport> transport_;
  std::unique_ptr<Client> client_;
};

TEST_F(Distribution, WhatWasPushedIsPulled) {
  Start(false);
  if (IsSkipped()) return;
  Digest config = PushBlob("{}");
  Digest first = PushManifest("v1", config, "first");
  auto app = image::Reference::Parse(host_ + "/team/app:v1").value();

  auto by_tag = client_->GetManifestByTag(app, "v1", {}, Soon());
  ASSERT_TRUE(by_tag.ok()) << by_tag.error().ToString();
  ASSERT_TRUE(by_tag->has_value());
  EXPECT_EQ((*by_tag)->digest(), first);
  auto parsed = image::ParseManifest((*by_tag)->bytes(), (*by_tag)->content_type());
  ASSERT_TRUE(parsed.ok()) << parsed.error().ToString();
  const auto& manifest = std::get<image::Manifest>(*parsed);
  auto blob = client_->GetBlob(app, manifest.config.digest, 2, {}, Soon());
  ASSERT_TRUE(blob.ok()) << blob.error().ToString();
  EXPECT_EQ((*blob)->bytes(), "{}");

  Digest second = PushManifest("v1", config, "second");
  EXPECT_EQ((*client_->GetManifestByTag(app, "v1", {}, Soon()))->digest(), second);
  EXPECT_EQ((*client_->GetManifest(app, first, {}, Soon()))->digest(), first);
}

TEST_F(Distribution, WhatIsNotThereIsNothing) {
  Start(false);
  if (IsSkipped()) return;
  PushManifest("v1", PushBlob("{}"), "x");
  auto app = image::Reference::Parse(host_ + "/team/app").value();
  auto other = image::Reference::Parse(host_ + "/nobody/nothing").value();
  Digest absent = crypto::Sha256Digest(AsBytes("absent"));
  for (const auto& result :
       {client_->GetManifestByTag(app, "v2", {}, Soon()), client_->GetManifestByTag(other, "v1", {}, Soon()),
        client_->GetManifest(app, absent, {}, Soon()), client_->GetBlob(app, absent, 10, {}, Soon())}) {
    ASSERT_TRUE(result.ok()) << result.error().ToString();
    EXPECT_FALSE(result->has_value());
  }
}

// This registry has no referrers API, as many that run.
TEST_F(Distribution, ReferrersComeByTheFallbackTag) {
  Start(false);
  if (IsSkipped()) return;
  Digest config = PushBlob("{}");
  Digest image = PushManifest("v1", config, "image");
  Digest referrer = PushManifest("r", config, "referrer");
  auto app = image::Reference::Parse(host_ + "/team/app").value();
  auto none = client_->Referrers(app, image, {}, {}, Soon());
  ASSERT_TRUE(none.ok()) << none.error().ToString();
  EXPECT_TRUE(none->referrers.empty());
  auto manifest = client_->GetManifest(app, referrer, {}, Soon());
  const std::string index = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{)"
                            R"("mediaType":"application/vnd.oci.image.manifest.v1+json","size":)" +
                            std::to_string((*manifest)->bytes().size()) + R"(,"digest":")" + referrer.text() + "\"}]}";
  const std::string tag = "sha256-" + std::string(image.hex());
  EXPECT_EQ(Send("PUT", At("/v2/team/app/manifests/" + tag), index, std::string(image::kOciIndex)).status, 201);
  auto list = client_->Referrers(app, image, {"application/vnd.dev.sigstore.bundle"}, {}, Soon());
  ASSERT_TRUE(list.ok()) << list.error().ToString();
  ASSERT_EQ(list->referrers.size(), 1U);
  EXPECT_EQ(list->referrers[0].digest, referrer);
}

TEST_F(Distribution, PasswordIsAskedForAndGiven) {
  Start(true);
  if (IsSkipped()) return;
  headers_ = {{"Authorization", "Basic dXNlcjpzM2NyZXQ="}};
  Digest digest = PushManifest("v1", PushBlob("{}"), "x");
  auto app = image::Reference::Parse(host_ + "/team/app").value();
  auto anonymous = client_->GetManifestByTag(app, "v1", {}, Soon());
  ASSERT_FALSE(anonymous.ok());
  EXPECT_EQ(anonymous.error().reason, Reason::kRegistryDenied);
  auto credentials = [&](const std::string& password) {
    return Credentials::FromDockerConfig(
               R"({"auths":{")" + host_ + R"(":{"username":"user","password":")" + password + R"("}}})", "test")
        .value();
  };
  auto wrong = client_->GetManifestByTag(app, "v1", credentials("wrong"), Soon());
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().reason, Reason::kRegistryDenied);
  auto right = client_->GetManifestByTag(app, "v1", credentials("s3cret"), Soon());
  ASSERT_TRUE(right.ok()) << right.error().ToString();
  EXPECT_EQ((*right)->digest(), digest);
}

}  // namespace
}  // namespace gatehouse::registry
