#include "agent/tpm/endorsement.h"

#include <algorithm>

#include "agent/tpm/der_list.h"
#include "agent/tpm/nv.h"
#include "agent/tpm/templates.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"

namespace gatehouse::agent {
namespace {

// Where the TCG's "Registry of Reserved TPM 2.0 Handles and Localities" puts endorsement keys.
constexpr TPM2_HANDLE kFirstEkHandle = 0x81010000;
constexpr TPM2_HANDLE kLastEkHandle = 0x810100FF;
constexpr std::uint32_t kMostEkHandles = 16;
// NV indices of the EK Credential Profile: certificates of all templates, and the certificate chain.
constexpr TPM2_HANDLE kFirstCertificate = 0x01C00002;
constexpr TPM2_HANDLE kLastCertificate = 0x01C0001F;
constexpr TPM2_HANDLE kFirstChain = 0x01C00100;
constexpr TPM2_HANDLE kLastChain = 0x01C001FF;
constexpr std::uint32_t kMostChainIndices = 64;
constexpr std::uint32_t kMostCertificates = 32;

Bytes NameOf(const TPM2B_NAME& name) {
  return ToBytes(BytesView(name.name, std::min<std::size_t>(name.size, sizeof(name.name))));
}

// Part 1 section 16 "Names": the qualified name of a primary key is nameAlg ‖ H(handle of its hierarchy ‖ its name). So
// a key is known to be of the endorsement hierarchy, whose seed the manufacturer's certificate is for.
bool IsInEndorsementHierarchy(BytesView name, BytesView qualified_name) {
  ByteReader reader(name, Reason::kTpmUnavailable, "name");
  auto algorithm = reader.TakeU16Be();
  auto hash = algorithm.ok() ? evidence::tpm::HashFromAlgId(*algorithm) : std::nullopt;
  if (!hash) return false;
  ByteWriter hashed;
  hashed.PutU32Be(TPM2_RH_ENDORSEMENT);
  hashed.Put(name);
  ByteWriter expected;
  expected.PutU16Be(*algorithm);
  expected.Put(crypto::Hash(*hash, hashed.bytes()));
  return expected.bytes() == ToBytes(qualified_name);
}

struct PersistentKey {
  LoadedKey key;
  EsysPtr<TPM2B_PUBLIC> area;
  Bytes qualified_name;
};

Result<PersistentKey> ReadPersistent(const Connection& connection, TPM2_HANDLE handle, std::string_view what) {
  ESYS_TR object = ESYS_TR_NONE;
  RETURN_IF_ERROR(connection.Run(what, [&](ESYS_CONTEXT* esys) {
    return Esys_TR_FromTPMPublic(esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &object);
  }));
  Held held = Held::Persistent(connection, object);
  EsysPtr<TPM2B_PUBLIC> area;
  EsysPtr<TPM2B_NAME> name;
  EsysPtr<TPM2B_NAME> qualified;
  RETURN_IF_ERROR(connection.Run(what, [&](ESYS_CONTEXT* esys) {
    TPM2B_PUBLIC* area_out = nullptr;
    TPM2B_NAME* name_out = nullptr;
    TPM2B_NAME* qualified_out = nullptr;
    TSS2_RC code =
        Esys_ReadPublic(esys, object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &area_out, &name_out, &qualified_out);
    area.reset(area_out);
    name.reset(name_out);
    qualified.reset(qualified_out);
    return code;
  }));
  ASSIGN_OR_RETURN(Bytes area_bytes, Marshal(area->publicArea));
  return PersistentKey{LoadedKey{std::move(held), std::move(area_bytes), NameOf(*name)}, std::move(area),
                       NameOf(*qualified)};
}

// The key at `handle` if it is the endorsement key that `wanted` makes.
Result<std::optional<LoadedKey>> TryPersistent(const Connection& connection, TPM2_HANDLE handle,
                                               const TPM2B_PUBLIC& wanted) {
  ASSIGN_OR_RETURN(PersistentKey found, ReadPersistent(connection, handle, "read a persistent key"));
  if (!IsMadeFrom(*found.area, wanted) || !IsInEndorsementHierarchy(found.key.name, found.qualified_name)) {
    return std::optional<LoadedKey>();
  }
  return std::optional<LoadedKey>(std::move(found.key));
}

Result<LoadedKey> CreatePrimary(const Connection& connection, const TPM2B_PUBLIC& wanted, std::string_view what) {
  ESYS_TR object = ESYS_TR_NONE;
  EsysPtr<TPM2B_PUBLIC> area;
  RETURN_IF_ERROR(connection.Run(what, [&](ESYS_CONTEXT* esys) {
    TPM2B_SENSITIVE_CREATE sensitive{};
    TPM2B_DATA outside{};
    TPML_PCR_SELECTION no_pcrs{};
    TPM2B_PUBLIC* area_out = nullptr;
    TPM2B_CREATION_DATA* creation = nullptr;
    TPM2B_DIGEST* hash = nullptr;
    TPMT_TK_CREATION* ticket = nullptr;
    TSS2_RC code =
        Esys_CreatePrimary(esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                           &wanted, &outside, &no_pcrs, &object, &area_out, &creation, &hash, &ticket);
    area.reset(area_out);
    Esys_Free(creation);
    Esys_Free(hash);
    Esys_Free(ticket);
    return code;
  }));
  Held held = Held::Transient(connection, object);
  EsysPtr<TPM2B_NAME> name;
  RETURN_IF_ERROR(connection.Run(what, [&](ESYS_CONTEXT* esys) {
    TPM2B_NAME* name_out = nullptr;
    TSS2_RC code = Esys_TR_GetName(esys, object, &name_out);
    name.reset(name_out);
    return code;
  }));
  ASSIGN_OR_RETURN(Bytes area_bytes, Marshal(area->publicArea));
  return LoadedKey{std::move(held), std::move(area_bytes), NameOf(*name)};
}

// EK Credential Profile, certificate chains: the chain may be split over several indices; their contents, in the order
// of their handles, are one list.
Result<std::vector<Bytes>> ReadChain(const Connection& connection) {
  ASSIGN_OR_RETURN(auto indices, connection.Handles(kFirstChain, kLastChain, kMostChainIndices));
  Bytes all;
  for (TPM2_HANDLE index : indices) {
    ASSIGN_OR_RETURN(Bytes content, ReadNv(connection, index));
    if (content.size() > limits::kEkChainBytes - all.size()) {
      return Error{Reason::kLimitExceeded, "tpm", "more than " + std::to_string(limits::kEkChainBytes) + " bytes"};
    }
    Append(all, content);
  }
  return SplitDer(all, "tpm: NV 0x01C00100 to 0x01C001FF");
}

}  // namespace

Result<LoadedKey> LoadEndorsementKey(const Connection& connection, EkKind kind) {
  TPM2B_PUBLIC wanted = EndorsementTemplate(kind);
  ASSIGN_OR_RETURN(auto handles, connection.Handles(kFirstEkHandle, kLastEkHandle, kMostEkHandles));
  for (TPM2_HANDLE handle : handles) {
    ASSIGN_OR_RETURN(auto key, TryPersistent(connection, handle, wanted));
    if (key) return std::move(*key);
  }
  return CreatePrimary(connection, wanted, "create the endorsement key");
}

Result<LoadedKey> LoadGivenKey(const Connection& connection, TPM2_HANDLE handle) {
  ASSIGN_OR_RETURN(PersistentKey found, ReadPersistent(connection, handle, "find the attestation key of tpm.akHandle"));
  return std::move(found.key);
}

Result<LoadedKey> CreateFromTemplate(const Connection& connection, TPM2_HANDLE index) {
  ASSIGN_OR_RETURN(Bytes content, ReadNv(connection, index));
  ASSIGN_OR_RETURN(TPM2B_PUBLIC wanted, UnmarshalTemplate(content, "tpm: the template of tpm.akTemplate"));
  return CreatePrimary(connection, wanted, "create the attestation key of tpm.akTemplate");
}

Result<std::vector<EkKind>> CertifiedEndorsementKeys(const Connection& connection) {
  ASSIGN_OR_RETURN(auto indices, connection.Handles(kFirstCertificate, kLastCertificate, kMostCertificates));
  std::vector<EkKind> kinds;
  for (EkKind kind : kEkKinds) {
    if (std::find(indices.begin(), indices.end(), CertificateIndex(kind)) != indices.end()) kinds.push_back(kind);
  }
  return kinds;
}

Result<Authorization> AuthorizeEndorsementKey(const Connection& connection, EkKind kind) {
  // High range: userWithAuth is set and the password is empty (EK Credential Profile, appendix B.4).
  if (IsHighRange(kind)) return Authorization();
  ESYS_TR session = ESYS_TR_NONE;
  RETURN_IF_ERROR(connection.Run("start a policy session", [&](ESYS_CONTEXT* esys) {
    TPMT_SYM_DEF symmetric{};
    symmetric.algorithm = TPM2_ALG_NULL;
    return Esys_StartAuthSession(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, nullptr,
                                 TPM2_SE_POLICY, &symmetric, TPM2_ALG_SHA256, &session);
  }));
  Held held = Held::Transient(connection, session);
  RETURN_IF_ERROR(connection.Run("keep the policy session", [&](ESYS_CONTEXT* esys) {
    // With continueSession the session ends where ours ends, in success and failure alike.
    return Esys_TRSess_SetAttributes(esys, session, TPMA_SESSION_CONTINUESESSION, TPMA_SESSION_CONTINUESESSION);
  }));
  RETURN_IF_ERROR(connection.Run("authorize the use of the endorsement key", [&](ESYS_CONTEXT* esys) {
    TPM2B_NONCE no_nonce{};
    TPM2B_DIGEST no_digest{};
    TPM2B_NONCE no_reference{};
    TPM2B_TIMEOUT* timeout = nullptr;
    TPMT_TK_AUTH* ticket = nullptr;
    TSS2_RC code = Esys_PolicySecret(esys, ESYS_TR_RH_ENDORSEMENT, session, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                     ESYS_TR_NONE, &no_nonce, &no_digest, &no_reference, 0, &timeout, &ticket);
    Esys_Free(timeout);
    Esys_Free(ticket);
    return code;
  }));
  return Authorization(std::move(held));
}

Result<EndorsementCertificates> ReadEndorsementCertificates(const Connection& connection, EkKind kind,
                                                            telemetry::Logger& log) {
  TPM2_HANDLE index = CertificateIndex(kind);
  EndorsementCertificates certificates;
  ASSIGN_OR_RETURN(auto present, connection.Handles(index, index, 1));
  if (!present.empty()) {
    ASSIGN_OR_RETURN(Bytes content, ReadNv(connection, index));
    ASSIGN_OR_RETURN(auto list, SplitDer(content, "tpm: the endorsement key's certificate"));
    if (list.size() > 1) {
      return Error{Reason::kCertificateMalformed, "tpm", "the NV index of one endorsement certificate holds several"};
    }
    if (!list.empty()) certificates.certificate = std::move(list.front());
  }
  auto chain = ReadChain(connection);
  if (chain.ok()) {
    certificates.intermediates = std::move(*chain);
  } else {
    log.Failure(telemetry::Level::kWarn, "the TPM's certificate chain is left out", chain.error());
  }
  return certificates;
}

}  // namespace gatehouse::agent
