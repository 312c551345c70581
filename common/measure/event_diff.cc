// Boot event logs: alignment.
#include <algorithm>
#include <map>
#include <utility>

#include "common/measure/diff.h"
#include "common/measure/event_words.h"
#include "common/verify/replay/event_proof.h"

namespace gatehouse::measure {
namespace {

using claims::BootEvent;
using evidence::eventlog::EventLog;
using Events = std::vector<BootEvent>;

// Cells of the table of a longest common subsequence; beyond, what is left between equal ends is paired as it stands.
constexpr std::size_t kMostCells = 4'000'000;

std::optional<HashAlgorithm> BankInCommon(const EventLog& a, const EventLog& b) {
  const auto has = [](const EventLog& log, HashAlgorithm bank) {
    return std::find(log.banks.begin(), log.banks.end(), bank) != log.banks.end();
  };
  for (HashAlgorithm bank :
       {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512, HashAlgorithm::kSha1}) {
    if (has(a, bank) && has(b, bank)) return bank;
  }
  return std::nullopt;
}

std::map<unsigned, Events> ByPcr(const EventLog& log) {
  std::map<unsigned, Events> pcrs;
  verify::replay::EventProver prover("");
  for (const evidence::eventlog::Event& event : log.events) {
    if (event.type == evidence::eventlog::event_type::kNoAction) continue;
    pcrs[event.pcr].push_back(prover.Prove(event, log.banks).event);
  }
  return pcrs;
}

class Aligner {
 public:
  Aligner(unsigned pcr, HashAlgorithm bank, const Events& a, const Events& b, std::vector<Difference>& out)
      : pcr_(pcr), bank_(bank), a_(a), b_(b), out_(out) {}

  void Run() {
    std::size_t begin = 0;
    while (begin < a_.size() && begin < b_.size() && Same(begin, begin)) Matched(begin, begin), ++begin;
    std::size_t end = 0;
    while (end < a_.size() - begin && end < b_.size() - begin && Same(a_.size() - 1 - end, b_.size() - 1 - end)) ++end;
    Between({begin, a_.size() - end}, {begin, b_.size() - end});
    for (std::size_t i = end; i > 0; --i) Matched(a_.size() - i, b_.size() - i);
  }

 private:
  struct Range {
    std::size_t begin, end;
    [[nodiscard]] std::size_t size() const { return end - begin; }
  };

  [[nodiscard]] bool Same(std::size_t i, std::size_t j) const {
    return a_[i].digests.at(bank_) == b_[j].digests.at(bank_);
  }

  void Matched(std::size_t i, std::size_t j) {
    const BootEvent& a = a_[i];
    const BootEvent& b = b_[j];
    if (a.type == b.type) return;
    out_.push_back({Difference::Kind::kChanged, pcr_, a.number, b.number, SubjectOf(b),
                    "the type is " + evidence::eventlog::EventTypeName(b.type) + " instead of " +
                        evidence::eventlog::EventTypeName(a.type) + " (types are not measured)"});
  }

  void Between(Range a, Range b) {
    if (a.size() == 0 || b.size() == 0 || a.size() > kMostCells / b.size()) return Gap(a, b);
    // length[i][j]: of the longest common subsequence of a[i..] and b[j..].
    const std::size_t width = b.size() + 1;
    std::vector<std::uint16_t> length((a.size() + 1) * width, 0);
    for (std::size_t i = a.size(); i-- > 0;) {
      for (std::size_t j = b.size(); j-- > 0;) {
        length[i * width + j] = Same(a.begin + i, b.begin + j)
                                    ? static_cast<std::uint16_t>(length[(i + 1) * width + j + 1] + 1)
                                    : std::max(length[(i + 1) * width + j], length[i * width + j + 1]);
      }
    }
    std::size_t i = 0, j = 0;
    Range gap_a{a.begin, a.begin}, gap_b{b.begin, b.begin};
    while (i < a.size() && j < b.size()) {
      if (Same(a.begin + i, b.begin + j)) {
        Gap(gap_a, gap_b);
        Matched(a.begin + i, b.begin + j);
        ++i, ++j;
        gap_a = {a.begin + i, a.begin + i};
        gap_b = {b.begin + j, b.begin + j};
      } else if (length[(i + 1) * width + j] >= length[i * width + j + 1]) {
        gap_a.end = a.begin + ++i;
      } else {
        gap_b.end = b.begin + ++j;
      }
    }
    gap_a.end = a.end;
    gap_b.end = b.end;
    Gap(gap_a, gap_b);
  }

  // Of events that have no equal: each of `a` with the first of `b` that is about the same.
  void Gap(Range a, Range b) {
    std::vector<bool> used(b.size(), false);
    for (std::size_t i = a.begin; i < a.end; ++i) {
      const auto partner = Partner(a_[i], b, used);
      if (partner) {
        used[*partner - b.begin] = true;
        out_.push_back({Difference::Kind::kChanged, pcr_, a_[i].number, b_[*partner].number, SubjectOf(b_[*partner]),
                        Changed(a_[i], b_[*partner], bank_)});
      } else {
        out_.push_back(
            {Difference::Kind::kOnlyInA, pcr_, a_[i].number, std::nullopt, SubjectOf(a_[i]), Told(a_[i], bank_)});
      }
    }
    for (std::size_t j = b.begin; j < b.end; ++j) {
      if (used[j - b.begin]) continue;
      out_.push_back(
          {Difference::Kind::kOnlyInB, pcr_, std::nullopt, b_[j].number, SubjectOf(b_[j]), Told(b_[j], bank_)});
    }
  }

  [[nodiscard]] std::optional<std::size_t> Partner(const BootEvent& event, Range in,
                                                   const std::vector<bool>& used) const {
    const std::string topic = TopicOf(event);
    for (std::size_t j = in.begin; j < in.end; ++j) {
      if (!used[j - in.begin] && b_[j].part == event.part && TopicOf(b_[j]) == topic) return j;
    }
    return std::nullopt;
  }

  unsigned pcr_;
  HashAlgorithm bank_;
  const Events& a_;
  const Events& b_;
  std::vector<Difference>& out_;
};

}  // namespace

std::string_view Name(Difference::Kind kind) {
  switch (kind) {
    case Difference::Kind::kOnlyInA:
      return "only in a";
    case Difference::Kind::kOnlyInB:
      return "only in b";
    case Difference::Kind::kChanged:
      break;
  }
  return "changed";
}

Result<std::vector<Difference>> DiffEventLogs(const EventLog& a, const EventLog& b) {
  const auto bank = BankInCommon(a, b);
  if (!bank) {
    return Error{Reason::kEventLogMismatch, "boot event logs",
                 "they have no bank in common, so nothing can be compared"};
  }
  const auto of_a = ByPcr(a);
  auto of_b = ByPcr(b);
  for (const auto& [pcr, events] : of_a) of_b.try_emplace(pcr);
  std::vector<Difference> differences;
  const Events none;
  for (const auto& [pcr, events] : of_b) {
    const auto found = of_a.find(pcr);
    Aligner(pcr, *bank, found == of_a.end() ? none : found->second, events, differences).Run();
  }
  return differences;
}

}  // namespace gatehouse::measure
