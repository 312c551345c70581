# shellcheck shell=bash
# How a case is written, judged and printed.
#
# A case is a function that is true if all was as expected, and that leaves in
# WORDS what the API server said. It runs as a condition, where `set -e` does not
# apply: each step of it ends in `|| return 1`, or is the last.

CASES=0
AS_EXPECTED=0
WORDS=
OUT=

KD() { K -n demo "$@"; }

# expect TITLE EXPECTATION FUNCTION ARGS...: runs one case and prints its row.
expect() {
  local title=$1 expectation=$2 since=$EPOCHREALTIME outcome color
  shift 2
  WORDS='' OUT=''
  CASES=$((CASES + 1))
  if "$@"; then
    AS_EXPECTED=$((AS_EXPECTED + 1)) outcome=ok color=32
  else
    outcome='NOT AS EXPECTED' color=31
    [ -n "$WORDS" ] || WORDS=$OUT
    [ -n "$WORDS" ] || WORDS='(no answer)'
  fi
  [ ! -t 1 ] || outcome=$'\e['"${color}m$outcome"$'\e[0m'
  printf '%3d  %-66s %-28s %4s s  %s\n' $CASES "$title" "$expectation" "$(seconds_since "$since")" "$outcome"
  shorten <<<"$WORDS" | fold -s -w 110 | sed 's/^/       /'
}

# shorten: what kubectl and the API server put around the message is the same in
# every row, and 52 of the 64 digits of a digest help nobody.
shorten() {
  tr '\n' ' ' | sed -E '
    s/error when (creating|applying patch)[^:]*: //
    s/^error: //
    s/admission webhook "'"$WEBHOOK_NAME"'" denied the request/denied the request/
    s/\b([0-9a-f]{12})[0-9a-f]{52}\b/\1.../g
    s/ +$//' | cut -c1-600
}

# admitted CMD...: the request is let through.
admitted() { OUT=$("$@" 2>&1) && WORDS=$OUT; }

# refused PATTERN... -- CMD...: Gatehouse refuses the request, and its message
# holds every one of the patterns.
refused() {
  local patterns=('denied the request')
  while [ "$1" != -- ]; do
    patterns+=("$1")
    shift
  done
  shift
  OUT=$("$@" 2>&1) && return 1
  says "$OUT" "${patterns[@]}"
}

# says TEXT PATTERN...: keeps TEXT as the words of the case.
says() {
  local pattern
  WORDS=$1
  shift
  for pattern in "$@"; do
    grep -Eqi -- "$pattern" <<<"$WORDS" || {
      WORDS+=" [expected to find: $pattern]"
      return 1
    }
  done
}

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

on_node() { echo "{\"nodeSelector\": {\"kubernetes.io/hostname\": \"node$1\"}}"; }

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

pod_field() { K -n "$1" get pod "$2" -o "jsonpath=$3"; }
pod_place() { pod_field "$1" "$2" '{.status.phase}/{.spec.nodeName}'; }
pod_is() { [ "$(pod_place "$1" "$2")" = "$3" ]; }

# runs_on NODE NAMESPACE POD: within the time that a pull and a start take.
runs_on() {
  local since=$EPOCHREALTIME
  if eventually 30 pod_is "$2" "$3" "Running/node$1"; then
    WORDS+="; Running on node$1 after $(seconds_since "$since") s"
  else
    WORDS+="; but it is $(pod_place "$2" "$3")"
    return 1
  fi
}

unscheduled_because() {
  pod_field demo "$1" '{.status.conditions[?(@.type=="PodScheduled")].message}' | grep -Eq "$2"
}

# stays_pending POD PATTERN...: the scheduler chose a node, and was refused there.
stays_pending() {
  local name=$1
  shift
  WORDS=''
  eventually 20 unscheduled_because "$name" "${1:-.}" || WORDS="pod/$name is $(pod_place demo "$name"); "
  says "$WORDS$(pod_field demo "$name" '{range .status.conditions[?(@.type=="PodScheduled")]}{.reason}: {.message}{end}')" \
    'denied the request' "$@" || return 1
  pod_is demo "$name" Pending/ || {
    WORDS+=" [expected it Pending]"
    return 1
  }
}

run_all_cases() {
  local file
  printf '\n%3s  %-66s %-28s\n' '#' 'case' 'expected'
  for file in "$HERE"/cases/*.sh; do
    # shellcheck source=/dev/null
    . "$file"
  done
  printf '\n%d of %d cases as expected\n' $AS_EXPECTED $CASES
  [ $AS_EXPECTED = $CASES ]
}
