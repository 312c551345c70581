// Kyverno: ClusterPolicy and Policy (kyverno.io v1, v2beta1) with rules that verify images.
#include "common/base/encoding.h"
#include "common/import/documents.h"

namespace gatehouse::importer {
namespace {

constexpr std::string_view kGroup = "kyverno.io/";

// What the entries of one verifyImages block become, before they are authorities.
struct Entry {
  Node authority;
  Node annotations = {};  // of the image's signature
};

bool HasWildcard(std::string_view text) {
  return text.find_first_of("*?") != std::string_view::npos;
}

std::string ImageGlobOf(Reader& reader, const std::string& reference) {
  if (reference == "*" || reference == "*/*") return "**";
  if (reference.find('?') != std::string::npos) reader.Refuse("imageReferences", "'?' has no equivalent");
  const std::size_t slash = reference.find('/');
  if (slash == std::string::npos) {
    reader.Refuse("imageReferences", "'" + Printable(reference) + "' names no registry; name it");
    return reference;
  }
  const std::string registry = reference.substr(0, slash);
  if (registry.find('*') != std::string::npos) {
    reader.Refuse("imageReferences", "the wildcard for a registry in '" + Printable(reference) +
                                         "' stands for repositories as well: name the registry");
  }
  std::string path = reference.substr(slash);
  if (registry == "docker.io" && path.find('/', 1) == std::string::npos && !path.starts_with("/*")) {
    reader.Refuse("imageReferences", "'" + Printable(reference) + "' is docker.io/library" + Printable(path) + " here");
  }
  // Any tag goes without saying.
  if (path.ends_with(":*")) path.resize(path.size() - 2);
  return registry + Crossing(path);
}

// "{{ a.b }}" as the pointer "/a/b"; "" for anything else of JMESPath.
std::string Pointer(std::string_view expression) {
  auto trim = [](std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
  };
  expression = trim(expression);
  if (!expression.starts_with("{{") || !expression.ends_with("}}")) return "";
  expression = trim(expression.substr(2, expression.size() - 4));
  std::string pointer = "/";
  for (char c : expression) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (!plain && c != '.') return "";
    pointer += c == '.' ? '/' : c;
  }
  return pointer.size() > 1 && pointer.back() != '/' && pointer.find("//") == std::string::npos ? pointer : "";
}

// "{{ time_since('', '{{ metadata.scanFinishedOn }}', '') }}", and nothing around it: the pointer within. A third
// argument would be another moment than now.
std::string TimePointer(std::string_view expression) {
  constexpr std::string_view kBefore = "{{time_since('','";
  constexpr std::string_view kAfter = "','')}}";
  std::string dense(expression);
  std::erase(dense, ' ');
  const std::string_view text = dense;
  if (!text.starts_with(kBefore) || !text.ends_with(kAfter) || text.size() < kBefore.size() + kAfter.size()) return "";
  return Pointer(text.substr(kBefore.size(), text.size() - kBefore.size() - kAfter.size()));
}

// Kyverno compares texts that are numbers, durations or quantities by what they are worth.
bool MayBeQuantity(std::string_view text) {
  return !text.empty() && (text[0] == '+' || text[0] == '-' || text[0] == '.' || (text[0] >= '0' && text[0] <= '9'));
}

class Block {
 public:
  Block(Reader& reader, Draft& draft, const std::string& policy) : reader_(reader), draft_(draft), policy_(policy) {}

  // The specs of ImagePolicies, without selectors: for the image's signature, and where attestations are asked for, one
  // more for those: an authority with attestations vouches by them alone.
  [[nodiscard]] Node::List Make(const std::string& default_action) {
    std::vector<std::string> globs;
    for (const std::string& each : reader_.Texts("imageReferences")) globs.push_back(ImageGlobOf(reader_, each));
    if (std::string image = reader_.Text("image"); !image.empty()) globs.push_back(ImageGlobOf(reader_, image));
    ReadWhatIsEverywhere();
    ReadAttestors();
    ReadAttestations();
    std::string action = reader_.Text("failureAction");
    if (action.empty()) action = default_action;
    const bool known =
        action.empty() || action == "Enforce" || action == "enforce" || action == "Audit" || action == "audit";
    if (!known) reader_.Refuse("failureAction", "is neither Enforce nor Audit");
    const std::string mode = action == "Enforce" || action == "enforce" ? "enforce" : "audit";
    Node::List signing;
    Node::List attesting;
    for (const Entry& entry : entries_) {
      signing.push_back(entry.authority);
      if (!entry.annotations.empty()) signing.back().Set("annotations", entry.annotations);
      attesting.push_back(entry.authority);
      attesting.back().Set("attestations", attestations_);
    }
    Node::List specs{Spec(globs, std::move(signing), mode)};
    if (!attestations_.empty()) specs.push_back(Spec(globs, std::move(attesting), mode));
    return specs;
  }

 private:
  [[nodiscard]] Node Spec(const std::vector<std::string>& globs, Node::List authorities,
                          const std::string& mode) const {
    Node out;
    out.Set("images", Globs(globs)).Set("authorities", std::move(authorities));
    if (required_ == 0 || required_ >= entries_.size()) {
      out.Set("require", "all");
    } else {
      Node require;
      require.Set("atLeast", Node::Literal(std::to_string(required_)));
      out.Set("require", std::move(require));
    }
    out.Set("mode", mode);
    return out;
  }

  void ReadWhatIsEverywhere() {
    const std::string type = reader_.Text("type");
    notary_ = type == "Notary";
    if (!type.empty() && type != "Cosign" && type != "SigstoreBundle" && !notary_)
      reader_.Refuse("type", "is not known here");
    // Digests are pinned by the mutating webhook, for every policy or for none.
    reader_.Ignore({"mutateDigest", "verifyDigest", "useCache", "cosignOCI11"});
    if (reader_.Flag("required") == false)
      reader_.Refuse("required", "what a policy covers must be signed here; use mode audit");
    reader_.Object("annotations", [&](Reader& annotations) {
      for (std::size_t i = 0; i < annotations.view().size(); ++i) {
        const std::string key(annotations.view().member(i).key);
        annotations_.Set(key, annotations.Text(key));
      }
    });
  }

  void ReadAttestors() {
    std::size_t sets = 0;
    reader_.Each("attestors", [&](Reader& set) {
      ++sets;
      const std::size_t before = entries_.size();
      const auto count = set.Number("count");
      set.Each("entries", [&](Reader& entry) { ReadEntry(entry); });
      const std::size_t all = entries_.size() - before;
      if (count.has_value() && static_cast<std::size_t>(*count) < all) required_ = static_cast<std::size_t>(*count);
    });
    if (sets > 1 && required_ > 0) {
      reader_.Refuse("attestors",
                     "several sets, of which one asks for a part of its entries: write a policy for each set");
    }
    if (entries_.empty()) reader_.Refuse("attestors", "nobody is named who signs");
  }

  Node& Add(Reader& entry, const std::string& kind) {
    Node authority;
    authority.Set("name", kind + "-" + std::to_string(entries_.size()));
    entries_.push_back({std::move(authority)});
    Node own = annotations_;
    entry.Object("annotations", [&](Reader& annotations) {
      for (std::size_t i = 0; i < annotations.view().size(); ++i) {
        const std::string key(annotations.view().member(i).key);
        own.Set(key, annotations.Text(key));
      }
    });
    entries_.back().annotations = std::move(own);
    return entries_.back().authority;
  }

  void ReadEntry(Reader& entry) {
    if (entry.Has("repository"))
      entry.Refuse("repository", "signatures are looked for in the image's own repository only");
    if (entry.Has("attestor")) entry.Refuse("attestor", "sets within sets: write them as policies of their own");
    entry.Ignore({"repository", "attestor"});
    entry.Object("keys", [&](Reader& keys) { ReadKeys(entry, keys); });
    entry.Object("keyless", [&](Reader& keyless) { ReadKeyless(entry, keyless); });
    entry.Object("certificates", [&](Reader& certificates) { ReadCertificates(entry, certificates); });
  }

  // The log: asked for unless it is said not to be.
  bool ReadRekor(Reader& reader) {
    bool ignored = false;
    reader.Object("rekor", [&](Reader& rekor) {
      ignored = rekor.Flag("ignoreTlog").value_or(false);
      const std::string url = rekor.Text("url");
      if (!url.empty() && url != "https://rekor.sigstore.dev" && !ignored) {
        rekor.Refuse("url", "a log of one's own: write a TrustRoot with its key");
      }
      if (rekor.Has("pubkey")) rekor.Refuse("pubkey", "a log of one's own: write a TrustRoot with its key");
      rekor.Ignore({"pubkey"});
    });
    return ignored;
  }
  bool ReadCtLog(Reader& reader) {
    bool ignored = false;
    reader.Object("ctlog", [&](Reader& log) {
      ignored = log.Flag("ignoreSCT").value_or(false);
      if (log.Has("pubkey")) log.Refuse("pubkey", "a log of one's own: write a TrustRoot with its key");
      if (log.Has("tsaCertChain")) log.Refuse("tsaCertChain", "write a TrustRoot with its timestampAuthorities");
      log.Ignore({"pubkey", "tsaCertChain"});
    });
    return ignored;
  }

  void ReadKeys(Reader& entry, Reader& keys) {
    const std::string pem = keys.Text("publicKeys");
    const std::string hash = keys.Text("signatureAlgorithm");
    if (keys.Has("kms")) keys.Refuse("kms", "keys in a key management service are not asked for; write the public key");
    if (keys.Has("secret")) keys.Refuse("secret", "keys are not read from Secrets; write the public key (publicKeys)");
    keys.Ignore({"kms", "secret"});
    const bool no_log = ReadRekor(keys);
    ReadCtLog(keys);  // keys have no certificates: nothing follows from it
    // Several keys in one text stand for one entry each.
    std::size_t begin = pem.find("-----BEGIN");
    if (begin == std::string::npos && !pem.empty()) return keys.Refuse("publicKeys", "must be public keys in PEM form");
    while (begin != std::string::npos) {
      const std::size_t next = pem.find("-----BEGIN", begin + 1);
      Node& authority = Add(entry, "key");
      Node key;
      key.Set("data", Pem(pem.substr(begin, next == std::string::npos ? next : next - begin)));
      if (!hash.empty()) key.Set("hashAlgorithm", hash);
      authority.Set("key", std::move(key));
      if (!no_log) authority.Set("trustRoots", Node::Texts({draft_.PublicGood()}));
      begin = next;
    }
  }

  void ReadKeyless(Reader& entry, Reader& keyless) {
    Node& authority = Add(entry, "keyless");
    Node identity;
    for (const char* member : {"issuer", "subject"}) {
      const std::string text = keyless.Text(member);
      const std::string pattern = keyless.Text(std::string(member) + "RegExp");
      if (!pattern.empty() && !text.empty())
        keyless.Refuse(member, "stands beside " + std::string(member) + "RegExp: keep one of them");
      if (!pattern.empty()) {
        identity.Set(std::string(member) + "RegExp", pattern);
        draft_.report.notes.insert("regular expressions must match the whole text here: look at those of policy " +
                                   policy_);
      } else if (HasWildcard(text)) {
        if (text.find('?') != std::string::npos) keyless.Refuse(member, "'?' has no equivalent");
        identity.Set(std::string(member) + "Glob", Crossing(text));
      } else if (!text.empty()) {
        identity.Set(member, text);
      }
    }
    if (keyless.Has("roots"))
      keyless.Refuse("roots", "an authority of one's own: write a TrustRoot with its certificates");
    if (keyless.Has("additionalExtensions"))
      keyless.Refuse("additionalExtensions", "write them under identities[].claims");
    keyless.Ignore({"roots", "additionalExtensions"});
    Node rule;
    rule.Set("identities", Node::List{std::move(identity)});
    authority.Set("keyless", std::move(rule)).Set("trustRoots", Node::Texts({draft_.PublicGood()}));
    if (ReadRekor(keyless)) authority.Set("unsafeIgnoreTransparencyLog", Node::Literal("true"));
    if (ReadCtLog(keyless)) authority.Set("unsafeIgnoreSCT", Node::Literal("true"));
  }

  void ReadCertificates(Reader& entry, Reader& certificates) {
    const std::string pem = certificates.Text("cert");
    if (!notary_) {
      certificates.Refuse("",
                          "certificates are for type Notary; otherwise write a TrustRoot with them, and identities");
      certificates.Ignore({"certChain", "rekor", "ctlog"});
      return;
    }
    certificates.Ignore({"rekor"});
    Node store;
    store.Set(policy_, Pem(pem));
    Node notation;
    notation.Set("ca", std::move(store));
    Node spec;
    spec.Set("notation", std::move(notation));
    const std::string root = NameOf(policy_ + "-notary-" + std::to_string(entries_.size()));
    draft_.documents.push_back(Document("TrustRoot", root, std::move(spec)));
    Node verification;
    verification.Set("level", "strict");
    Node statement;
    statement.Set("name", policy_).Set("registryScopes", Node::Texts({"*"}));
    statement.Set("signatureVerification", std::move(verification));
    statement.Set("trustStores", Node::Texts({"ca:" + policy_})).Set("trustedIdentities", Node::Texts({"*"}));
    Node trust_policy;
    trust_policy.Set("version", Node("1.0")).Set("trustPolicies", Node::List{std::move(statement)});
    Node rule;
    rule.Set("trustPolicy", std::move(trust_policy));
    Add(entry, "notary").Set("notation", std::move(rule)).Set("trustRoots", Node::Texts({root}));
  }

  void ReadAttestations() {
    reader_.Each("attestations", [&](Reader& attestation) {
      std::string type = attestation.Text("type");
      const std::string older = attestation.Text("predicateType");
      if (!type.empty() && !older.empty()) attestation.Refuse("predicateType", "stands beside type: keep one of them");
      if (type.empty()) type = older;
      if (attestation.Has("attestors"))
        attestation.Refuse("attestors", "attestations by others than the image's signers: write a policy of their own");
      attestation.Ignore({"attestors"});
      Node node;
      const std::string name = attestation.Text("name");
      node.Set("name", NameOf(name.empty() ? "attestation-" + std::to_string(attestations_.size()) : name));
      node.Set("predicateType", type);
      Node::List where;
      attestation.Each("conditions", [&](Reader& conditions) {
        conditions.Each("all", [&](Reader& condition) { where.push_back(ReadCondition(condition)); });
        Node::List any;
        conditions.Each("any", [&](Reader& condition) { any.push_back(Node(Node::List{ReadCondition(condition)})); });
        if (any.empty()) return;
        Node either;
        either.Set("anyOf", std::move(any));
        where.push_back(std::move(either));
      });
      if (!where.empty()) node.Set("where", std::move(where));
      attestations_.push_back(std::move(node));
    });
    if (!attestations_.empty() && notary_) reader_.Refuse("attestations", "of type Notary are not known here");
  }

  static Node ReadCondition(Reader& condition) {
    const std::string key = condition.Text("key");
    const std::string op = condition.Text("operator");
    condition.Ignore({"value", "message"});
    Node node;
    const std::string time = TimePointer(key);
    const std::string pointer = time.empty() ? Pointer(key) : time;
    if (pointer.empty()) {
      condition.Refuse("key", "only {{ a.b.c }} and time_since() of it are translated");
      return node;
    }
    node.Set("path", pointer);
    auto value = condition.Take("value");
    const std::string text = value.has_value() ? value->Serialize() : "null";
    if (!value.has_value() || text.find("{{") != std::string::npos || text.find("$(") != std::string::npos) {
      condition.Refuse("value", "must be there, and hold no variable");
      return node;
    }
    const bool list = value->IsArray();
    const auto literal = [&](const char* name) { node.Set(name, Node::Literal(text)); };
    const bool at_most = op == "LessThanOrEquals" || op == "LessThan" || op == "DurationLessThanOrEquals";
    if (!time.empty()) {
      if (!at_most || !value->AsString().has_value()) {
        condition.Refuse("operator", "of a time only LessThanOrEquals a duration is translated");
      } else {
        node.Set("newerThan", std::string(*value->AsString()));
      }
    } else if ((op == "Equals" || op == "Equal") && !list) {
      // A wildcard in the value is one there.
      if (auto pattern = value->AsString(); pattern.has_value() && HasWildcard(*pattern)) {
        node.Set("glob", Crossing(*pattern));
      } else {
        literal("equals");
      }
    } else if ((op == "NotEquals" || op == "NotEqual") && !list) {
      const auto pattern = value->AsString();
      if (pattern.has_value() && MayBeQuantity(*pattern)) {
        condition.Refuse("value", "two texts may be the same number or duration there and are different texts here");
      } else if (pattern.has_value() && HasWildcard(*pattern)) {
        Node alike = node;
        alike.Set("glob", Crossing(*pattern));
        Node other;
        other.Set("not", Node::List{std::move(alike)});
        return other;
      } else {
        literal("notEquals");
      }
    } else if ((op == "AnyIn" || op == "In") && list) {
      literal("in");
    } else if (op == "GreaterThan") {
      literal("greaterThan");
    } else if (op == "GreaterThanOrEquals") {
      literal("atLeast");
    } else if (op == "LessThan") {
      literal("lessThan");
    } else if (op == "LessThanOrEquals") {
      literal("atMost");
    } else {
      condition.Refuse("operator", "'" + Printable(op, 64) + "' has no equivalent for this value");
    }
    return node;
  }

  Reader& reader_;
  Draft& draft_;
  const std::string& policy_;
  bool notary_ = false;
  std::size_t required_ = 0;  // 0: all
  std::vector<Entry> entries_;
  Node annotations_;
  Node::List attestations_;
};

struct Selection {
  std::vector<std::string> namespaces;
  std::vector<std::string> excluded;
  Node labels;
};

void ReadResources(Reader& resources, std::vector<std::string>& namespaces, Node* labels) {
  for (const std::string& kind : resources.Texts("kinds")) {
    if (kind != "Pod" && kind != "v1/Pod")
      resources.Refuse("kinds", "policies cover every kind of workload; write Pod");
  }
  for (std::string& each : resources.Texts("namespaces")) {
    if (HasWildcard(each))
      resources.Refuse("namespaces", "patterns of namespaces have no equivalent; select by labels");
    namespaces.push_back(std::move(each));
  }
  if (labels == nullptr) return;
  resources.Object("selector", [&](Reader& selector) {
    selector.Object("matchLabels", [&](Reader& match) {
      for (std::size_t i = 0; i < match.view().size(); ++i) {
        const std::string key(match.view().member(i).key);
        labels->Set(key, match.Text(key));
      }
    });
  });
}

// match and exclude, in the two forms that they have.
void ReadMatch(Reader& rule, const std::string& member, std::vector<std::string>& namespaces, Node* labels) {
  rule.Object(member, [&](Reader& match) {
    std::size_t filters = 0;
    auto read = [&](Reader& filter) {
      ++filters;
      filter.Object("resources", [&](Reader& resources) { ReadResources(resources, namespaces, labels); });
    };
    match.Object("resources", [&](Reader& resources) {
      ++filters;
      ReadResources(resources, namespaces, labels);
    });
    match.Each("any", read);
    match.Each("all", read);
    if (filters > 1) match.Refuse("", "several filters: write a policy for each");
  });
}

Node NamespaceSelector(const Selection& selection) {
  Node::List expressions;
  auto add = [&](const char* op, const std::vector<std::string>& names) {
    if (names.empty()) return;
    Node expression;
    expression.Set("key", "kubernetes.io/metadata.name").Set("operator", op).Set("values", Node::Texts(names));
    expressions.push_back(std::move(expression));
  };
  add("In", selection.namespaces);
  add("NotIn", selection.excluded);
  Node selector;
  if (!expressions.empty()) selector.Set("matchExpressions", std::move(expressions));
  return selector;
}

void ReadRule(Reader& rule, Draft& draft, const std::string& policy, const std::string& action) {
  const std::string name = rule.Text("name");
  if (!rule.Has("verifyImages")) {
    rule.Refuse("", "is no verifyImages rule");
    for (std::size_t i = 0; i < rule.view().size(); ++i) rule.Ignore({std::string(rule.view().member(i).key).c_str()});
    return;
  }
  Selection selection;
  ReadMatch(rule, "match", selection.namespaces, &selection.labels);
  ReadMatch(rule, "exclude", selection.excluded, nullptr);
  rule.Ignore({"skipBackgroundRequests"});
  std::size_t blocks = 0;
  rule.Each("verifyImages", [&](Reader& block) {
    std::string own = NameOf(policy + "-" + name);
    if (blocks++ > 0) own += "-" + std::to_string(blocks);
    const char* suffix = "";
    for (Node& spec : Block(block, draft, own).Make(action)) {
      if (Node selector = NamespaceSelector(selection); !selector.empty())
        spec.Set("namespaceSelector", std::move(selector));
      if (!selection.labels.empty()) {
        Node selector;
        selector.Set("matchLabels", selection.labels);
        spec.Set("podSelector", std::move(selector));
      }
      draft.documents.push_back(Document("ImagePolicy", own + suffix, std::move(spec)));
      suffix = "-attestations";
    }
  });
}

}  // namespace

bool ImportKyverno(codec::JsonView document, Draft& draft) {
  auto version = document.Find("apiVersion");
  if (!version.has_value() || !version->AsString().value_or("").starts_with(kGroup)) return false;
  Reader reader(document, "$", draft.report);
  reader.Ignore({"apiVersion", "status"});
  const std::string kind = reader.Text("kind");
  if (kind != "ClusterPolicy") {
    draft.report.Refuse("$.kind", "only ClusterPolicy is translated");
    return true;
  }
  std::string name;
  reader.Object("metadata", [&](Reader& metadata) {
    name = metadata.Text("name");
    metadata.Ignore({"labels", "annotations", "creationTimestamp", "generation", "resourceVersion", "uid",
                     "managedFields", "finalizers", "ownerReferences"});
  });
  reader.Object("spec", [&](Reader& spec) {
    const std::string action = spec.Text("validationFailureAction");
    spec.Ignore({"background", "failurePolicy", "webhookTimeoutSeconds", "webhookConfiguration", "schemaValidation",
                 "emitWarning", "admission"});
    spec.Each("rules", [&](Reader& rule) { ReadRule(rule, draft, name, action); });
  });
  reader.Finish();
  return true;
}

}  // namespace gatehouse::importer
