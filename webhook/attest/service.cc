#include "webhook/attest/service.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/verify/tpm/identity.h"
#include "common/verify/tpm/quote.h"

namespace gatehouse::webhook {
namespace {

namespace evidence = gatehouse::evidence::tpm;
namespace verify = gatehouse::verify::tpm;

// What is asked of a node that no policy covers yet: the firmware's PCRs, so that its result has something to say.
constexpr std::uint32_t kDefaultPcrs = 0x0000FF;
constexpr Duration kShortestInterval{1'000};
constexpr std::size_t kMostFindings = 32;  // of one result: with their texts at their longest they fit a token

std::vector<const policy::NodePolicy*> PoliciesFor(const policy::PolicySet& set, const std::string& node) {
  std::vector<const policy::NodePolicy*> matching;
  for (const policy::NodePolicy& policy : set.node_policies) {
    bool named = std::any_of(policy.nodes.begin(), policy.nodes.end(),
                             [&](const policy::Glob& glob) { return glob.Matches(node); });
    if (named) matching.push_back(&policy);
  }
  return matching;
}

// What the policies ask for, of the banks that the TPM has: a quote of another would be none, for the policies too
// whose banks are there. A policy whose bank is not there finds its PCRs missing when it appraises, whoever said so.
// Errors: kPcrMissing (nothing of what is asked for can be quoted).
Result<evidence::PcrSelections> SelectionFor(const std::vector<const policy::NodePolicy*>& policies,
                                             const std::vector<HashAlgorithm>& available) {
  std::map<HashAlgorithm, std::uint32_t> banks;
  for (const policy::NodePolicy* policy : policies) {
    for (const auto& [bank, pcrs] : appraisal::PcrsAskedFor(policy->tpm, policy->reference_sets)) banks[bank] |= pcrs;
  }
  if (banks.empty()) {
    const bool usual = std::find(available.begin(), available.end(), HashAlgorithm::kSha256) != available.end();
    banks[usual || available.empty() ? HashAlgorithm::kSha256 : available.front()] = kDefaultPcrs;
  }
  evidence::PcrSelections selections;
  std::string missing;
  for (const auto& [bank, pcrs] : banks) {
    if (std::find(available.begin(), available.end(), bank) != available.end()) {
      selections.push_back({bank, pcrs});
    } else {
      missing += (missing.empty() ? "" : ", ") + std::string(Name(bank));
    }
  }
  if (selections.empty()) {
    return Error{Reason::kPcrMissing, "bank " + missing,
                 "the node's TPM has none of the banks that its policies ask for; allocate one (tpm2_pcrallocate) or "
                 "let the policies ask for another"};
  }
  return selections;
}

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

// The endorsement of a TPM as it was presented at enrolment.
struct Endorsement {
  evidence::PublicArea area;
  crypto::Certificate certificate;
  std::vector<crypto::Certificate> intermediates;
};

Result<Endorsement> ParseEndorsement(BytesView ek_public, BytesView certificate,
                                     const std::vector<Bytes>& intermediates) {
  ASSIGN_OR_RETURN(auto area, evidence::ParsePublic(ek_public));
  ASSIGN_OR_RETURN(auto leaf, crypto::Certificate::FromDer(certificate));
  if (intermediates.size() > limits::kChainCertificates) {
    return Error{Reason::kLimitExceeded, "",
                 "more than " + std::to_string(limits::kChainCertificates) + " intermediate certificates"};
  }
  std::vector<crypto::Certificate> chain;
  for (const Bytes& der : intermediates) {
    ASSIGN_OR_RETURN(auto each, crypto::Certificate::FromDer(der));
    chain.push_back(std::move(each));
  }
  return Endorsement{std::move(area), std::move(leaf), std::move(chain)};
}

// An endorsement is accepted for enrolment if any policy that covers the node trusts it; each policy's own roots are
// checked again at every appraisal.
Result<verify::VerifiedEndorsement> EndorsedByAny(const Endorsement& endorsement, const policy::PolicySet& set,
                                                  const std::vector<const policy::NodePolicy*>& policies,
                                                  WallTime now) {
  Error last{Reason::kNoPolicyMatches, "", "no NodePolicy covers the node, so no trust root is known for its TPM"};
  for (const policy::NodePolicy* policy : policies) {
    auto verified = verify::VerifyEndorsement(endorsement.area, endorsement.certificate, endorsement.intermediates,
                                              set.TpmRoots(*policy), now);
    if (verified.ok()) return verified;
    last = verified.error().In("NodePolicy " + policy->name);
  }
  return last;
}

// At most `most` findings, the last of which then says how many more there were.
void Bound(std::vector<appraisal::Finding>& findings, std::size_t most) {
  if (findings.size() <= most) return;
  appraisal::Finding rest{findings[most].reason, "", "and " + std::to_string(findings.size() - most) + " more"};
  findings.resize(most);
  findings.push_back(std::move(rest));
}

ear::PolicyAppraisal AppraiseBy(const policy::NodePolicy& policy, const policy::PolicySet& set,
                                const Enrolment& enrolment, const claims::VerifiedTpmClaims& claims, WallTime now,
                                WallTime issued) {
  ear::PolicyAppraisal appraised{.policy = policy.name + "@" + policy.generation,
                                 .tier = ear::Tier::kContraindicated,
                                 .findings = {},
                                 .expires = issued + policy.validity};
  auto endorsement = ParseEndorsement(enrolment.ek_public, enrolment.ek_certificate, enrolment.ek_intermediates);
  Status endorsed = endorsement.ok() ? Ok() : Status(endorsement.error());
  if (endorsement.ok()) {
    auto verified = verify::VerifyEndorsement(endorsement->area, endorsement->certificate, endorsement->intermediates,
                                              set.TpmRoots(policy), now);
    if (!verified.ok()) endorsed = verified.error();
  }
  if (!endorsed.ok())
    appraised.findings.push_back({endorsed.error().reason, "endorsement key", endorsed.error().detail});
  auto by_sets = appraisal::AppraiseSets(policy.tpm, policy.reference_values, policy.reference_sets, claims, now);
  for (appraisal::Finding& finding : by_sets.findings) appraised.findings.push_back(std::move(finding));
  if (by_sets.holds_until.has_value()) appraised.expires = std::min(appraised.expires, *by_sets.holds_until);
  if (appraised.findings.empty()) appraised.tier = ear::Tier::kAffirming;
  return appraised;
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

AttestationService::AttestationService(Parts parts, Options options) : parts_(std::move(parts)), options_(options) {
  for (const Error& problem : parts_.enrolments.Problems())
    parts_.log.Failure(telemetry::Level::kError, "node blocked by its binding's file", problem);
}

Result<session::EnrollResponse> AttestationService::Enroll(const NodeName& node,
                                                           const session::EnrollRequest& request) {
  ASSIGN_OR_RETURN(auto ak, evidence::ParsePublic(request.ak_public));
  RETURN_IF_ERROR(verify::CheckAttestationKey(ak));
  ASSIGN_OR_RETURN(auto endorsement,
                   ParseEndorsement(request.ek_public, request.ek_certificate, request.ek_intermediates));
  auto set = parts_.policies();
  ASSIGN_OR_RETURN(auto ek, EndorsedByAny(endorsement, *set, PoliciesFor(*set, node.text()), parts_.clock.Wall()));
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
  RETURN_IF_ERROR(parts_.enrolments.Bind({.node = node.text(),
                                          .ek = redeemed.ek,
                                          .ek_public = std::move(carried.ek_public),
                                          .ek_certificate = std::move(carried.ek_certificate),
                                          .ek_intermediates = std::move(carried.ek_intermediates),
                                          .ak_public = std::move(carried.ak_public),
                                          .ak_name = ak_name,
                                          .enrolled = parts_.clock.Wall(),
                                          .last_clock = std::nullopt}));
  if (!before.ok() || before->ak_name != ak_name) Forget(node);
  parts_.log.Info("node enrolled", {{"node", node.text()}, {"ak", ak_name}, {"ek", redeemed.ek.text()}});
  return session::ActivateResponse{.ak_name = ak_name};
}

void AttestationService::Forget(const NodeName& node) {
  parts_.nodes.Forget(node);
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
  ASSIGN_OR_RETURN(auto selection, SelectionFor(PoliciesFor(*set, node.text()), request.banks));
  Bytes nonce = parts_.challenger.IssueNonce(node, NonceSubject(ak_name, selection));
  return session::ChallengeResponse{.nonce = std::move(nonce), .selection = std::move(selection), .ima_from = 0};
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
                                       .last_clock = enrolment.last_clock});
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
                                .clock = evidenced.claims.clock(),
                                .issued = evidenced.issued,
                                .expires = evidenced.issued};
  for (const policy::NodePolicy* policy : policies) {
    result.appraisals.push_back(AppraiseBy(*policy, set, enrolment, evidenced.claims, now, evidenced.issued));
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
                                                                  const claims::VerifiedTpmClaims& claims,
                                                                  BytesView nonce) {
  const Evidenced evidenced{.enrolment = enrolment,
                            .claims = claims,
                            .nonce = EncodeBase64Url(nonce),
                            .node_uid = parts_.enrolments.NodeUid(node.text()),
                            .issued = session::Challenger::IssuedAt(nonce).value_or(WallTime{})};
  const auto tell = [&](const Published& published) {
    if (parts_.on_result) parts_.on_result(node, published.result, published.token);
  };
  Policies set = parts_.policies();
  auto published = Appraise(*set, evidenced);
  if (published.ok() && parts_.nodes.Accept(published->result, published->token, claims)) tell(*published);
  // Policies that changed meanwhile were applied to what was held before, and not to this.
  for (Policies now = parts_.policies(); published.ok() && now != set; now = parts_.policies()) {
    set = std::move(now);
    published = Appraise(*set, evidenced);
    if (published.ok() && parts_.nodes.AcceptReappraised(published->result, published->token, claims)) tell(*published);
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

Result<session::EvidenceResponse> AttestationService::Evidence(const NodeName& node,
                                                               const session::EvidenceRequest& request) {
  ASSIGN_OR_RETURN(auto enrolment, BoundEnrolment(node, request.ak_name));
  ASSIGN_OR_RETURN(Bytes ak_name, DecodeHex(enrolment.ak_name));
  Bytes subject = NonceSubject(ak_name, SelectionOf(request.quote.pcrs));
  RETURN_IF_ERROR(parts_.challenger.RedeemNonce(node, subject, request.nonce));
  // From here on the evidence answers our challenge to this node: whatever is wrong with it counts against the node.
  auto claims = VerifyQuote(enrolment, request);
  if (!claims.ok()) Count(node, request, claims.error());
  // That the evidence was overtaken, or that it could not be written down, does not.
  Status advanced =
      claims.ok() ? parts_.enrolments.Advance(node.text(), enrolment.ak_name, claims->clock()) : Status(claims.error());
  if (!advanced.ok()) {
    parts_.log.Failure(telemetry::Level::kWarn, "evidence refused", advanced.error(), {{"node", node.text()}});
    return advanced.error();
  }
  ASSIGN_OR_RETURN(auto published, Publish(node, enrolment, *claims, request.nonce));
  const ear::AttestationResult& result = published.result.result();
  std::vector<std::string> findings = Texts(result);
  parts_.log.Info("node attested", {{"node", node.text()},
                                    {"status", ear::Name(result.tier())},
                                    {"finding", findings.empty() ? "" : findings.front()}});
  return session::EvidenceResponse{.ear = std::move(published.token),
                                   .status = std::string(ear::Name(result.tier())),
                                   .findings = std::move(findings),
                                   .next_ms = NextWithin(result, options_.interval, parts_.clock.Wall()).count()};
}

void AttestationService::Reappraise() {
  Policies set = parts_.policies();
  for (NodeStore::Held& held : parts_.nodes.Current()) {
    auto enrolment = parts_.enrolments.Find(held.result.node);
    if (!enrolment.ok() || enrolment->ak_name != held.result.ak_name) continue;
    auto name = NodeName::Parse(held.result.node);
    auto published = Appraise(*set, {.enrolment = *enrolment,
                                     .claims = held.claims,
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
    if (parts_.nodes.AcceptReappraised(published->result, published->token, std::move(held.claims)) &&
        parts_.on_result && name.ok())
      parts_.on_result(*name, published->result, published->token);
  }
}

}  // namespace gatehouse::webhook
