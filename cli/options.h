// What the verbs share: options, exit codes, and the parts that they are wired from.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/cluster.h"
#include "common/base/clock.h"
#include "common/base/limits.h"
#include "common/gate/gate.h"
#include "common/policy/loader.h"
#include "common/registry/client.h"

namespace gatehouse::cli {

enum ExitCode : int { kAdmitted = 0, kRefused = 1, kUsageOrPolicy = 2, kCouldNotCheck = 3 };

struct RegistryOptions {
  std::vector<std::string> insecure;  // host:port reached by plain HTTP
  std::string ca_file;
  std::string docker_config;                    // dockerconfigjson
  std::vector<std::string> credential_helpers;  // NAME of docker-credential-NAME that may be run for it
  int timeout_seconds = 30;
};

struct TrustOptions {
  std::string url;
  std::string root_file;  // one of the two
  std::string root_sha256;
  std::string target = "trusted_root.json";
  std::string cache_folder;  // empty: nothing is kept
};

// verify-bundle
struct BundleOptions {
  bool staging = false;  // Sigstore's staging instance is meant; which trusted root that is, the caller knows
  std::string file;
  std::string identity;  // with issuer, or `key`
  std::string issuer;
  std::string key;  // PEM, or a file with it
  std::string trusted_root;
  std::string artefact;  // file, or digest
};

struct ImportOptions {
  std::vector<std::string> files;
  std::string public_good;  // name of the TrustRoot with Sigstore's public-good material
  std::string trust_store;  // Notation's truststore folder
};

struct Options {
  std::vector<std::string> policies;  // files or folders
  bool json = false;
  RegistryOptions registry;
  // verify image
  std::string image;     // REF, or oci:DIR[:TAG]
  std::string image_as;  // the name by which policies know an image that has none of a registry
  std::string namespace_name = "default";
  // policy test
  std::string review_file;
  std::string manifest_file;
  std::vector<std::string> trusted_nodes;
  gate::GateOptions gate = {};  // what becomes of what no policy covers
  TrustOptions trust;           // of trust fetch
  ImportOptions importing;      // of policy import
  BundleOptions bundle = {};
  // verbs that ask a cluster
  KubeOptions kube;
  std::string program = "gatehouse";  // as it was called: "kubectl gatehouse" as a plugin
  std::vector<std::string> subject;   // of why: NAME, or KIND NAME
  std::string node;                   // of attest now
  int wait_seconds = 60;
};

// Prints every error of the documents on stderr. Nothing if there is one.
[[nodiscard]] std::shared_ptr<const policy::PolicySet> LoadOrComplain(const std::vector<std::string>& paths,
                                                                      std::vector<Error>* errors);

// To registries and repositories, as the options and the environment's proxy settings say; `exchange_time`: what one
// answer may take. Errors: kConfigInvalid, those of the CA file.
[[nodiscard]] Result<std::unique_ptr<net::HttpTransport>> MakeTransport(
    const RegistryOptions& options, Duration exchange_time = limits::kRequestTimeout);
// What may be shown to registries. Errors: kUsage, kConfigInvalid, kFileUnreadable.
[[nodiscard]] Result<registry::Credentials> ReadCredentials(const RegistryOptions& options);

// A gate over real registries, as the webhook has it, without its memory.
class LocalGate {
 public:
  // `images`: where images come from in place of registries; null: from those. Errors: kConfigInvalid,
  // kFileUnreadable.
  [[nodiscard]] static Result<std::unique_ptr<LocalGate>> Make(const Options& options,
                                                               std::shared_ptr<const policy::PolicySet> set,
                                                               std::unique_ptr<registry::ImageSource> images = nullptr);
  ~LocalGate();
  [[nodiscard]] gate::Decision Decide(const admission::ReviewRequest& request);

 private:
  struct Impl;
  explicit LocalGate(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// 0 admitted, 3 if it was refused only for what could not be checked, else 1.
[[nodiscard]] ExitCode ExitCodeOf(const gate::Decision& decision);
// Prints the decision: for people, or as one JSON object {"subject","outcome","proven":[…],"findings":[…]}.
void Print(const std::string& subject, const gate::Decision& decision, bool json);
void WriteDecision(codec::JsonWriter& json, const gate::Decision& decision);  // "proven" and "findings"
[[nodiscard]] std::string DescribeDecision(const gate::Decision& decision);
// Of a request whose kind Gatehouse lets through without looking: {"subject","outcome":"not judged"}.
void PrintNotJudged(const std::string& subject, bool json);
void PrintError(const Error& error, bool json);

[[nodiscard]] int VerifyImage(const Options& options);
// kAdmitted only if the bundle is verified; says why not on stderr.
[[nodiscard]] int VerifyBundle(const Options& options);
[[nodiscard]] int PolicyCheck(const Options& options);
[[nodiscard]] int PolicyTest(const Options& options);
// kRefused if anything has no equivalent.
[[nodiscard]] int PolicyImport(const Options& options);
[[nodiscard]] int TrustFetch(const Options& options);
// kAdmitted if nothing wants looking at.
[[nodiscard]] int ClusterStatus(const Options& options);
// kAdmitted if Gatehouse does not hold it back.
[[nodiscard]] int Why(const Options& options);
// kAdmitted if the node is trusted after it; kCouldNotCheck if no result came in time.
[[nodiscard]] int AttestNow(const Options& options);

}  // namespace gatehouse::cli
