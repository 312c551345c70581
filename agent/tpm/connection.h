// One connection to a TPM and what lives in the TPM during it. Internal to this room: includes tss2.
#pragma once

#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/tpm/esapi_device.h"

namespace gatehouse::agent {

struct EsysDeleter {
  void operator()(void* pointer) const { Esys_Free(pointer); }
};
template <typename T>
using EsysPtr = std::unique_ptr<T, EsysDeleter>;

[[nodiscard]] Error TpmError(std::string_view what, TSS2_RC code);
// Format-one codes carry the number of the handle, session or parameter at fault (Part 2, response codes); this is the
// code without it.
[[nodiscard]] bool IsTpmCode(TSS2_RC code, TPM2_RC wanted);

inline constexpr std::string_view kQuoteCommand = "quote";
inline constexpr std::string_view kOtherCommand = "other";

class Connection {
 public:
  // Errors: kTpmUnavailable.
  [[nodiscard]] static Result<std::unique_ptr<Connection>> Open(const std::string& tcti, Sleep sleep,
                                                                telemetry::Logger& log, Observe observe = nullptr);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Sends a command, again while the TPM is busy. `kind` is for the metrics.
  [[nodiscard]] TSS2_RC Call(const std::function<TSS2_RC(ESYS_CONTEXT*)>& command,
                             std::string_view kind = kOtherCommand) const;
  // The same, with an error that says what was tried.
  [[nodiscard]] Status Run(std::string_view what, const std::function<TSS2_RC(ESYS_CONTEXT*)>& command,
                           std::string_view kind = kOtherCommand) const;
  // Handles from `first` to `last` that exist, ascending, at most `max` of them.
  [[nodiscard]] Result<std::vector<TPM2_HANDLE>> Handles(TPM2_HANDLE first, TPM2_HANDLE last, std::uint32_t max) const;
  [[nodiscard]] Result<std::uint32_t> Property(TPM2_PT property) const;

 private:
  Connection(Sleep sleep, telemetry::Logger& log, Observe observe)
      : sleep_(std::move(sleep)), log_(log), observe_(std::move(observe)) {}
  [[nodiscard]] Result<bool> HasRoom() const;
  [[nodiscard]] Status MakeRoom() const;
  [[nodiscard]] Status Flush(TPM2_HANDLE handle) const;

  Sleep sleep_;
  telemetry::Logger& log_;
  Observe observe_;
  TSS2_TCTI_CONTEXT* tcti_ = nullptr;
  ESYS_CONTEXT* esys_ = nullptr;
};

// A handle that is given back in every case: a transient object or session is flushed, a persistent object or NV index
// only forgotten.
class Held {
 public:
  Held() = default;
  // Takes over `handle`. The connection must outlive this.
  [[nodiscard]] static Held Transient(const Connection& connection, ESYS_TR handle) {
    return {&connection, handle, true};
  }
  [[nodiscard]] static Held Persistent(const Connection& connection, ESYS_TR handle) {
    return {&connection, handle, false};
  }
  ~Held() { Release(); }
  Held(Held&& other) noexcept : connection_(other.connection_), handle_(other.handle_), flush_(other.flush_) {
    other.handle_ = ESYS_TR_NONE;
  }
  Held& operator=(Held&& other) noexcept;

  [[nodiscard]] ESYS_TR get() const { return handle_; }
  void Release();

 private:
  Held(const Connection* connection, ESYS_TR handle, bool flush)
      : connection_(connection), handle_(handle), flush_(flush) {}
  const Connection* connection_ = nullptr;
  ESYS_TR handle_ = ESYS_TR_NONE;
  bool flush_ = false;
};

}  // namespace gatehouse::agent
