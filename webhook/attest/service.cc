#include "webhook/attest/service.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"
#include "common/verify/tpm/identity.h"
#include "common/verify/tpm/quote.h"

namespace gatehouse::webhook {
namespace {

namespace evidence = gatehouse::evidence::tpm;
namespace verify = gatehouse::verify::tpm;

constexpr Duration kShortestInterval{1'000};

evidence::PcrSelections SelectionOf(const evidence::PcrValues& values) {
  evidence::PcrSelections selections;
  for (const auto& [bank, pcrs] : values) {
    evidence::PcrSelection selection{bank, 0};
    for (const auto& [index, value] : pcrs) selection.pcrs |= 1U << index;
    selections.push_back(selection);
  }
  return selections;
}

// What a nonce is bound to besides the node: the key that must sign, and the selection that was asked for. So whatever
// selection comes back with a nonce of ours is the one that went out with it, also when policies changed in between.
Bytes NonceSubject(BytesView ak_name, const evidence::PcrSelections& selections) {
  ByteWriter subject;
  subject.PutSized16Be(ak_name);
  for (const evidence::PcrSelection& selection : selections) {
    subject.PutU16Be(evidence::AlgId(selection.bank));
    subject.PutU32Be(selection.pcrs);
  }
  return std::move(subject).Finish();
}

// Any policy that covers the node may believe in its TPM; each one's own rules are asked again at every appraisal.
Result<verify::VerifiedEndorsement> EndorsedByAny(const Enrolment& presented, const policy::PolicySet& set,
                                                  EndorsementJudge& judge) {
  Error last{Reason::kNoPolicyMatches, "", "no NodePolicy covers the node, so no trust root is known for its TPM"};
  for (const policy::NodePolicy* policy : PoliciesFor(set, presented.node)) {
    auto verified = judge.Judge(presented, *policy, set);
    if (verified.ok()) return verified;
    last = verified.error().In("NodePolicy " + policy->name);
  }
  return last;
}

Enrolment EnrolmentOf(const NodeName& node, session::EnrollRequest request, WallTime now) {
  return {.node = node.text(),
          .ek = crypto::Sha256Digest({}),  // until it is known
          .ek_public = std::move(request.ek_public),
          .ek_certificate = std::move(request.ek_certificate),
          .ek_intermediates = std::move(request.ek_intermediates),
          .ak_public = std::move(request.ak_public),
          .ak_name = {},
          .enrolled = now,
          .last_clock = std::nullopt,
          .node_uid = {},
          .ak_certificate = std::move(request.ak_certificate)};
}

std::vector<std::string> Texts(const ear::AttestationResult& result) {
  std::vector<std::string> texts;
  for (const ear::PolicyAppraisal& appraised : result.appraisals) {
    for (const appraisal::Finding& finding : appraised.findings) {
      texts.push_back(appraised.policy + ": " + finding.where + ": " + finding.detail + " [" +
                      std::string(Token(finding.reason)) + "]");
    }
  }
  return texts;
}

// Half of the time until the first appraisal expires, so that one call may fail.
Duration NextWithin(const ear::AttestationResult& result, Duration interval, WallTime now) {
  WallTime first = result.expires;
  for (const ear::PolicyAppraisal& appraised : result.appraisals) first = std::min(first, appraised.expires);
  return std::max(kShortestInterval, std::min(interval, (first - now) / 2));
}

}  // namespace

AttestationService::AttestationService(Parts parts, Options options)
    : parts_(std::move(parts)),
      options_(options),
      rules_(parts_.reference_files),
      ima_(parts_.clock),
      clocks_(parts_.clock),
      appraiser_{.endorsements = parts_.endorsements, .rules = rules_, .clocks = clocks_} {
  for (const Error& problem : parts_.enrolments.Problems())
    parts_.log.Failure(telemetry::Level::kError, "node blocked by its binding's file", problem);
}

Result<session::EnrollResponse> AttestationService::Enroll(const NodeName& node,
                                                           const session::EnrollRequest& request) {
  ASSIGN_OR_RETURN(auto ak, evidence::ParsePublic(request.ak_public));
  RETURN_IF_ERROR(verify::CheckAttestationKey(ak));
  auto set = parts_.policies();
  ASSIGN_OR_RETURN(auto ek, EndorsedByAny(EnrolmentOf(node, request, parts_.clock.Wall()), *set, parts_.endorsements));
  // What Activate must know travels in the ticket, under a MAC: any replica can go on.
  session::EnrollRequest carried = request;
  carried.node = node.text();
  const std::string context = session::Encode(carried);
  ASSIGN_OR_RETURN(auto ticket, parts_.challenger.IssueTicket(node, ek.fingerprint(), AsBytes(context)));
  ASSIGN_OR_RETURN(auto challenge, verify::MakeCredential(ek, verify::ComputeName(ak), ticket.secret, parts_.random));
  return session::EnrollResponse{.id_object = std::move(challenge.id_object),
                                 .encrypted_secret = std::move(challenge.encrypted_secret),
                                 .ticket = std::move(ticket.text)};
}

Result<session::ActivateResponse> AttestationService::Activate(const NodeName& node,
                                                               const session::ActivateRequest& request) {
  ASSIGN_OR_RETURN(auto redeemed, parts_.challenger.RedeemTicket(node, request.ticket, request.secret));
  ASSIGN_OR_RETURN(auto carried, session::DecodeEnrollRequest(AsText(redeemed.context)));
  ASSIGN_OR_RETURN(auto ak, evidence::ParsePublic(carried.ak_public));
  std::string ak_name = EncodeHex(verify::ComputeName(ak));
  auto before = parts_.enrolments.Find(node.text());
  Enrolment enrolment = EnrolmentOf(node, std::move(carried), parts_.clock.Wall());
  enrolment.ek = redeemed.ek;
  enrolment.ak_name = ak_name;
  RETURN_IF_ERROR(parts_.enrolments.Bind(std::move(enrolment)));
  if (!before.ok() || before->ak_name != ak_name) Forget(node);
  parts_.log.Info("node enrolled", {{"node", node.text()}, {"ak", ak_name}, {"ek", redeemed.ek.text()}});
  return session::ActivateResponse{.ak_name = ak_name};
}

void AttestationService::Forget(const NodeName& node) {
  parts_.nodes.Forget(node);
  ima_.Forget(node.text());
  clocks_.Forget(node.text());
  std::lock_guard lock(keys_mutex_);
  keys_.erase(node.text());
}

void AttestationService::ForgetReleased() {
  for (const NodeName& node : parts_.nodes.Names()) {
    const Status bound = parts_.enrolments.CheckBound(node.text());
    if (bound.ok() || ClassOf(bound.error().reason) == ReasonClass::kUnavailable) continue;
    Forget(node);
    parts_.log.Info("node forgotten: its binding was released", {{"node", node.text()}});
  }
}

Result<Enrolment> AttestationService::BoundEnrolment(const NodeName& node, const std::string& ak_name) {
  auto enrolment = parts_.enrolments.Find(node.text());
  if (!enrolment.ok()) {
    if (ClassOf(enrolment.error().reason) != ReasonClass::kUnavailable) Forget(node);
    return enrolment.error();
  }
  if (enrolment->ak_name != ak_name)
    return Error{Reason::kAkUnbound, node.text(), "the node is enrolled with another attestation key"};
  return enrolment;
}

Result<session::ChallengeResponse> AttestationService::Challenge(const NodeName& node,
                                                                 const session::ChallengeRequest& request) {
  ASSIGN_OR_RETURN(auto enrolment, BoundEnrolment(node, request.ak_name));
  ASSIGN_OR_RETURN(Bytes ak_name, DecodeHex(enrolment.ak_name));
  auto set = parts_.policies();
  const auto policies = PoliciesFor(*set, node.text());
  ASSIGN_OR_RETURN(auto selection, SelectionFor(policies, request.banks));
  const auto rules = ImaRulesFor(policies, rules_, parts_.clock.Wall());
  const bool boot = std::any_of(policies.begin(), policies.end(), [](const auto* policy) { return policy->boot; });
  Bytes nonce = parts_.challenger.IssueNonce(node, NonceSubject(ak_name, selection));
  return session::ChallengeResponse{.nonce = std::move(nonce),
                                    .selection = std::move(selection),
                                    .ima_from = rules.empty() ? 0 : ima_.Begin(node.text(), request.ak_name, rules),
                                    .want_event_log = boot,
                                    .want_ima_log = !rules.empty()};
}

Result<session::LogResponse> AttestationService::Log(const NodeName& node, const session::LogRequest& request) {
  ASSIGN_OR_RETURN(auto enrolment, BoundEnrolment(node, request.ak_name));
  const auto set = parts_.policies();
  const auto rules = ImaRulesFor(PoliciesFor(*set, enrolment.node), rules_, parts_.clock.Wall());
  if (rules.empty()) return Error{Reason::kImaLogGap, node.text(), "no policy of the node judges its IMA log"};
  ASSIGN_OR_RETURN(const std::uint64_t next, ima_.Upload(node.text(), request, rules));
  return session::LogResponse{.next = next};
}

// Parsing a key costs more than verifying with it.
Result<std::shared_ptr<const verify::AttestationKey>> AttestationService::PreparedKey(const Enrolment& enrolment) {
  std::lock_guard lock(keys_mutex_);
  auto known = keys_.find(enrolment.node);
  if (known != keys_.end() && EncodeHex(known->second->name()) == enrolment.ak_name) return known->second;
  ASSIGN_OR_RETURN(auto area, evidence::ParsePublic(enrolment.ak_public));
  ASSIGN_OR_RETURN(auto made, verify::AttestationKey::Make(area));
  auto key = std::make_shared<const verify::AttestationKey>(std::move(made));
  keys_.insert_or_assign(enrolment.node, key);
  return key;
}

Result<claims::VerifiedTpmClaims> AttestationService::VerifyQuote(const Enrolment& enrolment,
                                                                  const session::EvidenceRequest& request) {
  ASSIGN_OR_RETURN(auto ak, PreparedKey(enrolment));
  auto claims = verify::QuoteVerifier::Verify(
      {.attest = request.quote.attest, .signature = request.quote.signature, .pcrs = request.quote.pcrs},
      verify::PreparedQuoteExpectation{.ak = *ak,
                                       .nonce = request.nonce,
                                       .selection = SelectionOf(request.quote.pcrs),
                                       .last_clock = enrolment.last_clock,
                                       .last_clock_of_other_key = enrolment.IsClockOfOtherKey()});
  if (claims.ok() || claims.error().reason != Reason::kClockRewound) return claims;
  Error error = claims.error();
  error.detail += "; if the TPM was cleared on purpose, an admin must release the node's binding";
  return error;
}

Result<AttestationService::Published> AttestationService::Appraise(const policy::PolicySet& set,
                                                                   const Evidenced& evidenced) {
  const Enrolment& enrolment = evidenced.enrolment;
  auto policies = PoliciesFor(set, enrolment.node);
  WallTime now = parts_.clock.Wall();
  ear::AttestationResult result{.node = enrolment.node,
                                .node_uid = evidenced.node_uid,
                                .ak_name = enrolment.ak_name,
                                .ek = enrolment.ek.text(),
                                .appraisals = {},
                                .nonce = evidenced.nonce,
                                .clock = evidenced.evidence.tpm.clock(),
                                .issued = evidenced.issued,
                                .expires = evidenced.issued};
  for (const policy::NodePolicy* policy : policies) {
    result.appraisals.push_back(
        appraiser_.Appraise(*policy, set, enrolment, evidenced.evidence, now, evidenced.issued));
    Bound(result.appraisals.back().findings, std::max<std::size_t>(1, kMostFindings / policies.size()));
    // The result lasts as long as any of its appraisals does.
    result.expires = std::max(result.expires, result.appraisals.back().expires);
  }
  if (policies.empty()) result.expires += options_.interval * 2;
  const crypto::PrivateKey key = parts_.current_signing_key ? parts_.current_signing_key() : parts_.signing_key;
  ASSIGN_OR_RETURN(std::string token, ear::Encode(result, key));
  ASSIGN_OR_RETURN(auto verified, ear::Verify(token, {key.Public()}, now));
  return Published{std::move(verified), std::move(token)};
}

Result<AttestationService::Published> AttestationService::Publish(const NodeName& node, const Enrolment& enrolment,
                                                                  const VerifiedEvidence& evidence, BytesView nonce) {
  const Evidenced evidenced{.enrolment = enrolment,
                            .evidence = evidence,
                            .nonce = EncodeBase64Url(nonce),
                            .node_uid = parts_.enrolments.NodeUid(node.text()),
                            .issued = session::Challenger::IssuedAt(nonce).value_or(WallTime{})};
  const auto tell = [&](const Published& published) {
    if (parts_.on_result) parts_.on_result(node, published.result, published.token);
  };
  Policies set = parts_.policies();
  auto published = Appraise(*set, evidenced);
  if (published.ok() && parts_.nodes.Accept(published->result, published->token, evidence)) tell(*published);
  // Policies that changed meanwhile were applied to what was held before, and not to this.
  for (Policies now = parts_.policies(); published.ok() && now != set; now = parts_.policies()) {
    set = std::move(now);
    published = Appraise(*set, evidenced);
    if (published.ok() && parts_.nodes.AcceptReappraised(published->result, published->token, evidence))
      tell(*published);
  }
  if (published.ok()) return published;
  if (published.error().reason == Reason::kTokenExpired) {
    // Nothing is wrong with it but that it is too old by now for what the policies say.
    return Error{Reason::kNonceExpired, node.text(),
                 "the evidence came in later after its challenge than a result of it is valid"};
  }
  // The clock has moved on, so the evidence is spent: what was held before is not what was seen last.
  Error error{Reason::kInternal, "appraisal", published.error().ToString()};
  parts_.log.Failure(telemetry::Level::kError, "appraisal failed", error, {{"node", node.text()}});
  Fail(node, error);
  return error;
}

void AttestationService::Fail(const NodeName& node, const Error& error) {
  parts_.nodes.Fail(node, error);
  if (parts_.on_failure) parts_.on_failure(node, error);
}

void AttestationService::Count(const NodeName& node, const session::EvidenceRequest& request, const Error& error) {
  ReasonClass kind = ClassOf(error.reason);
  if (kind != ReasonClass::kMalformed && kind != ReasonClass::kUntrusted && kind != ReasonClass::kStale) return;
  // An answer that took longer than a later one: its clock is behind because it is the older quote.
  auto challenged = session::Challenger::IssuedAt(request.nonce);
  if (error.reason == Reason::kClockRewound && challenged.has_value()) {
    const auto last = parts_.enrolments.LastIssued(node.text());  // at any replica
    if (parts_.nodes.IsOvertaken(node, *challenged) || (last.has_value() && *challenged <= *last)) return;
  }
  Fail(node, error);
}

Error AttestationService::Refused(const NodeName& node, const Error& error) {
  parts_.log.Failure(telemetry::Level::kWarn, "evidence refused", error, {{"node", node.text()}});
  return error;
}

// What is wrong with a log is for those policies that judge it: the quote is good.
Result<VerifiedEvidence> AttestationService::Appraisable(const NodeName& node, const session::EvidenceRequest& request,
                                                         claims::VerifiedTpmClaims claims) {
  VerifiedEvidence evidence{.tpm = std::move(claims), .boot = nullptr, .no_boot_log = {}, .ima = {}, .no_ima_log = {}};
  const auto set = parts_.policies();
  const auto policies = PoliciesFor(*set, node.text());
  const bool boot = std::any_of(policies.begin(), policies.end(), [](const auto* policy) { return policy->boot; });
  if (boot && request.event_log) {
    auto log = boot_logs_.Verify(*request.event_log, evidence.tpm, request.command_line);
    if (log.ok()) {
      evidence.boot = *std::move(log);
    } else {
      evidence.no_boot_log = log.error();
    }
  }
  const auto rules = ImaRulesFor(policies, rules_, parts_.clock.Wall());
  if (rules.empty()) return evidence;
  auto settled = ima_.Settle(node.text(), request, evidence.tpm, rules);
  if (settled.ok()) {
    evidence.ima = std::move(settled->verdicts);
    evidence.ima_entries = settled->entries;
  } else if (settled.error().reason == Reason::kImaLogGap) {
    return settled.error();
  } else {
    evidence.no_ima_log = settled.error();
  }
  return evidence;
}

Result<session::EvidenceResponse> AttestationService::Evidence(const NodeName& node,
                                                               const session::EvidenceRequest& request) {
  ASSIGN_OR_RETURN(auto enrolment, BoundEnrolment(node, request.ak_name));
  ASSIGN_OR_RETURN(Bytes ak_name, DecodeHex(enrolment.ak_name));
  if (request.ima_log || request.ima_complete)
    RETURN_IF_ERROR(ima_.CheckPosition(node.text(), request.ak_name, request.ima_from));
  Bytes subject = NonceSubject(ak_name, SelectionOf(request.quote.pcrs));
  RETURN_IF_ERROR(parts_.challenger.RedeemNonce(node, subject, request.nonce));
  // From here on the evidence answers our challenge to this node: whatever is wrong with it counts against the node.
  auto claims = VerifyQuote(enrolment, request);
  if (!claims.ok()) Count(node, request, claims.error());
  if (!claims.ok()) return Refused(node, claims.error());
  const claims::TpmClock clock = claims->clock();
  ASSIGN_OR_RETURN(const VerifiedEvidence evidence, Appraisable(node, request, *std::move(claims)));
  // That the evidence was overtaken, or that it could not be written down, does not count against it.
  const Status advanced = parts_.enrolments.Advance(node.text(), enrolment.ak_name, clock);
  if (!advanced.ok()) return Refused(node, advanced.error());
  clocks_.Observe(node.text(), enrolment.ak_name, clock);
  ASSIGN_OR_RETURN(auto published, Publish(node, enrolment, evidence, request.nonce));
  const ear::AttestationResult& result = published.result.result();
  std::vector<std::string> findings = Texts(result);
  parts_.log.Info("node attested", {{"node", node.text()},
                                    {"status", ear::Name(result.tier())},
                                    {"imaEntries", std::to_string(evidence.ima_entries)},
                                    {"finding", findings.empty() ? "" : findings.front()}});
  return session::EvidenceResponse{.ear = std::move(published.token),
                                   .status = std::string(ear::Name(result.tier())),
                                   .findings = std::move(findings),
                                   .next_ms = NextWithin(result, options_.interval, parts_.clock.Wall()).count()};
}

void AttestationService::Reappraise() {
  Policies set = parts_.policies();
  rules_.Retain(*set);
  for (NodeStore::Held& held : parts_.nodes.Current()) {
    auto enrolment = parts_.enrolments.Find(held.result.node);
    if (!enrolment.ok() || enrolment->ak_name != held.result.ak_name) continue;
    auto name = NodeName::Parse(held.result.node);
    auto published = Appraise(*set, {.enrolment = *enrolment,
                                     .evidence = held.evidence,
                                     .nonce = held.result.nonce,
                                     // G6: of the Node that it was about, not of one registered since.
                                     .node_uid = held.result.node_uid,
                                     .issued = held.result.issued});
    if (!published.ok() && published.error().reason == Reason::kTokenExpired) continue;
    if (!published.ok()) {
      parts_.log.Failure(telemetry::Level::kError, "re-appraisal failed", published.error(),
                         {{"node", held.result.node}});
      continue;
    }
    if (parts_.nodes.AcceptReappraised(published->result, published->token, std::move(held.evidence)) &&
        parts_.on_result && name.ok())
      parts_.on_result(*name, published->result, published->token);
  }
}

}  // namespace gatehouse::webhook
