#include "common/tuf/fetch.h"

#include <filesystem>

#include "common/base/file.h"

namespace gatehouse::tuf {
namespace {

constexpr std::string_view kFolder = "file://";

Result<std::optional<std::string>> FromFolder(const std::filesystem::path& folder, const std::string& path,
                                              std::size_t max_bytes) {
  ASSIGN_OR_RETURN(auto bytes, ReadFileIfPresent(folder / path, max_bytes));
  if (!bytes.has_value()) {
    // A mirror that is not there at all is an outage; a file that is not in it, an answer.
    std::error_code failure;
    if (!std::filesystem::is_directory(folder, failure)) {
      return Error{Reason::kFileUnreadable, folder.string(), "is no folder"};
    }
    return std::optional<std::string>();
  }
  return std::optional(std::string(AsText(*bytes)));
}

Result<std::optional<std::string>> FromServer(net::HttpTransport& transport, const net::Url& base,
                                              const std::string& path, std::size_t max_bytes,
                                              const Deadline& deadline) {
  net::HttpRequest request{.url = base, .max_response_bytes = max_bytes};
  request.url.target += (base.target.ends_with('/') ? "" : "/") + path;
  auto response = transport.Send(request, deadline);
  if (!response.ok()) return response.error().In(request.url.ToString());
  if (response->status == 404 || response->status == 403) return std::optional<std::string>();
  if (response->status != 200) {
    return Error{Reason::kNetworkUnavailable, request.url.ToString(),
                 "was answered by status " + std::to_string(response->status)};
  }
  return std::optional(std::move(response->body));
}

}  // namespace

Result<Fetch> MakeFetch(const std::string& url, net::HttpTransport& transport, const Clock& clock, Duration budget) {
  if (url.starts_with(kFolder)) {
    std::filesystem::path folder = url.substr(kFolder.size());
    if (!folder.is_absolute()) return Error{Reason::kConfigInvalid, url, "must be file:// and an absolute path"};
    return Fetch([folder](const std::string& path, std::size_t max) { return FromFolder(folder, path, max); });
  }
  ASSIGN_OR_RETURN(net::Url base, net::Url::Parse(url, Reason::kConfigInvalid));
  return Fetch([base, &transport, deadline = Deadline(clock, budget)](const std::string& path, std::size_t max) {
    return FromServer(transport, base, path, max, deadline);
  });
}

}  // namespace gatehouse::tuf
