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

# far_away TAG COSIGN MOST: verified by Gatehouse in at most so many round trips.
far_away() {
  local reference=$FAR/app:$1 since ours theirs
  image_policy far release enforce "$FAR/**" >"$STATE/far.yaml"
  far_counts >/dev/null
  since=$EPOCHREALTIME
  OUT=$(kubectl_gatehouse verify image "$reference" -p "$STATE/far.yaml" --insecure-registry "$FAR" 2>&1) || return 1
  ours="gatehouse $(seconds_since "$since") s"
  OUT=$(far_counts)
  ours+=", $OUT"
  [ "${OUT%% *}" -le "$3" ] || return 1
  since=$EPOCHREALTIME
  "$2" verify --key "$PKI/release.pub" --insecure-ignore-tlog=true --allow-http-registry --allow-insecure-registry "$reference" \
    >>"$LOGS/cosign.log" 2>&1 || return 1
  theirs="$2 $(seconds_since "$since") s, $(far_counts)"
  WORDS="$ours; $theirs"
}

if can far-registry; then
  start far-registry "$SUITE/lib/slow_registry.py" "$FAR" "$REGISTRY" "$FAR_CONTROL" 20
  wait_for 10 'the far registry' answers "http://$FAR/v2/"
  expect 'registry 20 ms away: signed by cosign 2' 'at most 4 round trips' far_away signed cosign 4
  ! has cosign3 || expect 'registry 20 ms away: signed by cosign 3' 'at most 5 round trips' far_away cosign3 cosign3 5
  stop far-registry
fi
