// Parts that the rules about boots and files have in common.
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <functional>
#include <unordered_set>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/policy/node_readers.h"

namespace gatehouse::policy {

using appraisal::Accepted;
using appraisal::AcceptedParts;
using appraisal::TextRule;
using codec::JsonView;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

namespace {

constexpr std::size_t kPatterns = 300;
// As text_matcher.cc: what one pattern may cost, program and states together; and what those of one list may together.
constexpr std::int64_t kPatternMemory = 1 << 16;
constexpr std::int64_t kListMemory = 1 << 22;

std::size_t CountPatterns(JsonView view) {
  constexpr std::array<std::string_view, 6> kLists = {"regexes", "exclude",     "violations",
                                                      "paths",   "requiredFor", "buffers"};
  std::size_t count = 0;
  for (std::size_t i = 0; view.IsArray() && i < view.size(); ++i) count += CountPatterns(view.at(i));
  for (std::size_t i = 0; view.IsObject() && i < view.size(); ++i) {
    const auto member = view.member(i);
    const bool list = std::find(kLists.begin(), kLists.end(), member.key) != kLists.end();
    count += list ? member.value.size() : CountPatterns(member.value);
  }
  return count;
}

// Strings() of a list that, if it is there, must not be empty.
std::vector<std::string> ListAt(ObjectReader& reader, std::string_view key) {
  return reader.Strings(key, reader.Has(key) ? Presence::kRequired : Presence::kOptional);
}

bool TooMany(ObjectReader& reader, std::string_view key, std::size_t count, std::size_t max = limits::kBootRules) {
  if (count <= max) return false;
  reader.Fail(key, "has more than " + std::to_string(max) + " entries");
  return true;
}

}  // namespace

void LimitPatterns(ObjectReader& spec) {
  if (CountPatterns(spec.view()) <= kPatterns) return;
  spec.Fail(Error{Reason::kLimitExceeded, "", "has more than " + std::to_string(kPatterns) + " regular expressions"});
}

bool HasOnly(const ObjectReader& reader, std::initializer_list<std::string_view> keys) {
  for (std::size_t i = 0; i < reader.view().size(); ++i) {
    if (std::find(keys.begin(), keys.end(), reader.view().member(i).key) == keys.end()) return false;
  }
  return true;
}

std::optional<HashAlgorithm> AlgorithmOfSize(std::size_t bytes) {
  for (auto algorithm : {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    if (DigestSize(algorithm) == bytes) return algorithm;
  }
  return std::nullopt;
}

HashAlgorithm ReadBank(ObjectReader& reader, std::string_view key, HashAlgorithm fallback) {
  auto bank = reader.OptionalEnum(key, {"sha256", "sha384", "sha512"});
  if (!bank) return fallback;
  return ParseHashAlgorithm(*bank).value();
}

// --- digests and fingerprints

namespace {

std::string NoDigest(const std::string& text, std::optional<HashAlgorithm> bank) {
  const std::string shown = "'" + Printable(text, 16) + "' ";
  if (text.size() == 2 * DigestSize(HashAlgorithm::kSha1))
    return shown + "is of SHA-1, which proves nothing: two files can be made that have the same; use sha256";
  if (bank) {
    return shown + "is not a digest of the " + std::string(Name(*bank)) + " bank: write " +
           std::to_string(2 * DigestSize(*bank)) + " lower-case hex digits";
  }
  return shown + "is not a digest: write 64 (sha256), 96 (sha384) or 128 (sha512) lower-case hex digits";
}

}  // namespace

std::vector<Bytes> ReadDigests(ObjectReader& reader, std::string_view key, std::optional<HashAlgorithm> bank,
                               std::size_t max) {
  std::vector<Bytes> digests;
  const std::vector<std::string> texts = ListAt(reader, key);
  if (TooMany(reader, key, texts.size(), max)) return digests;
  for (const std::string& text : texts) {
    auto bytes = DecodeHex(text);
    if (!bytes.ok() || (bank ? bytes->size() != DigestSize(*bank) : !AlgorithmOfSize(bytes->size()))) {
      reader.Fail(key, NoDigest(text, bank));
      return digests;
    }
    digests.push_back(std::move(bytes).value());
  }
  std::sort(digests.begin(), digests.end());
  auto twice = std::adjacent_find(digests.begin(), digests.end());
  if (twice != digests.end()) reader.Fail(key, "lists " + EncodeHex(*twice) + " twice");
  return digests;
}

std::vector<Digest> ReadFingerprints(ObjectReader& reader, std::string_view key) {
  std::vector<Digest> prints;
  auto add = [&](Digest digest) {
    if (std::find(prints.begin(), prints.end(), digest) != prints.end())
      return reader.Fail(key, "lists " + digest.text() + " twice");
    prints.push_back(std::move(digest));
  };
  const std::vector<std::string> texts = ListAt(reader, key);
  if (TooMany(reader, key, texts.size())) return prints;
  for (const std::string& text : texts) {
    if (!reader.ok()) return prints;
    if (text.find("-----BEGIN") != std::string::npos) {
      auto certificates = crypto::Certificate::ListFromPem(text);
      if (!certificates.ok()) {
        FailWith(reader, key, certificates.error());
        return prints;
      }
      for (const crypto::Certificate& certificate : *certificates) add(certificate.Fingerprint());
      continue;
    }
    auto digest = Digest::Parse(text);
    if (digest.ok() && digest->algorithm() == HashAlgorithm::kSha256) {
      add(*digest);
    } else {
      reader.Fail(key, "'" + Printable(text, 24) +
                           "' is not a fingerprint: write sha256: and 64 lower-case hex digits (of the certificate in "
                           "DER form), or the certificate in PEM form");
    }
  }
  return prints;
}

std::vector<crypto::Certificate> ReadCertificateList(ObjectReader& reader, std::string_view key, bool ca) {
  auto pem = reader.OptionalString(key);
  if (!pem) return {};
  auto certificates = crypto::Certificate::ListFromPem(*pem);
  if (!certificates.ok()) {
    FailWith(reader, key, certificates.error());
    return {};
  }
  for (std::size_t i = 0; ca && i < certificates->size(); ++i) {
    if ((*certificates)[i].IsCa()) continue;
    reader.Fail(key, "certificate " + std::to_string(i + 1) + " (" + Printable((*certificates)[i].Subject(), 128) +
                         ") is not a CA's; list the manufacturer's CAs, not endorsement key certificates");
    break;
  }
  return std::move(certificates).value();
}

// --- patterns over paths and names

namespace {

std::unique_ptr<RE2> Compile(const std::string& pattern, std::int64_t memory) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(memory);
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_dot_nl(true);
  options.set_never_capture(true);
  return std::make_unique<RE2>(pattern, options);
}

// "" if it may be one of a list.
std::string Problem(const std::string& pattern) {
  const std::string shown = "regular expression '" + Printable(pattern, 128) + "' ";
  if (pattern.size() > limits::kPatternBytes)
    return shown + "has more than " + std::to_string(limits::kPatternBytes) + " bytes";
  for (char c : pattern) {
    if (c < 0) return shown + "holds a character outside of ASCII; write its bytes as \\xNN";
    if (c < ' ' || c == '\x7f') return shown + "holds a control character (a line break at its end?)";
  }
  // It quotes up to the end, which is not the end where several stand in one expression.
  if (pattern.find("\\Q") != std::string::npos) return shown + "holds \\Q; write a \\ before each character";
  auto compiled = Compile(pattern, kPatternMemory);
  return compiled->ok() ? "" : shown + "is not one that RE2 takes: " + Printable(compiled->error(), 128);
}

bool MatchesAll(const std::string& pattern, std::initializer_list<std::string_view> texts) {
  auto compiled = Compile(pattern, kPatternMemory);
  return std::all_of(texts.begin(), texts.end(), [&](auto text) { return RE2::FullMatch(text, *compiled); });
}

TextRule RuleOf(std::string source, std::unique_ptr<RE2> compiled) {
  std::shared_ptr<const RE2> shared = std::move(compiled);
  return {std::move(source), [shared](std::string_view text) { return RE2::FullMatch(text, *shared); }};
}

std::string SourceOf(const std::vector<std::string>& patterns) {
  std::string source = "regex '" + Printable(patterns.front(), 128) + "'";
  if (patterns.size() > 1) source += " or one of " + std::to_string(patterns.size() - 1) + " more";
  return source;
}

}  // namespace

std::optional<TextRule> ReadPathPatterns(ObjectReader& reader, std::string_view key, bool narrow) {
  const std::vector<std::string> patterns = ListAt(reader, key);
  if (patterns.empty() || !reader.ok()) return std::nullopt;
  std::string all;
  for (const std::string& pattern : patterns) {
    std::string problem = Problem(pattern);
    // Without directories in common there is nothing that it asks for any more.
    if (problem.empty() && narrow && MatchesAll(pattern, {"/usr/bin/x", "/etc/shadow", "/tmp/evil"})) {
      problem = "regular expression '" + Printable(pattern, 128) +
                "' matches every path, so nothing would be asked of any; name the directories, each by a pattern of "
                "its own, such as /var/lib/containers/.*";
    }
    if (!problem.empty()) {
      reader.Fail(key, problem);
      return std::nullopt;
    }
    all.append(all.empty() ? "" : "|").append("(?:").append(pattern).append(")");
  }
  const auto count = static_cast<std::int64_t>(patterns.size());
  auto compiled = Compile(all, std::min(count * kPatternMemory, kListMemory));
  if (!compiled->ok()) {
    reader.Fail(
        key, "the regular expressions are not such that RE2 takes them as one: " + Printable(compiled->error(), 128));
    return std::nullopt;
  }
  return RuleOf(SourceOf(patterns), std::move(compiled));
}

TextRule ReadNamePattern(ObjectReader& reader, std::string_view key) {
  const std::string pattern = reader.String(key);
  if (!reader.ok()) return {};
  if (std::string problem = Problem(pattern); !problem.empty()) {
    reader.Fail(key, problem);
    return {};
  }
  return RuleOf(SourceOf({pattern}), Compile(pattern, kPatternMemory));
}

// --- what is accepted of a boot

namespace {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
using TextSet = std::unordered_set<std::string, TextHash, std::equal_to<>>;

// Texts as they are, all as one rule. They may hold line breaks and tabs, as GRUB's menu entries do.
void ReadExact(ObjectReader& part, Accepted& accepted) {
  const std::vector<std::string> texts = ListAt(part, "exact");
  if (texts.empty() || TooMany(part, "exact", texts.size())) return;
  auto set = std::make_shared<TextSet>();
  for (const std::string& text : texts) {
    if (text.size() > limits::kCommandLineBytes)
      return part.Fail("exact", "has a text of more than " + std::to_string(limits::kCommandLineBytes) + " bytes");
    if (text.find('\0') != std::string::npos)
      return part.Fail("exact", "'" + Printable(text, 64) + "' holds a NUL, which no text that was measured has");
    if (!set->insert(text).second) return part.Fail("exact", "lists '" + Printable(text, 64) + "' twice");
  }
  std::string source = "'" + Printable(texts.front(), 128) + "'";
  if (texts.size() > 1) source += " or one of " + std::to_string(texts.size() - 1) + " more";
  accepted.texts.push_back({std::move(source), [set](std::string_view text) { return set->contains(text); }});
}

using MakeMatcher = Result<TextMatcher> (*)(std::string_view);

void ReadMatchers(ObjectReader& part, std::string_view key, MakeMatcher make, bool any, Accepted& accepted) {
  const std::vector<std::string> patterns = ListAt(part, key);
  if (TooMany(part, key, patterns.size())) return;
  for (const std::string& pattern : patterns) {
    auto matcher = make(pattern);
    if (!matcher.ok()) return part.Fail(key, matcher.error().detail);
    if (matcher->Matches("x") && matcher->Matches("root=/dev/sda1 init=/bin/sh") && matcher->Matches("EFI/evil.efi")) {
      return part.Fail(key, "'" + Printable(pattern, 64) + "' accepts every text; " +
                                (any ? "write any: true if that is what is meant" : "name those that are good"));
    }
    accepted.texts.push_back(
        {matcher->ToString(), [matcher = *matcher](std::string_view text) { return matcher.Matches(text); }});
  }
}

// Names of what is measured here are not: of these parts only digests are proven.
bool HasTexts(claims::BootPart part) {
  using claims::BootPart;
  constexpr std::array kDigestsAlone = {BootPart::kDrivers,     BootPart::kApplications, BootPart::kPartitions,
                                        BootPart::kLoaderFiles, BootPart::kInitrds,      BootPart::kMok};
  return std::find(kDigestsAlone.begin(), kDigestsAlone.end(), part) == kDigestsAlone.end();
}

// "" if it may be listed.
std::string RuledOtherwise(claims::BootPart part) {
  using claims::BootPart;
  if (part == BootPart::kSecureBootKeys) return "has rules of its own: write boot.secureBootKeys of the NodePolicy";
  if (part == BootPart::kAuthorities) return "has rules of its own: write boot.signers of the NodePolicy";
  if (part == BootPart::kSeparators) return "are always judged, without a rule; remove it";
  if (part == BootPart::kPhases) return "are accepted in their order, without a rule; remove it";
  return "";
}

}  // namespace

Accepted ReadAccepted(ObjectReader& part, const AcceptOptions& options, bool texts) {
  Accepted accepted;
  if (options.any) {
    accepted.any = part.OptionalBool("any").value_or(false);
    if (accepted.any && part.view().size() > 1 && HasOnly(part, {"any", "digests", "exact", "globs", "regexes"}))
      part.Fail("any", "accepts whatever it is, so that the rest decides nothing; keep one of them");
  } else if (part.Has("any")) {
    part.Fail("any", "is for accept of a NodePolicy's boot: here stands what is good; remove it");
  }
  accepted.digests = ReadDigests(part, "digests", options.bank);
  if (!texts) {
    for (const char* key : {"exact", "globs", "regexes"}) {
      if (part.Has(key))
        part.Fail(key, "has no meaning here: of this part only digests are measured, no names; write digests");
    }
    return accepted;
  }
  ReadExact(part, accepted);
  ReadMatchers(part, "globs", &TextMatcher::FromGlob, options.any, accepted);
  ReadMatchers(part, "regexes", &TextMatcher::FromRegex, options.any, accepted);
  return accepted;
}

AcceptedParts ReadParts(ObjectReader& parts, const AcceptOptions& options) {
  AcceptedParts accepted;
  for (std::string_view name : claims::kBootPartNames) {
    const claims::BootPart part = *claims::ParseBootPart(name);
    if (std::string problem = RuledOtherwise(part); !problem.empty()) {
      if (parts.Has(name)) parts.Fail(name, problem);
      continue;
    }
    parts.Object(name, Presence::kOptional, [&](ObjectReader& reader) {
      Accepted one = ReadAccepted(reader, options, HasTexts(part));
      if (one.empty() && HasOnly(reader, {"any"}))
        reader.Fail("", std::string("accepts nothing; write ") + (options.any ? "any: true, " : "") + "digests" +
                            (HasTexts(part) ? ", exact, globs or regexes" : "") + ", or remove it");
      accepted.emplace(part, std::move(one));
    });
  }
  if (parts.view().size() == 0) parts.Fail("", "names no part of a boot; write some, such as firmware, or remove it");
  return accepted;
}

}  // namespace gatehouse::policy
