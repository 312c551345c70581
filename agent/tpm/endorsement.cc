#include "agent/tpm/endorsement.h"

#include <algorithm>

#include "agent/tpm/der_list.h"
#include "agent/tpm/templates.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"

namespace gatehouse::agent {
namespace {

// Where the TCG's "Registry of Reserved TPM 2.0 Handles and Localities" puts endorsement keys.
constexpr TPM2_HANDLE kFirstEkHandle = 0x81010000;
constexpr TPM2_HANDLE kLastEkHandle = 0x810100FF;
constexpr std::uint32_t kMostEkHandles = 16;
// NV indices of the EK Credential Profile: certificates of the two templates, and the certificate chain.
constexpr TPM2_HANDLE kRsaCertificate = 0x01C00002;
constexpr TPM2_HANDLE kEccCertificate = 0x01C0000A;
constexpr TPM2_HANDLE kFirstChain = 0x01C00100;
constexpr TPM2_HANDLE kLastChain = 0x01C001FF;
constexpr std::uint32_t kMostChainIndices = 64;
constexpr std::uint32_t kDefaultNvBuffer = 512;

Bytes NameOf(const TPM2B_NAME& name) {
  return ToBytes(BytesView(name.name, std::min<std::size_t>(name.size, sizeof(name.name))));
}

// Part 1 section 16 "Names": the qualified name of a primary key is nameAlg ‖ H(handle of its hierarchy ‖ its name). So
// a key is known to be of the endorsement hierarchy, whose seed the manufacturer's certificate is for.
bool IsInEndorsementHierarchy(BytesView name, BytesView qualified_name) {
  ByteWriter hashed;
  hashed.PutU32Be(TPM2_RH_ENDORSEMENT);
  hashed.Put(name);
  ByteWriter expected;
  expected.PutU16Be(TPM2_ALG_SHA256);
  expected.Put(crypto::Hash(HashAlgorithm::kSha256, hashed.bytes()));
  return expected.bytes() == ToBytes(qualified_name);
}

// The key at `handle` if it is the endorsement key that `wanted` makes.
Result<std::optional<LoadedKey>> TryPersistent(const Connection& connection, TPM2_HANDLE handle,
                                               const TPM2B_PUBLIC& wanted) {
  ESYS_TR object = ESYS_TR_NONE;
  RETURN_IF_ERROR(connection.Run("read a persistent key", [&](ESYS_CONTEXT* esys) {
    return Esys_TR_FromTPMPublic(esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &object);
  }));
  Held held = Held::Persistent(connection, object);
  EsysPtr<TPM2B_PUBLIC> area;
  EsysPtr<TPM2B_NAME> name;
  EsysPtr<TPM2B_NAME> qualified;
  RETURN_IF_ERROR(connection.Run("read a persistent key", [&](ESYS_CONTEXT* esys) {
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
  Bytes name_bytes = NameOf(*name);
  if (!IsMadeFrom(*area, wanted) || !IsInEndorsementHierarchy(name_bytes, NameOf(*qualified))) {
    return std::optional<LoadedKey>();
  }
  ASSIGN_OR_RETURN(Bytes area_bytes, Marshal(area->publicArea));
  return std::optional<LoadedKey>(LoadedKey{std::move(held), std::move(area_bytes), std::move(name_bytes)});
}

Result<LoadedKey> CreatePrimary(const Connection& connection, const TPM2B_PUBLIC& wanted) {
  ESYS_TR object = ESYS_TR_NONE;
  EsysPtr<TPM2B_PUBLIC> area;
  RETURN_IF_ERROR(connection.Run("create the endorsement key", [&](ESYS_CONTEXT* esys) {
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
  RETURN_IF_ERROR(connection.Run("name the endorsement key", [&](ESYS_CONTEXT* esys) {
    TPM2B_NAME* name_out = nullptr;
    TSS2_RC code = Esys_TR_GetName(esys, object, &name_out);
    name.reset(name_out);
    return code;
  }));
  ASSIGN_OR_RETURN(Bytes area_bytes, Marshal(area->publicArea));
  return LoadedKey{std::move(held), std::move(area_bytes), NameOf(*name)};
}

// The content of an NV index, read with the index's own empty password where that is allowed, else with the owner's:
// the TCG has these indices readable by everybody in one of the two ways.
Result<Bytes> ReadNv(const Connection& connection, TPM2_HANDLE index, std::uint32_t chunk) {
  ESYS_TR object = ESYS_TR_NONE;
  RETURN_IF_ERROR(connection.Run("find an NV index", [&](ESYS_CONTEXT* esys) {
    return Esys_TR_FromTPMPublic(esys, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &object);
  }));
  Held held = Held::Persistent(connection, object);
  EsysPtr<TPM2B_NV_PUBLIC> nv;
  RETURN_IF_ERROR(connection.Run("read an NV index's attributes", [&](ESYS_CONTEXT* esys) {
    TPM2B_NV_PUBLIC* nv_out = nullptr;
    TPM2B_NAME* name = nullptr;
    TSS2_RC code = Esys_NV_ReadPublic(esys, object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &nv_out, &name);
    nv.reset(nv_out);
    Esys_Free(name);
    return code;
  }));
  Bytes content;
  std::size_t size = nv->nvPublic.dataSize;
  if ((nv->nvPublic.attributes & TPMA_NV_WRITTEN) == 0) return content;
  ESYS_TR authority = (nv->nvPublic.attributes & TPMA_NV_AUTHREAD) != 0 ? object : ESYS_TR_RH_OWNER;
  while (content.size() < size) {
    auto wanted = static_cast<std::uint16_t>(std::min<std::size_t>(chunk, size - content.size()));
    RETURN_IF_ERROR(connection.Run("read an NV index", [&](ESYS_CONTEXT* esys) {
      TPM2B_MAX_NV_BUFFER* data = nullptr;
      TSS2_RC code = Esys_NV_Read(esys, authority, object, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, wanted,
                                  static_cast<std::uint16_t>(content.size()), &data);
      EsysPtr<TPM2B_MAX_NV_BUFFER> owner(data);
      if (code == TSS2_RC_SUCCESS && data->size != wanted) return TSS2_RC{TSS2_ESYS_RC_MALFORMED_RESPONSE};
      if (code == TSS2_RC_SUCCESS) Append(content, BytesView(data->buffer, data->size));
      return code;
    }));
  }
  return content;
}

// EK Credential Profile, certificate chains: the chain may be split over several indices; their contents, in the order
// of their handles, are one list.
Result<std::vector<Bytes>> ReadChain(const Connection& connection, std::uint32_t chunk) {
  ASSIGN_OR_RETURN(auto indices, connection.Handles(kFirstChain, kLastChain, kMostChainIndices));
  Bytes all;
  for (TPM2_HANDLE index : indices) {
    ASSIGN_OR_RETURN(Bytes content, ReadNv(connection, index, chunk));
    if (content.size() > limits::kEkChainBytes - all.size()) {
      return Error{Reason::kLimitExceeded, "tpm", "more than " + std::to_string(limits::kEkChainBytes) + " bytes"};
    }
    Append(all, content);
  }
  return SplitDer(all, "tpm: NV 0x01C00100 to 0x01C001FF");
}

}  // namespace

Result<LoadedKey> LoadEndorsementKey(const Connection& connection, KeyKind kind) {
  TPM2B_PUBLIC wanted = EndorsementTemplate(kind);
  ASSIGN_OR_RETURN(auto handles, connection.Handles(kFirstEkHandle, kLastEkHandle, kMostEkHandles));
  for (TPM2_HANDLE handle : handles) {
    ASSIGN_OR_RETURN(auto key, TryPersistent(connection, handle, wanted));
    if (key) return std::move(*key);
  }
  return CreatePrimary(connection, wanted);
}

Result<Held> AuthorizeEndorsementKey(const Connection& connection) {
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
  return held;
}

Result<EndorsementCertificates> ReadEndorsementCertificates(const Connection& connection, KeyKind kind,
                                                            telemetry::Logger& log) {
  TPM2_HANDLE index = kind == KeyKind::kRsa2048 ? kRsaCertificate : kEccCertificate;
  ASSIGN_OR_RETURN(std::uint32_t chunk, connection.Property(TPM2_PT_NV_BUFFER_MAX));
  if (chunk == 0 || chunk > TPM2_MAX_NV_BUFFER_SIZE) chunk = kDefaultNvBuffer;
  EndorsementCertificates certificates;
  ASSIGN_OR_RETURN(auto present, connection.Handles(index, index, 1));
  if (!present.empty()) {
    ASSIGN_OR_RETURN(Bytes content, ReadNv(connection, index, chunk));
    ASSIGN_OR_RETURN(auto list, SplitDer(content, "tpm: the endorsement key's certificate"));
    if (list.size() > 1) {
      return Error{Reason::kCertificateMalformed, "tpm", "the NV index of one endorsement certificate holds several"};
    }
    if (!list.empty()) certificates.certificate = std::move(list.front());
  }
  auto chain = ReadChain(connection, chunk);
  if (chain.ok()) {
    certificates.intermediates = std::move(*chain);
  } else {
    log.Failure(telemetry::Level::kWarn, "the TPM's certificate chain is left out", chain.error());
  }
  return certificates;
}

}  // namespace gatehouse::agent
