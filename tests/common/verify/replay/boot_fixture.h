// What the tests of boot logs share: a log that is parsed, and verified against a quote of what was measured.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "common/evidence/eventlog/event_log.h"
#include "common/verify/replay/event_log.h"
#include "tests/fakes/boot_log.h"

namespace gatehouse::verify::replay {

// `reported` against a quote of `measured`.
inline Result<claims::VerifiedBootLog> VerifyBoot(const fakes::BootLog& reported,
                                                  const claims::VerifiedTpmClaims& quote,
                                                  std::string_view command_line = "") {
  const Bytes bytes = reported.Write();
  auto log = evidence::eventlog::ParseEventLog(bytes);
  if (!log.ok()) return log.error();
  return EventLogVerifier::Verify(*log, quote, {.command_line = std::string(command_line)});
}

inline Result<claims::VerifiedBootLog> VerifyBoot(const fakes::BootLog& boot, std::string_view command_line = "") {
  return VerifyBoot(boot, fakes::QuoteOf(boot), command_line);
}

// The first event of this part whose text is `text`, or any if that is empty; null if there is none.
inline const claims::BootEvent* FindEvent(const claims::VerifiedBootLog& log, claims::BootPart part,
                                          std::string_view text = "") {
  for (const claims::BootEvent& event : log.events()) {
    if (event.part == part && (text.empty() || event.text == text)) return &event;
  }
  return nullptr;
}

}  // namespace gatehouse::verify::replay
