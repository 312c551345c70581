#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/policy/node_readers.h"

namespace gatehouse::policy {
namespace {

using codec::JsonDocument;
using codec::JsonView;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

constexpr Duration kMinValidity = std::chrono::seconds(10);      // an agent needs a few seconds for a quote
constexpr Duration kMaxValidity = std::chrono::hours(24);        // a node may have become another one meanwhile
constexpr Duration kDefaultValidity = std::chrono::minutes(10);  // renewed at half of it, by each node, with a write
constexpr Duration kMaxGrace = std::chrono::hours(24);
constexpr Duration kMinWithin = std::chrono::seconds(10);  // shorter is no cap: taints are written every few seconds
constexpr Duration kMaxWithin = std::chrono::hours(24);

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

void ReadTpm(ObjectReader& tpm, UnlinkedNodePolicy& out) {
  NodePolicy& policy = out.policy;
  const bool has_references = tpm.Has("referenceValues");
  // Whom to believe is said by them, or by an inventory of the keys themselves.
  auto identity = tpm.view().Find("identity");
  const bool inventory = identity && identity->Find("requireEkHash");
  if (!tpm.Has("trustRoots") && !inventory) {
    tpm.Fail("trustRoots", "is required, or identity.requireEkHash with the endorsement keys that are believed");
    return;
  }
  const bool has_roots = tpm.Has("trustRoots");
  policy.trust_roots = tpm.Strings("trustRoots", has_roots ? Presence::kRequired : Presence::kOptional);
  out.root_positions = NamePositions(tpm, "trustRoots", policy.trust_roots);
  policy.reference_values = tpm.Strings("referenceValues", has_references ? Presence::kRequired : Presence::kOptional);
  out.reference_positions = NamePositions(tpm, "referenceValues", policy.reference_values);
  tpm.Object("pcrs", Presence::kOptional, [&](ObjectReader& pcrs) { ReadPcrs(pcrs, policy.tpm); });
  tpm.Object("identity", Presence::kOptional,
             [&](ObjectReader& reader) { policy.identity = ReadIdentity(reader, has_roots); });
  tpm.Object("boot", Presence::kOptional, [&](ObjectReader& boot) { policy.boot = ReadBoot(boot, has_references); });
  tpm.Object("ima", Presence::kOptional, [&](ObjectReader& ima) { policy.ima = ReadIma(ima, has_references); });
  // Without any of them every boot would pass.
  if (HasOnly(tpm, {"trustRoots", "identity"}))
    tpm.Fail("pcrs", "is required, or referenceValues, boot or ima, or several of them");
}

UntrustedTaint ReadUntrusted(ObjectReader& untrusted) {
  UntrustedTaint taint{};
  auto effect = untrusted.OptionalEnum("taint", {"NoSchedule", "NoExecute"});
  if (!effect) untrusted.Fail("taint", "is required: NoSchedule or NoExecute");
  taint.effect = effect == "NoExecute" ? UntrustedTaint::Effect::kNoExecute : UntrustedTaint::Effect::kNoSchedule;
  for (const char* key : {"grace", "maxEvicted"}) {
    if (effect == "NoSchedule" && untrusted.Has(key))
      untrusted.Fail(key, "is for taint: NoExecute, which evicts pods; remove it");
  }
  taint.grace = ReadDuration(untrusted, "grace", Duration::zero(), kMaxGrace, taint.grace, "5m");
  untrusted.Object("maxEvicted", Presence::kOptional, [&](ObjectReader& cap) {
    auto nodes = cap.OptionalInt("nodes", 1, static_cast<std::int64_t>(limits::kNodes));
    if (nodes) taint.max_nodes = static_cast<std::size_t>(*nodes);
    taint.within = ReadDuration(cap, "within", kMinWithin, kMaxWithin, taint.within, "1h");
  });
  return taint;
}

}  // namespace

Result<UnlinkedNodePolicy> ReadNodePolicy(const JsonDocument& document, const Head& head) {
  UnlinkedNodePolicy out{};
  out.policy.name = head.name;
  out.policy.generation = GenerationOf(document, head);
  ObjectReader reader(document, document.root(), Reason::kPolicyInvalid);
  ReadEnvelope(reader, head);
  reader.Object("spec", Presence::kRequired, [&](ObjectReader& spec) {
    if (spec.Has("onUnavailable")) {
      spec.Fail("onUnavailable",
                "is not for nodes: a node whose state is not known is not trusted; remove it, or use mode: warn");
    }
    if (spec.Has("podSelector")) {
      spec.Fail("podSelector", "is not for nodes: a Binding does not carry the pod's labels; use namespaceSelector");
    }
    LimitPatterns(spec);
    if (!spec.ok()) return;
    spec.Each("nodes", Presence::kRequired, [&](ObjectReader& node) { ReadNodeGlob(node, out.policy.nodes); });
    out.policy.namespace_selector = ReadSelector(spec, "namespaceSelector");
    out.policy.mode = ReadMode(spec);
    out.policy.validity = ReadDuration(spec, "validity", kMinValidity, kMaxValidity, kDefaultValidity, "5m");
    spec.Object("tpm", Presence::kRequired, [&](ObjectReader& tpm) { ReadTpm(tpm, out); });
    spec.Object("untrusted", Presence::kOptional,
                [&](ObjectReader& untrusted) { out.policy.untrusted = ReadUntrusted(untrusted); });
  });
  RETURN_IF_ERROR(reader.Finish());
  return out;
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
