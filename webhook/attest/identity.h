// Who calls the attestation API: which node the caller may speak for.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>

#include "common/base/types.h"
#include "webhook/server/http_server.h"

namespace gatehouse::webhook {

// An agent proves its node by a client certificate with the subject that a kubelet's has (CN=system:node:NAME,
// O=system:nodes), or by a bearer token whose SHA-256 a file lists: YAML, node name -> "sha256:<hex>".
class AgentAuthenticator {
 public:
  // `tokens` is the file's text, empty for none. Errors: kConfigInvalid.
  [[nodiscard]] static Result<std::map<std::string, Digest>> ParseTokens(std::string_view text,
                                                                         std::string_view source);

  // Replaces the tokens: the file is read again when it changes.
  void SetTokens(std::map<std::string, Digest> tokens);

  // Whether the caller speaks for any node at all: known before a request names one.
  [[nodiscard]] Status MaySpeak(const HttpCall& call) const;
  // That the caller speaks for `node`. Errors: kIdentityUnauthenticated, kIdentityMismatch.
  [[nodiscard]] Status Authorize(const HttpCall& call, const NodeName& node) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Digest> tokens_;
  std::set<std::string, std::less<>> digests_;  // of tokens_: whoever calls makes us look, so it must not take long
};

}  // namespace gatehouse::webhook
