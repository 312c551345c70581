// A kubeconfig: what is accepted sends credentials over TLS only, has one source of each credential, and is read the
// same when it stands behind an empty file.
#include "common/kube/kube_config.h"

#include "common/base/bytes.h"
#include "tests/fuzz/check.h"

using gatehouse::Reason;
using gatehouse::kube::KubeAccess;
using gatehouse::kube::ReadKubeConfig;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(gatehouse::AsText({data, size}));
  auto access = ReadKubeConfig({{"/folder/config", text}}, std::nullopt);
  auto again = ReadKubeConfig({{"/empty", ""}, {"/folder/config", text}}, std::nullopt);
  FUZZ_CHECK(access.ok() == again.ok());
  if (!access.ok()) {
    Reason reason = access.error().reason;
    FUZZ_CHECK(reason == Reason::kConfigInvalid || reason == Reason::kYamlMalformed ||
               reason == Reason::kLimitExceeded);
    return 0;
  }
  const KubeAccess& read = *access;
  FUZZ_CHECK(read.server == again->server && read.token == again->token && read.context == again->context);
  FUZZ_CHECK(!read.context.empty() && !read.namespace_name.empty());
  bool credentials =
      !read.token.empty() || !read.token_file.empty() || !read.certificate.empty() || read.exec.has_value();
  FUZZ_CHECK(read.server.scheme == "https" || (read.server.scheme == "http" && !credentials));
  FUZZ_CHECK(read.server.target.find('?') == std::string::npos);
  FUZZ_CHECK(read.certificate.empty() == read.key.empty());
  FUZZ_CHECK(read.token.empty() || read.token_file.empty());
  for (const auto* pem : {&read.ca, &read.certificate, &read.key}) {
    FUZZ_CHECK(pem->text.empty() || pem->file.empty());
    FUZZ_CHECK(pem->file.empty() || pem->file.starts_with('/'));
  }
  if (read.exec.has_value()) {
    FUZZ_CHECK(read.token.empty() && read.token_file.empty() && read.certificate.empty());
    FUZZ_CHECK(!read.exec->command.empty());
    FUZZ_CHECK(read.exec->command.find('/') == std::string::npos || read.exec->command.starts_with('/'));
  }
  return 0;
}
