#include "webhook/certificates/certificate_steps.h"

#include <algorithm>

#include "common/codec/time.h"

namespace gatehouse::webhook {
namespace {

using crypto::Certificate;
using crypto::PrivateKey;
using crypto::PublicKey;

constexpr std::string_view kServerAuth = "1.3.6.1.5.5.7.3.1";
constexpr std::size_t kNonceKeyBytes = 32;
// Certificates begin a little before they are made, for clients whose clock is behind.
constexpr Duration kClockSkew{std::chrono::minutes(5)};

// A certificate with the key that belongs to it.
struct Pair {
  Certificate certificate;
  PrivateKey key;
};

std::optional<Certificate> ReadCertificate(const std::string& pem) {
  if (pem.empty()) return std::nullopt;
  auto list = Certificate::ListFromPem(pem);
  if (!list.ok() || list->size() != 1) return std::nullopt;
  return list->front();
}

std::optional<Pair> ReadPair(const std::string& certificate_pem, const std::string& key_pem) {
  auto certificate = ReadCertificate(certificate_pem);
  if (!certificate.has_value() || key_pem.empty()) return std::nullopt;
  auto key = PrivateKey::FromPem(key_pem);
  auto public_key = certificate->Key();
  if (!key.ok() || !public_key.ok() || !(*public_key == key->Public())) return std::nullopt;
  return Pair{*certificate, *key};
}

// The serving certificate with its key. Ours is one certificate; somebody else's may have its chain behind it.
std::optional<Pair> ReadLeaf(const StoredObject& tls, std::vector<Certificate>& chain) {
  if (tls.ours) return ReadPair(tls.Entry("tls.crt"), tls.Entry("tls.key"));
  auto list = Certificate::ListFromPem(tls.Entry("tls.crt"));
  if (!list.ok() || list->empty()) return std::nullopt;
  chain.assign(list->begin() + 1, list->end());
  return ReadPair(ToPem(list->front()), tls.Entry("tls.key"));
}

std::optional<Pair> ReadCa(const StoredObject& object, const std::string& prefix, WallTime now) {
  auto pair = ReadPair(object.Entry(prefix + "ca.crt"), object.Entry(prefix + "ca.key"));
  if (!pair.has_value() || !pair->certificate.IsCa() || now >= pair->certificate.NotAfter()) return std::nullopt;
  return pair;
}

std::optional<WallTime> TimeOf(const StoredObject& object, std::string_view annotation) {
  auto text = object.annotations.find(std::string(annotation));
  if (text == object.annotations.end()) return std::nullopt;
  auto time = codec::ParseTime(text->second);
  return time.ok() ? std::optional(*time) : std::nullopt;
}

// Two thirds of a validity.
WallTime RenewalOf(const Certificate& certificate) {
  return certificate.NotBefore() + (certificate.NotAfter() - certificate.NotBefore()) * 2 / 3;
}

// How long before `now` a certificate of this lifetime begins: never so long that it would be due for renewal at once.
Duration Backdate(Duration lifetime) {
  return std::min(kClockSkew, lifetime / 10);
}

std::vector<std::string> WantedNames(const CertificateOptions& options) {
  std::vector<std::string> names;
  for (const std::string& name : options.dns_names) {
    if (auto normal = crypto::NormalServerName(name); normal.ok()) names.push_back(*normal);
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

// What the objects mean at a time.
struct View {
  std::optional<Pair> ca;
  std::optional<Pair> next;
  std::optional<Certificate> previous;
  std::optional<Pair> leaf;           // not expired
  std::vector<Certificate> chain;     // behind it
  std::vector<Certificate> trusted;   // of N-ca: the CA, the next one, the previous one
  std::vector<Certificate> replaced;  // that N-ca does not have any more
  bool serving_replaced = false;      // one of them signed what is served
  bool withheld = false;              // whoever gets the bundle would not trust what is served
  std::string bundle;
  std::string signing_keys;
  std::optional<WallTime> published;
  std::optional<WallTime> rotated;
};

bool Holds(const std::vector<Certificate>& list, const Certificate& certificate) {
  return std::ranges::any_of(list, [&](const Certificate& one) { return one.Der() == certificate.Der(); });
}

bool ServedIsTrustedBy(const View& view, const std::vector<Certificate>& roots, WallTime now) {
  if (!view.leaf.has_value() || roots.empty()) return false;
  return VerifyChain(view.leaf->certificate, view.chain, roots, {now, std::string(kServerAuth), {}}).ok();
}

std::vector<Certificate> LiveCas(const std::string& pem, const std::vector<Certificate>& but, WallTime now) {
  auto list = Certificate::ListFromPem(pem);
  std::vector<Certificate> cas;
  for (std::size_t i = 0; list.ok() && i < list->size(); ++i) {
    const Certificate& one = list->at(i);
    if (one.IsCa() && now < one.NotAfter() && !Holds(but, one) && !Holds(cas, one)) cas.push_back(one);
  }
  return cas;
}

// What N-ca had before, when it was lost or filled by hand: what N-tls remembers, and whatever signed the certificate
// that is served now. That proof is asked for since N-public is a ConfigMap: who may write it shall not thereby name
// CAs to the API server.
void LookForReplaced(const CertificateState& state, WallTime now, View& view) {
  if (!state.tls.ours) return;
  view.replaced = LiveCas(state.tls.Entry("previous-ca.crt"), view.trusted, now);
  if (ServedIsTrustedBy(view, view.trusted, now)) return;
  for (const StoredObject* object : {&state.tls, &state.published}) {
    for (const Certificate& one : LiveCas(object->Entry("ca.crt"), view.trusted, now)) {
      if (!ServedIsTrustedBy(view, {one}, now)) continue;
      view.serving_replaced = true;
      if (!Holds(view.replaced, one)) view.replaced.push_back(one);
    }
  }
}

View Look(const CertificateState& state, WallTime now) {
  View view;
  view.ca = ReadCa(state.ca, "", now);
  view.next = ReadCa(state.ca, "next-", now);
  view.previous = ReadCertificate(state.ca.Entry("previous-ca.crt"));
  if (view.previous.has_value() && (!view.previous->IsCa() || now >= view.previous->NotAfter())) view.previous.reset();
  view.leaf = ReadLeaf(state.tls, view.chain);
  if (view.leaf.has_value() && now >= view.leaf->certificate.NotAfter()) view.leaf.reset();
  for (const auto* pair : {&view.ca, &view.next}) {
    if (pair->has_value()) view.trusted.push_back((*pair)->certificate);
  }
  if (view.previous.has_value()) view.trusted.push_back(*view.previous);
  LookForReplaced(state, now, view);
  for (const auto* list : {&view.trusted, &view.replaced}) {
    for (const Certificate& one : *list) view.bundle += ToPem(one);
  }
  view.withheld =
      state.tls.exists && !state.tls.ours && !view.bundle.empty() && !ServedIsTrustedBy(view, view.trusted, now);
  view.signing_keys = SigningKeysOf(state);
  view.published = TimeOf(state.ca, kPublishedAnnotation);
  view.rotated = TimeOf(state.ca, kRotatedAnnotation);
  return view;
}

std::string FingerprintOf(const View& view) {
  return view.ca.has_value() ? view.ca->certificate.Fingerprint().text() : "";
}

// Puts the plan together: the first step that is due and may be taken, problems, and when the next one is due.
class Planner {
 public:
  Planner(const CertificateState& state, const CertificateOptions& options, WallTime now, const std::set<Step>& failed)
      : state_(state), options_(options), now_(now), failed_(failed), view_(Look(state, now)) {
    plan_.wait = kNoWait;
    spread_ = !view_.withheld;
  }

  CertificatePlan Make() {
    Attestation();
    if (options_.serving) {
      if (view_.withheld) {
        Problem("tls", "lacks the label " + std::string(kManagedBy) + "=" + std::string(kUs) +
                           " and holds nothing that the CA of " + options_.name +
                           "-ca vouches for: the CA bundles of clients are left as they are; delete the Secret to have "
                           "a certificate issued, or put the CA that issued it there");
      }
      Authority();
      if (!view_.leaf.has_value()) Leaf("there is none that can be used");
    }
    Publish();
    if (!options_.serving) return std::move(plan_);
    Bundles();
    RenewLeaf();
    DropReplaced();
    Rotate();
    return std::move(plan_);
  }

 private:
  void Due(Step step, std::string why) {
    if (plan_.step.kind != StepKind::kNothing || failed_.contains(step)) return;
    plan_.step = step;
    plan_.why = std::move(why);
  }
  // A write to an object that must be ours, or absent.
  void DueOn(const StoredObject& object, const std::string& suffix, Step step, std::string why) {
    if (object.exists && !object.ours) {
      Problem(suffix, "lacks the label " + std::string(kManagedBy) + "=" + std::string(kUs) +
                          " and is left alone, although " + why);
      return;
    }
    Due(step, std::move(why));
  }
  void Problem(const std::string& suffix, const std::string& what) {
    plan_.problems.push_back(options_.namespace_name + "/" + options_.name + "-" + suffix + " " + what);
  }
  // Whether the time has come; if not, the plan is to be looked at again then.
  bool Reached(WallTime time) {
    if (now_ >= time) return true;
    plan_.wait = std::min(plan_.wait, time - now_);
    return false;
  }

  void Attestation() {
    const StoredObject& object = state_.attestation;
    const std::string nonce = object.Entry("nonce.key");
    const std::string signing = object.Entry("signing.key");
    const std::string advice =
        "; it is never replaced by itself, since its key signed the bindings of all nodes: restore it, or delete the "
        "Secret to begin anew";
    if (!nonce.empty() && nonce.size() < kNonceKeyBytes)
      Problem("attestation", "has a nonce.key that is too short" + advice);
    if (!signing.empty()) {
      auto key = PrivateKey::FromPem(signing);
      if (!key.ok() || key->Public().type() != crypto::KeyType::kEcP256) {
        Problem("attestation", "has a signing.key that is no EC P-256 key in PEM form" + advice);
      }
    }
    if (nonce.empty() || signing.empty()) {
      DueOn(object, "attestation", {StepKind::kFillAttestation}, "it lacks a key");
    }
  }

  void Authority() {
    if (!view_.ca.has_value()) {
      // A CA that expired or broke while the next one was waiting: there is nothing left to wait for.
      bool promote = view_.next.has_value() && state_.ca.ours;
      DueOn(state_.ca, "ca", {promote ? StepKind::kPromote : StepKind::kMakeCa},
            state_.ca.exists ? "its CA is of no use (no PEM, another key, or expired)" : "there is no CA");
      return;
    }
    if (Reached(RenewalOf(view_.ca->certificate)) && !view_.next.has_value()) {
      DueOn(state_.ca, "ca", {StepKind::kMakeNextCa}, "two thirds of the CA's validity have passed");
    }
  }

  void Leaf(std::string why) {
    if (view_.withheld) return;  // said already
    if (view_.ca.has_value()) DueOn(state_.tls, "tls", {StepKind::kIssue}, std::move(why));
  }

  void Publish() {
    bool keys = view_.signing_keys.empty() || state_.published.Entry("signing-keys.pem") == view_.signing_keys;
    bool bundle =
        !options_.serving || view_.bundle.empty() || view_.withheld || state_.published.Entry("ca.crt") == view_.bundle;
    if (!keys || !bundle) {
      spread_ = false;
      DueOn(state_.published, "public", {StepKind::kPublish},
            keys ? "the CA bundle differs" : "the signing keys differ");
    }
  }

  void Bundles() {
    if (view_.bundle.empty()) return;
    if (view_.leaf.has_value() && !view_.withheld && state_.tls.Entry("ca.crt") != view_.bundle) {
      spread_ = false;
      DueOn(state_.tls, "tls", {StepKind::kBundleTls}, "its CA bundle differs");
    }
    for (std::size_t i = 0; i < state_.webhooks.size(); ++i) {
      const WebhookObject& webhook = state_.webhooks[i];
      const std::string name =
          (webhook.mutating ? "MutatingWebhookConfiguration " : "ValidatingWebhookConfiguration ") + webhook.name;
      if (!webhook.unreadable.empty()) {
        spread_ = false;
        plan_.problems.push_back(name + " cannot be read: " + webhook.unreadable);
        continue;
      }
      // Without it nobody calls us by it: not a reason to wait.
      if (!webhook.exists) plan_.problems.push_back(name + " does not exist, so the API server does not ask");
      bool right = std::all_of(webhook.ca_bundles.begin(), webhook.ca_bundles.end(),
                               [&](const auto& bundle) { return bundle.second == view_.bundle; });
      if (right || view_.withheld) continue;
      spread_ = false;
      Due({StepKind::kPatchWebhook, i}, "a caBundle of " + name + " differs");
    }
  }

  void RenewLeaf() {
    if (!view_.leaf.has_value() || !view_.ca.has_value()) return;
    const Certificate& leaf = view_.leaf->certificate;
    leaf_is_new_ = ServedIsTrustedBy(view_, {view_.ca->certificate}, now_);
    if (!leaf_is_new_) {
      // A CA that nobody announced: what it signs is served when all know it, or when there is no more time.
      if (view_.serving_replaced && !Reached(RenewalOf(leaf)) && !ReplacementIsKnown()) return;
      return Leaf("it is not issued by the present CA");
    }
    if (crypto::ServerNames(leaf) != WantedNames(options_)) return Leaf("it has other names than configured");
    // One that ends with its CA cannot be renewed to last longer.
    bool better = leaf.NotAfter() + std::chrono::seconds(1) < view_.ca->certificate.NotAfter();
    if (better && Reached(RenewalOf(leaf))) Leaf("two thirds of its validity have passed");
  }

  bool ReplacementIsKnown() {
    if (!spread_) return false;
    auto mark = state_.tls.annotations.find(std::string(kReplacedAnnotation));
    const std::string text = mark == state_.tls.annotations.end() ? "" : mark->second;
    const std::size_t space = text.find(' ');
    auto since = codec::ParseTime(text.substr(0, space));
    if (space == std::string::npos || text.substr(space + 1) != FingerprintOf(view_) || !since.ok()) {
      Due({StepKind::kMarkReplaced}, "the CA that replaced another by hand is known to all");
      return false;
    }
    return Reached(*since + options_.overlap);
  }

  void DropReplaced() {
    if (!state_.tls.ours || state_.tls.Entry("previous-ca.crt").empty() || !leaf_is_new_) return;
    auto since = TimeOf(state_.tls, kRotatedAnnotation);
    if (!since.has_value() || Reached(*since + options_.overlap)) {
      Due({StepKind::kDropReplaced}, "the CA that was replaced by hand signed nothing that is still in use");
    }
  }

  void Rotate() {
    if (!view_.ca.has_value() || !state_.ca.ours) return;
    if (view_.next.has_value() && spread_) {
      if (!view_.published.has_value()) {
        Due({StepKind::kMarkPublished}, "the next CA is known to all");
      } else if (Reached(*view_.published + options_.overlap)) {
        Due({StepKind::kPromote}, "the next CA was published long enough");
      }
    }
    if (!state_.ca.Entry("previous-ca.crt").empty() && leaf_is_new_) {
      // Without the annotation (a Secret that was restored by hand) it is long ago.
      if (!view_.rotated.has_value() || Reached(*view_.rotated + options_.overlap)) {
        Due({StepKind::kDropPrevious}, "the previous CA signed nothing that is still in use");
      }
    }
  }

  const CertificateState& state_;
  const CertificateOptions& options_;
  const WallTime now_;
  const std::set<Step>& failed_;
  const View view_;
  bool spread_ = true;        // all that trusts has the bundle
  bool leaf_is_new_ = false;  // what is served is signed by the present CA
  CertificatePlan plan_;
};

}  // namespace

std::string StoredObject::Entry(const std::string& name) const {
  auto found = entries.find(name);
  return found == entries.end() ? "" : found->second;
}

std::string_view Name(StepKind kind) {
  switch (kind) {
    case StepKind::kNothing:
      return "nothing";
    case StepKind::kFillAttestation:
      return "make keys of nonces and results";
    case StepKind::kMakeCa:
      return "make a CA";
    case StepKind::kMakeNextCa:
      return "make the next CA";
    case StepKind::kIssue:
      return "issue the serving certificate";
    case StepKind::kBundleTls:
      return "put the CA bundle beside the serving certificate";
    case StepKind::kPublish:
      return "publish the CA bundle and the signing keys";
    case StepKind::kPatchWebhook:
      return "write the caBundle of a webhook configuration";
    case StepKind::kMarkPublished:
      return "note that the next CA is published";
    case StepKind::kPromote:
      return "take the next CA into use";
    case StepKind::kDropPrevious:
      return "drop the previous CA";
    case StepKind::kMarkReplaced:
      return "note that the CA which replaced another is published";
    case StepKind::kDropReplaced:
      return "drop the CA that was replaced";
  }
  return "";
}

CertificatePlan NextStep(const CertificateState& state, const CertificateOptions& options, WallTime now,
                         const std::set<Step>& failed) {
  return Planner(state, options, now, failed).Make();
}

Result<IssuedPair> MakeCa(const CertificateOptions& options, WallTime now) {
  ASSIGN_OR_RETURN(PrivateKey key, PrivateKey::Generate(crypto::KeyType::kEcP256));
  crypto::CertificateRequest request{.common_name = (options.name + " CA").substr(0, 64),
                                     .not_before = now - Backdate(options.ca_validity),
                                     .not_after = now + options.ca_validity};
  ASSIGN_OR_RETURN(Certificate certificate, crypto::IssueCa(request, key));
  return IssuedPair{crypto::ToPem(certificate), key.Pem()};
}

Result<IssuedPair> MakeServer(const CertificateState& state, const CertificateOptions& options, WallTime now) {
  auto ca = ReadCa(state.ca, "", now);
  if (!ca.has_value()) return Error{Reason::kInternal, "serving certificate", "there is no CA to issue it"};
  ASSIGN_OR_RETURN(PrivateKey key, PrivateKey::Generate(crypto::KeyType::kEcP256));
  Duration lifetime = std::min(options.validity, ca->certificate.NotAfter() - now);
  crypto::CertificateRequest request{.common_name = options.name.substr(0, 64),
                                     .not_before = std::max(now - Backdate(lifetime), ca->certificate.NotBefore()),
                                     .not_after = now + lifetime};
  for (const std::string& name : options.dns_names) {
    if (auto normal = crypto::NormalServerName(name); !normal.ok()) return normal.error();
  }
  for (std::string& name : WantedNames(options)) {
    // An IPv6 address has colons; a DNS name never ends in a part of digits only.
    bool address = name.find(':') != std::string::npos || name.find_first_not_of("0123456789.") == std::string::npos;
    (address ? request.addresses : request.dns_names).push_back(std::move(name));
  }
  ASSIGN_OR_RETURN(Certificate certificate, crypto::IssueServer(request, key.Public(), ca->certificate, ca->key));
  return IssuedPair{crypto::ToPem(certificate), key.Pem()};
}

std::string BundleOf(const CertificateState& state, WallTime now) {
  return Look(state, now).bundle;
}

std::string BundleToPublish(const CertificateState& state, WallTime now) {
  View view = Look(state, now);
  return view.withheld ? "" : view.bundle;
}

ReplacedCas ReplacedCasOf(const CertificateState& state, WallTime now) {
  const View view = Look(state, now);
  ReplacedCas cas{.just_now = view.serving_replaced};
  for (const Certificate& one : view.replaced) cas.pem += ToPem(one);
  return cas;
}

std::string ReplacedMark(const CertificateState& state, WallTime now) {
  return codec::FormatTime(now) + " " + FingerprintOf(Look(state, now));
}

std::string SigningKeysOf(const CertificateState& state) {
  auto key = PrivateKey::FromPem(state.attestation.Entry("signing.key"));
  if (!key.ok()) return "";
  std::string keys = key->Public().Pem();
  auto previous = PublicKey::FromPem(state.attestation.Entry("previous-signing.pub"));
  if (previous.ok() && !(*previous == key->Public())) keys += previous->Pem();
  return keys;
}

std::string CaToKeep(const CertificateState& state, WallTime now) {
  auto certificate = ReadCertificate(state.ca.Entry("ca.crt"));
  if (!certificate.has_value() || !certificate->IsCa() || now >= certificate->NotAfter()) return "";
  return crypto::ToPem(*certificate);
}

}  // namespace gatehouse::webhook
