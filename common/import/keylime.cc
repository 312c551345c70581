// Keylime's runtime policies: {"meta", "release", "digests": {PATH: [HEX…]}, "excludes", "keyrings", "ima", "ima-buf",
// "verification-keys"}; its allow-lists before them call the digests "hashes" (keylime/ima/ima.py, "runtime policy").
#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/import/file_list_parts.h"

namespace gatehouse::importer {
namespace {

using codec::JsonView;

std::string Quoted(std::string_view text) {
  codec::JsonWriter json;
  json.String(text);
  return std::move(json).Finish();
}

// The texts of an array; anything else in it is malformed.
Result<std::vector<std::string>> Texts(JsonView view, const std::string& where) {
  std::vector<std::string> texts;
  if (!view.IsArray()) return Error{Reason::kJsonMalformed, where, "must be a list of texts"};
  for (std::size_t i = 0; i < view.size(); ++i) {
    auto text = view.at(i).AsString();
    if (!text) return Error{Reason::kJsonMalformed, where, "must be a list of texts"};
    texts.emplace_back(*text);
  }
  return texts;
}

std::string Flow(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + Quoted(text);
  return "[" + list + "]";
}

// RE2 of exactly this text.
std::string Literally(std::string_view text) {
  std::string pattern;
  for (char c : text) {
    if (std::string_view(R"(\.+*?()|[]{}^$)").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

Status ReadDigests(JsonView digests, const std::string& key, ListReader& list) {
  if (!digests.IsObject())
    return Error{Reason::kJsonMalformed, list.source() + ": $." + key, "must be an object of paths"};
  std::size_t without = 0;
  for (std::size_t i = 0; i < digests.size(); ++i) {
    const auto [path, values] = digests.member(i);
    const std::string where = list.source() + ": $." + key + "[" + Quoted(Printable(path, 200)) + "]";
    ASSIGN_OR_RETURN(const auto texts, Texts(values, where));
    if (path == "boot_aggregate") {
      list.Note("boot_aggregate is not taken over: it is judged by the PCRs that it stands for");
      continue;
    }
    if (texts.empty()) ++without;
    for (const std::string& text : texts) RETURN_IF_ERROR(list.Add(where, text, path));
  }
  if (without > 0) list.Note(std::to_string(without) + " paths have no digest: passed over");
  return Ok();
}

Status ReadExcludes(JsonView excludes, const std::string& where, ListReader& list) {
  ASSIGN_OR_RETURN(const auto patterns, Texts(excludes, where));
  std::vector<std::string> ours;
  // Theirs match the beginning of a path, ours the whole of it.
  for (const std::string& pattern : patterns) ours.push_back("(?:" + pattern + ").*");
  if (!ours.empty())
    list.Note("excludes: look at each, then write into a NodePolicy's tpm.ima: exclude: " + Flow(ours));
  return Ok();
}

// {NAME: [HEX…]}
Status ReadBuffers(JsonView buffers, const std::string& where, ListReader& list) {
  if (!buffers.IsObject()) return Error{Reason::kJsonMalformed, where, "must be an object"};
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const auto [name, values] = buffers.member(i);
    ASSIGN_OR_RETURN(const auto digests, Texts(values, where));
    list.Note("write into a NodePolicy's tpm.ima.buffers: {name: " + Quoted(Literally(name)) +
              ", digests: " + Flow(digests) + "}");
  }
  return Ok();
}

Status ReadIma(JsonView ima, const std::string& where, ListReader& list) {
  if (!ima.IsObject()) return Error{Reason::kJsonMalformed, where, "must be an object"};
  for (std::size_t i = 0; i < ima.size(); ++i) {
    const auto [key, value] = ima.member(i);
    if (key == "ignored_keyrings") {
      ASSIGN_OR_RETURN(const auto names, Texts(value, where));
      for (const std::string& name : names) {
        list.Note(name == "*" ? "ignored_keyrings has every key ring: name those in a NodePolicy's tpm.ima.buffers"
                              : "write into a NodePolicy's tpm.ima.buffers: {name: " + Quoted(Literally(name)) +
                                    ", any: true}");
      }
    } else if (key == "dm_policy") {
      if (!value.IsNull())
        list.Note("dm_policy is not taken over: write the names into a NodePolicy's tpm.ima.buffers");
    } else if (key != "log_hash_alg") {  // the log says that itself
      list.Refuse(where, "a member " + Quoted(Printable(key, 64)) + " is not known");
    }
  }
  return Ok();
}

Status ReadMember(std::string_view key, JsonView value, ListReader& list) {
  const std::string where = list.source() + ": $." + Printable(key, 64);
  if (key == "meta" || key == "release") return Ok();
  if (key == "digests" || key == "hashes") return ReadDigests(value, std::string(key), list);
  if (value.IsNull()) return Ok();
  if (key == "excludes" || key == "exclude") return ReadExcludes(value, where, list);
  if (key == "keyrings" || key == "ima-buf") return ReadBuffers(value, where, list);
  if (key == "ima") return ReadIma(value, where, list);
  if (key == "verification-keys") {
    if (value.AsString() != std::string_view() && value.size() + value.AsString().value_or("").size() > 0)
      list.Note("verification-keys are not taken over: write them as PEM into a NodePolicy's tpm.ima.signatures.keys");
    return Ok();
  }
  list.Refuse(where, "is not known");
  return Ok();
}

}  // namespace

Status ReadKeylime(std::string_view text, ListReader& list) {
  ASSIGN_OR_RETURN(const auto document, codec::JsonDocument::Parse(text, {limits::kFileListBytes, list.source()}));
  const JsonView root = document.root();
  if (root.Find("payloadType"))
    return Error{Reason::kUsage, list.source(), "is a signed envelope (DSSE): give what its payload holds"};
  if (!root.Find("digests") && !root.Find("hashes"))
    return Error{Reason::kUsage, list.source(), "is JSON, but no runtime policy of Keylime (there is no \"digests\")"};
  for (std::size_t i = 0; i < root.size(); ++i) {
    const auto [key, value] = root.member(i);
    RETURN_IF_ERROR(ReadMember(key, value, list));
  }
  list.Note("in Keylime a digest counts for its path only: for the same here, set matchPaths: true in tpm.ima");
  return Ok();
}

}  // namespace gatehouse::importer
