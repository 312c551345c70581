#include <algorithm>
#include <charconv>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/time.h"
#include "common/policy/readers.h"

namespace gatehouse::policy {
namespace {

using codec::JsonDocument;
using codec::JsonView;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

constexpr Duration kMinValidity = std::chrono::seconds(10);  // an agent needs a few seconds for a quote
constexpr Duration kMaxValidity = std::chrono::hours(24);    // a node may have become another one meanwhile
constexpr Duration kDefaultValidity = std::chrono::minutes(5);

void ReadNodeGlob(ObjectReader& reader, std::vector<Glob>& nodes) {
  std::string pattern = reader.String("glob");
  if (!reader.ok()) return;
  auto glob = Glob::Parse(pattern);
  if (!glob.ok()) return reader.Fail("glob", glob.error().detail);
  auto possible = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '*';
  };
  if (!std::all_of(pattern.begin(), pattern.end(), possible)) {
    return reader.Fail("glob", "glob '" + pattern +
                                   "' holds a character that no node's name has (lower-case letters, digits, - and .)");
  }
  nodes.push_back(std::move(glob).value());
}

Duration ReadValidity(ObjectReader& spec) {
  auto text = spec.OptionalString("validity");
  if (!text) return kDefaultValidity;
  auto duration = codec::ParseDuration(*text);
  if (!duration.ok() || *duration < kMinValidity || *duration > kMaxValidity) {
    spec.Fail("validity", "must be a duration from 10s to 24h, such as 5m; not '" + Printable(*text, 64) + "'");
    return kDefaultValidity;
  }
  return *duration;
}

// "0" to "23", without leading zeros and without the PCRs that software may reset.
std::optional<unsigned> ReadPcrIndex(ObjectReader& values, std::string_view key) {
  unsigned index = 0;
  const char* end = key.data() + key.size();
  auto [stop, error] = std::from_chars(key.data(), end, index);
  if (error != std::errc() || stop != end || index >= limits::kPcrCount || std::to_string(index) != key) {
    values.Fail(key, "a PCR is a number from 0 to 23");
    return std::nullopt;
  }
  // TCG PC Client Platform TPM Profile, section "PCR Attributes": resettable at locality 0, so whoever runs on the node
  // gives it any value.
  if (index == 16 || index == 23) {
    values.Fail(key, "PCRs 16 and 23 can be reset by any software, so their values prove nothing; remove it");
    return std::nullopt;
  }
  return index;
}

void ReadPcrValues(ObjectReader& values, appraisal::TpmReference& reference) {
  if (values.view().size() == 0) values.Fail("", "must name at least one PCR, or every boot would pass");
  for (std::size_t i = 0; i < values.view().size() && values.ok(); ++i) {
    std::string_view key = values.view().member(i).key;
    std::vector<std::string> accepted = values.Strings(key, Presence::kRequired);
    auto index = ReadPcrIndex(values, key);
    if (!index) return;
    std::vector<Bytes>& list = reference.pcrs[*index];
    for (const std::string& hex : accepted) {
      auto bytes = DecodeHex(hex);
      if (!bytes.ok() || bytes->size() != DigestSize(reference.bank)) {
        return values.Fail(key, "'" + Printable(hex, 16) + "' is not a value of the " +
                                    std::string(Name(reference.bank)) + " bank: write " +
                                    std::to_string(2 * DigestSize(reference.bank)) +
                                    " lower-case hex digits in quotes");
      }
      if (std::find(list.begin(), list.end(), *bytes) != list.end())
        return values.Fail(key, "lists the same value twice");
      list.push_back(std::move(bytes).value());
    }
  }
}

void ReadPcrs(ObjectReader& pcrs, appraisal::TpmReference& reference) {
  std::string bank = pcrs.String("bank");
  if (bank == "sha1")
    pcrs.Fail("bank",
              "sha1 is broken: two boots can be made that have the same PCR values; use sha256, sha384 or sha512");
  auto algorithm = ParseHashAlgorithm(bank);
  if (!algorithm.ok()) pcrs.Fail("bank", "must be one of sha256, sha384, sha512; not '" + Printable(bank, 64) + "'");
  reference.bank = algorithm.ok() ? *algorithm : HashAlgorithm::kSha256;
  pcrs.Object("values", Presence::kRequired, [&](ObjectReader& values) { ReadPcrValues(values, reference); });
}

void ReadTpm(ObjectReader& tpm, UnlinkedNodePolicy& out) {
  out.policy.trust_roots = tpm.Strings("trustRoots", Presence::kRequired);
  const auto& roots = out.policy.trust_roots;
  for (std::size_t i = 0; i < roots.size(); ++i) {
    if (std::count(roots.begin(), roots.end(), roots[i]) > 1) {
      return tpm.Fail("trustRoots", "names '" + Printable(roots[i], 64) + "' twice");
    }
    JsonView element = tpm.view().Find("trustRoots")->at(i);
    out.root_positions.push_back(tpm.document().PositionOf(element) + " " + tpm.path() + ".trustRoots[" +
                                 std::to_string(i) + "]");
  }
  tpm.Object("pcrs", Presence::kRequired, [&](ObjectReader& pcrs) { ReadPcrs(pcrs, out.policy.tpm); });
}

}  // namespace

Result<UnlinkedNodePolicy> ReadNodePolicy(const JsonDocument& document, const Head& head) {
  UnlinkedNodePolicy out{};
  out.policy.name = head.name;
  out.policy.generation = GenerationOf(document, head);
  ObjectReader reader(document, document.root(), Reason::kPolicyInvalid);
  ReadEnvelope(reader);
  reader.Object("spec", Presence::kRequired, [&](ObjectReader& spec) {
    if (spec.Has("onUnavailable")) {
      spec.Fail("onUnavailable",
                "is not for nodes: a node whose state is not known is not trusted; remove it, or use mode: warn");
    }
    if (spec.Has("podSelector")) {
      spec.Fail("podSelector", "is not for nodes: a Binding does not carry the pod's labels; use namespaceSelector");
    }
    spec.Each("nodes", Presence::kRequired, [&](ObjectReader& node) { ReadNodeGlob(node, out.policy.nodes); });
    out.policy.namespace_selector = ReadSelector(spec, "namespaceSelector");
    out.policy.mode = ReadMode(spec);
    out.policy.validity = ReadValidity(spec);
    spec.Object("tpm", Presence::kRequired, [&](ObjectReader& tpm) { ReadTpm(tpm, out); });
  });
  RETURN_IF_ERROR(reader.Finish());
  return out;
}

Result<TrustRoot> ReadTrustRoot(const JsonDocument& document, const Head& head) {
  TrustRoot root;
  root.name = head.name;
  root.generation = GenerationOf(document, head);
  ObjectReader reader(document, document.root(), Reason::kPolicyInvalid);
  ReadEnvelope(reader);
  reader.Object("spec", Presence::kRequired, [&](ObjectReader& spec) {
    spec.Object("tpm", Presence::kRequired, [&](ObjectReader& tpm) {
      std::string pem = tpm.String("certificates");
      if (!tpm.ok()) return;
      auto certificates = crypto::Certificate::ListFromPem(pem);
      if (!certificates.ok()) return FailWith(tpm, "certificates", certificates.error());
      for (std::size_t i = 0; i < certificates->size(); ++i) {
        if ((*certificates)[i].IsCa()) continue;
        return tpm.Fail("certificates",
                        "certificate " + std::to_string(i + 1) + " (" + Printable((*certificates)[i].Subject(), 128) +
                            ") is not a CA's; list the manufacturer's CAs, not endorsement key certificates");
      }
      root.tpm = std::move(certificates).value();
    });
  });
  RETURN_IF_ERROR(reader.Finish());
  return root;
}

Result<Labels> ReadNamespace(const JsonDocument& document) {
  Labels labels;
  ObjectReader reader(document, document.root(), Reason::kPolicyInvalid);
  reader.IgnoreUnknown();
  reader.Object("metadata", Presence::kRequired, [&](ObjectReader& metadata) {
    metadata.IgnoreUnknown();
    auto members = metadata.StringMap("labels", Presence::kOptional);
    labels.insert(members.begin(), members.end());
  });
  RETURN_IF_ERROR(reader.Finish());
  return labels;
}

}  // namespace gatehouse::policy
