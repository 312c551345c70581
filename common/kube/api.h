// The Kubernetes API as Gatehouse uses it: objects as JSON, one request at a time, errors as reasons.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "common/codec/json.h"
#include "common/net/http.h"

namespace gatehouse::kube {

// A resource type. `group` is empty for the core group.
struct Resource {
  std::string group;
  std::string version;
  std::string plural;
  friend bool operator==(const Resource&, const Resource&) = default;
};

// "/api/v1/namespaces/NS/pods/NAME/status", "/apis/gatehouse.dev/v1alpha1/imagepolicies". Each part but the resource
// may be empty. The names are percent-encoded.
[[nodiscard]] std::string PathOf(const Resource& resource, std::string_view namespace_name = {},
                                 std::string_view name = {}, std::string_view subresource = {});

enum class PatchType : std::uint8_t { kMerge, kStrategic, kJson };

// In which form objects are asked for: whole, or as PartialObjectMetadata (of a single object or of a watch's events)
// and PartialObjectMetadataList.
enum class Form : std::uint8_t { kObject, kMetadata, kMetadataList };

// How to reach an API server. Made by connection.h.
struct Connection {
  net::Url server;  // its target is a prefix of every path, without a final '/'
  std::shared_ptr<net::StreamTransport> transport;
  // The bearer token, asked for with each request, since projected tokens are replaced under our feet; empty: none.
  std::function<Result<std::string>()> token;
  // May be empty. Called when the server answered 401: whatever is remembered of the credentials is to be forgotten;
  // the source is then asked again, once.
  std::function<void()> refused = {};
};

// Where the next request's connection comes from: the CA file may have changed.
using ConnectionSource = std::function<Result<Connection>()>;

// Errors of every call: kKubeUnavailable (network, deadline, 429, 5xx; also when told to come again later and there is
// no time), kKubeDenied (401, 403), kKubeNotFound (404), kKubeConflict (409), kKubeExpired (410), kKubeRejected (400,
// 405, 415, 422, and answers that are not what the API specifies), kLimitExceeded (an answer of more than
// limits::kKubeResponseBytes, or of more values than a document may have: to be asked for in smaller parts). `where` is
// the path, the detail holds the server's own message. A 429 with Retry-After is obeyed within the deadline.
// Thread-safe.
class Api {
 public:
  struct Options {
    double queries_per_second = 50;            // of this process: a token bucket, which holds twice that; 0: no limit
    std::function<void(Duration)> sleep = {};  // empty: the thread sleeps
  };
  Api(ConnectionSource connections, const Clock& clock, Options options);
  ~Api();

  [[nodiscard]] Result<codec::JsonDocument> Get(const std::string& path, const Deadline& deadline,
                                                Form form = Form::kObject);
  [[nodiscard]] Result<codec::JsonDocument> Create(const std::string& path, const std::string& json,
                                                   const Deadline& deadline);
  [[nodiscard]] Result<codec::JsonDocument> Replace(const std::string& path, const std::string& json,
                                                    const Deadline& deadline);
  [[nodiscard]] Result<codec::JsonDocument> Patch(const std::string& path, PatchType type, const std::string& json,
                                                  const Deadline& deadline);
  // With `uid`, only the object that has it (kKubeConflict if there is another one of that name). Success too if it is
  // gone already. Never a whole collection: kInternal.
  [[nodiscard]] Status Delete(const std::string& path, const std::string& uid, const Deadline& deadline);

  // GET `path` (with its query, watch=1 among it) as a stream of lines, each one JSON value of at most
  // limits::kKubeObjectBytes, each handed over as it arrives; false ends it, as a success, as does the server's orderly
  // end. `on_line` is called with an empty text when no more is at hand, and now and then while nothing arrives,
  // once the server has begun to answer. Not counted against the rate.
  [[nodiscard]] Status Watch(const std::string& path, const std::function<bool(std::string_view line)>& on_line,
                             const Deadline& deadline, Form form = Form::kObject);

  // Requests sent, for metrics. `verb`: "get", "create", "replace", "patch", "delete", "watch"; `outcome`: "ok",
  // "denied", "missing", "conflict" (also an expired version), "unavailable", "rejected".
  void OnRequest(std::function<void(std::string_view verb, std::string_view outcome)> observer);
  // The server's version as /version says it, e.g. {1, 20}. Asked once and remembered.
  struct Version {
    int major = 0;
    int minor = 0;
  };
  [[nodiscard]] Result<Version> ServerVersion(const Deadline& deadline);
  // Whether the API server serves the resource, by discovery (features are detected, not assumed).
  [[nodiscard]] Result<bool> Serves(const Resource& resource, const Deadline& deadline);
  [[nodiscard]] const Clock& clock() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Reads of an object that nobody here wrote: absent or of another type gives "".
[[nodiscard]] std::string_view TextAt(codec::JsonView object, std::initializer_list<std::string_view> path);

// JSON names.
inline const Resource kPods{"", "v1", "pods"};
inline const Resource kNodes{"", "v1", "nodes"};
inline const Resource kNamespaces{"", "v1", "namespaces"};
inline const Resource kSecrets{"", "v1", "secrets"};
inline const Resource kConfigMaps{"", "v1", "configmaps"};
inline const Resource kEvents{"", "v1", "events"};
inline const Resource kLeases{"coordination.k8s.io", "v1", "leases"};
inline const Resource kTokenReviews{"authentication.k8s.io", "v1", "tokenreviews"};
inline const Resource kCsrs{"certificates.k8s.io", "v1", "certificatesigningrequests"};
inline const Resource kValidatingWebhooks{"admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"};
inline const Resource kMutatingWebhooks{"admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations"};
inline const Resource kImagePolicies{"gatehouse.dev", "v1alpha1", "imagepolicies"};
inline const Resource kNamespacedImagePolicies{"gatehouse.dev", "v1alpha1", "namespacedimagepolicies"};
inline const Resource kNodePolicies{"gatehouse.dev", "v1alpha1", "nodepolicies"};
inline const Resource kReferenceValues{"gatehouse.dev", "v1alpha1", "referencevalues"};
inline const Resource kTrustRoots{"gatehouse.dev", "v1alpha1", "trustroots"};
inline const Resource kNodeAttestations{"gatehouse.dev", "v1alpha1", "nodeattestations"};

}  // namespace gatehouse::kube
