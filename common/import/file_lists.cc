#include "common/import/file_lists.h"

#include <algorithm>
#include <array>
#include <optional>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/import/file_list_parts.h"

namespace gatehouse::importer {
namespace {

// GNU coreutils: a line that begins with \ has \\, \n and \r for these characters in its name.
std::optional<std::string> Unescaped(std::string_view name) {
  constexpr std::string_view kLetters = "\\nr";
  constexpr std::string_view kCharacters = "\\\n\r";
  std::string text;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '\\') {
      text += name[i];
      continue;
    }
    if (++i == name.size()) return std::nullopt;
    const std::size_t at = kLetters.find(name[i]);
    if (at == std::string_view::npos) return std::nullopt;
    text += kCharacters[at];
  }
  return text;
}

bool IsHex(std::string_view text) {
  auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); };
  return !text.empty() && std::all_of(text.begin(), text.end(), digit);
}

bool IsNumber(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

struct Line {
  std::string_view digest;  // hex
  std::string path;
};

// "HEX  PATH" or "HEX *PATH".
std::optional<Line> ParseSum(std::string_view line, bool escaped) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || line.size() < space + 3) return std::nullopt;
  if (!IsHex(line.substr(0, space)) || (line[space + 1] != ' ' && line[space + 1] != '*')) return std::nullopt;
  auto path = escaped ? Unescaped(line.substr(space + 2)) : std::string(line.substr(space + 2));
  if (!path) return std::nullopt;
  return Line{line.substr(0, space), *std::move(path)};
}

// "SHA256 (PATH) = HEX". The last ") = " ends the path: hex has none.
std::optional<Line> ParseTagged(std::string_view line, bool escaped) {
  constexpr std::string_view kEnd = ") = ";
  const std::size_t begin = line.find(" (");
  const std::size_t end = line.rfind(kEnd);
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin + 2) return std::nullopt;
  const std::string_view digest = line.substr(end + kEnd.size());
  // Of other tools of that form (SHA3, BLAKE2b) the length alone would tell a lie.
  constexpr std::array<std::pair<std::string_view, std::size_t>, 5> kNames = {
      {{"SHA256", 64}, {"SHA384", 96}, {"SHA512", 128}, {"SHA1", 40}, {"MD5", 32}}};
  const std::pair<std::string_view, std::size_t> named{line.substr(0, begin), digest.size()};
  if (std::find(kNames.begin(), kNames.end(), named) == kNames.end() || !IsHex(digest)) return std::nullopt;
  const std::string_view name = line.substr(begin + 2, end - begin - 2);
  auto path = escaped ? Unescaped(name) : std::string(name);
  if (!path) return std::nullopt;
  return Line{digest, *std::move(path)};
}

// A line of rpm --dump: ten fields from the right; what is before them is the path, which may have spaces.
std::optional<Line> ParseRpm(std::string_view line) {
  if (!line.starts_with('/')) return std::nullopt;
  std::array<std::string_view, 10> fields;
  for (std::size_t i = fields.size(); i > 0; --i) {
    const std::size_t space = line.rfind(' ');
    if (space == std::string_view::npos) return std::nullopt;
    fields.at(i - 1) = line.substr(space + 1);
    line = line.substr(0, space);
  }
  const auto& [size, mtime, digest, mode, owner, group, config, documentation, device, link] = fields;
  const bool flags = (config == "0" || config == "1") && (documentation == "0" || documentation == "1");
  if (!IsNumber(size) || !IsNumber(mtime) || !IsNumber(mode) || !mode.starts_with('0') || !flags) return std::nullopt;
  // What is no file, and what is only listed (%ghost), has zeros.
  const bool none = digest.find_first_not_of('0') == std::string_view::npos;
  if (none) return Line{"", std::string(line)};
  if (!IsHex(digest) || !mode.starts_with("0100")) return std::nullopt;
  return Line{digest, std::string(line)};
}

// A symbolic link whose target has spaces: "PATH SIZE MTIME 00… 0120777 …".
bool IsRpmLink(std::string_view line) {
  return line.starts_with('/') && line.find(" 0120777 ") != std::string_view::npos;
}

Status ReadLine(std::string_view line, const std::string& where, ListReader& list) {
  if (line.empty() || line.starts_with('#') || line == "(contains no files)") return Ok();
  if (line.starts_with("Checksums-") || line.starts_with("Format: ") || line.starts_with("-----BEGIN PGP")) {
    list.Refuse(where,
                "checksums of Debian packages are not those of the files in them: unpack them and use sha256sum");
    return Ok();
  }
  const bool escaped = line.starts_with('\\');
  const std::string_view rest = escaped ? line.substr(1) : line;
  auto parsed = ParseSum(rest, escaped);
  if (!parsed) parsed = ParseTagged(rest, escaped);
  if (!parsed) {
    parsed = ParseRpm(line);
    if (parsed && parsed->digest.empty()) return list.Passed();
    if (!parsed && IsRpmLink(line)) return list.Passed();
  }
  if (!parsed) {
    return Error{
        Reason::kDigestMalformed, where,
        "'" + Printable(line, 100) + "' is no line of sha256sum or of rpm --dump, and the list is no JSON of Keylime"};
  }
  return list.Add(where, parsed->digest, parsed->path);
}

Status ReadLines(std::string_view text, ListReader& list) {
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    RETURN_IF_ERROR(ReadLine(line, list.source() + ":" + std::to_string(++number), list));
  }
  return Ok();
}

}  // namespace

void ListReader::Refuse(const std::string& where, const std::string& why) {
  if (++refused_ <= FileList::kRefusals) list_.refused.push_back(where + ": " + why);
}

Status ListReader::Add(const std::string& where, std::string_view hex, std::string_view path) {
  std::string lower(hex);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + ('a' - 'A')) : c; });
  if (lower.size() == 32 || lower.size() == 40) {
    Refuse(where, std::string(lower.size() == 32 ? "MD5" : "SHA-1") +
                      " does not identify a file; on a machine that you trust, list the same files with sha256sum");
    return Ok();
  }
  auto digest = DecodeHex(lower);
  if (!digest.ok()) return Error{Reason::kDigestMalformed, where, digest.error().detail};
  std::optional<HashAlgorithm> algorithm;
  for (HashAlgorithm each : {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    if (digest->size() == DigestSize(each)) algorithm = each;
  }
  if (!algorithm) {
    Refuse(where, "a digest of " + std::to_string(digest->size()) + " bytes is none of SHA-256, SHA-384 and SHA-512");
    return Ok();
  }
  if (path.size() > limits::kImaPathBytes || path.find('\0') != std::string_view::npos)
    return Error{Reason::kDigestMalformed, where, "the path is longer than any, or has a NUL"};
  if (list_.entries.size() >= limits::kDigestSetEntries) {
    return Error{Reason::kLimitExceeded, where,
                 "more than " + std::to_string(limits::kDigestSetEntries) + " files in one list"};
  }
  std::string absolute(path == "-" ? "" : path);  // "-": standard input
  if (absolute.starts_with("./")) absolute.erase(0, 1);
  if (!absolute.empty() && !absolute.starts_with('/')) absolute.insert(0, "/");
  list_.entries.push_back({*algorithm, *std::move(digest), std::move(absolute)});
  return Ok();
}

FileList ListReader::Finish() && {
  if (passed_ > 0) Note(std::to_string(passed_) + " entries have no digest (folders, links): passed over");
  if (refused_ > FileList::kRefusals)
    list_.refused.push_back("and " + std::to_string(refused_ - FileList::kRefusals) + " more");
  return std::move(list_);
}

Result<FileList> ReadFileList(std::string_view text, const std::string& source) {
  if (text.size() > limits::kFileListBytes) return Error{Reason::kLimitExceeded, source, "is larger than 1 GiB"};
  ListReader list(source);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') {
    RETURN_IF_ERROR(ReadKeylime(text, list));
  } else {
    RETURN_IF_ERROR(ReadLines(text, list));
  }
  FileList result = std::move(list).Finish();
  if (result.entries.empty() && result.refused.empty()) return Error{Reason::kUsage, source, "lists no files"};
  return result;
}

std::string FormatSum(BytesView digest, std::string_view path) {
  std::string escaped;
  for (char c : path) {
    if (c == '\\') {
      escaped += "\\\\";
    } else if (c == '\n') {
      escaped += "\\n";
    } else if (c == '\r') {
      escaped += "\\r";
    } else {
      escaped += c;
    }
  }
  return (escaped.size() == path.size() ? "" : "\\") + EncodeHex(digest) + "  " + escaped + "\n";
}

}  // namespace gatehouse::importer
