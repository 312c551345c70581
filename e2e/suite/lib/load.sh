# shellcheck shell=bash disable=SC2034 # other files read what is set here
# Fifty pod creations a second, while something happens to Gatehouse.

LOAD=
LOAD_RATE=50

load_starts() {
  K config view --raw --minify -o json >"$STATE/load-kubeconfig.json" || return 1
  "$SUITE/lib/load.py" "$STATE/load-kubeconfig.json" "$(pinned signed)" "$(pinned unsigned)" $LOAD_RATE \
    >"$STATE/load.json" 2>"$LOGS/load.log" &
  LOAD=$!
  sleep 2
}

# load_ends [SECONDS]: goes on for that long, then counts.
load_ends() {
  sleep "${1:-3}"
  kill -TERM "$LOAD" && wait "$LOAD" || return 1
  WORDS+="${WORDS:+; }$(jq -r '"\(.requests) requests: \(.admitted) admitted, \(.refused) refused, \(.wrong) wrongly admitted, " +
    "\(.lost) lost" + (if .lost > 0 then " (within \(.outage) s: \(.words))" else "" end) +
    ", slowest \(.slowest) s"' "$STATE/load.json")"
}

# load_counts FILTER: what jq says of the counts.
load_counts() { jq -e "$1" "$STATE/load.json" >/dev/null; }

NONE_WRONG='.wrong == 0 and .admitted > 50 and .refused > 15'
NONE_LOST="$NONE_WRONG and .lost == 0"
