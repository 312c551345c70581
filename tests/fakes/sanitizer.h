// Which sanitizer a test runs under, for bounds that no program under it can keep.
#pragma once

namespace gatehouse::fakes {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kFreedMemoryIsKept = true;
#elif defined(__has_feature)
inline constexpr bool kFreedMemoryIsKept = __has_feature(address_sanitizer);
#else
inline constexpr bool kFreedMemoryIsKept = false;
#endif

}  // namespace gatehouse::fakes
