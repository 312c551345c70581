#include "webhook/attestation.h"

#include "common/base/limits.h"
#include "common/crypto/hash.h"
#include "webhook/attest/enrolment_store.h"

namespace gatehouse::webhook {
namespace {

constexpr std::size_t kLeastKeyBytes = 32;

Result<Bytes> ParseNonceKey(const std::string& key, const std::string& path) {
  if (key.size() >= kLeastKeyBytes) return ToBytes(key);
  return Error{Reason::kConfigInvalid, path,
               "the key has " + std::to_string(key.size()) + " bytes; write 32 or more random ones"};
}

Result<crypto::PrivateKey> ParseSigningKey(const std::string& pem, const std::string& path) {
  auto key = crypto::PrivateKey::FromPem(pem);
  if (!key.ok()) return key.error().In(path);
  if (key->Public().type() == crypto::KeyType::kEcP256) return key;
  return Error{Reason::kConfigInvalid, path, "results are signed by ES256: write an EC P-256 private key"};
}

}  // namespace

Result<std::unique_ptr<Attestation>> Attestation::Make(const AttestationConfig& config, const Clock& clock,
                                                       telemetry::Logger& log, const PolicySource& policies,
                                                       Cluster* cluster, EndorsementJudge::Parts endorsements) {
  auto nonce_key = std::make_unique<NonceKey>(
      config.nonce_key_file, limits::kKiB,
      [path = config.nonce_key_file](const std::string& key) { return ParseNonceKey(key, path); });
  RETURN_IF_ERROR(nonce_key->Load());
  auto signing_key = std::make_unique<SigningKey>(
      config.signing_key_file, limits::kCertificateBytes,
      [path = config.signing_key_file](const std::string& pem) { return ParseSigningKey(pem, path); });
  RETURN_IF_ERROR(signing_key->Load());
  std::unique_ptr<BindingStore> bindings;
  if (cluster != nullptr) {
    bindings = cluster->TakeBindings([key = signing_key.get()] { return *key->Current(); });
  } else {
    ASSIGN_OR_RETURN(bindings, EnrolmentStore::Open(config.state_folder));
  }
  auto attestation =
      std::unique_ptr<Attestation>(new Attestation(config, std::move(nonce_key), std::move(signing_key),
                                                   std::move(bindings), clock, log, policies, cluster, endorsements));
  RETURN_IF_ERROR(attestation->Housekeep());
  return attestation;
}

Attestation::Attestation(const AttestationConfig& config, std::unique_ptr<NonceKey> nonce_key,
                         std::unique_ptr<SigningKey> signing_key, std::unique_ptr<BindingStore> bindings,
                         const Clock& clock, telemetry::Logger& log, const PolicySource& policies, Cluster* cluster,
                         EndorsementJudge::Parts endorsements)
    : tokens_(config.tokens_file, limits::kMiB,
              [source = config.tokens_file](const std::string& text) {
                return AgentAuthenticator::ParseTokens(text, source);
              }),
      nonce_key_(std::move(nonce_key)),
      signing_key_(std::move(signing_key)),
      authenticator_(cluster == nullptr ? nullptr : &cluster->reviewer()),
      challenger_(*nonce_key_->Current(), clock, crypto::SystemRandom()),
      bindings_(std::move(bindings)),
      nodes_(clock),
      endorsements_(endorsements),
      reference_files_(config.reference_folder),
      service_(Parts(clock, log, policies, cluster), {.interval = config.interval}) {}

AttestationService::Parts Attestation::Parts(const Clock& clock, telemetry::Logger& log, const PolicySource& policies,
                                             Cluster* cluster) {
  AttestationService::Parts parts{.clock = clock,
                                  .random = crypto::SystemRandom(),
                                  .challenger = challenger_,
                                  .enrolments = *bindings_,
                                  .nodes = nodes_,
                                  .endorsements = endorsements_,
                                  .reference_files = reference_files_,
                                  .signing_key = *signing_key_->Current(),
                                  .policies = [&policies] { return policies.Current(); },
                                  .log = log,
                                  .on_result = nullptr,
                                  .on_failure = nullptr,
                                  .current_signing_key = [this] { return *signing_key_->Current(); }};
  if (cluster == nullptr) return parts;
  parts.on_result = [nodes = &cluster->nodes()](const NodeName& node, const ear::VerifiedEar& result,
                                                const std::string& token) { nodes->Publish(node, result, token); };
  parts.on_failure = [nodes = &cluster->nodes()](const NodeName& node, const Error& error) {
    nodes->PublishFailure(node, error);
  };
  return parts;
}

void Attestation::AddRoutes(HttpServer& server, telemetry::Metrics& metrics) {
  AddAttestationRoutes(server, service_, authenticator_, metrics);
}

Status Attestation::Housekeep() {
  RETURN_IF_ERROR(tokens_.Load());
  RETURN_IF_ERROR(signing_key_->Load());
  RETURN_IF_ERROR(nonce_key_->Load());
  challenger_.ReplaceKey(*nonce_key_->Current());
  authenticator_.SetTokens(*tokens_.Current());
  service_.ForgetReleased();
  return Ok();
}

}  // namespace gatehouse::webhook
