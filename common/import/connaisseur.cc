// Connaisseur's configuration (Helm values or its config file): validators, and image policies that name them.
#include <algorithm>
#include <map>

#include "common/base/encoding.h"
#include "common/import/documents.h"

namespace gatehouse::importer {
namespace {

struct TrustRoot {
  std::string name;
  Node rule = {};  // {key: …} or {keyless: …}
};

struct Validator {
  bool fixed = false;  // type static
  bool approve = false;
  std::vector<TrustRoot> roots;
  bool log = true;
  bool sct = true;
};

Node KeylessRule(Reader& keyless) {
  Node identity;
  for (const auto& [theirs, ours] : {std::pair{"issuer", "issuer"}, std::pair{"issuerRegex", "issuerRegExp"},
                                     std::pair{"subject", "subject"}, std::pair{"subjectRegex", "subjectRegExp"}}) {
    if (std::string text = keyless.Text(theirs); !text.empty()) identity.Set(ours, text);
  }
  if (keyless.Has("issuerRegex") || keyless.Has("subjectRegex")) {
    keyless.report().notes.insert("regular expressions must match the whole text here");
  }
  Node identities;
  identities.Set("identities", Node::List{std::move(identity)});
  Node rule;
  rule.Set("keyless", std::move(identities));
  return rule;
}

void ReadRoot(Reader& root, Validator& validator) {
  TrustRoot out{.name = root.Text("name")};
  if (const std::string key = root.Text("key"); !key.empty()) {
    if (!key.starts_with("-----BEGIN")) root.Refuse("key", "keys in a key management service are not asked for");
    if (root.Has("keyless")) root.Refuse("key", "stands beside keyless: keep one of them");
    Node data;
    data.Set("data", Pem(key));
    out.rule.Set("key", std::move(data));
  }
  root.Object("keyless", [&](Reader& keyless) { out.rule = KeylessRule(keyless); });
  if (root.Has("cert")) root.Refuse("cert", "write a TrustRoot with this certificate, and a policy with Notation's");
  root.Ignore({"cert"});
  validator.roots.push_back(std::move(out));
}

Validator ReadValidator(Reader& reader) {
  Validator validator;
  const std::string type = reader.Text("type");
  validator.fixed = type == "static";
  if (!validator.fixed && type != "cosign") reader.Refuse("type", "'" + Printable(type, 64) + "' has no equivalent");
  validator.approve = reader.Flag("approve").value_or(false);
  for (const char* member : {"trustRoots", "trust_roots"}) {
    reader.Each(member, [&](Reader& root) { ReadRoot(root, validator); });
  }
  reader.Object("host", [&](Reader& host) {
    if (host.Has("rekor") || host.Has("rekorPubkey") || host.Has("rekorURL")) {
      host.Refuse("", "logs of one's own: write a TrustRoot with their keys");
    }
    host.Ignore({"rekor", "rekorPubkey", "rekorURL"});
  });
  // How the registry is asked is the webhook's configuration.
  if (reader.Has("auth") || reader.Has("cert")) {
    reader.report().notes.insert("credentials and certificates of registries belong into the webhook's configuration");
  }
  reader.Ignore({"auth", "cert"});
  return validator;
}

// "*:*" is everything; ":*" at the end goes without saying. Their '*' crosses '/' (fnmatch).
std::string GlobOf(Reader& entry) {
  std::string pattern = entry.Text("pattern");
  if (pattern.ends_with(":*")) pattern.resize(pattern.size() - 2);
  if (pattern == "*") return "**";
  const std::size_t slash = pattern.find('/');
  if (pattern.empty() || pattern.substr(0, slash).find('*') != std::string::npos) {
    entry.Refuse("pattern", "names no registry, or has a wildcard for it and more: name the registry");
    return "**";
  }
  const std::string glob = WithRegistry(pattern).value_or(pattern);
  return glob.substr(0, glob.find('/')) + Crossing(glob.substr(glob.find('/')));
}

class Policies {
 public:
  Policies(Draft& draft, const std::map<std::string, Validator>& validators) : draft_(draft), validators_(validators) {}

  void Read(Reader& entry) {
    const std::string glob = GlobOf(entry);
    std::string name = entry.Text("validator");
    if (name.empty()) name = "default";
    auto found = validators_.find(name);
    if (found == validators_.end()) return entry.Refuse("validator", "there is no validator " + Printable(name, 64));
    const Validator& validator = found->second;
    ReadWith(entry, validator);
    CheckRequired(entry, validator);
    // What nothing covers is refused here as well.
    if (validator.fixed && !validator.approve && glob == "**") {
      draft_.report.notes.insert("what no policy covers is to be refused: leave unmatchedImages at deny");
      return;
    }
    globs_.emplace_back(entry.path(), glob);
    Node spec;
    spec.Set("images", Globs({glob}));
    spec.Set("authorities", Authorities(validator));
    SetRequire(spec);
    spec.Set("mode", "enforce");
    draft_.documents.push_back(Document("ImagePolicy", "connaisseur-" + std::to_string(++number_), std::move(spec)));
  }

  // The best match decides there; here every policy that covers an image must be met.
  void RefuseOverlaps() {
    for (const auto& [path, glob] : globs_) {
      const std::size_t fixed = glob.find('*');
      for (const auto& [other_path, other] : globs_) {
        if (path == other_path || fixed == std::string::npos || !other.starts_with(glob.substr(0, fixed))) continue;
        draft_.report.Refuse(path, "overlaps with " + other_path +
                                       ": the most specific pattern decides there, and every policy that covers an "
                                       "image must be met here; make the patterns exclude each other");
        return;
      }
    }
  }

 private:
  void ReadWith(Reader& entry, const Validator& validator) {
    wanted_ = "default";
    threshold_.reset();
    required_.clear();
    log_ = validator.log;
    sct_ = validator.sct;
    entry.Object("with", [&](Reader& with) {
      for (const char* member : {"trustRoot", "trust_root"}) {
        if (std::string name = with.Text(member); !name.empty()) wanted_ = name;
      }
      threshold_ = with.Number("threshold");
      required_ = with.Texts("required");
      for (const char* member : {"verifyTLog", "verify_tlog", "verifyInTransparencyLog"}) {
        if (auto flag = with.Flag(member)) log_ = *flag;
      }
      for (const char* member : {"verifySCT", "verify_sct"}) {
        if (auto flag = with.Flag(member)) sct_ = *flag;
      }
      if (!required_.empty() && threshold_.has_value()) {
        with.Refuse("required",
                    "together with a threshold: write a policy for those that must sign, and one for the number");
      }
      const std::string mode = with.Text("mode");
      if (!mode.empty() && mode != "mutate" && mode != "insecureValidateOnly") with.Refuse("mode", "is not known here");
    });
  }

  // Who is not found would not be asked for.
  void CheckRequired(Reader& entry, const Validator& validator) const {
    if (!required_.empty() && wanted_ != "*") entry.Refuse("with.required", "needs trustRoot: \"*\"");
    for (const std::string& name : required_) {
      const bool known = std::any_of(validator.roots.begin(), validator.roots.end(),
                                     [&](const TrustRoot& root) { return root.name == name; });
      if (!known) entry.Refuse("with.required", "the validator has no trust root " + Printable(name, 64));
    }
  }

  Node Authorities(const Validator& validator) {
    Node::List list;
    if (validator.fixed) {
      Node rule;
      rule.Set("action", validator.approve ? "pass" : "fail");
      Node authority;
      authority.Set("name", "static").Set("static", std::move(rule));
      list.push_back(std::move(authority));
      return list;
    }
    for (const TrustRoot& root : validator.roots) {
      const bool listed = std::find(required_.begin(), required_.end(), root.name) != required_.end();
      if (wanted_ != "*" ? root.name != wanted_ : !required_.empty() && !listed) continue;
      Node authority;
      authority.Set("name", NameOf(root.name));
      root.rule.CopyInto(authority);
      const bool keyless = root.rule.Has("keyless");
      if (keyless || log_) authority.Set("trustRoots", Node::Texts({draft_.PublicGood()}));
      if (keyless && !log_) authority.Set("unsafeIgnoreTransparencyLog", Node::Literal("true"));
      if (keyless && !sct_) authority.Set("unsafeIgnoreSCT", Node::Literal("true"));
      list.push_back(std::move(authority));
    }
    return list;
  }

  void SetRequire(Node& spec) const {
    if (!threshold_.has_value()) {
      spec.Set("require", wanted_ == "*" ? "all" : "any");
      return;
    }
    Node require;
    require.Set("atLeast", Node::Literal(std::to_string(*threshold_)));
    spec.Set("require", std::move(require));
  }

  Draft& draft_;
  const std::map<std::string, Validator>& validators_;
  std::vector<std::pair<std::string, std::string>> globs_;
  std::size_t number_ = 0;
  // Of the entry that is read.
  std::string wanted_;
  std::optional<std::int64_t> threshold_;
  std::vector<std::string> required_;
  bool log_ = true;
  bool sct_ = true;
};

}  // namespace

bool ImportConnaisseur(codec::JsonView document, Draft& draft) {
  codec::JsonView top = document;
  std::string path = "$";
  if (auto application = document.Find("application"); application.has_value() && application->IsObject()) {
    top = *application;
    path = "$.application";
  }
  auto validators_member = top.Find("validators");
  if (!validators_member.has_value() || !top.Find("policy").has_value()) return false;
  Reader reader(top, path, draft.report);
  std::map<std::string, Validator> validators;
  reader.Each("validators", [&](Reader& validator) {
    const std::string name = validator.Text("name");
    validators[name] = ReadValidator(validator);
  });
  Policies policies(draft, validators);
  reader.Each("policy", [&](Reader& entry) { policies.Read(entry); });
  policies.RefuseOverlaps();
  // How it runs, and whom it tells.
  reader.Ignore(
      {"alerting", "features", "logLevel", "log_level", "automaticChildApproval", "automaticUnchangedApproval"});
  reader.Finish();
  return true;
}

}  // namespace gatehouse::importer
