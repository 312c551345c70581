// gatehouse: verify an image, check and test policies, judge and measure machines, ask a cluster. Exit: 0 admitted, 1
// refused, 2 usage or bad policy, 3 could not check. As kubectl-gatehouse in PATH it is a plugin: kubectl gatehouse.
#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>

#include "cli/evidence_verbs.h"
#include "cli/options.h"
#include "cli/show.h"

namespace {

void AddRegistryOptions(CLI::App& command, gatehouse::cli::Options& options) {
  command.add_option("--insecure-registry", options.registry.insecure,
                     "HOST[:PORT] reached by plain HTTP (repeatable)");
  command.add_option("--registry-ca", options.registry.ca_file, "PEM file of certificate authorities for registries");
  command.add_option("--docker-config", options.registry.docker_config,
                     "registry credentials in dockerconfigjson form");
  command.add_option("--credential-helper", options.registry.credential_helpers,
                     "NAME: docker-credential-NAME in PATH may be run for --docker-config (repeatable)");
  command.add_option("--timeout", options.registry.timeout_seconds, "seconds for each decision")
      ->check(CLI::Range(1, 600));
}

void AddKubeOptions(CLI::App& command, gatehouse::cli::KubeOptions& options) {
  command.add_option("--kubeconfig", options.kubeconfig, "kubeconfig file (else $KUBECONFIG, else ~/.kube/config)");
  command.add_option("--context", options.context, "context of the kubeconfig (else its current one)");
  command.add_option("--namespace,-n", options.namespace_name, "of pods (else the context's)");
  command.add_option("--release", options.release, "name of the Helm release")->capture_default_str();
  command.add_option("--system", options.system, "namespace of the Helm release")->capture_default_str();
}

// Verbs that ask a cluster.
struct ClusterVerbs {
  CLI::App* status;
  CLI::App* why;
  CLI::App* attest_now;
};

ClusterVerbs AddClusterVerbs(CLI::App& app, gatehouse::cli::Options& options) {
  CLI::App& status = *app.add_subcommand("status", "what is in force, which nodes are trusted, what wants looking at");
  AddKubeOptions(status, options.kube);
  CLI::App& why = *app.add_subcommand("why", "why a pod does not run, or a node is not trusted");
  why.add_option("NAME", options.subject, "pod NAME, node NAME, or NAME alone")->required()->expected(1, 2);
  AddKubeOptions(why, options.kube);
  AddRegistryOptions(why, options);
  CLI::App& attest = *app.add_subcommand("attest", "attestation of nodes");
  attest.require_subcommand(1);
  CLI::App& now = *attest.add_subcommand("now", "have a node attest again, and say what came of it");
  now.add_option("NODE", options.node, "name of the Node")->required();
  now.add_option("--wait", options.wait_seconds, "seconds to wait for the result")->check(CLI::Range(1, 3600));
  AddKubeOptions(now, options.kube);
  return {&status, &why, &now};
}

// Its arguments are those of the public Sigstore conformance suite, whose order and names others have fixed.
CLI::App& AddVerifyBundle(CLI::App& app, gatehouse::cli::BundleOptions& options) {
  CLI::App& verb = *app.add_subcommand("verify-bundle", "whether a Sigstore bundle verifies an artefact");
  verb.add_flag("--staging", options.staging, "the bundle is of Sigstore's staging instance");
  verb.add_option("--bundle", options.file, "Sigstore bundle, JSON")->required();
  auto* identity =
      verb.add_option("--certificate-identity", options.identity, "subject alternative name of the signer");
  auto* issuer = verb.add_option("--certificate-oidc-issuer", options.issuer, "who vouches for that name");
  auto* key = verb.add_option("--key", options.key, "the signer's public key: PEM, or a file with it");
  identity->needs(issuer)->excludes(key);
  issuer->needs(identity)->excludes(key);
  verb.add_option("--trusted-root", options.trusted_root, "Sigstore trusted root, JSON")
      ->envname("GATEHOUSE_TRUSTED_ROOT");
  verb.add_option("FILE_OR_DIGEST", options.artefact, "the artefact, or its digest (sha256:...)")->required();
  return verb;
}

int Run(int argc, char** argv) {
  gatehouse::cli::Options options;
  if (argc > 0) options.program = gatehouse::cli::ProgramName(argv[0]);
  CLI::App app("Verify images and test policies with the code that the admission webhook runs; ask a cluster why.",
               options.program);
  app.require_subcommand(1);
  app.set_version_flag("--version", GATEHOUSE_VERSION);
  app.footer("Exit status: 0 admitted, 1 refused, 2 wrong usage or bad policy, 3 could not be checked.");
  std::string output;

  auto add_output = [&](CLI::App& command) {
    command.add_option("--output,-o", output, "text or json")->check(CLI::IsMember({"text", "json"}));
  };
  auto add_policy = [&](CLI::App& command) {
    command.add_option("--policy,-p", options.policies, "policy file or folder (repeatable)")->required();
  };

  CLI::App& verify = *app.add_subcommand("verify", "verify something against policies");
  verify.require_subcommand(1);
  CLI::App& image = *verify.add_subcommand("image", "whether an image would be admitted");
  image.add_option("REF", options.image, "image reference, or oci:DIR[:TAG] for an image layout on disk")->required();
  image.add_option("--as", options.image_as, "the image reference by which policies know what is in a layout");
  image.add_option("--namespace,-n", options.namespace_name, "as if in this namespace");
  add_policy(image);
  AddRegistryOptions(image, options);
  add_output(image);

  const CLI::App& verify_bundle = AddVerifyBundle(app, options.bundle);

  CLI::App& policy = *app.add_subcommand("policy", "policy documents");
  policy.require_subcommand(1);
  CLI::App& check = *policy.add_subcommand("check", "whether the documents are valid");
  check.add_option("PATH", options.policies, "policy files or folders")->required();
  add_output(check);
  CLI::App& test = *policy.add_subcommand("test", "what the policies say to a request or an object");
  add_policy(test);
  auto* review = test.add_option("--review", options.review_file, "file with an AdmissionReview");
  auto* manifest = test.add_option("--manifest", options.manifest_file, "file with Kubernetes objects, YAML or JSON");
  review->excludes(manifest);
  test.add_option("--namespace,-n", options.namespace_name, "of objects that name none");
  test.add_option("--trusted-node", options.trusted_nodes, "take this node's attestation as good (repeatable)");
  AddRegistryOptions(test, options);
  add_output(test);

  CLI::App& importing =
      *policy.add_subcommand("import", "policies of Sigstore policy-controller, Kyverno, Connaisseur or Notation");
  importing.add_option("FILE", options.importing.files, "their documents, YAML or JSON")->required();
  importing.add_option("--public-good", options.importing.public_good,
                       "name of the TrustRoot with Sigstore's public-good material");
  importing.add_option("--trust-store", options.importing.trust_store, "Notation's truststore folder");

  CLI::App& trust = *app.add_subcommand("trust", "trust material");
  trust.require_subcommand(1);
  CLI::App& fetch =
      *trust.add_subcommand("fetch", "a trusted root out of a TUF repository, verified, on standard output");
  fetch.add_option("--url", options.trust.url, "https://… or file:///FOLDER of the repository")->required();
  auto* root = fetch.add_option("--root", options.trust.root_file, "root.json to begin with, of any version");
  auto* root_hash =
      fetch.add_option("--root-sha256", options.trust.root_sha256, "its SHA-256 in hex, in place of the file");
  root->excludes(root_hash);
  fetch.add_option("--target", options.trust.target, "which file of the repository")->capture_default_str();
  fetch.add_option("--cache", options.trust.cache_folder,
                   "folder where metadata is kept, against older ones next time");
  AddRegistryOptions(fetch, options);
  add_output(fetch);

  const ClusterVerbs cluster = AddClusterVerbs(app, options);
  for (CLI::App* verb : {cluster.status, cluster.why, cluster.attest_now}) add_output(*verb);
  gatehouse::cli::EvidenceVerbs evidence(app);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // lint-ok: M07 CLI11 reports by exception
    return app.exit(error) == 0 ? gatehouse::cli::kAdmitted : gatehouse::cli::kUsageOrPolicy;
  }
  options.json = output == "json";
  if (const auto status = evidence.Run()) return *status;
  if (image.parsed()) return gatehouse::cli::VerifyImage(options);
  if (verify_bundle.parsed()) return gatehouse::cli::VerifyBundle(options);
  if (check.parsed()) return gatehouse::cli::PolicyCheck(options);
  if (importing.parsed()) return gatehouse::cli::PolicyImport(options);
  if (fetch.parsed()) {
    if (root->count() + root_hash->count() == 1) return gatehouse::cli::TrustFetch(options);
    std::cerr << options.program << ": trust fetch needs --root FILE or --root-sha256 HEX\n";
    return gatehouse::cli::kUsageOrPolicy;
  }
  if (cluster.status->parsed()) return gatehouse::cli::ClusterStatus(options);
  if (cluster.why->parsed()) return gatehouse::cli::Why(options);
  if (cluster.attest_now->parsed()) return gatehouse::cli::AttestNow(options);
  if (options.review_file.empty() && options.manifest_file.empty()) {
    std::cerr << options.program << ": policy test needs --review FILE or --manifest FILE\n";
    return gatehouse::cli::kUsageOrPolicy;
  }
  return gatehouse::cli::PolicyTest(options);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return Run(argc, argv);
  } catch (const std::exception& exception) {  // lint-ok: M07 the program's entry
    std::cerr << "gatehouse: internal fault: " << exception.what() << "\n";
    return gatehouse::cli::kCouldNotCheck;
  }
}
