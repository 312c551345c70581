#include "agent/tpm/esapi_device.h"

#include <algorithm>

#include "agent/tpm/connection.h"
#include "agent/tpm/endorsement.h"
#include "agent/tpm/key_store.h"
#include "agent/tpm/quote.h"
#include "agent/tpm/templates.h"
#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::agent {
namespace {

Result<Bytes> NameOf(const Connection& connection, ESYS_TR object) {
  Bytes bytes;
  RETURN_IF_ERROR(connection.Run("name the attestation key", [&](ESYS_CONTEXT* esys) {
    TPM2B_NAME* name = nullptr;
    TSS2_RC code = Esys_TR_GetName(esys, object, &name);
    EsysPtr<TPM2B_NAME> owner(name);
    if (code == TSS2_RC_SUCCESS) bytes = ToBytes(BytesView(name->name, name->size));
    return code;
  }));
  return bytes;
}

// The two halves of a key are of no use in this TPM: it was cleared or is another one (TPM_RC_INTEGRITY), or the halves
// are of two keys (TPM_RC_BINDING), which happens when a crash came between the writing of the two.
bool IsForeignKey(TSS2_RC code) {
  return IsTpmCode(code, TPM2_RC_INTEGRITY) || IsTpmCode(code, TPM2_RC_BINDING);
}

class EsapiDevice final : public TpmDevice {
 public:
  EsapiDevice(EsapiOptions options, Sleep sleep, telemetry::Logger& log)
      : options_(std::move(options)),
        sleep_(std::move(sleep)),
        log_(log),
        store_(options_.state_folder,
               "ak-" + std::string(Name(options_.ak)) + "-ek-" + std::string(Name(options_.ek))) {}
  ~EsapiDevice() override { Close(); }
  EsapiDevice(const EsapiDevice&) = delete;
  EsapiDevice& operator=(const EsapiDevice&) = delete;

  [[nodiscard]] Result<Bytes> AkName() override {
    RETURN_IF_ERROR(NeedAk());
    return ak_->name;
  }

  [[nodiscard]] Result<std::vector<HashAlgorithm>> PcrBanks() override {
    RETURN_IF_ERROR(NeedConnection());
    return ReadPcrBanks(*connection_);
  }

  [[nodiscard]] Result<TpmIdentity> ReadIdentity() override {
    RETURN_IF_ERROR(NeedAk());
    RETURN_IF_ERROR(NeedEk());
    ASSIGN_OR_RETURN(EndorsementCertificates certificates,
                     ReadEndorsementCertificates(*connection_, options_.ek, log_));
    return TpmIdentity{std::move(certificates.certificate), std::move(certificates.intermediates), ek_->public_area,
                       ak_->public_area};
  }

  [[nodiscard]] Result<Bytes> Activate(BytesView id_object, BytesView encrypted_secret) override;

  [[nodiscard]] Result<TpmQuote> Quote(BytesView nonce, const evidence::tpm::PcrSelections& selections) override {
    RETURN_IF_ERROR(NeedAk());
    return QuoteWithValues(*connection_, ak_->handle.get(), nonce, selections);
  }

  void Close() override {
    ak_.reset();
    ek_.reset();
    connection_.reset();
  }

 private:
  [[nodiscard]] Status NeedConnection() {
    if (connection_) return Ok();
    ASSIGN_OR_RETURN(connection_, Connection::Open(options_.tcti, sleep_, log_));
    return Ok();
  }
  [[nodiscard]] Status NeedEk() {
    RETURN_IF_ERROR(NeedConnection());
    if (ek_) return Ok();
    ASSIGN_OR_RETURN(ek_, LoadEndorsementKey(*connection_, options_.ek));
    return Ok();
  }
  [[nodiscard]] Status NeedAk();
  [[nodiscard]] bool LoadSaved();
  [[nodiscard]] Result<bool> LoadStored();
  [[nodiscard]] Status CreateAk();
  [[nodiscard]] Result<TSS2_RC> Load(const TPM2B_PUBLIC& public_half, const TPM2B_PRIVATE& private_half);
  void SaveContext();

  EsapiOptions options_;
  Sleep sleep_;
  telemetry::Logger& log_;
  KeyStore store_;
  std::unique_ptr<Connection> connection_;  // before what lives in it
  std::optional<LoadedKey> ek_;
  std::optional<LoadedKey> ak_;
  // The attestation key as TPM2_ContextSave gave it: loaded again without the endorsement key, which a slow TPM without
  // a persistent one needs many seconds to make. Of no use after a reset or clear; then the stored halves are.
  struct SavedContext {
    EsysPtr<TPMS_CONTEXT> context;
    Bytes public_area;
    Bytes name;
  };
  std::optional<SavedContext> saved_;
};

Status EsapiDevice::NeedAk() {
  RETURN_IF_ERROR(NeedConnection());
  if (ak_ || LoadSaved()) return Ok();
  RETURN_IF_ERROR(NeedEk());
  ASSIGN_OR_RETURN(bool loaded, LoadStored());
  if (!loaded) RETURN_IF_ERROR(CreateAk());
  SaveContext();
  return Ok();
}

bool EsapiDevice::LoadSaved() {
  if (!saved_) return false;
  ESYS_TR object = ESYS_TR_NONE;
  TSS2_RC code =
      connection_->Call([&](ESYS_CONTEXT* esys) { return Esys_ContextLoad(esys, saved_->context.get(), &object); });
  if (code != TSS2_RC_SUCCESS) {
    saved_.reset();
    return false;
  }
  ak_ = LoadedKey{Held::Transient(*connection_, object), saved_->public_area, saved_->name};
  return true;
}

void EsapiDevice::SaveContext() {
  TPMS_CONTEXT* context = nullptr;
  TSS2_RC code =
      connection_->Call([&](ESYS_CONTEXT* esys) { return Esys_ContextSave(esys, ak_->handle.get(), &context); });
  // Only a shortcut: without it the key is loaded from its halves each time.
  if (code == TSS2_RC_SUCCESS) saved_ = SavedContext{EsysPtr<TPMS_CONTEXT>(context), ak_->public_area, ak_->name};
}

// Sets ak_ if the answer is success. The error is for what is no answer to TPM2_Load.
Result<TSS2_RC> EsapiDevice::Load(const TPM2B_PUBLIC& public_half, const TPM2B_PRIVATE& private_half) {
  ASSIGN_OR_RETURN(Held session, AuthorizeEndorsementKey(*connection_));
  ESYS_TR object = ESYS_TR_NONE;
  TSS2_RC code = connection_->Call([&](ESYS_CONTEXT* esys) {
    return Esys_Load(esys, ek_->handle.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE, &private_half, &public_half,
                     &object);
  });
  if (code != TSS2_RC_SUCCESS) return code;
  Held held = Held::Transient(*connection_, object);
  ASSIGN_OR_RETURN(Bytes name, NameOf(*connection_, object));
  ASSIGN_OR_RETURN(Bytes area, Marshal(public_half.publicArea));
  ak_ = LoadedKey{std::move(held), std::move(area), std::move(name)};
  return code;
}

// Whether the stored key is loaded now; false if there is none that this TPM knows.
Result<bool> EsapiDevice::LoadStored() {
  ASSIGN_OR_RETURN(auto stored, store_.Load());
  if (!stored) return false;
  ASSIGN_OR_RETURN(TPM2B_PUBLIC public_half, UnmarshalPublic(stored->public_half, store_.public_path().string()));
  ASSIGN_OR_RETURN(TPM2B_PRIVATE private_half, UnmarshalPrivate(stored->private_half, store_.private_path().string()));
  ASSIGN_OR_RETURN(TSS2_RC code, Load(public_half, private_half));
  if (code == TSS2_RC_SUCCESS) return true;
  if (!IsForeignKey(code)) return TpmError("load the attestation key", code);
  log_.Warn(
      "the TPM does not know the stored attestation key: it was cleared or replaced; a new key will be made and "
      "enrolled",
      {{"file", store_.public_path().string()}});
  return false;
}

Status EsapiDevice::CreateAk() {
  EsysPtr<TPM2B_PRIVATE> private_half;
  EsysPtr<TPM2B_PUBLIC> public_half;
  {
    ASSIGN_OR_RETURN(Held session, AuthorizeEndorsementKey(*connection_));
    RETURN_IF_ERROR(connection_->Run("create the attestation key", [&](ESYS_CONTEXT* esys) {
      TPM2B_PUBLIC wanted = AttestationTemplate(options_.ak);
      TPM2B_SENSITIVE_CREATE sensitive{};
      TPM2B_DATA outside{};
      TPML_PCR_SELECTION no_pcrs{};
      TPM2B_PRIVATE* private_out = nullptr;
      TPM2B_PUBLIC* public_out = nullptr;
      TPM2B_CREATION_DATA* creation = nullptr;
      TPM2B_DIGEST* hash = nullptr;
      TPMT_TK_CREATION* ticket = nullptr;
      TSS2_RC code = Esys_Create(esys, ek_->handle.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                                 &wanted, &outside, &no_pcrs, &private_out, &public_out, &creation, &hash, &ticket);
      private_half.reset(private_out);
      public_half.reset(public_out);
      Esys_Free(creation);
      Esys_Free(hash);
      Esys_Free(ticket);
      return code;
    }));
  }
  ASSIGN_OR_RETURN(TSS2_RC code, Load(*public_half, *private_half));
  if (code != TSS2_RC_SUCCESS) return TpmError("load the new attestation key", code);
  ASSIGN_OR_RETURN(Bytes public_bytes, Marshal(*public_half));
  ASSIGN_OR_RETURN(Bytes private_bytes, Marshal(*private_half));
  if (auto saved = store_.Save({std::move(public_bytes), std::move(private_bytes)}); !saved.ok()) {
    ak_.reset();  // never a key that would be another one after the next start
    return saved;
  }
  log_.Info("a new attestation key was made",
            {{"akName", EncodeHex(ak_->name)}, {"file", store_.public_path().string()}});
  return Ok();
}

Result<Bytes> EsapiDevice::Activate(BytesView id_object, BytesView encrypted_secret) {
  RETURN_IF_ERROR(NeedAk());
  RETURN_IF_ERROR(NeedEk());
  TPM2B_ID_OBJECT blob{};
  TPM2B_ENCRYPTED_SECRET seed{};
  if (id_object.size() > sizeof(blob.credential) || encrypted_secret.size() > sizeof(seed.secret)) {
    return Error{Reason::kCredentialUnanswered, "tpm", "the credential is longer than any for a TPM"};
  }
  blob.size = static_cast<UINT16>(id_object.size());
  std::copy(id_object.begin(), id_object.end(), blob.credential);
  seed.size = static_cast<UINT16>(encrypted_secret.size());
  std::copy(encrypted_secret.begin(), encrypted_secret.end(), seed.secret);
  ASSIGN_OR_RETURN(Held session, AuthorizeEndorsementKey(*connection_));
  Bytes secret;
  TSS2_RC code = connection_->Call([&](ESYS_CONTEXT* esys) {
    TPM2B_DIGEST* out = nullptr;
    TSS2_RC answer = Esys_ActivateCredential(esys, ak_->handle.get(), ek_->handle.get(), ESYS_TR_PASSWORD,
                                             session.get(), ESYS_TR_NONE, &blob, &seed, &out);
    EsysPtr<TPM2B_DIGEST> owner(out);
    if (answer == TSS2_RC_SUCCESS) secret = ToBytes(BytesView(out->buffer, out->size));
    return answer;
  });
  if (code == TSS2_RC_SUCCESS) return secret;
  Error error = TpmError("activate the credential", code);
  // What the TPM says about the credential itself is an answer to its maker, not a fault of the TPM.
  for (TPM2_RC wrong :
       {TPM2_RC_INTEGRITY, TPM2_RC_VALUE, TPM2_RC_SIZE, TPM2_RC_INSUFFICIENT, TPM2_RC_ECC_POINT, TPM2_RC_FAILURE}) {
    if (IsTpmCode(code, wrong)) error.reason = Reason::kCredentialUnanswered;
  }
  return error;
}

}  // namespace

std::unique_ptr<TpmDevice> MakeEsapiDevice(EsapiOptions options, Sleep sleep, telemetry::Logger& log) {
  return std::make_unique<EsapiDevice>(std::move(options), std::move(sleep), log);
}

}  // namespace gatehouse::agent
