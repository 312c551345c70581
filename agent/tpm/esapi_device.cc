#include "agent/tpm/esapi_device.h"

#include <algorithm>
#include <iterator>

#include "agent/tpm/connection.h"
#include "agent/tpm/der_list.h"
#include "agent/tpm/endorsement.h"
#include "agent/tpm/key_store.h"
#include "agent/tpm/nv.h"
#include "agent/tpm/quote.h"
#include "agent/tpm/templates.h"
#include "common/base/encoding.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/codec/pem.h"

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
      : options_(std::move(options)), sleep_(std::move(sleep)), log_(log) {}
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
    ASSIGN_OR_RETURN(EndorsementCertificates certificates, ReadEndorsementCertificates(*connection_, *kind_, log_));
    TpmIdentity identity{std::move(certificates.certificate), std::move(certificates.intermediates), ek_->public_area,
                         ak_->public_area};
    RETURN_IF_ERROR(AddAkCertificate(identity));
    return identity;
  }

  [[nodiscard]] Result<Bytes> Activate(BytesView id_object, BytesView encrypted_secret) override;

  [[nodiscard]] Result<TpmQuote> Quote(BytesView nonce, const evidence::tpm::PcrSelections& selections) override {
    RETURN_IF_ERROR(NeedAk());
    return QuoteWithValues(*connection_, ak_->handle.get(), nonce, selections);
  }

  void Close() override {
    ak_.reset();
    ek_.reset();
    kind_.reset();
    connection_.reset();
  }

 private:
  [[nodiscard]] Status NeedConnection() {
    if (connection_) return Ok();
    ASSIGN_OR_RETURN(connection_, Connection::Open(options_.tcti, sleep_, log_, options_.observe));
    return Ok();
  }
  [[nodiscard]] Status NeedEk() {
    RETURN_IF_ERROR(NeedConnection());
    if (ek_) return Ok();
    RETURN_IF_ERROR(ChooseKind());
    ASSIGN_OR_RETURN(ek_, LoadEndorsementKey(*connection_, *kind_));
    return Ok();
  }
  [[nodiscard]] Status ChooseKind();
  [[nodiscard]] KeyStore StoreOf(EkKind kind) const {
    return {options_.state_folder, "ak-" + std::string(Name(options_.ak)) + "-ek-" + std::string(Name(kind))};
  }
  [[nodiscard]] Status AddAkCertificate(TpmIdentity& identity) const;
  [[nodiscard]] Status NeedGivenAk();
  [[nodiscard]] Status NeedAk();
  [[nodiscard]] bool LoadSaved();
  [[nodiscard]] Result<bool> LoadStored();
  [[nodiscard]] Status CreateAk();
  [[nodiscard]] Result<TSS2_RC> Load(const TPM2B_PUBLIC& public_half, const TPM2B_PRIVATE& private_half);
  void SaveContext();

  EsapiOptions options_;
  Sleep sleep_;
  telemetry::Logger& log_;
  std::unique_ptr<Connection> connection_;  // before what lives in it
  std::optional<EkKind> kind_;
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
  if (options_.given_ak.given()) return NeedGivenAk();
  RETURN_IF_ERROR(NeedEk());
  ASSIGN_OR_RETURN(bool loaded, LoadStored());
  if (!loaded) RETURN_IF_ERROR(CreateAk());
  SaveContext();
  return Ok();
}

Status EsapiDevice::NeedGivenAk() {
  if (options_.given_ak.handle) {
    ASSIGN_OR_RETURN(ak_, LoadGivenKey(*connection_, *options_.given_ak.handle));
    return Ok();
  }
  ASSIGN_OR_RETURN(ak_, CreateFromTemplate(*connection_, *options_.given_ak.template_index));
  SaveContext();
  return Ok();
}

// A stored attestation key decides between several certificates: the node stays the same TPM also when another
// certificate is written to it.
Status EsapiDevice::ChooseKind() {
  if (kind_) return Ok();
  if (options_.ek) {
    kind_ = options_.ek;
    return Ok();
  }
  ASSIGN_OR_RETURN(auto kinds, CertifiedEndorsementKeys(*connection_));
  for (EkKind kind : kinds) {
    ASSIGN_OR_RETURN(auto stored, StoreOf(kind).Load());
    if (stored) {
      kind_ = kind;
      return Ok();
    }
  }
  // Without a certificate, the key that every TPM can make.
  kind_ = kinds.empty() ? EkKind::kRsa2048 : kinds.front();
  return Ok();
}

Status EsapiDevice::AddAkCertificate(TpmIdentity& identity) const {
  const GivenAk& given = options_.given_ak;
  std::vector<Bytes> chain;
  if (given.certificate_index) {
    ASSIGN_OR_RETURN(Bytes content, ReadNv(*connection_, *given.certificate_index));
    ASSIGN_OR_RETURN(chain, SplitDer(content, "tpm: the attestation key's certificate"));
  } else if (given.certificate_file) {
    ASSIGN_OR_RETURN(Bytes content, ReadFile(*given.certificate_file, limits::kEkChainBytes));
    if (AsText(content).find("-----BEGIN") != std::string_view::npos) {
      ASSIGN_OR_RETURN(auto blocks, codec::ParsePem(AsText(content), Reason::kCertificateMalformed));
      for (auto& block : blocks) chain.push_back(std::move(block.der));
    } else {
      ASSIGN_OR_RETURN(chain, SplitDer(content, given.certificate_file->string()));
    }
  } else {
    return Ok();
  }
  if (chain.empty()) {
    return Error{Reason::kCertificateMalformed, "tpm.akCertificate", "there is no certificate where it should be"};
  }
  identity.ak_certificate = std::move(chain.front());
  identity.ek_intermediates.insert(identity.ek_intermediates.end(), std::make_move_iterator(chain.begin() + 1),
                                   std::make_move_iterator(chain.end()));
  if (identity.ek_intermediates.size() > limits::kChainCertificates) {
    identity.ek_intermediates.resize(limits::kChainCertificates);
  }
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
  ASSIGN_OR_RETURN(Authorization session, AuthorizeEndorsementKey(*connection_, *kind_));
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
  KeyStore store = StoreOf(*kind_);
  ASSIGN_OR_RETURN(auto stored, store.Load());
  if (!stored) return false;
  ASSIGN_OR_RETURN(TPM2B_PUBLIC public_half, UnmarshalPublic(stored->public_half, store.public_path().string()));
  ASSIGN_OR_RETURN(TPM2B_PRIVATE private_half, UnmarshalPrivate(stored->private_half, store.private_path().string()));
  ASSIGN_OR_RETURN(TSS2_RC code, Load(public_half, private_half));
  if (code == TSS2_RC_SUCCESS) return true;
  if (!IsForeignKey(code)) return TpmError("load the attestation key", code);
  log_.Warn(
      "the TPM does not know the stored attestation key: it was cleared or replaced; a new key will be made and "
      "enrolled",
      {{"file", store.public_path().string()}});
  return false;
}

Status EsapiDevice::CreateAk() {
  EsysPtr<TPM2B_PRIVATE> private_half;
  EsysPtr<TPM2B_PUBLIC> public_half;
  {
    ASSIGN_OR_RETURN(Authorization session, AuthorizeEndorsementKey(*connection_, *kind_));
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
  KeyStore store = StoreOf(*kind_);
  if (auto saved = store.Save({std::move(public_bytes), std::move(private_bytes)}); !saved.ok()) {
    ak_.reset();  // never a key that would be another one after the next start
    return saved;
  }
  log_.Info("a new attestation key was made",
            {{"akName", EncodeHex(ak_->name)}, {"file", store.public_path().string()}});
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
  ASSIGN_OR_RETURN(Authorization session, AuthorizeEndorsementKey(*connection_, *kind_));
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
