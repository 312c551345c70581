// What is to be done next for Gatehouse's own certificates and keys, from what the cluster has. Pure.
//
// Whose objects are whose, written down: an object with the label app.kubernetes.io/managed-by=gatehouse is ours: what
// in it cannot be used is made anew. An object without it was put there by somebody else: it is used where it can be (a
// CA of one's own), and never written; what is wrong with it is a problem for an operator to see. N-attestation is
// never overwritten at all, whoever's it is: its key signed the bindings of every node, so another key in its place
// makes every node a stranger. Entries that are missing from it are added if the object is ours.
//
// What is served must be trusted by those who have the bundle. So the bundle is not given to anybody while N-tls is
// somebody else's and our CAs do not vouch for it; and a CA that N-ca lost, or that was replaced there by hand, stays
// in the bundle while what it signed is served, and for the overlap after it (N-tls remembers it: previous-ca.crt).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/crypto/issue.h"
#include "webhook/certificates/certificate_manager.h"

namespace gatehouse::webhook {

inline constexpr std::string_view kManagedBy = "app.kubernetes.io/managed-by";
inline constexpr std::string_view kUs = "gatehouse";
// Annotations of N-ca, RFC 3339: since when all that trusts knows the next CA; since when the CA is in use.
inline constexpr std::string_view kPublishedAnnotation = "gatehouse.dev/next-ca-published";
inline constexpr std::string_view kRotatedAnnotation = "gatehouse.dev/ca-rotated";
// Annotations of N-tls: since when all that trusts knows the CA that was put in the place of the one which signed what
// is served (with the fingerprint of that CA); kRotatedAnnotation: since when what is served is signed by it.
inline constexpr std::string_view kReplacedAnnotation = "gatehouse.dev/replaced-ca-published";

// A Secret or ConfigMap as it was read. Entries are decoded; one that is not base64 is kept as it is, and will be no
// PEM. Empty ones are absent.
struct StoredObject {
  bool exists = false;
  bool ours = false;
  std::string resource_version = {};
  std::map<std::string, std::string> entries = {};
  std::map<std::string, std::string> annotations = {};
  [[nodiscard]] std::string Entry(const std::string& name) const;  // "" if absent
};

// A webhook configuration. What is in it but does not lead to us (another namespace's Service) is not listed.
struct WebhookObject {
  bool mutating = false;
  std::string name = {};
  bool exists = false;
  std::string unreadable = {};  // why it could not be read
  std::string resource_version = {};
  std::map<std::string, std::string> ca_bundles = {};  // webhook's name -> PEM; "" if none or no base64
};

struct CertificateState {
  StoredObject ca;
  StoredObject tls;
  StoredObject attestation;
  StoredObject published;  // N-public
  std::vector<WebhookObject> webhooks = {};
};

enum class StepKind : std::uint8_t {
  kNothing,
  kFillAttestation,  // make N-attestation, or add what is missing
  kMakeCa,           // also in place of one that is of no use
  kMakeNextCa,
  kIssue,         // a new serving certificate and key
  kBundleTls,     // ca.crt of N-tls
  kPublish,       // N-public
  kPatchWebhook,  // caBundle
  kMarkPublished,
  kPromote,  // the next CA becomes the CA, the CA the previous one
  kDropPrevious,
  kMarkReplaced,  // the CA that replaced another by hand is known to all
  kDropReplaced,
};
[[nodiscard]] std::string_view Name(StepKind kind);

struct Step {
  StepKind kind = StepKind::kNothing;
  std::size_t webhook = 0;  // of kPatchWebhook: which
  auto operator<=>(const Step&) const = default;
};

struct CertificatePlan {
  Step step = {};
  Duration wait{};       // of kNothing: until time alone makes something due; kNoWait if nothing
  std::string why = {};  // for the log
  std::vector<std::string> problems = {};
};
inline constexpr Duration kNoWait = Duration::max();

// The one next write. `failed`: steps that could not be carried out just now; they are passed over, so that one does
// not hold up the others. What was not published everywhere is not promoted all the same: that is seen from the
// objects.
[[nodiscard]] CertificatePlan NextStep(const CertificateState& state, const CertificateOptions& options, WallTime now,
                                       const std::set<Step>& failed);

// A CA or server certificate with its key, as PEM.
struct IssuedPair {
  std::string certificate_pem;
  std::string key_pem;
};
// The certificates that NextStep asks for. Errors: kInternal, kConfigInvalid.
[[nodiscard]] Result<IssuedPair> MakeCa(const CertificateOptions& options, WallTime now);
[[nodiscard]] Result<IssuedPair> MakeServer(const CertificateState& state, const CertificateOptions& options,
                                            WallTime now);

// All that is to be trusted: the CA, the next one, the previous one, those that were replaced by hand.
[[nodiscard]] std::string BundleOf(const CertificateState& state, WallTime now);
// The bundle for N-public and caBundles; "" if they are to be left as they are.
[[nodiscard]] std::string BundleToPublish(const CertificateState& state, WallTime now);
// CAs of the bundle that N-ca does not have, for N-tls to remember.
struct ReplacedCas {
  std::string pem = {};
  bool just_now = false;  // one of them signed what is served up to now
};
[[nodiscard]] ReplacedCas ReplacedCasOf(const CertificateState& state, WallTime now);
// The value of kReplacedAnnotation, as of now.
[[nodiscard]] std::string ReplacedMark(const CertificateState& state, WallTime now);
// The public keys that verify results, the present one first; "" while there is none.
[[nodiscard]] std::string SigningKeysOf(const CertificateState& state);
// The previous CA to keep when another one takes the place of the CA: "" if it is of no use to anybody.
[[nodiscard]] std::string CaToKeep(const CertificateState& state, WallTime now);

}  // namespace gatehouse::webhook
