// Files: bounded reading, and writing that is never seen half done.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "common/base/bytes.h"

namespace gatehouse {

// The whole file, read until its end: files of /sys and /proc say that they have no bytes. Nothing if there is no such
// file. A last component that is a symbolic link is followed (Kubernetes projects volumes so); a folder, a pipe or a
// device is refused. Errors: kFileUnreadable, kLimitExceeded (more than `max` bytes).
[[nodiscard]] Result<std::optional<Bytes>> ReadFileIfPresent(const std::filesystem::path& path, std::size_t max);
// The same for a file that must be there: kFileUnreadable if it is not.
[[nodiscard]] Result<Bytes> ReadFile(const std::filesystem::path& path, std::size_t max);
[[nodiscard]] Result<std::string> ReadTextFile(const std::filesystem::path& path, std::size_t max);

// Replaces or creates the file, with mode 0600: readers see all of the old or all of the new content, also after a
// power failure. Errors: kFileUnreadable.
[[nodiscard]] Status WriteFile(const std::filesystem::path& path, BytesView content);

}  // namespace gatehouse
