#include "common/appraisal/digest_set.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

#include "common/base/limits.h"
#include "common/crypto/hash.h"

namespace gatehouse::appraisal {
namespace {

constexpr std::string_view kMagic = "GHDS";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kPathHashBytes = 8;
constexpr std::array kAlgorithms = {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512};
// About eight entries in a bucket, so that the index stays in a cache: a read of memory that is in none costs as much
// as a hash, and a look-up should be one.
constexpr int kEntriesPerBucketBits = 3;
constexpr std::ptrdiff_t kCacheLine = 64;
constexpr std::size_t kSteps = 8;
constexpr int kMaxBucketBits = 24;

std::uint64_t ReadBe64(const std::uint8_t* at) {
  return std::uint64_t{at[0]} << 56 | std::uint64_t{at[1]} << 48 | std::uint64_t{at[2]} << 40 |
         std::uint64_t{at[3]} << 32 | std::uint64_t{at[4]} << 24 | std::uint64_t{at[5]} << 16 |
         std::uint64_t{at[6]} << 8 | std::uint64_t{at[7]};
}

// Of two digests of `size` bytes, which is a multiple of eight for each algorithm: negative, 0 or positive.
int Compare(const std::uint8_t* a, const std::uint8_t* b, std::size_t size) {
  for (std::size_t i = 0; i < size; i += 8) {
    const std::uint64_t left = ReadBe64(a + i);
    const std::uint64_t right = ReadBe64(b + i);
    if (left != right) return left < right ? -1 : 1;
  }
  return 0;
}

// SHA-256, so that nobody finds another path that passes for a listed one. Never 0 but for no path. The kernel writes
// '_' for a space in its log (ima_write_template_field_data), so the two count as one.
std::uint64_t HashPath(std::string_view path) {
  if (path.empty()) return 0;
  std::string logged;
  if (path.find(' ') != std::string_view::npos) {
    logged = path;
    std::replace(logged.begin(), logged.end(), ' ', '_');
    path = logged;
  }
  const std::uint64_t hash = ReadBe64(crypto::Hash(HashAlgorithm::kSha256, AsBytes(path)).data());
  return hash == 0 ? 1 : hash;
}

Error Malformed(std::string detail) {
  return {Reason::kDigestMalformed, "file of reference digests", std::move(detail)};
}

// The entries of one algorithm within the block.
class Section {
 public:
  Section(HashAlgorithm algorithm, BytesView digests, BytesView paths)
      : algorithm_(algorithm), size_(DigestSize(algorithm)), count_(paths.size() / kPathHashBytes) {
    digests_ = digests;
    paths_ = paths;
  }

  [[nodiscard]] HashAlgorithm algorithm() const { return algorithm_; }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::size_t index_bytes() const { return index_.size() * sizeof(std::uint32_t); }
  [[nodiscard]] std::uint64_t path(std::size_t i) const { return ReadBe64(&paths_[i * kPathHashBytes]); }
  [[nodiscard]] const std::uint8_t* digest(std::size_t i) const { return &digests_[i * size_]; }

  // Each entry above the one before it.
  [[nodiscard]] bool Sorted() const {
    for (std::size_t i = 1; i < count_; ++i) {
      const int order = Compare(digest(i - 1), digest(i), size_);
      if (order > 0 || (order == 0 && path(i - 1) >= path(i))) return false;
    }
    return true;
  }

  // Where the entries of each bucket begin: buckets by the digests' first bits, which are as good as random; where
  // somebody chose them, a bucket is only longer.
  void Index() {
    if (count_ == 0) return;
    bits_ = std::clamp(static_cast<int>(std::bit_width(count_)) - kEntriesPerBucketBits, 0, kMaxBucketBits);
    const std::size_t buckets = std::size_t{1} << bits_;
    index_.resize(buckets + 1);
    std::size_t next = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      for (const std::size_t bucket = BucketOf(digest(i)); next <= bucket; ++next)
        index_[next] = static_cast<std::uint32_t>(i);
    }
    for (; next <= buckets; ++next) index_[next] = static_cast<std::uint32_t>(count_);
  }

  // The first entry of that digest, or count().
  [[nodiscard]] std::size_t First(BytesView wanted) const {
    if (wanted.size() != size_ || count_ == 0) return count_;
    const std::uint64_t prefix = ReadBe64(wanted.data());
    const std::size_t bucket = BucketOf(wanted.data());
    std::size_t low = index_[bucket];
    std::size_t high = index_[bucket + 1];
    if (low == high) return count_;
    // Where it is if the bucket's digests are spread evenly; they are, so it is a few entries away at most.
    const std::uint64_t rest = prefix << bits_ >> 32;
    std::size_t at = low + ((high - low) * rest >> 32);
    Prefetch(digest(at));
    std::size_t step = 1;
    while (low < high) {
      if (Below(at, prefix, wanted)) {
        low = at + 1;
        at = std::min(at + step, high - 1);
      } else {
        high = at;
        at = at > low + step ? at - step : low;
      }
      if (at < low) at = low;
      // Where somebody chose them, halves find it.
      if (++step > kSteps) at = low + (high - low) / 2;
    }
    return Same(low, wanted) ? low : count_;
  }

  [[nodiscard]] bool Same(std::size_t i, BytesView wanted) const {
    return i < count_ && Compare(digest(i), wanted.data(), size_) == 0;
  }

 private:
  // What is beside it, too: at the same time, and not one after the other.
  void Prefetch(const std::uint8_t* around) const {
    const std::ptrdiff_t before = around - digests_.data();
    const std::ptrdiff_t behind = static_cast<std::ptrdiff_t>(digests_.size()) - before;
    for (std::ptrdiff_t offset = -2 * kCacheLine; offset <= 2 * kCacheLine; offset += kCacheLine) {
      if (offset >= -before && offset < behind) __builtin_prefetch(around + offset);
    }
  }
  // Entry i comes before `wanted`, whose first eight bytes are `prefix`.
  [[nodiscard]] bool Below(std::size_t i, std::uint64_t prefix, BytesView wanted) const {
    const std::uint64_t here = ReadBe64(digest(i));
    return here != prefix ? here < prefix : Compare(digest(i), wanted.data(), size_) < 0;
  }
  [[nodiscard]] std::size_t BucketOf(const std::uint8_t* digest) const {
    return bits_ == 0 ? 0 : ReadBe64(digest) >> (64 - bits_);
  }

  HashAlgorithm algorithm_;
  std::size_t size_;
  std::size_t count_;
  int bits_ = 0;
  BytesView digests_;
  BytesView paths_;
  std::vector<std::uint32_t> index_;
};

// One entry while a set is made: its path is a number already.
struct Plain {
  BytesView digest;
  std::uint64_t path;
};

// The entries of one algorithm as they stand in the file.
std::uint32_t WriteSection(HashAlgorithm algorithm, const std::vector<DigestSet::Entry>& entries, ByteWriter& out) {
  std::vector<Plain> plain;
  for (const DigestSet::Entry& entry : entries) {
    if (entry.algorithm == algorithm) plain.push_back({entry.digest, HashPath(entry.path)});
  }
  auto order = [](const Plain& a, const Plain& b) {
    const int digests = Compare(a.digest.data(), b.digest.data(), a.digest.size());
    return digests < 0 || (digests == 0 && a.path < b.path);
  };
  auto same = [&](const Plain& a, const Plain& b) { return !order(a, b) && !order(b, a); };
  std::sort(plain.begin(), plain.end(), order);
  plain.erase(std::unique(plain.begin(), plain.end(), same), plain.end());
  for (const Plain& each : plain) out.Put(each.digest);
  for (const Plain& each : plain) out.PutU64Be(each.path);
  return static_cast<std::uint32_t>(plain.size());
}

}  // namespace

struct DigestSet::Impl {
  Bytes block;
  std::vector<Section> sections;  // views into `block`

  [[nodiscard]] const Section* Of(HashAlgorithm algorithm) const {
    for (const Section& section : sections) {
      if (section.algorithm() == algorithm) return &section;
    }
    return nullptr;
  }
};

Result<std::shared_ptr<const DigestSet>> DigestSet::Make(std::vector<Entry> entries) {
  if (entries.size() > limits::kDigestSetEntries) {
    return Error{Reason::kLimitExceeded, "reference digests",
                 "there are more than " + std::to_string(limits::kDigestSetEntries)};
  }
  for (const Entry& entry : entries) {
    // Checks algorithm and length.
    ASSIGN_OR_RETURN([[maybe_unused]] const Digest digest, Digest::Make(entry.algorithm, entry.digest));
  }
  std::array<std::uint32_t, kAlgorithms.size()> counts{};
  ByteWriter body;
  for (std::size_t i = 0; i < kAlgorithms.size(); ++i) counts[i] = WriteSection(kAlgorithms[i], entries, body);
  entries = {};
  ByteWriter file;
  file.Put(AsBytes(kMagic));
  file.PutU32Be(kVersion);
  for (std::uint32_t count : counts) file.PutU32Be(count);
  file.Put(body.bytes());
  return Parse(std::move(file).Finish());
}

Result<std::shared_ptr<const DigestSet>> DigestSet::Parse(BytesView file) {
  return Parse(ToBytes(file));
}

Result<std::shared_ptr<const DigestSet>> DigestSet::Parse(Bytes&& file) {
  auto impl = std::make_shared<Impl>();
  impl->block = std::move(file);
  ByteReader reader(impl->block, Reason::kDigestMalformed, "file of reference digests");
  ASSIGN_OR_RETURN(const BytesView magic, reader.Take(kMagic.size()));
  if (AsText(magic) != kMagic) return Malformed("does not begin with GHDS: make one with `gatehouse measure files`");
  ASSIGN_OR_RETURN(const std::uint32_t version, reader.TakeU32Be());
  if (version != kVersion) return Malformed("is of version " + std::to_string(version) + ", which is not known");
  std::array<std::size_t, kAlgorithms.size()> counts{};
  for (std::size_t& count : counts) {
    ASSIGN_OR_RETURN(count, reader.TakeU32Be());
  }
  if (std::accumulate(counts.begin(), counts.end(), std::size_t{0}) > limits::kDigestSetEntries) {
    return Error{Reason::kLimitExceeded, "file of reference digests",
                 "has more than " + std::to_string(limits::kDigestSetEntries) + " entries"};
  }
  for (std::size_t i = 0; i < kAlgorithms.size(); ++i) {
    ASSIGN_OR_RETURN(const BytesView digests, reader.Take(counts[i] * DigestSize(kAlgorithms[i])));
    ASSIGN_OR_RETURN(const BytesView paths, reader.Take(counts[i] * kPathHashBytes));
    Section& section = impl->sections.emplace_back(kAlgorithms[i], digests, paths);
    if (!section.Sorted()) return Malformed("its entries are not in ascending order, or one is there twice");
  }
  RETURN_IF_ERROR(reader.ExpectEnd());
  for (Section& section : impl->sections) section.Index();
  return std::shared_ptr<const DigestSet>(new DigestSet(std::move(impl)));
}

Bytes DigestSet::Serialize() const {
  return impl_->block;
}

DigestSet::Match DigestSet::Find(HashAlgorithm algorithm, BytesView digest, std::string_view path) const {
  const Section* section = impl_->Of(algorithm);
  if (section == nullptr) return Match::kNone;
  std::size_t at = section->First(digest);
  if (at == section->count()) return Match::kNone;
  const std::uint64_t hash = HashPath(path);
  for (; hash != 0 && section->Same(at, digest); ++at) {
    if (section->path(at) == hash) return Match::kExact;
  }
  return Match::kDigest;
}

bool DigestSet::Contains(HashAlgorithm algorithm, BytesView digest) const {
  const Section* section = impl_->Of(algorithm);
  return section != nullptr && section->First(digest) != section->count();
}

bool DigestSet::KnowsPath(std::string_view path) const {
  const std::uint64_t hash = HashPath(path);
  if (hash == 0) return false;
  for (const Section& section : impl_->sections) {
    for (std::size_t i = 0; i < section.count(); ++i) {
      if (section.path(i) == hash) return true;
    }
  }
  return false;
}

std::size_t DigestSet::size() const {
  std::size_t count = 0;
  for (const Section& section : impl_->sections) count += section.count();
  return count;
}

std::size_t DigestSet::bytes() const {
  std::size_t index = 0;
  for (const Section& section : impl_->sections) index += section.index_bytes();
  return impl_->block.capacity() + index;
}

}  // namespace gatehouse::appraisal
