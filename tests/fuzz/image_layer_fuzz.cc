// Layers of images: every file that is found has an absolute path without ".." and a whole digest, whichever way the
// layer came.
#include "cli/layer_files.h"
#include "tests/fuzz/check.h"

using gatehouse::Bytes;
using gatehouse::BytesView;
using gatehouse::Reason;
using gatehouse::cli::ImageFiles;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const BytesView blob(data + 1, size - 1);
  const bool gzip = (data[0] & 1) != 0;
  const std::string type = std::string("application/vnd.oci.image.layer.v1.tar") + (gzip ? "+gzip" : "");
  ImageFiles files;
  auto status = files.AddLayer(type, blob);
  if (!status.ok()) {
    FUZZ_CHECK(status.error().reason == Reason::kManifestMalformed || status.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  const auto runnable = files.Runnable();
  FUZZ_CHECK(runnable.size() <= files.files());
  for (const auto& [path, digest] : runnable) {
    FUZZ_CHECK(path.starts_with('/') && (path + "/").find("/../") == std::string::npos);
    FUZZ_CHECK(path.find("//") == std::string::npos && path.find('\0') == std::string::npos);
    FUZZ_CHECK(digest.size() == 32);
  }
  // The same layer once more changes nothing.
  status = files.AddLayer(type, blob);
  FUZZ_CHECK(!status.ok() || files.Runnable().size() <= runnable.size() * 2);
  return 0;
}
