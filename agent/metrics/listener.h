// A listener for GET /metrics: HTTP/1.1, one connection after the other, closed after each answer. For a scraper on
// the node or in the cluster; there is no TLS and nothing secret.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "common/base/result.h"

namespace gatehouse::agent {

class MetricsListener {
 public:
  // Listens at "ADDRESS:PORT" ("127.0.0.1:9101", "[::]:9101"; port 0: any) and answers with what `text` gives, which is
  // called in a thread of the listener's. Errors: kConfigInvalid (no address), kNetworkUnavailable.
  [[nodiscard]] static Result<std::unique_ptr<MetricsListener>> Start(const std::string& address,
                                                                      std::function<std::string()> text);
  ~MetricsListener();
  MetricsListener(const MetricsListener&) = delete;
  MetricsListener& operator=(const MetricsListener&) = delete;

  [[nodiscard]] int port() const { return port_; }

 private:
  MetricsListener(int listener, int wake_read, int wake_write, int port, std::function<std::string()> text);
  void Run();
  void Serve(int connection) const;

  int listener_;
  int wake_read_;
  int wake_write_;
  int port_;
  std::function<std::string()> text_;
  std::thread thread_;
};

// "ADDRESS:PORT" with a numeric address. Errors: kConfigInvalid.
[[nodiscard]] Status CheckListenAddress(const std::string& address);

}  // namespace gatehouse::agent
