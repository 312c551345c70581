#include <algorithm>
#include <charconv>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/policy/node_readers.h"

namespace gatehouse::policy {

using codec::JsonDocument;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

namespace {

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

}  // namespace

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

namespace {

// `left`: see ReadImaReference().
void ReadSetTpm(ObjectReader& tpm, ReferenceSet& set, std::size_t& left) {
  tpm.Object("pcrs", Presence::kOptional, [&](ObjectReader& pcrs) { ReadPcrs(pcrs, set.tpm); });
  tpm.Object("boot", Presence::kOptional,
             [&](ObjectReader& boot) { set.boot = ReadParts(boot, {.any = false, .bank = std::nullopt}); });
  tpm.Object("ima", Presence::kOptional, [&](ObjectReader& ima) { set.ima = ReadImaReference(ima, left); });
  if (tpm.view().size() == 0) tpm.Fail("", "lists nothing; write pcrs, boot or ima, or several of them");
}

ReferenceSet ReadSet(ObjectReader& reader, const std::string& document, const std::vector<ReferenceSet>& before,
                     std::size_t& left) {
  ReferenceSet set{.document = document,
                   .name = reader.String("name"),
                   .not_before = {},
                   .not_after = {},
                   .tpm = {},
                   .boot = {},
                   .ima = {}};
  if (reader.ok() && !NodeName::Parse(set.name).ok()) {
    reader.Fail("name",
                "'" + Printable(set.name, 64) + "' is not a name; write lower-case letters, digits, - and . only");
  }
  auto same_name = [&](const ReferenceSet& other) { return other.name == set.name; };
  if (std::any_of(before.begin(), before.end(), same_name))
    reader.Fail("name", "'" + set.name + "' is the name of another set of this document");
  set.not_before = ReadMoment(reader, "notBefore");
  set.not_after = ReadMoment(reader, "notAfter");
  if (set.not_before && set.not_after && *set.not_before >= *set.not_after)
    reader.Fail("notAfter", "is not after notBefore, so the set would never count");
  reader.Object("tpm", Presence::kRequired, [&](ObjectReader& tpm) { ReadSetTpm(tpm, set, left); });
  return set;
}

}  // namespace

Result<ReferenceValues> ReadReferenceValues(const JsonDocument& document, const Head& head) {
  ReferenceValues values;
  values.name = head.name;
  values.generation = GenerationOf(document, head);
  ObjectReader reader(document, document.root(), Reason::kPolicyInvalid);
  ReadEnvelope(reader, head);
  reader.Object("spec", Presence::kRequired, [&](ObjectReader& spec) {
    values.source = spec.OptionalString("source").value_or("");
    LimitPatterns(spec);
    if (!spec.ok()) return;
    std::size_t left = limits::kInlineDigests;
    spec.Each("sets", Presence::kRequired,
              [&](ObjectReader& set) { values.sets.push_back(ReadSet(set, head.name, values.sets, left)); });
  });
  RETURN_IF_ERROR(reader.Finish());
  return values;
}

}  // namespace gatehouse::policy
