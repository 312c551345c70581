#include "common/kube/node_attestation.h"

#include <algorithm>
#include <set>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/time.h"
#include "common/kube/api.h"

namespace gatehouse::kube {
namespace {

using appraisal::Finding;
using codec::JsonView;
using codec::JsonWriter;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

// What the schema of the resource admits.
constexpr std::size_t kMessageBytes = 1024;
constexpr std::size_t kDetailBytes = 1024;
constexpr std::size_t kWhereBytes = 512;
constexpr std::size_t kReasons = 64;
constexpr WallTime kNever{};

constexpr std::pair<Verdict, std::string_view> kVerdicts[] = {{Verdict::kUnknown, "Unknown"},
                                                              {Verdict::kTrusted, "Trusted"},
                                                              {Verdict::kUntrusted, "Untrusted"},
                                                              {Verdict::kExpired, "Expired"}};

// --- reading

std::string BoundedText(ObjectReader& reader, std::string_view key, std::size_t max) {
  std::string text = reader.Has(key) ? reader.Text(key) : "";
  if (text.size() > max) reader.Fail(key, "longer than " + std::to_string(max) + " bytes");
  return text;
}

WallTime TimeOf(ObjectReader& reader, std::string_view key) {
  if (!reader.Has(key)) return kNever;
  const auto time = codec::ParseTime(reader.String(key));
  if (!time.ok()) reader.Fail(key, "not a time (RFC 3339)");
  return time.ok() ? *time : kNever;
}

Failure ReadFailure(ObjectReader& reader) {
  reader.IgnoreUnknown();
  Failure failure{Reason::kNodeUntrusted, {}, {}, {}};
  // A reason that only another release knows takes trust away as well.
  failure.reason = ReasonFromToken(reader.String("reason")).value_or(Reason::kNodeUntrusted);
  failure.where = BoundedText(reader, "where", kWhereBytes);
  failure.detail = BoundedText(reader, "detail", kDetailBytes);
  if (!reader.Has("time")) reader.Fail("time", "missing");
  failure.time = TimeOf(reader, "time");
  return failure;
}

void ReadSpec(ObjectReader& spec, NodeAttestation& attestation) {
  spec.IgnoreUnknown();
  attestation.node_uid = BoundedText(spec, "nodeUID", kWhereBytes);
  attestation.ek = BoundedText(spec, "ek", kWhereBytes);
  attestation.ak = BoundedText(spec, "ak", kWhereBytes);
  attestation.enrolled = TimeOf(spec, "enrolled");
  attestation.binding = BoundedText(spec, "binding", limits::kTokenBytes);
}

void ReadStatus(ObjectReader& status, NodeAttestation& attestation) {
  status.IgnoreUnknown();
  const std::string verdict = BoundedText(status, "verdict", kWhereBytes);
  for (const auto& [value, name] : kVerdicts) {
    if (name == verdict) attestation.verdict = value;
  }
  attestation.since = TimeOf(status, "since");
  attestation.attested = TimeOf(status, "attested");
  attestation.expires = TimeOf(status, "expires");
  if (status.Has("reasons")) attestation.reasons = status.Strings("reasons", Presence::kOptional);
  if (attestation.reasons.size() > kReasons) status.Fail("reasons", "too many");
  attestation.message = BoundedText(status, "message", kMessageBytes);
  attestation.ear = BoundedText(status, "ear", limits::kTokenBytes);
  status.Object("failure", Presence::kOptional,
                [&](ObjectReader& failure) { attestation.failure = ReadFailure(failure); });
}

// --- writing

void TimeMember(JsonWriter& json, std::string_view key, WallTime time) {
  if (time != kNever) json.Member(key, codec::FormatTime(time));
}

// An empty text is left out: an API server of 1.20 built with Go 1.19 takes it for null, and refuses the object.
void OptionalMember(JsonWriter& json, std::string_view key, const std::string& value) {
  if (!value.empty()) json.Member(key, value);
}

std::string Cut(const std::string& text, std::size_t max) {
  return text.size() > max ? Printable(text, max - 8) : text;  // with "..." and the last escape
}

void WriteMetadata(JsonWriter& json, const NodeAttestation& attestation, bool owner) {
  json.Key("metadata").BeginObject().Member("name", attestation.name);
  OptionalMember(json, "uid", attestation.uid);
  OptionalMember(json, "resourceVersion", attestation.resource_version);
  if (owner) {
    json.Key("ownerReferences").BeginArray().BeginObject().Member("apiVersion", "v1").Member("kind", "Node");
    json.Member("name", attestation.name).Member("uid", attestation.node_uid).EndObject().EndArray();
  }
  json.EndObject();
}

void WriteSpec(JsonWriter& json, const NodeAttestation& attestation) {
  json.Key("spec").BeginObject();
  OptionalMember(json, "nodeUID", attestation.node_uid);
  OptionalMember(json, "ek", attestation.ek);
  OptionalMember(json, "ak", attestation.ak);
  TimeMember(json, "enrolled", attestation.enrolled);
  OptionalMember(json, "binding", attestation.binding);
  json.EndObject();
}

void WritePolicies(JsonWriter& json, const std::optional<ear::VerifiedEar>& verified) {
  json.Key("policies").BeginArray();
  std::set<std::string> names;
  if (verified) {
    for (const ear::PolicyAppraisal& appraisal : verified->result().appraisals) {
      const std::size_t at = std::min(appraisal.policy.rfind('@'), appraisal.policy.size());
      // The list is a map by name: one that has a name twice is refused as a whole.
      if (!names.insert(appraisal.policy.substr(0, at)).second) continue;
      json.BeginObject().Member("name", appraisal.policy.substr(0, at));
      OptionalMember(json, "generation", appraisal.policy.substr(std::min(at + 1, appraisal.policy.size())));
      json.Member("status", ear::Name(appraisal.tier));
      json.Member("expires", codec::FormatTime(appraisal.expires)).Key("findings").BeginArray();
      for (const Finding& finding : appraisal.findings) {
        json.BeginObject().Member("reason", Token(finding.reason));
        OptionalMember(json, "where", Cut(finding.where, kWhereBytes));
        OptionalMember(json, "detail", Cut(finding.detail, kDetailBytes));
        json.EndObject();
      }
      json.EndArray().EndObject();
    }
  }
  json.EndArray();
}

std::string_view ConditionStatus(Verdict verdict) {
  if (verdict == Verdict::kTrusted) return "True";
  return verdict == Verdict::kUnknown ? "Unknown" : "False";
}

void WriteStatus(JsonWriter& json, const NodeAttestation& attestation,
                 const std::optional<ear::VerifiedEar>& verified) {
  const std::string message = Cut(attestation.message, kMessageBytes);
  json.Key("status").BeginObject().Member("verdict", Name(attestation.verdict));
  TimeMember(json, "since", attestation.since);
  TimeMember(json, "attested", attestation.attested);
  TimeMember(json, "expires", attestation.expires);
  json.Key("reasons").BeginArray();
  for (std::size_t i = 0; i < std::min(attestation.reasons.size(), kReasons); ++i) json.String(attestation.reasons[i]);
  json.EndArray();
  OptionalMember(json, "message", message);
  WritePolicies(json, verified);
  OptionalMember(json, "ear", attestation.ear);
  if (const auto& failure = attestation.failure) {
    json.Key("failure").BeginObject().Member("reason", Token(failure->reason));
    OptionalMember(json, "where", Cut(failure->where, kWhereBytes));
    OptionalMember(json, "detail", Cut(failure->detail, kDetailBytes));
    json.Member("time", codec::FormatTime(failure->time)).EndObject();
  }
  json.Key("conditions").BeginArray().BeginObject().Member("type", "Trusted");
  json.Member("status", ConditionStatus(attestation.verdict)).Member("reason", Name(attestation.verdict));
  OptionalMember(json, "message", message);
  TimeMember(json, "lastTransitionTime", attestation.since);
  json.EndObject().EndArray().EndObject();
}

// --- judging

// How heavily a verdict weighs among those of several policies.
int Weight(Verdict verdict) {
  switch (verdict) {
    case Verdict::kTrusted:
      return 0;
    case Verdict::kUnknown:
      return 1;
    case Verdict::kExpired:
      return 2;
    case Verdict::kUntrusted:
      return 3;
  }
  return 3;
}

std::string NameOf(const std::string& policy) {
  return policy.substr(0, policy.rfind('@'));
}

struct Judgement {
  Verdict verdict;
  std::vector<Finding> findings;
  WallTime expires{};
};

// Under one policy.
Judgement JudgeOne(const ear::AttestationResult& result, const std::string& policy, WallTime now) {
  const auto found = std::find_if(result.appraisals.begin(), result.appraisals.end(),
                                  [&](const ear::PolicyAppraisal& one) { return one.policy == policy; });
  const std::string where = "policy " + NameOf(policy);
  if (found == result.appraisals.end()) {
    return {Verdict::kUnknown,
            {{Reason::kNodeUnknown, where, "the node was not appraised by this policy as it is now"}}};
  }
  if (found->tier != ear::Tier::kAffirming) return {Verdict::kUntrusted, found->findings};
  const WallTime expires = std::min(found->expires, result.expires);
  if (expires > now) return {Verdict::kTrusted, {}, expires};
  return {Verdict::kExpired,
          {{Reason::kAttestationExpired, where, "the result held until " + codec::FormatTime(expires)}},
          expires};
}

}  // namespace

std::string_view Name(Verdict verdict) {
  for (const auto& [value, name] : kVerdicts) {
    if (value == verdict) return name;
  }
  return "Unknown";
}

Result<NodeAttestation> ReadNodeAttestation(const codec::JsonDocument& document, codec::JsonView object) {
  ObjectReader reader(document, object, Reason::kJsonMalformed);
  reader.IgnoreUnknown();
  NodeAttestation attestation;
  reader.Object("metadata", Presence::kRequired, [&](ObjectReader& metadata) {
    metadata.IgnoreUnknown();
    attestation.name = metadata.String("name");
    attestation.resource_version = metadata.OptionalString("resourceVersion").value_or("");
    attestation.uid = metadata.OptionalString("uid").value_or("");
    const auto annotations = metadata.Raw("annotations");
    const auto newer_than = annotations ? annotations->Find(kNewerThan) : std::nullopt;
    if (newer_than) {
      const auto time = codec::ParseTime(newer_than->AsString().value_or(""));
      if (time.ok()) attestation.newer_than = *time;
    }
  });
  reader.Object("spec", Presence::kRequired, [&](ObjectReader& spec) { ReadSpec(spec, attestation); });
  reader.Object("status", Presence::kOptional, [&](ObjectReader& status) { ReadStatus(status, attestation); });
  RETURN_IF_ERROR(reader.Finish());
  return attestation;
}

std::string WriteNodeAttestation(const NodeAttestation& attestation, const std::optional<ear::VerifiedEar>& verified,
                                 bool owner) {
  JsonWriter json;
  json.BeginObject().Member("apiVersion", "gatehouse.dev/v1alpha1").Member("kind", "NodeAttestation");
  WriteMetadata(json, attestation, owner);
  WriteSpec(json, attestation);
  WriteStatus(json, attestation, verified);
  json.EndObject();
  return std::move(json).Finish();
}

Standing Judge(const std::optional<ear::AttestationResult>& verified, const std::optional<Failure>& failure,
               const std::vector<std::string>& policies, WallTime now) {
  if (policies.empty()) return {};
  // Not signed, so it only ever takes away: evidence that came after the result and did not verify.
  if (failure && (!verified || failure->time > ear::IssuedOf(*verified))) {
    return {Verdict::kUntrusted, {{failure->reason, failure->where, failure->detail}}, {}};
  }
  if (!verified) {
    return {Verdict::kUnknown, {{Reason::kNodeUnknown, "", "there is no attestation result of this node"}}, {}};
  }
  std::vector<Judgement> judgements;
  judgements.reserve(policies.size());
  for (const std::string& policy : policies) judgements.push_back(JudgeOne(*verified, policy, now));
  // What explains the verdict comes first.
  std::stable_sort(judgements.begin(), judgements.end(), [](const Judgement& one, const Judgement& other) {
    return Weight(one.verdict) > Weight(other.verdict);
  });
  Standing standing{judgements.front().verdict, {}, {}};
  for (const Judgement& judgement : judgements) {
    standing.findings.insert(standing.findings.end(), judgement.findings.begin(), judgement.findings.end());
    const bool counts = standing.verdict == Verdict::kTrusted || standing.verdict == Verdict::kExpired;
    if (counts && judgement.expires != WallTime{}) {
      standing.expires =
          standing.expires == WallTime{} ? judgement.expires : std::min(standing.expires, judgement.expires);
    }
  }
  return standing;
}

}  // namespace gatehouse::kube
