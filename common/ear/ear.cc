#include "common/ear/ear.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/ear/trustworthiness.h"
#include "common/jose/jws.h"
#include "common/session/nonce.h"

namespace gatehouse::ear {
namespace {

using appraisal::Finding;
using codec::JsonView;
using codec::JsonWriter;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

constexpr std::string_view kType = "eat+jwt";
constexpr std::string_view kBuild = "gatehouse " GATEHOUSE_VERSION;
constexpr std::string_view kDeveloper = "gatehouse.dev";
constexpr std::string_view kSubmodule = "tpm";
constexpr std::size_t kFindingBytes =
    512;  // of a finding's `where` and `detail`: a token of many findings still fits its limit

std::string SubmoduleName(const PolicyAppraisal& appraisal) {
  return std::string(kSubmodule) + ":" + appraisal.policy;
}

// --- consistency: what Encode asks for, and what Verify does not take anybody's word for

std::optional<std::string> InconsistencyOf(const PolicyAppraisal& appraisal) {
  if (appraisal.policy.empty()) return "an appraisal by no policy";
  if (appraisal.tier == Tier::kNone) return "an appraisal without a verdict";
  if ((appraisal.tier == Tier::kAffirming) != appraisal.findings.empty())
    return "an appraisal that does not agree with its findings";
  return std::nullopt;
}

std::optional<std::string> InconsistencyOf(const AttestationResult& result) {
  if (result.node.empty() || result.ak_name.empty() || result.ek.empty()) return "a result about no node or no key";
  const auto nonce = DecodeBase64Url(result.nonce);
  if (!nonce.ok() || nonce->empty()) return "a nonce that is empty or not base64url";
  std::set<std::string_view> policies;
  for (const PolicyAppraisal& appraisal : result.appraisals) {
    if (auto inconsistency = InconsistencyOf(appraisal)) return inconsistency;
    if (!policies.insert(appraisal.policy).second) return "two appraisals by one policy";
    if (appraisal.expires > result.expires) return "an appraisal that outlives its result";
  }
  return std::nullopt;
}

// --- writing

std::string Bounded(const std::string& text) {
  return text.size() > kFindingBytes ? Printable(text, kFindingBytes) : text;
}

std::int64_t Seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

void WriteAppraisal(JsonWriter& json, const PolicyAppraisal& appraisal) {
  const TrustworthinessVector vector = VectorOf(appraisal);
  json.BeginObject().Member("ear.status", Name(appraisal.tier));
  json.Key("ear.trustworthiness-vector").BeginObject();
  json.Key("instance-identity").Int(vector.instance_identity);
  json.Key("configuration").Int(vector.configuration);
  json.Key("executables").Int(vector.executables);
  json.Key("hardware").Int(vector.hardware);
  json.EndObject();
  json.Member("ear.appraisal-policy-id", appraisal.policy);
  json.Key("gatehouse.findings").BeginArray();
  for (const Finding& finding : appraisal.findings) {
    json.BeginObject()
        .Member("reason", Token(finding.reason))
        .Member("where", Bounded(finding.where))
        .Member("detail", Bounded(finding.detail))
        .EndObject();
  }
  json.EndArray().Key("gatehouse.expires").Int(Seconds(appraisal.expires)).EndObject();
}

void WriteSubmodules(JsonWriter& json, const std::vector<PolicyAppraisal>& appraisals) {
  json.Key("submods").BeginObject();
  if (appraisals.empty()) json.Key(kSubmodule).BeginObject().Member("ear.status", Name(Tier::kNone)).EndObject();
  for (const PolicyAppraisal& appraisal : appraisals) {
    json.Key(SubmoduleName(appraisal));
    WriteAppraisal(json, appraisal);
  }
  json.EndObject();
}

void WriteClock(JsonWriter& json, const claims::TpmClock& clock) {
  json.Key("clock").BeginObject();
  json.Key("milliseconds").Uint(clock.clock_ms);
  json.Key("resets").Uint(clock.reset_count);
  json.Key("restarts").Uint(clock.restart_count);
  json.Key("safe").Bool(clock.safe);
  if (clock.firmware_version != 0) json.Key("firmware").Uint(clock.firmware_version);
  json.EndObject();
}

std::string WriteClaims(const AttestationResult& result) {
  JsonWriter json;
  json.BeginObject().Member("eat_profile", kProfile);
  json.Key("iat").Int(Seconds(result.issued));
  json.Key("exp").Int(Seconds(result.expires));
  json.Key("ear.verifier-id").BeginObject().Member("build", kBuild).Member("developer", kDeveloper).EndObject();
  json.Member("eat_nonce", result.nonce);
  WriteSubmodules(json, result.appraisals);
  json.Key("gatehouse.node").BeginObject().Member("name", result.node);
  if (!result.node_uid.empty()) json.Member("uid", result.node_uid);
  json.Member("ak-name", result.ak_name).Member("ek", result.ek);
  if (result.clock) WriteClock(json, *result.clock);
  json.EndObject();
  json.EndObject();
  return std::move(json).Finish();
}

// --- reading

std::optional<Tier> TierFromName(std::string_view name) {
  for (Tier tier : {Tier::kNone, Tier::kAffirming, Tier::kWarning, Tier::kContraindicated}) {
    if (Name(tier) == name) return tier;
  }
  return std::nullopt;
}

Finding ReadFinding(ObjectReader& reader) {
  Finding finding{Reason::kInternal, {}, {}};
  if (auto reason = ReasonFromToken(reader.String("reason"))) {
    finding.reason = *reason;
  } else {
    reader.Fail("reason", "not a reason that this version knows");
  }
  finding.where = reader.Text("where");
  finding.detail = reader.Text("detail");
  return finding;
}

TrustworthinessVector ReadVector(ObjectReader& reader) {
  const auto claim = [&reader](std::string_view name) { return reader.Int(name, -128, 127); };
  return {claim("instance-identity"), claim("configuration"), claim("executables"), claim("hardware")};
}

WallTime ReadTime(ObjectReader& reader, std::string_view key) {
  constexpr std::int64_t kLatest = 253402300799;  // the year 9999; jose has refused a later "iat" and "exp" already
  return WallTime(std::chrono::seconds(reader.Int(key, 0, kLatest)));
}

Tier ReadStatus(ObjectReader& reader) {
  const auto status = TierFromName(reader.String("ear.status"));
  if (!status) reader.Fail("ear.status", "not a tier");
  return status.value_or(Tier::kContraindicated);
}

PolicyAppraisal ReadAppraisal(ObjectReader& reader) {
  PolicyAppraisal appraisal{{}, ReadStatus(reader), {}, {}};
  reader.Object("ear.trustworthiness-vector", Presence::kRequired, [&](ObjectReader& claims) {
    // A status that is better than the worst claim would be believed by whoever reads only the status.
    if (StatusOf(ReadVector(claims)) != appraisal.tier) claims.Fail("", "its worst claim is not what ear.status says");
  });
  appraisal.policy = reader.String("ear.appraisal-policy-id");
  reader.Each("gatehouse.findings", Presence::kOptional,
              [&](ObjectReader& finding) { appraisal.findings.push_back(ReadFinding(finding)); });
  if (!reader.Has("gatehouse.findings")) reader.Fail("gatehouse.findings", "missing");
  appraisal.expires = ReadTime(reader, "gatehouse.expires");
  return appraisal;
}

// All of it or nothing: a clock that is half there would let a TPM be rewound.
claims::TpmClock ReadClock(ObjectReader& reader) {
  claims::TpmClock clock{};
  const auto milliseconds = reader.Raw("milliseconds");
  if (const auto value = milliseconds ? milliseconds->AsUint() : std::nullopt) {
    clock.clock_ms = *value;
  } else {
    reader.Fail("milliseconds", "missing, or not a number of milliseconds");
  }
  constexpr std::int64_t kLargest = std::numeric_limits<std::uint32_t>::max();
  clock.reset_count = static_cast<std::uint32_t>(reader.Int("resets", 0, kLargest));
  clock.restart_count = static_cast<std::uint32_t>(reader.Int("restarts", 0, kLargest));
  const auto safe = reader.OptionalBool("safe");
  if (!safe) reader.Fail("safe", "missing");
  clock.safe = safe.value_or(false);
  // Of the TPM; tokens of releases before it was written do not have it.
  if (const auto firmware = reader.Raw("firmware")) {
    const auto version = firmware->AsUint();
    if (!version || *version == 0) reader.Fail("firmware", "not a firmware version");
    clock.firmware_version = version.value_or(0);
  }
  return clock;
}

// One submodule for each appraisal, or the one that says that there is none.
Status ReadSubmodules(const codec::JsonDocument& document, JsonView submodules,
                      std::vector<PolicyAppraisal>& appraisals) {
  const auto fail = [](std::string_view detail) {
    return Error{Reason::kTokenMalformed, "$.submods", std::string(detail)};
  };
  if (!submodules.IsObject() || submodules.size() == 0) return fail("no submodule");
  for (std::size_t i = 0; i < submodules.size(); ++i) {
    const JsonView::Member member = submodules.member(i);
    ObjectReader reader(document, member.value, Reason::kTokenMalformed, "$.submods." + Printable(member.key));
    if (member.key == kSubmodule) {
      const Tier status = ReadStatus(reader);
      RETURN_IF_ERROR(reader.Finish());
      if (status != Tier::kNone || submodules.size() != 1) return fail("a verdict by no policy");
      continue;
    }
    PolicyAppraisal appraisal = ReadAppraisal(reader);
    RETURN_IF_ERROR(reader.Finish());
    if (member.key != SubmoduleName(appraisal))
      return fail("a submodule that is named after another policy than its own");
    appraisals.push_back(std::move(appraisal));
  }
  return Ok();
}

Result<AttestationResult> ReadClaims(const codec::JsonDocument& document) {
  ObjectReader reader(document, document.root(), Reason::kTokenMalformed);
  AttestationResult result;
  if (reader.String("eat_profile") != kProfile) reader.Fail("eat_profile", "another profile");
  result.issued = ReadTime(reader, "iat");
  result.expires = ReadTime(reader, "exp");
  reader.Object("ear.verifier-id", Presence::kRequired, [](ObjectReader& verifier) {
    std::ignore = verifier.String("build");  // mandatory in an EAR; which build it was decides nothing
    std::ignore = verifier.String("developer");
  });
  result.nonce = reader.String("eat_nonce");
  const auto submodules = reader.Raw("submods");
  if (!submodules) reader.Fail("submods", "missing");
  reader.Object("gatehouse.node", Presence::kRequired, [&result](ObjectReader& node) {
    result.node = node.String("name");
    result.node_uid = node.OptionalString("uid").value_or("");
    result.ak_name = node.String("ak-name");
    result.ek = node.String("ek");
    node.Object("clock", Presence::kOptional, [&result](ObjectReader& clock) { result.clock = ReadClock(clock); });
  });
  RETURN_IF_ERROR(reader.Finish());
  RETURN_IF_ERROR(ReadSubmodules(document, *submodules, result.appraisals));
  if (auto inconsistency = InconsistencyOf(result)) return Error{Reason::kTokenMalformed, "", *inconsistency};
  return result;
}

}  // namespace

std::string_view Name(Tier tier) {
  switch (tier) {
    case Tier::kNone:
      return "none";
    case Tier::kAffirming:
      return "affirming";
    case Tier::kWarning:
      return "warning";
    case Tier::kContraindicated:
      return "contraindicated";
  }
  return "contraindicated";
}

Tier AttestationResult::tier() const {
  Tier worst = Tier::kNone;
  for (const PolicyAppraisal& appraisal : appraisals) worst = std::max(worst, appraisal.tier);
  return worst;
}

WallTime IssuedOf(const AttestationResult& result) {
  using std::chrono::floor;
  using std::chrono::seconds;
  const auto nonce = DecodeBase64Url(result.nonce);
  const auto issued = nonce.ok() ? session::Challenger::IssuedAt(*nonce) : std::nullopt;
  // One that does not agree is none of a challenge.
  return issued && floor<seconds>(*issued) == floor<seconds>(result.issued) ? *issued : result.issued;
}

Result<std::string> Encode(const AttestationResult& result, const crypto::PrivateKey& key) {
  if (auto inconsistency = InconsistencyOf(result))
    return Error{Reason::kInternal, "attestation result", *inconsistency};
  ASSIGN_OR_RETURN(std::string token, jose::SignEs256(key, kType, WriteClaims(result)));
  if (token.size() > limits::kTokenBytes) {
    return Error{Reason::kLimitExceeded, "attestation result", "a token of " + std::to_string(token.size()) + " bytes"};
  }
  return token;
}

Result<VerifiedEar> VerifiedEar::Read(std::string_view token, const std::vector<crypto::PublicKey>& keys, WallTime now,
                                      bool allow_expired) {
  const jose::JwtExpectations expectations{std::string(kType), now, limits::kReplicaClockSkew, allow_expired};
  ASSIGN_OR_RETURN(const jose::VerifiedJwt jwt, jose::VerifyEs256(token, keys, expectations));
  ASSIGN_OR_RETURN(AttestationResult result, ReadClaims(jwt.claims()));
  return VerifiedEar(std::move(result));
}

Result<VerifiedEar> Verify(std::string_view token, const std::vector<crypto::PublicKey>& keys, WallTime now) {
  return VerifiedEar::Read(token, keys, now, false);
}

Result<VerifiedEar> VerifyPossiblyExpired(std::string_view token, const std::vector<crypto::PublicKey>& keys,
                                          WallTime now) {
  return VerifiedEar::Read(token, keys, now, true);
}

}  // namespace gatehouse::ear
