// NextStep as a table: a state in which nothing is to be done, one thing changed, the step that follows.
#include "common/codec/time.h"
#include "tests/webhook/certificates/support.h"

namespace gatehouse::webhook {
namespace {

constexpr Duration kDay = std::chrono::hours(24);
const WallTime kNow{std::chrono::sys_days{std::chrono::year{2027} / 3 / 1}};

CertificateOptions Options() {
  return {.namespace_name = "ns",
          .name = "gatehouse",
          .dns_names = {"a.example"},
          .validating_webhooks = {"gatehouse"},
          .mutating_webhooks = {"gatehouse"},
          .validity = 9 * kDay,
          .ca_validity = 90 * kDay,
          .overlap = std::chrono::hours(1)};
}

StoredObject Object(std::map<std::string, std::string> entries) {
  return {.exists = true, .ours = true, .resource_version = "1", .entries = std::move(entries)};
}

void PutBundles(CertificateState& state) {
  const std::string bundle = BundleOf(state, kNow);
  state.tls.entries["ca.crt"] = bundle;
  state.published.entries["ca.crt"] = bundle;
  for (WebhookObject& webhook : state.webhooks) {
    for (auto& [name, value] : webhook.ca_bundles) value = bundle;
  }
}

// Everything in its place.
CertificateState Good(WallTime made = kNow) {
  CertificateState state;
  auto ca = MakeCa(Options(), made).value();
  state.ca = Object({{"ca.crt", ca.certificate_pem}, {"ca.key", ca.key_pem}});
  auto leaf = MakeServer(state, Options(), made).value();
  state.tls = Object({{"tls.crt", leaf.certificate_pem}, {"tls.key", leaf.key_pem}});
  state.attestation = Object({{"nonce.key", std::string(32, 'n')},
                              {"signing.key", crypto::PrivateKey::Generate(crypto::KeyType::kEcP256)->Pem()}});
  state.published = Object({{"signing-keys.pem", SigningKeysOf(state)}});
  state.webhooks = {{.name = "gatehouse", .exists = true, .ca_bundles = {{"v", ""}, {"p", ""}}},
                    {.mutating = true, .name = "gatehouse", .exists = true, .ca_bundles = {{"m", ""}}}};
  PutBundles(state);
  return state;
}

CertificateState WithNext(CertificateState state) {
  auto next = MakeCa(Options(), kNow).value();
  state.ca.entries["next-ca.crt"] = next.certificate_pem;
  state.ca.entries["next-ca.key"] = next.key_pem;
  return state;
}

// As an operator does, or whoever lost N-ca; all know it.
void ReplaceCa(CertificateState& state) {
  state.ca.entries = Good().ca.entries;
  PutBundles(state);
}

struct Row {
  const char* what;
  std::function<void(CertificateState&, CertificateOptions&)> change;
  StepKind step;
};

std::string Of(WallTime time) {
  return codec::FormatTime(time);
}

TEST(NextStep, Table) {
  using State = CertificateState;
  using Opts = CertificateOptions;
  const std::vector<Row> rows = {
      {"nothing", [](State&, Opts&) {}, StepKind::kNothing},
      {"no attestation Secret", [](State& s, Opts&) { s.attestation = {}; }, StepKind::kFillAttestation},
      {"no nonce key", [](State& s, Opts&) { s.attestation.entries.erase("nonce.key"); }, StepKind::kFillAttestation},
      {"no signing key", [](State& s, Opts&) { s.attestation.entries.erase("signing.key"); },
       StepKind::kFillAttestation},
      {"signing key is garbage", [](State& s, Opts&) { s.attestation.entries["signing.key"] = "x"; },
       StepKind::kNothing},
      {"attestation of others", [](State& s, Opts&) { s.attestation = {.exists = true}; }, StepKind::kNothing},
      {"no CA", [](State& s, Opts&) { s.ca = {}; }, StepKind::kMakeCa},
      {"CA is garbage", [](State& s, Opts&) { s.ca.entries["ca.crt"] = "x"; }, StepKind::kMakeCa},
      {"CA is a server",
       [](State& s, Opts&) {
         s.ca.entries = {{"ca.crt", s.tls.Entry("tls.crt")}, {"ca.key", s.tls.Entry("tls.key")}};
       },
       StepKind::kMakeCa},
      {"CA twice", [](State& s, Opts&) { s.ca.entries["ca.crt"] += s.ca.Entry("ca.crt"); }, StepKind::kMakeCa},
      {"CA of others is garbage",
       [](State& s, Opts&) {
         s.ca.entries["ca.crt"] = "x";
         s.ca.ours = false;
       },
       StepKind::kNothing},
      {"broken CA while the next one waits",
       [](State& s, Opts&) {
         s = WithNext(s);
         s.ca.entries["ca.crt"] = "x";
       },
       StepKind::kPromote},
      {"expired CA", [](State& s, Opts&) { s = Good(kNow - 91 * kDay); }, StepKind::kMakeCa},
      {"no tls Secret", [](State& s, Opts&) { s.tls = {}; }, StepKind::kIssue},
      {"tls of others is garbage",
       [](State& s, Opts&) {
         s.tls = {.exists = true, .entries = {{"tls.crt", "x"}}};
       },
       StepKind::kNothing},
      {"key of another", [](State& s, Opts&) { s.tls.entries["tls.key"] = s.ca.Entry("ca.key"); }, StepKind::kIssue},
      {"leaf expired", [](State& s, Opts&) { s = Good(kNow - 10 * kDay); }, StepKind::kIssue},
      {"leaf due", [](State& s, Opts&) { s = Good(kNow - 7 * kDay); }, StepKind::kIssue},
      {"leaf not due", [](State& s, Opts&) { s = Good(kNow - 5 * kDay); }, StepKind::kNothing},
      {"leaf of another CA",
       [](State& s, Opts&) {
         State o = Good();
         for (const char* entry : {"tls.crt", "tls.key"}) s.tls.entries[entry] = o.tls.Entry(entry);
       },
       StepKind::kIssue},
      {"leaf of a CA that was replaced, the bundles lack the new one",
       [](State& s, Opts&) { s.ca.entries = Good().ca.entries; }, StepKind::kPublish},
      {"leaf of a CA that was replaced, known to all", [](State& s, Opts&) { ReplaceCa(s); }, StepKind::kMarkReplaced},
      {"leaf of a CA that was replaced, published just now",
       [](State& s, Opts&) {
         ReplaceCa(s);
         s.tls.annotations[std::string(kReplacedAnnotation)] = ReplacedMark(s, kNow - std::chrono::minutes(59));
       },
       StepKind::kNothing},
      {"leaf of a CA that was replaced, published long enough",
       [](State& s, Opts&) {
         ReplaceCa(s);
         s.tls.annotations[std::string(kReplacedAnnotation)] = ReplacedMark(s, kNow - std::chrono::hours(1));
       },
       StepKind::kIssue},
      {"leaf of a CA that was replaced, another one published long enough",
       [](State& s, Opts&) {
         s.tls.annotations[std::string(kReplacedAnnotation)] = ReplacedMark(s, kNow - kDay);
         ReplaceCa(s);
       },
       StepKind::kMarkReplaced},
      {"leaf of a CA that was replaced, others' webhooks cannot be read",
       [](State& s, Opts&) {
         ReplaceCa(s);
         s.webhooks[0].unreadable = "denied";
       },
       StepKind::kNothing},
      {"replaced CA, what it signed was served just now",
       [](State& s, Opts&) {
         s.tls.entries["previous-ca.crt"] = Good().ca.Entry("ca.crt");
         PutBundles(s);
         s.tls.annotations[std::string(kRotatedAnnotation)] = Of(kNow);
       },
       StepKind::kNothing},
      {"replaced CA, what it signed was served long ago",
       [](State& s, Opts&) {
         s.tls.entries["previous-ca.crt"] = Good().ca.Entry("ca.crt");
         PutBundles(s);
         s.tls.annotations[std::string(kRotatedAnnotation)] = Of(kNow - kDay);
       },
       StepKind::kDropReplaced},
      {"tls of others under our CA", [](State& s, Opts&) { s.tls.ours = false; }, StepKind::kNothing},
      {"tls of others under another CA, our bundles nowhere",
       [](State& s, Opts&) {
         s.tls = Good().tls;
         s.tls.ours = false;
         s.published.entries["ca.crt"] = "x";
         s.webhooks[0].ca_bundles["v"] = "x";
       },
       StepKind::kNothing},
      {"another name wanted", [](State&, Opts& o) { o.dns_names = {"b.example"}; }, StepKind::kIssue},
      {"a name more wanted", [](State&, Opts& o) { o.dns_names.emplace_back("b.example"); }, StepKind::kIssue},
      {"the name in capitals", [](State&, Opts& o) { o.dns_names = {"A.EXAMPLE"}; }, StepKind::kNothing},
      {"other bundle beside the leaf", [](State& s, Opts&) { s.tls.entries["ca.crt"] = "x"; }, StepKind::kBundleTls},
      {"no public ConfigMap", [](State& s, Opts&) { s.published = {}; }, StepKind::kPublish},
      {"other public bundle", [](State& s, Opts&) { s.published.entries["ca.crt"] = "x"; }, StepKind::kPublish},
      {"other public keys", [](State& s, Opts&) { s.published.entries["signing-keys.pem"] = "x"; }, StepKind::kPublish},
      {"public of others", [](State& s, Opts&) { s.published = {.exists = true}; }, StepKind::kNothing},
      {"other caBundle", [](State& s, Opts&) { s.webhooks[1].ca_bundles["m"] = "x"; }, StepKind::kPatchWebhook},
      {"webhooks are absent", [](State& s, Opts&) { s.webhooks[0] = {.name = "gatehouse"}; }, StepKind::kNothing},
      {"CA due",
       [](State& s, Opts&) {
         s = Good(kNow - 61 * kDay);
         s.tls = Good().tls;
         auto l = MakeServer(s, Options(), kNow).value();
         s.tls.entries = {{"tls.crt", l.certificate_pem}, {"tls.key", l.key_pem}};
         PutBundles(s);
       },
       StepKind::kMakeNextCa},
      {"next CA not in the bundles", [](State& s, Opts&) { s = WithNext(s); }, StepKind::kPublish},
      {"next CA in the bundles",
       [](State& s, Opts&) {
         s = WithNext(s);
         PutBundles(s);
       },
       StepKind::kMarkPublished},
      {"next CA in all bundles but one",
       [](State& s, Opts&) {
         s = WithNext(s);
         PutBundles(s);
         s.webhooks[0].ca_bundles["p"] = "";
       },
       StepKind::kPatchWebhook},
      {"next CA and webhooks that cannot be read",
       [](State& s, Opts&) {
         s = WithNext(s);
         PutBundles(s);
         s.webhooks[0].unreadable = "denied";
       },
       StepKind::kNothing},
      {"next CA published just now",
       [](State& s, Opts&) {
         s = WithNext(s);
         PutBundles(s);
         s.ca.annotations[std::string(kPublishedAnnotation)] = Of(kNow - std::chrono::minutes(59));
       },
       StepKind::kNothing},
      {"next CA published long enough",
       [](State& s, Opts&) {
         s = WithNext(s);
         PutBundles(s);
         s.ca.annotations[std::string(kPublishedAnnotation)] = Of(kNow - std::chrono::minutes(60));
       },
       StepKind::kPromote},
      {"next CA published at a time that is none",
       [](State& s, Opts&) {
         s = WithNext(s);
         PutBundles(s);
         s.ca.annotations[std::string(kPublishedAnnotation)] = "x";
       },
       StepKind::kMarkPublished},
      {"next CA published long enough, others'",
       [](State& s, Opts&) {
         s = WithNext(s);
         PutBundles(s);
         s.ca.ours = false;
         s.ca.annotations[std::string(kPublishedAnnotation)] = Of(kNow - kDay);
       },
       StepKind::kNothing},
      {"next CA is garbage", [](State& s, Opts&) { s.ca.entries["next-ca.crt"] = "x"; }, StepKind::kNothing},
      {"previous CA, rotated just now",
       [](State& s, Opts&) {
         s.ca.entries["previous-ca.crt"] = Good().ca.Entry("ca.crt");
         PutBundles(s);
         s.ca.annotations[std::string(kRotatedAnnotation)] = Of(kNow);
       },
       StepKind::kNothing},
      {"previous CA, rotated long ago",
       [](State& s, Opts&) {
         s.ca.entries["previous-ca.crt"] = Good().ca.Entry("ca.crt");
         PutBundles(s);
         s.ca.annotations[std::string(kRotatedAnnotation)] = Of(kNow - kDay);
       },
       StepKind::kDropPrevious},
      {"previous CA is garbage", [](State& s, Opts&) { s.ca.entries["previous-ca.crt"] = "x"; },
       StepKind::kDropPrevious},
      {"no serving certificates of ours",
       [](State& s, Opts& o) {
         o.serving = false;
         s.ca = {};
         s.tls = {};
         s.webhooks = {};
         s.published.entries.erase("ca.crt");
       },
       StepKind::kNothing},
  };
  for (const Row& row : rows) {
    CertificateState state = Good();
    CertificateOptions options = Options();
    row.change(state, options);
    CertificatePlan plan = NextStep(state, options, kNow, {});
    EXPECT_EQ(Name(plan.step.kind), Name(row.step)) << row.what << ": " << plan.why;
  }
}

TEST(NextStep, AFailedStepIsPassedOverAndHoldsUpRotationOnly) {
  CertificateState state = WithNext(Good());
  PutBundles(state);
  state.ca.annotations[std::string(kPublishedAnnotation)] = Of(kNow - kDay);
  state.webhooks[0].ca_bundles["v"] = "x";
  state.tls.entries["ca.crt"] = "x";
  std::set<Step> failed;
  EXPECT_EQ(NextStep(state, Options(), kNow, failed).step.kind, StepKind::kBundleTls);
  failed.insert({StepKind::kBundleTls});
  EXPECT_EQ(NextStep(state, Options(), kNow, failed).step, (Step{StepKind::kPatchWebhook, 0}));
  failed.insert({StepKind::kPatchWebhook, 0});
  EXPECT_EQ(NextStep(state, Options(), kNow, failed).step.kind, StepKind::kNothing);
  state.webhooks[1].ca_bundles["m"] = "x";
  EXPECT_EQ(NextStep(state, Options(), kNow, failed).step, (Step{StepKind::kPatchWebhook, 1}));
}

TEST(NextStep, SaysWhenTimeMakesSomethingDue) {
  CertificateState state = Good();
  CertificatePlan plan = NextStep(state, Options(), kNow, {});
  ASSERT_EQ(plan.step.kind, StepKind::kNothing);
  ASSERT_NE(plan.wait, kNoWait);
  EXPECT_EQ(NextStep(state, Options(), kNow + plan.wait - Duration(1), {}).step.kind, StepKind::kNothing);
  EXPECT_EQ(NextStep(state, Options(), kNow + plan.wait, {}).step.kind, StepKind::kIssue);
}

TEST(NextStep, ALeafThatEndsWithItsCaIsNotRenewedForNothing) {
  CertificateState state = Good(kNow - 85 * kDay);
  auto leaf = MakeServer(state, Options(), kNow).value();
  state.tls.entries = {{"tls.crt", leaf.certificate_pem}, {"tls.key", leaf.key_pem}};
  PutBundles(state);
  std::set<Step> failed = {{StepKind::kMakeNextCa}};
  EXPECT_EQ(NextStep(state, Options(), kNow + 4 * kDay, failed).step.kind, StepKind::kNothing);
}

}  // namespace
}  // namespace gatehouse::webhook
