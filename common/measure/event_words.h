// What is said of boot events that differ.
#pragma once

#include <string>

#include "common/claims/boot.h"

namespace gatehouse::measure {

// What an event is about, so that it can be found in another log: the variable's name, the section, the file; "" if
// nothing tells it from others of its part.
[[nodiscard]] std::string TopicOf(const claims::BootEvent& event);
// "SecureBoot", "application \EFI\…", "command line"
[[nodiscard]] std::string SubjectOf(const claims::BootEvent& event);
// What the event says, with its digest in `bank`.
[[nodiscard]] std::string Told(const claims::BootEvent& event, HashAlgorithm bank);
// What is different in `b`, which is about the same.
[[nodiscard]] std::string Changed(const claims::BootEvent& a, const claims::BootEvent& b, HashAlgorithm bank);

}  // namespace gatehouse::measure
