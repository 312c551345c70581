// Appraisal of a boot, event by event, against a policy and reference values. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/appraisal/finding.h"
#include "common/appraisal/rules.h"
#include "common/claims/boot.h"

namespace gatehouse::appraisal {

struct ReferenceSet;  // tpm.h

struct BootAppraisal {
  std::vector<Finding> findings;        // empty = the boot meets the policy
  std::optional<WallTime> holds_until;  // when reference values that it rests on end
};

// Nothing unmatched passes: each event of policy.pcrs is accepted by a rule, or is a finding.
// * A PCR of policy.pcrs that is not proven in policy.bank: kEventLogMismatch (with the log's mismatch, or that it was
//   not quoted). Events of other PCRs are not looked at. A policy without PCRs: kPcrMissing. False data:
//   kEventDataMismatch. An event of policy.ignored is passed over, but never separators, Secure Boot variables, debug
//   mode or false data, nor, where the policy has rules of the command line, what is in PCR 8, 9 or 12.
// * Separators (E2, E3, E6): an error separator is kBootFailed; more than one separator of a PCR, or none of one of PCR
//   0 to 7 (also if it has no events: firmware that measures nothing), is kBootEventUnexpected. In PCR 7 what follows
//   the separator other than authorities is kBootEventUnexpected. In the others pre-boot parts (firmware, drivers)
//   after the separator are.
// * Secure Boot (with policy.secure_boot, or keys or signers): exactly one SecureBoot variable of the global GUID,
// before
//   PCR 7's separator, of one byte 01; zero or no data is off (finding 15), and so is a shim that does not verify
//   (MokSBState): kSecureBootOff. PK, KEK and db not empty, each once, before the separator, readable, and keys against
//   policy.keys: kSecureBootKeysMismatch, naming what is missing or is too many. (If it is off, keys are not judged.)
//   Without any of the three rules, Secure Boot variables and authorities are still accepted as they are (they decide
//   nothing then); other variables of PCR 7 need a rule of secureBootKeys. Authorities are judged by signers, else by
//   rules of authorities if there are any.
// * "UEFI Debug Mode", or AuditMode on: kDebugModeOn. "DMA Protection Disabled" must be accepted as an action.
// * Known actions (calling and returning from boot options, exit boot services) are accepted without a rule.
// * Signers: with Secure Boot proven on, and each authority in PCR 7 (at least one) a certificate of policy.signers
//   (shim's own records, SbatLevel and the state variables of MOK, are not authorities of images and are accepted; the
//   entry of MokList that let an image run is one), applications and drivers are accepted by them: whatever runs was
//   signed by one of these. An authority that is not listed: kBootComponentUnlisted. Without Secure Boot proven on,
//   signers accept nothing.
// * Digests and texts: an event is accepted if policy.accepted or the same part of any set in `sets` (all of them in
//   their time; the caller leaves out the others) has `any`, its digest in policy.bank, or its proven text. UKI
//   sections are accepted too if some application was accepted by digest: they are parts of that file; names of
//   sections that are known need no rule. Phases in their order are accepted without a rule.
// * `any` and what types do not prove (E1): an event of which the digest alone is proven may be another than its type
//   says. One of PCR 8, 9 or 12 is not covered by the `any` of another part than commandLine, unless any command line
//   is accepted, as long as it may be the command line: until that is known (text or listed digest) in PCR 8, or before
//   it in PCR 9; for PCR 12 anywhere. `any` of initrds and of loaderFiles counts while the other has no narrower rule;
//   digests listed for one are good for both.
// * The command line: rules of part kCommandLine hold for proven texts (of PCR 8, 9 and 12) and for digests. Required
// and
//   forbidden words, which accept nothing by themselves: kCommandLineRefused, with the words (see WordsRefused).
//   policy.needs_command_line, or words, and no proven text: kCommandLineRefused. So is a boot without any command
//   line, in PCR 8, 9 or 12, if the policy has rules of that part; or if sets have, and applications are accepted by
//   signers or `any` (older ones measure no command line).
// * Reasons of what is not accepted: applications, drivers, initrds, loader files, UKI sections, authorities, MOK:
//   kBootComponentUnlisted; command line: kCommandLineRefused; firmware: kFirmwareUnlisted; else kBootEventUnexpected.
//   Each finding has the event's number, PCR, text or hint, digest and what would accept it.
[[nodiscard]] BootAppraisal AppraiseBoot(const BootPolicy& policy, const std::vector<const ReferenceSet*>& sets,
                                         const claims::VerifiedBootLog& log);

}  // namespace gatehouse::appraisal
