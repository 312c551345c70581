// Replays a fuzz target over its corpus in an ordinary build: every file of the folder in the argument, every
// truncation of each, and the empty input. A missing or empty folder is a failure, so that a target cannot pass by
// testing nothing.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kMaxPrefixes = 4096;  // of a longer seed, so many prefixes are tried, evenly spaced

// A copy of exactly `size` bytes on the heap, so that a sanitizer sees a read beyond them.
void Run(const std::vector<std::uint8_t>& seed, std::size_t size) {
  std::vector<std::uint8_t> input(seed.begin(), seed.begin() + static_cast<std::ptrdiff_t>(size));
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

void Replay(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::vector<std::uint8_t> seed{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (!stream) throw std::runtime_error("cannot read " + file.string());
  // Named before it runs: a target that aborts leaves no other trace of its input.
  std::printf("%s (%zu bytes)\n", file.filename().c_str(), seed.size());
  std::fflush(stdout);
  std::size_t step = seed.size() / kMaxPrefixes + 1;
  for (std::size_t size = 0; size < seed.size(); size += step) Run(seed, size);
  Run(seed, seed.size());
}

int ReplayFolder(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    std::fprintf(stderr, "%s holds no seed\n", folder.c_str());
    return 1;
  }
  Run({}, 0);
  for (const auto& file : files) Replay(file);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
    return 2;
  }
  try {
    return ReplayFolder(argv[1]);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "%s\n", exception.what());
    return 1;
  }
}
