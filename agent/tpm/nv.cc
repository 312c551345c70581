#include "agent/tpm/nv.h"

#include <algorithm>

namespace gatehouse::agent {
namespace {

constexpr std::uint32_t kDefaultNvBuffer = 512;

}  // namespace

Result<Bytes> ReadNv(const Connection& connection, TPM2_HANDLE index) {
  ASSIGN_OR_RETURN(std::uint32_t chunk, connection.Property(TPM2_PT_NV_BUFFER_MAX));
  if (chunk == 0 || chunk > TPM2_MAX_NV_BUFFER_SIZE) chunk = kDefaultNvBuffer;
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

}  // namespace gatehouse::agent
