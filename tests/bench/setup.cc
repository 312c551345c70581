#include "tests/bench/setup.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "common/codec/json.h"
#include "common/policy/loader.h"

namespace gatehouse::bench {
namespace {

constexpr std::size_t kReviewBytes = 6'000;

std::string Policy(const crypto::PublicKey& key) {
  std::string yaml =
      "apiVersion: gatehouse.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: signed}\nspec:\n"
      "  images: [{glob: \"registry.example/**\"}]\n  authorities:\n    - name: release\n      key:\n        data: |\n";
  std::istringstream pem(key.Pem());
  for (std::string line; std::getline(pem, line);) yaml += "          " + line + "\n";
  return yaml;
}

// The sample with its image replaced, and an annotation that brings it to the size of a large one.
std::string Review(const std::string& image) {
  std::ifstream file(GATEHOUSE_SOURCE_DIR "/tests/testdata/admission-reviews/pod-create-by-replicaset-controller.json");
  std::ostringstream text;
  text << file.rdbuf();
  std::string review = text.str();
  const std::string marker = "\"image\":";
  auto at = review.find(marker);
  if (at == std::string::npos) std::abort();
  auto begin = review.find('"', at + marker.size());
  auto end = review.find('"', begin + 1);
  review.replace(begin + 1, end - begin - 1, image);
  if (review.size() < kReviewBytes) {
    auto annotations = review.find("\"metadata\":", review.find("\"object\":"));
    auto brace = review.find('{', annotations);
    std::string padding =
        "\"annotations\":{\"example.org/notes\":\"" + std::string(kReviewBytes - review.size(), 'x') + "\"},";
    review.insert(brace + 1, padding);
  }
  return review;
}

}  // namespace

WarmGate::WarmGate() {
  fakes::Sign(registry, "app", image, key);
  auto outcome = policy::LoadPolicies({{"bench.yaml", Policy(key.Public())}});
  if (outcome.set == nullptr) std::abort();
  set = outcome.set;
  review = Review("registry.example/app@" + image.text());
  auto parsed = admission::ParseReview(review);
  if (!parsed.ok() || !gate.Decide(parsed.request(), Soon()).allowed()) {
    std::fprintf(stderr, "the review of the benchmark is not admitted: %s\n",
                 parsed.ok() ? "" : parsed.error().error.ToString().c_str());
    std::abort();
  }
}

}  // namespace gatehouse::bench
