#include "webhook/certificates/key_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <mutex>
#include <optional>
#include <system_error>

#include "common/base/encoding.h"
#include "common/base/file.h"
#include "common/base/limits.h"

namespace gatehouse::webhook {
namespace {

std::string ErrorText(int number) {
  return std::generic_category().message(number);
}

// The bytes of an entry: of a Secret base64, of a ConfigMap text (data) or base64 (binaryData). Nothing if it is absent
// or empty. Errors: kEncodingMalformed.
Result<std::optional<Bytes>> EntryOf(codec::JsonView object, bool secret, const std::string& entry) {
  auto find = [&](std::string_view field) -> std::optional<std::string_view> {
    auto data = object.Find(field);
    auto value = data.has_value() ? data->Find(entry) : std::nullopt;
    return value.has_value() ? value->AsString() : std::nullopt;
  };
  auto text = find("data");
  auto base64 = secret ? text : find("binaryData");
  if (!secret && text.has_value() && !text->empty()) return std::optional(ToBytes(*text));
  if (!base64.has_value() || base64->empty()) return std::optional<Bytes>();
  auto bytes = DecodeBase64(*base64);
  if (!bytes.ok()) return Error{Reason::kEncodingMalformed, entry, "is not base64"};
  return std::optional(*std::move(bytes));
}

// A file that is written beside its place, and takes it when everything else is written as well.
struct Pending {
  std::filesystem::path path;
  std::filesystem::path beside;
};

Status WriteBeside(const std::filesystem::path& path, BytesView content) {
  int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return Error{Reason::kInternal, path.string(), "cannot be written: " + ErrorText(errno)};
  // What was left by a process that ended in between may have had another mode.
  bool written = ::fchmod(file, 0600) == 0;
  while (written && !content.empty()) {
    ssize_t count = ::write(file, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    written = count > 0;
    if (written) content = content.subspan(static_cast<std::size_t>(count));
  }
  int failure = errno;
  ::close(file);
  if (written) return Ok();
  ::unlink(path.c_str());
  return Error{Reason::kInternal, path.string(), "cannot be written: " + ErrorText(failure)};
}

struct FileOf {
  std::string entry;
  std::string file;
  bool optional;
};

// Keeps the files of one object.
class Keeper final : public kube::Observer {
 public:
  Keeper(std::filesystem::path folder, const KeyObject& object, telemetry::Logger& log)
      : folder_(std::move(folder)),
        secret_(object.resource.plural == "secrets"),
        name_((secret_ ? "Secret " : "ConfigMap ") + object.namespace_name + "/" + object.name),
        object_name_(object.name),
        log_(log) {
    for (auto [entry, file] : object.files) {
      bool optional = file.ends_with('?');
      if (optional) file.pop_back();
      files_.push_back({entry, file, optional});
    }
  }

  void OnObject(const kube::ObjectKey& key, codec::JsonView object) override {
    if (key.name != object_name_) return;
    there_ = true;
    Status taken = Take(object);
    SetProblem(taken.ok() ? "" : taken.error().where + ": " + taken.error().detail);
  }
  void OnGone(const kube::ObjectKey& key) override {
    if (key.name == object_name_) there_ = false;
  }
  void OnSettled() override {
    if (!there_) SetProblem("does not exist");
  }

  [[nodiscard]] bool Ready() const {
    for (const FileOf& file : files_) {
      struct stat status {};
      if (!file.optional && (::stat((folder_ / file.file).c_str(), &status) != 0 || status.st_size == 0)) return false;
    }
    return true;
  }
  // `in_step` is the informer's problem.
  [[nodiscard]] std::string Problem(bool synced, const std::string& in_step) const {
    std::scoped_lock lock(mutex_);
    if (!problem_.empty()) return name_ + ": " + problem_;
    if (!in_step.empty()) return name_ + ": " + in_step;
    return synced ? "" : name_ + ": was not read yet";
  }

 private:
  Status Take(codec::JsonView object) {
    std::vector<std::pair<const FileOf*, std::optional<Bytes>>> contents;
    for (const FileOf& file : files_) {
      ASSIGN_OR_RETURN(auto content, EntryOf(object, secret_, file.entry));
      if (!content.has_value() && !file.optional) {
        return Error{Reason::kEncodingMalformed, file.entry, "is missing or empty; the file stays as it was"};
      }
      if (content.has_value() && content->size() > limits::kTlsFileBytes) {
        return Error{Reason::kLimitExceeded, file.entry, "is too large; the file stays as it was"};
      }
      contents.emplace_back(&file, std::move(content));
    }
    return Write(contents);
  }

  Status Write(const std::vector<std::pair<const FileOf*, std::optional<Bytes>>>& contents) {
    std::vector<Pending> pending;
    for (const auto& [file, content] : contents) {
      std::filesystem::path path = folder_ / file->file;
      if (!content.has_value()) continue;
      auto now = ReadFileIfPresent(path, limits::kTlsFileBytes);
      if (now.ok() && now->has_value() && **now == *content) continue;
      std::filesystem::path beside = folder_ / ("." + file->file + ".new");
      RETURN_IF_ERROR(WriteBeside(beside, *content));
      pending.push_back({std::move(path), std::move(beside)});
    }
    for (const Pending& one : pending) {
      if (::rename(one.beside.c_str(), one.path.c_str()) != 0) {
        return Error{Reason::kInternal, one.path.string(), "cannot be replaced: " + ErrorText(errno)};
      }
      log_.Info("a key file was replaced", {{"object", name_}, {"file", one.path.filename().string()}});
    }
    for (const auto& [file, content] : contents) {
      if (!content.has_value()) ::unlink((folder_ / file->file).c_str());
    }
    return Ok();
  }

  void SetProblem(std::string problem) {
    std::scoped_lock lock(mutex_);
    if (!problem.empty() && problem != problem_) {
      log_.Warn("keys cannot be taken from the cluster; what is there goes on to be used",
                {{"object", name_}, {"detail", problem}});
    }
    problem_ = std::move(problem);
  }

  const std::filesystem::path folder_;
  const bool secret_;
  const std::string name_;
  const std::string object_name_;
  telemetry::Logger& log_;
  std::vector<FileOf> files_;
  bool there_ = false;  // of the informer's thread
  mutable std::mutex mutex_;
  std::string problem_;
};

}  // namespace

struct KeyFiles::Impl {
  struct Watched {
    std::unique_ptr<Keeper> keeper;
    std::unique_ptr<kube::Informer> informer;
  };
  std::filesystem::path folder;
  std::vector<Watched> objects;
};

KeyFiles::KeyFiles(kube::Api& api, std::string folder, std::vector<KeyObject> objects, telemetry::Logger& log,
                   Random random)
    : impl_(std::make_unique<Impl>()) {
  impl_->folder = std::move(folder);
  for (const KeyObject& object : objects) {
    auto keeper = std::make_unique<Keeper>(impl_->folder, object, log);
    kube::InformerOptions options{.resource = object.resource,
                                  .namespace_name = object.namespace_name,
                                  .field_selector = "metadata.name=" + object.name};
    auto informer = std::make_unique<kube::Informer>(api, std::move(options), *keeper, log, random);
    impl_->objects.push_back({std::move(keeper), std::move(informer)});
  }
}

KeyFiles::~KeyFiles() {
  Stop();
}

Status KeyFiles::Start() {
  const std::string& folder = impl_->folder.string();
  std::error_code failure;
  std::filesystem::create_directories(impl_->folder.parent_path(), failure);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error{Reason::kInternal, folder, "the folder for keys cannot be made: " + ErrorText(errno)};
  }
  struct stat status {};
  if (::lstat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    return Error{Reason::kInternal, folder, "is no folder"};
  }
  if ((status.st_mode & 0777U) != 0700 && ::chmod(folder.c_str(), 0700) != 0) {
    return Error{Reason::kInternal, folder, "others may read it, and its mode cannot be changed: " + ErrorText(errno)};
  }
  for (auto& object : impl_->objects) object.informer->Start();
  return Ok();
}

void KeyFiles::Stop() {
  for (auto& object : impl_->objects) object.informer->Stop();
}

bool KeyFiles::Ready() const {
  for (const auto& object : impl_->objects) {
    if (!object.keeper->Ready()) return false;
  }
  return true;
}

std::vector<std::string> KeyFiles::Problems() const {
  std::vector<std::string> problems;
  for (const auto& object : impl_->objects) {
    std::string problem = object.keeper->Problem(object.informer->Synced(), object.informer->Problem());
    if (!problem.empty()) problems.push_back(std::move(problem));
  }
  return problems;
}

}  // namespace gatehouse::webhook
