// Words of a kernel command line, as the kernel reads them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::appraisal {

// Why `text` does not obey, each in words ("lacks 'a'", "has 'b'"); empty if it does. A word ending in "=" stands for
// whatever value; '-' and '_' in a parameter's name are the same to the kernel. A required word must be one that the
// kernel takes for its own: not within quotes of another, and not behind "--". If it has a value, no other value of the
// same parameter may be there, unless that is required as well: the kernel believes the last one, or the first, or
// both. A forbidden word must not be there in any reading, quoted or not.
[[nodiscard]] std::vector<std::string> WordsRefused(std::string_view text, const std::vector<std::string>& required,
                                                    const std::vector<std::string>& forbidden);

}  // namespace gatehouse::appraisal
