// The real gatehouse-webhook on loopback, with certificates of the test, as the API server and a scraper see it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/codec/json.h"
#include "common/crypto/key.h"
#include "common/net/http.h"
#include "tests/fakes/http_server.h"
#include "tests/fakes/program.h"

namespace gatehouse::webhook {

// A client of one listener; new connections only.
struct Client {
  std::string ca_pem = {};
  std::string certificate_pem = {};
  std::string key_pem = {};

  [[nodiscard]] Result<net::HttpResponse> Send(const std::string& method, const std::string& url,
                                               const std::string& body = "") const;
};

// What was answered to an AdmissionReview.
struct Answer {
  int status = 0;  // of HTTP; 0: no answer
  std::string uid{};
  bool allowed = false;
  std::int64_t code = 0;
  std::string message{};  // of a denial; what went wrong where `status` is not 200
};

[[nodiscard]] std::string PodReview(const std::string& image);
// What the scheduler sends when it has chosen a node.
[[nodiscard]] std::string BindingReview(const std::string& node);
// Policy documents for images that are admitted or not whatever they are.
[[nodiscard]] std::string StaticPolicy(const std::string& action);
// A policy "release" for the images that `key` must have signed.
[[nodiscard]] std::string KeyPolicy(const std::string& glob, const crypto::PublicKey& key);
// The section of a configuration for a registry on loopback.
[[nodiscard]] std::string LoopbackRegistry(const std::string& host);

// One running webhook.
class Webhook {
 public:
  explicit Webhook(const std::string& config_path)
      : program_({fakes::BuiltProgram("gatehouse-webhook"), "--config", config_path}) {}

  // Waits until it serves. False if it ended instead, or took too long.
  [[nodiscard]] bool Serves();
  // Where a listener is, as its log says; 0 if it never said so.
  [[nodiscard]] int Port(const std::string& listener) const;
  [[nodiscard]] std::string Url(const std::string& listener, const std::string& path) const;
  [[nodiscard]] fakes::Program& program() { return program_; }

  [[nodiscard]] Answer Review(const Client& client, const std::string& review, const std::string& query = "") const;
  // A GET of the metrics listener: its body, or "" unless the status is 200.
  [[nodiscard]] std::string Get(const std::string& path) const;

 private:
  fakes::Program program_;
};

// Files for a webhook that works: a folder of policies, a certificate, a configuration. Tests then change one thing.
class ProgramTest : public testing::Test {
 protected:
  ProgramTest();

  [[nodiscard]] std::string Filled(std::string text) const;
  // Writes the configuration, with {folder} filled in, and returns its path.
  std::string WriteConfig(const std::string& text) const { return folder_.Write("config.yaml", Filled(text)); }
  void WriteServingCertificate(const fakes::TestCa& ca) const;

  fakes::ScratchFolder folder_;
  fakes::TestCa ca_ = fakes::RootOfToday("serving");
  Client api_server_{.ca_pem = ca_.pem()};
  std::string config_;  // the text of a good configuration
};

}  // namespace gatehouse::webhook
