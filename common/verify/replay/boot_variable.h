// What a UEFI variable stands for that is proven to have been measured.
#pragma once

#include <optional>

#include "common/claims/boot.h"
#include "common/evidence/eventlog/event_data.h"

namespace gatehouse::verify::replay {

inline constexpr std::string_view kGlobalVariableGuid = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
inline constexpr std::string_view kImageSecurityGuid = "d719b2cb-3d3a-4596-a3bc-dad00e67656f";

// Of PCR 7: kSecureBootKeys or kAuthorities, by name, content and place and not by the event's type, which is not
// measured: an authority carries one entry of a database, and what firmware measures before the separator carries the
// whole. `type` decides where the content is neither. Fills in entries and `malformed`.
[[nodiscard]] claims::BootPart ClassifySecureBootVariable(claims::BootVariable& variable, bool after_separator,
                                                          std::uint32_t type);

// Whether it has the shape of BootOrder, or of Boot#### (EFI_LOAD_OPTION, UEFI specification section 3.1.3).
[[nodiscard]] bool IsBootOption(std::string_view name, BytesView data);

// Shims before 15.5 give an authority's event a few bytes more than UEFI_VARIABLE_DATA says, and measure all of them or
// all but the last: the variable in front of those.
[[nodiscard]] std::optional<evidence::eventlog::VariableData> FindVariableOfOldShim(BytesView data);

}  // namespace gatehouse::verify::replay
