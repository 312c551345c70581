// A TPM 2.0 of our own: a swtpm process on a temporary folder and a unix socket, manufactured by swtpm_setup with an
// endorsement key certificate from a CA of its own. The process ends with the object, at the latest with the test
// program.
//
// It is a raw TPM, without a resource manager: one client at a time (a second one waits), three transient objects, and
// nothing is flushed when a client goes.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/types.h"

namespace gatehouse::fakes {

// A stream of TPM messages: commands and responses both have their length in bytes 2 to 5.
[[nodiscard]] int ConnectUnix(const std::filesystem::path& path);  // -1 if nobody listens
[[nodiscard]] bool SendTpmMessage(int fd, BytesView message);
[[nodiscard]] std::optional<Bytes> ReceiveTpmMessage(int fd);  // nothing at the end of the stream

class Swtpm {
 public:
  struct Options {
    std::string banks = "sha1,sha256,sha384";  // the PCR banks that are allocated
  };

  // Whether swtpm, swtpm_setup and swtpm_ioctl are installed. Tests skip otherwise.
  [[nodiscard]] static bool Available();
  // A TPM that has just been started (TPM2_Startup done). It has RSA 2048 and ECC P-384 endorsement keys at 0x81010001
  // and 0x81010016, and their certificates in NV 0x01C00002 and 0x01C00016. Errors: kTpmUnavailable, with the end of
  // what the tools said.
  [[nodiscard]] static Result<std::unique_ptr<Swtpm>> Start(const Options& options);
  [[nodiscard]] static Result<std::unique_ptr<Swtpm>> Start() { return Start(Options()); }

  ~Swtpm();
  Swtpm(const Swtpm&) = delete;
  Swtpm& operator=(const Swtpm&) = delete;

  [[nodiscard]] std::string tcti() const { return "swtpm:path=" + socket().string(); }
  [[nodiscard]] std::filesystem::path socket() const { return folder_ / "s"; }
  // A scratch folder that goes away with the TPM.
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  // PEM of the CA: root → issuer → EK certificate. The TPM holds neither.
  [[nodiscard]] std::string root_pem() const;
  [[nodiscard]] std::string issuer_pem() const;

  // One command to the TPM and its response, in TPM form. Waits while another client is connected. Errors:
  // kTpmUnavailable.
  [[nodiscard]] Result<Bytes> Command(BytesView command);
  // A command that must answer TPM_RC_SUCCESS.
  [[nodiscard]] Status MustCommand(BytesView command);
  // The parameters of its response.
  [[nodiscard]] Result<Bytes> MustAnswer(BytesView command);
  // TPM2_PCR_Extend, one digest for each allocated bank that is to be extended.
  [[nodiscard]] Status Extend(unsigned pcr, const std::map<HashAlgorithm, Bytes>& digests);
  [[nodiscard]] static Bytes ExtendCommand(unsigned pcr, const std::map<HashAlgorithm, Bytes>& digests);
  // A new NV index of the platform's, readable by everybody, as manufacturers define those of certificates.
  [[nodiscard]] Status WriteNv(std::uint32_t index, BytesView content);
  // Handles of loaded transient objects and sessions: what a client without a resource manager has left behind.
  [[nodiscard]] Result<std::vector<std::uint32_t>> LoadedHandles();
  // A primary key with the public area `area` (TPMT_PUBLIC), in the owner's hierarchy, made persistent at `handle`.
  [[nodiscard]] Status PersistInOwnerHierarchy(BytesView area, std::uint32_t handle);
  // TPM2_Clear: a new storage hierarchy and no persistent objects; the endorsement keys and platform's NV indices stay.
  [[nodiscard]] Status Clear();

  // Off and on again, without TPM2_Shutdown: resetCount grows. The PCRs are as after TPM2_Startup(CLEAR).
  [[nodiscard]] Status PowerCycle();
  // The same, but nobody sends TPM2_Startup: every other command answers TPM_RC_INITIALIZE.
  [[nodiscard]] Status PowerCycleWithoutStartup();
  [[nodiscard]] Status Startup();
  // Another TPM on the same socket, by the same manufacturer (CA).
  [[nodiscard]] Status Manufacture();
  // The process ends; its socket refuses. Run() starts the same TPM again.
  void Kill();
  [[nodiscard]] Status Run();

 private:
  Swtpm(Options options, std::filesystem::path folder) : options_(std::move(options)), folder_(std::move(folder)) {}
  [[nodiscard]] Status WriteSetup() const;
  [[nodiscard]] Error Failed(const std::string& what) const;

  Options options_;
  std::filesystem::path folder_;
  pid_t pid_ = -1;
};

}  // namespace gatehouse::fakes
