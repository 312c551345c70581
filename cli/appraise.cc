// gatehouse appraise tpm: one quote and the logs that go with it, judged as the webhook judges a node, by a NodePolicy
// or for what holds without one.
#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>

#include "cli/appraise_input.h"
#include "cli/evidence.h"
#include "cli/verdict.h"
#include "common/appraisal/boot.h"
#include "common/appraisal/ended_sets.h"
#include "common/base/encoding.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/codec/time.h"
#include "common/crypto/hash.h"
#include "common/policy/loader.h"
#include "common/verify/replay/event_log.h"
#include "common/verify/replay/ima.h"
#include "common/verify/tpm/quote.h"

namespace gatehouse::cli {
namespace {

using appraisal::Finding;
using evidence::tpm::PcrValues;
using verify::replay::ImaReplay;
namespace vtpm = verify::tpm;

constexpr unsigned kImaPcr = 10;

void Add(std::vector<Finding>& findings, const Error& error, std::string_view where) {
  findings.push_back({error.reason, error.where.empty() ? std::string(where) : error.where, error.detail});
}

struct Input {
  Bytes attest;
  AttestationKeyFile key;
  std::vector<Bytes> signatures;  // ways in which the file may be meant
  Bytes nonce;
  evidence::tpm::PcrSelections selections;
  std::optional<PcrValues> values;
  std::optional<Bytes> event_log_bytes;
  std::optional<evidence::eventlog::EventLog> event_log;
  std::optional<Error> bad_event_log;
  std::string ima_log;
  evidence::ima::Encoding ima_encoding = evidence::ima::Encoding::kLittleEndian;
  std::shared_ptr<const policy::PolicySet> policies;
  const policy::NodePolicy* policy = nullptr;
  WallTime now{};
};

Result<const policy::NodePolicy*> ChoosePolicy(const policy::PolicySet& set, const std::string& node) {
  std::vector<const policy::NodePolicy*> found;
  for (const policy::NodePolicy& policy : set.node_policies) {
    const bool covers = node.empty() || std::any_of(policy.nodes.begin(), policy.nodes.end(),
                                                    [&](const policy::Glob& glob) { return glob.Matches(node); });
    if (covers) found.push_back(&policy);
  }
  if (found.size() == 1) return found.front();
  return Error{Reason::kUsage, "--policy",
               found.empty() ? "holds no NodePolicy that covers the node"
                             : "holds several NodePolicies; say with --node whose evidence it is, or give one"};
}

Status ReadPolicy(const AppraiseOptions& options, Input& input) {
  if (options.policies.empty()) return Ok();
  std::vector<Error> errors;
  input.policies = LoadOrComplain(options.policies, &errors);
  if (!input.policies) return errors.empty() ? Error{Reason::kUsage, "--policy", "cannot be loaded"} : errors.front();
  ASSIGN_OR_RETURN(input.policy, ChoosePolicy(*input.policies, options.node));
  return Ok();
}

Status ReadLogs(const AppraiseOptions& options, Input& input) {
  if (!options.event_log.empty()) {
    ASSIGN_OR_RETURN(input.event_log_bytes, ReadFile(options.event_log, limits::kEventLogBytes));
    auto parsed = evidence::eventlog::ParseEventLog(*input.event_log_bytes);
    if (parsed.ok()) {
      input.event_log = *std::move(parsed);
    } else {
      input.bad_event_log = parsed.error();
    }
  }
  input.ima_log = options.ima_log;
  if (!options.ima_log.empty()) {
    ASSIGN_OR_RETURN(input.ima_encoding, EncodingOf(options.ima_log, options.format));
  }
  return Ok();
}

Result<Input> ReadInput(const AppraiseOptions& options) {
  ASSIGN_OR_RETURN(AttestationKeyFile key, ReadAttestationKey(options.ak));
  Input input{.attest = {},
              .key = std::move(key),
              .signatures = {},
              .nonce = {},
              .selections = {},
              .values = {},
              .event_log_bytes = {},
              .event_log = {},
              .bad_event_log = {},
              .ima_log = {},
              .policies = {}};
  ASSIGN_OR_RETURN(input.attest, ReadFile(options.quote, limits::kTpmStructureBytes));
  ASSIGN_OR_RETURN(input.signatures, ReadSignatures(options.signature, input.key.key));
  ASSIGN_OR_RETURN(input.selections, ParseSelections(options.pcrs));
  auto nonce = DecodeHex(options.nonce);
  if (!nonce.ok()) return Error{Reason::kUsage, "--nonce", "is not lower-case hex"};
  input.nonce = *std::move(nonce);
  if (!options.pcr_values.empty()) {
    ASSIGN_OR_RETURN(const Bytes file, ReadFile(options.pcr_values, limits::kAttestationBytes));
    ASSIGN_OR_RETURN(input.values, ParsePcrFile(file));
  }
  input.now = SystemClock().Wall();
  if (!options.at.empty()) {
    auto at = codec::ParseTime(options.at);
    if (!at.ok()) return Error{Reason::kUsage, "--at", "is not a time like 2026-11-21T20:40:36Z"};
    input.now = *at;
  }
  RETURN_IF_ERROR(ReadLogs(options, input));
  RETURN_IF_ERROR(ReadPolicy(options, input));
  return input;
}

Result<vtpm::AttestationKey> MakeKey(const AttestationKeyFile& file, BytesView signature) {
  if (file.area) return vtpm::AttestationKey::Make(*file.area);
  ASSIGN_OR_RETURN(const auto parsed, evidence::tpm::ParseSignature(signature));
  auto key = vtpm::AttestationKey::UnsafeFromKey(file.key, parsed.scheme, parsed.hash);
  if (!key.ok()) return Error{Reason::kSignatureInvalid, "signature", "is of a kind that the key does not make"};
  return key;
}

// --- values of PCRs that nobody gave: those that the logs replay to, if what was signed is a digest of them

std::vector<HashAlgorithm> BanksOfIma(const evidence::tpm::PcrSelections& selections) {
  std::vector<HashAlgorithm> banks;
  for (const auto& selection : selections) {
    if (((selection.pcrs >> kImaPcr) & 1U) != 0) banks.push_back(selection.bank);
  }
  return banks;
}

class ValueSearch {
 public:
  ValueSearch(const Input& input, const evidence::tpm::QuoteInfo& quote, HashAlgorithm hash)
      : input_(input), quote_(quote), hash_(hash) {}

  // Errors: kPcrMissing (some value can come of no log that was given), kPcrDigestMismatch.
  [[nodiscard]] Result<PcrValues> Run() {
    RETURN_IF_ERROR(TakeReplayed());
    const auto banks = BanksOfIma(quote_.selections);
    if (banks.empty()) return Matches() ? Result<PcrValues>(values_) : Mismatch();
    if (input_.ima_log.empty())
      return Error{Reason::kPcrMissing, "pcr 10", "is quoted: give --ima-log or --pcr-values"};
    ImaReplay replay({.encoding = BinaryEncoding(), .banks = banks});
    bool found = MatchesWith(replay, banks);
    ASSIGN_OR_RETURN(const std::size_t left, StreamImaLog(input_.ima_log, input_.ima_encoding, [&](BytesView piece) {
                       return replay.Advance(piece, [&](const claims::ImaEntry&) {
                         if (!found) found = MatchesWith(replay, banks);
                       });
                     }));
    static_cast<void>(left);
    return found ? Result<PcrValues>(values_) : Mismatch();
  }

 private:
  [[nodiscard]] evidence::ima::Encoding BinaryEncoding() const {
    return input_.ima_encoding == evidence::ima::Encoding::kAscii ? evidence::ima::Encoding::kLittleEndian
                                                                  : input_.ima_encoding;
  }
  Status TakeReplayed() {
    verify::replay::Replayed replayed;
    if (input_.event_log) replayed = verify::replay::Replay(*input_.event_log);
    for (const auto& selection : quote_.selections) {
      for (unsigned pcr = 0; pcr < limits::kPcrCount; ++pcr) {
        if (((selection.pcrs >> pcr) & 1U) == 0 || pcr == kImaPcr) continue;
        const auto bank = replayed.pcrs.find(selection.bank);
        if (bank == replayed.pcrs.end() || !bank->second.contains(pcr)) {
          return Error{Reason::kPcrMissing,
                       "pcr " + std::to_string(pcr) + " (" + std::string(Name(selection.bank)) + ")",
                       "is quoted, and no log says its value: give --event-log or --pcr-values"};
        }
        values_[selection.bank][pcr] = bank->second.at(pcr);
      }
    }
    return Ok();
  }
  [[nodiscard]] bool Matches() const {
    crypto::Hasher hasher(hash_);
    for (const auto& selection : quote_.selections) {
      for (const auto& [pcr, value] : values_.at(selection.bank)) {
        if (((selection.pcrs >> pcr) & 1U) != 0) hasher.Update(value);
      }
    }
    return std::move(hasher).Finish() == quote_.pcr_digest;
  }
  // Each bank may be one whose hash the kernel lacked.
  [[nodiscard]] bool MatchesWith(const ImaReplay& replay, const std::vector<HashAlgorithm>& banks) {
    for (unsigned padded = 0; padded < (1U << banks.size()); ++padded) {
      for (std::size_t i = 0; i < banks.size(); ++i)
        values_[banks[i]][kImaPcr] = replay.Pcr(banks[i], ((padded >> i) & 1U) != 0);
      if (Matches()) return true;
    }
    return false;
  }
  [[nodiscard]] Error Mismatch() const {
    return {Reason::kPcrDigestMismatch, "quote",
            std::string("what was signed is no digest of what the logs replay to") +
                (input_.ima_log.empty() ? "" : ", after any entry of the IMA log")};
  }

  const Input& input_;
  const evidence::tpm::QuoteInfo& quote_;
  HashAlgorithm hash_;
  PcrValues values_;
};

// --- the quote

struct Verified {
  claims::VerifiedTpmClaims claims;
  std::optional<Error> no_values;  // why the claims have no PCR
};

Result<Verified> VerifyWith(const Input& input, const vtpm::AttestationKey& key, BytesView signature) {
  const vtpm::PreparedQuoteExpectation expectation{.ak = key,
                                                   .nonce = input.nonce,
                                                   .selection = input.selections,
                                                   .last_clock = std::nullopt,
                                                   .tolerate_resettable = true};
  ASSIGN_OR_RETURN(auto bare, vtpm::QuoteVerifier::VerifyWithoutValues(input.attest, signature, expectation));
  std::optional<PcrValues> values = input.values;
  if (!values) {
    ASSIGN_OR_RETURN(const auto attest, evidence::tpm::ParseAttest(input.attest));
    auto found = ValueSearch(input, *attest.quote, key.hash()).Run();
    const bool none = !input.event_log && input.ima_log.empty() && !input.bad_event_log;
    if (!found.ok() && (none || input.bad_event_log || found.error().reason == Reason::kPcrMissing))
      return Verified{std::move(bare), found.error()};
    if (!found.ok()) return found.error();
    values = *std::move(found);
  }
  ASSIGN_OR_RETURN(auto claims, vtpm::QuoteVerifier::Verify(
                                    {.attest = input.attest, .signature = signature, .pcrs = *values}, expectation));
  return Verified{std::move(claims), std::nullopt};
}

Result<Verified> VerifyQuote(const Input& input) {
  std::optional<Error> first;
  for (const Bytes& signature : input.signatures) {
    auto key = MakeKey(input.key, signature);
    auto verified = key.ok() ? VerifyWith(input, *key, signature) : Result<Verified>(key.error());
    if (verified.ok()) return verified;
    const bool says_more =
        verified.error().reason != Reason::kSignatureInvalid && verified.error().reason != Reason::kAkUnsuitable;
    if (!first || says_more) first = verified.error();
  }
  return *std::move(first);
}

// --- the logs

struct Judged {
  std::vector<Finding> findings;
  std::optional<claims::VerifiedBootLog> boot;
  std::optional<std::uint64_t> ima_entries;
  std::uint64_t ima_violations = 0;
  std::vector<HashAlgorithm> ima_padded;  // banks that PCR 10 was extended in by SHA-1 hashes with zeros behind
};

void JudgeBootWithoutPolicy(const claims::VerifiedBootLog& log, std::vector<Finding>& findings) {
  for (const auto& [pcr, why] : log.mismatches())
    findings.push_back({Reason::kEventLogMismatch, "pcr " + std::to_string(pcr), why});
  for (const auto& [number, why] : log.false_data())
    findings.push_back({Reason::kEventDataMismatch, "boot event " + std::to_string(number), why});
  for (const claims::BootEvent& event : log.events()) {
    if (!event.error_separator) continue;
    findings.push_back({Reason::kBootFailed, "boot event " + std::to_string(event.number),
                        "an error separator in PCR " + std::to_string(event.pcr)});
  }
}

std::vector<const appraisal::ReferenceSet*> SetsInTime(const policy::NodePolicy& policy, WallTime now) {
  std::vector<const appraisal::ReferenceSet*> sets;
  for (const appraisal::ReferenceSet& set : policy.reference_sets) {
    if (set.InTime(now)) sets.push_back(&set);
  }
  return sets;
}

void JudgeBoot(const Input& input, const claims::VerifiedTpmClaims& claims, const std::string& command_line,
               Judged& judged) {
  if (input.bad_event_log) return Add(judged.findings, *input.bad_event_log, "event log");
  if (!input.event_log) {
    if (input.policy != nullptr && input.policy->boot)
      judged.findings.push_back({Reason::kEventLogMissing, "event log", "the policy judges it: give --event-log"});
    return;
  }
  auto log = verify::replay::EventLogVerifier::Verify(*input.event_log, claims, {.command_line = command_line});
  if (!log.ok()) return Add(judged.findings, log.error(), "event log");
  judged.boot = *std::move(log);
  if (input.policy == nullptr || !input.policy->boot) return JudgeBootWithoutPolicy(*judged.boot, judged.findings);
  auto boot = appraisal::AppraiseBoot(*input.policy->boot, SetsInTime(*input.policy, input.now), *judged.boot);
  auto ended = appraisal::EndedForBoot(*input.policy->boot, input.policy->reference_sets, *judged.boot, input.now,
                                       boot.findings);
  if (ended) judged.findings.push_back(*std::move(ended));
  judged.findings.insert(judged.findings.end(), boot.findings.begin(), boot.findings.end());
}

Result<std::shared_ptr<std::vector<appraisal::ImaAppraisal::Set>>> ImaSets(const Input& input,
                                                                           const std::string& folder) {
  auto sets = std::make_shared<std::vector<appraisal::ImaAppraisal::Set>>();
  if (input.policy == nullptr) return sets;
  for (const appraisal::ReferenceSet* set : SetsInTime(*input.policy, input.now)) {
    if (set->ima.digests) sets->push_back({set->ima.digests, set->ima.images_only, set->not_after});
    for (const auto& file : set->ima.files) {
      auto content = ReadFile(std::filesystem::path(folder) / std::filesystem::path(file.name).filename(),
                              limits::kDigestSetEntries * 40);
      if (!content.ok() || !crypto::Matches(file.pin, *content)) {
        return Error{Reason::kReferenceUnavailable, file.name,
                     content.ok() ? "is another one than is pinned" : "is not in --reference-files"};
      }
      ASSIGN_OR_RETURN(auto digests, appraisal::DigestSet::Parse(*content));
      sets->push_back({std::move(digests), set->ima.images_only, set->not_after});
    }
  }
  return sets;
}

// M2: without a policy nothing allows a violation.
void JudgeWithoutPolicy(const claims::ImaEntry& entry, std::vector<Finding>& findings) {
  if ((!entry.violation && !entry.unknown_fields) || findings.size() >= limits::kImaFindings) return;
  findings.push_back({entry.violation ? Reason::kImaViolation : Reason::kImaEntryUnexpected,
                      "ima entry " + std::to_string(entry.number), Printable(entry.path)});
}

// A log that meets the quote by SHA-1 alone is told apart from one that meets it by a better hash (MEASURED-BOOT: not
// silently). With a policy the appraisal does that for the policy's bank.
void JudgePadding(const claims::VerifiedIma& verified, bool by_policy, Judged& judged) {
  bool sound = false;
  for (const auto& [bank, value] : verified.pcr()) {
    if (verified.padded(bank)) judged.ima_padded.push_back(bank);
    sound = sound || (!verified.padded(bank) && bank != HashAlgorithm::kSha1);
  }
  if (by_policy || sound || judged.ima_padded.empty()) return;
  judged.findings.push_back({Reason::kImaLogMismatch, "pcr 10 (" + std::string(Name(judged.ima_padded.front())) + ")",
                             "the log matches only with SHA-1 hashes padded with zeros, as kernels extend them that "
                             "lack the bank's hash: quote another bank"});
}

Status ReplayIma(const Input& input, const claims::VerifiedTpmClaims& claims, const std::string& folder,
                 Judged& judged) {
  const auto rules = input.policy == nullptr ? nullptr : input.policy->ima;
  ASSIGN_OR_RETURN(auto sets, ImaSets(input, folder));
  std::optional<appraisal::ImaAppraisal> appraisal;
  if (rules) appraisal.emplace(rules, std::move(sets));
  const auto encoding = input.ima_encoding == evidence::ima::Encoding::kAscii ? evidence::ima::Encoding::kLittleEndian
                                                                              : input.ima_encoding;
  ImaReplay replay({.encoding = encoding, .banks = BanksOfIma(input.selections)});
  std::vector<Finding> findings;
  ASSIGN_OR_RETURN(const std::size_t left, StreamImaLog(input.ima_log, input.ima_encoding, [&](BytesView piece) {
                     return replay.Advance(
                         piece,
                         [&](const claims::ImaEntry& entry) {
                           if (appraisal) appraisal->Judge(entry, input.now);
                           if (!appraisal) JudgeWithoutPolicy(entry, findings);
                         },
                         &claims);
                   }));
  static_cast<void>(left);  // logged after the quote
  ASSIGN_OR_RETURN(const auto verified, replay.Settled(claims));
  judged.ima_entries = verified.count();
  judged.ima_violations = verified.violations();
  JudgePadding(verified, appraisal.has_value(), judged);
  if (appraisal) {
    findings = appraisal->Findings(verified);
    auto ended = appraisal::EndedForIma(input.policy->reference_sets, input.now, findings);
    if (ended) findings.insert(findings.begin(), *std::move(ended));
  }
  judged.findings.insert(judged.findings.end(), findings.begin(), findings.end());
  const Status begins = replay.CheckBootAggregate(claims, rules == nullptr || rules->allow_insecure_sha1_aggregate);
  // Without a policy the quote may be over fewer PCRs than boot_aggregate is of: then nothing is known of it.
  if (!begins.ok() && (rules || begins.error().reason != Reason::kPcrMissing)) return begins;
  return Ok();
}

void JudgeIma(const Input& input, const claims::VerifiedTpmClaims& claims, const std::string& folder, Judged& judged) {
  if (input.ima_log.empty()) {
    if (input.policy != nullptr && input.policy->ima)
      judged.findings.push_back({Reason::kImaLogMissing, "IMA log", "the policy judges it: give --ima-log"});
    return;
  }
  const Status replayed = ReplayIma(input, claims, folder, judged);
  if (!replayed.ok()) Add(judged.findings, replayed.error(), "IMA log");
}

std::string Hex(std::uint64_t value) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "0x%016llx", static_cast<unsigned long long>(value));
  return text.data();
}

void JudgePolicy(const Input& input, const claims::VerifiedTpmClaims& claims, Judged& judged) {
  if (input.policy == nullptr) return;
  const policy::NodePolicy& policy = *input.policy;
  auto by_sets = appraisal::AppraiseSets(policy.tpm, policy.reference_values, policy.reference_sets, claims, input.now,
                                         policy.boot || policy.ima);
  judged.findings.insert(judged.findings.end(), by_sets.findings.begin(), by_sets.findings.end());
  const auto& versions = policy.identity.firmware_versions;
  if (!versions.empty() && std::find(versions.begin(), versions.end(), claims.firmware_version()) == versions.end())
    judged.findings.push_back(
        {Reason::kFirmwareChanged, "TPM firmware",
         "found " + Hex(claims.firmware_version()) + ", which identity.firmwareVersions does not list"});
}

// --- what is printed

void WriteClaims(codec::JsonWriter& json, const claims::VerifiedTpmClaims& claims, const Judged& judged) {
  json.Key("clock").BeginObject().Key("milliseconds").Uint(claims.clock().clock_ms);
  json.Key("resets").Uint(claims.clock().reset_count).Key("restarts").Uint(claims.clock().restart_count).EndObject();
  // As policies say it; as a number readers of JSON would round it.
  json.Member("firmwareVersion", Hex(claims.firmware_version())).Key("pcrs").BeginObject();
  for (const auto& [bank, pcrs] : claims.pcrs()) {
    json.Key(Name(bank)).BeginObject();
    for (const auto& [pcr, value] : pcrs) json.Member(std::to_string(pcr), EncodeHex(value));
    json.EndObject();
  }
  json.EndObject();
  if (judged.boot) {
    json.Key("provenPcrs").BeginArray();
    for (unsigned pcr = 0; pcr < limits::kPcrCount; ++pcr) {
      if (((judged.boot->proven_pcrs() >> pcr) & 1U) != 0) json.Uint(pcr);
    }
    json.EndArray().Key("boot").BeginArray();
    for (const claims::BootEvent& event : judged.boot->events()) {
      json.BeginObject().Key("number").Uint(event.number).Key("pcr").Uint(event.pcr).Member("part", Name(event.part));
      if (!event.text.empty()) json.Member("text", event.text);
      if (event.variable) json.Member("variable", event.variable->name);
      json.Key("digests").BeginObject();
      for (const auto& [bank, digest] : event.digests) json.Member(Name(bank), EncodeHex(digest));
      json.EndObject().EndObject();
    }
    json.EndArray();
  }
  if (judged.ima_entries) {
    json.Key("ima").BeginObject().Key("entries").Uint(*judged.ima_entries);
    json.Key("violations").Uint(judged.ima_violations).Key("paddedSha1").BeginArray();
    for (const HashAlgorithm bank : judged.ima_padded) json.String(Name(bank));
    json.EndArray().EndObject();
  }
}

}  // namespace

int AppraiseTpm(const AppraiseOptions& options) {
  const auto input = ReadInput(options);
  if (!input.ok()) return ReportError(input.error());
  const auto verified = VerifyQuote(*input);
  if (!verified.ok()) return ReportError(verified.error());
  Judged judged;
  const bool wants_values = input->policy != nullptr || input->event_log || !input->ima_log.empty();
  if (verified->no_values && wants_values && !input->bad_event_log) Add(judged.findings, *verified->no_values, "quote");
  if (!verified->no_values || input->bad_event_log) {
    JudgePolicy(*input, verified->claims, judged);
    JudgeBoot(*input, verified->claims, options.command_line, judged);
    if (!verified->no_values) JudgeIma(*input, verified->claims, options.reference_files, judged);
  }
  const bool warning = input->policy != nullptr && input->policy->mode != policy::Mode::kEnforce;
  return Report({.reasons = judged.findings, .warning = warning, .claims = [&](codec::JsonWriter& json) {
                   WriteClaims(json, verified->claims, judged);
                 }});
}

}  // namespace gatehouse::cli
