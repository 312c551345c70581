// Events on Nodes, for `kubectl describe node`.
#pragma once

#include <map>
#include <string>

#include "common/kube/api.h"
#include "common/telemetry/log.h"

namespace gatehouse::webhook {

// Not thread-safe. The name of an Event is made of what it says, so that another leader that says the same again finds
// it there.
class NodeEvents {
 public:
  NodeEvents(kube::Api& api, const Clock& clock, telemetry::Logger& log) : api_(api), clock_(clock), log_(log) {}

  // A core v1 Event in the namespace default, about the Node as kubelets do it (its uid is the Node's name). What was
  // said within the last ten minutes is not said again; after that it is counted up for as long as the server keeps
  // it. A failure is logged and passed over: an Event is for people.
  void Say(const std::string& node, std::string_view reason, const std::string& message, bool warning);

 private:
  struct Said {
    MonoTime last;
    std::int64_t count = 0;
  };
  [[nodiscard]] std::string Body(const std::string& name, const std::string& node, std::string_view reason,
                                 const std::string& message, bool warning) const;
  [[nodiscard]] Status Send(const std::string& name, const std::string& body, Said& said);
  void Prune();

  kube::Api& api_;
  const Clock& clock_;
  telemetry::Logger& log_;
  std::map<std::string, Said> said_;
};

}  // namespace gatehouse::webhook
