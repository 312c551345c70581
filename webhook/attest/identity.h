// Who calls the attestation API: which node the caller may speak for.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>

#include "common/base/types.h"
#include "webhook/attest/token_reviewer.h"
#include "webhook/server/http_server.h"

namespace gatehouse::webhook {

// An agent proves its node by, in this order: a client certificate with the subject that a kubelet's has
// (CN=system:node:NAME, O=system:nodes); a bearer token whose SHA-256 a file lists (YAML, node name -> "sha256:<hex>");
// a projected ServiceAccount token, which the API server is asked about. With a client certificate nothing else counts.
class AgentAuthenticator {
 public:
  // `reviewer` may be null: then ServiceAccount tokens are not known.
  explicit AgentAuthenticator(TokenReviewer* reviewer = nullptr) : reviewer_(reviewer) {}

  // `tokens` is the file's text, empty for none. Errors: kConfigInvalid.
  [[nodiscard]] static Result<std::map<std::string, Digest>> ParseTokens(std::string_view text,
                                                                         std::string_view source);

  // Replaces the tokens: the file is read again when it changes.
  void SetTokens(std::map<std::string, Digest> tokens);

  // Whether the caller speaks for any node at all: known before a request names one. Errors: kIdentityUnauthenticated,
  // those of TokenReviewer::NodeOf.
  [[nodiscard]] Status MaySpeak(const HttpCall& call) const;
  // That the caller speaks for `node`. Errors: kIdentityUnauthenticated, kIdentityMismatch, those of
  // TokenReviewer::NodeOf.
  [[nodiscard]] Status Authorize(const HttpCall& call, const NodeName& node) const;

 private:
  TokenReviewer* reviewer_;
  mutable std::mutex mutex_;
  std::map<std::string, Digest> tokens_;
  std::set<std::string, std::less<>> digests_;  // of tokens_: whoever calls makes us look, so it must not take long
};

}  // namespace gatehouse::webhook
