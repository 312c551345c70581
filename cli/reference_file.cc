#include "cli/reference_file.h"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "common/base/encoding.h"
#include "common/base/file.h"
#include "common/codec/json.h"
#include "common/crypto/hash.h"

namespace gatehouse::cli {
namespace {

std::string Quoted(std::string_view text) {
  codec::JsonWriter json;
  json.String(text);
  return std::move(json).Finish();
}

// As the webhook takes files of its folder (common/policy).
bool IsFileName(std::string_view name) {
  auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-' || c == '+';
  };
  return !name.empty() && name.size() <= 253 && name.front() != '.' && std::all_of(name.begin(), name.end(), fits);
}

// A name as documents may have it, from a file's.
std::string NameOf(const std::string& file) {
  std::string name;
  for (char c : file) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (letter || (!name.empty() && name.back() != '-')) name += letter ? c : '-';
  }
  while (name.ends_with('-')) name.pop_back();
  return name.empty() ? "files" : name.substr(0, 60);
}

std::string Document(const ReferenceFile& file, const MeasureOptions& options, const std::string& name,
                     const Digest& pin) {
  const std::string document = options.name.empty() ? NameOf(name) : options.name;
  const std::string set = options.set.empty() ? "files" : options.set;
  std::string yaml = "# " + Printable(file.source, 500) + "\n";
  yaml += "# Put " + Printable(name) + " into the folder that the webhook's referenceFiles names.\n";
  yaml += "apiVersion: gatehouse.dev/v1alpha1\nkind: ReferenceValues\nmetadata:\n  name: " + Quoted(document) +
          "\nspec:\n  sets:\n    - name: " + Quoted(set) + "\n      tpm:\n        ima:\n          files:\n";
  yaml += "            - name: " + Quoted(name) + "\n              sha256: " + Quoted(pin.hex()) + "\n";
  if (file.from_images) yaml += "          from: images\n";
  return yaml;
}

}  // namespace

int ExitCodeOf(const Error& error) {
  const ReasonClass kind = ClassOf(error.reason);
  if (kind == ReasonClass::kUnavailable) return kCouldNotCheck;
  return kind == ReasonClass::kUsage ? kUsageOrPolicy : kRefused;
}

int WriteReferenceFile(ReferenceFile file, const MeasureOptions& options) {
  const std::filesystem::path path = std::filesystem::absolute(options.output);
  const std::string name = path.filename().string();
  if (!IsFileName(name)) {
    PrintError({Reason::kUsage, "--output", "the file's name may have letters, digits, ., _, + and - only"},
               options.json);
    return kUsageOrPolicy;
  }
  auto set = appraisal::DigestSet::Make(std::move(file.entries));
  if (!set.ok()) {
    PrintError(set.error(), options.json);
    return ExitCodeOf(set.error());
  }
  const Bytes bytes = (*set)->Serialize();
  if (const Status written = WriteFile(path, bytes); !written.ok()) {
    PrintError(written.error(), options.json);
    return ExitCodeOf(written.error());
  }
  const Digest pin = crypto::Sha256Digest(bytes);
  if (!options.json) {
    for (const std::string& note : file.notes) std::cerr << "note: " << note << "\n";
    std::cerr << (*set)->size() << " digests in " << Printable(options.output) << ", " << pin.text() << "\n";
    std::cout << Document(file, options, name, pin);
    return kAdmitted;
  }
  codec::JsonWriter json;
  json.BeginObject().Member("file", name).Member("sha256", pin.hex()).Key("entries").Uint((*set)->size());
  json.Member("source", file.source).Key("notes").BeginArray();
  for (const std::string& note : file.notes) json.String(note);
  json.EndArray().EndObject();
  std::cout << std::move(json).Finish() << "\n";
  return kAdmitted;
}

}  // namespace gatehouse::cli
