#include "agent/config/config.h"

#include "common/base/encoding.h"
#include "common/codec/time.h"
#include "common/codec/yaml.h"

namespace gatehouse::agent {
namespace {

using codec::ObjectReader;
using Presence = ObjectReader::Presence;

constexpr Duration kShortestInterval = std::chrono::seconds(1);
constexpr Duration kLongestInterval = std::chrono::hours(24);

std::optional<std::filesystem::path> ReadPath(ObjectReader& reader, std::string_view key) {
  auto text = reader.OptionalString(key);
  if (!text) return std::nullopt;
  return std::filesystem::path(*text);
}

void ReadUrl(ObjectReader& reader, net::Url& url) {
  std::string text = reader.String("url");
  if (!reader.ok()) return;
  auto parsed = net::Url::Parse(text, Reason::kConfigInvalid);
  if (!parsed.ok()) return reader.Fail("url", parsed.error().detail + "; write https://host:port");
  if (parsed->scheme != "https") return reader.Fail("url", "must begin with https://");
  if (parsed->target != "/") return reader.Fail("url", "must not have a path; write https://host:port");
  url = std::move(*parsed);
}

void ReadServer(ObjectReader& reader, ServerConfig& server) {
  ReadUrl(reader, server.url);
  server.ca = reader.String("ca");
  server.certificate = ReadPath(reader, "certificate");
  server.key = ReadPath(reader, "key");
  server.token_file = ReadPath(reader, "tokenFile");
  if (server.certificate && !server.key) reader.Fail("key", "is required with certificate");
  if (server.key && !server.certificate) reader.Fail("certificate", "is required with key");
  if (!server.certificate && !server.token_file) {
    reader.Fail("", "needs certificate and key, or tokenFile: the server must know which node speaks");
  }
}

KeyKind ReadKind(ObjectReader& reader, std::string_view key, KeyKind otherwise) {
  auto text = reader.OptionalEnum(key, {Name(KeyKind::kRsa2048), Name(KeyKind::kEccP256)});
  if (!text) return otherwise;
  return *text == Name(KeyKind::kRsa2048) ? KeyKind::kRsa2048 : KeyKind::kEccP256;
}

void ReadTpm(ObjectReader& reader, TpmConfig& tpm) {
  tpm.tcti = reader.OptionalString("tcti").value_or(tpm.tcti);
  tpm.ek = ReadKind(reader, "ek", tpm.ek);
  tpm.ak = ReadKind(reader, "ak", tpm.ak);
  tpm.state_folder = ReadPath(reader, "stateDir").value_or(tpm.state_folder);
}

void ReadInterval(ObjectReader& reader, Duration& interval) {
  auto text = reader.OptionalString("interval");
  if (!text) return;
  auto parsed = codec::ParseDuration(*text);
  if (!parsed.ok())
    return reader.Fail("interval", "must be a duration like 60s or 5m; not '" + Printable(*text, 32) + "'");
  if (*parsed < kShortestInterval || *parsed > kLongestInterval)
    return reader.Fail("interval", "must be from 1s to 24h");
  interval = *parsed;
}

void ReadLog(ObjectReader& reader, telemetry::Level& level) {
  auto text = reader.OptionalEnum("level", {"debug", "info", "warn", "error", "off"});
  if (!text) return;
  auto parsed = telemetry::ParseLevel(*text);
  if (!parsed.ok()) return reader.Fail("level", parsed.error().detail);
  level = *parsed;
}

Result<NodeName> ReadNode(ObjectReader& reader, const std::optional<std::string>& given) {
  auto written = reader.OptionalString("node");
  if (!given && !written) {
    reader.Fail("node", "is required: the name of the Kubernetes node, or --node on the command line");
  }
  auto node = NodeName::Parse(given.value_or(written.value_or("")));
  if (!node.ok()) reader.Fail("node", node.error().detail);
  return node;
}

}  // namespace

Result<AgentConfig> ParseConfig(std::string_view yaml, std::string_view source,
                                const std::optional<std::string>& node) {
  ASSIGN_OR_RETURN(auto documents, codec::ParseYaml(yaml, source));
  if (documents.size() != 1) {
    return Error{Reason::kConfigInvalid, std::string(source),
                 "must hold one YAML document, not " + std::to_string(documents.size())};
  }
  const codec::JsonDocument& document = documents.front();
  ObjectReader reader(document, document.root(), Reason::kConfigInvalid);
  auto name = ReadNode(reader, node);
  ServerConfig server;
  reader.Object("server", Presence::kRequired, [&server](ObjectReader& inner) { ReadServer(inner, server); });
  TpmConfig tpm;
  reader.Object("tpm", Presence::kOptional, [&tpm](ObjectReader& inner) { ReadTpm(inner, tpm); });
  auto event_log = ReadPath(reader, "eventLog");
  auto ima_log = ReadPath(reader, "imaLog");
  Duration interval = std::chrono::seconds(60);
  ReadInterval(reader, interval);
  telemetry::Level level = telemetry::Level::kInfo;
  reader.Object("log", Presence::kOptional, [&level](ObjectReader& inner) { ReadLog(inner, level); });
  RETURN_IF_ERROR(reader.Finish());
  AgentConfig config{std::move(*name), std::move(server), std::move(tpm)};
  if (event_log) config.event_log = std::move(*event_log);
  if (ima_log) config.ima_log = std::move(*ima_log);
  config.interval = interval;
  config.level = level;
  return config;
}

}  // namespace gatehouse::agent
