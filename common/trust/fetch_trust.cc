#include "common/trust/fetch_trust.h"

#include "common/crypto/hash.h"

namespace gatehouse::trust {
namespace {

constexpr const char* kInitial = "initial";  // no role of a repository is stored under this name

Result<tuf::InitialRoot> InitialRootOf(const policy::TufSource& source, const tuf::Fetch& fetch, tuf::Store& store) {
  if (!source.root_digest.has_value()) return tuf::InitialRoot{source.root};
  auto known = store.Read(kInitial);
  if (known.has_value() && crypto::Matches(*source.root_digest, AsBytes(*known))) {
    return tuf::InitialRoot{*std::move(known)};
  }
  ASSIGN_OR_RETURN(auto root, tuf::FetchRoot(fetch, *source.root_digest));
  RETURN_IF_ERROR(store.Write(kInitial, root.bytes));
  return root;
}

}  // namespace

Result<Fetched> FetchTrust(const policy::TufSource& source, const tuf::Fetch& fetch, tuf::Store& store, WallTime now) {
  ASSIGN_OR_RETURN(auto root, InitialRootOf(source, fetch, store));
  ASSIGN_OR_RETURN(auto outcome, tuf::FetchTarget(root, source.target, fetch, store, now));
  ASSIGN_OR_RETURN(auto parsed, signature::sigstore::ParseTrustedRoot(outcome.target));
  auto material = std::make_shared<const signature::sigstore::TrustMaterial>(std::move(parsed.material));
  std::string version = crypto::Sha256Digest(AsBytes(outcome.target)).text();
  return Fetched{{.source = source, .version = std::move(version), .material = std::move(material)},
                 outcome.refreshed,
                 outcome.expires};
}

}  // namespace gatehouse::trust
