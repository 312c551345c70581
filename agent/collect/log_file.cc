#include "agent/collect/log_file.h"

#include "common/base/file.h"

namespace gatehouse::agent {

std::optional<Bytes> LogFile::Read() {
  auto content = ReadFile(source_.path(), max_);
  if (!content.ok()) {
    source_.Fault(content.error());
    return std::nullopt;
  }
  if (content->empty()) {
    source_.Fault({Reason::kFileUnreadable, source_.path().string(), "is empty"});
    return std::nullopt;
  }
  source_.Good();
  return std::move(*content);
}

}  // namespace gatehouse::agent
