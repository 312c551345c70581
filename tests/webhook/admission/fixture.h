// The admission handler over a registry in memory, asked as the API server asks.
#pragma once

#include <fstream>
#include <iterator>

#include "common/codec/json.h"
#include "tests/common/gate/fixture.h"
#include "webhook/admission/handler.h"

namespace gatehouse::webhook {

class HandlerTest : public gate::GateFixture {
 protected:
  void SetUp() override {
    Load(gate::ImagePolicyYaml("signed", "registry.example/**", gate::KeyAuthority("release", key.Public())));
  }

  static std::string Review(const std::string& image, const std::string& more = "") {
    return R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-1","kind":{"group":"","version":"v1","kind":"Pod"},)"
           R"("resource":{"group":"","version":"v1","resource":"pods"},"requestKind":{"group":"","version":"v1","kind":"Pod"},)"
           R"("requestResource":{"group":"","version":"v1","resource":"pods"},"name":"p","namespace":"default","operation":"CREATE",)"
           R"("userInfo":{"username":"someone"},"object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default"},)"
           R"("spec":{"containers":[{"name":"c","image":")" +
           image + "\"}]" + more + R"(}},"oldObject":null,"dryRun":false,"options":null}})";
  }
  // An AdmissionReview as kube-apiserver 1.20 sent it, without white space.
  static std::string Sample(const std::string& name) {
    std::ifstream stream(GATEHOUSE_SOURCE_DIR "/tests/testdata/admission-reviews/" + name + ".json", std::ios::binary);
    EXPECT_TRUE(stream.is_open()) << name;
    std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    auto document = codec::JsonDocument::Parse(text, {.max_bytes = 1 << 20});
    return document.ok() ? document->root().Serialize() : "";
  }
  static std::string Replaced(std::string text, const std::string& from, const std::string& to) {
    EXPECT_NE(text.find(from), std::string::npos) << from;
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
    return text;
  }

  [[nodiscard]] HttpCall Call(const std::string& path, const std::string& body,
                              std::optional<std::string> timeout) const {
    return {.path = path,
            .body = body,
            .query_timeout = std::move(timeout),
            .authorization = "",
            .client = std::nullopt,
            .peer = "",
            .received = clock.Mono()};
  }
  HttpReply Post(const std::string& body, std::optional<std::string> timeout = std::nullopt,
                 AdmissionOptions handler_options = {}) {
    gate::Gate gate = MakeGate();
    AdmissionHandler handler(gate, clock, log, metrics, handler_options);
    return handler.Handle(Call("/validate", body, std::move(timeout)));
  }
  HttpReply Mutate(const std::string& body, std::optional<std::string> timeout = std::nullopt,
                   AdmissionOptions handler_options = {}) {
    gate::Gate gate = MakeGate();
    AdmissionHandler handler(gate, clock, log, metrics, handler_options);
    return handler.HandleMutation(Call("/mutate", body, std::move(timeout)));
  }
  [[nodiscard]] gate::Gate MakeGate() {
    return {verifier, nodes, [this] { return set; }, gate::SameForAll([this] { return credentials; }), options};
  }

  // The response object of an answer.
  static codec::JsonDocument Parsed(const HttpReply& reply) {
    auto document = codec::JsonDocument::Parse(reply.body, {.max_bytes = 1 << 20});
    EXPECT_TRUE(document.ok()) << reply.body;
    return std::move(*document);
  }
  static bool Allowed(const HttpReply& reply) {
    auto document = Parsed(reply);
    return document.root().Find("response")->Find("allowed")->AsBool() == true;
  }
  // The message of a denial; empty if it was none.
  static std::string Message(const HttpReply& reply) {
    auto document = Parsed(reply);
    auto status = document.root().Find("response")->Find("status");
    return status ? std::string(*status->Find("message")->AsString()) : "";
  }

  telemetry::Logger log{-1, telemetry::Level::kInfo, clock};
  telemetry::Metrics metrics;
};

}  // namespace gatehouse::webhook
