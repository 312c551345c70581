#include "agent/config/config.h"

#include <charconv>

#include "agent/metrics/listener.h"
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

std::optional<EkKind> ReadEkKind(ObjectReader& reader) {
  auto text = reader.OptionalString("ek");
  if (!text || *text == "auto") return std::nullopt;
  auto kind = ParseEkKind(*text);
  if (!kind) {
    std::string names = "auto";
    for (EkKind known : kEkKinds) names += ", " + std::string(Name(known));
    reader.Fail("ek", "must be one of " + names + "; not '" + Printable(*text, 32) + "'");
  }
  return kind;
}

// A TPM handle, as hex or as a number, within a range of the TCG's "Registry of Reserved TPM 2.0 Handles".
struct HandleRange {
  std::uint32_t first;
  std::uint32_t last;
  std::string_view what;
};
constexpr HandleRange kPersistent = {0x81000000, 0x81FFFFFF, "a persistent handle, 0x81000000 to 0x81FFFFFF"};
constexpr HandleRange kNvIndex = {0x01000000, 0x01FFFFFF, "an NV index, 0x01000000 to 0x01FFFFFF"};

std::optional<std::uint32_t> ReadHandle(ObjectReader& reader, std::string_view key, const HandleRange& range) {
  auto view = reader.Raw(key);
  if (!view) return std::nullopt;
  std::uint64_t value = 0;
  if (auto number = view->AsUint()) {
    value = *number;
  } else if (auto text = view->AsString(); text && text->starts_with("0x")) {
    std::string_view digits = text->substr(2);
    auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error != std::errc() || stop != digits.data() + digits.size()) value = 0;
  }
  if (value < range.first || value > range.last) {
    reader.Fail(key, "must be " + std::string(range.what));
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(value);
}

void ReadGivenAk(ObjectReader& reader, GivenAk& ak) {
  ak.handle = ReadHandle(reader, "akHandle", kPersistent);
  ak.template_index = ReadHandle(reader, "akTemplate", kNvIndex);
  bool has_certificate = reader.Object("akCertificate", Presence::kOptional, [&ak](ObjectReader& inner) {
    ak.certificate_index = ReadHandle(inner, "nvIndex", kNvIndex);
    ak.certificate_file = ReadPath(inner, "file");
    if (inner.ok() && ak.certificate_index.has_value() == ak.certificate_file.has_value()) {
      inner.Fail("", "needs nvIndex or file, one of them");
    }
  });
  if (ak.handle && ak.template_index) reader.Fail("akTemplate", "says the same as akHandle; one of them");
  if (has_certificate && !ak.given()) reader.Fail("akCertificate", "needs akHandle or akTemplate: whose is it?");
  if (ak.given() && reader.Has("ak")) reader.Fail("ak", "is for a key that is made; akHandle and akTemplate are not");
}

void ReadTpm(ObjectReader& reader, TpmConfig& tpm) {
  tpm.tcti = reader.OptionalString("tcti").value_or(tpm.tcti);
  tpm.ek = ReadEkKind(reader);
  tpm.ak = ReadKind(reader, "ak", tpm.ak);
  tpm.state_folder = ReadPath(reader, "stateDir").value_or(tpm.state_folder);
  ReadGivenAk(reader, tpm.given_ak);
}

// A path, or {path, encoding}.
void ReadImaLog(ObjectReader& reader, AgentConfig& config) {
  constexpr std::string_view kKey = "imaLog";
  auto view = reader.Raw(kKey);
  if (!view) return;
  if (view->AsString()) {
    config.ima_log = ReadPath(reader, kKey).value_or(config.ima_log);
    return;
  }
  reader.Object(kKey, Presence::kOptional, [&config](ObjectReader& inner) {
    config.ima_log = ReadPath(inner, "path").value_or(config.ima_log);
    auto text = inner.OptionalEnum("encoding", {"auto", "little-endian", "big-endian", "ascii"});
    if (text) config.ima_encoding = evidence::ima::ParseEncoding(*text);  // nothing for auto
  });
}

void ReadMetrics(ObjectReader& reader, std::optional<std::string>& listen) {
  listen = reader.OptionalString("listen");
  if (!listen) return reader.Fail("listen", "is required: an address and a port, like 127.0.0.1:9101");
  if (auto good = CheckListenAddress(*listen); !good.ok()) reader.Fail("listen", good.error().detail);
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
  if (!name.ok()) {
    RETURN_IF_ERROR(reader.Finish());  // the same, with its place
    return std::move(name).error();
  }
  AgentConfig config{std::move(*name), {}, {}};
  reader.Object("server", Presence::kRequired, [&config](ObjectReader& inner) { ReadServer(inner, config.server); });
  reader.Object("tpm", Presence::kOptional, [&config](ObjectReader& inner) { ReadTpm(inner, config.tpm); });
  config.event_log = ReadPath(reader, "eventLog").value_or(config.event_log);
  ReadImaLog(reader, config);
  config.command_line = ReadPath(reader, "commandLine").value_or(config.command_line);
  reader.Object("metrics", Presence::kOptional,
                [&config](ObjectReader& inner) { ReadMetrics(inner, config.metrics_listen); });
  ReadInterval(reader, config.interval);
  reader.Object("log", Presence::kOptional, [&config](ObjectReader& inner) { ReadLog(inner, config.level); });
  RETURN_IF_ERROR(reader.Finish());
  return config;
}

}  // namespace gatehouse::agent
