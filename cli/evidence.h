// Verbs about a machine's evidence: appraise it, make reference values of it, tell two apart. No cluster, no network
// but for `measure image`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"

namespace gatehouse::cli {

struct AppraiseOptions {
  std::string quote;       // TPMS_ATTEST
  std::string signature;   // TPMT_SIGNATURE, or the signature alone (raw RSA, DER ECDSA)
  std::string ak;          // PEM, TPM2B_PUBLIC or TPMT_PUBLIC
  std::string pcrs;        // "sha256:0-9,14" or "sha1:0,1+sha256:all"
  std::string nonce;       // hex
  std::string pcr_values;  // tpm2_quote -o; empty: what the logs replay to
  std::string event_log;
  std::string ima_log;
  std::string command_line;
  std::vector<std::string> policies;
  std::string at;               // RFC 3339; empty: now
  std::string file;             // of `appraise event-log` and `appraise ima-log`
  std::string format;           // of an IMA log; empty: guessed
  std::string node;             // whose NodePolicy applies; empty: the only one there is
  std::string reference_files;  // folder
  bool json = true;
};

struct MeasureOptions {
  std::string file;  // log, UKI
  std::string image;
  std::string name;                // of the document that is proposed
  std::string set;                 // of the set in it
  std::string output;              // measure image --output FILE: the binary form
  std::vector<std::string> extra;  // lists of files
  std::string platform = "linux/amd64";
  std::string command_line;
  RegistryOptions registry;
  bool json = false;
};

struct DiffOptions {
  std::string a;
  std::string b;
  bool json = false;
};

// Exit status of all: 0 affirming (or: measured, no difference), 1 refused (or: they differ), 2 usage, 3 could not
// check.
[[nodiscard]] int AppraiseTpm(const AppraiseOptions& options);
[[nodiscard]] int AppraiseEventLog(const AppraiseOptions& options);
[[nodiscard]] int AppraiseImaLog(const AppraiseOptions& options);
[[nodiscard]] int MeasureBoot(const MeasureOptions& options);  // a ReferenceValues document and a NodePolicy, as YAML
[[nodiscard]] int MeasureUki(const MeasureOptions& options);   // Authenticode hash, sections, expected PCR 4 and 11
[[nodiscard]] int MeasureFiles(
    const MeasureOptions& options);  // sha256sum lists, Keylime policies, package lists: a digest file
[[nodiscard]] int MeasureImage(const MeasureOptions& options);  // every file that can be run in a container image
[[nodiscard]] int DiffLogs(const DiffOptions& options);         // boot event logs, or IMA logs

}  // namespace gatehouse::cli
