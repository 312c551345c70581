#include "agent/session/credentials.h"

#include <algorithm>

#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/codec/pem.h"
#include "common/net/https_transport.h"

namespace gatehouse::agent {
namespace {

constexpr std::size_t kPemBytes = limits::kChainCertificates * limits::kCertificateBytes;

Result<std::string> ReadText(const std::filesystem::path& path, std::size_t max) {
  ASSIGN_OR_RETURN(Bytes content, ReadFile(path, max));
  return std::string(AsText(content));
}

}  // namespace

Result<std::unique_ptr<net::HttpTransport>> Credentials::Connect() const {
  net::TransportOptions options;
  ASSIGN_OR_RETURN(options.tls.ca_pem, ReadText(server_.ca, kPemBytes));
  // For the transport no roots mean those of the system, any of which could then vouch for a server.
  auto roots = codec::ParsePem(options.tls.ca_pem, Reason::kCertificateMalformed);
  if (!roots.ok()) return roots.error().In(server_.ca.string());
  if (server_.certificate && server_.key) {
    ASSIGN_OR_RETURN(options.tls.certificate_pem, ReadText(*server_.certificate, kPemBytes));
    ASSIGN_OR_RETURN(options.tls.key_pem, ReadText(*server_.key, kPemBytes));
    if (options.tls.certificate_pem.empty() || options.tls.key_pem.empty()) {
      return Error{Reason::kConfigInvalid, server_.certificate->string(), "is empty, or the key is"};
    }
  }
  // An agent talks to one server, four times a minute, and never through a proxy: nothing is kept open.
  options.idle_connections_per_origin = 1;
  return net::MakeHttpsTransport(std::move(options));
}

Result<std::string> Credentials::Token() const {
  if (!server_.token_file) return std::string();
  ASSIGN_OR_RETURN(std::string token, ReadText(*server_.token_file, limits::kTokenBytes));
  while (token.ends_with('\n')) token.pop_back();
  bool printable = std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (token.empty() || !printable) {
    return Error{Reason::kTokenMalformed, server_.token_file->string(), "does not hold a token on one line"};
  }
  return token;
}

}  // namespace gatehouse::agent
