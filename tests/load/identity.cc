#include <filesystem>

#include "common/base/encoding.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/codec/pem.h"
#include "common/codec/time.h"
#include "common/crypto/hash.h"
#include "tests/fakes/software_tpm.h"
#include "tests/load/swarm.h"

namespace gatehouse::load {
namespace {

std::string Indented(const std::string& text, const std::string& indent) {
  std::string out;
  bool at_start = true;
  for (char c : text) {
    if (at_start) out += indent;
    out.push_back(c);
    at_start = c == '\n';
  }
  return out;
}

Result<SwarmIdentity> Write(const std::string& folder, const fakes::TestCa& vendor, const std::string& secret) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  RETURN_IF_ERROR(WriteFile(folder + "/vendor.crt", AsBytes(vendor.pem())));
  RETURN_IF_ERROR(WriteFile(folder + "/vendor.key", AsBytes(vendor.key().Pem())));
  RETURN_IF_ERROR(WriteFile(folder + "/secret", AsBytes(secret)));
  return SwarmIdentity::Open(folder);
}

}  // namespace

Result<SwarmIdentity> SwarmIdentity::Open(const std::string& folder) {
  if (!std::filesystem::exists(folder + "/secret")) {
    return Write(folder, fakes::TestCa::Root(fakes::CaSpec("Swarm TPM vendor")), EncodeHex(crypto::SystemRandom()(32)));
  }
  ASSIGN_OR_RETURN(std::string pem, ReadTextFile(folder + "/vendor.crt", limits::kMiB));
  ASSIGN_OR_RETURN(std::string key_pem, ReadTextFile(folder + "/vendor.key", limits::kMiB));
  ASSIGN_OR_RETURN(std::string secret, ReadTextFile(folder + "/secret", limits::kMiB));
  ASSIGN_OR_RETURN(auto key, crypto::PrivateKey::FromPem(key_pem));
  ASSIGN_OR_RETURN(auto blocks, codec::ParsePem(pem, Reason::kCertificateMalformed));
  if (blocks.size() != 1) return Error{Reason::kCertificateMalformed, folder + "/vendor.crt", "not one certificate"};
  ASSIGN_OR_RETURN(auto certificate, crypto::Certificate::FromDer(blocks[0].der));
  return SwarmIdentity(fakes::TestCa::From({.certificate = certificate, .key = key, .pem = pem, .der = blocks[0].der}),
                       std::move(secret));
}

std::string SwarmIdentity::TokenOf(const std::string& node) const {
  return EncodeHex(crypto::Hmac(HashAlgorithm::kSha256, AsBytes(secret_), AsBytes(node)));
}

std::string SwarmIdentity::TokensYaml(const std::vector<std::string>& nodes) const {
  std::string yaml;
  for (const std::string& node : nodes)
    yaml += node + ": \"" + crypto::Sha256Digest(AsBytes(TokenOf(node))).text() + "\"\n";
  return yaml;
}

std::string SwarmIdentity::PolicyYaml(const std::string& prefix, Duration validity) const {
  const std::string name = prefix.substr(0, prefix.find_last_not_of('-') + 1);
  const fakes::SoftwareTpm tpm;  // all of them start alike
  return "apiVersion: gatehouse.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: " + name +
         "}\nspec:\n  tpm:\n    certificates: |\n" + Indented(vendor_.pem(), "      ") +
         "---\napiVersion: gatehouse.dev/v1alpha1\nkind: NodePolicy\nmetadata: {name: " + name +
         "}\nspec:\n  nodes: [{glob: \"" + prefix +
         "*\"}]\n  mode: audit\n  validity: " + codec::FormatDuration(validity) + "\n  tpm:\n    trustRoots: [" + name +
         "]\n    pcrs:\n      bank: sha256\n      values: {\"0\": [\"" + EncodeHex(tpm.Pcr(HashAlgorithm::kSha256, 0)) +
         "\"]}\n";
}

}  // namespace gatehouse::load
