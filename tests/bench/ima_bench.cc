// A million entries of an IMA log, judged as the attestation service does it, beside nothing but the hashes that this
// cannot do without; and what it takes in memory. Prints ratios; exit status 1 if they are not as was asked for.
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "common/appraisal/ima.h"
#include "common/verify/replay/ima.h"

namespace gatehouse::bench {
namespace {

constexpr std::size_t kEntries = 1'000'000;
constexpr std::size_t kPieceEntries = 4'000;  // about what an agent sends at once
constexpr double kMegabyte = 1e6;
constexpr WallTime kEnds{std::chrono::seconds(1'900'000'000)};

using Time = std::chrono::steady_clock;

struct Algorithms {
  EVP_MD* sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  EVP_MD* sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
};
const Algorithms& Known() {
  static const Algorithms algorithms;
  return algorithms;
}

Bytes Raw(const EVP_MD* algorithm, BytesView data) {
  Bytes digest(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  EVP_Digest(data.data(), data.size(), digest.data(), &size, algorithm, nullptr);
  digest.resize(size);
  return digest;
}

double Seconds(Time::time_point since) {
  return std::chrono::duration<double>(Time::now() - since).count();
}

double ResidentMegabytes() {
  std::size_t all = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / kMegabyte;
}

std::string PathOf(std::size_t number) {
  return "/usr/lib/x86_64-linux-gnu/program-" + std::to_string(number % 997) + "/module-" + std::to_string(number) +
         ".so.1";
}

Bytes DigestOf(std::size_t number) {
  return Raw(Known().sha256, AsBytes("content " + std::to_string(number)));
}

void PutU32Le(Bytes& to, std::size_t value) {
  for (int shift = 0; shift < 32; shift += 8) to.push_back(static_cast<std::uint8_t>(value >> shift));
}

// An entry of the template ima-ng; where its template data begins and ends is noted for the raw hashes.
struct Piece {
  Bytes bytes;
  std::vector<std::pair<std::size_t, std::size_t>> data;
};

void PutEntry(Piece& piece, const std::string& path, BytesView digest) {
  Bytes data;
  PutU32Le(data, 8 + digest.size());
  Append(data, AsBytes(std::string_view("sha256:\0", 8)));
  Append(data, digest);
  PutU32Le(data, path.size() + 1);
  Append(data, AsBytes(path));
  data.push_back(0);
  PutU32Le(piece.bytes, 10);
  Append(piece.bytes, Raw(Known().sha1, data));
  PutU32Le(piece.bytes, 6);
  Append(piece.bytes, AsBytes("ima-ng"));
  PutU32Le(piece.bytes, data.size());
  piece.data.emplace_back(piece.bytes.size(), data.size());
  Append(piece.bytes, data);
}

Piece MakePiece(std::size_t from) {
  Piece piece;
  for (std::size_t i = from; i < from + kPieceEntries; ++i) {
    PutEntry(piece, i == 0 ? "boot_aggregate" : PathOf(i), DigestOf(i));
  }
  return piece;
}

// Sorted, without the vectors that Make() takes.
Bytes ReferenceFile() {
  std::vector<appraisal::DigestSet::Entry> entries;
  for (std::size_t i = 0; i < kEntries; ++i) entries.push_back({HashAlgorithm::kSha256, DigestOf(i), PathOf(i)});
  return (*appraisal::DigestSet::Make(std::move(entries)))->Serialize();
}

// The five hashes of an entry: template hash, hash of the data for the other bank, and three extends, for the log does
// not say whether the SHA-256 bank was extended with its own hash or with padded SHA-1.
class RawReplay {
 public:
  void Advance(const Piece& piece) {
    for (const auto& [offset, size] : piece.data) {
      const BytesView data = BytesView(piece.bytes).subspan(offset, size);
      Extend(Hash(Known().sha1, data), Known().sha1, sha1_);
      Extend(Hash(Known().sha256, data), Known().sha256, sha256_);
      Extend(BytesView(digest_).first(32), Known().sha256, padded_);
    }
  }

 private:
  BytesView Hash(const EVP_MD* algorithm, BytesView data) {
    unsigned size = 0;
    EVP_Digest(data.data(), data.size(), digest_.data(), &size, algorithm, nullptr);
    return BytesView(digest_).first(size);
  }
  static void Extend(BytesView digest, const EVP_MD* algorithm, std::array<std::uint8_t, 64>& pcr) {
    unsigned size = 0;
    std::copy(digest.begin(), digest.end(), pcr.begin() + static_cast<std::ptrdiff_t>(digest.size()));
    EVP_Digest(pcr.data(), 2 * digest.size(), pcr.data(), &size, algorithm, nullptr);
  }
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest_{};
  std::array<std::uint8_t, 64> sha1_{};
  std::array<std::uint8_t, 64> sha256_{};
  std::array<std::uint8_t, 64> padded_{};
};

struct Judged {
  double raw = 0;
  double all = 0;
  double growth = 0;  // in megabytes, from the first tenth to the end
  std::size_t listed = 0;
};

Judged JudgeAll(std::shared_ptr<const appraisal::DigestSet> digests) {
  auto sets = std::make_shared<const std::vector<appraisal::ImaAppraisal::Set>>(
      std::vector<appraisal::ImaAppraisal::Set>{{std::move(digests), false, kEnds}});
  appraisal::ImaAppraisal appraisal(std::make_shared<const appraisal::ImaPolicy>(), sets);
  verify::replay::ImaReplay::Options options;
  options.banks = {HashAlgorithm::kSha1, HashAlgorithm::kSha256};
  verify::replay::ImaReplay replay(options);
  RawReplay raw;
  const WallTime now{std::chrono::seconds(1'800'000'000)};
  Judged judged;
  double early = 0;
  for (std::size_t from = 0; from < kEntries; from += kPieceEntries) {
    const Piece piece = MakePiece(from);
    auto since = Time::now();
    raw.Advance(piece);
    judged.raw += Seconds(since);
    since = Time::now();
    const auto taken = replay.Advance(piece.bytes, [&](const claims::ImaEntry& entry) { appraisal.Judge(entry, now); });
    judged.all += Seconds(since);
    if (!taken.ok() || *taken != piece.bytes.size()) return {};
    if (from == kEntries / 10) early = ResidentMegabytes();
  }
  judged.growth = ResidentMegabytes() - early;
  // Something was found listed: what rests on it ends with the set.
  judged.listed = appraisal.holds_until() == kEnds ? appraisal.judged() : 0;
  return judged;
}

int Run() {
  Bytes file = ReferenceFile();
  file.shrink_to_fit();
  const double before = ResidentMegabytes() - static_cast<double>(file.size()) / kMegabyte;
  const auto since = Time::now();
  auto digests = appraisal::DigestSet::Parse(std::move(file));
  if (!digests.ok()) return 1;
  const double held = static_cast<double>((*digests)->bytes()) / kMegabyte;
  const double grown = ResidentMegabytes() - before;
  std::printf("   %zu reference digests: %.1f MB (asked for: under 60 MB), read in %.0f ms, %.1f MB while that\n",
              (*digests)->size(), held, Seconds(since) * 1e3, grown);
  const Judged judged = JudgeAll(*digests);
  const double ratio = judged.all / judged.raw;
  const double per_entry = 1e9 / static_cast<double>(kEntries);
  std::printf(
      "   %zu entries: its 5 hashes alone (EVP_Digest) %.0f ns, parsed, replayed in 2 banks and looked up %.0f ns\n",
      judged.listed, judged.raw * per_entry, judged.all * per_entry);
  std::printf("   %-58s %.2f x (asked for: at most 2 x)\n", "IMA log judged / the hashes that it contains", ratio);
  std::printf("   memory grew by %.1f MB over the last 900,000 entries (asked for: none)\n", judged.growth);
  const bool good = judged.listed == kEntries && ratio <= 2 && held < 60 && grown < 60 && judged.growth < 4;
  return good ? 0 : 1;
}

}  // namespace
}  // namespace gatehouse::bench

int main() {
  return gatehouse::bench::Run();
}
