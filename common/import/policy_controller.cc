// Sigstore policy-controller: ClusterImagePolicy (policy.sigstore.dev v1beta1, v1alpha1) and TrustRoot (v1alpha1).
#include <tuple>

#include "common/base/bytes.h"
#include "common/base/encoding.h"
#include "common/import/documents.h"

namespace gatehouse::importer {
namespace {

constexpr std::string_view kGroup = "policy.sigstore.dev/";

bool IsKind(codec::JsonView document, std::string_view kind) {
  auto version = document.Find("apiVersion");
  auto found = document.Find("kind");
  return version.has_value() && version->AsString().value_or("").starts_with(kGroup) && found.has_value() &&
         found->AsString() == kind;
}

std::string MetadataName(Reader& reader) {
  std::string name;
  reader.Object("metadata", [&](Reader& metadata) {
    name = metadata.Text("name");
    metadata.Ignore({"labels", "annotations", "creationTimestamp", "generation", "resourceVersion", "uid",
                     "managedFields", "finalizers", "ownerReferences"});
  });
  return NameOf(name);
}

// One authority, and what must vouch for its signatures.
class Authority {
 public:
  Authority(Reader& reader, Draft& draft, const std::string& policy, std::size_t index)
      : reader_(reader), draft_(draft), policy_(policy) {
    name_ = reader.Text("name");
    name_ = name_.empty() ? "authority-" + std::to_string(index) : NameOf(name_);
    out_.Set("name", name_);
  }

  [[nodiscard]] Node Make(std::vector<std::string>& pull_secrets) {
    ReadVouching();
    if (reader_.Has("key")) ReadKey();
    if (reader_.Has("keyless")) ReadKeyless();
    if (reader_.Has("static")) ReadStatic();
    Node::List attestations;
    reader_.Each("attestations", [&](Reader& attestation) { attestations.push_back(ReadAttestation(attestation)); });
    if (!attestations.empty()) out_.Set("attestations", std::move(attestations));
    reader_.Each("source", [&](Reader& source) { ReadSource(source, pull_secrets); });
    // Both layouts are looked at in any case.
    reader_.Ignore({"signatureFormat"});
    return std::move(out_);
  }

 private:
  void ReadVouching() {
    reader_.Object("ctlog", [&](Reader& log) {
      log_ = true;
      const std::string root = log.Text("trustRootRef");
      log_root_ = RootOf(root);
      const std::string url = log.Text("url");
      if (!url.empty() && url != "https://rekor.sigstore.dev" && root.empty()) {
        log.Refuse("url", "a log of one's own needs a trustRootRef with its key");
      }
    });
    reader_.Object("rfc3161timestamp", [&](Reader& timestamp) {
      timestamp_ = true;
      timestamp_root_ = RootOf(timestamp.Text("trustRootRef"));
    });
  }

  [[nodiscard]] std::string RootOf(const std::string& theirs) {
    return theirs.empty() ? draft_.PublicGood() : NameOf(theirs);
  }

  // What several TrustRoots hold is one pool here: the log's would also say whose certificates to believe, and the
  // other way round.
  void SetRoots(const std::string& root) {
    for (const auto& [given, key, other] :
         {std::tuple(log_, "ctlog", &log_root_), std::tuple(timestamp_, "rfc3161timestamp", &timestamp_root_)}) {
      if (given && *other != root)
        reader_.Refuse(key, "is of TrustRoot " + *other + ", and the rest of this authority of " + root +
                                ": write one TrustRoot that holds all of it, and name it (trustRootRef) everywhere");
    }
    out_.Set("trustRoots", Node::Texts({root}));
  }

  void ReadKey() {
    reader_.Object("key", [&](Reader& key) {
      const std::string data = key.Text("data");
      const std::string hash = key.Text("hashAlgorithm");
      if (key.Has("kms")) key.Refuse("kms", "keys in a key management service are not asked for; write the public key");
      if (key.Has("secretRef")) key.Refuse("secretRef", "keys are not read from Secrets; write the public key (data)");
      key.Ignore({"kms", "secretRef"});
      Node node;
      node.Set("data", Pem(data));
      if (!hash.empty()) node.Set("hashAlgorithm", hash);
      out_.Set("key", std::move(node));
    });
    // Without a log or a timestamp it is the key alone that vouches, there as here.
    if (!log_ && !timestamp_) return;
    SetRoots(log_ ? log_root_ : timestamp_root_);
    Node minimum;
    if (log_) minimum.Set("transparencyLogs", Node::Literal("1"));
    if (!log_) out_.Set("unsafeIgnoreTransparencyLog", Node::Literal("true"));
    if (timestamp_) minimum.Set("timestamps", Node::Literal("1"));
    out_.Set("minimum", std::move(minimum));
  }

  void ReadKeyless() {
    reader_.Object("keyless", [&](Reader& keyless) {
      const std::string root = keyless.Text("trustRootRef");
      const std::string url = keyless.Text("url");
      if (!url.empty() && url != "https://fulcio.sigstore.dev" && root.empty()) {
        keyless.Refuse("url", "an authority of one's own needs a trustRootRef with its certificates");
      }
      // Beside the public log's TrustRoot, the public authority's certificates would do as well.
      if (keyless.Has("ca-cert")) {
        keyless.Refuse("ca-cert",
                       "write a TrustRoot with these certificates and the key of the log, and name it "
                       "(trustRootRef) here and in ctlog");
      }
      keyless.Ignore({"ca-cert"});
      const bool ignore_sct = keyless.Flag("insecureIgnoreSCT").value_or(false);
      Node::List identities;
      keyless.Each("identities", [&](Reader& identity) {
        Node node;
        for (const auto& [theirs, ours] :
             {std::pair{"issuer", "issuer"}, std::pair{"issuerRegExp", "issuerRegExp"}, std::pair{"subject", "subject"},
              std::pair{"subjectRegExp", "subjectRegExp"}}) {
          if (std::string text = identity.Text(theirs); !text.empty()) node.Set(ours, text);
        }
        if (identity.Has("issuerRegExp") || identity.Has("subjectRegExp")) {
          draft_.report.notes.insert("regular expressions must match the whole text here: look at those of policy " +
                                     policy_);
        }
        identities.push_back(std::move(node));
      });
      if (identities.empty()) keyless.Refuse("identities", "must name at least one identity");
      Node node;
      node.Set("identities", std::move(identities));
      out_.Set("keyless", std::move(node));
      SetRoots(RootOf(root));
      if (timestamp_) {
        Node minimum;
        minimum.Set("timestamps", Node::Literal("1"));
        out_.Set("minimum", std::move(minimum));
      }
      if (ignore_sct) out_.Set("unsafeIgnoreSCT", Node::Literal("true"));
    });
  }

  void ReadStatic() {
    reader_.Object("static", [&](Reader& rule) {
      Node node;
      node.Set("action", rule.Text("action"));
      if (std::string message = rule.Text("message"); !message.empty()) node.Set("message", message);
      out_.Set("static", std::move(node));
    });
  }

  static Node ReadAttestation(Reader& attestation) {
    Node node;
    node.Set("name", NameOf(attestation.Text("name")));
    node.Set("predicateType", attestation.Text("predicateType"));
    if (attestation.Has("policy")) {
      attestation.Refuse("policy", "CUE and Rego are not translated; write the conditions under `where`");
      attestation.Ignore({"policy"});
    }
    return node;
  }

  static void ReadSource(Reader& source, std::vector<std::string>& pull_secrets) {
    if (source.Has("oci")) source.Refuse("oci", "signatures are looked for in the image's own repository only");
    if (source.Has("tag")) source.Refuse("tag", "a prefix of signature tags is not known here");
    source.Ignore({"oci", "tag"});
    source.Each("signaturePullSecrets", [&](Reader& secret) {
      pull_secrets.push_back(secret.Text("name"));
      secret.report().notes.insert("Secret " + pull_secrets.back() + " must be in the namespace of Gatehouse");
    });
  }

  Reader& reader_;
  Draft& draft_;
  const std::string& policy_;
  std::string name_;
  Node out_;
  std::string log_root_;
  std::string timestamp_root_;
  bool log_ = false;
  bool timestamp_ = false;
};

// Base64 of a PEM.
std::string DecodedPem(Reader& reader, const std::string& key) {
  const std::string text = reader.Text(key);
  auto bytes = DecodeBase64(text);
  if (bytes.ok()) return Pem(std::string(AsText(*bytes)));
  reader.Refuse(key, "must be base64 of a PEM");
  return "";
}

Node ReadLogs(Reader& keys, const std::string& member) {
  Node::List logs;
  keys.Each(member, [&](Reader& log) {
    Node node;
    node.Set("key", DecodedPem(log, "publicKey"));
    if (std::string url = log.Text("baseURL"); !url.empty()) node.Set("url", url);
    const std::string hash = log.Text("hashAlgorithm");
    if (hash != "sha-256" && hash != "sha256" && !hash.empty()) log.Refuse("hashAlgorithm", "must be sha-256");
    logs.push_back(std::move(node));
  });
  return logs;
}

Node ReadAuthorities(Reader& keys, const std::string& member) {
  Node::List authorities;
  keys.Each(member, [&](Reader& authority) {
    Node node;
    node.Set("certificates", DecodedPem(authority, "certChain"));
    if (std::string uri = authority.Text("uri"); !uri.empty()) node.Set("operator", uri);
    authority.Ignore({"subject"});  // of the certificate, which says it itself
    authorities.push_back(std::move(node));
  });
  return authorities;
}

}  // namespace

bool ImportClusterImagePolicy(codec::JsonView document, Draft& draft) {
  if (!IsKind(document, "ClusterImagePolicy")) return false;
  Reader reader(document, "$", draft.report);
  reader.Ignore({"apiVersion", "kind", "status"});
  const std::string name = MetadataName(reader);
  reader.Object("spec", [&](Reader& spec) {
    std::vector<std::string> globs;
    spec.Each("images", [&](Reader& image) {
      auto glob = WithRegistry(image.Text("glob"));
      if (!glob.has_value()) image.Refuse("glob", "has a wildcard for a registry and more: name the registry");
      globs.push_back(std::move(glob).value_or("**"));
    });
    Node::List authorities;
    std::vector<std::string> pull_secrets;
    spec.Each("authorities", [&](Reader& authority) {
      authorities.push_back(Authority(authority, draft, name, authorities.size()).Make(pull_secrets));
    });
    const std::string mode = spec.Text("mode");
    if (spec.Has("match"))
      spec.Refuse("match", "policies cover every kind of workload; select by namespaceSelector or podSelector");
    if (spec.Has("policy"))
      spec.Refuse("policy", "CUE and Rego are not translated; write the conditions under `where`");
    spec.Ignore({"match", "policy"});
    Node out;
    out.Set("images", Globs(globs)).Set("authorities", std::move(authorities)).Set("require", "any");
    out.Set("mode", mode.empty() ? "enforce" : mode);
    if (!pull_secrets.empty()) out.Set("pullSecrets", Node::Texts(pull_secrets));
    draft.documents.push_back(Document("ImagePolicy", name, std::move(out)));
  });
  reader.Finish();
  return true;
}

bool ImportPolicyControllerTrustRoot(codec::JsonView document, Draft& draft) {
  if (!IsKind(document, "TrustRoot")) return false;
  Reader reader(document, "$", draft.report);
  reader.Ignore({"apiVersion", "kind", "status"});
  const std::string name = MetadataName(reader);
  Node sigstore;
  reader.Object("spec", [&](Reader& spec) {
    spec.Object("remote", [&](Reader& remote) {
      Node root;
      root.Set("data", DecodedPem(remote, "root"));
      Node tuf;
      tuf.Set("url", remote.Text("mirror")).Set("root", std::move(root));
      const std::string targets = remote.Text("targets");
      if (!targets.empty() && targets != "targets") remote.Refuse("targets", "target files are below targets/ here");
      sigstore.Set("tuf", std::move(tuf));
    });
    if (spec.Has("repository")) {
      spec.Refuse("repository", "unpack the mirror into a folder, and name it: sigstore.tuf.url: file:///FOLDER");
      spec.Ignore({"repository"});
    }
    spec.Object("sigstoreKeys", [&](Reader& keys) {
      for (const auto& [theirs, ours] :
           {std::pair{"tLogs", "transparencyLogs"}, std::pair{"ctLogs", "certificateLogs"}}) {
        if (Node logs = ReadLogs(keys, theirs); !logs.empty()) sigstore.Set(ours, std::move(logs));
      }
      for (const char* member : {"certificateAuthorities", "timestampAuthorities"}) {
        if (Node authorities = ReadAuthorities(keys, member); !authorities.empty())
          sigstore.Set(member, std::move(authorities));
      }
    });
  });
  reader.Finish();
  Node spec;
  spec.Set("sigstore", std::move(sigstore));
  draft.documents.push_back(Document("TrustRoot", name, std::move(spec)));
  return true;
}

}  // namespace gatehouse::importer
