// Metadata files of TUF (specification section 4), parsed and checked against keys. Internal to this room.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/codec/json.h"
#include "common/crypto/key.h"

namespace gatehouse::tuf {

struct Key {
  crypto::PublicKey key;
  crypto::Scheme scheme;
  HashAlgorithm hash;
};

struct Role {
  std::set<std::string> key_ids;
  std::size_t threshold = 1;
};

using Keys = std::map<std::string, Key>;

// What every role's metadata begins with.
struct Header {
  std::int64_t version = 0;
  WallTime expires{};
};

// A metadata file with its signatures, of which none is believed yet.
class Signed {
 public:
  // `type`: what "_type" must be. Errors: kTufMalformed.
  [[nodiscard]] static Result<Signed> Parse(std::string_view text, std::string_view type);

  [[nodiscard]] const Header& header() const { return header_; }
  [[nodiscard]] codec::JsonView body() const { return *document_.root().Find("signed"); }
  [[nodiscard]] const codec::JsonDocument& document() const { return document_; }
  // Whether at least role.threshold different keys of the role have signed; a key counts once, under however many
  // names. Errors: kTufUntrusted. `who`: for the message.
  [[nodiscard]] Status VerifiedBy(const Role& role, const Keys& keys, std::string_view who) const;

 private:
  explicit Signed(codec::JsonDocument document) : document_(std::move(document)) {}
  codec::JsonDocument document_;
  std::string canonical_;  // what is signed
  std::vector<std::pair<std::string, Bytes>> signatures_;
  Header header_;
};

struct Root {
  Header header;
  bool consistent_snapshot = false;
  Keys keys;
  std::map<std::string, Role> roles;  // root, timestamp, snapshot, targets
};
[[nodiscard]] Result<Root> ReadRoot(const Signed& metadata);

// What timestamp says of snapshot, and snapshot of targets and delegated roles.
struct FileInfo {
  std::int64_t version = 0;
  std::optional<std::size_t> length;
  std::vector<Digest> hashes;
};
using Files = std::map<std::string, FileInfo>;  // by name: "snapshot.json"
[[nodiscard]] Result<Files> ReadMeta(const Signed& metadata);

struct Target {
  std::size_t length = 0;
  std::vector<Digest> hashes;  // at least one
};
struct Delegation {
  std::string name;
  Role role;
  bool terminating = false;
  std::vector<std::string> paths;          // patterns: '*' and '?' within a part of a path
  std::vector<std::string> hash_prefixes;  // of the SHA-256 of the path
};
struct Targets {
  std::map<std::string, Target> targets;
  Keys keys;
  std::vector<Delegation> delegations;
};
[[nodiscard]] Result<Targets> ReadTargets(const Signed& metadata);
// Whether the delegation is for the target.
[[nodiscard]] bool Covers(const Delegation& delegation, std::string_view target);

// The bytes have the length and all the hashes that are given. Errors: kTufUntrusted.
[[nodiscard]] Status CheckFile(std::string_view bytes, std::optional<std::size_t> length,
                               const std::vector<Digest>& hashes, std::string_view what);

}  // namespace gatehouse::tuf
