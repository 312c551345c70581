// What signers left beside one image: found, fetched as it is needed and once, and shared by all policies that cover
// the image. Internal to this room.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "common/gate/artefact.h"
#include "common/gate/parallel.h"
#include "common/registry/source.h"

namespace gatehouse::gate {

// Bytes of artefacts that are held at the same time, over all decisions, so that what anybody may push cannot fill the
// memory.
class ArtefactBudget {
 public:
  explicit ArtefactBudget(std::size_t bytes) : free_(bytes) {}
  [[nodiscard]] bool Take(std::size_t bytes);
  void Give(std::size_t bytes) { free_ += bytes; }

 private:
  std::atomic<std::size_t> free_;
};

// How things of one repository are reached, for one decision.
struct Access {
  registry::ImageSource& source;
  const image::Reference& reference;
  const registry::Credentials& credentials;
  const Deadline& deadline;
  Helpers& helpers;
  ArtefactBudget& budget;
};

// What an authority looks for.
enum class Need : std::uint8_t { kSignature, kAttestation, kNotation };

struct Needs {
  bool signatures = false;    // cosign's
  bool attestations = false;  // of cosign, GitHub, npm
  bool notation = false;
  std::vector<std::string> predicate_types = {};  // of the attestations

  void Add(const Needs& more);
  [[nodiscard]] bool any() const { return signatures || attestations || notation; }
};

// Of one thread. Fetches nothing that `needs` does not name. In this order: what there is (tags .sig and .att, and the
// referrers, at the same time); then what looks like it is wanted, kParallelFetches at a time; then, each time that
// somebody asks for more, further ones, up to limits::kSignaturesPerImage and kAttestationsPerImage.
class Evidence {
 public:
  // `subject`: the manifest or index that is judged. `descriptor`: of it, where its bytes are known already.
  Evidence(const Access& access, Digest subject, std::optional<image::Descriptor> descriptor, Needs needs);
  ~Evidence();
  Evidence(const Evidence&) = delete;
  Evidence& operator=(const Evidence&) = delete;

  // Takes the next step. False: there was none, or no time for it.
  [[nodiscard]] bool Fetch();

  [[nodiscard]] const Digest& subject() const { return subject_; }
  // For Notation: what was signed names the media type and the size. After the first step. Errors: kImageNotFound.
  [[nodiscard]] Result<image::Descriptor> descriptor() const;
  // Whatever is still to be looked at, nobody waits for the answer any more.
  [[nodiscard]] bool TooLate() const { return access_.deadline.Passed(); }
  // In the order in which they were fetched.
  [[nodiscard]] std::deque<SigstoreArtefact>& sigstore() { return sigstore_; }
  [[nodiscard]] const std::deque<NotationArtefact>& notation() const { return notation_; }
  // Why what is needed might be among what was not seen: a list that could not be had; more than is looked at; no time.
  [[nodiscard]] std::vector<Error> Unseen(Need need) const;

 private:
  using Content = Result<std::optional<registry::VerifiedContent>>;
  struct Candidate {
    enum class Kind : std::uint8_t { kLayer, kReferrer };
    Kind kind;
    int rank;  // lower ones first; another rank is another step
    std::string where;
    image::Descriptor descriptor;  // of the layer, or of the manifest
  };
  // A blob that a candidate leads to.
  struct Wanted {
    const Candidate* candidate;
    image::Descriptor layer;
    std::optional<image::Manifest> notation;  // the manifest of an envelope
  };

  // As it is listed: one manifest that lies about a blob's size or type is not in the way of another.
  using BlobKey = std::tuple<Digest, std::uint64_t, std::string>;
  static BlobKey KeyOf(const image::Descriptor& layer) { return {layer.digest, layer.size, layer.media_type}; }

  void List();
  void AddLegacy(const std::string& tag, std::string_view what, Need need, const Content& content);
  void AddLayers(const std::string& where, const image::Manifest& manifest, Need need);
  void AddReferrers(const Result<registry::ReferrerList>& list);
  void AddSubject(const Content& content);
  [[nodiscard]] bool IsWanted(const image::Descriptor& referrer) const;
  [[nodiscard]] int RankOf(const image::Descriptor& referrer) const;
  void Enqueue(std::vector<Candidate> candidates);
  void FetchBatch();
  void OpenReferrer(const Candidate& candidate, const Content& content, std::vector<Wanted>& wanted);
  void OpenBundle(const Candidate& candidate, const image::Manifest& manifest, std::vector<Wanted>& wanted);
  void OpenEnvelope(const Candidate& candidate, image::Manifest manifest, std::vector<Wanted>& wanted);
  void FetchBlobs(const std::vector<Wanted>& wanted, std::vector<std::function<void()>> tasks);
  void Add(const Wanted& wanted);
  [[nodiscard]] std::optional<Error> TakeBytes(const image::Descriptor& layer);
  void AddUnread(const Candidate& candidate, Error why);
  [[nodiscard]] bool OthersUsedUpTime() const;
  [[nodiscard]] Error Late(Error error) const;

  const Access& access_;
  Digest subject_;
  Needs needs_;
  std::optional<Result<image::Descriptor>> descriptor_;
  bool listed_ = false;
  std::size_t steps_ = 0;  // of fetching artefacts
  std::deque<Candidate> queue_;
  std::deque<SigstoreArtefact> sigstore_;
  std::deque<NotationArtefact> notation_;
  std::map<BlobKey, Result<std::string>> blobs_;
  std::set<BlobKey> bundles_;
  std::map<Need, std::size_t> counted_;
  std::map<Need, std::vector<Error>> unseen_;
  std::size_t bytes_ = 0;  // of the image
  std::size_t taken_ = 0;  // of them, from the budget of all
};

}  // namespace gatehouse::gate
