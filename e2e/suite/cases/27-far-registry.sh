# shellcheck shell=bash disable=SC2034 # other files read what is set here
# A registry that is 20 ms away: what a first decision costs, beside cosign verify
# of the same image on the same machine.

FAR=${REGISTRY%:*}:5020
FAR_CONTROL=${REGISTRY%:*}:5021

far_counts() {
  local counts
  exec 7<>"/dev/tcp/${FAR_CONTROL%:*}/${FAR_CONTROL#*:}" && counts=$(cat <&7) && exec 7>&-
  jq -r '"\(.roundTrips) round trips, \(.requests) requests, \(.connections) connections"' <<<"$counts"
}

# measure REFERENCE POLICY MOST NAME CMD...: verified by Gatehouse in at most so many round trips; CMD beside it.
measure() {
  local reference=$1 policy=$2 most=$3 name=$4 since ours
  shift 4
  far_counts >/dev/null
  since=$EPOCHREALTIME
  OUT=$(kubectl_gatehouse verify image "$reference" -p "$policy" --insecure-registry "$FAR" 2>&1) || return 1
  ours="gatehouse $(seconds_since "$since") s"
  OUT=$(far_counts)
  ours+=", $OUT"
  WORDS=$ours
  [ "${OUT%% *}" -le "$most" ] || return 1
  since=$EPOCHREALTIME
  "$@" --allow-http-registry --allow-insecure-registry "$reference" >>"$LOGS/cosign.log" 2>&1 || return 1
  WORDS="$ours; $name $(seconds_since "$since") s, $(far_counts)"
}

by_key() {
  image_policy far release enforce "$FAR/**" >"$STATE/far.yaml"
  measure "$FAR/app:$1" "$STATE/far.yaml" "$3" "$2" "$2" verify --key "$PKI/release.pub" --insecure-ignore-tlog=true
}

by_workflow() {
  KEYLESS_GLOB="$FAR/**" keyless_policy keyless >"$STATE/far.yaml"
  measure "$FAR/keyless:keyless" "$STATE/far.yaml" "$1" cosign3 cosign3 verify --trusted-root "$STATE/forge/keyless/trusted_root.json" \
    --certificate-identity "$WORKFLOW" --certificate-oidc-issuer "$ISSUER"
}

if can far-registry; then
  start far-registry "$SUITE/lib/slow_registry.py" "$FAR" "$REGISTRY" "$FAR_CONTROL" 20
  wait_for 10 'the far registry' answers "http://$FAR/v2/"
  expect 'registry 20 ms away: signed by cosign 2' 'at most 4 round trips' by_key signed cosign 4
  ! has cosign3 || expect 'registry 20 ms away: signed by cosign 3' 'at most 4 round trips' by_key cosign3 cosign3 4
  if has cosign3 && [ -n "${GATEHOUSE_FORGE:-}" ]; then
    expect 'registry 20 ms away: signed by a workflow' 'at most 5 round trips' by_workflow 5
  fi
  stop far-registry
fi
