// A Kubernetes API server for tests, in memory: objects with versions, patches, lists in pages, watches, discovery,
// TokenReview, and every fault that a real one shows now and then. It is reached in this process (connections()), or at
// a port (KubeApiServer, kube_api_server.h). Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/kube/api.h"
#include "tests/fakes/kube_store.h"

namespace gatehouse::fakes {

struct KubeRequest {
  std::string verb;  // the HTTP method, or "LIST" or "WATCH" for those GETs
  std::string path;  // without the query
  std::string query = {};
  std::string body = {};
  std::string content_type = {};
  net::Headers headers = {};

  [[nodiscard]] std::string Parameter(const std::string& name) const;  // decoded, or ""
  [[nodiscard]] std::string Header(const std::string& name) const;
};

struct KubeReply {
  int status = 200;  // 0: the connection breaks off
  std::string body = {};
  net::Headers headers = {};
};

// What befalls requests.
struct KubeFault {
  std::string verb = {};                          // as in KubeRequest; empty: any
  std::string path = {};                          // of which the path begins; empty: any
  int status = 503;                               // 0: the connection breaks off
  std::optional<int> retry_after = std::nullopt;  // seconds
  std::string message = "fault of the test";
  bool done_nevertheless = false;     // the request is carried out; only its answer is this one
  Duration delay = Duration::zero();  // before the answer; with status 200 nothing else happens
  int times = 1;
};

class KubeApi {
 public:
  // Serves every resource of kube/api.h; ours by the custom resource definitions of the chart, as far as pruning goes
  // (kube_schema.h): nothing is validated, and no default is filled in.
  KubeApi();
  ~KubeApi();
  KubeApi(const KubeApi&) = delete;
  KubeApi& operator=(const KubeApi&) = delete;

  // --- as another client, or kubectl
  void Serve(KubeType type);
  void StopServing(const kube::Resource& resource);
  // Creates the object or replaces what is there, status included (apiVersion and kind say what it is; a namespaced one
  // without a namespace is of "default"). Returns its resourceVersion.
  std::string Put(const std::string& json);
  bool Remove(const kube::Resource& resource, const std::string& name, const std::string& namespace_name = {});
  [[nodiscard]] std::optional<JsonValue> Find(const kube::Resource& resource, const std::string& name,
                                              const std::string& namespace_name = {}) const;
  [[nodiscard]] std::vector<JsonValue> All(const kube::Resource& resource) const;
  [[nodiscard]] std::uint64_t version() const;

  // --- answers
  // The status of a TokenReview: {"authenticated":true,"user":{…},"audiences":[…]}. Without it, nobody is known.
  void ReviewTokens(
      std::function<std::string(const std::string& token, const std::vector<std::string>& audiences)> review);
  // Asked first for every request; what it gives is the answer.
  void Intercept(std::function<std::optional<KubeReply>(const KubeRequest&)> hook);
  // A bearer token that every request must carry (401 otherwise); empty: any.
  void RequireToken(const std::string& token);
  void SetVersion(const std::string& major, const std::string& minor);

  // --- faults
  void Fail(KubeFault fault);
  void ClearFaults();
  // Watches that are open end now: in order, or broken off.
  void EndWatches(bool in_order = true);
  // Each watch from now on ends in order after so many events; 0: none does.
  void EndWatchesAfter(std::size_t events);
  // The history is forgotten: watches from earlier versions get 410, as the answer or (in_stream) as an ERROR event.
  void Compact(bool in_stream = false);
  // Lists that are being read in pages cannot be continued: 410.
  void ExpirePages();
  // A client that asks for a list in pages gets at most so many objects at a time.
  void SetPageSize(std::size_t size);
  void SendBookmark(const kube::Resource& resource);
  // This very text, as a line of every watch of the resource that is open.
  void SendLine(const kube::Resource& resource, const std::string& line);
  // Watches hand their bytes over in pieces of this size.
  void SetPieceSize(std::size_t size);
  // How long a watch is silent before its reader is called with nothing. limits::kStreamTick if not set.
  void SetTick(Duration tick);

  // --- what was asked
  [[nodiscard]] std::vector<KubeRequest> requests() const;
  [[nodiscard]] std::size_t Count(const std::string& verb, const std::string& path_prefix) const;
  void ForgetRequests();
  [[nodiscard]] std::size_t open_watches() const;
  [[nodiscard]] bool AwaitWatches(std::size_t count, Duration at_most = std::chrono::seconds(20)) const;

  // --- how it is reached
  // In this process: http://kube.test with the token "token-of-the-test". Connections outlive no KubeApi.
  [[nodiscard]] kube::ConnectionSource connections();
  [[nodiscard]] std::shared_ptr<net::StreamTransport> transport();

  // For the transports. A request that is no watch.
  [[nodiscard]] KubeReply Handle(const KubeRequest& request);
  // A watch: Start() gives the answer if there is none; Next() gives the next bytes, "" after a tick without any, and
  // nothing at its end.
  class Watch;
  [[nodiscard]] std::unique_ptr<Watch> Start(const KubeRequest& request, KubeReply* refused);
  // Ends all that waits here; every request from now on breaks off.
  void Shutdown();
  [[nodiscard]] static KubeRequest MakeRequest(const std::string& method, const std::string& target, std::string body,
                                               std::string content_type, net::Headers headers);

 private:
  friend class Watch;
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

class KubeApi::Watch {
 public:
  ~Watch();
  [[nodiscard]] std::optional<std::string> Next();
  [[nodiscard]] bool broken_off() const { return broken_off_; }

 private:
  friend class KubeApi;
  struct Part;
  explicit Watch(std::unique_ptr<Part> part);
  std::unique_ptr<Part> part_;
  bool broken_off_ = false;
};

}  // namespace gatehouse::fakes
