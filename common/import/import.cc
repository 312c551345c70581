#include "common/import/import.h"

#include <set>

#include "common/codec/yaml.h"
#include "common/import/documents.h"
#include "common/policy/loader.h"

namespace gatehouse::importer {
namespace {

using Translator = bool (*)(codec::JsonView, Draft&);
constexpr Translator kTranslators[] = {ImportClusterImagePolicy, ImportPolicyControllerTrustRoot, ImportKyverno,
                                       ImportConnaisseur, ImportNotation};

bool Translate(codec::JsonView document, Draft& draft) {
  for (Translator translator : kTranslators) {
    if (translator(document, draft)) return true;
  }
  return false;
}

std::string KindOf(codec::JsonView document) {
  auto kind = document.Find("kind");
  return kind.has_value() && kind->AsString().has_value() ? std::string(*kind->AsString()) : "a document";
}

// What our own loader says of each document by itself: what it would refuse later is refused now.
void Check(const std::vector<Node>& documents, Report& report) {
  std::set<std::string> names;
  for (const Node& document : documents) {
    auto parsed = codec::ParseYaml(document.Write(), "imported");
    if (!parsed.ok()) {
      report.Refuse("$", parsed.error().ToString());
      continue;
    }
    const codec::JsonView root = parsed->front().root();
    auto metadata = root.Find("metadata");
    auto name = metadata.has_value() ? metadata->Find("name") : std::nullopt;
    const std::string whole =
        KindOf(root) + " '" + std::string(name.has_value() ? name->AsString().value_or("") : "") + "'";
    // Theirs are folded to lower case, and cut.
    if (!names.insert(whole).second) report.Refuse("$", "two documents would become " + whole + ": rename one of them");
    Status status = policy::CheckObject(root.Serialize());
    if (!status.ok()) report.Refuse("$", "what came of it is refused: " + status.error().ToString());
  }
}

}  // namespace

Result<Outcome> Import(std::string_view text, const std::string& source, const Options& options) {
  // JSON is YAML.
  ASSIGN_OR_RETURN(auto documents, codec::ParseYaml(text, source));
  Report report{.source = source, .notes = {}, .refused = {}};
  Draft draft{options, report};
  bool any = false;
  for (const codec::JsonDocument& document : documents) {
    if (Translate(document.root(), draft)) {
      any = true;
    } else {
      report.Refuse("$", KindOf(document.root()) + " is of no kind that is translated");
    }
  }
  if (!any) {
    return Error{Reason::kUsage, source,
                 "holds no policy of Sigstore policy-controller, Kyverno, Connaisseur or Notation"};
  }
  if (report.refused.empty()) Check(draft.documents, report);
  Outcome outcome{
      .yaml = {}, .notes = {report.notes.begin(), report.notes.end()}, .refused = std::move(report.refused)};
  if (!outcome.refused.empty()) return outcome;
  for (const Node& document : draft.documents) outcome.yaml += "---\n" + document.Write();
  return outcome;
}

}  // namespace gatehouse::importer
