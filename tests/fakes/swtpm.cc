#include "tests/fakes/swtpm.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

namespace gatehouse::fakes {
namespace {

namespace fs = std::filesystem;

constexpr std::uint16_t kNoSessions = 0x8001;    // TPM_ST_NO_SESSIONS
constexpr std::uint16_t kWithSessions = 0x8002;  // TPM_ST_SESSIONS
constexpr std::uint32_t kPlatform = 0x4000000C;  // TPM_RH_PLATFORM
constexpr std::size_t kNvChunk = 512;
constexpr std::size_t kHeaderBytes = 10;

bool InPath(const std::string& program) {
  std::istringstream path(std::getenv("PATH") != nullptr ? std::getenv("PATH") : "/usr/bin:/bin");
  for (std::string folder; std::getline(path, folder, ':');) {
    if (::access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Starts a program with its output at the end of `log`; it dies with this process.
pid_t Spawn(const std::vector<std::string>& arguments, const fs::path& log) {
  std::vector<char*> argv;
  std::vector<std::string> copy = arguments;
  for (std::string& argument : copy) argv.push_back(argument.data());
  argv.push_back(nullptr);
  int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  pid_t parent = ::getpid();
  pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);  // the parent died before the request
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(out);
  return pid;
}

bool Succeeds(const std::vector<std::string>& arguments, const fs::path& log) {
  pid_t pid = Spawn(arguments, log);
  int status = 0;
  return pid > 0 && ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Header, handles, and one password authorization with an empty password.
Bytes AuthorizedCommand(std::uint32_t code, std::initializer_list<std::uint32_t> handles, BytesView parameters) {
  ByteWriter command;
  command.PutU16Be(kWithSessions);
  command.PutU32Be(static_cast<std::uint32_t>(10 + 4 * handles.size() + 4 + 9 + parameters.size()));
  command.PutU32Be(code);
  for (std::uint32_t handle : handles) command.PutU32Be(handle);
  command.PutU32Be(9);           // authorizationSize
  command.PutU32Be(0x40000009);  // TPM_RS_PW
  command.PutU16Be(0);           // nonce
  command.PutU8(0);              // attributes
  command.PutU16Be(0);           // password
  command.Put(parameters);
  return std::move(command).Finish();
}

std::uint16_t AlgId(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::kSha1:
      return 0x0004;
    case HashAlgorithm::kSha256:
      return 0x000B;
    case HashAlgorithm::kSha384:
      return 0x000C;
    case HashAlgorithm::kSha512:
      return 0x000D;
  }
  return 0;
}

}  // namespace

int ConnectUnix(const fs::path& path) {
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string text = path.string();
  if (fd < 0 || text.size() >= sizeof(address.sun_path)) return -1;
  std::memcpy(address.sun_path, text.data(), text.size());
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  ::close(fd);
  return -1;
}

bool SendTpmMessage(int fd, BytesView message) {
  while (!message.empty()) {
    ssize_t sent = ::send(fd, message.data(), message.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    message = message.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

std::optional<Bytes> ReceiveTpmMessage(int fd) {
  Bytes message;
  std::size_t wanted = kHeaderBytes;
  while (message.size() < wanted) {
    std::array<std::uint8_t, 4096> chunk{};
    ssize_t got = ::recv(fd, chunk.data(), std::min(wanted - message.size(), chunk.size()), 0);
    if (got <= 0) return std::nullopt;
    Append(message, BytesView(chunk).first(static_cast<std::size_t>(got)));
    if (message.size() == kHeaderBytes)
      wanted = std::size_t{message[4]} << 8 | message[5];  // none is longer than 64 KiB
  }
  return message;
}

bool Swtpm::Available() {
  return InPath("swtpm") && InPath("swtpm_setup") && InPath("swtpm_ioctl") && InPath("swtpm_localca");
}

Error Swtpm::Failed(const std::string& what) const {
  std::string log = ReadFile(folder_ / "log");
  return {Reason::kTpmUnavailable, "swtpm", what + ": " + (log.size() > 2000 ? log.substr(log.size() - 2000) : log)};
}

Result<std::unique_ptr<Swtpm>> Swtpm::Start(const Options& options) {
  // Short, because a unix socket's path has at most 107 characters.
  std::string pattern = (fs::temp_directory_path() / "gh-tpm-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return Error{Reason::kTpmUnavailable, "swtpm", "no temporary folder"};
  std::unique_ptr<Swtpm> tpm(new Swtpm(options, pattern));
  RETURN_IF_ERROR(tpm->WriteSetup());
  RETURN_IF_ERROR(tpm->Manufacture());
  return tpm;
}

Swtpm::~Swtpm() {
  Kill();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

// A CA of our own in our folder, never the machine's.
Status Swtpm::WriteSetup() const {
  fs::create_directory(folder_ / "ca");
  std::string ca = (folder_ / "ca").string();
  std::ofstream(folder_ / "setup.conf") << "create_certs_tool = swtpm_localca\n"
                                        << "create_certs_tool_config = " << (folder_ / "localca.conf").string() << "\n"
                                        << "create_certs_tool_options = " << (folder_ / "localca.options").string()
                                        << "\n"
                                        << "active_pcr_banks = " << options_.banks << "\n";
  std::ofstream(folder_ / "localca.conf")
      << "statedir=" << ca << "\nsigningkey=" << ca << "/signkey.pem\nissuercert=" << ca
      << "/issuercert.pem\ncertserial=" << ca << "/certserial\n";
  std::ofstream options(folder_ / "localca.options");
  options << "--platform-manufacturer Gatehouse\n--platform-version 1\n--platform-model Test\n";
  if (!options.good()) return Failed("cannot write to the folder");
  return Ok();
}

Status Swtpm::Manufacture() {
  Kill();
  fs::path state = folder_ / "tpm";
  fs::remove_all(state);
  fs::create_directory(state);
  if (!Succeeds({"swtpm_setup", "--tpm2", "--tpm-state", state.string(), "--config", (folder_ / "setup.conf").string(),
                 "--create-ek-cert", "--pcr-banks", options_.banks, "--vmid", "test", "--overwrite"},
                folder_ / "log")) {
    return Failed("swtpm_setup");
  }
  return Run();
}

Status Swtpm::Run() {
  std::string path = socket().string();
  fs::remove(path);
  fs::remove(path + ".ctrl");
  pid_ = Spawn({"swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + (folder_ / "tpm").string(), "--server",
                "type=unixio,path=" + path, "--ctrl", "type=unixio,path=" + path + ".ctrl", "--flags",
                "not-need-init,startup-clear"},
               folder_ / "log");
  for (int attempt = 0; attempt < 1000; ++attempt) {
    // Which of the two sockets it opens first is its own affair.
    int control = ConnectUnix(path + ".ctrl");
    int server = control < 0 ? -1 : ConnectUnix(path);
    if (control >= 0) ::close(control);
    if (server >= 0) {
      ::close(server);
      return Ok();
    }
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      break;
    }
    ::poll(nullptr, 0, 5);
  }
  return Failed("swtpm did not start");
}

void Swtpm::Kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string Swtpm::root_pem() const {
  return ReadFile(folder_ / "ca" / "swtpm-localca-rootca-cert.pem");
}

std::string Swtpm::issuer_pem() const {
  return ReadFile(folder_ / "ca" / "issuercert.pem");
}

Result<Bytes> Swtpm::Command(BytesView command) {
  int fd = ConnectUnix(socket());
  if (fd < 0) return Failed("cannot connect");
  std::optional<Bytes> response;
  if (SendTpmMessage(fd, command)) response = ReceiveTpmMessage(fd);
  ::close(fd);
  if (!response) return Failed("the TPM broke off");
  return std::move(*response);
}

Result<Bytes> Swtpm::MustAnswer(BytesView command) {
  ASSIGN_OR_RETURN(Bytes response, Command(command));
  ByteReader reader(response, Reason::kTpmUnavailable, "swtpm");
  RETURN_IF_ERROR(reader.Take(6));
  ASSIGN_OR_RETURN(std::uint32_t code, reader.TakeU32Be());
  std::ostringstream text;
  text << "the TPM answered 0x" << std::hex << code;
  if (code != 0) return Error{Reason::kTpmUnavailable, "swtpm", text.str()};
  return Bytes(response.begin() + kHeaderBytes, response.end());
}

Status Swtpm::MustCommand(BytesView command) {
  ASSIGN_OR_RETURN(Bytes ignored, MustAnswer(command));
  return Ok();
}

Bytes Swtpm::ExtendCommand(unsigned pcr, const std::map<HashAlgorithm, Bytes>& digests) {
  ByteWriter parameters;
  parameters.PutU32Be(static_cast<std::uint32_t>(digests.size()));
  for (const auto& [bank, digest] : digests) {
    parameters.PutU16Be(AlgId(bank));
    parameters.Put(digest);
  }
  return AuthorizedCommand(0x182, {pcr}, parameters.bytes());
}

Status Swtpm::Extend(unsigned pcr, const std::map<HashAlgorithm, Bytes>& digests) {
  return MustCommand(ExtendCommand(pcr, digests));
}

Status Swtpm::WriteNv(std::uint32_t index, BytesView content) {
  // PPWRITE, WRITEDEFINE, PPREAD, OWNERREAD, AUTHREAD, NO_DA, PLATFORMCREATE
  constexpr std::uint32_t kAttributes = 1U << 0 | 1U << 13 | 1U << 16 | 1U << 17 | 1U << 18 | 1U << 25 | 1U << 30;
  ByteWriter define;
  define.PutU16Be(0);   // the index's password
  define.PutU16Be(14);  // TPM2B_NV_PUBLIC
  define.PutU32Be(index);
  define.PutU16Be(AlgId(HashAlgorithm::kSha256));
  define.PutU32Be(kAttributes);
  define.PutU16Be(0);
  define.PutU16Be(static_cast<std::uint16_t>(content.size()));
  RETURN_IF_ERROR(MustCommand(AuthorizedCommand(0x12A, {kPlatform}, define.bytes())));
  for (std::size_t offset = 0; offset < content.size(); offset += kNvChunk) {
    ByteWriter write;
    write.PutSized16Be(content.subspan(offset, std::min(kNvChunk, content.size() - offset)));
    write.PutU16Be(static_cast<std::uint16_t>(offset));
    RETURN_IF_ERROR(MustCommand(AuthorizedCommand(0x137, {kPlatform, index}, write.bytes())));
  }
  return Ok();
}

Result<std::vector<std::uint32_t>> Swtpm::LoadedHandles() {
  std::vector<std::uint32_t> handles;
  for (std::uint32_t first : {0x80000000U, 0x02000000U}) {  // transient objects, loaded sessions
    ByteWriter command;
    command.PutU16Be(kNoSessions);
    command.PutU32Be(22);
    command.PutU32Be(0x17A);  // TPM2_GetCapability
    command.PutU32Be(1);      // TPM_CAP_HANDLES
    command.PutU32Be(first);
    command.PutU32Be(64);
    ASSIGN_OR_RETURN(Bytes answer, MustAnswer(command.bytes()));
    ByteReader reader(answer, Reason::kTpmUnavailable, "swtpm");
    RETURN_IF_ERROR(reader.Take(1 + 4));  // moreData, capability
    ASSIGN_OR_RETURN(std::uint32_t count, reader.TakeU32Be());
    for (std::uint32_t i = 0; i < count; ++i) {
      ASSIGN_OR_RETURN(std::uint32_t handle, reader.TakeU32Be());
      handles.push_back(handle);
    }
    RETURN_IF_ERROR(reader.ExpectEnd());
  }
  return handles;
}

Status Swtpm::PersistInOwnerHierarchy(BytesView area, std::uint32_t handle) {
  constexpr std::uint32_t kOwner = 0x40000001;
  ByteWriter create;
  create.PutU16Be(4);  // TPM2B_SENSITIVE_CREATE: no password, no data
  create.PutU32Be(0);
  create.PutSized16Be(area);
  create.PutU16Be(0);  // outsideInfo
  create.PutU32Be(0);  // creationPCR
  ASSIGN_OR_RETURN(Bytes answer, MustAnswer(AuthorizedCommand(0x131, {kOwner}, create.bytes())));
  ByteReader reader(answer, Reason::kTpmUnavailable, "swtpm");
  ASSIGN_OR_RETURN(std::uint32_t object, reader.TakeU32Be());
  ByteWriter persistent;
  persistent.PutU32Be(handle);
  RETURN_IF_ERROR(MustCommand(AuthorizedCommand(0x120, {kOwner, object}, persistent.bytes())));
  ByteWriter flush;
  flush.PutU16Be(kNoSessions);
  flush.PutU32Be(14);
  flush.PutU32Be(0x165);
  flush.PutU32Be(object);
  return MustCommand(flush.bytes());
}

Status Swtpm::Clear() {
  return MustCommand(AuthorizedCommand(0x126, {kPlatform}, {}));
}

Status Swtpm::PowerCycleWithoutStartup() {
  if (!Succeeds({"swtpm_ioctl", "--unix", socket().string() + ".ctrl", "-i"}, folder_ / "log")) {
    return Failed("swtpm_ioctl");
  }
  return Ok();
}

Status Swtpm::Startup() {
  ByteWriter command;
  command.PutU16Be(kNoSessions);
  command.PutU32Be(12);
  command.PutU32Be(0x144);
  command.PutU16Be(0);  // TPM_SU_CLEAR
  return MustCommand(command.bytes());
}

Status Swtpm::PowerCycle() {
  RETURN_IF_ERROR(PowerCycleWithoutStartup());
  return Startup();
}

}  // namespace gatehouse::fakes
