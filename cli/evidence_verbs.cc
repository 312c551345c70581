#include "cli/evidence_verbs.h"

#include <CLI/CLI.hpp>

namespace gatehouse::cli {

EvidenceVerbs::EvidenceVerbs(CLI::App& app) {
  AddAppraise(app);
  AddMeasure(app);
  AddDiff(app);
}

void EvidenceVerbs::AddAppraise(CLI::App& app) {
  CLI::App& appraise = *app.add_subcommand("appraise", "judge a machine's evidence, offline; the answer is JSON");
  appraise.require_subcommand(1);
  CLI::App& tpm = *appraise.add_subcommand("tpm", "a TPM quote, with the logs that it vouches for");
  tpm.add_option("--quote", appraise_.quote, "TPMS_ATTEST (tpm2_quote -m)")->required();
  tpm.add_option("--signature", appraise_.signature, "TPMT_SIGNATURE, or a plain one (tpm2_quote -s)")->required();
  tpm.add_option("--ak", appraise_.ak, "attestation key: PEM, TPM2B_PUBLIC or TPMT_PUBLIC")->required();
  tpm.add_option("--pcrs", appraise_.pcrs, "what was to be quoted: sha256:0-9,14+sha384:all")->required();
  tpm.add_option("--nonce", appraise_.nonce, "hex of the challenge")->required();
  tpm.add_option("--pcr-values", appraise_.pcr_values,
                 "values of the PCRs (tpm2_quote -o); without, those that the logs replay to");
  tpm.add_option("--event-log", appraise_.event_log, "boot event log (binary_bios_measurements)");
  tpm.add_option("--ima-log", appraise_.ima_log, "IMA log (binary_runtime_measurements)");
  tpm.add_option("--command-line", appraise_.command_line, "the kernel's, as a hint: it counts where it was measured");
  tpm.add_option("--policy,-p", appraise_.policies, "NodePolicy, with its ReferenceValues (repeatable)");
  tpm.add_option("--node", appraise_.node, "whose evidence it is, to choose among several NodePolicies");
  tpm.add_option("--reference-files", appraise_.reference_files, "folder of the files that ReferenceValues name");
  tpm.add_option("--at", appraise_.at, "the time at which to judge, RFC 3339; else now");
  verbs_.emplace_back(&tpm, [this] { return AppraiseTpm(appraise_); });

  CLI::App& event_log = *appraise.add_subcommand("event-log", "what a boot event log holds and replays to");
  event_log.add_option("FILE", appraise_.file, "boot event log")->required();
  verbs_.emplace_back(&event_log, [this] { return AppraiseEventLog(appraise_); });

  CLI::App& ima_log = *appraise.add_subcommand("ima-log", "what an IMA log counts and replays to");
  ima_log.add_option("FILE", appraise_.file, "IMA log, binary or ASCII")->required();
  for (CLI::App* verb : {&tpm, &ima_log})
    verb->add_option("--format", appraise_.format, "of the IMA log: little-endian, big-endian or ascii; else guessed");
  verbs_.emplace_back(&ima_log, [this] { return AppraiseImaLog(appraise_); });
}

void EvidenceVerbs::AddMeasure(CLI::App& app) {
  CLI::App& measure = *app.add_subcommand("measure", "reference values from what is known to be good");
  measure.require_subcommand(1);
  const auto add_json = [this](CLI::App& verb) { verb.add_flag("--json", measure_.json, "as JSON"); };

  CLI::App& boot = *measure.add_subcommand("boot", "ReferenceValues and a NodePolicy from a machine's boot event log");
  boot.add_option("--log", measure_.file, "boot event log of the machine")->required();
  boot.add_option("--name", measure_.name, "of the documents");
  boot.add_option("--set", measure_.set, "name of the set of values");
  boot.add_option("--command-line", measure_.command_line, "its kernel's command line (/proc/cmdline)");
  verbs_.emplace_back(&boot, [this] { return MeasureBoot(measure_); });

  CLI::App& uki = *measure.add_subcommand("uki", "Authenticode digest, sections, expected PCR 4 and 11 of a UKI");
  uki.add_option("FILE", measure_.file, "EFI executable")->required();
  add_json(uki);
  verbs_.emplace_back(&uki, [this] { return MeasureUki(measure_); });

  CLI::App& files = *measure.add_subcommand("files", "a file of reference digests from lists of files");
  files.add_option("LIST", measure_.extra, "sha256sum output, Keylime policies, rpm -qa --dump")->required();
  files.add_option("--output,-o", measure_.output, "where to write the binary form")->required();
  add_json(files);
  verbs_.emplace_back(&files, [this] { return MeasureFiles(measure_); });

  CLI::App& image = *measure.add_subcommand("image", "digests of everything that can be run in a container image");
  image.add_option("REF", measure_.image, "image reference")->required();
  image.add_option("--platform", measure_.platform, "of an image for several")->capture_default_str();
  image.add_option("--output,-o", measure_.output, "write the binary form here, in place of sha256sum lines");
  image.add_option("--insecure-registry", measure_.registry.insecure, "HOST[:PORT] reached by plain HTTP (repeatable)");
  image.add_option("--registry-ca", measure_.registry.ca_file, "PEM file of certificate authorities for registries");
  image.add_option("--docker-config", measure_.registry.docker_config, "registry credentials in dockerconfigjson form");
  add_json(image);
  verbs_.emplace_back(&image, [this] { return MeasureImage(measure_); });
}

void EvidenceVerbs::AddDiff(CLI::App& app) {
  CLI::App& diff = *app.add_subcommand("diff", "what differs between two boot event logs, or two IMA logs");
  diff.add_option("A", diff_.a, "log")->required();
  diff.add_option("B", diff_.b, "log of the same kind")->required();
  diff.add_flag("--json", diff_.json, "as JSON");
  verbs_.emplace_back(&diff, [this] { return DiffLogs(diff_); });
}

std::optional<int> EvidenceVerbs::Run() {
  for (const auto& [verb, run] : verbs_) {
    if (verb->parsed()) return run();
  }
  return std::nullopt;
}

}  // namespace gatehouse::cli
