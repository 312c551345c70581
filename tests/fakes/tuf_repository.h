// A TUF repository in memory that a test can spoil. Metadata is written by hand in canonical form, so that what signs
// and what verifies do not share code.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/crypto/key.h"
#include "common/tuf/client.h"

namespace gatehouse::fakes {

struct TufKey {
  crypto::PrivateKey key;
  std::string id;
  std::string scheme;
};
[[nodiscard]] TufKey MakeTufKey(const std::string& id, crypto::KeyType type = crypto::KeyType::kEd25519);

struct TufRole {
  std::vector<TufKey> keys;
  std::size_t threshold = 1;
};

class TufRepository {
 public:
  // Two root keys of which both must sign, one key for each other role, consistent snapshots, all in their time at
  // kPkiNow (tests/fakes/pki.h).
  TufRepository();

  // --- what Publish() writes; change it, then publish
  std::map<std::string, TufRole> roles;         // root, timestamp, snapshot, targets
  std::map<std::string, std::int64_t> version;  // of each role; "root" moves by PublishRoot()
  std::map<std::string, WallTime> expires;
  bool consistent = true;
  std::map<std::string, std::string> targets;                    // name -> content
  std::vector<std::pair<std::string, std::string>> delegations;  // role -> path pattern
  std::map<std::string, std::map<std::string, std::string>> delegated_targets;
  bool terminating = false;

  // Everything but root.
  void Publish();
  // The next version of root, signed by the keys of the version before and its own.
  void PublishRoot();
  [[nodiscard]] std::string FirstRoot() const { return files.at("1.root.json"); }

  // --- what is served
  std::map<std::string, std::string> files;
  std::vector<std::string> asked;
  std::optional<Error> outage;
  [[nodiscard]] tuf::Fetch Fetcher();

  // {"signatures": …, "signed": body}.
  [[nodiscard]] static std::string Sign(const std::string& body, const std::vector<TufKey>& keys);

 private:
  [[nodiscard]] std::string Head(const std::string& type, const std::string& role) const;
  [[nodiscard]] std::string RootBody() const;
  std::vector<TufKey> last_root_keys_;
};

}  // namespace gatehouse::fakes
