// IMA logs: by path.
#include <map>
#include <set>

#include "common/base/encoding.h"
#include "common/evidence/ima/log.h"
#include "common/measure/diff.h"

namespace gatehouse::measure {
namespace {

namespace ima = evidence::ima;

struct Path {
  std::uint64_t first = 0;  // entry
  std::set<std::string> digests;
};
using Paths = std::map<std::string, Path>;

std::string DigestOf(const ima::Frame& frame, const ima::Fields& fields) {
  if (frame.violation()) return "a violation (open for writing while it was measured)";
  std::string text = fields.verity ? "verity:" : "";
  text += std::string(fields.algorithm_name) + (fields.algorithm_name.empty() ? "" : ":") + EncodeHex(fields.digest);
  return Printable(text);
}

Result<Paths> ReadPaths(BytesView log) {
  ima::Encoding encoding = ima::GuessEncoding(log);
  Bytes converted;
  if (encoding == ima::Encoding::kAscii) {
    ASSIGN_OR_RETURN(converted, ima::AsciiToBinary(log));
    log = converted;
    encoding = ima::Encoding::kLittleEndian;
  }
  Paths paths;
  ima::FrameReader reader(encoding);
  for (std::uint64_t number = 0; !log.empty(); ++number) {
    ASSIGN_OR_RETURN(auto found, reader.Next(log));
    if (!found) {
      return Error{Reason::kImaLogMalformed, "ima entry " + std::to_string(number), "the log ends within it"};
    }
    ASSIGN_OR_RETURN(ima::Fields fields, ima::ParseFields(found->frame, encoding));
    std::string name = fields.has_path ? std::string(fields.path) : "(no path)";
    if (fields.has_buffer) name = "buffer " + name;
    auto [path, is_new] = paths.try_emplace(std::move(name));
    if (is_new) path->second.first = number;
    path->second.digests.insert(DigestOf(found->frame, fields));
    log = log.subspan(found->size);
  }
  return paths;
}

std::string List(const std::set<std::string>& digests) {
  std::string text;
  for (const std::string& digest : digests) text += (text.empty() ? "" : " and ") + digest;
  return Printable(text, 1024);
}

std::string Subject(const std::string& path) {
  return Printable(path, 1024);
}

}  // namespace

Result<std::vector<Difference>> DiffImaLogs(BytesView a, BytesView b) {
  ASSIGN_OR_RETURN(const Paths of_a, ReadPaths(a));
  ASSIGN_OR_RETURN(const Paths of_b, ReadPaths(b));
  std::vector<Difference> differences;
  for (const auto& [name, path] : of_a) {
    const auto other = of_b.find(name);
    if (other == of_b.end()) {
      differences.push_back(
          {Difference::Kind::kOnlyInA, std::nullopt, path.first, std::nullopt, Subject(name), List(path.digests)});
    } else if (other->second.digests != path.digests) {
      std::string what = name == "boot_aggregate" ? "another boot: " : "";
      what += List(other->second.digests) + " instead of " + List(path.digests);
      differences.push_back(
          {Difference::Kind::kChanged, std::nullopt, path.first, other->second.first, Subject(name), std::move(what)});
    }
  }
  for (const auto& [name, path] : of_b) {
    if (of_a.contains(name)) continue;
    differences.push_back(
        {Difference::Kind::kOnlyInB, std::nullopt, std::nullopt, path.first, Subject(name), List(path.digests)});
  }
  return differences;
}

}  // namespace gatehouse::measure
