// VerifyChain: OpenSSL builds and checks the path; what it leaves open or decides otherwise is decided here.
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "common/base/limits.h"
#include "common/crypto/openssl_handles.h"
#include "common/crypto/x509.h"

namespace gatehouse::crypto {
namespace {

// The stack, not the certificates on it: those belong to the caller.
struct StackFree {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};
using Stack = std::unique_ptr<STACK_OF(X509), StackFree>;
using Store = std::unique_ptr<X509_STORE, FreeWith<X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, FreeWith<X509_STORE_CTX_free>>;

constexpr std::string_view kAnyExtendedKeyUsage = "2.5.29.37.0";
// OpenSSL's levels: 2 asks for 112 bits, so RSA from 2048 bits and no MD5 or SHA-1 in a signature that the path depends
// on. The signature of a trust anchor over itself is none of these.
constexpr int kSecurityLevel = 2;

Error Untrusted(std::string_view detail) {
  return {Reason::kCertificateUntrusted, "", std::string(detail)};
}

std::time_t ToSeconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

Stack ToStack(const std::vector<Certificate>& certificates, bool only_bounded) {
  Stack stack(sk_X509_new_null());
  Require(stack != nullptr, "memory");
  for (const Certificate& certificate : certificates) {
    // An untrusted CA with another kind of key is treated as if it were not there.
    if (only_bounded && !HasBoundedKey(certificate)) continue;
    Require(sk_X509_push(stack.get(), certificate.impl().x509.get()) > 0, "memory");
  }
  return stack;
}

struct Attempt {
  const ChainOptions& options;
  bool leaf_extensions_tolerated;
};

// Called for every error that OpenSSL finds; returns 1 to go on in spite of it.
int OnVerifyEvent(int ok, X509_STORE_CTX* context) {
  if (ok == 1) return 1;
  const auto* attempt = static_cast<const Attempt*>(X509_STORE_CTX_get_ex_data(context, 0));
  const X509* current = X509_STORE_CTX_get_current_cert(context);
  const int error = X509_STORE_CTX_get_error(context);
  bool acceptable = false;
  if (error == X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION) {
    acceptable = X509_STORE_CTX_get_error_depth(context) == 0 && attempt->leaf_extensions_tolerated;
  } else if (error == X509_V_ERR_CERT_HAS_EXPIRED && current != nullptr) {
    // RFC 5280 section 4.1.2.5: "from notBefore through notAfter, inclusive"; OpenSSL excludes the last second.
    std::time_t before = ToSeconds(attempt->options.at) - 1;
    acceptable = X509_cmp_time(X509_get0_notAfter(current), &before) > 0;
  }
  if (acceptable) X509_STORE_CTX_set_error(context, X509_V_OK);
  return acceptable ? 1 : 0;
}

// Two CAs may have one name: a renewed key, or an attacker's certificate among the intermediates. OpenSSL takes the
// first that fits by name and does not try the second, so when that has failed, only an issuer that really made the
// signature is taken for one.
int IsSigner(X509_STORE_CTX* /*context*/, X509* subject, X509* issuer) {
  if (X509_check_issued(issuer, subject) != X509_V_OK) return 0;
  EVP_PKEY* key = X509_get0_pubkey(issuer);
  return key != nullptr && X509_verify(subject, key) == 1 ? 1 : 0;
}

Error Describe(X509_STORE_CTX* context) {
  const int error = X509_STORE_CTX_get_error(context);
  const bool time = error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID;
  std::string where = "certificate " + std::to_string(X509_STORE_CTX_get_error_depth(context)) + " of the chain";
  return Error{time ? Reason::kCertificateExpired : Reason::kCertificateUntrusted, std::move(where),
               X509_verify_cert_error_string(error)};
}

// The path as OpenSSL built it, in terms of what the caller gave.
Result<std::vector<Certificate>> Path(X509_STORE_CTX* context, const Certificate& leaf,
                                      const std::vector<Certificate>& intermediates,
                                      const std::vector<Certificate>& roots) {
  const STACK_OF(X509)* built = X509_STORE_CTX_get0_chain(context);
  std::vector<Certificate> path;
  for (int i = 0; i < sk_X509_num(built); ++i) {
    const X509* wanted = sk_X509_value(built, i);
    const auto is_it = [&](const Certificate& candidate) { return candidate.impl().x509.get() == wanted; };
    if (is_it(leaf)) {
      path.push_back(leaf);
    } else if (const auto root = std::ranges::find_if(roots, is_it); root != roots.end()) {
      path.push_back(*root);
    } else if (const auto ca = std::ranges::find_if(intermediates, is_it); ca != intermediates.end()) {
      path.push_back(*ca);
    } else {
      return Error{Reason::kInternal, "", "the chain holds a certificate that was not given"};
    }
  }
  return path;
}

Result<std::vector<Certificate>> Build(const Certificate& leaf, const std::vector<Certificate>& intermediates,
                                       const std::vector<Certificate>& roots, const ChainOptions& options,
                                       bool signers_only) {
  Attempt attempt{options, true};
  for (const std::string& oid : leaf.UnknownCriticalExtensions()) {
    attempt.leaf_extensions_tolerated &=
        std::ranges::find(options.tolerated_critical_oids, oid) != options.tolerated_critical_oids.end();
  }
  const Stack untrusted = ToStack(intermediates, true);
  const Stack trusted = ToStack(roots, false);
  // The store stays empty: it has no look-up methods, so nothing of this machine is ever trusted.
  const Store store(X509_STORE_new());
  const StoreContext context(X509_STORE_CTX_new());
  Require(store && context, "memory");
  if (signers_only) X509_STORE_set_check_issued(store.get(), IsSigner);
  Require(X509_STORE_CTX_init(context.get(), store.get(), leaf.impl().x509.get(), untrusted.get()) == 1, "memory");
  X509_STORE_CTX_set0_trusted_stack(context.get(), trusted.get());
  X509_STORE_CTX_set_verify_cb(context.get(), OnVerifyEvent);
  Require(X509_STORE_CTX_set_ex_data(context.get(), 0, &attempt) == 1, "memory");

  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(parameters, ToSeconds(options.at));
  X509_VERIFY_PARAM_set_depth(parameters, static_cast<int>(limits::kChainCertificates));
  X509_VERIFY_PARAM_set_auth_level(parameters, kSecurityLevel);
  // PARTIAL_CHAIN: a root need not be self-signed; it is one because the caller says so. POLICY_CHECK: a CA's policy
  // constraints count. Not X509_STRICT: it also refuses what real vendors' roots lack (key identifiers, a critical
  // mark), which RFC 5280 asks of those who issue and not of those who verify.
  constexpr unsigned long kFlags = X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_POLICY_CHECK;
  Require(X509_VERIFY_PARAM_set_flags(parameters, kFlags) == 1, "memory");

  // RFC 5280 section 6.1.1 (c): the user-initial-policy-set is any-policy. Without saying so, an explicit policy is
  // never met.
  Require(X509_VERIFY_PARAM_add0_policy(parameters, OBJ_nid2obj(NID_any_policy)) == 1, "memory");

  const bool verified = X509_verify_cert(context.get()) == 1;
  if (!verified || X509_STORE_CTX_get_error(context.get()) != X509_V_OK) return Describe(context.get());
  return Path(context.get(), leaf, intermediates, roots);
}

Status CheckUsage(const Certificate& leaf, std::string_view required_eku) {
  if (required_eku.empty() || leaf.HasExtendedKeyUsage(required_eku)) return Ok();
  return Untrusted("the certificate does not have the extended key usage " + std::string(required_eku));
}

Status CheckPath(const std::vector<Certificate>& path, const ChainOptions& options) {
  for (std::size_t i = 1; i + 1 < path.size(); ++i) {
    const Certificate& ca = path[i];
    const std::string where = "certificate " + std::to_string(i) + " of the chain";
    // RFC 5280 leaves it open whether a CA's extended key usages limit what it may issue; every browser and Go hold
    // that they do.
    if (!options.required_eku.empty() && ca.HasAnyExtendedKeyUsageExtension() &&
        !ca.HasExtendedKeyUsage(options.required_eku) && !ca.HasExtendedKeyUsage(kAnyExtendedKeyUsage)) {
      return Error{Reason::kCertificateUntrusted, where,
                   "a CA whose extended key usages exclude " + options.required_eku};
    }
  }
  return CheckUsage(path.front(), options.required_eku);
}

}  // namespace

Result<std::vector<Certificate>> VerifyChain(const Certificate& leaf, const std::vector<Certificate>& intermediates,
                                             const std::vector<Certificate>& roots, const ChainOptions& options) {
  ErrorQueueGuard guard;
  if (intermediates.size() > limits::kChainCertificates) {
    return Error{Reason::kLimitExceeded, "",
                 std::to_string(intermediates.size()) + " intermediate certificates; at most " +
                     std::to_string(limits::kChainCertificates) + " are accepted"};
  }
  if (roots.empty()) return Untrusted("there is no trust root");
  if (leaf.IsCa()) return Untrusted("a CA certificate where an end entity's belongs");
  Result<std::vector<Certificate>> path = Build(leaf, intermediates, roots, options, false);
  if (!path.ok()) {
    Result<std::vector<Certificate>> second = Build(leaf, intermediates, roots, options, true);
    if (!second.ok()) return path;
    path = std::move(second);
  }
  RETURN_IF_ERROR(CheckPath(*path, options));
  return path;
}

}  // namespace gatehouse::crypto
