#include "common/verify/replay/ima.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/crypto/fast_hasher.h"
#include "common/crypto/hash.h"

namespace gatehouse::verify::replay {
namespace {

using claims::ImaEntry;
using claims::VerifiedIma;
using claims::VerifiedTpmClaims;
using crypto::FastHasher;
using evidence::ima::Encoding;
using evidence::ima::Fields;
using evidence::ima::Frame;
using evidence::ima::FrameReader;

constexpr unsigned kImaPcr = 10;  // CONFIG_IMA_MEASURE_PCR_IDX, which no distribution changes
constexpr std::string_view kBootAggregate = "boot_aggregate";
constexpr std::size_t kLongestDigest = 64;
using DigestBuffer = std::array<std::uint8_t, kLongestDigest>;

struct Bank {
  HashAlgorithm algorithm = HashAlgorithm::kSha256;
  // Digests of this bank's own hash were extended, or SHA-1 digests with zeros behind them. A kernel does one of the
  // two from its start to its end.
  DigestBuffer own{}, padded{};

  [[nodiscard]] std::size_t size() const { return DigestSize(algorithm); }
  [[nodiscard]] BytesView Own() const { return BytesView(own).first(size()); }
  [[nodiscard]] BytesView Padded() const { return BytesView(padded).first(size()); }
};

// What entry 0 says, for CheckBootAggregate.
struct FirstEntry {
  bool boot_aggregate = false;
  bool violation = false;
  std::optional<HashAlgorithm> algorithm;
  DigestBuffer digest{};
};

bool Same(BytesView a, BytesView b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

const Bytes* QuotedPcr(const VerifiedTpmClaims& quote, HashAlgorithm bank, unsigned pcr) {
  const auto pcrs = quote.pcrs().find(bank);
  if (pcrs == quote.pcrs().end()) return nullptr;
  const auto value = pcrs->second.find(pcr);
  return value == pcrs->second.end() ? nullptr : &value->second;
}

// One for each algorithm, made once for as many entries as there are in a piece of a log.
struct Hashers {
  FastHasher sha1{HashAlgorithm::kSha1};
  std::vector<FastHasher> banks;
};

// PCR' = H(PCR ‖ digest), in one piece: each Update costs as much as a quarter of a block.
void Extend(FastHasher& hasher, DigestBuffer& pcr, BytesView digest) {
  std::array<std::uint8_t, 2 * kLongestDigest> both;
  const std::span<std::uint8_t> value = std::span(pcr).first(hasher.size());
  std::copy(digest.begin(), digest.end(), std::copy(value.begin(), value.end(), both.begin()));
  hasher.Begin().Update(BytesView(both).first(value.size() + digest.size())).Finish(value);
}

Error InEntry(const Error& error, std::uint64_t number) {
  return error.In("entry " + std::to_string(number));
}

void Fill(ImaEntry& entry, const Frame& frame, const Fields& fields, std::uint64_t number) {
  entry.number = number;
  entry.template_name = frame.template_name;
  entry.violation = frame.violation();
  entry.path = fields.path;
  entry.is_buffer = fields.has_buffer;
  entry.unknown_fields = fields.unknown;
  entry.boot_aggregate =
      number == 0 && fields.path == kBootAggregate && !fields.has_buffer && !fields.unknown && !fields.verity;
  if (fields.algorithm) {
    entry.algorithm = fields.algorithm;
    entry.digest = fields.digest;
    entry.verity = fields.verity;
  }
  entry.appended = fields.signature.empty() && !fields.appended_signature.empty();
  entry.signature = entry.appended ? fields.appended_signature : fields.signature;
  entry.buffer = fields.buffer;
}

}  // namespace

namespace {

// "ima_calc_buffer_hash(buf, size, iint.ima_hash)" (process_buffer_measurement): a buffer stands beside its own digest,
// under the name of a keyring or of what it is. Another one is a file's entry with its signature taken for a buffer:
// the template's name is not in any hash, and who hands the log over may have changed it.
bool IsKernelsBuffer(const ImaEntry& entry) {
  if (entry.path.starts_with('/')) return false;
  return entry.violation || !entry.algorithm || Same(crypto::Hash(*entry.algorithm, entry.buffer), entry.digest);
}

}  // namespace

struct ImaReplay::State {
  Encoding encoding;
  std::array<Bank, 4> bank_room{};  // one for each HashAlgorithm that there is
  std::size_t bank_count = 0;
  std::uint64_t count = 0;
  std::uint64_t violations = 0;
  FirstEntry first;

  [[nodiscard]] std::span<Bank> banks() { return std::span(bank_room).first(bank_count); }
  [[nodiscard]] std::span<const Bank> banks() const { return std::span(bank_room).first(bank_count); }
  [[nodiscard]] const Bank* Find(HashAlgorithm algorithm) const {
    for (const Bank& bank : banks()) {
      if (bank.algorithm == algorithm) return &bank;
    }
    return nullptr;
  }

  // Checks and extends by one entry, and fills in `entry`, which is empty; nothing else is changed if it is wrong.
  [[nodiscard]] Status Take(const Frame& frame, Hashers& hashers, ImaEntry& entry);
  void ExtendBanks(const Frame& frame, BytesView sha1, Hashers& hashers);
};

Status ImaReplay::State::Take(const Frame& frame, Hashers& hashers, ImaEntry& entry) {
  if (count >= limits::kImaEntries) return Error{Reason::kLimitExceeded, "IMA log", "the log has too many entries"};
  if (frame.pcr != kImaPcr) {
    return Error{Reason::kImaLogMalformed, "IMA log",
                 "it is of PCR " + std::to_string(frame.pcr) + "; only PCR 10 is replayed"};
  }
  DigestBuffer sha1;
  hashers.sha1.Begin().Update(frame.data).Finish(sha1);
  const BytesView template_digest = BytesView(sha1).first(hashers.sha1.size());
  if (!frame.violation() && !Same(template_digest, frame.template_digest)) {
    return Error{Reason::kImaTemplateMismatch, "IMA log",
                 "its template data hashes to " + EncodeHex(template_digest) + ", and its template hash is " +
                     EncodeHex(frame.template_digest)};
  }
  const Result<Fields> fields = evidence::ima::ParseFields(frame, encoding);
  if (!fields.ok()) return fields.error();
  Fill(entry, frame, *fields, count);
  if (entry.is_buffer && !IsKernelsBuffer(entry)) {
    entry.unknown_fields = true;
    entry.algorithm.reset();
    entry.digest = {};
  }
  if (count == 0) {
    first = {entry.boot_aggregate, entry.violation, entry.algorithm, {}};
    std::copy(entry.digest.begin(), entry.digest.end(), first.digest.begin());
  }
  ExtendBanks(frame, template_digest, hashers);
  ++count;
  if (entry.violation) ++violations;
  return {};
}

void ImaReplay::State::ExtendBanks(const Frame& frame, BytesView sha1, Hashers& hashers) {
  for (std::size_t i = 0; i < bank_count; ++i) {
    Bank& bank = banks()[i];
    FastHasher& hasher = hashers.banks[i];
    DigestBuffer digest;
    const BytesView value = BytesView(digest).first(bank.size());
    if (frame.violation()) {
      // "ima_pcr_extend(... violation)": the log has zeros and the PCR gets ones, in each bank.
      digest.fill(0xFF);
      Extend(hasher, bank.own, value);
      Extend(hasher, bank.padded, value);
      continue;
    }
    if (bank.algorithm == HashAlgorithm::kSha1) {
      Extend(hasher, bank.own, sha1);
      bank.padded = bank.own;
      continue;
    }
    hasher.Begin().Update(frame.data).Finish(digest);
    Extend(hasher, bank.own, value);
    digest.fill(0);
    std::copy(sha1.begin(), sha1.end(), digest.begin());
    Extend(hasher, bank.padded, value);
  }
}

namespace {

// The quoted values of PCR 10 beside the running ones, found once for a piece of a log.
class Meeting {
 public:
  Meeting(std::span<const Bank> banks, const VerifiedTpmClaims* quote) {
    if (quote == nullptr) return;
    for (const Bank& bank : banks) {
      const Bytes* quoted = QuotedPcr(*quote, bank.algorithm, kImaPcr);
      if (quoted != nullptr) pairs_.emplace_back(&bank, *quoted);
    }
  }
  [[nodiscard]] bool Reached() const {
    if (pairs_.empty()) return false;
    return std::all_of(pairs_.begin(), pairs_.end(), [](const auto& pair) {
      const auto& [bank, quoted] = pair;
      return Same(bank->Own(), quoted) || Same(bank->Padded(), quoted);
    });
  }

 private:
  std::vector<std::pair<const Bank*, BytesView>> pairs_;
};

}  // namespace

ImaReplay::ImaReplay(const Options& options) : state_(std::make_unique<State>()) {
  state_->encoding = options.encoding;
  for (const HashAlgorithm algorithm : options.banks) {
    if (state_->Find(algorithm) != nullptr || state_->bank_count == state_->bank_room.size()) continue;
    state_->bank_room.at(state_->bank_count++).algorithm = algorithm;
  }
}

ImaReplay::ImaReplay(const ImaReplay& other) : state_(std::make_unique<State>(*other.state_)) {}
ImaReplay& ImaReplay::operator=(const ImaReplay& other) {
  state_ = std::make_unique<State>(*other.state_);
  return *this;
}
ImaReplay::ImaReplay(ImaReplay&&) noexcept = default;
ImaReplay& ImaReplay::operator=(ImaReplay&&) noexcept = default;
ImaReplay::~ImaReplay() = default;

Result<std::size_t> ImaReplay::Advance(BytesView bytes, const Visit& visit, const VerifiedTpmClaims* quote) {
  Hashers hashers;
  for (const Bank& bank : std::as_const(*state_).banks()) hashers.banks.emplace_back(bank.algorithm);
  const Meeting meeting(std::as_const(*state_).banks(), quote);
  FrameReader frames(state_->encoding);
  std::size_t taken = 0;
  while (!meeting.Reached()) {
    auto found = frames.Next(bytes.subspan(taken));
    if (!found.ok()) return InEntry(found.error(), state_->count);
    if (!*found) break;
    ImaEntry entry{};
    const Status status = state_->Take((*found)->frame, hashers, entry);
    if (!status.ok()) return InEntry(status.error(), state_->count);
    taken += (*found)->size;
    if (visit) visit(entry);
  }
  return taken;
}

std::uint64_t ImaReplay::count() const {
  return state_->count;
}

Bytes ImaReplay::Pcr(HashAlgorithm bank, bool padded) const {
  const Bank* found = state_->Find(bank);
  if (found == nullptr) return {};
  return ToBytes(padded ? found->Padded() : found->Own());
}

Result<VerifiedIma> ImaReplay::Settled(const VerifiedTpmClaims& quote) const {
  VerifiedIma verified;
  for (const Bank& bank : std::as_const(*state_).banks()) {
    const Bytes* quoted = QuotedPcr(quote, bank.algorithm, kImaPcr);
    if (quoted == nullptr) continue;
    // At the beginning, or after nothing but violations, both are the same: then nothing was padded.
    const bool own = Same(bank.Own(), *quoted);
    if (!own && !Same(bank.Padded(), *quoted)) {
      return Error{Reason::kImaLogMismatch, "IMA log",
                   "after " + std::to_string(state_->count) + " entries PCR 10 is " + EncodeHex(bank.Own()) +
                       " in the bank " + std::string(Name(bank.algorithm)) + ", and the TPM quotes " +
                       EncodeHex(*quoted)};
    }
    if (!own) verified.padded_.push_back(bank.algorithm);
    verified.pcr_.emplace_back(bank.algorithm, *quoted);
  }
  if (verified.pcr_.empty()) {
    return Error{Reason::kPcrMissing, "IMA log", "the quote has PCR 10 in none of the banks that were replayed"};
  }
  verified.count_ = state_->count;
  verified.violations_ = state_->violations;
  return verified;
}

namespace {

// H(PCR 0 ‖ …) of a bank, up to `last`; nothing if the quote has not all of them.
std::optional<Bytes> Aggregate(const VerifiedTpmClaims& quote, HashAlgorithm bank, unsigned last) {
  Bytes values;
  for (unsigned pcr = 0; pcr <= last; ++pcr) {
    const Bytes* value = QuotedPcr(quote, bank, pcr);
    if (value == nullptr) return std::nullopt;
    Append(values, *value);
  }
  return crypto::Hash(bank, values);
}

}  // namespace

Status ImaReplay::CheckBootAggregate(const VerifiedTpmClaims& quote, bool allow_sha1) const {
  const auto mismatch = [](std::string detail) {
    return Error{Reason::kBootAggregateMismatch, "IMA log", std::move(detail)};
  };
  const FirstEntry& first = state_->first;
  if (state_->count == 0) return Error{Reason::kImaLogTrimmed, "IMA log", "there is no entry yet"};
  if (!first.boot_aggregate) {
    return Error{Reason::kImaLogTrimmed, "IMA log", "the first entry is not boot_aggregate"};
  }
  if (first.violation) return mismatch("boot_aggregate is a violation");
  if (!first.algorithm) return mismatch("boot_aggregate is of a hash that we do not know");
  const HashAlgorithm bank = *first.algorithm;
  if (bank == HashAlgorithm::kSha1 && !allow_sha1) {
    return mismatch("boot_aggregate is of SHA-1, which the policy does not allow");
  }
  const BytesView digest = BytesView(first.digest).first(DigestSize(bank));
  const std::string name(Name(bank));
  // "extend boot_aggregate with kernel measurements": PCR 8 and 9 are in it since Linux 5.8 unless the hash is SHA-1
  // ("if (alg_id != TPM_ALG_SHA1)", ima_calc_boot_aggregate_tfm).
  const std::optional<Bytes> seven = Aggregate(quote, bank, 7);
  if (!seven) {
    return Error{Reason::kPcrMissing, "IMA log",
                 "boot_aggregate takes PCR 0 to 7 of the bank " + name + " in the quote"};
  }
  if (Same(*seven, digest)) return {};
  if (bank == HashAlgorithm::kSha1) return mismatch("boot_aggregate is not the SHA-1 of the quoted PCRs 0 to 7");
  const std::optional<Bytes> nine = Aggregate(quote, bank, 9);
  if (!nine) {
    return Error{Reason::kPcrMissing, "IMA log",
                 "boot_aggregate takes PCR 0 to 9 of the bank " + name + " in the quote"};
  }
  if (Same(*nine, digest)) return {};
  return mismatch("boot_aggregate is neither the " + name + " of the quoted PCRs 0 to 9 nor of 0 to 7");
}

std::string DigestText(const ImaEntry& entry) {
  if (entry.violation) return "violation";
  if (!entry.algorithm) return "unknown";
  return std::string(entry.verity ? "verity:" : "") + std::string(Name(*entry.algorithm)) + ":" +
         EncodeHex(entry.digest);
}

}  // namespace gatehouse::verify::replay
