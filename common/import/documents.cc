#include "common/import/documents.h"

namespace gatehouse::importer {

std::string Draft::PublicGood() {
  report.notes.insert("TrustRoot " + options.public_good +
                      " must hold Sigstore's public-good material (spec.sigstore.trustedRoot, or tuf): write it");
  return options.public_good;
}

Node Document(const std::string& kind, const std::string& name, Node spec) {
  Node metadata;
  metadata.Set("name", name);
  Node document;
  document.Set("apiVersion", "gatehouse.dev/v1alpha1").Set("kind", kind).Set("metadata", std::move(metadata));
  document.Set("spec", std::move(spec));
  return document;
}

std::string NameOf(std::string_view text) {
  std::string name;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (plain) {
      name += c;
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  while (!name.empty() && name.back() == '-') name.pop_back();
  return name.empty() ? "imported" : name.substr(0, 63);
}

Node Globs(const std::vector<std::string>& globs) {
  Node::List list;
  for (const std::string& glob : globs) {
    Node entry;
    entry.Set("glob", glob);
    list.push_back(std::move(entry));
  }
  return list;
}

std::optional<std::string> WithRegistry(const std::string& glob) {
  if (glob == "**") return glob;
  if (glob == "*/*") return "docker.io/" + glob;
  const std::size_t slash = glob.find('/');
  const std::string first = glob.substr(0, slash);
  if (first.find("**") != std::string::npos) return std::nullopt;
  if (slash == std::string::npos) return "docker.io/library/" + glob;
  const bool registry = first.find_first_of(".:") != std::string::npos || first == "localhost" || first == "*";
  if (!registry && first.find('*') != std::string::npos) return std::nullopt;
  return registry ? glob : "docker.io/" + glob;
}

std::string Crossing(std::string_view text) {
  std::string out;
  for (char c : text) out += c == '*' ? std::string("**") : std::string(1, c);
  return out;
}

std::string Pem(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text + "\n";
}

}  // namespace gatehouse::importer
