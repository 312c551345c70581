#include "webhook/attest/endorsement_judge.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "common/base/limits.h"
#include "common/crypto/hash.h"
#include "common/crypto/revocation.h"
#include "webhook/attest/issuer_fetcher.h"

namespace gatehouse::webhook {
namespace {

using crypto::Certificate;
using crypto::RevocationList;
using crypto::RevocationStatus;
using verify::tpm::VerifiedEndorsement;
using Chain = std::vector<Certificate>;
using Revocation = policy::TpmIdentityRules::Revocation;

constexpr Duration kPatience{8'000};  // an agent waits for the answer

// Everything that a judgement is made of, but time and revocation.
std::string KeyOf(const Enrolment& presented, const policy::NodePolicy& policy, const policy::PolicySet& set) {
  ByteWriter parts;
  const auto put = [&parts](BytesView bytes) {
    parts.PutU32Be(static_cast<std::uint32_t>(bytes.size()));
    parts.Put(bytes);
  };
  put(presented.ek_public);
  put(presented.ek_certificate);
  put(presented.ak_public);
  put(presented.ak_certificate);
  parts.PutU32Be(static_cast<std::uint32_t>(presented.ek_intermediates.size()));
  for (const Bytes& der : presented.ek_intermediates) put(der);
  put(AsBytes(policy.name));
  put(AsBytes(policy.generation));
  put(AsBytes(set.trust_generation));
  return std::string(AsText(crypto::Hash(HashAlgorithm::kSha256, parts.bytes())));
}

Result<std::optional<Certificate>> ParseOptional(BytesView der) {
  if (der.empty()) return std::optional<Certificate>();
  ASSIGN_OR_RETURN(Certificate certificate, Certificate::FromDer(der));
  return std::optional(std::move(certificate));
}

Result<verify::tpm::PresentedEndorsement> Parse(const Enrolment& presented) {
  namespace tpm = evidence::tpm;
  ASSIGN_OR_RETURN(auto ek, tpm::ParsePublic(presented.ek_public));
  ASSIGN_OR_RETURN(auto ak, tpm::ParsePublic(presented.ak_public));
  ASSIGN_OR_RETURN(auto ek_certificate, ParseOptional(presented.ek_certificate));
  ASSIGN_OR_RETURN(auto ak_certificate, ParseOptional(presented.ak_certificate));
  if (presented.ek_intermediates.size() > limits::kChainCertificates) {
    return Error{Reason::kLimitExceeded, "",
                 "more than " + std::to_string(limits::kChainCertificates) + " intermediate certificates"};
  }
  Chain intermediates;
  for (const Bytes& der : presented.ek_intermediates) {
    ASSIGN_OR_RETURN(auto each, Certificate::FromDer(der));
    intermediates.push_back(std::move(each));
  }
  return verify::tpm::PresentedEndorsement{.ek = std::move(ek),
                                           .ak = std::move(ak),
                                           .ek_certificate = std::move(ek_certificate),
                                           .ak_certificate = std::move(ak_certificate),
                                           .intermediates = std::move(intermediates)};
}

Error Undecided(const Certificate& certificate, std::string detail) {
  return {Reason::kRevocationUnavailable, certificate.Subject(), std::move(detail)};
}

// CRLs that came with TrustRoots, parsed and verified once for each issuer.
class GivenLists {
 public:
  explicit GivenLists(const Clock& clock) : clock_(clock) {}

  // Whether one of them that is by the certificate's issuer and in its time says that it is not revoked.
  // Errors: kCertificateRevoked, also by a list whose time is over: what was revoked once stays so.
  [[nodiscard]] Result<bool> IsGood(const policy::NodePolicy& policy, const policy::PolicySet& set,
                                    const Certificate& certificate, const Certificate& issuer) {
    bool good = false;
    for (const policy::TrustRoot& root : set.trust_roots) {
      if (std::ranges::find(policy.trust_roots, root.name) == policy.trust_roots.end()) continue;
      for (std::size_t i = 0; i < root.tpm_crls.size(); ++i) {
        const std::string name = root.name + "@" + root.generation + "#" + std::to_string(i);
        const auto list = Get(name, root.tpm_crls[i], issuer, set.trust_generation);
        if (!list.has_value()) continue;
        const RevocationStatus status = list->Find(certificate);
        if (status.state == RevocationStatus::State::kRevoked) {
          return Error{Reason::kCertificateRevoked, certificate.Subject(),
                       status.reason.empty() ? "was revoked" : "was revoked: " + status.reason};
        }
        good |= status.state == RevocationStatus::State::kGood && list->next_update() >= clock_.Wall();
      }
    }
    return good;
  }

 private:
  // `name` stands for the bytes: a TrustRoot's generation changes with its content.
  std::optional<RevocationList> Get(const std::string& name, const Bytes& der, const Certificate& issuer,
                                    const std::string& trust_generation) {
    std::lock_guard lock(mutex_);
    if (trust_generation != generation_ || lists_.size() >= limits::kIssuersKept) {
      lists_.clear();
      generation_ = trust_generation;
    }
    const std::string key = name + " " + issuer.Fingerprint().text();
    if (auto known = lists_.find(key); known != lists_.end()) return known->second;
    auto list = RevocationList::FromDer(der, issuer, clock_.Wall(), true);
    // A list of the future is one tomorrow; others that cannot be used by this issuer never will be.
    if (!list.ok() && list.error().reason == Reason::kRevocationUnavailable) return std::nullopt;
    return lists_.emplace(key, list.ok() ? std::optional(*list) : std::nullopt).first->second;
  }

  const Clock& clock_;
  std::mutex mutex_;
  std::string generation_;
  std::map<std::string, std::optional<RevocationList>> lists_;
};

}  // namespace

struct EndorsementJudge::Impl {
  explicit Impl(Parts given) : parts(given), lists(given.clock) {
    if (parts.transport != nullptr) issuers = std::make_unique<IssuerFetcher>(*parts.transport, parts.clock);
  }

  // An endorsement that was verified, and over which certificates: what time and revocation are asked of again.
  struct Known {
    VerifiedEndorsement endorsement;
    std::vector<Chain> paths;
  };

  const Parts parts;
  GivenLists lists;
  std::unique_ptr<IssuerFetcher> issuers;
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<const Known>> known;

  std::shared_ptr<const Known> Find(const std::string& key) {
    std::lock_guard lock(mutex);
    auto found = known.find(key);
    return found == known.end() ? nullptr : found->second;
  }
  void Keep(const std::string& key, std::shared_ptr<const Known> endorsement) {
    std::lock_guard lock(mutex);
    if (known.size() >= limits::kEndorsementsKept) known.erase(known.begin());  // keys are hashes: any of them
    known.insert_or_assign(key, std::move(endorsement));
  }

  [[nodiscard]] bool InTime(const Known& entry) const {
    const WallTime now = parts.clock.Wall();
    return std::ranges::all_of(entry.paths, [&](const Chain& path) {
      return std::ranges::all_of(path, [&](const Certificate& each) {
        return each.NotBefore() <= now && std::chrono::floor<std::chrono::seconds>(now) <= each.NotAfter();
      });
    });
  }

  Result<std::shared_ptr<const Known>> Verify(const Enrolment& enrolment, const policy::NodePolicy& policy,
                                              const policy::PolicySet::TpmTrust& trust) {
    ASSIGN_OR_RETURN(auto presented, Parse(enrolment));
    std::vector<Chain> paths;
    verify::tpm::EndorsementRules rules;
    rules.roots = trust.roots;
    rules.pinned = trust.pinned;
    rules.intermediates = trust.intermediates;
    rules.ek_hashes = policy.identity.ek_hashes.has_value() ? &*policy.identity.ek_hashes : nullptr;
    rules.ak_certificates = policy.identity.ak_certificates;
    rules.check_revocation = [&paths](const Chain& path) {
      paths.push_back(path);  // asked about below, and at each judgement after this one
      return Ok();
    };
    rules.now = parts.clock.Wall();
    if (policy.identity.fetch_issuers && issuers != nullptr) AddIssuers(presented, rules);
    ASSIGN_OR_RETURN(auto endorsement, VerifyEndorsement(presented, rules));
    return std::make_shared<const Known>(Known{std::move(endorsement), std::move(paths)});
  }

  // Of a listed key nothing is fetched for who is not listed.
  void AddIssuers(const verify::tpm::PresentedEndorsement& presented, verify::tpm::EndorsementRules& rules) {
    const Deadline deadline(parts.clock, kPatience);
    Chain known_issuers = presented.intermediates;
    known_issuers.insert(known_issuers.end(), rules.intermediates.begin(), rules.intermediates.end());
    const auto add = [&](const std::optional<Certificate>& leaf) {
      if (!leaf.has_value()) return;
      for (Certificate& issuer : issuers->Complete(*leaf, known_issuers, rules.roots, deadline))
        rules.intermediates.push_back(std::move(issuer));
    };
    add(presented.ek_certificate);
    if (rules.ak_certificates) add(presented.ak_certificate);
  }

  // Whether anything on the paths was revoked. What a TrustRoot's CRLs say is good for is not asked for elsewhere.
  Status CheckRevocation(const Known& entry, const policy::NodePolicy& policy, const policy::PolicySet& set) {
    const Revocation how = policy.identity.revocation;
    if (how == Revocation::kOff) return Ok();
    const Deadline deadline(parts.clock, kPatience);
    std::optional<Error> undecided;
    for (const Chain& path : entry.paths) {
      for (std::size_t i = 0; i + 1 < path.size(); ++i) {
        ASSIGN_OR_RETURN(const bool good, lists.IsGood(policy, set, path[i], path[i + 1]));
        if (good) continue;
        Status asked = Ask(path[i], path[i + 1], deadline);
        if (asked.ok()) continue;
        if (asked.error().reason == Reason::kCertificateRevoked) return asked;
        if (!undecided.has_value()) undecided = asked.error();
      }
    }
    if (how != Revocation::kRequired || !undecided.has_value()) return Ok();
    // Malformed, refused, not there: all the same to who needs an answer.
    return Error{Reason::kRevocationUnavailable, undecided->where, undecided->detail};
  }

  Status Ask(const Certificate& certificate, const Certificate& issuer, const Deadline& deadline) {
    const crypto::RevocationPointers pointers = crypto::RevocationPointersOf(certificate);
    if (pointers.ocsp.empty() && pointers.crl.empty()) {
      return Undecided(certificate,
                       "it does not say where its revocation can be asked for by http, and no TrustRoot has "
                       "a CRL in its time by its issuer");
    }
    if (parts.revocations == nullptr) return Undecided(certificate, "nothing is fetched here");
    return parts.revocations->Check({certificate, issuer}, std::nullopt, deadline);
  }
};

EndorsementJudge::EndorsementJudge(Parts parts) : impl_(std::make_unique<Impl>(parts)) {}
EndorsementJudge::~EndorsementJudge() = default;

Result<VerifiedEndorsement> EndorsementJudge::Judge(const Enrolment& presented, const policy::NodePolicy& policy,
                                                    const policy::PolicySet& set) {
  const std::string key = KeyOf(presented, policy, set);
  auto entry = impl_->Find(key);
  if (entry == nullptr || !impl_->InTime(*entry)) {
    ASSIGN_OR_RETURN(entry, impl_->Verify(presented, policy, set.TpmTrustOf(policy)));
    impl_->Keep(key, entry);
  }
  RETURN_IF_ERROR(impl_->CheckRevocation(*entry, policy, set));
  return entry->endorsement;
}

}  // namespace gatehouse::webhook
