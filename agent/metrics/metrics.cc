#include "agent/metrics/metrics.h"

#include <cstdio>

namespace gatehouse::agent {
namespace {

void Add(std::map<std::string, std::uint64_t, std::less<>>& counters, std::string_view key, std::uint64_t by) {
  auto found = counters.find(key);
  if (found == counters.end()) found = counters.emplace(std::string(key), 0).first;
  found->second += by;
}

std::string Number(double value) {
  std::array<char, 32> text{};
  int size = std::snprintf(text.data(), text.size(), "%.10g", value);
  return {text.data(), static_cast<std::size_t>(size)};
}

void WriteHead(std::string& to, std::string_view family, std::string_view type, std::string_view help) {
  to.append("# HELP ").append(family).append(" ").append(help).append("\n# TYPE ");
  to.append(family).append(" ").append(type).append("\n");
}

}  // namespace

void Metrics::CountAttestation(std::string_view outcome) {
  std::lock_guard lock(mutex_);
  Add(attestations_, outcome, 1);
}

void Metrics::SetLastSuccess(WallTime at) {
  std::lock_guard lock(mutex_);
  last_success_ = at;
}

void Metrics::ObserveTpm(std::string_view command, MonoTime::duration took) {
  double seconds = std::chrono::duration<double>(took).count();
  std::lock_guard lock(mutex_);
  auto found = tpm_.find(command);
  if (found == tpm_.end()) found = tpm_.emplace(std::string(command), Histogram()).first;
  Histogram& histogram = found->second;
  for (std::size_t i = 0; i < kTpmBuckets.size(); ++i) {
    if (seconds <= kTpmBuckets[i]) ++histogram.buckets[i];
  }
  ++histogram.count;
  histogram.seconds += seconds;
}

void Metrics::CountLogBytes(std::string_view log, std::size_t bytes) {
  std::lock_guard lock(mutex_);
  Add(log_bytes_, log, bytes);
}

void Metrics::CountFault(std::string_view source) {
  std::lock_guard lock(mutex_);
  Add(faults_, source, 1);
}

void Metrics::WriteCounters(std::string& to, std::string_view family, std::string_view help, std::string_view label,
                            const Counters& counters) {
  WriteHead(to, family, "counter", help);
  for (const auto& [value, count] : counters) {
    to.append(family).append("{").append(label).append("=\"").append(value).append("\"} ");
    to.append(std::to_string(count)).append("\n");
  }
}

std::string Metrics::Text() const {
  std::lock_guard lock(mutex_);
  std::string text;
  WriteCounters(text, "gatehouse_agent_attestations_total", "Attestations by status of the result or reason of failure",
                "outcome", attestations_);
  WriteCounters(text, "gatehouse_agent_log_bytes_sent_total", "Bytes of measurement logs that the server took", "log",
                log_bytes_);
  WriteCounters(text, "gatehouse_agent_source_faults_total", "Times that a source of evidence could not be sent",
                "source", faults_);
  constexpr std::string_view kTpm = "gatehouse_agent_tpm_command_duration_seconds";
  WriteHead(text, kTpm, "histogram", "Time until the TPM answered, with pauses while it was busy");
  for (const auto& [command, histogram] : tpm_) {
    std::string label = "command=\"" + command + "\"";
    for (std::size_t i = 0; i < kTpmBuckets.size(); ++i) {
      text.append(kTpm).append("_bucket{").append(label).append(",le=\"").append(Number(kTpmBuckets[i]));
      text.append("\"} ").append(std::to_string(histogram.buckets[i])).append("\n");
    }
    text.append(kTpm).append("_bucket{").append(label).append(",le=\"+Inf\"} ");
    text.append(std::to_string(histogram.count)).append("\n");
    text.append(kTpm).append("_sum{").append(label).append("} ").append(Number(histogram.seconds)).append("\n");
    text.append(kTpm).append("_count{").append(label).append("} ");
    text.append(std::to_string(histogram.count)).append("\n");
  }
  constexpr std::string_view kLast = "gatehouse_agent_last_success_timestamp_seconds";
  WriteHead(text, kLast, "gauge", "When the node was last attested with the result affirming; 0: not since the start");
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(last_success_.time_since_epoch()).count();
  text.append(kLast).append(" ").append(std::to_string(seconds)).append("\n");
  return text;
}

}  // namespace gatehouse::agent
