#include "agent/collect/source.h"

namespace gatehouse::agent {

void Source::Fault(const Error& error) {
  if (count_fault_) count_fault_();
  if (fault_ == error) return;
  log_.Failure(telemetry::Level::kWarn, "a source of evidence cannot be sent; the node attests without it", error,
               {{"source", name_}});
  fault_ = error;
}

void Source::Good() {
  if (fault_) log_.Info("a source of evidence is there again", {{"source", name_}, {"path", path_.string()}});
  fault_.reset();
}

}  // namespace gatehouse::agent
