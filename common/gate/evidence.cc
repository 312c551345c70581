#include "common/gate/evidence.h"

#include <algorithm>
#include <set>

#include "common/base/limits.h"
#include "common/signature/notation/verifier.h"

namespace gatehouse::gate {
namespace {

using signature::sigstore::IsBundleMediaType;

constexpr std::size_t kParallelFetches = 8;        // an image has one signature and a few attestations
constexpr std::size_t kSmall = 64 * limits::kKiB;  // a bundle has some 10 KiB, and an SBOM more
constexpr std::size_t kHeavy = 1 * limits::kMiB;   // takes a time that whoever put it there has chosen
// cosign 2 with COSIGN_EXPERIMENTAL=1 keeps its legacy manifests as referrers of these types.
constexpr std::string_view kCosignArtifact = "application/vnd.dev.cosign.artifact.";
constexpr std::string_view kCosignSignatures = "application/vnd.dev.cosign.artifact.sig.v1+json";
constexpr std::string_view kCosignAttestations = "application/vnd.dev.cosign.artifact.att.v1+json";
constexpr std::string_view kEnvelopeMediaType = "application/vnd.dsse.envelope.v1+json";
constexpr std::string_view kEmptyConfig = "application/vnd.oci.empty.v1+json";
// Hints that nobody signs: what to look at first.
constexpr const char* kContentHint = "dev.sigstore.bundle.content";
constexpr const char* kPredicateHint = "dev.sigstore.bundle.predicateType";
constexpr const char* kLegacyPredicateHint = "predicateType";

std::string TextOf(const std::map<std::string, std::string>& annotations, const std::string& key) {
  auto found = annotations.find(key);
  return found == annotations.end() ? "" : found->second;
}

bool Contains(const std::vector<std::string>& texts, const std::string& text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

std::string ShortName(const Digest& digest) {
  constexpr std::size_t kShown = 12;
  return std::string(Name(digest.algorithm())) + ":" + std::string(digest.hex().substr(0, kShown));
}

// Indexes under a fallback tag have what go-containerregistry puts there in place of the manifest's own type.
bool IsUnsaid(const std::string& artifact_type) {
  return artifact_type.empty() || artifact_type == kEmptyConfig;
}

// image-spec manifest.md: "artifactType ... If ... not set, the config descriptor's mediaType".
const std::string& TypeOf(const image::Manifest& manifest) {
  return manifest.artifact_type.empty() ? manifest.config.media_type : manifest.artifact_type;
}

std::size_t MostBytes(const std::string& media_type) {
  if (media_type == signature::keyed::kSimpleSigningMediaType) return limits::kSignaturePayloadBytes;
  const bool notation =
      media_type == signature::notation::kJwsMediaType || media_type == signature::notation::kCoseMediaType;
  return notation ? limits::kNotationEnvelopeBytes : limits::kBundleBytes;
}

}  // namespace

bool ArtefactBudget::Take(std::size_t bytes) {
  std::size_t free = free_.load();
  while (free >= bytes) {
    if (free_.compare_exchange_weak(free, free - bytes)) return true;
  }
  return false;
}

void Needs::Add(const Needs& more) {
  signatures = signatures || more.signatures;
  attestations = attestations || more.attestations;
  notation = notation || more.notation;
  predicate_types.insert(predicate_types.end(), more.predicate_types.begin(), more.predicate_types.end());
}

Evidence::Evidence(const Access& access, Digest subject, std::optional<image::Descriptor> descriptor, Needs needs)
    : access_(access), subject_(std::move(subject)), needs_(std::move(needs)) {
  if (descriptor.has_value()) descriptor_ = *std::move(descriptor);
}

Evidence::~Evidence() {
  access_.budget.Give(taken_);
}

Result<image::Descriptor> Evidence::descriptor() const {
  if (descriptor_.has_value()) return *descriptor_;
  return Error{Reason::kInternal, "", "the image's manifest was not asked for"};
}

bool Evidence::Fetch() {
  if (access_.deadline.Passed()) return false;
  if (!listed_) {
    List();
    listed_ = true;
    return true;
  }
  if (queue_.empty()) return false;
  ++steps_;
  FetchBatch();
  return true;
}

// What there is, each list at the same time as the others.
void Evidence::List() {
  const Access& access = access_;
  std::vector<std::function<void()>> tasks;
  const auto tag_of = [&](std::string_view suffix) {
    std::string tag = signature::keyed::SignatureTag(subject_);
    return tag.substr(0, tag.rfind('.')).append(suffix);
  };
  const auto get = [&](const std::string& tag) -> Content {
    if (!image::IsTag(tag)) return std::optional<registry::VerifiedContent>();  // of a SHA-512 digest: too long to be
    return access.source.GetManifestByTag(access.reference, tag, access.credentials, access.deadline);
  };
  const std::string signature_tag = tag_of(".sig");
  const std::string attestation_tag = tag_of(".att");
  std::optional<Content> signatures;
  std::optional<Content> attestations;
  if (needs_.signatures) tasks.emplace_back([&] { signatures.emplace(get(signature_tag)); });
  if (needs_.attestations) tasks.emplace_back([&] { attestations.emplace(get(attestation_tag)); });
  std::vector<std::string> types;
  if (needs_.signatures || needs_.attestations) {
    types = {std::string(signature::sigstore::kBundleMediaTypePrefix), std::string(kCosignArtifact)};
  }
  if (needs_.notation) types.emplace_back(signature::notation::kArtifactType);
  std::optional<Result<registry::ReferrerList>> referrers;
  tasks.emplace_back([&] {
    referrers.emplace(access.source.Referrers(access.reference, subject_, types, access.credentials, access.deadline));
  });
  std::optional<Content> subject;
  if (needs_.notation && !descriptor_.has_value()) {
    tasks.emplace_back([&] {
      subject.emplace(access.source.GetManifest(access.reference, subject_, access.credentials, access.deadline));
    });
  }
  access.helpers.RunAll(tasks);
  if (signatures.has_value()) AddLegacy(signature_tag, "signature", Need::kSignature, *signatures);
  if (attestations.has_value()) AddLegacy(attestation_tag, "attestation", Need::kAttestation, *attestations);
  AddReferrers(*referrers);
  if (subject.has_value()) AddSubject(*subject);
}

void Evidence::AddSubject(const Content& content) {
  if (!content.ok()) {
    descriptor_ = content.error();
  } else if (!content->has_value()) {
    descriptor_ = Error{Reason::kImageNotFound, "", "the registry has no " + subject_.text()};
  } else {
    descriptor_ = image::Descriptor{(*content)->content_type(), subject_, (*content)->bytes().size(), {}, "", ""};
  }
}

void Evidence::AddLegacy(const std::string& tag, std::string_view what, Need need, const Content& content) {
  const auto unseen = [&](Error error) { unseen_[need].push_back(std::move(error)); };
  if (!content.ok()) return unseen(content.error());
  if (!content->has_value()) return;
  auto parsed = image::ParseManifest((*content)->bytes(), (*content)->content_type());
  if (!parsed.ok()) return unseen(parsed.error().In(tag));
  const auto* manifest = std::get_if<image::Manifest>(&*parsed);
  if (manifest == nullptr) {
    return unseen(
        {Reason::kManifestMalformed, tag, "the " + std::string(what) + " tag holds an index, not a manifest"});
  }
  AddLayers("", *manifest, need);
}

// Layers of other kinds are passed over: they are neither.
void Evidence::AddLayers(const std::string& where, const image::Manifest& manifest, Need need) {
  const bool of_signatures = need == Need::kSignature;
  const std::string_view media_type = of_signatures ? signature::keyed::kSimpleSigningMediaType : kEnvelopeMediaType;
  const std::string what = of_signatures ? "signature" : "attestation";
  const std::size_t most = of_signatures ? limits::kSignaturesPerImage : limits::kAttestationsPerImage;
  std::vector<Candidate> candidates;
  for (const image::Descriptor& layer : manifest.layers) {
    if (layer.media_type != media_type) continue;
    if (of_signatures && TextOf(layer.annotations, std::string(signature::keyed::kSignatureAnnotation)).empty())
      continue;
    if (counted_[need]++ == most) {
      unseen_[need].push_back({Reason::kLimitExceeded, "",
                               "the image has more " + what + "s than the " + std::to_string(most) +
                                   " that are tried, and none of those will do"});
      break;
    }
    const std::string type = of_signatures ? "" : TextOf(layer.annotations, kLegacyPredicateHint);
    candidates.push_back({.kind = Candidate::Kind::kLayer,
                          .rank = type.empty() || Contains(needs_.predicate_types, type) ? 0 : 1,
                          .where = where + (where.empty() ? "" : ": ") + what + " " + std::to_string(counted_[need]),
                          .descriptor = layer});
  }
  Enqueue(std::move(candidates));
}

void Evidence::AddReferrers(const Result<registry::ReferrerList>& list) {
  const auto unseen = [&](const Error& error, bool sigstore, bool notation) {
    if (sigstore && needs_.signatures) unseen_[Need::kSignature].push_back(error);
    if (sigstore && needs_.attestations) unseen_[Need::kAttestation].push_back(error);
    if (notation && needs_.notation) unseen_[Need::kNotation].push_back(error);
  };
  if (!list.ok()) return unseen(list.error(), true, true);
  const auto too_many = [](std::size_t most) {
    return Error{Reason::kLimitExceeded, "",
                 "the image has more referrers than the " + std::to_string(most) +
                     " that are looked at, and none of those will do"};
  };
  if (list->truncated) unseen(too_many(limits::kReferrers), true, true);
  const std::size_t most_sigstore =
      limits::kSignaturesPerImage + (needs_.signatures && needs_.attestations ? limits::kAttestationsPerImage : 0);
  std::vector<Candidate> candidates;
  for (const image::Descriptor& referrer : list->referrers) {
    if (!IsWanted(referrer)) continue;
    candidates.push_back({.kind = Candidate::Kind::kReferrer,
                          .rank = RankOf(referrer),
                          .where = "referrer " + ShortName(referrer.digest),
                          .descriptor = referrer});
  }
  // What is looked at is what looks best, not what came first.
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.rank < b.rank; });
  std::size_t sigstore = 0;
  std::size_t notation = 0;
  std::erase_if(candidates, [&](const Candidate& candidate) {
    const bool envelope = candidate.descriptor.artifact_type == signature::notation::kArtifactType;
    return envelope ? notation++ >= limits::kSignaturesPerImage : sigstore++ >= most_sigstore;
  });
  if (sigstore > most_sigstore) unseen(too_many(most_sigstore), true, true);
  if (notation > limits::kSignaturesPerImage) unseen(too_many(limits::kSignaturesPerImage), false, true);
  Enqueue(std::move(candidates));
}

// By what the list says, which its manifest may contradict.
bool Evidence::IsWanted(const image::Descriptor& referrer) const {
  const std::string& type = referrer.artifact_type;
  const bool cosign = needs_.signatures || needs_.attestations;
  if (IsUnsaid(type)) {
    const bool envelope = referrer.annotations.contains(std::string(signature::notation::kThumbprintAnnotation));
    return envelope ? needs_.notation : needs_.any();
  }
  if (type == signature::notation::kArtifactType) return needs_.notation;
  if (type == kCosignSignatures) return needs_.signatures;
  if (type == kCosignAttestations) return needs_.attestations;
  return cosign && IsBundleMediaType(type);
}

int Evidence::RankOf(const image::Descriptor& referrer) const {
  const std::string content = TextOf(referrer.annotations, kContentHint);
  const std::string predicate = TextOf(referrer.annotations, kPredicateHint);
  bool fits = true;
  if (content == "message-signature" || predicate == signature::sigstore::kCosignSignPredicate) {
    fits = needs_.signatures;
  } else if (!predicate.empty()) {
    fits = needs_.attestations && Contains(needs_.predicate_types, predicate);
  }
  return fits ? 0 : 1;
}

void Evidence::Enqueue(std::vector<Candidate> candidates) {
  for (Candidate& candidate : candidates) {
    auto place = std::upper_bound(queue_.begin(), queue_.end(), candidate,
                                  [](const Candidate& a, const Candidate& b) { return a.rank < b.rank; });
    queue_.insert(place, std::move(candidate));
  }
}

// Some of one rank: what many layers share is fetched once.
void Evidence::FetchBatch() {
  std::vector<Candidate> batch;
  std::set<Digest> digests;
  const int rank = queue_.front().rank;
  while (!queue_.empty() && queue_.front().rank == rank) {
    const Digest& digest = queue_.front().descriptor.digest;
    if (!digests.contains(digest) && digests.size() == kParallelFetches) break;
    digests.insert(digest);
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  // The payloads of layers come with the manifests of referrers; then what those lead to.
  std::vector<std::optional<Content>> manifests(batch.size());
  std::vector<std::function<void()>> tasks;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].kind != Candidate::Kind::kReferrer) continue;
    tasks.emplace_back([this, &slot = manifests[i], &digest = batch[i].descriptor.digest] {
      slot.emplace(access_.source.GetManifest(access_.reference, digest, access_.credentials, access_.deadline));
    });
  }
  std::vector<Wanted> wanted;
  for (const Candidate& candidate : batch) {
    if (candidate.kind == Candidate::Kind::kLayer) wanted.push_back({&candidate, candidate.descriptor, std::nullopt});
  }
  FetchBlobs(wanted, std::move(tasks));
  std::vector<Wanted> of_referrers;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (manifests[i].has_value()) OpenReferrer(batch[i], *manifests[i], of_referrers);
  }
  FetchBlobs(of_referrers, {});
}

void Evidence::OpenReferrer(const Candidate& candidate, const Content& content, std::vector<Wanted>& wanted) {
  if (!content.ok()) return AddUnread(candidate, content.error());
  if (!content->has_value())
    return AddUnread(candidate, {Reason::kRegistryProtocol, "", "the registry lists a referrer that it does not have"});
  auto parsed = image::ParseManifest((*content)->bytes(), (*content)->content_type());
  if (!parsed.ok()) return AddUnread(candidate, parsed.error());
  auto* manifest = std::get_if<image::Manifest>(&*parsed);
  if (manifest == nullptr) return AddUnread(candidate, {Reason::kManifestMalformed, "", "is an index, not a manifest"});
  if (!manifest->subject.has_value() || manifest->subject->digest != subject_) {
    return AddUnread(candidate, {Reason::kRegistryProtocol, "",
                                 "is listed as a referrer of the image, but refers to " +
                                     (manifest->subject ? manifest->subject->digest.text() : "nothing")});
  }
  const std::string& listed = candidate.descriptor.artifact_type;
  const std::string type = TypeOf(*manifest);
  if (!IsUnsaid(listed) && listed != type)
    return AddUnread(candidate, {Reason::kRegistryProtocol, "", "is of another artifact type than it is listed with"});
  if (type == signature::notation::kArtifactType) {
    if (needs_.notation) OpenEnvelope(candidate, std::move(*manifest), wanted);
  } else if (!needs_.signatures && !needs_.attestations) {
    return;
  } else if (type == kCosignSignatures || type == kCosignAttestations) {
    const Need need = type == kCosignSignatures ? Need::kSignature : Need::kAttestation;
    if (need == Need::kSignature ? needs_.signatures : needs_.attestations) AddLayers(candidate.where, *manifest, need);
  } else if (IsBundleMediaType(type) ||
             (IsUnsaid(type) && !manifest->layers.empty() && IsBundleMediaType(manifest->layers[0].media_type))) {
    OpenBundle(candidate, *manifest, wanted);
  }
}

// cosign specs/BUNDLE_SPEC.md: one layer, the bundle.
void Evidence::OpenBundle(const Candidate& candidate, const image::Manifest& manifest, std::vector<Wanted>& wanted) {
  if (manifest.layers.size() != 1 || !IsBundleMediaType(manifest.layers[0].media_type)) {
    return AddUnread(candidate, {Reason::kManifestMalformed, "", "must have one layer, a Sigstore bundle"});
  }
  // The same bytes say the same.
  if (!bundles_.insert(KeyOf(manifest.layers[0])).second) return;
  wanted.push_back({&candidate, manifest.layers[0], std::nullopt});
}

// notaryproject specifications/specs/signature-specification.md: "The layers array contains exactly one descriptor".
void Evidence::OpenEnvelope(const Candidate& candidate, image::Manifest manifest, std::vector<Wanted>& wanted) {
  const bool one = manifest.layers.size() == 1;
  const std::string media_type = one ? manifest.layers[0].media_type : "";
  if (media_type != signature::notation::kJwsMediaType && media_type != signature::notation::kCoseMediaType) {
    Error error{Reason::kManifestMalformed, candidate.where, "must have one layer, an envelope in JWS or COSE"};
    notation_.push_back({candidate.where, std::move(error)});
    return;
  }
  image::Descriptor layer = manifest.layers[0];
  wanted.push_back({&candidate, std::move(layer), std::move(manifest)});
}

std::optional<Error> Evidence::TakeBytes(const image::Descriptor& layer) {
  const std::size_t most = MostBytes(layer.media_type);
  if (layer.size > most) {
    return Error{Reason::kLimitExceeded, "",
                 "has " + std::to_string(layer.size) + " bytes, more than " + std::to_string(most)};
  }
  const auto size = static_cast<std::size_t>(layer.size);
  if (bytes_ + size > limits::kArtefactBytes) {
    return Error{Reason::kLimitExceeded, "",
                 "the image's signatures and attestations have more than " + std::to_string(limits::kArtefactBytes) +
                     " bytes together"};
  }
  // What is small is bounded by its number, so that nobody's large attestations are in the way of others' signatures.
  if (size > kSmall && !access_.budget.Take(size))
    return Error{Reason::kOverloaded, "", "too many bytes of attestations are held for other images at this time"};
  bytes_ += size;
  if (size > kSmall) taken_ += size;
  return std::nullopt;
}

// Each distinct one that is not there yet, at the same time as `tasks`; then makes artefacts of them.
void Evidence::FetchBlobs(const std::vector<Wanted>& wanted, std::vector<std::function<void()>> tasks) {
  std::deque<std::pair<BlobKey, std::optional<Content>>> fetched;
  for (const Wanted& each : wanted) {
    BlobKey key = KeyOf(each.layer);
    if (blobs_.contains(key)) continue;
    if (auto refused = TakeBytes(each.layer)) {
      blobs_.emplace(std::move(key), *std::move(refused));
      continue;
    }
    blobs_.emplace(key, std::string());
    auto& slot = fetched.emplace_back(std::move(key), std::nullopt);
    tasks.emplace_back([this, &slot, size = static_cast<std::size_t>(each.layer.size)] {
      slot.second.emplace(access_.source.GetBlob(access_.reference, std::get<Digest>(slot.first), size,
                                                 access_.credentials, access_.deadline));
    });
  }
  access_.helpers.RunAll(tasks);
  for (auto& [key, content] : fetched) {
    Result<std::string>& blob = blobs_.at(key);
    if (!content->ok()) {
      blob = content->error();
      // No more was asked for than the descriptor says.
      if (blob.error().reason == Reason::kLimitExceeded)
        blob = Error{Reason::kContentMismatch, "", "the registry served more bytes than its manifest says"};
    } else if (!(*content)->has_value()) {
      blob = Error{Reason::kRegistryProtocol, "", "the registry lists a blob that it does not have"};
    } else {
      blob = (**content)->bytes();
    }
  }
  for (const Wanted& each : wanted) Add(each);
  for (const BlobKey& key : bundles_) blobs_.erase(key);  // parsed, and asked for once
}

void Evidence::Add(const Wanted& wanted) {
  const Candidate& candidate = *wanted.candidate;
  const Result<std::string>& blob = blobs_.at(KeyOf(wanted.layer));
  if (wanted.notation.has_value()) {
    if (blob.ok()) {
      notation_.push_back({candidate.where, NotationArtefact::Read{wanted.layer.media_type, *blob, *wanted.notation}});
    } else {
      notation_.push_back({candidate.where, Late(blob.error()).In(candidate.where)});
    }
    return;
  }
  if (!blob.ok()) return AddUnread(candidate, blob.error());
  if (candidate.kind == Candidate::Kind::kLayer) {
    sigstore_.push_back(SigstoreArtefact::OfLayer(candidate.where, wanted.layer, *blob));
    return;
  }
  sigstore_.push_back(SigstoreArtefact::OfBundle(candidate.where, *blob));
}

// Which of the two it might have been is known of a layer only.
void Evidence::AddUnread(const Candidate& candidate, Error why) {
  Error error = Late(std::move(why)).In(candidate.where);
  const std::string& type = candidate.descriptor.artifact_type;
  if (candidate.kind == Candidate::Kind::kLayer) {
    const bool signature = candidate.descriptor.media_type == signature::keyed::kSimpleSigningMediaType;
    sigstore_.push_back(SigstoreArtefact::Unread(candidate.where, signature, !signature, std::move(error)));
    return;
  }
  if (type == signature::notation::kArtifactType || IsUnsaid(type)) notation_.push_back({candidate.where, error});
  if (type == signature::notation::kArtifactType) return;
  sigstore_.push_back(SigstoreArtefact::Unread(candidate.where, true, true, std::move(error)));
}

// In the first step, the registry was slow. After it, or with much to fetch in it, whoever put that there used up the
// time: that is no outage, which a policy might relax.
bool Evidence::OthersUsedUpTime() const {
  return steps_ > 1 || bytes_ > kHeavy;
}

Error Evidence::Late(Error error) const {
  if (error.reason == Reason::kDeadlineExceeded && OthersUsedUpTime()) error.reason = Reason::kLimitExceeded;
  return error;
}

std::vector<Error> Evidence::Unseen(Need need) const {
  std::vector<Error> errors;
  if (auto found = unseen_.find(need); found != unseen_.end()) errors = found->second;
  if (!listed_ || (!queue_.empty() && access_.deadline.Passed())) {
    const Reason reason = steps_ == 0 ? Reason::kDeadlineExceeded : Reason::kLimitExceeded;
    errors.push_back({reason, "", "there was no time to try every signature"});
  }
  return errors;
}

}  // namespace gatehouse::gate
