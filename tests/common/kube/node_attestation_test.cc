// NodeAttestation: what is written is read again and fits the resource's schema; what is thought of a node.
#include "common/kube/node_attestation.h"

#include <gtest/gtest.h>

#include <random>

#include "common/base/encoding.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/codec/yaml.h"
#include "tests/fakes/json_value.h"

namespace gatehouse::kube {
namespace {

using appraisal::Finding;
using fakes::JsonValue;

constexpr WallTime kNow{std::chrono::sys_days{std::chrono::year{2027} / 1 / 1}};
constexpr Duration kMinute{60'000};

const crypto::PrivateKey& Key() {
  static const crypto::PrivateKey key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value();
  return key;
}

ear::AttestationResult ResultOf(std::vector<ear::PolicyAppraisal> appraisals) {
  ear::AttestationResult result;
  result.node = "worker-1";
  result.node_uid = "0c0ffee0-0000-4000-8000-000000000001";
  result.ak_name = "000b" + std::string(64, 'a');
  result.ek = "sha256:" + std::string(64, 'b');
  result.appraisals = std::move(appraisals);
  result.nonce = "paWl";
  result.issued = kNow - kMinute;
  result.expires = kNow + 10 * kMinute;
  return result;
}

// Answers a challenge of that time, which the token's `iat` cuts to the second.
ear::AttestationResult Challenged(ear::AttestationResult result, WallTime time) {
  Bytes nonce(48, 0xA5);
  auto milliseconds = static_cast<std::uint64_t>(time.time_since_epoch().count());
  for (std::size_t i = 0; i < 8; ++i) nonce[i] = static_cast<std::uint8_t>(milliseconds >> (56 - 8 * i));
  result.nonce = EncodeBase64Url(nonce);
  result.issued = std::chrono::floor<std::chrono::seconds>(time);
  return result;
}

ear::PolicyAppraisal Good(const std::string& policy, WallTime expires = kNow + 10 * kMinute) {
  return {policy, ear::Tier::kAffirming, {}, expires};
}

ear::PolicyAppraisal Bad(const std::string& policy) {
  return {policy,
          ear::Tier::kContraindicated,
          {{Reason::kPcrMismatch, "pcr 7 (sha256)", "found aa, expected bb"}},
          kNow + 10 * kMinute};
}

NodeAttestation Sample() {
  NodeAttestation attestation;
  attestation.name = "worker-1";
  attestation.resource_version = "4711";
  attestation.uid = "uid-of-the-object";
  attestation.node_uid = "0c0ffee0-0000-4000-8000-000000000001";
  attestation.ek = "sha256:" + std::string(64, 'b');
  attestation.ak = "000b" + std::string(64, 'a');
  attestation.enrolled = kNow - 60 * kMinute;
  attestation.binding = "a.b.c";
  attestation.ear = "d.e.f";
  attestation.failure = Failure{Reason::kNonceReused, "nonce", "answered before", kNow - kMinute + Duration(7)};
  attestation.verdict = Verdict::kUntrusted;
  attestation.since = kNow - 2 * kMinute;
  attestation.attested = kNow - kMinute;
  attestation.expires = kNow + kMinute;
  attestation.reasons = {"pcr-mismatch", "nonce-reused"};
  attestation.message = "pcr 7 (sha256): found aa [pcr-mismatch]";
  return attestation;
}

void ExpectEqual(const NodeAttestation& read, const NodeAttestation& written) {
  EXPECT_EQ(read.name, written.name);
  EXPECT_EQ(read.resource_version, written.resource_version);
  EXPECT_EQ(read.uid, written.uid);
  EXPECT_EQ(read.node_uid, written.node_uid);
  EXPECT_EQ(read.ek, written.ek);
  EXPECT_EQ(read.ak, written.ak);
  EXPECT_EQ(read.enrolled, written.enrolled);
  EXPECT_EQ(read.binding, written.binding);
  EXPECT_EQ(read.ear, written.ear);
  EXPECT_EQ(read.failure, written.failure);
  EXPECT_EQ(read.verdict, written.verdict);
  EXPECT_EQ(read.since, written.since);
  EXPECT_EQ(read.attested, written.attested);
  EXPECT_EQ(read.expires, written.expires);
  EXPECT_EQ(read.reasons, written.reasons);
  EXPECT_EQ(read.message, written.message);
}

Result<NodeAttestation> Read(const std::string& json) {
  auto document = codec::JsonDocument::Parse(json, {limits::kKubeObjectBytes});
  EXPECT_TRUE(document.ok()) << json;
  return ReadNodeAttestation(*document, document->root());
}

std::optional<ear::VerifiedEar> Verified(const ear::AttestationResult& result) {
  auto ear = ear::VerifyPossiblyExpired(*ear::Encode(result, Key()), {Key().Public()}, kNow);
  EXPECT_TRUE(ear.ok());
  return ear.ok() ? std::optional(*ear) : std::nullopt;
}

TEST(NodeAttestation, WhatIsWrittenIsReadAgain) {
  auto read = Read(WriteNodeAttestation(Sample(), Verified(ResultOf({Good("a@1"), Bad("b@2")})), false));
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  ExpectEqual(*read, Sample());
}

TEST(NodeAttestation, ABindingWithoutAResult) {
  NodeAttestation sample;
  sample.name = "worker-1";
  sample.ek = "sha256:00";
  sample.ak = "00";
  sample.binding = "a.b.c";
  const std::string json = WriteNodeAttestation(sample, std::nullopt, false);
  auto read = Read(json);
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  ExpectEqual(*read, sample);
  for (const char* absent : {"\"ear\"", "\"failure\"", "\"attested\"", "\"nodeUID\"", "\"resourceVersion\"", "1970"}) {
    EXPECT_EQ(json.find(absent), std::string::npos) << absent;
  }
}

// What a 1.20 API server built with Go 1.19 takes for null.
TEST(NodeAttestation, NoEmptyTextIsEverWritten) {
  NodeAttestation sample;
  sample.name = "n";
  EXPECT_EQ(WriteNodeAttestation(sample, std::nullopt, false).find("\"\""), std::string::npos);
  sample = Sample();
  sample.message.clear();
  sample.failure->where.clear();
  sample.failure->detail.clear();
  ear::AttestationResult result = ResultOf({Bad("b")});
  result.appraisals[0].findings = {{Reason::kPcrMismatch, "", ""}};
  const std::string json = WriteNodeAttestation(sample, Verified(result), false);
  EXPECT_EQ(json.find("\"\""), std::string::npos) << json;
  auto read = Read(json);
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  ExpectEqual(*read, sample);
}

// Any text that a node or an admin can bring in.
TEST(NodeAttestation, RoundTripOfAnything) {
  std::mt19937 random(4711);
  auto text = [&](std::size_t max) {
    std::string result;
    for (std::size_t n = random() % max; n > 0; --n) result += static_cast<char>(0x20 + random() % 0x5f);
    return result;
  };
  auto time = [&] { return random() % 4 == 0 ? WallTime{} : kNow + Duration(random() % 100'000'000); };
  for (int i = 0; i < 300; ++i) {
    NodeAttestation sample;
    sample.name = "n" + text(20);
    sample.resource_version = text(5);
    sample.uid = text(5);
    sample.node_uid = text(40);
    sample.ek = text(80);
    sample.ak = text(80);
    sample.enrolled = time();
    sample.binding = text(3000);
    sample.ear = text(3000);
    if (random() % 2 == 0) {
      const auto reasons = AllReasons();
      sample.failure =
          Failure{reasons[random() % reasons.size()].reason, text(500), text(1000), kNow + Duration(random() % 9999)};
    }
    sample.verdict = static_cast<Verdict>(random() % 4);
    sample.since = time();
    sample.attested = time();
    sample.expires = time();
    for (std::size_t n = random() % 4; n > 0; --n) sample.reasons.push_back("r" + text(20));
    sample.message = text(1000);
    auto read = Read(WriteNodeAttestation(sample, std::nullopt, random() % 2 == 0));
    ASSERT_TRUE(read.ok()) << read.error().ToString();
    ExpectEqual(*read, sample);
  }
}

TEST(NodeAttestation, TextsAreCutToWhatTheSchemaAdmits) {
  NodeAttestation sample = Sample();
  sample.message = std::string(5000, 'm');
  sample.failure->detail = std::string(5000, 'd');
  sample.failure->where = std::string(5000, 'w');
  sample.reasons.assign(200, "pcr-mismatch");
  auto read = Read(WriteNodeAttestation(sample, std::nullopt, false));
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_LE(read->message.size(), 1024U);
  EXPECT_LE(read->failure->detail.size(), 1024U);
  EXPECT_LE(read->failure->where.size(), 512U);
  EXPECT_EQ(read->reasons.size(), 64U);
}

TEST(NodeAttestation, PoliciesAndConditionSayWhatTheResultSays) {
  const std::string json =
      WriteNodeAttestation(Sample(), Verified(ResultOf({Good("a@1"), Bad("b@with@2"), Good("a@3")})), true);
  const JsonValue object = *JsonValue::Parse(json);
  const JsonValue& policies = *object.At({"status", "policies"});
  ASSERT_EQ(policies.elements.size(), 2U) << "a name twice is refused by the API server";
  EXPECT_EQ(policies.elements[0].Write(),
            R"({"name":"a","generation":"1","status":"affirming","expires":"2027-01-01T00:10:00Z","findings":[]})");
  EXPECT_EQ(policies.elements[1].TextAt({"name"}), "b@with");
  EXPECT_EQ(policies.elements[1].At({"findings"})->Write(),
            R"j([{"reason":"pcr-mismatch","where":"pcr 7 (sha256)","detail":"found aa, expected bb"}])j");
  EXPECT_EQ(object.At({"status", "conditions"})->Write(),
            R"j([{"type":"Trusted","status":"False","reason":"Untrusted",)j"
            R"j("message":"pcr 7 (sha256): found aa [pcr-mismatch]","lastTransitionTime":"2026-12-31T23:58:00Z"}])j");
  EXPECT_EQ(object.At({"metadata", "ownerReferences"})->Write(),
            R"([{"apiVersion":"v1","kind":"Node","name":"worker-1","uid":"0c0ffee0-0000-4000-8000-000000000001"}])");
}

TEST(NodeAttestation, ConditionOfEachVerdict) {
  const std::pair<Verdict, const char*> cases[] = {{Verdict::kTrusted, "True"},
                                                   {Verdict::kUntrusted, "False"},
                                                   {Verdict::kExpired, "False"},
                                                   {Verdict::kUnknown, "Unknown"}};
  for (const auto& [verdict, status] : cases) {
    NodeAttestation sample = Sample();
    sample.verdict = verdict;
    const JsonValue object = *JsonValue::Parse(WriteNodeAttestation(sample, std::nullopt, false));
    EXPECT_EQ(object.At({"status", "conditions"})->elements[0].TextAt({"status"}), status);
    EXPECT_EQ(object.TextAt({"status", "verdict"}), Name(verdict));
  }
}

// --- the schema

// What is wrong with `value` by a structural schema; "" if nothing.
std::string Mismatch(const JsonValue& value, const JsonValue& schema, const std::string& path) {
  const std::string type = schema.TextAt({"type"});
  const bool fits = (type == "object" && value.kind == JsonValue::Kind::kObject) ||
                    (type == "array" && value.kind == JsonValue::Kind::kArray) ||
                    (type == "string" && value.kind == JsonValue::Kind::kString);
  if (!fits) return path + " is no " + type;
  if (const JsonValue* allowed = schema.Find("enum")) {
    bool found = false;
    for (const JsonValue& one : allowed->elements) found = found || one.text == value.text;
    if (!found) return path + " is not one of the enumeration";
  }
  if (const JsonValue* max = schema.Find("maxLength"); max != nullptr && value.text.size() > std::stoul(max->text)) {
    return path + " is too long";
  }
  if (const JsonValue* required = schema.Find("required")) {
    for (const JsonValue& member : required->elements) {
      if (value.Find(member.text) == nullptr) return path + "." + member.text + " is missing";
    }
  }
  for (const JsonValue& element : value.elements) {
    if (std::string wrong = Mismatch(element, *schema.Find("items"), path + "[]"); !wrong.empty()) return wrong;
  }
  if (path == "$.metadata") return "";
  for (const auto& [key, member] : value.members) {
    const JsonValue* of_member = schema.At({"properties", key});
    if (of_member == nullptr) return path + "." + key + " is not in the schema";
    if (std::string wrong = Mismatch(member, *of_member, path + "." + key); !wrong.empty()) return wrong;
  }
  return "";
}

JsonValue Schema() {
  const std::string path =
      std::string(GATEHOUSE_SOURCE_DIR) + "/deploy/helm/gatehouse/files/crds/nodeattestations.yaml";
  auto text = ReadTextFile(path, limits::kYamlBytes);
  EXPECT_TRUE(text.ok()) << path;
  auto documents = codec::ParseYaml(*text, path);
  EXPECT_TRUE(documents.ok()) << documents.error().ToString();
  return *JsonValue::From(documents->front().root())
              .At({"spec", "versions"})
              ->elements[0]
              .At({"schema", "openAPIV3Schema"});
}

TEST(NodeAttestation, WhatIsWrittenFitsTheSchemaOfTheResource) {
  const JsonValue schema = Schema();
  NodeAttestation sample = Sample();
  auto check = [&](const std::string& json) { return Mismatch(*JsonValue::Parse(json), schema, "$"); };
  EXPECT_EQ(check(WriteNodeAttestation(sample, Verified(ResultOf({Good("a@1"), Bad("b@2")})), true)), "");
  sample.message = std::string(100'000, 'x');
  sample.failure->detail = std::string(100'000, 'x');
  EXPECT_EQ(check(WriteNodeAttestation(sample, std::nullopt, false)), "");
  EXPECT_EQ(check(WriteNodeAttestation(NodeAttestation(), std::nullopt, false)), "");
  EXPECT_NE(check(R"({"apiVersion":"x","kind":"y","metadata":{},"spec":{"other":""}})"), "") << "the check itself";
}

// --- reading what others wrote

struct Defect {
  const char* name;
  std::function<void(JsonValue&)> apply;
};
class NodeAttestationMalformed : public testing::TestWithParam<Defect> {};

TEST_P(NodeAttestationMalformed, IsRefused) {
  JsonValue object = *JsonValue::Parse(WriteNodeAttestation(Sample(), std::nullopt, false));
  ASSERT_TRUE(Read(object.Write()).ok());
  GetParam().apply(object);
  auto read = Read(object.Write());
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().reason, Reason::kJsonMalformed);
}

INSTANTIATE_TEST_SUITE_P(
    , NodeAttestationMalformed,
    testing::Values(
        Defect{"NoObject", [](JsonValue& o) { o = JsonValue::Array(); }},
        Defect{"NoMetadata", [](JsonValue& o) { o.Erase("metadata"); }},
        Defect{"NoName", [](JsonValue& o) { o.Member("metadata").Erase("name"); }},
        Defect{"NameEmpty", [](JsonValue& o) { o.Member("metadata").Member("name") = JsonValue::String(""); }},
        Defect{"NoSpec", [](JsonValue& o) { o.Erase("spec"); }},
        Defect{"SpecOfText", [](JsonValue& o) { o.Member("spec") = JsonValue::String("x"); }},
        Defect{"BindingANumber", [](JsonValue& o) { o.Member("spec").Member("binding") = JsonValue::Number(1); }},
        Defect{"BindingTooLong",
               [](JsonValue& o) {
                 o.Member("spec").Member("binding") = JsonValue::String(std::string(limits::kTokenBytes + 1, 'x'));
               }},
        Defect{"EnrolledNoTime",
               [](JsonValue& o) { o.Member("spec").Member("enrolled") = JsonValue::String("today"); }},
        Defect{"StatusOfText", [](JsonValue& o) { o.Member("status") = JsonValue::String("Trusted"); }},
        Defect{"EarAnObject", [](JsonValue& o) { o.Member("status").Member("ear") = JsonValue::Object(); }},
        Defect{"EarTooLong",
               [](JsonValue& o) {
                 o.Member("status").Member("ear") = JsonValue::String(std::string(limits::kTokenBytes + 1, 'x'));
               }},
        Defect{"SinceNoTime", [](JsonValue& o) { o.Member("status").Member("since") = JsonValue::String("2027"); }},
        Defect{"FailureOfText", [](JsonValue& o) { o.Member("status").Member("failure") = JsonValue::String("x"); }},
        Defect{"FailureWithoutReason", [](JsonValue& o) { o.Member("status").Member("failure").Erase("reason"); }},
        Defect{"FailureWithoutTime", [](JsonValue& o) { o.Member("status").Member("failure").Erase("time"); }},
        Defect{"FailureAtNoTime",
               [](JsonValue& o) { o.Member("status").Member("failure").Member("time") = JsonValue::String("soon"); }},
        Defect{"ReasonsOfNumbers",
               [](JsonValue& o) { o.Member("status").Member("reasons").elements.push_back(JsonValue::Number(7)); }}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(NodeAttestation, WhatAnotherReleaseWroteIsRead) {
  JsonValue object = *JsonValue::Parse(WriteNodeAttestation(Sample(), std::nullopt, false));
  object.Member("spec").Member("tee") = JsonValue::Object();
  object.Member("status").Member("verdict") = JsonValue::String("Doubtful");
  object.Member("status").Member("failure").Member("reason") = JsonValue::String("tee-malformed");
  object.Member("status").Member("failure").Member("more") = JsonValue::String("x");
  auto read = Read(object.Write());
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_EQ(read->verdict, Verdict::kUnknown);
  ASSERT_TRUE(read->failure.has_value());
  EXPECT_EQ(read->failure->reason, Reason::kNodeUntrusted) << "it takes trust away, whatever it is";
}

TEST(NodeAttestation, SomebodyWaitsForANewerOne) {
  JsonValue object = *JsonValue::Parse(WriteNodeAttestation(Sample(), std::nullopt, false));
  EXPECT_FALSE(Read(object.Write())->newer_than.has_value());
  JsonValue& annotation = object.Member("metadata").Member("annotations").Member(kNewerThan);
  annotation = JsonValue::String("2027-01-01T00:00:00Z");
  EXPECT_EQ(Read(object.Write())->newer_than, kNow);
  annotation = JsonValue::String("soon");
  EXPECT_FALSE(Read(object.Write())->newer_than.has_value()) << "anybody's text breaks nothing";
}

TEST(NodeAttestation, WithoutAStatusNothingIsKnown) {
  auto read = Read(R"({"metadata":{"name":"n"},"spec":{"binding":"a.b.c"}})");
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_EQ(read->verdict, Verdict::kUnknown);
  EXPECT_TRUE(read->ear.empty());
}

// --- Judge

struct JudgeCase {
  const char* name;
  std::optional<ear::AttestationResult> result;
  std::optional<Failure> failure;
  std::vector<std::string> policies;
  Verdict verdict;
  std::vector<Reason> findings;
  WallTime expires{};
};
class JudgeTest : public testing::TestWithParam<JudgeCase> {};

TEST_P(JudgeTest, Table) {
  const JudgeCase& c = GetParam();
  const Standing standing = Judge(c.result, c.failure, c.policies, kNow);
  EXPECT_EQ(Name(standing.verdict), Name(c.verdict));
  std::vector<Reason> reasons;
  for (const Finding& finding : standing.findings) reasons.push_back(finding.reason);
  EXPECT_EQ(reasons, c.findings);
  EXPECT_EQ(standing.expires, c.expires);
  // Nobody is trusted with a finding, or not trusted under a policy without one.
  EXPECT_EQ(standing.verdict == Verdict::kTrusted, standing.findings.empty() && !c.policies.empty());
}

Failure FailureAt(WallTime time) {
  return {Reason::kPcrDigestMismatch, "quote", "other values", time};
}

constexpr WallTime kLate = kNow + 10 * kMinute;
constexpr WallTime kPast = kNow - kMinute / 2;

INSTANTIATE_TEST_SUITE_P(
    , JudgeTest,
    testing::Values(
        JudgeCase{"NoPolicy", ResultOf({Good("a@1")}), {}, {}, Verdict::kUnknown, {}},
        JudgeCase{"NoPolicyAndAFailure", {}, FailureAt(kNow), {}, Verdict::kUnknown, {}},
        JudgeCase{"NoResult", {}, {}, {"a@1"}, Verdict::kUnknown, {Reason::kNodeUnknown}},
        JudgeCase{
            "FailureWithoutAResult", {}, FailureAt(kPast), {"a@1"}, Verdict::kUntrusted, {Reason::kPcrDigestMismatch}},
        JudgeCase{"Trusted", ResultOf({Good("a@1")}), {}, {"a@1"}, Verdict::kTrusted, {}, kLate},
        JudgeCase{"TrustedUnderBoth",
                  ResultOf({Good("a@1"), Good("b@1", kNow + kMinute)}),
                  {},
                  {"a@1", "b@1"},
                  Verdict::kTrusted,
                  {},
                  kNow + kMinute},
        JudgeCase{"APolicyThatDoesNotCoverTheNodeDoesNotCount",
                  ResultOf({Good("a@1"), Bad("b@1")}),
                  {},
                  {"a@1"},
                  Verdict::kTrusted,
                  {},
                  kLate},
        JudgeCase{"OlderFailure",
                  ResultOf({Good("a@1")}),
                  FailureAt(kNow - 2 * kMinute),
                  {"a@1"},
                  Verdict::kTrusted,
                  {},
                  kLate},
        JudgeCase{"FailureAtTheVeryTime",
                  ResultOf({Good("a@1")}),
                  FailureAt(kNow - kMinute),
                  {"a@1"},
                  Verdict::kTrusted,
                  {},
                  kLate},
        JudgeCase{"LaterFailure",
                  ResultOf({Good("a@1")}),
                  FailureAt(kNow - kMinute + Duration(1)),
                  {"a@1"},
                  Verdict::kUntrusted,
                  {Reason::kPcrDigestMismatch}},
        JudgeCase{"FailureBeforeTheChallengeWithinTheSameSecond",
                  Challenged(ResultOf({Good("a@1")}), kNow - kMinute + Duration(700)),
                  FailureAt(kNow - kMinute + Duration(100)),
                  {"a@1"},
                  Verdict::kTrusted,
                  {},
                  kLate},
        JudgeCase{"FailureAfterTheChallengeWithinTheSameSecond",
                  Challenged(ResultOf({Good("a@1")}), kNow - kMinute + Duration(700)),
                  FailureAt(kNow - kMinute + Duration(701)),
                  {"a@1"},
                  Verdict::kUntrusted,
                  {Reason::kPcrDigestMismatch}},
        JudgeCase{"Untrusted", ResultOf({Bad("a@1")}), {}, {"a@1"}, Verdict::kUntrusted, {Reason::kPcrMismatch}},
        JudgeCase{"UntrustedUnderOne",
                  ResultOf({Good("a@1"), Bad("b@1")}),
                  {},
                  {"a@1", "b@1"},
                  Verdict::kUntrusted,
                  {Reason::kPcrMismatch}},
        JudgeCase{"WarningIsNotAffirming",
                  ResultOf({{"a@1", ear::Tier::kWarning, {{Reason::kPcrMissing, "", ""}}, kLate}}),
                  {},
                  {"a@1"},
                  Verdict::kUntrusted,
                  {Reason::kPcrMissing}},
        JudgeCase{"AnotherGeneration", ResultOf({Good("a@1")}), {}, {"a@2"}, Verdict::kUnknown, {Reason::kNodeUnknown}},
        JudgeCase{"GoodUnderTheOldGenerationOnly",
                  ResultOf({Good("a@1"), Good("b@1")}),
                  {},
                  {"a@2", "b@1"},
                  Verdict::kUnknown,
                  {Reason::kNodeUnknown}},
        JudgeCase{"Expired",
                  ResultOf({Good("a@1", kPast)}),
                  {},
                  {"a@1"},
                  Verdict::kExpired,
                  {Reason::kAttestationExpired},
                  kPast},
        JudgeCase{"ExpiresNow",
                  ResultOf({Good("a@1", kNow)}),
                  {},
                  {"a@1"},
                  Verdict::kExpired,
                  {Reason::kAttestationExpired},
                  kNow},
        JudgeCase{"ExpiresInAMoment",
                  ResultOf({Good("a@1", kNow + Duration(1))}),
                  {},
                  {"a@1"},
                  Verdict::kTrusted,
                  {},
                  kNow + Duration(1)},
        JudgeCase{"ExpiredUnderOne",
                  ResultOf({Good("a@1"), Good("b@1", kPast)}),
                  {},
                  {"a@1", "b@1"},
                  Verdict::kExpired,
                  {Reason::kAttestationExpired},
                  kPast},
        JudgeCase{"UntrustedOutweighsExpiredAndUnknown",
                  ResultOf({Good("a@1", kPast), Bad("b@1")}),
                  {},
                  {"c@1", "a@1", "b@1"},
                  Verdict::kUntrusted,
                  {Reason::kPcrMismatch, Reason::kAttestationExpired, Reason::kNodeUnknown}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Judge, AResultThatHasExpiredAsAWhole) {
  ear::AttestationResult result = ResultOf({Good("a@1")});
  result.expires = kPast;
  EXPECT_EQ(Judge(result, {}, {"a@1"}, kNow).verdict, Verdict::kExpired);
}

TEST(Judge, UntrustedStaysSoAfterItsTime) {
  ear::AttestationResult result = ResultOf({Bad("a@1")});
  result.appraisals[0].expires = kPast;
  result.expires = kPast;
  EXPECT_EQ(Judge(result, {}, {"a@1"}, kNow).verdict, Verdict::kUntrusted);
}

TEST(Verdict, Names) {
  EXPECT_EQ(Name(Verdict::kUnknown), "Unknown");
  EXPECT_EQ(Name(Verdict::kTrusted), "Trusted");
  EXPECT_EQ(Name(Verdict::kUntrusted), "Untrusted");
  EXPECT_EQ(Name(Verdict::kExpired), "Expired");
}

}  // namespace
}  // namespace gatehouse::kube
