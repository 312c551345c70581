// The real `gatehouse`, a registry on a real port, and images in it that a key of the test signed.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/codec/json.h"
#include "tests/fakes/program.h"
#include "tests/fakes/push.h"

namespace gatehouse::cli {

inline std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

inline std::string ImagePolicyYaml(const std::string& name, const std::string& glob, const std::string& authority,
                                   const std::string& more = "") {
  return "apiVersion: gatehouse.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: " + name +
         "}\nspec:\n  images: [{glob: \"" + glob + "\"}]\n  authorities:\n" + authority + more;
}

inline std::string KeyAuthority(const crypto::PublicKey& key, const std::string& more = "") {
  return "    - name: release\n      key:\n        data: |\n" + fakes::IndentedPem(key.Pem(), 10) + more;
}

inline std::string StaticAuthority(const std::string& action) {
  return "    - {name: fixed, static: {action: " + action + "}}\n";
}

inline std::string EverythingYaml(const std::string& action) {
  return ImagePolicyYaml("everything", "**", StaticAuthority(action));
}

class CliTest : public testing::Test {
 protected:
  // `arguments` with {folder}, {registry} and {dead} (an address on which nobody listens) filled in.
  [[nodiscard]] fakes::Ran Run(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all{fakes::BuiltProgram("gatehouse")};
    for (const std::string& argument : arguments) all.push_back(Filled(argument));
    return fakes::RunProgram(std::move(all));
  }
  [[nodiscard]] std::string Filled(std::string text) const {
    text = Replaced(std::move(text), "{folder}", folder_.path().string());
    text = Replaced(std::move(text), "{registry}", registry_.host());
    return Replaced(std::move(text), "{dead}", dead_);
  }
  void Write(const std::string& name, const std::string& content) const { (void)folder_.Write(name, Filled(content)); }

  // Each line of the output is one JSON object.
  [[nodiscard]] static std::vector<codec::JsonDocument> JsonLines(const std::string& text) {
    std::vector<codec::JsonDocument> lines;
    for (std::size_t begin = 0; begin < text.size();) {
      std::size_t end = std::min(text.find('\n', begin), text.size());
      auto document = codec::JsonDocument::Parse(std::string_view(text).substr(begin, end - begin), {1'000'000});
      EXPECT_TRUE(document.ok()) << text;
      if (document.ok()) lines.push_back(std::move(*document));
      begin = end + 1;
    }
    return lines;
  }
  [[nodiscard]] static std::string Text(codec::JsonView object, std::string_view key) {
    auto member = object.Find(key);
    EXPECT_TRUE(member.has_value()) << key << " in " << object.Serialize();
    return member ? std::string(member->AsString().value_or("(no string)")) : "(absent)";
  }

  // What would be pushed as the image `name`:`tag`, signed by `key`.
  Digest PushSigned(const std::string& name, const std::string& tag, const crypto::PrivateKey& key) {
    Digest image = fakes::PushImage(registry_, name, tag, name + ":" + tag);
    fakes::PushSignatures(registry_, name, image, {fakes::SignPayload(key, image)});
    return image;
  }

  fakes::ScratchFolder folder_;
  fakes::FakeRegistry registry_;
  std::string dead_ = "127.0.0.1:" + std::to_string(fakes::UnusedPort());
  crypto::PrivateKey key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  crypto::PrivateKey other_key_ = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
};

}  // namespace gatehouse::cli
