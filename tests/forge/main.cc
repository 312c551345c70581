// gatehouse-forge DIGEST FOLDER: what a workflow of GitHub leaves for an image when it signs it without a key, made by
// the tests' own Sigstore as of now: signature.json and provenance.json (bundles of Rekor v1), signature-v2.json
// (Rekor v2 and a timestamp), trusted_root.json. For end-to-end runs, which have no Sigstore to ask. Not installed.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "common/base/clock.h"
#include "tests/fakes/sigstore.h"

namespace {

using namespace gatehouse;

constexpr const char* kIdentity = "https://github.com/example/app/.github/workflows/release.yml@refs/heads/main";
constexpr const char* kIssuer = "https://token.actions.githubusercontent.com";
constexpr const char* kProvenance =
    R"({"buildDefinition":{"buildType":"https://actions.github.io/buildtypes/workflow/v1","externalParameters":)"
    R"({"workflow":{"ref":"refs/heads/main","repository":"https://github.com/example/app",)"
    R"("path":".github/workflows/release.yml"}},"resolvedDependencies":[{"uri":)"
    R"("git+https://github.com/example/app@refs/heads/main"}]},"runDetails":{"builder":{"id":)"
    R"("https://github.com/actions/runner/github-hosted"}}})";

fakes::BundleOptions AsWorkflow(fakes::FakeRekor& log) {
  fakes::BundleOptions options;
  options.leaf.names = std::string("URI:") + kIdentity;
  options.leaf.issuer = kIssuer;
  options.leaf.claims = {{12, "https://github.com/example/app"}, {14, "refs/heads/main"}, {11, "github-hosted"}};
  options.logs = {{&log}};
  return options;
}

void Write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace

int main(int argc, char** argv) {
  auto digest = argc == 3 ? Digest::Parse(argv[1]) : Digest::Parse("");
  if (!digest.ok()) {
    std::cerr << "usage: gatehouse-forge DIGEST FOLDER\n";
    return 2;
  }
  const std::filesystem::path folder = argv[2];
  std::filesystem::create_directories(folder);
  const WallTime now = SystemClock().Wall() - std::chrono::minutes(1);
  const WallTime year_ago = now - std::chrono::hours(24 * 365);
  fakes::FakeSigstore::Options options;
  options.now = now;
  options.not_before = year_ago;
  options.not_after = now + std::chrono::hours(24 * 365);
  options.valid = {.from = year_ago};
  fakes::FakeSigstore sigstore(options);
  Write(folder / "trusted_root.json", sigstore.TrustedRoot().Write());
  Write(folder / "signature.json", sigstore.SignImage(*digest, AsWorkflow(sigstore.rekor_v1())).Text());
  Write(folder / "signature-v2.json", sigstore.SignImage(*digest, AsWorkflow(sigstore.rekor_v2())).Text());
  Write(folder / "provenance.json",
        sigstore.Attest(*digest, {.predicate = kProvenance}, AsWorkflow(sigstore.rekor_v1())).Text());
  return 0;
}
