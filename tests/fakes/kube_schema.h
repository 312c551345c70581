// The schemas of the custom resource definitions that the chart installs, as far as the fake API server goes by them:
// what they do not know is dropped from objects before anybody sees it.
#pragma once

#include "common/kube/api.h"
#include "tests/fakes/json_value.h"

namespace gatehouse::fakes {

// openAPIV3Schema of the definition in deploy/helm/gatehouse/files/crds; null for resources that are none of ours. Read
// once, and never freed.
[[nodiscard]] const JsonValue* SchemaOf(const kube::Resource& resource);

// Drops the fields that the schema does not specify, except where it has x-kubernetes-preserve-unknown-fields (which
// ends at the next field that is specified). apiVersion, kind and metadata have their schemas from the API server
// itself. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/ "Field
// pruning".
void Prune(JsonValue& object, const JsonValue& schema);

}  // namespace gatehouse::fakes
