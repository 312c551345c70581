// Between an agent and its software TPM: answers in the TPM's place, or sends the TPM more than the agent did.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "tests/fakes/swtpm.h"

namespace gatehouse::agent {

class TpmProxy {
 public:
  // What the agent gets for the n-th command (from 1) with this code, in place of the TPM's answer.
  using Answer = std::function<std::optional<Bytes>(std::uint32_t code, int n)>;
  // What the TPM gets after the n-th command with this code, before the agent has its answer.
  using Extra = std::function<std::optional<Bytes>(std::uint32_t code, int n)>;

  TpmProxy(const fakes::Swtpm& tpm, Answer answer, Extra extra);
  ~TpmProxy();
  TpmProxy(const TpmProxy&) = delete;
  TpmProxy& operator=(const TpmProxy&) = delete;

  [[nodiscard]] std::string tcti() const { return "swtpm:path=" + path_.string(); }
  [[nodiscard]] int CountOf(std::uint32_t code);
  // A response that holds nothing but a code.
  [[nodiscard]] static Bytes Code(std::uint32_t code);

 private:
  void Serve();
  void ServeClient(int client);

  std::filesystem::path upstream_;
  std::filesystem::path path_;
  Answer answer_;
  Extra extra_;
  int listener_ = -1;
  std::mutex mutex_;
  std::map<std::uint32_t, int> counts_;
  std::thread thread_;
};

inline constexpr std::uint32_t kCcQuote = 0x158;
inline constexpr std::uint32_t kCcLoad = 0x157;
inline constexpr std::uint32_t kCcCreatePrimary = 0x131;
inline constexpr std::uint32_t kCcPcrRead = 0x17E;
inline constexpr std::uint32_t kCcContextLoad = 0x161;

}  // namespace gatehouse::agent
