# shellcheck shell=bash disable=SC2034 # other files read what is set here
# Pods and what contains them: made, placed, looked at.

KD() { K -n demo "$@"; }
KG() { K -n "$GATEHOUSE_NAMESPACE" "$@"; }

# pod NAME IMAGE [SPEC]: a manifest; SPEC is JSON that goes into its spec.
pod() {
  jq -nc --arg name "$1" --arg image "$2" --argjson spec "${3:-{\}}" '
    {apiVersion: "v1", kind: "Pod", metadata: {name: $name, labels: {app: $name}},
     spec: ({restartPolicy: "Never", terminationGracePeriodSeconds: 0,
             containers: [{name: "app", image: $image}]} + $spec)}'
}

# deployment NAME IMAGE [SPEC]: one replica; SPEC goes into the pod's spec.
deployment() {
  jq -nc --arg name "$1" --argjson pod "$(pod "$@")" '
    {apiVersion: "apps/v1", kind: "Deployment", metadata: {name: $name},
     spec: {replicas: 1, selector: {matchLabels: {app: $name}},
            template: ($pod | {metadata: {labels: .metadata.labels}, spec: (.spec + {restartPolicy: "Always"})})}}'
}

on_node() { echo "{\"nodeSelector\": {\"kubernetes.io/hostname\": \"$(node "$1")\"}}"; }
bound_to() { echo "{\"nodeName\": \"$(node "$1")\"}"; }

# pinned VARIANT: the image by digest.
pinned() { echo "$APP@$(digest_of "$1")"; }

# create NAMESPACE MANIFEST [OPTION...]
create() {
  local namespace=$1 manifest=$2
  shift 2
  K -n "$namespace" create "$@" -f - <<<"$manifest"
}

# post PATH JSON: as it is, past everything that kubectl adds.
post() { K create --raw "$1" -f - <<<"$2"; }

# Without the warning that --force always prints.
delete_pod() { K -n "$1" delete pod "$2" --grace-period=0 --force 2>/dev/null; }

pod_field() { K -n "$1" get pod "$2" -o "jsonpath=$3"; }
pod_place() { pod_field "$1" "$2" '{.status.phase}/{.spec.nodeName}'; }
pod_is() { [ "$(pod_place "$1" "$2")" = "$3" ]; }

# runs_on N NAMESPACE POD: within the time that a pull and a start take.
runs_on() {
  local since=$EPOCHREALTIME
  if eventually 30 pod_is "$2" "$3" "Running/$(node "$1")"; then
    WORDS+="; Running on $(node "$1") after $(seconds_since "$since") s"
  else
    WORDS+="; but it is $(pod_place "$2" "$3")"
    return 1
  fi
}

unscheduled_because() {
  pod_field demo "$1" '{.status.conditions[?(@.type=="PodScheduled")].message}' | grep -Eq "$2"
}

# stays_pending POD PATTERN...: the scheduler found no node, or chose one and was refused there.
stays_pending() {
  local name=$1
  shift
  WORDS=''
  eventually 20 unscheduled_because "$name" "${1:-.}" || WORDS="pod/$name is $(pod_place demo "$name"); "
  says "$WORDS$(pod_field demo "$name" '{range .status.conditions[?(@.type=="PodScheduled")]}{.reason}: {.message}{end}')" \
    "$@" || return 1
  pod_is demo "$name" Pending/ || {
    WORDS+=" [expected it Pending]"
    return 1
  }
}

# node_can_take N: a pod that names the node is let through. A dry run: nothing is made.
node_can_take() { create demo "$(pod probe "$(pinned signed)" "$(bound_to "$1")")" --dry-run=server; }

# decides_right [SECONDS]: one decision of each kind.
decides_right() {
  eventually "${1:-30}" node_can_take 1 || {
    OUT=$(node_can_take 1 2>&1)
    return 1
  }
  refused image-unsigned -- create demo "$(pod any "$APP:unsigned")" --dry-run=server || return 1
  refused node-unknown -- create demo "$(pod any "$(pinned signed)" "$(bound_to 2)")" --dry-run=server
}
