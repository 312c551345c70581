#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/pem.h"
#include "common/crypto/der.h"
#include "common/policy/node_readers.h"

namespace gatehouse::policy {
namespace {

using codec::JsonDocument;
using codec::JsonView;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;
using signature::sigstore::TrustMaterial;
using signature::sigstore::Validity;

constexpr Duration kMinRefresh = std::chrono::minutes(1);
constexpr Duration kMaxRefresh = std::chrono::hours(24 * 7);

std::optional<std::vector<crypto::Certificate>> ReadCertificates(ObjectReader& reader, std::string_view key) {
  std::string pem = reader.String(key);
  if (!reader.ok()) return std::nullopt;
  auto certificates = crypto::Certificate::ListFromPem(pem);
  if (certificates.ok()) return std::move(certificates).value();
  FailWith(reader, key, certificates.error());
  return std::nullopt;
}

std::string Describe(const std::vector<crypto::Certificate>& certificates, std::size_t i) {
  return "certificate " + std::to_string(i + 1) + " (" + Printable(certificates[i].Subject(), 128) + ")";
}

// RFC 5280 section 5.1: CertificateList ::= SEQUENCE { tbsCertList, signatureAlgorithm, signatureValue }. A certificate
// has the same form; it begins with an explicit version where a list has a number, or none. Who signed it, and whether
// it is in its time, is asked where it is used.
Status CheckCrl(BytesView bytes) {
  namespace der = crypto::der;
  RETURN_IF_ERROR(crypto::CheckDer(bytes, Reason::kRevocationMalformed, 0));
  crypto::DerReader outer(bytes, Reason::kRevocationMalformed, "CRL");
  ASSIGN_OR_RETURN(crypto::DerReader list, outer.Enter(der::kSequence));
  RETURN_IF_ERROR(outer.ExpectEnd());
  ASSIGN_OR_RETURN(crypto::DerReader tbs, list.Enter(der::kSequence));
  RETURN_IF_ERROR(list.Take(der::kSequence));
  RETURN_IF_ERROR(list.Take(der::kBitString));
  RETURN_IF_ERROR(list.ExpectEnd());
  if (tbs.NextIs(der::kInteger)) RETURN_IF_ERROR(tbs.Take(der::kInteger));
  RETURN_IF_ERROR(tbs.Take(der::kSequence));
  return Ok();
}

Result<std::vector<Bytes>> ParseCrls(const std::string& text) {
  std::vector<Bytes> crls;
  if (text.find("-----BEGIN") != std::string::npos) {
    ASSIGN_OR_RETURN(std::vector<codec::PemBlock> blocks, codec::ParsePem(text, Reason::kRevocationMalformed));
    for (codec::PemBlock& block : blocks) {
      if (block.label != "X509 CRL")
        return Error{Reason::kRevocationMalformed, "", "a block is labelled '" + block.label + "', not X509 CRL"};
      crls.push_back(std::move(block.der));
    }
  } else {
    auto bytes = DecodeBase64(text);
    if (!bytes.ok()) {
      return Error{Reason::kRevocationMalformed, "",
                   "is neither a CRL in PEM form (-----BEGIN X509 CRL-----) nor one in DER form as base64 without line "
                   "breaks"};
    }
    crls.push_back(std::move(bytes).value());
  }
  for (const Bytes& crl : crls) RETURN_IF_ERROR(CheckCrl(crl));
  return crls;
}

void ReadTpm(ObjectReader& tpm, TrustRoot& root) {
  root.tpm = ReadCertificateList(tpm, "certificates", true);
  root.tpm_pinned = ReadFingerprints(tpm, "pinned");
  root.tpm_intermediates = ReadCertificateList(tpm, "intermediates", true);
  for (const std::string& text : tpm.Strings("crls", tpm.Has("crls") ? Presence::kRequired : Presence::kOptional)) {
    if (!tpm.ok()) return;
    auto crls = ParseCrls(text);
    if (!crls.ok()) return FailWith(tpm, "crls", crls.error());
    for (Bytes& crl : *crls) {
      if (std::find(root.tpm_crls.begin(), root.tpm_crls.end(), crl) != root.tpm_crls.end())
        return tpm.Fail("crls", "has the same CRL twice");
      root.tpm_crls.push_back(std::move(crl));
    }
  }
  if (!tpm.Has("certificates") && !tpm.Has("pinned"))
    tpm.Fail("certificates", "is required, or pinned: without either there is nothing to chain to");
}

// --- Sigstore

Validity ReadValidity(ObjectReader& reader) {
  Validity validity{.from = ReadMoment(reader, "validFrom"), .until = ReadMoment(reader, "validUntil")};
  if (validity.from && validity.until && *validity.from >= *validity.until)
    reader.Fail("validUntil", "is not after validFrom, so it would never count");
  return validity;
}

// Up to its path. "https://host[:port][/...]", without credentials.
bool IsHttpUrl(std::string_view url, bool plain) {
  for (std::string_view scheme : {"https://", "http://"}) {
    if (!url.starts_with(scheme) || (scheme == "http://" && !plain)) continue;
    std::string_view host = url.substr(scheme.size());
    host = host.substr(0, host.find('/'));
    auto possible = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             std::string_view("-._:[]").find(c) != std::string_view::npos;
    };
    return !host.empty() && std::all_of(host.begin(), host.end(), possible);
  }
  return false;
}

bool IsPlainText(std::string_view url) {
  return url.size() <= limits::kUrlBytes &&
         std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c <= '~'; });
}

std::vector<signature::sigstore::Log> ReadLogs(ObjectReader& sigstore, std::string_view key) {
  std::vector<signature::sigstore::Log> logs;
  sigstore.Each(key, Presence::kOptional, [&](ObjectReader& reader) {
    std::string pem = reader.String("key");
    std::string url = reader.String("url");
    std::string by = reader.OptionalString("operator").value_or("");
    Validity validity = ReadValidity(reader);
    if (!reader.ok()) return;
    // The host is the origin of a log's checkpoints. Nobody connects to it.
    if (!IsHttpUrl(url, true) || !IsPlainText(url))
      return reader.Fail("url", "must be that of the log, such as https://rekor.example");
    auto parsed = crypto::PublicKey::FromPem(pem);
    if (!parsed.ok()) return FailWith(reader, "key", parsed.error());
    auto same = [&](const signature::sigstore::Log& other) { return other.key == *parsed; };
    if (std::any_of(logs.begin(), logs.end(), same)) return reader.Fail("key", "is that of another log of this list");
    logs.push_back(signature::sigstore::MakeLog(*parsed, url, by, validity));
  });
  if (logs.size() > limits::kTrustedRootKeys)
    sigstore.Fail(key, "has more than " + std::to_string(limits::kTrustedRootKeys) + " entries");
  return logs;
}

std::vector<signature::sigstore::CertificateAuthority> ReadAuthorities(ObjectReader& sigstore, std::string_view key) {
  std::vector<signature::sigstore::CertificateAuthority> authorities;
  sigstore.Each(key, Presence::kOptional, [&](ObjectReader& reader) {
    auto certificates = ReadCertificates(reader, "certificates");
    std::string by = reader.OptionalString("operator").value_or("");
    Validity validity = ReadValidity(reader);
    if (!certificates || !reader.ok()) return;
    // Counts are of operators: without one, the root stands for it.
    if (by.empty()) by = certificates->back().Subject();
    auto authority = signature::sigstore::MakeCertificateAuthority(*std::move(certificates), "", by, validity);
    if (!authority.ok()) return FailWith(reader, "certificates", authority.error());
    authorities.push_back(std::move(authority).value());
  });
  if (authorities.size() > limits::kTrustedRootKeys)
    sigstore.Fail(key, "has more than " + std::to_string(limits::kTrustedRootKeys) + " entries");
  return authorities;
}

TrustMaterial ReadLists(ObjectReader& sigstore) {
  return {.logs = ReadLogs(sigstore, "transparencyLogs"),
          .ct_logs = ReadLogs(sigstore, "certificateLogs"),
          .authorities = ReadAuthorities(sigstore, "certificateAuthorities"),
          .timestamp_authorities = ReadAuthorities(sigstore, "timestampAuthorities")};
}

bool IsEmpty(const TrustMaterial& material) {
  return material.logs.empty() && material.ct_logs.empty() && material.authorities.empty() &&
         material.timestamp_authorities.empty();
}

std::optional<TrustMaterial> ReadTrustedRoot(ObjectReader& sigstore) {
  JsonView value = *sigstore.Raw("trustedRoot");
  auto text = value.AsString();
  if (!text && !value.IsObject()) {
    sigstore.Fail("trustedRoot", "must be an object, or the text of trusted_root.json");
    return std::nullopt;
  }
  auto parsed = signature::sigstore::ParseTrustedRoot(text ? std::string(*text) : value.Serialize());
  if (!parsed.ok()) {
    FailWith(sigstore, "trustedRoot", parsed.error());
    return std::nullopt;
  }
  if (!IsEmpty(parsed->material)) return std::move(parsed->material);
  FailWith(sigstore, "trustedRoot",
           Error{Reason::kTrustRootMalformed, "",
                 parsed->ignored.empty() ? "names no log and no authority"
                                         : "names nothing that can be used: " + Printable(parsed->ignored[0], 128)});
  return std::nullopt;
}

void ReadInitialRoot(ObjectReader& reader, TufSource& source) {
  auto data = reader.OptionalString("data");
  auto hash = reader.OptionalString("sha256");
  if (data.has_value() == hash.has_value()) reader.Fail("", "must have one of data and sha256, and not both");
  if (!reader.ok()) return;
  if (hash) {
    auto digest = Digest::Parse("sha256:" + *hash);
    if (!digest.ok()) return reader.Fail("sha256", "must be the SHA-256 of root.json: 64 lower-case hex digits");
    source.root_digest = std::move(digest).value();
    return;
  }
  // What is in it is checked where it is used; a file of another kind is told at once.
  auto json = JsonDocument::Parse(*data, {.max_bytes = limits::kTufRootBytes});
  if (!json.ok() || !json->root().Find("signed") || !json->root().Find("signatures"))
    return reader.Fail("data", "must be the text of a TUF root.json, with its signatures");
  source.root = *std::move(data);
}

// A path below the repository's targets: no way out of it.
bool IsTargetName(std::string_view name) {
  if (name.empty() || name.size() > limits::kPatternBytes || name.starts_with('/') || name.ends_with('/')) return false;
  auto possible = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._/").find(c) != std::string_view::npos;
  };
  if (!std::all_of(name.begin(), name.end(), possible) || name.find("//") != std::string_view::npos) return false;
  std::string framed = "/" + std::string(name) + "/";
  return framed.find("/../") == std::string::npos && framed.find("/./") == std::string::npos;
}

TufSource ReadTuf(ObjectReader& tuf) {
  TufSource source{.url = tuf.String("url"), .root = {}, .root_digest = {}};
  const bool folder = source.url.starts_with("file:///") && source.url.size() > 8;
  if (tuf.ok() && !((IsHttpUrl(source.url, false) || folder) && IsPlainText(source.url)))
    tuf.Fail("url", "must be https://HOST/PATH, or file:///PATH for a mirror in a folder");
  tuf.Object("root", Presence::kRequired, [&](ObjectReader& root) { ReadInitialRoot(root, source); });
  if (auto target = tuf.OptionalString("target")) source.target = *std::move(target);
  if (!IsTargetName(source.target)) tuf.Fail("target", "must be the name of a target, such as trusted_root.json");
  source.refresh = ReadDuration(tuf, "refresh", kMinRefresh, kMaxRefresh, source.refresh, "24h");
  return source;
}

void ReadSigstore(ObjectReader& sigstore, TrustRoot& root) {
  bool lists = false;
  for (const char* key : {"transparencyLogs", "certificateLogs", "certificateAuthorities", "timestampAuthorities"})
    lists |= sigstore.Has(key);
  int forms = (sigstore.Has("trustedRoot") ? 1 : 0) + (sigstore.Has("tuf") ? 1 : 0) + (lists ? 1 : 0);
  std::optional<TrustMaterial> material;
  if (sigstore.Has("trustedRoot")) {
    material = ReadTrustedRoot(sigstore);
  } else {
    (void)sigstore.Raw("trustedRoot");
  }
  sigstore.Object("tuf", Presence::kOptional, [&](ObjectReader& tuf) { root.tuf = ReadTuf(tuf); });
  TrustMaterial listed = ReadLists(sigstore);
  if (lists) material = std::move(listed);
  if (forms > 1) sigstore.Fail("", "must have only one of trustedRoot, tuf, and lists of logs and authorities");
  // An object that has another name for it is better told by the reader's end.
  if (forms == 0 && sigstore.view().size() == 0)
    sigstore.Fail("", "must have one of trustedRoot, tuf, and lists of logs and authorities");
  if (sigstore.ok() && material && IsEmpty(*material)) sigstore.Fail("", "names no log and no authority");
  if (sigstore.ok() && material) root.sigstore = std::make_shared<const TrustMaterial>(*std::move(material));
}

// --- Notation

bool IsStoreName(std::string_view name) {
  auto possible = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
  };
  return !name.empty() && name.size() <= 253 && std::all_of(name.begin(), name.end(), possible);
}

void ReadStores(ObjectReader& stores, const std::string& type, TrustRoot& root) {
  for (std::size_t i = 0; i < stores.view().size() && stores.ok(); ++i) {
    std::string name(stores.view().member(i).key);
    auto certificates = ReadCertificates(stores, name);
    if (!certificates) return;
    if (!IsStoreName(name))
      return stores.Fail(name, "is not the name of a trust store: write letters, digits, _, . and - only");
    for (std::size_t j = 0; j < certificates->size(); ++j) {
      // Notary Project, trust-store-trust-policy.md, "Trust Store": "a set of trusted certificates"; roots, or of ca
      // and signingAuthority leaves that are self-signed. An intermediate there would be an anchor by mistake.
      const crypto::Certificate& certificate = (*certificates)[j];
      if (!certificate.IsSignedBy(certificate))
        return stores.Fail(name, Describe(*certificates, j) + " is not self-signed; a trust store holds roots");
    }
    root.notation.emplace(type + ":" + name, *std::move(certificates));
  }
  if (stores.view().size() == 0) stores.Fail("", "must name at least one trust store");
}

void ReadNotation(ObjectReader& notation, TrustRoot& root) {
  for (const char* type : {"ca", "signingAuthority", "tsa"})
    notation.Object(type, Presence::kOptional, [&](ObjectReader& stores) { ReadStores(stores, type, root); });
  if (notation.view().size() == 0) notation.Fail("", "must have at least one of ca, signingAuthority and tsa");
}

}  // namespace

Result<TrustRoot> ReadTrustRoot(const JsonDocument& document, const Head& head) {
  TrustRoot root;
  root.name = head.name;
  root.generation = GenerationOf(document, head);
  ObjectReader reader(document, document.root(), Reason::kPolicyInvalid);
  ReadEnvelope(reader, head);
  reader.Object("spec", Presence::kRequired, [&](ObjectReader& spec) {
    spec.Object("tpm", Presence::kOptional, [&](ObjectReader& tpm) { ReadTpm(tpm, root); });
    spec.Object("sigstore", Presence::kOptional, [&](ObjectReader& sigstore) { ReadSigstore(sigstore, root); });
    spec.Object("notation", Presence::kOptional, [&](ObjectReader& notation) { ReadNotation(notation, root); });
    if (spec.view().size() == 0) spec.Fail("", "must have at least one of tpm, sigstore and notation");
  });
  RETURN_IF_ERROR(reader.Finish());
  return root;
}

}  // namespace gatehouse::policy
