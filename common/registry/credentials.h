// Registry credentials in dockerconfigjson form.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/types.h"
#include "common/image/reference.h"

namespace gatehouse::registry {

struct BasicCredential {
  std::string username;
  std::string password;
};

// What may be presented to which registry. Matching follows the kubelet's keyring: the longest entry that is a prefix
// of domain/path, globs in the host part, "https://index.docker.io/v1/" for docker.io.
class Credentials {
 public:
  Credentials() = default;  // anonymous
  // {"auths":{HOST:{"auth":base64(user:password)} | {"username","password"}}}. Errors: kConfigInvalid; never shows a
  // secret.
  [[nodiscard]] static Result<Credentials> FromDockerConfig(std::string_view json, std::string_view source);
  // The entries of both; those of `this` first.
  [[nodiscard]] Credentials With(const Credentials& more) const;

  [[nodiscard]] std::optional<BasicCredential> Find(const image::Reference& image) const;
  // Names the set in cache keys: equal exactly when the same secret would be presented for `image`. A hash, never the
  // secret; "anonymous" when there is none.
  [[nodiscard]] std::string IdentityFor(const image::Reference& image) const;

 private:
  struct Entry {
    std::string host_pattern;
    std::string path_prefix;
    BasicCredential credential;
  };
  std::vector<Entry> entries_;
};

}  // namespace gatehouse::registry
