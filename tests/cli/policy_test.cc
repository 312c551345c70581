// gatehouse policy check and gatehouse policy test.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/cli/support.h"
#include "tests/fakes/pki.h"

namespace gatehouse::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::filesystem::path kSamples = std::filesystem::path(GATEHOUSE_SOURCE_DIR) / "tests/testdata/admission-reviews";

// A node's policy for every node, and its trust root.
std::string NodesYaml() {
  static const std::string kPem = fakes::TestCa::Root(fakes::CaSpec("vendor")).pem();
  return "apiVersion: gatehouse.dev/v1alpha1\nkind: NodePolicy\nmetadata: {name: nodes}\nspec:\n"
         "  nodes: [{glob: \"*\"}]\n  tpm:\n    trustRoots: [vendors]\n    pcrs: {bank: sha256, values: {\"7\": [\"" +
         std::string(64, 'a') +
         "\"]}}\n---\napiVersion: gatehouse.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: vendors}\n"
         "spec:\n  tpm:\n    certificates: |\n" +
         fakes::IndentedPem(kPem, 6);
}

using PolicyCheck = CliTest;

TEST_F(PolicyCheck, ValidFolderIsCounted) {
  Write("policies/images.yaml", EverythingYaml("pass"));
  Write("policies/nodes.yml", NodesYaml());
  Write("policies/notes.txt", "not read");
  Write("policies/.hidden.yaml", "{");
  fakes::Ran ran = Run({"policy", "check", "{folder}/policies"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_EQ(ran.out, "valid: 1 ImagePolicy, 1 NodePolicy, 1 TrustRoot\n");
  auto lines = JsonLines(Run({"policy", "check", "{folder}/policies", "-o", "json"}).out);
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(Text(lines[0].root(), "outcome"), "valid");
  EXPECT_EQ(lines[0].root().Find("nodePolicies")->AsInt(), 1);
  EXPECT_EQ(Text(lines[0].root(), "generation").size(), 64U);
}

struct Mistake {
  std::string_view name;
  std::string_view text;   // of the file p.yaml
  std::string_view where;  // in stderr
  std::string_view says;
};

class PolicyCheckMistakes : public CliTest, public testing::WithParamInterface<Mistake> {};

TEST_P(PolicyCheckMistakes, FileLineAndWhatToWrite) {
  const Mistake& m = GetParam();
  Write("p.yaml", std::string(m.text));
  fakes::Ran ran = Run({"policy", "check", "{folder}/p.yaml"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_THAT(ran.err, AllOf(HasSubstr(folder_.At("p.yaml") + std::string(m.where)), HasSubstr(m.says)));
  fakes::Ran json = Run({"policy", "check", "{folder}/p.yaml", "--output", "json"});
  EXPECT_EQ(json.exit_code, 2);
  auto lines = JsonLines(json.out);
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(Text(lines[0].root(), "outcome"), "error");
  EXPECT_THAT(ran.err, HasSubstr("[" + Text(lines[0].root(), "reason") + "]"));
  EXPECT_THAT(Text(lines[0].root(), "where"), HasSubstr(m.where));
}

constexpr std::string_view kMisspelt = R"(apiVersion: gatehouse.dev/v1alpha1
kind: ImagePolicy
metadata: {name: a}
spec:
  images: [{glob: "**"}]
  authorities: [{name: x, static: {action: pass}}]
  onUnavailible: allow
)";
constexpr std::string_view kBadGlob = R"(apiVersion: gatehouse.dev/v1alpha1
kind: ImagePolicy
metadata: {name: a}
spec:
  images:
    - glob: nginx
  authorities: [{name: x, static: {action: pass}}]
)";
constexpr std::string_view kOtherKind =
    "apiVersion: gatehouse.dev/v1alpha1\nkind: ImagePolicies\nmetadata: {name: a}\n";
constexpr std::string_view kDuplicateKey = "apiVersion: gatehouse.dev/v1alpha1\nkind: ImagePolicy\nkind: NodePolicy\n";
constexpr std::string_view kNoYaml = "spec: [1, 2\n";
constexpr std::string_view kNoTrustRoot = R"(apiVersion: gatehouse.dev/v1alpha1
kind: NodePolicy
metadata: {name: a}
spec:
  nodes: [{glob: "*"}]
  tpm:
    trustRoots: [vendors]
    pcrs: {bank: sha256, values: {"7": ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]}}
)";

INSTANTIATE_TEST_SUITE_P(
    Table, PolicyCheckMistakes,
    testing::Values(
        Mistake{"MisspeltKey", kMisspelt, ":7 $.spec", "unknown field 'onUnavailible'; did you mean 'onUnavailable'?"},
        Mistake{"GlobWithoutRegistry", kBadGlob, ":6 $.spec.images[0].glob", "docker.io/library/nginx"},
        Mistake{"UnknownKind", kOtherKind, ":2 $.kind", "known are ImagePolicy"},
        Mistake{"DuplicateKey", kDuplicateKey, ":3", "kind"}, Mistake{"NoYaml", kNoYaml, ":", "[yaml-"},
        Mistake{"TrustRootOfNobody", kNoTrustRoot, ":7 $.spec.tpm.trustRoots[0]", "no TrustRoot 'vendors'"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(PolicyCheck, EveryDocumentsErrorIsTold) {
  Write("p/a.yaml", std::string(kMisspelt) + "---\n" + Replaced(std::string(kBadGlob), "name: a", "name: b"));
  Write("p/b.yaml", std::string(kOtherKind));
  fakes::Ran ran = Run({"policy", "check", "{folder}/p"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("a.yaml:7 "), HasSubstr("a.yaml:14 "), HasSubstr("b.yaml:2 ")));
}

TEST_F(PolicyCheck, NameUsedTwiceInTwoArguments) {
  Write("a.yaml", EverythingYaml("pass"));
  Write("b.yaml", EverythingYaml("fail"));
  fakes::Ran ran = Run({"policy", "check", "{folder}/a.yaml", "{folder}/b.yaml"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("another ImagePolicy 'everything'"), HasSubstr("a.yaml:1")));
}

TEST_F(PolicyCheck, WhatCannotBeRead) {
  Write("good.yaml", EverythingYaml("pass"));
  std::filesystem::create_directories(folder_.path() / "pipes");
  ASSERT_EQ(::mkfifo(folder_.At("pipes/p.yaml").c_str(), 0600), 0);
  std::filesystem::create_symlink("loop.yaml", folder_.path() / "loop.yaml");
  std::filesystem::create_directories(folder_.path() / "loops");
  std::filesystem::create_symlink("gone.yaml", folder_.path() / "loops/dangling.yaml");
  Write("locked.yaml", EverythingYaml("pass"));
  ASSERT_EQ(::chmod(folder_.At("locked.yaml").c_str(), 0), 0);
  std::vector<std::string> names{"absent.yaml", "loop.yaml", "loops", "pipes", "pipes/p.yaml"};
  if (::geteuid() != 0) names.emplace_back("locked.yaml");  // nothing is closed to root
  for (const std::string& name : names) {
    fakes::Ran ran = Run({"policy", "check", "{folder}/good.yaml", "{folder}/" + name});
    EXPECT_EQ(ran.exit_code, 2) << name << ran.out;
    EXPECT_THAT(ran.err, AllOf(HasSubstr("[file-unreadable]"), HasSubstr(name))) << name;
  }
}

// --- policy test

class PolicyTest : public CliTest {
 protected:
  PolicyTest() {
    Write("pass.yaml", EverythingYaml("pass"));
    Write("fail.yaml", EverythingYaml("fail"));
    Write("nodes.yaml", NodesYaml());
  }
};

struct Sample {
  std::string_view file;
  bool brings_images;  // that were not there before
  bool puts_on_node;
};

class ReviewSamples : public PolicyTest, public testing::WithParamInterface<Sample> {};

TEST_P(ReviewSamples, BothHalvesAsTheWebhookWouldDecide) {
  const Sample& sample = GetParam();
  std::string review = (kSamples / sample.file).string();
  fakes::Ran good = Run({"policy", "test", "-p", "{folder}/pass.yaml", "-p", "{folder}/nodes.yaml", "--trusted-node",
                         "node1", "--review", review});
  EXPECT_EQ(good.exit_code, 0) << good.out << good.err;
  fakes::Ran bad_image = Run({"policy", "test", "-p", "{folder}/fail.yaml", "-p", "{folder}/nodes.yaml",
                              "--trusted-node", "node1", "--review", review});
  EXPECT_EQ(bad_image.exit_code, sample.brings_images ? 1 : 0) << bad_image.out << bad_image.err;
  EXPECT_EQ(bad_image.out.find("[denied-by-policy]") != std::string::npos, sample.brings_images);
  fakes::Ran bad_node = Run({"policy", "test", "-p", "{folder}/pass.yaml", "-p", "{folder}/nodes.yaml",
                             "--trusted-node", "node2", "--review", review});
  EXPECT_EQ(bad_node.exit_code, sample.puts_on_node ? 1 : 0) << bad_node.out << bad_node.err;
  EXPECT_EQ(bad_node.out.find("[node-unknown]") != std::string::npos, sample.puts_on_node);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ReviewSamples,
    testing::Values(Sample{"bindings-legacy-by-user.json", false, true}, Sample{"cronjob-create.json", true, false},
                    Sample{"daemonset-create.json", true, false}, Sample{"deployment-create.json", true, false},
                    Sample{"deployment-update.json", true, false}, Sample{"job-create.json", true, false},
                    Sample{"pod-create-by-serviceaccount-bound-token.json", true, false},
                    Sample{"pod-create-by-user-generateName-nodeName.json", true, true},
                    Sample{"pod-create-by-user.json", true, false}, Sample{"pod-create-dry-run.json", true, false},
                    Sample{"pod-create-mirror-by-kubelet.json", true, true},
                    Sample{"pod-delete-by-user.json", false, false}, Sample{"pod-update-image.json", true, false},
                    Sample{"pod-update-label.json", false, false},
                    Sample{"pods-binding-by-scheduler.json", false, true},
                    Sample{"pods-ephemeralcontainers-update.json", true, false},
                    Sample{"pods-ephemeralcontainers-update-kubectl-debug.json", false, false},
                    Sample{"pods-eviction-create.json", false, false}, Sample{"pods-exec-connect.json", false, false},
                    Sample{"statefulset-create.json", true, false}),
    [](const auto& row) {
      std::string name(row.param.file);
      std::replace_if(
          name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
      return name;
    });

TEST_F(PolicyTest, ReviewWithARealSignature) {
  std::ifstream stream(kSamples / "pod-create-by-user.json", std::ios::binary);
  std::string sample{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  ASSERT_THAT(sample, HasSubstr("registry.test:5000/bb:1"));
  Write("review.json", Replaced(sample, "registry.test:5000", "{registry}"));
  Write("release.yaml", ImagePolicyYaml("release", "{registry}/bb", KeyAuthority(key_.Public())));
  std::vector<std::string> arguments{
      "policy",    "test", "-p", "{folder}/release.yaml", "--review", "{folder}/review.json", "--insecure-registry",
      "{registry}"};
  PushSigned("bb", "1", other_key_);
  fakes::Ran foreign = Run(arguments);
  EXPECT_EQ(foreign.exit_code, 1) << foreign.out << foreign.err;
  EXPECT_THAT(foreign.out, AllOf(HasSubstr("CREATE pods default/p1: denied"), HasSubstr("spec.containers[0] (p1)"),
                                 HasSubstr("[signature-invalid]")));
  PushSigned("bb", "1", key_);
  fakes::Ran ours = Run(arguments);
  EXPECT_EQ(ours.exit_code, 0) << ours.out << ours.err;
}

constexpr std::string_view kManifest = R"(# as a chart writes it: an empty document first
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers: [{name: setup, image: "{registry}/app:signed"}]
      containers: [{name: web, image: "{registry}/app:signed"}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
---
apiVersion: v1
kind: Pod
metadata: {name: tool}
spec:
  nodeName: node7
  containers: [{name: tool, image: "{registry}/app:POD_TAG"}]
)";

TEST_F(PolicyTest, ManifestOfSeveralObjects) {
  PushSigned("app", "signed", key_);
  fakes::PushImage(registry_, "app", "unsigned", "two");
  Write("release.yaml", ImagePolicyYaml("release", "{registry}/app", KeyAuthority(key_.Public())));
  struct {
    std::string tag;
    std::vector<std::string> trusted;
    int exit_code;
    std::string deployment;
    std::string pod;
    std::string reason;  // of the pod's only finding; empty: none
  } const cases[] = {{"signed", {"node7"}, 0, "allowed", "allowed", ""},
                     {"unsigned", {"node7"}, 1, "allowed", "denied", "image-unsigned"},
                     {"signed", {}, 1, "allowed", "denied", "node-unknown"},
                     {"signed", {"node8", "node7"}, 0, "allowed", "allowed", ""}};
  for (const auto& c : cases) {
    Write("manifest.yaml", Replaced(std::string(kManifest), "POD_TAG", c.tag));
    std::vector<std::string> arguments{"policy",
                                       "test",
                                       "-p",
                                       "{folder}/release.yaml",
                                       "-p",
                                       "{folder}/nodes.yaml",
                                       "--manifest",
                                       "{folder}/manifest.yaml",
                                       "-n",
                                       "tools",
                                       "--insecure-registry",
                                       "{registry}",
                                       "--output",
                                       "json"};
    for (const std::string& node : c.trusted) arguments.insert(arguments.end(), {"--trusted-node", node});
    fakes::Ran ran = Run(arguments);
    EXPECT_EQ(ran.exit_code, c.exit_code) << ran.out << ran.err;
    auto lines = JsonLines(ran.out);
    ASSERT_THAT(lines, SizeIs(3)) << ran.out;
    EXPECT_EQ(Text(lines[0].root(), "subject"), "CREATE deployments shop/web");
    EXPECT_EQ(Text(lines[0].root(), "outcome"), c.deployment);
    EXPECT_EQ(Text(lines[1].root(), "subject"), "CREATE ConfigMap tools/settings");
    EXPECT_EQ(Text(lines[2].root(), "subject"), "CREATE pods tools/tool");
    EXPECT_EQ(Text(lines[2].root(), "outcome"), c.pod);
    codec::JsonView findings = *lines[2].root().Find("findings");
    ASSERT_EQ(findings.size(), c.reason.empty() ? 0U : 1U) << ran.out;
    if (!c.reason.empty()) {
      EXPECT_EQ(Text(findings.at(0), "reason"), c.reason);
    }
  }
}

// A refusal outweighs what could not be checked, whichever comes first.
TEST_F(PolicyTest, WorstOfSeveralObjectsDecidesTheExitCode) {
  Write("both.yaml", ImagePolicyYaml("blocked", "blocked.example/*", StaticAuthority("fail")) + "---\n" +
                         ImagePolicyYaml("dead", "{dead}/*", KeyAuthority(key_.Public())));
  auto pod = [](const std::string& image) {
    return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: \"" + image +
           "\"}]}\n";
  };
  struct {
    std::string manifest;
    int exit_code;
  } const cases[] = {{pod("{dead}/a:1"), 3},
                     {pod("{dead}/a:1") + pod("blocked.example/b"), 1},
                     {pod("blocked.example/b") + pod("{dead}/a:1"), 1}};
  for (const auto& c : cases) {
    Write("m.yaml", c.manifest);
    fakes::Ran ran = Run({"policy", "test", "-p", "{folder}/both.yaml", "--manifest", "{folder}/m.yaml",
                          "--insecure-registry", "{dead}"});
    EXPECT_EQ(ran.exit_code, c.exit_code) << ran.out << ran.err;
  }
}

// What is no request at all must not pass for a refusal.
TEST_F(PolicyTest, InputsThatAreNoRequest) {
  Write("broken.json", "{");
  Write("beta.json", R"({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {}})");
  Write("broken.yaml", "a: [1\n");
  Write("empty.yaml", "# nothing\n");
  std::filesystem::create_symlink("loop", folder_.path() / "loop");
  ASSERT_EQ(::mkfifo(folder_.At("pipe").c_str(), 0600), 0);
  std::ofstream(folder_.path() / "huge.json") << "{";
  std::filesystem::resize_file(folder_.path() / "huge.json", 100'000'000);
  struct {
    std::string option;
    std::string file;
    std::string token;
  } const cases[] = {
      {"--review", "broken.json", "[json-malformed]"}, {"--review", "beta.json", "[content-unsupported]"},
      {"--review", "huge.json", "[limit-exceeded]"},   {"--review", "absent.json", "[file-unreadable]"},
      {"--review", "loop", "[file-unreadable]"},       {"--review", "pipe", "[file-unreadable]"},
      {"--review", ".", "[file-unreadable]"},          {"--manifest", "broken.yaml", "[yaml-malformed]"},
      {"--manifest", "empty.yaml", "[usage]"},         {"--manifest", "huge.json", "[limit-exceeded]"},
      {"--manifest", "pipe", "[file-unreadable]"}};
  for (const auto& c : cases) {
    fakes::Ran ran = Run({"policy", "test", "-p", "{folder}/pass.yaml", c.option, "{folder}/" + c.file});
    EXPECT_EQ(ran.exit_code, 2) << c.file << ran.out << ran.err;
    EXPECT_THAT(ran.err, AllOf(HasSubstr(c.token), HasSubstr(c.file))) << c.file;
    EXPECT_THAT(ran.out, IsEmpty()) << c.file;
  }
}

TEST_F(PolicyTest, RequestsThatTheWebhookDeniesAsMalformed) {
  Write("list.yaml", "{apiVersion: v1, kind: PodList, items: []}\n");
  Write("bare.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: []}}\n");
  Write("group.yaml", "{apiVersion: apps/v1, kind: Pod, metadata: {name: p}, spec: {containers: []}}\n");
  for (const char* file : {"list.yaml", "bare.yaml", "group.yaml"}) {
    fakes::Ran ran = Run({"policy", "test", "-p", "{folder}/pass.yaml", "--manifest", "{folder}/" + std::string(file)});
    EXPECT_EQ(ran.exit_code, 1) << file << ran.out << ran.err;
    EXPECT_THAT(ran.err, AllOf(HasSubstr("[review-malformed]"), HasSubstr(std::string(file) + ":1"))) << file;
  }
  Write("review.json", R"({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u"}})");
  fakes::Ran ran =
      Run({"policy", "test", "-p", "{folder}/pass.yaml", "--review", "{folder}/review.json", "-o", "json"});
  EXPECT_EQ(ran.exit_code, 1) << ran.out << ran.err;
  auto lines = JsonLines(ran.out);
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(Text(lines[0].root(), "reason"), "review-malformed");
}

TEST_F(PolicyTest, BadPolicyGoesBeforeTheRequest) {
  Write("bad.yaml", std::string(kMisspelt));
  fakes::Ran ran = Run({"policy", "test", "-p", "{folder}/bad.yaml", "--review", "{folder}/absent.json"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("bad.yaml:7 "), Not(HasSubstr("absent.json"))));
}

}  // namespace
}  // namespace gatehouse::cli
