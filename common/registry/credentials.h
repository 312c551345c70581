// Registry credentials in dockerconfigjson form.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/types.h"
#include "common/image/reference.h"

namespace gatehouse::codec {
class ObjectReader;
}

namespace gatehouse::registry {

struct BasicCredential {
  std::string username;
  std::string password;
};

// What gives a secret when it is asked for one: a credential helper (credential_helper.h). Thread-safe.
class CredentialProvider {
 public:
  virtual ~CredentialProvider() = default;
  // For a registry as Docker names it to helpers. Nothing if it has none. Errors: kRegistryUnavailable,
  // kDeadlineExceeded, kConfigInvalid; never shows a secret.
  [[nodiscard]] virtual Result<std::optional<BasicCredential>> Get(const std::string& server,
                                                                   const Deadline& deadline) = 0;
  // Whether it may be asked for whatever registry an image's name chooses (CVE-2025-27403: some give a cloud's identity
  // to any host that they are asked for), and not only for those that the file names.
  [[nodiscard]] virtual bool ForAnyRegistry() const { return false; }
};
// The provider of that name, or null for one that may not be used.
using CredentialProviders = std::function<std::shared_ptr<CredentialProvider>(const std::string& name)>;

// What may be presented to which registry. Matching follows the kubelet's keyring: the longest entry that is a prefix
// of domain/path, globs in the host part, "https://index.docker.io/v1/" for docker.io.
class Credentials {
 public:
  Credentials() = default;  // anonymous
  // {"auths":{HOST:{"auth":base64(user:password)} | {"username","password"}}}, and, where `providers` has the names,
  // "credHelpers":{HOST:NAME} before the former, and "credsStore":NAME for what neither has, if that one is
  // ForAnyRegistry (else kConfigInvalid). Names that `providers` does not have are passed over. Errors: kConfigInvalid;
  // never shows a secret.
  [[nodiscard]] static Result<Credentials> FromDockerConfig(std::string_view json, std::string_view source,
                                                            const CredentialProviders& providers = {});
  // The entries of both; those of `this` first.
  [[nodiscard]] Credentials With(const Credentials& more) const;

  // What is written here; nothing where a provider would be asked.
  [[nodiscard]] std::optional<BasicCredential> Find(const image::Reference& image) const;
  // The same, and what a provider gives. Errors: those of CredentialProvider.
  [[nodiscard]] Result<std::optional<BasicCredential>> Get(const image::Reference& image,
                                                           const Deadline& deadline) const;
  // Names the set in cache keys: equal exactly when the same secret would be presented for `image`, or the same
  // provider asked for the same registry (it is not asked here). A hash, never the secret; "anonymous" when there is
  // none.
  [[nodiscard]] std::string IdentityFor(const image::Reference& image) const;

 private:
  struct Entry {
    std::string host_pattern;
    std::string path_prefix;
    BasicCredential credential;
    // Not null: asked in place of `credential`, under the name `server`; "" is the name of the image's own registry.
    std::shared_ptr<CredentialProvider> provider = nullptr;
    std::string provider_name = {};
    std::string server = {};
    bool any_host = false;  // for what no other entry is for
  };
  [[nodiscard]] const Entry* Best(const image::Reference& image) const;
  static void ReadProviders(codec::ObjectReader& reader, const CredentialProviders& providers,
                            std::vector<Entry>& entries);
  static std::string ServerOf(const Entry& entry, const image::Reference& image);
  std::vector<Entry> entries_;
};

}  // namespace gatehouse::registry
