// Globs: the first line is the pattern, the rest the text. A pattern without wildcards matches only itself, and
// widening a pattern never takes a match away.
#include "common/base/bytes.h"
#include "common/policy/match.h"
#include "tests/fuzz/check.h"

using gatehouse::Reason;
using gatehouse::policy::Glob;
using gatehouse::policy::ImageGlob;

namespace {

// `*` wherever it stands alone becomes `**`.
std::string Widened(std::string_view pattern) {
  std::string wide;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    wide += pattern[i];
    if (pattern[i] != '*') continue;
    wide += '*';
    if (i + 1 < pattern.size() && pattern[i + 1] == '*') ++i;
  }
  return wide;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto input = gatehouse::AsText({data, size});
  auto line = input.find('\n');
  auto pattern = input.substr(0, line);
  auto text = line == std::string_view::npos ? std::string_view() : input.substr(line + 1);

  if (auto images = ImageGlob::Parse(pattern); images.ok()) {
    FUZZ_CHECK(pattern == "**" || images->pattern().find('/') != std::string::npos);
    // What it was rewritten to is its own canonical form.
    auto again = ImageGlob::Parse(images->pattern());
    FUZZ_CHECK(again.ok() && again->pattern() == images->pattern());
    // Anchored: a registry that is written out is the only one that matches.
    std::string registry = images->pattern().substr(0, images->pattern().find('/'));
    bool written_out = registry.find('*') == std::string::npos;
    auto reference = gatehouse::image::Reference::Parse(text);
    if (reference.ok() && written_out && images->Matches(*reference)) FUZZ_CHECK(reference->domain() == registry);
  }

  auto glob = Glob::Parse(pattern);
  if (!glob.ok()) {
    FUZZ_CHECK(glob.error().reason == Reason::kPolicyInvalid && !glob.error().detail.empty());
    return 0;
  }
  bool matches = glob->Matches(text);
  if (pattern.find('*') == std::string_view::npos) {
    FUZZ_CHECK(matches == (text == pattern));
    FUZZ_CHECK(glob->Matches(pattern));
  }
  std::string wide = Widened(pattern);
  if (auto wider = Glob::Parse(wide); matches && wider.ok()) FUZZ_CHECK(wider->Matches(text));
  if (auto everything = Glob::Parse("**" + std::string(pattern)); matches && everything.ok())
    FUZZ_CHECK(everything->Matches(text));
  return 0;
}
