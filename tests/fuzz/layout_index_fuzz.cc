// index.json of an image layout: whatever it says, its tags are tags, and nothing is found that is not in the folder.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/registry/layout.h"
#include "tests/fuzz/check.h"

namespace registry = gatehouse::registry;
namespace fs = std::filesystem;
using gatehouse::Reason;

namespace {

// A layout without a single blob; it goes when the program ends.
struct EmptyLayout {
  EmptyLayout() {
    std::string pattern = (fs::temp_directory_path() / "gatehouse-fuzz-XXXXXX").string();
    FUZZ_CHECK(mkdtemp(pattern.data()) != nullptr);
    path = pattern;
    fs::create_directories(path / "blobs" / "sha256");
    std::ofstream(path / "oci-layout") << R"({"imageLayoutVersion":"1.0.0"})";
  }
  ~EmptyLayout() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  EmptyLayout(const EmptyLayout&) = delete;
  EmptyLayout& operator=(const EmptyLayout&) = delete;
  fs::path path;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const EmptyLayout kFolder;
  fs::remove(kFolder.path / "index.json");  // a file that is cut to nothing and written again is flushed to the disk
  std::ofstream(kFolder.path / "index.json", std::ios::binary) << gatehouse::AsText({data, size});
  auto layout = registry::Layout::Open(kFolder.path.string());
  if (!layout.ok()) {
    FUZZ_CHECK(layout.error().reason == Reason::kManifestMalformed || layout.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  gatehouse::SystemClock clock;
  const gatehouse::Deadline deadline(clock, std::chrono::seconds(5));
  const auto name = registry::ParseLayoutName("x").value().reference;
  for (const std::string& tag : (*layout)->Tags()) {
    FUZZ_CHECK(gatehouse::image::IsTag(tag));
    auto content = (*layout)->GetManifestByTag(name, tag, {}, deadline);
    FUZZ_CHECK(!content.ok() && content.error().reason == Reason::kManifestMalformed);
  }
  auto digest = gatehouse::Digest::Parse("sha256:" + std::string(64, 'a')).value();
  auto list = (*layout)->Referrers(name, digest, {}, {}, deadline);
  FUZZ_CHECK(!list.ok() || list->referrers.empty());
  auto only = (*layout)->OnlyImage();
  FUZZ_CHECK(!only.ok() && only.error().reason == Reason::kUsage);
  return 0;
}
