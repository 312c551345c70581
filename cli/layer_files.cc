#include "cli/layer_files.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"

namespace gatehouse::cli {
namespace {

constexpr int kLinkHops = 255;

bool IsGzip(std::string_view type) {
  return type == "application/vnd.oci.image.layer.v1.tar+gzip" ||
         type == "application/vnd.docker.image.rootfs.diff.tar.gzip";
}

bool IsPlain(std::string_view type) {
  return type == "application/vnd.oci.image.layer.v1.tar" || type == "application/vnd.docker.image.rootfs.diff.tar";
}

// "a/./b//c/" → {"a", "b", "c"}.
std::vector<std::string> Components(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return parts;
}

Error Odd(std::string_view path, std::string_view why) {
  return {Reason::kManifestMalformed, "layer", "'" + Printable(path) + "': " + std::string(why)};
}

// What the loader, a shell or the kernel run, by its first bytes.
class Content {
 public:
  void Update(BytesView piece) {
    hasher_.Update(piece);
    for (std::size_t i = 0; i < piece.size() && have_ < first_.size(); ++i) first_.at(have_++) = piece[i];
  }
  [[nodiscard]] bool IsProgram() const {
    const std::string_view first = AsText(BytesView(first_).first(have_));
    return first ==
               "\x7f"
               "ELF" ||
           first.starts_with("#!");
  }
  [[nodiscard]] Bytes Digest() && { return std::move(hasher_).Finish(); }

 private:
  crypto::Hasher hasher_{HashAlgorithm::kSha256};
  std::array<std::uint8_t, 4> first_{};
  std::size_t have_ = 0;
};

bool IsLibrary(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t suffix = name.find(".so");
  return name.starts_with("lib") && suffix != std::string_view::npos &&
         (suffix + 3 == name.size() || name[suffix + 3] == '.');
}

}  // namespace

// Where a name is, its folders' symbolic links followed within the image. The last component is not followed.
Result<std::string> ImageFiles::Place(std::string_view path) const {
  std::vector<std::string> todo = Components(path);
  for (const std::string& part : todo) {
    if (part == "..") return Odd(path, "a name with '..'");
  }
  std::reverse(todo.begin(), todo.end());
  std::string at;
  for (int hops = 0; !todo.empty();) {
    const std::string part = std::move(todo.back());
    todo.pop_back();
    if (part == "..") {  // of a link: at most up to the root
      at.resize(std::min(at.rfind('/'), at.size()));
      continue;
    }
    const std::string next = at + "/" + part;
    const auto node = nodes_.find(next);
    if (todo.empty() || node == nodes_.end() || !node->second.link) {
      at = next;
      continue;
    }
    if (++hops > kLinkHops) return Odd(path, "its folders' symbolic links lead in a circle");
    std::vector<std::string> target = Components(node->second.target);
    if (node->second.target.starts_with('/')) at.clear();
    todo.insert(todo.end(), target.rbegin(), target.rend());
  }
  if (at.size() > limits::kImaPathBytes) return Odd(path, "a path longer than any");
  return at;
}

void ImageFiles::RemoveBelow(const std::string& folder, bool older_only) {
  const std::string prefix = folder + "/";
  for (auto it = nodes_.lower_bound(prefix); it != nodes_.end() && it->first.starts_with(prefix);) {
    it = older_only && it->second.layer == layer_ ? std::next(it) : nodes_.erase(it);
  }
}

void ImageFiles::Remove(const std::string& path) {
  RemoveBelow(path, false);
  nodes_.erase(path);
}

// layer.md, "Whiteouts": they hide what earlier layers have, never what the same layer has.
Status ImageFiles::Whiteout(const std::string& folder, std::string_view name) {
  constexpr std::string_view kPrefix = ".wh.";
  if (name == ".wh..wh..opq") {
    RemoveBelow(folder, true);
    return Ok();
  }
  if (name.starts_with(".wh..wh.")) return Ok();  // AUFS keeps its own affairs there
  const std::string hidden(name.substr(kPrefix.size()));
  if (hidden.empty() || hidden == "." || hidden == "..") return Odd(name, "a whiteout of nothing");
  const std::string path = folder + "/" + hidden;
  RemoveBelow(path, true);
  const auto node = nodes_.find(path);
  if (node != nodes_.end() && node->second.layer != layer_) nodes_.erase(node);
  return Ok();
}

Status ImageFiles::Add(const LayerEntry& entry) {
  ASSIGN_OR_RETURN(const std::string path, Place(entry.path));
  if (path.empty()) return entry.kind == LayerEntry::Kind::kFolder ? Ok() : Status(Odd(entry.path, "is the root"));
  const std::size_t slash = path.rfind('/');
  if (const std::string_view name = std::string_view(path).substr(slash + 1); name.starts_with(".wh."))
    return Whiteout(path.substr(0, slash), name);
  if (entry.kind == LayerEntry::Kind::kFolder) {
    nodes_.erase(path);
    return Ok();
  }
  Node node;
  node.layer = layer_;
  if (entry.kind == LayerEntry::Kind::kHardLink) {
    ASSIGN_OR_RETURN(const std::string target, Place(entry.target));
    const auto found = nodes_.find(target);
    if (found == nodes_.end()) return Odd(entry.path, "a hard link to what is not there");
    if (target == path) return Ok();
    node = found->second;
    node.layer = layer_;
  }
  Remove(path);
  if (entry.kind == LayerEntry::Kind::kOther) return Ok();
  if (nodes_.size() >= limits::kImageFiles)
    return Error{Reason::kLimitExceeded, "image", "has more than " + std::to_string(limits::kImageFiles) + " files"};
  if (entry.kind == LayerEntry::Kind::kSymbolicLink) {
    node.link = true;
    node.target = entry.target;
  }
  if (entry.kind == LayerEntry::Kind::kFile) node.runnable = entry.executable;
  nodes_[path] = std::move(node);
  return Ok();
}

Status ImageFiles::AddLayer(std::string_view media_type, BytesView blob) {
  if (media_type.ends_with("zstd")) {
    return Error{Reason::kContentUnsupported, "layer",
                 "is compressed with zstd, which is not supported: push the image with gzip layers"};
  }
  if (!IsGzip(media_type) && !IsPlain(media_type)) {
    return Error{Reason::kContentUnsupported, "layer",
                 "'" + Printable(media_type, 100) + "' is no layer of a container image for Linux"};
  }
  ++layer_;
  std::optional<Content> content;
  Node* file = nullptr;
  TarReader reader({.begin = [&](const LayerEntry& entry) -> Status {
                      file = nullptr;
                      RETURN_IF_ERROR(Add(entry));
                      if (entry.kind != LayerEntry::Kind::kFile) return Ok();
                      ASSIGN_OR_RETURN(const std::string path, Place(entry.path));
                      const auto node = nodes_.find(path);
                      content.emplace();
                      file = node == nodes_.end() ? nullptr : &node->second;  // a whiteout
                      return Ok();
                    },
                    .data = [&](BytesView piece) { content->Update(piece); },
                    .end =
                        [&] {
                          if (file == nullptr) return;
                          file->runnable = file->runnable || content->IsProgram();
                          const Bytes digest = std::move(*content).Digest();
                          std::copy(digest.begin(), digest.end(), file->digest.begin());
                        }});
  if (IsPlain(media_type)) {
    if (blob.size() > limits::kImageUnpackedBytes - unpacked_)
      return Error{Reason::kLimitExceeded, "layer", "unpacks to more than an image may have"};
    unpacked_ += blob.size();
    RETURN_IF_ERROR(reader.Feed(blob));
    return reader.Finish();
  }
  RETURN_IF_ERROR(Gunzip(blob, limits::kImageUnpackedBytes - unpacked_, [&](BytesView piece) {
    unpacked_ += piece.size();
    return reader.Feed(piece);
  }));
  return reader.Finish();
}

std::map<std::string, Bytes> ImageFiles::Runnable() const {
  std::map<std::string, Bytes> files;
  for (const auto& [path, node] : nodes_) {
    if (!node.link && (node.runnable || IsLibrary(path))) files[path] = Bytes(node.digest.begin(), node.digest.end());
  }
  return files;
}

std::size_t ImageFiles::files() const {
  return static_cast<std::size_t>(
      std::count_if(nodes_.begin(), nodes_.end(), [](const auto& each) { return !each.second.link; }));
}

}  // namespace gatehouse::cli
