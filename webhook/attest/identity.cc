#include "webhook/attest/identity.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/codec/yaml.h"
#include "common/crypto/hash.h"

namespace gatehouse::webhook {
namespace {

constexpr std::string_view kNodeUserPrefix = "system:node:";
constexpr std::string_view kNodeGroup = "system:nodes";
constexpr std::string_view kBearer = "Bearer ";

std::optional<std::string_view> NodeOfCertificate(const ClientIdentity& client) {
  std::string_view name = client.common_name;
  bool grouped =
      std::find(client.organizations.begin(), client.organizations.end(), kNodeGroup) != client.organizations.end();
  if (!grouped || !name.starts_with(kNodeUserPrefix)) return std::nullopt;
  return name.substr(kNodeUserPrefix.size());
}

// Without the port, which is another one with each connection.
std::string AddressOf(const HttpCall& call) {
  return call.peer.substr(0, call.peer.rfind(':'));
}

}  // namespace

Result<std::map<std::string, Digest>> AgentAuthenticator::ParseTokens(std::string_view text, std::string_view source) {
  std::map<std::string, Digest> tokens;
  ASSIGN_OR_RETURN(auto documents, codec::ParseYaml(text, source));
  for (const codec::JsonDocument& document : documents) {
    codec::ObjectReader reader(document, document.root(), Reason::kConfigInvalid);
    for (std::size_t i = 0; reader.ok() && i < document.root().size(); ++i) {
      std::string node(document.root().member(i).key);
      auto name = NodeName::Parse(node);
      if (!name.ok()) reader.Fail(node, name.error().detail);
      auto digest = Digest::Parse(reader.String(node));
      if (!digest.ok())
        reader.Fail(node, "the value must be the token's SHA-256, \"sha256:<hex>\": " + digest.error().detail);
      if (digest.ok()) tokens.insert_or_assign(node, *digest);
    }
    RETURN_IF_ERROR(reader.Finish());
  }
  return tokens;
}

void AgentAuthenticator::SetTokens(std::map<std::string, Digest> tokens) {
  std::set<std::string, std::less<>> digests;
  for (const auto& [node, digest] : tokens) digests.insert(digest.text());
  std::lock_guard lock(mutex_);
  tokens_ = std::move(tokens);
  digests_ = std::move(digests);
}

Status AgentAuthenticator::MaySpeak(const HttpCall& call) const {
  if (call.client.has_value()) {
    if (NodeOfCertificate(*call.client).has_value()) return Ok();
    return Error{Reason::kIdentityUnauthenticated, "",
                 "the client certificate is not of the form CN=system:node:NAME, O=system:nodes"};
  }
  if (!call.authorization.starts_with(kBearer)) {
    return Error{Reason::kIdentityUnauthenticated, "", "neither a client certificate nor a bearer token was presented"};
  }
  const std::string_view token = call.authorization.substr(kBearer.size());
  // How long the search takes tells of the digest only, from which no token follows.
  const Digest presented = crypto::Sha256Digest(AsBytes(token));
  {
    std::lock_guard lock(mutex_);
    if (digests_.contains(presented.text())) return Ok();
  }
  if (reviewer_ == nullptr) return Error{Reason::kIdentityUnauthenticated, "", "the token is not known"};
  auto node = reviewer_->NodeOf(token, AddressOf(call));
  return node.ok() ? Ok() : Status(node.error());
}

Status AgentAuthenticator::Authorize(const HttpCall& call, const NodeName& node) const {
  Error mismatch{Reason::kIdentityMismatch, node.text(), "the caller's credential is for another node"};
  if (call.client.has_value()) {
    auto own = NodeOfCertificate(*call.client);
    if (!own.has_value()) {
      return Error{Reason::kIdentityUnauthenticated, node.text(),
                   "the client certificate is not of the form CN=system:node:NAME, O=system:nodes"};
    }
    if (*own != node.text()) return mismatch;
    return Ok();
  }
  if (!call.authorization.starts_with(kBearer)) {
    return Error{Reason::kIdentityUnauthenticated, node.text(),
                 "neither a client certificate nor a bearer token was presented"};
  }
  const std::string_view token = call.authorization.substr(kBearer.size());
  const Digest presented = crypto::Sha256Digest(AsBytes(token));
  {
    std::lock_guard lock(mutex_);
    auto own = tokens_.find(node.text());
    if (own != tokens_.end() && ConstantTimeEqual(AsBytes(own->second.text()), AsBytes(presented.text()))) return Ok();
    if (digests_.contains(presented.text())) return mismatch;
  }
  if (reviewer_ == nullptr) return Error{Reason::kIdentityUnauthenticated, node.text(), "the token is not known"};
  auto own = reviewer_->NodeOf(token, AddressOf(call));
  if (!own.ok()) return own.error().In(node.text());
  if (*own != node) return mismatch;
  return Ok();
}

}  // namespace gatehouse::webhook
