#include "agent/tpm/connection.h"

#include <tss2/tss2_rc.h>

#include <algorithm>
#include <array>
#include <utility>

#include "agent/tpm/retry.h"

namespace gatehouse::agent {
namespace {

// An endorsement key, an attestation key, and the place that TPM2_Create needs for a moment.
constexpr std::uint32_t kObjectsNeeded = 3;
constexpr std::uint32_t kSessionsNeeded = 1;
constexpr std::uint32_t kHandlesListed = 64;
// TPM_HT_POLICY_SESSION: asked for TPM_HT_LOADED_SESSION, a TPM lists HMAC and policy sessions, each by its own handle.
constexpr TPM2_HANDLE kLastSession = 0x03FFFFFF;

}  // namespace

Error TpmError(std::string_view what, TSS2_RC code) {
  return {Reason::kTpmUnavailable, "tpm", std::string(what) + ": " + Tss2_RC_Decode(code)};
}

bool IsTpmCode(TSS2_RC code, TPM2_RC wanted) {
  TSS2_RC layer = code & TSS2_RC_LAYER_MASK;
  if (layer != TSS2_TPM_RC_LAYER && layer != TSS2_RESMGR_TPM_RC_LAYER) return false;
  TPM2_RC tpm_code = code & 0xFFFF;
  bool format_one = (tpm_code & TPM2_RC_FMT1) != 0;
  return (format_one ? tpm_code & (TPM2_RC_FMT1 | 0x3F) : tpm_code) == wanted;
}

Result<std::unique_ptr<Connection>> Connection::Open(const std::string& tcti, Sleep sleep, telemetry::Logger& log,
                                                     Observe observe) {
  std::unique_ptr<Connection> connection(new Connection(std::move(sleep), log, std::move(observe)));
  TSS2_RC code = Tss2_TctiLdr_Initialize(tcti.c_str(), &connection->tcti_);
  if (code != TSS2_RC_SUCCESS) return TpmError("cannot connect to " + tcti, code);
  code = Esys_Initialize(&connection->esys_, connection->tcti_, nullptr);
  if (code != TSS2_RC_SUCCESS) return TpmError("cannot use " + tcti, code);
  RETURN_IF_ERROR(connection->MakeRoom());
  return connection;
}

Connection::~Connection() {
  if (esys_ != nullptr) Esys_Finalize(&esys_);
  if (tcti_ != nullptr) Tss2_TctiLdr_Finalize(&tcti_);
}

TSS2_RC Connection::Call(const std::function<TSS2_RC(ESYS_CONTEXT*)>& command, std::string_view kind) const {
  TSS2_RC code = TSS2_RC_SUCCESS;
  auto call = [&] { code = CallWhileBusy([&] { return command(esys_); }, sleep_); };
  if (observe_) {
    observe_(kind, call);
  } else {
    call();
  }
  return code;
}

Status Connection::Run(std::string_view what, const std::function<TSS2_RC(ESYS_CONTEXT*)>& command,
                       std::string_view kind) const {
  TSS2_RC code = Call(command, kind);
  if (code != TSS2_RC_SUCCESS) return TpmError(what, code);
  return Ok();
}

Result<std::vector<TPM2_HANDLE>> Connection::Handles(TPM2_HANDLE first, TPM2_HANDLE last, std::uint32_t max) const {
  EsysPtr<TPMS_CAPABILITY_DATA> capability;
  RETURN_IF_ERROR(Run("list handles", [&](ESYS_CONTEXT* esys) {
    TPMS_CAPABILITY_DATA* data = nullptr;
    TPMI_YES_NO more = TPM2_NO;
    TSS2_RC code =
        Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, first, max, &more, &data);
    capability.reset(data);
    return code;
  }));
  const TPML_HANDLE& list = capability->data.handles;
  std::vector<TPM2_HANDLE> handles;
  for (std::uint32_t i = 0; i < list.count && i < TPM2_MAX_CAP_HANDLES && handles.size() < max; ++i) {
    // The TPM goes on to the end of the handle type.
    if (list.handle[i] >= first && list.handle[i] <= last) handles.push_back(list.handle[i]);
  }
  return handles;
}

Result<std::uint32_t> Connection::Property(TPM2_PT property) const {
  EsysPtr<TPMS_CAPABILITY_DATA> capability;
  RETURN_IF_ERROR(Run("read a property", [&](ESYS_CONTEXT* esys) {
    TPMS_CAPABILITY_DATA* data = nullptr;
    TPMI_YES_NO more = TPM2_NO;
    TSS2_RC code = Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES, property,
                                      1, &more, &data);
    capability.reset(data);
    return code;
  }));
  const TPML_TAGGED_TPM_PROPERTY& list = capability->data.tpmProperties;
  if (list.count == 0 || list.tpmProperty[0].property != property) {
    return Error{Reason::kTpmUnavailable, "tpm", "the TPM does not tell property " + std::to_string(property)};
  }
  return list.tpmProperty[0].value;
}

Result<bool> Connection::HasRoom() const {
  ASSIGN_OR_RETURN(std::uint32_t objects, Property(TPM2_PT_HR_TRANSIENT_AVAIL));
  ASSIGN_OR_RETURN(std::uint32_t sessions, Property(TPM2_PT_HR_LOADED_AVAIL));
  return objects >= kObjectsNeeded && sessions >= kSessionsNeeded;
}

// A TPM without a resource manager has three places for objects, and whoever is killed while he uses them leaves them
// taken: without this the TPM would be of no use until the next boot. Others who are alive need their places for a
// moment only, so we wait; what is still there then belongs to nobody. Behind a resource manager there is always room,
// and only our own handles are listed: none yet.
Status Connection::MakeRoom() const {
  Result<bool> room = false;
  static_cast<void>(CallWhileBusy(
      [&] {
        room = HasRoom();
        return room.ok() && !*room ? TPM2_RC_RETRY : TPM2_RC_SUCCESS;
      },
      sleep_));
  if (!room.ok()) return std::move(room).error();
  if (*room) return Ok();
  ASSIGN_OR_RETURN(auto leftovers, Handles(TPM2_TRANSIENT_FIRST, TPM2_TRANSIENT_LAST, kHandlesListed));
  ASSIGN_OR_RETURN(auto sessions, Handles(TPM2_LOADED_SESSION_FIRST, kLastSession, kHandlesListed));
  leftovers.insert(leftovers.end(), sessions.begin(), sessions.end());
  for (TPM2_HANDLE handle : leftovers) RETURN_IF_ERROR(Flush(handle));
  if (!leftovers.empty()) {
    log_.Warn("flushed what a program that ended early had left in the TPM",
              {{"handles", std::to_string(leftovers.size())}});
  }
  return Ok();
}

// TPM2_FlushContext of a handle that ESAPI does not know. Not by Esys_TR_FromTPMPublic: it asks for a public area,
// which a hash sequence does not have.
Status Connection::Flush(TPM2_HANDLE handle) const {
  ByteWriter command;
  command.PutU16Be(TPM2_ST_NO_SESSIONS);
  command.PutU32Be(14);
  command.PutU32Be(TPM2_CC_FlushContext);
  command.PutU32Be(handle);
  auto* functions = reinterpret_cast<TSS2_TCTI_CONTEXT_COMMON_V1*>(tcti_);
  TSS2_RC code = functions->transmit(tcti_, command.bytes().size(), command.bytes().data());
  std::array<std::uint8_t, TPM2_MAX_RESPONSE_SIZE> response{};
  std::size_t size = response.size();
  if (code == TSS2_RC_SUCCESS) code = functions->receive(tcti_, &size, response.data(), TSS2_TCTI_TIMEOUT_BLOCK);
  if (code != TSS2_RC_SUCCESS) return TpmError("flush a leftover", code);
  ByteReader reader(BytesView(response).first(std::min(size, response.size())), Reason::kTpmUnavailable, "tpm");
  RETURN_IF_ERROR(reader.Take(6));
  ASSIGN_OR_RETURN(std::uint32_t answer, reader.TakeU32Be());
  if (answer != TPM2_RC_SUCCESS) return TpmError("flush a leftover", answer);
  return Ok();
}

Held& Held::operator=(Held&& other) noexcept {
  if (this != &other) {
    Release();
    connection_ = other.connection_;
    handle_ = std::exchange(other.handle_, ESYS_TR_NONE);
    flush_ = other.flush_;
  }
  return *this;
}

void Held::Release() {
  if (handle_ == ESYS_TR_NONE) return;
  ESYS_TR handle = std::exchange(handle_, ESYS_TR_NONE);
  bool flush = flush_;
  // Nobody could do anything about a failure: the TPM was reset and has forgotten the handle, or the connection is
  // gone.
  static_cast<void>(connection_->Call(
      [&](ESYS_CONTEXT* esys) { return flush ? Esys_FlushContext(esys, handle) : Esys_TR_Close(esys, &handle); }));
}

}  // namespace gatehouse::agent
