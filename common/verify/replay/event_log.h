// Replays a boot event log to what a TPM quoted, and says what is proven then. Knows no policy.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/claims/boot.h"
#include "common/claims/tpm.h"
#include "common/evidence/eventlog/event_log.h"

namespace gatehouse::verify::replay {

// PCR values that a log gives by itself, for people (`gatehouse appraise event-log`): every PCR of every bank that has
// an event, or a reset value. PCR' = H(PCR ‖ digest); EV_NO_ACTION is not extended; PCR 0 starts at the locality of a
// StartupLocality event before the first extend of PCR 0 (finding 10; forged or repeated ones: see Replayed::problem);
// 17 to 22 start at ff..ff.
struct Replayed {
  std::map<HashAlgorithm, std::map<unsigned, Bytes>> pcrs;  // 0 to 23
  std::map<unsigned, std::size_t> events;                   // how many extended each
  std::optional<std::uint8_t> startup_locality;
  std::string problem;  // empty, or why PCR 0 cannot be replayed
};
[[nodiscard]] Replayed Replay(const evidence::eventlog::EventLog& log);

class EventLogVerifier {
 public:
  struct Hints {
    // What the node says its kernel's command line is (/proc/cmdline). Believed where it hashes to a measured one only:
    // the EFI stub measures a command line without logging its text (finding 12).
    std::string command_line;
  };
  // Every quoted PCR except 10, 16 and 23 is replayed in every bank that quote and log both have. PCR 11 may have been
  // extended at run time by systemd-pcrphase, in no log: the known sequences of phases are tried (enter-initrd,
  // leave-initrd, sysinit, ready, shutdown, final; each without those that a boot leaves out), and become events of
  // part kPhases. A PCR that was quoted, has no event in the log and still has its reset value is proven. E1, E2:
  // nothing is concluded from an event's type that its PCR and its digest do not bear out: variables, separators,
  // actions, CRTM versions, texts of GRUB and systemd-stub count only if their data hashes to the digest in every
  // replayed bank (what must hash and does not is in false_data()); of the rest (images, blobs, tables, files) the
  // digest alone is proven. Separators: 00000000 is good, 00000001 and ffffffff are error separators, whose digest is
  // recognised as well when the data says otherwise (E6). Errors: kEventLogMismatch (no bank in common, or not one
  // quoted PCR replays), kEventLogMalformed (a forged or misplaced StartupLocality).
  [[nodiscard]] static Result<claims::VerifiedBootLog> Verify(const evidence::eventlog::EventLog& log,
                                                              const claims::VerifiedTpmClaims& quote,
                                                              const Hints& hints = {});
};

}  // namespace gatehouse::verify::replay
