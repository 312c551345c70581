// How the three programs are called, and what --help says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/program.h"

namespace gatehouse {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct Call {
  std::string_view name;
  std::string_view program;
  std::vector<std::string> arguments;
  int exit_code;
  std::string_view says;  // on stdout for 0, else on stderr
};

class Usage : public testing::TestWithParam<Call> {};

TEST_P(Usage, ExitCodeAndStream) {
  const Call& call = GetParam();
  std::vector<std::string> arguments{fakes::BuiltProgram(std::string(call.program))};
  arguments.insert(arguments.end(), call.arguments.begin(), call.arguments.end());
  fakes::Ran ran = fakes::RunProgram(std::move(arguments));
  EXPECT_EQ(ran.exit_code, call.exit_code) << ran.out << ran.err;
  EXPECT_THAT(call.exit_code == 0 ? ran.out : ran.err, HasSubstr(call.says));
  EXPECT_THAT(call.exit_code == 0 ? ran.err : ran.out, IsEmpty());
}

const char* const kGatehouse = "gatehouse";
const char* const kWebhook = "gatehouse-webhook";
const char* const kAgent = "gatehouse-agent";

INSTANTIATE_TEST_SUITE_P(
    Table, Usage,
    testing::Values(
        Call{"Help", kGatehouse, {"--help"}, 0, "Exit status: 0 admitted, 1 refused"},
        Call{"HelpOfAVerb", kGatehouse, {"verify", "image", "--help"}, 0, "--insecure-registry"},
        Call{"Version", kGatehouse, {"--version"}, 0, GATEHOUSE_VERSION},
        Call{"NoVerb", kGatehouse, {}, 2, "subcommand is required"},
        Call{"UnknownVerb", kGatehouse, {"admit"}, 2, "--help"},
        Call{"HalfAVerb", kGatehouse, {"verify"}, 2, "subcommand is required"},
        Call{"UnknownOption", kGatehouse, {"policy", "check", "x", "--fast"}, 2, "--fast"},
        Call{"NoPath", kGatehouse, {"policy", "check"}, 2, "PATH is required"},
        Call{"NoImage", kGatehouse, {"verify", "image", "-p", "x"}, 2, "REF is required"},
        Call{"NoPolicy", kGatehouse, {"verify", "image", "x"}, 2, "--policy is required"},
        Call{"TwoImages", kGatehouse, {"verify", "image", "x", "y", "-p", "z"}, 2, "y"},
        Call{"UnknownOutput", kGatehouse, {"policy", "check", "x", "-o", "xml"}, 2, "xml"},
        Call{"TimeoutOfNothing", kGatehouse, {"verify", "image", "x", "-p", "z", "--timeout", "0"}, 2, "--timeout"},
        Call{"TimeoutInWords", kGatehouse, {"verify", "image", "x", "-p", "z", "--timeout", "soon"}, 2, "--timeout"},
        Call{"StatusHelp", kGatehouse, {"status", "--help"}, 0, "--kubeconfig"},
        Call{"WhyNothing", kGatehouse, {"why"}, 2, "NAME is required"},
        Call{"WhyTooMuch", kGatehouse, {"why", "pod", "x", "y"}, 2, "At Most 2"},
        Call{"AttestWithoutNow", kGatehouse, {"attest"}, 2, "subcommand is required"},
        Call{"AttestNoNode", kGatehouse, {"attest", "now"}, 2, "NODE is required"},
        Call{"WaitForNothing", kGatehouse, {"attest", "now", "x", "--wait", "0"}, 2, "--wait"},
        Call{"ReviewAndManifest",
             kGatehouse,
             {"policy", "test", "-p", "x", "--review", "a", "--manifest", "b"},
             2,
             "excludes"},
        Call{"WebhookHelp", kWebhook, {"--help"}, 0, "Exit status: 0"},
        Call{"WebhookVersion", kWebhook, {"--version"}, 0, GATEHOUSE_VERSION},
        Call{"WebhookWithoutConfig", kWebhook, {}, 2, "--config is required"},
        Call{"WebhookUnknownOption", kWebhook, {"--config", "x", "--debug"}, 2, "--debug"},
        Call{"WebhookAbsentConfig", kWebhook, {"--config", "/absent.yaml"}, 2, "/absent.yaml"},
        Call{"AgentHelp", kAgent, {"--help"}, 0, "Exit status: 0"},
        Call{"AgentVersion", kAgent, {"--version"}, 0, GATEHOUSE_VERSION},
        Call{"AgentWithoutConfig", kAgent, {}, 2, "--config is required"},
        Call{"AgentAbsentConfig", kAgent, {"--config", "/absent.yaml"}, 2, "/absent.yaml"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Usage, PolicyTestNeedsOneInput) {
  fakes::ScratchFolder folder;
  std::string policy = folder.Write("p.yaml", "");
  fakes::Ran ran = fakes::RunProgram({fakes::BuiltProgram(kGatehouse), "policy", "test", "-p", policy});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_THAT(ran.err, HasSubstr("--review FILE or --manifest FILE"));
}

}  // namespace
}  // namespace gatehouse
