// gatehouse-agent as it is shipped: a process with a configuration file, a TPM and a server with TLS.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <mutex>

#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/net/https_transport.h"
#include "tests/agent/support.h"
#include "tests/fakes/http_server.h"
#include "tests/fakes/ima_log.h"
#include "tests/fakes/swtpm.h"

namespace gatehouse::agent {
namespace {

using testing::HasSubstr;

constexpr int kPatience = 3000;  // polls of 10 ms

// A running agent. Its log is a file.
class Program {
 public:
  Program(std::vector<std::string> arguments, std::filesystem::path log) : log_(std::move(log)) {
    const char* other = std::getenv("GATEHOUSE_AGENT");  // another build than this one, to measure what is shipped
    arguments.insert(arguments.begin(),
                     other != nullptr ? other : std::string(GATEHOUSE_BINARY_DIR) + "/bin/gatehouse-agent");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int out = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(out, STDOUT_FILENO);
      ::dup2(out, STDERR_FILENO);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(out);
  }
  ~Program() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  [[nodiscard]] std::string Log() const {
    auto content = ReadFile(log_, limits::kMiB);
    return content.ok() ? std::string(AsText(*content)) : "";
  }
  void Signal(int number) const { ::kill(pid_, number); }
  // The exit status; -1 if it does not end, or ends by a signal.
  [[nodiscard]] int Wait() {
    for (int i = 0; i < kPatience; ++i) {
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
      }
      ::poll(nullptr, 0, 10);
    }
    return -1;
  }
  // VmRSS, or VmHWM (its peak), in KiB
  [[nodiscard]] long ResidentKib(std::string_view which = "VmRSS:") const {
    auto status = ReadFile("/proc/" + std::to_string(pid_) + "/status", limits::kMiB);
    if (!status.ok()) return -1;
    std::string text(AsText(*status));
    auto at = text.find(which);
    return at == std::string::npos ? -1 : std::strtol(text.c_str() + at + 6, nullptr, 10);
  }

 private:
  std::filesystem::path log_;
  pid_t pid_;
};

class ProgramTest : public testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path log() const { return folder_ / "log"; }
  TempFolder folder_;
};

TEST_F(ProgramTest, UsageErrors) {
  WriteText(folder_ / "agent.yaml", "node: n\nserver: {url: \"http://a\", ca: ca, tokenFile: t}\n");
  struct {
    std::vector<std::string> arguments;
    int status;
    const char* says;
  } table[] = {
      {{}, 2, "--config"},
      {{"--config"}, 2, "--config"},
      {{"--config", "x", "--forever"}, 2, "--forever"},
      {{"--config", "/nonexistent/agent.yaml"}, 2, "file-unreadable"},
      {{"--config", (folder_ / "agent.yaml").string()}, 2, "agent.yaml:2"},
      {{"--help"}, 0, "--once"},
      {{"--version"}, 0, GATEHOUSE_VERSION},
  };
  for (const auto& row : table) {
    Program program(row.arguments, log());
    EXPECT_EQ(program.Wait(), row.status) << row.says;
    EXPECT_THAT(program.Log(), HasSubstr(row.says));
  }
}

class WholeProgramTest : public ProgramTest {
 protected:
  void SetUp() override {
    if (!fakes::Swtpm::Available()) GTEST_SKIP() << "swtpm and swtpm-tools are not installed";
    auto tpm = fakes::Swtpm::Start();
    ASSERT_TRUE(tpm.ok()) << tpm.error().ToString();
    tpm_ = std::move(*tpm);
    auto roots = *crypto::Certificate::ListFromPem(tpm_->root_pem());
    service_ = std::make_unique<FakeService>(roots, *crypto::Certificate::ListFromPem(tpm_->issuer_pem()), clock_);
    service_->next_ms = 1000;
    fakes::ServerTls tls = fakes::IssueServerTls(ca_, "IP:127.0.0.1");
    tls.client_ca_pem = ca_.pem();
    server_ = std::make_unique<fakes::HttpServer>(
        [this](const fakes::ReceivedRequest& request) {
          std::lock_guard lock(mutex_);
          net::HttpResponse response = service_->Handle(request.Path(), request.body);
          return fakes::Reply{.status = response.status, .body = response.body, .content_type = "application/json"};
        },
        tls);
    fakes::ServerTls client = fakes::IssueServerTls(ca_, "DNS:node-a");
    WriteText(folder_ / "ca.pem", ca_.pem());
    WriteText(folder_ / "cert.pem", client.chain_pem);
    WriteText(folder_ / "key.pem", client.key_pem);
    WriteText(folder_ / "token", "a.b.c\n");
    ima_.Files(20);
    WriteText(folder_ / "ima", AsText(ima_.bytes()));
    WriteText(folder_ / "agent.yaml", Config());
  }
  [[nodiscard]] std::string Config() const {
    std::string at = folder_.path().string() + "/";
    return "node: node-a\nserver:\n  url: \"" + server_->Origin() + "\"\n  ca: " + at + "ca.pem\n  certificate: " + at +
           "cert.pem\n  key: " + at + "key.pem\n  tokenFile: " + at + "token\ntpm:\n  tcti: \"" + tpm_->tcti() +
           "\"\n  stateDir: " + at + "state\neventLog: " + at + "absent\nimaLog: " + at + "ima\ninterval: 1s\n";
  }
  [[nodiscard]] std::size_t Attestations() {
    std::lock_guard lock(mutex_);
    return service_->CountOf(session::kEvidencePath);
  }
  void AwaitAttestations(std::size_t count) {
    for (int i = 0; i < kPatience && Attestations() < count; ++i) ::poll(nullptr, 0, 10);
    ASSERT_GE(Attestations(), count);
  }
  [[nodiscard]] std::vector<std::string> Arguments() const { return {"--config", (folder_ / "agent.yaml").string()}; }

  SystemClock clock_;
  fakes::TestCa ca_ = fakes::RootOfToday();
  std::mutex mutex_;
  std::unique_ptr<fakes::Swtpm> tpm_;
  std::unique_ptr<FakeService> service_;
  std::unique_ptr<fakes::HttpServer> server_;
  fakes::ImaLog ima_;
};

TEST_F(WholeProgramTest, AttestsOnce) {
  auto arguments = Arguments();
  arguments.emplace_back("--once");
  Program program(arguments, log());
  ASSERT_EQ(program.Wait(), 0) << program.Log();
  EXPECT_EQ(Attestations(), 1U);
  EXPECT_EQ(service_->last_evidence->node, "node-a");
  EXPECT_EQ(service_->last_evidence->ima_log, ima_.bytes());
  EXPECT_NE(service_->last_evidence->command_line, "");  // of the kernel that we run on
  for (const auto& request : server_->requests()) EXPECT_EQ(request.Header("Authorization"), "Bearer a.b.c");
  std::string text = program.Log();
  EXPECT_THAT(text, HasSubstr("\"status\":\"affirming\""));
  EXPECT_THAT(text, testing::Not(HasSubstr("a.b.c")));
  // Every line is one JSON object: nothing of the libraries' own.
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_THAT(line, testing::AllOf(testing::StartsWith("{\"time\":"), testing::EndsWith("}")));
  }
}

TEST_F(WholeProgramTest, NodeOfTheCommandLine) {
  auto arguments = Arguments();
  arguments.insert(arguments.end(), {"--once", "--node", "node-b"});
  Program program(arguments, log());
  ASSERT_EQ(program.Wait(), 0) << program.Log();
  EXPECT_EQ(service_->last_evidence->node, "node-b");
}

TEST_F(WholeProgramTest, VerdictOtherThanAffirmingIsNotAttested) {
  service_->status = "contraindicated";
  auto arguments = Arguments();
  arguments.emplace_back("--once");
  Program program(arguments, log());
  EXPECT_EQ(program.Wait(), 1);
  EXPECT_THAT(program.Log(), HasSubstr("contraindicated"));
}

TEST_F(WholeProgramTest, AttestsAgainAndAgainUntilItIsTold) {
  Program program(Arguments(), log());
  AwaitAttestations(3);
  EXPECT_EQ(service_->CountOf(session::kEnrollPath), 1U);
  RecordProperty("resident_kib", std::to_string(program.ResidentKib()));
  auto told = clock_.Mono();
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), 0) << program.Log();
  EXPECT_LT(clock_.Mono() - told, std::chrono::seconds(2));
  EXPECT_THAT(program.Log(), HasSubstr("\"msg\":\"ended\""));
  EXPECT_THAT(*tpm_->LoadedHandles(), testing::IsEmpty());
}

// A log of 200,000 entries (22 MB) is sent in pieces: the agent has one in memory at a time, once as it is and once as
// it travels.
TEST_F(WholeProgramTest, StaysSmallWithALongLog) {
  const char* thousands = std::getenv("GATEHOUSE_IMA_THOUSANDS");
  const int parts = thousands != nullptr ? std::stoi(thousands) / 2 : 100;
  fakes::ImaLog part;
  part.Files(2000);
  {
    std::ofstream file(folder_ / "ima", std::ios::binary | std::ios::trunc);
    for (int i = 0; i < parts; ++i) file << AsText(part.bytes());
  }
  service_->keep_pieces = false;
  Program program(Arguments(), log());
  AwaitAttestations(1);
  long peak = program.ResidentKib("VmHWM:");
  RecordProperty("peak_kib", std::to_string(peak));
  std::cout << "peak of resident memory: " << peak << " KiB\n";
  {
    std::lock_guard lock(mutex_);
    EXPECT_GT(service_->CountOf(session::kLogPath), 20U);
    EXPECT_EQ(service_->ima_from + *CountEntries(*service_->last_evidence->ima_log, "little-endian"),
              2000U * static_cast<unsigned>(parts));
  }
  // Of this build, without optimisation; what is shipped has 10.6 MiB, also with a million entries.
  EXPECT_LT(peak, 14 * 1024);
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), 0) << program.Log();
}

TEST_F(WholeProgramTest, ServesMetrics) {
  WriteText(folder_ / "agent.yaml", Config() + "metrics: {listen: \"127.0.0.1:0\"}\n");
  Program program(Arguments(), log());
  AwaitAttestations(2);
  std::string text = program.Log();
  auto at = text.find("\"port\":\"");
  ASSERT_NE(at, std::string::npos) << text;
  auto transport = net::MakeHttpsTransport({});
  net::HttpRequest request;
  request.url = *net::Url::Parse(
      "http://127.0.0.1:" + text.substr(at + 8, text.find('"', at + 8) - at - 8) + "/metrics", Reason::kUsage);
  request.max_response_bytes = limits::kMiB;
  auto answer = (*transport)->Send(request, Deadline(clock_, std::chrono::seconds(5)));
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  EXPECT_EQ(answer->status, 200);
  EXPECT_THAT(answer->body, HasSubstr("gatehouse_agent_attestations_total{outcome=\"affirming\"} "));
  EXPECT_THAT(answer->body, HasSubstr("gatehouse_agent_tpm_command_duration_seconds_count{command=\"quote\"} "));
  EXPECT_THAT(answer->body, HasSubstr("gatehouse_agent_source_faults_total{source=\"event-log\"} "));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), 0) << program.Log();
}

TEST_F(WholeProgramTest, TakenPortOfMetricsIsAnError) {
  std::string origin = server_->Origin();
  WriteText(folder_ / "agent.yaml",
            Config() + "metrics: {listen: \"127.0.0.1" + origin.substr(origin.rfind(':')) + "\"}\n");
  Program program(Arguments(), log());
  EXPECT_EQ(program.Wait(), 2);
  EXPECT_THAT(program.Log(), HasSubstr("metrics.listen"));
}

// 0 would say that the node is attested.
TEST_F(WholeProgramTest, AttestationOnceThatIsCutOffIsNone) {
  auto arguments = Arguments();
  arguments.emplace_back("--once");
  std::unique_lock silent(mutex_);  // the server does not answer
  Program program(arguments, log());
  for (int i = 0; i < kPatience && server_->requests().empty(); ++i) ::poll(nullptr, 0, 10);
  ASSERT_FALSE(server_->requests().empty());
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), 1) << program.Log();
  silent.unlock();
}

TEST_F(WholeProgramTest, SurvivesATpmThatGoes) {
  Program program(Arguments(), log());
  AwaitAttestations(1);
  tpm_->Kill();
  for (int i = 0; i < kPatience && program.Log().find("tpm-unavailable") == std::string::npos; ++i)
    ::poll(nullptr, 0, 10);
  ASSERT_TRUE(tpm_->Run().ok());
  std::size_t before = Attestations();
  AwaitAttestations(before + 2);
  EXPECT_THAT(program.Log(), HasSubstr("tpm-unavailable"));
}

// Only `ca` vouches for the server: neither the system's roots nor a name that fits do.
TEST_F(WholeProgramTest, ServerOfAnotherAuthorityGetsNothing) {
  WriteText(folder_ / "ca.pem", fakes::RootOfToday("other").pem());
  auto arguments = Arguments();
  arguments.emplace_back("--once");
  Program program(arguments, log());
  EXPECT_EQ(program.Wait(), 1);
  EXPECT_THAT(program.Log(), HasSubstr("network-unavailable"));
  EXPECT_TRUE(server_->requests().empty());
}

TEST_F(WholeProgramTest, EmptyCaIsAConfigurationError) {
  WriteText(folder_ / "ca.pem", "");
  Program program(Arguments(), log());
  EXPECT_EQ(program.Wait(), 2);
  EXPECT_THAT(program.Log(), HasSubstr("certificate-malformed"));
}

}  // namespace
}  // namespace gatehouse::agent
